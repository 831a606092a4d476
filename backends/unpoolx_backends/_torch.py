"""PyTorch's tensors: what the recipes need of them. The backend itself is in `_torch_rules.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from unpoolx._backend import Array, Backend, Span
from unpoolx._dtypes import ALL, FLOAT_BITS
from unpoolx._host import matching_device

_functorch = torch._C._functorch  # noqa: SLF001  # PyTorch has no public way to ask what torch.func wrapped
_DTYPES = {name: getattr(torch, name) for name in ALL}
NAMES = {dtype: name for name, dtype in _DTYPES.items()}
# PyTorch stores these but neither compares nor adds nor gathers them: their bits do it as signed integers.
UNSIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def _span(x: Array, span: Span) -> tuple[slice, ...]:
    index = [slice(None)] * x.ndim
    for axis, (start, count, step) in span.items():
        index[axis] = slice(start, start + (count - 1) * step + 1, step)
    return tuple(index)


# Not in the oldest releases, whose exported programs have no standard operators here.
_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)


class Primitives(Backend):
    """Tensors, written slice by slice in eager mode and assembled from comparisons in compiled code."""

    name = "torch"
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
    def unrolled_elements(self) -> int:  # type: ignore[override]
        """No limit in an exported program: ONNX has no standard operator for a scatter that adds in order."""
        return sys.maxsize if _is_exporting() else 64

    @property
    def hides_numpy(self) -> bool:  # type: ignore[override]  # it depends on where the call is
        return torch.compiler.is_compiling()

    def prepare(self, x: Array) -> Array:
        return x

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(x.shape)

    def dtype(self, x: Array) -> str:
        return NAMES.get(x.dtype) or str(x.dtype).removeprefix("torch.")

    def device(self, x: Array) -> str | None:
        return "cpu" if x.is_cpu else str(x.device)

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
        if _is_exporting():  # no standard operator of ONNX reads bits
            return torch.where(x == 0, x.abs(), x)
        # By bits: a compiler may drop an addition of zero.
        return torch.where(self.bits(x.contiguous()) == layout.negative_zero, torch.zeros_like(x), x)

    def take_along(self, x: Array, index: Array) -> Array:
        if _is_of_rows(x, index):
            return x[0].index_select(0, index.reshape(-1))[None]
        return torch.gather(x, -2, index.long().expand(*index.shape[:-1], x.shape[-1]))

    def bounds(self, x: Array) -> tuple[int, int]:
        if x.dtype in UNSIGNED:
            return super().bounds(x)
        least, greatest = torch.aminmax(x)
        return int(least), int(greatest)

    def last_writer(self, index: Array, size: Any) -> Array:
        rows, count, channels = index.shape
        writer = torch.full((rows, size + 1, channels), -1, dtype=torch.int64, device=index.device)
        own = torch.arange(count, device=index.device)[:, None].expand(index.shape)
        if index.is_cpu and needs_no_rule(index):  # there a row is one thread's, in order, so that the last one stays
            return writer.scatter_(1, index.long(), own)[:, :size]
        return writer.scatter_reduce(1, index.long(), own, "amax")[:, :size]

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        if torch.compiler.is_compiling():  # the number of rounds depends on data: one opaque operation there
            return _ordered_sum_op(x, index, size)
        return _ordered_sum(x, index, size)

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        spare = torch.cat([x, x.new_zeros((x.shape[0], 1, x.shape[2]))], 1)  # where "nowhere" is
        if _is_of_rows(x, index):
            result, at = spare[0], (index.reshape(-1).long(),)
            if needs_no_rule(x) and needs_no_rule(values) and needs_no_rule(index):
                result.index_put_(at, values[0])
            else:
                result = result.index_put(at, values[0])
            return result[None, : x.shape[1]]
        index = index.long().expand(*index.shape[:-1], x.shape[-1])
        return spare.scatter(1, index, values)[:, : x.shape[1]]

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
        if needs_no_rule(x) and needs_no_rule(values):
            result = x.clone()
            result[_span(x, span)].copy_(values)
            return result
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
        return torch.complex(x.real + y.real, x.imag + y.imag)  # see `apply_map`

    def traced_index(self, item: Any) -> Array:
        return torch.as_tensor(item)

    def power(self, x: Array, exponent: Array) -> Array:
        return torch.pow(x, exponent)

    def log(self, x: Array) -> Array:
        return torch.log(x)

    def write(self, x: Array, span: Span, where: Array | None, values: Array, add: bool) -> None:
        part = x[_span(x, span)]
        if where is None:
            part.add_(values) if add else part.copy_(values)
        else:
            part.copy_(torch.where(where, part + values if add else values, part))


def needs_no_rule(x: Array) -> bool:
    """Whether nothing traces, differentiates or maps over x, so that rules for it would only cost time."""
    if torch.compiler.is_compiling() or (x.requires_grad and torch.is_grad_enabled()):
        return False
    if _functorch.is_functorch_wrapped_tensor(x):
        return False
    return torch.autograd.forward_ad._current_level < 0 and type(x) in (torch.Tensor, torch.nn.Parameter)  # noqa: SLF001


def _is_of_rows(x: Array, index: Array) -> bool:
    """Whether the index names whole rows of a matrix, which PyTorch moves as such."""
    return x.shape[0] == 1 and index.shape[2] == 1


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
