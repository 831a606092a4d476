"""JAX's own ways: `lax.reduce_window` of values with their indices, and `.at[].set`, batched and flat."""

from __future__ import annotations

import itertools
import math
import operator
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from unpoolx._bench.data import MASKED, Array, AtData, PoolData, Results
from unpoolx._bench.forms import Call, Form, Function, Layout
from unpoolx._bench.framework import Framework, Writer
from unpoolx._bench.problems import Problem

# What XLA reads when it makes the threads of a CPU, at the first array. There is no other way to set their number.
THREADS = "PJRT_NPROC"


class Jax(Framework):
    """JAX on the CPU."""

    name = "jax"
    our_modes = ("jit", "eager")
    own_modes = ("jit", "eager")

    def set_threads(self, threads: int) -> None:
        os.environ[THREADS] = str(threads)

    def threads(self) -> int | None:
        return int(os.environ[THREADS])

    def place(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = jax.default_device(jax.devices("cpu")[0])
        return context

    def laid(self, x: Array, layout: Layout | None) -> Any:
        # Without its 64-bit mode JAX has no other indices, and with it these are the faster ones.
        return super().laid(x.astype(np.int32) if x.dtype == np.int64 else x, layout)

    def forward(self, function: Function, mode: str, inputs: tuple[Any, ...]) -> Call:
        run = jax.jit(function) if mode == "jit" else function
        return lambda: jax.block_until_ready(run(*inputs))

    def backward(self, function: Function, mode: str, inputs: tuple[Any, ...], cotangent: Any) -> Call:
        run = jax.jit(function) if mode == "jit" else function
        _, pull = jax.vjp(lambda x: run(x, *inputs[1:])[0], inputs[0])
        back = jax.jit(_pulled) if mode == "jit" else _pulled
        return lambda: jax.block_until_ready(back(pull, cotangent))

    def copy(self, count: int) -> tuple[str, Call]:
        x, invert = jnp.arange(count, dtype=jnp.int32), jax.jit(lambda x: ~x)
        return "jit(~x)", lambda: jax.block_until_ready(invert(x))  # a jitted copy may be no copy at all

    def bare(self) -> tuple[str, Call] | None:
        x, add = jnp.zeros((2, 2), jnp.float32), jax.jit(lambda x: x + 1)
        return "jit(x + 1)", lambda: jax.block_until_ready(add(x))

    def pool_forms(self, problem: Problem, data: PoolData) -> Iterator[Form]:
        return _Own(self, problem, data).forms()

    def at_forms(self, problem: Problem, data: AtData) -> Iterator[Form]:
        write, indexed = Writer(self, data).write, "x integers values"
        match problem.variant:
            case "slice":
                yield write("x.at[1::2].set(v)", _set_slice, "x values", "array")
            case "mask":
                yield write("jnp.where(mask, number, x)", _where, "x mask", "array")
            case "unique":
                yield write("x.at[i].set(v, unique_indices=True)", _set_unique, indexed, "array")
                yield write("x.at[i].set(v)", _set, indexed, "array")
            case _:
                yield write("x.at[i].set(v)", _set, indexed, "array")


def _pulled(pull: Any, cotangent: Any) -> Any:
    return pull(cotangent)


class _Own:
    """Pooling and unpooling as one writes them with JAX, channels last."""

    def __init__(self, framework: Jax, problem: Problem, data: PoolData) -> None:
        pooling, rank = problem.window, problem.window.rank
        self._problem, self._spatial, self._size = problem, data.spatial, math.prod(data.spatial)
        self._writer = Writer(framework, data, Layout("channels_last", rank))
        around = ((0, 0), *[(pooling.padding, pooling.padding)] * rank, (0, 0))
        self._window = (1, *[pooling.kernel] * rank, 1), (1, *[pooling.stride] * rank, 1), around

    def forms(self) -> Iterator[Form]:
        """The forms of the problem."""
        write, pairs, maxima = self._writer.write, "lax.reduce_window((x, i))", "lax.reduce_window(x, max)"
        match self._problem.operation, self._problem.variant:
            case "pool", "forward":
                yield write(pairs, self._pool, "x", self._pooled)
                yield write("jnp.stack(slices), max, argmax", self._pool_slices, "x", self._pooled)
                yield write(f"{maxima}, no indices", self._pool_values, "x", "values")
            case "pool", _:
                yield write(maxima, self._pool_values, "x", "gradient", cotangent="dy")
                yield write(
                    "saved indices, zeros.at[n, i, c].add(dy), batched",
                    self._add_batched,
                    "dy spatial_indices",
                    "gradient",
                )
                yield write("saved indices, zeros.at[i].add(dy), flat", self._add_flat, "dy batch_indices", "gradient")
            case "unpool", "forward":
                for name, function, indices in self._unpools():
                    yield write(name, function, f"values {indices}", "values")
            case "unpool", _:
                for name, function, indices in self._unpools():
                    yield write(name, function, f"values {indices}", "gradient", cotangent="dx")
            case _:
                for name, function, indices in self._unpools():
                    round_trip = self._round_trip(function, flat=indices == "batch_indices")
                    yield write(f"{pairs}, {name}", round_trip, "x", "values")

    def _unpools(self) -> Iterator[tuple[str, Function, str]]:
        """The forms of unpooling, with the indices that they take."""
        yield "zeros.at[n, i, c].set(v), batched", self._set_batched, "spatial_indices"
        yield "zeros.at[i].set(v), flat", self._set_flat(unique=False), "batch_indices"
        if not self._problem.window.overlaps:
            yield "zeros.at[i].set(v, unique_indices=True), flat", self._set_flat(unique=True), "batch_indices"

    def _pool(self, x: Any) -> tuple[Any, Any]:
        """The values and their places in their planes."""
        return self._pairs(x, lax.iota(jnp.int32, self._size).reshape(1, *self._spatial, 1))

    def _pairs(self, x: Any, numbers: Any) -> tuple[Any, Any]:
        """The values and the numbers that stand where they come from."""

        def larger(a: Any, b: Any) -> tuple[Any, Any]:
            first = a[0] >= b[0]
            return lax.select(first, a[0], b[0]), lax.select(first, a[1], b[1])

        operands = x, jnp.broadcast_to(numbers, x.shape)
        values, places = lax.reduce_window(operands, (_least(x), np.int32(-1)), larger, *self._window)
        return values, places

    def _pool_slices(self, x: Any) -> tuple[Any, Any]:
        """The same from one slice for each element of the kernel."""
        pooling, rank = self._problem.window, self._problem.window.rank
        padded = jnp.pad(x, self._window[2], constant_values=_least(x))
        counts = [(n + 2 * pooling.padding - pooling.kernel) // pooling.stride + 1 for n in self._spatial]
        steps = [(count - 1) * pooling.stride + 1 for count in counts]
        elements = list(itertools.product(range(pooling.kernel), repeat=rank))
        starts = [(0, *element, 0) for element in elements]
        limits = [(x.shape[0], *map(operator.add, element, steps), x.shape[-1]) for element in elements]
        slices = [lax.slice(padded, *span, self._window[1]) for span in zip(starts, limits, strict=True)]
        stack = jnp.stack(slices)
        offsets = jnp.argmax(stack, axis=0)
        places = jnp.zeros_like(offsets)
        for axis, (count, size) in enumerate(zip(counts, self._spatial, strict=True)):
            inside = offsets // pooling.kernel ** (rank - 1 - axis) % pooling.kernel
            first = jnp.arange(count) * pooling.stride - pooling.padding
            places = places * size + first.reshape(-1, *[1] * (rank - axis)) + inside
        return jnp.max(stack, axis=0), places

    def _pool_values(self, x: Any) -> tuple[Any]:
        return (lax.reduce_window(x, _least(x), lax.max, *self._window),)

    def _pooled(self, results: Any) -> Results:
        values, places = map(self._writer.host, results)
        return {"values": values, "places": places.astype(np.int64)}

    def _batched(self, values: Any, places: Any) -> tuple[Any, Any]:
        """Zeros at the places in their planes, ready for `.set` or `.add`, and the values in that form."""
        batch, *_, channels = self._problem.shape
        n, c = jnp.arange(batch)[:, None, None], jnp.arange(channels)
        rows = batch, -1, channels
        y = jnp.zeros((batch, self._size, channels), values.dtype)
        return y.at[n, places.reshape(rows), c], values.reshape(rows)

    def _set_batched(self, values: Any, places: Any) -> tuple[Any]:
        at, rows = self._batched(values, places)
        return (at.set(rows).reshape(self._problem.shape),)

    def _add_batched(self, dy: Any, places: Any) -> tuple[Any]:
        at, rows = self._batched(dy, places)
        return (at.add(rows).reshape(self._problem.shape),)

    def _set_flat(self, *, unique: bool) -> Function:
        def function(values: Any, places: Any) -> tuple[Any, ...]:
            y = jnp.zeros(math.prod(self._problem.shape), values.dtype)
            y = y.at[places.reshape(-1)].set(values.reshape(-1), unique_indices=unique)
            return (y.reshape(self._problem.shape),)

        return function

    def _add_flat(self, dy: Any, places: Any) -> tuple[Any]:
        y = jnp.zeros(math.prod(self._problem.shape), dy.dtype)
        return (y.at[places.reshape(-1)].add(dy.reshape(-1)).reshape(self._problem.shape),)

    def _round_trip(self, unpool: Function, *, flat: bool) -> Function:
        def function(x: Any) -> tuple[Any, ...]:
            if flat:
                return unpool(*self._pairs(x, lax.iota(jnp.int32, x.size).reshape(x.shape)))
            return unpool(*self._pool(x))

        return function


def _least(x: Any) -> Any:
    """What is below every number of x's dtype, or the least of them; by a NumPy number JAX knows the derivative."""
    return np.array(-np.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min, x.dtype)


def _set_slice(x: Any, v: Any) -> tuple[Any]:
    return (x.at[1::2].set(v),)


def _where(x: Any, mask: Any) -> tuple[Any]:
    return (jnp.where(mask, MASKED, x),)


def _set(x: Any, i: Any, v: Any) -> tuple[Any]:
    return (x.at[i].set(v),)


def _set_unique(x: Any, i: Any, v: Any) -> tuple[Any]:
    return (x.at[i].set(v, unique_indices=True),)
