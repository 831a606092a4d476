"""One lazy Dask array from others: each block of the result is one task on exactly the elements that it needs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from unpoolx_backends._dask_chunks import Part, Range, bounds, pieces

Lazy = Any
"""A Dask array."""
Key = tuple[Any, ...]


class _Pieces(NamedTuple):
    """The pieces that an argument of one task is put together from: its shape, and where each of them belongs."""

    shape: tuple[int, ...]
    places: tuple[tuple[slice, ...], ...]


class Argument(NamedTuple):
    """An array that a task reads a part of: which elements, from the parts of the result along each axis."""

    array: Lazy
    wanted: Callable[[Part], Range]


def source(array: Lazy) -> Argument:
    """An argument whose elements are the sources of the parts."""
    return Argument(array, lambda part: part.source)


def beside(array: Lazy) -> Argument:
    """An argument that lies on the result's own elements."""
    return Argument(array, lambda part: part.out)


def by_blocks(
    what: str,
    function: Callable[..., Any],
    parts: tuple[tuple[Part, ...], ...],
    arguments: tuple[Argument, ...],
    dtypes: tuple[Any, ...],
) -> tuple[Lazy, ...]:
    """Arrays of these dtypes whose blocks are what `function(parts, *arrays)` gives for the parts of each block.

    With one dtype the function returns an array, with more a tuple of them. `parts` holds those of each axis. No task
    reads more than its block needs: what lies in other chunks is cut out where it is.
    """
    token = tokenize(what, function, parts, [argument.array.name for argument in arguments], [str(d) for d in dtypes])
    name = f"{what}-{token}"
    edges = [[bounds(along) for along in argument.array.chunks] for argument in arguments]
    numbers = list(itertools.product(*(range(len(along)) for along in parts)))
    tasks: dict[Key, Any] = {}
    for number in numbers:
        of = tuple(along[i] for along, i in zip(parts, number, strict=True))
        read = [_read(a, edge, of, tasks, f"{what}-cut-{token}") for a, edge in zip(arguments, edges, strict=True)]
        run = partial(_run, function, of, tuple(where for where, _ in read))
        tasks[(name, *number)] = (run, *(keys for _, keys in read))
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[argument.array for argument in arguments])
    chunks = tuple(tuple(part.length for part in along) for along in parts)
    metas = [np.empty((0,) * len(parts), dtype) for dtype in dtypes]
    if len(metas) == 1:
        return (da.Array(graph, name, chunks, meta=metas[0]),)
    made = []
    for i, meta in enumerate(metas):
        one = f"{what}-{i}-{token}"
        chosen = {(one, *number): (itemgetter(i), (name, *number)) for number in numbers}
        whole = HighLevelGraph({**graph.layers, one: chosen}, {**graph.dependencies, one: {name}})
        made.append(da.Array(whole, one, chunks, meta=meta))
    return tuple(made)


def _read(
    argument: Argument, edges: list[list[int]], parts: tuple[Part, ...], cut: dict[Key, Any], name: str
) -> tuple[_Pieces, list[Key]]:
    """How an argument of one task is put together, and the keys of its pieces; what must be cut first goes to `cut`."""
    wanted = [argument.wanted(part) for part in parts]
    found = [pieces(edge, part) for edge, part in zip(edges, wanted, strict=True)]
    ends = [list(itertools.accumulate((high - low for _, low, high in along), initial=0)) for along in found]
    places, keys = [], []
    for number in itertools.product(*(range(len(along)) for along in found)):
        chosen = [along[i] for along, i in zip(found, number, strict=True)]
        places.append(tuple(slice(end[i], end[i + 1]) for end, i in zip(ends, number, strict=True)))
        key = (argument.array.name, *(chunk for chunk, _, _ in chosen))
        whole = all(
            low == 0 and high == edge[chunk + 1] - edge[chunk]
            for edge, (chunk, low, high) in zip(edges, chosen, strict=True)
        )
        if not whole:
            spans = tuple((low, high) for _, low, high in chosen)
            key = (f"{name}-{argument.array.name}", *itertools.chain.from_iterable(chosen))
            cut[key] = (partial(_cut, spans), (argument.array.name, *(chunk for chunk, _, _ in chosen)))
        keys.append(key)
    return _Pieces(tuple(high - low for low, high in wanted), tuple(places)), keys


def _cut(spans: tuple[Range, ...], x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A part of a chunk, as an array of its own: a view would keep the chunk in memory."""
    return x[tuple(slice(*span) for span in spans)].copy()


def _run(function: Callable[..., Any], parts: tuple[Part, ...], reads: tuple[_Pieces, ...], *given: list[Any]) -> Any:
    """One task: its arguments put together, and the function called."""
    return function(parts, *(_joined(read, arrays) for read, arrays in zip(reads, given, strict=True)))


def _joined(read: _Pieces, arrays: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    if len(arrays) == 1:
        return np.asarray(arrays[0])
    joined = np.empty(read.shape, arrays[0].dtype)
    for place, array in zip(read.places, arrays, strict=True):
        joined[place] = array
    return joined
