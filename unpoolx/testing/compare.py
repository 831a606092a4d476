"""Bitwise comparison of NumPy arrays, with messages that show the first difference to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def assert_same_bits(actual: Array, expected: Array, *, what: str) -> None:
    """Assert the same shape, dtype and bits; any NaN equals any NaN, zeros differ by their sign.

    `what` names the check in the message: operation, backend, geometry, seed. Works for every dtype of
    fixed width, bool, complex (part by part) and bfloat16 included.
    """
    _require_alike(actual, expected, what)
    _report(_different(actual, expected), actual, expected, what=what)


def assert_sum_bits(actual: Array, exact: Array, flushed: Array, mask: npt.NDArray[np.bool_], *, what: str) -> None:
    """Assert the bits of `exact`, or where `mask` is True of either `exact` or `flushed`.

    For sums in which a framework's addition may take a subnormal number as zero; `mask`, of the arrays'
    shape, says which elements had one. Take the three from a `..._sum_bits` function of the oracle:
    `assert_sum_bits(y, *bits, what=...)`.
    """
    _require_alike(actual, exact, what)
    _require_alike(flushed, exact, f"{what} (flushed)")
    if mask.shape != exact.shape or mask.dtype != np.bool_:
        raise ValueError(f"a bool mask of shape {exact.shape} expected, got {mask.dtype} of {mask.shape}")
    different = _different(actual, exact) & ~(mask & ~_different(actual, flushed))
    _report(different, actual, exact, what=what, flushed=flushed, mask=mask)


def _require_alike(actual: Array, expected: Array, what: str) -> None:
    for name, array in (("actual", actual), ("expected", expected)):
        if not isinstance(array, np.ndarray):
            raise AssertionError(  # noqa: TRY004 - a failed comparison, whatever differs
                f"{what}: {name}: a NumPy array expected, got {type(array).__name__}: {array!r}"
            )
    if actual.shape != expected.shape:
        raise AssertionError(f"{what}: shape {expected.shape} expected, got {actual.shape}")
    if actual.dtype != expected.dtype:
        raise AssertionError(f"{what}: dtype {expected.dtype} expected, got {actual.dtype}")


def _different(actual: Array, expected: Array) -> npt.NDArray[np.bool_]:
    """Where two arrays of one shape and dtype differ, an array of that shape."""
    if actual.dtype.kind == "c":
        return _different(actual.real, expected.real) | _different(actual.imag, expected.imag)
    different = np.asarray(_bits(actual) != _bits(expected))
    if actual.dtype.kind not in "iub":
        with np.errstate(invalid="ignore"):  # a signalling NaN may set the flag; it is a NaN like any other
            different &= ~(np.isnan(actual) & np.isnan(expected))
    return different


def _bits(array: Array) -> Array:
    """The bits of an array as unsigned integers of its width: a comparison of floats may flush."""
    width = array.dtype.itemsize
    if width not in (1, 2, 4, 8):
        raise TypeError(f"a dtype of 1, 2, 4 or 8 bytes expected, got {array.dtype}")
    # ascontiguousarray makes one axis out of none, hence the reshape.
    return np.ascontiguousarray(array).view(f"u{width}").reshape(array.shape)


def _report(
    different: npt.NDArray[np.bool_],
    actual: Array,
    expected: Array,
    *,
    what: str,
    flushed: Array | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
) -> None:
    count = int(np.count_nonzero(different))
    if not count:
        return
    first = tuple(int(i) for i in np.argwhere(different)[0])
    message = (
        f"{what}: {count} of {different.size} elements differ ({actual.dtype}, shape {actual.shape}), "
        f"the first at {first}: expected {_show(expected, first)}, got {_show(actual, first)}"
    )
    if flushed is not None and mask is not None and mask[first]:
        message += f"; with subnormal numbers flushed {_show(flushed, first)} would pass too"
    raise AssertionError(message)


def _show(array: Array, index: tuple[int, ...]) -> str:
    value = array[index]
    parts = [array.real, array.imag] if array.dtype.kind == "c" else [array]
    digits = 2 * parts[0].dtype.itemsize
    bits = " ".join(f"0x{int(_bits(part)[index]):0{digits}x}" for part in parts)
    return f"{value!s} ({bits})"
