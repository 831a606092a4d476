"""Laws of unpooling by raw indices: any numbers in any order, duplicates among them, and what is refused."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._calls import MOVABLE, SEVERAL, SUMMABLE
from ._law import law
from ._laws_indices import holding, index_dtype
from ._oracle_window import layout_of
from ._subject import Subject


@law("indices", "U6", "U3", "U5")
def raw_indices_keep_the_last_value_of_each_element(subject: Subject, data: Any) -> None:
    """unpool by raw indices puts each value at the element that its index names, the last where several meet."""
    raw = data.draw(xst.raw_indices())
    dtype, indices = data.draw(subject.dtypes(MOVABLE)), raw.indices.astype(index_dtype(subject))
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(raw.x_shape, dtype))
        subject.given(x=x, indices=indices, **raw.arguments)
        ours = unpoolx.unpool(subject.array(x), subject.array(indices), **raw.arguments)
        subject.same_bits(ours, oracle.unpool_indices(x, indices, **raw.arguments), "unpool")


@law("indices", "U6", "U4", "U5")
def raw_indices_sum_the_values_of_each_element_in_order(subject: Subject, data: Any) -> None:
    """unpool by raw indices with overlap="sum" adds the values of each element in row-major order of x, bit for bit."""
    raw = data.draw(xst.raw_indices())
    dtype, indices = data.draw(subject.dtypes(SUMMABLE)), raw.indices.astype(index_dtype(subject))
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(raw.x_shape, dtype) | xst.moderate_arrays(raw.x_shape, dtype))
        subject.given(x=x, indices=indices, overlap="sum", **raw.arguments)
        ours = unpoolx.unpool(subject.array(x), subject.array(indices), overlap="sum", **raw.arguments)
        subject.sum_bits(ours, oracle.unpool_indices_sum_bits(x, indices, **raw.arguments), "unpool(overlap='sum')")


@law("indices", "U6", share=0.25)
def raw_indices_have_any_integer_dtype(subject: Subject, data: Any) -> None:
    """unpool takes raw indices of every integer dtype that holds the numbers, and means the same by them."""
    raw = data.draw(xst.raw_indices(long_axis=True, max_rank=2, index_formats=("spatial", "tf_batch")))
    x = data.draw(xst.arrays(raw.x_shape, data.draw(subject.dtypes(MOVABLE))))
    expected = oracle.unpool_indices(x, raw.indices, **raw.arguments)
    for dtype in holding(subject, raw.indices):
        indices = raw.indices.astype(dtype)
        subject.given(x=x, indices=indices, **raw.arguments)
        ours = unpoolx.unpool(subject.array(x), subject.array(indices), **raw.arguments)
        subject.same_bits(ours, expected, f"unpool by indices of {dtype}")


@law("indices", "U6", share=0.5)
def the_layout_of_raw_indices_is_never_guessed(subject: Subject, data: Any) -> None:
    """Without data_format, the one layout that the shapes leave is taken, and two are a ValueError."""
    raw = data.draw(xst.raw_indices())
    dtype, rank = data.draw(subject.dtypes(MOVABLE)), len(raw.x_shape) - 2
    x, indices = data.draw(xst.arrays(raw.x_shape, dtype)), raw.indices.astype(index_dtype(subject))
    kept = {"output_shape": raw.output_shape, "index_format": raw.index_format}
    subject.given(x=x, indices=indices, **kept)
    call = partial(unpoolx.unpool, subject.array(x), subject.array(indices), **kept)
    layouts = [layout_of(name, rank) for name in ("channels_last", "channels_first")]
    fitting = [layout for layout in layouts if layout.split(raw.x_shape)[:2] == layout.split(raw.output_shape)[:2]]
    if len(fitting) > 1:
        subject.raises(ValueError, call, "data_format", what="a layout that the shapes leave open")
    else:
        subject.same_bits(call(), oracle.unpool_indices(x, indices, **raw.arguments), "unpool")


@law("indices", "R1", "R3", "U6")
def a_raw_index_out_of_range_is_refused(subject: Subject, data: Any) -> None:
    """A raw index out of range, negative or beyond 32 bits, is an IndexError with the first one and the length."""
    raw = data.draw(xst.raw_indices(empty=False))
    dtype = data.draw(st.sampled_from(holding(subject, raw.indices)))
    overlap = data.draw(st.sampled_from(("last", "sum")))
    x = data.draw(xst.exact_arrays(raw.x_shape, data.draw(subject.dtypes(SUMMABLE))))
    batch, channels, sizes = layout_of(raw.data_format, len(raw.x_shape) - 2).split(raw.output_shape)
    rows = {"spatial": 1, "tf": channels}.get(raw.index_format, channels * math.prod(batch))
    length = math.prod(sizes) * rows
    for _ in range(SEVERAL):
        indices = raw.indices.astype(dtype)
        for _ in range(data.draw(st.integers(1, 3))):
            place = tuple(data.draw(st.integers(0, n - 1)) for n in indices.shape)
            indices[place] = data.draw(xst.wrong_numbers(int(raw.indices[place]), length, dtype))
        subject.given(x=x, indices=indices, overlap=overlap, **raw.arguments)
        made = subject.array(x), subject.array(indices)
        call = partial(unpoolx.unpool, *made, overlap=overlap, **raw.arguments)
        wrong = [place for place in np.ndindex(indices.shape) if not 0 <= int(indices[place]) < length]
        if wrong:
            parts = f"{indices[wrong[0]]} at {wrong[0]}", f"of length {length}", f"{len(wrong)} of {indices.size}"
            subject.raises(IndexError, call, *parts, what="unpool")
        else:
            expected = oracle.unpool_indices(x, indices, overlap=overlap, **raw.arguments)
            subject.same_bits(call(), expected, "unpool")
