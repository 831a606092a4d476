"""The frameworks' flat indices: what each one numbers, and the way to and from coordinates.

For an input with batch number n, channel c of C, and spatial coordinates (h, w) of (H, W):

==================  ==============================  =========================
format              index                           numbers
==================  ==============================  =========================
spatial             h*W + w                         one plane (n, c)
tf                  (h*W + w)*C + c                 one image n
tf_batch            ((n*H + h)*W + w)*C + c         the whole array
onnx                ((n*C + c)*H + h)*W + w         the whole array
onnx_column_major   (n*C + c)*H*W + w*H + h         the whole array
==================  ==============================  =========================

They mean the same in both data formats and for any spatial rank. Several batch axes count as one, row-major.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unpoolx._layout import channel_axis, product, spatial_axes

if TYPE_CHECKING:
    from unpoolx._backend import Backend

FLAT_FORMATS = ("spatial", "tf", "tf_batch", "onnx", "onnx_column_major")
FORMATS = (*FLAT_FORMATS, "window")


def parse_index_format(index_format: object, allowed: tuple[str, ...] = FORMATS) -> str:
    """`index_format`, checked."""
    if index_format is None:
        raise TypeError(f"index_format: expected one of {', '.join(map(repr, allowed))}; got None")
    if not isinstance(index_format, str):
        raise TypeError(
            f"index_format: expected one of {', '.join(map(repr, allowed))}; got {type(index_format).__name__}"
        )
    if index_format not in allowed:
        import difflib

        close = difflib.get_close_matches(index_format, allowed, n=1)
        hint = f". Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"index_format: expected one of {', '.join(map(repr, allowed))}; got {index_format!r}{hint}")
    return index_format


@dataclass(frozen=True)
class Numbering:
    """An index format for arrays of one full shape."""

    index_format: str
    data_format: str
    shape: tuple[Any, ...]
    rank: int

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The spatial lengths."""
        return tuple(self.shape[axis] for axis in spatial_axes(self.data_format, self.rank))

    @property
    def channels(self) -> Any:
        """C."""
        return self.shape[channel_axis(self.data_format, self.rank)]

    @property
    def batch(self) -> Any:
        """N: every batch axis together."""
        return product(self.shape[: len(self.shape) - self.rank - 1])

    @property
    def count(self) -> Any:
        """The indices of one numbering: they lie in `range(count)`."""
        plane = product(self.sizes)
        if self.index_format == "spatial":
            return plane
        return plane * self.channels if self.index_format == "tf" else plane * self.channels * self.batch

    def own(self, ops: Backend, shape: tuple[Any, ...], dtype: str, like: Any) -> tuple[Any, Any]:
        """The batch number and the channel of each element of an array of `shape`, as arrays that broadcast to it."""
        lead = len(shape) - self.rank - 1
        n = ops.arange(self.batch, dtype, like=like)
        n = ops.reshape(n, [*shape[:lead], *[1] * (self.rank + 1)])
        c = ops.arange(self.channels, dtype, like=like)
        return n, ops.along(c, channel_axis(self.data_format, self.rank))

    def encode(self, n: Any, c: Any, coordinates: list[Any]) -> Any:
        """The index of the element at a batch number, a channel and spatial coordinates."""
        plane: Any = 0
        if self.index_format == "onnx_column_major":
            for coordinate, size in zip(reversed(coordinates), reversed(self.sizes), strict=True):
                plane = plane * size + coordinate
        else:
            for coordinate, size in zip(coordinates, self.sizes, strict=True):
                plane = plane * size + coordinate
        if self.index_format == "spatial":
            return plane
        if self.index_format == "tf":
            return plane * self.channels + c
        if self.index_format == "tf_batch":
            return (plane + n * product(self.sizes)) * self.channels + c
        return (n * self.channels + c) * product(self.sizes) + plane

    def decode(self, index: Any) -> tuple[Any, Any, list[Any]]:
        """The batch number, the channel and the spatial coordinates of an index in `range(count)`.

        None stands for what the format leaves out: the element's own.
        """
        n = c = None
        plane = index
        area = product(self.sizes)
        if self.index_format in ("tf", "tf_batch"):
            c, plane = index % self.channels, index // self.channels
            if self.index_format == "tf_batch":
                n, plane = plane // area, plane % area
        elif self.index_format != "spatial":
            image, plane = index // area, index % area
            n, c = image // self.channels, image % self.channels
        sizes = self.sizes if self.index_format == "onnx_column_major" else self.sizes[::-1]
        coordinates = []
        for size in sizes:
            coordinates.append(plane % size)
            plane = plane // size
        return n, c, coordinates if self.index_format == "onnx_column_major" else coordinates[::-1]
