"""The recipes block by block, so that what they make in between stays in the processor's cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from unpoolx._geometry import Geometry
from unpoolx._layout import CHANNELS_FIRST

BLOCK_BYTES = 2**20
"""About how much of the larger array a block holds."""

Array = np.ndarray[Any, Any]


def _rows(x: Array, geometry: Geometry) -> Array | None:
    """x with every axis that no window spans, and that lies outside in memory, joined to one; None for strided x."""
    if not x.flags.c_contiguous:
        return None
    lead = x.ndim - len(geometry.axes) - (geometry.window.data_format != CHANNELS_FIRST)
    return x.reshape(math.prod(x.shape[:lead]), *x.shape[lead:])


def _blocks(rows: int, row_bytes: int) -> Iterator[slice] | None:
    """The blocks of so many rows; None where there is one alone."""
    step = max(1, BLOCK_BYTES // max(row_bytes, 1))
    return None if step >= rows else (slice(i, min(i + step, rows)) for i in range(0, rows, step))


def mapped(
    function: Callable[..., Any], arrays: tuple[Array, ...], geometry: Geometry, made: tuple[tuple[Any, Any], ...]
) -> tuple[Array, ...] | None:
    """`function(*arrays)` by blocks of their leading axes, into arrays of the shapes and dtypes `made`; or None."""
    sources = [_rows(x, geometry) for x in arrays]
    results = [np.empty(shape, dtype) for shape, dtype in made]
    targets = [_rows(x, geometry) for x in results]
    if any(a is None for a in (*sources, *targets)):
        return None
    most = max((*sources, *targets), key=lambda a: a.nbytes)  # type: ignore[union-attr]  # none is None
    blocks = _blocks(len(most), most[:1].nbytes)  # type: ignore[arg-type, index]
    if blocks is None:
        return None
    for block in blocks:
        parts = function(*(a[block] for a in sources))  # type: ignore[index]
        for target, part in zip(targets, parts, strict=True):
            target[block] = part  # type: ignore[index]
    return tuple(results)
