"""NumPy's own ways: windows by `sliding_window_view`, places by `argmax`, values put along an axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from unpoolx_backends import _fused

from unpoolx._bench import machine
from unpoolx._bench.data import MASKED, Array, AtData, PoolData, Results, numpy_dtype
from unpoolx._bench.forms import Call, Form, Function, Layout
from unpoolx._bench.framework import Framework, Writer
from unpoolx._bench.problems import Problem

LEAST_SHARED = 1 << 18
"""Fewer bytes are copied faster by one thread."""


class NumPy(Framework):
    """NumPy, whose own operations run in one thread, and unpoolx's loops in as many as are asked for."""

    name = "numpy"
    traced_memory = True

    def set_threads(self, threads: int) -> None:
        """Hold the loops that Numba compiles to so many; where there are none, there is one thread."""
        self._threads = threads if machine.numba() else 1

    def threads(self) -> int | None:
        return self._threads

    def place(self) -> AbstractContextManager[Any]:
        return _fused.held_to(self._threads)

    def lacks(self, problem: Problem) -> str:
        if problem.variant == "backward":
            return "NumPy has no gradients"
        try:
            numpy_dtype(problem.dtype)
        except ModuleNotFoundError:
            return "NumPy has bfloat16 by ml_dtypes alone, which is not installed"
        return ""

    def layouts(self, rank: int) -> tuple[Layout, ...]:
        return Layout("channels_last", rank), Layout("channels_first", rank)

    def forward(self, function: Function, mode: str, inputs: tuple[Any, ...]) -> Call:
        return lambda: function(*inputs)

    def copy(self, count: int) -> tuple[str, Call]:
        x = np.arange(count, dtype=np.int32)
        if self._threads == 1 or x.nbytes < LEAST_SHARED:
            return "x.copy()", x.copy
        pool, parts = ThreadPoolExecutor(self._threads), np.array_split(x, self._threads)

        def copy() -> Array:
            made = np.empty_like(x)
            list(pool.map(np.copyto, np.array_split(made, self._threads), parts))
            return made

        return f"x.copy() in {self._threads} threads", copy

    def pool_forms(self, problem: Problem, data: PoolData) -> Iterator[Form]:
        for layout in self.layouts(problem.window.rank):
            yield from _Own(self, problem, data, layout).forms()

    def at_forms(self, problem: Problem, data: AtData) -> Iterator[Form]:
        write = Writer(self, data).write
        match problem.variant:
            case "slice":
                yield write("y = x.copy(); y[1::2] = v", _set_slice, "x values", "array")
            case "mask":
                yield write("y = x.copy(); y[mask] = number", _set_mask, "x mask", "array")
                yield write("np.where(mask, number, x)", _where, "x mask", "array")
            case _:
                yield write("y = x.copy(); y[i] = v", _set, "x integers values", "array")


class _Own:
    """Pooling and unpooling as one writes them with NumPy, in a layout."""

    def __init__(self, framework: Framework, problem: Problem, data: PoolData, layout: Layout) -> None:
        self._writer, self._problem, self._data = Writer(framework, data, layout), problem, data
        pooling, rank = problem.window, problem.window.rank
        self._kernel, self._stride, self._padding = pooling.kernel, pooling.stride, pooling.padding
        self._last = layout.data_format == "channels_last"
        self._axes = tuple(range(1, 1 + rank)) if self._last else tuple(range(2, 2 + rank))

    def forms(self) -> Iterator[Form]:
        """The forms of the problem."""
        write = self._writer.write
        match self._problem.operation:
            case "pool":
                yield write("sliding_window_view, argmax, take_along_axis", self._pool, "x", self._pooled)
            case "unpool":
                yield write("put_along_axis", self._put_along, "values spatial_indices", "values")
                if self._last:
                    yield write("y.reshape(-1)[i] = v", self._put, "values batch_indices", "values")
            case _:
                yield write("sliding_window_view, argmax, put_along_axis", self._round_trip, "x", "values")

    def _pool(self, x: Array) -> tuple[Array, Array]:
        """The values and their places inside the windows."""
        if self._padding:
            around = [(self._padding,) * 2 if axis in self._axes else (0, 0) for axis in range(x.ndim)]
            x = np.pad(x, around, constant_values=-np.inf)
        windows = sliding_window_view(x, (self._kernel,) * len(self._axes), self._axes)
        apart = slice(None, None, self._stride)
        windows = windows[tuple(apart if axis in self._axes else slice(None) for axis in range(x.ndim))]
        elements = windows.reshape(*windows.shape[: x.ndim], -1)
        offsets = elements.argmax(-1)
        return np.take_along_axis(elements, offsets[..., np.newaxis], -1)[..., 0], offsets

    def _places(self, offsets: Array) -> Array:
        """The numbers in its plane of what the places inside windows name."""
        places = np.zeros_like(offsets)
        rank = len(self._axes)
        for number, (axis, length) in enumerate(zip(self._axes, self._data.spatial, strict=True)):
            inside = offsets // self._kernel ** (rank - 1 - number) % self._kernel
            starts = np.arange(offsets.shape[axis]) * self._stride - self._padding
            starts = starts.reshape([-1 if other == axis else 1 for other in range(offsets.ndim)])
            places = places * length + starts + inside
        return places

    def _pooled(self, results: Any) -> Results:
        values, offsets = results
        places = self._writer.host(self._places(offsets)).astype(np.int64)
        return {"values": self._writer.host(values), "places": places}

    def _put_along(self, values: Array, places: Array) -> tuple[Array]:
        """An unpooled array of the values at places in their planes."""
        batch, channels, spatial = self._problem.shape[0], self._problem.shape[-1], self._data.spatial
        size = math.prod(spatial)
        if self._last:
            y = np.zeros((batch, size, channels), values.dtype)
            np.put_along_axis(y, places.reshape(batch, -1, channels), values.reshape(batch, -1, channels), 1)
            return (y.reshape(batch, *spatial, channels),)
        y = np.zeros((batch, channels, size), values.dtype)
        np.put_along_axis(y, places.reshape(batch, channels, -1), values.reshape(batch, channels, -1), 2)
        return (y.reshape(batch, channels, *spatial),)

    def _put(self, values: Array, places: Array) -> tuple[Array]:
        """The same by places in the whole array."""
        y = np.zeros(self._problem.shape, values.dtype)
        y.reshape(-1)[places] = values
        return (y,)

    def _round_trip(self, x: Array) -> tuple[Array]:
        values, offsets = self._pool(x)
        return self._put_along(values, self._places(offsets))


def _set_slice(x: Array, v: Array) -> tuple[Array]:
    y = x.copy()
    y[1::2] = v
    return (y,)


def _set_mask(x: Array, mask: Array) -> tuple[Array]:
    y = x.copy()
    y[mask] = MASKED
    return (y,)


def _where(x: Array, mask: Array) -> tuple[Array]:
    return (np.where(mask, np.float32(MASKED), x),)


def _set(x: Array, i: Array, v: Array) -> tuple[Array]:
    y = x.copy()
    y[i] = v
    return (y,)
