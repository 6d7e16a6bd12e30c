"""Numba kernels of the `stain` family: optical density statistics inside an object and around it.

Constant memory whatever the size of the object, but for the depth (see `interior_kernels`):
quantiles come from a histogram with bins of 0.001 OD (finer than the step of an 8-bit image), the
ring and gradients from a few rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from pathexplain.features.histogram_kernels import (
    BIN,
    FIRST_SUM,
    HIGH,
    LOW,
    N_STATE,
    N,
    absolute_deviation,
    add_value,
    clear,
    entropy_energy,
    moments,
    quantile,
)
from pathexplain.features.interior_kernels import LARGEST_BOX, squared_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INSIDE", "N_RADIAL", "PER_STAIN", "RING", "stain_objects"]

N_RADIAL = 4
"""Shells of equal depth between the edge and the deepest point."""

INSIDE = (
    "mean",
    "sd",
    "min",
    "p10",
    "p25",
    "median",
    "p75",
    "p90",
    "max",
    "iqr",
    "mad",
    "mean_median_difference",
    "skewness",
    "kurtosis",
    "entropy",
    "energy",
    "integrated",
    "gradient_mean",
    "gradient_sd",
    "gradient_skewness",
    "gradient_kurtosis",
    "edge_mean",
    "edge_sd",
    "mass_displacement_um",
    "radial_1",
    "radial_2",
    "radial_3",
    "radial_4",
)
RING = (
    "ring_mean",
    "ring_sd",
    "ring_p10",
    "ring_median",
    "ring_p90",
    "ring_skewness",
    "ring_kurtosis",
    "contrast",
)
PER_STAIN = (*INSIDE, *RING)
"""Statistics of one stain, in the order of the raw table."""

_N_INSIDE = len(INSIDE)
_LEAST_GRADIENT = 10
_LEAST_RING = 10
_LEAST_SHELL = 5
# Places in the table of sums of one stain: gradient n, origin and powers; edge; mass; shells.
_SLOPE, _EDGE, _MASS, _SHELL = 0, 6, 9, 12
_N_SUMS = 20


@numba.njit(nogil=True, cache=True)
def stain_objects(  # noqa: PLR0913, PLR0917  # numba kernels take flat arrays
    labels: NDArray[np.int32],
    pixels: NDArray[np.uint8],
    table: NDArray[np.float64],
    lowest: float,
    n_bins: int,
    target: NDArray[np.int64],
    box: NDArray[np.int64],
    centroid: NDArray[np.float64],
    reach: NDArray[np.int64],
    mpp: float,
    raw: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill rows start..stop of `raw` (n, S, len(PER_STAIN)) float64.

    `table` (S, 3, 256) holds each stain's share of every channel and gray level, `lowest` the
    least density that it can give and `n_bins` how many bins there are above; `reach` (r + 1,) is
    how far, in pixels, the ring extends along a row at each row distance.
    """
    counts = np.zeros((table.shape[0], n_bins), np.int64)
    state = np.zeros((table.shape[0], N_STATE))
    sums = np.zeros((table.shape[0], _N_SUMS))
    for i in range(start, stop):
        _inside(labels, pixels, table, lowest, target[i], box[i], centroid[i], counts, state, sums)
        for s in range(table.shape[0]):
            _write_inside(counts[s], state[s], sums[s], lowest, mpp, raw[i, s])
            clear(counts[s], state[s])
        _ring(labels, pixels, table, lowest, target[i], box[i], reach, counts, state)
        for s in range(table.shape[0]):
            _write_ring(counts[s], state[s], lowest, raw[i, s])
            clear(counts[s], state[s])


@numba.njit(nogil=True, cache=True)
def _densities(labels, pixels, table, target, y, x0, member, density):  # type: ignore[no-untyped-def]  # numba infers
    """Membership and densities of one row of the box; `member` has an empty pixel at both ends."""
    for x in range(member.size - 2):
        member[x + 1] = labels[y, x0 + x] == target
        red, green, blue = pixels[y, x0 + x]
        for s in range(table.shape[0]):
            density[s, x + 1] = table[s, 0, red] + table[s, 1, green] + table[s, 2, blue]


@numba.njit(nogil=True, cache=True)
def _inside(labels, pixels, table, lowest, target, box, centroid, counts, state, sums):  # type: ignore[no-untyped-def]  # numba infers  # noqa: PLR0913, PLR0917
    """Add all pixels of the object, row by row, to histograms and sums."""
    y0, x0, y1, x1 = box
    height, width = y1 - y0, x1 - x0
    sums[:] = 0.0
    has_depth = height * width <= LARGEST_BOX
    depth = (
        squared_depth(labels, target, y0, x0, y1, x1) if has_depth else np.zeros((1, 1), np.int64)
    )
    deepest = np.sqrt(depth.max())
    member = np.zeros((3, width + 2), np.uint8)
    density = np.zeros((3, table.shape[0], width + 2))
    _densities(labels, pixels, table, target, y0, x0, member[1], density[1])
    for y in range(height):
        above, here, below = y % 3, (y + 1) % 3, (y + 2) % 3
        member[below] = 0
        if y + 1 < height:
            _densities(labels, pixels, table, target, y0 + y + 1, x0, member[below], density[below])
        for x in range(1, width + 1):
            if member[here, x] == 0:
                continue
            is_inner = member[here, x - 1] + member[here, x + 1] == 2  # noqa: PLR2004
            is_inner &= member[above, x] + member[below, x] == 2  # noqa: PLR2004
            shell = (
                min(int(N_RADIAL * (np.sqrt(depth[y, x - 1]) - 0.5) / deepest), N_RADIAL - 1)
                if has_depth
                else -1
            )
            dy, dx = y + y0 - centroid[0], x - 1 + x0 - centroid[1]
            for s in range(table.shape[0]):
                value = density[here, s, x]
                add_value(counts[s], state[s], value, lowest)
                _add_place(sums[s], value, is_inner, shell, dy, dx)
                if is_inner:
                    gy = density[below, s, x] - density[above, s, x]
                    gx = density[here, s, x + 1] - density[here, s, x - 1]
                    _add_slope(sums[s], np.sqrt(gy * gy + gx * gx) / 2.0)


@numba.njit(nogil=True, cache=True)
def _add_place(sums, value, is_inner, shell, dy, dx):  # type: ignore[no-untyped-def]  # numba infers
    """Add a pixel to the sums of edge, mass and shells."""
    if not is_inner:
        sums[_EDGE] += 1
        sums[_EDGE + 1] += value
        sums[_EDGE + 2] += value * value
    mass = max(value, 0.0)
    sums[_MASS] += mass
    sums[_MASS + 1] += mass * dy
    sums[_MASS + 2] += mass * dx
    if shell >= 0:
        sums[_SHELL + 2 * shell] += 1
        sums[_SHELL + 2 * shell + 1] += value


@numba.njit(nogil=True, cache=True)
def _add_slope(sums, slope):  # type: ignore[no-untyped-def]  # numba infers
    """Add a pixel to the powers of the gradient, about the first one."""
    if sums[_SLOPE] == 0:
        sums[_SLOPE + 1] = slope
    d = slope - sums[_SLOPE + 1]
    sums[_SLOPE] += 1
    sums[_SLOPE + 2] += d
    sums[_SLOPE + 3] += d * d
    sums[_SLOPE + 4] += d * d * d
    sums[_SLOPE + 5] += d * d * d * d


@numba.njit(nogil=True, cache=True)
def _write_inside(counts, state, sums, lowest, mpp, out):  # type: ignore[no-untyped-def]  # numba infers
    """Statistics of one stain inside the object, from its histogram and sums."""
    n = int(state[N])
    out[0], out[1], out[12], out[13] = moments(state[N], state[FIRST_SUM - 1 :])
    out[2] = lowest + BIN * state[LOW]
    out[8] = lowest + BIN * state[HIGH]
    out[3] = quantile(counts, state, lowest, 0.1)
    out[4] = quantile(counts, state, lowest, 0.25)
    out[5] = quantile(counts, state, lowest, 0.5)
    out[6] = quantile(counts, state, lowest, 0.75)
    out[7] = quantile(counts, state, lowest, 0.9)
    out[9] = out[6] - out[4]
    out[10] = absolute_deviation(counts, state, lowest, out[5])
    out[11] = out[0] - out[5]
    out[14], out[15] = entropy_energy(counts, state, lowest)
    out[16] = out[0] * n * mpp * mpp
    out[17:21] = np.nan
    if sums[_SLOPE] >= _LEAST_GRADIENT:
        mean, sd, out[19], out[20] = moments(sums[_SLOPE], sums[_SLOPE + 1 :])
        out[17], out[18] = mean / mpp, sd / mpp
    edge = sums[_EDGE + 1] / sums[_EDGE]
    out[21] = edge
    out[22] = np.sqrt(max(sums[_EDGE + 2] / sums[_EDGE] - edge * edge, 0.0))
    out[23] = np.nan
    if sums[_MASS] > 0:
        out[23] = np.hypot(sums[_MASS + 1], sums[_MASS + 2]) / sums[_MASS] * mpp
    for k in range(N_RADIAL):
        n_shell = sums[_SHELL + 2 * k]
        shell = sums[_SHELL + 2 * k + 1] / n_shell if n_shell >= _LEAST_SHELL else np.nan
        out[24 + k] = shell - out[0]


@numba.njit(nogil=True, cache=True)
def _write_ring(counts, state, lowest, out):  # type: ignore[no-untyped-def]  # numba infers
    """Statistics of one stain in the ring, and inside minus ring."""
    out[_N_INSIDE:] = np.nan
    if state[N] < _LEAST_RING:
        return
    mean, sd, skewness, kurtosis = moments(state[N], state[FIRST_SUM - 1 :])
    out[_N_INSIDE], out[_N_INSIDE + 1] = mean, sd
    out[_N_INSIDE + 2] = quantile(counts, state, lowest, 0.1)
    out[_N_INSIDE + 3] = quantile(counts, state, lowest, 0.5)
    out[_N_INSIDE + 4] = quantile(counts, state, lowest, 0.9)
    out[_N_INSIDE + 5], out[_N_INSIDE + 6] = skewness, kurtosis
    out[_N_INSIDE + 7] = out[0] - mean


@numba.njit(nogil=True, cache=True)
def _ring(labels, pixels, table, lowest, target, box, reach, counts, state):  # type: ignore[no-untyped-def]  # numba infers  # noqa: PLR0913, PLR0917
    """Add the background within the ring to histograms and sums."""
    height, width = labels.shape
    radius = reach.size - 1
    left, right = max(box[1] - radius, 0), min(box[3] + radius, width)
    marks = np.zeros(right - left + 1, np.int64)
    for y in range(max(box[0] - radius, 0), min(box[2] + radius, height)):
        marks[:] = 0
        for row in range(max(y - radius, box[0]), min(y + radius + 1, box[2])):
            _mark(labels, target, row, box, reach[abs(row - y)], left, right, marks)
        covered = 0
        for x in range(left, right):
            covered += marks[x - left]
            if covered > 0 and labels[y, x] == 0:
                red, green, blue = pixels[y, x]
                for s in range(table.shape[0]):
                    value = table[s, 0, red] + table[s, 1, green] + table[s, 2, blue]
                    add_value(counts[s], state[s], value, lowest)


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
