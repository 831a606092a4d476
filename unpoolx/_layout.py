"""Where the spatial axes of an array lie: the data formats and their spellings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CHANNELS_LAST = "channels_last"
CHANNELS_FIRST = "channels_first"

LONGEST = 2**60
"""No array has so many elements: beyond it lengths are mistakes."""

_SPELLINGS = {
    "channels_last": (CHANNELS_LAST, None),
    "channels_first": (CHANNELS_FIRST, None),
    "NWC": (CHANNELS_LAST, 1),
    "NHWC": (CHANNELS_LAST, 2),
    "NDHWC": (CHANNELS_LAST, 3),
    "NCW": (CHANNELS_FIRST, 1),
    "NCHW": (CHANNELS_FIRST, 2),
    "NCDHW": (CHANNELS_FIRST, 3),
}


def parse_data_format(data_format: object) -> tuple[str, int | None]:
    """The canonical data format, and the spatial rank where the spelling fixes one (`"NHWC"`: 2)."""
    if not isinstance(data_format, str):
        raise TypeError(
            f"data_format: expected a string, one of {', '.join(map(repr, _SPELLINGS))}; "
            f"got {type(data_format).__name__}: {data_format!r}"
        )
    try:
        return _SPELLINGS[data_format]
    except KeyError:
        raise ValueError(
            f"data_format: expected one of {', '.join(map(repr, _SPELLINGS))}; got {data_format!r}"
        ) from None


def spatial_axes(data_format: str, rank: int) -> tuple[int, ...]:
    """The spatial axes counted from the end, so that any number of batch axes may stand in front."""
    last = -1 if data_format == CHANNELS_LAST else 0
    return tuple(range(last - rank, last))


def channel_axis(data_format: str, rank: int) -> int:
    """The channel axis counted from the end."""
    return -1 if data_format == CHANNELS_LAST else -rank - 1


def with_spatial(shape: tuple[int, ...], data_format: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with its spatial lengths replaced by `sizes`."""
    result = list(shape)
    for axis, size in zip(spatial_axes(data_format, len(sizes)), sizes, strict=True):
        result[axis] = size
    return tuple(result)


def product(lengths: Iterable[Any]) -> Any:
    """The product of lengths, which may be a framework's scalars."""
    # math.prod would stop PyTorch's compiler.
    result: Any = 1
    for length in lengths:
        result = result * length
    return result


def require_holdable(shape: tuple[Any, ...], what: str) -> None:
    """An error where no array could have the shape of the result."""
    if all(isinstance(n, int) for n in shape) and product(n for n in shape if n) > LONGEST:
        raise ValueError(f"{what}: expected a result that an array can hold; got the shape {shape}")


def position_dtype(ops: Any, reach: Any) -> str:
    """A dtype for positions of an axis that reaches so far: int32 where it holds them, and where no int says more."""
    if not isinstance(reach, int) or reach < 2**31:
        return "int32"
    if "int64" not in ops.dtypes():
        raise OverflowError(
            f"x: expected positions below 2**31 on {ops.name} without 64-bit integers; got an axis that reaches "
            f"{reach}: "
            f'jax.config.update("jax_enable_x64", True)'
        )
    return "int64"


def is_empty(shape: Iterable[Any]) -> bool:
    """Whether a shape is known to hold nothing."""
    return 0 in [n for n in shape if isinstance(n, int)]


def are_known_equal(shape: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two shapes are known to be the same: no length of them is a framework's scalar."""
    if len(shape) != len(other):
        return False
    for n, m in zip(shape, other, strict=True):  # noqa: SIM110  # a generator costs as much as the rest
        if not (isinstance(n, int) and isinstance(m, int) and n == m):
            return False
    return True


def show_shape(shape: tuple[Any, ...]) -> str:
    """A shape for a message; a length that is unknown while tracing is shown as `?`."""
    lengths = ", ".join(str(n) if isinstance(n, int) else "?" for n in shape)
    return f"({lengths},)" if len(shape) == 1 else f"({lengths})"


def slices(rank: int, span: dict[int, tuple[int, int, int]]) -> tuple[slice, ...]:
    """A span (`Backend.slice`) of plain integers as an index of NumPy's grammar."""
    index = [slice(None)] * rank
    for axis, (start, count, step) in span.items():
        index[axis] = slice(start, start + (count - 1) * step + 1 if count else start, step)
    return tuple(index)
