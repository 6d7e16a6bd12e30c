"""From a cohort table to what every later step uses: features, outcome, covariates, strata.

Not for judging features (`preflight`); here only the outcome and the design are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import RiskOrder, risk_order
from pathexplain.prognosis.km import kaplan_meier_curve, median_time
from pathexplain.prognosis.outcome import Outcome, read_outcome, require_events
from pathexplain.prognosis.result import CohortSummary, Lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Study", "build_study", "summarize"]


@dataclass(frozen=True)
class Study:
    """n patients with everything aligned.

    `features` (n, m) float64 with NaN, `covariates` (n, q) float64 complete (dummy columns for
    levels), `strata` (n,) int64 or None; `units` and `definitions` belong to `names`.
    """

    patients: NDArray[np.str_]
    features: NDArray[np.float64]
    names: tuple[str, ...]
    units: tuple[str, ...]
    definitions: tuple[str, ...]
    outcome: Outcome
    covariates: NDArray[np.float64]
    covariate_names: tuple[str, ...]
    strata: NDArray[np.int64] | None
    n_input: int = 0
    lost: tuple[Lost, ...] = field(default=())

    @property
    def risk(self) -> RiskOrder:
        """The patients sorted for the partial likelihood."""
        return risk_order(self.outcome.time, self.outcome.event, strata=self.strata)

    def take(self, rows: NDArray[np.intp]) -> Study:
        """Return the study of some patients only."""
        return Study(
            patients=self.patients[rows],
            features=self.features[rows],
            names=self.names,
            units=self.units,
            definitions=self.definitions,
            outcome=self.outcome.take(rows),
            covariates=self.covariates[rows],
            covariate_names=self.covariate_names,
            strata=None if self.strata is None else self.strata[rows],
            n_input=self.n_input,
            lost=self.lost,
        )


def build_study(
    cohort: AnnData,
    *,
    time: str,
    event: str,
    covariates: Sequence[str] = (),
    strata: str | None = None,
) -> Study:
    """Check a cohort and take from it what a survival analysis needs.

    Parameters
    ----------
    cohort : AnnData
        One row a patient; clinical columns in ``obs``, features in ``X`` with NaN for undefined.
        A clinical column that landed among the features is found there and taken out of them.
    time, event, covariates, strata : str
        Column names. Text covariates become one dummy column a level, the first level left out.

    Raises
    ------
    CohortError
        If a column is missing or named twice, a patient appears twice, a feature is infinite, or
        the outcome is unusable (see `read_outcome`).
    """
    _check_patients(cohort)
    wanted = [time, event, *covariates, *([strata] if strata else [])]
    _check_names(wanted)
    columns = {name: _column(cohort, name) for name in wanted}
    patients = np.asarray(cohort.obs_names, dtype=str)
    outcome, kept, losses = read_outcome(columns[time], columns[event], patients=patients)
    for name in wanted[2:]:
        is_known = columns[name].notna().to_numpy()[kept]
        if not is_known.all():
            losses[f"{name} is missing"] = kept[~is_known]
            outcome, kept = outcome.take(np.flatnonzero(is_known)), kept[is_known]
    require_events(outcome, event)
    is_feature = ~np.isin(np.asarray(cohort.var_names, dtype=str), wanted)
    var = cohort.var.loc[is_feature]
    beside = _design([columns[name].iloc[kept] for name in covariates], patients[kept])
    return Study(
        patients=patients[kept],
        features=_feature_matrix(cohort)[np.ix_(kept, is_feature)],
        names=tuple(str(name) for name in var.index),
        units=_annotation(var, "unit"),
        definitions=_annotation(var, "definition"),
        outcome=outcome,
        covariates=beside.to_numpy(dtype=np.float64),
        covariate_names=tuple(beside.columns),
        strata=_codes(columns[strata].iloc[kept]) if strata else None,
        n_input=cohort.n_obs,
        lost=tuple(
            Lost(reason, int(rows.size), tuple(patients[rows].tolist()))
            for reason, rows in losses.items()
        ),
    )


def summarize(study: Study) -> CohortSummary:
    """Count patients and events; median follow-up by reverse Kaplan-Meier.

    References
    ----------
    Schemper and Smith (1996), doi 10.1016/0197-2456(96)00075-X.
    """
    outcome = study.outcome
    follow_up = kaplan_meier_curve(outcome.time, ~outcome.event)
    return CohortSummary(
        n_input=study.n_input,
        n=outcome.n,
        events=outcome.events,
        lost=study.lost,
        time_unit=outcome.unit,
        median_follow_up=median_time(follow_up),
        median_survival=median_time(kaplan_meier_curve(outcome.time, outcome.event)),
        longest_time=float(outcome.time.max()),
    )


def _check_patients(cohort: AnnData) -> None:
    """Refuse an empty table and a patient with two rows."""
    if cohort.n_vars == 0 or cohort.n_obs == 0:
        message = f"the cohort has {cohort.n_obs} patients and {cohort.n_vars} features; need both"
        raise CohortError(message)
    repeated = cohort.obs_names[cohort.obs_names.duplicated()].unique()
    if len(repeated):
        message = (
            f"{len(repeated)} patients have more than one row: {', '.join(repeated[:5])}; the "
            "patient is the unit of a survival analysis: keep or aggregate to one row each"
        )
        raise CohortError(message, patient=str(repeated[0]))
    names = cohort.var_names[cohort.var_names.duplicated()].unique()
    if len(names):
        message = f"feature names appear twice: {', '.join(names[:5])}; rename or drop one of each"
        raise CohortError(message)


def _check_names(wanted: list[str]) -> None:
    """Refuse one column in two roles."""
    repeated = {name for name in wanted if wanted.count(name) > 1}
    if repeated:
        message = f"columns used for two purposes: {', '.join(sorted(repeated))}; give each one"
        raise CohortError(message)


def _column(cohort: AnnData, name: str) -> pd.Series:
    """Find a clinical column in obs, or else among the features."""
    if name in cohort.obs.columns:
        return pd.Series(cohort.obs[name])
    if name in cohort.var_names:
        values = np.asarray(cohort[:, [name]].X, dtype=np.float64).ravel()
        return pd.Series(values, index=cohort.obs_names, name=name)
    known = ", ".join(map(str, cohort.obs.columns[:20])) or "none"
    message = f"no column {name!r} in the cohort; its clinical columns are: {known}"
    raise CohortError(message)


def _feature_matrix(cohort: AnnData) -> NDArray[np.float64]:
    """Return X as float64; refuse infinities by feature name."""
    values = np.array(cohort.X, dtype=np.float64)
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        named = ", ".join(np.asarray(cohort.var_names, dtype=str)[infinite][:5])
        message = f"{infinite.sum()} features hold infinite values: {named}; undefined is NaN"
        raise CohortError(message)
    return values


def _design(columns: list[pd.Series], patients: NDArray[np.str_]) -> pd.DataFrame:
    """Turn covariates into numbers: as they are, or one dummy column a level but the first."""
    parts = [pd.DataFrame(index=patients)]
    for column in columns:
        if pd.api.types.is_numeric_dtype(column):
            parts.append(column.astype(np.float64).to_frame().set_index(patients))
        else:
            levels = column.astype(str).astype("category")
            dummies = pd.get_dummies(levels, prefix=str(column.name), prefix_sep="=", dtype=float)
            parts.append(dummies.iloc[:, 1:].set_index(patients))
    design = pd.concat(parts, axis=1)
    constant = [str(column.name) for column in columns if len(column.unique()) == 1]
    if constant:
        message = f"covariates are constant: {', '.join(constant)}; leave them out"
        raise CohortError(message)
    return design


def _codes(column: pd.Series) -> NDArray[np.int64]:
    """Return the strata as integer codes."""
    return np.asarray(pd.factorize(column.astype(str), sort=True)[0], dtype=np.int64)


def _annotation(var: pd.DataFrame, key: str) -> tuple[str, ...]:
    """Return a column of var as text, empty where it is absent."""
    if key not in var.columns:
        return ("",) * len(var)
    return tuple(var[key].astype(object).where(var[key].notna(), "").astype(str))
