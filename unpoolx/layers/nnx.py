"""Layers for Flax NNX: modules over `unpoolx.max_pool` and `unpoolx.unpool`."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from flax import nnx

from unpoolx import Switches, Window, max_pool, unpool
from unpoolx._functions import OVERLAPS
from unpoolx._window import Padding

__all__ = ["MaxPool", "MaxUnpool"]


class MaxPool(nnx.Module):
    """Max pooling that keeps its switches, in one, two or three dimensions, channels last.

    Args:
        window_shape: elements of the window, one int per spatial axis, or one for all of them.
        strides: elements from one window to the next; None means 1, as in `nnx.max_pool`.
        padding: "VALID", "SAME", a `(low, high)` pair per spatial axis, or whatever else `unpoolx.Window` takes.

    Called with an array (*batch, *spatial, C), it gives `(values, switches)`, as `unpoolx.max_pool` does.

    Raises:
        ValueError, TypeError: numbers that are no window, when the layer is made; a window that does not fit, when it
            is called.

    Example:
        >>> import jax.numpy as jnp
        >>> from unpoolx.layers.nnx import MaxPool, MaxUnpool
        >>> pool, restore = MaxPool((2,), strides=(2,)), MaxUnpool()
        >>> values, switches = pool(jnp.array([[[1.0], [5.0], [3.0], [2.0]]]))
        >>> values.ravel().tolist(), restore(values, switches).ravel().tolist()
        ([5.0, 3.0], [0.0, 5.0, 3.0, 0.0])
    """

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: Padding | Sequence[tuple[int, int]] = "VALID",
    ) -> None:
        steps = 1 if strides is None else strides
        self.window = Window(window_shape, steps, padding)  # type: ignore[arg-type]  # it takes lists, too

    def __call__(self, x: jax.Array) -> tuple[jax.Array, Switches]:
        """Pool x: `(values, switches)`."""
        return max_pool(x, self.window)


class MaxUnpool(nnx.Module):
    """Each value back to where its switch points, zeros elsewhere.

    Switches carry the window and the size of the pooled array with them, so the layer needs neither.

    Args:
        overlap: as in `unpoolx.unpool`: "last" or "sum".

    Called with an array and switches of its shape, it gives an array of the size that was pooled.

    Raises:
        ValueError: an unknown overlap; shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from unpoolx.layers.nnx import MaxPool, MaxUnpool
        >>> values, switches = MaxPool((3,))(jnp.array([[[1.0], [5.0], [3.0], [2.0]]]))
        >>> MaxUnpool("sum")(values, switches).ravel().tolist()
        [0.0, 10.0, 0.0, 0.0]
    """

    def __init__(self, overlap: str = "last") -> None:
        if overlap not in OVERLAPS:
            raise ValueError(f"overlap: expected 'last' or 'sum'; got {overlap!r}")
        self.overlap = overlap

    def __call__(self, x: jax.Array, switches: Switches) -> jax.Array:
        """Unpool x."""
        return unpool(x, switches, overlap=self.overlap)  # type: ignore[no-any-return]  # of any framework
