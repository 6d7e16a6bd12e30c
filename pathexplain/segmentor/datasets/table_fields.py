"""From a dataset's table to fields: images with targets for each category, at one resolution.

The same fields as from a manifest (`reading`), for any category: what the vocabulary does not know
is described by the table itself. Everything that can be wrong with a file is found before the
first pixel is used, and reported at once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import label as components

from pathexplain.segmentor.datasets.held_out import held_out_units
from pathexplain.segmentor.datasets.reading import (
    IGNORE,
    RIM_UM,
    Field,
    Record,
    area_mean,
    covered,
    interior_depth,
    nearest_labels,
)
from pathexplain.segmentor.datasets.table import Row, read_rows
from pathexplain.segmentor.datasets.table_masks import check_files, read_mask
from pathexplain.slides import open_slide
from pathexplain.vocabulary import OBJECTS, Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["TableImage", "read_table_field", "read_table_fields", "read_table_images"]

SPLITS = ("train", "validation", "test")
_LEAST_SIDE_PX = 32
_NEAR_UM = {"nuclei": 2.0, "tissue": RIM_UM}


@dataclass(frozen=True)
class TableImage:
    """One image of a table: its rows, one a category, and the split it is in."""

    rows: tuple[Row, ...]
    split: str

    @property
    def source(self) -> str:
        """Where the image comes from."""
        return self.rows[0].source


def read_table_fields(
    path: str | Path, *, mpp: float | None, split: str | None = None
) -> dict[str, list[Field]]:
    """Read the images of a dataset's table with everything that is known about them.

    Parameters
    ----------
    path : str or Path
        The CSV, or the folder that holds a ``dataset.csv``; see `table`.
    mpp : float or None
        µm per pixel of the fields; None leaves each image at its own.
    split : {"train", "validation", "test"}, optional
        Default: all images.

    Returns
    -------
    dict of source to list of Field
        In the order of the table.

    Raises
    ------
    ConfigError
        With every fault of the table and of the files in it, each as ``file:line``.
    SlideError
        When an image cannot be decoded.
    """
    fields: dict[str, list[Field]] = {}
    for image in read_table_images(path):
        if split in {None, image.split}:
            fields.setdefault(image.source, []).append(read_table_field(image, mpp=mpp))
    return fields


def read_table_images(path: str | Path) -> tuple[TableImage, ...]:
    """List the images of a table, checked, each in its split; no pixels are held.

    Images without a split train, but for some patients of each source that are held out for
    validation (`held_out`), unless the table names validation images of that source itself.

    Raises
    ------
    ConfigError
        As for `read_table_fields`.
    """
    rows = read_rows(path)
    check_files(Path(path), rows)
    by_image: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        by_image[row.image].append(row)
    groups = [tuple(group) for group in by_image.values()]
    held_out = _held_out([group[0] for group in groups])
    return tuple(TableImage(group, _split(group[0], held_out)) for group in groups)


def _unit(row: Row) -> str:
    """Name what must not be split."""
    return f"{row.source}/{row.patient}"


def _held_out(rows: Sequence[Row]) -> set[str]:
    """Patients to hold out, of sources that hold out none themselves."""
    settled = {row.source for row in rows if row.split == "validation"}
    open_rows = [r for r in rows if r.split in {"", "train"} and r.source not in settled]
    return held_out_units((_unit(row), row.source) for row in open_rows)


def _split(row: Row, held_out: set[str]) -> str:
    """Split of an image."""
    if row.split in {"", "train"}:
        return "validation" if _unit(row) in held_out else "train"
    return row.split


def read_table_field(image: TableImage, *, mpp: float | None) -> Field:
    """Read one image of a table at `mpp`, or as it is when None.

    Images are antialiased. A pixel is of a category where at least half of its area is; objects
    are sampled at pixel centres. Where a mask of objects holds one value only, its connected parts
    are the objects.

    Raises
    ------
    SlideError
        When the image cannot be decoded.
    """
    first = image.rows[0]
    pixels = _pixels(first)
    native, target_mpp = first.mpp, mpp or first.mpp
    shape = [max(_LEAST_SIDE_PX, round(side * native / target_mpp)) for side in pixels.shape[:2]]
    size = (shape[1], shape[0])
    planes: dict[str, NDArray[np.uint8]] = {}
    objects: dict[str, NDArray[np.int32]] = {}
    for row in image.rows:
        planes[row.category], found = _annotation(row, pixels.shape[:2])
        if found is not None:
            objects[row.category] = found
    structure, interior = _interior(image.rows, objects, pixels.shape[:2], mpp=native)
    small = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    counted = {name: nearest_labels(labels, size) for name, labels in objects.items()}
    return Field(
        record=_record(image),
        image=np.asarray(small),
        targets={name: covered(plane, size) for name, plane in planes.items()},
        interior=_rescaled(interior, size),
        structure=structure,
        absent=tuple(name for name, plane in planes.items() if not plane.any()),
        mpp=target_mpp,
        instances=next(iter(counted.values())) if len(counted) == 1 else None,
        terms={row.category: _term(row) for row in image.rows},
        objects=counted,
    )


def _pixels(row: Row) -> NDArray[np.uint8]:
    """Read the whole image, (H, W, 3) uint8."""
    with open_slide(row.image, mpp=row.mpp) as slide:
        return slide.read(0.0, 0.0, *slide.shape, slide.mpp)


def _record(image: TableImage) -> Record:
    """Say what the table says about an image in the words of a manifest."""
    row = image.rows[0]
    regions = {other.region for other in image.rows} - {"multiple"}
    return Record(
        source=row.source,
        image=row.image,
        mask=None,
        kind="table",
        mpp=row.mpp,
        region=regions.pop() if len(regions) == 1 else "multiple",
        patient=row.patient,
        split=image.split,
        label="",
        licence=row.licence,
    )


def _term(row: Row) -> Term:
    """Describe a category: the vocabulary's synonyms, the table's structure and kind."""
    known = OBJECTS.get(row.category)
    if known is None:
        return Term(row.category, row.structure, row.kind)
    return replace(known, structure=row.structure, kind=row.kind)


def _annotation(
    row: Row, shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
    """Target of a category, and its objects where it is counted."""
    if row.mask is None:
        empty = np.zeros(shape, np.uint8)
        return empty, np.zeros(shape, np.int32) if row.kind == "instances" else None
    values, unknown = read_mask(row, shape)
    plane = np.where(unknown, IGNORE, values > 0).astype(np.uint8)
    if row.kind != "instances":
        return plane, None
    distinct, labels = np.unique(values, return_inverse=True)
    if (distinct > 0).sum() == 1:
        return plane, np.asarray(components(values > 0), np.int32)
    first = 0 if distinct[0] == 0 else 1
    return plane, (labels.reshape(shape) + first).astype(np.int32)


def _interior(
    rows: Iterable[Row],
    objects: dict[str, NDArray[np.int32]],
    shape: tuple[int, int],
    *,
    mpp: float,
) -> tuple[str | None, NDArray[np.uint8] | None]:
    """Which structures have objects, and the depth inside them: one plane, or two for both."""
    planes = {}
    for structure in ("nuclei", "tissue"):
        counted = {
            row.category: objects[row.category]
            for row in rows
            if row.category in objects and (row.structure == "tissue") == (structure == "tissue")
        }
        if counted:
            planes[structure] = _depth(counted, structure, shape, mpp=mpp)
    if len(planes) == 2:  # noqa: PLR2004  nuclei and tissue
        return "both", np.stack([planes["nuclei"], planes["tissue"]])
    for structure, plane in planes.items():
        return structure, plane
    return None, None


def _depth(
    counted: dict[str, NDArray[np.int32]], structure: str, shape: tuple[int, int], *, mpp: float
) -> NDArray[np.uint8]:
    """Depth inside the objects of all categories; 0 near them, and beyond that unknown.

    Other objects of the same structure may lie there that nobody annotated, unless every nucleus
    is.
    """
    rim_px = RIM_UM / mpp if structure == "tissue" else None
    depth = np.zeros(shape, np.uint8)
    for labels in counted.values():
        depth = np.maximum(depth, interior_depth(labels, rim_px=rim_px))
    if "nucleus" in counted:
        return depth
    outside = np.all([labels == 0 for labels in counted.values()], axis=0)
    if outside.all():
        return np.full(shape, IGNORE, np.uint8)
    far = ndimage.distance_transform_edt(outside) * mpp > _NEAR_UM[structure]
    return np.where(far, IGNORE, depth).astype(np.uint8)


def _rescaled(
    interior: NDArray[np.uint8] | None, size: tuple[int, int]
) -> NDArray[np.uint8] | None:
    """Depth at another resolution; unknown where most of a pixel's area is."""
    if interior is None:
        return None
    if interior.ndim == 3:  # noqa: PLR2004  nuclei and tissue
        return np.stack([np.asarray(_rescaled(plane, size)) for plane in interior])
    unknown = area_mean((interior == IGNORE).astype(np.uint8), size)
    known = area_mean(np.where(interior == IGNORE, 0, interior).astype(np.uint8), size)
    depth = np.round(known / np.maximum(1 - unknown, 1e-6))
    return np.where(unknown >= 0.5, IGNORE, np.minimum(depth, 254)).astype(np.uint8)  # noqa: PLR2004  half the area
