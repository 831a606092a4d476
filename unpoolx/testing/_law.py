"""What a law is: a sentence of the norm that generated cases can break, and what a backend must declare for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unpoolx._backend import Capabilities

from ._subject import Subject

LEVELS = (
    "forward",
    "overlap",
    "indices",
    "update",
    "gradient",
    "compiled",
    "determinism",
    "immutability",
    "errors",
    "dtypes",
)
"""The levels in the order in which they run and are reported."""

Check = Callable[[Subject, Any], None]
Need = Callable[[Capabilities], str | None]


@dataclass(frozen=True)
class Law:
    """One law.

    Attributes:
        name: what `--law` takes, unique.
        level: one of `LEVELS`.
        rules: the rules of docs/semantics.md that it holds.
        statement: the law in one sentence.
        check: takes a `Subject` and Hypothesis's `data`, draws one case and raises `AssertionError` where it breaks.
        need: why a backend of some capabilities cannot be held to the law, or None.
        share: the part of a run's examples that the law takes: below 1 where a case is slow.
    """

    name: str
    level: str
    rules: tuple[str, ...]
    statement: str
    check: Check
    need: Need
    share: float


LAWS: dict[str, Law] = {}
"""Every law by its name, in the order of the levels once `unpoolx.testing.laws` has been imported."""


def nothing(_: Capabilities) -> str | None:
    """No capability beyond the required ones."""
    return None


def gradient(declared: Capabilities) -> str | None:
    """Reverse mode."""
    return None if declared.gradient else "declares no gradient"


def forward_mode(declared: Capabilities) -> str | None:
    """Forward mode."""
    return None if declared.forward_mode else "declares no forward mode"


def compiled(declared: Capabilities) -> str | None:
    """A way to compile."""
    return None if declared.compiled else "declares no compiled mode"


def dtypes(*names: str) -> Need:
    """At least one of these dtypes."""

    def need(declared: Capabilities) -> str | None:
        return None if set(names) & set(declared.dtypes) else f"declares none of the dtypes {', '.join(names)}"

    return need


def law(level: str, *rules: str, need: Need = nothing, share: float = 1.0) -> Callable[[Check], Check]:
    """Register a function as a law; its name makes the law's, and its docstring's first line is the statement."""
    if level not in LEVELS:
        raise ValueError(f"level: expected one of {', '.join(LEVELS)}; got {level!r}")

    def register(check: Check) -> Check:
        name = check.__name__.replace("_", "-")
        statement = (check.__doc__ or "").partition("\n")[0].rstrip(".")
        if name in LAWS or not statement or not rules:
            raise ValueError(f"expected a new name, a docstring and at least one rule; got {name!r}")
        LAWS[name] = Law(name, level, rules, statement, check, need, share)
        return check

    return register
