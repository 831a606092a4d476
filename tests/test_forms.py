"""Every form of unpooling gives the same bits: each is forced by its private switch, on both sides of its threshold.

On NumPy, which runs the recipes of the immutable frameworks too once it is told not to write in place; so thousands of
geometries can be tried without a compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from harness import Harness, window_of
from hypothesis import given, settings
from hypothesis import strategies as st
from unpoolx_backends import _numpy_small
from unpoolx_backends._numpy import NumpyBackend, backend

import unpoolx
from unpoolx import _recipe_unpool
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits, assert_sum_bits

FORMS = {
    "strided": {},
    "blocks or phases": {"mutable": False},
    "phases alone": {"mutable": False, "max_axes": 0},
    "numbers for every overlap": {"mutable": False, "max_axes": 0, "unrolled": 0},
}


@contextmanager
def forced(mutable: bool = True, max_axes: int = 64, unrolled: int = 64) -> Iterator[None]:
    """NumPy by one form, also where arrays are so small that tables would serve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NumpyBackend, "mutable", mutable)
        patch.setattr(NumpyBackend, "max_axes", max_axes)
        patch.setattr(NumpyBackend, "unrolled_elements", unrolled)
        patch.setattr(_numpy_small, "MOST_ENTRIES", 0)
        yield


@pytest.mark.rule("U3", "U4", "U5", "U7")
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=400)
@given(data=st.data())
def test_each_form_gives_the_oracles_bits(form: str, data: st.DataObject) -> None:
    geometry = data.draw(xst.windows())
    window = window_of(geometry.arguments, geometry.shape)
    dtype = data.draw(xst.dtypes(("float32", "float16", "int8", "float64")))
    y, x = data.draw(xst.arrays(geometry.pooled_shape, dtype)), data.draw(xst.arrays(geometry.shape, dtype))
    offsets = data.draw(xst.offsets_for(geometry))
    switches = unpoolx.Switches.trusted(offsets, window, geometry.spatial_shape)
    what = f"{form}, {dtype}{geometry.shape}, {geometry.arguments}"
    kept = {"spatial_shape": geometry.spatial_shape, **geometry.arguments}
    with forced(**FORMS[form]), np.errstate(all="ignore"):
        last, total = unpoolx.unpool(y, switches), unpoolx.unpool(y, switches, overlap="sum")
        read = unpoolx.gather(x, switches)
    assert_same_bits(last, oracle.unpool(y, offsets, **kept), what=f"last, {what}")
    assert_sum_bits(total, *oracle.unpool_sum_bits(y, offsets, **kept), what=f"sum, {what}")
    assert_same_bits(read, oracle.gather(x, offsets, **geometry.arguments), what=f"gather, {what}")


def test_the_private_switches_choose_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    for name in ("unpool_strided", "unpool_blocks", "unpool_phases", "unpool_numbers"):
        original = getattr(_recipe_unpool, name)

        def spy(*args: object, name: str = name, original: object = original) -> object:
            called.append(name)
            return original(*args)

        monkeypatch.setattr(_recipe_unpool, name, spy)
    overlapping = unpoolx.max_pool(np.zeros((1, 6, 6, 1)), 3, 1)
    apart = unpoolx.max_pool(np.zeros((1, 6, 6, 1)), 3)
    for form, pooled in zip(FORMS, (apart, apart, apart, overlapping), strict=True):
        with forced(**FORMS[form]):
            unpoolx.unpool(*pooled)
    assert called == ["unpool_strided", "unpool_blocks", "unpool_phases", "unpool_numbers"]


@pytest.mark.rule("U5")
def test_a_kernel_beyond_the_threshold_agrees_on_every_framework(on: Harness) -> None:
    random = np.random.default_rng(0)
    x = random.integers(-3, 4, (1, 14, 13, 2)).astype(np.float32)
    for kernel in ((8, 8), (9, 8), (11, 11)):  # 64, 72 and 121 elements: both sides
        values, switches = unpoolx.max_pool(x, kernel, 2)
        ours = unpoolx.Switches.trusted(on.array(switches.offsets), switches.window, switches.spatial_shape)
        for overlap in ("last", "sum"):
            expected = unpoolx.unpool(values, switches, overlap=overlap)
            actual = on.numpy(unpoolx.unpool(on.array(values), ours, overlap=overlap))
            assert_same_bits(actual, expected, what=f"unpool {overlap}, kernel {kernel} on {on.name}")
        read = on.numpy(unpoolx.gather(on.array(x), ours))
        assert_same_bits(read, values, what=f"gather, kernel {kernel} on {on.name}")


def test_the_recipes_are_left_as_they_were() -> None:
    assert (backend.mutable, backend.max_axes, backend.unrolled_elements) == (True, 64, 64)
