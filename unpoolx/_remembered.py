"""Geometries of earlier calls, so that a call on a small array does not work its integers out anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unpoolx._backend import Backend
from unpoolx._geometry import Geometry
from unpoolx._window import Window

MOST = 1024
"""More are forgotten, all at once."""

_EXACT = frozenset({int, str, bool, type(None), Window})
_geometries: dict[Any, Geometry] = {}


def geometry(ops: Backend, make: Callable[..., Geometry], *arguments: Any) -> Geometry:
    """`make(*arguments)`, remembered by its arguments where all of them are plain, and no tracer looks on.

    Plain means of exactly these types: 2.0 equals 2 and True equals 1, but neither is a length. A flag is an argument
    of its own, and the types are remembered with the arguments.
    """
    if ops.hides_numpy or not _are_plain(arguments):
        return make(*arguments)
    key = (make, arguments, tuple(map(type, arguments)))
    found = _geometries.get(key)
    if found is None:
        found = make(*arguments)
        if len(_geometries) >= MOST:
            _geometries.clear()
        _geometries[key] = found
    return found


def _are_plain(values: tuple[Any, ...]) -> bool:
    for value in values:
        kind = type(value)
        if kind is tuple:
            if bool in map(type, value) or not _are_plain(value):
                return False
        elif kind not in _EXACT:
            return False
    return True
