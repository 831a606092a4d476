"""TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import record as _record  # there is no public way to ask

from unpoolx._backend import Array, Backend, Span
from unpoolx._dtypes import ALL, FLOAT_BITS
from unpoolx._geometry import Geometry
from unpoolx._host import matching_device
from unpoolx._layout import product
from unpoolx._maps import Gather, LinearMap, Scatter, Take, apply_map
from unpoolx._recipe_at import set_strided
from unpoolx._recipe_fold import coefficients, fold
from unpoolx._recipe_pool import max_pool

_DTYPES = {name: tf.as_dtype(name) for name in ALL}
# Whether some tape records, or forward mode is on. Where TensorFlow does not tell, it may be.
_may_record: Callable[[], bool] = getattr(_record, "could_possibly_record", lambda: True)
# On arrays of at least so many elements, of a shape that is known, a call runs as one XLA program, eager or inside a
# caller's graph: below, compiling costs more than the operations that it would fuse.
COMPILED_ELEMENTS = 2**18
MOST_PROGRAMS = 256
"""So many programs are compiled in a process: TensorFlow keeps each for good, about 0.3 MB, even when it is forgotten.

Each serves one shape. Calls on further shapes run as plain operations, as a stream of images of ever new sizes does.
"""
PAD_AXES = 6
"""The most axes that tf.pad takes."""


class TensorflowBackend(Backend):
    """Immutable tensors; large eager calls are compiled, and a caller's graph gets the plain operations."""

    name = "tf"
    gradient = True
    forward_mode = True
    compiled = ("graph", "xla")
    counts_wide = True
    max_axes = 6  # of a broadcast whose axes alternate

    @property
    def version(self) -> str:
        return tf.__version__  # type: ignore[no-any-return]

    def devices(self) -> tuple[str, ...]:
        return tuple(_device(device.name) for device in tf.config.list_logical_devices())

    def dtypes(self) -> tuple[str, ...]:
        return ALL

    def is_array(self, x: object) -> bool:
        return isinstance(x, (tf.Tensor, tf.Variable))

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        if like is None or not self.is_concrete(like):
            return tf.convert_to_tensor(x)
        with tf.device(like.device):
            return tf.convert_to_tensor(x)

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        return np.asarray(x.numpy())

    def prepare(self, x: Array) -> Array:
        if isinstance(x, tf.Variable):
            with tf.device(x.device):
                x = tf.convert_to_tensor(x)
        if x.shape.rank is None:
            raise ValueError("expected a tensor whose number of axes is known; set it with tf.ensure_shape")
        return x

    def shape(self, x: Array) -> tuple[Any, ...]:
        static = x.shape.as_list()
        if None not in static:
            return tuple(static)
        dynamic = tf.shape(x)
        return tuple(dynamic[i] if n is None else n for i, n in enumerate(static))

    def dtype(self, x: Array) -> str:
        return x.dtype.name  # type: ignore[no-any-return]

    def device(self, x: Array) -> str | None:
        return _device(x.device) if self.is_concrete(x) else None

    def to_device(self, x: Array, device: str) -> Array:
        name = matching_device(self, device)
        with tf.device(next(d.name for d in tf.config.list_logical_devices() if _device(d.name) == name)):
            return tf.identity(x)

    def is_concrete(self, x: Array) -> bool:
        return hasattr(x, "numpy")  # a symbolic tensor has none

    def cast(self, x: Array, dtype: str) -> Array:
        return tf.cast(x, _DTYPES[dtype])

    def copy(self, x: Array) -> Array:
        return x

    def bits(self, x: Array) -> Array:
        return tf.bitcast(x, _DTYPES[FLOAT_BITS[x.dtype.name].integer])

    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        with np.errstate(over="ignore"):  # a number beyond the dtype is infinite in it
            host = np.array(numbers, _DTYPES[dtype].as_numpy_dtype)
        return tf.constant(host)  # of a Python number, TensorFlow may return the 0.0 that it made last for -0.0

    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array:
        value = tf.cast(value, _DTYPES[dtype])
        return value if len(shape) == 0 else tf.fill(shape, value)

    def full_like(self, x: Array, value: Any, dtype: str) -> Array:
        return tf.fill(self.shape(x), tf.cast(value, _DTYPES[dtype]))

    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        return tf.range(tf.cast(count, _DTYPES[dtype]), dtype=_DTYPES[dtype])

    def reshape(self, x: Array, shape: Any) -> Array:
        return tf.reshape(x, shape)

    def broadcast_to(self, x: Array, shape: Any) -> Array:
        return tf.broadcast_to(x, shape)

    def slice(self, x: Array, span: Span) -> Array:
        index = [slice(None)] * x.shape.rank
        for axis, (start, count, step) in span.items():
            index[axis] = slice(start, start + (count - 1) * step + 1, step)
        return x[tuple(index)]

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        if x.shape.rank > PAD_AXES:
            for axis, pair in padding.items():
                x = self._pad_axis(x, axis, pair, value)
            return x
        pairs = [(0, 0)] * x.shape.rank
        for axis, pair in padding.items():
            pairs[axis] = pair
        return tf.pad(x, pairs, constant_values=tf.cast(value, x.dtype))

    def _pad_axis(self, x: Array, axis: int, pair: tuple[Any, Any], value: float) -> Array:
        shapes = [list(self.shape(x)), list(self.shape(x))]
        shapes[0][axis], shapes[1][axis] = pair
        before, after = (tf.fill(shape, tf.cast(value, x.dtype)) for shape in shapes)
        return tf.concat([before, x, after], axis)

    def stack(self, parts: list[Array], axis: int) -> Array:
        at = parts[0].shape.rank + axis + 1
        if parts[0].dtype == tf.uint16:  # in a graph, its kernel is missing: the bits do
            return tf.bitcast(tf.stack([tf.bitcast(part, tf.int16) for part in parts], at), tf.uint16)
        return tf.stack(parts, at)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return tf.where(condition, x, y)

    def divide(self, x: Array, count: Array) -> Array:
        if x.dtype.is_complex:
            return x / count
        # XLA turns a division by a constant into a product with its reciprocal, which rounds differently. A divisor
        # that depends on x keeps the division; a NaN divided by one is a NaN too.
        return x / tf.where(tf.math.is_nan(x), tf.ones([], x.dtype), count)

    def positive_zero(self, x: Array) -> Array:
        if x.dtype.is_complex:
            return tf.complex(self.positive_zero(tf.math.real(x)), self.positive_zero(tf.math.imag(x)))
        layout = FLOAT_BITS.get(x.dtype.name)
        # By bits: XLA drops an addition of zero.
        return x if layout is None else tf.where(self.bits(x) == layout.negative_zero, tf.zeros([], x.dtype), x)

    def take_along(self, x: Array, index: Array) -> Array:
        _, slots, channels = self.shape(x)
        if _is_of_rows(x, index):
            return tf.gather(x[0], tf.reshape(index, [-1]))[None]
        return tf.gather(tf.reshape(x, [-1]), self._slots(index, slots, channels))

    def last_writer(self, index: Array, size: Any) -> Array:
        rows, count, channels = self.shape(index)
        own = tf.broadcast_to(tf.range(count)[:, None], self.shape(index))
        slots = tf.reshape(self._slots(index, size + 1, channels), [-1, 1])
        writer = tf.fill([rows * (size + 1) * channels], -1)
        writer = tf.tensor_scatter_nd_max(writer, slots, tf.reshape(own, [-1]))
        return tf.reshape(writer, [rows, size + 1, channels])[:, :size]

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        rows, _, channels = self.shape(x)
        return fold(self, "add", tf.zeros([rows, size, channels], x.dtype), x, index)

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        rows, size, channels = self.shape(x)
        spare = tf.concat([x, tf.zeros([rows, 1, channels], x.dtype)], 1)  # where "nowhere" is
        if _is_of_rows(x, index):
            return tf.tensor_scatter_nd_update(spare[0], tf.reshape(index, [-1, 1]), values[0])[None, :size]
        slots = tf.reshape(self._slots(index, size + 1, channels), [-1, 1])
        flat = tf.tensor_scatter_nd_update(tf.reshape(spare, [-1]), slots, tf.reshape(values, [-1]))
        return tf.reshape(flat, [rows, size + 1, channels])[:, :size]

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        channels = self.shape(index)[-1]
        slots = tf.reshape(self._slots(index, size + 1, channels), [-1])
        round_of = tf.reshape(_occurrence(slots), self.shape(index))
        seen = tf.where(index < tf.cast(size, index.dtype), round_of + 1, 0)
        return round_of, tf.reduce_max(tf.concat([tf.reshape(seen, [-1]), [0]], 0))

    def loop(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        if hasattr(count, "numpy"):
            for number in range(int(count)):
                state = step(number, state)
            return state
        plain = tf.autograph.experimental.do_not_convert  # a caller's tf.function would rewrite what it traces
        condition = plain(lambda number, _: number < count)
        return tf.while_loop(condition, plain(lambda n, s: (n + 1, step(n, s))), (tf.constant(0), state))[1]

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return tf.transpose(x, order)

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return tf.reverse(x, axes)

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        if not span:
            return tf.identity(values)
        if any(step != 1 for _, _, step in span.values()):  # XLA has no strided update
            return set_strided(self, x, span, values)
        begin, end = [0] * x.shape.rank, list(self.shape(x))
        for axis, (start, count, _) in span.items():
            begin[axis], end[axis] = start, start + count
        return tf.raw_ops.TensorStridedSliceUpdate(
            input=x, begin=tf.stack(begin), end=tf.stack(end), strides=[1] * x.shape.rank, value=values
        )

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        return tuple(tf.unstack(tf.where(mask), axis=1))

    def count_before(self, mask: Array) -> Array:
        return tf.cumsum(tf.cast(mask, tf.int64), exclusive=True)

    def as_dtype(self, x: Array, dtype: str) -> Array:
        return tf.bitcast(x, _DTYPES[dtype])

    def power(self, x: Array, exponent: Array) -> Array:
        return tf.pow(x, exponent)

    def log(self, x: Array) -> Array:
        return tf.math.log(x)

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        @_with_its_gradient
        def stepped(x: Array, v: Array) -> Any:
            def gradient(cotangent: Array) -> Any:
                factor, weight = coefficients(self, op, x, v, index)
                if index is None:
                    return factor * cotangent, weight * cotangent
                nowhere = index >= self.shape(x)[-2]
                read = self.take_along(cotangent, tf.where(nowhere, tf.zeros([], index.dtype), index))
                return factor * cotangent, tf.where(nowhere, tf.zeros([], v.dtype), weight * read)

            return fold(self, op, x, v, index), gradient

        return stepped(x, v)

    def _slots(self, index: Array, size: Any, channels: Any) -> Array:
        """The flat numbers into (rows, size, C) of an index of (rows, m, C), or of (rows, m, 1) for all C."""
        rows = self.shape(index)[0]
        row = tf.range(tf.cast(rows, tf.int64))[:, None, None]
        number = row * tf.cast(size, tf.int64) + tf.cast(index, tf.int64)
        return number * tf.cast(channels, tf.int64) + tf.range(tf.cast(channels, tf.int64))

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        shape = self.shape(x)
        x = self._one_batch_axis(x, geometry)

        @_with_its_gradient
        def pooled(x: Array) -> Any:
            values, offsets = self._unrecorded(max_pool, geometry, x)

            def gradient(cotangent: Array, _: Any) -> Array:
                return self.linear(Gather(geometry).adjoint, cotangent, offsets)

            return (values, offsets), gradient

        with self.beside(x):
            values, offsets = pooled(x)
            pooled_shape = geometry.pooled_shape(shape)
            return tf.reshape(values, pooled_shape), tf.reshape(offsets, pooled_shape)

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        shape = self.shape(x)
        if not isinstance(linear_map, (Scatter, Take)):
            x = self._one_batch_axis(x, linear_map.geometry)
            index = None if index is None else self._one_batch_axis(index, linear_map.geometry)

        @_with_its_gradient
        def mapped(x: Array) -> Any:
            def gradient(cotangent: Array) -> Array:
                return self.linear(linear_map.adjoint, cotangent, index)

            return self._unrecorded(_apply, linear_map, x, index), gradient

        with self.beside(x):
            result = mapped(x)
            if isinstance(linear_map, (Scatter, Take)) or result.shape.rank == len(shape):
                return result
            return tf.reshape(result, linear_map.result_shape(shape))

    def length(self, length: Any, dtype: str) -> Any:
        return length if isinstance(length, int) else tf.cast(length, _DTYPES[dtype])

    def beside(self, x: Array) -> AbstractContextManager[Any]:
        """The device of x: TensorFlow would run on its default one, and move x there."""
        return tf.device(x.device) if self.is_concrete(x) else nullcontext()

    def _one_batch_axis(self, x: Array, geometry: Geometry) -> Array:
        """x with its batch axes joined, since TensorFlow's kernels end at eight axes, and the recipes add some."""
        shape = self.shape(x)
        batch = len(shape) - len(geometry.axes) - 1
        if batch <= 1:
            return x
        with self.beside(x):
            return tf.reshape(x, (product(shape[:batch]), *shape[batch:]))

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        first: Any = arrays[0]
        with self.beside(first):
            elements = [0 if array is None else array.shape.num_elements() for array in arrays]
            if None not in elements and max(elements) >= COMPILED_ELEMENTS:
                program = _program(function, static, arrays)
                if program is not None:
                    return program(*arrays)
            return function(self, static, *arrays)

    def _unrecorded(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        """`fused` unseen by a tape: the rule around it is the derivative, and some loops inside have none."""
        return self.fused(function, static, *(a if a is None else tf.stop_gradient(a) for a in arrays))

    def in_steps(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        return function(self, static, *arrays)

    def vjp(self, function: Callable[..., Array], arrays: list[Array], cotangent: Array) -> list[Array]:
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            result = function(*arrays)
        zero = tf.UnconnectedGradients.ZERO
        return list(tape.gradient(result, arrays, output_gradients=cotangent, unconnected_gradients=zero))

    def jvp(self, function: Callable[..., Array], arrays: list[Array], tangents: list[Array]) -> Array:
        with tf.autodiff.ForwardAccumulator(arrays, tangents) as forward:
            result = function(*arrays)
        return forward.jvp(result, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def compile(self, function: Callable[..., Any], how: str) -> Callable[..., Any]:
        return tf.function(function, jit_compile=how == "xla", autograph=False)


class XlaBackend(TensorflowBackend):
    """The primitives inside a program that XLA compiles."""

    fuses = True


backend = TensorflowBackend()
_xla = XlaBackend()


def _is_of_rows(x: Array, index: Array) -> bool:
    """Whether the index names whole rows of a matrix, which TensorFlow moves as such."""
    return x.shape[0] == 1 and index.shape[2] == 1  # type: ignore[no-any-return]


def _apply(ops: Backend, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
    """`apply_map`, with switches compared as int32: TensorFlow Lite compares no uint8."""
    if index is not None and index.dtype == tf.uint8:
        index = tf.cast(index, tf.int32)
    return apply_map(ops, linear_map, x, index)


def _device(name: str) -> str:
    return name.rpartition("device:")[2]


def _occurrence(slots: Array) -> Array:
    """How many earlier numbers of a vector are equal to each."""
    count = tf.size(slots, tf.int64)
    order = tf.argsort(slots * count + tf.range(count))  # no two keys are equal, so no stability is needed
    ordered = tf.gather(slots, order)
    ranks = tf.range(tf.size(slots)) - tf.searchsorted(ordered, ordered, side="left")
    return tf.scatter_nd(order[:, None], ranks, tf.shape(slots))


def _with_its_gradient(rule: Callable[..., Any]) -> Callable[..., Any]:
    """`tf.custom_gradient(rule)`, which costs an eager call most of a millisecond; without it where no one looks on."""

    def call(*arrays: Array) -> Any:
        if tf.executing_eagerly() and not _may_record():
            return rule(*arrays)[0]
        return tf.custom_gradient(rule)(*arrays)

    return call


_programs: dict[Any, Any] = {}


def _program(function: Callable[..., Any], static: Any, arrays: tuple[Array | None, ...]) -> Any:
    """The call as one XLA program, the same for arrays of the same shapes and dtypes; None where there are too many."""
    key = (function, static, *(a if a is None else (a.dtype, *a.shape.as_list()) for a in arrays))
    found = _programs.get(key)
    if found is None and len(_programs) < MOST_PROGRAMS:
        found = tf.function(lambda *given: function(_xla, static, *given), jit_compile=True, autograph=False)
        _programs[key] = found
    return found
