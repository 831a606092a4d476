"""The conformance kit: laws that any backend can be held to, and what they are made of.

- `BackendConformance`: a class of tests to subclass, one test for each law; `unpoolx conformance NAME` is the same as a
  command.
- `LAWS`, `LEVELS`, `Subject`, `run_law`: the laws one by one.
- `registered`: a backend that no installed plugin names, for the time of a test.
- `oracle` (plain loops), `strategies` (Hypothesis) and `compare` (bits): what the laws are written with.

`oracle`, `compare` and `registered` need NumPy alone; the rest is imported when it is asked for, and needs the extra
`unpoolx[testing]`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from unpoolx._registry import registered

from . import compare, oracle
from .compare import assert_same_bits, assert_sum_bits

if TYPE_CHECKING:
    from ._law import LEVELS, Law
    from ._runner import PROFILES, Failure, Outcome, run_law
    from ._subject import LawBrokenError, Subject
    from .laws import LAWS
    from .suite import BackendConformance

_HOMES = {
    "BackendConformance": "suite",
    "Failure": "_runner",
    "LAWS": "laws",
    "LEVELS": "_law",
    "Law": "_law",
    "LawBrokenError": "_subject",
    "Outcome": "_runner",
    "PROFILES": "_runner",
    "Subject": "_subject",
    "run_law": "_runner",
}

__all__ = [
    "LAWS",
    "LEVELS",
    "PROFILES",
    "BackendConformance",
    "Failure",
    "Law",
    "LawBrokenError",
    "Outcome",
    "Subject",
    "assert_same_bits",
    "assert_sum_bits",
    "compare",
    "oracle",
    "registered",
    "run_law",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
