"""What has no layout of its own: images/ and masks/ of equal names, and a manifest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from skimage.measure import label as components

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.annotation import (
    UNKNOWN,
    Annotated,
    Annotation,
    Item,
    annotate,
)
from pathexplain.segmentor.datasets.readers.files import (
    binary,
    check_shape,
    read_labels,
    read_rgb,
)
from pathexplain.segmentor.datasets.readers.pairs import pairs
from pathexplain.segmentor.datasets.reading import IGNORE, read_field, read_manifest
from pathexplain.segmentor.datasets.sources import SOURCES, TILE_CLASSES
from pathexplain.segmentor.datasets.taxonomy import PROMPTED, Category
from pathexplain.vocabulary import OBJECTS, parse_text

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.segmentor.datasets.reading import Field, Record
    from pathexplain.segmentor.datasets.table import Split
    from pathexplain.vocabulary import Kind

__all__ = ["folder_of_masks", "manifest"]

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def folder_of_masks(folder: Path, *, prompt: str) -> list[Item]:
    """Folders ``images`` and ``masks`` of equal names, one category; also inside split folders.

    The category is of the vocabulary's kind, else an area where it is tissue. Where objects are
    counted, a mask of more than two values holds a value an object, and in one of two values each
    connected patch is an object.

    Raises
    ------
    ConfigError
        When there are no such folders, or the prompt names no structure.
    """
    parsed = parse_text(prompt)
    if parsed.structure is None:
        message = f'prompt {prompt!r}: say the structure too, as in "tissue-level tumor in breast"'
        raise ConfigError(message)
    name = parsed.term.name if parsed.term else parsed.object
    kind: Kind = "region" if parsed.structure == "tissue" else "instances"
    kind = parsed.term.kind if parsed.term else kind
    category = Category(parsed.structure, name, (PROMPTED,), kind)
    items = []
    for images in sorted(path for path in folder.rglob("images") if path.is_dir()):
        part = images.parent.name.lower()
        split = _SPLITS.get(part, "")
        for stem, image, mask in pairs(images, images.parent / "masks"):
            read = partial(_read_prompted, category, image, mask)
            unique = stem if images.parent == folder else f"{part}_{stem}"
            items.append(Item(unique, (image, mask), read, "", split, parsed.region or "multiple"))
    if not items:
        message = f"{folder}: no folders images and masks in it"
        raise ConfigError(message, path=str(folder))
    return items


def _read_prompted(category: Category, image: Path, mask: Path) -> Annotated:
    """Read one picture and its mask of the category that the user named."""
    pixels, labels = read_rgb(image), read_labels(mask)
    check_shape(pixels, labels, mask)
    is_plain = len(np.unique(labels)) <= 2 or mask.suffix.lower() in {".jpg", ".jpeg"}  # noqa: PLR2004
    codes = (binary(labels) if is_plain else labels > 0).astype(np.uint8)
    objects = components(codes, connectivity=1) if is_plain else labels
    return Annotated(pixels, (annotate(category, codes, {1: PROMPTED}, objects),))


def manifest(folder: Path) -> list[Item]:
    """Read a ``manifest.csv``: source, image, mask, kind, mpp, organ, patient, split, label.

    Sources are those of `pathexplain.segmentor.datasets.sources`; rows of others are left out. The
    train rows are divided into train and validation by patient.
    """
    path = folder if folder.suffix == ".csv" else folder / "manifest.csv"
    items = []
    for record in read_manifest(path):
        files = (record.image, *([record.mask] if record.mask else []))
        splits: dict[str, Split] = {"train": "train", "validation": "validation", "test": "test"}
        items.append(
            Item(
                f"{record.source}_{record.image.stem}",
                files,
                partial(_read_record, record),
                f"{record.source}/{record.patient}" if record.patient else "",
                splits.get(record.split, ""),
                record.region,
                record.mpp,
                record.source,
                SOURCES[record.source].licence,
            )
        )
    return items


def _read_record(record: Record) -> Annotated:
    """Read one record in its own pixels."""
    if record.kind == "tile label":
        return _read_tile(record)
    field = read_field(record, mpp=None)
    made = [_plane(field, name) for name in field.targets]
    made += [
        Annotation(OBJECTS[name].structure, name, OBJECTS[name].kind, None)
        for name in field.absent
        if name not in field.targets
    ]
    return Annotated(field.image, tuple(made), field.mpp)


def _plane(field: Field, name: str) -> Annotation:
    """One class of a field, as separate objects where the source separates them."""
    term, plane = OBJECTS[name], field.targets[name]
    is_separate = field.instances is not None and term.structure == field.structure
    kind: Kind = "instances" if is_separate else "region"
    if not plane.any():
        return Annotation(term.structure, name, kind, None)
    labels = (plane == 1).astype(np.int32)
    if field.instances is not None and is_separate:
        labels *= field.instances
    labels[plane == IGNORE] = UNKNOWN
    return Annotation(term.structure, name, kind, labels)


def _read_tile(record: Record) -> Annotated:
    """Read a tile of one tissue throughout: that is everywhere, and the others nowhere."""
    with Image.open(record.image) as image:
        pixels = np.asarray(image.convert("RGB"))
    found = TILE_CLASSES[record.label]
    made = [
        Annotation(
            "tissue", name, "region", np.ones(pixels.shape[:2], np.int32) if name == found else None
        )
        for name in dict.fromkeys(TILE_CLASSES.values())
    ]
    return Annotated(pixels, tuple(made))
