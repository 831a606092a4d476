"""Unpooling and reading by places in memory, block by block: eager calls on the CPU where no loop is compiled.

PyTorch's scatter along the elements of a row is one thread's for each row, and in order, so that of several windows the
last one stays, and addends are added one after another. Its own unpooling shares the windows of a row out among
threads, which race for an element.

Each function returns None where a number names no element, or padding, and the recipes take over.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx_backends._places import Places, places_of

BLOCK_WINDOWS = 2**19
"""About as many windows make a block, whose places stay in the cache, and are enough for PyTorch's threads."""

_SUMMED = (torch.float32, torch.float64, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
# PyTorch moves these as integers of their width.
_MOVED_AS = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def unpool(x: Array, offsets: Array, geometry: Geometry, overlap: str) -> Array | None:
    """`_recipe_unpool.unpool`, or None; a lone addend is moved, not added to zero."""
    adds = overlap == "sum" and geometry.overlaps
    places = _serving(geometry, offsets) if not adds or x.dtype in _SUMMED else None
    if places is None:
        return None
    values, numbers = _windows(places, x.view(_MOVED_AS.get(x.dtype, x.dtype))), _windows(places, offsets)
    result = torch.empty(len(values), places.size, dtype=values.dtype)
    for rows, windows, index in _indices(places, numbers):
        into, part = result[rows], values[rows, windows].flatten(1)
        if not windows.start:
            into.zero_()  # now, so that it is in the cache when values come
        if adds:
            into.scatter_add_(1, index, part)
        else:
            into.scatter_(1, index, part)
    return result.view(x.dtype).view(geometry.unpooled_shape(tuple(x.shape)))


def gather(x: Array, offsets: Array, geometry: Geometry, *, winners: bool) -> Array | None:
    """`_recipe_unpool.gather`, or None."""
    places = _serving(geometry, offsets)
    if places is None:
        return None
    read = _read_winners if winners and geometry.overlaps else _read
    source = x.view(_MOVED_AS.get(x.dtype, x.dtype)).reshape(-1, places.size)
    return read(places, source, _windows(places, offsets)).view(x.dtype).view(offsets.shape)


def _read(places: Places, x: Array, numbers: Array) -> Array:
    """What the numbers name in the rows of x."""
    result = torch.empty(numbers.shape, dtype=x.dtype)
    for rows, windows, index in _indices(places, numbers):
        into = result[rows, windows]
        into.copy_(x[rows].gather(1, index).view(into.shape))
    return result


def _read_winners(places: Places, x: Array, numbers: Array) -> Array:
    """`_read`, but zero where a later window names the same element: each writes its number, and the last one stays."""
    result = torch.empty(numbers.shape, dtype=x.dtype)
    own = torch.arange(math.prod(places.windows))
    own = own.to(torch.int32 if len(own) < 2**31 else torch.int64).view(places.windows)
    for some in places.rows(len(numbers), BLOCK_WINDOWS):
        into, source, block = result[some], x[some], numbers[some]
        last = torch.empty(source.shape, dtype=own.dtype)
        for _, windows, index in _indices(places, block):
            last.scatter_(1, index, own[windows].flatten().expand_as(index))
        for _, windows, index in _indices(places, block):
            lost = last.gather(1, index) != own[windows].flatten()
            part = into[:, windows]
            part.copy_(source.gather(1, index).masked_fill_(lost, 0).view(part.shape))
    return result


def _serving(geometry: Geometry, offsets: Array) -> Places | None:
    """The places, where every number names an element that is none of padding."""
    if not offsets.numel():
        return None
    places = places_of(geometry, tuple(offsets.shape))
    if int(offsets.amax()) >= places.elements or int(offsets.amin()) < 0:
        return None
    for axis, window, real in places.borders:
        numbers = offsets.select(axis, window).flatten().to(torch.int32)
        if not bool(torch.from_numpy(real).index_select(0, numbers).all()):
            return None
    return places


def _windows(places: Places, x: Array) -> Array:
    """A pooled array as (rows, windows along the first axis, others)."""
    return x.reshape(-1, *places.windows)


def _indices(places: Places, numbers: Array) -> Iterator[tuple[slice, slice, Array]]:
    """Block by block, the places that numbers name in their rows."""
    dtype = getattr(torch, places.dtype)
    first, others = _starts(places, dtype)
    scratch, seen = [torch.empty(0)], slice(0)
    for rows, windows in itertools.product(places.rows(len(numbers), BLOCK_WINDOWS), places.parts(BLOCK_WINDOWS)):
        block = numbers[rows, windows]
        if scratch[0].shape != block.shape:
            scratch = [torch.empty(block.shape, dtype=d) for d in (dtype, dtype, torch.int64)]
            # What an index is made of may lie where the index comes.
            number = scratch[2].view(-1).view(dtype)[: block.numel()].view(block.shape)
        if windows != seen:
            starts, seen = first[windows, None] + others, windows
        place, step, index = scratch
        number.copy_(block)
        torch.add(starts, number, alpha=places.unit, out=place)
        for turn in places.turns:
            left = number if turn.factor == 1 else torch.mul(number, turn.factor, out=step)
            torch.bitwise_right_shift(left, turn.shift, out=step)
            place.add_(step, alpha=turn.step)
        yield rows, windows, index.copy_(place).flatten(1)


def _starts(places: Places, dtype: torch.dtype) -> tuple[Array, Array]:
    """Where windows begin along the first axis, and along the others from there."""
    along = [(torch.arange(count) * apart + begin).to(dtype) for begin, count, apart in places.starts]
    others = torch.zeros(1, dtype=dtype)
    for starts in along[1:]:
        others = (others[:, None] + starts).flatten()
    return along[0], others
