"""Hypothesis strategy for the ways of unpooling that need no switches: arguments with the shapes that they fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from ._oracle_window import Index, layout_of


@dataclass(frozen=True)
class Blocks:
    """Legal arguments of `unpool_fixed` and `unpool_average`, and the shape of an array that they fit.

    `arguments` holds kernel_size, stride, padding and data_format as a user would write them, `extents` the lengths
    within which `unpool_fixed` takes a position on each spatial axis.
    """

    arguments: dict[str, Any]
    shape: Index
    extents: Index

    @property
    def scale(self) -> dict[str, Any]:
        """The arguments of `unpool_nearest`, of blocks that were drawn without strides."""
        return {"scale": self.arguments["kernel_size"], "data_format": self.arguments["data_format"]}

    def positions(self) -> st.SearchStrategy[str | Index]:
        """What `unpool_fixed` takes as position."""
        return st.sampled_from(("corner", "center")) | st.tuples(*[st.integers(0, n - 1) for n in self.extents])


@st.composite
def blocks(draw: st.DrawFn, min_rank: int = 1, max_rank: int = 3, *, strides: bool = True) -> Blocks:
    """Arguments of an unpooling without switches, for `min_rank` to `max_rank` spatial axes.

    Zero to two batch axes, of 0 to 2 entries, and 0 to 3 channels; exactly one batch axis where every argument is a
    plain int. Without `strides`, every stride is the kernel's.
    """
    rank = draw(st.integers(min_rank, max_rank))
    most = 3 if rank == 3 else 4
    kernel_size = draw(_one_or_each(rank, most))
    stride = draw(st.none() | _one_or_each(rank, 3)) if strides else None
    fixes_rank = isinstance(kernel_size, tuple) or isinstance(stride, tuple)
    sizes = st.integers(0, 2)
    batch = draw(st.lists(sizes, max_size=2) if fixes_rank else st.lists(sizes, min_size=1, max_size=1))
    channels = draw(st.integers(0, 3))
    spatial = draw(st.tuples(*[st.integers(1, most)] * rank))
    data_format = draw(st.sampled_from(("channels_last", "channels_first")))
    padding = draw(st.sampled_from(("VALID", "SAME")))
    kernel = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * rank
    steps = kernel if stride is None else stride if isinstance(stride, tuple) else (stride,) * rank
    arguments = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "data_format": data_format}
    shape = layout_of(data_format, rank).join(tuple(batch), channels, spatial)
    return Blocks(arguments, shape, kernel if padding == "VALID" else steps)


def _one_or_each(rank: int, most: int) -> st.SearchStrategy[int | Index]:
    """An int for all axes, or one for each."""
    one = st.integers(1, most)
    return one | st.tuples(*[one] * rank)
