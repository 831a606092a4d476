"""PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree

from unpoolx._backend import Array, Backend, Span
from unpoolx._dtypes import ALL, FLOAT_BITS, integer_range
from unpoolx._geometry import Geometry
from unpoolx._host import matching_device
from unpoolx._maps import Gather, LinearMap, Scatter, Spread, Take, Unpool, WindowMean
from unpoolx._recipe_fold import coefficients, fold
from unpoolx._recipe_pool import max_pool
from unpoolx._switches import Switches, restore
from unpoolx._window import Window
from unpoolx_backends import _torch_fused, _torch_native

_functorch = torch._C._functorch  # noqa: SLF001  # PyTorch has no public way to ask what torch.func wrapped
_DTYPES = {name: getattr(torch, name) for name in ALL}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
# PyTorch stores these but neither compares nor adds nor gathers them: their bits do it as signed integers.
_UNSIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def _span(x: Array, span: Span) -> tuple[slice, ...]:
    index = [slice(None)] * x.ndim
    for axis, (start, count, step) in span.items():
        index[axis] = slice(start, start + (count - 1) * step + 1, step)
    return tuple(index)


class TorchBackend(Backend):
    """Tensors, written slice by slice in eager mode and assembled from comparisons in compiled code."""

    name = "torch"
    gradient = True
    forward_mode = True
    compiled = ("aot_eager", "inductor")
    exact_comparisons = True

    @property
    def mutable(self) -> bool:  # type: ignore[override]  # it depends on where the call is
        return not torch.compiler.is_compiling()

    @property
    def version(self) -> str:
        return torch.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))

    def dtypes(self) -> tuple[str, ...]:
        return ALL

    def is_array(self, x: object) -> bool:
        return isinstance(x, torch.Tensor) and not x.is_nested and x.layout == torch.strided

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        narrow = x.dtype.name == "bfloat16"
        host = x.view(np.int16) if narrow else x
        # Under the usual name of its dtype: C has two for one width, and PyTorch knows one.
        host = np.ascontiguousarray(host, host.dtype.name).reshape(x.shape)
        if not host.flags.writeable or min(host.strides, default=0) < 0:
            host = host.copy()  # PyTorch has no read-only tensors, and no negative strides, not even along one element
        tensor = torch.from_numpy(host)
        tensor = tensor.view(torch.bfloat16) if narrow else tensor
        return tensor if like is None else tensor.to(like.device)

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        if x.requires_grad:
            raise TypeError("expected a tensor without gradient, which would be lost on the way; call .detach() first")
        x = x.cpu().resolve_conj().resolve_neg()
        narrow = x.dtype == torch.bfloat16
        x = x.view(torch.int16) if narrow else x
        if _functorch.is_functorch_wrapped_tensor(x):  # inside torch.func, x.numpy() fails even on plain tensors
            host = np.array(x.tolist(), self.dtype(x)).reshape(x.shape)
        else:
            host = x.numpy()
        if not narrow:
            return host
        import ml_dtypes  # optional: NumPy by itself has no bfloat16

        return host.view(ml_dtypes.bfloat16)

    @property
    def hides_numpy(self) -> bool:  # type: ignore[override]  # it depends on where the call is
        return torch.compiler.is_compiling()

    def prepare(self, x: Array) -> Array:
        return x

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(x.shape)

    def dtype(self, x: Array) -> str:
        return _NAMES.get(x.dtype) or str(x.dtype).removeprefix("torch.")

    def device(self, x: Array) -> str | None:
        return str(x.device)

    def to_device(self, x: Array, device: str) -> Array:
        return x.to(matching_device(self, device))

    def is_concrete(self, x: Array) -> bool:
        if torch.compiler.is_compiling():
            return False
        return not _functorch.is_batchedtensor(x)

    def cast(self, x: Array, dtype: str) -> Array:
        return x.to(_DTYPES[dtype])

    def copy(self, x: Array) -> Array:
        return x.clone()

    def bits(self, x: Array) -> Array:
        return x.view(_DTYPES[FLOAT_BITS[self.dtype(x)].integer])

    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        return torch.tensor(numbers, dtype=_DTYPES[dtype], device=like.device)

    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array:
        return torch.full(shape, value, dtype=_DTYPES[dtype], device=like.device)

    def full_like(self, x: Array, value: Any, dtype: str) -> Array:
        return torch.full_like(x, value, dtype=_DTYPES[dtype])

    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        return torch.arange(count, dtype=_DTYPES[dtype], device=like.device)

    def reshape(self, x: Array, shape: Any) -> Array:
        return x.reshape(shape)

    def join(self, x: Array, axis: int) -> Array:
        return x.flatten(axis, axis + 1)  # of unknown lengths, the tracer need not prove that a product fits

    def broadcast_to(self, x: Array, shape: Any) -> Array:
        return x.expand(shape)

    def slice(self, x: Array, span: Span) -> Array:
        return x[_span(x, span)]

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        if not any(map(any, padding.values())):
            return x
        pairs = [padding.get(axis, (0, 0)) for axis in range(-1, min(padding) - 1, -1)]
        return torch.nn.functional.pad(x, [n for pair in pairs for n in pair], value=value)

    def stack(self, parts: list[Array], axis: int) -> Array:
        return torch.stack(parts, dim=parts[0].ndim + axis + 1)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return torch.where(condition, x, y)

    def divide(self, x: Array, count: Array) -> Array:
        return x / count

    def positive_zero(self, x: Array) -> Array:
        layout = FLOAT_BITS.get(self.dtype(x))
        if layout is None:
            return x
        # By bits: a compiler may drop an addition of zero.
        return torch.where(self.bits(x.contiguous()) == layout.negative_zero, torch.zeros_like(x), x)

    def take_along(self, x: Array, index: Array) -> Array:
        return torch.gather(x, -2, index.long().expand(*index.shape[:-1], x.shape[-1]))

    def last_writer(self, index: Array, size: Any) -> Array:
        rows, count, channels = index.shape
        writer = torch.full((rows, size + 1, channels), -1, dtype=torch.int64, device=index.device)
        own = torch.arange(count, device=index.device)[:, None].expand(index.shape)
        return writer.scatter_reduce(1, index.long(), own, "amax")[:, :size]

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        if torch.compiler.is_compiling():  # the number of rounds depends on data: one opaque operation there
            return _ordered_sum_op(x, index, size)
        return _ordered_sum(x, index, size)

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        spare = x.new_zeros((x.shape[0], 1, x.shape[2]))  # where "nowhere" is
        index = index.long().expand(*index.shape[:-1], x.shape[-1])
        return torch.cat([x, spare], 1).scatter(1, index, values)[:, : x.shape[1]]

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        if index.shape[1] == 0:
            return index.long(), 0
        ordered, order = torch.sort(index, dim=1, stable=True)
        place = torch.arange(index.shape[1], device=index.device)[:, None].expand(index.shape)
        begins = torch.cat([torch.ones_like(ordered[:, :1], dtype=torch.bool), ordered[:, 1:] != ordered[:, :-1]], 1)
        ranks = torch.zeros_like(order).scatter(1, order, place - torch.where(begins, place, 0).cummax(1).values)
        return ranks, int(torch.where(index < size, ranks, -1).max()) + 1

    def loop(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        for number in range(count):
            state = step(number, state)
        return state

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return x.permute(order)

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return torch.flip(x, axes)

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        if not span:
            return values.clone()
        axis, (start, count, step) = next(iter(span.items()))
        end = start + (count - 1) * step + 1
        rest = {a: s for a, s in span.items() if a != axis}
        if rest:  # from the outer slice inwards
            inner = [slice(None)] * x.ndim
            inner[axis] = slice(start, end, step)
            values = self.set_slice(x[tuple(inner)], rest, values)
        return torch.slice_scatter(x, values, axis % x.ndim, start, end, step)

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        if self.is_concrete(mask):
            return torch.nonzero(mask, as_tuple=True)
        raise TypeError(
            "index: reading by a mask has a shape that depends on data, which PyTorch must know while compiling; read "
            "with torch.where(mask, x, fill) instead, or outside the compiled code"
        )

    def count_before(self, mask: Array) -> Array:
        return torch.cumsum(mask, 0) - mask.long()

    def as_dtype(self, x: Array, dtype: str) -> Array:
        return x.view(_DTYPES[dtype])

    def add(self, x: Array, y: Array) -> Array:
        if not x.is_complex():
            return x + y
        return torch.complex(x.real + y.real, x.imag + y.imag)  # see _apply

    def traced_index(self, item: Any) -> Array:
        return torch.as_tensor(item)

    def power(self, x: Array, exponent: Array) -> Array:
        return torch.pow(x, exponent)

    def log(self, x: Array) -> Array:
        return torch.log(x)

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if torch.compiler.is_compiling():
            return _TracedFold.apply(op, x, v, index)
        return _Fold.apply(op, x, v, index)

    def write(self, x: Array, span: Span, where: Array | None, values: Array, add: bool) -> None:
        part = x[_span(x, span)]
        if where is None:
            part.add_(values) if add else part.copy_(values)
        else:
            part.copy_(torch.where(where, part + values if add else values, part))

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        signed = _UNSIGNED.get(x.dtype)
        if signed is not None:  # with the first bit flipped, signed integers are in the order of the unsigned ones
            flip = integer_range(_NAMES[signed])[0]
            values, offsets = self.max_pool(x.view(signed) ^ flip, geometry)
            return (values ^ flip).view(x.dtype), offsets
        if torch.compiler.is_compiling():
            return _TracedMaxPool.apply(x, *_constants(geometry))  # type: ignore[no-any-return,no-untyped-call]
        if _needs_no_rule(x):
            return _pooled(x, geometry)
        return _MaxPool.apply(x, geometry)  # type: ignore[no-any-return,no-untyped-call]

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        signed = _UNSIGNED.get(x.dtype)
        if signed is not None:
            return self.linear(linear_map, x.view(signed), index).view(x.dtype)
        if torch.compiler.is_compiling():
            return _TracedLinear.apply(x, index, *_map_constants(linear_map))  # type: ignore[no-untyped-call]
        if _needs_no_rule(x) and (index is None or _needs_no_rule(index)):
            return _mapped(x, index, linear_map)
        return _Linear.apply(x, index, linear_map)  # type: ignore[no-untyped-call]

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


def _ordered_sum(x: Array, index: Array, size: Any) -> Array:
    rows, _, channels = x.shape
    index = index.expand(x.shape)
    total = torch.zeros((rows, size, channels), dtype=x.dtype, device=x.device)
    row = torch.arange(rows, device=x.device)[:, None, None]
    channel = torch.arange(channels, device=x.device)
    inside = index < size
    slots = ((row * size + index) * channels + channel)[inside]
    values, flat = x[inside], total.view(-1)
    if slots.numel() == 0:
        return total
    slots, order = torch.sort(slots, stable=True)
    place = torch.arange(slots.numel(), device=x.device)
    begins = torch.cat([place.new_ones(1, dtype=torch.bool), slots[1:] != slots[:-1]])
    rank = place - torch.where(begins, place, 0).cummax(0).values
    by_round = torch.sort(rank, stable=True).indices
    slots, values = slots[by_round], values[order][by_round]
    start = 0
    for count in torch.bincount(rank).tolist():  # no slot comes twice in one round
        part = slots[start : start + count]
        flat[part] = flat[part] + values[start : start + count]
        start += count
    return total


@torch.library.custom_op("unpoolx::ordered_sum", mutates_args=())
def _ordered_sum_op(x: torch.Tensor, index: torch.Tensor, size: int) -> torch.Tensor:
    return _ordered_sum(x, index, size)


@_ordered_sum_op.register_fake
def _ordered_sum_shape(x: torch.Tensor, index: torch.Tensor, size: int) -> torch.Tensor:  # noqa: ARG001  # theirs
    return x.new_empty((x.shape[0], size, x.shape[2]))


# Derivatives: the tangent of pooling is a read by the offsets, and a linear map's cotangent is the adjoint map.


def _laid_out(tangent: Array, strides: tuple[int, ...]) -> Array:
    """The tangent in the memory layout of its primal, as forward mode wants it."""
    if tangent.stride() == strides:
        return tangent
    return tangent.new_empty_strided(tangent.shape, strides).copy_(tangent)


def _needs_no_rule(x: Array) -> bool:
    """Whether nothing differentiates or maps over x, so that the rules below would only cost time."""
    if (x.requires_grad and torch.is_grad_enabled()) or _functorch.is_functorch_wrapped_tensor(x):
        return False
    return torch.autograd.forward_ad._current_level < 0 and type(x) in (torch.Tensor, torch.nn.Parameter)  # noqa: SLF001


def _pooled(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    made = _torch_fused.max_pool(x, geometry) or _torch_native.max_pool(x, geometry)
    return made or max_pool(backend, geometry, x)


def _mapped(x: Array, index: Array | None, linear_map: LinearMap) -> Array:
    made = _by_loops(linear_map, x, index)
    return _apply(linear_map, x, index) if made is None else made


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(x: Array, geometry: Geometry) -> tuple[Array, Array]:
        return _pooled(x, geometry)

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


def _by_loops(linear_map: LinearMap, x: Array, index: Array | None) -> Array | None:
    """The map by fused loops or by PyTorch's own kernels, where they have it."""
    if index is None or not isinstance(linear_map, (Unpool, Gather)):
        return None
    geometry = linear_map.geometry
    if isinstance(linear_map, Gather):
        if linear_map.winners:
            return None
        made = _torch_fused.gather(x, index, geometry)
        return _torch_native.gather(x, index, geometry) if made is None else made
    made, adds = _torch_fused.unpool(x, index, geometry, linear_map.overlap), linear_map.overlap == "sum"
    if made is None and adds and geometry.overlaps:
        made = _torch_native.unpool_sum(x, index, geometry)
    elif made is None:
        made = _torch_native.unpool(x, index, geometry)
    # Where nothing is shared, the addend of a sum was moved, and not added to zero.
    return backend.positive_zero(made) if made is not None and adds and not geometry.overlaps else made


def _apply(linear_map: LinearMap, x: Array, index: Array | None) -> Array:
    if not x.is_complex():
        return linear_map.apply(backend, x, index)
    # Its sum of complex numbers multiplies, and turns an infinite part into two NaNs.
    return torch.complex(linear_map.apply(backend, x.real, index), linear_map.apply(backend, x.imag, index))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Array, index: Array | None, linear_map: LinearMap) -> Array:
        return _mapped(x, index, linear_map)

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
        return None, factor * cotangent, _weighted(weight, cotangent, index), None

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


def _weighted(weight: Array, cotangent: Array, index: Array | None) -> Array:
    """The cotangent of each update: its weight by what arrives at its slot."""
    if index is None:
        return weight * cotangent
    if cotangent.shape[1] == 0:
        return torch.zeros_like(weight)
    nowhere = index >= cotangent.shape[1]
    read = backend.take_along(cotangent, torch.where(nowhere, 0, index))
    return torch.where(nowhere, 0, weight * read)


@torch.library.custom_op("unpoolx::fold", mutates_args=())
def _fold_op(op: str, x: torch.Tensor, v: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return fold(backend, op, x, v, index).clone(memory_format=torch.contiguous_format)  # never an input itself


@_fold_op.register_fake
def _fold_shape(op: str, x: torch.Tensor, v: torch.Tensor, index: torch.Tensor) -> torch.Tensor:  # noqa: ARG001  # theirs
    return x.new_empty(x.shape)


@torch.library.custom_op("unpoolx::fold_coefficients", mutates_args=())
def _coefficients_op(
    op: str, x: torch.Tensor, v: torch.Tensor, index: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    factor, weight = coefficients(backend, op, x, v, index)
    return factor.contiguous(), weight.contiguous()


@_coefficients_op.register_fake
def _coefficients_shape(
    op: str,  # noqa: ARG001  # theirs
    x: torch.Tensor,
    v: torch.Tensor,
    index: torch.Tensor,  # noqa: ARG001  # theirs
) -> tuple[torch.Tensor, torch.Tensor]:
    return x.new_empty(x.shape), v.new_empty(v.shape)


# In compiled code: the tracer takes no forward mode or vmap rule of ours, and only constants and lengths as arguments.


def _constants(geometry: Geometry) -> tuple[Any, Any]:
    w = geometry.window
    fixed = (w.kernel_size, w.stride, w.padding, w.dilation, w.ceil_mode, w.data_format)
    return fixed, geometry.spatial_shape


def _geometry(fixed: Any, sizes: Any) -> Geometry:
    kernel, stride, padding, dilation, ceil_mode, data_format = fixed
    window = Window(kernel, stride, padding, dilation=dilation, ceil_mode=ceil_mode, data_format=data_format)
    return Geometry.of_spatial(window, sizes)


def _map_constants(linear_map: LinearMap) -> tuple[Any, Any, Any, Any]:
    kind = type(linear_map)
    if isinstance(linear_map, (Spread, WindowMean)):
        return (kind, (), *_constants(linear_map.geometry))
    option = linear_map.overlap if isinstance(linear_map, (Unpool, Scatter)) else linear_map.winners
    if isinstance(linear_map, (Scatter, Take)):
        return kind, (option,), None, (linear_map.size,)
    return (kind, (option,), *_constants(linear_map.geometry))


def _linear_map(kind: Any, option: Any, fixed: Any, sizes: Any) -> LinearMap:
    subject = sizes[0] if fixed is None else _geometry(fixed, sizes)
    return kind(subject, *option)  # type: ignore[no-any-return]


# Each argument by its name: with *arguments, the tracer forgets the context where nothing needs a gradient.


class _TracedMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Array, fixed: Any, sizes: Any) -> tuple[Array, Array]:
        values, offsets = max_pool(backend, _geometry(fixed, sizes), x)
        ctx.constants = (fixed, sizes)
        ctx.mark_non_differentiable(offsets)
        ctx.save_for_backward(offsets)
        return values, offsets

    @staticmethod
    def backward(ctx: Any, cotangent: Array, _: Any) -> Any:
        (offsets,) = ctx.saved_tensors
        adjoint = Gather(_geometry(*ctx.constants)).adjoint
        return adjoint.apply(backend, cotangent, offsets), None, None


class _TracedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Array, index: Array | None, kind: Any, option: Any, fixed: Any, sizes: Any) -> Array:
        ctx.constants = (kind, option, fixed, sizes)
        ctx.save_for_backward(index)
        return _apply(_linear_map(kind, option, fixed, sizes), x, index)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        (index,) = ctx.saved_tensors
        adjoint: LinearMap = _linear_map(*ctx.constants).adjoint
        return _apply(adjoint, cotangent, index), None, None, None, None, None


class _TracedFold(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: str, x: Array, v: Array, index: Array | None) -> Array:
        ctx.op = op
        ctx.save_for_backward(x, v, index)
        return fold(backend, op, x, v, None) if index is None else _fold_op(op, x, v, index)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        x, v, index = ctx.saved_tensors
        if index is None:
            factor, weight = coefficients(backend, ctx.op, x, v, None)
        else:
            factor, weight = _coefficients_op(ctx.op, x, v, index)
        return None, factor * cotangent, _weighted(weight, cotangent, index), None


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
