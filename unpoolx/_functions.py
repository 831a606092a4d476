"""The public functions that make and use switches: `max_pool`, `unpool`, `gather`."""

from __future__ import annotations

from typing import Any

from unpoolx import _raw_indices, _remembered
from unpoolx._arguments import accept, as_window, require_real, require_summable, same_lengths
from unpoolx._backend import Backend
from unpoolx._geometry import Geometry
from unpoolx._layout import show_shape
from unpoolx._maps import Gather, Unpool
from unpoolx._switches import Switches
from unpoolx._window import Padding, Window

OVERLAPS = ("last", "sum")


def max_pool(
    x: Any,
    kernel_size: int | tuple[int, ...] | Window,
    stride: int | tuple[int, ...] | None = None,
    padding: Padding = "VALID",
    *,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
    backend: str | Backend | None = None,
) -> tuple[Any, Switches]:
    """Max pooling that remembers where each maximum came from. x is left as it was.

    The chosen element of a window is the first, in row-major order of the kernel, that equals the maximum of its
    real elements; where any of them is NaN, the first NaN. -0.0 and +0.0 are equal. Padding is never chosen.

    Args:
        x: array (*batch, *spatial, C), or (*batch, C, *spatial) for `data_format="channels_first"`; float, integer
            or bool.
        kernel_size, stride, padding, dilation, ceil_mode, data_format: as in `Window`, or a `Window` in place of
            `kernel_size` and none of the others.
        backend: the framework of the result; None means that of x.

    Returns:
        values: x's dtype, spatial lengths
            `(n + before + after - dilation*(kernel - 1) - 1) // stride + 1`, the elements themselves, bit for bit.
        switches: `Switches` of that shape.

    Raises:
        ValueError: a geometry that does not fit, with the axis.
        TypeError: a complex x; a number that is not an integer.

    Gradient: to x, `unpool(dy, switches, overlap="sum")`; none flows to the switches.

    Example:
        >>> import numpy as np, unpoolx
        >>> x = np.array([[1, 5], [3, 2]], np.float32).reshape(1, 2, 2, 1)
        >>> values, switches = unpoolx.max_pool(x, 2)
        >>> values.ravel(), switches.offsets.ravel()
        (array([5.], dtype=float32), array([1], dtype=uint8))

    Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", section 2.1.
    """
    ops, (x,) = accept(backend, x=x)
    require_real(ops, x, "x")
    arguments = (kernel_size, stride, padding, dilation, ceil_mode, data_format)
    geometry = _remembered.geometry(ops, _geometry, ops.shape(x), *arguments)
    values, offsets = ops.max_pool(x, geometry)
    return values, Switches.trusted(offsets, geometry.window, geometry.spatial_shape)


def _geometry(shape: tuple[Any, ...], *arguments: Any) -> Geometry:
    return Geometry.of(as_window(*arguments), shape)


def unpool(
    x: Any,
    switches: Any,
    *,
    overlap: str = "last",
    output_shape: tuple[int, ...] | None = None,
    index_format: str | None = None,
    data_format: str | None = None,
    backend: str | Backend | None = None,
) -> Any:
    """Put each value where its switch points, zero elsewhere. The arguments are left as they were.

    Args:
        x: array of the switches' shape, any dtype.
        switches: `Switches`, or a raw array of flat indices of x's shape with its `output_shape` and `index_format`:
            any indices, in any order, with or without duplicates.
        overlap: where several windows point at one element, `"last"` keeps the one that comes last in row-major
            order of x, and `"sum"` adds them in that order (half precision in float32, rounded once; integers
            wrap; a zero sum is +0.0).
        output_shape: with raw indices, the full shape of the result: x's, but for the spatial lengths.
        index_format: with raw indices, what they count: see `Switches.from_indices`. A negative index is out of
            range, as it is in every framework that makes indices.
        data_format: with raw indices, where the spatial axes are: needed only where x and `output_shape` leave it
            open.
        backend: the framework of the result; None means that of x and the switches.

    Returns:
        An array of x's dtype with the switches' spatial shape.

    Raises:
        ValueError: shapes that do not fit, with both; an unknown overlap or format.
        TypeError: a bool x with `"sum"`; raw indices that are not integers.
        IndexError: a raw index out of range, with its axis and length. In compiled code, which cannot raise, such
            an update is dropped.

    Gradient: to x, `gather(dy, switches)`; with `"last"`, zero for the windows that lost.

    Example:
        >>> import numpy as np, unpoolx
        >>> values, switches = unpoolx.max_pool(np.array([[[1.0], [3.0], [2.0], [0.0]]]), 2)
        >>> unpoolx.unpool(values, switches).ravel()
        array([0., 3., 2., 0.])

    Source: Zeiler, Taylor and Fergus, "Adaptive Deconvolutional Networks for Mid and High Level Feature Learning",
    section 3.1; Noh, Hong and Han, "Learning Deconvolution Network for Semantic Segmentation", section 3.2.
    """
    if type(overlap) is not str or overlap not in OVERLAPS:
        raise ValueError(f"overlap: expected 'last' or 'sum'; got {overlap!r}")
    if not isinstance(switches, Switches):
        return _raw_indices.unpool(x, switches, overlap, output_shape, index_format, data_format, backend)
    for what, value in (
        ("output_shape", output_shape),
        ("index_format", index_format),
        ("data_format", data_format),
    ):
        if value is not None:
            raise TypeError(f"{what}: expected None, since Switches carry it; got {value!r}")
    ops, (x, offsets) = accept(backend, x=x, switches=switches.offsets)
    if overlap == "sum":
        require_summable(ops, x, "x")
    geometry = _remembered.geometry(ops, Geometry.of_spatial, switches.window, switches.spatial_shape)
    if not same_lengths(ops.shape(x), ops.shape(offsets)):
        raise ValueError(
            f"x: expected the shape of the switches, {show_shape(ops.shape(offsets))}; got {show_shape(ops.shape(x))}"
        )
    return ops.linear(Unpool(geometry, overlap), x, offsets)


def gather(x: Any, switches: Switches, *, backend: str | Backend | None = None) -> Any:
    """Read the element that each switch points at. x is left as it was.

    The adjoint of `unpool(..., overlap="sum")`, and the inverse of pooling: `gather(x, s)` is `y` for
    `y, s = max_pool(x)`.

    Args:
        x: array of the shape of the input of the pooling, any dtype.
        switches: `Switches`.
        backend: the framework of the result; None means that of x and the switches.

    Returns:
        An array of x's dtype and the switches' shape.

    Raises:
        ValueError: shapes that do not fit, with both.
        TypeError: switches that are not `Switches`.

    Gradient: to x, `unpool(dy, switches, overlap="sum")`.

    Example:
        >>> import numpy as np, unpoolx
        >>> _, switches = unpoolx.max_pool(np.array([[[1.0], [3.0], [2.0], [0.0]]]), 2)
        >>> unpoolx.gather(np.array([[[10], [11], [12], [13]]]), switches).ravel()
        array([11, 12])
    """
    if not isinstance(switches, Switches):
        raise TypeError(
            f"switches: expected Switches; got {type(switches).__name__}. "
            f"Switches.from_indices makes them of flat indices"
        )
    ops, (x, offsets) = accept(backend, x=x, switches=switches.offsets)
    geometry = _remembered.geometry(ops, Geometry.of_spatial, switches.window, switches.spatial_shape)
    expected = geometry.unpooled_shape(ops.shape(offsets))
    if not same_lengths(ops.shape(x), expected):
        raise ValueError(
            f"x: expected the shape {show_shape(expected)} of the input of the pooling that made the switches; "
            f"got {show_shape(ops.shape(x))}"
        )
    return ops.linear(Gather(geometry), x, offsets)
