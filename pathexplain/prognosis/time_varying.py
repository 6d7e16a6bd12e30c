"""Whether an effect holds over all of follow-up: hazard ratios early and late.

Not for the test by residuals (`schoenfeld`). Each half of the events gives one estimate from its
own risk sets, so the two are independent given the past.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.prognosis.cox import CoxFits, fit_each
from pathexplain.prognosis.result import PValue, WithInterval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = ["PeriodEffect", "period_effects"]


@dataclass(frozen=True)
class PeriodEffect:
    """Hazard ratio per sd until `boundary` and after it; NaN where a period cannot be fitted."""

    feature: str
    boundary: float
    early: WithInterval
    events_early: int
    late: WithInterval
    events_late: int
    p_difference: PValue


def period_effects(study: Study, columns: NDArray[np.intp]) -> tuple[PeriodEffect, ...]:
    """Fit each feature up to the median event time, and again among those who passed it."""
    if not len(columns):
        return ()
    outcome = study.outcome
    boundary = float(np.median(outcome.time[outcome.event]))
    sds = np.nanstd(study.features[:, columns], axis=0, ddof=1)
    is_early = outcome.time <= boundary
    observed = np.arange(outcome.n)
    if outcome.entry is not None:
        observed = np.flatnonzero(outcome.entry < np.minimum(outcome.time, boundary))
    early = study.take(observed)
    stopped = replace(
        early.outcome,
        time=np.minimum(early.outcome.time, boundary),
        event=early.outcome.event & is_early[observed],
    )
    early = replace(early, outcome=stopped)
    late = study.take(np.flatnonzero(~is_early))
    first, second = _fit(early, columns, sds), _fit(late, columns, sds)
    return tuple(
        _effect(study, int(column), k, boundary, (first, second), len(columns))
        for k, column in enumerate(columns)
    )


def _fit(study: Study, columns: NDArray[np.intp], sds: NDArray[np.float64]) -> CoxFits:
    """Fit each feature per cohort sd beside the covariates that vary here."""
    varies = np.ptp(study.covariates, axis=0) > 0 if study.outcome.n else np.zeros(0, bool)
    beside = study.covariates[:, varies] if varies.any() else None
    return fit_each(study.features[:, columns] / sds, study.risk, covariates=beside)


def _effect(
    study: Study,
    column: int,
    k: int,
    boundary: float,
    fits: tuple[CoxFits, CoxFits],
    n_tests: int,
) -> PeriodEffect:
    """Put both periods of one feature together."""
    beta = [float(fit.beta[k]) for fit in fits]
    se = [float(fit.se[k]) for fit in fits]
    z = (beta[1] - beta[0]) / np.hypot(se[0], se[1])
    n, events = study.outcome.n, study.outcome.events
    return PeriodEffect(
        feature=study.names[column],
        boundary=boundary,
        early=WithInterval.of_log(beta[0], se[0]),
        events_early=int(fits[0].events[k]),
        late=WithInterval.of_log(beta[1], se[1]),
        events_late=int(fits[1].events[k]),
        p_difference=PValue(
            float(2 * stats.norm.sf(abs(z))), "early against late", n, events, n_tests
        ),
    )
