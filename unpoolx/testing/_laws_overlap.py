"""Laws of windows that share elements: the last one wins, or all are summed in order, the same on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import strategies as xst
from ._calls import HALF_DTYPES, SEVERAL, SUMMABLE, window_of
from ._law import dtypes, law
from ._laws_forward import last_matches, reads_match, sums_match
from ._subject import Subject


@law("overlap", "U3", "U5", "U1", "W7")
def the_last_window_that_points_at_an_element_wins(subject: Subject, data: Any) -> None:
    """Where windows point at one element, unpool keeps the value of the last one in row-major order, bit for bit."""
    last_matches(subject, data, xst.windows(overlap=True))


@law("overlap", "U4", "U5", "U1", "W7")
def values_that_meet_are_summed_in_order(subject: Subject, data: Any) -> None:
    """Where windows point at one element, their values are added in row-major order, bit for bit."""
    sums_match(subject, data, xst.windows(overlap=True), SUMMABLE, xst.arrays, xst.moderate_arrays)


@law("overlap", "U4", need=dtypes(*HALF_DTYPES), share=0.5)
def half_precision_is_summed_in_float32_and_rounded_once(subject: Subject, data: Any) -> None:
    """float16 and bfloat16 are summed in float32, and the sum alone is rounded."""
    sums_match(subject, data, xst.windows(overlap=True), HALF_DTYPES, xst.moderate_arrays)


@law("overlap", "U4", need=dtypes(*xst.INTEGER_DTYPES), share=0.5)
def integer_sums_wrap(subject: Subject, data: Any) -> None:
    """Sums of integers beyond their range wrap, in every integer dtype."""

    def extremes(shape: tuple[int, ...], dtype: str) -> Any:
        limits = np.iinfo(dtype)
        random = st.integers(0, 2**32 - 1).map(np.random.default_rng)
        return random.map(lambda r: r.choice(np.array([limits.min, limits.max, limits.max - 1, 1], dtype), shape))

    sums_match(subject, data, xst.windows(overlap=True), xst.INTEGER_DTYPES, extremes)


@law("overlap", "U4", need=dtypes(*xst.FLOAT_DTYPES, *xst.COMPLEX_DTYPES), share=0.5)
def a_sum_that_comes_out_as_zero_is_positive(subject: Subject, data: Any) -> None:
    """A floating sum of -0.0 alone, or of values that cancel, is +0.0, and so is each part of a complex one."""

    def cancelling(shape: tuple[int, ...], dtype: str) -> Any:
        numbers = np.array([-0.0, -0.0, 0.0, 1.0, -1.0])
        parts = numbers[:, None] + 1j * numbers if dtype in xst.COMPLEX_DTYPES else numbers
        random = st.integers(0, 2**32 - 1).map(np.random.default_rng)
        return random.map(lambda r: r.choice(parts.ravel(), shape).astype(xst.dtype_of(dtype)))

    sums_match(subject, data, xst.windows(overlap=True), (*xst.FLOAT_DTYPES, *xst.COMPLEX_DTYPES), cancelling)


@law("overlap", "U7", "W7", share=0.5)
def windows_that_meet_read_the_same_element(subject: Subject, data: Any) -> None:
    """gather through windows that share elements reads each of them for every window that names it."""
    reads_match(subject, data, xst.windows(overlap=True))


@law("overlap", "L3", "U7", share=0.5)
def unpool_sum_and_gather_are_adjoint(subject: Subject, data: Any) -> None:
    """<unpool(y, s, overlap="sum"), z> is <y, gather(z, s)>, exactly for small whole numbers."""
    geometry = data.draw(xst.windows(overlap=True))
    dtype = data.draw(subject.dtypes(("int32", "float32", "int64", "float64", "complex64")))
    window = window_of(geometry)
    for _ in range(SEVERAL):
        y = data.draw(xst.exact_arrays(geometry.pooled_shape, dtype))
        z = data.draw(xst.exact_arrays(geometry.shape, dtype))
        offsets = data.draw(xst.offsets_for(geometry))
        subject.given(y=y, z=z, offsets=offsets, **geometry.arguments)
        switches = subject.switches(offsets, window, geometry.spatial_shape)
        unpooled = subject.got(unpoolx.unpool(subject.array(y), switches, overlap="sum"), "unpool(overlap='sum')")
        read = subject.got(unpoolx.gather(subject.array(z), switches), "gather")
        left, right = inner_product(unpooled, z), inner_product(y, read)
        subject.holds(left == right, "<unpool(y, s), z> is not <y, gather(z, s)>", expected=right, got=left)


def inner_product(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> complex:
    """The sum of products of small whole numbers, exact."""
    return complex(np.sum(a.astype(np.complex128) * b.astype(np.complex128)))
