"""Faults that XLA's compiler makes of innocent code, in JAX's backend."""

from __future__ import annotations

from functools import partial

import jax
from faults import planted, sound
from unpoolx_backends._jax import JaxBackend

from unpoolx import _recipe_pool
from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import LinearMap, Spread, Unpool, apply_map


@sound
class SoundJax(JaxBackend):
    """JAX's backend under another name."""

    name = "planted"


class Fused(SoundJax):
    """Recipes run over this backend's own primitives, compiled."""

    def mapped(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        """A linear map as one program."""
        return jax.jit(partial(apply_map, self, linear_map))(x, index)


@planted("unpool-of-a-pooling-keeps-the-chosen-elements")
class XlaFlushesSubnormals(Fused):
    """Floats are compared as floats, and XLA takes subnormal numbers for zero."""

    exact_comparisons = True

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = jax.jit(partial(_recipe_pool.max_pool, self, geometry))(x)
        return values, offsets


@planted("unpool-average-spreads-correctly-rounded-quotients")
class XlaDividesByTheReciprocal(Fused):
    """The counts of an average are constants, and XLA multiplies by their reciprocals."""

    def divide(self, x: Array, count: Array) -> Array:
        return x / count

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        spread = isinstance(linear_map, Spread)
        return self.mapped(linear_map, x, index) if spread else super().linear(linear_map, x, index)


@planted("unpool-sum-puts-each-value-where-its-switch-points")
class XlaDropsTheZero(Fused):
    """-0.0 is to become +0.0 by an addition of zero, which XLA drops."""

    def positive_zero(self, x: Array) -> Array:
        return x + 0

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        summed = isinstance(linear_map, Unpool) and linear_map.overlap == "sum"
        return self.mapped(linear_map, x, index) if summed else super().linear(linear_map, x, index)
