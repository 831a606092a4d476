"""Laws of compiled code: pooling and unpooling by switches give the bits that they give outside.

Compiling takes seconds for a program in some frameworks: few programs, of several arrays each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx
from unpoolx._backend import Capabilities

from . import oracle
from . import strategies as xst
from ._calls import HALF_DTYPES, MOVABLE, SUMMABLE, window_of
from ._law import compiled, dtypes, law
from ._subject import Subject

Array = np.ndarray[Any, Any]

SEVERAL = 6
"""Arrays for each program."""
SHARE = 0.05


def compiled_half(declared: Capabilities) -> str | None:
    """A way to compile, and a half precision."""
    return compiled(declared) or dtypes(*HALF_DTYPES)(declared)


def compiled_floats(declared: Capabilities) -> str | None:
    """A way to compile, and floats."""
    return compiled(declared) or dtypes(*xst.FLOAT_DTYPES)(declared)


def ways(subject: Subject) -> st.SearchStrategy[str]:
    """A way to compile that the backend declares."""
    return st.sampled_from(subject.declared.compiled)


def run(subject: Subject, program: Callable[..., Any], *arrays: Array) -> tuple[Any, ...]:
    """The results of a compiled function of some arrays."""
    results = program(*map(subject.array, arrays))
    return tuple(results) if isinstance(results, (tuple, list)) else (results,)


@law("compiled", "P1", "P6", "S1", "S6", "U5", need=compiled, share=SHARE)
def compiled_pooling_gives_the_same_bits(subject: Subject, data: Any) -> None:
    """In compiled code max_pool gives the oracle's values and switches, and unpool takes them back."""
    how, geometry = data.draw(ways(subject)), data.draw(xst.windows(large_kernels=False, max_elements=100))
    dtype, arguments = data.draw(subject.dtypes(xst.POOL_DTYPES)), geometry.arguments

    def function(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, **arguments)
        return values, switches.offsets, unpoolx.unpool(values, switches)

    program = subject.backend.compile(function, how)
    for number in range(SEVERAL):
        x = data.draw(xst.arrays(geometry.shape, dtype))
        if not number and x.size:  # everything ties
            x = np.full(x.shape, x.reshape(-1)[0])
        subject.given(function="max_pool, unpool", how=how, x=x, **arguments)
        values, offsets, unpooled = run(subject, program, x)
        expected, chosen = oracle.max_pool(x, **arguments)
        subject.same_bits(values, expected, "values")
        subject.same_bits(offsets, chosen, "offsets")
        back = oracle.unpool(expected, chosen, spatial_shape=geometry.spatial_shape, **arguments)
        subject.same_bits(unpooled, back, "unpool of the values")


@law("compiled", "U3", "U5", "U7", "S5", "S6", need=compiled, share=SHARE)
def compiled_unpooling_gives_the_same_bits(subject: Subject, data: Any) -> None:
    """In compiled code unpool keeps the last window and gather reads, by switches that are made there of offsets."""
    how, geometry = data.draw(ways(subject)), data.draw(xst.windows(large_kernels=False, max_elements=100))
    dtype, window, spatial = data.draw(subject.dtypes(MOVABLE)), window_of(geometry), geometry.spatial_shape

    def function(x: Any, y: Any, offsets: Any) -> Any:
        switches = unpoolx.Switches(offsets, window, spatial)
        return unpoolx.unpool(y, switches), unpoolx.gather(x, switches)

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        x, y = (data.draw(xst.arrays(shape, dtype)) for shape in (geometry.shape, geometry.pooled_shape))
        offsets = data.draw(xst.offsets_for(geometry))
        subject.given(function="unpool, gather", how=how, x=x, y=y, offsets=offsets, **geometry.arguments)
        unpooled, read = run(subject, program, x, y, offsets)
        expected = oracle.unpool(y, offsets, spatial_shape=spatial, **geometry.arguments)
        subject.same_bits(unpooled, expected, "unpool")
        subject.same_bits(read, oracle.gather(x, offsets, **geometry.arguments), "gather")


@law("compiled", "U4", "U5", "S6", need=compiled, share=SHARE)
def compiled_sums_give_the_same_bits(subject: Subject, data: Any) -> None:
    """In compiled code unpool with overlap="sum" adds in the same order, by switches that come in."""
    _sums(subject, data, SUMMABLE)


@law("compiled", "U4", "U5", "S6", need=compiled_half, share=SHARE)
def compiled_sums_of_half_precision_are_rounded_once(subject: Subject, data: Any) -> None:
    """In compiled code half precision is summed in float32, too."""
    _sums(subject, data, HALF_DTYPES)


def _sums(subject: Subject, data: Any, names: Sequence[str]) -> None:
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(names))
    geometry = data.draw(xst.windows(max_rank=2, large_kernels=False, max_elements=100, overlap=True))
    window, spatial = window_of(geometry), geometry.spatial_shape

    def function(y: Any, offsets: Any) -> Any:
        return unpoolx.unpool(y, unpoolx.Switches.trusted(offsets, window, spatial), overlap="sum")

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        y = data.draw(xst.arrays(geometry.pooled_shape, dtype) | xst.moderate_arrays(geometry.pooled_shape, dtype))
        offsets = data.draw(xst.offsets_for(geometry))
        subject.given(function="unpool", how=how, y=y, offsets=offsets, overlap="sum", **geometry.arguments)
        (unpooled,) = run(subject, program, y, offsets)
        bits = oracle.unpool_sum_bits(y, offsets, spatial_shape=spatial, **geometry.arguments)
        subject.sum_bits(unpooled, bits, "unpool")


@law("compiled", "F2", "F3", "U5", need=compiled, share=SHARE)
def compiled_unpooling_without_switches_gives_the_same_bits(subject: Subject, data: Any) -> None:
    """In compiled code unpool_fixed and unpool_nearest give the same bits."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(MOVABLE))
    blocks, scaled = data.draw(xst.blocks(max_rank=2)), data.draw(xst.blocks(max_rank=2, strides=False))
    position = data.draw(blocks.positions())

    def function(x: Any, z: Any) -> Any:
        fixed = unpoolx.unpool_fixed(x, position=position, **blocks.arguments)
        return fixed, unpoolx.unpool_nearest(z, **scaled.scale)

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        x, z = (data.draw(xst.arrays(shape, dtype)) for shape in (blocks.shape, scaled.shape))
        subject.given(how=how, x=x, position=position, **blocks.arguments, z=z, scale=scaled.scale["scale"])
        fixed, nearest = run(subject, program, x, z)
        subject.same_bits(fixed, oracle.unpool_fixed(x, position=position, **blocks.arguments), "unpool_fixed")
        subject.same_bits(nearest, oracle.unpool_nearest(z, **scaled.scale), "unpool_nearest")


@law("compiled", "F4", "U5", need=compiled_floats, share=SHARE)
def compiled_averages_give_the_same_bits(subject: Subject, data: Any) -> None:
    """In compiled code the quotients of unpool_average are correctly rounded, too, also those by a constant."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes((*xst.FLOAT_DTYPES, "float32", "float64")))
    # A quotient by a power of two is the product with its reciprocal; one by three is not.
    blocks = data.draw(xst.blocks(max_rank=2).filter(lambda b: np.prod(b.arguments["kernel_size"]) % 3 == 0))
    program = subject.backend.compile(lambda x: unpoolx.unpool_average(x, **blocks.arguments), how)
    for _ in range(SEVERAL):
        x = np.asarray(data.draw(xst.arrays(blocks.shape, dtype) | xst.moderate_arrays(blocks.shape, dtype)))
        subject.given(function="unpool_average", how=how, x=x, **blocks.arguments)
        (average,) = run(subject, program, x)
        subject.sum_bits(average, oracle.unpool_average_sum_bits(x, **blocks.arguments), "unpool_average")
