"""Two real processes of each framework give the bits of one, and send each other what they must and no more."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import run_alone

PROGRAM = Path(__file__).resolve().parent.parent / "docs" / "examples" / "two_processes.py"


def together(way: str, framework: str) -> dict[str, Any]:
    """What one of the two processes says, once both gave the bits of one that is alone."""
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    done = subprocess.run([sys.executable, str(PROGRAM), way], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, f"{way} ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["same_bits"] is True
    return said["together"]


def test_sharded_tensors_keep_their_placement_and_send_nothing() -> None:
    said = together("torch-dtensor", "torch")
    for axis in (0, 1):
        found = said[f"Shard({axis})"]
        assert found["sent"] == 0
        assert found["sent_by_full_tensor"] > 0, "what is sent would be counted"
        assert found["placements"] == str({f"[Shard(dim={axis})]"})
        assert len(set(found["bits"])) >= 4, "the results differ from one another"


@pytest.mark.parametrize("way", ["torch-ddp", "torch-fsdp"])
def test_layers_train_in_two_processes_as_in_one(way: str) -> None:
    losses = together(way, "torch")["losses"]
    assert losses == sorted(set(losses), reverse=True)
    assert len(losses) == 5


def test_an_array_over_two_processes_of_jax_needs_no_collective() -> None:
    said = together("jax", "jax")
    assert said["devices"] == 2
    assert said["collectives"] == []


def test_keras_layers_train_on_two_workers_as_on_one() -> None:
    said = together("tf", "tensorflow")
    assert said["replicas"] == 2
    losses = said["losses"]
    assert losses == sorted(set(losses), reverse=True)
    assert len(losses) == 5


def test_other_bits_would_be_seen() -> None:
    spec = importlib.util.spec_from_file_location("two_processes", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    alone = {"bits": ["a", "b"]}
    assert program.compared("torch-ddp", alone, {"bits": ["a", "b"]})
    assert not program.compared("torch-ddp", alone, {"bits": ["a", "c"]})
    assert not program.compared("jax", {"bits": {"0": ["a"], "1": ["b"]}}, {"bits": {"1": ["a"]}})
    assert not program.compared("torch-dtensor", {"Shard(0)": alone}, {"Shard(0)": {"bits": ["a"]}})
    assert program.digest(program.images()) != program.digest(-program.images())


REFUSED = """
import os, sys
import numpy as np, torch, unpoolx
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Partial, DTensor, Replicate, Shard, distribute_tensor
torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=0, world_size=1)
mesh = init_device_mesh("cpu", (1,))
x = torch.arange(64.0).reshape(1, 1, 8, 8)
window = unpoolx.Window(2, data_format="channels_first")

def place(placement, x=x):
    return distribute_tensor(x, mesh, [placement])

def refusal(function):
    try:
        function()
    except (TypeError, ValueError) as error:
        return type(error).__name__ + ": " + str(error)
    return "nothing"

values, switches = unpoolx.max_pool(place(Shard(0)), window)
assert type(values) is DTensor and values.placements == (Shard(0),)
spread, plain = (unpoolx.unpool_average(v, 2, data_format="channels_first") for v in (values, values.to_local()))
assert spread.placements == (Shard(0),) and spread.full_tensor().equal(plain)
replicated, _ = unpoolx.max_pool(place(Replicate()), window)
assert replicated.placements == (Replicate(),)
partial = DTensor.from_local(x, mesh, [Partial()])
for what in (
    refusal(lambda: unpoolx.max_pool(place(Shard(2)), window)),
    refusal(lambda: unpoolx.max_pool(place(Shard(3)), window)),
    refusal(lambda: unpoolx.max_pool(partial, window)),
    refusal(lambda: unpoolx.unpool(values.redistribute(placements=[Shard(1)]), switches)),
    refusal(lambda: unpoolx.unpool(values.to_local(), switches)),
):
    print(what)
torch.distributed.destroy_process_group()
sys.stdout.flush()
os._exit(0)  # while Python ends, a thread of PyTorch's that is still there aborts the process, now and then
"""


def test_tensors_that_are_placed_otherwise_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch.distributed.tensor", reason="this PyTorch has no distributed tensors")
    code = REFUSED.replace("sys.argv[1]", repr(str(tmp_path / "store")))
    lines = run_alone(code, tmp_path).splitlines()
    height, width, unfinished, elsewhere, plain = lines
    assert height.startswith("ValueError: expected a tensor that is sharded on batch or channels"), height
    assert "Shard(dim=3)" in width, width
    assert "redistribute(placements=[Replicate()])" in unfinished, unfinished
    assert elsewhere.startswith("ValueError: expected values and switches that are placed alike"), elsewhere
    assert plain.startswith("TypeError: expected distributed tensors alone; got Tensor and DTensor"), plain
