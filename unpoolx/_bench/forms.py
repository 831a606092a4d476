"""The forms in which one thing can be written in a framework, before a mode such as eager or compiled is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unpoolx._bench.data import Results

Call = Callable[[], Any]
Function = Callable[..., tuple[Any, ...]]
Host = Callable[[Any], Results]

LETTERS = {1: "W", 2: "HW", 3: "DHW"}


@dataclass(frozen=True)
class Layout:
    """Where the channels stand; `strided`: before the spatial axes, but after them in memory."""

    data_format: str
    rank: int
    strided: bool = False

    @property
    def name(self) -> str:
        """As PyTorch and TensorFlow spell it."""
        if self.data_format == "channels_last":
            return f"N{LETTERS[self.rank]}C"
        return f"NC{LETTERS[self.rank]}" + (" channels_last" if self.strided else "")


@dataclass(frozen=True)
class Form:
    """One way of writing something: a function of the framework's arrays.

    Attributes:
        name: what a user would write, in short.
        function: returns a tuple of arrays.
        inputs: makes the function's arguments.
        host: the function's results by name, channels last.
        layout: of the arguments; None where they are no images.
        ours: whether it is unpoolx.
        cotangent: makes the cotangent of the function's first result, where the gradient to its first argument is
            what is measured.
        races: whether its result may differ from call to call, so that it is not checked.
    """

    name: str
    function: Function
    inputs: Callable[[], tuple[Any, ...]]
    host: Host
    layout: Layout | None = None
    ours: bool = False
    cotangent: Call | None = None
    races: bool = False
