"""The memory that docs/performance.md tells of, as a report like those of times."""

from __future__ import annotations

import datetime as dt
import math
import os

from unpoolx._bench import machine
from unpoolx._bench.memory import PLANE, Held, held_in_turn
from unpoolx._bench.outcome import Outcome
from unpoolx._bench.problems import GEOMETRIES, Problem
from unpoolx._bench.results import Measured, Report

MEMORY = "memory"
"""The size of its problems."""
MEBIBYTES = 128
WINDOWS = GEOMETRIES[:2]
LAYOUTS = {"numpy": ("NHWC", "NCHW"), "tf": ("NHWC",), "jax": ("NHWC",), "torch": ("NHWC", "NCHW")}
WITH_NUMBA = ("numpy", "torch")
"""The frameworks that can have their loops compiled by Numba."""


def memory_report(*, numba: bool) -> Report:
    """The memory of each framework; where there is no Numba, of those that can have it.

    Raises:
        subprocess.CalledProcessError: a framework failed; it has said what.
    """
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    count = os.cpu_count() or 1
    report = Report(started, {"size": MEMORY, "threads": count}, machine.described([], count))
    settings = {} if numba else {"UNPOOLX_NUMBA": "0"}
    for backend in LAYOUTS if numba else WITH_NUMBA:
        calls = [
            (function, layout, window, MEBIBYTES)
            for layout in LAYOUTS[backend]
            for function in ("max_pool", "unpool")
            for window in WINDOWS
        ]
        report.measured.extend(map(_measured, held_in_turn(backend, calls, **settings)))
    return report


def _measured(held: Held) -> Measured:
    problem = Problem(
        held.function.removeprefix("max_"), "forward", MEMORY, (held.x_bytes >> 20, *PLANE), "float32", held.window
    )
    outcome = Outcome(held.function, held.layout, "unpoolx", seconds=[held.seconds], peak_bytes=held.peak_bytes)
    return Measured(held.backend, problem, held.argument_bytes + held.result_bytes, [outcome])


def beyond(measured: Measured) -> float | None:
    """What the call held at once beyond its results, in parts of its arguments; None where that is not known."""
    (outcome,) = measured.outcomes
    large, small = measured.problem.input_bytes, measured.moved_bytes - measured.problem.input_bytes
    arguments, results = (large, small) if measured.problem.operation == "pool" else (small, large)
    return None if outcome.peak_bytes is None else (outcome.peak_bytes - results) / arguments


def switch_bytes(measured: Measured) -> float:
    """What the switches take for each window: the rest of what moves beside the large array and a number a window."""
    problem, window = measured.problem, measured.problem.window
    batch, *spatial, channels = problem.shape
    counts = [(size + 2 * window.padding - window.kernel) // window.stride + 1 for size in spatial]
    windows = batch * math.prod(counts) * channels
    return (measured.moved_bytes - problem.input_bytes) / windows - problem.input_bytes / math.prod(problem.shape)
