"""docs/performance.md and the README: their tables and the picture, made from docs/performance.json between markers.

`python -m unpoolx._bench.page` writes them anew; `--measure PART ...` (or `--measure all`) measures first, each part in
a process of its own, and keeps what is there of the others.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from unpoolx._bench.files import write_whole
from unpoolx._bench.goals import GEOMETRIES, IMPORT, Cell, Goal, found, group_of, indexing, overheads, pooling
from unpoolx._bench.parts import PARTS, measured, restored, saved
from unpoolx._bench.results import Measured, Report

JSON, PAGE, PICTURE, README = "docs/performance.json", "docs/performance.md", "docs/performance.png", "README.md"
MARKED = r"(<!-- measured: {name} -->\n).*?(<!-- end -->)"
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
Reports = dict[str, Report]


def filled(text: str, sections: Mapping[str, Callable[[Reports], str]], reports: Reports) -> str:
    """A text with what stands between its markers written anew.

    Raises:
        ValueError: it has not each marker once.
    """
    for name, section in sections.items():
        pattern = re.compile(MARKED.format(name=re.escape(name)), re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"expected one '<!-- measured: {name} -->' with an '<!-- end -->' after it")
        made = section(reports)
        text = pattern.sub(lambda match, made=made: f"{match[1]}{made}\n{match[2]}", text)  # type: ignore[misc]
    return text


# Sections


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
        text += "\n" + _table(
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
    return f"**{_number(cell.value)}**" if cell.missed else _number(cell.value)


def _mark(cells: Sequence[Cell | None]) -> str:
    known = [cell for cell in cells if cell is not None and cell.value is not None]
    return ("missed" if any(cell.missed for cell in known) else "met") if known else "not measured"


def ratios(reports: Reports) -> str:
    """All forms of pooling and unpooling beside the fastest of the framework's own ways, and a copy."""
    rows = []
    for part in PARTS:
        for operation in OPERATIONS:
            pair = [found(reports, part, (*operation, "2d", geometry, "medium")) for geometry in GEOMETRIES]
            for group in dict.fromkeys(group for m in pair if m is not None for group in m.groups):
                cells = [cell for m in pair for cell in (_own(m, group), _floor(m, group))]
                rows.append([part, " ".join(operation), group, *cells])
    return _table(["backend", "what", "form", "k2 s2: own", "floor", "k3 s2 p1: own", "floor"], rows).rstrip("\n")


def updates(reports: Reports) -> str:
    """`at` beside the fastest of the framework's own ways, and a copy."""
    rows = []
    for part in PARTS:
        for variant in ("slice", "unique", "duplicates", "mask"):
            m = found(reports, part, ("at", variant, "medium"))
            for group in m.groups if m is not None else []:
                own = m.own(group) if m is not None else None
                name = "" if own is None else f"`{own.name}`"
                rows.append([part, variant, group, _own(m, group), _floor(m, group), name])
    return _table(["backend", "index", "form", "own", "floor", "the fastest of its own"], rows).rstrip("\n")


def highlights(reports: Reports) -> str:
    """The README's few ratios, each with the command that measures its row."""
    rows = []
    for part, form, name in SHOWN:
        cells = []
        for operation in (("pool", "forward"), ("unpool", "forward"), ("round-trip",)):
            m = found(reports, part, (*operation, "2d", "k2", "medium"))
            group = None if m is None else group_of(m, form)
            cells.append("-" if group is None else _own(m, group))
        rows.append([name, *cells, f"`{PARTS[part].command('--only', '2d', 'k2', 'float32', '--form', *form)}`"])
    return _table(["", "pool", "unpool", "both", "command"], rows).rstrip("\n")


def _own(measured_: Measured | None, group: str) -> str:
    """How many times as fast unpoolx is as the fastest of the framework's own ways that has the bits."""
    own = None if measured_ is None else measured_.own(group)
    ratio = None if own is None or measured_ is None else measured_.own_over_ours(own)
    return "-" if ratio is None else _number(ratio.median)


def _floor(measured_: Measured | None, group: str) -> str:
    ours = None if measured_ is None else measured_.ours(group)
    ratio = None if ours is None or measured_ is None else measured_.over_floor(ours)
    return "-" if ratio is None else _number(ratio.median)


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.3g}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


IN_PAGE = {"conditions": conditions, "targets": targets, "ratios": ratios, "updates": updates}
IN_README = {"highlights": highlights}


def picture(reports: Reports) -> bytes:
    """The picture: the sizes that only it has, in one process per framework."""
    from unpoolx._bench.plot import as_png

    steps = [m for part in ("numpy", "tf", "jax", "torch") if part in reports for m in _steps(reports[part])]
    first = next(iter(reports.values())).machine
    return as_png(steps, f"{first['processor']}, {first['threads']['asked']} threads, float32, k2 s2")


def _steps(report: Report) -> list[Measured]:
    return [m for m in report.measured if m.problem.size.endswith("MB")]


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, and write the pages; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m unpoolx._bench.page", description=__doc__)
    parser.add_argument("--measure", nargs="+", default=[], metavar="PART", help=f"all, or of {', '.join(PARTS)}")
    parser.add_argument("--root", type=Path, default=Path(), help="the folder of the clone (default: this one)")
    given = parser.parse_args(arguments)
    names = list(PARTS) if given.measure == ["all"] else given.measure
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser.error(f"--measure: expected all, or of {', '.join(PARTS)}; got {', '.join(unknown)}")
    kept: Path = given.root / JSON
    reports = restored(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    failed = []
    for name in names:
        try:
            reports[name] = measured(name)
        except subprocess.CalledProcessError as error:
            failed.append(f"{name}: {error}")
            continue
        text = saved(reports)
        write_whole(name, kept, text.encode())  # at once, since the next one may be stopped
        reports = restored(text)  # in the digits that are kept, so that the pages can be made again as they are
    for path, sections in ((given.root / PAGE, IN_PAGE), (given.root / README, IN_README)):
        write_whole(path.name, path, filled(path.read_text(encoding="utf-8"), sections, reports).encode())
    if any(map(_steps, reports.values())):
        write_whole(PICTURE, given.root / PICTURE, picture(reports))
    for line in failed:
        sys.stderr.write(f"not measured: {line}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
