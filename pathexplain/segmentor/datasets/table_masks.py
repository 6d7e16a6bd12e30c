"""The files of a dataset's table: masks as values and unknown pixels, and what is wrong with them.

A mask is a label image (`label_images`) or objects drawn in QuPath (`qupath`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pathexplain.errors import PathExplainError
from pathexplain.segmentor.datasets.label_images import label_image_shape, read_label_image
from pathexplain.segmentor.datasets.qupath import (
    IGNORE_CLASS,
    REGION_CLASS,
    Outline,
    is_of,
    paint,
    read_outlines,
)
from pathexplain.segmentor.datasets.table_checks import refusal
from pathexplain.slides import SLIDE_SUFFIXES, open_slide
from pathexplain.vocabulary import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.table import Row

__all__ = ["check_files", "read_mask"]

MOST_PX = 400_000_000
OVERHANG_PX = 16
_GEOJSON = (".geojson", ".json")
_PLAIN = (".png", ".jpg", ".jpeg")
Fault = tuple[int, str]


def is_drawn(path: Path) -> bool:
    """Whether a mask is GeoJSON."""
    return path.suffix.lower() in _GEOJSON


def read_mask(row: Row, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Values of a checked row's mask, 0 outside the category, and where nobody annotated.

    Returns
    -------
    values : (H, W) int64
    unknown : (H, W) bool
    """
    if row.mask is None:
        return np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    if not is_drawn(row.mask):
        values = read_label_image(row.mask)
        unknown = values == (-1 if row.ignore is None else row.ignore)
        return np.where(unknown, 0, values), unknown
    outlines = read_outlines(row.mask, structure=row.structure)
    values = paint(_chosen(outlines, row.category), shape)
    unknown = paint([o for o in outlines if o.class_name == IGNORE_CLASS], shape) > 0
    regions = [o for o in outlines if o.class_name == REGION_CLASS]
    if regions:
        unknown |= paint(regions, shape) == 0
    return np.where(unknown, 0, values), unknown


def _chosen(outlines: Sequence[Outline], category: str) -> list[Outline]:
    """Objects of a category: by class, or all where nothing is classified."""
    objects = [o for o in outlines if o.class_name not in {IGNORE_CLASS, REGION_CLASS}]
    if not any(o.class_name for o in objects):
        return objects
    return [o for o in objects if o.class_name and is_of(o.class_name, category)]


def check_files(path: Path, rows: Sequence[Row]) -> None:
    """Open the head of every file of a table and see whether it fits.

    Raises
    ------
    ConfigError
        With every fault as ``file:line``: images that cannot be read or are too large, masks that
        are no label image or have another size than their image, drawings that reach beyond the
        image or never name the category, one category described in two ways.
    """
    faults: list[Fault] = [*_term_faults(rows), *_class_faults(rows)]
    shapes: dict[Path, tuple[int, int] | None] = {}
    for row in rows:
        if row.image not in shapes:
            shapes[row.image], fault = _image_shape(row)
            faults += [(row.line, f"image: {text}") for text in fault]
        shape = shapes[row.image]
        if shape is not None and row.mask is not None:
            faults += [(row.line, f"mask: {text}") for text in _mask_faults(row, shape)]
    if faults:
        raise refusal(path, sorted(faults))


def _image_shape(row: Row) -> tuple[tuple[int, int] | None, list[str]]:
    """Height and width of an image, or why it cannot be used."""
    try:
        if row.image.suffix.lower() in _PLAIN:
            with Image.open(row.image) as picture:
                shape = picture.size[::-1]
        elif row.image.suffix.lower() in SLIDE_SUFFIXES:
            with open_slide(row.image, mpp=row.mpp) as slide:
                shape = slide.shape
        else:
            return None, [f"{row.image.name} is of no known format; give PNG, JPEG or TIFF"]
    except (PathExplainError, OSError, SyntaxError, ValueError) as error:
        return None, [f"cannot read {row.image.name}: {error}"]
    if shape[0] * shape[1] > MOST_PX:
        about = f"{row.image.name} is {shape[1]} × {shape[0]} px; cut out fields that are annotated"
        return None, [about]
    return shape, []


def _mask_faults(row: Row, shape: tuple[int, int]) -> list[str]:
    """Why a mask does not fit its image."""
    if row.mask is None:
        return []
    try:
        if is_drawn(row.mask):
            return _overhang(read_outlines(row.mask, structure=row.structure), row, shape)
        found = label_image_shape(row.mask)
    except PathExplainError as error:
        return [str(error)]
    if found == shape:
        return []
    return [
        f"{row.mask.name} is {found[1]} × {found[0]} px, but its image {row.image.name} "
        f"{shape[1]} × {shape[0]}; export both at the same size"
    ]


def _overhang(outlines: Iterable[Outline], row: Row, shape: tuple[int, int]) -> list[str]:
    """Drawings that reach beyond their image."""
    for outline in outlines:
        y, x = outline.far_corner
        if y > shape[0] + OVERHANG_PX or x > shape[1] + OVERHANG_PX:
            return [
                f"an object reaches x = {x:.0f}, y = {y:.0f} px, outside {row.image.name} "
                f"({shape[1]} × {shape[0]} px); draw on that image itself, at full resolution"
            ]
    return []


def _term_faults(rows: Sequence[Row]) -> list[Fault]:
    """Categories that two rows, or a row and the vocabulary, describe in two ways."""
    faults = []
    first: dict[str, Row] = {}
    for row in rows:
        known = OBJECTS.get(row.category)
        if known is not None and (known.structure == "tissue") != (row.structure == "tissue"):
            about = f"{row.category!r} is a {known.structure}-level object, not {row.structure}"
            faults.append((row.line, f"structure: {about}; see `pathexplain vocabulary`"))
        other = first.setdefault(row.category, row)
        if (row.structure, row.kind) != (other.structure, other.kind):
            about = (
                f"{row.category!r} is {row.structure}-level, {row.kind} here, and "
                f"{other.structure}-level, {other.kind} in line {other.line}"
            )
            faults.append((row.line, about))
    return faults


def _class_faults(rows: Sequence[Row]) -> list[Fault]:
    """Categories for which no drawing of the whole table holds a class of that name."""
    drawn: dict[str, list[tuple[Row, set[str]]]] = {}
    for row in rows:
        if row.mask is None or not is_drawn(row.mask):
            continue
        try:
            outlines = read_outlines(row.mask, structure=row.structure)
        except PathExplainError:
            continue  # said by the check of the mask
        names = {o.class_name for o in outlines if o.class_name}
        drawn.setdefault(row.category, []).append((row, names - {IGNORE_CLASS, REGION_CLASS}))
    faults = []
    for category, found in drawn.items():
        named = {name for _, names in found for name in names}
        has_plain = any(not names for _, names in found)
        if named and not has_plain and not any(is_of(name, category) for name in named):
            about = (
                f"mask: no object is classified {category!r}; the drawings hold "
                f"{', '.join(sorted(named))}. Name the class in QuPath as the prompt does"
            )
            faults.append((found[0][0].line, about))
    return faults
