"""Discrimination under censoring: Uno's C and the time-dependent area under the curve.

Not for Harrell's C (`concordance`) and not for calibration. Weights are by the inverse probability
of censoring, which is estimated on the patients given for it: take the training fold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.kernel import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.censoring import Censoring

__all__ = ["mean_auc", "time_dependent_auc", "uno_c"]


@compiled
def _uno_pairs(
    time: NDArray[np.float64],
    risk: NDArray[np.float64],
    first: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[float, float]:
    """Weighted concordant and comparable pairs; ``first[i]`` is the weight of i failing first."""
    concordant, comparable = 0.0, 0.0
    for i in range(time.size):
        if first[i] > 0.0:
            total, higher = 0.0, 0.0
            for j in range(time.size):
                if time[j] > time[i]:
                    total += weight[j]
                    if risk[i] > risk[j]:
                        higher += weight[j]
                    elif risk[i] == risk[j]:
                        higher += 0.5 * weight[j]
            concordant += first[i] * higher
            comparable += first[i] * total
    return concordant, comparable


def uno_c(
    censoring: Censoring,
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    *,
    tau: float | None = None,
    weights: NDArray[np.float64] | None = None,
) -> float:
    """Return the concordance that does not depend on how patients were censored.

    Parameters
    ----------
    censoring : Censoring
        From `censoring_distribution` of the training patients.
    time, event, risk : (n,)
        Of the patients judged; higher `risk` fails earlier.
    tau : float, optional
        Events before it count; without it those before the last time at which the censoring
        estimate is above 0.
    weights : (n,) float64, optional
        How often a patient counts (bootstrap).

    Returns
    -------
    float
        0 to 1, NaN without a comparable pair.

    Raises
    ------
    CohortError
        If an event that counts has censoring probability 0: choose an earlier `tau`.

    References
    ----------
    Uno et al. (2011), doi 10.1002/sim.4154.

    Examples
    --------
    >>> from pathexplain.prognosis.censoring import censoring_distribution
    >>> time, event = np.array([1.0, 2, 3, 4]), np.array([True, False, True, True])
    >>> uno_c(censoring_distribution(time, event), time, event, np.array([4.0, 3, 2, 1]))
    1.0
    """
    weight = np.ones(time.size) if weights is None else weights.astype(np.float64)
    counts = event & (weight > 0) & np.isfinite(risk)
    if tau is not None:
        counts &= time < tau
    inverse = _inverse(censoring.after(time), counts)
    kept = np.where(np.isfinite(risk), weight, 0.0)
    concordant, comparable = _uno_pairs(time, risk, inverse**2 * kept, kept)
    return concordant / comparable if comparable > 0 else float("nan")


def time_dependent_auc(
    censoring: Censoring,
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    times: NDArray[np.float64],
    *,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the cumulative/dynamic AUC at each of `times`: who failed by then against who did not.

    Parameters
    ----------
    censoring : Censoring
        From `censoring_distribution` of the training patients.
    time, event : (n,)
        Of the patients judged.
    risk : (n,) or (n, k) float64
        Higher fails earlier; one column a time where it changes with time.
    times : (k,) float64
        Within the follow-up.
    weights : (n,) float64, optional
        How often a patient counts.

    Returns
    -------
    (k,) float64
        0 to 1, NaN where there are no cases or no controls.

    References
    ----------
    Uno et al. (2007), doi 10.1198/016214507000000149; Hung and Chiang (2010),
    doi 10.1002/cjs.10046.

    Examples
    --------
    >>> from pathexplain.prognosis.censoring import censoring_distribution
    >>> time, event = np.array([1.0, 2, 3, 4]), np.array([True, False, True, True])
    >>> given = censoring_distribution(time, event)
    >>> time_dependent_auc(given, time, event, np.array([4.0, 3, 2, 1]), np.array([1.5, 3.5]))
    array([1., 1.])
    """
    weight = np.ones(time.size) if weights is None else weights.astype(np.float64)
    by_time = np.broadcast_to(risk[:, None] if risk.ndim == 1 else risk, (time.size, times.size))
    areas = np.full(times.size, np.nan)
    for k, t in enumerate(times):
        cases, controls = event & (time <= t) & (weight > 0), (time > t) & (weight > 0)
        if cases.any() and controls.any():
            share = _inverse(censoring.after(time), cases)[cases] * weight[cases]
            areas[k] = _area(by_time[cases, k], share, by_time[controls, k], weight[controls])
    return areas


def mean_auc(
    areas: NDArray[np.float64], times: NDArray[np.float64], survival: NDArray[np.float64]
) -> float:
    """Average AUCs over time, weighted by the fall of the survival curve; NaN where it is flat.

    `survival` (k,) is the Kaplan-Meier estimate at `times` (k,).
    """
    known = np.isfinite(areas)
    drops = -np.diff(np.concatenate([np.ones(1), survival[known]]))
    if times.shape != areas.shape or not drops.sum() > 0:
        return float("nan")
    return float((areas[known] * drops).sum() / drops.sum())


def _area(
    cases: NDArray[np.float64],
    share: NDArray[np.float64],
    controls: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> float:
    """Return the weighted share of pairs in which the case has the higher risk; ties count half."""
    order = np.argsort(controls)
    ranked, total = controls[order], np.concatenate([np.zeros(1), np.cumsum(weight[order])])
    below = total[np.searchsorted(ranked, cases, side="left")]
    up_to = total[np.searchsorted(ranked, cases, side="right")]
    return float((share * (below + up_to)).sum() / (2.0 * share.sum() * total[-1]))


def _inverse(uncensored: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return 1 over the probability where it counts, 0 elsewhere."""
    if (uncensored[counts] <= 0).any():
        n = int((uncensored[counts] <= 0).sum())
        message = f"{n} events lie where no training patient was still uncensored; judge earlier"
        raise CohortError(message)
    return np.where(counts, 1.0 / np.where(counts, uncensored, 1.0), 0.0)
