"""Hypothesis strategy for window arguments that must be refused, each with one fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from ._oracle_window import Index


@dataclass(frozen=True)
class IllegalWindow:
    """Window arguments that must raise `expected`, at the latest with an array of `shape`, and why."""

    arguments: dict[str, Any]
    shape: Index
    expected: type[Exception]
    fault: str


@st.composite
def illegal_windows(draw: st.DrawFn, max_rank: int = 3) -> IllegalWindow:
    """Window arguments with one fault: TypeError for no integer, ValueError for what does not fit."""
    rank = draw(st.integers(1, max_rank))
    axis = draw(st.integers(0, rank - 1))
    n = draw(st.integers(3, 5))
    changes, expected, fault = draw(st.sampled_from(_faults(rank, axis, n)))
    arguments = {"kernel_size": (2,) * rank, "stride": (2,) * rank, "padding": "VALID", "dilation": 1}
    arguments |= {"ceil_mode": draw(st.booleans()), "data_format": "channels_last"}
    shape = changes.pop("shape", (draw(st.integers(0, 2)), *(n,) * rank, draw(st.integers(0, 2))))
    return IllegalWindow({**arguments, **changes}, shape, expected, fault)


def _faults(rank: int, axis: int, n: int) -> list[tuple[dict[str, Any], type[Exception], str]]:
    """Every fault for this spatial rank: (changed arguments, expected exception, what is wrong)."""

    def at_axis(value: Any, others: Any) -> tuple[Any, ...]:
        return tuple(value if a == axis else others for a in range(rank))

    faults: list[tuple[dict[str, Any], type[Exception], str]] = []
    for name, least in (("kernel_size", 1), ("stride", 1), ("dilation", 1), ("padding", 0)):
        for value, error in ((least - 1, ValueError), (-3, ValueError), (True, TypeError), (2.0, TypeError)):
            faults.append(({name: at_axis(value, 1)}, error, f"{name} {value!r} on axis {axis}"))
            if name != "kernel_size":  # alone, so that no tuple's length is in question
                faults.append(({name: value}, error, f"{name} {value!r}"))
        faults.append(({name: at_axis("1", 1)}, TypeError, f"{name}: a string on axis {axis}"))
        faults.append(({name: at_axis(None, 1)}, TypeError, f"{name}: None on axis {axis}"))
        faults.append(({name: (1,) * (rank + 1)}, ValueError, f"{name}: one value too many"))
        if rank > 1:
            faults.append(({name: (1,) * (rank - 1)}, ValueError, f"{name}: one value too few"))
    whole = {"stride": None, "padding": "VALID"}
    faults += [
        ({"kernel_size": (), **whole}, ValueError, "an empty kernel"),
        ({"kernel_size": None, **whole}, TypeError, "no kernel"),
        ({"kernel_size": 2, **whole, "shape": (4, 2)}, ValueError, "an int kernel and no spatial axis"),
        ({"shape": (4,) * rank}, ValueError, "an array with too few axes"),
        ({"shape": (1, *at_axis(0, n), 1)}, ValueError, "a spatial axis of length 0"),
        ({"padding": "FULL"}, ValueError, "an unknown name of padding"),
        ({"padding": None}, TypeError, "no padding"),
        ({"padding": at_axis((1, 1, 1), (1, 1))}, ValueError, "padding: three numbers for an axis"),
        ({"padding": at_axis((-1, 1), (1, 1))}, ValueError, "padding: a negative number in a pair"),
        ({"padding": at_axis((0, True), (1, 1))}, TypeError, "padding: a bool in a pair"),
        ({"kernel_size": at_axis(n + 1, 1)}, ValueError, "a kernel larger than the input"),
        (
            {"kernel_size": at_axis(n + 3, 1), "padding": at_axis((1, 1), (0, 0))},
            ValueError,
            "larger than when padded",
        ),
        ({"dilation": at_axis(n, 1)}, ValueError, "an effective kernel larger than the input"),
        ({"padding": at_axis((2, 0), (0, 0))}, ValueError, "a first window of padding alone"),
        (
            {"padding": at_axis((0, 4), (0, 0)), "stride": (1,) * rank},
            ValueError,
            "a last window of padding alone",
        ),
        (
            {"dilation": at_axis(2, 1), "padding": at_axis((1, 1), (1, 1)), "shape": (1, *at_axis(1, 4), 1)},
            ValueError,
            "a window that steps over the input",
        ),
        ({"data_format": "NHCW"}, ValueError, "an unknown data_format"),
        (
            {"data_format": {1: "NHWC", 2: "NDHWC"}.get(rank, "NCW")},
            ValueError,
            "a data_format of another rank",
        ),
    ]
    return faults
