"""The laws as a class of tests: subclass it, name a backend, and pytest holds the backend to every law.

In a test file of the backend's own project::

    from unpoolx.testing.suite import BackendConformance

    class TestMine(BackendConformance):
        backend = "mine"

Each law is a test of its own; a law that needs what the backend does not declare is skipped with that reason. Without a
class, `pytest --pyargs unpoolx.testing.suite --unpoolx-backend mine` does the same for an installed backend.
"""

from __future__ import annotations

from typing import ClassVar

import pytest

from unpoolx._backend import Backend

from ._law import LEVELS, Law
from ._report_failure import failure_lines
from ._report_run import reproduce
from ._runner import FAILED, SKIPPED, Outcome, run_law
from ._subject import Subject
from .laws import LAWS


class BackendConformance:
    """Every law on one backend.

    Attributes:
        backend: a name that `backend=` takes, `"module:attribute"` of a `Backend`, or a `Backend` that no plugin
            names; None takes the names that `--unpoolx-backend` gives.
        device: where arrays are made; None takes `--device`, or else the backend's default.
        levels: the levels that are checked.
        examples: generated examples per law; None takes `--unpoolx-examples`, or else those of `--unpoolx-profile`.
        seed: the same seed gives the same cases; None takes `--unpoolx-seed`, by default 0.
    """

    backend: ClassVar[str | Backend | None] = None
    device: ClassVar[str | None] = None
    levels: ClassVar[tuple[str, ...]] = LEVELS
    examples: ClassVar[int | None] = None
    seed: ClassVar[int | None] = None

    def test_law(self, unpoolx_subject: Subject, unpoolx_law: Law, unpoolx_run: dict[str, int]) -> None:
        """The backend keeps the law."""
        examples = unpoolx_run["examples"] if self.examples is None else self.examples
        seed = unpoolx_run["seed"] if self.seed is None else self.seed
        outcome = run_law(unpoolx_law, unpoolx_subject, examples=examples, seed=seed)
        self.after_law(unpoolx_subject, outcome)
        if outcome.status == SKIPPED:
            pytest.skip(f"{unpoolx_subject.name} {outcome.reason}")
        if outcome.status == FAILED:
            pytest.fail(explain(outcome, unpoolx_subject, examples=examples, seed=seed), pytrace=False)

    def after_law(self, subject: Subject, outcome: Outcome) -> None:
        """Called with each outcome; for a subclass that keeps count."""

    @classmethod
    def laws(cls) -> list[Law]:
        """The laws of the levels."""
        return [law for law in LAWS.values() if law.level in cls.levels]


def explain(outcome: Outcome, subject: Subject, *, examples: int, seed: int) -> str:
    """A broken law as text: the case, what was expected and what came, and the command that runs it again."""
    again = reproduce(subject.called, outcome.law, seed=seed, examples=examples, device=subject.device)
    return "\n".join([f"{subject.name} breaks {outcome.law.name}", *failure_lines(outcome, again)])


class TestBackend(BackendConformance):
    """The backends that `--unpoolx-backend` names."""
