"""JAX's own tools on our functions: a mesh of devices, 64 bits off, donated buffers, exported programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_alone
from harness import WINDOWS, Harness

import unpoolx
from unpoolx.testing.compare import assert_same_bits

jax = pytest.importorskip("jax", reason="jax is not installed")

# Eight devices have to be asked for before JAX starts, so this runs in a process of its own.
SHARDED = """
import sys
import numpy as np, jax, jax.numpy as jnp, unpoolx
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")
mesh = Mesh(np.array(jax.devices()), ("d",))
assert mesh.size == 8, mesh
x = np.random.default_rng(0).integers(-5, 6, (8, 16, 16, 8)).astype(np.float32)

def pooled(window, overlap):
    def run(x):
        values, switches = unpoolx.max_pool(x, **window)
        return values, switches.offsets, unpoolx.unpool(values, switches, overlap=overlap)
    return run

def functions(window, overlap):
    run = pooled(window, overlap)
    yield "pool and unpool", run
    yield "gradient", jax.grad(lambda x: (run(x)[2] ** 2).sum())
    yield "gather", lambda x: unpoolx.gather(x, unpoolx.max_pool(x, **window)[1])

seen = set()
SPECS = {"batch": P("d"), "channels": P(None, None, None, "d"), "space": P(None, "d")}
LARGE = {"kernel_size": (9, 8), "stride": 7}  # takes long to compile
for window in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": "SAME"}, LARGE):
    for overlap in ("last", "sum") if window is not LARGE else ("last",):
        for name, function in functions(window, overlap):
            expected = jax.tree.leaves(jax.jit(function)(jnp.asarray(x)))
            for axis, spec in SPECS.items():
                if window is LARGE and axis == "space":
                    continue
                here = jax.device_put(x, NamedSharding(mesh, spec))
                program = jax.jit(function).lower(here).compile()
                found = {word for word in COLLECTIVES if word in program.as_text()}
                what = f"{name}, {window}, {overlap}, {axis} sharded: {found}"
                seen |= found
                # Windows that cross the border between two devices need what lies behind it, and nothing else does.
                assert not found or (axis == "space" and found == {"collective-permute"}), what
                for ours, wanted in zip(jax.tree.leaves(program(here)), expected, strict=True):
                    assert np.asarray(ours).tobytes() == np.asarray(wanted).tobytes(), what
                    assert ours.sharding.is_equivalent_to(here.sharding, ours.ndim), (what, ours.sharding)
assert seen == {"collective-permute"}, "the words of the program's text would be seen"
print("done")
"""


@pytest.fixture(autouse=True)
def _set_up() -> None:
    Harness.of("jax", "cpu")


def image(shape: tuple[int, ...] = (2, 13, 14, 3), seed: int = 0) -> np.ndarray:
    """Few different numbers, so that there are ties."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float32)


@pytest.mark.rule("U5", "U8", "L6")
def test_sharded_batches_and_channels_need_no_communication(tmp_path: Path) -> None:
    done = run_alone(SHARDED, tmp_path, XLA_FLAGS="--xla_force_host_platform_device_count=8")
    assert done.split() == ["done"], done


@pytest.mark.rule("P6", "S1", "U3", "U4", "U8")
@pytest.mark.parametrize("window", WINDOWS)
def test_without_64_bits_results_and_gradients_are_the_same(window: str) -> None:
    x, arguments = image(), WINDOWS[window]

    def run(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, **arguments)
        return values, switches.offsets, unpoolx.unpool(values, switches)

    def both(x: Any) -> list[np.ndarray]:
        gradient = jax.jit(jax.grad(lambda x: (run(x)[2] ** 2).sum()))
        return [np.asarray(leaf) for leaf in (*run(x), *jax.jit(run)(x), gradient(x))]

    wide = both(jax.numpy.asarray(x))
    with jax.enable_x64(False):
        narrow = both(jax.numpy.asarray(x))
    for number, (ours, expected) in enumerate(zip(narrow, wide, strict=True)):
        assert_same_bits(ours, expected, what=f"result {number} without 64 bits, {window}")


@pytest.mark.rule("L7")
@pytest.mark.parametrize("window", WINDOWS)
def test_a_donated_argument_takes_no_result_along(window: str) -> None:
    x, arguments = image(), WINDOWS[window]
    expected, switches = unpoolx.max_pool(x, **arguments)

    def round_trip(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, **arguments)
        return values, unpoolx.unpool(values, switches)

    donated = jax.numpy.asarray(x)
    before, its_switches = unpoolx.max_pool(donated, **arguments)
    values, restored = jax.jit(round_trip, donate_argnums=0)(donated)
    assert donated.is_deleted(), "the buffer was given away"
    for ours in (before, values):
        assert_same_bits(np.asarray(ours), expected, what=f"values beside a donated argument, {window}")
    assert its_switches == switches.to("jax"), window
    assert_same_bits(np.asarray(restored), unpoolx.unpool(expected, switches), what=f"unpool in a donated {window}")


@pytest.mark.rule("S6", "U8")
@pytest.mark.parametrize("window", WINDOWS)
def test_an_exported_program_gives_the_same_bits_and_gradients(window: str) -> None:
    arguments = WINDOWS[window]

    def round_trip(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, **arguments)
        return values, switches.offsets, unpoolx.unpool(values, switches)

    x = jax.numpy.asarray(image())
    exported = jax.export.export(jax.jit(round_trip))(jax.ShapeDtypeStruct(x.shape, x.dtype))
    loaded = jax.export.deserialize(exported.serialize(vjp_order=1))
    for ours, expected in zip(loaded.call(x), round_trip(x), strict=True):
        assert_same_bits(np.asarray(ours), np.asarray(expected), what=f"jax.export, {window}")
    ours = jax.grad(lambda x: (loaded.call(x)[2] ** 2).sum())(x)
    expected = jax.grad(lambda x: (round_trip(x)[2] ** 2).sum())(x)
    assert_same_bits(np.asarray(ours), np.asarray(expected), what=f"gradient of jax.export, {window}")


@pytest.mark.rule("S6")
@pytest.mark.parametrize("window", ["blocks", "overlap"])
def test_an_exported_program_serves_a_batch_of_any_size(window: str) -> None:
    arguments = WINDOWS[window]

    def round_trip(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, **arguments)
        return values, switches.offsets, unpoolx.unpool(values, switches)

    shape = jax.export.symbolic_shape("batch, 13, 14, 3")
    exported = jax.export.export(jax.jit(round_trip))(jax.ShapeDtypeStruct(shape, np.float32))
    loaded = jax.export.deserialize(exported.serialize())
    for count in (1, 4):
        x = jax.numpy.asarray(image((count, 13, 14, 3)))
        for ours, expected in zip(loaded.call(x), round_trip(x), strict=True):
            assert_same_bits(np.asarray(ours), np.asarray(expected), what=f"jax.export of a batch of {count}, {window}")
