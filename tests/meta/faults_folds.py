"""Faults of operations that accumulate: one step of them, and several updates of one element."""

from __future__ import annotations

import numpy as np
from faults import SoundNumpy, planted

from unpoolx import _recipe_fold
from unpoolx._backend import Array
from unpoolx._dtypes import FLOAT_BITS

ADD = "integer-updates-count-each-and-wrap"
FLOATS = "float-updates-lie-within-rounding-and-are-the-same-again"
COMPLEX = "complex-numbers-are-added-part-by-part"
EXTREMA = "min-and-max-of-floats-keep-nan-and-the-signs-of-zeros"
POWER = ADD
DIVIDE = "quotients-are-correctly-rounded"
OVERFLOW = "updates-pass-through-no-overflow-of-their-own"
DETERMINISM = "sums-of-many-values-come-in-one-order"


class Folding(SoundNumpy):
    """Updates one after another, tampered with."""

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        with np.errstate(all="ignore"):
            return self.result(op, x, v, index)

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        """What takes the place of the result."""
        return _recipe_fold.fold(self, op, x, v, index)

    def once(self, op: str, x: Array, v: Array, index: Array) -> Array:
        """The result where the last update of a slot is the only one."""
        writer = self.last_writer(index, x.shape[1])
        values = self.take_along(v, np.maximum(writer, 0))
        return np.where(writer < 0, x, _recipe_fold.apply(self, op, x, values))


class CountedOnce(Folding):
    """Several updates of one element count as one."""

    operation = ""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        alone = index is not None and op == self.operation
        return self.once(op, x, v, index) if alone else super().result(op, x, v, index)


@planted(ADD)
class AddCountsOnce(CountedOnce):
    """Of several numbers added to one element the last counts."""

    operation = "add"


@planted(ADD)
class SubtractCountsOnce(CountedOnce):
    """Of several numbers subtracted from one element the last counts."""

    operation = "subtract"


@planted(FLOATS)
class MultiplyCountsOnce(CountedOnce):
    """Of several factors of one element the last counts."""

    operation = "multiply"


@planted(EXTREMA)
class MaxCountsOnce(CountedOnce):
    """Of several numbers that an element is compared with by max the last counts."""

    operation = "max"


@planted(OVERFLOW)
class ValuesAddedFirst(Folding):
    """Several numbers for one element are added to each other first, and to the element at last."""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if op != "add" or index is None or x.dtype.kind in "iu":
            return super().result(op, x, v, index)
        return x + _recipe_fold.fold(self, "add", np.zeros_like(x), v, index)


@planted(OVERFLOW)
class DivisorsMultipliedFirst(Folding):
    """Several divisors of one element are multiplied by each other first."""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if op != "divide" or index is None:
            return super().result(op, x, v, index)
        return x / _recipe_fold.fold(self, "multiply", np.ones_like(x), v, index)


@planted(ADD)
class SubtractAdds(Folding):
    """Where an element comes twice, subtract adds."""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        return super().result("add" if op == "subtract" else op, x, v, index)


@planted(EXTREMA)
class ExtremaIgnoreNan(Folding):
    """min and max pass over a NaN among the values."""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if op in ("min", "max") and x.dtype.name in FLOAT_BITS:
            v = np.where(np.isnan(v), v.dtype.type(np.inf if op == "min" else -np.inf), v)
        return super().result(op, x, v, index)


@planted(EXTREMA)
class ExtremaForgetNan(Folding):
    """min and max replace a NaN of the array."""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        result = super().result(op, x, v, index)
        if op not in ("min", "max") or x.dtype.name not in FLOAT_BITS:
            return result
        other = np.where(np.isnan(x), x.dtype.type(np.inf if op == "min" else -np.inf), x)
        touched = result if index is None else np.where(self.last_writer(index, x.shape[1]) < 0, x, 0)
        return np.where(np.isnan(x) & (touched == touched), super().result(op, other, v, index), result)  # noqa: PLR0124


@planted(EXTREMA)
class ExtremaIgnoreTheSignOfZero(Folding):
    """min and max take -0.0 and +0.0 for equal, and keep what is there."""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        result = super().result(op, x, v, index)
        return np.where((x == 0) & (result == 0), x, result) if op in ("min", "max") else result


@planted(POWER)
class IntegerPowersByFloats(Folding):
    """Powers of integers go through float64."""

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if op != "power" or x.dtype.kind != "i":
            return super().result(op, x, v, index)
        return super().result(op, x.astype(np.float64), v.astype(np.float64), index).astype(x.dtype)


@planted(DIVIDE)
class DivideByTheReciprocal(SoundNumpy):
    """Division multiplies by the reciprocal, which rounds twice."""

    def divide(self, x: Array, count: Array) -> Array:
        with np.errstate(all="ignore"):
            return x * (x.dtype.type(1) / count)


@planted(COMPLEX)
class ImaginaryPartLost(SoundNumpy):
    """Complex numbers are added without their imaginary parts."""

    def add(self, x: Array, y: Array) -> Array:
        return x + (y.real if y.dtype.kind == "c" else y)


@planted(DETERMINISM)
class AddsInAnotherOrderNowAndThen(Folding):
    """In one call of twenty, numbers are added from the last to the first."""

    def __init__(self) -> None:
        self.calls = 0

    def result(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if op == "add" and index is not None:
            self.calls += 1
            if self.calls % 20 == 0:
                v, index = v[:, ::-1], index[:, ::-1]
        return super().result(op, x, v, index)
