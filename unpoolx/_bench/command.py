"""`unpoolx bench`: what is asked for, the frameworks, one problem after another, the reports."""

from __future__ import annotations

import datetime as dt
import gc
import os
import warnings
from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib import import_module

import unpoolx
from unpoolx._bench import machine
from unpoolx._bench.documented import DOCUMENTED, Pace, all_problems_of, pace_of
from unpoolx._bench.files import targets, write_whole
from unpoolx._bench.framework import Framework, in_plane, words_of
from unpoolx._bench.measure import Rounds, Way, measure
from unpoolx._bench.problems import SIZES, LeftOut, Problem, chosen, holdable
from unpoolx._bench.report import show_problem, show_summary
from unpoolx._bench.results import Measured, Report
from unpoolx._bench.saved import as_json
from unpoolx._bench.terminal import Terminal
from unpoolx._bench.ways import task_of
from unpoolx._cli import CommandError, frameworks_load_quietly

FRAMEWORKS = {
    "numpy": ("unpoolx._bench.ways_numpy", "NumPy"),
    "tf": ("unpoolx._bench.ways_tf", "TensorFlow"),
    "jax": ("unpoolx._bench.ways_jax", "Jax"),
    "torch": ("unpoolx._bench.ways_torch", "Torch"),
}
# The problems at whose end NumPy's memory is told.
WITH_PEAKS = ("pool", "unpool", "round-trip")
# Arrays of so many bytes do not wait in cycles until Python itself collects them.
LARGE = 1 << 24
# For the tests of the command itself: arrays of a few elements.
INTERNAL = "test"


def run(
    *,
    backend: str,
    size: str,
    only: Sequence[str],
    form: Sequence[str],
    repeats: int | None,
    threads: int | None,
    compiled: bool,
    json: str | None,
    plot: str | None,
) -> int:
    """Carry the command out; returns 1 if unpoolx gave other bits than on NumPy or a framework is broken, else 0.

    Raises:
        CommandError: an argument does not fit; nothing has been measured or written then.
    """
    if size not in (*SIZES, *DOCUMENTED, INTERNAL):
        raise CommandError(f"--size: expected one of {', '.join(SIZES)}; got {size!r}")
    if plot is not None and size != "all":
        raise CommandError(f"--plot: expected --size all, since it draws time over size; got --size {size}")
    wanted, pace = chosen(all_problems_of(size), only), pace_of(size)
    files = targets(json, plot)
    problems, left_out = holdable(wanted, machine.free_memory(), pace.own_bytes)
    if not problems:
        raise CommandError(f"--size: no problem of this size fits into memory: {left_out[0].reason}")
    count = threads or os.cpu_count() or 1
    frameworks, absent, broken = _frameworks(backend, count, compiled)
    if not any(_has(words_of(group), form) for framework in frameworks for group in framework.forms()):
        raise CommandError(f"--form: expected words of a layout and mode, such as NHWC; got {' '.join(form)!r}")
    plan, lacking = _plan(frameworks, problems)
    settings = {
        "size": size,
        "only": list(only),
        "form": list(form),
        "rounds": repeats,
        "threads": count,
        "compiled": compiled,
    }
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    described = machine.described(frameworks, count)
    report = Report(started, settings, described, [], [*left_out, *absent, *lacking], broken)
    terminal = Terminal()
    _say_what_runs(terminal, report)
    if repeats is not None:
        pace = replace(pace, rounds=Rounds.exactly(repeats))
    _measure(plan, pace, form, terminal, report)
    if not report.measured:
        raise CommandError(f"--form: none of the problems has a way of unpoolx in {' '.join(form)!r}")
    if "--json" in files:  # the files first, since whoever reads the terminal's lines may have left
        write_whole("--json", files["--json"], as_json(report).encode())
    if "--plot" in files:
        from unpoolx._bench.plot import as_png

        write_whole("--plot", files["--plot"], as_png(report.measured, _facts(report)))
    show_summary(terminal, report)
    terminal.line()
    for option, path in files.items():
        terminal.line(f"{option.removeprefix('--')}: {path}")
    return 0 if report.passed else 1


def _frameworks(backend: str, threads: int, compiled: bool) -> tuple[list[Framework], list[LeftOut], list[LeftOut]]:
    """The frameworks that can be measured, those not installed, and those that are and cannot be loaded."""
    names = FRAMEWORKS if backend == "all" else [_known(backend)]
    found, absent, broken = [], [], []
    for name in names:
        try:
            with frameworks_load_quietly():
                unpoolx.get_backend(name)
                module, kind = FRAMEWORKS[name]
                found.append(getattr(import_module(module), kind)(threads, compiled))
        except CommandError:
            raise
        except unpoolx.BackendNotInstalledError as error:
            absent.append(LeftOut(name, str(error)))
        except Exception as error:  # noqa: BLE001  # a framework that is there but broken may throw anything
            broken.append(LeftOut(name, f"cannot be loaded: {type(error).__name__}: {error}"))
    if not found:
        raise CommandError(f"--backend: {'; '.join(f'{lost.what}: {lost.reason}' for lost in (*absent, *broken))}")
    return found, absent, broken


def _known(name: str) -> str:
    """The name of a backend whose own ways are known here, as unpoolx spells it."""
    spelling = {"tensorflow": "tf", "pytorch": "torch"}.get(name, name)
    if spelling not in FRAMEWORKS:
        known = ", ".join(FRAMEWORKS)
        raise CommandError(f"--backend: expected one of {known} or all, whose own ways are known; got {name!r}")
    return spelling


def _plan(
    frameworks: Sequence[Framework], problems: Sequence[Problem]
) -> tuple[list[tuple[Framework, Problem]], list[LeftOut]]:
    """What is to be measured, framework by framework, and the problems that a framework does not have."""
    plan, lacking = [], []
    for framework in frameworks:
        for problem in problems:
            if problem.operation == "import" and framework is not frameworks[0]:
                continue  # it is the same beside every framework
            reason = framework.lacks(problem)
            if reason:
                lacking.append(LeftOut(f"{framework.name}: {problem.name}", reason))
            else:
                plan.append((framework, problem))
    if not plan:
        raise CommandError(f"nothing to measure: {lacking[0].reason}")
    return plan, lacking


def _measure(
    plan: Sequence[tuple[Framework, Problem]], pace: Pace, form: Sequence[str], terminal: Terminal, report: Report
) -> None:
    terminal.begin(len(plan))
    try:
        for framework, problem in plan:
            title = f"{framework.name}: {problem.name}"
            terminal.doing(title)
            with framework.place(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of frameworks, about what they compile
                framework.begin()
                alone = problem.input_bytes > pace.own_bytes
                task = task_of(problem, framework, alone=alone)
                ways = _first(_of_form(task.ways, form), 1 if alone else pace.forms)
                if not ways:
                    continue
                others = machine.Others()
                outcomes = measure(
                    ways,
                    task.expected,
                    pace.rounds,
                    peaks=framework.traced_memory and problem.operation in WITH_PEAKS,
                    progress=lambda text, title=title: terminal.doing(f"{title}: {text}"),  # type: ignore[misc]
                )
            measured = Measured(framework.name, problem, task.moved_bytes, outcomes, others.cpus())
            report.measured.append(measured)
            terminal.ended()
            show_problem(terminal, measured)
            framework.begin()
            del task
            if problem.input_bytes >= LARGE:
                gc.collect()
    finally:
        terminal.end()


def _has(words: Collection[str], form: Sequence[str]) -> bool:
    """Whether a layout and mode of these words is asked for.

    NCHW means NCW and NCDHW, too, where there are so many axes; it does not mean NCHW channels_last.
    """
    asked, has = set(map(in_plane, form)), set(map(in_plane, words))
    return not form or (asked <= has and ("channels_last" in form) == ("channels_last" in words))


def _of_form(ways: Sequence[Way], form: Sequence[str]) -> list[Way]:
    """The ways of layouts and modes that have all of the words, and the floor; none if unpoolx has none."""
    words = {way.group: words_of(way.group) for way in ways}
    fitting = {group for group in words if _has(words[group], form)}
    chosen = [way for way in ways if way.kind == "floor" or way.group in fitting]
    return chosen if any(way.kind == "unpoolx" for way in chosen) else []


def _first(ways: Sequence[Way], forms: int | None) -> list[Way]:
    """The ways of the first so many layouts and modes of unpoolx, and the floor."""
    groups = list(dict.fromkeys(way.group for way in ways if way.kind == "unpoolx"))[:forms]
    return [way for way in ways if forms is None or way.kind == "floor" or way.group in groups]


def _say_what_runs(terminal: Terminal, report: Report) -> None:
    versions = ", ".join(f"{name} {version}" for name, version in report.machine["versions"].items())
    threads = ", ".join(f"{name} {count}" for name, count in report.machine["threads"].items() if name != "asked")
    terminal.line(versions)
    terminal.line(f"{report.machine['processor']}, {report.machine['cpu_count']} CPUs; threads: {threads}")
    terminal.line("ratios are taken round by round: of each the median is told, and quartiles")
    terminal.line("peak memory is told for NumPy alone: that of the others cannot be told apart from noise")


def _facts(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.machine["versions"].items())
    return f"{report.machine['processor']}, {report.settings['threads']} threads: {versions}"
