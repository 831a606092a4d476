"""Generated cases that depend on the seed alone, and leave nothing behind in the working directory."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def from_the_seed_alone() -> Iterator[None]:
    """A context in which Hypothesis draws no constants from the source files of imported modules.

    It does so by default for modules outside site-packages, so that an edit, another working directory or one more
    backend in the process would change the cases of a seed.
    """
    try:
        providers: Any = importlib.import_module("hypothesis.internal.conjecture.providers")  # not a public module
    except ImportError:
        providers = None
    if not hasattr(providers, "_get_local_constants"):  # releases that draw none
        yield
        return
    collect = providers._get_local_constants  # noqa: SLF001  # there is no public setting
    none = providers.Constants(integers=set(), floats=set(), bytes=set(), strings=set())
    providers._get_local_constants = lambda: none  # noqa: SLF001
    providers.CONSTANTS_CACHE.cache.clear()  # it holds what was drawn from before
    try:
        yield
    finally:
        providers._get_local_constants = collect  # noqa: SLF001
        providers.CONSTANTS_CACHE.cache.clear()


def drawn_anew() -> dict[str, Any]:
    """Settings of Hypothesis under which every example is drawn by itself, at random.

    By default five examples of six are the one before with a part of it copied over another. Laws draw several arrays
    for each geometry, so those would be the same geometry and dtype again: a hundred examples held twenty geometries.
    Hypothesis leaves alone what is drawn by a provider of another name than its own.
    """
    try:
        providers: Any = importlib.import_module("hypothesis.internal.conjecture.providers")
    except ImportError:
        return {}
    if not hasattr(providers, "AVAILABLE_PROVIDERS"):  # releases that kept the table elsewhere
        return {}
    providers.AVAILABLE_PROVIDERS["unpoolx"] = f"{providers.__name__}.HypothesisProvider"
    return {"backend": "unpoolx"}


@contextlib.contextmanager
def without_traces() -> Iterator[None]:
    """A context in which Hypothesis keeps its tables in a folder that is gone at the end, unless one is set for them.

    By default it makes a folder `.hypothesis` where the command is run.
    """
    from hypothesis.configuration import set_hypothesis_home_dir

    if "HYPOTHESIS_STORAGE_DIRECTORY" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="unpoolx-") as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)
