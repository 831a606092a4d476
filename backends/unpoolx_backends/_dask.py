"""Dask: arrays in chunks, which stay lazy. Each chunk is NumPy's."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import dask
import dask.array as da
import numpy as np

from unpoolx import _at, _from_indices, _raw_indices, _without_switches
from unpoolx._backend import Array, Backend, Span
from unpoolx._dtypes import ALL, FLOAT_BITS
from unpoolx._geometry import Geometry
from unpoolx._layout import slices
from unpoolx._maps import Gather, LinearMap, Spread, Unpool
from unpoolx_backends import _dask_at, _dask_blocks, _dask_raw
from unpoolx_backends._numpy import _dtype
from unpoolx_backends._numpy import backend as _numpy


def _each(x: Array, method: str, dtype: str | None = None, *arguments: Any) -> Array:
    """A method of NumPy's backend on each chunk."""
    dtype = x.dtype.name if dtype is None else dtype
    return x.map_blocks(
        partial(_call, method, arguments), dtype=_dtype(dtype), meta=np.empty((0,) * x.ndim, _dtype(dtype))
    )


def _call(method: str, arguments: tuple[Any, ...], x: np.ndarray[Any, Any]) -> Any:
    return np.asarray(getattr(_numpy, method)(x, *arguments))


class DaskBackend(Backend):
    """Lazy arrays in chunks of NumPy's. What a function of the core does to an array whole, a task does to a part."""

    name = "dask"
    exact_comparisons = True
    lazy = True

    @property
    def version(self) -> str:
        return dask.__version__

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def dtypes(self) -> tuple[str, ...]:
        return ALL

    def is_array(self, x: object) -> bool:
        return isinstance(x, da.core.Array) and type(x._meta) is np.ndarray  # noqa: SLF001  # what its chunks are

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        # A copy: what is lazy would see every later write.
        return da.from_array(x.copy(), chunks="auto" if x.size else -1)

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        return np.asarray(x.compute())

    def prepare(self, x: Array) -> Array:
        if any(map(math.isnan, x.shape)):
            raise ValueError(
                f"expected a Dask array whose chunks are known; got shape {x.shape}. Where a window lies follows from "
                f"the lengths: call x.compute_chunk_sizes() first"
            )
        return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(map(int, x.shape))

    def dtype(self, x: Array) -> str:
        return x.dtype.name  # type: ignore[no-any-return]

    def is_concrete(self, x: Array) -> bool:
        return False  # nothing is computed unasked

    def cast(self, x: Array, dtype: str) -> Array:
        return x if x.dtype.name == dtype else _each(x, "cast", dtype, dtype)

    def copy(self, x: Array) -> Array:
        return x.copy()

    def bits(self, x: Array) -> Array:
        return _each(x, "bits", FLOAT_BITS[x.dtype.name].integer)

    def as_dtype(self, x: Array, dtype: str) -> Array:
        return _each(x, "as_dtype", dtype, dtype)

    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        return self.from_numpy(_numpy.constant(numbers, dtype, like))

    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array:
        return da.full(tuple(shape), value, dtype=_dtype(dtype))

    def full_like(self, x: Array, value: Any, dtype: str) -> Array:
        return da.full(x.shape, value, dtype=_dtype(dtype), chunks=x.chunks)

    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        return da.arange(count, dtype=_dtype(dtype), chunks="auto" if count else -1)

    def reshape(self, x: Array, shape: Any) -> Array:
        return x.reshape(tuple(shape))

    def broadcast_to(self, x: Array, shape: Any) -> Array:
        return da.broadcast_to(x, tuple(shape))

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return da.transpose(x, order)

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return da.flip(x, axes)

    def slice(self, x: Array, span: Span) -> Array:
        return x[slices(x.ndim, span)]

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        result = x.copy()
        result[slices(x.ndim, span)] = values
        return result

    def stack(self, parts: list[Array], axis: int) -> Array:
        return da.stack(parts, axis=parts[0].ndim + axis + 1)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return da.where(condition, x, y)

    def positive_zero(self, x: Array) -> Array:
        return _each(x, "positive_zero")

    def take_along(self, x: Array, index: Array) -> Array:
        return _refuse("reading at numbers that follow no window")

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        return _refuse("writing at numbers that follow no window")

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        return _dask_blocks.max_pool(x, geometry)

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Unpool):
            return _dask_blocks.unpool(x, index, linear_map)
        if isinstance(linear_map, Gather) and not linear_map.winners:
            return _dask_blocks.gather(x, index, linear_map)
        if isinstance(linear_map, Spread):
            return _dask_blocks.spread(x, linear_map)
        return _refuse(f"{type(linear_map).__name__}, which only derivatives ask for")

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        own = _OWN.get(function)
        return function(self, static, *arrays) if own is None else own(static, *arrays)

    def whole(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return _WHOLE[function](self, *arguments, **named)


def _refuse(what: str) -> NoReturn:
    raise TypeError(f"Dask: {what}: no chunk knows which others it needs. Call x.compute() and use NumPy")


def _in_their_windows(geometry: Geometry, offset: Array, valid: Array) -> Array:
    """Offsets of switches, each checked by the task that makes it."""
    valid = valid.rechunk(offset.chunks)
    made = partial(_checked, geometry)
    return da.map_blocks(
        made, offset, valid, dtype=geometry.offset_dtype, meta=np.empty((0,) * offset.ndim, geometry.offset_dtype)
    )


def _checked(
    geometry: Geometry, offset: np.ndarray[Any, Any], valid: np.ndarray[Any, Any], block_info: Any = None
) -> np.ndarray[Any, Any]:
    if not valid.all():
        first = [int(axis[0]) for axis in (~valid).nonzero()]
        begin = [begin for begin, _ in block_info[0]["array-location"]]
        raise ValueError(
            f"indices: expected each to lie in its own window of {geometry.window} over {geometry.spatial_shape}; "
            f"{int((~valid).sum())} of the {valid.size} in one chunk do not. The first is at "
            f"{tuple(map(sum, zip(begin, first, strict=True)))}"
        )
    return offset.astype(geometry.offset_dtype)


_OWN: dict[Callable[..., Any], Callable[..., Any]] = {
    _without_switches._fixed: lambda static, x: _dask_blocks.fixed(x, *static),  # noqa: SLF001
    _without_switches._nearest: lambda static, x: _dask_blocks.nearest(x, static),  # noqa: SLF001
    _from_indices._or_nowhere: _in_their_windows,  # noqa: SLF001
}
"""The recipes of the core that arrays in chunks carry out in a way of their own."""

_WHOLE: dict[Callable[..., Any], Callable[..., Any]] = {
    _raw_indices._placed: _dask_raw.unpool,  # noqa: SLF001
    _at._get: _dask_at.get,  # noqa: SLF001
    _at._update: _dask_at.update,  # noqa: SLF001
}
"""The algorithms of the core that need a plan of their own."""

backend = DaskBackend()
