"""Hypothesis strategies for reads and updates by index: shapes, whole indices, illegal ones, and values.

As elsewhere, the contents of an index array come from a drawn seed and few drawn choices, not from a draw per element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ._oracle_window import Index
from ._strategies_arrays import COMPLEX_DTYPES, FLOAT_DTYPES, INTEGER_DTYPES, Array, arrays, dtype_of

INDEX_FORMS = ("int", "slice", "array", "list", "mask")

_KINDS = (("bool",), tuple(n for n in INTEGER_DTYPES if n[0] == "u"), tuple(n for n in INTEGER_DTYPES if n[0] == "i"))
_ALL_KINDS = (*_KINDS, FLOAT_DTYPES, COMPLEX_DTYPES)


@st.composite
def shapes(
    draw: st.DrawFn, min_rank: int = 0, max_rank: int = 4, *, max_elements: int = 60, empty: bool = True
) -> Index:
    """Shapes of arrays to be indexed: axes of 1 to 5, now and then of 0 (unless `empty` is False)."""
    rank = draw(st.integers(min_rank, max_rank))
    room = max_elements
    sizes = []
    for _ in range(rank):
        sizes.append(draw(st.integers(1, max(1, min(5, room)))))
        room //= sizes[-1]
    if rank and empty and draw(st.integers(0, 15)) == 15:
        sizes[draw(st.integers(0, rank - 1))] = 0
    return tuple(sizes)


@st.composite
def indices(draw: st.DrawFn, shape: Index, legal: bool = True, *, forms: Sequence[str] = INDEX_FORMS) -> Any:
    """Whole indices of an array of this shape: every form, mixed, negatives and duplicates among them.

    Index arrays are NumPy arrays of any integer dtype, lists, or masks of any rank; a slice, `None`, `...` and a scalar
    bool may stand anywhere. `forms` is a selection of `INDEX_FORMS`; without "mask" there is no scalar bool either.
    With `legal=False` at least one integer is out of range, where the shape has an axis: for the modes that allow it.
    """
    parts, axes = draw(_parts(shape, forms, force_array=not legal))
    arrays_ = any(kind in ("array", "list", "mask", "bool") for kind in parts)
    shared = draw(_shared_shapes()) if arrays_ else ()
    alone = sum(kind in ("array", "list", "mask", "bool") for kind in parts) == 1
    able = [i for i, kind in enumerate(parts) if kind in ("int", "array", "list")]
    wrong = draw(st.sampled_from(able)) if able and not legal else -1
    if wrong >= 0 and 0 in shared:
        shared = (2,)
    built: list[Any] = []
    for i, (kind, lengths) in enumerate(zip(parts, axes, strict=True)):
        if kind == "none":
            built.append(None)
        elif kind == "dots":
            built.append(...)
        elif kind == "bool":
            built.append(draw(st.integers(0, 3)) < 3 if alone else not shared or shared[-1] != 0)
        elif kind == "mask":
            built.extend(draw(_masks(lengths, shared, alone=alone)))
        elif kind == "slice":
            built.append(draw(_slices(lengths[0])))
        elif i == wrong or lengths[0] or (kind != "int" and 0 in shared):
            built.append(draw(_integers(kind, lengths[0], shared, wrong=i == wrong)))
        else:  # no integer names an element of an empty axis
            built.append(draw(_slices(lengths[0])))
    return built[0] if len(built) == 1 and draw(st.booleans()) else tuple(built)


@st.composite
def _parts(draw: st.DrawFn, shape: Index, forms: Sequence[str], *, force_array: bool) -> tuple[list[str], list[Index]]:
    """The kinds of the parts of an index and the lengths of the axes that each takes."""
    rank = len(shape)
    least = 1 if force_array and rank else 0
    left = draw(st.integers(least, rank)) if draw(st.booleans()) else min(rank, 2)
    kinds: list[tuple[str, int]] = []
    while left:
        kind = draw(st.sampled_from([*forms, *(form for form in forms if form in ("array", "list"))]))
        taken = draw(st.integers(1, left)) if kind == "mask" else 1
        kinds.append((kind, taken))
        left -= taken
    if force_array and kinds and not any(kind in ("int", "array", "list") for kind, _ in kinds):
        kinds[0] = ("array", 1)
    others = [("none", 0)] * draw(st.sampled_from((0, 0, 0, 0, 1, 2)))
    others += [("bool", 0)] if "mask" in forms and draw(st.integers(0, 11)) == 11 else []
    others += [("dots", 0)] if draw(st.integers(0, 3)) == 3 else []
    for other in others:
        kinds.insert(draw(st.integers(0, len(kinds))), other)
    names = [kind for kind, _ in kinds]
    dots = names.index("dots") if "dots" in names else len(names)
    axis, lengths = 0, []
    for i, (_, taken) in enumerate(kinds):
        if i == dots:
            axis = rank - sum(n for _, n in kinds[i:])
        lengths.append(shape[axis : axis + taken])
        axis += taken
    return names, lengths


def _shared_shapes() -> st.SearchStrategy[Index]:
    """The shape that the index arrays broadcast to."""
    usual = st.sampled_from(((4,), (3,), (2,), (7,), (3, 4), (2, 3), (5, 1), (1, 2), (2, 1, 2), (1,)))
    return st.integers(0, 9).flatmap(lambda i: usual if i < 9 else st.sampled_from(((0,), (2, 0))))


@st.composite
def _slices(draw: st.DrawFn, n: int) -> slice:
    """Any slice, bounds beyond the ends and negative steps too; seldom one that is empty."""
    bound = st.none() | st.integers(-n - 2, n + 2)
    step = draw(st.sampled_from((None, None, 1, 2, -1, -2, 3, 7, -5)))
    drawn = slice(draw(bound), draw(bound), step)
    if range(*drawn.indices(n)) or draw(st.integers(0, 5)) == 5:
        return drawn
    return slice(None, None, step)


@st.composite
def _masks(draw: st.DrawFn, lengths: Index, shared: Index, *, alone: bool) -> list[Any]:
    """A mask over these axes, an array or a list, whose True elements broadcast with the other index arrays."""
    size = math.prod(lengths)
    least = min(1, size) if draw(st.integers(0, 5)) < 5 else 0
    count = draw(st.integers(least, size)) if alone else draw(st.sampled_from((shared[-1], shared[-1], 1)))
    if count > size:
        return [draw(_slices(n)) for n in lengths]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = np.zeros(size, np.bool_)
    mask[random.permutation(size)[:count]] = True
    mask = mask.reshape(lengths)
    return [mask.tolist() if size and draw(st.integers(0, 3)) == 3 else mask]


@st.composite
def _integers(draw: st.DrawFn, kind: str, n: int, shared: Index, *, wrong: bool) -> Any:
    """One part that names elements of an axis of length n: an int, a NumPy scalar, an array or a list."""
    shape: Index = ()
    if kind != "int":
        shape = shared[draw(st.integers(0, len(shared) - 1)) :]
        shape = tuple(draw(st.sampled_from((m, m, m, 1))) for m in shape)
        if not n and 0 not in shape:
            shape = shared
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    choices = draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=2)) if n else [0]
    if n and draw(st.booleans()):  # few different elements, or any: both collide, the first almost always
        choices = list(range(-n, n)) if draw(st.booleans()) else list(range(n))
    numbers = np.array(choices, np.int64)[random.integers(0, len(choices), shape)]
    dtype = draw(st.sampled_from(INTEGER_DTYPES))
    if wrong:
        far = [n, n + 1, -n - 1, -2 * n - 1, 2**31, 2**32 + 1, 2**32, -(2**32), 2**63 - 1, -(2**63), 127, -128]
        number = draw(st.sampled_from([f for f in far if not -n <= f < n]))
        numbers = np.array(numbers)
        numbers.reshape(-1)[random.integers(0, numbers.size)] = number
    if dtype[0] == "u":
        numbers = np.where(numbers < 0, numbers + n, numbers) if not wrong else numbers
    info = np.iinfo(dtype)
    fits = all(info.min <= int(number) <= info.max for number in numbers.reshape(-1))
    made = numbers.astype(dtype if fits else np.int64)
    if kind == "list":
        return made.tolist()
    if kind == "array":
        return made
    return draw(st.sampled_from((int(made[()]), int(made[()]), made[()], made)))


@dataclass(frozen=True)
class IllegalIndex:
    """An index that must raise `expected` in mode "raise" on an array of the shape it was drawn for, and why."""

    index: Any
    expected: type[Exception]
    fault: str


@st.composite
def illegal_indices(draw: st.DrawFn, shape: Index) -> IllegalIndex:
    """Indices with one fault, mostly among legal parts."""
    return draw(st.sampled_from(_faults(shape)) | _out_of_range(shape)) if shape else draw(st.sampled_from(_faults(())))


@st.composite
def _out_of_range(draw: st.DrawFn, shape: Index) -> IllegalIndex:
    index = draw(indices(shape, legal=False, forms=("int", "array", "list")))
    return IllegalIndex(index, IndexError, "an integer out of range among legal parts")


def _faults(shape: Index) -> list[IllegalIndex]:
    """Every fault for this shape."""
    rank = len(shape)
    faults: list[tuple[Any, type[Exception], str]] = [
        ((0,) * (rank + 1), IndexError, "one index too many"),
        ((slice(None),) * (rank + 1), IndexError, "one slice too many"),
        ((..., *(slice(None),) * (rank + 1)), IndexError, "one slice too many beside an ellipsis"),
        ((..., ...), IndexError, "two ellipses"),
        (np.ones((1,) * (rank + 1), np.bool_), IndexError, "a mask of too many axes"),
        (([0],) * (rank + 1), IndexError, "one index array too many"),
    ]
    for axis, n in enumerate(shape):
        before = (slice(None),) * axis
        for number in (n, -n - 1, 2**31, 2**32, 2**32 + 1, -(2**32), 2**63 - 1):
            faults += [
                ((*before, number), IndexError, f"{number} on axis {axis}"),
                ((*before, np.array([number])), IndexError, f"an array of {number} on axis {axis}"),
                ((*before, [number]), IndexError, f"a list of {number} on axis {axis}"),
                ((..., number, *(slice(None),) * (rank - axis - 1)), IndexError, f"{number} after an ellipsis"),
            ]
        faults += [
            ((*before, np.array([2**64 - 1], np.uint64)), IndexError, "an unsigned number that would wrap to -1"),
            ((*before, 0.0), IndexError, "a float"),
            ((*before, 0j), IndexError, "a complex number"),
            ((*before, "0"), IndexError, "a string"),
            ((*before, {}), IndexError, "a dict"),
            ((*before, [0.0]), IndexError, "a list of floats"),
            ((*before, np.array([])), IndexError, "an empty array of floats"),
            ((*before, np.array(0.0)), IndexError, "a float array without axes"),
            ((*before, [[0], [0, 0]]), IndexError, "lists of two lengths"),
            ((*before, [None]), IndexError, "a list of None"),
            ((*before, np.array([0], object)), IndexError, "an array of objects"),
            ((*before, np.ones(n + 1, np.bool_)), IndexError, "a mask longer than the axis"),
            ((*before, [True] * (n + 1)), IndexError, "a list of bools longer than the axis"),
            ((*before, slice(None, None, 0)), ValueError, "a step of zero"),
            ((*before, slice(0.0, None)), TypeError, "a slice of floats"),
        ]
    if rank > 1:
        faults.append((([0, 0], [0, 0, 0]), IndexError, "index arrays of two lengths"))
    if rank > 1 and shape[0] > 1:
        mask = np.ones((shape[0], shape[1] + 1), np.bool_)
        faults.append((mask, IndexError, "a mask of another shape"))
    return [IllegalIndex(*fault) for fault in faults]


Contents = Callable[[Index, str], st.SearchStrategy[Array]]


@st.composite
def values_for(
    draw: st.DrawFn,
    indexed_shape: Index,
    dtype: str,
    *,
    contents: Contents = arrays,
    same_dtype: bool = False,
) -> Any:
    """Values that may update an array of this dtype: an array, a Python scalar, or nested lists of scalars.

    They broadcast to the indexed shape, extra leading axes of length one included. An array has any dtype that casts by
    the same_kind rule, half of the time x's own; always that with `same_dtype`. `contents` draws an array of a shape
    and a dtype's name.
    """
    form = draw(st.sampled_from(("array", "array", "array", "scalar", "list")))
    if form == "list" and 0 in indexed_shape:
        form = "array"  # lists lose the axes that come after an empty one
    given = draw(_castable(dtype)) if not same_dtype and draw(st.booleans()) else dtype
    shape = draw(_broadcastable(indexed_shape)) if form != "scalar" else ()
    if form != "array" and given in INTEGER_DTYPES and given != dtype:
        given = dtype if dtype in INTEGER_DTYPES else "int8"  # the number itself must fit
    array = draw(contents(shape, given))
    if form == "array":
        return array
    if given == "bfloat16":
        array = array.astype(np.float32)
    return array.tolist()


@st.composite
def _broadcastable(draw: st.DrawFn, shape: Index) -> Index:
    """A shape that broadcasts to this one: often the same, or fewer axes, ones among them, or extra ones in front."""
    if draw(st.booleans()):
        return shape
    kept = shape[draw(st.integers(0, len(shape))) :]
    ones = tuple(draw(st.sampled_from((n, n, 1))) for n in kept)
    extra = draw(st.sampled_from((0, 0, 1, 2))) if len(kept) == len(shape) else 0
    return (1,) * extra + ones


def _castable(dtype: str) -> st.SearchStrategy[str]:
    """The dtypes that cast to this one by the same_kind rule."""
    names: list[str] = []
    for kind in _ALL_KINDS:
        names += kind
        if dtype in kind:
            break
    return st.sampled_from(names)


@st.composite
def moderate_arrays(draw: st.DrawFn, shape: Index, dtype: str, *, zero: bool = True) -> Array:
    """Arrays for arithmetic: floats of magnitude 1/4 to 4, now and then a zero, an infinity or a NaN; any integers."""
    if dtype in COMPLEX_DTYPES:
        part = "float32" if dtype == "complex64" else "float64"
        result = np.zeros(shape, dtype)
        result.real, result.imag = draw(moderate_arrays(shape, part)), draw(moderate_arrays(shape, part))
        return np.where(np.isfinite(result) & (result != 0), result, result.dtype.type(1 - 0.5j))
    if dtype not in FLOAT_DTYPES:
        return draw(arrays(shape, dtype))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    result = random.choice((-1.0, 1.0), shape) * np.exp2(random.uniform(-2, 2, shape))
    specials = ((), (), (0.0, -0.0), (math.inf, -math.inf), (math.nan,), (0.0, math.inf, math.nan))
    special: tuple[float, ...] = draw(st.sampled_from(specials))
    special = tuple(s for s in special if s or zero)
    if special:
        result = np.where(random.uniform(0, 1, shape) < 0.2, random.choice(special, shape), result)
    return np.asarray(result).astype(dtype_of(dtype))
