"""Faults that reach beyond a call: arguments that change, results that share memory, calls that know of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from faults import SoundNumpy, disturb, planted, register

from unpoolx import _maps, _recipe_pool
from unpoolx._at import _placed
from unpoolx._backend import Array
from unpoolx._from_indices import _from_flat, _from_window
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Scatter, Spread, Unpool
from unpoolx._raw_indices import _in_rows
from unpoolx._recipe_at import get, update
from unpoolx._switches import _flat_indices
from unpoolx._without_switches import _fixed, _nearest

KEPT = "no-function-changes-its-arguments"
APART = "no-result-shares-memory-with-an-argument"
AGAIN = "the-same-bits-run-after-run"
LATER = "no-result-changes-later"


def _any(_: Any) -> bool:
    return True


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda static: isinstance(static, kinds)


# What is changed: the name, the function of the core that the backend runs, its argument, and for which static part.
_CHANGED: tuple[tuple[str, Callable[..., Any], int, Callable[[Any], bool]], ...] = (
    ("max_pool changes x", _recipe_pool.max_pool, 0, _any),
    ("unpool changes x", _maps.apply_map, 0, _of(Unpool)),
    ("unpool changes the offsets", _maps.apply_map, 1, _of(Unpool)),
    ("gather changes x", _maps.apply_map, 0, _of(Gather)),
    ("gather changes the offsets", _maps.apply_map, 1, _of(Gather)),
    ("unpool by raw indices changes x", _maps.apply_map, 0, _of(Scatter)),
    ("unpool by raw indices changes the indices", _in_rows, 0, _any),
    ("unpool_fixed changes x", _fixed, 0, _any),
    ("unpool_nearest changes x", _nearest, 0, _any),
    ("unpool_average changes x", _maps.apply_map, 0, _of(Spread)),
    ("from_indices changes the indices", _from_flat, 0, _any),
    ("Switches changes the offsets", _from_window, 0, _any),
    ("to_indices changes the offsets", _flat_indices, 0, _any),
    ("get changes x", get, 0, _any),
    ("get changes the index", get, 2, _any),
    ("an update changes x", update, 0, _any),
    ("an update changes the values", update, 1, _any),
    ("an update changes the index", update, 2, _any),
    ("placing an index changes it", _placed, 0, _any),
)


def _changing(function: Callable[..., Any], argument: int, concerns: Callable[[Any], bool]) -> type[SoundNumpy]:
    class Changing(SoundNumpy):
        def fused(self, called: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
            result = super().fused(called, static, *arrays)
            if called is function and argument < len(arrays) and concerns(static):
                result = tuple(map(np.copy, result)) if isinstance(result, tuple) else result.copy()
                disturb(arrays[argument])
            return result

    return Changing


for _wrong, _function, _argument, _concerns in _CHANGED:
    register(
        _changing(_function, _argument, _concerns),
        KEPT,
        name=_wrong.lower().replace(" ", "-").replace("_", "-"),
        wrong=f"{_wrong} in place.",
    )


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
