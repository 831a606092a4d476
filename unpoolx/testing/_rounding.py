"""Comparison of updates of floats that accumulate, and what an arithmetic that flushes makes of subnormal numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._oracle_at import as_values, index_get, index_update, index_update_bounds, resolve_index, update_counts
from ._oracle_sums import SumBits
from .compare import assert_same_bits

Array = npt.NDArray[Any]

_SMALLEST_NORMAL = {"float16": 2.0**-14, "float64": 2.0**-1022}


def subnormal(x: Array) -> npt.NDArray[np.bool_]:
    """Where the absolute value is below the smallest normal number, but not zero; in either part of a complex one."""
    if x.dtype.kind == "c":
        return np.asarray(subnormal(x.real) | subnormal(x.imag))
    if x.dtype.kind in "iub":
        return np.zeros(x.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        wide = abs(x.astype(np.float64))
    return np.asarray((wide > 0) & (wide < _SMALLEST_NORMAL.get(x.dtype.name, 2.0**-126)))


def flushed(x: Array) -> Array:
    """x with zeros, of the same sign, in place of subnormal numbers."""
    if x.dtype.kind == "c":
        result = np.zeros_like(x)
        result.real, result.imag = flushed(np.asarray(x.real)), flushed(np.asarray(x.imag))
        return result
    if x.dtype.kind in "iub":
        return x
    with np.errstate(invalid="ignore"):
        return np.where(subnormal(x), np.copysign(np.zeros((), x.dtype), x).astype(x.dtype), x)


def read_bits(x: Array, index: Any, mode: str, fill_value: Any) -> SumBits:
    """The bits of a read; a fill that is subnormal, or becomes so, may be flushed where it stands."""
    exact = index_get(x, index, mode=mode, fill_value=fill_value)
    filled = np.zeros(exact.shape, np.bool_)
    if mode == "fill" and fill_value is not None:
        targets = resolve_index(x.shape, index, mode).targets
        filled = np.array([target is None for target in targets], np.bool_).reshape(exact.shape)
    return SumBits(exact, flushed(exact), filled)


def set_bits(x: Array, index: Any, values: Any, mode: str = "raise") -> SumBits:
    """The bits of `set`; a value of another dtype that is subnormal, or becomes so, may be flushed on its way."""
    exact = index_update(x, index, values, mode=mode)
    if isinstance(values, np.ndarray) and values.dtype == x.dtype:
        return SumBits(exact, exact, np.zeros(x.shape, np.bool_))
    integers = x.dtype.kind in "iub" or np.asarray(values).dtype.kind in "iub"
    fewer = values if integers else as_values(flushed(np.asarray(values)), x.dtype)
    updated = update_counts(x.shape, index, mode) > 0
    return SumBits(exact, np.where(updated, flushed(index_update(x, index, fewer, mode=mode)), x), updated)


def assert_within_rounding(
    actual: Array, x: Array, index: Any, values: Any, op: str, *, mode: str = "raise", what: str
) -> None:
    """Assert that floats were updated as rule A10 of the norm says.

    An element that no update names keeps its bits, one that a single update names is rounded once (not for "power",
    nor for the products and quotients of complex numbers), and one with several lies within the rounding of any order.

    Args:
        actual: the result to be judged.
        x: the array that was updated.
        index: the index.
        values: the values, as the oracle takes them.
        op: one of the oracle's `ACCUMULATING_OPS`.
        mode: what an integer out of range does.
        what: names the check in the message.
    """
    assert_same_bits(np.zeros_like(actual), np.zeros_like(x), what=what)
    counts = update_counts(x.shape, index, mode)
    reference, allowance = index_update_bounds(x, index, values, op, mode=mode)
    with np.errstate(all="ignore"):
        wide = actual.astype(reference.dtype)
        near = abs(wide - reference) <= allowance
        same = (wide == reference) | (np.isnan(wide) & np.isnan(reference)) | np.isinf(allowance)
    wrong = ~(near | same) & (counts > 0)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{what}: at {at}, after {counts[at]} updates of {x[at]}: expected {reference[at]} +- {allowance[at]}, "
            f"got {actual[at]}"
        )
    exact = index_update(x, index, values, op, mode=mode)
    bits = counts == 0
    if op in ("add", "subtract") or (op != "power" and x.dtype.kind != "c"):
        bits |= (counts == 1) & ~subnormal(x) & ~subnormal(exact)
    assert_same_bits(np.where(bits, actual, x), np.where(bits, exact, x), what=f"{what}, one update at most")
