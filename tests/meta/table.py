"""Which law catches which planted fault, as docs/planted-faults.md: `python tests/meta/table.py` writes the page."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

from catching import LAWS
from faults import FRAMEWORK_SUBJECTS, SUBJECTS, all_faults

PAGE = Path(__file__).parents[2] / "docs" / "planted-faults.md"
INTRODUCTION = """\
# Planted faults

Written by `python tests/meta/table.py`; edits are lost.

Does the conformance kit catch what it is for? {faults} backends, each wrong in one way and sound in every other, say
that it does. `tests/meta/test_meta.py` runs the law in the last column on each, at the kit's default settings, and it
fails; on the same backend without the fault it passes. Other laws may notice a fault as well: the one that is named
must.
"""


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION.format(faults=len(all_faults()))]
    for subject in (*SUBJECTS, *FRAMEWORK_SUBJECTS):
        title = (importlib.import_module(f"faults_{subject}").__doc__ or "").partition("\n")[0].rstrip(".")
        lines += [f"## {title}", "", "| fault | what is wrong | caught by |", "|---|---|---|"]
        lines += [f"| {name} | {fault.wrong} | {fault.law} |" for name, fault in all_faults((subject,)).items()] + [""]
    counts = Counter(fault.law for fault in all_faults().values())
    lines += ["## Laws", "", "| level | law | faults above |", "|---|---|---|"]
    lines += [f"| {law.level} | {name} | {counts[name]} |" for name, law in LAWS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
