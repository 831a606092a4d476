"""Laws of derivatives of second order, and of forward mode.

Contents are small integers and powers of two, so that nothing rounds where a law compares bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import oracle
from . import strategies as xst
from ._index_calls import index_on, update, ways
from ._law import forward_mode, gradient, law
from ._laws_gradient import same_numbers
from ._linear_cases import linear_cases
from ._subject import Subject

SHARE = 0.3
SEVERAL = 3
"""Arrays for each case: frameworks that compile do so once per geometry."""


def widest(subject: Subject) -> str:
    """The widest float of the backend."""
    return subject.declared_of(("float64", "float32", *xst.FLOAT_DTYPES))[0]


@law("gradient", "U8", "U9", "A17", need=gradient, share=0.5)
def the_derivative_of_a_gradient_is_the_map_itself(subject: Subject, data: Any) -> None:
    """A gradient is linear in the cotangent, and its own gradient by the cotangent is the function's map."""
    case = data.draw(linear_cases(subject, data.draw(subject.dtypes(xst.FLOAT_DTYPES))))
    name, x, ops = case.x.dtype.name, subject.array(case.x), subject.backend
    shape = case.forward(case.x).shape

    def pulled_back(cotangent: Any) -> Any:
        return ops.vjp(case.function, [x], cotangent)[0]

    for _ in range(SEVERAL):
        dy, v = (np.asarray(data.draw(xst.exact_arrays(s, name, largest=2))) for s in (shape, case.x.shape))
        subject.given(**case.inputs, cotangent=dy, cotangent_of_the_gradient=v)
        (twice,) = ops.vjp(pulled_back, [subject.array(dy)], subject.array(v))
        same_numbers(subject, twice, case.forward(v), "derivative of the gradient by its cotangent")


@law("gradient", "U8", "U9", "A17", need=gradient, share=SHARE)
def second_derivatives_of_a_cubic_loss(subject: Subject, data: Any) -> None:
    """With A the map, the gradient of sum(w * (Ax)**3) is A'(3w(Ax)**2), and its Hessian A' diag(6w Ax) A."""
    case, ops = data.draw(linear_cases(subject, widest(subject))), subject.backend
    moved, name = case.forward(case.x), case.x.dtype.name
    v, weights = (np.asarray(data.draw(xst.exact_arrays(s, name, largest=2))) for s in (case.x.shape, moved.shape))
    subject.given(**case.inputs, weights=weights, cotangent_of_the_gradient=v)

    def cubed(z: Any) -> Any:
        result = case.function(z)
        return result * result * result

    made = subject.array(weights)
    arrays = [subject.array(case.x)]
    (first,) = ops.vjp(cubed, arrays, made)
    same_numbers(subject, first, case.adjoint(np.asarray(3 * weights * moved**2)), "gradient")
    (second,) = ops.vjp(lambda z: ops.vjp(cubed, [z], made)[0], arrays, subject.array(v))
    through = np.asarray(6 * weights * moved * case.forward(v))
    same_numbers(subject, second, case.adjoint(through), "second derivative")


def _is_plain(case: xst.IndexCase) -> bool:
    """Whether an index in range is made of slices and integers, or of slices and one mask: of no integer arrays."""
    parts = case.index if isinstance(case.index, tuple) else (case.index,)
    masks = [p for p in parts if isinstance(p, (np.ndarray, list, bool)) and np.asarray(p).dtype == np.bool_]
    return case.mode == "raise" and len(masks) <= 1 and all(np.ndim(mask) for mask in masks)


@law("gradient", "A17", need=gradient, share=SHARE)
def second_derivatives_of_products_and_quotients(subject: Subject, data: Any) -> None:
    """By slices and masks, the gradient of a factor or a divisor has derivatives by x and by the values."""
    forms = data.draw(st.sampled_from((("int", "slice"), ("slice", "mask"))))
    case = data.draw(xst.index_cases(forms=forms).filter(_is_plain))
    op, way, name = data.draw(st.sampled_from(("multiply", "divide"))), data.draw(ways()), widest(subject)
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = np.asarray(random.choice((-2.0, 1.0, 3.0), case.shape), name)
    values = np.asarray(random.choice((-2.0, 0.5, 1.0, 2.0), case.indexed_shape), name)
    dy = np.asarray(data.draw(xst.exact_arrays(case.shape, name)))
    u = np.asarray(data.draw(xst.exact_arrays(case.indexed_shape or (), name)))
    subject.given(x=x, values=values, op=op, **case.arguments, cotangent=dy, cotangent_of_the_gradient=u, way=way)
    ops, index, cotangent = subject.backend, index_on(subject, case.index, way), subject.array(dy)

    def by_values(x: Any, values: Any) -> Any:
        function = lambda x, values: update(x, index, values, op, way, mode=case.mode)  # noqa: E731  # of two arrays
        return ops.vjp(function, [x, values], cotangent)[1]

    by_x, own = ops.vjp(by_values, [subject.array(x), subject.array(values)], subject.array(u))
    # No element comes twice: the gradient of a value is dy * x, or -dy * x / values**2.
    targets = oracle.resolve_index(case.shape, case.index, case.mode).targets
    expected_x, expected = np.zeros_like(x), np.zeros_like(values)
    for place, target in zip(np.ndindex(values.shape), targets, strict=True):
        if target is None:
            continue
        v, moved = values[place], dy[target] * u[place]
        expected_x[target] += moved if op == "multiply" else -moved / v**2
        expected[place] = 0 if op == "multiply" else 2 * moved * x[target] / v**3
    same_numbers(subject, by_x, expected_x, "derivative by x of the values' gradient")
    same_numbers(subject, own, expected, "derivative by the values of their gradient")


@law("gradient", "U8", "U9", "A17", need=forward_mode, share=0.5)
def forward_mode_is_the_map_of_the_tangent(subject: Subject, data: Any) -> None:
    """The tangent of a result is the function's linear map of the tangent."""
    case = data.draw(linear_cases(subject, data.draw(subject.dtypes(xst.FLOAT_DTYPES))))
    for _ in range(SEVERAL):
        tangent = np.asarray(data.draw(xst.exact_arrays(case.x.shape, case.x.dtype.name, largest=2)))
        subject.given(**case.inputs, tangent=tangent)
        moved = subject.backend.jvp(case.function, [subject.array(case.x)], [subject.array(tangent)])
        same_numbers(subject, moved, case.forward(tangent), "tangent")


@law("gradient", "A17", "A18", "A19", need=forward_mode, share=SHARE)
def forward_mode_of_updates_is_the_transpose_of_reverse_mode(subject: Subject, data: Any) -> None:
    """The tangent of an update, times a cotangent, is what the gradients of x and the values make of their tangents."""
    case, way, name = data.draw(xst.index_cases()), data.draw(ways()), widest(subject)
    op = data.draw(st.sampled_from([op for op in oracle.AT_OPS if op != "power"]))
    for _ in range(SEVERAL):
        random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        x = np.asarray(random.choice((-2.0, 0.5, 1.0, 2.0), case.shape), name)
        values = np.asarray(random.choice((-2.0, 0.5, 1.0, 2.0), case.indexed_shape), name)
        if op in ("min", "max"):  # no ties: which side a tangent takes there, the norm does not say
            numbers = random.permutation(x.size + values.size).astype(name)
            x, values = numbers[: x.size].reshape(x.shape), numbers[x.size :].reshape(values.shape)
        shapes = (x.shape, values.shape, x.shape)
        by_x, by_values, dy = (np.asarray(data.draw(xst.exact_arrays(s, name))) for s in shapes)
        subject.given(x=x, values=values, op=op, **case.arguments, tangents=(by_x, by_values), cotangent=dy, way=way)
        index = index_on(subject, case.index, way)
        moved = subject.backend.jvp(
            lambda x, values: update(x, index, values, op, way, mode=case.mode),  # noqa: B023  # called at once
            [subject.array(x), subject.array(values)],
            [subject.array(by_x), subject.array(by_values)],
        )
        got = subject.got(moved, "tangent")
        subject.same_bits(subject.array(np.zeros_like(got)), np.zeros_like(x), "tangent")
        gradients = oracle.index_update_gradients(x, case.index, values, dy, op, mode=case.mode)
        pairs = ((by_x, gradients.x), (by_values, gradients.values))
        expected = sum(float(np.sum(t * g)) for t, g in pairs)
        size = 1 + sum(float(np.sum(abs(t * g))) for t, g in pairs)
        found = float(np.sum(got.astype(np.float64) * dy))
        near = abs(found - expected) <= 64 * (1 + values.size) * float(np.finfo(x.dtype).eps) * size
        subject.holds(near, "inner product of tangent and cotangent", expected=expected, got=found)
