"""What a namespace of the array API standard has: by its own word where it gives one, else by trying.

What is tried and raises, or gives another answer than the standard's, counts as not there.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from unpoolx._dtypes import ALL, COMPLEX, FLOAT_BITS, FLOATS, INTEGERS, UNSIGNED
from unpoolx_backends._array_api_host import device_name, to_numpy

REQUIRED = (
    "arange",
    "asarray",
    "astype",
    "broadcast_to",
    "concat",
    "flip",
    "full",
    "max",
    "min",
    "permute_dims",
    "reshape",
    "stack",
    "take",
    "where",
)
"""The functions without which nothing can be done; each has been in the standard since its version of 2022."""
NEEDED_DTYPES = ("bool", "int8", "int32", "uint8")
"""What the contract asks of every backend."""
SOME = 37
"""Enough elements for the instructions that take several at once, and for those left over."""


def information(xp: Any) -> Any:
    """The namespace's word about itself; None where its version of the standard has none."""
    return xp.__array_namespace_info__() if hasattr(xp, "__array_namespace_info__") else None


def lacking(xp: Any) -> list[str]:
    """The required functions that a namespace has not."""
    return [name for name in REQUIRED if not callable(getattr(xp, name, None))]


def dtypes(xp: Any) -> dict[str, Any]:
    """The namespace's dtypes by name, in the form in which its arrays have them.

    Those that it lists are taken at its word; float16, bfloat16 and whatever else it has beside them are tried.
    """
    told = information(xp)
    listed = {} if told is None else told.dtypes()
    found = {}
    for name in ALL:
        dtype = listed.get(name)
        if dtype is not None:
            found[name] = xp.full((1,), 0, dtype=dtype).dtype
        elif (tried := _tried(xp, name)) is not None:
            found[name] = tried
    return found


def _tried(xp: Any, name: str) -> Any:
    """The dtype of a name, if arrays of it can be made, moved, compared and added; else None."""
    if not hasattr(xp, name):
        return None
    try:
        numbers = _numbers(name)
        x = xp.asarray(numbers)
        dtype = x.dtype
        one = xp.full((3,), 1, dtype=dtype)
        made = [x, xp.take(xp.where(x == one, one, xp.flip(x, axis=0)), xp.asarray([0, 2, 1]), axis=0)]
        if name != "bool":
            made.append(x + one)
        if name in (*FLOATS, *INTEGERS):
            made += [xp.where(x < one, x, one), xp.max(x), xp.min(x)]
        if name in UNSIGNED:  # what does not fit has to wrap
            made.append(xp.astype(xp.asarray(np.array([-1, 0, 1], name.removeprefix("u"))), dtype))
        return dtype if all(to_numpy(array).dtype == numbers.dtype for array in made) else None
    except Exception:  # noqa: BLE001  # whatever it says, the dtype is of no use here
        return None


def _numbers(name: str) -> np.ndarray[Any, Any]:
    if name == "bfloat16":
        import ml_dtypes  # optional: NumPy by itself has no bfloat16

        return np.arange(3).astype(ml_dtypes.bfloat16)
    return np.arange(3).astype(name)


def devices(xp: Any) -> dict[str, Any]:
    """The namespace's devices by name, without those whose arrays cannot have every dtype."""
    told = information(xp)
    if told is None:
        device = array_api_compat.device(xp.full((1,), 0, dtype=xp.int32))
        return {device_name(device): device}
    listed = set(told.dtypes())
    sound = [d for d in told.devices() if d is not None and listed <= set(told.dtypes(device=d))]
    return {device_name(device): device for device in sound}


def capability(xp: Any, name: str, otherwise: Any) -> Any:
    """What the namespace tells of one of its capabilities; `otherwise` where it tells nothing."""
    told = information(xp)
    found = None if told is None else told.capabilities().get(name)
    return otherwise if found is None else found


def is_writable(xp: Any) -> bool:
    """Whether elements of an array can be assigned, slice by slice."""
    x = xp.full((4,), 0, dtype=xp.int32)
    try:
        x[1:4:2] = xp.full((2,), 1, dtype=xp.int32)
    except Exception:  # noqa: BLE001  # whatever it says, nothing is written here
        return False
    return to_numpy(x).tolist() == [0, 1, 0, 1]


def adds_by_parts(xp: Any, names: dict[str, Any]) -> bool:
    """Whether an infinite part of a complex sum leaves the other part alone."""
    infinite, finite = (np.full(SOME, number) for number in (complex(1, -np.inf), complex(2, 3)))
    for name in set(names) & set(COMPLEX):
        for x, y in ((infinite, finite), (finite, infinite)):
            total = to_numpy(xp.asarray(x.astype(name)) + xp.asarray(y.astype(name)))
            if not np.array_equal(total, (x + y).astype(name)):
                return False
    return True


def divides_by_broadcasting(xp: Any, names: dict[str, Any]) -> bool:
    """Whether quotients by fewer numbers are rounded correctly; a compiler may take a product with reciprocals."""
    counts = np.array([[3], [7], [49]])
    for name in set(names) & {"float32", "float64"}:
        x = np.linspace(0.1, 9, 3 * SOME).reshape(3, SOME).astype(name)
        for divisor in (counts, counts[1, 0]):
            by = np.asarray(divisor, name)
            if not np.array_equal(to_numpy(xp.asarray(x) / xp.asarray(by)), x / by):
                return False
    return True


def compares_exactly(xp: Any, names: tuple[str, ...], device: Any) -> bool:
    """Whether comparisons on a device see the least subnormal number of each float as what it is."""
    for name in names:
        if name not in FLOAT_BITS:
            continue
        bits = np.array([1, FLOAT_BITS[name].negative_zero + 1], FLOAT_BITS[name].integer)
        least = _numbers(name)[:0].dtype
        x = xp.asarray(np.repeat(bits.view(least), SOME), device=device)
        zero = xp.asarray(np.zeros(2 * SOME, least), device=device)
        seen = (x > zero, x < zero, x == zero, x <= zero)
        expected = ((True, False), (False, True), (False, False), (False, True))
        pairs = zip(seen, expected, strict=True)
        if not all(np.array_equal(to_numpy(got), np.repeat(answer, SOME)) for got, answer in pairs):
            return False
    return True
