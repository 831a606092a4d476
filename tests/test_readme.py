"""The documentation tells the truth: its examples run, and the first screen has what a newcomer needs."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("frameworks")

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def name_of(page: Path) -> str:
    """Its path from the top."""
    return page.relative_to(ROOT).as_posix()


PARSER = doctest.DocTestParser()


def failures(text: str, name: str) -> list[str]:
    """What the examples of `text` printed that they should not have."""
    test = PARSER.get_doctest(text, {}, name, name, 0)
    report: list[str] = []
    runner = doctest.DocTestRunner()
    runner.run(test, out=report.append)
    return report


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_of_the_page_print_what_it_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if ">>> " not in text:
        pytest.skip(f"{name_of(page)} has no example")
    for line, framework in (
        ('backend="torch"', "torch"),
        ('backend="tf"', "tensorflow"),
        ('backend="jax"', "jax"),
        (">>> import torch", "torch"),
        (">>> import numpy as np, tensorflow", "tensorflow"),
        (">>> import jax", "jax"),
        (">>> from onnx import", "onnx"),
        (">>> import numpy as np, onnxruntime", "onnxruntime"),
        (">>> import keras", "keras"),
        (">>> from flax", "flax"),
        (">>> import dask", "dask"),
        (">>> import array_api_strict", "array_api_strict"),
        (">>> import array_api_strict", "array_api_compat"),
    ):
        if line in text:
            pytest.importorskip(framework, reason=f"an example of {name_of(page)} uses it")
    report = failures(text, name_of(page))
    assert not report, "".join(report)


def test_a_wrong_example_is_caught() -> None:
    assert failures(">>> 1 + 1\n3\n", "wrong")
    assert not failures(">>> 1 + 1\n2\n", "right")


@pytest.mark.parametrize(
    "needed",
    [
        "pip install 'unpoolx[",
        ">>> import unpoolx",
        ">>> values, switches = ",
        "backend=",
        "make demo",
        "make test",
    ],
)
def test_the_first_screen_of_the_readme_has(needed: str) -> None:
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40]
    assert any(needed in line for line in first_screen), f"not in the first 40 lines of README.md: {needed}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_relative_links_of_the_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [part.partition(")")[0].partition("#")[0] for part in text.split("](")[1:]]
    missing = [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]
    assert not missing, f"{name_of(page)} links to files that are not there: {missing}"
