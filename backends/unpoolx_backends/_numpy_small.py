"""Small NumPy arrays by tables: of so few elements, the number of calls is what takes time.

A table holds the places that a geometry has in an array of one shape, and is made once. With it pooling is two reads
and an `argmax`, and unpooling is a write. Measured on arrays of four elements, pooling took 48 us by slices and
comparisons and takes 11, unpooling 37 and 19.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, Unpool

MOST_ENTRIES = 2**10
"""In a table, 8 bytes each; with 0, which tests set, everything goes by slices and comparisons."""

_ORDERED = frozenset(np.dtype(code) for code in "?bBhHiIlLqQefd")


class _Places(NamedTuple):
    """Where the windows of an array are, in flat elements of it.

    Attributes:
        elements: (windows, kernel elements): each element, and the window's first real one in place of padding.
        first: the number of that one inside its window, of the pooled shape; None where it is 0 in all windows.
        targets: flat (windows, kernel elements + 1): each element, and -1 for padding and, at the end, for none.
        begins: where a window's elements begin in `targets`, of the pooled shape.
        nowhere: the number after the last of the kernel's.
        shape: of the array.
        size: of the array.
        offset_dtype: of switches.
    """

    elements: Array
    first: Array | None
    targets: Array
    begins: Array
    nowhere: Any
    shape: tuple[int, ...]
    size: int
    offset_dtype: np.dtype[Any]


def max_pool(x: Array, geometry: Geometry) -> tuple[Array, Array] | None:
    """`_recipe_pool.max_pool`, or None."""
    places = _places(geometry, x.shape) if x.size <= MOST_ENTRIES and x.dtype in _ORDERED else None
    if places is None:
        return None
    numbers = x.take(places.elements).argmax(1).reshape(places.begins.shape)  # of NaN, too, the first
    if places.first is not None:  # what stands for padding is no earlier element
        numbers = np.maximum(numbers, places.first)
    return x.take(places.targets.take(places.begins + numbers)), numbers.astype(places.offset_dtype)


def mapped(linear_map: Unpool | Gather, x: Array, offsets: Array) -> Array | None:
    """`linear_map.apply` where no sum and no losing window is in it, or None."""
    geometry = linear_map.geometry
    if max(x.size, offsets.size) > MOST_ENTRIES:
        return None
    if isinstance(linear_map, Unpool):
        if linear_map.overlap != "last":
            return None
        places = _places_below(geometry, x.shape)
    else:
        places = None if linear_map.winners else _places(geometry, x.shape)
    if places is None:
        return None
    targets = places.targets.take(places.begins + np.minimum(offsets, places.nowhere))
    flat = np.zeros(places.size + 1, x.dtype)  # the last is nowhere
    if isinstance(linear_map, Unpool):
        flat[targets.ravel()] = x.ravel()  # in order, so of several the last stays
        return flat[:-1].reshape(places.shape)
    flat[:-1] = x.ravel()
    return flat.take(targets)


@lru_cache(maxsize=128)
def _places_below(geometry: Geometry, pooled: tuple[int, ...]) -> _Places | None:
    """`_places`, asked for by the pooled shape."""
    return _places(geometry, geometry.unpooled_shape(pooled))


@lru_cache(maxsize=128)
def _places(geometry: Geometry, shape: tuple[int, ...]) -> _Places | None:
    pooled = geometry.pooled_shape(shape)
    elements = geometry.kernel_elements
    if not 0 < math.prod(pooled) * (elements + 1) <= MOST_ENTRIES or geometry.offset_dtype != "uint8":
        return None
    rank = len(shape)
    flat: Array = np.zeros((), np.intp)
    real: Array = np.ones((), bool)
    steps = [math.prod(shape[axis + 1 :]) for axis in range(rank)]
    spatial = {rank + position: i for i, position in enumerate(geometry.spatial_axes)}
    for axis, (length, step) in enumerate(zip(shape, steps, strict=True)):
        laid = [1] * (rank + len(spatial))
        laid[axis] = pooled[axis]
        i = spatial.get(axis)
        if i is None:
            place = np.arange(length)
        else:
            of = geometry.axes[i]
            laid[rank + i] = of.kernel
            place = np.arange(of.windows)[:, None] * of.stride - of.before + np.arange(of.kernel) * of.dilation
            real = real & ((place >= 0) & (place < of.size)).reshape(laid)
        flat = flat + place.reshape(laid) * step
    whole = (*pooled, *(axis.kernel for axis in geometry.axes))
    flat, real = (np.broadcast_to(a, whole).reshape(-1, elements) for a in (flat, real))
    first = real.argmax(1)
    rows = np.arange(len(flat))
    targets = np.concatenate([np.where(real, flat, -1), np.full((len(flat), 1), -1)], 1)
    return _Places(
        elements=np.where(real, flat, flat[rows, first][:, None]),
        first=first.reshape(pooled) if first.any() else None,
        targets=targets.ravel(),
        begins=(rows * (elements + 1)).reshape(pooled),
        nowhere=np.int32(elements),
        shape=shape,
        size=math.prod(shape),
        offset_dtype=np.dtype(geometry.offset_dtype),
    )
