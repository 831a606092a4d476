"""The demo's picture: the photograph, its pooled values and the ways back, whole and in detail, side by side.

Every panel is laid out in whole pixels and handed to matplotlib at exactly the size at which it is drawn.
Otherwise a sparse image would be resampled into bands that are in the drawing and not in the data.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import IdentityTransform
from PIL import Image

from unpoolx._demo_files import Pixels
from unpoolx._demo_measure import Errors

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

# All in pixels. Sizes of type, in write(), are points: two pixels each at this resolution.
DPI = 144
PANEL = 384
MAX_OVERVIEW = 480
GAP, MARGIN = 28, 56
HEADER, COLUMN_HEAD, FACTS, FOOTER = 116, 100, 88, 84
LINE_SPACING = 1.5
INK, MUTED, RULE, ACCENT = "#1b1f24", "#59636e", "#d1d9e0", "#e5484d"

# The detail shows this many pixels of the photograph, but no fewer than this many windows.
DETAIL_PIXELS, DETAIL_WINDOWS = 64, 4

# The whole style, so that nobody's own matplotlib settings change the picture.
# Any: the type of the settings is a list of all their names, which differs between releases of matplotlib.
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.usetex": False,
    "text.parse_math": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "path.sketch": None,
}

TEXTS = {
    "photograph": ("Original", "the photograph"),
    "max_pool": ("Max-pooled", "the largest value of each window,\ndrawn at its own size"),
    "corner": ("Corner", "each value at the first pixel of its\nwindow, zeros elsewhere"),
    "nearest": ("Nearest", "each value all over its window"),
    "average": ("Average", "each value shared out over its\nwindow: the sum is kept"),
    "switches": ("Switches", "each value back where it came\nfrom, zeros elsewhere"),
}

NOTES = """\
RMSE and PSNR are over all values against the original, which lies in [0, 1]; \u201cwhere placed\u201d \
counts only the values that the way writes to. \
There, switches are exact: each maximum is back at its own place.
The lowest RMSE, as a picture on its own: {best}. Switches, like corner, leave the rest at zero, for the \
layers that follow to fill in. All panels are shown as they are; none is brightened.
Each colour channel is pooled by itself, so the three maxima of one window may come from different pixels: \
hence the coloured dots of the switches. \
The second row is the framed part, enlarged; its lines are the windows."""


@dataclass(frozen=True)
class Panel:
    """One column: what it shows, at the size at which it is drawn, and the numbers beneath."""

    name: str
    overview: Bytes
    detail: Bytes
    window: int
    """The side of a pooling window in the detail, in pixels of the picture."""
    facts: str


class Sheet:
    """Collects the panels of one photograph, then draws them.

    Args:
        photograph: of shape (1, height, width, 3), in [0, 1].
        kernel_size: the side of the pooling windows.
        title: what the photograph is called.
    """

    def __init__(self, photograph: Pixels, kernel_size: int, title: str) -> None:
        _, self._height, self._width, _ = photograph.shape
        self._kernel = kernel_size
        self._title = title
        self._scale = min(PANEL / self._width, MAX_OVERVIEW / self._height)
        self._side, self._top, self._left = _busiest_square(photograph[0], kernel_size)
        self._panels: list[Panel] = []
        self._rmse: dict[str, float] = {}
        self.add("photograph", photograph, None)

    def add(self, name: str, image: Array, errors: Errors | None) -> None:
        """Take a panel from `image`, of the photograph's size or, for "max_pool", of the pooled values'."""
        height, width = image.shape[1:3]
        if errors is not None:
            facts = f"RMSE {shown(errors.rmse)}   PSNR {errors.psnr:.1f} dB\n"
            facts += f"RMSE where placed {shown(errors.placed_rmse)}"
            self._rmse[name] = errors.rmse
        elif name == "max_pool":
            kept = width * height / (self._width * self._height)
            facts = f"{width} \u00d7 {height} pixels\n{kept:.1%} of the original\u2019s"
        else:
            facts = f"{width} \u00d7 {height} pixels"
        # One pixel of the photograph is as large in every detail, and so is one pooled value.
        enlarge = PANEL // self._side if self._side <= PANEL else PANEL / self._side
        shrink = self._kernel if name == "max_pool" else 1
        top, left, side = self._top // shrink, self._left // shrink, self._side // shrink
        self._panels.append(
            Panel(
                name,
                overview=_resized(image[0], self._scale),
                detail=_resized(image[0, top : top + side, left : left + side], enlarge),
                window=round(self._kernel // shrink * enlarge),
                facts=facts,
            )
        )

    def write(self, file: BinaryIO) -> None:
        """Draw the panels that were added and write them as PNG."""
        columns = len(self._panels)
        overview_height = max(panel.overview.shape[0] for panel in self._panels)
        width = 2 * MARGIN + columns * PANEL + (columns - 1) * GAP
        row_tops = [MARGIN + HEADER + COLUMN_HEAD]
        row_tops.append(row_tops[0] + overview_height + FACTS)
        height = row_tops[1] + PANEL + GAP + FOOTER + MARGIN
        # A glyph that the font lacks, in the name of a file, is drawn as a box, which is good enough.
        with mpl.rc_context(rc=STYLE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            page = _Page(width, height)
            windows = f"{self._kernel} \u00d7 {self._kernel} windows"
            page.text(MARGIN, MARGIN, f"Max pooling over {windows}, and four ways back", 19, weight="bold")
            subtitle = f"{self._title}, {self._width} \u00d7 {self._height} pixels"
            page.text(MARGIN, MARGIN + 52, subtitle, 11, color=MUTED)
            for column, panel in enumerate(self._panels):
                left = MARGIN + column * (PANEL + GAP)
                label, description = TEXTS[panel.name]
                page.text(left, MARGIN + HEADER, label, 13, weight="bold")
                page.text(left, MARGIN + HEADER + 38, description, 9, color=MUTED)
                page.image(left, row_tops[0], panel.overview)
                page.text(left, row_tops[0] + overview_height + 14, panel.facts, 10)
                page.image(left, row_tops[1], panel.detail, grid=panel.window)
            left, top, side = (round(n * self._scale) for n in (self._left, self._top, self._side))
            page.frame(MARGIN + left, row_tops[0] + top, (side, side), ACCENT, 2.0)
            best = " and ".join(name for name, rmse in self._rmse.items() if rmse == min(self._rmse.values()))
            page.text(MARGIN, row_tops[1] + PANEL + GAP, NOTES.format(best=best), 9, color=MUTED)
            page.write(file)


class _Page:
    """A matplotlib figure addressed in whole pixels from the top left, without pyplot's global state."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        self._canvas = FigureCanvasAgg(self._figure)

    def text(self, left: int, top: int, text: str, size: float, **style: Any) -> None:
        # By the baseline of each line: where matplotlib puts the top of a text depends on the letters in it.
        pixels = size * DPI / 72
        font = {"size": size, "color": INK, **style}
        for number, line in enumerate(text.split("\n")):
            y = 1 - (top + (0.76 + LINE_SPACING * number) * pixels) / self._height
            self._figure.text(left / self._width, y, line, font, va="baseline")

    def image(self, left: int, top: int, pixels: Bytes, *, grid: int = 0) -> None:
        height, width, _ = pixels.shape
        bottom = self._height - top - height
        self._figure.figimage(pixels, left, bottom, origin="upper")
        # Lines closer together than this would hide what they divide.
        if grid >= 12:
            right, upper = left + width, bottom + height
            upright = [((x, bottom), (x, upper)) for x in range(left + grid, right, grid)]
            level = [((left, y), (right, y)) for y in range(upper - grid, bottom, -grid)]
            lines = LineCollection(upright + level, colors="#808080", linewidths=0.5, alpha=0.55)
            lines.set_transform(IdentityTransform())
            self._figure.add_artist(lines)
        self.frame(left, top, (width, height), RULE, 0.8)

    def frame(self, left: int, top: int, size: tuple[int, int], color: str, line: float) -> None:
        width, height = size
        corner = (left, self._height - top - height)
        edge = Rectangle(corner, width, height, fill=False, edgecolor=color, linewidth=line)
        edge.set_transform(IdentityTransform())
        self._figure.add_artist(edge)

    def write(self, file: BinaryIO) -> None:
        self._canvas.print_figure(file, dpi=DPI, format="png")


def shown(rmse: float) -> str:
    """An error as a person reads it, with a zero that is one told from a zero by rounding."""
    return f"{rmse:.4f}" if rmse else "0 (exact)"


def _resized(image: Array, scale: float) -> Bytes:
    """`image` as bytes, `scale` times as large: pixels become blocks when it grows, blend when it shrinks."""
    height, width, _ = image.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(np.rint(np.clip(image, 0, 1) * np.float32(255)).astype(np.uint8))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    return np.asarray(picture.resize(size, how, reducing_gap=3.0))


def _busiest_square(image: Array, kernel_size: int) -> tuple[int, int, int]:
    """(side, top, left) of the square of whole windows with the most edges in it: worth enlarging."""
    height, width, _ = image.shape
    windows = min(max(DETAIL_WINDOWS, DETAIL_PIXELS // kernel_size), min(height, width) // kernel_size)
    side = windows * kernel_size
    rows, columns = height // side, width // side
    brightness = image[: rows * side, : columns * side].mean(axis=-1)
    edges = np.zeros_like(brightness)
    edges[1:] += np.abs(np.diff(brightness, axis=0))
    edges[:, 1:] += np.abs(np.diff(brightness, axis=1))
    amount = edges.reshape(rows, side, columns, side).sum(axis=(1, 3))
    row, column = np.unravel_index(np.argmax(amount), amount.shape)
    return side, int(row) * side, int(column) * side
