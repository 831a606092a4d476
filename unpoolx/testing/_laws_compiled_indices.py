"""Laws of compiled code: numbers from elsewhere, which compiled code can check but not refuse.

An index that names no element of its own window is nowhere, a raw index out of range is dropped, and neither touches
another element.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._calls import window_of
from ._law import compiled, law
from ._laws_compiled import SEVERAL, SHARE, run, ways
from ._laws_indices import index_dtype
from ._oracle_indices import element_number
from ._oracle_window import layout_of
from ._subject import Subject

Array = np.ndarray[Any, Any]

EXACT = ("float32", "int32")
"""Dtypes whose sums of small integers are exact in any order."""


@law("compiled", "S1", "S2", "S3", "S6", need=compiled, share=SHARE)
def compiled_switches_become_indices_and_come_back(subject: Subject, data: Any) -> None:
    """In compiled code to_indices gives the oracle's indices, and from_indices the switches of indices."""
    how, geometry = data.draw(ways(subject)), data.draw(xst.windows(large_kernels=False, max_elements=100))
    index_format, window = data.draw(st.sampled_from(oracle.INDEX_FORMATS)), window_of(geometry)
    named: dict[str, Any] = {"input_shape": geometry.shape, "index_format": index_format}

    def function(offsets: Any, indices: Any) -> Any:
        switches = unpoolx.Switches.trusted(offsets, window, geometry.spatial_shape)
        back = unpoolx.Switches.from_indices(indices, window, **named)
        return switches.to_indices(index_format), back.offsets

    program = subject.backend.compile(function, how)
    for _ in range(SEVERAL):
        offsets = data.draw(xst.offsets_for(geometry))
        indices = oracle.to_indices(offsets, **named, **geometry.arguments).astype(index_dtype(subject))
        subject.given(function="to_indices, from_indices", how=how, offsets=offsets, **named, **geometry.arguments)
        made, back = run(subject, program, offsets, indices)
        subject.same_bits(made, indices.astype(offsets.dtype) if index_format == "window" else indices, "to_indices")
        subject.same_bits(back, offsets, "from_indices")


@law("compiled", "S4", "S5", "R2", "R3", "S6", need=compiled, share=SHARE)
def a_compiled_switch_outside_its_window_is_nowhere(subject: Subject, data: Any) -> None:
    """In compiled code an index that names no element of its own window is dropped by unpool, and gather reads zero."""
    how, dtype = data.draw(ways(subject)), data.draw(subject.dtypes(EXACT))
    geometry = data.draw(xst.windows(max_rank=2, large_kernels=False, max_elements=60, batch_ranks=(1,), empty=False))
    index_format = data.draw(st.sampled_from(("window", *oracle.INDEX_FORMATS)))
    use, window = data.draw(st.sampled_from(("unpool last", "unpool sum", "gather"))), window_of(geometry)
    named: dict[str, Any] = {"input_shape": geometry.shape, "index_format": index_format}

    def function(x: Any, indices: Any) -> Any:
        if index_format == "window":
            switches = unpoolx.Switches(indices, window, geometry.spatial_shape)
        else:
            switches = unpoolx.Switches.from_indices(indices, window, **named)
        return unpoolx.gather(x, switches) if use == "gather" else unpoolx.unpool(x, switches, overlap=use[7:])

    program = subject.backend.compile(function, how)
    limit = geometry.window.size if index_format == "window" else math.prod(geometry.shape)
    first = geometry.window.layout.channels_first
    plain: dict[str, Any] = {"index_format": "spatial", "data_format": ("channels_last", "channels_first")[first]}
    for _ in range(SEVERAL):
        x = data.draw(xst.exact_arrays(geometry.shape if use == "gather" else geometry.pooled_shape, dtype))
        x = np.where(x == 0, x.dtype.type(7), x)
        right = oracle.to_indices(data.draw(xst.offsets_for(geometry)), **named, **geometry.arguments)
        indices = _half_wrong(data, right.astype(index_dtype(subject)), limit)
        subject.given(function=use, how=how, x=x, indices=indices, **named, **geometry.arguments)
        (result,) = run(subject, program, x, indices)
        places = _places(indices, geometry, index_format)
        if use == "gather":
            expected = oracle.gather_indices(x, places, out_of_range="fill", fill_value=0, **plain)
        else:
            options = {"output_shape": geometry.shape, "overlap": use[7:], "out_of_range": "drop"}
            expected = oracle.unpool_indices(x, places, **options, **plain)
        subject.same_bits(result, expected, use)


@law("compiled", "R2", "R3", "U5", "U6", need=compiled, share=SHARE)
def a_compiled_raw_index_out_of_range_is_dropped(subject: Subject, data: Any) -> None:
    """In compiled code a raw index out of range, negative or beyond 32 bits, is left out, and the others count."""
    how, raw = data.draw(ways(subject)), data.draw(xst.raw_indices(max_rank=2))
    dtype, overlap = data.draw(subject.dtypes(EXACT)), data.draw(st.sampled_from(("last", "sum")))
    whole = data.draw(subject.dtypes(xst.INTEGER_DTYPES))

    def function(x: Any, indices: Any) -> Any:
        return unpoolx.unpool(x, indices, overlap=overlap, **raw.arguments)

    program = subject.backend.compile(function, how)
    batch, channels, sizes = layout_of(raw.data_format, len(raw.x_shape) - 2).split(raw.output_shape)
    limit = math.prod(sizes) * {"spatial": 1, "tf": channels}.get(raw.index_format, channels * batch[0])
    right = np.array([min(int(n), int(np.iinfo(whole).max)) for n in raw.indices.flat], whole)
    right = right.reshape(raw.indices.shape)
    for _ in range(SEVERAL):
        x, indices = data.draw(xst.exact_arrays(raw.x_shape, dtype)), _half_wrong(data, right, limit)
        subject.given(function="unpool", how=how, x=x, indices=indices, overlap=overlap, **raw.arguments)
        (unpooled,) = run(subject, program, x, indices)
        expected = oracle.unpool_indices(x, indices, overlap=overlap, out_of_range="drop", **raw.arguments)
        subject.same_bits(unpooled, expected, "unpool")


def _half_wrong(data: Any, right: Array, limit: int) -> Array:
    """The numbers, about half of them replaced: by any below the limit, by one that narrowing would make right."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    info, shape = np.iinfo(right.dtype), right.shape
    far = [-1, limit, limit + 1, -limit, 2**31, 2**32, -(2**31) - 1, 2**63 - 1, -(2**63), 2**64 - 1]
    fixed = np.array([n for n in (0, *far, info.max, info.min) if info.min <= n <= info.max], right.dtype)
    wrong = fixed[random.integers(0, len(fixed), shape)]
    within = random.integers(0, max(1, min(limit, info.max)), shape, right.dtype)
    wrong = np.where(random.random(shape) < 0.3, within, wrong)
    if right.dtype.itemsize == 8:
        wrong = np.where(random.random(shape) < 0.3, right + right.dtype.type(2**32), wrong)
    return np.asarray(np.where(random.random(shape) < 0.5, wrong, right))


def _places(indices: Array, geometry: xst.Geometry, index_format: str) -> Array:
    """The number in its plane of the element that each index means in its own window, or -1."""
    window = geometry.window
    layout, table = window.layout, window.elements()
    result = np.full(indices.shape, -1, np.int64)
    for place in np.ndindex(indices.shape):
        batch, channel, spatial = layout.split(place)
        for offset, position in table[spatial].items():
            element = layout.join(batch, channel, position)
            shape, number = window.input_shape, offset
            if index_format != "window":
                number = element_number(element, shape, layout, index_format)
            if number == int(indices[place]):
                result[place] = element_number(element, shape, layout, "spatial")
    return result
