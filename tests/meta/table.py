"""Which laws catch which planted faults, as docs/planted-faults.md: `python tests/meta/table.py` writes the page."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from catching import LAWS, catches
from faults import FRAMEWORK_SUBJECTS, SUBJECTS, all_faults

EXAMPLES = 20
"""A fifth of the kit's default: every law runs on every fault."""
PAGE = Path(__file__).parents[2] / "docs" / "planted-faults.md"
INTRODUCTION = """\
# Planted faults

Written by `python tests/meta/table.py`; edits are lost.

Does the conformance kit catch what it is for? {faults} backends, each wrong in one way and sound in every other,
say that it does: `tests/meta/test_meta.py` runs the law in bold on each, at the kit's default settings, and it
fails; on the same backend without the fault it passes.

The other laws in a line are those that fail as well with a fifth of the default examples. They were run on the
faults of NumPy's backend alone. The numbers are those of [the list of laws](#laws).
"""


def laws_that_catch(name: str) -> list[str]:
    """The laws that fail on a fault of NumPy's backend, in their order, each with a fifth of its examples."""
    fault = all_faults(SUBJECTS)[name]
    return [law for law in LAWS if catches(law, fault, EXAMPLES)]


def row(name: str, caught: list[str]) -> str:
    """The line of a fault, given the laws that caught it."""
    fault, numbers = all_faults()[name], {law: i for i, law in enumerate(LAWS, 1)}
    others = "".join(f", {numbers[law]}" for law in caught if law != fault.law)
    return f"| {name} | {fault.wrong} | **{numbers[fault.law]}**{others} |"


def page(caught: dict[str, list[str]]) -> str:
    """The whole page, given the laws that caught each fault of NumPy's backend."""
    lines = [INTRODUCTION.format(faults=len(all_faults()))]
    for subject in (*SUBJECTS, *FRAMEWORK_SUBJECTS):
        title = (importlib.import_module(f"faults_{subject}").__doc__ or "").partition("\n")[0].rstrip(".")
        lines += [f"## {title}", "", "| fault | what is wrong | caught by |", "|---|---|---|"]
        lines += [row(name, caught.get(name, [])) for name in all_faults((subject,))] + [""]
    counts = Counter(law for laws in caught.values() for law in laws)
    expected = Counter(fault.law for fault in all_faults().values())
    lines += ["## Laws", "", "| | law | level | faults in bold | faults of NumPy |", "|---|---|---|---|---|"]
    lines += [f"| {i} | {law} | {LAWS[law].level} | {expected[law]} | {counts[law]} |" for i, law in enumerate(LAWS, 1)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every law on every fault of NumPy's backend, and write the page."""
    names = list(all_faults(SUBJECTS))
    caught = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name, laws in zip(names, pool.map(laws_that_catch, names), strict=True):
            caught[name] = laws
            sys.stderr.write(f"{len(caught)} of {len(names)}: {name} was caught by {len(laws)} laws\n")
    PAGE.write_text(page(caught), encoding="utf-8")


if __name__ == "__main__":
    main()
