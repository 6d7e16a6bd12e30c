"""`robustness`: every slide under every condition, resumable; then agreement of each feature.

Not for perturbing (`perturbing`) nor for the statistics (`icc`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from pathexplain.errors import ConfigError, PathExplainError
from pathexplain.extraction.inputs import config_inputs, find_slides, slide_inputs
from pathexplain.extraction.patients import read_patients
from pathexplain.extraction.slide import Tiling, extract_slide
from pathexplain.features import aggregate_patient
from pathexplain.prompts import PromptSet, read_prompts
from pathexplain.provenance import collect
from pathexplain.robustness.conditions import (
    PERTURBATIONS,
    REFERENCE,
    Condition,
    make_conditions,
)
from pathexplain.robustness.icc import icc_2_1
from pathexplain.robustness.perturbing import RestainedSlide, with_boundaries
from pathexplain.robustness.reading import ICC_COLUMNS
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.serialization import replacing, write_json
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.slides import Slide

__all__ = ["RobustnessSummary", "Step", "robustness"]

logger = logging.getLogger(__name__)

ALL = "all"
METHOD = "specks are dropped before boundaries move; wordings are read as they are"
"""What else decides a measurement: results from another are not gone on with."""


class Step(Protocol):
    """Called after every slide under a condition, so that a caller can show how far it is."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Say that `done` of `total` measurements are done, the last one under `stage`."""
        ...


@dataclass(frozen=True)
class RobustnessSummary:
    """What `robustness` did.

    Attributes
    ----------
    out : Path
        Folder with ``icc.csv``, ``patients_<condition>.csv`` and ``robustness.json``.
    conditions : tuple of str
        Names, the reference first.
    n_patients : int
    failed : tuple of str
        Slides that failed under a condition, with the reason; a patient is left out of the
        agreement of every condition that lacks one of its values.
    table : DataFrame
        ``icc.csv``.
    """

    out: Path
    conditions: tuple[str, ...]
    n_patients: int
    failed: tuple[str, ...]
    table: pd.DataFrame

    @property
    def exit_code(self) -> int:
        """0 when every slide was measured under every condition, else 3."""
        return 3 if self.failed else 0


@dataclass(frozen=True, eq=False)
class _Study:
    """What is the same for all measurements."""

    out: Path
    segmentor: Segmentor
    mpp: float | None
    tiling: Tiling

    def place(self, condition: Condition, slide_id: str) -> Path:
        """Where the features of a slide under a condition are."""
        return self.out / "slides" / condition.name / f"{slide_id}.json"


def robustness(  # noqa: PLR0913  # the options of the command, all but one by keyword
    slides: str | Path | Iterable[str | Path] | None = None,
    *,
    prompts: PromptSet | str | Path,
    out: str | Path,
    segmentor: str | Path | Segmentor | None = None,
    mpp: float | None = None,
    device: str = "auto",
    patients: str | Path | None = None,
    perturbations: Iterable[str] = PERTURBATIONS,
    progress: Step | None = None,
    tiling: Tiling | None = None,
) -> RobustnessSummary:
    """Measure slides again under changed conditions, and how far each feature agrees.

    Every slide is segmented and measured as the prompts file says (the reference) and with other
    thresholds, boundaries, stains, resolution and wordings (`make_conditions`). The agreement of a
    feature is ICC(2,1) over patients, for each perturbation with the reference and for all
    conditions together. What was measured is kept, so the same call finishes an interrupted one.

    Parameters
    ----------
    slides, prompts, segmentor, mpp, device, patients, tiling
        As for `pathexplain.extract`.
    out : path
        Folder of the results.
    perturbations : iterable of str
        Some of "threshold", "boundary", "stain", "mpp", "paraphrase".
    progress : callable, optional
        ``progress(condition, done, total)``, after every slide under a condition.

    Returns
    -------
    RobustnessSummary

    Raises
    ------
    ConfigError
        A perturbation that does not exist, no slide, or a folder with results from other inputs.
    CohortError
        A patients file that does not fit.

    Notes
    -----
    ICC(2,1): Shrout 1979, doi:10.1037/0033-2909.86.2.420; interval: McGraw 1996,
    doi:10.1037/1082-989X.1.1.30. It compares the spread between these patients with the spread
    between conditions: on slides that are all alike it is low although nothing is unstable.
    """
    prompt_set = prompts if isinstance(prompts, PromptSet) else read_prompts(prompts)
    found = find_slides(slides, prompts=prompt_set)
    owners = read_patients(patients, slide_ids=list(found)).patient_of
    chosen = segmentor or prompt_set.segmentor or "compact"
    model = load_segmentor(chosen, device=device) if isinstance(chosen, str | Path) else chosen
    conditions = make_conditions(prompt_set, perturbations=perturbations)
    study = _Study(Path(out), model, mpp, tiling or Tiling())
    study.out.mkdir(parents=True, exist_ok=True)
    failed = _measure_all(study, conditions, found, progress)
    tables = {c.name: _patients(study, c, found, owners) for c in conditions}
    for name, table in tables.items():
        with replacing(study.out / f"patients_{name}.csv") as path:
            table.to_csv(path, index_label="patient_id")
    agreement = _agreements(conditions, tables)
    with replacing(study.out / "icc.csv") as path:
        agreement.to_csv(path, index=False)
    options = {"mpp": mpp, "conditions": [c.name for c in conditions], "device": device}
    about: dict[str, Any] = {
        "provenance": collect(options=options).to_dict(),
        "segmentor": {"name": model.name, "weights_sha256": model.weights_sha256},
        "conditions": [_described(c) for c in conditions],
        "slides": sorted(found),
        "n_patients": len(tables[REFERENCE]),
        "failed": failed,
    }
    write_json(study.out / "robustness.json", about)
    names = tuple(c.name for c in conditions)
    return RobustnessSummary(study.out, names, len(tables[REFERENCE]), tuple(failed), agreement)


def _described(condition: Condition) -> dict[str, Any]:
    """Return what a reader needs to know of a condition."""
    return {
        "name": condition.name,
        "perturbation": condition.perturbation,
        "mpp": condition.prompts.mpp,
        "boundary_px": condition.boundary_px,
        "hematoxylin": condition.hematoxylin,
        "eosin": condition.eosin,
        "prompts": [
            {"name": p.name, "text": p.text, "threshold": p.threshold}
            for p in condition.prompts.prompts
        ],
    }


def _measure_all(
    study: _Study,
    conditions: Sequence[Condition],
    slides: Mapping[str, Path],
    progress: Step | None,
) -> list[str]:
    """Measure what is not measured yet; return what failed."""
    total, done, failed = len(conditions) * len(slides), 0, []
    for condition in conditions:
        for slide_id, path in slides.items():
            try:
                _measure(study, condition, slide_id, path)
            except ConfigError:
                raise
            except (PathExplainError, OSError, MemoryError, ValueError) as error:
                logger.warning("slide %s, %s: %s", slide_id, condition.name, error)
                failed.append(f"{slide_id}, {condition.name}: {error}")
            done += 1
            if progress is not None:
                progress(condition.name, done, total)
    return failed


def _measure(study: _Study, condition: Condition, slide_id: str, path: Path) -> None:
    """Measure one slide under one condition, unless that is done."""
    place = study.place(condition, slide_id)
    inputs = _inputs(study, condition, slide_id, path)
    if place.is_file():
        before = json.loads(place.read_text(encoding="utf-8"))["inputs"]
        if before != inputs:
            message = (
                f"{place} was measured from other inputs (slide, prompts, segmentor or options "
                "have changed); give another --out, or remove the folder"
            )
            raise ConfigError(message, slide_id=slide_id, path=str(place))
        return
    model, prompts = study.segmentor, condition.prompts
    if condition.boundary_px:
        least = {p.name: p.min_area_um2 for p in prompts.prompts if p.kind == "instances"}
        model = with_boundaries(model, condition.boundary_px, least_um2=least)
        kept = tuple(
            replace(p, min_area_um2=0.0) if p.name in least else p for p in prompts.prompts
        )
        prompts = replace(prompts, prompts=kept)
    with (
        open_slide(path, mpp=study.mpp, slide_id=slide_id) as opened,
        tempfile.TemporaryDirectory(prefix=".planes-", dir=study.out) as folder,
    ):
        slide: Slide = opened
        if (condition.hematoxylin, condition.eosin) != (1.0, 1.0):
            slide = RestainedSlide(opened, condition.hematoxylin, condition.eosin)
        found = extract_slide(
            slide,
            prompts=prompts,
            segmentor=model,
            tiling=study.tiling,
            folder=Path(folder),
        )
        summary = found.summary
    place.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "inputs": inputs,
        "tissue_area_mm2": found.tissue_area_mm2,
        "value": dict(zip(summary.index, summary["value"].tolist(), strict=True)),
        "n": dict(zip(summary.index, summary["n"].tolist(), strict=True)),
    }
    write_json(place, content)


def _inputs(study: _Study, condition: Condition, slide_id: str, path: Path) -> str:
    """Hash what a measurement depends on."""
    tiling = study.tiling
    options = {"mpp": study.mpp, "core_px": tiling.core_px, "halo_px": tiling.halo_px}
    parts = {
        **config_inputs(condition.prompts, study.segmentor, options=options),
        **slide_inputs(path, slide_id, study.segmentor),
        "condition": [condition.boundary_px, condition.hematoxylin, condition.eosin],
        "method": METHOD,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _patients(
    study: _Study, condition: Condition, slides: Mapping[str, Path], owners: Mapping[str, str]
) -> pd.DataFrame:
    """Patients by features under one condition, from the slides that were measured."""
    values, counts, areas = {}, {}, {}
    for slide_id in slides:
        place = study.place(condition, slide_id)
        if slide_id not in owners or not place.is_file():
            continue
        found = json.loads(place.read_text(encoding="utf-8"))
        if found["tissue_area_mm2"] > 0:
            values[slide_id], counts[slide_id] = found["value"], found["n"]
            areas[slide_id] = float(found["tissue_area_mm2"])
    if not values:
        return pd.DataFrame()
    table = pd.DataFrame.from_dict(values, orient="index").astype(float)
    n = pd.DataFrame.from_dict(counts, orient="index")[table.columns]
    patient = {slide_id: owners[slide_id] for slide_id in values}
    return aggregate_patient(table, patient=patient, tissue_area_mm2=areas, n=n).table


def _agreements(
    conditions: Sequence[Condition], tables: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """ICC of every feature, for each perturbation and for all conditions together."""
    reference = tables[REFERENCE]
    groups = {
        name: [REFERENCE, *(c.name for c in conditions if c.perturbation == name)]
        for name in dict.fromkeys(c.perturbation for c in conditions if c.perturbation)
    }
    groups[ALL] = [c.name for c in conditions]
    rows = []
    for perturbation, names in groups.items():
        aligned = [tables[name].reindex(reference.index) for name in names]
        stack = np.stack(
            [table.reindex(columns=reference.columns).to_numpy(float) for table in aligned]
        )
        for j, feature in enumerate(reference.columns):
            found = icc_2_1(stack[:, :, j].T)
            rows.append(
                (feature, perturbation, found.icc, found.low, found.high,
                 found.n_subjects, found.n_conditions, found.reason)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(ICC_COLUMNS))
