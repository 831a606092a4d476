"""Faults of unpooling by raw indices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from faults import SoundNumpy, planted
from faults_indices import narrowed

from unpoolx._backend import Array
from unpoolx._raw_indices import _in_rows

RAW_LAST = "raw-indices-keep-the-last-value-of-each-element"
OUT_OF_RANGE = "a-raw-index-out-of-range-is-refused"


class Raw(SoundNumpy):
    """Raw indices as slots, tampered with."""

    def slots(self, index: Array, outside: Array, static: Any, numbers: Array) -> tuple[Array, Array]:
        """What takes the place of the slots, and of which are out of range."""
        return index, outside

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        made = super().fused(function, static, *arrays)
        return self.slots(made[0], made[1], static, arrays[0]) if function is _in_rows else made

    def of(self, static: Any, numbers: Array, **changes: Any) -> tuple[Array, Array]:
        """The sound slots of other numbers, or in another numbering."""
        return super().fused(_in_rows, (replace(static[0], **changes), static[1]), numbers)


@planted(OUT_OF_RANGE)
class RawIndexWraps(Raw):
    """A raw index out of range is taken modulo the length."""

    def slots(self, index: Array, outside: Array, static: Any, numbers: Array) -> tuple[Array, Array]:
        count = static[0].count
        return self.of(static, numbers.astype(np.int64) % count if count else numbers)


@planted(OUT_OF_RANGE)
class NegativeRawIndexCountsFromTheEnd(Raw):
    """A negative raw index counts from the end."""

    def slots(self, index: Array, outside: Array, static: Any, numbers: Array) -> tuple[Array, Array]:
        wide = numbers.astype(np.int64)
        return self.of(static, np.where(wide < 0, wide + static[0].count, wide))


@planted(OUT_OF_RANGE)
class RawIndexDropped(Raw):
    """A raw index out of range is dropped without an error."""

    def slots(self, index: Array, outside: Array, static: Any, numbers: Array) -> tuple[Array, Array]:
        return index, np.zeros_like(outside)


@planted(OUT_OF_RANGE)
class RawIndexNarrowed(Raw):
    """A raw index of 64 bits is cut to 32 before it is checked."""

    def slots(self, index: Array, outside: Array, static: Any, numbers: Array) -> tuple[Array, Array]:
        return self.of(static, narrowed(numbers))


@planted(RAW_LAST)
class RawRowsAndColumnsSwapped(Raw):
    """Raw indices in "onnx_column_major" are read as "onnx"."""

    def slots(self, index: Array, outside: Array, static: Any, numbers: Array) -> tuple[Array, Array]:
        swapped = static[0].index_format == "onnx_column_major"
        return self.of(static, numbers, index_format="onnx") if swapped else (index, outside)


@planted(RAW_LAST)
class RawBatchTermLost(Raw):
    """Raw indices of the whole array all point into the first batch entry."""

    def slots(self, index: Array, outside: Array, static: Any, numbers: Array) -> tuple[Array, Array]:
        numbering = static[0]
        if numbering.index_format in ("spatial", "tf") or outside.any() or not numbers.size:
            return index, outside
        return self.of(static, numbers % (numbering.count // numbering.batch))
