"""Faults of the derivatives of pooling and unpooling, in PyTorch's backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from faults import planted, sound
from faults_unpool import SumInReverse
from unpoolx_backends import _torch_rules, _torch_traced
from unpoolx_backends._torch_rules import TorchBackend

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Scatter, Spread, Take, Unpool
from unpoolx._recipe_average import _real_elements

POOL = "the-gradient-of-max-pool-is-unpool-sum"
LAST = "the-gradient-of-unpool-last-is-read-where-the-window-won"
SUM = "the-gradient-of-unpool-sum-is-gather"
RAW = "the-gradient-of-unpool-by-raw-indices-is-read-at-them"
BLOCKS = "the-gradient-of-unpool-average-is-the-mean-of-each-window"
SECOND = "the-derivative-of-a-gradient-is-the-map-itself"
FORWARD = "forward-mode-is-the-map-of-the-tangent"


@sound
class SoundTorch(TorchBackend):
    """PyTorch's backend under another name."""

    name = "planted"


class _Ruled(torch.autograd.Function):
    @staticmethod
    def forward(x: Array, index: Array | None, linear_map: LinearMap, ops: Ruled) -> Array:
        return _torch_traced.by_recipe(linear_map, x, index)

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
        return _torch_rules._laid_out(ctx.ops.tangent(ctx.linear_map, tangent, *ctx.saved_tensors), ctx.strides)


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
        real = self.cast(_real_elements(self, linear_map.geometry, made), self.dtype(made))
        return made * (real / linear_map.geometry.kernel_elements)


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
