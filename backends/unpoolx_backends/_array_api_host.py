"""The ways of a standard array to the host, and the names of the devices that arrays lie on.

The standard has no function for it: some libraries let NumPy read their arrays, some from one device alone, some take
"cpu" for a device, some only speak DLPack. The first way that works is remembered for a type and a device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

Host = np.ndarray[Any, Any]


def _read(x: Any) -> Host:
    return np.asarray(x)


def _by_cpu(x: Any) -> Host:
    return np.asarray(array_api_compat.to_device(x, "cpu"))


def _by_default_device(x: Any) -> Host:
    told = array_api_compat.array_namespace(x).__array_namespace_info__()
    return np.asarray(array_api_compat.to_device(x, told.default_device()))


def _by_dlpack(x: Any) -> Host:
    return np.from_dlpack(x, device="cpu")


WAYS = (_read, _by_cpu, _by_default_device, _by_dlpack)
MOST_PLACES = 256
"""So many types and devices are remembered; more are forgotten, all at once."""
_found: dict[tuple[type, str], Callable[[Any], Host]] = {}


def to_numpy(x: Any) -> Host:
    """The same dtype and bits as a NumPy array, which may share memory with x.

    Raises:
        TypeError: x has no way to the host, with what each way said.
    """
    place = type(x), device_name(array_api_compat.device(x))
    way = _found.get(place)
    if way is not None:
        return way(x)
    said = []
    for way in WAYS:
        try:
            host = way(x)
        except Exception as error:  # noqa: BLE001  # each library has its own way to refuse; all are told below
            said.append(f"{type(error).__name__}: {error}")
            continue
        if host.dtype.kind != "O" and host.shape == tuple(x.shape):
            if len(_found) >= MOST_PLACES:
                _found.clear()
            _found[place] = way
            return host
        said.append(f"gave {host.dtype} of shape {host.shape}")
    raise TypeError(
        f"expected an array that NumPy can read from {place[1]}, by itself, by way of a device 'cpu' or the default "
        f"one, or by DLPack; got a {type(x).__module__}.{type(x).__qualname__}: " + "; ".join(said)
    )


def device_name(device: Any) -> str:
    """A device in the library's own words, without the brackets or the call around them."""
    text = str(device)
    quoted = text.split("'")
    return quoted[1] if len(quoted) == 3 else text.strip("<>")
