"""Faults of max pooling: which element of a window is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
from faults import SoundNumpy, planted

from unpoolx._backend import Array
from unpoolx._dtypes import FLOAT_BITS, UNSIGNED
from unpoolx._geometry import Geometry
from unpoolx._maps import Gather
from unpoolx._recipe_regions import padded_for_reading

POOL = "max-pool-chooses-the-first-maximum"


class Choosing(SoundNumpy):
    """The sound choice, and the means to make another one."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        """What takes the place of the choice."""
        return self.soundly(x, geometry)

    def soundly(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        """The values and offsets as they should be."""
        return super().max_pool(x, geometry)

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            return self.choose(x, geometry)

    def elements(self, x: Array, geometry: Geometry) -> Array:
        """Every window's elements along a new first axis; zeros for padding."""
        padded = padded_for_reading(self, x, geometry)
        return np.stack([self.slice(padded, geometry.reached_by(element)) for element in geometry.elements()])

    def real(self, x: Array, geometry: Geometry) -> Array:
        """Where `elements` are no padding."""
        return self.elements(np.ones(x.shape, bool), geometry)

    def ties(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        """The sound values, and where the real elements of the windows equal them, a NaN every NaN."""
        values, _ = self.soundly(x, geometry)
        elements = self.elements(x, geometry)
        equal = (elements == values) | ((elements != elements) & (values != values))  # noqa: PLR0124  # NaN
        return values, equal & self.real(x, geometry)

    def chosen(self, x: Array, geometry: Geometry, offsets: Array) -> tuple[Array, Array]:
        """The elements at some offsets, and the offsets in the sound dtype."""
        offsets = offsets.astype(geometry.offset_dtype)
        return self.linear(Gather(geometry), x, offsets), offsets

    def by_key(self, x: Array, key: Array, geometry: Geometry) -> tuple[Array, Array]:
        """The choice that the sound backend makes of other numbers in the places of x."""
        return self.chosen(x, geometry, self.soundly(key, geometry)[1])


@planted(POOL)
class TiesToTheLast(Choosing):
    """Of equal elements the last one of the window is chosen."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        _, ties = self.ties(x, geometry)
        return self.chosen(x, geometry, len(ties) - 1 - np.argmax(ties[::-1], axis=0))


@planted(POOL)
class TiesInColumnOrder(Choosing):
    """Of equal elements the first in column-major order is chosen, as reducing the first axis first would."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        _, ties = self.ties(x, geometry)
        order = np.lexsort(np.array(list(geometry.elements())).T)  # the last axis counts most
        return self.chosen(x, geometry, order[np.argmax(ties[order], axis=0)])


@planted(POOL)
class LastNan(Choosing):
    """Of several NaNs the last one is chosen."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, ties = self.ties(x, geometry)
        last = np.where(values != values, len(ties) - 1 - np.argmax(ties[::-1], axis=0), np.argmax(ties, axis=0))  # noqa: PLR0124  # NaN
        return self.chosen(x, geometry, last)


@planted(POOL)
class NanIgnored(Choosing):
    """A NaN loses to every number."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        if x.dtype.name not in FLOAT_BITS:
            return self.soundly(x, geometry)
        return self.by_key(x, np.where(np.isnan(x), x.dtype.type(-np.inf), x), geometry)


@planted(POOL)
class NegativeZeroIsLess(Choosing):
    """-0.0 loses to +0.0."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        if x.dtype.name not in FLOAT_BITS:
            return self.soundly(x, geometry)
        tiny = -np.finfo(np.float64).smallest_subnormal
        with np.errstate(invalid="ignore"):
            return self.by_key(x, np.where((x == 0) & np.signbit(x), tiny, x.astype(np.float64)), geometry)


@planted(POOL)
class SubnormalsAreZero(Choosing):
    """Subnormal numbers are compared as zeros."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        if x.dtype.name not in FLOAT_BITS:
            return self.soundly(x, geometry)
        exponent = FLOAT_BITS[x.dtype.name].infinity
        return self.by_key(x, np.where(self.bits(x) & exponent == 0, x.dtype.type(0), x), geometry)


@planted(POOL)
class PaddingIsZero(Choosing):
    """Padding takes part as zeros, and is chosen where every real element is negative."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = self.soundly(x, geometry)
        real = self.real(x, geometry)
        taken = (values < 0) & ~real.all(axis=0)
        offsets = np.where(taken, np.argmin(real, axis=0).astype(offsets.dtype), offsets)
        return np.where(taken, values.dtype.type(0), values), offsets


@planted(POOL)
class PaddingIsTheLeast(Choosing):
    """Padding takes part as the least value, and is chosen where it comes first and no real element is greater."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        values, offsets = self.soundly(x, geometry)
        least: Any = -np.inf if x.dtype.name in FLOAT_BITS else 0 if x.dtype == bool else np.iinfo(x.dtype).min
        taken = (values == least) & ~self.real(x, geometry)[0]
        return values, np.where(taken, offsets.dtype.type(0), offsets)


@planted(POOL)
class UnsignedComparedAsSigned(Choosing):
    """Unsigned integers are compared as signed ones, so that the greatest count as negative."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        if x.dtype.name not in UNSIGNED:
            return self.soundly(x, geometry)
        return self.by_key(x, x.view(x.dtype.name.removeprefix("u")), geometry)


@planted(POOL)
class WideIntegersComparedAsFloats(Choosing):
    """64-bit integers are compared as float64, which takes neighbours for equal."""

    def choose(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        return (
            self.by_key(x, x.astype(np.float64), geometry)
            if x.dtype in (np.int64, np.uint64)
            else self.soundly(x, geometry)
        )
