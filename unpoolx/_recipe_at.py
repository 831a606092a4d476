"""Indexed read and update by a `Plan`: slices first, then one scatter or take on rows.

After the slices, the axes of the advanced part are brought to the front and joined, so that x is (1, slots, C) and
values are (1, m, C): the form of `_recipe_scatter`, with one number for all C columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from unpoolx import _recipe_fold
from unpoolx._dtypes import UNSIGNED, integer_bits, integer_range
from unpoolx._index_grammar import NEW, Plan
from unpoolx._layout import are_known_equal, is_empty, product
from unpoolx._recipe_blocks import dilated

if TYPE_CHECKING:
    from unpoolx._backend import Backend


class Update(NamedTuple):
    """The static part of an update.

    Attributes:
        plan: what the index means.
        op: the operation.
        mode: what numbers out of range do.
        lengths: of the axes that the index arrays number.
        inside: whether every number was seen to lie in `range(length)`, so that none need be placed.
        unique: whether no element comes twice.
    """

    plan: Plan
    op: str
    mode: str
    lengths: tuple[int, ...]
    inside: bool
    unique: bool


class Read(NamedTuple):
    """The static part of a read: as of an update."""

    plan: Plan
    mode: str
    lengths: tuple[int, ...]
    inside: bool


def get(ops: Backend, read: Read, x: Any, fill: Any, *arrays: Any) -> Any:
    """The indexed elements; `fill` (of no axes) for a number out of range."""
    plan = read.plan
    sub = _sliced(ops, x, plan)
    if plan.is_basic:
        return ops.reshape(sub, plan.dim_shape)
    if plan.is_mask:
        (index,) = ops.nonzero(ops.reshape(arrays[0], [plan.slots]))
        index_shape = ops.shape(index)
    else:
        index, index_shape = linear_index(ops, read, arrays, like=x), plan.index_shape
    rows = _to_rows(ops, sub, plan)
    flat = ops.reshape(index, [1, product(index_shape), 1])
    if is_empty((plan.slots,)):  # a slot that nothing reads, so that derivatives find x
        rows = ops.pad(rows, {-2: (0, 1)}, 0)
    if read.inside or plan.is_mask:
        return _from_rows(ops, ops.take_along(rows, flat), plan, index_shape)
    nowhere = flat >= plan.slots
    taken = ops.take_along(rows, ops.where(nowhere, ops.zero(flat), flat))
    return _from_rows(ops, ops.where(nowhere, fill, taken), plan, index_shape)


def update(ops: Backend, static: Update, x: Any, values: Any, *arrays: Any) -> Any:
    """x with an operation applied to its indexed elements and the values, one after another."""
    plan = static.plan
    if plan.is_basic:
        sub_shape = plan.sub_shape
        if not are_known_equal(ops.shape(values), sub_shape):
            values = ops.reshape(ops.broadcast_to(values, plan.dim_shape), sub_shape)
        if static.op != "set":
            values = _recipe_fold.step(ops, static.op, _sliced(ops, x, plan), values)
        return _unsliced(ops, x, plan, values, is_new=static.op != "set")
    rows = _to_rows(ops, _sliced(ops, x, plan), plan)
    if plan.is_mask:
        updated = _by_mask(ops, static.op, rows, values, arrays[0], plan)
    else:
        values = ops.broadcast_to(values, plan.result_shape())
        count = product(plan.index_shape)
        if is_empty((count, *ops.shape(rows))):
            return ops.copy(x)
        values = _values_to_rows(ops, values, plan, plan.index_shape)
        index = ops.reshape(linear_index(ops, static, arrays, like=x), [1, count, 1])
        updated = _by_numbers(ops, static, rows, values, index)
    # No update arrived where the rows come back themselves; and what was turned had better lie in memory as x does.
    is_new = updated is not rows and plan.order == tuple(range(len(plan.shape)))
    return _unsliced(ops, x, plan, _rows_back(ops, updated, plan), is_new=is_new)


def linear_index(ops: Backend, static: Update | Read, arrays: Any, like: Any) -> Any:
    """One number per element of the advanced part, in range(slots); `slots` itself for one out of range."""
    plan = static.plan
    wide = "int64" if "int64" in ops.dtypes() else "int32"
    if static.inside and len(arrays) == 1:
        return arrays[0] if ops.dtype(arrays[0]) in ("int32", "int64") else ops.cast(arrays[0], wide)
    number: Any = ops.full(plan.index_shape, 0, wide, like=like)
    nowhere: Any = None
    for array, length in zip(arrays, static.lengths, strict=True):
        place, outside = (ops.cast(array, wide), None) if static.inside else placed(ops, array, length, static.mode)
        number = number * length + place
        nowhere = outside if nowhere is None else nowhere | outside
    return number if nowhere is None else ops.where(nowhere, ops.full((), plan.slots, wide, like=like), number)


def placed(ops: Backend, array: Any, length: int, mode: str) -> tuple[Any, Any]:
    """An index array with negatives counted from the end and the mode applied, and where it is out of range.

    Decided in the array's own width: a number beyond it is out of range, and never what it would be when narrowed.
    """
    wide = "int64" if "int64" in ops.dtypes() else "int32"
    dtype = ops.dtype(array)
    numbers = ops.cast(array, wide)
    length = ops.length(length, wide)
    empty = is_empty((length,))
    # What the signed dtype cannot hold of an unsigned one has turned negative, and is 2**bits less than it was.
    huge = numbers < 0 if dtype in UNSIGNED else None
    if mode == "wrap" and not empty:
        place = numbers % length
        if huge is not None:
            lost = 2 ** integer_bits(wide) % length
            place = ops.where(huge, (place - (length - lost)) % length, place)
        return place, ops.full_like(numbers, 0, "bool")
    if huge is not None:
        numbers = ops.where(huge, ops.full((), integer_range(wide)[1], wide, like=numbers), numbers)
    counted = ops.where(numbers < 0, numbers + length, numbers)
    if mode == "clip" and not empty:
        last = ops.full((), length - 1, wide, like=numbers)
        low = ops.where(counted < 0, ops.zero(counted), counted)
        return ops.where(low > last, last, low), ops.full_like(numbers, 0, "bool")
    outside = (counted < 0) | (counted >= length)
    return ops.where(outside, ops.zero(counted), counted), outside


def _by_numbers(ops: Backend, static: Update, rows: Any, values: Any, index: Any) -> Any:
    slots = static.plan.slots
    if static.op == "set":
        return ops.scatter_along(rows, index if static.unique else _winners(ops, index, slots), values)
    if static.unique:
        safe = ops.where(index >= slots, ops.zero(index), index)
        new = _recipe_fold.step(ops, static.op, ops.take_along(rows, safe), values)
        return ops.scatter_along(rows, index, new)
    return ops.folded(static.op, rows, values, index)


def _winners(ops: Backend, index: Any, slots: Any) -> Any:
    """The numbers of an index (1, m, 1) that come last in their slots; `slots`, which is nowhere, for the others."""
    nowhere = ops.full((), slots, ops.dtype(index), like=index)
    writer = ops.last_writer(index, slots)
    last = ops.take_along(writer, ops.where(index < nowhere, index, ops.zero(index)))
    own = ops.along(ops.arange(ops.shape(index)[1], ops.dtype(last), like=index), -2)
    return ops.where(last == own, index, nowhere)


def _by_mask(ops: Backend, op: str, rows: Any, values: Any, mask: Any, plan: Plan) -> Any:
    """Update where the mask is True: by a comparison, with the values in row-major order of the True elements."""
    slots, columns = plan.slots, ops.shape(rows)[-1]
    hit = ops.reshape(mask, [1, slots, 1])
    shape = ops.shape(values)
    rank = 1 + len(plan.dims)
    along = len(shape) - rank + plan.place  # the values' axis of True elements, if they have it
    length = shape[along] if along >= 0 else 1
    rest = plan.dim_shape
    values = ops.broadcast_to(values, (*rest[: plan.place], length, *rest[plan.place :]))
    values = _values_to_rows(ops, values, plan, (length,))
    if is_empty((length, slots)):
        return rows
    if length == 1:
        spread = values if op == "set" else ops.broadcast_to(values, (1, slots, columns))
    else:
        number = ops.reshape(ops.count_before(ops.reshape(mask, [slots])), [1, slots, 1])
        hit = hit & (number < length)
        spread = ops.take_along(values, ops.where(hit, number, ops.zero(number)))
    return ops.where(hit, _recipe_fold.step(ops, op, rows, spread), rows)


def _sliced(ops: Backend, x: Any, plan: Plan) -> Any:
    rank = len(plan.shape)
    for axis, span in enumerate(plan.spans):
        if not span.is_whole(plan.shape[axis]):
            x = ops.slice(x, {axis - rank: (span.start, span.count, span.step)})
    turned = tuple(axis for axis, span in enumerate(plan.spans) if span.reversed)
    return ops.flip(x, turned) if turned else x


def _unsliced(ops: Backend, x: Any, plan: Plan, sub: Any, *, is_new: bool) -> Any:
    """x with its slices replaced by `sub`, which may be the result itself where it is new."""
    if is_empty(plan.sub_shape):
        return ops.copy(x)
    turned = tuple([axis for axis, span in enumerate(plan.spans) if span.reversed])
    sub = ops.flip(sub, turned) if turned else sub
    rank = len(plan.shape)
    spans = {
        axis - rank: (span.start, span.count, span.step)
        for axis, span in enumerate(plan.spans)
        if not span.covers(plan.shape[axis])
    }
    return sub if is_new and not spans else ops.set_slice(x, spans, sub)


def set_strided(ops: Backend, x: Any, span: Any, values: Any) -> Any:
    """x with a strided slice replaced, by spreading the values over it and a comparison of positions."""
    rank = len(ops.shape(x))
    inside: Any = None
    for axis, (start, count, step) in span.items():
        length = ops.shape(x)[axis]
        values = dilated(ops, values, axis, step)
        used = (count - 1) * step + 1
        values = ops.pad(ops.slice(values, {axis: (0, used, 1)}), {axis: (start, length - start - used)}, 0)
        at = ops.arange(length, "int32", like=x) - start
        here = ops.along((at >= 0) & (at < used) & (at % step == 0), axis)
        inside = here if inside is None else inside & here
    return ops.where(ops.reshape(inside, [1] * (rank - len(ops.shape(inside))) + list(ops.shape(inside))), values, x)


def _to_rows(ops: Backend, sub: Any, plan: Plan) -> Any:
    """(1, slots, C): the axes of the advanced part in front, the rest as columns."""
    moved = ops.transpose(sub, plan.order)
    return ops.reshape(moved, [1, plan.slots, product(plan.spans[axis].count for axis in plan.kept)])


def _rows_back(ops: Backend, rows: Any, plan: Plan) -> Any:
    order = plan.order
    moved = ops.reshape(rows, [plan.spans[axis].count for axis in order])
    return ops.transpose(moved, tuple(order.index(axis) for axis in range(len(order))))


def _from_rows(ops: Backend, taken: Any, plan: Plan, index_shape: tuple[int, ...]) -> Any:
    split = ops.reshape(taken, [*index_shape, *plan.dim_shape])
    front = len(index_shape)
    order = (
        *range(front, front + plan.place),
        *range(front),
        *range(front + plan.place, front + len(plan.dims)),
    )
    return ops.transpose(split, order)


def _values_to_rows(ops: Backend, values: Any, plan: Plan, index_shape: tuple[int, ...]) -> Any:
    front = len(index_shape)
    order = (
        *range(plan.place, plan.place + front),
        *range(plan.place),
        *range(plan.place + front, front + len(plan.dims)),
    )
    columns = product(n for n, axis in zip(plan.dim_shape, plan.dims, strict=True) if axis != NEW)
    return ops.reshape(ops.transpose(values, order), [1, product(index_shape), columns])
