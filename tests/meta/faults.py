"""Planted faults: backends that are each wrong in exactly one way, which the conformance kit must notice.

A fault is a class of backend whose instance is sound but for what its docstring says. The other `faults_*` modules
plant them by subject; `all_faults` has them all.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from unpoolx_backends._numpy import NumpyBackend

from unpoolx._backend import Array, Backend

SUBJECTS = (
    "pool",
    "pooled",
    "windows",
    "unpool",
    "blocks",
    "indices",
    "raw_indices",
    "reads",
    "updates",
    "folds",
    "primitives",
    "arguments",
    "sharing",
    "general",
    "compiled",
)
"""What NumPy's backend can do wrong."""
FRAMEWORK_SUBJECTS = ("gradient", "gradient_updates", "xla")
"""What needs a framework with derivatives or a compiler."""


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        name: what the tests and the page call it.
        wrong: what is wrong, in a sentence.
        law: the name of the law that is expected to catch it.
        make: the class of the faulty backend.
        sound: the class that it derives from, which has no fault.
    """

    name: str
    wrong: str
    law: str
    make: type[Backend]
    sound: type[Backend]


FAULTS: dict[str, Fault] = {}
_SOUND: list[type[Backend]] = []


def sound(cls: type[Backend]) -> type[Backend]:
    """Note a class of backend without a fault, from which faulty ones derive."""
    _SOUND.append(cls)
    return cls


def register(make: type[Backend], law: str, *, name: str | None = None, wrong: str | None = None) -> None:
    """Note a faulty class; its name and the first line of its docstring say what is wrong, unless they are given."""
    name = name or re.sub(r"(?<!^)(?=[A-Z])", "-", make.__name__).lower()
    wrong = wrong or (make.__doc__ or "").partition("\n")[0]
    if name in FAULTS or not wrong:
        raise ValueError(f"expected a new name and a sentence that says what is wrong; got {name!r}")
    base = next(cls for cls in make.__mro__ if cls in _SOUND)
    FAULTS[name] = Fault(name, wrong, law, make, base)


def planted(law: str) -> Callable[[type[Backend]], type[Backend]]:
    """Note a faulty class, which a law is expected to catch."""

    def noted(make: type[Backend]) -> type[Backend]:
        register(make, law)
        return make

    return noted


def all_faults(subjects: tuple[str, ...] = SUBJECTS + FRAMEWORK_SUBJECTS) -> dict[str, Fault]:
    """Every fault of some subjects, by name."""
    modules = [importlib.import_module(f"faults_{subject}").__name__ for subject in subjects]
    return {name: fault for name, fault in FAULTS.items() if fault.make.__module__ in modules}


@sound
class SoundNumpy(NumpyBackend):
    """NumPy's backend under another name."""

    name = "planted"


@sound
class Assembled(SoundNumpy):
    """NumPy's backend as one whose arrays are immutable and which compares floats by integer keys."""

    mutable = False
    exact_comparisons = False


@sound
class Replayed(SoundNumpy):
    """NumPy's backend with a way to compile: inside, no value can be looked at, and no shape depends on data."""

    compiled = ("replay",)

    def __init__(self) -> None:
        self.inside = False

    def compile(self, function: Callable[..., Any], how: str) -> Callable[..., Any]:
        def program(*arrays: Any) -> Any:
            before, self.inside = self.inside, True
            try:
                return function(*arrays)
            finally:
                self.inside = before

        return program

    def is_concrete(self, x: Array) -> bool:
        return not self.inside

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        if self.inside:
            raise TypeError("index: reading by a mask has a shape that depends on data, which compiled code must know")
        return super().nonzero(mask)


def disturb(x: Array) -> None:
    """Change the first element of an array in place."""
    if x.size:
        first = (0,) * x.ndim
        with np.errstate(over="ignore"):
            x[first] = ~x[first] if x.dtype.kind in "biu" else x[first] * 0 + 5
