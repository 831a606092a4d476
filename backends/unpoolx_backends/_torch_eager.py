"""PyTorch's tensors with values: the fastest way for each that has the norm's bits."""

from __future__ import annotations

from dataclasses import replace

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Unpool
from unpoolx._recipe_pool import max_pool
from unpoolx_backends import _torch_fused, _torch_native, _torch_places, _torch_small
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
    if index is None or not isinstance(linear_map, (Unpool, Gather)):
        return by_recipe(linear_map, x, index)
    made = _torch_small.mapped(linear_map, x, index)
    if made is not None:
        return made
    geometry = linear_map.geometry
    if isinstance(linear_map, Gather):
        made = _torch_fused.gather(x, index, geometry, winners=linear_map.winners)
    else:
        if linear_map.overlap == "sum" and not geometry.overlaps and x.is_floating_point():
            x = x + 0  # one addend each, which is moved: its -0.0 becomes +0.0 here
        made = _torch_fused.unpool(x, index, geometry, linear_map.overlap)
    if made is not None:
        return made
    if is_plain(x) and is_plain(index):
        together = _torch_fused.lies_together(x, geometry)  # then the result does, too
        if together:
            linear_map = replace(linear_map, geometry=_torch_fused.in_channels_last(geometry))
        x, index = (_torch_fused.forth(a, together=together) for a in (x, index))
        made = _by_places(linear_map, x, index)
        return _torch_fused.back(by_recipe(linear_map, x, index) if made is None else made, together=together)
    return by_recipe(linear_map, x, index)


def _by_places(linear_map: Unpool | Gather, x: Array, index: Array) -> Array | None:
    """The map by places in memory, where it has them."""
    geometry = linear_map.geometry
    if isinstance(linear_map, Gather):
        return _torch_places.gather(x, index, geometry, winners=linear_map.winners)
    return None if x.is_complex() else _torch_places.unpool(x, index, geometry, linear_map.overlap)


def by_recipe(linear_map: LinearMap, x: Array, index: Array | None) -> Array:
    """`linear_map.apply`, also while tracing."""
    if not x.is_complex():
        return linear_map.apply(primitives, x, index)
    # PyTorch's sum of complex numbers multiplies, and turns an infinite part into two NaNs.
    return torch.complex(linear_map.apply(primitives, x.real, index), linear_map.apply(primitives, x.imag, index))
