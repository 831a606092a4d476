"""The Keras layers, on each of Keras' backends: one process each, since Keras fixes its backend when it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CHECKS = Path(__file__).parent / "keras_layers.py"


def run_on(backend: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The checks, in a process whose Keras runs on a backend."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["KERAS_BACKEND"] = backend
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(CHECKS)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.rule("S1", "P6", "U3", "U8")
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_layers_keep_their_promises_on(backend: str) -> None:
    for module in ("keras", backend):
        if not find_spec(module):
            pytest.skip(f"{module} is not installed")
    done = run_on(backend)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout, done.stdout[-2000:]
    assert "skipped" not in done.stdout, done.stdout[-2000:]
