"""Laws of what stays as it was: arguments, and results of earlier calls, whatever is written where."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._every_call import calls
from ._law import law
from ._subject import Subject

Array = np.ndarray[Any, Any]

SHARE = 0.5


@law("immutability", "L7", "A1", share=SHARE)
def no_function_changes_its_arguments(subject: Subject, data: Any) -> None:
    """After a call every argument has the bits that it had before."""
    for call in data.draw(calls(subject)):
        subject.given(**call.inputs)
        others, arrays = copy.deepcopy(call.others), call.on(subject)
        call.results(arrays)
        for name, x in call.arrays.items():
            subject.same_bits(arrays[name], x, f"{name} after {call.function}")
        subject.holds(repr(call.others) == repr(others), "the other arguments", expected=others, got=call.others)


@law("immutability", "L7", "A1", share=SHARE)
def no_result_shares_memory_with_an_argument(subject: Subject, data: Any) -> None:
    """A later write to the memory of an argument does not show in a result, nor one to a result in an argument."""
    for call in data.draw(calls(subject)):
        subject.given(**call.inputs)
        hosts = {name: np.array(x) for name, x in call.arrays.items()}
        arrays = {name: _sharing(subject, host) for name, host in hosts.items()}
        results = call.results(arrays)
        before = {name: subject.got(result, name) for name, result in results.items()}
        for name, host in hosts.items():
            changed = _other_bits(host)
            np.copyto(host, changed)
            if subject.backend.mutable and changed.ndim:
                subject.backend.write(arrays[name], {}, None, subject.array(changed), False)
        for name, result in results.items():
            subject.same_bits(result, before[name], f"{name} of {call.function} after a write to its arguments")
        now = {name: subject.numpy(x) for name, x in arrays.items()}
        for name, result in results.items():
            view = subject.backend.to_numpy(result)
            if view.flags.writeable:
                np.copyto(view, _other_bits(before[name]))
        for name, x in arrays.items():
            subject.same_bits(x, now[name], f"{name} after a write to the result of {call.function}")


@law("immutability", "L7", "A1", share=SHARE)
def no_result_changes_later(subject: Subject, data: Any) -> None:
    """A result stays as it is, also while the same function and others are called on other numbers."""
    made = data.draw(calls(subject))
    kept = []
    for number, call in enumerate(made):
        subject.given(**call.inputs)
        for name, result in call.results(call.on(subject)).items():
            kept.append((number, name, result, subject.got(result, name)))
        changed = {name: _other_bits(x) if name in ("x", "y") else x for name, x in call.arrays.items()}
        call.results({name: subject.array(x) for name, x in changed.items()})
    for number, name, result, before in kept:
        subject.given(**made[number].inputs)
        subject.same_bits(result, before, f"{name} of {made[number].function} after other calls")


@law("immutability", "L7", "A1", "B2", share=SHARE)
def numpy_arrays_of_any_memory_are_left_alone(subject: Subject, data: Any) -> None:
    """With `backend=`, NumPy arrays of any layout in memory give the result of plain ones, and stay apart from it."""
    form = data.draw(st.sampled_from(sorted(FORMS)))
    for call in data.draw(calls(subject)):
        if not call.takes_backend:
            continue
        subject.given(**call.inputs, memory=form)
        given = {name: FORMS[form](x) for name, x in call.arrays.items()}
        results = call.results(given, backend=subject.name)
        for name, x in call.arrays.items():
            subject.holds(_bytes(given[name]) == _bytes(x), f"{name} afterwards", expected=x, got=given[name])
        before = {name: subject.got(x, name) for name, x in results.items()}
        if call.exact:
            for name, result in call.results(call.on(subject)).items():
                subject.same_bits(result, before[name], f"{name} of {call.function}, of plain memory")
        for x in given.values():
            if x.flags.writeable:
                np.copyto(x, _other_bits(x))
        for name, result in results.items():
            subject.same_bits(result, before[name], f"{name} of {call.function} after a write to its arguments")


@law("immutability", "L7", "B1", share=0.2)
def lists_are_left_alone(subject: Subject, data: Any) -> None:
    """Arguments that are lists are read, and stay as they were."""
    raw = data.draw(xst.raw_indices(data_formats=("channels_last",), index_formats=("spatial",)))
    x = data.draw(xst.exact_arrays(raw.x_shape, data.draw(subject.dtypes(("float32", "int32")))))
    indices, shape = raw.indices.tolist(), list(raw.output_shape)
    window = [1] * (len(shape) - 2)
    flat, index = x.reshape(-1), data.draw(xst.indices((max(x.size, 1),), forms=("list",)))
    flat = flat if flat.size else np.zeros(1, x.dtype)
    uses: dict[str, tuple[Callable[..., Any], list[Any], Array]] = {
        "unpool": (
            lambda indices, shape: unpoolx.unpool(
                subject.array(x), indices, output_shape=shape, index_format="spatial", data_format="channels_last"
            ),
            [indices, shape],
            oracle.unpool_indices(x, raw.indices, **raw.arguments),
        ),
        "max_pool": (lambda *w: unpoolx.max_pool(subject.array(x), *w)[0], [window, window, [0] * len(window)], x),
        "unpool_nearest": (lambda scale: unpoolx.unpool_nearest(subject.array(x), scale), [window], x),
        "get": (lambda i: unpoolx.at(subject.array(flat))[i].get(), [index], oracle.index_get(flat, index)),
        "set": (
            lambda i: unpoolx.at(subject.array(flat))[i].set(flat[:1].tolist()),
            [index],
            oracle.index_update(flat, index, flat[:1]),
        ),
    }
    for name, (function, lists, expected) in uses.items():
        subject.given(function=name, x=x, lists=lists)
        before = copy.deepcopy(lists)
        subject.same_bits(function(*lists), expected, name)
        subject.holds(lists == before, f"the lists after {name}", expected=before, got=lists)


def _sharing(subject: Subject, host: Array) -> Any:
    """An array of the backend that shares the memory of the host's, if the backend makes such arrays."""
    made = subject.backend.from_numpy(host)
    return made if subject.device is None else subject.backend.to_device(made, subject.device)


def _other_bits(x: Array) -> Array:
    """An array that differs in every element, also where both are NaN."""
    if x.dtype == np.bool_:
        return np.logical_not(x)
    inverted = ~np.frombuffer(np.ascontiguousarray(x).tobytes(), np.uint8)
    return np.frombuffer(inverted.tobytes(), x.dtype).reshape(x.shape)


def _bytes(x: Array) -> tuple[Any, ...]:
    return x.shape, x.dtype, x.tobytes()


def _every_second(x: Array) -> Array:
    """x in every second element of a larger block, along every axis."""
    room = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
    inner: Any = (*(slice(1, None, 2) for _ in x.shape), ...)
    room[inner] = x
    return np.asarray(room[inner])


def _backwards(x: Array) -> Array:
    reverse: Any = (*(slice(None, None, -1) for _ in x.shape), ...)
    return np.asarray(x[reverse].copy()[reverse])


def _read_only(x: Array) -> Array:
    frozen = x.copy()
    frozen.flags.writeable = False
    return frozen


FORMS: dict[str, Callable[[Array], Array]] = {
    "every second element of a block": _every_second,
    "negative strides": _backwards,
    "plain": np.copy,
    "read-only": _read_only,
    "transposed": lambda x: x.T.copy().T,
}
"""Layouts in memory of a NumPy array."""
