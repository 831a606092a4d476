"""Hypothesis strategy for window arguments: legal geometries with the shapes of arrays that they fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from ._oracle_window import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    Axis,
    Index,
    OracleWindow,
    count_windows,
    named_padding,
    resolve,
)

PADDING_FORMS = ("VALID", "SAME", "SAME_LOWER", "int", "per_axis", "pairs")
KERNEL_FORMS = ("int", "tuple")


@dataclass(frozen=True)
class Geometry:
    """Legal window arguments together with the shape of an array that they fit.

    `arguments` holds the keyword arguments of `Window` as a user would write them (kernel_size, stride,
    padding, dilation, ceil_mode, data_format), `shape` the full shape of the array to pool, batch and
    channel axes included.
    """

    arguments: dict[str, Any]
    shape: Index

    @property
    def window(self) -> OracleWindow:
        """The same geometry in integers per axis, by the oracle."""
        return resolve(self.shape, **self.arguments)

    @property
    def pooled_shape(self) -> Index:
        """Full shape of the pooled array and of the offsets."""
        return self.window.pooled_shape

    @property
    def spatial_shape(self) -> Index:
        """The spatial part of `shape`."""
        return self.window.spatial

    @property
    def overlaps(self) -> bool:
        """Whether the spans of two windows meet: they share an element, or one reaches into the other's gaps."""
        window = self.window
        axes = zip(window.pooled, window.stride, window.dilation, window.kernel, strict=True)
        return any(count > 1 and stride <= d * (kernel - 1) for count, stride, d, kernel in axes)


@st.composite
def windows(
    draw: st.DrawFn,
    min_rank: int = 1,
    max_rank: int = 3,
    *,
    max_elements: int = 400,
    kernel_forms: Sequence[str] = KERNEL_FORMS,
    padding_forms: Sequence[str] = PADDING_FORMS,
    data_formats: Sequence[str] = ("channels_last", "channels_first"),
    batch_ranks: Sequence[int] = (0, 1, 2),
    dilation: bool = True,
    ceil_mode: bool = True,
    large_kernels: bool | None = None,
    aliases: bool = True,
    empty: bool = True,
    overlap: bool | None = None,
) -> Geometry:
    """Legal geometries of `min_rank` to `max_rank` spatial axes, each a `Geometry`.

    The array and the pooled array have at most about `max_elements` elements, spatial axes are 1 to 7 long
    (longer where the kernel needs it). A plain int as kernel comes with exactly one batch axis (it needs
    `1 in batch_ranks`). `padding_forms` is a selection of `PADDING_FORMS`, `kernel_forms` of `KERNEL_FORMS`.
    `dilation`, `ceil_mode`, `aliases` (data_format "NHWC" and so on) and `empty` (a batch axis of size 0, or
    no channels) leave such cases out when False. A kernel of 256 elements or more comes now and then, always
    with `large_kernels=True`, and never with False. `overlap` wants windows whose spans meet (True; small
    steps, so that often several windows share an element) or keep apart (False).
    """
    rank = draw(st.integers(min_rank, max_rank))
    # A kernel this large fits a small array only with much padding, and is a tuple to go with any batch rank.
    padding_form = draw(st.sampled_from([f for f in padding_forms if not large_kernels or f not in ("VALID", "int")]))
    able = "tuple" in kernel_forms and padding_form not in ("VALID", "int")
    large = able and (large_kernels or (large_kernels is None and draw(st.integers(0, 11)) == 11))
    form = draw(st.sampled_from([f for f in kernel_forms if f == "tuple" or 1 in batch_ranks]))
    kernel_size = draw(_large_kernels(rank) if large else _kernels(rank, form, 2 if overlap else 1))
    kernel = _tuple(kernel_size, rank)
    # Small steps more often: windows that overlap are the hard ones.
    steps = st.sampled_from((1, 2) if overlap else (1, 2, 1, 3, 2, 4, 5))
    some = steps | st.tuples(*[steps] * rank)
    stride = draw(some if overlap else st.none() | some)
    # Three axes multiply quickly: dilation is for kernels that leave room for it.
    dilate = dilation and not large and (rank < 3 or max(kernel) < 3)
    dilations = draw(_one_or_each(rank, 1, 2 if rank == 3 else 3)) if dilate else 1
    ceil = draw(st.booleans()) if ceil_mode else False
    reach = tuple(d * (k - 1) + 1 for d, k in zip(_tuple(dilations, rank), kernel, strict=True))
    padding = draw(_paddings(padding_form, reach, large=large, ceil_mode=ceil))
    strides = kernel if stride is None else _tuple(stride, rank)
    most = {1: 7, 2: 7, 3: 4}[rank] if rank <= 3 else 2
    least = [min(r + 1, most) if overlap else 1 for r in reach]  # room for a second window
    sizes = [draw(st.integers(n, most)) for n in least]
    axes = zip(sizes, kernel, strides, _tuple(dilations, rank), strict=True)
    spatial = tuple(
        _legal_size(Axis(*integers, before=0, after=0), _pair(padding, a), ceil_mode=ceil)
        for a, integers in enumerate(axes)
    )
    data_format = draw(st.sampled_from(list(data_formats)))
    if aliases and draw(st.booleans()):
        names = CHANNELS_FIRST if data_format == "channels_first" else CHANNELS_LAST
        data_format = next((name for name, fits in names.items() if fits == rank), data_format)
    arguments = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilations,
        "ceil_mode": ceil,
        "data_format": data_format,
    }
    plane = resolve((*spatial, 1), **{**arguments, "kernel_size": kernel, "data_format": "channels_last"})
    room = max(1, max_elements // max(math.prod(plane.spatial), math.prod(plane.pooled)))
    batch_rank = 1 if form == "int" and not large else draw(st.sampled_from(list(batch_ranks)))
    fewest = 0 if empty and draw(st.integers(0, 11)) == 11 else 1
    *batch, channels = draw(_counts(batch_rank + 1, fewest, room))
    shape = (*batch, channels, *spatial) if data_format in CHANNELS_FIRST else (*batch, *spatial, channels)
    geometry = Geometry(arguments, shape)
    assume(overlap is None or geometry.overlaps is overlap)
    return geometry


@st.composite
def _counts(draw: st.DrawFn, number: int, least: int, room: int) -> list[int]:
    """Sizes of the batch and channel axes, with a product of at most `room`."""
    counts = []
    for _ in range(number):
        counts.append(draw(st.integers(least, max(least, min(3, room)))))
        room //= max(counts[-1], 1)
    return counts


def _one_or_each(rank: int, least: int, most: int) -> st.SearchStrategy[int | Index]:
    """An int for all axes, or one for each."""
    one = st.integers(least, most)
    return one | st.tuples(*[one] * rank)


def _kernels(rank: int, form: str, least: int) -> st.SearchStrategy[int | Index]:
    one = st.integers(least, 3 if rank == 3 else 4)
    return one if form == "int" else st.tuples(*[one] * rank)


def _large_kernels(rank: int) -> st.SearchStrategy[Index]:
    """Kernels of 256 elements, the most that uint8 can number, and of more, whose offsets need int32."""
    choices: dict[int, list[Index]] = {
        1: [(257,), (300,), (256,)],
        2: [(17, 17), (2, 130), (129, 2), (16, 16)],
        3: [(7, 7, 7), (5, 8, 7), (4, 8, 8)],
    }
    return st.sampled_from(choices.get(rank, [(257, *(1,) * (rank - 1))]))


def _paddings(form: str, reach: Index, *, large: bool, ceil_mode: bool) -> st.SearchStrategy[Any]:
    """Padding in one of the forms; below the effective kernel, but enough to make a large kernel fit."""
    if large and form in ("per_axis", "pairs"):
        if form == "per_axis":
            return st.just(tuple(r // 2 for r in reach))
        # The first window reaches the input with its middle, or with its last element alone.
        return st.sampled_from((tuple((r // 2, (r - 1) // 2) for r in reach), tuple((r - 1, 0) for r in reach)))
    if form == "int":
        return st.integers(0, min(reach) - 1)
    if form == "per_axis":
        return st.tuples(*[st.integers(0, r - 1) for r in reach])
    if form == "pairs":
        # With ceil_mode there may be one more element after: the window that starts past the input is dropped
        # then. Without it, no length of the axis would make that legal.
        most = [r - 1 + ceil_mode for r in reach]
        return st.tuples(
            *[st.tuples(st.integers(0, r - 1), st.integers(0, m)) for r, m in zip(reach, most, strict=True)]
        )
    return st.just(form)


def _legal_size(axis: Axis, padding: str | tuple[int, int], *, ceil_mode: bool) -> int:
    """The length drawn for an axis, or the next one that makes a legal geometry with this padding."""
    while axis.n < 1000:
        if isinstance(padding, str):
            before, after = named_padding(padding, axis.n, axis.kernel, axis.stride, axis.dilation)
        else:
            before, after = padding
        axis = axis._replace(before=before, after=after)
        try:
            count_windows(axis, ceil_mode=ceil_mode)
        except ValueError:
            axis = axis._replace(n=axis.n + 1)
        else:
            return axis.n
    raise AssertionError(f"no length makes this legal: {axis}")


def _tuple(value: int | Index, rank: int) -> Index:
    return value if isinstance(value, tuple) else (value,) * rank


def _pair(padding: Any, axis: int) -> str | tuple[int, int]:
    """The padding of one axis: its name, or (before, after)."""
    if isinstance(padding, str):
        return padding
    one = padding[axis] if isinstance(padding, tuple) else padding
    return one if isinstance(one, tuple) else (one, one)
