"""Dask: lazy arrays in chunks give NumPy's bits, no task reads more than a chunk and its halo, no call computes."""

from __future__ import annotations

import importlib
import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

import unpoolx
from unpoolx import Switches, Window, at

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")


@pytest.fixture(autouse=True)
def _in_one_thread() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


def same(lazy: Any, expected: np.ndarray, what: str) -> None:
    """Shape and dtype as they were declared, and every bit."""
    assert isinstance(lazy, da.Array), f"{what}: {type(lazy)} is not lazy"
    assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype), f"{what}: {lazy} is not {expected.shape}"
    assert type(lazy._meta) is np.ndarray
    assert lazy._meta.dtype == expected.dtype
    made = np.asarray(lazy.compute())
    assert (made.shape, made.dtype) == (expected.shape, expected.dtype), f"{what}: {made.shape}, {made.dtype}"
    assert tuple(map(sum, lazy.chunks)) == expected.shape, f"{what}: {lazy.chunks}"
    assert made.tobytes() == expected.tobytes(), f"{what} of chunks {lazy.chunks}:\n{made}\nis not\n{expected}"


# Cases


DTYPES = ("float32", "float16", "float64", "int8", "uint16", "int64", "bool")


@st.composite
def chunks_of(draw: st.DrawFn, length: int) -> tuple[int, ...]:
    """Any way to cut a length."""
    cuts = draw(st.lists(st.integers(1, max(length - 1, 1)), max_size=4, unique=True)) if length > 1 else []
    edges = [0, *sorted(cuts), length]
    return tuple(b - a for a, b in itertools.pairwise(edges))


@st.composite
def arrays_of(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Few different numbers, so that there are ties; of floats, zeros of both signs, infinities and NaN."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith("float"):
        numbers = np.array([-1.5, -0.0, 0.0, 0.1, 1 / 3, 2.0, 1e-6, np.inf, np.nan], dtype)
        return rng.choice(numbers[: 9 if draw(st.booleans()) else 7], shape)
    low = 0 if dtype.startswith("u") else -2
    return rng.integers(low, 3, shape).astype(dtype)


@st.composite
def cases(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES) -> tuple[np.ndarray, Any, dict[str, Any]]:
    """An array, the same in chunks, and a window that fits it."""
    rank = draw(st.integers(1, 3))
    data_format = draw(st.sampled_from(["channels_last", "channels_first"]))
    small = st.integers(1, (13, 9, 6)[rank - 1])
    sizes = tuple(draw(small) for _ in range(rank))
    lead = tuple(draw(st.lists(st.integers(0, 2), min_size=1, max_size=2)))
    channels = draw(st.integers(1, 2))
    shape = (*lead, *sizes, channels) if data_format == "channels_last" else (*lead, channels, *sizes)
    pads = st.tuples(st.integers(0, 3), st.integers(0, 3))

    def each(numbers: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(numbers) for _ in range(rank))

    window = {
        "kernel_size": each(st.integers(1, 4)),
        "stride": each(st.integers(1, 4)),
        "padding": draw(st.sampled_from(["VALID", "SAME", "SAME_LOWER"])) if draw(st.booleans()) else each(pads),
        "dilation": each(st.integers(1, 2)),
        "ceil_mode": draw(st.booleans()),
        "data_format": data_format,
    }
    try:
        Window(**window).output_shape(shape)
    except ValueError:
        assume(False)
    x = draw(arrays_of(shape, draw(st.sampled_from(dtypes))))
    return x, da.from_array(x, chunks=tuple(draw(chunks_of(n)) for n in shape)), window


# The same bits


@pytest.mark.rule("B10")
@given(cases(), st.data())
def test_pooling_and_unpooling_give_the_bits_of_the_whole_array(case: Any, data: st.DataObject) -> None:
    x, lazy, window = case
    values, switches = unpoolx.max_pool(x, **window)
    lazy_values, lazy_switches = unpoolx.max_pool(lazy, **window)
    assert isinstance(lazy_switches.offsets, da.Array)
    same(lazy_values, values, "values")
    same(lazy_switches.offsets, switches.offsets, "offsets")
    same(unpoolx.gather(lazy, lazy_switches), values, "gather")
    overlap = "last" if x.dtype == bool else data.draw(st.sampled_from(["last", "sum"]))
    expected = unpoolx.unpool(values, switches, overlap=overlap)
    same(unpoolx.unpool(lazy_values, lazy_switches, overlap=overlap), expected, f"unpool {overlap}")
    other = data.draw(arrays_of(values.shape, "float32"))
    cut = da.from_array(other, chunks=tuple(data.draw(chunks_of(n)) for n in values.shape))
    for how in ("last", "sum"):
        expected = unpoolx.unpool(other, switches, overlap=how)
        same(unpoolx.unpool(cut, lazy_switches, overlap=how), expected, f"unpool {how} of other chunks")


@given(cases(), st.data())
def test_unpooling_without_switches_gives_the_bits_of_the_whole_array(case: Any, data: st.DataObject) -> None:
    x, lazy, window = case
    given_window = {what: window[what] for what in ("kernel_size", "stride", "data_format")}
    padding = data.draw(st.sampled_from(["VALID", "SAME"]))
    extent = given_window["kernel_size" if padding == "VALID" else "stride"]
    places = tuple(data.draw(st.integers(0, n - 1)) for n in extent)
    for position in ("corner", "center", places):
        expected = unpoolx.unpool_fixed(x, **given_window, padding=padding, position=position)
        same(unpoolx.unpool_fixed(lazy, **given_window, padding=padding, position=position), expected, "unpool_fixed")
    scale, layout = given_window["stride"], given_window["data_format"]
    expected = unpoolx.unpool_nearest(x, scale, data_format=layout)
    same(unpoolx.unpool_nearest(lazy, scale, data_format=layout), expected, "unpool_nearest")
    if x.dtype.kind == "f":
        try:
            expected = unpoolx.unpool_average(x, **given_window, padding=padding)
        except ValueError as error:
            with pytest.raises(ValueError, match=re.escape(str(error))):
                unpoolx.unpool_average(lazy, **given_window, padding=padding)
        else:
            same(unpoolx.unpool_average(lazy, **given_window, padding=padding), expected, "unpool_average")


def test_sums_of_many_windows_are_added_in_order_across_chunks() -> None:
    # Addends of such different size that any other order of the sum has other bits.
    x = np.random.default_rng(0).standard_normal((1, 40, 40, 1)).astype(np.float32)
    x *= 10.0 ** np.random.default_rng(1).integers(-6, 6, x.shape).astype(np.float32)
    window = Window(5, 1, "SAME")
    values, switches = unpoolx.max_pool(x, window)
    addends = np.random.default_rng(2).permuted(values, axis=1)
    lazy = da.from_array(addends, chunks=(1, 7, 9, 1))
    lazy_switches = unpoolx.max_pool(da.from_array(x, chunks=(1, 8, 11, 1)), window)[1]
    expected = unpoolx.unpool(addends, switches, overlap="sum")
    same(unpoolx.unpool(lazy, lazy_switches, overlap="sum"), expected, "sum")
    # The check can fail: the same addends in reverse have other bits.
    turned = Switches.trusted(np.flip(24 - switches.offsets, (1, 2)), switches.window, switches.spatial_shape)
    reverse = np.flip(unpoolx.unpool(np.flip(addends, (1, 2)).copy(), turned, overlap="sum"), (1, 2))
    assert np.allclose(reverse, expected, rtol=1e-3, atol=1.0)
    assert reverse.tobytes() != expected.tobytes()


@given(cases(), st.sampled_from(["spatial", "tf", "tf_batch", "onnx", "onnx_column_major", "window"]))
def test_indices_come_and_go_with_the_same_bits(case: Any, index_format: str) -> None:
    x, lazy, window = case
    _, switches = unpoolx.max_pool(x, **window)
    _, lazy_switches = unpoolx.max_pool(lazy, **window)
    indices = switches.to_indices(index_format)
    lazy_indices = lazy_switches.to_indices(index_format)
    same(lazy_indices, indices, f"to_indices {index_format}")
    back = Switches.from_indices(lazy_indices, Window(**window), x.shape, index_format=index_format)
    same(back.offsets, switches.offsets, f"from_indices {index_format}")


def by_indices(x: Any, indices: Any, shape: tuple[int, ...], index_format: str, overlap: str) -> Any:
    """unpoolx.unpool with raw indices."""
    return unpoolx.unpool(
        x, indices, output_shape=shape, index_format=index_format, overlap=overlap, data_format="channels_last"
    )


@pytest.mark.parametrize("overlap", ["last", "sum"])
@pytest.mark.parametrize(
    ("index_format", "chunks"),
    [("spatial", (1, -1, -1, 2)), ("tf", (1, -1, -1, -1)), ("tf_batch", -1), ("onnx", -1)],
)
def test_raw_indices_are_placed_plane_by_plane(index_format: str, chunks: Any, overlap: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 4, 5, 4)).astype(np.float32)
    shape = (3, 6, 7, 4)
    count = {"spatial": 42, "tf": 168}.get(index_format, 504)
    indices = rng.integers(0, count, x.shape)
    lazy, lazy_indices = da.from_array(x, chunks=chunks), da.from_array(indices, chunks=chunks)
    expected = by_indices(x, indices, shape, index_format, overlap)
    same(by_indices(lazy, lazy_indices, shape, index_format, overlap), expected, "unpool by indices")


# Laziness


def exploding(shape: tuple[int, ...], chunks: Any, dtype: Any = np.float32) -> Any:
    """An array whose every task raises."""

    def explode(block: np.ndarray) -> np.ndarray:
        raise AssertionError("a task ran")

    whole = da.zeros(shape, chunks=chunks, dtype=dtype)
    return whole.map_blocks(explode, dtype=dtype, meta=np.empty((0,) * len(shape), dtype))


@pytest.mark.rule("B10")
def test_nothing_is_computed_by_a_call() -> None:
    x = exploding((2, 12, 12, 2), (1, 5, 5, 1))
    values, switches = unpoolx.max_pool(x, 3, 2, "SAME")
    numbers = exploding(values.shape, (1, -1, -1, 1), np.int64)
    window = switches.window
    lazies = [
        values,
        switches.offsets,
        unpoolx.unpool(values, switches),
        unpoolx.unpool(values, switches, overlap="sum"),
        unpoolx.gather(x, switches),
        unpoolx.unpool_fixed(x, 3, 2, position="center"),
        unpoolx.unpool_nearest(x, 2),
        unpoolx.unpool_average(x, 3, 2),
        switches.to_indices("spatial"),
        Switches.from_indices(numbers, window, x.shape, index_format="spatial").offsets,
        Switches(numbers, window, switches.spatial_shape).offsets,
        by_indices(values.rechunk((1, -1, -1, 1)), numbers, x.shape, "spatial", "last"),
        at(x)[0, ::-2].get(),
        at(x)[:, [1, 5, 1]].get(),
        at(x)[:, [1, 5], [2, 3]].get(),
        at(x)[1:].multiply(values[:1, :1, :1]),
        at(x)[:, [1, 5, 1]].add(1.0),
        at(x)[x > 0].set(0.0),
    ]
    for number, lazy in enumerate(lazies):
        assert isinstance(lazy, da.Array), number
        with pytest.raises(AssertionError, match="a task ran"):  # the check can fail: the tasks do raise
            lazy.compute()


def test_the_same_call_gives_the_same_keys_and_another_gives_others() -> None:
    x = da.ones((1, 8, 8, 1), chunks=4)
    first, again, other = (unpoolx.max_pool(x, k)[0] for k in (2, 2, 3))
    assert first.name == again.name != other.name


# What a task reads


def largest_read(lazy: Any) -> int:
    """The most elements that one task of a graph gets from other tasks: each task is run, and its inputs counted."""
    most = 0

    def note(key: Any, task: Any, cache: dict[Any, Any], *_: Any) -> None:
        nonlocal most
        wanted = getattr(task, "dependencies", None)
        wanted = dask.core.get_dependencies(cache["dsk"], key) if wanted is None else wanted
        arrays = [cache["cache"][dependency] for dependency in wanted]
        most = max(most, sum(a.size for a in arrays if isinstance(a, np.ndarray)))

    from dask.callbacks import Callback

    class Watch(Callback):
        def _pretask(self, key: Any, dsk: Any, state: Any) -> None:
            note(key, dsk[key], state | {"dsk": dsk})

    with dask.config.set({"optimization.fuse.active": False}), Watch():
        dask.local.get_sync(dict(lazy.__dask_graph__()), lazy.__dask_keys__())
    return most


WINDOWS = {
    "aligned": (Window(2), 0),
    "overlap": (Window(3, 2, 1), 2),
    "dilated": (Window((3, 3), 1, "SAME", dilation=2), 4),
    "apart": (Window(2, 3, ceil_mode=True), 2),
    "not dividing": (Window(5, 5, padding=((2, 1), (0, 3))), 5),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_no_task_reads_more_than_its_chunk_and_a_halo(name: str) -> None:
    window, halo = WINDOWS[name]
    x = da.from_array(np.random.default_rng(0).standard_normal((2, 64, 64, 2)), chunks=(1, 16, 16, 1))
    values, switches = unpoolx.max_pool(x, window)
    bound = (16 + 2 * halo) ** 2
    assert largest_read(values) <= bound
    assert largest_read(switches.offsets) <= bound
    # Unpooling and reading look at switches too.
    assert largest_read(unpoolx.unpool(values, switches)) <= 2 * bound
    assert largest_read(unpoolx.gather(x, switches)) <= 2 * bound
    assert largest_read(unpoolx.unpool_average(x, 3, 2)) <= (16 + 2) ** 2
    # The check can fail.
    assert largest_read(x.rechunk((1, 64, 64, 1))) > bound


def cut_names(lazy: Any) -> set[str]:
    """The names of the tasks that cut a halo out of a chunk."""
    return {key[0] for key in lazy.__dask_graph__() if isinstance(key, tuple) and "-cut-" in str(key[0])}


def test_windows_that_keep_to_their_chunks_read_nothing_of_others() -> None:
    x = da.zeros((2, 32, 32, 4), chunks=(1, 8, 16, 2), dtype=np.float32)
    values, switches = unpoolx.max_pool(x, 2)
    assert values.chunks == ((1, 1), (4,) * 4, (8, 8), (2, 2))
    restored = unpoolx.unpool(values, switches)
    assert restored.chunks == x.chunks
    assert not cut_names(restored)
    assert not cut_names(unpoolx.gather(x, switches))
    assert cut_names(unpoolx.max_pool(x, 3, 2)[0])  # the check can fail


@pytest.mark.parametrize("window", [Window(3, 2, 1), Window(3, 1, 1), Window(2), Window(5, 4, 2)])
def test_chunks_come_back_as_they_were(window: Window) -> None:
    x = da.zeros((1, 32, 48, 1), chunks=(1, 8, 16, 1), dtype=np.float32)
    values, switches = unpoolx.max_pool(x, window)
    step = window.with_rank_of(x.shape).stride[0]
    assert values.chunks[1] == (8 // step,) * 4
    assert unpoolx.unpool(values, switches).chunks == x.chunks


def test_chunks_smaller_than_the_halo_are_joined() -> None:
    x = np.random.default_rng(0).standard_normal((1, 64, 1)).astype(np.float32)
    lazy = da.from_array(x, chunks=(1, 1, 1))
    values, switches = unpoolx.max_pool(lazy, 9, 1)
    assert len(values.chunks[1]) <= 8
    expected, _ = unpoolx.max_pool(x, 9, 1)
    same(values, expected, "values of tiny chunks")
    assert min(values.chunks[1]) >= 8 - 4
    assert largest_read(values) <= 3 * 9
    same(unpoolx.unpool(values, switches), unpoolx.unpool(*unpoolx.max_pool(x, 9, 1)), "unpool of tiny chunks")


# Read and update by index


INDICES: dict[str, Callable[[np.random.Generator], Any]] = {
    "slice": lambda rng: (slice(1, None, 2), slice(None, None, -3)),
    "integers": lambda rng: (0, slice(None), -2),
    "none and ellipsis": lambda rng: (..., None, slice(3)),
    "one element": lambda rng: (1, 2, 3),
    "one array": lambda rng: (slice(None), rng.integers(-7, 7, 9)),
    "an array of two axes": lambda rng: (slice(None, None, -1), slice(1, 6), rng.integers(-8, 8, (2, 3))),
    "two arrays": lambda rng: (slice(None), rng.integers(0, 7, (4, 1)), rng.integers(0, 8, 3)),
    "arrays apart": lambda rng: (rng.integers(0, 3, 5), slice(0, 6, 2), rng.integers(0, 8, 5)),
    "array, none, integer": lambda rng: (1, None, rng.integers(0, 7, 5), slice(None, None, -1)),
    "a mask of x": lambda rng: (rng.random((3, 7, 8)) < 0.3,),
    "a mask of an axis": lambda rng: (slice(None), rng.random(7) < 0.5, slice(2, 7)),
    "a mask and an array": lambda rng: (rng.random((3, 7)) < 0.2, 2),
    "nothing": lambda rng: (slice(None), np.zeros(0, int)),
}


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("dtype", ["float32", "uint8", "bool", "complex64"])
def test_reads_and_updates_give_the_bits_of_the_whole_array(name: str, dtype: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 2 if dtype == "bool" else 100, (3, 7, 8)).astype(dtype)
        lazy = da.from_array(x, chunks=((2, 1), (3, 2, 2), (5, 3)))
        index = INDICES[name](rng)
        expected = at(x)[index].get()
        same(at(lazy)[index].get(), expected, f"get {name}")
        operations = (
            ["set", "max"]
            if dtype == "bool"
            else ["set", "add"]
            if dtype == "complex64"
            else ["set", "add", "multiply", "min"]
        )
        values = rng.integers(0, 2 if dtype == "bool" else 9, expected.shape).astype(dtype)
        for operation in operations:
            for given_values in (values, values[..., :1] if values.ndim else values, 1 if dtype != "bool" else True):
                wanted = getattr(at(x)[index], operation)(given_values)
                same(getattr(at(lazy, "dask")[index], operation)(given_values), wanted, f"{operation} {name}")
            if all(isinstance(item, (int, slice, type(None), type(...))) for item in index):
                wanted = getattr(at(x)[index], operation)(values)
                cut = da.from_array(values, chunks=2 if values.ndim else ())
                same(getattr(at(lazy)[index], operation)(cut), wanted, f"{operation} {name} of lazy values")


@pytest.mark.parametrize("mode", ["fill", "clip", "wrap"])
def test_numbers_out_of_range_do_as_the_mode_says(mode: str) -> None:
    x = np.arange(20.0, dtype=np.float32).reshape(4, 5)
    lazy = da.from_array(x, chunks=(3, 2))
    for index in (np.array([0, 9, -7]), (slice(None), np.array([-9, 4])), ([3, 4], [1, -6])):
        same(at(lazy)[index].get(mode=mode), at(x)[index].get(mode=mode), f"get {mode}")
        how = "drop" if mode == "fill" else mode
        same(at(lazy)[index].add(1.0, mode=how), at(x)[index].add(1.0, mode=how), f"add {how}")


def test_updates_of_one_element_in_several_calls_of_one_are_in_order() -> None:
    x = np.zeros(10, np.float32)
    lazy = da.from_array(x, chunks=3)
    index = np.array([7, 1, 7, 1, 9, 7])
    values = np.array([1e8, 1.0, -1e8, 1e-3, 5.0, 3.0], np.float32)
    same(at(lazy, "dask")[index].set(values), at(x)[index].set(values), "set")
    same(at(lazy, "dask")[index].add(values), at(x)[index].add(values), "add")
    assert at(x)[index].add(values).tobytes() != at(x)[index[::-1]].add(values[::-1]).tobytes()


def test_a_lazy_mask_updates_by_comparison() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    lazy = da.from_array(x, chunks=(3, 4))
    same(at(lazy)[lazy < 0].set(0.0), at(x)[x < 0].set(0.0), "set")
    same(at(lazy)[lazy < 0].multiply(-2.0), at(x)[x < 0].multiply(-2.0), "multiply")
    rows = np.array([True, False, True, False])
    same(at(lazy)[da.from_array(rows, chunks=2)].add(1.0), at(x)[rows].add(1.0), "rows")


def test_arguments_are_left_as_they_were() -> None:
    x = np.random.default_rng(0).standard_normal((2, 6, 4)).astype(np.float32)
    kept = x.copy()
    lazy = da.from_array(x, chunks=(1, 3, 4))
    name = lazy.name
    at(lazy)[0].set(1.0).compute()
    result = at(lazy)[...].get()
    result[0] = 9.0  # Dask's own assignment changes an array in place
    assert lazy.name == name
    assert np.array_equal(lazy.compute(), kept)
    given_array = np.zeros(4, np.float32)
    made = at(given_array, backend="dask")[1].set(1.0)
    given_array[:] = 7.0
    assert made.compute().tolist() == [0, 1, 0, 0]


# Refusals


@pytest.mark.rule("B10")
def test_unknown_chunks_are_refused_with_the_way_to_know_them() -> None:
    x = da.ones((9, 4, 1), chunks=(3, 2, 1))
    unknown = x[x[:, 0, 0] > 0]
    for call in (
        lambda: unpoolx.max_pool(unknown, 2),
        at(unknown)[0].get,
        lambda: unpoolx.unpool_nearest(unknown, 2),
    ):
        with pytest.raises(ValueError, match=r"compute_chunk_sizes\(\)"):
            call()
    values, _ = unpoolx.max_pool(unknown.compute_chunk_sizes(), 2)
    assert values.shape == (9, 2, 1)


@pytest.mark.rule("B10")
def test_raw_indices_out_of_range_are_an_error_of_the_task() -> None:
    x = da.ones((2, 2, 1), chunks=(1, -1, 1))
    indices = da.from_array(np.array([[[0], [3]], [[1], [4]]]), chunks=(1, -1, 1))
    lazy = by_indices(x, indices, (2, 4, 1), "spatial", "last")
    with pytest.raises(IndexError, match=r"4 at .* is out of range .* of length 4 .* count from \(1, 0, 0\)"):
        lazy.compute()
    assert lazy[0].compute().ravel().tolist() == [1, 0, 0, 1]


@pytest.mark.rule("B10")
def test_indices_outside_their_windows_are_an_error_of_the_task() -> None:
    indices = da.from_array(np.array([[[0], [3], [4], [1]]]), chunks=(1, 2, 1))
    switches = Switches.from_indices(indices, Window(2), (1, 8, 1), index_format="spatial")
    with pytest.raises(ValueError, match=r"1 of the 2 in one chunk do not. The first is at \(0, 3, 0\)"):
        switches.offsets.compute()
    assert switches.offsets[:, :2].compute().ravel().tolist() == [0, 1]
    with pytest.raises(ValueError, match="in one chunk do not"):
        Switches(da.full((1, 4, 1), 2, chunks=2), Window(2), (8,)).offsets.compute()


def test_raw_indices_over_several_chunks_of_a_plane_are_refused() -> None:
    x = da.ones((2, 4, 1), chunks=(1, 2, 1))
    indices = da.zeros((2, 4, 1), chunks=(1, 2, 1), dtype=int)
    with pytest.raises(ValueError, match=r"axes \[1\] in one chunk.*its plane.*x.rechunk\(\{1: -1\}\)"):
        by_indices(x, indices, (2, 8, 1), "spatial", "last")


@pytest.mark.rule("B10")
def test_what_dask_lacks_is_named_with_the_way_round() -> None:
    x = da.ones((4, 6), chunks=2)
    lazy_index = da.from_array(np.array([1, 2]), chunks=1)
    for call, lacks, mend in (
        (at(x)[x > 0].get, "how many elements of a mask are True", r"mask\.compute\(\)"),
        (at(x)[lazy_index].get, "which chunks an integer array", r"index\.compute\(\)"),
        (lambda: at(x)[lazy_index].set(1.0), "which chunks an integer array", r"index\.compute\(\)"),
        (lambda: at(x)[[0, 1]].set(x[:2]), "which values of an array", r"values\.compute\(\)"),
        (lambda: at(x, "dask")[x > 0].set(np.ones(24)), "which of several values", r"mask\.compute\(\)"),
    ):
        with pytest.raises(TypeError, match=f"Dask does not know .*{lacks}.*{mend}"):
            call()
    with pytest.raises(IndexError, match="7 is out of range for axis 0 of length 4"):
        at(x)[[0, 7]].get()


def test_arrays_of_numpy_and_dask_are_not_mixed_unasked() -> None:
    x = np.arange(16.0, dtype=np.float32).reshape(1, 16, 1)
    values, switches = unpoolx.max_pool(x, 4)
    with pytest.raises(TypeError, match="x of dask, switches of numpy"):
        unpoolx.unpool(da.from_array(values), switches)
    same(unpoolx.unpool(values, switches, backend="dask"), unpoolx.unpool(values, switches), "asked")
    with pytest.raises(TypeError, match=r"a lazy array of dask .* unasked; compute it first"):
        unpoolx.unpool(da.from_array(values), switches, backend="numpy")


def test_a_chunk_that_is_no_numpy_array_is_refused() -> None:
    masked = da.ma.masked_array(da.ones((1, 4, 1)), mask=da.zeros((1, 4, 1), dtype=bool))
    with pytest.raises(TypeError, match="expected a dense array"):
        unpoolx.max_pool(masked, 2)


# Real processes


def test_a_volume_survives_a_killed_process(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the example runs processes of Dask")
    pytest.importorskip("zarr", reason="the example keeps its volume in zarr")
    script = Path(__file__).resolve().parent.parent / "docs" / "examples" / "volume" / "volume.py"
    command = [sys.executable, str(script), "--kill", "--folder", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "is NumPy's, bit for bit" in result.stdout
    assert result.stdout.count(", killed half-way") == 1
    assert result.stdout.count("100% Completed") == 2, "both parts show their progress"
    assert not list(tmp_path.iterdir()), "the run left files behind"


def test_the_example_tells_a_chunk_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the example runs processes of Dask")
    zarr = pytest.importorskip("zarr", reason="the example keeps its volume in zarr")
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "docs" / "examples" / "volume")
    volume = importlib.import_module("volume")
    x = np.random.default_rng(0).integers(-9, 9, (1, 32, 32, 32, 1)).astype(np.float32)
    values, switches = unpoolx.max_pool(x, volume.WINDOW)
    arrays = {
        "volume": (x, 16),
        "values": (values, 8),
        "offsets": (switches.offsets, 8),
        "restored": (unpoolx.unpool(values, switches, overlap=volume.OVERLAP), 16),
    }
    stored = {what: zarr.array(array, chunks=(1, n, n, n, 1)) for what, (array, n) in arrays.items()}
    assert volume.differing(**stored) == []
    stored["offsets"][0, 9, 3, 3, 0] += 1
    stored["restored"][0, 17, 31, 0, 0] += 1.0
    assert volume.differing(**stored) == [
        "offsets of the chunk at (16, 0, 0)",
        "restored of the chunk at (16, 16, 0)",
    ]
