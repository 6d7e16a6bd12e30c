"""From a cohort table to what every later step uses: features, outcome, covariates, strata.

Not for judging features (`preflight`); here only the outcome and the design are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import RiskOrder, risk_order
from pathexplain.prognosis.km import kaplan_meier_curve, median_time
from pathexplain.prognosis.outcome import Outcome, read_outcome, require_events
from pathexplain.prognosis.result import CohortSummary, FlowStep, Lost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Study", "build_study", "find_site", "flow_before", "recorded_mpp", "summarize"]

SITE_NAMES = ("site", "center", "centre", "hospital", "tissue_source_site", "institution")


@dataclass(frozen=True)
class Study:
    """n patients with everything aligned.

    `features` (n, m) float64 with NaN, `covariates` (n, q) float64 complete (dummy columns for
    levels), `strata` (n,) int64 or None, `sites` (n,) str or None; `units` and `definitions`
    belong to `names`. `site_column` and `mpp` are None where unknown. `levels` are those of each
    covariate column, none for a number.
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
    sites: NDArray[np.str_] | None = None
    site_column: str | None = None
    mpp: float | None = None
    before: tuple[FlowStep, ...] = field(default=())
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def risk(self) -> RiskOrder:
        """The patients sorted for the partial likelihood."""
        outcome = self.outcome
        return risk_order(outcome.time, outcome.event, strata=self.strata, entry=outcome.entry)

    def take(self, rows: NDArray[np.intp]) -> Study:
        """Return the study of some patients only."""
        return replace(
            self,
            patients=self.patients[rows],
            features=self.features[rows],
            outcome=self.outcome.take(rows),
            covariates=self.covariates[rows],
            strata=None if self.strata is None else self.strata[rows],
            sites=None if self.sites is None else self.sites[rows],
        )

    def keep_features(self, columns: NDArray[np.intp]) -> Study:
        """Return the study of some features only."""
        return replace(
            self,
            features=self.features[:, columns],
            names=tuple(self.names[j] for j in columns),
            units=tuple(self.units[j] for j in columns),
            definitions=tuple(self.definitions[j] for j in columns),
        )


def build_study(  # noqa: PLR0913  one column a role
    cohort: AnnData,
    *,
    time: str,
    event: str,
    covariates: Sequence[str] = (),
    strata: str | None = None,
    entry: str | None = None,
    competing: str | None = None,
    site: str | None = None,
    levels: Mapping[str, tuple[str, ...]] | None = None,
) -> Study:
    """Check a cohort and take from it what a survival analysis needs.

    Parameters
    ----------
    cohort : AnnData
        One row a patient; clinical columns in ``obs``, features in ``X`` with NaN for undefined.
        A clinical column that landed among the features is found there and taken out of them.
    time, event, covariates, strata, entry, site : str
        Column names. Text covariates become one dummy column a level, the first level left out.
    competing : str, optional
        A column with 1 for a competing event, or the number that codes it in `event`.
    levels : mapping of str to tuple of str, optional
        Coding of the covariates, of another study; a level that it lacks is refused.

    Raises
    ------
    CohortError
        If a column is missing or named twice, a patient appears twice, a feature is infinite, or
        the outcome is unusable (see `read_outcome`).
    """
    _check_patients(cohort)
    code = _number(competing)
    named = [entry, competing if code is None else None]
    wanted = [time, event, *filter(None, named), *covariates, *filter(None, [strata])]
    _check_names(wanted)
    columns = {name: _column(cohort, name) for name in [*wanted, *filter(None, [site])]}
    patients = np.asarray(cohort.obs_names, dtype=str)
    outcome, kept, losses = read_outcome(
        columns[time],
        columns[event],
        patients=patients,
        entry=None if entry is None else columns[entry],
        competing=code if code is not None else columns.get(competing or ""),
    )
    for name in dict.fromkeys([*covariates, *filter(None, [strata, site])]):
        is_known = columns[name].notna().to_numpy()[kept]
        if not is_known.all():
            losses[f"{name} is missing"] = kept[~is_known]
            outcome, kept = outcome.take(np.flatnonzero(is_known)), kept[is_known]
    require_events(outcome, event)
    is_feature = ~np.isin(np.asarray(cohort.var_names, dtype=str), list(columns))
    var = cohort.var.loc[is_feature]
    beside, coding = _design(
        [columns[name].iloc[kept] for name in covariates], patients[kept], levels
    )
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
        sites=columns[site].iloc[kept].astype(str).to_numpy(dtype=str) if site else None,
        site_column=site,
        mpp=recorded_mpp(cohort),
        before=flow_before(cohort),
        levels=coding,
    )


def find_site(
    cohort: AnnData, *, site: str | None, strata: str | None, used: Sequence[str]
) -> str | None:
    """Return the column that says where a patient was treated: asked for, or told by its name."""
    if site is not None:
        return site
    if strata is not None:
        return strata
    return next(
        (
            str(name)
            for name in cohort.obs.columns
            if str(name).lower() in SITE_NAMES
            and name not in used
            and 1 < cohort.obs[name].nunique() < cohort.n_obs
            and cohort.obs[name].notna().all()
        ),
        None,
    )


def summarize(study: Study) -> CohortSummary:
    """Count patients and events; median follow-up by reverse Kaplan-Meier.

    References
    ----------
    Schemper and Smith (1996), doi 10.1016/0197-2456(96)00075-X.
    """
    outcome = study.outcome
    follow_up = kaplan_meier_curve(outcome.time, ~outcome.event, entry=outcome.entry)
    competing = 0 if outcome.competing is None else int(outcome.competing.sum())
    return CohortSummary(
        n_input=study.n_input,
        n=outcome.n,
        events=outcome.events,
        lost=study.lost,
        time_unit=outcome.unit,
        median_follow_up=median_time(follow_up),
        median_survival=median_time(
            kaplan_meier_curve(outcome.time, outcome.event, entry=outcome.entry)
        ),
        longest_time=float(outcome.time.max()),
        n_competing=competing,
        flow=(*study.before, *_flow(study, competing)),
    )


def recorded_mpp(cohort: AnnData) -> float | None:
    """Return the micrometers per pixel that the cohort was measured at, None where not recorded."""
    options = cohort.uns.get("pathexplain", {}).get("provenance", {}).get("options", {})
    mpp = options.get("mpp") if hasattr(options, "get") else None
    return None if mpp is None else float(mpp)


def flow_before(cohort: AnnData) -> tuple[FlowStep, ...]:
    """Return what happened to slides and patients before the analysis, where the table tells."""
    flow = cohort.uns.get("pathexplain", {}).get("flow", {})
    labels = {
        "slides_failed": "slides that could not be read or measured",
        "slides_without_patient": "slides that no patient is named for",
        "slides_without_tissue": "slides without tissue",
        "patients_without_features": "patients without a usable slide",
        "patients_without_clinical": "patients with slides, not in the clinical table",
        "clinical_without_features": "patients in the clinical table, without slides",
    }
    steps = []
    for key, label in labels.items():
        names = tuple(map(str, flow.get(key, ())))
        if names:
            steps.append(FlowStep("excluded", label, len(names), names))
    if "n_slides" in flow:
        steps.insert(0, FlowStep("remaining", "slides in the run", int(flow["n_slides"]), ()))
    return tuple(steps)


def _flow(study: Study, competing: int) -> tuple[FlowStep, ...]:
    """Return the steps from the patient table to the analysis."""
    outcome = study.outcome
    excluded = (FlowStep("excluded", one.reason, one.n, one.patients) for one in study.lost)
    censored = outcome.n - outcome.events - competing
    ends = [("with the event", outcome.events), ("censored", censored)]
    if outcome.competing is not None:
        ends.insert(1, ("with a competing event", competing))
    return (
        FlowStep("remaining", "patients in the table", study.n_input, ()),
        *excluded,
        FlowStep("remaining", "patients analyzed", outcome.n, ()),
        *(FlowStep("outcome", label, n, ()) for label, n in ends),
    )


def _number(text: str | None) -> float | None:
    """Read the code of a competing event; None where it is a column's name."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


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


def _design(
    columns: list[pd.Series],
    patients: NDArray[np.str_],
    given: Mapping[str, tuple[str, ...]] | None,
) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """Turn covariates into numbers: as they are, or one dummy column a level but the first."""
    parts = [pd.DataFrame(index=patients)]
    coding: dict[str, tuple[str, ...]] = {}
    for column in columns:
        name = str(column.name)
        coding[name] = _levels(column) if given is None else given[name]
        if coding[name]:
            _check_levels(column, coding[name], patients)
            levels = pd.Categorical(column.astype(str), categories=list(coding[name]))
            dummies = pd.get_dummies(levels, prefix=name, prefix_sep="=", dtype=float)
            parts.append(dummies.iloc[:, 1:].set_axis(patients, axis=0))
        else:
            parts.append(_numeric(column, patients).to_frame())
    constant = [str(column.name) for column in columns if len(column.unique()) == 1]
    if constant and given is None:
        message = f"covariates are constant: {', '.join(constant)}; leave them out"
        raise CohortError(message)
    return pd.concat(parts, axis=1), coding


def _levels(column: pd.Series) -> tuple[str, ...]:
    """Return the sorted levels of a column of text, none of a column of numbers."""
    if pd.api.types.is_numeric_dtype(column):
        return ()
    return tuple(sorted(column.astype(str).unique()))


def _check_levels(column: pd.Series, levels: tuple[str, ...], patients: NDArray[np.str_]) -> None:
    """Refuse levels that the coding lacks."""
    is_new = ~column.astype(str).isin(levels).to_numpy()
    if is_new.any():
        message = (
            f"covariate {column.name}: level {column.astype(str)[is_new].iloc[0]!r} of patient "
            f"{patients[is_new][0]} is none of {', '.join(levels)} ({is_new.sum()} patients)"
        )
        raise CohortError(message, patient=str(patients[is_new][0]))


def _numeric(column: pd.Series, patients: NDArray[np.str_]) -> pd.Series:
    """Return a column as numbers, by patient; refuse text."""
    values = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        first = int(np.isnan(values).argmax())
        message = (
            f"covariate {column.name}: {column.iloc[first]!r} of patient {patients[first]} is no "
            "number"
        )
        raise CohortError(message, patient=str(patients[first]))
    return pd.Series(values, index=patients, name=str(column.name))


def _codes(column: pd.Series) -> NDArray[np.int64]:
    """Return the strata as integer codes."""
    return np.asarray(pd.factorize(column.astype(str), sort=True)[0], dtype=np.int64)


def _annotation(var: pd.DataFrame, key: str) -> tuple[str, ...]:
    """Return a column of var as text, empty where it is absent."""
    if key not in var.columns:
        return ("",) * len(var)
    return tuple(var[key].astype(object).where(var[key].notna(), "").astype(str))
