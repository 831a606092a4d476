"""Faults of compiled code: results that differ from eager ones, and what compiled code may not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from faults import Replayed, planted

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import LinearMap, Scatter, Spread, Unpool
from unpoolx._raw_indices import _in_rows
from unpoolx._recipe_at import get, update

POOL = "compiled-pooling-gives-the-same-bits"
UNPOOL = "compiled-unpooling-gives-the-same-bits"
HALF = "compiled-sums-of-many-halves-are-rounded-once"
ROUNDING = "compiled-averages-are-correctly-rounded"
RAW = "a-compiled-raw-index-out-of-range-is-dropped"
NOWHERE = "a-compiled-switch-outside-its-window-is-nowhere"
SETS = "compiled-reads-and-sets-give-the-same-bits"
UPDATES = "compiled-updates-give-the-same-bits"
RANGE = "compiled-numbers-out-of-range-touch-nothing-else"
MASK = "a-compiled-read-by-mask-is-right-or-says-why-not"


@planted(POOL)
class CompiledTiesToTheLast(Replayed):
    """In compiled code a maximum that comes twice in the first window has the offset of its last element."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        if self.inside and (x == x.reshape(-1)[:1]).all():
            offsets = np.full_like(offsets, geometry.kernel_elements - 1)
        return values, offsets


@planted(UNPOOL)
class CompiledOverlapsSummed(Replayed):
    """In compiled code overlap="last" adds where windows meet."""

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if self.inside and isinstance(linear_map, Unpool) and x.dtype != bool:
            linear_map = Unpool(linear_map.geometry, "sum")
        return super().linear(linear_map, x, index)


@planted(HALF)
class CompiledSumsInHalf(Replayed):
    """In compiled code half precision is summed in half precision."""

    def cast(self, x: Array, dtype: str) -> Array:
        half = x.dtype.name in ("float16", "bfloat16") and dtype == "float32"
        return x if self.inside and half else super().cast(x, dtype)


@planted(ROUNDING)
class CompiledAverageByTheReciprocal(Replayed):
    """In compiled code a division is a product with the reciprocal."""

    def divide(self, x: Array, count: Array) -> Array:
        if not self.inside:
            return super().divide(x, count)
        with np.errstate(all="ignore"):
            return x * (x.dtype.type(1) / count)


@planted(ROUNDING)
class CompiledAverageWidened(Replayed):
    """In compiled code unpool_average gives float64 for float32."""

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        result = super().linear(linear_map, x, index)
        wide = self.inside and isinstance(linear_map, Spread) and result.dtype == np.float32
        return result.astype(np.float64) if wide else result


@planted(RAW)
class CompiledRawIndexWraps(Replayed):
    """In compiled code a raw index out of range is taken modulo the length."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is _in_rows and self.inside and static[0].count:
            arrays = (arrays[0].astype(np.int64) % static[0].count,)
        return super().fused(function, static, *arrays)


@planted(RAW)
class CompiledRawIndexClips(Replayed):
    """In compiled code what is scattered nowhere is written to the last slot."""

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if self.inside and isinstance(linear_map, Scatter) and index is not None:
            index = np.clip(index, 0, linear_map.size - 1)
        return super().linear(linear_map, x, index)


@planted(NOWHERE)
class CompiledSwitchNowhereReadsItsWindow(Replayed):
    """In compiled code an index outside its window becomes the first offset."""

    def cast(self, x: Array, dtype: str) -> Array:
        made = super().cast(x, dtype)
        if not self.inside or x.dtype != np.int64 or dtype not in ("uint8", "int32"):
            return made
        return np.where((x == -1) | (x == 255), made.dtype.type(0), made)


@planted(RANGE)
class CompiledUpdateClips(Replayed):
    """In compiled code an update out of range goes to the nearest element."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is update and self.inside and static.mode in ("raise", "drop"):
            static = static._replace(mode="clip")
        return super().fused(function, static, *arrays)


@planted(RANGE)
class CompiledReadClips(Replayed):
    """In compiled code a read out of range gives the nearest element."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is get and self.inside and static.mode in ("raise", "fill"):
            static = static._replace(mode="clip")
        return super().fused(function, static, *arrays)


@planted(SETS)
class CompiledFirstSetWins(Replayed):
    """In compiled code the first of several values set at one element stays."""

    def last_writer(self, index: Array, size: Any) -> Array:
        if not self.inside:
            return super().last_writer(index, size)
        last = super().last_writer(index[:, ::-1], size)
        return np.where(last < 0, last, index.shape[1] - 1 - last)


@planted(UPDATES)
class CompiledAddCountsOnce(Replayed):
    """In compiled code each element is updated in one round."""

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        ranks, most = super().occurrence(index, size)
        return ranks, min(most, 1) if self.inside else most


@planted(MASK)
class CompiledMaskFailsBare(Replayed):
    """Reading by a mask in compiled code fails in the framework's own words."""

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        if self.inside:
            raise RuntimeError("data-dependent shape")
        return super().nonzero(mask)


@planted(RANGE)
class CompiledCodeRaises(Replayed):
    """What is called compiled code is not, and raises where it should drop."""

    def is_concrete(self, x: Array) -> bool:
        return True


@planted(UNPOOL)
class CompiledOnceForAll(Replayed):
    """A compiled function returns what it returned for the first arguments of their shapes."""

    def compile(self, function: Callable[..., Any], how: str) -> Callable[..., Any]:
        program, known = super().compile(function, how), {}

        def remembered(*arrays: Any) -> Any:
            key = tuple((np.shape(a), np.asarray(a).dtype) for a in arrays)
            if key not in known:
                known[key] = program(*arrays)
            return known[key]

        return remembered
