"""The files of a run: looked at before it, and written whole or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path

from unpoolx._cli import CommandError
from unpoolx._conformance_files import check_outputs


def targets(json: str | None, plot: str | None) -> dict[str, Path]:
    """The files to write by their options, after a look whether they can be written.

    Raises:
        CommandError: one cannot be written, both are the same, the picture is no .png or cannot be drawn.
    """
    if plot is not None and Path(plot).suffix.lower() != ".png":
        raise CommandError(f"--plot: expected a name that ends in .png; got {plot!r}")
    found = check_outputs({"--json": json, "--plot": plot})
    if plot is not None:
        try:
            import matplotlib  # noqa: F401, ICN001  # hours before it is needed
        except ImportError as error:
            message = f"--plot needs {error.name}, which cannot be imported: pip install 'unpoolx[demo]'"
            raise CommandError(message) from error
    return found


def write_whole(option: str, path: Path, content: bytes) -> None:
    """Fill a new file with the content, and name it `path` when it is complete; on failure leave nothing."""
    unfinished = path.with_name(f".unpoolx-{secrets.token_hex(8)}.tmp")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"{option}: {path} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
