"""Faults of max pooling: how what was chosen is told."""

from __future__ import annotations

import numpy as np
from faults import SoundNumpy, planted

from unpoolx._backend import Array
from unpoolx._dtypes import FLOAT_BITS
from unpoolx._geometry import Geometry

POOL = "max-pool-chooses-the-first-maximum"


@planted(POOL)
class SubnormalMaximumFlushed(SoundNumpy):
    """A chosen element that is a subnormal number comes out as zero."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        if x.dtype.name in FLOAT_BITS:
            exponent = FLOAT_BITS[x.dtype.name].infinity
            values = np.where(self.bits(values) & exponent == 0, values.dtype.type(0), values)
        return values, offsets


@planted(POOL)
class ZeroWithoutSign(SoundNumpy):
    """A chosen -0.0 comes out as +0.0, as an addition of zero would make it."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        return self.positive_zero(values), offsets


@planted(POOL)
class ChannelsMixed(SoundNumpy):
    """Each channel is given the maxima of the next one."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        return super().max_pool(np.roll(x, 1, axis=geometry.channel_axis), geometry)


@planted(POOL)
class BatchEntriesMixed(SoundNumpy):
    """Each batch entry is given the maxima of the next one."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        has_batch = x.ndim > len(geometry.axes) + 1
        return super().max_pool(np.roll(x, 1, axis=0) if has_batch else x, geometry)


@planted(POOL)
class OffsetsColumnMajor(SoundNumpy):
    """The offsets count the elements of a window in column-major order."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        kernel = tuple(axis.kernel for axis in geometry.axes)
        table = np.arange(geometry.kernel_elements).reshape(kernel[::-1]).T.reshape(-1)
        return values, table[offsets].astype(offsets.dtype)


@planted(POOL)
class OffsetsInInt64(SoundNumpy):
    """The offsets are int64."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        return values, offsets.astype(np.int64)


@planted(POOL)
class OffsetsInAByte(SoundNumpy):
    """The offsets in a kernel of more than 256 elements lose all but a byte."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        return values, offsets & 255


@planted(POOL)
class HalfPooledIntoSingle(SoundNumpy):
    """The maxima of float16 come out as float32."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = super().max_pool(x, geometry)
        return values.astype(np.float32) if values.dtype == np.float16 else values, offsets


@planted(POOL)
class EmptyBatchFails(SoundNumpy):
    """An array without elements fails in the framework's own words."""

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        if x.size == 0:
            raise ValueError("zero-size array to reduction operation maximum which has no identity")
        return super().max_pool(x, geometry)
