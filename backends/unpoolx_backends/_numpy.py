"""NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unpoolx._backend import Array, Backend, Span
from unpoolx._dtypes import ALL, FLOAT_BITS
from unpoolx._geometry import Geometry
from unpoolx._layout import slices
from unpoolx._maps import Gather, LinearMap, Unpool
from unpoolx_backends import _fused, _numpy_blocks, _numpy_places, _numpy_small
from unpoolx_backends._numpy_bits import SELECTED_ELEMENTS, select

# NumPy builds a dtype's name anew each time it is asked for.
_NAMES = {np.dtype(name): name for name in ALL if name != "bfloat16"}


def _is_small(x: Array, index: Array) -> bool:
    """Whether neither loops nor blocks are worth asking for."""
    return max(x.size, index.size) < _fused.FEWEST_ELEMENTS


def _is_of_rows(x: Array, index: Array) -> bool:
    """Whether the index names whole rows of a matrix, which NumPy moves as such."""
    return x.shape[0] == 1 and index.shape[2] == 1


def _flat(index: Array, size: int) -> Array:
    """The numbers of an index (rows, m, C) as a vector of places in a flat (rows, size, C)."""
    rows, _, channels = index.shape
    if rows == channels == 1:
        return index.ravel()
    return ((np.arange(rows)[:, None, None] * size + index) * channels + np.arange(channels)).ravel()


def _dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        import ml_dtypes  # optional: NumPy by itself has no bfloat16

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


class NumpyBackend(Backend):
    """Arrays on the host, written slice by slice."""

    name = "numpy"
    exact_comparisons = True
    mutable = True

    @property
    def version(self) -> str:
        return np.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def dtypes(self) -> tuple[str, ...]:
        return ALL

    def is_array(self, x: object) -> bool:
        return isinstance(x, (np.ndarray, np.generic)) and not isinstance(x, np.ma.MaskedArray)

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        return x

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        return np.asarray(x)

    def prepare(self, x: Array) -> Array:
        x = np.asarray(x)
        return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))

    def shape(self, x: Array) -> tuple[Any, ...]:
        return x.shape  # type: ignore[no-any-return]

    def dtype(self, x: Array) -> str:
        return _NAMES.get(x.dtype) or x.dtype.name

    def device(self, x: Array) -> str | None:
        return "cpu"

    def is_concrete(self, x: Array) -> bool:
        return True

    def cast(self, x: Array, dtype: str) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):  # a sum beyond float16 is infinite; a NaN stays one
            return x.astype(_dtype(dtype), copy=False)

    def copy(self, x: Array) -> Array:
        return x.copy()

    def bits(self, x: Array) -> Array:
        return x.view(FLOAT_BITS[x.dtype.name].integer)

    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        with np.errstate(over="ignore"):  # a number beyond the dtype is infinite in it
            return np.array(numbers, _dtype(dtype))

    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array:
        is_zero = isinstance(value, int) and value == 0  # not -0.0
        return np.zeros(shape, _dtype(dtype)) if is_zero else np.full(shape, value, _dtype(dtype))

    def full_like(self, x: Array, value: Any, dtype: str) -> Array:
        return self.full(x.shape, value, dtype, like=x)

    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        return np.arange(count, dtype=_dtype(dtype))

    def reshape(self, x: Array, shape: Any) -> Array:
        return np.reshape(x, shape)

    def broadcast_to(self, x: Array, shape: Any) -> Array:
        return np.broadcast_to(x, shape)

    def slice(self, x: Array, span: Span) -> Array:
        part = x[slices(x.ndim, span)]
        # What is read more than once had better lie together.
        apart = part.size >= SELECTED_ELEMENTS and any(step > 1 for _, _, step in span.values())
        return np.ascontiguousarray(part) if apart else part

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        if not any(map(any, padding.values())):
            return x
        shape, inner = list(x.shape), {}
        for axis, (before, after) in padding.items():
            inner[axis] = (before, shape[axis], 1)
            shape[axis] += before + after
        padded = self.full(tuple(shape), value, x.dtype.name, like=x)
        padded[slices(padded.ndim, inner)] = x
        return padded

    def stack(self, parts: list[Array], axis: int) -> Array:
        return np.stack(parts, axis=parts[0].ndim + axis + 1)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return select(condition, x, y)

    def no_nan(self, x: Array) -> bool:
        return x.size > 0 and not np.isnan(x.max())

    def divide(self, x: Array, count: Array) -> Array:
        with np.errstate(invalid="ignore"):  # a signalling NaN stays a NaN
            return x / count

    def positive_zero(self, x: Array) -> Array:
        if x.dtype.kind == "c":
            result = np.empty_like(x)
            result.real, result.imag = self.positive_zero(x.real), self.positive_zero(x.imag)
            return result
        layout = FLOAT_BITS.get(x.dtype.name)
        return x if layout is None else np.where(self.bits(x) == layout.negative_zero, np.zeros((), x.dtype), x)

    def take_along(self, x: Array, index: Array) -> Array:
        if _is_of_rows(x, index):
            return x[0].take(index.ravel(), axis=0)[None]
        return np.take_along_axis(x, index, axis=-2)

    def last_writer(self, index: Array, size: Any) -> Array:
        rows, count, channels = index.shape
        writer = np.full((rows, size + 1, channels), -1, np.int64)
        own = np.broadcast_to(np.arange(count)[:, None], index.shape)
        writer.reshape(-1)[_flat(index, size + 1)] = own.ravel()  # a vector is written in order: the last one stays
        return writer[:, :size]

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        rows, _, channels = index.shape
        total = np.zeros((rows, size + 1, channels), x.dtype)
        row, channel = np.arange(rows)[:, None, None], np.arange(channels)
        with np.errstate(over="ignore", invalid="ignore"):
            np.add.at(total, (row, index, channel), x)  # unbuffered, one update after another
        return total[:, :size]

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        rows, slots, channels = x.shape
        if _is_of_rows(x, index) and index.max(initial=-1) < slots:
            result = x.copy()
            result[0, index.ravel()] = values[0]
            return result
        result = np.empty((rows, slots + 1, channels), x.dtype)
        result[:, :slots] = x
        if _is_of_rows(x, index):
            result[0, index.ravel()] = values[0]
        else:
            result[np.arange(rows)[:, None, None], index, np.arange(channels)] = values
        return result[:, :slots]

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        order = np.argsort(index, axis=1, kind="stable")
        ordered = np.take_along_axis(index, order, axis=1)
        place = np.broadcast_to(np.arange(index.shape[1])[:, None], index.shape)
        begins = np.concatenate([np.ones_like(ordered[:, :1], bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
        ranks = np.empty(index.shape, np.int64)
        np.put_along_axis(ranks, order, place - np.maximum.accumulate(np.where(begins, place, 0), axis=1), axis=1)
        return ranks, int((np.where(index < size, ranks, -1)).max(initial=-1)) + 1

    def loop(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        for number in range(count):
            state = step(number, state)
        return state

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return np.transpose(x, order)

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return np.flip(x, axes)

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        result = x.copy()
        result[slices(x.ndim, span)] = values
        return result

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        return mask.nonzero()

    def count_before(self, mask: Array) -> Array:
        return np.cumsum(mask) - mask

    def as_dtype(self, x: Array, dtype: str) -> Array:
        return np.asarray(x).view(dtype)

    def power(self, x: Array, exponent: Array) -> Array:
        return x**exponent

    def log(self, x: Array) -> Array:
        return np.log(x)

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        if x.size < _fused.FEWEST_ELEMENTS:  # nor are blocks worth asking for
            return _numpy_small.max_pool(x, geometry) or super().max_pool(x, geometry)
        fused = _fused.max_pool(x, geometry, _fused.cpus())
        if fused is not None:
            return fused
        shape = geometry.pooled_shape(x.shape)
        of = ((shape, x.dtype), (shape, geometry.offset_dtype))
        parts = _numpy_blocks.mapped(lambda part: Backend.max_pool(self, part, geometry), (x,), geometry, of)
        return super().max_pool(x, geometry) if parts is None else (parts[0], parts[1])

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if not isinstance(linear_map, (Unpool, Gather)) or index is None:
            return super().linear(linear_map, x, index)
        if _is_small(x, index):
            made = _numpy_small.mapped(linear_map, x, index)
            return super().linear(linear_map, x, index) if made is None else made
        geometry, made = linear_map.geometry, None
        if isinstance(linear_map, Unpool):
            shape = geometry.unpooled_shape(x.shape)
            lone = linear_map.overlap == "sum" and not geometry.overlaps
            # One addend each, which is moved: its -0.0 becomes +0.0 first.
            moved, overlap = self.positive_zero(x) if lone else x, linear_map.overlap
            made = _fused.unpool(moved, index, geometry, overlap, _fused.cpus())
            if made is None:
                made = _numpy_places.unpool(moved, index, geometry, overlap)
        else:
            shape = geometry.pooled_shape(x.shape)
            made = _fused.gather(x, index, geometry, linear_map.winners, _fused.cpus())
            if made is None:
                made = _numpy_places.gather(x, index, geometry, winners=linear_map.winners)
        if made is not None:
            return made

        def part(*arrays: Array) -> tuple[Array]:
            return (Backend.linear(self, linear_map, *arrays),)

        parts = _numpy_blocks.mapped(part, (x, index), geometry, ((shape, x.dtype),))
        return super().linear(linear_map, x, index) if parts is None else parts[0]

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        with np.errstate(all="ignore"):  # the special values of IEEE arithmetic are answers, not accidents
            result = function(self, static, *arrays)
        return tuple(map(np.asarray, result)) if isinstance(result, tuple) else np.asarray(result)

    def write(self, x: Array, span: Span, where: Array | None, values: Array, add: bool) -> None:
        part = x[slices(x.ndim, span)]
        if add:
            with np.errstate(over="ignore", invalid="ignore"):
                values = part + values
        part[...] = values if where is None else select(where, values, part)


backend = NumpyBackend()
