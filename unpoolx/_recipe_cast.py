"""Casts that round once.

Frameworks come to float16 from float64, and to bfloat16 from everything wide, by way of float32, which rounds twice.
A number is rounded to odd first (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms
using rounding to odd", 2008): cut to more digits than the result has, few enough for float32, with the last of them set
where something was cut off. Whatever way such a number takes, the second rounding alone decides.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from unpoolx._dtypes import FLOAT_BITS, HALVES, INTEGERS, UNSIGNED, integer_bits

if TYPE_CHECKING:
    from unpoolx._backend import Array, Backend

_CUT = 29
"""The digits that float64 has and float32 has not."""
_CUT_OF_TINY = 39
"""As many for numbers that are subnormal in float32: those that matter to bfloat16 keep 13 digits."""
_SMALLEST_NORMAL = 897 << 52
"""The bits in float64 of the least normal number of float32."""
_SUBNORMAL = 1 << 52
"""The bits in float64 of its own least normal number."""
_CUTS_OF_INTEGERS = ((24, 14), (38, 28), (52, 42))
"""From a power of two on, the digits that are cut: 10 at least remain, and 24 at most."""


def cast(ops: Backend, x: Array, dtype: str) -> Array:
    """x in another dtype: rounded once to nearest even, or wrapped."""
    given = ops.dtype(x)
    if dtype in HALVES and given == "float64":
        x = ops.fused(_double_to_odd, None, x)
    elif dtype == "bfloat16" and given in INTEGERS and integer_bits(given) > 16:
        x = ops.fused(_integer_to_odd, given, x)
    return ops.cast(x, dtype)


def number_for(number: Any, dtype: str) -> Any:
    """A Python number that becomes the dtype's nearest to it by way of double and of single precision."""
    if isinstance(number, int) and not isinstance(number, bool):
        if dtype in ("float64", "complex128"):
            return float(number)
        digits = 24 if dtype in HALVES else 40
        return float(_to_odd(number, 1 << max(abs(number).bit_length() - digits, 0)))
    if isinstance(number, float) and dtype in HALVES:
        (bits,) = struct.unpack("<q", struct.pack("<d", number))
        tiny = bits % 2**63 < _SMALLEST_NORMAL
        odd = _to_odd(bits, 1 << (_CUT_OF_TINY if tiny else _CUT))
        return struct.unpack("<d", struct.pack("<q", odd))[0]
    return number


def _to_odd(number: Any, unit: Any) -> Any:
    """An integer as a multiple of the unit, an odd one where it was none."""
    rest = number % unit
    return number - rest + unit * ((rest > 0) & (number % (2 * unit) < unit))


def _double_to_odd(ops: Backend, _: None, x: Array) -> Array:
    layout = FLOAT_BITS["float64"]

    def of(number: int) -> Array:
        return ops.full((), number, layout.integer, like=x)

    bits = ops.bits(x)
    size = ops.where(bits < 0, bits + of(layout.negative_zero), bits)
    unit = ops.where(size < _SMALLEST_NORMAL, of(1 << _CUT_OF_TINY), of(1 << _CUT))
    as_it_is = (bits % unit == 0) | (size >= layout.infinity) | (size < _SUBNORMAL)  # nothing adds to the last
    bits = ops.where(as_it_is, of(0), bits)
    step = ops.as_dtype(_array_to_odd(ops, bits, unit), "float64") - ops.as_dtype(bits, "float64")
    # The step is exact, and added, so that derivatives flow through x and not through its bits.
    return ops.where(as_it_is, x, x + step)


def _integer_to_odd(ops: Backend, given: str, x: Array) -> Array:
    signed = given.removeprefix("u")
    bits = ops.as_dtype(x, signed) if given in UNSIGNED else x
    unit = ops.full((), 1, signed, like=x)
    for digits, cut in _CUTS_OF_INTEGERS:
        if digits >= integer_bits(given):
            break
        great = bits >= (1 << digits)
        great = great | (bits < (0 if given in UNSIGNED else -(1 << digits)))
        unit = ops.where(great, ops.full((), 1 << cut, signed, like=x), unit)
    odd = _array_to_odd(ops, bits, unit)
    return ops.as_dtype(odd, given) if given in UNSIGNED else odd


def _array_to_odd(ops: Backend, bits: Array, unit: Array) -> Array:
    rest = bits % unit
    raised = (rest > 0) & (bits % (2 * unit) < unit)
    return bits - rest + ops.where(raised, unit, ops.zero(unit))
