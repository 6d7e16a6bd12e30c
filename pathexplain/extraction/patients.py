"""Which patient a slide belongs to, and what is known of that patient at the start of a run.

Not for outcomes joined later: `cohort.read_cohort` does that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.errors import CohortError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

__all__ = ["PatientTable", "clinical_by_patient", "read_patients"]

EXAMPLES = 5
SHOWN_AT_MOST = 20


@dataclass(frozen=True, eq=False)
class PatientTable:
    """Slides and their patients.

    Parameters
    ----------
    patient_of : dict of str to str
        Patient of every slide that has one.
    clinical : DataFrame or None
        One row a patient, indexed by patient; None when each slide stands for its own patient.
    without_patient : tuple of str
        Slides that the patients file does not name.
    is_assumed : bool
        No patients file was given, so each slide counts as one patient.
    """

    patient_of: dict[str, str]
    clinical: pd.DataFrame | None
    without_patient: tuple[str, ...] = ()
    is_assumed: bool = False


def read_patients(path: str | Path | None, *, slide_ids: Iterable[str]) -> PatientTable:
    """Read a CSV file with `slide_id`, `patient_id` and clinical columns.

    Parameters
    ----------
    path : path or None
        None: each slide is its own patient.
    slide_ids : iterable of str
        The slides of the run.

    Returns
    -------
    PatientTable

    Raises
    ------
    CohortError
        When a column is missing, a slide is named twice, a patient has two different values in a
        clinical column, or no slide of the run is named.
    """
    slides = list(slide_ids)
    if path is None:
        return PatientTable({slide: slide for slide in slides}, None, is_assumed=True)
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"slide_id": str, "patient_id": str})
    except (OSError, ValueError) as error:
        message = f"patients file {path} cannot be read: {unreadable(error)}"
        raise CohortError(message, path=str(path)) from error
    _check_columns(table, path)
    known = dict(zip(table["slide_id"], table["patient_id"], strict=True))
    missing = tuple(slide for slide in slides if slide not in known)
    if slides and len(missing) == len(slides):
        message = (
            f"{path} names none of the {len(slides)} slides; slide ids of the run: "
            f"{', '.join(slides[:EXAMPLES])}; of the file: {', '.join(list(known)[:EXAMPLES])}"
        )
        raise CohortError(message, path=str(path))
    patient_of = {slide: known[slide] for slide in slides if slide in known}
    clinical = clinical_by_patient(table.drop(columns="slide_id"), patient="patient_id", path=path)
    return PatientTable(patient_of, clinical, missing)


def _check_columns(table: pd.DataFrame, path: str | Path) -> None:
    """Refuse a file without ids, and slides that stand in it twice."""
    for column in ("slide_id", "patient_id"):
        if column not in table:
            message = (
                f"{path} has no column {column!r}; it has {', '.join(map(str, table.columns))}"
            )
            raise CohortError(message, path=str(path))
        if table[column].isna().any():
            row = int(table[column].isna().to_numpy().argmax()) + 2
            message = f"{path}:{row}: {column} is empty"
            raise CohortError(message, path=str(path), line=row)
    repeated = table["slide_id"][table["slide_id"].duplicated()].unique()
    if len(repeated):
        message = f"{path} names {len(repeated)} slides twice: {', '.join(repeated[:EXAMPLES])}"
        raise CohortError(message, path=str(path))


def clinical_by_patient(table: pd.DataFrame, *, patient: str, path: str | Path) -> pd.DataFrame:
    """One row a patient of a table with one row a slide or visit; empty cells are filled in.

    Raises
    ------
    CohortError
        When a patient has two different values in one column; all such cases are listed.
    """
    columns = [column for column in table.columns if column != patient]
    grouped = table.groupby(patient, sort=True)
    n_values = grouped[columns].nunique() if columns else None
    if n_values is not None and bool((n_values > 1).any(axis=None)):
        places = [
            f"{identity}: {column} is "
            + " and ".join(
                map(str, table.loc[table[patient] == identity, column].dropna().unique())
            )
            for column in columns
            for identity in n_values.index[n_values[column] > 1]
        ]
        message = (
            f"{path}: contradictory values in one patient: {'; '.join(places[:SHOWN_AT_MOST])}"
        )
        if len(places) > SHOWN_AT_MOST:
            message += f"; and {len(places) - SHOWN_AT_MOST} more"
        raise CohortError(message, path=str(path))
    return grouped.first()
