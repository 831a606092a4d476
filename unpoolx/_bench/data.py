"""The arrays of a problem and what every way must make of them: unpoolx's own results on NumPy.

No window holds two equal elements, and sums of cotangents are exact in any order. So a way gives these very bits, or
it does something else.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

import unpoolx
from unpoolx._bench.problems import Problem

Array = npt.NDArray[Any]
Results = dict[str, Array]

# So many bits of an integer, its sign included, does a dtype hold exactly.
EXACT_BITS = {"float32": 24, "bfloat16": 8, "int8": 8}
MASKED = 1.5
"""What a masked update writes."""
REPEATED = 1 << 24
"""Of a large array so many elements are drawn, and then repeated along the batch: to draw all would take longer than to
measure."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of a name.

    Raises:
        ModuleNotFoundError: bfloat16 without ml_dtypes, which JAX and TensorFlow bring.
    """
    if name == "bfloat16":
        import ml_dtypes

        name = ml_dtypes.bfloat16
    return np.dtype(name)


class PoolData:
    """The arrays of pooling and unpooling, channels last.

    Args:
        problem: what is to be done.
        alone: whether unpoolx alone does it, whose offsets tell of places, and are there at once.
    """

    def __init__(self, problem: Problem, *, alone: bool = False) -> None:
        self._problem, self.alone = problem, alone
        self._dtype = numpy_dtype(problem.dtype)
        pooling = problem.window
        self.spatial = problem.shape[1:-1]
        self.window = unpoolx.Window(pooling.kernel, pooling.stride, pooling.padding).with_rank_of(problem.shape)

    @functools.cached_property
    def x(self) -> Array:
        """Integers of which no two in one window are equal."""
        return self._repeated(self._drawn)

    def _repeated(self, drawn: Array) -> Array:
        """What was made of the images that were drawn, for the whole batch."""
        batch = self._problem.shape[0]
        return drawn if len(drawn) == batch else np.resize(drawn, (batch, *drawn.shape[1:]))

    @functools.cached_property
    def _drawn(self) -> Array:
        """The first images of x: the last bits of their integers number the places of a kernel."""
        whole, kernel, rank = self._problem.shape, self._problem.window.kernel, len(self.spatial)
        shape = min(whole[0], max(REPEATED // math.prod(whole[1:]), 1)), *whole[1:]
        bits = EXACT_BITS[self._problem.dtype]
        low_bits = (kernel**rank - 1).bit_length()
        random = np.random.default_rng(0)
        numbers = random.integers(0, 1 << (bits - low_bits), shape, np.int32)
        numbers <<= low_bits
        for axis, length in enumerate(self.spatial):
            places = np.arange(length, dtype=np.int32) % kernel * kernel**axis
            numbers += places.reshape((length,) + (1,) * (rank - axis))
        numbers -= 1 << (bits - 1)
        return numbers.astype(self._dtype)

    @functools.cached_property
    def _pooled(self) -> tuple[Array, unpoolx.Switches]:
        values, switches = unpoolx.max_pool(self._drawn, self.window)
        offsets = self._repeated(switches.offsets)
        return self._repeated(values), unpoolx.Switches.trusted(offsets, switches.window, self.spatial)

    @property
    def values(self) -> Array:
        """The pooled array."""
        return self._pooled[0]

    @property
    def switches(self) -> unpoolx.Switches:
        """Where the pooled values came from."""
        return self._pooled[1]

    @property
    def offsets(self) -> Array:
        """The switches' one array."""
        offsets: Array = self.switches.offsets
        return offsets

    @functools.cached_property
    def dy(self) -> Array:
        """A cotangent of the pooled array."""
        return np.random.default_rng(1).integers(-100, 100, self.values.shape, np.int8).astype(self._dtype)

    @functools.cached_property
    def dx(self) -> Array:
        """A cotangent of the unpooled array."""
        return np.random.default_rng(2).integers(-100, 100, self._problem.shape, np.int8).astype(self._dtype)

    @functools.cached_property
    def spatial_indices(self) -> Array:
        """PyTorch's numbers: places in a plane."""
        indices: Array = self.switches.to_indices("spatial")
        return indices

    @functools.cached_property
    def batch_indices(self) -> Array:
        """TensorFlow's numbers with the batch in them: places in the whole array."""
        indices: Array = self.switches.to_indices("tf_batch")
        return indices

    def expected(self) -> Results:
        """The results of the problem by name, channels last; places count in their own plane."""
        match self._problem.operation, self._problem.variant:
            case "pool", "forward" if self.alone:
                return {"values": self.values, "offsets": self.offsets}
            case "pool", "forward":
                return {"values": self.values, "places": self.spatial_indices}
            case "pool", "backward":
                return {"gradient": unpoolx.unpool(self.dy, self.switches, overlap="sum")}
            case "unpool", "backward":
                read, nothing = unpoolx.gather(self.dx, self.switches), np.zeros((), self._dtype)
                return {"gradient": np.where(self._won(), read, nothing) if self._problem.window.overlaps else read}
            case _:
                return {"values": unpoolx.unpool(self.values, self.switches)}

    def _won(self) -> Array:
        """For each window whether its value stayed where several windows point at one element."""
        numbers = np.arange(self.values.size, dtype=np.int32).reshape(self.values.shape)
        won: Array = unpoolx.gather(unpoolx.unpool(numbers, self.switches), self.switches) == numbers
        return won

    def moved_bytes(self) -> int:
        """What the operation must read and write."""
        if self._problem.operation == "round-trip":
            return 2 * self._problem.input_bytes
        return self._problem.input_bytes + self.values.nbytes + self.offsets.nbytes


class AtData:
    """An array of rows, an index that takes half of them, and what is to stand there."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        random = np.random.default_rng(0)
        rows, columns = problem.shape
        half = rows // 2
        self.x = random.integers(0, 1 << 24, problem.shape, np.int32).astype(np.float32)
        self.values = random.integers(0, 1 << 24, (half, columns), np.int32).astype(np.float32)
        self.integers = random.permutation(rows)[:half]
        if problem.variant == "duplicates":
            self.integers = random.integers(0, rows, half)
            self.integers[-1] = self.integers[0]
        self.mask = random.integers(0, 2, problem.shape, np.int8).astype(np.bool_)

    def expected(self) -> Results:
        """The result by name."""
        at = unpoolx.at(self.x)
        match self._problem.variant:
            case "slice":
                return {"array": at[1::2].set(self.values)}
            case "mask":
                return {"array": at[self.mask].set(MASKED)}
            case _:
                return {"array": at[self.integers].set(self.values)}

    def moved_bytes(self) -> int:
        """What the operation must read and write: the index, the values, what is kept of x, and the result."""
        match self._problem.variant:
            case "slice":
                return 2 * self.x.nbytes
            case "mask":
                return 2 * self.x.nbytes + self.mask.nbytes
            case _:
                return 2 * self.x.nbytes + self.integers.nbytes
