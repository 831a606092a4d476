"""Fused loops over arrays in memory, compiled by Numba: pooling.

Arrays are (planes, D, H, W) or, with channels that lie together (`_numba_pool_channels.py`), (N, D, H, W, C); a
geometry is a kernel, a stride, a dilation and a padding of three numbers each. Every function works on a part of the
planes, or of N and C, so that threads share nothing.

Numbers inside windows are chosen in integers at least as wide as the elements (`marks` has their dtype), so that one
instruction compares and selects as many of the ones as of the others; they are narrowed when they are written.

What makes these loops as fast as they are: no branch over elements that lie side by side, so that the compiler takes
several at once, and few slices and calls with arrays, which count references and cost as much as a short row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

AT_ONCE = 1024
"""So many elements of rows, or somewhat more, are kept at a time, so that they stay in the first cache. k3 s2 p1 on 512
planes of (112, 112) float32, one thread: 4.4 ms with 256, 3.5 with 512, 3.2 with 1,024, 4.1 with 2,048 and 4.4 with
4,096."""


def compiled(function: Any) -> Any:
    """The function in machine code, compiled at its first call and kept on disk."""
    return njit(cache=True, nogil=True, error_model="numpy")(function)


@compiled
def taken(v, number, held, kept):  # type: ignore[no-untyped-def]
    """Of an element and the one that is held, v where it is greater or the first NaN of the two; and its number."""
    better = (not v <= held) & (held == held)  # a NaN is not
    return (v if better else held), (number if better else kept)


@compiled
def _earlier(v, number, best, chosen):  # type: ignore[no-untyped-def]
    """Whether v is `taken`, in any order: of equal ones the least number; that of a NaN is marked, and negative."""
    return (v > best) | ((not v < best) & (number < chosen))


@compiled
def full_windows(width, windows, extent, stride, before):  # type: ignore[no-untyped-def]
    """Of a row of windows, the first that lies inside, and the first after it that does not."""
    first = min(windows, -(-before // stride))
    return first, max(first, min(windows, (width + before - extent) // stride + 1))


@compiled
def _down(x, at, number, counts, rows, first, pitch, read, lines, numbers, mark):  # type: ignore[no-untyped-def]
    """The best of each column of the rows of a window, and its number, for several rows of windows.

    For row j < rows they begin at x[at[j, i]], i < counts[j], and are numbered by `number[j, i]`. There is
    room for two more, the last once more, which is not better than itself.
    """
    t = numbers.dtype.type
    for j in range(rows):
        r0, r1, r2 = x[at[j, 0] :], x[at[j, 1] :], x[at[j, 2] :]
        n0, n1, n2 = t(number[j, 0]), t(number[j, 1]), t(number[j, 2])
        best, chosen = lines[first + j * pitch :], numbers[first + j * pitch :]
        for e in range(read):
            held, kept = r0[e], n0
            held, kept = taken(r1[e], n1, held, kept)
            held, kept = taken(r2[e], n2, held, kept)
            best[e] = held
            chosen[e] = kept if held == held else t(kept | mark)
        for i in range(3, counts[j], 2):
            r1, r2 = x[at[j, i] :], x[at[j, i + 1] :]
            n1, n2 = t(number[j, i]), t(number[j, i + 1])
            for e in range(read):
                held, kept = best[e], chosen[e]
                held, kept = taken(r1[e], n1, held, kept)
                held, kept = taken(r2[e], n2, held, kept)
                best[e] = held
                chosen[e] = kept if held == held else t(kept | mark)


@compiled
def _split(line, count, step, length, phases):  # type: ignore[no-untyped-def]
    """The first count * step elements of a line, each step-th side by side; what begins where is `length` apart."""
    if step == 2:  # a number that the compiler knows
        even, odd = phases, phases[length:]
        for e in range(count):
            even[e] = line[2 * e]
            odd[e] = line[2 * e + 1]
        return
    for q in range(step):
        phase, begin = phases[q * length :], line[q:]
        for e in range(count):
            phase[e] = begin[e * step]


@compiled
def _across(lines, numbers, at, count, taps, best, chosen):  # type: ignore[no-untyped-def]
    """For each e < count the best of `lines[at[i] + e]`, i < taps, and its number, i more than that of its column.

    There is room for two more in `at`, the last once more.
    """
    t = chosen.dtype.type
    v0, v1, v2 = lines[at[0] :], lines[at[1] :], lines[at[2] :]
    m0, m1, m2 = numbers[at[0] :], numbers[at[1] :], numbers[at[2] :]
    c1, c2 = min(1, taps - 1), min(2, taps - 1)
    for e in range(count):
        held, kept = v0[e], m0[e]
        v, n = v1[e], t(m1[e] + c1)
        better = _earlier(v, n, held, kept)
        held, kept = (v if better else held), (n if better else kept)
        v, n = v2[e], t(m2[e] + c2)
        better = _earlier(v, n, held, kept)
        best[e] = v if better else held
        chosen[e] = n if better else kept
    for i in range(3, taps):
        v1, m1 = lines[at[i] :], numbers[at[i] :]
        for e in range(count):
            held, kept = best[e], chosen[e]
            v, n = v1[e], t(m1[e] + i)
            better = _earlier(v, n, held, kept)
            best[e] = v if better else held
            chosen[e] = n if better else kept


@compiled
def _put(best, chosen, pitch, rows, windows, values, offsets, first, apart, unmarked):  # type: ignore[no-untyped-def]
    """Rows that begin a pitch apart, to where they belong, `apart` from one another."""
    for j in range(rows):
        held, kept = best[j * pitch :], chosen[j * pitch :]
        v, n = values[first + j * apart :], offsets[first + j * apart :]
        for e in range(windows):
            v[e] = held[e]
        for e in range(windows):
            n[e] = kept[e] & unmarked


@compiled
def pool_planes(x, values, offsets, marks, least, kernel, stride, dilation, before, start, stop):  # type: ignore[no-untyped-def]
    """The first maximum of each window, or its first NaN, and its number: first down its columns, then across.

    Of several rows of windows, or of a piece of one, the best of each column is kept, then what windows read at the
    same place of theirs lies side by side. Columns outside hold `least`, and a number after every other. All in one
    function: a caller around it would have Numba compile everything once more.

    Args:
        marks: a bit that no number has, for the numbers of NaN, and all the other bits, in the dtype of numbers.
        least: an element than which none is less.
    """
    _, depth, height, width = x.shape
    _, deep, high, wide = values.shape
    step, extent, many = stride[2], dilation[2] * (kernel[2] - 1) + 1, kernel[0] * kernel[1]
    spare, mark, unmarked = (extent - 1) // step, marks[0], marks[1]
    elements, all_values, all_offsets = x.reshape(-1), values.reshape(-1), offsets.reshape(-1)
    taps = np.empty(kernel[2] + 2, np.int64)
    piece = max(AT_ONCE, 4 * dilation[2] * kernel[2]) // step + 1
    for begin in range(0, wide, piece):
        windows, w = min(piece, wide - begin), begin * step - before[2]
        reach, lead, w_first = (windows - 1) * step + extent, max(0, -w), max(0, w)
        read, length = min(width, w + reach) - w_first, -(-reach // step)
        pitch = length * step
        band = max(1, min(high, AT_ONCE // pitch))
        phase, bands = band * length + spare, -(-high // band)
        lines, numbers = np.full(phase * step, least[0], x.dtype), np.full(phase * step, many * kernel[2], marks.dtype)
        phases, phase_numbers = lines, numbers  # where the step is one, a line is its own only phase
        if step > 1:
            phases, phase_numbers = np.zeros(phase * step, x.dtype), np.zeros(phase * step, marks.dtype)
        best, chosen = np.empty(band * length, x.dtype), np.empty(band * length, marks.dtype)
        at, number = np.empty((band, many + 2), np.int64), np.empty((band, many + 2), np.int64)
        counts = np.empty(band, np.int64)
        for tap in range(kernel[2] + 2):
            c = min(tap, kernel[2] - 1) * dilation[2]
            taps[tap] = c % step * phase + c // step
        for turn in range(start * deep * bands, stop * deep * bands):
            p, i, top = turn // (deep * bands), turn // bands % deep, turn % bands * band
            rows = min(band, high - top)
            for j in range(rows):
                count = 0
                for a in range(kernel[0]):
                    d = i * stride[0] - before[0] + a * dilation[0]
                    for b in range(kernel[1]):
                        h = (top + j) * stride[1] - before[1] + b * dilation[1]
                        if 0 <= d < depth and 0 <= h < height:
                            at[j, count] = ((p * depth + d) * height + h) * width + w_first
                            number[j, count] = (a * kernel[1] + b) * kernel[2]
                            count += 1
                counts[j] = count
                for extra in range(count, max(3, count + 1)):
                    at[j, extra], number[j, extra] = at[j, count - 1], number[j, count - 1]
            _down(elements, at, number, counts, rows, lead, pitch, read, lines, numbers, mark)
            if step > 1:
                _split(lines, rows * length, step, phase, phases)
                _split(numbers, rows * length, step, phase, phase_numbers)
            _across(phases, phase_numbers, taps, rows * length, kernel[2], best, chosen)
            place = ((p * deep + i) * high + top) * wide + begin
            _put(best, chosen, length, rows, windows, all_values, all_offsets, place, wide, unmarked)


@compiled
def pool_planes_by_two(x, values, offsets, start, stop):  # type: ignore[no-untyped-def]
    """`pool_planes` of (planes, H, W) for windows of two by two that touch: no branch, so several are done at once."""
    for p in range(start, stop):
        for j in range(values.shape[1]):
            above, below = x[p, 2 * j], x[p, 2 * j + 1]
            best_of, number_of = values[p, j], offsets[p, j]
            for k in range(values.shape[2]):
                best = above[2 * k]
                chosen = 0
                best, chosen = taken(above[2 * k + 1], 1, best, chosen)
                best, chosen = taken(below[2 * k], 2, best, chosen)
                best, chosen = taken(below[2 * k + 1], 3, best, chosen)
                best_of[k] = best
                number_of[k] = chosen
