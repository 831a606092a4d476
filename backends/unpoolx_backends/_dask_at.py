"""Reads and updates of Dask arrays by index: what an index means is known before anything is computed, or refused."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any, NoReturn

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

import unpoolx
from unpoolx._at import _broadcastable, _require_exponents, _require_in_range
from unpoolx._at_values import as_values, fill_of
from unpoolx._backend import Backend
from unpoolx._index_grammar import NEW, Plan, resolve
from unpoolx._recipe_at import placed
from unpoolx._registry import backend_of
from unpoolx_backends._dask_chunks import bounds
from unpoolx_backends._dask_graph import Lazy
from unpoolx_backends._numpy import backend as _numpy

Array = np.ndarray[Any, Any]


def _refuse(lacks: str, mend: str) -> NoReturn:
    raise TypeError(f"index: Dask {lacks}. {mend}")


def get(ops: Backend, x: Lazy, index: Any, mode: str, fill_value: Any) -> Lazy:
    """The indexed elements."""
    plan, arrays, lengths = resolve(ops, ops.shape(x), index, mode)
    fill = _numpy.constant(fill_of(x.dtype.name, fill_value), x.dtype.name, None)
    if _is_lazy_mask(ops, plan, arrays):
        _refuse(
            "does not know how many elements of a mask are True before it is computed, so that the result has no shape",
            "Use a NumPy mask: mask.compute()",
        )
    if plan.is_basic:
        return _with_dims(x[_slices(plan)], plan).copy()
    plan, places, outside = _numbers(ops, plan, arrays, lengths, mode)
    sub = _without_integers(x[_slices(plan)], plan)
    axes = tuple(sorted((*plan.advanced, *(axis for axis in plan.dims if axis != NEW))))
    own = [axes.index(axis) for axis in plan.advanced]
    kept = [axis for axis in range(len(axes)) if axis not in own]
    if not outside.size or not plan.slots:
        shape = (outside.size, *(sub.shape[axis] for axis in kept))
        taken = da.full(shape, fill, dtype=x.dtype)
    else:
        if len(own) == 1:
            taken = da.moveaxis(da.take(sub, places[0], axis=own[0]), own[0], 0)
        else:
            chosen: list[Any] = [slice(None)] * sub.ndim
            for axis, where in zip(own, places, strict=True):
                chosen[axis] = where
            taken = sub.vindex[tuple(chosen)]
        if outside.any():
            taken = da.where(da.from_array(outside.reshape(-1, *[1] * len(kept))), fill, taken)
    front = len(plan.index_shape)
    if front != 1:
        taken = taken.reshape((*plan.index_shape, *taken.shape[1:]))
    place = sum(axis != NEW for axis in plan.dims[: plan.place])
    taken = da.moveaxis(taken, range(front), range(place, place + front))
    return taken[_new_axes(plan)].copy()


def update(ops: Backend, x: Lazy, index: Any, values: Any, op: str, mode: str, *, unique: bool) -> Lazy:
    """x with an operation applied to its indexed elements and the values, one after another."""
    plan, arrays, lengths = resolve(ops, ops.shape(x), index, mode)
    owner = ops if backend_of(values, "values") is ops else _numpy
    values = as_values(owner, x if owner is ops else np.empty(0, x.dtype), values)
    _require_exponents(owner, values, op)
    values = _broadcastable(owner, values, plan)
    if plan.is_basic:
        return _by_slices(x, plan, da.asarray(values), op)
    if _is_lazy_mask(ops, plan, arrays):
        return _by_lazy_mask(x, plan, arrays[0], values, op)
    if owner is ops:
        _refuse(
            "does not know which values of an array fall into which chunk of x, where index arrays decide it",
            "Give NumPy's values: at(x, backend='dask') with values.compute()",
        )
    plan, places, outside = _numbers(ops, plan, arrays, lengths, mode)
    return _by_numbers(x, plan, places, outside, values, op, unique=unique)


def _is_lazy_mask(ops: Backend, plan: Plan, arrays: list[Any]) -> bool:
    return plan.is_mask and backend_of(arrays[0]) is ops


def _numbers(
    ops: Backend, plan: Plan, arrays: list[Any], lengths: list[int], mode: str
) -> tuple[Plan, list[Array], Array]:
    """A plan without masks, the place of every number on each advanced axis, in a row, and which are out of range."""
    if plan.is_mask:
        arrays = list(np.nonzero(arrays[0]))
        plan = Plan(plan.shape, plan.spans, plan.dims, plan.advanced, (len(arrays[0]),), plan.place)
        lengths = [plan.shape[axis] for axis in plan.advanced]
    places, outside = [], np.zeros(plan.index_shape, bool)
    for array, length, axis in zip(arrays, lengths, plan.advanced, strict=True):
        if backend_of(array) is ops:
            _refuse(
                "does not know which chunks an integer array of its own names before it is computed",
                "Give NumPy's integers: index.compute()",
            )
        place, out = placed(_numpy, np.asarray(array), length, mode)
        _require_in_range(_numpy, np.asarray(array), out, mode, axis, length)
        places.append(np.broadcast_to(place, plan.index_shape).ravel())
        outside = outside | out
    return plan, places, outside.ravel()


def _slices(plan: Plan) -> tuple[slice, ...]:
    """The plan's slices, the reversed ones turned."""
    found = []
    for span in plan.spans:
        end = span.start + (span.count - 1) * span.step
        if not span.count:
            found.append(slice(0, 0))
        elif span.reversed:
            found.append(slice(end, span.start - 1 if span.start else None, -span.step))
        else:
            found.append(slice(span.start, end + 1, span.step))
    return tuple(found)


def _without_integers(sub: Lazy, plan: Plan) -> Lazy:
    """Without the axes that an integer took."""
    gone = [axis for axis in range(len(plan.shape)) if axis not in plan.dims and axis not in plan.advanced]
    return sub[tuple(0 if axis in gone else slice(None) for axis in range(sub.ndim))] if gone else sub


def _new_axes(plan: Plan) -> tuple[Any, ...]:
    """An index that puts in the axes that None made; those of the advanced part are there."""
    dims: list[Any] = [None if axis == NEW else slice(None) for axis in plan.dims]
    middle = [] if plan.is_basic else [slice(None)] * len(plan.index_shape)
    place = max(plan.place, 0)
    return (*dims[:place], *middle, *dims[place:])


def _with_dims(sub: Lazy, plan: Plan) -> Lazy:
    return _without_integers(sub, plan)[_new_axes(plan)]


def _in_own_order(values: Any, plan: Plan, index_dims: int) -> Any:
    """Values of the indexed shape as (index..., an axis for each axis of x that is not advanced), by ascending index.

    `index_dims` is how many axes the advanced part has in the values.
    """
    place = max(plan.place, 0)
    order = (
        *range(place, place + index_dims),
        *range(place),
        *range(place + index_dims, index_dims + len(plan.dims)),
    )
    moved = values.transpose(order)
    item: list[Any] = [slice(None)] * index_dims
    number = 0
    for axis in plan.dims:  # what None made has length one, and what an integer took is given back
        while axis != NEW and number < axis:
            item += [] if number in plan.advanced else [None]
            number += 1
        if axis == NEW:
            item.append(0)
            continue
        item.append(slice(None, None, -1) if plan.spans[axis].reversed else slice(None))
        number = axis + 1
    item += [None for axis in range(number, len(plan.shape)) if axis not in plan.advanced]
    return moved[tuple(item)]


def _ascending(plan: Plan) -> tuple[slice, ...]:
    return tuple(
        slice(span.start, span.start + (span.count - 1) * span.step + 1, span.step) if span.count else slice(0, 0)
        for span in plan.spans
    )


def _by_slices(x: Lazy, plan: Plan, values: Lazy, op: str) -> Lazy:
    if 0 in plan.sub_shape:
        return x.copy()
    into = _ascending(plan)
    sub = x[into]
    values = _in_own_order(da.broadcast_to(values, plan.dim_shape), plan, 0)
    axes = tuple(range(x.ndim))
    made = da.blockwise(partial(_updated, op), axes, sub, axes, values, axes, dtype=x.dtype, meta=x._meta)  # noqa: SLF001
    if all(span.covers(length) for span, length in zip(plan.spans, plan.shape, strict=True)):
        return made
    result = x.copy()
    result[into] = made
    return result


def _updated(op: str, x: Array, values: Array) -> Any:
    return unpoolx.index_update(x, ..., values, op, backend="numpy")


def _by_lazy_mask(x: Lazy, plan: Plan, mask: Lazy, values: Any, op: str) -> Lazy:
    plain = len(plan.dims) + len(plan.advanced) == x.ndim and NEW not in plan.dims
    whole = plain and all(span.is_whole(length) for span, length in zip(plan.spans, plan.shape, strict=True))
    if not whole or values.size != 1:
        _refuse(
            "does not know before a mask is computed which of several values belongs to which chunk, and takes slices "
            "and integers beside a mask of its own for no index",
            "Give one value and the mask alone, or a NumPy mask: mask.compute()",
        )
    shape = [n if axis in plan.advanced else 1 for axis, n in enumerate(x.shape)]
    item = tuple(slice(None) if axis in plan.advanced else None for axis in range(x.ndim))
    assert list(mask[item].shape) == shape  # noqa: S101
    mask = da.broadcast_to(mask[item], x.shape)
    axes = tuple(range(x.ndim))
    value = da.asarray(values).reshape(())
    made = partial(_updated_where, op)
    return da.blockwise(made, axes, x, axes, mask, axes, value, (), dtype=x.dtype, meta=x._meta)  # noqa: SLF001


def _updated_where(op: str, x: Array, mask: Array, value: Array) -> Any:
    return unpoolx.index_update(x, mask, value, op, backend="numpy")


def _by_numbers(
    x: Lazy, plan: Plan, places: list[Array], outside: Array, values: Array, op: str, *, unique: bool
) -> Lazy:
    """Each chunk gets the updates that fall into it, in their order; the others are the chunks of x themselves."""
    if not outside.size or 0 in plan.sub_shape:
        return x.copy()
    result_shape = plan.result_shape()
    shared = values.size == 1
    if not shared:
        wide = np.broadcast_to(values, result_shape)
        front = len(plan.index_shape)
        rows = wide.reshape((*result_shape[: plan.place], outside.size, *result_shape[plan.place + front :]))
        values = _in_own_order(rows, plan, 1)
    edges = [bounds(along) for along in x.chunks]
    inside = np.flatnonzero(~outside)
    blocks = [
        np.searchsorted(edges[axis], place[inside], side="right") - 1
        for axis, place in zip(plan.advanced, places, strict=True)
    ]
    found, group = np.unique(np.stack(blocks), axis=1, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(group.ravel(), minlength=found.shape[1]))[:-1]
    updates = dict(zip(map(tuple, found.T.tolist()), np.split(inside[order], ends), strict=True))
    name = f"index_update-{tokenize(x.name, plan, places, outside, values, op, unique)}"
    kept = plan.kept
    graph: dict[Any, Any] = {}
    for number in itertools.product(*(range(len(along)) for along in x.chunks)):
        own = updates.get(tuple(number[axis] for axis in plan.advanced))
        spans = [_inside(plan, axis, edges[axis][number[axis]], edges[axis][number[axis] + 1]) for axis in kept]
        if own is None or any(first >= last for first, last, _ in spans):
            graph[(name, *number)] = (x.name, *number)
            continue
        item: list[Any] = [None] * x.ndim
        for axis, place in zip(plan.advanced, places, strict=True):
            item[axis] = place[own] - edges[axis][number[axis]]
        for axis, (_, _, local) in zip(kept, spans, strict=True):
            item[axis] = local
        here = values
        if not shared:
            chosen: tuple[Any, ...] = (own, *(slice(first, last) for first, last, _ in spans))
            here = values[chosen]
            beside = all(b - a == 1 for a, b in itertools.pairwise(plan.advanced))
            here = np.moveaxis(here, 0, plan.advanced[0] if beside else 0)
        run = partial(_updated_at, tuple(item), here, op, unique)
        graph[(name, *number)] = (run, (x.name, *number))
    made = HighLevelGraph.from_collections(name, graph, dependencies=[x])
    return da.Array(made, name, x.chunks, meta=x._meta)  # noqa: SLF001


def _inside(plan: Plan, axis: int, begin: int, end: int) -> tuple[int, int, slice]:
    """Of a slice of an axis, the elements that a chunk holds: the first and the one after the last, and the slice."""
    span = plan.spans[axis]
    first = max(0, -(-(begin - span.start) // span.step))
    last = min(span.count, -(-(end - span.start) // span.step))
    if first >= last:
        return 0, 0, slice(0, 0)
    start = span.start + first * span.step - begin
    return first, last, slice(start, start + (last - first - 1) * span.step + 1, span.step)


def _updated_at(item: tuple[Any, ...], values: Array, op: str, unique: bool, x: Array) -> Any:
    return unpoolx.index_update(x, item, values, op, unique=unique, backend="numpy")
