"""Layers for Keras 3, on any of its backends: over `unpoolx.max_pool` and `unpoolx.unpool`.

A Keras model passes tensors from layer to layer and nothing else, so the switches travel as the tensor of their
offsets, and the unpooling layer is told the window again.
"""

from __future__ import annotations

from typing import Any

import keras

from unpoolx import Switches, Window, get_backend, max_pool, unpool
from unpoolx._functions import OVERLAPS
from unpoolx._geometry import Geometry
from unpoolx._layout import spatial_axes, with_spatial
from unpoolx._window import lengths

__all__ = ["MaxPooling", "MaxUnpooling"]

Shape = tuple[Any, ...]
"""Ints, None for a length that Keras does not know, or a framework's scalar for one that is known when it runs."""


class _Layer(keras.layers.Layer):
    """What the two layers share: the window in Keras' words."""

    def __init__(
        self,
        pool_size: int | tuple[int, ...] = 2,
        strides: int | tuple[int, ...] | None = None,
        padding: Any = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        rule = padding.upper() if isinstance(padding, str) else padding
        if rule not in ("VALID", "SAME"):
            raise ValueError(f"padding: expected 'valid' or 'same'; got {padding!r}")
        self.window = Window(pool_size, strides, rule, data_format=data_format or keras.config.image_data_format())
        self.built = True  # there are no weights

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        w = self.window
        return {
            **super().get_config(),
            "pool_size": w.kernel_size,
            "strides": w.stride,
            "padding": str(w.padding).lower(),
            "data_format": w.data_format,
        }


@keras.saving.register_keras_serializable(package="unpoolx")
class MaxPooling(_Layer):
    """Max pooling that keeps its switches, in one, two or three dimensions.

    Args:
        pool_size: elements of the window, an int for every spatial axis of the input or a tuple with one for each.
        strides: elements from one window to the next, in the same way; None means `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; None means `keras.config.image_data_format()`.
        **kwargs: as of every Keras layer, such as `name` and `dtype`.

    Input shape: (batch, *spatial, channels), or (batch, channels, *spatial) for "channels_first".

    Output: the values and the offsets, each window's row-major number of the chosen element (`Switches.offsets`: uint8,
    int32 for more than 256 elements), both in the pooled shape.

    Raises:
        ValueError, TypeError: arguments that are no window; a window that does not fit the input.

    Example:
        >>> import keras
        >>> from unpoolx.layers.keras import MaxPooling, MaxUnpooling
        >>> x = keras.Input((28, 28, 3))
        >>> values, offsets = MaxPooling(2)(x)
        >>> restored = MaxUnpooling(2)([values, offsets, x])
        >>> values.shape, offsets.dtype, restored.shape
        ((None, 14, 14, 3), 'uint8', (None, 28, 28, 3))
    """

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """Pool: `(values, offsets)`."""
        values, switches = max_pool(inputs, self.window)
        return values, switches.offsets

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """The shape of the values and that of the offsets, which are the same."""
        shape = _pooled_shape(self.window, tuple(input_shape))
        return shape, shape

    def compute_output_spec(self, inputs: Any) -> tuple[Any, Any]:
        """The values and the offsets as Keras' symbols."""
        values, offsets = self.compute_output_shape(inputs.shape)
        dtype = _offset_dtype(self.window, inputs.shape)
        return keras.KerasTensor(values, dtype=inputs.dtype), keras.KerasTensor(offsets, dtype=dtype)


@keras.saving.register_keras_serializable(package="unpoolx")
class MaxUnpooling(_Layer):
    """Each value back to where its offset points, zeros elsewhere.

    Called with `[values, offsets]`, or with `[values, offsets, reference]`: the reference is the input of the pooling,
    of which the layer takes the spatial lengths and nothing else. Without it they are `output_size`, and without that
    the ones that fit exactly: `(n - 1)*strides + pool_size` for "valid", `n*strides` for "same".

    Args:
        pool_size, strides, padding, data_format: those of the `MaxPooling` that made the offsets.
        overlap: as in `unpoolx.unpool`: "last" or "sum".
        output_size: the spatial lengths of the input of the pooling, one int per spatial axis.
        **kwargs: as of every Keras layer.

    Raises:
        ValueError: a size that the pooling would not bring to the size of the values; with neither reference nor
            `output_size`, "same" padding where the place of a window depends on the size that was pooled.
        TypeError: offsets of another dtype than `MaxPooling` makes.

    Example:
        >>> import keras
        >>> from unpoolx.layers.keras import MaxPooling, MaxUnpooling
        >>> x = keras.ops.reshape(keras.ops.array([1.0, 5.0, 3.0, 2.0, 4.0]), (1, 5, 1))
        >>> values, offsets = MaxPooling(2)(x)
        >>> keras.ops.convert_to_numpy(MaxUnpooling(2)([values, offsets, x])).ravel()
        array([0., 5., 3., 0., 0.], dtype=float32)
    """

    def __init__(
        self,
        pool_size: int | tuple[int, ...] = 2,
        strides: int | tuple[int, ...] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        overlap: str = "last",
        output_size: tuple[int, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        if overlap not in OVERLAPS:
            raise ValueError(f"overlap: expected 'last' or 'sum'; got {overlap!r}")
        self.overlap = overlap
        self.output_size = None if output_size is None else lengths(output_size, "output_size", 1)

    def call(self, inputs: Any) -> Any:
        """Unpool."""
        values, offsets, *reference = inputs
        ops = get_backend(values)
        window = self.window.with_rank_of(ops.shape(values))
        expected = _offset_dtype(window, ops.shape(values))
        if ops.dtype(offsets) != expected:
            raise TypeError(f"offsets: expected the {expected} that MaxPooling makes; got {ops.dtype(offsets)}")
        sizes = self._sizes(window, ops.shape(values), *map(ops.shape, reference))
        return unpool(values, Switches.trusted(offsets, window, sizes), overlap=self.overlap)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The unpooled shape, from those of the values, the offsets and the reference where there is one."""
        values, _, *reference = (tuple(shape) for shape in input_shape)
        window = self.window.with_rank_of(values)
        return with_spatial(values, window.data_format, self._sizes(window, values, *reference))

    def compute_output_spec(self, inputs: Any) -> Any:
        """The result as Keras' symbol."""
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype=inputs[0].dtype)

    def _sizes(self, window: Window, values: Shape, reference: Shape | None = None) -> Shape:
        """The spatial lengths of the result, checked as far as they are known."""
        axes = spatial_axes(window.data_format, window.rank or 0)
        if reference is not None:
            sizes = tuple(reference[axis] for axis in axes)
        elif self.output_size is not None:
            sizes = self.output_size
        else:
            return _least_sizes(window, tuple(values[axis] for axis in axes))
        if len(sizes) != len(axes):
            raise ValueError(f"output_size: expected {len(axes)} ints, one per spatial axis; got {sizes}")
        for i, (axis, size) in enumerate(zip(axes, sizes, strict=True)):
            pooled = _pooled_length(window, i, size)
            if isinstance(pooled, int) and isinstance(values[axis], int) and pooled != values[axis]:
                what = "output_size" if reference is None else "reference"
                raise ValueError(
                    f"{what}: expected a length on spatial axis {i} that {window} pools to {values[axis]}, as the "
                    f"values have it; got {size}, which it pools to {pooled}"
                )
        return sizes

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), "overlap": self.overlap, "output_size": self.output_size}


def _pooled_length(window: Window, axis: int, size: Any) -> Any:
    """What a spatial length is pooled to; None where it is not known yet."""
    if not isinstance(size, int):
        return None
    w: Any = window
    alone = Window((w.kernel_size[axis],), (w.stride[axis],), w.padding)
    return alone.output_shape((1, size, 1))[1]


def _pooled_shape(window: Window, shape: Shape) -> Shape:
    window = window.with_rank_of(shape)
    axes = spatial_axes(window.data_format, window.rank or 0)
    pooled = tuple(_pooled_length(window, i, shape[axis]) for i, axis in enumerate(axes))
    return with_spatial(shape, window.data_format, pooled)


def _least_sizes(window: Window, values: Shape) -> Shape:
    """The spatial lengths that fit exactly."""
    w: Any = window
    sizes = []
    for n, kernel, stride in zip(values, w.kernel_size, w.stride, strict=True):
        if w.padding == "VALID":
            sizes.append(None if n is None else (n - 1) * stride + kernel)
            continue
        if (kernel - 1) // 2 != max(kernel - stride, 0) // 2:  # the padding before, of the least and the greatest size
            raise ValueError(
                f"inputs: expected [values, offsets, reference], or output_size=, since with padding='same', "
                f"pool_size={w.kernel_size} and strides={w.stride} the size that was pooled says where a window lies; "
                "got [values, offsets]"
            )
        sizes.append(None if n is None else n * stride)
    return tuple(sizes)


def _offset_dtype(window: Window, shape: Shape) -> str:
    fixed = window.with_rank_of(shape)
    return Geometry.of_spatial(fixed, fixed.kernel_size).offset_dtype  # type: ignore[arg-type]  # a tuple by now
