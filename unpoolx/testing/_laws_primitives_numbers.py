"""Laws of the primitives that compute: operators, casts, bits and quotients, against plain NumPy."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from unpoolx._dtypes import FLOAT_BITS

from . import strategies as xst
from ._law import dtypes, law
from ._rounding import flushed, subnormal
from ._subject import Subject

Array = np.ndarray[Any, Any]

SHAPES = ((), (5,), (4, 6))
"""Few, since frameworks compile for each."""

COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
ARITHMETIC = (operator.add, operator.sub, operator.mul)
WHOLE = (operator.floordiv, operator.mod)
LOGIC = (operator.and_, operator.or_)
COMPUTED = ("int32", "int64", "int16", "int8", "uint8", "float32", "float64", "bool")
"""The dtypes that recipes compute in: of positions, of offsets, of bits, and of sums."""


def _operators(dtype: str) -> tuple[Callable[[Any, Any], Any], ...]:
    if dtype == "bool":
        return LOGIC
    return (*COMPARISONS, *ARITHMETIC, *(WHOLE if dtype in ("int32", "int64") else ()))


@law("dtypes", "U4", "W7", share=0.5)
def operators_work_element_by_element(subject: Subject, data: Any) -> None:
    """Python's operators give NumPy's results between two arrays of a dtype, and with a number; integers wrap."""
    dtype, shape = data.draw(subject.dtypes(COMPUTED)), data.draw(st.sampled_from(SHAPES[1:]))
    x = np.asarray(data.draw(xst.moderate_arrays(shape, dtype)))
    y = np.asarray(data.draw(xst.moderate_arrays(tuple(data.draw(st.sampled_from((1, n))) for n in shape), dtype)))
    divisor, number = np.where(y == 0, y.dtype.type(3), y), data.draw(st.sampled_from((1, 3)))
    made, other, by = subject.array(x), subject.array(y), subject.array(divisor)
    for function in _operators(dtype):
        name, whole = function.__name__, function in WHOLE
        subject.given(operator=name, x=x, y=divisor if whole else y, number=number)
        with np.errstate(all="ignore"):
            expected = np.asarray(function(x, divisor if whole else y))
            subject.same_bits(function(made, by if whole else other), expected, f"{name}(x, y)")
            if dtype != "bool":
                expected = np.asarray(function(x, number))
                subject.same_bits(function(made, number), expected, f"{name}(x, {number})")
            if function in ARITHMETIC:
                expected = np.asarray(function(number, x))
                subject.same_bits(function(number, made), expected, f"{name}({number}, x)")
    if dtype == "bool":
        subject.same_bits(~made, ~x, "~x")


def _castable(dtype: str) -> list[str]:
    """The dtypes that recipes cast a dtype to, where one rounding is what there is."""
    from_floats = {
        "float16": ("float32", "float64", "complex64"),
        "bfloat16": ("float32", "float64", "complex64"),
        "float32": ("float16", "bfloat16", "float64", "complex64", "complex128"),
        "float64": ("float32", "complex128"),
        "complex64": ("complex128",),
        "complex128": ("complex64",),
    }
    everything = (*xst.INTEGER_DTYPES, *xst.FLOAT_DTYPES, *xst.COMPLEX_DTYPES)
    return list(from_floats.get(dtype, everything))


@law("dtypes", "U4", "A8", "R3")
def casts_round_to_nearest_even_and_wrap(subject: Subject, data: Any) -> None:
    """A cast rounds a float once, to nearest even, takes an integer modulo the range, and a bool for 0 or 1."""
    source, shape = data.draw(st.sampled_from(subject.declared.dtypes)), data.draw(st.sampled_from(SHAPES))
    contents = xst.arrays(shape, source, subnormal=False) | xst.moderate_arrays(shape, source)
    numbers = np.asarray(data.draw(contents))
    for target in subject.declared_of((source, *_castable(source))):
        x = numbers
        if source in xst.INTEGER_DTYPES and target not in xst.INTEGER_DTYPES:
            x = np.asarray(numbers & 127)  # what every float holds
        with np.errstate(all="ignore"):
            expected = x.astype(xst.dtype_of(target))
        subject.given(x=x, dtype=target)
        got = subject.backend.cast(subject.array(x), target)
        subject.sum_bits(got, (expected, flushed(expected), subnormal(expected)), f"cast({target!r})")
        subject.holds(subject.backend.dtype(got) == target, "dtype of a cast", expected=target)


@law("dtypes", "P3", "P4", "U4", need=dtypes(*FLOAT_BITS))
def bits_are_seen_as_integers(subject: Subject, data: Any) -> None:
    """bits, as_dtype and positive_zero see the bits of a float as they are, those of a subnormal number, too."""
    ops, dtype = subject.backend, data.draw(subject.dtypes(FLOAT_BITS))
    x = np.asarray(data.draw(xst.arrays(data.draw(st.sampled_from(SHAPES)), dtype, nan=False)))
    signed = FLOAT_BITS[dtype].integer
    subject.given(x=x)
    made, bits = subject.array(x), x.view(signed)
    subject.same_bits(ops.bits(made), bits, "bits")
    unsigned = f"u{signed}"
    if unsigned in subject.declared.dtypes:
        subject.same_bits(ops.as_dtype(ops.bits(made), unsigned), bits.view(unsigned), f"as_dtype({unsigned!r})")
        subject.same_bits(ops.as_dtype(subject.array(bits.view(unsigned)), signed), bits, f"as_dtype({signed!r})")
    subject.same_bits(ops.positive_zero(made), np.where(x == 0, np.zeros((), x.dtype), x), "positive_zero")


@law("dtypes", "F4", need=dtypes("float32", "float64"))
def quotients_are_correctly_rounded(subject: Subject, data: Any) -> None:
    """divide rounds each quotient correctly, also where every divisor is the same."""
    dtype, shape = data.draw(subject.dtypes(("float32", "float64"))), data.draw(st.sampled_from(SHAPES[1:]))
    x = data.draw(xst.moderate_arrays(shape, dtype))
    counts = data.draw(st.lists(st.integers(1, 49), min_size=1, max_size=3))
    count = np.resize(counts, shape[-1:]).astype(dtype)
    subject.given(x=x, count=count)
    with np.errstate(all="ignore"):
        got, expected = subject.backend.divide(subject.array(x), subject.array(count)), x / count
    subject.same_bits(got, expected, "divide")
