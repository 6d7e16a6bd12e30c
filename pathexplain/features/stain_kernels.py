"""Numba kernels of the `stain` family: optical density statistics inside an object and around it.

Constant memory whatever the size of the object: quantiles come from a histogram with bins of
0.001 OD (finer than the step of an 8-bit image), the ring from a few rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PER_STAIN", "stain_objects"]

PER_STAIN = (
    "mean",
    "sd",
    "p10",
    "median",
    "p90",
    "skewness",
    "kurtosis",
    "gradient_mean",
    "ring_mean",
    "contrast",
)
"""Statistics of one stain, in the order of the raw table."""

_BIN = 0.001
_LOWEST = -8.0
_N_BINS = 16001
_LEAST_GRADIENT = 10
_LEAST_RING = 10
_FLAT = 1e-12
"""Variance (OD squared) below which an object has one single density."""


@numba.njit(nogil=True, cache=True)
def stain_objects(  # noqa: PLR0913, PLR0917  # numba kernels take flat arrays
    labels: NDArray[np.int32],
    pixels: NDArray[np.uint8],
    table: NDArray[np.float64],
    target: NDArray[np.int64],
    box: NDArray[np.int64],
    reach: NDArray[np.int64],
    mpp: float,
    raw: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill rows start..stop of `raw` (n, 2 * len(PER_STAIN)) float64.

    `table` (2, 3, 256) holds each stain's share of every channel and grey level; `reach` (r + 1,)
    is how far, in pixels, the ring extends along a row at each row distance.
    """
    counts = np.zeros(_N_BINS, np.int64)
    for i in range(start, stop):
        for stain in range(2):
            out = raw[i, stain * 10 : stain * 10 + 10]
            _inside(labels, pixels, table[stain], target[i], box[i], mpp, counts, out)
        _ring(labels, pixels, table, target[i], box[i], reach, raw[i])


@numba.njit(nogil=True, cache=True, inline="always")
def _density(pixels, table, y, x):  # type: ignore[no-untyped-def]  # numba infers
    """Density of one stain at one pixel."""
    return table[0, pixels[y, x, 0]] + table[1, pixels[y, x, 1]] + table[2, pixels[y, x, 2]]


@numba.njit(nogil=True, cache=True)
def _inside(labels, pixels, table, target, box, mpp, counts, out):  # type: ignore[no-untyped-def]  # numba infers
    """Moments, quantiles and mean gradient of one stain inside the object."""
    y0, x0, y1, x1 = box
    n, n_inner = 0, 0
    origin = np.nan
    s1 = s2 = s3 = s4 = slope = 0.0
    low, high = _N_BINS, 0
    for y in range(y0, y1):
        for x in range(x0, x1):
            if labels[y, x] != target:
                continue
            value = _density(pixels, table, y, x)
            if n == 0:
                origin = value
            n += 1
            d = value - origin
            s1 += d
            s2 += d * d
            s3 += d * d * d
            s4 += d * d * d * d
            slot = int(np.rint((value - _LOWEST) / _BIN))
            counts[slot] += 1
            low, high = min(low, slot), max(high, slot)
            if _is_inner(labels, target, y, x, y0, x0, y1, x1):
                n_inner += 1
                gy = _density(pixels, table, y + 1, x) - _density(pixels, table, y - 1, x)
                gx = _density(pixels, table, y, x + 1) - _density(pixels, table, y, x - 1)
                slope += np.sqrt(gy * gy + gx * gx)
    _moments(n, origin, s1, s2, s3, s4, out)
    out[2] = _quantile(counts, low, n, 0.1)
    out[3] = _quantile(counts, low, n, 0.5)
    out[4] = _quantile(counts, low, n, 0.9)
    out[7] = slope / (2.0 * mpp * n_inner) if n_inner >= _LEAST_GRADIENT else np.nan
    counts[low : high + 1] = 0


@numba.njit(nogil=True, cache=True, inline="always")
def _is_inner(labels, target, y, x, y0, x0, y1, x1):  # type: ignore[no-untyped-def]  # numba infers
    """Whether all four neighbors belong to the object as well."""
    if y == y0 or x == x0 or y == y1 - 1 or x == x1 - 1:
        return False
    vertical = labels[y - 1, x] == target and labels[y + 1, x] == target
    return vertical and labels[y, x - 1] == target and labels[y, x + 1] == target


@numba.njit(nogil=True, cache=True)
def _moments(n, origin, s1, s2, s3, s4, out):  # type: ignore[no-untyped-def]  # numba infers
    """Mean, sd, skewness and excess kurtosis from power sums about `origin`."""
    a, b, c, d = s1 / n, s2 / n, s3 / n, s4 / n
    variance = max(b - a * a, 0.0)
    out[0] = origin + a
    out[1] = np.sqrt(variance)
    out[5] = out[6] = np.nan
    if variance > _FLAT:
        third = c - 3 * a * b + 2 * a**3
        fourth = d - 4 * a * c + 6 * a * a * b - 3 * a**4
        out[5] = third / variance**1.5
        out[6] = fourth / variance**2 - 3.0


@numba.njit(nogil=True, cache=True)
def _quantile(counts, low, n, q):  # type: ignore[no-untyped-def]  # numba infers
    """Quantile by linear interpolation between order statistics, from the histogram."""
    rank = q * (n - 1)
    below = int(rank)
    seen = 0
    slot = low
    while seen + counts[slot] <= below:
        seen += counts[slot]
        slot += 1
    following = slot
    if rank > below and seen + counts[slot] <= below + 1:
        following += 1
        while counts[following] == 0:
            following += 1
    return _LOWEST + _BIN * (slot + (rank - below) * (following - slot))


@numba.njit(nogil=True, cache=True)
def _ring(labels, pixels, table, target, box, reach, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Mean densities of the background within the ring, and inside minus ring."""
    height, width = labels.shape
    radius = reach.size - 1
    left, right = max(box[1] - radius, 0), min(box[3] + radius, width)
    marks = np.zeros(right - left + 1, np.int64)
    n = 0
    sums = np.zeros(2)
    for y in range(max(box[0] - radius, 0), min(box[2] + radius, height)):
        marks[:] = 0
        for row in range(max(y - radius, box[0]), min(y + radius + 1, box[2])):
            _mark(labels, target, row, box, reach[abs(row - y)], left, right, marks)
        covered = 0
        for x in range(left, right):
            covered += marks[x - left]
            if covered > 0 and labels[y, x] == 0:
                n += 1
                sums[0] += _density(pixels, table[0], y, x)
                sums[1] += _density(pixels, table[1], y, x)
    for stain in range(2):
        mean = sums[stain] / n if n >= _LEAST_RING else np.nan
        raw[stain * 10 + 8] = mean
        raw[stain * 10 + 9] = raw[stain * 10] - mean


@numba.njit(nogil=True, cache=True)
def _mark(labels, target, row, box, reach, left, right, marks):  # type: ignore[no-untyped-def]  # numba infers
    """Add the runs of the object in one row, widened by `reach`, to a difference array."""
    x = box[1]
    while x < box[3]:
        if labels[row, x] != target:
            x += 1
            continue
        begin = x
        while x < box[3] and labels[row, x] == target:
            x += 1
        marks[max(begin - reach, left) - left] += 1
        marks[min(x + reach, right) - left] -= 1
