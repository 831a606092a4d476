"""Faults of the ways to unpool that need no switches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from faults import SoundNumpy, planted

from unpoolx import _recipe_average
from unpoolx._backend import Array
from unpoolx._dtypes import accumulation_dtype
from unpoolx._geometry import Geometry
from unpoolx._layout import spatial_axes
from unpoolx._maps import LinearMap, Spread
from unpoolx._recipe_unpool import unpool_strided
from unpoolx._without_switches import _fixed, _nearest

FIXED = "unpool-fixed-puts-each-value-at-the-position"
NEAREST = "unpool-nearest-repeats-each-value-over-its-block"
AVERAGE = "unpool-average-spreads-correctly-rounded-quotients"


class Placing(SoundNumpy):
    """unpool_fixed at other places."""

    def place(self, place: int, extent: int) -> int:
        """What takes the place of a position in a window of some extent."""
        return place

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is _fixed:
            geometry, places = static
            same = geometry.window.padding == "SAME"
            extents = [axis.stride if same else axis.kernel for axis in geometry.axes]
            static = geometry, tuple(self.place(p, e) for p, e in zip(places, extents, strict=True))
        return super().fused(function, static, *arrays)


@planted(FIXED)
class CenterRoundedUp(Placing):
    """The centre of an even window is the later one of the two in the middle."""

    def place(self, place: int, extent: int) -> int:
        return extent // 2 if place == (extent - 1) // 2 else place


@planted(FIXED)
class CornerAtTheEnd(Placing):
    """Positions are counted from the end of the window."""

    def place(self, place: int, extent: int) -> int:
        return extent - 1 - place


@planted(FIXED)
class PositionsSwapped(SoundNumpy):
    """Positions are taken for the spatial axes in reverse order, where they fit."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is _fixed:
            geometry, places = static
            ends = [(axis.windows - 1) * axis.stride + 1 for axis in geometry.axes]
            axes = zip(places[::-1], ends, geometry.axes, strict=True)
            if all(place + end <= axis.size for place, end, axis in axes):
                static = geometry, places[::-1]
        return super().fused(function, static, *arrays)


@planted(FIXED)
class FixedRepeats(SoundNumpy):
    """unpool_fixed fills the elements between the values with the value before them."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        result = super().fused(function, static, *arrays)
        if function is _fixed:
            axis, place = static[0].spatial_axes[-1], static[1][-1]
            step = static[0].axes[-1].stride
            filled = np.moveaxis(result, axis, -1)
            for i in range(place + 1, filled.shape[-1]):
                if (i - place) % step:
                    filled[..., i] = filled[..., i - 1]
        return result


@planted(NEAREST)
class NearestInTileOrder(SoundNumpy):
    """unpool_nearest repeats the whole array instead of each value."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is not _nearest:
            return super().fused(function, static, *arrays)
        (x,) = arrays
        repeats = [1] * x.ndim
        for where, times in static:
            repeats[where] = times
        return np.tile(x, repeats)


@planted(NEAREST)
class ScalesSwapped(SoundNumpy):
    """unpool_nearest takes the scales for the spatial axes in reverse order."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is _nearest:
            times = [scale for _, scale in static][::-1]
            static = tuple((where, scale) for (where, _), scale in zip(static, times, strict=True))
        return super().fused(function, static, *arrays)


@planted(NEAREST)
class ChannelsRepeated(SoundNumpy):
    """unpool_nearest takes an array whose channels come first for one whose channels come last."""

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        if function is _nearest:
            places = spatial_axes("channels_last", len(static))
            static = tuple((where, scale) for where, (_, scale) in zip(places, static, strict=True))
        return super().fused(function, static, *arrays)


class Spreading(SoundNumpy):
    """unpool_average, tampered with."""

    def spread(self, x: Array, geometry: Geometry) -> Array:
        """What takes the place of the average."""
        return super().linear(Spread(geometry), x, None)

    def added(self, shares: Array, geometry: Geometry, dtype: str) -> Array:
        """Shares added in order, in their own dtype."""
        total = unpool_strided(self, shares, None, geometry, "sum")
        return self.positive_zero(self.cast(total, dtype))

    def counts(self, geometry: Geometry, x: Array) -> Array:
        """The number of real elements of each window, in the dtype of x."""
        return self.cast(_recipe_average._real_elements(self, geometry, x), x.dtype.name)

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Spread):
            with np.errstate(all="ignore"):
                return self.spread(x, linear_map.geometry)
        return super().linear(linear_map, x, index)


@planted(AVERAGE)
class AverageOverTheWholeKernel(Spreading):
    """unpool_average divides by the size of the kernel, also where a part of it is padding."""

    def spread(self, x: Array, geometry: Geometry) -> Array:
        wide = self.cast(x, accumulation_dtype(x.dtype.name))
        return self.added(wide / wide.dtype.type(geometry.kernel_elements), geometry, x.dtype.name)


@planted(AVERAGE)
class AverageByTheReciprocal(Spreading):
    """unpool_average multiplies by the reciprocal of the count, which rounds twice."""

    def spread(self, x: Array, geometry: Geometry) -> Array:
        wide = self.cast(x, accumulation_dtype(x.dtype.name))
        shares = wide * (wide.dtype.type(1) / self.counts(geometry, wide))
        return self.added(shares, geometry, x.dtype.name)


@planted(AVERAGE)
class AverageRoundedTwice(Spreading):
    """unpool_average rounds the quotients of half precision before they are added."""

    def spread(self, x: Array, geometry: Geometry) -> Array:
        wide = self.cast(x, accumulation_dtype(x.dtype.name))
        shares = self.cast(self.cast(wide / self.counts(geometry, wide), x.dtype.name), wide.dtype.name)
        return self.added(shares, geometry, x.dtype.name)


@planted(AVERAGE)
class AverageSummedInHalf(Spreading):
    """unpool_average adds half precision in half precision."""

    def spread(self, x: Array, geometry: Geometry) -> Array:
        wide = self.cast(x, accumulation_dtype(x.dtype.name))
        shares = self.cast(wide / self.counts(geometry, wide), x.dtype.name)
        return self.added(shares, geometry, x.dtype.name)


@planted(AVERAGE)
class AverageKeepsTheLast(Spreading):
    """unpool_average keeps the last share where windows meet."""

    def spread(self, x: Array, geometry: Geometry) -> Array:
        wide = self.cast(x, accumulation_dtype(x.dtype.name))
        last = unpool_strided(self, wide / self.counts(geometry, wide), None, geometry, "last")
        return self.positive_zero(self.cast(last, x.dtype.name))


@planted(AVERAGE)
class AverageRepeats(Spreading):
    """unpool_average gives each element of a window the whole value."""

    def spread(self, x: Array, geometry: Geometry) -> Array:
        wide = self.cast(x, accumulation_dtype(x.dtype.name))
        return self.added(wide, geometry, x.dtype.name)
