"""All ways of a problem in a framework: unpoolx's, the framework's own, and the floor."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

from unpoolx._bench import ways_ours
from unpoolx._bench.data import AtData, PoolData, Results
from unpoolx._bench.forms import Call
from unpoolx._bench.framework import Framework
from unpoolx._bench.measure import Way
from unpoolx._bench.outcome import Kind
from unpoolx._bench.problems import Problem

# What a fresh process does.
IMPORT = "import time; start = time.perf_counter(); import {0}; print(time.perf_counter() - start)"


@dataclasses.dataclass(frozen=True)
class Task:
    """The ways of a problem, the results by name that each must have, and the bytes that must be read and written."""

    ways: list[Way]
    expected: Results
    moved_bytes: int = 0


def task_of(problem: Problem, framework: Framework, *, alone: bool = False) -> Task:
    """The problem in a framework, or `alone`, without the ways of its own."""
    if problem.operation == "import":
        return Task([_import("unpoolx", "unpoolx"), _import("numpy", "floor")], {})
    done = _done(problem)
    if done.operation == "at":
        at_data = AtData(done)
        forms = [*ways_ours.at_forms(done, at_data, framework), *framework.at_forms(done, at_data)]
        expected, moved = at_data.expected(), at_data.moved_bytes()
    else:
        data = PoolData(done, alone=alone)
        own = () if alone else framework.pool_forms(done, data)
        forms = [*ways_ours.pool_forms(done, data, framework), *own]
        expected, moved = data.expected(), data.moved_bytes()
    ways = [way for form in forms for way in framework.ways(form)]
    if problem.operation == "tiny":
        bare = framework.bare()
        return Task([*ways, *([] if bare is None else [_floor(*bare)])], expected)
    # A copy reads and writes what it copies, in integers of four bytes.
    return Task([*ways, _floor(*framework.copy(max(moved // 8, 1)))], expected, moved)


def _done(problem: Problem) -> Problem:
    """What a tiny problem does, or the problem itself."""
    if problem.operation != "tiny":
        return problem
    if problem.variant == "at":
        return dataclasses.replace(problem, operation="at", variant="slice")
    return dataclasses.replace(problem, operation=problem.variant, variant="forward")


def _floor(name: str, call: Call) -> Way:
    return Way(name, "", "floor", lambda: call)


def _import(module: str, kind: Kind) -> Way:
    """The import of a module in a fresh process, which looks for it where this one does.

    The first one leaves the compiled form of its files behind, as an installation does, whatever the environment says.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def call() -> float:
        command = [sys.executable, "-c", IMPORT.format(module)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        return float(done.stdout)

    def build() -> Call:
        return call

    return Way(f"import {module}", "", kind, build, keeps_time=True)
