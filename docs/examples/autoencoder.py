"""A convolutional autoencoder that unpools in three ways: by switches, by repetition, and into the corner.

    pip install 'unpoolx[torch,examples]'       # or jax, or keras with a backend of it
    python autoencoder.py --framework torch     # writes autoencoder.png

The three networks have the same layers, the same first weights and the same batches; they differ in how they unpool and
in nothing else. The images are scikit-learn's: handwritten digits, or patches of two photographs.

Switches are no free lunch: they tell the decoder where each maximum lay, in the very image that it is to draw. That is
what they are for (Zeiler, Taylor and Fergus 2011; Noh, Hong and Han 2015; SegNet, Badrinarayanan, Kendall and Cipolla
2017), and it means that the code is not all that goes from encoder to decoder. The last column of the table shows how
much goes that way: the same trained network, with the switches of another image.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from frameworks import FRAMEWORKS, Weights, digits, initial_weights, layer, parse, report, train
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images

import unpoolx

# How x, one value per window of 2 x 2, becomes twice as high and wide.
WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "switches": unpoolx.unpool,
    "nearest": lambda x, _: unpoolx.unpool_nearest(x, 2),
    "corner": lambda x, _: unpoolx.unpool_fixed(x, 2),
}
COLORS = {"switches": "#0b7285", "nearest": "#e8590c", "corner": "#868e96"}


def layers(channels: int) -> dict[str, tuple[int, ...]]:
    """The kernels. A level is unpooled with as many channels as it was pooled with: its switches have those."""
    return {
        "down1": (3, 3, channels, 16),
        "down2": (3, 3, 16, 16),
        "code": (3, 3, 16, 8),
        "up3": (3, 3, 8, 16),
        "up2": (3, 3, 16, 16),
        "up1": (3, 3, 16, channels),
    }


def encode(ops: Any, weights: Weights, x: Any) -> tuple[Any, list[Any]]:
    """(N, H, W, C) to a code of (N, H/4, W/4, 8), and the switches of both poolings."""
    # The rectifier comes after the pooling: the values are the same, and a window without a positive element has a
    # maximum still, where after the rectifier it would have four equal zeros.
    x, switches1 = unpoolx.max_pool(layer(ops, weights, "down1", x), 2)
    x, switches2 = unpoolx.max_pool(layer(ops, weights, "down2", ops.relu(x)), 2)
    return layer(ops, weights, "code", ops.relu(x)), [switches1, switches2]


def decode(ops: Any, weights: Weights, code: Any, switches: list[Any], unpool: Callable[[Any, Any], Any]) -> Any:
    """A code back to pixels."""
    x = unpool(ops.relu(layer(ops, weights, "up3", code)), switches[1])
    x = unpool(ops.relu(layer(ops, weights, "up2", x)), switches[0])
    return layer(ops, weights, "up1", x)


def autoencode(ops: Any, weights: Weights, x: Any, unpool: Callable[[Any, Any], Any]) -> Any:
    """The whole network."""
    return decode(ops, weights, *encode(ops, weights, x), unpool)


def with_borrowed_switches(ops: Any, weights: Weights, x: Any, other: Any, unpool: Callable[[Any, Any], Any]) -> Any:
    """The code of x, unpooled by the switches of another image."""
    return decode(ops, weights, encode(ops, weights, x)[0], encode(ops, weights, other)[1], unpool)


def photographs(*, quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Patches of 16 x 16; those to validate on come from the right quarter of each photograph."""
    images = [(image / 255).astype(np.float32) for image in load_sample_images().images]
    edge = 480  # of 640 columns
    training = np.concatenate([patches(image[:, :edge], 32 if quick else 16) for image in images])
    return training, np.concatenate([patches(image[:, edge:], 32) for image in images])


def patches(photograph: np.ndarray, step: int) -> np.ndarray:
    """(N, 16, 16, 3), one every `step` pixels each way."""
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (16, 16), axis=(0, 1))
    return windows[::step, ::step].transpose(0, 1, 3, 4, 2).reshape(-1, 16, 16, 3)


def squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """The mean over all elements."""
    return float(np.mean((a - b) ** 2, dtype=np.float64))


def draw(path: Any, losses: dict[str, Any], restored: dict[str, np.ndarray], original: np.ndarray, title: str) -> None:
    """The loss curves, and beside them ten of the images that were held out."""
    figure = Figure(figsize=(11, 3.6), dpi=100, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.5))
    axes = left.subplots()
    for way, loss in losses.items():
        epochs = range(1, len(loss["validation"]) + 1)
        axes.plot(epochs, loss["validation"], color=COLORS[way], label=f"{way}: {loss['validation'][-1]:.4f}")
        axes.plot(epochs, loss["training"], color=COLORS[way], linestyle=":")
    axes.set(yscale="log", xlabel="epoch", ylabel="mean squared error", title=title)
    axes.legend(title="validation (dotted: training)")
    rows = right.subplots(1 + len(restored), 10)
    for row, (name, images) in zip(rows, [("original", original), *restored.items()], strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for place, image in zip(row, images, strict=False):  # the first ten
            place.imshow(np.clip(image, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            place.set(xticks=[], yticks=[])
    figure.savefig(path)


def main() -> None:
    """Train one network per way, print their losses and draw them."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("digits", "photographs"), default="digits", help="default: digits")
    arguments = parse(parser, epochs=30, picture="autoencoder.png")
    source = {"digits": digits, "photographs": photographs}[arguments.data]
    training, validation, *_ = source(quick=arguments.quick)
    others = np.roll(validation, len(validation) // 2, axis=0)
    first = initial_weights(layers(training.shape[-1]), arguments.seed)
    losses: dict[str, Any] = {}
    restored = {}
    for way, unpool in WAYS.items():
        forward = functools.partial(autoencode, unpool=unpool)
        network = FRAMEWORKS[arguments.framework](forward, first, "squared", 5e-3)
        loss: dict[str, Any] = {"training": [], "validation": []}
        for _ in train(network, training, training, epochs=arguments.epochs, seed=arguments.seed, label=f"{way:8}"):
            restored[way] = network.run(forward, validation)
            loss["training"].append(squared_error(network.run(forward, training), training))
            loss["validation"].append(squared_error(restored[way], validation))
        borrowed = functools.partial(with_borrowed_switches, unpool=unpool)
        loss["borrowed switches"] = squared_error(network.run(borrowed, validation, others), validation)
        losses[way] = loss

    table = Table("unpooled by", "training", "validation", "validation, switches of another image")
    for way, loss in losses.items():
        numbers = (loss["training"][-1], loss["validation"][-1], loss["borrowed switches"])
        table.add_row(way, *(f"{number:.5f}" for number in numbers))
    console = Console()
    console.print(table)
    draw(arguments.output, losses, restored, validation, f"{arguments.framework}, seed {arguments.seed}")
    console.print(f"{arguments.output}: the losses over the epochs, and images that were held out", soft_wrap=True)
    report(arguments, start, data=arguments.data, losses=losses)


if __name__ == "__main__":
    main()
