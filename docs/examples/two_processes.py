"""Pooling and unpooling in two processes: each framework's own way to have them, held to what one process gives.

    python docs/examples/two_processes.py torch-dtensor    sharded tensors: placements kept, nothing sent
    python docs/examples/two_processes.py torch-ddp        a model trained by DistributedDataParallel
    python docs/examples/two_processes.py torch-fsdp       the same model, its weights sharded by FSDP2
    python docs/examples/two_processes.py jax              a global array over two processes of jax.distributed
    python docs/examples/two_processes.py tf               Keras layers under MultiWorkerMirroredStrategy

Each starts two processes on this machine, and one more that does the same alone, and compares all bits. It prints one
line of JSON, and ends with 0 where the bits are the same and with 1 where not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import unpoolx

PROCESSES = 2
STEPS = 5
RATE = 0.5**7
"""A power of two, so that the learning rate rounds nothing more."""
PATIENCE = 300
"""Seconds after which processes that wait for each other are ended."""


def images(batch: int = 8, channels: int = 4, size: int = 12) -> np.ndarray:
    """Few different numbers, so that there are ties; channels last."""
    x = np.random.default_rng(0).integers(-9, 10, (batch, size, size, channels))
    return x.astype(np.float32)


def digest(*arrays: Any) -> list[str]:
    """The bits of arrays, to be compared between processes."""
    return [hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()[:16] for x in arrays]


# PyTorch. With rank None a process works alone, on what the others have together.


def torch_group(rank: int | None, port: int) -> None:
    """Join the processes by gloo."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if rank is not None:
        address = f"tcp://127.0.0.1:{port}"
        torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=PROCESSES)


def torch_leave(rank: int | None) -> None:
    """Leave the group: a process that ends inside it may be aborted by the threads of gloo."""
    import torch

    if rank is not None:
        torch.distributed.destroy_process_group()


def torch_dtensor(rank: int | None, port: int) -> dict[str, Any]:
    """Pool, unpool and differentiate tensors that are sharded on batch and on channels."""
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor
    from torch.distributed.tensor.debug import CommDebugMode

    torch_group(rank, port)
    window = unpoolx.Window(3, 2, 1, data_format="channels_first")
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images(), -1, 1)))
    results: dict[str, Any] = {}
    for axis in (0, 1):
        whole, sent, gathered, placements = x, 0, 0, "[]"
        if rank is None:
            parts = run_torch(whole.requires_grad_(), window)
        else:
            mesh = init_device_mesh("cpu", (PROCESSES,))
            whole = distribute_tensor(x, mesh, [Shard(axis)]).requires_grad_()
            with CommDebugMode() as communication:
                parts = run_torch(whole, window)
            sent = communication.get_total_counts()
            placements = str({str(list(part.placements)) for part in parts})
            with CommDebugMode() as communication:  # of this, something is sent, and is counted
                parts = [part.full_tensor() for part in parts]
            gathered = communication.get_total_counts()
        results[f"Shard({axis})"] = {
            "sent": sent,
            "sent_by_full_tensor": gathered,
            "placements": placements,
            "bits": digest(*map(detached, parts)),
        }
    torch_leave(rank)
    return results


def run_torch(x: Any, window: unpoolx.Window) -> list[Any]:
    """Values, offsets, the unpooled values in both ways, and a gradient."""
    import torch

    values, switches = unpoolx.max_pool(x, window)
    last, total = (unpoolx.unpool(values, switches, overlap=overlap) for overlap in ("last", "sum"))
    (gradient,) = torch.autograd.grad(last, x, total.detach())
    return [values, switches.offsets, last, total, gradient]


def detached(x: Any) -> np.ndarray:
    """A tensor as NumPy's array."""
    return x.detach().numpy()


def torch_model() -> Any:
    """An encoder that pools, and a decoder that unpools."""
    import torch

    from unpoolx.layers.torch import MaxPool, MaxUnpool

    class Restorer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode, self.decode = torch.nn.Conv2d(4, 8, 3, padding=1), torch.nn.Conv2d(8, 4, 3, padding=1)
            self.pool, self.unpool = MaxPool(3, 2, 1), MaxUnpool(overlap="sum")

        def forward(self, x: Any) -> Any:
            """The input, restored."""
            return self.decode(self.unpool(*self.pool(torch.relu(self.encode(x)))))

    torch.manual_seed(0)
    return Restorer()


def torch_training(wrap: Callable[[Any], Any]) -> Callable[[int | None, int], dict[str, Any]]:
    """Train the model, each process on its part of the batch."""

    def train(rank: int | None, port: int) -> dict[str, Any]:
        import torch

        torch_group(rank, port)
        x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images(), -1, 1)))
        parts = x.chunk(PROCESSES)
        model = torch_model() if rank is None else wrap(torch_model())
        optimizer, losses = torch.optim.SGD(model.parameters(), RATE), []
        for _ in range(STEPS):
            optimizer.zero_grad()
            mine = parts if rank is None else parts[rank : rank + 1]
            each = [torch.nn.functional.mse_loss(model(part), part) for part in mine]
            for loss in each:  # alone, the gradients of the parts are added one after another, as they are between two
                (loss / len(mine)).backward()
            optimizer.step()
            total = torch.stack(each).sum().detach()
            if rank is not None:
                torch.distributed.all_reduce(total)
            losses.append(total.item() / PROCESSES)
        torch_leave(rank)
        return {"losses": losses, "bits": [loss.hex() for loss in losses]}

    return train


def data_parallel(model: Any) -> Any:
    """The model with its gradients averaged over the processes."""
    import torch

    return torch.nn.parallel.DistributedDataParallel(model)


def fully_sharded(model: Any) -> Any:
    """The model with its weights, gradients and the optimizer's state sharded over the processes."""
    from torch.distributed.fsdp import fully_shard

    return fully_shard(model)


# JAX


def jax_global(rank: int | None, port: int) -> dict[str, Any]:
    """Pool, unpool and differentiate an array whose batch lies in two processes."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    if rank is not None:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"127.0.0.1:{port}", PROCESSES, rank)
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    def run(x: Any) -> tuple[Any, ...]:
        values, switches = unpoolx.max_pool(x, 3, 2, 1)
        last = unpoolx.unpool(values, switches)
        return values, switches.offsets, last, unpoolx.unpool(values, switches, overlap="sum")

    def gradient(x: Any) -> Any:
        return jax.grad(lambda x: (run(x)[2] ** 2).sum())(x)

    x, rows = images(), len(images()) // PROCESSES
    sharding = NamedSharding(Mesh(np.array(jax.devices()), ("batch",)), PartitionSpec("batch"))
    here = x if rank is None else x[rank * rows : (rank + 1) * rows]
    whole = jax.make_array_from_process_local_data(sharding, here, x.shape)
    found, words = [], ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")
    collectives: set[str] = set()
    for function in (run, gradient):
        program = jax.jit(function).lower(whole).compile()
        text = program.as_text()
        collectives |= {word for word in words if word in text}
        found += jax.tree.leaves(program(whole))
    # Each process tells the bits of its rows; alone, there are two halves of them.
    local = [np.concatenate([shard.data for shard in result.addressable_shards]) for result in found]
    halves = {str(rank): digest(*local)} if rank is not None else {}
    if rank is None:
        halves = {str(i): digest(*(part[i * rows : (i + 1) * rows] for part in local)) for i in range(PROCESSES)}
    return {"devices": jax.device_count(), "collectives": sorted(collectives), "bits": halves}


# TensorFlow


def tf_workers(rank: int | None, port: int) -> dict[str, Any]:
    """Train the Keras layers, each worker on its part of the batch."""
    if rank is not None:
        workers = [f"127.0.0.1:{port + i}" for i in range(PROCESSES)]
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}
        os.environ["TF_CONFIG"] = json.dumps(task)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    strategy = tf.distribute.get_strategy() if rank is None else tf.distribute.MultiWorkerMirroredStrategy()
    import keras

    from unpoolx.layers.keras import MaxPooling, MaxUnpooling

    with strategy.scope():
        keras.utils.set_random_seed(0)
        x = keras.Input((None, None, 4))
        encoded = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        values, offsets = MaxPooling(3, 2, "same")(encoded)
        restored = MaxUnpooling(3, 2, "same", overlap="sum")([values, offsets, encoded])
        model = keras.Model(x, keras.layers.Conv2D(4, 3, padding="same")(restored))
    parts = np.split(images(), PROCESSES)
    mine = parts if rank is None else parts[rank : rank + 1]

    def gradients(part: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(part, training=True) - part) ** 2)
        return loss, tape.gradient(loss, model.trainable_variables)

    def step(*parts: Any) -> Any:
        each = [gradients(part) for part in parts]
        summed = [sum(of[1:], of[0]) for of in zip(*(of for _, of in each), strict=True)]
        total = sum((loss for loss, _ in each[1:]), each[0][0])
        if rank is not None:
            context = tf.distribute.get_replica_context()
            total, *summed = context.all_reduce(tf.distribute.ReduceOp.SUM, [total, *summed])
        for variable, gradient in zip(model.trainable_variables, summed, strict=True):
            variable.assign_sub(gradient * (RATE / PROCESSES))
        return total / PROCESSES

    run = tf.function(lambda *parts: strategy.run(step, parts))
    losses = [float(run(*map(tf.constant, mine))) for _ in range(STEPS)]
    return {"replicas": strategy.num_replicas_in_sync, "losses": losses, "bits": [loss.hex() for loss in losses]}


WAYS: dict[str, Callable[[int | None, int], dict[str, Any]]] = {
    "torch-dtensor": torch_dtensor,
    "torch-ddp": torch_training(data_parallel),
    "torch-fsdp": torch_training(fully_sharded),
    "jax": jax_global,
    "tf": tf_workers,
}


def main() -> int:
    """Start the processes and compare what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port is not None:
        print(json.dumps(WAYS[options.way](options.rank, options.port)), flush=True)
        return 0
    alone, *together = started(options.way)
    same = all(compared(options.way, alone, one) for one in together)
    print(json.dumps({"way": options.way, "same_bits": same, "alone": alone, "together": together[0]}))
    return 0 if same else 1


def started(way: str) -> list[dict[str, Any]]:
    """What one process says alone, and what each of two says."""
    alone = [sys.executable, __file__, way, "--port", str(free_port())]
    commands = [alone, *([*alone, "--rank", str(rank)] for rank in range(PROCESSES))]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for command in commands
    ]
    try:
        said = [process.communicate(timeout=PATIENCE) for process in running]
    finally:
        for process in running:
            process.kill()
    for command, process, (_, errors) in zip(commands, running, said, strict=True):
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return [json.loads(out.strip().splitlines()[-1]) for out, _ in said]


def compared(way: str, alone: dict[str, Any], one: dict[str, Any]) -> bool:
    """Whether a process of two has the bits of one that is alone."""
    if way == "torch-dtensor":
        return all(one[axis]["bits"] == alone[axis]["bits"] for axis in alone)
    if way == "jax":
        return all(alone["bits"][half] == bits for half, bits in one["bits"].items())
    return bool(one["bits"] == alone["bits"])


def free_port() -> int:
    """A port that is free, and so, in all likelihood, is the next."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return min(probe.getsockname()[1], 65_534)


if __name__ == "__main__":
    sys.exit(main())
