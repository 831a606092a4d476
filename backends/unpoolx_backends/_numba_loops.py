"""Fused loops over arrays in memory, compiled by Numba: pooling, unpooling and reading by switches.

Arrays are (planes, D, H, W) or, with channels that lie together, (N, D, H, W, C); a geometry is a kernel, a stride, a
dilation and a padding of three numbers each. Every function works on a part of the planes, or of N and C, so that
threads share nothing. A number inside a window that names padding, or nothing at all, is passed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


def _compiled(function: Any) -> Any:
    return njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def _take_better(read, best, chosen, number):  # type: ignore[no-untyped-def]
    """Take the elements that are greater than the best, or the first NaN, and note their number."""
    for e in range(best.shape[0]):
        better = read[e] > best[e] or (read[e] != read[e] and best[e] == best[e])
        best[e] = read[e] if better else best[e]
        chosen[e] = number if better else chosen[e]


@_compiled
def pool_planes(x, values, offsets, kernel, stride, dilation, before, start, stop):  # type: ignore[no-untyped-def]
    """The first maximum of each window, or its first NaN, and its number: a row of windows at once."""
    _, depth, height, width = x.shape
    step = stride[2]
    phases = np.empty((step, -(-width // step)), x.dtype)  # a row, with every step-th element side by side
    for p in range(start, stop):
        for i in range(values.shape[1]):
            for j in range(values.shape[2]):
                best, chosen = values[p, i, j], offsets[p, i, j]
                begun = False
                for a in range(kernel[0]):
                    d = i * stride[0] - before[0] + a * dilation[0]
                    for b in range(kernel[1]):
                        h = j * stride[1] - before[1] + b * dilation[1]
                        if not (0 <= d < depth and 0 <= h < height):
                            continue
                        read, number = x[p, d, h], (a * kernel[1] + b) * kernel[2]
                        if not begun:  # with the first real element, whatever it is
                            begun = True
                            for k in range(best.shape[0]):
                                w = k * stride[2] - before[2]
                                c = 0 if w >= 0 else -(w // dilation[2])
                                best[k] = read[w + c * dilation[2]]
                                chosen[k] = number + c
                        for q in range(step):
                            for e in range((width - q + step - 1) // step):
                                phases[q, e] = read[e * step + q]
                        for c in range(kernel[2]):
                            moved, phase = divmod(c * dilation[2] - before[2], step)
                            low = max(0, -moved)
                            high = max(low, min(best.shape[0], (width - 1 - phase) // step + 1 - moved))
                            row = phases[phase, low + moved : high + moved]
                            _take_better(row, best[low:high], chosen[low:high], number + c)


@_compiled
def pool_planes_by_two(x, values, offsets, start, stop):  # type: ignore[no-untyped-def]
    """`pool_planes` for windows of two by two that touch: no branch, so that several are done at once."""
    for p in range(start, stop):
        for j in range(values.shape[2]):
            for k in range(values.shape[3]):
                best = x[p, 0, 2 * j, 2 * k]
                chosen = 0
                for number in range(1, 4):
                    v = x[p, 0, 2 * j + (number >> 1), 2 * k + (number & 1)]
                    better = v > best or (v != v and best == best)
                    best = v if better else best
                    chosen = number if better else chosen
                values[p, 0, j, k] = best
                offsets[p, 0, j, k] = chosen


@_compiled
def pool_channels(x, values, offsets, kernel, stride, dilation, before, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`pool_planes` where channels lie together: window by window, all channels at once."""
    _, depth, height, width, _ = x.shape
    for n in range(start, stop):
        for i in range(values.shape[1]):
            for j in range(values.shape[2]):
                for k in range(values.shape[3]):
                    found = False
                    number = -1
                    for a in range(kernel[0]):
                        d = i * stride[0] - before[0] + a * dilation[0]
                        for b in range(kernel[1]):
                            h = j * stride[1] - before[1] + b * dilation[1]
                            for c in range(kernel[2]):
                                w = k * stride[2] - before[2] + c * dilation[2]
                                number += 1
                                if not (0 <= d < depth and 0 <= h < height and 0 <= w < width):
                                    continue
                                read = x[n, d, h, w, first:last]
                                best, chosen = values[n, i, j, k, first:last], offsets[n, i, j, k, first:last]
                                if not found:
                                    found = True
                                    best[:] = read
                                    chosen[:] = number
                                    continue
                                _take_better(read, best, chosen, number)


@_compiled
def place_planes(x, offsets, result, places, stride, before, add, start, stop):  # type: ignore[no-untyped-def]
    """Each value at the element that its number names, windows in row-major order, added or in place of the last."""
    _, depth, height, width = result.shape
    for p in range(start, stop):
        result[p] = 0
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for k in range(x.shape[3]):
                    number = offsets[p, i, j, k]
                    if number < 0 or number >= places.shape[0]:
                        continue
                    d = i * stride[0] - before[0] + places[number, 0]
                    h = j * stride[1] - before[1] + places[number, 1]
                    w = k * stride[2] - before[2] + places[number, 2]
                    if 0 <= d < depth and 0 <= h < height and 0 <= w < width:
                        if add:
                            result[p, d, h, w] += x[p, i, j, k]
                        else:
                            result[p, d, h, w] = x[p, i, j, k]


@_compiled
def place_channels(x, offsets, result, places, stride, before, add, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`place_planes` where channels lie together."""
    _, depth, height, width, _ = result.shape
    for n in range(start, stop):
        result[n, :, :, :, first:last] = 0
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for k in range(x.shape[3]):
                    for e in range(first, last):
                        number = offsets[n, i, j, k, e]
                        if number < 0 or number >= places.shape[0]:
                            continue
                        d = i * stride[0] - before[0] + places[number, 0]
                        h = j * stride[1] - before[1] + places[number, 1]
                        w = k * stride[2] - before[2] + places[number, 2]
                        if 0 <= d < depth and 0 <= h < height and 0 <= w < width:
                            if add:
                                result[n, d, h, w, e] += x[n, i, j, k, e]
                            else:
                                result[n, d, h, w, e] = x[n, i, j, k, e]


@_compiled
def place_channels_by_blocks(x, offsets, result, kernel, stride, dilation, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`place_channels` for windows that share nothing and lie inside: a comparison for each element of a window."""
    full = True
    for axis in range(3):
        full &= kernel[axis] == stride[axis] and dilation[axis] == 1
        full &= x.shape[axis + 1] * stride[axis] == result.shape[axis + 1]
    for n in range(start, stop):
        if not full:
            result[n, :, :, :, first:last] = 0
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for k in range(x.shape[3]):
                    read, numbers = x[n, i, j, k, first:last], offsets[n, i, j, k, first:last]
                    number = -1
                    for a in range(kernel[0]):
                        for b in range(kernel[1]):
                            for c in range(kernel[2]):
                                number += 1
                                d, h = i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]
                                placed = result[n, d, h, k * stride[2] + c * dilation[2], first:last]
                                for e in range(placed.shape[0]):
                                    placed[e] = read[e] if numbers[e] == number else 0


@_compiled
def read_planes(x, offsets, result, places, stride, before, start, stop):  # type: ignore[no-untyped-def]
    """The element that each number names; zero where it names none."""
    _, depth, height, width = x.shape
    for p in range(start, stop):
        for i in range(result.shape[1]):
            for j in range(result.shape[2]):
                for k in range(result.shape[3]):
                    result[p, i, j, k] = 0
                    number = offsets[p, i, j, k]
                    if number < 0 or number >= places.shape[0]:
                        continue
                    d = i * stride[0] - before[0] + places[number, 0]
                    h = j * stride[1] - before[1] + places[number, 1]
                    w = k * stride[2] - before[2] + places[number, 2]
                    if 0 <= d < depth and 0 <= h < height and 0 <= w < width:
                        result[p, i, j, k] = x[p, d, h, w]


@_compiled
def read_channels(x, offsets, result, places, stride, before, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`read_planes` where channels lie together."""
    _, depth, height, width, _ = x.shape
    for n in range(start, stop):
        for i in range(result.shape[1]):
            for j in range(result.shape[2]):
                for k in range(result.shape[3]):
                    for e in range(first, last):
                        result[n, i, j, k, e] = 0
                        number = offsets[n, i, j, k, e]
                        if number < 0 or number >= places.shape[0]:
                            continue
                        d = i * stride[0] - before[0] + places[number, 0]
                        h = j * stride[1] - before[1] + places[number, 1]
                        w = k * stride[2] - before[2] + places[number, 2]
                        if 0 <= d < depth and 0 <= h < height and 0 <= w < width:
                            result[n, i, j, k, e] = x[n, d, h, w, e]
