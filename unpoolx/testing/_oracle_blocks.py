"""The oracle's ways to unpool without switches: a fixed position, a repeated block, a spread average."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ._oracle_sums import Array, SumBits, accumulate, accumulation_type, is_float
from ._oracle_window import Index, layout_of, per_axis, spatial_rank


def unpool_fixed(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: str = "VALID",
    *,
    position: Any = "corner",
    data_format: str = "channels_last",
) -> Array:
    """The value of window w at w * stride + position, zeros elsewhere; n values become what `_grown` says.

    Source: Dosovitskiy et al., "Learning to Generate Chairs, Tables and Cars with Convolutional Networks",
    section 4.
    """
    kernel, strides = _kernel_and_stride(x, kernel_size, stride, padding)
    extent = kernel if padding == "VALID" else strides
    layout = layout_of(data_format, len(kernel))
    batch, channels, pooled = layout.split(x.shape)
    if position == "corner":
        inside: Index = (0,) * len(kernel)
    elif position == "center":
        inside = tuple((e - 1) // 2 for e in extent)
    elif isinstance(position, tuple):
        inside = per_axis(position, len(kernel), "position", 0)
    else:
        raise ValueError(f"position: 'corner', 'center' or a tuple expected, got {position!r}")
    if any(p >= e for p, e in zip(inside, extent, strict=True)):
        raise ValueError(f"position: coordinates below {extent} expected, got {inside}")
    result = np.zeros(layout.join(batch, channels, _grown(pooled, kernel, strides, padding)), x.dtype)
    for place in itertools.product(*(range(size) for size in x.shape)):
        b, c, w = layout.split(place)
        target = tuple(i * s + p for i, s, p in zip(w, strides, inside, strict=True))
        result[layout.join(b, c, target)] = x[place]
    return result


def unpool_nearest(x: Array, scale: Any, *, data_format: str = "channels_last") -> Array:
    """Each value repeated over a block of `scale` elements, an int or one per axis: n become n * scale."""
    rank = spatial_rank(x.ndim, scale=scale)
    scales = per_axis(scale, rank, "scale", 1)
    layout = layout_of(data_format, rank)
    batch, channels, sizes = layout.split(x.shape)
    result = np.zeros(layout.join(batch, channels, _grown(sizes, scales, scales, "SAME")), x.dtype)
    for target in itertools.product(*(range(size) for size in result.shape)):
        b, c, place = layout.split(target)
        result[target] = x[layout.join(b, c, tuple(p // s for p, s in zip(place, scales, strict=True)))]
    return result


def unpool_average(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: str = "VALID",
    *,
    data_format: str = "channels_last",
    flush: bool = False,
) -> Array:
    """Each value divided by the number of real elements in its window and spread over them, overlaps summed.

    float16 and bfloat16 are divided and summed in float32 and rounded once, the others in their own dtype.
    `flush` takes every subnormal addend and partial sum as +0.0. A result that is zero is +0.0.
    """
    shape, addends = _average_addends(x, kernel_size, stride, padding, data_format)
    return accumulate(shape, x.dtype, addends, flush)[0]


def unpool_average_sum_bits(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: str = "VALID",
    *,
    data_format: str = "channels_last",
) -> SumBits:
    """`unpool_average` with the allowance for subnormal numbers: (exact, flushed, mask)."""
    shape, addends = _average_addends(x, kernel_size, stride, padding, data_format)
    exact, mask = accumulate(shape, x.dtype, addends, False)
    return SumBits(exact, accumulate(shape, x.dtype, addends, True)[0], mask)


def _average_addends(
    x: Array, kernel_size: Any, stride: Any, padding: str, data_format: str
) -> tuple[Index, list[tuple[Index, Any]]]:
    """The result's shape, and (index in it, quotient) in row-major order of x."""
    if not is_float(x.dtype):
        raise TypeError(f"a floating dtype expected, got {x.dtype}")
    kernel, strides = _kernel_and_stride(x, kernel_size, stride, padding)
    layout = layout_of(data_format, len(kernel))
    batch, channels, pooled = layout.split(x.shape)
    sizes = _grown(pooled, kernel, strides, padding)
    # TensorFlow's rule for an array of n * stride elements: the odd element of padding goes after.
    same = padding == "SAME"
    before = tuple(max(k - s, 0) // 2 if same else 0 for k, s in zip(kernel, strides, strict=True))
    number = accumulation_type(x.dtype)
    addends: list[tuple[Index, Any]] = []
    with np.errstate(all="ignore"):
        for place in itertools.product(*(range(size) for size in x.shape)):
            b, c, w = layout.split(place)
            covered = [
                [p for p in (i * s - lead + o for o in range(k)) if 0 <= p < size]
                for i, s, lead, k, size in zip(w, strides, before, kernel, sizes, strict=True)
            ]
            positions = list(itertools.product(*covered))
            quotient = number(x[place]) / number(len(positions))
            addends.extend((layout.join(b, c, position), quotient) for position in positions)
    return layout.join(batch, channels, sizes), addends


def _kernel_and_stride(x: Array, kernel_size: Any, stride: Any, padding: str) -> tuple[Index, Index]:
    if padding not in ("VALID", "SAME"):
        raise ValueError(f"padding: 'VALID' or 'SAME' expected, got {padding!r}")
    rank = spatial_rank(x.ndim, kernel_size=kernel_size, stride=stride)
    kernel = per_axis(kernel_size, rank, "kernel_size", 1)
    return kernel, kernel if stride is None else per_axis(stride, rank, "stride", 1)


def _grown(sizes: Index, kernel: Index, stride: Index, padding: str) -> Index:
    """The result's spatial shape: n values become (n - 1) * stride + kernel (VALID) or n * stride (SAME)."""
    if 0 in sizes:
        raise ValueError(f"spatial axes of at least one element expected, got {sizes}")
    if padding == "SAME":
        return tuple(n * s for n, s in zip(sizes, stride, strict=True))
    return tuple((n - 1) * s + k for n, s, k in zip(sizes, stride, kernel, strict=True))
