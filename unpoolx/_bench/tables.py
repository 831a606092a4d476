"""The tables of docs/performance.md and the README about medium float32 in two dimensions, and updates by index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unpoolx._bench.cells import Reports, floor, number, own, table
from unpoolx._bench.goals import GEOMETRIES, IMPORT, Cell, Goal, found, group_of, indexing, overheads, pooling
from unpoolx._bench.parts import PARTS

OPERATIONS = (
    ("pool", "forward"),
    ("pool", "backward"),
    ("unpool", "forward"),
    ("unpool", "backward"),
    ("round-trip",),
)
# What the README shows: a part, and the form that its users meet first.
SHOWN = (
    ("numpy", ("NHWC",), "NumPy, with Numba"),
    ("tf", ("NHWC", "eager"), "TensorFlow"),
    ("tf", ("NHWC", "tf.function"), "TensorFlow, `tf.function`"),
    ("jax", ("NHWC", "jit"), "JAX, `jit`"),
    ("torch", ("NCHW",), "PyTorch, with Numba"),
    ("torch-plain", ("NCHW",), "PyTorch"),
)


def conditions(reports: Reports) -> str:
    """Where and when it was measured, and how much was disturbed."""
    if not reports:
        return "Not measured."
    first = next(iter(reports.values()))
    versions: dict[str, str] = {}
    for report in reports.values():
        versions |= report.machine["versions"]
    busy = [m.others for report in reports.values() for m in report.measured if m.others is not None]
    days = sorted({report.started[:10] for report in reports.values()})
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    disturbed = f" Other programs kept {max(busy):.1f} processors busy at worst." if busy else ""
    return (
        f"Measured on {' and '.join(days)}: {first.machine['processor']}, {first.machine['cpu_count']} CPUs, "
        f"{first.settings['threads']} threads; {names}; float32, (8, 112, 112, 64) or its NCHW twin.{disturbed}"
    )


def targets(reports: Reports) -> str:
    """Every target with what was measured, met or missed, and the command that measures it."""
    goals = [*pooling(), *indexing(), *overheads(), IMPORT]
    rows = [(goal, goal.cells(reports)) for goal in goals]
    marks = [_mark(cells) for _, cells in rows]
    text = f"{marks.count('met')} of {len(rows)} targets are met, {marks.count('missed')} missed"
    unknown = len(rows) - marks.count("met") - marks.count("missed")
    text += f"; {unknown} not measured.\n" if unknown else ".\n"
    heads = (
        (pooling, ["k2 s2", "k3 s2 p1"]),
        (indexing, ["slice", "unique", "mask", "duplicates"]),
        (overheads, ["pool", "unpool", "at"]),
        (lambda: [IMPORT], ["import"]),
    )
    for goals_of, columns in heads:
        text += "\n" + table(
            ["backend", "what", "form", "target", *columns, "", "command"], _targets(goals_of(), reports)
        )
    return text.rstrip("\n")


def _targets(goals: Iterator[Goal] | Sequence[Goal], reports: Reports) -> Iterator[list[str]]:
    for goal in goals:
        cells = goal.cells(reports)
        values = [_shown(cell) for cell in cells]
        yield [goal.part, goal.what, " ".join(goal.form), goal.text, *values, _mark(cells), f"`{goal.command}`"]


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.value is None:
        return "-"
    return f"**{number(cell.value)}**" if cell.missed else number(cell.value)


def _mark(cells: Sequence[Cell | None]) -> str:
    known = [cell for cell in cells if cell is not None and cell.value is not None]
    return ("missed" if any(cell.missed for cell in known) else "met") if known else "not measured"


def ratios(reports: Reports) -> str:
    """All forms of pooling and unpooling beside the fastest of the framework's own ways, and a copy."""
    rows = []
    for part in PARTS:
        for operation in OPERATIONS:
            pair = [found(reports, part, (*operation, "2d", geometry, "float32", "medium")) for geometry in GEOMETRIES]
            for group in dict.fromkeys(group for m in pair if m is not None for group in m.groups):
                cells = [cell for m in pair for cell in (own(m, group), floor(m, group))]
                rows.append([part, " ".join(operation), group, *cells])
    return table(["backend", "what", "form", "k2 s2: own", "floor", "k3 s2 p1: own", "floor"], rows).rstrip("\n")


def updates(reports: Reports) -> str:
    """`at` beside the fastest of the framework's own ways, and a copy."""
    rows = []
    for part in PARTS:
        for variant in ("slice", "unique", "duplicates", "mask"):
            m = found(reports, part, ("at", variant, "medium"))
            for group in m.groups if m is not None else []:
                fastest = m.own(group) if m is not None else None
                name = "" if fastest is None else f"`{fastest.name}`"
                rows.append([part, variant, group, own(m, group), floor(m, group), name])
    return table(["backend", "index", "form", "own", "floor", "the fastest of its own"], rows).rstrip("\n")


def highlights(reports: Reports) -> str:
    """The README's few ratios, each with the command that measures its row."""
    rows = []
    for part, form, name in SHOWN:
        cells = []
        for operation in (("pool", "forward"), ("unpool", "forward"), ("round-trip",)):
            m = found(reports, part, (*operation, "2d", "k2", "float32", "medium"))
            group = None if m is None else group_of(m, form)
            cells.append("-" if group is None else own(m, group))
        rows.append([name, *cells, f"`{PARTS[part].command('--only', '2d', 'k2', 'float32', '--form', *form)}`"])
    return table(["", "pool", "unpool", "both", "command"], rows).rstrip("\n")
