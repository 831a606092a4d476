"""A window laid over one array: every length, offset and phase as a plain integer.

Where a framework traces with sizes that it does not know yet, a length is that framework's scalar instead of an
int. So nothing below branches on a length unless it is an int.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from unpoolx._layout import LONGEST, channel_axis, product, show_shape, spatial_axes, with_spatial
from unpoolx._window import Window

Length = Any
"""An int, or a framework's scalar for a length that is not known while tracing."""


class Term(NamedTuple):
    """One kernel element that can reach a phase of the output: the window `shift` before, at `element`."""

    element: int
    shift: int


@dataclass(frozen=True)
class Axis:
    """One spatial axis: `size` elements, `windows` windows; window w begins at `w*stride - before`."""

    size: Length
    kernel: int
    stride: int
    dilation: int
    before: Length
    windows: Length

    @property
    def extent(self) -> int:
        """The elements that one window spans."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def rows(self) -> Length:
        """The stride-long blocks that cover the axis and its leading padding."""
        return (self.before + self.size + self.stride - 1) // self.stride

    @property
    def reach(self) -> int:
        """The most windows that lie between two that share an element, the second one included."""
        return self.dilation * (self.kernel - 1) // self.stride

    def terms(self, phase: int) -> tuple[Term, ...]:
        """The kernel elements that reach output elements of `phase`, in ascending order of their windows."""
        found = []
        for element in range(self.kernel):
            shift, remainder = divmod(self.dilation * element, self.stride)
            if remainder == phase:
                found.append(Term(element, shift))
        return tuple(sorted(found, key=lambda term: -term.shift))

    @property
    def most_terms(self) -> int:
        """The most windows that share one element."""
        return -(-self.kernel // (self.stride // math.gcd(self.stride, self.dilation)))


@dataclass(frozen=True)
class Geometry:
    """A window over the spatial axes of an array; any batch and channels. Immutable and hashable.

    `axes` holds one `Axis` per spatial axis; `window` is the fixed window that they come from.
    """

    window: Window
    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, window: Window, shape: tuple[int, ...]) -> Geometry:
        """The geometry of `window` over an input of the full shape `shape`."""
        window = window.with_rank_of(shape)
        sizes = spatial_axes(window.data_format, len(window.kernel_size))  # type: ignore[arg-type]  # fixed now
        return cls.of_spatial(window, tuple(shape[axis] for axis in sizes))

    @classmethod
    def of_spatial(cls, window: Window, sizes: tuple[int, ...]) -> Geometry:
        """The geometry of a fixed `window` over the spatial lengths `sizes`."""
        if window.rank != len(sizes):
            raise ValueError(
                f"expected {window.rank} spatial lengths for kernel_size={window.kernel_size}; got {show_shape(sizes)}"
            )
        return cls(window, tuple(_axis(window, i, size) for i, size in enumerate(sizes)))

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The spatial axes of the array, counted from the end."""
        return spatial_axes(self.window.data_format, len(self.axes))

    @property
    def channel_axis(self) -> int:
        """The channel axis of the array, counted from the end."""
        return channel_axis(self.window.data_format, len(self.axes))

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """The spatial lengths of the input of pooling, which is the output of unpooling."""
        return tuple(axis.size for axis in self.axes)

    @property
    def windows(self) -> tuple[int, ...]:
        """The spatial lengths of the pooled array."""
        return tuple(axis.windows for axis in self.axes)

    @property
    def kernel_elements(self) -> int:
        """The number of elements of the kernel."""
        return int(product(axis.kernel for axis in self.axes))

    @property
    def offset_dtype(self) -> str:
        """The dtype of the numbers inside a window."""
        return "uint8" if self.kernel_elements <= 256 else "int32"

    @property
    def is_known(self) -> bool:
        """Whether every length is an int, and none a framework's scalar."""
        return all(isinstance(n, int) for axis in self.axes for n in (axis.size, axis.before, axis.windows))

    @property
    def overlaps(self) -> bool:
        """Whether some element can lie in several windows."""
        return any(axis.most_terms > 1 for axis in self.axes)

    @property
    def is_blockwise(self) -> bool:
        """Whether every window keeps to its own stride-long block."""
        return all(axis.extent <= axis.stride for axis in self.axes)

    def elements(self) -> Iterator[tuple[int, ...]]:
        """The kernel's elements in row-major order."""
        return itertools.product(*(range(axis.kernel) for axis in self.axes))

    def reached_by(self, element: tuple[int, ...]) -> dict[int, tuple[int, Length, int]]:
        """The padded input's slice that one kernel element reads, window by window: start, count and step."""
        return {
            position: (axis.dilation * e, axis.windows, axis.stride)
            for position, axis, e in zip(self.spatial_axes, self.axes, element, strict=True)
        }

    def pooled_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the pooled array, from the full shape of the input."""
        return with_spatial(shape, self.window.data_format, self.windows)

    def unpooled_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the unpooled array, from the full shape of the pooled one."""
        return with_spatial(shape, self.window.data_format, self.spatial_shape)


def _axis(window: Window, index: int, size: Any) -> Axis:
    kernel: int = window.kernel_size[index]  # type: ignore[index]  # a fixed window holds tuples
    stride: int = window.stride[index]  # type: ignore[index]
    dilation: int = window.dilation[index]  # type: ignore[index]
    extent = dilation * (kernel - 1) + 1
    padding = window.padding
    if isinstance(padding, str):
        if padding == "VALID":
            before = after = 0
        else:
            total = at_least_zero(((size + stride - 1) // stride - 1) * stride + extent - size)
            before = (total + (padding == "SAME_LOWER")) // 2
            after = total - before
    else:
        pair = padding[index]  # type: ignore[index]  # a fixed window holds tuples
        before, after = pair if isinstance(pair, tuple) else (pair, pair)
    room = size + before + after - extent
    if window.ceil_mode:
        windows = (room + stride - 1) // stride + 1
        late = at_least_zero((windows - 1) * stride - size - before + 1)
        windows = windows - (late - at_least_zero(late - 1))  # one fewer where the last starts too late
    else:
        windows = room // stride + 1
    axis = Axis(size, kernel, stride, dilation, before, windows)
    if isinstance(size, int):
        _check(axis, index, room, after)
        # What no element depends on is cut to what lengths can be: the step of one window, the gaps of one element.
        if windows == 1:
            axis = replace(axis, stride=min(stride, max(extent, before + size)))
        if kernel == 1:
            axis = replace(axis, dilation=1)
    return axis


def at_least_zero(length: Any) -> Any:
    """`max(length, 0)`, for an int or a framework's scalar."""
    return (length + abs(length)) // 2  # arithmetic alone, so that an unknown length stays one expression


def _check(axis: Axis, index: int, room: Length, after: Length) -> None:
    if axis.size + axis.before + after > LONGEST:
        raise ValueError(
            f"padding: expected a padded length of at most {LONGEST}; got {axis.size + axis.before + after} on "
            f"{_describe(axis, index, after)}"
        )
    if room < 0:
        raise ValueError(
            f"kernel_size: expected at most {axis.size + axis.before + after} elements, the padded length, in one "
            f"window; got a window of {axis.extent} on {_describe(axis, index, after)}"
        )
    # Only windows that begin in the leading padding, and the last one, can miss every real element.
    leading = range(min(-(-axis.before // axis.stride), axis.windows))
    for w in itertools.chain(leading, [axis.windows - 1]):
        start = w * axis.stride - axis.before
        first = start if start >= 0 else start % axis.dilation
        if first >= axis.size or (start < 0 and first > start + axis.extent - 1):
            raise ValueError(
                f"padding: expected every window to cover at least one element of the input; window {w} covers only "
                f"padding on {_describe(axis, index, after)}. Use less padding, or a larger kernel"
            )


def _describe(axis: Axis, index: int, after: Length) -> str:
    return (
        f"spatial axis {index} of length {axis.size}, kernel_size {axis.kernel}, stride {axis.stride}, "
        f"dilation {axis.dilation}, padding ({axis.before}, {after})"
    )
