"""Offsets from numbers that came from elsewhere, each checked to lie in its own window."""

from __future__ import annotations

from typing import Any

from unpoolx._backend import Backend
from unpoolx._geometry import Geometry
from unpoolx._index_formats import Numbering
from unpoolx._layout import show_shape
from unpoolx._recipe_unpool import spatial_positions


def offsets_from_window(ops: Backend, numbers: Any, geometry: Geometry, what: str) -> Any:
    """Offsets from row-major numbers inside the window; `what` names the argument."""
    shape, windows = ops.shape(numbers), geometry.windows
    if len(shape) <= len(windows) or tuple(shape[axis] for axis in geometry.spatial_axes) != windows:
        raise ValueError(
            f"{what}: expected the spatial lengths {windows}, one number for each window of {geometry.window} over "
            f"{geometry.spatial_shape}; got shape {show_shape(shape)}"
        )
    offset, valid = ops.fused(_from_window, geometry, numbers)
    return _checked(ops, numbers, offset, valid, geometry, "window", what)


def _from_window(ops: Backend, geometry: Geometry, numbers: Any) -> tuple[Any, Any]:
    numbers, valid = _widened(ops, numbers, geometry.kernel_elements)
    coordinates = spatial_positions(ops, numbers, geometry, ops.dtype(numbers))
    for axis, coordinate in zip(geometry.axes, coordinates, strict=True):
        valid = valid & (coordinate >= 0) & (coordinate < axis.size)
    return numbers, valid


def offsets_from_flat(ops: Backend, indices: Any, geometry: Geometry, shape: tuple[int, ...], index_format: str) -> Any:
    """Offsets from flat indices over an input of the full shape `shape`."""
    numbering = Numbering(index_format, geometry.window.data_format, shape, len(geometry.axes))
    if 0 in shape:
        return ops.full_like(indices, 0, geometry.offset_dtype)
    offset, valid = ops.fused(_from_flat, (numbering, geometry), indices)
    return _checked(ops, indices, offset, valid, geometry, index_format, "indices")


def _from_flat(ops: Backend, static: tuple[Numbering, Geometry], indices: Any) -> tuple[Any, Any]:
    numbering, geometry = static
    numbers, valid = _widened(ops, indices, numbering.count)
    dtype = ops.dtype(numbers)
    n, c, coordinates = numbering.decode(numbers)
    own_n, own_c = numbering.own(ops, ops.shape(numbers), dtype, like=numbers)
    for found, own in ((n, own_n), (c, own_c)):
        if found is not None:
            valid = valid & (found == own)
    offset: Any = 0
    for position, axis, coordinate in zip(geometry.spatial_axes, geometry.axes, coordinates, strict=True):
        start = ops.along(ops.arange(axis.windows, dtype, like=numbers) * axis.stride - axis.before, position)
        distance = coordinate - start
        element = distance // axis.dilation
        valid = valid & (distance >= 0) & (element < axis.kernel) & (element * axis.dilation == distance)
        offset = offset * axis.kernel + element
    return offset, valid


def _widened(ops: Backend, numbers: Any, count: int) -> tuple[Any, Any]:
    """The numbers in a signed dtype that holds `count`, zero where they lie outside, and where they lie inside."""
    wide = "int64" if "int64" in ops.dtypes() else "int32"
    # An unsigned number beyond the signed range turns negative, so it stays outside whatever the width.
    cast = ops.cast(numbers, wide)
    inside = (cast >= 0) & (cast < count) if count < 2**31 or wide == "int64" else cast >= 0
    return ops.where(inside, cast, ops.zero(cast)), inside


def _checked(
    ops: Backend, given: Any, offset: Any, valid: Any, geometry: Geometry, index_format: str, what: str
) -> Any:
    if ops.is_concrete(valid):
        host = ops.to_numpy(valid)
        if not host.all():
            wrong = int(host.size - host.sum())
            first = tuple(int(axis[0]) for axis in (~host).nonzero())
            raise ValueError(
                f"{what}: expected each to lie in its own window of {geometry.window} over {geometry.spatial_shape} "
                f"(index_format={index_format!r}); {wrong} of {host.size} do not. The first is "
                f"{ops.to_numpy(given)[first]} at {first}"
            )
        return ops.fused(_cast, geometry.offset_dtype, offset)
    return ops.fused(_or_nowhere, geometry, offset, valid)


def _cast(ops: Backend, dtype: str, offset: Any) -> Any:
    return ops.cast(offset, dtype)


def _or_nowhere(ops: Backend, geometry: Geometry, offset: Any, valid: Any) -> Any:
    """Compiled code cannot raise: there a number that no element has is dropped by unpool, and reads zero."""
    # With 256 elements every uint8 names one, so that -1 needs a wider dtype.
    dtype = "int32" if geometry.kernel_elements == 256 else geometry.offset_dtype
    nowhere = 255 if dtype == "uint8" else -1
    return ops.cast(ops.where(valid, offset, ops.full((), nowhere, ops.dtype(offset), like=offset)), dtype)
