"""Arrays out of a cohort table: features, class codes, groups, covariates, and who was lost.

Not for fitted state: imputing and scaling happen inside the folds (`models`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathexplain.diagnosis.result import LostPatients, TargetSummary
from pathexplain.diagnosis.target import (
    Target,
    check_class_sizes,
    find_column,
    parse_target,
)
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Inputs", "read_inputs"]

MAX_LEVELS = 10


@dataclass(frozen=True)
class Inputs:
    """Aligned arrays of the patients that are analyzed, in the order of their names.

    Attributes
    ----------
    values : (n, p) float64
        Feature values in their own units, NaN where undefined.
    codes : (n,) int64
        Class of each patient, index into ``target.classes``.
    groups : (n,) str or None
        What must stay in one fold (a site), None without such a column.
    clinical : (n, q) float64
        Covariates as numbers (one column per category but the first), NaN where missing.
    """

    patients: tuple[str, ...]
    features: tuple[str, ...]
    units: tuple[str, ...]
    definitions: tuple[str, ...]
    values: NDArray[np.float64]
    target: TargetSummary
    codes: NDArray[np.int64]
    groups: NDArray[np.str_] | None
    clinical: NDArray[np.float64]
    clinical_names: tuple[str, ...]


def read_inputs(
    cohort: AnnData,
    *,
    target: str,
    groups: str | None,
    covariates: Sequence[str],
    n_splits: int,
) -> Inputs:
    """Check a cohort and take from it what the analysis needs.

    Raises
    ------
    CohortError
        When a patient has several rows, a column is missing or doubles as the target, no feature
        varies, or a class is too small for the folds.
    """
    order = np.argsort(np.asarray(cohort.obs_names, dtype=str), kind="stable")
    clinical = cohort.obs.iloc[order]
    patients = np.asarray(cohort.obs_names, dtype=str)[order]
    _refuse_repeated(patients, clinical)
    _refuse_doubled(target, groups, covariates)
    parsed = parse_target(find_column(clinical, target, role="target"), column=target)
    values = _dense(cohort)[order]
    columns = find_column(clinical, groups, role="groups") if groups is not None else None
    keep, lost = _flow(patients, parsed, values, columns)
    counts = np.bincount(parsed.codes[keep], minlength=len(parsed.classes))
    check_class_sizes(counts.tolist(), parsed, n_splits=n_splits)
    _refuse_constant(values[keep])
    coded, names = _encode(clinical.iloc[np.flatnonzero(keep)], covariates)
    return Inputs(
        patients=tuple(patients[keep].tolist()),
        features=tuple(str(name) for name in cohort.var_names),
        units=_describe(cohort, "unit"),
        definitions=_describe(cohort, "definition"),
        values=values[keep],
        target=_summarize(parsed, counts, lost, n_features=values.shape[1]),
        codes=parsed.codes[keep],
        groups=None if columns is None else columns.to_numpy()[keep].astype(str),
        clinical=coded,
        clinical_names=names,
    )


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


def _refuse_repeated(patients: NDArray[np.str_], clinical: pd.DataFrame) -> None:
    """Raise when a patient has several rows: the patient is the unit of all that follows."""
    for label, names in (
        ("row name", pd.Series(patients)),
        ("patient_id", clinical.get("patient_id", pd.Series(dtype=object))),
    ):
        repeated = names[names.duplicated(keep=False)]
        if len(repeated):
            first = str(repeated.iloc[0])
            n = int((repeated == repeated.iloc[0]).sum())
            message = (
                f"patient {first!r} has {n} rows in the cohort ({label}); "
                "aggregate to one row a patient first, or a patient would be in two folds"
            )
            raise CohortError(message, patient=first)


def _refuse_doubled(target: str, groups: str | None, covariates: Sequence[str]) -> None:
    """Raise when the target is also a group or a covariate."""
    if target in covariates or target == groups:
        message = f"column {target!r} is the target and cannot also be a covariate or the groups"
        raise CohortError(message)


def _refuse_constant(values: NDArray[np.float64]) -> None:
    """Raise when no feature has two different values."""
    filled = np.where(np.isnan(values), -np.inf, values)
    lowest = np.where(np.isnan(values), np.inf, values).min(axis=0)
    if not (filled.max(axis=0) > lowest).any():
        message = f"none of the {values.shape[1]} features varies between patients"
        raise CohortError(message)


def _flow(
    patients: NDArray[np.str_],
    target: Target,
    values: NDArray[np.float64],
    groups: pd.Series | None,
) -> tuple[NDArray[np.bool_], tuple[LostPatients, ...]]:
    """Return who stays, and who is lost for which (first) reason."""
    keep = np.ones(len(patients), dtype=bool)
    lost = []
    reasons = [
        (f"no value in {target.column!r}", target.codes < 0),
        ("no feature is defined", np.isnan(values).all(axis=1)),
    ]
    if groups is not None:
        reasons.append((f"no value in {groups.name!r}", groups.isna().to_numpy()))
    for reason, is_lost in reasons:
        names = patients[keep & is_lost]
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


def _describe(cohort: AnnData, column: str) -> tuple[str, ...]:
    """Return a text column of the feature table, empty where there is none."""
    if column not in cohort.var.columns:
        return ("",) * int(cohort.n_vars)
    texts: list[Any] = cohort.var[column].tolist()
    return tuple("" if pd.isna(text) else str(text) for text in texts)


def _summarize(
    target: Target,
    counts: NDArray[np.int64],
    lost: tuple[LostPatients, ...],
    *,
    n_features: int,
) -> TargetSummary:
    """Describe the target as it is analyzed."""
    return TargetSummary(
        column=target.column,
        classes=target.classes,
        counts=tuple(counts.tolist()),
        positive=target.positive,
        n_patients=int(counts.sum()),
        n_features=n_features,
        lost=lost,
    )
