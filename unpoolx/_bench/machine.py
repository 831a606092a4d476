"""The machine on which times were measured: what a reader must know to read them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unpoolx._bench.framework import Framework
from unpoolx._version import __version__

MEMORY = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")
PROCESSORS = Path("/proc/cpuinfo")
USAGE = Path("/proc/stat")


def free_memory() -> int | None:
    """The bytes that can be had without swapping, in the limits of a container; None where that is not known."""
    free = [number for number in (_available(), _left_in_group()) if number is not None]
    return min(free, default=None)


def _available() -> int | None:
    if not MEMORY.exists():
        return None
    fields = dict(line.split(":", 1) for line in MEMORY.read_text(encoding="ascii").splitlines() if ":" in line)
    kilobytes = fields.get("MemAvailable", "").split()
    return int(kilobytes[0]) * 1024 if kilobytes else None


def _left_in_group() -> int | None:
    limit, used = GROUP / "memory.max", GROUP / "memory.current"
    if not limit.exists() or not used.exists():
        return None
    most = limit.read_text(encoding="ascii").strip()
    return None if most == "max" else max(int(most) - int(used.read_text(encoding="ascii")), 0)


class Others:
    """How much of the processors the other programs take from now on."""

    def __init__(self) -> None:
        self._since, self._taken = time.monotonic(), _taken_by_others()

    def cpus(self) -> float | None:
        """The processors that they kept busy on average; None where that is not known."""
        now, taken = time.monotonic(), _taken_by_others()
        if taken is None or self._taken is None or now <= self._since:
            return None
        return max(taken - self._taken, 0.0) / (now - self._since)


def _taken_by_others() -> float | None:
    """The seconds that all processors worked for others than this process and those it waited for."""
    if not USAGE.exists():
        return None
    ticks = [int(number) for number in USAGE.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    busy = sum(ticks) - sum(ticks[3:5])  # without idle time and waiting for disks
    return busy / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def processor() -> str:
    """The processor's name."""
    if PROCESSORS.exists():
        for line in PROCESSORS.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def described(frameworks: Sequence[Framework], threads: int) -> dict[str, Any]:
    """The machine, the threads and the versions, as the JSON has them."""
    return {
        "processor": processor(),
        "cpu_count": os.cpu_count(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "free_memory_bytes": free_memory(),
        "platform": platform.platform(),
        "threads": {"asked": threads} | {framework.name: framework.threads() for framework in frameworks},
        "versions": {"unpoolx": __version__, "python": platform.python_version(), "numpy": np.__version__}
        | {framework.name: framework.backend.version for framework in frameworks}
        | numba(),
    }


def numba() -> dict[str, str]:
    """The version of Numba, where the loops of NumPy and PyTorch are compiled by it."""
    if os.environ.get("UNPOOLX_NUMBA") == "0" or importlib.util.find_spec("numba") is None:
        return {}
    return {"numba": importlib.metadata.version("numba")}
