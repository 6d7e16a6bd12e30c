"""Numba kernels for Zernike moments of an object's form, up to order 9.

All geometric moments come from the object's horizontal runs (prefix sums of powers of x along
the box), and the Zernike moments are linear in them: the cost is that of runs, not of pixels.
"""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ORDER", "ZERNIKE", "ZERNIKE_FROM_MOMENTS", "zernike_objects"]

ORDER = 9
ZERNIKE = tuple((n, m) for n in range(2, ORDER + 1) for m in range(n % 2, n + 1, 2))
"""Order n and repetition m of each moment; of orders 0 and 1 all objects have the same."""
_POWERS = tuple((p, q) for p in range(ORDER + 1) for q in range(ORDER + 1 - p))
"""Powers of x and y of each geometric moment."""


def _zernike_from_moments() -> NDArray[np.complex128]:
    """Coefficients of x^p y^q in (n + 1) / pi * R_nm(r) exp(-i m t) (Khotanzad 1990)."""
    slot = {powers: k for k, powers in enumerate(_POWERS)}
    table = np.zeros((len(ZERNIKE), len(_POWERS)), np.complex128)
    for row, (n, m) in enumerate(ZERNIKE):
        for s in range((n - m) // 2 + 1):
            radial = (-1) ** s * factorial(n - s)
            radial //= factorial(s) * factorial((n + m) // 2 - s) * factorial((n - m) // 2 - s)
            # r^(n - 2s) exp(-imt) = (x^2 + y^2)^half * (x - iy)^m
            half = (n - 2 * s - m) // 2
            for j in range(half + 1):
                for k in range(m + 1):
                    weight = _binomial(half, j) * _binomial(m, k) * (-1j) ** k
                    powers = (2 * (half - j) + m - k, 2 * j + k)
                    table[row, slot[powers]] += (n + 1) / np.pi * radial * weight
    return table


def _binomial(n: int, k: int) -> int:
    """Binomial coefficient."""
    return factorial(n) // factorial(k) // factorial(n - k)


ZERNIKE_FROM_MOMENTS = _zernike_from_moments()
"""(len(ZERNIKE), 55) complex128: Zernike moments are this times the geometric moments."""


@numba.njit(nogil=True, cache=True)
def zernike_objects(
    labels: NDArray[np.int32],
    target: NDArray[np.int64],
    box: NDArray[np.int64],
    centroid: NDArray[np.float64],
    table: NDArray[np.complex128],
    raw: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill rows start..stop of `raw` (n, len(ZERNIKE)) float64 with magnitudes."""
    moments = np.zeros(table.shape[1])
    for i in range(start, stop):
        radius = _radius(labels, target[i], box[i], centroid[i])
        _moments(labels, target[i], box[i], centroid[i], radius, moments)
        for k in range(table.shape[0]):
            re = im = 0.0
            for j in range(table.shape[1]):
                re += table[k, j].real * moments[j]
                im += table[k, j].imag * moments[j]
            raw[i, k] = np.sqrt(re * re + im * im)


@numba.njit(nogil=True, cache=True)
def _radius(labels, target, box, centroid):  # type: ignore[no-untyped-def]  # numba infers
    """Distance from the centroid to the farthest pixel center, plus half a pixel."""
    farthest = 0.0
    for y in range(box[0], box[2]):
        left, right = box[1], box[3] - 1
        while left < box[3] and labels[y, left] != target:
            left += 1
        if left == box[3]:
            continue
        while labels[y, right] != target:
            right -= 1
        dy = y - centroid[0]
        dx = max(abs(left - centroid[1]), abs(right - centroid[1]))
        farthest = max(farthest, dy * dy + dx * dx)
    return np.sqrt(farthest) + 0.5


@numba.njit(nogil=True, cache=True)
def _moments(labels, target, box, centroid, radius, moments):  # type: ignore[no-untyped-def]  # numba infers
    """Sum of x^p y^q over pixel centers in the unit disk, over the pixel count."""
    prefix = _prefix(box[1], box[3], centroid[1], radius)
    moments[:] = 0.0
    row = np.zeros(ORDER + 1)
    for y in range(box[0], box[2]):
        _row_powers(labels, target, y, box[1], prefix, row)
        v = (y - centroid[0]) / radius
        j = 0
        for p in range(ORDER + 1):
            power = row[p]
            for _ in range(ORDER + 1 - p):
                moments[j] += power
                power *= v
                j += 1
    n = moments[0]
    for j in range(moments.size):
        moments[j] /= n


@numba.njit(nogil=True, cache=True)
def _prefix(x0, x1, center, radius):  # type: ignore[no-untyped-def]  # numba infers
    """Sum each power of x over the columns before each column."""
    prefix = np.zeros((x1 - x0 + 1, ORDER + 1))
    for x in range(x1 - x0):
        u = (x0 + x - center) / radius
        power = 1.0
        for p in range(ORDER + 1):
            prefix[x + 1, p] = prefix[x, p] + power
            power *= u
    return prefix


@numba.njit(nogil=True, cache=True)
def _row_powers(labels, target, y, x0, prefix, row):  # type: ignore[no-untyped-def]  # numba infers
    """Sum each power of x over the object's pixels in one row, run by run."""
    row[:] = 0.0
    width = prefix.shape[0] - 1
    x = 0
    while x < width:
        if labels[y, x0 + x] != target:
            x += 1
            continue
        begin = x
        while x < width and labels[y, x0 + x] == target:
            x += 1
        for p in range(ORDER + 1):
            row[p] += prefix[x, p] - prefix[begin, p]
