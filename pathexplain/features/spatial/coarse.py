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

__all__ = [
    "closed",
    "coarse_mask",
    "coarse_tissue",
    "depths",
    "distance_blocks",
    "near",
    "region_area_mm2",
    "small_holes",
]

BLOCK_CELLS = 1024
SPARED_UM2 = 200.0
"""Holes of a region up to this large are what its mask spares: nuclei, not lumens."""
_HALF = 128
_FULL = 255
_UM2_PER_MM2 = 1e6


def coarse_mask(objects: SlideObjects, geometry: SlideGeometry) -> NDArray[np.bool_]:
    """(h, w) bool: cells that objects cover by half or more, and small holes of a region."""
    mask = np.asarray(np.asarray(objects.coverage) >= _HALF)
    if objects.kind == "region":
        mask |= small_holes(mask, largest=int(SPARED_UM2 / geometry.coarse_mpp**2))
    return mask


def depths(objects: SlideObjects, geometry: SlideGeometry) -> NDArray[np.bool_]:
    """(h, w) bool: cells of a region whose four neighbors are its cells too; none of others.

    What lies there lies in the region, also where the mask spares it, pixel by pixel.
    """
    if objects.kind != "region":
        return np.zeros(geometry.coarse_shape, bool)
    return np.asarray(ndimage.binary_erosion(coarse_mask(objects, geometry), border_value=1))


def coarse_tissue(geometry: SlideGeometry) -> NDArray[np.bool_]:
    """(h, w) bool: coarse cells whose center is tissue."""
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * geometry.coarse_mpp / geometry.tissue_mpp, limit - 1)
        for n, limit in zip(geometry.coarse_shape, geometry.tissue.shape, strict=True)
    )
    return np.asarray(geometry.tissue[np.ix_(rows.astype(np.int64), columns.astype(np.int64))])


def small_holes(mask: NDArray[np.bool_], *, largest: int) -> NDArray[np.bool_]:
    """Cells of holes (4-connected) of at most `largest` cells, none of them at the slide's edge.

    Examples
    --------
    >>> ring = np.ones((5, 5), bool)
    >>> ring[2, 2] = ring[0, 0] = False
    >>> np.argwhere(small_holes(ring, largest=3)).tolist()
    [[2, 2]]
    """
    found = np.zeros(mask.shape, bool)
    padded = np.pad(mask, 1)
    margin = largest + 1  # holes that reach farther are too large
    for rows, columns in windows(mask.shape, side=BLOCK_CELLS):
        top, left = max(rows.start - margin, 0), max(columns.start - margin, 0)
        part = ~padded[top : rows.stop + margin + 2, left : columns.stop + margin + 2]
        hole, _ = ndimage.label(part)
        size = np.bincount(hole.ravel())
        size[[0, *np.unique(np.r_[hole[0], hole[-1], hole[:, 0], hole[:, -1]])]] = largest + 1
        y, x = rows.start - top + 1, columns.start - left + 1
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        found[rows, columns] = (size <= largest)[hole[y : y + shape[0], x : x + shape[1]]]
    return found


def region_area_mm2(objects: SlideObjects, geometry: SlideGeometry) -> float:
    """Tissue under the mask of a prompt, mm²; what lies in the depths of a region is its own."""
    share = np.where(depths(objects, geometry), _FULL, np.asarray(objects.coverage))
    cells = float(share[coarse_tissue(geometry)].sum(dtype=np.int64)) / _FULL
    return cells * geometry.coarse_mpp**2 / _UM2_PER_MM2


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
