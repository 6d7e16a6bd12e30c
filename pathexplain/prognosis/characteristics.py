"""Who the patients are, and how the selected biomarkers relate to what was known of them.

Not for effects on survival (`screening`, `final`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.prognosis.result import PValue, WithInterval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = ["Association", "Characteristic", "associations", "characteristics"]

_MIN_PAIRS = 4  # patients below which a correlation has no interval


@dataclass(frozen=True)
class Characteristic:
    """One line of the table of patients: a number's quartiles, or a level's count.

    `level` is empty for a number; `median`, `first_quartile` and `third_quartile` are NaN for a
    level, `share` is NaN for a number.
    """

    name: str
    level: str
    n: int
    share: float
    median: float
    first_quartile: float
    third_quartile: float


@dataclass(frozen=True)
class Association:
    """Spearman correlation of a biomarker with a covariate; interval by Fisher's z."""

    feature: str
    covariate: str
    correlation: WithInterval
    p: PValue


def characteristics(study: Study) -> tuple[Characteristic, ...]:
    """Describe covariates, strata and sites of the analyzed patients."""
    rows: list[Characteristic] = []
    for name, levels in study.levels.items():
        if not levels:
            rows.append(_number(name, study.covariates[:, study.covariate_names.index(name)]))
            continue
        dummies = [
            study.covariates[:, study.covariate_names.index(f"{name}={level}")]
            for level in levels[1:]
        ]
        first = 1.0 - np.sum(dummies, axis=0) if dummies else np.ones(study.outcome.n)
        for level, member in zip(levels, [first, *dummies], strict=True):
            rows.append(_level(name, level, member > 0))
    if study.sites is not None and study.site_column is not None:
        rows.extend(
            _level(study.site_column, str(site), study.sites == site)
            for site in np.unique(study.sites)
        )
    return tuple(rows)


def associations(study: Study, columns: NDArray[np.intp]) -> tuple[Association, ...]:
    """Correlate each feature of `columns` with each covariate, on the patients that have both."""
    n_tests = len(columns) * len(study.covariate_names)
    return tuple(
        _association(study, int(column), k, n_tests)
        for column in columns
        for k in range(len(study.covariate_names))
    )


def _association(study: Study, column: int, k: int, n_tests: int) -> Association:
    """Correlate one pair."""
    x, y = study.features[:, column], study.covariates[:, k]
    known = ~np.isnan(x)
    n, events = int(known.sum()), int(study.outcome.event[known].sum())
    rho, p = float("nan"), float("nan")
    if n >= _MIN_PAIRS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.ConstantInputWarning)
            rho, p = map(float, stats.spearmanr(x[known], y[known]))
    width = stats.norm.ppf(0.975) / np.sqrt(n - 3) if n >= _MIN_PAIRS else np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.tanh(np.arctanh(rho) - width), np.tanh(np.arctanh(rho) + width)
    return Association(
        study.names[column],
        study.covariate_names[k],
        WithInterval(rho, float(low), float(high)),
        PValue(p, "Spearman", n, events, n_tests),
    )


def _number(name: str, values: NDArray[np.float64]) -> Characteristic:
    """Describe a number by its quartiles."""
    first, median, third = map(float, np.percentile(values, [25, 50, 75]))
    return Characteristic(name, "", int(values.size), float("nan"), median, first, third)


def _level(name: str, level: str, member: NDArray[np.bool_]) -> Characteristic:
    """Count a level."""
    nan = float("nan")
    return Characteristic(name, level, int(member.sum()), float(member.mean()), nan, nan, nan)
