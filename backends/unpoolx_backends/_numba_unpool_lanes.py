"""Fused loops over arrays in memory, compiled by Numba: unpooling and reading by switches, several elements at once.

They do what those of `_numba_unpool.py` do with the same arrays. But each element of the result is written once, by
comparing the numbers of the windows that may name it, instead of one after another wherever a number says.
"""

from __future__ import annotations

import numpy as np

from unpoolx_backends import _numba_lanes as lanes
from unpoolx_backends._numba_lanes import LANES
from unpoolx_backends._numba_pool import compiled, full_windows


@compiled
def _covering(size, windows, kernel, stride, dilation, before):  # type: ignore[no-untyped-def]
    """The windows that hold each element of an axis, in ascending order, and as which of theirs; and how many."""
    found, counts = np.empty((size, kernel, 2), np.int64), np.zeros(size, np.int64)
    for at in range(size):
        for c in range(kernel - 1, -1, -1):
            rest = at + before - c * dilation
            if rest >= 0 and rest % stride == 0 and rest // stride < windows:
                found[at, counts[at], 0], found[at, counts[at], 1] = rest // stride, c
                counts[at] += 1
    return found, counts


@compiled
def place_channels(x, offsets, result, kernel, stride, dilation, before, add, start, stop, first, last):  # type: ignore[no-untyped-def]
    """Each value at the element that its number names; of several the last one in row-major order, or their sum.

    There are at least `LANES` channels.
    """
    _, depth, height, width, channels = result.shape
    _, deep, tall, wide, _ = x.shape
    in_d, of_d = _covering(depth, deep, kernel[0], stride[0], dilation[0], before[0])
    in_h, of_h = _covering(height, tall, kernel[1], stride[1], dilation[1], before[1])
    in_w, of_w = _covering(width, wide, kernel[2], stride[2], dilation[2], before[2])
    rows = np.empty((kernel[0] * kernel[1], 2), np.int64)  # where a row of windows begins, and its first number
    at, number = np.empty(rows.size * kernel[2], np.int64), np.empty(rows.size * kernel[2], np.int64)
    values, numbers, placed = x.reshape(-1), offsets.reshape(-1), result.reshape(-1)
    count = last - first
    for n in range(start, stop):
        for d in range(depth):
            for h in range(height):
                many = 0
                for i in range(of_d[d]):
                    for j in range(of_h[h]):
                        rows[many, 0] = ((n * deep + in_d[d, i, 0]) * tall + in_h[h, j, 0]) * wide
                        rows[many, 1] = (in_d[d, i, 1] * kernel[1] + in_h[h, j, 1]) * kernel[2]
                        many += 1
                for w in range(width):
                    pixel, taps = (((n * depth + d) * height + h) * width + w) * channels + first, 0
                    for r in range(many):
                        for k in range(of_w[w]):
                            at[taps] = (rows[r, 0] + in_w[w, k, 0]) * channels + first
                            number[taps] = rows[r, 1] + in_w[w, k, 1]
                            taps += 1
                    for begin in range(0, count, LANES):
                        e = min(begin, count - LANES)  # the last ones overlap those before
                        made = lanes.zeros(x)
                        if add:
                            for t in range(taps):
                                made = lanes.added(values, numbers, at[t] + e, number[t], made)
                        else:
                            for t in range(taps):
                                made = lanes.picked(values, numbers, at[t] + e, number[t], made)
                        lanes.put(placed, pixel + e, made)


@compiled
def read_planes(x, offsets, result, places, stride, before, start, stop):  # type: ignore[no-untyped-def]
    """The element that each number names; zero where it names none.

    The stride of the last axis is one or two.
    """
    _, depth, height, width = x.shape
    _, deep, tall, wide = result.shape
    many, step = places.shape[0], stride[2]
    low, high = full_windows(width, wide, places[many - 1, 2] + 1, step, before[2])
    if high - low < LANES:
        low, high = wide, wide
    at, number = np.empty(many, np.int64), np.empty(many, np.int64)
    source, numbers, read, zero = x.reshape(-1), offsets.reshape(-1), result.reshape(-1), x.dtype.type(0)
    for p in range(start, stop):
        for i in range(deep):
            for j in range(tall):
                row, taps = ((p * deep + i) * tall + j) * wide, 0
                for c in range(many):
                    d, h = i * stride[0] - before[0] + places[c, 0], j * stride[1] - before[1] + places[c, 1]
                    if 0 <= d < depth and 0 <= h < height:
                        at[taps], number[taps] = ((p * depth + d) * height + h) * width + places[c, 2] - before[2], c
                        taps += 1
                for edge in range(wide - (high - low)):
                    k = edge if edge < low else edge + high - low
                    lone = zero
                    for t in range(taps):
                        if numbers[row + k] == number[t] and 0 <= k * step + places[number[t], 2] - before[2] < width:
                            lone = source[at[t] + k * step]
                    read[row + k] = lone
                for begin in range(low, high, LANES):
                    k = min(begin, high - LANES)  # the last ones overlap those before
                    made = lanes.zeros(x)
                    if step == 1:
                        for t in range(taps):
                            made = lanes.read_where(source, at[t] + k, numbers, row + k, number[t], made)
                    else:
                        for t in range(taps):
                            made = lanes.read_second_where(source, at[t] + 2 * k, numbers, row + k, number[t], made)
                    lanes.put(read, row + k, made)


@compiled
def drop_losers(offsets, result, meetings, apart, start, stop):  # type: ignore[no-untyped-def]
    """Zero for each window that names the same element as a later one.

    Arrays are (planes, D, H, W), or (planes, D, H, W*C) of channels that lie together; neighbours in a row of windows
    are `apart` from each other. `meetings` says how many windows further on another one is, along D, H and W, and
    which of their elements are the same.
    """
    _, deep, tall, row = result.shape
    low, high = 0, row
    for m in range(meetings.shape[0]):
        low, high = max(low, -meetings[m, 2] * apart), min(high, row - meetings[m, 2] * apart)
    if high - low < LANES:
        low, high = row, row
    ahead, which = np.empty(meetings.shape[0], np.int64), np.empty(meetings.shape[0], np.int64)
    numbers, kept, zero = offsets.reshape(-1), result.reshape(-1), result.dtype.type(0)
    for p in range(start, stop):
        for i in range(deep):
            for j in range(tall):
                base, met = ((p * deep + i) * tall + j) * row, 0
                for m in range(meetings.shape[0]):
                    if i + meetings[m, 0] < deep and 0 <= j + meetings[m, 1] < tall:
                        ahead[met] = (meetings[m, 0] * tall + meetings[m, 1]) * row + meetings[m, 2] * apart
                        which[met] = m
                        met += 1
                for edge in range(row - (high - low)):
                    u = edge if edge < low else edge + high - low
                    for t in range(met):
                        m = which[t]
                        if (
                            0 <= u + meetings[m, 2] * apart < row
                            and numbers[base + u] == meetings[m, 3]
                            and numbers[base + u + ahead[t]] == meetings[m, 4]
                        ):
                            kept[base + u] = zero
                for begin in range(low, high, LANES):
                    at = base + min(begin, high - LANES)  # the last ones overlap those before
                    lost = lanes.nowhere()
                    for t in range(met):
                        m = which[t]
                        lost = lanes.both(numbers, at, meetings[m, 3], at + ahead[t], meetings[m, 4], lost)
                    lanes.put(kept, at, lanes.without(kept, at, lost))
