"""JAX's own ways, jitted: `lax.reduce_window` of values with their indices, and `.at[].set`, batched and flat."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from unpoolx._bench.data import MASKED, Array, AtData, PoolData, Results
from unpoolx._bench.framework import Call, Form, Framework, Function, Layout
from unpoolx._bench.problems import Problem

# What XLA reads when it makes the threads of a CPU, at the first array. There is no other way to set their number.
THREADS = "PJRT_NPROC"


class Jax(Framework):
    """JAX on the CPU."""

    name = "jax"
    our_modes = ("jit", "eager")
    own_modes = ("jit",)

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
        host, array = self.first("array"), self.array

        def indexed() -> tuple[Any, ...]:
            return array(data.x), array(data.integers), array(data.values)

        match problem.variant:
            case "slice":
                inputs = (data.x, data.values)
                yield Form("x.at[1::2].set(v)", _set_slice, lambda: tuple(map(array, inputs)), host)
            case "mask":
                masked = (data.x, data.mask)
                yield Form("x.at[mask].set(number)", _set_mask, lambda: tuple(map(array, masked)), host)
                yield Form("jnp.where(mask, number, x)", _where, lambda: tuple(map(array, masked)), host)
            case "unique":
                yield Form("x.at[i].set(v, unique_indices=True)", _set_unique, indexed, host)
                yield Form("x.at[i].set(v)", _set, indexed, host)
            case _:
                yield Form("x.at[i].set(v)", _set, indexed, host)


def _pulled(pull: Any, cotangent: Any) -> Any:
    return pull(cotangent)


class _Own:
    """Pooling and unpooling as one writes them with JAX, channels last."""

    def __init__(self, framework: Jax, problem: Problem, data: PoolData) -> None:
        self._framework, self._problem, self._data = framework, problem, data
        pooling, rank = problem.window, problem.window.rank
        self._layout = Layout("channels_last", rank)
        self._window = (1, *[pooling.kernel] * rank, 1), (1, *[pooling.stride] * rank, 1)
        self._around = ((0, 0), *[(pooling.padding, pooling.padding)] * rank, (0, 0))
        self._size = math.prod(data.spatial)

    def forms(self) -> Iterator[Form]:
        """The forms of the problem."""
        data, values, gradient = self._data, self._framework.first("values"), self._framework.first("gradient")
        x, dx, dy = self._inputs("x"), self._inputs("dx"), self._inputs("dy")
        pairs, maxima = "lax.reduce_window((x, i))", "lax.reduce_window(x, max)"
        match self._problem.operation, self._problem.variant:
            case "pool", "forward":
                yield self._form(pairs, self._pool, x, self._pooled)
                yield self._form(f"{maxima}, no indices", self._pool_values, x, values)
            case "pool", _:
                form = self._form(maxima, self._pool_values, x, gradient)
                yield form.with_cotangent(lambda: dy()[0])
                added = self._inputs("dy", "batch_indices")
                yield self._form("zeros.at[i].add(dy), flat", self._add_flat, added, gradient)
            case "unpool", variant:
                for name, function, indices in self._unpools():
                    inputs = self._inputs("values", indices)
                    if variant == "forward":
                        yield self._form(name, function, inputs, values)
                    else:
                        yield self._form(name, function, inputs, gradient).with_cotangent(lambda: dx()[0])
            case _:
                for name, function, indices in self._unpools():
                    flat = indices == "batch_indices"
                    yield self._form(f"{pairs}, {name}", self._round_trip(function, flat=flat), x, values)
        del data

    def _form(self, *arguments: Any) -> Form:
        return Form(*arguments, layout=self._layout)
