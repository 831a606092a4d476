"""Laws of reads and updates by index: calls that mean the same, `apply`, promises, and values that alias x."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._index_calls import MOVABLE, SEVERAL, index_on, require_untouched, update, updated, ways
from ._law import dtypes, law
from ._subject import Subject

APPLIED = ("float32", "int32", "float64", "int64")
PROMISED = ("float32", "int32", "uint8", "bfloat16")


@law("update", "A1", "B1", "B2")
def the_functions_give_what_the_methods_give(subject: Subject, data: Any) -> None:
    """`index_get` and `index_update`, and the methods of `at`, give the same bits, with `backend=` and without."""
    case = data.draw(xst.index_cases())
    dtype, unique = data.draw(subject.dtypes(MOVABLE)), data.draw(st.booleans())
    op = data.draw(st.sampled_from(xst.operations(dtype)))
    contents = {"bool": xst.arrays}.get(dtype, xst.exponents if dtype in xst.INTEGER_DTYPES else xst.moderate_arrays)
    x = np.asarray(data.draw(xst.arrays(case.shape, dtype)))
    values = np.asarray(data.draw(contents(case.indexed_shape, dtype)))
    read = {"mode": "fill" if case.mode == "drop" else case.mode}
    subject.given(x=x, **case.arguments, values=values, op=op, unique=unique)
    made, v, index = subject.array(x), subject.array(values), index_on(subject, case.index)
    options = {"mode": case.mode, "unique": unique}
    by_method = subject.got(getattr(unpoolx.at(made)[index], op)(v, **options), op)
    subject.same_bits(unpoolx.index_update(made, index, v, op, **options), by_method, f"{op} by index_update")
    named = unpoolx.at(made, backend=subject.name)[index]
    subject.same_bits(getattr(named, op)(v, **options), by_method, f"{op} with backend=")
    by_method = subject.got(unpoolx.at(made)[index].get(**read), "get")
    subject.same_bits(unpoolx.index_get(made, index, **read), by_method, "index_get")
    subject.same_bits(unpoolx.index_get(made, index, **read, backend=subject.name), by_method, "index_get, backend=")


@law("update", "A1", "A15", need=dtypes(*APPLIED))
def apply_sets_what_the_function_makes_of_the_elements(subject: Subject, data: Any) -> None:
    """`apply` calls the function once with the original elements, and sets what it gives back."""
    case, dtype = data.draw(xst.index_cases()), data.draw(subject.dtypes(APPLIED))
    read = "fill" if case.mode == "drop" else case.mode
    for _ in range(SEVERAL):
        x = np.asarray(data.draw(xst.exact_arrays(case.shape, dtype)))
        subject.given(x=x, **case.arguments, function="elements * 2 + 1")
        made, index, seen = subject.array(x), index_on(subject, case.index), []

        def function(elements: Any) -> Any:
            seen.append(elements)  # noqa: B023  # called in this round
            return elements * 2 + 1

        ours = unpoolx.at(made)[index].apply(function, mode=case.mode)
        subject.holds(len(seen) == 1, "calls of the function", expected=1, got=len(seen))
        elements = oracle.index_get(x, case.index, mode=read)
        subject.same_bits(seen[0], elements, "what the function sees")
        with np.errstate(over="ignore"):
            expected = oracle.index_update(x, case.index, elements * x.dtype.type(2) + x.dtype.type(1), mode=case.mode)
        subject.same_bits(ours, expected, "the result")
        require_untouched(subject, "x", made, x)


@law("update", "A14", need=dtypes(*PROMISED))
def a_promise_of_unique_indices_changes_nothing_when_it_is_kept(subject: Subject, data: Any) -> None:
    """With `unique=True` what is updated once is as without; of a broken promise one `set` stays, in its own place."""
    case, way = data.draw(xst.index_cases()), data.draw(ways())
    dtype = data.draw(subject.dtypes(PROMISED))
    op = data.draw(st.sampled_from(xst.operations(dtype)))
    counts = oracle.update_counts(case.shape, case.index, case.mode)
    # Powers of floats are not bitwise the same; what is left alone is.
    kept = counts == 0 if op == "power" and dtype in xst.FLOAT_DTYPES else counts <= 1
    for _ in range(SEVERAL):
        x = np.asarray(data.draw(xst.exact_arrays(case.shape, dtype)))
        values = np.asarray(abs(data.draw(xst.exact_arrays(case.indexed_shape, dtype))))
        subject.given(x=x, **case.arguments, values=values, op=op, unique=True, way=way)
        got = subject.got(updated(subject, x, case.index, values, op, way, mode=case.mode, unique=True), op)
        expected = oracle.index_update(x, case.index, values, op, mode=case.mode)
        subject.same_bits(subject.array(np.where(kept, got, expected)), expected, f"{op}, one update at most")
        if op != "set":
            continue
        candidates: dict[Any, set[float]] = {}
        targets = oracle.resolve_index(case.shape, case.index, case.mode).targets
        for target, value in zip(targets, values.astype(np.float64).ravel().tolist(), strict=True):
            candidates.setdefault(target, set()).add(value)
        for target in map(tuple, np.argwhere(counts > 1).tolist()):
            given = sorted(candidates[target])
            subject.holds(float(got[target]) in given, f"one of the updates of {target}", expected=given, got=got)


@law("update", "A1", "A10")
def values_may_be_a_part_of_x(subject: Subject, data: Any) -> None:
    """Values that are x itself, or a slice of it, count as they were before the update."""
    shape, dtype = data.draw(xst.shapes(1, empty=False)), data.draw(subject.dtypes(MOVABLE))
    count, way = data.draw(st.integers(1, shape[0])), data.draw(ways())
    order = data.draw(st.permutations(range(shape[0])))[:count]
    x = np.asarray(data.draw(xst.arrays(shape, dtype)))
    for index in (slice(shape[0] - count, None), order):
        expected = x.copy()
        expected[index] = x[:count].copy()
        subject.given(x=x, index=index, values=f"the first {count} of x", op="set", way=way)
        made = subject.array(x)
        part = made if count == shape[0] else subject.backend.slice(made, {-len(shape): (0, count, 1)})
        subject.same_bits(update(made, index, part, "set", way), expected, "the result")
        require_untouched(subject, "x", made, x)


@law("update", "A10", "U6", need=dtypes("int64", "int32"), share=0.5)
def a_flat_set_at_raw_indices_is_unpooling_by_them(subject: Subject, data: Any) -> None:
    """`unpool` by raw indices, and `set` or `add` on flat zeros at the same indices, give the same bits."""
    formats = {"channels_last": "tf_batch", "channels_first": "onnx"}  # that number the elements as they lie
    data_format = data.draw(st.sampled_from(sorted(formats)))
    raw = data.draw(xst.raw_indices(index_formats=(formats[data_format],), data_formats=(data_format,), empty=False))
    dtype, wide = data.draw(subject.dtypes(MOVABLE)), data.draw(subject.dtypes(("int64", "int32")))
    indices = raw.indices.astype(wide)
    overlap = data.draw(st.sampled_from(("last",) if dtype == "bool" else ("last", "sum")))
    # The sums of `at` may take their addends in any order, and so they are exact here.
    contents = xst.exact_arrays if overlap == "sum" else xst.arrays
    for _ in range(SEVERAL):
        x = np.asarray(data.draw(contents(raw.x_shape, dtype)))
        subject.given(x=x, indices=indices, overlap=overlap, **raw.arguments)
        result = unpoolx.unpool(subject.array(x), subject.array(indices), overlap=overlap, **raw.arguments)
        flat = subject.array(np.zeros(int(np.prod(raw.output_shape)), x.dtype))
        op, index = {"last": "set", "sum": "add"}[overlap], subject.array(indices.reshape(-1))
        ours = subject.got(unpoolx.index_update(flat, index, subject.array(x.reshape(-1)), op), op)
        subject.same_bits(result, ours.reshape(raw.output_shape), f"unpool, overlap={overlap!r}")
