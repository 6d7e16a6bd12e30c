"""Cox partial likelihood for many features at once, and for one design of several columns.

Not for reporting a final model (`final` does that with lifelines) and not for choosing features.
References: Cox (1972) doi 10.1111/j.2517-6161.1972.tb00899.x; Efron (1977)
doi 10.1080/01621459.1977.10480613; Breslow (1974) doi 10.2307/2529620.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from pathexplain.errors import CohortError
from pathexplain.prognosis import kernel, newton
from pathexplain.prognosis.risk_sets import RiskOrder, risk_order

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "STATUS",
    "CoxFits",
    "JointFit",
    "RiskOrder",
    "Ties",
    "fit_each",
    "fit_joint",
    "partial_likelihood",
    "processors",
    "risk_order",
]

Ties = Literal["efron", "breslow"]
_TIES = {"breslow": kernel.BRESLOW, "efron": kernel.EFRON}
STATUS = {
    newton.OK: "ok",
    newton.CONSTANT: "constant",
    newton.NO_EVENTS: "no events",
    newton.SEPARATED: "separated",
    newton.NOT_CONVERGED: "not converged",
    newton.COLLINEAR: "collinear",
}
_BLOCK = 64  # features handed to a thread at once


@dataclass(frozen=True)
class CoxFits:
    """One Cox model a feature, arrays of shape (m,); NaN wherever `status` is not ``"ok"``.

    `beta` and `se` are per unit of the feature, `sd` (n - 1, unweighted) turns them into per-SD
    values. `p` is Wald's (of `z`), `p_lr` the likelihood-ratio test's and `p_score` the score
    test's, each with 1 degree of freedom against the model that holds only the covariates. `n` and
    `events` count the complete cases of that feature.
    """

    beta: NDArray[np.float64]
    se: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    p_lr: NDArray[np.float64]
    p_score: NDArray[np.float64]
    loglik: NDArray[np.float64]
    loglik_null: NDArray[np.float64]
    n: NDArray[np.int64]
    events: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    status: tuple[str, ...]


@dataclass(frozen=True)
class JointFit:
    """One Cox model of k columns: `beta` (k,), `covariance` (k, k), per unit of each column.

    `wald`, `score` and `likelihood_ratio` are chi-squares of all k columns together (k degrees of
    freedom). Everything estimated is NaN where `status` is not ``"ok"``; `score`, which needs no
    maximum, is NaN only where the columns are constant or collinear.
    """

    beta: NDArray[np.float64]
    covariance: NDArray[np.float64]
    loglik: float
    status: str
    loglik_null: float
    score: float
    n: int
    events: int

    @property
    def se(self) -> NDArray[np.float64]:
        """Standard errors (k,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p(self) -> NDArray[np.float64]:
        """Wald p-values (k,), two-sided."""
        return np.asarray(2.0 * stats.norm.sf(np.abs(self.beta / self.se)))

    @property
    def wald(self) -> float:
        """Wald chi-square of all columns."""
        if self.status != "ok":
            return float("nan")
        return float(self.beta @ np.linalg.solve(self.covariance, self.beta))

    @property
    def likelihood_ratio(self) -> float:
        """Likelihood-ratio chi-square against the model without any column."""
        return 2.0 * (self.loglik - self.loglik_null)


def fit_each(
    features: ArrayLike,
    risk: RiskOrder,
    *,
    covariates: ArrayLike | None = None,
    ties: Ties = "efron",
    threads: int | None = None,
) -> CoxFits:
    """Fit one Cox model a feature, each on the patients for whom it is known.

    Parameters
    ----------
    features : (n, m) float
        One row a patient in the caller's order; NaN is missing.
    risk : RiskOrder
        From `risk_order`, of the same n patients: strata, entry times and weights are in it.
    covariates : (n, q) float, optional
        Adjustment columns that stand in every model; complete.
    ties : {"efron", "breslow"}
        How events at one time share their risk set.
    threads : int, optional
        Worker threads; the processors this process may use by default.

    Returns
    -------
    CoxFits
        Arrays (m,). A feature that is constant, without events, separated (monotone likelihood),
        collinear with the covariates or not converged is NaN and says so in `status`.

    Raises
    ------
    CohortError
        If the rows are not those of `risk`, or a covariate is missing or infinite.

    References
    ----------
    Heinze and Schemper (2001) doi 10.1111/j.0006-341X.2001.00114.x for monotone likelihood.

    Examples
    --------
    >>> risk = risk_order([1, 2, 3, 4, 5, 6], [1, 1, 0, 1, 1, 1])
    >>> fits = fit_each([[2.0, 1], [0, 1], [3, 1], [1, 1], [0, 1], [2, 1]], risk)
    >>> fits.beta.round(3).tolist(), fits.status
    ([-0.387, nan], ('ok', 'constant'))
    """
    columns = np.ascontiguousarray(_of_patients(features, risk)[risk.order].T)
    beside = np.zeros((columns.shape[1], 0))
    if covariates is not None:
        beside = _complete(covariates, risk)
    out = np.empty((columns.shape[0], 10))
    starts = range(0, columns.shape[0], _BLOCK)

    def work(start: int) -> None:
        part = slice(start, start + _BLOCK)
        newton.fit_features(columns[part], beside, risk.sorted, _TIES[ties], out[part])

    workers = min(threads or processors(), max(len(starts), 1))
    if workers == 1:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, starts))
    return _assemble(out)


def fit_joint(design: ArrayLike, risk: RiskOrder, *, ties: Ties = "efron") -> JointFit:
    """Fit one Cox model of all columns of `design` (n, k) together; complete cases only.

    Raises
    ------
    CohortError
        If the rows are not those of `risk`, or a value is missing or infinite.

    Examples
    --------
    >>> risk = risk_order([1, 2, 3, 4, 5, 6], [1, 1, 0, 1, 1, 1])
    >>> fit = fit_joint([[2.0], [0], [3], [1], [0], [2]], risk)
    >>> fit.beta.round(3).tolist(), round(fit.likelihood_ratio, 3)
    ([-0.387], 0.575)
    """
    x = _complete(design, risk)
    counts = (x.shape[0], risk.events)
    unknown = np.full(x.shape[1], np.nan)
    nothing = (unknown, np.outer(unknown, unknown), float("nan"))
    if risk.events == 0:
        return JointFit(*nothing, "no events", float("nan"), float("nan"), *counts)
    mean, sd = x.mean(axis=0), x.std(axis=0, ddof=1)
    if not (sd > 0).all():
        return JointFit(*nothing, "constant", float("nan"), float("nan"), *counts)
    whole = np.column_stack([np.ones(len(x)), (x - mean) / sd])
    status, beta, covariance, loglik, null, score = newton.newton_joint(
        np.ascontiguousarray(whole), risk.sorted, np.zeros(x.shape[1]), _TIES[ties]
    )
    estimates = (beta / sd, covariance / np.outer(sd, sd), float(loglik))
    return JointFit(*estimates, STATUS[int(status)], float(null), float(score), *counts)


def partial_likelihood(
    design: ArrayLike, risk: RiskOrder, beta: ArrayLike, *, ties: Ties = "efron"
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return log partial likelihood, gradient (k,) and observed information (k, k) at `beta`.

    Examples
    --------
    >>> risk = risk_order([1, 2], [1, 1])
    >>> round(partial_likelihood([[0.0], [1.0]], risk, [0.0])[0], 4)  # -log 2
    -0.6931
    """
    x = _complete(design, risk)
    whole = np.ascontiguousarray(np.column_stack([np.ones(len(x)), x]))
    start = np.asarray(beta, dtype=np.float64)
    loglik, gradient, information = kernel.evaluate_joint(whole, risk.sorted, start, _TIES[ties])
    return float(loglik), gradient, information


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _of_patients(values: ArrayLike, risk: RiskOrder) -> NDArray[np.float64]:
    """Return a matrix (n, columns) of the patients of `risk`, or refuse it."""
    x = np.asarray(values, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[0] != risk.n:  # noqa: PLR2004  a matrix has two axes
        message = f"features or covariates have shape {x.shape}; give one row to each of {risk.n}"
        raise CohortError(message)
    return x


def _complete(values: ArrayLike, risk: RiskOrder) -> NDArray[np.float64]:
    """Return the sorted rows of a complete matrix, or refuse it."""
    x = _of_patients(values, risk)[risk.order]
    faults = (~np.isfinite(x)).sum(axis=0)
    if faults.any():
        named = ", ".join(str(column) for column in np.flatnonzero(faults)[:5])
        message = (
            f"columns {named} (from 0) hold {faults.sum()} missing or infinite values; covariates "
            "and joint designs must be complete: impute or leave patients out first"
        )
        raise CohortError(message)
    return np.ascontiguousarray(x)


def _assemble(out: NDArray[np.float64]) -> CoxFits:
    """Turn the kernel's table into per-unit estimates and tests."""
    mean, sd = out[:, 8], out[:, 9]
    scale = np.where(sd > 0, sd, np.nan)
    beta, se = out[:, 1] / scale, np.sqrt(out[:, 2]) / scale
    z = beta / se
    gain = np.maximum(2.0 * (out[:, 3] - out[:, 4]), 0.0)
    return CoxFits(
        beta=beta,
        se=se,
        z=z,
        p=2.0 * stats.norm.sf(np.abs(z)),
        p_lr=stats.chi2.sf(gain, 1),
        p_score=stats.chi2.sf(out[:, 5], 1),
        loglik=out[:, 3],
        loglik_null=out[:, 4],
        n=out[:, 6].astype(np.int64),
        events=out[:, 7].astype(np.int64),
        mean=mean,
        sd=sd,
        status=tuple(STATUS[int(code)] for code in out[:, 0]),
    )
