"""Laws of switches as the frameworks' flat indices: every format, both ways, and what is refused."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx
from unpoolx._backend import Capabilities

from . import oracle
from . import strategies as xst
from ._calls import SEVERAL, window_of
from ._law import dtypes, law
from ._subject import Subject


def index_dtype(subject: Subject) -> str:
    """The dtype of indices: int64, or int32 of a backend that has none."""
    return "int64" if "int64" in subject.declared.dtypes else "int32"


def holding(subject: Subject, indices: np.ndarray[Any, Any]) -> list[str]:
    """The integer dtypes of the backend that hold these indices."""
    low, high = int(indices.min(initial=0)), int(indices.max(initial=0))
    names = subject.declared_of(xst.INTEGER_DTYPES)
    return [name for name in names if np.iinfo(name).min <= low and high <= np.iinfo(name).max]


def without_int64(declared: Capabilities) -> str | None:
    """A backend whose indices are int32."""
    return "declares int64" if "int64" in declared.dtypes else None


@law("indices", "S2", "S3", "L4")
def switches_become_indices_of_every_format_and_come_back(subject: Subject, data: Any) -> None:
    """to_indices numbers the elements as each format does, and from_indices brings the same switches back."""
    geometry, index_format = data.draw(xst.windows()), data.draw(st.sampled_from(oracle.INDEX_FORMATS))
    window, kept = window_of(geometry), {"input_shape": geometry.shape, "index_format": index_format}
    for _ in range(SEVERAL):
        offsets = data.draw(xst.offsets_for(geometry))
        subject.given(offsets=offsets, index_format=index_format, shape=geometry.shape, **geometry.arguments)
        switches = subject.switches(offsets, window, geometry.spatial_shape)
        expected = oracle.to_indices(offsets, **kept, **geometry.arguments)
        expected = expected.astype(offsets.dtype if index_format == "window" else index_dtype(subject))
        indices = switches.to_indices(index_format)
        subject.same_bits(indices, expected, "to_indices")
        back = unpoolx.Switches.from_indices(indices, window, **kept)
        subject.same_bits(back.offsets, offsets, "the offsets that come back")
        subject.holds(back == switches, "the switches that come back", expected=switches, got=back)


@law("indices", "S2", "S5", "L4", share=0.25)
def indices_of_every_integer_dtype_become_switches(subject: Subject, data: Any) -> None:
    """from_indices, and Switches of offsets, take every integer dtype that holds the numbers."""
    narrow = st.sampled_from((6, 7, 14, 15, 31)).flatmap(lambda bits: xst.far_windows(max_rank=1, bits=bits))
    geometry = data.draw(xst.windows() | narrow)
    index_format = data.draw(st.sampled_from(oracle.INDEX_FORMATS))
    window, kept = window_of(geometry), {"input_shape": geometry.shape, "index_format": index_format}
    offsets = data.draw(xst.offsets_for(geometry))
    indices = oracle.to_indices(offsets, **kept, **geometry.arguments)
    for dtype in holding(subject, indices):
        given = indices.astype(dtype)
        subject.given(indices=given, index_format=index_format, shape=geometry.shape, **geometry.arguments)
        back = unpoolx.Switches.from_indices(subject.array(given), window, **kept)
        subject.same_bits(back.offsets, offsets, f"offsets from indices of {dtype}")
        if index_format == "window":
            made = unpoolx.Switches(subject.array(given), window, geometry.spatial_shape)
            subject.same_bits(made.offsets, offsets, f"offsets of {dtype}")


@law("indices", "S4", "S5", "R3")
def an_index_outside_its_own_window_is_refused(subject: Subject, data: Any) -> None:
    """A number that names no element of its own window is a ValueError that says how many do not, and the first."""
    geometry = data.draw(xst.windows(empty=False, large_kernels=False))
    index_format = data.draw(st.sampled_from(oracle.INDEX_FORMATS))
    window, kept = window_of(geometry), {"input_shape": geometry.shape, "index_format": index_format}
    sound = oracle.to_indices(data.draw(xst.offsets_for(geometry)), **kept, **geometry.arguments)
    dtype = data.draw(st.sampled_from(holding(subject, sound)))
    for _ in range(SEVERAL):
        indices = sound.astype(dtype)
        for _ in range(data.draw(st.integers(1, 2))):
            place = tuple(data.draw(st.integers(0, n - 1)) for n in indices.shape)
            indices[place] = data.draw(xst.wrong_numbers(int(sound[place]), sound.size, dtype))
        subject.given(indices=indices, index_format=index_format, shape=geometry.shape, **geometry.arguments)
        ways = {"from_indices": lambda x: unpoolx.Switches.from_indices(x, window, **kept)}
        if index_format == "window":
            ways["Switches"] = lambda x: unpoolx.Switches(x, window, geometry.spatial_shape)
        try:
            expected = oracle.from_indices(indices, **kept, **geometry.arguments)
        except ValueError as refusal:
            wrong, place, number = re.findall(r"^\d+|\(.*\)|-?\d+$", str(refusal))
            parts = f"{wrong} of {indices.size} do not", f"{number} at {place}"
            for what, way in ways.items():
                subject.raises(ValueError, partial(way, subject.array(indices)), *parts, what=what)
        else:
            for what, way in ways.items():
                subject.same_bits(way(subject.array(indices)).offsets, expected, what)


@law("indices", "S3", "S4", "R3", "L4", need=dtypes("int64"), share=0.5)
def indices_beyond_32_bits_are_exact(subject: Subject, data: Any) -> None:
    """Over an input of more elements than 32 bits count, every format gives the exact numbers and takes them back."""
    geometry = data.draw(xst.far_windows())
    index_format = data.draw(st.sampled_from(oracle.RAW_FORMATS))
    window, kept = window_of(geometry), {"input_shape": geometry.shape, "index_format": index_format}
    for _ in range(SEVERAL):
        offsets = data.draw(xst.offsets_for(geometry))
        subject.given(offsets=offsets, index_format=index_format, shape=geometry.shape, **geometry.arguments)
        switches = subject.switches(offsets, window, geometry.spatial_shape)
        indices = switches.to_indices(index_format)
        expected = oracle.to_indices(offsets, **kept, **geometry.arguments)
        subject.same_bits(indices, expected, "to_indices")
        back = unpoolx.Switches.from_indices(subject.array(expected), window, **kept)
        subject.same_bits(back.offsets, offsets, "the offsets that come back")


@law("indices", "S3", need=without_int64, share=0.2)
def indices_that_int32_cannot_hold_are_refused(subject: Subject, data: Any) -> None:
    """Where there is no int64, indices beyond int32 are an OverflowError, never a wrap."""
    geometry = data.draw(xst.far_windows())
    index_format = data.draw(st.sampled_from(oracle.RAW_FORMATS))
    offsets = data.draw(xst.offsets_for(geometry))
    subject.given(offsets=offsets, index_format=index_format, shape=geometry.shape, **geometry.arguments)
    switches = subject.switches(offsets, window_of(geometry), geometry.spatial_shape)
    subject.raises(OverflowError, lambda: switches.to_indices(index_format), "int32", what="to_indices")
