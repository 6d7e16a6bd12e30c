"""The `til` family: stromal lymphocytes by the working group's definition, and the phenotype.

Needs three prompts, which the prompts file names under `til`: immune cells, stroma, tumor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.features.columns import FeatureFamily
from pathexplain.features.spatial.boundary import Other, covered, measure_profile
from pathexplain.features.spatial.coarse import (
    closed,
    coarse_mask,
    coarse_tissue,
    region_area_mm2,
)
from pathexplain.features.spatial.planes import windows
from pathexplain.features.spatial.region_columns import (
    DESERT,
    EXCLUDED,
    INFLAMED,
    MARGIN_CUT_PER_MM2,
    TIL_COLUMNS,
    TUMOR_CUT_PER_MM2,
    TUMOR_REACH_UM,
)
from pathexplain.features.spatial.table import SpatialTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import SlideGeometry, SlideObjects
    from pathexplain.features.spatial.neighborhood import PointSet

__all__ = ["TIL", "immune_phenotype", "measure_til", "stromal_pixels"]

_UM2_PER_MM2 = 1e6


def immune_phenotype(intratumoral_per_mm2: float, margin_per_mm2: float) -> float:
    """Immune phenotype from two densities: 0 desert, 1 excluded, 2 inflamed, NaN where one is.

    Examples
    --------
    >>> immune_phenotype(250, 900), immune_phenotype(20, 900), immune_phenotype(20, 50)
    (2.0, 1.0, 0.0)
    """
    if not (np.isfinite(intratumoral_per_mm2) and np.isfinite(margin_per_mm2)):
        return float("nan")
    if intratumoral_per_mm2 >= TUMOR_CUT_PER_MM2:
        return INFLAMED
    return EXCLUDED if margin_per_mm2 >= MARGIN_CUT_PER_MM2 else DESERT


def measure_til(
    immune: SlideObjects, points: PointSet, stroma: SlideObjects, tumor: Other
) -> SpatialTable:
    """Measure TIL scores of a slide.

    Parameters
    ----------
    immune : SlideObjects
    points : PointSet
        Centroids of the immune objects.
    stroma : SlideObjects
    tumor : Other

    Returns
    -------
    SpatialTable
        Slide numbers of `TIL`.
    """
    table = SpatialTable(points.n)
    _stromal(table, immune, stroma, tumor)
    tumor_mm2 = region_area_mm2(tumor.objects, tumor.geometry)
    table.number("tumor_mm2", tumor_mm2, tumor.objects.n)
    inside = covered(points.points_um, tumor.objects, tumor.geometry) & points.inside
    n = int(inside.sum())
    density = n / tumor_mm2 if tumor_mm2 > 0 else float("nan")
    table.number("intratumoral_per_mm2", density, n, "there is no tumor")
    count, area_mm2 = measure_profile(points, tumor).margin
    margin = count / area_mm2 if area_mm2 > 0 else float("nan")
    why = "there is no tumor, or no tissue around it"
    table.number("margin_mm2", area_mm2, tumor.objects.n)
    table.number("margin_per_mm2", margin, count, why)
    table.number("phenotype", immune_phenotype(density, margin), n + count, why)
    return table


def _stromal(table: SpatialTable, immune: SlideObjects, stroma: SlideObjects, tumor: Other) -> None:
    """Enter the stromal percentage and its denominator."""
    if immune.labels is None or stroma.labels is None or tumor.objects.labels is None:
        for name in ("stromal_percent", "stroma_mm2"):
            table.number(name, np.nan, 0, "the label images were not kept")
        return
    occupied, whole = stromal_pixels(immune, stroma, tumor.objects, tumor.geometry)
    area_mm2 = whole * tumor.geometry.mpp**2 / _UM2_PER_MM2
    percent = 100 * occupied / whole if whole else np.nan
    why = "there is no stroma within the border of a tumor"
    table.number("stromal_percent", percent, immune.n, why)
    table.number("stroma_mm2", area_mm2, stroma.n)


def stromal_pixels(
    immune: SlideObjects, stroma: SlideObjects, tumor: SlideObjects, geometry: SlideGeometry
) -> tuple[int, int]:
    """Pixels of immune cells in the stroma of the tumor, and pixels of that stroma with them.

    Salgado 2015, doi:10.1093/annonc/mdu450: area occupied by mononuclear inflammatory cells over
    total intratumoral stromal area, within the borders of the invasive tumor. Immune cells belong
    to the stroma that they lie in, also where its mask spares them.
    """
    planes = [item.labels for item in (immune, stroma, tumor)]
    if any(plane is None for plane in planes):
        return 0, 0
    reach = TUMOR_REACH_UM / geometry.coarse_mpp
    within = closed(coarse_mask(tumor, geometry), reach=reach) & coarse_tissue(geometry)
    step = geometry.coarse_step
    occupied = whole = 0
    for rows, columns in windows(geometry.shape_px):
        inside = _stretched(within, rows, columns, step)
        if not inside.any():
            continue
        cells, matrix, cancer = (
            np.asarray(plane[rows, columns]) > 0 for plane in planes if plane is not None
        )
        outside = inside & ~cancer
        occupied += int((cells & outside).sum())
        whole += int(((cells | matrix) & outside).sum())
    return occupied, whole


def _stretched(
    cells: NDArray[np.bool_], rows: slice, columns: slice, step: int
) -> NDArray[np.bool_]:
    """Window, in pixels, of a mask of coarse cells."""
    y, x = (np.arange(part.start, part.stop) // step for part in (rows, columns))
    return np.asarray(cells[np.ix_(y, x)])


TIL = FeatureFamily("til", TIL_COLUMNS)
