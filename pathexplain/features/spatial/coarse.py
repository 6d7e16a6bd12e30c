"""Masks on the coarse grid of a slide: tissue, distances near a boundary, closing.

Distances are found block by block with a margin, so that no slide-wide plane of numbers is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pathexplain.features.spatial.planes import windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import SlideGeometry, SlideObjects

__all__ = ["closed", "coarse_mask", "coarse_tissue", "distance_blocks", "near"]

BLOCK_CELLS = 1024
_HALF = 128


def coarse_mask(objects: SlideObjects) -> NDArray[np.bool_]:
    """(h, w) bool: cells that objects cover by half or more."""
    return np.asarray(np.asarray(objects.coverage) >= _HALF)


def coarse_tissue(geometry: SlideGeometry) -> NDArray[np.bool_]:
    """(h, w) bool: coarse cells whose center is tissue."""
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * geometry.coarse_mpp / geometry.tissue_mpp, limit - 1)
        for n, limit in zip(geometry.coarse_shape, geometry.tissue.shape, strict=True)
    )
    return np.asarray(geometry.tissue[np.ix_(rows.astype(np.int64), columns.astype(np.int64))])


def distance_blocks(
    mask: NDArray[np.bool_], *, reach: int
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float64]]]:
    """Distance of every cell to the mask, in cells, block by block; exact up to `reach`.

    Cells farther than `reach`, or in blocks without any mask near, are infinite.

    Yields
    ------
    block : (slice, slice)
    distance : (h, w) float64
        From cell center to cell center; 0 on the mask.
    """
    for rows, columns in windows(mask.shape, side=BLOCK_CELLS):
        top, left = max(rows.start - reach - 1, 0), max(columns.start - reach - 1, 0)
        wide = mask[top : rows.stop + reach + 1, left : columns.stop + reach + 1]
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        if not wide.any():
            yield (rows, columns), np.full(shape, np.inf)
            continue
        distance = ndimage.distance_transform_edt(~wide)
        y, x = rows.start - top, columns.start - left
        found = distance[y : y + shape[0], x : x + shape[1]]
        yield (rows, columns), np.where(found <= reach, found, np.inf)


def near(mask: NDArray[np.bool_], *, reach: float) -> NDArray[np.bool_]:
    """Cells at most `reach` cells away from the mask, itself among them."""
    found = np.zeros(mask.shape, bool)
    for block, distance in distance_blocks(mask, reach=int(np.ceil(reach))):
        found[block] = distance <= reach
    return found


def closed(mask: NDArray[np.bool_], *, reach: float) -> NDArray[np.bool_]:
    """Morphological closing by a disk: gaps narrower than twice the reach are filled.

    What lies outside the slide counts as neither, so that the slide's edge closes nothing.
    """
    return np.asarray(mask | ~near(~near(mask, reach=reach), reach=reach))
