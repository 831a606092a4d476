"""Laws of the declaration of a backend and of dtypes: what holds them, what results have, what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import unpoolx
from unpoolx._backend import Capabilities

from . import oracle
from . import strategies as xst
from ._calls import CALLS, MOVABLE, applicable, contents, made_of, on_backend
from ._law import law
from ._laws_indices import index_dtype
from ._oracle_window import layout_of
from ._subject import Subject

CARRIERS = ("uint8", "int32", "bool")
"""The dtypes that every backend needs: of offsets, of positions, and of what is compared."""


class _Lookalike:
    """What has the attributes of an array, and is none."""

    shape, dtype, ndim, size = (1, 4, 1), np.dtype(np.float32), 3, 4

    def __array__(self, *_: Any, **__: Any) -> np.ndarray[Any, Any]:
        return np.zeros(self.shape, self.dtype)


FOREIGN: tuple[Any, ...] = (
    None,
    True,
    3,
    2.5,
    1j,
    "array",
    b"array",
    [1.0, 2.0],
    (1, 2),
    {},
    object(),
    float,
    slice(2),
    _Lookalike(),
    np.ma.masked_array([1.0, 2.0], [True, False]),
)
"""What is no dense array of any framework."""


def undeclared(declared: Capabilities) -> str | None:
    """A dtype of the norm that the backend does not declare."""
    return None if set(MOVABLE) - set(declared.dtypes) else "declares every dtype"


@law("dtypes", "P7", "B7", share=0.01)
def the_declaration_is_sound(subject: Subject, data: Any) -> None:
    """The backend tells its name, version, devices and dtypes, in the words of the norm, and is found by its name."""
    del data  # nothing to draw
    ops, declared = subject.backend, subject.declared
    subject.given(backend=subject.name, dtypes=declared.dtypes, devices=declared.devices)
    texts: list[Any] = [ops.name, ops.version, *declared.devices, *declared.dtypes, *declared.compiled]
    subject.holds(all(isinstance(text, str) and text for text in texts), "texts that are not empty", got=texts)
    subject.holds(bool(declared.devices), "at least one device", got=declared.devices)
    known, got = set(MOVABLE), declared.dtypes
    subject.holds(set(got) <= known, "dtypes by the names of the norm", expected=MOVABLE, got=got)
    subject.holds(set(got) >= set(CARRIERS), "the dtypes of switches and indices", expected=CARRIERS, got=got)
    subject.holds(len(set(got)) == len(got), "each dtype once", got=got)
    whole = Capabilities(ops.dtypes(), ops.devices(), ops.gradient, ops.forward_mode, ops.compiled)
    subject.holds(ops.capabilities() == whole, "capabilities() made of their parts", expected=whole, got=declared)
    subject.holds(unpoolx.get_backend(ops.name) is ops, f"get_backend({ops.name!r})", expected=ops)


@law("dtypes", "B1", "B4", "B8", share=0.3)
def the_backend_knows_its_arrays(subject: Subject, data: Any) -> None:
    """The backend serves the arrays that it makes, and takes nothing else for one."""
    ops, name = subject.backend, data.draw(st.sampled_from(subject.declared.dtypes))
    x = data.draw(xst.arrays(data.draw(xst.shapes()), name))
    subject.given(x=x)
    made = subject.array(np.asarray(x))
    subject.holds(ops.is_array(made), "is_array of an array that it made", expected=True, got=False)
    subject.holds(ops.is_concrete(made), "is_concrete outside compiled code", expected=True, got=False)
    for foreign in FOREIGN:
        what = f"is_array of {type(foreign).__name__.lstrip('_')}, which is none"
        subject.holds(not ops.is_array(foreign), what, expected=False, got=True)
    device, devices = ops.device(made), (None, *subject.declared.devices)
    subject.holds(device in devices, "device of an array that it made", expected=devices, got=device)
    serving = unpoolx.get_backend(made)
    subject.holds(serving is ops, "get_backend of an array that it made", expected=ops, got=serving)


@law("dtypes", "B2", "P7")
def arrays_come_and_go_bit_for_bit(subject: Subject, data: Any) -> None:
    """from_numpy and to_numpy keep shape, dtype and bits, of an array that lies in memory in any way."""
    ops, shape = subject.backend, data.draw(xst.shapes(0, 4))
    name = data.draw(st.sampled_from(subject.declared.dtypes))
    order = data.draw(st.permutations(range(len(shape))))
    steps = data.draw(st.tuples(*[st.sampled_from((1, 2, -1)) for _ in shape]))
    x = data.draw(xst.arrays(tuple(shape[axis] for axis in np.argsort(order)), name))
    x = np.asarray(np.transpose(x, order)[tuple(slice(None, None, step) for step in steps)])
    x.flags.writeable = data.draw(st.booleans())
    subject.given(x=x, strides=x.strides, writeable=x.flags.writeable)
    for what, made in (("alone", ops.from_numpy(x)), ("like another", ops.from_numpy(x, like=subject.array(x)))):
        subject.same_bits(made, np.asarray(x), f"the array made {what}")
        subject.holds(ops.dtype(made) == name, f"dtype of the array made {what}", expected=name, got=ops.dtype(made))
        subject.holds(
            ops.shape(made) == x.shape, f"shape of the array made {what}", expected=x.shape, got=ops.shape(made)
        )


@law("dtypes", "P6", "P7", "S1", "S3", "U1", share=0.03)
def every_function_gives_the_dtype_of_the_norm(subject: Subject, data: Any) -> None:
    """Results have x's dtype in every dtype that is declared, offsets uint8 or int32, and indices int64."""
    geometry = data.draw(xst.windows(max_rank=2, batch_ranks=(1,), large_kernels=False, max_elements=40))
    offsets = data.draw(xst.offsets_for(geometry))
    for function, call in CALLS.items():
        for name in subject.declared.dtypes:
            if not applicable(function, name):
                continue
            x, y = (data.draw(contents(function)(shape, name)) for shape in (geometry.shape, geometry.pooled_shape))
            subject.given(function=function, x=x, y=y, offsets=offsets, **geometry.arguments)
            for what, result in call(on_backend(subject, made_of(geometry, x, y, offsets))).items():
                expected = offsets.dtype.name if what.startswith(("offsets", "window")) else name
                expected = index_dtype(subject) if what in oracle.RAW_FORMATS else expected
                got = subject.backend.dtype(result)
                subject.holds(got == expected, f"dtype of {what}", expected=expected, got=got)
                got = subject.got(result, what).dtype.name
                subject.holds(got == expected, f"dtype of {what} on the host", expected=expected, got=got)


@law("dtypes", "P7", "U4", "F4", share=0.3)
def what_has_no_order_no_sum_or_no_quotient_is_refused(subject: Subject, data: Any) -> None:
    """Complex numbers are not pooled, bools not summed and integers not averaged: TypeError with the dtype."""
    names = subject.declared.dtypes
    refused = [(function, name) for function in CALLS for name in names if not applicable(function, name)]
    function, name = data.draw(st.sampled_from(refused))
    geometry = data.draw(xst.windows(batch_ranks=(1,), large_kernels=False, max_elements=40))
    x, y = (data.draw(xst.arrays(shape, name)) for shape in (geometry.shape, geometry.pooled_shape))
    offsets = data.draw(xst.offsets_for(geometry))
    subject.given(function=function, x=x, y=y, offsets=offsets, **geometry.arguments)
    laid = on_backend(subject, made_of(geometry, x, y, offsets))
    subject.raises(TypeError, partial(CALLS[function], laid), "x: ", name, what=f"{function} of {name}")


@law("dtypes", "U6", "S2", "S5", share=0.3)
def indices_that_are_no_integers_are_refused(subject: Subject, data: Any) -> None:
    """Indices and offsets that are floats, bools or complex numbers are a TypeError with their dtype."""
    name = data.draw(st.sampled_from([n for n in subject.declared.dtypes if n not in xst.INTEGER_DTYPES]))
    raw = data.draw(xst.raw_indices())
    indices = raw.indices.astype(xst.dtype_of(name))
    subject.given(indices=indices, **raw.arguments)
    x, made = subject.array(np.zeros(raw.x_shape, np.uint8)), subject.array(indices)
    layout = layout_of(raw.data_format, len(raw.x_shape) - 2)
    window, spatial = unpoolx.Window((1,) * layout.rank, data_format=raw.data_format), layout.split(raw.x_shape)[2]
    back = partial(unpoolx.Switches.from_indices, made, window, raw.x_shape, index_format=raw.index_format)
    subject.raises(TypeError, partial(unpoolx.unpool, x, made, **raw.arguments), "indices: ", name, what="unpool")
    subject.raises(TypeError, back, "indices: ", name, what="from_indices")
    subject.raises(TypeError, partial(unpoolx.Switches, made, window, spatial), "offsets: ", name, what="Switches")


@law("dtypes", "B2", need=undeclared, share=0.3)
def a_dtype_that_is_not_declared_is_refused(subject: Subject, data: Any) -> None:
    """An array of a dtype that the backend cannot hold is a TypeError with the dtype, never narrowed."""
    names = [name for name in MOVABLE if name not in subject.declared.dtypes]
    function = data.draw(
        st.sampled_from([f for f in CALLS if "indices" not in f and any(applicable(f, n) for n in names)])
    )
    name = data.draw(st.sampled_from([n for n in names if applicable(function, n)]))
    geometry = data.draw(xst.windows(batch_ranks=(1,), large_kernels=False, max_elements=40))
    x, y = (data.draw(xst.arrays(shape, name)) for shape in (geometry.shape, geometry.pooled_shape))
    offsets = data.draw(xst.offsets_for(geometry))
    subject.given(function=function, x=x, y=y, offsets=offsets, **geometry.arguments)
    call = partial(CALLS[function], made_of(geometry, x, y, offsets), backend=subject.name)
    subject.raises(TypeError, call, "x: ", name, what=f"{function} of {name}")
