"""The report at the terminal: a line for each law as it ends, then tables, failures and skips."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from unpoolx import _terminal

from ._law import Law
from ._report_failure import failure_lines
from ._report_run import Counts, Report, Run, counted
from ._runner import FAILED, PASSED, SKIPPED, Outcome

STYLES = {PASSED: "green", FAILED: "bold red", SKIPPED: "yellow"}
WIDTH = 110
"""Where long lists of laws are broken."""


class Terminal(_terminal.Terminal):
    """Standard output, with a bar of laws, and the summary of a report."""

    def __init__(self) -> None:
        super().__init__()
        self._widths = (0, 0)

    # While laws run

    def begin(self, name: str, laws: Sequence[Law]) -> Self:
        """A context in which laws run on a backend of this name."""
        if self._console is None:
            self.line(f"{name}: {counted(len(laws), 'law')}")
        self._widths = (max(len(law.level) for law in laws), max(len(law.name) for law in laws))
        if self._console is not None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task(name, total=len(laws))
        return self

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def started(self, name: str, law: Law) -> None:
        """A law runs now."""
        if self._bar is not None:
            from rich.markup import escape

            self._bar.update(self._task, description=escape(f"{name}  {law.level}  {law.name}"))

    def ended(self, outcome: Outcome) -> None:
        """What came of it. Beside a bar only what did not pass is told."""
        if self._bar is not None:
            self._bar.advance(self._task)
            if outcome.status == PASSED:
                return
        law, (level, name) = outcome.law, self._widths
        rest = outcome.reason or f"{outcome.cases:>9,} cases {outcome.seconds:>8.1f} s"
        self.line(f"{law.level:<{level}}  {law.name:<{name}}  {outcome.status:<7}  {rest}", STYLES[outcome.status])

    # When all have run

    def summary(self, report: Report) -> None:
        """Tables, skips, failures in full, and the verdicts."""
        for run in report.runs:
            self.line()
            self._levels(report, run)
        if len(report.runs) > 1:
            self.line()
            self._comparison(report)
        for run in report.runs:
            self._skips(run)
        for run in report.runs:
            for outcome in run.having(FAILED):
                self.line()
                self.line(f"FAILED  {outcome.law.level}  {outcome.law.name}  on {run.name}", STYLES[FAILED])
                for line in failure_lines(outcome, report.reproduce(run, outcome.law)):
                    self.line(line)
        self.line()
        for run in report.runs:
            self.line(f"{run.name}: {run.verdict}", STYLES[FAILED if run.counts.failed else PASSED])
        for absent in report.absent:
            self.line(f"{absent.name}: {absent.reason}", STYLES[FAILED if absent.broken else SKIPPED])
        if len(report.laws) < report.known:
            self.line(f"{len(report.laws)} of {report.known} laws were chosen.")

    def _levels(self, report: Report, run: Run) -> None:
        drawn = counted(report.examples, "example")
        self.line(f"{run.name} (version {run.framework_version}) on {run.device}, seed {report.seed}, {drawn} per law")
        rows = [_row(level, run.of_level(level)) for level in report.levels]
        self._table([("level", "passed", "failed", "skipped", "cases", "seconds"), *rows, _row("all", run.counts)])

    def _comparison(self, report: Report) -> None:
        """The backends side by side: what passed of each level, and each law that did not pass everywhere."""
        self.line("laws passed, of those that the backend can be held to")
        names = [run.name for run in report.runs]
        shares = [(level, *(_share(run.of_level(level)) for run in report.runs)) for level in report.levels]
        self._table([("level", *names), *shares, ("all", *(_share(run.counts) for run in report.runs))])
        rows = [
            (outcomes[0].law.name, *(outcome.status for outcome in outcomes))
            for outcomes in zip(*(run.outcomes for run in report.runs), strict=True)
            if any(outcome.status != PASSED for outcome in outcomes)
        ]
        if rows:
            self.line()
            self._table([("law", *names), *rows])

    def _skips(self, run: Run) -> None:
        reasons: dict[str, list[str]] = {}
        for outcome in run.having(SKIPPED):
            reasons.setdefault(outcome.reason or "", []).append(outcome.law.name)
        for reason, names in reasons.items():
            self.line()
            self.line(f"{counted(len(names), 'law')} skipped: {run.name} {reason}", STYLES[SKIPPED])
            for line in textwrap.wrap(", ".join(names), WIDTH, initial_indent="  ", subsequent_indent="  "):
                self.line(line)

    def _table(self, rows: Sequence[Sequence[str]]) -> None:
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, (first, *rest) in enumerate(rows):
            cells = [
                f"{first:<{widths[0]}}",
                *(f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)),
            ]
            failed = number > 0 and (FAILED in rest or (rows[0][2:3] == ("failed",) and rest[1] != "0"))
            self.line("  ".join(cells).rstrip(), "bold" if number == 0 else STYLES[FAILED] if failed else None)


def _row(name: str, counts: Counts) -> tuple[str, ...]:
    numbers = (counts.passed, counts.failed, counts.skipped, counts.cases)
    return (name, *(f"{number:,}" for number in numbers), f"{counts.seconds:.1f}")


def _share(counts: Counts) -> str:
    held = counts.passed + counts.failed
    return f"{counts.passed}/{held}" if held else "-"
