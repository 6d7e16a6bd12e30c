"""What a diagnosis rests on: options, one call, and the paths of the report.

Heavy imports stay inside the functions, so that `--help` needs none of them.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pathexplain.cli.output import note, say

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["importance"]

Column = Annotated[str, Parameter(required=True)]
Names = Annotated[tuple[str, ...], Parameter(show_default=False)]


def importance(  # noqa: PLR0913 - one parameter an option
    cohort: Path,
    /,
    *,
    target: Column,
    groups: str | None = None,
    covariates: Names = (),
    clinical: Path | None = None,
    clinical_columns: Names = (),
    patient: str = "patient_id",
    out: Path | None = None,
    seed: int = 0,
) -> None:
    """Ask which features a diagnosis rests on; write a report and its numbers.

    Parameters
    ----------
    cohort
        Run folder, .h5ad, or CSV with one row a patient.
    target
        Clinical column to predict.
    groups
        Clinical column, such as the site, whose values are kept together in a fold.
    covariates
        Clinical columns to compare with; several with commas, or the option again.
    clinical
        CSV with one row a patient, joined to the cohort.
    clinical_columns
        For a cohort in a CSV: its columns that are no features. Default: told by their names.
    patient
        Column that names the patient.
    out
        Folder of the report. Default: importance/ beside the cohort's table.
    seed
        Seed of folds, models and permutations.
    """
    from pathexplain.cohort import read_cohort
    from pathexplain.diagnosis import importance as run
    from pathexplain.report import write_report

    table = read_cohort(
        cohort,
        clinical=clinical,
        patient=patient,
        clinical_columns=names(clinical_columns) or None,
    )
    note_columns(table)
    result = run(table, target=target, groups=groups, covariates=names(covariates), seed=seed)
    show_paths(write_report(result, report_folder(out, cohort, "importance"), run=cohort))


def note_columns(table: AnnData) -> None:
    """Say on stderr what counts as clinical: a wrong guess would leak the answer."""
    clinical = ", ".join(map(str, table.obs.columns)) or "none"
    note(f"{table.n_obs} patients, {table.n_vars} features; clinical columns: {clinical}")


def names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Split names that were given with commas."""
    return tuple(name.strip() for item in given for name in item.split(",") if name.strip())


def report_folder(out: Path | None, cohort: Path, name: str) -> Path:
    """Folder of a report from the option, else beside the cohort's table."""
    return out if out is not None else (cohort if cohort.is_dir() else cohort.parent) / name


def show_paths(paths: tuple[Path, Path]) -> None:
    """Print the files of a report, the page last, where the eye is."""
    for path in paths:
        say(path)
