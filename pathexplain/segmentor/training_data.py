"""What a training learns from: fields by source, with the terms of their licences.

From a manifest of the public sources or from a dataset's table, told apart by their headers;
synthetic fields on top where they are asked for.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError
from pathexplain.provenance import sha256_file
from pathexplain.segmentor.datasets.mosaics import tile_mosaics
from pathexplain.segmentor.datasets.phantoms import phantom_fields
from pathexplain.segmentor.datasets.reading import Field, Record, read_field, read_manifest
from pathexplain.segmentor.datasets.sources import SOURCES
from pathexplain.segmentor.datasets.table import TABLE_NAME
from pathexplain.segmentor.datasets.table_fields import (
    TableImage,
    read_table_field,
    read_table_images,
)
from pathexplain.vocabulary import OBJECTS, Term, canonical_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pathexplain.segmentor.training_config import TrainingConfig

__all__ = ["TrainingData", "is_table", "read_training_data"]

MOSAIC_SIDE, N_MOSAICS, N_HELD_OUT_MOSAICS = 5, 24, 3
N_HELD_OUT_PHANTOMS = 4
_PHANTOM = "phantom"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Fields by source to learn from and to validate on, and where they come from.

    Attributes
    ----------
    licences : mapping of source to terms
    sha256 : str
        Of the CSV.
    """

    train: Mapping[str, Sequence[Field]]
    validation: Mapping[str, Sequence[Field]]
    licences: Mapping[str, str]
    sha256: str

    @property
    def terms(self) -> dict[str, Term]:
        """Every category that some training field holds, by name, in alphabetical order."""
        found = {
            name: field.term(name)
            for members in self.train.values()
            for field in members
            for name, plane in field.targets.items()
            if (plane == 1).any()
        }
        return dict(sorted(found.items()))

    def classes(self) -> dict[str, dict[str, object]]:
        """Canonical prompt of every class that the data teach, with its sources and regions."""
        places: dict[str, set[tuple[str, str]]] = {}
        for source, members in self.train.items():
            for field in members:
                for name, plane in field.targets.items():
                    if (plane == 1).any():
                        places.setdefault(name, set()).add((source, field.record.region))
        return {
            canonical_text(term.structure, name): {
                "object": name,
                "structure": term.structure,
                "kind": term.kind,
                "sources": sorted({source for source, _ in places[name]}),
                "regions": sorted({region for _, region in places[name]}),
            }
            for name, term in self.terms.items()
        }

    def epoch_steps(self, settings: TrainingConfig) -> int:
        """Count the steps that look at as many pixels as there are, at least 1."""
        n_pixels = sum(
            math.prod(field.image.shape[:2]) for members in self.train.values() for field in members
        )
        return max(1, round(n_pixels / (settings.batch_size * settings.crop_px**2)))


def is_table(path: Path) -> bool:
    """Whether a CSV is a dataset's table; a manifest has no prompts."""
    if path.is_dir():
        return True
    if not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        header = next(csv.reader(file), [])
    names = {name.strip() for name in header}
    return "prompt" in names or not {"kind", "organ", "label"} <= names


def read_training_data(settings: TrainingConfig) -> TrainingData:
    """Read the training and validation fields that a configuration names.

    Raises
    ------
    ConfigError
        When the data are wrong, or hold nothing to train on.
    """
    reader = _read_table if is_table(settings.data) else _read_manifest
    train, validation, licences = reader(settings)
    for fields, n_fields, split in (
        (train, settings.n_phantoms, "train"),
        (validation, N_HELD_OUT_PHANTOMS, "validation"),
    ):
        if settings.n_phantoms and (split == "train" or settings.held_out != "none"):
            mpp = settings.mpp_for(("nuclei", "tissue"))
            fields[_PHANTOM] = phantom_fields(n_fields, seed=settings.seed, mpp=mpp, split=split)
            licences[_PHANTOM] = SOURCES[_PHANTOM].licence
    if not train:
        message = f"{settings.data}: no row of the split 'train' in the chosen sources"
        raise ConfigError(message, path=str(settings.data))
    data = TrainingData(train, validation, licences, sha256_file(_csv(settings.data)))
    if not data.terms:
        message = f"{settings.data}: no training image holds any category; every mask is empty"
        raise ConfigError(message, path=str(settings.data))
    return data


_Read = tuple[dict[str, list[Field]], dict[str, list[Field]], dict[str, str]]


def _held_out(
    settings: TrainingConfig, train: dict[str, list[Field]], validation: dict[str, list[Field]]
) -> tuple[dict[str, list[Field]], dict[str, list[Field]]]:
    """Fields to learn from and to validate on; all to learn from where none is held out."""
    if settings.held_out == "validation":
        return train, validation
    names = sorted({*train, *validation})
    return {name: [*train.get(name, ()), *validation.get(name, ())] for name in names}, {}


def _csv(path: Path) -> Path:
    """Path of the CSV itself."""
    return path / TABLE_NAME if path.is_dir() else path


def _read_manifest(settings: TrainingConfig) -> _Read:
    """Fields of a manifest; whole-tile labels become mosaics."""
    records = read_manifest(settings.data, sources=settings.sources or None)
    train, validation = _held_out(
        settings, *(_of_split(records, name, settings) for name in ("train", "validation"))
    )
    return train, validation, {name: SOURCES[name].licence for name in train}


def _of_split(
    records: Sequence[Record], split: str, settings: TrainingConfig
) -> dict[str, list[Field]]:
    """Fields of one split of a manifest by source."""
    chosen = sorted((record for record in records if record.split == split), key=lambda r: r.source)
    fields: dict[str, list[Field]] = {}
    for source, group in groupby(chosen, key=lambda record: record.source):
        members = list(group)
        if members[0].kind == "tile label":
            fields[source] = tile_mosaics(
                members,
                mpp=settings.mpp,
                side=MOSAIC_SIDE,
                n_mosaics=N_MOSAICS if split == "train" else N_HELD_OUT_MOSAICS,
                seed=settings.seed,
            )
        else:
            mpp = settings.mpp_for(OBJECTS[name].structure for name in SOURCES[source].mask_values)
            fields[source] = [read_field(record, mpp=mpp) for record in members]
    return fields


def _read_table(settings: TrainingConfig) -> _Read:
    """Fields of a dataset's table."""
    images = read_table_images(settings.data)
    unknown = set(settings.sources) - {image.source for image in images}
    if unknown:
        known = sorted({image.source for image in images})
        message = f"{settings.data}: no source {sorted(unknown)}; it holds {', '.join(known)}"
        raise ConfigError(message, path=str(settings.data))
    if settings.sources:
        images = tuple(image for image in images if image.source in settings.sources)
    train, validation = _held_out(
        settings, *(_of_table(images, name, settings) for name in ("train", "validation"))
    )
    licences = {image.source: image.rows[0].licence for image in images if image.source in train}
    return train, validation, licences


def _of_table(
    images: Sequence[TableImage], split: str, settings: TrainingConfig
) -> dict[str, list[Field]]:
    """Fields of one split of a table by source, in the order of their names."""
    fields: dict[str, list[Field]] = {}
    for image in sorted(images, key=lambda image: image.source):
        if image.split == split:
            mpp = settings.mpp_for(row.structure for row in image.rows)
            fields.setdefault(image.source, []).append(read_table_field(image, mpp=mpp))
    return fields
