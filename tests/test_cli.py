"""The command line: the picture, the tables, and one clear line for whatever cannot be done."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import assert_fails

import unpoolx
from unpoolx._cli import main

Image = pytest.importorskip("PIL.Image", reason="the demo extra is not installed")
pytest.importorskip("matplotlib", reason="the demo extra is not installed")
pytest.importorskip("rich", reason="the demo extra is not installed")


def new_environment() -> dict[str, str]:
    """What a shell would hand to a new process: JAX, loaded in this one, has set the log level for itself."""
    return {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def module(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m unpoolx` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "unpoolx", *map(str, arguments)],
        cwd=cwd,
        env={**new_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Random bytes as a picture."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A small odd-sized image in a folder of its own, so that what else appears there is seen."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    path = folder / "noise.png"
    Image.fromarray(noise(37, 53)).save(path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Where a picture may be written: alone in its folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder / "picture.png"


def demo(*arguments: str | Path) -> int:
    return main(["demo", *map(str, arguments)])


# What works


def test_the_default_demo_draws_the_sample_photograph_and_compares_every_backend(tmp_path: Path) -> None:
    result = module("demo", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["unpoolx-demo.png"]
    with Image.open(tmp_path / "unpoolx-demo.png") as image:
        image.load()
        assert image.format == "PNG"
        assert 1500 <= image.width <= 4000
        assert 800 <= image.height <= 2500
        assert len(set(image.convert("L").resize((64, 32)).tobytes())) > 20, "the picture is all but empty"
    for info in unpoolx.backends():
        if info.installed and info.error is None:
            assert f"\u2502 {info.name} " in result.stdout
    assert "differ" not in result.stdout
    assert "failed" not in result.stdout
    for way in ("corner", "nearest", "average", "switches"):
        assert f"\u2502 {way} " in result.stdout
    assert result.stderr == ""


def test_the_chosen_backend_is_the_only_one_in_the_table(
    photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(photograph, "--backend", "numpy", "--kernel-size", "3", "--output", picture) == 0
    out, err = capsys.readouterr()
    assert "numpy" in out
    assert "yes (6 of 6)" in out
    assert "torch" not in out
    assert err == ""
    assert [path.name for path in picture.parent.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("kernel_size", [1, 2, 5, 7])
@pytest.mark.parametrize("size", [(7, 7), (7, 90), (300, 9)])
def test_every_size_and_kernel_gives_a_picture(size: tuple[int, int], kernel_size: int, tmp_path: Path) -> None:
    Image.fromarray(noise(*size)).save(tmp_path / "image.png")
    output = tmp_path / "picture.png"
    assert demo(tmp_path / "image.png", "--backend", "numpy", "--kernel-size", kernel_size, "--output", output) == 0
    with Image.open(output) as image:
        image.load()
        assert image.width > 1500


def test_a_single_pixel_is_an_image(tmp_path: Path) -> None:
    Image.fromarray(noise(1, 1)).save(tmp_path / "image.png")
    output = tmp_path / "picture.png"
    assert demo(tmp_path / "image.png", "--backend", "numpy", "--kernel-size", "1", "--output", output) == 0
    assert output.is_file()


def test_an_old_picture_is_replaced(photograph: Path, picture: Path) -> None:
    picture.write_text("old", encoding="utf-8")
    assert demo(photograph, "--backend", "numpy", "--output", picture) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["a $x^2$ [red] \\[b] {c}.png", "line\nbreak.png", "\u732b.png", "--.png"])
def test_any_file_name_is_only_a_name(name: str, photograph: Path, picture: Path) -> None:
    odd = photograph.rename(photograph.with_name(name))
    assert demo("--backend", "numpy", "--output", picture, "--", odd) == 0


def test_the_table_survives_a_terminal_that_knows_only_ascii(photograph: Path, picture: Path) -> None:
    result = module(
        "demo",
        photograph,
        "--backend",
        "numpy",
        "--output",
        picture,
        cwd=picture.parent,
        PYTHONIOENCODING="ascii",
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_backends_lists_each_with_its_version_or_how_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backends"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == {"BACKEND", *(info.name for info in unpoolx.backends())}
    for info in unpoolx.backends():
        expected = info.version if info.installed else info.error or info.install
        assert str(expected) in lines[info.name]


def test_backends_that_are_absent_or_broken_are_listed_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (numpy,) = (info for info in unpoolx.backends() if info.name == "numpy")
    made = {"devices": (), "version": None}
    absent = dataclasses.replace(numpy, name="absent", installed=False, install="pip install it", error=None, **made)
    broken = dataclasses.replace(numpy, name="broken", installed=True, error="ImportError: no\nluck", **made)
    monkeypatch.setattr(unpoolx, "backends", lambda: (numpy, absent, broken))
    assert main(["backends"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split(maxsplit=2) == ["absent", "-", "not installed: pip install it"]
    assert lines[3].split(maxsplit=2) == ["broken", "-", "cannot be used: ImportError: no luck"]


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--version"], ["--help"], ["demo", "--help"], ["backends", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    assert f"unpoolx {unpoolx.__version__}\n" in capsys.readouterr().out


# How images are read


def read(image: object, path: Path, **options: object) -> np.ndarray:
    from unpoolx._demo_files import read_image

    image.save(path, **options)
    pixels = read_image(path)
    assert pixels.dtype == np.float32
    assert pixels.shape[0] == 1
    assert pixels.shape[3] == 3
    return pixels[0]


def test_bytes_become_exact_fractions(tmp_path: Path) -> None:
    pixels = noise(5, 7)
    assert np.array_equal(read(Image.fromarray(pixels), tmp_path / "a.png"), pixels / np.float32(255))


def test_grey_of_16_bits_keeps_them(tmp_path: Path) -> None:
    grey = np.array([[0, 1, 300, 65535]], np.uint16)
    for name in ("a.png", "a.tiff"):
        pixels = read(Image.fromarray(grey), tmp_path / name)
        assert np.array_equal(pixels[..., 0], (grey / 65535).astype(np.float32))
        assert np.array_equal(pixels[..., 0], pixels[..., 2])


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.int32, [0, 65535], [0, 1]),
        (np.int32, [-100000, 100000], [0, 1]),
        (np.int32, [7, 7], [7 / 65535, 7 / 65535]),
        (np.float32, [0.25, 1], [0.25, 1]),
        (np.float32, [0, 65535], [0, 1]),
        (np.float32, [-3, 5], [0, 1]),
        (np.float32, [-3, -3], [0, 0]),
    ],
)
def test_wide_grey_is_scaled_into_the_unit_range(
    dtype: type, values: list[float], expected: list[float], tmp_path: Path
) -> None:
    pixels = read(Image.fromarray(np.array([values], dtype)), tmp_path / "a.tiff")
    assert np.array_equal(pixels[0, :, 0], np.array(expected, np.float32))


def test_transparency_shows_white_paper(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    pixels = read(Image.fromarray(rgba), tmp_path / "a.png")
    assert np.array_equal(pixels[0], np.array([[1, 0, 0], [1, 1, 1], [0.8, 0.8, 0.8]], np.float32))


def test_a_palette_gives_its_colours_and_its_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    assert np.array_equal(
        read(image, tmp_path / "a.png"), np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8) / np.float32(255)
    )
    pixels = read(image, tmp_path / "b.png", transparency=0)
    assert np.array_equal(pixels, np.array([[[255, 255, 255], [40, 50, 60]]], np.uint8) / np.float32(255))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK", "YCbCr"])
def test_other_modes_are_read(mode: str, tmp_path: Path) -> None:
    kind = {"CMYK": "tiff", "YCbCr": "jpg"}.get(mode, "png")
    pixels = read(Image.new("RGB", (3, 2), "white").convert(mode), tmp_path / f"a.{kind}")
    assert pixels.shape == (2, 3, 3)
    assert pixels.min() > 0.99


def test_a_camera_held_sideways_gives_an_upright_picture(tmp_path: Path) -> None:
    pixels = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # the orientation: rotate by 90 degrees clockwise to view
    upright = read(Image.fromarray(pixels), tmp_path / "a.png", exif=exif)
    assert np.array_equal(upright, np.rot90(pixels, -1) / np.float32(255))


# What cannot be done


def broken_images() -> dict[str, bytes]:
    import io

    whole = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(whole, "PNG")
    jpeg = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(jpeg, "JPEG")
    return {
        "empty": b"",
        "text": b"this is no image\n" * 10,
        "signature-only": whole.getvalue()[:8],
        "half-a-png": whole.getvalue()[: len(whole.getvalue()) // 2],
        "half-a-jpeg": jpeg.getvalue()[: len(jpeg.getvalue()) // 2],
        "damaged-png": whole.getvalue()[:60] + bytes(200) + whole.getvalue()[260:],
    }


@pytest.mark.parametrize("kind", sorted(broken_images()))
def test_a_broken_image_is_one_line(
    kind: str, tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(broken_images()[kind])
    assert_fails(demo(path, "--output", picture), capsys, str(path))
    assert list(picture.parent.iterdir()) == []


def test_a_missing_image_and_a_folder_are_one_line(
    tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_fails(demo(tmp_path / "none.png", "--output", picture), capsys, "no such file")
    assert_fails(demo(tmp_path, "--output", picture), capsys, "folder")
    assert_fails(demo("", "--output", picture), capsys, "folder")
    assert list(picture.parent.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(
    tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_fails(demo(tmp_path / "pipe", "--output", picture), capsys, "special file")


def test_a_decompression_bomb_is_one_line(
    monkeypatch: pytest.MonkeyPatch, photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert_fails(demo(photograph, "--output", picture), capsys, "decompression bomb")


@pytest.mark.parametrize("kernel_size", ["0", "-1", "2.5", "two", "", "1_0", "9" * 5000])
def test_a_kernel_size_that_is_no_positive_whole_number_is_one_line(
    kernel_size: str, photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = demo(photograph, f"--kernel-size={kernel_size}", "--output", picture)
    assert_fails(code, capsys, "--kernel-size", "whole number of at least 1", kernel_size)


def test_a_kernel_larger_than_the_image_is_one_line(
    photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = demo(photograph, "--kernel-size", "38", "--output", picture)
    assert_fails(code, capsys, "--kernel-size", "at most 37", "53 x 37", "got 38")


def test_an_unknown_backend_is_one_line_with_the_known_ones(
    photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_fails(demo(photograph, "--backend", "nunpy", "--output", picture), capsys, "nunpy", "numpy")
    assert list(picture.parent.iterdir()) == []


def test_a_backend_that_is_not_installed_is_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch, photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: object) -> object:
        raise ModuleNotFoundError(f"{name} is not installed:\npip install 'unpoolx[{name}]'")

    monkeypatch.setattr(unpoolx, "get_backend", absent)
    code = demo(photograph, "--backend", "jax", "--output", picture)
    assert_fails(code, capsys, "pip install 'unpoolx[jax]'")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("picture.jpg", ".png"),
        ("picture", ".png"),
        ("", ".png"),
        ("none/picture.png", "no folder"),
        ("folder.png", "is a folder"),
        ("file/picture.png", "no folder"),
        ("x" * 300 + ".png", "cannot be written"),
        ("nul\0.png", "cannot be written"),
        ("loop.png", "cannot be written"),
    ],
)
def test_an_unusable_output_is_one_line_and_nothing_is_done(
    output: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    photograph: Path,
    picture: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = picture.parent
    (folder / "folder.png").mkdir()
    (folder / "file").touch()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    before = sorted(folder.rglob("*"))
    monkeypatch.chdir(folder)
    assert_fails(demo(photograph, f"--output={output}"), capsys, "--output", expected)
    assert sorted(folder.rglob("*")) == before


def test_the_image_itself_is_never_overwritten(photograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = photograph.read_bytes()
    link = photograph.with_name("link.png")
    link.symlink_to(photograph)
    for output in (photograph, link):
        assert_fails(demo(photograph, "--output", output), capsys, "is the image itself")
    assert photograph.read_bytes() == before


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_write_protected_folder_or_file_is_one_line(
    photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture.touch(mode=0o444)
    assert_fails(demo(photograph, "--output", picture), capsys, "write-protected")
    picture.unlink()
    picture.parent.chmod(0o555)
    assert_fails(demo(photograph, "--output", picture), capsys, "cannot be written")


def test_a_disk_that_fills_up_leaves_the_old_picture_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno

    from unpoolx._demo_figure import Sheet

    def full(sheet: object, file: object) -> None:
        file.write(b"half a picture")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    picture.write_text("old", encoding="utf-8")
    monkeypatch.setattr(Sheet, "write", full)
    assert demo(photograph, "--backend", "numpy", "--output", picture) == 2
    assert "cannot be written: No space left" in capsys.readouterr().err
    assert [path.name for path in picture.parent.iterdir()] == ["picture.png"]
    assert picture.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_an_interruption_and_a_lack_of_memory_leave_nothing(
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    photograph: Path,
    picture: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(unpoolx, "unpool_nearest", stop)
    code = demo(photograph, "--backend", "numpy", "--output", picture)
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 2)
    assert list(picture.parent.iterdir()) == []
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("package", ["PIL", "matplotlib", "rich"])
def test_a_missing_demo_extra_is_one_line_with_the_command(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("unpoolx._demo", f"{package}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(unpoolx, "_demo", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    assert_fails(demo(), capsys, package, "pip install 'unpoolx[demo]'")


@pytest.mark.parametrize("arguments", [[], ["paint"], ["demo", "--colour"], ["backends", "x"], ["demo", "a", "b"]])
def test_a_command_line_that_makes_no_sense_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_fails(main(arguments), capsys, "--help")


def test_a_process_with_an_error_prints_one_line_and_exits_with_2(tmp_path: Path) -> None:
    result = module("demo", "none.png", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "unpoolx: error: none.png: no such file; expected an image\n"
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-m", "unpoolx", "backends"],
        cwd=tmp_path,
        env=new_environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert result.stderr == b""
    assert result.returncode == 141


# The comparison can fail


def test_a_backend_with_other_bits_is_named_and_gives_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true = unpoolx.unpool_average
    calls = []

    def wrong_after_the_first(*arguments: object, **options: object) -> object:
        calls.append(1)
        result = np.array(true(*arguments, **options))
        if len(calls) > 1:
            result[0, 0, 0, 0] = np.nextafter(result[0, 0, 0, 0], np.float32(2))
        return result

    monkeypatch.setattr(unpoolx, "unpool_average", wrong_after_the_first)
    assert demo(photograph, "--backend", "numpy", "--output", picture) == 1
    out = capsys.readouterr().out
    assert "no (1 of 6 differ)" in out
    assert "numpy differs from NumPy in: average" in out
    assert picture.is_file()


def test_a_backend_that_fails_is_named_and_gives_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, photograph: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true = unpoolx.unpool_nearest
    calls = []

    def fails_after_the_first(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("device\nlost [red]")
        return true(*arguments, **options)

    monkeypatch.setattr(unpoolx, "unpool_nearest", fails_after_the_first)
    assert demo(photograph, "--backend", "numpy", "--output", picture) == 1
    assert "numpy failed in nearest: RuntimeError: device lost [red]" in capsys.readouterr().out
    assert picture.is_file()


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (np.array([0.0, 1.0], np.float32), True),
        (np.array([-0.0, 1.0], np.float32), False),
        (np.array([0.0, 1.0], np.float64), False),
        (np.array([[0.0, 1.0]], np.float32), False),
        (np.array([0.0, 9.0, 1.0], np.float32)[::2], True),
    ],
)
def test_same_bits(other: np.ndarray, same: bool) -> None:
    from unpoolx._demo_measure import same_bits

    assert same_bits(np.array([0.0, 1.0], np.float32), other) is same
