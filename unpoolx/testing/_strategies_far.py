"""Hypothesis strategies for numbers that only a wide integer holds: windows far apart, and indices out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ._oracle_window import layout_of
from ._strategies_windows import Geometry


@st.composite
def far_windows(draw: st.DrawFn, min_rank: int = 1, max_rank: int = 3, *, bits: int = 31) -> Geometry:
    """Few windows, so far apart that flat indices need more than `bits` bits: for switches, as no array is so large.

    The steps of one spatial axis are 2**bits to 2**(bits + 3) elements long, those of the others at most 2**9.
    """
    rank = draw(st.integers(min_rank, max_rank))
    far = draw(st.integers(0, rank - 1))
    kernel = draw(st.tuples(*[st.integers(1, 3)] * rank))
    dilation = draw(st.tuples(*[st.integers(1, 2)] * rank))
    stride, spatial, padding = [], [], []
    for axis in range(rank):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        count = draw(st.integers(2, 3) if axis == far else st.integers(1, 3))
        stride.append(draw(st.integers(2**bits, 2 ** (bits + 3)) if axis == far else st.integers(1, 2**9)))
        before = draw(st.integers(0, reach // 2))
        padding.append((before, 0))
        spatial.append((count - 1) * stride[-1] + reach - before + draw(st.integers(0, stride[-1] - 1)))
    data_format = draw(st.sampled_from(("channels_last", "channels_first")))
    arguments: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": tuple(stride),
        "padding": tuple(padding),
        "dilation": dilation,
        "data_format": data_format,
    }
    batch, channels = draw(st.lists(st.integers(1, 2), max_size=2)), draw(st.integers(1, 3))
    return Geometry(arguments, layout_of(data_format, rank).join(tuple(batch), channels, tuple(spatial)))


@st.composite
def wrong_numbers(draw: st.DrawFn, right: int, count: int, dtype: str) -> int:
    """An index of an integer dtype where `right` is due, of `count` in all: near it, or equal to it after narrowing."""
    limits = np.iinfo(dtype)
    near = [right + 1, right - 1, 0, count, count + 1, -1, -count]
    narrow = [right + sign * 2**bits for bits in (8, 16, 31, 32, 33, 63) for sign in (1, -1)]
    numbers = [*near, *narrow, limits.min, limits.max]
    return draw(st.sampled_from([n for n in numbers if limits.min <= n <= limits.max and n != right]))
