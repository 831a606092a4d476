"""The demo's numbers: each way to unpool on each backend, its bits against NumPy's, its time, its errors."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import unpoolx
from unpoolx._demo_files import Pixels

Array = npt.NDArray[Any]

WAYS = ("corner", "nearest", "average", "switches")
STEPS = ("max_pool", *WAYS)

MAX_RUNS = 5
ENOUGH_SECONDS = 1.0

# Errors are summed over bands of this many elements: 100 megapixels then need no second copy in float64.
BAND_ELEMENTS = 1 << 22


@dataclass
class Outcome:
    """What one backend made of the photograph."""

    backend: str
    results: int = 0
    different: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    failure: str | None = None

    @property
    def good(self) -> bool:
        """Whether it finished, with NumPy's bits in every result."""
        return self.failure is None and not self.different


@dataclass(frozen=True)
class Errors:
    """How far a reconstruction is from the photograph, both in [0, 1]."""

    rmse: float
    placed_rmse: float
    """The same over those elements alone that this way writes to; the others hold zero."""

    @property
    def psnr(self) -> float:
        """The peak signal-to-noise ratio in decibels, for a peak of 1."""
        return math.inf if self.rmse == 0 else -20 * math.log10(self.rmse)


def measure(
    photograph: Pixels,
    kernel_size: int,
    backends: Sequence[str],
    show: Callable[[str, Array, Errors | None], None],
    progress: Callable[[str], None],
) -> list[Outcome]:
    """Run each step on NumPy and on each backend. Step by step, so that few large arrays live at once.

    Args:
        photograph: of shape (1, height, width, 3).
        kernel_size: the side of the windows, which are also that far apart.
        backends: the names of those to compare with NumPy. What the first of them makes is what `show` gets.
        show: called with the name of each step, the result cut to the photograph's size and its errors, for
            "max_pool" the pooled values and None.
        progress: called with a line that says what is being done.

    Returns:
        an `Outcome` for each of `backends`, in their order.
    """
    outcomes = [Outcome(name) for name in backends]
    progress("max_pool on numpy")
    work = _Work(photograph, kernel_size)
    for step in STEPS:
        names = ("pooled values", "switches' offsets") if step == "max_pool" else (step,)
        progress(f"{step} on numpy")
        expected = work.run(step, "numpy")
        result = expected[0]
        for outcome in outcomes:
            if outcome.failure is not None:
                continue
            progress(f"{step} on {outcome.backend}")
            try:
                got, outcome.seconds[step] = _timed(partial(work.run, step, outcome.backend))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever a framework throws goes into its row
                outcome.failure = f"{step}: {type(error).__name__}: {error}"
                continue
            outcome.results += len(names)
            outcome.different += [name for name, a, b in zip(names, got, expected, strict=True) if not same_bits(a, b)]
            if outcome is outcomes[0]:
                result = got[0]
        if step == "max_pool":
            show(step, result, None)
        else:
            result = work.cut(result)
            show(step, result, _errors(photograph, result, work.cut(work.placed(step))))
    return outcomes


class _Work:
    """A photograph, its pooled values and switches by NumPy, and the steps that a backend takes on them."""

    def __init__(self, photograph: Pixels, kernel_size: int) -> None:
        self._photograph = photograph
        self._kernel = kernel_size
        self._values, self._switches = self._pool("numpy")

    def run(self, step: str, backend: str) -> tuple[Array, ...]:
        """The results of one step as NumPy arrays, which also waits for a backend that computes meanwhile."""
        to_numpy = unpoolx.get_backend(backend).to_numpy
        if step == "max_pool":
            values, switches = self._pool(backend)
            return to_numpy(values), to_numpy(switches.offsets)
        return (to_numpy(self._unpool(step, self._values, backend)),)

    def placed(self, way: str) -> npt.NDArray[np.bool_]:
        """Where `way` writes: what it makes of ones. Nearest and average write everywhere."""
        if way in ("corner", "switches"):
            ones = np.ones(self._values.shape, np.bool_)
            return np.asarray(self._unpool(way, ones, "numpy"))
        return np.broadcast_to(np.True_, self._photograph.shape)

    def cut(self, result: Array) -> Array:
        """`result` at the photograph's size: without switches, windows are whole and may reach past it."""
        _, height, width, _ = self._photograph.shape
        return result[:, :height, :width]

    def _pool(self, backend: str) -> tuple[Any, Any]:
        # ceil_mode: windows that the photograph's edge cuts off count too, so that none of it is lost.
        return unpoolx.max_pool(self._photograph, self._kernel, ceil_mode=True, backend=backend)

    def _unpool(self, way: str, values: Array, backend: str) -> Any:
        if way == "corner":
            return unpoolx.unpool_fixed(values, self._kernel, position="corner", backend=backend)
        if way == "nearest":
            return unpoolx.unpool_nearest(values, self._kernel, backend=backend)
        if way == "average":
            return unpoolx.unpool_average(values, self._kernel, backend=backend)
        return unpoolx.unpool(values, self._switches, backend=backend)


def _timed(run: Callable[[], tuple[Array, ...]]) -> tuple[tuple[Array, ...], float]:
    """The result of `run` and its median time in seconds, after a run to warm up."""
    result = run()
    times: list[float] = []
    while len(times) < MAX_RUNS and sum(times) < ENOUGH_SECONDS:
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays have the same shape, the same dtype and the same bits."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    bits = f"u{a.dtype.itemsize}"
    return np.array_equal(np.ascontiguousarray(a).view(bits), np.ascontiguousarray(b).view(bits))


def _errors(photograph: Pixels, result: Array, placed: npt.NDArray[np.bool_]) -> Errors:
    total = placed_total = 0.0
    count = 0
    for rows in _bands(photograph.shape):
        difference = result[:, rows].astype(np.float64) - photograph[:, rows]
        squares = np.square(difference, out=difference)
        total += float(squares.sum())
        mask = placed[:, rows]
        placed_total += float(squares.sum(where=mask))
        count += int(np.count_nonzero(mask))
    return Errors(math.sqrt(total / photograph.size), math.sqrt(placed_total / count))


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    _, height, width, channels = shape
    step = max(1, BAND_ELEMENTS // (width * channels))
    for start in range(0, height, step):
        yield slice(start, start + step)
