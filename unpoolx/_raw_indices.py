"""Unpooling from raw flat indices: numbers that follow no window."""

from __future__ import annotations

from typing import Any

from unpoolx._arguments import accept_first, bring, integers_if_empty, require_integer, require_summable, same_lengths
from unpoolx._backend import Backend
from unpoolx._index_formats import FLAT_FORMATS, Numbering, parse_index_format
from unpoolx._layout import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    parse_data_format,
    product,
    require_holdable,
    show_shape,
    spatial_axes,
)
from unpoolx._maps import Scatter
from unpoolx._registry import backend_of, get_backend
from unpoolx._window import lengths, plain_shape


def unpool(
    x: Any,
    indices: Any,
    overlap: str,
    output_shape: Any,
    index_format: str | None,
    data_format: str | None,
    backend: str | Backend | None,
) -> Any:
    """Each value at the element that its index names; see `unpoolx.unpool`."""
    if output_shape is None or index_format is None:
        raise TypeError(
            f"expected Switches, or raw indices with output_shape= and index_format=; got "
            f"{type(indices).__name__}, output_shape={output_shape!r}, index_format={index_format!r}"
        )
    index_format = parse_index_format(index_format, FLAT_FORMATS)
    shape = _full_shape(output_shape)
    ops, x = accept_first(backend, x=x, indices=indices)
    index_ops = backend_of(indices, "indices") or get_backend("numpy")
    (numbers,) = bring(index_ops, indices=integers_if_empty(indices))
    require_integer(index_ops, numbers, "indices")
    if overlap == "sum":
        require_summable(ops, x, "x")
    if not same_lengths(ops.shape(x), index_ops.shape(numbers)):
        raise ValueError(
            f"indices: expected the shape of x, {show_shape(ops.shape(x))}; got {show_shape(index_ops.shape(numbers))}"
        )
    layout = _data_format(ops.shape(x), shape, data_format)
    numbering = Numbering(index_format, layout, shape, len(shape) - 2)
    return ops.whole(_placed, x, numbers, index_ops, numbering, overlap)


def _placed(ops: Backend, x: Any, numbers: Any, index_ops: Backend, numbering: Numbering, overlap: str) -> Any:
    shape = numbering.shape
    # The range is decided in the framework that made the indices, before anything is narrowed.
    slots, index = _slots(index_ops, numbers, numbering)
    with ops.beside(x):
        if 0 in shape:
            return ops.reshape(x, shape) if 0 in ops.shape(x) else ops.zeros(shape, like=x)
        x, index = bring(ops, x=x, indices=index)
        values = ops.reshape(x, ops.shape(index))
        return ops.reshape(ops.linear(Scatter(slots, overlap), values, index), shape)


def _full_shape(output_shape: Any) -> tuple[int, ...]:
    output_shape = plain_shape(output_shape)
    if not isinstance(output_shape, (tuple, list)):
        raise TypeError(f"output_shape: expected the full shape of the result, a tuple; got {output_shape!r}")
    shape = lengths(output_shape, "output_shape", 0)
    require_holdable(shape, "output_shape")
    if len(shape) < 3:
        raise ValueError(f"output_shape: expected a batch axis, spatial axes and channels; got {shape}")
    return shape


def _data_format(x_shape: tuple[Any, ...], shape: tuple[int, ...], given: str | None) -> str:
    """Where the spatial axes are: batch and channels are those that x and the result share."""
    fitting = []
    for layout in (CHANNELS_LAST, CHANNELS_FIRST):
        spatial = {axis % len(shape) for axis in spatial_axes(layout, len(shape) - 2)}
        kept = [i for i in range(len(shape)) if i not in spatial]
        if len(x_shape) == len(shape) and same_lengths(tuple(x_shape[i] for i in kept), tuple(shape[i] for i in kept)):
            fitting.append(layout)
    if given is not None:
        layout, rank = parse_data_format(given)
        if layout not in fitting or rank not in (None, len(shape) - 2):
            raise ValueError(
                f"output_shape: expected the batch and the channels of x where data_format={given!r} has them; "
                f"{_both(x_shape, shape)}"
            )
        return layout
    if not fitting:
        raise ValueError(f"output_shape: expected the batch and the channels of x; {_both(x_shape, shape)}")
    if len(fitting) > 1:
        raise ValueError(
            f"data_format: expected 'channels_last' or 'channels_first', since the shapes leave it open; "
            f"{_both(x_shape, shape)}"
        )
    return fitting[0]


def _both(x_shape: tuple[Any, ...], shape: tuple[int, ...]) -> str:
    return f"x has shape {show_shape(x_shape)}, output_shape is {shape}"


def _slots(ops: Backend, numbers: Any, numbering: Numbering) -> tuple[int, Any]:
    """The slots that a number can name, and the slot of each number as (rows, m, C); `slots` itself for "nowhere"."""
    wide = "int64" if "int64" in ops.dtypes() else "int32"
    if wide == "int32" and numbering.count >= 2**31:
        raise OverflowError(
            f"output_shape: {numbering.shape} needs indices up to {numbering.count - 1} "
            f"(index_format={numbering.index_format!r}), which int32 cannot hold: "
            f'jax.config.update("jax_enable_x64", True)'
        )
    index, outside = ops.fused(_in_rows, (numbering, wide), numbers)
    _require_in_range(ops, numbers, outside, numbering)
    return numbering.count, index


def _in_rows(ops: Backend, static: tuple[Numbering, str], numbers: Any) -> tuple[Any, Any]:
    numbering, wide = static
    slots = numbering.count
    index = ops.cast(numbers, wide)  # an unsigned number beyond the signed range turns negative: outside as well
    outside = (index < 0) | (index >= slots)
    if 0 in numbering.shape:
        return index, outside
    shape = ops.shape(index)
    channels_first = numbering.data_format == CHANNELS_FIRST
    if numbering.index_format == "spatial":
        rows, channels = (shape[0] * shape[1], 1) if channels_first else (shape[0], shape[-1])
    else:
        index = _in_memory_order(ops.where(outside, ops.zero(index), index), numbering)
        rows, channels = (shape[0] if numbering.index_format == "tf" else 1), 1
    index = ops.where(outside, ops.full((), slots, wide, like=index), index)
    if slots < 2**31 - 1:
        index = ops.cast(index, "int32")
    return ops.reshape(index, [rows, product(shape) // (rows * channels), channels]), outside


def _in_memory_order(index: Any, numbering: Numbering) -> Any:
    """The number that the array's own layout gives to the element that an index names."""
    if numbering.data_format == CHANNELS_LAST:
        native = "tf" if numbering.index_format == "tf" else "tf_batch"
    else:
        native = "onnx"
    if numbering.index_format == native:
        return index
    n, c, coordinates = numbering.decode(index)
    order = Numbering(native, numbering.data_format, numbering.shape, numbering.rank)
    return order.encode(0 if n is None else n, c, coordinates)


def _require_in_range(ops: Backend, numbers: Any, outside: Any, numbering: Numbering) -> None:
    if not ops.is_concrete(outside):
        return
    host = ops.to_numpy(outside)
    if host.any():
        first = tuple(int(axis[0]) for axis in host.nonzero())
        named = {"spatial": "plane", "tf": "image"}.get(numbering.index_format, "array")
        raise IndexError(
            f"indices: {ops.to_numpy(numbers)[first]} at {first} is out of range for axis 'flat {named}' of length "
            f"{numbering.count} (index_format={numbering.index_format!r}, {numbering.data_format}, output_shape "
            f"{numbering.shape}); {int(host.sum())} of {host.size} are"
        )
