"""Does a Cox model's form fit: effects over time by Schoenfeld residuals, curves over the value.

Not for the Schoenfeld test of the final model's table (`final`), which lifelines makes.
References: Grambsch and Therneau (1994) doi 10.1093/biomet/81.3.515; Schoenfeld (1982)
doi 10.1093/biomet/69.1.239.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.prognosis.cox import fit_joint
from pathexplain.prognosis.result import PValue
from pathexplain.prognosis.splines import quantile_knots, restricted_cubic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.model import RiskModel
    from pathexplain.prognosis.study import Study

__all__ = ["EffectOverTime", "FunctionalForm", "effects_over_time", "functional_forms"]

CURVE_POINTS = 40
MIN_EVENTS_FOR_CURVE = 10
_Z = 1.959964


@dataclass(frozen=True)
class EffectOverTime:
    """Log hazard ratio per sd over time: one scaled residual an event, and their smooth curve.

    A level curve is a proportional hazard; `estimate` is the model's own. The curve is empty where
    the events are too few.
    """

    feature: str
    estimate: float
    time: tuple[float, ...]
    residual: tuple[float, ...]
    curve_time: tuple[float, ...]
    curve: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class FunctionalForm:
    """Log hazard ratio over the value of a feature, to its median; p against a straight line."""

    feature: str
    value: tuple[float, ...]
    log_hr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    straight: tuple[float, ...]
    p_nonlinear: PValue
    reason: str


def effects_over_time(study: Study, model: RiskModel) -> tuple[EffectOverTime, ...]:
    """Return the scaled Schoenfeld residuals of each feature of the final model, smoothed."""
    design = model.design(study)
    fit = fit_joint(design, study.risk)
    if fit.status != "ok":
        return ()
    times, residuals = scaled_schoenfeld(study, design, fit.beta, fit.covariance)
    q = design.shape[1] - model.columns.size
    return tuple(
        _smoothed(study.names[column], float(fit.beta[q + k]), times, residuals[:, q + k])
        for k, column in enumerate(model.columns)
    )


def scaled_schoenfeld(
    study: Study,
    design: NDArray[np.float64],
    beta: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return event times (d,) and scaled residuals plus the estimate (d, k), times ascending.

    Residuals are of Breslow's form: the event's columns less their mean over those at risk.
    """
    outcome = study.outcome
    strata = np.zeros(outcome.n, np.int64) if study.strata is None else study.strata
    entry = np.full(outcome.n, -np.inf) if outcome.entry is None else outcome.entry
    weight = np.exp(design @ beta - (design @ beta).max())
    events = np.flatnonzero(outcome.event)
    events = events[np.argsort(outcome.time[events], kind="stable")]
    raw = np.empty((events.size, design.shape[1]))
    for row, i in enumerate(events):
        now = outcome.time[i]
        at_risk = (outcome.time >= now) & (entry < now) & (strata == strata[i])
        share = weight * at_risk
        raw[row] = design[i] - share @ design / share.sum()
    return outcome.time[events], events.size * raw @ covariance + beta


def functional_forms(study: Study, columns: NDArray[np.intp]) -> tuple[FunctionalForm, ...]:
    """Compare a spline of each feature with a straight line, beside the covariates."""
    return tuple(_form(study, int(column), len(columns)) for column in columns)


def _smoothed(
    name: str, estimate: float, times: NDArray[np.float64], residual: NDArray[np.float64]
) -> EffectOverTime:
    """Fit a spline of time to the residuals."""
    points = (tuple(times.tolist()), tuple(residual.tolist()))
    knots = quantile_knots(times)
    if times.size < MIN_EVENTS_FOR_CURVE or knots.size < 3:  # noqa: PLR2004 - see quantile_knots
        return EffectOverTime(name, estimate, *points, (), (), (), ())
    basis = np.column_stack([np.ones(times.size), restricted_cubic(times, knots)])
    inverse = np.linalg.pinv(basis.T @ basis)
    weights = inverse @ basis.T @ residual
    spread = ((residual - basis @ weights) ** 2).sum() / max(times.size - basis.shape[1], 1)
    low, high = np.quantile(times, [0.02, 0.98])
    grid = np.linspace(low, high, CURVE_POINTS)
    at = np.column_stack([np.ones(grid.size), restricted_cubic(grid, knots)])
    curve, width = at @ weights, _Z * np.sqrt(spread * ((at @ inverse) * at).sum(axis=1))
    return EffectOverTime(
        feature=name,
        estimate=estimate,
        time=points[0],
        residual=points[1],
        curve_time=tuple(grid.tolist()),
        curve=tuple(curve.tolist()),
        low=tuple((curve - width).tolist()),
        high=tuple((curve + width).tolist()),
    )


def _form(study: Study, column: int, n_tests: int) -> FunctionalForm:
    """Fit one feature as a spline and as a line."""
    x = study.features[:, column]
    part = study.take(np.flatnonzero(~np.isnan(x)))
    values = part.features[:, column]
    knots = quantile_knots(values)
    name, outcome = study.names[column], part.outcome
    unknown = PValue(float("nan"), "likelihood ratio", outcome.n, outcome.events, n_tests)
    if knots.size < 3:  # noqa: PLR2004 - see quantile_knots
        return FunctionalForm(name, (), (), (), (), (), unknown, "too few distinct values")
    basis = restricted_cubic(values, knots)
    varies = np.ptp(part.covariates, axis=0) > 0
    beside = part.covariates[:, varies]
    curved = fit_joint(np.column_stack([beside, basis]), part.risk)
    line = fit_joint(np.column_stack([beside, values]), part.risk)
    if curved.status != "ok" or line.status != "ok":
        return FunctionalForm(name, (), (), (), (), (), unknown, f"spline {curved.status}")
    chi2 = max(2.0 * (curved.loglik - line.loglik), 0.0)
    p = float(stats.chi2.sf(chi2, basis.shape[1] - 1))
    low, high = np.quantile(values, [0.02, 0.98])
    grid = np.linspace(low, high, CURVE_POINTS)
    middle = np.median(values)
    away = restricted_cubic(grid, knots) - restricted_cubic(np.array([middle]), knots)
    q = beside.shape[1]
    curve = away @ curved.beta[q:]
    width = _Z * np.sqrt(((away @ curved.covariance[q:, q:]) * away).sum(axis=1))
    return FunctionalForm(
        feature=name,
        value=tuple(grid.tolist()),
        log_hr=tuple(curve.tolist()),
        low=tuple((curve - width).tolist()),
        high=tuple((curve + width).tolist()),
        straight=tuple(((grid - middle) * line.beta[-1]).tolist()),
        p_nonlinear=PValue(p, "likelihood ratio", outcome.n, outcome.events, n_tests),
        reason="",
    )
