"""JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from unpoolx._backend import Array, Backend, Span
from unpoolx._dtypes import ALL, FLOAT_BITS
from unpoolx._geometry import Geometry
from unpoolx._host import matching_device
from unpoolx._maps import Gather, LinearMap, Scatter, Take, apply_map
from unpoolx._recipe_at import set_strided
from unpoolx._recipe_fold import coefficients, fold
from unpoolx._recipe_pool import max_pool
from unpoolx._switches import Switches

_MOST_JOINED = 64
"""The most copies that are joined, where that is needed, instead of repeated."""


class JaxBackend(Backend):
    """Immutable arrays; XLA fuses the recipes' slices and comparisons."""

    name = "jax"
    gradient = True
    forward_mode = True
    compiled = ("jit",)

    @property
    def version(self) -> str:
        return jax.__version__

    @property
    def fuses(self) -> bool:  # type: ignore[override]  # what is an attribute elsewhere is asked for here
        """With one device. With more, an array may be sharded in space, of which a trace sees nothing.

        Then the parts of a padded array are exchanged between neighbours, where regions would be gathered.
        """
        return jax.device_count() == 1

    @property
    def unrolled_elements(self) -> int:  # type: ignore[override]
        """With more devices than one, as many as one byte numbers: a scatter would gather what is sharded.

        With one, the list would only take longer to compile: 14 s for the gradient of 256 elements, a scatter 1.
        """
        return 64 if jax.device_count() == 1 else 256

    def devices(self) -> tuple[str, ...]:
        return tuple(map(_name, jax.devices()))

    def dtypes(self) -> tuple[str, ...]:
        if jax.config.jax_enable_x64:  # type: ignore[attr-defined]  # defined when the configuration is read
            return ALL
        return tuple(name for name in ALL if not name.endswith(("64", "128")) or name == "complex64")

    def is_array(self, x: object) -> bool:
        return isinstance(x, jax.Array)

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        # A copy: JAX computes later, and would see a write to x that comes in between.
        host = np.array(x, copy=True)
        if like is None or isinstance(like, jax.core.Tracer) or len(like.devices()) > 1:
            return jnp.asarray(host)
        return jax.device_put(host, next(iter(like.devices())))

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        return np.asarray(x)

    def prepare(self, x: Array) -> Array:
        return x

    def shape(self, x: Array) -> tuple[Any, ...]:
        return x.shape  # type: ignore[no-any-return]

    def dtype(self, x: Array) -> str:
        return x.dtype.name  # type: ignore[no-any-return]

    def device(self, x: Array) -> str | None:
        if isinstance(x, jax.core.Tracer):
            return None
        return "+".join(sorted(map(_name, x.devices())))

    def to_device(self, x: Array, device: str) -> Array:
        name = matching_device(self, device)
        return jax.device_put(x, next(d for d in jax.devices() if _name(d) == name))

    def is_concrete(self, x: Array) -> bool:
        return not isinstance(x, jax.core.Tracer)

    def cast(self, x: Array, dtype: str) -> Array:
        return x.astype(dtype)

    def copy(self, x: Array) -> Array:
        return jnp.copy(x)  # immutable, but a donated buffer must not take its copy along

    def bits(self, x: Array) -> Array:
        return lax.bitcast_convert_type(x, FLOAT_BITS[x.dtype.name].integer)

    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        with np.errstate(over="ignore"):  # a number beyond the dtype is infinite in it
            return jnp.asarray(np.array(numbers, jnp.dtype(dtype)))

    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array:
        return jnp.full(shape, value, dtype)

    def full_like(self, x: Array, value: Any, dtype: str) -> Array:
        return jnp.full_like(x, value, dtype)

    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        return lax.iota(dtype, count)

    def reshape(self, x: Array, shape: Any) -> Array:
        return x.reshape(shape)

    def broadcast_to(self, x: Array, shape: Any) -> Array:
        grown = [axis for axis, n in enumerate(x.shape) if n != shape[axis]] if x.ndim == len(shape) else []
        if x.dtype == jnp.bfloat16 and len(grown) == 1 and shape[grown[0]] <= _MOST_JOINED:
            return jnp.concatenate([x] * shape[grown[0]], grown[0])  # XLA repeats by way of float32, and flushes
        return jnp.broadcast_to(x, shape)

    def slice(self, x: Array, span: Span) -> Array:
        starts, limits, steps = [0] * x.ndim, list(x.shape), [1] * x.ndim
        for axis, (start, count, step) in span.items():
            starts[axis], steps[axis] = start, step
            limits[axis] = start + (count - 1) * step + 1
        if span and all(step == 1 for step in steps) and self.is_concrete(x):
            sizes = [limit - start for start, limit in zip(starts, limits, strict=True)]
            return lax.dynamic_slice(x, starts, sizes)  # one program for all places
        return lax.slice(x, starts, limits, steps)

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        config = [(0, 0, 0)] * x.ndim
        for axis, (before, after) in padding.items():
            config[axis] = (before, after, 0)
        return lax.pad(x, jnp.asarray(value, x.dtype), config)

    def stack(self, parts: list[Array], axis: int) -> Array:
        return jnp.stack(parts, axis=parts[0].ndim + axis + 1)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return jnp.where(condition, x, y)

    def divide(self, x: Array, count: Array) -> Array:
        # XLA turns a division by a constant into a product with its reciprocal, which rounds differently. A divisor
        # that depends on x keeps the division; a NaN divided by one is a NaN too.
        return x / jnp.where(jnp.isnan(x), jnp.ones((), x.dtype), count)

    def positive_zero(self, x: Array) -> Array:
        if jnp.iscomplexobj(x):
            return lax.complex(self.positive_zero(x.real), self.positive_zero(x.imag))
        layout = FLOAT_BITS.get(x.dtype.name)
        # By bits: XLA drops an addition of zero.
        return x if layout is None else jnp.where(self.bits(x) == layout.negative_zero, jnp.zeros((), x.dtype), x)

    def take_along(self, x: Array, index: Array) -> Array:
        if _is_of_rows(x, index):
            return x[0].at[index.reshape(-1)].get(mode="promise_in_bounds")[None]
        return jnp.take_along_axis(x, index, axis=-2, mode="promise_in_bounds")

    def last_writer(self, index: Array, size: Any) -> Array:
        writer = jnp.full((index.shape[0], size, index.shape[2]), -1, "int32")
        own = jnp.broadcast_to(lax.iota("int32", index.shape[1])[:, None], index.shape)
        return writer.at[_slots(index, index.shape[2])].max(own, mode="drop")

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        return fold(self, "add", jnp.zeros((x.shape[0], size, x.shape[2]), x.dtype), x, index)

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        # Unique, since JAX's derivative turns -0.0 into +0.0 where numbers may come twice.
        if _is_of_rows(x, index):
            return x[0].at[index.reshape(-1)].set(values[0], mode="drop", unique_indices=True)[None]
        return x.at[_slots(index, x.shape[2])].set(values, mode="drop", unique_indices=True)

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        round_of = _occurrence(index)
        return round_of, jnp.max(jnp.where(index < size, round_of, -1), initial=-1) + 1

    def loop(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        return lax.fori_loop(jnp.zeros((), "int32"), count, step, state)

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return jnp.transpose(x, order)

    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        return jnp.flip(x, axes)

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        if all(step == 1 for _, _, step in span.values()):
            starts = [0] * x.ndim
            for axis, (start, _, _) in span.items():
                starts[axis] = start
            return lax.dynamic_update_slice(x, values, starts)
        return set_strided(self, x, span, values)

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        if self.is_concrete(mask):
            return tuple(jnp.nonzero(mask))
        raise TypeError(
            "index: reading by a mask has a shape that depends on data, which JAX must know while tracing; read with "
            "jnp.where(mask, x, fill) instead, or outside the compiled code"
        )

    def count_before(self, mask: Array) -> Array:
        return jnp.cumsum(mask, dtype="int32") - mask.astype("int32")

    def as_dtype(self, x: Array, dtype: str) -> Array:
        return lax.bitcast_convert_type(x, dtype)

    def power(self, x: Array, exponent: Array) -> Array:
        return jnp.power(x, exponent)

    def log(self, x: Array) -> Array:
        return jnp.log(x)

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        if index is None:
            return _stepped(op, x, v)
        return _folded(op, x, v, index)

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = _max_pool(geometry, x)
        return values, offsets

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        operands = (x,) if index is None else (x, index)
        return _linear_p.bind(*operands, linear_map=linear_map)

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        return _fused(function, static, *arrays)

    def in_steps(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        return function(self, static, *arrays)

    def vjp(self, function: Callable[..., Array], arrays: list[Array], cotangent: Array) -> list[Array]:
        return list(jax.vjp(function, *arrays)[1](cotangent))

    def jvp(self, function: Callable[..., Array], arrays: list[Array], tangents: list[Array]) -> Array:
        return jax.jvp(function, tuple(arrays), tuple(tangents))[1]

    def compile(self, function: Callable[..., Any], how: str) -> Callable[..., Any]:
        return jax.jit(function)  # there is one way


backend = JaxBackend()


@partial(jax.jit, static_argnums=(0, 1))
def _fused(function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
    return function(backend, static, *arrays)


def _name(device: Any) -> str:
    return f"{device.platform}:{device.id}"


def _is_of_rows(x: Array, index: Array) -> bool:
    """Whether the index names whole rows of a matrix, which XLA moves as such."""
    return x.shape[0] == 1 and index.shape[2] == 1  # type: ignore[no-any-return]


def _slots(index: Array, channels: int) -> tuple[Array, Array, Array]:
    """The full index of (rows, m, C) numbers, or of (rows, m, 1) for all C, into (rows, size, C)."""
    return lax.iota("int32", index.shape[0])[:, None, None], index, lax.iota("int32", channels)[None, None, :]


def _occurrence(index: Array) -> Array:
    """How many earlier numbers of (rows, m, C), along m, are equal to each."""
    order = jnp.argsort(index, axis=1, stable=True)
    ordered = jnp.take_along_axis(index, order, axis=1)
    place = jnp.broadcast_to(lax.iota("int32", index.shape[1])[:, None], index.shape)
    begins = jnp.concatenate([jnp.ones_like(ordered[:, :1], bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    ranks = place - lax.cummax(jnp.where(begins, place, 0), axis=1)
    return jnp.take_along_axis(ranks, jnp.argsort(order, axis=1), axis=1)


# Pooling: the tangent of the values is a read by the offsets, which is linear, so reverse mode follows.


@partial(jax.jit, static_argnums=0)
@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _max_pool(geometry: Geometry, x: Array) -> tuple[Array, Array]:
    return max_pool(backend, geometry, x)


@_max_pool.__wrapped__.defjvp
def _max_pool_jvp(geometry: Geometry, primals: Any, tangents: Any) -> Any:
    values, offsets = _max_pool(geometry, *primals)
    (tangent,) = tangents
    if tangent.dtype == jax.dtypes.float0:  # an integer x has no tangent
        moved = np.zeros(values.shape, jax.dtypes.float0)
    else:
        moved = backend.linear(Gather(geometry), tangent, offsets)
    return (values, offsets), (moved, np.zeros(offsets.shape, jax.dtypes.float0))


# The linear maps: one primitive whose transpose binds the adjoint map. (custom_vjp would lose forward mode.)

_linear_p = Primitive("unpoolx_linear")


def _apply(x: Array, index: Array | None = None, *, linear_map: LinearMap) -> Array:
    return linear_map.apply(backend, x, index)


@_linear_p.def_impl
def _linear_now(x: Array, index: Array | None = None, *, linear_map: LinearMap) -> Array:
    return _fused(apply_map, linear_map, x, index)


mlir.register_lowering(_linear_p, mlir.lower_fun(_apply, multiple_results=False))


@_linear_p.def_abstract_eval
def _linear_shape(x: Any, *index: Any, linear_map: LinearMap) -> Any:
    operands = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (x, *index)]
    result = jax.eval_shape(partial(_apply, linear_map=linear_map), *operands)
    return jax.core.ShapedArray(result.shape, result.dtype)


def _linear_jvp(primals: Any, tangents: Any, *, linear_map: LinearMap) -> Any:
    value = _linear_p.bind(*primals, linear_map=linear_map)
    if type(tangents[0]) is ad.Zero:
        return value, ad.Zero.from_primal_value(value)
    return value, _linear_p.bind(tangents[0], *primals[1:], linear_map=linear_map)


def _linear_transpose(cotangent: Any, x: Any, *index: Any, linear_map: LinearMap) -> Any:
    if type(cotangent) is ad.Zero:
        return (ad.Zero(x.aval), *(None for _ in index))
    return (_linear_p.bind(cotangent, *index, linear_map=linear_map.adjoint), *(None for _ in index))


def _linear_batch(operands: Any, axes: Any, *, linear_map: LinearMap) -> Any:
    size = next(x.shape[axis] for x, axis in zip(operands, axes, strict=True) if axis is not None)
    moved = [batching.bdim_at_front(x, axis, size) for x, axis in zip(operands, axes, strict=True)]
    if isinstance(linear_map, (Scatter, Take)):  # (rows, m, C): the new axis joins the rows
        rows = moved[0].shape[1]
        moved = [x.reshape((size * rows, *x.shape[2:])) for x in moved]
        result = _linear_p.bind(*moved, linear_map=linear_map)
        return result.reshape((size, rows, *result.shape[1:])), 0
    return _linear_p.bind(*moved, linear_map=linear_map), 0


ad.primitive_jvps[_linear_p] = _linear_jvp
ad.primitive_transposes[_linear_p] = _linear_transpose
batching.primitive_batchers[_linear_p] = _linear_batch

# Updates in order: the loop's length depends on data, so its derivative is given, as factors that it multiplies.


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _folded(op: str, x: Array, v: Array, index: Array) -> Array:
    return fold(backend, op, x, v, index)


@_folded.defjvp
def _folded_jvp(op: str, primals: Any, tangents: Any) -> Any:
    x, v, index = primals
    value = _folded(op, x, v, index)
    if tangents[0].dtype == jax.dtypes.float0:
        return value, np.zeros(value.shape, jax.dtypes.float0)
    factor, weight = coefficients(backend, op, x, v, index)
    moved = backend.linear(Scatter(x.shape[1], "sum"), weight * tangents[1], jnp.broadcast_to(index, v.shape))
    return value, factor * tangents[0] + moved


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _stepped(op: str, x: Array, v: Array) -> Array:
    return fold(backend, op, x, v, None)


@_stepped.defjvp
def _stepped_jvp(op: str, primals: Any, tangents: Any) -> Any:
    value = _stepped(op, *primals)
    if tangents[0].dtype == jax.dtypes.float0:
        return value, np.zeros(value.shape, jax.dtypes.float0)
    factor, weight = coefficients(backend, op, primals[0], primals[1], None)
    return value, factor * tangents[0] + weight * tangents[1]


jax.tree_util.register_pytree_with_keys(
    Switches,
    lambda s: (((jax.tree_util.GetAttrKey("offsets"), s.offsets),), (s.window, s.spatial_shape)),
    lambda static, children: Switches.trusted(children[0], *static),
)
