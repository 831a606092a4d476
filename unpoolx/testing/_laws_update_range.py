"""Laws of reads and updates by index: numbers out of range, and what is no index at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._index_calls import MOVABLE, SEVERAL, get, index_on, require_untouched, update, updated, ways
from ._law import law
from ._oracle_window import Index
from ._subject import Subject

Array = np.ndarray[Any, Any]


@law("update", "A6", "A21", "A24", "A26")
def an_illegal_index_is_an_error(subject: Subject, data: Any) -> None:
    """What is no index of x, and an integer out of range, is NumPy's error for a read and for every update."""
    for _ in range(SEVERAL):
        shape = data.draw(xst.shapes())
        illegal, way = data.draw(xst.illegal_indices(shape)), data.draw(ways())
        x, op = _array_and_operation(subject, data, shape)
        subject.given(x=x, index=illegal.index, op=op, way=way, fault=illegal.fault)
        _require_error(subject, x, illegal.index, op, way, illegal.expected)


@law("update", "A21", "A24")
def an_error_names_the_integer_its_axis_and_its_length(subject: Subject, data: Any) -> None:
    """An integer out of range is an IndexError that names it as it was given, its axis, and the axis's length."""
    for _ in range(SEVERAL):
        case, way = data.draw(_one_wrong_number()), data.draw(ways())
        x, op = _array_and_operation(subject, data, case["shape"])
        subject.given(x=x, index=case["index"], op=op, way=way)
        parts = f" {case['number']} is out of range", f"axis {case['axis']} of length {x.shape[case['axis']]}"
        _require_error(subject, x, case["index"], op, way, IndexError, *parts)


@law("update", "A22", "A23", "A24")
def numbers_beyond_32_bits_are_never_narrowed(subject: Subject, data: Any) -> None:
    """In every mode a number is judged at its full width: one that narrowing would make legal is out of range."""
    for _ in range(2):
        case, way = data.draw(_one_wrong_number(far=True)), data.draw(ways())
        dtype, mode = data.draw(subject.dtypes(MOVABLE)), data.draw(st.sampled_from(("drop", "clip", "wrap")))
        ops = ("set", "add", "max") if dtype in xst.INTEGER_DTYPES else ("set",)
        op, index = data.draw(st.sampled_from(ops)), case["index"]
        x = np.asarray(data.draw(xst.arrays(case["shape"], dtype)))
        values = np.asarray(data.draw(xst.arrays(oracle.resolve_index(x.shape, index, mode).shape, dtype)))
        read = "fill" if mode == "drop" else mode
        subject.given(x=x, index=index, mode=mode, values=values, op=op, way=way)
        ours = get(subject.array(x), index_on(subject, index, way), way, mode=read)
        subject.same_bits(ours, oracle.index_get(x, index, mode=read), f"get, mode={read!r}")
        ours = updated(subject, x, index, values, op, way, mode=mode)
        subject.same_bits(ours, oracle.index_update(x, index, values, op, mode=mode), f"{op}, mode={mode!r}")


def _array_and_operation(subject: Subject, data: Any, shape: Index) -> tuple[Array, str]:
    """Zeros of any dtype, and an operation that they have."""
    x = np.zeros(shape, xst.dtype_of(data.draw(subject.dtypes(MOVABLE))))
    return x, data.draw(st.sampled_from(xst.operations(x.dtype.name)))


def _require_error(
    subject: Subject, x: Array, index: Any, op: str, way: str, error: type[Exception], *parts: str
) -> None:
    """A read, an update and `apply` raise this error with these parts in its message, and x is as it was."""
    made, brought = subject.array(x), index_on(subject, index, way)
    values = subject.array(np.zeros((), x.dtype))
    subject.raises(error, lambda: get(made, brought, way), *parts, what="get")
    subject.raises(error, lambda: update(made, brought, values, op, way), *parts, what=op)
    subject.raises(error, lambda: unpoolx.at(made)[brought].apply(lambda _: values), *parts, what="apply")
    require_untouched(subject, "x", made, x)


@st.composite
def _one_wrong_number(draw: st.DrawFn, *, far: bool = False) -> dict[str, Any]:
    """A shape, and an index with one number out of range among legal ones: an int, an array or a list."""
    shape = draw(xst.shapes(1, 3, empty=False))
    axis = draw(st.integers(0, len(shape) - 1))
    n = shape[axis]
    near = st.sampled_from((n, n + 1, -n - 1, -2 * n - 1, 127 + n, -128 - n, 2**31))
    number = draw(xst.far_numbers(n) if far or draw(st.booleans()) else near)
    fitting = [name for name in xst.INTEGER_DTYPES if np.iinfo(name).min <= number <= np.iinfo(name).max]
    form = draw(st.sampled_from(("int", "array", "array", "list") if fitting else ("int", "list")))
    part: Any = number
    if form != "int":
        dtype = draw(st.sampled_from(fitting)) if form == "array" else object
        part = np.zeros(draw(st.sampled_from(((1,), (3,), (2, 3)))), dtype)
        part.reshape(-1)[:] = draw(st.lists(st.integers(0, n - 1), min_size=part.size, max_size=part.size))
        part.reshape(-1)[draw(st.integers(0, part.size - 1))] = number
    before = (slice(None),) * axis
    index = (*before, part.tolist() if form == "list" else part)
    return {"shape": shape, "axis": axis, "number": number, "index": index}
