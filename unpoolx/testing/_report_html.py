"""The report as a page: one file that shows everything by itself, with neither scripts nor anything from elsewhere."""

from __future__ import annotations

from html import escape

from . import _report_html_tables as tables
from . import _report_html_values as values
from ._law import Law
from ._report_html_style import STYLE
from ._report_html_tables import SIGNS, anchor, sentence
from ._report_run import NORM, Report, Run, counted, sections_of
from ._runner import FAILED, PASSED, SKIPPED, Outcome

DOT = " \u00b7 "


def as_html(report: Report) -> str:
    """The page."""
    names = _listed([run.backend for run in report.runs])
    title = f"Conformance of {names} to unpoolx"
    parts = (
        f"<header><h1>{escape(title)}</h1>{_about(report)}</header>",
        _verdicts(report),
        tables.levels(report),
        tables.matrix(report),
        _failures(report),
        tables.skips(report),
        tables.laws(report),
        f"<footer>Sections are those of {NORM} of unpoolx {escape(report.versions['unpoolx'])}.</footer>",
    )
    body = "\n".join(part for part in parts if part)
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _about(report: Report) -> str:
    """What the cases and their expected results depend on beside the backends."""
    chosen = [] if len(report.laws) == report.known else [f"{len(report.laws)} of {report.known} laws chosen"]
    drawn = [f"{counted(report.examples, 'generated example')} per law", f"seed {report.seed}", *chosen]
    words = {"unpoolx": "unpoolx", "python": "Python", "hypothesis": "Hypothesis", "numpy": "NumPy"}
    kit = [f"{words[name]} {version}" for name, version in report.versions.items()]
    when = report.started.replace("T", " ").replace("+00:00", " UTC")
    return f"<p class='soft'>{escape(DOT.join(drawn))}<br>{escape(DOT.join([*kit, when]))}</p>"


def _verdicts(report: Report) -> str:
    failed = [run.backend for run in report.runs if run.counts.failed]
    several = len(report.runs) > 1
    if not several:
        verdict = report.runs[0].verdict
    elif failed:
        verdict = f"{len(failed)} of {len(report.runs)} backends broke a law: {_listed(failed)}"
    else:
        verdict = f"all {len(report.runs)} backends passed"
    absent = "".join(
        _banner(FAILED if absent.broken else SKIPPED, f"{absent.name}: {absent.reason}") for absent in report.absent
    )
    cards = "".join(_card(run, verdict=several) for run in report.runs)
    verdict = verdict[0].upper() + verdict[1:]
    return f"{_banner(FAILED if failed else PASSED, verdict)}{absent}<div class='cards'>{cards}</div>"


def _banner(status: str, text: str) -> str:
    return f"<p class='verdict {status}'><span>{SIGNS[status]}</span>{escape(text)}</p>"


def _card(run: Run, *, verdict: bool) -> str:
    declared, brought = run.capabilities, run.distribution
    modes = [word for word, has in (("gradient", declared.gradient), ("forward mode", declared.forward_mode)) if has]
    modes += [f"compiled by {', '.join(declared.compiled)}"] if declared.compiled else []
    facts = {
        "asked for as": run.name if run.name != run.backend else "",
        "version": run.framework_version,
        "brought by": " ".join(brought) if brought is not None and brought[0] != "unpoolx" else "",
        "device": run.device,
        "declares": "; ".join(modes) or "neither gradient nor compiled mode",
        "dtypes": ", ".join(declared.dtypes),
        "ran": f"{counted(run.counts.cases, 'case')} in {run.counts.seconds:,.1f} s",
    }
    status = FAILED if run.counts.failed else PASSED
    banner = _banner(status, run.verdict) if verdict else ""
    rows = "".join(f"<dt>{name}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items() if fact)
    return f"<section class='card'><h3>{escape(run.backend)}</h3>{banner}<dl>{rows}</dl></section>"


def _failures(report: Report) -> str:
    cards = [_failure(report, run, outcome) for run in report.runs for outcome in run.having(FAILED)]
    links = "".join(
        f"<li><a class='name' href='#{anchor(run, outcome.law)}'>{escape(outcome.law.name)}</a>"
        f"{f' on {escape(run.backend)}' if len(report.runs) > 1 else ''}</li>"
        for run in report.runs
        for outcome in run.having(FAILED)
    )
    contents = f"<ul class='card contents'>{links}</ul>" if len(cards) > 3 else ""
    return f"<h2>What failed</h2>{contents}{''.join(cards)}" if cards else ""


def _failure(report: Report, run: Run, outcome: Outcome) -> str:
    law, failure = outcome.law, outcome.failure
    if failure is None:
        return ""
    where = (law.level, run.backend, counted(outcome.cases, "case"))
    error = failure.error
    raised = f"<details><summary>Traceback</summary><pre>{escape(error)}</pre></details>" if error else ""
    compared = failure.expected is not None or failure.got is not None
    return (
        f"<section class='card failure' id='{anchor(run, law)}'>"
        f"<div class='head'><h3 class='name'>{escape(law.name)}</h3>"
        f"<span class='soft'>{escape(DOT.join(where))}</span></div>"
        f"<p>{sentence(law.statement)}</p><p>{_rules(law)}</p>"
        f"<p class='message'>{escape(failure.message)}</p>"
        f"<h4>The smallest case found</h4>{values.inputs(failure.inputs)}"
        f"{values.comparison(failure.expected, failure.got) if compared else ''}{raised}"
        f"<h4>Run it again</h4><pre class='command'>{escape(report.reproduce(run, law))}</pre></section>"
    )


def _rules(law: Law) -> str:
    return "; ".join(
        f"{', '.join(rules)} <span class='soft'>({title})</span>" for title, rules in sections_of(law.rules)
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
