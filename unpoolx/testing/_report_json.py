"""The report as JSON, for machines: docs/conformance.md describes it, and `SCHEMA` is its number."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ._report_run import Counts, Report, Run
from ._report_values import is_array, notation
from ._runner import Outcome

SCHEMA = 1
"""Raised when a field is taken away or changes its meaning; new fields may come without."""


def as_json(report: Report) -> str:
    """The report as strictly valid JSON."""
    return json.dumps(as_object(report), indent=1, allow_nan=False) + "\n"


def as_object(report: Report) -> dict[str, Any]:
    """The report as dicts, lists, strings, numbers, bools and None."""
    return {
        "schema": SCHEMA,
        "passed": report.passed,
        "started": report.started,
        "versions": report.versions,
        "seed": report.seed,
        "examples": report.examples,
        "device": report.device,
        "laws_known": report.known,
        "laws_chosen": len(report.laws),
        "runs": [_run(report, run) for run in report.runs],
        "absent": [{"name": a.name, "reason": a.reason, "broken": a.broken} for a in report.absent],
    }


def _run(report: Report, run: Run) -> dict[str, Any]:
    declared = run.capabilities
    distribution = None if run.distribution is None else dict(zip(("name", "version"), run.distribution, strict=True))
    return {
        "name": run.name,
        "backend": run.backend,
        "framework_version": run.framework_version,
        "distribution": distribution,
        "device": run.device,
        "capabilities": {
            "dtypes": list(declared.dtypes),
            "devices": list(declared.devices),
            "gradient": declared.gradient,
            "forward_mode": declared.forward_mode,
            "compiled": list(declared.compiled),
        },
        "counts": _counts(run.counts),
        "levels": {level: _counts(run.of_level(level)) for level in report.levels},
        "laws": [_law(report, run, outcome) for outcome in run.outcomes],
    }


def _counts(counts: Counts) -> dict[str, Any]:
    return {
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "cases": counts.cases,
        "seconds": round(counts.seconds, 3),
    }


def _law(report: Report, run: Run, outcome: Outcome) -> dict[str, Any]:
    law, failure = outcome.law, outcome.failure
    return {
        "name": law.name,
        "level": law.level,
        "rules": list(law.rules),
        "statement": law.statement,
        "status": outcome.status,
        "reason": outcome.reason,
        "cases": outcome.cases,
        "seconds": round(outcome.seconds, 3),
        "digest": outcome.digest,
        "failure": None
        if failure is None
        else {
            "message": failure.message,
            "inputs": {name: value_as_object(value) for name, value in failure.inputs.items()},
            "expected": value_as_object(failure.expected),
            "got": value_as_object(failure.got),
            "error": failure.error,
            "reproduce": report.reproduce(run, law),
        },
    }


def value_as_object(value: Any) -> Any:
    """A value of a case: arrays with their dtype and shape, what JSON lacks as {"tuple": [...]} or {"repr": "..."}."""
    if is_array(value):
        array = np.asarray(value)
        return {"dtype": str(array.dtype), "shape": list(array.shape), "data": _element(array.tolist())}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return _element(value)
    if isinstance(value, tuple):
        return {"tuple": [value_as_object(part) for part in value]}
    if isinstance(value, list):
        return [value_as_object(part) for part in value]
    if isinstance(value, dict):
        return {str(key): value_as_object(part) for key, part in value.items()}
    return {"repr": notation(value)}


def _element(x: Any) -> Any:
    """Elements of an array: complex numbers as [real, imaginary], floats that JSON lacks as words."""
    if isinstance(x, list):
        return [_element(part) for part in x]
    if isinstance(x, complex):
        return [_element(x.real), _element(x.imag)]
    if isinstance(x, float):
        if math.isnan(x):
            return "NaN"
        return float(x) if math.isfinite(x) else "Infinity" if x > 0 else "-Infinity"
    return x if isinstance(x, (bool, int)) else notation(x)
