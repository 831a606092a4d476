"""Arrays of more elements than 32 bits can count: right at sampled places, told by plain arithmetic.

The slow ones are run by `make test-all`. Each holds to less than 10 GiB, and skips where there is not that much.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import FRAMEWORKS, Harness

import unpoolx
from unpoolx import Switches, Window
from unpoolx._geometry import Geometry
from unpoolx._recipe_average import _real_elements

GIBIBYTE = 2**30


def needs(gibibytes: int) -> None:
    """Skip the test where the machine has not that much memory free."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return  # no Linux: the machine has to know
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    if free < gibibytes * GIBIBYTE:
        pytest.skip(f"needs {gibibytes} GiB of memory, {free / GIBIBYTE:.1f} are free")


def shared_with(backend: str, x: np.ndarray) -> Any:
    """x as the backend's array, in the same memory: there is no room for a second one."""
    pytest.importorskip(FRAMEWORKS[backend])
    Harness.of(backend, "cpu")
    return unpoolx.get_backend(backend).from_numpy(x)


def host(x: Any) -> np.ndarray:
    return unpoolx.get_backend(x).to_numpy(x)


@pytest.mark.slow
@pytest.mark.rule("W5", "P1", "S1", "L1", "L2", "U1")
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_more_than_two_to_the_31_elements_are_pooled_unpooled_and_read(backend: str) -> None:
    needs(12)
    height, width = 2**16 + 3, 2**15
    row = (np.arange(width) * 37 % 251 - 125).astype(np.int8)
    column = (np.arange(height) * 91 % 253 - 126).astype(np.int8)
    plane = np.bitwise_xor.outer(column, row)
    assert plane.size > 2**31
    x = shared_with(backend, plane.reshape(1, height, width, 1))
    values, switches = unpoolx.max_pool(x, 2)
    gathered = unpoolx.gather(x, switches)
    assert np.array_equal(host(gathered), host(values)), f"gather on {backend}, {plane.shape}: not the pooled values"
    del gathered
    back = host(unpoolx.unpool(values, switches))[0, ..., 0]
    assert back.shape == plane.shape
    random = np.random.default_rng(31)
    windows = [(0, 0), (height // 2 - 1, width // 2 - 1), (2**15, 0), (2**15 - 1, width // 2 - 1)]
    windows += list(zip(random.integers(0, height // 2, 500), random.integers(0, width // 2, 500), strict=True))
    pooled, offsets = host(values)[0, ..., 0], host(switches.offsets)[0, ..., 0]
    for w in windows:
        (i, j), what = w, f"on {backend}, window {w} of {pooled.shape}"
        block = [int(column[2 * i + a] ^ row[2 * j + b]) for a in range(2) for b in range(2)]
        first = block.index(max(block))
        assert int(pooled[i, j]) == max(block), f"max_pool {what}"
        assert int(offsets[i, j]) == first, f"max_pool {what}"
        expected = [max(block) if number == first else 0 for number in range(4)]
        assert back[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel().tolist() == expected, f"unpool {what}"
    assert not back[-1].any(), f"unpool on {backend}: the odd last row is not zero"
    del back
    gc.collect()


@pytest.mark.slow
@pytest.mark.rule("S3", "L4", "W7", "U1")
@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("padding", [0, 1])
def test_indices_beyond_32_bits_come_and_go(backend: str, padding: int) -> None:
    needs(12)
    size = 2**32 + 10
    plane = np.zeros(size, np.int8)
    starts = [w * 2**29 - padding for w in range(9)]
    # The last window has its greatest element first: in 32 bits it would seem to begin in the leading padding.
    places = [max(start, 0) + (8 - w) % 3 for w, start in enumerate(starts)]
    plane[places] = range(1, 10)
    x = shared_with(backend, plane.reshape(1, size, 1))
    window = Window((4,), 2**29, ((padding, 0),))
    values, switches = unpoolx.max_pool(x, window)
    assert host(values).ravel().tolist() == list(range(1, 10)), f"max_pool on {backend}"
    indices = switches.to_indices("spatial")
    assert host(indices).dtype == np.int64
    assert host(indices).ravel().tolist() == places, f"to_indices on {backend}"
    assert places[-1] > 2**32 - 2
    back = Switches.from_indices(indices, window, (1, size, 1), index_format="spatial")
    assert back == switches, f"from_indices on {backend}"
    assert host(unpoolx.gather(x, back)).ravel().tolist() == list(range(1, 10)), f"gather on {backend}"
    del x
    for overlap in ("last", "sum"):
        result = host(unpoolx.unpool(values, back, overlap=overlap)).ravel()
        assert result[places].tolist() == list(range(1, 10)), f"unpool {overlap} on {backend}"
        assert np.count_nonzero(result) == 9, f"unpool {overlap} on {backend}"
        del result
    wrong = host(indices).copy()
    wrong[0, -1, 0] -= 2**32  # what is left of it in 32 bits
    with pytest.raises(ValueError, match=rf"1 of 9 do not\. The first is {wrong[0, -1, 0]} at \(0, 8, 0\)"):
        Switches.from_indices(shared_with(backend, wrong), window, (1, size, 1), index_format="spatial")


@pytest.mark.rule("S3", "S1", "L4")
def test_indices_beyond_32_bits_need_no_large_array(on: Harness) -> None:
    """Only the shapes are large: the offsets of three windows over 2**40 elements."""
    window = Window((4,), 2**39 - 2, data_format="NWC")
    sizes = (2**40,)
    offsets = np.array([[[3], [0], [2]]], np.uint8)
    switches = Switches(on.array(offsets), window, sizes)
    indices = switches.to_indices("spatial")
    assert on.numpy(indices).ravel().tolist() == [3, 2**39 - 2, 2**40 - 2], f"to_indices on {on.name}"
    assert on.numpy(indices).dtype == np.int64
    assert Switches.from_indices(indices, window, (1, *sizes, 1), index_format="spatial") == switches, on.name


@pytest.mark.rule("F4")
@pytest.mark.parametrize("kernel", [2**20, 2**30, 2**31, 2**40])
def test_the_elements_of_an_average_are_counted_beyond_32_bits(on: Harness, kernel: int) -> None:
    """The part of `unpool_average` that counts, since its result would not fit in memory."""
    like = on.array(np.zeros((1, 5, 1), np.float32))
    plain = Geometry.of_spatial(Window((kernel,)), (5 * kernel,))
    counted = on.numpy(_real_elements(on.backend, plain, like))
    assert counted.ravel().tolist() == [kernel] * 5, f"unpool_average on {on.name}, kernel {kernel}"
    same = Geometry.of_spatial(Window((2 * kernel,), kernel, "SAME"), (5 * kernel,))
    counted = on.numpy(_real_elements(on.backend, same, like))
    inner = kernel + kernel // 2
    assert counted.ravel().tolist() == [inner, 2 * kernel, 2 * kernel, 2 * kernel, inner], f"{on.name}, {kernel}, SAME"
