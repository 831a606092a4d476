"""Faults of flat indices: of switches made from them, and turned into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from faults import SoundNumpy, planted

from unpoolx._backend import Array
from unpoolx._dtypes import INTEGERS
from unpoolx._from_indices import _from_flat, _from_window
from unpoolx._switches import _flat_indices

TO = "switches-become-indices-of-every-format-and-come-back"
FOREIGN = "an-index-outside-its-own-window-is-refused"


class ToIndices(SoundNumpy):
    """Indices made from switches, tampered with."""

    def indices(self, made: Array, static: Any, offsets: Array) -> Array:
        """What takes the place of the indices."""
        return made

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        made = super().fused(function, static, *arrays)
        return self.indices(made, static, arrays[0]) if function is _flat_indices else made

    def other_format(self, static: Any, offsets: Array, index_format: str) -> Array:
        """The indices in another format."""
        numbering, geometry, dtype = static
        other = replace(numbering, index_format=index_format)
        return super().fused(_flat_indices, (other, geometry, dtype), offsets)


@planted(TO)
class BatchTermLost(ToIndices):
    """Indices of the formats that number the whole array start anew in each batch entry."""

    def indices(self, made: Array, static: Any, offsets: Array) -> Array:
        numbering = static[0]
        if numbering.index_format in ("spatial", "tf") or made.size == 0:
            return made
        return made % (numbering.count // numbering.batch)


@planted(TO)
class RowsAndColumnsSwapped(ToIndices):
    """Indices of "onnx" count a plane in column-major order."""

    def indices(self, made: Array, static: Any, offsets: Array) -> Array:
        onnx = static[0].index_format == "onnx"
        return self.other_format(static, offsets, "onnx_column_major") if onnx else made


@planted(TO)
class ChannelsCounted(ToIndices):
    """Indices of "spatial" count the channels of an element, as TensorFlow does."""

    def indices(self, made: Array, static: Any, offsets: Array) -> Array:
        return self.other_format(static, offsets, "tf") if static[0].index_format == "spatial" else made


@planted(TO)
class IndicesInInt32(ToIndices):
    """Indices come out as int32."""

    def indices(self, made: Array, static: Any, offsets: Array) -> Array:
        return made.astype(np.int32)


@planted(TO)
class IndicesOfPaddedPlanes(ToIndices):
    """Indices count from the corner of the padding."""

    def indices(self, made: Array, static: Any, offsets: Array) -> Array:
        return made + static[1].axes[-1].before


class FromFlat(SoundNumpy):
    """Offsets made of flat indices, tampered with: they, and which are taken as valid."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        made = super().fused(function, static, *arrays)
        return self.offsets(made[0], made[1], static, arrays[0]) if function is _from_flat else made

    def offsets(self, offset: Array, valid: Array, static: Any, indices: Array) -> tuple[Array, Array]:
        """What takes their place."""
        return offset, valid

    def elsewhere(self, static: Any, indices: Array, term: int) -> tuple[Array, Array]:
        """The sound offsets of indices brought into their own batch entry (0) or channel (1)."""
        numbering, _ = static
        wide = indices.astype(np.int64)
        inside = (wide >= 0) & (wide < numbering.count)
        parts = list(numbering.decode(np.where(inside, wide, 0)))
        own = numbering.own(self, wide.shape, "int64", like=wide)
        if parts[term] is not None:
            parts[term] = np.broadcast_to(own[term], wide.shape)
        n, c, coordinates = parts
        moved = numbering.encode(0 if n is None else n, 0 if c is None else c, coordinates)
        return super().fused(_from_flat, static, np.where(inside, moved, wide))


@planted(FOREIGN)
class AnotherBatchEntryTaken(FromFlat):
    """An index into another batch entry is taken for one into its own."""

    def offsets(self, offset: Array, valid: Array, static: Any, indices: Array) -> tuple[Array, Array]:
        return self.elsewhere(static, indices, 0)


@planted(FOREIGN)
class AnotherChannelTaken(FromFlat):
    """An index into another channel is taken for one into its own."""

    def offsets(self, offset: Array, valid: Array, static: Any, indices: Array) -> tuple[Array, Array]:
        return self.elsewhere(static, indices, 1)


@planted(FOREIGN)
class ForeignIndexTaken(FromFlat):
    """An index outside its own window is no error."""

    def offsets(self, offset: Array, valid: Array, static: Any, indices: Array) -> tuple[Array, Array]:
        return offset, np.ones_like(valid)


@planted(FOREIGN)
class IndexNarrowed(SoundNumpy):
    """An index of 64 bits is cut to 32 before it is checked."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        return super().fused(function, static, *(map(narrowed, arrays) if function is _from_flat else arrays))


@planted(FOREIGN)
class OffsetInPaddingTaken(SoundNumpy):
    """An offset that names padding is no error."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        made = super().fused(function, static, *arrays)
        if function is _from_window:
            return made[0], (arrays[0] >= 0) & (arrays[0] < static.kernel_elements)
        return made


def narrowed(x: Array) -> Array:
    """The lower 32 bits of integers, read as integers again."""
    return x.astype(np.int32).astype(np.int64) if x.dtype.name in INTEGERS else x
