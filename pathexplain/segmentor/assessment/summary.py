"""From figures of images to figures of classes and sources, with intervals."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from typing import TYPE_CHECKING

from pathexplain.segmentor.assessment.intervals import Score, mean_score, ratio_score
from pathexplain.segmentor.assessment.results import FIGURES, ClassScore, ImageScore
from pathexplain.serialization import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["PARTS", "summarise_classes", "write_images"]

PARTS = {"glas": {"testA": "glas test A", "testB": "glas test B"}}
"""Parts of a source that published figures are for, by the beginning of the image's name."""

_COUNTS = ("overlap", "found", "truth")


def summarise_classes(images: Iterable[ImageScore], *, seed: int = 0) -> tuple[ClassScore, ...]:
    """One `ClassScore` for each source and class that any image holds, and for official parts."""
    groups: dict[tuple[str, str], list[ImageScore]] = defaultdict(list)
    for image in images:
        if not image.values:
            continue
        groups[image.source, image.object].append(image)
        for beginning, part in PARTS.get(image.source, {}).items():
            if image.image.startswith(beginning):
                groups[part, image.object].append(image)
    return tuple(
        _class(source, name, rows, seed)
        for (source, name), rows in sorted(groups.items())
        if any(row.is_there for row in rows)
    )


def _class(source: str, name: str, rows: Sequence[ImageScore], seed: int) -> ClassScore:
    """Figures of one class."""
    units = [row.unit for row in rows]
    figures = {
        figure: mean_score([row.values.get(figure, float("nan")) for row in rows], units, seed=seed)
        for figure in FIGURES
    }
    return ClassScore(
        source=source,
        object=name,
        **figures,
        pooled_dice=_pooled(rows, units, seed),
        resampled="patients" if any(row.has_patient for row in rows) else "images",
    )


def _pooled(rows: Sequence[ImageScore], units: Sequence[str], seed: int) -> Score:
    """Dice over all pixels together."""
    overlap, found, truth = (
        [row.values.get(count, float("nan")) for row in rows] for count in _COUNTS
    )
    both = [a + b for a, b in zip(found, truth, strict=True)]
    return ratio_score([2 * value for value in overlap], both, units, seed=seed)


def write_images(path: str | Path, images: Iterable[ImageScore]) -> Path:
    """Write the figures of every image and class as CSV; empty cells are undefined."""
    columns = ["source", "image", "unit", "object", "presence", "is_there", *FIGURES, *_COUNTS]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in images:
        is_there = "" if row.is_there is None else str(row.is_there).lower()
        head = [row.source, row.image, row.unit, row.object, f"{row.presence:.6f}", is_there]
        cells = [row.values.get(figure) for figure in (*FIGURES, *_COUNTS)]
        writer.writerow([*head, *("" if c is None or c != c else f"{c:.6g}" for c in cells)])  # noqa: PLR0124  NaN alone differs from itself
    return write_text(path, text.getvalue())
