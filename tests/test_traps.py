"""Where the frameworks disagree about pooling and unpooling: one test per trap, each answered as the norm has it.

Each docstring says what the frameworks do and what unpoolx answers. Where a framework's own operation is cheap and
gives the same answer every time, it runs beside ours, so that a conversion is checked against the operation itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Harness

import unpoolx
from unpoolx import Switches, Window
from unpoolx.testing.compare import assert_same_bits

NAN, INFINITY = float("nan"), float("inf")


def plane(values: Any, dtype: str = "float32") -> np.ndarray:
    """One image of one channel, channels last."""
    array = np.asarray(values, dtype)
    return array[None, ..., None]


def scattered(on: Harness, values: Any, indices: Any, shape: tuple[int, ...], **options: Any) -> np.ndarray:
    """`unpool` of one plane by raw spatial indices, as a plane of `shape`."""
    x, index = plane(values), plane(indices, "int64")
    arguments = {"output_shape": (1, *shape, 1), "index_format": "spatial", "data_format": "channels_last", **options}
    return on.numpy(unpoolx.unpool(on.array(x), on.array(index), **arguments))[0, ..., 0]


def compiled(on: Harness, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function inside the framework's compiled code."""
    if on.name == "jax":
        return on.framework.jit(function)
    if on.name == "tf":
        return on.framework.function(function)
    on.framework.compiler.reset()
    return on.framework.compile(function, backend="eager", fullgraph=True)


def gradient(on: Harness, function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """The gradient by x of the sum of `function(x)`."""
    if on.name == "jax":
        return on.numpy(on.framework.grad(lambda x: function(x).sum())(on.array(x)))
    if on.name == "tf":
        variable = on.array(x)
        with on.framework.GradientTape() as tape:
            tape.watch(variable)
            total = on.framework.reduce_sum(function(variable))
        return on.numpy(tape.gradient(total, variable))
    leaf = on.array(x).requires_grad_()
    function(leaf).sum().backward()
    return on.numpy(leaf.grad)


def pool_of(on: Harness, window: Any, **arguments: Any) -> tuple[Any, int]:
    """The pooled value and the offset of a single 2x2 window."""
    values, switches = unpoolx.max_pool(on.array(plane(window)), 2, **arguments)
    return on.numpy(values)[0, 0, 0, 0], int(on.numpy(switches.offsets)[0, 0, 0, 0])


@pytest.mark.rule("U3", "U4", "U5", "U6")
def test_t1_of_two_values_for_one_element_the_last_wins_and_a_sum_is_asked_for(on: Harness) -> None:
    """torch gives 1 or 2 by chance, ONNX Runtime, NumPy and JAX 2, TensorFlow and Keras the sum 3.

    unpoolx: 2 for "last", 3 for "sum", on every backend and at every repetition.
    """
    for _ in range(5):
        assert scattered(on, [1, 2], [1, 1], (4,)).tolist() == [0, 2, 0, 0], f"unpool last on {on.name}"
        assert scattered(on, [1, 2], [1, 1], (4,), overlap="sum").tolist() == [0, 3, 0, 0], f"unpool sum on {on.name}"
    many = np.arange(1, 200_001, dtype=np.float32)
    crowded = scattered(on, many, np.arange(many.size) % 7, (7,))
    assert crowded.tolist() == [float(many[np.arange(many.size) % 7 == slot][-1]) for slot in range(7)], (
        f"unpool last on {on.name}: 200,000 values for seven elements"
    )
    if on.name == "tf":
        theirs = on.framework.scatter_nd([[1], [1]], [1.0, 2.0], [4]).numpy()
        assert theirs.tolist() == [0, 3, 0, 0], "tf.scatter_nd no longer sums"


@pytest.mark.rule("U8")
def test_t2_no_gradient_flows_to_a_value_that_lost(on_framework: Harness) -> None:
    """torch, Paddle and TensorFlow's update give the loser a gradient of 1 for an element that it never set.

    unpoolx: [0, 1] for "last", and [1, 1] for "sum", where both values are in the result.
    """
    on = on_framework
    index, shape = on.array(plane([1, 1], "int64")), {"output_shape": (1, 4, 1), "index_format": "spatial"}
    for overlap, expected in (("last", [0, 1]), ("sum", [1, 1])):
        found = gradient(
            on,
            lambda x, overlap=overlap: unpoolx.unpool(x, index, overlap=overlap, data_format="NWC", **shape),
            plane([1, 2]),
        )
        assert found.ravel().tolist() == expected, f"gradient of unpool {overlap} on {on.name}"
    if on.name == "torch":
        leaf = on.framework.tensor([[1.0, 2.0]], requires_grad=True)
        on.framework.nn.functional.max_unpool1d(leaf, on.framework.tensor([[1, 1]]), 2).sum().backward()
        assert leaf.grad.tolist() == [[1, 1]], "max_unpool1d no longer gives the loser a gradient"
    if on.name == "tf":
        update = on.array(np.array([1, 2], np.float32))
        with on.framework.GradientTape() as tape:
            tape.watch(update)
            y = on.framework.tensor_scatter_nd_update(on.framework.zeros([4]), [[1], [1]], update)
        assert tape.gradient(y, update).numpy().tolist() == [1, 1], "tensor_scatter_nd_update: no longer [1, 1]"


@pytest.mark.rule("R1", "R2")
def test_t3_a_negative_index_is_out_of_range_and_never_wrapped(on: Harness) -> None:
    """torch, TensorFlow and ONNX Runtime refuse -1; torch.compile, JAX and NumPy wrap it; Paddle corrupts memory.

    unpoolx: IndexError in eager mode, and dropped in compiled code.
    """
    with pytest.raises(IndexError, match=r"indices: -1 at \(0, 0, 0\) is out of range .* of length 4"):
        scattered(on, [5, 6], [-1, 1], (4,))
    if on.name == "jax":
        wrapped = on.framework.numpy.zeros(4).at[-1].set(5.0)
        assert wrapped.tolist() == [0, 0, 0, 5], "jax.numpy.at no longer wraps"
    if on.name != "numpy":
        x, index = on.array(plane([5, 6])), on.array(plane([-1, 1], "int64"))
        run = compiled(
            on,
            lambda x, index: unpoolx.unpool(
                x, index, output_shape=(1, 4, 1), index_format="spatial", data_format="channels_last"
            ),
        )
        assert on.numpy(run(x, index)).ravel().tolist() == [0, 6, 0, 0], f"compiled unpool on {on.name}"


@pytest.mark.rule("R1", "R2", "U6")
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_t4_an_index_past_its_plane_never_reaches_the_next_channel(on: Harness, data_format: str) -> None:
    """torch refuses index 5 of a four-element plane; compiled torch and flat scatters write to the next channel.

    unpoolx: IndexError in eager mode; in compiled code the update is dropped.
    """
    x, index = np.array([[[7.0], [8.0]]], np.float32), np.array([[[5], [0]]])
    shape: tuple[int, ...] = (1, 2, 4)
    if data_format == "channels_last":
        x, index, shape = x.transpose(0, 2, 1), index.transpose(0, 2, 1), (1, 4, 2)
    arguments = {"output_shape": shape, "index_format": "spatial", "data_format": data_format}
    with pytest.raises(IndexError, match=r"indices: 5 at .* of length 4"):
        unpoolx.unpool(on.array(x), on.array(index), **arguments)
    if on.name != "numpy":
        run = compiled(on, lambda x, index: unpoolx.unpool(x, index, **arguments))
        result = on.numpy(run(on.array(x), on.array(index)))
        planes = result if data_format == "channels_first" else result.transpose(0, 2, 1)
        assert planes.tolist() == [[[0, 0, 0, 0], [8, 0, 0, 0]]], f"compiled unpool on {on.name}, {data_format}"


@pytest.mark.rule("R1", "R3")
def test_t5_an_index_beyond_32_bits_is_out_of_range_and_not_its_low_half(on: Harness) -> None:
    """torch's max_unpool2d on CUDA writes 2**32 + 3 to slot 3, and JAX without its 64-bit mode truncates it.

    unpoolx: IndexError that shows the whole number.
    """
    for index in (2**32 + 3, 2**40, 2**63 - 1, -(2**32) + 3):
        with pytest.raises(IndexError, match=rf"indices: {index} at .* of length 16"):
            scattered(on, [[1]], [[index]], (4, 4))


@pytest.mark.rule("U1", "S2")
def test_t6_an_odd_size_comes_back_exactly(on: Harness) -> None:
    """torch, Paddle and ONNX Runtime guess 4x4 for 5x5 and fail; tinygrad and TensorFlow Addons shear the picture.

    unpoolx: the switches know 5x5, and every value is where it was.
    """
    x = plane(np.arange(25).reshape(5, 5))
    values, switches = unpoolx.max_pool(on.array(x), 2)
    expected = np.zeros_like(x)
    expected[0, 1::2, 1::2][:2, :2] = x[0, 1::2, 1::2][:2, :2]
    assert_same_bits(on.numpy(unpoolx.unpool(values, switches)), expected, what=f"unpool on {on.name}, 5x5")
    assert on.numpy(switches.to_indices("spatial")).ravel().tolist() == [6, 8, 16, 18], on.name
    if on.name == "torch":
        functional = on.framework.nn.functional
        y, indices = functional.max_pool2d(on.framework.arange(25.0).reshape(1, 1, 5, 5), 2, return_indices=True)
        with pytest.raises(RuntimeError):
            functional.max_unpool2d(y, indices, 2)
        theirs = Switches.from_indices(indices, Window(2, data_format="NCHW"), (1, 1, 5, 5), index_format="spatial")
        back = on.numpy(unpoolx.unpool(y, theirs))
        assert_same_bits(back, expected.transpose(0, 3, 1, 2), what="unpool by torch's own indices, 5x5")


@pytest.mark.rule("U6")
def test_t7_an_index_counts_in_the_plane_of_the_result(on: Harness) -> None:
    """From 4x4 to 5x5, ONNX's reference re-reads the indices as 4 wide; torch, Paddle and ONNX Runtime count in 5x5.

    unpoolx: the index counts in `output_shape`, whatever pooling it came from.
    """
    result = scattered(on, [[1, 2], [3, 4]], [[5, 7], [13, 15]], (5, 5))
    places = {tuple(map(int, place)): result[tuple(place)] for place in np.argwhere(result)}
    assert places == {(1, 0): 1, (1, 2): 2, (2, 3): 3, (3, 0): 4}, f"unpool on {on.name}"


@pytest.mark.rule("U6", "U1")
def test_t8_an_honest_round_trip_with_output_shape_works(on: Harness) -> None:
    """The indices 6, 8, 16, 18 of a 5x5 plane: torch and ONNX Runtime place them; ONNX's reference fails.

    unpoolx: each at its place.
    """
    result = scattered(on, [[1, 2], [3, 4]], [[6, 8], [16, 18]], (5, 5))
    places = {tuple(map(int, place)): result[tuple(place)] for place in np.argwhere(result)}
    assert places == {(1, 1): 1, (1, 3): 2, (3, 1): 3, (3, 3): 4}, f"unpool on {on.name}"


@pytest.mark.rule("W5", "W7", "S2")
def test_t9_dilation_is_no_reason_to_refuse(on: Harness) -> None:
    """7x7, kernel 3, stride 1, dilation 2: torch's max_unpool2d has no dilation and refuses the size.

    unpoolx: the window has the dilation, and the values return to where they were read.
    """
    x = np.random.default_rng(9).permutation(49).reshape(7, 7).astype(np.float32)
    values, switches = unpoolx.max_pool(on.array(plane(x)), 3, stride=1, dilation=2)
    back = on.numpy(unpoolx.unpool(values, switches))[0, ..., 0]
    assert back.shape == (7, 7), on.name
    kept = back != 0
    assert kept.any(), on.name
    assert (back[kept] == x[kept]).all(), f"unpool on {on.name}, dilation 2"
    if on.name == "torch":
        functional = on.framework.nn.functional
        image = on.framework.tensor(x)[None, None]
        y, indices = functional.max_pool2d(image, 3, stride=1, dilation=2, return_indices=True)
        with pytest.raises(ValueError, match="output_size"):
            functional.max_unpool2d(y, indices, 3, stride=1, output_size=(7, 7))
        window = Window(3, 1, dilation=2, data_format="NCHW")
        theirs = Switches.from_indices(indices, window, (1, 1, 7, 7), index_format="spatial")
        assert (on.numpy(theirs.offsets)[0, 0] == on.numpy(switches.offsets)[0, ..., 0]).all()
        assert theirs.to_indices("spatial").equal(indices), "torch's indices do not come back"


@pytest.mark.rule("U3", "U4")
def test_t10_a_peak_in_four_windows_is_kept_or_summed_as_asked(on: Harness) -> None:
    """A peak of 9 in four windows: torch, Paddle, ONNX Runtime 9; Chainer, tinygrad and TensorFlow Addons 36.

    unpoolx: 9 for "last", 36 for "sum".
    """
    x = np.zeros((3, 3))
    x[1, 1] = 9
    values, switches = unpoolx.max_pool(on.array(plane(x)), 2, stride=1)
    for overlap, peak in (("last", 9), ("sum", 36)):
        back = on.numpy(unpoolx.unpool(values, switches, overlap=overlap))[0, ..., 0]
        assert back[1, 1] == peak, f"unpool {overlap} on {on.name}"
        assert np.count_nonzero(back) == 1, f"unpool {overlap} on {on.name}"


@pytest.mark.rule("P2")
def test_t11_the_first_nan_of_several_is_chosen(on: Harness) -> None:
    """[nan, 1, nan, 2]: torch takes the second NaN, argmax, ONNX Runtime and Chainer the first, tf.nn.max_pool2d 2.0.

    unpoolx: the first NaN.
    """
    value, offset = pool_of(on, [[NAN, 1], [NAN, 2]])
    assert np.isnan(value), f"max_pool on {on.name}: {value}"
    assert offset == 0, f"max_pool on {on.name}: offset {offset}"
    if on.name == "torch":
        image = on.framework.tensor([[[[NAN, 1.0], [NAN, 2.0]]]])
        _, indices = on.framework.nn.functional.max_pool2d(image, 2, return_indices=True)
        assert indices.item() == 2, "torch no longer takes the last NaN"


@pytest.mark.rule("P2")
def test_t12_a_nan_wins_over_a_greater_number(on: Harness) -> None:
    """[1, nan, 3, 2]: torch, NumPy, JAX and Chainer take the NaN; TensorFlow, ONNX Runtime, Paddle and tinygrad 3.

    unpoolx: the NaN, offset 1.
    """
    value, offset = pool_of(on, [[1, NAN], [3, 2]])
    assert np.isnan(value), f"max_pool on {on.name}: {value}"
    assert offset == 1, f"max_pool on {on.name}: offset {offset}"


@pytest.mark.rule("P2")
def test_t13_a_window_of_nothing_but_nan_gives_its_first(on: Harness) -> None:
    """torch takes the last, TensorFlow and ONNX Runtime the first; Paddle, OpenVINO and tf.nn.max_pool2d -3.4e38.

    unpoolx: NaN at offset 0.
    """
    for arguments in ({}, {"padding": 1, "stride": 1}):
        values, switches = unpoolx.max_pool(on.array(plane([[NAN, NAN], [NAN, NAN]])), 2, **arguments)
        assert np.isnan(on.numpy(values)).all(), f"max_pool on {on.name}, {arguments}"
    _, offset = pool_of(on, [[NAN, NAN], [NAN, NAN]])
    assert offset == 0, f"max_pool on {on.name}: offset {offset}"
    # With padding, the first *real* element of each window.
    assert on.numpy(switches.offsets)[0, ..., 0].tolist() == [[3, 2, 2], [1, 0, 0], [1, 0, 0]], on.name


@pytest.mark.rule("P5")
def test_t14_padding_is_not_chosen_where_every_real_element_is_minus_infinity(on: Harness) -> None:
    """Most give -inf at 0; Paddle, OpenVINO and tf.nn.max_pool2d -3.4e38, some with the index -1 of no element.

    unpoolx: -inf and the first real element; and the least integer for integers.
    """
    low = np.iinfo("int8").min
    for dtype, least in (("float32", -INFINITY), ("float64", -INFINITY), ("int8", low)):
        x = np.full((2, 2), least, dtype)
        values, switches = unpoolx.max_pool(on.array(plane(x, dtype)), 2, stride=1, padding=1)
        assert (on.numpy(values) == least).all(), f"max_pool on {on.name}, {dtype}"
        offsets = on.numpy(switches.offsets)[0, ..., 0].tolist()
        assert offsets == [[3, 2, 2], [1, 0, 0], [1, 0, 0]], f"max_pool on {on.name}, {dtype}"


@pytest.mark.rule("P3", "P6")
def test_t15_the_two_zeros_are_equal_and_the_first_keeps_its_sign(on: Harness) -> None:
    """[-0, 0, 0, -0]: lax.reduce_window gives +0.0 and keras.ops.argmax 1; torch and TensorFlow -0.0 at 0.

    unpoolx: -0.0 at 0, and for [0, -0, ...] +0.0 at 0.
    """
    for window, negative in (([[-0.0, 0.0], [0.0, -0.0]], True), ([[0.0, -0.0], [-0.0, 0.0]], False)):
        value, offset = pool_of(on, window)
        assert offset == 0, f"max_pool on {on.name}: offset {offset}"
        assert bool(np.signbit(value)) is negative, f"max_pool on {on.name}: {value} of {window}"


@pytest.mark.rule("S2")
def test_t16_each_format_restarts_per_image_or_goes_on_as_its_framework_does(on: Harness) -> None:
    """torch and TensorFlow restart with each image, include_batch_in_index adds H*W*C, and ONNX goes on counting.

    unpoolx: one format for each, over the same switches.
    """
    x = np.zeros((2, 2, 2, 1), np.float32)
    x[:, 1, 0, 0] = 1
    _, switches = unpoolx.max_pool(on.array(x), 2)
    expected = {
        "spatial": [2, 2],
        "tf": [2, 2],
        "tf_batch": [2, 6],
        "onnx": [2, 6],
        "onnx_column_major": [1, 5],
        "window": [2, 2],
    }
    for index_format, numbers in expected.items():
        indices = switches.to_indices(index_format)
        assert on.numpy(indices).ravel().tolist() == numbers, f"to_indices({index_format!r}) on {on.name}"
        back = Switches.from_indices(indices, Window(2), x.shape, index_format=index_format)
        assert back == switches, f"from_indices({index_format!r}) on {on.name}"


@pytest.mark.rule("S2")
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_t17_the_channel_counts_where_its_framework_counts_it(on: Harness, data_format: str) -> None:
    """Element 5 of channel 1 of two is 5 for torch, 11 for TensorFlow, 21 for ONNX; element 7 is 7, 15, 23 or 29.

    unpoolx: these, in either data format.
    """
    for p, numbers in (
        (5, {"spatial": 5, "tf": 11, "tf_batch": 11, "onnx": 21, "onnx_column_major": 21}),
        (7, {"spatial": 7, "tf": 15, "tf_batch": 15, "onnx": 23, "onnx_column_major": 29}),
    ):
        x = np.zeros((1, 2, 16), np.float32)
        x[0, 1, p] = 1
        x = x.reshape(1, 2, 4, 4)
        x = x if data_format == "channels_first" else x.transpose(0, 2, 3, 1)
        _, switches = unpoolx.max_pool(on.array(x), 4, data_format=data_format)
        for index_format, number in numbers.items():
            indices = on.numpy(switches.to_indices(index_format)).ravel()
            assert indices[1] == number, f"to_indices({index_format!r}) on {on.name}, {data_format}"


@pytest.mark.rule("W3", "F1")
def test_t18_without_a_stride_the_windows_lie_side_by_side(on: Harness) -> None:
    """Two values, kernel 2: torch's default stride, the kernel, gives 4 elements; ONNX's default of 1 gives 3.

    unpoolx: the stride is the kernel everywhere, 4 elements.
    """
    x = on.array(plane([1, 2]))
    assert Window(2).output_shape((1, 4, 1)) == (1, 2, 1)
    for function in (unpoolx.unpool_fixed, unpoolx.unpool_average, unpoolx.unpool_nearest):
        assert on.numpy(function(x, 2)).shape == (1, 4, 1), f"{function.__name__} on {on.name}"
    assert on.numpy(unpoolx.unpool_fixed(x, 2, 1)).shape == (1, 3, 1), f"unpool_fixed on {on.name}, stride 1"


@pytest.mark.rule("W4")
def test_t19_same_padding_goes_after_and_a_number_goes_both_ways(on: Harness) -> None:
    """6x6, kernel 3, stride 2: TensorFlow's SAME pads after alone, torch's padding=1 on both sides.

    unpoolx: "SAME" is TensorFlow's, 1 is torch's, and "SAME_LOWER" is ONNX's, which pads before here.
    """
    x = plane(np.arange(36).reshape(6, 6))
    same = [[14, 16, 17], [26, 28, 29], [32, 34, 35]]
    one = [[7, 9, 11], [19, 21, 23], [31, 33, 35]]
    for padding, expected in (("SAME", same), (1, one), ("SAME_LOWER", one)):
        values, switches = unpoolx.max_pool(on.array(x), 3, 2, padding)
        assert on.numpy(values)[0, ..., 0].tolist() == expected, f"max_pool on {on.name}, {padding}"
        assert on.numpy(switches.to_indices("spatial"))[0, ..., 0].tolist() == expected, f"{on.name}, {padding}"
    if on.name == "tf":
        theirs = on.framework.nn.max_pool2d(on.array(x), 3, 2, "SAME")
        assert theirs.numpy()[0, ..., 0].tolist() == same
    if on.name == "torch":
        theirs = on.framework.nn.functional.max_pool2d(on.array(x[..., 0]), 3, 2, 1)
        assert theirs.tolist()[0] == one


@pytest.mark.rule("P7", "U1")
@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64", "bool"])
def test_t20_integers_are_pooled_and_unpooled(on: Harness, dtype: str) -> None:
    """torch on a CPU and ONNX Runtime pool int32 and cannot unpool it.

    unpoolx: both ways for every dtype.
    """
    x = plane([[0, 1], [1, 0]], dtype)
    values, switches = unpoolx.max_pool(on.array(x), 2)
    back = on.numpy(unpoolx.unpool(values, switches))
    assert_same_bits(back, plane([[0, 1], [0, 0]], dtype), what=f"unpool on {on.name}, {dtype}")
    if on.name == "torch" and dtype == "int32":
        functional = on.framework.nn.functional
        y, indices = functional.max_pool2d(on.array(x[..., 0]), 2, return_indices=True)
        with pytest.raises(RuntimeError, match="not implemented"):
            functional.max_unpool2d(y, indices, 2)


@pytest.mark.rule("U5")
def test_t21_torchs_deterministic_mode_is_no_obstacle() -> None:
    """With use_deterministic_algorithms, torch's max_unpool2d raises even where no index comes twice.

    unpoolx: runs, since it is deterministic in any mode.
    """
    torch = pytest.importorskip("torch")
    x = torch.arange(16.0).reshape(1, 4, 4, 1)
    values, switches = unpoolx.max_pool(x, 2)
    index = switches.to_indices("spatial")
    plain = [
        unpoolx.unpool(values, switches),
        unpoolx.unpool(values, switches, overlap="sum"),
        unpoolx.unpool(values, index, output_shape=x.shape, index_format="spatial", data_format="NHWC"),
    ]
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError, match="deterministic"):
            torch.nn.functional.max_unpool2d(values[..., 0], index[..., 0], 2)
        again = [
            unpoolx.unpool(values, switches),
            unpoolx.unpool(values, switches, overlap="sum"),
            unpoolx.unpool(values, index, output_shape=x.shape, index_format="spatial", data_format="NHWC"),
        ]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(a.equal(b) for a, b in zip(plain, again, strict=True))


@pytest.mark.rule("R2", "S6")
def test_t22_xla_inside_tensorflow_pools_with_switches_and_drops_what_is_out_of_range() -> None:
    """tf.nn.max_pool_with_argmax has no kernel under jit_compile=True, and scatter_nd drops indices silently there.

    unpoolx: pools, unpools, and drops, as in any compiled code.
    """
    tf = pytest.importorskip("tensorflow")
    x = np.random.default_rng(22).permutation(16).reshape(1, 4, 4, 1).astype(np.float32)

    @tf.function(jit_compile=True)
    def there_and_back(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, 2)
        return values, switches, unpoolx.unpool(values, switches)

    values, switches, back = there_and_back(tf.constant(x))
    ours, kept = unpoolx.max_pool(x, 2)
    assert_same_bits(values.numpy(), ours, what="max_pool in XLA")
    assert switches.to("numpy") == kept
    assert_same_bits(back.numpy(), unpoolx.unpool(ours, kept), what="unpool in XLA")

    @tf.function(jit_compile=True)
    def scattered(x: Any, index: Any) -> Any:
        return unpoolx.unpool(x, index, output_shape=(1, 4, 1), index_format="spatial", data_format="NWC")

    dropped = scattered(tf.constant(plane([1, 2, 3])), tf.constant(plane([-1, 4, 2], "int64")))
    assert dropped.numpy().ravel().tolist() == [0, 0, 3, 0]


@pytest.mark.rule("U6", "S2")
def test_t23_indices_may_have_any_integer_dtype(on: Harness) -> None:
    """torch's max_unpool2d takes int64 alone, torch.scatter and Paddle int32 as well, TensorFlow int32 and int64.

    unpoolx: every integer dtype, raw or in `from_indices`.
    """
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        index = on.array(plane([[1, 2]], dtype))
        arguments = {"output_shape": (1, 1, 4, 1), "index_format": "spatial", "data_format": "channels_last"}
        result = on.numpy(unpoolx.unpool(on.array(plane([[5, 6]])), index, **arguments))
        assert result.ravel().tolist() == [0, 5, 6, 0], f"unpool on {on.name}, indices of {dtype}"
        switches = Switches.from_indices(index, Window((1, 2)), (1, 1, 4, 1), index_format="spatial")
        assert on.numpy(switches.offsets).ravel().tolist() == [1, 0], f"from_indices on {on.name}, {dtype}"


@pytest.mark.rule("W10")
@pytest.mark.parametrize("shape", [(1, 0, 4, 4), (0, 2, 4, 4), (0, 0, 4, 4)])
def test_t24_no_channels_or_no_batch_is_an_empty_result(on: Harness, shape: tuple[int, ...]) -> None:
    """torch's max_unpool2d refuses an input without channels, and accepts one without batch entries.

    unpoolx: both are legal, and the results are empty.
    """
    pooled = (*shape[:2], 2, 2)
    values, switches = unpoolx.max_pool(on.array(np.zeros(shape, np.float32)), 2, data_format="NCHW")
    index = switches.to_indices("onnx")
    results = {
        "max_pool": (values, pooled),
        "to_indices": (index, pooled),
        "unpool last": (unpoolx.unpool(values, switches), shape),
        "unpool sum": (unpoolx.unpool(values, switches, overlap="sum"), shape),
        "unpool raw": (
            unpoolx.unpool(values, index, output_shape=shape, index_format="onnx", data_format="NCHW"),
            shape,
        ),
        "gather": (unpoolx.gather(on.array(np.zeros(shape, np.float32)), switches), pooled),
        "unpool_fixed": (unpoolx.unpool_fixed(values, 2, data_format="NCHW"), shape),
        "unpool_nearest": (unpoolx.unpool_nearest(values, 2, data_format="NCHW"), shape),
        "unpool_average": (unpoolx.unpool_average(values, 2, data_format="NCHW"), shape),
    }
    for function, (result, expected) in results.items():
        assert on.numpy(result).shape == expected, f"{function} on {on.name}, {shape}"
    back = Switches.from_indices(index, Window(2, data_format="NCHW"), shape, index_format="onnx")
    assert back == switches, f"from_indices on {on.name}, {shape}"


@pytest.mark.rule("S1", "S3")
def test_t25_an_index_beyond_what_a_float_mask_can_count_is_kept(on: Harness) -> None:
    """Caffe and MediaPipe keep the index in a float32, which loses it beyond 2**24.

    unpoolx: integers; element 2**24 + 1 comes back as 2**24 + 1.
    """
    x = np.zeros(2**24 + 2, np.int8)
    x[[1, 2**23, 2**24 + 1]] = 1
    values, switches = unpoolx.max_pool(on.array(plane(x, "int8")), 2, stride=2**23)
    indices = switches.to_indices("spatial")
    assert on.numpy(indices).ravel().tolist() == [1, 2**23, 2**24 + 1], f"to_indices on {on.name}"
    arguments = {"output_shape": (1, x.size, 1), "index_format": "spatial", "data_format": "NWC"}
    back = on.numpy(unpoolx.unpool(values, indices, **arguments))
    assert_same_bits(back, plane(x, "int8"), what=f"unpool on {on.name}, 2**24 + 2 elements")


@pytest.mark.rule("P4", "P6", "U5")
def test_t25a_subnormal_numbers_are_what_they_are(on: Harness) -> None:
    """JAX and TensorFlow on a CPU take 1e-40 for zero in comparisons, and tf.scatter_nd loses it.

    unpoolx: 1e-40 > 0 > -1e-40, and the bits come through pooling, unpooling and reading. Only a sum may flush.
    """
    small = np.float32(1e-40)
    value, offset = pool_of(on, [[0, small], [0, 0]])
    assert offset == 1, f"max_pool on {on.name}: offset {offset}"
    assert value.tobytes() == small.tobytes(), f"max_pool on {on.name}: {value}"
    value, offset = pool_of(on, [[-small, -small], [-small, 0]])
    assert offset == 3, f"max_pool on {on.name}: offset {offset}"
    x = plane([[0, small], [0, 0]])
    values, switches = unpoolx.max_pool(on.array(x), 2)
    assert_same_bits(on.numpy(unpoolx.unpool(values, switches)), x, what=f"unpool on {on.name}, 1e-40")
    assert_same_bits(on.numpy(unpoolx.gather(on.array(x), switches)), plane([[small]]), what=f"gather on {on.name}")
    raw = scattered(on, [small, -small], [3, 0], (4,))
    assert_same_bits(raw, np.array([-small, 0, 0, small], np.float32), what=f"raw unpool on {on.name}, 1e-40")
    nearest = on.numpy(unpoolx.unpool_nearest(on.array(plane([small])), 2))
    assert_same_bits(nearest, plane([small, small]), what=f"unpool_nearest on {on.name}, 1e-40")
    summed = scattered(on, [small, small], [1, 1], (4,), overlap="sum")
    assert summed[1] in (0, 2 * small), f"unpool sum on {on.name}: {summed}"


@pytest.mark.rule("U4", "U3")
def test_t25b_a_sum_of_minus_zero_is_plus_zero_and_an_assignment_keeps_the_sign(on: Harness) -> None:
    """Adding -0.0 onto zeros gives +0.0, assigning it keeps the sign, and XLA folds `0 + x` to x.

    unpoolx: +0.0 for "sum" and -0.0 for "last", in eager mode and inside compiled code.
    """

    def both(x: Any) -> tuple[Any, ...]:
        values, switches = unpoolx.max_pool(x, 2)
        results = [unpoolx.unpool(values, switches, overlap=overlap) for overlap in ("last", "sum")]
        index = switches.to_indices("spatial")
        arguments = {"output_shape": (1, 2, 2, 1), "index_format": "spatial", "data_format": "NHWC"}
        return (*results, *(unpoolx.unpool(values, index, overlap=o, **arguments) for o in ("last", "sum")))

    x = on.array(plane([[-0.0, -1], [-1, -1]]))
    for run in (both,) if on.name == "numpy" else (both, compiled(on, both)):
        signs = [bool(np.signbit(on.numpy(result)[0, 0, 0, 0])) for result in run(x)]
        assert signs == [True, False, True, False], f"unpool last, sum, raw last, raw sum on {on.name}: {signs}"


@pytest.mark.rule("U1", "U6", "S4")
def test_t26_the_size_is_known_or_given_and_no_range_of_sizes_is_guessed(on: Harness) -> None:
    """torch allows an output_size less than one stride from its default; MindSpore includes one stride exactly.

    unpoolx: the switches know the size. With `from_indices`, any size fits that pools to the indices' shape; with
    raw indices, any size at all.
    """
    indices = on.array(plane([0, 2, 4], "int64"))
    x = on.array(plane([1, 2, 3]))
    for size in (6, 7):
        switches = Switches.from_indices(indices, Window(2), (1, size, 1), index_format="spatial")
        assert on.numpy(unpoolx.unpool(x, switches)).shape == (1, size, 1), f"unpool on {on.name}, {size}"
    for size in (4, 5, 8):
        with pytest.raises(ValueError, match=r"indices: expected the pooled shape"):
            Switches.from_indices(indices, Window(2), (1, size, 1), index_format="spatial")
    for size in (5, 8, 100):
        result = scattered(on, [1, 2, 3], [0, 2, 4], (size,))
        assert np.flatnonzero(result).tolist() == [0, 2, 4], f"raw unpool on {on.name}, {size}"
    if on.name == "torch":
        functional = on.framework.nn.functional
        y, index = x[..., 0], indices[..., 0]
        with pytest.raises(ValueError, match="output_size"):
            functional.max_unpool1d(y, index, 2, output_size=(8,))
        assert functional.max_unpool1d(y, index, 2, output_size=(7,)).shape[-1] == 7


GEOMETRIES = {
    "plain": {"kernel_size": (2, 2)},
    "overlapping": {"kernel_size": (3, 2), "stride": (1, 2)},
    "padded": {"kernel_size": (3, 3), "stride": (2, 2), "padding": 1},
    "dilated": {"kernel_size": (2, 2), "stride": (1, 2), "dilation": (2, 3)},
    "ceil": {"kernel_size": (2, 3), "stride": (2, 3), "padding": (1, 0), "ceil_mode": True},
}


@pytest.mark.rule("S2", "L4")
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_torchs_own_indices_are_the_format_spatial(on: Harness, geometry: str, rank: int) -> None:
    """F.max_pool1d, 2d and 3d hand out `h*W + w` in the unpadded plane.

    unpoolx: `from_indices` makes of them the switches that `max_pool` finds, and `to_indices` gives them back.
    """
    torch = pytest.importorskip("torch")
    arguments = dict(GEOMETRIES[geometry])
    for name in ("kernel_size", "stride", "padding", "dilation"):
        value = arguments.get(name)
        if isinstance(value, tuple):
            arguments[name] = (value + value)[:rank]
    shape = (2, 3, 7, 8, 6)[: rank + 2]
    x = np.random.default_rng(rank).permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)
    operation = getattr(torch.nn.functional, f"max_pool{rank}d")
    y, indices = operation(torch.tensor(x), return_indices=True, **arguments)
    window = Window(**{**arguments, "padding": arguments.get("padding", 0)}, data_format="channels_first")
    switches = Switches.from_indices(on.array(indices.numpy()), window, shape, index_format="spatial")
    values, ours = unpoolx.max_pool(on.array(x), window)
    what = f"{operation.__name__} against {on.name}, {shape}, {arguments}"
    assert_same_bits(on.numpy(values), y.numpy(), what=what)
    assert switches == ours, what
    assert_same_bits(on.numpy(switches.to_indices("spatial")), indices.numpy(), what=what)


@pytest.mark.rule("S2", "L4")
@pytest.mark.parametrize("include_batch", [False, True])
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_tensorflows_own_indices_are_the_formats_tf_and_tf_batch(
    on: Harness, padding: str, include_batch: bool
) -> None:
    """tf.nn.max_pool_with_argmax hands out `(h*W + w)*C + c`, with include_batch_in_index the whole flat number.

    unpoolx: `from_indices` makes of them the switches that `max_pool` finds, and `to_indices` gives them back.
    """
    tf = pytest.importorskip("tensorflow")
    shape = (2, 6, 7, 3)
    x = np.random.default_rng(5).permutation(252).reshape(shape).astype(np.float32)
    y, indices = tf.nn.max_pool_with_argmax(x, (3, 2), (2, 2), padding, include_batch_in_index=include_batch)
    index_format = "tf_batch" if include_batch else "tf"
    window = Window((3, 2), (2, 2), padding)
    values, ours = unpoolx.max_pool(on.array(x), window)
    switches = Switches.from_indices(on.array(indices.numpy()), window, shape, index_format=index_format)
    what = f"max_pool_with_argmax against {on.name}, {padding}, {index_format}"
    assert_same_bits(on.numpy(values), y.numpy(), what=what)
    assert switches == ours, what
    assert_same_bits(on.numpy(switches.to_indices(index_format)), indices.numpy(), what=what)


@pytest.mark.rule("S2")
@pytest.mark.parametrize("storage_order", [0, 1])
def test_onnxs_own_indices_are_the_formats_onnx_and_onnx_column_major(on: Harness, storage_order: int) -> None:
    """ONNX numbers over the whole (N, C, H, W), with storage_order=1 column by column inside a plane.

    unpoolx: `from_indices` makes of them the switches that `max_pool` finds, and `to_indices` gives them back.
    """
    shape = (2, 3, 6, 5)
    x = np.random.default_rng(storage_order).permutation(180).reshape(shape).astype(np.float32)
    window = Window((2, 2), (2, 1), data_format="NCHW")
    values, ours = unpoolx.max_pool(on.array(x), window)
    index_format = "onnx_column_major" if storage_order else "onnx"
    # Every value of x is its own: where it stands is its number.
    order = x.transpose(0, 1, 3, 2) if storage_order else x
    number_of = np.argsort(order.ravel())
    expected = number_of[on.numpy(values).astype(int)]
    what = f"{index_format} on {on.name}"
    assert (on.numpy(ours.to_indices(index_format)) == expected).all(), what
    assert Switches.from_indices(on.array(expected), window, shape, index_format=index_format) == ours, what
    reference = pytest.importorskip("onnx.reference", reason="the operation itself is in the package onnx")
    from onnx import TensorProto, helper

    node = helper.make_node(
        "MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2], strides=[2, 1], storage_order=storage_order
    )
    graph = helper.make_graph(
        [node],
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("i", TensorProto.INT64, None),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    y, indices = reference.ReferenceEvaluator(model).run(None, {"x": x})
    assert_same_bits(on.numpy(values), y, what=what)
    assert (indices == expected).all(), f"{what}: onnx.reference numbers otherwise"


@pytest.mark.rule("S1", "S2")
def test_chainers_and_xnnpacks_indices_are_the_offsets_themselves(on: Harness) -> None:
    """Chainer, MediaPipe and XNNPACK number inside the window, `ky*kw + kx`.

    unpoolx: the format "window", and in the plane `y = oy*sh - ph + ky`, `x = ox*sw - pw + kx`.
    """
    x = np.random.default_rng(4).permutation(30).reshape(5, 6).astype(np.float32)
    _, switches = unpoolx.max_pool(on.array(plane(x)), (3, 2), (2, 1), (1, 1))
    offsets = on.numpy(switches.to_indices("window"))[0, ..., 0].astype(int)
    assert (offsets == on.numpy(switches.offsets)[0, ..., 0]).all(), on.name
    rows, columns = np.indices(offsets.shape)
    y, z = rows * 2 - 1 + offsets // 2, columns - 1 + offsets % 2
    assert (on.numpy(switches.to_indices("spatial"))[0, ..., 0] == y * 6 + z).all(), on.name
    back = Switches.from_indices(
        on.array(plane(offsets, "int32")), Window((3, 2), (2, 1), (1, 1)), (1, 5, 6, 1), index_format="window"
    )
    assert back == switches, on.name


@pytest.mark.rule("S2", "W9")
def test_matlabs_indices_are_no_format_and_are_refused_by_name(on: Harness) -> None:
    """MATLAB counts from one, column by column. unpoolx has no such format, and says which ones it has."""
    _, switches = unpoolx.max_pool(on.array(np.zeros((1, 4, 4, 1), np.float32)), 2)
    with pytest.raises(ValueError, match=r"index_format: expected one of 'spatial', .*'window'; got 'matlab'"):
        switches.to_indices("matlab")
