"""PyTorch in compiled code: the rules of derivatives in a form that its tracer takes, and switches as a pytree."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch.utils import _pytree

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Scatter, Spread, Take, Unpool, WindowMean
from unpoolx._recipe_fold import coefficients, fold
from unpoolx._recipe_pool import max_pool
from unpoolx._switches import Switches, restore
from unpoolx._window import Window
from unpoolx_backends import _torch_opaque
from unpoolx_backends._torch_eager import by_recipe, primitives


def weighted(weight: Array, cotangent: Array, index: Array | None) -> Array:
    """The cotangent of each update: its weight by what arrives at its slot."""
    if index is None:
        return weight * cotangent
    if cotangent.shape[1] == 0:
        return torch.zeros_like(weight)
    nowhere = index >= cotangent.shape[1]
    read = primitives.take_along(cotangent, torch.where(nowhere, 0, index))
    return torch.where(nowhere, 0, weight * read)


@torch.library.custom_op("unpoolx::fold", mutates_args=())
def _fold_op(op: str, x: torch.Tensor, v: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return fold(primitives, op, x, v, index).clone(memory_format=torch.contiguous_format)  # never an input itself


@_fold_op.register_fake
def _fold_shape(op: str, x: torch.Tensor, v: torch.Tensor, index: torch.Tensor) -> torch.Tensor:  # noqa: ARG001  # theirs
    return x.new_empty(x.shape)


@torch.library.custom_op("unpoolx::fold_coefficients", mutates_args=())
def _coefficients_op(
    op: str, x: torch.Tensor, v: torch.Tensor, index: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    factor, weight = coefficients(primitives, op, x, v, index)
    return factor.contiguous(), weight.contiguous()


@_coefficients_op.register_fake
def _coefficients_shape(
    op: str,  # noqa: ARG001  # theirs
    x: torch.Tensor,
    v: torch.Tensor,
    index: torch.Tensor,  # noqa: ARG001  # theirs
) -> tuple[torch.Tensor, torch.Tensor]:
    return x.new_empty(x.shape), v.new_empty(v.shape)


# The tracer takes no forward mode or vmap rule of ours, and only constants and lengths as arguments.


def constants(geometry: Geometry) -> tuple[Any, Any]:
    w = geometry.window
    fixed = (w.kernel_size, w.stride, w.padding, w.dilation, w.ceil_mode, w.data_format)
    return fixed, geometry.spatial_shape


def _geometry(fixed: Any, sizes: Any) -> Geometry:
    kernel, stride, padding, dilation, ceil_mode, data_format = fixed
    window = Window(kernel, stride, padding, dilation=dilation, ceil_mode=ceil_mode, data_format=data_format)
    return Geometry.of_spatial(window, sizes)


def map_constants(linear_map: LinearMap) -> tuple[Any, Any, Any, Any]:
    kind = type(linear_map)
    if isinstance(linear_map, (Spread, WindowMean)):
        return (kind, (), *constants(linear_map.geometry))
    option = linear_map.overlap if isinstance(linear_map, (Unpool, Scatter)) else linear_map.winners
    if isinstance(linear_map, (Scatter, Take)):
        return kind, (option,), None, (linear_map.size,)
    return (kind, (option,), *constants(linear_map.geometry))


def _linear_map(kind: Any, option: Any, fixed: Any, sizes: Any) -> LinearMap:
    subject = sizes[0] if fixed is None else _geometry(fixed, sizes)
    return kind(subject, *option)  # type: ignore[no-any-return]


def _linear(linear_map: LinearMap, x: Array, index: Array | None) -> Array:
    made = _torch_opaque.linear(linear_map, x, index) if _torch_opaque.serves(x) else None
    return by_recipe(linear_map, x, index) if made is None else made


# Each argument by its name: with *arguments, the tracer forgets the context where nothing needs a gradient.


class TracedMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Array, fixed: Any, sizes: Any) -> tuple[Array, Array]:
        geometry = _geometry(fixed, sizes)
        if _torch_opaque.serves(x):
            values, offsets = _torch_opaque.max_pool(x, geometry)
        else:
            values, offsets = max_pool(primitives, geometry, x)
        ctx.constants = (fixed, sizes)
        ctx.mark_non_differentiable(offsets)
        ctx.save_for_backward(offsets)
        return values, offsets

    @staticmethod
    def backward(ctx: Any, cotangent: Array, _: Any) -> Any:
        (offsets,) = ctx.saved_tensors
        adjoint = Gather(_geometry(*ctx.constants)).adjoint
        return _linear(adjoint, cotangent, offsets), None, None


class TracedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Array, index: Array | None, kind: Any, option: Any, fixed: Any, sizes: Any) -> Array:
        ctx.constants = (kind, option, fixed, sizes)
        ctx.save_for_backward(index)
        return _linear(_linear_map(kind, option, fixed, sizes), x, index)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        (index,) = ctx.saved_tensors
        adjoint: LinearMap = _linear_map(*ctx.constants).adjoint
        return _linear(adjoint, cotangent, index), None, None, None, None, None


class TracedFold(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: str, x: Array, v: Array, index: Array | None) -> Array:
        ctx.op = op
        ctx.save_for_backward(x, v, index)
        return fold(primitives, op, x, v, None) if index is None else _fold_op(op, x, v, index)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        x, v, index = ctx.saved_tensors
        if index is None:
            factor, weight = coefficients(primitives, ctx.op, x, v, None)
        else:
            factor, weight = _coefficients_op(ctx.op, x, v, index)
        return None, factor * cotangent, weighted(weight, cotangent, index), None


def _dumped(static: Any) -> Any:
    window, spatial_shape = static
    return [dataclasses.asdict(window), spatial_shape]


def _undumped(context: Any) -> Any:
    window, spatial_shape = context
    made = {name: _as_tuples(value) for name, value in window.items()}
    return Window(**made), tuple(spatial_shape)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


# What torch.load(weights_only=True), and so torch.export.load, may call to restore Switches.
torch.serialization.add_safe_globals([restore])

_pytree.register_pytree_node(
    Switches,
    lambda s: ([s.offsets], (s.window, s.spatial_shape)),
    lambda children, static: Switches.trusted(children[0], *static),
    serialized_type_name="unpoolx.Switches",
    to_dumpable_context=_dumped,
    from_dumpable_context=_undumped,
    flatten_with_keys_fn=lambda s: (
        [(_pytree.GetAttrKey("offsets"), s.offsets)],
        (s.window, s.spatial_shape),
    ),
)
