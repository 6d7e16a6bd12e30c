"""The `region` family: a prompt's mask on the slide as a whole.

Area and boundary, parts, spread, lacunarity, and the paper's instance ratio, count and dispersion.
Not for single objects: those have `shape`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import spatial

from pathexplain.features.columns import FeatureFamily
from pathexplain.features.spatial.coarse import coarse_tissue
from pathexplain.features.spatial.planes import components, windows
from pathexplain.features.spatial.region_columns import (
    LACUNARITY_UM,
    LEAST_COMPONENT_UM2,
    QUADRAT_UM,
    REGION_COLUMNS,
)
from pathexplain.features.spatial.table import SpatialTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import SlideGeometry, SlideObjects
    from pathexplain.features.spatial.window import Window

__all__ = ["REGION", "lacunarity", "largest_distance", "measure_region"]

BLOCK_CELLS = 1024
_FULL = 255.0
_UM2_PER_MM2 = 1e6
_ON_A_HULL = 3
_PARTS = ("instance_ratio", "instance_dispersion_um", "largest_share")
_PLANE = ("instance_count", "fragments_per_mm2", "boundary_mm", "boundary_per_mm", *_PARTS)


def measure_region(objects: SlideObjects, geometry: SlideGeometry, window: Window) -> SpatialTable:
    """Measure the mask of a prompt on a slide.

    Parameters
    ----------
    objects : SlideObjects
    geometry : SlideGeometry
    window : Window
        The tissue.

    Returns
    -------
    SpatialTable
        Slide numbers of `REGION`; no object columns.
    """
    table = SpatialTable(objects.n)
    table.number("area_mm2", objects.area_um2.sum() / _UM2_PER_MM2, objects.n)
    _parts(table, objects, geometry, window)
    coverage = np.asarray(objects.coverage)
    tissue = coarse_tissue(geometry)
    share, n_squares = _quadrats(coverage, tissue, geometry)
    positive = share[share > 0]
    entropy = np.nan
    if len(positive) and n_squares > 1:
        entropy = max(0.0, float(-(positive * np.log(positive)).sum() / np.log(n_squares)))
    reason = "the prompt is absent" if not objects.n else "fewer than two squares have tissue"
    table.number("entropy", entropy, objects.n, reason)
    table.number("spread_um", _gyration(coverage) * geometry.coarse_mpp, objects.n, reason)
    for side_um in LACUNARITY_UM:
        side = max(1, round(side_um / geometry.coarse_mpp))
        value = lacunarity(coverage, tissue, side=side)
        why = (
            "the prompt is absent" if not objects.n else "no box with any of it lies in the tissue"
        )
        table.number(f"lacunarity_{side_um}um", value, objects.n, why)
    return table


def _parts(
    table: SpatialTable, objects: SlideObjects, geometry: SlideGeometry, window: Window
) -> None:
    """Enter what follows from the 8-connected components and the outline."""
    if objects.labels is None:
        for name in _PLANE:
            table.number(name, np.nan, 0, "the label image was not kept")
        return
    mpp = geometry.mpp
    found = components(objects.labels)
    area_um2 = found.area_px * mpp**2
    kept = area_um2 >= LEAST_COMPONENT_UM2 - 1e-9
    n = int(kept.sum())
    height, width = geometry.shape_px
    centroid_um = (found.centroid_px[kept] + 0.5) * mpp
    boundary_mm = found.boundary_px * mpp / 1000
    total_mm2 = float(area_um2.sum()) / _UM2_PER_MM2
    table.number("instance_count", n, n)
    table.number("fragments_per_mm2", n / window.area_mm2, n)
    table.number("boundary_mm", boundary_mm, objects.n)
    per_mm = boundary_mm / total_mm2 if total_mm2 else np.nan
    table.number("boundary_per_mm", per_mm, objects.n, "the prompt is absent")
    ratio = area_um2[kept].mean() / (height * width * mpp**2) if n else np.nan
    table.number("instance_ratio", ratio, n, "no component")
    largest = area_um2[kept].max() / area_um2[kept].sum() if n else np.nan
    table.number("largest_share", largest, n, "no component")
    why = f"{n} components, needs 2"
    table.number("instance_dispersion_um", largest_distance(centroid_um), n, why)


def largest_distance(points: NDArray[np.float64]) -> float:
    """Largest distance of two points (n, 2); NaN with fewer than two.

    Examples
    --------
    >>> largest_distance(np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]]))
    5.0
    """
    if len(points) < _ON_A_HULL - 1:
        return float("nan")
    corners = points
    if len(points) > _ON_A_HULL:
        try:
            corners = points[spatial.ConvexHull(points).vertices]
        except spatial.QhullError:  # all on one line: its ends are extreme along it
            step = points - points[0]
            along = step @ step[np.argmax((step**2).sum(axis=1))]
            corners = points[[int(along.argmin()), int(along.argmax())]]
    return float(max(np.hypot(*(corners - corner).T).max() for corner in corners))


def _quadrats(
    coverage: NDArray[np.uint8], tissue: NDArray[np.bool_], geometry: SlideGeometry
) -> tuple[NDArray[np.float64], int]:
    """Share of the mask in each square with tissue, and how many such squares there are."""
    if not tissue.any():
        return np.zeros(0), 0
    side = max(1, round(QUADRAT_UM / geometry.coarse_mpp))
    starts = []
    for axis in (0, 1):
        there = np.flatnonzero(tissue.any(axis=1 - axis))
        middle = (int(there[0]) + int(there[-1]) + 1) // 2
        first = middle % side
        starts.append(np.unique(np.r_[0, np.arange(first, tissue.shape[axis], side)]))
    rows, columns = starts
    inside = np.where(tissue, coverage, 0)
    sums = np.add.reduceat(
        np.add.reduceat(inside, rows, axis=0, dtype=np.int64), columns, axis=1, dtype=np.int64
    )
    has_tissue = np.logical_or.reduceat(np.logical_or.reduceat(tissue, rows, 0), columns, 1)
    total = float(sums.sum())
    share = sums[has_tissue] / total if total else np.zeros(0)
    return np.asarray(share, np.float64), int(has_tissue.sum())


def _gyration(coverage: NDArray[np.uint8]) -> float:
    """Root mean square distance of the mask from its center, in cells; NaN without a mask."""
    weight = np.zeros(0)
    moments = []
    for axis in (0, 1):
        weight = coverage.sum(axis=1 - axis, dtype=np.float64)
        if not weight.sum():
            return float("nan")
        place = np.arange(len(weight))
        middle = (weight * place).sum() / weight.sum()
        moments.append((weight * (place - middle) ** 2).sum() / weight.sum())
    return float(np.sqrt(sum(moments)))


def lacunarity(coverage: NDArray[np.uint8], tissue: NDArray[np.bool_], *, side: int) -> float:
    """Lacunarity of a mask in gliding boxes of `side` cells that lie in the tissue.

    Returns
    -------
    float
        mean(s²) / mean(s)², 1 or more; NaN where no box lies in the tissue, or all are empty.

    Examples
    --------
    >>> everywhere = np.ones((8, 8), bool)
    >>> lacunarity(np.full((8, 8), 255, np.uint8), everywhere, side=2)
    1.0
    """
    count, total, square = 0, 0.0, 0.0
    shape = tuple(n - side + 1 for n in coverage.shape)
    if min(shape) < 1:
        return float("nan")
    for rows, columns in windows(shape, side=BLOCK_CELLS):
        wide = (
            slice(rows.start, rows.stop + side - 1),
            slice(columns.start, columns.stop + side - 1),
        )
        whole = _box_sums(tissue[wide], side) == side * side
        mass = _box_sums(coverage[wide], side)[whole] / _FULL
        count += len(mass)
        total += float(mass.sum())
        square += float((mass**2).sum())
    return square * count / total**2 if total > 0 else float("nan")


def _box_sums(values: NDArray[np.uint8] | NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """Sum over every box of `side` cells."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(values, axis=0, dtype=np.int64), axis=1, out=sums[1:, 1:])
    return sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]


REGION = FeatureFamily("region", REGION_COLUMNS)
