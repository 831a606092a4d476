"""The picture of a run over several sizes: time over size, a panel for each operation and framework."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unpoolx._bench.outcome import Kind, Outcome
from unpoolx._bench.results import Measured

PANEL = (6.4, 4.8)
"""Width and height of a panel in inches."""
DPI = 100
INK = "#1b1f24"
# unpoolx in reds, the framework's own ways in what else there is, the floor in ink.
OURS = ("#e5484d", "#f0883e", "#b62324", "#ffa198", "#9e6a03", "#d29922")
OWN = ("#0969da", "#1a7f37", "#8250df", "#57606a", "#0a8a8a", "#54aeff", "#4ac26b", "#c297ff", "#8c959f", "#76e3ea")
MARKERS = "osD^v<>pPX*h"
# Nobody's own settings of matplotlib change the picture.
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.usetex": False,
    "path.sketch": None,
}

Key = tuple[Kind, str, str]


def as_png(measured: Sequence[Measured], facts: str) -> bytes:
    """The picture; a row for each operation, a column for each framework, and a line of facts above."""
    operations = list(dict.fromkeys((m.problem.operation, m.problem.variant) for m in measured))
    backends = list(dict.fromkeys(m.backend for m in measured))
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        size = (PANEL[0] * len(backends), PANEL[1] * len(operations) + 0.6)
        figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
        canvas = FigureCanvasAgg(figure)
        figure.suptitle(textwrap.fill(facts, 70 * len(backends)), color=INK, fontsize=11)
        grid = figure.subplots(len(operations), len(backends), squeeze=False)
        for row, operation in zip(grid, operations, strict=True):
            for axes, backend in zip(row, backends, strict=True):
                chosen = [
                    m
                    for m in measured
                    if m.backend == backend and (m.problem.operation, m.problem.variant) == operation
                ]
                _panel(axes, f"{backend}: {' '.join(filter(None, operation))}", chosen)
        file = io.BytesIO()
        canvas.print_figure(file, dpi=DPI, format="png")
    return file.getvalue()


def _panel(axes: Any, title: str, measured: Sequence[Measured]) -> None:
    axes.set_title(title, color=INK, fontsize=11)
    if not measured:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=INK)
        return
    lines: dict[Key, list[tuple[int, Outcome]]] = {}
    for m in measured:
        for outcome in m.outcomes:
            if outcome.status == "measured":
                key = (outcome.kind, outcome.group, outcome.name)
                lines.setdefault(key, []).append((m.problem.input_bytes, outcome))
    numbers = {"unpoolx": 0, "own": 0, "floor": 0}
    for (kind, group, name), points in lines.items():
        _line(axes, kind, numbers[kind], " ".join(filter(None, (kind if kind != "own" else "", name, group))), points)
        numbers[kind] += 1
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("bytes of the input")
    axes.set_ylabel("seconds, median and quartiles")
    ticks = sorted({m.problem.input_bytes for m in measured})
    axes.set_xticks(ticks, [f"{tick / 2**20:.4g} MiB" for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=6.5, loc="upper left")


def _line(axes: Any, kind: Kind, number: int, label: str, points: Sequence[tuple[int, Outcome]]) -> None:
    if kind == "floor":
        look: dict[str, Any] = {"color": INK, "linestyle": "--", "linewidth": 1.5}
    else:
        colors = OURS if kind == "unpoolx" else OWN
        look = {
            "color": colors[number % len(colors)],
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 4,
            "linewidth": 2.2 if kind == "unpoolx" else 1.2,
        }
    points = sorted(points, key=lambda point: point[0])
    sizes, spreads = [size for size, _ in points], [outcome.spread for _, outcome in points]
    axes.plot(sizes, [spread.median for spread in spreads], label=label, **look)
    axes.fill_between(
        sizes, [spread.low for spread in spreads], [spread.high for spread in spreads], color=look["color"], alpha=0.15
    )
