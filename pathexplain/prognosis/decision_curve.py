"""Decision curves: what acting on a predicted risk gains over treating all or nobody.

Not for choosing the threshold: that is a clinical judgement. References: Vickers and Elkin (2006)
doi 10.1177/0272989X06295361; with censoring: Vickers et al. (2008) doi 10.1186/1472-6947-8-53.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.km import kaplan_meier_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DecisionCurve", "decision_curve"]


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit a patient at each of `thresholds` (k,), of acting on the model and on everybody.

    Acting on nobody has 0. `model` is NaN where the follow-up of those above the threshold does not
    reach the horizon.
    """

    thresholds: NDArray[np.float64]
    model: NDArray[np.float64]
    all: NDArray[np.float64]
    horizon: float


def decision_curve(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    predicted: NDArray[np.float64],
    *,
    horizon: float,
    thresholds: NDArray[np.float64],
) -> DecisionCurve:
    """Return the net benefit of acting where the predicted risk reaches each threshold.

    Net benefit = P(event and acted on) - P(no event and acted on) * threshold / (1 - threshold),
    with Kaplan-Meier risks by `horizon` among those acted on.

    Parameters
    ----------
    time, event : (n,)
        Of the patients judged.
    predicted : (n,) float64
        Probability of an event by `horizon`, 0 to 1.
    horizon : float
        In the unit of `time`.
    thresholds : (k,) float64
        Between 0 and 1, both excluded.

    Raises
    ------
    CohortError
        If a threshold or a prediction is out of range.

    Examples
    --------
    >>> time, event = np.array([1.0, 2, 3, 4]), np.ones(4, bool)
    >>> curve = decision_curve(
    ...     time, event, np.array([0.9, 0.8, 0.1, 0.2]), horizon=2.0, thresholds=np.array([0.5])
    ... )
    >>> curve.model.tolist(), curve.all.tolist()
    ([0.5], [0.0])
    """
    if not ((thresholds > 0) & (thresholds < 1)).all():
        message = "decision thresholds lie between 0 and 1, both excluded"
        raise CohortError(message)
    if not ((predicted >= 0) & (predicted <= 1)).all():
        message = "predicted risks lie between 0 and 1; leave patients without one out"
        raise CohortError(message)
    odds = thresholds / (1.0 - thresholds)
    everybody = _risk(time, event, horizon)
    model = np.empty(thresholds.size)
    for k, threshold in enumerate(thresholds):
        acted = predicted >= threshold
        share = float(acted.mean())
        risk = _risk(time[acted], event[acted], horizon) if acted.any() else 0.0
        model[k] = share * (risk - (1.0 - risk) * odds[k])
    return DecisionCurve(thresholds, model, everybody - (1.0 - everybody) * odds, horizon)


def _risk(time: NDArray[np.float64], event: NDArray[np.bool_], horizon: float) -> float:
    """Return the Kaplan-Meier risk by the horizon, NaN where nobody was followed so long."""
    if time.max() < horizon and not event[time == time.max()].all():
        return float("nan")
    curve = kaplan_meier_curve(time, event)
    last = int(np.searchsorted(curve.time, horizon, side="right")) - 1
    return 1.0 - float(curve.survival[last])
