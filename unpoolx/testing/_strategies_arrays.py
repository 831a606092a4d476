"""Hypothesis strategies for the contents of arrays, for switches and for raw indices.

Large payloads come from a drawn seed and a drawn palette of special values, not from a draw per element:
that is fast, and shrinks to one seed and one value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from ._oracle_indices import RAW_FORMATS
from ._oracle_pool import offsets_dtype
from ._oracle_window import Index, layout_of
from ._strategies_windows import Geometry

Array = npt.NDArray[Any]

FLOAT_DTYPES = ("float32", "float16", "bfloat16", "float64")
INTEGER_DTYPES = ("int32", "uint8", "int8", "int16", "int64", "uint16", "uint32", "uint64")
POOL_DTYPES = (*FLOAT_DTYPES, *INTEGER_DTYPES, "bool")
COMPLEX_DTYPES = ("complex64", "complex128")

# name: (bytes, bits of the mantissa, bits of the exponent)
_FORMATS = {"float16": (2, 10, 5), "bfloat16": (2, 7, 8), "float32": (4, 23, 8), "float64": (8, 52, 11)}


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a name; "bfloat16" needs the package ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes  # here, so that everything else works without the package

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(name)


def dtypes(names: Sequence[str] = POOL_DTYPES) -> st.SearchStrategy[str]:
    """Names of dtypes, by default all that can be pooled; give `FLOAT_DTYPES` or any other selection."""
    return st.sampled_from(list(names))


def special_values(
    dtype: str, *, nan: bool = True, infinite: bool = True, subnormal: bool = True, negative_zero: bool = True
) -> Array:
    """The values of a dtype at which mistakes show, a 1-d array: simple ones first, then the extremes."""
    made = dtype_of(dtype)
    if dtype == "bool":
        return np.array([False, True])
    if dtype not in _FORMATS:
        low, high = int(np.iinfo(made).min), int(np.iinfo(made).max)
        return np.array([0, 1, 2, high, high - 1, low, low + 1, -1 if low else 3], made)
    size, mantissa, exponent = _FORMATS[dtype]
    sign, one = 1 << (8 * size - 1), ((1 << (exponent - 1)) - 1) << mantissa
    smallest, infinity = 1 << mantissa, ((1 << exponent) - 1) << mantissa
    bits = [
        0,
        one,
        one | sign,
        one + 1,
        one + smallest,
        smallest,
        smallest | sign,
        infinity - 1,
        (infinity - 1) | sign,
    ]
    bits += [sign] if negative_zero else []
    bits += [infinity, infinity | sign] if infinite else []
    bits += [infinity | (smallest >> 1), infinity | (smallest >> 1) | sign] if nan else []
    bits += [1, 1 | sign, smallest - 1, (smallest >> 1) | sign] if subnormal else []
    return np.array(bits, f"u{size}").view(made)


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Index,
    dtype: str,
    *,
    nan: bool = True,
    infinite: bool = True,
    subnormal: bool = True,
    negative_zero: bool = True,
) -> Array:
    """Arrays of this shape and dtype (a name): few different specials or all of them, small integers, or any bits.

    Turn `nan`, `infinite`, `subnormal` or `negative_zero` off to leave such values out.
    """
    allowed = {"nan": nan, "infinite": infinite, "subnormal": subnormal, "negative_zero": negative_zero}
    if dtype in COMPLEX_DTYPES:
        part = "float32" if dtype == "complex64" else "float64"
        result = np.zeros(shape, dtype)
        result.real, result.imag = draw(arrays(shape, part, **allowed)), draw(arrays(shape, part, **allowed))
        return result
    specials = special_values(dtype, **allowed)
    kind = draw(st.sampled_from(("palette", "small", "bits", "specials")))
    numbers = st.lists(st.integers(0, len(specials) - 1), min_size=1, max_size=5)
    palette = specials[draw(numbers)] if kind == "palette" else specials
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "small":
        low = 0 if dtype == "bool" or dtype.startswith("u") else -3
        return random.integers(low, 2 if dtype == "bool" else 4, shape).astype(dtype_of(dtype))
    result = palette[random.integers(0, len(palette), shape)].reshape(shape)
    if kind == "bits" and dtype != "bool":
        size = result.dtype.itemsize
        result = random.integers(0, 1 << (8 * size), shape, f"u{size}").view(result.dtype)
        if dtype in _FORMATS:
            replaced = _not_allowed(result, dtype, allowed)
            result[replaced] = result.dtype.type(1)
    return result


def _not_allowed(array: Array, dtype: str, allowed: dict[str, bool]) -> npt.NDArray[np.bool_]:
    """Where a floating array holds what was turned off, told from its bits."""
    size, mantissa, exponent = _FORMATS[dtype]
    bits = array.view(f"u{size}")
    fraction = bits & bits.dtype.type((1 << mantissa) - 1)
    power = (bits >> bits.dtype.type(mantissa)) & bits.dtype.type((1 << exponent) - 1)
    top = (1 << exponent) - 1
    wrong = np.zeros(array.shape, np.bool_)
    for name, found in (
        ("nan", (power == top) & (fraction != 0)),
        ("infinite", (power == top) & (fraction == 0)),
        ("subnormal", (power == 0) & (fraction != 0)),
        ("negative_zero", bits == bits.dtype.type(1 << (8 * size - 1))),
    ):
        if not allowed[name]:
            wrong |= found
    return wrong


@st.composite
def exact_arrays(draw: st.DrawFn, shape: Index, dtype: str, *, largest: int = 4) -> Array:
    """Arrays of integers from -largest (0 if unsigned) to largest: sums of few products have no rounding."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = 0 if dtype == "bool" or dtype.startswith("u") else -largest
    return random.integers(low, 2 if dtype == "bool" else largest + 1, shape).astype(dtype_of(dtype))


@st.composite
def offsets_for(draw: st.DrawFn, geometry: Geometry) -> Array:
    """Legal switches for a geometry: any real element of each window, whether a maximum could be or not.

    Offsets of the pooled shape, uint8 or int32 as the kernel asks. Includes the first and the last element
    throughout, and elements that as many windows share as can.
    """
    window = geometry.window
    kind = draw(st.sampled_from(("first", "last", "random", "shared")))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    result = np.zeros(window.pooled_shape, offsets_dtype(window))
    every: Any = (slice(None),) * len(window.batch)
    channels: Any = slice(None)
    counts = (*window.batch, window.channels)
    order: dict[Index, Array] = {}
    for place, elements in window.elements().items():
        numbers = np.array(list(elements))
        if kind == "shared":  # every window points at its first element in one order of all
            ranks = [order.setdefault(position, random.random(counts)) for position in elements.values()]
            chosen = numbers[np.stack(ranks).argmin(0)]
        else:
            chosen = numbers[random.integers(0, len(numbers), counts)]
        index = window.layout.join(every, channels, place)  # one window in every batch entry and channel
        result[index] = {"first": numbers[0], "last": numbers[-1]}.get(kind, chosen)
    return result


@dataclass(frozen=True)
class RawIndices:
    """Arguments of unpooling by raw indices: `x_shape` is the shape of x and of `indices`."""

    indices: Array
    x_shape: Index
    output_shape: Index
    index_format: str
    data_format: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments output_shape, index_format and data_format."""
        return {
            "output_shape": self.output_shape,
            "index_format": self.index_format,
            "data_format": self.data_format,
        }


@st.composite
def raw_indices(
    draw: st.DrawFn,
    min_rank: int = 1,
    max_rank: int = 3,
    *,
    index_formats: Sequence[str] = RAW_FORMATS,
    data_formats: Sequence[str] = ("channels_last", "channels_first"),
    in_range: bool = True,
    empty: bool = True,
    long_axis: bool = False,
) -> RawIndices:
    """Indices (int64) in any order and with duplicates, for every raw format; x's spatial shape is any shape.

    With `in_range=False` some, and at least one, are out of range: negative, just past the end, or beyond
    32 bits. With `long_axis` the output's first spatial axis is 129 to 256 elements long.
    """
    rank = draw(st.integers(min_rank, max_rank))
    index_format = draw(st.sampled_from(list(index_formats)))
    data_format = draw(st.sampled_from(list(data_formats)))
    layout = layout_of(data_format, rank)
    least = 0 if in_range and empty and draw(st.integers(0, 11)) == 11 else 1
    batch, channels = draw(st.integers(least, 2)), draw(st.integers(least, 3))
    most = 5 if rank < 3 else 3
    output, pooled = (draw(st.tuples(*[st.integers(1, most)] * rank)) for _ in range(2))
    output = (draw(st.integers(129, 256)), *output[1:]) if long_axis else output
    output_shape, x_shape = layout.join((batch,), channels, output), layout.join((batch,), channels, pooled)
    limit = math.prod(output) * {"spatial": 1, "tf": channels}.get(index_format, channels * batch)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    choices = np.array(draw(st.lists(st.integers(0, max(limit - 1, 0)), min_size=1, max_size=4)))
    if draw(st.booleans()):  # few different numbers, or any: both collide, the first almost always
        choices = np.arange(max(limit, 1))
    indices = choices[random.integers(0, len(choices), x_shape)].astype(np.int64)
    if not in_range:
        wrong = [-1, limit, limit + 1, -limit, 2**31, 2**32 + int(choices[0]), -(2**32), 2**63 - 1, -(2**63)]
        values = np.array(draw(st.lists(st.sampled_from(wrong), min_size=1, max_size=3)))
        flat = indices.reshape(-1)
        flat[random.integers(0, flat.size, len(values))] = values
    return RawIndices(indices, x_shape, output_shape, index_format, data_format)
