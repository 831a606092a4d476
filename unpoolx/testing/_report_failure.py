"""A broken law as plain text: the case, what was expected, what came, and the command that runs it again."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from ._law import Law
from ._report_run import NORM, sections_of
from ._report_values import elements, is_array, kind, notation, shown
from ._runner import Outcome

LABEL = 10
"""The width of the column of labels."""


def failure_lines(outcome: Outcome, again: str) -> Iterator[str]:
    """The lines about a law that failed; `again` is the command that reproduces it."""
    law, failure = outcome.law, outcome.failure
    if failure is None:
        raise ValueError(f"expected a law that failed; got {law.name}, which {outcome.status}")
    yield from _labelled("law", [f"{law.statement}."])
    yield from _labelled("rules", [rules_line(law)])
    yield from _labelled("what", failure.message.splitlines())
    yield from _labelled("input", [line for name, value in failure.inputs.items() for line in _named(name, value)])
    if failure.expected is not None or failure.got is not None:
        yield from _labelled("expected", _value(failure.expected))
        yield from _labelled("got", _value(failure.got))
    if failure.error is not None:
        frames = [line for line in failure.error.rstrip().splitlines() if line.strip(" ^~")]
        yield from _labelled("raised", frames)
    yield from _labelled("again", [again])


def rules_line(law: Law) -> str:
    """The rules of a law, each with the section of the norm where it stands."""
    sections = "; ".join(f"{', '.join(rules)} ({title})" for title, rules in sections_of(law.rules))
    return f"{sections} of {NORM}"


def _labelled(label: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {label if number == 0 else '':<{LABEL}}{line}".rstrip()


def _named(name: str, value: Any) -> list[str]:
    first, *rest = _value(value) if is_array(value) else notation(value).splitlines()
    return [f"{name}: {first}", *textwrap.indent("\n".join(rest), "  ").splitlines()]


def _value(value: Any) -> list[str]:
    if is_array(value):
        return [kind(value), *elements(value).splitlines()]
    return shown(value).splitlines() or [""]
