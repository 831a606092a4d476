"""A plugin from outside: installed, listed, used, converted and held to the laws; and one that is broken harms nobody.

Everything runs in processes of its own, in which TensorFlow, JAX and PyTorch are not there unless a test needs one.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unpoolx._backend import MEMBERS
from unpoolx.testing import LEVELS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "adding-a-backend.md").read_text(encoding="utf-8")
EXAMPLES = 12

pytest.importorskip("array_api_strict", reason="the plugin is a backend for it")
pytest.importorskip("hatchling", reason="the plugin's distribution is built by hatchling")

# What the strict library has not, and its backend does not declare.
ABSENT = {"gradient", "compiled"}

ALONE = 'import sys; sys.modules.update(dict.fromkeys(("tensorflow", "jax", "jaxlib", "torch")))\n'
BEGINNING = """
import json, warnings
import array_api_strict as xp
import numpy as np
import unpoolx

def error_of(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def rows():
    return {(info.name, info.install): [info.installed, info.error] for info in unpoolx.backends()}
"""


def result_of(code: str, *folders: Path, cwd: Path, before: str = ALONE) -> Any:
    """What the code leaves as `result`, in a new process that finds distributions in the folders, too."""
    found = [*map(str, folders), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, found)), TF_CPP_MIN_LOG_LEVEL="3")
    program = f"{before}{BEGINNING}{code}\nprint(json.dumps(result))\n"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has put the plugin, from its sources and without a network."""
    folder = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", folder, ROOT / "tests" / "plugin"]
    run = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return folder


def distribution(folder: Path, name: str, entry: str, source: str) -> Path:
    """The folder, with a distribution that has one entry point, `name = module:attribute`, and the module's source."""
    module = re.fullmatch(r".* = (\w+):.*", entry)[1]
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[unpoolx.backends]\n{entry}\n", encoding="utf-8")
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    return folder


@pytest.mark.rule("B7")
def test_the_plugin_is_listed_with_its_version_and_devices(installed: Path, tmp_path: Path) -> None:
    found = result_of(
        "result = [[i.name, i.installed, i.version, i.devices, i.install, i.error] for i in unpoolx.backends()]",
        installed,
        cwd=tmp_path,
    )
    assert [row[0] for row in found] == ["numpy", "tf", "jax", "torch", "dask", "strict"]
    version = importlib.metadata.version("array-api-strict")
    devices = ["CPU_DEVICE", "device1", "device2"]
    assert found[-1] == ["strict", True, version, devices, "pip install unpoolx-strict", None]


@pytest.mark.rule("B1", "B2", "B3")
def test_arrays_go_to_the_plugin_and_come_back_with_the_same_bits(installed: Path, tmp_path: Path) -> None:
    found = result_of(
        """
x = np.random.default_rng(0).standard_normal((2, 7, 5, 3)).astype(np.float32)
values, switches = unpoolx.max_pool(x, 3, 2)
expected = unpoolx.unpool(values, switches, overlap="sum")
def same(a, b): return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
named = unpoolx.unpool(values, switches, overlap="sum", backend="strict")
own_values, own_switches = unpoolx.max_pool(xp.asarray(x), 3, 2)
back = unpoolx.unpool(own_values, own_switches, overlap="sum", backend="numpy")
result = {
    "named": [type(named) is type(xp.empty(0)), same(np.asarray(named), expected)],
    "found by its array": [unpoolx.get_backend(own_values).name, same(np.asarray(own_values), values)],
    "back": [type(back) is np.ndarray, same(back, expected)],
    "switches": [own_switches.to("numpy") == switches, switches.to("strict") == own_switches],
    "updated": np.asarray(unpoolx.at(xp.zeros(3, dtype=xp.int8))[[1, 1, 2]].add([1, 2, 3])).tolist(),
    "two frameworks": error_of(lambda: unpoolx.unpool(values, own_switches)),
    "no such dtype": error_of(lambda: unpoolx.max_pool(x.astype(np.float16), 2, backend="strict")),
}
""",
        installed,
        cwd=tmp_path,
    )
    assert found.pop("two frameworks").startswith("TypeError: expected arrays of one framework")
    assert "got float16, which it cannot hold" in found.pop("no such dtype")
    assert found.pop("updated") == [0, 3, 3]
    assert found.pop("found by its array") == ["strict", True]
    assert all(all(answers) for answers in found.values()), found


@pytest.mark.rule("B4")
def test_the_plugins_arrays_stay_on_their_device(installed: Path, tmp_path: Path) -> None:
    found = result_of(
        """
device = xp.Device("device1")
x = xp.reshape(xp.arange(24, dtype=xp.float32, device=device), (2, 4, 3, 1))
values, switches = unpoolx.max_pool(x, 2, 1)
made = [values, switches.offsets, unpoolx.unpool(values, switches), unpoolx.at(x)[[0, 0], ..., 0].get()]
elsewhere = xp.zeros(values.shape, dtype=xp.float32)
result = [[y.device == device for y in made], error_of(lambda: unpoolx.unpool(elsewhere, switches))]
""",
        installed,
        cwd=tmp_path,
    )
    assert found[0] == [True] * 4
    assert found[1].startswith("ValueError: expected every array on one device")
    assert "CPU_DEVICE" in found[1]
    assert "device1" in found[1]


LAWS_OF = """
from unpoolx.testing import LAWS, Subject, run_law
subject = Subject(backend, {device!r})
laws = [law for law in LAWS.values() if law.level in {levels!r}]
outcomes = [run_law(law, subject, examples={examples}) for law in laws]
result = [[o.law.name, o.status, o.reason, o.failure and [o.failure.message, repr(o.failure.inputs)]] for o in outcomes]
"""


@pytest.mark.parametrize(
    ("level", "device"), [(level, (None, "device1")[number % 2]) for number, level in enumerate(LEVELS)]
)
def test_the_plugin_keeps_every_law_that_it_declares_something_for(
    level: str, device: str | None, installed: Path, tmp_path: Path
) -> None:
    code = LAWS_OF.format(device=device, levels=[level], examples=EXAMPLES)
    outcomes = result_of(f'backend = unpoolx.get_backend("strict")\n{code}', installed, cwd=tmp_path)
    broken = [(name, failure) for name, status, _, failure in outcomes if status == "failed"]
    assert not broken, broken
    unexplained = [name for name, status, why, _ in outcomes if status == "skipped" and not why.startswith("declares ")]
    assert not unexplained
    assert any(status == "passed" for _, status, _, _ in outcomes) == (level not in ABSENT), outcomes


def test_the_example_of_the_page_is_a_backend_that_keeps_the_laws(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    example = next(block for block in blocks if "class BoxBackend" in block)
    trial = next(block for block in blocks if "with registered(backend)" in block)
    (tmp_path / "box.py").write_text(example, encoding="utf-8")
    code = LAWS_OF.format(device=None, levels=[level for level in LEVELS if level not in ABSENT], examples=5)
    place = "from contextlib import ExitStack\nfrom unpoolx.testing import registered\nfrom box import *\n"
    place += "stack = ExitStack()\nstack.enter_context(registered(backend))\n"
    outcomes = result_of(place + code, cwd=tmp_path)
    assert [name for name, status, _, _ in outcomes if status == "passed"]
    broken = [(name, failure) for name, status, _, failure in outcomes if status == "failed"]
    assert not broken, broken
    restored = result_of(f"from box import *\n{trial}\nresult = restored.numbers.tolist()", cwd=tmp_path)
    assert restored == [[[0.0], [3.0], [2.0], [0.0]]]


def test_the_page_names_every_member_of_the_contract() -> None:
    named = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))
    assert set(MEMBERS) - named == set()


@pytest.mark.rule("B9")
def test_a_plugin_that_cannot_be_imported_is_reported_and_harms_no_other(installed: Path, tmp_path: Path) -> None:
    broken = distribution(tmp_path / "b", "a-broken-one", "broken = a_broken_one:backend", "import no_such_library")
    found = result_of(
        """
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    unpoolx.max_pool(np.zeros((1, 4, 1)), 2)
    numpys = len([w for w in seen if "broken" in str(w.message)])
    values, _ = unpoolx.max_pool(xp.asarray([[[1.0], [2.0]]]), 2)  # asks every plugin whose array this is
warned = [[w.category.__name__, str(w.message)] for w in seen if "broken" in str(w.message)]
row = next(info for info in unpoolx.backends() if info.name == "broken")
others = [info.error for info in unpoolx.backends() if info.name in ("numpy", "strict")]
result = [numpys, np.asarray(values).tolist(), warned, [row.installed, row.error, row.install], others]
result.append(error_of(lambda: unpoolx.get_backend("broken")))
warnings.simplefilter("ignore")
result.append(error_of(lambda: unpoolx.max_pool(object(), 2)))
""",
        broken,
        installed,
        cwd=tmp_path,
    )
    why = "No module named 'no_such_library'"
    assert found[:2] == [0, [[[2.0]]]]
    assert found[2] == [["RuntimeWarning", f"unpoolx: the backend 'broken' cannot be loaded: {why}"]]
    assert found[3] == [False, f"ModuleNotFoundError: {why}", "pip install a-broken-one"]
    assert found[4] == [None, None]
    assert found[5] == f"ModuleNotFoundError: {why}"
    assert found[6].startswith("TypeError: x: expected a dense array")


@pytest.mark.rule("B9")
def test_two_distributions_of_one_name_are_an_error_that_names_both(installed: Path, tmp_path: Path) -> None:
    second = distribution(tmp_path / "s", "another-strict", "strict = another_strict:backend", "backend = None")
    found = result_of(
        """
row = next(info for info in unpoolx.backends() if info.name == "strict")
result = [row.installed, row.error, row.install, error_of(lambda: unpoolx.max_pool([[[1.0]]], 1, backend="strict"))]
""",
        installed,
        second,
        cwd=tmp_path,
    )
    assert found[0] is False
    for error in (found[1], found[3]):
        assert error.startswith("ValueError: backend 'strict': expected one distribution to have this name")
        assert "another-strict and unpoolx-strict" in error
    assert sorted(found[2].removeprefix("pip install ").split(" or ")) == ["another-strict", "unpoolx-strict"]


@pytest.mark.rule("B9")
def test_plugins_that_take_the_names_of_ours_are_reported_and_harm_nothing(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="what keeps its names is its backend")
    source = "raise SystemExit('imported')"
    takers = [
        distribution(tmp_path / n, f"{n}-taker", f"{n} = {n}_taker:backend", source) for n in ("torch", "pytorch")
    ]
    found = result_of(
        """
with warnings.catch_warnings():
    warnings.simplefilter("error")
    unpoolx.max_pool(np.zeros((1, 4, 1)), 2)
    values, _ = unpoolx.max_pool(xp.asarray([[[1.0], [2.0]]]), 2)
loaded = "torch" in sys.modules
taken = {info.name: info.error for info in unpoolx.backends() if "taker" in info.install}
ours = [info.error for info in unpoolx.backends() if info.name == "torch" and "taker" not in info.install]
kinds = [type(unpoolx.get_backend(name)).__module__ for name in ("torch", "pytorch")]
result = [taken, np.asarray(values).tolist(), loaded, ours, kinds]
""",
        *takers,
        installed,
        cwd=tmp_path,
        before='import sys; sys.modules.update(dict.fromkeys(("tensorflow", "jax", "jaxlib")))\n',
    )
    for name in ("torch", "pytorch"):
        error = found[0].pop(name)
        assert error.startswith(f"ValueError: backend {name!r}: expected one distribution to have this name")
        assert f"{name}-taker and unpoolx" in error
    assert found == [{}, [[[2.0]]], False, [None], ["unpoolx_backends._torch_rules"] * 2]


@pytest.mark.parametrize(
    ("module", "error", "parts"),
    [
        (
            "class Half:\n    name = 'mine'\n    def shape(self, x): return x.shape\nbackend = Half()",
            "TypeError",
            [
                "'mine'",
                "'mine:backend'",
                "instance of unpoolx.Backend",
                "a Half, which lacks",
                "from_numpy",
                "take_along",
            ],
        ),
        ("backend = None", "TypeError", ["a NoneType, which lacks", "arange", "zeros"]),
        (
            "from unpoolx_backends._numpy import NumpyBackend\nclass backend(NumpyBackend):\n    name = 'mine'",
            "TypeError",
            ["instance of unpoolx.Backend", "the class backend"],
        ),
        (
            "from unpoolx_backends._numpy import backend",
            "ValueError",
            ["must name a backend whose name is 'mine'", "got 'numpy'"],
        ),
        (
            "from unpoolx import Backend\nclass Part(Backend):\n    name = 'mine'\nbackend = Part()",
            "TypeError",
            ["Can't instantiate abstract class Part", "from_numpy", "scatter_along"],
        ),
        ("", "AttributeError", ["mine", "backend"]),
    ],
    ids=["half a backend", "none", "a class", "another's", "a part", "no such attribute"],
)
def test_an_entry_point_that_names_no_backend_says_what_is_wrong(
    module: str, error: str, parts: list[str], tmp_path: Path
) -> None:
    folder = distribution(tmp_path / "m", "unpoolx-mine", "mine = mine:backend", module)
    found = result_of(
        """
row = next(info for info in unpoolx.backends() if info.name == "mine")
result = [row.installed, row.error, error_of(lambda: unpoolx.unpool_nearest([[[1.0]]], 2, backend="mine"))]
""",
        folder,
        cwd=tmp_path,
    )
    assert found[0] is False
    assert found[1] == found[2]
    assert found[1].startswith(f"{error}: ")
    assert not [part for part in parts if part not in found[1]], found[1]
