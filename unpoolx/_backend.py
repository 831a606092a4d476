"""`Backend`: what a framework must supply. It says how, never what: every rule stands in the core.

A backend is a small set of array primitives plus the two operations that carry a derivative, `max_pool` and
`linear`. The recipes in the core are written with the primitives alone.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np

from unpoolx import _maps, _recipe_fold, _recipe_pool
from unpoolx._geometry import Geometry

Array = Any
Span = dict[int, tuple[Any, Any, int]]
"""Along each axis (counted from the end): start, number of elements, step."""


class Backend(abc.ABC):
    """One framework's arrays, primitives and derivatives."""

    name: ClassVar[str]
    """The name that `backend=` takes."""
    max_axes: int = 64
    """The most axes that the primitives take."""
    hides_numpy: bool = False
    """Whether NumPy itself is traced at the moment, so that its arrays cannot be looked at."""
    exact_comparisons: bool = False
    """Whether comparisons see subnormal numbers as what they are, so that floats need no integer key."""
    mutable: bool = False
    """Whether a result may be written in place while it is built (`write`)."""

    # What there is

    @property
    @abc.abstractmethod
    def version(self) -> str:
        """The framework's version."""

    @abc.abstractmethod
    def devices(self) -> tuple[str, ...]:
        """The devices that the framework sees, in its own words."""

    @abc.abstractmethod
    def dtypes(self) -> tuple[str, ...]:
        """The names of the dtypes that its arrays can hold."""

    # Arrays in and out

    @abc.abstractmethod
    def is_array(self, x: object) -> bool:
        """Whether x is one of the framework's dense arrays, a traced or symbolic one included."""

    @abc.abstractmethod
    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        """The framework's array with the same dtype and bits, on the device of `like`; it may share memory with x."""

    @abc.abstractmethod
    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """The same dtype and bits on the host."""

    @abc.abstractmethod
    def prepare(self, x: Array) -> Array:
        """x as the primitives take it (a variable becomes its value); never a copy without need."""

    @abc.abstractmethod
    def shape(self, x: Array) -> tuple[Any, ...]:
        """The shape; a length that is not known while tracing is the framework's scalar."""

    @abc.abstractmethod
    def dtype(self, x: Array) -> str:
        """The dtype's name, the same in every framework."""

    @abc.abstractmethod
    def device(self, x: Array) -> str | None:
        """The device's name; None where arrays have none or are traced."""

    @abc.abstractmethod
    def is_concrete(self, x: Array) -> bool:
        """Whether x's values can be looked at: false inside compiled code."""

    # Primitives. Axes count from the end. Dtypes are names.

    @abc.abstractmethod
    def cast(self, x: Array, dtype: str) -> Array: ...

    @abc.abstractmethod
    def copy(self, x: Array) -> Array:
        """x itself where arrays are immutable, else an array that shares no memory with it."""

    @abc.abstractmethod
    def bits(self, x: Array) -> Array:
        """A float's bits as signed integers of the same width."""

    @abc.abstractmethod
    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        """An array of a number or of nested lists of them."""

    @abc.abstractmethod
    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array: ...

    @abc.abstractmethod
    def full_like(self, x: Array, value: Any, dtype: str) -> Array: ...

    @abc.abstractmethod
    def arange(self, count: Any, dtype: str, like: Array) -> Array: ...

    @abc.abstractmethod
    def reshape(self, x: Array, shape: Any) -> Array: ...

    def join(self, x: Array, axis: int) -> Array:
        """Axis `axis`, counted from the front, and the one after it as one axis."""
        shape = self.shape(x)
        return self.reshape(x, [*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]])

    @abc.abstractmethod
    def broadcast_to(self, x: Array, shape: Any) -> Array: ...

    @abc.abstractmethod
    def slice(self, x: Array, span: Span) -> Array: ...

    @abc.abstractmethod
    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array: ...

    @abc.abstractmethod
    def stack(self, parts: list[Array], axis: int) -> Array:
        """The parts along a new axis that comes right after `axis` of each part."""

    @abc.abstractmethod
    def where(self, condition: Array, x: Array, y: Array) -> Array: ...

    @abc.abstractmethod
    def divide(self, x: Array, count: Array) -> Array:
        """x / count, correctly rounded; count holds positive integers as floats of x's dtype."""

    @abc.abstractmethod
    def positive_zero(self, x: Array) -> Array:
        """x with +0.0 in place of -0.0, every other element as it is."""

    # Numbers that follow no window: x and index have the shape (rows, m, C), index lies in range(size + 1), and the
    # number `size` stands for "nowhere".

    @abc.abstractmethod
    def take_along(self, x: Array, index: Array) -> Array:
        """`x[row, index[row, i, c], c]`; here index lies in range(x.shape[-2])."""

    @abc.abstractmethod
    def last_writer(self, index: Array, size: Any) -> Array:
        """For each slot of (rows, size, C) the greatest i with `index[row, i, c] == slot`, or -1."""

    @abc.abstractmethod
    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        """For each slot of (rows, size, C), 0 plus its updates one after another in ascending i."""

    @abc.abstractmethod
    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        """x with `values[row, i, c]` at the slots `index[row, i, c]`, none of which comes twice but "nowhere"."""

    @abc.abstractmethod
    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        """How many earlier numbers, along i, are equal to each, and the most equal ones; "nowhere" does not count."""

    @abc.abstractmethod
    def loop(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        """`state` after `state = step(number, state)` for each number in range(count)."""

    # Indexing

    @abc.abstractmethod
    def transpose(self, x: Array, order: tuple[int, ...]) -> Array: ...

    @abc.abstractmethod
    def flip(self, x: Array, axes: tuple[int, ...]) -> Array: ...

    @abc.abstractmethod
    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        """x with a slice replaced; an empty span is the whole of x. The result shares no memory with x."""

    @abc.abstractmethod
    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        """For each axis the coordinates of the True elements, row-major; TypeError where a shape must be static."""

    @abc.abstractmethod
    def count_before(self, mask: Array) -> Array:
        """For each element of a boolean vector, how many before it are True."""

    @abc.abstractmethod
    def as_dtype(self, x: Array, dtype: str) -> Array:
        """The bits of integers as integers of the same width."""

    @abc.abstractmethod
    def power(self, x: Array, exponent: Array) -> Array: ...

    @abc.abstractmethod
    def log(self, x: Array) -> Array: ...

    # What carries a derivative

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        """`_recipe_fold.fold`, whose derivative is `_recipe_fold.coefficients`."""
        return _recipe_fold.fold(self, op, x, v, index)

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        """Values and offsets; the derivative of the values is `Gather(geometry)` at the offsets."""
        values, offsets = self.fused(_recipe_pool.max_pool, geometry, x)
        return values, offsets

    def linear(self, linear_map: _maps.LinearMap, x: Array, index: Array | None) -> Array:
        """`linear_map.apply`, with the map as its tangent and the adjoint map as its cotangent."""
        return self.fused(_maps.apply_map, linear_map, x, index)

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        """`function(self, static, *arrays)`, as one compiled program where that pays; `static` is hashable."""
        return function(self, static, *arrays)

    # Made of the above

    def zero(self, x: Array) -> Array:
        """The zero of x's dtype, of no axes."""
        return self.full((), 0, self.dtype(x), like=x)

    def zeros(self, shape: tuple[Any, ...], like: Array) -> Array:
        """Zeros of the dtype of `like`."""
        return self.full(shape, 0, self.dtype(like), like=like)

    def along(self, x: Array, axis: int) -> Array:
        """A vector laid along `axis`, counted from the end, with length-one axes after it."""
        return self.reshape(x, [self.shape(x)[0]] + [1] * (-axis - 1))

    def traced_index(self, item: Any) -> Array:
        """A list or NumPy array as the backend's array, where `hides_numpy` holds."""
        raise NotImplementedError(f"{self.name} does not trace NumPy")

    def beside(self, x: Array) -> AbstractContextManager[Any]:
        """A context in which new arrays come to lie on the device of x."""
        return nullcontext()

    def add(self, x: Array, y: Array) -> Array:
        """x + y, part by part where they are complex."""
        return x + y

    def length(self, length: Any, dtype: str) -> Any:
        """A length as it combines with arrays of a dtype; an int is one already."""
        return length

    def write(self, x: Array, span: Span, where: Array | None, values: Array, add: bool) -> None:
        """In a mutable backend, set (or add to) the elements of a slice of x where `where` holds (None: all)."""
        raise NotImplementedError(f"the arrays of {self.name} are not mutable")
