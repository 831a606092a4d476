"""Where the frameworks disagree about reads and updates by index: one test per trap, answered as the norm has it.

Each docstring says what the frameworks do and what unpoolx answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Harness

import unpoolx
from unpoolx.testing import oracle
from unpoolx.testing import strategies as xst
from unpoolx.testing.compare import assert_same_bits

NAN, INFINITY = math.nan, math.inf


def f32(values: Any) -> np.ndarray:
    return np.array(values, np.float32)


def at(on: Harness, x: Any) -> Any:
    """`unpoolx.at` of the backend's array."""
    return unpoolx.at(on.array(np.asarray(x)))


def zeros(on: Harness) -> Any:
    """`at` of three zeros."""
    return at(on, f32([0, 0, 0]))


def host(on: Harness, x: Any) -> list[Any]:
    """A result as lists."""
    return on.numpy(x).tolist()


def compiled(on: Harness, function: Callable[..., Any], *, xla: bool = False) -> Callable[..., Any]:
    """The function inside the framework's compiled code."""
    if on.name == "jax":
        return on.framework.jit(function)
    if on.name == "tf":
        return on.framework.function(function, jit_compile=xla, autograph=False)
    on.framework.compiler.reset()
    return on.framework.compile(function, backend="eager", fullgraph=True)


def gradients(on: Harness, function: Callable[..., Any], *arrays: np.ndarray, by: np.ndarray) -> list[list[Any]]:
    """The gradients of a function by each of its arrays, for this cotangent of its result."""
    given, cotangent = [on.array(x) for x in arrays], on.array(by)
    if on.name == "jax":
        _, pull = on.framework.vjp(function, *given)
        made = pull(cotangent)
    elif on.name == "tf":
        with on.framework.GradientTape() as tape:
            tape.watch(given)
            result = function(*given)
        made = tape.gradient(
            result, given, output_gradients=cotangent, unconnected_gradients=on.framework.UnconnectedGradients.ZERO
        )
    else:
        for x in given:
            x.requires_grad_()
        made = on.framework.autograd.grad(function(*given), given, cotangent, allow_unused=True, materialize_grads=True)
    return [on.numpy(g).tolist() for g in made]


@pytest.mark.rule("A10")
def test_i1_an_addition_counts_every_duplicate(on: Harness) -> None:
    """`x[i] += v` of NumPy and PyTorch, and array-api-extra on them, give 2, 3, 0; the others 3, 3, 0.

    unpoolx: 3, 3, 0.
    """
    assert host(on, zeros(on)[[0, 0, 1]].add([1, 2, 3])) == [3, 3, 0], on.name
    if on.name == "numpy":
        x = f32([0, 0, 0])
        x[[0, 0, 1]] += f32([1, 2, 3])
        assert x.tolist() == [2, 3, 0], "the trap itself"


@pytest.mark.rule("A10")
def test_i2_of_several_values_for_one_element_the_last_wins(on: Harness) -> None:
    """`tf.scatter_nd` sums, and PyTorch takes any of 200,000.

    unpoolx: the last, at every repetition.
    """
    assert host(on, zeros(on)[[0, 0, 1]].set([1, 2, 3])) == [2, 3, 0], on.name
    values = np.arange(200_000, dtype=np.float32)
    index, x = np.arange(200_000) % 3, on.array(f32([0, 0, 0]))
    for _ in range(3):
        ours = unpoolx.at(x)[on.array(index)].set(on.array(values))
        assert host(on, ours) == [199_998, 199_999, 199_997], on.name


@pytest.mark.rule("A21", "A22", "A23")
def test_i3_an_update_out_of_range_raises(on: Harness) -> None:
    """NumPy, PyTorch and eager TensorFlow raise; JAX and XLA drop it in silence; JAX can clip.

    unpoolx: IndexError; or dropped, clipped or wrapped where that is asked for.
    """
    with pytest.raises(IndexError, match=r"5\D.*axis 0 of length 3"):
        zeros(on)[[5]].set(9)
    assert host(on, zeros(on)[[5]].set(9, mode="drop")) == [0, 0, 0], on.name
    assert host(on, zeros(on)[[5]].set(9, mode="clip")) == [0, 0, 9], on.name
    assert host(on, zeros(on)[[4]].set(9, mode="wrap")) == [0, 9, 0], on.name


@pytest.mark.rule("A21", "A22")
@pytest.mark.parametrize(("dtype", "fill"), [("float32", NAN), ("int32", -(2**31)), ("uint8", 255), ("bool", True)])
def test_i4_a_read_out_of_range_raises(on: Harness, dtype: str, fill: Any) -> None:
    """NumPy, PyTorch and TensorFlow raise; JAX and XLA read the last element, `jnp.take` NaN.

    unpoolx: IndexError; or the fill where that is asked for.
    """
    x = np.array([1, 1, 0], dtype)
    with pytest.raises(IndexError, match=r"5\D.*axis 0 of length 3"):
        at(on, x)[[5]].get()
    for index in ([5, 0], np.array([5, 0], np.uint8)):
        ours = on.numpy(at(on, x)[index].get(mode="fill"))
        assert_same_bits(ours, np.array([fill, 1], dtype), what=f"fill of {dtype} on {on.name}")
    assert host(on, at(on, x)[[5]].get(mode="clip")) == [0], on.name


@pytest.mark.rule("A5")
def test_i5_a_negative_index_counts_from_the_end(on: Harness) -> None:
    """NumPy, JAX and `index_put`: the last; `scatter`, `index_add` and TensorFlow raise; XLA drops it.

    unpoolx: the last, from an int, a list, an array, eager or compiled.
    """
    for index in (-1, [-1], np.array([-1]), np.array([-1], np.int8), on.array(np.array([-1]))):
        assert host(on, zeros(on)[index].set(9)) == [0, 0, 9], (on.name, index)
        assert host(on, at(on, f32([1, 2, 3]))[index].get()) in (3, [3]), (on.name, index)
    if on.name != "numpy":
        program = compiled(on, lambda x, i: unpoolx.at(x)[i].set(9.0))
        assert host(on, program(on.array(f32([0, 0, 0])), on.array(np.array([-1])))) == [0, 0, 9], on.name


@pytest.mark.rule("A5", "A21", "A23")
def test_i6_a_negative_index_counts_from_the_end_once(on: Harness) -> None:
    """NumPy and PyTorch raise at -4 of 3, JAX drops it; JAX's clip writes element 0.

    unpoolx: IndexError; clip counts from the end first, and gives element 0, as JAX's does.
    """
    with pytest.raises(IndexError, match=r"-4\D.*axis 0 of length 3"):
        zeros(on)[[-4]].set(9)
    assert host(on, zeros(on)[[-4]].set(9, mode="drop")) == [0, 0, 0], on.name
    assert host(on, zeros(on)[[-4]].set(9, mode="clip")) == [9, 0, 0], on.name
    assert host(on, zeros(on)[[-4]].set(9, mode="wrap")) == [0, 0, 9], on.name
    assert host(on, zeros(on)[[-2]].set(9, mode="clip")) == [0, 9, 0], on.name


@pytest.mark.rule("A24")
def test_i7_an_index_beyond_32_bits_is_out_of_range(on: Harness) -> None:
    """JAX without its 64-bit mode writes element 1 for 2**32 + 1, and so do some CUDA kernels.

    unpoolx: IndexError, never another element; so too for what an unsigned 64-bit number would wrap to.
    """
    for number in (2**32 + 1, -(2**32) + 1, 2**31, 2**63 - 1, -(2**63)):
        for index in (number, [number], np.array([number])):
            with pytest.raises(IndexError, match=str(number)):
                zeros(on)[index].set(9)
            assert host(on, zeros(on)[index].set(9, mode="drop")) == [0, 0, 0], (on.name, index)
        expected = [0.0, 0.0, 0.0]
        expected[number % 3] = 9.0
        assert host(on, zeros(on)[number].set(9, mode="wrap")) == expected, (on.name, number)
        assert host(on, zeros(on)[[number]].set(9, mode="wrap")) == expected, (on.name, number)
    for index in (2**64 - 1, np.array([2**64 - 1], np.uint64), 2**70):  # NumPy reads element -1 for the second
        with pytest.raises(IndexError):
            zeros(on)[index].set(9)


@pytest.mark.rule("A4")
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_i8_a_narrow_index_reaches_into_a_long_axis(on: Harness, dtype: str) -> None:
    """JAX: OverflowError for int8 where the axis has 128 elements or more.

    unpoolx: an index, negative ones too.
    """
    x = np.arange(300, dtype=np.float32)
    for index in (np.array([5, 127], dtype), on.array(np.array([5, 127], dtype))):
        assert host(on, at(on, x)[index].get()) == [5, 127], on.name
        assert host(on, at(on, x)[index].set(0))[5:8] == [0, 6, 7], on.name
    if dtype == "int8":
        assert host(on, at(on, x)[on.array(np.array([-1, -128], dtype))].get()) == [299, 172], on.name


@pytest.mark.rule("A4")
@pytest.mark.parametrize("dtype", xst.INTEGER_DTYPES)
def test_i9_every_integer_dtype_is_an_index(on: Harness, dtype: str) -> None:
    """PyTorch raises for int16, uint32 and uint64 and takes uint8 for a mask; TensorFlow has few kernels.

    unpoolx: an index, from NumPy and from the framework.
    """
    index = np.array([2, 0], dtype)
    for made in (index, on.array(index)):
        assert host(on, at(on, f32([1, 2, 3]))[made].get()) == [3, 1], on.name
        assert host(on, zeros(on)[made].add([1, 2])) == [2, 0, 1], on.name
        assert host(on, zeros(on)[made].set([1, 2], unique=True)) == [2, 0, 1], on.name
        assert host(on, zeros(on)[made].set([1, 2], mode="wrap")) == [2, 0, 1], on.name


@pytest.mark.rule("A2", "A4")
def test_i10_a_list_is_an_index(on: Harness) -> None:
    """JAX: TypeError, for integers and bools alike.

    unpoolx: an index array, and a mask.
    """
    assert host(on, zeros(on)[[0, 1]].set([1, 2])) == [1, 2, 0], on.name
    assert host(on, zeros(on)[[True, False, True]].set([1, 2])) == [1, 0, 2], on.name
    assert host(on, at(on, np.zeros((2, 2), np.float32))[[[0, 1], [1, 0]]].get()) == np.zeros((2, 2, 2)).tolist()


@pytest.mark.rule("A6", "A16")
def test_i11_an_empty_index_gives_an_equal_copy(on: Harness) -> None:
    """`np.array([])` holds floats, and NumPy, JAX and PyTorch raise; JAX returns the same object for an empty index.

    unpoolx: IndexError for floats, `[]` and empty integer arrays are indices; the result is no argument.
    """
    with pytest.raises(IndexError, match="float64"):
        zeros(on)[np.array([])].set(1)
    for index in ([], np.array([], np.int32), on.array(np.array([], np.int64)), np.zeros(3, bool)):
        x = on.array(f32([1, 2, 3]))
        ours = unpoolx.at(x)[index].set(1)
        assert host(on, ours) == [1, 2, 3], on.name
        if on.name in ("numpy", "torch"):
            ours[0] = 100
            assert host(on, x) == [1, 2, 3], f"a write to the result shows in x on {on.name}"


@pytest.mark.rule("A21", "A26")
def test_i12_an_empty_array_has_no_element_0(on: Harness) -> None:
    """NumPy, PyTorch and TensorFlow raise; JAX returns an empty array from set, and TypeError from get.

    unpoolx: IndexError; dropped and filled where that is asked for; nothing to clip or wrap to.
    """
    empty = at(on, f32([]))
    for mode in ("raise", "clip", "wrap"):
        for index in (0, [0]):
            with pytest.raises(IndexError, match="length 0"):
                empty[index].set(1, mode=mode)
            with pytest.raises(IndexError, match="length 0"):
                empty[index].get(mode=mode)
    assert host(on, empty[[0]].set(1, mode="drop")) == [], on.name
    assert host(on, empty[[0]].get(mode="fill", fill_value=7)) == [7], on.name
    assert host(on, empty[0].get(mode="fill", fill_value=7)) == 7, on.name


@pytest.mark.rule("A16")
def test_i13_an_array_without_axes_can_be_read_and_updated(on: Harness) -> None:
    """TensorFlow's update raises; `np.array(5.)[()]` is no array.

    unpoolx: both work, and give arrays.
    """
    five = at(on, f32(5))
    assert host(on, five[()].set(9)) == 9, on.name
    assert host(on, five[...].add(9)) == 14, on.name
    for ours in (five[()].set(9), five[()].get(), five[...].get()):
        assert on.backend.is_array(ours), on.name
        assert on.name != "numpy" or isinstance(ours, np.ndarray)


@pytest.mark.rule("A8")
def test_i14_i15_a_fraction_never_becomes_an_integer(on: Harness) -> None:
    """NumPy, JAX and Keras cut 1.7 to 1 when it is set, `np.add.at` when it is added; the others raise.

    unpoolx: TypeError.
    """
    integers = at(on, np.array([0, 0], np.int32))[0]
    for value in (1.7, 1.0, [1.7], on.array(f32(1.7))):
        for call in (integers.set, integers.add, integers.max):
            value_ = value[0] if isinstance(value, list) else value
            with pytest.raises(TypeError):
                call(value_)


@pytest.mark.rule("A8")
def test_i16_a_wider_float_is_cast(on: Harness) -> None:
    """NumPy and JAX cast float64 to float32; PyTorch and TensorFlow raise.

    unpoolx: cast, and the result keeps x's dtype.
    """
    wide = np.array([0.1, 1e300])
    ours = on.numpy(zeros(on)[:2].set(on.array(wide)))
    assert_same_bits(ours, f32([0.1, INFINITY, 0]), what=f"float64 into float32 on {on.name}")
    assert on.numpy(zeros(on)[0].add(on.array(np.array(1.0)))).dtype == np.float32


@pytest.mark.rule("A8", "A10")
def test_i17_an_integer_that_does_not_fit_raises(on: Harness) -> None:
    """300 into int8: JAX, TensorFlow and NumPy arrays give 44.

    unpoolx: OverflowError for Python's 300; 120 + 10 is -126, as in every framework; an array casts, and wraps.
    """
    bytes_ = at(on, np.array([120, 0], np.int8))
    for value in (300, [300], -129):
        with pytest.raises(OverflowError, match=str(value).strip("[]")):
            bytes_[:1].set(value)
    assert host(on, bytes_[0].add(10)) == [-126, 0], on.name
    assert host(on, bytes_[0].set(on.array(np.array(300)))) == [44, 0], on.name


@pytest.mark.rule("A8")
def test_i18_a_negative_number_or_nan_never_becomes_an_unsigned_integer(on: Harness) -> None:
    """-1 into uint8: JAX and PyTorch 255. NaN into an integer: the lowest in NumPy, 0 in JAX.

    unpoolx: OverflowError for Python's -1, TypeError for signed arrays, and for NaN.
    """
    with pytest.raises(OverflowError, match="-1"):
        at(on, np.array([0], np.uint8))[0].set(-1)
    with pytest.raises(TypeError):
        at(on, np.array([0], np.uint8))[0].set(on.array(np.array(-1)))
    for value in (NAN, on.array(f32(NAN))):
        with pytest.raises(TypeError):
            at(on, np.array([0], np.int32))[0].set(value)


@pytest.mark.rule("A9")
def test_i19_bools_are_not_added(on: Harness) -> None:
    """NumPy and PyTorch give True, JAX and TensorFlow raise.

    unpoolx: TypeError; `max` is or, `min` is and.
    """
    bools = at(on, np.array([True, False]))
    for op in oracle.ACCUMULATING_OPS:
        with pytest.raises(TypeError, match=op):
            getattr(bools[0], op)(True)
    assert host(on, bools[:].max([False, True])) == [True, True], on.name
    assert host(on, bools[:].min([False, True])) == [False, False], on.name


@pytest.mark.rule("A11")
@pytest.mark.parametrize("op", ["min", "max"])
@pytest.mark.parametrize("dtype", xst.FLOAT_DTYPES)
def test_i20_a_nan_wins_on_either_side(on: Harness, op: str, dtype: str) -> None:
    """TensorFlow keeps 1 where the update is NaN.

    unpoolx: NaN, whichever side it comes from, and whatever follows.
    """
    x = np.array([1, NAN, 1]).astype(xst.dtype_of(dtype))
    for index in ([0, 1, 2, 2], slice(0, 2)):
        values = np.array([NAN, 1, NAN, 5][: 2 if isinstance(index, slice) else 4]).astype(x.dtype)
        ours = on.numpy(unpoolx.index_update(on.array(x), index, on.array(values), op))
        expected = x.copy()
        expected[[0, 1] if isinstance(index, slice) else [0, 1, 2]] = NAN
        assert_same_bits(ours, expected, what=f"{op} of {dtype} with NaN on {on.name}")


@pytest.mark.rule("A11")
@pytest.mark.parametrize("dtype", xst.FLOAT_DTYPES)
def test_i21_positive_zero_is_greater_than_negative_zero(on: Harness, dtype: str) -> None:
    """max(-0.0, +0.0) is +0.0 in NumPy and JAX, -0.0 in PyTorch and TensorFlow.

    unpoolx: the greatest is +0.0 and the least -0.0, in either order.
    """
    x = np.array([-0.0, 0.0, -0.0, 0.0]).astype(xst.dtype_of(dtype))
    values = np.array([0.0, -0.0, -0.0, 0.0]).astype(x.dtype)
    for index in ([0, 1, 2, 3], slice(None)):
        for op, zero in (("max", [0.0, 0.0, -0.0, 0.0]), ("min", [-0.0, -0.0, -0.0, 0.0])):
            ours = on.numpy(unpoolx.index_update(on.array(x), index, on.array(values), op))
            assert_same_bits(ours, np.array(zero).astype(x.dtype), what=f"{op} of zeros of {dtype} on {on.name}")


@pytest.mark.rule("A13", "A20")
def test_i22_the_values_of_a_mask_are_counted_and_masks_work_compiled(on: Harness) -> None:
    """`masked_scatter` takes the first two of three values; JAX's jit raises for any mask.

    unpoolx: ValueError for a wrong count; an update by mask works inside compiled code.
    """
    mask = np.array([True, False, True])
    for made in (mask, mask.tolist(), on.array(mask)):
        assert host(on, zeros(on)[made].set([1, 2])) == [1, 0, 2], on.name
        for wrong in ([1, 2, 3], [[1], [2]], []):
            with pytest.raises(ValueError, match="values"):
                zeros(on)[made].set(wrong)
    if on.name == "numpy":
        return
    for values in (f32(5), f32([1, 2]), f32([[4]])):
        program = compiled(on, lambda x, mask, v: unpoolx.at(x)[mask].set(v))
        ours = on.numpy(program(on.array(f32([0, 0, 0])), on.array(mask), on.array(values)))
        assert_same_bits(ours, oracle.index_update(f32([0, 0, 0]), mask, values), what=f"compiled mask on {on.name}")


@pytest.mark.rule("A9", "A10")
def test_i23_a_division_touches_what_it_names_and_goes_one_after_another(on: Harness) -> None:
    """JAX's divide turns integers to float32, and 2**24 + 1 elsewhere to 2**24; 1e30 / (1e20 * 1e20) is 0.

    unpoolx: TypeError for integers; 1e-10.
    """
    integers = at(on, np.array([4, 2**24 + 1], np.int32))
    with pytest.raises(TypeError, match="divide"):
        integers[0].divide(2)
    assert host(on, integers[0].multiply(2)) == [8, 2**24 + 1], on.name
    ours = on.numpy(at(on, f32([1e30, 1]))[[0, 0]].divide([1e20, 1e20]))
    np.testing.assert_allclose(ours, f32([1e-10, 1]), rtol=1e-6, err_msg=on.name)


@pytest.mark.rule("A7")
def test_i24_values_broadcast_with_extra_leading_axes(on: Harness) -> None:
    """NumPy assigns (1, 1, 3) to a row; JAX and `index_put` raise; TensorFlow raises for a scalar.

    unpoolx: as NumPy assigns. A column of indices reaches every column of x.
    """
    x = np.zeros((2, 3), np.float32)
    expected = [[1, 2, 3], [0, 0, 0]]
    for index in ([0], 0, slice(0, 1), [True, False]):
        assert host(on, at(on, x)[index].set(on.array(f32([[[1, 2, 3]]])))) == expected, (on.name, index)
    assert host(on, at(on, x)[[0]].set(7)) == [[7, 7, 7], [0, 0, 0]], on.name
    assert host(on, at(on, x)[[[0, 1]], 1].add(on.array(f32(2)))) == [[0, 2, 0], [0, 2, 0]], on.name
    with pytest.raises(ValueError, match=r"\(1, 3\).*\(2, 1, 3\)"):
        at(on, x)[[0]].set(on.array(np.zeros((2, 1, 3), np.float32)))


@pytest.mark.rule("A3")
def test_i25_separated_index_arrays_put_their_axes_in_front(on: Harness) -> None:
    """`x[0, :, [0, 1]]` of (2, 3, 4) is (2, 3) in NumPy and JAX, (3, 2) in PyTorch and TensorFlow.

    unpoolx: (2, 3), for reads and for the values of updates.
    """
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    index = (0, slice(None), [0, 1])
    assert_same_bits(on.numpy(at(on, x)[index].get()), x[index], what=f"separated arrays on {on.name}")
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    expected = x.copy()
    expected[index] = values
    ours = on.numpy(at(on, x)[index].set(on.array(values)))
    assert_same_bits(ours, expected, what=f"separated arrays on {on.name}")


@pytest.mark.rule("A2", "A25")
def test_i26_slices_have_any_step_and_end_with_the_array(on: Harness) -> None:
    """`::-1` is a ValueError in PyTorch; `dynamic_update_slice` shifts a slice that reaches beyond the end.

    unpoolx: as NumPy, in every mode.
    """
    x = np.arange(5, dtype=np.float32)
    for index in (
        slice(None, None, -1),
        slice(2, 10),
        slice(-10, 2),
        slice(None, None, -2),
        slice(4, 1, -2),
        slice(3, 1),
    ):
        values = np.arange(10, 10 + len(x[index]), dtype=np.float32)
        expected = x.copy()
        expected[index] = values
        for mode in ("raise", "drop", "clip", "wrap"):
            ours = on.numpy(at(on, x)[index].set(on.array(values), mode=mode))
            assert_same_bits(ours, expected, what=f"{index} on {on.name}, mode {mode}")
        assert_same_bits(on.numpy(at(on, x)[index].get()), x[index].copy(), what=f"{index} on {on.name}")


@pytest.mark.rule("A1")
def test_i27_values_may_be_a_part_of_x(on: Harness) -> None:
    """`x[1:] = x[:-1]` is 1, 1, 2, 3 in NumPy; PyTorch raises.

    unpoolx: the values as they were before the update.
    """
    x = on.array(f32([1, 2, 3, 4]))
    assert host(on, unpoolx.at(x)[1:].set(x[:-1])) == [1, 1, 2, 3], on.name
    assert host(on, unpoolx.at(x)[[1, 2, 3]].set(x[:-1])) == [1, 1, 2, 3], on.name
    assert host(on, x) == [1, 2, 3, 4], on.name


@pytest.mark.rule("A17")
def test_i28_only_the_winner_of_a_set_has_a_gradient(on_framework: Harness) -> None:
    """PyTorch, TensorFlow and JAX's unique_indices give it to both values; a scalar gets 20 for 10 in PyTorch.

    unpoolx: the winner's alone.
    """
    on = on_framework
    ours = gradients(on, lambda x, v: unpoolx.at(x)[[0, 0]].set(v), f32([5, 6]), f32([1, 2]), by=f32([10, 100]))
    assert ours == [[0, 100], [0, 10]], on.name
    ours = gradients(on, lambda x, v: unpoolx.at(x)[[0, 0]].set(v), f32([5, 6]), f32(1), by=f32([10, 100]))
    assert ours == [[0, 100], 10], on.name


@pytest.mark.rule("A17")
def test_i29_every_factor_has_a_gradient(on_framework: Harness) -> None:
    """JAX raises for duplicates, and gives 10, 10 with unique_indices.

    unpoolx: 40, 30, by the product rule, as PyTorch; and where a factor is zero.
    """
    on = on_framework

    def multiply(x: Any, v: Any) -> Any:
        return unpoolx.at(x)[[0, 0]].multiply(v)

    assert gradients(on, multiply, f32([10, 1]), f32([3, 4]), by=f32([1, 1])) == [[12, 1], [40, 30]], on.name
    assert gradients(on, multiply, f32([10, 1]), f32([0, 4]), by=f32([1, 1])) == [[0, 1], [40, 0]], on.name


@pytest.mark.rule("A18")
def test_i30_what_ties_shares_a_gradient_equally(on_framework: Harness) -> None:
    """The frameworks agree: 10/3 for each of three that tie, 5 for each of two.

    unpoolx: the same.
    """
    on = on_framework
    third = float(np.float32(10) / np.float32(3))
    ours = gradients(on, lambda x, v: unpoolx.at(x)[[0, 0]].max(v), f32([3, 1]), f32([3, 3]), by=f32([10, 1]))
    np.testing.assert_allclose([ours[0][0], *ours[1]], third, rtol=1e-6, err_msg=on.name)
    for index in ([0], slice(0, 1)):
        ours = gradients(on, lambda x, v, i=index: unpoolx.at(x)[i].max(v), f32([3, 1]), f32([3]), by=f32([10, 1]))
        assert ours == [[5, 1], [5]], on.name


@pytest.mark.rule("A18")
def test_i31_the_nan_that_wins_has_the_gradient(on_framework: Harness) -> None:
    """max with a NaN: JAX 0, 0; PyTorch NaN, NaN; TensorFlow 10, 0.

    unpoolx: 0 to x and 10 to the NaN, as to any other that is the result.
    """
    on = on_framework
    for index in ([0], slice(0, 1)):
        ours = gradients(on, lambda x, v, i=index: unpoolx.at(x)[i].max(v), f32([3, 1]), f32([NAN]), by=f32([10, 1]))
        assert ours == [[0, 1], [10]], on.name


@pytest.mark.rule("A19")
def test_i32_what_was_dropped_has_no_gradient(on_framework: Harness) -> None:
    """XLA from TensorFlow, and JAX's promise_in_bounds, give the dropped value 100.

    unpoolx: 0.
    """
    on = on_framework
    for op in ("add", "set", "max", "multiply"):
        ours = gradients(
            on,
            lambda x, v, op=op: unpoolx.index_update(x, [7], v, op, mode="drop"),
            f32([1, 2]),
            f32([3]),
            by=f32([100, 1]),
        )
        assert ours == [[100, 1], [0]], (on.name, op)


@pytest.mark.rule("A1")
def test_i33_the_arguments_are_left_as_they_were(on: Harness) -> None:
    """array-api-extra, Keras, tensorly and einx change their argument on NumPy or PyTorch.

    unpoolx: x, values and index keep their bits.
    """
    x, values, index = f32([1, 2, 3]), f32([7, 8]), np.array([-1, 5])
    given = [on.array(x), on.array(values), on.array(index)]
    for op in oracle.AT_OPS:
        unpoolx.index_update(given[0], given[2], given[1], op, mode="clip")
        unpoolx.index_update(given[0], index, given[1], op, mode="wrap")
    unpoolx.index_get(given[0], given[2], mode="fill")
    for name, array, before in zip(("x", "values", "index"), given, (x, values, index), strict=True):
        assert_same_bits(on.numpy(array), before, what=f"{name} on {on.name}")
    assert index.tolist() == [-1, 5]


@pytest.mark.rule("A13")
def test_i34_a_mask_selects_and_does_not_multiply(on: Harness) -> None:
    """`x * (1 - m) + v * m` is NaN where x or v is infinite.

    unpoolx: the element that the mask selects.
    """
    x = f32([INFINITY, -INFINITY, NAN, 1])
    ours = on.numpy(at(on, x)[np.array([True, False, False, True])].set(on.array(f32([2, INFINITY]))))
    assert_same_bits(ours, f32([2, -INFINITY, NAN, INFINITY]), what=f"mask on {on.name}")


@pytest.mark.rule("A10", "A12", "A20")
def test_i35_a_negative_zero_keeps_its_sign(on: Harness) -> None:
    """Set under `jax.jvp`, -0.0 loses its sign.

    unpoolx: keeps it, by every form of index, derivative or not.
    """
    x = f32([1, -0.0, 3])
    for index in (0, [0, 0], slice(0, 1), np.array([True, False, False])):
        ours = on.numpy(at(on, x)[index].set(-0.0))
        assert_same_bits(ours, f32([-0.0, -0.0, 3]), what=f"-0.0 at {index} on {on.name}")
        ours = on.numpy(at(on, x)[index].add(1))
        assert_same_bits(ours[1:], x[1:], what=f"-0.0 beside {index} on {on.name}")
    if on.name == "jax":
        moved, _ = on.framework.jvp(
            lambda x, v: unpoolx.at(x)[[0, 0]].set(v),
            (on.array(x), on.array(f32([1, -0.0]))),
            (on.array(x), on.array(f32([1, 1]))),
        )
        assert_same_bits(on.numpy(moved), f32([-0.0, -0.0, 3]), what="-0.0 under jvp")


@pytest.mark.rule("A1")
@pytest.mark.parametrize("on", ["numpy", "torch"], indirect=True)
def test_i36_the_layout_in_memory_does_not_matter(on: Harness) -> None:
    """PyTorch's `index_put` keeps the strides of x, its `scatter` does not.

    unpoolx: the elements are what counts; a transposed x and transposed values give the same.
    """
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    turned = on.array(x.T.copy()).T
    values = on.array(f32([[7, 8], [9, 10]])).T
    for index in ((slice(None), [0, 0]), (slice(None), slice(0, 2)), (slice(None), np.array([True, False, True]))):
        for op in oracle.AT_OPS:
            ours = on.numpy(unpoolx.index_update(turned, index, values, op))
            expected = oracle.index_update(x, index, on.numpy(values), op)
            if op == "power":
                np.testing.assert_allclose(ours, expected, rtol=1e-5)
            else:
                assert_same_bits(ours, expected, what=f"{op} {index} on {on.name}")
        ours = on.numpy(unpoolx.at(turned)[index].get())
        assert_same_bits(ours, oracle.index_get(x, index), what=f"get {index} on {on.name}")
