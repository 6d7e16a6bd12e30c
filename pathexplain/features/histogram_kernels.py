"""Numba kernels for the statistics of many values in constant memory: power sums and a histogram.

One pass over the values; quantiles to the width of a bin, 0.001, moments to rounding.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = [
    "BIN",
    "FIRST_SUM",
    "HIGH",
    "LOW",
    "N_STATE",
    "N",
    "absolute_deviation",
    "add_value",
    "clear",
    "entropy_energy",
    "moments",
    "quantile",
]

BIN = 0.001
"""Width of a bin; values are optical densities."""
COARSE = 50
"""Bins of one cell of the entropy: 0.05 OD."""
FLAT = 1e-12
"""Variance below which all values count as one."""

LOW, HIGH, N, _ORIGIN, FIRST_SUM = 0, 1, 2, 3, 4
"""Places in the state of a histogram: lowest and highest bin in use, count, origin, four sums."""
N_STATE = 8


@numba.njit(nogil=True, cache=True)
def add_value(counts, state, value, lowest):  # type: ignore[no-untyped-def]  # numba infers
    """Add one value to a histogram and to the power sums about the first value."""
    slot = int(np.rint((value - lowest) / BIN))
    counts[slot] += 1
    if state[N] == 0:
        state[_ORIGIN] = value
        state[LOW] = state[HIGH] = slot
    d = value - state[_ORIGIN]
    state[N] += 1
    state[FIRST_SUM] += d
    state[FIRST_SUM + 1] += d * d
    state[FIRST_SUM + 2] += d * d * d
    state[FIRST_SUM + 3] += d * d * d * d
    state[LOW] = min(state[LOW], slot)
    state[HIGH] = max(state[HIGH], slot)


@numba.njit(nogil=True, cache=True)
def clear(counts, state):  # type: ignore[no-untyped-def]  # numba infers
    """Empty a histogram, touching only the bins in use."""
    if state[N] > 0:
        counts[int(state[LOW]) : int(state[HIGH]) + 1] = 0
    state[:] = 0.0


@numba.njit(nogil=True, cache=True)
def moments(n, sums):  # type: ignore[no-untyped-def]  # numba infers
    """Mean, sd, skewness and excess kurtosis; `sums` is the origin and the four sums about it."""
    a, b, c, d = sums[1] / n, sums[2] / n, sums[3] / n, sums[4] / n
    variance = max(b - a * a, 0.0)
    skewness = kurtosis = np.nan
    if variance > FLAT:
        third = c - 3 * a * b + 2 * a**3
        fourth = d - 4 * a * c + 6 * a * a * b - 3 * a**4
        skewness = third / variance**1.5
        kurtosis = fourth / variance**2 - 3.0
    return sums[0] + a, np.sqrt(variance), skewness, kurtosis


@numba.njit(nogil=True, cache=True)
def quantile(counts, state, lowest, q):  # type: ignore[no-untyped-def]  # numba infers
    """Quantile by linear interpolation between order statistics."""
    rank = q * (state[N] - 1)
    below = int(rank)
    seen = 0
    slot = int(state[LOW])
    while seen + counts[slot] <= below:
        seen += counts[slot]
        slot += 1
    following = slot
    if rank > below and seen + counts[slot] <= below + 1:
        following += 1
        while counts[following] == 0:
            following += 1
    return lowest + BIN * (slot + (rank - below) * (following - slot))


@numba.njit(nogil=True, cache=True)
def absolute_deviation(counts, state, lowest, median):  # type: ignore[no-untyped-def]  # numba infers
    """Median of |value - median|, walking outwards from the median over the bins."""
    center = (median - lowest) / BIN
    n = int(state[N])
    low, high = int(state[LOW]), int(state[HIGH])
    down = int(np.floor(center))
    up = down + 1
    first, second = (n - 1) // 2, n // 2
    seen, lower = 0, -1.0
    while True:
        take_up = down < low or (up <= high and up - center < center - down)
        slot = up if take_up else down
        seen += counts[slot]
        if lower < 0 and seen > first:
            lower = abs(slot - center)
        if seen > second:
            return BIN * 0.5 * (lower + abs(slot - center))
        if take_up:
            up += 1
        else:
            down -= 1


@numba.njit(nogil=True, cache=True)
def entropy_energy(counts, state, lowest):  # type: ignore[no-untyped-def]  # numba infers
    """Entropy (bits) and energy of the histogram in cells of 0.05, the first one's edge at 0."""
    shift = int(np.rint(lowest / BIN))
    n = state[N]
    entropy = energy = 0.0
    cell, inside = -(1 << 40), 0
    for slot in range(int(state[LOW]), int(state[HIGH]) + 1):
        here = (slot + shift) // COARSE
        if here != cell and inside > 0:
            share = inside / n
            entropy -= share * np.log2(share)
            energy += share * share
            inside = 0
        cell = here
        inside += counts[slot]
    if inside > 0:
        share = inside / n
        entropy -= share * np.log2(share)
        energy += share * share
    return max(entropy, 0.0), energy
