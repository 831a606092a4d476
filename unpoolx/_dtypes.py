"""What the core knows of dtypes, by name: the same names in every framework."""

from __future__ import annotations

from typing import NamedTuple

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
HALVES = ("float16", "bfloat16")
FLOATS = (*HALVES, "float32", "float64")
COMPLEX = ("complex64", "complex128")
REAL = (*FLOATS, *INTEGERS, "bool")
ALL = (*REAL, *COMPLEX)


class FloatBits(NamedTuple):
    """A float's bits as a signed integer: its dtype, the bits of -0.0 (its least value) and those of +infinity."""

    integer: str
    negative_zero: int
    infinity: int


FLOAT_BITS = {
    "float16": FloatBits("int16", -(2**15), 0x7C00),
    "bfloat16": FloatBits("int16", -(2**15), 0x7F80),
    "float32": FloatBits("int32", -(2**31), 0x7F80_0000),
    "float64": FloatBits("int64", -(2**63), 0x7FF0_0000_0000_0000),
}


def accumulation_dtype(dtype: str) -> str:
    """The dtype in which values of `dtype` are summed: float32 for the half precisions, itself otherwise."""
    return "float32" if dtype in HALVES else dtype


def integer_bits(dtype: str) -> int:
    """The width of an integer dtype."""
    return int(dtype.removeprefix("u").removeprefix("int"))


def integer_range(dtype: str) -> tuple[int, int]:
    """The least and the greatest value of an integer dtype."""
    bits = integer_bits(dtype)
    return (0, 2**bits - 1) if dtype in UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
