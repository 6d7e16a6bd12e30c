"""Outlines of labelled objects: exact polygons along pixel edges, in µm.

Not for features: perimeters are estimated in `features`, from pixels.
The area of an outline is its object's pixel count times mpp², to the last digit; holes are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from scipy import ndimage

from pathexplain.features.objects import view_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["outlines_of", "trace_outlines"]

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
    view = view_objects(labels, mpp=mpp)
    polygons = outlines_of(view.labels, view.target, view.box, mpp=mpp)
    return dict(zip(view.label.tolist(), polygons, strict=True))


def outlines_of(
    labels: NDArray[np.int32],
    ids: NDArray[np.int64],
    box: NDArray[np.int64],
    *,
    mpp: float,
    origin_px: tuple[int, int] = (0, 0),
) -> NDArray[Any]:
    """Polygons of some objects of a label image.

    Parameters
    ----------
    labels : (H, W) int32
    ids : (n,) int64
        The objects wanted.
    box : (n, 4) int64
        Their boxes y0, x0, y1, x1, half open.
    mpp : float
        µm per pixel, > 0.
    origin_px : (int, int)
        (y, x) of the image's top left pixel on the slide.

    Returns
    -------
    (n,) object
        shapely Polygon or MultiPolygon, in µm on the slide.
    """
    import shapely

    out = np.empty(len(ids), object)
    if not len(ids):
        return out
    corners, rings, is_simple = _trace(labels, ids, box)
    stop, owner = rings[:, 0], rings[:, 1]
    points = (corners + np.array([origin_px[1], origin_px[0]])) * mpp
    ring_of = np.repeat(owner, np.diff(stop, prepend=0))
    plain = is_simple[ring_of]
    if plain.any():
        # Rings of simple objects are one an object, so their owners number the polygons.
        owners, first = np.unique(ring_of[plain], return_inverse=True)
        out[owners] = shapely.polygons(shapely.linearrings(points[plain], indices=first))
    first_ring = np.searchsorted(owner, np.arange(len(ids) + 1))
    for index in np.flatnonzero(~is_simple):
        y0, x0, y1, x1 = box[index]
        parts, _ = ndimage.label(labels[y0:y1, x0:x1] == ids[index])
        own = slice(first_ring[index], first_ring[index + 1])
        out[index] = _assemble(points, stop, rings[own], parts, own.start)
    return out


@numba.njit(cache=True, nogil=True)
def _trace(  # noqa: C901, PLR0912 - one walk around each mask, as one kernel
    labels: NDArray[np.int32], ids: NDArray[np.int64], box: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Corners (x, y) of all rings, one after another, and a row for each ring.

    Rows hold where the ring stops, whose it is, (y, x) of a pixel at it in the object's box, and 1
    where it passes no point twice. Every ring runs with the object on its right, so outer rings and
    holes turn opposite ways. An object is simple where it has one ring that passes no point twice.
    """
    corners = np.empty((1024, 2), np.int64)
    rings = np.empty((256, 5), np.int64)
    is_simple = np.ones(len(ids), np.bool_)
    n_corners = 0
    n_rings = 0
    for k in range(len(ids)):
        y0, x0, y1, x1 = box[k]
        height, width = y1 - y0, x1 - x0
        padded = np.zeros((height + 2, width + 2), np.bool_)
        for y in range(height):
            for x in range(width):
                padded[y + 1, x + 1] = labels[y0 + y, x0 + x] == ids[k]
        done = np.zeros((height + 1, width + 1), np.bool_)
        first_ring = n_rings
        for row in range(height):
            for column in range(width):
                is_top_edge = padded[row + 1, column + 1] and not padded[row, column + 1]
                if not is_top_edge or done[row, column]:
                    continue
                y, x, heading = row, column, 0
                is_plain = True
                while not (heading == 0 and done[y, x]):
                    if heading == 0:
                        done[y, x] = True
                    y += _STEP_Y[heading]
                    x += _STEP_X[heading]
                    turn = _turn(padded, y, x, heading)
                    if turn != 0:
                        if n_corners == len(corners):
                            corners = np.concatenate((corners, corners))
                        corners[n_corners, 0] = x0 + x
                        corners[n_corners, 1] = y0 + y
                        n_corners += 1
                        if (
                            padded[y, x] == padded[y + 1, x + 1]
                            and padded[y, x + 1] == (padded[y + 1, x])
                        ):
                            is_plain = False
                    heading = (heading + turn) % 4
                if n_rings == len(rings):
                    rings = np.concatenate((rings, rings))
                rings[n_rings] = (n_corners, k, row, column, 1 if is_plain else 0)
                n_rings += 1
                is_simple[k] &= is_plain
        if n_rings - first_ring > 1:
            is_simple[k] = False
    return corners[:n_corners].copy(), rings[:n_rings].copy(), is_simple


@numba.njit(cache=True, nogil=True)
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


def _assemble(
    points: NDArray[np.float64],
    stop: NDArray[np.int64],
    rings: NDArray[np.int64],
    parts: NDArray[np.int32],
    first: int,
) -> Any:
    """Polygon of an object's rings; each 4-connected part has one outer ring and its holes.

    Parameters
    ----------
    points, stop
        Of all objects, as `_trace` returns them.
    rings : (m, 5) int64
        This object's rows.
    parts : (h, w) int32
        4-connected parts of the object in its box.
    first : int
        Index of the first row.
    """
    import shapely

    loops: list[NDArray[np.float64]] = []
    part_of: list[int] = []
    for index, (end, _, y, x, is_plain) in enumerate(rings.tolist(), start=first):
        ring = points[stop[index - 1] if index else 0 : end]
        pieces = [ring] if is_plain else _simple_rings(ring)
        loops += pieces
        part_of += [int(parts[y, x])] * len(pieces)
    lengths = np.array([len(loop) for loop in loops])
    lines = shapely.linearrings(
        np.concatenate(loops), indices=np.repeat(np.arange(len(loops)), lengths)
    )
    is_outer = _doubled_areas(np.concatenate(loops), lengths) > 0
    part = np.array(part_of)
    outer = np.flatnonzero(is_outer)[np.argsort(part[is_outer])]
    holes = np.flatnonzero(~is_outer)[np.argsort(part[~is_outer], kind="stable")]
    polygons = shapely.polygons(lines[outer])
    starts = np.searchsorted(part[holes], part[outer], side="left")
    ends = np.searchsorted(part[holes], part[outer], side="right")
    for k in np.flatnonzero(ends > starts):
        polygons[k] = shapely.polygons(lines[outer[k]], holes=lines[holes[starts[k] : ends[k]]])
    return polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def _doubled_areas(points: NDArray[np.float64], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Twice the signed area of rings, one after another; positive where the object is inside."""
    starts = np.cumsum(lengths) - lengths
    local = points - np.repeat(points[starts], lengths, axis=0)
    ahead = np.roll(local, -1, axis=0)
    ahead[starts + lengths - 1] = local[starts]
    cross = local[:, 0] * ahead[:, 1] - ahead[:, 0] * local[:, 1]
    return np.asarray(np.add.reduceat(cross, starts), np.float64)
