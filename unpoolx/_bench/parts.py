"""The measurements behind docs/performance.md: parts, each of a process of its own, and the file that keeps them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unpoolx._bench.documented import GROWTH, KINDS, PAGE
from unpoolx._bench.memory_report import MEMORY, memory_report
from unpoolx._bench.results import Report
from unpoolx._bench.saved import as_json, from_json


@dataclass(frozen=True)
class Part:
    """What one process measures.

    Attributes:
        backend: the framework.
        options: of `unpoolx bench` beyond the framework and the size.
        numba: whether NumPy and PyTorch may have their loops compiled by Numba.
        size: of its problems.
    """

    backend: str
    options: tuple[str, ...] = ()
    numba: bool = True
    size: str = PAGE

    def command(self, *options: str) -> str:
        """What measures this, or a part of it by options, at the terminal."""
        prefix = "" if self.numba else "UNPOOLX_NUMBA=0 "
        compiled = ("--compiled",) if "--compiled" in self.options else ()
        return f"{prefix}unpoolx bench --backend {self.backend} {' '.join((*compiled, *options))}"


# The form of each framework that is told of where one must do.
FIRST = {"numpy": ("NHWC",), "tf": ("NHWC", "eager"), "jax": ("NHWC", "jit"), "torch": ("NCHW",)}
PARTS = {
    "numpy": Part("numpy"),
    "numpy-plain": Part("numpy", ("--only", "medium", "forward"), numba=False),
    "tf": Part("tf"),
    "jax": Part("jax"),
    "torch": Part("torch"),
    "torch-plain": Part("torch", ("--only", "medium", "forward"), numba=False),
    "torch-compiled": Part("torch", ("--compiled", "--only", "round-trip", "--form", "NCHW", "compiled")),
    **{f"{name}-kinds": Part(name, ("--form", *form), size=KINDS) for name, form in FIRST.items()},
    **{f"{name}-growth": Part(name, size=GROWTH) for name in FIRST},
    "memory": Part("all", size=MEMORY),
    "memory-plain": Part("all", numba=False, size=MEMORY),
}


def measured(name: str, size: str | None = None, *options: str) -> Report:
    """The report of a part, measured now, at its own size or another.

    Raises:
        subprocess.CalledProcessError: the command failed, or some result was wrong; it has said what.
    """
    part = PARTS[name]
    if part.size == MEMORY:
        return memory_report(numba=part.numba)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("UNPOOLX_NUMBA", None)
    if not part.numba:
        environment["UNPOOLX_NUMBA"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "unpoolx", "bench", "--backend", part.backend]
        command += ["--size", size or part.size]
        command += [*part.options, *options, "--json", str(path)]
        subprocess.run(command, env=environment, check=True)  # noqa: S603  # this very program
        return from_json(path.read_text(encoding="utf-8"))


def saved(reports: dict[str, Report]) -> str:
    """The reports as one text, brief, in the order of the parts."""
    texts = [f'"{name}": {as_json(reports[name], brief=True).rstrip()}' for name in PARTS if name in reports]
    return "{\n" + ",\n".join(texts) + "\n}\n"


def restored(text: str) -> dict[str, Report]:
    """The reports of such a text.

    Raises:
        ValueError: it is none.
    """
    content = json.loads(text)
    unknown = set(content) - set(PARTS)
    if unknown:
        raise ValueError(f"expected reports of {', '.join(PARTS)}; got {', '.join(sorted(unknown))}")
    return {name: from_json(json.dumps(report)) for name, report in content.items()}
