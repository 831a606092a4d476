"""The ways to unpool that need no switches: `unpool_fixed`, `unpool_nearest`, `unpool_average`."""

from __future__ import annotations

from typing import Any

from unpoolx._arguments import accept, as_window
from unpoolx._backend import Backend
from unpoolx._dtypes import FLOATS
from unpoolx._geometry import Geometry
from unpoolx._layout import parse_data_format, require_holdable, show_shape, spatial_axes, with_spatial
from unpoolx._maps import Spread
from unpoolx._recipe_blocks import dilated, repeated
from unpoolx._window import Window, whole_number


def unpool_fixed(
    x: Any,
    kernel_size: int | tuple[int, ...] | Window,
    stride: int | tuple[int, ...] | None = None,
    padding: str = "VALID",
    *,
    position: str | tuple[int, ...] = "corner",
    data_format: str = "channels_last",
    backend: str | Backend | None = None,
) -> Any:
    """Put each value at the same place of its window, zeros elsewhere. x is left as it was.

    Args:
        x: array (*batch, *spatial, C) or (*batch, C, *spatial), any dtype.
        kernel_size, stride, data_format: as in `Window`.
        padding: `"VALID"`: n values become `(n-1)*stride + kernel_size` elements; `"SAME"`: `n*stride`.
        position: the place of the value of window w is `w*stride + position`, in elements: `"corner"` is 0,
            `"center"` is `(extent-1)//2`, or one int per spatial axis, in `range(extent)`; the extent is the kernel
            (VALID) or the stride (SAME).
        backend: the framework of the result; None means that of x.

    Returns:
        An array of x's dtype.

    Raises:
        ValueError: a position outside the extent; another padding; a shape that does not fit.

    Gradient: to x, the elements at the same places.

    Example:
        >>> import numpy as np, unpoolx
        >>> unpoolx.unpool_fixed(np.array([[[1], [2]]]), 2).ravel()
        array([1, 0, 2, 0])

    Source: Dosovitskiy, Springenberg and Brox, "Learning to Generate Chairs with Convolutional Neural Networks",
    section 3.
    """
    ops, x, geometry = _prepare(x, kernel_size, stride, padding, data_format, backend)
    places = _places(position, geometry)
    if all(axis.stride == 1 and (axis.kernel == 1 or geometry.window.padding == "SAME") for axis in geometry.axes):
        return ops.copy(x)  # nothing lies between the values
    return ops.fused(_fixed, (geometry, places), x)


def _fixed(ops: Backend, static: tuple[Geometry, tuple[int, ...]], x: Any) -> Any:
    geometry, places = static
    for where, axis, place in zip(geometry.spatial_axes, geometry.axes, places, strict=True):
        x = dilated(ops, x, where, axis.stride)
        end = (axis.windows - 1) * axis.stride + 1  # past it there are only zeros
        x = ops.pad(ops.slice(x, {where: (0, end, 1)}), {where: (place, axis.size - place - end)}, 0)
    return x


def unpool_nearest(
    x: Any,
    scale: int | tuple[int, ...],
    *,
    data_format: str = "channels_last",
    backend: str | Backend | None = None,
) -> Any:
    """Repeat each value over a block of `scale` elements. x is left as it was.

    Args:
        x: array (*batch, *spatial, C) or (*batch, C, *spatial), any dtype.
        scale: elements per value on each spatial axis, >= 1, an int or one per axis.
        data_format: as in `Window`.
        backend: the framework of the result; None means that of x.

    Returns:
        An array of x's dtype, its spatial lengths multiplied by `scale`.

    Raises:
        ValueError, TypeError: a scale that is no positive integer, or of a wrong length.

    Gradient: to x, the sum over each block.

    Example:
        >>> import numpy as np, unpoolx
        >>> unpoolx.unpool_nearest(np.array([[[1], [2]]]), 2).ravel()
        array([1, 1, 2, 2])

    Source: nearest-neighbour upsampling by whole factors, as in Keras `UpSampling2D`.
    """
    parsed = _scale(scale, parse_data_format(data_format)[1])
    window = Window(parsed, data_format=data_format)
    ops, (x,) = accept(backend, x=x)
    window = window.with_rank_of(ops.shape(x), "scale")
    scales: tuple[int, ...] = window.kernel_size  # type: ignore[assignment]  # a tuple, once the rank is fixed
    positions = spatial_axes(window.data_format, len(scales))
    lengths = [ops.shape(x)[axis] for axis in positions]
    grown = tuple(n * k for n, k in zip(lengths, scales, strict=True))
    require_holdable(with_spatial(ops.shape(x), window.data_format, grown), "scale")
    result = ops.fused(_nearest, tuple(zip(positions, scales, strict=True)), x)
    # Where nothing was repeated in memory, what came out may be a view of x.
    may_share = all(k == 1 or (isinstance(n, int) and n == 1) for k, n in zip(scales, lengths, strict=True))
    return ops.copy(result) if may_share else result


def _nearest(ops: Backend, repeats: tuple[tuple[int, int], ...], x: Any) -> Any:
    for where, times in repeats:
        x = repeated(ops, x, where, times)
    return x


def unpool_average(
    x: Any,
    kernel_size: int | tuple[int, ...] | Window,
    stride: int | tuple[int, ...] | None = None,
    padding: str = "VALID",
    *,
    data_format: str = "channels_last",
    backend: str | Backend | None = None,
) -> Any:
    """Spread each value evenly over its window. x is left as it was.

    Each value is divided by the number of real elements in its window and given to each of them; where windows
    overlap, the shares are added in row-major order of x, as in `unpool(overlap="sum")`. It is the adjoint of
    average pooling that does not count padding, and keeps the total.

    Args:
        x: array (*batch, *spatial, C) or (*batch, C, *spatial), floating.
        kernel_size, stride, data_format: as in `Window`.
        padding: `"VALID"`: n values become `(n-1)*stride + kernel_size` elements; `"SAME"`: `n*stride`.
        backend: the framework of the result; None means that of x.

    Returns:
        An array of x's dtype; half precision is divided and summed in float32 and rounded once.

    Raises:
        TypeError: an integer, bool or complex x.
        ValueError: another padding; a shape that does not fit.

    Gradient: to x, average pooling of dy without counting padding.

    Example:
        >>> import numpy as np, unpoolx
        >>> unpoolx.unpool_average(np.array([[[2.0], [4.0]]]), 2).ravel()
        array([1., 1., 2., 2.])

    Source: the gradient of average pooling, as in Noh, Hong and Han, section 3.2, for max pooling.
    """
    ops, x, geometry = _prepare(x, kernel_size, stride, padding, data_format, backend)
    dtype = ops.dtype(x)
    if dtype not in FLOATS:
        raise TypeError(f"x: expected a floating dtype, since each value is divided; got {dtype}. Cast it first")
    return ops.linear(Spread(geometry), x, None)


def _prepare(
    x: Any, kernel_size: Any, stride: Any, padding: Any, data_format: str, backend: Any
) -> tuple[Backend, Any, Geometry]:
    """The backend, x, and the geometry of the result, whose pooling by the window gives x's shape."""
    window = as_window(kernel_size, stride, padding, data_format=data_format)
    if window.padding not in ("VALID", "SAME"):
        raise ValueError(f"padding: expected 'VALID' or 'SAME' without switches; got {window.padding!r}")
    if window.ceil_mode or window.dilation not in (1, (1,) * (window.rank or 1)):
        raise ValueError(
            f"kernel_size: expected a window without dilation and ceil_mode where there are no switches; got {window}"
        )
    ops, (x,) = accept(backend, x=x)
    shape = ops.shape(x)
    window = window.with_rank_of(shape)
    sizes = []
    for where, kernel, step in zip(
        spatial_axes(window.data_format, len(window.kernel_size)),  # type: ignore[arg-type]  # a tuple by now
        window.kernel_size,  # type: ignore[arg-type]
        window.stride,  # type: ignore[arg-type]
        strict=True,
    ):
        n = shape[where]
        if isinstance(n, int) and n < 1:
            raise ValueError(f"x: expected at least one value on each spatial axis; got shape {show_shape(shape)}")
        sizes.append(n * step if window.padding == "SAME" else (n - 1) * step + kernel)
    require_holdable(with_spatial(shape, window.data_format, tuple(sizes)), "kernel_size, stride")
    return ops, x, Geometry.of_spatial(window, tuple(sizes))


def _places(position: object, geometry: Geometry) -> tuple[int, ...]:
    extents = [axis.stride if geometry.window.padding == "SAME" else axis.kernel for axis in geometry.axes]
    if isinstance(position, str):
        if position not in ("corner", "center"):
            raise ValueError(f"position: expected 'corner', 'center' or one int per spatial axis; got {position!r}")
        return tuple(0 if position == "corner" else (extent - 1) // 2 for extent in extents)
    if not isinstance(position, (tuple, list)):
        raise TypeError(f"position: expected 'corner', 'center' or one int per spatial axis; got {position!r}")
    if len(position) != len(extents):
        raise ValueError(f"position: expected {len(extents)} ints, one per spatial axis; got {position!r}")
    places = tuple(whole_number(p, f"position[{i}]", 0) for i, p in enumerate(position))
    for i, (place, extent) in enumerate(zip(places, extents, strict=True)):
        if place >= extent:
            raise ValueError(f"position[{i}]: expected an int in range({extent}), the window's extent; got {place}")
    return places


def _scale(scale: object, rank: int | None) -> int | tuple[int, ...]:
    if isinstance(scale, (tuple, list)) and scale:
        if rank is not None and len(scale) != rank:
            raise ValueError(f"scale: expected {rank} values, one per spatial axis of data_format; got {scale!r}")
        return tuple(whole_number(s, f"scale[{i}]", 1) for i, s in enumerate(scale))
    return whole_number(scale, "scale", 1)
