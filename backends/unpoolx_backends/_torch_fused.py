"""The fused loops on PyTorch's CPU tensors, on the memory that they have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._layout import CHANNELS_FIRST, CHANNELS_LAST
from unpoolx_backends import _fused
from unpoolx_backends._torch_native import is_plain
from unpoolx_backends._torch_threads import in_its_threads


@lru_cache(maxsize=256)
def in_channels_last(geometry: Geometry) -> Geometry:
    """The geometry of the same windows where channels come last in the shape."""
    return replace(geometry, window=replace(geometry.window, data_format=CHANNELS_LAST))


def lies_together(x: Array, geometry: Geometry) -> bool:
    """Whether channels come first in the shape and last in memory."""
    memory = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.ndim)
    if memory is None or geometry.window.data_format != CHANNELS_FIRST or len(geometry.axes) != x.ndim - 2:
        return False
    return x.is_contiguous(memory_format=memory) and not x.is_contiguous()


def forth(x: Array, *, together: bool) -> Array:
    """x with its channels last in the shape, too."""
    return x.movedim(1, -1) if together else x


def back(x: Array, *, together: bool) -> Array:
    """The inverse of `forth`."""
    return x.movedim(-1, 1) if together else x


def max_pool(x: Array, geometry: Geometry) -> tuple[Array, Array] | None:
    """`_recipe_pool.max_pool`, or None."""
    if not is_plain(x) or x.dtype in (torch.bfloat16, torch.float16):
        return None
    together = lies_together(x, geometry)
    laid = in_channels_last(geometry) if together else geometry
    made = _fused.max_pool(forth(x.detach(), together=together).numpy(), laid, torch.get_num_threads(), in_its_threads)
    if made is None:
        return None
    values, offsets = (back(torch.from_numpy(a), together=together) for a in made)
    return values, offsets


def unpool(x: Array, offsets: Array, geometry: Geometry, overlap: str) -> Array | None:
    """`_recipe_unpool.unpool`, or None; a lone addend is moved, not added to zero."""
    adds = overlap == "sum" and geometry.overlaps
    return _mapped(_fused.unpool, x, offsets, geometry, overlap, adds=adds)


def gather(x: Array, offsets: Array, geometry: Geometry, *, winners: bool) -> Array | None:
    """`_recipe_unpool.gather`, or None."""
    return _mapped(_fused.gather, x, offsets, geometry, winners, adds=False)


def _mapped(
    function: Callable[..., Any], x: Array, offsets: Array, geometry: Geometry, option: Any, *, adds: bool
) -> Array | None:
    if not is_plain(x) or not is_plain(offsets) or x.is_complex():
        return None
    together = lies_together(x, geometry)
    if together and not lies_together(offsets, geometry):
        memory = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
        offsets = offsets.contiguous(memory_format=memory)
    if not together:
        x, offsets = x.contiguous(), offsets.contiguous()
    if x.dtype == torch.bfloat16:  # NumPy has none: its bits are moved
        made = None if adds else _mapped(function, x.view(torch.int16), offsets, geometry, option, adds=adds)
        return None if made is None else made.view(torch.bfloat16)
    source, numbers = (forth(a.detach(), together=together).numpy() for a in (x, offsets))
    laid = in_channels_last(geometry) if together else geometry
    made = function(source, numbers, laid, option, torch.get_num_threads(), in_its_threads)
    return None if made is None else back(torch.from_numpy(made), together=together)
