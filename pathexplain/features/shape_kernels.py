"""Numba kernels of the `shape` family: one scan of an object's box gives all its raw numbers.

Everything is in pixels; units and minimum sizes are applied in `shape`. Memory is a few rows,
whatever the size of the object.
"""

from __future__ import annotations

from math import gcd, sqrt
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RAW", "scan_objects"]

RAW = (
    "runs_h",
    "runs_v",
    "runs_main",
    "runs_anti",
    "boundary",
    "triangles",
    "blocks",
    "extent_main",
    "extent_anti",
    "mu20",
    "mu02",
    "mu11",
    "mu30",
    "mu03",
    "mu21",
    "mu12",
    "hull_twice_area",
    "hull_lattice",
    "feret_max",
    "feret_min",
    "n_holes",
    "hole_px",
    "rectangle",
)
"""Columns of the raw table of `scan_objects`, in order."""

_ALL_THREE = 3
_ALL_FOUR = 4


@numba.njit(nogil=True, cache=True)
def scan_objects(
    labels: NDArray[np.int32],
    target: NDArray[np.int64],
    box: NDArray[np.int64],
    area: NDArray[np.int64],
    centroid: NDArray[np.float64],
    raw: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill rows start..stop of `raw` (n, len(RAW)) float64."""
    for i in range(start, stop):
        y0, x0, y1, x1 = box[i]
        height, width = y1 - y0, x1 - x0
        left = np.full(height, width, np.int64)
        right = np.full(height, -1, np.int64)
        _scan(labels, target[i], (y0, x0), centroid[i], left, right, width, raw[i])
        _hull(left, right, raw[i])
        # a hole has the object on both sides in its row, so a row with two runs
        if raw[i, 0] > np.sum(right >= 0):
            _holes(labels, target[i], y0, x0, height, width, raw[i])


@numba.njit(nogil=True, cache=True)
def _scan(labels, target, origin, centroid, left, right, width, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Count runs, boundary pixels and blocks, and sum moments, over three rolling rows."""
    y0, x0 = origin
    height = left.size
    rows = np.zeros((3, width + 2), np.uint8)
    mu = np.zeros(7)
    runs_h = runs_v = runs_main = runs_anti = boundary = triangles = blocks = 0
    low_main = low_anti = height + width + 1
    high_main = high_anti = -low_main
    _load(labels, target, y0, x0, width, rows[1])
    for y in range(height):
        above, here, below = rows[y % 3], rows[(y + 1) % 3], rows[(y + 2) % 3]
        if y + 1 < height:
            _load(labels, target, y0 + y + 1, x0, width, below)
        else:
            below[:] = 0
        for x in range(1, width + 1):
            if here[x] == 0:
                continue
            west, north, northwest = here[x - 1], above[x], above[x - 1]
            runs_h += 1 - west
            runs_v += 1 - north
            runs_main += 1 - northwest
            runs_anti += 1 - above[x + 1]
            if west + north + here[x + 1] + below[x] < _ALL_FOUR:
                boundary += 1
            filled = west + north + northwest
            blocks += filled == _ALL_THREE
            triangles += filled == _ALL_THREE - 1
            triangles += west == 1 and below[x - 1] == 1 and below[x] == 0
            column = x - 1
            left[y] = min(left[y], column)
            right[y] = column
            low_main = min(low_main, y - column)
            high_main = max(high_main, y - column)
            low_anti = min(low_anti, y + column)
            high_anti = max(high_anti, y + column)
            _add_moments(mu, y + y0 - centroid[0], column + x0 - centroid[1])
    counts = (runs_h, runs_v, runs_main, runs_anti, boundary, triangles, blocks)
    for k in range(7):
        raw[k] = counts[k]
        raw[9 + k] = mu[k]
    raw[7] = high_main - low_main + 1
    raw[8] = high_anti - low_anti + 1


@numba.njit(nogil=True, cache=True, inline="always")
def _add_moments(mu, dy, dx):  # type: ignore[no-untyped-def]  # numba infers
    """Add one pixel to the central moments (20, 02, 11, 30, 03, 21, 12; y first)."""
    mu[0] += dy * dy
    mu[1] += dx * dx
    mu[2] += dy * dx
    mu[3] += dy * dy * dy
    mu[4] += dx * dx * dx
    mu[5] += dy * dy * dx
    mu[6] += dy * dx * dx


@numba.njit(nogil=True, cache=True)
def _load(labels, target, y, x0, width, row):  # type: ignore[no-untyped-def]  # numba infers
    """Membership of one image row, with an empty pixel at both ends."""
    for x in range(width):
        row[x + 1] = labels[y, x0 + x] == target


@numba.njit(nogil=True, cache=True)
def _hull(left, right, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Convex hull of the pixel centers: area, lattice points inside (Pick), Feret diameters."""
    height = left.size
    hull = np.empty((2 * height + 2, 2), np.int64)
    n = 0
    for y in range(height):
        if right[y] >= 0:
            n = _push(hull, n, 0, y, left[y])
    turn = n
    for back in range(height):
        y = height - 1 - back
        if right[y] >= 0:
            n = _push(hull, n, turn - 1, y, right[y])
    if n > 1 and hull[n - 1, 0] == hull[0, 0] and hull[n - 1, 1] == hull[0, 1]:
        n -= 1
    twice, edge_points = np.int64(0), np.int64(0)
    for j in range(n):
        k = (j + 1) % n
        twice += hull[j, 0] * hull[k, 1] - hull[k, 0] * hull[j, 1]
        edge_points += gcd(abs(hull[k, 0] - hull[j, 0]), abs(hull[k, 1] - hull[j, 1]))
    raw[16] = abs(twice)
    raw[17] = (abs(twice) + edge_points) // 2 + 1
    raw[18], raw[19], raw[22] = _feret(hull, n)


@numba.njit(nogil=True, cache=True)
def _push(hull, n, floor, y, x):  # type: ignore[no-untyped-def]  # numba infers
    """Add a point to a chain of left turns, dropping what is no longer a corner."""
    if n > 0 and hull[n - 1, 0] == y and hull[n - 1, 1] == x:
        return n
    while n - 2 >= floor:
        ay, ax = hull[n - 2]
        by, bx = hull[n - 1]
        if (by - ay) * (x - bx) - (bx - ax) * (y - by) > 0:
            break
        n -= 1
    hull[n] = (y, x)
    return n + 1


@numba.njit(nogil=True, cache=True)
def _feret(hull, n):  # type: ignore[no-untyped-def]  # numba infers
    """Largest distance of two corners, smallest width between parallels, least rectangle.

    Lengths are from pixel center to pixel center; the rectangle has 1 px more on both sides.
    """
    largest = 0.0
    smallest = rectangle = np.inf
    for j in range(n):
        ey = hull[(j + 1) % n, 0] - hull[j, 0]
        ex = hull[(j + 1) % n, 1] - hull[j, 1]
        length = sqrt(ey * ey + ex * ex)
        width = low = high = 0.0
        for k in range(n):
            dy, dx = hull[k, 0] - hull[j, 0], hull[k, 1] - hull[j, 1]
            largest = max(largest, float(dy * dy + dx * dx))
            width = max(width, abs(float(dy * ex - dx * ey)))
            along = float(dy * ey + dx * ex)
            low, high = min(low, along), max(high, along)
        if length > 0:
            smallest = min(smallest, width / length)
            rectangle = min(rectangle, (width / length + 1) * ((high - low) / length + 1))
    return sqrt(largest), smallest, rectangle


@numba.njit(nogil=True, cache=True)
def _holes(labels, target, y0, x0, height, width, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Count holes (4-connected background that the object encloses) and their pixels."""
    most = int(raw[0]) + height + 3
    parent = np.arange(most)
    size = np.zeros(most, np.int64)
    runs = np.zeros((2, width + 2, 3), np.int64)
    row = np.zeros(width + 2, np.uint8)
    runs[1, 0] = (0, width + 2, 0)
    n, n_above = 1, 1
    for y in range(height):
        _load(labels, target, y0 + y, x0, width, row)
        n_above, n = _row_runs(row, runs[y % 2], runs[(y + 1) % 2], n_above, parent, size, n)
    for k in range(n_above):
        _join(parent, runs[(height + 1) % 2, k, 2], 0)
    n_holes = pixels = 0
    for k in range(n):
        root = _root(parent, k)
        if root != 0:
            pixels += size[k]
            n_holes += root == k
    raw[20], raw[21] = n_holes, pixels


@numba.njit(nogil=True, cache=True)
def _row_runs(row, here, above, n_above, parent, size, n):  # type: ignore[no-untyped-def]  # numba infers
    """Find the background runs (start, stop, name) of a row and join them to those above."""
    x = count = first = 0
    while x < row.size:
        if row[x] == 1:
            x += 1
            continue
        begin = x
        while x < row.size and row[x] == 0:
            x += 1
        here[count] = (begin, x, n)
        size[n] = x - begin
        while first < n_above and above[first, 1] <= begin:
            first += 1
        look = first
        while look < n_above and above[look, 0] < x:
            _join(parent, n, above[look, 2])
            look += 1
        if begin == 0 or x == row.size:
            _join(parent, n, 0)
        n += 1
        count += 1
    return count, n


@numba.njit(nogil=True, cache=True)
def _root(parent, k):  # type: ignore[no-untyped-def]  # numba infers
    """Root of a run, halving the path."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@numba.njit(nogil=True, cache=True)
def _join(parent, a, b):  # type: ignore[no-untyped-def]  # numba infers
    """Join two runs; the smaller root stays, so the outside (0) always wins."""
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)
