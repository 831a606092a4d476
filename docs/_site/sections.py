"""Our docstrings in the words of the site's reader: sections by its names, and asterisks that are no emphasis."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^Examples:\n(?:(?: .*)?\n)*(?: .*)?", re.MULTILINE)
SHAPE = re.compile(r"^Shape:\n((?: .*\n?)+)", re.MULTILINE)
# A line of a result that begins no result of its own, and so goes on with the one before.
RETURNS = re.compile(r"(?<=^Returns:\n)(?: .*\n?)+", re.MULTILINE)
GOES_ON = re.compile(r"(?<=\n) {4}(?! |\w+: )")
# Code, and what begins a line (the name of an argument), keep their asterisks.
KEPT = re.compile(rf"({EXAMPLE.pattern}|`[^`]*`|^ *\*+)|\*", re.MULTILINE)


class Sections(griffe.Extension):
    """Rewrites each docstring before its sections are read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Whatever has a docstring."""
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """`Example:` as `Examples:`, one item for each result, `Shape:` as a list, an asterisk outside code as itself."""
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    text = KEPT.sub(lambda found: found[1] or r"\*", text)
    text = RETURNS.sub(lambda found: GOES_ON.sub(" " * 8, found[0]), text)
    return SHAPE.sub(_as_list, text)


def _as_list(found: re.Match[str]) -> str:
    return "**Shape:**\n\n" + re.sub(r"^ +(?=Input|Output)", "- ", found[1], flags=re.MULTILINE)
