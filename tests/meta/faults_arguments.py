"""Faults that change an argument in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from faults import SoundNumpy, disturb, register

from unpoolx import _maps, _recipe_pool
from unpoolx._at import _placed
from unpoolx._backend import Array
from unpoolx._from_indices import _from_flat, _from_window
from unpoolx._maps import Gather, Scatter, Spread, Unpool
from unpoolx._raw_indices import _in_rows
from unpoolx._recipe_at import get, update
from unpoolx._switches import _flat_indices
from unpoolx._without_switches import _fixed, _nearest

KEPT = "no-function-changes-its-arguments"


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
