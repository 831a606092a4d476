"""Faults of single primitives, most of them in a backend that assembles its results from comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from faults import Assembled, SoundNumpy, planted, sound

from unpoolx._backend import Array, Backend, Span

POOL = "max-pool-chooses-the-first-maximum"
LAST = "the-last-window-that-points-at-an-element-wins"
SUM = "values-that-meet-are-summed-in-order"
RAW_LAST = "raw-indices-keep-the-last-value-of-each-element"
RAW_SUM = "raw-indices-sum-the-values-of-each-element-in-order"
FIXED = "unpool-fixed-puts-each-value-at-the-position"
PRIMITIVES = "primitives-move-elements-as-the-contract-says"
GET = "get-reads-the-elements-that-the-index-names"


@planted(LAST)
class StackedInReverse(Assembled):
    """`stack` puts its parts in reverse order."""

    def stack(self, parts: list[Array], axis: int) -> Array:
        return super().stack(parts[::-1], axis)


@planted(LAST)
class StackedInFront(Assembled):
    """`stack` puts the new axis before the one that it should follow."""

    def stack(self, parts: list[Array], axis: int) -> Array:
        return super().stack(parts, axis - 1)


@planted(LAST)
class JoinedTransposed(Assembled):
    """`join` takes the second of the two axes for the outer one."""

    def join(self, x: Array, axis: int) -> Array:
        return super().join(x, axis) if x.ndim < axis + 2 else _joined(x.swapaxes(axis, axis + 1), axis)


def _joined(x: Array, axis: int) -> Array:
    return x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])


@planted(POOL)
class PaddedOnTheOtherSide(Assembled):
    """`pad` takes (before, after) for (after, before)."""

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        return super().pad(x, {axis: pair[::-1] for axis, pair in padding.items()}, value)


@planted(POOL)
class PaddedWithZeros(Assembled):
    """`pad` adds zeros, whatever the value."""

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        return super().pad(x, padding, 0)


@planted(POOL)
class BitsUnsigned(Assembled):
    """`bits` gives unsigned integers, so that negative numbers have the greatest keys."""

    def bits(self, x: Array) -> Array:
        return x.view(f"u{x.dtype.itemsize}")


@planted(POOL)
class ComparedByRoundedKeys(Assembled):
    """`exact_comparisons` is declared where subnormal numbers are compared as zeros."""

    exact_comparisons = True

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        if x.dtype not in (np.float32, np.float64):
            return super().pad(x, padding, value)
        with np.errstate(all="ignore"):
            return super().pad(np.where(np.abs(x) < np.finfo(x.dtype).tiny, x * 0, x), padding, value)


@planted(POOL)
class ArangeFromOne(SoundNumpy):
    """`arange` begins at one."""

    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        return super().arange(count, dtype, like) + np.ones((), dtype)


@planted(GET)
class ReshapedByColumns(SoundNumpy):
    """`reshape` takes the elements in column-major order."""

    def reshape(self, x: Array, shape: Any) -> Array:
        return np.reshape(x, shape, order="F")


@planted(GET)
class TransposedBack(SoundNumpy):
    """`transpose` takes the order for its inverse."""

    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        return super().transpose(x, tuple(np.argsort(order)))


@planted(PRIMITIVES)
class SliceFromTheStart(SoundNumpy):
    """`slice` of a single element takes the first one."""

    def slice(self, x: Array, span: Span) -> Array:
        return super().slice(
            x, {a: (0 if count == 1 else start, count, step) for a, (start, count, step) in span.items()}
        )


@planted(RAW_LAST)
class OneChannelForAllTaken(SoundNumpy):
    """`take_along` uses the numbers of the first channel for all."""

    def take_along(self, x: Array, index: Array) -> Array:
        return super().take_along(x, np.broadcast_to(index[..., :1], index.shape))


@planted(RAW_LAST)
class OneRowForAllWritten(SoundNumpy):
    """`last_writer` uses the numbers of the first row for all."""

    def last_writer(self, index: Array, size: Any) -> Array:
        return super().last_writer(np.broadcast_to(index[:1], index.shape), size)


@planted(RAW_LAST)
class FirstWriter(SoundNumpy):
    """`last_writer` gives the first one."""

    def last_writer(self, index: Array, size: Any) -> Array:
        last = super().last_writer(index[:, ::-1], size)
        return np.where(last < 0, last, index.shape[1] - 1 - last)


@planted(RAW_SUM)
class RawSumInReverse(SoundNumpy):
    """`ordered_sum` adds from the last update to the first."""

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        return super().ordered_sum(x[:, ::-1], index[:, ::-1], size)


@planted(RAW_SUM)
class RawSumInDouble(SoundNumpy):
    """`ordered_sum` adds float32 in float64 and rounds once."""

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        wide = x.astype(np.float64) if x.dtype == np.float32 else x
        return self.cast(super().ordered_sum(wide, index, size), x.dtype.name)


@planted(RAW_SUM)
class RawSumBuffered(SoundNumpy):
    """`ordered_sum` keeps one update of each slot, as `x[index] += values` does."""

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        total = np.zeros((x.shape[0], size + 1, x.shape[2]), x.dtype)
        np.put_along_axis(total, index, x, axis=1)
        return total[:, :size]


@sound
class InRounds(SoundNumpy):
    """NumPy's backend with sums in rounds, as other frameworks need them."""

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        with np.errstate(all="ignore"):
            return Backend.ordered_sum(self, x, index, size)


@planted(RAW_SUM)
class RoundsInReverse(InRounds):
    """`occurrence` counts from the last equal number to the first."""

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        ranks, most = super().occurrence(index[:, ::-1], size)
        return ranks[:, ::-1], most


@planted(RAW_SUM)
class RoundsAcrossChannels(InRounds):
    """`occurrence` gives every channel the ranks of the first."""

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        ranks, most = super().occurrence(index, size)
        return np.broadcast_to(ranks[..., :1], ranks.shape), most


@planted(RAW_SUM)
class OneRoundTooFew(InRounds):
    """`loop` leaves the last round out."""

    def loop(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        return super().loop(count - 1 if count > 1 else count, step, state)
