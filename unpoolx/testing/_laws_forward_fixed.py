"""Laws of unpooling without switches: to a fixed position, over a repeated block, as a spread average."""

from __future__ import annotations

from typing import Any

import unpoolx

from . import oracle
from . import strategies as xst
from ._calls import MOVABLE, SEVERAL
from ._law import dtypes, law
from ._subject import Subject


@law("forward", "F1", "F2", "W1", "W2", "W3", "W10")
def unpool_fixed_puts_each_value_at_the_position(subject: Subject, data: Any) -> None:
    """unpool_fixed puts the value of window w at w*stride + position, bit for bit, and zeros elsewhere."""
    blocks = data.draw(xst.blocks())
    position = data.draw(blocks.positions())
    dtype = data.draw(subject.dtypes(MOVABLE))
    case = {"position": position, **blocks.arguments}
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(blocks.shape, dtype))
        subject.given(x=x, **case)
        subject.same_bits(
            unpoolx.unpool_fixed(subject.array(x), **case), oracle.unpool_fixed(x, **case), "unpool_fixed"
        )


@law("forward", "F3", "W1", "W2", "W10")
def unpool_nearest_repeats_each_value_over_its_block(subject: Subject, data: Any) -> None:
    """unpool_nearest repeats each value over a block of `scale` elements, bit for bit."""
    blocks = data.draw(xst.blocks(strides=False))
    dtype = data.draw(subject.dtypes(MOVABLE))
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(blocks.shape, dtype))
        subject.given(x=x, **blocks.scale)
        ours = unpoolx.unpool_nearest(subject.array(x), **blocks.scale)
        subject.same_bits(ours, oracle.unpool_nearest(x, **blocks.scale), "unpool_nearest")


@law("forward", "F1", "F4", "U4", "W1", "W2", "W3", "W10", need=dtypes(*xst.FLOAT_DTYPES))
def unpool_average_spreads_correctly_rounded_quotients(subject: Subject, data: Any) -> None:
    """unpool_average divides each value by the real elements of its window, rounding correctly, and sums in order."""
    blocks = data.draw(xst.blocks())
    dtype = data.draw(subject.dtypes(xst.FLOAT_DTYPES))
    for _ in range(SEVERAL):
        x = data.draw(xst.arrays(blocks.shape, dtype) | xst.moderate_arrays(blocks.shape, dtype))
        subject.given(x=x, **blocks.arguments)
        ours = unpoolx.unpool_average(subject.array(x), **blocks.arguments)
        subject.sum_bits(ours, oracle.unpool_average_sum_bits(x, **blocks.arguments), "unpool_average")
