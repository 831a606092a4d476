"""The bitwise comparison, and a negative control for everything that it must catch."""

import numpy as np
import pytest

from unpoolx.testing.compare import assert_same_bits, assert_sum_bits

DTYPES = ["bool", "int8", "uint64", "float16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_arrays_pass(dtype):
    x = np.array([[0, 1], [1, 0]], dtype)
    assert_same_bits(x, x.copy(), what=dtype)
    assert_same_bits(x.T, np.asfortranarray(x.T), what=f"{dtype}, strided")
    assert_same_bits(x[0, 0:0], x[0, 0:0], what=f"{dtype}, empty")
    assert_same_bits(np.array(1, dtype), np.array(1, dtype), what=f"{dtype}, no axis")


def test_any_nan_equals_any_nan():
    bits = np.array([0x7FC00000, 0xFFC00000, 0x7FC00001, 0x7F800001], "uint32")
    assert_same_bits(bits.view("float32"), bits[::-1].copy().view("float32"), what="NaN")
    x = np.array([complex(np.nan, 1)])
    assert_same_bits(x, x.conj().conj(), what="complex NaN")
    with pytest.raises(AssertionError, match="1 of 1"):
        assert_same_bits(x, x.conj(), what="complex NaN, another imaginary part")


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (np.float32([0, -0.0]), np.float32([0, 0]), ["1 of 2", r"\(1,\)", "0x00000000", "0x80000000"]),
        (np.float32([1, 2]), np.float64([1, 2]), ["dtype float64 expected, got float32"]),
        (np.int64([1]), np.int32([1]), ["dtype int32"]),
        (np.float32([1, 2]), np.float32([[1, 2]]), [r"shape \(1, 2\) expected, got \(2,\)"]),
        (np.float32([[]]), np.float32([]), ["shape"]),
        (np.float32([np.nan, 1]), np.float32([1, np.nan]), ["2 of 2", "nan"]),
        (np.float32([np.nan]), np.float32([np.inf]), ["1 of 1", "inf"]),
        (np.float32([1e-45]), np.float32([0]), ["0x00000001"]),
        (np.complex64([complex(0, -0.0)]), np.complex64([0]), ["0x00000000 0x80000000"]),
        (np.array([True]), np.array([False]), ["0x01"]),
        (np.float16([[1, 2], [3, 4]]), np.float16([[1, 2], [3, 5]]), [r"\(1, 1\)", "0x4400", "0x4500"]),
        (np.float32(1), np.array(1, "float32"), ["NumPy array expected, got float32"]),
        ([1.0], np.array([1.0]), ["NumPy array expected, got list"]),
    ],
)
def test_differences_are_caught(actual, expected, words):
    for word in ["some check", *words]:
        with pytest.raises(AssertionError, match=word):
            assert_same_bits(actual, expected, what="some check")


def test_bfloat16():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.array([0, 1, np.nan], bfloat16)
    assert_same_bits(x, x.copy(), what="bfloat16")
    with pytest.raises(AssertionError, match="0x8000"):
        assert_same_bits(np.array([-0.0], bfloat16), np.array([0.0], bfloat16), what="bfloat16")
    with pytest.raises(AssertionError, match="dtype"):
        assert_same_bits(x, x.astype("float16"), what="bfloat16")


def test_sums_may_be_flushed_where_the_mask_says_so():
    exact, flushed = np.float32([1e-40, 1, 1e-40]), np.float32([0, 1, 0])
    mask = np.array([True, False, True])
    for actual in (exact, flushed, np.float32([0, 1, 1e-40])):
        assert_sum_bits(actual, exact, flushed, mask, what="sum")
    for actual in (np.float32([2e-40, 1, 0]), np.float32([-0.0, 1, 0]), np.float32([0, 0, 0])):
        with pytest.raises(AssertionError, match="1 of 3"):
            assert_sum_bits(actual, exact, flushed, mask, what="sum")
    with pytest.raises(AssertionError, match="2 of 3"):
        assert_sum_bits(flushed, exact, flushed, np.zeros(3, "bool"), what="sum")
    with pytest.raises(AssertionError, match="dtype"):
        assert_sum_bits(exact.astype("float64"), exact, flushed, mask, what="sum")
