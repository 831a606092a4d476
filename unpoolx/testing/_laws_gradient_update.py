"""Laws of reverse mode: reads and updates by index.

Contents are small integers and powers of two, so that most derivatives are exact; those of products, quotients and
powers lie within the rounding of sums and products in any order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx
from unpoolx._backend import Capabilities

from . import oracle
from . import strategies as xst
from ._index_calls import get, index_on, update, ways
from ._law import dtypes, gradient, law
from ._laws_gradient import same_numbers
from ._oracle_window import Index
from ._subject import LawBrokenError, Subject

Array = np.ndarray[Any, Any]

SEVERAL = 4
"""Arrays for each index: frameworks that compile do so once per index."""
SHARE = 0.2
WIDE = ("float32", "float64")
NAN = math.nan
COUNTED = 256
"""The greatest sum of small integers that every dtype holds exactly."""


def wide_gradient(declared: Capabilities) -> str | None:
    """Reverse mode, and a dtype with some bits to spare."""
    return gradient(declared) or dtypes(*WIDE)(declared)


@dataclass(frozen=True)
class _Problem:
    """An index of an array, and the shape of the values: one for each indexed element, or for several of them."""

    case: xst.IndexCase
    values_shape: Index
    unique: bool

    @property
    def options(self) -> dict[str, Any]:
        return {"mode": self.case.mode, "unique": self.unique}


@st.composite
def _dropping(draw: st.DrawFn) -> xst.IndexCase:
    """An index with a number out of range, whose update is dropped."""
    shape = draw(xst.shapes(1, empty=False))
    index = draw(xst.indices(shape, legal=False))
    return xst.IndexCase(shape, index, "drop", oracle.resolve_index(shape, index, "drop").shape)


@st.composite
def _problems(draw: st.DrawFn) -> _Problem:
    case = draw(xst.index_cases() | _dropping())
    indexed = case.indexed_shape or ()
    fewer = indexed[draw(st.integers(0, len(indexed))) :]
    once = bool(oracle.update_counts(case.shape, case.index, case.mode).max(initial=0) <= 1)
    return _Problem(case, draw(st.sampled_from((indexed, indexed, fewer))), once and draw(st.booleans()))


def _gradients(subject: Subject, problem: _Problem, op: str, way: str, x: Array, values: Array, dy: Array) -> Any:
    """The cotangents of x and of the values, by the backend and by the oracle."""
    case = problem.case
    subject.given(x=x, index=case.index, values=values, op=op, cotangent=dy, **problem.options, way=way)
    index = index_on(subject, case.index, way)
    arrays = [subject.array(x), subject.array(values)]

    def function(x: Any, values: Any) -> Any:
        return update(x, index, values, op, way, **problem.options)

    ours = subject.backend.vjp(function, arrays, subject.array(dy))
    return ours, oracle.index_update_gradients(x, case.index, values, dy, op, mode=case.mode)


@law("gradient", "A14", "A17", "A19", need=gradient, share=SHARE)
def gradients_of_linear_updates(subject: Subject, data: Any) -> None:
    """Of `set` the winners' alone and zero to what they overwrote; of `add` and `subtract` to x and to every value."""
    problem, way, dtype = data.draw(_problems()), data.draw(ways()), data.draw(subject.dtypes(xst.FLOAT_DTYPES))
    shape = problem.case.shape
    given = data.draw(subject.dtypes(xst.FLOAT_DTYPES))  # the values' gradient has the values' dtype
    for op in ("set", "add", "subtract"):
        x, dy = (data.draw(xst.exact_arrays(shape, dtype, largest=3)) for _ in range(2))
        values = data.draw(xst.exact_arrays(problem.values_shape, given, largest=3))
        (by_x, by_values), expected = _gradients(subject, problem, op, way, x, values, dy)
        same_numbers(subject, by_x, expected.x.astype(x.dtype), "x's gradient")
        if abs(expected.values).max(initial=0) <= COUNTED:
            same_numbers(subject, by_values, expected.values.astype(values.dtype), "the values' gradient")


@law("gradient", "A14", "A17", "A19", need=wide_gradient, share=SHARE)
def gradients_of_products_quotients_and_powers(subject: Subject, data: Any) -> None:
    """Of `multiply`, `divide` and `power` by the product rule, also with duplicates and zeros among the factors."""
    problem, way, dtype = data.draw(_problems()), data.draw(ways()), data.draw(subject.dtypes(WIDE))
    op = data.draw(st.sampled_from(("multiply", "divide", "power")))
    xs, factors = {
        "multiply": ((-2.0, 0.0, 0.5, 1.0, 3.0), (-2.0, 0.0, 0.5, 1.0, 2.0)),
        "divide": ((-2.0, 0.0, 0.5, 1.0, 3.0), (-2.0, -1.0, 0.5, 1.0, 2.0)),
        "power": ((0.5, 1.0, 2.0, 4.0), (-1.0, 0.0, 0.5, 1.0)),
    }[op]
    for _ in range(SEVERAL):
        random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        x = np.asarray(random.choice(xs, problem.case.shape), dtype)
        values = np.asarray(random.choice(factors, problem.values_shape), dtype)
        dy = data.draw(xst.exact_arrays(x.shape, dtype))
        ours, expected = _gradients(subject, problem, op, way, x, values, dy)
        # What the terms of each gradient add up to where none cancels another; no power here leaves [1/4, 4].
        sizes = (abs(x), abs(values), abs(dy)) if op != "power" else (x, values, 16 * abs(dy))
        _within_rounding(subject, problem, ours, expected, sizes, op if op != "power" else "add")


@law("gradient", "A14", "A18", "A19", need=wide_gradient, share=SHARE)
def gradients_of_min_and_max_are_shared_by_what_ties(subject: Subject, data: Any) -> None:
    """The gradient of `min` and `max` goes in equal parts to all that equals the result: x, values, zeros, NaNs."""
    problem, way, dtype = data.draw(_problems()), data.draw(ways()), data.draw(subject.dtypes(WIDE))
    op, kind = data.draw(st.sampled_from(("min", "max"))), data.draw(st.sampled_from(("numbers", "zeros", "NaN")))
    numbers = {"numbers": (-1.0, 0.0, 1.0), "zeros": (-0.0, 0.0), "NaN": (NAN, 0.0, 1.0)}[kind]
    for _ in range(SEVERAL):
        random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        x, values = (np.asarray(random.choice(numbers, s), dtype) for s in (problem.case.shape, problem.values_shape))
        dy = data.draw(xst.exact_arrays(x.shape, dtype))
        ours, expected = _gradients(subject, problem, op, way, x, values, dy)
        _within_rounding(subject, problem, ours, expected, (x, values, abs(dy)), "add")


def _within_rounding(
    subject: Subject, problem: _Problem, ours: Any, expected: Any, sizes: tuple[Array, Array, Array], op: str
) -> None:
    """Both gradients lie within the rounding of sums and products of terms of these sizes."""
    case, dtype = problem.case, sizes[0].dtype
    x, values, cotangent = map(np.asarray, sizes)
    terms = oracle.index_update_gradients(x, case.index, values, cotangent, op, mode=case.mode)
    steps = 4 + int(oracle.update_counts(case.shape, case.index, case.mode).sum())
    for what, gradient_, wanted, size in zip(("x", "values"), ours, expected, terms, strict=True):
        got = subject.got(gradient_, f"gradient of {what}")
        subject.same_bits(subject.array(np.zeros_like(got)), np.zeros(wanted.shape, dtype), f"gradient of {what}")
        near = abs(got - wanted) <= 8 * steps * np.finfo(dtype).eps * abs(size)
        if not near.all():
            at = tuple(int(i) for i in np.argwhere(~near)[0])
            message = f"gradient of {what}: at {at} expected {wanted[at]}, got {got[at]}"
            raise LawBrokenError(message, wanted.astype(dtype), got)


@law("gradient", "A17", "A19", need=gradient, share=SHARE)
def the_gradient_of_a_read_adds_up(subject: Subject, data: Any) -> None:
    """The gradient of `get` is the sum of what each element was read for, and none comes from what was filled."""
    case, way, dtype = (
        data.draw(xst.index_cases("fill")),
        data.draw(ways()),
        data.draw(subject.dtypes(xst.FLOAT_DTYPES)),
    )
    for _ in range(SEVERAL):
        x, dy = (data.draw(xst.exact_arrays(s, dtype, largest=2)) for s in (case.shape, case.indexed_shape))
        subject.given(x=x, **case.arguments, cotangent=dy, way=way)
        index = index_on(subject, case.index, way)
        ours = subject.backend.vjp(
            lambda z: get(z, index, way, mode=case.mode),  # noqa: B023  # called at once
            [subject.array(x)],
            subject.array(dy),
        )
        expected = oracle.index_get_gradient(case.shape, case.index, dy, mode=case.mode)
        same_numbers(subject, ours[0], expected.astype(x.dtype), "gradient")


@law("gradient", "A15", "A17", "A19", need=wide_gradient, share=SHARE)
def the_gradient_of_apply_goes_through_the_function(subject: Subject, data: Any) -> None:
    """The gradient of `apply` is that of a read, of the function, and of the set of what it gave."""
    case, dtype = data.draw(xst.index_cases()), data.draw(subject.dtypes(WIDE))
    read = "fill" if case.mode == "drop" else case.mode
    for _ in range(SEVERAL):
        x, dy = (data.draw(xst.exact_arrays(case.shape, dtype)) for _ in range(2))
        subject.given(x=x, **case.arguments, function="elements * elements", cotangent=dy)
        index = index_on(subject, case.index)
        ours = subject.backend.vjp(
            lambda z: unpoolx.at(z)[index].apply(lambda elements: elements * elements, mode=case.mode),  # noqa: B023  # called at once
            [subject.array(x)],
            subject.array(dy),
        )
        elements = oracle.index_get(x, case.index, mode=read, fill_value=0.0)
        by_x, by_values = oracle.index_update_gradients(x, case.index, elements * elements, dy, mode=case.mode)
        through = oracle.index_get_gradient(case.shape, case.index, 2 * elements * by_values, mode=read)
        same_numbers(subject, ours[0], (by_x + through).astype(x.dtype), "gradient")
