"""Polygons over a slide as label images, window by window, by the pixel-centre rule.

Not for reading files of polygons (`datasets.qupath`, `mask_files`), nor for drawing outlines of our
own masks (`extraction.outlines`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import SegmentationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PolygonMask", "fill_polygon"]

SLACK = 0.01
"""How far polygons may reach beyond a slide, as a share of its longer side."""


@dataclass(frozen=True, eq=False)
class PolygonMask:
    """Objects of one prompt on one slide, as polygons.

    Parameters
    ----------
    objects : tuple of tuples of (N, 2) float64
        Rings of (x, y) in µm from the slide's top left corner, for each object; holes and further
        parts are rings as well.
    extent_um : (float, float)
        Height and width of the slide.
    path : Path
        Where they come from, for messages.

    Raises
    ------
    SegmentationError
        When they reach beyond the slide: their coordinates have another unit or origin.

    Examples
    --------
    >>> from pathlib import Path
    >>> square = np.array([[1, 0], [3, 0], [3, 2], [1, 2]], float)
    >>> mask = PolygonMask(((square,),), (2.0, 4.0), Path("S1.geojson"))
    >>> mask.window(0.0, 0.0, 2, 4, 1.0)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0]])
    """

    objects: tuple[tuple[NDArray[np.float64], ...], ...]
    extent_um: tuple[float, float]
    path: Path
    is_numbered: bool = True

    def __post_init__(self) -> None:
        """Check once that the polygons lie on the slide."""
        if not self.objects:
            return
        least, most = self._bounds[:, :2].min(axis=0), self._bounds[:, 2:].max(axis=0)
        beyond = max(*-least, most[0] - self.extent_um[1], most[1] - self.extent_um[0])
        if beyond > SLACK * max(self.extent_um):
            message = (
                f"{self.path}: polygons reach {beyond:.1f} µm beyond a slide of "
                f"{self.extent_um[0]:.1f} × {self.extent_um[1]:.1f} µm; coordinates of GeoJSON "
                "are pixels at full resolution, those of SpatialData µm, from the top left"
            )
            raise SegmentationError(message, path=str(self.path))

    @cached_property
    def _bounds(self) -> NDArray[np.float64]:
        """(n, 4) least x, least y, greatest x, greatest y of every object, µm."""
        corners = [np.concatenate(rings) for rings in self.objects]
        bounds = [(*points.min(axis=0), *points.max(axis=0)) for points in corners]
        return np.array(bounds, np.float64).reshape(-1, 4)

    def window(
        self, y_um: float, x_um: float, height: int, width: int, mpp: float
    ) -> NDArray[np.int64]:
        """Fill the polygons that a window touches, smaller ones on top; see `MaskSource`."""
        labels = np.zeros((height, width), np.int64)
        boxes = (self._bounds - (x_um, y_um, x_um, y_um)) / mpp
        touched = (boxes[:, 0] < width) & (boxes[:, 1] < height)
        touched &= (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
        size = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        for index in sorted(np.flatnonzero(touched), key=lambda index: -size[index]):
            x0, y0 = max(0, int(boxes[index, 0])), max(0, int(boxes[index, 1]))
            x1 = min(width, int(boxes[index, 2]) + 1)
            y1 = min(height, int(boxes[index, 3]) + 1)
            offset = np.array([x_um, y_um]) / mpp + (x0, y0)
            rings = [ring / mpp - offset for ring in self.objects[index]]
            labels[y0:y1, x0:x1][fill_polygon(rings, height=y1 - y0, width=x1 - x0)] = index + 1
        return labels


def fill_polygon(
    rings: Sequence[NDArray[np.float64]], *, height: int, width: int
) -> NDArray[np.bool_]:
    """Pixels whose centre lies in a polygon: an odd number of its edges are to their left.

    Parameters
    ----------
    rings : sequence of (N, 2) float64
        Vertices (x, y) in pixels, closed or not; pixel (i, j) has its centre at y = i + 0.5,
        x = j + 0.5. Holes are rings as well.
    height, width : int
        Size of the result; rings may reach beyond it.

    Returns
    -------
    (height, width) bool

    Examples
    --------
    >>> ring = np.array([[1, 0], [3, 0], [3, 2], [1, 2]], float)
    >>> fill_polygon([ring], height=3, width=4).astype(int)
    array([[0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    top, bottom = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(top - 0.5), 0, height).astype(np.int64)
    crossed = np.clip(np.ceil(bottom - 0.5), 0, height).astype(np.int64) - first
    edge = np.repeat(np.arange(len(start)), crossed)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed, crossed) + first[edge]
    share = (row + 0.5 - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + share * (end[edge, 0] - start[edge, 0])
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    turns = np.bincount(row * (width + 1) + column, minlength=height * (width + 1))
    inside = np.cumsum(turns.reshape(height, width + 1), axis=1)[:, :width] % 2
    return np.asarray(inside == 1)
