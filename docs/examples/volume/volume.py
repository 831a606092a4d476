"""A volume that does not fit in memory: pooled with switches and unpooled again by two processes, from disk to disk.

    python docs/examples/volume/volume.py                          # 0.01 GB
    python docs/examples/volume/volume.py --gigabytes 8 --kill     # 8 GB, and one process is killed half-way

It needs `pip install 'unpoolx[dask]' distributed zarr`, and for each GB of the volume 2.2 GB on disk while it runs.
Every chunk of what came out is compared with NumPy's, bit for bit; the exit status is 1 where one differs.
It lies in a folder of its own, where no other example stands in the way of a package's name.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import psutil
import zarr
from distributed import Client, LocalCluster, progress

import unpoolx

WINDOW = unpoolx.Window((3, 3, 3), 2, 1)
"""Windows overlap, and those at the borders of chunks lie in two of them."""
OVERLAP = "sum"
MARGIN = 8
"""More elements than a window reaches, and a multiple of the stride: what the comparison reads around a chunk."""


def sizes(gigabytes: float) -> tuple[int, int]:
    """The edges of a cubic float32 volume of at least so many GB and of its chunks, which the stride divides."""
    edge = (gigabytes * 1e9 / 4) ** (1 / 3)
    chunk = min(160, max(16, int(edge / 6) * 2))
    return -int(-edge // chunk) * chunk, chunk


def noise(block: np.ndarray[Any, Any], block_info: Any = None) -> np.ndarray[Any, Any]:
    """Numbers that follow from where the block lies: few enough different ones that windows hold ties."""
    rng = np.random.default_rng(block_info[None]["chunk-location"])
    return (rng.integers(-1000, 1000, block.shape, np.int16) / np.float32(8)).astype(np.float32)


def on_disk(folder: Path, name: str, like: Any) -> zarr.Array:
    """An empty zarr array in the shape and the chunks of a Dask array."""
    chunks = tuple(along[0] for along in like.chunks)
    return zarr.create_array(folder / name, shape=like.shape, chunks=chunks, dtype=like.dtype, compressors=None)


def run(client: Client, arrays: list[Any], targets: list[zarr.Array]) -> float:
    """Compute arrays into zarr, with Dask's progress display; the seconds that it took."""
    begin = time.monotonic()
    lazy = da.store(arrays, targets, lock=False, compute=False)
    futures = client.compute(list(lazy) if isinstance(lazy, (list, tuple)) else [lazy])
    progress(futures)
    client.gather(futures)  # raises what a task raised
    print()
    return time.monotonic() - begin


class Watch(threading.Thread):
    """Measures the memory of the workers ten times a second; kills one of them once half the chunks are written."""

    def __init__(self, cluster: LocalCluster, kill_at: zarr.Array | None) -> None:
        super().__init__(daemon=True)
        self.peak: dict[int, int] = {}
        self.killed: int | None = None
        self._cluster, self._kill_at, self._over = cluster, kill_at, threading.Event()

    def run(self) -> None:
        """Until `end` is called."""
        while not self._over.wait(0.1):
            pids = [nanny.pid for nanny in self._cluster.workers.values() if nanny.pid]
            for pid in pids:
                try:
                    now = psutil.Process(pid).memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                self.peak[pid] = max(now, self.peak.get(pid, 0))
            at = self._kill_at
            if at is not None and self.killed is None and pids and 2 * at.nchunks_initialized >= at.nchunks:
                self.killed = pids[0]
                os.kill(pids[0], signal.SIGKILL)

    def end(self) -> None:
        """Stop watching."""
        self._over.set()
        self.join()


def differing(volume: zarr.Array, values: zarr.Array, offsets: zarr.Array, restored: zarr.Array) -> list[str]:
    """The chunks that are not what NumPy makes of the same elements and some around them, bit for bit."""
    wrong = []
    edge, chunk = volume.shape[1], volume.chunks[1]
    for corner in itertools.product(range(0, edge, chunk), repeat=3):
        outer = [(max(0, begin - MARGIN), min(edge, begin + chunk + MARGIN)) for begin in corner]
        x = volume[(slice(None), *(slice(*ends) for ends in outer), slice(None))]
        whole, switches = unpoolx.max_pool(x, WINDOW)
        expected = unpoolx.unpool(whole, switches, overlap=OVERLAP)
        for name, stored, ours, step in (
            ("values", values, whole, 2),
            ("offsets", offsets, switches.offsets, 2),
            ("restored", restored, expected, 1),
        ):
            there = [slice(begin // step, (begin + chunk) // step) for begin in corner]
            here = [
                slice((begin - low) // step, (begin + chunk - low) // step)
                for begin, (low, _) in zip(corner, outer, strict=True)
            ]
            found = stored[(slice(None), *there, slice(None))]
            if found.tobytes() != ours[(slice(None), *here, slice(None))].tobytes():
                wrong.append(f"{name} of the chunk at {corner}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """The whole run; 0 if every chunk is NumPy's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=0.01, help="the least size of the volume (0.01)")
    parser.add_argument("--kill", action="store_true", help="kill one process when half of the result is written")
    parser.add_argument("--memory-limit", default="1.5GB", help="of each of the two processes (1.5GB)")
    parser.add_argument("--folder", type=Path, help="where to put the files for the time of the run (the system's)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="unpoolx-volume-", dir=options.folder) as name:
        return pool_and_unpool(Path(name), options)


def pool_and_unpool(folder: Path, options: argparse.Namespace) -> int:
    """Make the volume, take it there and back, and compare."""
    edge, chunk = sizes(options.gigabytes)
    shape, chunks = (1, edge, edge, edge, 1), (1, chunk, chunk, chunk, 1)
    print(f"volume of {edge}^3 float32, {4 * edge**3 / 1e9:.2f} GB, in {(edge // chunk) ** 3} chunks of {chunk}^3")
    # Of a process that is killed there would be pages of warnings; what is wrong with a task, its result raises.
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit=options.memory_limit,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )
    with cluster, Client(cluster) as client:
        zeros = da.zeros(shape, chunks=chunks, dtype=np.float32)
        volume = on_disk(folder, "volume", zeros)
        print("making it:")
        seconds = {"made": run(client, [zeros.map_blocks(noise, dtype=np.float32)], [volume])}

        values, switches = unpoolx.max_pool(da.from_zarr(volume), WINDOW)
        restored = unpoolx.unpool(values, switches, overlap=OVERLAP)
        arrays = {"values": values, "offsets": switches.offsets, "restored": restored}
        stored = {what: on_disk(folder, what, array) for what, array in arrays.items()}
        watch = Watch(cluster, stored["restored"] if options.kill else None)
        watch.start()
        print("pooling and unpooling:")
        seconds["pooled and unpooled"] = run(client, list(arrays.values()), list(stored.values()))
        watch.end()
    begin = time.monotonic()
    wrong = differing(volume, **stored)
    seconds["compared"] = time.monotonic() - begin
    print("; ".join(f"{what} in {time:.1f} s" for what, time in seconds.items()))
    for pid, peak in watch.peak.items():
        print(f"peak memory of worker {pid}: {peak / 1e6:.0f} MB{', killed half-way' * (pid == watch.killed)}")
    if options.kill and watch.killed is None:
        wrong.append("no worker was killed: the volume is too small")
    print(
        "\n".join(wrong) if wrong else "every chunk of values, offsets and the restored volume is NumPy's, bit for bit"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
