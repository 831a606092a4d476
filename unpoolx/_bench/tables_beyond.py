"""The tables of docs/performance.md beyond medium float32: other dtypes, ranks and batches; growth; memory."""

from __future__ import annotations

from collections.abc import Iterator

from unpoolx._bench.cells import Reports, floor, own, table
from unpoolx._bench.documented import STEPS
from unpoolx._bench.goals import found, group_of
from unpoolx._bench.memory_report import WINDOWS, beyond, switch_bytes
from unpoolx._bench.outcome import Outcome
from unpoolx._bench.parts import FIRST
from unpoolx._bench.problems import Pooling
from unpoolx._bench.results import Measured
from unpoolx._bench.tables import OPERATIONS

KINDS = {
    "bfloat16": ("2d", "k2", "bfloat16", "medium"),
    "int8": ("2d", "k2", "int8", "medium"),
    "1-D": ("1d", "k2", "float32", "medium"),
    "3-D": ("3d", "k2", "float32", "medium"),
    "batch 1": ("2d", "k2", "float32", "small", "batch1"),
    "batch 1, k3 s2 p1": ("2d", "k3", "float32", "small", "batch1"),
}
UNIT = "16MB"
"""The step whose time per byte is called 1."""
MOST_BEYOND = 0.25
"""What a call is to hold beyond its results at most, in parts of its arguments."""


def kinds(reports: Reports) -> str:
    """Other dtypes, ranks and batches beside the fastest of the framework's own ways, and a copy, in one form each."""
    rows = []
    for operation in OPERATIONS:
        for kind, words in KINDS.items():
            cells = []
            for backend, form in FIRST.items():
                m = found(reports, f"{backend}-kinds", (*operation, *words))
                group = None if m is None else group_of(m, form)
                cells += ["", ""] if group is None else [own(m, group), floor(m, group)]
            if any(cells):
                rows.append([" ".join(operation), kind, *cells])
    heads = [head for backend, form in FIRST.items() for head in (f"{backend}, {form[-1]}: own", "floor")]
    return table(["what", "of", *heads], rows).rstrip("\n")


def steps_of(reports: Reports, backend: str) -> list[Measured]:
    """What was measured of a framework at growing sizes."""
    report = reports.get(f"{backend}-growth")
    return [] if report is None else report.measured


def growth(reports: Reports) -> str:
    """Time per byte, over that of 16 MB."""
    rows = [row for backend, form in FIRST.items() for row in _growths(steps_of(reports, backend), backend, form)]
    return table(["backend", "what", "form", *(f"{word[:-2]} {word[-2:]}" for word, _ in STEPS)], rows).rstrip("\n")


def _growths(steps: list[Measured], backend: str, form: tuple[str, ...]) -> Iterator[list[str]]:
    for operation in OPERATIONS:
        sizes = {m.problem.size: m for m in steps if set(operation) <= set(m.problem.words)}
        unit = sizes.get(UNIT)
        group = None if unit is None else group_of(unit, form)
        if unit is None or group is None:
            continue
        ours = {size: m.ours(group) for size, m in sizes.items()}
        copies = {size: m.floor for size, m in sizes.items()}
        for name, outcomes in ((group, ours), ("a copy", copies)):
            cells = (_per_byte(sizes.get(word), outcomes.get(word), unit, outcomes[UNIT]) for word, _ in STEPS)
            yield [backend, " ".join(operation), name, *cells]


def _per_byte(measured: Measured | None, outcome: Outcome | None, unit: Measured, of_unit: Outcome | None) -> str:
    """The time per byte of one step over that of another."""
    if measured is None or outcome is None or of_unit is None:
        return "-"
    ratio = outcome.spread.median / of_unit.spread.median * unit.problem.input_bytes / measured.problem.input_bytes
    return f"{ratio:.2g}"


def memory(reports: Reports) -> str:
    """What one window's switch takes, and what a call holds at most beyond its results, in parts of its arguments."""
    rows = []
    for part in ("memory", "memory-plain"):
        ours = reports[part].measured if part in reports else []
        for backend, group in dict.fromkeys((m.backend, group) for m in ours for group in m.groups):
            of = [m for m in ours if m.backend == backend and group in m.groups]
            switches = max(map(switch_bytes, of), default=0.0)
            cells = [_beyond(of, operation, window) for operation in ("pool", "unpool") for window in WINDOWS]
            rows.append([backend + part.removeprefix("memory"), group, f"{switches:.3g}", *cells])
    heads = [f"{operation} {' '.join(window.words[1:])}" for operation in ("pool", "unpool") for window in WINDOWS]
    return table(["backend", "form", "bytes a window", *heads], rows).rstrip("\n")


def _beyond(measured: list[Measured], operation: str, window: Pooling) -> str:
    held = next((m for m in measured if m.problem.operation == operation and m.problem.window == window), None)
    part = None if held is None else beyond(held)
    if part is None:
        return "-"
    shown = f"{round(part, 2) + 0.0:.2f}"
    return f"**{shown}**" if part > MOST_BEYOND else shown
