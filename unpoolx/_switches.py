"""`Switches`: where each pooled value came from, one small number per window."""

from __future__ import annotations

from typing import Any

from unpoolx import _from_indices
from unpoolx._arguments import accept, as_numpy, bring, integers_if_empty, require_integer
from unpoolx._backend import Backend, is_backend
from unpoolx._geometry import Geometry
from unpoolx._index_formats import FORMATS, Numbering, parse_index_format
from unpoolx._layout import show_shape
from unpoolx._recipe_unpool import spatial_positions
from unpoolx._registry import backend_of, get_backend
from unpoolx._window import Window, lengths, require_window


class Switches:
    """Where each pooled value came from: the number of the chosen element inside its window.

    Immutable. The offsets are the one array; the window and the spatial shape are static. So Switches pass
    through `jax.jit`, `jax.vmap`, `tf.function`, `tf.nest`, `torch.compile` and pickle.

    Args:
        offsets: integers of the pooled shape. Each is a row-major number inside its window, in
            `range(prod(kernel_size))`, and must name an element of the input, not of its padding.
        window: the `Window` of the pooling.
        spatial_shape: the spatial lengths of the input of the pooling, one int per spatial axis.

    Attributes:
        offsets: uint8 when the kernel has at most 256 elements, else int32; shape of the pooled array.
        window: the window, with one value per spatial axis.
        spatial_shape: a tuple of ints.

    Raises:
        TypeError: offsets that are not integers.
        ValueError: a shape that is not the pooled one; an offset that names no element of the input.

    Example:
        >>> import numpy as np, unpoolx
        >>> values, switches = unpoolx.max_pool(np.array([[[1.0], [3.0], [2.0], [0.0]]]), 2)
        >>> switches.offsets.ravel(), switches.spatial_shape
        (array([1, 0], dtype=uint8), (4,))

    Source: the name is Zeiler and Fergus's, "Visualizing and Understanding Convolutional Networks", section 2.1.
    """

    __slots__ = ("offsets", "spatial_shape", "window")

    offsets: Any
    window: Window
    spatial_shape: tuple[int, ...]

    def __init__(self, offsets: Any, window: Window, spatial_shape: tuple[int, ...]) -> None:
        require_window(window)
        sizes = lengths(spatial_shape, "spatial_shape", 1)
        window = window.with_rank_of((1, *sizes, 1))
        geometry = Geometry.of_spatial(window, sizes)
        ops, (offsets,) = accept(None, offsets=integers_if_empty(offsets))
        require_integer(ops, offsets, "offsets")
        checked = _from_indices.offsets_from_window(ops, offsets, geometry, "offsets")
        self._set(checked, window, sizes)

    def _set(self, offsets: Any, window: Window, spatial_shape: tuple[int, ...]) -> None:
        object.__setattr__(self, "offsets", offsets)
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "spatial_shape", spatial_shape)

    @classmethod
    def trusted(cls, offsets: Any, window: Window, spatial_shape: tuple[int, ...]) -> Switches:
        """Switches of offsets that are right by construction: nothing is checked, not even that they are arrays."""
        switches = object.__new__(cls)
        switches._set(offsets, window, spatial_shape)
        return switches

    @classmethod
    def from_indices(cls, indices: Any, window: Window, input_shape: tuple[int, ...], *, index_format: str) -> Switches:
        """Switches from the flat indices that a framework hands out. The indices are left as they are.

        Args:
            indices: integers of the pooled shape, batch and channels included.
            window: the `Window` of the pooling that made them.
            input_shape: the full shape of the input of that pooling.
            index_format: what an index counts, for an input (N, H, W, C) or (N, C, H, W):
                `"spatial"` (PyTorch, Paddle) h*W + w in its own plane;
                `"tf"` (`include_batch_in_index=False`) (h*W + w)*C + c;
                `"tf_batch"` ((n*H + h)*W + w)*C + c;
                `"onnx"` flat over (N, C, H, W); `"onnx_column_major"` the same with w*H + h inside a plane;
                `"window"` the row-major number inside the window.

        Returns:
            Switches in the framework of the indices.

        Raises:
            ValueError: an index that does not lie in its own window, with their number and the first; a shape that
                does not fit; an unknown format.
            TypeError: indices that are not integers.

        Example:
            >>> import numpy as np
            >>> from unpoolx import Switches, Window
            >>> indices = np.array([[[1], [2]]])
            >>> Switches.from_indices(indices, Window(2), (1, 4, 1), index_format="spatial").offsets.ravel()
            array([1, 0], dtype=uint8)
        """
        require_window(window)
        index_format = parse_index_format(index_format)
        shape = lengths(input_shape, "input_shape", 0)
        geometry = Geometry.of(window, shape)
        ops, (indices,) = accept(None, indices=integers_if_empty(indices))
        require_integer(ops, indices, "indices")
        if ops.shape(indices) != geometry.pooled_shape(shape):
            raise ValueError(
                f"indices: expected the pooled shape {geometry.pooled_shape(shape)} of input_shape={shape} and "
                f"{geometry.window}; got {show_shape(ops.shape(indices))}"
            )
        if index_format == "window":
            offsets = _from_indices.offsets_from_window(ops, indices, geometry, "indices")
        else:
            offsets = _from_indices.offsets_from_flat(ops, indices, geometry, shape, index_format)
        return cls.trusted(offsets, geometry.window, geometry.spatial_shape)

    def to_indices(self, index_format: str) -> Any:
        """The flat indices that another framework expects, in the framework and on the device of the offsets.

        Args:
            index_format: as in `from_indices`.

        Returns:
            An array of the pooled shape, int64 (int32 in JAX while its 64-bit mode is off); for `"window"` a copy of
            the offsets.

        Raises:
            OverflowError: an index that JAX without its 64-bit mode cannot hold.
            ValueError: an unknown format.

        Example:
            >>> import numpy as np, unpoolx
            >>> _, switches = unpoolx.max_pool(np.array([[[1.0], [3.0], [2.0], [0.0]]]), 2)
            >>> switches.to_indices("spatial").ravel()
            array([1, 2])
        """
        index_format = parse_index_format(index_format, FORMATS)
        ops = self.backend
        offsets = ops.prepare(self.offsets)
        if index_format == "window":
            return ops.copy(offsets)
        geometry, pooled = self.geometry, ops.shape(offsets)
        dtype = "int64" if "int64" in ops.dtypes() else "int32"
        numbering = Numbering(
            index_format,
            self.window.data_format,
            tuple(ops.length(n, dtype) for n in geometry.unpooled_shape(pooled)),
            len(self.spatial_shape),
        )
        if dtype == "int32" and numbering.count > 2**31:
            raise OverflowError(
                f"index_format={index_format!r} of shape {numbering.shape} needs indices up to {numbering.count - 1}, "
                f'which int32 cannot hold: jax.config.update("jax_enable_x64", True)'
            )
        return ops.fused(_flat_indices, (numbering, geometry, dtype), offsets)

    @property
    def backend(self) -> Backend:
        """The backend of the offsets."""
        return get_backend(self.offsets)

    @property
    def geometry(self) -> Geometry:
        """The window laid over the input of the pooling."""
        return Geometry.of_spatial(self.window, self.spatial_shape)

    def to(self, backend: str | Backend, like: Any = None) -> Switches:
        """The same switches with their offsets in another framework, on the device of `like` where it is given.

        Example:
            >>> import numpy as np, unpoolx
            >>> _, switches = unpoolx.max_pool(np.zeros((1, 4, 1)), 2)
            >>> switches.to("numpy") == switches
            True
        """
        if not (isinstance(backend, str) or is_backend(backend)):
            raise TypeError(f"backend: expected a name, such as 'numpy'; got {backend!r}")
        ops = get_backend(backend)
        arrays = {"offsets": self.offsets} if like is None else {"like": like, "offsets": self.offsets}
        moved = ops.copy(bring(ops, **arrays)[-1])  # a conversion may share memory, and these are kept
        return Switches.trusted(moved, self.window, self.spatial_shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Switches):
            return False  # one answer also beside an array, which would compare element by element
        if (self.window, self.spatial_shape) != (other.window, other.spatial_shape):
            return False
        mine, theirs = (_host(switches.offsets) for switches in (self, other))
        return bool(mine.shape == theirs.shape and (mine == theirs).all())

    __array_ufunc__ = None  # NumPy's arrays leave the comparison to Switches
    __hash__ = None  # type: ignore[assignment]  # it holds an array

    def __repr__(self) -> str:
        shape = getattr(self.offsets, "shape", "?")
        return f"Switches(offsets of shape {tuple(shape)}, {self.window}, spatial_shape={self.spatial_shape})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Switches are immutable: cannot set {name!r}. Make new ones")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Switches are immutable: cannot delete {name!r}. Make new ones")

    def __reduce__(self) -> tuple[Any, ...]:
        w = self.window
        fixed = (w.kernel_size, w.stride, w.padding, w.dilation, w.ceil_mode, w.data_format)
        return restore, (self.offsets, fixed, self.spatial_shape)

    # TensorFlow's protocol for structures that tf.nest and tf.function look into.

    def __tf_flatten__(self) -> tuple[tuple[Window, tuple[int, ...]], tuple[Any]]:
        return (self.window, self.spatial_shape), (self.offsets,)

    @classmethod
    def __tf_unflatten__(cls, metadata: tuple[Window, tuple[int, ...]], components: tuple[Any]) -> Switches:
        return cls.trusted(components[0], *metadata)


def restore(offsets: Any, fixed: tuple[Any, ...], spatial_shape: tuple[int, ...]) -> Switches:
    """Switches from what pickle keeps of them: the offsets, and plain values of the window."""
    kernel_size, stride, padding, dilation, ceil_mode, data_format = fixed
    window = Window(kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode, data_format=data_format)
    return Switches.trusted(offsets, window, spatial_shape)


def _flat_indices(ops: Backend, static: tuple[Numbering, Geometry, str], offsets: Any) -> Any:
    numbering, geometry, dtype = static
    n, c = numbering.own(ops, ops.shape(offsets), dtype, like=offsets)
    return numbering.encode(n, c, spatial_positions(ops, offsets, geometry, dtype))


def _host(offsets: Any) -> Any:
    owner = backend_of(offsets)
    return as_numpy(offsets, "offsets") if owner is None else owner.to_numpy(owner.prepare(offsets))
