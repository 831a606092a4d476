"""Uses of every public function with drawn arguments, those among them that could hand an argument back.

For laws that say the same of every function: that it repeats its bits, and that it changes and shares nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx

from . import oracle
from . import strategies as xst
from ._calls import CALLS, MOVABLE, SUMMABLE, applicable, made_of, window_of
from ._laws_indices import index_dtype
from ._oracle_window import layout_of
from ._subject import Subject

Array = np.ndarray[Any, Any]

INTEGERS_AND_BOOL = (*xst.INTEGER_DTYPES, "bool")
WHOLE: tuple[Any, ...] = (..., (), slice(None), (None, ...), True)
NOTHING: list[int] = []
"""Indices of all elements, and of none: of what they name, a view would be enough."""


@dataclass(frozen=True)
class Call:
    """One use of a public function.

    Attributes:
        function: its name, and what is special about this use.
        arrays: its arrays by name.
        others: its other arguments, for the report.
        run: takes the arrays by name, and `backend` if `takes_backend`; gives an array, or several by name.
        takes_backend: whether the function does.
        exact: whether the norm says every bit of the result; not where floats accumulate.
    """

    function: str
    arrays: dict[str, Array]
    others: dict[str, Any]
    run: Callable[..., Any]
    takes_backend: bool = True
    exact: bool = True

    @property
    def inputs(self) -> dict[str, Any]:
        """What a report shows."""
        return {"function": self.function, **self.arrays, **self.others}

    def on(self, subject: Subject) -> dict[str, Any]:
        """The arrays as the backend's own."""
        return {name: subject.array(x) for name, x in self.arrays.items()}

    def results(self, arrays: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The resulting arrays by name."""
        made = self.run(**arrays, **options)
        return made if isinstance(made, dict) else {"the result": made}


@st.composite
def calls(draw: st.DrawFn, subject: Subject, *, every_operation: bool = False) -> list[Call]:
    """Calls of the functions of pooling, of raw indices, without switches, or by index, on one case.

    By index, of some operations, or of every operation that the dtype has.
    """
    dtype = draw(subject.dtypes(MOVABLE))
    make = draw(st.sampled_from((_by_windows, _by_raw_indices, _by_blocks, _by_index, _by_index)))
    if make is not _by_index:
        return make(draw, subject, dtype)
    names = xst.operations(dtype)
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)
    return _by_index(draw, subject, dtype, names if every_operation else draw(some))


def _by_windows(draw: st.DrawFn, subject: Subject, dtype: str) -> list[Call]:
    geometry = draw(xst.windows(max_elements=100, empty=False))
    # Windows of one element: nothing is chosen, and nothing lies between the values.
    rank, data_format = len(geometry.spatial_shape), geometry.arguments["data_format"]
    single = xst.Geometry({"kernel_size": (1,) * rank, "data_format": data_format}, geometry.shape)
    return [call for g in (geometry, single) for call in (*_pooling(draw, g, dtype), *_conversions(draw, subject, g))]


def _pooling(draw: st.DrawFn, geometry: xst.Geometry, dtype: str) -> list[Call]:
    x, y = (draw(xst.arrays(shape, dtype)) for shape in (geometry.shape, geometry.pooled_shape))
    arrays = {"x": x, "y": y, "offsets": draw(xst.offsets_for(geometry))}
    laid = made_of(geometry, **arrays)

    def run(name: str, backend: str | None = None, **given: Any) -> Any:
        return CALLS[name](laid._replace(**given), backend=backend)

    names = [name for name in ("max_pool", "gather", "unpool last", "unpool sum") if applicable(name, dtype)]
    return [Call(name, arrays, geometry.arguments, partial(run, name)) for name in names]


def _conversions(draw: st.DrawFn, subject: Subject, geometry: xst.Geometry) -> list[Call]:
    index_format = draw(st.sampled_from(oracle.INDEX_FORMATS))
    offsets, window, spatial = draw(xst.offsets_for(geometry)), window_of(geometry), geometry.spatial_shape
    named: dict[str, Any] = {"input_shape": geometry.shape, "index_format": index_format}
    indices = oracle.to_indices(offsets, **named, **geometry.arguments).astype(index_dtype(subject))
    others = {**named, **geometry.arguments}

    def trusted(offsets: Any) -> unpoolx.Switches:
        return unpoolx.Switches.trusted(offsets, window, spatial)

    by_offsets = {
        "Switches": lambda offsets: unpoolx.Switches(offsets, window, spatial).offsets,
        "Switches.to": lambda offsets: trusted(offsets).to(subject.name).offsets,
        "to_indices": lambda offsets: trusted(offsets).to_indices(index_format),
    }
    made = [Call(name, {"offsets": offsets}, others, run, takes_backend=False) for name, run in by_offsets.items()]

    def back(indices: Any) -> Any:
        return unpoolx.Switches.from_indices(indices, window, **named).offsets

    return [*made, Call("from_indices", {"indices": indices}, others, back, takes_backend=False)]


def _by_raw_indices(draw: st.DrawFn, subject: Subject, dtype: str) -> list[Call]:
    raw = draw(xst.raw_indices(empty=False))
    sizes = layout_of(raw.data_format, len(raw.x_shape) - 2).split(raw.x_shape)[2]
    own = np.arange(int(np.prod(sizes))).reshape(sizes)  # each value goes to its own place
    own = np.expand_dims(own, (0, 1) if raw.data_format == "channels_first" else (0, len(sizes) + 1))
    same = {"output_shape": raw.x_shape, "index_format": "spatial", "data_format": raw.data_format}
    made = []
    for overlap in ("last", "sum") if dtype in SUMMABLE else ("last",):
        for indices, others in ((raw.indices, raw.arguments), (np.broadcast_to(own, raw.x_shape).copy(), same)):
            arrays = {"x": draw(xst.arrays(raw.x_shape, dtype)), "indices": indices.astype(index_dtype(subject))}

            def run(x: Any, indices: Any, kept: dict[str, Any], **options: Any) -> Any:
                return unpoolx.unpool(x, indices, **kept, **options)

            kept = {"overlap": overlap, **others}
            made.append(Call("unpool by raw indices", arrays, kept, partial(run, kept=kept)))
    return made


def _by_blocks(draw: st.DrawFn, subject: Subject, dtype: str) -> list[Call]:
    blocks = draw(xst.blocks().filter(lambda blocks: 0 not in blocks.shape))
    plain, rank = {"data_format": blocks.arguments["data_format"]}, len(blocks.extents)
    kernel, ones = blocks.arguments["kernel_size"], (1,) * rank
    uses: list[tuple[str, dict[str, Any]]] = [
        ("unpool_fixed", {**blocks.arguments, "position": draw(blocks.positions())}),
        ("unpool_fixed", {"kernel_size": ones, **plain}),
        ("unpool_fixed", {"kernel_size": (3,) * rank, "stride": ones, "padding": "SAME", **plain}),
        ("unpool_nearest", {"scale": kernel if isinstance(kernel, tuple) else (kernel,) * rank, **plain}),
        ("unpool_nearest", {"scale": ones, **plain}),
        ("unpool_average", blocks.arguments),
        ("unpool_average", {"kernel_size": ones, **plain}),
    ]
    floats = subject.declared_of(xst.FLOAT_DTYPES)
    averaged = dtype if dtype in floats or not floats else draw(st.sampled_from(floats))
    names = {name: averaged if name == "unpool_average" else dtype for name, _ in uses}
    xs = {name: draw(xst.arrays(blocks.shape, name)) for name in sorted({dtype, averaged})}
    return [
        Call(name, {"x": xs[names[name]]}, others, partial(getattr(unpoolx, name), **others))
        for name, others in uses
        if applicable(name, names[name])
    ]


def _by_index(draw: st.DrawFn, subject: Subject, dtype: str, operations: Sequence[str] = ()) -> list[Call]:
    case = draw(xst.index_cases(forms=("int", "slice", "array", "array", "list", "mask", "mask")))
    others = (draw(st.sampled_from(WHOLE)), NOTHING) if case.shape else (...,)
    cases = [case, *(xst.IndexCase(case.shape, i, "raise", np.zeros(case.shape)[i].shape) for i in others)]
    return [call for c in cases for call in _indexed(draw, subject, c, dtype, operations)]


def _indexed(
    draw: st.DrawFn, subject: Subject, case: xst.IndexCase, dtype: str, operations: Sequence[str]
) -> list[Call]:
    index = case.index if isinstance(case.index, tuple) else (case.index,)
    single, indexed = not isinstance(case.index, tuple), case.indexed_shape or ()
    parts = {
        f"index[{i}]": p
        for i, p in enumerate(index)
        if isinstance(p, np.ndarray) and p.dtype.name in subject.declared.dtypes
    }

    def filled(arrays: dict[str, Any]) -> Any:
        made = tuple(arrays.get(f"index[{i}]", part) for i, part in enumerate(index))
        return made[0] if single else made

    def read(x: Any, backend: str | None = None, **arrays: Any) -> Any:
        mode = "fill" if case.mode == "drop" else case.mode
        return unpoolx.at(x, backend)[filled(arrays)].get(mode=mode)

    def applied(x: Any, backend: str | None = None, **arrays: Any) -> Any:
        return unpoolx.at(x, backend)[filled(arrays)].apply(lambda elements: elements, mode=case.mode)

    def updated(op: str, x: Any, values: Any, backend: str | None = None, **arrays: Any) -> Any:
        return getattr(unpoolx.at(x, backend)[filled(arrays)], op)(values, mode=case.mode)

    contents, floating = xst.exponents if dtype in xst.INTEGER_DTYPES else xst.arrays, dtype not in INTEGERS_AND_BOOL
    x, values = (np.asarray(draw(made)) for made in (xst.arrays(case.shape, dtype), contents(indexed, dtype)))
    reads = {"get": read, "apply": applied}
    return [
        *(Call(name, {"x": x, **parts}, case.arguments, run) for name, run in reads.items()),
        *(
            Call(
                op,
                {"x": x, "values": values, **parts},
                case.arguments,
                partial(updated, op),
                exact=not (floating and op in oracle.ACCUMULATING_OPS),
            )
            for op in operations
        ),
    ]
