"""How well predicted probabilities of survival agree with what happened, under censoring.

Not for discrimination. The Brier score takes weights by the inverse probability of censoring from
the patients given for it; calibration at a horizon compares with Kaplan-Meier by group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_joint, risk_order
from pathexplain.prognosis.km import kaplan_meier_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.censoring import Censoring

__all__ = [
    "CalibrationPoint",
    "brier_score",
    "calibration_curve",
    "calibration_slope",
    "integrated_brier_score",
]

MIN_GROUPS = 2


@dataclass(frozen=True)
class CalibrationPoint:
    """One group of patients: mean predicted risk, and the observed one with its 95 % interval.

    NaN where the follow-up of the group does not reach the horizon.
    """

    predicted: float
    observed: float
    low: float
    high: float
    n: int
    events: int


def brier_score(
    censoring: Censoring,
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    survival: NDArray[np.float64],
    times: NDArray[np.float64],
    *,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the mean squared error of predicted survival at each of `times`.

    Parameters
    ----------
    censoring : Censoring
        From `censoring_distribution` of the training patients.
    time, event : (n,)
        Of the patients judged.
    survival : (n, k) float64
        Predicted probability of being event-free after each time, 0 to 1.
    times : (k,) float64
        Within the follow-up.
    weights : (n,) float64, optional
        How often a patient counts.

    Returns
    -------
    (k,) float64
        0 is perfect; 0.25 is what a constant 0.5 gets.

    Raises
    ------
    CohortError
        If shapes differ, a prediction is no probability, or a weight would be infinite.

    References
    ----------
    Graf et al. (1999),
    doi 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.

    Examples
    --------
    >>> from pathexplain.prognosis.censoring import censoring_distribution
    >>> time, event = np.array([1.0, 2, 3, 4]), np.array([True, True, True, True])
    >>> given = censoring_distribution(time, event)
    >>> brier_score(given, time, event, np.full((4, 1), 0.5), np.array([2.5])).tolist()
    [0.25]
    """
    _check_predictions(survival, time.size, times.size)
    weight = np.ones(time.size) if weights is None else weights.astype(np.float64)
    at_event, at_time = censoring.after(time), censoring.after(times)
    scores = np.empty(times.size)
    for k, t in enumerate(times):
        failed, alive = event & (time <= t), time > t
        if (at_event[failed & (weight > 0)] <= 0).any() or (alive.any() and at_time[k] <= 0):
            message = f"at time {t:g} no training patient is still uncensored; take earlier times"
            raise CohortError(message)
        failed_loss = (survival[failed, k] ** 2 * weight[failed] / at_event[failed]).sum()
        alive_loss = ((1.0 - survival[alive, k]) ** 2 * weight[alive]).sum()
        scores[k] = failed_loss + (alive_loss / at_time[k] if alive.any() else 0.0)
    return np.asarray(scores / weight.sum())


def integrated_brier_score(scores: NDArray[np.float64], times: NDArray[np.float64]) -> float:
    """Average Brier scores (k,) over `times` (k,) by the trapezoid rule; NaN with one time.

    Examples
    --------
    >>> integrated_brier_score(np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]))
    0.2
    """
    if times.size < MIN_GROUPS:
        return float("nan")
    return float(np.trapezoid(scores, times) / (times[-1] - times[0]))


def calibration_slope(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    log_risk: NDArray[np.float64],
    *,
    strata: NDArray[np.int64] | None = None,
    entry: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Return the Cox coefficient of a predicted log relative hazard (n,), and its standard error.

    1 is right, below 1 the predictions are too extreme. NaN where the score is constant.

    References
    ----------
    van Houwelingen (2000), doi 10.1002/1097-0258(20001230)19:24<3401::AID-SIM554>3.0.CO;2-2.
    """
    fit = fit_joint(log_risk[:, None], risk_order(time, event, strata=strata, entry=entry))
    return float(fit.beta[0]), float(fit.se[0])


def calibration_curve(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    predicted: NDArray[np.float64],
    *,
    horizon: float,
    n_groups: int = 5,
) -> tuple[CalibrationPoint, ...]:
    """Compare predicted risks by `horizon` with Kaplan-Meier, in groups of equal size.

    Parameters
    ----------
    time, event : (n,)
        Of the patients judged.
    predicted : (n,) float64
        Probability of an event by `horizon`, 0 to 1.
    horizon : float
        In the unit of `time`.
    n_groups : int
        Quantile groups of the prediction; ties stay together.

    Examples
    --------
    >>> time = np.arange(1.0, 101)
    >>> points = calibration_curve(
    ...     time, np.ones(100, bool), 1 - time / 101, horizon=50.0, n_groups=2
    ... )
    >>> [(point.n, round(point.observed, 2)) for point in points]
    [(50, 0.0), (50, 1.0)]
    """
    _check_predictions(predicted[:, None], time.size, 1)
    edges = np.quantile(predicted, np.arange(1, n_groups) / n_groups)
    group = np.searchsorted(np.unique(edges), predicted, side="right")
    return tuple(
        _point(time[group == code], event[group == code], predicted[group == code], horizon)
        for code in np.unique(group)
    )


def _point(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    predicted: NDArray[np.float64],
    horizon: float,
) -> CalibrationPoint:
    """Estimate the observed risk of one group."""
    observed, low, high = float("nan"), float("nan"), float("nan")
    if time.max() >= horizon:
        curve = kaplan_meier_curve(time, event)
        last = int(np.searchsorted(curve.time, horizon, side="right")) - 1
        observed = 1.0 - float(curve.survival[last])
        low, high = 1.0 - float(curve.high[last]), 1.0 - float(curve.low[last])
    failed = int((event & (time <= horizon)).sum())
    return CalibrationPoint(float(predicted.mean()), observed, low, high, time.size, failed)


def _check_predictions(survival: NDArray[np.float64], n: int, k: int) -> None:
    """Refuse what is no probability."""
    if survival.shape != (n, k):
        message = f"predictions have shape {survival.shape}; {n} patients by {k} times are needed"
        raise CohortError(message)
    wrong = ~((survival >= 0) & (survival <= 1))
    if wrong.any():
        message = (
            f"{int(wrong.sum())} predictions are not between 0 and 1; leave those patients out"
        )
        raise CohortError(message)
