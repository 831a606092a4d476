"""Max pooling with switches, from slices and comparisons, in two forms of one meaning.

- By axes: the last spatial axis is reduced first, then the ones before it, each keeping the smaller number on a tie.
  In that order the outcome is the row-major first maximum; the other order gets ties wrong.
- By elements, where whole recipes are fused (`ops.fuses`): the kernel's elements in row-major order, region by region
  (`_recipe_regions`), so that nothing is stored in between. A larger kernel goes by axes: its comparisons would be
  made kernel by kernel instead of axis by axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unpoolx._dtypes import FLOAT_BITS, integer_range
from unpoolx._geometry import Axis, Geometry, at_least_zero
from unpoolx._layout import position_dtype
from unpoolx._recipe_regions import Region, assemble, regions

if TYPE_CHECKING:
    from unpoolx._backend import Backend

# With more elements than this the axes are reduced one after the other, fused or not.
FUSED_ELEMENTS = 64


def order_key(ops: Backend, x: Any) -> Any:
    """Integers in the order of x's elements: -0.0 and +0.0 share one, and every NaN has the greatest.

    Floats are compared by their bits, since some frameworks take subnormal numbers for zero in comparisons.
    """
    dtype = ops.dtype(x)
    if dtype == "bool":
        return ops.cast(x, "uint8")
    if dtype not in FLOAT_BITS:
        return x
    layout = FLOAT_BITS[dtype]
    bits = ops.bits(x)
    key = ops.where(bits < 0, layout.negative_zero - bits, bits)
    greatest = integer_range(layout.integer)[1]
    is_nan = (key > layout.infinity) | (key < -layout.infinity)
    return ops.where(is_nan, ops.full((), greatest, layout.integer, like=x), key)


def max_pool(ops: Backend, geometry: Geometry, x: Any) -> tuple[Any, Any]:
    """The first greatest real element of each window, and its row-major number inside the window."""
    fits = geometry.is_known and geometry.kernel_elements <= FUSED_ELEMENTS
    if ops.fuses and not ops.exact_comparisons and fits:  # by elements, it is keys that are compared
        return max_pool_by_elements(ops, geometry, x)
    return max_pool_by_axes(ops, geometry, x)


def max_pool_by_elements(ops: Backend, geometry: Geometry, x: Any) -> tuple[Any, Any]:
    """`max_pool` by a chain of comparisons over the elements of the kernel, for each region of windows."""
    values, offsets = [], []
    for region in regions(geometry):
        value, offset = _reduce_region(ops, region, ops.slice(x, region.elements))
        values.append((region, value))
        offsets.append((region, ops.cast(offset, geometry.offset_dtype)))
    return assemble(ops, geometry, values), assemble(ops, geometry, offsets)


def _reduce_region(ops: Backend, region: Region, x: Any) -> tuple[Any, Any]:
    geometry = region.geometry
    key = None
    if not region.is_inside:  # nothing compares below the fill; a float's key is above it
        key = order_key(ops, x)
        key = ops.pad(key, region.padding, integer_range(ops.dtype(key))[0])
        x = ops.pad(x, region.padding, 0)
    best_value = best_key = offset = None
    for number, element in enumerate(geometry.elements()):
        span = geometry.reached_by(element)
        new_value = ops.slice(x, span)
        new_key = order_key(ops, new_value) if key is None else ops.slice(key, span)
        if best_key is None:
            best_value, best_key, offset = new_value, new_key, ops.full_like(new_value, 0, "int32")
            continue
        better = new_key > best_key
        if ops.dtype(x) not in FLOAT_BITS:
            first = _first_of_all(ops, geometry, element, like=new_value)
            better = better if first is None else better | first
        best_value = ops.where(better, new_value, best_value)
        best_key = ops.where(better, new_key, best_key)
        offset = ops.where(better, ops.full((), number, "int32", like=offset), offset)
    return best_value, offset


def _first_of_all(ops: Backend, geometry: Geometry, element: tuple[int, ...], like: Any) -> Any:
    """Where `element` is a window's first real one; None where it is no window's, or where each one's is element 0."""
    if not any(axis.before for axis in geometry.axes):
        return None
    first = None
    for position, axis, e in zip(geometry.spatial_axes, geometry.axes, element, strict=True):
        if e and (e - 1) * axis.dilation >= axis.before:
            return None
        here = _first_here(ops, axis, position, e, like)
        first = here if first is None else first & here
    return first


def max_pool_by_axes(ops: Backend, geometry: Geometry, x: Any) -> tuple[Any, Any]:
    """`max_pool` one spatial axis after the other."""
    value, key, offset = x, (None if ops.exact_comparisons else order_key(ops, x)), None
    beats = _beats
    if key is None and ops.dtype(x) in FLOAT_BITS and ops.no_nan(x):
        beats = _is_greater
    weight, counted = 1, "int32" if ops.counts_wide else geometry.offset_dtype
    for position, axis in zip(reversed(geometry.spatial_axes), reversed(geometry.axes), strict=True):
        value, key, offset = _reduce(ops, axis, position, value, key, offset, weight, counted, beats)
        weight *= axis.kernel
    offset = ops.cast(offset, geometry.offset_dtype) if counted != geometry.offset_dtype else offset
    if geometry.axes[0].kernel == 1:  # nothing was compared at last: these are views, of x or of more than they show
        return ops.copy(value), ops.copy(offset)
    return value, offset


def _reduce(
    ops: Backend,
    axis: Axis,
    position: int,
    value: Any,
    key: Any,
    offset: Any,
    weight: int,
    offset_dtype: str,
    beats: Callable[[Backend, Any, Any], Any],
) -> tuple[Any, Any, Any]:
    after = at_least_zero((axis.windows - 1) * axis.stride + axis.extent - axis.before - axis.size)
    padding = {position: (axis.before, after)}
    # Nothing compares below the fill, so padding never beats a real element that came before it. Padding that
    # comes before the first real element loses to it by position, whatever that element holds.
    if key is None:
        value = ops.pad(value, padding, _least(ops.dtype(value)))
    else:
        key, value = ops.pad(key, padding, integer_range(ops.dtype(key))[0]), ops.pad(value, padding, 0)
    offset = None if offset is None else ops.pad(offset, padding, 0)

    def at(array: Any, element: int) -> Any:
        return ops.slice(array, {position: (element * axis.dilation, axis.windows, axis.stride)})

    best_key, best_value = None if key is None else at(key, 0), at(value, 0)
    best_offset = ops.full_like(best_value, 0, offset_dtype) if offset is None else at(offset, 0)
    for element in range(1, axis.kernel):
        new_value = at(value, element)
        if key is None:
            better = beats(ops, new_value, best_value)
        else:
            new_key = at(key, element)
            better = new_key > best_key
        first = _first_here(ops, axis, position, element, like=best_value)
        if first is not None:
            better = better | first
        number = ops.full((), element * weight, offset_dtype, like=best_value)
        new_offset = number if offset is None else at(offset, element) + number
        if key is not None:
            best_key = ops.where(better, new_key, best_key)
        best_value = ops.where(better, new_value, best_value)
        best_offset = ops.where(better, new_offset, best_offset)
    return best_value, best_key, best_offset


def _beats(ops: Backend, new: Any, best: Any) -> Any:
    """Where `new` is greater than `best`, or is the first NaN of the two."""
    dtype = ops.dtype(new)
    if dtype == "bool":
        return new & ~best
    if dtype not in FLOAT_BITS:
        return new > best
    return ~(new <= best) & (best == best)  # noqa: PLR0124  # only a NaN differs from itself


def _is_greater(ops: Backend, new: Any, best: Any) -> Any:
    """`_beats` where there is no NaN."""
    del ops
    return new > best


def _least(dtype: str) -> float | int:
    """A value of the dtype that no value is less than."""
    if dtype in FLOAT_BITS:
        return float("-inf")
    return 0 if dtype == "bool" else integer_range(dtype)[0]


def _first_here(ops: Backend, axis: Axis, position: int, element: int, like: Any) -> Any:
    """Where along the axis a window's first real element is `element`; None where no window's is."""
    if element and isinstance(axis.before, int) and (element - 1) * axis.dilation >= axis.before:
        return None
    wide = position_dtype(ops, axis.size + axis.before)
    start = ops.arange(axis.windows, wide, like=like) * axis.stride - ops.length(axis.before, wide)
    here = start + element * axis.dilation >= 0
    if element:
        here = here & (start + (element - 1) * axis.dilation < 0)
    return ops.along(here, position)
