"""Values on the page: arrays as grids of cells, in which the elements that differ are marked."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from ._report_values import SMALL, difference, elements, is_array, kind, notation, planes, shown

FIRST = 20
"""How many differing elements of a large array are listed."""

Mask = npt.NDArray[np.bool_]


def inputs(values: dict[str, Any]) -> str:
    """The inputs of a case: the arrays side by side, then everything else."""
    arrays = "".join(_named(name, value) for name, value in values.items() if is_array(value))
    others = "".join(
        f"<dt class='name'>{escape(name)}</dt><dd><code>{escape(notation(value))}</code></dd>"
        for name, value in values.items()
        if not is_array(value)
    )
    return (f"<div class='values'>{arrays}</div>" if arrays else "") + (f"<dl>{others}</dl>" if others else "")


def comparison(expected: Any, got: Any) -> str:
    """What was expected beside what came."""
    differs = difference(expected, got)
    pair = f"<div class='values'>{_titled('Expected', expected, differs)}{_titled('Got', got, differs)}</div>"
    if differs is None:
        return pair
    if differs.size > SMALL:
        return _first(expected, got, differs) + pair
    return f"{pair}<p class='note soft'>Elements whose bits differ are underlined.</p>"


def _titled(title: str, value: Any, differs: Mask | None) -> str:
    return f"<div><h4>{title}</h4>{_value(value, differs)}</div>"


def _named(name: str, value: Any) -> str:
    return f"<div>{_value(value, title=f'<span class=name>{escape(name)}</span> ')}</div>"


def _value(value: Any, differs: Mask | None = None, title: str = "") -> str:
    if not is_array(value):
        return f"<pre>{escape(shown(value))}</pre>"
    array = np.asarray(value)
    what = f"<p class='what'>{title}<span class='soft'>{escape(kind(array))}</span></p>"
    if not array.size:
        return what
    if array.size > SMALL:
        return f"{what}<pre>{escape(elements(array))}</pre>"
    marks = np.zeros(array.shape, np.bool_) if differs is None else differs
    cut = zip(planes(array), planes(marks), strict=True)
    several = array.ndim > 2 and array.size > 1
    grids = "".join(_grid(index if several else "", plane, marked) for (index, plane), (_, marked) in cut)
    return f"{what}<div class='planes'>{grids}</div>"


def _grid(index: str, plane: npt.NDArray[Any], marked: Mask) -> str:
    caption = f"<figcaption class='name'>{index}</figcaption>" if index else ""
    rows = "".join(
        f"<tr>{''.join(_cell(str(x), bool(mark)) for x, mark in zip(row, marks, strict=True))}</tr>"
        for row, marks in zip(plane, marked, strict=True)
    )
    return f"<figure>{caption}<table class='grid'>{rows}</table></figure>"


def _cell(text: str, marked: bool) -> str:
    return f"<td class='differs'><mark>{escape(text)}</mark></td>" if marked else f"<td>{escape(text)}</td>"


def _first(expected: npt.NDArray[Any], got: npt.NDArray[Any], differs: Mask) -> str:
    """The first elements that differ, of arrays too large to show."""
    rows = "".join(
        f"<tr><td>[{', '.join(map(str, index))}]</td><td>{escape(str(expected[tuple(index)]))}</td>"
        f"<td class='differs'><mark>{escape(str(got[tuple(index)]))}</mark></td></tr>"
        for index in np.argwhere(differs)[:FIRST]
    )
    head = "<tr><th>element</th><th>expected</th><th>got</th></tr>"
    return f"<h4>The first elements that differ</h4><div class='scroll'><table class='grid'>{head}{rows}</table></div>"
