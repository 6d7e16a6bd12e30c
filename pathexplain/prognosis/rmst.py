"""Restricted mean survival time: the area under the curve up to a horizon, and its difference.

It needs no proportional hazards. Reference: Royston and Parmar (2013)
doi 10.1186/1471-2288-13-152.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.prognosis.km import median_split
from pathexplain.prognosis.result import PValue, WithInterval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = ["MeanTime", "mean_times", "restricted_mean"]

_Z = 1.959964


@dataclass(frozen=True)
class MeanTime:
    """Mean time without the event up to `horizon`, below and above a feature's median.

    The split is a display chosen without regard to outcome; `difference` is above minus below.
    """

    feature: str
    horizon: float
    below: WithInterval
    above: WithInterval
    difference: WithInterval
    p: PValue
    reason: str


def restricted_mean(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    horizon: float,
    *,
    entry: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Return the mean time up to `horizon` and its standard error; NaN beyond the follow-up.

    Examples
    --------
    >>> mean, se = restricted_mean(np.array([1.0, 2, 3]), np.ones(3, bool), 3.0)
    >>> round(mean, 3), round(se, 3)
    (2.0, 0.471)
    """
    if time.size == 0 or time.max() < horizon:
        return float("nan"), float("nan")
    start = np.zeros(time.size) if entry is None else entry
    times = np.unique(time[event & (time <= horizon)])
    at_risk = ((time >= times[:, None]) & (start < times[:, None])).sum(axis=1)
    deaths = (event & (time == times[:, None])).sum(axis=1)
    survival = np.cumprod(1.0 - deaths / at_risk)
    edges = np.concatenate([np.zeros(1), times, [horizon]])
    areas = np.concatenate([np.ones(1), survival]) * np.diff(edges)
    later = np.cumsum(areas[::-1])[::-1][1:]  # area after each event time
    step = np.divide(
        deaths,
        at_risk * (at_risk - deaths),
        out=np.zeros(times.size),
        where=at_risk > deaths,
    )
    return float(areas.sum()), float(np.sqrt((later**2 * step).sum()))


def mean_times(study: Study, columns: NDArray[np.intp], horizon: float) -> tuple[MeanTime, ...]:
    """Compare both halves of each feature, split at the median."""
    return tuple(_halves(study, int(column), horizon, len(columns)) for column in columns)


def _halves(study: Study, column: int, horizon: float, n_tests: int) -> MeanTime:
    """Compare the halves of one feature."""
    group = median_split(study.features[:, column])
    outcome = study.outcome
    means = []
    for code in (0, 1):
        rows = group == code
        entry = None if outcome.entry is None else outcome.entry[rows]
        means.append(restricted_mean(outcome.time[rows], outcome.event[rows], horizon, entry=entry))
    (below, se_below), (above, se_above) = means
    difference, se = above - below, float(np.hypot(se_below, se_above))
    p = float(2 * stats.norm.sf(abs(difference / se))) if se > 0 else float("nan")
    reason = "" if np.isfinite(difference) else f"a half was not followed to {horizon:g}"
    known = group >= 0
    return MeanTime(
        feature=study.names[column],
        horizon=horizon,
        below=_normal(below, se_below),
        above=_normal(above, se_above),
        difference=_normal(difference, se),
        p=PValue(p, "RMST", int(known.sum()), int(outcome.event[known].sum()), n_tests),
        reason=reason,
    )


def _normal(value: float, se: float) -> WithInterval:
    """Return a normal interval."""
    return WithInterval(value, value - _Z * se, value + _Z * se)
