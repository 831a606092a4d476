"""What the examples share: one small class per framework with the same methods, training, and the command line.

A network is a function `forward(ops, weights, x)`, written once. `ops` is one of the classes below, `weights` a dict of
arrays, which are NumPy's wherever a network is made, saved or handed over: so one framework can train what another one
runs. Arrays are (batch, height, width, channels), kernels (height, width, in, out), all float32.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from sklearn.datasets import load_digits

Weights = dict[str, Any]


class Torch:
    """PyTorch: tensors, autograd and `torch.optim`."""

    packages = ("torch",)

    def __init__(self, forward: Callable[..., Any], weights: Weights, loss: str, rate: float = 1e-3) -> None:
        import torch

        self.torch, self.forward, self.loss = torch, forward, loss
        self.variables = {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}
        self.optimizer = torch.optim.Adam(self.variables.values(), rate, eps=1e-8)

    def conv(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """Convolution of stride 1 that keeps the size. Channels stay last in memory: `permute` copies nothing."""
        x, kernel = x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1)
        return self.torch.nn.functional.conv2d(x, kernel, bias, padding="same").permute(0, 2, 3, 1)

    def relu(self, x: Any) -> Any:
        """The positive part."""
        return self.torch.relu(x)

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        """All elements of each image, times a matrix."""
        return x.flatten(1) @ kernel + bias

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        """One step of Adam on one batch."""
        losses = {"squared": self.torch.nn.functional.mse_loss, "labels": self.torch.nn.functional.cross_entropy}
        self.optimizer.zero_grad()
        losses[self.loss](self.forward(self, self.variables, self.array(x)), self.array(y)).backward()
        self.optimizer.step()

    def run(self, function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
        """`function(ops, weights, *arrays)`, from and to NumPy."""
        with self.torch.no_grad():
            return self.numpy(function(self, self.variables, *map(self.array, arrays)))

    def weights(self) -> Weights:
        """The weights as NumPy's arrays."""
        return {name: self.numpy(w).copy() for name, w in self.variables.items()}

    def array(self, x: np.ndarray) -> Any:
        """A tensor."""
        return self.torch.tensor(x)

    def numpy(self, x: Any) -> np.ndarray:
        """NumPy's array."""
        return x.detach().numpy()


class Jax:
    """JAX: pure functions, compiled, and optax."""

    packages = ("jax", "optax")

    def __init__(self, forward: Callable[..., Any], weights: Weights, loss: str, rate: float = 1e-3) -> None:
        import jax
        import optax

        self.jax, self.forward = jax, forward
        optimizer = optax.adam(rate, eps=1e-8)
        losses = {"squared": optax.squared_error, "labels": optax.softmax_cross_entropy_with_integer_labels}

        @jax.jit
        def update(weights: Weights, state: Any, x: Any, y: Any) -> tuple[Weights, Any]:
            gradient = jax.grad(lambda w: losses[loss](forward(self, w, x), y).mean())(weights)
            updates, state = optimizer.update(gradient, state)
            return optax.apply_updates(weights, updates), state

        self.variables = {name: self.array(w) for name, w in weights.items()}
        self.update, self.state = update, optimizer.init(self.variables)
        self.compiled = functools.cache(lambda function: jax.jit(functools.partial(function, self)))

    def conv(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """Convolution of stride 1 that keeps the size."""
        axes = ("NHWC", "HWIO", "NHWC")
        y = self.jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=axes)
        return y if bias is None else y + bias

    def relu(self, x: Any) -> Any:
        """The positive part."""
        return self.jax.nn.relu(x)

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        """All elements of each image, times a matrix."""
        return x.reshape(len(x), -1) @ kernel + bias

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        """One step of Adam on one batch."""
        self.variables, self.state = self.update(self.variables, self.state, x, y)

    def run(self, function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
        """`function(ops, weights, *arrays)`, from and to NumPy."""
        return self.numpy(self.compiled(function)(self.variables, *arrays))

    def weights(self) -> Weights:
        """The weights as NumPy's arrays."""
        return {name: self.numpy(w) for name, w in self.variables.items()}

    def array(self, x: np.ndarray) -> Any:
        """JAX's array."""
        return self.jax.numpy.array(x)

    def numpy(self, x: Any) -> np.ndarray:
        """NumPy's array."""
        return np.array(x)


class Keras:
    """Keras 3 on the backend that KERAS_BACKEND names, TensorFlow by default: `keras.ops` and `keras.Model`."""

    packages = ("keras",)

    def __init__(self, forward: Callable[..., Any], weights: Weights, loss: str, rate: float = 1e-3) -> None:
        # TensorFlow is quiet, and as exact here as elsewhere.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
        import keras

        class Network(keras.Model):
            def __init__(network) -> None:  # noqa: N805 - self is the class around it
                super().__init__()
                network.variables_by_name = {
                    name: network.add_weight(shape=w.shape, name=name.replace(".", "_")) for name, w in weights.items()
                }

            def call(network, x: Any) -> Any:  # noqa: N805
                return forward(self, network.variables_by_name, x)

        losses = {
            "squared": keras.losses.MeanSquaredError(),
            "labels": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        }
        self.keras, self.forward, self.model = keras, forward, Network()
        self.variables = self.model.variables_by_name
        for name, w in weights.items():
            self.variables[name].assign(w)
        self.model.compile(keras.optimizers.Adam(rate, epsilon=1e-8), losses[loss])

    def conv(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """Convolution of stride 1 that keeps the size."""
        y = self.keras.ops.conv(x, kernel, padding="same", data_format="channels_last")
        return y if bias is None else y + bias

    def relu(self, x: Any) -> Any:
        """The positive part."""
        return self.keras.ops.relu(x)

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        """All elements of each image, times a matrix."""
        return self.keras.ops.matmul(self.keras.ops.reshape(x, (-1, kernel.shape[0])), kernel) + bias

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        """One step of Adam on one batch."""
        self.model.train_on_batch(x, y)

    def run(self, function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
        """`function(ops, weights, *arrays)`, from and to NumPy."""
        return self.numpy(function(self, self.variables, *map(self.array, arrays)))

    def weights(self) -> Weights:
        """The weights as NumPy's arrays."""
        return {name: self.numpy(self.keras.ops.copy(w)) for name, w in self.variables.items()}

    def array(self, x: np.ndarray) -> Any:
        """A tensor of the backend."""
        return self.keras.ops.convert_to_tensor(x)

    def numpy(self, x: Any) -> np.ndarray:
        """NumPy's array."""
        return np.array(self.keras.ops.convert_to_numpy(x))


FRAMEWORKS = {"torch": Torch, "jax": Jax, "keras": Keras}


def digits(*, quick: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images of 8 x 8 in [0, 1] to train on and 360 others to validate on, then the labels of both."""
    data = load_digits()
    images = (data.images / 16).astype(np.float32)[..., np.newaxis]
    order = np.random.default_rng(0).permutation(len(images))  # the same split for every seed
    training, validation = order[360 : 840 if quick else None], order[:360]
    return images[training], images[validation], data.target[training], data.target[validation]


def initial_weights(layers: dict[str, tuple[int, ...]], seed: int) -> Weights:
    """`NAME.kernel` of each layer's shape, whose last axis is the output, and `NAME.bias`.

    He et al., "Delving Deep into Rectifiers", section 2.2: a variance of 2 over the number of inputs.
    """
    draw, weights = np.random.default_rng(seed), {}
    for name, shape in layers.items():
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        weights[f"{name}.kernel"] = (scale * draw.standard_normal(shape)).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[-1], np.float32)
    return weights


def layer(ops: Any, weights: Weights, name: str, x: Any) -> Any:
    """The convolution of that name."""
    return ops.conv(x, weights[f"{name}.kernel"], weights[f"{name}.bias"])


def train(network: Any, x: np.ndarray, y: np.ndarray, *, epochs: int, seed: int, label: str) -> Iterator[int]:
    """Train, and yield after each epoch. The order of the batches of 32 follows from the seed alone."""
    draw = np.random.default_rng(seed)
    batches = len(x) // 32
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(label, total=epochs * batches)
        for epoch in range(epochs):
            order = draw.permutation(len(x))
            for batch in np.split(order[: 32 * batches], batches):
                network.step(x[batch], y[batch])
                progress.advance(bar)
            yield epoch


def parse(parser: argparse.ArgumentParser, *, epochs: int, picture: str) -> argparse.Namespace:
    """The arguments, among them those that every example has."""
    parser.add_argument("--framework", choices=FRAMEWORKS, default="torch", help="default: torch")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
    parser.add_argument("--epochs", type=int, help=f"default: {epochs}, or 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="few data, for a first look")
    parser.add_argument("--output", type=Path, default=Path(picture), metavar="FILE.png", help=f"default: {picture}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    arguments = parser.parse_args()
    if arguments.epochs is None:
        arguments.epochs = 2 if arguments.quick else epochs
    if arguments.epochs < 1 or arguments.seed < 0:
        parser.error("--epochs: expected at least 1; --seed: expected at least 0")
    return arguments


def report(arguments: argparse.Namespace, start: float, **measured: Any) -> None:
    """Write what was measured to the file of --json, with what it was measured on."""
    packages = ["unpoolx", "numpy", *FRAMEWORKS[arguments.framework].packages]
    about: dict[str, Any] = {"framework": arguments.framework, "versions": {name: version(name) for name in packages}}
    if arguments.framework == "keras":
        import keras

        about["keras_backend"] = backend = keras.backend.backend()
        about["versions"][backend] = import_module(backend).__version__
    about |= {"seed": arguments.seed, "epochs": arguments.epochs, "seconds": round(time.perf_counter() - start, 1)}
    if arguments.json:
        arguments.json.write_text(json.dumps(about | measured, indent=1) + "\n", encoding="utf-8")
