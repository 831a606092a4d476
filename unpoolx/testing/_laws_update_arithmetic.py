"""Laws of updates by index: the parts of complex numbers, and what becomes of subnormal ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import oracle
from . import strategies as xst
from ._index_calls import SEVERAL, updated, ways
from ._law import dtypes, law
from ._rounding import flushed, subnormal
from ._subject import Subject

Array = np.ndarray[Any, Any]

MOVES_AND_ARITHMETIC = ("set", "set", "set", "add", "subtract", "multiply", "min", "max")


@law("update", "A10", need=dtypes(*xst.COMPLEX_DTYPES))
def complex_numbers_are_added_part_by_part(subject: Subject, data: Any) -> None:
    """`add` and `subtract` take the real and the imaginary parts of complex numbers alone, infinities included."""
    dtype, way = data.draw(subject.dtypes(xst.COMPLEX_DTYPES)), data.draw(ways())
    op = data.draw(st.sampled_from(("add", "subtract")))
    index = data.draw(st.sampled_from(([2, 0, 1], slice(None), np.ones(3, bool), slice(None, None, -1))))
    for _ in range(SEVERAL):
        x, values = (np.asarray(data.draw(xst.arrays((3,), dtype))) for _ in range(2))
        subject.given(x=x, index=index, values=values, op=op, way=way)
        parts = [oracle.index_update(a, index, b, op) for a, b in _parts(x, values)]
        fewer = [flushed(oracle.index_update(a, index, b, op)) for a, b in _parts(flushed(x), flushed(values))]
        exact, zeroed = np.zeros_like(x), np.zeros_like(x)
        (exact.real, exact.imag), (zeroed.real, zeroed.imag) = parts, fewer
        touched = np.zeros_like(values)
        touched[index] = values
        may_flush = subnormal(x) | subnormal(touched) | subnormal(exact)
        subject.sum_bits(updated(subject, x, index, values, op, way), (exact, zeroed, may_flush), op)


def _parts(x: Array, values: Array) -> list[tuple[Array, Array]]:
    """The real parts, and the imaginary ones."""
    return [(x.real.copy(), values.real.copy()), (x.imag.copy(), values.imag.copy())]


@law("update", "A12", need=dtypes(*xst.FLOAT_DTYPES))
def moving_keeps_subnormal_numbers(subject: Subject, data: Any) -> None:
    """`set`, and what an update leaves alone, keep every bit of subnormal numbers; extremes may take them for zero."""
    for _ in range(2):
        dtype, way = data.draw(subject.dtypes(xst.FLOAT_DTYPES)), data.draw(ways())
        case, op = data.draw(xst.index_cases() | _permutations()), data.draw(st.sampled_from(MOVES_AND_ARITHMETIC))
        numbers = xst.special_values(dtype)
        tiny = numbers[subnormal(numbers)]
        random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        x, values = (random.choice(tiny, shape).reshape(shape) for shape in (case.shape, case.indexed_shape))
        counts = oracle.update_counts(case.shape, case.index, case.mode)
        unique = bool((counts <= 1).all()) and data.draw(st.booleans())
        subject.given(x=x, **case.arguments, values=values, op=op, unique=unique, way=way)
        ours = updated(subject, x, case.index, values, op, way, mode=case.mode, unique=unique)
        expected = oracle.index_update(x, case.index, values, op, mode=case.mode)
        if op == "set":
            subject.same_bits(ours, expected, op)
            continue
        got = subject.got(ours, op)
        subject.same_bits(subject.array(np.where(counts == 0, got, x)), x, f"what {op} leaves alone")
        if op in ("min", "max"):
            wide = np.max(abs(tiny.astype(np.float64)))
            near = abs(got.astype(np.float64) - expected.astype(np.float64)) <= 2 * wide
            subject.holds(bool(near.all()), f"{op} of subnormal numbers", expected=expected, got=got)


@st.composite
def _permutations(draw: st.DrawFn) -> xst.IndexCase:
    """Index arrays in which no number comes twice."""
    length = draw(st.integers(2, 5))
    index = np.array(draw(st.permutations(range(length)))[: draw(st.integers(1, length))])
    return xst.IndexCase((length,), index, "raise", index.shape)
