"""Laws of errors: what is no array, and arrays of two frameworks or on two devices."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from unpoolx_backends._numpy import NumpyBackend

import unpoolx
from unpoolx import Switches, Window
from unpoolx._backend import Capabilities
from unpoolx._registry import registered

from . import strategies as xst
from ._calls import CALLS, made_of, on_backend
from ._law import law
from ._laws_errors import DTYPES
from ._subject import LawBrokenError, Subject

LISTED = (TypeError, ValueError, IndexError, OverflowError)
OURS = re.compile(r"expected |is out of range for |has no element to |needs indices up to ")
"""What only messages of unpoolx say: an error of the framework that comes through has none of it."""


def in_our_words(
    call: Callable[[], Any],
    what: str,
    *,
    errors: tuple[type[Exception], ...] = LISTED,
    must_raise: bool = False,
) -> None:
    """A call raises, if at all, one of these errors with a message of unpoolx's own."""
    wanted = f"{' or '.join(e.__name__ for e in errors)}, in unpoolx's own words"
    try:
        result = call()
    except errors as error:
        if not OURS.search(str(error)):
            got = f"{type(error).__name__}: {error}"
            raise LawBrokenError(f"{what}: a foreign message", wanted, got) from error
    except Exception as error:
        raise LawBrokenError(f"{what}: a foreign error", wanted, f"{type(error).__name__}: {error}") from error
    else:
        if must_raise:
            raise LawBrokenError(f"{what}: no error", wanted, result)


def _junk() -> dict[str, Any]:
    """Things that are no dense numeric array."""
    shape = (1, 4, 4, 1)
    numbers = np.arange(16.0).reshape(shape)
    return {
        "None": None,
        "a string": "abc",
        "bytes": b"abc",
        "a dict": {},
        "a set": {1, 2},
        "a range": range(4),
        "an object": object(),
        "a function": len,
        "a type": int,
        "a dtype": np.dtype("float32"),
        "a memoryview": memoryview(b"abc"),
        "a window": Window(2),
        "a slice": slice(None),
        "an ellipsis": ...,
        "a list of strings": [[["a"], ["b"]]],
        "a list of None": [[[None], [None]]],
        "a ragged list": [[1, 2], [3]],
        "a list of huge integers": [[[10**30]]],
        "strings": np.full(shape, "a"),
        "objects": numbers.astype(object),
        "dates": np.zeros(shape, "M8[s]"),
        "a structured array": np.zeros(shape, [("a", "i4")]),
        "long doubles": numbers.astype(np.longdouble),
        "a masked array": np.ma.masked_array(numbers, numbers > 3),
        "a masked constant": np.ma.masked,
    }


JUNK = _junk()


@law("errors", "B8", share=0.5)
def what_is_no_dense_numeric_array_is_refused(subject: Subject, data: Any) -> None:
    """What is no dense array of numbers is a TypeError or ValueError of unpoolx's own, with `backend=` and without."""
    name, backend = data.draw(st.sampled_from(sorted(JUNK))), data.draw(st.sampled_from((None, subject.name)))
    subject.given(x=name, backend=backend)
    x, window = JUNK[name], Window((2, 2))
    switches = subject.switches(np.zeros((1, 2, 2, 1), np.uint8), window, (4, 4))
    for function, call in {
        "max_pool": lambda: unpoolx.max_pool(x, 2, backend=backend),
        "unpool": lambda: unpoolx.unpool(x, switches, backend=backend),
        "gather": lambda: unpoolx.gather(x, switches, backend=backend),
        "unpool_fixed": lambda: unpoolx.unpool_fixed(x, 2, backend=backend),
        "unpool_nearest": lambda: unpoolx.unpool_nearest(x, 2, backend=backend),
        "unpool_average": lambda: unpoolx.unpool_average(x, 2, backend=backend),
        "index_get": lambda: unpoolx.index_get(x, 0, backend=backend),
        "index_update": lambda: unpoolx.index_update(x, 0, 0, backend=backend),
        "Switches": lambda: Switches(x, window, (4, 4)),
        "from_indices": lambda: Switches.from_indices(x, window, (1, 4, 4, 1), index_format="spatial"),
    }.items():
        in_our_words(call, f"{function} of {name}", errors=(TypeError, ValueError), must_raise=True)


class _Strange:
    """An array of a framework that is nobody's."""


class _Stranger(NumpyBackend):
    """A backend that serves such arrays."""

    name = "stranger"

    def is_array(self, x: object) -> bool:
        return isinstance(x, _Strange)


@law("errors", "B3", share=0.3)
def arrays_of_two_frameworks_are_an_error(subject: Subject, data: Any) -> None:
    """Arrays of two frameworks without `backend=` are a TypeError that names both."""
    geometry = data.draw(xst.windows(batch_ranks=(1,), large_kernels=False, max_elements=40))
    x, y = (np.zeros(shape, data.draw(subject.dtypes(DTYPES))) for shape in (geometry.shape, geometry.pooled_shape))
    offsets = data.draw(xst.offsets_for(geometry))
    function = data.draw(st.sampled_from([name for name in CALLS if name.startswith(("unpool last", "gather"))]))
    subject.given(function=function, x=x, y=y, offsets=offsets, **geometry.arguments)
    laid = on_backend(subject, made_of(geometry, x, y, offsets))._replace(x=_Strange(), y=_Strange())
    raw = {"output_shape": geometry.shape, "index_format": "spatial", "data_format": laid.window.data_format}
    with registered(_Stranger()):
        names = subject.name, "stranger"
        subject.raises(TypeError, partial(CALLS[function], laid), *names, what=function)
        by_numbers = partial(unpoolx.unpool, laid.y, laid.offsets, **raw)
        subject.raises(TypeError, by_numbers, *names, what="unpool by raw indices")
        update = partial(unpoolx.index_update, laid.x, 0, laid.offsets)
        subject.raises(TypeError, update, *names, what="index_update")


def one_device(declared: Capabilities) -> str | None:
    """A second device."""
    return None if len(declared.devices) > 1 else "declares a single device"


@law("errors", "B4", need=one_device, share=0.3)
def arrays_on_two_devices_are_an_error(subject: Subject, data: Any) -> None:
    """Arrays on two devices are a ValueError that names both: nothing moves unasked."""
    geometry = data.draw(xst.windows(batch_ranks=(1,), large_kernels=False, max_elements=40))
    dtype, offsets = data.draw(subject.dtypes(DTYPES)), data.draw(xst.offsets_for(geometry))
    function = data.draw(st.sampled_from(("gather", "unpool last", "unpool sum")))
    first, second = data.draw(st.permutations(subject.declared.devices))[:2]
    subject.given(function=function, devices=(first, second), offsets=offsets, dtype=dtype, **geometry.arguments)
    ops, (x, y) = subject.backend, (np.zeros(s, dtype) for s in (geometry.shape, geometry.pooled_shape))
    made = made_of(geometry, x, y, offsets)
    moved = {name: ops.to_device(subject.array(array), first) for name, array in (("x", x), ("y", y))}
    laid = made._replace(**moved, offsets=ops.to_device(subject.array(offsets), second))
    places = {str(ops.device(laid.x)), str(ops.device(laid.offsets))}
    if len(places) != 2:
        raise LawBrokenError("devices of arrays that were brought to two", (first, second), sorted(places))
    subject.raises(ValueError, partial(CALLS[function], laid), *sorted(places), what=function)
