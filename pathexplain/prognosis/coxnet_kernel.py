"""Compiled elastic-net Cox path: Newton steps on a working set, each solved by coordinate descent.

Not for use from outside `coxnet`: rows sorted (`risk_sets`), features one a row and complete.
References: Simon et al. (2011) doi 10.18637/jss.v039.i05 (coordinate descent for Cox models);
Lee, Sun and Saunders (2014) doi 10.1137/130921428 (proximal Newton methods).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pathexplain.prognosis.kernel import SortedRows, compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Penalty", "descend_path", "slope_at"]

MAX_NEWTON = 100  # quadratic approximations a penalty and working set
MAX_SWEEPS = 5_000  # sweeps over the working set an approximation
MAX_HALVINGS = 25
MAX_WORKING_SETS = 50
STALE = 0.01  # a squared step above this share of the one before asks for a new curvature


class Penalty(NamedTuple):
    """``l1_ratio`` in 0 to 1, factor a feature (m,), squared step (a patient) at which to stop."""

    l1_ratio: float
    factor: NDArray[np.float64]
    tolerance: float


class Slope(NamedTuple):
    """Log-likelihood (Breslow ties) at a predictor, and what its derivatives are made of.

    `residual` (n,) is the gradient in the predictor, `expected` (n,) the diagonal of the curvature
    before the risk sets' means are taken out, `hazard` (n,) the relative hazard times weight; at
    the last row of each tie group with events `root` (n,) is the square root of the events' weight
    over the risk set's total, 0 elsewhere.
    """

    loglik: float
    residual: NDArray[np.float64]
    expected: NDArray[np.float64]
    hazard: NDArray[np.float64]
    root: NDArray[np.float64]


@compiled
def _leave(
    values: NDArray[np.float64], risk: SortedRows, place: int, row: int
) -> tuple[int, float]:
    """Sum `values` of those who are not yet at risk at the time of `row`, from `place` on."""
    total = 0.0
    if risk.gone.size > 0:
        while place < risk.gone[row]:
            total += values[risk.leaving[place]]
            place += 1
    return place, total


@compiled
def _risk_totals(
    eta: NDArray[np.float64], hazard: NDArray[np.float64], risk: SortedRows
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood, cumulative hazard (n,) up to each row, `root` of `Slope`."""
    n = eta.size
    cumulative, root = np.zeros(n), np.zeros(n)
    loglik, at_risk, mass, place = 0.0, 0.0, 0.0, 0
    for i in range(n):
        if i == 0 or risk.rows[i, 2] != risk.rows[i - 1, 2]:
            at_risk, place = 0.0, i
        at_risk += hazard[i]
        if risk.rows[i, 0] == 1:
            mass += risk.weight[i]
            loglik += risk.weight[i] * eta[i]
        if mass > 0.0 and (i == n - 1 or risk.rows[i + 1, 1] != risk.rows[i, 1]):
            place, gone = _leave(hazard, risk, place, i)
            at_risk -= gone
            loglik -= mass * math.log(at_risk)
            cumulative[i], root[i] = mass / at_risk, math.sqrt(mass) / at_risk
            mass = 0.0
    for i in range(n - 2, -1, -1):
        if risk.rows[i, 2] == risk.rows[i + 1, 2]:
            cumulative[i] += cumulative[i + 1]
    return loglik, cumulative, root


@compiled
def slope_at(eta: NDArray[np.float64], risk: SortedRows, entered: NDArray[np.int64]) -> Slope:
    """Evaluate the likelihood at a linear predictor `eta` (n,).

    ``entered[i]`` is the first row of the stratum that ended by the entry of row i, or -1.
    """
    lowered = eta - eta.max()  # so that no exponential overflows
    hazard = risk.weight * np.exp(lowered)
    loglik, cumulative, root = _risk_totals(lowered, hazard, risk)
    residual, expected = np.empty(eta.size), np.empty(eta.size)
    for i in range(eta.size):
        since = cumulative[entered[i]] if entered[i] >= 0 else 0.0
        expected[i] = hazard[i] * (cumulative[i] - since)
        residual[i] = risk.weight[i] * risk.rows[i, 0] - expected[i]
    return Slope(loglik, residual, expected, hazard, root)


@compiled
def _curvature(x: NDArray[np.float64], risk: SortedRows, slope: Slope) -> NDArray[np.float64]:
    """Information matrix (c, c) of the working set's columns `x` (c, n)."""
    c, n = x.shape
    means = np.zeros((c, np.flatnonzero(slope.root).size))
    for a in range(c):
        weighted, at_risk, place, g = slope.hazard * x[a], 0.0, 0, 0
        for i in range(n):
            if i == 0 or risk.rows[i, 2] != risk.rows[i - 1, 2]:
                at_risk, place = 0.0, i
            at_risk += weighted[i]
            if slope.root[i] > 0.0:
                place, gone = _leave(weighted, risk, place, i)
                at_risk -= gone
                means[a, g] = slope.root[i] * at_risk
                g += 1
    information: NDArray[np.float64] = np.dot(x * slope.expected, x.T) - np.dot(means, means.T)
    return information


@compiled
def _solve_quadratic(
    beta: NDArray[np.float64],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    factor: NDArray[np.float64],
    shares: tuple[float, float, float],
) -> None:
    """Move `beta` (c,) to the minimum of the penalized quadratic; all arguments a patient.

    `shares` are the lasso's and the ridge's part of the penalty, and the tolerance.
    """
    lasso, ridge, tolerance = shares
    rest = gradient.copy()
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for a in range(beta.size):
            square = curvature[a, a]
            if not square > 0.0:
                continue
            pull = rest[a] + square * beta[a]
            threshold = lasso * factor[a]
            moved = 0.0
            if abs(pull) > threshold:
                moved = (pull - math.copysign(threshold, pull)) / (square + ridge * factor[a])
            step = moved - beta[a]
            if step != 0.0:
                beta[a] = moved
                rest -= curvature[a] * step
                largest = max(largest, square * step * step)
        if not largest > tolerance:
            return


@compiled
def _penalty_of(
    beta: NDArray[np.float64], factor: NDArray[np.float64], shares: tuple[float, float, float]
) -> float:
    """Penalty of coefficients (c,)."""
    total = 0.0
    for a in range(beta.size):
        total += factor[a] * (shares[0] * abs(beta[a]) + 0.5 * shares[1] * beta[a] * beta[a])
    return total


@compiled
def _fit_working_set(
    x: NDArray[np.float64],
    risk: SortedRows,
    entered: NDArray[np.int64],
    beta: NDArray[np.float64],
    factor: NDArray[np.float64],
    shares: tuple[float, float, float],
) -> tuple[bool, Slope]:
    """Move `beta` (c,) to the minimum over the columns `x` (c, n); False where it does not come.

    The information matrix is kept while the steps shrink well, since it is what costs.
    """
    n = risk.weight.sum()
    slope = slope_at(np.dot(beta, x), risk, entered)
    value = _penalty_of(beta, factor, shares) - slope.loglik / n
    curvature, last = _curvature(x, risk, slope) / n, np.inf
    for _ in range(MAX_NEWTON):
        before = beta.copy()
        _solve_quadratic(beta, np.dot(x, slope.residual) / n, curvature, factor, shares)
        for _halving in range(MAX_HALVINGS):
            slope = slope_at(np.dot(beta, x), risk, entered)
            new = _penalty_of(beta, factor, shares) - slope.loglik / n
            if new <= value + 1e-13 * abs(value):
                break
            beta[:] = 0.5 * (beta + before)
        else:
            return False, slope
        value, largest = new, 0.0
        for a in range(beta.size):
            largest = max(largest, curvature[a, a] * (beta[a] - before[a]) ** 2)
        if not largest > shares[2]:
            return True, slope
        if largest > STALE * last:
            curvature = _curvature(x, risk, slope) / n
        last = largest
    return False, slope


@compiled
def _fit_penalty(
    x: NDArray[np.float64],
    risk: SortedRows,
    entered: NDArray[np.int64],
    state: tuple[NDArray[np.float64], NDArray[np.float64]],
    alpha: float,
    penalty: Penalty,
) -> tuple[bool, float]:
    """Move `state` (beta and slopes, (m,) both) to one penalty's solution; converged, loglik.

    Features outside the working set have coefficient 0 and join it where their slope exceeds what
    the penalty holds.
    """
    beta, slopes = state
    lasso = alpha * penalty.l1_ratio
    shares = (lasso, alpha * (1.0 - penalty.l1_ratio), penalty.tolerance)
    held = lasso * penalty.factor * (1.0 + 1e-9) + 1e-12
    is_in = (beta != 0.0) | (penalty.factor == 0.0) | (np.abs(slopes) > held)
    loglik = np.nan
    for _ in range(MAX_WORKING_SETS):
        chosen = np.flatnonzero(is_in)
        part = beta[chosen]
        converged, slope = _fit_working_set(
            x[chosen], risk, entered, part, penalty.factor[chosen], shares
        )
        if not converged:
            return False, np.nan
        beta[chosen] = part
        loglik = slope.loglik
        slopes[:] = np.dot(x, slope.residual) / risk.weight.sum()
        missed = (np.abs(slopes) > held) & ~is_in
        if not missed.any():
            return True, loglik
        is_in |= missed
    return False, np.nan


@compiled
def descend_path(
    x: NDArray[np.float64],
    risk: SortedRows,
    entered: NDArray[np.int64],
    alphas: NDArray[np.float64],
    penalty: Penalty,
    max_features: int,
    out: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[int, bool]:
    """Fit each of the descending `alphas` from the solution before; fill coefficients and loglik.

    `x` is (m, n), `out` (a, m) and (a,). Returns how many penalties were fitted and whether the
    last of them converged; ends early once more than `max_features` penalized ones are in.
    """
    beta = np.zeros(x.shape[0])
    slope = slope_at(np.zeros(x.shape[1]), risk, entered)
    slopes = np.dot(x, slope.residual) / risk.weight.sum()
    for k in range(alphas.size):
        state = (beta, slopes)
        converged, loglik = _fit_penalty(x, risk, entered, state, alphas[k], penalty)
        if not converged:
            return k, False
        out[0][k], out[1][k] = beta, loglik
        if ((beta != 0.0) & (penalty.factor > 0.0)).sum() > max_features:
            return k + 1, True
    return alphas.size, True
