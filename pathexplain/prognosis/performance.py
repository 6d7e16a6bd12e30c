"""How good the out-of-fold predictions are: ranking, error, calibration, usefulness.

Not for making predictions (`fold`). Censoring weights and time grids come from the training
patients of each fold; intervals resample patients with the fitted models fixed.

References: Crowson et al. (2016) doi 10.1177/0962280213497434 (calibration); Vickers and Elkin
(2006) doi 10.1177/0272989X06295361 and Vickers et al. (2008) doi 10.1186/1472-6947-8-53
(decision curves, with censoring).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.prognosis.cox import fit_joint, risk_order
from pathexplain.prognosis.ipcw import (
    auc_pairs,
    brier_contributions,
    censoring_of,
    integrated,
    uno_pairs,
)
from pathexplain.prognosis.km import kaplan_meier_curve
from pathexplain.prognosis.result import WithInterval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pathexplain.prognosis.fold import Fold, Predictions
    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.study import Study

__all__ = [
    "Calibration",
    "CalibrationGroup",
    "DecisionCurve",
    "Metric",
    "Performance",
    "assess",
    "calibration_groups",
    "net_benefit",
    "risk_by",
]

MAX_GROUPS = 5
EVENTS_PER_GROUP = 10
PERFORMANCE = 2  # place of this step among the seeds
_Z = 1.959964
_Sums = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


@dataclass(frozen=True)
class Metric:
    """One figure of prediction, averaged over the repeats; `horizon` is NaN where it has none.

    `clinical` and `gain` are None without covariates; `gain` is model minus clinical. `nothing` is
    what knowing nothing gives: 0.5, or the error of the training patients' survival.
    """

    name: str
    label: str
    horizon: float
    model: WithInterval
    clinical: WithInterval | None
    gain: WithInterval | None
    nothing: float
    is_better_higher: bool


@dataclass(frozen=True)
class CalibrationGroup:
    """Patients of like predicted risk: mean predicted and Kaplan-Meier risk at the horizon."""

    n: int
    events: int
    predicted: float
    observed: WithInterval


@dataclass(frozen=True)
class Calibration:
    """Predicted and observed risk at `horizon`; `slope` of the score in a Cox model, 1 is right."""

    horizon: float
    groups: tuple[CalibrationGroup, ...]
    slope: WithInterval
    predicted: float
    observed: WithInterval


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of treating above a threshold risk at `horizon`; treating none gives 0."""

    horizon: float
    threshold: tuple[float, ...]
    model: tuple[float, ...]
    clinical: tuple[float, ...] | None
    everybody: tuple[float, ...]


@dataclass(frozen=True)
class Performance:
    """All figures of out-of-fold prediction; None with `reason` where they cannot be given."""

    metrics: tuple[Metric, ...]
    calibration: Calibration | None
    decision: DecisionCurve | None
    n_bootstrap: int
    reason: str


def assess(study: Study, folds: tuple[Fold, ...], options: Options) -> Performance:
    """Judge the predictions of all folds.

    Delayed entry leaves no censoring-weighted figure: the weights do not know it.
    """
    if not folds:
        return Performance((), None, None, options.n_bootstrap, "there is no cross-validation")
    if study.outcome.entry is not None:
        reason = "censoring-weighted figures are not defined with delayed entry"
        return Performance((), None, None, options.n_bootstrap, reason)
    counts = _counts(study.outcome.n, options)
    metrics = [_ranking(study, folds, counts, "uno_c", "Uno's C", options.horizons[-1])]
    for horizon in options.horizons:
        label = "time-dependent AUC"
        metrics.append(_ranking(study, folds, counts, "auc", label, horizon))
    metrics.extend(_error(study, folds, counts, k, h) for k, h in enumerate(options.horizons))
    metrics.append(_error(study, folds, counts, None, options.horizons[-1]))
    first = [fold for fold in folds if fold.repeat == 0]
    predicted = _at_last_horizon(study, first, "model")
    horizon = options.horizons[-1]
    if np.isnan(predicted).any():
        reason = f"some training folds were not followed to {horizon:g}"
        return Performance(tuple(metrics), None, None, options.n_bootstrap, reason)
    calibration = _calibration(study, first, predicted, horizon)
    clinical = _at_last_horizon(study, first, "clinical") if study.covariates.shape[1] else None
    decision = _decision(study, predicted, clinical, horizon)
    return Performance(tuple(metrics), calibration, decision, options.n_bootstrap, "")


def risk_by(time: NDArray[np.float64], event: NDArray[np.bool_], horizon: float) -> WithInterval:
    """Return the Kaplan-Meier risk by `horizon` with its interval; NaN beyond the follow-up."""
    if time.size == 0 or time.max() < horizon:
        return WithInterval(float("nan"), float("nan"), float("nan"))
    curve = kaplan_meier_curve(time, event)
    at = int(np.searchsorted(curve.time, horizon, side="right")) - 1
    values = (1.0 - part[at] for part in (curve.survival, curve.high, curve.low))
    return WithInterval(*map(float, values))


def calibration_groups(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    predicted: NDArray[np.float64],
    horizon: float,
) -> tuple[CalibrationGroup, ...]:
    """Group patients by quantiles of predicted risk: two to five groups, ten events each."""
    n_groups = int(np.clip(event.sum() // EVENTS_PER_GROUP, 2, MAX_GROUPS))
    edges = np.quantile(predicted, np.linspace(0, 1, n_groups + 1)[1:-1])
    group = np.searchsorted(edges, predicted, side="left")
    rows = [np.flatnonzero(group == code) for code in range(n_groups)]
    return tuple(
        CalibrationGroup(
            n=int(at.size),
            events=int(event[at].sum()),
            predicted=float(predicted[at].mean()),
            observed=risk_by(time[at], event[at], horizon),
        )
        for at in rows
        if at.size
    )


def net_benefit(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    predicted: NDArray[np.float64],
    horizon: float,
    thresholds: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return net benefit (t,) of treating patients predicted at or above each threshold.

    True positives are the flagged share times their Kaplan-Meier risk; NaN where no flagged
    patient is followed to the horizon, 0 where nobody is flagged.
    """
    values = np.zeros(thresholds.size)
    for k, threshold in enumerate(thresholds):
        flagged = predicted >= threshold
        share = flagged.mean()
        if share > 0:
            risk = risk_by(time[flagged], event[flagged], horizon).value
            values[k] = share * (risk - (1.0 - risk) * threshold / (1.0 - threshold))
    return values


def _counts(n: int, options: Options) -> NDArray[np.float64]:
    """Return how often each bootstrap sample holds each patient (1 + b, n); row 0 is everybody."""
    generator = np.random.default_rng([options.seed, PERFORMANCE])
    drawn = generator.multinomial(n, np.full(n, 1.0 / n), size=options.n_bootstrap)
    return np.vstack([np.ones(n), drawn])


def _ranking(
    study: Study,
    folds: tuple[Fold, ...],
    counts: NDArray[np.float64],
    name: str,
    label: str,
    horizon: float,
) -> Metric:
    """Rank patients within test folds."""

    def sums(fold: Fold, risk: NDArray[np.float64]) -> _Sums:
        outcome = study.outcome
        train = np.setdiff1d(np.arange(outcome.n), fold.test)
        censoring = censoring_of(outcome.time[train], outcome.event[train])
        group = None if study.strata is None else study.strata[fold.test]
        time, event = outcome.time[fold.test], outcome.event[fold.test]
        if name == "uno_c":
            pairs = uno_pairs(censoring, time, event, risk, tau=horizon, group=group)
        else:
            pairs = auc_pairs(censoring, time, event, risk, at=horizon, group=group)
        return pairs.sums(counts[:, fold.test])

    model = _averaged(folds, lambda fold: sums(fold, fold.risk))
    clinical = None
    if study.covariates.shape[1]:
        clinical = _averaged(folds, lambda fold: sums(fold, fold.clinical_risk))
    return _metric((name, label, horizon), model, clinical, nothing=0.5, is_better_higher=True)


def _error(
    study: Study,
    folds: tuple[Fold, ...],
    counts: NDArray[np.float64],
    k_horizon: int | None,
    horizon: float,
) -> Metric:
    """Measure squared error at one horizon, or integrated over the grid of each fold."""

    def sums(fold: Fold, predictions: Predictions) -> _Sums:
        outcome = study.outcome
        train = np.setdiff1d(np.arange(outcome.n), fold.test)
        censoring = censoring_of(outcome.time[train], outcome.event[train])
        time, event = outcome.time[fold.test], outcome.event[fold.test]
        if k_horizon is None:
            parts = brier_contributions(censoring, time, event, predictions.grid, fold.grid)
            parts = integrated(parts, fold.grid)
        else:
            survival = predictions.horizons[:, [k_horizon]]
            parts = brier_contributions(censoring, time, event, survival, np.array([horizon]))[:, 0]
        weight = counts[:, fold.test]
        return weight @ parts, weight.sum(axis=1)

    model = _averaged(folds, lambda fold: sums(fold, fold.model))
    clinical = None
    if study.covariates.shape[1]:
        clinical = _averaged(folds, lambda fold: sums(fold, fold.clinical))
    nothing = float(_averaged(folds, lambda fold: sums(fold, fold.nothing))[0])
    what = ("brier", "Brier score", horizon)
    if k_horizon is None:
        what = ("ibs", "integrated Brier score, up to", horizon)
    return _metric(what, model, clinical, nothing=nothing, is_better_higher=False)


def _averaged(folds: tuple[Fold, ...], sums: Callable[[Fold], _Sums]) -> NDArray[np.float64]:
    """Add up the folds of a repeat, divide, and average over the repeats."""
    by_repeat: dict[int, list[_Sums]] = {}
    for fold in folds:
        by_repeat.setdefault(fold.repeat, []).append(sums(fold))
    values = []
    for parts in by_repeat.values():
        above, below = (np.sum([part[k] for part in parts], axis=0) for k in (0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            values.append(np.where(below > 0, above / below, np.nan))
    return np.asarray(np.mean(values, axis=0))


def _metric(
    what: tuple[str, str, float],
    model: NDArray[np.float64],
    clinical: NDArray[np.float64] | None,
    **reference: Any,
) -> Metric:
    """Put values and intervals together."""
    return Metric(
        *what,
        model=_interval(model),
        clinical=None if clinical is None else _interval(clinical),
        gain=None if clinical is None else _interval(model - clinical),
        **reference,
    )


def _interval(values: NDArray[np.float64]) -> WithInterval:
    """Return the first value with the percentile interval of the others."""
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn.size else (np.nan, np.nan)
    return WithInterval(float(values[0]), float(low), float(high))


def _at_last_horizon(study: Study, folds: list[Fold], name: str) -> NDArray[np.float64]:
    """Return each patient's out-of-fold risk at the last horizon (n,)."""
    predicted = np.full(study.outcome.n, np.nan)
    for fold in folds:
        predicted[fold.test] = 1.0 - getattr(fold, name).horizons[:, -1]
    return predicted


def _calibration(
    study: Study, folds: list[Fold], predicted: NDArray[np.float64], horizon: float
) -> Calibration:
    """Compare predicted and observed risk; the slope within the fold that made the score."""
    outcome = study.outcome
    score, codes = np.zeros(outcome.n), np.zeros(outcome.n, dtype=np.int64)
    for code, fold in enumerate(folds):
        score[fold.test], codes[fold.test] = fold.risk, code
    if study.strata is not None:
        codes = codes + len(folds) * study.strata
    slope = WithInterval(float("nan"), float("nan"), float("nan"))
    if np.ptp(score) > 0:
        fit = fit_joint(score[:, None], risk_order(outcome.time, outcome.event, strata=codes))
        beta, se = float(fit.beta[0]), float(fit.se[0])
        slope = WithInterval(beta, beta - _Z * se, beta + _Z * se)
    return Calibration(
        horizon=horizon,
        groups=calibration_groups(outcome.time, outcome.event, predicted, horizon),
        slope=slope,
        predicted=float(predicted.mean()),
        observed=risk_by(outcome.time, outcome.event, horizon),
    )


def _decision(
    study: Study,
    predicted: NDArray[np.float64],
    clinical: NDArray[np.float64] | None,
    horizon: float,
) -> DecisionCurve:
    """Draw net benefit over the risks that the model gives to all but a few patients."""
    outcome = study.outcome
    low, high = np.quantile(predicted, [0.02, 0.98])
    thresholds = np.linspace(max(low, 0.01), min(max(high, low + 0.01), 0.99), 40)
    curves = [
        net_benefit(outcome.time, outcome.event, risk, horizon, thresholds)
        for risk in (predicted, np.ones(outcome.n))
    ]
    beside = None
    if clinical is not None:
        values = net_benefit(outcome.time, outcome.event, clinical, horizon, thresholds)
        beside = tuple(values.tolist())
    return DecisionCurve(
        horizon=horizon,
        threshold=tuple(thresholds.tolist()),
        model=tuple(curves[0].tolist()),
        clinical=beside,
        everybody=tuple(curves[1].tolist()),
    )
