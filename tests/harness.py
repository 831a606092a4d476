"""What tests need to run one call on any backend: arrays in, bits out, and a count of the cases that ran."""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import unpoolx

BACKENDS = ("numpy", "tf", "jax", "torch")
FRAMEWORKS = {"numpy": "numpy", "tf": "tensorflow", "jax": "jax", "torch": "torch"}
CASES: Counter[str] = Counter()


WINDOWS: dict[str, dict[str, Any]] = {
    "blocks": {"kernel_size": 2},
    "overlap": {"kernel_size": 3, "stride": 2, "padding": "SAME"},
    "numbers": {"kernel_size": 9, "stride": 3},
}
"""One window for each form of unpooling."""


class UnavailableError(Exception):
    """This backend cannot run here; the message is the reason to skip."""


@cache
def set_up() -> None:
    """Every installed framework, imported in one order and held to two threads.

    Order: TensorFlow first, as PyTorch and JAX tolerate it in the process and the reverse is not tested upstream.
    """
    if importlib.util.find_spec("tensorflow"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(2)
        tf.config.threading.set_inter_op_parallelism_threads(2)
        # Two virtual devices: what tells devices apart needs two.
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    if importlib.util.find_spec("jax"):
        import jax

        jax.config.update("jax_num_cpu_devices", 2)
        jax.config.update("jax_enable_x64", True)
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(2)


@dataclass(frozen=True)
class Harness:
    """One backend on one device."""

    name: str
    device: str

    @classmethod
    def of(cls, name: str, device: str) -> Harness:
        """The backend of a name on a device, or `UnavailableError` with the reason."""
        if not importlib.util.find_spec(FRAMEWORKS[name]):
            raise UnavailableError(f"{FRAMEWORKS[name]} is not installed")
        set_up()
        if device == "cuda":
            if name == "numpy":
                raise UnavailableError("NumPy has no CUDA device")
            visible = unpoolx.get_backend(name).devices()
            if not any(d.lower().startswith(("cuda", "gpu")) for d in visible):
                raise UnavailableError(f"{FRAMEWORKS[name]} sees no CUDA device, only {', '.join(visible)}")
        return cls(name, device)

    @property
    def framework(self) -> Any:
        """The framework's module."""
        return importlib.import_module(FRAMEWORKS[self.name])

    @property
    def backend(self) -> unpoolx.Backend:
        """The backend itself."""
        return unpoolx.get_backend(self.name)

    def array(self, x: np.ndarray) -> Any:
        """x as the backend's array, on the device, sharing no memory with x."""
        made = self.backend.from_numpy(x.copy())
        if self.name == "torch":
            made = made.clone()
            return made.cuda() if self.device == "cuda" else made
        return made  # JAX and TensorFlow place arrays on their first accelerator themselves

    def numpy(self, x: Any) -> np.ndarray:
        """The bits on the host."""
        if self.name == "torch":
            x = x.detach()
        return self.backend.to_numpy(self.backend.prepare(x))

    def switches(self, offsets: np.ndarray, window: unpoolx.Window, spatial_shape: tuple[int, ...]) -> Any:
        """Switches of the backend's array of these offsets."""
        return unpoolx.Switches.trusted(self.array(offsets), window, spatial_shape)

    def count(self, function: str, cases: int = 1) -> None:
        """Note that so many generated cases of a public function were compared with the oracle."""
        CASES[f"{function}/{self.name}"] += cases


def window_of(arguments: dict[str, Any], shape: tuple[int, ...]) -> unpoolx.Window:
    """The fixed Window of user-facing arguments over an input of this full shape."""
    return unpoolx.Window(**arguments).with_rank_of(shape)
