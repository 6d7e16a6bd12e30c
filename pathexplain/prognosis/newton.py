"""Compiled climbs of the Cox partial likelihood, and the reason where there is no maximum.

Not for use from outside `cox`: rows sorted (`risk_sets`), columns standardized and complete.
Monotone likelihood: Heinze and Schemper (2001), doi 10.1111/j.0006-341X.2001.00114.x.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.kernel import SortedRows, compiled, evaluate_joint, evaluate_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "COLLINEAR",
    "CONSTANT",
    "NOT_CONVERGED",
    "NO_EVENTS",
    "OK",
    "SEPARATED",
    "fit_features",
    "newton_joint",
]

OK, CONSTANT, NO_EVENTS, SEPARATED, NOT_CONVERGED, COLLINEAR = 0, 1, 2, 3, 4, 5
MAX_ITERATIONS = 60
MAX_HALVINGS = 30
MAX_STEP = 5.0  # standard deviations of the feature in one Newton step
TOLERANCE = 1e-9  # Newton step in standard errors at which the climb ends
PIVOT = 1e-10  # a pivot below this share of its own diagonal is a singular information matrix


@compiled
def _is_monotone(x: NDArray[np.float64], risk: SortedRows) -> bool:
    """Whether each event has the highest value at risk (or each the lowest): no finite maximum."""
    highest, lowest = True, True
    top, bottom = -np.inf, np.inf
    i, n, first = 0, x.shape[0], 0
    while i < n and (highest or lowest):
        if i == 0 or risk.rows[i, 2] != risk.rows[i - 1, 2]:
            top, bottom, first = -np.inf, np.inf, i
        start, group = i, risk.rows[i, 1]
        while i < n and risk.rows[i, 1] == group:
            if risk.weight[i] > 0.0:
                top, bottom = max(top, x[i]), min(bottom, x[i])
            i += 1
        if risk.gone.size > 0 and risk.rows[start:i, 0].any():
            top, bottom = _range_at_risk(x, risk, first, i)
        for j in range(start, i):
            if risk.rows[j, 0] == 1 and risk.weight[j] > 0.0:
                highest = highest and x[j] == top
                lowest = lowest and x[j] == bottom
    return highest or lowest


@compiled
def _range_at_risk(
    x: NDArray[np.float64], risk: SortedRows, first: int, stop: int
) -> tuple[float, float]:
    """Highest and lowest value at the time of row ``stop - 1`` under left truncation."""
    top, bottom = -np.inf, np.inf
    for j in range(first, stop):
        if risk.place[j] >= risk.gone[stop - 1] and risk.weight[j] > 0.0:
            top, bottom = max(top, x[j]), min(bottom, x[j])
    return top, bottom


@compiled
def _newton_one(
    x: NDArray[np.float64], risk: SortedRows, ties: int
) -> tuple[int, float, float, float, float, float]:
    """Status, coefficient, variance, log-likelihood, null log-likelihood, score chi-square."""
    beta = 0.0
    loglik, slope, information = evaluate_one(x, risk, beta, ties)
    null = loglik
    if not information > PIVOT:
        return COLLINEAR, np.nan, np.nan, np.nan, null, np.nan
    score = slope * slope / information
    if _is_monotone(x, risk):
        return SEPARATED, np.nan, np.nan, np.nan, null, np.nan
    for _ in range(MAX_ITERATIONS):
        step = min(max(slope / information, -MAX_STEP), MAX_STEP)
        if not abs(step) * math.sqrt(information) > TOLERANCE:
            return OK, beta, 1.0 / information, loglik, null, score
        for _halving in range(MAX_HALVINGS):
            trial, trial_slope, trial_information = evaluate_one(x, risk, beta + step, ties)
            if trial >= loglik - 1e-12 * abs(loglik) and trial_information > 0.0:
                break
            step *= 0.5
        else:
            return NOT_CONVERGED, np.nan, np.nan, np.nan, null, np.nan
        beta += step
        loglik, slope, information = trial, trial_slope, trial_information
    return NOT_CONVERGED, np.nan, np.nan, np.nan, null, np.nan


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
    risk: SortedRows,
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
        if evaluate_joint(design, risk, trial, ties)[0] >= loglik - 1e-12 * abs(loglik):
            beta[:] = trial
            return True
        for a in range(beta.size):
            step[a] *= 0.5
    return False


@compiled
def newton_joint(
    design: NDArray[np.float64], risk: SortedRows, start: NDArray[np.float64], ties: int
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], float, float, float]:
    """Status, coefficients, covariance, log-likelihood; log-likelihood and score at `start`."""
    beta, step = start.copy(), np.zeros(start.size)
    null, score = np.nan, np.nan
    for iteration in range(MAX_ITERATIONS):
        loglik, gradient, information = evaluate_joint(design, risk, beta, ties)
        is_regular, inverse = _inverse(information)
        if not is_regular:
            inverse[:] = np.nan
            beta[:] = np.nan
            status = COLLINEAR if iteration == 0 else SEPARATED
            return status, beta, inverse, np.nan, null if iteration > 0 else loglik, score
        length = _step(inverse, gradient, step)
        if iteration == 0:
            null, score = loglik, length * length
        if not length > TOLERANCE:
            return OK, beta, inverse, loglik, null, score
        if not _climb(design, risk, (beta, loglik, step), ties):
            break
    beta[:] = np.nan
    return NOT_CONVERGED, beta, np.full((beta.size, beta.size), np.nan), np.nan, null, score


@compiled
def _standardize(column: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Center and scale the rows with weight, 0 elsewhere; return mean and sd (n - 1) or 0."""
    kept = weight > 0.0
    n = max(kept.sum(), 1)
    mean = column[kept].sum() / n
    for i in range(column.size):
        column[i] = column[i] - mean if kept[i] else 0.0
    spread = math.sqrt((column * column).sum() / max(n - 1, 1))
    if not spread > 1e-12 * (abs(mean) + np.finfo(np.float64).tiny):
        return mean, 0.0
    column /= spread
    return mean, spread


@compiled
def _beside(
    covariates: NDArray[np.float64], risk: SortedRows, ties: int
) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Status, design (n, q + 2) with an empty last column, and coefficients of the covariates."""
    n, q = covariates.shape
    design = np.ones((n, q + 2))
    for a in range(q):
        design[:, a + 1] = covariates[:, a]
        if _standardize(design[:, a + 1], risk.weight)[1] == 0.0:
            return COLLINEAR, design, np.zeros(q)
    fit = newton_joint(design[:, : q + 1].copy(), risk, np.zeros(q), ties)
    return fit[0], design, fit[1]


@compiled
def _fit_adjusted(
    x: NDArray[np.float64],
    null: tuple[int, NDArray[np.float64], NDArray[np.float64]],
    risk: SortedRows,
    ties: int,
) -> tuple[int, float, float, float, float, float]:
    """Like `_newton_one`, beside the covariates of `null`, which is from `_beside`."""
    status, design, start = null
    if status != OK:
        return status, np.nan, np.nan, np.nan, np.nan, np.nan
    q = start.size
    design[:, q + 1] = x
    fit = newton_joint(design, risk, np.append(start, 0.0), ties)
    score = fit[5] if fit[0] == OK else np.nan
    return fit[0], float(fit[1][q]), float(fit[2][q, q]), fit[3], fit[4], score


@compiled
def fit_features(
    columns: NDArray[np.float64],
    covariates: NDArray[np.float64],
    risk: SortedRows,
    ties: int,
    out: NDArray[np.float64],
) -> None:
    """Fit each row of `columns` (m, n) alone, on its complete cases; fill `out` (m, 10).

    Columns of `out`: status, beta per sd, variance, log-likelihood, null log-likelihood, score
    chi-square, n, events, mean, sd.
    """
    q = covariates.shape[1]
    whole = _beside(covariates, risk, ties)
    for j in range(columns.shape[0]):
        x, weight = columns[j].copy(), risk.weight.copy()
        weight[~np.isfinite(x)] = 0.0
        kept = SortedRows(risk.rows, weight, risk.leaving, risk.place, risk.gone)
        n = (weight > 0.0).sum()
        events = (risk.rows[:, 0] * (weight > 0.0)).sum()
        out[j, :] = np.nan
        out[j, 6], out[j, 7] = n, events
        if n == 0 or events == 0:
            out[j, 0] = NO_EVENTS
            continue
        out[j, 8], out[j, 9] = _standardize(x, weight)
        if out[j, 9] == 0.0:
            out[j, 0] = CONSTANT
            continue
        if q == 0:
            fit = _newton_one(x, kept, ties)
        elif n == x.size:
            fit = _fit_adjusted(x, whole, kept, ties)
        else:
            fit = _fit_adjusted(x, _beside(covariates, kept, ties), kept, ties)
        out[j, 0], out[j, 1], out[j, 2], out[j, 3], out[j, 4], out[j, 5] = fit
