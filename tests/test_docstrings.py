"""Every public name says what it does, and every example in a docstring prints what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import unpoolx

pytestmark = pytest.mark.usefixtures("frameworks")

MODULES = ["unpoolx", *(f"unpoolx.{module.name}" for module in pkgutil.iter_modules(unpoolx.__path__))]
LAYERS = {"torch": "torch", "keras": "keras", "nnx": "flax"}
FUNCTIONS = [
    name
    for name in unpoolx.__all__
    if inspect.isfunction(getattr(unpoolx, name)) and name not in ("get_backend", "backends")
]


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ("unpoolx.__main__", "unpoolx._cli")])
def test_the_examples_in_the_modules_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0, f"{failed} examples of {name} print something else; run python -m doctest on it"


@pytest.mark.parametrize(("module", "framework"), LAYERS.items())
def test_the_examples_of_the_layers_run(module: str, framework: str) -> None:
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    layers = importlib.import_module(f"unpoolx.layers.{module}")
    failed, attempted = doctest.testmod(layers)
    assert (failed, attempted > 0) == (0, True), f"{failed} of {attempted} examples print something else"
    for name in layers.__all__:
        text = inspect.getdoc(getattr(layers, name)) or ""
        assert all(section in text for section in ("Args:", "Raises:", "Example:")), name


def test_a_wrong_docstring_example_is_caught() -> None:
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda _: None).failed == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_public_function_documents_arguments_result_errors_an_example_and_its_gradient(name: str) -> None:
    text = inspect.getdoc(getattr(unpoolx, name)) or ""
    wanted = (
        ("Args:", "Returns:", "Example:") if name == "at" else ("Args:", "Returns:", "Raises:", "Gradient:", "Example:")
    )
    missing = [section for section in wanted if section not in text]
    assert not missing, f"{name} lacks {missing}"


@pytest.mark.parametrize("name", [name for name in unpoolx.__all__ if not name.startswith("__")])
def test_each_public_name_has_a_docstring(name: str) -> None:
    assert inspect.getdoc(getattr(unpoolx, name)), name
