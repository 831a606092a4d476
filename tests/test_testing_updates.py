"""What the kit judges and draws updates by index with: comparisons that see a wrong result, and cases of every kind."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing._rounding import assert_within_rounding, flushed, read_bits, set_bits, subnormal

MOVABLE = (*xst.POOL_DTYPES, *xst.COMPLEX_DTYPES)
DUPLICATES = np.array([0, 0])


def f32(values: Any) -> np.ndarray:
    return np.array(values, np.float32)


def drawn(strategy: Any, count: int = 300) -> list[Any]:
    collected = []

    @settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None)
    @given(strategy)
    def run(value: Any) -> None:
        collected.append(value)

    run()
    return collected


# Comparisons


@pytest.mark.parametrize("wrong", [[4, -0.0], [3, -0.0], [6, 0.0], [6.00001, -0.0], [math.nan, -0.0], [math.inf, -0.0]])
def test_the_comparison_within_rounding_sees_a_lost_update(wrong: list[float]) -> None:
    x, values = f32([1, -0.0]), f32([2, 3])
    assert_within_rounding(f32([6, -0.0]), x, DUPLICATES, values, "add", what="right")
    with pytest.raises(AssertionError, match="wrong"):
        assert_within_rounding(f32(wrong), x, DUPLICATES, values, "add", what="wrong")


@pytest.mark.parametrize(
    ("op", "dtype"),
    [(op, dtype) for op in ("add", "subtract", "multiply", "divide") for dtype in xst.FLOAT_DTYPES]
    + [("add", "complex64"), ("subtract", "complex64")],
)
def test_an_element_with_one_update_is_rounded_once(op: str, dtype: str) -> None:
    x, values = np.array([1.5]).astype(xst.dtype_of(dtype)), np.array([3.1]).astype(xst.dtype_of(dtype))
    right = oracle.index_update(x, 0, values[0], op)
    assert_within_rounding(right, x, 0, values[0], op, what="right")
    real = right.real if dtype == "complex64" else right
    beside = real.view(f"i{real.dtype.itemsize}") + 1
    with pytest.raises(AssertionError, match="the next number"):
        assert_within_rounding(beside.view(real.dtype).astype(right.dtype), x, 0, values[0], op, what="the next number")


def test_the_comparison_within_rounding_sees_another_dtype_and_shape() -> None:
    for wrong in (np.zeros(2, np.float64), np.zeros((2, 1), np.float32), np.zeros(3, np.float32)):
        with pytest.raises(AssertionError, match="expected"):
            assert_within_rounding(wrong, f32([0, 0]), 0, 0.0, "add", what="wrong")


def test_what_may_be_flushed_is_what_was_converted() -> None:
    tiny = 1e-40
    assert subnormal(f32([tiny, 0, 1, math.nan, -tiny])).tolist() == [True, False, False, False, True]
    assert subnormal(np.array([complex(1, tiny), 1j], np.complex64)).tolist() == [True, False]
    assert subnormal(np.array([1, 0])).tolist() == [False, False]
    zeros = flushed(f32([-tiny, tiny, 2]))
    assert zeros.tolist() == [0, 0, 2]
    assert np.signbit(zeros).tolist() == [True, False, False]
    bits = read_bits(f32([tiny]), [0, 5], "fill", tiny)
    assert bits.mask.tolist() == [False, True]
    assert (bits.flushed == 0).all()
    assert not read_bits(f32([tiny]), [0, 5], "fill", None).mask.any()
    assert not set_bits(f32([tiny, 0]), [0], f32([tiny])).mask.any()
    bits = set_bits(f32([tiny, tiny]), [0], np.array([tiny]))
    assert bits.mask.tolist() == [True, False]
    assert bits.flushed.tolist() == [0, bits.exact[1]]
    assert set_bits(np.array([1, 2]), [0], np.array([3], np.int8)).flushed.tolist() == [3, 2]


# Strategies


def test_cases_have_the_promised_modes_and_lengths() -> None:
    seen: Counter[str] = Counter()
    for case in drawn(xst.index_cases("fill", impossible=True), 1000):
        seen[case.mode] += 1
        if case.indexed_shape is None:
            assert case.mode in ("clip", "wrap")
            assert 0 in case.shape
            seen["impossible"] += 1
            continue
        resolved = oracle.resolve_index(case.shape, case.index, case.mode)
        assert resolved.shape == case.indexed_shape
        seen["out of range"] += None in resolved.targets
        assert case.arguments == {"index": case.index, "mode": case.mode}
    assert all(seen[name] for name in ("raise", "fill", "clip", "wrap", "impossible", "out of range"))
    assert None not in [case.indexed_shape for case in drawn(xst.index_cases(), 300)]


@pytest.mark.parametrize("dtype", MOVABLE)
def test_illegal_values_are_what_the_oracle_refuses(dtype: str) -> None:
    seen: Counter[type] = Counter()
    for illegal in drawn(xst.illegal_values(dtype, (2,)), 100):
        seen[illegal.expected] += 1
        with pytest.raises(illegal.expected):
            oracle.index_update(np.zeros(2, xst.dtype_of(dtype)), slice(None), illegal.values)
    expected = {"bool": {TypeError}, "complex64": {OverflowError}, "complex128": {OverflowError}}
    assert set(seen) == expected.get(dtype, {TypeError, OverflowError})


@pytest.mark.parametrize("dtype", MOVABLE)
def test_fills_are_what_the_oracle_takes(dtype: str) -> None:
    for fill in drawn(xst.fills(dtype), 60):
        oracle.index_get(np.zeros(1, xst.dtype_of(dtype)), [5], mode="fill", fill_value=fill)


@pytest.mark.parametrize("dtype", MOVABLE)
def test_operations_and_castable_dtypes_are_the_oracles(dtype: str) -> None:
    x = np.ones(1, xst.dtype_of(dtype))
    for op in oracle.AT_OPS:
        if op in xst.operations(dtype):
            oracle.index_update(x, 0, x[:1], op)
        else:
            with pytest.raises(TypeError):
                oracle.index_update(x, 0, x[:1], op)
    for name in MOVABLE:
        if name in xst.castable(dtype):
            oracle.as_values(np.ones(1, xst.dtype_of(name)), x.dtype)
        else:
            with pytest.raises(TypeError):
                oracle.as_values(np.ones(1, xst.dtype_of(name)), x.dtype)


def test_far_numbers_are_out_of_range_and_narrow_to_what_is_not() -> None:
    for length in (1, 4):
        numbers = drawn(xst.far_numbers(length), 200)
        assert all(abs(number) > 2**31 for number in numbers)
        legal = [(number + 2**31) % 2**32 - 2**31 for number in numbers]
        assert all(-length <= number < length for number in legal)
        assert any(number < 0 for number in numbers)
        assert any(number >= 2**63 for number in numbers)


def test_halves_lie_between_two_neighbours() -> None:
    for number in drawn(xst.halves("float32", "float64"), 50):
        assert abs(float(np.float32(number)) - number) >= 2.0**-24 - 2.0**-52
    assert len(set(drawn(xst.halves("float16", "float32"), 100))) == 12


def test_zeros_of_both_signs_meet_nans() -> None:
    seen: Counter[str] = Counter()
    for x in drawn(xst.zeros_and_nans((3, 4), "bfloat16"), 40):
        assert x.shape == (3, 4)
        seen["nan"] += bool(np.isnan(x).any())
        seen["both zeros"] += len(set(np.signbit(x[x == 0]).tolist())) == 2
    assert seen["nan"]
    assert seen["both zeros"] > 20
