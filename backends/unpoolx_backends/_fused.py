"""Fused loops on the memory of NumPy's arrays and PyTorch's CPU tensors, where the extra `unpoolx[numba]` is installed.

Each function returns None where it is not, or where an array or a geometry is not for it, and the recipes take over.
Numba compiles on the first call and keeps the result on disk. Threads are our own, or PyTorch's: Numba's must not be
forked, and may not be entered twice.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from unpoolx._geometry import Axis, Geometry
from unpoolx._layout import CHANNELS_FIRST, product

ENABLED = os.environ.get("UNPOOLX_NUMBA") != "0"
"""Off in an environment with UNPOOLX_NUMBA=0, and where tests hold the recipes to the same laws."""

FEWEST_ELEMENTS = 2**13
"""Smaller arrays are not worth loading Numba for."""
SHARED_ELEMENTS = 2**16
"""From so many elements on, threads share the work."""

FEWEST_TOGETHER = 32
"""From so many channels on, unpooling where windows meet compares several at once."""
MOST_SHARING = 9
"""If more windows share an element, a write for each window is faster than as many comparisons for each element."""
MOST_READ = 9
"""If windows have more elements, a read for each window is faster than a comparison with the number of each element."""
MOST_MEETINGS = 16
"""If windows share elements in more ways, what was named is noted instead of compared."""
NUMBERS_IN_A_BYTE = 256
"""If windows need more numbers, those of what is outside among them, elements of a byte have numbers of two."""

PARTS_PER_THREAD = 4
_most: ContextVar[int | None] = ContextVar("unpoolx_threads", default=None)

Array = np.ndarray[Any, Any]
Team = Callable[[Callable[[], None], int], None]
"""Calls a function in at most so many threads at once, the caller's among them, and returns when all are done."""
_SUMMED = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
_ORDERED = (*_SUMMED, "bool")
_log = logging.getLogger("unpoolx")


class _Three(NamedTuple):
    """A geometry of three axes."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    places: Array
    """How far each kernel element is from the beginning of its window, (elements, 3)."""
    by_two: bool
    """Whether windows of two by two touch, without padding."""
    apart: bool
    """Whether windows keep to blocks of their own, without padding."""
    full: bool
    """Whether those blocks are the windows, and nothing lies beside them."""
    sharing: int
    """The most windows that share an element."""
    meetings: Array | None
    """How many windows further on, along D, H and W, a later one is, and which elements of the two are the same,
    (meetings, 5); None where they are more than `MOST_MEETINGS`."""


@lru_cache(maxsize=64)
def _three(geometry: Geometry) -> _Three | None:
    if len(geometry.axes) > 3:
        return None
    axes = (*[Axis(1, 1, 1, 1, 0, 1)] * (3 - len(geometry.axes)), *geometry.axes)
    kernel, stride, dilation, before = (
        tuple(getattr(axis, what) for axis in axes) for what in ("kernel", "stride", "dilation", "before")
    )
    steps = np.array(dilation, np.int64)
    places = np.ascontiguousarray(np.indices(kernel).reshape(3, -1).T * steps)
    inside = all(2 * axis.windows <= axis.size for axis in axes[1:])
    by_two = kernel == stride == (1, 2, 2) and before == (0, 0, 0) and dilation == (1, 1, 1) and inside
    within = all((a.windows - 1) * a.stride + a.extent <= a.size and not a.before for a in axes)
    apart = geometry.is_blockwise and within
    full = apart and all(a.extent == a.stride == a.kernel and a.windows * a.stride == a.size for a in axes)
    sharing = product(a.most_terms for a in axes)
    meetings = _meetings(axes) if max(sharing, len(places)) <= MOST_MEETINGS else None
    return _Three(kernel, stride, dilation, before, places, by_two, apart, full, sharing, meetings)


def _meetings(axes: tuple[Axis, ...]) -> Array | None:
    along = [
        [
            ((one - other) * axis.dilation // axis.stride, one, other)
            for one, other in np.ndindex(axis.kernel, axis.kernel)
            if (one - other) * axis.dilation % axis.stride == 0
        ]
        for axis in axes
    ]
    shape = tuple(axis.kernel for axis in axes)
    found = []
    for ways in itertools.product(*along):
        ahead, one, other = zip(*ways, strict=True)
        if ahead > (0, 0, 0):
            found.append((*ahead, np.ravel_multi_index(one, shape), np.ravel_multi_index(other, shape)))
    return np.array(found, np.int64).reshape(-1, 5) if len(found) <= MOST_MEETINGS else None


@cache
def _installed() -> bool:
    return importlib.util.find_spec("numba") is not None


@cache
def _pooling() -> Any:
    _log.info("unpoolx compiles its loops with Numba; that takes some seconds, once, and is kept on disk")
    from unpoolx_backends import _numba_pool

    return _numba_pool


@cache
def _pooling_channels() -> Any:
    _pooling()
    from unpoolx_backends import _numba_pool_channels

    return _numba_pool_channels


@cache
def _unpooling() -> tuple[Any, Any]:
    _pooling()
    from unpoolx_backends import _numba_unpool, _numba_unpool_lanes

    return _numba_unpool, _numba_unpool_lanes


def _laid_out(x: Array, geometry: Geometry) -> Array:
    """Contiguous x as (planes, D, H, W) or (N, D, H, W, C), a view."""
    rank = len(geometry.axes)
    spatial = [1] * (3 - rank)
    if geometry.window.data_format == CHANNELS_FIRST:
        return x.reshape(product(x.shape[:-rank]), *spatial, *x.shape[-rank:])
    return x.reshape(product(x.shape[: -1 - rank]), *spatial, *x.shape[-1 - rank :])


def _serves(geometry: Geometry, *arrays: Array) -> bool:
    """Whether the loops are there, fit, and are worth it."""
    if not ENABLED or max(a.size for a in arrays) < FEWEST_ELEMENTS or not _installed():
        return False
    return _three(geometry) is not None and all(a.flags.c_contiguous for a in arrays)


def max_pool(x: Array, geometry: Geometry, threads: int, team: Team | None = None) -> tuple[Array, Array] | None:
    """`_recipe_pool.max_pool`, or None."""
    three = _three(geometry)
    if three is None or not _serves(geometry, x) or x.dtype not in _ORDERED:
        return None
    shape = geometry.pooled_shape(x.shape)
    values, offsets = np.empty(shape, x.dtype), np.empty(shape, geometry.offset_dtype)
    bits = np.dtype("u1") if x.dtype == bool else x.dtype  # False is 0, and less than True
    laid = [_laid_out(a, geometry) for a in (x.view(bits), values.view(bits), offsets)]
    if laid[0].ndim == 5 and laid[0].shape[-1] == 1:  # a channel alone is a plane
        laid = [a[..., 0] for a in laid]
    after = geometry.kernel_elements + three.kernel[2]  # numbers of elements outside are less than that
    marks, least = _marks(bits, max(x.itemsize, offsets.itemsize, 1 if after <= NUMBERS_IN_A_BYTE else 2))
    where = (three.kernel, three.stride, three.dilation, three.before)
    if laid[0].ndim == 5:
        _share(_pooling_channels().pool_channels, (*laid, marks, *where), laid[0], threads, team)
    elif three.by_two:
        laid = [a.reshape(-1, *a.shape[2:]) for a in laid]  # every slice along D is a plane of its own
        _share(_pooling().pool_planes_by_two, laid, laid[0], threads, team)
    else:
        _share(_pooling().pool_planes, (*laid, marks, least, *where), laid[0], threads, team)
    return values, offsets


@lru_cache(maxsize=64)
def _marks(dtype: np.dtype[Any], width: int) -> tuple[Array, Array]:
    """What `pool_planes` calls marks, of so many bytes each, and least."""
    bits = np.iinfo("u1" if width == 1 else f"i{width}")
    least = -np.inf if dtype.kind == "f" else np.iinfo(dtype).min
    return np.array([bits.min, bits.max], bits.dtype), np.array([least], dtype)


def unpool(
    x: Array, offsets: Array, geometry: Geometry, overlap: str, threads: int, team: Team | None = None
) -> Array | None:
    """`_recipe_unpool.unpool`, or None."""
    three, adds = _three(geometry), overlap == "sum" and geometry.overlaps
    moved = _as_integers(x) if not adds else x if x.dtype in _SUMMED else None
    if three is None or moved is None or not _serves(geometry, x, offsets):
        return None
    result = np.empty(geometry.unpooled_shape(x.shape), moved.dtype)
    laid = [_laid_out(a, geometry) for a in (moved, offsets, result)]
    (loops, by_lanes), planes = _unpooling(), laid[0].ndim == 4
    if three.apart:
        place = loops.place_planes_by_blocks if planes else loops.place_channels_by_blocks
        _share(place, (*laid, three.kernel, three.stride, three.dilation, three.full), laid[2], threads, team)
    elif not planes and three.sharing <= MOST_SHARING and _fills_lanes(laid[2], threads):
        where = (three.kernel, three.stride, three.dilation, three.before)
        _share(by_lanes.place_channels, (*laid, *where, adds), laid[2], threads, team)
    else:
        place = loops.place_planes if planes else loops.place_channels
        _share(place, (*laid, three.places, three.stride, three.before, adds), laid[2], threads, team)
    return result.view(x.dtype)


def gather(
    x: Array, offsets: Array, geometry: Geometry, winners: bool, threads: int, team: Team | None = None
) -> Array | None:
    """`_recipe_unpool.gather`, or None."""
    three, moved = _three(geometry), _as_integers(x)
    if three is None or moved is None or not _serves(geometry, x, offsets):
        return None
    result = np.empty(geometry.pooled_shape(x.shape), moved.dtype)
    laid = [_laid_out(a, geometry) for a in (moved, offsets, result)]
    (loops, by_lanes), planes = _unpooling(), laid[0].ndim == 4
    where, drops = (three.places, three.stride, three.before), winners and geometry.overlaps
    if drops and three.meetings is None:
        read = loops.read_winners_of_planes if planes else loops.read_winners_of_channels
        _share(read, (*laid, *where), laid[0], threads, team)
        return result.view(x.dtype)
    few = planes and len(three.places) <= MOST_READ and three.stride[2] <= 2
    read = by_lanes.read_planes if few else loops.read_planes if planes else loops.read_channels
    _share(read, (*laid, *where), laid[0], threads, team)
    if drops:
        _, numbers, kept = laid if planes else (a.reshape(*a.shape[:3], product(a.shape[3:])) for a in laid)
        apart = 1 if planes else laid[0].shape[-1]
        _share(by_lanes.drop_losers, (numbers, kept, three.meetings, apart), kept, threads, team)
    return result.view(x.dtype)


def _fills_lanes(work: Array, threads: int) -> bool:
    """Whether each thread has channels enough to compare several at once, however they are cut."""
    return work.shape[-1] >= max(FEWEST_TOGETHER, threads * _unpooling()[1].LANES)


def _as_integers(x: Array) -> Array | None:
    """The bits of x as integers, which the loops move whatever they mean; None where no integer is so wide."""
    return x.view(f"i{x.itemsize}") if x.itemsize in (1, 2, 4, 8) and x.dtype.kind != "c" else None


def _share(function: Callable[..., None], arguments: Any, work: Array, threads: int, team: Team | None) -> None:
    """Call a loop for all planes, or for all of N and C, in parts that threads take one after another.

    There are more parts than threads, so that a thread that another program keeps waiting does fewer of them.
    """
    planes, channels = work.shape[0], work.shape[-1] if work.ndim == 5 else None
    parts = min(PARTS_PER_THREAD * threads, work.size // SHARED_ELEMENTS) if threads > 1 else 1
    if channels is None:
        calls: list[tuple[int, ...]] = [*_cuts(planes, parts)]
    elif planes < min(parts, threads):  # channels that are neighbours in memory had better not be cut small
        calls = [(0, planes, *cut) for cut in _cuts(channels, min(parts, threads))]
    else:
        calls = [(*cut, 0, channels) for cut in _cuts(planes, parts)]
    waiting = iter(calls)

    def take() -> None:
        for call in waiting:
            function(*arguments, *call)

    count = min(threads, len(calls))
    if count == 1:
        take()
    else:
        (team or in_our_threads)(take, count)


def in_our_threads(take: Callable[[], None], count: int) -> None:
    """The team of threads that are our own."""
    others = [_threads(os.getpid()).submit(take) for _ in range(count - 1)]
    take()
    for other in others:
        if not other.cancel():  # it has begun
            other.result()


def _cuts(count: int, parts: int) -> list[tuple[int, int]]:
    """`range(count)` in so many parts, or fewer, none of them empty."""
    parts = max(1, min(parts, count))
    return list(itertools.pairwise(count * i // parts for i in range(parts + 1)))


@lru_cache(maxsize=1)
def _threads(_: int) -> ThreadPoolExecutor:
    """This process's own threads: those of the process that it was forked from are not there."""
    return ThreadPoolExecutor(os.cpu_count(), "unpoolx")


def cpus() -> int:
    """How many processors this process may use, or as many as `held_to` says."""
    most = _most.get()
    if most is not None:
        return most
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def held_to(threads: int) -> Iterator[None]:
    """A context in which loops on NumPy's arrays run in so many threads; those on PyTorch's in as many as it has."""
    token = _most.set(threads)
    try:
        yield
    finally:
        _most.reset(token)
