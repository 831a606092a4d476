"""The public functions of pooling and unpooling on one drawn case: for laws that hold of every function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import unpoolx

from . import oracle
from . import strategies as xst
from ._oracle_window import Index
from ._subject import Subject

SEVERAL = 8
"""Arrays for each geometry: frameworks that compile do so once per geometry."""

MOVABLE = (*xst.POOL_DTYPES, *xst.COMPLEX_DTYPES)
"""The dtypes that can be unpooled and read."""

SUMMABLE = tuple(name for name in MOVABLE if name != "bool")
"""The dtypes that can be summed."""

HALF_DTYPES = ("float16", "bfloat16")
"""The dtypes that are summed in a wider one."""


def window_of(geometry: xst.Geometry, **changed: Any) -> unpoolx.Window:
    """The window of a geometry with a value for each spatial axis, as `Switches` hold it."""
    return unpoolx.Window(**{**geometry.arguments, **changed}).with_rank_of(geometry.shape)


class Laid(NamedTuple):
    """A case as functions take it, in one layout: x has the shape of what is pooled, y and offsets the pooled one."""

    x: Any
    y: Any
    offsets: Any
    window: unpoolx.Window
    shape: Index
    spatial_shape: Index

    @property
    def switches(self) -> unpoolx.Switches:
        """Switches of the offsets."""
        return unpoolx.Switches.trusted(self.offsets, self.window, self.spatial_shape)

    @property
    def plain(self) -> dict[str, Any]:
        """The window's arguments that a function without switches takes."""
        w = self.window
        return {"kernel_size": w.kernel_size, "stride": w.stride, "data_format": w.data_format}


def _max_pool(on: Laid, **options: Any) -> dict[str, Any]:
    values, switches = unpoolx.max_pool(on.x, on.window, **options)
    return {"values": values, "offsets": switches.offsets}


def _unpool(on: Laid, overlap: str, **options: Any) -> dict[str, Any]:
    return {"unpool": unpoolx.unpool(on.y, on.switches, overlap=overlap, **options)}


def _unpool_raw(on: Laid, overlap: str, **options: Any) -> dict[str, Any]:
    raw: dict[str, Any] = {"output_shape": on.shape, "index_format": "spatial", "data_format": on.window.data_format}
    return {"unpool": unpoolx.unpool(on.y, on.switches.to_indices("spatial"), overlap=overlap, **raw, **options)}


def _to_indices(on: Laid) -> dict[str, Any]:
    return {index_format: on.switches.to_indices(index_format) for index_format in oracle.INDEX_FORMATS}


def _from_indices(on: Laid) -> dict[str, Any]:
    made = {}
    for index_format in oracle.INDEX_FORMATS:
        indices = on.switches.to_indices(index_format)
        back = unpoolx.Switches.from_indices(indices, on.window, on.shape, index_format=index_format)
        made[f"offsets from {index_format!r}"] = back.offsets
    return made


CALLS: dict[str, Callable[..., dict[str, Any]]] = {
    "max_pool": _max_pool,
    "gather": lambda on, **options: {"gather": unpoolx.gather(on.x, on.switches, **options)},
    "unpool last": lambda on, **options: _unpool(on, "last", **options),
    "unpool sum": lambda on, **options: _unpool(on, "sum", **options),
    "unpool raw last": lambda on, **options: _unpool_raw(on, "last", **options),
    "unpool raw sum": lambda on, **options: _unpool_raw(on, "sum", **options),
    "unpool_fixed": lambda on, **options: {
        "unpool_fixed": unpoolx.unpool_fixed(on.y, **on.plain, position="center", **options)
    },
    "unpool_nearest": lambda on, **options: {
        "unpool_nearest": unpoolx.unpool_nearest(
            on.y, on.window.kernel_size, data_format=on.window.data_format, **options
        )
    },
    "unpool_average": lambda on, **options: {"unpool_average": unpoolx.unpool_average(on.y, **on.plain, **options)},
    "to_indices": _to_indices,
    "from_indices": _from_indices,
}
"""Each function's results by name. All but the last two take `backend`."""


def applicable(function: str, dtype: str, batch_axes: int = 1) -> bool:
    """Whether a function takes arrays of this dtype and number of batch axes."""
    if "raw" in function and batch_axes != 1:
        return False
    if function == "max_pool":
        return dtype in xst.POOL_DTYPES
    if function == "unpool_average":
        return dtype in xst.FLOAT_DTYPES
    return "sum" not in function or dtype in SUMMABLE


def contents(function: str) -> Callable[..., Any]:
    """A strategy of arrays for a function: where it adds, none whose sums a framework's addition may flush."""
    return xst.moderate_arrays if "sum" in function or "average" in function else xst.arrays


def made_of(
    geometry: xst.Geometry, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]
) -> Laid:
    """A case of NumPy arrays, in the geometry's own layout."""
    return Laid(x, y, offsets, window_of(geometry), geometry.shape, geometry.spatial_shape)


def on_backend(subject: Subject, laid: Laid) -> Laid:
    """The case with its arrays as the backend's own."""
    return laid._replace(x=subject.array(laid.x), y=subject.array(laid.y), offsets=subject.array(laid.offsets))
