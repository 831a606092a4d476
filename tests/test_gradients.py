"""Derivatives of every function, in three frameworks, against loops: reverse mode, forward mode, and twice.

The map from the values to the result is linear once the switches are there, so each gradient is another of the
norm's maps, whose bits the oracle gives. Where the norm leaves the order of a sum to the framework (the blocks of
`unpool_nearest`, the windows of `unpool_average`), the contents are small integers, whose sums do not round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Harness, window_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import unpoolx
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits, assert_sum_bits

GEOMETRIES = 30
ARRAYS = 3
COMPLEX = (*xst.FLOAT_DTYPES, "complex64")
WIDE = ("float32", "float64")
few = settings(max_examples=GEOMETRIES, phases=[Phase.generate])
only_torch = pytest.mark.parametrize("on_framework", ["torch"], indirect=True)

Function = Callable[[Any], Any]


def pulled_back(on: Harness, function: Function, x: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
    """The vector-Jacobian product of a function of one array, at x."""
    given_x, given_cotangent = on.array(x), on.array(cotangent)
    if on.name == "jax":
        _, pull = on.framework.vjp(function, given_x)
        (gradient,) = pull(given_cotangent)
    elif on.name == "tf":
        with on.framework.GradientTape() as tape:
            tape.watch(given_x)
            result = function(given_x)
        gradient = tape.gradient(result, given_x, output_gradients=given_cotangent)
    else:
        given_x.requires_grad_()
        (gradient,) = on.framework.autograd.grad(function(given_x), given_x, given_cotangent)
    return on.numpy(gradient)


def pushed_forward(on: Harness, function: Function, x: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """The Jacobian-vector product of a function of one array, at x, by the framework's forward mode."""
    given_x, given_tangent = on.array(x), on.array(tangent)
    if on.name == "jax":
        _, moved = on.framework.jvp(function, (given_x,), (given_tangent,))
    elif on.name == "tf":
        with on.framework.autodiff.ForwardAccumulator(given_x, given_tangent) as forward:
            result = function(given_x)
        moved = forward.jvp(result)
    else:
        _, moved = on.framework.func.jvp(function, (given_x,), (given_tangent,))
    return on.numpy(moved)


def cubic_derivatives(
    on: Harness, function: Function, x: np.ndarray, v: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of `sum(weights * function(x)**3)` and the product of its Hessian with v, both by reverse mode."""
    given_x, given_v, given_weights = on.array(x), on.array(v), on.array(weights)
    framework = on.framework
    if on.name == "jax":

        @framework.jit  # one program compiles sooner than its many operations one by one
        def both(z: Any, v: Any) -> Any:
            first, pull = framework.vjp(framework.grad(lambda z: (given_weights * function(z) ** 3).sum()), z)
            return first, *pull(v)

        first, second = both(given_x, given_v)
    elif on.name == "tf":
        with framework.GradientTape() as outer:
            outer.watch(given_x)
            with framework.GradientTape() as inner:
                inner.watch(given_x)
                result = function(given_x)
                loss = framework.reduce_sum(given_weights * result * result * result)
            first = inner.gradient(loss, given_x)
        second = outer.gradient(first, given_x, output_gradients=given_v)
    else:
        given_x.requires_grad_()
        loss = (given_weights * function(given_x) ** 3).sum()
        (first,) = framework.autograd.grad(loss, given_x, create_graph=True)
        (second,) = framework.autograd.grad(first, given_x, given_v)
    return on.numpy(first), on.numpy(second)


def inner_product(a: np.ndarray, b: np.ndarray) -> int:
    """The inner product of two arrays of small integers, without rounding."""
    return sum(int(p) * int(q) for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))


# By switches: the norm says which map each gradient is, so the bits are the oracle's.


@pytest.mark.rule("U8", "U4", "U5")
@few
@given(data=st.data())
def test_the_gradient_of_max_pool_is_the_sum_of_what_its_switches_bring_back(
    on_framework: Harness, data: st.DataObject
) -> None:
    on = on_framework
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(xst.FLOAT_DTYPES))
    for _ in range(ARRAYS):
        x = data.draw(xst.arrays(geometry.shape, dtype))
        dy = data.draw(xst.arrays(geometry.pooled_shape, dtype))
        _, offsets = oracle.max_pool(x, **geometry.arguments)
        bits = oracle.unpool_sum_bits(dy, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        ours = pulled_back(on, lambda z: unpoolx.max_pool(z, **geometry.arguments)[0], x, dy)
        what = f"gradient of max_pool on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}"
        assert_sum_bits(ours, *bits, what=what)


@pytest.mark.rule("U8", "U3", "U5")
@few
@given(data=st.data())
def test_the_gradient_of_unpool_last_is_read_where_the_window_won_and_zero_where_it_lost(
    on_framework: Harness, data: st.DataObject
) -> None:
    on = on_framework
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(COMPLEX))
    window = window_of(geometry.arguments, geometry.shape)
    for _ in range(ARRAYS):
        y = data.draw(xst.arrays(geometry.pooled_shape, dtype))
        dx = data.draw(xst.arrays(geometry.shape, dtype))
        offsets = data.draw(xst.offsets_for(geometry))
        switches = on.switches(offsets, window, geometry.spatial_shape)
        expected = oracle.unpool_last_gradient(dx, offsets, **geometry.arguments)
        ours = pulled_back(on, lambda z, s=switches: unpoolx.unpool(z, s), y, dx)
        what = f"gradient of unpool last on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}"
        assert_same_bits(ours, expected, what=what)


@pytest.mark.rule("U8", "U5")
@few
@given(data=st.data())
def test_the_gradient_of_unpool_sum_is_gather(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(COMPLEX))
    window = window_of(geometry.arguments, geometry.shape)
    for _ in range(ARRAYS):
        y = data.draw(xst.arrays(geometry.pooled_shape, dtype))
        dx = data.draw(xst.arrays(geometry.shape, dtype))
        offsets = data.draw(xst.offsets_for(geometry))
        switches = on.switches(offsets, window, geometry.spatial_shape)
        expected = oracle.gather(dx, offsets, **geometry.arguments)
        ours = pulled_back(on, lambda z, s=switches: unpoolx.unpool(z, s, overlap="sum"), y, dx)
        what = f"gradient of unpool sum on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}"
        assert_same_bits(ours, expected, what=what)


@pytest.mark.rule("U7", "U8", "U4", "U5")
@few
@given(data=st.data())
def test_the_gradient_of_gather_is_unpool_sum(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(COMPLEX))
    window = window_of(geometry.arguments, geometry.shape)
    for _ in range(ARRAYS):
        x = data.draw(xst.arrays(geometry.shape, dtype))
        dy = data.draw(xst.arrays(geometry.pooled_shape, dtype))
        offsets = data.draw(xst.offsets_for(geometry))
        switches = on.switches(offsets, window, geometry.spatial_shape)
        bits = oracle.unpool_sum_bits(dy, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        ours = pulled_back(on, lambda z, s=switches: unpoolx.gather(z, s), x, dy)
        what = f"gradient of gather on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}"
        assert_sum_bits(ours, *bits, what=what)


@pytest.mark.rule("U8", "U6", "U5")
@few
@given(data=st.data())
def test_the_gradient_of_unpool_by_raw_indices_is_read_at_them(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    raw = data.draw(xst.raw_indices())
    overlap = data.draw(st.sampled_from(("last", "sum")))
    dtype = data.draw(xst.dtypes(COMPLEX))
    formats = {"index_format": raw.index_format, "data_format": raw.data_format}
    indices = on.array(raw.indices)
    for _ in range(ARRAYS):
        y = data.draw(xst.arrays(raw.x_shape, dtype))
        dx = data.draw(xst.arrays(raw.output_shape, dtype))
        rule = oracle.unpool_indices_last_gradient if overlap == "last" else oracle.gather_indices
        expected = rule(dx, raw.indices, **formats)
        ours = pulled_back(on, lambda z: unpoolx.unpool(z, indices, overlap=overlap, **raw.arguments), y, dx)
        assert_same_bits(ours, expected, what=f"gradient of unpool {overlap} of {raw} on {on.name}, {dtype}")


@pytest.mark.rule("L3", "U7")
@few
@given(data=st.data())
def test_unpool_sum_and_gather_are_adjoint(on: Harness, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(("float32", "float64", "int32", "int64")))
    window = window_of(geometry.arguments, geometry.shape)
    for _ in range(ARRAYS):
        y = data.draw(xst.exact_arrays(geometry.pooled_shape, dtype))
        z = data.draw(xst.exact_arrays(geometry.shape, dtype))
        switches = on.switches(data.draw(xst.offsets_for(geometry)), window, geometry.spatial_shape)
        unpooled = on.numpy(unpoolx.unpool(on.array(y), switches, overlap="sum"))
        read = on.numpy(unpoolx.gather(on.array(z), switches))
        assert inner_product(unpooled, z) == inner_product(y, read), (
            f"L3 of unpool sum and gather on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}"
        )


# Without switches: small integers, and the adjoint by loops over what the oracle shows each value to reach.


@st.composite
def plain_geometry(draw: st.DrawFn, *, strides: bool = True) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of x and the arguments of an unpooling that needs no switches, tuples all."""
    rank = draw(st.integers(1, 3))
    most = 3 if rank < 3 else 2
    kernel = draw(st.tuples(*[st.integers(1, most + 1)] * rank))
    stride = draw(st.none() | st.tuples(*[st.integers(1, most)] * rank)) if strides else None
    batch = draw(st.lists(st.integers(1, 2), max_size=2))
    spatial = draw(st.lists(st.integers(1, most + 1), min_size=rank, max_size=rank))
    channels = draw(st.integers(1, 3))
    data_format = draw(st.sampled_from(("channels_last", "channels_first")))
    shape = (*batch, channels, *spatial) if data_format == "channels_first" else (*batch, *spatial, channels)
    padding = draw(st.sampled_from(("VALID", "SAME")))
    return shape, {"kernel_size": kernel, "stride": stride, "padding": padding, "data_format": data_format}


def adjoint_by_labels(forward: Function, x_shape: tuple[int, ...], dy: np.ndarray) -> np.ndarray:
    """The adjoint of a map that copies values: numbered values show where each one goes. Sums in float64."""
    labels = forward(np.arange(1.0, 1.0 + np.prod(x_shape)).reshape(x_shape))
    result = np.zeros(int(np.prod(x_shape)), np.float64)
    for label, value in zip(labels.ravel().tolist(), dy.astype(np.float64).ravel().tolist(), strict=True):
        if label > 0:
            result[int(label) - 1] += value
    return result.reshape(x_shape).astype(dy.dtype)


def adjoint_of_average(x_shape: tuple[int, ...], dy: np.ndarray, arguments: dict[str, Any]) -> np.ndarray:
    """The mean of dy over each window's real elements: the sum exact, and one rounding of the quotient."""
    rank = len(arguments["kernel_size"])
    layout = oracle.layout_of(arguments["data_format"], rank)
    batch, channels, spatial = layout.split(x_shape)
    number = np.float64 if dy.dtype == np.float64 else np.float32
    result = np.zeros(x_shape, dy.dtype)
    for place in itertools.product(*(range(n) for n in spatial)):
        one = np.zeros(layout.join((), 1, spatial), np.float64)
        one[layout.join((), 0, place)] = 1
        reached = np.argwhere(oracle.unpool_average(one, **arguments))
        for b in itertools.product(*(range(n) for n in batch)):
            for c in range(channels):
                positions = [layout.join(b, c, layout.split(tuple(at))[2]) for at in reached.tolist()]
                total = sum(float(dy[position]) for position in positions)
                result[layout.join(b, c, place)] = number(total) / number(len(positions))
    return result


@pytest.mark.rule("U9", "F2")
@few
@given(data=st.data())
def test_the_gradient_of_unpool_fixed_is_read_at_the_same_places(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    shape, arguments = data.draw(plain_geometry())
    position = data.draw(st.sampled_from(("corner", "center")))
    dtype = data.draw(xst.dtypes(xst.FLOAT_DTYPES))

    def function(z: Any) -> Any:
        return unpoolx.unpool_fixed(z, position=position, **arguments)

    x = data.draw(xst.exact_arrays(shape, dtype))
    dy = data.draw(xst.exact_arrays(oracle.unpool_fixed(x, position=position, **arguments).shape, dtype))
    expected = adjoint_by_labels(lambda z: oracle.unpool_fixed(z, position=position, **arguments), shape, dy)
    what = f"gradient of unpool_fixed on {on.name}, {dtype}{shape}, {arguments}, {position}"
    # Small integers, of which a framework may make -0.0 or +0.0 on its way through its own padding and reshaping.
    assert_same_bits(pulled_back(on, function, x, dy) + expected.dtype.type(0), expected, what=what)


@pytest.mark.rule("U9", "F3")
@few
@given(data=st.data())
def test_the_gradient_of_unpool_nearest_is_the_sum_of_each_block(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    shape, arguments = data.draw(plain_geometry(strides=False))
    scale, data_format = arguments["kernel_size"], arguments["data_format"]
    dtype = data.draw(xst.dtypes(xst.FLOAT_DTYPES))
    # At most 64 elements in a block, so that a sum of half precision is exact, too.
    x = data.draw(xst.exact_arrays(shape, dtype))
    grown = oracle.unpool_nearest(x, scale, data_format=data_format).shape
    dy = data.draw(xst.exact_arrays(grown, dtype))
    expected = adjoint_by_labels(lambda z: oracle.unpool_nearest(z, scale, data_format=data_format), shape, dy)
    ours = pulled_back(on, lambda z: unpoolx.unpool_nearest(z, scale, data_format=data_format), x, dy)
    what = f"gradient of unpool_nearest on {on.name}, {dtype}{shape}, scale {scale}, {data_format}"
    assert_same_bits(ours + expected.dtype.type(0), expected, what=what)


@pytest.mark.rule("U9", "F4")
@few
@given(data=st.data())
def test_the_gradient_of_unpool_average_is_the_average_over_each_window(
    on_framework: Harness, data: st.DataObject
) -> None:
    on = on_framework
    shape, arguments = data.draw(plain_geometry())
    dtype = data.draw(xst.dtypes(xst.FLOAT_DTYPES))
    x = data.draw(xst.exact_arrays(shape, dtype))
    dy = data.draw(xst.exact_arrays(oracle.unpool_average(x, **arguments).shape, dtype))
    expected = adjoint_of_average(shape, dy, arguments)
    ours = pulled_back(on, lambda z: unpoolx.unpool_average(z, **arguments), x, dy)
    what = f"gradient of unpool_average on {on.name}, {dtype}{shape}, {arguments}"
    assert_same_bits(ours + expected.dtype.type(0), expected, what=what)


@pytest.mark.rule("U9", "F4")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 1e-45])
def test_the_gradient_of_unpool_average_does_not_depend_on_what_is_spread(on_framework: Harness, value: float) -> None:
    on = on_framework
    x = np.full((1, 3, 1), value, np.float32)
    dy = np.arange(1, 13, dtype=np.float32).reshape(1, 12, 1)
    ours = pulled_back(on, lambda z: unpoolx.unpool_average(z, 4), x, dy)
    expected = np.array([2.5, 6.5, 10.5], np.float32).reshape(1, 3, 1)
    assert_same_bits(ours, expected, what=f"gradient of unpool_average on {on.name} at {value}, float32{x.shape}")


# Single promises.


@pytest.mark.rule("U8", "U4")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_negative_zero_in_a_sum_keeps_its_gradient(on_framework: Harness, dtype: str) -> None:
    on = on_framework
    window = unpoolx.Window((2,), 1)
    y = np.full((1, 3, 1), -0.0, xst.dtype_of(dtype))
    dx = np.array([3, 5, -0.0, 7]).reshape(1, 4, 1).astype(y.dtype)
    offsets = np.array([1, 0, 1], np.uint8).reshape(1, 3, 1)
    switches = on.switches(offsets, window, (4,))
    what = f"unpool sum of -0.0 on {on.name}, {dtype}{y.shape}"
    summed = on.numpy(unpoolx.unpool(on.array(y), switches, overlap="sum"))
    assert_same_bits(summed, np.zeros((1, 4, 1), y.dtype), what=what)
    expected = np.array([5, 5, 7]).reshape(1, 3, 1).astype(y.dtype)
    ours = pulled_back(on, lambda z: unpoolx.unpool(z, switches, overlap="sum"), y, dx)
    assert_same_bits(ours, expected, what=f"gradient of {what}")
    indices = on.array(np.array([1, 1, 3]).reshape(1, 3, 1))
    raw = {"output_shape": (1, 4, 1), "index_format": "spatial", "data_format": "channels_last"}
    ours = pulled_back(on, lambda z: unpoolx.unpool(z, indices, overlap="sum", **raw), y, dx)
    assert_same_bits(ours, expected, what=f"gradient of raw {what}")
    ones = np.ones((1, 6, 1), y.dtype)
    ours = pulled_back(on, lambda z: unpoolx.unpool_average(z, 2), y, ones)
    assert_same_bits(ours, np.ones((1, 3, 1), y.dtype), what=f"gradient of unpool_average of -0.0 on {on.name}")


@pytest.mark.rule("U8", "U4")
@pytest.mark.parametrize(("dtype", "start", "end"), [("float16", 2048, 2050), ("bfloat16", 256, 258)])
def test_a_gradient_in_half_precision_is_summed_in_float32_and_rounded_once(
    on_framework: Harness, dtype: str, start: int, end: int
) -> None:
    on = on_framework
    x = np.array([0, 0, 9, 0, 0]).reshape(1, 5, 1).astype(xst.dtype_of(dtype))
    dy = np.array([start, 1, 1]).reshape(1, 3, 1).astype(x.dtype)  # start + 1 rounds back to start in half precision
    ours = pulled_back(on, lambda z: unpoolx.max_pool(z, 3, 1)[0], x, dy)
    expected = np.array([0, 0, end, 0, 0]).reshape(1, 5, 1).astype(x.dtype)
    assert_same_bits(ours, expected, what=f"gradient of max_pool on {on.name}, {dtype}{x.shape}")
    narrow = dy.ravel()[0] + dy.ravel()[1] + dy.ravel()[2]
    assert float(narrow) == start, "negative control: a sum in half precision gives another answer"


@pytest.mark.rule("U8")
def test_the_gradient_of_the_losers_would_be_seen(on_framework: Harness) -> None:
    on = on_framework
    switches = on.switches(np.array([1, 0], np.uint8).reshape(1, 2, 1), unpoolx.Window((2,), 1), (3,))
    y, dx = np.array([2.0, 3.0]).reshape(1, 2, 1), np.array([5.0, 7.0, 11.0]).reshape(1, 3, 1)
    last = pulled_back(on, lambda z: unpoolx.unpool(z, switches), y, dx)
    both = pulled_back(on, lambda z: unpoolx.unpool(z, switches, overlap="sum"), y, dx)
    assert last.ravel().tolist() == [0, 7], f"gradient of unpool last on {on.name}"
    assert both.ravel().tolist() == [7, 7], f"gradient of unpool sum on {on.name}"
    with pytest.raises(AssertionError, match="1 of 2 elements differ"):
        assert_same_bits(both, last, what="the gradient that scatters of the frameworks give")


@pytest.mark.rule("U8", "R2")
@pytest.mark.parametrize("overlap", ["last", "sum"])
def test_empty_arrays_have_empty_gradients(on_framework: Harness, overlap: str) -> None:
    on = on_framework
    for shape in ((0, 4, 2), (2, 4, 0)):
        x, dy = np.ones(shape, np.float32), np.ones((shape[0], 2, shape[2]), np.float32)
        _, switches = unpoolx.max_pool(on.array(x), 2)
        what = f"on {on.name}, {overlap}, float32{shape}"
        ours = pulled_back(on, lambda z: unpoolx.max_pool(z, 2)[0], x, dy)
        assert_same_bits(ours, np.zeros_like(x), what=f"gradient of max_pool {what}")
        ours = pulled_back(on, lambda z, s=switches: unpoolx.unpool(z, s, overlap=overlap), dy, x)
        assert_same_bits(ours, np.zeros_like(dy), what=f"gradient of unpool {what}")
        raw = {"output_shape": shape, "index_format": "spatial", "data_format": "channels_last"}
        indices = on.array(np.zeros(dy.shape, np.int64))
        ours = pulled_back(on, lambda z, i=indices, r=raw: unpoolx.unpool(z, i, overlap=overlap, **r), dy, x)
        assert_same_bits(ours, np.zeros_like(dy), what=f"gradient of raw unpool {what}")


@pytest.mark.rule("U8", "U5")
@pytest.mark.parametrize("overlap", ["last", "sum"])
def test_large_arrays_have_the_same_gradients(on_framework: Harness, overlap: str) -> None:
    # Larger than what TensorFlow's backend compiles before it runs; NumPy's unpooling is held to the oracle elsewhere.
    on, random = on_framework, np.random.default_rng(7)
    x = random.integers(-9, 10, (2, 300, 301, 3)).astype(np.float32)
    values, switches = unpoolx.max_pool(x, 3, 2, "SAME")
    dy, dx = random.standard_normal(values.shape, np.float32), random.standard_normal(x.shape, np.float32)
    what = f"on {on.name}, float32{x.shape}"
    ours = pulled_back(on, lambda z: unpoolx.max_pool(z, 3, 2, "SAME")[0], x, dy)
    expected = unpoolx.unpool(dy, switches, overlap="sum")
    assert_same_bits(ours, expected, what=f"gradient of max_pool {what}")
    theirs = on.switches(switches.offsets, switches.window, switches.spatial_shape)
    ours = pulled_back(on, lambda z: unpoolx.unpool(z, theirs, overlap=overlap), values, dx)
    expected = unpoolx.gather(dx, switches)
    if overlap == "last":
        numbers = np.arange(1.0, 1 + values.size).reshape(values.shape)
        won = unpoolx.gather(unpoolx.unpool(numbers, switches), switches) == numbers
        assert not won.all(), "some window loses"
        expected = np.where(won, expected, np.float32(0))
    assert_same_bits(ours, expected, what=f"gradient of unpool {overlap} {what}")


@pytest.mark.rule("U8")
def test_no_gradient_flows_to_switches(on_framework: Harness) -> None:
    on = on_framework
    framework = on.framework
    x = on.array(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
    y = on.array(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1))
    what = f"gradient to switches on {on.name}, float32(1, 4, 4, 1)"
    if on.name == "jax":

        def through_offsets(z: Any) -> Any:
            _, switches = unpoolx.max_pool(z, 2)
            return switches.offsets.astype("float32").sum() + switches.to_indices("tf").astype("float32").sum()

        assert not framework.grad(through_offsets)(x).any(), what
        _, switches = unpoolx.max_pool(x, 2)
        to_switches = framework.grad(lambda s: unpoolx.unpool(y, s).sum(), allow_int=True)(switches)
        assert to_switches.offsets.dtype == framework.dtypes.float0, what
    elif on.name == "tf":
        with framework.GradientTape(persistent=True) as tape:
            tape.watch(x)
            _, switches = unpoolx.max_pool(x, 2)
            tape.watch(switches.offsets)
            number = framework.reduce_sum(framework.cast(switches.offsets, "float32"))
            index = framework.reduce_sum(framework.cast(switches.to_indices("tf"), "float32"))
            unpooled = unpoolx.unpool(y, switches)
        assert tape.gradient(number, x) is None, what
        assert tape.gradient(index, x) is None, what
        assert tape.gradient(unpooled, switches.offsets) is None, what
    else:
        x.requires_grad_()
        y.requires_grad_()
        _, switches = unpoolx.max_pool(x, 2)
        assert not switches.offsets.requires_grad, what
        assert not switches.to_indices("tf").requires_grad, what
        unpoolx.unpool(y, switches).sum().backward()
        assert x.grad is None, what
        assert y.grad is not None, what


@pytest.mark.rule("U8", "L7")
def test_switches_carry_no_graph_and_gradients_leave_their_arguments(on_framework: Harness) -> None:
    on = on_framework
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    dy = np.ones((1, 2, 2, 1), np.float32)
    before = x.copy(), dy.copy()
    pulled_back(on, lambda z: unpoolx.max_pool(z, 2)[0], x, dy)
    assert_same_bits(x, before[0], what=f"x after a gradient on {on.name}")
    assert_same_bits(dy, before[1], what=f"dy after a gradient on {on.name}")
    if on.name == "torch":
        given_x, given_dy = on.array(x).requires_grad_(), on.array(dy)
        values, switches = unpoolx.max_pool(given_x, 2)
        (first,) = on.framework.autograd.grad(values, given_x, given_dy, retain_graph=True)
        first.mul_(0)  # the caller's to write: nothing that autograd kept, nor an argument, shares its memory
        (again,) = on.framework.autograd.grad(values, given_x, given_dy)
        assert_same_bits(on.numpy(given_dy), dy, what="dy after its gradient was written on torch")
        assert again.sum() == 4, "gradient of max_pool on torch, taken again"
        assert switches.offsets.grad_fn is None, "switches of max_pool on torch"


# Twice, and forward.


def by_kind(kind: str, arguments: dict[str, Any], switches: Any, indices: Any, raw: dict[str, Any]) -> Function:
    """The function of one array that a kind names."""
    return {
        "max_pool": lambda z: unpoolx.max_pool(z, **arguments)[0],
        "unpool last": lambda z: unpoolx.unpool(z, switches),
        "unpool sum": lambda z: unpoolx.unpool(z, switches, overlap="sum"),
        "gather": lambda z: unpoolx.gather(z, switches),
        "raw last": lambda z: unpoolx.unpool(z, indices, **raw),
        "raw sum": lambda z: unpoolx.unpool(z, indices, overlap="sum", **raw),
    }[kind]


KINDS = ("max_pool", "unpool last", "unpool sum", "gather", "raw last", "raw sum")


def linear_case(
    on: Harness, data: st.DataObject, kind: str, dtype: str
) -> tuple[np.ndarray, Function, Function, Function, str]:
    """(x, the function on a backend, the oracle's linear map at x, its adjoint, a description) for a kind."""
    if kind.startswith("raw"):
        raw = data.draw(xst.raw_indices())
        x = data.draw(xst.exact_arrays(raw.x_shape, dtype))
        overlap = kind.removeprefix("raw ")
        formats = {"index_format": raw.index_format, "data_format": raw.data_format}
        rule = oracle.unpool_indices_last_gradient if overlap == "last" else oracle.gather_indices
        return (
            x,
            by_kind(kind, {}, None, on.array(raw.indices), raw.arguments),
            lambda z: oracle.unpool_indices(z, raw.indices, overlap=overlap, **raw.arguments),
            lambda z: rule(z, raw.indices, **formats),
            f"{kind} of {raw} on {on.name}, {dtype}",
        )
    geometry = data.draw(xst.windows(large_kernels=False))
    arguments = geometry.arguments
    what = f"{kind} on {on.name}, {dtype}{geometry.shape}, {arguments}"
    shape = geometry.pooled_shape if kind.startswith("unpool") else geometry.shape
    x = data.draw(xst.exact_arrays(shape, dtype))
    offsets = oracle.max_pool(x, **arguments)[1] if kind == "max_pool" else data.draw(xst.offsets_for(geometry))
    switches = on.switches(offsets, window_of(arguments, geometry.shape), geometry.spatial_shape)

    def unpooled(z: np.ndarray, overlap: str) -> np.ndarray:
        return oracle.unpool(z, offsets, spatial_shape=geometry.spatial_shape, overlap=overlap, **arguments)

    def read(z: np.ndarray) -> np.ndarray:
        return oracle.gather(z, offsets, **arguments)

    forward, adjoint = {
        "max_pool": (read, lambda z: unpooled(z, "sum")),
        "gather": (read, lambda z: unpooled(z, "sum")),
        "unpool sum": (lambda z: unpooled(z, "sum"), read),
        "unpool last": (
            lambda z: unpooled(z, "last"),
            lambda z: oracle.unpool_last_gradient(z, offsets, **arguments),
        ),
    }[kind]
    return x, by_kind(kind, arguments, switches, None, {}), forward, adjoint, what


@pytest.mark.rule("U9", "U8")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, phases=[Phase.generate])
@given(data=st.data())
def test_second_derivatives_are_those_of_a_linear_map(on_framework: Harness, kind: str, data: st.DataObject) -> None:
    # With A the map, the loss sum(w*(Ax)**3) has the gradient A'(3*w*(Ax)**2) and the Hessian A' diag(6*w*Ax) A.
    on = on_framework
    dtype = data.draw(xst.dtypes(WIDE))
    x, function, forward, adjoint, what = linear_case(on, data, kind, "float64")
    x = x.astype(dtype)
    v = data.draw(xst.exact_arrays(x.shape, dtype, largest=2))
    moved = forward(x)
    weights = data.draw(xst.exact_arrays(moved.shape, dtype, largest=2))
    first, second = cubic_derivatives(on, function, x, v, weights)
    zero = x.dtype.type(0)
    # Both are small integers. A product of a zero and a negative number is -0.0, which is as good here.
    assert_same_bits(first + zero, adjoint(3 * weights * moved**2) + zero, what=f"gradient of a cubic loss of {what}")
    expected = adjoint(6 * weights * moved * forward(v)) + zero
    assert_same_bits(second + zero, expected, what=f"second derivative of a cubic loss of {what}")


@pytest.mark.rule("U9", "F2", "F3", "F4")
@pytest.mark.parametrize("name", ["unpool_fixed", "unpool_nearest", "unpool_average"])
@settings(max_examples=8, phases=[Phase.generate])
@given(data=st.data())
def test_without_switches_there_are_second_derivatives_and_forward_mode(
    on_framework: Harness, name: str, data: st.DataObject
) -> None:
    on = on_framework
    shape, arguments = data.draw(plain_geometry(strides=name != "unpool_nearest"))
    # Powers of two as kernels keep the quotients of the average exact; overlaps with SAME do not.
    arguments["kernel_size"] = tuple(1 << min(k - 1, 1) for k in arguments["kernel_size"])
    arguments["stride"], arguments["padding"] = None, "VALID"
    if name == "unpool_nearest":
        arguments = {"scale": arguments["kernel_size"], "data_format": arguments["data_format"]}
    ours, theirs = getattr(unpoolx, name), getattr(oracle, name)

    def function(z: Any) -> Any:
        return ours(z, **arguments)

    def forward(z: np.ndarray) -> np.ndarray:
        return theirs(z, **arguments)

    def adjoint(z: np.ndarray) -> np.ndarray:
        if name == "unpool_average":
            return adjoint_of_average(shape, z, arguments)
        return adjoint_by_labels(forward, shape, z)

    x, v = (data.draw(xst.exact_arrays(shape, "float64")) for _ in range(2))
    moved = forward(x)
    weights = data.draw(xst.exact_arrays(moved.shape, "float64", largest=2))
    what = f"{name} on {on.name}, float64{shape}, {arguments}"
    first, second = cubic_derivatives(on, function, x, v, weights)
    assert_same_bits(first + 0, adjoint(3 * weights * moved**2) + 0, what=f"gradient of a cubic loss of {what}")
    expected = adjoint(6 * weights * moved * forward(v)) + 0
    assert_same_bits(second + 0, expected, what=f"second derivative of a cubic loss of {what}")
    assert_same_bits(pushed_forward(on, function, x, v) + 0, forward(v) + 0, what=f"forward mode of {what}")


@pytest.mark.rule("U9", "U8")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, phases=[Phase.generate])
@given(data=st.data())
def test_forward_mode_is_the_map_of_the_tangent(on_framework: Harness, kind: str, data: st.DataObject) -> None:
    on = on_framework
    dtype = data.draw(xst.dtypes(xst.FLOAT_DTYPES))
    x, function, forward, _, what = linear_case(on, data, kind, dtype)
    for _ in range(2):
        tangent = data.draw(xst.exact_arrays(x.shape, dtype))
        moved = pushed_forward(on, function, x, tangent)
        zero = moved.dtype.type(0)
        assert_same_bits(moved + zero, forward(tangent) + zero, what=f"forward mode of {what}")


@pytest.mark.rule("U9")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, phases=[Phase.generate])
@given(data=st.data())
def test_forward_over_reverse_is_reverse_over_reverse(on_framework: Harness, kind: str, data: st.DataObject) -> None:
    on = on_framework
    framework = on.framework
    x, function, forward, adjoint, what = linear_case(on, data, kind, "float64")
    v = data.draw(xst.exact_arrays(x.shape, "float64"))
    expected = adjoint(6 * forward(x) * forward(v)) + 0
    given_x, given_v = on.array(x), on.array(v)
    if on.name == "tf":
        with framework.autodiff.ForwardAccumulator(given_x, given_v) as accumulator:
            with framework.GradientTape() as tape:
                tape.watch(given_x)
                loss = framework.reduce_sum(function(given_x) ** 3)
            gradient = tape.gradient(loss, given_x)
        second = accumulator.jvp(gradient)
    else:
        differentiate = framework if on.name == "jax" else framework.func
        gradient = differentiate.grad(lambda z: (function(z) ** 3).sum())
        _, second = differentiate.jvp(gradient, (given_x,), (given_v,))
    assert_same_bits(on.numpy(second) + 0, expected, what=f"forward over reverse mode of {what}")


CHECKED: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 5, 2), {"kernel_size": 2}),
    ((1, 6, 1), {"kernel_size": 3, "stride": 1}),
    ((2, 7, 1), {"kernel_size": 3, "stride": 2, "padding": "SAME"}),
    ((1, 2, 2, 6), {"kernel_size": (1, 3), "stride": 2, "padding": (0, 1), "data_format": "channels_first"}),
    ((6, 2), {"kernel_size": (2,), "stride": 1, "dilation": 2}),
    ((1, 4, 4, 2), {"kernel_size": 2}),
    ((1, 4, 5, 1), {"kernel_size": (2, 3), "stride": (1, 2), "padding": "SAME_LOWER"}),
    ((2, 1, 5, 4), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "data_format": "NCHW"}),
    ((1, 5, 5, 1), {"kernel_size": 2, "stride": 1, "dilation": (2, 1)}),
    ((1, 4, 4, 1), {"kernel_size": 1, "stride": 2}),
    ((2, 1, 4, 3, 1), {"kernel_size": (2, 2), "stride": 1}),
    ((1, 3, 3, 2, 1), {"kernel_size": 2, "stride": 1}),
]


@only_torch
@pytest.mark.rule("U8", "U9")
@pytest.mark.parametrize(("shape", "arguments"), CHECKED)
def test_pytorchs_numerical_check_of_both_modes_and_both_orders_agrees(
    on_framework: Harness, shape: tuple[int, ...], arguments: dict[str, Any]
) -> None:
    on, random = on_framework, np.random.default_rng(3)
    autograd = on.framework.autograd
    x = random.permutation(int(np.prod(shape))).astype(np.float64).reshape(shape)  # far from any tie
    y, switches = unpoolx.max_pool(on.array(x), **arguments)
    indices = on.array(random.integers(0, 3, y.shape))
    functions: dict[str, tuple[Function, Any]] = {
        "max_pool": (lambda z: unpoolx.max_pool(z, **arguments)[0], on.array(x)),
        "unpool last": (lambda z: unpoolx.unpool(z, switches), y.detach()),
        "unpool sum": (lambda z: unpoolx.unpool(z, switches, overlap="sum"), y.detach()),
        "gather": (lambda z: unpoolx.gather(z, switches), on.array(x)),
    }
    if y.ndim == 3:
        raw = {"output_shape": (y.shape[0], 3, y.shape[2]), "index_format": "spatial", "data_format": "channels_last"}
        functions["raw last"] = (lambda z: unpoolx.unpool(z, indices, **raw), y.detach())
        functions["raw sum"] = (lambda z: unpoolx.unpool(z, indices, overlap="sum", **raw), y.detach())
    for name, (function, at) in functions.items():
        what = f"{name} on torch, float64{shape}, {arguments}"
        given_at = at.clone().requires_grad_()
        assert autograd.gradcheck(function, given_at, check_forward_ad=True), what
        assert autograd.gradgradcheck(function, given_at, check_fwd_over_rev=True), what


@only_torch
@pytest.mark.rule("U9", "F2", "F3", "F4")
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_pytorchs_numerical_check_of_unpooling_without_switches_agrees(
    on_framework: Harness, data_format: str, padding: str
) -> None:
    on, random = on_framework, np.random.default_rng(5)
    autograd = on.framework.autograd
    x = on.array(random.standard_normal((2, 2, 3, 2)))
    arguments = {"kernel_size": 3, "stride": 2, "padding": padding, "data_format": data_format}
    for name, function in {
        "unpool_fixed": lambda z: unpoolx.unpool_fixed(z, position="center", **arguments),
        "unpool_nearest": lambda z: unpoolx.unpool_nearest(z, (2, 3), data_format=data_format),
        "unpool_average": lambda z: unpoolx.unpool_average(z, **arguments),
    }.items():
        what = f"{name} on torch, float64{tuple(x.shape)}, {arguments}"
        given_x = x.clone().requires_grad_()
        assert autograd.gradcheck(function, given_x, check_forward_ad=True), what
        assert autograd.gradgradcheck(function, given_x, check_fwd_over_rev=True), what
