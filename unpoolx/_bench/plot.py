"""The picture of a run over several sizes: time over size, a panel for each operation and framework.

A panel has the floor, and of at most two forms (layout and mode) unpoolx's fastest way and the framework's own. Each
line is named at its end.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unpoolx._bench.outcome import Kind, Outcome
from unpoolx._bench.results import Measured

PANEL = (5.4, 3.5)
"""Width and height of a panel in inches, the names of its lines included."""
DPI = 100
MOST_FORMS = 2
INK = "#1b1f24"
# unpoolx in reds and drawn thick, the framework's own ways in blues; a second form is lighter and has other markers.
COLORS: dict[Kind, tuple[str, ...]] = {
    "unpoolx": ("#cf222e", "#f0883e"),
    "own": ("#0969da", "#57606a"),
    "floor": (INK,),
}
MARKERS = "os"
LONGEST = 34
"""Of longer names of ways, what comes before the first comma is drawn."""
APART = 0.075
"""How far two names are from each other at least, as a part of the panel's height."""
# Nobody's own settings of matplotlib change the picture.
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.usetex": False,
    "path.sketch": None,
}


@dataclass(frozen=True)
class Line:
    """One line of a panel: a name, and what came of a way at each size in bytes."""

    kind: Kind
    number: int
    name: str
    points: tuple[tuple[int, Outcome], ...]


def as_png(measured: Sequence[Measured], facts: str) -> bytes:
    """The picture: a panel for each operation in each framework, and a line of facts above.

    Of operations and frameworks those that are fewer have a column each, so that it is no wider than must be.
    """
    operations = list(dict.fromkeys((m.problem.operation, m.problem.variant) for m in measured))
    backends = list(dict.fromkeys(m.backend for m in measured))
    panels = [[(operation, backend) for backend in backends] for operation in operations]
    if len(backends) > len(operations):
        panels = [list(row) for row in zip(*panels, strict=True)]
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        size = (PANEL[0] * len(panels[0]), PANEL[1] * len(panels) + 0.6)
        figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
        canvas = FigureCanvasAgg(figure)
        figure.suptitle(textwrap.fill(facts, 60 * len(panels[0])), color=INK, fontsize=10)
        grid = figure.subplots(len(panels), len(panels[0]), squeeze=False)
        for row, named in zip(grid, panels, strict=True):
            for axes, (operation, backend) in zip(row, named, strict=True):
                chosen = [
                    m
                    for m in measured
                    if m.backend == backend and (m.problem.operation, m.problem.variant) == operation
                ]
                _panel(axes, f"{backend}: {' '.join(filter(None, operation))}", chosen)
        file = io.BytesIO()
        # No version of matplotlib in the file: the same measurements make the same file.
        canvas.print_figure(file, dpi=DPI, format="png", metadata={"Software": None})
    return file.getvalue()


def lines_of(measured: Sequence[Measured]) -> list[Line]:
    """The lines of one operation in one framework: per form the ways that are fastest at the largest size.

    That is the largest size at which ways of the framework's own were measured, if there is any.
    """
    largest = max(measured, key=lambda m: (bool(m.measured("own")), m.problem.input_bytes))
    forms = [group for group in largest.groups if largest.own(group) is not None] or largest.groups
    found = []
    for number, group in enumerate(forms[:MOST_FORMS]):
        for way in (largest.ours(group), largest.own(group)):
            if way is not None:
                own = way.name if len(way.name) <= LONGEST else way.name.partition(", ")[0]
                name = "unpoolx" if way.kind == "unpoolx" else own
                name = f"{name}, {group.removeprefix('NHWC, ')}"
                found.append(Line(way.kind, number, name, _points(measured, way)))
    if largest.floor is not None:
        found.append(Line("floor", 0, f"floor: {largest.floor.name}", _points(measured, largest.floor)))
    return found


def _points(measured: Sequence[Measured], way: Outcome) -> tuple[tuple[int, Outcome], ...]:
    """What came of a way at each size at which it was measured, in ascending order."""
    found = [
        (m.problem.input_bytes, outcome)
        for m in measured
        for outcome in m.measured(way.kind, way.group)
        if outcome.name == way.name
    ]
    return tuple(sorted(found, key=lambda point: point[0]))


def _panel(axes: Any, title: str, measured: Sequence[Measured]) -> None:
    axes.set_title(title, color=INK, fontsize=10, loc="left")
    if not measured:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=INK)
        return
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    lines = lines_of(measured)
    for line in lines:
        _draw(axes, line)
    axes.set_xlabel("bytes of the input, in powers of 1024", fontsize=8)
    axes.set_ylabel("seconds: median and quartiles", fontsize=8)
    ticks = sorted({m.problem.input_bytes for m in measured})
    axes.set_xticks(ticks, [f"{tick >> 30}G" if tick >= 1 << 30 else f"{tick / 2**20:.3g}M" for tick in ticks])
    axes.tick_params(labelsize=8)
    axes.minorticks_off()
    axes.grid(visible=True, which="major", alpha=0.3)
    _name(axes, lines)


def _draw(axes: Any, line: Line) -> None:
    color = COLORS[line.kind][line.number]
    if line.kind == "floor":
        look: dict[str, Any] = {"linestyle": "--", "linewidth": 1.5}
    else:
        width = 2.4 if line.kind == "unpoolx" else 1.3
        look = {"marker": MARKERS[line.number], "markersize": 4, "linewidth": width}
    sizes, spreads = [size for size, _ in line.points], [outcome.spread for _, outcome in line.points]
    axes.plot(sizes, [spread.median for spread in spreads], label=line.name, color=color, **look)
    low, high = [spread.low for spread in spreads], [spread.high for spread in spreads]
    axes.fill_between(sizes, low, high, color=color, alpha=0.15, linewidth=0)


def _name(axes: Any, lines: Sequence[Line]) -> None:
    """Write the name of each line right of the panel, at the height of its end, or as near as the others leave room."""
    axes.autoscale_view()
    ends = [(axes.transScale + axes.transLimits).transform((1, line.points[-1][1].spread.median))[1] for line in lines]
    order = sorted(range(len(lines)), key=lambda number: ends[number])
    for number, height in zip(order, _spaced([ends[number] for number in order]), strict=True):
        line = lines[number]
        weight = "bold" if line.kind == "unpoolx" else "normal"
        color = COLORS[line.kind][line.number]
        axes.annotate(
            line.name,
            (line.points[-1][0], line.points[-1][1].spread.median),
            (1.04, height),
            textcoords="axes fraction",
            va="center",
            fontsize=7.5,
            color=color,
            weight=weight,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 0},
        )


def _spaced(heights: Sequence[float]) -> list[float]:
    """Ascending heights, moved apart where they are nearer than `APART`, and kept around where they were."""
    placed: list[list[float]] = []  # runs of neighbours: the heights that each wants
    for height in heights:
        placed.append([height])
        while len(placed) > 1 and _start(placed[-1]) < _start(placed[-2]) + APART * len(placed[-2]):
            last = placed.pop()
            placed[-1] += last
    return [_start(run) + APART * number for run in placed for number in range(len(run))]


def _start(run: Sequence[float]) -> float:
    """Where the lowest of a run stands, whose middle is the middle of what its members want."""
    return sum(run) / len(run) - APART * (len(run) - 1) / 2
