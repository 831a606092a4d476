"""`Backend`: what a framework must supply. It says how, never what: every rule stands in the core.

The contract is a `typing.Protocol` of about twenty primitives; docs/adding-a-backend.md explains it with an example.
The recipes of the core are written with the primitives alone. What is not abstract has a definition made of the rest,
which a class that derives from `Backend` inherits and may replace by something faster.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeGuard, runtime_checkable

import numpy as np

from unpoolx import _host, _maps, _recipe_fold, _recipe_pool
from unpoolx._dtypes import COMPLEX, FLOAT_BITS
from unpoolx._geometry import Geometry

Array = Any
Span = dict[int, tuple[Any, Any, int]]
"""Along each axis (counted from the end): start, number of elements, step."""


@dataclass(frozen=True)
class Capabilities:
    """What a backend declares: the conformance kit tests what is here, and skips the rest with that reason.

    Attributes:
        dtypes: the names of the dtypes that its arrays can hold.
        devices: the devices that it sees, in the framework's own words.
        gradient: whether `vjp` works, to every order.
        forward_mode: whether `jvp` works.
        compiled: the names of the ways to compile that `compile` takes; empty if there are none.
    """

    dtypes: tuple[str, ...]
    devices: tuple[str, ...]
    gradient: bool
    forward_mode: bool
    compiled: tuple[str, ...]


@runtime_checkable
class Backend(Protocol):
    """One framework's arrays, primitives and derivatives.

    Arrays take Python's operators element by element, with broadcasting: `+ - *` and a sign on numbers, `//` and `%` on
    signed integers, the six comparisons on numbers, `& | ~` on bools, between two arrays of one dtype or an array and a
    Python number; integers wrap.
    Axes of a `Span`, of `pad`, `stack` and `flip` count from the end; dtypes are names.
    """

    name: ClassVar[str]
    """The name that `backend=` takes."""
    gradient: ClassVar[bool] = False
    """Whether `vjp` works."""
    forward_mode: ClassVar[bool] = False
    """Whether `jvp` works."""
    compiled: ClassVar[tuple[str, ...]] = ()
    """The ways to compile that `compile` takes."""
    max_axes: int = 64
    """The most axes that the primitives take."""
    hides_numpy: bool = False
    """Whether NumPy itself is traced at the moment, so that its arrays cannot be looked at."""
    exact_comparisons: bool = False
    """Whether comparisons see subnormal numbers as what they are, so that floats need no integer key."""
    fuses: bool = False
    """Whether whole recipes become one loop, where an array in between costs more than a comparison made twice."""
    unrolled_elements: int = 64
    """The most elements of an overlapping kernel that are compared one by one; those of a larger one are scattered."""
    counts_wide: bool = False
    """Whether numbers inside windows are better counted in int32 than in one byte until they are complete."""
    lazy: bool = False
    """Whether results are computed after a call, so that an error which only values can tell comes then."""
    mutable: bool = False
    """Whether a result may be written in place while it is built (`write`)."""

    # Required: what there is

    @property
    @abstractmethod
    def version(self) -> str:
        """The framework's version."""

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """The devices that the framework sees, in its own words."""

    @abstractmethod
    def dtypes(self) -> tuple[str, ...]:
        """The names of the dtypes that its arrays can hold."""

    @abstractmethod
    def is_array(self, x: object) -> bool:
        """Whether x is one of the framework's dense arrays, a traced or symbolic one included."""

    # Required: arrays in and out

    @abstractmethod
    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        """The framework's array with the same dtype and bits, on the device of `like`; it may share memory with x."""

    @abstractmethod
    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """The same dtype and bits on the host."""

    @abstractmethod
    def shape(self, x: Array) -> tuple[Any, ...]:
        """The shape; a length that is not known while tracing is the framework's scalar."""

    @abstractmethod
    def dtype(self, x: Array) -> str:
        """The dtype's name, the same in every framework."""

    # Required: operations on whole arrays

    @abstractmethod
    def cast(self, x: Array, dtype: str) -> Array:
        """x in another dtype: floats round to nearest even, integers wrap, bools become 0 and 1."""

    @abstractmethod
    def full(self, shape: tuple[Any, ...], value: Any, dtype: str, like: Array) -> Array:
        """An array of one number, on the device of `like`."""

    @abstractmethod
    def arange(self, count: Any, dtype: str, like: Array) -> Array:
        """The integers in range(count)."""

    @abstractmethod
    def reshape(self, x: Array, shape: Any) -> Array:
        """The same elements, row-major, in another shape."""

    @abstractmethod
    def broadcast_to(self, x: Array, shape: Any) -> Array:
        """x repeated along axes of length one, and along new ones in front."""

    @abstractmethod
    def transpose(self, x: Array, order: tuple[int, ...]) -> Array:
        """x with axis `order[i]`, counted from the front, as its axis i."""

    @abstractmethod
    def flip(self, x: Array, axes: tuple[int, ...]) -> Array:
        """x in reverse along some axes."""

    @abstractmethod
    def slice(self, x: Array, span: Span) -> Array:
        """`count` elements from `start`, `step` apart (a positive number), along each axis of the span."""

    @abstractmethod
    def set_slice(self, x: Array, span: Span, values: Array) -> Array:
        """x with a slice replaced; an empty span is the whole of x. The result shares no memory with x."""

    @abstractmethod
    def stack(self, parts: list[Array], axis: int) -> Array:
        """The parts along a new axis that comes right after `axis` of each part."""

    @abstractmethod
    def where(self, condition: Array, x: Array, y: Array) -> Array:
        """x where the condition holds, else y; the three broadcast together."""

    # Required: numbers that follow no window. x and index have the shape (rows, m, C), index lies in range(size + 1),
    # the number `size` stands for "nowhere", and an index of (rows, m, 1) serves every channel.

    @abstractmethod
    def take_along(self, x: Array, index: Array) -> Array:
        """`x[row, index[row, i, c], c]`; here index lies in range(x.shape[-2])."""

    @abstractmethod
    def scatter_along(self, x: Array, index: Array, values: Array) -> Array:
        """x with `values[row, i, c]` at the slots `index[row, i, c]`, none of which comes twice but "nowhere"."""

    # Defined by the above for arrays that are immutable, untraced and on one device; to be replaced where that is
    # wrong, or for speed.

    def capabilities(self) -> Capabilities:
        """What this backend declares."""
        return Capabilities(self.dtypes(), self.devices(), self.gradient, self.forward_mode, self.compiled)

    def prepare(self, x: Array) -> Array:
        """x as the primitives take it (a variable becomes its value); never a copy without need."""
        return x

    def device(self, x: Array) -> str | None:
        """The device's name; None where arrays have none or are traced."""
        return None

    def to_device(self, x: Array, device: str) -> Array:
        """x on the first device whose name begins so, in either case, "cuda" and "gpu" being one word."""
        return _host.only_device(self, x, device)

    def is_concrete(self, x: Array) -> bool:
        """Whether x's values can be looked at: false inside compiled code."""
        return True

    def copy(self, x: Array) -> Array:
        """x itself where arrays are immutable, else an array that shares no memory with it."""
        return x

    def bits(self, x: Array) -> Array:
        """A float's bits as signed integers of the same width."""
        return _host.viewed(self, x, FLOAT_BITS[self.dtype(x)].integer)

    def as_dtype(self, x: Array, dtype: str) -> Array:
        """The bits of integers as integers of the same width."""
        return _host.viewed(self, x, dtype)

    def constant(self, numbers: Any, dtype: str, like: Array) -> Array:
        """An array of a number or of nested lists of them."""
        return _host.constant(self, numbers, dtype, like)

    def full_like(self, x: Array, value: Any, dtype: str) -> Array:
        """An array of one number in the shape of x."""
        return self.full(self.shape(x), value, dtype, like=x)

    def join(self, x: Array, axis: int) -> Array:
        """Axis `axis`, counted from the front, and the one after it as one axis."""
        shape = self.shape(x)
        return self.reshape(x, [*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]])

    def pad(self, x: Array, padding: dict[int, tuple[Any, Any]], value: float) -> Array:
        """x with (before, after) more elements of a value along some axes."""
        if not any(map(any, padding.values())):
            return x
        shape, inner = list(self.shape(x)), {}
        for axis, (before, after) in padding.items():
            inner[axis] = (before, shape[axis], 1)
            shape[axis] = shape[axis] + before + after
        return self.set_slice(self.full(tuple(shape), value, self.dtype(x), like=x), inner, x)

    def no_nan(self, x: Array) -> bool:
        """Whether floats are sure to hold no NaN, so that one comparison will do."""
        return False

    def divide(self, x: Array, count: Array) -> Array:
        """x / count, correctly rounded; both of one floating dtype."""
        return x / count

    def positive_zero(self, x: Array) -> Array:
        """x with +0.0 in place of -0.0, every other element as it is; complex numbers part by part."""
        dtype = self.dtype(x)
        if dtype in COMPLEX:
            return _host.by_numpy(self, "positive_zero", x)
        layout = FLOAT_BITS.get(dtype)
        return x if layout is None else self.where(self.bits(x) == layout.negative_zero, self.zero(x), x)

    def bounds(self, x: Array) -> tuple[int, int]:
        """The least and the greatest of integers, at least one, whose values can be looked at."""
        host = self.to_numpy(x)
        return int(host.min()), int(host.max())

    def last_writer(self, index: Array, size: Any) -> Array:
        """For each slot of (rows, size, C) the greatest i with `index[row, i, c] == slot`, or -1."""
        return _host.by_numpy(self, "last_writer", index, size)

    def ordered_sum(self, x: Array, index: Array, size: Any) -> Array:
        """For each slot of (rows, size, C), 0 plus its updates one after another in ascending i."""
        rows, _, channels = self.shape(x)
        return _recipe_fold.fold(self, "add", self.zeros((rows, size, channels), like=x), x, index)

    def occurrence(self, index: Array, size: Any) -> tuple[Array, Any]:
        """How many earlier numbers, along i, are equal to each, and the most equal ones; "nowhere" does not count."""
        ranks, most = _host.by_numpy(self, "occurrence", index, size)
        return ranks, int(self.to_numpy(most))

    def loop(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        """`state` after `state = step(number, state)` for each number in range(count)."""
        for number in range(count):
            state = step(number, state)
        return state

    def nonzero(self, mask: Array) -> tuple[Array, ...]:
        """For each axis the coordinates of the True elements, row-major; TypeError where a shape must be static."""
        return tuple(_host.by_numpy(self, "nonzero", mask))

    def count_before(self, mask: Array) -> Array:
        """For each element of a boolean vector, how many before it are True."""
        return _host.by_numpy(self, "count_before", mask)

    def power(self, x: Array, exponent: Array) -> Array:
        """x**exponent of floats or complex numbers."""
        return x**exponent

    def log(self, x: Array) -> Array:
        """The natural logarithm; only derivatives ask for it."""
        return _host.absent(f"{self.name} declares no gradient and has no log")

    def zero(self, x: Array) -> Array:
        """The zero of x's dtype, of no axes."""
        return self.full((), 0, self.dtype(x), like=x)

    def zeros(self, shape: tuple[Any, ...], like: Array) -> Array:
        """Zeros of the dtype of `like`."""
        return self.full(shape, 0, self.dtype(like), like=like)

    def along(self, x: Array, axis: int) -> Array:
        """A vector laid along `axis`, counted from the end, with length-one axes after it."""
        return self.reshape(x, [self.shape(x)[0]] + [1] * (-axis - 1))

    def add(self, x: Array, y: Array) -> Array:
        """x + y, part by part where they are complex."""
        return x + y

    def length(self, length: Any, dtype: str) -> Any:
        """A length as it combines with arrays of a dtype; an int is one already."""
        return length

    def beside(self, x: Array) -> AbstractContextManager[Any]:
        """A context in which new arrays come to lie on the device of x."""
        return nullcontext()

    def traced_index(self, item: Any) -> Array:
        """A list or NumPy array as the backend's array, where `hides_numpy` holds."""
        return _host.absent(f"{self.name} does not trace NumPy")

    def write(self, x: Array, span: Span, where: Array | None, values: Array, add: bool) -> None:
        """In a mutable backend, set (or add to) the elements of a slice of x where `where` holds (None: all)."""
        _host.absent(f"the arrays of {self.name} are not mutable")

    # What carries a derivative: to be replaced where there are gradients

    def max_pool(self, x: Array, geometry: Geometry) -> tuple[Array, Array]:
        """Values and offsets; the derivative of the values is `Gather(geometry)` at the offsets."""
        values, offsets = self.fused(_recipe_pool.max_pool, geometry, x)
        return values, offsets

    def linear(self, linear_map: _maps.LinearMap, x: Array, index: Array | None) -> Array:
        """`linear_map.apply`, with the map as its tangent and the adjoint map as its cotangent."""
        return self.fused(_maps.apply_map, linear_map, x, index)

    def folded(self, op: str, x: Array, v: Array, index: Array | None) -> Array:
        """`_recipe_fold.fold`, whose derivative is `_recipe_fold.coefficients`."""
        return _recipe_fold.fold(self, op, x, v, index)

    def fused(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        """`function(self, static, *arrays)`, as one compiled program where that pays; `static` is hashable."""
        return function(self, static, *arrays)

    def in_steps(self, function: Callable[..., Any], static: Any, *arrays: Array | None) -> Any:
        """`fused` where a compiled program would serve no other call: then as single operations."""
        return self.fused(function, static, *arrays)

    def whole(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """`function(self, *arguments, **named)`, an algorithm of the core that arrays in chunks may do otherwise."""
        return function(self, *arguments, **named)

    # The framework's own transformations of a user's function, for tests: required where they are declared

    def vjp(self, function: Callable[..., Array], arrays: list[Array], cotangent: Array) -> list[Array]:
        """The cotangents of a function's arguments, given its result's; zeros for one that takes no part."""
        return _host.absent(f"{self.name} declares no gradient")

    def jvp(self, function: Callable[..., Array], arrays: list[Array], tangents: list[Array]) -> Array:
        """The tangent of a function's result, given its arguments'."""
        return _host.absent(f"{self.name} declares no forward mode")

    def compile(self, function: Callable[..., Any], how: str) -> Callable[..., Any]:
        """The function of arrays compiled in one of the ways that `compiled` lists; its result may be a tuple."""
        return _host.absent(f"{self.name} declares no compiled mode")


MEMBERS = tuple(sorted({m for m in (*vars(Backend), *Backend.__annotations__) if not m.startswith("_")}))
"""What the contract asks a class for; whoever derives from `Backend` inherits what has a default."""


def is_backend(x: object) -> TypeGuard[Backend]:
    """Whether an object's class has every member of the contract.

    Asked of the class: an object of anybody's may raise where its attributes are looked at, and a compiler that traces
    this cannot ask for a protocol.
    """
    return all(hasattr(type(x), member) for member in MEMBERS)
