"""Scatter and take by numbers that follow no window, with one answer for duplicates and for numbers out of range.

Arrays have the shape (rows, m, C): updates to (rows, size, C), in which each row and each channel stands by itself
and updates come in the order of m. A framework's scatter may race, sum or wrap, so

- "last": a scatter of each update's own number with max, which no order can change, finds the winner of each slot,
  and a read brings its value;
- "sum": the first updates of all slots, then all second ones, and so on. In no round do two updates share a slot,
  so each slot is summed in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unpoolx._dtypes import accumulation_dtype
from unpoolx._layout import is_empty

if TYPE_CHECKING:
    from unpoolx._backend import Backend


def scatter(ops: Backend, x: Any, index: Any, size: Any, overlap: str) -> Any:
    """Updates x of (rows, m, C) at `index` of that shape, in order; (rows, size, C), zero where none points."""
    index = in_range_or(ops, index, size, size)
    if overlap == "sum":
        dtype = ops.dtype(x)
        total = ops.ordered_sum(ops.cast(x, accumulation_dtype(dtype)), index, size)
        return ops.positive_zero(ops.cast(total, dtype))
    writer = ops.last_writer(index, size)
    if is_empty(ops.shape(x)[-2:-1]):  # there is nothing to read, not even from a slot that loses
        return ops.full_like(writer, 0, ops.dtype(x))
    values = ops.take_along(x, ops.where(writer < 0, ops.zero(writer), writer))
    return ops.where(writer < 0, ops.zero(values), values)


def take(ops: Backend, x: Any, index: Any, size: Any, winners: bool) -> Any:
    """The slots of x (rows, size, C) that `index` (rows, m, C) names; zero where it is out of range or loses."""
    index = in_range_or(ops, index, size, size)
    read = index < ops.length(size, ops.dtype(index))
    if is_empty(ops.shape(x)[-2:-1]):
        return ops.full_like(index, 0, ops.dtype(x))
    safe = ops.where(read, index, ops.zero(index))
    values = ops.take_along(x, safe)
    if winners:
        writer = ops.take_along(ops.last_writer(index, size), safe)
        own = ops.along(ops.arange(ops.shape(index)[-2], ops.dtype(writer), like=index), -2)
        read = read & (writer == own)
    return ops.where(read, values, ops.zero(values))


def in_range_or(ops: Backend, index: Any, size: Any, otherwise: Any) -> Any:
    """`index`, with `otherwise` for every number outside `range(size)`."""
    outside = (index < 0) | (index >= ops.length(size, ops.dtype(index)))
    return ops.where(outside, ops.full((), otherwise, ops.dtype(index), like=index), index)
