"""Code that was written for a framework's own pooling goes on with ours: its indices, its results, and our pages on it.

The operations themselves run beside ours: PyTorch's, TensorFlow's, ONNX Runtime's, and argmax in JAX and NumPy. What
`tests/test_traps.py` says of their indices on NumPy, TensorFlow, JAX and PyTorch is not said again here.
"""

from __future__ import annotations

import doctest
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Harness, set_up

import unpoolx
from unpoolx import Switches, Window
from unpoolx.testing.compare import assert_same_bits

PAGES = Path(__file__).resolve().parent.parent / "docs" / "coming-from"
INFINITY = float("inf")


def numbers(shape: tuple[int, ...], seed: int = 0, *, special: tuple[float, ...] = (-0.0, INFINITY)) -> np.ndarray:
    """Few different numbers, so that there are ties, both zeros, and what is special."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape).astype(np.float32)
    return np.where(rng.random(shape) < 0.2, rng.choice(np.array(special, np.float32), shape), x)


@cache
def onnx_runtime(op: str, dtype: str, arrays: int, results: int, attributes: tuple[tuple[str, Any], ...]) -> Any:
    """One node of ONNX as a function of NumPy's arrays; the arrays and results after the first are int64."""
    onnx = pytest.importorskip("onnx", reason="ONNX Runtime's operations are named by onnx")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    first = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def infos(letter: str, count: int) -> list[Any]:
        kinds = [first, *[onnx.TensorProto.INT64] * (count - 1)]
        return [onnx.helper.make_tensor_value_info(f"{letter}{i}", kind, None) for i, kind in enumerate(kinds)]

    takes, gives = infos("x", arrays), infos("y", results)
    node = onnx.helper.make_node(op, [i.name for i in takes], [i.name for i in gives], **dict(attributes))
    opset = onnx.helper.make_opsetid("", 18)
    graph = onnx.helper.make_graph([node], op, takes, gives)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda *x: session.run(None, {i.name: array for i, array in zip(takes, x, strict=True)})


# ONNX Runtime's own indices.

GEOMETRIES: dict[str, dict[str, Any]] = {
    "plain": {"kernel_size": (2, 2)},
    "overlapping": {"kernel_size": (3, 2), "stride": (1, 2)},
    "padded": {"kernel_size": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1))},
    "padded unevenly": {"kernel_size": (3, 3), "stride": (2, 2), "padding": ((1, 0), (0, 2))},
    "dilated": {"kernel_size": (2, 2), "stride": (1, 2), "dilation": (2, 3)},
    "ceil": {"kernel_size": (2, 3), "stride": (2, 3), "padding": ((1, 1), (0, 0)), "ceil_mode": True},
    "same": {"kernel_size": (3, 2), "stride": (2, 3), "padding": "SAME"},
    "same lower": {"kernel_size": (3, 3), "stride": (2, 2), "padding": "SAME_LOWER"},
}


def onnx_words(window: Window) -> tuple[tuple[str, Any], ...]:
    """The attributes of `MaxPool` for a window of fixed rank."""
    words: dict[str, Any] = {
        "kernel_shape": window.kernel_size,
        "strides": window.kernel_size if window.stride is None else window.stride,
        "ceil_mode": int(window.ceil_mode),
    }
    if window.dilation != 1:
        words["dilations"] = window.dilation
    if isinstance(window.padding, str):
        words["auto_pad"] = "SAME_UPPER" if window.padding == "SAME" else window.padding
    else:
        words["pads"] = tuple(pair[side] for side in (0, 1) for pair in window.padding)
    return tuple(words.items())


@pytest.mark.rule("S2", "L4", "W4", "W5", "W6")
@pytest.mark.parametrize(
    ("geometry", "rank"),
    [
        *((geometry, 2) for geometry in GEOMETRIES),
        *((g, rank) for g in ("padded unevenly", "dilated") for rank in (1, 3)),
    ],
)
def test_onnx_runtimes_own_indices_are_the_formats_onnx_and_onnx_column_major(
    on: Harness, geometry: str, rank: int
) -> None:
    """The second output of `MaxPool` on ONNX Runtime, row-major and with storage_order=1, ties and both zeros included.

    unpoolx: `from_indices` makes of them the switches that `max_pool` finds, and `to_indices` gives them back.
    """
    arguments = {
        name: (value + value)[:rank] if isinstance(value, tuple) else value
        for name, value in GEOMETRIES[geometry].items()
    }
    window = Window(**arguments, data_format="channels_first")
    shape = (2, 3, 7, 8, 6)[: rank + 2]
    x = numbers(shape, rank, special=(-0.0, INFINITY, -INFINITY))
    values, ours = unpoolx.max_pool(on.array(x), window)
    for storage_order, index_format in enumerate(("onnx", "onnx_column_major")):
        words = (*onnx_words(window), ("storage_order", storage_order))
        y, indices = onnx_runtime("MaxPool", "float32", 1, 2, words)(x)
        what = f"MaxPool of ONNX Runtime against {on.name}, {shape}, {arguments}, storage_order={storage_order}"
        assert_same_bits(on.numpy(values), y, what=what)
        switches = Switches.from_indices(on.array(indices), window, shape, index_format=index_format)
        assert switches == ours, what
        assert_same_bits(on.numpy(switches.to_indices(index_format)), indices, what=what)


# Each operation's pooling with indices, and the unpooling that belongs to it.


@dataclass(frozen=True)
class Elsewhere:
    """A framework's way to pool 2x2 windows, (2, 3, 6, 8) or (2, 6, 8, 3), and back: NumPy's arrays in and out."""

    index_format: str
    data_format: str
    pool: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    unpool: Callable[[np.ndarray, np.ndarray], np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array that is pooled."""
        return (2, 3, 6, 8) if self.data_format == "channels_first" else (2, 6, 8, 3)


def torchs() -> Elsewhere:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    functional = torch.nn.functional

    def pool(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, indices = functional.max_pool2d(torch.tensor(x), 2, return_indices=True)
        return y.numpy(), indices.numpy()

    def unpool(y: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return functional.max_unpool2d(torch.tensor(y), torch.tensor(indices), 2).numpy()

    return Elsewhere("spatial", "channels_first", pool, unpool)


def tensorflows(*, include_batch: bool) -> Elsewhere:
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")

    def pool(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, indices = tf.nn.max_pool_with_argmax(x, 2, 2, "SAME", include_batch_in_index=include_batch)
        return y.numpy(), indices.numpy()

    def unpool(y: np.ndarray, indices: np.ndarray) -> np.ndarray:
        image = np.zeros_like(indices) if include_batch else np.arange(2).reshape(2, 1, 1, 1) * (6 * 8 * 3)
        where = (indices + image).reshape(-1, 1)
        # scatter_nd adds to zeros, and so loses the sign of -0.0: an update of zeros keeps it.
        return tf.tensor_scatter_nd_update(tf.zeros(2 * 6 * 8 * 3), where, y.ravel()).numpy().reshape(2, 6, 8, 3)

    return Elsewhere("tf_batch" if include_batch else "tf", "channels_last", pool, unpool)


def onnxs() -> Elsewhere:
    window = (("kernel_shape", (2, 2)), ("strides", (2, 2)))

    def pool(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(onnx_runtime("MaxPool", "float32", 1, 2, window)(x))

    def unpool(y: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return onnx_runtime("MaxUnpool", "float32", 3, 1, window)(y, indices, np.array((2, 3, 6, 8)))[0]

    return Elsewhere("onnx", "channels_first", pool, unpool)


def argmaxs(xp: Any, put: Callable[..., Any]) -> Elsewhere:
    def blocks(x: Any) -> Any:
        return x.reshape(2, 3, 2, 4, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(2, 3, 4, 3, 4)

    def pool(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = blocks(xp.asarray(x))
        chosen = xp.argmax(found, axis=-1)
        y = xp.take_along_axis(found, chosen[..., None], axis=-1)[..., 0]
        return np.array(y), np.array(chosen)

    def unpool(y: np.ndarray, indices: np.ndarray) -> np.ndarray:
        image, row, column, channel = np.indices(y.shape)
        where = (image, 2 * row + indices // 2, 2 * column + indices % 2, channel)
        return np.array(put(xp.zeros((2, 6, 8, 3), y.dtype), where, y))

    return Elsewhere("window", "channels_last", pool, unpool)


def jaxs() -> Elsewhere:
    jax = pytest.importorskip("jax", reason="jax is not installed")
    return argmaxs(jax.numpy, lambda x, where, y: x.at[where].set(y))


def numpys() -> Elsewhere:
    def put(x: np.ndarray, where: Any, y: np.ndarray) -> np.ndarray:
        x[where] = y
        return x

    return argmaxs(np, put)


ELSEWHERE: dict[str, Callable[[], Elsewhere]] = {
    "torch": torchs,
    "tf": lambda: tensorflows(include_batch=False),
    "tf with the batch": lambda: tensorflows(include_batch=True),
    "onnx runtime": onnxs,
    "jax": jaxs,
    "numpy": numpys,
}


@pytest.mark.rule("S2", "S6", "U1", "B2")
@pytest.mark.parametrize("source", ELSEWHERE)
def test_what_one_framework_pooled_is_unpooled_in_another(on: Harness, source: str) -> None:
    """Pool there, unpool here: the bits of unpooling there, whether switches move by `.to` or by `backend=`."""
    there = ELSEWHERE[source]()
    x = numbers(there.shape)
    y, indices = there.pool(x)
    expected = there.unpool(y, indices)
    window = Window(2, data_format=there.data_format)
    switches = Switches.from_indices(indices, window, x.shape, index_format=there.index_format)
    moved = switches.to(on.name)
    results = {
        "to": unpoolx.unpool(on.array(y), moved),
        "backend=": unpoolx.unpool(y, switches, backend=on.name),
        "raw": unpoolx.unpool(
            on.array(y),
            on.array(moved.backend.to_numpy(moved.to_indices("onnx"))),
            output_shape=x.shape,
            index_format="onnx",
            data_format=there.data_format,
        ),
    }
    for way, result in results.items():
        assert type(result) is type(on.array(y)), f"{source} to {on.name} by {way}: {type(result)}"
        assert_same_bits(on.numpy(result), expected, what=f"{source} to {on.name} by {way}")
    read = unpoolx.gather(x, switches, backend=on.name)
    assert_same_bits(on.numpy(read), y, what=f"gather on {on.name} of what {source} chose")


@pytest.mark.rule("S2", "S3", "U1", "P1")
@pytest.mark.parametrize("source", ELSEWHERE)
def test_what_was_pooled_here_is_unpooled_by_each_frameworks_own_operation(on: Harness, source: str) -> None:
    """Pool here, unpool there: their operation accepts `to_indices`, and gives the bits of our `unpool`."""
    there = ELSEWHERE[source]()
    x = numbers(there.shape, 1)
    values, switches = unpoolx.max_pool(on.array(x), 2, data_format=there.data_format)
    indices = on.numpy(switches.to_indices(there.index_format)).astype(np.int64)
    expected = on.numpy(unpoolx.unpool(values, switches))
    assert_same_bits(there.unpool(on.numpy(values), indices), expected, what=f"{on.name} to {source}")


@pytest.mark.rule("S2", "S4")
@pytest.mark.parametrize("source", ["torch", "tf", "tf with the batch", "onnx runtime"])
def test_what_another_framework_chose_is_not_chosen_anew(source: str) -> None:
    """Among NaN and greater numbers the frameworks choose differently; their own switches read their own values."""
    there = ELSEWHERE[source]()
    window = Window(2, data_format=there.data_format)
    others = 0
    for seed in range(8):
        x = numbers(there.shape, seed, special=(float("nan"), -INFINITY, -0.0))
        y, indices = there.pool(x)
        switches = Switches.from_indices(indices, window, x.shape, index_format=there.index_format)
        assert_same_bits(unpoolx.gather(x, switches), y, what=f"gather of what {source} chose")
        assert_same_bits(switches.to_indices(there.index_format), indices, what=f"to_indices for {source}")
        others += int((switches.offsets != unpoolx.max_pool(x, window)[1].offsets).sum())
    assert others, f"{source} chooses as the norm does: nothing was tried"


@pytest.mark.rule("S2")
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_tensorflow_may_hand_out_int32(on: Harness, dtype: str) -> None:
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    x = numbers((2, 6, 7, 3))
    _, indices = tf.nn.max_pool_with_argmax(x, 3, 2, "SAME", output_dtype=dtype)
    assert indices.dtype == dtype
    window = Window(3, 2, "SAME")
    switches = Switches.from_indices(on.array(indices.numpy()), window, x.shape, index_format="tf")
    assert switches == unpoolx.max_pool(on.array(x), window)[1]


@pytest.mark.rule("S2", "P7")
@pytest.mark.parametrize("dtype", ["float64", "int8", "uint8"])
def test_onnx_runtime_pools_other_dtypes_to_the_same_indices(dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 9, (2, 3, 6, 8)).astype(dtype)
    window = Window((3, 3), (2, 1), ((1, 0), (0, 1)), data_format="NCHW")
    y, indices = onnx_runtime("MaxPool", dtype, 1, 2, onnx_words(window))(x)
    values, ours = unpoolx.max_pool(x, window)
    assert_same_bits(values, y, what=f"MaxPool of ONNX Runtime, {dtype}")
    assert Switches.from_indices(indices, window, x.shape, index_format="onnx") == ours


@pytest.mark.rule("U6")
def test_onnx_runtime_unpools_column_major_indices_as_if_they_were_row_major(on: Harness) -> None:
    """`MaxUnpool` has no storage_order. unpoolx: index_format="onnx_column_major" puts every value where it was."""
    x = np.random.default_rng(0).permutation(144 * 2).reshape(2, 3, 6, 8).astype(np.float32)
    window = (("kernel_shape", (2, 2)), ("strides", (2, 2)))
    y, indices = onnx_runtime("MaxPool", "float32", 1, 2, (*window, ("storage_order", 1)))(x)
    theirs = onnx_runtime("MaxUnpool", "float32", 3, 1, window)(y, indices, np.array(x.shape))[0]
    arguments = {"output_shape": x.shape, "index_format": "onnx_column_major", "data_format": "NCHW"}
    ours = on.numpy(unpoolx.unpool(on.array(y), on.array(indices), **arguments))
    assert_same_bits(ours, np.where(np.isin(x, y), x, np.float32(0)), what=f"unpool on {on.name}")
    assert (theirs != ours).any(), "ONNX Runtime's MaxUnpool reads column-major indices: say so in docs/coming-from"


@pytest.mark.rule("U6", "S2")
@pytest.mark.parametrize("how", ["adaptive", "fractional"])
def test_indices_that_follow_no_window_are_unpooled_as_they_are(on: Harness, how: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    functional = torch.nn.functional
    x = torch.from_numpy(np.random.default_rng(0).permutation(2 * 3 * 7 * 10).reshape(2, 3, 7, 10).astype(np.float32))
    if how == "adaptive":
        y, indices = functional.adaptive_max_pool2d(x, (3, 4), return_indices=True)
    else:
        samples = torch.full((2, 3, 2), 0.4)
        y, indices = functional.fractional_max_pool2d(
            x, 2, output_size=(3, 4), return_indices=True, _random_samples=samples
        )
    arguments = {"output_shape": tuple(x.shape), "index_format": "spatial", "data_format": "NCHW"}
    result = on.numpy(unpoolx.unpool(on.array(y.numpy()), on.array(indices.numpy()), **arguments))
    expected = torch.zeros(2, 3, 70).scatter(2, indices.reshape(2, 3, 12), y.reshape(2, 3, 12)).reshape(x.shape)
    assert_same_bits(result, expected.numpy(), what=f"{how} on {on.name}")


@pytest.mark.rule("S2", "U6", "W9")
def test_the_shape_that_an_array_says_it_has_is_a_shape(on: Harness) -> None:
    """`x.shape` of TensorFlow is no tuple, of PyTorch one of its own kind: both are taken."""
    x = on.array(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
    values, switches = unpoolx.max_pool(x, 2)
    indices = switches.to_indices("spatial")
    arguments = {"index_format": "spatial", "data_format": "NHWC"}
    assert Switches.from_indices(indices, Window(2), x.shape, index_format="spatial") == switches
    assert Switches(switches.offsets, switches.window, x.shape[1:3]) == switches
    assert Window(2).output_shape(x.shape) == (1, 2, 2, 1)
    raw = unpoolx.unpool(values, indices, output_shape=x.shape, **arguments)
    assert_same_bits(on.numpy(raw), on.numpy(unpoolx.unpool(values, switches)), what=f"raw unpool on {on.name}")
    if on.name == "tf":
        for unknown in (on.framework.TensorShape(None), on.framework.TensorShape([1, None, 4, 1])):
            with pytest.raises(TypeError, match=r"output_shape.*: expected .*; got .*None"):
                unpoolx.unpool(values, indices, output_shape=unknown, **arguments)
            with pytest.raises(TypeError, match=r"input_shape.*: expected .*; got .*None"):
                Switches.from_indices(indices, Window(2), unknown, index_format="spatial")


# The pages: their own functions, on many arrays.


@cache
def functions_of(page: str) -> dict[str, Any]:
    """What the examples of a page define, once they have run."""
    path = PAGES / f"{page}.md"
    test = doctest.DocTestParser().get_doctest(path.read_text(encoding="utf-8"), {}, page, str(path), 0)
    report: list[str] = []
    doctest.DocTestRunner().run(test, out=report.append, clear_globs=False)
    assert not report, "".join(report)
    return test.globs


EVEN, ODD = ((2, 4, 6, 3), (1, 8, 2, 1)), ((2, 5, 7, 3), (3, 3, 4, 2))
FIRST = tuple((n, c, height, width) for n, height, width, c in EVEN + ODD)

# The page, the prefix of its functions, the framework of the arrays, the extra packages, the shapes.
SIDES = {
    "PyTorch": ("pytorch", "", "torch", (), FIRST),
    "Addons": ("tensorflow-addons", "", "tf", (), EVEN),
    "SparseTensor": ("tensorflow-1", "sparse_", "tf", (), EVEN + ODD),
    "zeros": ("tensorflow-1", "zeros_", "tf", (), EVEN + ODD),
    "nearest": ("tensorflow-1", "nearest_", "tf", (), EVEN + ODD),
    "gradient": ("tensorflow-1", "gradient_", "tf", (), EVEN + ODD),
    "Caffe": ("segnet-caffe", "", "numpy", (), FIRST),
    "JAX": ("jax", "", "jax", (), EVEN),
    "ONNX": ("onnx", "", "numpy", ("onnx", "onnxruntime"), FIRST),
}


def compare_sides(on: Harness, before: Any, after: Any, arrays: list[np.ndarray], what: str) -> None:
    results = [on.numpy(side(*map(on.array, arrays))) for side in (before, after)]
    assert_same_bits(results[1], results[0], what=f"{what}, {[a.shape for a in arrays]}")


def arrays_for(sides: str, shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    x = numbers(shape, seed)
    if sides != "gradient":
        return [x]
    pooled = Window(3, 2, "SAME").output_shape(shape)
    return [x, np.random.default_rng(seed).normal(size=pooled).astype(np.float32)]


@pytest.mark.parametrize("sides", SIDES)
def test_before_and_after_on_the_page_have_the_same_bits(sides: str) -> None:
    page, prefix, backend, packages, shapes = SIDES[sides]
    for package in packages:
        pytest.importorskip(package, reason=f"docs/coming-from/{page}.md runs it")
    on = Harness.of(backend, "cpu")
    names = functions_of(page)
    before, after = names[f"{prefix}before"], names[f"{prefix}after"]
    for shape in shapes:
        for seed in range(4):
            compare_sides(on, before, after, arrays_for(sides, shape, seed), sides)


def test_sides_that_differ_in_the_sign_of_a_zero_are_caught() -> None:
    on = Harness.of("numpy", "cpu")
    x = [np.array([1, -0.0, 2], np.float32)]
    compare_sides(on, lambda x: x, lambda x: x.copy(), x, "the same")
    with pytest.raises(AssertionError):
        compare_sides(on, lambda x: x, lambda x: x + np.float32(0), x, "signs lost")


def test_every_page_has_both_sides_says_what_changes_and_stands_in_the_index() -> None:
    index = (PAGES / "index.md").read_text(encoding="utf-8")
    pages = {path.stem for path in PAGES.glob("*.md")} - {"index"}
    assert pages == {page for page, *_ in SIDES.values()}
    for page in pages:
        assert f"({page}.md)" in index, f"{page}.md is not in the index"
        text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
        assert "\n## What changes\n" in text, page
        assert "\n|---|" in text.partition("\n## ")[0], f"{page}.md does not begin with a table of the names"


# What the pages' tables say of the frameworks, where no trap says it.


def test_pytorch_pools_an_image_without_batch_and_so_do_we() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = torch.from_numpy(numbers((3, 6, 7)))
    y, indices = torch.nn.functional.max_pool2d(x, (3, 3), return_indices=True)
    values, switches = unpoolx.max_pool(x, (3, 3), data_format="NCHW")
    assert_same_bits(values.numpy(), y.numpy(), what="max_pool of (3, 6, 7)")
    assert switches.to_indices("spatial").equal(indices)


def test_addons_loses_the_sign_of_zero_and_small_numbers_and_shears_odd_sizes() -> None:
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    set_up()
    names = functions_of("tensorflow-addons")
    small = np.array([-0.0, -1, -1, -1, 1e-40, 0, 0, 0], np.float32).reshape(2, 2, 2, 1)
    before, after = (names[side](tf.constant(small)).numpy().ravel() for side in ("before", "after"))
    assert_same_bits(after[[0, 4]], np.array([0.0, 1e-40], np.float32), what="unpool sum")
    assert before.tobytes() != after.tobytes(), "scatter_nd keeps 1e-40: say so in docs/coming-from"
    values, switches = unpoolx.max_pool(tf.constant(small), 2)
    assert np.signbit(unpoolx.unpool(values, switches).numpy()[0, 0, 0, 0]), "last keeps -0.0"
    odd = tf.constant(np.arange(1, 76, dtype=np.float32).reshape(1, 5, 5, 3))
    assert names["before"](odd).shape == (1, 6, 6, 3)
    assert names["after"](odd).shape == (1, 5, 5, 3)


def test_caffes_masks_of_nothing_are_refused() -> None:
    names = functions_of("segnet-caffe")
    x = np.full((1, 1, 2, 2), np.nan, np.float32)
    _, mask = names["pooling"](x)
    assert mask.item() == -1
    window = Window(2, ceil_mode=True, data_format="NCHW")
    with pytest.raises(ValueError, match=r"indices: expected each to lie in its own window .* 1 of 1 do not"):
        Switches.from_indices(mask.astype(np.int64), window, x.shape, index_format="spatial")
    with pytest.raises(TypeError, match="indices"):
        Switches.from_indices(mask, window, x.shape, index_format="spatial")


def test_jax_drops_clamps_and_cuts_off_where_we_say_so() -> None:
    jnp = pytest.importorskip("jax.numpy", reason="jax is not installed")
    set_up()
    x = jnp.arange(3, dtype=jnp.float32)
    assert x.at[5].set(9.0).tolist() == [0, 1, 2], "out of range, JAX no longer drops an update"
    assert x[5] == 2, "out of range, JAX no longer reads the nearest element"
    with pytest.warns(FutureWarning):
        assert jnp.arange(3).at[0].set(1.5).tolist() == [1, 1, 2], "JAX no longer cuts a fraction off"
    found = jnp.array([[1, np.nan, 3, np.nan], [-0.0, 0.0, -1, 0.0]], jnp.float32)
    assert jnp.argmax(found, axis=-1).tolist() == [1, 0]
    for update in (lambda: unpoolx.at(x)[5].set(9.0), unpoolx.at(x)[5].get):
        with pytest.raises(IndexError):
            update()
    with pytest.raises(TypeError):
        unpoolx.at(jnp.arange(3))[0].set(1.5)
