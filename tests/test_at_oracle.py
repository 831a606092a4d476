"""The oracle of reads and updates by index: against NumPy's own indexing, and against examples worked by hand.

I1 to I36 name the rows of the frameworks' known disagreements. The strategies for indices are looked at here, too.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits

INF, NAN = math.inf, math.nan
NUMPY_AT = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "min": np.minimum,
    "max": np.maximum,
}
many = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def f32(values: Any) -> np.ndarray:
    return np.array(values, np.float32)


def flat_targets(resolved: oracle.ResolvedIndex, shape: tuple[int, ...]) -> list[int]:
    """The numbers of the elements that an index names, -1 where it is out of range."""
    numbers = np.arange(math.prod(shape)).reshape(shape)
    return [-1 if target is None else int(numbers[target]) for target in resolved.targets]


# The grammar


@many
@given(st.data())
def test_an_index_means_what_it_means_to_numpy(data: st.DataObject) -> None:
    shape = data.draw(xst.shapes())
    index = data.draw(xst.indices(shape))
    expected = np.arange(math.prod(shape)).reshape(shape)[index]
    resolved = oracle.resolve_index(shape, index)
    assert resolved.shape == expected.shape, (shape, index)
    assert flat_targets(resolved, shape) == expected.ravel().tolist(), (shape, index)
    for mode in ("drop", "clip", "wrap"):
        assert oracle.resolve_index(shape, index, mode) == resolved, (shape, index, mode)


@pytest.mark.parametrize(
    ("shape", "index", "indexed"),
    [
        ((2, 3, 4), (slice(None), [0, 1], [1, 1]), (2, 2)),  # adjacent: in place
        ((2, 3, 4), ([0, 1], slice(None), [1, 1]), (2, 3)),  # separated by a slice: in front
        ((2, 3, 4), (0, slice(None), [0, 1]), (2, 3)),  # a plain int counts beside an array
        ((2, 3, 4), (slice(None), [0, 0], None, [1, 1]), (2, 2, 1)),  # separated by None
        ((2, 3, 4), (slice(None), [0], ..., [1]), (1, 2)),  # separated by an ellipsis of no axes
        ((2, 3, 4), (0, slice(None), 0), (3,)),  # no array: nothing moves
        ((2, 3, 4), (0, slice(None), True), (1, 3, 4)),  # a scalar bool is an array
        ((2, 3, 4), (slice(None), False), (2, 0, 3, 4)),
        ((2, 3, 4), (np.array(1), slice(None), np.array(2)), (3,)),  # an array of no axes is a plain int
        ((2, 3, 4), np.uint8(1), (3, 4)),
        ((2, 3, 4), np.array([1, 0], np.uint8), (2, 3, 4)),
        ((2, 3, 4), ([True, False], [0, 1]), (2, 4)),  # one True broadcasts
        ((2, 3, 4), [[]], (1, 0, 3, 4)),
        ((2, 3, 4), (0, (1, 2)), (2, 4)),
        ((), (), ()),
        ((), True, (1,)),
        ((), (False, ...), (0,)),
        ((), None, (1,)),
    ],
)
def test_indexed_shapes(shape: tuple[int, ...], index: Any, indexed: tuple[int, ...]) -> None:
    assert np.zeros(shape)[index].shape == indexed, "the example itself"
    assert oracle.resolve_index(shape, index).shape == indexed


@many
@given(st.data())
def test_illegal_indices_raise_what_they_say(data: st.DataObject) -> None:
    shape = data.draw(xst.shapes())
    illegal = data.draw(xst.illegal_indices(shape))
    with pytest.raises(illegal.expected):
        oracle.resolve_index(shape, illegal.index)
    if "wrap to -1" not in illegal.fault:  # NumPy makes -1 of it, and reads the last element
        with pytest.raises((illegal.expected, ValueError)):  # ValueError for lists of two lengths
            np.zeros(shape)[illegal.index]


# Out of range


@pytest.mark.parametrize(
    ("mode", "elements"),
    [
        ("drop", [None, None, 0, 2, 0, 2, None, None, None, None]),
        ("fill", [None, None, 0, 2, 0, 2, None, None, None, None]),
        ("clip", [0, 0, 0, 2, 0, 2, 2, 2, 0, 2]),
        ("wrap", [2, 2, 0, 2, 0, 2, 0, 2, 0, 2]),
    ],
)
def test_modes_on_an_axis_of_three(mode: str, elements: list[int | None]) -> None:
    numbers = [-7, -4, -3, -1, 0, 2, 3, 2**32 + 1, -(2**63), 2**63 - 2]
    if mode == "wrap":
        elements[7:] = [(2**32 + 1) % 3, -(2**63) % 3, (2**63 - 2) % 3]
    expected = [None if e is None else (e,) for e in elements]
    assert oracle.resolve_index((3,), np.array(numbers), mode).targets == expected
    assert [oracle.resolve_index((3,), number, mode).targets[0] for number in numbers] == expected
    assert oracle.resolve_index((3,), -4, mode).shape == ()


@many
@given(st.data())
def test_out_of_range_is_none_or_clipped_or_wrapped(data: st.DataObject) -> None:
    shape = data.draw(xst.shapes(1, empty=False))
    index = data.draw(xst.indices(shape, legal=False, forms=("int", "array", "list")))
    parts = index if isinstance(index, tuple) else (index,)
    taking = [i for i, part in enumerate(parts) if part is not None and part is not ...]
    axis_of = {i: n for n, i in enumerate(taking)}
    if ... in [part for part in parts if part is None or part is ...]:
        dots = next(i for i, part in enumerate(parts) if part is ...)
        axis_of |= {i: len(shape) - len(taking) + n for n, i in enumerate(taking) if i > dots}

    def replaced(rule: Any) -> tuple[Any, ...]:
        """The index with every integer replaced by an element of its axis, or by one past its end."""
        made = list(parts)
        for i, axis in axis_of.items():
            numbers = np.asarray(parts[i])
            flat = [rule(int(number), shape[axis]) for number in numbers.ravel()]
            made[i] = np.array(flat, np.int64).reshape(numbers.shape)
        return tuple(made)

    numbers = np.arange(math.prod(shape)).reshape(shape)
    for mode, rule in (("clip", lambda v, n: min(max(v + n * (v < 0), 0), n - 1)), ("wrap", lambda v, n: v % n)):
        expected = numbers[replaced(rule)]
        resolved = oracle.resolve_index(shape, index, mode)
        assert (resolved.shape, flat_targets(resolved, shape)) == (expected.shape, expected.ravel().tolist())
    padded = np.pad(
        numbers, [(0, 1 if axis in axis_of.values() else 0) for axis in range(len(shape))], constant_values=-1
    )
    expected = padded[replaced(lambda v, n: v + n * (v < 0) if -n <= v < n else n)]
    resolved = oracle.resolve_index(shape, index, "drop")
    assert (resolved.shape, flat_targets(resolved, shape)) == (expected.shape, expected.ravel().tolist())
    assert -1 in flat_targets(resolved, shape)
    with pytest.raises(IndexError, match=r"index -?\d+ is out of range for axis \d of length \d"):
        oracle.resolve_index(shape, index)


@pytest.mark.parametrize("mode", ["raise", "clip", "wrap"])
@pytest.mark.parametrize("index", [0, [0], np.array([[1]]), -1])
def test_an_empty_axis_has_no_element_to_clip_or_wrap_to(mode: str, index: Any) -> None:
    with pytest.raises(IndexError):
        oracle.resolve_index((0, 2), index, mode)
    assert oracle.resolve_index((0, 2), [], mode).shape == (0, 2)
    assert set(oracle.resolve_index((0, 2), index, "drop").targets) == {None}


@pytest.mark.parametrize("mode", ["fill", "nearest", None])
def test_modes_belong_to_reads_or_to_updates(mode: Any) -> None:
    with pytest.raises(ValueError, match="mode"):
        oracle.index_update(f32([0]), 0, 1, mode=mode)
    if mode != "fill":
        with pytest.raises(ValueError, match="mode"):
            oracle.index_get(f32([0]), 0, mode=mode)
    with pytest.raises(ValueError, match="mode"):
        oracle.index_get(f32([0]), 0, mode="drop")


# Reads and updates


@many
@given(st.data())
def test_reads_and_updates_are_numpys(data: st.DataObject) -> None:
    shape = data.draw(xst.shapes())
    index = data.draw(xst.indices(shape))
    dtype = data.draw(xst.dtypes((*xst.POOL_DTYPES, *xst.COMPLEX_DTYPES)))
    x = np.asarray(data.draw(xst.arrays(shape, dtype)))
    kept = x.copy()
    got = oracle.index_get(x, index)
    assert_same_bits(got, np.asarray(x[index]), what=f"{shape} {index}")
    values = data.draw(xst.arrays(got.shape, dtype))
    expected = x.copy()
    expected[index] = values  # NumPy assigns in order as well, though it does not promise to
    assert_same_bits(oracle.index_update(x, index, values), expected, what=f"set {shape} {index}")
    assert_same_bits(x, kept, what="x is not changed")


@many
@given(st.data())
def test_accumulating_updates_are_those_of_numpys_at(data: st.DataObject) -> None:
    shape = data.draw(xst.shapes())
    index = data.draw(xst.indices(shape))
    op = data.draw(st.sampled_from([op for op in oracle.AT_OPS if op != "set"]))
    dtype = data.draw(xst.dtypes(("float32", "float64", "float16", "int8", "uint8", "int64", "uint32")))
    if op == "divide" and "int" in dtype:
        dtype = "float32"
    plain = {"negative_zero": False, "subnormal": False} if op in ("min", "max") else {}
    x = np.asarray(data.draw(xst.arrays(shape, dtype, **plain)))
    values = data.draw(xst.arrays(oracle.resolve_index(shape, index).shape, dtype, **plain))
    if op == "power":
        values = np.abs(values) if "float" in dtype else values & values.dtype.type(7)
    expected = x.copy()
    with np.errstate(all="ignore"):
        NUMPY_AT[op].at(expected, index, values)
    ours = oracle.index_update(x, index, values, op)
    if op == "power" and "float" in dtype:  # its last bits are the C library's
        np.testing.assert_allclose(ours, expected, rtol=3e-7 if dtype == "float32" else 2e-3)
        return
    assert_same_bits(ours, expected, what=f"{op} {dtype}{shape} {index}")


@many
@given(st.data())
def test_values_broadcast_and_cast_as_in_numpys_assignment(data: st.DataObject) -> None:
    shape = data.draw(xst.shapes(1))
    index = data.draw(xst.indices(shape))
    dtype = data.draw(xst.dtypes((*xst.POOL_DTYPES, "complex64")))
    indexed = oracle.resolve_index(shape, index).shape
    values = data.draw(xst.values_for(indexed, dtype))
    x = np.zeros(shape, xst.dtype_of(dtype))
    expected = x.copy()
    array = np.asarray(values)
    with np.errstate(all="ignore"):
        array = array.astype(x.dtype)
        expected[index] = np.broadcast_to(array.reshape(array.shape[max(array.ndim - len(indexed), 0) :]), indexed)
    ours = oracle.index_update(x, index, values)
    assert_same_bits(ours, expected, what=f"{dtype}{shape} {index} = {values!r}")


@pytest.mark.parametrize(
    ("dtype", "values", "error"),
    [
        ("int32", 1.7, TypeError),  # I14
        ("int32", [1, 2.5], TypeError),
        ("int32", f32(1), TypeError),
        ("int32", NAN, TypeError),  # I18
        ("int8", 300, OverflowError),  # I17
        ("int8", [[1], [-129]], OverflowError),
        ("uint8", -1, OverflowError),  # I18
        ("uint8", np.array(-1), TypeError),  # signed to unsigned is not same_kind
        ("uint64", 2**64, OverflowError),
        ("bool", 1, TypeError),
        ("bool", np.array(1, np.uint8), TypeError),
        ("float32", 1j, TypeError),
        ("float32", np.complex64(1), TypeError),
        ("float16", 70000, OverflowError),
        ("float32", 10**400, OverflowError),
        ("float32", "1", TypeError),
        ("float32", None, TypeError),
        ("float32", [1, [2]], ValueError),
    ],
)
def test_values_that_do_not_cast(dtype: str, values: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        oracle.as_values(values, np.dtype(dtype))


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("int8", np.array(300), 44),  # same_kind, and wraps: I17
        ("int8", np.array(200, np.uint8), -56),
        ("float32", np.float64(0.1), np.float32(0.1)),  # I16
        ("float32", np.array(1e300), np.float32(INF)),
        ("float16", np.int64(70000), np.float16(INF)),
        ("bfloat16", f32(1.00390625), 1.0),
        ("float32", np.array(True), 1.0),
        ("complex64", f32(2), 2 + 0j),
        ("uint8", 255, 255),
        ("bool", True, True),
    ],
)
def test_values_that_cast(dtype: str, values: Any, expected: Any) -> None:
    made = xst.dtype_of(dtype)
    assert_same_bits(oracle.as_values(values, made), np.array(expected).astype(made), what=f"{values!r} as {dtype}")


@pytest.mark.parametrize(
    ("shape", "fits"), [((1, 1, 3), True), ((2, 1), True), ((), True), ((2,), False), ((2, 2, 3), False)]
)
def test_values_that_broadcast(shape: tuple[int, ...], fits: bool) -> None:
    if fits:
        assert oracle.index_update(np.zeros((2, 3)), ..., np.ones(shape)).sum() == 6
    else:
        with pytest.raises(ValueError, match=r"\(2, 3\)"):
            oracle.index_update(np.zeros((2, 3)), ..., np.ones(shape))


@pytest.mark.parametrize(
    ("op", "dtype"),
    [("divide", "int32"), ("min", "complex64"), ("max", "complex128")]
    + [(op, "bool") for op in oracle.ACCUMULATING_OPS],
)
def test_operations_that_a_dtype_has_not(op: str, dtype: str) -> None:
    with pytest.raises(TypeError, match=op):
        oracle.index_update(np.zeros(2, dtype), 0, np.zeros((), dtype), op)


def test_an_unknown_operation_and_a_negative_power() -> None:
    with pytest.raises(ValueError, match="op"):
        oracle.index_update(f32([1]), 0, 1, "mean")
    with pytest.raises(ValueError, match="power"):
        oracle.index_update(np.array([2]), 0, -1, "power")
    assert oracle.index_update(f32([2]), 0, -1, "power").tolist() == [0.5]


# The rows of disagreements, by hand


@pytest.mark.parametrize(
    ("row", "op", "x", "index", "values", "mode", "expected"),
    [
        ("I1", "add", f32([0, 0, 0]), [0, 0, 1], [1, 2, 3], "raise", f32([3, 3, 0])),
        ("I2", "set", f32([0, 0, 0]), [0, 0, 1], [1, 2, 3], "raise", f32([2, 3, 0])),
        ("I3", "set", f32([0, 0, 0]), [5], 9, "drop", f32([0, 0, 0])),
        ("I3", "set", f32([0, 0, 0]), [5], 9, "clip", f32([0, 0, 9])),
        ("I3", "set", f32([0, 0, 0]), [5], 9, "wrap", f32([0, 0, 9])),
        ("I5", "set", f32([0, 0, 0]), [-1], 9, "raise", f32([0, 0, 9])),
        ("I6", "set", f32([0, 0, 0]), [-4], 9, "drop", f32([0, 0, 0])),
        ("I6", "set", f32([0, 0, 0]), [-4], 9, "clip", f32([9, 0, 0])),
        ("I6", "set", f32([0, 0, 0]), [-4], 9, "wrap", f32([0, 0, 9])),
        ("I7", "set", f32([0, 0, 0]), 2**32 + 1, 9, "drop", f32([0, 0, 0])),
        ("I7", "set", f32([0, 0, 0]), np.array([2**32 + 1]), 9, "wrap", f32([0, 0, 9])),
        ("I10", "set", f32([0, 0, 0]), [True, False, True], [1, 2], "raise", f32([1, 0, 2])),
        ("I11", "set", f32([0, 0, 0]), [], [], "raise", f32([0, 0, 0])),
        ("I11", "set", f32([0, 0, 0]), np.array([], int), 5, "raise", f32([0, 0, 0])),
        ("I12", "set", f32([]), [0], 1, "drop", f32([])),
        ("I13", "set", f32(1), (), 9, "raise", f32(9)),
        ("I17", "add", np.array([120], np.int8), 0, 10, "raise", np.array([-126], np.int8)),
        ("I20", "max", f32([1, NAN]), [0, 1], [NAN, 1], "raise", f32([NAN, NAN])),
        ("I20", "min", f32([1, NAN]), [0, 1], [NAN, 1], "raise", f32([NAN, NAN])),
        ("I21", "max", f32([-0.0, 0.0]), [0, 1], [0.0, -0.0], "raise", f32([0.0, 0.0])),
        ("I21", "min", f32([-0.0, 0.0]), [0, 1], [0.0, -0.0], "raise", f32([-0.0, -0.0])),
        ("I23", "divide", f32([1e30]), [0, 0], [1e20, 1e20], "raise", f32([1e-10])),
        ("I24", "set", f32([[0, 0, 0], [0, 0, 0]]), [0], f32([[[1, 2, 3]]]), "raise", f32([[1, 2, 3], [0, 0, 0]])),
        ("I26", "set", f32([0, 0, 0]), slice(None, None, -1), [1, 2, 3], "raise", f32([3, 2, 1])),
        ("I26", "set", f32([0, 0, 0]), slice(2, 10), [7], "raise", f32([0, 0, 7])),
        ("I27", "set", f32([1, 2, 3]), slice(1, None), f32([1, 2]), "raise", f32([1, 1, 2])),
        ("I34", "set", f32([INF, 1]), [True, False], [2], "raise", f32([2, 1])),
        ("I35", "set", f32([1]), 0, -0.0, "raise", f32([-0.0])),
        ("", "min", np.array([True, True]), [0, 0, 1], [True, False, True], "raise", np.array([False, True])),
        ("", "max", np.array([False, False]), 0, True, "raise", np.array([True, False])),
        ("", "power", np.array([3, 2], np.uint8), [0, 0, 1], [2, 3, 8], "raise", np.array([217, 0], np.uint8)),
        ("", "add", f32([-0.0, -0.0]), 0, -0.0, "raise", f32([-0.0, -0.0])),
    ],
)
def test_updates_by_hand(row: str, op: str, x: Any, index: Any, values: Any, mode: str, expected: Any) -> None:
    if row == "I23":
        sequential = np.float32(np.float32(1e30) / np.float32(1e20)) / np.float32(1e20)
        expected = f32([sequential])
    assert_same_bits(oracle.index_update(x, index, values, op, mode=mode), expected, what=f"{row} {op}")


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("float32", NAN),
        ("bfloat16", NAN),
        ("int32", -(2**31)),
        ("uint8", 255),
        ("bool", True),
        ("complex64", complex(NAN, NAN)),
    ],
)
def test_reads_out_of_range_give_the_fill(dtype: str, fill: Any) -> None:
    x = np.array([1, 0]).astype(xst.dtype_of(dtype))
    expected = np.array([fill, 0, fill]).astype(x.dtype)
    assert_same_bits(oracle.index_get(x, [2, 1, -3], mode="fill"), expected, what=f"I4 {dtype}")
    assert oracle.index_get(x, [2, 1, -3], mode="fill", fill_value=False).tolist() == [0, 0, 0]
    assert oracle.index_get(x, 7, mode="fill", fill_value=x.dtype.type(1)).tolist() == 1


def test_the_values_of_a_mask_are_counted() -> None:
    for values in ([1, 2, 3], [1]):
        mask = [True, False, True]
        if len(values) == 1:
            assert oracle.index_update(f32([0, 0, 0]), mask, values).tolist() == [1, 0, 1]
            continue
        with pytest.raises(ValueError, match=r"\(2,\)"):  # I22
            oracle.index_update(f32([0, 0, 0]), mask, values)
    x = np.zeros((2, 2), np.float32)
    assert oracle.index_update(x, np.eye(2, dtype=bool), [1, 2]).tolist() == [[1, 0], [0, 2]]


# Bounds


@many
@given(st.data())
def test_bounds_hold_for_any_order_and_not_without_an_update(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 4))
    count = data.draw(st.integers(1, 12))
    op = data.draw(st.sampled_from([op for op in oracle.ACCUMULATING_OPS if op != "power"]))
    dtype = data.draw(xst.dtypes(("float32", "float64", "float16", "bfloat16", "complex64")))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = random.integers(0, size, count)
    x, values = data.draw(xst.moderate_arrays((size,), dtype)), data.draw(xst.moderate_arrays((count,), dtype))
    bounds = oracle.index_update_bounds(x, index, values, op)
    order = random.permutation(count)
    with np.errstate(all="ignore"):
        other = oracle.index_update(x, index[order], values[order], op).astype(bounds.reference.dtype)
        assert (np.isfinite(bounds.reference) == np.isfinite(other)).all()
        finite = np.isfinite(other)
        assert (abs(other - bounds.reference)[finite] <= bounds.allowance[finite]).all()
        touched = oracle.update_counts((size,), index) > 0
        assert (bounds.allowance[~touched] == 0).all()
        fewer = oracle.index_update(x, index[1:], values[1:], op).astype(bounds.reference.dtype)
        where = index[0]
        if (
            finite[where]
            and abs(values[0]) > 0.25
            and abs(abs(values[0]) - 1) > 0.2
            and dtype in ("float32", "float64")
        ):
            assert abs(fewer - bounds.reference)[where] > bounds.allowance[where] or bounds.reference[where] == 0


def test_bounds_of_powers() -> None:
    x, values = f32([2, 3, 0, -2, NAN]), f32([3, 0.5, 2, 3, 0])
    bounds = oracle.index_update_bounds(x, [0, 1, 2, 3, 4], values, "power")
    np.testing.assert_allclose(bounds.reference, [8, math.sqrt(3), 0, -8, 1])
    assert (bounds.allowance < 1e-5).all()
    assert oracle.index_update_bounds(f32([2]), [0, 0], [200, 0.1], "power").allowance[0] == INF


# Gradients


@many
@given(st.data())
def test_gradients_are_the_limits_of_differences(data: st.DataObject) -> None:
    size, count = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 5))
    op = data.draw(st.sampled_from(oracle.AT_OPS))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = random.integers(-size - 1, size + 1, count)
    x, values = (random.permutation(np.arange(n)) / 7 + 0.6 + random.uniform(0, 0.1, n) for n in (size, count))
    if op == "divide" and count:
        x[0] = 0
    if op == "multiply" and count:
        values[0] = 0
    dy = random.uniform(-1, 1, size)
    gradients = oracle.index_update_gradients(x, index, values, dy, op, mode="drop")

    def slope(moved_x: Any, moved_values: Any) -> float:
        step = 1e-6
        up = oracle.index_update(x + step * moved_x, index, values + step * moved_values, op, mode="drop")
        down = oracle.index_update(x - step * moved_x, index, values - step * moved_values, op, mode="drop")
        return float(dy @ (up - down)) / (2 * step)

    for i in range(size):
        np.testing.assert_allclose(gradients.x[i], slope(np.eye(size)[i], 0), rtol=1e-5, atol=1e-6)
    for i in range(count):
        np.testing.assert_allclose(gradients.values[i], slope(0, np.eye(count)[i]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "op", "x", "index", "values", "dy", "dx", "dv"),
    [
        ("I28", "set", [5, 6], [0, 0], [1, 2], [10, 100], [0, 100], [0, 10]),
        ("I28", "set", [5, 6], [0, 0, 1], 7, [10, 100], [0, 0], 110),
        ("", "add", [5, 6], [0, 0], [1, 2], [10, 100], [10, 100], [10, 10]),
        ("", "subtract", [5, 6], [0, 0], [1, 2], [10, 100], [10, 100], [-10, -10]),
        ("I29", "multiply", [10, 1], [0, 0], [3, 4], [1, 1], [12, 1], [40, 30]),
        ("I29", "multiply", [10, 1], [0, 0], [0, 4], [1, 1], [0, 1], [40, 0]),
        ("", "multiply", [0, 1], [0, 0], [0, 4], [1, 1], [0, 1], [0, 0]),
        ("", "divide", [8, 1], [0, 0], [2, 4], [1, 1], [1 / 8, 1], [-1 / 2, -1 / 4]),
        ("", "power", [3, 1], [0, 0], [2, 1], [1, 1], [6, 1], [9 * math.log(3), 9 * math.log(9)]),
        ("I30", "max", [3, 1], [0, 0], [3, 3], [10, 1], [10 / 3, 1], [10 / 3, 10 / 3]),
        ("I30", "max", [3, 1], [0], [3], [10, 1], [5, 1], [5]),
        ("I30", "max", [1, 1], [0, 0, 0], [3, 2, 3], [10, 1], [0, 1], [5, 0, 5]),
        ("I30", "min", [3, 1], [0, 0], [3, 2], [10, 1], [0, 1], [0, 10]),
        ("I30", "max", [-0.0, 1], [0], [0.0], [10, 1], [5, 1], [5]),
        ("I31", "max", [3, 1], [0, 0], [NAN, 4], [10, 1], [0, 1], [10, 0]),
        ("I31", "min", [NAN, 1], [0, 0], [NAN, 4], [10, 1], [5, 1], [5, 0]),
        ("I32", "add", [1, 2], [7, 0], [3, 4], [100, 1], [100, 1], [0, 100]),
    ],
)
def test_gradients_by_hand(row: str, op: str, x: Any, index: Any, values: Any, dy: Any, dx: Any, dv: Any) -> None:
    gradients = oracle.index_update_gradients(f32(x), index, f32(values), f32(dy), op, mode="drop")
    np.testing.assert_allclose(gradients.x, dx, rtol=1e-15)
    np.testing.assert_allclose(gradients.values, dv, rtol=1e-15)


def test_the_gradient_of_a_read_adds_up() -> None:
    dx = oracle.index_get_gradient((3,), np.array([0, 0, 7, -1]), f32([1, 10, 100, 1000]), mode="fill")
    assert dx.tolist() == [11, 0, 1000]


# The strategies


def drawn(strategy: Any, count: int = 600) -> list[Any]:
    collected = []

    @settings(many, max_examples=count)
    @given(strategy)
    def run(value: Any) -> None:
        collected.append(value)

    run()
    return collected


def test_indices_have_the_promised_variety() -> None:
    seen: Counter[str] = Counter()
    cases = drawn(xst.shapes().flatmap(lambda shape: st.tuples(st.just(shape), xst.indices(shape))), 1500)
    for shape, index in cases:
        targets = oracle.resolve_index(shape, index).targets
        parts = index if isinstance(index, tuple) else (index,)
        for part in parts:
            array = isinstance(part, np.ndarray) and part.ndim
            seen[f"array of {part.dtype}" if array else type(part).__name__] += 1
            seen["mask of several axes"] += bool(array and part.dtype == bool and part.ndim > 1)
            seen["array of several axes"] += bool(array and part.dtype != bool and part.ndim > 1)
            seen["negative step"] += isinstance(part, slice) and (part.step or 1) < 0
            seen["negative int"] += type(part) is int and part < 0
            seen["negative in array"] += bool(array and part.dtype != bool and (part < 0).any())
        seen["duplicates"] += len(set(targets)) < len(targets)
        seen["empty"] += not targets
        seen["bare"] += not isinstance(index, tuple)
        seen[f"rank {len(shape)}"] += 1
        advanced = [isinstance(part, (list, np.ndarray)) for part in parts]
        seen["several arrays"] += sum(advanced) > 1
    promised = [f"array of {dtype}" for dtype in (*xst.INTEGER_DTYPES, "bool")]
    promised += [
        "int",
        "slice",
        "list",
        "NoneType",
        "ellipsis",
        "bool",
        "mask of several axes",
        "array of several axes",
    ]
    promised += ["negative step", "negative int", "negative in array", "bare", "several arrays"]
    promised += [f"rank {rank}" for rank in range(5)]
    assert [name for name in promised if seen[name] < 3] == []
    assert seen["duplicates"] > len(cases) / 8
    assert seen["empty"] < len(cases) / 5


def test_values_have_the_promised_variety() -> None:
    seen: Counter[str] = Counter()
    for dtype in ("float32", "int8", "bool", "complex64", "bfloat16"):
        for values in drawn(xst.values_for((2, 3), dtype), 900):
            array = oracle.as_values(values, xst.dtype_of(dtype))
            oracle.index_update(np.zeros((2, 3), array.dtype), ..., values)
            seen[type(values).__name__] += 1
            seen[f"rank {array.ndim}"] += 1
            if isinstance(values, np.ndarray):
                seen[f"{values.dtype} in {dtype}"] += 1
    promised = ["ndarray", "list", "float", "int", "bool", "complex", *(f"rank {rank}" for rank in range(5))]
    promised += [
        "float64 in float32",
        "int64 in int8",
        "bfloat16 in float32",
        "float32 in bfloat16",
        "uint8 in float32",
    ]
    assert [name for name in promised if not seen[name]] == []
    assert len({fault.fault for fault in drawn(xst.illegal_indices((2, 3)), 500)}) > 30


def test_moderate_arrays_are_moderate() -> None:
    for x in drawn(xst.moderate_arrays((3, 4), "float32"), 50):
        plain = np.isfinite(x) & (x != 0)
        assert ((abs(x[plain]) >= 0.25) & (abs(x[plain]) <= 4)).all()
    assert not any((x == 0).any() for x in drawn(xst.moderate_arrays((3, 4), "float32", zero=False), 50))
