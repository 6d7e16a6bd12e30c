"""What a diagnosis rests on: options, one call, and the paths of the report.

Heavy imports stay inside the functions, so that `--help` needs none of them.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pathexplain.cli.output import Bars, Flag, note, say

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
    site: str | None = None,
    folds: str | None = None,
    covariates: Names = (),
    order: Names = (),
    robustness: Path | None = None,
    min_icc: float = 0.75,
    clinical: Path | None = None,
    clinical_columns: Names = (),
    patient: str = "patient_id",
    sample: str | None = None,
    out: Path | None = None,
    jobs: int = 1,
    splits: int = 5,
    permutations: int = 59,
    refits: int = 200,
    figures: Flag = False,
    seed: int = 0,
) -> None:
    """Ask which features a diagnosis rests on; write a report, its figures and its numbers.

    Parameters
    ----------
    cohort
        Run folder, .h5ad, or CSV: one row a patient, or with --groups one row a slide or image.
    target
        Clinical column to predict.
    groups
        Clinical column that names the patient, where a patient has several rows.
    site
        Clinical column, such as the hospital, whose values are held out whole.
    folds
        Clinical column that says in which fold a row is held out. Default: folds are drawn.
    covariates
        Clinical columns to compare with; several with commas, or the option again.
    order
        Classes of the target from low to high, with commas: the target is then ordinal.
    robustness
        Folder of `pathexplain robustness`: features that do not last are left out.
    min_icc
        With --robustness: least intraclass correlation of a feature that stays.
    clinical
        CSV with one row a patient, joined to the cohort.
    clinical_columns
        For a cohort in a CSV: its columns that are no features. Default: told by their names.
    patient
        Column that names the patient.
    sample
        For a cohort in a CSV with several rows a patient: the column that names the rows.
    out
        Folder of the report. Default: importance/ beside the cohort's table.
    jobs
        Processes; the numbers are the same for any.
    splits
        Outer folds.
    permutations
        Permutations of the labels that each model is compared with.
    refits
        Bootstraps of patients with a new fit, for the stability of ranks.
    figures
        Also write every figure as SVG and PNG, to figures/ in the folder of the report.
    seed
        Seed of folds, models and permutations.
    """
    from pathexplain.cohort import read_cohort
    from pathexplain.diagnosis import importance as run
    from pathexplain.report import importance_figures, write_figures, write_report

    table = read_cohort(
        cohort,
        clinical=clinical,
        patient=patient,
        sample=sample,
        clinical_columns=names(clinical_columns) or None,
    )
    note_columns(table)
    folder = report_folder(out, cohort, "importance")
    options: dict[str, Any] = {"covariates": names(covariates), "order": names(order)}
    options |= {"n_splits": splits, "n_permutations": permutations, "n_refits": refits}
    options |= {"robustness": robustness, "min_icc": min_icc}
    options |= {"groups": groups, "site": site, "folds": folds, "seed": seed}
    with Bars() as bars:
        result = run(
            table, target=target, jobs=jobs, progress=bars.stage, checkpoint=folder, **options
        )
    if figures:
        write_figures(importance_figures(result), folder / "figures")
    show_paths(write_report(result, folder, run=cohort))


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
