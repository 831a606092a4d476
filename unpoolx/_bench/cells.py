"""The cells and lines of the tables in docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unpoolx._bench.results import Measured, Report

Reports = dict[str, Report]
"""By the names of the parts."""


def own(measured: Measured | None, group: str) -> str:
    """How many times as fast unpoolx is as the fastest of the framework's own ways that has the bits."""
    fastest = None if measured is None else measured.own(group)
    ratio = None if fastest is None or measured is None else measured.own_over_ours(fastest)
    return "-" if ratio is None else number(ratio.median)


def floor(measured: Measured | None, group: str) -> str:
    """How many times as long as a copy unpoolx takes."""
    ours = None if measured is None else measured.ours(group)
    ratio = None if ours is None or measured is None else measured.over_floor(ours)
    return "-" if ratio is None else number(ratio.median)


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.3g}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[list[str]]) -> str:
    """The lines of a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
