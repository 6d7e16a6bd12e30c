"""Survival of a cohort, and a locked model in another: options, one call, paths of the report.

Heavy imports stay inside the functions, so that `--help` needs none of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import Annotated, Any

from cyclopts import Parameter

from pathexplain.cli.analyses import Column, Names, names, note_columns, report_folder, show_paths
from pathexplain.cli.output import Bars, note, say

__all__ = ["survival", "validate"]

Times = Annotated[tuple[str, ...], Parameter(show_default=False)]
Cuts = Annotated[tuple[str, ...], Parameter(show_default=False)]
PIECES = ".pieces"


def survival(  # noqa: PLR0913 - one parameter an option
    cohort: Path,
    /,
    *,
    time: Column,
    event: Column,
    covariates: Names = (),
    strata: str | None = None,
    entry: str | None = None,
    competing: str | None = None,
    site: str | None = None,
    horizons: Times = (),
    robustness: Path | None = None,
    min_icc: float = 0.75,
    cut: Cuts = (),
    alpha: float = 0.05,
    clinical: Path | None = None,
    clinical_columns: Names = (),
    patient: str = "patient_id",
    out: Path | None = None,
    lock: Path | None = None,
    jobs: int = 1,
    seed: int = 0,
) -> None:
    """Ask which features carry survival; write a report and its numbers.

    A stopped analysis goes on where it was when the same command is given again.

    Parameters
    ----------
    cohort
        Run folder, .h5ad, or CSV with one row a patient.
    time
        Clinical column with the time to event or to the end of follow-up.
    event
        Clinical column that is 1 where the event was seen, 0 where follow-up ended.
    covariates
        Clinical columns to adjust for; several with commas, or the option again.
    strata
        Clinical column whose values have baseline hazards of their own.
    entry
        Clinical column with the time at which observation began (delayed entry).
    competing
        Clinical column that is 1 where another event came first, or the number that says so in
        the event column (2).
    site
        Clinical column with the place of treatment. Default: the strata, or a column called site.
    horizons
        Times at which predicted survival is judged, with commas. Default: quartiles of events.
    robustness
        Folder of `pathexplain robustness`: features that are not repeatable are left out.
    min_icc
        Least intraclass correlation of a feature, with --robustness.
    cut
        A cut-point fixed beforehand, as FEATURE=VALUE; the option again for more.
    alpha
        False discovery rate of the screen.
    clinical
        CSV with one row a patient, joined to the cohort.
    clinical_columns
        For a cohort in a CSV: its columns that are no features. Default: told by their names.
    patient
        Column that names the patient.
    out
        Folder of the report. Default: survival/ beside the cohort's table.
    lock
        File to write the final model to, for `pathexplain validate`.
    jobs
        Processes; the result does not depend on it.
    seed
        Seed of all resampling.
    """
    from pathexplain.cohort import read_cohort
    from pathexplain.prognosis import survival as run
    from pathexplain.prognosis import write_model
    from pathexplain.report import write_report

    table = read_cohort(
        cohort, clinical=clinical, patient=patient, clinical_columns=names(clinical_columns) or None
    )
    note_columns(table)
    folder = report_folder(out, cohort, "survival")
    options: dict[str, Any] = {
        "covariates": names(covariates),
        "strata": strata,
        "entry": entry,
        "competing": competing,
        "site": site,
        "horizons": _times(horizons),
        "robustness": robustness,
        "min_icc": min_icc,
        "cuts": _cuts(cut),
        "alpha": alpha,
        "seed": seed,
    }
    pieces = folder / PIECES
    with Bars() as bars:
        result = run(
            table,
            time=time,
            event=event,
            jobs=jobs,
            checkpoint=pieces,
            progress=bars.stage,
            **options,
        )
    paths = write_report(result, folder, run=cohort)
    shutil.rmtree(pieces, ignore_errors=True)
    if lock is not None:
        _lock(result.model, result.final_reason, lock, write_model)
    show_paths(paths)


def validate(  # noqa: PLR0913 - one parameter an option
    model: Path,
    cohort: Path,
    /,
    *,
    time: str | None = None,
    event: str | None = None,
    mpp: float | None = None,
    clinical: Path | None = None,
    clinical_columns: Names = (),
    patient: str = "patient_id",
    out: Path | None = None,
    seed: int = 0,
) -> None:
    """Apply a locked survival model to a new cohort, unchanged; write a report and its numbers.

    Parameters
    ----------
    model
        File that `pathexplain survival --lock` wrote.
    cohort
        Run folder, .h5ad, or CSV with one row a patient.
    time
        Clinical column with the time, where it is not called as at development.
    event
        Clinical column with the event, where it is not called as at development.
    mpp
        Micrometers per pixel of the new cohort, where its table does not say.
    clinical
        CSV with one row a patient, joined to the cohort.
    clinical_columns
        For a cohort in a CSV: its columns that are no features. Default: told by their names.
    patient
        Column that names the patient.
    out
        Folder of the report. Default: validation/ beside the cohort's table.
    seed
        Seed of the bootstrap.
    """
    from pathexplain.cohort import read_cohort
    from pathexplain.prognosis import validate as run
    from pathexplain.report import write_report

    table = read_cohort(
        cohort, clinical=clinical, patient=patient, clinical_columns=names(clinical_columns) or None
    )
    note_columns(table)
    result = run(model, table, time=time, event=event, mpp=mpp, seed=seed)
    show_paths(write_report(result, report_folder(out, cohort, "validation"), run=cohort))


def _times(given: tuple[str, ...]) -> tuple[float, ...]:
    """Read times that were given with commas."""
    from pathexplain.errors import CohortError

    try:
        return tuple(float(item) for item in names(given))
    except ValueError as error:
        message = f"--horizons takes numbers with commas, not {', '.join(given)!r}"
        raise CohortError(message) from error


def _cuts(given: tuple[str, ...]) -> dict[str, float]:
    """Read cut-points, FEATURE=VALUE each."""
    from pathexplain.errors import CohortError

    cuts = {}
    for item in given:
        feature, _, value = item.rpartition("=")
        try:
            cuts[feature] = float(value)
        except ValueError as error:
            message = f"--cut takes FEATURE=VALUE with a number, not {item!r}"
            raise CohortError(message) from error
    return cuts


def _lock(model: Any, reason: str, path: Path, write: Any) -> None:
    """Write the locked model, or say why there is none."""
    if model is None:
        note(f"nothing to lock: {reason}")
        return
    say(write(model, path))
