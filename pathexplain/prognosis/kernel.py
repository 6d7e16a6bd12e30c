"""Compiled loops of the Cox partial likelihood: its value, gradient and information.

Not for use from outside `cox` and `newton`: rows must be sorted (`risk_sets`), columns complete.
Reference: Therneau and Grambsch (2000), doi 10.1007/978-1-4757-3294-8; its section 3.3 for
Efron's approximation with case weights.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["BRESLOW", "EFRON", "SortedRows", "compiled", "evaluate_joint", "evaluate_one"]

BRESLOW, EFRON = 0, 1

_F = TypeVar("_F", bound="Callable[..., object]")


def compiled(function: _F) -> _F:
    """Compile to machine code that releases the interpreter lock, cached on disk."""
    return cast("_F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


class SortedRows(NamedTuple):
    """Patients by stratum, then by time descending; a weight of 0 takes a row out.

    `rows` (n, 3) holds event 0/1, tie group and stratum. Under left truncation `leaving` (n,) lists
    positions by stratum, then by entry descending, `place` (n,) is its inverse, and ``gone[i]``
    counts the places that are not yet at risk at the time of row i; without, all three are empty.
    """

    rows: NDArray[np.int64]
    weight: NDArray[np.float64]
    leaving: NDArray[np.int64]
    place: NDArray[np.int64]
    gone: NDArray[np.int64]


@compiled
def evaluate_one(
    x: NDArray[np.float64], risk: SortedRows, beta: float, ties: int
) -> tuple[float, float, float]:
    """Log-likelihood, its slope and its information for one column."""
    loglik, slope, information = 0.0, 0.0, 0.0
    s0, s1, s2 = 0.0, 0.0, 0.0
    i, n, place = 0, x.shape[0], 0
    while i < n:
        if i == 0 or risk.rows[i, 2] != risk.rows[i - 1, 2]:
            s0, s1, s2, place = 0.0, 0.0, 0.0, i
        d0, d1, d2, mass = 0.0, 0.0, 0.0, 0.0
        group, deaths = risk.rows[i, 1], 0
        while i < n and risk.rows[i, 1] == group:
            hazard = risk.weight[i] * math.exp(beta * x[i])
            first = hazard * x[i]
            s0, s1, s2 = s0 + hazard, s1 + first, s2 + first * x[i]
            if risk.rows[i, 0] == 1 and risk.weight[i] > 0.0:
                deaths += 1
                mass += risk.weight[i]
                loglik += risk.weight[i] * beta * x[i]
                slope += risk.weight[i] * x[i]
                d0, d1, d2 = d0 + hazard, d1 + first, d2 + first * x[i]
            i += 1
        if deaths > 0 and risk.gone.size > 0:
            while place < risk.gone[i - 1]:
                j = risk.leaving[place]
                hazard = risk.weight[j] * math.exp(beta * x[j])
                first = hazard * x[j]
                s0, s1, s2 = s0 - hazard, s1 - first, s2 - first * x[j]
                place += 1
        for death in range(deaths):
            share = ties * death / deaths
            total = s0 - share * d0
            mean = (s1 - share * d1) / total
            each = mass / deaths
            loglik, slope = loglik - each * math.log(total), slope - each * mean
            information += each * ((s2 - share * d2) / total - mean * mean)
    return loglik, slope, information


@compiled
def _accumulate(sums: NDArray[np.float64], row: NDArray[np.float64], weight: float) -> None:
    """Add ``weight * row row'`` to the lower triangle of `sums`."""
    for a in range(row.shape[0]):
        for b in range(a + 1):
            sums[a, b] += weight * row[a] * row[b]


@compiled
def _predictor(design: NDArray[np.float64], row: int, beta: NDArray[np.float64]) -> float:
    """Linear predictor of one patient; the design's first column is ones and has no beta."""
    eta = 0.0
    for a in range(beta.size):
        eta += beta[a] * design[row, a + 1]
    return eta


@compiled
def _count_event(
    risk: NDArray[np.float64],
    tied: NDArray[np.float64],
    share: float,
    weight: float,
    sums: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> float:
    """Count one event against the risk set less `share` of the tied; return its log-likelihood.

    `sums` are the gradient and the lower triangle of the information, added to in place.
    """
    gradient, information = sums
    total = risk[0, 0] - share * tied[0, 0]
    for a in range(1, risk.shape[0]):
        mean = (risk[a, 0] - share * tied[a, 0]) / total
        gradient[a] -= weight * mean
        for b in range(1, a + 1):
            other = (risk[b, 0] - share * tied[b, 0]) / total
            second = (risk[a, b] - share * tied[a, b]) / total
            information[a, b] += weight * (second - mean * other)
    return -weight * math.log(total)


@compiled
def _take_out(
    design: NDArray[np.float64],
    risk: SortedRows,
    beta: NDArray[np.float64],
    at_risk: NDArray[np.float64],
    places: tuple[int, int],
) -> None:
    """Take the patients at `places` of the leaving order, who enter later, out of the risk set."""
    for place in range(places[0], places[1]):
        j = risk.leaving[place]
        hazard = risk.weight[j] * math.exp(_predictor(design, j, beta))
        _accumulate(at_risk, design[j], -hazard)


@compiled
def evaluate_joint(
    design: NDArray[np.float64], risk: SortedRows, beta: NDArray[np.float64], ties: int
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood, gradient and information; `design` has a first column of ones."""
    n, width = design.shape
    loglik, gradient, information = 0.0, np.zeros(width), np.zeros((width, width))
    at_risk, tied = np.zeros((width, width)), np.zeros((width, width))
    i, place = 0, 0
    while i < n:
        if i == 0 or risk.rows[i, 2] != risk.rows[i - 1, 2]:
            at_risk[:] = 0.0
            place = i
        tied[:] = 0.0
        group, deaths, mass = risk.rows[i, 1], 0, 0.0
        while i < n and risk.rows[i, 1] == group:
            eta, weight = _predictor(design, i, beta), risk.weight[i]
            _accumulate(at_risk, design[i], weight * math.exp(eta))
            if risk.rows[i, 0] == 1 and weight > 0.0:
                deaths += 1
                mass += weight
                loglik += weight * eta
                _accumulate(tied, design[i], weight * math.exp(eta))
                for a in range(width):
                    gradient[a] += weight * design[i, a]
            i += 1
        if deaths > 0 and risk.gone.size > 0:
            _take_out(design, risk, beta, at_risk, (place, risk.gone[i - 1]))
            place = max(place, risk.gone[i - 1])
        for death in range(deaths):
            share = ties * death / deaths
            loglik += _count_event(at_risk, tied, share, mass / deaths, (gradient, information))
    return loglik, gradient[1:].copy(), _mirrored(information)


@compiled
def _mirrored(lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill the upper triangle from the lower, without the first row and column."""
    size = lower.shape[0] - 1
    whole = np.empty((size, size))
    for a in range(size):
        for b in range(a + 1):
            whole[a, b] = whole[b, a] = lower[a + 1, b + 1]
    return whole
