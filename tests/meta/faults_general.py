"""Faults of the contract itself: arrays in and out, dtypes, errors, and what is declared."""

from __future__ import annotations

from typing import Any

import numpy as np
from faults import SoundNumpy, planted

from unpoolx._backend import Array
from unpoolx._dtypes import ALL

BITS = "arrays-come-and-go-bit-for-bit"
DTYPES = "every-function-gives-the-dtype-of-the-norm"
REFUSED = "what-is-no-dense-numeric-array-is-refused"


@planted(BITS)
class BytesSwapped(SoundNumpy):
    """`from_numpy` reverses the bytes of each element."""

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        return super().from_numpy(x, like).byteswap()


@planted(BITS)
class DoubleArrivesAsSingle(SoundNumpy):
    """`from_numpy` narrows float64 to float32."""

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        with np.errstate(all="ignore"):
            return x.astype(np.float32) if x.dtype == np.float64 else x


@planted(BITS)
class DoubleThroughSingle(SoundNumpy):
    """`from_numpy` brings float64 by way of float32."""

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        with np.errstate(all="ignore"):
            return x.astype(np.float32).astype(np.float64) if x.dtype == np.float64 else x


@planted(BITS)
class DoubleLeavesAsSingle(SoundNumpy):
    """`to_numpy` returns float32 for float64."""

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        with np.errstate(all="ignore"):
            return x.astype(np.float32) if x.dtype == np.float64 else super().to_numpy(x)


@planted(BITS)
class SubnormalsLostOnTheWay(SoundNumpy):
    """`from_numpy` flushes subnormal numbers to zero."""

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        if x.dtype not in (np.float32, np.float64):
            return x
        with np.errstate(all="ignore"):
            return np.where(np.abs(x) < np.finfo(x.dtype).tiny, x * 0, x)


@planted("numpy-arrays-of-the-other-byte-order-are-read-right")
class OtherByteOrderIgnored(SoundNumpy):
    """`prepare` takes the bytes of an array of the other byte order for its own."""

    def prepare(self, x: Array) -> Array:
        x = np.asarray(x)
        return x if x.dtype.isnative else x.view(x.dtype.newbyteorder("="))


@planted(BITS)
class ScalarsGainAnAxis(SoundNumpy):
    """`from_numpy` gives an array without axes one axis."""

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        return np.atleast_1d(x)


@planted(BITS)
class UnsignedArrivesSigned(SoundNumpy):
    """`from_numpy` brings uint32 as int64."""

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        return x.astype(np.int64) if x.dtype == np.uint32 else x


@planted(DTYPES)
class DeclaredButRefused(SoundNumpy):
    """uint16 is declared, and refused in the framework's own words."""

    def from_numpy(self, x: np.ndarray[Any, Any], like: Array | None = None) -> Array:
        if x.dtype == np.uint16:
            raise RuntimeError("can't convert np.ndarray of type numpy.uint16")
        return x


@planted(DTYPES)
class DeclaredButUnknown(SoundNumpy):
    """float128 is declared, which nothing here knows."""

    def dtypes(self) -> tuple[str, ...]:
        return (*ALL, "float128")


@planted("integer-sums-wrap")
class DeclaredButFails(SoundNumpy):
    """int16 is declared, and its sums fail in the framework's own words."""

    def write(self, x: Array, span: Any, where: Array | None, values: Array, add: bool) -> None:
        if add and x.dtype == np.int16:
            raise RuntimeError("\"add\" not implemented for 'Short'")
        super().write(x, span, where, values, add)


@planted("a-dtype-that-is-not-declared-is-refused")
class UndeclaredButTaken(SoundNumpy):
    """complex128 is served as complex64, and not declared."""

    def dtypes(self) -> tuple[str, ...]:
        return tuple(name for name in ALL if name != "complex128")

    def dtype(self, x: Array) -> str:
        return "complex64" if x.dtype == np.complex128 else super().dtype(x)


@planted(REFUSED)
class EverythingIsAnArray(SoundNumpy):
    """`is_array` is true for every object."""

    def is_array(self, x: object) -> bool:
        return True


@planted(REFUSED)
class MaskedArraysTaken(SoundNumpy):
    """`is_array` is true for masked arrays, whose masks are then lost."""

    def is_array(self, x: object) -> bool:
        return isinstance(x, np.ndarray)


@planted(REFUSED)
class ForeignErrorBare(SoundNumpy):
    """A dtype that is no number's fails in the framework's own words."""

    def dtype(self, x: Array) -> str:
        if x.dtype.kind in "OUSV" and x.dtype.name != "bfloat16":
            raise KeyError(x.dtype)
        return super().dtype(x)


@planted("shapes-that-do-not-fit-are-an-error")
class LengthsAreNoInts(SoundNumpy):
    """The lengths of a shape are NumPy's integers, which count as unknown."""

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(map(np.int64, super().shape(x)))


@planted("an-operation-that-a-dtype-lacks-is-an-error")
class NothingIsConcrete(SoundNumpy):
    """No value can be looked at, so that no error is raised for one."""

    def is_concrete(self, x: Array) -> bool:
        return False


@planted("an-operation-that-a-dtype-lacks-is-an-error")
class NegativePowersPass(SoundNumpy):
    """Integers take negative exponents without an error."""

    def is_concrete(self, x: Array) -> bool:
        return x.dtype.kind != "i"


@planted("what-has-no-order-no-sum-or-no-quotient-is-refused")
class ComplexPooledByItsRealPart(SoundNumpy):
    """Complex numbers count as float64, and are pooled."""

    def dtype(self, x: Array) -> str:
        return "float64" if x.dtype.kind == "c" else super().dtype(x)


@planted("the-gradient-of-max-pool-is-unpool-sum")
class GradientDeclaredOnly(SoundNumpy):
    """A gradient is declared, and there is none."""

    gradient = True


@planted("forward-mode-is-the-map-of-the-tangent")
class ForwardModeDeclaredOnly(SoundNumpy):
    """Forward mode is declared, and there is none."""

    forward_mode = True


@planted("compiled-pooling-gives-the-same-bits")
class CompiledModeDeclaredOnly(SoundNumpy):
    """A way to compile is declared, and there is none."""

    compiled = ("nothing",)


@planted("the-backend-knows-its-arrays")
class DevicesMisnamed(SoundNumpy):
    """An array's device is none of those that the backend sees."""

    def device(self, x: Array) -> str | None:
        return "somewhere"
