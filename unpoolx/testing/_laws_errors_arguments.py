"""Laws of errors: numbers out of range, and arguments of any kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx
from unpoolx import Switches, Window

from . import strategies as xst
from ._calls import window_of
from ._law import law
from ._laws_errors_arrays import JUNK, in_our_words
from ._laws_indices import index_dtype
from ._subject import Subject


@law("errors", "R1", "R3", "S4", "S5", "A21", "A24", share=0.5)
def one_number_out_of_range_is_an_error_everywhere(subject: Subject, data: Any) -> None:
    """One number out of range is a ValueError of switches, an IndexError of raw indices and of `at`, and named."""
    geometry = data.draw(xst.windows(batch_ranks=(1,), large_kernels=False, max_elements=60, empty=False))
    window, spatial = window_of(geometry), geometry.spatial_shape
    pooled, limit = geometry.pooled_shape, math.prod(spatial)
    dtype = index_dtype(subject)
    number = data.draw(
        st.sampled_from((limit, -1, -limit - 1, 2**31 - 1, 2**31, 2**32, 2**32 + 1, -(2**63), 2**63 - 1))
    )
    number = number if np.iinfo(dtype).min <= number <= np.iinfo(dtype).max else limit
    place = tuple(data.draw(st.integers(0, n - 1)) for n in pooled)
    offsets = data.draw(xst.offsets_for(geometry)).astype(dtype)
    inside = geometry.window.elements()[geometry.window.layout.split(place)[2]]
    padding = [o for o in range(geometry.window.size) if o not in inside]  # numbers of the kernel, in the padding
    wrong = data.draw(st.sampled_from([*padding, geometry.window.size, -1]))
    indices = np.zeros(pooled, dtype)
    indices[place] = number
    offsets[place] = wrong
    subject.given(offsets=offsets, indices=indices, place=place, **geometry.arguments)
    raw: dict[str, Any] = {"index_format": "spatial", "data_format": window.data_format}
    made, given = subject.array(indices), subject.array(offsets)
    y, flat = subject.array(np.zeros(pooled, np.int32)), subject.array(np.zeros(limit, np.int32))
    told = f"{wrong} at {place}", f"1 of {offsets.size} do not"
    subject.raises(ValueError, lambda: Switches(given, window, spatial), *told, what="Switches")
    back = partial(Switches.from_indices, given, window, geometry.shape, index_format="window")
    subject.raises(ValueError, back, *told, what="from_indices, 'window'")
    back = partial(Switches.from_indices, made, window, geometry.shape, index_format="spatial")
    subject.raises(ValueError, back, "do not", what="from_indices, 'spatial'")
    if not 0 <= number < limit:
        told = f"{number} at {place}", f"of length {limit}"
        for overlap in ("last", "sum"):
            call = partial(unpoolx.unpool, y, made, overlap=overlap, output_shape=geometry.shape, **raw)
            subject.raises(IndexError, call, *told, what=f"unpool by raw indices, {overlap}")
    if not -limit <= number < limit:
        told = str(number), f"axis 0 of length {limit}"
        for index in (made, number, indices.reshape(-1).tolist()):
            subject.raises(IndexError, unpoolx.at(flat)[index].get, *told, what="get")
            for op in ("set", "add", "max"):
                update = partial(unpoolx.index_update, flat, index, 0, op)
                subject.raises(IndexError, update, *told, what=op)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 9)
    | st.sampled_from((2**31, 2**32 + 1, 2**63, 2**64, 10**30, -(2**63), -(10**30)))
    | st.floats(-4, 4)
    | st.sampled_from((math.nan, math.inf, 2j, b"", b"SAME", np.float32(2), np.bool_(True), np.int64(-1), np.uint64(3)))
    | st.sampled_from(
        ("VALID", "SAME", "last", "sum", "center", "NHWC", "NCHW", "spatial", "tf", "window", "raise", "add")
    )
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple), max_leaves=6
)


def _affordable(value: Any) -> bool:
    """Whether a sound answer fits in memory: a legal result of 2**31 elements is no error."""
    if isinstance(value, (list, tuple)):
        return all(map(_affordable, value))
    return not isinstance(value, (int, np.integer)) or not 2**20 < abs(int(value)) < 2**62


@law("errors", "W9", "B8", "A6")
def no_foreign_error_comes_through(subject: Subject, data: Any) -> None:
    """Whatever stands in the place of an argument is taken, or refused in unpoolx's own words."""
    uses = _uses(subject)
    function = data.draw(st.sampled_from(sorted(uses)))
    run, sound = uses[function]
    argument = data.draw(st.sampled_from(sorted(sound)))
    junk = data.draw(st.sampled_from(("any", "any", "any", *JUNK)))
    value = data.draw(_values.filter(_affordable)) if junk == "any" else JUNK[junk]
    subject.given(function=function, argument=argument, value=repr(value) if junk == "any" else junk)
    in_our_words(lambda: run(**{**sound, argument: value}), f"{function}, {argument}={value!r:.60}")


def _uses(subject: Subject) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Each public function and sound arguments for it."""
    shape = (1, 4, 4, 1)
    x, y = subject.array(np.zeros(shape, np.int32)), subject.array(np.zeros((1, 2, 2, 1), np.int32))
    switches = subject.switches(np.zeros((1, 2, 2, 1), np.uint8), Window((2, 2)), (4, 4))
    window = {"kernel_size": 2, "stride": 2, "padding": "VALID", "data_format": "channels_last"}
    raw = {"output_shape": shape, "index_format": "spatial", "data_format": "channels_last"}
    converted = {"window": Window(2), "input_shape": shape, "index_format": "spatial"}
    update = {"x": x, "index": 0, "values": 0, "op": "set", "mode": "raise", "unique": False, "backend": None}
    return {
        "max_pool": (unpoolx.max_pool, {"x": x, **window, "dilation": 1, "ceil_mode": False, "backend": None}),
        "unpool": (unpoolx.unpool, {"x": y, "switches": switches, "overlap": "last", "backend": None}),
        "unpool by raw indices": (unpoolx.unpool, {"x": y, "switches": y, **raw, "overlap": "sum", "backend": None}),
        "gather": (unpoolx.gather, {"x": x, "switches": switches, "backend": None}),
        "unpool_fixed": (unpoolx.unpool_fixed, {"x": y, **window, "position": "corner", "backend": None}),
        "unpool_nearest": (unpoolx.unpool_nearest, {"x": y, "scale": 2, "data_format": "NHWC", "backend": None}),
        "unpool_average": (unpoolx.unpool_average, {"x": y, **window, "backend": None}),
        "Switches": (Switches, {"offsets": switches.offsets, "window": Window(2), "spatial_shape": (4, 4)}),
        "from_indices": (Switches.from_indices, {"indices": y, **converted}),
        "to_indices": (switches.to_indices, {"index_format": "spatial"}),
        "index_get": (unpoolx.index_get, {"x": x, "index": 0, "mode": "fill", "fill_value": 1, "backend": None}),
        "index_update": (unpoolx.index_update, update),
    }
