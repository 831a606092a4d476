"""Pooling and unpooling on the CPU as operations that PyTorch's compiler does not look into.

Inductor fuses the comparisons of pooling into those of unpooling, and makes them anew for every element of the result.
Pooling and unpooling in one program, on one thread, float32, (8, 64, 112, 112), k2 s2 and k3 s2 p1: by the recipes 493
and 246 ms, by these 9.3 and 23 (with Numba), by F.max_pool2d and F.max_unpool2d 19 and 41.

An exported program keeps the recipes, since what reads it knows no operation of ours, and so does another device, where
nothing is faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Axis, Geometry
from unpoolx._maps import Gather, LinearMap, Unpool
from unpoolx._window import Window
from unpoolx_backends._torch_eager import mapped, pooled
from unpoolx_backends._torch_fused import lies_together

# The oldest releases do not say whether a program is compiled or exported.
ENABLED = hasattr(torch.compiler, "is_exporting")
"""Tests turn this off to hold compiled recipes to the same laws."""


def serves(x: Array) -> bool:
    """Whether x, in code that is being compiled, had better go by an operation."""
    return ENABLED and x.device.type == "cpu" and not torch.compiler.is_exporting()


def max_pool(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """`_recipe_pool.max_pool`."""
    values, offsets = _max_pool(x, *_numbers(geometry))
    return values, offsets


def linear(linear_map: LinearMap, x: Array, index: Array | None) -> Array | None:
    """`linear_map.apply`, or None where it is not by switches."""
    if isinstance(linear_map, Unpool) and index is not None:
        return _unpool(x, index, *_numbers(linear_map.geometry), linear_map.overlap)
    if isinstance(linear_map, Gather) and index is not None:
        return _gather(x, index, *_numbers(linear_map.geometry), linear_map.winners)
    return None


def _numbers(geometry: Geometry) -> tuple[list[int], str]:
    """A geometry as an operation takes it: the numbers of its axes, and the layout."""
    axes = [n for a in geometry.axes for n in (a.size, a.kernel, a.stride, a.dilation, a.before, a.windows)]
    return axes, geometry.window.data_format


def _geometry(axes: Sequence[int], data_format: str) -> Geometry:
    made = tuple(Axis(*axes[i : i + 6]) for i in range(0, len(axes), 6))
    kernel, stride, dilation = (tuple(getattr(a, what) for a in made) for what in ("kernel", "stride", "dilation"))
    return Geometry(Window(kernel, stride, dilation=dilation, data_format=data_format), made)


def _empty(shape: tuple[int, ...], dtype: torch.dtype, x: Array, geometry: Geometry) -> Array:
    """A result in the memory that it will have: channels lie together where those of x do, but not in its shape."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    memory = formats[x.ndim] if lies_together(x, geometry) else torch.contiguous_format
    return torch.empty(shape, dtype=dtype, device=x.device, memory_format=memory)


def _laid(result: Array, x: Array, geometry: Geometry) -> Array:
    """The result in that memory."""
    expected = _empty(tuple(result.shape), result.dtype, x.to("meta"), geometry).stride()
    if result.stride() == expected:
        return result
    return torch.empty_strided(result.shape, expected, dtype=result.dtype).copy_(result)


@torch.library.custom_op("unpoolx::max_pool", mutates_args=())
def _max_pool(x: torch.Tensor, axes: Sequence[int], data_format: str) -> tuple[torch.Tensor, torch.Tensor]:
    geometry = _geometry(axes, data_format)
    values, offsets = pooled(x, geometry)
    return _laid(values, x, geometry), _laid(offsets, x, geometry)


@_max_pool.register_fake
def _max_pool_shape(x: torch.Tensor, axes: Sequence[int], data_format: str) -> tuple[torch.Tensor, torch.Tensor]:
    geometry = _geometry(axes, data_format)
    shape, offsets = geometry.pooled_shape(tuple(x.shape)), getattr(torch, geometry.offset_dtype)
    return _empty(shape, x.dtype, x, geometry), _empty(shape, offsets, x, geometry)


@torch.library.custom_op("unpoolx::unpool", mutates_args=())
def _unpool(
    x: torch.Tensor, offsets: torch.Tensor, axes: Sequence[int], data_format: str, overlap: str
) -> torch.Tensor:
    geometry = _geometry(axes, data_format)
    return _laid(mapped(x, offsets, Unpool(geometry, overlap)), x, geometry)


@_unpool.register_fake
def _unpool_shape(
    x: torch.Tensor,
    offsets: torch.Tensor,  # noqa: ARG001  # theirs
    axes: Sequence[int],
    data_format: str,
    overlap: str,  # noqa: ARG001  # theirs
) -> torch.Tensor:
    geometry = _geometry(axes, data_format)
    return _empty(geometry.unpooled_shape(tuple(x.shape)), x.dtype, x, geometry)


@torch.library.custom_op("unpoolx::gather", mutates_args=())
def _gather(
    x: torch.Tensor, offsets: torch.Tensor, axes: Sequence[int], data_format: str, winners: bool
) -> torch.Tensor:
    geometry = _geometry(axes, data_format)
    return _laid(mapped(x, offsets, Gather(geometry, winners)), x, geometry)


@_gather.register_fake
def _gather_shape(
    x: torch.Tensor,
    offsets: torch.Tensor,  # noqa: ARG001  # theirs
    axes: Sequence[int],
    data_format: str,
    winners: bool,  # noqa: ARG001  # theirs
) -> torch.Tensor:
    geometry = _geometry(axes, data_format)
    return _empty(geometry.pooled_shape(tuple(x.shape)), x.dtype, x, geometry)
