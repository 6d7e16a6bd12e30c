"""Read the folder of `pathexplain robustness`: the one reader for all later stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pathexplain.errors import CohortError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ICC_COLUMNS", "read_conditions", "read_robustness", "robust_features"]

ICC_COLUMNS = (
    "feature", "perturbation", "icc", "icc_low", "icc_high", "n_patients", "n_conditions", "reason",
)  # fmt: skip
"""Columns of ``icc.csv``."""


def read_robustness(folder: str | Path) -> pd.DataFrame:
    """Read ``icc.csv`` of a folder.

    Returns
    -------
    DataFrame
        Columns `ICC_COLUMNS`, one row a feature and perturbation.

    Raises
    ------
    CohortError
        The file is missing, or has not these columns.
    """
    path = Path(folder) / "icc.csv"
    try:
        text = dict.fromkeys(("feature", "perturbation", "reason"), str)
        table = pd.read_csv(path, dtype=text)
    except (OSError, ValueError) as error:
        message = (
            f"{path} cannot be read: {unreadable(error)}; make it with `pathexplain robustness`"
        )
        raise CohortError(message, path=str(path)) from error
    missing = [column for column in ICC_COLUMNS if column not in table]
    if missing:
        message = f"{path} has no columns {', '.join(missing)}; is it of `pathexplain robustness`?"
        raise CohortError(message, path=str(path))
    table["reason"] = table["reason"].fillna("")
    return table[list(ICC_COLUMNS)]


def read_conditions(folder: str | Path) -> dict[str, pd.DataFrame]:
    """Read ``patients_<condition>.csv`` of a folder.

    Returns
    -------
    dict of str to DataFrame
        Condition to its table: one row a patient, indexed by `patient_id`, one column a feature.

    Raises
    ------
    CohortError
        A table cannot be read, has no column `patient_id`, or has a patient twice.
    """
    found = {}
    for path in sorted(Path(folder).glob("patients_*.csv")):
        try:
            table = pd.read_csv(path, dtype={"patient_id": str})
        except (OSError, ValueError) as error:
            message = (
                f"{path} cannot be read: {unreadable(error)}; make it with `pathexplain robustness`"
            )
            raise CohortError(message, path=str(path)) from error
        if "patient_id" not in table:
            message = f"{path} has no column 'patient_id'; is it of `pathexplain robustness`?"
            raise CohortError(message, path=str(path))
        if (again := table["patient_id"][table["patient_id"].duplicated()]).size:
            message = f"{path} has patient {again.iloc[0]!r} more than once"
            raise CohortError(message, path=str(path))
        found[path.stem.removeprefix("patients_")] = table.set_index("patient_id")
    return found


def robust_features(
    folder: str | Path,
    features: Iterable[str],
    *,
    min_icc: float = 0.75,
    perturbation: str = "all",
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Split features into those that last and those that do not.

    Parameters
    ----------
    folder : path
        Of `pathexplain robustness`.
    features : iterable of str
        Names to look up.
    min_icc : float
        Least ICC(2,1), at most 1.
    perturbation : str
        Whose ICC: "all", or one that was measured.

    Returns
    -------
    kept : tuple of str
        In the order given.
    dropped : dict of str to str
        The others, with the reason: ICC too low, undefined, or never measured.

    Raises
    ------
    CohortError
        The folder cannot be read, or has no such perturbation.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pd.DataFrame(columns=list(ICC_COLUMNS))
    ...     table["feature"], table["perturbation"] = ["a", "b"], "all"
    ...     table["icc"] = [0.91, 0.42]
    ...     table.to_csv(f"{folder}/icc.csv", index=False)
    ...     kept, dropped = robust_features(folder, ["a", "b"])
    >>> kept, dropped
    (('a',), {'b': 'ICC 0.42 over all conditions < 0.75'})
    """
    table = read_robustness(folder)
    part = table[table["perturbation"] == perturbation]
    found = zip(part["icc"].astype(float).tolist(), part["reason"].tolist(), strict=True)
    known = dict(zip(part["feature"].tolist(), found, strict=True))
    if not known:
        there = ", ".join(dict.fromkeys(table["perturbation"]))
        message = f"{folder} has no perturbation {perturbation!r}; it has {there}"
        raise CohortError(message, path=str(folder))
    kept, dropped = [], {}
    for name in features:
        if name not in known:
            dropped[name] = f"its robustness was not measured in {folder}"
            continue
        icc, reason = known[name]
        if icc >= min_icc:
            kept.append(name)
        else:
            dropped[name] = reason or f"ICC {icc:.2f} over {perturbation} conditions < {min_icc:g}"
    return tuple(kept), dropped
