"""Laws of reads and updates by index: the oracle's result for every index, values, dtype, operation and mode."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import oracle
from . import strategies as xst
from ._index_calls import (
    MOVABLE,
    SEVERAL,
    declared_contents,
    get,
    index_on,
    require_untouched,
    several,
    updated,
    ways,
)
from ._law import dtypes, law
from ._rounding import assert_within_rounding, read_bits, set_bits
from ._subject import LawBrokenError, Subject

Array = np.ndarray[Any, Any]

INTEGERS_AND_BOOL = (*xst.INTEGER_DTYPES, "bool")
ACCUMULATING = (*xst.FLOAT_DTYPES, *xst.FLOAT_DTYPES, *xst.COMPLEX_DTYPES)


@law("update", "A1", "A2", "A3", "A4", "A5", "A12", "A13", "A22", "A23", "A25", "A26")
def get_reads_the_elements_that_the_index_names(subject: Subject, data: Any) -> None:
    """A read gives the indexed elements bit for bit, and the fill where a number is out of range."""
    for _ in range(SEVERAL):
        case, way = data.draw(xst.index_cases("fill", impossible=True)), data.draw(ways())
        dtype = data.draw(subject.dtypes(MOVABLE))
        x = np.asarray(data.draw(xst.arrays(case.shape, dtype)))
        fill = data.draw(st.none() | xst.fills(dtype))
        subject.given(x=x, **case.arguments, fill_value=fill, way=way)
        made, index = subject.array(x), index_on(subject, case.index, way)
        read = partial(get, made, index, way, mode=case.mode, fill_value=fill)
        if case.indexed_shape is None:
            subject.raises(IndexError, read, what="an element of an empty axis")
        else:
            subject.sum_bits(read(), read_bits(x, case.index, case.mode, fill), "the elements")
        require_untouched(subject, "x", made, x)
        require_untouched(subject, "the index", index, case.index)


@law("update", "A1", "A2", "A3", "A4", "A5", "A7", "A8", "A10", "A12", "A13", "A23", "A25", "A26")
def set_leaves_the_last_update_of_each_element(subject: Subject, data: Any) -> None:
    """`set` puts each value where its index says, the last of several stays, and nothing else changes."""
    for _ in range(SEVERAL):
        case, way = data.draw(xst.index_cases(impossible=True)), data.draw(ways())
        dtype = data.draw(subject.dtypes(MOVABLE))
        x, values = np.asarray(data.draw(xst.arrays(case.shape, dtype))), False
        if case.indexed_shape is not None:
            contents = declared_contents(subject, dtype, xst.arrays)
            values = data.draw(xst.values_for(case.indexed_shape, dtype, contents=contents))
        subject.given(x=x, **case.arguments, values=values, op="set", way=way)
        call = partial(updated, subject, x, case.index, values, "set", way, mode=case.mode)
        if case.indexed_shape is None:
            subject.raises(IndexError, call, what="an element of an empty axis")
        else:
            subject.sum_bits(call(), set_bits(x, case.index, values, case.mode), "the result")


@law("update", "A1", "A8", "A9", "A10", "A13", "A23", need=dtypes(*INTEGERS_AND_BOOL))
def integer_updates_count_each_and_wrap(subject: Subject, data: Any) -> None:
    """Integers and bools take every update in order, exactly: sums and products wrap."""
    for _ in range(2):
        case, way = data.draw(xst.index_cases()), data.draw(ways())
        dtype = data.draw(subject.dtypes(INTEGERS_AND_BOOL))
        op = data.draw(st.sampled_from([op for op in xst.operations(dtype) if op != "set"]))
        contents = declared_contents(subject, dtype, xst.exponents if op == "power" else xst.arrays)
        first = data.draw(xst.values_for(case.indexed_shape, dtype, contents=contents))
        for x, values in several(data, case.shape, dtype, first, contents, count=2):
            subject.given(x=x, **case.arguments, values=values, op=op, way=way)
            ours = updated(subject, x, case.index, values, op, way, mode=case.mode)
            subject.same_bits(ours, oracle.index_update(x, case.index, values, op, mode=case.mode), op)


@law("update", "A1", "A10", "A11", "A13", "A23", need=dtypes(*xst.FLOAT_DTYPES))
def min_and_max_of_floats_keep_nan_and_the_signs_of_zeros(subject: Subject, data: Any) -> None:
    """`min` and `max` of floats give the extreme bit for bit: a NaN on either side wins, -0.0 is less than +0.0."""
    for _ in range(2):
        case, way = data.draw(xst.index_cases()), data.draw(ways())
        contents = data.draw(st.sampled_from((partial(xst.arrays, subnormal=False), xst.zeros_and_nans)))
        dtype, op = data.draw(subject.dtypes(xst.FLOAT_DTYPES)), data.draw(st.sampled_from(("min", "max")))
        first = data.draw(xst.values_for(case.indexed_shape, dtype, contents=contents, same_dtype=True))
        for x, values in several(data, case.shape, dtype, first, contents, of_x=contents, count=2):
            subject.given(x=x, **case.arguments, values=values, op=op, way=way)
            ours = updated(subject, x, case.index, values, op, way, mode=case.mode)
            subject.same_bits(ours, oracle.index_update(x, case.index, values, op, mode=case.mode), op)


@law("update", "A1", "A8", "A9", "A10", "A12", "A13", "A23", need=dtypes(*ACCUMULATING))
def float_updates_lie_within_rounding_and_are_the_same_again(subject: Subject, data: Any) -> None:
    """Floats that accumulate lie within the rounding of any order, one update is rounded once, and it repeats."""
    for _ in range(2):
        case, way = data.draw(xst.index_cases()), data.draw(ways())
        dtype = data.draw(subject.dtypes(ACCUMULATING))
        complex_x = dtype in xst.COMPLEX_DTYPES
        # Of complex numbers finite values of x's own dtype: C leaves open what a complex infinity divides to.
        op = data.draw(st.sampled_from([op for op in oracle.ACCUMULATING_OPS if not complex_x or op != "power"]))
        contents = declared_contents(subject, dtype, xst.moderate_arrays)
        first = data.draw(xst.values_for(case.indexed_shape, dtype, contents=contents, same_dtype=complex_x))
        any_x = not complex_x and data.draw(st.booleans())
        for any_bits, values in several(data, case.shape, dtype, first, contents, count=2):
            x = any_bits if any_x else np.asarray(data.draw(xst.moderate_arrays(case.shape, dtype)))
            subject.given(x=x, **case.arguments, values=values, op=op, way=way)
            _require_within_rounding(subject, x, case, values, op, way)


def _require_within_rounding(subject: Subject, x: Array, case: xst.IndexCase, values: Any, op: str, way: str) -> None:
    got = subject.got(updated(subject, x, case.index, values, op, way, mode=case.mode), op)
    try:
        assert_within_rounding(got, x, case.index, values, op, mode=case.mode, what=op)
    except AssertionError as error:
        expected = oracle.index_update(x, case.index, values, op, mode=case.mode)
        raise LawBrokenError(str(error), expected, got) from None
    again = updated(subject, x, case.index, values, op, way, mode=case.mode)
    subject.same_bits(again, got, f"{op} again")
