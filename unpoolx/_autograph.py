"""TensorFlow's AutoGraph must leave our functions as they are: they hold nothing for it to rewrite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def leave_as_written(*functions: Callable[..., Any]) -> None:
    """Mark functions as AutoGraph itself marks what it does not convert, without importing TensorFlow."""
    for function in functions:
        function.autograph_info__ = {"unpoolx": True}  # type: ignore[attr-defined]  # functions take attributes
