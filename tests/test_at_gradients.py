"""Derivatives of reads and updates by index, in three frameworks, against the oracle's replay of the updates.

Contents are small integers, or powers of two where there is a division, so that most derivatives are exact.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Harness
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import unpoolx
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits

EXAMPLES = {"deep": 400}.get(os.environ.get("UNPOOLX_PROFILE", "ci"), 40)
generated = settings(max_examples=EXAMPLES, phases=[Phase.generate])
LINEAR = ("set", "add", "subtract")
NAN = math.nan

Function = Callable[..., Any]


def pulled_back(on: Harness, function: Function, arrays: list[np.ndarray], cotangent: np.ndarray) -> list[np.ndarray]:
    """The vector-Jacobian products of a function of several arrays; zeros where one does not take part."""
    given, weight = [on.array(np.asarray(x)) for x in arrays], on.array(np.asarray(cotangent))
    if on.name == "jax":
        _, pull = on.framework.vjp(function, *given)
        made = pull(weight)
    elif on.name == "tf":
        with on.framework.GradientTape() as tape:
            tape.watch(given)
            result = function(*given)
        zero = on.framework.UnconnectedGradients.ZERO
        made = tape.gradient(result, given, output_gradients=weight, unconnected_gradients=zero)
    else:
        for x in given:
            x.requires_grad_()
        grad = on.framework.autograd.grad
        made = grad(function(*given), given, weight, allow_unused=True, materialize_grads=True)
    return [on.numpy(gradient) for gradient in made]


def pushed_forward(on: Harness, function: Function, arrays: list[np.ndarray], tangents: list[np.ndarray]) -> np.ndarray:
    """The Jacobian-vector product of a function of several arrays, by the framework's forward mode."""
    given, moves = [on.array(x) for x in arrays], [on.array(t) for t in tangents]
    if on.name == "jax":
        _, moved = on.framework.jvp(function, tuple(given), tuple(moves))
    elif on.name == "tf":
        with on.framework.autodiff.ForwardAccumulator(given, moves) as forward:
            result = function(*given)
        moved = forward.jvp(result)
    else:
        _, moved = on.framework.func.jvp(function, tuple(given), tuple(moves))
    return on.numpy(moved)


def update(index: Any, op: str, **options: Any) -> Function:
    """The update by an index, as a function of x and the values."""
    return lambda x, v: unpoolx.index_update(x, index, v, op, **options)


def close(ours: np.ndarray, expected: np.ndarray, *, what: str, rtol: float = 1e-5) -> None:
    """Assert that a gradient is the oracle's within rounding."""
    assert ours.shape == expected.shape, what
    wide = ours.astype(np.float64)
    np.testing.assert_allclose(wide, expected, rtol=rtol, atol=rtol, err_msg=what)


def exact(ours: np.ndarray, expected: np.ndarray, *, what: str) -> None:
    """Assert that a gradient of small integers is the oracle's; a zero may have either sign."""
    zero = ours.dtype.type(0)
    assert_same_bits(np.asarray(ours + zero), np.asarray(expected.astype(ours.dtype) + zero), what=what)


@st.composite
def problems(draw: st.DrawFn) -> tuple[tuple[int, ...], Any, str, tuple[int, ...]]:
    """A shape, an index, a mode, and the shape of values: those of the indexed elements, or one for all."""
    shape = draw(xst.shapes(empty=False))
    mode = draw(st.sampled_from(("raise", "raise", "drop", "clip", "wrap")))
    index = draw(xst.indices(shape, legal=mode == "raise"))
    indexed = oracle.resolve_index(shape, index, mode).shape
    fewer = indexed[draw(st.integers(0, len(indexed))) :]
    return shape, index, mode, draw(st.sampled_from((indexed, indexed, fewer)))


@pytest.mark.rule("A17", "A19")
@generated
@given(data=st.data())
def test_gradients_of_linear_updates(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    shape, index, mode, values_shape = data.draw(problems())
    op = data.draw(st.sampled_from(LINEAR))
    dtype = data.draw(xst.dtypes(("float32", "float64", "float16", "bfloat16")))
    x, values, dy = (data.draw(xst.exact_arrays(s, dtype, largest=3)) for s in (shape, values_shape, shape))
    # The values' cotangent is a sum over what they were broadcast to: within 256, that half precision can count to.
    expected = oracle.index_update_gradients(x, index, values, dy, op, mode=mode)
    dx, dv = pulled_back(on, update(index, op, mode=mode), [x, values], dy)
    what = f"gradient of {op} on {on.name}, {dtype}{shape}, {index}, mode {mode}"
    exact(dx, expected.x, what=f"x's {what}")
    if abs(expected.values).max(initial=0) <= 256:
        exact(dv, expected.values, what=f"values' {what}")
    on.count("at, gradient")


@pytest.mark.rule("A17", "A19")
@generated
@given(data=st.data())
def test_gradients_of_products_and_quotients(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    shape, index, mode, values_shape = data.draw(problems())
    op = data.draw(st.sampled_from(("multiply", "divide")))
    dtype = data.draw(xst.dtypes(("float32", "float64")))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    choices = (-2.0, -1.0, 0.5, 1.0, 2.0) if op == "divide" else (-2.0, 0.0, 0.5, 1.0, 2.0)
    x = random.choice((-2.0, 0.0, 0.5, 1.0, 3.0), shape).astype(dtype)
    values = np.asarray(random.choice(choices, values_shape)).astype(dtype)
    dy = data.draw(xst.exact_arrays(shape, dtype))
    expected = oracle.index_update_gradients(x, index, values, dy, op, mode=mode)
    dx, dv = pulled_back(on, update(index, op, mode=mode), [x, values], dy)
    what = f"gradient of {op} on {on.name}, {dtype}{shape}, {index} = {values}, x {x}, mode {mode}"
    close(dx, expected.x, what=f"x's {what}")
    close(dv, expected.values, what=f"values' {what}")
    on.count("at, gradient")


@pytest.mark.rule("A18", "A19")
@generated
@given(data=st.data())
def test_gradients_of_min_and_max_are_shared_by_what_ties(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    shape, index, mode, values_shape = data.draw(problems())
    op = data.draw(st.sampled_from(("min", "max")))
    dtype = data.draw(xst.dtypes(("float32", "float64")))
    x, values = (data.draw(xst.exact_arrays(s, dtype, largest=1)) for s in (shape, values_shape))
    if data.draw(st.booleans()):
        x, values = np.asarray(np.negative(x)), np.asarray(np.copysign(values, -1)).astype(dtype)  # -0.0 ties with +0.0
    dy = data.draw(xst.exact_arrays(shape, dtype))
    expected = oracle.index_update_gradients(x, index, values, dy, op, mode=mode)
    dx, dv = pulled_back(on, update(index, op, mode=mode), [x, values], dy)
    what = f"gradient of {op} on {on.name}, {dtype}{shape}, {index} = {values}, x {x}, mode {mode}"
    close(dx, expected.x, what=f"x's {what}")
    close(dv, expected.values, what=f"values' {what}")
    on.count("at, gradient")


@pytest.mark.rule("A17", "A19")
@generated
@given(data=st.data())
def test_the_gradient_of_a_read_adds_up(on_framework: Harness, data: st.DataObject) -> None:
    on = on_framework
    shape = data.draw(xst.shapes(empty=False))
    mode = data.draw(st.sampled_from(("raise", "raise", "fill", "clip", "wrap")))
    index = data.draw(xst.indices(shape, legal=mode == "raise"))
    dtype = data.draw(xst.dtypes(("float32", "float64", "float16", "bfloat16")))
    x = data.draw(xst.exact_arrays(shape, dtype))
    dy = data.draw(xst.exact_arrays(oracle.resolve_index(shape, index, mode).shape, dtype, largest=2))
    expected = oracle.index_get_gradient(shape, index, dy, mode=mode)
    (dx,) = pulled_back(on, lambda z: unpoolx.index_get(z, index, mode=mode, fill_value=1.0), [x], dy)
    exact(dx, expected, what=f"gradient of get on {on.name}, {dtype}{shape}, {index}, mode {mode}")
    on.count("at, gradient")


BY_HAND = [
    ("set", [5, 6, 7], [0, 0, 2], [1, 2, 3]),
    ("set", [5, 6, 7], [0, 0, 2], 4),
    ("add", [5, 6, 7], [0, 0, 2], [1, 2, 3]),
    ("add", [5, 6, 7], [0, 0, 2], 4),
    ("multiply", [10, 1, 2], [0, 0, 1], [3, 4, 5]),
    ("multiply", [10, 1, 2], [0, 0, 1], [0, 4, 5]),
    ("multiply", [10, 1, 2], [0, 0, 0], [0, 4, 0]),
    ("multiply", [0, 1, 2], [0, 0, 1], [3, 0, 5]),
    ("multiply", [10, 1, 2], [0, 0, 1], 3),
    ("divide", [8, 1, 2], [0, 0, 1], [2, 4, -1]),
    ("divide", [0, 1, 2], [0, 0, 1], [2, 4, -1]),
    ("divide", [8, 1, 2], [0, 0, 1], 2),
    ("power", [3, 2, 2], [0, 0, 1], [2, 1, 3]),
    ("power", [3, 2, 2], [0, 0, 1], [0.5, 2, 0]),
    ("max", [3, 1, 2], [0, 0, 1], [3, 3, 0]),
    ("max", [3, 1, 2], [0, 0, 1], [4, 4, 1]),
    ("max", [3, 1, 2], [0, 0, 1], 3),
    ("max", [-0.0, 1, 2], [0, 0, 1], [0.0, -0.0, 5]),
    ("min", [3, 1, 2], [0, 0, 0], [3, 2, 2]),
    ("max", [3, 1, 2], [0, 0, 1], [NAN, 4, 1]),
    ("min", [NAN, 1, 2], [0, 0, 1], [NAN, 4, NAN]),
]


@pytest.mark.rule("A10", "A17", "A18")
@pytest.mark.parametrize(("op", "x", "index", "values"), BY_HAND)
def test_gradients_with_duplicates(on_framework: Harness, op: str, x: Any, index: list[int], values: Any) -> None:
    on = on_framework
    arrays = [np.array(x, np.float32), np.array(values, np.float32)]
    dy = np.array([10, 100, 1000], np.float32)
    expected = oracle.index_update_gradients(arrays[0], index, arrays[1], dy, op)
    for made in (index, np.array(index), on.array(np.array(index))):
        dx, dv = pulled_back(on, update(made, op), arrays, dy)
        what = f"gradient of {op} on {on.name}, {x} {index} {values}"
        close(dx, expected.x, what=f"x's {what}")
        close(dv, expected.values, what=f"values' {what}")


@pytest.mark.rule("A13", "A17", "A18")
@pytest.mark.parametrize("op", oracle.AT_OPS)
@pytest.mark.parametrize(
    "index",
    [
        np.array([True, False, True, True]),
        slice(None, None, -1),
        slice(1, 3),
        -2,
        ...,
        (None, [True, False, False, True]),
        np.array(True),
        [],
        np.zeros(4, bool),
    ],
)
def test_gradients_of_every_form_of_index(on_framework: Harness, op: str, index: Any) -> None:
    on = on_framework
    x = np.array([1, 2, 0.5, 4], np.float32)
    indexed = oracle.resolve_index((4,), index).shape
    values = np.resize(np.array([2, 0.5, 2, 1], np.float32), indexed)
    dy = np.array([1, 10, 100, 1000], np.float32)
    for v in (values, np.array(2, np.float32)):
        expected = oracle.index_update_gradients(x, index, v, dy, op)
        dx, dv = pulled_back(on, update(index, op), [x, v], dy)
        what = f"gradient of {op} on {on.name} at {index} = {v}"
        close(dx, expected.x, what=f"x's {what}")
        close(dv, expected.values, what=f"values' {what}")


@pytest.mark.rule("A14", "A17", "A18", "A19")
@pytest.mark.parametrize("op", oracle.AT_OPS)
def test_gradients_under_a_promise_of_unique_indices(on_framework: Harness, op: str) -> None:
    on = on_framework
    arrays = [np.array([1, 2, 0.5, 4], np.float32), np.array([2, 2, 4, 8], np.float32)]
    dy, index = np.array([1, 10, 100, 1000], np.float32), np.array([3, 1, 7, -5])
    expected = oracle.index_update_gradients(arrays[0], index, arrays[1], dy, op, mode="drop")
    dx, dv = pulled_back(on, update(index, op, mode="drop", unique=True), arrays, dy)
    close(dx, expected.x, what=f"x's gradient of {op} with unique on {on.name}")
    close(dv, expected.values, what=f"values' gradient of {op} with unique on {on.name}")


@pytest.mark.rule("A19")
@pytest.mark.parametrize("op", oracle.AT_OPS)
@pytest.mark.parametrize("how", ["eager", "compiled", "XLA"])
def test_what_is_out_of_range_has_no_gradient(on_framework: Harness, op: str, how: str) -> None:
    on = on_framework
    if how == "XLA" and on.name != "tf":
        pytest.skip("XLA is JAX's only compiler, and none of PyTorch's")
    arrays = [np.array([1, 2, 4], np.float32), np.array([2, 3, 4, 5], np.float32)]
    dy, index = np.array([1, 10, 100], np.float32), on.array(np.array([3, 1, -4, 2**32 + 1]))
    function = update(index, op, mode="drop")
    if how != "eager":
        traced, made_index = on.framework, index

        def with_index(x: Any, v: Any, i: Any) -> Any:  # in mode "raise", which drops there
            return unpoolx.index_update(x, i, v, op)

        if on.name == "jax":
            program = traced.jit(with_index)
        elif on.name == "tf":
            program = traced.function(with_index, jit_compile=how == "XLA", autograph=False)
        else:
            traced._dynamo.reset()
            program = traced.compile(with_index, fullgraph=True, backend="aot_eager")
        function = lambda x, v: program(x, v, made_index)  # noqa: E731  # as the eager one
    expected = oracle.index_update_gradients(arrays[0], np.array([9, 1, 9, 9]), arrays[1], dy, op, mode="drop")
    dx, dv = pulled_back(on, function, arrays, dy)
    close(dx, expected.x, what=f"x's gradient of {op} on {on.name}, {how}")
    close(dv, expected.values, what=f"values' gradient of {op} on {on.name}, {how}")
    assert dv[[0, 2, 3]].tolist() == [0, 0, 0], f"{op} on {on.name}, {how}"


@pytest.mark.rule("A17", "A18")
@pytest.mark.parametrize("op", oracle.AT_OPS)
def test_forward_mode_is_the_transpose_of_reverse_mode(on_framework: Harness, op: str) -> None:
    on = on_framework
    if on.name == "tf" and op in ("min", "max"):
        pytest.skip("TensorFlow pushes tangents through the recipe, whose comparison gives that of a tie to x alone")
    random = np.random.default_rng(0)
    index = np.array([1, 1, 3, 0, 1])
    arrays = [np.array([1, 2, 3, 4], np.float64), np.array([2, 4, 4, 0.5, 8], np.float64)]
    tangents = [random.normal(size=4), random.normal(size=5)]
    dy = random.normal(size=4)
    moved = pushed_forward(on, update(index, op), arrays, tangents)
    expected = oracle.index_update_gradients(arrays[0], index, arrays[1], dy, op)
    ours, theirs = float(moved @ dy), float(tangents[0] @ expected.x + tangents[1] @ expected.values)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=f"forward mode of {op} on {on.name}")


@pytest.mark.rule("A17")
@pytest.mark.parametrize("op", ["set", "add", "multiply", "get"])
def test_second_derivatives(on_framework: Harness, op: str) -> None:
    on = on_framework
    framework = on.framework
    x, values, index = np.array([1, 2, 3], np.float64), np.array([2, 5, 4], np.float64), [1, 1, 2]

    def cubed(x: Any, v: Any) -> Any:
        result = unpoolx.index_get(x, index) * v if op == "get" else unpoolx.index_update(x, index, v, op)
        return result * result * result

    def loss(x: np.ndarray, v: np.ndarray) -> float:
        result = oracle.index_get(x, index) * v if op == "get" else oracle.index_update(x, index, v, op)
        return float((result**3).sum())

    given = [on.array(x), on.array(values)]
    if on.name == "jax":
        # Forward over reverse: JAX's reverse mode does not pass twice through a loop whose length depends on data.
        gradient = framework.grad(lambda x, v: cubed(x, v).sum(), argnums=1)
        second = framework.jacfwd(lambda x, v: gradient(x, v)[0])(*given)
    elif on.name == "tf":
        with framework.GradientTape() as outer:
            outer.watch(given)
            with framework.GradientTape() as inner:
                inner.watch(given)
                total = framework.reduce_sum(cubed(*given))
            first = inner.gradient(total, given[1])[0]
        zero = framework.UnconnectedGradients.ZERO
        second = outer.gradient(first, given[0], unconnected_gradients=zero)
    else:
        for array in given:
            array.requires_grad_()
        (first,) = framework.autograd.grad(cubed(*given).sum(), given[1], create_graph=True)
        if first.requires_grad:
            (second,) = framework.autograd.grad(first[0], given[0], allow_unused=True, materialize_grads=True)
        else:
            second = framework.zeros_like(given[0])
    step, expected = 1e-4, np.zeros(3)
    for i in range(3):
        e, d = np.eye(3)[i] * step, np.array([step, 0, 0])
        difference = (
            loss(x + e, values + d) - loss(x + e, values - d) - loss(x - e, values + d) + loss(x - e, values - d)
        )
        expected[i] = difference / (4 * step * step)
    close(on.numpy(second), expected, what=f"second derivative of {op} on {on.name}", rtol=1e-4)


@pytest.mark.rule("A17")
@pytest.mark.parametrize("on_framework", ["jax"], indirect=True)
@pytest.mark.parametrize("op", oracle.AT_OPS)
def test_gradients_inside_jit_and_vmap(on_framework: Harness, op: str) -> None:
    on, jax = on_framework, on_framework.framework
    index = np.array([[1, 1, 0], [2, 2, 2]])
    x, values = np.array([[1, 2, 3], [1, 2, 4]], np.float32), np.array([[2, 3, 1], [2, 5, 4]], np.float32)
    dy = np.array([1, 10, 100], np.float32)

    def gradients(x: Any, v: Any, i: Any) -> Any:
        _, pull = jax.vjp(update(i, op), x, v)
        return pull(on.array(dy))

    dx, dv = jax.jit(jax.vmap(gradients))(on.array(x), on.array(values), on.array(index))
    for row in range(2):
        expected = oracle.index_update_gradients(x[row], index[row], values[row], dy, op)
        close(on.numpy(dx)[row], expected.x, what=f"x's gradient of {op}")
        close(on.numpy(dv)[row], expected.values, what=f"values' gradient of {op}", rtol=1e-4)


@pytest.mark.rule("A8", "A17")
def test_values_of_another_float_dtype_have_a_gradient_of_theirs(on_framework: Harness) -> None:
    on = on_framework
    arrays = [np.array([1, 2], np.float32), np.array([3, 4], np.float64)]
    dx, dv = pulled_back(on, update([0, 0], "multiply"), arrays, np.array([1, 1], np.float32))
    assert (dx.dtype, dv.dtype) == (np.float32, np.float64), on.name
    assert (dx.tolist(), dv.tolist()) == ([12, 1], [4, 3]), on.name


@pytest.mark.rule("A15", "A17")
def test_the_gradient_of_apply(on_framework: Harness) -> None:
    on = on_framework
    x, dy = np.array([3, 4, 5], np.float32), np.array([1, 10, 100], np.float32)
    (dx,) = pulled_back(on, lambda z: unpoolx.at(z)[[1, 1]].apply(lambda elements: elements * elements), [x], dy)
    assert dx.tolist() == [1, 80, 100], on.name


@pytest.mark.rule("A17")
def test_the_gradients_that_frameworks_give_would_be_seen(on_framework: Harness) -> None:
    on = on_framework
    arrays, dy = [np.array([5, 6], np.float32), np.array([1, 2], np.float32)], np.array([10, 100], np.float32)
    winners = oracle.index_update_gradients(arrays[0], [0, 0], arrays[1], dy).values
    for wrong in ("add", "multiply"):
        _, dv = pulled_back(on, update([0, 0], wrong), arrays, dy)
        with pytest.raises(AssertionError, match=r"[12] of 2 elements differ"):
            exact(dv, winners, what=f"{wrong} in place of set")
