"""Inside every framework's compiled code each function gives the bits that it gives outside.

One program calls all functions of a geometry at once: a compiler sees them together, as it does in a model, and the
tests pay for one compilation. What is expected comes from the oracle.
"""

from __future__ import annotations

import copy
import importlib
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Harness, UnavailableError, window_of

import unpoolx
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits, assert_sum_bits

only_jax = pytest.mark.parametrize("on_framework", ["jax"], indirect=True)
only_tf = pytest.mark.parametrize("on_framework", ["tf"], indirect=True)
only_torch = pytest.mark.parametrize("on_framework", ["torch"], indirect=True)


# Geometries


@dataclass(frozen=True)
class Case:
    """A geometry with a name."""

    name: str
    shape: tuple[int, ...]
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name} {self.shape}"

    @cached_property
    def window(self) -> unpoolx.Window:
        """The window, fixed."""
        return window_of(self.arguments, self.shape)

    @cached_property
    def laid(self) -> oracle.OracleWindow:
        """The same by the oracle."""
        return oracle.resolve(self.shape, **self.arguments)

    @property
    def has_one_batch_axis(self) -> bool:
        """Whether raw indices can be used."""
        return len(self.laid.batch) == 1

    @property
    def spread(self) -> dict[str, dict[str, Any]]:
        """Arguments for the functions that need no switches, of this rank and layout."""
        rank = len(self.laid.spatial)
        layout = {"data_format": self.window.data_format}
        return {
            "unpool_fixed": {
                "kernel_size": (2, 3, 2)[:rank],
                "stride": (3, 2, 2)[:rank],
                "position": "center",
                **layout,
            },
            "unpool_nearest": {"scale": (2, 3, 1)[:rank], **layout},
            "unpool_average": {
                "kernel_size": (3, 2, 3)[:rank],
                "stride": (2, 1, 2)[:rank],
                "padding": "SAME",
                **layout,
            },
        }


FIRST = {"data_format": "channels_first"}
CASES = [
    Case("blocks", (2, 7, 3), {"kernel_size": 2}),
    Case("overlap", (2, 5, 6, 2), {"kernel_size": 3, "stride": 2, "padding": "SAME"}),
    Case("dilation", (1, 2, 7, 8), {"kernel_size": 2, "stride": 1, "dilation": (2, 3), **FIRST}),
    Case("ceil", (2, 6, 7, 1), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    Case("lower", (2, 3, 5, 5), {"kernel_size": (2, 3), "stride": 2, "padding": "SAME_LOWER", "data_format": "NCHW"}),
    Case("volume", (1, 3, 4, 3, 2), {"kernel_size": 2, "stride": 1}),
    Case("pairs", (2, 9, 1), {"kernel_size": 3, "stride": 2, "padding": ((2, 1),)}),
    Case("gaps", (1, 8, 7, 2), {"kernel_size": 2, "stride": 3}),
    Case("by number", (1, 12, 10, 2), {"kernel_size": 9, "stride": 1}),
    Case("int32 offsets", (2, 1, 18, 3), {"kernel_size": 17, "stride": (4, 1), "padding": (8, 8), **FIRST}),
    Case("one element", (2, 3, 4, 2), {"kernel_size": 1, "stride": (1, 2)}),
    Case("two batch axes", (2, 3, 4, 3, 2), {"kernel_size": (2, 2)}),
    Case("no batch axis", (6, 5, 2), {"kernel_size": (2, 2), "stride": 1}),
]
BY_NAME = {case.name: case for case in CASES}


def contents(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """NaN, infinities, both zeros, ties and ordinary numbers; no subnormal numbers, which a sum may flush."""
    random = np.random.default_rng(seed)
    specials = xst.special_values(dtype, subnormal=False)
    result = specials[random.integers(0, len(specials), shape)].reshape(shape)
    if dtype == "bool":
        return result
    ordinary = (random.standard_normal(shape) * 9).astype(np.int8)
    ordinary = np.abs(ordinary) if dtype.startswith("u") else ordinary
    return np.where(random.random(shape) < 0.3, result, ordinary.astype(result.dtype))


@dataclass(frozen=True)
class Inputs:
    """The arrays that the functions of one case take, by NumPy."""

    case: Case
    dtype: str = "float32"
    seed: int = 0

    @cached_property
    def x(self) -> np.ndarray:
        """What is pooled."""
        return contents(self.case.shape, self.dtype, self.seed)

    @cached_property
    def y(self) -> np.ndarray:
        """What is unpooled."""
        return contents(self.case.laid.pooled_shape, self.dtype, self.seed + 1)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Legal switches, of any element of each window."""
        laid, random = self.case.laid, np.random.default_rng(self.seed + 2)
        result = np.zeros(laid.pooled_shape, oracle.offsets_dtype(laid))
        table = {place: list(elements) for place, elements in laid.elements().items()}
        for index in np.ndindex(*result.shape):
            result[index] = random.choice(table[laid.layout.split(index)[2]])
        return result

    @cached_property
    def indices(self) -> np.ndarray:
        """Their flat indices."""
        return oracle.to_indices(self.offsets, self.case.shape, "spatial", **self.case.arguments)

    @cached_property
    def raw(self) -> np.ndarray:
        """Indices that follow no window, with many duplicates."""
        random = np.random.default_rng(self.seed + 3)
        return random.integers(0, max(1, int(np.prod(self.case.laid.spatial)) // 2), self.y.shape)

    def on(self, on: Harness) -> tuple[Any, ...]:
        """The arguments of `every_function` as a backend's arrays."""
        switches = on.switches(self.offsets, self.case.window, self.case.laid.spatial)
        return (on.array(self.x), on.array(self.y), switches, on.array(self.indices), on.array(self.raw))

    @property
    def raw_arguments(self) -> dict[str, Any]:
        """Where the raw indices point."""
        return {
            "output_shape": self.case.shape,
            "index_format": "spatial",
            "data_format": self.case.window.data_format,
        }


def every_function(inputs: Inputs) -> Callable[..., dict[str, Any]]:
    """A function of arrays that calls every public function that the case and the dtype allow."""
    case, dtype = inputs.case, inputs.dtype
    # Plain values alone for a compiler to see: it does not look into the properties of a Case.
    window, shape, arguments, spread = case.window, case.shape, case.arguments, case.spread
    has_one_batch_axis, raw_arguments = case.has_one_batch_axis, inputs.raw_arguments

    def run(x: Any, y: Any, switches: Any, indices: Any, raw: Any) -> dict[str, Any]:
        values, made = unpoolx.max_pool(x, **arguments)
        results = {
            "max_pool": values,
            "its switches": made,
            "unpool last": unpoolx.unpool(y, switches),
            "gather": unpoolx.gather(x, switches),
            "from_indices": unpoolx.Switches.from_indices(indices, window, shape, index_format="spatial"),
            "to_indices": switches.to_indices("onnx"),
            "unpool_fixed": unpoolx.unpool_fixed(y, **spread["unpool_fixed"]),
            "unpool_nearest": unpoolx.unpool_nearest(y, **spread["unpool_nearest"]),
            "round trip": unpoolx.unpool(values, made),
        }
        if has_one_batch_axis:
            results["raw last"] = unpoolx.unpool(y, raw, **raw_arguments)
        if dtype != "bool":
            results["unpool sum"] = unpoolx.unpool(y, switches, overlap="sum")
        if dtype != "bool" and has_one_batch_axis:
            results["raw sum"] = unpoolx.unpool(y, raw, overlap="sum", **raw_arguments)
        if dtype in xst.FLOAT_DTYPES:
            results["unpool_average"] = unpoolx.unpool_average(y, **spread["unpool_average"])
        return results

    return run


def every_expectation(inputs: Inputs) -> dict[str, Any]:
    """What `every_function` must give: an array, a `SumBits` of the oracle, or `Switches` of NumPy's arrays."""
    case, dtype, x, y, offsets = inputs.case, inputs.dtype, inputs.x, inputs.y, inputs.offsets
    spatial, spread, arguments = case.laid.spatial, case.spread, case.arguments
    values, chosen = oracle.max_pool(x, **arguments)
    made = unpoolx.Switches.trusted(chosen, case.window, spatial)
    results: dict[str, Any] = {
        "max_pool": values,
        "its switches": made,
        "unpool last": oracle.unpool(y, offsets, spatial_shape=spatial, **arguments),
        "gather": oracle.gather(x, offsets, **arguments),
        "from_indices": unpoolx.Switches.trusted(offsets, case.window, spatial),
        "to_indices": oracle.to_indices(offsets, case.shape, "onnx", **arguments),
        "unpool_fixed": oracle.unpool_fixed(y, **spread["unpool_fixed"]),
        "unpool_nearest": oracle.unpool_nearest(y, **spread["unpool_nearest"]),
        "round trip": oracle.unpool(values, chosen, spatial_shape=spatial, **arguments),
    }
    if case.has_one_batch_axis:
        results["raw last"] = oracle.unpool_indices(y, inputs.raw, **inputs.raw_arguments)
    if dtype != "bool":
        results["unpool sum"] = oracle.unpool_sum_bits(y, offsets, spatial_shape=spatial, **arguments)
    if dtype != "bool" and case.has_one_batch_axis:
        results["raw sum"] = oracle.unpool_indices_sum_bits(y, inputs.raw, **inputs.raw_arguments)
    if dtype in xst.FLOAT_DTYPES:
        results["unpool_average"] = oracle.unpool_average_sum_bits(y, **spread["unpool_average"])
    return results


def assert_results(on: Harness, results: dict[str, Any], expected: dict[str, Any], *, what: str) -> None:
    """Each result, by its name, has the expected bits."""
    assert list(results) == list(expected) or set(results) == set(expected), f"{what}: {list(results)}"
    for name, wanted in expected.items():
        ours, here = results[name], f"{name} {what}"
        if isinstance(wanted, unpoolx.Switches):
            assert isinstance(ours, unpoolx.Switches), f"{here}: Switches expected, got {type(ours).__name__}"
            assert (ours.window, ours.spatial_shape) == (wanted.window, wanted.spatial_shape), here
            assert_same_bits(on.numpy(ours.offsets), wanted.offsets, what=here)
        elif isinstance(wanted, oracle.SumBits):
            assert_sum_bits(on.numpy(ours), *wanted, what=here)
        else:
            assert_same_bits(on.numpy(ours), wanted, what=here)


# Compilers


@dataclass(frozen=True)
class Compiler:
    """A framework's way to compile a function."""

    on: Harness
    how: str

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The compiled function."""
        framework = self.on.framework
        if self.how == "jit":
            return framework.jit(function)
        if self.on.name == "tf":
            return framework.function(function, jit_compile=self.how == "xla", autograph=False)
        framework._dynamo.reset()  # one code object here serves many functions: their number is limited
        return framework.compile(function, fullgraph=True, dynamic=False, backend=self.how)


HOWS = {"jit": "jax", "graph": "tf", "xla": "tf", "aot_eager": "torch", "inductor": "torch"}


@pytest.fixture(scope="session")
def compiler(request: pytest.FixtureRequest) -> Compiler:
    """The compiler that the test's parameter names."""
    try:
        return Compiler(Harness.of(HOWS[request.param], request.config.getoption("--device") or "cpu"), request.param)
    except UnavailableError as reason:
        pytest.skip(str(reason))


every_compiler = pytest.mark.parametrize("compiler", list(HOWS), indirect=True)
# PyTorch's tracer takes seconds for a program, and its code generator many: fewer cases for them than for the others.
FEWER = {
    "aot_eager": ("blocks", "overlap", "by number", "one element", "no batch axis", "81 elements", "256 elements"),
    "inductor": ("overlap", "81 elements"),
}


def pairs(cases: list[Case], **fewer: tuple[str, ...]) -> list[Any]:
    """Each compiler with each case that it has time for."""
    chosen = {**FEWER, **fewer}
    return [
        pytest.param(how, case, id=f"{how}-{case.name}")
        for case in cases
        for how in HOWS
        if case.name in chosen.get(how, (case.name,))
    ]


@pytest.fixture(autouse=True)
def _forget_compiled_programs() -> Iterator[None]:
    yield
    if "torch" in sys.modules:
        sys.modules["torch"]._dynamo.reset()


@pytest.mark.rule("S6", "U5", "P6", "S1", "S3")
@pytest.mark.parametrize(("compiler", "case"), pairs(CASES), indirect=["compiler"])
def test_every_function_gives_the_same_bits_inside_compiled_code(compiler: Compiler, case: Case) -> None:
    inputs = Inputs(case)
    results = compiler(every_function(inputs))(*inputs.on(compiler.on))
    assert_results(compiler.on, results, every_expectation(inputs), what=f"in {compiler.how}, float32, {case}")


@pytest.mark.rule("P7", "S6", "U5")
@pytest.mark.parametrize("dtype", ["uint16", "bool", "bfloat16", "int8", "float16", "float64", "uint64"])
@pytest.mark.parametrize("compiler", ["jit", "graph", "xla", "aot_eager"], indirect=True)
def test_every_dtype_gives_the_same_bits_inside_compiled_code(compiler: Compiler, dtype: str) -> None:
    if compiler.how == "aot_eager" and dtype in ("float16", "float64", "uint64"):
        pytest.skip("PyTorch's tracer takes seconds, and treats these as their like")
    inputs = Inputs(BY_NAME["overlap"], dtype)
    results = compiler(every_function(inputs))(*inputs.on(compiler.on))
    assert_results(compiler.on, results, every_expectation(inputs), what=f"in {compiler.how}, {dtype}, {inputs.case}")


@pytest.mark.rule("P7", "S6", "U5")
@pytest.mark.parametrize("dtype", ["uint16", "bfloat16"])
@pytest.mark.parametrize("compiler", ["inductor"], indirect=True)
def test_dtypes_that_pytorch_stores_and_hardly_computes_with_compile(compiler: Compiler, dtype: str) -> None:
    on, inputs = compiler.on, Inputs(BY_NAME["blocks"], dtype)
    arguments = inputs.case.arguments

    def run(x: Any) -> dict[str, Any]:
        values, made = unpoolx.max_pool(x, **arguments)
        return {"max_pool": values, "its switches": made, "round trip": unpoolx.unpool(values, made)}

    results = compiler(run)(on.array(inputs.x))
    wanted = every_expectation(inputs)
    expected = {name: wanted[name] for name in results}
    assert_results(on, results, expected, what=f"in {compiler.how}, {dtype}, {inputs.case}")


@every_compiler
@pytest.mark.rule("S6", "U5")
def test_a_wrong_result_of_a_compiler_would_be_seen(compiler: Compiler) -> None:
    if compiler.how == "inductor":
        pytest.skip("its front end shows the same")
    inputs = Inputs(BY_NAME["overlap"])

    def wrong(y: Any, switches: Any) -> Any:
        return unpoolx.unpool(y, switches, overlap="sum")

    _, y, switches, *_ = inputs.on(compiler.on)
    ours = compiler.on.numpy(compiler(wrong)(y, switches))
    with pytest.raises(AssertionError, match="elements differ"):
        assert_same_bits(ours, every_expectation(inputs)["unpool last"], what="the sum in place of the last")


# Gradients inside compiled code


def losses(inputs: Inputs) -> Callable[..., dict[str, Any]]:
    """Functions of arrays whose gradients are small integers."""
    case = inputs.case
    arguments, spread, has_one_batch_axis = case.arguments, case.spread, case.has_one_batch_axis
    raw_arguments = inputs.raw_arguments

    def run(x: Any, y: Any, switches: Any, raw: Any) -> dict[str, Any]:
        values, made = unpoolx.max_pool(x, **arguments)
        results = {
            "max_pool": values * values,
            "round trip": unpoolx.unpool(values, made) * x,
            "unpool last": unpoolx.unpool(y, switches) * x,
            "unpool sum": unpoolx.unpool(y, switches, overlap="sum") * x,
            "gather": unpoolx.gather(x, switches) * y,
            "unpool_nearest": unpoolx.unpool_nearest(y, **spread["unpool_nearest"]),
            "unpool_fixed": unpoolx.unpool_fixed(y, **spread["unpool_fixed"]),
        }
        if has_one_batch_axis:
            results["raw last"] = unpoolx.unpool(y, raw, **raw_arguments) * x
            results["raw sum"] = unpoolx.unpool(y, raw, overlap="sum", **raw_arguments) * x
        return results

    return run


def expected_gradients(inputs: Inputs, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients by x and y of the sum of all `losses`, by the oracle's linear maps."""
    case, arguments = inputs.case, inputs.case.arguments
    spatial = case.laid.spatial
    values, chosen = oracle.max_pool(x, **arguments)

    def unpooled(z: np.ndarray, offsets: np.ndarray, overlap: str) -> np.ndarray:
        return oracle.unpool(z, offsets, spatial_shape=spatial, overlap=overlap, **arguments)

    by_x = unpooled(2 * values, chosen, "sum")
    # The round trip: its derivative by the values goes on through the pooling, and x itself is a factor.
    by_x = by_x + unpooled(oracle.unpool_last_gradient(x, chosen, **arguments), chosen, "sum")
    by_x = by_x + unpooled(values, chosen, "last")
    by_y = np.zeros_like(y)
    for overlap, rule in (("last", oracle.unpool_last_gradient), ("sum", oracle.gather)):
        by_x = by_x + unpooled(y, inputs.offsets, overlap)
        by_y = by_y + rule(x, inputs.offsets, **arguments)
    by_x = by_x + unpooled(y, inputs.offsets, "sum")
    by_y = by_y + oracle.gather(x, inputs.offsets, **arguments)
    by_y = by_y + np.float32(math.prod(case.spread["unpool_nearest"]["scale"]) + 1)
    if case.has_one_batch_axis:
        formats = {key: value for key, value in inputs.raw_arguments.items() if key != "output_shape"}
        for overlap, rule in (("last", oracle.unpool_indices_last_gradient), ("sum", oracle.gather_indices)):
            by_x = by_x + oracle.unpool_indices(y, inputs.raw, overlap=overlap, **inputs.raw_arguments)
            by_y = by_y + rule(x, inputs.raw, **formats)
    return by_x, by_y


def gradients_in(compiler: Compiler, function: Callable[..., dict[str, Any]], x: Any, y: Any, *rest: Any) -> Any:
    """The gradients of the sum of a function's results by x and y, computed inside compiled code where it can be."""
    on = compiler.on
    framework = on.framework
    if on.name == "jax":

        def total(x: Any, y: Any, *rest: Any) -> Any:
            return sum(result.sum() for result in function(x, y, *rest).values())

        return compiler(framework.grad(total, argnums=(0, 1)))(x, y, *rest)
    if on.name == "tf":

        def both(x: Any, y: Any, *rest: Any) -> Any:
            with framework.GradientTape() as tape:
                tape.watch([x, y])
                total = sum(framework.reduce_sum(result) for result in function(x, y, *rest).values())
            return tape.gradient(total, [x, y])

        return compiler(both)(x, y, *rest)
    x.requires_grad_()
    y.requires_grad_()
    total = sum(result.sum() for result in compiler(function)(x, y, *rest).values())
    return framework.autograd.grad(total, (x, y))


DIFFERENTIATED = [BY_NAME[name] for name in ("overlap", "dilation", "ceil", "volume", "by number", "one element")]


@pytest.mark.rule("U8", "U9", "S6")
@pytest.mark.parametrize(
    ("compiler", "case"),
    pairs(DIFFERENTIATED, aot_eager=("overlap", "one element"), inductor=("overlap",)),
    indirect=["compiler"],
)
def test_gradients_inside_compiled_code_are_those_outside(compiler: Compiler, case: Case) -> None:
    on, inputs, random = compiler.on, Inputs(case), np.random.default_rng(11)
    x = random.integers(-4, 5, case.shape).astype(np.float32)
    y = random.integers(-4, 5, inputs.y.shape).astype(np.float32)
    _, _, switches, _, raw = inputs.on(on)
    by_x, by_y = gradients_in(compiler, losses(inputs), on.array(x), on.array(y), switches, raw)
    expected_x, expected_y = expected_gradients(inputs, x, y)
    zero = np.float32(0)  # sums of small integers, whose zero may have either sign
    what = f"of every function in {compiler.how}, float32, {case}"
    assert_same_bits(on.numpy(by_x) + zero, expected_x + zero, what=f"gradient by x {what}")
    assert_same_bits(on.numpy(by_y) + zero, expected_y + zero, what=f"gradient by y {what}")


# Out of range inside compiled code

WRONG = (-1, 2**31, 2**32 + 1, 2**32, -(2**32), 2**63 - 1, -(2**63), -(2**31) - 1)
OUTPUTS = [((2, 3, 4, 2), (2, 2, 3, 2), "channels_last"), ((2, 2, 3, 4), (2, 2, 2, 3), "channels_first")]


def half_wrong(x_shape: tuple[int, ...], slots: int, seed: int) -> np.ndarray:
    """Indices of which about half lie in range(slots), few slots among them."""
    random = np.random.default_rng(seed)
    wrong = np.array([*WRONG, slots, slots + 1, -slots], np.int64)
    right = random.integers(0, 3, x_shape) * (slots - 1) // 2
    return np.where(random.random(x_shape) < 0.5, right, wrong[random.integers(0, len(wrong), x_shape)])


def slots_of(index_format: str, output_shape: tuple[int, ...], data_format: str) -> int:
    """How many elements an index of this format tells apart."""
    layout = oracle.layout_of(data_format, len(output_shape) - 2)
    (n,), c, spatial = layout.split(output_shape)
    return int(np.prod(spatial)) * {"spatial": 1, "tf": c}.get(index_format, n * c)


@every_compiler
@pytest.mark.rule("R2", "R3", "U6", "U5")
@pytest.mark.parametrize(("output_shape", "x_shape", "data_format"), OUTPUTS)
def test_a_raw_index_out_of_range_is_dropped_and_touches_nothing_else(
    compiler: Compiler, output_shape: tuple[int, ...], x_shape: tuple[int, ...], data_format: str
) -> None:
    on = compiler.on
    y = np.arange(1, 1 + np.prod(x_shape), dtype=np.float32).reshape(x_shape)
    indices = {f: half_wrong(x_shape, slots_of(f, output_shape, data_format), 5) for f in oracle.RAW_FORMATS}
    if compiler.how == "inductor" and data_format == "channels_first":
        pytest.skip("its front end shows the same, and it takes many seconds")
    formats = oracle.RAW_FORMATS[1:2] if compiler.how == "inductor" else oracle.RAW_FORMATS
    calls = {
        f"{f} {o}": (f, {"overlap": o, "output_shape": output_shape, "index_format": f, "data_format": data_format})
        for f in formats
        for o in ("last", "sum")
    }

    def run(y: Any, indices: dict[str, Any]) -> dict[str, Any]:
        return {name: unpoolx.unpool(y, indices[f], **arguments) for name, (f, arguments) in calls.items()}

    results = compiler(run)(on.array(y), {f: on.array(numbers) for f, numbers in indices.items()})
    expected = {
        name: oracle.unpool_indices(y, indices[f], out_of_range="drop", **arguments)
        for name, (f, arguments) in calls.items()
    }
    assert_results(on, results, expected, what=f"of raw unpool in {compiler.how}, float32{x_shape} to {output_shape}")


@pytest.mark.rule("R2", "R3", "U6")
@pytest.mark.parametrize("compiler", ["jit", "graph", "xla", "aot_eager"], indirect=True)
def test_raw_indices_of_every_width_are_dropped_where_they_do_not_fit(compiler: Compiler) -> None:
    on = compiler.on
    y = np.arange(1.0, 9, dtype=np.float32).reshape(1, 8, 1)
    arguments = {"output_shape": (1, 5, 1), "index_format": "spatial", "data_format": "channels_last"}
    indices = {}
    for dtype in xst.INTEGER_DTYPES:
        info = np.iinfo(dtype)
        numbers = [0, 4, 5, 1, info.max, info.min or 7, info.max - 1, 1]
        indices[dtype] = np.array(numbers, dtype).reshape(1, 8, 1)

    def run(y: Any, indices: dict[str, Any]) -> dict[str, Any]:
        return {dtype: unpoolx.unpool(y, numbers, **arguments) for dtype, numbers in indices.items()}

    results = compiler(run)(on.array(y), {dtype: on.array(numbers) for dtype, numbers in indices.items()})
    expected = {
        dtype: oracle.unpool_indices(y, numbers, out_of_range="drop", **arguments) for dtype, numbers in indices.items()
    }
    assert_results(on, results, expected, what=f"indices of raw unpool in {compiler.how}, float32{y.shape}")


@pytest.mark.rule("R2", "U8")
@pytest.mark.parametrize("overlap", ["last", "sum"])
@pytest.mark.parametrize("compiler", ["jit", "graph", "xla", "aot_eager"], indirect=True)
def test_what_is_dropped_has_no_gradient(compiler: Compiler, overlap: str) -> None:
    on = compiler.on
    (output_shape, x_shape, data_format), index_format = OUTPUTS[0], "tf"
    arguments = {"output_shape": output_shape, "index_format": index_format, "data_format": data_format}
    random = np.random.default_rng(2)
    y, x = (random.integers(1, 9, shape).astype(np.float32) for shape in (x_shape, output_shape))
    indices = half_wrong(x_shape, slots_of(index_format, output_shape, data_format), 9)

    def function(x: Any, y: Any, indices: Any) -> dict[str, Any]:
        return {"raw": unpoolx.unpool(y, indices, overlap=overlap, **arguments) * x}

    by_x, by_y = gradients_in(compiler, function, on.array(x), on.array(y), on.array(indices))
    what = f"of raw unpool {overlap} in {compiler.how}, float32{x_shape} to {output_shape}"
    dropped = {"out_of_range": "drop"}
    expected = oracle.unpool_indices(y, indices, overlap=overlap, **arguments, **dropped)
    assert_same_bits(on.numpy(by_x), expected, what=f"gradient by the factor {what}")
    formats = {"index_format": index_format, "data_format": data_format}
    if overlap == "last":
        expected = oracle.unpool_indices_last_gradient(x, indices, **formats, **dropped)
    else:
        expected = oracle.gather_indices(x, indices, **formats, out_of_range="fill", fill_value=0)
    assert_same_bits(on.numpy(by_y), expected, what=f"gradient by the values {what}")


NOWHERE = [
    Case("blocks", (2, 4, 6, 2), {"kernel_size": 2}),
    Case("overlap", (2, 4, 5, 2), {"kernel_size": 3, "stride": 1, "padding": 1}),
    Case("64 elements", (1, 12, 10, 2), {"kernel_size": 8, "stride": 2, "padding": "SAME"}),
    Case("81 elements", (1, 12, 10, 2), {"kernel_size": 9, "stride": 1}),
    Case("255 elements", (1, 40, 1), {"kernel_size": 255, "stride": 3, "padding": 127}),
    Case("256 elements", (2, 32, 16, 1), {"kernel_size": 16}),
    Case("256 that overlap", (1, 20, 18, 2), {"kernel_size": 16, "stride": 2, "padding": "SAME"}),
    Case("289 elements", (1, 18, 17, 2), {"kernel_size": 17, "stride": 8, "padding": 8, **FIRST}),
    Case("one element", (1, 6, 2), {"kernel_size": 1}),
]


@pytest.mark.rule("S4", "R2", "R3")
@pytest.mark.parametrize("index_format", ["spatial", "window"])
@pytest.mark.parametrize(("compiler", "case"), pairs(NOWHERE, inductor=("81 elements",)), indirect=["compiler"])
def test_an_index_that_is_not_in_its_own_window_is_nowhere_inside_compiled_code(
    compiler: Compiler, case: Case, index_format: str
) -> None:
    on, inputs, random = compiler.on, Inputs(case), np.random.default_rng(1)
    x = random.integers(1, 9, case.shape).astype(np.float32)
    y = random.integers(1, 9, inputs.y.shape).astype(np.float32)
    right = inputs.indices if index_format == "spatial" else inputs.offsets.astype(np.int64)
    limit = int(np.prod(case.laid.spatial)) if index_format == "spatial" else case.laid.size
    wrong = np.array([*WRONG, limit, limit + 1], np.int64)
    wrong = wrong[random.integers(0, len(wrong), right.shape)]
    wrong = np.where(random.random(right.shape) < 0.3, right + 2**32, wrong)
    bad = random.random(right.shape) < 0.5
    indices = np.where(bad, wrong, right)

    window, shape = case.window, case.shape

    def run(x: Any, y: Any, indices: Any) -> dict[str, Any]:
        switches = unpoolx.Switches.from_indices(indices, window, shape, index_format=index_format)
        return {
            "unpool last": unpoolx.unpool(y, switches),
            "unpool sum": unpoolx.unpool(y, switches, overlap="sum"),
            "gather": unpoolx.gather(x, switches),
        }

    results = compiler(run)(on.array(x), on.array(y), on.array(indices))
    dropped = np.where(bad, -1, inputs.indices)
    formats = {"index_format": "spatial", "data_format": case.window.data_format}
    expected = {
        f"unpool {overlap}": oracle.unpool_indices(
            y, dropped, output_shape=case.shape, overlap=overlap, out_of_range="drop", **formats
        )
        for overlap in ("last", "sum")
    }
    expected["gather"] = oracle.gather_indices(x, dropped, out_of_range="fill", fill_value=0, **formats)
    what = f"of {index_format} indices, half of them wrong, in {compiler.how}, float32, {case}"
    assert_results(on, results, expected, what=what)


@pytest.mark.rule("S4", "S1")
@pytest.mark.parametrize("case", [NOWHERE[1], NOWHERE[5], NOWHERE[7]], ids=lambda case: case.name)
@pytest.mark.parametrize("compiler", ["jit", "graph", "xla", "aot_eager"], indirect=True)
def test_offsets_made_inside_compiled_code_have_the_dtype_of_those_outside(compiler: Compiler, case: Case) -> None:
    on, inputs = compiler.on, Inputs(case)
    window, shape = case.window, case.shape

    def run(indices: Any) -> Any:
        return unpoolx.Switches.from_indices(indices, window, shape, index_format="spatial")

    switches = compiler(run)(on.array(inputs.indices))
    expected = inputs.offsets
    if case.name == "256 elements":  # where each uint8 names an element, "nowhere" needs a wider dtype
        expected = expected.astype(np.int32)
    assert_same_bits(on.numpy(switches.offsets), expected, what=f"from_indices in {compiler.how}, {case}")


# JAX


def stacked(arrays: list[np.ndarray], axis: int) -> np.ndarray:
    """Arrays along a new axis."""
    return np.stack(arrays, axis)


VMAPPED = ("blocks", "overlap", "dilation", "ceil", "by number", "two batch axes")


@pytest.mark.rule("S6", "U5")
@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("name", VMAPPED)
@pytest.mark.parametrize("on_framework", ["jax", "torch"], indirect=True)
def test_vmap_over_any_axis_is_a_loop(on_framework: Harness, name: str, axis: int) -> None:
    on, case = on_framework, BY_NAME[name]
    vmap = on.framework.vmap
    several = [Inputs(case, seed=seed) for seed in (10, 20, 30)]
    expected = [every_expectation(inputs) for inputs in several]
    x, y = (on.array(stacked([getattr(i, name) for i in several], axis)) for name in ("x", "y"))
    raw = on.array(stacked([i.raw for i in several], axis))
    offsets = stacked([i.offsets for i in several], axis)
    switches = on.switches(offsets, case.window, case.laid.spatial)
    one = on.switches(several[0].offsets, case.window, case.laid.spatial)
    one_raw = on.array(several[0].raw)

    def axes(*inputs: int | None, outputs: int) -> dict[str, Any]:
        if on.name == "jax":
            return {"in_axes": inputs, "out_axes": outputs}
        return {"in_dims": inputs, "out_dims": outputs}

    def assert_slices(result: Any, key: str, kind: str, wanted: list[Any] | None = None) -> None:
        for number in range(3):
            ours = np.take(on.numpy(result), number, axis)
            what = f"{key}, {kind}, in vmap over axis {axis} on {on.name}, float32, {case}"
            wanted_here = (wanted or [e[key] for e in expected])[number]
            assert_results(on, {key: on.array(ours)}, {key: wanted_here}, what=what)

    values, made = vmap(lambda z: unpoolx.max_pool(z, **case.arguments), **axes(axis, outputs=axis))(x)
    assert_slices(values, "max_pool", "batched")
    offsets_made = [
        unpoolx.Switches.trusted(e["its switches"].offsets, case.window, case.laid.spatial) for e in expected
    ]
    assert made.window == case.window, f"switches of max_pool in vmap on {on.name}, {case}"
    assert_slices(made.offsets, "its switches", "batched", [s.offsets for s in offsets_made])
    for overlap in ("last", "sum"):
        key = f"unpool {overlap}"

        def unpool(y: Any, s: Any, overlap: str = overlap) -> Any:
            return unpoolx.unpool(y, s, overlap=overlap)

        assert_slices(vmap(unpool, **axes(axis, axis, outputs=axis))(y, switches), key, "both batched")
        plain = {"spatial_shape": case.laid.spatial, **case.arguments}
        wanted = [oracle.unpool_sum_bits(i.y, several[0].offsets, **plain) for i in several]
        if overlap == "last":
            wanted = [oracle.unpool(i.y, several[0].offsets, **plain) for i in several]
        assert_slices(vmap(unpool, **axes(axis, None, outputs=axis))(y, one), key, "one switches", wanted)
        one_y = on.array(several[0].y)
        wanted = [oracle.unpool_sum_bits(several[0].y, i.offsets, **plain) for i in several]
        if overlap == "last":
            wanted = [oracle.unpool(several[0].y, i.offsets, **plain) for i in several]
        assert_slices(vmap(unpool, **axes(None, axis, outputs=axis))(one_y, switches), key, "one array", wanted)
    assert_slices(vmap(unpoolx.gather, **axes(axis, axis, outputs=axis))(x, switches), "gather", "both batched")
    if not case.has_one_batch_axis:
        return
    arguments = several[0].raw_arguments
    for overlap in ("last", "sum"):
        key = f"raw {overlap}"

        def by_raw(y: Any, raw: Any, overlap: str = overlap) -> Any:
            return unpoolx.unpool(y, raw, overlap=overlap, **arguments)

        assert_slices(vmap(by_raw, **axes(axis, axis, outputs=axis))(y, raw), key, "both batched")
        rule = oracle.unpool_indices if overlap == "last" else oracle.unpool_indices_sum_bits
        wanted = [rule(i.y, several[0].raw, **arguments) for i in several]
        assert_slices(vmap(by_raw, **axes(axis, None, outputs=axis))(y, one_raw), key, "one index", wanted)
        wanted = [rule(several[0].y, i.raw, **arguments) for i in several]
        assert_slices(vmap(by_raw, **axes(None, axis, outputs=axis))(on.array(several[0].y), raw), key, "one x", wanted)


@pytest.mark.rule("S6", "F2", "F3", "F4")
@pytest.mark.parametrize("on_framework", ["jax", "torch"], indirect=True)
def test_vmap_of_what_needs_no_switches_is_a_loop(on_framework: Harness) -> None:
    on, case = on_framework, BY_NAME["lower"]
    several = [Inputs(case, seed=seed) for seed in (10, 20)]
    y = on.array(stacked([i.y for i in several], 1))
    options = {"in_axes": 1, "out_axes": 1} if on.name == "jax" else {"in_dims": 1, "out_dims": 1}
    for name, arguments in case.spread.items():
        result = on.framework.vmap(lambda z, n=name, a=arguments: getattr(unpoolx, n)(z, **a), **options)(y)
        for number, inputs in enumerate(several):
            ours = {name: on.array(np.take(on.numpy(result), number, 1))}
            expected = {name: every_expectation(inputs)[name]}
            assert_results(on, ours, expected, what=f"in vmap over axis 1 on {on.name}, float32, {case}")


@only_jax
@pytest.mark.rule("S6", "U5")
def test_scan_takes_and_carries_switches(on_framework: Harness) -> None:
    on, case = on_framework, BY_NAME["overlap"]
    jax = on.framework
    several = [Inputs(case, seed=seed) for seed in (1, 2, 3)]
    xs = on.array(stacked([i.x for i in several], 0))
    first = on.switches(several[0].offsets, case.window, case.laid.spatial)

    def step(before: Any, x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, **case.arguments)
        return switches, (unpoolx.unpool(values, before), switches)

    last, (unpooled, made) = jax.lax.scan(step, first, xs)
    before = several[0].offsets
    for number, inputs in enumerate(several):
        values, offsets = oracle.max_pool(inputs.x, **case.arguments)
        expected = oracle.unpool(values, before, spatial_shape=case.laid.spatial, **case.arguments)
        what = f"step {number} of lax.scan on jax, float32, {case}"
        assert_same_bits(on.numpy(unpooled[number]), expected, what=f"unpool in {what}")
        assert_same_bits(on.numpy(made.offsets[number]), offsets, what=f"switches of {what}")
        before = offsets
    assert_same_bits(on.numpy(last.offsets), before, what=f"switches carried by lax.scan on jax, {case}")


@only_jax
@pytest.mark.rule("S6", "U8", "U9")
def test_checkpoint_cond_and_hessian_work(on_framework: Harness) -> None:
    on, case = on_framework, BY_NAME["overlap"]
    jax = on.framework
    x = np.random.default_rng(4).integers(-4, 5, case.shape).astype(np.float64)
    values, offsets = oracle.max_pool(x, **case.arguments)
    numbers = {"spatial_shape": case.laid.spatial, **case.arguments}

    def loss(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, **case.arguments)
        return (unpoolx.unpool(values, switches, overlap="sum") ** 3).sum()

    unpooled = oracle.unpool(values, offsets, overlap="sum", **numbers)
    back = oracle.gather(3 * unpooled**2, offsets, **case.arguments)
    expected = oracle.unpool(back, offsets, overlap="sum", **numbers)
    what = f"gradient of a cubic loss on jax, float64, {case}"
    for name, wrapped in {
        "checkpoint": jax.checkpoint(loss),
        "jit of checkpoint": jax.jit(jax.checkpoint(loss)),
    }.items():
        assert_same_bits(on.numpy(jax.grad(wrapped)(on.array(x))), expected, what=f"{name}: {what}")

    def either(flag: Any, y: Any, switches: Any) -> Any:
        return jax.lax.cond(flag, unpoolx.unpool, lambda y, s: unpoolx.unpool(-y, s), y, switches)

    switches = on.switches(offsets, case.window, case.laid.spatial)
    ours = jax.jit(either)(False, on.array(values), switches)
    expected = oracle.unpool(-values, offsets, **numbers)
    assert_same_bits(on.numpy(ours), expected, what=f"unpool in lax.cond on jax, float64, {case}")

    small = np.array([2.0, 5, 1, 3]).reshape(1, 4, 1)

    def small_loss(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, 2, 1)
        return (unpoolx.unpool(values, switches, overlap="sum") ** 3).sum()

    # The values are [5, 5, 3]; the sums are [0, 10, 0, 3], so the loss is (2*x1)**3 + x3**3.
    expected = np.diag([0.0, 6 * 8 * 5, 0, 6 * 3])
    for name, hessian in {"hessian": jax.hessian(small_loss), "jit": jax.jit(jax.hessian(small_loss))}.items():
        ours = on.numpy(hessian(on.array(small))).reshape(4, 4)
        assert_same_bits(ours + 0, expected, what=f"{name} of a cubic loss on jax, float64{small.shape}")


@only_jax
@pytest.mark.rule("S6")
def test_switches_are_a_jax_pytree(on_framework: Harness) -> None:
    on, case = on_framework, BY_NAME["overlap"]
    tree = on.framework.tree_util
    switches = on.switches(Inputs(case).offsets, case.window, case.laid.spatial)
    leaves, structure = tree.tree_flatten(switches)
    assert len(leaves) == 1, structure
    assert tree.tree_unflatten(structure, leaves) == switches, structure
    assert tree.tree_map(lambda leaf: leaf, switches) == switches, structure
    assert hash(structure) == hash(tree.tree_structure(switches)), structure
    other = on.switches(Inputs(case).offsets, case.window, (5, 7))
    assert tree.tree_structure(other) != structure, "the spatial shape is static"
    (path, _), *_ = tree.tree_flatten_with_path({"s": switches})[0]
    assert tree.keystr(path) == "['s'].offsets", path


@only_jax
@pytest.mark.rule("R1", "R3", "S3")
def test_without_its_64_bit_mode_jax_still_refuses_what_would_wrap(on_framework: Harness) -> None:
    on = on_framework
    y = np.ones((1, 2, 1), np.float32)
    arguments = {"output_shape": (1, 4, 1), "index_format": "spatial"}
    with on.framework.enable_x64(False):
        for wrong in (2**32 + 1, -(2**32), 2**31, -1):
            indices = np.array([0, wrong]).reshape(1, 2, 1)
            with pytest.raises(IndexError, match=str(wrong)):
                unpoolx.unpool(on.array(y), indices, backend="jax", **arguments)
            with pytest.raises(IndexError, match=str(wrong)):  # known while tracing, so it can raise
                on.framework.jit(lambda z, i=indices: unpoolx.unpool(z, i, backend="jax", **arguments))(on.array(y))
        case = BY_NAME["overlap"]
        inputs = Inputs(case)
        switches = on.switches(inputs.offsets, case.window, case.laid.spatial)
        indices = on.framework.jit(lambda s: s.to_indices("onnx"))(switches)
    expected = oracle.to_indices(inputs.offsets, case.shape, "onnx", **case.arguments).astype(np.int32)
    assert_same_bits(on.numpy(indices), expected, what=f"to_indices in jit on jax without 64 bits, {case}")


# TensorFlow


def without_static_lengths(case: Case) -> Callable[[Any], dict[str, Any]]:
    """A function of one array, all of whose lengths may be unknown, that gives arrays alone."""

    def run(x: Any) -> dict[str, Any]:
        values, switches = unpoolx.max_pool(x, **case.arguments)
        return {
            "max_pool": values,
            "offsets": switches.offsets,
            "unpool last": unpoolx.unpool(values, switches),
            "unpool sum": unpoolx.unpool(values, switches, overlap="sum"),
            "gather": unpoolx.gather(x, switches),
            "to_indices": switches.to_indices("tf_batch"),
            **{name: getattr(unpoolx, name)(x, **arguments) for name, arguments in case.spread.items()},
        }

    return run


def expected_without_static_lengths(case: Case, x: np.ndarray) -> dict[str, Any]:
    """What it must give."""
    values, offsets = oracle.max_pool(x, **case.arguments)
    plain = {"spatial_shape": case.laid.spatial, **case.arguments}
    return {
        "max_pool": values,
        "offsets": offsets,
        "unpool last": oracle.unpool(values, offsets, **plain),
        "unpool sum": oracle.unpool_sum_bits(values, offsets, **plain),
        "gather": values,
        "to_indices": oracle.to_indices(offsets, case.shape, "tf_batch", **case.arguments),
        "unpool_fixed": oracle.unpool_fixed(x, **case.spread["unpool_fixed"]),
        "unpool_nearest": oracle.unpool_nearest(x, **case.spread["unpool_nearest"]),
        "unpool_average": oracle.unpool_average_sum_bits(x, **case.spread["unpool_average"]),
    }


@only_tf
@pytest.mark.rule("S6", "U5", "P6")
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("unknown", ["batch", "all"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tensorflow_functions_of_unknown_lengths_give_the_same_bits(
    on_framework: Harness, case: Case, unknown: str, jit_compile: bool
) -> None:
    on, tf = on_framework, on_framework.framework
    x = Inputs(case).x
    shape = [None] * x.ndim if unknown == "all" else [None, *x.shape[1:]]
    if unknown == "batch" and not case.laid.batch:
        pytest.skip("there is no batch axis")
    signature = [tf.TensorSpec(shape, tf.float32)]
    function = tf.function(
        without_static_lengths(case), input_signature=signature, jit_compile=jit_compile, autograph=False
    )
    what = f"in tf.function(jit_compile={jit_compile}) of shape {shape}, float32, {case}"
    assert_results(on, function(on.array(x)), expected_without_static_lengths(case, x), what=what)


@only_tf
@pytest.mark.rule("S6", "U5", "U8")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_tensorflow_function_of_unknown_lengths_serves_every_length(on_framework: Harness, jit_compile: bool) -> None:
    on, tf = on_framework, on_framework.framework

    @tf.function(input_signature=[tf.TensorSpec([None] * 4, tf.float32)], jit_compile=jit_compile, autograph=False)
    def both(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values, switches = unpoolx.max_pool(x, 3, 2, "SAME")
            result = unpoolx.unpool(values, switches)
            loss = tf.reduce_sum(result * result)
        return result, tape.gradient(loss, x)

    for shape in ((1, 4, 4, 1), (2, 5, 7, 3), (3, 1, 9, 2), (0, 5, 5, 2), (1, 6, 5, 0)):
        x = np.random.default_rng(8).integers(-9, 10, shape).astype(np.float32)
        result, gradient = both(on.array(x))
        values, switches = unpoolx.max_pool(x, 3, 2, "SAME")
        what = f"in tf.function(jit_compile={jit_compile}) of unknown lengths, float32{shape}"
        unpooled = unpoolx.unpool(values, switches)
        assert_same_bits(on.numpy(result), unpooled, what=f"round trip {what}")
        numbers = np.arange(1, 1 + values.size).reshape(values.shape)
        won = unpoolx.gather(unpoolx.unpool(numbers, switches), switches) == numbers
        cotangent = np.where(won, unpoolx.gather(2 * unpooled, switches), np.float32(0))
        expected = unpoolx.unpool(cotangent, switches, overlap="sum")
        assert_same_bits(on.numpy(gradient) + np.float32(0), expected, what=f"its gradient {what}")


@only_tf
@pytest.mark.rule("S6")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_tensorflow_functions_take_and_return_switches(on_framework: Harness, jit_compile: bool) -> None:
    on, tf = on_framework, on_framework.framework
    case = BY_NAME["overlap"]
    inputs = Inputs(case)
    x, y, switches, *_ = inputs.on(on)
    traces = []

    @tf.function(jit_compile=jit_compile, autograph=False)
    def exchanged(x: Any, y: Any, switches: Any) -> Any:
        traces.append(switches)
        _, made = unpoolx.max_pool(x, **case.arguments)
        return {"made": made, "unpooled": unpoolx.unpool(y, switches)}

    result = exchanged(x, y, switches)
    exchanged(x, y, result["made"])
    assert len(traces) == 1, f"Switches of one window retrace nothing in tf.function(jit_compile={jit_compile})"
    wanted = every_expectation(inputs)
    expected = {"made": wanted["its switches"], "unpooled": wanted["unpool last"]}
    what = f"in tf.function(jit_compile={jit_compile}), float32, {case}"
    assert_results(on, result, expected, what=what)

    shape = [None, *inputs.offsets.shape[1:]]
    spec = unpoolx.Switches.trusted(tf.TensorSpec(shape, tf.uint8), case.window, case.laid.spatial)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32), spec], jit_compile=jit_compile, autograph=False)
    def signed(y: Any, switches: Any) -> Any:
        return unpoolx.unpool(y, switches)

    assert_same_bits(on.numpy(signed(y, switches)), wanted["unpool last"], what=f"unpool with a signature {what}")


@only_tf
@pytest.mark.rule("S6")
def test_switches_are_a_structure_of_tf_nest(on_framework: Harness) -> None:
    on, nest = on_framework, on_framework.framework.nest
    case = BY_NAME["overlap"]
    switches = on.switches(Inputs(case).offsets, case.window, case.laid.spatial)
    flat = nest.flatten({"a": switches, "b": 1}, expand_composites=True)
    assert len(flat) == 2, flat
    assert nest.pack_sequence_as(switches, nest.flatten(switches)) == switches, case
    assert nest.map_structure(lambda leaf: leaf, switches) == switches, case
    nest.assert_same_structure(switches, nest.map_structure(lambda leaf: leaf + 0, switches))


@only_tf
@pytest.mark.rule("S6", "U5")
def test_tensorflow_loops_and_data_sets_carry_switches(on_framework: Harness) -> None:
    on, tf = on_framework, on_framework.framework
    case = BY_NAME["overlap"]
    inputs = Inputs(case)
    x, _, switches, *_ = inputs.on(on)

    @tf.function(autograph=False)
    def looped(x: Any, switches: Any) -> Any:
        def body(number: Any, _: Any) -> Any:
            return number + 1, unpoolx.max_pool(x, **case.arguments)[1]

        return tf.while_loop(lambda number, _: number < 2, body, (tf.constant(0), switches))[1]

    wanted = every_expectation(inputs)
    ours = {"its switches": looped(x, switches)}
    expected = {"its switches": wanted["its switches"]}
    assert_results(on, ours, expected, what=f"in tf.while_loop, float32, {case}")

    pooled = tf.data.Dataset.from_tensors(x).map(lambda x: unpoolx.max_pool(x, **case.arguments)[0])
    assert_same_bits(on.numpy(next(iter(pooled))), wanted["max_pool"], what=f"max_pool in tf.data, float32, {case}")


# PyTorch


COMPILED = [
    pytest.param(None, "inductor", BY_NAME["overlap"], id="None-overlap"),
    pytest.param(False, "aot_eager", BY_NAME["dilation"], id="False-dilation"),
    # Unknown lengths under SAME make expressions that the tracer needs minutes to simplify.
    pytest.param(True, "inductor", Case("blocks of a plane", (2, 5, 6, 2), {"kernel_size": 2}), id="True-blocks"),
    pytest.param(True, "aot_eager", Case("overlap", (2, 5, 6, 2), {"kernel_size": 3, "stride": 2}), id="True-overlap"),
]


@pytest.fixture
def buffers_kept(on_framework: Harness) -> Iterator[None]:
    """A backward program of torch.compile that can run more than once: it gives none of its buffers away."""
    # PyTorch's own way, not monkeypatch: undoing that deletes the setting.
    assert on_framework.name == "torch", on_framework
    with importlib.import_module("torch._functorch.config").patch(donated_buffer=False):
        yield


@only_torch
@pytest.mark.rule("S6", "U5", "U8")
@pytest.mark.usefixtures("buffers_kept")
@pytest.mark.parametrize(("dynamic", "backend", "case"), COMPILED)
def test_torch_compile_gives_the_same_bits_forward_and_backward(
    on_framework: Harness, dynamic: bool | None, backend: str, case: Case
) -> None:
    on, torch = on_framework, on_framework.framework
    arguments = case.arguments

    def run(x: Any, y: Any, switches: Any) -> dict[str, Any]:
        values, made = unpoolx.max_pool(x, **arguments)
        return {
            "max_pool": values,
            "its switches": made,
            "unpool last": unpoolx.unpool(y, switches),
            "unpool sum": unpoolx.unpool(y, switches, overlap="sum"),
            "gather": unpoolx.gather(x, switches),
        }

    compiled = torch.compile(run, fullgraph=True, dynamic=dynamic, backend=backend)
    larger = Case(f"larger {case.name}", (3, *(n + 1 for n in case.shape[1:])), case.arguments)
    for here in (case, larger) if dynamic else (case,):
        inputs = Inputs(here)
        x, y, switches, *_ = inputs.on(on)
        results = compiled(x.requires_grad_(), y.requires_grad_(), switches)
        wanted = every_expectation(inputs)
        what = f"in torch.compile(dynamic={dynamic}), float32, {here}"
        assert_results(on, results, {key: wanted[key] for key in results}, what=what)
        random = np.random.default_rng(6)
        dx, dy = (random.standard_normal(shape).astype(np.float32) for shape in (here.shape, inputs.y.shape))
        plain = {"spatial_shape": here.laid.spatial, **here.arguments}
        chosen = wanted["its switches"].offsets
        for key, source, cotangent, expected in (
            ("max_pool", x, dy, oracle.unpool_sum_bits(dy, chosen, **plain)),
            ("unpool last", y, dx, oracle.unpool_last_gradient(dx, inputs.offsets, **here.arguments)),
            ("unpool sum", y, dx, oracle.gather(dx, inputs.offsets, **here.arguments)),
            ("gather", x, dy, oracle.unpool_sum_bits(dy, inputs.offsets, **plain)),
        ):
            (ours,) = torch.autograd.grad(results[key], source, on.array(cotangent), retain_graph=True)
            # One backward program serves all results: it adds the zero gradients of the others.
            zero = np.float32(0)
            assert_results(on, {key: on.array(on.numpy(ours) + zero)}, {key: _plus_zero(expected)}, what=f"grad {what}")


def _plus_zero(expected: Any) -> Any:
    """Every -0.0 as +0.0."""
    zero = np.float32(0)
    if isinstance(expected, oracle.SumBits):
        return oracle.SumBits(expected.exact + zero, expected.flushed + zero, expected.mask)
    return expected + zero


@only_torch
@pytest.mark.rule("S6", "U5", "R2")
@pytest.mark.parametrize("dynamic", [None, True])
def test_torch_compile_of_raw_indices_gives_the_same_bits(on_framework: Harness, dynamic: bool | None) -> None:
    on, torch = on_framework, on_framework.framework
    arguments = {"output_shape": (2, 4, 5, 3), "index_format": "tf", "data_format": "channels_last"}

    def run(y: Any, indices: Any) -> dict[str, Any]:
        return {overlap: unpoolx.unpool(y, indices, overlap=overlap, **arguments) for overlap in ("last", "sum")}

    compiled = torch.compile(run, fullgraph=True, dynamic=dynamic, backend="aot_eager" if dynamic else "inductor")
    for seed, shape in enumerate([(2, 2, 3, 3), (2, 3, 2, 3)] if dynamic else [(2, 2, 3, 3)]):
        y = contents(shape, "float32", seed)
        indices = half_wrong(shape, 60, seed)
        dropped = {"out_of_range": "drop", **arguments}
        expected = {
            "last": oracle.unpool_indices(y, indices, **dropped),
            "sum": oracle.unpool_indices_sum_bits(y, indices, **dropped),
        }
        what = f"raw unpool in torch.compile(dynamic={dynamic}), float32{shape}"
        assert_results(on, compiled(on.array(y), on.array(indices)), expected, what=what)


@only_torch
@pytest.mark.rule("S6", "U8", "U9")
def test_torch_func_transforms_compose(on_framework: Harness) -> None:
    on, torch = on_framework, on_framework.framework
    func = torch.func
    small = on.array(np.array([2.0, 5, 1, 3]).reshape(1, 4, 1))

    def pooled(x: Any) -> Any:
        return unpoolx.max_pool(x, 2, 1)[0]

    jacobian = np.array([[0.0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    for name, transform in {"jacrev": func.jacrev, "jacfwd": func.jacfwd}.items():
        ours = on.numpy(transform(pooled)(small)).reshape(3, 4)
        assert_same_bits(ours + 0, jacobian, what=f"{name} of max_pool on torch, float64{tuple(small.shape)}")

    def loss(x: Any) -> Any:
        values, switches = unpoolx.max_pool(x, 2, 1)
        return (unpoolx.unpool(values, switches, overlap="sum") ** 3).sum()

    # The sums are [0, 2*x1, 0, x3].
    hessian = np.diag([0.0, 6 * 8 * 5, 0, 6 * 3])
    for name, transform in {"hessian": func.hessian, "rev of rev": lambda f: func.jacrev(func.jacrev(f))}.items():
        ours = on.numpy(transform(loss)(small)).reshape(4, 4)
        assert_same_bits(ours + 0, hessian, what=f"{name} of a cubic loss on torch, float64{tuple(small.shape)}")
    batch = torch.stack([small, small + 1])
    gradients = on.numpy(func.vmap(func.grad(loss))(batch))
    for number in range(2):
        alone = on.numpy(func.grad(loss)(batch[number]))
        assert_same_bits(gradients[number], alone, what="vmap of grad of a cubic loss on torch, float64")


@only_torch
@pytest.mark.rule("S6", "U8", "U6")
def test_torch_func_transforms_take_raw_indices(on_framework: Harness) -> None:
    on, func = on_framework, on_framework.framework.func
    y = on.array(np.array([2.0, 5, 1]).reshape(1, 3, 1))
    indices = on.array(np.array([3, 0, 3]).reshape(1, 3, 1))
    arguments = {"output_shape": (1, 4, 1), "index_format": "spatial", "data_format": "channels_last"}
    for overlap, rows in (("last", [[0.0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]),
                          ("sum", [[0.0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1]])):  # fmt: skip
        for name, transform in {"jacrev": func.jacrev, "jacfwd": func.jacfwd}.items():
            ours = transform(lambda z, o=overlap: unpoolx.unpool(z, indices, overlap=o, **arguments))(y)
            what = f"{name} of raw unpool {overlap} on torch, float64(1, 3, 1)"
            assert_same_bits(on.numpy(ours).reshape(4, 3) + 0, np.array(rows), what=what)


@only_torch
@pytest.mark.rule("R1", "S4")
def test_torch_func_derivatives_run_eagerly_and_so_they_raise(on_framework: Harness) -> None:
    on, func = on_framework, on_framework.framework.func
    y = on.array(np.ones((1, 2, 1)))
    indices = on.array(np.array([0, 9]).reshape(1, 2, 1))
    arguments = {"output_shape": (1, 4, 1), "index_format": "spatial", "data_format": "channels_last"}
    with pytest.raises(IndexError, match="9"):
        func.grad(lambda z: unpoolx.unpool(z, indices, **arguments).sum())(y)

    def through_switches(z: Any) -> Any:
        switches = unpoolx.Switches.from_indices(indices, unpoolx.Window(2), (1, 4, 1), index_format="spatial")
        return unpoolx.unpool(z, switches).sum()

    with pytest.raises(ValueError, match="9"):
        func.grad(through_switches)(y)


@only_torch
@pytest.mark.rule("S6")
def test_torch_export_takes_and_returns_switches(on_framework: Harness, tmp_path: Path) -> None:
    on, torch = on_framework, on_framework.framework
    case = BY_NAME["overlap"]
    inputs = Inputs(case)
    x, y, switches, *_ = inputs.on(on)

    class Model(torch.nn.Module):
        def forward(self, x: Any, y: Any, switches: Any) -> Any:
            values, made = unpoolx.max_pool(x, **case.arguments)
            return values, made, unpoolx.unpool(y, switches), unpoolx.unpool(y, switches, overlap="sum")

    names = ("max_pool", "its switches", "unpool last", "unpool sum")
    wanted = every_expectation(inputs)
    expected = {name: wanted[name] for name in names}
    exported = torch.export.export(Model(), (x, y, switches))
    results = dict(zip(names, exported.module()(x, y, switches), strict=True))
    assert_results(on, results, expected, what=f"in torch.export, float32, {case}")
    torch.export.save(exported, tmp_path / "model.pt2")
    loaded = torch.export.load(tmp_path / "model.pt2")
    results = dict(zip(names, loaded.module()(x, y, switches), strict=True))
    assert_results(on, results, expected, what=f"in torch.export, saved and loaded, float32, {case}")


@only_torch
@pytest.mark.rule("S6", "U5")
def test_torch_export_with_a_batch_of_any_size_gives_the_same_bits(on_framework: Harness) -> None:
    on, torch = on_framework, on_framework.framework
    case = BY_NAME["overlap"]

    class Model(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            values, switches = unpoolx.max_pool(x, **case.arguments)
            return values, switches.offsets, unpoolx.unpool(values, switches)

    x = Inputs(case).x
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(Model(), (on.array(x),), dynamic_shapes=({0: batch},))
    for count in (2, 3, 7):
        several = contents((count, *x.shape[1:]), "float32", count)
        values, offsets = oracle.max_pool(several, **case.arguments)
        expected = oracle.unpool(values, offsets, spatial_shape=case.laid.spatial, **case.arguments)
        for ours, wanted in zip(exported.module()(on.array(several)), (values, offsets, expected), strict=True):
            assert_same_bits(on.numpy(ours), wanted, what=f"torch.export with a batch of {count}, float32, {case}")


@only_torch
@pytest.mark.rule("S6")
def test_switches_are_a_pytorch_pytree(on_framework: Harness) -> None:
    on, pytree = on_framework, on_framework.framework.utils._pytree
    case = BY_NAME["overlap"]
    switches = on.switches(Inputs(case).offsets, case.window, case.laid.spatial)
    leaves, structure = pytree.tree_flatten({"s": switches})
    assert len(leaves) == 1, structure
    assert pytree.tree_unflatten(leaves, structure)["s"] == switches, structure
    assert pytree.tree_map(lambda leaf: leaf, switches) == switches, structure


# Switches outside


@pytest.mark.rule("S6")
@pytest.mark.parametrize("name", ["overlap", "int32 offsets"])
def test_switches_survive_pickle_and_copies(on: Harness, name: str) -> None:
    case = BY_NAME[name]
    switches = on.switches(Inputs(case).offsets, case.window, case.laid.spatial)
    ways: dict[str, Callable[[Any], Any]] = {
        f"pickle {protocol}": lambda s, p=protocol: pickle.loads(pickle.dumps(s, p))  # noqa: S301  # our own bytes
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    }
    for way, through in {**ways, "copy": copy.copy, "deepcopy": copy.deepcopy}.items():
        back = through(switches)
        what = f"Switches through {way} on {on.name}, {case}"
        assert back == switches, what
        assert type(back.offsets) is type(switches.offsets), what
        assert_same_bits(on.numpy(back.offsets), Inputs(case).offsets, what=what)


# Fresh processes


def run_alone(program: str, cwd: Path, needs: str) -> None:
    """A program in a fresh interpreter, away from the sources."""
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.rule("S6", "B7")
def test_the_first_call_of_a_process_may_come_from_inside_torch_compile(tmp_path: Path) -> None:
    program = """
import torch, unpoolx

@torch.compile(fullgraph=True)
def round_trip(x):
    values, switches = unpoolx.max_pool(x, 2)
    return values, unpoolx.unpool(values, switches)

x = torch.arange(16.0).reshape(1, 4, 4, 1)
values, unpooled = round_trip(x)
expected, switches = unpoolx.max_pool(x, 2)
assert torch.equal(values, expected), values
assert torch.equal(unpooled, unpoolx.unpool(expected, switches)), unpooled
"""
    run_alone(program, tmp_path, "torch")


@pytest.mark.rule("S6", "B7")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_first_call_of_a_process_may_come_from_inside_tf_function(tmp_path: Path, jit_compile: bool) -> None:
    program = f"""
import tensorflow as tf, unpoolx

@tf.function(jit_compile={jit_compile})
def round_trip(x):
    values, switches = unpoolx.max_pool(x, 2)
    return values, switches, unpoolx.unpool(values, switches)

x = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
values, switches, unpooled = round_trip(x)
assert values.numpy().ravel().tolist() == [5, 7, 13, 15], values
assert (unpooled.numpy() == unpoolx.unpool(values, switches).numpy()).all(), unpooled
"""
    run_alone(program, tmp_path, "tensorflow")


@pytest.mark.rule("S6", "B7")
def test_switches_that_are_older_than_jax_pass_through_jit_once_its_backend_is_there(tmp_path: Path) -> None:
    program = """
import numpy as np, unpoolx

old_values, old = unpoolx.max_pool(np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1), 2)
import jax, jax.numpy as jnp

# The first call of all is inside jit.
values, new = jax.jit(lambda x: unpoolx.max_pool(x, 2))(jnp.arange(16.0).reshape(1, 4, 4, 1))
assert isinstance(new, unpoolx.Switches) and new == old.to("jax"), new
for switches in (new, old.to("jax"), old):
    unpooled = jax.jit(lambda y, s: unpoolx.unpool(y, s))(values, switches)
    assert (np.asarray(unpooled) == unpoolx.unpool(old_values, old)).all(), switches
"""
    run_alone(program, tmp_path, "jax")


@pytest.mark.rule("S6", "B7")
@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_switches_of_numpy_pass_into_compiled_code_before_any_other_call(tmp_path: Path, framework: str) -> None:
    program = {
        "jax": """
import numpy as np, jax, jax.numpy as jnp, unpoolx

values, switches = unpoolx.max_pool(np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1), 2)
unpooled = jax.jit(lambda y, s: unpoolx.unpool(y, s))(jnp.asarray(values), switches)
assert (np.asarray(unpooled) == unpoolx.unpool(values, switches)).all()
""",
        "torch": """
import numpy as np, torch, unpoolx

values, switches = unpoolx.max_pool(np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1), 2)
offsets = torch.from_numpy(switches.offsets)
made = unpoolx.Switches.trusted(offsets, switches.window, switches.spatial_shape)
unpooled = torch.compile(lambda y, s: unpoolx.unpool(y, s), fullgraph=True)(torch.from_numpy(values), made)
assert (unpooled.numpy() == unpoolx.unpool(values, switches)).all()
""",
    }[framework]
    run_alone(program, tmp_path, framework)
