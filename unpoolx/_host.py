"""What a backend need not define: integer bookkeeping, bits and constants, done by NumPy on the host.

It serves arrays whose values can be looked at. A backend that compiles, or that wants the speed, defines its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from unpoolx._backend import Backend


def _numpy() -> Backend:
    from unpoolx_backends._numpy import backend  # the one backend that is always there

    return backend


def by_numpy(ops: Backend, method: str, x: Any, *arguments: Any) -> Any:
    """The NumPy backend's method on the host's copy of x; every array of the result on x's device."""
    made = getattr(_numpy(), method)(ops.to_numpy(x), *arguments)
    return tuple(brought(ops, part, x) for part in made) if isinstance(made, tuple) else brought(ops, made, x)


def brought(ops: Backend, numbers: Any, like: Any) -> Any:
    """NumPy's numbers on the device of `like`; integers (positions are int64) in a dtype that is there."""
    host = np.asarray(numbers)
    declared = ops.dtypes()
    if host.dtype.kind in "iu" and host.dtype.name not in declared:
        host = host.astype("int64" if "int64" in declared else "int32")
    return ops.from_numpy(host, like=like)


def viewed(ops: Backend, x: Any, dtype: str) -> Any:
    """The bits of x as another dtype of the same width."""
    return ops.from_numpy(np.asarray(_numpy().as_dtype(ops.to_numpy(x), dtype)), like=x)


def constant(ops: Backend, numbers: Any, dtype: str, like: Any) -> Any:
    """A number, or nested lists of them, as an array."""
    return ops.from_numpy(np.asarray(_numpy().constant(numbers, dtype, like)), like=like)


def absent(what: str) -> NoReturn:
    """Refuse what a backend has not declared."""
    raise NotImplementedError(what)


def matching_device(ops: Backend, device: str) -> str:
    """The first device of a backend that a word means: "cuda" and "gpu" are one word, in either case.

    Raises:
        ValueError: the backend sees no such device.
    """

    def plain(name: str) -> str:
        return name.lower().replace("gpu", "cuda")

    for name in ops.devices():
        if plain(name).startswith(plain(device)):
            return name
    raise ValueError(f"device: {ops.name} sees no {device!r}, only {', '.join(ops.devices())}")


def only_device(ops: Backend, x: Any, device: str) -> Any:
    """x, for a backend that has one device and is asked for it."""
    matching_device(ops, device)
    if len(ops.devices()) > 1:
        raise NotImplementedError(f"{ops.name} has several devices and must define to_device")
    return x
