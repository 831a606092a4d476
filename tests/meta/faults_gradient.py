"""Faults of derivatives, in PyTorch's backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from faults import planted, sound
from faults_unpool import SumInReverse
from unpoolx_backends import _torch
from unpoolx_backends._torch import TorchBackend

from unpoolx import _recipe_fold
from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Scatter, Spread, Take, Unpool
from unpoolx._recipe_at import update

POOL = "the-gradient-of-max-pool-is-unpool-sum"
LAST = "the-gradient-of-unpool-last-is-read-where-the-window-won"
SUM = "the-gradient-of-unpool-sum-is-gather"
RAW = "the-gradient-of-unpool-by-raw-indices-is-read-at-them"
BLOCKS = "gradients-of-unpooling-without-switches-are-the-adjoint-maps"
LINEAR = "gradients-of-linear-updates"
PRODUCTS = "gradients-of-products-quotients-and-powers"
EXTREMA = "gradients-of-min-and-max-are-shared-by-what-ties"
READS = "the-gradient-of-a-read-adds-up"
SECOND = "the-derivative-of-a-gradient-is-the-map-itself"
FORWARD = "forward-mode-is-the-map-of-the-tangent"


@sound
class SoundTorch(TorchBackend):
    """PyTorch's backend under another name."""

    name = "planted"


class _Ruled(torch.autograd.Function):
    @staticmethod
    def forward(x: Array, index: Array | None, linear_map: LinearMap, ops: Ruled) -> Array:
        return _torch._apply(linear_map, x, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, index, ctx.linear_map, ctx.ops = inputs
        ctx.strides = output.stride()
        ctx.save_for_backward(index)
        ctx.save_for_forward(index)

    @staticmethod
    def backward(ctx: Any, cotangent: Array) -> Any:
        return ctx.ops.cotangent(ctx.linear_map, cotangent, *ctx.saved_tensors), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Array, *_: Any) -> Any:
        return _torch._laid_out(ctx.ops.tangent(ctx.linear_map, tangent, *ctx.saved_tensors), ctx.strides)


@sound
class Ruled(SoundTorch):
    """The sound derivatives of linear maps, written so that they can be tampered with."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        """What goes back through a map."""
        return self.linear(linear_map.adjoint, cotangent, index)

    def tangent(self, linear_map: LinearMap, tangent: Array, index: Array | None) -> Array:
        """What goes forward through a map."""
        return self.linear(linear_map, tangent, index)

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if not x.is_floating_point():
            return super().linear(linear_map, x, index)
        return _Ruled.apply(x, index, linear_map, self)

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x.detach(), geometry)
        return self.linear(Gather(geometry), x, offsets) if x.is_floating_point() else values, offsets


@planted(SUM)
class GradientLost(Ruled):
    """The gradient of unpooling is zero."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        made = super().cotangent(linear_map, cotangent, index)
        return made * 0 if isinstance(linear_map, Unpool) else made


@planted(LAST)
class GradientToLosers(Ruled):
    """The gradient of unpool(overlap="last") reaches the windows that lost, too."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Unpool):
            return self.linear(Gather(linear_map.geometry), cotangent, index)
        return super().cotangent(linear_map, cotangent, index)


@planted(POOL)
class PoolingGradientOfTheLast(Ruled):
    """The gradient of pooling comes from the last window of an element alone."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Gather):
            return self.linear(Unpool(linear_map.geometry, "last"), cotangent, index)
        return super().cotangent(linear_map, cotangent, index)


@planted(POOL)
class PoolingGradientInReverse(Ruled):
    """The gradient of pooling adds the windows in reverse order."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        if not isinstance(linear_map, Gather) or cotangent.requires_grad:
            return super().cotangent(linear_map, cotangent, index)
        host = self.to_numpy(cotangent.detach()), self.to_numpy(index)
        return self.from_numpy(SumInReverse().linear(linear_map.adjoint, *host))


@planted(BLOCKS)
class AverageGradientOverTheWholeKernel(Ruled):
    """The gradient of unpool_average divides by the size of the kernel, also where a part of it is padding."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        made = super().cotangent(linear_map, cotangent, index)
        if not isinstance(linear_map, Spread):
            return made
        ones = torch.ones_like(cotangent)
        counts = super().linear(Gather(linear_map.geometry), ones, torch.zeros_like(made, dtype=torch.uint8)) * 0
        total = linear_map.geometry.kernel_elements
        from unpoolx._recipe_average import _real_elements

        real = self.cast(_real_elements(self, linear_map.geometry, made), self.dtype(made))
        return made * (real / total) + counts


@planted(RAW)
class RawGradientToLosers(Ruled):
    """The gradient of unpool by raw indices reaches the values that lost, too."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Scatter):
            return self.linear(Take(linear_map.size), cotangent, index)
        return super().cotangent(linear_map, cotangent, index)


@planted(SECOND)
class SecondDerivativeMissing(Ruled):
    """What goes back through unpooling has no derivative of its own."""

    def cotangent(self, linear_map: LinearMap, cotangent: Array, index: Array | None) -> Array:
        return super().cotangent(linear_map, cotangent.detach() if isinstance(linear_map, Unpool) else cotangent, index)


@planted(FORWARD)
class TangentSummed(Ruled):
    """The tangent of unpool(overlap="last") is summed where windows meet."""

    def tangent(self, linear_map: LinearMap, tangent: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Unpool):
            linear_map = Unpool(linear_map.geometry, "sum")
        return super().tangent(linear_map, tangent, index)


@planted(FORWARD)
class TangentPooled(Ruled):
    """The tangent of pooling is the pooled tangent."""

    def tangent(self, linear_map: LinearMap, tangent: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Gather):
            return self.max_pool(tangent, linear_map.geometry)[0]
        return super().tangent(linear_map, tangent, index)


@planted(POOL)
class CotangentIgnored(SoundTorch):
    """`vjp` takes every cotangent for ones."""

    def vjp(self, function: Callable[..., Array], arrays: list[Array], cotangent: Array) -> list[Array]:
        return super().vjp(function, arrays, cotangent * 0 + 1)


@planted(POOL)
class GradientInDouble(SoundTorch):
    """`vjp` gives float64 for float32."""

    def vjp(self, function: Callable[..., Array], arrays: list[Array], cotangent: Array) -> list[Array]:
        return [x.double() if x.dtype == torch.float32 else x for x in super().vjp(function, arrays, cotangent)]


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
        return _torch._weighted(weight, cotangent, index)

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
