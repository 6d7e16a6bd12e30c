"""Numba kernels for the co-occurrence matrix of gray levels and its thirteen features.

Haralick 1973, doi:10.1109/TSMC.1973.4309314. The matrix is symmetric: each pair counts both ways.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["HARALICK", "N_LEVELS", "cooccurrence", "haralick"]

N_LEVELS = 16

HARALICK = (
    "asm",
    "contrast",
    "correlation",
    "variance",
    "idm",
    "sum_average",
    "sum_variance",
    "sum_entropy",
    "entropy",
    "difference_variance",
    "difference_entropy",
    "imc1",
    "imc2",
)
"""The features in Haralick's order; "idm" is the inverse difference moment (homogeneity)."""


@numba.njit(nogil=True, cache=True)
def cooccurrence(level, dy, dx, counts):  # type: ignore[no-untyped-def]  # numba infers
    """Count pairs of levels (-1: outside) at a step, both ways; return the number counted."""
    counts[:] = 0
    n = 0
    height, width = level.shape
    left, right = max(0, -dx), width - max(0, dx)
    for y in range(height - dy):
        for x in range(left, right):
            a, b = level[y, x], level[y + dy, x + dx]
            if a >= 0 and b >= 0:
                counts[a, b] += 1
                counts[b, a] += 1
                n += 2
    return n


@numba.njit(nogil=True, cache=True)
def _entropy(share):  # type: ignore[no-untyped-def]  # numba infers
    """Entropy of one share of a distribution, bits."""
    return -share * np.log2(share) if share > 0 else 0.0


@numba.njit(nogil=True, cache=True)
def haralick(counts, n, out):  # type: ignore[no-untyped-def]  # numba infers
    """Write the thirteen features of a symmetric matrix of `n` counts."""
    single = np.zeros(N_LEVELS)
    sums = np.zeros(2 * N_LEVELS)
    differences = np.zeros(N_LEVELS)
    energy = entropy = homogeneity = product = 0.0
    for i in range(N_LEVELS):
        for j in range(N_LEVELS):
            if counts[i, j] == 0:
                continue
            p = counts[i, j] / n
            single[i] += p
            sums[i + j] += p
            differences[abs(i - j)] += p
            energy += p * p
            entropy += _entropy(p)
            homogeneity += p / (1.0 + (i - j) ** 2)
            product += p * i * j
    mean, variance, single_entropy = _spread(single)
    out[0] = energy
    out[2] = (product - mean * mean) / variance if variance > 0 else np.nan
    out[3] = variance
    out[4] = homogeneity
    out[5], out[6], out[7] = _spread(sums)
    out[8] = entropy
    _, out[9], out[10] = _spread(differences)
    out[1] = 0.0
    for k in range(N_LEVELS):
        out[1] += k * k * differences[k]
    # the entropy of the product of the margins is the sum of theirs
    independent = 2 * single_entropy
    out[11] = (entropy - independent) / single_entropy if single_entropy > 0 else np.nan
    out[12] = np.sqrt(max(1 - np.exp(-2.0 * (independent - entropy)), 0.0))


@numba.njit(nogil=True, cache=True)
def _spread(shares):  # type: ignore[no-untyped-def]  # numba infers
    """Mean, variance and entropy of a distribution over 0, 1, 2..."""
    first = second = entropy = 0.0
    for k in range(shares.size):
        first += k * shares[k]
        second += k * k * shares[k]
        entropy += _entropy(shares[k])
    return first, max(second - first * first, 0.0), entropy
