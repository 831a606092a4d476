"""Every rule of the norm has a test, and every test that names a rule names one that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from unpoolx.testing.laws import LAWS

ROOT = Path(__file__).resolve().parent.parent
NORM = ROOT / "docs" / "semantics.md"
TESTS = sorted((ROOT / "tests").glob("test_*.py"))

RULE = re.compile(r"^- \*\*\[([A-Z]+[0-9]+[a-z]?)\]\*\*", re.MULTILINE)


def rules_of(norm: str) -> list[str]:
    """The names of the rules that a page states, in their order."""
    return RULE.findall(norm)


def is_rule_mark(node: ast.AST) -> bool:
    """Whether this is `pytest.mark.rule(...)`."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule"


def marks_of(source: str) -> list[tuple[str, str]]:
    """(name of a test, rule that it names) for each rule in a file's decorators; "?" where that cannot be read."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for mark in function.decorator_list:
            if isinstance(mark, ast.Call) and is_rule_mark(mark):
                for rule in mark.args or [ast.Constant("")]:
                    readable = isinstance(rule, ast.Constant) and isinstance(rule.value, str)
                    found.append((function.name, str(rule.value) if readable else "?"))
    return found


def complaints(norm: str, tests: dict[str, str], laws: dict[str, tuple[str, ...]] | None = None) -> list[str]:
    """What does not fit between a norm, the sources of tests by file name, and the rules of laws by their name."""
    rules = rules_of(norm)
    wrong = [f"the norm states {rule} twice" for rule in sorted({r for r in rules if rules.count(r) > 1})]
    named = set()
    for law, held in (laws or {}).items():
        wrong += [f"the law {law} names {rule}, which is no rule of the norm" for rule in held if rule not in rules]
        named.update(held)
    for file, source in tests.items():
        for test, rule in marks_of(source):
            if not test.startswith(("test_", "Test")):
                wrong.append(f"{file}: {test} names {rule}, and is no test that pytest would run")
            elif rule not in rules:
                wrong.append(f"{file}: {test} names {rule}, which is no rule of the norm")
            else:
                named.add(rule)
        marks = sum(is_rule_mark(node) for node in ast.walk(ast.parse(source)))
        decorators = sum(
            is_rule_mark(mark) for node in ast.walk(ast.parse(source)) for mark in getattr(node, "decorator_list", [])
        )
        if marks != decorators:
            wrong.append(f"{file}: a rule is named elsewhere than in a decorator")
    return wrong + [f"{rule} has no test" for rule in rules if rule not in named]


def test_every_rule_has_a_test_and_every_name_is_a_rule() -> None:
    norm = NORM.read_text(encoding="utf-8")
    assert rules_of(norm), "the norm states its rules otherwise than this test reads them"
    stated = set(re.findall(r"\*\*\[([^\]]+)\]\*\*", norm))
    assert stated == set(rules_of(norm)), "a rule that does not begin its line would be missed"
    held = {law.name: law.rules for law in LAWS.values()}  # tests/test_conformance.py runs them all
    found = complaints(norm, {path.name: path.read_text(encoding="utf-8") for path in TESTS}, held)
    assert not found, "\n".join(found)


SMALL_NORM = "- **[A1]** One.\n- **[A2]** Two.\n"
SOUND = {"test_a.py": '@pytest.mark.rule("A1", "A2")\ndef test_both(): ...\n'}


def test_what_fits_is_not_complained_of() -> None:
    assert complaints(SMALL_NORM, SOUND) == []


@pytest.mark.parametrize(
    ("norm", "tests", "complaint"),
    [
        (SMALL_NORM + "- **[A3]** A made-up rule.\n", SOUND, "A3 has no test"),
        (
            SMALL_NORM,
            {**SOUND, "test_b.py": '@pytest.mark.rule("A9")\ndef test_it(): ...\n'},
            "test_b.py: test_it names A9, which is no rule of the norm",
        ),
        (SMALL_NORM + "- **[A1]** Again.\n", SOUND, "the norm states A1 twice"),
        (
            "- **[A1]** One.\n",
            {"test_b.py": '@pytest.mark.rule("A1")\ndef helper(): ...\n'},
            "test_b.py: helper names A1, and is no test that pytest would run",
        ),
        (
            SMALL_NORM,
            {**SOUND, "test_b.py": "@pytest.mark.rule(*RULES)\ndef test_it(): ...\n"},
            "test_b.py: test_it names ?, which is no rule of the norm",
        ),
        (
            SMALL_NORM,
            {**SOUND, "test_b.py": "@pytest.mark.rule()\ndef test_it(): ...\n"},
            "test_b.py: test_it names , which is no rule of the norm",
        ),
        (
            SMALL_NORM,
            {**SOUND, "test_b.py": 'pytestmark = pytest.mark.rule("A1")\n'},
            "test_b.py: a rule is named elsewhere than in a decorator",
        ),
    ],
)
def test_what_does_not_fit_is_reported(norm: str, tests: dict[str, str], complaint: str) -> None:
    assert complaint in complaints(norm, tests)


def test_the_rules_of_laws_count_and_are_checked() -> None:
    held = {"values": ("A1", "A2")}
    assert complaints(SMALL_NORM, {}, held) == []
    assert complaints(SMALL_NORM, SOUND, {"values": ("A7",)}) == [
        "the law values names A7, which is no rule of the norm"
    ]
