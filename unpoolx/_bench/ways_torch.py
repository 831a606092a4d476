"""PyTorch's own ways: `F.max_pool*d` with indices, `F.max_unpool*d`, `scatter_`, and its updates by index."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from unpoolx._bench.data import MASKED, Array, AtData, PoolData, Results
from unpoolx._bench.forms import Call, Form, Function, Layout
from unpoolx._bench.framework import Framework, Writer
from unpoolx._bench.problems import Problem

POOL = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
UNPOOL = {1: functional.max_unpool1d, 2: functional.max_unpool2d, 3: functional.max_unpool3d}


class Torch(Framework):
    """PyTorch on the CPU."""

    name = "torch"

    def __init__(self, threads: int, compiled: bool) -> None:
        super().__init__(threads, compiled)
        self.our_modes = self.own_modes = ("", "compiled") if compiled else ("",)

    def set_threads(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def threads(self) -> int | None:
        return int(torch.get_num_threads())

    def begin(self) -> None:
        super().begin()
        if self.compiled:
            torch.compiler.reset()  # it keeps a few programs of each function, and then compiles no more

    def layouts(self, rank: int) -> tuple[Layout, ...]:
        first, strided = Layout("channels_first", rank), Layout("channels_first", rank, strided=True)
        # PyTorch has no name for channels last in memory of one axis.
        return (first, *([strided] if rank > 1 else []), Layout("channels_last", rank))

    def laid(self, x: Array, layout: Layout | None) -> Any:
        if layout is not None and layout.strided:
            return torch.movedim(super().laid(x, None), -1, 1)
        return super().laid(x, layout)

    def numpy(self, x: Any) -> Array:
        return super().numpy(x.detach())

    def forward(self, function: Function, mode: str, inputs: tuple[Any, ...]) -> Call:
        run = _in_mode(function, mode)
        return lambda: run(*inputs)

    def backward(self, function: Function, mode: str, inputs: tuple[Any, ...], cotangent: Any) -> Call:
        x = inputs[0].detach().requires_grad_()
        y = _in_mode(function, mode)(x, *inputs[1:])[0]
        return lambda: torch.autograd.grad(y, x, cotangent, retain_graph=True)

    def copy(self, count: int) -> tuple[str, Call]:
        return "x.clone()", torch.arange(count, dtype=torch.int32).clone

    def pool_forms(self, problem: Problem, data: PoolData) -> Iterator[Form]:
        for layout in self.layouts(problem.window.rank):
            yield from _Own(self, problem, data, layout).forms()

    def at_forms(self, problem: Problem, data: AtData) -> Iterator[Form]:
        write, indexed = Writer(self, data).write, "x integers values"
        match problem.variant:
            case "slice":
                yield write("y = x.clone(); y[1::2] = v", _set_slice, "x values", "array")
                yield write("torch.slice_scatter(x, v, step=2)", _slice_scatter, "x values", "array")
            case "mask":
                yield write("torch.where(mask, number, x)", _where, "x mask", "array")
                yield write("x.masked_fill(mask, number)", _masked_fill, "x mask", "array")
                yield write("y = x.clone(); y[mask] = number", _set_mask, "x mask", "array")
            case variant:
                # Its threads race for the rows that are named twice.
                racing = variant == "duplicates"
                word = ", racing" if racing else ""
                for name, function in INDEXED.items():
                    yield dataclasses.replace(write(f"{name}{word}", function, indexed, "array"), races=racing)


def _in_mode(function: Function, mode: str) -> Function:
    compiled: Function = torch.compile(function, dynamic=False) if mode else function
    return compiled


class _Own:
    """Pooling and unpooling as one writes them with PyTorch, in a layout.

    Its functions take channels first. An array that has its channels last is given as a view of that form, and so
    are the results: it is the memory that PyTorch calls channels_last.
    """

    def __init__(self, framework: Torch, problem: Problem, data: PoolData, layout: Layout) -> None:
        self._writer, self._problem, self._layout = Writer(framework, data, layout), problem, layout
        self._last = layout.data_format == "channels_last"
        self._size = (problem.shape[0], problem.shape[-1], *data.spatial)

    def forms(self) -> Iterator[Form]:
        """The forms of the problem."""
        write, rank = self._writer.write, self._problem.window.rank
        pool, unpools = f"F.max_pool{rank}d", {f"F.max_unpool{rank}d": self._unpool, "zeros.scatter_": self._scatter}
        match self._problem.operation, self._problem.variant:
            case "pool", "forward":
                yield write(f"{pool}(return_indices=True)", self._pool, "x", self._pooled)
            case "pool", _:
                yield write(pool, self._pool_values, "x", "gradient", cotangent="dy")
            case "unpool", "forward":
                for name, function in unpools.items():
                    yield write(name, function, "values spatial_indices", "values")
            case "unpool", _:
                for name, function in unpools.items():
                    yield write(name, function, "values spatial_indices", "gradient", cotangent="dx")
            case _:
                for name, function in unpools.items():
                    yield write(f"{pool}, {name}", self._round_trip(function), "x", "values")

    def _first(self, x: Any) -> Any:
        """x with its channels first, in the same memory."""
        return torch.movedim(x, -1, 1) if self._last else x

    def _back(self, x: Any) -> Any:
        """What `_first` was given."""
        return torch.movedim(x, 1, -1) if self._last else x

    def _pool(self, x: Any) -> tuple[Any, Any]:
        pooling = self._problem.window
        window = pooling.kernel, pooling.stride, pooling.padding
        values, places = POOL[pooling.rank](self._first(x), *window, return_indices=True)
        return self._back(values), self._back(places)

    def _pool_values(self, x: Any) -> tuple[Any]:
        pooling = self._problem.window
        return (self._back(POOL[pooling.rank](self._first(x), pooling.kernel, pooling.stride, pooling.padding)),)

    def _pooled(self, results: Any) -> Results:
        values, places = map(self._writer.host, results)
        return {"values": values, "places": places}

    def _unpool(self, values: Any, places: Any) -> tuple[Any]:
        pooling = self._problem.window
        window = pooling.kernel, pooling.stride, pooling.padding
        unpool = UNPOOL[pooling.rank]
        return (self._back(unpool(self._first(values), self._first(places), *window, output_size=self._size)),)

    def _scatter(self, values: Any, places: Any) -> tuple[Any]:
        batch, channels, *spatial = self._size
        if self._layout.data_format == "channels_first" and not self._layout.strided:
            y = torch.zeros((batch, channels, math.prod(spatial)), dtype=values.dtype)
            return (y.scatter_(2, places.flatten(2), values.flatten(2)).view(self._size),)
        if self._layout.strided:
            values, places = torch.movedim(values, 1, -1), torch.movedim(places, 1, -1)
        y = torch.zeros((batch, math.prod(spatial), channels), dtype=values.dtype)
        y.scatter_(1, places.reshape(batch, -1, channels), values.reshape(batch, -1, channels))
        y = y.view(batch, *spatial, channels)
        return (torch.movedim(y, -1, 1) if self._layout.strided else y,)

    def _round_trip(self, unpool: Function) -> Function:
        def function(x: Any) -> tuple[Any, ...]:
            return unpool(*self._pool(x))

        return function


def _set_slice(x: Any, v: Any) -> tuple[Any]:
    y = x.clone()
    y[1::2] = v
    return (y,)


def _slice_scatter(x: Any, v: Any) -> tuple[Any]:
    return (torch.slice_scatter(x, v, 0, 1, None, 2),)


def _where(x: Any, mask: Any) -> tuple[Any]:
    return (torch.where(mask, MASKED, x),)


def _masked_fill(x: Any, mask: Any) -> tuple[Any]:
    return (x.masked_fill(mask, MASKED),)


def _set_mask(x: Any, mask: Any) -> tuple[Any]:
    y = x.clone()
    y[mask] = MASKED
    return (y,)


def _index_put(x: Any, i: Any, v: Any) -> tuple[Any]:
    return (x.index_put((i,), v),)


def _index_put_in_place(x: Any, i: Any, v: Any) -> tuple[Any]:
    return (x.clone().index_put_((i,), v),)


def _index_copy(x: Any, i: Any, v: Any) -> tuple[Any]:
    return (x.index_copy(0, i, v),)


INDEXED = {
    "x.index_put((i,), v)": _index_put,
    "x.clone().index_put_((i,), v)": _index_put_in_place,
    "x.index_copy(0, i, v)": _index_copy,
}
