"""docs/performance.md and the README: their tables and the picture, made from docs/performance.json between markers.

`python -m unpoolx._bench.page` writes them anew; `--measure PART ...` (or `--measure all`) measures first, each part in
a process of its own, and keeps what is there of the others.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from unpoolx._bench.cells import Reports
from unpoolx._bench.files import write_whole
from unpoolx._bench.parts import FIRST, PARTS, measured, restored, saved
from unpoolx._bench.tables import conditions, highlights, ratios, targets, updates
from unpoolx._bench.tables_beyond import growth, kinds, memory, steps_of

JSON, PAGE, PICTURE, README = "docs/performance.json", "docs/performance.md", "docs/performance.png", "README.md"
MARKED = r"(<!-- measured: {name} -->\n).*?(<!-- end -->)"
IN_PAGE = {
    "conditions": conditions,
    "targets": targets,
    "ratios": ratios,
    "kinds": kinds,
    "growth": growth,
    "updates": updates,
    "memory": memory,
}
IN_README = {"highlights": highlights}


def filled(text: str, sections: Mapping[str, Callable[[Reports], str]], reports: Reports) -> str:
    """A text with what stands between its markers written anew.

    Raises:
        ValueError: it has not each marker once.
    """
    for name, section in sections.items():
        pattern = re.compile(MARKED.format(name=re.escape(name)), re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"expected one '<!-- measured: {name} -->' with an '<!-- end -->' after it")
        made = section(reports)
        text = pattern.sub(lambda match, made=made: f"{match[1]}{made}\n{match[2]}", text)  # type: ignore[misc]
    return text


def picture(reports: Reports) -> bytes:
    """The picture of time over size."""
    from unpoolx._bench.plot import as_png

    steps = [m for backend in FIRST for m in steps_of(reports, backend)]
    first = next(iter(reports.values())).machine
    return as_png(steps, f"{first['processor']}, {first['threads']['asked']} threads, float32, k2 s2")


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, and write the pages; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m unpoolx._bench.page", description=__doc__)
    parser.add_argument("--measure", nargs="+", default=[], metavar="PART", help=f"all, or of {', '.join(PARTS)}")
    parser.add_argument("--root", type=Path, default=Path(), help="the folder of the clone (default: this one)")
    given = parser.parse_args(arguments)
    names = list(PARTS) if given.measure == ["all"] else given.measure
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser.error(f"--measure: expected all, or of {', '.join(PARTS)}; got {', '.join(unknown)}")
    kept: Path = given.root / JSON
    reports = restored(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    failed = []
    for name in names:
        try:
            reports[name] = measured(name)
        except subprocess.CalledProcessError as error:
            failed.append(f"{name}: {error}")
            continue
        text = saved(reports)
        write_whole(name, kept, text.encode())  # at once, since the next one may be stopped
        reports = restored(text)  # in the digits that are kept, so that the pages can be made again as they are
    for path, sections in ((given.root / PAGE, IN_PAGE), (given.root / README, IN_README)):
        write_whole(path.name, path, filled(path.read_text(encoding="utf-8"), sections, reports).encode())
    if any(steps_of(reports, backend) for backend in FIRST):
        write_whole(PICTURE, given.root / PICTURE, picture(reports))
    for line in failed:
        sys.stderr.write(f"not measured: {line}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
