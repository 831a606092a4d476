"""Pooling and unpooling of Dask arrays, chunk by chunk: what one task does, which is to call NumPy's backend."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import dask.array as da
import numpy as np

from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, Spread, Unpool
from unpoolx_backends import _dask_chunks as plan
from unpoolx_backends._dask_chunks import Part
from unpoolx_backends._dask_graph import Lazy, beside, by_blocks, source
from unpoolx_backends._numpy import backend as _numpy

Array = np.ndarray[Any, Any]
Parts = tuple[tuple[Part, ...], ...]


def max_pool(x: Lazy, geometry: Geometry) -> tuple[Lazy, Lazy]:
    """Values and offsets, each in chunks that follow from those of x."""
    parts = _over(x, geometry, lambda i, chunks: plan.pooled(geometry.axes[i], chunks))
    dtypes = (x.dtype, np.dtype(geometry.offset_dtype))
    values, offsets = by_blocks("max_pool", partial(_max_pool, geometry), parts, (source(x),), dtypes)
    return values, offsets


def gather(x: Lazy, offsets: Lazy, linear_map: Gather) -> Lazy:
    """The elements that switches point at, in the chunks of the switches."""
    geometry = linear_map.geometry
    x, offsets = _aligned(x, offsets, geometry)
    cuts = [plan.bounds(chunks) for chunks in offsets.chunks]
    spatial = [axis + offsets.ndim for axis in geometry.spatial_axes]
    parts = _over(offsets, geometry, lambda i, _: plan.read(geometry.axes[i], cuts[spatial[i]]))
    return by_blocks("gather", partial(_gather, linear_map), parts, (source(x), beside(offsets)), (x.dtype,))[0]


def unpool(x: Lazy, offsets: Lazy, linear_map: Unpool) -> Lazy:
    """Each value where its switch points, in chunks that follow from those of x and of the switches."""
    axes = tuple(range(x.ndim))
    _, (x, offsets) = da.core.unify_chunks(x, axes, offsets, axes, warn=False)
    parts = _over(x, linear_map.geometry, lambda i, chunks: plan.unpooled(linear_map.geometry.axes[i], chunks))
    return by_blocks("unpool", partial(_unpool, linear_map), parts, (source(x), source(offsets)), (x.dtype,))[0]


def spread(x: Lazy, linear_map: Spread) -> Lazy:
    """Each value shared among the elements of its window."""
    parts = _over(x, linear_map.geometry, lambda i, chunks: plan.unpooled(linear_map.geometry.axes[i], chunks))
    return by_blocks("unpool_average", partial(_unpool, linear_map), parts, (source(x),), (x.dtype,))[0]


def fixed(x: Lazy, geometry: Geometry, places: tuple[int, ...]) -> Lazy:
    """Each value at one place of its window; no window of another chunk is ever needed."""

    def parts(i: int, chunks: tuple[int, ...]) -> tuple[Part, ...]:
        axis, place = geometry.axes[i], places[i]
        begin = place // axis.stride * axis.stride  # before the first stride that holds a value there are zeros
        cuts = sorted(set(plan.bounds(chunks)))
        outs = [0, *(n * axis.stride + begin for n in cuts[1:-1]), axis.size]
        return tuple(map(Part, itertools.pairwise(outs), itertools.pairwise(cuts)))

    made = partial(_fixed, geometry, places)
    return by_blocks("unpool_fixed", made, _over(x, geometry, parts), (source(x),), (x.dtype,))[0]


def nearest(x: Lazy, repeats: tuple[tuple[int, int], ...]) -> Lazy:
    """Each value repeated over a block."""
    parts = [plan.plain(chunks) for chunks in x.chunks]
    for where, times in repeats:
        parts[where] = tuple(replace(part, out=(part.out[0] * times, part.out[1] * times)) for part in parts[where])
    made = partial(_nearest, repeats)
    return by_blocks("unpool_nearest", made, tuple(parts), (source(x),), (x.dtype,))[0]


def _over(x: Lazy, geometry: Geometry, along: Any) -> Parts:
    """The parts of each axis of x: `along` of the number of a spatial axis and its chunks, every other one plainly."""
    spatial = {axis + x.ndim: i for i, axis in enumerate(geometry.spatial_axes)}
    return tuple(
        along(spatial[axis], chunks) if axis in spatial else plan.plain(chunks) for axis, chunks in enumerate(x.chunks)
    )


def _aligned(x: Lazy, offsets: Lazy, geometry: Geometry) -> tuple[Lazy, Lazy]:
    """Both in the same chunks of batch and channels; the spatial axes as they are."""
    spatial = {axis + x.ndim for axis in geometry.spatial_axes}
    own = tuple(range(x.ndim))
    other = tuple(axis + x.ndim if axis in spatial else axis for axis in own)
    _, (x, offsets) = da.core.unify_chunks(x, own, offsets, other, warn=False)
    return x, offsets


# What a task does. Parts are those of its block, one for each axis.


def _here(geometry: Geometry, parts: tuple[Part, ...]) -> Geometry | None:
    """The windows of one block; None where there are none."""
    local = [parts[axis].local for axis in geometry.spatial_axes]
    return None if None in local else Geometry(geometry.window, tuple(axis for axis in local if axis is not None))


def _max_pool(geometry: Geometry, parts: tuple[Part, ...], x: Array) -> tuple[Array, Array]:
    here = _here(geometry, parts)
    if here is None:
        shape = tuple(part.length for part in parts)
        return np.empty(shape, x.dtype), np.empty(shape, geometry.offset_dtype)
    return _numpy.max_pool(x, here)


def _gather(linear_map: Gather, parts: tuple[Part, ...], x: Array, offsets: Array) -> Array:
    here = _here(linear_map.geometry, parts)
    return np.empty(offsets.shape, x.dtype) if here is None else _numpy.linear(Gather(here), x, offsets)


def _unpool(linear_map: Unpool | Spread, parts: tuple[Part, ...], x: Array, offsets: Array | None = None) -> Array:
    """All windows that reach the block, unpooled to all that they cover; of that, the block."""
    geometry = linear_map.geometry
    here = _here(geometry, parts)
    shape = tuple(part.length for part in parts)
    if here is None:
        return np.zeros(shape, x.dtype)
    made = _numpy.linear(replace(linear_map, geometry=here), x, offsets)
    result, into, of = None, [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for axis in geometry.spatial_axes:
        (begin, end), (low, high) = parts[axis].out, parts[axis].covered
        first, last = max(begin, low), min(end, high)
        into[axis], of[axis] = slice(first - begin, last - begin), slice(first - low, last - low)
    if made[tuple(of)].shape == shape:
        return made if made.shape == shape else made[tuple(of)].copy()
    result = np.zeros(shape, x.dtype)
    result[tuple(into)] = made[tuple(of)]
    return result


def _fixed(geometry: Geometry, places: tuple[int, ...], parts: tuple[Part, ...], x: Array) -> Array:
    result = np.zeros(tuple(part.length for part in parts), x.dtype)
    into = [slice(None)] * x.ndim
    for where, axis, place in zip(geometry.spatial_axes, geometry.axes, places, strict=True):
        part = parts[where]
        first = part.source[0] * axis.stride + place - part.out[0]
        into[where] = slice(first, first + (part.source[1] - part.source[0] - 1) * axis.stride + 1, axis.stride)
    result[tuple(into)] = x
    return result


def _nearest(repeats: tuple[tuple[int, int], ...], _: tuple[Part, ...], x: Array) -> Array:
    for where, times in repeats:
        x = np.repeat(x, times, axis=where)
    return x
