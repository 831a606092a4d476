"""Options, the frameworks' set-up, the backends as a fixture, and the count of generated cases."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from harness import BACKENDS, CASES, Harness, UnavailableError, set_up

from unpoolx.testing.pytest_plugin import add_device_option

# Generated cases per function and backend that a full run must reach.
ENOUGH_CASES = 2000

settings.register_profile(
    "ci",
    deadline=None,  # the first case of a geometry compiles
    database=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.differing_executors],
)
# Ten times as many cases, drawn anew each time: UNPOOLX_PROFILE=deep make test. The tests read the name, too.
settings.register_profile("deep", settings.get_profile("ci"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("UNPOOLX_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    add_device_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rule(*names): the rules of docs/semantics.md that the test holds")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_CaseCount(), "unpoolx-case-count")


@pytest.fixture(scope="session")
def frameworks() -> None:
    """Their devices and threads as every test has them: an example may be the first to start one."""
    set_up()


@pytest.fixture(scope="session", params=BACKENDS)
def on(request: pytest.FixtureRequest) -> Harness:
    """A backend, and the ways between its arrays and NumPy's."""
    return _harness(request, request.param)


@pytest.fixture(scope="session", params=[name for name in BACKENDS if name != "numpy"])
def on_framework(request: pytest.FixtureRequest) -> Harness:
    """A backend that has gradients and compiled code."""
    return _harness(request, request.param)


def _harness(request: pytest.FixtureRequest, name: str) -> Harness:
    try:
        return Harness.of(name, request.config.getoption("--device") or "cpu")
    except UnavailableError as reason:
        pytest.skip(str(reason))


class _CaseCount:
    """Adds up, over all worker processes, how many generated cases each function ran on each backend."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self.cases.update(getattr(node, "workeroutput", {}).get("cases", {}))

    def pytest_terminal_summary(self, terminalreporter: object, config: pytest.Config) -> None:
        if not self.cases:
            self.cases.update(CASES)
        if not self.cases:
            return
        terminalreporter.section("generated cases, compared bit for bit with the oracle")
        functions = sorted({key.partition("/")[0] for key in self.cases})
        short = [key for key, number in self.cases.items() if number < ENOUGH_CASES and not key.startswith("at")]
        for function in functions:
            counts = ", ".join(f"{name} {self.cases[f'{function}/{name}']:,}" for name in BACKENDS)
            terminalreporter.write_line(f"{function}: {counts}")
        if short:
            terminalreporter.write_line(f"fewer than {ENOUGH_CASES:,} (a part of the tests ran): {', '.join(short)}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["cases"] = dict(CASES)
