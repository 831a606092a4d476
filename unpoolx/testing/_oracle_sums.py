"""Sums for the oracle: one addend after another, in the order given, rounded as the norm says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Addends = Iterable[tuple[tuple[int, ...], Any]]


class SumBits(NamedTuple):
    """What a summing function may return: `exact` everywhere, and where `mask` is True `flushed` as well."""

    exact: Array
    flushed: Array
    mask: npt.NDArray[np.bool_]


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether this is the bfloat16 of ml_dtypes, which NumPy itself does not know."""
    return dtype.name == "bfloat16"


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether this is one of float16, bfloat16, float32 and float64."""
    return is_bfloat16(dtype) or dtype.name in ("float16", "float32", "float64")


def accumulate(
    shape: tuple[int, ...], dtype: np.dtype[Any], addends: Addends, flush: bool
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Sum `addends`, pairs of (index, value), into zeros of `shape`, strictly in the order given.

    The values are scalars of `dtype`, or of the dtype that it is summed in. Returns the sums, in `dtype`,
    and a mask of the elements that had a subnormal addend or partial sum; with `flush` each such number is
    taken as +0.0.
    """
    if is_float(dtype):
        return _accumulate_floats(shape, dtype, addends, flush)
    if dtype.kind == "c":
        return _accumulate_complex(shape, dtype, addends, flush)
    if dtype.kind in "iu":
        return _accumulate_integers(shape, dtype, addends), np.zeros(shape, np.bool_)
    raise TypeError(f"a dtype that can be summed expected, got {dtype}")


def accumulation_type(dtype: np.dtype[Any]) -> Any:
    """The scalar type that floats of this dtype are divided and summed in."""
    return np.float64 if dtype.name == "float64" else np.float32


def _accumulate_floats(
    shape: tuple[int, ...], dtype: np.dtype[Any], addends: Addends, flush: bool
) -> tuple[Array, npt.NDArray[np.bool_]]:
    number = accumulation_type(dtype)
    zero, smallest = number(0.0), np.finfo(number).smallest_normal
    sums: dict[tuple[int, ...], Any] = {}
    result, mask = np.zeros(shape, dtype), np.zeros(shape, np.bool_)
    with np.errstate(all="ignore"):
        for index, value in addends:
            addend = number(value)
            if addend != 0 and abs(addend) < smallest:
                mask[index] = True
                addend = zero if flush else addend
            total = sums.get(index, zero) + addend
            if total != 0 and abs(total) < smallest:
                mask[index] = True
                total = zero if flush else total
            sums[index] = total
        for index, total in sums.items():
            result[index] = total
            if result[index] == 0:  # a negative number that rounds to zero on the way to the narrower dtype
                result[index] = 0
    return result, mask


def _accumulate_complex(
    shape: tuple[int, ...], dtype: np.dtype[Any], addends: Addends, flush: bool
) -> tuple[Array, npt.NDArray[np.bool_]]:
    pairs = list(addends)
    part = np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
    real, real_mask = _accumulate_floats(shape, part, ((i, v.real) for i, v in pairs), flush)
    imag, imag_mask = _accumulate_floats(shape, part, ((i, v.imag) for i, v in pairs), flush)
    result = np.zeros(shape, dtype)
    result.real, result.imag = real, imag
    return result, real_mask | imag_mask


def _accumulate_integers(shape: tuple[int, ...], dtype: np.dtype[Any], addends: Addends) -> Array:
    sums: dict[tuple[int, ...], int] = {}
    for index, value in addends:
        sums[index] = sums.get(index, 0) + int(value)
    span = 1 << (8 * dtype.itemsize)
    result = np.zeros(shape, dtype)
    for index, total in sums.items():
        wrapped = total % span
        result[index] = wrapped - span if dtype.kind == "i" and wrapped >= span // 2 else wrapped
    return result
