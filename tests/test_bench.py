"""`unpoolx bench`: what it compares is right, its ratios follow from the times, and its files and errors are in order.

No test says anything about how fast something is.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_fails
from harness import BACKENDS, Harness, UnavailableError
from numpy.lib.stride_tricks import sliding_window_view

import unpoolx
from unpoolx._bench import command, data, documented, files, machine, measure, problems, ways_numpy, ways_ours
from unpoolx._bench.data import AtData, PoolData
from unpoolx._bench.documented import DOCUMENTED, GROWTH, PACES, Pace, all_problems_of, pace_of
from unpoolx._bench.measure import Rounds, Way
from unpoolx._bench.outcome import Outcome, Quartiles
from unpoolx._bench.problems import Pooling, Problem
from unpoolx._bench.report import duration, shown_bytes
from unpoolx._bench.results import Measured, Report
from unpoolx._bench.saved import as_json, from_json
from unpoolx._bench.ways import task_of
from unpoolx._cli import main

ROOT = Path(__file__).resolve().parent.parent

# The ways of the frameworks' own that are not timed, and why: (backend, words of the problem, group, name, status),
# the name as a regular expression.
# Whatever else is not measured is a fault of the benchmark.
REFUSED = (
    ("torch", {"int8"}, "", "max_unpool2d", "failed"),  # has no kernel for it
    ("torch", {"unpool", "backward", "k3"}, "", "", "differs"),  # losers get gradients
    ("tf", {"unpool", "backward", "k3"}, "", "", "differs"),  # the same
    ("tf", {"unpool", "forward", "k3"}, "", "tf.scatter_nd", "differs"),  # it adds
    ("tf", {"round-trip", "k3"}, "", "tf.scatter_nd", "differs"),
    ("tf", set(), "jit_compile", "tf.nn.max_pool_with_argmax", "failed"),  # XLA has none
    ("tf", {"pool", "p1"}, "jit_compile", "^tf.nn.max_pool2d", "failed"),  # XLA has no explicit padding
    ("tf", set(), "jit_compile", "tf.raw_ops.TensorStridedSliceUpdate", "failed"),  # nor strides
)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of one call, and an environment that other tests get back."""
    monkeypatch.setattr(measure, "LEAST_SAMPLE", 0.0)
    monkeypatch.setenv("PJRT_NPROC", os.environ.get("PJRT_NPROC", "2"))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend that is installed, its framework held to two threads."""
    try:
        return Harness.of(request.param, "cpu").name
    except UnavailableError as reason:
        pytest.skip(str(reason))


def bench(*arguments: str | Path) -> int:
    return main(["bench", *map(str, arguments)])


def report_of(path: Path) -> dict[str, Any]:
    """The JSON of a run, read by a parser that refuses what is not JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


# What is compared


def expected_status(backend: str, words: set[str], way: dict[str, Any]) -> str:
    """What must come of a way."""
    if way["kind"] != "own":
        return "measured"
    statuses = [
        status
        for name, needed, group, part, status in REFUSED
        if name == backend and needed <= words and group in way["group"] and re.search(part, way["name"])
    ]
    # What cannot run has no result that could differ.
    return "failed" if "failed" in statuses else statuses[0] if statuses else "measured"


def assert_verified(report: dict[str, Any], backend: str) -> None:
    """Every way gave unpoolx's bits, or is known not to, and what is timed has its times and ratios."""
    assert report["problems"]
    for problem in report["problems"]:
        words = set(problem["name"].split())
        assert {way["kind"] for way in problem["ways"]} >= {"unpoolx"}
        for way in problem["ways"]:
            name = f"{backend}: {problem['name']}: {way['group']}: {way['name']}"
            assert way["status"] == expected_status(backend, words, way), f"{name}: {way['note']}"
            if way["status"] != "measured":
                assert way["note"], name
                assert way["seconds"] is way["own_over_ours"] is way["over_floor"] is None
                continue
            assert len(way["samples"]) == report["settings"]["rounds"]
            low, high = way["seconds"]["quartiles"]
            assert 0 < low <= way["seconds"]["median"] <= high
            # A call by unpoolx always has a floor; where there is none of the framework, it is the way of its group.
            if way["kind"] == "unpoolx" and problem["moved_bytes"]:
                assert way["over_floor"]["median"] > 0, name


@pytest.mark.parametrize(
    "words",
    [
        ("2d", "k3"),
        ("at",),
        ("tiny",),
        ("forward", "bfloat16"),
        ("round-trip", "int8"),
        ("unpool", "3d"),
        ("pool", "1d"),
    ],
    ids=" ".join,
)
def test_every_way_gives_the_bits_of_unpoolx_on_numpy_or_is_not_timed(
    backend: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    assert bench("--backend", backend, "--size", "test", "--only", *words, "--repeats", 1, "--json", path) == 0
    assert_verified(report_of(path), backend)


@pytest.mark.slow
def test_every_way_of_every_problem_in_a_process_of_its_own(backend: str, tmp_path: Path) -> None:
    """Here JAX is in the mode that most of its users have, and nobody else has set the threads."""
    path = tmp_path / "report.json"
    done = process("--backend", backend, "--size", "test", "--repeats", 1, "--json", path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_of(path)
    assert_verified(report, backend)
    assert report["machine"]["threads"][backend] == (1 if backend == "numpy" and not machine.numba() else 2)
    assert {way["name"] for way in report["problems"][-1]["ways"]} == {"import unpoolx", "import numpy"}


@pytest.mark.slow
def test_torch_compile_is_measured_on_both_sides_when_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    path = tmp_path / "report.json"
    only = ("--only", "forward", "2d", "k2", "float32")
    done = process("--backend", "torch", "--size", "test", "--compiled", *only, "--repeats", 1, "--json", path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_of(path)
    assert_verified(report, "torch")
    for problem in report["problems"]:
        compiled = {way["kind"] for way in problem["ways"] if way["group"].endswith("compiled")}
        assert compiled == {"unpoolx", "own"}


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, in an environment that no test has changed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "PJRT_", "XLA_"))}
    paths = [str(ROOT), str(ROOT / "backends"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return subprocess.run(
        [sys.executable, "-m", "unpoolx", "bench", *map(str, arguments)],
        env={**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.parametrize(
    ("pooling", "dtype"),
    [
        *((pooling, "float32") for pooling in problems.GEOMETRIES),
        (problems.PLAIN, "bfloat16"),
        (problems.PLAIN, "int8"),
    ],
)
def test_no_window_of_the_data_holds_two_equal_elements(pooling: Pooling, dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="NumPy has no bfloat16 without ml_dtypes")
    (shape,) = problems.SHAPES["test"][pooling.rank]
    data = PoolData(Problem("pool", "forward", "test", shape, dtype, pooling))
    x = data.x.astype(np.float64)
    axes = tuple(range(1, x.ndim - 1))
    windows = sliding_window_view(x, (pooling.kernel,) * pooling.rank, axes)
    elements = np.sort(windows.reshape(-1, pooling.kernel**pooling.rank), axis=-1)
    assert (np.diff(elements) > 0).all()
    assert data.x.dtype.name == dtype
    assert (x == np.rint(x)).all()


def test_a_large_array_repeats_its_first_images(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("pool", "forward", "test", (5, 4, 4, 2), "float32", problems.PLAIN)
    whole = PoolData(problem).x
    monkeypatch.setattr(data, "REPEATED", 2 * 4 * 4 * 2)
    x = PoolData(problem).x
    assert (x.shape, x.dtype) == (whole.shape, whole.dtype)
    assert all(np.array_equal(x[n], x[n % 2]) for n in range(5))
    assert not np.array_equal(x[0], x[1])
    monkeypatch.setattr(data, "REPEATED", 1)  # less than an image
    assert np.array_equal(PoolData(problem).x[4], PoolData(problem).x[0])


def test_unpoolx_alone_is_held_to_its_offsets() -> None:
    problem = Problem("pool", "forward", "test", (2, 4, 4, 2), "float32", problems.PLAIN)
    expected = PoolData(problem, alone=True).expected()
    assert expected.keys() == {"values", "offsets"}
    framework = ways_numpy.NumPy(1, compiled=False)
    task = task_of(problem, framework, alone=True)
    assert {way.kind for way in task.ways} == {"unpoolx", "floor"}
    right = measure.measure(task.ways, task.expected, Rounds.exactly(1))
    assert [outcome.status for outcome in right] == ["measured"] * 3
    wrong = measure.measure(task.ways, {**expected, "offsets": expected["offsets"] ^ 1}, Rounds.exactly(1))
    assert [outcome.status for outcome in wrong] == ["differs", "differs", "measured"]


def test_half_of_the_rows_is_updated_and_duplicates_are_some() -> None:
    unique = AtData(Problem("at", "unique", "test", (12, 4)))
    assert len(set(unique.integers.tolist())) == len(unique.integers) == 6
    duplicates = AtData(Problem("at", "duplicates", "test", (12, 4)))
    assert len(set(duplicates.integers.tolist())) < len(duplicates.integers) == 6
    assert (unique.x[unique.integers] != unique.values).all()


def test_a_wrong_result_of_unpoolx_is_not_timed_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def wrong(values: Any, switches: unpoolx.Switches) -> tuple[Any]:
        return (-unpoolx.unpool(values, switches),)

    monkeypatch.setattr(ways_ours, "_unpool", wrong)
    path = tmp_path / "report.json"
    only = ("--only", "unpool", "2d", "k2", "float32")
    assert bench("--backend", "numpy", "--size", "test", *only, "--repeats", 1, "--json", path) == 1
    (problem,) = report_of(path)["problems"]
    statuses = {(way["kind"], way["status"]) for way in problem["ways"]}
    assert statuses == {("unpoolx", "differs"), ("own", "measured"), ("floor", "measured")}
    assert all(way["own_over_ours"] is None for way in problem["ways"])
    out = capsys.readouterr().out
    assert "elements differ from unpoolx on NumPy" in out
    assert "unpoolx differs in numpy: unpool forward 2d k2 s2 float32 test batch2" in out


@pytest.mark.parametrize(
    ("got", "expected", "text"),
    [
        (np.float32([1, -0.0]), np.float32([1, 0.0]), "values: 1 of 2 elements differ from unpoolx on NumPy"),
        (np.float32([1]), np.float32([1, 2]), "values: shape (1,) in place of (2,)"),
        (np.float64([1]), np.float32([1]), "values: dtype float64 in place of float32"),
        (np.float32([[1, 2], [3, 4]]).T, np.float32([[1, 3], [2, 4]]), ""),
    ],
)
def test_results_are_compared_bit_for_bit(got: np.ndarray, expected: np.ndarray, text: str) -> None:
    assert measure.difference("values", got, expected) == text


def test_numba_is_told_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba", reason="numba is not installed")
    monkeypatch.delenv("UNPOOLX_NUMBA", raising=False)
    assert machine.numba() == {"numba": numba.__version__}
    monkeypatch.setenv("UNPOOLX_NUMBA", "0")
    assert machine.numba() == {}
    code = "from unpoolx_backends import _fused; print(_fused.ENABLED)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# How it is measured


class Clock:
    """Seconds that pass only when a way lets them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        """Now."""
        return self.now

    def way(self, name: str, kind: str, seconds: list[float], group: str = "") -> Way:
        """A way whose calls take these seconds, the last for ever."""
        left = iter([*seconds, *itertools.repeat(seconds[-1], 1000)])

        def call() -> None:
            self.log.append(name)
            self.now += next(left)

        return Way(name, group, kind, lambda: call)

    def measure(self, *ways: Way, rounds: int) -> list[Outcome]:
        """The ways measured by this clock."""
        return measure.measure(ways, {}, Rounds.exactly(rounds), clock=self)


def measured_by(clock: Clock, *ways: Way, rounds: int, moved_bytes: int = 8) -> Measured:
    return Measured("numpy", Problem("at", "mask", "test", (1, 1)), moved_bytes, clock.measure(*ways, rounds=rounds))


# Two calls to begin with: one that is checked, one that warms the way up.
BEGIN = [100.0, 50.0]


def test_times_and_ratios_follow_from_the_clock() -> None:
    clock = Clock()
    found = measured_by(
        clock,
        clock.way("ours", "unpoolx", [*BEGIN, 2.0, 4.0, 8.0, 2.0, 2.0]),
        clock.way("theirs", "own", [*BEGIN, 6.0, 4.0, 16.0, 10.0, 8.0]),
        clock.way("copy", "floor", [*BEGIN, 1.0]),
        rounds=5,
    )
    ours, theirs, floor = found.outcomes
    assert ours.seconds == [2.0, 4.0, 8.0, 2.0, 2.0]
    assert ours.spread == Quartiles(2.0, 2.0, 4.0)
    assert found.own_over_ours(theirs) == Quartiles(2.0, 3.0, 4.0)  # of 3, 1, 2, 5 and 4: round by round
    assert found.over_floor(ours) == Quartiles(2.0, 2.0, 4.0)
    assert found.beyond_floor(ours) == Quartiles(1.0, 1.0, 3.0)
    assert found.own_over_ours(ours) is found.own_over_ours(floor) is found.over_floor(floor) is None


def test_ways_are_compared_within_their_group_and_the_fastest_count() -> None:
    clock = Clock()
    found = measured_by(
        clock,
        clock.way("a", "unpoolx", [4.0], "NHWC"),
        clock.way("b", "unpoolx", [2.0], "NHWC"),
        clock.way("c", "unpoolx", [8.0], "NCHW"),
        clock.way("d", "own", [6.0], "NHWC"),
        clock.way("e", "own", [3.0], "NHWC"),
        clock.way("f", "own", [5.0], "eager"),
        rounds=3,
        moved_bytes=0,
    )
    assert found.groups == ["NHWC", "NCHW"]
    assert (found.ours("NHWC").name, found.own("NHWC").name, found.own("NCHW")) == ("b", "e", None)
    by_name = {outcome.name: outcome for outcome in found.outcomes}
    assert found.own_over_ours(by_name["d"]).median == 3.0
    assert found.own_over_ours(by_name["f"]) is None
    # Where nothing is copied, the least call is the framework's own.
    assert found.beyond_floor(by_name["a"]).median == 1.0
    assert found.beyond_floor(by_name["c"]) is None
    by_name["e"].complete = False  # it gives less than it should, so that the slower one counts
    assert found.own("NHWC").name == "d"


def test_ways_take_turns_in_changing_order_after_they_are_warm() -> None:
    clock = Clock()
    names = ["a", "b", "c", "d"]
    clock.measure(*(clock.way(name, "own", [1.0]) for name in names), rounds=6)
    warm, turns = clock.log[:8], clock.log[8:]
    assert warm == ["a", "a", "b", "b", "c", "c", "d", "d"]
    orders = [tuple(turns[start : start + 4]) for start in range(0, 24, 4)]
    assert all(sorted(order) == names for order in orders)
    assert len(set(orders)) > 1


def test_short_calls_are_timed_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "LEAST_SAMPLE", 1.0)
    clock = Clock()
    (outcome,) = clock.measure(clock.way("a", "own", [0.125]), rounds=3)
    assert outcome.calls == 8
    assert outcome.seconds == [0.125] * 3
    assert len(clock.log) == 1 + (1 + 2 + 4 + 8) + 3 * 8


def test_rounds_end_when_their_time_is_over_but_are_enough() -> None:
    for seconds, expected in ((0.5, 15), (1.0, 9), (100.0, 5)):
        clock = Clock()
        (outcome,) = measure.measure([clock.way("a", "own", [seconds])], {}, Rounds(5, 15, 8.0), clock=clock)
        assert len(outcome.seconds) == expected, seconds


@pytest.mark.parametrize(
    ("samples", "expected"), [([3.0], (3, 3, 3)), ([1.0, 3.0], (1.5, 2, 2.5)), ([5.0, 1, 3], (2, 3, 4))]
)
def test_quartiles(samples: list[float], expected: tuple[float, float, float]) -> None:
    assert Quartiles.of(samples) == Quartiles(*expected)


def test_a_way_that_fails_or_lacks_a_result_harms_no_other() -> None:
    def broken() -> Callable[[], Any]:
        raise NotImplementedError("no kernel")

    one = np.float32([1])
    expected = {"values": one, "places": one}
    right = Way("right", "", "unpoolx", lambda: lambda: one, lambda x: {"values": x, "places": x})
    partial = Way("partial", "", "own", lambda: lambda: one, lambda x: {"values": x})
    ours = Way("ours", "", "unpoolx", lambda: lambda: one, lambda x: {"values": x})
    ways = [Way("broken", "", "own", broken), right, partial, ours]
    outcomes = measure.measure(ways, expected, Rounds.exactly(1))
    assert [outcome.status for outcome in outcomes] == ["failed", "measured", "measured", "differs"]
    assert outcomes[0].note == "NotImplementedError: no kernel"
    assert [outcome.complete for outcome in outcomes[1:3]] == [True, False]
    assert outcomes[3].note == "expected values, places; got values"


def test_numpy_has_as_many_threads_as_are_asked_for_and_so_has_its_floor() -> None:
    from unpoolx_backends import _fused

    for threads in (1, 3):
        framework = ways_numpy.NumPy(threads, compiled=False)
        name, copy = framework.copy(10**6 + 1)
        assert (copy() == np.arange(10**6 + 1)).all()
        if machine.numba():
            assert framework.threads() == threads
            assert ("in 3 threads" in name) == (threads == 3)
        with framework.place():
            assert _fused.cpus() == framework.threads()
    assert framework.copy(10)[0] == "x.copy()"


def test_the_peak_of_memory_is_that_of_the_call() -> None:
    def call() -> np.ndarray:
        return np.ones(1 << 20, np.uint8)[:: 1 << 19].copy()

    (outcome,) = measure.measure([Way("a", "", "own", lambda: call)], {}, Rounds.exactly(1), peaks=True)
    assert 1 << 20 <= outcome.peak_bytes < 1 << 21


# Problems, their names and the choice among them


@pytest.mark.parametrize("size", ["test", *problems.SIZES, *DOCUMENTED])
def test_names_are_unique_and_say_what_is_measured(size: str) -> None:
    names = [problem.name for problem in all_problems_of(size)]
    assert len(set(names)) == len(names)
    if size == "medium":
        assert "pool forward 2d k3 s2 p1 float32 medium batch8" in names
        assert {"at slice float32 medium", "tiny pool", "import"} <= set(names)
        assert not any("backward" in name and "int8" in name for name in names)


@pytest.mark.parametrize(
    ("size", "least", "most"), [("small", 2**20, 2**20), ("medium", 25e6, 26e6), ("large", 2**30, 2**30)]
)
def test_sizes_are_what_they_are_called(size: str, least: float, most: float) -> None:
    sizes = {p.input_bytes for p in problems.problems_of(size) if p.size and p.dtype == "float32"}
    assert all(least <= number <= most for number in sizes)
    assert [p.input_bytes for p in problems.problems_of("all")[:5]] == [2**20 * 4**i for i in range(5)]


def test_what_does_not_fit_into_memory_becomes_smaller_or_is_left_out() -> None:
    wanted = problems.chosen(problems.problems_of("large"), ["pool", "forward", "2d", "k2", "float32"])
    assert problems.holdable(wanted, None) == (wanted, [])
    assert problems.holdable(wanted, 2**30 * problems.TIMES_THE_INPUT) == (wanted, [])
    (half,), (note,) = problems.holdable(wanted, 2**30 * problems.TIMES_THE_INPUT - 1)
    assert half.input_bytes == 2**29
    assert "(32, 256, 256, 64) takes the place of (64, 256, 256, 64)" in note.reason
    found, (note,) = problems.holdable(wanted, 2**28 * problems.TIMES_THE_INPUT - 1)
    assert found == []
    assert "is too little" in note.reason
    (alone,), notes = problems.holdable(wanted, 2**30 * problems.TIMES_ALONE, 2**29)
    assert (alone.input_bytes, notes) == (2**30, [])
    (half,), _ = problems.holdable(wanted, 2**30 * problems.TIMES_ALONE, 2**30)
    assert half.input_bytes < 2**30
    medium = problems.problems_of("medium")
    assert problems.holdable(medium, 2**20)[0] == [p for p in medium if not p.size]


def test_free_memory_is_what_the_machine_and_its_container_leave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "GROUP", tmp_path)
    assert machine.free_memory() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    7 kB\n", encoding="ascii")
    assert machine.free_memory() == 7 * 1024
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    (tmp_path / "memory.current").write_text("1000\n", encoding="ascii")
    assert machine.free_memory() == 7 * 1024
    (tmp_path / "memory.max").write_text("5000\n", encoding="ascii")
    assert machine.free_memory() == 4000


def test_the_processors_that_others_keep_busy_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    usage, now = tmp_path / "stat", [0.0]
    monkeypatch.setattr(machine, "USAGE", usage)
    monkeypatch.setattr(machine.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(machine.os, "times", lambda: (now[0] / 2, 0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(machine.os, "sysconf", lambda _: 100)
    assert machine.Others().cpus() is None
    usage.write_text("cpu  100 10 20 5000 50 1 2 3 7 7\ncpu0 1 2 3\n", encoding="ascii")
    others = machine.Others()
    usage.write_text("cpu  400 10 120 9000 90 1 2 3 7 7\ncpu0 1 2 3\n", encoding="ascii")
    now[0] = 4.0
    assert others.cpus() == 0.5  # of four seconds, four were worked, two of them by this process
    monkeypatch.setattr(machine.Others, "cpus", lambda _: 0.5)
    assert bench(*ONE, "--backend", "numpy") == 0
    assert "kept 0.5 processors busy at worst, and more than 0.1 in 1 of 1 problems" in capsys.readouterr().out


# The command


ONE = ("--size", "test", "--only", "at", "mask", "--repeats", "1")


def test_the_report_says_what_was_measured_where_and_how(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    only = ("--only", "2d", "k2", "float32")
    code = bench("--backend", "numpy", "--size", "test", *only, "--repeats", 3, "--threads", "all", "--json", path)
    assert code == 0
    report = report_of(path)
    assert report["schema"] == 2
    assert report["settings"] == {
        "size": "test",
        "only": ["2d", "k2", "float32"],
        "form": [],
        "rounds": 3,
        "threads": os.cpu_count(),
        "compiled": False,
    }
    assert report["machine"]["cpu_count"] == os.cpu_count()
    assert report["machine"]["versions"]["numpy"] == np.__version__
    assert report["machine"]["threads"] == {"asked": os.cpu_count(), "numpy": os.cpu_count() if machine.numba() else 1}
    names = [problem["name"] for problem in report["problems"]]
    rest = "2d k2 s2 float32 test batch2"
    assert names == [f"pool forward {rest}", f"unpool forward {rest}", f"round-trip {rest}"]
    pool = report["problems"][0]
    assert pool["window"] == {"rank": 2, "kernel": 2, "stride": 2, "padding": 0}
    x, pooled = 2 * 6 * 8 * 3, 2 * 3 * 4 * 3
    assert (pool["shape"], pool["dtype"]) == ([2, 6, 8, 3], "float32")
    assert (pool["input_bytes"], pool["moved_bytes"]) == (4 * x, 4 * x + 4 * pooled + pooled)
    assert all(way["peak_bytes"] > 0 for way in pool["ways"])
    for way in pool["ways"]:
        assert (way["own_over_ours"] is None) == (way["kind"] != "own")
        assert (way["over_floor"] is None) == (way["kind"] == "floor")
        assert way["complete"]
    assert [left_out["reason"] for left_out in report["left_out"]] == ["NumPy has no gradients"] * 2
    out = capsys.readouterr().out
    for text in (
        f"numpy: pool forward {rest}  (2, 6, 8, 3), 1.2 kB",
        "sliding_window_view, argmax, take_along_axis",
        "own/ours  ours/floor  peak memory",
        "floor: x.copy()",
        "left out: numpy (2 problems): NumPy has no gradients",
        f"json: {path}",
    ):
        assert text in out, text


def test_a_form_leaves_the_others_out_and_the_floor_in(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    only = ("--only", "unpool", "2d", "k2", "float32", "--form", "NCHW")
    assert bench("--backend", "numpy", "--size", "test", *only, "--repeats", 1, "--json", path) == 0
    (problem,) = report_of(path)["problems"]
    groups = [(way["kind"], way["group"]) for way in problem["ways"]]
    assert groups == [("unpoolx", "NCHW"), ("own", "NCHW"), ("floor", "")]
    ways = [Way("", group, "unpoolx", object) for group in ("NCHW", "NCHW channels_last", "NHWC, jit")]
    for words, expected in ((("NCHW",), [0]), (("NCHW", "channels_last"), [1]), (("jit",), [2]), ((), [0, 1, 2])):
        assert command._of_form(ways, words) == [ways[number] for number in expected]


def test_a_layout_means_those_of_the_other_ranks() -> None:
    groups = ("NCW", "NWC, jit", "NCDHW", "NCDHW channels_last", "NDHWC")
    ways = [Way("", group, "unpoolx", object) for group in groups]
    for words, expected in (
        (("NCHW",), [0, 2]),
        (("NHWC",), [1, 4]),
        (("NCHW", "channels_last"), [3]),
        (("NWC",), [1, 4]),
    ):
        assert command._of_form(ways, words) == [ways[number] for number in expected]


def test_the_largest_arrays_of_the_page_are_for_unpoolx_alone_in_one_form(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = (("1MB", (1, 4, 4, 2)), ("4MB", (4, 4, 4, 2)))
    monkeypatch.setattr(documented, "STEPS", steps)
    path = tmp_path / "report.json"
    monkeypatch.setitem(PACES, GROWTH, Pace(Rounds.exactly(1), forms=1))
    assert bench("--backend", "numpy", "--size", GROWTH, "--json", path) == 0
    assert {way["group"] for problem in report_of(path)["problems"] for way in problem["ways"]} == {"NHWC", ""}
    monkeypatch.setitem(PACES, GROWTH, Pace(Rounds.exactly(1), 4 * 4 * 4 * 2))
    assert bench("--backend", "numpy", "--size", GROWTH, "--json", path) == 0
    for problem in report_of(path)["problems"]:
        forms = [(way["kind"], way["group"]) for way in problem["ways"]]
        alone = [("unpoolx", "NHWC"), ("floor", "")]
        assert forms == alone if problem["size"] == "4MB" else len(forms) > 4, problem["name"]
    assert pace_of("medium") == Pace(Rounds())


def test_the_import_is_measured_once_in_fresh_processes(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert bench("--backend", "numpy", "--size", "test", "--only", "import", "--repeats", 1, "--json", path) == 0
    (problem,) = report_of(path)["problems"]
    ours, floor = problem["ways"]
    assert (ours["name"], floor["name"]) == ("import unpoolx", "import numpy")
    beyond = ours["seconds_beyond_floor"]["median"]
    assert beyond == pytest.approx(ours["samples"][0] - floor["samples"][0])


def test_the_module_runs_the_command() -> None:
    done = process("--backend", "numpy", "--size", "test", "--only", "tiny", "at", "--repeats", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ours - floor" in done.stdout


def test_the_plot_has_a_panel_for_each_operation_and_a_line_for_each_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="the demo extra is not installed")
    image = pytest.importorskip("PIL.Image", reason="the demo extra is not installed")
    from unpoolx._bench import plot

    drawn: dict[str, list[str]] = {}
    panel = plot._panel

    def watched(axes: Any, title: str, measured: Any) -> None:
        panel(axes, title, measured)
        drawn[title] = [line.get_label() for line in axes.get_lines()]
        assert all(len(line.get_xdata()) == 3 for line in axes.get_lines())
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")

    monkeypatch.setattr(plot, "_panel", watched)
    ladder = tuple((f"{count}MB", (count, 4, 4, 2)) for count in (1, 4, 16))
    monkeypatch.setattr(problems, "LADDER", ladder)
    picture, path = tmp_path / "picture.png", tmp_path / "report.json"
    code = bench("--backend", "numpy", "--size", "all", "--repeats", 2, "--plot", picture, "--json", path)
    assert code == 0
    assert sorted(drawn) == ["numpy: pool forward", "numpy: round-trip", "numpy: unpool forward"]
    # In each of two forms unpoolx's and the fastest of NumPy's own, however many there are, and the floor.
    assert [len(names) for names in drawn.values()] == [2 * 2 + 1] * 3
    assert drawn["numpy: pool forward"] == [
        "unpoolx, NHWC",
        "sliding_window_view, NHWC",
        "unpoolx, NCHW",
        "sliding_window_view, NCHW",
        "floor: x.copy()",
    ]
    with image.open(picture) as opened:
        assert (opened.format, opened.size) == ("PNG", (540, 1110))
    sizes = [problem["size"] for problem in report_of(path)["problems"]]
    assert sizes == ["1MB", "4MB", "16MB"] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["picture.png", "report.json"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--size", "huge"], ["--size: expected one of small, medium, large, all; got 'huge'"]),
        (["--backend", "tensorflw"], ["--backend: expected one of numpy, tf, jax, torch or all", "'tensorflw'"]),
        (["--only", "k22"], ["--only", "'k22'", "Did you mean", "'k2'"]),
        (["--only", "zzz"], ["--only", "'zzz'", "There are: pool, forward"]),
        (["--only", "1d", "p1"], ["--only: no problem has all of '1d', 'p1' in its name"]),
        (
            ["--backend", "numpy", "--size", "test", "--only", "at", "--form", "x"],
            ["--form: expected words of a layout"],
        ),
        (["--backend", "numpy", "--only", "backward"], ["nothing to measure: NumPy has no gradients"]),
        (["--repeats", "0"], ["--repeats", "at least 1; got '0'"]),
        (["--threads", "many"], ["--threads", "at least 1; got 'many'"]),
        (["--plot", "x.png"], ["--plot: expected --size all", "got --size medium"]),
        (["--size", "all", "--plot", "x.jpg"], ["--plot: expected a name that ends in .png; got 'x.jpg'"]),
        (["--json", "no/such/folder/x.json"], ["--json: there is no folder"]),
        (["--size", "all", "--plot", "x.png", "--json", "x.png"], ["--plot", "is the file of --json, too"]),
        (["medium"], ["unrecognized arguments: medium"]),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(
    arguments: list[str],
    parts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_fails(bench(*arguments), capsys, *parts)
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_for_any_problem_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: 1 << 20)
    code = bench("--backend", "numpy", "--size", "large", "--only", "pool", "forward")
    assert_fails(code, capsys, "no problem of this size fits into memory", "1 MiB of memory are free")


def without(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """PyTorch cannot be had, the others but NumPy are not looked for."""
    get_backend = unpoolx.get_backend

    def found(name: Any) -> unpoolx.Backend:
        if name == "torch":
            raise error
        return get_backend(name)

    monkeypatch.setattr(command.unpoolx, "get_backend", found)
    kept = {name: command.FRAMEWORKS[name] for name in ("numpy", "torch")}
    monkeypatch.setattr(command, "FRAMEWORKS", kept)


def test_a_framework_that_is_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, unpoolx.BackendNotInstalledError("backend 'torch' needs torch: pip install 'unpoolx[torch]'"))
    assert bench(*ONE) == 0
    assert "left out: torch: backend 'torch' needs torch: pip install 'unpoolx[torch]'" in capsys.readouterr().out
    assert_fails(bench(*ONE, "--backend", "torch"), capsys, "--backend: torch: backend 'torch' needs torch")


def test_a_framework_that_cannot_be_loaded_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    without(monkeypatch, RuntimeError("libtorch is broken"))
    path = tmp_path / "report.json"
    assert bench(*ONE, "--json", path) == 1
    assert "torch: cannot be loaded: RuntimeError: libtorch is broken" in capsys.readouterr().out
    assert [broken["what"] for broken in report_of(path)["broken"]] == ["torch"]
    assert_fails(bench(*ONE, "--backend", "torch"), capsys, "libtorch is broken")


def test_tensorflow_that_has_begun_with_other_threads_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    Harness.of("tf", "cpu")
    tf.zeros(1)
    assert_fails(bench(*ONE, "--backend", "tf", "--threads", 3), capsys, "--threads: TensorFlow has begun")


def test_an_interrupted_run_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "measure", interrupted)
    assert bench(*ONE, "--backend", "numpy", "--json", tmp_path / "report.json") == 130
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_in_the_end_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_bytes", full)
    assert bench(*ONE, "--backend", "numpy", "--json", path) == 2
    assert f"--json: {path} cannot be written: No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_saved_report_is_read_again_and_a_brief_one_keeps_its_ratios(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    only = ("--only", "2d", "k2", "forward", "float32")
    assert bench("--backend", "numpy", "--size", "test", *only, "--repeats", 3, "--json", path) == 0
    text = path.read_text(encoding="utf-8")
    whole = from_json(text)
    assert as_json(whole) == text
    brief_text = as_json(whole, brief=True)
    assert len(brief_text) < len(text) / 1.5
    brief = from_json(brief_text)
    for kept, measured in zip(brief.measured, whole.measured, strict=True):
        for group in measured.groups:
            assert kept.own(group).name == measured.own(group).name
            ratio = measured.own_over_ours(measured.own(group)).median
            assert kept.own_over_ours(kept.own(group)).median == pytest.approx(ratio, rel=2e-3)


@pytest.mark.parametrize("text", ["[]", '{"schema": 1}'])
def test_what_is_no_report_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="expected a report of `unpoolx bench --json`"):
        from_json(text)


def test_a_way_that_races_is_timed_but_counts_only_where_there_is_no_other() -> None:
    clock = Clock()
    one = np.float32([1])
    racing = Way("racing", "", "own", lambda: lambda: one, lambda x: {"values": -x}, races=True)
    sure = Way("sure", "", "own", lambda: lambda: one, lambda x: {"values": x})
    ours = Way("ours", "", "unpoolx", lambda: lambda: one, lambda x: {"values": x})
    outcomes = measure.measure([racing, sure, ours], {"values": one}, Rounds.exactly(1), clock=clock)
    assert [outcome.complete for outcome in outcomes] == [False, True, True]
    found = Measured("torch", Problem("at", "duplicates", "test", (1, 1)), 8, outcomes)
    assert found.own("").name == "sure"


def test_a_report_of_nothing_is_json() -> None:
    assert json.loads(as_json(Report("now", {}, {})))["problems"] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.0, "2 s"),
        (0.01234, "12.3 ms"),
        (4.5e-5, "45 us"),
        (7e-9, "7 ns"),
        (-3.2e-5, "-32 us"),
        (0.0, "0 ns"),
        (2e3, "2000 s"),
    ],
)
def test_durations_are_told_in_a_fitting_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(12, "12 bytes"), (1500, "1.5 kB"), (25_690_112, "25.7 MB"), (2**30, "1.1 GB")]
)
def test_bytes_are_told_in_a_fitting_unit(number: int, text: str) -> None:
    assert shown_bytes(number) == text
