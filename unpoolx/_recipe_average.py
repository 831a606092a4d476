"""Average unpooling: each value shared among its window, and its adjoint, the mean of each window.

Half precision is divided and summed in float32 and rounded once. The division belongs to the map: a backend may make it
depend on x to keep it correctly rounded, and that must not reach the derivative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unpoolx._dtypes import accumulation_dtype
from unpoolx._geometry import Geometry
from unpoolx._layout import position_dtype
from unpoolx._recipe_regions import over_regions
from unpoolx._recipe_unpool import unpool_phases, unpool_strided

if TYPE_CHECKING:
    from unpoolx._backend import Backend, Span


def spread(ops: Backend, x: Any, geometry: Geometry) -> Any:
    """Each value's share at every real element of its window, added in row-major order of the windows."""
    dtype = ops.dtype(x)
    x = _divided(ops, ops.cast(x, accumulation_dtype(dtype)), geometry)
    form = unpool_strided if ops.mutable else unpool_phases
    return ops.positive_zero(ops.cast(form(ops, x, None, geometry, "sum"), dtype))


def window_mean(ops: Backend, x: Any, geometry: Geometry) -> Any:
    """The mean of each window's real elements, summed in row-major order of the kernel."""
    dtype = ops.dtype(x)

    def read(seen: Any, part: Geometry, _: Span) -> Any:
        total: Any = None
        for element in part.elements():
            here = ops.slice(seen, part.reached_by(element))
            total = here if total is None else total + here
        return total

    total = over_regions(ops, geometry, ops.cast(x, accumulation_dtype(dtype)), read)
    return ops.cast(_divided(ops, total, geometry), dtype)


def _divided(ops: Backend, x: Any, geometry: Geometry) -> Any:
    return ops.divide(x, ops.cast(_real_elements(ops, geometry, x), ops.dtype(x)))


def _real_elements(ops: Backend, geometry: Geometry, like: Any) -> Any:
    """For each window, the number of its elements that are no padding, as an array that broadcasts to x."""
    total: Any = 1
    for where, axis in zip(geometry.spatial_axes, geometry.axes, strict=True):
        wide = position_dtype(ops, axis.size + axis.kernel)
        size = ops.length(axis.size, wide)
        start = ops.arange(axis.windows, wide, like=like) * axis.stride - ops.length(axis.before, wide)
        end = size - _at_least_zero(ops, size - start - axis.kernel)
        total = total * ops.along(end - _at_least_zero(ops, start), where)
    return total


def _at_least_zero(ops: Backend, numbers: Any) -> Any:
    return ops.where(numbers > 0, numbers, ops.zero(numbers))
