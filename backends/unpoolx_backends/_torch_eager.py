"""PyTorch's tensors with values: the fastest way for each that has the norm's bits."""

from __future__ import annotations

from dataclasses import replace

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Unpool
from unpoolx._recipe_pool import max_pool
from unpoolx._recipe_unpool import winning
from unpoolx_backends import _torch_fused, _torch_native, _torch_small
from unpoolx_backends._torch import Primitives
from unpoolx_backends._torch_native import is_plain

# The recipes ask for no derivative by name: what they are made of carries it.
primitives = Primitives()


def pooled(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """`_recipe_pool.max_pool`."""
    made = _torch_small.max_pool(x, geometry) or _torch_fused.max_pool(x, geometry)
    made = made or _torch_native.max_pool(x, geometry)
    return made or max_pool(primitives, geometry, x)


def mapped(x: Array, index: Array | None, linear_map: LinearMap) -> Array:
    """`linear_map.apply`."""
    made = _by_loops(linear_map, x, index)
    if made is not None:
        return made
    if isinstance(linear_map, (Unpool, Gather)) and index is not None and is_plain(x) and is_plain(index):
        geometry = linear_map.geometry
        if _torch_fused.lies_together(x, geometry):  # then the result does, too
            linear_map = replace(linear_map, geometry=_torch_fused.in_channels_last(geometry))
            x, index = (_torch_fused.forth(a, together=True) for a in (x, index))
            return _torch_fused.back(by_recipe(linear_map, x, index), together=True)
    return by_recipe(linear_map, x, index)


def by_recipe(linear_map: LinearMap, x: Array, index: Array | None) -> Array:
    """`linear_map.apply`, also while tracing."""
    if not x.is_complex():
        return linear_map.apply(primitives, x, index)
    # PyTorch's sum of complex numbers multiplies, and turns an infinite part into two NaNs.
    return torch.complex(linear_map.apply(primitives, x.real, index), linear_map.apply(primitives, x.imag, index))


def _by_loops(linear_map: LinearMap, x: Array, index: Array | None) -> Array | None:
    """The map by fused loops or by PyTorch's own kernels, where they have it."""
    if index is None or not isinstance(linear_map, (Unpool, Gather)):
        return None
    small = _torch_small.mapped(linear_map, x, index)
    if small is not None:
        return small
    geometry = linear_map.geometry
    if isinstance(linear_map, Gather):
        made = _torch_fused.gather(x, index, geometry, winners=linear_map.winners)
        if made is not None:
            return made
        read = _torch_native.gather(x, index, geometry)
        if read is None or not (linear_map.winners and geometry.overlaps):
            return read
        return torch.where(winning(primitives, index, geometry), read, torch.zeros((), dtype=x.dtype))
    adds = linear_map.overlap == "sum"
    if adds and not geometry.overlaps and x.is_floating_point():
        x = x + 0  # one addend each, which is moved: its -0.0 becomes +0.0 here
    made = _torch_fused.unpool(x, index, geometry, linear_map.overlap)
    if made is not None:
        return made
    if adds and geometry.overlaps:
        return _torch_native.unpool_sum(x, index, geometry)
    return _torch_native.unpool(x, index, geometry)
