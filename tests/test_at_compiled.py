"""Reads and updates by index inside every framework's compiled code: the oracle's results, and nothing out of range.

One program calls every operation on one index: a compiler sees them together, and the tests pay for one compilation.
Index arrays are traced unless a test says that they are static. What compiled code cannot raise, it drops.
"""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from harness import Harness, UnavailableError
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import unpoolx
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits

HOWS = {"jit": "jax", "graph": "tf", "xla": "tf", "aot_eager": "torch", "inductor": "torch"}
QUICK = ("jit", "graph", "xla", "aot_eager")
only_jax = pytest.mark.parametrize("on_framework", ["jax"], indirect=True)
only_tf = pytest.mark.parametrize("on_framework", ["tf"], indirect=True)
only_torch = pytest.mark.parametrize("on_framework", ["torch"], indirect=True)
mappable = pytest.mark.parametrize("on_framework", ["jax", "torch"], indirect=True)


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
        framework._dynamo.reset()
        return framework.compile(function, fullgraph=True, dynamic=False, backend=self.how)


@pytest.fixture(scope="session")
def compiler(request: pytest.FixtureRequest) -> Compiler:
    """The compiler that the test's parameter names."""
    try:
        return Compiler(Harness.of(HOWS[request.param], request.config.getoption("--device") or "cpu"), request.param)
    except UnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(autouse=True)
def _forget_compiled_programs() -> Iterator[None]:
    yield
    if "torch" in sys.modules:
        sys.modules["torch"]._dynamo.reset()


every_compiler = pytest.mark.parametrize("compiler", list(HOWS), indirect=True)
quick_compilers = pytest.mark.parametrize("compiler", QUICK, indirect=True)


@dataclass(frozen=True)
class Traced:
    """Stands in an index for the index array of this number, which is an argument of the compiled function."""

    number: int


@dataclass(frozen=True)
class Program:
    """An index of an array of a shape, with the index arrays that are traced, and a mode."""

    name: str
    shape: tuple[int, ...]
    index: Any
    arrays: tuple[np.ndarray, ...] = ()
    mode: str = "raise"

    def filled(self, arrays: Any) -> Any:
        """The index with arrays in the places that are held for them."""
        return filler(self.index)(arrays)

    @property
    def expected_mode(self) -> str:
        """What mode "raise" does where nothing can be raised."""
        return "drop" if self.mode == "raise" else self.mode

    @property
    def is_mask(self) -> bool:
        """Whether a mask is traced, so that the shape of a read would depend on data."""
        return any(array.dtype == np.bool_ for array in self.arrays)

    @property
    def indexed_shape(self) -> tuple[int, ...]:
        """The shape of the elements that the index names."""
        return oracle.resolve_index(self.shape, self.filled(self.arrays), self.expected_mode).shape


def ints(*numbers: int, dtype: str = "int64") -> np.ndarray:
    return np.array(numbers, dtype)


FAR = ints(1, 2**32 + 1, -(2**32) + 1, 2**31, -4, 3, 2**63 - 1, -(2**63), -1)
PROGRAMS = [
    Program("duplicates", (4,), Traced(0), (ints(3, 1, 1, -1, 3, 1),)),
    Program("int32", (4, 2), Traced(0), (ints(3, 0, 0, dtype="int32"),)),
    Program("uint8", (4, 2), (slice(None), Traced(0)), (ints(1, 1, 0, dtype="uint8"),)),
    Program("rows", (3, 2, 2), (..., Traced(0), None), (np.array([[0, 1], [1, 1]]),)),
    Program("separated", (2, 3, 4), (Traced(0), slice(None, None, -1), Traced(1)), (ints(0, 1, 0), ints(3, 3, 3))),
    Program("beside an int", (2, 3, 4), (1, slice(None), Traced(0)), (ints(2, 2, -1),)),
    Program("traced and static", (3, 3), (Traced(0), [1, 1, 2]), (ints(0, 0, 2),)),
    Program("one element", (3, 4), Traced(0), (np.array(-2),)),
    Program("one element of each axis", (3, 4), (Traced(0), Traced(1)), (np.array(2), np.array(1, np.int32))),
    Program("mask", (2, 3), Traced(0), (np.array([[True, False, True], [False, True, True]]),)),
    Program("mask of an axis", (3, 2), (slice(None), Traced(0)), (np.array([False, True]),)),
    Program("mask of nothing", (3, 2), Traced(0), (np.zeros((3, 2), bool),)),
    Program("mask of all", (3,), Traced(0), (np.ones(3, bool),)),
    Program("out of range", (3,), Traced(0), (FAR,)),
    Program("drop", (3, 2), (Traced(0),), (FAR,), "drop"),
    Program("clip", (3, 2), Traced(0), (FAR,), "clip"),
    Program("wrap", (3, 2), Traced(0), (FAR,), "wrap"),
    Program("wrap unsigned", (3,), Traced(0), (ints(2**64 - 1, 5, 0, dtype="uint64"),), "wrap"),
    Program("out of range unsigned", (3,), Traced(0), (ints(2**64 - 1, 2**63, 1, dtype="uint64"),)),
    Program("one element out of range", (3, 2), (Traced(0),), (np.array(2**32),)),
    Program("one of two out of range", (2, 3), (Traced(0), Traced(1)), (ints(0, 0, 1, 0), ints(0, 3, -1, -4))),
    Program("empty", (3, 2), Traced(0), (np.zeros((0,), np.int64),)),
    Program("static slices", (4, 5), (slice(None, None, -2), slice(1, 4))),
    Program("static int", (4, 5), (-1, slice(None, None, 3))),
    Program("static list", (4, 2), [0, 3, 3, 0]),
    Program("static array", (2, 3, 4), (np.array([0, 1, 0]), slice(None), np.array([1, 1, 1], np.uint8))),
    Program("static mask", (4,), np.array([True, False, True, True])),
    Program("no axes", (), ()),
]
BY_NAME = {program.name: program for program in PROGRAMS}
# PyTorch's own compiler takes many seconds for a program: a few of them.
SLOWLY = ("duplicates", "mask", "out of range", "static slices")
PAIRS = [
    pytest.param(how, program, id=f"{how}-{program.name}")
    for program in PROGRAMS
    for how in HOWS
    if how != "inductor" or program.name in SLOWLY
]


def every_operation(
    program: Program, ops: tuple[str, ...], *, masks_are_data: bool = False
) -> Callable[..., dict[str, Any]]:
    """All operations on one index, and the read where its shape does not depend on data."""
    filled, mode, reads = filler(program.index), program.mode, not (program.is_mask or masks_are_data)
    read_mode = "fill" if mode == "drop" else mode

    def run(x: Any, values: Any, *arrays: Any) -> dict[str, Any]:
        index = filled(arrays)
        results = {op: unpoolx.index_update(x, index, values, op, mode=mode) for op in ops}
        if reads:
            results["get"] = unpoolx.at(x)[index].get(mode=read_mode)
        return results

    return run


def filler(index: Any) -> Callable[[Any], Any]:
    """What puts arrays into the places of an index that are held for them, plain enough for every tracer."""
    if isinstance(index, tuple):
        numbers = [part.number if isinstance(part, Traced) else None for part in index]
        return lambda arrays: tuple(
            part if number is None else arrays[number] for part, number in zip(index, numbers, strict=True)
        )
    if isinstance(index, Traced):
        number = index.number
        return lambda arrays: arrays[number]
    return lambda arrays: index


def check(compiler: Compiler, program: Program, dtype: str, *, broadcast: bool = False) -> None:
    """Compile a program, run it, and compare it with the oracle; the numbers are such that nothing rounds."""
    on, made = compiler.on, xst.dtype_of(dtype)
    random = np.random.default_rng(0)
    x = random.integers(1, 4, program.shape).astype(made)
    values = np.exp2(random.integers(0, 2, () if broadcast else program.indexed_shape)).astype(made)
    ops = tuple(
        op
        for op in oracle.AT_OPS
        if (dtype != "bool" or op in ("set", "min", "max")) and (op != "divide" or "float" in dtype)
    )
    # PyTorch's tracer makes a tensor of every NumPy array, also of a mask that does not change.
    masks_are_data = on.name == "torch" and getattr(program.index, "dtype", None) == np.bool_
    results = compiler(every_operation(program, ops, masks_are_data=masks_are_data))(
        on.array(x), on.array(np.asarray(values)), *map(on.array, program.arrays)
    )
    index = program.filled(program.arrays)
    for op in ops:
        expected = oracle.index_update(x, index, values, op, mode=program.expected_mode)
        what = f"{op} {program.name} in {compiler.how}, {dtype}{program.shape}"
        if op == "power" and "float" in dtype:
            wide = on.numpy(results[op]).astype(np.float64)
            np.testing.assert_allclose(wide, expected.astype(np.float64), rtol=1e-2 if "16" in dtype else 1e-5)
            continue
        assert_same_bits(on.numpy(results[op]), expected, what=what)
    if "get" in results:
        mode = "fill" if program.expected_mode == "drop" else program.mode
        what = f"get {program.name} in {compiler.how}, {dtype}{program.shape}"
        assert_same_bits(on.numpy(results["get"]), oracle.index_get(x, index, mode=mode), what=what)


@pytest.mark.rule("A2", "A3", "A4", "A10", "A13", "A20", "A21", "A22", "A23", "A24")
@pytest.mark.parametrize(("compiler", "program"), PAIRS, indirect=["compiler"])
def test_every_operation_gives_the_same_inside_compiled_code(compiler: Compiler, program: Program) -> None:
    check(compiler, program, "float32")


@pytest.mark.rule("A8", "A9", "A20")
@quick_compilers
@pytest.mark.parametrize("dtype", ["uint16", "bool", "bfloat16", "int8", "float16", "float64", "uint64", "int64"])
@pytest.mark.parametrize("name", ["one of two out of range", "mask"])
def test_every_dtype_gives_the_same_inside_compiled_code(compiler: Compiler, dtype: str, name: str) -> None:
    check(compiler, BY_NAME[name], dtype)


@pytest.mark.rule("A7", "A20")
@quick_compilers
@pytest.mark.parametrize("name", ["duplicates", "mask", "mask of nothing", "drop", "static slices", "static list"])
def test_one_value_is_broadcast_inside_compiled_code(compiler: Compiler, name: str) -> None:
    check(compiler, BY_NAME[name], "float32", broadcast=True)


@pytest.mark.rule("A8", "A20")
@quick_compilers
@pytest.mark.parametrize("name", ["duplicates", "mask", "static slices", "static int"])
def test_python_numbers_and_lists_are_values_inside_compiled_code(compiler: Compiler, name: str) -> None:
    program, on = BY_NAME[name], compiler.on
    x = np.arange(math.prod(program.shape), dtype=np.float32).reshape(program.shape)
    filled = filler(program.index)

    def run(x: Any, *arrays: Any) -> list[Any]:
        at = unpoolx.at(x)[filled(arrays)]
        return [at.set(2.5), at.add([True]), at.max(3)]

    results = compiler(run)(on.array(x), *map(on.array, program.arrays))
    index = program.filled(program.arrays)
    for op, value, ours in zip(("set", "add", "max"), (2.5, [True], 3), results, strict=True):
        expected = oracle.index_update(x, index, value, op)
        assert_same_bits(on.numpy(ours), expected, what=f"{op} {value} {name} in {compiler.how}")


@pytest.mark.rule("A14", "A20")
@quick_compilers
def test_a_broken_promise_of_unique_indices_writes_nowhere_else(compiler: Compiler) -> None:
    on = compiler.on
    program = compiler(lambda x, i, v: [unpoolx.index_update(x, i, v, op, unique=True) for op in oracle.AT_OPS])
    x, index, values = np.arange(1, 6, dtype=np.float32), ints(1, 1, 2**32 + 3, -9, 5, 1), np.ones(6, np.float32) * 2
    for op, ours in zip(oracle.AT_OPS, program(on.array(x), on.array(index), on.array(values)), strict=True):
        got = on.numpy(ours)
        assert_same_bits(np.delete(got, 1), np.delete(x, 1), what=f"{op} in {compiler.how}")
        assert op != "set" or got[1] == 2, f"{op} in {compiler.how}"


@pytest.mark.rule("A2", "A3", "A10", "A20", "A21", "A23")
@pytest.mark.parametrize("compiler", ["jit", "graph", "aot_eager"], indirect=True)
@settings(max_examples=25, phases=[Phase.generate])
@given(data=st.data())
def test_generated_indices_mean_the_same_inside_compiled_code(compiler: Compiler, data: st.DataObject) -> None:
    on = compiler.on
    shape = data.draw(xst.shapes())
    mode = data.draw(st.sampled_from(("raise", "drop", "clip", "wrap")))
    legal = data.draw(st.booleans())
    # The number of elements of a mask beside other index arrays would have to be known.
    forms = data.draw(st.sampled_from((("int", "slice", "array", "list"), ("int", "slice", "mask"))))
    index = data.draw(xst.indices(shape, legal=legal or "mask" in forms, forms=forms))
    parts = index if isinstance(index, tuple) else (index,)
    if sum(isinstance(part, (np.ndarray, list, bool)) and np.asarray(part).dtype == np.bool_ for part in parts) > 1:
        return
    traced = [part for part in parts if isinstance(part, np.ndarray)]
    static_error = False
    numbers = iter(range(len(traced)))
    parts = tuple(Traced(next(numbers)) if isinstance(part, np.ndarray) else part for part in parts)
    program = Program("generated", shape, parts if isinstance(index, tuple) else parts[0], tuple(traced), mode)
    try:
        indexed = program.indexed_shape
        for part in parts:  # what is known while tracing raises
            if isinstance(part, (int, np.integer, list)) and mode == "raise":
                oracle.resolve_index(shape, index, mode)
    except IndexError:
        static_error = True
    if static_error:
        return
    x = np.asarray(data.draw(xst.arrays(shape, "float32")))
    values = np.asarray(data.draw(xst.arrays(indexed, "float32")))
    run = compiler(every_operation(program, ("set", "add")))
    results = run(on.array(x), on.array(values), *map(on.array, traced))
    what = f"{index} of {shape}, mode {mode}, in {compiler.how}"
    expected = oracle.index_update(x, index, values, mode=program.expected_mode)
    assert_same_bits(on.numpy(results["set"]), expected, what=f"set at {what}")
    if "get" in results:
        read = oracle.index_get(x, index, mode="fill" if program.expected_mode == "drop" else mode)
        assert_same_bits(on.numpy(results["get"]), read, what=f"get at {what}")
    untouched = oracle.update_counts(shape, index, program.expected_mode) == 0
    kept = np.where(untouched, on.numpy(results["add"]), x)
    assert_same_bits(kept, x, what=f"what add leaves at {what}")
    on.count("at, compiled")


@pytest.mark.rule("A13", "A20")
@pytest.mark.parametrize("compiler", ["jit"], indirect=True)
def test_a_read_by_mask_says_that_its_shape_depends_on_data(compiler: Compiler) -> None:
    on = compiler.on
    for index in (lambda mask: mask, lambda mask: (mask, [0, 0])):
        program = compiler(lambda x, mask, index=index: unpoolx.at(x)[index(mask)].get())
        with pytest.raises(TypeError, match="mask"):
            program(on.array(np.zeros((3, 2), np.float32)), on.array(np.ones(3, bool)))


@pytest.mark.rule("A13", "A20")
@pytest.mark.parametrize("compiler", ["graph", "xla"], indirect=True)
def test_a_read_by_mask_works_where_the_framework_can_do_it(compiler: Compiler) -> None:
    on, x = compiler.on, np.arange(6, dtype=np.float32).reshape(2, 3)
    program = compiler(lambda x, mask: unpoolx.at(x)[mask].get())
    for mask in (x > 2, x > 9, np.ones((2, 3), bool)):
        ours = on.numpy(program(on.array(x), on.array(mask)))
        assert_same_bits(ours, x[mask], what=f"get by mask in {compiler.how}")


@pytest.mark.rule("A20", "A21")
@pytest.mark.parametrize("compiler", ["jit", "graph", "xla"], indirect=True)
@pytest.mark.parametrize("index", [3, -4, [0, 3], np.array([2**32 + 1]), 2**32 + 1])
def test_a_static_index_out_of_range_raises_while_tracing(compiler: Compiler, index: Any) -> None:
    x = compiler.on.array(np.zeros(3, np.float32))
    for function in (lambda x: unpoolx.at(x)[index].set(1.0), lambda x: unpoolx.at(x)[index].get()):
        with pytest.raises(IndexError, match="axis 0 of length 3"):
            compiler(function)(x)
    ours = compiler(lambda x: unpoolx.at(x)[index].add(1.0, mode="wrap"))(x)
    expected = oracle.index_update(np.zeros(3, np.float32), index, 1.0, "add", mode="wrap")
    assert_same_bits(compiler.on.numpy(ours), expected, what=f"wrap of {index} in {compiler.how}")


@pytest.mark.rule("A15", "A20")
@quick_compilers
def test_apply_works_inside_compiled_code(compiler: Compiler) -> None:
    on, x = compiler.on, np.arange(4, dtype=np.float32)
    program = compiler(lambda x, i: unpoolx.at(x)[i].apply(lambda elements: elements * elements + elements))
    ours = on.numpy(program(on.array(x), on.array(ints(1, 3, 1, -2))))
    assert ours.tolist() == [0, 2, 6, 12], compiler.how


# Mapped over an axis


@mappable
@pytest.mark.rule("A10", "A20", "A21")
@pytest.mark.parametrize("over", ["x", "values", "index", "x and values", "all"])
def test_vmap_gives_the_result_of_each(on_framework: Harness, over: str) -> None:
    on = on_framework
    random = np.random.default_rng(0)
    axes = {
        "x": (0, None, None),
        "values": (None, None, 0),
        "index": (None, 0, None),
        "x and values": (0, None, 0),
        "all": (0, 0, 0),
    }[over]
    shapes = ((3, 4, 2), (3, 5), (3, 5, 2))
    x, index, values = (
        (random.integers(1, 5, s) if i != 1 else random.integers(-6, 6, s))[slice(None) if axis == 0 else 0]
        for i, (s, axis) in enumerate(zip(shapes, axes, strict=True))
    )
    x, values = x.astype(np.float32), np.exp2(values // 2).astype(np.float32)
    vmap = on.framework.vmap
    for op in ("set", "add", "subtract", "multiply", "divide", "min", "max"):
        mapped = vmap(lambda x, i, v, op=op: unpoolx.index_update(x, i, v, op, mode="drop"), axes)
        ours = on.numpy(mapped(on.array(x), on.array(index), on.array(values)))
        expected = np.stack(
            [
                oracle.index_update(
                    *(a[k] if axis == 0 else a for a, axis in zip((x, index, values), axes, strict=True)),
                    op,
                    mode="drop",
                )
                for k in range(3)
            ]
        )
        assert_same_bits(ours, expected, what=f"vmap of {op} over {over} on {on.name}")
    if over != "values":
        mapped = vmap(lambda x, i: unpoolx.index_get(x, i, mode="fill", fill_value=-1.0), axes[:2])
        ours = on.numpy(mapped(on.array(x), on.array(index)))
        expected = np.stack(
            [
                oracle.index_get(
                    *(a[k] if axis == 0 else a for a, axis in zip((x, index), axes, strict=False)),
                    mode="fill",
                    fill_value=-1.0,
                )
                for k in range(3)
            ]
        )
        assert_same_bits(ours, expected, what=f"vmap of get over {over} on {on.name}")


@mappable
@pytest.mark.rule("A13", "A20")
def test_vmap_of_updates_by_mask(on_framework: Harness) -> None:
    on = on_framework
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    mask = x % 5 < 2
    mapped = on.framework.vmap(lambda x, m: unpoolx.at(x)[m].set(on.array(np.float32(-1.0).reshape(()))))
    ours = on.numpy(mapped(on.array(x), on.array(mask)))
    assert_same_bits(ours, np.where(mask, np.float32(-1), x), what=f"vmap of set by mask on {on.name}")


@only_jax
@pytest.mark.rule("A20")
def test_an_index_passes_through_scan_and_cond(on_framework: Harness) -> None:
    on, jax = on_framework, on_framework.framework

    def body(x: Any, i: Any) -> tuple[Any, Any]:
        x = jax.lax.cond(i > 0, lambda x: unpoolx.at(x)[i].add(1.0), lambda x: unpoolx.at(x)[i - 1].set(9.0), x)
        return x, unpoolx.at(x)[i].get()

    x, read = jax.lax.scan(body, on.array(np.zeros(3, np.float32)), on.array(ints(1, 0, 2, 1)))
    assert on.numpy(x).tolist() == [0, 2, 10]
    assert on.numpy(read).tolist() == [1, 0, 10, 2]


@only_tf
@pytest.mark.rule("A20")
def test_a_plain_tf_function_runs_without_being_rewritten(
    on_framework: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    on, tf = on_framework, on_framework.framework
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, logger=logger.name):
            program = tf.function(lambda x, i: unpoolx.at(x)[i].multiply(2.0))
            ours = program(on.array(np.float32([1, 2, 3])), on.array(ints(0, 0, 2)))
    finally:
        logger.removeHandler(caplog.handler)
    assert on.numpy(ours).tolist() == [4, 2, 6]
    assert [record.getMessage() for record in caplog.records if "AutoGraph" in record.getMessage()] == []


@only_tf
@pytest.mark.rule("A20")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_one_traced_program_serves_many_lengths_of_index(on_framework: Harness, jit_compile: bool) -> None:
    on, tf = on_framework, on_framework.framework
    signature = [tf.TensorSpec([4, 2], tf.float32), tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.float32)]
    program = tf.function(
        lambda x, i, v: [unpoolx.at(x)[i].set(v), unpoolx.at(x)[i].add(v), unpoolx.at(x)[i].get()],
        input_signature=signature,
        jit_compile=jit_compile,
        autograph=False,
    )
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    for index in (ints(1, 1, 3), ints(0), ints(9, -1, -5, 2**32)):
        results = program(on.array(x), on.array(index), on.array(np.array(5, np.float32)))
        for op, ours in zip(("set", "add"), results, strict=False):
            expected = oracle.index_update(x, index, 5.0, op, mode="drop")
            assert_same_bits(on.numpy(ours), expected, what=f"{op} at {index}, jit_compile={jit_compile}")
        read = oracle.index_get(x, index, mode="fill")
        assert_same_bits(on.numpy(results[2]), read, what=f"get at {index}, jit_compile={jit_compile}")


@only_tf
@pytest.mark.rule("A20")
def test_one_traced_program_serves_many_batches(on_framework: Harness) -> None:
    on, tf = on_framework, on_framework.framework
    program = tf.function(
        lambda x: [unpoolx.at(x)[:, 1].set(7.0), unpoolx.at(x)[:, [0, 0]].add(1.0), unpoolx.at(x)[:, ::-1].get()],
        input_signature=[tf.TensorSpec([None, 3], tf.float32)],
        autograph=False,
    )
    for batch in (1, 4):
        x = np.arange(3 * batch, dtype=np.float32).reshape(batch, 3)
        results = [on.numpy(result) for result in program(on.array(x))]
        everywhere = slice(None)
        assert_same_bits(results[0], oracle.index_update(x, (everywhere, 1), 7.0), what=f"set, batch {batch}")
        assert_same_bits(
            results[1], oracle.index_update(x, (everywhere, [0, 0]), 1.0, "add"), what=f"add, batch {batch}"
        )
        assert_same_bits(results[2], x[:, ::-1].copy(), what=f"get, batch {batch}")


@only_torch
@pytest.mark.rule("A20", "A21")
@pytest.mark.parametrize("dynamic", [None, True])
def test_torch_compile_serves_other_lengths(on_framework: Harness, dynamic: bool | None) -> None:
    on, torch = on_framework, on_framework.framework
    program = torch.compile(
        lambda x, i, v: [unpoolx.at(x)[i].set(v), unpoolx.at(x)[i].multiply(v), unpoolx.at(x)[i].get()],
        fullgraph=True,
        dynamic=dynamic,
        backend="aot_eager",
    )
    for index in (ints(1, 1, 3), ints(9, -1, -5, 2**32, 0)):
        x, values = np.arange(8, dtype=np.float32).reshape(4, 2), np.full((len(index), 2), 2, np.float32)
        results = program(on.array(x), on.array(index), on.array(values))
        for op, ours in zip(("set", "multiply"), results, strict=False):
            expected = oracle.index_update(x, index, values, op, mode="drop")
            assert_same_bits(on.numpy(ours), expected, what=f"{op} at {index}, dynamic={dynamic}")
        read = oracle.index_get(x, index, mode="fill")
        assert_same_bits(on.numpy(results[2]), read, what=f"get at {index}, dynamic={dynamic}")


@only_jax
@pytest.mark.rule("A24")
def test_without_64_bits_an_index_beyond_32_is_out_of_range_too(on_framework: Harness) -> None:
    del on_framework
    code = """
import numpy as np, jax, unpoolx
x = jax.numpy.zeros(3, "float32")
for index in (2**32 + 1, np.array([2**32 + 1]), [2**32 + 1], np.array([2**64 - 1], np.uint64)):
    for call in (lambda at: at.get(), lambda at: at.set(9)):
        try:
            call(unpoolx.at(x)[index])
        except IndexError:
            continue
        raise AssertionError(index)
    assert unpoolx.at(x)[index].set(9, mode="drop").tolist() == [0, 0, 0], index
    assert unpoolx.at(x)[index].add(9, mode="clip").tolist() == [0, 0, 9], index
    number = int(np.ravel(index)[0])
    expected = [0, 0, 0]
    expected[number % 3] = 9
    assert unpoolx.at(x)[index].set(9, mode="wrap").tolist() == expected, index
    run = jax.jit(lambda x: unpoolx.at(x)[index].set(9, mode="drop"))
    assert run(x).tolist() == [0, 0, 0], index
for dtype in ("int8", "int32", "uint8", "uint16", "uint32"):
    i = jax.numpy.array([2, 0, 2], dtype)
    assert unpoolx.at(x)[i].add(jax.numpy.ones(3)).tolist() == [1, 0, 2], dtype
far = jax.numpy.array([2**32 - 1, 2**31, 1], "uint32")
for run in (unpoolx.index_update, jax.jit(unpoolx.index_update, static_argnames=("op", "mode"))):
    assert run(x, far, 9.0, op="set", mode="drop").tolist() == [0, 9, 0]
    assert run(x, far, 1.0, op="add", mode="clip").tolist() == [0, 1, 2]
    assert run(x, far, 1.0, op="add", mode="wrap").tolist() == [1, 1, 1]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
