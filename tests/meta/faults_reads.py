"""Faults of reading by index: `at(x)[index].get` and what an index means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from faults import SoundNumpy, planted

from unpoolx._at import _placed
from unpoolx._backend import Array
from unpoolx._dtypes import FLOAT_BITS, INTEGERS
from unpoolx._recipe_at import Read, get, update

GET = "get-reads-the-elements-that-the-index-names"
MODES = "get-reads-the-elements-that-the-index-names"
ERRORS = "an-illegal-index-is-an-error"
SLICES = "slices-and-integers-mean-what-they-do-to-numpy"
DTYPES = "index-arrays-of-every-integer-dtype-mean-the-same"
FILL = "a-number-is-rounded-as-values-are"
FAR = "numbers-beyond-32-bits-are-never-narrowed"


class Reading(SoundNumpy):
    """Reads, tampered with."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        """What takes the place of a read."""
        return self.soundly(static, x, fill, arrays)

    def soundly(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        """The read as it should be."""
        return super().fused(get, static, x, fill, *arrays)

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is get:
            return self.read(static, arrays[0], arrays[1], arrays[2:])
        return super().fused(function, static, *arrays)


@planted(MODES)
class ClipWraps(Reading):
    """Reads in mode "clip" take the number modulo the length."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static._replace(mode="wrap" if static.mode == "clip" else static.mode), x, fill, arrays)


@planted(MODES)
class WrapClips(Reading):
    """Reads in mode "wrap" take the nearest element."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static._replace(mode="clip" if static.mode == "wrap" else static.mode), x, fill, arrays)


@planted(MODES)
class NegativeNeverCounts(Reading):
    """Reads in mode "clip" take the first element for every negative number."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        if static.mode == "clip":
            arrays = tuple(np.where(a < 0, a.dtype.type(0), a) if a.dtype.kind == "i" else a for a in arrays)
        return self.soundly(static, x, fill, arrays)


@planted(MODES)
class FillIsZero(Reading):
    """Reads out of range give zero, whatever the fill."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static, x, np.zeros_like(fill), arrays)


@planted(FILL)
class FillIgnoresItsValue(Reading):
    """Reads of floats out of range give NaN, also where there is a fill_value."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static, x, fill * np.nan if fill.dtype.kind == "f" else fill, arrays)


@planted(GET)
class IndexAxesInFront(Reading):
    """The axes of index arrays stand in front of the result, also where the arrays are adjacent."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        plan = static.plan
        return self.soundly(static._replace(plan=plan if plan.is_basic else replace(plan, place=0)), x, fill, arrays)


@planted(SLICES)
class NegativeStepForwards(SoundNumpy):
    """A slice with a negative step comes out in ascending order."""

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x


@planted(GET)
class SubnormalsFlushedOnReading(Reading):
    """A subnormal number is read as zero."""

    def read(self, static: Read, x: Array, fill: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static, flushed(x), fill, arrays)


@planted(GET)
class LastColumnRepeated(SoundNumpy):
    """A read by numbers takes every column from the last one but one where there are three."""

    def take_along(self, x: Array, index: Array) -> Array:
        taken = super().take_along(x, index)
        return taken if taken.shape[-1] < 3 else np.concatenate([taken[..., :-1], taken[..., -2:-1]], -1)


@planted(GET)
class BoundsWithoutSign(SoundNumpy):
    """`bounds` forgets the sign, so that no index is negative."""

    def bounds(self, x: Array) -> tuple[int, int]:
        least, greatest = super().bounds(x)
        return abs(least), abs(greatest)


class Indexing(SoundNumpy):
    """Index arrays, tampered with wherever they are used."""

    def number(self, array: Array, function: Callable[..., Any], static: Any) -> Array:
        """What takes the place of an index array."""
        return array

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        kept = {_placed: 0, get: 2, update: 2}.get(function, len(arrays))
        numbers = (self.number(a, function, static) if a.dtype.name in INTEGERS else a for a in arrays[kept:])
        return super().fused(function, static, *arrays[:kept], *numbers)


@planted(ERRORS)
class IndexArrayNarrowed(Indexing):
    """An index of 64 bits is cut to 32 before it is placed."""

    def number(self, array: Array, function: Callable[..., Any], static: Any) -> Array:
        return array.astype(np.int32).astype(np.int64)


@planted(FAR)
class UnsignedIndexWraps(Indexing):
    """uint64 is read as int64, so that the greatest number is -1."""

    def number(self, array: Array, function: Callable[..., Any], static: Any) -> Array:
        return array.view(np.int64) if array.dtype == np.uint64 else array


@planted(DTYPES)
class UnsignedIndexNarrow(Indexing):
    """An unsigned index of one byte is read as a signed one."""

    def number(self, array: Array, function: Callable[..., Any], static: Any) -> Array:
        return array.view(np.int8) if array.dtype == np.uint8 else array


@planted(ERRORS)
class NegativeCountsTwice(SoundNumpy):
    """A negative number counts from the end again where once is not enough."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        kept = {_placed: 0, get: 2, update: 2}.get(function, len(arrays))
        lengths = static[:1] if function is _placed else static.lengths if kept < len(arrays) else ()
        numbers = arrays[kept:]
        if len(lengths) == len(numbers):  # not a mask
            numbers = tuple(
                np.where(a < -n, a + n, a) if a.dtype == np.int64 else a for a, n in zip(numbers, lengths, strict=True)
            )
        return super().fused(function, static, *arrays[:kept], *numbers)


@planted(ERRORS)
class OutOfRangeIsDropped(SoundNumpy):
    """No index is ever out of range: an update is dropped, and a read filled."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        made = super().fused(function, static, *arrays)
        return (made[0], np.zeros_like(made[1])) if function is _placed else made


def flushed(x: Array) -> Array:
    """x with zeros in place of subnormal numbers."""
    if x.dtype.name not in FLOAT_BITS:
        return x
    layout = FLOAT_BITS[x.dtype.name]
    return np.where(x.view(layout.integer) & layout.infinity == 0, x.dtype.type(0), x)
