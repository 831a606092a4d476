"""Laws of updates by index: shapes, operations and modes that are refused, and with which error."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import oracle
from . import strategies as xst
from ._index_calls import MOVABLE, get, index_on, update, updated, ways
from ._law import dtypes, law
from ._subject import Subject


@law("update", "A7", "A13")
def values_that_do_not_broadcast_are_an_error(subject: Subject, data: Any) -> None:
    """Values of a shape that does not broadcast to the indexed one are a ValueError with both shapes."""
    case = data.draw(xst.index_cases())
    dtype, way = data.draw(subject.dtypes(MOVABLE)), data.draw(ways())
    axis = data.draw(st.integers(0, len(case.indexed_shape)))
    shape = list(case.indexed_shape)
    if axis == len(shape):
        shape.insert(0, data.draw(st.sampled_from((2, 0))))
    else:
        n = shape[axis]
        shape[axis] = data.draw(st.sampled_from([m for m in (n + 1, n + 2, 0) if m not in (1, n)]))
    x, values = np.zeros(case.shape, xst.dtype_of(dtype)), np.zeros(shape, xst.dtype_of(dtype))
    op = data.draw(st.sampled_from(xst.operations(dtype)))
    subject.given(x=x, **case.arguments, values=values, op=op, way=way)
    subject.raises(
        ValueError,
        lambda: updated(subject, x, case.index, values, op, way, mode=case.mode),
        str(values.shape),
        str(case.indexed_shape),
        what=f"{op} with values of {values.shape} at {case.indexed_shape}",
    )


@law("update", "A9", need=dtypes("bool", *xst.INTEGER_DTYPES, *xst.COMPLEX_DTYPES))
def an_operation_that_a_dtype_lacks_is_an_error(subject: Subject, data: Any) -> None:
    """Bools have no arithmetic, complex numbers no order, integers no quotients, and no powers below zero."""
    dtype, way = data.draw(subject.dtypes(("bool", *xst.INTEGER_DTYPES, *xst.COMPLEX_DTYPES))), data.draw(ways())
    case = data.draw(xst.index_cases())
    x = np.asarray(data.draw(xst.arrays(case.shape, dtype)))
    values = np.asarray(data.draw(xst.arrays(case.indexed_shape, dtype)))
    op = data.draw(st.sampled_from([op for op in oracle.AT_OPS if op not in xst.operations(dtype)]))
    subject.given(x=x, **case.arguments, values=values, op=op, way=way)
    subject.raises(TypeError, lambda: updated(subject, x, case.index, values, op, way, mode=case.mode), op, what=op)
    if dtype in xst.INTEGER_DTYPES and not dtype.startswith("u") and values.size:
        negative = values.copy()
        negative.reshape(-1)[-1] = -1 - abs(data.draw(st.integers(0, 100)))
        subject.given(x=x, **case.arguments, values=negative, op="power", way=way)
        call = lambda: updated(subject, x, case.index, negative, "power", way, mode=case.mode)  # noqa: E731
        subject.raises(ValueError, call, what="a negative power")


@law("update", "A1", "A21", "A23")
def modes_and_operations_have_names(subject: Subject, data: Any) -> None:
    """An unknown mode, the other one's mode, and an unknown operation are a ValueError that names the argument."""
    shape = data.draw(xst.shapes(1, empty=False))
    x, way = np.zeros(shape, xst.dtype_of(data.draw(subject.dtypes(MOVABLE)))), data.draw(ways())
    values, index = np.zeros((), x.dtype), data.draw(xst.indices(shape))
    op = data.draw(st.sampled_from(xst.operations(x.dtype.name)))
    words = st.sampled_from(("nearest", "", "RAISE", None)) | st.text(max_size=3)
    word = data.draw(words.filter(lambda w: w not in (*oracle.AT_OPS, "fill", "drop", "raise", "clip", "wrap")))
    for mode in (word, "fill"):
        subject.given(x=x, index=index, mode=mode, op=op, way=way)
        call = lambda: updated(subject, x, index, values, op, way, mode=mode)  # noqa: B023, E731  # called at once
        subject.raises(ValueError, call, "mode", what=f"an update with mode={mode!r}")
    made = subject.array(x)
    for mode in (word, "drop"):
        subject.given(x=x, index=index, mode=mode, op="get", way=way)
        call = lambda: get(made, index_on(subject, index, way), way, mode=mode)  # noqa: B023, E731  # called at once
        subject.raises(ValueError, call, "mode", what=f"a read with mode={mode!r}")
    subject.given(x=x, index=index, op=word)
    subject.raises(ValueError, lambda: update(made, index, 0, word, "function"), "op", what=f"op={word!r}")
