"""Standard output as a run writes to it: lines, tables, and a bar where it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


class Terminal:
    """Standard output: with a bar and colours where it is a terminal and rich is installed, else plain lines."""

    def __init__(self) -> None:
        self._console = _rich_console()
        self._bar: Any = None
        self._task: Any = None

    def line(self, text: str = "", style: str | None = None) -> None:
        """One line, without the characters that a terminal would act on instead of showing them."""
        plain = "".join(c if c.isprintable() else " " for c in text)
        if self._console is None:
            sys.stdout.write(f"{plain}\n")
            sys.stdout.flush()  # whoever reads a pipe follows the run
        else:
            self._console.print(plain, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)

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


def _rich_console() -> Any:
    """rich's console, or None where standard output is no terminal or rich is not installed."""
    if not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console()
    return None if console.is_dumb_terminal else console
