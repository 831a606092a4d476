"""What was measured, and its ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from unpoolx._bench.outcome import Kind, Outcome, Quartiles
from unpoolx._bench.problems import LeftOut, Problem


@dataclass(frozen=True)
class Measured:
    """One problem in one framework.

    Attributes:
        backend: the framework's name.
        problem: the problem.
        moved_bytes: what the operation must read and write; 0 where the floor is no copy but a call: of compiled
            code that does next to nothing, or else the framework's own fastest way.
        outcomes: one for each way.
        others: how many processors other programs kept busy meanwhile; None where that is not known.
    """

    backend: str
    problem: Problem
    moved_bytes: int
    outcomes: Sequence[Outcome]
    others: float | None = None

    @property
    def groups(self) -> list[str]:
        """The groups in which unpoolx was measured."""
        return list(dict.fromkeys(o.group for o in self.measured("unpoolx")))

    @property
    def failures(self) -> list[Outcome]:
        """The ways of unpoolx that are wrong or failed."""
        return [o for o in self.outcomes if o.kind == "unpoolx" and o.status != "measured"]

    @property
    def floor(self) -> Outcome | None:
        """The floor, if it could be measured."""
        return next(iter(self.measured("floor")), None)

    def measured(self, kind: Kind, group: str | None = None) -> list[Outcome]:
        """The ways of a kind that were measured, in all groups or in one."""
        return [
            o
            for o in self.outcomes
            if o.kind == kind and o.status == "measured" and (group is None or o.group == group)
        ]

    def ours(self, group: str) -> Outcome | None:
        """The fastest way of unpoolx in a group."""
        return min(self.measured("unpoolx", group), key=_median, default=None)

    def own(self, group: str) -> Outcome | None:
        """The framework's fastest way in a group, of those that give every result if there are any."""
        ways = self.measured("own", group)
        return min([o for o in ways if o.complete] or ways, key=_median, default=None)

    def own_over_ours(self, outcome: Outcome) -> Quartiles | None:
        """How many times as fast unpoolx is as one of the framework's own ways, in its group."""
        if outcome.status != "measured" or outcome.kind != "own":
            return None
        ours = self.ours(outcome.group)
        return None if ours is None else outcome.over(ours)

    def least(self, outcome: Outcome) -> Outcome | None:
        """What a way is compared with as its floor: where there is none, the framework's own way in its group."""
        if outcome.status != "measured" or outcome.kind == "floor":
            return None
        return self.floor or (None if self.moved_bytes else self.own(outcome.group))

    def over_floor(self, outcome: Outcome) -> Quartiles | None:
        """How many times as long as the floor a way takes."""
        least = self.least(outcome)
        return None if least is None else outcome.over(least)

    def beyond_floor(self, outcome: Outcome) -> Quartiles | None:
        """How many seconds longer than the floor a way takes."""
        least = self.least(outcome)
        return None if least is None else outcome.beyond(least)


def _median(outcome: Outcome) -> float:
    return outcome.spread.median


@dataclass(frozen=True)
class Report:
    """A run of the command.

    Attributes:
        started: when it began, in UTC.
        settings: what was asked for.
        machine: see `machine.described`.
        measured: the problems.
        left_out: what was not measured as it was asked for.
        broken: the frameworks that are installed and cannot be loaded.
    """

    started: str
    settings: dict[str, Any]
    machine: dict[str, Any]
    measured: list[Measured] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    broken: list[LeftOut] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether unpoolx gave NumPy's bits everywhere and every framework that is installed was loaded."""
        return not self.broken and not any(m.failures for m in self.measured)
