"""docs/performance.md says what docs/performance.json holds, and its targets are judged by the numbers."""

from __future__ import annotations

import copy
import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unpoolx._bench import goals, memory_report, page, parts, tables, tables_beyond
from unpoolx._bench.documented import GROWTH, KINDS, PAGE, all_problems_of
from unpoolx._bench.goals import Goal
from unpoolx._bench.memory import Held
from unpoolx._bench.outcome import Outcome
from unpoolx._bench.problems import PLAIN, Pooling, Problem
from unpoolx._bench.results import Measured, Report

ROOT = Path(__file__).resolve().parent.parent
PAGES = ((page.PAGE, page.IN_PAGE), (page.README, page.IN_README))
MOST_BYTES = 400_000


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """What the repository holds."""
    return parts.restored((ROOT / page.JSON).read_text(encoding="utf-8"))


def outdated(name: str, text: str, sections: dict[str, Any], reports: dict[str, Report]) -> list[str]:
    """The lines of a page that are not what the measurements give."""
    made = page.filled(text, sections, reports)
    return [f"{name}: {line}" for line in set(text.splitlines()) ^ set(made.splitlines())]


@pytest.mark.parametrize(("name", "sections"), PAGES)
def test_the_tables_are_what_the_measurements_give(
    name: str, sections: dict[str, Any], reports: dict[str, Report]
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert page.filled(text, sections, reports) == text, outdated(name, text, sections, reports)


@pytest.mark.parametrize(("name", "sections"), PAGES)
def test_a_table_that_was_written_by_hand_is_seen(
    name: str, sections: dict[str, Any], reports: dict[str, Report]
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    number = re.compile(r"(\| )(\d+(?:\.\d+)?)( \|)")
    begin = text.index("<!-- measured: " + list(sections)[-1])
    changed = text[:begin] + number.sub(lambda m: f"{m[1]}{m[2]}7{m[3]}", text[begin:], count=1)
    assert changed != text
    assert outdated(name, changed, sections, reports)


def test_the_text_around_the_tables_states_no_time_and_no_ratio() -> None:
    """Such a number would contradict the tables when they are made anew."""
    unmeasured = re.compile(r"<!-- measured.*?<!-- end -->", re.DOTALL)
    claim = re.compile(r"\d[\d.]* (?:times|ms|us|seconds)\b|\d x\b")
    assert claim.findall("takes 6.7 ms, 3 times as long") == ["6.7 ms", "3 times"]
    text = (ROOT / page.PAGE).read_text(encoding="utf-8")
    assert claim.findall(unmeasured.sub("", text)) == []


def test_the_measurements_are_whole_and_few(reports: dict[str, Report]) -> None:
    text = (ROOT / page.JSON).read_text(encoding="utf-8")
    assert len(text) < MOST_BYTES
    assert parts.saved(reports) == text
    assert set(reports) == set(parts.PARTS)
    assert all(report.passed for report in reports.values())
    words = [set(problem.words) for problem in all_problems_of(PAGE)]
    for goal in (*goals.pooling(), *goals.indexing(), *goals.overheads(), goals.IMPORT):
        for wanted in filter(None, goal.problems):
            assert any(set(wanted) <= known for known in words), f"no problem is {' '.join(wanted)}"
            assert goals.found(reports, goal.part, wanted) is not None, f"{goal.part}: {' '.join(wanted)}"
        assert any(c is not None and c.value is not None for c in goal.cells(reports)), f"nothing measured: {goal}"


def test_every_kind_every_step_and_all_memory_is_measured(reports: dict[str, Report]) -> None:
    words = [set(problem.words) for problem in all_problems_of(KINDS)]
    for kind, wanted in tables_beyond.KINDS.items():
        assert any(set(wanted) <= known for known in words), f"no problem is {kind}"
        for backend in parts.FIRST:
            found = goals.found(reports, f"{backend}-kinds", ("pool", "forward", *wanted))
            assert found is not None, f"{backend}: {kind}"
            assert goals.group_of(found, parts.FIRST[backend]) is not None, f"{backend}: {kind}: {found.groups}"
    for backend in parts.FIRST:
        report = reports[f"{backend}-growth"]
        found = [m.problem for m in report.measured]
        left_out = {left_out.what for left_out in report.left_out}
        lacking = [problem.name for problem in all_problems_of(GROWTH) if problem not in found]
        assert set(lacking) <= left_out, f"{backend}: {lacking}"
    for name, backends in (("memory", memory_report.LAYOUTS), ("memory-plain", memory_report.WITH_NUMBA)):
        assert {m.backend for m in reports[name].measured} == set(backends)
        assert all(memory_report.switch_bytes(m) == 1 for m in reports[name].measured)


def test_the_picture_is_made_of_the_measurements(reports: dict[str, Report]) -> None:
    pytest.importorskip("matplotlib", reason="the demo extra is not installed")
    image = pytest.importorskip("PIL.Image", reason="the demo extra is not installed")
    import io

    with image.open(io.BytesIO(page.picture(reports))) as made, image.open(ROOT / page.PICTURE) as kept:
        assert made.size == kept.size
        difference = np.abs(np.asarray(made.convert("L"), np.int16) - np.asarray(kept.convert("L"), np.int16))
    # Another release of matplotlib may set a pixel otherwise; a line elsewhere changes thousands.
    assert (difference > 64).mean() < 0.002


def test_pages_of_a_new_measurement_are_those_of_the_file_that_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: dict[str, Report]
) -> None:
    (tmp_path / "docs").mkdir()
    for name in (page.JSON, page.PAGE, page.README):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    measured = copy.deepcopy(reports["jax"])
    for one in measured.measured:
        for number, outcome in enumerate(one.outcomes):
            outcome.seconds = [seconds * (1 + 0.004 * number + 1e-4 / 3) for seconds in outcome.seconds]
    monkeypatch.setattr(page, "measured", lambda _: measured)
    monkeypatch.setattr(page, "picture", lambda _: b"")
    assert page.main(["--measure", "jax", "--root", str(tmp_path)]) == 0
    kept = parts.restored((tmp_path / page.JSON).read_text(encoding="utf-8"))
    text = (tmp_path / page.PAGE).read_text(encoding="utf-8")
    assert text != (ROOT / page.PAGE).read_text(encoding="utf-8")
    assert page.filled(text, page.IN_PAGE, kept) == text


# What is made of a measurement


def way(kind: Any, name: str, seconds: list[float], group: str = "NHWC, jit") -> Outcome:
    return Outcome(name, group, kind, seconds=seconds)


def report(*outcomes: Outcome, problem: Problem | None = None) -> dict[str, Report]:
    problem = problem or Problem("pool", "forward", "medium", (1, 2, 2, 1), "float32", Pooling(2, 2, 2))
    return {"jax": Report("2026-01-01T", {"threads": 2}, {}, [Measured("jax", problem, 8, outcomes)])}


POOL = (("pool", "forward", "2d", "k2", "float32", "medium"),)
SOME = (
    way("unpoolx", "max_pool", [2.0, 2.0, 2.0]),
    way("own", "slow", [6.0, 4.0, 8.0]),
    way("own", "fast", [1.0, 2.0, 3.0]),
    way("floor", "copy", [1.0, 1.0, 4.0], ""),
)


@pytest.mark.parametrize(
    ("goal", "value", "missed"),
    [
        (Goal("jax", POOL, ("NHWC", "jit"), "faster", (3,), "slow"), 3.0, False),
        (Goal("jax", POOL, ("NHWC", "jit"), "faster", (3.1,), "slow"), 3.0, True),
        (Goal("jax", POOL, ("jit",), "faster", (1,)), 1.0, False),
        (Goal("jax", POOL, ("jit",), "slower", (0.5,)), 1.0, True),
        (Goal("jax", POOL, ("jit",), "slower", (0.4,), "slow"), 1 / 3, False),
        (Goal("jax", POOL, ("jit",), "floor", (2,)), 2.0, False),
        (Goal("jax", POOL, ("jit",), "floor", (1.9,)), 2.0, True),
        (Goal("jax", POOL, ("jit",), "beyond", (1,), unit=1.0), 1.0, False),
        (Goal("jax", POOL, ("jit",), "beyond", (0.9,), unit=1.0), 1.0, True),
        (Goal("jax", POOL, ("jit",), "faster", (3,), "absent"), None, False),
        (Goal("tf", POOL, ("jit",), "faster", (3,)), None, False),
        (Goal("jax", POOL, ("eager",), "faster", (3,)), None, False),
    ],
)
def test_a_target_is_met_or_missed_by_the_median_of_the_ratios(goal: Goal, value: float | None, missed: bool) -> None:
    (cell,) = goal.cells(report(*SOME))
    assert cell is not None
    assert cell.value == (None if value is None else pytest.approx(value))
    assert cell.missed is missed
    mark = tables._mark([cell])
    assert mark == ("not measured" if value is None else "missed" if missed else "met")
    assert tables._shown(cell).startswith("**") is missed


def test_one_missed_number_makes_a_row_missed_and_a_free_column_none() -> None:
    goal = Goal("jax", (*POOL, ()), ("jit",), "floor", (2,))
    assert [cell is None for cell in goal.cells(report(*SOME))] == [False, True]
    met, missed = goals.Cell(2.0, 2.0, least=False), goals.Cell(2.1, 2.0, least=False)
    assert tables._mark([met, None]) == "met"
    assert tables._mark([met, missed, None]) == "missed"


def test_a_command_says_part_problem_and_form() -> None:
    first = next(goals.pooling())
    assert first.command == "unpoolx bench --backend jax --only pool forward 2d float32 --form NHWC jit"
    commands = {goal.part: goal.command for goal in goals.pooling()}
    assert commands["torch-plain"].startswith("UNPOOLX_NUMBA=0 unpoolx bench --backend torch --only ")
    assert "--compiled" in commands["torch-compiled"]
    assert goals.IMPORT.command == "unpoolx bench --backend numpy --only import"


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one '<!-- measured: ratios -->'"):
        page.filled("text", {"ratios": tables.ratios}, {})


def test_a_part_measured_anew_leaves_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name, sections in PAGES:
        marks = "".join(f"<!-- measured: {section} -->\n<!-- end -->\n" for section in sections)
        (tmp_path / name).write_text(marks, encoding="utf-8")
    machine = {"versions": {}, "processor": "P", "cpu_count": 2, "threads": {"asked": 2}}
    made = replace(report(*SOME)["jax"], machine=machine)
    monkeypatch.setattr(page, "measured", lambda _: made)
    assert page.main(["--measure", "jax", "--root", str(tmp_path)]) == 0
    assert page.main(["--measure", "tf", "--root", str(tmp_path)]) == 0
    kept = parts.restored((tmp_path / page.JSON).read_text(encoding="utf-8"))
    assert list(kept) == ["tf", "jax"]
    text = (tmp_path / page.PAGE).read_text(encoding="utf-8")
    assert "| jax | pool forward | NHWC jit | at least 7 times as fast as `lax.reduce_window((x, i))` | - |" in text
    assert "| jax | pool forward | NHWC, jit | 1 | 2 | - | - |" in text


@pytest.mark.parametrize("numba", [True, False])
def test_a_part_is_measured_in_a_process_of_its_own(numba: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parts.PARTS, "numpy", parts.Part("numpy", ("--only", "unpool", "2d", "k2", "float32"), numba))
    monkeypatch.setenv("UNPOOLX_NUMBA", "0")  # a part says by itself what it is
    made = parts.measured("numpy", "test", "--repeats", "1", "--form", "NCHW")
    assert [(m.problem.operation, m.groups) for m in made.measured] == [("unpool", ["NCHW"])]
    assert ("numba" in made.machine["versions"]) == (numba and importlib.util.find_spec("numba") is not None)


# What is beyond medium float32


def test_a_kind_is_told_of_in_the_first_form_of_each_framework() -> None:
    volume = Problem("pool", "forward", "medium", (1, 2, 2, 2, 1), "float32", Pooling(3, 2, 2))
    ways = [
        way("unpoolx", "max_pool", [2.0], "NCDHW"),
        way("unpoolx", "max_pool", [1.0], "NCDHW channels_last"),
        way("own", "F.max_pool3d", [6.0], "NCDHW"),
        way("own", "F.max_pool3d", [9.0], "NCDHW channels_last"),
        way("floor", "x.clone()", [0.5], ""),
    ]
    made = {"torch-kinds": Report("", {}, {}, [Measured("torch", volume, 8, ways)])}
    head, _, *rows = tables_beyond.kinds(made).splitlines()
    assert head.endswith("| torch, NCHW: own | floor |")
    assert rows == ["| pool forward | 3-D |  |  |  |  |  |  | 3 | 4 |"]


def test_growth_is_the_time_per_byte_over_that_of_16_mb() -> None:
    steps = [("4MB", 4, 2.0, 0.25), ("16MB", 16, 4.0, 1.0), ("64MB", 64, 24.0, 4.0)]
    made = [
        Measured(
            "jax",
            Problem("unpool", "forward", word, (count, 64, 64, 64), "float32", PLAIN),
            8,
            [way("unpoolx", "unpool", [ours]), way("floor", "jit(~x)", [copied], "")],
        )
        for word, count, ours, copied in steps
    ]
    _, _, *rows = tables_beyond.growth({"jax-growth": Report("", {}, {}, made)}).splitlines()
    assert rows == [
        "| jax | unpool forward | NHWC, jit | - | 2 | 1 | 1.5 | - | - | - |",
        "| jax | unpool forward | a copy | - | 1 | 1 | 1 | - | - | - |",
    ]
    assert (
        tables_beyond.growth({"jax-growth": Report("", {}, {}, made[:1])}).count("\n") == 1
    )  # nothing to compare with


@pytest.mark.parametrize("window", memory_report.WINDOWS)
def test_memory_is_told_beyond_the_results_in_parts_of_the_arguments(
    window: Pooling, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_bytes = 128 << 20
    count = x_bytes // 4 // 4  # windows, of both geometries
    small = 5 * count

    def held(backend: str, calls: Any, **settings: str) -> list[Held]:
        assert settings == {"UNPOOLX_NUMBA": "0"}
        return [
            Held(backend, function, layout, of, x_bytes, *sizes, int(sizes[1] + part * sizes[0]), 1.0)
            for function, layout, of, _ in calls
            for sizes, part in [((x_bytes, small), 0.25) if function == "max_pool" else ((small, x_bytes), 0.5)]
        ]

    monkeypatch.setattr(memory_report, "held_in_turn", held)
    made = parts.measured("memory-plain")
    assert {memory_report.switch_bytes(m) for m in made.measured} == {1.0}
    again = parts.restored(parts.saved({"memory-plain": made}))
    _, _, *rows = tables_beyond.memory(again).splitlines()
    assert len(rows) == 4
    assert rows[0] == "| numpy-plain | NHWC | 1 | 0.25 | 0.25 | **0.50** | **0.50** |"
    assert tables_beyond._beyond(again["memory-plain"].measured, "pool", window) == "0.25"
    assert tables_beyond._beyond([], "pool", window) == "-"
