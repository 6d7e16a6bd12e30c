"""The tables of a run, made from the stores of its slides: ``slides.h5ad`` and ``cohort.h5ad``.

Not for measuring: a slide's summary lies in its own store, so the tables can be made again from
the stores alone.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from pathexplain.errors import TableError
from pathexplain.extraction.quality import flat
from pathexplain.extraction.slide_rows import SlideRow, read_slide_row
from pathexplain.extraction.store import read_attributes, read_slide_table
from pathexplain.extraction.tables import cohort_table, slides_table
from pathexplain.serialization import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pathexplain.extraction.manifest import Manifest
    from pathexplain.extraction.patients import PatientTable

logger = logging.getLogger(__name__)

__all__ = ["COHORT_FILE", "QUALITY_FILE", "SLIDES_FILE", "write_tables"]

SLIDES_FILE = "slides.h5ad"
COHORT_FILE = "cohort.h5ad"
QUALITY_FILE = "quality.csv"


def write_tables(
    out: Path,
    manifest: Manifest,
    patients: PatientTable,
    *,
    about: Mapping[str, Any],
    warnings: Sequence[str] = (),
) -> tuple[Path | None, tuple[str, ...]]:
    """Write both tables, and the table of quality, from every slide that is done.

    Parameters
    ----------
    out, manifest, patients
        The run folder, what it holds, and whose the slides are.
    about : mapping
        Goes into the tables.
    warnings : sequence of str
        Known already; those about patients are added.

    Returns
    -------
    cohort : Path or None
        The patient table; None (and no file is touched) when no slide with a patient is done.
    warnings : tuple of str
        What a reader of the tables must know.
    """
    warnings = (*warnings, *_warnings(patients))
    rows = _read_rows(out, manifest)
    manifest.run = {**manifest.run, "warnings": list(warnings)}
    manifest.write()
    if not rows:
        return None, warnings
    _write_quality(out, manifest, [row.slide_id for row in rows])
    usable = [
        row.slide_id for row in rows if row.slide_id in patients.patient_of and row.has_tissue
    ]
    counted = flow(manifest, patients, usable=usable)
    described = {"provenance": about, "flow": counted, "warnings": list(warnings)}
    first = out / str(manifest.slides[rows[0].slide_id].store)
    slides = slides_table(rows, var=read_slide_table(first).var, about=described)
    owners = [patients.patient_of.get(str(name), "") for name in slides.obs_names]
    slides.obs.insert(0, "patient_id", owners)
    with replacing(out / SLIDES_FILE) as temporary:
        slides.write_h5ad(temporary)
    if not usable:
        return None, warnings
    cohort = cohort_table(slides[usable], patients, about=described)
    with replacing(out / COHORT_FILE) as temporary:
        cohort.write_h5ad(temporary)
    return out / COHORT_FILE, warnings


def _read_rows(out: Path, manifest: Manifest) -> list[SlideRow]:
    """Read the rows of all slides that are done, by slide id; a damaged store has failed."""
    rows = []
    for slide_id, record in sorted(manifest.slides.items()):
        if record.status != "done":
            continue
        try:
            rows.append(read_slide_row(out / str(record.store)))
        except TableError as error:
            reason = f"{error}; the same command extracts it again"
            logger.warning("slide %s left out of the tables: %s", slide_id, reason)
            manifest.slides[slide_id] = replace(record, status="failed", reason=reason, store=None)
    return rows


def _write_quality(out: Path, manifest: Manifest, slide_ids: Sequence[str]) -> None:
    """Write one row a slide of what its store says of quality; empty where undefined."""
    rows = []
    for slide_id in slide_ids:
        about = read_attributes(out / str(manifest.slides[slide_id].store))
        rows.append({"slide_id": slide_id, **flat(about.get("quality") or {})})
    with replacing(out / QUALITY_FILE) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def flow(manifest: Manifest, patients: PatientTable, *, usable: Sequence[str]) -> dict[str, Any]:
    """Count slides and patients, and name those that were lost, with the reason."""
    done = [item.slide_id for item in manifest.slides.values() if item.status == "done"]
    failed = [item for item in manifest.slides.values() if item.status == "failed"]
    owned = [name for name in done if name in patients.patient_of]
    used = {patients.patient_of[name] for name in usable}
    return {
        "n_slides": len(manifest.slides),
        "n_slides_done": len(done),
        "n_slides_used": len(usable),
        "n_patients": len(used),
        "slides_failed": [f"{item.slide_id}: {item.reason}" for item in failed],
        "slides_without_patient": [name for name in done if name not in patients.patient_of],
        "slides_without_tissue": [name for name in owned if name not in usable],
        "patients_without_features": sorted(set(patients.patient_of.values()) - used),
        "is_slide_as_patient": patients.is_assumed,
    }


def _warnings(patients: PatientTable) -> tuple[str, ...]:
    """Say what a reader of the patient table must know."""
    found = []
    if patients.is_assumed:
        found.append(
            "no patients file was given: each slide counts as one patient; if patients have "
            "several slides, pass --patients, or their slides are taken for independent"
        )
    if patients.without_patient:
        names = ", ".join(patients.without_patient[:5])
        n_missing = len(patients.without_patient)
        found.append(f"{n_missing} slides are not in the patients file and left out: {names}")
    return tuple(found)
