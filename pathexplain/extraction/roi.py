"""Regions of interest: where a slide is looked at, drawn in QuPath and exported as GeoJSON.

Not for masks of prompts (`segmentor.masks`), which may come in the same format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import ConfigError
from pathexplain.segmentor.datasets.qupath import IGNORE_CLASS, read_outlines
from pathexplain.segmentor.polygons import PolygonMask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.slides import Slide, TileWindow, Tissue

__all__ = ["RegionOfInterest", "read_roi", "roi_file"]


@dataclass(frozen=True, eq=False)
class RegionOfInterest:
    """Where a slide is looked at.

    Attributes
    ----------
    polygons : PolygonMask
        In µm; what lies in any of them is looked at.
    """

    polygons: PolygonMask

    def window(self, tile: TileWindow, mpp: float) -> NDArray[np.bool_]:
        """(height, width) bool of a tile's window."""
        place = (tile.y0 * mpp, tile.x0 * mpp, tile.height, tile.width)
        return np.asarray(self.polygons.window(*place, mpp) > 0)

    def holds(self, centroid_um: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points (y, x) in µm, (n, 2), lie inside."""
        import shapely

        inside = np.zeros(len(centroid_um), bool)
        for rings in self.polygons.objects:
            polygon: Any = shapely.MultiPolygon()
            for ring in rings:
                # As for pixels: inside is what an odd number of rings surround.
                polygon = polygon.symmetric_difference(shapely.make_valid(shapely.Polygon(ring)))
            shapely.prepare(polygon)
            inside |= shapely.contains_xy(polygon, centroid_um[:, 1], centroid_um[:, 0])
        return inside

    def within(self, tissue: Tissue) -> Tissue:
        """Leave of the tissue what lies inside."""
        height, width = tissue.mask.shape
        inside = self.polygons.window(0.0, 0.0, height, width, tissue.mpp) > 0
        return replace(tissue, mask=tissue.mask & inside)


def roi_file(roi: Path, slide_id: str) -> Path:
    """File that holds a slide's regions: `roi` itself, or ``SLIDE.geojson`` in that folder.

    Raises
    ------
    ConfigError
        When it is not there.
    """
    path = roi / f"{slide_id}.geojson" if roi.is_dir() else roi
    if not path.is_file():
        message = (
            f"slide {slide_id}: no region of interest {path}; export its annotations from QuPath "
            "as GeoJSON under this name, or leave --roi out to look at all tissue"
        )
        raise ConfigError(message, slide_id=slide_id, path=str(path))
    return path


def read_roi(path: Path, slide: Slide) -> RegionOfInterest:
    """Read the regions of one slide.

    Parameters
    ----------
    path : Path
        GeoJSON in pixels of the slide at full resolution, as QuPath exports it. Annotations of the
        class "Ignore*" are left out; all others count, whatever their class.
    slide : Slide

    Raises
    ------
    ConfigError
        When it is no GeoJSON, or no polygon is in it.
    SegmentationError
        When polygons reach beyond the slide.
    """
    outlines = read_outlines(path, structure="tissue")
    objects = tuple(
        tuple(ring * slide.mpp for polygon in outline.polygons for ring in polygon)
        for outline in outlines
        if outline.class_name != IGNORE_CLASS
    )
    if not objects:
        message = f"slide {slide.slide_id}: no region of interest is drawn in {path}"
        raise ConfigError(message, slide_id=slide.slide_id, path=str(path))
    extent_um = (slide.shape[0] * slide.mpp, slide.shape[1] * slide.mpp)
    return RegionOfInterest(PolygonMask(objects, extent_um, path))
