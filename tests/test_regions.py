"""Two forms of one meaning give the same bits: regions and the whole, elements and axes, pairs and window numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unpoolx_backends._numpy import NumpyBackend

from unpoolx import _recipe_pool, _recipe_unpool
from unpoolx._geometry import Geometry
from unpoolx._recipe_regions import regions
from unpoolx._window import Window
from unpoolx.testing.compare import assert_same_bits

DTYPES = ("float32", "float16", "int8", "uint8", "int64", "bool")


class Fusing(NumpyBackend):
    """NumPy, asked for what a compiler that fuses is asked for."""

    fuses = True
    exact_comparisons = False
    mutable = False


FUSING = Fusing()


def cases(count: int, seed: int) -> list[tuple[Geometry, tuple[int, ...], np.random.Generator]]:
    """Legal geometries of one to three axes, the shape of an array for each, and what draws its numbers."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        rank = int(rng.integers(1, 4))

        def drawn(low: int, high: int, rank: int = rank) -> tuple[int, ...]:
            return tuple(int(n) for n in rng.integers(low, high, rank))

        layout = ("channels_last", "channels_first")[int(rng.integers(2))]
        spatial = drawn(1, 10)
        shape = (2, *spatial, 3) if layout == "channels_last" else (2, 3, *spatial)
        padding = tuple(zip(drawn(0, 3), drawn(0, 3), strict=True))
        kernel = drawn(1, 5 if rank < 3 else 4)
        try:
            more = {"dilation": drawn(1, 4), "ceil_mode": bool(rng.integers(2)), "data_format": layout}
            window = Window(kernel, drawn(1, 5), padding, **more)
            found.append((Geometry.of(window, shape), shape, rng))
        except ValueError:  # padding alone in some window, or a window larger than the array
            continue
    return found


def numbers(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Few numbers, so that there are ties; the least one, and what floats betray."""
    x = rng.integers(0 if dtype in ("uint8", "bool") else -2, 3, shape).astype(dtype)
    if dtype.startswith("float"):
        special = np.array([np.nan, -0.0, -np.inf, 1e-7], dtype)
        return np.where(rng.random(shape) < 0.3, rng.choice(special, shape), x)
    least = False if dtype == "bool" else np.iinfo(dtype).min
    return np.where(rng.random(shape) < 0.4, np.array(least, dtype), x)


def test_every_window_is_in_one_region() -> None:
    several = 0
    for geometry, _, _ in cases(400, seed=1):
        seen = np.zeros(geometry.windows, int)
        found = regions(geometry)
        for region in found:
            seen[tuple(slice(start, start + count) for start, count, _ in region.windows.values())] += 1
        assert (seen == 1).all(), geometry
        several += len(found) > 1
    assert several > 100, "the cases should have borders"


@pytest.mark.parametrize("dtype", DTYPES)
def test_pooling_by_elements_is_pooling_by_axes(dtype: str) -> None:
    for geometry, shape, rng in cases(150, seed=2):
        x = numbers(dtype, shape, rng)
        expected = _recipe_pool.max_pool_by_axes(FUSING, geometry, x)
        for one, other in zip(_recipe_pool.max_pool_by_elements(FUSING, geometry, x), expected, strict=True):
            assert_same_bits(one, other, what=f"{geometry}")


@pytest.mark.parametrize("winners", [False, True])
def test_reading_by_regions_is_reading_whole(winners: bool) -> None:
    whole = NumpyBackend()
    for geometry, shape, rng in cases(300, seed=3):
        x = rng.standard_normal(shape)
        offsets = rng.integers(0, geometry.kernel_elements, geometry.pooled_shape(shape)).astype("uint8")
        expected = _recipe_unpool.gather(whole, x, offsets, geometry, winners)
        assert_same_bits(_recipe_unpool.gather(FUSING, x, offsets, geometry, winners), expected, what=f"{geometry}")


def test_winners_by_pairs_are_winners_by_window_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    for geometry, shape, rng in cases(400, seed=4):
        if not geometry.overlaps:
            continue
        x = rng.standard_normal(shape)
        offsets = rng.integers(0, geometry.kernel_elements, geometry.pooled_shape(shape)).astype("uint8")
        read = []
        for most in (10**6, -1):
            monkeypatch.setattr(_recipe_unpool, "COMPARED_PAIRS", most)
            read.append(_recipe_unpool.gather(FUSING, x, offsets, geometry, winners=True))
        assert_same_bits(*read, what=f"{geometry}")
        compared += 1
    assert compared > 100
