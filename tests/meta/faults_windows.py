"""Faults of where windows lie. The core lays them; here a backend lays them anew, in as many windows, and wrongly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from faults import SoundNumpy, planted

from unpoolx._backend import Array
from unpoolx._geometry import Axis, Geometry
from unpoolx._maps import Gather, LinearMap, Unpool

POOL = "max-pool-chooses-the-first-maximum"


class Misplaced(SoundNumpy):
    """Pooling, and nothing else, sees other windows."""

    def axis(self, axis: Axis, geometry: Geometry, number: int) -> Axis:
        """What takes the place of a spatial axis."""
        return axis

    def misplaced(self, geometry: Geometry) -> Geometry:
        """What takes the place of a geometry."""
        return replace(geometry, axes=tuple(self.axis(axis, geometry, i) for i, axis in enumerate(geometry.axes)))

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        return super().max_pool(x, self.misplaced(geometry))


def total_padding(axis: Axis) -> int:
    """The padding of both sides that the windows reach."""
    return max(0, (axis.windows - 1) * axis.stride + axis.extent - axis.size)


@planted(POOL)
class SameOnTheOtherSide(Misplaced):
    """padding="SAME" puts the odd element before."""

    def axis(self, axis: Axis, geometry: Geometry, number: int) -> Axis:
        odd = geometry.window.padding == "SAME" and total_padding(axis) % 2
        return replace(axis, before=axis.before + 1) if odd else axis


@planted(POOL)
class SameLowerOnTheOtherSide(Misplaced):
    """padding="SAME_LOWER" puts the odd element after."""

    def axis(self, axis: Axis, geometry: Geometry, number: int) -> Axis:
        odd = geometry.window.padding == "SAME_LOWER" and total_padding(axis) % 2
        return replace(axis, before=axis.before - 1) if odd else axis


@planted(POOL)
class PaddingPairsSwapped(Misplaced):
    """Of a (before, after) pair, the second number counts as the one before."""

    def axis(self, axis: Axis, geometry: Geometry, number: int) -> Axis:
        padding = geometry.window.padding
        pair = padding[number] if isinstance(padding, tuple) else None
        return replace(axis, before=pair[1]) if isinstance(pair, tuple) else axis


@planted(POOL)
class CeilModeOneShort(SoundNumpy):
    """With ceil_mode the last window of an axis, where it reaches past the end, is left out."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        for where, axis in zip(geometry.spatial_axes, geometry.axes, strict=True):
            beyond = (axis.windows - 1) * axis.stride + axis.extent > axis.before + axis.size
            if geometry.window.ceil_mode and axis.windows > 1 and beyond:
                kept = {where: (0, axis.windows - 1, 1)}
                values, offsets = self.slice(values, kept), self.slice(offsets, kept)
        return values, offsets


@planted(POOL)
class CeilModeMoved(Misplaced):
    """With ceil_mode the windows begin one element too early."""

    def axis(self, axis: Axis, geometry: Geometry, number: int) -> Axis:
        return replace(axis, before=axis.before + 1) if geometry.window.ceil_mode and axis.kernel > 1 else axis


@planted(POOL)
class DilationOfOneAxisIgnored(Misplaced):
    """On the last spatial axis the dilation counts as 1."""

    def axis(self, axis: Axis, geometry: Geometry, number: int) -> Axis:
        return replace(axis, dilation=1) if number == len(geometry.axes) - 1 else axis


@planted(POOL)
class StridesSwapped(Misplaced):
    """The strides are taken for the spatial axes in reverse order."""

    def axis(self, axis: Axis, geometry: Geometry, number: int) -> Axis:
        return replace(axis, stride=geometry.axes[-1 - number].stride)


@planted("unpool-puts-each-value-where-its-switch-points")
class UnpooledOffByOne(SoundNumpy):
    """Unpooling puts every value one element late on the last spatial axis, round the end."""

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        result = super().linear(linear_map, x, index)
        if not isinstance(linear_map, Unpool):
            return result
        return np.roll(result, 1, axis=linear_map.geometry.spatial_axes[-1])


@planted("unpool-puts-each-value-where-its-switch-points")
class OddEndLost(SoundNumpy):
    """Unpooling leaves the elements past the last whole stride zero."""

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        result = super().linear(linear_map, x, index)
        if isinstance(linear_map, Unpool):
            result = result.copy()
            for where, axis in zip(linear_map.geometry.spatial_axes, linear_map.geometry.axes, strict=True):
                whole = axis.size // axis.stride * axis.stride
                self.slice(result, {where: (whole, axis.size - whole, 1)})[...] = 0
        return result


@planted("gather-reads-the-element-that-each-switch-points-at")
class GatherReadsTheNext(SoundNumpy):
    """gather reads the element after the one that a switch names."""

    def linear(self, linear_map: LinearMap, x: Array, index: Array | None) -> Array:
        if isinstance(linear_map, Gather):
            x = np.roll(x, -1, axis=linear_map.geometry.spatial_axes[-1])
        return super().linear(linear_map, x, index)
