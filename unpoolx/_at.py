"""`at`: read and update an array by index, without changing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unpoolx import _host, _recipe_at, _remembered
from unpoolx._arguments import accept, accept_first, require_one_device
from unpoolx._at_values import as_values, fill_of
from unpoolx._backend import Backend
from unpoolx._dtypes import COMPLEX, FLOATS, INTEGERS, UNSIGNED, integer_range
from unpoolx._geometry import Length
from unpoolx._index_grammar import Plan, resolve
from unpoolx._layout import are_known_equal, is_empty
from unpoolx._recipe_at import Read, Update, placed
from unpoolx._registry import backend_of, get_backend

OPERATIONS = ("set", "add", "subtract", "multiply", "divide", "power", "min", "max")


def at(x: Any, backend: str | Backend | None = None) -> Indexer:
    """Read and update x by index: `at(x)[index].set(values)` is what `x[index] = values` would make of a copy.

    x is left as it was, and no result shares memory with it.

    Args:
        x: an array of any dtype and shape.
        backend: the framework of the result; None means that of x.

    Returns:
        An object to be indexed by NumPy's whole grammar: integers, slices, `...`, None, integer arrays of any
        integer dtype (of x's framework, of NumPy, or lists), boolean masks, and any mix. Indexed, it has `get`,
        `set`, `add`, `subtract`, `multiply`, `divide`, `power`, `min`, `max` and `apply`: see `Indexed`.

    Example:
        >>> import numpy as np, unpoolx
        >>> x = np.array([0, 10, 20])
        >>> unpoolx.at(x)[[1, 1, 2]].add([1, 2, 3]), x
        (array([ 0, 13, 23]), array([ 0, 10, 20]))

    Source: the verbs are those of JAX's `jax.numpy.ndarray.at`; the grammar is NumPy's, "Indexing on ndarrays".
    """
    return Indexer(x, backend)


class Indexer:
    """What `at` returns: index it."""

    def __init__(self, x: Any, backend: str | Backend | None) -> None:
        self._x, self._backend = x, backend

    def __getitem__(self, index: Any) -> Indexed:
        return Indexed(self._x, index, self._backend)


class Indexed:
    """Indexed elements of an array. Each method returns a new array; see `index_update` and `index_get`."""

    def __init__(self, x: Any, index: Any, backend: str | Backend | None) -> None:
        self._x, self._index, self._backend = x, index, backend

    def get(self, *, mode: str = "raise", fill_value: Any = None) -> Any:
        """The indexed elements, `x[index]`."""
        return index_get(self._x, self._index, mode=mode, fill_value=fill_value, backend=self._backend)

    def set(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] = values`; of several updates of one element the last wins."""
        return self._update("set", values, mode, unique)

    def add(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] += values`, every update counted."""
        return self._update("add", values, mode, unique)

    def subtract(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] -= values`, every update counted."""
        return self._update("subtract", values, mode, unique)

    def multiply(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] *= values`, every update applied in order."""
        return self._update("multiply", values, mode, unique)

    def divide(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] /= values`, every update applied in order; x is floating or complex."""
        return self._update("divide", values, mode, unique)

    def power(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] **= values`, every update applied in order."""
        return self._update("power", values, mode, unique)

    def min(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] = minimum(x[index], values)`, NaN from either side; -0.0 is less than +0.0."""
        return self._update("min", values, mode, unique)

    def max(self, values: Any, *, mode: str = "raise", unique: bool = False) -> Any:
        """`x[index] = maximum(x[index], values)`, NaN from either side; +0.0 is greater than -0.0."""
        return self._update("max", values, mode, unique)

    def apply(self, function: Callable[[Any], Any], *, mode: str = "raise") -> Any:
        """`x[index] = function(x[index])`; the function sees the original elements, an element twice where it is."""
        if not callable(function):
            raise TypeError(f"function: expected something to call; got {type(function).__name__}")
        read = "fill" if mode == "drop" else mode
        return self._update("set", function(self.get(mode=read)), mode, unique=False)

    def _update(self, op: str, values: Any, mode: str, unique: bool) -> Any:  # private
        return index_update(self._x, self._index, values, op, mode=mode, unique=unique, backend=self._backend)


def index_get(
    x: Any, index: Any, *, mode: str = "raise", fill_value: Any = None, backend: str | Backend | None = None
) -> Any:
    """The elements of x at an index. x is left as it was, and the result shares no memory with it.

    Args:
        x: an array of any dtype and shape.
        index: NumPy's whole grammar: see `at`. Negative numbers count from the end, once.
        mode: what an integer out of range does: `"raise"`, `"fill"`, `"clip"` to the nearest end, or `"wrap"`
            modulo the length. Inside compiled code, which cannot raise, `"raise"` fills.
        fill_value: the fill; None means NaN, the lowest signed or the highest unsigned integer, or True.
        backend: the framework of the result; None means that of x.

    Returns:
        An array of x's dtype and the indexed shape, NumPy's; of no axes where that has none.

    Raises:
        IndexError: an integer out of range, with the axis and its length; an index that does not fit x.
        TypeError: index arrays of another framework; a mask inside compiled code, where the framework must know
            the result's shape.
        ValueError: an unknown mode.

    Gradient: to x, the sum of what each element was read for; none for what was filled.

    Example:
        >>> import numpy as np, unpoolx
        >>> unpoolx.index_get(np.array([1, 2, 3]), [0, 5], mode="fill", fill_value=9)
        array([1, 9])
    """
    _require_mode(mode, ("raise", "fill", "clip", "wrap"), "drop", "updates")
    ops, (x,) = accept(backend, x=x)
    with ops.beside(x):
        return ops.whole(_get, x, index, mode, fill_value)


def _get(ops: Backend, x: Any, index: Any, mode: str, fill_value: Any) -> Any:
    plan, arrays, lengths, inside = _resolved(ops, x, index, mode)
    dtype = ops.dtype(x)
    fill = fill_of(dtype, fill_value)
    work, carried = _carried(ops, x, "get")
    if plan.is_mask and _owner(arrays[0]).is_concrete(arrays[0]):
        plan, arrays, lengths, inside = _found(ops, plan, arrays[0], like=x)
    read = Read(plan, mode, tuple(lengths), inside)
    filled = None if inside or plan.is_basic or plan.is_mask else _fill_array(ops, work, dtype, fill)
    if plan.is_mask:  # its shape depends on data
        return _returned(ops, _recipe_at.get(ops, read, work, filled, *arrays), carried)
    result = _running(ops, plan)(_recipe_at.get, read, work, filled, *arrays)
    return _returned(ops, ops.copy(result) if plan.is_basic else result, carried)


def _found(ops: Backend, plan: Plan, mask: Any, like: Any) -> tuple[Plan, list[Any], list[Length], bool]:
    """The plan of a mask as that of the coordinates of its True elements, and what goes with it."""
    coordinates = _owner(mask).to_numpy(mask).nonzero()
    arrays = [_on(ops, array, like) for array in coordinates]
    plan = Plan(plan.shape, plan.spans, plan.dims, plan.advanced, plan.index_shape, plan.place)
    return plan, arrays, [plan.shape[axis] for axis in plan.advanced], True


def index_update(
    x: Any,
    index: Any,
    values: Any,
    op: str = "set",
    *,
    mode: str = "raise",
    unique: bool = False,
    backend: str | Backend | None = None,
) -> Any:
    """x with an operation applied to its elements at an index. x and the values are left as they were.

    Updates are applied one after another in row-major order of the indexed shape, however often an element comes.

    Args:
        x: an array of any dtype and shape.
        index: NumPy's whole grammar: see `at`.
        values: an array, list or number that broadcasts to the indexed shape. Python numbers are weak; otherwise the
            dtype must cast to x's by NumPy's same_kind rule. For a mask, one value per True element, row-major.
        op: `"set"`, `"add"`, `"subtract"`, `"multiply"`, `"divide"`, `"power"`, `"min"` or `"max"`.
        mode: what an integer out of range does: `"raise"`, `"drop"`, `"clip"` or `"wrap"`. Inside compiled code,
            which cannot raise, `"raise"` drops.
        unique: a promise that no element comes twice, which saves the work of putting duplicates in order. Broken, it
            leaves one of the updates, and never writes elsewhere.
        backend: the framework of the result; None means that of x.

    Returns:
        A new array of x's shape and dtype.

    Raises:
        IndexError: as in `index_get`.
        ValueError: values that do not broadcast, with both shapes; a mask whose number of True elements is not that of
            the values; an unknown mode or operation; a negative exponent for integers.
        TypeError: a dtype that does not cast; an operation that x's dtype does not have.
        OverflowError: a Python integer that x's dtype cannot hold.

    Gradient: to x, zero where it was set; to the values, the winners of `"set"` alone, every update of the others by
        its product rule; `"min"` and `"max"` share equally among ties.

    Example:
        >>> import numpy as np, unpoolx
        >>> unpoolx.index_update(np.zeros(4), slice(None, None, 2), 5.0)
        array([5., 0., 5., 0.])
    """
    if not _is_one_of(op, OPERATIONS):
        raise ValueError(f"op: expected one of {', '.join(map(repr, OPERATIONS))}; got {op!r}")
    _require_mode(mode, ("raise", "drop", "clip", "wrap"), "fill", "reads")
    if not isinstance(unique, bool):
        raise TypeError(f"unique: expected True or False; got {type(unique).__name__}")
    ops, x = accept_first(backend, x=x, values=values)
    _require_operation(ops.dtype(x), op)
    with ops.beside(x):
        return ops.whole(_update, x, index, values, op, mode, unique=unique)


def _update(ops: Backend, x: Any, index: Any, values: Any, op: str, mode: str, *, unique: bool) -> Any:
    plan, arrays, lengths, inside = _resolved(ops, x, index, mode)
    values = as_values(ops, x, values)
    _require_exponents(ops, values, op)
    values = _broadcastable(ops, values, plan)
    work, carried = _carried(ops, x, op)
    values, _ = _carried(ops, values, op)
    if plan.is_mask:
        arrays = [_on(ops, arrays[0], x)]
    static = Update(plan, op, mode, tuple(lengths), inside, unique)
    return _returned(ops, _running(ops, plan)(_recipe_at.update, static, work, values, *arrays), carried)


def _running(ops: Backend, plan: Plan) -> Callable[..., Any]:
    """How to run what a plan asks for: the program of a block would have its place in it, and serve no other."""
    return ops.in_steps if plan.is_block else ops.fused


def _is_one_of(name: object, names: tuple[str, ...]) -> bool:
    return isinstance(name, str) and name in names


def _require_mode(mode: str, allowed: tuple[str, ...], other: str, what: str) -> None:
    if not _is_one_of(mode, allowed):
        hint = f" ({mode!r} is for {what})" if _is_one_of(mode, (other,)) else ""
        raise ValueError(f"mode: expected one of {', '.join(map(repr, allowed))}; got {mode!r}{hint}")


def _require_operation(dtype: str, op: str) -> None:
    wrong = (
        (op == "divide" and dtype not in (*FLOATS, *COMPLEX))
        or (dtype == "bool" and op not in ("set", "min", "max"))
        or (dtype in COMPLEX and op in ("min", "max"))
    )
    if wrong:
        expected = {"divide": "a floating or complex", "min": "an ordered", "max": "an ordered"}.get(op, "a numeric")
        raise TypeError(f"x: {op} expected {expected} dtype; got {dtype}")


def _require_exponents(ops: Backend, values: Any, op: str) -> None:
    dtype = ops.dtype(values)
    if op == "power" and dtype in INTEGERS and dtype not in UNSIGNED and ops.is_concrete(values):
        host = ops.to_numpy(values)
        if host.size and host.min() < 0:
            raise ValueError(f"values: expected exponents >= 0 for an integer x; got {host.min()}")


def _resolved(ops: Backend, x: Any, index: Any, mode: str) -> tuple[Plan, list[Any], list[Length], bool]:
    """The plan of an index, its arrays on x's side, the lengths of their axes, and whether every number is inside."""
    plan, arrays, lengths = _remembered.plan(ops, resolve, ops.shape(x), index, mode)
    for array in arrays:
        if _owner(array) is ops:
            require_one_device(ops, x=x, index=array)
    if plan.is_mask or not arrays:
        return plan, arrays, lengths, False
    brought, inside = [], True
    for array, length, axis in zip(arrays, lengths, plan.advanced, strict=True):
        owner = _owner(array)
        if isinstance(length, int) and _is_inside(owner, array, length):
            brought.append(_on(ops, array, x))
            continue
        inside = False
        if not isinstance(length, int):  # unknown while tracing: the framework must decide
            brought.append(_on(ops, array, x))
            continue
        place, outside = owner.fused(_placed, (length, mode), array)
        if owner.is_concrete(outside):
            _require_in_range(owner, array, outside, mode, axis, length)
        if owner is not ops:  # what is out of range stays so, as one past the end
            place = np.where(outside, length, place).astype(np.int32 if length < 2**31 - 1 else np.int64)
            brought.append(_on(ops, place, x))
        else:
            brought.append(array)
    return plan, brought, lengths, inside


def _is_inside(owner: Backend, array: Any, length: int) -> bool:
    """Whether every number is seen to lie in `range(length)`; False where they cannot be seen."""
    if not owner.is_concrete(array):
        return False
    if is_empty(owner.shape(array)):
        return True
    least, greatest = owner.bounds(array)
    return least >= 0 and greatest < length


def _placed(ops: Backend, static: tuple[int, str], array: Any) -> tuple[Any, Any]:
    return placed(ops, array, *static)


def _require_in_range(owner: Backend, array: Any, outside: Any, mode: str, axis: int, length: int) -> None:
    host = owner.to_numpy(outside)
    if (mode == "raise" or (length == 0 and mode in ("clip", "wrap"))) and host.any():
        first = tuple(int(i) for i in np.argwhere(host)[0])
        raise IndexError(
            f"index: {owner.to_numpy(array)[first]} is out of range for axis {axis} of length {length}"
            + (f"; {int(host.sum())} of {host.size} numbers are" if host.size > 1 else "")
        )


def _on(ops: Backend, array: Any, x: Any) -> Any:
    owner = _owner(array)
    return array if owner is ops else _host.brought(ops, owner.to_numpy(array), x)


def _owner(array: Any) -> Backend:
    return backend_of(array) or get_backend("numpy")


def _broadcastable(ops: Backend, values: Any, plan: Plan) -> Any:
    """The values without the length-one axes that they have in front of the indexed shape."""
    shape = ops.shape(values)
    if plan.is_basic and are_known_equal(shape, plan.dim_shape):
        return values
    if plan.is_mask and plan.index_shape[0] == -1:
        rank = len(plan.dims) + 1
        expected: tuple[Any, ...] = plan.result_shape((-1,))
    else:
        expected = plan.result_shape()
        rank = len(expected)
    extra = max(len(shape) - rank, 0)
    trailing = shape[extra:]
    pairs = zip(trailing, expected[len(expected) - len(trailing) :], strict=True)
    fits = all(n == 1 for n in shape[:extra]) and all(_fits(n, m) for n, m in pairs)
    if not fits:
        raise ValueError(f"values: expected a shape that broadcasts to the indexed shape {expected}; got {shape}")
    return ops.reshape(values, trailing) if extra else values


def _fits(n: Length, m: Length) -> bool:
    """Whether a length of the values broadcasts to one of the indexed shape, as far as both are known."""
    return not (isinstance(n, int) and isinstance(m, int)) or n in (1, m) or m == -1


def _carried(ops: Backend, x: Any, op: str) -> tuple[Any, tuple[str, bool] | None]:
    """Signed integers in place of unsigned ones and bools, which not every framework can gather and compare."""
    dtype = ops.dtype(x)
    if dtype == "bool":
        return ops.cast(x, "int8"), (dtype, False)
    if dtype not in UNSIGNED:
        return x, None
    signed = dtype.removeprefix("u")
    ordered = op in ("min", "max")  # with the first bit flipped, they are in the order of the unsigned ones
    x = ops.as_dtype(x, signed)
    return ops.fused(_flipped, signed, x) if ordered else x, (dtype, ordered)


def _returned(ops: Backend, x: Any, carried: tuple[str, bool] | None) -> Any:
    if carried is None:
        return x
    dtype, ordered = carried
    if dtype == "bool":
        return ops.cast(x, "bool")
    return ops.as_dtype(ops.fused(_flipped, dtype.removeprefix("u"), x) if ordered else x, dtype)


def _flipped(ops: Backend, signed: str, x: Any) -> Any:
    """x with its first bit flipped."""
    return x + ops.full((), integer_range(signed)[0], signed, like=x)


def _fill_array(ops: Backend, work: Any, dtype: str, fill: Any) -> Any:
    if dtype in UNSIGNED:
        least = 2 ** (int(dtype.removeprefix("uint")) - 1)
        fill = fill - 2 * least if fill >= least else fill
    return ops.constant(int(fill) if dtype == "bool" else fill, ops.dtype(work), like=work)
