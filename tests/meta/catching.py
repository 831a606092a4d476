"""Laws run on planted faults and on the sound backends that they derive from."""

from __future__ import annotations

import warnings

from faults import Fault

from unpoolx._backend import Backend
from unpoolx._registry import registered
from unpoolx.testing._runner import FAILED, PROFILES, Outcome, run_law
from unpoolx.testing.laws import LAWS
from unpoolx.testing.suite import Subject


def outcome(make: type[Backend], law: str) -> Outcome:
    """A law on a new backend, which serves its framework's arrays meanwhile."""
    with registered(make()) as backend:
        return run_law(LAWS[law], Subject(backend), examples=PROFILES["ci"], seed=0, shrink=False)


def catches(law: str, fault: Fault) -> bool:
    """Whether a law fails on a fault, whatever warnings the fault causes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return outcome(fault.make, law).status == FAILED
