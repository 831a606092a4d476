"""Geometries and arrays for tests that compare two ways of the library: rows long enough for blocks and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

import unpoolx
from unpoolx._geometry import Geometry

SPECIAL = {"f": [np.nan, -0.0, 0.0, np.inf, -np.inf, 1e-40, 1.0, 2.0], "i": [-128, -1, 0, 1, 127]}


def filled(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Few values, so that many are equal; in some arrays all of them special ones, in others none."""
    kind = np.dtype(dtype).kind
    pool = [*SPECIAL[kind], *range(-3, 4)][random.integers(0, 9) :]
    return np.array(pool, dtype)[random.integers(0, len(pool), shape)]


def _drawn(random: np.random.Generator) -> tuple[tuple[int, ...], dict[str, Any]]:
    rank = int(random.integers(1, 4))
    kernel = random.integers(1, 5 if rank < 3 else 4, rank)
    stride, dilation = random.integers(1, 4, rank), random.integers(1, 3, rank)
    if random.integers(0, 2):
        stride, dilation = np.full(rank, 2), np.ones(rank, int)
    extent = dilation * (kernel - 1) + 1
    before, after = (random.integers(0, extent) * random.integers(0, 2) for _ in range(2))
    # Both halves of a window may lie in padding, but not the whole of it.
    size = extent + random.integers(0, [90 if axis == rank - 1 else 5 for axis in range(rank)])
    channels, data_format = int(random.choice([1, 3, 8, 37])), str(random.choice(["channels_first", "channels_last"]))
    spatial = tuple(int(n) for n in size)
    shape = (2, channels, *spatial) if data_format == "channels_first" else (2, *spatial, channels)
    return shape, {
        "kernel_size": tuple(map(int, kernel)),
        "stride": tuple(map(int, stride)),
        "padding": tuple((int(b), int(a)) for b, a in zip(before, after, strict=True)),
        "dilation": tuple(map(int, dilation)),
        "ceil_mode": bool(random.integers(0, 2)),
        "data_format": data_format,
    }


def cases(count: int, seed: int) -> Any:
    """Legal geometries; what cannot be one is drawn again."""
    random, found = np.random.default_rng(seed), 0
    while found < count:
        shape, arguments = _drawn(random)
        try:
            geometry = Geometry.of(unpoolx.Window(**arguments), shape)
        except ValueError:  # a window in padding alone
            continue
        found += 1
        yield random, shape, geometry, f"case {found} of seed {seed}: {shape}, {arguments}"
