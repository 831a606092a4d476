"""Reads and updates by index on every backend, by examples: arguments, errors, edges and great numbers of updates.

The generated cases are laws of the conformance kit (unpoolx/testing/_laws_update*.py), which tests/test_conformance.py
runs on every backend.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from harness import Harness

import unpoolx
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing._rounding import assert_within_rounding, subnormal
from unpoolx.testing.compare import assert_same_bits


def index_on(on: Harness, index: Any) -> Any:
    """An index whose arrays are the backend's own."""
    if isinstance(index, tuple):
        return tuple(index_on(on, part) for part in index)
    return on.array(index) if isinstance(index, np.ndarray) else index


def values_on(on: Harness, values: Any) -> Any:
    """Values whose arrays and NumPy scalars are the backend's own."""
    return on.array(np.asarray(values)) if isinstance(values, (np.ndarray, np.generic)) else values


@pytest.mark.rule("A21")
@pytest.mark.parametrize("index", [3, -4, [0, 3], np.array([-4]), 2**32 + 1, np.array([2**32 + 1]), np.array([[0, 9]])])
def test_the_error_names_the_number_the_axis_and_its_length(on: Harness, index: Any) -> None:
    x = on.array(np.zeros((2, 3), np.float32))
    wrong = next(i for i in np.ravel(index).tolist() if not -3 <= i < 3)
    pattern = rf"{wrong}\D.*axis 1 of length 3"
    for made in (index, index_on(on, index)):
        for call in (lambda at: at.get(), lambda at: at.set(1), lambda at: at.add(1), lambda at: at.apply(lambda e: e)):
            with pytest.raises(IndexError, match=pattern):
                call(unpoolx.at(x)[:, made])


# Arguments


@pytest.mark.rule("A8")
@pytest.mark.parametrize(
    ("dtype", "values", "error"),
    [
        ("int32", 1.7, TypeError),
        ("int32", [1, 2], None),
        ("int32", [1.0, 2.0], TypeError),
        ("int32", np.float32([1, 2]), TypeError),
        ("int32", math.nan, TypeError),
        ("int8", 300, OverflowError),
        ("int8", [300, 0], OverflowError),
        ("int8", np.array([1, 2], np.int64), None),
        ("uint8", -1, OverflowError),
        ("uint8", [1, 2], None),
        ("uint8", np.array([1, 2], np.int32), TypeError),
        ("int8", np.array([1, 2], np.uint64), None),
        ("uint64", 2**64 - 1, None),
        ("uint64", 2**64, OverflowError),
        ("int64", -(2**63) - 1, OverflowError),
        ("bool", 1, TypeError),
        ("bool", True, None),
        ("bool", np.array([1, 0], np.uint8), TypeError),
        ("float32", 1j, TypeError),
        ("float32", np.array([1, 1j], np.complex64), TypeError),
        ("float32", np.array([1, 2], np.float64), None),
        ("float16", np.array([1, 2], np.int64), None),
        ("complex64", 1.5, None),
        ("float32", 2**70, None),
        ("float32", [2**63, 1], None),
        pytest.param("float32", 10**400, OverflowError, id="float32-beyond every float"),
        ("float16", 70000, OverflowError),
        ("uint64", [2**63 + 1, 1], None),
        ("float32", "one", TypeError),
        ("float32", None, TypeError),
        ("float32", [[1], [2, 3]], ValueError),
    ],
)
def test_values_cast_by_the_same_kind_rule(on: Harness, dtype: str, values: Any, error: Any) -> None:
    x = np.zeros(2, xst.dtype_of(dtype))
    given_values = values_on(on, values)
    if error is None:
        ours = on.numpy(unpoolx.at(on.array(x))[:].set(given_values))
        assert_same_bits(ours, oracle.index_update(x, slice(None), values), what=f"{dtype} <- {values!r} on {on.name}")
        return
    for op in ("set", "max") if dtype == "bool" else ("set", "add", "max") if dtype != "complex64" else ("set",):
        with pytest.raises(error):
            unpoolx.index_update(on.array(x), slice(None), given_values, op)


@pytest.mark.rule("A8")
@pytest.mark.parametrize(("x", "v"), [("float32", "bfloat16"), ("bfloat16", "float64"), ("bfloat16", "int32")])
def test_bfloat16_counts_as_a_float(on: Harness, x: str, v: str) -> None:
    given_x, given_v = np.zeros(3, xst.dtype_of(x)), np.array([1, 2, 3]).astype(xst.dtype_of(v))
    ours = on.numpy(unpoolx.at(on.array(given_x))[::-1].add(on.array(given_v)))
    assert_same_bits(ours, np.array([3, 2, 1]).astype(given_x.dtype), what=f"{x} + {v} on {on.name}")
    with pytest.raises(TypeError):
        unpoolx.at(on.array(np.zeros(3, np.int32)))[:].set(on.array(np.zeros(3, xst.dtype_of("bfloat16"))))


@pytest.mark.rule("A9")
@pytest.mark.parametrize(
    ("op", "dtype"),
    [("divide", "int32"), ("divide", "uint8"), ("min", "complex64"), ("max", "complex128")]
    + [(op, "bool") for op in oracle.ACCUMULATING_OPS],
)
def test_an_operation_that_the_dtype_has_not(on: Harness, op: str, dtype: str) -> None:
    x = on.array(np.zeros(2, dtype))
    with pytest.raises(TypeError, match=op):
        unpoolx.index_update(x, 0, x[0] if on.name != "numpy" else x[:1], op)


@pytest.mark.rule("A9")
def test_integers_have_no_negative_powers(on: Harness) -> None:
    with pytest.raises(ValueError, match="-1"):
        unpoolx.at(on.array(np.array([2, 3])))[0].power(-1)
    assert on.numpy(unpoolx.at(on.array(np.float32([2, 4])))[:].power(-1)).tolist() == [0.5, 0.25]


@pytest.mark.rule("A7", "A13")
@pytest.mark.parametrize(
    ("index", "values"),
    [
        ([0], np.zeros(2, np.float32)),
        (slice(None), np.zeros((2, 3, 1), np.float32)),
        (slice(None), np.zeros((2, 2, 3), np.float32)),
        (np.eye(2, 3, dtype=bool), np.zeros(3, np.float32)),
        (np.eye(2, 3, dtype=bool), np.zeros((2, 3), np.float32)),
        ([True, False], np.zeros((2, 3), np.float32)),
        (np.zeros((2, 3), bool), np.zeros(2, np.float32)),
        ([], np.zeros((2, 3), np.float32)),
    ],
)
def test_values_that_do_not_broadcast(on: Harness, index: Any, values: np.ndarray) -> None:
    x = on.array(np.zeros((2, 3), np.float32))
    shape = str(values.shape).replace("(", r"\(").replace(")", r"\)")
    for op in ("set", "add", "multiply", "max"):
        with pytest.raises(ValueError, match=shape):
            unpoolx.index_update(x, index, on.array(values), op)


@pytest.mark.rule("A1", "A23")
def test_modes_and_operations_have_names(on: Harness) -> None:
    x = on.array(np.zeros(3, np.float32))
    for mode in ("fill", "nearest", None):
        with pytest.raises(ValueError, match="mode"):
            unpoolx.at(x)[0].set(1, mode=mode)
    for mode in ("drop", "nearest", None):
        with pytest.raises(ValueError, match="mode"):
            unpoolx.at(x)[0].get(mode=mode)
    with pytest.raises(ValueError, match="op"):
        unpoolx.index_update(x, 0, 1, "mean")
    with pytest.raises(TypeError, match="function"):
        unpoolx.at(x)[0].apply(3)


@pytest.mark.rule("A22")
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("float16", math.nan),
        ("bfloat16", math.nan),
        ("float32", math.nan),
        ("float64", math.nan),
        ("complex64", complex(math.nan, math.nan)),
        ("complex128", complex(math.nan, math.nan)),
        *((name, np.iinfo(name).min if name.startswith("i") else np.iinfo(name).max) for name in xst.INTEGER_DTYPES),
        ("bool", True),
    ],
)
def test_the_default_fill(on: Harness, dtype: str, fill: Any) -> None:
    x = np.array([1, 0]).astype(xst.dtype_of(dtype))
    expected = np.zeros(3, x.dtype)
    expected[0] = expected[2] = fill
    for index in ([2, 1, -3], np.array([2**40, 1, -(2**40)])):
        ours = on.numpy(unpoolx.at(on.array(x))[index].get(mode="fill"))
        assert_same_bits(ours, expected, what=f"fill of {dtype} on {on.name}")
    assert_same_bits(on.numpy(unpoolx.at(on.array(x))[5].get(mode="fill")), np.array(expected[0]), what=f"{dtype}, int")


@pytest.mark.rule("A8", "A22")
@pytest.mark.parametrize(
    ("fill", "error"), [(300, OverflowError), (1.5, TypeError), (math.nan, TypeError), ([1], ValueError)]
)
def test_a_fill_casts_as_values_do(on: Harness, fill: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        unpoolx.at(on.array(np.zeros(3, np.uint8)))[[5]].get(mode="fill", fill_value=fill)


@pytest.mark.rule("A8", "A22")
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("float32", -0.0),
        ("float64", 0.1),
        ("float64", -1.7976931348623157e308),
        ("float32", 1e300),
        ("float16", -1e6),
        ("bfloat16", 0.1),
        ("float32", 3),
        ("complex128", 0.1 - 0.1j),
        ("complex64", -0.0),
        ("int64", 2**53 + 1),
        ("uint64", 2**64 - 3),
        ("bool", False),
    ],
)
def test_a_fill_is_rounded_as_values_are(on: Harness, dtype: str, fill: Any) -> None:
    x = np.ones(2, xst.dtype_of(dtype))
    for index in ([0, 5], 7):
        ours = on.numpy(unpoolx.at(on.array(x))[index].get(mode="fill", fill_value=fill))
        expected = oracle.index_get(x, index, mode="fill", fill_value=fill)
        assert_same_bits(ours, expected, what=f"fill {fill} of {dtype} on {on.name}")


# Empty, no axes, sharing


@pytest.mark.rule("A16")
@pytest.mark.parametrize(
    "index", [[], np.array([], int), slice(0, 0), [False, False, False], False, np.zeros(3, bool), (..., [])]
)
def test_an_empty_index_gives_an_equal_copy(on: Harness, index: Any) -> None:
    x = np.array([1, -0.0, math.nan], np.float32)
    for op in oracle.AT_OPS:
        ours = unpoolx.index_update(on.array(x), index, 5, op)
        assert_same_bits(on.numpy(ours), x, what=f"{op} at {index!r} on {on.name}")
    ours = on.numpy(unpoolx.at(on.array(x))[index].get())
    assert_same_bits(ours, oracle.index_get(x, index), what=f"get {index!r} on {on.name}")


@pytest.mark.rule("A16")
@pytest.mark.parametrize("index", [(), ..., (..., ...)[:1], True, None, (None, ...), np.array(True), False])
def test_an_array_without_axes(on: Harness, index: Any) -> None:
    x = np.array(3, np.float32)
    given_x = on.array(x)
    got = unpoolx.at(given_x)[index].get()
    assert on.backend.is_array(got)
    if on.name == "numpy":
        assert isinstance(got, np.ndarray)
    assert_same_bits(on.numpy(got), oracle.index_get(x, index), what=f"get {index!r} on {on.name}")
    for op, values in (("set", 9), ("add", -0.5), ("max", on.array(np.array(7, np.float32))), ("divide", 2)):
        ours = unpoolx.index_update(given_x, index, values, op)
        if on.name == "numpy":
            assert isinstance(ours, np.ndarray)
        host = on.numpy(values) if op == "max" else values
        assert_same_bits(on.numpy(ours), oracle.index_update(x, index, host, op), what=f"{op} {index!r} on {on.name}")
    with pytest.raises(IndexError):
        unpoolx.at(given_x)[0].get()


@pytest.mark.rule("A16")
@pytest.mark.parametrize("dtype", [*xst.INTEGER_DTYPES, "bool", *xst.FLOAT_DTYPES, *xst.COMPLEX_DTYPES])
def test_every_dtype_without_axes(on: Harness, dtype: str) -> None:
    x, v = np.array(1).astype(xst.dtype_of(dtype)), np.array(0).astype(xst.dtype_of(dtype))
    for op in ("set", "min", "max", "multiply"):
        if (op in ("min", "max") and "complex" in dtype) or (op == "multiply" and dtype == "bool"):
            continue
        for index in ((), ..., True):
            ours = unpoolx.index_update(on.array(x), index, on.array(v), op)
            assert on.name != "numpy" or isinstance(ours, np.ndarray)
            expected = oracle.index_update(x, index, v, op)
            assert_same_bits(on.numpy(ours), expected, what=f"{op} of {dtype} at {index} on {on.name}")


@pytest.mark.rule("A16")
def test_one_element_of_an_array_is_an_array_without_axes(on: Harness) -> None:
    got = unpoolx.at(on.array(np.arange(6.0).reshape(2, 3)))[1, -1].get()
    assert on.backend.is_array(got)
    assert_same_bits(on.numpy(got), np.array(5.0), what=f"get on {on.name}")
    assert on.name != "numpy" or isinstance(got, np.ndarray)


@pytest.mark.rule("A1", "A16")
@pytest.mark.parametrize("on", ["numpy", "torch"], indirect=True)
@pytest.mark.parametrize(
    "index",
    [..., (), slice(None), slice(0, 0), 1, [0, 1], [], np.array([True, False, True]), (None, slice(None, None, 2))],
)
def test_no_result_shares_memory_with_an_argument(on: Harness, index: Any) -> None:
    x = on.array(np.arange(3, dtype=np.float32))
    shape = np.arange(3)[index].shape
    values = on.array(np.full(shape, 7, np.float32))
    results = {"get": unpoolx.at(x)[index].get(), "apply": unpoolx.at(x)[index].apply(lambda elements: elements)}
    for op in oracle.AT_OPS:
        results[op] = unpoolx.index_update(x, index, values, op)
        results[f"{op} unique"] = unpoolx.index_update(x, index, values, op, unique=True)
    before = {name: on.numpy(result).copy() for name, result in results.items()}
    x[...] = 100
    values[...] = 200
    for name, result in results.items():
        assert_same_bits(
            on.numpy(result), before[name], what=f"{name} at {index!r} on {on.name} after writes to x and v"
        )
        if result.shape != ():
            result[...] = 300
        assert (on.numpy(x) == 100).all(), f"{name} at {index!r} on {on.name} writes to x"
        assert (on.numpy(values) == 200).all(), f"{name} at {index!r} on {on.name} writes to the values"


@pytest.mark.rule("A1")
def test_the_identity_as_function_of_apply_does_not_share(on: Harness) -> None:
    whole = np.arange(3, dtype=np.float32)
    x = on.array(whole)
    ours = unpoolx.at(x)[...].apply(lambda elements: elements)
    assert_same_bits(on.numpy(ours), whole, what=f"apply on {on.name}")


@pytest.mark.rule("A1", "A4", "B1", "B2", "B3")
def test_the_backend_is_that_of_x_or_the_one_named(on: Harness) -> None:
    named = unpoolx.at([0, 0, 0], backend=on.name)[[0, 0, 2]].add([1, 2, 3])
    assert on.backend.is_array(named)
    assert on.numpy(named).tolist() == [3, 0, 3]
    host = np.zeros(3, np.float32)
    moved = unpoolx.index_update(host, 1, np.float32(2), backend=on.name)
    assert on.backend.is_array(moved)
    assert host.tolist() == [0, 0, 0]
    if on.name != "numpy":
        with pytest.raises(TypeError):
            unpoolx.at(on.array(host))[:].set(host)
        with pytest.raises(TypeError):
            unpoolx.at(host)[:].set(on.array(host))
        with pytest.raises(TypeError):
            unpoolx.at(host)[on.array(np.array([0]))].get()


@pytest.mark.rule("A12")
@pytest.mark.parametrize("dtype", xst.FLOAT_DTYPES)
def test_moving_keeps_subnormal_numbers_and_arithmetic_may_flush_them(on: Harness, dtype: str) -> None:
    values = xst.special_values(dtype)
    tiny = values[subnormal(values)]
    x = np.concatenate([tiny, tiny])
    count = len(tiny)
    what = f"{dtype} on {on.name}"
    assert_same_bits(on.numpy(unpoolx.at(on.array(x))[::-1].get()), x[::-1].copy(), what=f"get {what}")
    zeros = np.zeros_like(x)
    ours = on.numpy(unpoolx.at(on.array(zeros))[list(range(count))].set(on.array(tiny)))
    assert_same_bits(ours, np.concatenate([tiny, zeros[:count]]), what=f"set {what}")
    first = [True] + [False] * (2 * count - 1)
    for op, index in (("add", [0, 0]), ("multiply", [0, 0]), ("max", [0, 0]), ("add", slice(0, 1)), ("min", first)):
        ours = on.numpy(unpoolx.index_update(on.array(x), index, 1, op))
        assert_same_bits(ours[1:], x[1:], what=f"what {op} at {index} leaves, {what}")
    smallest = float(abs(values[5].astype(np.float64)))
    for op in ("min", "max"):
        ours = on.numpy(unpoolx.index_update(on.array(x), [0, 1], on.array(x[2:4]), op))
        expected = oracle.index_update(x, [0, 1], x[2:4], op)
        assert (abs(ours.astype(np.float64) - expected.astype(np.float64)) < 2 * smallest).all(), f"{op} {what}"


@pytest.mark.rule("A10")
def test_products_and_quotients_pass_through_the_same_numbers_as_one_after_another(on: Harness) -> None:
    for op, x, values, expected in (
        ("divide", 1e30, [1e20, 1e20], 1e-10),
        ("multiply", 1e-30, [1e20, 1e25, 1e-10], 1e5),
        ("multiply", 1e-30, [1e30, 1e30], 1e30),
        ("subtract", 3e38, [3e38, -3e38], 3e38),
    ):
        start = np.array([x, 1], np.float32)
        ours = on.numpy(unpoolx.index_update(on.array(start), [0] * len(values), values, op))
        np.testing.assert_allclose(ours, np.array([expected, 1]), rtol=1e-5, err_msg=f"{op} on {on.name}")


@pytest.mark.rule("A10")
@pytest.mark.parametrize("op", ["add", "subtract"])
@pytest.mark.parametrize("dtype", xst.COMPLEX_DTYPES)
def test_complex_numbers_are_added_part_by_part(on: Harness, op: str, dtype: str) -> None:
    x = np.array([1 + 2j, complex(math.inf, 3), complex(-0.0, -0.0)], dtype)
    values = np.array([math.inf, complex(1, -math.inf), complex(2, math.nan)], dtype)
    for index in ([0, 1, 2], slice(None), np.ones(3, bool)):
        ours = on.numpy(unpoolx.index_update(on.array(x), index, on.array(values), op))
        expected = np.zeros_like(x)
        expected.real = x.real + values.real if op == "add" else x.real - values.real
        expected.imag = x.imag + values.imag if op == "add" else x.imag - values.imag
        assert_same_bits(ours, expected, what=f"{op} of {dtype} at {index} on {on.name}")


@pytest.mark.rule("A10")
def test_the_last_of_many_duplicates_wins(on: Harness) -> None:
    random = np.random.default_rng(0)
    index, values = random.integers(0, 50, 200_000), np.arange(200_000, dtype=np.int32)
    x = np.zeros(50, np.int32)
    expected = x.copy()
    for i, value in zip(index.tolist(), values.tolist(), strict=True):
        expected[i] = value
    ours = on.numpy(unpoolx.at(on.array(x))[on.array(index)].set(on.array(values)))
    assert_same_bits(ours, expected, what=f"200,000 updates of 50 elements on {on.name}")


@pytest.mark.rule("A10")
def test_sums_of_many_duplicates_are_the_same_again(on: Harness) -> None:
    random = np.random.default_rng(0)
    index, values = random.integers(0, 5, 3000), random.normal(size=3000).astype(np.float32)
    x = on.array(np.ones(5, np.float32))
    runs = [on.numpy(unpoolx.at(x)[on.array(index)].add(on.array(values))) for _ in range(3)]
    assert_same_bits(runs[1], runs[0], what=f"again on {on.name}")
    assert_same_bits(runs[2], runs[0], what=f"again on {on.name}")
    assert_within_rounding(runs[0], np.ones(5, np.float32), index, values, "add", what=f"3,000 sums on {on.name}")


@pytest.mark.rule("A15", "A19")
def test_an_empty_read_and_a_filled_one_keep_the_way_back_to_x() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.zeros((0, 3), requires_grad=True)
    for y in (unpoolx.at(x)[:].get(), unpoolx.at(x)[[1, 2]].get(mode="fill", fill_value=2.0)):
        y.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (0, 3)


@pytest.mark.rule("A7")
def test_what_was_filled_can_be_written_to() -> None:
    filled = unpoolx.at(np.zeros((0, 3)))[[1, 2]].get(mode="fill", fill_value=2.0)
    filled[0, 0] = 5
    assert filled.tolist() == [[5, 2, 2], [2, 2, 2]]


@pytest.mark.rule("A13", "A20")
@pytest.mark.parametrize("flag", [True, False])
def test_a_bool_selects_all_or_nothing_in_code_that_pytorch_compiles(flag: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch._dynamo.reset()
    program = torch.compile(lambda x: unpoolx.at(x)[flag].add(1.0), fullgraph=True, backend="aot_eager")
    assert program(torch.arange(3.0)).tolist() == [n + flag for n in range(3)]


@pytest.mark.rule("A8")
@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float16", 1 + 2**-11 + 2**-40, 1 + 2**-10),  # float32 would make it the middle of two halves
        ("float16", 1 + 2**-11, 1),
        ("bfloat16", 1 + 2**-8 + 2**-40, 1 + 2**-7),
        ("bfloat16", -(2**-134) * (1 + 2**-30), -(2**-133)),
        ("bfloat16", 2**40 + 2**32 + 1, 2**40 + 2**33),
        ("bfloat16", 2**63 + 2**55 + 1, 2**63 + 2**56),
        ("float32", 2**62 + 2**38 + 1, 2**62 + 2**39),
    ],
)
def test_a_value_is_rounded_once(on: Harness, dtype: str, value: float, expected: float) -> None:
    given = {float: "float64", int: "uint64" if value >= 2**63 else "int64"}[type(value)]
    x = on.array(np.zeros(2, xst.dtype_of(dtype)))
    for values in (value, [value], on.array(np.array([value], given)), np.array([value], given)):
        ours = on.numpy(unpoolx.at(x, on.name)[1:].set(values)).astype(np.float64)
        assert ours.tolist() in ([0, expected], [0, 0] if abs(expected) < 2**-126 else []), f"{values!r} on {on.name}"


@pytest.mark.rule("A6", "A23")
def test_a_list_may_hold_integers_beyond_64_bits(on: Harness) -> None:
    x = on.array(np.arange(3.0))
    index = [[2**63, 0], [-(2**80), -1]]
    with pytest.raises(IndexError, match=f"{2**63} is out of range for axis 0 of length 3"):
        unpoolx.at(x)[index].get()
    modes = {"fill": [[9, 0], [9, 2]], "clip": [[2, 0], [0, 2]], "wrap": [[2, 0], [-(2**80) % 3, 2]]}
    for mode, expected in modes.items():
        options = {"fill_value": 9.0} if mode == "fill" else {}
        assert on.numpy(unpoolx.at(x)[index].get(mode=mode, **options)).tolist() == expected, f"{mode} on {on.name}"
    assert on.numpy(unpoolx.at(x)[index].set(5.0, mode="drop")).tolist() == [5, 1, 5], on.name
