"""Several elements at once, as a processor's vectors hold them, for loops that Numba compiles.

A loop that compares the numbers of windows with the number of an element is one instruction for a whole vector, but
compilers find it only in loops so simple that the result would be written more than once. So the loops of
`_numba_unpool.py` name what they do with `LANES` neighbours: they hold them as a value of the type `Lanes`, which LLVM
puts into as many registers as the processor needs. Arrays here have one axis and no gaps, and nothing is checked: `at`
and the elements after it must be inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

LANES = 16
"""How many elements a vector has, of any dtype."""

_INDEX = ir.IntType(32)


class Lanes(types.Type):
    """So many elements as integers of a width."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__(name=f"Lanes({bits})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]  # numba has no types
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _vector(kind.bits))


def _vector(bits: int) -> ir.VectorType:
    return ir.VectorType(ir.IntType(bits), LANES)


def _bits(array: Any) -> int:
    return int(array.dtype.bitwidth)


class _Maker:
    """What LLVM is told, with the arguments of an intrinsic by their places."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.context, self.builder, self.kinds, self.values = context, builder, signature.args, values

    def _address(self, array: int, at: Any) -> Any:
        kind = self.kinds[array]
        data = self.context.make_array(kind)(self.context, self.builder, self.values[array]).data
        return self.builder.bitcast(self.builder.gep(data, [at]), _vector(_bits(kind)).as_pointer())

    def load(self, array: int, at: Any) -> Any:
        """The elements of an array from `at` on, as integers."""
        return self.builder.load(self._address(array, at), align=_bits(self.kinds[array]) // 8)

    def store(self, array: int, at: Any, lanes: Any) -> None:
        """Write the elements of an array from `at` on."""
        self.builder.store(lanes, self._address(array, at), align=_bits(self.kinds[array]) // 8)

    def moved(self, at: Any, by: int) -> Any:
        """A place further on."""
        return self.builder.add(at, ir.Constant(at.type, by))

    def mixed(self, one: Any, other: Any, order: list[int]) -> Any:
        """Elements of two vectors, in an order that counts those of the other on from those of the one."""
        return self.builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_INDEX, len(order)), order))

    def equal(self, array: int, at: Any, number: Any) -> Any:
        """Which elements of an array from `at` on are equal to a number."""
        held = self.load(array, at)
        narrow, wide = held.type.element, number.type
        number = self.builder.trunc(number, narrow) if narrow.width < wide.width else number
        lone = self.builder.insert_element(ir.Constant(held.type, ir.Undefined), number, _INDEX(0))
        return self.builder.icmp_signed("==", held, self.mixed(lone, lone, [0] * LANES))

    def chosen(self, where: Any, one: Any, other: Any) -> Any:
        """The one where it says so, and elsewhere the other."""
        return self.builder.select(where, one, other)

    def sum(self, array: int, one: Any, other: Any) -> Any:
        """The sum, in the array's dtype."""
        dtype = self.kinds[array].dtype
        if not isinstance(dtype, types.Float):
            return self.builder.add(one, other)
        floats = ir.VectorType(self.context.get_value_type(dtype), LANES)
        added = self.builder.fadd(self.builder.bitcast(one, floats), self.builder.bitcast(other, floats))
        return self.builder.bitcast(added, one.type)


def _lanes(make: Callable[[_Maker, Any], Any], result: Any, *arguments: Any) -> Any:
    """An intrinsic's signature, and its code: what `make` makes of the arguments' values."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = make(_Maker(context, builder, signature, values), values)
        return context.get_dummy_value() if made is None else made

    return result(*arguments), code


@intrinsic
def zeros(_context, array):  # type: ignore[no-untyped-def]
    """Zeros, as many bits each as the array's elements have."""
    bits = _bits(array)
    return _lanes(lambda _, __: ir.Constant(_vector(bits), [0] * LANES), Lanes(bits), array)


@intrinsic
def picked(_context, values, numbers, at, number, kept):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """The values from `at` on whose numbers are this, and what was kept where they are not."""

    def make(to: _Maker, v: Any) -> Any:
        return to.chosen(to.equal(1, v[2], v[3]), to.load(0, v[2]), v[4])

    return _lanes(make, kept, values, numbers, types.intp, types.intp, kept)


@intrinsic
def added(_context, values, numbers, at, number, kept):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """What was kept, and the values from `at` on added where their numbers are this."""

    def make(to: _Maker, v: Any) -> Any:
        return to.chosen(to.equal(1, v[2], v[3]), to.sum(0, v[4], to.load(0, v[2])), v[4])

    return _lanes(make, kept, values, numbers, types.intp, types.intp, kept)


@intrinsic
def put(_context, array, at, lanes):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """Write the elements from `at` on."""
    return _lanes(lambda to, v: to.store(0, v[1], v[2]), types.void, array, types.intp, lanes)


@intrinsic
def put_in_turn(_context, array, at, one, other):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """Write the elements of two from `at` on, first of the one, then of the other, in turn."""

    def make(to: _Maker, v: Any) -> None:
        for half in range(2):
            order = [i // 2 + LANES * (i % 2) for i in range(half * LANES, (half + 1) * LANES)]
            to.store(0, to.moved(v[1], half * LANES), to.mixed(v[2], v[3], order))

    return _lanes(make, types.void, array, types.intp, one, other)


@intrinsic
def nowhere(_context):  # type: ignore[no-untyped-def]
    """No, for each element."""
    return _lanes(lambda _, __: ir.Constant(_vector(1), [0] * LANES), Lanes(1))


@intrinsic
def read_where(_context, source, at, numbers, first, number, kept):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """The source from `at` on where the numbers from `first` on are this, and what was kept where they are not."""

    def make(to: _Maker, v: Any) -> Any:
        return to.chosen(to.equal(2, v[3], v[4]), to.load(0, v[1]), v[5])

    return _lanes(make, kept, source, types.intp, numbers, types.intp, types.intp, kept)


@intrinsic
def read_second_where(_context, source, at, numbers, first, number, kept):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """`read_where` of every second element from `at` on; none after the last of these is touched."""

    def make(to: _Maker, v: Any) -> Any:
        one, other = to.load(0, v[1]), to.load(0, to.moved(v[1], LANES - 1))
        order = [*range(0, LANES, 2), *range(LANES + 1, 2 * LANES, 2)]
        return to.chosen(to.equal(2, v[3], v[4]), to.mixed(one, other, order), v[5])

    return _lanes(make, kept, source, types.intp, numbers, types.intp, types.intp, kept)


@intrinsic
def both(_context, numbers, at, number, after, other, found):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """Where the numbers from `at` on are the one and those from `after` on the other, or where it was found before."""

    def make(to: _Maker, v: Any) -> Any:
        meet = to.builder.and_(to.equal(0, v[1], v[2]), to.equal(0, v[3], v[4]))
        return to.builder.or_(v[5], meet)

    return _lanes(make, found, numbers, *[types.intp] * 4, found)


@intrinsic
def without(_context, array, at, where):  # type: ignore[no-untyped-def]  # noqa: ARG001  # Numba asks with types
    """The elements from `at` on, and zero at some."""
    bits = _bits(array)

    def make(to: _Maker, v: Any) -> Any:
        return to.chosen(v[2], ir.Constant(_vector(bits), [0] * LANES), to.load(0, v[1]))

    return _lanes(make, Lanes(bits), array, types.intp, where)
