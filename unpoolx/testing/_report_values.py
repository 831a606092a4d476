"""The values of a case as text: arrays with their dtype and shape, whole where they are small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .compare import _different

SMALL = 400
"""The most elements of an array that is shown whole."""
LONGEST = 4000
"""The most characters of the text of a value that is no array."""


def is_array(value: Any) -> bool:
    """Whether a value is shown as an array: NumPy's, also one of no axes."""
    return isinstance(value, (np.ndarray, np.generic))


def kind(array: npt.NDArray[Any]) -> str:
    """The dtype and shape of an array."""
    array = np.asarray(array)
    size = "" if array.size else ", no elements"
    return f"{array.dtype}, shape {array.shape}{size}"


def elements(array: npt.NDArray[Any]) -> str:
    """The elements of an array in NumPy's notation, in full where they are few."""
    array = np.asarray(array)
    with np.printoptions(**_options()):
        return np.array2string(array) if array.size else ""


def shown(value: Any) -> str:
    """What was expected or came and is no array: words as they are, everything else in Python's notation."""
    return value if isinstance(value, str) else notation(value)


def notation(value: Any) -> str:
    """A value that is no array, or arrays in a tuple, in Python's notation."""
    try:
        with np.printoptions(**_options()):
            text = repr(value)
    except Exception as error:  # noqa: BLE001  # the report is of a backend that may be wrong in anything
        text = f"<{type(value).__name__}, of which repr raises {type(error).__name__}: {error}>"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text):,} characters)"


def _options() -> dict[str, Any]:
    return {"threshold": SMALL, "edgeitems": 3, "floatmode": "unique", "linewidth": 100}


def difference(expected: Any, got: Any) -> npt.NDArray[np.bool_] | None:
    """Where two arrays differ in their bits, any NaN being equal to any; None where they cannot be compared so."""
    if not (isinstance(expected, np.ndarray) and isinstance(got, np.ndarray)):
        return None
    if expected.shape != got.shape or expected.dtype != got.dtype or got.dtype.hasobject:
        return None
    return _different(got, expected)


def planes(array: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """An array as planes of two axes, each with the index that cuts it out.

    Axes of length one are left out, so that a picture in either layout is a plane for each channel or column.
    """
    long = [axis for axis in range(array.ndim) if array.shape[axis] != 1]
    leading, inner = long[:-2], long[-2:]
    for numbers in np.ndindex(*(array.shape[axis] for axis in leading)):
        index: list[Any] = [0] * array.ndim
        for axis, number in zip(leading, numbers, strict=True):
            index[axis] = number
        for axis in inner:
            index[axis] = slice(None)
        words = ", ".join(":" if isinstance(i, slice) else str(i) for i in index)
        yield f"[{words}]", np.atleast_2d(array[tuple(index)])
