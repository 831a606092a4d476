"""What earlier calls worked out of plain integers, so that a call on a small array does not do it anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unpoolx._backend import Backend
from unpoolx._geometry import Geometry, Length
from unpoolx._index_grammar import Plan
from unpoolx._window import Window

MOST = 1024
"""More are forgotten, all at once."""

_BOUNDS = frozenset({int, type(None)})
_EXACT = frozenset({int, str, bool, type(None), Window})
_geometries: dict[Any, Geometry] = {}
_plans: dict[Any, Plan] = {}

Resolved = tuple[Plan, list[Any], list[Length]]


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
        _remember(_geometries, key, found)
    return found


def plan(ops: Backend, resolve: Callable[..., Resolved], shape: tuple[Length, ...], index: Any, mode: str) -> Resolved:
    """`resolve(ops, shape, index, mode)`, remembered where the index has but slices and integers, all of them plain."""
    key = None if ops.hides_numpy or not _are_plain(shape) else _basic(index)
    if key is None:
        return resolve(ops, shape, index, mode)
    key = (shape, mode, key)
    found = _plans.get(key)
    if found is not None:
        return found, [], []
    made, arrays, lengths = resolve(ops, shape, index, mode)
    if not arrays:
        _remember(_plans, key, made)
    return made, arrays, lengths


def _remember(where: dict[Any, Any], key: Any, what: Any) -> None:
    if len(where) >= MOST:
        where.clear()
    where[key] = what


def _basic(index: Any) -> tuple[Any, ...] | None:
    """A key for an index of exact ints, None, `...` and slices of the first two; None for any other."""
    key = []
    for item in index if type(index) is tuple else (index,):
        kind = type(item)
        if kind is slice:
            bounds = (item.start, item.stop, item.step)
            if not {*map(type, bounds)} <= _BOUNDS:
                return None
            key.append(bounds)
        elif kind is int or item is None or item is Ellipsis:
            key.append(item)
        else:
            return None
    return tuple(key)


def _are_plain(values: tuple[Any, ...]) -> bool:
    for value in values:
        kind = type(value)
        if kind is tuple:
            if bool in map(type, value) or not _are_plain(value):
                return False
        elif kind not in _EXACT:
            return False
    return True
