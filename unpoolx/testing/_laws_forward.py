"""Laws of pooling, of unpooling by switches wherever they point, and of the read through switches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._calls import MOVABLE, SEVERAL, SUMMABLE, window_of
from ._law import law
from ._subject import Subject

Windows = st.SearchStrategy[xst.Geometry]
Contents = Callable[[tuple[int, ...], str], st.SearchStrategy[np.ndarray[Any, Any]]]
"""A strategy of arrays: of a shape and the name of a dtype."""


@law("forward", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "S1", "W1", "W2", "W3", "W4", "W5", "W6", "W7")
def max_pool_chooses_the_first_maximum(subject: Subject, data: Any) -> None:
    """max_pool gives the first maximum of each window, and its number in the window."""
    geometry = data.draw(xst.windows())
    dtype = data.draw(subject.dtypes(xst.POOL_DTYPES))
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(geometry.shape, dtype))
        subject.given(x=x, **geometry.arguments)
        values, offsets = oracle.max_pool(x, **geometry.arguments)
        ours, switches = unpoolx.max_pool(subject.array(x), **geometry.arguments)
        subject.same_bits(ours, values, "values")
        subject.same_bits(switches.offsets, offsets, "offsets")
        shape = switches.spatial_shape
        subject.holds(shape == geometry.spatial_shape, "spatial_shape", expected=geometry.spatial_shape, got=shape)


@law("forward", "S1", "P1", "U1", "U7", share=0.2)
def a_kernel_of_more_than_256_elements_is_numbered_in_int32(subject: Subject, data: Any) -> None:
    """Offsets are uint8 up to 256 kernel elements and int32 beyond, in pooling, unpooling and reading."""
    geometry = data.draw(xst.windows(large_kernels=True))
    dtype, window = data.draw(subject.dtypes(xst.POOL_DTYPES)), window_of(geometry)
    for _ in range(SEVERAL // 2):
        x, offsets = data.draw(xst.arrays(geometry.shape, dtype)), data.draw(xst.offsets_for(geometry))
        subject.given(x=x, offsets=offsets, **geometry.arguments)
        values, chosen = oracle.max_pool(x, **geometry.arguments)
        ours, switches = unpoolx.max_pool(subject.array(x), **geometry.arguments)
        subject.same_bits(ours, values, "values")
        subject.same_bits(switches.offsets, chosen, "offsets")
        switches = subject.switches(offsets, window, geometry.spatial_shape)
        read = oracle.gather(x, offsets, **geometry.arguments)
        subject.same_bits(unpoolx.gather(subject.array(x), switches), read, "gather")
        back = oracle.unpool(values, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        subject.same_bits(unpoolx.unpool(ours, switches), back, "unpool")


@law("forward", "L1", "U7", "P6")
def gather_by_the_switches_of_a_pooling_gives_its_values(subject: Subject, data: Any) -> None:
    """gather(x, s) is y for y, s = max_pool(x)."""
    geometry = data.draw(xst.windows())
    dtype = data.draw(subject.dtypes(xst.POOL_DTYPES))
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(geometry.shape, dtype))
        subject.given(x=x, **geometry.arguments)
        made = subject.array(x)
        _, switches = unpoolx.max_pool(made, **geometry.arguments)
        values = oracle.max_pool(x, **geometry.arguments)[0]
        subject.same_bits(unpoolx.gather(made, switches), values, "gather(x, s)")


@law("forward", "L2", "U1", "P6")
def unpool_of_a_pooling_keeps_the_chosen_elements(subject: Subject, data: Any) -> None:
    """unpool(y, s) is x at the chosen elements and zero elsewhere, for y, s = max_pool(x)."""
    geometry = data.draw(xst.windows())
    dtype = data.draw(subject.dtypes(xst.POOL_DTYPES))
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(geometry.shape, dtype))
        subject.given(x=x, **geometry.arguments)
        offsets = oracle.max_pool(x, **geometry.arguments)[1]
        ones = np.ones(offsets.shape, np.bool_)
        chosen = oracle.unpool(ones, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        back = unpoolx.unpool(*unpoolx.max_pool(subject.array(x), **geometry.arguments))
        subject.same_bits(back, np.where(chosen, x, np.zeros((), x.dtype)), "unpool(y, s)")


@law("forward", "U1", "U3", "U5", "W7")
def unpool_puts_each_value_where_its_switch_points(subject: Subject, data: Any) -> None:
    """unpool puts any values at the elements that any legal switches name, the last where several meet."""
    last_matches(subject, data, xst.windows() | xst.windows(overlap=False))


@law("forward", "U1", "U4", "U5", "W7")
def unpool_sum_puts_each_value_where_its_switch_points(subject: Subject, data: Any) -> None:
    """Where windows keep apart, a sum has at most one addend: its bits, but for a zero, which is +0.0."""
    sums_match(subject, data, xst.windows(overlap=False), SUMMABLE, xst.arrays)


@law("forward", "U7", "W7")
def gather_reads_the_element_that_each_switch_points_at(subject: Subject, data: Any) -> None:
    """gather reads from any array, through any legal switches, the elements that they name."""
    reads_match(subject, data, xst.windows() | xst.windows(overlap=False))


# Switches wherever they point, on windows of a strategy


def last_matches(subject: Subject, data: Any, windows: Windows) -> None:
    """unpool has the oracle's bits, the last value where several meet."""
    geometry, dtype = data.draw(windows), data.draw(subject.dtypes(MOVABLE))
    window = window_of(geometry)
    for _ in range(SEVERAL):
        y, offsets = data.draw(xst.arrays(geometry.pooled_shape, dtype)), data.draw(xst.offsets_for(geometry))
        case = {"offsets": offsets, "spatial_shape": geometry.spatial_shape, **geometry.arguments}
        subject.given(x=y, **case)
        ours = unpoolx.unpool(subject.array(y), subject.switches(offsets, window, geometry.spatial_shape))
        subject.same_bits(ours, oracle.unpool(y, **case), "unpool")


def sums_match(subject: Subject, data: Any, windows: Windows, names: Sequence[str], *contents: Contents) -> None:
    """Sums have the oracle's bits, for arrays of one of these dtypes and of one of the contents."""
    geometry, dtype = data.draw(windows), data.draw(subject.dtypes(names))
    window = window_of(geometry)
    for _ in range(SEVERAL):
        y = data.draw(st.one_of([made(geometry.pooled_shape, dtype) for made in contents]))
        offsets = data.draw(xst.offsets_for(geometry))
        case = {"offsets": offsets, "spatial_shape": geometry.spatial_shape, **geometry.arguments}
        subject.given(x=y, **case)
        switches = subject.switches(offsets, window, geometry.spatial_shape)
        ours = unpoolx.unpool(subject.array(y), switches, overlap="sum")
        subject.sum_bits(ours, oracle.unpool_sum_bits(y, **case), "unpool(overlap='sum')")


def reads_match(subject: Subject, data: Any, windows: Windows) -> None:
    """gather has the oracle's bits."""
    geometry, dtype = data.draw(windows), data.draw(subject.dtypes(MOVABLE))
    window = window_of(geometry)
    for _ in range(SEVERAL):
        x, offsets = data.draw(xst.arrays(geometry.shape, dtype)), data.draw(xst.offsets_for(geometry))
        subject.given(x=x, offsets=offsets, **geometry.arguments)
        ours = unpoolx.gather(subject.array(x), subject.switches(offsets, window, geometry.spatial_shape))
        subject.same_bits(ours, oracle.gather(x, offsets, **geometry.arguments), "gather")
