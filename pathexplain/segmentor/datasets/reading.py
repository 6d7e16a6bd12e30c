"""From a manifest of images and masks to training fields at one resolution.

A manifest is a CSV with one row an image: ``source, image, mask, kind, mpp, organ, patient, split,
label``; paths are relative to it. Pure reading: which classes a source annotates stands in
`sources`, mosaics of labelled tiles in `mosaics`, and cropping in `sampling`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.measure import label as components

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.centres import IGNORE, disks, surveyed
from pathexplain.segmentor.datasets.held_out import held_out_units
from pathexplain.segmentor.datasets.sources import SOURCES, Source
from pathexplain.vocabulary import OBJECTS, REGIONS, Term, normalize_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "IGNORE",
    "Field",
    "Record",
    "area_mean",
    "covered",
    "interior_depth",
    "nearest_labels",
    "read_field",
    "read_manifest",
]

NUCLEUS_UM = 8.0
RIM_UM = 12.0
_COLUMNS = ("source", "image", "mask", "kind", "mpp", "organ", "patient", "split", "label")


@dataclass(frozen=True)
class Record:
    """One annotated image of a manifest; `mpp` is None where nobody published one."""

    source: str
    image: Path
    mask: Path | None
    kind: str
    mpp: float | None
    region: str
    patient: str
    split: str
    label: str
    licence: str = ""


@dataclass(frozen=True, eq=False)
class Field:
    """One image at the training resolution, with what is known about it.

    Attributes
    ----------
    image : (H, W, 3) uint8
    targets : mapping of object name to (H, W) uint8
        1 the object, 0 not the object, 255 unknown.
    interior : (H, W) or (2, H, W) uint8, or None
        Relative depth inside an instance, 0 to 254; 255 unknown. Two planes, for nuclei and for
        tissue, where `structure` is "both".
    structure : {"nuclei", "tissue", "both"} or None
        Which instances `interior` describes.
    absent : tuple of str
        Objects that do not occur anywhere in the image.
    mpp : float
        µm per pixel of these arrays.
    instances : (H, W) int32 or None
        Separate objects, where one category of the image has them.
    terms : mapping of object name to Term
        What the objects are that the vocabulary does not know, or that a table describes otherwise.
    objects : mapping of object name to (H, W) int32
        Separate objects of each category that a table counts.
    seen : (H, W) bool or None
        Where somebody looked, of an image with centres in place of outlines.
    """

    record: Record
    image: NDArray[np.uint8]
    targets: Mapping[str, NDArray[np.uint8]]
    interior: NDArray[np.uint8] | None
    structure: str | None
    absent: tuple[str, ...]
    mpp: float
    instances: NDArray[np.int32] | None = None
    terms: Mapping[str, Term] = field(default_factory=dict)
    objects: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    seen: NDArray[np.bool_] | None = None

    @property
    def depths(self) -> tuple[NDArray[np.uint8], ...]:
        """Planes of `interior`: none, one, or nuclei and tissue."""
        if self.interior is None:
            return ()
        return tuple(self.interior) if self.structure == "both" else (self.interior,)

    def term(self, name: str) -> Term:
        """Say what an object is: of which structure, how measured, with which synonyms."""
        return self.terms.get(name) or OBJECTS[name]


def read_manifest(path: Path, *, sources: Iterable[str] | None = None) -> tuple[Record, ...]:
    """Read a manifest; the train rows are split into "train" and "validation" by patient.

    Raises
    ------
    ConfigError
        When the file or a column is missing, or a source is unknown.
    """
    if not path.is_file():
        message = f"{path}: no such manifest; give the CSV that lists images and masks"
        raise ConfigError(message, path=str(path))
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns, table = reader.fieldnames or (), list(reader)
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        message = f"{path}: the manifest lacks the columns {', '.join(missing)}"
        raise ConfigError(message, path=str(path))
    wanted = set(SOURCES) if sources is None else set(sources)
    unknown = wanted - set(SOURCES)
    if unknown:
        message = f"{path}: unknown sources {sorted(unknown)}; known are {', '.join(SOURCES)}"
        raise ConfigError(message, path=str(path))
    rows = [row for row in table if row["source"] in wanted]
    train = [row for row in rows if row["split"] == "train"]
    held_out = held_out_units((_unit(row), _stratum(row)) for row in train)
    return tuple(_record(path.parent, row, held_out) for row in rows)


def _unit(row: Mapping[str, str]) -> str:
    """Name what must not be split: the patient, or the image where no patient is known."""
    return row["source"] + "/" + (row["patient"] or row["image"])


def _stratum(row: Mapping[str, str]) -> str:
    """Name what units are held out of: the source, or one label of it where tiles carry one."""
    return row["source"] + ("/" + row["label"] if row["kind"] == "tile label" else "")


def _record(folder: Path, row: Mapping[str, str], held_out: set[str]) -> Record:
    """One row of the manifest."""
    split = row["split"]
    if split == "train" and _unit(row) in held_out:
        split = "validation"
    return Record(
        source=row["source"],
        image=folder / row["image"],
        mask=folder / row["mask"] if row["mask"] else None,
        kind=row["kind"],
        mpp=float(row["mpp"]) if row["mpp"] else None,
        region=_region(row["organ"]),
        patient=row["patient"],
        split=split,
        label=row["label"],
    )


def _region(organ: str) -> str:
    """Canonical region of an organ name such as "AdrenalGland"; "multiple" where unknown."""
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in organ)
    wanted = normalize_phrase(spaced)
    for region, synonyms in REGIONS.items():
        if wanted in {normalize_phrase(phrase) for phrase in (region, *synonyms)}:
            return region
    return "multiple"


def read_field(record: Record, *, mpp: float | None) -> Field:
    """Read one record at `mpp`, or as it is when None.

    Images are antialiased. A pixel is of a class where at least half of its area is, so that no
    edge moves; instances are sampled at pixel centres.
    """
    source = SOURCES[record.source]
    image = np.asarray(Image.open(record.image).convert("RGB"))
    mask = _mask(record, image.shape[:2])
    native = record.mpp or _assumed_mpp(record, source, mask)
    mpp = mpp or native
    shape = tuple(max(32, round(side * native / mpp)) for side in image.shape[:2])
    size = (shape[1], shape[0])
    small = np.asarray(
        Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    )
    targets = {name: covered(plane, size) for name, plane in _targets(source, record, mask).items()}
    interior = _interior(source, record, mask, mpp=native)
    if interior is not None:
        interior = np.round(area_mean(interior, size)).astype(np.uint8)
    absent = tuple(name for name in source.absent if name not in targets)
    absent += tuple(name for name, plane in targets.items() if not plane.any())
    instances = (
        nearest_labels(mask, size) if source.interior and record.kind == "instances" else None
    )
    seen = _seen(record, image.shape[:2], size) if record.kind == "points" else None
    return Field(
        record, small, targets, interior, source.interior, absent, mpp, instances, seen=seen
    )


def area_mean(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Mean over the area of each new pixel, (H, W) float32; `size` is (width, height).

    Examples
    --------
    >>> area_mean(np.array([[0, 100], [100, 100]], np.uint8), (1, 1)).tolist()
    [[75.0]]
    """
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BOX))


def covered(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Rescale a plane of 0, 1 and `IGNORE` by majority of the area; `size` is (width, height).

    Examples
    --------
    >>> covered(np.array([[0, 1], [1, 1]], np.uint8), (1, 1)).tolist()
    [[1]]
    """
    if size == plane.shape[::-1]:
        return plane
    hit = area_mean((plane == 1).astype(np.uint8), size) >= 0.5  # noqa: PLR2004  half the area
    unknown = area_mean((plane == IGNORE).astype(np.uint8), size) >= 0.5  # noqa: PLR2004
    return np.where(unknown, IGNORE, hit).astype(np.uint8)


def nearest_labels(labels: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Rescale a label image by the label at each new pixel's centre; `size` is (width, height).

    Examples
    --------
    >>> nearest_labels(np.array([[3, 3, 0, 0]], np.int32), (2, 1)).tolist()
    [[3, 0]]
    """
    return np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))


def _mask(record: Record, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Read the mask at native size; disks around centres where only those are known."""
    if record.kind == "points":
        return disks(_centres(record), record.image.name, shape, mpp=record.mpp or 0.5)
    if record.mask is None:
        message = f"{record.image}: the manifest gives no mask and no centres"
        raise ConfigError(message, path=str(record.image))
    return np.asarray(Image.open(record.mask)).astype(np.int32)


def _seen(record: Record, shape: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where somebody looked for nuclei, at the new size."""
    looked = surveyed(_centres(record), record.image.name, shape, mpp=record.mpp or 0.5)
    return nearest_labels(looked.astype(np.int32), size).astype(bool)


def _centres(record: Record) -> Path:
    """Table of the centres of a source."""
    return record.image.parent.parent / "points.csv"


def _assumed_mpp(record: Record, source: Source, mask: NDArray[np.int32]) -> float:
    """Resolution for an image that has none: by the size of its nuclei, or the source's own."""
    if record.source == "dsb2018":
        areas = np.bincount(mask.ravel())[1:]
        if areas.any():
            diameter = float(np.sqrt(np.median(areas[areas > 0]) * 4 / np.pi))
            return float(np.clip(NUCLEUS_UM / diameter, 0.2, 0.8))
    if source.assumed_mpp is None:
        message = f"{record.image}: no mpp in the manifest, and none assumed for {record.source}"
        raise ConfigError(message, path=str(record.image))
    return source.assumed_mpp


def _targets(
    source: Source, record: Record, values: NDArray[np.int32]
) -> dict[str, NDArray[np.uint8]]:
    """Make a plane for each object that the source annotates."""
    is_points = record.kind == "points"
    unknown = np.isin(values, (IGNORE,) if is_points else source.ignore)
    if not is_points and not source.ignore:
        unknown[:] = False
    planes = {}
    for name, chosen in source.mask_values.items():
        hit = np.isin(values, chosen) if chosen else (values > 0) & ~unknown
        planes[name] = np.where(unknown, IGNORE, hit).astype(np.uint8)
    for name, chosen in source.uncertain.items():
        planes[name] = np.where(unknown | np.isin(values, chosen), IGNORE, 0).astype(np.uint8)
    named = source.label_values.get(record.label, ())
    if named:
        for name in sorted({other for names in source.label_values.values() for other in names}):
            planes[name] = ((values > 0) & (name in named)).astype(np.uint8)
    if record.source == "monusac":
        planes["nucleus"] = np.where(values > 0, 1, IGNORE).astype(np.uint8)
    return planes


def interior_depth(labels: NDArray[np.int32], *, rim_px: float | None = None) -> NDArray[np.uint8]:
    """Depth inside each object: 254 at its core, 0 outside; (H, W) uint8.

    Relative to the object's own core or, with `rim_px`, to that many pixels from its edge: large
    objects have a core that no crop shows whole.

    Examples
    --------
    >>> interior_depth(np.array([[0, 1, 1, 1, 0]], np.int32)).tolist()
    [[0, 254, 254, 254, 0]]
    """
    depth = np.zeros(labels.shape, np.uint8)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        inside = np.pad(labels[box] == index, 1)
        distance = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
        relative = np.round(254 * np.minimum(distance / (rim_px or distance.max()), 1))
        depth[box] = np.maximum(depth[box], relative.astype(np.uint8))
    return depth


def _interior(
    source: Source, record: Record, values: NDArray[np.int32], *, mpp: float
) -> NDArray[np.uint8] | None:
    """Depth inside each instance, where the source separates them."""
    if source.interior is None:
        return None
    labels = components(values > 0) if record.kind == "semantic" else values
    rim_px = RIM_UM / mpp if source.interior == "tissue" else None
    return interior_depth(np.asarray(labels, np.int32), rim_px=rim_px)
