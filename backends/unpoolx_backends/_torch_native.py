"""PyTorch's own pooling kernel where it gives the norm's bits: eager calls on the CPU.

It numbers the elements of a plane in 64 bits; here that becomes the number inside the window, one byte. It is fast
where channels lie together in memory, so other memory is brought to that. Both happen block by block, in memory that
stays in the cache.

What it does otherwise than the norm is kept out: NaN (of several it chooses the last) and windows that it cannot
describe. `max_pool` returns None where a geometry or an array is not for it, and the recipes of the core take over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch

from unpoolx._backend import Array
from unpoolx._geometry import Axis, Geometry
from unpoolx._layout import CHANNELS_FIRST

ENABLED = True
"""Tests turn this off to hold the recipes to the same laws."""

BLOCK_BYTES = 2**21
"""About how much of the larger array a block holds."""
FEW_CHANNELS = 8
"""Fewer channels are not worth bringing together."""
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_MOST_ELEMENTS = {torch.int16: 2**15, **dict.fromkeys((*_FLOATS, torch.int32, torch.int64), 2**31)}


class Native(NamedTuple):
    """A geometry as PyTorch's pooling takes it, and how positions in a plane follow from numbers in a window."""

    axes: tuple[Axis, ...]
    """Two: one axis gets another of length one before it."""
    ceil_mode: bool
    units: tuple[int, ...]
    """How far one kernel element is from the next along each axis, in elements of a plane."""
    narrow: torch.dtype
    """Holds the distance of any two elements of a window."""
    starts: Array
    """The position at which each window begins (in its padding, if need be), of the windows' shape."""

    def each(self, what: str) -> list[int]:
        """A number of every axis."""
        return [getattr(axis, what) for axis in self.axes]


@lru_cache(maxsize=64)
def native(geometry: Geometry) -> Native | None:
    """The geometry for PyTorch's kernels, or None where they cannot have it."""
    axes = geometry.axes if len(geometry.axes) > 1 else (Axis(1, 1, 1, 1, 0, 1), *geometry.axes)
    # In three dimensions a window of -inf alone gets no position.
    if len(axes) > 2 or geometry.kernel_elements > 256 or any(axis.before > axis.kernel // 2 for axis in axes):
        return None
    units: tuple[int, ...] = ()
    plane, starts = 1, torch.zeros((), dtype=torch.int64)
    for place, axis in enumerate(reversed(axes)):
        begin = torch.arange(axis.windows) * axis.stride - axis.before
        starts = starts + (begin * plane).reshape(-1, *[1] * place)
        units = (plane * axis.dilation, *units)
        plane *= axis.size
    spans = [(axis.kernel - 1) * unit for axis, unit in zip(axes, units, strict=True)]
    ambiguous = any(sum(spans[i + 1 :]) >= unit for i, unit in enumerate(units[:-1]))
    if ambiguous:
        return None
    narrow = torch.int16 if sum(spans) < 2**15 else torch.int32
    for ceil_mode in (False, True):
        if all(_windows(axis, ceil_mode) == axis.windows for axis in axes):
            return Native(axes, ceil_mode, units, narrow, starts)
    return None


def _windows(axis: Axis, ceil_mode: bool) -> int:
    """How many windows PyTorch lays along an axis when it pads `before` elements on both sides."""
    room = axis.size + 2 * axis.before - axis.extent
    if not ceil_mode:
        return room // axis.stride + 1  # type: ignore[no-any-return]  # lengths are ints here
    windows = -(-room // axis.stride) + 1
    return windows - ((windows - 1) * axis.stride >= axis.size + axis.before)  # type: ignore[no-any-return]


def is_plain(x: Array) -> bool:
    """Whether x is a dense CPU tensor with values, not one that a tracer or a transformation put in its place."""
    if not ENABLED or type(x) not in (torch.Tensor, torch.nn.Parameter) or x.device.type != "cpu" or not x.numel():
        return False
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(x)  # noqa: SLF001  # there is no public way to ask
    return not (wrapped or x.is_neg() or x.is_conj())


class _Blocks(NamedTuple):
    """An array as (M, G, *spatial) in one of two memories, and how much of M makes a block."""

    x: Array
    last: bool
    """Whether channels lie together."""

    @classmethod
    def of(cls, x: Array, geometry: Geometry) -> _Blocks:
        rank = len(geometry.axes)
        first = geometry.window.data_format == CHANNELS_FIRST
        x = x if first else x.movedim(-1, -1 - rank)
        x = x.reshape(math.prod(x.shape[: -1 - rank]), *x.shape[-1 - rank :])
        x = x.unsqueeze(-2) if rank == 1 else x
        last = not first or (x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous())
        memory = torch.channels_last if last else torch.contiguous_format
        x = x.contiguous(memory_format=memory)
        # Of an axis of length one any stride will do, but PyTorch reads the memory's order from it.
        usual = torch.empty(x.shape, device="meta", memory_format=memory)
        return cls(x.as_strided(x.shape, usual.stride()), last)

    def empty(self, spatial: tuple[int, ...], dtype: torch.dtype) -> Array:
        """An array for the same planes, of another spatial shape, in the same memory."""
        return empty((*self.x.shape[:2], *spatial), dtype, last=self.last)


def empty(shape: tuple[int, ...], dtype: torch.dtype, *, last: bool) -> Array:
    """An uninitialised (N, C, H, W)."""
    memory = torch.channels_last if last else torch.contiguous_format
    return torch.empty(shape, dtype=dtype, memory_format=memory)


def grouped(x: Array, group: int) -> Array:
    """(N, C, *spatial) of contiguous memory as (N*C/group, group, *spatial)."""
    return x.view(-1, group, *x.shape[2:])


def spans(total: int, element_bytes: int) -> Iterator[slice]:
    """Blocks of a first axis whose elements have so many bytes."""
    step = max(1, BLOCK_BYTES // max(element_bytes, 1))
    return (slice(start, min(start + step, total)) for start in range(0, total, step))


def group_of(x: Array) -> int:
    """How many planes of contiguous memory to bring together: a divisor of their number, within a block."""
    planes, plane_bytes = x.shape[0] * x.shape[1], x[0, 0].numel() * x.element_size()
    most = max(1, min(64, BLOCK_BYTES // plane_bytes))
    return next(group for group in range(most, 0, -1) if planes % group == 0)


def restored(x: Array, geometry: Geometry, shape: tuple[int, ...]) -> Array:
    """(N, C, *spatial) as an array of the full shape."""
    if geometry.window.data_format == CHANNELS_FIRST:
        return x.reshape(shape)
    return x.movedim(1, -1).reshape(shape)


def max_pool(x: Array, geometry: Geometry) -> tuple[Array, Array] | None:
    """`_recipe_pool.max_pool`, or None."""
    as_native = native(geometry) if is_plain(x) else None
    # With channels that lie together, its positions are integers of the elements' width.
    if as_native is None or math.prod(geometry.spatial_shape) >= _MOST_ELEMENTS.get(x.dtype, 0):
        return None
    blocks = _Blocks.of(x, geometry)
    source = blocks.x
    values = blocks.empty(tuple(as_native.each("windows")), source.dtype)
    offsets = blocks.empty(tuple(as_native.each("windows")), torch.uint8)
    made = [values, offsets]
    group = group_of(source)
    together = not blocks.last and group >= FEW_CHANNELS
    if not blocks.last:
        source, *made = (grouped(a, group) for a in (source, *made))
    scratch: _Scratch | None = None
    for part in spans(source.shape[0], source[0].numel() * source.element_size()):
        planes, into = source[part], [a[part] for a in made]
        if scratch is None or scratch.indices.shape[0] != planes.shape[0]:
            scratch = _Scratch.of(planes, as_native, last=blocks.last or together)
        scratch.pool(planes, into, as_native, copy=together)
    if values.is_floating_point() and bool(values.amax().isnan()):
        return None
    shape = geometry.pooled_shape(tuple(x.shape))
    return restored(values, geometry, shape), restored(offsets, geometry, shape)


class _Scratch(NamedTuple):
    """What one block of pooling needs besides its result."""

    planes: Array
    values: Array
    indices: Array
    distance: Array
    numbers: Array
    beyond: Array

    @classmethod
    def of(cls, planes: Array, as_native: Native, *, last: bool) -> _Scratch:
        shape = (*planes.shape[:2], *as_native.each("windows"))
        dtypes = (planes.dtype, torch.int64, as_native.narrow, torch.uint8, torch.bool)
        return cls(empty(tuple(planes.shape), planes.dtype, last=last), *(empty(shape, d, last=last) for d in dtypes))

    def pool(self, planes: Array, into: list[Array], as_native: Native, *, copy: bool) -> None:
        """Pool a block into its values and offsets."""
        planes = self.planes.copy_(planes) if copy else planes
        values, numbers = (self.values, self.numbers) if copy else into
        arguments = (as_native.each(what) for what in ("kernel", "stride", "before", "dilation"))
        pool = torch.ops.aten.max_pool2d_with_indices
        pool(planes, *arguments, as_native.ceil_mode, out=values, indices=self.indices)
        self.distance.copy_(self.indices.sub_(as_native.starts))
        self._number(numbers, as_native)
        if copy:
            into[0].copy_(values)
            into[1].copy_(numbers)

    def _number(self, numbers: Array, as_native: Native) -> None:
        """The numbers inside the windows, from how far the chosen elements are from the windows' beginnings."""
        kernels, units = as_native.each("kernel"), as_native.units
        weights = [math.prod(kernels[i + 1 :]) for i in range(len(kernels))]
        numbers.copy_(self.distance)  # modulo 256, as all that follows
        for i, (kernel, unit, weight) in enumerate(zip(kernels, units, weights, strict=True)):
            for element in range(1, kernel if unit != weight else 1):
                torch.ge(self.distance, element * unit, out=self.beyond)
                numbers.sub_(self.beyond.view(torch.uint8), alpha=(unit - weight) % 256)
            if kernel > 1 and units[i + 1 :] != tuple(weights[i + 1 :]):
                self.distance.remainder_(unit)
