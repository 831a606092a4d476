"""What a call holds at once is little more than its results, and training keeps one byte a window."""

from __future__ import annotations

import subprocess
import sys

import pytest
from harness import Harness

import unpoolx
from unpoolx._bench import memory
from unpoolx._bench.memory import Held
from unpoolx._bench.problems import PLAIN, Pooling

OVERLAPPING = Pooling(2, 3, 2, 1)
MOST_BEYOND = 0.25
"""What a call may hold beyond its results, as a part of its arguments."""
MEBIBYTES = 128

CASES = [
    *((backend, layout) for backend in ("numpy", "torch") for layout in ("NHWC", "NCHW")),
    ("jax", "NHWC"),
    ("tf", "NHWC"),
]
# What more is known to be held, in parts of the arguments: of overlapping windows, XLA pads values and offsets, and
# TensorFlow's holds most of the values once more: 1.80, with earlier releases of these recipes, too.
KNOWN = {("jax", "unpool"): 1.2, ("tf", "unpool"): 1.9}

pytestmark = [
    pytest.mark.skipif(not memory.FORGET.exists(), reason="the kernel cannot be asked for the peak of one call"),
]


def held(backend: str, function: str, layout: str, window: Pooling) -> Held:
    """The measurement, where the framework is installed."""
    if backend != "numpy":
        Harness.of(backend, "cpu")
    return memory.held(backend, function, layout, window, MEBIBYTES)


@pytest.mark.parametrize("function", ["max_pool", "unpool"])
def test_a_call_of_numpy_holds_its_result_and_little_more(function: str) -> None:
    assert held("numpy", function, "NHWC", PLAIN).beyond <= MOST_BEYOND


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "layout"), CASES)
@pytest.mark.parametrize("window", [PLAIN, OVERLAPPING], ids=["k2", "k3"])
@pytest.mark.parametrize("function", ["max_pool", "unpool"])
def test_a_call_holds_its_result_and_little_more(backend: str, layout: str, window: Pooling, function: str) -> None:
    most = KNOWN.get((backend, function), MOST_BEYOND) if window.overlaps else MOST_BEYOND
    found = held(backend, function, layout, window)
    assert found.beyond <= most, found
    assert found.peak_bytes > found.result_bytes / 2, f"the peak was not seen: {found}"


PASSING = """
import numpy as np
from unpoolx._bench import memory
before = memory._begin()
np.ones(1 << 26, np.uint8).sum()
print(memory._kilobytes("VmHWM") * 1024 - before, memory._begin() - before)
"""


def test_what_is_held_for_a_moment_is_seen_and_forgotten() -> None:
    """In a fresh process, as every measurement is: this one may hold much that the kernel takes away meanwhile."""
    done = subprocess.run([sys.executable, "-c", PASSING], capture_output=True, text=True, check=True)
    peak, left = map(int, done.stdout.split())
    assert 0.98 * (1 << 26) <= peak < 1.1 * (1 << 26)
    assert left < 0.1 * (1 << 26)


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("window", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}], ids=str)
def test_training_in_torch_saves_no_64_bit_integers(data_format: str, window: dict[str, int]) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    Harness.of("torch", "cpu")
    saved = []

    def pack(tensor):
        saved.append(tensor.dtype)
        return tensor

    x = torch.rand(2, 8, 8, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        values, switches = unpoolx.max_pool(x, **window, data_format=data_format)
        unpoolx.unpool(values, switches).sum()
    assert switches.offsets.dtype == torch.uint8
    assert saved
    assert torch.int64 not in saved
    saved.clear()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    assert torch.int64 in saved  # what PyTorch's own pooling keeps is seen
