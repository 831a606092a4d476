"""Standard output as a command writes to it while it runs: lines, and what a bar needs where it is a terminal."""

from __future__ import annotations

import sys
from typing import Any


class Terminal:
    """Standard output: with a bar and colours where it is a terminal and rich is installed, else plain lines."""

    def __init__(self) -> None:
        self._console = rich_console()
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


def rich_console() -> Any:
    """rich's console, or None where standard output is no terminal or rich is not installed."""
    if not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console()
    return None if console.is_dumb_terminal else console
