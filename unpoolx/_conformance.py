"""`unpoolx conformance`: backends held to the laws of the norm, and the reports about it."""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

import unpoolx
from unpoolx._cli import CommandError, frameworks_load_quietly
from unpoolx._conformance_files import check_outputs, write_whole
from unpoolx.testing._generation import from_the_seed_alone, without_traces
from unpoolx.testing._report import Terminal
from unpoolx.testing._report_badge import as_badge
from unpoolx.testing._report_html import as_html
from unpoolx.testing._report_json import as_json
from unpoolx.testing._report_run import Absent, Report, Run, distribution_of, versions
from unpoolx.testing._runner import PROFILES, run_law
from unpoolx.testing._serving import serving
from unpoolx.testing._subject import Subject
from unpoolx.testing.laws import LAWS, LEVELS, Law

FORMS = {"--json": as_json, "--html": as_html, "--badge": as_badge}
# JAX declares its 64-bit dtypes only in this mode; on a GPU, frameworks that share it must not take it whole.
SETTINGS = {"JAX_ENABLE_X64": "1", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
# What tells the default device of a backend: the first of these dtypes that it declares.
PLAIN = ("float32", "float64", "int32", "uint8", "bool")


def run(
    names: Sequence[str],
    *,
    every: bool,
    device: str | None,
    levels: Sequence[str],
    laws: Sequence[str],
    examples: int | None,
    seed: int,
    profile: str,
    files: dict[str, str | None],
) -> int:
    """Carry the command out; returns 1 if a law failed or an installed backend cannot be loaded, else 0.

    Raises:
        CommandError: an argument does not fit; nothing has run or been written then.
    """
    chosen = _chosen(levels, laws)
    number = _examples(examples, profile)
    if bool(names) == every:
        raise CommandError("expected either names of backends or --all (`unpoolx backends` lists those installed)")
    targets = check_outputs(files)
    for variable, value in SETTINGS.items():
        os.environ.setdefault(variable, value)
    with _without_warnings(), without_traces(), from_the_seed_alone():
        usable, absent = _installed(device) if every else (_named(names, device), ())
        terminal, runs = Terminal(), []
        started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        for name in usable:
            with serving(name) as backend:
                runs.append(_run(name, Subject(backend, device), chosen, number, seed, terminal))
    report = Report(tuple(runs), absent, tuple(chosen), len(LAWS), seed, number, device, started, versions())
    try:
        for option, path in targets.items():  # first, since whoever reads the terminal's lines may have left
            write_whole(option, path, FORMS[option](report))
    finally:
        terminal.summary(report)
    for option, path in targets.items():
        terminal.line(f"{option.removeprefix('--')}: {path}")
    return 0 if report.passed else 1


def _run(name: str, subject: Subject, laws: Sequence[Law], examples: int, seed: int, terminal: Terminal) -> Run:
    outcomes = []
    with terminal.begin(name, laws) as progress:
        for law in laws:
            progress.started(name, law)
            outcomes.append(run_law(law, subject, examples=examples, seed=seed))
            progress.ended(outcomes[-1])
    backend = subject.backend
    return Run(
        name,
        backend.name,
        backend.version,
        None if ":" in name else distribution_of(backend.name),
        _device_of(subject),
        subject.declared,
        tuple(outcomes),
    )


def _device_of(subject: Subject) -> str:
    """The name of the device on which the arrays lie."""
    if subject.device is not None:
        return subject.device
    dtypes = subject.declared_of(PLAIN)
    try:
        found = subject.backend.device(subject.array(np.zeros(1, dtypes[0]))) if dtypes else None
    except Exception as error:  # noqa: BLE001  # a backend that cannot make an array has failed its laws by now
        return f"unknown ({type(error).__name__})"
    return found or ", ".join(subject.declared.devices) or "unknown"


# What was asked for


def _chosen(levels: Sequence[str], laws: Sequence[str]) -> list[Law]:
    """The laws of the levels and those that are named, in their order; all of them where neither is given."""
    for level in levels:
        if level not in LEVELS:
            hint = _nearest(level, LEVELS) or ". The names of backends come before the options"
            raise CommandError(f"--level: expected one of {', '.join(LEVELS)}; got {level!r}{hint}")
    for law in laws:
        if law not in LAWS:
            hint = _nearest(law, LAWS) or ". A report (--html) lists them all"
            raise CommandError(f"--law: expected the name of a law; got {law!r}{hint}")
    if not levels and not laws:
        return list(LAWS.values())
    chosen = [law for law in LAWS.values() if law.level in levels or law.name in laws]
    if not chosen:
        raise CommandError(f"--level: there is no law of level {' or '.join(levels)}")
    return chosen


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=3)
    return f". Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _examples(examples: int | None, profile: str) -> int:
    if profile not in PROFILES:
        raise CommandError(f"--profile: expected one of {', '.join(PROFILES)}; got {profile!r}")
    return PROFILES[profile] if examples is None else examples


def _named(names: Sequence[str], device: str | None) -> list[str]:
    """The names, each once, after a look whether all of them can be run."""
    for name in dict.fromkeys(names):
        try:
            with frameworks_load_quietly(), serving(name) as backend:
                Subject(backend, device)
        except (ValueError, TypeError, ImportError) as error:
            raise CommandError(f"{name}: {error}") from error
        except Exception as error:  # a module that is imported may raise anything
            raise CommandError(f"{name}: cannot be loaded: {type(error).__name__}: {error}") from error
    return list(dict.fromkeys(names))


def _installed(device: str | None) -> tuple[list[str], tuple[Absent, ...]]:
    """The names of the backends that can be run, and those that cannot."""
    with frameworks_load_quietly():
        found = unpoolx.backends()
        obstacles = [_obstacle(info, device) for info in found]
    absent = tuple(obstacle for obstacle in obstacles if obstacle is not None)
    usable = [info.name for info, obstacle in zip(found, obstacles, strict=True) if obstacle is None]
    if not usable:
        raise CommandError("--all: " + "; ".join(f"{a.name}: {a.reason}" for a in absent))
    return usable, absent


def _obstacle(info: unpoolx.BackendInfo, device: str | None) -> Absent | None:
    """Why a backend cannot be run, or None."""
    try:
        backend = unpoolx.get_backend(info.name)
        if info.error is not None:
            return Absent(info.name, f"cannot be loaded: {info.error}", broken=True)
        if backend.lazy:
            reason = "did not run: it is lazy, and some laws ask for errors at once; named, it is run"
            return Absent(info.name, reason, broken=False)
        Subject(backend)
    except unpoolx.BackendNotInstalledError:
        return Absent(info.name, f"not installed: {info.install}", broken=False)
    except Exception as error:  # noqa: BLE001  # it is reported, and must not hide the others
        return Absent(info.name, f"cannot be loaded: {type(error).__name__}: {error}", broken=True)
    try:
        Subject(backend, device)
    except ValueError as error:
        return Absent(info.name, f"did not run: {error}", broken=False)
    return None


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep the warnings of frameworks about extreme values out of the report, unless they are asked for (`-W`)."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield
