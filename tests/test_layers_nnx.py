"""The Flax layers are Flax's own in shape and values, and our functions in every bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import Harness

import unpoolx
from unpoolx.testing.compare import assert_same_bits

nnx = pytest.importorskip("flax.nnx", reason="flax is not installed")
jax = pytest.importorskip("jax", reason="jax is not installed")

from unpoolx.layers.nnx import MaxPool, MaxUnpool  # noqa: E402  # flax may be absent

WINDOWS: dict[str, dict[str, Any]] = {
    "blocks": {"window_shape": 2, "strides": 2},
    "one step": {"window_shape": 2},
    "same": {"window_shape": 3, "strides": 2, "padding": "SAME"},
    "pairs": {"window_shape": 3, "strides": 2, "padding": (0, 1)},
}


@pytest.fixture(autouse=True)
def _threads() -> None:
    Harness.of("jax", "cpu")


def image(rank: int, seed: int = 0) -> Any:
    """Few different numbers, so that there are ties."""
    numbers = np.random.default_rng(seed).integers(-9, 10, (2, *range(7, 7 + rank), 3))
    return jax.numpy.asarray(numbers.astype(np.float32))


def in_each_axis(arguments: dict[str, Any], rank: int) -> dict[str, Any]:
    """The arguments with one value per axis, as Flax wants them."""
    return {what: value if isinstance(value, str) else (value,) * rank for what, value in arguments.items()}


@pytest.mark.rule("P6", "W4")
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS)
def test_pooling_gives_the_values_of_flaxs_own_function_and_the_switches_of_ours(window: str, rank: int) -> None:
    x, arguments = image(rank), in_each_axis(WINDOWS[window], rank)
    values, switches = MaxPool(**arguments)(x)
    what = f"MaxPool({arguments}) of float32{x.shape}"
    assert_same_bits(np.asarray(values), np.asarray(nnx.max_pool(x, **arguments)), what=f"{what} and Flax's")
    padding = arguments.get("padding", "VALID")
    expected, offsets = unpoolx.max_pool(x, arguments["window_shape"], arguments.get("strides", 1), padding)
    assert_same_bits(np.asarray(values), np.asarray(expected), what=f"{what} and unpoolx.max_pool")
    assert switches == offsets, what
    for overlap in ("last", "sum"):
        ours, wanted = MaxUnpool(overlap)(values, switches), unpoolx.unpool(values, switches, overlap=overlap)
        assert_same_bits(np.asarray(ours), np.asarray(wanted), what=f"MaxUnpool({overlap!r}) after {what}")


def test_arguments_may_be_lists_or_one_int_for_every_axis() -> None:
    x = image(2)
    assert MaxPool([2, 2], [2, 2], [(0, 1), (1, 0)])(x)[1] == MaxPool((2, 2), (2, 2), ((0, 1), (1, 0)))(x)[1]
    assert MaxPool(2, 2)(x)[1] == MaxPool((2, 2), (2, 2))(x)[1]


class Autoencoder(nnx.Module):
    """A small model that passes switches from its one half to the other."""

    def __init__(self, rngs: Any) -> None:
        self.encode = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.pool, self.restore = MaxPool((2, 2), (2, 2)), MaxUnpool()
        self.decode = nnx.Conv(4, 3, (3, 3), rngs=rngs)

    def __call__(self, x: Any) -> Any:
        """Bring x back."""
        return self.decode(self.restore(*self.pool(nnx.relu(self.encode(x)))))


def test_a_model_with_both_layers_trains_under_jit() -> None:
    model, x = Autoencoder(nnx.Rngs(0)), image(2) / 9

    def loss_of(model: Any, x: Any) -> Any:
        return ((model(x) - x) ** 2).mean()

    @nnx.jit
    def step(model: Any, x: Any) -> Any:
        loss, gradients = nnx.value_and_grad(loss_of)(model, x)
        parameters = nnx.state(model, nnx.Param)
        nnx.update(model, jax.tree.map(lambda p, g: p - 0.3 * g, parameters, gradients))
        return loss, gradients

    losses = []
    for _ in range(30):
        loss, gradients = step(model, x)
        losses.append(float(loss))
    assert losses[-1] < 0.7 * losses[0], losses
    reached = jax.tree.leaves(gradients["encode"])
    assert all(np.abs(leaf).sum() > 0 for leaf in reached), "the gradient reaches what comes before the pooling"


def test_jit_gives_the_same_bits_and_the_layers_are_static() -> None:
    x, pool, restore = image(2), MaxPool((3, 3), (2, 2), "SAME"), MaxUnpool("sum")
    values, switches = pool(x)
    compiled, its_switches = nnx.jit(lambda layer, x: layer(x))(pool, x)
    assert_same_bits(np.asarray(compiled), np.asarray(values), what="MaxPool in nnx.jit")
    assert its_switches == switches
    restored = nnx.jit(lambda layer, y, s: layer(y, s))(restore, values, switches)
    assert_same_bits(np.asarray(restored), np.asarray(restore(values, switches)), what="MaxUnpool in nnx.jit")
    for layer in (pool, restore):
        definition, state = nnx.split(layer)
        assert not jax.tree.leaves(state), layer
        assert hash(definition) == hash(nnx.split(layer)[0]), layer
    assert nnx.merge(*nnx.split(pool))(x)[1] == switches


def test_what_does_not_fit_is_refused() -> None:
    values, switches = MaxPool((2, 2))(image(2))
    for error, match, call in (
        (ValueError, "kernel_size", lambda: MaxPool(0)),
        (ValueError, "padding", lambda: MaxPool((2, 2), padding="same")),
        (ValueError, "kernel_size", lambda: MaxPool((9, 9))(image(2))),
        (ValueError, "overlap", lambda: MaxUnpool("max")),
        (ValueError, "shape of the switches", lambda: MaxUnpool()(values[:, 1:], switches)),
    ):
        with pytest.raises(error, match=match):
            call()
