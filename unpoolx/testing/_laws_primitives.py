"""Laws of the primitives that move elements: each required one of the contract, against plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import strategies as xst
from ._calls import MOVABLE
from ._law import law
from ._subject import Subject

Array = np.ndarray[Any, Any]
Case = tuple[dict[str, Any], Callable[[Any], Any], Array]
"""The arguments for a report, the call on the backend's own x, and what it gives."""

GATHERED = tuple(name for name in MOVABLE if name not in ("uint16", "uint32", "uint64"))
"""The dtypes that are flipped, read and scattered by numbers: wide unsigned integers come as signed ones."""


def span(data: Any, shape: tuple[int, ...]) -> tuple[dict[int, tuple[int, int, int]], tuple[slice, ...]]:
    """Start, count and step along some axes, counted from the end, and the same as slices."""
    made, index = {}, [slice(None)] * len(shape)
    for axis in data.draw(st.sets(st.integers(-len(shape), -1))):
        start, step = data.draw(st.integers(0, shape[axis] - 1)), data.draw(st.integers(1, 3))
        count = data.draw(st.integers(1, (shape[axis] - 1 - start) // step + 1))
        made[axis] = (start, count, step)
        index[axis] = slice(start, start + (count - 1) * step + 1, step)
    return made, tuple(index)


def number(data: Any, dtype: str) -> Any:
    """A Python number of a dtype, as recipes fill with them."""
    numbers: list[Any] = [0, 1]
    if dtype in xst.FLOAT_DTYPES:
        numbers += [float("-inf")]
    elif dtype.startswith("int"):
        numbers += [int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)]
    return data.draw(st.sampled_from(numbers))


def _reshape(subject: Subject, data: Any, x: Array) -> Case:
    shape = tuple(data.draw(st.permutations([*x.shape, *data.draw(st.lists(st.just(1), max_size=2))])))
    return {"shape": shape}, lambda made: subject.backend.reshape(made, list(shape)), x.reshape(shape)


def _join(subject: Subject, data: Any, x: Array) -> Case:
    axis = data.draw(st.integers(0, x.ndim - 2))
    shape = (*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])
    return {"axis": axis}, lambda made: subject.backend.join(made, axis), x.reshape(shape)


def _broadcast_to(subject: Subject, data: Any, x: Array) -> Case:
    shape = (*data.draw(st.lists(st.integers(1, 2), max_size=2)), data.draw(st.integers(1, 3)), *x.shape)
    expected = np.broadcast_to(x[None], shape)
    return (
        {"shape": shape},
        lambda made: subject.backend.broadcast_to(subject.backend.reshape(made, (1, *x.shape)), shape),
        expected,
    )


def _transpose(subject: Subject, data: Any, x: Array) -> Case:
    order = tuple(data.draw(st.permutations(range(x.ndim))))
    return {"order": order}, lambda made: subject.backend.transpose(made, order), x.transpose(order)


def _flip(subject: Subject, data: Any, x: Array) -> Case:
    axes = tuple(data.draw(st.sets(st.integers(-x.ndim, -1), min_size=1)))
    return {"axes": axes}, lambda made: subject.backend.flip(made, axes), np.flip(x, axes)


def _slice(subject: Subject, data: Any, x: Array) -> Case:
    part, index = span(data, x.shape)
    return {"span": part}, lambda made: subject.backend.slice(made, part), x[index]


def _set_slice(subject: Subject, data: Any, x: Array) -> Case:
    part, index = span(data, x.shape)
    values, expected = data.draw(xst.arrays(x[index].shape, x.dtype.name)), x.copy()
    expected[index] = values
    own = subject.array(values)
    return {"span": part, "values": values}, lambda made: subject.backend.set_slice(made, part, own), expected


def _stack(subject: Subject, data: Any, x: Array) -> Case:
    axis = data.draw(st.integers(-x.ndim, -1))
    others = [data.draw(xst.arrays(x.shape, x.dtype.name)) for _ in range(data.draw(st.integers(0, 2)))]
    own = list(map(subject.array, others))
    expected = np.stack([x, *others], axis=x.ndim + axis + 1)
    return {"others": others, "axis": axis}, lambda made: subject.backend.stack([made, *own], axis), expected


def _where(subject: Subject, data: Any, x: Array) -> Case:
    shape = tuple(data.draw(st.sampled_from((1, n))) for n in x.shape)
    condition, y = data.draw(xst.arrays(shape, "bool")), data.draw(xst.arrays(x.shape, x.dtype.name))
    if data.draw(st.booleans()):
        y = np.zeros((), x.dtype)  # as the recipes have it most often
    on, own = subject.array(condition), subject.array(y)
    expected = np.where(condition, x, y)
    return {"condition": condition, "y": y}, lambda made: subject.backend.where(on, made, own), expected


def _pad(subject: Subject, data: Any, x: Array) -> Case:
    sizes = st.integers(0, 2)
    padding = {
        axis: data.draw(st.tuples(sizes, sizes)) for axis in data.draw(st.sets(st.integers(-x.ndim, -1), min_size=1))
    }
    value = number(data, x.dtype.name)
    pairs = [padding.get(axis, (0, 0)) for axis in range(-x.ndim, 0)]
    expected = np.pad(x, pairs, constant_values=np.array(value).astype(x.dtype))
    return {"padding": padding, "value": value}, lambda made: subject.backend.pad(made, padding, value), expected


def _full(subject: Subject, data: Any, x: Array) -> Case:
    value, shape = number(data, x.dtype.name), data.draw(xst.shapes())
    expected = np.full(shape, np.array(value).astype(x.dtype))
    return (
        {"shape": shape, "value": value},
        lambda made: subject.backend.full(shape, value, x.dtype.name, like=made),
        expected,
    )


def _full_like(subject: Subject, data: Any, x: Array) -> Case:
    value = number(data, x.dtype.name)
    expected = np.full(x.shape, np.array(value).astype(x.dtype))
    return {"value": value}, lambda made: subject.backend.full_like(made, value, x.dtype.name), expected


def _zeros(subject: Subject, data: Any, x: Array) -> Case:
    shape = data.draw(st.just(()) | xst.shapes())
    expected = np.zeros(shape, x.dtype)
    if shape == ():
        return {"shape": shape}, subject.backend.zero, expected
    return {"shape": shape}, lambda made: subject.backend.zeros(shape, like=made), expected


def _along(subject: Subject, data: Any, x: Array) -> Case:
    axis, vector = data.draw(st.integers(-3, -1)), x.reshape(-1)
    expected = vector.reshape(-1, *[1] * (-axis - 1))
    return {"axis": axis}, lambda made: subject.backend.along(subject.backend.reshape(made, [x.size]), axis), expected


MOVES: dict[str, Callable[[Subject, Any, Array], Case]] = {
    "reshape": _reshape,
    "join": _join,
    "broadcast_to": _broadcast_to,
    "transpose": _transpose,
    "flip": _flip,
    "slice": _slice,
    "set_slice": _set_slice,
    "stack": _stack,
    "where": _where,
    "pad": _pad,
    "full": _full,
    "full_like": _full_like,
    "zeros": _zeros,
    "along": _along,
}


@law("dtypes", "P6", "U5", "W7", share=0.25)
def primitives_move_elements_as_the_contract_says(subject: Subject, data: Any) -> None:
    """Each primitive that moves or makes elements gives NumPy's bits, and leaves what it is given as it was."""
    shape = data.draw(xst.shapes(2, empty=False))
    for name, move in MOVES.items():
        x = data.draw(xst.arrays(shape, data.draw(subject.dtypes(GATHERED if name == "flip" else MOVABLE))))
        arguments, call, expected = move(subject, data, x)
        subject.given(primitive=name, x=x, **arguments)
        made = subject.array(x)
        subject.same_bits(call(made), np.asarray(expected), name)
        subject.same_bits(made, x, f"x after {name}")
