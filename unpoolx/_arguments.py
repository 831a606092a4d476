"""Arguments brought to one backend, one framework and one device, or an error that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np

from unpoolx._backend import Backend, is_backend
from unpoolx._dtypes import COMPLEX, INTEGERS
from unpoolx._registry import ARRAY_API, backend_of, get_backend, of_namespaces
from unpoolx._window import Padding, Window


def as_window(
    kernel_size: int | tuple[int, ...] | Window,
    stride: int | tuple[int, ...] | None,
    padding: Padding,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Window:
    """The window that the arguments of a function describe."""
    if not isinstance(kernel_size, Window):
        return Window(kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode, data_format=data_format)
    given = (stride, padding, dilation, ceil_mode, data_format)
    if given != (None, "VALID", 1, False, "channels_last"):
        raise TypeError(
            f"expected the geometry once: kernel_size is {kernel_size!r}, which has its own stride, padding, dilation, "
            f"ceil_mode and data_format; got (stride, padding, dilation, ceil_mode, data_format) = {given!r} beside it"
        )
    return kernel_size


def accept(backend: object, **arrays: Any) -> tuple[Backend, list[Any]]:
    """The backend of a call, and its arguments as arrays of it on one device.

    The backend is the one that is named, or else the one whose arrays the arguments are.
    """
    owners = {what: backend_of(x, what) for what, x in arrays.items()}
    ops = _named(backend, arrays) if backend is not None else _only(owners)
    return ops, _brought(ops, arrays, owners)


def accept_first(backend: object, **arrays: Any) -> tuple[Backend, Any]:
    """The backend of a call, and the first of its arguments as an array of it; the others are brought to it later."""
    what, x = next(iter(arrays.items()))
    if backend is not None:
        ops = _named(backend, arrays)
        return ops, bring(ops, **{what: x})[0]
    owners = {what: backend_of(x, what) for what, x in arrays.items()}
    ops = _only(owners)
    return ops, _brought(ops, {what: x}, owners)[0]


def bring(ops: Backend, **arrays: Any) -> list[Any]:
    """The arguments as arrays of one backend, on one device."""
    return _brought(ops, arrays, {what: backend_of(x, what) for what, x in arrays.items()})


def _named(backend: object, arrays: dict[str, Any]) -> Backend:
    if not (isinstance(backend, str) or is_backend(backend)):
        raise TypeError(f"backend: expected a name, such as 'numpy', or None; got {backend!r}")
    return of_namespaces(arrays) if backend == ARRAY_API else get_backend(backend)


def _only(owners: dict[str, Backend | None]) -> Backend:
    """The one backend among the owners; NumPy, where the arguments are lists and numbers alone."""
    first, *others = owners.values()
    if first is not None and all(owner is first for owner in others):
        return first
    found = {owner.name: (owner, what) for what, owner in owners.items() if owner is not None}
    if len(found) > 1:
        raise TypeError(
            "expected arrays of one framework, or backend= to say which one the result belongs to; got "
            + ", ".join(f"{what} of {name}" for name, (_, what) in found.items())
        )
    return next(iter(found.values()))[0] if found else get_backend("numpy")


def _brought(ops: Backend, arrays: dict[str, Any], owners: dict[str, Backend | None]) -> list[Any]:
    # Those that are there already decide the device of the others.
    own = {what: _supported(ops, ops.prepare(x), what) for what, x in arrays.items() if owners[what] is ops}
    if len(own) < len(arrays):
        like = next(iter(own.values()), None)
        own = {
            what: own[what] if what in own else _convert(x, owners[what], ops, like, what) for what, x in arrays.items()
        }
    if len(own) > 1:
        require_one_device(ops, **own)
    return list(own.values())


def _supported(ops: Backend, x: Any, what: str) -> Any:
    dtype = ops.dtype(x)
    if dtype not in ops.dtypes():
        raise TypeError(f"{what}: expected one of the dtypes {', '.join(ops.dtypes())} on {ops.name}; got {dtype}")
    return x


def as_numpy(x: Any, what: str) -> np.ndarray[Any, Any]:
    """A list or scalar as a NumPy array of numbers."""
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{what}: expected a list of numbers with equal lengths on each axis; {error}") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{what}: expected numbers; got a {type(x).__name__} that holds {array.dtype}")
    return array


def _convert(x: Any, owner: Backend | None, ops: Backend, like: Any, what: str) -> Any:
    if owner is None:
        host = as_numpy(x, what)
    elif owner.lazy:
        raise TypeError(
            f"{what}: a lazy array of {owner.name} cannot become an array of {ops.name} unasked; compute it first, or "
            f"call with backend={owner.name!r}"
        )
    elif not owner.is_concrete(x):
        raise TypeError(
            f"{what}: a traced array of {owner.name} cannot become an array of {ops.name} inside compiled code; "
            f"call with backend={owner.name!r}, or convert outside"
        )
    else:
        x = _supported(owner, owner.prepare(x), what)
        try:
            host = owner.to_numpy(x)
        except (TypeError, NotImplementedError) as error:
            raise TypeError(
                f"{what}: expected an array of {owner.name} that converts to {ops.name}: {error}"
            ) from error
    host = get_backend("numpy").prepare(host)
    dtype = host.dtype.name
    if dtype not in ops.dtypes():
        narrow = dtype.replace("64", "32").replace("128", "64")
        hint = f", or cast it to {narrow} first" if narrow in ops.dtypes() else ""
        wide = ' Its 64-bit dtypes need jax.config.update("jax_enable_x64", True)' if ops.name == "jax" else ""
        raise TypeError(
            f"{what}: expected one of the dtypes {', '.join(ops.dtypes())} on {ops.name}; got {dtype}, which it "
            f"cannot hold.{wide}{hint}"
        )
    return ops.from_numpy(host, like)


def require_one_device(ops: Backend, **arrays: Any) -> None:
    """The arrays, which are the backend's, share a device, as far as theirs are known."""
    devices = {what: ops.device(x) for what, x in arrays.items()}
    if len(set(devices.values())) == 1:
        return
    known = {what: device for what, device in devices.items() if device is not None}
    if len(set(known.values())) > 1:
        raise ValueError(
            "expected every array on one device; got "
            + ", ".join(f"{what} on {device}" for what, device in known.items())
            + ". Move one of them: nothing moves unasked"
        )


def require_real(ops: Backend, x: Any, what: str) -> None:
    """x can be ordered."""
    if ops.dtype(x) in COMPLEX:
        raise TypeError(f"{what}: expected a dtype with an order (float, integer or bool); got {ops.dtype(x)}")


def require_summable(ops: Backend, x: Any, what: str) -> None:
    """x can be summed."""
    if ops.dtype(x) == "bool":
        raise TypeError(f"{what}: overlap='sum' expected numbers; got bool. Cast it, or use overlap='last'")


def integers_if_empty(numbers: Any) -> Any:
    """An empty list as an array of integers: NumPy takes one for floats."""
    if isinstance(numbers, (list, tuple)):
        host = as_numpy(numbers, "indices")
        return host.astype(np.intp) if host.size == 0 else numbers
    return numbers


def require_integer(ops: Backend, x: Any, what: str) -> None:
    """x holds indices."""
    if ops.dtype(x) not in INTEGERS:
        raise TypeError(f"{what}: expected integers; got {ops.dtype(x)}")


def same_lengths(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Whether two shapes agree, as far as both are known."""
    return len(a) == len(b) and all(
        m == n for m, n in zip(a, b, strict=True) if isinstance(m, int) and isinstance(n, int)
    )
