"""Bad input is refused in our words: what was expected, what came, and by the argument's name, on every backend."""

from __future__ import annotations

import array
import decimal
import fractions
import functools
import importlib.util
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import BACKENDS, FRAMEWORKS, Harness
from hypothesis import given, settings
from hypothesis import strategies as st

import unpoolx
from unpoolx import Switches, Window
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst

LISTED = (TypeError, ValueError, IndexError, OverflowError)
# What only our messages say. A framework's error that passes through has none of it.
OURS = re.compile(r"expected |is out of range for axis|needs indices up to|is not installed")


def image(shape: tuple[int, ...] = (1, 4, 4, 1), dtype: str = "float32") -> np.ndarray:
    """An array with a number of its own at each element."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


def refuses(error: type[Exception], message: str, function: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    """The call raises this error of ours, with a message that matches."""
    with pytest.raises(error, match=message) as raised:
        function(*arguments, **more)
    assert OURS.search(str(raised.value)), f"a foreign text: {raised.value}"


# Windows


@pytest.mark.rule("W8", "W9")
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (
            {"kernel_size": 5},
            (
                "kernel_size: expected at most 4 elements, the padded length, in one window; got a window of 5 on "
                "spatial axis {axis} of length 4"
            ),
        ),
        (
            {"kernel_size": 7, "padding": (1, 1)},
            (
                "kernel_size: expected at most 6 elements, .* got a window of 7 on spatial axis {axis} of length 4.*"
                r"padding \(1, 1\)"
            ),
        ),
        ({"kernel_size": 2, "dilation": 4}, "kernel_size: expected at most 4 .*window of 5 on spatial axis {axis}"),
        (
            {"kernel_size": 2, "stride": 2, "padding": (2, 0)},
            (
                "padding: expected every window to cover at least one element .* window 0 covers only padding on "
                r"spatial axis {axis} of length 4, .* padding \(2, 0\)"
            ),
        ),
        (
            {"kernel_size": 2, "stride": 1, "padding": (0, 3)},
            (
                "padding: expected every window to cover at least one element .* window 5 covers only padding on "
                "spatial axis {axis} of length 4"
            ),
        ),
        ({"kernel_size": 10**9}, "kernel_size: expected at most 4 elements.*on spatial axis {axis}"),
        ({"kernel_size": 10**30}, "kernel_size: expected at most 4 elements.*on spatial axis {axis}"),
        ({"kernel_size": 2, "dilation": 10**30}, "kernel_size: expected at most 4 elements.*on spatial axis {axis}"),
        ({"kernel_size": 2, "padding": (10**7, 10**7)}, "padding: expected .*on spatial axis {axis}"),
        ({"kernel_size": 2, "padding": (10**30, 10**30)}, "padding: expected .*on spatial axis {axis}"),
    ],
)
def test_a_window_that_does_not_fit_is_refused_with_argument_axis_and_lengths(
    on: Harness, axis: int, faulty: dict[str, Any], message: str
) -> None:
    sound = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": (0, 0)}
    arguments = {
        name: tuple(faulty.get(name, value) if i == axis else value for i in range(2)) for name, value in sound.items()
    }
    refuses(ValueError, message.replace("{axis}", str(axis)), unpoolx.max_pool, on.array(image()), **arguments)
    refuses(ValueError, message.replace("{axis}", str(axis)), Window(**arguments).output_shape, (1, 4, 4, 1))


@pytest.mark.rule("W8")
def test_a_spatial_axis_of_length_zero_has_no_window(on: Harness) -> None:
    for shape, kernel in (((1, 0, 4, 1), (1, 1)), ((1, 4, 0, 1), 2), ((2, 0, 3), 1)):
        refuses(ValueError, r"of length 0", unpoolx.max_pool, on.array(image(shape)), kernel)


@pytest.mark.rule("W8")
def test_a_dilated_window_that_steps_over_the_input_is_refused(on: Harness) -> None:
    refuses(
        ValueError,
        "padding: expected every window to cover .* window 0 covers only padding on spatial axis 0 of length 1",
        unpoolx.max_pool,
        on.array(image((1, 1, 1))),
        2,
        dilation=2,
        padding=1,
    )


WORDS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"kernel_size": 0}, ValueError, r"kernel_size: expected an integer >= 1; got 0"),
    ({"kernel_size": -2}, ValueError, r"kernel_size: expected an integer >= 1; got -2"),
    ({"kernel_size": 2.0}, TypeError, r"kernel_size: expected an integer >= 1; got float: 2\.0"),
    ({"kernel_size": True}, TypeError, r"kernel_size: expected an integer >= 1; got bool: True"),
    ({"kernel_size": np.True_}, TypeError, r"kernel_size: expected an integer >= 1; got bool"),
    ({"kernel_size": np.float32(2)}, TypeError, r"kernel_size: expected an integer >= 1; got float32"),
    ({"kernel_size": np.str_("2")}, TypeError, r"kernel_size: expected an integer >= 1; got str_"),
    ({"kernel_size": np.array([2, 2])}, TypeError, r"kernel_size: expected an integer >= 1; got ndarray"),
    ({"kernel_size": "2"}, TypeError, r"kernel_size: expected an integer >= 1; got str: '2'"),
    ({"kernel_size": None}, TypeError, r"kernel_size: expected an integer >= 1; got NoneType: None"),
    ({"kernel_size": ()}, ValueError, r"kernel_size: expected an integer per spatial axis; got an empty tuple"),
    ({"kernel_size": (2, 0)}, ValueError, r"kernel_size\[1\]: expected an integer >= 1; got 0"),
    ({"kernel_size": (2, "2")}, TypeError, r"kernel_size\[1\]: expected an integer >= 1; got str"),
    ({"kernel_size": ((2, 2), 2)}, TypeError, r"kernel_size\[0\]: expected an integer >= 1; got tuple"),
    ({"stride": 0}, ValueError, r"stride: expected an integer >= 1; got 0"),
    ({"stride": (1, -1)}, ValueError, r"stride\[1\]: expected an integer >= 1; got -1"),
    ({"stride": 1.5}, TypeError, r"stride: expected an integer >= 1; got float: 1\.5"),
    ({"stride": False}, TypeError, r"stride: expected an integer >= 1; got bool: False"),
    ({"stride": (1, 1, 1)}, ValueError, r"stride: expected 2 values, one per spatial axis.*kernel_size.* got 3"),
    ({"stride": (1,)}, ValueError, r"stride: expected 2 values, one per spatial axis.*kernel_size.* got 1"),
    ({"dilation": 0}, ValueError, r"dilation: expected an integer >= 1; got 0"),
    ({"dilation": 1.0}, TypeError, r"dilation: expected an integer >= 1; got float"),
    ({"dilation": None}, TypeError, r"dilation: expected an integer >= 1; got NoneType"),
    ({"dilation": (1, 1, 1)}, ValueError, r"dilation: expected 2 values.* got 3"),
    ({"padding": -1}, ValueError, r"padding: expected an integer >= 0; got -1"),
    ({"padding": 0.5}, TypeError, r"padding: expected an integer >= 0; got float: 0\.5"),
    ({"padding": None}, TypeError, r"padding: expected an integer >= 0; got NoneType"),
    ({"padding": "same"}, ValueError, r"padding: expected 'VALID', 'SAME', 'SAME_LOWER'.*; got 'same'"),
    ({"padding": np.str_("FULL")}, ValueError, r"padding: expected 'VALID'.*FULL"),
    ({"padding": (0, -1)}, ValueError, r"padding\[1\]: expected an integer >= 0; got -1"),
    ({"padding": ((0, 0), (0, -1))}, ValueError, r"padding\[1\]\[1\]: expected an integer >= 0; got -1"),
    ({"padding": ((0, 0), (0, True))}, TypeError, r"padding\[1\]\[1\]: expected an integer >= 0; got bool"),
    ({"padding": ((0, 0), 0)}, ValueError, r"padding\[1\]: expected a \(before, after\) pair.*; got 0"),
    ({"padding": ((0, 0, 0), (0, 0))}, ValueError, r"padding\[0\]: expected a \(before, after\) pair"),
    ({"padding": ((0, 0),)}, ValueError, r"padding: expected 2 values.* got 1"),
    ({"ceil_mode": 1}, TypeError, r"ceil_mode: expected True or False; got int: 1"),
    ({"ceil_mode": "no"}, TypeError, r"ceil_mode: expected True or False; got str: 'no'"),
    ({"data_format": "NHCW"}, ValueError, r"data_format: expected one of 'channels_last', .*; got 'NHCW'"),
    ({"data_format": "NWC"}, ValueError, r"kernel_size: expected 1 values.*data_format='NWC'.* got 2"),
    ({"data_format": 2}, TypeError, r"data_format: expected a string, one of .*; got int: 2"),
    ({"data_format": None}, TypeError, r"data_format: expected a string, one of .*; got NoneType"),
]


@pytest.mark.rule("W9")
@pytest.mark.parametrize(("faulty", "error", "message"), WORDS, ids=lambda value: str(value)[:50])
def test_a_wrong_number_or_word_is_refused_with_the_arguments_name_and_what_came(
    faulty: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"kernel_size": (2, 2), **faulty}
    refuses(error, message, Window, **arguments)
    refuses(error, message, unpoolx.max_pool, image(), **arguments)


def names_what_is_wrong(fault: Any, message: str) -> bool:
    """Whether the message names an argument that the faulty window changed, or else the shape."""
    rank = len(fault.shape) - 2
    sound = {"kernel_size": (2,) * rank, "stride": (2,) * rank, "padding": "VALID", "dilation": 1}
    sound |= {"data_format": "channels_last"}
    changed = [name for name, value in sound.items() if repr(fault.arguments[name]) != repr(value)]
    return any(name in message for name in changed or ["shape", "of length"])


@pytest.mark.rule("W8", "W9")
@settings(max_examples=2000)
@given(fault=xst.illegal_windows())
def test_every_illegal_window_is_refused_as_the_norm_says(fault: xst.IllegalWindow) -> None:
    for refused in (
        lambda: unpoolx.max_pool(np.zeros(fault.shape, np.float32), **fault.arguments),
        lambda: Window(**fault.arguments).output_shape(fault.shape),
    ):
        with pytest.raises(fault.expected) as raised:
            refused()
        assert OURS.search(str(raised.value)), f"{fault}: a foreign text: {raised.value}"
        assert names_what_is_wrong(fault, str(raised.value)), f"{fault}: it does not name the argument: {raised.value}"


@pytest.mark.rule("W8", "W9")
@settings(max_examples=100)
@given(fault=xst.illegal_windows())
def test_every_backend_refuses_an_illegal_window_alike(on: Harness, fault: xst.IllegalWindow) -> None:
    x = np.zeros(fault.shape, np.float32)
    with pytest.raises(fault.expected) as ours:
        unpoolx.max_pool(x, **fault.arguments)
    with pytest.raises(fault.expected) as theirs:
        unpoolx.max_pool(on.array(x), **fault.arguments)
    assert str(theirs.value) == str(ours.value), f"{on.name}: {fault}"


@pytest.mark.rule("W1", "W9")
def test_an_array_with_too_few_axes_is_refused_with_its_shape(on: Harness) -> None:
    refuses(
        ValueError,
        r"at least 3 axes .*kernel_size=2, a plain int; got shape \(4, 2\)",
        unpoolx.max_pool,
        on.array(image((4, 2))),
        2,
    )
    refuses(
        ValueError,
        r"at least 3 axes \(2 spatial and channels.*kernel_size=\(2, 2\); got shape \(4, 2\)",
        unpoolx.max_pool,
        on.array(image((4, 2))),
        (2, 2),
    )


@pytest.mark.rule("W9")
@pytest.mark.parametrize(
    "beside", [{"stride": 2}, {"padding": "SAME"}, {"dilation": 2}, {"ceil_mode": True}, {"data_format": "NHWC"}]
)
def test_a_window_and_a_second_geometry_beside_it_are_refused(beside: dict[str, Any]) -> None:
    message = r"expected the geometry once: kernel_size is Window\(.*got \(stride, padding, dilation"
    refuses(TypeError, message, unpoolx.max_pool, image(), Window(2), **beside)
    if set(beside) <= {"stride", "padding", "data_format"}:
        refuses(TypeError, message, unpoolx.unpool_fixed, image(), Window(2), **beside)
        refuses(TypeError, message, unpoolx.unpool_average, image(), Window(2), **beside)


# Dtypes


@pytest.mark.rule("P7")
@pytest.mark.parametrize("dtype", xst.COMPLEX_DTYPES)
def test_complex_numbers_have_no_order_to_pool_by(on: Harness, dtype: str) -> None:
    message = rf"x: expected a dtype with an order \(float, integer or bool\); got {dtype}"
    refuses(TypeError, message, unpoolx.max_pool, on.array(image(dtype=dtype)), 2)


@pytest.mark.rule("F4")
@pytest.mark.parametrize("dtype", [*xst.INTEGER_DTYPES, "bool", *xst.COMPLEX_DTYPES])
def test_an_average_is_of_floats_alone(on: Harness, dtype: str) -> None:
    message = rf"x: expected a floating dtype, .*; got {dtype}\. Cast it first"
    refuses(TypeError, message, unpoolx.unpool_average, on.array(image(dtype=dtype)), 2)


@pytest.mark.rule("U4")
def test_bools_have_no_sum(on: Harness) -> None:
    message = r"x: overlap='sum' expected numbers; got bool\. Cast it, or use overlap='last'"
    values, switches = unpoolx.max_pool(on.array(image(dtype="bool")), 2)
    refuses(TypeError, message, unpoolx.unpool, values, switches, overlap="sum")
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
    refuses(TypeError, message, unpoolx.unpool, values, switches.to_indices("spatial"), overlap="sum", **raw)


@pytest.mark.rule("U6", "S2", "S5")
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bool", "complex64"])
def test_indices_that_are_no_integers_are_refused(on: Harness, dtype: str) -> None:
    index = on.array(np.zeros((1, 2, 2, 1), dtype))
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
    x = on.array(image((1, 2, 2, 1)))
    refuses(TypeError, rf"indices: expected integers; got {dtype}", unpoolx.unpool, x, index, **raw)
    for index_format in ("spatial", "window"):
        refuses(
            TypeError,
            rf"indices: expected integers; got {dtype}",
            Switches.from_indices,
            index,
            Window(2),
            (1, 4, 4, 1),
            index_format=index_format,
        )
    refuses(TypeError, rf"offsets: expected integers; got {dtype}", Switches, index, Window(2), (4, 4))


# Switches


@pytest.mark.rule("S4", "R3")
@pytest.mark.parametrize("index_format", oracle.INDEX_FORMATS)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_an_index_outside_its_own_window_is_refused_with_their_number_and_the_first(
    on: Harness, index_format: str, data_format: str
) -> None:
    shape = (2, 4, 4, 2) if data_format == "channels_last" else (2, 2, 4, 4)
    window = Window(2, data_format=data_format)
    x = np.random.default_rng(3).permutation(64).reshape(shape).astype(np.float32)
    indices = on.numpy(unpoolx.max_pool(on.array(x), window)[1].to_indices(index_format)).astype(np.int64)
    wrong = {"negative": -1, "far": 2**32, "farther": 2**63 - 1, "least": -(2**63)}
    if index_format == "window":
        wrong["past the kernel"] = 4
    else:
        wrong["another window"] = int(indices[(1, 1, 1, 1)])
        if index_format != "spatial":  # which knows neither channel nor image
            wrong["another channel"] = int(indices[(0, 0, 0, 1) if data_format == "channels_last" else (0, 1, 0, 0)])
            if index_format != "tf":
                wrong["another image"] = int(indices[1, 0, 0, 0])
    for what, number in wrong.items():
        for places in ([(0, 0, 0, 0)], [(0, 0, 0, 0), (1, 0, 1, 0)]):
            faulty = indices.copy()
            for place in places:
                faulty[place] = number
            bad = [p for p in places if faulty[p] != indices[p]]
            with pytest.raises(ValueError, match=re.escape(str(number))) as raised:
                Switches.from_indices(on.array(faulty), window, shape, index_format=index_format)
            message = str(raised.value)
            told = f"from_indices({index_format!r}) on {on.name}, {what}: {message}"
            assert message.startswith("indices: expected each to lie in its own window"), told
            assert f"{len(bad)} of 16 do not" in message, told
            assert message.endswith(f"The first is {number} at {bad[0]}"), told


@pytest.mark.rule("S4")
@settings(max_examples=40)
@given(data=st.data())
def test_from_indices_refuses_what_the_oracle_refuses(on: Harness, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows(empty=False, large_kernels=False))
    index_format = data.draw(st.sampled_from(oracle.INDEX_FORMATS))
    offsets = data.draw(xst.offsets_for(geometry))
    indices = oracle.to_indices(offsets, input_shape=geometry.shape, index_format=index_format, **geometry.arguments)
    place = tuple(data.draw(st.integers(0, n - 1)) for n in indices.shape)
    indices[place] += data.draw(st.integers(-3, 3) | st.integers(-(2**40), 2**40))
    try:
        expected = oracle.from_indices(
            indices, input_shape=geometry.shape, index_format=index_format, **geometry.arguments
        )
    except ValueError as reason:
        expected = reason
    window, what = Window(**geometry.arguments), f"from_indices({index_format!r}) on {on.name}, {geometry}"
    if isinstance(expected, ValueError):
        message = rf"1 of {indices.size} do not\. The first is {indices[place]} at {re.escape(str(place))}"
        with pytest.raises(ValueError, match=message):
            Switches.from_indices(on.array(indices), window, geometry.shape, index_format=index_format)
    else:
        made = Switches.from_indices(on.array(indices), window, geometry.shape, index_format=index_format)
        assert (on.numpy(made.offsets) == expected).all(), what


@pytest.mark.rule("S4", "S5")
def test_indices_of_another_shape_than_the_pooled_one_are_refused_with_both(on: Harness) -> None:
    for shape in ((1, 2, 1, 1), (1, 4), (2, 2, 2, 1), ()):
        indices = on.array(np.zeros(shape, np.int64))
        for index_format in ("spatial", "window"):
            refuses(
                ValueError,
                rf"indices: expected the pooled shape \(1, 2, 2, 1\) of input_shape=\(1, 4, 4, 1\).*; got "
                rf"{re.escape(str(shape))}",
                Switches.from_indices,
                indices,
                Window(2),
                (1, 4, 4, 1),
                index_format=index_format,
            )
    for shape in ((1, 2, 1, 1), (4,), ()):
        offsets = on.array(np.zeros(shape, np.uint8))
        refuses(
            ValueError,
            rf"offsets: expected the spatial lengths \(2, 2\).*; got shape {re.escape(str(shape))}",
            Switches,
            offsets,
            Window(2),
            (4, 4),
        )


@pytest.mark.rule("S5")
@pytest.mark.parametrize(
    ("offset", "padding"),
    [(4, 0), (-1, 0), (255, 0), (2**32, 0), (2**63 - 1, 0), (0, 1), (1, 1), (2, 1), (-(2**32) + 3, 1)],
)
def test_an_offset_outside_the_kernel_or_in_the_padding_is_refused(on: Harness, offset: int, padding: int) -> None:
    window = Window((2, 2), 2, padding)
    offsets = np.full(window.output_shape((1, 4, 4, 1)), 0, np.int64)
    if padding:
        offsets[:, 0], offsets[:, :, 0], offsets[:, 0, 0] = 2, 1, 3  # the real elements of the windows at the border
        offsets[:, 1:, 0] = 1
        offsets[:, 0, 1:] = 2
    assert Switches(on.array(offsets), window, (4, 4)).spatial_shape == (4, 4)
    offsets[0, 0, 0, 0] = offset
    refuses(
        ValueError,
        rf"offsets: expected each .*1 of {offsets.size} do not.* {offset} at \(0, 0, 0, 0\)",
        Switches,
        on.array(offsets),
        window,
        (4, 4),
    )


@pytest.mark.rule("S5", "W9")
def test_spatial_shape_and_input_shape_are_tuples_of_lengths(on: Harness) -> None:
    indices = on.array(np.zeros((1, 2, 2, 1), np.int64))
    for bad, error in (
        (None, TypeError),
        (4, TypeError),
        ("44", TypeError),
        (b"44", TypeError),
        ({4: 4, 5: 5}, TypeError),
        ((4, 4.0), TypeError),
        ((4, True), TypeError),
        ((4, None), TypeError),
        ((4, -4), ValueError),
        ((4, 0), ValueError),
        ((4,), ValueError),
        ((4, 4, 4), ValueError),
        ((), ValueError),
    ):
        refuses(error, r"spatial_shape|kernel_size|spatial lengths", Switches, indices, Window((2, 2)), bad)
    for bad, error in (
        (None, TypeError),
        (4, TypeError),
        ("1441", TypeError),
        ((1, 4, 4.0, 1), TypeError),
        ((1, 4, "4", 1), TypeError),
        ((1, True, 4, 1), TypeError),
        ((-1, 4, 4, 1), ValueError),
        ((4, 4), ValueError),
    ):
        refuses(
            error,
            r"input_shape|kernel_size",
            Switches.from_indices,
            indices,
            Window((2, 2)),
            bad,
            index_format="spatial",
        )
        refuses(error, r"input_shape|kernel_size", Window((2, 2)).output_shape, bad)


@pytest.mark.rule("S2", "S5", "W9")
@pytest.mark.parametrize("window", [None, 2, (2, 2), "VALID", {"kernel_size": 2}, np.zeros(2)], ids=str)
def test_a_window_that_is_no_window_is_refused(on: Harness, window: Any) -> None:
    indices = on.array(np.zeros((1, 2, 2, 1), np.int64))
    refuses(TypeError, r"window: expected", Switches, indices, window, (4, 4))
    refuses(
        TypeError,
        r"window: expected",
        Switches.from_indices,
        indices,
        window,
        (1, 4, 4, 1),
        index_format="spatial",
    )


@pytest.mark.rule("S2", "U6")
@pytest.mark.parametrize("made_up", ["spacial", "tf_bath", "onnx_columnmajor", "windows", "Spatial", ""])
def test_an_unknown_index_format_is_refused_with_the_nearest_spelling(on: Harness, made_up: str) -> None:
    nearest = {
        "spacial": "spatial",
        "tf_bath": "tf_batch",
        "onnx_columnmajor": "onnx_column_major",
        "windows": "window",
        "Spatial": "spatial",
    }
    hint = rf"\. Did you mean '{nearest[made_up]}'\?" if made_up else ""
    message = rf"index_format: expected one of 'spatial', 'tf', .*; got '{made_up}'"
    _, switches = unpoolx.max_pool(on.array(image()), 2)
    indices = switches.to_indices("spatial")
    refuses(ValueError, message + hint, switches.to_indices, made_up)
    refuses(ValueError, message + hint, Switches.from_indices, indices, Window(2), (1, 4, 4, 1), index_format=made_up)
    hint = hint if made_up != "windows" else ""  # raw indices have no such format
    refuses(
        ValueError,
        message + hint,
        unpoolx.unpool,
        on.array(image((1, 2, 2, 1))),
        indices,
        output_shape=(1, 4, 4, 1),
        index_format=made_up,
    )


@pytest.mark.rule("S2", "W9")
def test_an_index_format_that_is_no_word_is_refused(on: Harness) -> None:
    _, switches = unpoolx.max_pool(on.array(image()), 2)
    for bad in (None, 3, ("spatial",), b"spatial", np.zeros(2)):
        refuses(TypeError, r"index_format: expected one of 'spatial'", switches.to_indices, bad)


# Unpooling


@pytest.mark.rule("U2")
@pytest.mark.parametrize("shape", [(1, 2, 2, 2), (2, 2, 2, 1), (1, 4, 4, 1), (1, 2, 2), (4,), ()])
def test_shapes_that_do_not_fit_are_refused_with_both(on: Harness, shape: tuple[int, ...]) -> None:
    _, switches = unpoolx.max_pool(on.array(image()), 2)
    x = on.array(image(shape))
    got = re.escape(str(shape))
    for overlap in ("last", "sum"):
        message = rf"x: expected the shape of the switches, \(1, 2, 2, 1\); got {got}"
        refuses(ValueError, message, unpoolx.unpool, x, switches, overlap=overlap)
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
    message = rf"indices: expected the shape of x, {got}; got \(1, 2, 2, 1\)"
    refuses(ValueError, message, unpoolx.unpool, x, switches.to_indices("spatial"), **raw)
    if shape != (1, 4, 4, 1):
        message = rf"x: expected the shape \(1, 4, 4, 1\) of the input of the pooling .*; got {got}"
        refuses(ValueError, message, unpoolx.gather, x, switches)


@pytest.mark.rule("U3", "W9")
@pytest.mark.parametrize(
    "overlap", ["first", "max", "LAST", "", None, 1, ("last",), np.array(["last", "sum"])], ids=str
)
def test_an_unknown_rule_for_overlaps_is_refused(on: Harness, overlap: Any) -> None:
    values, switches = unpoolx.max_pool(on.array(image()), 2)
    message = r"overlap: expected 'last' or 'sum'; got "
    with pytest.raises((ValueError, TypeError), match=message):
        unpoolx.unpool(values, switches, overlap=overlap)


@pytest.mark.rule("U6")
def test_switches_and_a_second_description_beside_them_are_refused(on: Harness) -> None:
    values, switches = unpoolx.max_pool(on.array(image()), 2)
    for beside in ({"output_shape": (1, 4, 4, 1)}, {"index_format": "spatial"}, {"data_format": "NHWC"}):
        (name,) = beside
        message = rf"{name}: expected None, since Switches carry it; got "
        refuses(TypeError, message, unpoolx.unpool, values, switches, **beside)


@pytest.mark.rule("U7")
def test_gather_wants_switches_and_says_how_to_make_them(on: Harness) -> None:
    for bad in (on.array(np.zeros((1, 2, 2, 1), np.int64)), [[0]], None, Window(2), "spatial"):
        message = r"switches: expected Switches; got .*Switches\.from_indices makes them"
        refuses(TypeError, message, unpoolx.gather, on.array(image()), bad)


@pytest.mark.rule("U6")
def test_raw_indices_without_their_description_are_refused(on: Harness) -> None:
    x, index = on.array(image((1, 2, 2, 1))), on.array(np.zeros((1, 2, 2, 1), np.int64))
    for given_ in ({}, {"output_shape": (1, 4, 4, 1)}, {"index_format": "spatial"}):
        message = r"expected Switches, or raw indices with output_shape= and index_format=; got "
        refuses(TypeError, message, unpoolx.unpool, x, index, **given_)
    for bad, error, message in (
        (16, TypeError, r"output_shape: expected the full shape of the result, a tuple; got 16"),
        ("1441", TypeError, r"output_shape"),
        ((1, 4, 4.0, 1), TypeError, r"output_shape\[2\]: expected an integer >= 0; got float"),
        ((1, True, 4, 1), TypeError, r"output_shape\[1\]: expected an integer >= 0; got bool"),
        ((1, 4, -4, 1), ValueError, r"output_shape\[2\]: expected an integer >= 0; got -4"),
        ((4, 4), ValueError, r"output_shape: expected a batch axis, spatial axes and channels; got \(4, 4\)"),
        ((), ValueError, r"output_shape: expected a batch axis, spatial axes and channels; got \(\)"),
    ):
        refuses(error, message, unpoolx.unpool, x, index, output_shape=bad, index_format="spatial")
    refuses(
        ValueError,
        r"index_format: expected one of 'spatial', .*'onnx_column_major'; got 'window'",
        unpoolx.unpool,
        x,
        index,
        output_shape=(1, 4, 4, 1),
        index_format="window",
    )


@pytest.mark.rule("U6")
def test_a_layout_that_the_shapes_leave_open_is_asked_for_and_never_guessed(on: Harness) -> None:
    x, index = on.array(image((1, 2, 2, 2))), on.array(np.zeros((1, 2, 2, 2), np.int64))
    refuses(
        ValueError,
        r"data_format: expected 'channels_last' or 'channels_first', since the shapes leave it open; "
        r"x has shape \(1, 2, 2, 2\), output_shape is \(1, 2, 4, 2\)",
        unpoolx.unpool,
        x,
        index,
        output_shape=(1, 2, 4, 2),
        index_format="spatial",
    )
    for data_format in ("channels_last", "channels_first"):
        result = unpoolx.unpool(x, index, output_shape=(1, 2, 4, 2), index_format="spatial", data_format=data_format)
        assert on.numpy(result).shape == (1, 2, 4, 2), f"unpool on {on.name}, {data_format}"


@pytest.mark.rule("U6")
@pytest.mark.parametrize(
    ("shape", "more", "message"),
    [
        ((2, 4, 4, 2), {}, r"output_shape: expected the batch and the channels of x; x has shape \(1, 2, 2, 2\), "),
        ((1, 4, 4, 3), {}, r"output_shape: expected the batch and the channels of x"),
        ((1, 4, 2), {}, r"output_shape: expected the batch and the channels of x"),
        ((1, 1, 4, 4, 2), {}, r"output_shape: expected the batch and the channels of x"),
        ((1, 4, 4, 2), {"data_format": "NCHW"}, r"output_shape: expected .* where data_format='NCHW' has them"),
        ((1, 4, 4, 2), {"data_format": "NWC"}, r"data_format='NWC'"),
        ((1, 4, 4, 2), {"data_format": "NHCW"}, r"data_format: expected one of 'channels_last'.*; got 'NHCW'"),
        ((1, 4, 4, 2), {"data_format": 3}, r"data_format: expected a string"),
    ],
)
def test_an_output_shape_that_shares_no_batch_and_channels_with_x_is_refused(
    on: Harness, shape: tuple[int, ...], more: dict[str, Any], message: str
) -> None:
    x, index = on.array(image((1, 2, 2, 2))), on.array(np.zeros((1, 2, 2, 2), np.int64))
    with pytest.raises((ValueError, TypeError), match=message):
        unpoolx.unpool(x, index, output_shape=shape, index_format="spatial", **more)


@pytest.mark.rule("F1", "F2", "F4")
@pytest.mark.parametrize("name", ["unpool_fixed", "unpool_average"])
def test_unpooling_without_switches_takes_plain_windows_alone(on: Harness, name: str) -> None:
    function, x = getattr(unpoolx, name), on.array(image())
    for padding in (1, 0, (1, 1), "SAME_LOWER", ((0, 1), (0, 1))):
        message = r"padding: expected 'VALID' or 'SAME' without switches; got "
        refuses(ValueError, message, function, x, (2, 2), padding=padding)
    for window in (Window(2, dilation=2), Window((2, 2), dilation=(1, 2)), Window(2, ceil_mode=True)):
        message = r"kernel_size: expected a window without dilation and ceil_mode where there are no switches"
        refuses(ValueError, message, function, x, window)
    for shape in ((1, 0, 2, 1), (2, 3, 0, 1)):
        message = rf"x: expected at least one value on each spatial axis; got shape {re.escape(str(shape))}"
        refuses(ValueError, message, function, on.array(image(shape)), 2)
    refuses(ValueError, r"at least 3 axes .*kernel_size=2.*got shape \(4, 4\)", function, on.array(image((4, 4))), 2)
    refuses(ValueError, r"kernel_size: expected an integer >= 1; got 0", function, x, 0)
    refuses(TypeError, r"stride: expected an integer >= 1; got float", function, x, 2, 1.0)


@pytest.mark.rule("F2")
@pytest.mark.parametrize(
    ("position", "more", "error", "message"),
    [
        ("middle", {}, ValueError, r"position: expected 'corner', 'center' or one int per spatial axis; got 'middle'"),
        (1, {}, TypeError, r"position: expected 'corner', 'center' or one int per spatial axis; got 1"),
        (None, {}, TypeError, r"position: expected 'corner', 'center' or one int per spatial axis; got None"),
        ((0,), {}, ValueError, r"position: expected 2 ints, one per spatial axis; got \(0,\)"),
        ((0, 2), {}, ValueError, r"position\[1\]: expected an int in range\(2\), the window's extent; got 2"),
        ((3, 0), {"kernel_size": (3, 3)}, ValueError, r"position\[0\]: expected an int in range\(3\).*; got 3"),
        ((2, 0), {"kernel_size": 3, "stride": 2, "padding": "SAME"}, ValueError, r"position\[0\]: .*range\(2\).*got 2"),
        ((0, -1), {}, ValueError, r"position\[1\]: expected an integer >= 0; got -1"),
        ((0, 1.0), {}, TypeError, r"position\[1\]: expected an integer >= 0; got float"),
        ((0, True), {}, TypeError, r"position\[1\]: expected an integer >= 0; got bool"),
    ],
)
def test_a_position_outside_the_window_is_refused(
    on: Harness, position: Any, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"kernel_size": 2, **more, "position": position}
    refuses(error, message, unpoolx.unpool_fixed, on.array(image((1, 2, 2, 1))), **arguments)


@pytest.mark.rule("F3")
@pytest.mark.parametrize(
    ("scale", "error", "message"),
    [
        (0, ValueError, r"scale: expected an integer >= 1; got 0"),
        (-1, ValueError, r"scale: expected an integer >= 1; got -1"),
        (2.0, TypeError, r"scale: expected an integer >= 1; got float"),
        (True, TypeError, r"scale: expected an integer >= 1; got bool"),
        ("2", TypeError, r"scale: expected an integer >= 1; got str"),
        (None, TypeError, r"scale: expected an integer >= 1; got NoneType"),
        ((), (ValueError, TypeError), r"scale: expected"),
        ((2, 0), ValueError, r"scale\[1\]: expected an integer >= 1; got 0"),
        ((2, 1.5), TypeError, r"scale\[1\]: expected an integer >= 1; got float"),
        (Window(2), TypeError, r"scale: expected an integer >= 1; got Window"),
        ((2, 2, 2, 2), ValueError, r"at least 5 axes .*got shape \(1, 2, 2, 1\)"),
    ],
)
def test_a_scale_that_is_no_positive_integer_is_refused(on: Harness, scale: Any, error: Any, message: str) -> None:
    refuses(error, message, unpoolx.unpool_nearest, on.array(image((1, 2, 2, 1))), scale)


@pytest.mark.rule("F3", "W9")
def test_a_wrong_number_of_scales_is_refused_by_the_name_scale(on: Harness) -> None:
    x = on.array(image((1, 2, 2, 1)))
    refuses(ValueError, r"scale: expected 2", unpoolx.unpool_nearest, x, (2, 2, 2), data_format="NHWC")
    refuses(ValueError, r"scale", unpoolx.unpool_nearest, on.array(image((4, 4))), 2)


# Out of range


FLAT = {"spatial": "plane", "tf": "image", "tf_batch": "array", "onnx": "array", "onnx_column_major": "array"}


@pytest.mark.rule("R1", "R3", "U6")
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("index_format", FLAT)
def test_a_raw_index_out_of_range_is_refused_with_index_axis_and_length(
    on: Harness, index_format: str, data_format: str
) -> None:
    last = data_format == "channels_last"
    shape, pooled = ((2, 4, 3, 2), (2, 1, 2, 2)) if last else ((2, 2, 4, 3), (2, 2, 1, 2))
    length = {"spatial": 12, "tf": 24}.get(index_format, 48)
    raw = {"output_shape": shape, "index_format": index_format, "data_format": data_format}
    x = on.array(image(pooled))
    for index in (length, length + 1, -1, -length, 2**31, 2**32, 2**32 + 1, 2**40 + 3, 2**63 - 1, -(2**63)):
        indices = np.zeros(pooled, np.int64)
        indices[1, 0, 0, 1] = index
        for overlap in ("last", "sum"):
            refuses(
                IndexError,
                rf"indices: {index} at \(1, 0, 0, 1\) is out of range for axis 'flat {FLAT[index_format]}' of length "
                rf"{length} \(index_format='{index_format}'.*; 1 of {indices.size} are",
                unpoolx.unpool,
                x,
                on.array(indices),
                overlap=overlap,
                **raw,
            )
    indices = np.full(pooled, length - 1, np.int64)
    assert on.numpy(unpoolx.unpool(x, on.array(indices), **raw)).shape == shape, "the last index is in range"


@pytest.mark.rule("R1", "R3")
@pytest.mark.parametrize("dtype", xst.INTEGER_DTYPES)
def test_out_of_range_is_decided_in_every_integer_dtype(on: Harness, dtype: str) -> None:
    info = np.iinfo(dtype)
    raw = {"output_shape": (1, 5, 1), "index_format": "spatial", "data_format": "NWC"}
    for index in {int(info.max), 5, int(info.min)} - {0}:
        indices = on.array(np.array([[[0], [index]]], dtype))
        message = rf"indices: {index} at \(0, 1, 0\) is out of range .* of length 5 "
        refuses(IndexError, message, unpoolx.unpool, on.array(image((1, 2, 1))), indices, **raw)
        refuses(
            ValueError,
            rf"indices: .*1 of 2 do not\. The first is {index} at \(0, 1, 0\)",
            Switches.from_indices,
            indices,
            Window(2),
            (1, 5, 1),
            index_format="spatial",
        )


@pytest.mark.rule("R3", "R1")
@pytest.mark.parametrize("index", [2**63, 2**64 - 1, 2**63 + 3, 2**32 + 1, 2**64 - 2**32])
def test_an_unsigned_index_beyond_the_signed_range_is_out_of_range_and_shown_whole(on: Harness, index: int) -> None:
    x = on.array(image((1, 2, 1)))
    raw = {"output_shape": (1, 4, 1), "index_format": "spatial"}
    indices = on.array(np.array([[[index], [2]]], np.uint64))
    message = rf"indices: {index} at \(0, 0, 0\) is out of range for axis 'flat plane' of length 4 .*; 1 of 2 are"
    refuses(IndexError, message, unpoolx.unpool, x, indices, **raw)
    for index_format, fine in (("spatial", 2), ("window", 0)):
        indices = on.array(np.array([[[index], [fine]]], np.uint64))
        message = rf"1 of 2 do not\. The first is {index} at \(0, 0, 0\)"
        refuses(ValueError, message, Switches.from_indices, indices, Window(2), (1, 4, 1), index_format=index_format)


@pytest.mark.rule("R1")
def test_a_result_without_elements_has_no_index_in_range(on: Harness) -> None:
    for shape in ((1, 0, 1), (1, 0, 4, 1)):
        pooled = (1, 2, *(4 for _ in shape[3:]), 1)
        index = on.array(np.zeros(pooled, np.int64))
        raw = {"output_shape": shape, "index_format": "spatial", "data_format": "channels_last"}
        refuses(IndexError, r"indices: 0 at .* of length 0", unpoolx.unpool, on.array(image(pooled)), index, **raw)


# Huge numbers


@pytest.mark.rule("W9", "W8")
@pytest.mark.parametrize("huge", [2**62, 2**63, 10**30])
def test_a_result_that_no_array_can_hold_is_refused_in_our_words(on: Harness, huge: int) -> None:
    x, index = on.array(image((1, 2, 2, 1))), on.array(np.zeros((1, 2, 2, 1), np.int64))
    for what, call in {
        "unpool_fixed kernel_size": lambda: unpoolx.unpool_fixed(x, huge),
        "unpool_fixed stride": lambda: unpoolx.unpool_fixed(x, 2, huge),
        "unpool_average kernel_size": lambda: unpoolx.unpool_average(x, huge),
        "unpool_nearest scale": lambda: unpoolx.unpool_nearest(x, huge),
        "unpool output_shape": lambda: unpoolx.unpool(
            x, index, output_shape=(1, huge, 2, 1), index_format="spatial", data_format="NHWC"
        ),
        "max_pool padding": lambda: unpoolx.max_pool(x, 2, padding=huge),
    }.items():
        with pytest.raises((ValueError, OverflowError)) as raised:
            call()
        assert OURS.search(str(raised.value)), f"{what} on {on.name}: a foreign text: {raised.value}"
        assert what.split()[1] in str(raised.value), f"{what} on {on.name}: {raised.value}"


@pytest.mark.rule("W5", "W7")
@pytest.mark.parametrize("stride", [1000, 2**31, 2**40, 2**62, 10**30])
def test_a_stride_beyond_the_array_leaves_one_window_and_costs_nothing(on: Harness, stride: int) -> None:
    x = image()
    for padding in (0, 1):
        values, switches = unpoolx.max_pool(on.array(x), (2, 2), stride, padding)
        expected, offsets = oracle.max_pool(x, (2, 2), 4 + padding, padding)
        what = f"on {on.name}, stride {stride}, padding {padding}"
        assert (on.numpy(values) == expected).all(), f"max_pool {what}"
        assert (on.numpy(switches.offsets) == offsets).all(), f"max_pool {what}"
        if stride > 2**31:
            continue  # the same window; what follows has no stride left that could matter
        for overlap in ("last", "sum"):
            back = on.numpy(unpoolx.unpool(values, switches, overlap=overlap))
            assert np.count_nonzero(back) == np.count_nonzero(expected), f"unpool {overlap} {what}"
        assert (on.numpy(unpoolx.gather(on.array(x), switches)) == expected).all(), f"gather {what}"


# Backends


def pairs() -> list[tuple[str, str]]:
    return [(a, b) for a in BACKENDS for b in BACKENDS if a != b]


@pytest.mark.rule("B3")
@pytest.mark.parametrize(("mine", "other"), pairs())
def test_arrays_of_two_frameworks_need_backend_to_say_whose_the_result_is(mine: str, other: str) -> None:
    for name in (mine, other):
        pytest.importorskip(FRAMEWORKS[name])
    a, b = Harness.of(mine, "cpu"), Harness.of(other, "cpu")
    values, switches = unpoolx.max_pool(a.array(image()), 2)
    foreign = b.array(image((1, 2, 2, 1)))
    message = rf"backend= to say which one .* got x of {other}, switches of {mine}"
    refuses(TypeError, message, unpoolx.unpool, foreign, switches)
    refuses(TypeError, message, unpoolx.gather, b.array(image()), switches)
    message = rf"backend= to say which one .* got x of {other}, indices of {mine}"
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
    refuses(TypeError, message, unpoolx.unpool, foreign, switches.to_indices("spatial"), **raw)
    for name in (mine, other):
        assert unpoolx.get_backend(unpoolx.unpool(foreign, switches, backend=name)).name == name
    assert values is not None


def on_second_device(on: Harness, x: np.ndarray) -> tuple[Any, str, str]:
    """x on another device than that of `on.array`, and the names of the two devices."""
    if on.name == "jax":
        return on.framework.device_put(x, on.framework.devices()[1]), "cpu:0", "cpu:1"
    if on.name == "tf":
        with on.framework.device("CPU:1"):
            return on.framework.identity(on.framework.constant(x)), "CPU:0", "CPU:1"
    return on.framework.tensor(x, device="meta"), "cpu", "meta"


@pytest.mark.rule("B4")
def test_arguments_on_two_devices_are_refused_with_both(on_framework: Harness) -> None:
    on = on_framework
    if on.device != "cpu":
        pytest.skip("the two devices are CPUs")
    _, switches = unpoolx.max_pool(on.array(image()), 2)
    y, first, second = on_second_device(on, image((1, 2, 2, 1)))
    x, *_ = on_second_device(on, image())
    message = rf"expected every array on one device; got x on {second}, switches on {first}"
    for overlap in ("last", "sum"):
        refuses(ValueError, message, unpoolx.unpool, y, switches, overlap=overlap)
    refuses(ValueError, message, unpoolx.gather, x, switches)
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
    message = rf"expected every array on one device; got x on {second}, indices on {first}"
    refuses(ValueError, message, unpoolx.unpool, y, switches.to_indices("spatial"), **raw)
    masks = () if on.name == "torch" else (np.array([True]),)  # the meta device holds no numbers to be counted
    for numbers in (np.array([0]), *masks):
        index, *_ = on_second_device(on, numbers)
        message = rf"expected every array on one device; got x on {first}, index on {second}"
        refuses(ValueError, message, unpoolx.index_get, on.array(image()), index)
        refuses(ValueError, message, unpoolx.index_update, on.array(image()), index, 0)


@pytest.mark.rule("B4")
def test_the_device_follows_the_arguments(on_framework: Harness) -> None:
    on = on_framework
    if on.device != "cpu":
        pytest.skip("the two devices are CPUs")
    if on.name == "torch":
        pytest.skip("PyTorch has one CPU device; its meta device holds no numbers")
    x, _, second = on_second_device(on, image())
    host, kept = unpoolx.max_pool(image(), 2)
    values, switches = unpoolx.max_pool(x, 2)
    device = on.backend.device
    indices = switches.to_indices("spatial")
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
    results = {
        "max_pool": values,
        "offsets": switches.offsets,
        "to_indices": indices,
        "from_indices": Switches.from_indices(indices, Window(2), (1, 4, 4, 1), index_format="spatial").offsets,
        "gather": unpoolx.gather(x, switches),
        "unpool": unpoolx.unpool(values, switches),
        "unpool sum": unpoolx.unpool(values, switches, overlap="sum"),
        "unpool raw": unpoolx.unpool(values, indices, **raw),
        "unpool raw sum": unpoolx.unpool(values, indices, overlap="sum", **raw),
        "unpool_fixed": unpoolx.unpool_fixed(values, 2),
        "unpool_nearest": unpoolx.unpool_nearest(values, 2),
        "unpool_average": unpoolx.unpool_average(values, 2),
        "a NumPy argument beside it": unpoolx.unpool(values, kept, backend=on.name),
        "a NumPy array beside the switches": unpoolx.unpool(host, switches, backend=on.name),
        "a list beside it": unpoolx.unpool(values, np.asarray(kept.to_indices("spatial")).tolist(), **raw),
        "Switches.to(like=)": kept.to(on.name, like=x).offsets,
    }
    for what, result in results.items():
        assert device(result) == second, f"{what} on {on.name}: {device(result)}"


@pytest.mark.rule("B5")
@pytest.mark.parametrize(
    ("name", "nearest"), [("nunpy", "numpy"), ("jaxx", "jax"), ("tourch", "torch"), ("tensorflo", "tensorflow")]
)
def test_an_unknown_backend_is_refused_with_those_that_are_installed_and_the_nearest(name: str, nearest: str) -> None:
    installed = ", ".join(repr(n) for n in BACKENDS if importlib.util.find_spec(FRAMEWORKS[n]))
    message = rf"backend: expected one of {installed}.*; got '{name}'\. Did you mean '{nearest}'\?"
    refuses(ValueError, message, unpoolx.get_backend, name)
    refuses(ValueError, message, unpoolx.max_pool, image(), 2, backend=name)
    refuses(ValueError, message, unpoolx.unpool_nearest, image(), 2, backend=name)
    refuses(ValueError, message, unpoolx.max_pool(image(), 2)[1].to, name)


@pytest.mark.rule("B5")
def test_a_backend_that_is_no_name_is_refused() -> None:
    for bad in (3, True, ["numpy"], np, b"numpy", np.zeros(3)):
        refuses(TypeError, r"backend: expected a name, such as 'numpy', or None; got ", unpoolx.max_pool, image(), 2,
                backend=bad)  # fmt: skip
    switches = unpoolx.max_pool(image(), 2)[1]
    for bad in (3, None, ["numpy"], np.zeros(3)):
        refuses(TypeError, r"backend: expected a name", switches.to, bad)


# A module finder that does not find them: what importlib sees where a package is not installed.
BLOCKER = """
    import importlib.machinery, sys
    class Without(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name.partition(".")[0] in {absent!r}:
                return None
            return importlib.machinery.PathFinder.find_spec(name, path, target)
    sys.meta_path = [Without if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]
"""


def in_a_process(code: str, absent: tuple[str, ...] = ()) -> str:
    """What the code prints in a fresh Python, in which some packages are not installed."""
    script = textwrap.dedent(BLOCKER.format(absent=absent)) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.rule("B5", "B7")
def test_a_framework_that_is_not_installed_is_named_with_what_installs_it() -> None:
    out = in_a_process(
        """
        import numpy as np, unpoolx
        for name, spelling, framework in (
            ("tf", "tensorflow", "tensorflow"), ("jax", "jax", "jax"), ("torch", "pytorch", "torch")
        ):
            x = np.zeros((1, 4, 4, 1), np.float32)
            _, switches = unpoolx.max_pool(x, 2)
            for call in (
                lambda: unpoolx.get_backend(name),
                lambda: unpoolx.get_backend(spelling),
                lambda: unpoolx.max_pool(x, 2, backend=name),
                lambda: unpoolx.unpool_nearest(x, 2, backend=spelling),
                lambda: switches.to(name),
            ):
                try:
                    call()
                except ModuleNotFoundError as error:
                    expected = f"needs {framework}, which is not installed: pip install 'unpoolx[{name}]'"
                    assert expected in str(error), error
                    assert error.name == framework, error.name
                else:
                    raise AssertionError(f"{name}: no error")
        told = {info.name: info for info in unpoolx.backends()}
        assert told["numpy"].installed and told["numpy"].version == np.__version__ and told["numpy"].error is None
        for name in ("tf", "jax", "torch"):
            info = told[name]
            assert (info.installed, info.version, info.devices) == (False, None, ()), info
            assert info.install == f"pip install 'unpoolx[{name}]'", info
            assert info.install in info.error, info
        try:
            unpoolx.get_backend("made up")
        except ValueError as error:
            assert "expected one of 'numpy'" in str(error) and "'torch'" not in str(error), error
        print("fine")
        """,
        absent=("tensorflow", "jax", "jaxlib", "torch"),
    )
    assert out.strip() == "fine"


@pytest.mark.rule("B2", "S3", "R3")
def test_jax_without_its_64_bit_mode_refuses_what_it_cannot_hold() -> None:
    pytest.importorskip("jax")
    out = in_a_process(
        """
        import numpy as np, jax, jax.numpy as jnp, unpoolx
        from unpoolx import Switches, Window
        assert not jax.config.jax_enable_x64

        def refused(error, words, call):
            try:
                call()
            except error as reason:
                assert all(word in str(reason) for word in words), reason
            else:
                raise AssertionError(f"no {error.__name__}")

        image = np.arange(16.0).reshape(1, 4, 4, 1)
        for dtype in ("float64", "int64", "uint64"):
            x = image.astype(dtype)
            words = ("x: expected one of the dtypes", f"got {dtype}", "jax_enable_x64", dtype.replace("64", "32"))
            for call in (
                lambda: unpoolx.max_pool(x, 2, backend="jax"),
                lambda: unpoolx.unpool_fixed(x, 2, backend="jax"),
                lambda: unpoolx.unpool_nearest(x, 2, backend="jax"),
                lambda: unpoolx.unpool_average(x, 2, backend="jax") if dtype == "float64" else unpoolx.max_pool(
                    x, 2, backend="jax"
                ),
                lambda: unpoolx.unpool(x[:, :2, :2], unpoolx.max_pool(x, 2)[1], backend="jax"),
                lambda: unpoolx.gather(x, unpoolx.max_pool(x, 2)[1], backend="jax"),
            ):
                refused(TypeError, words, call)
        refused(TypeError, ("complex128", "complex64"), lambda: unpoolx.unpool_nearest(image + 0j, 2, backend="jax"))

        values, switches = unpoolx.max_pool(jnp.asarray(image, "float32"), 2)
        indices = switches.to_indices("spatial")
        assert indices.dtype == "int32", indices.dtype
        assert indices.ravel().tolist() == [5, 7, 13, 15], indices
        raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
        host = np.asarray(indices).astype(np.int64)
        assert (unpoolx.unpool(values, host, backend="jax", **raw) == unpoolx.unpool(values, switches)).all()
        back = Switches.from_indices(host, Window(2), (1, 4, 4, 1), index_format="spatial")
        assert back.to("jax") == switches
        for number in (2**32 + 1, 2**32, -1, 2**63 - 1):
            wrong = host.copy()
            wrong[0, 0, 0, 0] = number
            refused(
                IndexError,
                (f"indices: {number} at (0, 0, 0, 0)", "length 16"),
                lambda: unpoolx.unpool(values, wrong, backend="jax", **raw),
            )
            refused(IndexError, (f"indices: {number}",), lambda: unpoolx.unpool(values, wrong.tolist(), **raw))
        for number in (2**32 - 1, 2**31, 16):
            wrong = jnp.asarray(np.full(host.shape, number, np.uint32))
            refused(IndexError, (f"indices: {number} at",), lambda: unpoolx.unpool(values, wrong, **raw))
            refused(
                ValueError,
                (f"4 of 4 do not. The first is {number} at",),
                lambda: Switches.from_indices(wrong, Window(2), (1, 4, 4, 1), index_format="spatial"),
            )

        # More elements than int32 can number: the batch is only in the shape.
        shape = (2**16, 2**8, 2**8, 1)
        many = Switches.trusted(jnp.zeros((2**16, 1, 1, 1), "int32"), Window((2**8, 2**8)), (2**8, 2**8))
        assert many.to_indices("tf").dtype == "int32"
        for index_format in ("tf_batch", "onnx", "onnx_column_major"):
            words = ("needs indices up to 4294967295", "int32 cannot hold", "jax_enable_x64", index_format)
            refused(OverflowError, words, lambda: many.to_indices(index_format))
            x = jnp.zeros((2**16, 1, 1, 1), "int8")
            zero = jnp.zeros((2**16, 1, 1, 1), "int32")
            refused(
                OverflowError,
                words,
                lambda: unpoolx.unpool(x, zero, output_shape=shape, index_format=index_format, data_format="NHWC"),
            )
        print("fine")
        """
    )
    assert out.strip() == "fine"


# What is no dense numeric array


class Thing:
    """An object that is nobody's array."""

    def __repr__(self) -> str:
        return "Thing()"


def _junk() -> dict[str, Callable[[], Any]]:
    """Things that are no dense numeric array, by name."""
    junk: dict[str, Callable[[], Any]] = {
        "None": lambda: None,
        "a string": lambda: "abc",
        "bytes": lambda: b"abc",
        "a dict": dict,
        "a set": lambda: {1, 2},
        "a range": lambda: range(4),
        "a generator": lambda: (i for i in range(4)),
        "an object": Thing,
        "a function": lambda: len,
        "a type": lambda: int,
        "a module": lambda: np,
        "a dtype": lambda: np.dtype("float32"),
        "a memoryview": lambda: memoryview(b"abc"),
        "an array.array": lambda: array.array("f", [1.0]),
        "a Decimal": lambda: decimal.Decimal(1),
        "a Fraction": lambda: fractions.Fraction(1, 2),
        "a window": lambda: Window(2),
        "a slice": lambda: slice(None),
        "Ellipsis": lambda: ...,
        "a list of strings": lambda: [[["a"], ["b"]]],
        "a list of None": lambda: [[[None], [None]]],
        "a list of objects": lambda: [Thing()],
        "a ragged list": lambda: [[1, 2], [3]],
        "a list of huge integers": lambda: [[[10**30]]],
        "a huge integer": lambda: 10**30,
        "strings": lambda: np.full((1, 4, 4, 1), "a"),
        "bytes strings": lambda: np.full((1, 4, 4, 1), b"a"),
        "objects": lambda: np.full((1, 4, 4, 1), None, object),
        "numbers as objects": lambda: image().astype(object),
        "dates": lambda: np.zeros((1, 4, 4, 1), "M8[s]"),
        "durations": lambda: np.zeros((1, 4, 4, 1), "m8[s]"),
        "a structured array": lambda: np.zeros((1, 4, 4, 1), [("a", "i4")]),
        "void": lambda: np.zeros((1, 4, 4, 1), "V4"),
        "long doubles": lambda: np.zeros((1, 4, 4, 1), np.longdouble),
        "a masked array": lambda: np.ma.masked_array(image(), image() > 3),
        "a masked constant": lambda: np.ma.masked,
        "a record": lambda: np.zeros((1, 4, 4, 1), [("a", "f4")]).view(np.recarray),
    }
    if importlib.util.find_spec("scipy"):
        from scipy import sparse

        junk["a SciPy sparse matrix"] = lambda: sparse.csr_matrix(np.eye(3))
        junk["a SciPy sparse array"] = lambda: sparse.coo_array(np.eye(3))
    if importlib.util.find_spec("torch"):
        import torch

        junk |= {
            "a sparse torch tensor": lambda: torch.eye(4).to_sparse(),
            "a CSR torch tensor": lambda: torch.eye(4).to_sparse_csr(),
            "a quantized torch tensor": lambda: torch.quantize_per_tensor(
                torch.zeros(1, 4, 4, 1), 0.1, 0, torch.quint8
            ),
            "a torch tensor of float8": lambda: torch.zeros(1, 4, 4, 1).to(torch.float8_e4m3fn),
            "a nested torch tensor": lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
            "a torch module": lambda: torch.nn.Linear(1, 1),
            "a torch dtype": lambda: torch.float32,
        }
    if importlib.util.find_spec("tensorflow"):
        import tensorflow as tf

        junk |= {
            "a sparse TensorFlow tensor": lambda: tf.sparse.from_dense(tf.eye(3)),
            "a ragged TensorFlow tensor": lambda: tf.ragged.constant([[1, 2], [3]]),
            "a TensorFlow tensor of strings": lambda: tf.fill((1, 4, 4, 1), "a"),
            "a variable of strings": lambda: tf.Variable(["a"]),
            "a TensorArray": lambda: tf.TensorArray(tf.float32, 1),
            "indexed slices": lambda: tf.IndexedSlices(tf.zeros((1,)), tf.constant([0])),
            "a quantized TensorFlow tensor": lambda: tf.bitcast(tf.zeros((1, 4, 4, 1), tf.int8), tf.qint8),
        }
    if importlib.util.find_spec("jax"):
        import jax

        junk |= {
            "a JAX random key": lambda: jax.random.key(0),
            "a JAX array of int4": lambda: jax.numpy.zeros((1, 4, 4, 1), "int4"),
            "a JAX array of float8": lambda: jax.numpy.zeros((1, 4, 4, 1), "float8_e4m3fn"),
            "a JAX shape": lambda: jax.ShapeDtypeStruct((1, 4, 4, 1), "float32"),
        }
    return junk


@functools.cache
def junk() -> dict[str, Callable[[], Any]]:
    """`_junk`, made after the harness has set the frameworks up."""
    Harness.of("numpy", "cpu")
    return _junk()


@pytest.mark.rule("B8")
@pytest.mark.parametrize("backend", [None, *BACKENDS])
@pytest.mark.parametrize(
    "function", ["max_pool", "unpool", "gather", "unpool_fixed", "unpool_nearest", "unpool_average"]
)
def test_what_is_no_dense_numeric_array_is_refused_by_the_arguments_name(function: str, backend: str | None) -> None:
    if backend is not None:
        pytest.importorskip(FRAMEWORKS[backend])
    _, switches = unpoolx.max_pool(image(), 2)
    second: Any = switches if function in ("unpool", "gather") else 2
    wrong = []
    for what, make in junk().items():
        told = f"{function}(x: {what}, backend={backend!r})"
        try:
            result = getattr(unpoolx, function)(make(), second, backend=backend)
        except (TypeError, ValueError) as error:
            if not OURS.search(str(error)):
                wrong.append(f"{told}: a foreign text: {type(error).__name__}: {error}")
            elif backend is not None and not re.search(r"\bx\b", str(error)):
                wrong.append(f"{told}: it does not name x: {error}")
        except Exception as error:  # noqa: BLE001  # whatever else comes is what this test looks for
            wrong.append(f"{told}: {type(error).__name__}: {error}")
        else:
            wrong.append(f"{told}: accepted, {result}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.rule("B8")
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a masked array", "masked"),
        ("a sparse torch tensor", "sparse"),
        ("a CSR torch tensor", "sparse"),
        ("a sparse TensorFlow tensor", "Sparse"),
        ("a ragged TensorFlow tensor", "Ragged"),
        ("a TensorFlow tensor of strings", "string"),
        ("strings", "str"),
        ("objects", "object"),
        ("None", "NoneType"),
        ("a ragged list", "equal lengths"),
    ],
)
def test_the_message_says_what_came_instead_of_a_dense_array(what: str, message: str) -> None:
    if what not in junk():
        pytest.skip("its framework is not installed")
    refuses((TypeError, ValueError), rf"(?i)x: expected.*{message}", unpoolx.max_pool, junk()[what](), 2)


@pytest.mark.rule("B8")
def test_a_torch_tensor_that_would_lose_its_gradient_is_not_converted() -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(1, 4, 4, 1, requires_grad=True)
    refuses(TypeError, r"without gradient, which would be lost", unpoolx.max_pool, x, 2, backend="numpy")
    refuses(TypeError, r"^x: ", unpoolx.max_pool, x, 2, backend="numpy")


@pytest.mark.rule("B8", "B4")
def test_a_torch_tensor_without_numbers_is_not_converted() -> None:
    torch = pytest.importorskip("torch")
    x = torch.zeros(1, 4, 4, 1, device="meta")
    for backend in ("numpy", "tf", "jax"):
        refuses((TypeError, ValueError), r"x: expected", unpoolx.max_pool, x, 2, backend=backend)


# Fuzz: every argument of every public function, with junk in its place


def calls(on: Harness) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Each public function and sound arguments for it."""
    x, y = on.array(image()), on.array(image((1, 2, 2, 1)))
    _, switches = unpoolx.max_pool(x, 2)
    indices = switches.to_indices("spatial")
    window = {"kernel_size": 2, "stride": 2, "padding": "VALID", "data_format": "channels_last"}
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "channels_last"}
    return {
        "max_pool": (unpoolx.max_pool, {"x": x, **window, "dilation": 1, "ceil_mode": False, "backend": None}),
        "unpool": (unpoolx.unpool, {"x": y, "switches": switches, "overlap": "last", "backend": None}),
        "raw": (unpoolx.unpool, {"x": y, "switches": indices, **raw, "overlap": "sum", "backend": None}),
        "gather": (unpoolx.gather, {"x": x, "switches": switches, "backend": None}),
        "unpool_fixed": (unpoolx.unpool_fixed, {"x": y, **window, "position": "corner", "backend": None}),
        "unpool_nearest": (
            unpoolx.unpool_nearest,
            {"x": y, "scale": 2, "data_format": "channels_last", "backend": None},
        ),
        "unpool_average": (unpoolx.unpool_average, {"x": y, **window, "backend": None}),
        "Window": (Window, {**window, "dilation": 1, "ceil_mode": False}),
        "output_shape": (Window(2).output_shape, {"input_shape": (1, 4, 4, 1)}),
        "Switches": (Switches, {"offsets": switches.offsets, "window": Window(2), "spatial_shape": (4, 4)}),
        "from_indices": (
            Switches.from_indices,
            {"indices": indices, "window": Window(2), "input_shape": (1, 4, 4, 1), "index_format": "spatial"},
        ),
        "to_indices": (switches.to_indices, {"index_format": "spatial"}),
        "to": (switches.to, {"backend": "numpy"}),
        "get_backend": (unpoolx.get_backend, {"name_or_array": "numpy"}),
    }


ARGUMENTS = [
    f"{function}.{argument}"
    for function, (_, arguments) in (calls(Harness("numpy", "cpu")).items())
    for argument in arguments
]


def shape_of(result: Any, function: str, arguments: dict[str, Any], on: Harness) -> str | None:
    """What is wrong with the shape of a result, or None: told by the oracle's own geometry."""
    if function in ("Window", "Switches", "from_indices", "to", "get_backend", "to_indices", "output_shape"):
        return None
    found = np.shape(result[0] if function == "max_pool" else result)
    x = tuple(int(n) for n in np.shape(arguments["x"]))
    if function == "max_pool":
        window = Window(**{k: v for k, v in arguments.items() if k not in ("x", "backend")}).with_rank_of(x)
        fixed = {
            "kernel_size": window.kernel_size,
            "stride": window.stride,
            "padding": window.padding,
            "dilation": window.dilation,
            "ceil_mode": window.ceil_mode,
            "data_format": window.data_format,
        }
        expected = oracle.resolve(x, **fixed).pooled_shape
    elif function == "unpool":
        expected = (1, 4, 4, 1)
    elif function == "raw":
        expected = tuple(int(n) for n in arguments["output_shape"])
    elif function == "gather":
        expected = (1, 2, 2, 1)
    else:
        size = arguments.get("kernel_size", arguments.get("scale"))
        options = {"data_format": arguments["data_format"]}
        if function != "unpool_nearest":
            options |= {"stride": arguments["stride"], "padding": arguments["padding"]}
        if isinstance(size, Window):
            size, options["stride"] = size.kernel_size, size.stride
        expected = getattr(oracle, function)(np.zeros(x, np.float32), size, **options).shape
    return None if tuple(found) == tuple(expected) else f"shape {expected} expected, got {found}"


def put_in(on: Harness, place: str, value: Any) -> str | None:
    """Call the function with the value in place of that argument; what is wrong with what came, or None."""
    function, _, argument = place.partition(".")
    run, sound = calls(on)[function]
    arguments = {**sound, argument: value}
    told = f"{function}({argument}={value!r:.80}) on {on.name}"
    try:
        result = run(**arguments)
    except LISTED as error:
        return None if OURS.search(str(error)) else f"{told}: a foreign text: {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  # whatever else comes is what this test looks for
        return f"{told}: {type(error).__name__}: {error}"
    try:
        wrong = shape_of(result, function, arguments, on)
    except Exception as error:  # noqa: BLE001  # the oracle refused what we took
        wrong = f"accepted, but the oracle says {type(error).__name__}: {error}"
    return wrong and f"{told}: {wrong}"


@pytest.mark.rule("W9", "B8")
@pytest.mark.parametrize("place", ARGUMENTS)
def test_junk_in_any_argument_is_refused_in_our_words(on: Harness, place: str) -> None:
    wrong = [told for make in junk().values() if (told := put_in(on, place, make()))]
    assert not wrong, "\n".join(wrong)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 9)
    | st.sampled_from([2**31 - 1, 2**31, 2**32 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63), -(10**30)])
    | st.floats(-4, 4)
    | st.sampled_from([float("nan"), float("inf")])
    | st.complex_numbers(max_magnitude=2)
    | st.text(max_size=3)
    | st.sampled_from(["VALID", "SAME", "last", "sum", "center", "NHWC", "NCHW", "spatial", "tf", "onnx", "window"])
    | st.binary(max_size=2)
    | st.sampled_from([np.int8(2), np.uint64(3), np.float32(2), np.bool_(True), np.str_("SAME"), np.int64(-1)])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.integers(0, 3), inner, max_size=2)
    ),
    max_leaves=6,
) | st.tuples(
    st.sampled_from([(), (1,), (0,), (2, 2), (1, 2, 2, 1), (1, 4, 4, 1), (0, 4, 4, 1), (1, 4, 4, 0), (1, 2, 2, 2, 1)]),
    st.sampled_from(["float32", "int64", "uint8", "bool", "complex64", "float16", "int8", "uint64"]),
    st.integers(-3, 20),
).map(lambda made: np.full(made[0], made[2] % 2**64 if made[1][0] == "u" else made[2]).astype(made[1]))


def affordable(place: str, value: Any) -> bool:
    """Whether a sound answer to this would fit in memory: a legal result of 2**31 elements is no error."""
    return not any(2**20 < abs(n) < 2**62 for n in _integers(value))


def _integers(value: Any) -> list[int]:
    if isinstance(value, (list, tuple)):
        return [n for item in value for n in _integers(item)]
    return [int(value)] if isinstance(value, (int, np.integer)) else []


@pytest.mark.rule("W9", "B8")
@settings(max_examples=600)
@given(place=st.sampled_from(ARGUMENTS), value=VALUES)
def test_generated_junk_in_any_argument_is_refused_in_our_words_or_answered_in_the_right_shape(
    on: Harness, place: str, value: Any
) -> None:
    if affordable(place, value):
        wrong = put_in(on, place, value)
        assert wrong is None, wrong


def test_a_foreign_error_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    on = Harness.of("numpy", "cpu")
    for raised in (RuntimeError("expected anything"), ValueError("operands could not be broadcast")):

        def broken(*_: Any, raised: Exception = raised, **__: Any) -> None:
            raise raised

        monkeypatch.setattr(unpoolx, "gather", broken)
        assert put_in(on, "gather.x", 3), f"{raised!r} passed"
    monkeypatch.setattr(unpoolx, "gather", lambda *_, **__: np.zeros(3))
    assert put_in(on, "gather.backend", None), "a result of the wrong shape passed"
