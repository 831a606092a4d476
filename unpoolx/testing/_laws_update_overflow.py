"""A law of updates that accumulate: what they may pass through on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._law import dtypes, law
from ._laws_indices import index_dtype
from ._subject import Subject

GREATEST_EXPONENTS = {"float16": 15, "bfloat16": 127, "float32": 127, "float64": 1023}


@law("update", "A10", need=dtypes(*xst.FLOAT_DTYPES), share=0.3)
def updates_pass_through_no_overflow_of_their_own(subject: Subject, data: Any) -> None:
    """Sums, products and quotients that stay finite in order are exact where another order would overflow."""
    dtype = data.draw(subject.dtypes(xst.FLOAT_DTYPES))
    op = data.draw(st.sampled_from(("add", "subtract", "multiply", "divide")))
    slots, count = data.draw(st.sampled_from(((1, 6), (2, 12), (4, 24))))  # few shapes, each a program to a compiler
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = random.integers(0, slots, count).astype(index_dtype(subject))
    # Each element walks over the three places -1, 0 and 1; two steps ahead from 0 would leave what the dtype holds.
    start = random.integers(-1, 2, slots)
    place, steps = start.copy(), np.empty(count)
    for i, slot in enumerate(index):
        steps[i] = -place[slot] or random.choice((-1, 1))
        place[slot] += steps[i]
    signed = -steps if op in ("subtract", "divide") else steps
    greatest = GREATEST_EXPONENTS[dtype]
    if op in ("add", "subtract"):
        x, values = (np.ldexp(n.astype(np.float64), greatest) for n in (start, signed))
    else:
        x, values = (np.exp2(n * np.floor(0.6 * greatest)) for n in (start, signed))
    x, values = x.astype(xst.dtype_of(dtype)), values.astype(xst.dtype_of(dtype))
    subject.given(x=x, index=index, values=values, op=op)
    ours = unpoolx.index_update(subject.array(x), subject.array(index), subject.array(values), op)
    subject.same_bits(ours, oracle.index_update(x, index, values, op), op)
