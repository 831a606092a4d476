"""The oracle's reads and updates by index: NumPy's index grammar element by element, and updates one after another.

An index is resolved to a list: for each position of the indexed shape, in row-major order, the element of x that it
names. Everything else walks that list. NumPy's own indexing by arrays is not used.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ._oracle_indices import default_fill
from ._oracle_sums import Array, accumulation_type, is_float
from ._oracle_window import Index

UPDATE_MODES = ("raise", "drop", "clip", "wrap")
READ_MODES = ("raise", "fill", "clip", "wrap")
AT_OPS = ("set", "add", "subtract", "multiply", "divide", "power", "min", "max")
ACCUMULATING_OPS = ("add", "subtract", "multiply", "divide", "power")

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
}


class ResolvedIndex(NamedTuple):
    """The indexed shape, and for each of its positions, row-major, the element of x or None when out of range."""

    shape: Index
    targets: list[Index | None]


class _Term(NamedTuple):
    """One part of an index: the positions that it runs over, and the coordinates that each stands for.

    `elements` gives, for each position in `shape`, the coordinates on the axes of x that the term takes, or None
    when out of range.
    """

    kind: str  # "none", "slice", "int" or "array"
    shape: Index
    axes: Index
    elements: dict[Index, Index | None]
    given: Any = None  # what the index held here, for messages


def resolve_index(shape: Index, index: Any, mode: str = "raise") -> ResolvedIndex:
    """What an index means on an array of this shape.

    IndexError for what is out of range and for what is no index at all; TypeError for a slice of something else than
    integers, ValueError for a step of zero. With mode "drop" or "fill" an integer out of range gives None.
    """
    if mode not in (*UPDATE_MODES, "fill"):
        raise ValueError(f"mode: one of {(*UPDATE_MODES, 'fill')} expected, got {mode!r}")
    terms = _terms(shape, index, mode)
    has_arrays = any(term.kind == "array" for term in terms)
    advanced = [i for i, term in enumerate(terms) if has_arrays and term.kind in ("int", "array")]
    together = _broadcast_shapes([terms[i].shape for i in advanced])
    _require_in_range(terms, shape, mode, empty=0 in together)
    in_place = bool(advanced) and advanced == list(range(advanced[0], advanced[-1] + 1))
    front = advanced[0] if in_place else 0
    before = sum((terms[i].shape for i in range(front) if i not in advanced), ())
    after = sum((terms[i].shape for i in range(front, len(terms)) if i not in advanced), ())
    targets: list[Index | None] = []
    for position in itertools.product(*(range(n) for n in (*before, *together, *after))):
        shared = position[len(before) : len(before) + len(together)]
        own = iter(position[: len(before)] + position[len(before) + len(together) :])
        target: list[int | None] = [None] * len(shape)
        outside = False
        for i, term in enumerate(terms):
            place = _within(shared, term.shape) if i in advanced else tuple(itertools.islice(own, len(term.shape)))
            coordinates = term.elements[place]
            outside |= coordinates is None
            for axis, coordinate in zip(term.axes, coordinates or (), strict=False):
                target[axis] = coordinate
        targets.append(None if outside else tuple(c for c in target if c is not None))
    return ResolvedIndex((*before, *together, *after), targets)


def update_counts(shape: Index, index: Any, mode: str = "raise") -> Array:
    """How many updates each element of an array of this shape receives (int64)."""
    counts = np.zeros(shape, np.int64)
    for target in resolve_index(shape, index, mode).targets:
        if target is not None:
            counts[target] += 1
    return counts


def _terms(shape: Index, index: Any, mode: str) -> list[_Term]:
    """The parts of an index, an ellipsis and what is missing at the end written out as full slices."""
    parts = [_part(part) for part in (index if isinstance(index, tuple) else (index,))]
    taken = sum(_axes_taken(part) for part in parts)
    if taken > len(shape):
        raise IndexError(f"at most {len(shape)} indices expected for shape {shape}, got {taken}: {index!r}")
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError(f"one ellipsis expected, got {len(dots)}: {index!r}")
    if not dots:
        parts.append(Ellipsis)
    terms: list[_Term] = []
    axis = 0
    for part in parts:
        if part is Ellipsis:
            for _ in range(len(shape) - taken):
                terms.append(_slice_term(slice(None), axis, shape[axis]))
                axis += 1
            # It keeps advanced parts on its two sides apart even where it stands for no axis.
            terms.append(_Term("slice", (), (), {(): ()}))
            continue
        term = _term(part, axis, shape, mode)
        terms.append(term)
        axis += len(term.axes)
    return terms


def _part(part: Any) -> Any:
    """None, Ellipsis, a slice, an int, or an array of integers or bools; IndexError for anything else."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (bool, np.bool_)):
        return np.array(bool(part))
    if isinstance(part, (list, tuple)):
        try:
            array = np.asarray(part)
        except ValueError as error:
            raise IndexError(f"lists of equal lengths expected as index, got {part!r}") from error
        if array.size == 0:
            array = array.astype(np.int64)
        elif array.dtype.kind in "fO":  # what NumPy makes of integers that no dtype of its holds
            numbers = np.asarray(part, object)
            if all(isinstance(number, int) for number in numbers.flat):
                return numbers
    elif isinstance(part, np.ndarray):
        array = part
    elif hasattr(part, "__index__"):
        return operator.index(part)
    else:
        raise IndexError(f"an integer, slice, ..., None or array expected as index, got {part!r}")
    if array.dtype.kind not in "iub":
        raise IndexError(f"an index array of integers or bools expected, got {array.dtype}: {part!r}")
    return int(array[()]) if array.ndim == 0 and array.dtype.kind != "b" else array


def _axes_taken(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def _term(part: Any, axis: int, shape: Index, mode: str) -> _Term:
    if part is None:
        return _Term("none", (1,), (), {(0,): ()})
    if isinstance(part, slice):
        return _slice_term(part, axis, shape[axis])
    if isinstance(part, int):
        return _Term("int", (), (axis,), {(): _coordinate(part, shape[axis], mode)}, part)
    places = itertools.product(*(range(n) for n in part.shape))
    if part.dtype.kind != "b":
        elements = {place: _coordinate(int(part[place]), shape[axis], mode) for place in places}
        return _Term("array", part.shape, (axis,), elements, part)
    masked = shape[axis : axis + part.ndim]
    if part.shape != masked:
        raise IndexError(f"a mask of shape {masked} expected from axis {axis} on, got {part.shape}")
    chosen = [place for place in places if part[place]]  # of a mask without axes: one place, which is ()
    axes = tuple(range(axis, axis + part.ndim))
    return _Term("array", (len(chosen),), axes, {(i,): place for i, place in enumerate(chosen)}, part)


def _slice_term(part: slice, axis: int, n: int) -> _Term:
    numbers = range(*part.indices(n))
    return _Term("slice", (len(numbers),), (axis,), {(i,): (number,) for i, number in enumerate(numbers)})


def _coordinate(number: int, n: int, mode: str) -> Index | None:
    """The element that an integer names on an axis of length n: a negative one counts from the end, once."""
    if mode == "wrap" and n:
        return (number % n,)
    counted = number + n if number < 0 else number
    if mode == "clip" and n:
        return (min(max(counted, 0), n - 1),)
    return (counted,) if 0 <= counted < n else None


def _require_in_range(terms: list[_Term], shape: Index, mode: str, *, empty: bool) -> None:
    """IndexError for an integer out of range; index arrays that are broadcast to nothing name no element."""
    if mode in ("drop", "fill"):
        return
    for term in terms:
        if term.kind == "array" and empty:
            continue
        for place, coordinates in term.elements.items():
            if coordinates is None:
                (axis,) = term.axes
                number = term.given if term.kind == "int" else int(term.given[place])
                raise IndexError(f"index {number} is out of range for axis {axis} of length {shape[axis]}")


def _broadcast_shapes(shapes: list[Index]) -> Index:
    result: Index = ()
    for shape in shapes:
        rank = max(len(result), len(shape))
        pairs = zip((1,) * (rank - len(result)) + result, (1,) * (rank - len(shape)) + shape, strict=True)
        merged = []
        for m, n in pairs:
            if m != n and 1 not in (m, n):
                raise IndexError(f"index arrays that broadcast together expected, got shapes {shapes}")
            merged.append(n if m == 1 else m)
        result = tuple(merged)
    return result


def _within(position: Index, shape: Index) -> Index:
    """The place in an array of this shape that a position of a larger broadcast shape reads."""
    last = position[len(position) - len(shape) :]
    return tuple(0 if n == 1 else p for p, n in zip(last, shape, strict=True))


# Values


def as_values(values: Any, dtype: np.dtype[Any]) -> Array:
    """The values in x's dtype, an array: TypeError for a dtype of a higher kind, OverflowError for too large an int.

    Python scalars, and lists of them, are weak: their kind alone counts (bool < int < float < complex). Arrays and
    NumPy scalars must cast by NumPy's "same_kind" rule; integers wrap, floats round.
    """
    if isinstance(values, (np.ndarray, np.generic)):
        array = np.asarray(values)
        if _kind(array.dtype) > _kind(dtype):
            raise TypeError(f"values that cast to {dtype} by the same_kind rule expected, got {array.dtype}")
    else:
        array = np.empty(_list_shape(values), object)
        for place in itertools.product(*(range(n) for n in array.shape)):
            array[place] = _weak(_nested(values, place), dtype)
    result = np.zeros(array.shape, dtype)
    with np.errstate(all="ignore"):
        for place in itertools.product(*(range(n) for n in array.shape)):
            value = array[place]
            if dtype.kind in "iu":
                result[place] = _wrapped(int(value), dtype)
            else:
                result[place] = value if getattr(value, "dtype", None) == dtype else _nearest(value, dtype)
    return result


def _kind(dtype: np.dtype[Any]) -> int:
    """bool < unsigned < signed < float < complex, and then what is no number."""
    return 3 if is_float(dtype) else {"b": 0, "u": 1, "i": 2, "c": 4}.get(dtype.kind, 5)


def _list_shape(values: Any) -> Index:
    """The shape of nested lists."""
    if not isinstance(values, (list, tuple)):
        return ()
    inner = {_list_shape(value) for value in values} or {()}
    if len(inner) > 1:
        raise ValueError(f"lists of equal lengths expected, got {values!r}")
    return (len(values), *inner.pop())


def _nested(values: Any, place: Index) -> Any:
    for i in place:
        values = values[i]
    return values


def _weak(value: Any, dtype: np.dtype[Any]) -> Any:
    """A Python scalar as one that the dtype takes."""
    kinds = {bool: 0, int: 1, float: 3, complex: 4}  # an int is an int to unsigned integers too
    if type(value) not in kinds:
        raise TypeError(f"numbers expected as values, got {value!r}")
    if kinds[type(value)] > _kind(dtype):
        raise TypeError(f"a value for {dtype} expected, got the {type(value).__name__} {value!r}")
    if type(value) is int:
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            raise OverflowError(f"{value} does not fit in {dtype}")
        if dtype.kind not in "iub" and math.isinf(abs(_nearest(value, dtype))):
            raise OverflowError(f"{value} does not fit in {dtype}")
    return value


# The digits after the first of a float of each dtype, and the exponents of its least and its greatest normal numbers.
_FORMATS = {
    "float16": (10, -14, 15),
    "bfloat16": (7, -126, 127),
    "float32": (23, -126, 127),
    "float64": (52, -1022, 1023),
}


def _nearest(value: Any, dtype: np.dtype[Any]) -> Any:
    """The number of a dtype of floats or complex numbers, or bool, nearest to a value: in a tie the even one."""
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind == "c":
        part = np.dtype("float32" if dtype.name == "complex64" else "float64")
        return complex(_nearest(value.real, part), _nearest(value.imag, part))
    number = float(value) if is_float(np.asarray(value).dtype) else int(value)
    if number == 0 or (isinstance(number, float) and not math.isfinite(number)):
        return number
    digits, least, greatest = _FORMATS[dtype.name]
    exact = Fraction(number)
    exponent = max(least, math.floor(math.log2(abs(exact.numerator)) - math.log2(exact.denominator)) - 1)
    while abs(exact) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    grid = Fraction(2) ** (exponent - digits)
    rounded = round(exact / grid) * grid  # of two that are as near, Python takes the even one
    size = math.inf if abs(rounded) >= Fraction(2) ** (greatest + 1) else float(abs(rounded))
    return size if number > 0 else -size


def _wrapped(number: int, dtype: np.dtype[Any]) -> int:
    span = 1 << (8 * dtype.itemsize)
    low = number % span
    return low - span if dtype.kind == "i" and low >= span // 2 else low


def _sources(values_shape: Index, shape: Index) -> Iterator[Index]:
    """For each position of the indexed shape, row-major, the place in the values that it takes; ValueError."""
    extra = max(len(values_shape) - len(shape), 0)
    inner = values_shape[extra:]
    fits = all(n in (1, m) for n, m in zip(inner, shape[len(shape) - len(inner) :], strict=True))
    if not fits or any(n != 1 for n in values_shape[:extra]):
        raise ValueError(f"values that broadcast to the indexed shape {shape} expected, got shape {values_shape}")
    return ((0,) * extra + _within(p, inner) for p in itertools.product(*(range(n) for n in shape)))


# Reads and updates


def index_get(x: Array, index: Any, *, mode: str = "raise", fill_value: Any = None) -> Array:
    """The elements that an index names, a new array of the indexed shape; fill_value where out of range.

    By default that is NaN (in both parts of a complex number), the lowest signed or the highest unsigned integer,
    or True.
    """
    if mode not in READ_MODES:
        raise ValueError(f"mode: one of {READ_MODES} expected, got {mode!r}")
    resolved = resolve_index(x.shape, index, mode)
    if fill_value is None:
        fill_value = complex(math.nan, math.nan) if x.dtype.kind == "c" else default_fill(x.dtype)
    fill = as_values(fill_value, x.dtype)
    if fill.shape != ():
        raise ValueError(f"fill_value: a scalar expected, got shape {fill.shape}")
    result = np.zeros(resolved.shape, x.dtype)
    for place, target in zip(itertools.product(*(range(n) for n in resolved.shape)), resolved.targets, strict=True):
        result[place] = fill[()] if target is None else x[target]
    return result


def index_update(x: Array, index: Any, values: Any, op: str = "set", *, mode: str = "raise") -> Array:
    """x with the updates applied one after another, in row-major order of the indexed shape; out of range: none.

    Each step is rounded to x's dtype. TypeError where the dtype has no such operation: bool takes "set", and "min"
    and "max" as and and or; complex has no order; "divide" needs floats. ValueError for an integer to a negative
    power.
    """
    if op not in AT_OPS:
        raise ValueError(f"op: one of {AT_OPS} expected, got {op!r}")
    _require_operation(x.dtype, op)
    result = x.copy()
    with np.errstate(all="ignore"):  # a signalling NaN sets a flag where it is looked at
        for target, value in _updates(x, index, values, op, mode):
            result[target] = _step(op, result[target], value, x.dtype)
    return result


def _updates(x: Array, index: Any, values: Any, op: str, mode: str) -> list[tuple[Index, Any]]:
    """(element, value in x's dtype) of every update that is in range, in order."""
    if mode not in UPDATE_MODES:
        raise ValueError(f"mode: one of {UPDATE_MODES} expected, got {mode!r}")
    resolved = resolve_index(x.shape, index, mode)
    array = as_values(values, x.dtype)
    pairs = list(zip(resolved.targets, _sources(array.shape, resolved.shape), strict=True))
    if op == "power" and x.dtype.kind in "iu":
        for place in itertools.product(*(range(n) for n in array.shape)):
            if array[place] < 0:
                raise ValueError(f"power: integers of at least 0 expected for {x.dtype}, got {array[place]}")
    return [(target, array[source]) for target, source in pairs if target is not None]


def _require_operation(dtype: np.dtype[Any], op: str) -> None:
    if (
        (dtype.kind == "b" and op in ACCUMULATING_OPS)
        or (dtype.kind == "c" and op in ("min", "max"))
        or (dtype.kind in "iu" and op == "divide")
    ):
        raise TypeError(f"{op}: not defined for {dtype}")


def _step(op: str, before: Any, value: Any, dtype: np.dtype[Any]) -> Any:
    """One update of one element."""
    if op == "set":
        return value
    if op in ("min", "max"):
        return _extreme(op, before, value, dtype)
    if dtype.kind in "iu":
        if op == "power":
            return _wrapped(pow(int(before), int(value), 1 << (8 * dtype.itemsize)), dtype)
        return _wrapped(_OPERATORS[op](int(before), int(value)), dtype)
    if dtype.kind == "c":
        return _OPERATORS[op](before, value)
    number = accumulation_type(dtype)  # one operation in float32, rounded, is one in half precision
    return np.asarray(_OPERATORS[op](number(before), number(value))).astype(dtype)[()]


def _extreme(op: str, before: Any, value: Any, dtype: np.dtype[Any]) -> Any:
    """The smaller or greater of two: a NaN wins, +0.0 is greater than -0.0."""
    if is_float(dtype):
        if np.isnan(before) or np.isnan(value):
            return before if np.isnan(before) else value
        if before == 0 and value == 0:
            return value if bool(np.signbit(value)) == (op == "min") else before
    greater = value > before
    return value if value != before and bool(greater) == (op == "max") else before


class Bounds(NamedTuple):
    """An accumulated result in double precision, and how far from it the sums of any order may lie."""

    reference: Array
    allowance: Array


def index_update_bounds(x: Array, index: Any, values: Any, op: str, *, mode: str = "raise") -> Bounds:
    """The result of an accumulating op on floats in float64 or complex128, with its allowance for rounding.

    The allowance of an element is that of its updates in any order, in x's dtype; infinite where an order may pass
    out of the dtype's range, zero where nothing is updated. A reference that is not finite is so in every order.
    """
    _require_operation(x.dtype, op)
    info = _FloatLimits.of(x.dtype)
    wide = np.dtype(np.complex128 if x.dtype.kind == "c" else np.float64)
    with np.errstate(all="ignore"):
        reference = x.astype(wide)
        history: dict[Index, list[Any]] = {}
        for target, value in _updates(x, index, values, op, mode):
            history.setdefault(target, []).append(wide.type(value))
        allowance = np.zeros(x.shape)
        for target, updates in history.items():
            start = reference[target]
            if op == "power":
                reference[target], allowance[target] = _power_bounds(start, updates, info)
                continue
            for value in updates:
                reference[target] = _OPERATORS[op](reference[target], value)
            allowance[target] = _any_order(start, updates, abs(reference[target]), op, info)
    return Bounds(reference, allowance)


class _FloatLimits(NamedTuple):
    """Of a floating dtype: the spacing at 1, the smallest normal number, and log2 of the greatest."""

    eps: float
    smallest: float
    exponent: int

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> _FloatLimits:
        if dtype.name == "bfloat16":
            return cls(2.0**-7, 2.0**-126, 128)
        info = np.finfo(dtype)
        return cls(float(info.eps), float(info.smallest_normal), int(info.maxexp))


def _any_order(start: Any, updates: list[Any], result: float, op: str, info: _FloatLimits) -> float:
    sizes = [float(abs(v)) for v in (start, *updates)]
    finite = [size for size in sizes if math.isfinite(size)]
    if op in ("add", "subtract"):
        total = sum(finite)
        in_range = total < 2.0 ** (info.exponent - 1)
        return len(updates) * info.eps * total + info.smallest if in_range else math.inf
    passed = sum(abs(math.log2(size)) for size in finite if size)
    if passed > info.exponent - 4 - 2 * (op == "divide"):
        return math.inf
    return 4 * len(updates) * info.eps * result + info.smallest if math.isfinite(result) else 0.0


def _power_bounds(start: Any, exponents: list[Any], info: _FloatLimits) -> tuple[Any, float]:
    """One power after another: an error grows with the exponent, and a new one with the logarithm of the result."""
    if 0 < float(abs(start)) < info.smallest:
        return start, math.inf
    value, relative = start, 0.0
    for exponent in exponents:
        result = np.power(value, exponent)
        size = float(abs(result))
        logarithm = abs(math.log2(size)) if size and math.isfinite(size) else 0.0
        if logarithm > info.exponent - 4 or (not math.isfinite(size) and np.isfinite(value) and value != 0):
            return result, math.inf
        relative = relative * float(abs(exponent)) + (4 + logarithm) * info.eps
        value = result
    size = float(abs(value))
    return value, relative * size + info.smallest if math.isfinite(size) else 0.0


# Gradients


class Gradients(NamedTuple):
    """The cotangents of x and of the values, in float64."""

    x: Array
    values: Array


def index_update_gradients(
    x: Array, index: Any, values: Array, cotangent: Array, op: str = "set", *, mode: str = "raise"
) -> Gradients:
    """Gradients of `index_update` by x and by `values`, by replaying the updates and going back over them.

    "min" and "max" share equally among everything that equals an element's result, x included; -0.0 equals +0.0,
    and a NaN the NaN that it made the result. An update out of range has none.
    """
    array = np.asarray(values)
    resolved = resolve_index(x.shape, index, mode)
    sources = _sources(array.shape, resolved.shape)
    updates = [(t, s) for t, s in zip(resolved.targets, sources, strict=True) if t is not None]
    state, dx = x.astype(np.float64), cotangent.astype(np.float64)
    wide, dv = array.astype(np.float64), np.zeros(array.shape, np.float64)
    if op in ("min", "max"):
        return _shared(state, wide, dx, updates, op)
    seen = []
    with np.errstate(all="ignore"):
        for target, source in updates:
            seen.append(state[target])
            state[target] = wide[source] if op == "set" else _OPERATORS[op](state[target], wide[source])
        for (target, source), before in zip(reversed(updates), reversed(seen), strict=True):
            by_x, by_value = _slopes(op, before, wide[source])
            dv[source] += dx[target] * by_value if by_value else 0.0
            dx[target] = dx[target] * by_x if by_x else 0.0
    return Gradients(dx, dv)


def _slopes(op: str, x: Any, v: Any) -> tuple[Any, Any]:
    """The derivatives of one update by what was there and by the value."""
    if op == "set":
        return 0.0, 1.0
    if op in ("add", "subtract"):
        return 1.0, 1.0 if op == "add" else -1.0
    if op == "multiply":
        return v, x
    if op == "divide":
        return 1 / v, -x / (v * v)
    if op == "power":
        return v * x ** (v - 1), x**v * np.log(x)
    raise ValueError(f"op: one of {AT_OPS} expected, got {op!r}")


def _shared(x: Array, values: Array, cotangent: Array, updates: list[tuple[Index, Index]], op: str) -> Gradients:
    candidates: dict[Index, list[Index]] = {}
    for target, source in updates:
        candidates.setdefault(target, []).append(source)
    dx, dv = cotangent.copy(), np.zeros(values.shape, np.float64)
    for target, sources in candidates.items():
        numbers = [float(x[target]), *(float(values[source]) for source in sources)]
        best = max(numbers) if op == "max" else min(numbers)
        nans = [math.isnan(number) for number in numbers]
        equal = nans if any(nans) else [number == best for number in numbers]
        share = cotangent[target] / sum(equal)
        dx[target] = share if equal[0] else 0.0
        for source, takes_part in zip(sources, equal[1:], strict=True):
            dv[source] += share if takes_part else 0.0
    return Gradients(dx, dv)


def index_get_gradient(shape: Index, index: Any, cotangent: Array, *, mode: str = "raise") -> Array:
    """Gradient of `index_get` by an x of this shape, in float64: what was read several times adds up."""
    resolved = resolve_index(shape, index, mode)
    result = np.zeros(shape, np.float64)
    for place, target in zip(itertools.product(*(range(n) for n in resolved.shape)), resolved.targets, strict=True):
        if target is not None:
            result[target] += float(cotangent[place])
    return result
