"""Faults of updating by index: which elements are updated, and with which values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from faults import SoundNumpy, planted
from faults_reads import flushed

from unpoolx._backend import Array, Span
from unpoolx._dtypes import FLOAT_BITS
from unpoolx._recipe_at import Update, update

SET = "set-leaves-the-last-update-of-each-element"
MODES = "set-leaves-the-last-update-of-each-element"
MASK = "an-update-by-mask-is-where"
UNIQUE = "a-promise-of-unique-indices-changes-nothing-when-it-is-kept"
SLICES = "slices-and-integers-mean-what-they-do-to-numpy"
CASTS = "casts-round-to-nearest-even-and-wrap"
SLOTS = "numbered-slots-are-read-and-written"


class Updating(SoundNumpy):
    """Updates, tampered with."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        """What takes the place of an update."""
        return self.soundly(static, x, values, arrays)

    def soundly(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        """The update as it should be."""
        return super().fused(update, static, x, values, *arrays)

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is update:
            return self.updated(static, arrays[0], arrays[1], arrays[2:])
        return super().fused(function, static, *arrays)


@planted(MODES)
class UpdatesClipWraps(Updating):
    """Updates in mode "clip" take the number modulo the length."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static._replace(mode="wrap" if static.mode == "clip" else static.mode), x, values, arrays)


@planted(MODES)
class UpdatesWrapClips(Updating):
    """Updates in mode "wrap" take the nearest element."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static._replace(mode="clip" if static.mode == "wrap" else static.mode), x, values, arrays)


@planted(MODES)
class DropWritesToTheEnd(Updating):
    """Updates in mode "drop" write to the nearest element."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static._replace(mode="clip" if static.mode == "drop" else static.mode), x, values, arrays)


@planted(SLOTS)
class NowhereIsTheLastSlot(SoundNumpy):
    """What is scattered nowhere is written to the last slot."""

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        return super().scatter_along(x, np.minimum(index, x.shape[1] - 1), values)


@planted(MASK)
class MaskOffByOne(SoundNumpy):
    """The values of a mask are counted from the second one."""

    def count_before(self, mask: Array) -> Array:
        before = super().count_before(mask)
        return np.minimum(before + 1, max(int(mask.sum()) - 1, 0))


@planted(MASK)
class MaskSelectsFalse(Updating):
    """A mask of one value for all updates where it is False."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        if static.plan.is_mask and values.ndim == 0:
            arrays = (~arrays[0],)
        return self.soundly(static, x, values, arrays)


@planted(SET)
class ValuesTransposed(Updating):
    """Values whose last two axes are of equal length are transposed."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        square = values.ndim > 1 and values.shape[-1] == values.shape[-2]
        return self.soundly(static, x, values.swapaxes(-1, -2) if square else values, arrays)


@planted(SET)
class NegativeStepUpdatesForwards(Updating):
    """Values for a slice with a negative step are written in ascending order."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        spans = tuple(replace(span, reversed=False) for span in static.plan.spans)
        return self.soundly(static._replace(plan=replace(static.plan, spans=spans)), x, values, arrays)


@planted(SET)
class FirstSetWins(SoundNumpy):
    """Of several values set at one element the first stays."""

    def last_writer(self, index: Array, size: Any) -> Array:
        count = index.shape[1]
        last = super().last_writer(index[:, ::-1], size)
        return np.where(last < 0, last, count - 1 - last)


@planted(SET)
class SetFlushesSubnormals(Updating):
    """A subnormal value is set as zero."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static, x, flushed(values) if static.op == "set" else values, arrays)


@planted(SET)
class OthersLoseTheirSign(Updating):
    """An update turns -0.0 into +0.0 all over the array."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        return self.soundly(static, self.positive_zero(x), values, arrays)


@planted(SLICES)
class StepIgnoredOnReplacing(SoundNumpy):
    """A slice with a step is replaced as if its step were 1."""

    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        return super().set_slice(x, {axis: (start, count, 1) for axis, (start, count, _) in span.items()}, values)


@planted(SET)
class WeakNumbersInSingle(SoundNumpy):
    """Python numbers come to a float64 array by way of float32."""

    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        made = super().constant(numbers, dtype, like)
        return made.astype(np.float32).astype(dtype) if dtype == "float64" else made


@planted(CASTS)
class ValuesTruncated(SoundNumpy):
    """A cast to a narrower float rounds towards zero."""

    def cast(self, x: Array, dtype: str) -> Array:
        made = super().cast(x, dtype)
        if x.dtype.name not in FLOAT_BITS or made.dtype.itemsize >= x.dtype.itemsize:
            return made
        with np.errstate(all="ignore"):
            beyond = np.isfinite(x) & (np.abs(made.astype(x.dtype)) > np.abs(x))
        bits = self.bits(made)
        return np.where(beyond, bits - np.ones((), bits.dtype), bits).view(made.dtype)


@planted(SET)
class ValuesSaturate(SoundNumpy):
    """A cast to a narrower integer stops at the ends of its range."""

    def cast(self, x: Array, dtype: str) -> Array:
        if x.dtype.kind not in "iu" or np.dtype(dtype).kind not in "iu" or np.dtype(dtype).itemsize >= x.dtype.itemsize:
            return super().cast(x, dtype)
        info = np.iinfo(dtype)
        return super().cast(np.clip(x, info.min, info.max), dtype)


@planted(UNIQUE)
class BrokenPromiseWritesElsewhere(SoundNumpy):
    """Of two updates that share a slot although none should, the second goes to the first slot."""

    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        earlier = np.tril(np.ones((index.shape[1], index.shape[1]), bool), -1)
        again = ((index[:, :, None] == index[:, None]) & earlier[:, :, None]).any(axis=2) & (index < x.shape[1])
        return super().scatter_along(x, np.where(again, 0, index), values)


@planted(UNIQUE)
class PromiseAddsTwice(Updating):
    """With unique=True what is added is added twice."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        twice = static.unique and static.op == "add"
        with np.errstate(over="ignore"):
            return self.soundly(static, x, values + values if twice else values, arrays)


@planted("the-result-has-the-dtype-of-x")
class UpdatedHalfIsSingle(Updating):
    """Updates of float16 come out as float32."""

    def updated(self, static: Update, x: Array, values: Array, arrays: tuple[Array, ...]) -> Array:
        result = self.soundly(static, x, values, arrays)
        return result.astype(np.float32) if x.dtype == np.float16 else result
