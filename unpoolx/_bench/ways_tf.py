"""TensorFlow's own ways: `tf.nn.max_pool_with_argmax`, `tf.nn.max_pool`, `tf.scatter_nd` and its updates by index."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import tensorflow as tf

from unpoolx._bench.data import MASKED, AtData, PoolData, Results
from unpoolx._bench.forms import Call, Form, Function, Layout
from unpoolx._bench.framework import Framework, Writer
from unpoolx._bench.problems import Problem
from unpoolx._cli import CommandError

MODES = ("eager", "tf.function", "jit_compile")
# Not `tf.nn.max_pool`, which leaves the layout unsaid in three dimensions, so that its gradient fails.
POOL = {1: tf.nn.max_pool1d, 2: tf.nn.max_pool2d, 3: tf.nn.max_pool3d}


class TensorFlow(Framework):
    """TensorFlow on the CPU."""

    name = "tf"
    our_modes = MODES
    own_modes = MODES

    def set_threads(self, threads: int) -> None:
        threading = tf.config.threading
        if self.threads() == threads:
            return
        try:
            threading.set_intra_op_parallelism_threads(threads)
            threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise CommandError(f"--threads: TensorFlow has begun with another number: {error}") from error

    def threads(self) -> int | None:
        return int(tf.config.threading.get_intra_op_parallelism_threads())

    @contextlib.contextmanager
    def _placed(self) -> Iterator[None]:
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # it warns of every function that is traced for several geometries
        try:
            with tf.device("/CPU:0"):
                yield
        finally:
            logger.setLevel(level)

    def place(self) -> AbstractContextManager[Any]:
        return self._placed()

    def forward(self, function: Function, mode: str, inputs: tuple[Any, ...]) -> Call:
        run = _in_mode(function, mode)
        return lambda: run(*inputs)

    def backward(self, function: Function, mode: str, inputs: tuple[Any, ...], cotangent: Any) -> Call:
        run = _in_mode(function, mode)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs[0])
            y = run(*inputs)[0]
        return lambda: (tape.gradient(y, inputs[0], output_gradients=cotangent),)

    def copy(self, count: int) -> tuple[str, Call]:
        x = tf.range(count, dtype=tf.int32)
        return "tf.bitwise.invert(x)", lambda: tf.bitwise.invert(x)  # tf.identity copies nothing

    def bare(self) -> tuple[str, Call] | None:
        x, add = tf.zeros((2, 2)), tf.function(lambda x: x + 1, autograph=False)
        return "tf.function(x + 1)", lambda: add(x)

    def pool_forms(self, problem: Problem, data: PoolData) -> Iterator[Form]:
        return _Own(self, problem, data).forms()

    def at_forms(self, problem: Problem, data: AtData) -> Iterator[Form]:
        write = Writer(self, data).write
        match problem.variant:
            case "slice":
                yield write("tf.raw_ops.TensorStridedSliceUpdate", _strided_update, "x values", "array")
                yield write("tf.stack([x[::2], v], 1)", _stacked, "x values", "array")
            case "mask":
                yield write("tf.where(mask, number, x)", _where, "x mask", "array")
            case _:
                yield write("tf.tensor_scatter_nd_update", _update, "x integers values", "array")


def _in_mode(function: Function, mode: str) -> Function:
    if mode == "eager":
        return function
    compiled: Function = tf.function(function, jit_compile=True if mode == "jit_compile" else None, autograph=False)
    return compiled


class _Own:
    """Pooling and unpooling as one writes them with TensorFlow, channels last."""

    def __init__(self, framework: TensorFlow, problem: Problem, data: PoolData) -> None:
        rank = problem.window.rank
        self._problem, self._data = problem, data
        self._writer = Writer(framework, data, Layout("channels_last", rank))
        self._size = math.prod(problem.shape)

    def forms(self) -> Iterator[Form]:
        """The forms of the problem."""
        write, argmax, indices = self._writer.write, "tf.nn.max_pool_with_argmax", "values batch_indices"
        has_argmax = self._problem.window.rank < 3
        unpools = {"tf.scatter_nd": self._scatter, "tf.tensor_scatter_nd_update(zeros)": self._update}
        match self._problem.operation, self._problem.variant:
            case "pool", "forward":
                if has_argmax:
                    yield write(argmax, self._pool, "x", self._pooled)
                for name, function in self._maxima():
                    yield write(f"{name}, no indices", function, "x", "values")
            case "pool", _:
                if has_argmax:
                    yield write(argmax, self._pool, "x", "gradient", cotangent="dy")
                for name, function in self._maxima():
                    yield write(name, function, "x", "gradient", cotangent="dy")
                yield write("saved indices, tf.scatter_nd", self._scatter, "dy batch_indices", "gradient")
            case "unpool", "forward":
                for name, function in unpools.items():
                    yield write(name, function, indices, "values")
            case "unpool", _:
                for name, function in unpools.items():
                    yield write(name, function, indices, "gradient", cotangent="dx")
            case _ if has_argmax:
                for name, function in unpools.items():
                    yield write(f"{argmax}, {name}", self._round_trip(function), "x", "values")

    def _maxima(self) -> Iterator[tuple[str, Function]]:
        """The forms of pooling that say nothing of places."""
        rank, padding = self._problem.window.rank, self._problem.window.padding
        yield f"tf.nn.max_pool{rank}d", self._pool_values
        if padding:  # which XLA does not take
            yield f"tf.pad, tf.nn.max_pool{rank}d", self._pool_padded

    def _around(self) -> list[list[int]]:
        pooling = self._problem.window
        return [[0, 0], *[[pooling.padding, pooling.padding]] * pooling.rank, [0, 0]]

    def _pool_values(self, x: Any) -> tuple[Any]:
        pooling = self._problem.window
        padding = self._around() if pooling.padding else "VALID"
        return (POOL[pooling.rank](x, pooling.kernel, pooling.stride, padding),)

    def _pool_padded(self, x: Any) -> tuple[Any]:
        pooling = self._problem.window
        padded = tf.pad(x, self._around(), constant_values=x.dtype.min)
        return (POOL[pooling.rank](padded, pooling.kernel, pooling.stride, "VALID"),)

    def _pool(self, x: Any) -> tuple[Any, Any]:
        """The values and their places in the whole array."""
        pooling = self._problem.window
        if pooling.rank == 1:
            values, places = tf.nn.max_pool_with_argmax(
                x[:, tf.newaxis], (1, pooling.kernel), (1, pooling.stride), "VALID", include_batch_in_index=True
            )
            return values[:, 0], places[:, 0]
        if pooling.padding:
            x = tf.pad(x, self._around(), constant_values=x.dtype.min)
        values, places = tf.nn.max_pool_with_argmax(
            x, pooling.kernel, pooling.stride, "VALID", include_batch_in_index=True
        )
        return values, self._unpadded(places) if pooling.padding else places

    def _unpadded(self, places: Any) -> Any:
        """What the numbers of a padded array are in the array itself."""
        padding, (height, width), channels = self._problem.window.padding, self._data.spatial, self._problem.shape[-1]
        row_length, rows = width + 2 * padding, height + 2 * padding
        c, n = places % channels, places // (channels * row_length * rows)
        w, h = places // channels % row_length - padding, places // (channels * row_length) % rows - padding
        return ((n * height + h) * width + w) * channels + c

    def _pooled(self, results: Any) -> Results:
        values, places = map(self._writer.host, results)
        in_plane = places // self._problem.shape[-1] % math.prod(self._data.spatial)
        return {"values": values, "places": in_plane.astype(np.int64)}

    def _scatter(self, values: Any, places: Any) -> tuple[Any]:
        y = tf.scatter_nd(tf.reshape(places, (-1, 1)), tf.reshape(values, [-1]), [self._size])
        return (tf.reshape(y, self._problem.shape),)

    def _update(self, values: Any, places: Any) -> tuple[Any]:
        zeros = tf.zeros(self._size, values.dtype)
        y = tf.tensor_scatter_nd_update(zeros, tf.reshape(places, (-1, 1)), tf.reshape(values, [-1]))
        return (tf.reshape(y, self._problem.shape),)

    def _round_trip(self, unpool: Function) -> Function:
        def function(x: Any) -> tuple[Any, ...]:
            return unpool(*self._pool(x))

        return function


def _strided_update(x: Any, v: Any) -> tuple[Any]:
    return (tf.raw_ops.TensorStridedSliceUpdate(input=x, begin=[1], end=[x.shape[0]], strides=[2], value=v),)


def _stacked(x: Any, v: Any) -> tuple[Any]:
    return (tf.reshape(tf.stack([x[::2], v], 1), x.shape),)


def _where(x: Any, mask: Any) -> tuple[Any]:
    return (tf.where(mask, MASKED, x),)


def _update(x: Any, i: Any, v: Any) -> tuple[Any]:
    return (tf.tensor_scatter_nd_update(x, i[:, tf.newaxis], v),)
