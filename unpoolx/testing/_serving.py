"""The backend that a name, `module:attribute` or an object means, for as long as it is tested."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unpoolx._backend import Backend, is_backend
from unpoolx._registry import get_backend, is_array_api, registered


@contextlib.contextmanager
def serving(backend: str | Backend) -> Iterator[Backend]:
    """The backend of a name, of `"module:attribute"`, or itself, registered as long as the context is open.

    A module is looked for in the working directory, too.

    Raises:
        ValueError: an unknown name, or no such attribute.
        ModuleNotFoundError: no such module, or a framework that is not installed (`BackendNotInstalledError`).
        TypeError: an object that is no `Backend`.
    """
    found: Any = backend
    if isinstance(backend, str):
        module, colon, attribute = backend.partition(":")
        if not colon or is_array_api(backend):
            yield get_backend(backend)
            return
        if str(Path.cwd()) not in sys.path:  # a console script does not look where it is run
            sys.path.insert(0, str(Path.cwd()))
        found = importlib.import_module(module)
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise ValueError(f"backend: expected an attribute of {module}; got {attribute!r}, which it lacks")
            found = getattr(found, part)
    if not is_backend(found):
        raise TypeError(f"backend: expected a name or an unpoolx.Backend; got {found!r}")
    with registered(found):
        yield found
