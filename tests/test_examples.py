"""The programs of docs/examples do on each framework what docs/examples.md says of them, and on each the same."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import unpoolx
from unpoolx.testing.compare import assert_same_bits

for package in ("sklearn", "matplotlib", "rich", "PIL"):
    pytest.importorskip(package, reason=f"the examples use {package}")

pytestmark = pytest.mark.usefixtures("frameworks")

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "examples"
NEEDED = {"torch": ("torch",), "jax": ("jax", "optax"), "keras": ("keras", "tensorflow")}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(params=NEEDED)
def framework(request: pytest.FixtureRequest) -> str:
    """The name of an installed framework."""
    for package in NEEDED[request.param]:
        pytest.importorskip(package, reason=f"{request.param} in the examples needs {package}")
    return request.param


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that imports a module of the examples, as a script beside it would."""
    monkeypatch.syspath_prepend(FOLDER)
    yield __import__
    for name in ("frameworks", "autoencoder", "deconvnet"):
        sys.modules.pop(name, None)


def run(script: str, folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """What a script measured, and printed, in a process of its own that has nothing but what a user has."""
    variables = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    files = ("--output", str(folder / "picture.png"), "--json", str(folder / "measured.json"))
    command = [sys.executable, str(FOLDER / script), "--quick", *files, *options]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert (folder / "picture.png").read_bytes().startswith(PNG)
    measured = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    assert measured["versions"]["unpoolx"] == unpoolx.__version__
    assert measured["versions"]["numpy"] == version("numpy")
    return measured, done.stdout


def test_the_autoencoder_learns_best_with_switches(framework: str, tmp_path: Path) -> None:
    measured, printed = run("autoencoder.py", tmp_path, "--framework", framework)
    assert measured["framework"] == framework
    assert measured.get("keras_backend") == ("tensorflow" if framework == "keras" else None)
    losses = measured["losses"]
    assert list(losses) == ["switches", "nearest", "corner"]
    for way, loss in losses.items():
        assert len(loss["training"]) == len(loss["validation"]) == 2
        assert loss["validation"][-1] < loss["validation"][0], f"{way} learns: {loss}"
        assert f"{loss['validation'][-1]:.5f}" in printed
    final = {way: loss["validation"][-1] for way, loss in losses.items()}
    assert final["switches"] < 0.9 * min(final["nearest"], final["corner"]), final
    # It is by the switches that the detail comes, and the other two ways have none to borrow.
    borrowed = {way: loss["borrowed switches"] for way, loss in losses.items()}
    assert borrowed["switches"] > 1.5 * final["switches"], (borrowed, final)
    assert (borrowed["nearest"], borrowed["corner"]) == (final["nearest"], final["corner"])


def whole_numbers(weights: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Weights of the same shapes out of -1, 0 and 1: sums of their products are exact in float32 below 2**24."""
    draw = np.random.default_rng(seed)
    return {name: draw.integers(-1, 2, w.shape).astype(np.float32) for name, w in weights.items()}


def unpooled_maps(module: ModuleType, network: Any, x: np.ndarray, way: str) -> list[np.ndarray]:
    """What the autoencoder's two unpoolings give, and its output."""
    maps = []

    def recorded(values: Any, switches: Any) -> Any:
        maps.append(module.WAYS[way](values, switches))
        return maps[-1]

    maps.append(module.autoencode(network, network.variables, network.array(x), recorded))
    return [network.numpy(one) for one in maps]


@pytest.mark.parametrize("way", ["switches", "nearest", "corner"])
def test_the_same_weights_give_the_same_unpooled_maps_where_convolutions_are_exact(
    framework: str, way: str, examples: Any
) -> None:
    module, shared = examples("autoencoder"), examples("frameworks")
    weights = whole_numbers(shared.initial_weights(module.layers(1), 0), 1)
    x = np.random.default_rng(2).integers(-2, 3, (4, 8, 8, 1)).astype(np.float32)
    forward = functools.partial(module.autoencode, unpool=module.WAYS[way])
    maps = unpooled_maps(module, shared.FRAMEWORKS[framework](forward, weights, "squared"), x, way)
    wanted = unpooled_maps(module, Plain(weights), x, way)
    assert max(abs(one).max() for one in wanted) < 2**22, "beyond, sums in float32 need not be exact"
    assert [one.shape for one in maps] == [(4, 4, 4, 16), (4, 8, 8, 16), (4, 8, 8, 1)]
    for number, (one, other) in enumerate(zip(maps, wanted, strict=True)):
        assert np.count_nonzero(other)
        assert_same_bits(one, other, what=f"map {number} by {way} on {framework} and in NumPy")


class Plain:
    """The methods of a network in NumPy."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.variables = weights

    def conv(self, x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | float = 0) -> np.ndarray:
        """The convolution as its definition has it."""
        before = [(n - 1) // 2 for n in kernel.shape[:2]]
        padded = np.pad(x, [(0, 0), *((n, n) for n in before), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(1, 2))
        return np.einsum("nhwcij,ijco->nhwo", windows, kernel).astype(np.float32) + bias

    def relu(self, x: np.ndarray) -> np.ndarray:
        """The positive part."""
        return np.maximum(x, np.float32(0))

    def array(self, x: np.ndarray) -> np.ndarray:
        """NumPy's array is what it is."""
        return x

    numpy = array


def test_what_one_framework_trained_unpools_to_the_same_bits_in_another(framework: str, examples: Any) -> None:
    """Convolutions differ in their last digits, so each framework is given the maps that one of them made."""
    module, shared = examples("autoencoder"), examples("frameworks")
    training, validation, *_ = shared.digits(quick=True)
    forward = functools.partial(module.autoencode, unpool=unpoolx.unpool)
    first = shared.initial_weights(module.layers(1), 3)
    trained = shared.FRAMEWORKS[framework](forward, first, "squared", 5e-3)
    trained.step(training[:32], training[:32])
    weights = trained.weights()
    assert {name: (w.shape, w.dtype) for name, w in weights.items()} == {
        n: (w.shape, w.dtype) for n, w in first.items()
    }
    assert all((weights[name] != first[name]).any() for name in first), "every weight was trained"

    def deepest(ops: Any, weights: Any, x: Any) -> Any:
        return module.layer(ops, weights, "down1", x)

    conv = trained.run(deepest, validation[:8])
    values, switches = unpoolx.max_pool(conv, 2)
    wanted = unpoolx.unpool(values, switches)
    for name, other in shared.FRAMEWORKS.items():
        if not all(map(find_spec, NEEDED[name])):
            continue  # the test runs on those that are installed, and compares those
        network = other(forward, weights, "squared")
        outputs = network.run(forward, validation[:8])
        np.testing.assert_allclose(outputs, trained.run(forward, validation[:8]), rtol=0, atol=1e-5, err_msg=name)
        restored = network.numpy(unpoolx.unpool(*unpoolx.max_pool(network.array(conv), 2)))
        assert_same_bits(restored, wanted, what=f"unpooled in {name}, of maps from {framework}")


def test_the_projection_names_the_pixels_that_a_feature_needs(framework: str, tmp_path: Path) -> None:
    measured, printed = run("deconvnet.py", tmp_path, "--framework", framework, "--epochs", "6")
    assert measured["framework"] == framework
    assert measured["accuracy"] > 0.7, measured  # of ten digits
    left = measured["left_of_the_feature"]
    assert list(left) == ["by switches", "by the corner", "by chance"]
    assert left["by switches"] < left["by chance"] - 0.1, left
    assert left["by switches"] < left["by the corner"], left
    assert all(f"{share:.1%}" in printed for share in left.values())
    assert (len(measured["features"]), len(measured["digits"])) == (6, 30)


def test_one_framework_projects_with_the_weights_of_another(tmp_path: Path) -> None:
    """The second one finds the same digits for a feature, since activations agree closer than digits differ."""
    installed = [name for name, packages in NEEDED.items() if all(map(find_spec, packages))]
    if len(installed) < 2:
        pytest.skip("fewer than two frameworks are installed")
    weights, chosen = str(tmp_path / "weights.npz"), ("--epochs", "2", "--features", "3", "5")
    trained, _ = run("deconvnet.py", tmp_path, "--framework", installed[0], "--save", weights, *chosen)
    loaded, _ = run("deconvnet.py", tmp_path, "--framework", installed[1], "--weights", weights, *chosen)
    assert loaded["framework"] == installed[1]
    for key in ("accuracy", "features", "digits"):
        assert loaded[key] == trained[key], key
    assert loaded["left_of_the_feature"] == pytest.approx(trained["left_of_the_feature"], abs=1e-3)


def test_the_projection_is_the_transpose_of_the_way_forward(framework: str, examples: Any) -> None:
    """With positive weights no rectifier cuts anything: the projection is the feature's gradient, times the feature."""
    module, shared = examples("deconvnet"), examples("frameworks")
    weights = {n: abs(w) for n, w in whole_numbers(shared.initial_weights(module.LAYERS, 0), 1).items()}
    weights |= {name: 0 * w for name, w in weights.items() if name.endswith("bias")}  # the way back has none
    x = np.random.default_rng(2).integers(0, 4, (3, 8, 8, 1)).astype(np.float32)
    network = shared.FRAMEWORKS[framework](module.classify, weights | module.transposed(weights), "labels")
    plain = Plain(weights | module.transposed(weights))
    fired = network.run(module.features, x)
    mask = np.zeros_like(fired)
    mask[:, 1, 0, 7] = 1
    projection = network.run(module.project, x, mask)
    assert_same_bits(projection, module.project(plain, plain.variables, x, mask), what=f"projection on {framework}")
    # The feature is a sum of pixels times their projections, over the feature itself: Euler's relation, exact here.
    feature = fired[:, 1, 0, 7]
    assert feature.min() > 0
    assert np.array_equal((projection * x).sum(axis=(1, 2, 3)), feature * feature)
