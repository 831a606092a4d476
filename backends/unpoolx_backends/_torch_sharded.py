"""PyTorch's distributed tensors: each process works on the part that it holds, and nothing is sent.

Pooling and unpooling treat every batch entry and channel by itself. So a tensor that is sharded there, or replicated,
gives results that are placed likewise; one that is sharded in space, or is a sum that is still to be made, is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._layout import spatial_axes


def is_sharded(x: Array | None) -> bool:
    """Whether x is a distributed tensor."""
    if type(x) in (torch.Tensor, torch.nn.Parameter):
        return False
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(x, module.DTensor)


def locally(function: Callable[..., Any], geometry: Geometry, shape: tuple[int, ...], *arrays: Array) -> Any:
    """The function's results of the parts that this process holds, as distributed tensors.

    Args:
        function: makes an array, or several, of the shape that its geometry has for the arrays.
        geometry: tells which axes are spatial; of their lengths, a part has the whole.
        shape: of each result.
        arrays: distributed tensors.

    Raises:
        TypeError: a tensor that is not distributed, beside one that is.
        ValueError: tensors that are placed differently, or sharded in space.
    """
    first = arrays[0]
    if not all(map(is_sharded, arrays)):
        kinds = " and ".join(type(x).__name__ for x in arrays)
        raise TypeError(f"expected distributed tensors alone; got {kinds}. Place the other with distribute_tensor")
    placements, mesh = first.placements, first.device_mesh
    if any(x.device_mesh != mesh or x.placements != placements for x in arrays):
        found = " and ".join(f"{list(x.placements)} on {x.device_mesh}" for x in arrays)
        raise ValueError(f"expected values and switches that are placed alike; got {found}. Move one with redistribute")
    for placement in placements:
        _require_apart(placement, geometry, first.ndim)
    results = function(*(x.to_local() for x in arrays))
    strides = torch.empty(shape, device="meta").stride()

    def whole(part: Array) -> Array:
        return type(first).from_local(part, mesh, placements, run_check=False, shape=torch.Size(shape), stride=strides)

    return tuple(map(whole, results)) if isinstance(results, tuple) else whole(results)


def _require_apart(placement: Any, geometry: Geometry, ndim: int) -> None:
    """A placement leaves every window whole."""
    if placement.is_replicate():
        return
    layout, rank = geometry.window.data_format, len(geometry.axes)
    spatial = {axis % ndim for axis in spatial_axes(layout, rank)}
    if not placement.is_shard():
        raise ValueError(
            f"expected a tensor that is replicated, or sharded on batch or channels; got {placement!r}. Finish the sum "
            f"first, with redistribute(placements=[Replicate()])"
        )
    if placement.dim % ndim in spatial:
        raise ValueError(
            f"expected a tensor that is sharded on batch or channels, where no window crosses a border; got "
            f"{placement!r}, a spatial axis of {layout}. Move it with redistribute(placements=[Shard(0)])"
        )
