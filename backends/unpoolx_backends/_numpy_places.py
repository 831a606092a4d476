"""Unpooling and reading by places in memory, block by block, where no loop is compiled.

NumPy writes to a vector of places in order, so that of several windows the last one stays. Measured on one core,
unpooling to 26 MB by slices and comparisons took 11 to 15 ms for windows that are apart and 40 for k3 s2 p1, and takes
6 to 8 by places, whatever the windows.

Each function returns None where a number names no element, or padding, and the recipes take over.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from unpoolx._backend import Array
from unpoolx._dtypes import HALVES
from unpoolx._geometry import Geometry
from unpoolx_backends._numpy_bits import select
from unpoolx_backends._places import Places, places_of

BLOCK_WINDOWS = 2**16
"""About as many windows make a block, whose places stay in the cache."""


def unpool(x: Array, offsets: Array, geometry: Geometry, overlap: str) -> Array | None:
    """`_recipe_unpool.unpool`, or None; a lone addend is moved, not added to zero."""
    adds = overlap == "sum" and geometry.overlaps
    places = None if adds and x.dtype.name in HALVES else _serving(geometry, offsets)
    if places is None:
        return None
    return _put(places, _windows(places, x), _windows(places, offsets), adds).reshape(geometry.unpooled_shape(x.shape))


def gather(x: Array, offsets: Array, geometry: Geometry, *, winners: bool) -> Array | None:
    """`_recipe_unpool.gather`, or None."""
    places = _serving(geometry, offsets)
    if places is None:
        return None
    read = _read_winners if winners and geometry.overlaps else _read
    return read(places, x.reshape(-1, places.size), _windows(places, offsets)).reshape(offsets.shape)


def _serving(geometry: Geometry, offsets: Array) -> Places | None:
    """The places, where every number names an element that is none of padding."""
    places = places_of(geometry, offsets.shape)
    if not offsets.size or offsets.max() >= places.elements or offsets.min() < 0:
        return None
    real = all(real.take(offsets.take(window, axis)).all() for axis, window, real in places.borders)
    return places if real else None


def _windows(places: Places, x: Array) -> Array:
    """A pooled array as (rows, windows along the first axis, others)."""
    return x.reshape(-1, *places.windows)


def _put(places: Places, values: Array, numbers: Array, adds: bool) -> Array:
    """The values in rows of zeros, added or in place of what is there, windows in row-major order."""
    result = np.zeros((len(values), places.size), values.dtype)
    for rows, windows, index in _indices(places, numbers):
        into, part = result[rows].reshape(-1), values[rows, windows].reshape(-1)
        if adds:
            with np.errstate(over="ignore", invalid="ignore"):
                np.add.at(into, index, part)  # unbuffered, one addend after another
        else:
            into[index] = part
    return result


def _read(places: Places, x: Array, numbers: Array) -> Array:
    """What the numbers name in the rows of x."""
    result = np.empty(numbers.shape, x.dtype)
    for rows, windows, index in _indices(places, numbers):
        into = result[rows, windows]
        into[...] = x[rows].reshape(-1).take(index).reshape(into.shape)
    return result


def _read_winners(places: Places, x: Array, numbers: Array) -> Array:
    """`_read`, but zero where a later window names the same element: each writes its number, and the last one stays."""
    result = np.empty(numbers.shape, x.dtype)
    own = np.arange(math.prod(places.windows), dtype=np.int64).reshape(places.windows)
    own, zero = own.astype(np.min_scalar_type(own.size)), np.zeros((), x.dtype)
    for some in places.rows(len(numbers), BLOCK_WINDOWS):
        into, source, block = result[some], x[some].reshape(-1), numbers[some]
        last = np.empty(source.size, own.dtype)
        for _, windows, index in _indices(places, block):
            last[index] = np.broadcast_to(own[windows], block[:, windows].shape).reshape(-1)
        for _, windows, index in _indices(places, block):
            part = into[:, windows]
            won = last.take(index).reshape(part.shape) == own[windows]
            part[...] = select(won, source.take(index).reshape(part.shape), zero)
    return result


def _indices(places: Places, numbers: Array) -> Iterator[tuple[slice, slice, Array]]:
    """Block by block, the places that numbers name in their rows, which are taken as one vector."""
    dtype = np.dtype(places.dtype)
    first, others = _starts(places, dtype)
    scratch, seen = [np.empty(0)], slice(0)
    for rows, windows in itertools.product(places.rows(len(numbers), BLOCK_WINDOWS), places.parts(BLOCK_WINDOWS)):
        block = numbers[rows, windows]
        if scratch[0].shape != block.shape:
            scratch = [np.empty(block.shape, d) for d in (dtype, dtype, np.intp)]
            begin = np.arange(len(block))[:, None, None] * places.size
        if windows != seen:
            starts, seen = first[windows, None] + others, windows
        place, step, index = scratch
        np.multiply(block, places.unit, out=place, dtype=dtype)
        for turn in places.turns:
            np.multiply(block // block.dtype.type(turn.inner), turn.step, out=step, dtype=dtype)
            place += step
        place += starts
        np.copyto(index, place)
        if len(block) > 1:
            index += begin
        yield rows, windows, index.reshape(-1)


def _starts(places: Places, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Where windows begin along the first axis, and along the others from there."""
    along = [(np.arange(count) * apart + begin).astype(dtype) for begin, count, apart in places.starts]
    others = np.zeros(1, dtype)
    for starts in along[1:]:
        others = (others[:, None] + starts).reshape(-1)
    return along[0], others
