"""Objects painted on a slide by what they add to a class: arrays in, a picture out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.diagnosis.tiles import SlideTiles

__all__ = ["AGAINST", "TOWARDS", "mosaic", "paint"]

TOWARDS, AGAINST = (213, 94, 0), (0, 114, 178)
"""Okabe and Ito (2008): orange towards the class, blue against it."""

LARGEST_PX = 900
STRENGTH = 0.6


def mosaic(
    tiles: SlideTiles, values: NDArray[np.float64], *, largest_px: int = LARGEST_PX
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Put tiles back where they came from, with a value for every pixel.

    Parameters
    ----------
    tiles : SlideTiles
    values : (n, P + 1) float64
        Value of each prompt in each tile, the rest of the tissue last; NaN where there is none.
        Where prompts overlap, the one with the smaller area in the tile lies on top.
    largest_px : int
        Longest side of the picture.

    Returns
    -------
    picture : (h, w, 3) uint8
        White where there is no tile.
    field : (h, w) float64
        NaN where there is no value.
    """
    side = tiles.pixels.shape[1]
    corner = tiles.origins.min(axis=0)
    extent = tiles.origins.max(axis=0) - corner + side
    step = max(1, int(np.ceil(extent.max() / largest_px)))
    height, width = (-(-int(length) // step) for length in extent)
    picture = np.full((height, width, 3), 255, np.uint8)
    field = np.full((height, width), np.nan)
    for index, origin in enumerate(tiles.origins):
        y, x = ((origin - corner) // step).tolist()
        small = np.asarray(tiles.pixels[index, ::step, ::step])
        if step > 1:
            size = (small.shape[1], small.shape[0])
            full = Image.fromarray(np.asarray(tiles.pixels[index]))
            small = np.asarray(full.resize(size, Image.Resampling.BOX))
        rows, columns = (
            min(a, b) for a, b in zip(small.shape[:2], (height - y, width - x), strict=True)
        )
        part = (slice(y, y + rows), slice(x, x + columns))
        picture[part] = small[:rows, :columns]
        field[part] = _tile_field(tiles, index, values[index])[::step, ::step][:rows, :columns]
    return picture, field


def _tile_field(tiles: SlideTiles, index: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Value of every pixel of one tile."""
    masks = np.asarray(tiles.masks[index])
    field = np.full(masks.shape[1:], np.nan)
    field[np.asarray(tiles.tissue[index]) & ~masks.any(axis=0)] = values[-1]
    for prompt in np.argsort(-masks.sum(axis=(1, 2)), kind="stable"):
        field[masks[prompt]] = values[prompt]
    return field


def paint(
    picture: NDArray[np.uint8], field: NDArray[np.float64], *, limit: float
) -> NDArray[np.uint8]:
    """Tint a picture: orange where a value speaks for the class, blue where against it.

    Parameters
    ----------
    picture : (h, w, 3) uint8
    field : (h, w) float64
        NaN leaves the picture in grey.
    limit : float
        Value with the strongest tint, > 0.

    Returns
    -------
    (h, w, 3) uint8

    Examples
    --------
    >>> grey = np.full((1, 3, 3), 200, np.uint8)
    >>> paint(grey, np.array([[1.0, -1.0, np.nan]]), limit=1.0)[0, :, 2].tolist()
    [80, 187, 200]
    """
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    share = np.clip(np.nan_to_num(field) / limit, -1, 1)[..., None]
    color = np.where(share > 0, np.array(TOWARDS, float), np.array(AGAINST, float))
    # Dark structures stay visible: the tint takes the place of the light alone.
    tinted = grey * (1 - STRENGTH * np.abs(share)) + color * (STRENGTH * np.abs(share))
    return np.asarray(np.rint(np.clip(tinted, 0, 255)), dtype=np.uint8)
