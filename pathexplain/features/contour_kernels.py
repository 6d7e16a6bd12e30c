"""Numba kernels over the outer contour of an object: elliptic Fourier coefficients and curvature.

The contour is the polygon through the midpoints of the pixel edges around the object (8-connected
object), the same that marching squares gives at level 0.5. Coefficients are integrated exactly
along it, so they do not depend on the pixel where tracing starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONTOUR_RAW", "N_HARMONICS", "N_SMOOTH", "contour_objects"]

N_HARMONICS = 10
"""Harmonics of the Fourier descriptors."""
N_SMOOTH = 6
"""Harmonics kept for curvature: detail below about one radius is pixel noise at small sizes."""
_LOW_BAND = 4
_SAMPLES = 64

CONTOUR_RAW = (
    "fourier_low",
    "fourier_high",
    "curvature_abs_mean",
    "curvature_sd",
    "concave_share",
    "curvature_min",
    "curvature_max",
    "bending_energy",
    "n_concavities",
    "fourier_2",
    "fourier_3",
    "fourier_4",
    "fourier_5",
    "fourier_6",
)
"""Columns of the table of `contour_objects`: ratios, counts, and curvature in 1/px."""
_FIRST_WAVE = 9
_N_WAVES = 5

_STEP_Y = (0, 1, 0, -1)
_STEP_X = (1, 0, -1, 0)
_LEFT_Y = (-1, 0, 0, -1)
_LEFT_X = (0, 0, -1, -1)
_RIGHT_Y = (0, 0, -1, -1)
_RIGHT_X = (0, -1, -1, 0)
"""Headings east, south, west, north: the step, and the pixels ahead on the left and right."""
_CORNER = 0.5**0.5
"""Steps between edge midpoints are 1 px, or this round a corner."""


@numba.njit(nogil=True, cache=True)
def contour_objects(
    labels: NDArray[np.int32],
    target: NDArray[np.int64],
    box: NDArray[np.int64],
    most_edges: NDArray[np.int64],
    raw: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill rows start..stop of `raw` (n, len(CONTOUR_RAW)) float64.

    `most_edges` bounds the length of each contour.
    """
    waves = np.empty((_SAMPLES, N_SMOOTH), np.complex128)
    for s in range(_SAMPLES):
        for k in range(N_SMOOTH):
            waves[s, k] = np.exp(2j * np.pi * (k + 1) * s / _SAMPLES)
    for i in range(start, stop):
        points = np.empty(most_edges[i], np.complex128)
        n = _trace(labels, target[i], box[i], points)
        plus, minus = _coefficients(points, n)
        _descriptors(plus, minus, raw[i])
        _curvature(plus, minus, waves, raw[i])


@numba.njit(nogil=True, cache=True)
def _inside(labels, target, y, x):  # type: ignore[no-untyped-def]  # numba infers
    """Whether a pixel belongs to the object; outside the image nothing does."""
    height, width = labels.shape
    return 0 <= y < height and 0 <= x < width and labels[y, x] == target


@numba.njit(nogil=True, cache=True)
def _trace(labels, target, box, points):  # type: ignore[no-untyped-def]  # numba infers
    """Walk the pixel edges clockwise with the object on the right; store x + iy of midpoints."""
    y = box[0]
    x = box[1]
    while labels[y, x] != target:
        x += 1
    first_y, first_x = y, x
    heading = 0
    n = 0
    while True:
        dy, dx = _STEP_Y[heading], _STEP_X[heading]
        points[n] = complex(x + 0.5 * dx, y + 0.5 * dy)
        n += 1
        y += dy
        x += dx
        left = y + _LEFT_Y[heading], x + _LEFT_X[heading]
        right = y + _RIGHT_Y[heading], x + _RIGHT_X[heading]
        if _inside(labels, target, left[0], left[1]):
            heading = (heading + 3) % 4
        elif not _inside(labels, target, right[0], right[1]):
            heading = (heading + 1) % 4
        if (y == first_y and x == first_x and heading == 0) or n == points.size:
            return n


@numba.njit(nogil=True, cache=True)
def _length(step):  # type: ignore[no-untyped-def]  # numba infers
    """Length of a step of the contour."""
    return 1.0 if step.real == 0.0 or step.imag == 0.0 else _CORNER


@numba.njit(nogil=True, cache=True)
def _coefficients(points, n):  # type: ignore[no-untyped-def]  # numba infers
    """Fourier coefficients c(+k), c(-k), k = 1..N_HARMONICS, of the polygon by arc length."""
    total = 0.0
    for j in range(n):
        total += _length(points[j + 1 if j + 1 < n else 0] - points[j])
    plus = np.zeros(N_HARMONICS, np.complex128)
    minus = np.zeros(N_HARMONICS, np.complex128)
    phase = np.ones(N_HARMONICS, np.complex128)
    straight = np.empty(N_HARMONICS, np.complex128)
    corner = np.empty(N_HARMONICS, np.complex128)
    for k in range(N_HARMONICS):
        omega = 2.0 * np.pi * (k + 1) / total
        straight[k] = np.exp(-1j * omega)
        corner[k] = np.exp(-1j * omega * _CORNER)
    for j in range(n):
        delta = points[j + 1 if j + 1 < n else 0] - points[j]
        length = _length(delta)
        velocity = delta * (1.0 / length)
        turn = straight if length == 1.0 else corner
        for k in range(N_HARMONICS):
            after = phase[k] * turn[k]
            change = after - phase[k]
            plus[k] += velocity * change
            minus[k] += velocity * np.conj(change)
            phase[k] = after
    for k in range(N_HARMONICS):
        omega = 2.0 * np.pi * (k + 1) / total
        plus[k] /= total * omega * omega
        minus[k] /= total * omega * omega
    return plus, minus


@numba.njit(nogil=True, cache=True)
def _descriptors(plus, minus, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Amplitudes of the low (|k| = 2..4) and high (5..10) band over that of the circle (k = 1)."""
    low = high = 0.0
    for k in range(1, N_HARMONICS):
        energy = abs(plus[k]) ** 2 + abs(minus[k]) ** 2
        if k < _LOW_BAND:
            low += energy
        else:
            high += energy
    circle = abs(plus[0])
    raw[0] = np.sqrt(low) / circle
    raw[1] = np.sqrt(high) / circle
    for k in range(1, _N_WAVES + 1):
        energy = abs(plus[k]) ** 2 + abs(minus[k]) ** 2
        raw[_FIRST_WAVE + k - 1] = np.sqrt(energy) / circle


@numba.njit(nogil=True, cache=True)
def _start_at_tip(plus, minus):  # type: ignore[no-untyped-def]  # numba infers
    """Shift the origin to a tip of the first ellipse, so that samples turn with the object."""
    tau = 0.5 * (np.angle(minus[0]) - np.angle(plus[0]))
    for k in range(N_HARMONICS):
        plus[k] *= np.exp(1j * (k + 1) * tau)
        minus[k] *= np.exp(-1j * (k + 1) * tau)


@numba.njit(nogil=True, cache=True)
def _curvature(plus, minus, waves, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Mean absolute curvature, its sd (signed) and the share of arc that bends inwards."""
    _start_at_tip(plus, minus)
    length = first = second = absolute = concave = 0.0
    lowest, highest = np.inf, -np.inf
    n_turns, was_concave, began_concave = 0, False, False
    for s in range(_SAMPLES):
        d1 = 0j
        d2 = 0j
        for k in range(N_SMOOTH):
            forward, backward = plus[k] * waves[s, k], minus[k] * np.conj(waves[s, k])
            d1 += 1j * (k + 1) * (forward - backward)
            d2 -= (k + 1) ** 2 * (forward + backward)
        speed = abs(d1)
        if speed == 0.0:
            continue
        kappa = (d1.real * d2.imag - d1.imag * d2.real) / speed**3
        length += speed
        first += speed * kappa
        second += speed * kappa * kappa
        absolute += speed * abs(kappa)
        concave += speed * (kappa < 0)
        lowest, highest = min(lowest, kappa), max(highest, kappa)
        is_concave = kappa < 0
        if s == 0:
            began_concave = is_concave
        n_turns += is_concave and not was_concave
        was_concave = is_concave
    mean = first / length
    raw[2] = absolute / length
    raw[3] = np.sqrt(max(second / length - mean * mean, 0.0))
    raw[4] = concave / length
    raw[5], raw[6] = lowest, highest
    raw[7] = second / length
    # an inward arc over the starting point was counted at both its ends
    raw[8] = n_turns - (n_turns > 1 and began_concave and was_concave)
