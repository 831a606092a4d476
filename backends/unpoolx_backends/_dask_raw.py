"""Unpooling of Dask arrays by raw indices: what an index can point at must lie in one chunk, and is one task."""

from __future__ import annotations

from functools import partial
from typing import Any

import dask.array as da
import numpy as np

import unpoolx
from unpoolx._arguments import bring
from unpoolx._backend import Backend
from unpoolx._index_formats import Numbering
from unpoolx._layout import channel_axis, spatial_axes
from unpoolx_backends import _dask_chunks as plan
from unpoolx_backends._dask_chunks import Part
from unpoolx_backends._dask_graph import Lazy, by_blocks, source

_REACH = {"spatial": "its plane", "tf": "its image"}


def unpool(ops: Backend, x: Lazy, numbers: Any, _: Backend, numbering: Numbering, overlap: str) -> Lazy:
    """Each value at the element that its index names, which is checked by the task that places it."""
    x, numbers = bring(ops, x=x, indices=numbers)
    axes = tuple(range(x.ndim))
    _, (x, numbers) = da.core.unify_chunks(x, axes, numbers, axes, warn=False)
    reached = {axis + x.ndim for axis in spatial_axes(numbering.data_format, numbering.rank)}
    if numbering.index_format != "spatial":
        reached.add(channel_axis(numbering.data_format, numbering.rank) % x.ndim)
    if numbering.index_format not in _REACH:
        reached = set(axes)
    if any(len(x.chunks[axis]) > 1 for axis in reached):
        raise ValueError(
            f"indices: expected the axes {sorted(reached)} in one chunk each, since an index of the format "
            f"{numbering.index_format!r} may point anywhere in {_REACH.get(numbering.index_format, 'the array')}; got "
            f"the chunks {x.chunks}. Indices that come from pooling need no such thing as Switches: "
            f"Switches.from_indices. Else rechunk: x.rechunk({dict.fromkeys(sorted(reached), -1)})"
        )
    parts = tuple(
        (Part((0, numbering.shape[axis]), (0, x.shape[axis])),) if axis in reached else plan.plain(x.chunks[axis])
        for axis in axes
    )
    made = partial(_unpool, numbering.index_format, numbering.data_format, overlap)
    return by_blocks("unpool_indices", made, parts, (source(x), source(numbers)), (x.dtype,))[0]


def _unpool(
    index_format: str,
    data_format: str,
    overlap: str,
    parts: tuple[Part, ...],
    x: np.ndarray[Any, Any],
    indices: np.ndarray[Any, Any],
) -> Any:
    shape = tuple(part.length for part in parts)
    try:
        return unpoolx.unpool(
            x,
            indices,
            overlap=overlap,
            output_shape=shape,
            index_format=index_format,
            data_format=data_format,
            backend="numpy",
        )
    except IndexError as error:
        begin = tuple(part.out[0] for part in parts)
        raise IndexError(f"{error}. Both count from {begin}, where this chunk of the result begins") from None
