"""The loops that Numba compiles give the recipes' bits: on rows longer than an instruction takes, in every memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometries import cases, filled
from harness import Harness
from unpoolx_backends import _fused
from unpoolx_backends._numpy import backend

import unpoolx
from unpoolx._backend import Backend
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather, LinearMap, Unpool
from unpoolx.testing.compare import assert_same_bits

pytest.importorskip("numba", reason="numba is not installed, and the recipes serve alone")


@pytest.fixture(autouse=True)
def _fuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fused, "FEWEST_ELEMENTS", 0)
    monkeypatch.setattr(_fused, "SHARED_ELEMENTS", 64)
    monkeypatch.setattr(_fused, "FEWEST_TOGETHER", 0)


def _recipe(linear_map: LinearMap, x: Any, offsets: Any) -> Any:
    return Backend.linear(backend, linear_map, x, offsets)


@pytest.mark.rule("P1", "P2", "P3", "P5", "P6")
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_pooling_by_loops_gives_the_recipes_bits(dtype: str) -> None:
    for random, shape, geometry, what in cases(150, seed=1):
        x = filled(random, shape, dtype)
        values, offsets = _fused.max_pool(x, geometry, 2)
        expected = Backend.max_pool(backend, x, geometry)
        assert_same_bits(offsets, expected[1], what=f"offsets, {what}")
        assert_same_bits(values, expected[0], what=f"values, {what}")


LEAST = {"float32": -np.inf, "int8": -128, "bool": False}
"""Nothing inside is better than what is outside."""
WAYS: dict[str, tuple[tuple[int, ...], Any, Any, Any, Any]] = {
    # spatial shape, kernel, stride, padding, dilation
    "several rows of windows at once, the last ones fewer": ((47, 61), 3, 2, 1, 1),
    "a row of windows at a time": ((7, 1023), 3, 1, 1, 1),
    "rows in two pieces, steps of one": ((5, 1030), 3, 1, 1, 1),
    "rows in two pieces, steps of two": ((5, 1052), 3, 2, 1, 1),
    "rows in one piece, steps of two": ((5, 1025), 3, 2, 1, 1),
    "rows in three pieces, steps of three": ((4, 2500), (2, 4), 3, (1, 2), (1, 2)),
    "one row and two": ((9, 37), (1, 2), (1, 2), 0, 1),
    "four rows and columns, steps wider than windows": ((33, 41), 4, 5, 2, 1),
    "five rows and columns": ((21, 35), 5, 1, 2, 1),
    "six and seven": ((21, 35), (6, 7), (2, 1), (3, 2), 1),
    "nine rows by three axes": ((5, 6, 17), 3, 2, 1, 1),
    "twenty-seven elements apart": ((6, 7, 33), 3, 1, 1, 2),
    "ten elements": ((12, 19), (2, 5), 2, (1, 2), 1),
    "thirteen elements": ((60,), 13, 3, 6, 1),
    "fourteen elements": ((60,), 14, 3, 7, 1),
    "numbers and what is outside in a byte": ((60,), 128, 1, 64, 1),
    "numbers in a byte, what is outside in two": ((60,), 129, 1, 64, 1),
    "the most numbers in a byte": ((40, 40), 16, 3, 8, 1),
    "numbers in four bytes": ((40, 40), (16, 17), 3, 8, 1),
}


@pytest.mark.rule("P1", "P2", "P3", "P5", "P6")
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", LEAST)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_through_the_loops_of_pooling_gives_the_recipes_bits(way: str, dtype: str, data_format: str) -> None:
    spatial, kernel, stride, padding, dilation = WAYS[way]
    window = unpoolx.Window(kernel, stride, padding, dilation=dilation, data_format=data_format)
    random = np.random.default_rng(6)
    for channels in (1, 17):
        shape = (1, channels, *spatial) if data_format == "channels_first" else (1, *spatial, channels)
        geometry = Geometry.of(window, shape)
        drawn = [filled(random, shape, "float32" if dtype == "float32" else "int8").astype(dtype) for _ in range(3)]
        for x in (*drawn, np.full(shape, LEAST[dtype], dtype)):
            values, offsets = _fused.max_pool(x, geometry, 2)
            expected = Backend.max_pool(backend, x, geometry)
            assert_same_bits(offsets, expected[1], what=f"offsets, {way}, {shape} {dtype}")
            assert_same_bits(values, expected[0], what=f"values, {way}, {shape} {dtype}")


@pytest.mark.rule("U3", "U4", "U5", "U7", "U8")
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_unpooling_and_reading_by_loops_give_the_recipes_bits(dtype: str) -> None:
    for random, shape, geometry, what in cases(150, seed=2):
        x, y = filled(random, shape, dtype), filled(random, geometry.pooled_shape(shape), dtype)
        _, offsets = Backend.max_pool(backend, np.abs(filled(random, shape, dtype)), geometry)
        for overlap in ("last", "sum"):
            made = backend.linear(Unpool(geometry, overlap), y, offsets)
            expected = _recipe(Unpool(geometry, overlap), y, offsets)
            assert_same_bits(made, expected, what=f"unpool {overlap}, {what}")
        for winners in (False, True):
            made = _fused.gather(x, offsets, geometry, winners, 2)
            expected = _recipe(Gather(geometry, winners=winners), x, offsets)
            assert_same_bits(made, expected, what=f"gather, winners {winners}, {what}")


@pytest.mark.rule("S4")
def test_a_switch_that_is_nowhere_is_passed_over_by_every_loop() -> None:
    for random, shape, geometry, what in cases(60, seed=3):
        x, y = filled(random, shape, "float32"), filled(random, geometry.pooled_shape(shape), "float32")
        _, offsets = Backend.max_pool(backend, x, geometry)
        nowhere = random.integers(0, 3, offsets.shape) == 0
        offsets = np.where(nowhere, np.array(geometry.kernel_elements, offsets.dtype), offsets)
        for overlap in ("last", "sum"):
            made = _fused.unpool(y, offsets, geometry, overlap, 2)
            expected = _recipe(Unpool(geometry, overlap), y, offsets)
            if overlap == "sum" and not geometry.overlaps:
                made = backend.positive_zero(made)
            assert_same_bits(made, expected, what=f"unpool {overlap}, {what}")
        for winners in (False, True):
            made = _fused.gather(x, offsets, geometry, winners, 2)
            assert np.all(made[nowhere] == 0), what
            expected = _recipe(Gather(geometry, winners=winners), x, offsets)
            assert_same_bits(made, expected, what=f"gather, winners {winners}, {what}")


def test_two_by_two_pools_every_slice_of_a_third_axis() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6, 8)).astype("f4")
    values, switches = unpoolx.max_pool(x, (1, 2, 2), data_format="channels_first")
    expected = Backend.max_pool(backend, x, Geometry.of(switches.window, x.shape))
    assert_same_bits(values, expected[0], what="values")
    assert_same_bits(switches.offsets, expected[1], what="offsets")


MEMORIES: dict[str, Callable[[Any], Any]] = {
    "contiguous": lambda x: x.contiguous(),
    "channels_last": lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1),
    "rows apart": lambda x: x.repeat_interleave(2, -2)[..., ::2, :],
    "columns apart": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "one image expanded": lambda x: x[:1].expand(x.shape),
    "turned": lambda x: x.mT.contiguous().mT,
}


def _moved(x: Any, switches: unpoolx.Switches, dx: Any, dy: Any) -> list[Any]:
    """What is read and unpooled by switches, and the gradients of unpooling where floats have them."""
    import torch

    found = [unpoolx.gather(x, switches), *(unpoolx.unpool(dy, switches, overlap=o) for o in ("last", "sum"))]
    if x.is_floating_point():
        for overlap in ("last", "sum"):
            leaf = dy.detach().requires_grad_()
            found.append(torch.autograd.grad(unpoolx.unpool(leaf, switches, overlap=overlap), leaf, dx)[0])
    return found


@pytest.mark.rule("U5", "L7")
@pytest.mark.parametrize("on_framework", ["torch"], indirect=True)
@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8"])
@pytest.mark.parametrize("way", ["loops", "kernels"])
def test_every_memory_gives_the_recipes_bits(
    on_framework: Harness, memory: str, dtype: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from unpoolx_backends import _torch_native

    monkeypatch.setattr(_fused, "ENABLED", way == "loops")
    random = np.random.default_rng(5)
    laid = MEMORIES[memory]
    for kernel, stride, padding in (((2, 2), 2, 0), ((3, 3), 2, 1), ((2, 3), (1, 2), (0, 1))):
        x = laid(torch.from_numpy(filled(random, (2, 9, 12, 34), "int8" if dtype == "int8" else "float32")))
        x = laid(x.to(getattr(torch, dtype)))
        y, switches = unpoolx.max_pool(x, kernel, stride, padding, data_format="channels_first")
        dx, dy = laid(torch.ones_like(x).cumsum(-1).to(x.dtype)), laid(y)
        results = [y, switches.offsets, *_moved(x, switches, dx, dy)]
        with monkeypatch.context() as plain:
            plain.setattr(_fused, "ENABLED", False)
            plain.setattr(_torch_native, "ENABLED", False)
            expected = [*unpoolx.max_pool(x.contiguous(), kernel, stride, padding, data_format="channels_first")]
            offsets = unpoolx.Switches.trusted(expected[1].offsets, switches.window, switches.spatial_shape)
            expected = [expected[0], offsets.offsets, *_moved(x, offsets, dx, dy)]
        for number, (one, other) in enumerate(zip(results, expected, strict=True)):
            what = f"result {number}, {dtype} {memory} by {way}, kernel {kernel}"
            assert_same_bits(on_framework.numpy(one.detach()), on_framework.numpy(other.detach()), what=what)
