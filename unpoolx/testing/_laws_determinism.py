"""Laws of repetition: the same call gives the same bits, whatever ran before it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import strategies as xst
from ._every_call import calls
from ._law import dtypes, gradient, law
from ._laws_indices import index_dtype
from ._linear_cases import linear_cases
from ._subject import Subject

ROUNDS = 12
"""How often each call is made: with every case that comes up, enough to see what goes wrong in one call of twenty."""
SLOTS = 64
"""Elements that many updates share."""


@law("determinism", "U5", "A10", "P1", share=0.5)
def the_same_bits_run_after_run(subject: Subject, data: Any) -> None:
    """Every function gives the same bits at each call on the same arguments, whatever other calls come in between."""
    made = data.draw(calls(subject, every_operation=True))
    first: dict[tuple[int, str], np.ndarray[Any, Any]] = {}
    for number, call in enumerate(made):
        subject.given(**call.inputs)
        arrays = call.on(subject)
        first |= {(number, name): subject.got(x, name) for name, x in call.results(arrays).items()}
        for _ in range(ROUNDS // 2 - 1):  # on the same arrays
            for name, x in call.results(arrays).items():
                subject.same_bits(x, first[number, name], f"{name} of {call.function} again")
    for _ in range(ROUNDS // 2):  # on arrays of the same bits, after every other call
        for number, call in enumerate(made):
            for name, x in call.results(call.on(subject)).items():
                subject.same_bits(x, first[number, name], f"{name} of {call.function} after other calls")


@law("determinism", "U5", "A10", need=dtypes(*xst.FLOAT_DTYPES), share=0.1)
def sums_of_many_values_come_in_one_order(subject: Subject, data: Any) -> None:
    """Sums and products of many floats at few elements are bitwise the same at each call."""
    dtype, count = data.draw(subject.dtypes(xst.FLOAT_DTYPES)), data.draw(st.sampled_from((256, 1024)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    numbers = random.integers(0, SLOTS, (1, count, 1)).astype(index_dtype(subject))
    x = random.uniform(0.5, 2, (1, count, 1)).astype(xst.dtype_of(dtype))
    raw: dict[str, Any] = {"output_shape": (1, SLOTS, 1), "index_format": "spatial", "data_format": "channels_last"}
    subject.given(x=x, indices=numbers, **raw)
    values, indices = subject.array(x), subject.array(numbers)
    flat, index = subject.array(x.reshape(-1)), subject.array(numbers.reshape(-1))
    ones = subject.array(np.ones(SLOTS, x.dtype))
    functions = {"unpool, overlap='sum'": partial(unpoolx.unpool, values, indices, overlap="sum", **raw)}
    functions |= {op: partial(unpoolx.index_update, ones, index, flat, op) for op in ("add", "multiply")}
    for name, function in functions.items():
        first = subject.got(function(), name)
        for _ in range(ROUNDS - 1):
            subject.same_bits(function(), first, f"{name} again")


@law("determinism", "U5", "U8", "A10", "A17", need=gradient, share=0.2)
def gradients_are_the_same_run_after_run(subject: Subject, data: Any) -> None:
    """A gradient has the same bits each time that it is taken."""
    case = data.draw(linear_cases(subject, data.draw(subject.dtypes(xst.FLOAT_DTYPES))))
    dy = data.draw(xst.arrays(case.forward(case.x).shape, case.x.dtype.name))
    subject.given(**case.inputs, cotangent=dy)
    x, cotangent = subject.array(case.x), subject.array(np.asarray(dy))
    first = subject.got(subject.backend.vjp(case.function, [x], cotangent)[0], "gradient")
    for _ in range(ROUNDS - 1):
        subject.same_bits(subject.backend.vjp(case.function, [x], cotangent)[0], first, "gradient again")
