"""Values brought to the dtype of the array that they update, by one rule for every framework."""

from __future__ import annotations

from typing import Any

import numpy as np

from unpoolx import _recipe_cast
from unpoolx._arguments import bring, require_one_device
from unpoolx._backend import Backend
from unpoolx._dtypes import COMPLEX, FLOAT_BITS, INTEGERS, UNSIGNED, integer_range
from unpoolx._registry import backend_of

# The least integer that rounds to infinity.
_OVERFLOWS = {
    "float16": 65520,
    "bfloat16": 2**128 - 2**119,
    "float32": 2**128 - 2**103,
    "float64": 2**1024 - 2**970,
    "complex64": 2**128 - 2**103,
    "complex128": 2**1024 - 2**970,
}
# same_kind: a value may be cast to its own kind or to a later one. bfloat16 is a float.
_PYTHON_KINDS = ((bool, "bool"), (int, "integer"), (float, "float"), (complex, "complex"))
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
        numbers, shape = _flattened(values, what)
        _require_weak(numbers, dtype, what)
        return ops.reshape(_constant(ops, numbers, dtype, x), shape)
    prepared = owner.prepare(values)
    given = owner.dtype(prepared)
    if owner is ops and given == dtype:
        require_one_device(ops, x=x, values=prepared)
        return prepared
    _require_same_kind(given, dtype, what)
    if owner is not ops and owner.name == "numpy":
        values = _recipe_cast.cast(owner, prepared, dtype)
    return _recipe_cast.cast(ops, bring(ops, x=x, values=values)[1], dtype)


def _constant(ops: Backend, numbers: list[Any], dtype: str, like: Any) -> Any:
    if dtype in _OVERFLOWS:
        numbers = [_recipe_cast.number_for(number, dtype) for number in numbers]
    if dtype not in UNSIGNED:
        return ops.constant(numbers, dtype, like=like)
    # By way of the signed dtype, since not every framework takes the greatest unsigned numbers.
    greatest = integer_range(dtype)[1]
    signed = [number - greatest - 1 if number > greatest // 2 else number for number in numbers]
    return ops.as_dtype(ops.constant(signed, dtype.removeprefix("u"), like=like), dtype)


def _flattened(values: Any, what: str) -> tuple[list[Any], tuple[int, ...]]:
    """The numbers of nested lists in row-major order, and their shape; without NumPy, which a compiler would trace."""
    if not isinstance(values, (list, tuple)):
        if isinstance(values, (bool, int, float, complex)):
            return [values], ()
        if isinstance(values, np.generic) and values.dtype.kind in "biufc":
            return [values.item()], ()
        raise TypeError(f"{what}: expected numbers; got {type(values).__name__}")
    parts = [_flattened(value, what) for value in values]
    inner = parts[0][1] if parts else ()
    if any(shape != inner for _, shape in parts):
        raise ValueError(f"{what}: expected a list of numbers with equal lengths on each axis; got {values!r}")
    return [number for numbers, _ in parts for number in numbers], (len(parts), *inner)


def _require_weak(numbers: list[Any], dtype: str, what: str) -> None:
    """Python numbers: their kind must fit, and integers their range."""
    target = _KINDS.index(kind(dtype))
    for number in numbers:
        given = next(name for cls, name in _PYTHON_KINDS if isinstance(number, cls))
        if given == "integer" and dtype in INTEGERS:
            low, high = integer_range(dtype)
            if not low <= number <= high:
                raise OverflowError(f"{what}: expected integers in [{low}, {high}] for {dtype}; got {number}")
        elif given == "integer" and abs(number) >= _OVERFLOWS.get(dtype, abs(number) + 1):
            raise OverflowError(f"{what}: expected integers that are finite in {dtype}; got {number}")
        elif _KINDS.index(given) > target:
            raise TypeError(f"{what}: expected what casts to {dtype}; got the Python {given} {number!r}")


def _require_same_kind(given: str, dtype: str, what: str) -> None:
    rank = _KINDS.index
    if rank(kind(given)) > rank(kind(dtype)):
        raise TypeError(
            f"{what}: expected a dtype that casts to {dtype} by NumPy's same_kind rule; got {given}. Cast it first"
        )


def fill_of(dtype: str, fill_value: Any) -> Any:
    """The fill of a read, as a Python number: the default for the dtype, or `fill_value`, which must fit."""
    if fill_value is not None:
        owner = backend_of(fill_value, "fill_value")
        if owner is not None:  # an array of one number counts as the number
            host = owner.to_numpy(owner.prepare(fill_value))
            fill_value = (host.astype(np.float32) if host.dtype.name == "bfloat16" else host).tolist()
        numbers, shape = _flattened(fill_value, "fill_value")
        if shape:
            raise ValueError(f"fill_value: expected one number; got a list of shape {shape}")
        _require_weak(numbers, dtype, "fill_value")
        return _recipe_cast.number_for(numbers[0], dtype) if dtype in _OVERFLOWS else numbers[0]
    if dtype == "bool":
        return True
    if dtype in INTEGERS:
        return integer_range(dtype)[1 if dtype in UNSIGNED else 0]
    return float("nan") if dtype in FLOAT_BITS else complex("nan+nanj")
