"""A law of NumPy arrays whose bytes are not in the machine's order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._every_call import calls
from ._law import law
from ._subject import Subject


@law("dtypes", "B2", "L7", share=0.1)
def numpy_arrays_of_the_other_byte_order_are_read_right(subject: Subject, data: Any) -> None:
    """With `backend=`, NumPy arrays of the other byte order give the result of those of the machine's own."""
    for call in data.draw(calls(subject)):
        if not call.takes_backend or not call.exact:
            continue
        subject.given(**call.inputs)
        expected = {name: subject.got(x, name) for name, x in call.results(call.on(subject)).items()}
        swapped = {name: _swapped(x) for name, x in call.arrays.items()}
        for name, result in call.results(swapped, backend=subject.name).items():
            subject.same_bits(result, expected[name], f"{name} of {call.function}")


def _swapped(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers in the other byte order; bfloat16 has but one."""
    return x if x.dtype.name == "bfloat16" else x.astype(x.dtype.newbyteorder())
