"""Exemplars of a run: the chosen objects cut from their slides, with outlines one can switch off.

Not for the choice itself (`exemplars`). Reads stores and slides; writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathexplain.errors import PathExplainError
from pathexplain.report.exemplars import (
    FIELD_RULE,
    LEVELS,
    RULE,
    Crop,
    Exemplar,
    outline_path,
    pick_exemplars,
)
from pathexplain.report.figures import photo_uri
from pathexplain.report.page import Section, render
from pathexplain.report.wording import format_number, readable_feature, readable_unit
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["RunFolder", "exemplar_section"]

CROP_UM = 32.0
"""Side of an object's picture, µm: a nucleus and its neighbors."""
FIELD_UM = 160.0
"""Side of a field's picture, µm, for features of a slide as a whole."""
_FEATURE_PARTS = 4
_MARGIN = 1.6


@dataclass(frozen=True)
class Slide:
    """A finished slide of a run: where its pixels and its store are, at which resolution."""

    slide_id: str
    path: Path
    store: Path
    patient: str
    mpp: float
    source_mpp: float
    shape: tuple[int, int]


class RunFolder:
    """What `extract` left behind, as far as pictures need it.

    Parameters
    ----------
    path : path
        The run folder with ``manifest.json``.
    patient_of : mapping of slide to patient, optional
        By default as the run's table of slides says. A slide without a patient counts as one.
    """

    def __init__(self, path: str | Path, *, patient_of: Mapping[str, str] | None = None) -> None:
        self.path = Path(path)
        self._tables: dict[str, Any] = {}
        content = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        known = self._patients() if patient_of is None else patient_of
        self.slides = {
            record["slide_id"]: self._slide(record, known)
            for record in content["slides"]
            if record["status"] == "done"
        }

    def _patients(self) -> dict[str, str]:
        """Whose each slide is, from the run's table of slides."""
        import anndata

        path = self.path / "slides.h5ad"
        if not path.is_file():
            return {}
        owners = anndata.read_h5ad(path).obs.get("patient_id")
        return {} if owners is None else {str(k): str(v) for k, v in owners.items() if str(v)}

    def objects(self, prompt: str, column: str) -> pd.DataFrame:
        """List the whole objects of a prompt with one feature, ready for `pick_exemplars`.

        Objects cut by the image edge are left out. An empty frame when no slide has such a prompt
        or column.
        """
        parts = []
        for slide in self.slides.values():
            table = self._table(slide)
            if column not in table.var_names:
                continue
            is_shown = (table.obs["prompt"] == prompt) & ~table.obs["touches_border"].astype(bool)
            rows = table[is_shown.to_numpy(), column]
            parts.append(
                pd.DataFrame(
                    {
                        "patient": slide.patient,
                        "slide": slide.slide_id,
                        "instance_id": rows.obs["instance_id"].to_numpy(),
                        "y_um": rows.obs["centroid_y_um"].to_numpy(float),
                        "x_um": rows.obs["centroid_x_um"].to_numpy(float),
                        "value": np.asarray(rows.X, float).ravel(),
                    }
                )
            )
        columns = ["patient", "slide", "instance_id", "y_um", "x_um", "value"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def _table(self, slide: Slide) -> Any:
        """Objects table of a slide, read once."""
        import anndata

        if slide.slide_id not in self._tables:
            self._tables[slide.slide_id] = anndata.read_zarr(slide.store / "tables" / "objects")
        return self._tables[slide.slide_id]

    def totals(self, feature: str) -> pd.DataFrame:
        """List the slides with their value of a slide-wide feature; the place is their middle."""
        import anndata

        table = anndata.read_h5ad(self.path / "slides.h5ad")
        if feature not in table.var_names:
            return pd.DataFrame()
        values = np.asarray(table[:, feature].X, float).ravel()
        rows = [
            {
                "patient": slide.patient,
                "slide": slide.slide_id,
                "instance_id": 0,
                "y_um": slide.shape[0] * slide.source_mpp / 2,
                "x_um": slide.shape[1] * slide.source_mpp / 2,
                "value": value,
            }
            for name, value in zip(table.obs_names, values, strict=True)
            if (slide := self.slides.get(str(name))) is not None
        ]
        return pd.DataFrame(rows)

    def crop(self, exemplar: Exemplar, prompt: str, *, width_um: float) -> Crop:
        """Cut a square around an exemplar out of its slide, with the outlines of its store."""
        slide = self.slides[exemplar.slide]
        side = max(8, round(width_um / slide.mpp))
        y0 = round(exemplar.y_um / slide.mpp - side / 2)
        x0 = round(exemplar.x_um / slide.mpp - side / 2)
        with open_slide(slide.path, mpp=slide.source_mpp, slide_id=slide.slide_id) as opened:
            pixels = opened.read(y0 * slide.mpp, x0 * slide.mpp, side, side, slide.mpp)
        labels = _window(_labels(slide.store, prompt), y0, x0, side)
        numbers = [int(number) for number in np.unique(labels) if number]
        others = [number for number in numbers if number != exemplar.instance_id]
        return Crop(
            exemplar=exemplar,
            pixels=pixels,
            outline=outline_path(
                labels, [exemplar.instance_id] if exemplar.instance_id else others
            ),
            other_outlines=outline_path(labels, others) if exemplar.instance_id else "",
            width_um=side * slide.mpp,
        )

    def _slide(self, record: Mapping[str, Any], patient_of: Mapping[str, str]) -> Slide:
        """Take a manifest record and what the store says about itself."""
        store = self.path / record["store"]
        about = json.loads((store / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        about = about["pathexplain"]
        path = Path(record["path"])
        with open_slide(path, mpp=about["source_mpp"], slide_id=record["slide_id"]) as opened:
            shape = opened.shape
        return Slide(
            slide_id=record["slide_id"],
            path=path,
            store=store,
            patient=patient_of.get(record["slide_id"], record["slide_id"]),
            mpp=float(about["mpp"]),
            source_mpp=float(about["source_mpp"]),
            shape=shape,
        )


def exemplar_section(
    run: RunFolder,
    features: Sequence[str],
    *,
    units: Mapping[str, str] | None = None,
    n_each: int = 4,
    anchor: str = "exemplars",
    title: str = "The cells behind the features",
) -> Section:
    """Show objects at the low, middle and high end of features, cut from the slides of a run.

    Parameters
    ----------
    run : RunFolder
    features : sequence of str
        ``{prompt}.{family}.{feature}.{statistic}``. A feature of single objects shows objects, one
        of the slide as a whole (a density) shows the middle of slides; any other is named as one
        that cannot be shown.
    units : mapping of feature to unit, optional
        Taken from the feature's name when not given.
    n_each : int
        Pictures a level.
    anchor, title : str
        Id and heading of the section.

    Returns
    -------
    Section
        Pictures are embedded; a checkbox hides all outlines.
    """
    known = units or {}
    blocks, missing = [], []
    for feature in dict.fromkeys(features):
        try:
            block = _block(run, feature, unit=known.get(feature), n_each=n_each)
        except (PathExplainError, OSError, KeyError) as error:
            missing.append((feature, str(error)))
            continue
        if block is None:
            missing.append((feature, "it has no measured objects in this run"))
        else:
            blocks.append(block)
    body = render(
        "exemplars.html",
        blocks=blocks,
        missing=missing,
        anchor=anchor,
        rule=RULE,
        field_rule=FIELD_RULE,
        has_fields=any(block["is_field"] for block in blocks),
        has_objects=any(not block["is_field"] for block in blocks),
        photo=photo_uri,
    )
    return Section(title, anchor, body)


def _block(run: RunFolder, feature: str, *, unit: str | None, n_each: int) -> dict[str, Any] | None:
    """All pictures of one feature; None when there is nothing to show."""
    parts = feature.split(".")
    if len(parts) != _FEATURE_PARTS:
        return None
    prompt, family, name, _ = parts
    objects = run.objects(prompt, f"{family}.{name}")
    is_field = objects.empty
    if is_field:
        objects = run.totals(feature)
    picked = pick_exemplars(objects, n_each=n_each) if not objects.empty else ()
    if not picked:
        return None
    width = FIELD_UM if is_field else _crop_width(run, prompt, picked)
    shown = readable_unit(unit) if unit is not None else ""
    rows = []
    for level in LEVELS:
        crops = [run.crop(one, prompt, width_um=width) for one in picked if one.level == level]
        captions = [f"{format_number(crop.exemplar.value)} {shown}".strip() for crop in crops]
        rows.append((level, list(zip(crops, captions, strict=True))))
    return {
        "feature": feature,
        "title": readable_feature(feature.rsplit(".", 1)[0] + ".total", unit=unit),
        "width_um": format_number(width),
        "rows": rows,
        "is_field": is_field,
    }


def _crop_width(run: RunFolder, prompt: str, picked: Sequence[Exemplar]) -> float:
    """Width that holds every picked object with a margin, the same for all of them; µm."""
    widest = CROP_UM / _MARGIN
    for one in picked:
        slide = run.slides[one.slide]
        labels = _labels(slide.store, prompt)
        side = round(4 * CROP_UM / slide.mpp)
        y0, x0 = (round(place / slide.mpp - side / 2) for place in (one.y_um, one.x_um))
        rows, columns = np.nonzero(_window(labels, y0, x0, side) == one.instance_id)
        if rows.size:
            extent = max(np.ptp(rows), np.ptp(columns)) + 1
            widest = max(widest, float(extent) * slide.mpp)
    return widest * _MARGIN


def _labels(store: Path, prompt: str) -> Any:
    """Full-resolution label plane of a prompt, as a zarr array that is read in windows."""
    import zarr

    group = zarr.open_group(store / "labels" / f"{prompt}_labels", mode="r")
    attributes: dict[str, Any] = dict(group.attrs)
    described = attributes.get("ome", attributes)
    return group[described["multiscales"][0]["datasets"][0]["path"]]


def _window(plane: Any, y0: int, x0: int, side: int) -> NDArray[np.int32]:
    """Read a square window; what lies outside the plane is 0."""
    height, width = plane.shape[-2:]
    window = np.zeros((side, side), np.int32)
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y0 + side, height), min(x0 + side, width)
    if bottom > top and right > left:
        inside = np.asarray(plane[..., top:bottom, left:right])
        window[top - y0 : bottom - y0, left - x0 : right - x0] = inside.reshape(
            bottom - top, right - left
        )
    return window
