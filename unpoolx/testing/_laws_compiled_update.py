"""Laws of compiled code: reads and updates by index, whose index arrays and masks are traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._calls import MOVABLE
from ._law import compiled, law
from ._laws_compiled import SEVERAL, SHARE, run, ways
from ._subject import LawBrokenError, Subject

Array = np.ndarray[Any, Any]

UNMASKED = ("int", "slice", "array", "list")
MASKED = ("int", "slice", "mask")


def _traced(subject: Subject, index: Any) -> tuple[tuple[Array, ...], Callable[[Any], Any]]:
    """The arrays of an index that the backend can hold, and what puts traced ones in their place.

    Beside a mask an integer stays one: with a traced integer the mask would choose a number of elements that depends
    on data.
    """
    masked = _masks(index) > 0
    parts = index if isinstance(index, tuple) else (index,)
    numbers: list[int | None] = []
    arrays: list[Array] = []
    for part in parts:
        held = isinstance(part, np.ndarray) and part.dtype.name in subject.declared.dtypes
        held = held and (part.dtype == np.bool_ or not masked)
        numbers.append(len(arrays) if held else None)
        if held:
            arrays.append(part)
    fixed = [part.tolist() if isinstance(part, (np.ndarray, np.generic)) else part for part in parts]
    single = not isinstance(index, tuple)

    def filled(traced: Any) -> Any:
        made = [part if n is None else traced[n] for part, n in zip(fixed, numbers, strict=True)]
        return made[0] if single else tuple(made)

    return tuple(arrays), filled


def _masks(index: Any) -> int:
    """How many parts of an index are masks or bools."""
    parts = index if isinstance(index, tuple) else (index,)
    return sum(isinstance(p, (np.ndarray, list, bool)) and np.asarray(p).dtype == np.bool_ for p in parts)


@law("compiled", "A2", "A3", "A10", "A12", "A20", need=compiled, share=SHARE)
def compiled_reads_and_sets_give_the_same_bits(subject: Subject, data: Any) -> None:
    """In compiled code `get` reads and `set` writes what the index names, by slices, integers, arrays and lists."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(MOVABLE))
    case = data.draw(xst.index_cases(forms=UNMASKED))
    traced, filled = _traced(subject, case.index)
    read, mode = "fill" if case.mode == "drop" else case.mode, case.mode

    def function(x: Any, values: Any, *arrays: Any) -> Any:
        at = unpoolx.at(x)[filled(arrays)]
        return at.get(mode=read), at.set(values, mode=mode)

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        x, values = (np.asarray(data.draw(xst.arrays(shape, dtype))) for shape in (case.shape, case.indexed_shape))
        subject.given(how=how, x=x, values=values, **case.arguments)
        elements, updated = run(subject, program, x, values, *traced)
        subject.same_bits(elements, oracle.index_get(x, case.index, mode=read), "get")
        subject.same_bits(updated, oracle.index_update(x, case.index, values, mode=mode), "set")


@law("compiled", "A10", "A13", "A20", need=compiled, share=SHARE)
def compiled_updates_give_the_same_bits(subject: Subject, data: Any) -> None:
    """In compiled code every operation applies every update, by index arrays and by masks."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(MOVABLE))
    forms = data.draw(st.sampled_from((UNMASKED, MASKED)))
    case = data.draw(xst.index_cases(forms=forms).filter(lambda case: _masks(case.index) <= (case.mode == "raise")))
    names = [op for op in xst.operations(dtype) if op != "power" or dtype in xst.INTEGER_DTYPES]
    ops = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    ops = sorted({*ops, "add"} & set(names)) if "add" in names else ops
    traced, filled = _traced(subject, case.index)
    mode = case.mode

    def function(x: Any, values: Any, *arrays: Any) -> Any:
        index = filled(arrays)
        return tuple(unpoolx.index_update(x, index, values, op, mode=mode) for op in ops)

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))  # numbers such that nothing rounds
        x = np.asarray(random.integers(0 if dtype == "bool" else 1, 4, case.shape)).astype(xst.dtype_of(dtype))
        values = np.asarray(np.exp2(random.integers(0, 2, case.indexed_shape))).astype(x.dtype)
        subject.given(how=how, x=x, values=values, ops=ops, **case.arguments)
        for op, ours in zip(ops, run(subject, program, x, values, *traced), strict=True):
            subject.same_bits(ours, oracle.index_update(x, case.index, values, op, mode=mode), op)


@law("compiled", "A20", "A21", "A22", "A23", "A24", need=compiled, share=SHARE)
def compiled_numbers_out_of_range_touch_nothing_else(subject: Subject, data: Any) -> None:
    """In compiled code a traced number out of range is dropped or filled in mode "raise" too, at its full width."""
    how, mode = data.draw(ways(subject)), data.draw(st.sampled_from(("raise", "raise", "drop", "clip", "wrap")))
    shape = data.draw(xst.shapes(1, empty=False))
    index = data.draw(xst.indices(shape, legal=False, forms=("array",)))
    traced, filled = _traced(subject, index)
    dtype = data.draw(subject.dtypes(("float32", "int32")))
    read, dropped = {"raise": ("fill", "drop"), "drop": ("fill", "drop")}.get(mode, (mode, mode))
    indexed = oracle.resolve_index(shape, index, dropped).shape

    def function(x: Any, values: Any, *arrays: Any) -> Any:
        at = unpoolx.at(x)[filled(arrays)]
        return at.get(mode="raise" if mode == "raise" else read), at.set(values, mode=mode), at.add(values, mode=mode)

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        x, values = (np.asarray(data.draw(xst.exact_arrays(s, dtype))) for s in (shape, indexed))
        subject.given(how=how, x=x, values=values, index=index, mode=mode)
        elements, *updated = run(subject, program, x, values, *traced)
        subject.same_bits(elements, oracle.index_get(x, index, mode=read), "get")
        for op, ours in zip(("set", "add"), updated, strict=True):
            subject.same_bits(ours, oracle.index_update(x, index, values, op, mode=dropped), op)


@law("compiled", "A13", "A20", need=compiled, share=SHARE)
def a_compiled_read_by_mask_is_right_or_says_why_not(subject: Subject, data: Any) -> None:
    """In compiled code a read by mask gives the elements, or is a TypeError that names the mask."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(("float32", "int32")))
    shape = data.draw(xst.shapes(1, 2, empty=False))
    x = np.asarray(data.draw(xst.exact_arrays(shape, dtype)))
    mask = np.asarray(data.draw(xst.exact_arrays(shape[: data.draw(st.integers(1, len(shape)))], "bool")))
    subject.given(how=how, x=x, index=mask)
    program = subject.backend.compile(lambda x, mask: unpoolx.at(x)[mask].get(), how)
    try:
        (elements,) = run(subject, program, x, mask)
    except Exception as error:  # a tracer may wrap what is raised while it traces
        got = f"{type(error).__name__}: {error}"
        if "TypeError" not in got or "mask" not in got:
            raise LawBrokenError("get: another error", "TypeError, with 'mask' in its message", got) from error
    else:
        subject.same_bits(elements, x[mask], "get")
