"""The pytest plugin: options, and the tests that a `BackendConformance` class becomes.

pytest loads it wherever unpoolx is installed, so it imports nothing before a conformance class is collected, and its
options have names of their own. `--device` is a common name: it is added only where `--unpoolx-backend` is given.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the conformance kit."""
    group = parser.getgroup("unpoolx", "conformance of array backends to unpoolx")
    group.addoption(
        "--unpoolx-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="a backend that unpoolx.testing.suite is run for: its name, or module:attribute; may be given repeatedly",
    )
    group.addoption("--unpoolx-examples", type=int, metavar="N", help="generated examples per law")
    group.addoption("--unpoolx-profile", default="ci", choices=("ci", "deep"), help="how many examples (default: ci)")
    group.addoption("--unpoolx-seed", type=int, default=0, metavar="S", help="the same seed gives the same cases")
    if any(argument.startswith("--unpoolx-backend") for argument in sys.argv):
        add_device_option(parser)


def add_device_option(parser: pytest.Parser) -> None:
    """Add `--device`, unless somebody has."""
    with contextlib.suppress(ValueError):  # how pytest says that there is one
        parser.addoption("--device", default=None, metavar="D", help="where the backends' arrays live, such as cuda")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each law, and for each backend where the class names none."""
    if "unpoolx_law" not in metafunc.fixturenames or metafunc.cls is None:
        return
    laws = metafunc.cls.laws()
    names = metafunc.config.getoption("unpoolx_backend") if metafunc.cls.backend is None else [metafunc.cls.backend]
    named = [name if isinstance(name, str) else name.name for name in names]
    metafunc.parametrize("unpoolx_subject", names, ids=named, indirect=True, scope="class")
    metafunc.parametrize("unpoolx_law", laws, ids=[f"{law.level}-{law.name}" for law in laws])


@pytest.fixture(scope="class")
def unpoolx_subject(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The backend of a conformance class on its device; skipped with the reason where it is not there."""
    from unpoolx import BackendNotInstalledError

    from ._serving import serving
    from ._subject import Subject

    device = request.cls.device or request.config.getoption("--device", None)
    with contextlib.ExitStack() as stack:
        try:
            backend = stack.enter_context(serving(request.param))
        except BackendNotInstalledError as error:
            pytest.skip(str(error))
        try:
            subject = Subject(backend, device, called=request.param if isinstance(request.param, str) else None)
        except ValueError as error:
            pytest.skip(str(error))
        yield subject


@pytest.fixture(scope="session")
def unpoolx_run(request: pytest.FixtureRequest) -> dict[str, int]:
    """How many examples, and the seed."""
    from ._runner import PROFILES

    examples = request.config.getoption("unpoolx_examples")
    profile = PROFILES[request.config.getoption("unpoolx_profile")]
    return {"examples": profile if examples is None else examples, "seed": request.config.getoption("unpoolx_seed")}
