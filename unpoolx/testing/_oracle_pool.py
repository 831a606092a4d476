"""The oracle's max pooling, unpooling by switches, their gradients and the read through switches."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ._oracle_sums import Array, SumBits, accumulate, is_float
from ._oracle_window import Index, Layout, OracleWindow, layout_of, resolve


def max_pool(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = "VALID",
    *,
    dilation: Any = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> tuple[Array, Array]:
    """Pool x: the first maximum of each window, or its first NaN, and the number of it in the window.

    Returns (values, offsets), both of the pooled shape: values in x's dtype, offsets, the
    row-major numbers, in `offsets_dtype`.
    """
    if not (is_float(x.dtype) or x.dtype.kind in "iub"):
        raise TypeError(f"a dtype with an order expected, got {x.dtype}")
    window = resolve(
        x.shape, kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode, data_format=data_format
    )
    layout, table = window.layout, window.elements()
    number = float if is_float(x.dtype) else int  # both exact for every dtype that comes here
    values = np.zeros(window.pooled_shape, x.dtype)
    offsets = np.zeros(window.pooled_shape, offsets_dtype(window))
    for batch in itertools.product(*(range(size) for size in window.batch)):
        for channel in range(window.channels):
            plane = {
                position: number(x[layout.join(batch, channel, position)])
                for position in itertools.product(*(range(size) for size in window.spatial))
            }
            for place, elements in table.items():
                offset = _choose([(o, plane[position]) for o, position in elements.items()])
                target = layout.join(batch, channel, place)
                offsets[target] = offset
                values[target] = x[layout.join(batch, channel, elements[offset])]
    return values, offsets


def _choose(elements: list[tuple[int, float]]) -> int:
    chosen, best = elements[0]
    for offset, value in elements:
        if math.isnan(value):  # the first NaN: nothing after it can be chosen
            return offset
        if value > best:
            chosen, best = offset, value
    return chosen


def offsets_dtype(window: OracleWindow) -> np.dtype[Any]:
    """uint8 when the kernel has at most 256 elements, else int32."""
    return np.dtype(np.uint8 if window.size <= 256 else np.int32)


def unpool(
    x: Array,
    offsets: Array,
    *,
    spatial_shape: Index,
    overlap: str = "last",
    flush: bool = False,
    **window_arguments: Any,
) -> Array:
    """Put each element of x where its switch points, in zeros with `spatial_shape` and x's other axes.

    Where several point at one element: "last" keeps the last in row-major order of x, "sum" sums in that
    order. `flush` takes every subnormal addend and partial sum as +0.0. A result that is zero is +0.0 in a
    sum.
    """
    window = _resolve_pooled(x, spatial_shape, window_arguments)
    pairs = targets(window, offsets)
    if overlap == "last":
        result = np.zeros(window.input_shape, x.dtype)
        for source, target in pairs:
            result[target] = x[source]
        return result
    if overlap != "sum":
        raise ValueError(f"overlap: 'last' or 'sum' expected, got {overlap!r}")
    return accumulate(window.input_shape, x.dtype, ((target, x[source]) for source, target in pairs), flush)[0]


def unpool_sum_bits(
    x: Array,
    offsets: Array,
    *,
    spatial_shape: Index,
    **window_arguments: Any,
) -> SumBits:
    """`unpool(..., overlap="sum")` with the allowance for subnormal numbers: (exact, flushed, mask)."""
    window = _resolve_pooled(x, spatial_shape, window_arguments)
    addends = [(target, x[source]) for source, target in targets(window, offsets)]
    exact, mask = accumulate(window.input_shape, x.dtype, addends, False)
    return SumBits(exact, accumulate(window.input_shape, x.dtype, addends, True)[0], mask)


def gather(
    x: Array,
    offsets: Array,
    **window_arguments: Any,
) -> Array:
    """Read from x, of the un-pooled shape and of any dtype, the element that each switch points at."""
    window = resolve(x.shape, **window_arguments)
    result = np.zeros(window.pooled_shape, x.dtype)
    for place, source in targets(window, offsets):
        result[place] = x[source]
    return result


def unpool_last_gradient(
    dy: Array,
    offsets: Array,
    **window_arguments: Any,
) -> Array:
    """Gradient of `unpool(x, ..., overlap="last")` by x: dy where the window won, else zero.

    dy has the shape of that function's result, and the gradient the shape of x.
    """
    window = resolve(dy.shape, **window_arguments)
    winners = {target: source for source, target in targets(window, offsets)}  # a later window overwrites
    result = np.zeros(window.pooled_shape, dy.dtype)
    for target, source in winners.items():
        result[source] = dy[target]
    return result


def targets(window: OracleWindow, offsets: Array) -> list[tuple[Index, Index]]:
    """(index in the pooled array, index in the input) of each switch, in row-major order of the former."""
    if offsets.shape != window.pooled_shape:
        raise ValueError(f"offsets of shape {window.pooled_shape} expected, got {offsets.shape}")
    layout: Layout = window.layout
    table = window.elements()
    pairs = []
    for place in itertools.product(*(range(size) for size in offsets.shape)):
        batch, channel, spatial = layout.split(place)
        offset = int(offsets[place])
        if offset not in table[spatial]:
            raise ValueError(f"offset {offset} at {place} is not a real element of its window")
        pairs.append((place, layout.join(batch, channel, table[spatial][offset])))
    return pairs


def _resolve_pooled(x: Array, spatial_shape: Index, window_arguments: dict[str, Any]) -> OracleWindow:
    """The window of an array with this spatial shape, and with the batch and channels of the pooled x."""
    layout = layout_of(window_arguments.get("data_format", "channels_last"), len(spatial_shape))
    batch, channels, _ = layout.split(x.shape)
    window = resolve(layout.join(batch, channels, tuple(spatial_shape)), **window_arguments)
    if window.layout != layout or window.pooled_shape != x.shape:
        raise ValueError(f"x of shape {window.pooled_shape} expected for {spatial_shape}, got {x.shape}")
    return window
