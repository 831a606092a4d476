"""Any array of the Python array API standard whose library has no backend of its own.

One instance for each namespace, made when the first of its arrays comes. What is asked of a namespace are functions of
the standard alone, and no element is assigned unless trying has shown that its arrays take it. The standard has no bits
of floats, no scatter and no derivatives: bits go by the host, a scatter reads the last writer of each slot, and no
gradient is declared.
"""

from __future__ import annotations

import copy
import importlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat
import numpy as np

from unpoolx import _host, _recipe_at
from unpoolx._backend import Array, Backend, Span
from unpoolx._dtypes import COMPLEX, FLOAT_BITS, INTEGERS, UNSIGNED
from unpoolx._geometry import Geometry
from unpoolx._layout import is_empty, slices
from unpoolx._registry import ARRAY_API, BackendNotInstalledError
from unpoolx_backends import _array_api_probe
from unpoolx_backends._array_api_host import device_name, to_numpy


class ArrayApiBackend(Backend):
    """The arrays of one namespace.

    Args:
        xp: the namespace, as array_api_compat gives it.
        name: what `backend=` takes.

    Raises:
        TypeError: the namespace lacks a function or a dtype without which nothing can be done.
    """

    name = ARRAY_API

    def __init__(self, xp: Any, name: str) -> None:
        lacks = _array_api_probe.lacking(xp)
        self._dtypes = {} if lacks else _array_api_probe.dtypes(xp)
        lacks += [] if lacks else [dtype for dtype in _array_api_probe.NEEDED_DTYPES if dtype not in self._dtypes]
        if lacks:
            raise TypeError(
                f"expected arrays of a namespace that has what unpoolx needs of the array API standard; "
                f"got {name.partition(':')[2]}, which lacks {', '.join(lacks)}"
            )
        self.xp = xp
        self.name = name  # type: ignore[misc]  # one class, and a name for each namespace
        self.max_axes = _array_api_probe.capability(xp, "max dimensions", 64)
        self.mutable = _array_api_probe.is_writable(xp)
        self._types: tuple[type, ...] = (type(xp.full((1,), 0, dtype=xp.int32)),)
        self._devices = _array_api_probe.devices(xp)
        self._divides_by_broadcasting = _array_api_probe.divides_by_broadcasting(xp, self._dtypes)
        self._adds_by_parts = _array_api_probe.adds_by_parts(xp, self._dtypes)
        self._shapes_may_follow_values = _array_api_probe.capability(xp, "data-dependent shapes", True)
        self._by_device: dict[str, ArrayApiBackend] = {}

    @property
    def version(self) -> str:
        return str(getattr(self.xp, "__version__", "unknown"))

    def devices(self) -> tuple[str, ...]:
        return tuple(self._devices)

    def dtypes(self) -> tuple[str, ...]:
        return tuple(self._dtypes)

    def is_array(self, x: object) -> bool:
        return isinstance(x, self._types)

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        # Not every library reads memory that is strided or read-only.
        x = x if x.flags.c_contiguous and x.flags.writeable else x.copy("C")
        return self.xp.asarray(x, dtype=self._dtypes[x.dtype.name], device=self._beside(like))

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        return to_numpy(x)

    def prepare(self, x: Array) -> Array:
        if None in x.shape:
            raise TypeError(f"expected an array whose shape is known; got one of shape {tuple(x.shape)}")
        if self.device(x) not in self._devices:
            raise TypeError(
                f"expected an array on a device that has every dtype of {self.name}, one of "
                f"{', '.join(self._devices)}; got one on {self.device(x)}"
            )
        return x

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(x.shape)

    def dtype(self, x: Array) -> str:
        # Dtypes of the standard can be compared, and nothing else is sure.
        return next((name for name, dtype in self._dtypes.items() if x.dtype == dtype), str(x.dtype))

    def device(self, x: Array) -> str | None:
        return device_name(array_api_compat.device(x))

    def to_device(self, x: Array, device: str) -> Array:
        return array_api_compat.to_device(x, self._devices[_host.matching_device(self, device)])

    def beside(self, x: Array) -> AbstractContextManager[Any]:
        # CuPy's kernels run on the current device, wherever their arrays lie.
        return array_api_compat.device(x) if array_api_compat.is_cupy_array(x) else nullcontext()

    def cast(self, x: Array, dtype: str) -> Array:
        with np.errstate(all="ignore"):  # a library that is NumPy underneath warns as NumPy does
            return self.xp.astype(x, self._dtypes[dtype], copy=False)

    def copy(self, x: Array) -> Array:
        return self.xp.asarray(x, copy=True)

    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array:
        return self.xp.full(tuple(shape), value, dtype=self._dtypes[dtype], device=self._beside(like))

    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        return self.xp.arange(count, dtype=self._dtypes[dtype], device=self._beside(like))

    def reshape(self, x: Array, shape: Any) -> Array:
        return self.xp.reshape(x, tuple(shape))

    def broadcast_to(self, x: Array, shape: Any) -> Array:
        return self.xp.broadcast_to(x, tuple(shape))

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return self.xp.permute_dims(x, order)

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return self.xp.flip(x, axis=axes)

    def slice(self, x: Array, span: Span) -> Array:
        return x[slices(x.ndim, span)]

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        if self.mutable:
            result = self.copy(x)
            result[slices(x.ndim, span)] = values
            return result
        if is_empty(tuple(count for _, count, _ in span.values())):
            return self.copy(x)
        return _recipe_at.set_strided(self, x, span, values) if span else self.copy(self.broadcast_to(values, x.shape))

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        if self.mutable:
            return super().pad(x, padding, value)
        for axis, (before, after) in padding.items():
            shape, dtype = list(x.shape), self.dtype(x)
            ends = []
            for shape[axis] in (before, after):
                ends.append(self.full(tuple(shape), value, dtype, like=x))
            if before or after:
                x = self.xp.concat((ends[0], x, ends[1]), axis=axis)
        return x

    def stack(self, parts: list[Array], axis: int) -> Array:
        return self.xp.stack(parts, axis=parts[0].ndim + axis + 1)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return self.xp.where(condition, x, y)

    def positive_zero(self, x: Array) -> Array:
        if self.dtype(x) in COMPLEX or not self._at(x).exact_comparisons:
            return super().positive_zero(x)
        return self.xp.where(x == 0, self.zero(x), x) if self.dtype(x) in FLOAT_BITS else x

    def add(self, x: Array, y: Array) -> Array:
        if self._adds_by_parts or self.dtype(x) not in COMPLEX:
            return x + y
        return self.from_numpy(np.asarray(to_numpy(x) + to_numpy(y)), like=x)

    def divide(self, x: Array, count: Array) -> Array:
        if not self._divides_by_broadcasting:
            count = self.broadcast_to(count, np.broadcast_shapes(x.shape, count.shape))
        return x / count

    def as_dtype(self, x: Array, dtype: str) -> Array:
        if self.dtype(x) in INTEGERS and dtype in INTEGERS:
            return self.cast(x, dtype)  # which wraps
        return super().as_dtype(x, dtype)

    def bounds(self, x: Array) -> tuple[int, int]:
        if self.dtype(x) in UNSIGNED:  # whose greatest numbers not every library compares
            return super().bounds(x)
        return tuple(int(to_numpy(end)) for end in (self.xp.min(x), self.xp.max(x)))  # type: ignore[return-value]

    def take_along(self, x: Array, index: Array) -> Array:
        rows, size, channels = x.shape
        _, count, width = index.shape
        if rows == width == 1:  # whole rows of a matrix
            taken = self.xp.take(self.reshape(x, (size, channels)), self.reshape(index, (count,)), axis=0)
            return self.reshape(taken, (1, count, channels))
        wide = self._wide(index)
        places = (self._lanes(rows, 1, like=x) * size + wide) * channels + self._lanes(1, channels, like=x)
        taken = self.xp.take(self.reshape(x, (-1,)), self.reshape(places, (-1,)), axis=0)
        return self.reshape(taken, (rows, count, channels))

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        if is_empty((*x.shape, *values.shape)):
            return self.copy(x)
        writer = self.last_writer(index, x.shape[1])
        nobody = writer < 0
        return self.xp.where(nobody, x, self.take_along(values, self.xp.where(nobody, self.zero(writer), writer)))

    def last_writer(self, index: Array, size: Any) -> Array:
        if not self._sorts(index, size):
            return super().last_writer(index, size)
        rows, count, channels = index.shape
        order, ordered = self._sorted(index, size)
        lanes = self._lanes(rows, channels, like=index) * (size + 1)
        slots = self.reshape(lanes + self.along(self.arange(size, "int64", like=index), -2), (-1,))
        # The last update of a slot stands right before the first of a later slot.
        place = self.xp.searchsorted(ordered, slots, side="right") - 1
        place = self.xp.where(place < 0, self.zero(place), place)
        writer = self.xp.take(order, place, axis=0) // channels % count
        found = self.xp.take(ordered, place, axis=0) == slots
        return self.reshape(self.xp.where(found, writer, self.zero(writer) - 1), (rows, size, channels))

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        if not self._sorts(index, size):
            return super().occurrence(index, size)
        order, ordered = self._sorted(index, size)
        number = self.arange(ordered.shape[0], "int64", like=index)
        rank = number - self._wide(self.xp.searchsorted(ordered, ordered, side="left"))
        ranks = self.reshape(self.xp.take(rank, self.xp.argsort(order, stable=True), axis=0), index.shape)
        inside = self.xp.where(index < size, ranks, self.zero(ranks) - 1)
        return ranks, self.bounds(inside)[1] + 1

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        return self.xp.nonzero(mask) if self._shapes_may_follow_values else super().nonzero(mask)

    def count_before(self, mask: Array) -> Array:
        if not hasattr(self.xp, "cumulative_sum") or "int64" not in self._dtypes:
            return super().count_before(mask)
        ones = self.cast(mask, "int64")
        return self.xp.cumulative_sum(ones, axis=0) - ones

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        return Backend.max_pool(self._at(x), x, geometry)

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        with np.errstate(all="ignore"), self.beside(arrays[0]):
            return function(self, static, *arrays)

    def write(self, x: Array, span: Span, where: Array | None, values: Array, add: bool) -> None:
        index = slices(x.ndim, span)
        values = self.add(x[index], values) if add else values
        x[index] = values if where is None else self.xp.where(where, values, x[index])

    def _at(self, x: Array) -> ArrayApiBackend:
        """This backend, with the comparisons of the device that x lies on."""
        device = array_api_compat.device(x)
        found = self._by_device.get(device_name(device))
        if found is None:
            found = copy.copy(self)
            found.exact_comparisons = _array_api_probe.compares_exactly(self.xp, self.dtypes(), device)
            self._by_device[device_name(device)] = found
        return found

    def _beside(self, like: Array | None) -> Any:
        return None if like is None else array_api_compat.device(like)

    def _wide(self, index: Array) -> Array:
        return self.cast(index, "int64" if "int64" in self._dtypes else "int32")

    def _lanes(self, rows: int, channels: int, like: Array) -> Array:
        """A number for each row and each channel, as (rows, 1, channels)."""
        wide = "int64" if "int64" in self._dtypes else "int32"
        return self.reshape(self.arange(rows * channels, wide, like=like), (rows, 1, channels))

    def _sorts(self, index: Array, size: int) -> bool:
        """Whether the namespace can put numbers of slots in order, and there are any."""
        has = all(callable(getattr(self.xp, name, None)) for name in ("argsort", "searchsorted"))
        return has and "int64" in self._dtypes and not is_empty((size, *index.shape))

    def _sorted(self, index: Array, size: int) -> tuple[Array, Array]:
        """The order that sorts the numbers of (rows, m, C), each in its own row and channel, and the sorted numbers."""
        rows, _, channels = index.shape
        flat = self.reshape(self._lanes(rows, channels, like=index) * (size + 1) + self._wide(index), (-1,))
        order = self.xp.argsort(flat, stable=True)
        return self._wide(order), self.xp.take(flat, order, axis=0)


MOST_NAMESPACES = 64
"""So many namespaces are remembered; more are forgotten, all at once."""
_made: list[ArrayApiBackend] = []
_lock = threading.Lock()


def of_array(x: Any, what: str) -> ArrayApiBackend:
    """The backend of an array's namespace, made for the first array of it; `what` names x.

    Raises:
        TypeError: x has no namespace that can be used, or holds no dense array whose numbers are there.
    """
    if array_api_compat.is_dask_array(x) or array_api_compat.is_pydata_sparse_array(x):
        raise TypeError(f"{what}: expected a dense array in memory; got {type(x).__module__}.{type(x).__qualname__}")
    try:
        xp = array_api_compat.array_namespace(x)
    except Exception as error:
        raise TypeError(
            f"{what}: expected an array that tells its namespace; got {type(x).__module__}.{type(x).__qualname__}, "
            f"which says: {error}"
        ) from error
    return of_namespace(xp)


def of_name(module: str) -> ArrayApiBackend:
    """The backend of the namespace of a module's arrays.

    Raises:
        BackendNotInstalledError: there is no such module.
        ValueError: the module makes no arrays of the standard.
    """
    for backend in _made:
        if backend.name == f"{ARRAY_API}:{module}":
            return backend
    try:
        x = importlib.import_module(module).zeros((1,))
    except ModuleNotFoundError as error:
        raise BackendNotInstalledError(
            f"backend '{ARRAY_API}:{module}' needs {module}, which is not installed", name=module
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"backend: expected a module that makes arrays; got {module!r}: {error}") from error
    return of_array(x, f"{module}.zeros((1,))")


def of_namespace(xp: Any) -> ArrayApiBackend:
    """The backend of a namespace, one and the same for each."""
    with _lock:
        for backend in _made:
            if backend.xp is xp:
                return backend
        if len(_made) >= MOST_NAMESPACES:
            _made.clear()
        own = getattr(xp, "__name__", type(xp).__name__).removeprefix("array_api_compat.")
        _made.append(ArrayApiBackend(xp, f"{ARRAY_API}:{own}"))
        return _made[-1]
