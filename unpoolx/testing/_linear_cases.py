"""Public functions as linear maps of one array: the function, and by the oracle the map and its adjoint.

Contents are small integers, so that no sum of them rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._oracle_sums import accumulation_type
from ._oracle_window import Index
from ._subject import Subject

Array = np.ndarray[Any, Any]
Map = Callable[[Array], Array]


@dataclass(frozen=True)
class LinearCase:
    """A function that is linear near x.

    Attributes:
        inputs: what a report shows of it.
        x: the array at which it is looked at.
        function: of the backend's arrays.
        forward: the linear map, by the oracle.
        adjoint: its adjoint, by the oracle.
    """

    inputs: dict[str, Any]
    x: Array
    function: Callable[[Any], Any]
    forward: Map
    adjoint: Map


@st.composite
def linear_cases(draw: st.DrawFn, subject: Subject, dtype: str) -> LinearCase:
    """A case of any public function that has a gradient."""
    make = draw(st.sampled_from((_by_switches, _by_switches, _by_raw_indices, _by_blocks, _by_index)))
    return draw(make(subject, dtype))


@st.composite
def _by_switches(draw: st.DrawFn, subject: Subject, dtype: str) -> LinearCase:
    name = draw(st.sampled_from(("max_pool", "unpool", "unpool sum", "gather")))
    geometry = draw(xst.windows(large_kernels=False) | xst.windows(large_kernels=False, overlap=True))
    arguments, shape = geometry.arguments, geometry.spatial_shape
    x = draw(xst.exact_arrays(geometry.pooled_shape if name.startswith("unpool") else geometry.shape, dtype))
    offsets = oracle.max_pool(x, **arguments)[1] if name == "max_pool" else draw(xst.offsets_for(geometry))
    switches = subject.switches(offsets, unpoolx.Window(**arguments).with_rank_of(geometry.shape), shape)
    overlap = "sum" if name == "unpool sum" else "last"

    def unpooled(z: Array, overlap: str = "sum") -> Array:
        return oracle.unpool(z, offsets, spatial_shape=shape, overlap=overlap, **arguments)

    def read(z: Array) -> Array:
        return oracle.gather(z, offsets, **arguments)

    def read_where_it_won(z: Array) -> Array:
        return oracle.unpool_last_gradient(z, offsets, **arguments)

    function, forward, adjoint = {
        "max_pool": (lambda z: unpoolx.max_pool(z, **arguments)[0], read, unpooled),
        "gather": (lambda z: unpoolx.gather(z, switches), read, unpooled),
        "unpool sum": (lambda z: unpoolx.unpool(z, switches, overlap="sum"), unpooled, read),
        "unpool": (lambda z: unpoolx.unpool(z, switches), lambda z: unpooled(z, "last"), read_where_it_won),
    }[name]
    inputs = {"function": name, "overlap": overlap, "x": x, "offsets": offsets, **arguments}
    return LinearCase(inputs, x, function, forward, adjoint)


@st.composite
def _by_raw_indices(draw: st.DrawFn, subject: Subject, dtype: str) -> LinearCase:
    raw, overlap = draw(xst.raw_indices()), draw(st.sampled_from(("last", "sum")))
    x, indices = draw(xst.exact_arrays(raw.x_shape, dtype)), subject.array(raw.indices)
    rule = oracle.unpool_indices_last_gradient if overlap == "last" else oracle.gather_indices
    formats = {"index_format": raw.index_format, "data_format": raw.data_format}
    return LinearCase(
        {"function": "unpool", "overlap": overlap, "x": x, "indices": raw.indices, **raw.arguments},
        x,
        lambda z: unpoolx.unpool(z, indices, overlap=overlap, **raw.arguments),
        lambda z: oracle.unpool_indices(z, raw.indices, overlap=overlap, **raw.arguments),
        lambda z: rule(z, raw.indices, **formats),
    )


@st.composite
def _by_blocks(draw: st.DrawFn, _: Subject, dtype: str) -> LinearCase:
    name = draw(st.sampled_from(("unpool_fixed", "unpool_nearest", "unpool_average")))
    blocks = draw(xst.blocks(strides=name != "unpool_nearest"))
    arguments = dict(blocks.scale if name == "unpool_nearest" else blocks.arguments)
    if name == "unpool_fixed":
        arguments["position"] = draw(blocks.positions())
    if name == "unpool_average":  # powers of two keep the quotients exact
        kernel = arguments["kernel_size"]
        halved = tuple(1 + k % 2 for k in kernel) if isinstance(kernel, tuple) else 1 + kernel % 2
        arguments |= {"kernel_size": halved, "padding": "VALID"}
    x = draw(xst.exact_arrays(blocks.shape, dtype))
    ours, theirs = getattr(unpoolx, name), getattr(oracle, name)
    return LinearCase(
        {"function": name, "x": x, **arguments},
        x,
        lambda z: ours(z, **arguments),
        lambda z: theirs(z, **arguments),
        lambda z: adjoint_of_blocks(name, z, blocks.shape, **arguments),
    )


@st.composite
def _by_index(draw: st.DrawFn, subject: Subject, dtype: str) -> LinearCase:
    """A read; and, by the values, an update of zeros."""
    op = draw(st.sampled_from(("get", "set", "add", "subtract")))
    case = draw(xst.index_cases("fill" if op == "get" else "drop"))
    index, mode, zeros = case.index, case.mode, np.zeros(case.shape, xst.dtype_of(dtype))
    inputs = {"function": op, "shape": case.shape, **case.arguments}
    if op == "get":
        x = draw(xst.exact_arrays(case.shape, dtype))
        return LinearCase(
            {"x": x, **inputs},
            x,
            lambda z: unpoolx.index_get(z, index, mode=mode, fill_value=0.0),
            lambda z: oracle.index_get(z, index, mode=mode, fill_value=0.0),
            lambda z: oracle.index_get_gradient(case.shape, index, z, mode=mode).astype(z.dtype),
        )
    values, made = draw(xst.exact_arrays(case.indexed_shape or (), dtype)), subject.array(zeros)
    return LinearCase(
        {"values": values, **inputs},
        values,
        lambda z: unpoolx.index_update(made, index, z, op, mode=mode),
        lambda z: oracle.index_update(zeros, index, z, op, mode=mode),
        lambda z: oracle.index_update_gradients(zeros, index, values, z, op, mode=mode).values.astype(z.dtype),
    )


def adjoint_of_blocks(name: str, dy: Array, shape: Index, **arguments: Any) -> Array:
    """The adjoint of an unpooling without switches, of arrays of this shape: a read, a sum or a mean of each window."""
    position = arguments.pop("position", None)
    if "scale" in arguments:
        arguments["kernel_size"] = arguments.pop("scale")
    window = oracle.resolve(dy.shape, **arguments)
    every: Any = (slice(None),) * len(window.batch)
    channels: Any = slice(None)
    if name == "unpool_fixed":
        extent = window.kernel if arguments["padding"] == "VALID" else window.stride
        fixed = {"corner": (0,) * len(extent), "center": tuple((n - 1) // 2 for n in extent)}
        places = zip(fixed.get(position, position), window.stride, window.pooled, strict=True)
        inside: Any = tuple(slice(p, p + (n - 1) * step + 1, step) for p, step, n in places)
        return np.array(dy[window.layout.join(every, channels, inside)])
    result = np.zeros(shape, dy.dtype)
    number = accumulation_type(dy.dtype)
    for place, elements in window.elements().items():
        parts = [dy[window.layout.join(every, channels, p)].astype(np.float64) for p in elements.values()]
        total = np.sum(parts, 0).astype(number)
        if name == "unpool_average":
            total = total / number(len(parts))
        result[window.layout.join(every, channels, place)] = total
    return result
