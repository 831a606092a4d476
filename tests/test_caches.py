"""What is remembered has an end, and nothing is compiled twice: by counting, never by the clock."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_alone
from harness import Harness

import unpoolx
from unpoolx import _recipe_unpool, _registry, _remembered
from unpoolx.testing.compare import assert_same_bits

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [*(ROOT / "unpoolx").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]

# What lives as long as the process and is written to at run time, and what ends it.
STORES = {
    "_registry._loaded": "one for each backend that is installed",
    "_registry._registered": "one for each context of `registered` that is open",
    "_registry._by_type": "MOST_TYPES",
    "_remembered._geometries": "MOST",
    "_remembered._plans": "MOST",
    "_tensorflow._programs": "MOST_PROGRAMS",
    "_array_api._made": "MOST_NAMESPACES",
    "_array_api_host._found": "MOST_PLACES",
    "_law.LAWS": "one for each law, when its module is read",
    "_every_call.NOTHING": "empty: nothing writes to it",
}
CONTAINERS = {"dict", "list", "set", "defaultdict", "OrderedDict", "Counter", "deque", "ChainMap"}
WRITERS = {"append", "add", "insert", "extend", "setdefault", "update", "appendleft"}


# What is there


def endless(source: str) -> set[str]:
    """The functions in a module that remember without end: `cache`, or `lru_cache(None)`, of anything."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            takes = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            anything = bool(takes or node.args.vararg or node.args.kwarg)
            found |= {node.name for decorator in node.decorator_list if anything and _is_endless(decorator)}
        elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)) and _is_endless(node.func):
            found.add(ast.unparse(node))
    return found


def _is_endless(decorator: ast.expr) -> bool:
    called = isinstance(decorator, ast.Call)
    name = ast.unparse(decorator.func if called else decorator).rpartition(".")[2]
    if name == "lru_cache" and called:
        sizes = [*decorator.args, *(k.value for k in decorator.keywords if k.arg == "maxsize")]
        return any(not (isinstance(size, ast.Constant) and type(size.value) is int) for size in sizes)
    return name == "cache"


def stores(source: str) -> set[str]:
    """The names at the top of a module, or of a class in it, that hold what is put there at run time."""
    tree = ast.parse(source)
    names, found = set(), set()
    for body in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))):
        for node in body.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name):
                    names.add(target.id)
                    found |= {target.id for _ in [0] if _is_empty_container(getattr(node, "value", None))}
    for function in (n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))):
        own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        own |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for node in ast.walk(function):
            written = None
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                written = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITERS:
                written = node.func.value
            found |= {written.id} & names - own if isinstance(written, ast.Name) else set()
    return found


def _is_empty_container(value: ast.expr | None) -> bool:
    if isinstance(value, (ast.Dict, ast.List, ast.Set)):
        return not (value.keys if isinstance(value, ast.Dict) else value.elts)
    if not isinstance(value, ast.Call):
        return False
    name = ast.unparse(value.func).rpartition(".")[2]
    return (name in CONTAINERS and not value.args) or name.startswith("Weak")


def test_no_function_remembers_without_end() -> None:
    found = {f"{path.stem}.{name}" for path in SOURCES for name in endless(path.read_text(encoding="utf-8"))}
    assert not found, found


def test_every_store_is_known_and_has_an_end() -> None:
    found = {f"{path.stem}.{name}" for path in SOURCES for name in stores(path.read_text(encoding="utf-8"))}
    assert found == set(STORES)
    for name, end in STORES.items():
        if end.isupper():
            (source,) = (p.read_text(encoding="utf-8") for p in SOURCES if p.stem == name.partition(".")[0])
            assert f"\n{end} = " in source, f"{name} ends at {end}, which is not in its module"


def test_these_checks_see_what_has_no_end() -> None:
    assert endless("@cache\ndef f(x): pass") == endless("@functools.lru_cache(maxsize=None)\ndef f(*x): pass") == {"f"}
    assert endless("@lru_cache(None)\ndef f(x): pass\ng = cache(h)") == {"f", "cache(h)"}
    assert endless("@cache\ndef f(): pass\n@lru_cache\ndef g(x): pass\n@lru_cache(maxsize=9)\ndef h(x): pass") == set()
    assert stores("a = {}\nb: dict = dict()\nc = WeakKeyDictionary()\nd = {1: 2}\ne = [1]") == {"a", "b", "c"}
    assert stores("class A:\n  a = set()\nb = [1]\nc = {1: 2}\ndef f():\n  b.append(2)\n  c[3] = 4") == {"a", "b", "c"}
    assert stores("a = {1: 2}\ndef f():\n  a.get(1)\n  b = []\n  b.append(1)\nb = (1,)") == set()


def test_backends_keep_nothing_of_their_own(on: Harness) -> None:
    assert vars(on.backend) == {}


# What many geometries leave


def shapes(count: int) -> Iterator[tuple[int, int, int, int]]:
    """Shapes of as many geometries, all of them small."""
    sides = range(2, 2 + int(count**0.5) + 1)
    yield from itertools.islice(((1, height, width, 1) for height in sides for width in sides), count)


def remembering() -> dict[str, Any]:
    """The functions with a memory in what is loaded, by name."""
    import sys

    modules = [m for name, m in sys.modules.items() if name.partition(".")[0] in ("unpoolx", "unpoolx_backends")]
    found = {}
    for module in modules:
        for name, value in vars(module).items():
            if hasattr(value, "cache_info") and value.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = value
    return found


def test_many_geometries_leave_no_more_than_the_least_of_memories(on: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_remembered, "MOST", 8)
    monkeypatch.setattr(_remembered, "_geometries", {})
    monkeypatch.setattr(_remembered, "_plans", {})
    several = 1100 if on.name in ("numpy", "torch") else 12  # JAX compiles for each shape
    most = 0
    for shape in shapes(several):
        x = on.array(np.ones(shape, np.float32))
        values, switches = unpoolx.max_pool(x, 2, 1, overlap_padding(shape))
        unpoolx.unpool(values, switches)
        unpoolx.gather(x, switches)
        most = max(most, len(_remembered._geometries))
        assert len(_remembered._geometries) <= 8
    assert most == 8  # or nothing was remembered, and nothing shown
    for start in range(1100):
        unpoolx.at(np.zeros(1200, np.int8))[start : start + 2].get()
        assert 0 < len(_remembered._plans) <= 8
    for name, function in remembering().items():
        limit = function.cache_info().maxsize
        if inspect.signature(function).parameters:
            assert limit is not None, name
            assert function.cache_info().currsize <= limit, name
    if on.name == "numpy":
        assert _recipe_unpool.__name__ in {name.rpartition(".")[0] for name in remembering()}


def overlap_padding(shape: tuple[int, ...]) -> str:
    return "SAME" if shape[1] % 2 else "VALID"


def test_many_classes_of_arrays_leave_no_more_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "MOST_TYPES", 4)
    monkeypatch.setattr(_registry, "_by_type", {})
    sizes = set()
    for number in range(10):
        cls = type(f"Array{number}", (np.ndarray,), {})
        unpoolx.max_pool(np.ones((1, 2, 2, 1)).view(cls), 2)
        sizes.add(len(_registry._by_type))
    assert max(sizes) == 4


# What is compiled


@pytest.mark.parametrize("on_framework", ["tf"], indirect=True)
def test_tensorflow_compiles_a_shape_once_and_no_more_than_the_most(
    on_framework: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    tf = on_framework.framework
    from unpoolx_backends import _tensorflow

    monkeypatch.setattr(_tensorflow, "COMPILED_ELEMENTS", 1)
    monkeypatch.setattr(_tensorflow, "MOST_PROGRAMS", 3 * 3)
    monkeypatch.setattr(_tensorflow, "_programs", {})
    own = tf.function(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), jit_compile=True, autograph=False)

    def traces() -> int:
        return sum(program.experimental_get_tracing_count() for program in _tensorflow._programs.values())

    for batch in (2, 3, 4, 5, 6):
        x = np.random.default_rng(batch).random((batch, 6, 6, 2), np.float32)
        for _ in range(2):
            values, switches = unpoolx.max_pool(on_framework.array(x), 2)
            made = unpoolx.unpool(values, switches)
            read = unpoolx.gather(made, switches)
            own(x)
        assert traces() == 3 * min(batch - 1, 3), "three functions, each traced once for a shape, until there are nine"
        assert own.experimental_get_tracing_count() == batch - 1
        host = unpoolx.max_pool(x, 2)
        assert_same_bits(on_framework.numpy(made), unpoolx.unpool(*host), what=f"unpool, {batch}")
        assert_same_bits(on_framework.numpy(read), host[0], what=f"gather, {batch}")
    assert len(_tensorflow._programs) == 9


@pytest.mark.parametrize("on_framework", ["tf"], indirect=True)
def test_a_tensorflow_graph_of_any_batch_is_traced_once(on_framework: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    tf = on_framework.framework
    from unpoolx_backends import _tensorflow

    monkeypatch.setattr(_tensorflow, "COMPILED_ELEMENTS", 1)
    monkeypatch.setattr(_tensorflow, "_programs", {})

    def both(x: Any) -> Any:
        return unpoolx.unpool(*unpoolx.max_pool(x, 3, 2, "SAME"))

    def own(x: Any) -> Any:
        return tf.nn.max_pool2d(x, 3, 2, "SAME")

    signature = [tf.TensorSpec((None, 6, 6, 2))]
    for options, expected in (({"input_signature": signature}, 1), ({"reduce_retracing": True}, 2), ({}, 4)):
        ours, theirs = tf.function(both, **options), tf.function(own, **options)
        for batch in (2, 2, 3, 4, 5, 5):
            x = on_framework.array(np.random.default_rng(batch).random((batch, 6, 6, 2), np.float32))
            assert_same_bits(on_framework.numpy(ours(x)), on_framework.numpy(both(x)), what=f"graph, {batch}")
            theirs(x)
        counts = [function.experimental_get_tracing_count() for function in (ours, theirs)]
        assert counts == [expected, expected], options


COMPILED: list[str] = []


@pytest.fixture(scope="module")
def programs_of_jax() -> Callable[[Callable[[], Any]], int]:
    """How many programs XLA compiles for JAX in a call."""
    jax = pytest.importorskip("jax", reason="jax is not installed")

    def note(event: str, *_: Any, **__: Any) -> None:
        if event.endswith("backend_compile_duration"):
            COMPILED.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)

    def count(function: Callable[[], Any]) -> int:
        before = len(COMPILED)
        jax.block_until_ready(function())
        return len(COMPILED) - before

    return count


@pytest.mark.parametrize("on_framework", ["jax"], indirect=True)
def test_jax_compiles_for_a_new_batch_what_it_would_by_itself(
    on_framework: Harness, programs_of_jax: Callable[[Callable[[], Any]], int]
) -> None:
    jax = on_framework.framework
    window = (1, 2, 2, 1)

    def own(x: Any) -> Any:
        return jax.lax.reduce_window(x, -np.inf, jax.lax.max, window, window, "VALID")

    def ours(x: Any) -> Any:
        return unpoolx.max_pool(x, 2)

    def both(x: Any) -> Any:
        return unpoolx.unpool(*unpoolx.max_pool(x, 2))

    pairs = [
        (ours, own),
        (jax.jit(ours), jax.jit(own)),
        (jax.jit(both), jax.jit(lambda x: own(x) + 1)),
        (jax.jit(jax.grad(lambda x: both(x).sum())), jax.jit(jax.grad(lambda x: own(x).sum()))),
    ]
    for number, (mine, theirs) in enumerate(pairs):
        counts = []
        for batch in (2, 2, 3, 3, 4):
            x = jax.block_until_ready(on_framework.array(np.ones((batch, 10, 14, 3), np.float32)))
            counts.append((programs_of_jax(lambda f=mine, x=x: f(x)), programs_of_jax(lambda f=theirs, x=x: f(x))))
        assert counts[0][0] >= 1, "the first call compiles, or nothing is counted"
        assert counts[1:] == [(0, 0), (1, 1), (0, 0), (1, 1)], number


@pytest.mark.parametrize("on_framework", ["jax"], indirect=True)
def test_jax_compiles_each_function_once_outside_of_a_jit(
    on_framework: Harness, programs_of_jax: Callable[[Callable[[], Any]], int]
) -> None:
    for batch in (2, 3):
        x = on_framework.array(np.ones((batch, 12, 10, 3), np.float32))
        values, switches = unpoolx.max_pool(x, 3, 2)
        for function in (
            lambda v=values, s=switches: unpoolx.unpool(v, s),
            lambda x=x, s=switches: unpoolx.gather(x, s),
            lambda x=x: unpoolx.unpool_average(x, 2),
        ):
            assert (programs_of_jax(function), programs_of_jax(function)) == (1, 0)


def walk(x: Any) -> Iterator[Any]:
    """An array read and updated row by row, and by two rows, as a loop does."""
    for row in range(6):
        for index in (row, slice(row, row + 2), (row, slice(None), 1)):
            yield unpoolx.at(x)[index].get()
            yield unpoolx.at(x)[index].set(1.0)
            yield unpoolx.at(x)[index].add(1.0)
            yield unpoolx.at(x)[index].max(1.0)


@pytest.mark.parametrize("on_framework", ["jax"], indirect=True)
def test_jax_compiles_nothing_for_another_row(
    on_framework: Harness, programs_of_jax: Callable[[Callable[[], Any]], int]
) -> None:
    steps = walk(on_framework.array(np.zeros((7, 5, 3), np.float32)))
    counts = [programs_of_jax(lambda: next(steps)) for _ in range(6 * 12)]
    assert sum(counts[:12]) > 0, "the first row compiles, or nothing is counted"
    assert counts[12:] == [0] * 60


@pytest.mark.parametrize("on_framework", ["tf"], indirect=True)
def test_tensorflow_compiles_nothing_for_a_row(on_framework: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    from unpoolx_backends import _tensorflow

    monkeypatch.setattr(_tensorflow, "COMPILED_ELEMENTS", 1)
    monkeypatch.setattr(_tensorflow, "_programs", {})
    x = on_framework.array(np.zeros((7, 5, 3), np.float32))
    assert len(list(walk(x))) == 6 * 12
    assert not _tensorflow._programs
    unpoolx.at(x)[::2].set(1.0)  # whose elements lie apart: one program is faster
    assert len(_tensorflow._programs) == 1


TORCH = """
import numpy as np, torch, unpoolx
from torch._dynamo.testing import CompileCounter

def ours(x):
    return unpoolx.unpool(*unpoolx.max_pool(x, {arguments}))

def own(x):
    values, places = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    return torch.nn.functional.max_unpool2d(values, places, 2)

counts = []
for function in (ours, own):
    counter = CompileCounter()
    compiled = torch.compile(function, backend=counter, fullgraph=True)
    for batch in (2, 2, 3, 4, 5, 2):
        x = torch.arange(batch * 144.0).reshape(batch, 4, 6, 6)
        made = compiled(x)
        counts.append(counter.frame_count)
        assert torch.equal(made, function(x))
        # What eager calls remember is no concern of a program.
        unpoolx.max_pool(np.ones((1, batch, 2, 1)).view(type("Array", (np.ndarray,), {{}})), 2)
print(counts)
"""


@pytest.mark.parametrize("arguments", ["2", "3, 2, 1, data_format='channels_first'"])
def test_a_new_batch_makes_torch_compile_once_more_and_nothing_else_does(arguments: str, tmp_path: Path) -> None:
    """In a fresh process, whose very first call is a compiled one."""
    pytest.importorskip("torch", reason="torch is not installed")
    out = run_alone(TORCH.format(arguments=arguments), tmp_path)
    assert out.splitlines()[-1] == str([1, 1, 2, 2, 2, 2] * 2)


def test_numba_compiles_a_loop_once_for_a_dtype_whatever_the_geometry() -> None:
    pytest.importorskip("numba", reason="numba is not installed")
    from unpoolx_backends import _fused, _numba_pool, _numba_pool_channels, _numba_unpool

    assert _fused.ENABLED, "the loops are turned off in this environment"
    loops = [
        (f"{module.__name__}.{name}", value)
        for module in (_numba_pool, _numba_pool_channels, _numba_unpool)
        for name, value in vars(module).items()
        if hasattr(value, "signatures")
    ]

    def counts() -> dict[str, int]:
        return {name: len(loop.signatures) for name, loop in loops}

    def run(batch: int, side: int) -> None:
        for data_format in ("channels_last", "channels_first"):
            x = np.random.default_rng(batch).random((batch, 16, side, 16), np.float32)
            for kernel, stride in ((2, 2), (3, 2), (3, 1), (2, 3)):
                values, switches = unpoolx.max_pool(x, kernel, stride, data_format=data_format)
                for overlap in ("last", "sum"):
                    unpoolx.unpool(values, switches, overlap=overlap)
                unpoolx.gather(x, switches)

    run(2, 32)
    before = counts()
    assert any(before.values())
    run(2, 32)
    run(3, 32)
    run(2, 47)
    assert counts() == before
