"""Would the finding survive another segmentation: repeatability, and hazard ratios under each.

Also what the hazard ratio would be without the measurement error that the repeatability shows.

Not for perturbing or for estimating the correlations: `pathexplain robustness` writes the folder
that is read here. Looking at repeatability takes no account of outcome, so leaving features out
for it does not bias the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.cox import fit_each
from pathexplain.prognosis.measurement_error import regression_calibration, simex
from pathexplain.prognosis.result import Dropped, WithInterval

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = [
    "ErrorCorrection",
    "FeatureRobustness",
    "HazardShift",
    "Robustness",
    "error_corrections",
    "hazard_shifts",
    "not_robust",
    "read_repeatability",
]


@dataclass(frozen=True)
class FeatureRobustness:
    """The least repeatable perturbation of one feature; NaN with `reason` where undefined."""

    feature: str
    perturbation: str
    icc: WithInterval
    reason: str


@dataclass(frozen=True)
class HazardShift:
    """Hazard ratio per sd of the unperturbed feature, measured under one condition.

    `ratio` is to the unperturbed hazard ratio of the same patients (1: no shift); NaN with
    `reason` where the condition cannot be fitted.
    """

    feature: str
    condition: str
    hr: WithInterval
    ratio: float
    n: int
    events: int
    reason: str


@dataclass(frozen=True)
class ErrorCorrection:
    """One feature's hazard ratio per sd, as measured and without its measurement error.

    `icc` is that of the worst perturbation and is taken as known. NaN with `reason` where a
    correction is not possible. A sensitivity analysis: the figures to report are those measured.
    """

    feature: str
    icc: float
    measured: WithInterval
    calibrated: WithInterval
    simex: WithInterval
    n: int
    events: int
    reason: str


@dataclass(frozen=True)
class Robustness:
    """What a folder of `pathexplain robustness` says of the features of this study."""

    min_icc: float
    n_below: int
    features: tuple[FeatureRobustness, ...]
    shifts: tuple[HazardShift, ...]
    corrections: tuple[ErrorCorrection, ...] = ()


def read_repeatability(folder: str | Path) -> dict[str, FeatureRobustness]:
    """Read ``icc.csv``: the worst perturbation of each feature.

    An ICC that is undefined is the worst of all.

    Raises
    ------
    CohortError
        If the file is not there or lacks a column.
    """
    from pathexplain.robustness import read_robustness  # loads extraction and the segmentor

    worst: dict[str, FeatureRobustness] = {}
    table = read_robustness(folder)
    numbers = table[["icc", "icc_low", "icc_high"]].to_numpy(np.float64)
    text = table[["feature", "perturbation", "reason"]].to_numpy(str)
    for (feature, perturbation, reason), (icc, low, high) in zip(text, numbers, strict=True):
        found = FeatureRobustness(
            str(feature),
            str(perturbation),
            WithInterval(float(icc), float(low), float(high)),
            str(reason),
        )
        known = worst.get(found.feature)
        if known is None or (not np.isnan(known.icc.value) and not icc >= known.icc.value):
            worst[found.feature] = found
    return worst


def not_robust(
    names: tuple[str, ...], worst: dict[str, FeatureRobustness], *, min_icc: float
) -> tuple[Dropped, ...]:
    """Return the features below `min_icc` under some perturbation, or not measured, with reasons.

    Examples
    --------
    >>> icc = WithInterval(0.4, 0.2, 0.6)
    >>> worst = {"a": FeatureRobustness("a", "erosion", icc, "")}
    >>> [(d.feature, d.detail) for d in not_robust(("a", "b"), worst, min_icc=0.75)]
    [('a', 'ICC 0.400 under erosion'), ('b', 'not in icc.csv')]
    """
    dropped = []
    for name in names:
        one = worst.get(name)
        if one is None:
            dropped.append(Dropped(name, "not robust", "not in icc.csv"))
        elif np.isnan(one.icc.value):
            why = f": {one.reason}" if one.reason else ""
            dropped.append(
                Dropped(name, "not robust", f"ICC undefined under {one.perturbation}{why}")
            )
        elif one.icc.value < min_icc:
            detail = f"ICC {one.icc.value:.3f} under {one.perturbation}"
            dropped.append(Dropped(name, "not robust", detail))
    return tuple(dropped)


def error_corrections(
    study: Study, columns: NDArray[np.intp], worst: dict[str, FeatureRobustness], *, seed: int
) -> tuple[ErrorCorrection, ...]:
    """Correct each feature's hazard ratio by regression calibration and by SIMEX."""
    return tuple(
        _correction(study, int(column), worst[study.names[column]].icc.value, seed)
        for column in columns
    )


def _correction(study: Study, column: int, icc: float, seed: int) -> ErrorCorrection:
    """Correct one feature, with the covariates, strata and entry times of the study."""
    x, outcome = study.features[:, column], study.outcome
    covariates = study.covariates if study.covariates.shape[1] else None
    scaled = x / np.nanstd(x, ddof=1)
    (beta,), (se,), (n,), (events,), (status,) = (
        getattr(fit_each(scaled[:, None], study.risk, covariates=covariates), name)
        for name in ("beta", "se", "n", "events", "status")
    )
    calibrated = found = WithInterval(float("nan"), float("nan"), float("nan"))
    reason = "" if status == "ok" else status
    if not reason and not 0 < icc <= 1:
        reason = f"an ICC of {icc:.3f} cannot be corrected for"
    if not reason:
        simple = regression_calibration(float(beta), float(se), icc)
        calibrated = WithInterval.of_log(simple.beta, simple.se)
        result = simex(
            scaled,
            outcome.time,
            outcome.event,
            icc=icc,
            entry=outcome.entry,
            strata=study.strata,
            covariates=covariates,
            seed=seed,
        )
        reason = "" if result.status == "ok" else f"SIMEX: {result.status}"
        found = WithInterval.of_log(result.corrected.beta, result.corrected.se)
    measured = WithInterval.of_log(float(beta), float(se))
    name = study.names[column]
    return ErrorCorrection(name, icc, measured, calibrated, found, int(n), int(events), reason)


def hazard_shifts(
    study: Study, columns: NDArray[np.intp], folder: str | Path
) -> tuple[HazardShift, ...]:
    """Fit each feature as measured under each condition, ``patients_<condition>.csv``."""
    from pathexplain.robustness import read_conditions  # loads extraction and the segmentor

    shifts: list[HazardShift] = []
    for condition, table in read_conditions(folder).items():
        aligned = table.reindex(study.patients)
        shifts.extend(_shift(study, int(column), condition, aligned) for column in columns)
    return tuple(shifts)


def _shift(study: Study, column: int, condition: str, table: pd.DataFrame) -> HazardShift:
    """Compare one feature under one condition with itself, on the patients that have both."""
    name, nan = study.names[column], float("nan")
    if name not in table:
        unknown = WithInterval(nan, nan, nan)
        return HazardShift(name, condition, unknown, nan, 0, 0, "not in the condition's table")
    before = study.features[:, column]
    sd = np.nanstd(before, ddof=1)
    pair = np.column_stack([before, table[name].to_numpy(dtype=np.float64)]) / sd
    rows = np.flatnonzero(~np.isnan(pair).any(axis=1))
    part = study.take(rows)
    varies = np.ptp(part.covariates, axis=0) > 0 if rows.size else np.zeros(0, dtype=bool)
    beside = part.covariates[:, varies] if varies.any() else None
    fits = fit_each(pair[rows], part.risk, covariates=beside)
    reason = "" if fits.status[1] == "ok" else fits.status[1]
    return HazardShift(
        feature=name,
        condition=condition,
        hr=WithInterval.of_log(float(fits.beta[1]), float(fits.se[1])),
        ratio=float(np.exp(fits.beta[1] - fits.beta[0])),
        n=int(fits.n[1]),
        events=int(fits.events[1]),
        reason=reason,
    )
