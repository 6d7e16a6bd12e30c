"""Numba kernels of the `texture` family: co-occurrence, binary patterns and granularity.

Each looks at the pixels of one object only: a pair, a neighborhood or a window reaches no farther
than the object's own edge. They hold the object's box in memory, so boxes above `LARGEST_BOX`
pixels are left undefined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from pathexplain.features.haralick_kernels import HARALICK, N_LEVELS, cooccurrence, haralick
from pathexplain.features.interior_kernels import LARGEST_BOX

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LBP_BINS", "N_GRAINS", "TEXTURE_RAW", "texture_objects"]

N_DIRECTIONS = 4
LBP_BINS = 10
"""Nine uniform patterns by their number of brighter neighbors, and all others."""
N_GRAINS = 4

TEXTURE_RAW = (
    *(f"haralick_{name}_mean" for name in HARALICK),
    *(f"haralick_{name}_range" for name in HARALICK),
    *(f"lbp_{k}" for k in range(LBP_BINS)),
    *(f"granularity_{k + 1}" for k in range(N_GRAINS)),
)
"""Columns of the table of `texture_objects`, in order."""

_N_HARALICK = len(HARALICK)
_LBP = 2 * _N_HARALICK
_GRAIN = _LBP + LBP_BINS
_N_NEIGHBORS = 8
_LEAST_PAIRS = 20
_LEAST_PATTERNS = 20
_TIE = 1e-7
"""Densities this close count as equal: interpolation leaves rounding behind."""
_EMPTY = np.float32(3e38)


@numba.njit(nogil=True, cache=True)
def texture_objects(  # noqa: PLR0913, PLR0917  # numba kernels take flat arrays
    labels: NDArray[np.int32],
    pixels: NDArray[np.uint8],
    table: NDArray[np.float64],
    level_width: float,
    distance: int,
    radius: int,
    grains: NDArray[np.int64],
    target: NDArray[np.int64],
    box: NDArray[np.int64],
    raw: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    """Fill rows start..stop of `raw` (n, len(TEXTURE_RAW)) float64.

    `table` (3, 256) holds the share of every channel and gray level in the density; `distance` of
    pairs, `radius` of binary patterns and `grains` (half sides of windows, ascending) are in px.
    """
    counts = np.zeros((N_LEVELS, N_LEVELS), np.int64)
    found = np.zeros((N_DIRECTIONS, _N_HARALICK))
    for i in range(start, stop):
        y0, x0, y1, x1 = box[i]
        if (y1 - y0) * (x1 - x0) > LARGEST_BOX:
            raw[i] = np.nan
            continue
        member, density = _load(labels, pixels, table, target[i], y0, x0, y1, x1)
        _all_haralick(member, density, level_width, distance, counts, found, raw[i])
        _patterns(member, density, radius, raw[i])
        _granularity(member, density, grains, raw[i])


@numba.njit(nogil=True, cache=True)
def _load(labels, pixels, table, target, y0, x0, y1, x1):  # type: ignore[no-untyped-def]  # numba infers
    """Membership and density of the box."""
    member = np.zeros((y1 - y0, x1 - x0), np.bool_)
    density = np.zeros((y1 - y0, x1 - x0))
    for y in range(y1 - y0):
        for x in range(x1 - x0):
            if labels[y0 + y, x0 + x] == target:
                red, green, blue = pixels[y0 + y, x0 + x]
                member[y, x] = True
                density[y, x] = table[0, red] + table[1, green] + table[2, blue]
    return member, density


@numba.njit(nogil=True, cache=True)
def _all_haralick(member, density, level_width, distance, counts, found, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Mean and range over four directions of each Haralick feature."""
    level = np.full(member.shape, -1, np.int64)
    for y in range(member.shape[0]):
        for x in range(member.shape[1]):
            if member[y, x]:
                step = int(np.floor(density[y, x] / level_width))
                level[y, x] = min(max(step, 0), N_LEVELS - 1)
    steps = ((0, distance), (distance, distance), (distance, 0), (distance, -distance))
    for k in range(N_DIRECTIONS):
        n = cooccurrence(level, steps[k][0], steps[k][1], counts)
        if n < _LEAST_PAIRS:
            raw[: 2 * _N_HARALICK] = np.nan
            return
        haralick(counts, n, found[k])
    for j in range(_N_HARALICK):
        low, high, total = np.inf, -np.inf, 0.0
        for k in range(N_DIRECTIONS):
            low, high = min(low, found[k, j]), max(high, found[k, j])
            total += found[k, j]
        raw[j] = total / N_DIRECTIONS
        raw[_N_HARALICK + j] = high - low if np.isfinite(total) else np.nan


@numba.njit(nogil=True, cache=True)
def _patterns(member, density, radius, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Shares of rotation-invariant uniform patterns of 8 neighbors on a circle (Ojala 2002)."""
    height, width = member.shape
    counts = np.zeros(LBP_BINS, np.int64)
    brighter = np.zeros(_N_NEIGHBORS, np.int64)
    short = radius * np.sqrt(0.5)
    n = 0
    for y in range(radius, height - radius):
        for x in range(radius, width - radius):
            if not _is_whole(member, y, x, radius):
                continue
            for k in range(_N_NEIGHBORS):
                if k % 2 == 0:
                    dy, dx = ((0, radius), (radius, 0), (0, -radius), (-radius, 0))[k // 2]
                    value = density[y + dy, x + dx]
                else:
                    sy, sx = ((1, 1), (1, -1), (-1, -1), (-1, 1))[k // 2]
                    value = _between(density, y, x, sy, sx, short)
                brighter[k] = value - density[y, x] > -_TIE
            turns, total = 0, 0
            for k in range(_N_NEIGHBORS):
                turns += brighter[k] != brighter[k - 1]
                total += brighter[k]
            counts[total if turns <= 2 else LBP_BINS - 1] += 1  # noqa: PLR2004  # uniform
            n += 1
    for k in range(LBP_BINS):
        raw[_LBP + k] = counts[k] / n if n >= _LEAST_PATTERNS else np.nan


@numba.njit(nogil=True, cache=True)
def _is_whole(member, y, x, radius):  # type: ignore[no-untyped-def]  # numba infers
    """Whether the square around a pixel lies inside the object."""
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if not member[y + dy, x + dx]:
                return False
    return True


@numba.njit(nogil=True, cache=True)
def _between(density, y, x, sy, sx, short):  # type: ignore[no-untyped-def]  # numba infers
    """Density at (y + sy * short, x + sx * short), bilinear."""
    whole = int(np.floor(short))
    part = short - whole
    y0, y1 = y + sy * whole, y + sy * (whole + 1)
    x0, x1 = x + sx * whole, x + sx * (whole + 1)
    near = (1 - part) * (1 - part) * density[y0, x0] + part * part * density[y1, x1]
    return near + part * (1 - part) * (density[y0, x1] + density[y1, x0])


@numba.njit(nogil=True, cache=True)
def _granularity(member, density, grains, raw):  # type: ignore[no-untyped-def]  # numba infers
    """Share of the density that openings by growing squares take away."""
    plain = np.maximum(density, 0.0).astype(np.float32)
    total = _sum_inside(member, plain)
    eroded = np.where(member, plain, _EMPTY).astype(np.float32)
    scratch = np.empty_like(eroded)
    done = 0
    for k in range(grains.size):
        for _ in range(grains[k] - done):
            _least_of_three(eroded, scratch)
        done = grains[k]
        opened = np.where(member, eroded, np.float32(-1.0)).astype(np.float32)
        for _ in range(done):
            _most_of_three(opened, scratch)
        kept = _sum_inside(member, opened)
        raw[_GRAIN + k] = max(1.0 - kept / total, 0.0) if total > 0 else np.nan


@numba.njit(nogil=True, cache=True)
def _sum_inside(member, image):  # type: ignore[no-untyped-def]  # numba infers
    """Sum over the object's pixels."""
    total = 0.0
    for y in range(member.shape[0]):
        for x in range(member.shape[1]):
            if member[y, x]:
                total += image[y, x]
    return total


@numba.njit(nogil=True, cache=True)
def _least_of_three(image, scratch):  # type: ignore[no-untyped-def]  # numba infers
    """Replace every pixel by the least of its 3 x 3 neighborhood; the border is repeated."""
    height, width = image.shape
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            scratch[y, x] = min(image[y, x], image[up, x], image[down, x])
    for y in range(height):
        image[y, 0] = min(scratch[y, 0], scratch[y, min(1, width - 1)])
        for x in range(1, width - 1):
            image[y, x] = min(scratch[y, x], scratch[y, x - 1], scratch[y, x + 1])
        image[y, width - 1] = min(scratch[y, width - 1], scratch[y, max(width - 2, 0)])


@numba.njit(nogil=True, cache=True)
def _most_of_three(image, scratch):  # type: ignore[no-untyped-def]  # numba infers
    """Replace every pixel by the most of its 3 x 3 neighborhood; the border is repeated."""
    height, width = image.shape
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            scratch[y, x] = max(image[y, x], image[up, x], image[down, x])
    for y in range(height):
        image[y, 0] = max(scratch[y, 0], scratch[y, min(1, width - 1)])
        for x in range(1, width - 1):
            image[y, x] = max(scratch[y, x], scratch[y, x - 1], scratch[y, x + 1])
        image[y, width - 1] = max(scratch[y, width - 1], scratch[y, max(width - 2, 0)])
