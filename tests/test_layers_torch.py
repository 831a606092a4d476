"""The PyTorch layers are PyTorch's own in shape and values, and our functions in every bit."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Harness

import unpoolx
from unpoolx.testing.compare import assert_same_bits

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn

from unpoolx.layers.torch import MaxPool, MaxUnpool  # noqa: E402  # torch may be absent

POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
UNPOOLS = {1: nn.MaxUnpool1d, 2: nn.MaxUnpool2d, 3: nn.MaxUnpool3d}
WINDOWS: dict[str, dict[str, Any]] = {
    "blocks": {"kernel_size": 2},
    "overlap": {"kernel_size": 3, "stride": 2, "padding": 1},
    "dilated": {"kernel_size": 2, "stride": 1, "dilation": 2},
    "ceil": {"kernel_size": 2, "ceil_mode": True},
}


@pytest.fixture(autouse=True)
def _threads() -> None:
    Harness.of("torch", "cpu")


def image(rank: int, seed: int = 0, length: int = 7) -> Any:
    """Few different numbers, so that there are ties."""
    numbers = np.random.default_rng(seed).integers(-9, 10, (2, 3, *range(length, length + rank)))
    return torch.from_numpy(numbers.astype(np.float32))


def bits(x: Any) -> np.ndarray:
    return x.detach().numpy()


@pytest.mark.rule("P6", "W4", "W6")
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS)
def test_pooling_gives_the_values_of_pytorchs_own_layer_and_the_switches_of_the_function(
    window: str, rank: int
) -> None:
    x, arguments = image(rank), WINDOWS[window]
    values, switches = MaxPool(**arguments)(x)
    what = f"MaxPool({arguments}) of float32{tuple(x.shape)}"
    assert_same_bits(bits(values), bits(POOLS[rank](**arguments)(x)), what=f"{what} and PyTorch's")
    expected, offsets = unpoolx.max_pool(x, **{"padding": 0, **arguments}, data_format="channels_first")
    assert_same_bits(bits(values), bits(expected), what=f"{what} and unpoolx.max_pool")
    assert switches == offsets, what
    for overlap in ("last", "sum"):
        ours = MaxUnpool(overlap=overlap)(values, switches)
        wanted = unpoolx.unpool(values, switches, overlap=overlap)
        assert_same_bits(bits(ours), bits(wanted), what=f"MaxUnpool({overlap}) after {what}")


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling_takes_the_place_of_pytorchs_own_layer(rank: int) -> None:
    x = image(rank)
    values, indices = POOLS[rank](2, return_indices=True)(x)
    for size in (x.shape, x.shape[2:], list(x.shape[2:])):
        expected = UNPOOLS[rank](2)(values, indices, output_size=size)
        ours = MaxUnpool(2)(values, indices, output_size=size)
        assert_same_bits(bits(ours), bits(expected), what=f"MaxUnpool(2) to {size} of float32{tuple(x.shape)}")
    even = image(rank, length=8)[(..., *[slice(8)] * rank)]
    values, indices = POOLS[rank](4, 4, 2, return_indices=True)(even)
    expected = UNPOOLS[rank](4, 4, 2)(values, indices)
    assert_same_bits(bits(MaxUnpool(4, 4, 2)(values, indices)), bits(expected), what="MaxUnpool(4, 4, 2)")
    pooled = MaxPool(2)(x)
    for size in (None, x.shape, x.shape[2:]):
        ours = MaxUnpool(2)(*pooled, output_size=size)
        assert_same_bits(bits(ours), bits(unpoolx.unpool(*pooled)), what=f"MaxUnpool(2) of switches to {size}")


def test_channels_last_and_arrays_without_a_batch() -> None:
    x = image(2)
    values, switches = MaxPool(2)(x)
    turned, _ = MaxPool(2, data_format="NHWC")(x.permute(0, 2, 3, 1))
    assert_same_bits(bits(turned), bits(values.permute(0, 2, 3, 1)), what="MaxPool(2, data_format='NHWC')")
    alone, its_switches = MaxPool((2, 2))(x[0])
    assert_same_bits(bits(alone), bits(values[0]), what="MaxPool((2, 2)) without a batch")
    ours = MaxUnpool()(alone, its_switches)
    assert_same_bits(bits(ours), bits(unpoolx.unpool(values, switches)[0]), what="MaxUnpool() without a batch")


def test_both_compile_whole_for_sizes_that_change() -> None:
    pool, restore = MaxPool(3, 2, 1), MaxUnpool(overlap="sum")

    def run(x: Any) -> Any:
        values, switches = pool(x)
        return values, restore(values, switches)

    compiled = torch.compile(run, fullgraph=True, dynamic=True, backend="aot_eager")
    for length in (6, 9):
        x = image(2, length=length)
        for ours, expected in zip(compiled(x), run(x), strict=True):
            assert_same_bits(bits(ours), bits(expected), what=f"both layers compiled, float32{tuple(x.shape)}")


def test_the_layers_have_no_parameters_and_survive_saving_and_copies(tmp_path: Path) -> None:
    x = image(2)
    layers = nn.ModuleDict({"pool": MaxPool(3, 2, 1, ceil_mode=True), "unpool": MaxUnpool(2, overlap="sum")})
    assert layers.state_dict() == {}
    torch.save(layers, tmp_path / "layers.pt")
    through = {
        "torch.save": torch.load(tmp_path / "layers.pt", weights_only=False),
        "pickle": pickle.loads(pickle.dumps(layers)),  # noqa: S301  # our own bytes
        "deepcopy": copy.deepcopy(layers),
    }
    expected = layers["unpool"](*layers["pool"](x))
    for way, back in through.items():
        assert repr(back) == repr(layers), way
        assert_same_bits(bits(back["unpool"](*back["pool"](x))), bits(expected), what=f"layers through {way}")


def test_a_layer_prints_its_arguments() -> None:
    assert repr(MaxPool(3, 2, (1, 0))) == (
        "MaxPool(kernel_size=(3, 3), stride=(2, 2), padding=(1, 0), dilation=(1, 1), ceil_mode=False, "
        "data_format='channels_first')"
    )
    assert repr(MaxUnpool()) == "MaxUnpool(overlap='last')"
    assert repr(MaxUnpool(2, 1)) == "MaxUnpool(kernel_size=2, stride=1, padding=0, overlap='last')"


class Autoencoder(nn.Module):
    """A small model that passes switches from its one half to the other."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), MaxPool(2))
        self.restore, self.decode = MaxUnpool(), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Any) -> Any:
        """Bring x back."""
        return self.decode(self.restore(*self.encode(x)))


def test_a_model_with_both_layers_trains() -> None:
    torch.manual_seed(0)
    model, x = Autoencoder(), image(2) / 9
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), x)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0], losses
    assert model.encode[0].weight.grad.abs().sum() > 0, "the gradient reaches what comes before the pooling"


def test_what_does_not_fit_is_refused() -> None:
    values, switches = MaxPool(2)(image(2))
    indices = switches.to_indices("spatial")
    for error, match, call in (
        (ValueError, "kernel_size", lambda: MaxPool(0)),
        (TypeError, "kernel_size", lambda: MaxPool(2.5)),
        (ValueError, "kernel_size", lambda: MaxPool(9)(image(2))),
        (ValueError, "overlap", lambda: MaxUnpool(overlap="max")),
        (ValueError, "padding", lambda: MaxUnpool(2, padding="SAME")),
        (ValueError, "padding", lambda: MaxUnpool(2, padding=((1, 0), (1, 0)))),
        (ValueError, "output_size", lambda: MaxUnpool()(values, switches, output_size=(7, 7))),
        (ValueError, "output_size", lambda: MaxUnpool()(values, switches, output_size=(3, 7, 8))),
        (ValueError, "output_size", lambda: MaxUnpool(2)(values, indices, output_size=(8,))),
        (TypeError, "kernel_size", lambda: MaxUnpool()(values, indices)),
        (IndexError, "out of range", lambda: MaxUnpool(2)(values, indices + 90)),
    ):
        with pytest.raises(error, match=match):
            call()
