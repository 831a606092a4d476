"""What the benchmark asks of a framework."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar

import numpy as np

import unpoolx
from unpoolx._bench.data import Array, AtData, PoolData
from unpoolx._bench.forms import LETTERS, Call, Form, Function, Host, Layout
from unpoolx._bench.measure import Way
from unpoolx._bench.outcome import Kind
from unpoolx._bench.problems import Problem


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

    def canonical(self, x: Any, layout: Layout | None) -> Array:
        """The framework's array in a layout as NumPy's, channels last."""
        host, first = self.numpy(x), layout is not None and layout.data_format == "channels_first"
        return np.moveaxis(host, 1, -1) if first else host

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

    def forms(self) -> list[str]:
        """The groups of its ways: every layout in each mode, and each mode for what has no layout."""
        layouts = ["", *(layout.name for rank in LETTERS for layout in self.layouts(rank))]
        return [_group(layout, mode) for layout in layouts for mode in (*self.our_modes, *self.own_modes)]

    def ways(self, form: Form) -> Iterator[Way]:
        """The form in each mode."""
        for mode in self.our_modes if form.ours else self.own_modes:
            layout = "" if form.layout is None else form.layout.name
            kind: Kind = "unpoolx" if form.ours else "own"
            yield Way(
                form.name, _group(layout, mode), kind, partial(self._build, form, mode), form.host, races=form.races
            )

    def _build(self, form: Form, mode: str) -> Call:
        if form.cotangent is None:
            return self.forward(form.function, mode, form.inputs())
        return self.backward(form.function, mode, form.inputs(), form.cotangent())


def _group(layout: str, mode: str) -> str:
    return ", ".join(filter(None, (layout, mode)))


def words_of(group: str) -> list[str]:
    """The words of a group's layout and mode."""
    return group.replace(",", "").split()


def in_plane(word: str) -> str:
    """A layout's word as it is in two dimensions: NHWC for NWC and NDHWC; other words as they are."""
    return re.sub(r"^N(C?)D?H?W(C?)$", r"N\1HW\2", word)


class Writer:
    """Writes forms for one problem in a layout, or in none.

    Args:
        framework: where.
        data: has the problem's arrays by name, channels last.
        layout: of the arrays.
        ours: whether the forms are unpoolx's.
    """

    def __init__(
        self, framework: Framework, data: PoolData | AtData, layout: Layout | None = None, *, ours: bool = False
    ) -> None:
        self.framework, self.layout, self._data, self._ours = framework, layout, data, ours

    def write(
        self, name: str, function: Function, arrays: str, host: Host | str, *, cotangent: str | None = None
    ) -> Form:
        """A form.

        Args:
            name: what a user would write, in short.
            function: returns a tuple of arrays.
            arrays: the names of its arguments, as the data have them.
            host: the results by name, or the name of the first one alone.
            cotangent: the name of the cotangent of the first result, where a gradient is measured.
        """
        made = self._named(host) if isinstance(host, str) else host
        upstream = None if cotangent is None else partial(self.array, cotangent)
        return Form(name, function, partial(self._arrays, arrays), made, self.layout, self._ours, upstream)

    def array(self, name: str) -> Any:
        """The framework's array of a name."""
        return self.framework.array(getattr(self._data, name), self.layout)

    def host(self, result: Any) -> Array:
        """A result as NumPy's array, channels last."""
        return self.framework.canonical(result, self.layout)

    def _arrays(self, names: str) -> tuple[Any, ...]:
        return tuple(map(self.array, names.split()))

    def _named(self, name: str) -> Host:
        return lambda results: {name: self.host(results[0])}
