"""Laws of the primitives that take numbers of slots, against plain loops: a row and a channel stand by themselves."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from . import strategies as xst
from ._law import law
from ._laws_primitives import GATHERED
from ._oracle_sums import accumulate
from ._subject import Subject

Array = np.ndarray[Any, Any]


SHAPES = ((1, 1, 1, 1), (1, 5, 3, 2), (2, 6, 4, 3))
"""Rows, numbers, slots and channels: few, since frameworks compile for each."""


SUMMED = ("float32", "float64", "int32", "int64", "int8", "int16", "uint8")
"""The dtypes that are summed as they are: narrower floats come in float32, and a backend may take others apart."""


class Slots(NamedTuple):
    """x of (rows, size, C), values of (rows, m, C), an index of (rows, m, C), or of (rows, m, 1) for every channel."""

    x: Array
    values: Array
    numbers: Array

    @property
    def size(self) -> int:
        """The number of slots, and the number that stands for nowhere."""
        return int(self.x.shape[1])


def _slots(subject: Subject, data: Any, names: Any, *, narrow: bool) -> Slots:
    rows, m, size, channels = data.draw(st.sampled_from(SHAPES))
    dtype = data.draw(subject.dtypes(names))
    width = 1 if narrow and data.draw(st.booleans()) else channels
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = random.integers(0, size + 1, (rows, m, width)).astype(data.draw(subject.dtypes(("int32", "int64"))))
    x, values = (data.draw(xst.arrays((rows, n, channels), dtype)) for n in (size, m))
    return Slots(x, values, index)


def _integers(subject: Subject, x: Any, expected: Array, what: str) -> None:
    """x holds these integers, in whatever integer dtype."""
    got = subject.got(x, what)
    subject.holds(got.dtype.kind in "iu", f"{what}: integers", expected="integers", got=got.dtype)
    subject.same_bits(x, expected.astype(got.dtype), what)


@law("dtypes", "U3", "U7", "R2")
def numbered_slots_are_read_and_written(subject: Subject, data: Any) -> None:
    """take_along reads the slot that each number names, and scatter_along sets it; `size` is nowhere."""
    ops, case = subject.backend, _slots(subject, data, GATHERED, narrow=True)
    subject.given(x=case.x, values=case.values, index=case.numbers)
    safe, alone = np.minimum(case.numbers, case.size - 1), case.numbers.copy()
    for row, i, c in np.ndindex(alone.shape):  # no slot comes twice
        if alone[row, i, c] in alone[row, :i, c]:
            alone[row, i, c] = case.size
    taken, scattered = np.zeros_like(case.values), case.x.copy()
    for row, i, c in np.ndindex(case.values.shape):
        number = c % alone.shape[-1]
        taken[row, i, c] = case.x[row, safe[row, i, number], c]
        if alone[row, i, number] < case.size:
            scattered[row, alone[row, i, number], c] = case.values[row, i, c]
    x, values = subject.array(case.x), subject.array(case.values)
    subject.same_bits(ops.take_along(x, subject.array(safe)), taken, "take_along")
    subject.same_bits(ops.scatter_along(x, subject.array(alone), values), scattered, "scatter_along")
    subject.same_bits(x, case.x, "x afterwards")


@law("dtypes", "U3", "A10")
def numbers_of_slots_are_ranked(subject: Subject, data: Any) -> None:
    """last_writer gives the last number of each slot, occurrence how many equals come before each, bounds the ends."""
    ops, case = subject.backend, _slots(subject, data, GATHERED, narrow=True)
    index, (rows, _, width) = case.numbers, case.numbers.shape
    subject.given(index=index, size=case.size)
    writer, rank = np.full((rows, case.size, width), -1), np.zeros(index.shape, np.int64)
    for row, i, c in itertools.product(*map(range, index.shape)):
        rank[row, i, c] = np.count_nonzero(index[row, :i, c] == index[row, i, c])
        if index[row, i, c] < case.size:
            writer[row, index[row, i, c], c] = i
    _integers(subject, ops.last_writer(subject.array(index), case.size), writer, "last_writer")
    ranks, most = ops.occurrence(subject.array(index), case.size)
    inside, got = index < case.size, subject.got(ranks, "occurrence")
    _integers(subject, subject.array(np.where(inside, got, 0)), np.where(inside, rank, 0), "occurrence")
    most = most if isinstance(most, int) else int(subject.numpy(most))
    expected = int(np.where(inside, rank + 1, 0).max())
    subject.holds(most == expected, "occurrence: the most equal numbers", expected=expected, got=most)
    shifted = index - case.size  # an index array of a user has negative numbers, too
    ends = (int(shifted.min()), int(shifted.max()))
    found = subject.backend.bounds(subject.array(shifted))
    subject.holds(tuple(found) == ends, "bounds", expected=ends, got=found)


@law("dtypes", "U4", "U5")
def updates_of_a_slot_are_summed_in_order(subject: Subject, data: Any) -> None:
    """ordered_sum adds the updates of each slot one after another, beginning with zero."""
    case = _slots(subject, data, SUMMED, narrow=False)
    values = data.draw(xst.moderate_arrays(case.values.shape, case.values.dtype.name) | st.just(case.values))
    subject.given(values=values, index=case.numbers, size=case.size)
    targets = [
        ((row, int(slot), c), (row, i, c)) for (row, i, c), slot in np.ndenumerate(case.numbers) if slot < case.size
    ]
    sums = [
        accumulate(case.x.shape, values.dtype, [(t, values[s]) for t, s in targets], flush) for flush in (False, True)
    ]
    got = subject.backend.ordered_sum(subject.array(values), subject.array(case.numbers), case.size)
    zero = subject.backend.positive_zero(got)  # the sign of a zero is settled after the sum
    subject.sum_bits(zero, (sums[0][0], sums[1][0], sums[0][1]), "ordered_sum")


@law("dtypes", "A13", "A20", share=0.3)
def true_elements_are_found_and_counted(subject: Subject, data: Any) -> None:
    """nonzero gives the coordinates of the True elements in row-major order, count_before how many come before each."""
    mask = data.draw(xst.arrays(data.draw(xst.shapes(1, 3)), "bool"))
    subject.given(mask=mask)
    found = subject.backend.nonzero(subject.array(mask))
    subject.holds(len(found) == mask.ndim, "nonzero: an array for each axis", expected=mask.ndim, got=len(found))
    for axis, (got, expected) in enumerate(zip(found, mask.nonzero(), strict=True)):
        _integers(subject, got, expected, f"nonzero, axis {axis}")
    flat = mask.reshape(-1)
    before = np.array([np.count_nonzero(flat[:i]) for i in range(flat.size)], np.int64)
    _integers(subject, subject.backend.count_before(subject.array(flat)), before, "count_before")
