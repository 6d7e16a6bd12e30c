"""The command `robustness`: its options, one call, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pathexplain.cli.output import Bars, Json, Several, columns, note, say, say_json

if TYPE_CHECKING:
    from pathexplain.robustness import RobustnessSummary

__all__ = ["robustness"]

SHARE_ROWS = (0.9, 0.75, 0.5)


def robustness(
    *slides: Path,
    prompts: Path,
    out: Path = Path("pathexplain-robustness"),
    segmentor: str | None = None,
    mpp: float | None = None,
    device: str = "auto",
    patients: Path | None = None,
    only: Several = (),
    as_json: Json = False,
) -> int:
    """Measure slides under changed conditions; say how far each feature agrees, ICC(2,1).

    Threshold, boundary, stain, resolution and wording are changed in turn. What is measured is
    kept, so the same command finishes an interrupted run.

    Parameters
    ----------
    slides
        Slides or folders. Default: the prompts file's, else all images of the working folder.
    prompts
        Prompts file (YAML).
    out
        Folder of the results: icc.csv, patients_CONDITION.csv, robustness.json.
    segmentor
        As for extract. Default: the prompts file's, else compact.
    mpp
        Resolution of the slides, um per pixel, for files that do not say it.
    device
        "auto", "cpu", "cuda" or "mps".
    patients
        CSV with slide_id and patient_id. Default: each slide is a patient.
    only
        Perturbation to try: threshold, boundary, stain, mpp or paraphrase; the option again for
        several. Default: all.
    as_json
        Print what was found as JSON.
    """
    from pathexplain.prompts import read_prompts
    from pathexplain.robustness import robustness as run
    from pathexplain.robustness.conditions import PERTURBATIONS

    prompt_set = read_prompts(prompts)
    for warning in prompt_set.warnings:
        note(f"warning: {warning}")
    with Bars() as bars:
        found = run(
            slides or None,
            prompts=prompt_set,
            out=out,
            segmentor=segmentor,
            mpp=mpp,
            device=device,
            patients=patients,
            perturbations=only or PERTURBATIONS,
            progress=bars.stage,
        )
    for failure in found.failed:
        note(f"failed: {failure}")
    if as_json:
        about = {"out": found.out, "conditions": found.conditions, "n_patients": found.n_patients}
        say_json({**about, "failed": found.failed, "icc": found.table.to_dict(orient="records")})
    else:
        _show(found)
    return found.exit_code


def _show(found: RobustnessSummary) -> None:
    """Print, for each perturbation, how many features agree how well."""
    table = found.table
    rows = [("perturbation", "features", "defined", *(f"ICC >= {x:g}" for x in SHARE_ROWS))]
    for name, part in table.groupby("perturbation", sort=False):
        icc = part["icc"].dropna()
        counts = (str(int((icc >= x).sum())) for x in SHARE_ROWS)
        rows.append((str(name), str(len(part)), str(len(icc)), *counts))
    note(f"{found.n_patients} patients, {len(found.conditions)} conditions")
    say(columns(rows))
    say(found.out / "icc.csv")
