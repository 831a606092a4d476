"""Faults of unpooling where windows meet, and of sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from faults import SoundNumpy, planted

from unpoolx import _recipe_unpool
from unpoolx._backend import Array
from unpoolx._dtypes import HALVES, INTEGERS
from unpoolx._geometry import Geometry
from unpoolx._layout import product
from unpoolx._maps import LinearMap, Unpool

LAST = "the-last-window-that-points-at-an-element-wins"
SUM = "values-that-meet-are-summed-in-order"
WRAP = "integer-sums-wrap"
ZERO = "a-sum-that-comes-out-as-zero-is-positive"
HALF = "half-precision-is-summed-in-float32-and-rounded-once"

Rows = Callable[[Array, Array], tuple[Array, Array]]


class Unpooling(SoundNumpy):
    """Unpooling through flat positions, whose updates can be tampered with."""

    overlap = "last"

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        """What takes the place of unpooling with the overlap of the class."""
        raise NotImplementedError

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Unpool) and linear_map.overlap == self.overlap and x.size:
            with np.errstate(all="ignore"):
                return self.unpooled(x, index, linear_map.geometry)
        return super().linear(linear_map, x, index)

    def by_numbers(self, x: Array, offsets: Array, geometry: Geometry, change: Rows) -> Array:
        """Updates (rows, m, C) scattered in order, after a change of their values and their positions."""
        flat, _ = _recipe_unpool._flat_positions(self, offsets, geometry)
        values, flat = change(_recipe_unpool._flatten(self, x, geometry), flat)
        size = product(geometry.spatial_shape)
        result = _recipe_unpool._recipe_scatter.scatter(self, values, flat, size, self.overlap)
        return result.reshape(geometry.unpooled_shape(x.shape))


@planted(LAST)
class OverlapsSummed(Unpooling):
    """overlap="last" adds where windows meet."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        other = Unpool(geometry, "sum" if x.dtype != bool else "last")
        return SoundNumpy.linear(self, other, x, offsets)


@planted(LAST)
class FirstWindowWins(Unpooling):
    """overlap="last" keeps the first window."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        return self.by_numbers(x, offsets, geometry, lambda values, flat: (values[:, ::-1], flat[:, ::-1]))


@planted(LAST)
class ColumnMajorWindowWins(Unpooling):
    """overlap="last" keeps the window that comes last in column-major order."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        order = np.arange(product(geometry.windows)).reshape(geometry.windows).T.reshape(-1)
        return self.by_numbers(x, offsets, geometry, lambda values, flat: (values[:, order], flat[:, order]))


@planted(LAST)
class GreatestWins(Unpooling):
    """overlap="last" keeps the greatest value where windows meet."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        if x.dtype.kind == "c":
            return super().linear(Unpool(geometry, "last"), x, offsets)

        def by_value(values: Array, flat: Array) -> tuple[Array, Array]:
            order = np.argsort(values, axis=1, kind="stable")
            return np.take_along_axis(values, order, 1), np.take_along_axis(flat, order, 1)

        return self.by_numbers(x, offsets, geometry, by_value)


@planted(LAST)
class BackgroundIsNegativeZero(Unpooling):
    """Where no window points there is -0.0."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        result = SoundNumpy.linear(self, Unpool(geometry, "last"), x, offsets)
        hit = SoundNumpy.linear(self, Unpool(geometry, "last"), np.ones(x.shape, bool), offsets)
        return result if x.dtype.kind in "iub" else np.where(hit, result, result.dtype.type(-0.0))


class Summing(Unpooling):
    """Unpooling with overlap="sum", tampered with."""

    overlap = "sum"

    def summed_in(self, dtype: str, x: Array, offsets: Array, geometry: Geometry) -> Array:
        """The sum in another dtype, rounded at the end."""
        wide = self.cast(x, dtype)
        return self.positive_zero(self.cast(self.in_order(wide, offsets, geometry), x.dtype.name))

    def in_order(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        """The sum in x's own dtype."""
        return _recipe_unpool.unpool_strided(self, x, offsets, geometry, "sum")

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        return SoundNumpy.linear(self, Unpool(geometry, "sum"), x, offsets)


@planted(SUM)
class SumInReverse(Summing):
    """overlap="sum" adds the windows in reverse order."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        return self.by_numbers(x, offsets, geometry, lambda values, flat: (values[:, ::-1], flat[:, ::-1]))


@planted(SUM)
class SumKeepsTheLast(Summing):
    """overlap="sum" keeps the last window."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        return self.positive_zero(SoundNumpy.linear(self, Unpool(geometry, "last"), x, offsets))


@planted(HALF)
class HalfSummedInHalf(Summing):
    """float16 is summed in float16."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        return self.summed_in("float16" if x.dtype == np.float16 else _accumulation(x), x, offsets, geometry)


@planted(HALF)
class BrainSummedInBrain(Summing):
    """bfloat16 is summed in bfloat16."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        name = x.dtype.name
        return self.summed_in("bfloat16" if name == "bfloat16" else _accumulation(x), x, offsets, geometry)


@planted(SUM)
class SingleSummedInDouble(Summing):
    """float32 is summed in float64 and rounded once."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        return self.summed_in("float64" if x.dtype == np.float32 else _accumulation(x), x, offsets, geometry)


@planted(SUM)
class HalfSumStaysSingle(Summing):
    """Sums of float16 come out as float32."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        result = super().unpooled(x, offsets, geometry)
        return result.astype(np.float32) if x.dtype == np.float16 else result


@planted(WRAP)
class IntegersSaturate(Summing):
    """Sums of integers of at most 32 bits stop at the ends of their range."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        if x.dtype.name not in INTEGERS or x.dtype.itemsize == 8:
            return super().unpooled(x, offsets, geometry)
        info = np.iinfo(x.dtype)
        return np.clip(self.in_order(x.astype(np.int64), offsets, geometry), info.min, info.max).astype(x.dtype)


@planted(ZERO)
class SumKeepsNegativeZero(Summing):
    """A sum that comes out as -0.0 stays so."""

    def positive_zero(self, x: Array) -> Array:
        return x


@planted(SUM)
class EqualUpdatesCountOnce(Summing):
    """Of equal values that meet in a sum, one is added."""

    def unpooled(self, x: Array, offsets: Array, geometry: Geometry) -> Array:
        def without(values: Array, flat: Array) -> tuple[Array, Array]:
            nowhere, flat = product(geometry.spatial_shape), flat.copy()
            for i in range(values.shape[1]):
                again = (flat[:, :i] == flat[:, i : i + 1]) & (values[:, :i] == values[:, i : i + 1])
                flat[:, i] = np.where(again.any(axis=1), nowhere, flat[:, i])
            return values, flat

        return self.by_numbers(x, offsets, geometry, without)


def _accumulation(x: Array) -> str:
    return "float32" if x.dtype.name in HALVES else x.dtype.name
