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
from pathexplain.prognosis import kernel

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
    "risk_order",
]

Ties = Literal["efron", "breslow"]
_TIES = {"breslow": kernel.BRESLOW, "efron": kernel.EFRON}
STATUS = {
    kernel.OK: "ok",
    kernel.CONSTANT: "constant",
    kernel.NO_EVENTS: "no events",
    kernel.SEPARATED: "separated",
    kernel.NOT_CONVERGED: "not converged",
    kernel.COLLINEAR: "collinear",
}
_BLOCK = 64  # features handed to a thread at once


@dataclass(frozen=True)
class RiskOrder:
    """Patients sorted for the partial likelihood: by stratum, then by time descending.

    `order` (n,) int indexes the caller's rows; `rows` (n, 3) int64 holds event 0/1, tie group and
    stratum of the sorted rows.
    """

    order: NDArray[np.intp]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class CoxFits:
    """One Cox model a feature, arrays of shape (m,); NaN wherever `status` is not ``"ok"``.

    `beta` and `se` are per unit of the feature, `sd` (n - 1) turns them into per-SD values;
    `p` is Wald's, `p_lr` the likelihood-ratio test's (1 degree of freedom, against the model that
    holds only the covariates); `n` and `events` count the complete cases of that feature.
    """

    beta: NDArray[np.float64]
    se: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    p_lr: NDArray[np.float64]
    loglik: NDArray[np.float64]
    loglik_null: NDArray[np.float64]
    n: NDArray[np.int64]
    events: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    status: tuple[str, ...]


@dataclass(frozen=True)
class JointFit:
    """One Cox model of k columns: `beta` (k,), `covariance` (k, k), per unit of each column."""

    beta: NDArray[np.float64]
    covariance: NDArray[np.float64]
    loglik: float
    status: str


def risk_order(time: ArrayLike, event: ArrayLike, *, strata: ArrayLike | None = None) -> RiskOrder:
    """Sort patients once, for any number of fits.

    Parameters
    ----------
    time : (n,) float
        Follow-up, any unit, finite.
    event : (n,) bool or 0/1
        Whether the event was seen at `time`.
    strata : (n,) int, optional
        Patients are compared within a stratum only.

    Raises
    ------
    CohortError
        If lengths differ or a time is not finite.

    Examples
    --------
    >>> risk_order([3.0, 1.0, 2.0], [1, 1, 0]).order.tolist()
    [0, 2, 1]
    """
    times = np.asarray(time, dtype=np.float64)
    events = np.asarray(event).astype(np.int64)
    labels = np.zeros(times.size, np.int64) if strata is None else np.asarray(strata, np.int64)
    if times.ndim != 1 or not times.shape == events.shape == labels.shape:
        message = (
            f"time {times.shape}, event {events.shape} and strata {labels.shape} differ in shape; "
            "give one value a patient"
        )
        raise CohortError(message)
    if not np.isfinite(times).all():
        message = f"{(~np.isfinite(times)).sum()} times are not finite; drop those patients first"
        raise CohortError(message)
    order = np.lexsort((-times, labels))
    times, labels = times[order], labels[order]
    is_new = np.ones(times.size, dtype=np.int64)
    is_new[1:] = (np.diff(times) != 0) | (np.diff(labels) != 0)
    rows = np.column_stack([events[order], np.cumsum(is_new), labels])
    return RiskOrder(order=order, rows=np.ascontiguousarray(rows, dtype=np.int64))


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
        From `risk_order`, of the same n patients.
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
    columns = np.ascontiguousarray(np.asarray(features, dtype=np.float64)[risk.order].T)
    n = columns.shape[1]
    beside = np.zeros((n, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    beside = np.ascontiguousarray(beside.reshape(n, -1)[risk.order])
    out = np.empty((columns.shape[0], 9))
    starts = range(0, columns.shape[0], _BLOCK)

    def work(start: int) -> None:
        part = slice(start, start + _BLOCK)
        kernel.fit_features(columns[part], beside, risk.rows, _TIES[ties], out[part])

    workers = min(threads or _processors(), max(len(starts), 1))
    if workers == 1:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, starts))
    return _assemble(out)


def fit_joint(design: ArrayLike, risk: RiskOrder, *, ties: Ties = "efron") -> JointFit:
    """Fit one Cox model of all columns of `design` (n, k) together; complete cases only.

    Examples
    --------
    >>> risk = risk_order([1, 2, 3, 4, 5, 6], [1, 1, 0, 1, 1, 1])
    >>> fit_joint([[2.0], [0], [3], [1], [0], [2]], risk).beta.round(3).tolist()
    [-0.387]
    """
    x = np.asarray(design, dtype=np.float64)[risk.order]
    mean, sd = x.mean(axis=0), x.std(axis=0, ddof=1)
    unknown = np.full(x.shape[1], np.nan)
    if not (sd > 0).all():
        return JointFit(unknown, np.outer(unknown, unknown), float("nan"), "constant")
    whole = np.column_stack([np.ones(len(x)), (x - mean) / sd])
    status, beta, covariance, loglik = kernel.newton_joint(
        np.ascontiguousarray(whole), risk.rows, np.zeros(x.shape[1]), _TIES[ties]
    )
    return JointFit(beta / sd, covariance / np.outer(sd, sd), float(loglik), STATUS[int(status)])


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
    x = np.asarray(design, dtype=np.float64)[risk.order]
    whole = np.ascontiguousarray(np.column_stack([np.ones(len(x)), x]))
    start = np.asarray(beta, dtype=np.float64)
    loglik, gradient, information = kernel.evaluate_joint(whole, risk.rows, start, _TIES[ties])
    return float(loglik), gradient, information


def _processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _assemble(out: NDArray[np.float64]) -> CoxFits:
    """Turn the kernel's table into per-unit estimates and tests."""
    mean, sd = out[:, 7], out[:, 8]
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
        loglik=out[:, 3],
        loglik_null=out[:, 4],
        n=out[:, 5].astype(np.int64),
        events=out[:, 6].astype(np.int64),
        mean=mean,
        sd=sd,
        status=tuple(STATUS[int(code)] for code in out[:, 0]),
    )
