"""Compiled inner loops of the Cox partial likelihood: evaluate it, climb it, say why it failed.

Not for use from outside `cox`: rows must be sorted (stratum, then time descending), columns
standardized and complete. Reference: Therneau and Grambsch (2000), doi 10.1007/978-1-4757-3294-8.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "BRESLOW",
    "COLLINEAR",
    "CONSTANT",
    "EFRON",
    "NOT_CONVERGED",
    "NO_EVENTS",
    "OK",
    "SEPARATED",
    "compiled",
    "evaluate_joint",
    "evaluate_one",
    "fit_features",
    "newton_joint",
]

BRESLOW, EFRON = 0, 1
OK, CONSTANT, NO_EVENTS, SEPARATED, NOT_CONVERGED, COLLINEAR = 0, 1, 2, 3, 4, 5
MAX_ITERATIONS = 60
MAX_HALVINGS = 30
MAX_STEP = 5.0  # standard deviations of the feature in one Newton step
TOLERANCE = 1e-9  # Newton step in standard errors at which the climb ends
PIVOT = 1e-10  # a pivot below this share of its own diagonal is a singular information matrix

_F = TypeVar("_F", bound="Callable[..., object]")


def compiled(function: _F) -> _F:
    """Compile to machine code that releases the interpreter lock, cached on disk."""
    return cast("_F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@compiled
def evaluate_one(
    x: NDArray[np.float64], rows: NDArray[np.int64], beta: float, ties: int
) -> tuple[float, float, float]:
    """Log-likelihood, its slope and its information for one column."""
    loglik, slope, information = 0.0, 0.0, 0.0
    s0, s1, s2 = 0.0, 0.0, 0.0
    i, n = 0, x.shape[0]
    while i < n:
        if i == 0 or rows[i, 2] != rows[i - 1, 2]:
            s0, s1, s2 = 0.0, 0.0, 0.0
        d0, d1, d2 = 0.0, 0.0, 0.0
        group, deaths = rows[i, 1], 0
        while i < n and rows[i, 1] == group:
            weight = math.exp(beta * x[i])
            first = weight * x[i]
            s0, s1, s2 = s0 + weight, s1 + first, s2 + first * x[i]
            if rows[i, 0] == 1:
                deaths += 1
                loglik, slope = loglik + beta * x[i], slope + x[i]
                d0, d1, d2 = d0 + weight, d1 + first, d2 + first * x[i]
            i += 1
        for death in range(deaths):
            share = ties * death / deaths
            total = s0 - share * d0
            mean = (s1 - share * d1) / total
            loglik, slope = loglik - math.log(total), slope - mean
            information += (s2 - share * d2) / total - mean * mean
    return loglik, slope, information


@compiled
def _is_monotone(x: NDArray[np.float64], rows: NDArray[np.int64]) -> bool:
    """Whether each event has the highest value at risk (or each the lowest): no finite maximum."""
    highest, lowest = True, True
    top, bottom = -np.inf, np.inf
    i, n = 0, x.shape[0]
    while i < n:
        if i == 0 or rows[i, 2] != rows[i - 1, 2]:
            top, bottom = -np.inf, np.inf
        start, group = i, rows[i, 1]
        while i < n and rows[i, 1] == group:
            top, bottom = max(top, x[i]), min(bottom, x[i])
            i += 1
        for j in range(start, i):
            if rows[j, 0] == 1:
                highest = highest and x[j] == top
                lowest = lowest and x[j] == bottom
    return highest or lowest


@compiled
def _newton_one(
    x: NDArray[np.float64], rows: NDArray[np.int64], ties: int
) -> tuple[int, float, float, float, float]:
    """Status, coefficient, variance, log-likelihood and null log-likelihood of one column."""
    beta = 0.0
    loglik, slope, information = evaluate_one(x, rows, beta, ties)
    null = loglik
    if information <= PIVOT:
        return COLLINEAR, np.nan, np.nan, np.nan, null
    if _is_monotone(x, rows):
        return SEPARATED, np.nan, np.nan, np.nan, null
    for _ in range(MAX_ITERATIONS):
        step = min(max(slope / information, -MAX_STEP), MAX_STEP)
        if not abs(step) * math.sqrt(information) > TOLERANCE:
            return OK, beta, 1.0 / information, loglik, null
        for _halving in range(MAX_HALVINGS):
            trial, trial_slope, trial_information = evaluate_one(x, rows, beta + step, ties)
            if trial >= loglik - 1e-12 * abs(loglik) and trial_information > 0.0:
                break
            step *= 0.5
        else:
            return NOT_CONVERGED, np.nan, np.nan, np.nan, null
        beta += step
        loglik, slope, information = trial, trial_slope, trial_information
    return NOT_CONVERGED, np.nan, np.nan, np.nan, null


@compiled
def _accumulate(sums: NDArray[np.float64], row: NDArray[np.float64], weight: float) -> None:
    """Add ``weight * row row'`` to the lower triangle of `sums`."""
    for a in range(row.shape[0]):
        for b in range(a + 1):
            sums[a, b] += weight * row[a] * row[b]


@compiled
def _enter(
    design: NDArray[np.float64],
    row: int,
    beta: NDArray[np.float64],
    risk: NDArray[np.float64],
) -> tuple[float, float]:
    """Let one patient enter the risk set; return the linear predictor and its exponential."""
    eta = 0.0
    for a in range(beta.size):
        eta += beta[a] * design[row, a + 1]
    weight = math.exp(eta)
    _accumulate(risk, design[row], weight)
    return eta, weight


@compiled
def _leave(
    risk: NDArray[np.float64],
    tied: NDArray[np.float64],
    share: float,
    gradient: NDArray[np.float64],
    information: NDArray[np.float64],
) -> float:
    """Count one event against the risk set less `share` of the tied; return log of its total."""
    total = risk[0, 0] - share * tied[0, 0]
    for a in range(1, risk.shape[0]):
        mean = (risk[a, 0] - share * tied[a, 0]) / total
        gradient[a] -= mean
        for b in range(1, a + 1):
            other = (risk[b, 0] - share * tied[b, 0]) / total
            information[a, b] += (risk[a, b] - share * tied[a, b]) / total - mean * other
    return math.log(total)


@compiled
def evaluate_joint(
    design: NDArray[np.float64], rows: NDArray[np.int64], beta: NDArray[np.float64], ties: int
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood, gradient and information; `design` has a first column of ones."""
    n, width = design.shape
    loglik, gradient, information = 0.0, np.zeros(width), np.zeros((width, width))
    risk, tied = np.zeros((width, width)), np.zeros((width, width))
    i = 0
    while i < n:
        if i == 0 or rows[i, 2] != rows[i - 1, 2]:
            risk[:] = 0.0
        tied[:] = 0.0
        group, deaths = rows[i, 1], 0
        while i < n and rows[i, 1] == group:
            eta, weight = _enter(design, i, beta, risk)
            if rows[i, 0] == 1:
                deaths += 1
                loglik += eta
                _accumulate(tied, design[i], weight)
                for a in range(width):
                    gradient[a] += design[i, a]
            i += 1
        for death in range(deaths):
            loglik -= _leave(risk, tied, ties * death / deaths, gradient, information)
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


@compiled
def _dot(left: NDArray[np.float64], right: NDArray[np.float64], start: int, stop: int) -> float:
    """Inner product over ``start:stop``."""
    total = 0.0
    for c in range(start, stop):
        total += left[c] * right[c]
    return total


@compiled
def _cholesky(matrix: NDArray[np.float64]) -> tuple[bool, NDArray[np.float64]]:
    """Lower factor of a positive definite matrix; False where it is singular."""
    size = matrix.shape[0]
    lower = np.zeros((size, size))
    for a in range(size):
        for b in range(a):
            lower[a, b] = (matrix[a, b] - _dot(lower[a], lower[b], 0, b)) / lower[b, b]
        pivot = matrix[a, a] - _dot(lower[a], lower[a], 0, a)
        if not pivot > PIVOT * max(matrix[a, a], 1.0):
            return False, lower
        lower[a, a] = math.sqrt(pivot)
    return True, lower


@compiled
def _inverse(matrix: NDArray[np.float64]) -> tuple[bool, NDArray[np.float64]]:
    """Inverse of a positive definite matrix; False where it is singular."""
    is_regular, lower = _cholesky(matrix)
    if not is_regular:
        return False, lower
    size = matrix.shape[0]
    root = np.zeros((size, size))  # columns of the factor's inverse, as rows
    whole = np.empty((size, size))
    for column in range(size):
        root[column, column] = 1.0 / lower[column, column]
        for a in range(column + 1, size):
            root[column, a] = -_dot(lower[a], root[column], column, a) / lower[a, a]
    for a in range(size):
        for b in range(size):
            whole[a, b] = _dot(root[a], root[b], max(a, b), size)
    return True, whole


@compiled
def _step(
    inverse: NDArray[np.float64], gradient: NDArray[np.float64], step: NDArray[np.float64]
) -> float:
    """Fill `step` with Newton's, capped at `MAX_STEP`; return its length in standard errors."""
    size = gradient.size
    largest, decrement = 0.0, 0.0
    for a in range(size):
        step[a] = _dot(inverse[a], gradient, 0, size)
        largest = max(largest, abs(step[a]))
        decrement += step[a] * gradient[a]
    if largest > MAX_STEP:
        for a in range(size):
            step[a] *= MAX_STEP / largest
    return math.sqrt(abs(decrement))


@compiled
def _climb(
    design: NDArray[np.float64],
    rows: NDArray[np.int64],
    state: tuple[NDArray[np.float64], float, NDArray[np.float64]],
    ties: int,
) -> bool:
    """Move beta in place, halving the step while the log-likelihood falls; False if it always does.

    `state` is (beta, its log-likelihood, step).
    """
    beta, loglik, step = state
    trial = np.empty(beta.size)
    for _ in range(MAX_HALVINGS):
        for a in range(beta.size):
            trial[a] = beta[a] + step[a]
        if evaluate_joint(design, rows, trial, ties)[0] >= loglik - 1e-12 * abs(loglik):
            beta[:] = trial
            return True
        for a in range(beta.size):
            step[a] *= 0.5
    return False


@compiled
def newton_joint(
    design: NDArray[np.float64], rows: NDArray[np.int64], start: NDArray[np.float64], ties: int
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], float]:
    """Status, coefficients, covariance and log-likelihood of several columns together."""
    beta, step = start.copy(), np.zeros(start.size)
    for iteration in range(MAX_ITERATIONS):
        loglik, gradient, information = evaluate_joint(design, rows, beta, ties)
        is_regular, inverse = _inverse(information)
        if not is_regular:
            inverse[:] = np.nan
            beta[:] = np.nan
            return COLLINEAR if iteration == 0 else SEPARATED, beta, inverse, np.nan
        if not _step(inverse, gradient, step) > TOLERANCE:
            return OK, beta, inverse, loglik
        if not _climb(design, rows, (beta, loglik, step), ties):
            break
    beta[:] = np.nan
    return NOT_CONVERGED, beta, np.full((beta.size, beta.size), np.nan), np.nan


@compiled
def _standardize(column: NDArray[np.float64]) -> tuple[float, float]:
    """Center and scale in place; return mean and sd (n - 1), sd 0 where the column is constant."""
    mean = column.mean()
    column -= mean
    spread = math.sqrt((column * column).sum() / max(column.size - 1, 1))
    if not spread > 1e-12 * (abs(mean) + np.finfo(np.float64).tiny):
        return mean, 0.0
    column /= spread
    return mean, spread


@compiled
def _fit_adjusted(
    x: NDArray[np.float64], covariates: NDArray[np.float64], rows: NDArray[np.int64], ties: int
) -> tuple[int, float, float, float, float]:
    """Like `_newton_one`, beside `covariates` (n, q); the null model holds the covariates."""
    n, q = covariates.shape
    design = np.ones((n, q + 2))
    for a in range(q):
        design[:, a + 1] = covariates[:, a]
        if _standardize(design[:, a + 1])[1] == 0.0:
            return COLLINEAR, np.nan, np.nan, np.nan, np.nan
    design[:, q + 1] = x
    status, start, _, null = newton_joint(design[:, : q + 1].copy(), rows, np.zeros(q), ties)
    if status != OK:
        return status, np.nan, np.nan, np.nan, np.nan
    status, beta, covariance, loglik = newton_joint(design, rows, np.append(start, 0.0), ties)
    return status, float(beta[q]), float(covariance[q, q]), loglik, null


@compiled
def fit_features(
    columns: NDArray[np.float64],
    covariates: NDArray[np.float64],
    rows: NDArray[np.int64],
    ties: int,
    out: NDArray[np.float64],
) -> None:
    """Fit each row of `columns` (m, n) alone, on its complete cases; fill `out` (m, 9).

    Columns of `out`: status, beta per sd, variance, log-likelihood, null log-likelihood, n,
    events, mean, sd.
    """
    for j in range(columns.shape[0]):
        keep = np.flatnonzero(np.isfinite(columns[j]))
        kept, x = rows[keep], columns[j][keep]
        events = kept[:, 0].sum()
        out[j, :] = np.nan
        out[j, 5], out[j, 6] = keep.size, events
        if keep.size == 0 or events == 0:
            out[j, 0] = NO_EVENTS
            continue
        out[j, 7], out[j, 8] = _standardize(x)
        if out[j, 8] == 0.0:
            out[j, 0] = CONSTANT
            continue
        if covariates.shape[1] == 0:
            fit = _newton_one(x, kept, ties)
        else:
            fit = _fit_adjusted(x, covariates[keep], kept, ties)
        out[j, 0], out[j, 1], out[j, 2], out[j, 3], out[j, 4] = fit
