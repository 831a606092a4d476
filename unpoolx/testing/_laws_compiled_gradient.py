"""Laws of compiled code: its gradients are those of the same function outside."""

from __future__ import annotations

from typing import Any

import numpy as np

import unpoolx
from unpoolx._backend import Capabilities

from . import oracle
from . import strategies as xst
from ._calls import window_of
from ._law import compiled, gradient, law
from ._laws_compiled import ways
from ._laws_gradient import same_numbers
from ._subject import Subject

SHARE = 0.03
"""A program and its derivative take longer than a program."""
SEVERAL = 4
"""Arrays for each program. They hold small integers, whose sums are exact in any order."""


def compiled_gradient(declared: Capabilities) -> str | None:
    """A way to compile, and reverse mode."""
    return compiled(declared) or gradient(declared)


@law("compiled", "U8", "U9", "S6", need=compiled_gradient, share=SHARE)
def gradients_of_compiled_pooling_and_unpooling(subject: Subject, data: Any) -> None:
    """The gradient of a compiled round trip, and of unpooling by switches beside it, is that outside."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(("float32", "float64")))
    geometry = data.draw(xst.windows(max_rank=2, large_kernels=False, max_elements=40))
    window, spatial, arguments = window_of(geometry), geometry.spatial_shape, geometry.arguments

    def function(x: Any, y: Any, offsets: Any) -> Any:
        switches = unpoolx.Switches.trusted(offsets, window, spatial)
        round_trip = unpoolx.unpool(*unpoolx.max_pool(x, window))
        return round_trip + unpoolx.unpool(y, switches) * x

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        x, dx = (data.draw(xst.exact_arrays(geometry.shape, dtype)) for _ in range(2))
        y, offsets = data.draw(xst.exact_arrays(geometry.pooled_shape, dtype)), data.draw(xst.offsets_for(geometry))
        subject.given(how=how, x=x, y=y, offsets=offsets, cotangent=dx, **arguments)
        arrays, made = [subject.array(x), subject.array(y)], subject.array(offsets)
        by_x, by_y = subject.backend.vjp(lambda x, y: program(x, y, made), arrays, subject.array(dx))  # noqa: B023  # called at once
        _, chosen = oracle.max_pool(x, **arguments)
        back = oracle.unpool_last_gradient(dx, chosen, **arguments)
        plain = {"spatial_shape": spatial, **arguments}
        expected = oracle.unpool(back, chosen, overlap="sum", **plain) + dx * oracle.unpool(y, offsets, **plain)
        same_numbers(subject, by_x, expected, "x's gradient")
        same_numbers(subject, by_y, oracle.unpool_last_gradient(dx * x, offsets, **arguments), "y's gradient")


@law("compiled", "A17", "A19", "A20", need=compiled_gradient, share=SHARE)
def gradients_of_compiled_reads_and_updates(subject: Subject, data: Any) -> None:
    """The gradient of compiled reads and updates is that outside, and what was out of range has none."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(("float32", "float64")))
    shape = data.draw(xst.shapes(1, 1, empty=False))
    count = 5

    def function(x: Any, values: Any, numbers: Any) -> Any:
        at = unpoolx.at(x)[numbers]
        return at.set(values) + at.add(values * at.get(mode="clip"))

    program = subject.backend.compile(function, how)
    far = (2**31, 2**32, 2**63 - 1, -(2**63)) if "int64" in subject.declared.dtypes else (2**31 - 1,)
    choices = np.array([*range(-shape[0], shape[0]), shape[0], -shape[0] - 1, *far])
    for _ in range(SEVERAL):
        numbers = choices[data.draw(xst.exact_arrays((count,), "uint8", largest=len(choices) - 1))]
        numbers = numbers.astype("int64" if "int64" in subject.declared.dtypes else "int32")
        x, values, dx = (data.draw(xst.exact_arrays(s, dtype)) for s in (shape, (count,), shape))
        subject.given(how=how, x=x, values=values, index=numbers, cotangent=dx)
        arrays, made = [subject.array(x), subject.array(values)], subject.array(numbers)
        by_x, by_values = subject.backend.vjp(lambda x, v: program(x, v, made), arrays, subject.array(dx))  # noqa: B023  # called at once
        read = oracle.index_get(x, numbers, mode="clip")
        first = oracle.index_update_gradients(x, numbers, values, dx, "set", mode="drop")
        second = oracle.index_update_gradients(x, numbers, values * read, dx, "add", mode="drop")
        through = oracle.index_get_gradient(shape, numbers, second.values * values, mode="clip")
        same_numbers(subject, by_x, (first.x + second.x + through).astype(dtype), "x's gradient")
        same_numbers(subject, by_values, (first.values + second.values * read).astype(dtype), "the values' gradient")
