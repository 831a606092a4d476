"""The backend that a law is checked on: arrays in, bits out, and comparisons that remember what they saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx
from unpoolx._backend import Backend
from unpoolx._host import matching_device

from .compare import assert_same_bits, assert_sum_bits


class LawBrokenError(AssertionError):
    """A case that breaks a law, with what was expected and what came."""

    def __init__(self, message: str, expected: Any = None, got: Any = None) -> None:
        super().__init__(message)
        self.expected = expected
        self.got = got


class Subject:
    """One backend on one device, as the laws see it.

    A law notes the inputs of each case with `given`, before it calls anything of the backend, and compares with
    `same_bits`, `sum_bits`, `raises` or `holds`: that is what a report shows of a case that fails.

    Attributes:
        backend: the backend.
        called: how a command calls it: its name, or `module:attribute`.
        device: the name of the device on which arrays are made, or None for the backend's default.
        inputs: what `given` noted last.
        cases: how many cases `given` noted.
    """

    def __init__(self, backend: Backend, device: str | None = None, *, called: str | None = None) -> None:
        self.backend = backend
        self.called = backend.name if called is None else called
        self.device = None if device is None else matching_device(backend, device)
        self.declared = backend.capabilities()
        self.inputs: dict[str, Any] = {}
        self.cases = 0
        self.on_given: Callable[[dict[str, Any]], None] | None = None

    @property
    def name(self) -> str:
        """What `backend=` takes."""
        return self.backend.name

    # Arrays

    def array(self, x: np.ndarray[Any, Any]) -> Any:
        """x as the backend's array on the device, sharing no memory with x."""
        made = self.backend.from_numpy(np.array(x, copy=True))
        return made if self.device is None else self.backend.to_device(made, self.device)

    def numpy(self, x: Any) -> np.ndarray[Any, Any]:
        """The bits on the host, where a write reaches nothing of the backend's."""
        return np.array(self.backend.to_numpy(self.backend.prepare(x)), copy=True)

    def switches(self, offsets: np.ndarray[Any, Any], window: unpoolx.Window, spatial_shape: tuple[int, ...]) -> Any:
        """Switches of the backend's array of these offsets, which must be legal."""
        return unpoolx.Switches.trusted(self.array(offsets), window, spatial_shape)

    def on(self, x: Any) -> Any:
        """x with every NumPy array inside (of an index, say) as the backend's."""
        if isinstance(x, tuple):
            return tuple(map(self.on, x))
        return self.array(np.asarray(x)) if isinstance(x, (np.ndarray, np.generic)) else x

    def dtypes(self, among: Iterable[str]) -> st.SearchStrategy[str]:
        """The names of those dtypes that the backend declares."""
        return st.sampled_from(self.declared_of(among))

    def declared_of(self, among: Iterable[str]) -> list[str]:
        """Those dtypes that the backend declares."""
        return [name for name in among if name in self.declared.dtypes]

    # Cases and comparisons

    def given(self, **inputs: Any) -> None:
        """Note the inputs of a case, before the backend sees it."""
        self.inputs = inputs
        self.cases += 1
        if self.on_given is not None:
            self.on_given(inputs)

    def got(self, x: Any, what: str) -> np.ndarray[Any, Any]:
        """The bits of a result, which must be an array of the backend's own."""
        if not self.backend.is_array(x):
            raise LawBrokenError(f"{what}: expected an array of {self.name}; got {type(x).__name__}", got=x)
        return self.numpy(x)

    def same_bits(self, x: Any, expected: np.ndarray[Any, Any], what: str) -> None:
        """x is the backend's array with the shape, dtype and bits that are expected."""
        self._compare(assert_same_bits, x, expected, (), what)

    def sum_bits(self, x: Any, expected: Sequence[np.ndarray[Any, Any]], what: str) -> None:
        """x is the backend's array with the bits of a sum (an oracle's `..._sum_bits`)."""
        exact, *others = expected
        self._compare(assert_sum_bits, x, exact, tuple(others), what)

    def _compare(
        self,
        compare: Callable[..., None],
        x: Any,
        expected: np.ndarray[Any, Any],
        others: tuple[np.ndarray[Any, Any], ...],
        what: str,
    ) -> None:
        got = self.got(x, what)
        try:
            compare(got, expected, *others, what=what)
        except AssertionError as error:
            raise LawBrokenError(str(error), expected, got) from None

    def holds(self, condition: bool, what: str, *, expected: Any = None, got: Any = None) -> None:
        """A condition that is no comparison of arrays."""
        if not condition:
            raise LawBrokenError(what, expected, got)

    def raises(
        self, error: type[Exception] | tuple[type[Exception], ...], function: Callable[[], Any], *parts: str, what: str
    ) -> None:
        """A call raises an error of this type whose message contains each of the parts."""
        wanted = " or ".join(e.__name__ for e in (error if isinstance(error, tuple) else (error,)))
        wanted += "".join(f", with {part!r} in its message" for part in parts)
        try:
            result = function()
        except error as raised:
            missing = [part for part in parts if part not in str(raised)]
            if missing:
                message = f"{what}: the message lacks {', '.join(map(repr, missing))}"
                raise LawBrokenError(message, wanted, f"{type(raised).__name__}: {raised}") from None
        except Exception as raised:
            got = f"{type(raised).__name__}: {raised}"
            raise LawBrokenError(f"{what}: another error", wanted, got) from raised
        else:
            raise LawBrokenError(f"{what}: no error", wanted, result)
