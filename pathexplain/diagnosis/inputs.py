"""Arrays out of a cohort table: features, class codes, patients, covariates, and who was lost.

Not for fitted state: imputing and scaling happen inside the folds (`models`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathexplain.diagnosis.crossval import Data
from pathexplain.diagnosis.outputs import Questions, questions_of
from pathexplain.diagnosis.result import DroppedFeatures, LostPatients, TargetSummary
from pathexplain.diagnosis.target import (
    Target,
    check_class_sizes,
    find_column,
    parse_target,
)
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Columns", "Inputs", "read_inputs"]

MAX_LEVELS = 10


@dataclass(frozen=True)
class Columns:
    """Which clinical columns play which part; see `importance`."""

    target: str
    groups: str | None = None
    site: str | None = None
    folds: str | None = None
    covariates: tuple[str, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def keys(self) -> dict[str, str]:
        """Columns that each row needs besides the target, by part."""
        parts = {"groups": self.groups, "site": self.site, "folds": self.folds}
        return {part: column for part, column in parts.items() if column is not None}


@dataclass(frozen=True)
class Inputs:
    """Aligned arrays of the rows that are analyzed, in the order of their names.

    A row is a patient, or one of a patient's slides or images.

    Attributes
    ----------
    samples : n names of rows
    patients : (n,) str
        Whose each row is; what folds, resamples and permutations keep whole.
    values : (n, p) float64
        Feature values in their own units, NaN where undefined.
    codes : (n,) int64
        Class of each row, index into ``target.classes``.
    weights : (n,) float64
        1 over the number of rows of the patient, so that each patient counts once.
    sites, own_folds : (n,) str or None
        Where the patient was seen, and the fold that a column assigns; None without the column.
    clinical : (n, q) float64
        Covariates as numbers (one column per category but the first), NaN where missing.
    """

    samples: tuple[str, ...]
    patients: NDArray[np.str_]
    features: tuple[str, ...]
    units: tuple[str, ...]
    definitions: tuple[str, ...]
    values: NDArray[np.float64]
    target: TargetSummary
    codes: NDArray[np.int64]
    weights: NDArray[np.float64]
    sites: NDArray[np.str_] | None
    own_folds: NDArray[np.str_] | None
    clinical: NDArray[np.float64]
    clinical_names: tuple[str, ...]

    @cached_property
    def questions(self) -> Questions:
        """What the classifiers are asked."""
        return questions_of(self.target.classes, self.target.kind)

    @property
    def is_repeated(self) -> bool:
        """Whether a patient has several rows."""
        return self.target.n_patients < self.target.n_rows

    def data(self, values: NDArray[np.float64] | None = None) -> Data:
        """Return what a classifier is fitted on: the features, or `values` in their place."""
        return Data(
            self.values if values is None else values,
            self.codes,
            self.questions,
            weights=self.weights if self.is_repeated else None,
            patients=self.patients if self.is_repeated else None,
            sites=self.sites,
        )

    @property
    def strata(self) -> NDArray[np.str_]:
        """Which classes each row's patient has; resamples draw patients within these, (n,)."""
        has = pd.crosstab(self.patients, self.codes).to_numpy() > 0
        names = np.array(["+".join(np.flatnonzero(row).astype(str)) for row in has])
        return np.asarray(names[np.unique(self.patients, return_inverse=True)[1]])


def read_inputs(
    cohort: AnnData,
    columns: Columns,
    *,
    n_splits: int,
    dropped: Mapping[str, str] | None = None,
) -> Inputs:
    """Check a cohort and take from it what the analysis needs.

    Parameters
    ----------
    cohort : AnnData
    columns : what to take from ``obs``
    n_splits : outer folds that every class must reach
    dropped : features to leave out, with the reason

    Raises
    ------
    CohortError
        When a patient has several rows without `groups`, or is at two sites; when a column is
        missing or doubles as the target, no feature varies, or a class is too small for the folds.
    """
    order = np.argsort(np.asarray(cohort.obs_names, dtype=str), kind="stable")
    clinical = cohort.obs.iloc[order]
    samples = np.asarray(cohort.obs_names, dtype=str)[order]
    _refuse_repeated(samples, clinical, columns.groups)
    _refuse_doubled(columns)
    parsed = parse_target(
        find_column(clinical, columns.target, role="target"),
        column=columns.target,
        order=columns.order,
    )
    kept, left_out = _kept_features(cohort, dropped or {})
    values = _dense(cohort)[order][:, kept]
    keys = {part: find_column(clinical, name, role=part) for part, name in columns.keys.items()}
    keep, lost = _flow(samples, parsed, values, keys)
    text = {part: column.to_numpy()[keep].astype(str) for part, column in keys.items()}
    patients = text.get("groups", samples[keep])
    _refuse_two_sites(patients, text.get("site"))
    codes = parsed.codes[keep]
    counts = _patients_by_class(codes, patients, len(parsed.classes))
    check_class_sizes(counts, parsed, n_splits=n_splits)
    _refuse_constant(values[keep])
    coded, names = _encode(clinical.iloc[np.flatnonzero(keep)], columns.covariates)
    _, row_of, n_rows = np.unique(patients, return_inverse=True, return_counts=True)
    return Inputs(
        samples=tuple(samples[keep].tolist()),
        patients=patients,
        features=tuple(str(name) for name in cohort.var_names[kept]),
        units=_describe(cohort, "unit", kept),
        definitions=_describe(cohort, "definition", kept),
        values=values[keep],
        target=TargetSummary(
            column=parsed.column,
            classes=parsed.classes,
            kind=parsed.kind,
            counts=tuple(counts),
            positive=parsed.positive,
            n_patients=len(n_rows),
            n_rows=len(codes),
            n_features=len(kept),
            lost=lost,
            dropped=left_out,
        ),
        codes=codes,
        weights=1.0 / n_rows[row_of],
        sites=text.get("site"),
        own_folds=text.get("folds"),
        clinical=coded,
        clinical_names=names,
    )


def _kept_features(
    cohort: AnnData, dropped: Mapping[str, str]
) -> tuple[NDArray[np.int64], tuple[DroppedFeatures, ...]]:
    """Return the places of the features that stay, and those left out by reason."""
    names = [str(name) for name in cohort.var_names]
    kept = np.array([i for i, name in enumerate(names) if name not in dropped], dtype=np.int64)
    if names and not len(kept):
        first = next(iter(dropped.values()))
        message = f"all {len(names)} features are left out (first: {first}); lower the threshold"
        raise CohortError(message)
    by_reason: dict[str, list[str]] = {}
    for name in names:
        if name in dropped:
            by_reason.setdefault(dropped[name], []).append(name)
    return kept, tuple(DroppedFeatures(why, len(f), tuple(f)) for why, f in by_reason.items())


def _dense(cohort: AnnData) -> NDArray[np.float64]:
    """Return the feature values as a dense float64 array, infinities refused."""
    if cohort.X is None or cohort.n_vars == 0:
        message = "the cohort has no feature columns; there is nothing to explain"
        raise CohortError(message)
    matrix = cohort.X.toarray() if hasattr(cohort.X, "toarray") else cohort.X
    values = np.asarray(matrix, dtype=np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        name = cohort.var_names[int(np.argmax(infinite.any(axis=0)))]
        message = f"feature {name!r} is infinite in {infinite.sum()} cells; make them missing"
        raise CohortError(message)
    return values


def _refuse_repeated(samples: NDArray[np.str_], clinical: pd.DataFrame, groups: str | None) -> None:
    """Raise when a patient has several rows and nothing says which rows belong together."""
    named = pd.Series(samples)
    patients = clinical.get("patient_id", pd.Series(dtype=object))
    found = [("row name", named)] if groups else [("row name", named), ("patient_id", patients)]
    for label, names in found:
        repeated = names[names.duplicated(keep=False)]
        if len(repeated):
            first = str(repeated.iloc[0])
            n = int((repeated == repeated.iloc[0]).sum())
            message = (
                f"patient {first!r} has {n} rows in the cohort ({label}), so maybe two folds; "
                "aggregate to one row a patient, or name the rows apart and say with groups "
                "(--groups) which column holds the patient"
            )
            raise CohortError(message, patient=first)


def _refuse_doubled(columns: Columns) -> None:
    """Raise when the target is also a group, a site, a fold or a covariate."""
    if columns.target in (*columns.covariates, *columns.keys.values()):
        message = (
            f"column {columns.target!r} is the target and cannot also be a covariate, the groups, "
            "the site or the folds"
        )
        raise CohortError(message)


def _refuse_two_sites(patients: NDArray[np.str_], sites: NDArray[np.str_] | None) -> None:
    """Raise when a patient was seen at two sites: neither could be held out whole."""
    if sites is None:
        return
    seen: dict[str, str] = {}
    for patient, site in zip(patients.tolist(), sites.tolist(), strict=True):
        first = seen.setdefault(patient, site)
        if first != site:
            message = (
                f"patient {patient!r} is at site {first!r} and at site {site!r}; whole sites "
                "cannot be held out unless each patient is at one"
            )
            raise CohortError(message, patient=patient)


def _patients_by_class(
    codes: NDArray[np.int64], patients: NDArray[np.str_], n_classes: int
) -> list[int]:
    """Count the patients with a row of each class; one with rows of two counts in both."""
    return [len(np.unique(patients[codes == k])) for k in range(n_classes)]


def _refuse_constant(values: NDArray[np.float64]) -> None:
    """Raise when no feature has two different values."""
    filled = np.where(np.isnan(values), -np.inf, values)
    lowest = np.where(np.isnan(values), np.inf, values).min(axis=0)
    if not (filled.max(axis=0) > lowest).any():
        message = f"none of the {values.shape[1]} features varies between patients"
        raise CohortError(message)


def _flow(
    samples: NDArray[np.str_],
    target: Target,
    values: NDArray[np.float64],
    keys: Mapping[str, pd.Series[Any]],
) -> tuple[NDArray[np.bool_], tuple[LostPatients, ...]]:
    """Return which rows stay, and which are lost for which (first) reason."""
    keep = np.ones(len(samples), dtype=bool)
    lost = []
    reasons = [
        (f"no value in {target.column!r}", target.codes < 0),
        ("no feature is defined", np.isnan(values).all(axis=1)),
        *((f"no value in {column.name!r}", column.isna().to_numpy()) for column in keys.values()),
    ]
    for reason, is_lost in reasons:
        names = samples[keep & is_lost]
        if len(names):
            lost.append(LostPatients(reason, len(names), tuple(names.tolist())))
        keep &= ~is_lost
    return keep, tuple(lost)


def _encode(
    clinical: pd.DataFrame, covariates: Sequence[str]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Turn covariates into numbers: numeric as they are, text as one column a later category."""
    columns: list[NDArray[np.float64]] = []
    names: list[str] = []
    for name in covariates:
        column = find_column(clinical, name, role="covariate")
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan))
            names.append(name)
            continue
        levels = sorted(column.dropna().astype(str).unique())
        if len(levels) > MAX_LEVELS:
            message = (
                f"covariate {name!r} has {len(levels)} categories (at most {MAX_LEVELS}); "
                "is it an identifier?"
            )
            raise CohortError(message)
        missing = column.isna().to_numpy()
        for level in levels[1:]:
            is_level = (column.astype(str) == level).to_numpy().astype(float)
            columns.append(np.where(missing, np.nan, is_level))
            names.append(f"{name}={level}")
    coded = np.column_stack(columns) if columns else np.empty((len(clinical), 0))
    return coded, tuple(names)


def _describe(cohort: AnnData, column: str, kept: NDArray[np.int64]) -> tuple[str, ...]:
    """Return a text column of the feature table, empty where there is none."""
    if column not in cohort.var.columns:
        return ("",) * len(kept)
    texts: list[Any] = cohort.var[column].iloc[kept].tolist()
    return tuple("" if pd.isna(text) else str(text) for text in texts)
