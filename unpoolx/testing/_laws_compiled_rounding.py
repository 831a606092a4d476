"""Laws of compiled code: roundings that compilers like to change, at numbers that show it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._calls import HALF_DTYPES, window_of
from ._law import law
from ._laws_compiled import SHARE, compiled_floats, compiled_half, run, ways
from ._subject import Subject

SEVERAL = 12
"""Arrays for each program: running it costs little."""


@law("compiled", "F4", "U5", need=compiled_floats, share=SHARE)
def compiled_averages_are_correctly_rounded(subject: Subject, data: Any) -> None:
    """In compiled code unpool_average divides: a product with the reciprocal would round otherwise."""
    how, kernel = data.draw(ways(subject)), data.draw(st.sampled_from(((3,), (7,), (3, 3), (5, 2))))
    dtype = data.draw(subject.dtypes(subject.declared_of(("float32", "float64")) or xst.FLOAT_DTYPES))
    stride = data.draw(st.sampled_from((kernel, (2,) * len(kernel))))
    shape = (2, *data.draw(st.tuples(*[st.integers(1, 4)] * len(kernel))), 3)
    arguments: dict[str, Any] = {"kernel_size": kernel, "stride": stride}
    program = subject.backend.compile(lambda x: unpoolx.unpool_average(x, **arguments), how)
    for _ in range(SEVERAL):
        x = data.draw(xst.moderate_arrays(shape, dtype))
        subject.given(how=how, x=x, **arguments)
        (average,) = run(subject, program, x)
        subject.sum_bits(average, oracle.unpool_average_sum_bits(x, **arguments), "unpool_average")


@law("compiled", "U4", "U5", need=compiled_half, share=SHARE)
def compiled_sums_of_many_halves_are_rounded_once(subject: Subject, data: Any) -> None:
    """In compiled code half precision is summed in float32, where many windows point at one element."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(HALF_DTYPES))
    kernel = data.draw(st.sampled_from(((3,), (5,), (3, 3), (2, 3))))
    shape = (2, *data.draw(st.tuples(*[st.integers(4, 7)] * len(kernel))), 2)
    arguments: dict[str, Any] = {"kernel_size": kernel, "stride": (1,) * len(kernel), "padding": "SAME"}
    geometry = xst.Geometry(arguments, shape)
    window, spatial = window_of(geometry), geometry.spatial_shape

    def function(y: Any, offsets: Any) -> Any:
        return unpoolx.unpool(y, unpoolx.Switches.trusted(offsets, window, spatial), overlap="sum")

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        y = data.draw(xst.moderate_arrays(geometry.pooled_shape, dtype))
        random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        _, offsets = oracle.max_pool(random.random(shape), **arguments)  # neighbours choose the same maximum
        subject.given(function="unpool", how=how, y=y, offsets=offsets, overlap="sum", **arguments)
        (unpooled,) = run(subject, program, y, offsets)
        bits = oracle.unpool_sum_bits(y, offsets, spatial_shape=spatial, **arguments)
        subject.sum_bits(unpooled, bits, "unpool")
