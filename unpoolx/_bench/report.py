"""The report at the terminal: a table for each problem as it is measured, and the ratios of all at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unpoolx._bench.outcome import Outcome, Quartiles
from unpoolx._bench.results import Measured, Report
from unpoolx._bench.terminal import Terminal

STYLES = {"unpoolx": "green", "floor": "dim", "own": None}
NOTE_WIDTH = 110
# As much of a processor in the hands of others falsifies what several threads do together.
BUSY = 0.1
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def show_problem(terminal: Terminal, measured: Measured) -> None:
    """A table of the ways of one problem."""
    problem = measured.problem
    facts = f"  {problem.shape}, {shown_bytes(problem.input_bytes)}" if problem.shape else ""
    terminal.line()
    terminal.line(f"{measured.backend}: {problem.name}{facts}", "bold")
    copied = measured.moved_bytes > 0
    timed = [outcome for outcome in measured.outcomes if outcome.status == "measured"]
    peaks = any(outcome.peak_bytes is not None for outcome in timed)
    heads = ["group", "way", "median", "quartiles", "own/ours", "ours/floor" if copied else "ours - floor"]
    rows = [_row(measured, outcome, copied=copied) for outcome in timed]
    if peaks:
        heads.append("peak memory")
        rows = [[*row, _peak(outcome)] for row, outcome in zip(rows, timed, strict=True)]
    terminal.table([heads, *rows], left=2, styles=[STYLES[outcome.kind] for outcome in timed])
    for outcome in measured.outcomes:
        if outcome.status != "measured":
            _refused(terminal, outcome)


def _refused(terminal: Terminal, outcome: Outcome) -> None:
    note = " ".join(outcome.note.split())
    cut = note if len(note) <= NOTE_WIDTH or outcome.kind == "unpoolx" else f"{note[:NOTE_WIDTH]}..."
    way = f"{outcome.group}  {outcome.name}" if outcome.group else outcome.name
    style = "bold red" if outcome.kind == "unpoolx" else "yellow"
    terminal.line(f"  {outcome.status}, so not timed: {way}: {cut}", style)


def show_summary(terminal: Terminal, report: Report) -> None:
    """The ratios of all problems, what was left out and what failed."""
    _ratios(terminal, [m for m in report.measured if m.moved_bytes])
    _overheads(terminal, [m for m in report.measured if not m.moved_bytes])
    _disturbed(terminal, report.measured)
    reasons = Counter((left_out.what.partition(":")[0], left_out.reason) for left_out in report.left_out)
    if reasons:
        terminal.line()
    for (what, reason), number in reasons.items():
        several = f" ({number} problems)" if number > 1 else ""
        terminal.line(f"left out: {what}{several}: {reason}", "yellow")
    for broken in report.broken:
        terminal.line(f"{broken.what}: {broken.reason}", "bold red")
    for measured in report.measured:
        for outcome in measured.failures:
            terminal.line(f"unpoolx {outcome.status} in {measured.backend}: {measured.problem.name}", "bold red")


def _disturbed(terminal: Terminal, measured: Sequence[Measured]) -> None:
    """A warning where other programs ran beside the measurement."""
    busy = [m.others for m in measured if m.others is not None and m.others > BUSY]
    if busy:
        terminal.line()
        terminal.line(
            f"other programs kept {max(busy):.1f} processors busy at worst, and more than {BUSY} in {len(busy)} of "
            f"{len(measured)} problems: threads that wait for each other lose most by that, so measure again alone",
            "bold yellow",
        )


def _ratios(terminal: Terminal, chosen: Sequence[Measured]) -> None:
    if not chosen:
        return
    terminal.line()
    terminal.line("The framework's fastest way over unpoolx's (how many times as fast unpoolx is), and over the floor")
    rows = [["backend", "problem", "group", "own/ours", "quartiles", "ours/floor", "fastest way of its own"]]
    for measured in chosen:
        for group in measured.groups:
            ours, own = measured.ours(group), measured.own(group)
            ratio = None if own is None else measured.own_over_ours(own)
            floor = None if ours is None else measured.over_floor(ours)
            way = "none" if own is None else own.name
            row = [
                measured.backend,
                measured.problem.name,
                group,
                _ratio(ratio),
                _spread(ratio),
                _ratio(floor),
                way,
            ]
            rows.append(row)
    terminal.table(rows, left=3, last_left=True)


def _overheads(terminal: Terminal, chosen: Sequence[Measured]) -> None:
    rows = [["backend", "problem", "group", "ours - floor", "quartiles", "floor"]]
    for measured in chosen:
        for outcome in measured.measured("unpoolx"):
            beyond, least = measured.beyond_floor(outcome), measured.least(outcome)
            if beyond is not None and least is not None:
                spread = f"{duration(beyond.low)} .. {duration(beyond.high)}"
                row = [measured.backend, measured.problem.name, outcome.group, duration(beyond.median), spread]
                rows.append([*row, least.name])
    if len(rows) > 1:
        terminal.line()
        terminal.line(
            "What a call of unpoolx takes beyond the least call of the framework, and its import beyond NumPy's"
        )
        terminal.table(rows, left=3, last_left=True)


def _row(measured: Measured, outcome: Outcome, *, copied: bool) -> list[str]:
    spread = outcome.spread
    quartiles = f"{duration(spread.low)} .. {duration(spread.high)}"
    floor = ""
    if outcome.kind == "unpoolx":
        beyond = measured.beyond_floor(outcome)
        floor = _ratio(measured.over_floor(outcome)) if copied else "" if beyond is None else duration(beyond.median)
    own = _ratio(measured.own_over_ours(outcome)) if outcome.kind == "own" else ""
    way = f"floor: {outcome.name}" if outcome.kind == "floor" else outcome.name
    return [outcome.group, way, duration(spread.median), quartiles, own, floor]


def _ratio(ratio: Quartiles | None) -> str:
    return "-" if ratio is None else _number(ratio.median)


def _spread(ratio: Quartiles | None) -> str:
    return "-" if ratio is None else f"{_number(ratio.low)} .. {_number(ratio.high)}"


def _number(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def _peak(outcome: Outcome) -> str:
    return "" if outcome.peak_bytes is None else shown_bytes(outcome.peak_bytes)


def duration(seconds: float) -> str:
    """Seconds in a unit that leaves three digits to read."""
    for unit, name in UNITS:
        if abs(seconds) >= unit:
            return f"{seconds / unit:.3g} {name}" if abs(seconds) < 1000 * unit else f"{seconds / unit:.0f} {name}"
    return f"{seconds / 1e-9:.2g} ns"


def shown_bytes(number: int) -> str:
    """Bytes in a unit that leaves few digits to read; as for a disk, the units are powers of 1000."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number} bytes"
