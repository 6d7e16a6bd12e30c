"""Mosaics of whole-tile-labelled images: region masks from tiles that are one tissue throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pathexplain.segmentor.datasets.reading import IGNORE, Field, Record
from pathexplain.segmentor.datasets.sources import SOURCES, TILE_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["tile_mosaics"]


def tile_mosaics(
    records: Iterable[Record], *, mpp: float, side: int, n_mosaics: int, seed: int
) -> list[Field]:
    """Mosaics of whole-tile-labelled images: every tissue of the table is known everywhere.

    Parameters
    ----------
    records : iterable of Record
        Of kind "tile label".
    side : int
        Tiles along one side of a mosaic.

    Returns
    -------
    list of Field
        Also knows where glands and nuclei certainly are not.
    """
    tiles = [(record, np.asarray(Image.open(record.image).convert("RGB"))) for record in records]
    rng = np.random.default_rng(seed)
    by_label: dict[str, list[int]] = {}
    for index, (record, _) in enumerate(tiles):
        by_label.setdefault(record.label, []).append(index)
    labels = sorted(by_label)
    fields = []
    for _ in range(n_mosaics):
        drawn = [labels[i] for i in rng.integers(len(labels), size=side * side)]
        chosen = [tiles[rng.choice(by_label[label])] for label in drawn]
        fields.append(_mosaic(chosen, side=side, rng=rng, mpp=mpp))
    return fields


def _mosaic(
    chosen: list[tuple[Record, NDArray[np.uint8]]],
    *,
    side: int,
    rng: np.random.Generator,
    mpp: float,
) -> Field:
    """One mosaic of `side` × `side` tiles, each flipped and turned at random."""
    size = round(chosen[0][1].shape[0] * (chosen[0][0].mpp or mpp) / mpp)
    image = np.zeros((size * side, size * side, 3), np.uint8)
    names = sorted(set(TILE_CLASSES.values()))
    code = np.zeros(image.shape[:2], np.uint8)
    for place, (record, pixels) in enumerate(chosen):
        turned = np.rot90(pixels, int(rng.integers(4)))
        resized = Image.fromarray(turned).resize((size, size), Image.Resampling.LANCZOS)
        row, column = divmod(place, side)
        box = (slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
        image[box] = np.asarray(resized)
        code[box] = names.index(TILE_CLASSES[record.label])
    targets = {name: (code == index).astype(np.uint8) for index, name in enumerate(names)}
    has_glands = (targets["normal mucosa"] | targets["tumor"]) > 0
    targets["gland"] = np.where(has_glands, IGNORE, 0).astype(np.uint8)
    targets["nucleus"] = np.where(targets["background"] > 0, 0, IGNORE).astype(np.uint8)
    return Field(chosen[0][0], image, targets, None, None, SOURCES["crc_tiles"].absent, mpp)
