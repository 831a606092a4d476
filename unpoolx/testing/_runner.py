"""One law on one backend: seeded generation, a bounded search for the smallest case that breaks it, and the outcome."""

from __future__ import annotations

import hashlib
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from ._generation import drawn_anew, from_the_seed_alone
from ._law import Law
from ._subject import LawBrokenError, Subject

PROFILES = {"ci": 100, "deep": 2000}
"""Examples per law of each profile."""
SHRINKING_SECONDS = 15.0
"""How long a law that broke looks for a smaller case that breaks it as well."""

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Failure:
    """The smallest case that was found to break a law.

    Attributes:
        inputs: the arguments of the case by name.
        message: what differed.
        expected: the oracle's result, where there is one.
        got: the backend's result, where there is one.
        error: the traceback, where the backend raised instead.
    """

    inputs: dict[str, Any]
    message: str
    expected: Any = None
    got: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of one law on one backend.

    Attributes:
        law: the law.
        status: "passed", "failed" or "skipped".
        reason: why it was skipped, or None.
        cases: how many cases ran (of a law that broke, also those of the search for a smaller one).
        seconds: how long it took.
        digest: a hash of the inputs of the cases in their order: the same seed gives the same digest.
        failure: the case that broke it, or None.
    """

    law: Law
    status: str
    reason: str | None = None
    cases: int = 0
    seconds: float = 0.0
    digest: str = ""
    failure: Failure | None = None


@dataclass
class _Search:
    """What a law's cases have shown so far."""

    subject: Subject
    digest: Any = field(default_factory=lambda: hashlib.sha256(usedforsecurity=False))
    seen: set[bytes] = field(default_factory=set)
    """The cases until the time for a smaller one was over: Hypothesis expects of these what came of them before."""
    first: float | None = None
    latest: Failure | None = None

    def begin(self) -> None:
        """Another example."""
        self.subject.inputs = {}

    def case(self, inputs: dict[str, Any]) -> None:
        """Another case of the example; given up where it is new and the time for a smaller one is over."""
        fingerprint = _fingerprint(inputs)
        if self.first is None:
            self.digest.update(fingerprint)
        elif time.monotonic() - self.first > SHRINKING_SECONDS and fingerprint not in self.seen:
            hypothesis.reject()
        self.seen.add(fingerprint)

    def failed(self, error: Exception) -> None:
        """The last case broke the law."""
        self.first = time.monotonic() if self.first is None else self.first
        if isinstance(error, LawBrokenError):
            self.latest = Failure(self.subject.inputs, str(error), error.expected, error.got)
        else:
            text = "".join(traceback.format_exception(error))
            self.latest = Failure(self.subject.inputs, f"{type(error).__name__}: {error}", error=text)


def run_law(
    law: Law, subject: Subject, *, examples: int = PROFILES["ci"], seed: int = 0, shrink: bool = True
) -> Outcome:
    """Check one law on one backend.

    Args:
        law: the law.
        subject: the backend.
        examples: generated examples at the law's full share; an example may hold several cases.
        seed: the same seed gives the same cases, whatever other laws run.
        shrink: whether to look for a smaller case that breaks the law as well.
    """
    reason = law.need(subject.declared)
    if reason is not None:
        return Outcome(law, SKIPPED, reason)
    search, before, start = _Search(subject), subject.cases, time.monotonic()

    @hypothesis.seed(_seed_of(law, seed))
    @settings(
        max_examples=max(1, round(examples * law.share)),
        database=None,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        **drawn_anew(),
    )
    @hypothesis.given(data=st.data())
    def check(data: Any) -> None:
        search.begin()
        try:
            law.check(subject, data)
        except hypothesis.errors.HypothesisException:  # a case that is given up, not one that fails
            raise
        except Exception as error:
            search.failed(error)
            raise

    subject.on_given = search.case
    try:
        with from_the_seed_alone():
            check()
    except Exception as error:  # noqa: BLE001  # whatever a backend raises is its answer, and is reported
        if search.latest is None:
            search.failed(error)
        if isinstance(error, hypothesis.errors.Flaky):
            search.latest = _unstable(search.latest)
    finally:
        subject.on_given = None
    status = PASSED if search.latest is None else FAILED
    seconds, cases = time.monotonic() - start, subject.cases - before
    return Outcome(law, status, None, cases, seconds, search.digest.hexdigest()[:16], search.latest)


def _unstable(failure: Failure | None) -> Failure | None:
    if failure is None:
        return None
    message = f"{failure.message} (not every time: the same case passed when it was run again)"
    return Failure(failure.inputs, message, failure.expected, failure.got, failure.error)


def _seed_of(law: Law, seed: int) -> int:
    """A seed of the law's own."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{law.name}".encode(), usedforsecurity=False).digest()[:8], "big")


def _fingerprint(inputs: Any) -> bytes:
    """A hash of inputs: of arrays the dtype, the shape and the bits."""
    made = hashlib.sha256(usedforsecurity=False)
    _feed(made, inputs)
    return made.digest()


def _feed(made: Any, x: Any) -> None:
    if isinstance(x, dict):
        for key, value in x.items():
            made.update(f"{key}:".encode())
            _feed(made, value)
    elif isinstance(x, (tuple, list)):
        made.update(f"{type(x).__name__}{len(x)}".encode())
        for value in x:
            _feed(made, value)
    elif isinstance(x, (np.ndarray, np.generic)):
        x = np.asarray(x)
        made.update(f"{x.dtype}{x.shape}".encode())
        made.update(repr(x.tolist()).encode() if x.dtype.hasobject else x.tobytes())
    else:
        made.update(repr(x).encode())
