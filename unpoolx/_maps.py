"""The linear maps behind every gradient: each names its algorithm and its adjoint, once for all backends.

Unpooling and reading by switches are linear in their array, so one rule differentiates everything: the tangent of
a map is the map itself, and its cotangent goes through the `adjoint`. A backend wraps `apply` in its framework's
custom derivative and is done, to every order. Maps are immutable and hashable: static arguments of compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unpoolx import _recipe_average, _recipe_scatter, _recipe_unpool
from unpoolx._geometry import Geometry

if TYPE_CHECKING:
    from unpoolx._backend import Backend


@dataclass(frozen=True)
class Unpool:
    """Put each value at the element that its offset names. The index holds offsets of the pooled shape."""

    geometry: Geometry
    overlap: str

    @property
    def adjoint(self) -> Gather:
        return Gather(self.geometry, winners=self.overlap == "last" and self.geometry.overlaps)

    def result_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The full shape of the result, from that of the argument."""
        return self.geometry.unpooled_shape(shape)

    def apply(self, ops: Backend, x: Any, offsets: Any) -> Any:
        return _recipe_unpool.unpool(ops, x, offsets, self.geometry, self.overlap)


@dataclass(frozen=True)
class Gather:
    """Read the element that each offset names; with `winners`, zero where a later window points at it too."""

    geometry: Geometry
    winners: bool = False

    @property
    def adjoint(self) -> Unpool:
        return Unpool(self.geometry, "last" if self.winners else "sum")

    def result_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The full shape of the result, from that of the argument."""
        return self.geometry.pooled_shape(shape)

    def apply(self, ops: Backend, x: Any, offsets: Any) -> Any:
        return _recipe_unpool.gather(ops, x, offsets, self.geometry, self.winners)


@dataclass(frozen=True)
class Scatter:
    """Put values of shape (..., m, C) at the slots that an index of that shape names along an axis of `size` slots.

    A number outside `range(size)` is dropped.
    """

    size: Any
    overlap: str

    @property
    def adjoint(self) -> Take:
        return Take(self.size, winners=self.overlap == "last")

    def apply(self, ops: Backend, x: Any, index: Any) -> Any:
        return _recipe_scatter.scatter(ops, x, index, self.size, self.overlap)


@dataclass(frozen=True)
class Take:
    """Read the slots that an index of shape (..., m, C) names from (..., size, C); zero for a number outside.

    With `winners`, zero also where a later number of the index names the same slot.
    """

    size: Any
    winners: bool = False

    @property
    def adjoint(self) -> Scatter:
        return Scatter(self.size, "last" if self.winners else "sum")

    def apply(self, ops: Backend, x: Any, index: Any) -> Any:
        return _recipe_scatter.take(ops, x, index, self.size, self.winners)


@dataclass(frozen=True)
class Spread:
    """Share each value evenly among the real elements of its window, and add where windows overlap. No index."""

    geometry: Geometry

    @property
    def adjoint(self) -> WindowMean:
        return WindowMean(self.geometry)

    def result_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The full shape of the result, from that of the argument."""
        return self.geometry.unpooled_shape(shape)

    def apply(self, ops: Backend, x: Any, index: None) -> Any:
        return _recipe_average.spread(ops, x, self.geometry)


@dataclass(frozen=True)
class WindowMean:
    """The mean of the real elements of each window. No index."""

    geometry: Geometry

    @property
    def adjoint(self) -> Spread:
        return Spread(self.geometry)

    def result_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The full shape of the result, from that of the argument."""
        return self.geometry.pooled_shape(shape)

    def apply(self, ops: Backend, x: Any, index: None) -> Any:
        return _recipe_average.window_mean(ops, x, self.geometry)


LinearMap = Unpool | Gather | Scatter | Take | Spread | WindowMean


def apply_map(ops: Backend, linear_map: LinearMap, x: Any, index: Any | None = None) -> Any:
    """`linear_map.apply`, as `Backend.fused` takes a function."""
    return linear_map.apply(ops, x, index)
