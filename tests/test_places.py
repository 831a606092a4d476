"""Unpooling and reading by places in memory give the recipes' bits, in blocks of every kind, or leave it to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometries import cases, filled
from unpoolx_backends import _numpy_places
from unpoolx_backends._numpy import backend
from unpoolx_backends._places import places_of

import unpoolx
from unpoolx._backend import Backend
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Unpool
from unpoolx.testing.compare import assert_same_bits

Call = Callable[..., Any]


def _recipe(linear_map: LinearMap, x: Any, offsets: Any) -> Any:
    return Backend.linear(backend, linear_map, x, offsets)


def _numpy() -> tuple[Any, Call]:
    return _numpy_places, lambda function, *arrays: function(*arrays)


def _torch() -> tuple[Any, Call]:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from unpoolx_backends import _torch_places

    def call(function: Call, *arrays: Any) -> Any:
        made = function(*(torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arrays))
        return None if made is None else made.numpy()

    return _torch_places, call


def _reads(module: Any, winners: bool) -> Call:
    return lambda *arrays: module.gather(*arrays, winners=winners)


@pytest.mark.rule("U3", "U4", "U5", "U7", "U8")
@pytest.mark.parametrize("on", [_numpy, _torch])
@pytest.mark.parametrize("most", [1, 40, 700, 2**16])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_places_give_the_recipes_bits(
    on: Callable[[], tuple[Any, Call]], most: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, call = on()
    monkeypatch.setattr(module, "BLOCK_WINDOWS", most)
    for random, shape, geometry, what in cases(40, seed=most):
        x, y = filled(random, shape, dtype), filled(random, geometry.pooled_shape(shape), dtype)
        _, offsets = Backend.max_pool(backend, np.abs(filled(random, shape, dtype)), geometry)
        for overlap in ("last", "sum"):
            lone = overlap == "sum" and not geometry.overlaps
            made = call(module.unpool, backend.positive_zero(y) if lone else y, offsets, geometry, overlap)
            assert_same_bits(made, _recipe(Unpool(geometry, overlap), y, offsets), what=f"unpool {overlap}, {what}")
        for winners in (False, True):
            made = call(_reads(module, winners), x, offsets, geometry)
            expected = _recipe(Gather(geometry, winners=winners), x, offsets)
            assert_same_bits(made, expected, what=f"gather, winners {winners}, {what}")


@pytest.mark.rule("S4")
@pytest.mark.parametrize("on", [_numpy, _torch])
def test_a_number_that_names_no_real_element_leaves_it_to_the_recipes(on: Callable[[], tuple[Any, Call]]) -> None:
    module, call = on()
    in_padding = 0
    for random, shape, geometry, what in cases(120, seed=3):
        y = filled(random, geometry.pooled_shape(shape), "float32")
        _, offsets = Backend.max_pool(backend, filled(random, shape, "float32"), geometry)
        assert call(module.unpool, y, offsets, geometry, "last") is not None, what
        at = tuple(int(random.integers(0, n)) for n in offsets.shape)
        for number in range(geometry.kernel_elements + 1):
            named = _named(geometry, offsets, at, number)
            offsets[at] = number
            assert (call(module.unpool, y, offsets, geometry, "last") is None) == (not named), f"{number}, {what}"
            assert (call(_reads(module, True), filled(random, shape, "float32"), offsets, geometry) is None) == (
                not named
            ), f"{number}, {what}"
            in_padding += not named and number < geometry.kernel_elements
    assert in_padding > 50


def _named(geometry: Geometry, offsets: Any, at: tuple[int, ...], number: int) -> bool:
    """Whether a window's number names an element that is there."""
    if number >= geometry.kernel_elements:
        return False
    element = np.unravel_index(number, [axis.kernel for axis in geometry.axes])
    for position, axis, e in zip(geometry.spatial_axes, geometry.axes, element, strict=True):
        if not 0 <= at[position] * axis.stride - axis.before + int(e) * axis.dilation < axis.size:
            return False
    return True


@pytest.mark.rule("U5")
@pytest.mark.parametrize("on", [_numpy, _torch])
@pytest.mark.parametrize(("spatial", "dtype"), [((2, 6), "int16"), ((2**15, 2), "int32"), ((2**9, 2**9), "int32")])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_every_width_of_places_has_room(
    on: Callable[[], tuple[Any, Call]], spatial: tuple[int, ...], dtype: str, data_format: str
) -> None:
    module, call = on()
    shape = (2, 3, *spatial) if data_format == "channels_first" else (2, *spatial, 3)
    for arguments in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}):
        geometry = Geometry.of(unpoolx.Window(**arguments, data_format=data_format), shape)
        x = np.random.default_rng(0).normal(size=shape).astype("f4")
        values, offsets = Backend.max_pool(backend, x, geometry)
        assert places_of(geometry, shape).dtype == dtype
        made = call(module.unpool, values, offsets, geometry, "last")
        assert_same_bits(made, _recipe(Unpool(geometry, "last"), values, offsets), what=str(arguments))
        assert_same_bits(call(_reads(module, False), x, offsets, geometry), values, what=str(arguments))


def test_rows_of_more_than_32_bits_have_places_of_64() -> None:
    geometry = Geometry.of(unpoolx.Window(2, data_format="channels_last"), (1, 2**16, 2**15, 1))
    assert places_of(geometry, (1, 2**15, 2**14, 1)).dtype == "int64"
