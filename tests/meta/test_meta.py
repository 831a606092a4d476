"""The conformance kit catches every planted fault, and finds none in the backends that the faults are planted in."""

from __future__ import annotations

import pytest
from catching import LAWS, catches, outcome
from faults import SUBJECTS, all_faults
from harness import Harness, UnavailableError
from table import PAGE, page
from unpoolx_backends import _numpy_small

from unpoolx.testing._law import LEVELS
from unpoolx.testing._runner import PASSED

FAULTS = all_faults(SUBJECTS)
FRAMEWORKS = {"gradient": "torch", "gradient_updates": "torch", "xla": "jax"}


@pytest.fixture(autouse=True)
def _without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays go by the recipes, which is where the faults are planted."""
    monkeypatch.setattr(_numpy_small, "MOST_ENTRIES", 0)


def require(framework: str) -> None:
    """Skip where a framework is not installed."""
    try:
        Harness.of(framework, "cpu")
    except UnavailableError as reason:
        pytest.skip(str(reason))


def require_sound(make, law: str) -> None:
    """A law passes on a backend without a fault."""
    found = outcome(make, law)
    if found.status != PASSED:
        pytest.fail(f"{make.__name__}: {law} {found.status}: {found.failure or found.reason}")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_the_kit_catches(fault):
    assert catches(fault.law, fault), f"{fault.law} passes although: {fault.wrong}"


PAIRS = sorted({(fault.law, fault.sound) for fault in FAULTS.values()}, key=lambda pair: (pair[0], pair[1].__name__))


def declares(law: str, make) -> bool:
    """Whether a sound backend declares what a law needs; a fault may declare more."""
    return LAWS[law].need(make().capabilities()) is None


@pytest.mark.parametrize(("law", "make"), [p for p in PAIRS if declares(*p)], ids=lambda p: getattr(p, "__name__", p))
def test_the_kit_passes_what_is_sound(law, make):
    require_sound(make, law)


@pytest.mark.parametrize("subject", FRAMEWORKS)
def test_the_kit_catches_every_fault_of_a_framework(subject):
    require(FRAMEWORKS[subject])
    survivors = {f.name: f.law for f in all_faults((subject,)).values() if not catches(f.law, f)}
    assert not survivors


@pytest.mark.parametrize("subject", [pytest.param(s, marks=[pytest.mark.slow] * (s == "xla")) for s in FRAMEWORKS])
def test_the_kit_passes_a_framework_without_faults(subject):
    require(FRAMEWORKS[subject])
    for law, make in {(fault.law, fault.sound) for fault in all_faults((subject,)).values()}:
        require_sound(make, law)


def test_every_level_catches_a_fault():
    for framework in FRAMEWORKS.values():
        require(framework)
    assert {LAWS[fault.law].level for fault in all_faults().values()} == set(LEVELS)


def test_the_page_is_up_to_date():
    for framework in FRAMEWORKS.values():
        require(framework)
    assert PAGE.read_text(encoding="utf-8") == page(), "python tests/meta/table.py writes the page anew"
