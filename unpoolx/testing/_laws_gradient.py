"""Laws of reverse mode: the gradient of each way to pool and unpool is another of the norm's maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._law import gradient, law
from ._linear_cases import adjoint_of_blocks
from ._subject import Subject

Array = np.ndarray[Any, Any]

SEVERAL = 4
"""Arrays for each geometry: frameworks that compile do so once per geometry."""
SHARE = 0.2
"""Taking a derivative costs several calls, and every geometry is one of its own to a compiler."""
COMPLEX = (*xst.FLOAT_DTYPES, "complex64")


def pulled_back(subject: Subject, function: Callable[[Any], Any], x: Array, cotangent: Array) -> Any:
    """The cotangent of x, given that of the function's result."""
    (found,) = subject.backend.vjp(function, [subject.array(x)], subject.array(cotangent))
    return found


def geometries() -> st.SearchStrategy[xst.Geometry]:
    """Windows of any kind, half of them such that overlap."""
    return xst.windows() | xst.windows(overlap=True)


@law("gradient", "U8", "U4", "U5", need=gradient, share=SHARE)
def the_gradient_of_max_pool_is_unpool_sum(subject: Subject, data: Any) -> None:
    """The gradient of max_pool by x is the cotangent, summed to where the switches point."""
    geometry, dtype = data.draw(geometries()), data.draw(subject.dtypes(xst.FLOAT_DTYPES))
    for _ in range(SEVERAL):
        x, dy = data.draw(xst.arrays(geometry.shape, dtype)), data.draw(xst.arrays(geometry.pooled_shape, dtype))
        subject.given(function="max_pool", x=x, cotangent=dy, **geometry.arguments)
        ours = pulled_back(subject, lambda z: unpoolx.max_pool(z, **geometry.arguments)[0], x, dy)
        _, offsets = oracle.max_pool(x, **geometry.arguments)
        bits = oracle.unpool_sum_bits(dy, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        subject.sum_bits(ours, bits, "gradient")


@law("gradient", "U8", "U3", "U5", need=gradient, share=SHARE)
def the_gradient_of_unpool_last_is_read_where_the_window_won(subject: Subject, data: Any) -> None:
    """The gradient of unpool with overlap="last" is the cotangent where the window won, and zero where it lost."""
    _by_switches(subject, data, "last")


@law("gradient", "U8", "U5", need=gradient, share=SHARE)
def the_gradient_of_unpool_sum_is_gather(subject: Subject, data: Any) -> None:
    """The gradient of unpool with overlap="sum" is the cotangent, read where the switches point."""
    _by_switches(subject, data, "sum")


def _by_switches(subject: Subject, data: Any, overlap: str) -> None:
    geometry, dtype = data.draw(geometries()), data.draw(subject.dtypes(COMPLEX))
    window = unpoolx.Window(**geometry.arguments).with_rank_of(geometry.shape)
    rule = oracle.unpool_last_gradient if overlap == "last" else oracle.gather
    for _ in range(SEVERAL):
        y, dx = data.draw(xst.arrays(geometry.pooled_shape, dtype)), data.draw(xst.arrays(geometry.shape, dtype))
        offsets = data.draw(xst.offsets_for(geometry))
        subject.given(function="unpool", overlap=overlap, x=y, offsets=offsets, cotangent=dx, **geometry.arguments)
        switches = subject.switches(offsets, window, geometry.spatial_shape)
        ours = pulled_back(subject, lambda z: unpoolx.unpool(z, switches, overlap=overlap), y, dx)  # noqa: B023  # called at once
        subject.same_bits(ours, rule(dx, offsets, **geometry.arguments), "gradient")


@law("gradient", "U7", "U8", "U4", "U5", need=gradient, share=SHARE)
def the_gradient_of_gather_is_unpool_sum(subject: Subject, data: Any) -> None:
    """The gradient of gather is the cotangent, summed to where the switches point."""
    geometry, dtype = data.draw(geometries()), data.draw(subject.dtypes(COMPLEX))
    window = unpoolx.Window(**geometry.arguments).with_rank_of(geometry.shape)
    for _ in range(SEVERAL):
        x, dy = data.draw(xst.arrays(geometry.shape, dtype)), data.draw(xst.arrays(geometry.pooled_shape, dtype))
        offsets = data.draw(xst.offsets_for(geometry))
        subject.given(function="gather", x=x, offsets=offsets, cotangent=dy, **geometry.arguments)
        switches = subject.switches(offsets, window, geometry.spatial_shape)
        ours = pulled_back(subject, lambda z: unpoolx.gather(z, switches), x, dy)  # noqa: B023  # called at once
        bits = oracle.unpool_sum_bits(dy, offsets, spatial_shape=geometry.spatial_shape, **geometry.arguments)
        subject.sum_bits(ours, bits, "gradient")


@law("gradient", "U6", "U8", "U5", need=gradient, share=SHARE)
def the_gradient_of_unpool_by_raw_indices_is_read_at_them(subject: Subject, data: Any) -> None:
    """The gradient of unpool by raw indices is the cotangent, read at them, and zero for the losers of "last"."""
    raw, dtype = data.draw(xst.raw_indices()), data.draw(subject.dtypes(COMPLEX))
    formats = {"index_format": raw.index_format, "data_format": raw.data_format}
    rules: dict[str, Callable[..., Array]] = {"last": oracle.unpool_indices_last_gradient, "sum": oracle.gather_indices}
    for overlap, rule in rules.items():
        y, dx = data.draw(xst.arrays(raw.x_shape, dtype)), data.draw(xst.arrays(raw.output_shape, dtype))
        subject.given(function="unpool", overlap=overlap, x=y, indices=raw.indices, cotangent=dx, **raw.arguments)
        indices = subject.array(raw.indices)
        ours = pulled_back(subject, lambda z: unpoolx.unpool(z, indices, overlap=overlap, **raw.arguments), y, dx)  # noqa: B023  # called at once
        subject.same_bits(ours, rule(dx, raw.indices, **formats), f"gradient, overlap={overlap!r}")


@law("gradient", "U8", "U3", need=gradient, share=SHARE)
def no_gradient_flows_to_switches(subject: Subject, data: Any) -> None:
    """Numbers made of the switches carry no gradient; through a round trip it goes by the values alone."""
    geometry, dtype = data.draw(geometries()), data.draw(subject.dtypes(xst.FLOAT_DTYPES))
    arguments = geometry.arguments

    def round_trip(z: Any) -> Any:
        values, switches = unpoolx.max_pool(z, **arguments)
        return unpoolx.unpool(values, switches)

    def beside_switches(z: Any) -> Any:
        values, switches = unpoolx.max_pool(z, **arguments)
        numbers = (switches.offsets, switches.to_indices("onnx"))
        return sum((subject.backend.cast(number, dtype) for number in numbers), values)

    x = data.draw(xst.arrays(geometry.shape, dtype, nan=False, infinite=False))
    dy, dx = data.draw(xst.arrays(geometry.pooled_shape, dtype)), data.draw(xst.arrays(geometry.shape, dtype))
    _, offsets = oracle.max_pool(x, **arguments)
    back = oracle.unpool_last_gradient(dx, offsets, **arguments)
    for name, function, cotangent, summed in (
        ("a round trip", round_trip, dx, back),
        ("values + offsets + indices", beside_switches, dy, dy),
    ):
        subject.given(function=name, x=x, cotangent=cotangent, **arguments)
        bits = oracle.unpool_sum_bits(summed, offsets, spatial_shape=geometry.spatial_shape, **arguments)
        subject.sum_bits(pulled_back(subject, function, x, cotangent), bits, f"gradient of {name}")


@law("gradient", "U9", "F2", "F3", need=gradient, share=SHARE)
def gradients_of_fixed_and_nearest_unpooling_are_reads_and_sums(subject: Subject, data: Any) -> None:
    """The gradient of unpool_fixed is the cotangent at the same places, that of unpool_nearest its sum over blocks."""
    _by_blocks(subject, data, data.draw(st.sampled_from(("unpool_fixed", "unpool_nearest"))))


@law("gradient", "U9", "F4", need=gradient, share=SHARE)
def the_gradient_of_unpool_average_is_the_mean_of_each_window(subject: Subject, data: Any) -> None:
    """The gradient of unpool_average is the mean of the cotangent over the real elements of each window."""
    _by_blocks(subject, data, "unpool_average")


def _by_blocks(subject: Subject, data: Any, name: str) -> None:
    blocks = data.draw(xst.blocks(strides=name != "unpool_nearest").filter(lambda blocks: 0 not in blocks.shape))
    dtype = data.draw(subject.dtypes(xst.FLOAT_DTYPES))
    arguments = dict(blocks.scale if name == "unpool_nearest" else blocks.arguments)
    if name == "unpool_fixed":
        arguments["position"] = data.draw(blocks.positions())
    grown = getattr(oracle, name)(np.zeros(blocks.shape), **arguments).shape
    for _ in range(SEVERAL):
        # The gradient does not depend on x. Small integers, at most 64 in a block, add up exactly in every dtype.
        x, dy = data.draw(xst.arrays(blocks.shape, dtype)), data.draw(xst.exact_arrays(grown, dtype))
        subject.given(function=name, x=x, cotangent=dy, **arguments)
        ours = pulled_back(subject, lambda z: getattr(unpoolx, name)(z, **arguments), x, dy)
        same_numbers(subject, ours, adjoint_of_blocks(name, dy, blocks.shape, **arguments), "gradient")


def same_numbers(subject: Subject, x: Any, expected: Array, what: str) -> None:
    """The same shape, dtype and bits, but a zero may have either sign: it is a sum of small integers."""
    got, zero = subject.got(x, what), expected.dtype.type(0)
    subject.same_bits(subject.array(np.asarray(got + zero)), np.asarray(expected + zero), what)
