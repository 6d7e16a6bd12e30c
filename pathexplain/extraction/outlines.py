"""Outlines of labelled objects: exact polygons along pixel edges, in µm.

Not for features: perimeters are estimated in `features`, from pixels.
The area of an outline is its object's pixel count times mpp², to the last digit; holes are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["trace_outlines"]

# Steps (y, x) in the order of right turns: right, down, left, up.
_STEP_Y = np.array([0, 1, 0, -1])
_STEP_X = np.array([1, 0, -1, 0])


def trace_outlines(labels: NDArray[np.int32], *, mpp: float) -> dict[int, Any]:
    """Polygon of every object of a label image.

    Parameters
    ----------
    labels : (H, W) int32
        0 is background, objects are 1..N.
    mpp : float
        µm per pixel, > 0.

    Returns
    -------
    dict of int to shapely Polygon or MultiPolygon
        Keyed by label, ascending; vertices are (x, y) in µm from the top left corner of the first
        pixel. Parts that touch only at a corner are separate polygons of a MultiPolygon.

    Examples
    --------
    >>> labels = np.zeros((5, 5), np.int32)
    >>> labels[1:4, 1:4] = 1
    >>> labels[2, 2] = 0
    >>> outline = trace_outlines(labels, mpp=0.5)[1]
    >>> outline.area, len(outline.interiors), outline.bounds
    (2.0, 1, (0.5, 0.5, 2.0, 2.0))
    """
    outlines = {}
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None:
            continue
        corners, lengths = _trace(np.asarray(labels[window]) == label)
        offset = np.array([window[1].start, window[0].start])
        rings = np.split((corners + offset) * mpp, np.cumsum(lengths)[:-1])
        outlines[label] = _assemble([part for ring in rings for part in _simple_rings(ring)])
    return outlines


@numba.njit(cache=True)
def _trace(  # noqa: C901 - one walk around a mask, as one kernel
    mask: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Corners (x, y) of all boundary rings of `mask`, one after another, and their lengths.

    Every ring runs with the object on its right, so outer rings and holes turn opposite ways.
    """
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), np.bool_)
    padded[1:-1, 1:-1] = mask
    done = np.zeros((height + 1, width + 1), np.bool_)
    corners = np.empty((256, 2), np.int64)
    lengths = np.empty(8, np.int64)
    n_corners = 0
    n_rings = 0
    for row in range(height):
        for column in range(width):
            is_top_edge = padded[row + 1, column + 1] and not padded[row, column + 1]
            if not is_top_edge or done[row, column]:
                continue
            first = n_corners
            y, x, heading = row, column, 0
            while not (heading == 0 and done[y, x]):
                if heading == 0:
                    done[y, x] = True
                y += _STEP_Y[heading]
                x += _STEP_X[heading]
                turn = _turn(padded, y, x, heading)
                if turn != 0:
                    if n_corners == len(corners):
                        corners = np.concatenate((corners, corners))
                    corners[n_corners, 0] = x
                    corners[n_corners, 1] = y
                    n_corners += 1
                heading = (heading + turn) % 4
            if n_rings == len(lengths):
                lengths = np.concatenate((lengths, lengths))
            lengths[n_rings] = n_corners - first
            n_rings += 1
    return corners[:n_corners].copy(), lengths[:n_rings].copy()


@numba.njit(cache=True)
def _turn(padded: NDArray[np.bool_], y: int, x: int, heading: int) -> int:
    """1 right, -1 left, 0 straight on, for a walk with the object on its right.

    (y, x) is the vertex between padded[y, x] (above left) and padded[y + 1, x + 1] (below right).
    """
    ahead_left = (y, x + 1), (y + 1, x + 1), (y + 1, x), (y, x)
    left = ahead_left[heading]
    right = ahead_left[(heading + 1) % 4]
    if not padded[right[0], right[1]]:
        return 1
    return -1 if padded[left[0], left[1]] else 0


def _simple_rings(ring: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut a ring wherever it meets itself, so that no ring passes a point twice."""
    points = [tuple(point) for point in ring.tolist()]
    if len(set(points)) == len(points):
        return [ring]
    rings: list[NDArray[np.float64]] = []
    path: list[tuple[float, ...]] = []
    position: dict[tuple[float, ...], int] = {}
    for point in points:
        if point in position:
            start = position[point]
            loop = path[start:]
            rings.append(np.array(loop))
            for passed in loop:
                del position[passed]
            del path[start:]
        position[point] = len(path)
        path.append(point)
    rings.append(np.array(path))
    return rings


def _assemble(rings: list[NDArray[np.float64]]) -> Any:
    """Polygon of outer rings and the holes inside them."""
    import shapely

    if len(rings) == 1:
        return shapely.Polygon(rings[0])
    outer = [ring for ring in rings if _doubled_area(ring) > 0]
    holes = [ring for ring in rings if _doubled_area(ring) < 0]
    if len(outer) == 1:
        return shapely.Polygon(outer[0], holes)
    shells = [shapely.Polygon(ring) for ring in outer]
    inside: list[list[NDArray[np.float64]]] = [[] for _ in shells]
    for ring in holes:
        hole = shapely.Polygon(ring)
        owners = [i for i, shell in enumerate(shells) if shell.covers(hole)]
        inside[min(owners, key=lambda i: shells[i].area)].append(ring)
    polygons = [shapely.Polygon(ring, own) for ring, own in zip(outer, inside, strict=True)]
    return shapely.MultiPolygon(polygons)


def _doubled_area(ring: NDArray[np.float64]) -> float:
    """Twice the signed area of a ring; positive where the object lies inside it."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
