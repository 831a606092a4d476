"""`unpoolx conformance`: its exit status, its lines, and its reports, on few laws and fewer examples."""

from __future__ import annotations

import dataclasses
import errno
import html.parser
import io
import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unpoolx_backends._numpy import NumpyBackend

import unpoolx
from unpoolx import _conformance, _conformance_files, _terminal
from unpoolx._cli import main
from unpoolx.testing import _report_badge, _report_json, _report_run
from unpoolx.testing._law import Law, gradient, nothing
from unpoolx.testing._report_html_values import comparison
from unpoolx.testing._report_values import planes
from unpoolx.testing._runner import FAILED, PASSED, SKIPPED, Failure, Outcome
from unpoolx.testing.laws import LAWS

ROOT = Path(__file__).resolve().parent.parent
DOCS = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")

POOL = "max-pool-chooses-the-first-maximum"
CHOICE = ("--law", POOL, "--examples", "3")
NUMPY = unpoolx.BackendInfo("numpy", True, np.__version__, ("cpu",), "pip install unpoolx", None)

FAULTY = '''
from unpoolx_backends._numpy import NumpyBackend

CONSTANTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 23, 101, 0.5, 2.25, 17.5]  # what Hypothesis could draw from


class Faulty(NumpyBackend):
    """Never chooses the first element of a window."""

    name = "faulty"

    def max_pool(self, x, geometry):
        values, offsets = super().max_pool(x, geometry)
        return values, offsets + (offsets == 0).astype(offsets.dtype)


backend = Faulty()
nothing = None
'''


class Twin(NumpyBackend):
    """NumPy under another name."""

    name = "twin"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command sets for its process is not left to other tests."""
    for variable, value in _conformance.SETTINGS.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the module `faulty`, whose backend breaks a law."""
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("faulty", None)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three laws of every outcome on NumPy, with texts that a report must not take for its own."""

    def passes(subject: Any, data: Any) -> None:
        subject.given(x=np.zeros(1))

    def breaks(subject: Any, data: Any) -> None:
        x = np.arange(48, dtype=np.float32).reshape(2, 3, 4, 2)
        subject.given(**{"<i>x</i>": x, "index": (slice(None, None, 2), np.array([1])), "values": [math.nan, 1.5]})
        y = x.copy()
        y[0, 1, 2, 1], y[1, 0, 0, 0] = np.nan, -0.0
        subject.same_bits(subject.array(y), x, "<b>x</b> \x1b[31m")

    def raises(subject: Any, data: Any) -> None:
        subject.given(x=np.zeros(1))
        raise RuntimeError("<script>alert(1)</script>")

    made = [
        Law("toy-passes", "forward", ("P1",), "It holds", passes, nothing, 1.0),
        Law("toy-breaks", "update", ("A1", "L7"), "`x` & <y> are <b>equal</b>", breaks, nothing, 1.0),
        Law("toy-raises", "errors", ("R1",), "It raises nothing", raises, nothing, 1.0),
        Law("toy-skipped", "gradient", ("U8",), "It has a gradient", passes, gradient, 1.0),
    ]
    for law in made:
        monkeypatch.setitem(LAWS, law.name, law)
    return ["--law", *(law.name for law in made), "--examples", "2"]


def conformance(*arguments: str | Path) -> int:
    return main(["conformance", *map(str, arguments)])


def process(*arguments: str | Path, cwd: Path, code: str = "pass") -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, after some Python."""
    run = f"import sys; {code}; from unpoolx._cli import main; sys.exit(main(sys.argv[1:]))"
    kept = {name: value for name, value in os.environ.items() if name not in _conformance.SETTINGS}
    paths = [str(ROOT), str(ROOT / "backends"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return subprocess.run(
        [sys.executable, "-c", run, *map(str, arguments)],
        cwd=cwd,
        env={**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def report_of(path: Path) -> dict[str, Any]:
    """A JSON report, read by a parser that refuses what is not JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="ascii"), parse_constant=refuse)


# What runs


def test_a_backend_that_keeps_the_laws_gives_zero_and_a_line_for_each(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("numpy", *CHOICE) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "numpy: 1 law"
    assert re.fullmatch(rf"forward  {POOL}  passed  +\d+ cases +\d+\.\d s", lines[1])
    assert f"numpy (version {np.__version__}) on cpu, seed 0, 3 examples per law" in lines
    assert re.search(r"^forward +1 +0 +0 +\d+ +\d+\.\d$", out, re.MULTILINE)
    assert lines[-2] == "numpy: 1 law passed"
    assert lines[-1] == f"1 of {len(LAWS)} laws were chosen."
    assert err == ""
    assert sorted(path.name for path in folder.iterdir()) == ["faulty.py"]


def test_a_backend_that_breaks_a_law_gives_one_and_a_line_that_breaks_it_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conformance("faulty:backend", *CHOICE, "--seed", "7", "--json", "first.json") == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert f"FAILED  forward  {POOL}  on faulty:backend" in out
    for part in ("  law       max_pool gives", "  rules     W1, ", "(2. max_pool)", "  what      offsets: "):
        assert part in out
    for part in ("  input     x: ", "            kernel_size: ", "  expected  uint8, shape (", "  got       uint8, "):
        assert part in out
    assert "faulty:backend: 1 of 1 law failed" in out
    (again,) = re.findall(r"^  again     (.*)$", out, re.MULTILINE)
    assert again == f"unpoolx conformance faulty:backend --law {POOL} --seed 7 --examples 3"

    program, *arguments = shlex.split(again)
    assert program == "unpoolx"
    result = process(*arguments, "--json", "again.json", cwd=folder)
    assert result.returncode == 1, result.stderr
    assert result.stderr == ""
    (first,), (second,) = (report_of(folder / name)["runs"][0]["laws"] for name in ("first.json", "again.json"))
    assert first["digest"] == second["digest"]
    assert first["failure"] == second["failure"]
    assert first["failure"]["reproduce"] == again
    assert not (folder / ".hypothesis").exists()


def test_the_cases_depend_on_the_seed_alone(folder: Path) -> None:
    digests = []
    for number, arguments in enumerate((["numpy"], ["numpy"], ["faulty:backend", "numpy"], ["numpy", "--seed", "1"])):
        conformance(*arguments, "--law", POOL, "--examples", "20", "--json", f"{number}.json")
        digests.append(report_of(folder / f"{number}.json")["runs"][-1]["laws"][0]["digest"])
    assert len({*digests[:3]}) == 1
    assert digests[3] != digests[0]


def test_levels_and_laws_add_up(toy: list[str], folder: Path) -> None:
    conformance("numpy", "--level", "errors", "--law", "toy-passes", "--examples", "1", "--json", "a.json")
    (run,) = report_of(folder / "a.json")["runs"]
    errors = [law.name for law in LAWS.values() if law.level == "errors"]
    assert {law["name"] for law in run["laws"]} == {*errors, "toy-passes"}
    assert set(run["levels"]) == {"forward", "errors"}


def test_every_outcome_is_told_with_its_reason(toy: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance("numpy", *toy) == 1
    out = capsys.readouterr().out
    assert re.search(r"^gradient  toy-skipped  skipped  declares no gradient$", out, re.MULTILINE)
    assert "1 law skipped: numpy declares no gradient\n  toy-skipped\n" in out
    assert "  raised    Traceback (most recent call last):" in out
    assert "RuntimeError: <script>alert(1)</script>" in out
    assert "\x1b" not in out, "what a backend says reaches the terminal as text alone"
    assert "index: (slice(None, None, 2), array([1]))" in out
    assert "numpy: 2 of 4 laws failed, 1 skipped" in out
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +\d+ +\d+\.\d$", out, re.MULTILINE)
    assert rows == [
        ("forward", "1", "0", "0"),
        ("update", "0", "1", "0"),
        ("gradient", "0", "0", "1"),
        ("errors", "0", "1", "0"),
        ("all", "1", "2", "1"),
    ]


def test_several_backends_stand_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance("faulty:backend", "numpy", "numpy", *CHOICE, "--html", "a.html") == 1
    out = capsys.readouterr().out
    assert re.search(r"^level +faulty:backend +numpy$", out, re.MULTILINE)
    assert re.search(r"^forward +0/1 +1/1$", out, re.MULTILINE)
    assert re.search(rf"^{POOL} +failed +passed$", out, re.MULTILINE)
    page = (folder / "a.html").read_text(encoding="utf-8")
    assert "Conformance of faulty and numpy to unpoolx" in page
    assert "Side by side" in page
    assert f"<a href='#faulty:backend-{POOL}'>" in page
    assert f"id='faulty:backend-{POOL}'" in page


def test_all_runs_what_is_installed_and_reports_what_cannot_be_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = dataclasses.replace(NUMPY, name="twin")
    gone = dataclasses.replace(NUMPY, name="gone", installed=False, install="pip install it", error="no gone")
    worn = dataclasses.replace(NUMPY, name="worn", installed=False, error="ImportError: no luck")
    find = unpoolx.get_backend

    def get_backend(name: str) -> Any:
        if name == "gone":
            raise unpoolx.BackendNotInstalledError("gone is not installed")
        return find("numpy" if name == "worn" else name)

    monkeypatch.setattr(unpoolx, "get_backend", get_backend)
    with unpoolx.testing.registered(Twin()):
        monkeypatch.setattr(unpoolx, "backends", lambda: (NUMPY, twin, gone))
        assert conformance("--all", *CHOICE) == 0
        out = capsys.readouterr().out
        assert re.search(r"^level +numpy +twin$", out, re.MULTILINE)
        assert "gone: not installed: pip install it" in out

        monkeypatch.setattr(unpoolx, "backends", lambda: (NUMPY, twin, worn))
        assert conformance("--all", *CHOICE, "--json", "a.json", "--html", "a.html", "--badge", "a.badge") == 1
        assert "worn: cannot be loaded: ImportError: no luck" in capsys.readouterr().out
    report = report_of(folder / "a.json")
    assert report["absent"] == [{"name": "worn", "reason": "cannot be loaded: ImportError: no luck", "broken": True}]
    assert not report["passed"]
    assert "worn: cannot be loaded" in (folder / "a.html").read_text(encoding="utf-8")
    assert json.loads((folder / "a.badge").read_text(encoding="utf-8"))["message"].endswith(", worn not loaded")


def test_all_leaves_out_what_lacks_the_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Far(Twin):
        name = "far"

        def devices(self) -> tuple[str, ...]:
            return ("cpu", "moon:0")

        def to_device(self, x: Any, device: str) -> Any:
            return x

    with unpoolx.testing.registered(Far()):
        monkeypatch.setattr(unpoolx, "backends", lambda: (NUMPY, dataclasses.replace(NUMPY, name="far")))
        assert conformance("--all", "--device", "moon", *CHOICE) == 0
        out = capsys.readouterr().out
        assert "on moon:0, seed 0" in out
        assert "numpy: did not run: device: numpy sees no 'moon', only cpu" in out
        assert conformance("--all", "--device", "mars", *CHOICE) == 2


def test_jax_is_held_to_its_64_bit_dtypes(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    result = process("conformance", "jax", "--law", POOL, "--examples", "1", "--json", "a.json", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    (run,) = report_of(tmp_path / "a.json")["runs"]
    assert {"int64", "float64"} <= set(run["capabilities"]["dtypes"])
    assert run["distribution"] == {"name": "unpoolx", "version": unpoolx.__version__}


# What cannot be done


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["--all"]),
        (["numpy", "--all"], ["either", "--all"]),
        (["nunpy"], ["nunpy", "Did you mean 'numpy'?"]),
        (["no_such_module:backend"], ["no_such_module:backend", "No module named"]),
        (["faulty:no_such"], ["faulty:no_such", "which it lacks"]),
        (["faulty:nothing"], ["faulty:nothing", "unpoolx.Backend"]),
        (["numpy", "--device", "moon"], ["numpy sees no 'moon'"]),
        (["numpy", "--level", "forwards"], ["--level", "one of forward, ", "Did you mean 'forward'?"]),
        (["--level", "forward", "numpy"], ["--level", "'numpy'", "come before the options"]),
        (["numpy", "--law", POOL.replace("first", "frist")], ["--law", f"Did you mean '{POOL}'"]),
        (["numpy", "--law", "?"], ["--law", "'?'"]),
        (["numpy", "--examples", "0"], ["--examples", "at least 1"]),
        (["numpy", "--seed", "one"], ["--seed", "whole number"]),
        (["numpy", "--profile", "fast"], ["--profile", "ci, deep"]),
        (["numpy", "--json", "none/a.json"], ["--json", "no folder"]),
        (["numpy", "--html", "."], ["--html", "is a folder"]),
        (["numpy", "--badge", ""], ["--badge", "expected a file"]),
        (["numpy", "--json", "a", "--html", "./a"], ["--html", "the file of --json, too"]),
        (["numpy", "--json", "x" * 300], ["--json", "cannot be written"]),
        (["numpy", "--json", "nul\0"], ["--json", "cannot be written"]),
    ],
)
def test_what_cannot_be_done_is_one_line_before_anything_runs(
    arguments: list[str],
    expected: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run_law(*_: object, **__: object) -> None:
        raise AssertionError("nothing may run")

    monkeypatch.setattr(_conformance, "run_law", run_law)
    assert conformance(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("unpoolx: error: ")
    assert err.count("\n") == 1, err
    for part in expected:
        assert part in err
    assert {path.name for path in folder.iterdir()} <= {"faulty.py", "__pycache__"}


def test_a_module_that_breaks_while_it_loads_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bursts.py").write_text("raise RuntimeError('no\\nluck')", encoding="utf-8")
    assert conformance("bursts:backend") == 2
    assert "bursts:backend: cannot be loaded: RuntimeError: no luck" in capsys.readouterr().err


def test_without_hypothesis_the_command_says_what_to_install(tmp_path: Path) -> None:
    result = process("conformance", "numpy", cwd=tmp_path, code="sys.modules['hypothesis'] = None")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "hypothesis" in result.stderr
    assert "pip install 'unpoolx[testing]'" in result.stderr


def test_the_command_line_imports_nothing_heavy_before_it_is_asked_to(tmp_path: Path) -> None:
    code = (
        "import atexit; atexit.register(lambda: print([m for m in "
        "('hypothesis', 'pytest', 'rich', 'torch', 'jax', 'tensorflow') if m in sys.modules]))"
    )
    result = process("conformance", "--help", cwd=tmp_path, code=code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
    assert "Exit status: 0 if every law that ran holds" in " ".join(result.stdout.split())


def test_an_interrupted_run_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_law(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_conformance, "run_law", run_law)
    assert conformance("numpy", "--json", "a.json") == 130
    assert [path.name for path in folder.iterdir()] == ["faulty.py"]


def test_a_disk_that_fills_up_leaves_the_old_file_and_the_lines_at_the_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_conformance_files.Path, "write_bytes", full)
    (folder / "a.json").write_text("old", encoding="utf-8")
    assert conformance("numpy", *CHOICE, "--json", "a.json") == 2
    out, err = capsys.readouterr()
    assert "numpy: 1 law passed" in out
    assert "--json" in err
    assert "No space left" in err
    assert (folder / "a.json").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "faulty.py"]


# The terminal


def test_beside_a_bar_only_what_did_not_pass_is_told(
    toy: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = pytest.importorskip("rich.console", reason="rich is not installed")
    screen = io.StringIO()
    made = console.Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(_terminal, "rich_console", lambda: made)
    assert conformance("numpy", *toy) == 1
    text = screen.getvalue()
    assert "4/4" in text
    assert not re.search(r"toy-passes +passed", text)
    assert re.search(r"toy-breaks +failed", text)
    assert re.search(r"toy-skipped +skipped +declares no gradient", text)
    assert "numpy: 2 of 4 laws failed, 1 skipped" in text
    assert capsys.readouterr().out == ""


def test_a_terminal_without_rich_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert _terminal.rich_console() is None


def test_the_sections_of_the_rules_are_those_of_the_norm() -> None:
    norm = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    title = ""
    for line in norm.splitlines():
        heading = re.match(r"## (\d+)\. (.*)", line)
        if heading:
            title = f"{heading[1]}. {re.split('[:(]', heading[2])[0].strip()}"
        rule = re.match(r"- \*\*\[([A-Z])\d+\]", line)
        if rule:
            found.setdefault(rule[1], title)
    found["A"] = found["A"].partition("x)[")[0]  # "at(x)[index]: read and update ..."
    assert found == _report_run.SECTIONS


# The JSON

LAW_SHAPE = {
    "name": str,
    "level": str,
    "rules": [str],
    "statement": str,
    "status": str,
    "reason": (str, None),
    "cases": int,
    "seconds": float,
    "digest": str,
    "failure": (
        {
            "message": str,
            "inputs": dict,
            "expected": object,
            "got": object,
            "error": (str, None),
            "reproduce": str,
        },
        None,
    ),
}
COUNTS = {"passed": int, "failed": int, "skipped": int, "cases": int, "seconds": float}
SHAPE = {
    "schema": 1,
    "passed": bool,
    "started": str,
    "versions": {"unpoolx": str, "python": str, "hypothesis": str, "numpy": str},
    "seed": int,
    "examples": int,
    "device": (str, None),
    "laws_known": int,
    "laws_chosen": int,
    "runs": [
        {
            "name": str,
            "backend": str,
            "framework_version": str,
            "distribution": ({"name": str, "version": str}, None),
            "device": str,
            "capabilities": {
                "dtypes": [str],
                "devices": [str],
                "gradient": bool,
                "forward_mode": bool,
                "compiled": [str],
            },
            "counts": COUNTS,
            "levels": dict,
            "laws": [LAW_SHAPE],
        }
    ],
    "absent": [{"name": str, "reason": str, "broken": bool}],
}


def assert_shape(value: Any, shape: Any, where: str = "report") -> None:
    """A value has the keys and types that a shape names; in a tuple of shapes one, None being null."""
    if isinstance(shape, tuple):
        shape = next(one for one in shape if (one is None) == (value is None))
    if isinstance(shape, dict):
        assert set(value) == set(shape), where
        for key, inner in shape.items():
            assert_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for number, part in enumerate(value):
            assert_shape(part, shape[0], f"{where}[{number}]")
    elif isinstance(shape, type):
        assert isinstance(value, shape), f"{where}: {value!r}"
        assert shape is not int or not isinstance(value, bool), where
    else:
        assert value == shape, where


def test_the_json_has_the_shape_that_the_documentation_states(toy: list[str], folder: Path) -> None:
    assert conformance("numpy", "faulty:backend", *toy, "--device", "cpu", "--json", "a.json") == 1
    report = report_of(folder / "a.json")
    assert_shape(report, SHAPE)
    for run in report["runs"]:
        for counts in run["levels"].values():
            assert_shape(counts, COUNTS)
        by_name = {law["name"]: law for law in run["laws"]}
        assert [by_name[f"toy-{name}"]["status"] for name in ("passes", "breaks", "skipped")] == [
            PASSED,
            FAILED,
            SKIPPED,
        ]
        failure = by_name["toy-breaks"]["failure"]
        assert failure["inputs"]["values"] == ["NaN", 1.5]
        assert failure["inputs"]["index"]["tuple"][0] == {"repr": "slice(None, None, 2)"}
        assert failure["expected"]["shape"] == [2, 3, 4, 2]
        assert failure["got"]["data"][0][1][2][1] == "NaN"
        assert math.copysign(1, failure["got"]["data"][1][0][0][0]) == -1
        assert "Traceback" in by_name["toy-raises"]["failure"]["error"]
        assert failure["reproduce"].endswith("--law toy-breaks --seed 0 --examples 2 --device cpu")
    assert [run["name"] for run in report["runs"]] == ["numpy", "faulty:backend"]
    assert [run["backend"] for run in report["runs"]] == ["numpy", "faulty"]
    assert report["runs"][1]["distribution"] is None

    def keys(shape: Any) -> set[str]:
        if isinstance(shape, dict):
            return set(shape).union(*map(keys, shape.values()))
        return set().union(*map(keys, shape)) if isinstance(shape, (list, tuple)) else set()

    section = DOCS.partition("## The JSON")[2].partition("\n## ")[0]
    missing = {key for key in keys(SHAPE) if f"`{key}`" not in section}
    assert not missing, "docs/conformance.md says nothing of these fields"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([np.nan, np.inf, -np.inf, -0.0]), ["NaN", "Infinity", "-Infinity", -0.0]),
        (np.array(0.1, np.float32), float(np.float32(0.1))),
        (np.array([2**63, 2**64 - 1], np.uint64), [2**63, 2**64 - 1]),
        (np.array([[True], [False]]), [[True], [False]]),
        (np.array([complex(1, np.nan)]), [[1.0, "NaN"]]),
        (np.zeros((2, 0), np.int8), [[], []]),
    ],
)
def test_arrays_become_lists_that_json_can_hold(value: np.ndarray, expected: object) -> None:
    made = _report_json.value_as_object(value)
    assert made == {"dtype": str(value.dtype), "shape": list(value.shape), "data": expected}
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_a_bfloat16_array_becomes_exact_numbers() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="NumPy has no bfloat16 without ml_dtypes")
    x = np.array([1.1, np.nan], ml_dtypes.bfloat16)
    assert _report_json.value_as_object(x) == {"dtype": "bfloat16", "shape": [2], "data": [1.1015625, "NaN"]}


def test_what_cannot_even_be_shown_is_said() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise ValueError("no words")

    assert _report_json.value_as_object({"x": (Mute(), None)}) == {
        "x": {"tuple": [{"repr": "<Mute, of which repr raises ValueError: no words>"}, None]}
    }


# The page


class Page(html.parser.HTMLParser):
    """Checks that what is opened is closed, and gathers the attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.seen.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Add up the text."""
        self.text += data


def test_the_page_shows_everything_and_takes_nothing_from_elsewhere(toy: list[str], folder: Path) -> None:
    assert conformance("numpy", *toy, "--html", "a.html") == 1
    text = (folder / "a.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & page.seen
    assert not {"src", "onclick", "onload", "srcset"} & set(page.attributes)
    assert all(target.startswith("#") for target in page.attributes.get("href", []))
    assert {target[1:] for target in page.attributes["href"]} <= set(page.attributes["id"])
    for word in ("http:", "https:", "url(", "@import", "//"):
        assert word not in text
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    for part in (
        "2 of 4 laws failed, 1 skipped",
        np.__version__,
        "x & <y> are <b>equal</b>.",
        "<script>alert(1)</script>",
        "<i>x</i>",
        "declares no gradient",
        "unpoolx conformance numpy --law toy-breaks --seed 0 --examples 2",
        "[0, 1, :, :]",
    ):
        assert part in page.text, part
    assert "<code>x</code> &amp; &lt;y&gt;" in text
    assert text.count("<mark>") == 4, "two elements differ, in what was expected and in what came"


def test_a_page_about_what_passed_shows_no_failures(folder: Path) -> None:
    assert conformance("numpy", *CHOICE, "--html", "a.html") == 0
    text = Page((folder / "a.html").read_text(encoding="utf-8")).text
    assert "1 law passed" in text
    assert "What failed" not in text
    assert "What was skipped" not in text
    assert f"1 of {len(LAWS)} laws chosen" in text


def test_of_large_arrays_the_first_elements_that_differ_are_listed() -> None:
    expected = np.zeros((1, 30, 30, 1))
    got = expected.copy()
    got[0, 3, 4, 0] = 7.5
    text = comparison(expected, got)
    Page(text)
    assert "<td>[0, 3, 4, 0]</td><td>0.0</td><td class='differs'><mark>7.5</mark></td>" in text


def test_planes_cut_an_array_along_its_long_axes() -> None:
    x = np.arange(24).reshape(2, 1, 3, 4)
    cut = list(planes(x))
    assert [index for index, _ in cut] == ["[0, 0, :, :]", "[1, 0, :, :]"]
    assert np.array_equal(np.stack([plane for _, plane in cut]), x[:, 0])
    for small in (np.array(5), np.arange(3), np.zeros((1, 1, 1)), np.zeros((3, 1, 1))):
        (one,) = planes(small)
        assert one[1].size == small.size


# The badge


def report_with(*outcomes: dict[str, int], left: int = 0) -> _report_run.Report:
    """A report of backends with so many laws of each status."""
    laws = [dataclasses.replace(next(iter(LAWS.values())), name=f"law-{number}") for number in range(63)]
    runs = []
    for number, counts in enumerate(outcomes):
        statuses = [status for status, count in counts.items() for _ in range(count)]
        found = [
            Outcome(law, status, failure=Failure({}, "") if status == FAILED else None)
            for law, status in zip(laws, statuses, strict=False)
        ]
        name = ("numpy", "torch")[number]
        capabilities = unpoolx.get_backend("numpy").capabilities()
        runs.append(_report_run.Run(name, name, "1.0", None, "cpu", capabilities, tuple(found)))
    chosen = len(runs[0].outcomes)
    return _report_run.Report(tuple(runs), (), tuple(laws[:chosen]), chosen + left, 0, 1, None, "", {})


@pytest.mark.parametrize(
    ("report", "message", "color"),
    [
        (report_with({PASSED: 63}), "63/63 laws", "brightgreen"),
        (report_with({PASSED: 60, SKIPPED: 3}), "60/63 laws, 3 skipped", "brightgreen"),
        (report_with({PASSED: 12}, left=51), "12/12 laws, 51 not run", "yellow"),
        (report_with({PASSED: 61, FAILED: 2}), "2 of 63 laws failed", "red"),
        (report_with({FAILED: 1}, left=62), "1 of 1 laws failed, 62 not run", "red"),
        (
            report_with({PASSED: 60, SKIPPED: 3}, {PASSED: 61, FAILED: 2}),
            "numpy 60/63, torch 61/63, 2 failed, 3 skipped",
            "red",
        ),
    ],
)
def test_the_badge_says_what_passed_and_what_did_not_run(report: _report_run.Report, message: str, color: str) -> None:
    badge = json.loads(_report_badge.as_badge(report))
    assert badge == {"schemaVersion": 1, "label": "unpoolx conformance", "message": message, "color": color}
    if not message.startswith("1 of 1"):
        assert f"| `{message}` |" in DOCS


def test_the_badge_file_is_written(folder: Path) -> None:
    assert conformance("numpy", *CHOICE, "--badge", "a.json") == 0
    badge = json.loads((folder / "a.json").read_text(encoding="utf-8"))
    assert badge["message"] == f"1/1 laws, {len(LAWS) - 1} not run"


def test_the_documented_example_of_a_failure_is_what_the_command_prints(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.py").write_text(FAULTY, encoding="utf-8")
    assert conformance("mine:backend", "--law", POOL, "--examples", "20") == 1
    sys.modules.pop("mine", None)
    out = capsys.readouterr().out
    example = "FAILED  forward" + DOCS.partition("```\nFAILED  forward")[2].partition("```")[0]
    assert example in out
