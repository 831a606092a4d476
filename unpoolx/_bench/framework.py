"""What the benchmark asks of a framework, and the forms in which one thing can be written in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

import unpoolx
from unpoolx._bench.data import Array, AtData, PoolData, Results
from unpoolx._bench.measure import Way
from unpoolx._bench.problems import Problem

Call = Callable[[], Any]
Function = Callable[..., tuple[Any, ...]]
AXES = {1: "W", 2: "HW", 3: "DHW"}


@dataclass(frozen=True)
class Layout:
    """Where the channels stand; `strided`: they come before the spatial axes, but after them in memory."""

    data_format: str
    rank: int
    strided: bool = False

    @property
    def name(self) -> str:
        """As PyTorch and TensorFlow spell it."""
        if self.data_format == "channels_last":
            return f"N{AXES[self.rank]}C"
        return f"NC{AXES[self.rank]}" + (" channels_last" if self.strided else "")


@dataclass(frozen=True)
class Form:
    """One way of writing something, not yet in a mode: a function of the framework's arrays.

    Attributes:
        name: what a user would write, in short.
        function: returns a tuple of arrays.
        inputs: makes the function's arguments.
        host: the function's results by name, channels last; None where there is nothing to check.
        layout: of the arguments.
        ours: whether it is unpoolx.
        cotangent: makes the cotangent of the function's first result, where the gradient to its first argument is
            what is measured.
    """

    name: str
    function: Function
    inputs: Callable[[], tuple[Any, ...]]
    host: Callable[[Any], Results] | None
    layout: Layout | None = None
    ours: bool = False
    cotangent: Callable[[], Any] | None = None


class Framework(ABC):
    """A framework held to a number of threads, and its own ways.

    Args:
        threads: how many it may use.
        compiled: whether to measure `torch.compile`, too.
    """

    name: ClassVar[str]
    our_modes: tuple[str, ...] = ("",)
    own_modes: tuple[str, ...] = ("",)
    traced_memory: ClassVar[bool] = False
    """Whether tracemalloc sees the memory of its arrays."""

    def __init__(self, threads: int, compiled: bool) -> None:
        self.backend = unpoolx.get_backend(self.name)
        self.compiled = compiled
        self._arrays: dict[tuple[int, Layout | None], tuple[Array, Any]] = {}
        self.set_threads(threads)

    @abstractmethod
    def set_threads(self, threads: int) -> None:
        """Hold it to so many threads; CommandError where that comes too late."""

    @abstractmethod
    def threads(self) -> int | None:
        """How many threads it says it uses; None where it does not say."""

    def place(self) -> AbstractContextManager[Any]:
        """A context in which it works on the CPU, and says only what is an error."""
        return nullcontext()

    def lacks(self, problem: Problem) -> str:
        """Why it has no such problem; empty where it has."""
        return ""

    def begin(self) -> None:
        """Forget the problem before: its arrays and what was compiled for it."""
        self._arrays.clear()

    # Arrays

    def layouts(self, rank: int) -> tuple[Layout, ...]:
        """The layouts that it has pooling for."""
        return (Layout("channels_last", rank),)

    def array(self, x: Array, layout: Layout | None = None) -> Any:
        """A NumPy array, channels last, as the framework's in a layout; the same one each time."""
        key = (id(x), layout)
        if key not in self._arrays:
            self._arrays[key] = (x, self.laid(x, layout))  # x, too, so that its id stays its own
        return self._arrays[key][1]

    def laid(self, x: Array, layout: Layout | None) -> Any:
        """A NumPy array as a new one of the framework."""
        first = layout is not None and layout.data_format == "channels_first"
        return self.backend.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1) if first else x))

    def numpy(self, x: Any) -> Array:
        """The framework's array as NumPy's."""
        host: Array = self.backend.to_numpy(self.backend.prepare(x))
        return host

    def canonical(self, x: Any, layout: Layout) -> Array:
        """The framework's array in a layout as NumPy's, channels last."""
        host = self.numpy(x)
        return host if layout.data_format == "channels_last" else np.moveaxis(host, 1, -1)

    def first(self, name: str, layout: Layout | None = None) -> Callable[[Any], Results]:
        """What takes the first of some results, in a layout, as NumPy's under a name."""

        def host(results: Any) -> Results:
            return {name: self.numpy(results[0]) if layout is None else self.canonical(results[0], layout)}

        return host

    # Calls that wait for their results

    @abstractmethod
    def forward(self, function: Function, mode: str, inputs: tuple[Any, ...]) -> Call:
        """The function's results, a tuple."""

    def backward(self, function: Function, mode: str, inputs: tuple[Any, ...], cotangent: Any) -> Call:
        """A tuple of the gradient to the function's first argument, given that of its first result.

        The results themselves are computed before, once: the call is the backward pass alone.
        """
        raise TypeError(f"{self.name} has no gradients")

    # Ways of its own

    @abstractmethod
    def copy(self, count: int) -> tuple[str, Call]:
        """The copying of so many 32-bit integers into new memory, and its name."""

    def bare(self) -> tuple[str, Call] | None:
        """The least call of compiled code and its name; None where the framework's own way is the least call."""
        return None

    @abstractmethod
    def pool_forms(self, problem: Problem, data: PoolData) -> Iterator[Form]:
        """Its own ways for a problem of pooling or unpooling."""

    @abstractmethod
    def at_forms(self, problem: Problem, data: AtData) -> Iterator[Form]:
        """Its own ways for an update by index."""

    # Ways of forms

    def ways(self, form: Form) -> Iterator[Way]:
        """The form in each mode."""
        for mode in self.our_modes if form.ours else self.own_modes:
            layout = "" if form.layout is None else form.layout.name
            group = ", ".join(filter(None, (layout, mode)))
            yield Way(form.name, group, "unpoolx" if form.ours else "own", partial(self._build, form, mode), form.host)

    def _build(self, form: Form, mode: str) -> Call:
        if form.cotangent is None:
            return self.forward(form.function, mode, form.inputs())
        return self.backward(form.function, mode, form.inputs(), form.cotangent())
