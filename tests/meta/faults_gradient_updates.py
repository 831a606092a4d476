"""Faults of the derivatives of reads and updates by index, in PyTorch's backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from faults import planted
from faults_gradient import SoundTorch
from unpoolx_backends import _torch_traced

from unpoolx import _recipe_fold
from unpoolx._backend import Array
from unpoolx._maps import Scatter
from unpoolx._recipe_at import update

LINEAR = "gradients-of-linear-updates"
PRODUCTS = "gradients-of-products-quotients-and-powers"
EXTREMA = "gradients-of-min-and-max-are-shared-by-what-ties"
READS = "the-gradient-of-a-read-adds-up"


class _TakenOnce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Array, index: Array) -> Array:
        ctx.save_for_backward(index)
        ctx.size = x.shape[-2]
        return torch.gather(x, -2, index)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        (index,) = ctx.saved_tensors
        return SoundTorch().linear(Scatter(ctx.size, "last"), cotangent, index), None


@planted(READS)
class ReadTwiceCountsOnce(SoundTorch):
    """An element that is read several times has the gradient of the last read alone."""

    def take_along(self, x: Array, index: Array) -> Array:
        if not x.requires_grad:
            return super().take_along(x, index)
        return _TakenOnce.apply(x, index.long().expand(*index.shape[:-1], x.shape[-1]))


class _Kept(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, result: Array, x: Array) -> Array:
        return result.clone()

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        return cotangent, cotangent


@planted(LINEAR)
class OverwrittenKeepsItsGradient(SoundTorch):
    """An element that `set` overwrote has a gradient still."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is not update or static.op != "set" or not arrays[0].is_floating_point():
            return super().fused(function, static, *arrays)
        return _Kept.apply(super().fused(function, static, arrays[0].detach(), *arrays[1:]), arrays[0])


class _Folded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: str, x: Array, v: Array, index: Array | None, ops: Folding) -> Array:
        ctx.op, ctx.ops = op, ops
        ctx.save_for_backward(x, v, index)
        result = _recipe_fold.fold(ops, op, x, v, index)
        return result.clone() if result is x else result

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        x, v, index = ctx.saved_tensors
        factor, weight = ctx.ops.coefficients(ctx.op, x, v, index)
        return None, factor * cotangent, ctx.ops.weighted(weight, cotangent, index), None, None


class Folding(SoundTorch):
    """The derivatives of updates, tampered with."""

    def coefficients(self, op: str, x: Array, v: Array, index: Array | None) -> tuple[Array, Array]:
        """A factor for each element, and a weight for each update."""
        return _recipe_fold.coefficients(self, op, x, v, index)

    def weighted(self, weight: Array, cotangent: Array, index: Array | None) -> Array:
        """What goes back to each update."""
        return _torch_traced.weighted(weight, cotangent, index)

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        return _Folded.apply(op, x, v, index, self)


@planted(EXTREMA)
class TiesToTheArray(Folding):
    """Of what equals an extremum, the array's own element has the whole gradient."""

    def coefficients(self, op: str, x: Array, v: Array, index: Array | None) -> tuple[Array, Array]:
        factor, weight = super().coefficients(op, x, v, index)
        if op not in ("min", "max"):
            return factor, weight
        own = factor != 0
        here = own if index is None else self.take_along(own.int(), index.clamp(max=x.shape[1] - 1)) != 0
        return own.to(x.dtype), torch.where(here, 0, weight)


@planted(PRODUCTS)
class FactorsForgetTheOthers(Folding):
    """The gradient of a factor is the original element, without the other factors of it."""

    def coefficients(self, op: str, x: Array, v: Array, index: Array | None) -> tuple[Array, Array]:
        factor, weight = super().coefficients(op, x, v, index)
        if op != "multiply" or index is None:
            return factor, weight
        return factor, self.take_along(x, index.clamp(max=x.shape[1] - 1))


@planted(LINEAR)
class DroppedUpdateHasAGradient(Folding):
    """An update that was dropped has the gradient of the last element."""

    def coefficients(self, op: str, x: Array, v: Array, index: Array | None) -> tuple[Array, Array]:
        factor, weight = super().coefficients(op, x, v, index)
        if index is not None and op == "add":
            weight = torch.ones_like(weight)
        return factor, weight

    def weighted(self, weight: Array, cotangent: Array, index: Array | None) -> Array:
        if index is not None and cotangent.shape[1]:
            index = index.clamp(max=cotangent.shape[1] - 1)
        return super().weighted(weight, cotangent, index)
