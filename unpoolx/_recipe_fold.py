"""Updates that are applied one after another: what one step is, the loop over duplicates, and its derivative.

Updates are taken in rounds: the first updates of all slots, then all second ones, and so on. No two updates of a
round share a slot, so each slot sees its updates in order. The result's derivative is
`A * dx + scatter(w * dv)` with one factor per slot and one per update; `coefficients` computes both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unpoolx._dtypes import FLOAT_BITS, integer_bits, integer_range

if TYPE_CHECKING:
    from unpoolx._backend import Backend


def apply(ops: Backend, op: str, x: Any, v: Any) -> Any:
    """One step of an operation, element by element."""
    if op == "set":
        return v
    if op == "add":
        return ops.add(x, v)
    if op == "subtract":
        return ops.add(x, -v) if "complex" in ops.dtype(x) else x - v
    if op == "multiply":
        return x * v
    if op == "divide":
        return ops.divide(x, v)
    if op == "power":
        return ops.power(x, v) if ops.dtype(x) in FLOAT_BITS or "complex" in ops.dtype(x) else _power(ops, x, v)
    return ops.where(_wins(ops, v, x, greatest=op == "max"), v, x)


def step(ops: Backend, op: str, x: Any, v: Any) -> Any:
    """One step with its derivative: what the frameworks' own rules get right is left to them."""
    return ops.folded(op, x, v, None) if op in ("min", "max", "power", "divide") else apply(ops, op, x, v)


def fold(ops: Backend, op: str, x: Any, v: Any, index: Any | None) -> Any:
    """x (rows, slots, C) after every update of v (rows, m, C), in the order of m, at `index` (rows, m, 1).

    With `index` None, one step from each element of x to the element of v at the same place.
    """
    if index is None:
        return apply(ops, op, x, v)
    slots = ops.shape(x)[-2]
    round_of, rounds = ops.occurrence(index, slots)

    def one_round(number: Any, x: Any) -> Any:
        now, old = _round(ops, x, index, round_of, number)
        return ops.scatter_along(x, now, apply(ops, op, old, v))

    return ops.loop(rounds, one_round, x)


def coefficients(ops: Backend, op: str, x: Any, v: Any, index: Any) -> tuple[Any, Any]:
    """The derivative of `fold`: a factor for each element of x, and one for each of v; a lost update's is zero."""
    if index is None:
        return _elementwise(ops, op, x, v)
    slots = ops.shape(x)[-2]
    safe = ops.where(index >= slots, ops.zero(index), index)
    if op in ("min", "max"):
        result = fold(ops, op, x, v, index)
        tied_x = _same(ops, x, result)
        tied_v = _same(ops, v, ops.take_along(result, safe)) & (index < slots)
        ones = ops.cast(tied_v, ops.dtype(v))
        count = ops.ordered_sum(ones, index, slots) + ops.cast(tied_x, ops.dtype(x))
        share = ops.divide(ops.full_like(count, 1, ops.dtype(x)), ops.where(count == 0, count + 1, count))
        return ops.where(tied_x, share, ops.zero(x)), ops.where(tied_v, ops.take_along(share, safe), ops.zero(v))
    round_of, rounds = ops.occurrence(index, slots)

    def forward(number: Any, state: Any) -> Any:
        x, before = state
        now, old = _round(ops, x, index, round_of, number)
        return ops.scatter_along(x, now, apply(ops, op, old, v)), ops.where(round_of == number, old, before)

    _, before = ops.loop(rounds, forward, (x, v))
    by_x, by_v = _partials(ops, op, before, v)

    def backward(number: Any, state: Any) -> Any:
        factor, weight = state
        here = rounds - 1 - number
        now, after = _round(ops, factor, index, round_of, here)
        return ops.scatter_along(factor, now, after * by_x), ops.where(round_of == here, after * by_v, weight)

    start = (ops.full_like(x, 1, ops.dtype(x)), ops.full_like(v, 0, ops.dtype(v)))
    factor, weight = ops.loop(rounds, backward, start)
    return factor, ops.where(index < slots, weight, ops.zero(weight))


def _elementwise(ops: Backend, op: str, x: Any, v: Any) -> tuple[Any, Any]:
    if op in ("power", "divide"):
        return _partials(ops, op, x, v)
    result = apply(ops, op, x, v)
    tied_x, tied_v = _same(ops, x, result), _same(ops, v, result)
    half = ops.cast(tied_x, ops.dtype(x)) * ops.cast(tied_v, ops.dtype(x)) * 0.5
    one = ops.full_like(x, 1, ops.dtype(x))
    zero = ops.zero(x)
    return ops.where(tied_x, one - half, zero), ops.where(tied_v, one - half, zero)


def _round(ops: Backend, x: Any, index: Any, round_of: Any, number: Any) -> tuple[Any, Any]:
    """The numbers of one round ("nowhere" for the others), and what x holds there."""
    slots = ops.shape(x)[-2]
    nowhere = ops.full((), slots, ops.dtype(index), like=index)
    now = ops.where(round_of == number, index, nowhere)
    return now, ops.take_along(x, ops.where(now >= slots, ops.zero(now), now))


def _partials(ops: Backend, op: str, x: Any, v: Any) -> tuple[Any, Any]:
    """The derivatives of one step by x and by v."""
    one = ops.full((), 1, ops.dtype(v), like=v)
    if op in ("add", "subtract"):
        ones = ops.full_like(v, 1, ops.dtype(v))
        return ones, ones if op == "add" else -ones
    if op == "multiply":
        return v, x
    if op == "divide":
        return ops.divide(ops.full_like(v, 1, ops.dtype(v)), v), ops.zero(x) - ops.divide(ops.divide(x, v), v)
    is_zero = x == ops.zero(x)
    by_x = ops.where(v == ops.zero(v), ops.zero(v), v * ops.power(x, ops.where(v == ops.zero(v), one, v - one)))
    return by_x, ops.where(is_zero, ops.zero(x), ops.power(x, v) * ops.log(ops.where(is_zero, one, x)))


def _wins(ops: Backend, v: Any, x: Any, *, greatest: bool) -> Any:
    """Where v takes the place of x: it is beyond it, or a NaN; +0.0 is greater than -0.0."""
    dtype = ops.dtype(x)
    if dtype not in FLOAT_BITS:
        return v > x if greatest else v < x
    layout = FLOAT_BITS[dtype]
    keys = []
    for array in (v, x):
        bits = ops.bits(array)
        keys.append(ops.where(bits < 0, layout.negative_zero - bits - 1, bits))
    new, old = keys
    new_nan, old_nan = ((key > layout.infinity) | (key < -layout.infinity - 1) for key in keys)
    beyond = new > old if greatest else new < old
    return ~old_nan & (new_nan | beyond)


def _same(ops: Backend, x: Any, result: Any) -> Any:
    """Where x is the result: equal, as -0.0 and +0.0 are, or a NaN as well."""
    del ops
    return (x == result) | ((x != x) & (result != result))  # noqa: PLR0124  # only a NaN differs from itself


def _power(ops: Backend, x: Any, v: Any) -> Any:
    """x**v for signed integers that wrap, by squaring; a v below zero is the bits of an unsigned number."""
    dtype = ops.dtype(x)
    least = integer_range(dtype)[0]
    result = ops.full_like(x, 1, dtype)
    for _ in range(integer_bits(dtype)):
        result = ops.where(v % 2 == 1, result * x, result)
        x, v = x * x, ops.where(v < 0, v // 2 - least, v // 2)
    return result
