"""Which pixels made a feature fire: projections through a network, backwards, in the manner of Zeiler and Fergus.

    pip install 'unpoolx[torch,examples]'       # or jax, or keras with a backend of it
    python deconvnet.py --framework torch       # writes deconvnet.png

A small network learns to read scikit-learn's handwritten digits. Then, for some features of its second layer, those of
the digits held out that excite the feature most are found; all other activations are set to zero, and what is left goes
back to the pixels: unpooled by the switches of the way forward, rectified, filtered with the transposed kernels (Zeiler
and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1). Nothing is learned there.

Whether those pixels matter can be measured: they are blanked in the digit, which goes forward once more. The feature
should fall further than where as many other pixels of the stroke are blanked.

Weights are NumPy's arrays, so one framework can train (--save FILE.npz) and another one project (--weights FILE.npz).
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from frameworks import FRAMEWORKS, Weights, digits, initial_weights, layer, parse, report, train
from matplotlib.figure import Figure
from rich.console import Console

import unpoolx

LAYERS = {"conv1": (3, 3, 1, 16), "conv2": (3, 3, 16, 16), "read": (2 * 2 * 16, 10)}
FEATURES, DIGITS, BLANKED = 6, 5, 6  # features in the picture, digits for each, pixels to blank of 64


def rise(ops: Any, weights: Weights, x: Any) -> tuple[Any, list[Any]]:
    """(N, 8, 8, 1) to the features of the second layer, (N, 2, 2, 16), and the switches of both poolings."""
    x, switches1 = unpoolx.max_pool(layer(ops, weights, "conv1", x), 2)
    x, switches2 = unpoolx.max_pool(layer(ops, weights, "conv2", ops.relu(x)), 2)
    return ops.relu(x), [switches1, switches2]


def features(ops: Any, weights: Weights, x: Any) -> Any:
    """The features of the second layer."""
    return rise(ops, weights, x)[0]


def classify(ops: Any, weights: Weights, x: Any) -> Any:
    """The scores of the ten digits."""
    return ops.dense(features(ops, weights, x), weights["read.kernel"], weights["read.bias"])


def project(ops: Any, weights: Weights, x: Any, mask: Any, unpool: Callable[[Any, Any], Any] = unpoolx.unpool) -> Any:
    """The activations where the mask is 1, back to pixels. The biases have no part in it."""
    y, switches = rise(ops, weights, x)
    y = y * mask
    y = ops.conv(ops.relu(unpool(y, switches[1])), weights["conv2.transposed"])
    return ops.conv(ops.relu(unpool(y, switches[0])), weights["conv1.transposed"])


def transposed(weights: Weights) -> Weights:
    """The kernels of the way back: turned about, with inputs and outputs exchanged.

    A convolution with it is the transpose of that with the kernel itself, as the stride is 1 and the side is odd.
    """
    kernels = {name: weights[f"{name}.kernel"][::-1, ::-1] for name in ("conv1", "conv2")}
    return {f"{name}.transposed": np.ascontiguousarray(k.transpose(0, 1, 3, 2)) for name, k in kernels.items()}


def strongest(fired: np.ndarray, chosen: list[int] | None) -> tuple[list[int], np.ndarray, np.ndarray]:
    """The features, the digits that excite each of them most, and where: a mask of one 1 for each digit.

    Args:
        fired: the features of all digits, (N, 2, 2, C).
        chosen: numbers of features; None for those that fire most.

    Returns:
        The numbers of the features; those of the digits, DIGITS after DIGITS; the masks, (len, 2, 2, C).
    """
    best = np.sort(fired.max(axis=(1, 2)), axis=0)[-DIGITS:].mean(axis=0)
    chosen = chosen or [int(number) for number in np.argsort(-best, kind="stable")[:FEATURES]]
    found, masks = [], []
    for feature in chosen:
        for digit in np.argsort(-fired[..., feature].max(axis=(1, 2)), kind="stable")[:DIGITS]:
            mask = np.zeros(fired.shape[1:], np.float32)
            row, column = np.unravel_index(fired[digit, ..., feature].argmax(), fired.shape[1:3])
            mask[row, column, feature] = 1
            found.append(digit)
            masks.append(mask)
    return chosen, np.array(found), np.stack(masks)


def blanked(images: np.ndarray, importance: np.ndarray) -> np.ndarray:
    """The images without their most important pixels of the stroke."""
    lit = np.where(images > 0, importance, -np.inf).reshape(len(images), -1)
    flat = images.reshape(len(images), -1).copy()
    np.put_along_axis(flat, np.argsort(-lit, axis=1, kind="stable")[:, :BLANKED], 0, axis=1)
    return flat.reshape(images.shape)


def draw(path: Path, chosen: list[int], images: np.ndarray, projections: np.ndarray, title: str) -> None:
    """A row per feature: the digits that excite it most, and beside them their projections."""
    figure = Figure(figsize=(8.4, 0.82 * len(chosen) + 0.9), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=10)
    left, right = figure.subfigures(1, 2, width_ratios=(1.1, 1))
    parts = ((left, "strongest inputs", images, "gray_r", 0), (right, "their projections", projections, "RdBu_r", -1))
    for part, name, pictures, colors, least in parts:
        part.suptitle(name, fontsize=10)
        places = part.subplots(len(chosen), DIGITS, squeeze=False)
        for place, picture in zip(places.flat, pictures, strict=True):
            limit = abs(picture).max() or 1
            place.imshow(picture, cmap=colors, vmin=least * limit, vmax=limit)
            place.set(xticks=[], yticks=[])
        if part is left:
            for row, feature in zip(places, chosen, strict=True):
                row[0].set_ylabel(f"feature {feature}", rotation=0, ha="right", va="center")
    figure.savefig(path)


def main() -> None:
    """Train or load a network, project, measure, draw."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, nargs="+", metavar="N", help="default: the six that fire most")
    parser.add_argument("--save", type=Path, metavar="FILE.npz", help="write the weights")
    parser.add_argument("--weights", type=Path, metavar="FILE.npz", help="read weights, and do not train")
    arguments = parse(parser, epochs=20, picture="deconvnet.png")
    count = LAYERS["conv2"][-1]
    if arguments.features and not all(0 <= number < count for number in arguments.features):
        parser.error(f"--features: expected numbers in range({count}); got {arguments.features}")
    training, validation, labels, truth = digits(quick=arguments.quick)
    build = FRAMEWORKS[arguments.framework]
    if arguments.weights:
        weights = dict(np.load(arguments.weights))
    else:
        network = build(classify, initial_weights(LAYERS, arguments.seed), "labels", 5e-3)
        for _ in train(network, training, labels, epochs=arguments.epochs, seed=arguments.seed, label="training"):
            pass
        weights = network.weights()
    if arguments.save:
        np.savez(arguments.save, **weights)

    network = build(classify, weights | transposed(weights), "labels")
    accuracy = float(np.mean(network.run(classify, validation).argmax(axis=1) == truth))
    chosen, found, masks = strongest(network.run(features, validation), arguments.features)
    images = validation[found]

    def response(images: np.ndarray) -> np.ndarray:
        return (network.run(features, images) * masks).sum(axis=(1, 2, 3), dtype=np.float64)

    corner = functools.partial(project, unpool=lambda x, _: unpoolx.unpool_fixed(x, 2))
    projections = network.run(project, images, masks)
    chance = np.random.default_rng(arguments.seed)
    orders = {"by switches": [projections], "by the corner": [network.run(corner, images, masks)]}
    orders["by chance"] = [chance.random(images.shape) for _ in range(20)]
    before = response(images)
    if not before.all():
        silent = [feature for feature, fired in zip(chosen, before.reshape(-1, DIGITS), strict=True) if not fired.all()]
        parser.error(f"--features: expected features that fire for {DIGITS} of the digits; these do not: {silent}")
    left = {name: float(np.mean([response(blanked(images, one)) / before for one in o])) for name, o in orders.items()}

    console = Console()
    console.print(f"{accuracy:.1%} of the digits that were held out are read rightly.")
    console.print(f"Of the feature is left where {BLANKED} pixels of the stroke are blanked, chosen")
    for name, share in left.items():
        console.print(f"  {name:14} {share:.1%}")
    draw(arguments.output, chosen, images, projections, f"{arguments.framework}, seed {arguments.seed}")
    console.print(f"{arguments.output}: features {chosen}, what excites them, and by which pixels", soft_wrap=True)
    report(arguments, start, accuracy=accuracy, features=chosen, digits=found.tolist(), left_of_the_feature=left)


if __name__ == "__main__":
    main()
