"""Small CPU tensors by NumPy's backend, on their own memory: the calls of NumPy cost less than those of PyTorch."""

from __future__ import annotations

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Geometry
from unpoolx._maps import LinearMap
from unpoolx_backends import _fused
from unpoolx_backends._numpy import backend as _numpy
from unpoolx_backends._torch_native import is_plain

MOST_ELEMENTS = 2**10
"""Of more, PyTorch's own kernels and threads are as fast; tests turn this off to hold those to the laws."""


def _is_small(x: Array) -> bool:
    most = min(MOST_ELEMENTS, _fused.FEWEST_ELEMENTS)
    return x.numel() <= most and is_plain(x) and x.dtype != torch.bfloat16 and x.is_contiguous()


def max_pool(x: Array, geometry: Geometry) -> tuple[Array, Array] | None:
    """`_recipe_pool.max_pool`, or None."""
    if not _is_small(x):
        return None
    values, offsets = _numpy.max_pool(x.detach().numpy(), geometry)
    return torch.from_numpy(values), torch.from_numpy(offsets)


def mapped(linear_map: LinearMap, x: Array, index: Array) -> Array | None:
    """`linear_map.apply`, or None."""
    if not _is_small(x) or not _is_small(index):
        return None
    return torch.from_numpy(_numpy.linear(linear_map, x.detach().numpy(), index.detach().numpy()))
