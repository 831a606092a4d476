"""The wheel, used away from the sources, is the whole package and nothing else."""

from __future__ import annotations

import email
import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# What `import unpoolx` must not load: the frameworks, and what only the extras need.
HEAVY = [
    "tensorflow",
    "jax",
    "torch",
    "hypothesis",
    "pytest",
    "matplotlib",
    "PIL",
    "rich",
    "keras",
    "flax",
    "dask",
    "array_api_compat",
    "sklearn",
]

pytest.importorskip("build", reason="the wheel is made by build")
pytest.importorskip("hatchling", reason="the wheel is made by hatchling")


def run(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """The standard output of a command that must succeed."""
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command} gave {result.returncode}:\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built as a release would be."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has put the wheel, and nothing beside it."""
    folder = tmp_path_factory.mktemp("installed")
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder)
    run(sys.executable, "-m", "pip", "install", *options, wheel, cwd=folder)
    return folder


def python(installed: Path, *arguments: str | Path, cwd: Path) -> str:
    """Run Python on the installed wheel, with the environment's other packages but not with the sources.

    `-S` keeps the .pth file of an editable install from being read.
    """
    others = Path(np.__file__).resolve().parent.parent
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(installed), str(others)]))
    return run(sys.executable, "-S", *arguments, cwd=cwd, environment=environment)


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    version = wheel.name.split("-")[1]
    assert {name.split("/")[0] for name in names} == {
        "unpoolx",
        "unpoolx_backends",
        f"unpoolx-{version}.dist-info",
    }
    assert {"unpoolx/py.typed", "unpoolx_backends/py.typed"} <= set(names)
    code = {name for name in names if ".dist-info/" not in name}
    assert all(name.endswith((".py", "/py.typed")) for name in code), sorted(code)
    sources = {
        path.relative_to(root).as_posix()
        for root, package in ((ROOT, "unpoolx"), (ROOT / "backends", "unpoolx_backends"))
        for path in (root / package).rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert code == sources


def test_the_metadata_say_what_pyproject_says(wheel: Path) -> None:
    import unpoolx

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
        assert any(n.endswith("/licenses/LICENSE") for n in archive.namelist())
    assert metadata["Version"] == unpoolx.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    extras = {"tf", "jax", "torch", "all", "array-api", "numba", "keras", "flax", "dask", "testing", "demo", "examples"}
    assert set(metadata.get_all("Provides-Extra", [])) == extras
    required = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert len(required) == 1, required
    assert required[0].startswith("numpy")


def too_new(asks: str) -> bool:
    """Whether a Requires-Python shuts out the first release of the Python that we say is enough."""
    return not SpecifierSet(asks).contains("3.11.0")


def test_what_the_tests_install_runs_on_the_first_release_of_our_oldest_python() -> None:
    """A constraint on a package that wants 3.11.5 stops `make` on Debian's 3.11.2."""
    lines = (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    named = {canonicalize_name(line.partition("==")[0]): line for line in lines if line and not line.startswith("#")}
    checked = {}
    for distribution in importlib.metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        if named.get(name, "").endswith(f"=={distribution.version}"):
            checked[name] = distribution.metadata.get("Requires-Python") or ""
    assert len(checked) > 50, "hardly anything is installed as constrained: nothing was checked"
    assert not {named[name]: asks for name, asks in checked.items() if too_new(asks)}
    assert (too_new(">=3.11.5"), too_new(">=3.11"), too_new("")) == (True, False, False)


def test_the_installed_wheel_pools_and_unpools(installed: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import importlib.metadata, sys\n"
        "import numpy as np, unpoolx, unpoolx_backends\n"
        "print(unpoolx.__file__)\n"
        "print(unpoolx_backends.__file__)\n"
        "assert importlib.metadata.version('unpoolx') == unpoolx.__version__\n"
        "x = np.arange(16.0).reshape(1, 4, 4, 1)\n"
        "values, switches = unpoolx.max_pool(x, 2)\n"
        "assert np.array_equal(unpoolx.gather(x, switches), values)\n"
        "restored = unpoolx.unpool(values, switches)\n"
        "assert np.array_equal(restored, np.where(np.isin(x, values), x, 0))\n",
        encoding="utf-8",
    )
    where = python(installed, script, cwd=tmp_path).splitlines()
    assert [Path(line).parent for line in where] == [installed / "unpoolx", installed / "unpoolx_backends"]


def test_importing_unpoolx_loads_no_framework_and_no_extra(installed: Path, tmp_path: Path) -> None:
    code = f"import sys, unpoolx; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(installed, "-c", code, cwd=tmp_path).strip() == "[]"
    # The check can fail: something that is loaded is reported.
    code = f"import sys, unpoolx; print([name for name in {['numpy', *HEAVY]} if name in sys.modules])"
    assert python(installed, "-c", code, cwd=tmp_path).strip() == "['numpy']"


def test_the_console_script_and_the_module_run(installed: Path, tmp_path: Path) -> None:
    script = installed / "bin" / "unpoolx"
    if not script.exists():
        pytest.skip("pip puts the console scripts of this platform elsewhere")
    by_script = python(installed, script, "backends", cwd=tmp_path)
    by_module = python(installed, "-m", "unpoolx", "backends", cwd=tmp_path)
    assert by_script == by_module
    assert any(line.split()[:2] == ["numpy", np.__version__] for line in by_script.splitlines()), by_script
