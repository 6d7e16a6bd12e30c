"""Annotated images in a row, read one at a time when their turn comes.

From a manifest, from a dataset's table, or from fields that are in memory already.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pathexplain.errors import ConfigError
from pathexplain.segmentor.assessment.tiles import candidates_of
from pathexplain.segmentor.datasets.reading import Field, Record, read_field, read_manifest
from pathexplain.segmentor.datasets.sources import SOURCES
from pathexplain.segmentor.datasets.table_fields import read_table_field, read_table_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["FieldList", "as_field_list", "open_fields"]


@dataclass(frozen=True, eq=False)
class FieldList:
    """Images by number.

    Attributes
    ----------
    names : tuple of str
        What each image is called in reports.
    sources : tuple of str
        Of each image.
    read : callable
        From a position to its `Field`, at the image's own resolution.
    tile_candidates : mapping of source to categories
        What whole tiles of each source are labelled with.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    read: Callable[[int], Field]
    tile_candidates: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.names)


def as_field_list(fields: FieldList | Iterable[Field]) -> FieldList:
    """Fields from any iterable as a list that can be read by number."""
    if isinstance(fields, FieldList):
        return fields
    held = tuple(fields)
    return FieldList(
        names=tuple(str(field.record.image) for field in held),
        sources=tuple(field.record.source for field in held),
        read=held.__getitem__,
        tile_candidates=candidates_of(field.record for field in held),
    )


def open_fields(data: str | Path, *, split: str, sources: Sequence[str] | None = None) -> FieldList:
    """List the images of one split of a manifest or of a dataset's table.

    Parameters
    ----------
    data : path
        CSV with one row an image (`datasets.reading`), or one an image and category
        (`datasets.table`), known by its column "prompt"; or the folder of such a table.
    split : {"test", "validation", "train"}
    sources : sequence of str, optional
        Default: all.

    Raises
    ------
    ConfigError
        When the file, a column or a source is wrong, or no image is of that split.
    """
    path = Path(data)
    listed = _open_table if path.is_dir() or "prompt" in _header(path) else _open_manifest
    fields, splits = listed(path, split, sources)
    if not fields.names:
        message = (
            f"{data}: no annotated image of split {split!r} of {', '.join(sources or ('all',))} "
            f"sources; there is: {', '.join(sorted(splits)) or 'none'}"
        )
        raise ConfigError(message, path=str(data))
    return fields


def _header(path: Path) -> list[str]:
    """Column names of a CSV; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        return next(csv.reader(file), [])


def _open_manifest(
    path: Path, split: str, sources: Sequence[str] | None
) -> tuple[FieldList, set[str]]:
    """Images of a manifest, and the splits that it has."""
    records = read_manifest(path, sources=sources)
    chosen = [r for r in records if r.split == split and _is_annotated(r)]
    fields = FieldList(
        names=tuple(str(record.image) for record in chosen),
        sources=tuple(record.source for record in chosen),
        read=lambda index: _read(chosen[index]),
        tile_candidates=candidates_of(records),
    )
    return fields, {record.split for record in records}


def _open_table(
    path: Path, split: str, sources: Sequence[str] | None
) -> tuple[FieldList, set[str]]:
    """Images of a dataset's table, and the splits that it has."""
    images = [i for i in read_table_images(path) if sources is None or i.source in sources]
    chosen = [image for image in images if image.split == split]
    fields = FieldList(
        names=tuple(str(image.rows[0].image) for image in chosen),
        sources=tuple(image.source for image in chosen),
        read=lambda index: read_table_field(chosen[index], mpp=None),
        tile_candidates={},
    )
    return fields, {image.split for image in images}


def _is_annotated(record: Record) -> bool:
    """Whether there is anything to compare with."""
    return record.kind in {"instances", "semantic", "classes", "points", "tile label"}


def _read(record: Record) -> Field:
    """Read one image with what is known about it, at its own resolution."""
    if record.kind != "tile label":
        return read_field(record, mpp=None)
    with Image.open(record.image) as file:
        image = np.asarray(file.convert("RGB"))
    mpp = record.mpp or SOURCES[record.source].assumed_mpp
    if mpp is None:
        message = f"{record.image}: no mpp in the manifest, and none assumed for {record.source}"
        raise ConfigError(message, path=str(record.image))
    return Field(record, image, {}, None, None, (), mpp)
