"""The arrays of array-api-strict as a backend of unpoolx, written from docs/adding-a-backend.md alone."""

# ruff: noqa: D102  # that page says what each method is

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as xp
import numpy as np

from unpoolx import Backend

Array = Any
Span = dict[int, tuple[int, int, int]]

ARRAY = type(xp.empty(0))
INFO = xp.__array_namespace_info__()
DTYPES = dict(INFO.dtypes())
NAMES = {dtype: name for name, dtype in DTYPES.items()}
# The library plays at having several devices; those that lack a dtype cannot be declared.
DEVICES = {repr(d).split("'")[1]: d for d in INFO.devices() if INFO.dtypes(device=d) == DTYPES}


class StrictBackend(Backend):
    """What the standard has, and nothing else: no scatter, no bits, no derivatives."""

    name = "strict"
    exact_comparisons = True

    @property
    def version(self) -> str:
        return xp.__version__

    def devices(self) -> tuple[str, ...]:
        return tuple(DEVICES)

    def dtypes(self) -> tuple[str, ...]:
        return tuple(DTYPES)

    def is_array(self, x: object) -> bool:
        return isinstance(x, ARRAY)

    def device(self, x: Array) -> str:
        return next(name for name, device in DEVICES.items() if device == x.device)

    def to_device(self, x: Array, device: str) -> Array:
        for name, found in DEVICES.items():
            if name.lower().startswith(device.lower()):
                return x.to_device(found)
        raise ValueError(f"device: expected one of {', '.join(DEVICES)}; got {device!r}")

    def from_numpy(self, x: np.ndarray, like: Array | None = None) -> Array:
        return xp.asarray(x, device=None if like is None else like.device)

    def to_numpy(self, x: Array) -> np.ndarray:
        return np.asarray(x.to_device(INFO.default_device()))

    def shape(self, x: Array) -> tuple[int, ...]:
        return x.shape

    def dtype(self, x: Array) -> str:
        return NAMES[x.dtype]

    def copy(self, x: Array) -> Array:
        return xp.asarray(x, copy=True)

    def cast(self, x: Array, dtype: str) -> Array:
        with np.errstate(all="ignore"):
            return xp.astype(x, DTYPES[dtype], copy=False)

    def full(self, shape: tuple[int, ...], value: Any, dtype: str, like: Array) -> Array:
        return xp.full(shape, value, dtype=DTYPES[dtype], device=like.device)

    def arange(self, count: int, dtype: str, like: Array) -> Array:
        return xp.arange(count, dtype=DTYPES[dtype], device=like.device)

    def reshape(self, x: Array, shape: Any) -> Array:
        return xp.reshape(x, tuple(shape))

    def broadcast_to(self, x: Array, shape: Any) -> Array:
        return xp.broadcast_to(x, tuple(shape))

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return xp.permute_dims(x, order)

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return xp.flip(x, axis=axes)

    def slice(self, x: Array, span: Span) -> Array:
        return x[self._index(x, span)]

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        result = self.copy(x)
        result[self._index(x, span)] = values
        return result

    def stack(self, parts: list[Array], axis: int) -> Array:
        return xp.stack(parts, axis=parts[0].ndim + axis + 1)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return xp.where(condition, x, y)

    def take_along(self, x: Array, index: Array) -> Array:
        return xp.take_along_axis(x, index, axis=1)

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        if 0 in values.shape:
            return x
        writer = self.last_writer(index, x.shape[1])  # the standard has no scatter, so each slot reads
        nobody = writer < 0
        return xp.where(nobody, x, self.take_along(values, xp.where(nobody, self.zero(writer), writer)))

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        with np.errstate(all="ignore"):  # the library is NumPy underneath, and warns as NumPy does
            return function(self, static, *arrays)

    def _index(self, x: Array, span: Span) -> tuple[slice, ...]:
        index = [slice(None)] * x.ndim
        for axis, (start, count, step) in span.items():
            index[axis] = slice(start, start + (count - 1) * step + 1, step) if count else slice(0, 0)
        return tuple(index)


backend = StrictBackend()
