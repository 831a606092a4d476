"""Laws of updates by index: how values of another dtype, Python numbers and fills become x's dtype, or do not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import oracle
from . import strategies as xst
from ._index_calls import MOVABLE, get, updated, ways
from ._law import law
from ._rounding import read_bits, set_bits
from ._subject import Subject

FLOATING = (*xst.FLOAT_DTYPES, *xst.COMPLEX_DTYPES)
SIZE = 6


@law("update", "A8", "A12", share=0.1)
def values_of_another_dtype_are_converted_once(subject: Subject, data: Any) -> None:
    """Values of every dtype that casts to x's are rounded once, to nearest even, and integers wrap."""
    way = data.draw(ways())
    for dtype in subject.declared_of(MOVABLE):
        x = np.zeros(2 * SIZE, xst.dtype_of(dtype))
        for given in subject.declared_of(xst.castable(dtype)):
            first, second = (data.draw(contents((SIZE,), given)) for contents in (xst.arrays, xst.moderate_arrays))
            if dtype in FLOATING and given in FLOATING:
                beside = data.draw(st.lists(xst.halves(dtype, given), min_size=SIZE, max_size=SIZE))
                second = np.array(beside).astype(second.dtype)
            values = np.concatenate([first, second])
            subject.given(x=x, index=slice(None), values=values, op="set", way=way)
            ours = updated(subject, x, slice(None), values, "set", way)
            subject.sum_bits(ours, set_bits(x, slice(None), values), f"{given} in {dtype}")


@law("update", "A8", "A22", share=0.3)
def a_number_is_rounded_as_values_are(subject: Subject, data: Any) -> None:
    """A fill, or a list of numbers to be set, is rounded once and keeps the sign of a zero; there is a default fill."""
    index = data.draw(st.sampled_from(([0, 5], np.array([-3, 1, 2**40]), 7, np.array([[2], [0]], np.uint8))))
    way = data.draw(ways())
    for dtype in subject.declared_of(MOVABLE):
        x = np.asarray(data.draw(xst.arrays((2,), dtype)))
        for fill in (None, data.draw(xst.fills(dtype))):
            subject.given(x=x, index=index, mode="fill", fill_value=fill, way=way)
            ours = get(subject.array(x), index, way, mode="fill", fill_value=fill)
            subject.sum_bits(ours, read_bits(x, index, "fill", fill), f"the elements of {dtype}")
        numbers = [data.draw(xst.fills(dtype)), 0 if dtype != "bool" else False]
        subject.given(x=x, index=slice(None), values=numbers, op="set", way=way)
        ours = updated(subject, x, slice(None), numbers, "set", way)
        subject.sum_bits(ours, set_bits(x, slice(None), numbers), f"the numbers in {dtype}")


@law("update", "A8")
def the_result_has_the_dtype_of_x(subject: Subject, data: Any) -> None:
    """Values of a dtype that casts by the same_kind rule, and weak Python numbers, leave every result in x's dtype."""
    dtype, way = data.draw(subject.dtypes(MOVABLE)), data.draw(ways())
    case = data.draw(xst.index_cases())
    values = np.ones(case.indexed_shape, xst.dtype_of(data.draw(subject.dtypes(xst.castable(dtype)))))
    x, op = np.ones(case.shape, xst.dtype_of(dtype)), data.draw(st.sampled_from(xst.operations(dtype)))
    for given in (values, True):
        subject.given(x=x, **case.arguments, values=given, op=op, way=way)
        ours = updated(subject, x, case.index, given, op, way, mode=case.mode)
        if op == "power":  # whose bits are the framework's
            ours = subject.array(np.ones_like(subject.got(ours, op)))
        subject.same_bits(ours, oracle.index_update(x, case.index, given, op, mode=case.mode), op)


@law("update", "A8", "A22")
def values_that_do_not_cast_are_an_error(subject: Subject, data: Any) -> None:
    """Values above x's kind are a TypeError, a Python integer that x cannot hold an OverflowError, never a number."""
    dtype = data.draw(subject.dtypes(MOVABLE))
    names = subject.declared_of(MOVABLE)
    illegal, way = data.draw(xst.illegal_values(dtype, (2,), names)), data.draw(ways())
    index = data.draw(st.sampled_from((slice(None), [0, 0], np.array([True, True]), np.array([1, 0]))))
    x = np.zeros(2, xst.dtype_of(dtype))
    for op in xst.operations(dtype):
        subject.given(x=x, index=index, values=illegal.values, op=op, way=way, fault=illegal.fault)
        subject.raises(illegal.expected, lambda: updated(subject, x, index, illegal.values, op, way), what=op)  # noqa: B023  # called at once
    if not isinstance(illegal.values, (np.ndarray, list)):
        options = {"mode": "fill", "fill_value": illegal.values}
        made = subject.array(x)
        subject.raises(illegal.expected, lambda: get(made, [5], way, **options), what="fill_value")
