"""The files of a conformance run: looked at before hours of work, and written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from unpoolx._cli import CommandError


def check_outputs(names: dict[str, str | None]) -> dict[str, Path]:
    """The files to write by their options, symbolic links resolved, after a look whether they can be written.

    Raises:
        CommandError: a folder does not exist, a file cannot be written, or two options name the same one.
    """
    found: dict[str, Path] = {}
    for option, name in names.items():
        if name is None:
            continue
        path = _check(option, name)
        for other, taken in found.items():
            if taken == path:
                raise CommandError(f"{option}: {path} is the file of {other}, too; name another")
        found[option] = path
    return found


def _check(option: str, name: str) -> Path:
    try:
        path = Path(name).resolve()
        if not name or path.is_dir():
            raise CommandError(f"{option}: expected a file; {path} is a folder")
        if not path.parent.is_dir():
            raise CommandError(f"{option}: there is no folder {path.parent}; make it first or name another")
        if path.exists() and not path.is_file():
            raise CommandError(f"{option}: expected a file; {path} is a special file")
        if path.exists() and not os.access(path, os.W_OK):
            raise CommandError(f"{option}: {path} is write-protected; name another file")
        probe = _beside(path)
        probe.touch(exist_ok=False)
        probe.unlink()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links; ValueError: a NUL
        raise _unwritable(option, name, error) from error
    return path


def write_whole(option: str, path: Path, text: str) -> None:
    """Fill a new file with the text, and name it `path` when it is complete; on failure leave nothing."""
    unfinished = _beside(path)
    try:
        unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(option, str(path), error) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    # In the same folder, since a rename is atomic only within one file system.
    return path.with_name(f".unpoolx-{secrets.token_hex(8)}.tmp")


def _unwritable(option: str, name: str, error: Exception) -> CommandError:
    reason = getattr(error, "strerror", None) or error
    return CommandError(f"{option}: {name} cannot be written: {reason}")
