"""Laws of errors: what does not fit is refused, with the type that the norm says and a message of unpoolx's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx
from unpoolx import Switches

from . import oracle
from . import strategies as xst
from ._calls import window_of
from ._law import law
from ._oracle_window import CHANNELS_FIRST, CHANNELS_LAST, PADDING_NAMES, Index
from ._subject import Subject

DTYPES = ("float32", "int32", "uint8")
KNOWN = {"last", "sum", "corner", "center", *PADDING_NAMES, *CHANNELS_LAST, *CHANNELS_FIRST, *oracle.INDEX_FORMATS}
KNOWN |= {*oracle.AT_OPS, *oracle.READ_MODES, *oracle.UPDATE_MODES}


def message_of(subject: Subject, error: type[Exception], function: Callable[[], Any], what: str) -> str:
    """The message of the error that a call must raise."""
    told: list[str] = []

    def noted() -> Any:
        try:
            return function()
        except Exception as raised:
            told.append(str(raised))
            raise

    subject.raises(error, noted, what=what)
    return told[0]


@law("errors", "W1", "W8", "W9")
def an_illegal_window_is_an_error(subject: Subject, data: Any) -> None:
    """Window arguments that do not fit are a ValueError, or a TypeError for no integer, that names one of them."""
    fault = data.draw(xst.illegal_windows())
    x = np.zeros(fault.shape, data.draw(subject.dtypes(DTYPES)))
    subject.given(x=x, fault=fault.fault, **fault.arguments)
    made, rank = subject.array(x), len(fault.shape) - 2
    sound: dict[str, Any] = {"kernel_size": (2,) * rank, "stride": (2,) * rank, "padding": "VALID", "dilation": 1}
    sound |= {"data_format": "channels_last"}
    changed = [name for name, value in sound.items() if repr(fault.arguments[name]) != repr(value)]
    for what, call in {
        "max_pool": lambda: unpoolx.max_pool(made, **fault.arguments),
        "Window.output_shape": lambda: unpoolx.Window(**fault.arguments).output_shape(fault.shape),
    }.items():
        message = message_of(subject, fault.expected, call, what)
        named = any(name in message for name in changed or ("shape", "of length"))
        subject.holds(named, f"{what}: the message names no argument", expected=changed, got=message)


@st.composite
def _other_shapes(draw: st.DrawFn, shape: Index, axes: tuple[int, ...] = ()) -> Index:
    """A shape that differs on one axis, of these or of all, or in the number of axes."""
    axis = draw(st.sampled_from(axes or range(len(shape))))
    kind = draw(st.sampled_from(("longer", "longer", "shorter", "fewer")))
    if kind == "fewer":
        return shape[:axis] + shape[axis + 1 :]
    n = shape[axis] - 1 if kind == "shorter" and shape[axis] else shape[axis] + draw(st.integers(1, 3))
    return (*shape[:axis], n, *shape[axis + 1 :])


@law("errors", "U2", "S4", "S5")
def shapes_that_do_not_fit_are_an_error(subject: Subject, data: Any) -> None:
    """Arrays and switches of shapes that do not fit together are a ValueError with both."""
    geometry = data.draw(xst.windows(large_kernels=False, max_elements=60))
    window, spatial, pooled = window_of(geometry), geometry.spatial_shape, geometry.pooled_shape
    offsets, dtype = data.draw(xst.offsets_for(geometry)), data.draw(subject.dtypes(DTYPES))
    small, large = data.draw(_other_shapes(pooled)), data.draw(_other_shapes(geometry.shape))
    index_format = data.draw(st.sampled_from(oracle.INDEX_FORMATS))
    subject.given(offsets=offsets, pooled=small, unpooled=large, index_format=index_format, **geometry.arguments)
    switches = subject.switches(offsets, window, spatial)
    y, x = subject.array(np.zeros(small, dtype)), subject.array(np.zeros(large, dtype))
    numbers, raw = subject.array(np.zeros(small, np.int32)), subject.array(np.zeros(pooled, np.int32))
    formats: dict[str, Any] = {"index_format": "spatial", "data_format": window.data_format}
    back = partial(Switches.from_indices, numbers, window, geometry.shape, index_format=index_format)
    calls: dict[str, tuple[Callable[[], Any], Index, Index]] = {
        "unpool": (lambda: unpoolx.unpool(y, switches), small, pooled),
        "unpool, overlap='sum'": (lambda: unpoolx.unpool(y, switches, overlap="sum"), small, pooled),
        "gather": (lambda: unpoolx.gather(x, switches), large, geometry.shape),
        "from_indices": (back, small, pooled),
    }
    if len(geometry.shape) == len(spatial) + 2:
        raw_call = partial(unpoolx.unpool, y, raw, output_shape=geometry.shape, **formats)
        calls["unpool by raw indices"] = (raw_call, small, pooled)
    first = len(pooled) - len(spatial) - 1 + geometry.window.layout.channels_first
    places = tuple(range(first, first + len(spatial)))
    wrong = data.draw(_other_shapes(pooled, places).filter(lambda s: len(s) == len(pooled)))
    made, counts = subject.array(np.zeros(wrong, np.uint8)), geometry.window.pooled
    calls["Switches"] = (lambda: Switches(made, window, spatial), wrong, counts)
    for what, (call, got, expected) in calls.items():
        subject.raises(ValueError, call, str(got), str(expected), what=what)


@law("errors", "W9", "U3", "S2", "F2")
def an_unknown_word_is_an_error(subject: Subject, data: Any) -> None:
    """A word that an argument does not know is a ValueError with the argument's name and the word."""
    words = st.sampled_from(("", "first", "same", "spacial", "tf_bath", "NHCW", "middle", "SUM", "Last", "FULL"))
    text = st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=4)
    word = data.draw(words | text.filter(lambda word: word not in KNOWN))
    dtype, shape = data.draw(subject.dtypes(DTYPES)), (1, 4, 4, 1)
    subject.given(word=word, shape=shape, dtype=dtype)
    x, y = subject.array(np.zeros(shape, dtype)), subject.array(np.zeros((1, 2, 2, 1), dtype))
    switches = subject.switches(np.zeros((1, 2, 2, 1), np.uint8), unpoolx.Window((2, 2)), (4, 4))
    indices, window = subject.array(np.zeros((1, 2, 2, 1), np.int32)), unpoolx.Window((2, 2))
    raw: dict[str, Any] = {"output_shape": shape, "index_format": "spatial", "data_format": "NHWC"}
    calls: dict[str, list[Callable[[], Any]]] = {
        "overlap": [
            lambda: unpoolx.unpool(y, switches, overlap=word),
            lambda: unpoolx.unpool(y, indices, overlap=word, **raw),
        ],
        "index_format": [
            lambda: switches.to_indices(word),
            lambda: Switches.from_indices(indices, window, shape, index_format=word),
            lambda: unpoolx.unpool(y, indices, **{**raw, "index_format": word}),
        ],
        "data_format": [
            lambda: unpoolx.max_pool(x, 2, data_format=word),
            lambda: unpoolx.unpool_nearest(x, 2, data_format=word),
            lambda: unpoolx.unpool(y, indices, **{**raw, "data_format": word}),
        ],
        "padding": [
            lambda: unpoolx.max_pool(x, 2, padding=word),
            lambda: unpoolx.unpool_fixed(x, 2, padding=word),
            lambda: unpoolx.unpool_average(x, 2, padding=word),
        ],
        "position": [lambda: unpoolx.unpool_fixed(x, 2, position=word)],
        "mode": [
            lambda: unpoolx.index_get(x, 0, mode=word),
            lambda: unpoolx.index_update(x, 0, 0, mode=word),
        ],
        "op": [lambda: unpoolx.index_update(x, 0, 0, word)],
        "backend": [lambda: unpoolx.max_pool(x, 2, backend=f"no {word}")],
    }
    for argument, uses in calls.items():
        for call in uses:
            told = (argument, word) if argument == "backend" else (argument, repr(word))
            subject.raises(ValueError, call, *told, what=f"{argument}={word!r}")
