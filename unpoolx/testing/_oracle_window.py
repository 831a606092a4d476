"""Windows for the oracle: user-facing arguments and an array shape, as integers per axis, by brute force.

Nothing here is shared with the library: the windows of an axis are found by stepping them one at a time and
asking of each whether it is there and what it covers, so that a mistake in a closed formula cannot hide in
both places.
"""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass
from typing import Any, NamedTuple

Index = tuple[int, ...]

CHANNELS_LAST = {"channels_last": None, "NWC": 1, "NHWC": 2, "NDHWC": 3}
CHANNELS_FIRST = {"channels_first": None, "NCW": 1, "NCHW": 2, "NCDHW": 3}
PADDING_NAMES = ("VALID", "SAME", "SAME_LOWER")


@dataclass(frozen=True)
class Layout:
    """Where the channel axis of an array lies; the same rule splits shapes, indices and tuples of slices."""

    channels_first: bool
    rank: int  # the number of spatial axes

    def split(self, index: Index) -> tuple[Index, int, Index]:
        """Split an index or a shape of the array into (batch, channel, spatial)."""
        batch, rest = index[: len(index) - self.rank - 1], index[len(index) - self.rank - 1 :]
        return (batch, rest[0], rest[1:]) if self.channels_first else (batch, rest[-1], rest[:-1])

    def join(self, batch: Index, channel: int, spatial: Index) -> Index:
        """Put (batch, channel, spatial) together again, the inverse of `split`."""
        return (*batch, channel, *spatial) if self.channels_first else (*batch, *spatial, channel)


class Axis(NamedTuple):
    """A window on one spatial axis, whose un-padded length is n."""

    n: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int


@dataclass(frozen=True)
class OracleWindow:
    """One legal geometry: every window argument per axis, and the array it is laid over."""

    kernel: Index
    stride: Index
    dilation: Index
    before: Index
    after: Index
    ceil_mode: bool
    spatial: Index
    pooled: Index
    batch: Index
    channels: int
    layout: Layout

    @property
    def input_shape(self) -> Index:
        """Shape of the array that is pooled."""
        return self.layout.join(self.batch, self.channels, self.spatial)

    @property
    def pooled_shape(self) -> Index:
        """Shape of the pooled array, which is the shape of the offsets too."""
        return self.layout.join(self.batch, self.channels, self.pooled)

    @property
    def size(self) -> int:
        """Number of elements of the kernel."""
        count = 1
        for k in self.kernel:
            count *= k
        return count

    def elements(self) -> dict[Index, dict[int, Index]]:
        """For each window {row-major number in it: spatial position}, real elements only, in that order."""
        columns = (self.spatial, self.kernel, self.stride, self.dilation, self.before, self.after)
        axes = [
            [axis_elements(w, Axis(*integers)) for w in range(count)]
            for count, integers in zip(self.pooled, zip(*columns, strict=True), strict=True)
        ]
        table: dict[Index, dict[int, Index]] = {}
        for window in itertools.product(*(range(count) for count in self.pooled)):
            real: dict[int, Index] = {}
            for element in itertools.product(*(axes[axis][w] for axis, w in enumerate(window))):
                number = 0
                for k, (o, _) in zip(self.kernel, element, strict=True):
                    number = number * k + o
                real[number] = tuple(position for _, position in element)
            table[window] = real
        return table


def axis_elements(w: int, axis: Axis) -> list[tuple[int, int]]:
    """The real elements of window w on one axis: (number in the kernel, position in the un-padded input)."""
    found = []
    for o in range(axis.kernel):
        position = w * axis.stride - axis.before + axis.dilation * o
        if 0 <= position < axis.n:
            found.append((o, position))
    return found


def count_windows(axis: Axis, *, ceil_mode: bool) -> int:
    """Step the windows of one axis over the padded input and count those that are there.

    Positions here count from the start of the leading padding. Raises ValueError where the kernel does not
    fit, or where a window would cover no real element.
    """
    n, kernel, stride, dilation, before, after = axis
    padded = before + n + after
    reach = dilation * (kernel - 1) + 1
    if reach > padded:
        raise ValueError(f"the effective kernel {reach} is larger than the padded input {padded}")
    count = 1
    if ceil_mode:  # a further window as long as the one before it leaves something over
        while (count - 1) * stride + reach < padded:
            count += 1
        if (count - 1) * stride >= before + n:  # one that starts past the input: the norm drops the last alone
            count -= 1
    else:  # a further window as long as all of it fits
        while count * stride + reach <= padded:
            count += 1
    for w in range(count):
        if not axis_elements(w, axis):
            raise ValueError(f"window {w} covers no real element of an axis of length {n}")
    return count


def resolve(
    shape: Index,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = "VALID",
    *,
    dilation: Any = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> OracleWindow:
    """Turn user-facing window arguments and the shape of the pooled-from array into integers per axis.

    Raises ValueError for an illegal geometry, TypeError for an argument that is not the right kind of number.
    """
    rank = spatial_rank(len(shape), kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    layout = layout_of(data_format, rank)
    batch, channels, spatial = layout.split(shape)
    kernel = per_axis(kernel_size, rank, "kernel_size", 1)
    strides = kernel if stride is None else per_axis(stride, rank, "stride", 1)
    dilations = per_axis(dilation, rank, "dilation", 1)
    if isinstance(padding, str):
        pairs = [
            named_padding(padding, *integers) for integers in zip(spatial, kernel, strides, dilations, strict=True)
        ]
    else:
        pairs = explicit_padding(padding, rank)
    before, after = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    pooled = tuple(
        count_windows(Axis(n, k, s, d, *pair), ceil_mode=bool(ceil_mode))
        for n, k, s, d, pair in zip(spatial, kernel, strides, dilations, pairs, strict=True)
    )
    return OracleWindow(
        kernel, strides, dilations, before, after, bool(ceil_mode), spatial, pooled, batch, channels, layout
    )


def spatial_rank(array_rank: int, **arguments: Any) -> int:
    """The spatial rank: the length of the tuples among the arguments, else the array's rank minus two."""
    lengths = {name: len(value) for name, value in arguments.items() if isinstance(value, (tuple, list))}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"arguments of one length expected, got {lengths}")
    rank = next(iter(lengths.values()), array_rank - 2)
    if rank < 1:
        raise ValueError(f"at least one spatial axis expected, got {rank}")
    if array_rank < rank + 1:
        raise ValueError(f"an array of at least {rank + 1} axes expected, got {array_rank}")
    return rank


def layout_of(data_format: str, rank: int) -> Layout:
    """The layout that a spelling of data_format means for arrays of this spatial rank."""
    for names, channels_first in ((CHANNELS_LAST, False), (CHANNELS_FIRST, True)):
        if data_format in names:
            if names[data_format] not in (None, rank):
                raise ValueError(f"data_format {data_format!r} does not fit {rank} spatial axes")
            return Layout(channels_first, rank)
    raise ValueError(f"data_format: one of {[*CHANNELS_LAST, *CHANNELS_FIRST]} expected, got {data_format!r}")


def integer(value: Any, name: str, least: int) -> int:
    """A plain integer, which a bool or a float is not, not below `least`."""
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        raise TypeError(f"{name}: an integer expected, got {value!r}")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name}: at least {least} expected, got {number}")
    return number


def per_axis(value: Any, rank: int, name: str, least: int) -> Index:
    """One integer for each spatial axis, from one for all of them or from a tuple."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(values) != rank:
        raise ValueError(f"{name}: {rank} values expected, got {len(values)}")
    return tuple(integer(v, name, least) for v in values)


def explicit_padding(padding: Any, rank: int) -> list[tuple[int, int]]:
    """Padding given in numbers: (before, after) for each spatial axis."""
    values = list(padding) if isinstance(padding, (tuple, list)) else [padding] * rank
    if len(values) != rank:
        raise ValueError(f"padding: {rank} values expected, got {len(values)}")
    pairs = []
    for value in values:
        pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
        if len(pair) != 2:
            raise ValueError(f"padding: a pair expected, got {value!r}")
        pairs.append((integer(pair[0], "padding", 0), integer(pair[1], "padding", 0)))
    return pairs


def named_padding(name: str, n: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding by name: as much as ceil(n / stride) windows need, the odd element after ("SAME") or before."""
    if name not in PADDING_NAMES:
        raise ValueError(f"padding: one of {PADDING_NAMES} expected, got {name!r}")
    if name == "VALID":
        return 0, 0
    windows = len(range(0, n, stride))
    total = max((windows - 1) * stride + dilation * (kernel - 1) + 1 - n, 0)
    less, more = total // 2, total - total // 2
    return (less, more) if name == "SAME" else (more, less)
