"""Fused loops over arrays in memory, compiled by Numba: pooling.

Arrays are (planes, D, H, W) or, with channels that lie together, (N, D, H, W, C); a geometry is a kernel, a stride, a
dilation and a padding of three numbers each. Every function works on a part of the planes, or of N and C, so that
threads share nothing.

Numbers inside windows are chosen in integers as wide as the elements (`like` has their dtype), so that one instruction
compares and selects as many of the ones as of the others; they are narrowed when a line of them is done.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


def compiled(function: Any) -> Any:
    """The function in machine code, compiled at its first call and kept on disk."""
    return njit(cache=True, nogil=True, error_model="numpy")(function)


@compiled
def _better(v, best):  # type: ignore[no-untyped-def]
    """Whether v is greater than the best, or the first NaN of the two."""
    return (not v <= best) & (best == best)


@compiled
def _best_of_five(x, at, number, best, chosen):  # type: ignore[no-untyped-def]
    """The best of five elements of each channel, and its number."""
    t = chosen.dtype.type
    r0, r1, r2, r3, r4 = x[at[0] :], x[at[1] :], x[at[2] :], x[at[3] :], x[at[4] :]
    n0, n1, n2, n3, n4 = t(number[0]), t(number[1]), t(number[2]), t(number[3]), t(number[4])
    for e in range(best.shape[0]):
        held, kept = r0[e], n0
        v = r1[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n1 if better else kept)
        v = r2[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n2 if better else kept)
        v = r3[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n3 if better else kept)
        v = r4[e]
        better = _better(v, held)
        best[e] = v if better else held
        chosen[e] = n4 if better else kept


@compiled
def _best_of_four(x, at, number, best, chosen):  # type: ignore[no-untyped-def]
    """`_best_of_five` with one element less."""
    t = chosen.dtype.type
    r0, r1, r2, r3 = x[at[0] :], x[at[1] :], x[at[2] :], x[at[3] :]
    n0, n1, n2, n3 = t(number[0]), t(number[1]), t(number[2]), t(number[3])
    for e in range(best.shape[0]):
        held, kept = r0[e], n0
        v = r1[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n1 if better else kept)
        v = r2[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n2 if better else kept)
        v = r3[e]
        better = _better(v, held)
        best[e] = v if better else held
        chosen[e] = n3 if better else kept


@compiled
def _four_more(x, at, number, best, chosen):  # type: ignore[no-untyped-def]
    """Take the better of four more elements of each channel."""
    t = chosen.dtype.type
    r0, r1, r2, r3 = x[at[0] :], x[at[1] :], x[at[2] :], x[at[3] :]
    n0, n1, n2, n3 = t(number[0]), t(number[1]), t(number[2]), t(number[3])
    for e in range(best.shape[0]):
        held, kept = best[e], chosen[e]
        v = r0[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n0 if better else kept)
        v = r1[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n1 if better else kept)
        v = r2[e]
        better = _better(v, held)
        held, kept = (v if better else held), (n2 if better else kept)
        v = r3[e]
        better = _better(v, held)
        best[e] = v if better else held
        chosen[e] = n3 if better else kept


@compiled
def _best_of(x, at, number, count, best, chosen):  # type: ignore[no-untyped-def]
    """For each e the best of the elements `x[at[i] + e]`, i < count, and its number; there is room for five more."""
    for extra in range(count, count + 5):  # the last once more, which is not better than itself
        at[extra], number[extra] = at[count - 1], number[count - 1]
    if count <= 4:
        _best_of_four(x, at, number, best, chosen)
        return
    _best_of_five(x, at, number, best, chosen)
    for taken in range(5, count, 4):
        _four_more(x, at[taken:], number[taken:], best, chosen)


@compiled
def _split(row, phases):  # type: ignore[no-untyped-def]
    """The elements of a row, each step-th side by side."""
    step, width = phases.shape[0], row.shape[0]
    if step == 2:  # a number that the compiler knows
        even, odd = phases[0], phases[1]
        for e in range(width // 2):
            even[e] = row[2 * e]
            odd[e] = row[2 * e + 1]
        if width % 2:
            even[width // 2] = row[width - 1]
        return
    for q in range(step):
        for e in range((width - q + step - 1) // step):
            phases[q, e] = row[e * step + q]


@compiled
def full_windows(width, windows, extent, stride, before):  # type: ignore[no-untyped-def]
    """Of a row of windows, the first that lies inside, and the first after it that does not."""
    first = min(windows, -(-before // stride))
    return first, max(first, min(windows, (width + before - extent) // stride + 1))


@compiled
def _best_at(plane, rows, count, w, kernel, dilation, width):  # type: ignore[no-untyped-def]
    """The best of the window that begins at w, which may lie outside, and its number; `rows` has the rows inside."""
    found = False
    best, chosen = plane[0], 0
    for r in range(count):
        for c in range(kernel):
            if 0 <= w + c * dilation < width:
                v = plane[rows[r, 0] * width + w + c * dilation]
                if not found or _better(v, best):
                    found, best, chosen = True, v, rows[r, 2] + c
    return best, chosen


@compiled
def pool_planes(x, values, offsets, like, kernel, stride, dilation, before, start, stop):  # type: ignore[no-untyped-def]
    """The first maximum of each window, or its first NaN, and its number: a row of windows at once.

    Rows of x are kept with every step-th element side by side, so that a row of windows reads each of its elements
    from a row of neighbours.
    """
    _, depth, height, width = x.shape
    windows, step = values.shape[3], stride[2]
    low, high = full_windows(width, windows, dilation[2] * (kernel[2] - 1) + 1, step, before[2])
    kept = dilation[1] * (kernel[1] - 1) + 1
    length = -(-width // step)
    split = np.empty((kernel[0] * kept, step, length), x.dtype)
    flat, holds = split.reshape(-1), np.empty(kernel[0] * kept, np.int64)
    rows = np.empty((kernel[0] * kernel[1], 3), np.int64)  # line of the plane, where it begins in what is read, number
    many = rows.shape[0] * kernel[2]
    at, number = np.empty(many + 5, np.int64), np.empty(many + 5, np.int64)
    chosen = np.empty(windows, like.dtype)
    for p in range(start, stop):
        plane = x[p].reshape(-1)
        holds[:] = -1
        for i in range(values.shape[1]):
            for j in range(values.shape[2]):
                count = 0
                for a in range(kernel[0]):
                    d = i * stride[0] - before[0] + a * dilation[0]
                    for b in range(kernel[1]):
                        h = j * stride[1] - before[1] + b * dilation[1]
                        if 0 <= d < depth and 0 <= h < height:
                            line, slot = d * height + h, a * kept + h % kept
                            rows[count, 0], rows[count, 2] = line, (a * kernel[1] + b) * kernel[2]
                            rows[count, 1] = line * width if step == 1 else slot * step * length
                            count += 1
                            if step > 1 and holds[slot] != line:
                                holds[slot] = line
                                _split(x[p, d, h], split[slot])
                best, numbers = values[p, i, j], offsets[p, i, j]
                if low < high:
                    taps = 0
                    for c in range(kernel[2]):
                        moved, phase = divmod(c * dilation[2] - before[2], step)
                        for r in range(count):
                            tap = r * kernel[2] + c
                            at[tap] = rows[r, 1] + phase * length + moved + low
                            number[tap] = rows[r, 2] + c
                            taps += 1
                    _best_of(flat if step > 1 else plane, at, number, taps, best[low:high], chosen[low:high])
                    for k in range(low, high):
                        numbers[k] = chosen[k]
                for k in range(low):
                    w = k * step - before[2]
                    best[k], numbers[k] = _best_at(plane, rows, count, w, kernel[2], dilation[2], width)
                for k in range(high, windows):
                    w = k * step - before[2]
                    best[k], numbers[k] = _best_at(plane, rows, count, w, kernel[2], dilation[2], width)


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
                v = above[2 * k + 1]
                better = _better(v, best)
                best, chosen = (v if better else best), (1 if better else chosen)
                v = below[2 * k]
                better = _better(v, best)
                best, chosen = (v if better else best), (2 if better else chosen)
                v = below[2 * k + 1]
                better = _better(v, best)
                best, chosen = (v if better else best), (3 if better else chosen)
                best_of[k] = best
                number_of[k] = chosen


@compiled
def pool_channels(x, values, offsets, like, kernel, stride, dilation, before, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`pool_planes` where channels lie together: window by window, all channels at once."""
    _, depth, height, width, channels = x.shape
    many = kernel[0] * kernel[1] * kernel[2]
    places = np.empty((many, 4), np.int64)  # how far an element is from its window's beginning, and in memory
    for tap in range(many):
        a, b, c = tap // (kernel[1] * kernel[2]), tap // kernel[2] % kernel[1], tap % kernel[2]
        d, h, w = a * dilation[0], b * dilation[1], c * dilation[2]
        places[tap, 0], places[tap, 1], places[tap, 2] = d, h, w
        places[tap, 3] = ((d * height + h) * width + w) * channels
    far = places[many - 1]
    at, number = np.empty(many + 5, np.int64), np.arange(many + 5)
    chosen = np.empty(last - first, like.dtype)
    for n in range(start, stop):
        image = x[n].reshape(-1)
        for i in range(values.shape[1]):
            d = i * stride[0] - before[0]
            for j in range(values.shape[2]):
                h = j * stride[1] - before[1]
                for k in range(values.shape[3]):
                    w = k * stride[2] - before[2]
                    base = ((d * height + h) * width + w) * channels + first
                    count = 0
                    if min(d, h, w) >= 0 and d + far[0] < depth and h + far[1] < height and w + far[2] < width:
                        count = many
                        for tap in range(many):
                            at[tap], number[tap] = base + places[tap, 3], tap
                    else:
                        for tap in range(many):
                            y = d + places[tap, 0], h + places[tap, 1], w + places[tap, 2]
                            if 0 <= y[0] < depth and 0 <= y[1] < height and 0 <= y[2] < width:
                                at[count], number[count] = base + places[tap, 3], tap
                                count += 1
                    _best_of(image, at, number, count, values[n, i, j, k, first:last], chosen)
                    numbers = offsets[n, i, j, k, first:last]
                    for e in range(last - first):
                        numbers[e] = chosen[e]
