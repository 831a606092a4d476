"""Values along an axis spread over blocks: repeated, or followed by zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unpoolx._backend import Backend


def _split(ops: Backend, x: Any, where: int) -> tuple[Any, list[Any], int]:
    """x with a length-one axis right after the axis `where`; its shape, and the new axis counted from the end."""
    shape = list(ops.shape(x))
    at = len(shape) + where + 1
    shape = [*shape[:at], 1, *shape[at:]]
    return ops.reshape(x, shape), shape, at - len(shape)


def _joined(ops: Backend, x: Any, where: int, times: int, shape: list[Any]) -> Any:
    """The axes that `_split` parted, joined again, the second having `times` elements now."""
    del shape[where]
    shape[where] = shape[where] * times
    return ops.reshape(x, shape)


def repeated(ops: Backend, x: Any, where: int, times: int) -> Any:
    """Each value along the axis `where`, `times` times."""
    x, shape, new = _split(ops, x, where)
    x = ops.broadcast_to(x, [*shape[: len(shape) + new], times, *shape[len(shape) + new + 1 :]])
    return _joined(ops, x, where, times, shape)


def dilated(ops: Backend, x: Any, where: int, stride: int) -> Any:
    """Each value followed by stride - 1 zeros."""
    x, shape, new = _split(ops, x, where)
    return _joined(ops, ops.pad(x, {new: (0, stride - 1)}, 0), where, stride, shape)
