"""Unpooling and reading by switches, from comparisons: three forms of one meaning.

- blocks: windows that keep to their own stride-long block compare their offset with the number of each element of
  the block, in one broadcast comparison (`unpool_blocks`);
- phases: windows that overlap are taken in row-major order for each of the stride's phases (`unpool_phases`);
- numbers: a large kernel whose windows overlap would make that list too long (`ops.unrolled_elements`), so there the
  offsets become flat positions and are scattered in order (`unpool_numbers`).

A backend whose arrays can be written in place while the result is built (`ops.mutable`) writes strided slices
instead of assembling blocks (`unpool_strided`). None is visible in a result.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from unpoolx import _recipe_scatter
from unpoolx._dtypes import accumulation_dtype
from unpoolx._geometry import Axis, Geometry
from unpoolx._layout import CHANNELS_LAST, product
from unpoolx._recipe_regions import over_regions

if TYPE_CHECKING:
    from unpoolx._backend import Backend, Span

# With more pairs of kernel elements that two windows can share, the winners are found by unpooling window numbers.
COMPARED_PAIRS = 64
MOST_PAIRED = 64
"""The most kernel elements whose pairs are looked for at all."""


def unpool(ops: Backend, x: Any, offsets: Any, geometry: Geometry, overlap: str) -> Any:
    """Each value at the element that its offset names, zero elsewhere; windows in row-major order."""
    dtype = ops.dtype(x)
    if overlap == "sum":
        x = ops.cast(x, accumulation_dtype(dtype))
    if ops.mutable:
        result = unpool_strided(ops, x, offsets, geometry, overlap)
    elif geometry.is_blockwise and len(ops.shape(x)) + len(geometry.axes) <= ops.max_axes:
        result = unpool_blocks(ops, x, offsets, geometry)
    elif geometry.kernel_elements <= ops.unrolled_elements or not geometry.overlaps:
        result = unpool_phases(ops, x, offsets, geometry, overlap)
    else:
        result = unpool_numbers(ops, x, offsets, geometry, overlap)
    # The sign is settled last: a small negative sum in half precision is rounded to zero as well.
    return ops.positive_zero(ops.cast(result, dtype)) if overlap == "sum" else result


def gather(ops: Backend, x: Any, offsets: Any, geometry: Geometry, winners: bool) -> Any:
    """The element of x that each offset names; with `winners`, zero where a later window names it too."""
    if geometry.kernel_elements > ops.unrolled_elements and not ops.mutable:
        flat, restore = _flat_positions(ops, offsets, geometry)
        size = product(geometry.spatial_shape)
        return restore(_recipe_scatter.take(ops, _flatten(ops, x, geometry), flat, size, winners))

    def read(seen: Any, part: Geometry, windows: Span) -> Any:
        numbers = ops.slice(offsets, windows)
        result = ops.full_like(numbers, 0, ops.dtype(x))
        for number, element in enumerate(part.elements()):
            result = ops.where(numbers == number, ops.slice(seen, part.reached_by(element)), result)
        return result

    result = over_regions(ops, geometry, x, read)
    return ops.where(winning(ops, offsets, geometry), result, ops.zero(result)) if winners else result


def unpool_strided(ops: Backend, x: Any, offsets: Any | None, geometry: Geometry, overlap: str) -> Any:
    """In place, a strided slice of the result for each kernel element. With `offsets` None each receives the value.

    The windows that share an element come in ascending row-major order when kernel elements are taken in
    descending order, so a later write is a later window.
    """
    result, zero = ops.zeros(geometry.unpooled_shape(ops.shape(x)), like=x), ops.zero(x)
    overlaps = geometry.overlaps
    adds = overlap == "sum" and overlaps
    for number, into, source in _strides(geometry):
        value, numbers = (x, offsets) if source is None else (ops.slice(x, source), offsets)
        if numbers is not None and source is not None:
            numbers = ops.slice(numbers, source)
        hit = None if numbers is None else numbers == number
        if hit is not None and not overlaps:  # what is there is zero, and this is its one write
            value, hit = ops.where(hit, value, zero), None
        ops.write(result, into, hit, value, add=adds)
    return result


@lru_cache(maxsize=1024)
def _strides(geometry: Geometry) -> tuple[tuple[int, Span, Span | None], ...]:
    """For each kernel element, the last first, its number, the slice that it reaches, and the windows that reach it.

    None stands for all windows, and elements that none reaches are left out.
    """
    found = []
    for number, element in reversed(list(enumerate(geometry.elements()))):
        into, source, whole = {}, {}, True
        for position, axis, e in zip(geometry.spatial_axes, geometry.axes, element, strict=True):
            start = axis.dilation * e - axis.before
            first = max(0, -(start // axis.stride))
            count = min(axis.windows, (axis.size - 1 - start) // axis.stride + 1) - first
            into[position] = (first * axis.stride + start, count, axis.stride)
            source[position] = (first, count, 1)
            whole = whole and count == axis.windows
        if min(count for _, count, _ in source.values()) > 0:
            found.append((number, into, None if whole else source))
    return tuple(found)


def unpool_blocks(ops: Backend, x: Any, offsets: Any, geometry: Geometry) -> Any:
    """One comparison of every block's offset with the numbers of its elements."""
    rank = len(geometry.axes)
    shape = list(ops.shape(x))
    lead = len(shape) + geometry.spatial_axes[0]
    split = shape[:lead]
    windows = shape[lead : lead + rank]  # not from the geometry: a tracer may know one length by two names
    for n in windows:
        split += [n, 1]
    split += shape[lead + rank :]
    numbers = _block_numbers(geometry)
    if -1 in numbers or geometry.offset_dtype != "uint8":
        offsets = ops.cast(offsets, "int32")
    table = ops.reshape(
        ops.constant(numbers, ops.dtype(offsets), like=x),
        [n for axis in geometry.axes for n in (1, axis.stride)] + [1] * (len(shape) - lead - rank),
    )
    hit = ops.reshape(offsets, split) == table
    placed = ops.where(hit, ops.reshape(x, split), ops.zero(x))
    for i in range(lead, lead + rank):
        placed = ops.join(placed, i)
    return _crop(ops, placed, geometry, windows)


def unpool_phases(ops: Backend, x: Any, offsets: Any | None, geometry: Geometry, overlap: str) -> Any:
    """A list of shifted comparisons for each phase of the stride, interleaved at the end.

    With `offsets` None, every element of a window receives its value.
    """
    padding, shape, kernels = {}, ops.shape(x), [axis.kernel for axis in geometry.axes]
    for position, axis in zip(geometry.spatial_axes, geometry.axes, strict=True):
        padding[position] = (axis.reach, axis.rows - shape[position])  # by x's own name of its length, as in blocks
    x = ops.pad(x, padding, 0)
    if offsets is not None:
        offsets = ops.pad(offsets, padding, 255)  # the kernel has fewer elements here, so it names none

    def phase(*phases: int) -> Any:
        total = None
        for terms in itertools.product(*(a.terms(p) for a, p in zip(geometry.axes, phases, strict=True))):
            number = _number(kernels, tuple(term.element for term in terms))
            part = {
                position: (padding[position][0] - term.shift, axis.rows, 1)
                for position, axis, term in zip(geometry.spatial_axes, geometry.axes, terms, strict=True)
            }
            value = ops.slice(x, part)
            hit = None if offsets is None else ops.slice(offsets, part) == number
            if overlap == "last" and total is not None:
                total = ops.where(hit, value, total)
            else:
                value = value if hit is None else ops.where(hit, value, ops.zero(value))
                total = value if total is None else ops.add(total, value)
        if total is None:  # no kernel element reaches this phase
            part = {p: (0, axis.rows, 1) for p, axis in zip(geometry.spatial_axes, geometry.axes, strict=True)}
            total = ops.full_like(ops.slice(x, part), 0, ops.dtype(x))
        return total

    def interleaved(axes: tuple[Axis, ...], phases: tuple[int, ...]) -> Any:
        if not axes:
            return phase(*phases)
        parts = [interleaved(axes[1:], (*phases, p)) for p in range(axes[0].stride)]
        return _interleave(ops, parts, geometry.spatial_axes[len(phases)])

    return _crop(ops, interleaved(geometry.axes, ()), geometry, [axis.rows for axis in geometry.axes])


def unpool_numbers(ops: Backend, x: Any, offsets: Any, geometry: Geometry, overlap: str) -> Any:
    """Offsets turned into flat positions, scattered in order."""
    flat, _ = _flat_positions(ops, offsets, geometry)
    size = product(geometry.spatial_shape)
    result = _recipe_scatter.scatter(ops, _flatten(ops, x, geometry), flat, size, overlap)
    return ops.reshape(result, geometry.unpooled_shape(ops.shape(x)))


def spatial_positions(ops: Backend, offsets: Any, geometry: Geometry, dtype: str) -> list[Any]:
    """For each spatial axis, the coordinate of the element that each offset names, in elements of the input."""
    numbers = ops.cast(offsets, dtype)
    coordinates = []
    for position, axis in zip(reversed(geometry.spatial_axes), reversed(geometry.axes), strict=True):
        start = ops.arange(axis.windows, dtype, like=offsets) * axis.stride - ops.length(axis.before, dtype)
        coordinates.append(ops.along(start, position) + numbers % axis.kernel * axis.dilation)
        numbers = numbers // axis.kernel
    return coordinates[::-1]


def winning(ops: Backend, offsets: Any, geometry: Geometry) -> Any:
    """Where no later window names the same element."""
    if geometry.kernel_elements > MOST_PAIRED:
        return _last_of_all(ops, offsets, geometry)
    rivals = _rivals(tuple((axis.kernel, axis.stride, axis.dilation) for axis in geometry.axes))
    if len(rivals) > COMPARED_PAIRS:
        return _last_of_all(ops, offsets, geometry)
    padding = {
        position: (axis.reach, axis.reach) for position, axis in zip(geometry.spatial_axes, geometry.axes, strict=True)
    }
    padded = ops.pad(offsets, padding, 255)  # names no element
    lost: Any = None
    for number, shift, other in rivals:
        later = {
            position: (axis.reach + m, axis.windows, 1)
            for position, axis, m in zip(geometry.spatial_axes, geometry.axes, shift, strict=True)
        }
        here = (offsets == number) & (ops.slice(padded, later) == other)
        lost = here if lost is None else lost | here
    return offsets >= 0 if lost is None else ~lost


@lru_cache(maxsize=256)
def _rivals(axes: tuple[tuple[int, int, int], ...]) -> list[tuple[int, tuple[int, ...], int]]:
    """The ways in which a later window names the element of a window: number, windows further on, number there.

    Of each axis: kernel, stride, dilation. Lengths are left out, since a framework's scalar is no key.
    """
    found, kernels = [], [kernel for kernel, _, _ in axes]
    for element in itertools.product(*map(range, kernels)):
        shared = []  # along each axis the windows that cover the element, and what it is to them
        for (kernel, stride, dilation), e in zip(axes, element, strict=True):
            others = [(divmod(dilation * (e - o), stride), o) for o in range(kernel)]
            shared.append([(shift, o) for (shift, between), o in others if not between])
        for windows in itertools.product(*shared):
            shift = tuple(shift for shift, _ in windows)
            if shift > (0,) * len(shift):  # later in row-major order
                other = tuple(o for _, o in windows)
                found.append((_number(kernels, element), shift, _number(kernels, other)))
    return found


def _last_of_all(ops: Backend, offsets: Any, geometry: Geometry) -> Any:
    """`winning` by unpooling every window's own number."""
    count = product(geometry.windows)
    own = ops.reshape(ops.arange(count, "int32", like=offsets), list(geometry.windows))
    if geometry.window.data_format == CHANNELS_LAST:
        own = ops.reshape(own, [*geometry.windows, 1])
    own = ops.full_like(offsets, 0, "int32") + own
    last = unpool(ops, own, offsets, geometry, "last")
    return gather(ops, last, offsets, geometry, winners=False) == own


def _number(kernels: list[int], element: tuple[int, ...]) -> int:
    """The row-major number of a kernel element, from the kernel's lengths."""
    number = 0
    for kernel, e in zip(kernels, element, strict=True):
        number = number * kernel + e
    return number


def _block_numbers(geometry: Geometry) -> list[int]:
    """The number of each element of a block, row-major; -1 where the kernel has none."""
    numbers = []
    for place in itertools.product(*(range(axis.stride) for axis in geometry.axes)):
        number = 0
        for axis, p in zip(geometry.axes, place, strict=True):
            element, gap = divmod(p, axis.dilation)
            number = -1 if number < 0 or gap or element >= axis.kernel else number * axis.kernel + element
        numbers.append(number)
    return numbers


def _interleave(ops: Backend, parts: list[Any], position: int) -> Any:
    """Along axis `position`, element u*len(parts) + p of the result is element u of parts[p]."""
    if len(parts) == 1:
        return parts[0]
    return ops.join(ops.stack(parts, position), len(ops.shape(parts[0])) + position)


def _crop(ops: Backend, x: Any, geometry: Geometry, rows: list[Any]) -> Any:
    """The elements of the input alone, of blocks that begin in its leading padding; zeros past the last block."""
    padding, part = {}, {}
    for position, axis, n in zip(geometry.spatial_axes, geometry.axes, rows, strict=True):
        padding[position] = (0, (axis.rows - n) * axis.stride)
        part[position] = (axis.before, axis.size, 1)
    return ops.slice(ops.pad(x, padding, 0), part)


def _flatten(ops: Backend, x: Any, geometry: Geometry) -> Any:
    """x with its spatial axes joined to one, as (..., m, C): (B, m, C) or, channels first, (B, C, m, 1)."""
    shape = list(ops.shape(x))
    lead = len(shape) + geometry.spatial_axes[0]
    rank = len(geometry.axes)
    tail = shape[lead + rank :] or [1]
    return ops.reshape(x, [product(shape[:lead]), product(shape[lead : lead + rank]), *tail])


def _flat_positions(ops: Backend, offsets: Any, geometry: Geometry) -> tuple[Any, Any]:
    """Flat spatial positions as (rows, m, C), and the function that gives (rows, m, C) the pooled shape again."""
    size = product(geometry.spatial_shape)
    dtype = "int32" if not isinstance(size, int) or size < 2**31 else "int64"
    flat: Any = 0
    for axis, coordinate in zip(geometry.axes, spatial_positions(ops, offsets, geometry, dtype), strict=True):
        flat = flat * ops.length(axis.size, dtype) + coordinate
    # Of switches made inside compiled code, an offset may name no element: then it is nowhere.
    numbers = ops.cast(offsets, dtype)
    outside = (numbers < 0) | (numbers >= geometry.kernel_elements)
    flat = ops.where(outside, ops.full((), -1, dtype, like=offsets), flat)
    shape = ops.shape(offsets)
    return _flatten(ops, flat, geometry), lambda y: ops.reshape(y, shape)
