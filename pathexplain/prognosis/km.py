"""Kaplan-Meier curves with intervals and numbers at risk, and the splits that display them.

Not for testing a biomarker: continuous Cox models do that; a split is a picture.
References: Kaplan and Meier (1958) doi 10.1080/01621459.1958.10501452; log-log interval:
Kalbfleisch and Prentice (2002) doi 10.1002/9781118032985.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from lifelines.statistics import multivariate_logrank_test
from scipy import stats

from pathexplain.prognosis.result import KaplanMeier, KaplanMeierGroup, PValue, WithInterval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.outcome import Outcome

__all__ = [
    "Curve",
    "follow_up_ticks",
    "kaplan_meier_curve",
    "kaplan_meier_panel",
    "median_split",
    "median_time",
]

HALF = 0.5
MAX_TICKS = 8
_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Curve:
    """Survival after each distinct time, arrays (k,): `time`, `survival`, `low`, `high`."""

    time: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def kaplan_meier_curve(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    entry: NDArray[np.float64] | None = None,
) -> Curve:
    """Return the product-limit curve from time 0, with 95 % log-log (Greenwood) intervals.

    The interval is NaN where it is undefined: before the first event it is 1 to 1, and where
    survival is 0 it has no width to give. With `entry` a patient is at risk only after it; the
    curve stays level where nobody is at risk.

    Examples
    --------
    >>> curve = kaplan_meier_curve(np.array([1.0, 2, 3]), np.array([True, False, True]))
    >>> curve.time.tolist(), curve.survival.round(3).tolist()
    ([0.0, 1.0, 2.0, 3.0], [1.0, 0.667, 0.667, 0.0])
    """
    times, where = np.unique(time, return_inverse=True)
    deaths = np.bincount(where, weights=event, minlength=times.size)
    leaving = np.bincount(where, minlength=times.size)
    at_risk = time.size - np.concatenate([[0], np.cumsum(leaving)[:-1]])
    if entry is not None:
        at_risk = at_risk - (time.size - np.searchsorted(np.sort(entry), times, side="left"))
    survival = np.cumprod(1.0 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        width = _Z * np.sqrt(greenwood) / np.log(survival)
        low, high = survival ** np.exp(-width), survival ** np.exp(width)
    low, high = np.where(survival == 1, 1.0, low), np.where(survival == 1, 1.0, high)
    one = np.ones(1)
    return Curve(
        time=np.concatenate([np.zeros(1), times]),
        survival=np.concatenate([one, survival]),
        low=np.concatenate([one, np.where(survival > 0, low, np.nan)]),
        high=np.concatenate([one, np.where(survival > 0, high, np.nan)]),
    )


def median_time(curve: Curve) -> WithInterval:
    """Return the first time with survival <= 0.5, NaN where it is never reached.

    The interval is where the curve's own limits reach 0.5 (Brookmeyer and Crowley 1982,
    doi 10.2307/2530286).
    """
    reached = []
    for values in (curve.survival, curve.low, curve.high):
        below = curve.time[np.nan_to_num(values, nan=1.0) <= HALF]
        reached.append(float(below[0]) if below.size else float("nan"))
    return WithInterval(*reached)


def median_split(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 where a value is above the median, 0 at or below it, -1 where it is NaN."""
    above = np.where(values > np.nanmedian(values), 1, 0)
    return np.where(np.isnan(values), -1, above).astype(np.int64)


def kaplan_meier_panel(
    outcome: Outcome,
    groups: NDArray[np.int64],
    *,
    labels: tuple[str, ...],
    title: str,
    caption: str,
) -> KaplanMeier:
    """Return curves of the patients with group 0, 1, ..., and a descriptive log-rank p.

    Groups without patients are left out; patients of group -1 are in no curve. With delayed entry
    there is no log-rank p: lifelines' test does not know it.
    """
    ticks = follow_up_ticks(float(outcome.time.max()))
    present = [code for code in range(len(labels)) if (groups == code).any()]
    curves = tuple(_group(outcome, groups == code, labels[code], ticks) for code in present)
    test = None
    if len(present) > 1 and outcome.entry is None:
        kept = groups >= 0
        table = multivariate_logrank_test(outcome.time[kept], groups[kept], outcome.event[kept])
        events = int(outcome.event[kept].sum())
        name = "log-rank, descriptive"
        test = PValue(float(table.p_value), name, int(kept.sum()), events, n_tests=1)
    return KaplanMeier(title, ticks, curves, test, caption)


def _group(
    outcome: Outcome, rows: NDArray[np.bool_], label: str, ticks: tuple[float, ...]
) -> KaplanMeierGroup:
    """Return one curve with its numbers at risk."""
    time, event = outcome.time[rows], outcome.event[rows]
    entry = None if outcome.entry is None else outcome.entry[rows]
    curve = kaplan_meier_curve(time, event, entry=entry)
    start = np.zeros(time.size) if entry is None else entry
    return KaplanMeierGroup(
        label=label,
        n=int(rows.sum()),
        events=int(event.sum()),
        time=tuple(curve.time.tolist()),
        survival=tuple(curve.survival.tolist()),
        low=tuple(curve.low.tolist()),
        high=tuple(curve.high.tolist()),
        censored_at=tuple(np.unique(time[~event]).tolist()),
        at_risk=tuple(int(((time >= tick) & (start <= tick)).sum()) for tick in ticks),
        median=median_time(curve),
    )


def follow_up_ticks(longest: float) -> tuple[float, ...]:
    """Return four to nine round times from 0 to the longest follow-up."""
    power = 10.0 ** np.floor(np.log10(longest))
    steps = power * np.array([0.1, 0.2, 0.25, 0.5, 1.0, 2.0])
    step = float(steps[np.flatnonzero(longest / steps <= MAX_TICKS)[0]])
    return tuple(step * place for place in range(int(longest / step) + 1))
