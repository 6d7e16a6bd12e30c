"""The patient table: read from a run, a file or a CSV, joined with outcomes; who was lost and why.

Not for statistics: `diagnosis` and `prognosis` take what `read_cohort` returns.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathexplain.errors import CohortError, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import anndata

__all__ = ["CLINICAL_WORDS", "VAR_COLUMNS", "read_cohort"]

COHORT_FILE = "cohort.h5ad"
EXAMPLES = 5
VAR_COLUMNS = ("prompt", "family", "feature", "statistic", "unit", "definition", "source", "kind")
"""Columns of `var`, always there; "unknown" where a table does not say."""

CLINICAL_WORDS = frozenset(
    "time times event events status vital death dead deceased alive survival os dss dfi dfs pfi "  # noqa: SIM905 - words read best as words
    "pfs rfs relapse recurrence recurred progression censor censored followup followed days months "
    "years day month year date age sex gender race ethnicity stage grade pt pn pm tnm node nodes "
    "lymphnodes er pr her2 diagnosis label label2 class outcome response treatment therapy arm "
    "site center centre hospital batch cohort split fold slide slides slide_id cancer subtype "
    "histology size_cm subject case patient patients image sample tissue_area".split()
)
"""Words that mark a numeric column of a plain CSV as clinical, not as a feature."""

_UNIT = re.compile(r"_(um2|um|mm2|px|deg|per_mm2|per_um|percent)(?:_|$)")
_UNITS = {
    "um2": "um^2", "um": "um", "mm2": "mm^2", "px": "px", "deg": "deg", "per_mm2": "1/mm^2",
    "per_um": "1/um", "percent": "%",
}  # fmt: skip


def read_cohort(
    path: str | Path,
    *,
    clinical: str | Path | pd.DataFrame | None = None,
    patient: str = "patient_id",
    sample: str | None = None,
    clinical_columns: Sequence[str] | None = None,
) -> anndata.AnnData:
    r"""Read a patient table, and join clinical columns to it.

    Parameters
    ----------
    path : path
        Run folder of `extract`, an ``.h5ad`` file with one row a patient, or a ``.csv`` file.
    clinical : path or DataFrame, optional
        CSV file (or table) with one row a patient, and a column named `patient`. Only patients in
        both tables are kept; who is lost is reported. A table of slides (``slides.h5ad`` of a run,
        or a CSV with `sample`) is joined by its own column `patient`.
    patient : str
        Column with the patient's id, in the CSV files.
    sample : str, optional
        For a plain CSV with several rows a patient: the column that names the rows.
    clinical_columns : sequence of str, optional
        For a plain CSV: the columns that are not features. Default: columns that are not numeric,
        and numeric ones with a word such as "time", "event", "age" or "stage" in their name
        (`CLINICAL_WORDS`); what was decided is in ``uns["pathexplain"]["clinical_columns"]``.

    Returns
    -------
    AnnData
        `obs`: one row a patient, named by id; `var`: prompt, family, feature, statistic, unit,
        definition, source, kind ("unknown" where nobody said); ``X`` float64 with NaN for
        undefined; ``layers["n"]``: number of objects behind a value, NaN where unknown;
        ``uns["pathexplain"]["flow"]``: how many patients, and who was lost and why.

    Raises
    ------
    CohortError
        When the file cannot be read or has no features, a patient stands twice, a feature is not
        numeric, or the two tables have no patient in common.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "t.csv"
    ...     _ = file.write_text("patient_id,time_months,event,area_um2\nA,3,1,20\nB,9,0,\n")
    ...     cohort = read_cohort(file)
    >>> list(cohort.var_names), list(cohort.obs.columns), cohort.var.loc["area_um2", "unit"]
    (['area_um2'], ['time_months', 'event'], 'um^2')
    """
    source = Path(path)
    if source.suffix.lower() == ".csv":
        cohort = _from_csv(source, sample or patient, clinical_columns, patient=patient)
    else:
        cohort = _from_h5ad(source / COHORT_FILE if source.is_dir() else source)
    _check_table(cohort, source)
    if clinical is not None:
        cohort = _join(cohort, _clinical_table(clinical, patient), source, patient)
    about = dict(cohort.uns.get("pathexplain", {}))
    about["flow"] = {**_plain_flow(about.get("flow", {})), "n_patients": cohort.n_obs}
    cohort.uns["pathexplain"] = about
    return cohort


def _from_h5ad(path: Path) -> anndata.AnnData:
    """Read an AnnData file and complete what analyses rely on."""
    import anndata

    if not path.is_file():
        message = (
            f"no patient table at {path}; give a run folder of `pathexplain extract`, an .h5ad "
            "file or a .csv file"
        )
        raise CohortError(message, path=str(path))
    try:
        table = anndata.read_h5ad(path)
    except (OSError, ValueError, KeyError) as error:
        message = f"{path} is not an AnnData file that can be read: {error}"
        raise CohortError(message, path=str(path)) from error
    if table.X is None:
        message = f"{path} has no values (X)"
        raise CohortError(message, path=str(path))
    values = table.X if isinstance(table.X, np.ndarray) else table.X.toarray()
    if values.dtype.kind not in "iuf":
        message = f"{path}: the values (X) are {values.dtype}, not numbers"
        raise CohortError(message, path=str(path))
    table.X = values.astype(np.float64)
    _complete(table)
    return table


def _complete(table: anndata.AnnData) -> None:
    """Add counts and columns of `var` that a table made elsewhere lacks; categories become text."""
    if "n" not in table.layers:
        table.layers["n"] = np.full(table.shape, np.nan)
    named = _feature_frame(list(table.var_names))
    for column in VAR_COLUMNS:
        if column not in table.var:
            table.var[column] = named[column]
    for column in table.obs.columns:
        if isinstance(table.obs[column].dtype, pd.CategoricalDtype):
            table.obs[column] = table.obs[column].astype(object)


def _from_csv(
    path: Path, row: str, clinical_columns: Sequence[str] | None, *, patient: str
) -> anndata.AnnData:
    """Read a plain CSV: numeric columns that are not clinical are features; `row` names rows."""
    import anndata

    table = _read_csv(path, row, text=patient)
    chosen = _clinical_names(table, clinical_columns, path)
    features = [column for column in table.columns if column not in chosen]
    text = [column for column in features if not pd.api.types.is_numeric_dtype(table[column])]
    if text:
        message = (
            f"{path}: {len(text)} features are not numeric: {', '.join(text[:EXAMPLES])}; name "
            "them as clinical columns or mend their values"
        )
        raise CohortError(message, path=str(path))
    if not features:
        message = f"{path} has no numeric column that is not clinical, so no feature"
        raise CohortError(message, path=str(path))
    cohort = anndata.AnnData(
        table[features].to_numpy(np.float64),
        obs=table[chosen].copy(),
        var=_feature_frame(features),
        layers={"n": np.full((len(table), len(features)), np.nan)},
    )
    cohort.uns["pathexplain"] = {"clinical_columns": list(chosen)}
    return cohort


def _read_csv(path: Path, patient: str, *, text: str = "") -> pd.DataFrame:
    """Table indexed by patient id (text), each patient once; the column `text` is text too."""
    try:
        table = pd.read_csv(path, dtype={patient: str, text: str} if text else {patient: str})
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {unreadable(error)}"
        raise CohortError(message, path=str(path)) from error
    return _by_patient(table, patient, str(path))


def _by_patient(table: pd.DataFrame, patient: str, source: str) -> pd.DataFrame:
    """Index a table by patient id, and refuse empty and repeated ids."""
    if patient not in table:
        columns = ", ".join(map(str, table.columns[:20]))
        message = (
            f"{source} has no column {patient!r} with patient ids; name the one that has them "
            f"(patient=, --patient) among: {columns}"
        )
        raise CohortError(message, path=source)
    if table[patient].isna().any():
        row = int(table[patient].isna().to_numpy().argmax()) + 2
        message = f"{source}:{row}: the patient id is empty"
        raise CohortError(message, path=source, line=row)
    indexed = table.set_index(table[patient].astype(str)).drop(columns=patient)
    indexed.index.name = None
    _check_unique(indexed.index, source)
    return indexed


def _check_unique(patients: pd.Index[str], source: str) -> None:
    """Refuse a table in which a patient stands twice."""
    repeated = patients[patients.duplicated()].unique()
    if len(repeated):
        names = ", ".join(map(str, repeated[:EXAMPLES]))
        message = f"{source}: {len(repeated)} patients stand in several rows: {names}"
        raise CohortError(message, path=source, patient=str(repeated[0]))


def _clinical_names(table: pd.DataFrame, given: Sequence[str] | None, path: Path) -> list[str]:
    """Columns of a plain CSV that are not features."""
    if given is not None:
        missing = [column for column in given if column not in table]
        if missing:
            message = f"{path} has no columns {', '.join(missing)}"
            raise CohortError(message, path=str(path))
        return [column for column in table.columns if column in set(given)]
    return [
        column
        for column in table.columns
        if not pd.api.types.is_numeric_dtype(table[column]) or _is_clinical_name(str(column))
    ]


def _is_clinical_name(column: str) -> bool:
    """Whether a column's name has a clinical word; names of our features never do.

    Examples
    --------
    >>> _is_clinical_name("OS.time"), _is_clinical_name("lymphocyte.shape.area_um2.median")
    (True, False)
    """
    if column.count(".") == 3:  # noqa: PLR2004 - prompt.family.feature.statistic
        return False
    words = re.split(r"[^a-z0-9]+", column.lower())
    return any(word in CLINICAL_WORDS for word in (*words, *map("_".join, pairwise(words))))


def _feature_frame(features: Sequence[str]) -> pd.DataFrame:
    """`var` read from names alone: ``prompt.family.feature.statistic`` and a unit in the name."""
    rows = []
    for name in features:
        parts = name.split(".")
        full = len(parts) == 4  # noqa: PLR2004 - prompt.family.feature.statistic
        prompt, family, feature, statistic = parts if full else ("", "", name, "")
        unit = _UNIT.search(feature)
        words = {
            "prompt": prompt, "family": family, "feature": feature, "statistic": statistic,
            "unit": _UNITS[unit.group(1)] if unit else "",
        }  # fmt: skip
        rows.append({column: words.get(column) or "unknown" for column in VAR_COLUMNS})
    return pd.DataFrame(rows, columns=list(VAR_COLUMNS), dtype=object).set_axis(list(features))


def _check_table(cohort: anndata.AnnData, source: Path) -> None:
    """Refuse tables that no analysis can use."""
    _check_unique(cohort.obs_names, str(source))
    if not cohort.n_obs or not cohort.n_vars:
        message = f"{source} has {cohort.n_obs} patients and {cohort.n_vars} features"
        raise CohortError(message, path=str(source))
    repeated = cohort.var_names[cohort.var_names.duplicated()]
    if len(repeated):
        message = (
            f"{source}: {len(repeated)} features stand twice: {', '.join(repeated[:EXAMPLES])}"
        )
        raise CohortError(message, path=str(source))
    infinite = np.isinf(np.asarray(cohort.X)).any(axis=0)
    if infinite.any():
        names = ", ".join(cohort.var_names[infinite][:EXAMPLES])
        message = (
            f"{source}: {int(infinite.sum())} features are infinite: {names}; undefined is NaN"
        )
        raise CohortError(message, path=str(source))


def _clinical_table(clinical: str | Path | pd.DataFrame, patient: str) -> pd.DataFrame:
    """Clinical columns by patient."""
    if isinstance(clinical, pd.DataFrame):
        return _by_patient(clinical, patient, "the clinical table")
    return _read_csv(Path(clinical), patient)


def _join(
    cohort: anndata.AnnData, clinical: pd.DataFrame, source: Path, patient: str
) -> anndata.AnnData:
    """Keep patients of both tables; say who is lost on either side."""
    named = cohort.obs.get(patient, cohort.obs_names)
    ours, theirs = [str(name) for name in named], list(clinical.index)
    is_kept = np.isin(ours, theirs)
    both = [name for name, kept in zip(ours, is_kept, strict=True) if kept]
    if not both:
        message = (
            f"no patient of {source} is in the clinical table; ids here: "
            f"{', '.join(ours[:EXAMPLES])}; ids there: {', '.join(theirs[:EXAMPLES])}"
        )
        raise CohortError(message, path=str(source))
    kept = cohort[is_kept].copy()
    for column in clinical.columns:
        if column in kept.var_names:
            message = f"clinical column {column!r} has the name of a feature; rename it"
            raise CohortError(message, path=str(source))
        kept.obs[column] = clinical.loc[both, column].to_numpy()
    about = dict(cohort.uns.get("pathexplain", {}))
    known = set(ours)
    about["flow"] = {
        **about.get("flow", {}),
        "patients_without_clinical": list(
            dict.fromkeys(name for name in ours if name not in clinical.index)
        ),
        "clinical_without_features": [name for name in theirs if name not in known],
    }
    kept.uns["pathexplain"] = about
    return kept


def _plain_flow(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return lists and Python numbers in place of the arrays that h5ad files return."""
    return {
        key: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for key, value in flow.items()
    }
