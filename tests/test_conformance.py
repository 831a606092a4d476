"""Our own backends, held to every law by the conformance kit as anybody's backend is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from harness import CASES, Harness, UnavailableError

from unpoolx.testing.suite import BackendConformance, Outcome, Subject

EXAMPLES = {"numpy": 250, "tf": 40, "jax": 20, "torch": 100}
"""Generated examples per law: fewer where each geometry is a program to be compiled."""
DEEP = {name: 20 * number for name, number in EXAMPLES.items()}
CHOSEN = DEEP if os.environ.get("UNPOOLX_PROFILE", "ci") == "deep" else EXAMPLES


class OurBackend(BackendConformance):
    """One of the four, with the threads and the devices that the other tests use, and its cases counted."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _set_up(cls, request: pytest.FixtureRequest) -> None:
        try:
            Harness.of(cls.backend, request.config.getoption("--device") or "cpu")
        except UnavailableError as reason:
            pytest.skip(str(reason))

    forced: tuple[tuple[str, object], ...] = ()
    """Private switches of the backends, by module and name, that send arrays one way."""

    @pytest.fixture(autouse=True)
    def _force(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in self.forced:
            monkeypatch.setattr(f"unpoolx_backends.{name}", value)

    @pytest.fixture(autouse=True)
    def _forget_compiled_programs(self) -> Iterator[None]:
        yield
        if "torch" in sys.modules:
            sys.modules["torch"]._dynamo.reset()

    def after_law(self, subject: Subject, outcome: Outcome) -> None:
        """Count the cases of the law."""
        CASES[f"laws/{subject.name}"] += outcome.cases


class Fused(OurBackend):
    """The loops that Numba compiles, also for arrays so small that the backend would not use them."""

    levels = ("forward", "overlap", "determinism", "immutability")

    forced = (("_fused.FEWEST_ELEMENTS", 0), ("_fused.SHARED_ELEMENTS", 64))

    @pytest.fixture(autouse=True)
    def _fuse(self) -> None:
        pytest.importorskip("numba", reason="numba is not installed, and the recipes serve alone")


class TestNumpy(OurBackend):
    """Every law on NumPy."""

    backend = "numpy"
    examples = CHOSEN["numpy"]


class TestNumpySlices(OurBackend):
    """NumPy's arrays by slices and comparisons, also where they are so small that tables would serve them."""

    backend = "numpy"
    examples = 100
    levels = ("forward", "overlap", "determinism", "immutability")

    forced = (("_numpy_small.MOST_ENTRIES", 0),)


class TestNumpyPlaces(OurBackend):
    """NumPy's arrays by places in memory, also where they are small, in blocks that end inside a row and after some."""

    backend = "numpy"
    examples = 100
    levels = ("forward", "overlap", "determinism", "immutability")

    forced = (
        ("_fused.ENABLED", False),
        ("_fused.FEWEST_ELEMENTS", 0),
        ("_numpy_small.MOST_ENTRIES", 0),
        ("_numpy_places.BLOCK_WINDOWS", 12),
    )


class TestTensorflow(OurBackend):
    """Every law on TensorFlow."""

    backend = "tf"
    examples = CHOSEN["tf"]


class TestTensorflowXla(OurBackend):
    """TensorFlow's programs for large arrays, also for the smallest."""

    backend = "tf"
    examples = 8
    levels = ("forward", "overlap", "gradient")

    @pytest.fixture(autouse=True)
    def _compile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from unpoolx_backends import _tensorflow

        monkeypatch.setattr(_tensorflow, "COMPILED_ELEMENTS", 1)
        monkeypatch.setattr(_tensorflow, "MOST_PROGRAMS", 10**6)
        monkeypatch.setattr(_tensorflow, "_programs", {})


class TestJax(OurBackend):
    """Every law on JAX, with its 64-bit dtypes."""

    backend = "jax"
    examples = CHOSEN["jax"]


class TestJaxOneDevice(OurBackend):
    """JAX as it is with one device, where its programs go region by region."""

    backend = "jax"
    examples = 8
    levels = ("forward", "overlap", "gradient")

    @pytest.fixture(autouse=True)
    def _fuse(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        import jax
        from unpoolx_backends._jax import JaxBackend

        monkeypatch.setattr(JaxBackend, "fuses", True)
        jax.clear_caches()  # programs of the other form
        yield
        jax.clear_caches()


class TestTorch(OurBackend):
    """Every law on PyTorch."""

    backend = "torch"
    examples = CHOSEN["torch"]


class TestNumpyFused(Fused):
    """NumPy's arrays by fused loops."""

    backend = "numpy"
    examples = 100


class TestTorchFused(Fused):
    """PyTorch's tensors by fused loops."""

    backend = "torch"
    examples = 60


class TestTorchKernels(OurBackend):
    """PyTorch's own kernels and places in memory, also for tensors so small that NumPy would serve them."""

    backend = "torch"
    examples = 60
    levels = ("forward", "overlap", "gradient", "determinism", "immutability")

    forced = (
        ("_fused.ENABLED", False),
        ("_torch_small.MOST_ELEMENTS", 0),
        ("_torch_places.BLOCK_WINDOWS", 12),
    )


class TestTorchCompiledRecipes(OurBackend):
    """PyTorch's compiled code by the recipes, as on other devices and in exported programs."""

    backend = "torch"
    examples = 30
    levels = ("compiled",)

    forced = (("_torch_opaque.ENABLED", False),)


class TestTorchRecipes(OurBackend):
    """PyTorch without its own kernels and without fused loops: what serves where they cannot."""

    backend = "torch"
    examples = 60
    levels = ("forward", "overlap", "gradient", "determinism")

    forced = (("_fused.ENABLED", False), ("_torch_native.ENABLED", False))
