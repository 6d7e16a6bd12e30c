"""Elastic-net Cox path: coefficients along descending penalties, by coordinate descent.

Not for p-values: what the path selects is judged by `stability` or by cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError, FitError
from pathexplain.prognosis.coxnet_kernel import Penalty, descend_path, slope_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pathexplain.prognosis.risk_sets import RiskOrder

__all__ = ["CoxnetPath", "coxnet_path", "entered_rows"]

SLACK = 1e-5
TOLERANCE = 1e-15  # curvature times squared step, a patient
FEW, MANY = 0.01, 0.0001  # last penalty over first, with fewer or more patients than features


@dataclass(frozen=True)
class CoxnetPath:
    """Solutions along `alphas` (a,), descending: `beta` (a, m) per unit, `loglik` (a,).

    `converged` is False where the path ended because a penalty did not converge; that penalty and
    all smaller ones are not in the path.
    """

    alphas: NDArray[np.float64]
    beta: NDArray[np.float64]
    loglik: NDArray[np.float64]
    converged: bool


def coxnet_path(
    features: ArrayLike,
    risk: RiskOrder,
    *,
    l1_ratio: float = 1.0,
    alphas: ArrayLike | None = None,
    n_alphas: int = 100,
    alpha_min_ratio: float | None = None,
    penalty_factor: ArrayLike | None = None,
    max_features: int | None = None,
) -> CoxnetPath:
    """Minimize ``-loglik / n + alpha * (l1_ratio |beta| + (1 - l1_ratio) / 2 beta^2)`` on a path.

    Ties are Breslow's. Features are taken as they are: scale them to one standard deviation first,
    on the training patients, unless their units shall decide what is penalized.

    Parameters
    ----------
    features : (n, m) float
        Complete, one row a patient in the caller's order.
    risk : RiskOrder
        From `risk_order`; strata, entry times and weights are honored (n is the sum of weights).
    l1_ratio : float
        1 is the lasso; above 0.
    alphas : (a,) float, optional
        Penalties > 0; sorted descending. By default `n_alphas` of them, log-spaced from the
        smallest at which every penalized coefficient is 0.
    n_alphas : int
        Length of the default path.
    alpha_min_ratio : float, optional
        Last penalty over the first; 0.01 with fewer patients than features, else 0.0001.
    penalty_factor : (m,) float >= 0, optional
        Multiplies the penalty of a feature; 0 leaves it unpenalized (adjustment covariates).
    max_features : int, optional
        End the path after the first penalty with more than so many penalized features in.

    Raises
    ------
    CohortError
        If a value is missing or infinite, there is no event, or an option is out of range.
    FitError
        If not even the first penalty converges.

    References
    ----------
    Simon, Friedman, Hastie and Tibshirani (2011), doi 10.18637/jss.v039.i05.

    Examples
    --------
    >>> from pathexplain.prognosis.cox import risk_order
    >>> x = np.array([[3.0, 0], [1, 1], [2, 0], [0, 1], [1, 0], [0, 0.5]])
    >>> path = coxnet_path(x, risk_order([1, 2, 3, 4, 5, 6], [1] * 6), n_alphas=3)
    >>> (path.beta != 0).sum(axis=1).tolist()
    [0, 2, 2]
    """
    x = np.asarray(features, dtype=np.float64)
    factor = np.ones(x.shape[-1]) if penalty_factor is None else np.asarray(penalty_factor, float)
    _check(x, risk, factor, l1_ratio=l1_ratio)
    columns = np.ascontiguousarray((x - x.mean(axis=0))[risk.order].T)
    entered = entered_rows(risk)
    penalty = Penalty(float(l1_ratio), factor, TOLERANCE)
    if alphas is None:
        smallest = alpha_min_ratio or (FEW if risk.order.size < x.shape[1] else MANY)
        first = _first_alpha(columns, risk, entered, penalty)
        path = first * np.geomspace(1.0, smallest, n_alphas)
    else:
        path = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    limit = x.shape[1] if max_features is None else max_features
    path = np.ascontiguousarray(path)
    beta, loglik = np.zeros((path.size, x.shape[1])), np.zeros(path.size)
    n_fitted, converged = descend_path(
        columns, risk.sorted, entered, path, penalty, limit, (beta, loglik)
    )
    if n_fitted == 0:
        message = (
            f"the Cox path did not converge at its first penalty {path[0]:g}; look for separated "
            "or collinear unpenalized covariates"
        )
        raise FitError(message)
    return CoxnetPath(path[:n_fitted], beta[:n_fitted], loglik[:n_fitted], bool(converged))


def _check(
    x: NDArray[np.float64], risk: RiskOrder, factor: NDArray[np.float64], *, l1_ratio: float
) -> None:
    """Refuse what has no path."""
    faults = {
        f"features have shape {x.shape}, not one row to each of {risk.n} patients": (
            x.shape != (risk.n, factor.size)
        ),
        "features hold missing or infinite values; impute first": not np.isfinite(x).all(),
        f"l1_ratio is {l1_ratio}; it lies above 0 and up to 1": not 0 < l1_ratio <= 1,
        "a penalty factor is negative or all are 0": (factor < 0).any() or not (factor > 0).any(),
        "no event among the patients; a Cox path needs some": risk.events == 0,
    }
    for message, is_wrong in faults.items():
        if is_wrong:
            raise CohortError(message)


def entered_rows(risk: RiskOrder) -> NDArray[np.int64]:
    """Return for each row the first row of its stratum that ended by its entry, -1 if none."""
    entered = np.full(risk.time.size, -1, dtype=np.int64)
    if risk.entry is None:
        return entered
    for code in np.unique(risk.rows[:, 2]):
        block = np.flatnonzero(risk.rows[:, 2] == code)
        ascending = risk.time[block][::-1]
        ended = np.searchsorted(ascending, risk.entry[block], side="right")
        entered[block] = np.where(ended > 0, block[0] + block.size - ended, -1)
    return entered


def _first_alpha(
    columns: NDArray[np.float64], risk: RiskOrder, entered: NDArray[np.int64], penalty: Penalty
) -> float:
    """Return the smallest penalty at which every penalized coefficient is 0."""
    eta = np.zeros(columns.shape[1])
    free = np.flatnonzero(penalty.factor == 0)
    if free.size:
        few = np.ascontiguousarray(columns[free])
        beta, loglik = np.zeros((1, free.size)), np.zeros(1)
        alone = Penalty(1.0, np.zeros(free.size), penalty.tolerance)
        _, converged = descend_path(
            few, risk.sorted, entered, np.ones(1), alone, free.size, (beta, loglik)
        )
        if not converged:
            message = "the unpenalized covariates alone did not converge; look for separation"
            raise FitError(message)
        eta = beta[0] @ few
    gradient = slope_at(eta, risk.sorted, entered).residual
    held = penalty.factor > 0
    slopes = np.abs(columns[held] @ gradient) / risk.weight.sum()
    # beside free covariates the slopes are as exact as their fit: a hair more holds all at 0
    slack = 1.0 + (SLACK if free.size else 0.0)
    return float((slopes / penalty.factor[held]).max() / penalty.l1_ratio * slack)
