"""Layers for PyTorch: `torch.nn` modules over `unpoolx.max_pool` and `unpoolx.unpool`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from unpoolx import Switches, Window, max_pool, unpool
from unpoolx._functions import OVERLAPS
from unpoolx._layout import CHANNELS_FIRST
from unpoolx._window import Padding

__all__ = ["MaxPool", "MaxUnpool"]


class MaxPool(nn.Module):
    """Max pooling that keeps its switches, in one, two or three dimensions. The input is left as it was.

    Where `nn.MaxPool2d(..., return_indices=True)` gives flat indices, this gives `unpoolx.Switches`.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: as in `nn.MaxPool2d`, and whatever else `unpoolx.Window`
            takes: an int holds for every spatial axis of the input, a tuple fixes their number.
        data_format: where the channels are; PyTorch's "channels_first" unless told otherwise.

    Shape:
        Input: (N, C, *spatial); any number of batch axes, or none, where an argument is a tuple.
        Output: `(values, switches)`, the values as in `unpoolx.max_pool`.

    Raises:
        ValueError, TypeError: numbers that are no window, when the layer is made; a window that does not fit, when it
            is called.

    Example:
        >>> import torch
        >>> from unpoolx.layers.torch import MaxPool, MaxUnpool
        >>> pool, restore = MaxPool(2), MaxUnpool()
        >>> values, switches = pool(torch.tensor([[[1.0, 5.0, 3.0, 2.0]]]))
        >>> values, restore(values, switches)
        (tensor([[[5., 3.]]]), tensor([[[0., 5., 3., 0.]]]))
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: Padding = 0,
        dilation: int | tuple[int, ...] = 1,
        *,
        ceil_mode: bool = False,
        data_format: str = CHANNELS_FIRST,
    ) -> None:
        super().__init__()
        self.window = Window(
            kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode, data_format=data_format
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Switches]:
        """Pool x: `(values, switches)`."""
        return max_pool(x, self.window)

    def extra_repr(self) -> str:
        """The window, for `print`."""
        w = self.window
        return (
            f"kernel_size={w.kernel_size}, stride={w.stride}, padding={w.padding!r}, dilation={w.dilation}, "
            f"ceil_mode={w.ceil_mode}, data_format={w.data_format!r}"
        )


class MaxUnpool(nn.Module):
    """Each value back to where its switch points, zeros elsewhere. The input is left as it was.

    Switches carry the window and the size of the pooled array with them, so the layer needs no argument for them. For
    the indices of `nn.MaxPool2d(..., return_indices=True)` it takes what `nn.MaxUnpool2d` takes.

    Args:
        kernel_size, stride, padding: as in `nn.MaxUnpool2d`; they are for flat indices alone.
        overlap: as in `unpoolx.unpool`: "last" or "sum".

    Shape:
        Input: x and switches of one shape, or x and flat indices of one shape (N, C, *spatial).
        Output: with switches, what was pooled; with indices, `output_size`, or where that is not given
            `(n - 1)*stride - 2*padding + kernel_size` on each spatial axis.

    Raises:
        ValueError: shapes that do not fit; an `output_size` that is not that of the switches.
        TypeError: flat indices, but no kernel_size; what is neither.
        IndexError: a flat index out of range.

    Example:
        >>> import torch
        >>> from unpoolx.layers.torch import MaxUnpool
        >>> values, indices = torch.nn.MaxPool1d(2, return_indices=True)(torch.tensor([[[1.0, 5.0, 3.0, 2.0, 4.0]]]))
        >>> MaxUnpool(2)(values, indices, output_size=(5,))
        tensor([[[0., 5., 3., 0., 0.]]])
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, ...] | None = None,
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        *,
        overlap: str = "last",
    ) -> None:
        super().__init__()
        if overlap not in OVERLAPS:
            raise ValueError(f"overlap: expected 'last' or 'sum'; got {overlap!r}")
        self.overlap = overlap
        self.window = None if kernel_size is None else _symmetric(kernel_size, stride, padding)

    def forward(
        self, x: torch.Tensor, switches: Switches | torch.Tensor, output_size: Sequence[int] | None = None
    ) -> torch.Tensor:
        """Unpool x.

        Args:
            x: the values.
            switches: `Switches`, or PyTorch's flat indices.
            output_size: the spatial lengths of the result, alone or with batch and channels in front.
        """
        if isinstance(switches, Switches):
            lengths = _spatial(output_size, len(switches.spatial_shape))
            if lengths not in (None, switches.spatial_shape):
                raise ValueError(
                    f"output_size: expected the spatial lengths {switches.spatial_shape} of the switches, or None; got "
                    f"{tuple(output_size or ())}"
                )
            return unpool(x, switches, overlap=self.overlap)
        if self.window is None:
            raise TypeError(
                f"switches: expected Switches, or with kernel_size= flat indices; got {type(switches).__name__}"
            )
        lengths = _spatial(output_size, x.ndim - 2) or _least(self.window, x)
        shape = (*x.shape[:2], *lengths)
        flat: dict[str, Any] = {"index_format": "spatial", "data_format": CHANNELS_FIRST}
        return unpool(x, switches, overlap=self.overlap, output_shape=shape, **flat)

    def extra_repr(self) -> str:
        """The window, where there is one, and the overlap, for `print`."""
        w, overlap = self.window, f"overlap={self.overlap!r}"
        if w is None:
            return overlap
        return f"kernel_size={w.kernel_size}, stride={w.stride}, padding={w.padding}, {overlap}"


def _symmetric(kernel_size: Any, stride: Any, padding: Any) -> Window:
    """A window whose padding is the same before and after, which alone `nn.MaxUnpool2d` knows."""
    window = Window(kernel_size, stride, padding, data_format=CHANNELS_FIRST)
    if isinstance(window.padding, str) or any(isinstance(p, tuple) for p in _each(window.padding)):
        raise ValueError(f"padding: expected an int, or one per spatial axis; got {padding!r}")
    return window


def _each(padding: Any) -> tuple[Any, ...]:
    return padding if isinstance(padding, tuple) else (padding,)


def _spatial(output_size: Sequence[int] | None, rank: int) -> tuple[int, ...] | None:
    """The spatial lengths of an output size that may have batch and channels in front."""
    if output_size is None:
        return None
    if len(output_size) not in (rank, rank + 2):
        raise ValueError(f"output_size: expected {rank} lengths, or {rank + 2}; got {tuple(output_size)}")
    return tuple(output_size[-rank:])


def _least(window: Window, x: torch.Tensor) -> tuple[int, ...]:
    """The least spatial lengths whose pooling by the window gives x's."""
    w: Any = window.with_rank_of(x.shape)
    each = zip(x.shape[2:], w.kernel_size, w.stride, w.padding, strict=True)
    return tuple((n - 1) * stride - 2 * padding + kernel for n, kernel, stride, padding in each)
