"""Fused loops over arrays in memory, compiled by Numba: pooling where channels lie together, (N, D, H, W, C).

Loops over the windows of a row are around those over channels, in one function: to be called for every window costs
more than a window of sixty-four channels.
"""

from __future__ import annotations

import numpy as np

from unpoolx_backends._numba_pool import compiled, full_windows, taken


@compiled
def _best_of_four(image, at, number, move, values, offsets, first, pitch, windows, channels, marks):  # type: ignore[no-untyped-def]
    """Of windows that lie `move` apart, the best of the elements of each channel, and its number.

    Element i of a window begins at `at[i]`, and what is found goes to `first`, or a pitch after that of the last one.
    """
    t = marks.dtype.type
    n0, n1, n2, n3 = t(number[0]), t(number[1]), t(number[2]), t(number[3])
    for k in range(windows):
        base = k * move
        r0, r1, r2, r3 = image[at[0] + base :], image[at[1] + base :], image[at[2] + base :], image[at[3] + base :]
        best, chosen = values[first + k * pitch :], offsets[first + k * pitch :]
        for e in range(channels):
            held, kept = r0[e], n0
            held, kept = taken(r1[e], n1, held, kept)
            held, kept = taken(r2[e], n2, held, kept)
            best[e], chosen[e] = taken(r3[e], n3, held, kept)


@compiled
def _best_of_nine(image, at, number, move, values, offsets, first, pitch, windows, channels, marks):  # type: ignore[no-untyped-def]
    """`_best_of_four` with five elements more."""
    t = marks.dtype.type
    n0, n1, n2, n3, n4 = t(number[0]), t(number[1]), t(number[2]), t(number[3]), t(number[4])
    n5, n6, n7, n8 = t(number[5]), t(number[6]), t(number[7]), t(number[8])
    for k in range(windows):
        base = k * move
        r0, r1, r2, r3 = image[at[0] + base :], image[at[1] + base :], image[at[2] + base :], image[at[3] + base :]
        r4, r5, r6, r7 = image[at[4] + base :], image[at[5] + base :], image[at[6] + base :], image[at[7] + base :]
        r8 = image[at[8] + base :]
        best, chosen = values[first + k * pitch :], offsets[first + k * pitch :]
        for e in range(channels):
            held, kept = r0[e], n0
            held, kept = taken(r1[e], n1, held, kept)
            held, kept = taken(r2[e], n2, held, kept)
            held, kept = taken(r3[e], n3, held, kept)
            held, kept = taken(r4[e], n4, held, kept)
            held, kept = taken(r5[e], n5, held, kept)
            held, kept = taken(r6[e], n6, held, kept)
            held, kept = taken(r7[e], n7, held, kept)
            best[e], chosen[e] = taken(r8[e], n8, held, kept)


@compiled
def _four_more(image, at, number, move, values, offsets, first, pitch, windows, channels, marks):  # type: ignore[no-untyped-def]
    """`_best_of_four` of what was found before and four more."""
    t = marks.dtype.type
    n0, n1, n2, n3 = t(number[0]), t(number[1]), t(number[2]), t(number[3])
    for k in range(windows):
        base = k * move
        r0, r1, r2, r3 = image[at[0] + base :], image[at[1] + base :], image[at[2] + base :], image[at[3] + base :]
        best, chosen = values[first + k * pitch :], offsets[first + k * pitch :]
        for e in range(channels):
            held, kept = best[e], t(chosen[e])
            held, kept = taken(r0[e], n0, held, kept)
            held, kept = taken(r1[e], n1, held, kept)
            held, kept = taken(r2[e], n2, held, kept)
            best[e], chosen[e] = taken(r3[e], n3, held, kept)


@compiled
def _best_of(image, at, number, count, move, values, offsets, first, pitch, windows, channels, marks):  # type: ignore[no-untyped-def]
    """`_best_of_four` of any count of elements; there is room for eight more."""
    for extra in range(count, count + 8):  # the last once more, which is not better than itself
        at[extra], number[extra] = at[count - 1], number[count - 1]
    if count <= 4:
        _best_of_four(image, at, number, move, values, offsets, first, pitch, windows, channels, marks)
        return
    _best_of_nine(image, at, number, move, values, offsets, first, pitch, windows, channels, marks)
    for done in range(9, count, 4):
        _four_more(image, at[done:], number[done:], move, values, offsets, first, pitch, windows, channels, marks)


@compiled
def pool_channels(x, values, offsets, marks, kernel, stride, dilation, before, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`pool_planes` where channels lie together: of a row, all windows that lie inside at once, the others one by one.

    The elements of a row of windows that are not outside above or below are the same for all of them.
    """
    _, depth, height, width, channels = x.shape
    windows, many = values.shape[3], kernel[0] * kernel[1] * kernel[2]
    low, high = full_windows(width, windows, dilation[2] * (kernel[2] - 1) + 1, stride[2], before[2])
    lines, at, number = np.empty((many, 2), np.int64), np.empty(many + 8, np.int64), np.empty(many + 8, np.int64)
    move = stride[2] * channels
    for n in range(start, stop):
        image, best, chosen = x[n].reshape(-1), values[n].reshape(-1), offsets[n].reshape(-1)
        for i in range(values.shape[1]):
            for j in range(values.shape[2]):
                place = (i * values.shape[2] + j) * windows * channels + first
                count = 0
                for a in range(kernel[0]):
                    d = i * stride[0] - before[0] + a * dilation[0]
                    for b in range(kernel[1]):
                        h = j * stride[1] - before[1] + b * dilation[1]
                        if 0 <= d < depth and 0 <= h < height:
                            lines[count, 0], lines[count, 1] = (d * height + h) * width, (a * kernel[1] + b) * kernel[2]
                            count += 1
                k = 0
                while k < windows:
                    together = high - low if k == low and low < high else 1
                    w, taps = k * stride[2] - before[2], 0
                    for line in range(count):
                        for c in range(kernel[2]):
                            y = w + c * dilation[2]
                            if 0 <= y < width:
                                at[taps], number[taps] = (lines[line, 0] + y) * channels + first, lines[line, 1] + c
                                taps += 1
                    to = place + k * channels
                    _best_of(image, at, number, taps, move, best, chosen, to, channels, together, last - first, marks)
                    k += together
