"""What tests of the command line, and of programs in processes of their own, share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def assert_fails(code: int, captured: pytest.CaptureFixture[str], *expected: str) -> None:
    """An unusable request: exit code 2, nothing on standard output, one line that has all of `expected`."""
    out, err = captured.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("unpoolx: error: ")
    assert err.count("\n") == 1, err
    for part in expected:
        assert part in err, f"expected {part!r} in: {err}"


def run_alone(program: str, cwd: Path, **environment: str) -> str:
    """The output of a program in a process of its own."""
    variables = {**os.environ, **environment}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
