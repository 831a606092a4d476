"""PyTorch's backend: its primitives, and how derivatives pass through what is built of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from unpoolx._backend import Array
from unpoolx._dtypes import integer_range
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Scatter, Spread, Take, Unpool, WindowMean
from unpoolx._recipe_fold import coefficients, fold
from unpoolx_backends import _torch_sharded
from unpoolx_backends._torch import NAMES, UNSIGNED, Primitives, needs_no_rule
from unpoolx_backends._torch_eager import mapped, pooled
from unpoolx_backends._torch_traced import (
    TracedFold,
    TracedLinear,
    TracedMaxPool,
    constants,
    map_constants,
    weighted,
)


class TorchBackend(Primitives):
    """Eager calls take the fastest way that has the norm's bits, compiled ones the recipes."""

    gradient = True
    forward_mode = True
    compiled = ("aot_eager", "inductor")

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if torch.compiler.is_compiling():
            return TracedFold.apply(op, x, v, index)
        if needs_no_rule(x) and needs_no_rule(v) and (index is None or needs_no_rule(index)):
            return fold(self, op, x, v, index)
        return _Fold.apply(op, x, v, index)

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        if _torch_sharded.is_sharded(x):
            shape = geometry.pooled_shape(tuple(x.shape))
            return _torch_sharded.locally(partial(self.max_pool, geometry=geometry), geometry, shape, x)  # type: ignore[no-any-return]
        signed = UNSIGNED.get(x.dtype)
        if signed is not None:  # with the first bit flipped, signed integers are in the order of the unsigned ones
            flip = integer_range(NAMES[signed])[0]
            values, offsets = self.max_pool(x.view(signed) ^ flip, geometry)
            return (values ^ flip).view(x.dtype), offsets
        if torch.compiler.is_compiling():
            return TracedMaxPool.apply(x, *constants(geometry))  # type: ignore[no-any-return,no-untyped-call]
        if needs_no_rule(x):
            return pooled(x, geometry)
        return _MaxPool.apply(x, geometry)  # type: ignore[no-any-return,no-untyped-call]

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if not isinstance(linear_map, (Scatter, Take)) and (
            _torch_sharded.is_sharded(x) or _torch_sharded.is_sharded(index)
        ):
            return self._linear_of_parts(linear_map, x, index)
        signed = UNSIGNED.get(x.dtype)
        if signed is not None:
            return self.linear(linear_map, x.view(signed), index).view(x.dtype)
        if torch.compiler.is_compiling():
            return TracedLinear.apply(x, index, *map_constants(linear_map))  # type: ignore[no-untyped-call]
        if needs_no_rule(x) and (index is None or needs_no_rule(index)):
            return mapped(x, index, linear_map)
        return _Linear.apply(x, index, linear_map)  # type: ignore[no-untyped-call]

    def _linear_of_parts(
        self, linear_map: Unpool | Gather | Spread | WindowMean, x: Array, index: Array | None
    ) -> Array:
        arrays = (x,) if index is None else (x, index)

        def part(x: Array, index: Array | None = None) -> Array:
            return self.linear(linear_map, x, index)

        return _torch_sharded.locally(part, linear_map.geometry, linear_map.result_shape(tuple(x.shape)), *arrays)  # type: ignore[no-any-return]

    def vjp(self, function: Callable[..., Array], arrays: list[Array], cotangent: Array) -> list[Array]:
        again = cotangent.requires_grad or any(x.requires_grad for x in arrays)
        arrays = [x if x.requires_grad else x.detach().requires_grad_() for x in arrays]
        result = function(*arrays)
        if not result.requires_grad:  # nothing of it was read
            return [torch.zeros_like(x) for x in arrays]
        options = {"create_graph": again, "allow_unused": True, "materialize_grads": True}
        return list(torch.autograd.grad(result, arrays, cotangent, **options))

    def jvp(self, function: Callable[..., Array], arrays: list[Array], tangents: list[Array]) -> Array:
        return torch.func.jvp(function, tuple(arrays), tuple(tangents))[1]

    def compile(self, function: Callable[..., Any], how: str) -> Callable[..., Any]:
        torch._dynamo.reset()  # noqa: SLF001  # it keeps few programs, counted per code object
        return torch.compile(function, fullgraph=True, dynamic=False, backend=how)


backend = TorchBackend()


# The tangent of pooling is a read by the offsets, and a linear map's cotangent is the adjoint map.


def _laid_out(tangent: Array, strides: tuple[int, ...]) -> Array:
    """The tangent in the memory layout of its primal, as forward mode wants it."""
    if tangent.stride() == strides:
        return tangent
    return tangent.new_empty_strided(tangent.shape, strides).copy_(tangent)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(x: Array, geometry: Geometry) -> tuple[Array, Array]:
        return pooled(x, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.geometry, ctx.strides = inputs[1], output[0].stride()
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])
        ctx.save_for_forward(output[1])

    @staticmethod
    def backward(ctx: Any, cotangent: Array, _: Any) -> Any:
        (offsets,) = ctx.saved_tensors
        return backend.linear(Gather(ctx.geometry).adjoint, cotangent, offsets), None

    @staticmethod
    def jvp(ctx: Any, tangent: Array, _: Any) -> Any:
        (offsets,) = ctx.saved_tensors
        return _laid_out(backend.linear(Gather(ctx.geometry), tangent, offsets), ctx.strides), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Array, geometry: Geometry) -> Any:
        return _MaxPool.apply(x.movedim(in_dims[0], 0), geometry), (0, 0)  # type: ignore[no-untyped-call]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Array, index: Array | None, linear_map: LinearMap) -> Array:
        return mapped(x, index, linear_map)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, index, ctx.linear_map = inputs
        ctx.strides = output.stride()
        ctx.save_for_backward(index)
        ctx.save_for_forward(index)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        (index,) = ctx.saved_tensors
        return backend.linear(ctx.linear_map.adjoint, cotangent, index), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Array, *_: Any) -> Any:
        (index,) = ctx.saved_tensors
        return _laid_out(backend.linear(ctx.linear_map, tangent, index), ctx.strides)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Array, index: Array | None, linear_map: LinearMap) -> Any:
        moved = [
            None if a is None else a.expand(info.batch_size, *a.shape) if axis is None else a.movedim(axis, 0)
            for a, axis in zip((x, index), in_dims[:2], strict=True)
        ]
        if isinstance(linear_map, (Scatter, Take)):  # (rows, m, C): the new axis joins the rows
            x, index = (a.flatten(0, 1) for a in moved if a is not None)
            result = backend.linear(linear_map, x, index)
            return result.unflatten(0, (info.batch_size, -1)), 0
        return backend.linear(linear_map, moved[0], moved[1]), 0


class _Fold(torch.autograd.Function):
    @staticmethod
    def forward(op: str, x: Array, v: Array, index: Array | None) -> Array:
        result = fold(backend, op, x, v, index)
        return result.clone() if result is x else result  # no update arrived

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.op = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        x, v, index = ctx.saved_tensors
        factor, weight = coefficients(backend, ctx.op, x, v, index)
        return None, factor * cotangent, weighted(weight, cotangent, index), None

    @staticmethod
    def jvp(ctx: Any, _: Any, by_x: Array | None, by_v: Array | None, __: Any) -> Any:
        x, v, index = ctx.saved_tensors
        factor, weight = coefficients(backend, ctx.op, x, v, index)
        tangent = torch.zeros_like(x) if by_x is None else factor * by_x
        if by_v is None:
            return tangent
        moved = weight * by_v
        if index is not None:
            moved = backend.linear(Scatter(x.shape[1], "sum"), moved, index.expand(v.shape))
        return tangent + moved

    @staticmethod
    def vmap(info: Any, in_dims: Any, op: str, x: Array, v: Array, index: Array | None) -> Any:
        x, v, index = (
            None if a is None else a.expand(info.batch_size, *a.shape) if axis is None else a.movedim(axis, 0)
            for a, axis in zip((x, v, index), in_dims[1:], strict=True)
        )
        if index is None:
            return _Fold.apply(op, x, v, None), 0
        joined = _Fold.apply(op, x.flatten(0, 1), v.flatten(0, 1), index.flatten(0, 1))
        return joined.unflatten(0, (info.batch_size, -1)), 0
