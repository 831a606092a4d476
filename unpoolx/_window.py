"""`Window`: the geometry of pooling as a user writes it, checked but not yet applied to an array."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

from unpoolx._layout import parse_data_format, show_shape

Padding = str | int | tuple[int, ...] | tuple[tuple[int, int], ...]

PADDING_RULES = ("VALID", "SAME", "SAME_LOWER")


def whole_number(value: object, what: str, at_least: int) -> int:
    """`value` as an int, or an error that names it. A bool is not a number here."""
    if not isinstance(value, bool) and type(value).__name__ != "bool_":
        try:
            number = operator.index(value)  # type: ignore[arg-type]  # anything else raises just here
        except (TypeError, AttributeError, ValueError):
            pass  # what is no number may fail in its own way; it is named below
        else:
            if number < at_least:
                raise ValueError(f"{what}: expected an integer >= {at_least}; got {number}")
            return number
    raise TypeError(f"{what}: expected an integer >= {at_least}; got {type(value).__name__}: {value!r}")


def plain_shape(value: Any) -> Any:
    """TensorFlow's `x.shape` as the tuple that it is elsewhere, where its rank is known; all else as it is."""
    if type(value).__name__ == "TensorShape" and value.rank is not None:
        return tuple(value)
    return value


def lengths(value: object, what: str, at_least: int) -> tuple[int, ...]:
    """A shape as a tuple of ints, or an error that names it."""
    value = plain_shape(value)
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{what}: expected a tuple of integers >= {at_least}; got {type(value).__name__}: {value!r}")
    return tuple(whole_number(n, f"{what}[{i}]", at_least) for i, n in enumerate(value))


def require_window(window: object) -> None:
    """An error unless `window` is one."""
    if not isinstance(window, Window):
        raise TypeError(f"window: expected a Window; got {type(window).__name__}: {window!r}")


def _per_axis(value: object, what: str, at_least: int) -> int | tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        if not value:
            raise ValueError(f"{what}: expected an integer per spatial axis; got an empty {type(value).__name__}")
        return tuple(whole_number(v, f"{what}[{i}]", at_least) for i, v in enumerate(value))
    return whole_number(value, what, at_least)


def _parse_padding(padding: object) -> Padding:
    if isinstance(padding, str):
        if padding not in PADDING_RULES:
            rules = ", ".join(map(repr, PADDING_RULES))
            raise ValueError(
                f"padding: expected {rules}, an integer, an integer per axis or a (before, after) pair per axis; "
                f"got {padding!r}"
            )
        return padding
    if isinstance(padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in padding):
        pairs = []
        for i, pair in enumerate(padding):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(f"padding[{i}]: expected a (before, after) pair, as on the other axes; got {pair!r}")
            pairs.append(
                (
                    whole_number(pair[0], f"padding[{i}][0]", 0),
                    whole_number(pair[1], f"padding[{i}][1]", 0),
                )
            )
        return tuple(pairs)
    return _per_axis(padding, "padding", 0)


@dataclass(frozen=True)
class Window:
    """The geometry of a pooling, in plain integers: how windows lie on an array.

    Nothing here belongs to a framework, and a Window is immutable and hashable, so it can be a static argument
    of compiled code.

    Args:
        kernel_size: elements of the kernel per spatial axis, >= 1: an int (the same on every spatial axis; the
            array then has exactly one batch axis) or a tuple, which fixes the number of spatial axes.
        stride: elements from one window to the next, >= 1, an int or one per axis; None means `kernel_size`.
        padding: `"VALID"`; `"SAME"` (TensorFlow's rule, the odd element goes after); `"SAME_LOWER"` (ONNX's, it
            goes before); an int; an int per axis; or a `(before, after)` pair per axis.
        dilation: distance between neighbouring kernel elements, >= 1, an int or one per axis.
        ceil_mode: round the number of windows up; a last window that would start past the input and its leading
            padding is dropped.
        data_format: `"channels_last"` or `"channels_first"`; `"NHWC"`, `"NCHW"` and their 1-D and 3-D cousins
            are spellings that also fix the number of spatial axes.

    Raises:
        TypeError: a number that is not an integer (a bool is none).
        ValueError: a number out of range, a wrong length, an unknown word.

    Example:
        >>> from unpoolx import Window
        >>> Window(3, stride=2, padding=1).output_shape((8, 9, 9, 16))
        (8, 5, 5, 16)

    Source: the output length is that of Dumoulin and Visin, "A guide to convolution arithmetic for deep
    learning", relationship 15, with PyTorch's rule for `ceil_mode`.
    """

    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None = None
    padding: Padding = "VALID"
    dilation: int | tuple[int, ...] = field(default=1, kw_only=True)
    ceil_mode: bool = field(default=False, kw_only=True)
    data_format: str = field(default="channels_last", kw_only=True)

    def __post_init__(self) -> None:
        data_format, rank = parse_data_format(self.data_format)
        given = {
            "kernel_size": _per_axis(self.kernel_size, "kernel_size", 1),
            "stride": None if self.stride is None else _per_axis(self.stride, "stride", 1),
            "padding": _parse_padding(self.padding),
            "dilation": _per_axis(self.dilation, "dilation", 1),
        }
        if type(self.ceil_mode).__name__ not in ("bool", "bool_"):
            raise TypeError(
                f"ceil_mode: expected True or False; got {type(self.ceil_mode).__name__}: {self.ceil_mode!r}"
            )
        fixed_by = f"data_format={self.data_format!r}"
        for what, value in given.items():
            if not isinstance(value, tuple):
                continue
            if rank is not None and len(value) != rank:
                raise ValueError(
                    f"{what}: expected {rank} values, one per spatial axis as {fixed_by} has it; "
                    f"got {len(value)}: {value!r}"
                )
            if rank is None:
                rank, fixed_by = len(value), f"{what}={value!r}"
        for what, value in given.items():
            object.__setattr__(self, what, value)
        object.__setattr__(self, "ceil_mode", bool(self.ceil_mode))
        object.__setattr__(self, "data_format", data_format)
        if rank is not None:
            self._fix(rank)

    def _fix(self, rank: int) -> None:
        if isinstance(self.kernel_size, int):
            object.__setattr__(self, "kernel_size", (self.kernel_size,) * rank)
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel_size)
        for what in ("stride", "dilation", "padding"):
            value = getattr(self, what)
            if isinstance(value, int):
                object.__setattr__(self, what, (value,) * rank)

    @property
    def rank(self) -> int | None:
        """The number of spatial axes; None while nothing has fixed it (every argument is a plain int)."""
        return len(self.kernel_size) if isinstance(self.kernel_size, tuple) else None

    def with_rank_of(self, shape: tuple[Any, ...], what: str = "kernel_size") -> Window:
        """This window with a value per spatial axis of an array of the full shape `shape`.

        Where every argument is a plain int, the array has one batch axis, so the spatial axes are its rank less two.
        """
        rank = self.rank
        if rank is None and len(shape) < 3:
            raise ValueError(
                f"expected an array of at least 3 axes (batch, spatial ones and channels, {self.data_format}) for "
                f"{what}={self.kernel_size}, a plain int; got shape {show_shape(shape)}. "
                f"Without a batch axis, write {what} as a tuple with one int per spatial axis"
            )
        if rank is not None and len(shape) < rank + 1:
            raise ValueError(
                f"expected an array of at least {rank + 1} axes ({rank} spatial and channels, {self.data_format}) "
                f"for {what}={self.kernel_size}; got shape {show_shape(shape)}"
            )
        if rank is not None:
            return self
        return Window(
            (self.kernel_size,) * (len(shape) - 2),  # type: ignore[arg-type]  # an int while the rank is open
            self.stride,
            self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil_mode,
            data_format=self.data_format,
        )

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the pooled array, for an input of shape `input_shape` (batch and channels included).

        Raises:
            ValueError: the window does not fit the shape.
        """
        from unpoolx._geometry import Geometry  # geometry builds on Window; here it is only a convenience

        shape = lengths(input_shape, "input_shape", 0)
        return Geometry.of(self, shape).pooled_shape(shape)
