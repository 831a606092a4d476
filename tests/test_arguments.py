"""What goes in stays as it was, whatever its memory looks like, and what comes out belongs to whom it was asked for.

Nothing is mutated and nothing aliased; arrays of any memory layout, of any framework, for any backend; devices,
threads and imports; and the laws of layouts and permutations.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import itertools
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import BACKENDS, FRAMEWORKS, Harness, window_of
from hypothesis import given, settings
from hypothesis import strategies as st

import unpoolx
from unpoolx import Switches, Window
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits

SPELLINGS = {"numpy": "numpy", "tf": "tensorflow", "jax": "jax", "torch": "pytorch"}
OVERLAPPING = Window((3, 2), (2, 1), ((1, 0), (0, 1)))


class Call(NamedTuple):
    """One use of a public function: arrays by name, and what it gives of them, as a list of arrays."""

    arrays: dict[str, np.ndarray]
    run: Callable[..., list[Any]]


def _switches(offsets: Any, window: Window = OVERLAPPING, spatial_shape: tuple[int, ...] = (5, 4)) -> Switches:
    return Switches.trusted(offsets, window, spatial_shape)


def _pooled(x: Any, *arguments: Any, **more: Any) -> list[Any]:
    values, switches = unpoolx.max_pool(x, *arguments, **more)
    return [values, switches.offsets]


def all_calls(batch: int = 2, dtype: str = "float32") -> dict[str, Call]:
    """Every public function, and each way through it that could hand an argument back."""
    random = np.random.default_rng(7)
    x = random.normal(size=(batch, 5, 4, 3)).astype(dtype)
    _, offsets = oracle.max_pool(
        x, OVERLAPPING.kernel_size, OVERLAPPING.stride, OVERLAPPING.padding, data_format="channels_last"
    )
    y = random.normal(size=offsets.shape).astype(dtype)
    indices = oracle.to_indices(
        offsets,
        input_shape=x.shape,
        index_format="spatial",
        kernel_size=OVERLAPPING.kernel_size,
        stride=OVERLAPPING.stride,
        padding=OVERLAPPING.padding,
    )
    raw = {"output_shape": x.shape, "index_format": "spatial", "data_format": "channels_last"}
    none = np.zeros(x.shape, np.uint8)
    own = np.broadcast_to(np.arange(20).reshape(1, 5, 4, 1), x.shape).copy()

    def from_indices(indices: Any, window: Window, index_format: str) -> list[Any]:
        return [Switches.from_indices(indices, window, x.shape, index_format=index_format).offsets]

    return {
        "max_pool": Call({"x": x}, lambda x: _pooled(x, OVERLAPPING)),
        "max_pool, kernel 1": Call({"x": x}, lambda x: _pooled(x, 1)),
        "max_pool, kernel 1, stride 2": Call({"x": x}, lambda x: _pooled(x, (1, 1), 2)),
        "max_pool, kernel 1, padded": Call({"x": x}, lambda x: _pooled(x, 1, padding="SAME")),
        "max_pool, one row": Call({"x": x}, lambda x: _pooled(x, (1, 2), data_format="NHWC")),
        "max_pool, channels first": Call({"x": x}, lambda x: _pooled(x, 2, 1, "SAME", data_format="NCHW")),
        "unpool last": Call({"x": y, "offsets": offsets}, lambda x, offsets: [unpoolx.unpool(x, _switches(offsets))]),
        "unpool sum": Call(
            {"x": y, "offsets": offsets}, lambda x, offsets: [unpoolx.unpool(x, _switches(offsets), overlap="sum")]
        ),
        "unpool, kernel 1": Call(
            {"x": x, "offsets": none}, lambda x, offsets: [unpoolx.unpool(x, _switches(offsets, Window((1, 1))))]
        ),
        "unpool sum, kernel 1": Call(
            {"x": x, "offsets": none},
            lambda x, offsets: [unpoolx.unpool(x, _switches(offsets, Window((1, 1))), overlap="sum")],
        ),
        "unpool raw last": Call(
            {"x": y, "indices": indices}, lambda x, indices: [unpoolx.unpool(x, indices, overlap="last", **raw)]
        ),
        "unpool raw sum": Call(
            {"x": y, "indices": indices}, lambda x, indices: [unpoolx.unpool(x, indices, overlap="sum", **raw)]
        ),
        "unpool raw, each to its own place": Call(
            {"x": x, "indices": own}, lambda x, indices: [unpoolx.unpool(x, indices, **raw)]
        ),
        "gather": Call({"x": x, "offsets": offsets}, lambda x, offsets: [unpoolx.gather(x, _switches(offsets))]),
        "gather, kernel 1": Call(
            {"x": x, "offsets": none}, lambda x, offsets: [unpoolx.gather(x, _switches(offsets, Window((1, 1))))]
        ),
        "unpool_fixed": Call({"x": x}, lambda x: [unpoolx.unpool_fixed(x, (2, 3), position="center")]),
        "unpool_fixed, kernel 1": Call({"x": x}, lambda x: [unpoolx.unpool_fixed(x, 1)]),
        "unpool_fixed, stride 1, SAME": Call({"x": x}, lambda x: [unpoolx.unpool_fixed(x, 3, 1, "SAME")]),
        "unpool_nearest": Call({"x": x}, lambda x: [unpoolx.unpool_nearest(x, (2, 3))]),
        "unpool_nearest, scale 1": Call({"x": x}, lambda x: [unpoolx.unpool_nearest(x, 1)]),
        "unpool_nearest, one element": Call({"x": x[:, :1, :1]}, lambda x: [unpoolx.unpool_nearest(x, (1, 4))]),
        "unpool_average": Call({"x": x}, lambda x: [unpoolx.unpool_average(x, 2, 1)]),
        "unpool_average, kernel 1": Call({"x": x}, lambda x: [unpoolx.unpool_average(x, 1)]),
        "Switches": Call(
            {"offsets": offsets}, lambda offsets: [Switches(offsets, OVERLAPPING, spatial_shape=(5, 4)).offsets]
        ),
        "Switches, kernel 1": Call({"offsets": none}, lambda offsets: [Switches(offsets, Window(1), (5, 4)).offsets]),
        "from_indices": Call({"indices": indices}, lambda indices: from_indices(indices, OVERLAPPING, "spatial")),
        "from_indices, kernel 1": Call({"indices": own}, lambda indices: from_indices(indices, Window(1), "spatial")),
        "from_indices, window": Call(
            {"indices": offsets}, lambda indices: from_indices(indices, OVERLAPPING, "window")
        ),
        "to_indices": Call({"offsets": offsets}, lambda offsets: [_switches(offsets).to_indices("tf_batch")]),
        "to_indices, window": Call({"offsets": offsets}, lambda offsets: [_switches(offsets).to_indices("window")]),
        "Switches.to": Call(
            {"offsets": offsets},
            lambda offsets: [_switches(offsets).to(unpoolx.get_backend(offsets).name).offsets],
        ),
    }


CALLS = list(all_calls())


# Memory that is not a plain block of it


def _spread(x: np.ndarray) -> np.ndarray:
    """x in every second element of a larger block, along every axis."""
    room = np.full([2 * n + 1 for n in x.shape], 9, x.dtype)
    part = room[tuple(slice(1, 2 * n + 1, 2) for n in x.shape)]
    part[...] = x
    return part


def _backwards(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[tuple(slice(None, None, -1) for _ in x.shape)])[
        tuple(slice(None, None, -1) for _ in x.shape)
    ]


def _transposed(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.T).T


def _read_only(x: np.ndarray) -> np.ndarray:
    frozen = x.copy()
    frozen.flags.writeable = False
    return frozen


def _unaligned(x: np.ndarray) -> np.ndarray:
    block = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    block[...] = x
    return block


class Subclass(np.ndarray):
    """An ndarray of a user's own class."""


NUMPY_FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "read-only": _read_only,
    "every second element": _spread,
    "negative strides": _backwards,
    "transposed": _transposed,
    "Fortran order": np.asfortranarray,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": _unaligned,
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "a subclass": lambda x: x.copy().view(Subclass),
}


def torch_forms() -> dict[str, Callable[[np.ndarray], Any]]:
    import torch

    def tensor(x: np.ndarray) -> Any:
        return torch.from_numpy(x.copy())

    def apart(x: np.ndarray) -> Any:
        room = torch.full([2 * n + 1 for n in x.shape], 9, dtype=tensor(x).dtype)
        part = room[tuple(slice(1, None, 2) for _ in x.shape)]
        part.copy_(tensor(x))
        return part

    def with_gradient(x: np.ndarray) -> Any:
        return tensor(x).requires_grad_() if x.dtype.kind == "f" else tensor(x)

    def parameter(x: np.ndarray) -> Any:
        return torch.nn.Parameter(tensor(x), requires_grad=x.dtype.kind == "f")

    def negated(x: np.ndarray) -> Any:
        """A view that is negative only when it is read."""
        return torch._neg_view(tensor(-x)) if x.dtype.kind == "f" else tensor(x)

    return {
        "every second element": apart,
        "transposed": lambda x: tensor(x.T).permute(*reversed(range(x.ndim))),
        "channels_last": lambda x: tensor(x).contiguous(memory_format=torch.channels_last),
        "expanded": lambda x: tensor(x[:1]).expand(x.shape),
        "with a gradient": with_gradient,
        "a parameter": parameter,
        "a part of a longer storage": lambda x: torch.cat([tensor(x), tensor(x)])[len(x) :],
        "negated when read": negated,
    }


def tf_forms() -> dict[str, Callable[[np.ndarray], Any]]:
    import tensorflow as tf

    return {
        "a variable": lambda x: tf.Variable(x.copy(), trainable=x.dtype.kind == "f"),
        "an uninitialized shape": lambda x: tf.Variable(x.copy(), shape=tf.TensorShape([None, *x.shape[1:]])),
    }


def jax_forms() -> dict[str, Callable[[np.ndarray], Any]]:
    import jax
    import jax.numpy as jnp

    return {
        "from dlpack": lambda x: jnp.from_dlpack(x.copy()),
        "committed": lambda x: jax.device_put(x.copy(), jax.devices()[0]),
        "transposed": lambda x: jnp.asarray(x.T.copy()).T,
    }


FORMS: dict[str, Callable[[], dict[str, Callable[[np.ndarray], Any]]]] = {
    "numpy": lambda: NUMPY_FORMS,
    "tf": tf_forms,
    "jax": jax_forms,
    "torch": torch_forms,
}
FORM_NAMES = {
    "numpy": [*NUMPY_FORMS],
    "tf": ["a variable", "an uninitialized shape"],
    "jax": ["from dlpack", "committed", "transposed"],
    "torch": [
        "every second element",
        "transposed",
        "channels_last",
        "expanded",
        "with a gradient",
        "a parameter",
        "a part of a longer storage",
        "negated when read",
    ],
}


def bits(x: Any) -> tuple[tuple[int, ...], str, bytes]:
    """Shape, dtype and bytes of an array of any framework, as they are now."""
    ops = unpoolx.get_backend(x)
    if ops.name == "torch":
        x = x.detach()
    host = ops.to_numpy(ops.prepare(x))
    return host.shape, host.dtype.str, np.ascontiguousarray(host).tobytes()


def memory(x: Any) -> Any:
    """The memory of an array of any framework as a NumPy view, without a copy; None where that cannot be had."""
    ops = unpoolx.get_backend(x)
    if ops.name == "numpy":
        return x
    if ops.name == "torch":
        return np.frombuffer(bytes(0), np.uint8) if x.numel() == 0 else _storage(x)
    if ops.name == "jax":
        return np.asarray(x)
    return x._numpy() if hasattr(x, "_numpy") else None


def _storage(x: Any) -> np.ndarray:
    import ctypes

    storage = x.untyped_storage()
    return np.ctypeslib.as_array((ctypes.c_uint8 * storage.nbytes()).from_address(storage.data_ptr()))


def shared(a: Any, b: Any) -> bool:
    """Whether two arrays of any framework share memory."""
    one, other = memory(a), memory(b)
    if one is None or other is None:
        return False
    one, other = np.asarray(one), np.asarray(other)
    return bool(one.size and other.size and np.may_share_memory(one, other) and np.shares_memory(one, other))


@pytest.mark.rule("L7")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("backend", "form"), [(b, f) for b in BACKENDS for f in FORM_NAMES[b]])
def test_arrays_of_any_memory_are_left_alone_and_answered_as_plain_ones(backend: str, form: str, call: str) -> None:
    pytest.importorskip(FRAMEWORKS[backend])
    on = Harness.of(backend, "cpu")
    make = FORMS[backend]()[form]
    arrays, run = all_calls()[call]
    if form in ("broadcast", "expanded"):  # every batch entry is the first
        arrays = {name: np.broadcast_to(x[:1], x.shape).copy() for name, x in arrays.items()}
    plain = [on.numpy(result) for result in run(**{name: on.array(x) for name, x in arrays.items()})]
    given_ = {name: make(x) for name, x in arrays.items()}
    before = {name: bits(x) for name, x in given_.items()}
    results = run(**given_)
    for name, x in given_.items():
        assert bits(x) == before[name], f"{call} on {backend} changed {name} ({form})"
    for result, expected in zip(results, plain, strict=True):
        what = f"{call} on {backend}, {form}"
        assert_same_bits(on.numpy(result), expected, what=what)
        for name, x in given_.items():
            assert backend in ("tf", "jax") or not shared(result, x), f"{what}: the result shares memory with {name}"
    if backend == "numpy":
        for result in results:
            assert type(result) is np.ndarray, f"{call}, {form}: {type(result)}"
            assert result.flags.writeable, f"{call}, {form}: the result is read-only"
            assert result.dtype.isnative, f"{call}, {form}: {result.dtype.str}"
    for a, b in itertools.combinations(results, 2):
        assert backend in ("tf", "jax") or not shared(a, b), f"{call} on {backend}: two results share memory"


@pytest.mark.rule("L7")
@pytest.mark.parametrize("call", CALLS)
def test_no_result_shares_memory_with_a_plain_argument(on: Harness, call: str) -> None:
    arrays, run = all_calls()[call]
    given_ = {name: on.array(x) for name, x in arrays.items()}
    before = {name: bits(x) for name, x in given_.items()}
    results = run(**given_)
    for name, x in given_.items():
        assert bits(x) == before[name], f"{call} on {on.name} changed {name}"
        for result in results:
            if on.name == "tf":
                continue  # nobody can write to a tensor of TensorFlow, or free it, so nobody can tell
            assert result is not x, f"{call} on {on.name}: the result is {name} itself"
            assert not shared(result, x), f"{call} on {on.name}: the result shares memory with {name}"


@pytest.mark.rule("L7")
@pytest.mark.parametrize("call", CALLS)
def test_a_result_outlives_a_deleted_argument_in_jax(call: str) -> None:
    """`x.delete()` and `donate_argnums` free the memory of a JAX array: a result must have its own."""
    pytest.importorskip("jax")
    on = Harness.of("jax", "cpu")
    arrays, run = all_calls()[call]
    given_ = {name: on.array(x) for name, x in arrays.items()}
    results = run(**given_)
    expected = [on.numpy(result).copy() for result in run(**{name: on.array(x) for name, x in arrays.items()})]
    for x in given_.values():
        x.delete()
    for result, bits_ in zip(results, expected, strict=True):
        assert not result.is_deleted(), f"{call}: the result went with its argument"
        assert_same_bits(on.numpy(result), bits_, what=call)


@pytest.mark.rule("L7")
@pytest.mark.parametrize("call", CALLS)
def test_a_variable_that_changes_later_does_not_change_the_result(call: str) -> None:
    tf = pytest.importorskip("tensorflow")
    on = Harness.of("tf", "cpu")
    arrays, run = all_calls()[call]
    given_ = {name: tf.Variable(x) for name, x in arrays.items()}
    results = run(**given_)
    expected = [on.numpy(result).copy() for result in results]
    for x in given_.values():
        x.assign(tf.zeros_like(x))
    for result, bits_ in zip(results, expected, strict=True):
        assert_same_bits(on.numpy(result), bits_, what=call)


@pytest.mark.rule("L7", "W10")
@pytest.mark.parametrize("call", [c for c in CALLS if "one element" not in c])
def test_empty_arrays_go_through_every_function(on: Harness, call: str) -> None:
    arrays, run = all_calls()[call]
    if call.startswith(("from_indices", "unpool raw")):
        pytest.skip("its shape is fixed in the call; test_traps holds the empty ones")
    empty = {name: on.array(x[:0]) for name, x in arrays.items()}
    for result, full in zip(run(**empty), run(**{n: on.array(x) for n, x in arrays.items()}), strict=True):
        found, expected = on.numpy(result), on.numpy(full)
        assert found.shape == (0, *expected.shape[1:]), f"{call} on {on.name}: {found.shape}"
        assert found.dtype == expected.dtype, f"{call} on {on.name}: {found.dtype}"


@pytest.mark.rule("L7")
@pytest.mark.parametrize("target", BACKENDS)
@pytest.mark.parametrize("call", [c for c in CALLS if not c.startswith(("Switches", "from_indices", "to_indices"))])
def test_a_converted_numpy_array_is_left_alone_and_shares_nothing_with_the_result(target: str, call: str) -> None:
    """`backend=` may take the memory over on the way; the result has its own, whatever is written to x later."""
    pytest.importorskip(FRAMEWORKS[target])
    on = Harness.of(target, "cpu")
    arrays, _ = all_calls()[call]
    plain = all_calls()[call].run(**arrays)
    for form in (np.copy, _read_only, _transposed, _spread):
        given_ = {name: form(x) for name, x in arrays.items()}
        before = {name: bits(x) for name, x in given_.items()}
        results = _with_backend(call, given_, target)
        for name, x in given_.items():
            assert bits(x) == before[name], f"{call} to {target} changed {name}"
            for result in results:
                assert not shared(result, x), f"{call} to {target}: the result shares memory with {name}"
            if x.flags.writeable:
                x[...] = 0
        for result, expected in zip(results, plain, strict=True):
            assert_same_bits(on.numpy(result), expected, what=f"{call} to {target}, {form.__name__}")


def _with_backend(call: str, arrays: dict[str, Any], backend: str) -> list[Any]:
    """The call with `backend=` in each public function that it makes."""
    originals = {
        name: getattr(unpoolx, name)
        for name in ("max_pool", "unpool", "gather", "unpool_fixed", "unpool_nearest", "unpool_average")
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, function in originals.items():
            patch.setattr(unpoolx, name, lambda *a, function=function, **more: function(*a, **more, backend=backend))
        return all_calls()[call].run(**arrays)


@pytest.mark.rule("L7", "B1")
def test_lists_are_left_alone() -> None:
    x, indices, shape = [[[1.0], [3.0], [2.0], [0.0]]], [[[1], [2]]], [1, 4, 1]
    kept = copy.deepcopy((x, indices, shape))
    values, switches = unpoolx.max_pool(x, [2], [2], [0], dilation=[1])
    unpoolx.unpool(values.tolist(), indices, output_shape=shape, index_format="spatial")
    unpoolx.gather(x, switches)
    Switches.from_indices(indices, Window([2]), shape, index_format="spatial")
    Switches([[[1], [0]]], Window([2]), [4])
    unpoolx.unpool_nearest(x, [2])
    unpoolx.unpool_fixed(x, [2], position=[1])
    assert (x, indices, shape) == kept


# Frameworks


def lists_and_arrays(name: str) -> Callable[[np.ndarray], Any]:
    """How an argument of this kind is made of a NumPy array."""
    if name == "list":
        return lambda x: x.tolist()
    return Harness.of(name, "cpu").array


@pytest.mark.rule("B1", "B2")
@pytest.mark.parametrize("target", [*BACKENDS, *(s for b, s in SPELLINGS.items() if s != b)])
@pytest.mark.parametrize("source", [*BACKENDS, "list"])
def test_arguments_of_any_framework_become_those_of_backend_with_the_same_bits(source: str, target: str) -> None:
    name = next(b for b in BACKENDS if target in (b, SPELLINGS[b]))
    for needed in {source, name} - {"list"}:
        pytest.importorskip(FRAMEWORKS[needed])
    on, make = Harness.of(name, "cpu"), lists_and_arrays(source)
    x = np.random.default_rng(1).normal(size=(2, 4, 6, 2))
    for dtype in (
        ("float64", "float32", "float16", "bfloat16", "int8", "uint64", "bool")
        if source != "list"
        else (
            "float64",
            "int64",
            "bool",
        )
    ):
        sample = x.astype(xst.dtype_of(dtype)) if dtype[0] in "fb" else (x * 50).astype("int64").astype(dtype)
        values, switches = unpoolx.max_pool(sample, 2)
        indices = switches.to_indices("spatial")
        raw = {"output_shape": x.shape, "index_format": "spatial", "data_format": "NHWC"}
        moved = Switches(make(switches.offsets), switches.window, switches.spatial_shape)
        expected = {
            "unpool": unpoolx.unpool(values, switches),
            "unpool raw": unpoolx.unpool(values, indices, **raw),
            "gather": values,
            "unpool_fixed": unpoolx.unpool_fixed(values, 2),
            "unpool_nearest": unpoolx.unpool_nearest(values, 2),
            "max_pool": values,
            "max_pool's switches": switches.offsets,
        }
        pooled, found = unpoolx.max_pool(make(sample), 2, backend=target)
        results = {
            "max_pool": pooled,
            "max_pool's switches": found.offsets,
            "unpool": unpoolx.unpool(make(values), moved, backend=target),
            "unpool raw": unpoolx.unpool(make(values), make(indices), backend=target, **raw),
            "gather": unpoolx.gather(make(sample), moved, backend=target),
            "unpool_fixed": unpoolx.unpool_fixed(make(values), 2, backend=target),
            "unpool_nearest": unpoolx.unpool_nearest(make(values), 2, backend=target),
        }
        if dtype != "bool":
            expected["unpool sum"] = unpoolx.unpool(values, switches, overlap="sum")
            results["unpool sum"] = unpoolx.unpool(make(values), moved, overlap="sum", backend=target)
        if dtype.startswith(("float", "bf")):
            expected["unpool_average"] = unpoolx.unpool_average(values, 2)
            results["unpool_average"] = unpoolx.unpool_average(make(values), 2, backend=target)
        for function, result in results.items():
            what = f"{function} from {source} to {target}, {dtype}"
            assert unpoolx.get_backend(result).name == name, f"{what}: {type(result)}"
            assert_same_bits(on.numpy(result), expected[function], what=what)


@pytest.mark.rule("B1")
def test_without_backend_the_framework_is_the_arguments(on: Harness) -> None:
    x = on.array(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
    values, switches = unpoolx.max_pool(x, 2)
    raw = {"output_shape": (1, 4, 4, 1), "index_format": "spatial", "data_format": "NHWC"}
    for what, result in {
        "max_pool": values,
        "offsets": switches.offsets,
        "to_indices": switches.to_indices("onnx"),
        "from_indices": Switches.from_indices(
            switches.to_indices("tf"), Window(2), (1, 4, 4, 1), index_format="tf"
        ).offsets,
        "unpool": unpoolx.unpool(values, switches),
        "unpool raw": unpoolx.unpool(values, switches.to_indices("spatial"), **raw),
        "gather": unpoolx.gather(x, switches),
        "unpool_fixed": unpoolx.unpool_fixed(x, 2),
        "unpool_nearest": unpoolx.unpool_nearest(x, 2),
        "unpool_average": unpoolx.unpool_average(x, 2),
    }.items():
        assert type(result).__module__.split(".")[0] in (on.name, FRAMEWORKS[on.name], "jaxlib"), f"{what}: {result}"
        assert unpoolx.get_backend(result).name == on.name, what


@pytest.mark.rule("B1")
def test_a_list_follows_the_array_beside_it(on: Harness) -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 8, 1)
    values, switches = unpoolx.max_pool(on.array(x), 2)
    indices = on.numpy(switches.to_indices("spatial")).tolist()
    raw = {"output_shape": (1, 8, 1), "index_format": "spatial"}
    expected = on.numpy(unpoolx.unpool(values, switches))
    for result in (
        unpoolx.unpool(values, indices, **raw),
        unpoolx.unpool(on.numpy(values).astype(float).tolist(), switches),
        unpoolx.unpool(on.numpy(values).astype(float).tolist(), switches.to_indices("spatial"), **raw),
        unpoolx.unpool(values, tuple(indices), **raw),
    ):
        assert unpoolx.get_backend(result).name == on.name, f"{type(result)} on {on.name}"
        assert (on.numpy(result) == expected).all(), f"unpool on {on.name}"
    assert unpoolx.get_backend(unpoolx.gather(x.tolist(), switches)).name == on.name


@pytest.mark.rule("B1")
def test_lists_alone_count_as_numpy_and_numpy_integers_as_integers() -> None:
    values, switches = unpoolx.max_pool([[[1], [3], [2], [0]]], np.int64(2), np.uint8(2), np.int8(0))
    assert type(values) is np.ndarray
    assert values.dtype == np.int64
    assert switches.window == Window((2,), 2, 0)
    assert unpoolx.unpool_nearest([[[1.5]]], np.int16(2)).tolist() == [[[1.5], [1.5]]]
    assert unpoolx.max_pool([[[True], [False]]], 2)[0].tolist() == [[[True]]]
    assert Switches([[[1], [0]]], Window(2), (np.int32(4),)).spatial_shape == (4,)


@pytest.mark.rule("B1", "W1")
def test_a_scalar_array_is_an_array_of_no_axes(on: Harness) -> None:
    for x in (on.array(np.float32(1)), 1.0, np.float32(1)):
        with pytest.raises(ValueError, match=r"got shape \(\)"):
            unpoolx.max_pool(x, 2)


@pytest.mark.rule("B2", "B1")
def test_a_conversion_to_pytorch_keeps_the_gradient_of_its_own_arguments() -> None:
    torch = pytest.importorskip("torch")
    x = torch.arange(4.0).reshape(1, 4, 1).requires_grad_()
    _, switches = unpoolx.max_pool(np.arange(4.0).reshape(1, 4, 1), 2)
    unpoolx.gather(x, switches, backend="torch").sum().backward()
    assert x.grad.ravel().tolist() == [0, 1, 0, 1]


@pytest.mark.rule("S6", "B2")
@pytest.mark.parametrize("source", BACKENDS)
@pytest.mark.parametrize("target", BACKENDS)
def test_switches_move_between_frameworks_and_back(source: str, target: str) -> None:
    for needed in (source, target):
        pytest.importorskip(FRAMEWORKS[needed])
    a, b = Harness.of(source, "cpu"), Harness.of(target, "cpu")
    x = np.random.default_rng(2).permutation(64).reshape(2, 4, 4, 2).astype(np.float32)
    for window in (Window(2), Window((17, 17), 1, "SAME")):
        values, switches = unpoolx.max_pool(a.array(x), window)
        moved = switches.to(target)
        assert moved.backend.name == target
        assert moved == switches
        assert moved.to(SPELLINGS[source]) == switches
        assert_same_bits(b.numpy(moved.offsets), a.numpy(switches.offsets), what=f"Switches.to, {source} to {target}")
        assert (moved.window, moved.spatial_shape) == (switches.window, switches.spatial_shape)
        if (source, target) != ("tf", "tf"):
            assert not shared(moved.offsets, switches.offsets), f"Switches.to, {source} to {target}: shared memory"
        if source == "numpy":
            kept = b.numpy(moved.offsets).copy()
            switches.offsets[...] = 0
            assert (b.numpy(moved.offsets) == kept).all(), f"Switches.to({target!r}) kept the memory of its source"
        if target == "torch":
            kept = a.numpy(switches.offsets).copy()
            moved.offsets.zero_()
            assert (a.numpy(switches.offsets) == kept).all(), f"{source} sees what is written to its copy in torch"
        assert values is not None


# Threads, and what is installed and what is imported


@pytest.mark.rule("B6")
@pytest.mark.parametrize(("one", "other"), [*itertools.combinations_with_replacement(BACKENDS, 2)])
def test_two_backends_serve_two_threads_at_once(one: str, other: str) -> None:
    for needed in (one, other):
        pytest.importorskip(FRAMEWORKS[needed])
    random = np.random.default_rng(6)
    images = random.normal(size=(20, 2, 6, 6, 2)).astype(np.float32)
    expected = []
    for x in images:
        values, switches = unpoolx.max_pool(x, 3, 1, "SAME")
        expected.append((values, unpoolx.unpool(values, switches), unpoolx.unpool(values, switches, overlap="sum")))
    failures: list[str] = []
    start = threading.Barrier(2)

    def work(name: str) -> None:
        try:
            start.wait(timeout=60)
            for turn in range(3 * len(images)):
                x = images[turn % len(images)]
                values, switches = unpoolx.max_pool(x, 3, 1, "SAME", backend=name)
                results = (
                    values,
                    unpoolx.unpool(values, switches),
                    unpoolx.unpool(values, switches, overlap="sum"),
                )
                for result, bits_ in zip(results, expected[turn % len(images)], strict=True):
                    backend = unpoolx.get_backend(result)
                    assert backend.name == name, f"{backend.name} in the thread of {name}"
                    assert_same_bits(backend.to_numpy(result), bits_, what=f"{name} beside {one} and {other}")
        except BaseException as error:  # noqa: BLE001  # a thread's failure must reach the test
            failures.append(f"{name}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(name,)) for name in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), f"{one} and {other}: a thread hangs"
    assert not failures, failures


def fresh_python(code: str) -> str:
    """What the code prints in a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.mark.rule("B7", "B1")
def test_import_and_use_with_numpy_load_no_framework() -> None:
    out = fresh_python(
        """
        import sys
        heavy = {"tensorflow", "jax", "jaxlib", "torch", "hypothesis", "matplotlib", "PIL", "pytest", "ml_dtypes"}
        import unpoolx
        print(sorted(heavy & set(sys.modules)))
        values, switches = unpoolx.max_pool([[[1.0], [3.0]]], 2)
        unpoolx.unpool(values, switches)
        unpoolx.unpool_average(values, 2)
        switches.to("numpy").to_indices("onnx")
        unpoolx.get_backend(values), unpoolx.get_backend([1]), unpoolx.get_backend("numpy")
        for bad in (None, object(), "numpi"):
            try:
                unpoolx.get_backend(bad)
            except (TypeError, ValueError):
                pass
        print(sorted(heavy & set(sys.modules)))
        """
    )
    assert out.splitlines() == ["[]", "[]"]


def test_import_loads_little_beyond_what_numpy_has_loaded() -> None:
    """What only errors and plugins need waits for them: it took longer to load than unpoolx itself."""
    out = fresh_python(
        """
        import sys, numpy
        before = set(sys.modules)
        import unpoolx
        print(*sorted(name for name in set(sys.modules) - before if not name.startswith("unpoolx")))
        """
    )
    few = {"__future__", "abc", "contextlib", "copy", "dataclasses", "functools", "importlib._abc", "importlib.util"}
    assert set(out.split()) <= few | {"inspect", "itertools", "math", "operator", "struct", "typing", "warnings"}


@pytest.mark.rule("B7")
@pytest.mark.parametrize("name", [b for b in BACKENDS if b != "numpy"])
def test_a_backend_loads_its_own_framework_and_no_other(name: str) -> None:
    pytest.importorskip(FRAMEWORKS[name])
    out = fresh_python(
        f"""
        import sys
        import {FRAMEWORKS[name]}
        others = {{"tensorflow", "jax", "torch"}} & set(sys.modules)  # TensorFlow itself may load JAX
        import numpy as np, unpoolx
        unpoolx.max_pool(np.zeros((1, 4, 1), np.float32), 2, backend={name!r})
        print(sorted({{"tensorflow", "jax", "torch"}} & set(sys.modules) - others))
        """
    )
    assert out.splitlines()[-1] == "[]"


@pytest.mark.rule("B7")
def test_backends_says_what_is_installed_with_versions_and_devices() -> None:
    Harness.of("numpy", "cpu")
    told = unpoolx.backends()
    assert [info.name for info in told][:4] == list(BACKENDS)
    for info in told[:4]:
        if importlib.util.find_spec(FRAMEWORKS[info.name]) is None:
            assert (info.installed, info.version, info.devices) == (False, None, ()), info
            assert info.install in str(info.error), info
            assert FRAMEWORKS[info.name] not in sys.modules, f"{info.name} is absent and was imported"
            continue
        module = sys.modules[FRAMEWORKS[info.name]]
        assert (info.installed, info.error) == (True, None), info
        assert info.version == module.__version__, info
        assert info.devices, info
        assert any("cpu" in device.lower() for device in info.devices), info
        with pytest.raises(dataclasses.FrozenInstanceError):
            info.version = "0"


@pytest.mark.rule("B7", "B2")
def test_get_backend_takes_names_spellings_and_arrays(on: Harness) -> None:
    x = on.array(np.zeros(3, np.float32))
    backend = unpoolx.get_backend(on.name)
    assert isinstance(backend, unpoolx.Backend)
    assert backend.name == on.name
    for same in (SPELLINGS[on.name], x, backend):
        assert unpoolx.get_backend(same) is backend
    values, _ = unpoolx.max_pool(np.zeros((1, 4, 1)), 2, backend=backend)
    assert unpoolx.get_backend(values) is backend


# Layouts and permutations


def _channels(data_format: str, rank: int, leading: int) -> tuple[int, ...]:
    """The axes that bring an array of the other data format into channels_first or back."""
    lead, total = range(leading), leading + rank + 1
    if data_format == "channels_first":
        return (*lead, total - 1, *range(leading, total - 1))
    return (*lead, *range(leading + 1, total), leading)


class Case(NamedTuple):
    """A drawn geometry in channels_last with one array for each role."""

    geometry: xst.Geometry
    window: Window
    x: np.ndarray
    y: np.ndarray
    offsets: np.ndarray

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.geometry.spatial_shape)

    @property
    def batch(self) -> int:
        """The number of batch axes."""
        return self.x.ndim - self.rank - 1


@st.composite
def cases(draw: st.DrawFn, **options: Any) -> Case:
    geometry = draw(
        xst.windows(data_formats=["channels_last"], aliases=False, large_kernels=False, max_elements=120, **options)
    )
    dtype = draw(st.sampled_from(("float32", "int16", "float16")))
    x, y = draw(xst.arrays(geometry.shape, dtype)), draw(xst.arrays(geometry.pooled_shape, dtype))
    return Case(geometry, window_of(geometry.arguments, geometry.shape), x, y, draw(xst.offsets_for(geometry)))


def everything(on: Harness, case: Case, data_format: str) -> dict[str, np.ndarray]:
    """The result of every function, on arrays that lie as `data_format` says."""
    first = data_format == "channels_first"

    def laid(array: np.ndarray) -> Any:
        axes = _channels("channels_first", case.rank, case.batch)
        return on.array(np.ascontiguousarray(array.transpose(axes)) if first else array)

    window = dataclasses.replace(case.window, data_format=data_format)
    values, found = unpoolx.max_pool(laid(case.x), window)
    switches = Switches.trusted(laid(case.offsets), window, case.geometry.spatial_shape)
    indices = switches.to_indices("spatial")
    plain = {"kernel_size": window.kernel_size, "stride": window.stride, "data_format": data_format}
    results = {
        "max_pool": values,
        "max_pool's switches": found.offsets,
        "unpool last": unpoolx.unpool(laid(case.y), switches),
        "unpool sum": unpoolx.unpool(laid(case.y), switches, overlap="sum"),
        "gather": unpoolx.gather(laid(case.x), switches),
        "to_indices": indices,
        "from_indices": Switches.from_indices(
            indices, window, tuple(laid(case.x).shape), index_format="spatial"
        ).offsets,
        "unpool_fixed": unpoolx.unpool_fixed(laid(case.y), **plain, position="center"),
        "unpool_nearest": unpoolx.unpool_nearest(laid(case.y), window.kernel_size, data_format=data_format),
    }
    for index_format in ("tf", "tf_batch", "onnx", "onnx_column_major", "window"):
        results[f"to_indices({index_format!r})"] = switches.to_indices(index_format)
    if case.y.dtype.kind == "f":
        results["unpool_average"] = unpoolx.unpool_average(laid(case.y), **plain)
    if case.batch == 1:
        raw = {"index_format": "spatial", "data_format": data_format, "output_shape": tuple(laid(case.x).shape)}
        results["unpool raw last"] = unpoolx.unpool(laid(case.y), indices, **raw)
        results["unpool raw sum"] = unpoolx.unpool(laid(case.y), indices, overlap="sum", **raw)
    return {function: on.numpy(result) for function, result in results.items()}


def transposes(on: Harness, case: Case) -> None:
    last, first = everything(on, case, "channels_last"), everything(on, case, "channels_first")
    back = _channels("channels_last", case.rank, case.batch)
    for function, expected in last.items():
        what = f"{function} on {on.name}, {case.geometry}"
        found = first[function].transpose(back)
        assert_same_bits(np.ascontiguousarray(found), np.ascontiguousarray(expected), what=what)


def commutes(on: Harness, case: Case, seed: int) -> None:
    random = np.random.default_rng(seed)
    orders = [random.permutation(n) for n in (*case.x.shape[: case.batch], case.x.shape[-1])]

    def permuted(array: np.ndarray) -> np.ndarray:
        for axis, order in zip((*range(case.batch), -1), orders, strict=True):
            array = np.take(array, order, axis)
        return np.ascontiguousarray(array)

    moved = case._replace(x=permuted(case.x), y=permuted(case.y), offsets=permuted(case.offsets))
    before, after = everything(on, case, "channels_last"), everything(on, moved, "channels_last")
    for function, expected in before.items():
        if function.startswith("to_indices('") and "window" not in function:
            continue  # these number the batch or the channel itself
        assert_same_bits(after[function], permuted(expected), what=f"{function} on {on.name}, {case.geometry}")


@pytest.mark.rule("L5", "W2", "S2")
@settings(max_examples=4)
@given(case=cases())
def test_a_transposed_layout_gives_the_transposed_result(on: Harness, case: Case) -> None:
    transposes(on, case)


@pytest.mark.rule("L6")
@settings(max_examples=4)
@given(case=cases(batch_ranks=[1, 2], empty=False), seed=st.integers(0, 99))
def test_permuting_batch_and_channels_commutes_with_every_function(on: Harness, case: Case, seed: int) -> None:
    commutes(on, case, seed)


# Where nothing is compiled, more cases cost little.


@pytest.mark.rule("L5", "W2", "S2")
@pytest.mark.parametrize("backend", ["numpy", "torch"])
@settings(max_examples=80)
@given(case=cases())
def test_many_transposed_layouts_give_the_transposed_result(backend: str, case: Case) -> None:
    pytest.importorskip(FRAMEWORKS[backend])
    transposes(Harness.of(backend, "cpu"), case)


@pytest.mark.rule("L6")
@pytest.mark.parametrize("backend", ["numpy", "torch"])
@settings(max_examples=80)
@given(case=cases(batch_ranks=[1, 2], empty=False), seed=st.integers(0, 99))
def test_many_permutations_of_batch_and_channels_commute_with_every_function(
    backend: str, case: Case, seed: int
) -> None:
    pytest.importorskip(FRAMEWORKS[backend])
    commutes(Harness.of(backend, "cpu"), case, seed)


@pytest.mark.rule("W2")
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_spellings_of_the_data_formats_mean_the_same(on: Harness, rank: int) -> None:
    x = np.random.default_rng(rank).normal(size=(2, 3, 4, 4, 4)[: rank + 2]).astype(np.float32)
    for canonical, spelling in (
        ("channels_last", ("NWC", "NHWC", "NDHWC")[rank - 1]),
        ("channels_first", ("NCW", "NCHW", "NCDHW")[rank - 1]),
    ):
        for kernel in (2, (2,) * rank):
            a, s = unpoolx.max_pool(on.array(x), kernel, data_format=canonical)
            b, t = unpoolx.max_pool(on.array(x), kernel, data_format=spelling)
            assert_same_bits(on.numpy(a), on.numpy(b), what=f"max_pool on {on.name}, {spelling}")
            assert s == t, spelling
            assert t.window.data_format == canonical
            again = unpoolx.unpool_nearest(on.array(x), kernel, data_format=spelling)
            plain = unpoolx.unpool_nearest(on.array(x), kernel, data_format=canonical)
            assert_same_bits(on.numpy(again), on.numpy(plain), what=f"unpool_nearest on {on.name}, {spelling}")


# Window


@pytest.mark.rule("W1", "W3")
def test_a_window_is_a_value() -> None:
    window = Window((2, 3), 1, padding=((0, 1), (2, 0)), dilation=(1, 2), ceil_mode=True, data_format="NCHW")
    same = Window([2, 3], (1, 1), [[0, 1], [2, 0]], dilation=[1, 2], ceil_mode=True, data_format="channels_first")
    assert window == same
    assert hash(window) == hash(same)
    assert {window: 1}[same] == 1
    others = [
        dataclasses.replace(window, **{name: value})
        for name, value in {
            "kernel_size": (2, 2),
            "stride": (1, 2),
            "padding": "SAME",
            "dilation": 1,
            "ceil_mode": False,
            "data_format": "NHWC",
        }.items()
    ]
    assert len({window, *others}) == 7
    assert window != "window"
    assert pickle.loads(pickle.dumps(window)) == window  # noqa: S301  # our own bytes
    assert copy.deepcopy(window) == window


@pytest.mark.rule("W1")
def test_a_window_cannot_be_changed() -> None:
    window = Window(2)
    for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "data_format", "other"):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            setattr(window, name, 3)
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        del window.kernel_size
    kernel = [2, 3]
    window = Window(kernel)
    kernel[0] = 9
    assert window.kernel_size == (2, 3), "the list was kept"


@pytest.mark.rule("W1", "W3", "W4")
@pytest.mark.parametrize(
    "window",
    [
        Window(2),
        Window((2, 3), 1, ((0, 1), (2, 0)), dilation=(1, 2), ceil_mode=True, data_format="NCHW"),
        Window(3, (1, 2, 1), "SAME_LOWER"),
        Window(2, data_format="NWC"),
    ],
    ids=repr,
)
def test_the_repr_of_a_window_makes_it_again(window: Window) -> None:
    assert eval(repr(window), {"Window": Window}) == window  # noqa: S307  # our own text


@pytest.mark.rule("W1", "W3")
def test_plain_ints_leave_the_rank_open_and_anything_else_fixes_it() -> None:
    assert Window(2).rank is None
    assert Window(2, 1, 1, dilation=1).rank is None
    assert Window((2, 2)).rank == Window(2, (1, 1)).rank == Window(2, padding=(0, 0)).rank == 2
    assert Window(2, dilation=(1, 1, 1)).rank == Window(2, data_format="NDHWC").rank == 3
    assert Window(1, padding=((0, 0),)).rank == 1
    for rank in (1, 2, 3, 4):
        window = Window(2).with_rank_of((1, *(4 for _ in range(rank)), 1))
        assert window.kernel_size == window.stride == (2,) * rank
        assert window.padding == "VALID"
        assert window.dilation == (1,) * rank
    assert Window((2,), data_format="NWC") == Window((2,)), "a spelling is no difference"


@pytest.mark.rule("W5", "W6", "W10")
@settings(max_examples=300)
@given(geometry=xst.windows())
def test_output_shape_is_the_oracles_pooled_shape(geometry: xst.Geometry) -> None:
    assert Window(**geometry.arguments).output_shape(geometry.shape) == geometry.pooled_shape, geometry
    listed = Window(**geometry.arguments).output_shape(list(geometry.shape))
    assert listed == geometry.pooled_shape
    assert all(type(n) is int for n in listed)


# Switches


@pytest.mark.rule("S1", "S6")
def test_switches_are_equal_when_window_shape_and_offsets_are(on: Harness) -> None:
    offsets = np.array([[[1], [0]]], np.uint8)
    switches = Switches(on.array(offsets), Window(2), (4,))
    assert switches == Switches(on.array(offsets), Window(2), (4,))
    assert switches == Switches(offsets, Window((2,)), [4])
    assert switches == Switches(offsets.tolist(), Window(2), (4,))
    for other in (
        Switches(on.array(offsets[:, ::-1].copy()), Window(2), (4,)),
        Switches(on.array(offsets), Window(2), (5,)),
        Switches(on.array(offsets), Window(2, ceil_mode=True), (4,)),
        Switches(on.array(np.repeat(offsets, 2, 0)), Window(2), (4,)),
        None,
        1,
        "switches",
        Window(2),
    ):
        assert switches != other, f"{other!r} on {on.name}"
    with pytest.raises(TypeError, match="unhashable"):
        hash(switches)


@pytest.mark.rule("S1", "S6")
def test_a_comparison_of_switches_with_an_array_is_one_answer() -> None:
    switches = Switches(np.array([[[1], [0]]], np.uint8), Window(2), (4,))
    assert (switches == switches.offsets) is False
    assert (switches.offsets == switches) is False


@pytest.mark.rule("S1", "S6")
def test_switches_cannot_be_changed_and_show_what_they_are(on: Harness) -> None:
    _, switches = unpoolx.max_pool(on.array(np.zeros((2, 5, 4, 3), np.float32)), OVERLAPPING)
    for name in ("offsets", "window", "spatial_shape", "other"):
        with pytest.raises(AttributeError, match=rf"Switches are immutable: cannot set '{name}'"):
            setattr(switches, name, 3)
    with pytest.raises(AttributeError):
        del switches.offsets
    text = repr(switches)
    assert text == f"Switches(offsets of shape (2, 2, 4, 3), {OVERLAPPING!r}, spatial_shape=(5, 4))", on.name
    assert switches.spatial_shape == (5, 4)


@pytest.mark.rule("S6")
def test_switches_pickle_and_copy(on: Harness) -> None:
    for window in (OVERLAPPING, Window((17, 17), 1, "SAME")):
        _, switches = unpoolx.max_pool(
            on.array(np.random.default_rng(3).normal(size=(2, 5, 4, 3)).astype(np.float32)), window
        )
        for again in (
            pickle.loads(pickle.dumps(switches)),  # noqa: S301  # our own bytes
            copy.copy(switches),
            copy.deepcopy(switches),
        ):
            assert again == switches, on.name
            assert again.backend.name == on.name
            assert (again.window, again.spatial_shape) == (switches.window, switches.spatial_shape)


@pytest.mark.rule("S1")
@pytest.mark.parametrize(
    ("kernel", "dtype"), [((16, 16), "uint8"), (256, "uint8"), (257, "int32"), ((2, 129), "int32"), (1, "uint8")]
)
def test_offsets_have_one_byte_for_a_kernel_of_at_most_256_elements(on: Harness, kernel: Any, dtype: str) -> None:
    rank = len(kernel) if isinstance(kernel, tuple) else 1
    shape = (1, *(300 if rank == 1 else 130 for _ in range(rank)), 1)
    _, switches = unpoolx.max_pool(on.array(np.zeros(shape, np.float32)), kernel)
    assert on.numpy(switches.offsets).dtype == dtype, f"max_pool on {on.name}, {kernel}"
    count = int(np.prod(kernel))
    last = np.full(on.numpy(switches.offsets).shape, count - 1, np.int64)
    made = Switches(on.array(last), switches.window, switches.spatial_shape)
    assert on.numpy(made.offsets).dtype == dtype, f"Switches on {on.name}, {kernel}"
    assert (on.numpy(made.offsets) == count - 1).all(), f"Switches on {on.name}, {kernel}"


@pytest.mark.rule("B2")
def test_a_negative_stride_along_one_element_is_none(on: Harness) -> None:
    x = np.arange(4, dtype=np.float32).reshape(1, 4, 1)[:, :, ::-1]
    assert x.strides[-1] < 0, "NumPy has begun to tidy strides: the test needs another array"
    values, switches = unpoolx.max_pool(x, 2, backend=on.name)
    assert on.numpy(values).ravel().tolist() == [1, 3], f"max_pool on {on.name}"
    assert on.numpy(unpoolx.unpool(values, switches)).ravel().tolist() == [0, 1, 0, 3], f"unpool on {on.name}"


@pytest.mark.rule("B2")
@pytest.mark.parametrize("dtype", [np.byte, np.short, np.intc, np.long, np.longlong, np.ulonglong])
def test_every_name_that_c_has_for_a_width_is_taken(on: Harness, dtype: type[np.integer]) -> None:
    x = np.array([3, 1, 0, 2], dtype).reshape(1, 4, 1)
    values, switches = unpoolx.max_pool(x, 2, backend=on.name)
    expected = np.array([3, 2], x.dtype.name).reshape(1, 2, 1)
    assert_same_bits(on.numpy(values), expected, what=f"max_pool of {dtype.__name__} on {on.name}")
    restored = on.numpy(unpoolx.unpool(values, switches)).ravel().tolist()
    assert restored == [3, 0, 0, 2], f"unpool of {dtype.__name__} on {on.name}"


@pytest.mark.rule("W9")
def test_a_flag_is_no_length_even_after_that_length_was_used(on: Harness) -> None:
    x = on.array(np.zeros((1, 4, 1), np.float32))
    for wrong in ({"kernel_size": True}, {"stride": (True,)}, {"dilation": True}):
        right = {"kernel_size": 1} | {key: (1,) if isinstance(value, tuple) else 1 for key, value in wrong.items()}
        unpoolx.max_pool(x, **right)
        with pytest.raises(TypeError, match="got bool"):
            unpoolx.max_pool(x, **right | wrong)
