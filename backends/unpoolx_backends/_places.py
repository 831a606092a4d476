"""Where in memory the elements lie that numbers inside windows name: the plain integers of it, for every array library.

An array is a matrix, each row of which is a plane, or an image where channels lie together. The window that begins at
`start` of a row has the element of its `number` at `start + number * unit`, and a step further for each row of the
kernel that the number has left behind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from unpoolx._geometry import Geometry
from unpoolx._layout import CHANNELS_FIRST


class Turn(NamedTuple):
    """What is added for a number that has left rows of the kernel behind: `number // inner * step`."""

    inner: int
    step: int
    factor: int
    shift: int
    """`number * factor >> shift` is the same quotient, of every number in the kernel."""


class Border(NamedTuple):
    """A window that reaches into padding along an axis."""

    axis: int
    """Counted from the end."""
    window: int
    real: np.ndarray[Any, Any]
    """Of each number, whether its element lies in no padding along that axis."""


class Places(NamedTuple):
    """The places of a geometry in the rows of a matrix."""

    size: int
    """The elements of a row."""
    windows: tuple[int, int]
    """The windows of a row: along the first spatial axis, and for each of these, channels included."""
    starts: tuple[tuple[int, int, int], ...]
    """Where windows begin, for each spatial axis and for channels: the first, how many, and how far from each other."""
    elements: int
    """How many numbers there are."""
    unit: int
    turns: tuple[Turn, ...]
    dtype: str
    """An integer that holds whatever is computed here."""
    borders: tuple[Border, ...]

    def rows(self, count: int, most: int) -> Iterator[slice]:
        """Parts of so many rows that have about as many windows, a row at least."""
        step = max(1, most // max(1, math.prod(self.windows)))
        return (slice(i, min(i + step, count)) for i in range(0, count, step))

    def parts(self, most: int) -> Iterator[slice]:
        """Parts of the windows along the first axis, in order: all of them, but where a row has too many."""
        first, others = self.windows
        step = first if first * others <= most else max(1, most // others)
        return (slice(i, min(i + step, first)) for i in range(0, first, step))


def places_of(geometry: Geometry, shape: tuple[int, ...]) -> Places:
    """The places in arrays that have as many channels as one of the shape."""
    return _places(geometry, 1 if geometry.window.data_format == CHANNELS_FIRST else shape[-1])


@lru_cache(maxsize=128)
def _places(geometry: Geometry, channels: int) -> Places:
    axes, elements = geometry.axes, geometry.kernel_elements
    apart = [channels * math.prod(axis.size for axis in axes[i + 1 :]) for i in range(len(axes))]
    inner = [math.prod(axis.kernel for axis in axes[i + 1 :]) for i in range(len(axes))]
    units = [axis.dilation * a for axis, a in zip(axes, apart, strict=True)]
    turns = [
        Turn(inner[i], step, *_reciprocal(inner[i], elements))
        for i, axis in enumerate(axes[1:])
        if (step := units[i] - axis.kernel * units[i + 1]) and inner[i] < elements
    ]
    starts = [(-axis.before * a, axis.windows, axis.stride * a) for axis, a in zip(axes, apart, strict=True)]
    size = apart[0] * axes[0].size
    bounds = [size, elements * units[-1], *(elements * t.factor for t in turns)]
    bounds += [abs(first) + (count - 1) * step for first, count, step in starts]
    bounds += [elements // t.inner * abs(t.step) for t in turns]
    largest = sum(bounds)
    return Places(
        size=size,
        windows=(axes[0].windows, channels * math.prod(axis.windows for axis in axes[1:])),
        starts=(*starts, (0, channels, 1)),
        elements=elements,
        unit=units[-1],
        turns=tuple(turns),
        dtype="int16" if largest < 2**15 else "int32" if largest < 2**31 else "int64",
        borders=tuple(_borders(geometry, inner)),
    )


def _reciprocal(divisor: int, numbers: int) -> tuple[int, int]:
    """A factor and a shift that divide every number below `numbers` by the divisor."""
    for shift in range(64):
        factor = -(-(1 << shift) // divisor)
        # The error grows with the number, so that the last of each quotient is the one to look at.
        if all(n * factor >> shift == n // divisor for n in (*range(divisor - 1, numbers, divisor), numbers - 1)):
            return factor, shift
    raise AssertionError(f"expected a reciprocal of {divisor} for {numbers} numbers")


def _borders(geometry: Geometry, inner: list[int]) -> Iterator[Border]:
    numbers = np.arange(geometry.kernel_elements)
    for position, axis, weight in zip(geometry.spatial_axes, geometry.axes, inner, strict=True):
        leading = min(-(-axis.before // axis.stride), axis.windows)
        inside = (axis.size + axis.before - axis.extent) // axis.stride + 1
        for window in (*range(leading), *range(max(leading, inside), axis.windows)):
            along = window * axis.stride - axis.before + numbers // weight % axis.kernel * axis.dilation
            yield Border(position, window, (along >= 0) & (along < axis.size))
