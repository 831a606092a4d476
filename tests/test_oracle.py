"""The oracle against examples worked by hand; T1 to T25 name known disagreements between frameworks."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unpoolx.testing import oracle
from unpoolx.testing.compare import assert_same_bits

NAN, INF = np.float32("nan"), np.float32("inf")


def row(values, dtype="float32"):
    """One batch, one channel, one row: shape (1, n, 1)."""
    return np.array(values, dtype).reshape(1, -1, 1)


def plane(values, dtype="float32"):
    """One batch, one channel, one plane: shape (1, h, w, 1)."""
    return np.array(values, dtype)[None, :, :, None]


ORACLE_FILES = sorted(Path(oracle.__file__).parent.glob("*oracle*.py"))


def imported_modules(source):
    """Every module that a source file imports, relative ones with their dots."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def is_independent(module):
    allowed = {"__future__", "collections.abc", "dataclasses", "fractions", "itertools", "math", "operator", "typing"}
    return module in allowed or module.split(".")[0] == "numpy" or module.startswith("._oracle_")


@pytest.mark.parametrize("path", ORACLE_FILES, ids=lambda path: path.name)
def test_oracle_shares_no_code_with_the_library(path):
    assert [m for m in imported_modules(path.read_text()) if not is_independent(m)] == []


def test_independence_check_sees_the_core():
    for source in ("from .. import _window", "from unpoolx import max_pool", "from .strategies import x"):
        assert not all(is_independent(m) for m in imported_modules(source)), source


def test_oracle_needs_no_hypothesis():
    code = "import sys; sys.modules['hypothesis'] = None; import unpoolx.testing.oracle"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("n", "arguments", "pooled", "before", "after"),
    [
        (6, {"kernel_size": 3, "stride": 2}, 2, 0, 0),
        (6, {"kernel_size": 3, "stride": 2, "ceil_mode": True}, 3, 0, 0),
        (6, {"kernel_size": 3, "stride": 2, "padding": "SAME"}, 3, 0, 1),
        (6, {"kernel_size": 3, "stride": 2, "padding": "SAME_LOWER"}, 3, 1, 0),
        (5, {"kernel_size": 2}, 2, 0, 0),
        (5, {"kernel_size": 2, "ceil_mode": True}, 3, 0, 0),
        (5, {"kernel_size": 3, "dilation": 2, "stride": 1}, 1, 0, 0),
        (7, {"kernel_size": 3, "dilation": 2, "stride": 1, "padding": 2}, 7, 2, 2),
        (5, {"kernel_size": 2, "stride": 3}, 2, 0, 0),
        (5, {"kernel_size": 1, "stride": 3, "padding": "SAME"}, 2, 0, 0),
        (2, {"kernel_size": (1,), "stride": 1, "padding": ((0, 1),), "ceil_mode": True}, 2, 0, 1),
        # the fourth window would start at 6, past the input and its leading padding (5 + 1): dropped
        (5, {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True}, 3, 1, 1),
    ],
)
def test_windows_of_one_axis(n, arguments, pooled, before, after):
    window = oracle.resolve((1, n, 1), **arguments)
    assert (window.pooled, window.before, window.after) == ((pooled,), (before,), (after,))


def test_positions_follow_the_formula():
    window = oracle.resolve((1, 7, 1), (3,), 2, 2, dilation=2)
    assert window.elements()[0,] == {1: (0,), 2: (2,)}
    assert window.elements()[1,] == {0: (0,), 1: (2,), 2: (4,)}


@pytest.mark.parametrize(
    ("shape", "arguments", "error"),
    [
        ((1, 4, 1), {"kernel_size": 5}, ValueError),
        ((1, 4, 1), {"kernel_size": 5, "ceil_mode": True}, ValueError),
        ((1, 4, 1), {"kernel_size": 2, "padding": 2}, ValueError),
        ((1, 1, 1), {"kernel_size": 2, "padding": 1, "dilation": 2}, ValueError),
        ((1, 2, 1), {"kernel_size": 2, "padding": "SAME", "dilation": 3, "stride": 1}, ValueError),
        ((1, 4, 4, 1), {"kernel_size": (2, 2, 2, 2)}, ValueError),
        ((1, 4, 4, 1), {"kernel_size": (2, 2), "stride": (2,)}, ValueError),
        ((1, 0, 1), {"kernel_size": 1}, ValueError),
        ((4, 1), {"kernel_size": 1}, ValueError),
        ((1, 4, 1), {"kernel_size": True}, TypeError),
        ((1, 4, 1), {"kernel_size": 2.0}, TypeError),
        ((1, 4, 1), {"kernel_size": 0}, ValueError),
        ((1, 4, 1), {"kernel_size": 2, "data_format": "NHWC"}, ValueError),
    ],
)
def test_illegal_geometry_raises(shape, arguments, error):
    with pytest.raises(error):
        oracle.resolve(shape, **arguments)


@pytest.mark.parametrize(
    ("data_format", "shape", "parts"),
    [
        ("NHWC", (2, 3, 5, 4), ((2,), 4, (3, 5))),
        ("channels_last", (2, 3, 5, 4), ((2,), 4, (3, 5))),
        ("NCHW", (2, 4, 3, 5), ((2,), 4, (3, 5))),
        ("channels_first", (2, 7, 4, 3, 5), ((2, 7), 4, (3, 5))),
    ],
)
def test_layouts(data_format, shape, parts):
    window = oracle.resolve(shape, (1, 1), data_format=data_format)
    assert (window.batch, window.channels, window.spatial) == parts
    assert window.input_shape == shape


@pytest.mark.parametrize(
    ("values", "dtype", "value", "offset"),
    [
        ([NAN, 1, NAN, 2], "float32", NAN, 0),  # T11
        ([1, NAN, 3, 2], "float32", NAN, 1),  # T12
        ([NAN, NAN, NAN, NAN], "float32", NAN, 0),  # T13
        ([-INF] * 4, "float32", -INF, 0),  # T14
        ([-0.0, 0.0, 0.0, -0.0], "float32", -0.0, 0),  # T15
        ([0.0, -0.0], "float16", 0.0, 0),
        ([0.0, 1e-40], "float32", 1e-40, 1),  # T25a
        ([-1e-40, -0.0], "float32", -0.0, 1),
        ([-128, -128], "int8", -128, 0),
        ([3, 7, 7], "uint8", 7, 1),
        ([2**63 - 2, 2**63 - 1], "int64", 2**63 - 1, 1),
        ([False, True, True], "bool", True, 1),
    ],
)
def test_choice(values, dtype, value, offset):
    x = row(values, dtype)
    before = x.copy()
    got, offsets = oracle.max_pool(x, len(values))
    assert_same_bits(got, row([value], dtype), what="values")
    assert_same_bits(offsets, row([offset], "uint8"), what="offsets")
    assert_same_bits(x, before, what="the argument afterwards")


def test_padding_is_never_chosen():
    values, offsets = oracle.max_pool(row([-INF, -INF]), 2, padding=1)
    assert values.ravel().tolist() == [-INF, -INF]
    assert offsets.ravel().tolist() == [1, 0]
    values, offsets = oracle.max_pool(row([-128, -128], "int8"), 2, padding=1)
    assert values.ravel().tolist() == [-128, -128]
    assert offsets.ravel().tolist() == [1, 0]


def test_complex_cannot_be_pooled():
    with pytest.raises(TypeError):
        oracle.max_pool(np.zeros((1, 2, 1), "complex64"), 2)


@pytest.mark.parametrize(("size", "dtype"), [(256, "uint8"), (257, "int32")])
def test_offsets_dtype(size, dtype):
    _, offsets = oracle.max_pool(row(range(size)), size)
    assert_same_bits(offsets, row([size - 1], dtype), what="offsets")


def test_same_padding_of_tensorflow_and_padding_1():
    x = plane(np.arange(36).reshape(6, 6))  # T19
    values, offsets = oracle.max_pool(x, 3, 2, "SAME")
    assert values.ravel().tolist() == [14, 16, 17, 26, 28, 29, 32, 34, 35]
    indices = oracle.to_indices(offsets, x.shape, "spatial", kernel_size=3, stride=2, padding="SAME")
    assert indices.ravel().tolist() == [14, 16, 17, 26, 28, 29, 32, 34, 35]
    values, _ = oracle.max_pool(x, 3, 2, 1)
    assert values.ravel().tolist() == [7, 9, 11, 19, 21, 23, 31, 33, 35]


def test_overlap_last_and_sum():
    x = plane([[0, 0, 0], [0, 9, 0], [0, 0, 0]])  # T10
    window = {"kernel_size": 2, "stride": 1}
    values, offsets = oracle.max_pool(x, **window)
    assert offsets.ravel().tolist() == [3, 2, 1, 0]
    last = oracle.unpool(values, offsets, spatial_shape=(3, 3), **window)
    assert_same_bits(last, x, what="last")
    total = oracle.unpool(values, offsets, spatial_shape=(3, 3), overlap="sum", **window)
    assert_same_bits(total, x * 4, what="sum")
    assert_same_bits(oracle.gather(x, offsets, **window), values, what="gather")
    gradient = oracle.unpool_last_gradient(x, offsets, **window)
    assert_same_bits(gradient, plane([[0, 0], [0, 9]]), what="gradient of last")


def test_odd_size_comes_back():
    x = plane(np.arange(25).reshape(5, 5))  # T6, T8
    values, offsets = oracle.max_pool(x, 2)
    indices = oracle.to_indices(offsets, x.shape, "spatial", kernel_size=2)
    assert indices.ravel().tolist() == [6, 8, 16, 18]
    result = oracle.unpool(values, offsets, spatial_shape=(5, 5), kernel_size=2)
    assert result.shape == x.shape
    assert sorted(np.flatnonzero(result).tolist()) == [6, 8, 16, 18]
    raw = oracle.unpool_indices(values, indices, output_shape=x.shape, index_format="spatial")
    assert_same_bits(raw, result, what="raw indices")


def overlapping(values, dtype, **more):
    """Sum `values` onto the first element of three by windows of stride 1 and offsets of choice."""
    offsets = np.array([1, 0], "uint8").reshape(1, 2, 1)
    return oracle.unpool(
        row(values, dtype), offsets, spatial_shape=(3,), kernel_size=2, stride=1, overlap="sum", **more
    )


def test_sum_rounds_wraps_and_signs():
    assert overlapping([120, 10], "int8").ravel().tolist() == [0, -126, 0]
    assert overlapping([250, 10], "uint8").ravel().tolist() == [0, 4, 0]
    assert overlapping([-(2**63), -1], "int64").ravel().tolist() == [0, 2**63 - 1, 0]
    assert_same_bits(overlapping([-0.0, -0.0], "float32"), row([0, 0, 0]), what="zeros")  # T25b
    assert_same_bits(overlapping([1.5, -1.5], "float16"), row([0, 0, 0], "float16"), what="cancelled")
    assert_same_bits(overlapping([65504, 65504], "float16"), row([0, INF, 0], "float16"), what="overflow")
    assert_same_bits(overlapping([1 - 2j, -1 + 2j], "complex64"), row([0, 0, 0], "complex64"), what="complex")
    with pytest.raises(TypeError):
        overlapping([True, True], "bool")


def test_half_is_summed_in_float32_and_rounded_once():
    x = row([2048, 1, 1], "float16")  # 2048 + 1 rounds to 2048 in float16, so a narrow sum would lose both
    got = oracle.unpool(x, row([2, 1, 0], "uint8"), spatial_shape=(5,), kernel_size=3, stride=1, overlap="sum")
    assert_same_bits(got, row([0, 0, 2050, 0, 0], "float16"), what="sum")


def test_sum_in_order():
    x = row([1e8, 1, -1e8])  # (1e8 + 1) - 1e8 is 0 in float32; in another order it is 1
    got = oracle.unpool(x, row([2, 1, 0], "uint8"), spatial_shape=(5,), kernel_size=3, stride=1, overlap="sum")
    assert_same_bits(got, row([0, 0, 0, 0, 0]), what="sum")


def test_flushed_sums():
    tiny = np.float32(1e-40)
    assert_same_bits(overlapping([tiny, tiny], "float32"), row([0, tiny + tiny, 0]), what="exact")
    assert_same_bits(overlapping([tiny, tiny], "float32", flush=True), row([0, 0, 0]), what="flushed")
    smallest = np.finfo("float32").smallest_normal
    window = {"spatial_shape": (3,), "kernel_size": 2, "stride": 1}
    bits = oracle.unpool_sum_bits(row([smallest * 1.5, -smallest]), row([1, 0], "uint8"), **window)
    assert bits.mask.ravel().tolist() == [False, True, False]  # a subnormal partial sum of normal addends
    assert_same_bits(bits.exact, row([0, smallest / 2, 0]), what="exact")
    assert_same_bits(bits.flushed, row([0, 0, 0]), what="flushed")
    half = oracle.unpool_sum_bits(row([1e-7, 1e-7], "float16"), row([1, 0], "uint8"), **window)
    assert not half.mask.any()  # subnormal in float16, but not in float32, where it is summed


def test_switch_shapes_and_padding_are_checked():
    x, offsets = row([1, 2]), row([0, 0], "uint8")
    with pytest.raises(ValueError, match="shape"):
        oracle.unpool(x, offsets, spatial_shape=(7,), kernel_size=2)
    with pytest.raises(ValueError, match="real element"):
        oracle.unpool(x, offsets, spatial_shape=(2,), kernel_size=2, padding=1)


INDEX_EXAMPLES = {  # batch 1, channel 1, (y, x) = (1, 3) of (2, 4, 4, 2): p = 7
    "spatial": 7,
    "tf": 15,
    "tf_batch": 47,
    "onnx": 55,
    "onnx_column_major": 61,
}


@pytest.mark.parametrize("index_format", oracle.INDEX_FORMATS)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_index_formats_by_hand(index_format, data_format):
    shape = (2, 4, 4, 2) if data_format == "channels_last" else (2, 2, 4, 4)
    x = np.zeros(shape, "float32")
    at = (1, 1, 3, 1) if data_format == "channels_last" else (1, 1, 1, 3)
    x[at] = 1
    window = {"kernel_size": 2, "data_format": data_format}
    _, offsets = oracle.max_pool(x, **window)
    indices = oracle.to_indices(offsets, shape, index_format, **window)
    place = (1, 0, 1, 1) if data_format == "channels_last" else (1, 1, 0, 1)
    assert indices[place] == INDEX_EXAMPLES.get(index_format, 3)
    assert indices.dtype == np.int64
    back = oracle.from_indices(indices, shape, index_format, **window)
    assert_same_bits(back, offsets, what=index_format)


@pytest.mark.parametrize(
    ("index_format", "p5", "p7"),
    [("spatial", 5, 7), ("tf", 11, 15), ("onnx", 21, 23), ("onnx_column_major", 21, 29)],
)
def test_index_formats_of_channel_1(index_format, p5, p7):
    x = np.zeros((1, 4, 4, 2), "float32")  # T17
    x[0, 1, 1, 1] = x[0, 1, 3, 1] = 1
    _, offsets = oracle.max_pool(x, 2)
    indices = oracle.to_indices(offsets, x.shape, index_format, kernel_size=2)
    assert indices[0, 0, :, 1].tolist() == [p5, p7]


def test_batch_in_indices():
    x = np.zeros((2, 2, 2, 3), "float32")  # T16
    _, offsets = oracle.max_pool(x, 2)
    first = {f: oracle.to_indices(offsets, x.shape, f, kernel_size=2)[:, 0, 0, 0] for f in oracle.RAW_FORMATS}
    assert first["spatial"].tolist() == [0, 0]
    assert first["tf"].tolist() == [0, 0]
    assert first["tf_batch"].tolist() == first["onnx"].tolist() == [0, 12]


def test_many_batch_axes_are_numbered_row_major():
    x = np.zeros((2, 3, 4, 1), "float32")
    _, offsets = oracle.max_pool(x, (4,))
    indices = oracle.to_indices(offsets, x.shape, "onnx", kernel_size=(4,))
    assert indices.ravel().tolist() == [0, 4, 8, 12, 16, 20]


def test_index_outside_its_window():
    shape = (1, 4, 2)
    good = oracle.to_indices(np.zeros((1, 2, 2), "uint8"), shape, "tf", kernel_size=2)
    assert good.ravel().tolist() == [0, 1, 4, 5]
    for place, wrong in (((0, 0, 0), 1), ((0, 0, 0), 4), ((0, 1, 1), -3), ((0, 1, 1), 2**32 + 5)):
        bad = good.copy()  # of another channel, of another window, negative, too large for 32 bits
        bad[place] = wrong
        with pytest.raises(ValueError, match="1 of 4 indices"):
            oracle.from_indices(bad, shape, "tf", kernel_size=2)


def raw(values, indices, size, **more):
    more = {"index_format": "spatial", "output_shape": (1, size, 1)} | more
    return oracle.unpool_indices(row(values), row(indices, "int64"), **more)


def test_duplicate_raw_indices():
    assert raw([1, 2], [1, 1], 4).ravel().tolist() == [0, 2, 0, 0]  # T1
    assert raw([1, 2], [1, 1], 4, overlap="sum").ravel().tolist() == [0, 3, 0, 0]
    gradient = oracle.unpool_indices_last_gradient(row([5, 6, 7, 8]), row([1, 1], "int64"), index_format="spatial")
    assert gradient.ravel().tolist() == [0, 6]  # T2
    read = oracle.gather_indices(row([5, 6, 7, 8]), row([1, 1], "int64"), index_format="spatial")
    assert read.ravel().tolist() == [6, 6]


@pytest.mark.parametrize("bad", [-1, 4, 2**32 + 3, -(2**63)])
def test_raw_index_out_of_range(bad):
    with pytest.raises(IndexError, match=str(bad)):  # T3, T5
        raw([1, 2], [1, bad], 4)
    assert raw([1, 2], [1, bad], 4, out_of_range="drop").ravel().tolist() == [0, 1, 0, 0]
    x = row([5, 6, 7, 8], "int8")
    read = oracle.gather_indices(x, row([1, bad], "int64"), index_format="spatial", out_of_range="fill")
    assert read.ravel().tolist() == [6, -128]


def test_raw_index_stays_in_its_plane():
    x = np.array([1, 2], "float32").reshape(1, 1, 2)  # T4: one position, two channels, four elements each
    indices = np.array([5, 0]).reshape(1, 1, 2)
    with pytest.raises(IndexError):
        oracle.unpool_indices(x, indices, output_shape=(1, 4, 2), index_format="spatial")
    # In "tf" the number 5 is position 2 of channel 1, whatever channel its value stands in.
    got = oracle.unpool_indices(x, indices, output_shape=(1, 4, 2), index_format="tf")
    assert got[0].tolist() == [[2, 0], [0, 0], [0, 1], [0, 0]]
    # In "onnx" it counts through the planes of (N, C, W): channel 1, position 1.
    got = oracle.unpool_indices(x, indices, output_shape=(1, 4, 2), index_format="onnx")
    assert got[0].tolist() == [[2, 0], [0, 1], [0, 0], [0, 0]]


def test_raw_index_into_another_image():
    x = np.array([1, 2], "float32").reshape(2, 1, 1)
    indices = np.array([4, 0]).reshape(2, 1, 1)
    for index_format in ("tf_batch", "onnx", "onnx_column_major"):
        got = oracle.unpool_indices(x, indices, output_shape=(2, 3, 1), index_format=index_format)
        assert got.ravel().tolist() == [2, 0, 0, 0, 1, 0], index_format
    with pytest.raises(IndexError):
        oracle.unpool_indices(x, indices, output_shape=(2, 3, 1), index_format="tf")


def test_output_larger_than_pooled():
    x = plane([[1, 2], [3, 4]])  # T7
    indices = plane([[5, 7], [13, 15]], "int64")
    got = oracle.unpool_indices(x, indices, output_shape=(1, 5, 5, 1), index_format="spatial")
    assert [tuple(i) for i in np.argwhere(got[0, :, :, 0]).tolist()] == [(1, 0), (1, 2), (2, 3), (3, 0)]


def test_fixed_positions():
    x = plane([[1, 2]])
    got = oracle.unpool_fixed(x, 2)
    assert got[0, :, :, 0].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0]]
    got = oracle.unpool_fixed(x, 3, position="center")
    assert got[0, :, :, 0].tolist() == [[0] * 6, [0, 1, 0, 0, 2, 0], [0] * 6]
    got = oracle.unpool_fixed(row([1, 2]), (2,), 3, position=(1,))
    assert got.ravel().tolist() == [0, 1, 0, 0, 2]  # (2 - 1) * 3 + 2 elements
    got = oracle.unpool_fixed(row([1, 2]), (3,), 2, "SAME", position=(1,))
    assert got.ravel().tolist() == [0, 1, 0, 2]  # 2 * 2 elements, and the extent is the stride
    with pytest.raises(ValueError, match="position"):
        oracle.unpool_fixed(row([1, 2]), (3,), 2, "SAME", position=(2,))


def test_nearest():
    assert oracle.unpool_nearest(row([1, 2]), 2).ravel().tolist() == [1, 1, 2, 2]
    got = oracle.unpool_nearest(plane([[1, 2]]), (2, 1))
    assert got[0, :, :, 0].tolist() == [[1, 2], [1, 2]]


def test_average():
    assert oracle.unpool_average(row([2, 4]), 2).ravel().tolist() == [1, 1, 2, 2]
    assert oracle.unpool_average(row([3, 6]), 3, 2).ravel().tolist() == [1, 1, 3, 2, 2]
    # Total padding 3 - 2 = 1 goes after: the last window has two real elements.
    assert oracle.unpool_average(row([3, 6]), 3, 2, "SAME").ravel().tolist() == [1, 1, 4, 3]
    # Total padding 2: one before, one after.
    assert oracle.unpool_average(row([2, 3, 4]), 3, 1, "SAME").ravel().tolist() == [2, 4, 3]
    assert oracle.unpool_average(row([2, 4]), 1, 2, "SAME").ravel().tolist() == [2, 0, 4, 0]
    with pytest.raises(TypeError):
        oracle.unpool_average(row([2, 4], "int32"), 2)


def test_average_rounds_once():
    x = row([1, 1], "float16")
    third = np.float32(1) / np.float32(3)
    expected = np.array([third, third, third + third, third, third], "float16").reshape(1, 5, 1)
    assert_same_bits(oracle.unpool_average(x, 3, 2), expected, what="float16")
    bits = oracle.unpool_average_sum_bits(row([1e-38, 1]), 2)
    assert bits.mask.ravel().tolist() == [True, True, False, False]
    assert bits.flushed.ravel().tolist() == [0, 0, 0.5, 0.5]
    negative = oracle.unpool_average(row([-6e-8], "float16"), 4)  # a quarter of the least float16: zero
    assert_same_bits(negative, row([0] * 4, "float16"), what="zero without a sign")


def test_empty_batch_and_no_channels():
    for shape in ((0, 4, 3), (2, 4, 0)):
        values, offsets = oracle.max_pool(np.zeros(shape, "float32"), 2)
        assert values.shape == offsets.shape == (shape[0], 2, shape[2])
        assert oracle.unpool(values, offsets, spatial_shape=(4,), kernel_size=2).shape == shape


def test_bfloat16():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = row([256, 1, 1], ml_dtypes.bfloat16)
    values, offsets = oracle.max_pool(x, 3)
    assert_same_bits(values, row([256], ml_dtypes.bfloat16), what="values")
    assert offsets.ravel().tolist() == [0]
    got = oracle.unpool(x, row([2, 1, 0], "uint8"), spatial_shape=(5,), kernel_size=3, stride=1, overlap="sum")
    assert_same_bits(got, row([0, 0, 258, 0, 0], ml_dtypes.bfloat16), what="sum")
