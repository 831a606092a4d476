"""The most memory that a call holds beside its arguments, and its time, on arrays of up to gigabytes.

Each framework has a fresh process, in which the kernel's own count of the process's memory is read: that of Linux,
which can begin anew at each call.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import unpoolx
from unpoolx._bench.problems import Pooling

STATUS = Path("/proc/self/status")
FORGET = Path("/proc/self/clear_refs")
PLANE = (64, 64, 64)
"""An image of 1 MiB of float32; how many there are makes the size."""
CALLS = 3
SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),  # what is freed goes back to the kernel, and does not serve the next call
    "TF_ENABLE_ONEDNN_OPTS": "0",  # with it TensorFlow keeps what is freed
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True)
class Held:
    """What a call held.

    Attributes:
        backend: the framework.
        function: "max_pool" or "unpool".
        layout: "NHWC" or "NCHW".
        window: of the pooling.
        x_bytes: of the large array, the argument of `max_pool` and the result of `unpool`.
        argument_bytes: of the function's arguments.
        result_bytes: of its results.
        peak_bytes: the most that it held at once beside its arguments, its results included: the least of some calls.
        seconds: the least of some calls.
    """

    backend: str
    function: str
    layout: str
    window: Pooling
    x_bytes: int
    argument_bytes: int
    result_bytes: int
    peak_bytes: int
    seconds: float

    @property
    def beyond(self) -> float:
        """What it held beyond its results, as a part of its arguments."""
        return (self.peak_bytes - self.result_bytes) / self.argument_bytes


def held(backend: str, function: str, layout: str, window: Pooling, mebibytes: int) -> Held:
    """The measurement in a fresh process; see `held_in_turn`."""
    (made,) = held_in_turn(backend, [(function, layout, window, mebibytes)])
    return made


def held_in_turn(backend: str, calls: Sequence[tuple[str, str, Pooling, int]], **settings: str) -> list[Held]:
    """The measurements of several calls, one after the other in a fresh process.

    Args:
        backend: the framework.
        calls: function, layout, window and mebibytes of each.
        settings: of the process's environment.

    Raises:
        subprocess.CalledProcessError: it failed; what it wrote to standard error is that of this process.
    """
    asked = [[backend, function, layout, asdict(window), size] for function, layout, window, size in calls]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **settings}
    command = [sys.executable, "-m", __name__, json.dumps(asked)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    made = json.loads(done.stdout.splitlines()[-1])
    return [Held(**{**one, "window": Pooling(**one["window"])}) for one in made]


def _here(backend: str, function: str, layout: str, window: Pooling, mebibytes: int) -> Held:
    """The measurement in this process."""
    x_host = np.random.default_rng(0).random((mebibytes, *PLANE), np.float32)
    if layout == "NCHW":
        x_host = x_host.reshape(mebibytes, PLANE[2], *PLANE[:2])
    framework = unpoolx.get_backend(backend)
    x = framework.from_numpy(x_host)
    if backend == "tf":  # it may have the memory of the NumPy array, or a copy
        del x_host
    named = unpoolx.Window(window.kernel, window.stride, window.padding, data_format=layout)
    arguments: tuple[Any, ...] = (x, named)
    results = _waited(unpoolx.max_pool(*arguments))
    if function == "unpool":
        arguments = results
        del x
    large = mebibytes << 20
    small = sum(_bytes(part) for part in (results[0], results[1].offsets))
    del results
    call: Any = unpoolx.max_pool if function == "max_pool" else unpoolx.unpool
    _waited(call(*arguments))  # what is compiled is compiled here
    peaks, seconds = [], []
    for _ in range(CALLS):
        gc.collect()
        before = _begin()
        start = time.perf_counter()
        made = _waited(call(*arguments))
        seconds.append(time.perf_counter() - start)
        peaks.append(_kilobytes("VmHWM") * 1024 - before)
        del made
    sizes = (large, small) if function == "max_pool" else (small, large)
    return Held(backend, function, layout, window, large, *sizes, min(peaks), min(seconds))


def _waited(results: Any) -> Any:
    """The results, when they are there."""
    jax = sys.modules.get("jax")
    return results if jax is None else jax.block_until_ready(results)


def _bytes(array: Any) -> int:
    host = unpoolx.get_backend(array).to_numpy(array)
    return int(host.nbytes)


def _begin() -> int:
    """Give back what was freed, and let the kernel count from here; the bytes that the process has now."""
    ctypes.CDLL(None).malloc_trim(0)
    FORGET.write_text("5", encoding="ascii")
    return _kilobytes("VmRSS") * 1024


def _kilobytes(name: str) -> int:
    (found,) = re.findall(rf"{name}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
    return int(found)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    results = [_here(name, what, order, Pooling(**place), count) for name, what, order, place, count in asked]
    print(json.dumps(list(map(asdict, results))))  # noqa: T201
