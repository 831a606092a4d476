"""Laws of reads and updates by index: what slices, masks and index arrays of every dtype mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import oracle
from . import strategies as xst
from ._index_calls import MOVABLE, SEVERAL, get, index_on, updated, ways
from ._law import dtypes, law
from ._subject import Subject

COUNT = 5
LENGTHS = (3, 100, 130, 200, 300, 40_000)
"""Lengths of axes below and above what the narrow index dtypes can count."""


@law("update", "A2", "A5", "A25")
def slices_and_integers_mean_what_they_do_to_numpy(subject: Subject, data: Any) -> None:
    """An index of integers, slices, `None` and `...` reads and sets what NumPy's own indexing does."""
    shape = data.draw(xst.shapes())
    turned = st.just((slice(None, None, -1),) * len(shape))
    index = data.draw(xst.indices(shape, forms=("int", "slice")) | xst.indices(shape, forms=("slice",)) | turned)
    dtype, way = data.draw(subject.dtypes(MOVABLE)), data.draw(ways())
    for _ in range(SEVERAL):
        x = np.asarray(data.draw(xst.arrays(shape, dtype)))
        expected = np.asarray(x[index])
        values = np.asarray(data.draw(xst.arrays(expected.shape, dtype)))
        subject.given(x=x, index=index, values=values, op="set", way=way)
        subject.same_bits(get(subject.array(x), index_on(subject, index, way), way), expected, "the elements")
        assigned = x.copy()
        assigned[index] = values
        subject.same_bits(updated(subject, x, index, values, "set", way), assigned, "the result")


@law("update", "A2", "A13")
def an_update_by_mask_is_where(subject: Subject, data: Any) -> None:
    """An update by a mask is where(mask, the updated, x), and the same as one by the coordinates of what is True."""
    shape = data.draw(xst.shapes(1))
    dtype, way = data.draw(subject.dtypes(MOVABLE)), data.draw(ways())
    op = data.draw(st.sampled_from([op for op in ("set", "add", "min") if dtype in xst.INTEGER_DTYPES or op == "set"]))
    rank, one = data.draw(st.integers(1, len(shape))), data.draw(st.booleans())
    mask = np.asarray(data.draw(xst.arrays(shape[:rank], "bool")))
    for _ in range(SEVERAL):
        x, everywhere = (np.asarray(data.draw(xst.arrays(shape, dtype))) for _ in range(2))
        if one:  # one number for all of them
            everywhere = np.broadcast_to(np.asarray(data.draw(xst.arrays((), dtype))), shape)
        values = everywhere[(0,) * len(shape)] if one and x.size else everywhere[mask]
        made = everywhere if op == "set" else (np.add if op == "add" else np.minimum)(x, everywhere)
        expected = np.where(mask.reshape(mask.shape + (1,) * (len(shape) - rank)), made, x)
        subject.given(x=x, index=mask, values=values, op=op, way=way)
        subject.same_bits(updated(subject, x, mask, values, op, way), expected, "by the mask")
        subject.same_bits(updated(subject, x, mask.nonzero(), values, op, way), expected, "by its coordinates")


@law("update", "A4", "A5", need=dtypes(*xst.INTEGER_DTYPES), share=0.5)
def index_arrays_of_every_integer_dtype_mean_the_same(subject: Subject, data: Any) -> None:
    """An index array means the integers it holds in every dtype, on axes of any length; uint8 is no mask."""
    length, way = data.draw(st.sampled_from(LENGTHS)), data.draw(ways())
    dtype = data.draw(st.sampled_from(subject.declared_of(("float32", "int16")) or subject.declared_of(MOVABLE)))
    x = np.asarray(data.draw(xst.arrays((length,), dtype)))
    for name in subject.declared_of(xst.INTEGER_DTYPES):
        info = np.iinfo(name)
        low, high = max(int(info.min), -length), min(int(info.max), length - 1)
        numbers = st.sampled_from((low, high, 0, 1)) | st.integers(low, high)
        index = np.array(data.draw(st.lists(numbers, min_size=COUNT, max_size=COUNT)), name)
        values = np.asarray(data.draw(xst.arrays(index.shape, dtype)))
        subject.given(x=x, index=index, values=values, op="set", way=way)
        ours = get(subject.array(x), index_on(subject, index, way), way)
        subject.same_bits(ours, oracle.index_get(x, index), f"elements by {name}")
        ours = updated(subject, x, index, values, "set", way)
        subject.same_bits(ours, oracle.index_update(x, index, values), f"set by {name}")
