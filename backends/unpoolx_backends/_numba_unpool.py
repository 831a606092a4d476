"""Fused loops over arrays in memory, compiled by Numba: unpooling and reading by switches.

Arrays are (planes, D, H, W) or, with channels that lie together, (N, D, H, W, C), as in `_numba_pool.py`; `places` says
how far each kernel element lies from the beginning of its window, along D, H and W. A number inside a window that names
padding, or nothing at all, is passed over.
"""

from __future__ import annotations

import numpy as np

from unpoolx_backends import _numba_lanes as lanes
from unpoolx_backends._numba_lanes import LANES
from unpoolx_backends._numba_pool import compiled, full_windows


@compiled
def _in_memory(places, height, width, channels):  # type: ignore[no-untyped-def]
    """How far each kernel element lies from the beginning of its window, in elements of memory."""
    flat = np.empty(places.shape[0], np.int64)
    for e in range(places.shape[0]):
        flat[e] = ((places[e, 0] * height + places[e, 1]) * width + places[e, 2]) * channels
    return flat


@compiled
def _position(number, place, window, shape):  # type: ignore[no-untyped-def]
    """Where in a plane an element of a window lies that may reach beyond it; -1 for none."""
    if number < 0 or number >= place.shape[0]:
        return -1
    d, h, w = window[0] + place[number, 0], window[1] + place[number, 1], window[2] + place[number, 2]
    if 0 <= d < shape[0] and 0 <= h < shape[1] and 0 <= w < shape[2]:
        return (d * shape[1] + h) * shape[2] + w
    return -1


@compiled
def _clear(lines, done, upto):  # type: ignore[no-untyped-def]
    """Zeros in the lines that no window has reached yet, and how many are cleared now."""
    for line in range(done, upto):
        lines[line] = 0
    return max(done, upto)


@compiled
def _lines_needed(d, h, far, depth, height):  # type: ignore[no-untyped-def]
    """How many lines windows that begin at d and h may write to."""
    last = min(d + far[0], depth - 1)
    rows = height if far[0] else max(0, min(h + far[1] + 1, height))
    return last * height + rows if last >= 0 else 0


@compiled
def place_planes(x, offsets, result, places, stride, before, add, start, stop):  # type: ignore[no-untyped-def]
    """Each value at the element that its number names, windows in row-major order, added or in place of the last."""
    _, depth, height, width = result.shape
    flat, far, windows, step = _in_memory(places, height, width, 1), places[-1], x.shape[3], stride[2]
    low, high = full_windows(width, windows, far[2] + 1, step, before[2])
    for p in range(start, stop):
        plane, lines = result[p].reshape(-1), result[p].reshape(depth * height, width)
        cleared = 0
        for i in range(x.shape[1]):
            d = i * stride[0] - before[0]
            for j in range(x.shape[2]):
                h = j * stride[1] - before[1]
                cleared = _clear(lines, cleared, _lines_needed(d, h, far, depth, height))
                values, numbers = x[p, i, j], offsets[p, i, j]
                inside = min(d, h) >= 0 and d + far[0] < depth and h + far[1] < height
                first, last = (low, high) if inside else (windows, windows)
                base = (d * height + h) * width - before[2]
                for k in range(first):
                    at = _position(numbers[k], places, (d, h, k * step - before[2]), (depth, height, width))
                    if at >= 0:
                        plane[at] = plane[at] + values[k] if add else values[k]
                if add:
                    for k in range(first, last):
                        if 0 <= numbers[k] < flat.shape[0]:
                            plane[base + k * step + flat[numbers[k]]] += values[k]
                else:
                    for k in range(first, last):
                        if 0 <= numbers[k] < flat.shape[0]:
                            plane[base + k * step + flat[numbers[k]]] = values[k]
                for k in range(last, windows):
                    at = _position(numbers[k], places, (d, h, k * step - before[2]), (depth, height, width))
                    if at >= 0:
                        plane[at] = plane[at] + values[k] if add else values[k]
        _clear(lines, cleared, depth * height)


@compiled
def place_channels(x, offsets, result, places, stride, before, add, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`place_planes` where channels lie together."""
    _, depth, height, width, channels = result.shape
    flat, far = _in_memory(places, height, width, channels), places[-1]
    for n in range(start, stop):
        image, lines = result[n].reshape(-1), result[n].reshape(depth * height, width, channels)[:, :, first:last]
        cleared = 0
        for i in range(x.shape[1]):
            d = i * stride[0] - before[0]
            for j in range(x.shape[2]):
                h = j * stride[1] - before[1]
                cleared = _clear(lines, cleared, _lines_needed(d, h, far, depth, height))
                for k in range(x.shape[3]):
                    w = k * stride[2] - before[2]
                    values, numbers = x[n, i, j, k, first:last], offsets[n, i, j, k, first:last]
                    inside = min(d, h, w) >= 0 and d + far[0] < depth and h + far[1] < height and w + far[2] < width
                    base = ((d * height + h) * width + w) * channels + first
                    if not inside:
                        for e in range(last - first):
                            at = _position(numbers[e], places, (d, h, w), (depth, height, width))
                            if at >= 0:
                                at = at * channels + first + e
                                image[at] = image[at] + values[e] if add else values[e]
                    elif add:
                        for e in range(last - first):
                            if 0 <= numbers[e] < flat.shape[0]:
                                image[base + e + flat[numbers[e]]] += values[e]
                    else:
                        for e in range(last - first):
                            if 0 <= numbers[e] < flat.shape[0]:
                                image[base + e + flat[numbers[e]]] = values[e]
        _clear(lines, cleared, depth * height)


@compiled
def _compare_row(values, numbers, row, number, steps):  # type: ignore[no-untyped-def]
    """A row of values at every kernel element of theirs in one row, zero where they belong to another."""
    (kernel, step, dilation), zero = steps, row.dtype.type(0)
    for c in range(kernel):
        this = numbers.dtype.type(number + c)
        for k in range(values.shape[0]):
            row[k * step + c * dilation] = values[k] if numbers[k] == this else zero


@compiled
def place_planes_by_blocks(x, offsets, result, kernel, stride, dilation, full, start, stop):  # type: ignore[no-untyped-def]
    """`place_planes` for windows that share nothing and lie inside: a comparison for each element of a window.

    `full` says whether every element of the result lies in a window.
    """
    _, deep, tall, wide = x.shape
    _, depth, height, width = result.shape
    values, numbers, placed, zero = x.reshape(-1), offsets.reshape(-1), result.reshape(-1), lanes.zeros(x)
    pairs = kernel[2] == stride[2] == 2 and dilation[2] == 1 and wide >= LANES
    for p in range(start, stop):
        if not full:
            result[p] = 0
        for i in range(deep):
            for j in range(tall):
                at = ((p * deep + i) * tall + j) * wide
                for a in range(kernel[0]):
                    for b in range(kernel[1]):
                        d, h, number = (
                            i * stride[0] + a * dilation[0],
                            j * stride[1] + b * dilation[1],
                            a * kernel[1] + b,
                        )
                        number *= kernel[2]
                        line = ((p * depth + d) * height + h) * width
                        if pairs:
                            for begin in range(0, wide, LANES):
                                k = min(begin, wide - LANES)  # the last ones overlap those before
                                even = lanes.picked(values, numbers, at + k, number, zero)
                                odd = lanes.picked(values, numbers, at + k, number + 1, zero)
                                lanes.put_in_turn(placed, line + 2 * k, even, odd)
                        else:
                            row, steps = result[p, d, h], (kernel[2], stride[2], dilation[2])
                            _compare_row(x[p, i, j], offsets[p, i, j], row, number, steps)


@compiled
def _compare_channels(values, numbers, placed, number):  # type: ignore[no-untyped-def]
    """The values whose number this is, and zero for the others."""
    zero = placed.dtype.type(0)
    for e in range(placed.shape[0]):
        placed[e] = values[e] if numbers[e] == number else zero


@compiled
def place_channels_by_blocks(x, offsets, result, kernel, stride, dilation, full, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`place_planes_by_blocks` where channels lie together."""
    _, deep, tall, wide, channels = x.shape
    _, depth, height, width, _ = result.shape
    values, numbers, placed, zero = x.reshape(-1), offsets.reshape(-1), result.reshape(-1), lanes.zeros(x)
    count = last - first
    together = count if count >= LANES else 0
    for n in range(start, stop):
        if not full:
            result[n, :, :, :, first:last] = 0
        for i in range(deep):
            for j in range(tall):
                for a in range(kernel[0]):
                    for b in range(kernel[1]):
                        d, h = i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]
                        for k in range(wide):
                            at = (((n * deep + i) * tall + j) * wide + k) * channels + first
                            for c in range(kernel[2]):
                                w, number = k * stride[2] + c * dilation[2], (a * kernel[1] + b) * kernel[2] + c
                                pixel = (((n * depth + d) * height + h) * width + w) * channels + first
                                if not together:
                                    few = placed[pixel : pixel + count]
                                    _compare_channels(values[at : at + count], numbers[at : at + count], few, number)
                                for begin in range(0, together, LANES):
                                    e = min(begin, count - LANES)  # the last ones overlap those before
                                    lanes.put(placed, pixel + e, lanes.picked(values, numbers, at + e, number, zero))


@compiled
def read_planes(x, offsets, result, places, stride, before, start, stop):  # type: ignore[no-untyped-def]
    """The element that each number names; zero where it names none."""
    _, depth, height, width = x.shape
    flat, far, windows, step = _in_memory(places, height, width, 1), places[-1], result.shape[3], stride[2]
    low, high = full_windows(width, windows, far[2] + 1, step, before[2])
    zero = x.dtype.type(0)
    for p in range(start, stop):
        plane = x[p].reshape(-1)
        for i in range(result.shape[1]):
            d = i * stride[0] - before[0]
            for j in range(result.shape[2]):
                h = j * stride[1] - before[1]
                numbers, read = offsets[p, i, j], result[p, i, j]
                inside = min(d, h) >= 0 and d + far[0] < depth and h + far[1] < height
                first, last = (low, high) if inside else (windows, windows)
                base = (d * height + h) * width - before[2]
                for k in range(first):
                    at = _position(numbers[k], places, (d, h, k * step - before[2]), (depth, height, width))
                    read[k] = plane[at] if at >= 0 else zero
                for k in range(first, last):
                    known = 0 <= numbers[k] < flat.shape[0]
                    read[k] = plane[base + k * step + flat[numbers[k]]] if known else zero
                for k in range(last, windows):
                    at = _position(numbers[k], places, (d, h, k * step - before[2]), (depth, height, width))
                    read[k] = plane[at] if at >= 0 else zero


@compiled
def read_channels(x, offsets, result, places, stride, before, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`read_planes` where channels lie together."""
    _, depth, height, width, channels = x.shape
    flat, far = _in_memory(places, height, width, channels), places[-1]
    zero = x.dtype.type(0)
    for n in range(start, stop):
        image = x[n].reshape(-1)
        for i in range(result.shape[1]):
            d = i * stride[0] - before[0]
            for j in range(result.shape[2]):
                h = j * stride[1] - before[1]
                for k in range(result.shape[3]):
                    w = k * stride[2] - before[2]
                    numbers, read = offsets[n, i, j, k, first:last], result[n, i, j, k, first:last]
                    if min(d, h, w) >= 0 and d + far[0] < depth and h + far[1] < height and w + far[2] < width:
                        base = ((d * height + h) * width + w) * channels + first
                        for e in range(last - first):
                            known = 0 <= numbers[e] < flat.shape[0]
                            read[e] = image[base + e + flat[numbers[e]]] if known else zero
                        continue
                    for e in range(last - first):
                        at = _position(numbers[e], places, (d, h, w), (depth, height, width))
                        read[e] = image[at * channels + first + e] if at >= 0 else zero


@compiled
def read_winners_of_planes(x, offsets, result, places, stride, before, start, stop):  # type: ignore[no-untyped-def]
    """`read_planes`, but zero where a later window names the same element: windows in reverse, the first one reads."""
    _, depth, height, width = x.shape
    flat, far, windows, step = _in_memory(places, height, width, 1), places[-1], result.shape[3], stride[2]
    low, high = full_windows(width, windows, far[2] + 1, step, before[2])
    spare, zero = depth * height * width, x.dtype.type(0)  # a place for what names none
    free = np.empty(spare + 1, np.bool_)
    for p in range(start, stop):
        plane = x[p].reshape(-1)
        free[:] = True
        for i in range(result.shape[1] - 1, -1, -1):
            d = i * stride[0] - before[0]
            for j in range(result.shape[2] - 1, -1, -1):
                h = j * stride[1] - before[1]
                numbers, read = offsets[p, i, j], result[p, i, j]
                inside = min(d, h) >= 0 and d + far[0] < depth and h + far[1] < height
                first, last = (low, high) if inside else (windows, windows)
                base = (d * height + h) * width - before[2]
                for k in range(windows - 1, -1, -1):
                    if first <= k < last:
                        known = 0 <= numbers[k] < flat.shape[0]
                        at = base + k * step + flat[numbers[k]] if known else -1
                    else:
                        at = _position(numbers[k], places, (d, h, k * step - before[2]), (depth, height, width))
                    at = at if at >= 0 else spare
                    read[k] = plane[at] if at < spare and free[at] else zero
                    free[at] = False


@compiled
def read_winners_of_channels(x, offsets, result, places, stride, before, start, stop, first, last):  # type: ignore[no-untyped-def]
    """`read_winners_of_planes` where channels lie together."""
    _, depth, height, width, channels = x.shape
    flat, far = _in_memory(places, height, width, 1), places[-1]
    count, spare, zero = last - first, depth * height * width, x.dtype.type(0)
    free = np.empty((spare + 1) * count, np.bool_)
    for n in range(start, stop):
        image = x[n].reshape(-1)
        free[:] = True
        for i in range(result.shape[1] - 1, -1, -1):
            d = i * stride[0] - before[0]
            for j in range(result.shape[2] - 1, -1, -1):
                h = j * stride[1] - before[1]
                for k in range(result.shape[3] - 1, -1, -1):
                    w = k * stride[2] - before[2]
                    numbers, read = offsets[n, i, j, k, first:last], result[n, i, j, k, first:last]
                    inside = min(d, h, w) >= 0 and d + far[0] < depth and h + far[1] < height and w + far[2] < width
                    base = (d * height + h) * width + w
                    for e in range(count):
                        if inside:
                            at = base + flat[numbers[e]] if 0 <= numbers[e] < flat.shape[0] else -1
                        else:
                            at = _position(numbers[e], places, (d, h, w), (depth, height, width))
                        at = at if at >= 0 else spare
                        won = at < spare and free[at * count + e]
                        read[e] = image[at * channels + first + e] if won else zero
                        free[at * count + e] = False
