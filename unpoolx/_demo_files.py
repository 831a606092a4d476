"""The demo's files: an image in any format as an array, and a picture written whole or not at all."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib.cbook
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from unpoolx._cli import CommandError

Pixels = npt.NDArray[np.float32]

SAMPLE = "grace_hopper.jpg"


def sample_photograph() -> Path:
    """The path of the photograph that ships inside matplotlib."""
    path = Path(matplotlib.cbook.get_sample_data(SAMPLE, asfileobj=False))
    if not path.is_file():
        raise CommandError("this matplotlib comes without its sample data; name an image: unpoolx demo IMAGE")
    return path


def read_image(path: Path) -> Pixels:
    """The image as float32 RGB in [0, 1], of shape (1, height, width, 3), upright and without transparency.

    Raises:
        CommandError: there is no such file, or it is not an image that Pillow can read to its end.
    """
    if not path.exists():
        raise CommandError(f"{path}: no such file; expected an image")
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a special file"
        raise CommandError(f"{path}: expected an image file; got {kind}")
    if path.stat().st_size == 0:
        raise CommandError(f"{path}: expected an image; the file is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of large images, neither of which is an obstacle here.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
    except MemoryError:
        raise
    except UnidentifiedImageError as error:
        raise CommandError(f"{path}: expected an image in a format that Pillow reads") from error
    except Exception as error:  # a decoder raises whatever a broken file leads it to
        raise CommandError(f"{path}: this image cannot be read: {error}") from error


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I;16"):
        return _from_grey(np.asarray(image), 65535)
    if image.mode in ("I", "F"):
        grey = np.asarray(image)
        if not np.isfinite(grey).all():
            raise ValueError("it holds values that are not finite")
        low, high = float(grey.min()), float(grey.max())
        # Such files do not say what white is: the usual full scale if the values keep within it, or else
        # their own range.
        for white in (1, 65535) if image.mode == "F" else (65535,):
            if low >= 0 and high <= white:
                return _from_grey(grey, white)
        return _from_grey(grey - low, high - low or 1.0)
    if image.has_transparency_data:
        # Where it is transparent, an image may hold any colour: show what a white page would.
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(page, image)
    rgb = np.asarray(image.convert("RGB"))
    pixels: Pixels = np.divide(rgb[np.newaxis], np.float32(255), dtype=np.float32)
    return pixels


def _from_grey(grey: npt.NDArray[Any], white: float) -> Pixels:
    scaled = (grey / white).astype(np.float32)
    return np.repeat(scaled[np.newaxis, :, :, np.newaxis], 3, axis=-1)


def check_output(path: Path, source: Path) -> Path:
    """The file to write, symbolic links resolved, after a look whether it can be written.

    Raises:
        CommandError: it is no .png, is the image itself, its folder does not exist, or it cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise CommandError(f"--output: expected a name that ends in .png; got {str(path)!r}")
    try:
        path = path.resolve()
        _check_target(path, source)
        probe = _beside(path)
        probe.touch(exist_ok=False)
        probe.unlink()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links; ValueError: a NUL
        raise _unwritable(path, error) from error
    return path


def _check_target(path: Path, source: Path) -> None:
    if path.is_dir():
        raise CommandError(f"--output: expected a file; {path} is a folder")
    if not path.parent.is_dir():
        raise CommandError(f"--output: there is no folder {path.parent}; make it first or name another")
    if path.exists():
        if source.exists() and path.samefile(source):
            raise CommandError(f"--output: {path} is the image itself; name another file")
        if not os.access(path, os.W_OK):
            raise CommandError(f"--output: {path} is write-protected; name another file")


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have `write` fill a new file, and name it `path` when it is complete; on failure leave nothing."""
    unfinished = _beside(path)
    try:
        with unfinished.open("xb") as file:
            write(file)
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    # In the same folder, since a rename is atomic only within one file system.
    return path.with_name(f".unpoolx-{secrets.token_hex(8)}.tmp")


def _unwritable(path: Path, error: Exception) -> CommandError:
    reason = getattr(error, "strerror", None) or error
    return CommandError(f"--output: {path} cannot be written: {reason}")
