"""Hypothesis strategies for whole cases of reads and updates by index: a shape, an index and a mode, and values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ._oracle_at import ACCUMULATING_OPS, AT_OPS, resolve_index
from ._oracle_window import Index
from ._strategies_arrays import (
    COMPLEX_DTYPES,
    FLOAT_DTYPES,
    INTEGER_DTYPES,
    POOL_DTYPES,
    Array,
    dtype_of,
    exact_arrays,
    special_values,
)
from ._strategies_at import INDEX_FORMS, indices, shapes

# The least integer that no finite number of the dtype is nearest to.
_OVERFLOWS = {
    "float16": 65520,
    "bfloat16": 2**128 - 2**119,
    "float32": 2**128 - 2**103,
    "float64": 2**1024 - 2**970,
    "complex64": 2**128 - 2**103,
    "complex128": 2**1024 - 2**970,
}
_UNSIGNED = tuple(name for name in INTEGER_DTYPES if name.startswith("u"))
_RANKS = {"bool": 0} | {name: 1 if name in _UNSIGNED else 2 for name in INTEGER_DTYPES}
_RANKS |= dict.fromkeys(FLOAT_DTYPES, 3) | dict.fromkeys(COMPLEX_DTYPES, 4)


@dataclass(frozen=True)
class IndexCase:
    """A shape, an index that fits an array of it, and the mode in which it does.

    Attributes:
        shape: the array's.
        index: the index.
        mode: what an integer out of range does; there is none in mode "raise".
        indexed_shape: the shape of what is indexed; None where a mode of clipping or wrapping has no element to choose
            from, which must raise IndexError.
    """

    shape: Index
    index: Any
    mode: str
    indexed_shape: Index | None

    @property
    def arguments(self) -> dict[str, Any]:
        """The index and the mode by name."""
        return {"index": self.index, "mode": self.mode}


@st.composite
def index_cases(
    draw: st.DrawFn, outside: str = "drop", *, forms: Sequence[str] = INDEX_FORMS, impossible: bool = False
) -> IndexCase:
    """Indices in range for mode "raise", or with a number out of range for the others.

    `outside` is the mode that reads ("fill") or updates ("drop") have for themselves. With `impossible`, some of the
    cases ask to clip or wrap to an element of an empty axis.
    """
    mode = draw(st.sampled_from(("raise", "raise", "raise", outside, "clip", "wrap")))
    shape = draw(shapes(empty=impossible or mode not in ("clip", "wrap")))
    index = draw(indices(shape, legal=mode == "raise", forms=forms))
    try:
        indexed = resolve_index(shape, index, mode).shape
    except IndexError:
        if not impossible:
            raise
        return IndexCase(shape, index, mode, None)
    return IndexCase(shape, index, mode, indexed)


def operations(dtype: str) -> list[str]:
    """The operations that arrays of a dtype have."""
    lacking: tuple[str, ...] = ()
    if dtype == "bool":
        lacking = ACCUMULATING_OPS
    elif dtype in COMPLEX_DTYPES:
        lacking = ("min", "max")
    elif dtype in INTEGER_DTYPES:
        lacking = ("divide",)
    return [op for op in AT_OPS if op not in lacking]


def castable(dtype: str) -> tuple[str, ...]:
    """The dtypes that cast to this one by NumPy's same_kind rule, bfloat16 being a float; the dtype itself included."""
    return tuple(name for name, rank in _RANKS.items() if rank <= _RANKS[dtype])


def exponents(shape: Index, dtype: str) -> st.SearchStrategy[Array]:
    """Powers that integers have: small ones, none of them negative."""
    return exact_arrays(shape, dtype).map(abs)


@st.composite
def zeros_and_nans(draw: st.DrawFn, shape: Index, dtype: str) -> Array:
    """Arrays of floats in which zeros of both signs, infinities and NaNs meet often."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rare = draw(st.sampled_from((0.0, 0.0, math.nan, math.inf)))
    made = random.choice((0.0, -0.0, 0.0, -0.0, 1.0, -1.0, rare), shape)
    return np.asarray(made).astype(dtype_of(dtype))


def halves(dtype: str, given: str) -> st.SearchStrategy[float]:
    """Floats of the dtype `given`, near 1 and halfway between two neighbours of `dtype`, or just beside."""
    digits = {"float16": 10, "bfloat16": 7, "float32": 23, "complex64": 23}.get(dtype, 52)
    finest = {"float16": 10, "bfloat16": 7, "float32": 23, "complex64": 23}.get(given, 52)
    half, least = 2.0 ** -(digits + 1), 2.0**-finest
    numbers = [sign * (1 + odd * half + beside * least) for sign in (1, -1) for odd in (1, 3) for beside in (0, 1, -1)]
    return st.sampled_from(numbers)


@st.composite
def fills(draw: st.DrawFn, dtype: str) -> Any:
    """Python numbers that an array of this dtype can be filled with."""
    numbers: list[Any] = [True, False]
    numbers += [0, 1, 2, 3, 100] if dtype != "bool" else []
    if dtype in INTEGER_DTYPES:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        numbers += [low, low + 1, high, high - 1, high // 2 + 2]
    elif dtype != "bool":
        part = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
        numbers += [-0.0, 0.1, -0.1, 1e300, -1e300, *special_values(part).tolist(), draw(halves(part, "float64"))]
    if dtype in COMPLEX_DTYPES:
        numbers += [0.1 - 0.1j, complex(-0.0, 0.0), complex(0.0, -0.0), complex(math.nan, 1.0), complex(math.inf, -1.0)]
    return draw(st.sampled_from(numbers))


@dataclass(frozen=True)
class IllegalValues:
    """Values that must raise `expected` where they update an array of the dtype they were drawn for, and why."""

    values: Any
    expected: type[Exception]
    fault: str


@st.composite
def illegal_values(
    draw: st.DrawFn, dtype: str, shape: Index = (), names: Sequence[str] = (*POOL_DTYPES, *COMPLEX_DTYPES)
) -> IllegalValues:
    """What an array of this dtype cannot take: Python numbers, and arrays or lists of `shape`, which is not empty.

    The arrays have dtypes among `names`.
    """
    made, rank = dtype_of(dtype), _RANKS[dtype]
    faults: list[IllegalValues] = []
    for name in names:
        if _RANKS[name] > rank:
            array = np.ones(shape, dtype_of(name))
            faults.append(IllegalValues(array, TypeError, f"an array of {name} in one of {dtype}"))
    python: list[Any] = [1j, complex(math.nan, 0.0)] if rank < 4 else []
    python += [1.5, 2.0, math.nan, math.inf] if rank < 3 else []
    python += [1, 0] if not rank else []
    faults += [IllegalValues(number, TypeError, f"a Python number in an array of {dtype}") for number in python]
    wide: list[int] = []
    if rank in (1, 2):
        low, high = int(np.iinfo(made).min), int(np.iinfo(made).max)
        wide = [high + 1, low - 1, 2**32 + 1, 2**64, -(2**70)]
        wide = [number for number in wide if not low <= number <= high]
    elif rank:
        wide = [_OVERFLOWS[dtype], -_OVERFLOWS[dtype], 10**400]
    faults += [IllegalValues(number, OverflowError, f"an integer beyond {dtype}") for number in wide]
    chosen = draw(st.sampled_from(faults))
    if isinstance(chosen.values, np.ndarray) or draw(st.booleans()):
        return chosen
    listed = np.full(shape or (1,), False if dtype == "bool" else 0, object)
    listed.reshape(-1)[-1:] = chosen.values
    return IllegalValues(listed.tolist(), chosen.expected, f"in a list, {chosen.fault}")


@st.composite
def far_numbers(draw: st.DrawFn, length: int) -> int:
    """Integers beyond 32 bits that name no element of an axis of this length, and would if they were narrowed."""
    place: int = draw(st.integers(-length, length - 1))
    far: list[int] = [sign * 2**bits + place for bits in (32, 63, 64) for sign in (1, -1)] + [
        2**32 - 1,
        2**64 - 1,
        2**70,
    ]
    return draw(st.sampled_from([number for number in far if not -length <= number < length]))
