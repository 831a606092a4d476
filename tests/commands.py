"""What the tests of the command line share."""

from __future__ import annotations

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
