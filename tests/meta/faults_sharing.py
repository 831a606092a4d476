"""Faults that reach beyond a call: results that share memory, and calls that know of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from faults import SoundNumpy, planted

from unpoolx import _recipe_pool
from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import LinearMap, Unpool
from unpoolx._recipe_at import get, update
from unpoolx._without_switches import _nearest

APART = "no-result-shares-memory-with-an-argument"
LATER = "no-result-changes-later"


class Sharing(SoundNumpy):
    """No copy is made of what a function of the core returned."""

    function: Callable[..., Any]

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.inside: list[Any] = []

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        self.inside.append(function)
        try:
            result = super().fused(function, static, *arrays)
        finally:
            self.inside.pop()
        self.made = [result, function]
        return result

    def shares(self, x: Array) -> bool:
        """Whether x is handed out as it is."""
        return False

    def copy(self, x: Array) -> Array:
        return x if self.shares(x) else super().copy(x)


@planted(APART)
class PoolingByOneIsAView(Sharing):
    """max_pool with a kernel of one element returns a view of x."""

    def shares(self, x: Array) -> bool:
        return self.inside == [_recipe_pool.max_pool]


@planted(APART)
class SlicesAreViews(Sharing):
    """get by slices and integers returns a view of x."""

    def shares(self, x: Array) -> bool:
        return not self.inside and self.made[1:] == [get] and x is self.made[0]


@planted(APART)
class EmptyUpdateIsX(Sharing):
    """An update of nothing returns x itself."""

    def shares(self, x: Array) -> bool:
        return self.inside == [update]


@planted(APART)
class NearestByOneIsX(Sharing):
    """unpool_nearest with a scale of one returns a view of x."""

    def shares(self, x: Array) -> bool:
        return not self.inside and self.made[1:] == [_nearest] and x is self.made[0]


@planted(APART)
class ArgumentHandedBack(Sharing):
    """`copy` returns an argument of the function itself: unpool_fixed with a stride of one returns x."""

    def shares(self, x: Array) -> bool:
        return not self.inside and not (self.made and x is self.made[0])


@planted(APART)
class ReplacingAllGivesTheValues(SoundNumpy):
    """An update of the whole array returns the values themselves."""

    def set_slice(self, x: Array, span: Any, values: Array) -> Array:
        return super().set_slice(x, span, values) if span or values.shape != x.shape else values


@planted(LATER)
class BufferReused(SoundNumpy):
    """max_pool writes its results where the results of the call before were, if they have the same shape."""

    def __init__(self) -> None:
        self.buffers: dict[Any, Array] = {}

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        kept = self.buffers.setdefault((values.shape, values.dtype), values)
        kept[...] = values
        return kept, offsets


@planted("max-pool-chooses-the-first-maximum")
class ResultsRemembered(SoundNumpy):
    """max_pool gives an array the result of the last one with the same geometry and the same first element."""

    def __init__(self) -> None:
        self.known: dict[Any, tuple[Array, Array]] = {}

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        key = (geometry, x.shape, x.dtype, x.reshape(-1)[:1].tobytes())
        values, offsets = self.known.setdefault(key, super().max_pool(x, geometry))
        return values.copy(), offsets.copy()


@planted("the-last-window-that-points-at-an-element-wins")
class LeftoversOfTheCallBefore(SoundNumpy):
    """unpool leaves what the call before put where no window points, if the shape is the same."""

    def __init__(self) -> None:
        self.before: dict[Any, Array] = {}

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        result = super().linear(linear_map, x, index)
        if isinstance(linear_map, Unpool):
            before = self.before.get((result.shape, result.dtype))
            self.before[result.shape, result.dtype] = result
            hit = super().linear(Unpool(linear_map.geometry, "last"), np.ones(x.shape, bool), index)
            return result if before is None else np.where(hit, result, before)
        return result


@planted("the-last-window-that-points-at-an-element-wins")
class WrongNowAndThen(SoundNumpy):
    """In one call of twenty, unpool adds where windows meet."""

    def __init__(self) -> None:
        self.calls = 0

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Unpool) and linear_map.overlap == "last" and x.dtype != bool:
            self.calls += 1
            linear_map = Unpool(linear_map.geometry, "sum") if self.calls % 20 == 0 else linear_map
        return super().linear(linear_map, x, index)
