"""Values brought to the dtype of the array that they update, by one rule for every framework."""

from __future__ import annotations

from typing import Any

import numpy as np

from unpoolx._arguments import as_numpy, bring
from unpoolx._backend import Backend
from unpoolx._dtypes import COMPLEX, FLOAT_BITS, INTEGERS, UNSIGNED, integer_range
from unpoolx._registry import backend_of, get_backend

# same_kind: a value may be cast to its own kind or to a later one. bfloat16 is a float.
_KINDS = ("bool", "unsigned integer", "integer", "float", "complex")


def kind(dtype: str) -> str:
    """The kind of a dtype, in NumPy's order of kinds."""
    if dtype == "bool":
        return "bool"
    if dtype in INTEGERS:
        return "unsigned integer" if dtype in UNSIGNED else "integer"
    return "complex" if dtype in COMPLEX else "float"


def as_values(ops: Backend, x: Any, values: Any, what: str = "values") -> Any:
    """The values as an array of the backend, of x's dtype.

    Raises:
        TypeError: a dtype that does not cast to x's by the same_kind rule; arrays of another framework.
        OverflowError: a Python integer that x's dtype cannot hold.
    """
    dtype = ops.dtype(x)
    owner = backend_of(values)
    if owner is None:
        host = _weak(as_numpy(values, what), dtype, what)
        return bring(ops, x=x, values=_host_cast(host, dtype))[1]
    _require_same_kind(owner.dtype(owner.prepare(values)), dtype, what)
    if owner is not ops and owner.name == "numpy":
        values = _host_cast(owner.prepare(values), dtype)
    return ops.cast(bring(ops, x=x, values=values)[1], dtype)


def _weak(host: np.ndarray[Any, Any], dtype: str, what: str) -> np.ndarray[Any, Any]:
    """Python numbers: their kind must fit, and integers their range."""
    given = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "c": "complex"}[host.dtype.kind]
    target = kind(dtype)
    rank = _KINDS.index
    if given == "integer" and dtype in INTEGERS:
        low, high = integer_range(dtype)
        if host.size and (int(host.min()) < low or int(host.max()) > high):
            wrong = int(host.min()) if int(host.min()) < low else int(host.max())
            raise OverflowError(f"{what}: expected integers in [{low}, {high}] for {dtype}; got {wrong}")
    elif rank(given) > rank(target) and host.size:
        raise TypeError(f"{what}: expected what casts to {dtype}; got a Python {given}")
    return host


def _host_cast(host: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    cast: np.ndarray[Any, Any] = get_backend("numpy").cast(host, dtype)
    return cast


def _require_same_kind(given: str, dtype: str, what: str) -> None:
    rank = _KINDS.index
    if rank(kind(given)) > rank(kind(dtype)):
        raise TypeError(
            f"{what}: expected a dtype that casts to {dtype} by NumPy's same_kind rule; got {given}. Cast it first"
        )


def fill_of(dtype: str, fill_value: Any) -> Any:
    """The fill of a read, as a Python number: the default for the dtype, or `fill_value`, which must fit."""
    if fill_value is not None:
        host = as_numpy(fill_value, "fill_value")
        if host.ndim:
            raise ValueError(f"fill_value: expected one number; got an array of shape {host.shape}")
        return _weak(host, dtype, "fill_value")[()].item()
    if dtype == "bool":
        return True
    if dtype in INTEGERS:
        return integer_range(dtype)[1 if dtype in UNSIGNED else 0]
    return float("nan") if dtype in FLOAT_BITS else complex("nan+nanj")
