"""Slides painted by object-aware class activation: which are shown, and their pictures on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pathexplain.diagnosis.attention.painting import mosaic, paint
from pathexplain.diagnosis.attention.result import PaintedSlide
from pathexplain.diagnosis.networks.predictions import activations
from pathexplain.diagnosis.tiles import read_tiles
from pathexplain.serialization import replacing
from pathexplain.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.diagnosis.attention.result import SlidePrediction
    from pathexplain.diagnosis.networks.fold_training import TrainedFold
    from pathexplain.diagnosis.networks.study import Bags, Study

__all__ = ["paint_slides", "pick_slides"]

QUALITY = 88
HIGHEST = 0.98


def pick_slides(
    rows: Sequence[SlidePrediction], classes: Sequence[str], *, n_each: int
) -> list[tuple[int, str]]:
    """Pick slides to paint: row numbers, and why."""
    own = [row.probabilities["objects"][classes.index(row.label)] for row in rows]
    picked: list[tuple[int, str]] = []
    for name in classes:
        seen: set[str] = set()
        order = sorted(range(len(rows)), key=lambda i: -own[i])
        for index in order:
            row = rows[index]
            if row.label == name and row.patient not in seen and len(seen) < n_each:
                seen.add(row.patient)
                picked.append((index, f"surest of {name}"))
    if n_each and rows:
        picked.append((int(np.argmin(own)), "most wrong"))
    return picked


def paint_slides(
    study: Study,
    rows: Sequence[SlidePrediction],
    folds: Sequence[TrainedFold],
    bags: Bags,
    found: dict[str, Path],
    *,
    classes: Sequence[str],
    n_each: int,
) -> tuple[PaintedSlide, ...]:
    """Paint some slides by their held-out networks; write pictures below the study's folder."""
    made = []
    for index, why in pick_slides(rows, list(classes), n_each=n_each):
        row = rows[index]
        code = 1 if len(classes) == 2 else classes.index(row.label)  # noqa: PLR2004 - one contrast
        _, objects, instances = activations(bags[row.slide], folds[row.fold])
        limit = float(np.nanquantile(np.abs(objects[:, code]), HIGHEST)) or 1.0
        fields = _pictures(
            study, row.slide, found[row.slide], objects[:, code], instances[:, :, code], limit
        )
        names = {}
        for part, pixels in fields.items():
            names[part] = f"pictures/{row.slide}-{part}.jpg"
            with replacing(study.folder / names[part]) as path:
                Image.fromarray(pixels).save(path, format="JPEG", quality=QUALITY)
        made.append(
            PaintedSlide(
                slide=row.slide,
                patient=row.patient,
                label=row.label,
                class_name=classes[code],
                probability=row.probabilities["objects"][code],
                why=why,
                picture=names["slide"],
                by_object=names["objects"],
                by_tile=names["tiles"],
                limit=limit,
            )
        )
    return tuple(made)


def _pictures(
    study: Study,
    slide_id: str,
    source: Path,
    objects: NDArray[np.float64],
    instances: NDArray[np.float64],
    limit: float,
) -> dict[str, NDArray[np.uint8]]:
    """Picture the slide, its objects painted as wholes, and painted tile by tile."""
    with (
        open_slide(source, mpp=study.mpp, slide_id=slide_id) as slide,
        read_tiles(
            slide,
            prompts=study.prompts,
            segmentor=study.segmentor,
            spec=study.spec,
            folder=study.folder,
        ) as tiles,
    ):
        whole = np.broadcast_to(objects, (len(tiles), len(objects)))
        picture, by_object = mosaic(tiles, whole)
        # A tile's part is compared with an even share, so both pictures have one scale.
        n_holding = np.isfinite(instances).sum(axis=1, keepdims=True)
        _, by_tile = mosaic(tiles, (instances * n_holding).T)
    return {
        "slide": picture,
        "objects": paint(picture, by_object, limit=limit),
        "tiles": paint(picture, by_tile, limit=limit),
    }
