"""Numba kernels over the inside of an object: distances to its edge, and box counts of its outline.

They hold the object's box in memory, so boxes above `LARGEST_BOX` pixels are left undefined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INTERIOR_RAW", "LARGEST_BOX", "interior_objects", "squared_depth"]

LARGEST_BOX = 2**24
"""Pixels of the largest box that is held: 4096 x 4096, or 2 mm x 2 mm at 0.5 um a pixel."""

INTERIOR_RAW = ("radius_max", "radius_mean", "radius_median", "fractal_dimension")
"""Columns of the table of `interior_objects`: px, px, px and a pure number."""

_N_SCALES = 4
_PAD = 8
_INSIDE, _OUTSIDE = 1, 2


@numba.njit(nogil=True, cache=True)
def interior_objects(
    labels: NDArray[np.int32],
    target: NDArray[np.int64],
    box: NDArray[np.int64],
    raw: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill rows start..stop of `raw` (n, len(INTERIOR_RAW)) float64; NaN for boxes too large."""
    for i in range(start, stop):
        y0, x0, y1, x1 = box[i]
        if (y1 - y0) * (x1 - x0) > LARGEST_BOX:
            raw[i] = np.nan
            continue
        depth = squared_depth(labels, target[i], y0, x0, y1, x1)
        _radii(depth, raw[i])
        raw[i, 3] = _fractal_dimension(depth)


@numba.njit(nogil=True, cache=True)
def squared_depth(labels, target, y0, x0, y1, x1):  # type: ignore[no-untyped-def]  # numba infers
    """(h, w) int64: squared distance, px, to the nearest pixel center outside; 0 outside.

    Two exact passes (Meijster 2000, doi:10.1007/0-306-47025-X_36): columns, then the lower
    envelope of parabolas along rows.
    """
    height, width = y1 - y0, x1 - x0
    column = np.zeros((height, width + 2), np.int64)
    for x in range(width):
        run = 0
        for y in range(height):
            run = run + 1 if labels[y0 + y, x0 + x] == target else 0
            column[y, x + 1] = run
        run = 0
        for y in range(height - 1, -1, -1):
            run = run + 1 if column[y, x + 1] > 0 else 0
            column[y, x + 1] = min(column[y, x + 1], run)
    depth = np.zeros((height, width), np.int64)
    corner = np.zeros(width + 2, np.int64)
    begin = np.zeros(width + 2, np.int64)
    for y in range(height):
        _lower_envelope(column[y], depth[y], corner, begin)
    return depth


@numba.njit(nogil=True, cache=True)
def _lower_envelope(g, out, corner, begin):  # type: ignore[no-untyped-def]  # numba infers
    """Least (x - k)^2 + g[k]^2 over k, for one row with a pixel of outside at both ends."""
    n = g.size
    top = _corners(g, corner, begin)
    for x in range(n - 1, -1, -1):
        c = corner[top]
        if 0 < x < n - 1:
            out[x - 1] = (x - c) ** 2 + g[c] ** 2
        if x == begin[top]:
            top -= 1


@numba.njit(nogil=True, cache=True)
def _corners(g, corner, begin):  # type: ignore[no-untyped-def]  # numba infers
    """Parabolas of the envelope and where each begins to be the lowest; the last one's place."""
    n = g.size
    top = 0
    corner[0], begin[0] = 0, 0
    for k in range(1, n):
        while top >= 0:
            at, c = begin[top], corner[top]
            if (at - c) ** 2 + g[c] ** 2 <= (at - k) ** 2 + g[k] ** 2:
                break
            top -= 1
        if top < 0:
            top = 0
            corner[0], begin[0] = k, 0
            continue
        c = corner[top]
        meet = 1 + (k * k - c * c + g[k] ** 2 - g[c] ** 2) // (2 * (k - c))
        if meet < n:
            top += 1
            corner[top], begin[top] = k, meet
    return top


@numba.njit(nogil=True, cache=True)
def _radii(depth, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Largest, mean and median distance to the nearest pixel outside."""
    height, width = depth.shape
    largest = 0
    for y in range(height):
        for x in range(width):
            largest = max(largest, depth[y, x])
    counts = np.zeros(largest + 1, np.int64)
    n, total = 0, 0.0
    for y in range(height):
        for x in range(width):
            if depth[y, x] > 0:
                counts[depth[y, x]] += 1
                total += np.sqrt(depth[y, x])
                n += 1
    raw[0] = np.sqrt(largest)
    raw[1] = total / n
    raw[2] = 0.5 * (np.sqrt(_ranked(counts, (n - 1) // 2)) + np.sqrt(_ranked(counts, n // 2)))


@numba.njit(nogil=True, cache=True)
def _ranked(counts, rank):  # type: ignore[no-untyped-def]  # numba infers
    """Value of a rank (from 0) in a histogram of integers."""
    seen = 0
    for value in range(counts.size):
        seen += counts[value]
        if seen > rank:
            return value
    return counts.size - 1


@numba.njit(nogil=True, cache=True)
def _fractal_dimension(depth):  # type: ignore[no-untyped-def]  # numba infers
    """Minus the slope of log N(s) on log s; N(s): boxes of side s that the boundary passes through.

    Boxes have their corners at pixel centers: one of side s holds (s + 1)^2 of them, and the
    boundary passes through it where some are inside and some are not. N is the mean over all s^2
    positions of the grid, so that the number does not depend on where the object lies.
    """
    height, width = depth.shape
    seen = np.full((height + 2 * _PAD, width + 2 * _PAD), _OUTSIDE, np.uint8)
    for y in range(height):
        for x in range(width):
            if depth[y, x] > 0:
                seen[y + _PAD, x + _PAD] = _INSIDE
    number = np.zeros(_N_SCALES)
    _widen(seen, 1)
    number[0] = np.log(_n_mixed(seen))
    side = 1
    for scale in range(1, _N_SCALES):
        _widen(seen, side)
        side *= 2
        number[scale] = np.log(_n_mixed(seen) / (side * side))
    # log s is 0, 1, 2, 3 times log 2
    slope = (3 * (number[3] - number[0]) + number[2] - number[1]) / 10
    return -slope / np.log(2.0)


@numba.njit(nogil=True, cache=True)
def _n_mixed(seen):  # type: ignore[no-untyped-def]  # numba infers
    """Windows that have both inside and outside."""
    count = 0
    for y in range(seen.shape[0]):
        for x in range(seen.shape[1]):
            count += seen[y, x] == _INSIDE | _OUTSIDE
    return count


@numba.njit(nogil=True, cache=True)
def _widen(seen, step):  # type: ignore[no-untyped-def]  # numba infers
    """Make windows wider by `step` in both directions: in place, from the far end."""
    height, width = seen.shape
    for y in range(height - 1, -1, -1):
        for x in range(width - 1, step - 1, -1):
            seen[y, x] |= seen[y, x - step]
    for y in range(height - 1, step - 1, -1):
        for x in range(width):
            seen[y, x] |= seen[y - step, x]
