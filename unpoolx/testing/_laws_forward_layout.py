"""Laws of every function: other layouts, permuted batches and channels, empty ones, and a backend that is named."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import strategies as xst
from ._calls import CALLS, MOVABLE, Laid, applicable, contents, made_of, on_backend, window_of
from ._law import law
from ._subject import Subject

Array = np.ndarray[Any, Any]

SEVERAL = 3
"""Arrays for each function and geometry."""
BY_FORMAT = ("to_indices", "from_indices")
"""What takes no `backend`."""


def _case(subject: Subject, data: Any, functions: Any = CALLS, **options: Any) -> tuple[str, xst.Geometry, str]:
    """A function, a geometry without large kernels, and a dtype that the function takes."""
    function = data.draw(st.sampled_from(list(functions)))
    batch_ranks = [n for n in options.pop("batch_ranks", (0, 1, 2)) if n == 1 or "raw" not in function]
    geometry = data.draw(xst.windows(batch_ranks=batch_ranks, large_kernels=False, max_elements=120, **options))
    names = [name for name in MOVABLE if applicable(function, name)]
    return function, geometry, data.draw(subject.dtypes(names))


def _arrays(data: Any, function: str, geometry: xst.Geometry, dtype: str) -> tuple[Array, Array, Array]:
    """x, y and offsets for a call of the function."""
    made = contents(function)
    x, y = data.draw(made(geometry.shape, dtype)), data.draw(made(geometry.pooled_shape, dtype))
    return x, y, data.draw(xst.offsets_for(geometry))


@law("forward", "L5", "W2", "S2", share=0.4)
def a_transposed_layout_gives_the_transposed_result(subject: Subject, data: Any) -> None:
    """Every function gives the same bits for channels first as for channels last, transposed."""
    function, geometry, dtype = _case(subject, data, data_formats=["channels_last"], aliases=False)
    batch = len(geometry.window.batch)
    for _ in range(SEVERAL):
        x, y, offsets = _arrays(data, function, geometry, dtype)
        subject.given(function=function, x=x, y=y, offsets=offsets, **geometry.arguments)
        last = made_of(geometry, x, y, offsets)
        x, y, offsets = (np.moveaxis(array, -1, batch) for array in (x, y, offsets))
        window = window_of(geometry, data_format="channels_first")
        first = Laid(x, y, offsets, window, x.shape, geometry.spatial_shape)
        results = CALLS[function](on_backend(subject, first))
        for name, result in CALLS[function](on_backend(subject, last)).items():
            expected = np.moveaxis(subject.got(result, name), -1, batch)
            subject.same_bits(results[name], expected, f"{name}, channels first")


@law("forward", "L6", share=0.4)
def permuting_batch_and_channels_commutes(subject: Subject, data: Any) -> None:
    """Every function gives the permuted result for an array whose batch entries and channels are permuted."""
    function, geometry, dtype = _case(subject, data, batch_ranks=(1, 2), empty=False)
    window = geometry.window
    axes = [*range(len(window.batch)), len(window.batch) if window.layout.channels_first else -1]
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    orders = [random.permutation(geometry.shape[axis]) for axis in axes]

    def permuted(array: Array) -> Array:
        for axis, order in zip(axes, orders, strict=True):
            array = np.take(array, order, axis)
        return array

    for _ in range(SEVERAL):
        arrays = _arrays(data, function, geometry, dtype)
        x, y, offsets = arrays
        subject.given(function=function, x=x, y=y, offsets=offsets, orders=orders, **geometry.arguments)
        results = CALLS[function](on_backend(subject, made_of(geometry, *map(permuted, arrays))))
        for name, result in CALLS[function](on_backend(subject, made_of(geometry, *arrays))).items():
            if function == "to_indices" and name not in ("spatial", "window"):
                continue  # these number the batch entry or the channel itself
            subject.same_bits(results[name], permuted(subject.got(result, name)), f"{name}, permuted")


@law("forward", "W10", share=0.4)
def an_empty_batch_and_no_channels_give_an_empty_result(subject: Subject, data: Any) -> None:
    """Every function takes a batch of size 0 and zero channels, and gives the shape and dtype of one entry, emptied."""
    function, geometry, dtype = _case(subject, data, empty=False)
    batch = len(geometry.window.batch)
    channel = batch if geometry.window.layout.channels_first else len(geometry.shape) - 1
    axes = data.draw(st.sampled_from([[axis] for axis in (*range(batch), channel)] + [[*range(batch), channel]]))
    arrays = _arrays(data, function, geometry, dtype)
    full = made_of(geometry, *arrays)

    def emptied(array: Array) -> Array:
        for axis in axes:
            array = np.take(array, [], axis)
        return array

    shape = tuple(0 if axis in axes else n for axis, n in enumerate(geometry.shape))
    x, y, offsets = map(emptied, arrays)
    subject.given(function=function, x=x, y=y, offsets=offsets, **geometry.arguments)
    results = CALLS[function](on_backend(subject, Laid(x, y, offsets, full.window, shape, full.spatial_shape)))
    for name, result in CALLS[function](on_backend(subject, full)).items():
        subject.same_bits(results[name], emptied(subject.got(result, name)), f"{name}, empty")


@law("forward", "B1", "B2", share=0.4)
def naming_the_backend_gives_its_array_with_the_same_bits(subject: Subject, data: Any) -> None:
    """Every function gives, with backend= and NumPy arrays, the backend's array with the bits of a call on its own."""
    function, geometry, dtype = _case(subject, data, [name for name in CALLS if name not in BY_FORMAT])
    backend = data.draw(st.sampled_from((subject.name, subject.backend)))
    for _ in range(SEVERAL):
        arrays = _arrays(data, function, geometry, dtype)
        x, y, offsets = arrays
        subject.given(function=function, x=x, y=y, offsets=offsets, **geometry.arguments)
        laid = made_of(geometry, *arrays)
        results = CALLS[function](laid._replace(x=x.copy(), y=y.copy(), offsets=offsets.copy()), backend=backend)
        for name, result in CALLS[function](on_backend(subject, laid)).items():
            subject.same_bits(results[name], subject.got(result, name), f"{name}, backend={subject.name!r}")
