"""Every function on every backend gives the oracle's bits, for generated geometries, dtypes and contents.

A geometry and a dtype are drawn, and then several arrays for it: frameworks that compile do so once per geometry.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from harness import Harness, window_of
from hypothesis import given, settings
from hypothesis import strategies as st

import unpoolx
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits, assert_sum_bits

GEOMETRIES = {"deep": 1250}.get(os.environ.get("UNPOOLX_PROFILE", "ci"), 125)
ARRAYS = 16
MOVABLE = (*xst.POOL_DTYPES, *xst.COMPLEX_DTYPES)
SUMMABLE = tuple(name for name in MOVABLE if name != "bool")


def several(data: st.DataObject, shape: tuple[int, ...], dtype: str, **without: bool) -> list[np.ndarray]:
    return [data.draw(xst.arrays(shape, dtype, **without)) for _ in range(ARRAYS)]


@pytest.mark.rule(
    "P1",
    "P2",
    "P3",
    "P4",
    "P5",
    "P6",
    "P7",
    "S1",
    "W1",
    "W2",
    "W3",
    "W4",
    "W5",
    "W6",
    "W7",
    "W10",
    "L1",
    "L2",
)
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_max_pool_gives_the_oracles_bits_and_its_switches_bring_them_back(on: Harness, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes())
    for x in several(data, geometry.shape, dtype):
        values, offsets = oracle.max_pool(x, **geometry.arguments)
        ours, switches = unpoolx.max_pool(on.array(x), **geometry.arguments)
        what = f"max_pool on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}"
        assert_same_bits(on.numpy(ours), values, what=what)
        assert_same_bits(on.numpy(switches.offsets), offsets, what=f"offsets of {what}")
        assert switches.spatial_shape == geometry.spatial_shape, what
        assert_same_bits(on.numpy(unpoolx.gather(on.array(x), switches)), values, what=f"L1 of {what}")
        ones = np.ones(offsets.shape, np.uint8)
        chosen = on.numpy(unpoolx.unpool(on.array(ones), switches)).astype(bool)
        back = on.numpy(unpoolx.unpool(ours, switches))
        assert_same_bits(back, np.where(chosen, x, np.zeros((), x.dtype)), what=f"L2 of {what}")
    on.count("max_pool", ARRAYS)


@pytest.mark.rule("U1", "U3", "U5", "W7")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_unpool_last_gives_the_oracles_bits(on: Harness, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(MOVABLE))
    window = window_of(geometry.arguments, geometry.shape)
    for y in several(data, geometry.pooled_shape, dtype):
        offsets = data.draw(xst.offsets_for(geometry))
        expected = oracle.unpool(y, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        switches = on.switches(offsets, window, geometry.spatial_shape)
        ours = on.numpy(unpoolx.unpool(on.array(y), switches))
        assert_same_bits(
            ours, expected, what=f"unpool last on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}"
        )
    on.count("unpool last", ARRAYS)


@pytest.mark.rule("U1", "U4", "U5", "W7")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_unpool_sum_gives_the_oracles_bits(on: Harness, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(SUMMABLE))
    window = window_of(geometry.arguments, geometry.shape)
    for y in several(data, geometry.pooled_shape, dtype):
        offsets = data.draw(xst.offsets_for(geometry))
        bits = oracle.unpool_sum_bits(y, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        switches = on.switches(offsets, window, geometry.spatial_shape)
        ours = on.numpy(unpoolx.unpool(on.array(y), switches, overlap="sum"))
        assert_sum_bits(ours, *bits, what=f"unpool sum on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}")
    on.count("unpool sum", ARRAYS)


@pytest.mark.rule("U7", "W7")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_gather_gives_the_oracles_bits(on: Harness, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows())
    dtype = data.draw(xst.dtypes(MOVABLE))
    window = window_of(geometry.arguments, geometry.shape)
    for x in several(data, geometry.shape, dtype):
        offsets = data.draw(xst.offsets_for(geometry))
        expected = oracle.gather(x, offsets, **geometry.arguments)
        ours = on.numpy(unpoolx.gather(on.array(x), on.switches(offsets, window, geometry.spatial_shape)))
        assert_same_bits(ours, expected, what=f"gather on {on.name}, {dtype}{geometry.shape}, {geometry.arguments}")
    on.count("gather", ARRAYS)


@pytest.mark.rule("U6", "U3", "U4", "U5")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_unpool_by_raw_indices_gives_the_oracles_bits(on: Harness, data: st.DataObject) -> None:
    raw = data.draw(xst.raw_indices())
    overlap = data.draw(st.sampled_from(("last", "sum")))
    dtype = data.draw(xst.dtypes(SUMMABLE if overlap == "sum" else MOVABLE))
    what = f"unpool {overlap} of {raw} on {on.name}, {dtype}"
    for y in several(data, raw.x_shape, dtype):
        ours = unpoolx.unpool(on.array(y), on.array(raw.indices), overlap=overlap, **raw.arguments)
        if overlap == "sum":
            assert_sum_bits(on.numpy(ours), *oracle.unpool_indices_sum_bits(y, raw.indices, **raw.arguments), what=what)
        else:
            expected = oracle.unpool_indices(y, raw.indices, overlap=overlap, **raw.arguments)
            assert_same_bits(on.numpy(ours), expected, what=what)
    on.count("unpool raw", ARRAYS)


@pytest.mark.rule("S2", "S3", "L4")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_index_formats_give_the_oracles_numbers_and_come_back(on: Harness, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows())
    window = window_of(geometry.arguments, geometry.shape)
    index_format = data.draw(st.sampled_from(oracle.INDEX_FORMATS))
    for _ in range(ARRAYS):
        offsets = data.draw(xst.offsets_for(geometry))
        switches = on.switches(offsets, window, geometry.spatial_shape)
        expected = oracle.to_indices(
            offsets, input_shape=geometry.shape, index_format=index_format, **geometry.arguments
        )
        indices = switches.to_indices(index_format)
        what = f"to_indices({index_format!r}) on {on.name}, {geometry}"
        if index_format == "window":
            expected = expected.astype(offsets.dtype)
        assert_same_bits(on.numpy(indices), expected, what=what)
        back = unpoolx.Switches.from_indices(indices, window, geometry.shape, index_format=index_format)
        assert back == switches, what
        assert_same_bits(on.numpy(back.offsets), offsets, what=f"from_indices after {what}")
    on.count("to_indices", ARRAYS)
    on.count("from_indices", ARRAYS)


@st.composite
def plain_geometry(draw: st.DrawFn, *, strides: bool = True) -> tuple[tuple[int, ...], dict[str, object]]:
    """The shape of x and the arguments of an unpooling that needs no switches."""
    rank = draw(st.integers(1, 3))
    most = 3 if rank == 3 else 4
    kernel = draw(st.tuples(*[st.integers(1, most)] * rank) | st.integers(1, most))
    stride = draw(st.none() | st.integers(1, 3) | st.tuples(*[st.integers(1, 3)] * rank)) if strides else None
    a_tuple = isinstance(kernel, tuple) or isinstance(stride, tuple)
    batch = draw(
        st.lists(st.integers(0, 2), max_size=2) if a_tuple else st.lists(st.integers(0, 2), min_size=1, max_size=1)
    )
    spatial = draw(st.lists(st.integers(1, most), min_size=rank, max_size=rank))
    channels = draw(st.integers(0, 3))
    data_format = draw(st.sampled_from(("channels_last", "channels_first")))
    shape = (*batch, channels, *spatial) if data_format == "channels_first" else (*batch, *spatial, channels)
    padding = draw(st.sampled_from(("VALID", "SAME")))
    return shape, {"kernel_size": kernel, "stride": stride, "padding": padding, "data_format": data_format}


@pytest.mark.rule("F1", "F2", "W10")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_unpool_fixed_gives_the_oracles_bits(on: Harness, data: st.DataObject) -> None:
    shape, arguments = data.draw(plain_geometry())
    rank = len(arguments["kernel_size"]) if isinstance(arguments["kernel_size"], tuple) else 1
    if isinstance(arguments["kernel_size"], tuple):
        extents = arguments["kernel_size"]
        if arguments["padding"] == "SAME" and arguments["stride"] is not None:
            stride = arguments["stride"]
            extents = stride if isinstance(stride, tuple) else (stride,) * rank
        places = st.tuples(*[st.integers(0, extent - 1) for extent in extents])
        position = data.draw(st.sampled_from(("corner", "center")) | places)
    else:
        position = data.draw(st.sampled_from(("corner", "center")))
    dtype = data.draw(xst.dtypes(MOVABLE))
    for x in several(data, shape, dtype):
        expected = oracle.unpool_fixed(x, position=position, **arguments)
        ours = on.numpy(unpoolx.unpool_fixed(on.array(x), position=position, **arguments))
        assert_same_bits(ours, expected, what=f"unpool_fixed on {on.name}, {dtype}{shape}, {arguments}, {position}")
    on.count("unpool_fixed", ARRAYS)


@pytest.mark.rule("F3", "W10")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_unpool_nearest_gives_the_oracles_bits(on: Harness, data: st.DataObject) -> None:
    shape, arguments = data.draw(plain_geometry(strides=False))
    scale, data_format = arguments["kernel_size"], arguments["data_format"]
    dtype = data.draw(xst.dtypes(MOVABLE))
    for x in several(data, shape, dtype):
        expected = oracle.unpool_nearest(x, scale, data_format=data_format)
        ours = on.numpy(unpoolx.unpool_nearest(on.array(x), scale, data_format=data_format))
        assert_same_bits(ours, expected, what=f"unpool_nearest on {on.name}, {dtype}{shape}, {scale}")
    on.count("unpool_nearest", ARRAYS)


@pytest.mark.rule("F1", "F4", "W10")
@settings(max_examples=GEOMETRIES)
@given(data=st.data())
def test_unpool_average_gives_the_oracles_bits(on: Harness, data: st.DataObject) -> None:
    shape, arguments = data.draw(plain_geometry())
    dtype = data.draw(xst.dtypes(xst.FLOAT_DTYPES))
    for x in several(data, shape, dtype):
        bits = oracle.unpool_average_sum_bits(x, **arguments)
        ours = on.numpy(unpoolx.unpool_average(on.array(x), **arguments))
        assert_sum_bits(ours, *bits, what=f"unpool_average on {on.name}, {dtype}{shape}, {arguments}")
    on.count("unpool_average", ARRAYS)
