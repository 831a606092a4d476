"""Reads and updates by index of a backend under test: how a law hands an index over, and what must stay as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import strategies as xst
from ._oracle_window import Index
from ._subject import Subject

Contents = Callable[..., st.SearchStrategy[np.ndarray[Any, Any]]]

MOVABLE = (*xst.POOL_DTYPES, *xst.COMPLEX_DTYPES)
"""The dtypes that can be read and set."""

SEVERAL = 4
"""Arrays for each geometry: frameworks that compile do so once per geometry."""

WAYS = tuple(f"{call}, {whose} index arrays" for call in ("method", "function") for whose in ("its own", "NumPy's"))
"""How a read or an update may be asked for."""


def ways() -> st.SearchStrategy[str]:
    """One of `WAYS`."""
    return st.sampled_from(WAYS)


def index_on(subject: Subject, index: Any, way: str = WAYS[0]) -> Any:
    """The index with copies of its arrays: the backend's own where it declares the dtype, or NumPy's."""
    if isinstance(index, tuple):
        return tuple(index_on(subject, part, way) for part in index)
    if not isinstance(index, (np.ndarray, np.generic)):
        return index
    own = "own" in way and index.dtype.name in subject.declared.dtypes
    return subject.array(np.asarray(index)) if own else index.copy()


def values_on(subject: Subject, values: Any) -> Any:
    """The values, an array or a NumPy scalar as the backend's own."""
    return subject.array(np.asarray(values)) if isinstance(values, (np.ndarray, np.generic)) else values


def get(x: Any, index: Any, way: str, **options: Any) -> Any:
    """The read of an index that `index_on` made, by the method or by the function."""
    return unpoolx.at(x)[index].get(**options) if "method" in way else unpoolx.index_get(x, index, **options)


def update(x: Any, index: Any, values: Any, op: str, way: str, **options: Any) -> Any:
    """The update of an index that `index_on` made, by the method or by the function."""
    if "method" in way:
        return getattr(unpoolx.at(x)[index], op)(values, **options)
    return unpoolx.index_update(x, index, values, op, **options)


def updated(
    subject: Subject, x: np.ndarray[Any, Any], index: Any, values: Any, op: str, way: str, **options: Any
) -> Any:
    """The result of an update, after a check that x, the values and the index are what they were."""
    made = subject.array(x), index_on(subject, index, way), values_on(subject, values)
    result = update(*made, op, way, **options)
    require_untouched(subject, "x", made[0], x)
    require_untouched(subject, "the values", made[2], values)
    require_untouched(subject, "the index", made[1], index)
    return result


def require_untouched(subject: Subject, what: str, made: Any, given: Any) -> None:
    """What was handed over still holds what it was made of."""
    if isinstance(given, tuple):
        for part, host in zip(made, given, strict=True):
            require_untouched(subject, what, part, host)
    elif isinstance(given, (np.ndarray, np.generic)) and not np.asarray(given).dtype.hasobject:
        if subject.backend.is_array(made):
            subject.same_bits(made, np.asarray(given), f"{what} afterwards")
        else:  # index arrays of NumPy's
            subject.holds(np.array_equal(made, given), f"{what} afterwards", expected=given, got=made)


def declared_contents(subject: Subject, dtype: str, contents: Contents) -> Contents:
    """The same contents, of `dtype` itself in place of a dtype that the backend does not declare."""
    return lambda shape, name, **without: contents(shape, name if name in subject.declared.dtypes else dtype, **without)


def several(
    data: Any,
    shape: Index,
    dtype: str,
    values: Any,
    contents: Contents = xst.arrays,
    *,
    of_x: Contents = xst.arrays,
    count: int = SEVERAL,
) -> list[tuple[np.ndarray[Any, Any], Any]]:
    """Pairs of an x and values, the values all of the form of those that are given."""
    pairs = []
    for i in range(count):
        if i and isinstance(values, np.ndarray):
            values = data.draw(contents(values.shape, values.dtype.name))
        pairs.append((np.asarray(data.draw(of_x(shape, dtype))), values))
    return pairs
