"""The oracle's index formats: conversions between offsets and indices, and unpooling by raw indices.

No format is inverted by arithmetic: every element of the tensor is numbered, and a number is looked up.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ._oracle_pool import offsets_dtype, targets
from ._oracle_sums import Array, SumBits, accumulate, is_float
from ._oracle_window import Index, Layout, layout_of, resolve

RAW_FORMATS = ("spatial", "tf", "tf_batch", "onnx", "onnx_column_major")
INDEX_FORMATS = (*RAW_FORMATS, "window")


def element_number(index: Index, shape: Index, layout: Layout, index_format: str) -> int:
    """The number that a format gives to the element at `index` of an array of this shape and layout."""
    batch, c, spatial = layout.split(index)
    batches, channels, sizes = layout.split(shape)
    n = _row_major(batch, batches)
    if index_format == "spatial":  # restarts in each batch and channel plane
        return _row_major(spatial, sizes)
    if index_format == "tf":  # restarts in each image
        return _row_major((*spatial, c), (*sizes, channels))
    if index_format == "tf_batch":
        return _row_major((n, *spatial, c), (0, *sizes, channels))  # the first size is never multiplied by
    if index_format == "onnx":  # always over the logical (N, C, *spatial), whatever the layout
        return _row_major((n, c, *spatial), (0, channels, *sizes))
    if index_format == "onnx_column_major":  # inside a plane the first spatial axis runs fastest
        return _row_major((n, c, *reversed(spatial)), (0, channels, *reversed(sizes)))
    raise ValueError(f"index_format: one of {RAW_FORMATS} expected, got {index_format!r}")


def _row_major(index: Index, sizes: Index) -> int:
    number = 0
    for i, size in zip(index, sizes, strict=True):
        number = number * size + i
    return number


def to_indices(
    offsets: Array,
    input_shape: Index,
    index_format: str,
    **window_arguments: Any,
) -> Array:
    """The indices (int64, of the pooled shape) that a framework would hand out for these offsets."""
    window = resolve(input_shape, **window_arguments)
    result = np.zeros(window.pooled_shape, np.int64)
    for place, target in targets(window, offsets):
        if index_format == "window":
            result[place] = int(offsets[place])
        else:
            result[place] = element_number(target, window.input_shape, window.layout, index_format)
    return result


def from_indices(
    indices: Array,
    input_shape: Index,
    index_format: str,
    **window_arguments: Any,
) -> Array:
    """The offsets that these indices mean; ValueError for an index that is no real element of its own window.

    "Its own" is strict: the element must lie in the window, the channel and the image that the index stands
    for.
    """
    window = resolve(input_shape, **window_arguments)
    _require_integers(indices)
    if indices.shape != window.pooled_shape:
        raise ValueError(f"indices of shape {window.pooled_shape} expected, got {indices.shape}")
    layout, table = window.layout, window.elements()
    result = np.zeros(window.pooled_shape, offsets_dtype(window))
    wrong = []
    for place in itertools.product(*(range(size) for size in indices.shape)):
        batch, channel, spatial = layout.split(place)
        for offset, position in table[spatial].items():
            number = offset
            if index_format != "window":
                element = layout.join(batch, channel, position)
                number = element_number(element, window.input_shape, layout, index_format)
            if number == int(indices[place]):
                result[place] = offset
                break
        else:
            wrong.append(place)
    if wrong:
        raise ValueError(
            f"{len(wrong)} of {indices.size} indices lie outside their own window, "
            f"the first at {wrong[0]}: {int(indices[wrong[0]])}"
        )
    return result


def unpool_indices(
    x: Array,
    indices: Array,
    *,
    output_shape: Index,
    index_format: str,
    data_format: str = "channels_last",
    overlap: str = "last",
    out_of_range: str = "raise",
    flush: bool = False,
) -> Array:
    """Put each element of x where its index points, in zeros of the full `output_shape`; one batch axis.

    "spatial" names an element of the plane of x's own element, "tf" one of its own image, the other formats
    one of the whole tensor. Out of range: IndexError, or with out_of_range="drop" the element is left out.
    A negative number is out of range. Collisions as in `unpool`, in row-major order of x as it is laid out.
    """
    pairs = _raw_targets(indices, x.shape, output_shape, (index_format, data_format), out_of_range)
    if overlap == "last":
        result = np.zeros(output_shape, x.dtype)
        for source, target in pairs:
            if target is not None:
                result[target] = x[source]
        return result
    if overlap != "sum":
        raise ValueError(f"overlap: 'last' or 'sum' expected, got {overlap!r}")
    addends = ((target, x[source]) for source, target in pairs if target is not None)
    return accumulate(output_shape, x.dtype, addends, flush)[0]


def unpool_indices_sum_bits(
    x: Array,
    indices: Array,
    *,
    output_shape: Index,
    index_format: str,
    data_format: str = "channels_last",
    out_of_range: str = "raise",
) -> SumBits:
    """`unpool_indices(..., overlap="sum")` with the allowance for subnormals: (exact, flushed, mask)."""
    pairs = _raw_targets(indices, x.shape, output_shape, (index_format, data_format), out_of_range)
    addends = [(target, x[source]) for source, target in pairs if target is not None]
    exact, mask = accumulate(output_shape, x.dtype, addends, False)
    return SumBits(exact, accumulate(output_shape, x.dtype, addends, True)[0], mask)


def unpool_indices_last_gradient(
    dy: Array,
    indices: Array,
    *,
    index_format: str,
    data_format: str = "channels_last",
    out_of_range: str = "raise",
) -> Array:
    """Gradient of `unpool_indices(x, ..., overlap="last")` by x: dy where x's element won, zero elsewhere."""
    pairs = _raw_targets(indices, indices.shape, dy.shape, (index_format, data_format), out_of_range)
    winners = {target: source for source, target in pairs if target is not None}
    result = np.zeros(indices.shape, dy.dtype)
    for target, source in winners.items():
        result[source] = dy[target]
    return result


def gather_indices(
    x: Array,
    indices: Array,
    *,
    index_format: str,
    data_format: str = "channels_last",
    out_of_range: str = "raise",
    fill_value: Any = None,
) -> Array:
    """Read from x the element that each index names: the adjoint of `unpool_indices(..., overlap="sum")`.

    Out of range: IndexError, or with out_of_range="fill" `fill_value`, by default NaN, the lowest signed or
    the highest unsigned integer, or True.
    """
    if out_of_range not in ("raise", "fill"):
        raise ValueError(f"out_of_range: 'raise' or 'fill' expected, got {out_of_range!r}")
    mode = "drop" if out_of_range == "fill" else "raise"
    result = np.zeros(indices.shape, x.dtype)
    for place, source in _raw_targets(indices, indices.shape, x.shape, (index_format, data_format), mode):
        if source is None:
            result[place] = default_fill(x.dtype) if fill_value is None else fill_value
        else:
            result[place] = x[source]
    return result


def default_fill(dtype: np.dtype[Any]) -> Any:
    """What a read out of range gives: NaN, the lowest signed integer, the highest unsigned integer, True."""
    if is_float(dtype) or dtype.kind == "c":
        return float("nan")
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max


def _raw_targets(
    indices: Array,
    x_shape: Index,
    output_shape: Index,
    formats: tuple[str, str],
    out_of_range: str,
) -> list[tuple[Index, Index | None]]:
    """(index in x, index in the output or None when out of range), in row-major order of x."""
    if out_of_range not in ("raise", "drop"):
        raise ValueError(f"out_of_range: 'raise' or 'drop' expected, got {out_of_range!r}")
    _require_integers(indices)
    index_format, data_format = formats
    layout = layout_of(data_format, len(output_shape) - 2)
    if len(output_shape) < 3 or len(x_shape) != len(output_shape) or indices.shape != x_shape:
        raise ValueError(f"x {x_shape}, indices {indices.shape} and output_shape {output_shape} do not fit")
    if layout.split(x_shape)[:2] != layout.split(output_shape)[:2]:
        raise ValueError(f"x {x_shape} and output_shape {output_shape} differ in batch or channels")
    numbered = {}
    for index in itertools.product(*(range(size) for size in output_shape)):
        key = (
            *_scope(index, layout, index_format),
            element_number(index, output_shape, layout, index_format),
        )
        numbered[key] = index
    pairs = []
    for place in itertools.product(*(range(size) for size in x_shape)):
        target = numbered.get((*_scope(place, layout, index_format), int(indices[place])))
        if target is None and out_of_range == "raise":
            raise IndexError(f"index {int(indices[place])} at {place} is out of range for {output_shape}")
        pairs.append((place, target))
    return pairs


def _scope(index: Index, layout: Layout, index_format: str) -> Index:
    """The part of an element's own index inside which the numbers of a format are counted."""
    batch, channel, _ = layout.split(index)
    return {"spatial": (*batch, channel), "tf": batch}.get(index_format, ())


def _require_integers(indices: Array) -> None:
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices of an integer dtype expected, got {indices.dtype}")
