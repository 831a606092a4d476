"""What a conformance run found: the figures that every form of the report shows."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from unpoolx import _registry
from unpoolx._backend import Capabilities
from unpoolx._version import __version__

from ._law import LEVELS, Law
from ._runner import FAILED, PASSED, SKIPPED, Outcome

NORM = "docs/semantics.md"
SECTIONS = {
    "W": "1. Window",
    "P": "2. max_pool",
    "S": "3. Switches",
    "U": "4. Unpooling",
    "F": "4. Unpooling",
    "L": "4. Unpooling",
    "A": "5. at",
    "R": "6. Out of range",
    "B": "7. Backends",
}
"""The section of the norm in which the rules of a letter stand."""


@dataclass(frozen=True)
class Counts:
    """How many laws had which outcome, over how many cases and seconds."""

    passed: int
    failed: int
    skipped: int
    cases: int
    seconds: float

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Counts:
        """The figures of some outcomes."""
        found = list(outcomes)
        statuses = [outcome.status for outcome in found]
        return cls(
            statuses.count(PASSED),
            statuses.count(FAILED),
            statuses.count(SKIPPED),
            sum(outcome.cases for outcome in found),
            sum(outcome.seconds for outcome in found),
        )

    @property
    def laws(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.skipped


@dataclass(frozen=True)
class Run:
    """The laws on one backend.

    Attributes:
        name: the backend as it was asked for: a name or `module:attribute`.
        backend: the backend's own name.
        framework_version: the version that the backend reports of its framework.
        distribution: the distribution that brings the backend and its version, or None where that is not known.
        device: where the arrays lay.
        capabilities: what the backend declares.
        outcomes: one for each law, in the order of the laws.
    """

    name: str
    backend: str
    framework_version: str
    distribution: tuple[str, str] | None
    device: str
    capabilities: Capabilities
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> Counts:
        """The figures of all laws."""
        return Counts.of(self.outcomes)

    def of_level(self, level: str) -> Counts:
        """The figures of a level."""
        return Counts.of(outcome for outcome in self.outcomes if outcome.law.level == level)

    def having(self, status: str) -> list[Outcome]:
        """The outcomes of a status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def verdict(self) -> str:
        """One line without the backend's name."""
        counts = self.counts
        skipped = f", {counts.skipped} skipped" if counts.skipped else ""
        if counts.failed:
            return f"{counts.failed} of {counted(counts.laws, 'law')} failed{skipped}"
        every = "all " if counts.passed > 1 and not counts.skipped else ""
        return f"{every}{counted(counts.passed, 'law')} passed{skipped}"


@dataclass(frozen=True)
class Absent:
    """A backend that `--all` could not run.

    Attributes:
        name: what `backend=` takes.
        reason: why it did not run.
        broken: whether that is a fault: it is installed and cannot be loaded.
    """

    name: str
    reason: str
    broken: bool


@dataclass(frozen=True)
class Report:
    """All runs of one command.

    Attributes:
        runs: one for each backend.
        absent: the backends that did not run.
        laws: the laws that ran.
        known: how many laws there are.
        seed: the seed.
        examples: generated examples per law.
        device: the device as it was asked for, or None.
        started: when it began, in UTC.
        versions: of unpoolx, Python, Hypothesis and NumPy.
    """

    runs: tuple[Run, ...]
    absent: tuple[Absent, ...]
    laws: tuple[Law, ...]
    known: int
    seed: int
    examples: int
    device: str | None
    started: str
    versions: dict[str, str]

    @property
    def levels(self) -> list[str]:
        """The levels of the laws that ran."""
        return levels_of(self.laws)

    @property
    def passed(self) -> bool:
        """Whether no law failed and no backend was broken."""
        return not any(run.counts.failed for run in self.runs) and not any(absent.broken for absent in self.absent)

    def reproduce(self, run: Run, law: Law) -> str:
        """The command that runs one law again as it ran here."""
        return reproduce(run.name, law, seed=self.seed, examples=self.examples, device=self.device)


def reproduce(name: str, law: Law, *, seed: int, examples: int, device: str | None = None) -> str:
    """The command that runs one law on one backend again, ready for a shell."""
    where = () if device is None else ("--device", device)
    parts = (name, "--law", law.name, "--seed", str(seed), "--examples", str(examples), *where)
    return shlex.join(("unpoolx", "conformance", *parts))


def sections_of(rules: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The sections of the norm that rules stand in, each with its rules, in the order of the norm."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        found.setdefault(SECTIONS[rule[0]], []).append(rule)
    return sorted(found.items())


def levels_of(laws: Iterable[Law]) -> list[str]:
    """The levels that have one of the laws, in their order."""
    present = {law.level for law in laws}
    return [level for level in LEVELS if level in present]


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def versions() -> dict[str, str]:
    """The versions on which the generated cases and their expected results depend."""
    return {
        "unpoolx": __version__,
        "python": platform.python_version(),
        "hypothesis": metadata.version("hypothesis"),
        "numpy": np.__version__,
    }


def distribution_of(name: str) -> tuple[str, str] | None:
    """The distribution that brings the backend of a name, with its version."""
    if any(known.name == name for known in _registry.TABLE):
        return "unpoolx", __version__
    for entry in metadata.entry_points(group=_registry.ENTRY_POINT_GROUP):
        if entry.name == name and entry.dist is not None:
            return entry.dist.name, entry.dist.version
    return None
