"""Which elements each block of a result needs, in plain integers: the plan of every function on arrays in chunks.

Along one axis window w begins at element `w*stride - before` and spans `extent` elements. A boundary between chunks
cuts those windows that straddle it; each goes whole to one side, and what it covers on the other side is the halo.
The boundary of the result is put where the halo is least, and where that leaves a choice, where it would be if
nothing straddled, so that chunks come back as they were when their result is unpooled. Where windows do not overlap,
that moves the elements of one window at most, which is what aligning the chunks first would move. Chunks that are
smaller than the halo are joined with the next one, which moves less than reading the halo many times.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from unpoolx._geometry import Axis

Range = tuple[int, int]
"""The first element, and the one after the last."""


@dataclass(frozen=True)
class Part:
    """One block of a result along one axis.

    Attributes:
        out: the elements of the result.
        source: the elements of the argument that they need.
        local: the windows among them, as of an array of these elements alone; None where no window reaches the block,
            and on an axis that no window spans.
        covered: of unpooling, the elements that the windows of `local` cover.
    """

    out: Range
    source: Range
    local: Axis | None = None
    covered: Range = (0, 0)

    @property
    def length(self) -> int:
        """How many elements of the result there are."""
        return self.out[1] - self.out[0]


def bounds(chunks: Iterable[int]) -> list[int]:
    """Where chunks begin, and where the last one ends."""
    return [0, *itertools.accumulate(chunks)]


def plain(chunks: tuple[int, ...]) -> tuple[Part, ...]:
    """The parts of an axis whose elements stand by themselves."""
    return tuple(Part(out, out) for out in itertools.pairwise(bounds(chunks)))


def pooled(axis: Axis, chunks: tuple[int, ...]) -> tuple[Part, ...]:
    """The parts of a pooled axis, from the chunks of the input."""
    halo = max(axis.extent - axis.stride, 0)
    cuts = _cuts(axis.size, axis.windows, bounds(chunks)[1:-1], halo, lambda bound: _first_window_after(axis, bound))
    return read(axis, cuts)


def read(axis: Axis, cuts: list[int]) -> tuple[Part, ...]:
    """The parts of a pooled axis that is cut before these windows, the end included."""
    parts = []
    for first, last in itertools.pairwise(cuts):
        if first == last:  # a chunk that holds nothing
            parts.append(Part((first, last), (0, 0)))
            continue
        low, high = _covered(axis, first, last)
        parts.append(Part((first, last), (low, high), _local(axis, first, last, low, high), (low, high)))
    return tuple(parts)


def unpooled(axis: Axis, chunks: tuple[int, ...]) -> tuple[Part, ...]:
    """The parts of an unpooled axis, from the chunks of the pooled array."""
    shared = max(-(-axis.extent // axis.stride) - 1, 0)
    cuts = _cuts(axis.windows, axis.size, bounds(chunks)[1:-1], shared, lambda window: _element_before(axis, window))
    parts = []
    for begin, end in itertools.pairwise(cuts):
        first = max(0, (begin + axis.before - axis.extent) // axis.stride + 1)  # the first that ends past `begin`
        last = min(axis.windows, -(-(end + axis.before) // axis.stride))
        if first >= last:
            parts.append(Part((begin, end), (0, 0)))
            continue
        low, high = _covered(axis, first, last)
        parts.append(Part((begin, end), (first, last), _local(axis, first, last, low, high), (low, high)))
    return tuple(parts)


def pieces(chunk_bounds: list[int], wanted: Range) -> list[tuple[int, int, int]]:
    """The chunks that hold a range, each with the first of its own elements and the one after the last."""
    low, high = wanted
    found = [
        (number, max(low, begin) - begin, min(high, end) - begin)
        for number, (begin, end) in enumerate(itertools.pairwise(chunk_bounds))
        if begin < high and low < end
    ]
    return found or [(0, 0, 0)]  # nothing of the first chunk: of its dtype and rank


def _cuts(size: int, made: int, inner: list[int], halo: int, cut_at: Callable[[int], int]) -> list[int]:
    """Where the result is cut: at most once for each boundary of the argument, and never into nothing."""
    cuts, begin = [0], 0
    for bound in inner:
        at = cut_at(bound) if max(halo, 1) <= bound - begin else 0
        if cuts[-1] < at < made and max(halo, 1) <= size - bound:
            cuts.append(at)
            begin = bound
    return [*cuts, made]


def _first_window_after(axis: Axis, bound: int) -> int:
    """The window before which pooling is cut for a boundary of its input: the one that makes the least halo."""
    ends = (bound + axis.before - axis.extent) // axis.stride + 1
    starts = (bound + axis.before) // axis.stride

    def moved(window: int) -> tuple[int, int, int]:
        start = window * axis.stride - axis.before
        after = max(0, start - axis.stride + axis.extent - bound)
        return after + max(0, bound - start), abs(window * axis.stride - bound), window

    usual = bound // axis.stride
    return min({ends, ends + 1, starts, starts + 1, usual, usual + 1}, key=moved)


def _element_before(axis: Axis, window: int) -> int:
    """The element before which the result of unpooling is cut for a boundary of the pooled array."""
    usual = window * axis.stride
    start = usual - axis.before
    end = start - axis.stride + axis.extent  # of the window before

    def shared(element: int) -> tuple[int, int, int]:
        after = -(-(element + axis.before) // axis.stride) - window
        before = window - (element + axis.before - axis.extent) // axis.stride - 1
        return max(0, after) + max(0, before), abs(element - usual), element

    inside = min(max(usual, min(start, end)), max(start, end))
    near = (inside - (inside + axis.before - least) % axis.stride for least in (0, axis.extent))
    return min([usual, inside, *(element + step for element in near for step in (0, axis.stride))], key=shared)


def _covered(axis: Axis, first: int, last: int) -> Range:
    """The real elements from the beginning of a window to the end of the one before `last`."""
    low = first * axis.stride - axis.before
    high = (last - 1) * axis.stride - axis.before + axis.extent
    return max(0, low), min(axis.size, high)


def _local(axis: Axis, first: int, last: int, low: int, high: int) -> Axis:
    """Some of the windows, over the elements from `low` to `high` alone; what is left of padding is at its ends."""
    before, size, count = low - (first * axis.stride - axis.before), high - low, last - first
    stride = min(axis.stride, max(axis.extent, before + size)) if count == 1 else axis.stride
    return Axis(size, axis.kernel, stride, axis.dilation, before, count)
