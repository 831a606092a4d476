"""Standard output as a run writes to it: lines, tables, and a bar where it is a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from unpoolx import _terminal


class Terminal(_terminal.Terminal):
    """Standard output, with a bar of problems and tables."""

    # While problems are measured

    def begin(self, total: int) -> None:
        """So many problems are to come."""
        if self._console is not None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            # No thread of the bar's own: it would run beside what is timed.
            self._bar = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=total)
            self._bar.start()

    def end(self) -> None:
        """No problem is to come."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def doing(self, text: str) -> None:
        """What is being done."""
        if self._bar is not None:
            from rich.markup import escape

            self._bar.update(self._task, description=escape(text), refresh=True)

    def ended(self) -> None:
        """A problem has been measured."""
        if self._bar is not None:
            self._bar.update(self._task, advance=1, refresh=True)

    def table(
        self, rows: Sequence[Sequence[str]], *, left: int, last_left: bool = False, styles: Sequence[str | None] = ()
    ) -> None:
        """A table, its first columns and perhaps its last set to the left, the others to the right."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [
                f"{cell:<{width}}" if column < left or (last_left and column == len(row) - 1) else f"{cell:>{width}}"
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            style = "bold" if number == 0 else styles[number - 1] if styles else None
            self.line(("  " + "  ".join(cells)).rstrip(), style)
