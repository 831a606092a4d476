"""NumPy's index grammar, resolved once to a small normal form in plain integers.

An index becomes, for an array of one shape: a slice of every axis (integers are slices of one element whose axis is
dropped), and at most one *advanced part*: integer arrays for some of the axes, or one boolean mask. `Plan` holds
all that is static; the arrays travel beside it.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unpoolx._backend import Backend
from unpoolx._dtypes import INTEGERS, integer_range
from unpoolx._geometry import Length
from unpoolx._layout import product, show_shape
from unpoolx._registry import backend_of, get_backend

MODES = ("raise", "drop", "fill", "clip", "wrap")
NEW = -1
"""In `Plan.dims`, a length-one axis that None made."""


@dataclass(frozen=True)
class Span:
    """The elements of one axis that a slice selects: `count` of them from `start`, `step` apart; then reversed."""

    start: Length
    count: Length
    step: int = 1
    reversed: bool = False

    def is_whole(self, length: Length) -> bool:
        """Whether it selects the axis as it is."""
        return not self.reversed and self.covers(length)

    def covers(self, length: Length) -> bool:
        """Whether it selects every element of the axis, in whatever order."""
        if (self.start, self.step) != (0, 1):
            return False
        return self.count is length or (isinstance(length, int) and self.count == length)


@dataclass(frozen=True)
class Plan:
    """What an index means on an array of `shape`.

    Attributes:
        shape: the array's shape.
        spans: a `Span` for each axis; an axis of the advanced part is whole.
        dims: the axes of the result that come from slices, in order: an axis of the array, or `NEW`.
        advanced: the axes that the advanced part consumes.
        index_shape: the shape of the advanced part's result; (-1,) for a mask whose count is not known.
        place: where among `dims` the axes of the advanced part stand; -1 without one.
        is_mask: whether the advanced part is one boolean mask.
    """

    shape: tuple[Length, ...]
    spans: tuple[Span, ...]
    dims: tuple[int, ...]
    advanced: tuple[int, ...] = ()
    index_shape: tuple[int, ...] = ()
    place: int = -1
    is_mask: bool = False

    @property
    def is_basic(self) -> bool:
        """Whether there are only slices and integers."""
        return self.place < 0

    @property
    def is_block(self) -> bool:
        """Whether there are only integers and slices without gaps, whose place often changes from call to call."""
        return self.is_basic and not any([span.step != 1 for span in self.spans])  # noqa: C419  # for small arrays

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes of the array that the advanced part leaves."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.advanced)

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of the array, those of the advanced part in front."""
        return (*self.advanced, *self.kept)

    @property
    def sub_shape(self) -> tuple[int, ...]:
        """The shape of the array after its slices, every axis still there."""
        return tuple([span.count for span in self.spans])

    @property
    def slots(self) -> Length:
        """The elements that the advanced part chooses from."""
        return product(self.shape[axis] for axis in self.advanced)

    @property
    def dim_shape(self) -> tuple[int, ...]:
        """The lengths of `dims`."""
        return tuple([1 if axis == NEW else self.spans[axis].count for axis in self.dims])

    def result_shape(self, index_shape: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """The indexed shape."""
        if self.is_basic:
            return self.dim_shape
        middle = self.index_shape if index_shape is None else index_shape
        return (*self.dim_shape[: self.place], *middle, *self.dim_shape[self.place :])


@dataclass
class _Parsed:
    """An index with its ellipsis expanded: what each item is, and the axes that it consumes."""

    spans: list[Span] = field(default_factory=list)
    dims: list[int] = field(default_factory=list)
    arrays: list[tuple[Any, tuple[int, ...]]] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)  # item number, dims before it


def resolve(ops: Backend, shape: tuple[Length, ...], index: Any, mode: str) -> tuple[Plan, list[Any], list[Length]]:
    """The plan of an index, its arrays (or the mask), and the lengths of the axes that each array indexes.

    Raises:
        IndexError: an integer out of range, too many indices, a mask whose shape differs, a float.
        TypeError: an array of another framework; a traced slice bound.
    """
    items = _expanded(shape, [_item(ops, item) for item in (index if isinstance(index, tuple) else (index,))])
    has_arrays = any(_is_array(item) for item in items)
    parsed = _Parsed()
    axis = 0
    for number, item in enumerate(items):
        if item is Ellipsis:
            continue
        if item is None:
            parsed.dims.append(NEW)
        elif isinstance(item, slice):
            parsed.dims.append(axis)
            parsed.spans.append(_span(item, shape[axis], axis))
            axis += 1
        elif isinstance(item, int) and not isinstance(item, bool):
            place = _integer(item, shape[axis], axis, mode)
            parsed.places.append((number, len(parsed.dims)))
            if place is None:  # out of range, and the mode decides it with the arrays
                beyond = ops.traced_index(shape[axis]) if ops.hides_numpy else np.asarray(shape[axis])
                parsed.arrays.append((beyond, (axis,)))
                parsed.spans.append(Span(0, shape[axis]))
            else:
                parsed.spans.append(Span(place, 1))
            axis += 1
        else:
            exact = isinstance(item, np.ndarray) and item.dtype.hasobject
            array = _narrowed(item, shape[axis], axis, mode) if exact else item
            rank = _mask_rank(array)
            axes = tuple(range(axis, axis + (1 if rank is None else rank)))
            if rank is not None and _shape(array) != tuple(shape[a] for a in axes):
                raise IndexError(
                    f"index: expected a mask of shape {tuple(shape[a] for a in axes)} at axis {axis}; got "
                    f"{show_shape(_shape(array))}"
                )
            parsed.places.append((number, len(parsed.dims)))
            parsed.arrays.append((array, axes))
            parsed.spans += [Span(0, shape[a]) for a in axes]
            axis += len(axes)
    if not has_arrays and not parsed.arrays:
        return Plan(shape, tuple(parsed.spans), tuple(parsed.dims)), [], []
    return _with_advanced(shape, parsed)


def _with_advanced(shape: tuple[Length, ...], parsed: _Parsed) -> tuple[Plan, list[Any], list[Length]]:
    numbers = [number for number, _ in parsed.places]
    adjacent = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    place = parsed.places[0][1] if adjacent else 0
    spans, dims = tuple(parsed.spans), tuple(parsed.dims)
    masks = [(item, axes) for item, axes in parsed.arrays if _stays_a_mask(item)]
    if len(parsed.arrays) == 1 and masks:
        mask, axes = masks[0]
        host = _concrete(mask)
        count = (-1 if host is None else int(np.count_nonzero(host)),)
        return Plan(shape, spans, dims, axes, count, place, is_mask=True), [mask], []
    arrays: list[Any] = []
    lengths: list[Length] = []
    advanced: list[int] = []
    shapes = []
    for item, axes in parsed.arrays:
        if _mask_rank(item) is None:
            arrays.append(item)
            shapes.append(_shape(item))
        else:
            host = _concrete(item)
            if host is None:
                raise TypeError(
                    "index: a mask beside other index arrays has a number of elements that is not known inside "
                    "compiled code; use the mask alone, or numpy.nonzero of it outside"
                )
            found = np.nonzero(np.atleast_1d(host))[: max(host.ndim, 0)]
            shapes.append((int(np.count_nonzero(host)),))
            arrays += list(found)
        advanced += axes
        lengths += [shape[axis] for axis in axes]
    index_shape = _broadcast(shapes)
    return Plan(shape, spans, dims, tuple(advanced), index_shape, place), arrays, lengths


def _stays_a_mask(item: Any) -> bool:
    """Whether it is a mask that has an axis, or whose value is not known."""
    rank = _mask_rank(item)
    return rank is not None and (rank > 0 or _concrete(item) is None)


def _broadcast(shapes: list[tuple[Length, ...]]) -> tuple[Length, ...]:
    """The shape that shapes broadcast to; of lengths that are not known while tracing, the first."""
    result: list[Length] = []
    for i in range(1, max(map(len, shapes)) + 1):
        lengths = [shape[-i] for shape in shapes if len(shape) >= i]
        known = [n for n in lengths if isinstance(n, int) and n != 1]
        unknown = [n for n in lengths if not isinstance(n, int)]
        if any(n != known[0] for n in known):
            shown = ", ".join(map(show_shape, shapes))
            raise IndexError(f"index: expected index arrays that broadcast together; got shapes {shown}")
        result.append((known or unknown or [1])[0])
    return tuple(reversed(result))


def _item(ops: Backend, item: Any) -> Any:
    """One item as None, Ellipsis, a slice, an int, or an array of integers or booleans."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if ops.hides_numpy and isinstance(item, (bool, list, tuple, np.ndarray)):
        item = ops.traced_index(item)
    if isinstance(item, bool):
        return np.asarray(item)
    if isinstance(item, (list, tuple)):
        return _listed(item)
    try:
        owner = backend_of(item)
        number = None if owner else operator.index(item)
    except TypeError:
        got = repr(item) if isinstance(item, (float, complex)) else type(item).__name__
        raise IndexError(f"index: expected integers, slices, ..., None, integer or boolean arrays; got {got}") from None
    if owner is None:
        return number
    if owner is not ops and owner.name != "numpy":
        raise TypeError(f"index: expected arrays of {ops.name} or NumPy; got one of {owner.name}")
    return _checked(owner, owner.prepare(item))


def _listed(item: Any) -> Any:
    """A list of integers or booleans as an array: of Python's integers, where one is beyond 64 bits."""
    try:
        array = np.asarray(item)
    except ValueError as error:
        raise IndexError(f"index: expected a list of integers or booleans with equal lengths; {error}") from error
    if array.size == 0 and array.dtype.kind == "f":
        return array.astype(np.intp)
    if array.dtype.kind in "fO":  # what NumPy makes of integers that no dtype of its holds
        exact = np.asarray(item, object)
        if all(isinstance(number, int) for number in exact.flat):
            return exact
    return _checked(get_backend("numpy"), array)


def _narrowed(array: Any, length: Length, axis: int, mode: str) -> Any:
    """An array of Python's integers as one of 64 bits that means the same on an axis."""
    exact = [int(number) for number in array.flat]
    if mode == "raise":
        for number in exact:
            _integer(number, length, axis, mode)
    if mode == "wrap" and length != 0:
        exact = [number % length for number in exact]
    low, high = integer_range("int64")
    return np.array([min(max(number, low), high) for number in exact], np.int64).reshape(array.shape)


def _checked(owner: Backend, array: Any) -> Any:
    dtype = owner.dtype(array)
    if dtype not in INTEGERS and dtype != "bool":
        raise IndexError(f"index: expected an array of integers or booleans; got {dtype}")
    if dtype != "bool" and not owner.shape(array) and owner.is_concrete(array):
        return int(owner.to_numpy(array))
    return array


def _expanded(shape: tuple[int, ...], items: list[Any]) -> list[Any]:
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("index: expected one ellipsis (...) at most; got several")
    consumed = sum(_consumed(item) for item in items)
    if consumed > len(shape):
        raise IndexError(f"index: expected at most {len(shape)} indices for shape {shape}; got {consumed}")
    whole = [slice(None)] * (len(shape) - consumed)
    if not ellipses:
        return items + whole
    at = ellipses[0]
    # An ellipsis separates advanced indices even where it stands for no axis, so an empty one stays as a marker.
    middle: list[Any] = [*whole] or [Ellipsis]
    return [*items[:at], *middle, *items[at + 1 :]]


def _consumed(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    rank = _mask_rank(item) if _is_array(item) else None
    return 1 if rank is None else rank


def _is_array(item: Any) -> bool:
    return not (item is None or item is Ellipsis or isinstance(item, (slice, int)))


def _mask_rank(item: Any) -> int | None:
    """The number of axes of a boolean array; None for integers."""
    owner = _owner(item)
    return len(owner.shape(item)) if owner.dtype(item) == "bool" else None


def _shape(item: Any) -> tuple[int, ...]:
    return _owner(item).shape(item)


def _concrete(mask: Any) -> np.ndarray[Any, Any] | None:
    owner = _owner(mask)
    return owner.to_numpy(mask) if owner.is_concrete(mask) else None


def _owner(item: Any) -> Backend:
    return backend_of(item) or get_backend("numpy")


def _integer(value: int, length: Length, axis: int, mode: str) -> Length | None:
    if not isinstance(length, int):
        return value if value >= 0 else length + value
    if -length <= value < length:
        return value % length
    if mode == "raise":
        raise IndexError(f"index: {value} is out of range for axis {axis} of length {length}")
    if length == 0 and mode in ("clip", "wrap"):
        raise IndexError(f"index: {value} has no element to {mode} to on axis {axis} of length 0")
    if mode == "clip":
        return 0 if value < 0 else length - 1
    return value % length if mode == "wrap" else None


def _span(item: slice, length: Length, axis: int) -> Span:
    if not isinstance(length, int):
        return _span_of_unknown(item, length, axis)
    try:
        start, stop, step = item.indices(length)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"index: expected a slice of integers with a step other than 0 on axis {axis}; got {item} ({error})"
        ) from error
    count = len(range(start, stop, step))
    if count == 0:
        return Span(0, 0)
    if step < 0:
        return Span(start + (count - 1) * step, count, -step, reversed=count > 1)
    return Span(start, count, step if count > 1 else 1)


def _span_of_unknown(item: slice, length: Length, axis: int) -> Span:
    """A slice of an axis whose length is not known while tracing: where it needs no comparison with the length."""
    start = 0 if item.start is None else item.start
    stop = item.stop
    if isinstance(start, int) and start >= 0 and item.step in (None, 1):
        if stop is None:
            return Span(start, length - start if start else length)
        if isinstance(stop, int) and stop < 0:
            return Span(start, length + stop - start)
    raise TypeError(
        f"index: the length of axis {axis} is not known while tracing, and {item} depends on it; expected a slice from "
        f"a start >= 0 to the end or to a negative stop, with step 1"
    )
