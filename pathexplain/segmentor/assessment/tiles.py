"""Whole tiles that carry one label: which tissue the segmentor sees most of."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.segmentor.assessment.intervals import mean_score
from pathexplain.segmentor.assessment.measuring import answers, category_prompt, unit
from pathexplain.segmentor.assessment.results import TileRecall, TileScore
from pathexplain.segmentor.datasets.sources import TILE_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.datasets.reading import Field, Record

__all__ = ["Tile", "candidates_of", "measure_tile", "summarise_tiles", "taught"]


@dataclass(frozen=True)
class Tile:
    """One tile: its own category, the one it was taken for, and what was called present.

    `object` is None where no candidate is the tile's category.
    """

    source: str
    object: str | None
    chosen: str
    is_present: bool
    candidates: tuple[str, ...]
    unit: str
    has_patient: bool


def candidates_of(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """Categories that each source's tiles are labelled with, in the words of the vocabulary.

    Examples
    --------
    >>> from pathlib import Path
    >>> from pathexplain.segmentor.datasets.reading import Record
    >>> tile = Record("crc_tiles", Path("a.jpg"), None, "tile label", 0.5, "colon", "", "test",
    ...               "lymphocytes")
    >>> candidates_of([tile])
    {'crc_tiles': ('lymphocytic infiltrate',)}
    """
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.kind == "tile label" and record.label in TILE_CLASSES:
            found[record.source].add(TILE_CLASSES[record.label])
    return {source: tuple(sorted(names)) for source, names in found.items()}


def taught(model: Segmentor, field: Field, names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` that the segmentor was trained on; all where it was trained on none."""
    known = tuple(n for n in names if model.describe(category_prompt(field, n))[0] == "trained")
    return known or tuple(names)


def measure_tile(
    model: Segmentor, field: Field, *, candidates: Mapping[str, Sequence[str]]
) -> Tile:
    """Take the candidate of the highest mean probability over the tile.

    Parameters
    ----------
    model : Segmentor
    field : Field
        Of kind "tile label"; `targets` may be empty.
    candidates : mapping of source to categories
    """
    record = field.record
    names = taught(model, field, candidates[record.source])
    prompts = [category_prompt(field, name) for name in names]
    replies = dict(zip(names, answers(model, field.image, prompts, mpp=field.mpp), strict=True))
    own = TILE_CLASSES.get(record.label)
    return Tile(
        source=record.source,
        object=own if own in names else None,
        chosen=max(names, key=lambda name: float(replies[name].probability.mean())),
        is_present=own in replies and bool(replies[own].mask.any()),
        candidates=names,
        unit=unit(field),
        has_patient=bool(record.patient),
    )


def summarise_tiles(tiles: Sequence[Tile], *, seed: int = 0) -> tuple[TileScore, ...]:
    """Accuracy and recall by category for each source, with intervals over units."""
    sources: dict[str, list[Tile]] = defaultdict(list)
    for tile in tiles:
        sources[tile.source].append(tile)
    return tuple(_source(name, members, seed) for name, members in sorted(sources.items()))


def _source(source: str, tiles: Sequence[Tile], seed: int) -> TileScore:
    """Figures of one source."""
    kept = [tile for tile in tiles if tile.object is not None]
    categories: dict[str, list[Tile]] = defaultdict(list)
    for tile in kept:
        categories[str(tile.object)].append(tile)
    return TileScore(
        source=source,
        accuracy=mean_score(
            [float(t.chosen == t.object) for t in kept], [t.unit for t in kept], seed=seed
        ),
        recalls=tuple(_recall(name, group, seed) for name, group in sorted(categories.items())),
        candidates=tiles[0].candidates,
        n_untaught=len(tiles) - len(kept),
        resampled="patients" if any(tile.has_patient for tile in tiles) else "images",
    )


def _recall(name: str, tiles: Sequence[Tile], seed: int) -> TileRecall:
    """Figures of one category."""
    units = [tile.unit for tile in tiles]
    return TileRecall(
        object=name,
        recall=mean_score([float(t.chosen == t.object) for t in tiles], units, seed=seed),
        called_present=mean_score([float(t.is_present) for t in tiles], units, seed=seed),
    )
