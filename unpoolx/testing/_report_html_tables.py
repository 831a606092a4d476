"""The tables of the page: levels with bars, the backends side by side, what was skipped, and every law."""

from __future__ import annotations

import re
from html import escape

from ._law import Law
from ._report_run import Counts, Report, Run
from ._runner import FAILED, PASSED, SKIPPED, Outcome

SIGNS = {PASSED: "\u2713", FAILED: "\u2717", SKIPPED: "\u2013"}


def levels(report: Report) -> str:
    """A row for each level, with a bar for each backend."""
    if len(report.runs) == 1:
        (run,) = report.runs
        head = (PASSED, FAILED, SKIPPED, "cases", "seconds")
        cells = "".join(f"<th scope='col' class='number{_optional(name)}'>{name}</th>" for name in head)
        body = "".join(_level_row(level, run.of_level(level)) for level in report.levels)
        foot = _level_row("all", run.counts)
    else:
        cells = "".join(f"<th scope='col'>{escape(run.backend)}</th>" for run in report.runs)
        body = "".join(_compared_row(level, [run.of_level(level) for run in report.runs]) for level in report.levels)
        foot = _compared_row("all", [run.counts for run in report.runs])
    single = len(report.runs) == 1
    first = "<th scope='col'>level</th>" + ("<td class='wide'></td>" if single else "")
    legend = "".join(f"<span><i class='{s[0]}'></i>{s}</span>" for s in (PASSED, FAILED, SKIPPED))
    return (
        f"<h2>By level</h2><div class='card'><div class='scroll'><table class='list{'' if single else ' even'}'>"
        f"<thead><tr>{first}{cells}</tr>"
        f"</thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table></div>"
        f"<div class='legend'>{legend}</div></div>"
    )


def _optional(column: str) -> str:
    return " optional" if column in ("cases", "seconds") else ""


def _level_row(level: str, counts: Counts) -> str:
    laws = {PASSED: counts.passed, FAILED: counts.failed, SKIPPED: counts.skipped}
    cells = "".join(f"<td class='number {name if number else 'soft'}'>{number}</td>" for name, number in laws.items())
    cells += f"<td class='number optional'>{counts.cases:,}</td><td class='number optional'>{counts.seconds:,.1f}</td>"
    return f"<tr><th scope='row'>{level}</th><td class='wide'>{_bar(counts)}</td>{cells}</tr>"


def _compared_row(level: str, found: list[Counts]) -> str:
    cells = "".join(f"<td>{_share(counts)}{_bar(counts)}</td>" for counts in found)
    return f"<tr><th scope='row'>{level}</th>{cells}</tr>"


def _share(counts: Counts) -> str:
    failed = f", <span class='failed'>{counts.failed} failed</span>" if counts.failed else ""
    skipped = f", <span class='skipped'>{counts.skipped} skipped</span>" if counts.skipped else ""
    return f"{counts.passed} passed{failed}{skipped}"


def _bar(counts: Counts) -> str:
    parts = ((counts.passed, "p"), (counts.failed, "f"), (counts.skipped, "s"))
    return f"<div class='bar'>{''.join(f'<i class={kind} style=flex-grow:{n}></i>' for n, kind in parts if n)}</div>"


def matrix(report: Report) -> str:
    """The laws by the backends, where there are several."""
    if len(report.runs) == 1:
        return ""
    head = "".join(f"<th scope='col' class='middle'>{escape(run.backend)}</th>" for run in report.runs)
    body = ""
    for level in report.levels:
        body += f"<tr class='group'><th colspan='{len(report.runs) + 1}' scope='rowgroup'>{level}</th></tr>"
        for outcomes in zip(*(run.outcomes for run in report.runs), strict=True):
            if outcomes[0].law.level == level:
                pairs = zip(report.runs, outcomes, strict=True)
                cells = "".join(f"<td class='middle'>{_status(run, outcome)}</td>" for run, outcome in pairs)
                body += f"<tr><th scope='row' class='name'>{escape(outcomes[0].law.name)}</th>{cells}</tr>"
    return (
        f"<h2>Side by side</h2><div class='card scroll'><table class='list'><thead><tr><th scope='col'>law</th>{head}"
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _status(run: Run, outcome: Outcome) -> str:
    text = f"<span class='mark {outcome.status}'>{SIGNS[outcome.status]} {outcome.status}</span>"
    return f"<a href='#{anchor(run, outcome.law)}'>{text}</a>" if outcome.status == FAILED else text


def anchor(run: Run, law: Law) -> str:
    return escape(f"{run.name}-{law.name}".replace(" ", "-"))


def skips(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{escape(run.backend)}</td><td class='name'>{escape(outcome.law.name)}</td>"
        f"<td>{escape(outcome.reason or '')}</td></tr>"
        for run in report.runs
        for outcome in run.having(SKIPPED)
    )
    head = "<th scope='col'>backend</th><th scope='col'>law</th><th scope='col'>reason</th>"
    table = f"<table class='list'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h2>What was skipped</h2><div class='card scroll'>{table}</div>" if rows else ""


def laws(report: Report) -> str:
    """Every law that ran, with its statement and rules; with the outcome where there is one backend."""
    single = report.runs[0] if len(report.runs) == 1 else None
    outcomes = {outcome.law.name: outcome for outcome in report.runs[0].outcomes}
    columns = ("outcome", "cases", "seconds") if single else ()
    head = "".join(f"<th scope='col' class='number{_optional(name)}'>{name}</th>" for name in columns)
    body = ""
    for level in report.levels:
        body += f"<tr class='group'><th colspan='{2 + len(columns)}' scope='rowgroup'>{level}</th></tr>"
        for law in report.laws:
            if law.level == level:
                body += _law_row(law, single, outcomes[law.name])
    return (
        "<h2>The laws</h2><div class='card scroll'><table class='list'><thead><tr><th scope='col'>law</th>"
        f"<th scope='col' class='optional'>rules</th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _law_row(law: Law, single: Run | None, outcome: Outcome) -> str:
    cells = ""
    if single is not None:
        cells = (
            f"<td class='number'>{_status(single, outcome)}</td>"
            f"<td class='number optional'>{outcome.cases:,}</td><td class='number optional'>{outcome.seconds:.1f}</td>"
        )
    name = f"<span class='name'>{escape(law.name)}</span><span class='soft'>{sentence(law.statement)}</span>"
    rules = f"<td class='optional'>{escape(', '.join(law.rules))}</td>"
    return f"<tr><th scope='row' class='law'>{name}</th>{rules}{cells}</tr>"


def sentence(statement: str) -> str:
    """A statement with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(statement)) + "."
