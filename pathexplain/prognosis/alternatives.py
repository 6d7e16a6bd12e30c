"""Models for when hazards are not proportional or deaths compete, fitted by lifelines.

Accelerated failure times beside the final Cox model, and cumulative incidence with cause-specific
hazards where another event can come first. Restricted mean survival time lives in `rmst`.

References: Wei (1992) doi 10.1002/sim.4780111409 (accelerated failure time); Aalen and Johansen
(1978) Scand. J. Statist. 5, 141-150; Prentice et al. (1978) doi 10.2307/2530374 (cause-specific
hazards).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from lifelines import (
    AalenJohansenFitter,
    LogLogisticAFTFitter,
    LogNormalAFTFitter,
    WeibullAFTFitter,
)
from lifelines.exceptions import ConvergenceError

from pathexplain.prognosis.cox import fit_each, risk_order
from pathexplain.prognosis.result import PValue, WithInterval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pathexplain.prognosis.outcome import Outcome
    from pathexplain.prognosis.study import Study

__all__ = [
    "AftModel",
    "CauseSpecific",
    "Competing",
    "CumulativeIncidence",
    "TimeRatio",
    "aft_models",
    "competing_events",
]

_AFT: dict[str, tuple[Callable[[], object], str]] = {
    "Weibull": (WeibullAFTFitter, "lambda_"),
    "log-normal": (LogNormalAFTFitter, "mu_"),
    "log-logistic": (LogLogisticAFTFitter, "alpha_"),
}
MIN_COMPETING = 5  # competing events below which no cause-specific model is fitted (own choice)


@dataclass(frozen=True)
class TimeRatio:
    """Factor by which survival time is stretched for one sd more, or one unit of a covariate."""

    name: str
    scale: str
    ratio: WithInterval
    p: PValue


@dataclass(frozen=True)
class AftModel:
    """One accelerated failure time model of the final terms; `reason` says why it has none."""

    distribution: str
    aic: float
    terms: tuple[TimeRatio, ...]
    is_lowest_aic: bool
    reason: str


@dataclass(frozen=True)
class CauseSpecific:
    """Hazard ratio per sd of one feature for the event and for the competing event."""

    feature: str
    event: WithInterval
    p_event: PValue
    competing: WithInterval
    p_competing: PValue


@dataclass(frozen=True)
class CumulativeIncidence:
    """Aalen-Johansen share with the event by time, with 95 % interval, and with the competing one.

    `kaplan_meier` is 1 minus Kaplan-Meier with competing events censored: what would be read off
    if nobody could die of anything else, always at or above the real share.
    """

    label: str
    n: int
    time: tuple[float, ...]
    event: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    competing: tuple[float, ...]
    kaplan_meier: tuple[float, ...]
    at_risk: tuple[int, ...]


@dataclass(frozen=True)
class Competing:
    """What competing events change: curves of all patients or halves, and cause-specific models."""

    ticks: tuple[float, ...]
    incidence: tuple[CumulativeIncidence, ...]
    cause_specific: tuple[CauseSpecific, ...]
    n_competing: int
    reason: str


def aft_models(
    study: Study, design: NDArray[np.float64], names: tuple[str, ...], *, n_tests: int
) -> tuple[AftModel, ...]:
    """Fit Weibull, log-normal and log-logistic models of the final terms (n, k).

    Parameters
    ----------
    study : Study
        Its strata are not used: an accelerated failure time model has none.
    design : (n, k) float64
        The columns of the final model, features per sd.
    names : tuple of str
        k names, covariates first.
    n_tests : int
        Features that the selection tested.

    Returns
    -------
    tuple of AftModel
        In a fixed order, the one with the lowest AIC marked; a model that does not converge has
        NaN and its reason.
    """
    keys = [f"x{k}" for k in range(design.shape[1])]
    frame = pd.DataFrame(design, columns=keys)
    frame["time"], frame["event"] = study.outcome.time, study.outcome.event.astype(np.int64)
    if study.outcome.entry is not None:
        frame["entry"] = study.outcome.entry
    fitted = [_aft(study, frame, name, names, n_tests=n_tests) for name in _AFT]
    lowest = min((model.aic for model in fitted if not model.reason), default=np.nan)
    return tuple(
        AftModel(m.distribution, m.aic, m.terms, m.aic == lowest, m.reason) for m in fitted
    )


def _aft(
    study: Study, frame: pd.DataFrame, name: str, names: tuple[str, ...], *, n_tests: int
) -> AftModel:
    """Fit one distribution."""
    make, parameter = _AFT[name]
    entry = "entry" if "entry" in frame else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lifelines restarts its search and says so
            fitter = make().fit(  # type: ignore[attr-defined]  # lifelines is untyped
                frame, duration_col="time", event_col="event", entry_col=entry
            )
    except (ConvergenceError, np.linalg.LinAlgError, ValueError) as error:
        reason = f"did not converge: {str(error).strip().splitlines()[0]}"
        return AftModel(name, float("nan"), (), is_lowest_aic=False, reason=reason)
    terms = []
    q = len(study.covariate_names)
    for k, label in enumerate(names):
        row = fitter.summary.loc[(parameter, f"x{k}")]
        beta, se = float(row["coef"]), float(row["se(coef)"])
        tests = n_tests if k >= q else 1
        p = PValue(float(row["p"]), "Wald", study.outcome.n, study.outcome.events, tests)
        scale = "1 sd" if k >= q else "1 unit or level"
        terms.append(TimeRatio(label, scale, WithInterval.of_log(beta, se), p))
    return AftModel(name, float(fitter.AIC_), tuple(terms), is_lowest_aic=False, reason="")


def competing_events(
    study: Study,
    groups: NDArray[np.int64],
    *,
    labels: tuple[str, ...],
    columns: NDArray[np.intp],
    ticks: tuple[float, ...],
) -> Competing | None:
    """Return cumulative incidence by group and cause-specific models of `columns`.

    None where no competing event was named. Groups of -1 are in no curve.
    """
    outcome = study.outcome
    if outcome.competing is None:
        return None
    n_competing = int(outcome.competing.sum())
    curves = tuple(
        _incidence(outcome, groups == code, label, ticks)
        for code, label in enumerate(labels)
        if (groups == code).any()
    )
    if n_competing < MIN_COMPETING:
        reason = f"{n_competing} competing events are too few for a model of them"
        return Competing(ticks, curves, (), n_competing, reason)
    return Competing(ticks, curves, _cause_specific(study, columns), n_competing, "")


def _cause_specific(study: Study, columns: NDArray[np.intp]) -> tuple[CauseSpecific, ...]:
    """Fit the hazard of the event and of the competing event, the other one censored."""
    outcome = study.outcome
    assert outcome.competing is not None
    beside = study.covariates if study.covariates.shape[1] else None
    features = study.features[:, columns]
    order = risk_order(outcome.time, outcome.competing, strata=study.strata, entry=outcome.entry)
    fits = fit_each(features, study.risk, covariates=beside)
    others = fit_each(features, order, covariates=beside)
    rows = []
    for k, column in enumerate(columns):
        pair = []
        for fit in (fits, others):
            hr = WithInterval.of_log(float(fit.beta[k] * fit.sd[k]), float(fit.se[k] * fit.sd[k]))
            tests = len(columns)
            pair.append(
                (hr, PValue(float(fit.p[k]), "Wald", int(fit.n[k]), int(fit.events[k]), tests))
            )
        (event, p_event), (competing, p_competing) = pair
        rows.append(CauseSpecific(study.names[column], event, p_event, competing, p_competing))
    return tuple(rows)


def _incidence(
    outcome: Outcome, rows: NDArray[np.bool_], label: str, ticks: tuple[float, ...]
) -> CumulativeIncidence:
    """Estimate one group's cumulative incidence."""
    assert outcome.competing is not None
    time = outcome.time[rows]
    entry = None if outcome.entry is None else outcome.entry[rows]
    kind = np.where(outcome.event[rows], 1, np.where(outcome.competing[rows], 2, 0))
    event = _aalen_johansen(time, kind, entry, of=1)
    other = _aalen_johansen(time, kind, entry, of=2)
    times = event.index.to_numpy(dtype=np.float64)
    at = np.clip(np.searchsorted(other.index, times, side="right") - 1, 0, None)
    start = np.zeros(int(rows.sum())) if entry is None else entry
    return CumulativeIncidence(
        label=label,
        n=int(rows.sum()),
        time=tuple(times.tolist()),
        event=tuple(event["share"].tolist()),
        low=tuple(event["low"].tolist()),
        high=tuple(event["high"].tolist()),
        competing=tuple(other["share"].to_numpy()[at].tolist()),
        kaplan_meier=tuple((1.0 - _product_limit(time, kind == 1, start, times)).tolist()),
        at_risk=tuple(int(((time >= tick) & (start <= tick)).sum()) for tick in ticks),
    )


def _aalen_johansen(
    time: NDArray[np.float64],
    kind: NDArray[np.int64],
    entry: NDArray[np.float64] | None,
    *,
    of: int,
) -> pd.DataFrame:
    """Return share, low and high by time; a group without this event stays at 0."""
    if not (kind == of).any():
        return pd.DataFrame({"share": [0.0], "low": [np.nan], "high": [np.nan]}, index=[0.0])
    fitter = AalenJohansenFitter(calculate_variance=True, jitter_level=1e-9, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tied times are jittered by a billionth, as it warns
        fitter.fit(time, kind, event_of_interest=of, entry=entry)
    share = fitter.cumulative_density_.iloc[:, 0]
    bounds = fitter.confidence_interval_
    return pd.DataFrame(
        {"share": share, "low": bounds.iloc[:, 0], "high": bounds.iloc[:, 1]}, index=share.index
    )


def _product_limit(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    entry: NDArray[np.float64],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return Kaplan-Meier survival at `times`."""
    distinct = np.unique(time[event])
    at_risk = ((time >= distinct[:, None]) & (entry < distinct[:, None])).sum(axis=1)
    deaths = (event & (time == distinct[:, None])).sum(axis=1)
    survival = np.concatenate([np.ones(1), np.cumprod(1.0 - deaths / np.maximum(at_risk, 1))])
    # jittered times of `_aalen_johansen` lie within a billionth of the true ones
    return np.asarray(survival[np.searchsorted(distinct, times + 1e-6, side="right")])
