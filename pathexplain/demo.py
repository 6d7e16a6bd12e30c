"""The demo: a synthetic cohort with planted effects and one real image, through every stage.

Not evidence of anything about patients: it shows that the stages fit together and that what was
planted is found again, or says that it was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain import __version__
from pathexplain.cohort import read_cohort
from pathexplain.diagnosis import importance
from pathexplain.extraction import RunSummary, extract
from pathexplain.phantom import PhantomCohort, cohort, write_cohort
from pathexplain.prognosis import survival
from pathexplain.prompts import Prompt
from pathexplain.report.demonstration import (
    Check,
    Picture,
    demo_html,
)
from pathexplain.report.gallery import RunFolder
from pathexplain.report.overlay import outlines
from pathexplain.report.writing import write_report
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.serialization import write_json, write_text

if TYPE_CHECKING:
    from anndata import AnnData

    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.prognosis.result import SurvivalResult
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["real_tissue", "run_demo"]

REAL_MPP = 0.5
"""Assumed: scikit-image does not publish the resolution of its image."""
N_LEADING = 3
"""A planted diagnostic feature counts as found among so many leading clusters."""
FOUND_Q = 0.05
SIZE_FEATURES = ("area", "diameter", "axis", "perimeter", "feret", "radius")
DENSITY = "lymphocyte.aggregate.density_per_mm2.total"
MEAN_AREA = "nucleus.shape.area_um2.mean"
PROMPTS_YAML = """\
version: 1
mpp: 0.5
prompts:
  - {name: nucleus, structure: nuclei, object: nucleus, region: colon}
  - {name: lymphocyte, structure: nuclei, object: lymphocyte, region: colon}
features: [shape, stain]
"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Analyzed:
    """What the stages gave."""

    run: RunSummary
    table: AnnData
    importance: ImportanceResult
    survival: SurvivalResult


def run_demo(
    out: str | Path,
    *,
    n_patients: int = 48,
    seed: int = 0,
    segmentor: str | Segmentor | None = None,
    progress: Say | None = None,
) -> Path:
    """Make a phantom cohort, run every stage on it and on one real image, and write one report.

    Parameters
    ----------
    out : path
        Folder for images, tables, stores, results and ``demo.html``; made when it is not there.
        A second run with the same options uses the stores again.
    n_patients : int
        Synthetic patients, one field each.
    seed : int
        Same seed, same cohort and same numbers.
    segmentor : str or Segmentor, optional
        By default "compact", the weights that ship with the package.
    progress : callable, optional
        Called with one line of text at the start of each stage.

    Returns
    -------
    Path
        ``OUT/demo.html``, one self-contained page.
    """
    folder, say = Path(out), progress or _silent
    started = time.perf_counter()
    say("making the synthetic cohort")
    made = cohort(n_patients, seed=seed)
    images = write_cohort(made, folder / "images")
    prompts = write_text(folder / "prompts.yaml", PROMPTS_YAML)
    name = segmentor if segmentor is not None else "compact"
    model = load_segmentor(name) if isinstance(name, str) else name
    say(f"segmenting and measuring {len(images)} fields with {model.name!r}")
    run = extract(
        images,
        prompts=prompts,
        out=folder / "run",
        segmentor=model,
        mpp=made.mpp,
        patients=folder / "images" / "clinical.csv",
    )
    table = read_cohort(folder / "run")
    say("asking what the diagnosis rests on")
    rests = importance(
        table, target="diagnosis", seed=seed, n_permutations=39, n_bootstrap=300, n_refits=20
    )
    say("asking what carries survival")
    carries = survival(table, time="time_months", event="event", seed=seed)
    for result in (rests, carries):
        write_report(result, folder)
    analyzed = _Analyzed(run, table, rests, carries)
    say("segmenting one real image and writing the report")
    return _report(folder, made, model, analyzed, started=started)


def real_tissue() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the real tissue image that scikit-image ships, (512, 512, 3) uint8 RGB.

    Colon, immunohistochemistry: hematoxylin with DAB for FHL2 (Human Protein Atlas). It comes
    inside scikit-image's wheel; nothing is downloaded.

    Examples
    --------
    >>> real_tissue().shape
    (512, 512, 3)
    """
    from skimage import data

    return np.asarray(data.immunohistochemistry(), dtype=np.uint8)


def _silent(_line: str) -> None:
    """Say nothing."""


def _report(
    folder: Path, made: PhantomCohort, model: Segmentor, analyzed: _Analyzed, *, started: float
) -> Path:
    """Write the checks as JSON and the page."""
    checks = [diagnosis_check(made, analyzed.importance), survival_check(made, analyzed.survival)]
    write_json(folder / "checks.json", {"planted": made.truth, "checks": checks})
    patient_of = dict(zip(made.clinical["slide_id"], made.clinical["patient_id"], strict=True))
    units = {str(name): str(unit) for name, unit in analyzed.table.var["unit"].items()}
    html = demo_html(
        importance=analyzed.importance,
        survival=analyzed.survival,
        checks=checks,
        pictures=_pictures(made, model),
        run=RunFolder(folder / "run", patient_of=patient_of),
        units=units,
        planted_features=(MEAN_AREA, DENSITY),
        warnings=_warnings(model, analyzed.run),
        provenance={
            "pathexplain": __version__,
            "segmentor": f"{model.name}, licence {model.licence}",
            "weights sha256": model.weights_sha256 or "no weights",
            "seed": made.seed,
            "synthetic patients": len(made),
            "real image": "scikit-image, data.immunohistochemistry()",
            "seconds": round(time.perf_counter() - started),
        },
    )
    return write_text(folder / "demo.html", html)


def _warnings(model: Segmentor, run: RunSummary) -> list[str]:
    """List what a reader must know of the segmentation."""
    found = list(run.warnings)
    if model.weights_sha256 is None:
        found.append(
            "No trained weights were used: the masks come from color deconvolution, which cannot "
            "tell a lymphocyte from any other nucleus."
        )
    if "phantom" in getattr(model, "sources", ()):
        found.append(
            f"Phantom fields of other seeds were among the training images of {model.name!r}: its "
            "masks are better here than on real tissue."
        )
    found.extend(f"Slide {item.slide_id} failed: {item.reason}" for item in run.failed)
    return found


def diagnosis_check(made: PhantomCohort, result: ImportanceResult) -> Check:
    """Look for nuclear size among the leading clusters of the best explained model."""
    planted = dict(_mapping(made.truth["diagnosis"]))
    goal = f"{planted['effect']} (median area × {planted['ratio']})"
    if result.importances is None:
        return Check("Diagnosis", goal, is_found=False, evidence=result.reason)
    explained = max(
        result.importances.models,
        key=lambda one: result.model(one.name).metric("auroc").interval.value,
    )
    leading = sorted(explained.clusters, key=lambda one: one.rank)
    ranks = [one.rank for one in leading if any(_is_nuclear_size(name) for name in one.features)]
    tests = {test.feature: test for test in result.univariate}
    area = tests.get(MEAN_AREA)
    is_larger = area is not None and area.q_value <= FOUND_Q and area.effect.value > 0
    best = ranks[0] if ranks else None
    evidence = (
        f"In the {explained.label} model, the leading cluster with a nuclear size ranks "
        f"{best if best is not None else 'nowhere'} of {len(leading)}"
    )
    if area is not None:
        evidence += (
            f"; mean nuclear area alone: {area.effect_name} {area.effect.value:.2f} towards "
            f"{result.target.positive}, q = {area.q_value:.2g} over {area.n_tests} tests"
        )
    is_found = best is not None and best <= N_LEADING and is_larger
    rule = f"Found means: rank {N_LEADING} or better, and larger with q ≤ {FOUND_Q}."
    return Check("Diagnosis", goal, is_found=is_found, evidence=f"{evidence}. {rule}")


def survival_check(made: PhantomCohort, result: SurvivalResult) -> Check:
    """Look for lymphocyte density among the discoveries, with the planted direction."""
    planted = dict(_mapping(made.truth["prognosis"]))
    log_hazard = float(str(planted["log_hazard_per_sd"]))
    goal = f"{planted['effect']} (hazard ratio {np.exp(log_hazard):.2f} per SD of log density)"
    rows = {row.feature: (rank, row) for rank, row in enumerate(result.screen.rows, start=1)}
    if DENSITY not in rows:
        why = {one.feature: f"{one.reason}, {one.detail}" for one in result.preflight.dropped}
        evidence = f"{DENSITY} was not tested: {why.get(DENSITY, 'it is not in the table')}."
        return Check("Survival", goal, is_found=False, evidence=evidence)
    rank, row = rows[DENSITY]
    hazard = row.hr_per_sd
    is_same_side = (hazard.value < 1) == (log_hazard < 0)
    evidence = (
        f"Lymphocyte density: hazard ratio {hazard.value:.2f} per SD (95 % interval "
        f"{hazard.low:.2f} to {hazard.high:.2f}), rank {rank} of {result.screen.n_tests} tests, "
        f"adjusted p = {row.p_bh:.2g} (Benjamini and Hochberg). Found means: adjusted p ≤ "
        f"{result.screen.alpha:g}, and the planted direction."
    )
    return Check("Survival", goal, is_found=row.is_discovery and is_same_side, evidence=evidence)


def _is_nuclear_size(feature: str) -> bool:
    """Say whether a feature is a size of nuclei."""
    prompt, family, *rest = feature.split(".")
    return prompt == "nucleus" and family == "shape" and any(s in rest[0] for s in SIZE_FEATURES)


def _mapping(value: object) -> dict[str, object]:
    """Return a nested part of the truth."""
    return value if isinstance(value, dict) else {}


def _pictures(made: PhantomCohort, model: Segmentor) -> list[Picture]:
    """Outline nuclei on one benign and one malignant phantom and on real tissue."""
    diagnosis = made.clinical["diagnosis"].to_numpy()
    nucleus = Prompt.from_text("nuclei-level nucleus in colon pathology", name="nucleus")
    pictures = []
    for wanted in ("benign", "malignant"):
        index = int(np.flatnonzero(diagnosis == wanted)[0])
        field = made.tissue(index)
        caption = (
            f"Synthetic {wanted} field of patient {made.clinical['patient_id'].iloc[index]}; "
            f"{int(field.nuclei.max())} nuclei were painted"
        )
        pictures.append(_picture(field.image, model, nucleus, made.mpp, caption))
    caption = (
        "Real tissue: colon, immunohistochemistry (hematoxylin and brown DAB), scikit-image's "
        f"example; its resolution is not published and was taken as {REAL_MPP} µm per pixel"
    )
    pictures.append(_picture(real_tissue(), model, nucleus, REAL_MPP, caption))
    return pictures


def _picture(
    image: np.ndarray[Any, np.dtype[np.uint8]],
    model: Segmentor,
    prompt: Prompt,
    mpp: float,
    caption: str,
) -> Picture:
    """Segment one image and draw the outlines."""
    objects = model.segment(image, prompt, mpp=mpp).instances(0)
    return Picture(
        image=image,
        outlined=outlines(image, objects),
        caption=f"{caption}. {int(objects.max())} nuclei outlined by {model.name!r}.",
        width_um=image.shape[1] * mpp,
    )
