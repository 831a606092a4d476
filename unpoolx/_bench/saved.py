"""The JSON of a run: whole for machines, or brief, which is what the documentation is made from; and read again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from unpoolx._bench.outcome import Outcome, Quartiles
from unpoolx._bench.problems import LeftOut, Pooling, Problem
from unpoolx._bench.results import Measured, Report

SCHEMA = 2
# So many digits of a time are more than its noise leaves.
DIGITS = 4
# What a brief report leaves out of a way and of a problem, since it follows from the rest.
DERIVED = ("seconds", "own_over_ours", "over_floor", "seconds_beyond_floor")
DESCRIBED = ("name", "input_bytes")


# What an outcome has by another name in the JSON, and what a brief report means that does not say it.
USUAL: tuple[tuple[str, str, Any], ...] = (
    ("status", "status", "measured"),
    ("note", "note", ""),
    ("complete", "complete", True),
    ("calls", "calls_per_sample", 1),
    ("peak_bytes", "peak_bytes", None),
)


def as_json(report: Report, *, brief: bool = False) -> str:
    """The report for machines; a brief one has rounded samples, a line for each problem, and nothing that is usual."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "started": report.started,
        "settings": report.settings,
        "machine": report.machine,
        "problems": [_problem(m) for m in report.measured],
        "left_out": [asdict(left_out) for left_out in report.left_out],
        "broken": [asdict(broken) for broken in report.broken],
    }
    if not brief:
        return json.dumps(content, indent=1, allow_nan=False) + "\n"
    short = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
    problems = ",\n".join(short.encode(_brief(problem)) for problem in content.pop("problems"))
    rest = short.encode(content)
    return f'{rest[:-1]},\n"problems": [\n{problems}\n]}}\n'


def from_json(text: str) -> Report:
    """The report of either form.

    Raises:
        ValueError: it is no such report.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"expected a report of `unpoolx bench --json`, schema {SCHEMA}")
    return Report(
        content["started"],
        content["settings"],
        content["machine"],
        [_measured(problem) for problem in content["problems"]],
        [LeftOut(**left_out) for left_out in content["left_out"]],
        [LeftOut(**broken) for broken in content["broken"]],
    )


def _measured(made: dict[str, Any]) -> Measured:
    window = None if made["window"] is None else Pooling(**made["window"])
    shape = tuple(made["shape"])
    problem = Problem(made["operation"], made["variant"], made["size"], shape, made["dtype"], window)
    outcomes = [
        Outcome(
            way["name"],
            way["group"],
            way["kind"],
            **{name: way.get(key, usual) for name, key, usual in USUAL},
            seconds=way["samples"],
        )
        for way in made["ways"]
    ]
    return Measured(made["backend"], problem, made["moved_bytes"], outcomes, made["cpus_taken_by_others"])


def _brief(problem: dict[str, Any]) -> dict[str, Any]:
    ways = [{name: value for name, value in way.items() if name not in DERIVED} for way in problem["ways"]]
    for way in ways:
        way["samples"] = [float(f"{seconds:.{DIGITS}g}") for seconds in way["samples"]]
        way["note"] = way["note"][:60]
        for _, key, usual in USUAL:
            if way[key] == usual:
                del way[key]
    others = problem["cpus_taken_by_others"]
    rounded = None if others is None else float(f"{others:.{DIGITS}f}")
    kept = {name: value for name, value in problem.items() if name not in DESCRIBED}
    return {**kept, "cpus_taken_by_others": rounded, "ways": ways}


def _problem(measured: Measured) -> dict[str, Any]:
    problem = measured.problem
    return {
        "name": problem.name,
        "backend": measured.backend,
        "operation": problem.operation,
        "variant": problem.variant,
        "size": problem.size,
        "shape": list(problem.shape),
        "dtype": problem.dtype,
        "window": None if problem.pooling is None else asdict(problem.pooling),
        "input_bytes": problem.input_bytes,
        "moved_bytes": measured.moved_bytes,
        "cpus_taken_by_others": measured.others,
        "ways": [_way(measured, outcome) for outcome in measured.outcomes],
    }


def _way(measured: Measured, outcome: Outcome) -> dict[str, Any]:
    timed = outcome.status == "measured"
    return {
        "name": outcome.name,
        "group": outcome.group,
        "kind": outcome.kind,
        "status": outcome.status,
        "note": outcome.note,
        "complete": outcome.complete,
        "calls_per_sample": outcome.calls,
        "samples": outcome.seconds,
        "seconds": _quartiles(outcome.spread if timed else None),
        "own_over_ours": _quartiles(measured.own_over_ours(outcome)),
        "over_floor": _quartiles(measured.over_floor(outcome)),
        "seconds_beyond_floor": _quartiles(measured.beyond_floor(outcome)),
        "peak_bytes": outcome.peak_bytes,
    }


def _quartiles(quartiles: Quartiles | None) -> dict[str, Any] | None:
    if quartiles is None:
        return None
    return {"median": quartiles.median, "quartiles": [quartiles.low, quartiles.high]}
