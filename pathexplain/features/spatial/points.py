"""Neighbors of points: those within radii, counted in a compiled grid, and the nearest, by KD-tree.

Both in time linear in points, on all cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from pathexplain.features.objects import cores, over_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import spatial

    from pathexplain.features.spatial.window import SetCovariance

__all__ = ["PairSums", "nearest", "pair_sums", "strips"]

_CHUNK = 4096
"""Points a thread takes at a time."""
_CELLS_A_REACH = 2
_A_STRIP = 64


def strips(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strip (n,) of the plane that each point lies in; each as wide as 64 points need.

    Points in the order of strips, and along them, are near the one before: what is asked of
    neighbors is then found in the cache, in a third of the time.

    Examples
    --------
    >>> strips(np.array([[0.0, 0.0], [1.0, 1.0]])).tolist()
    [0.0, 0.0]
    """
    if not len(points):
        return np.zeros(0)
    low, high = points.min(axis=0), points.max(axis=0)
    side = np.sqrt(_A_STRIP * float((high - low).prod()) / len(points))
    return np.asarray(np.floor((points[:, 0] - low[0]) / (side or 1.0)), np.float64)


def nearest(
    tree: spatial.cKDTree, points: NDArray[np.float64], *, k: int | Sequence[int] = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance and index of the k-th nearest point of a tree, as `cKDTree.query` has them.

    Parameters
    ----------
    tree : scipy.spatial.cKDTree
    points : (n, 2) float64
    k : int or sequence of int
        So many, or which ones.

    Returns
    -------
    distance : (n,) or (n, k) float64
    index : (n,) or (n, k) int64
    """
    extent = float(np.ptp(points[:, 1])) if len(points) else 0.0
    order = np.argsort(strips(points) * (extent + 1.0) + points[:, 1])
    distance, index = tree.query(points[order], k=k, workers=cores())
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return distance[back], index[back]


@dataclass(frozen=True)
class PairSums:
    """Neighbors of points within rings of distance: k rings.

    Attributes
    ----------
    counts : (n, k) int64
        For each point of the first set, points of the second with distances in each ring.
    weighted : (k,) float64
        Sum over those pairs of which both lie in the window of 1 / |W ∩ (W + h)|, h the step from
        one point to the other, in 1/um²: the translation correction of Ohser 1983.
    """

    counts: NDArray[np.int64]
    weighted: NDArray[np.float64]


def pair_sums(
    points: NDArray[np.float64],
    others: NDArray[np.float64] | None,
    *,
    edges_um: NDArray[np.float64],
    covariance: SetCovariance,
    inside: NDArray[np.bool_] | None = None,
    others_inside: NDArray[np.bool_] | None = None,
) -> PairSums:
    """Count pairs by distance, ring by ring.

    Parameters
    ----------
    points : (n, 2) float64
        µm.
    others : (m, 2) float64 or None
        The second set; None for the first set itself, without each point and itself.
    edges_um : (k + 1,) float64
        Edges of the rings, ascending from 0; a pair at a distance d is in ring j where
        edges[j] < d <= edges[j + 1], and in the first where d is 0.
    covariance : SetCovariance
        Of the window that the points were seen in.
    inside, others_inside : (n,), (m,) bool, optional
        Which points lie in the window; default: all.

    Returns
    -------
    PairSums
    """
    targets = points if others is None else others
    if others is None:
        others_inside = inside
    inside, others_inside = (
        np.ones(len(items), bool) if known is None else known
        for items, known in ((points, inside), (targets, others_inside))
    )
    n_rings = len(edges_um) - 1
    counts = np.zeros((len(points), n_rings), np.int64)
    # One row a chunk, so that the sum does not depend on which thread is done first.
    parts = np.zeros((-(-len(points) // _CHUNK), n_rings))
    if len(points) and len(targets):
        grid = _Grid.of(targets, low=np.minimum(points.min(0), targets.min(0)), reach=edges_um[-1])
        target_inside = others_inside[grid.order]

        def count(start: int, stop: int) -> None:
            _count_rings(
                points, inside, grid.points, target_inside, grid.start, grid.order, grid.low,
                grid.cell, edges_um[1:] ** 2, others is None, covariance.area_um2,
                covariance.step_um, counts, parts[start // _CHUNK], start, stop,
            )  # fmt: skip

        over_chunks(len(points), count, chunk=_CHUNK)
    return PairSums(counts, parts.sum(axis=0))


@dataclass(frozen=True)
class _Grid:
    """Points sorted by square cells, two a reach.

    Those of a cell are `points[start[row, column]:start[row, column + 1]]`; `order` says which of
    the points given they are, `low` where the corner of the first cell lies.
    """

    points: NDArray[np.float64]
    order: NDArray[np.int64]
    start: NDArray[np.int64]
    low: NDArray[np.float64]
    cell: float

    @classmethod
    def of(cls, points: NDArray[np.float64], *, low: NDArray[np.float64], reach: float) -> _Grid:
        """Sort points into cells, counted from the corner `low`."""
        cell = reach / _CELLS_A_REACH
        place = np.floor((points - low) / cell).astype(np.int64)
        rows, columns = (int(last) + 1 for last in place.max(axis=0))
        key = place[:, 0] * (columns + 1) + place[:, 1]
        order = np.argsort(key, kind="stable")
        start = np.searchsorted(key[order], np.arange(rows * (columns + 1)))
        start = start.reshape(rows, columns + 1)
        return cls(np.ascontiguousarray(points[order]), order, start, low, cell)


@numba.njit(nogil=True, cache=True)
def _count_rings(  # noqa: PLR0913, PLR0917  # a kernel takes arrays, not objects
    points: Any,
    inside: Any,
    targets: Any,
    target_inside: Any,
    cells: Any,
    order: Any,
    low: Any,
    cell: float,
    squared: Any,
    is_same: bool,  # noqa: FBT001
    covariance: Any,
    step_um: float,
    counts: Any,
    weighted: Any,
    start: int,
    stop: int,
) -> None:
    """Fill `counts[start:stop]`, and add the weights of those points' pairs to `weighted`."""
    middle = covariance.shape[0] // 2
    outermost = squared.size - 1
    limit = squared[outermost]
    rows, columns = cells.shape[0], cells.shape[1] - 1
    for i in range(start, stop):
        y, x = points[i, 0], points[i, 1]
        row = int(np.floor((y - low[0]) / cell))
        column = int(np.floor((x - low[1]) / cell))
        left = min(max(column - _CELLS_A_REACH, 0), columns)
        right = min(column + _CELLS_A_REACH + 1, columns)
        for r in range(max(row - _CELLS_A_REACH, 0), min(row + _CELLS_A_REACH + 1, rows)):
            for j in range(cells[r, left], cells[r, right]):
                dy, dx = targets[j, 0] - y, targets[j, 1] - x
                d2 = dy * dy + dx * dx
                if d2 > limit or (is_same and order[j] == i):
                    continue
                ring = outermost
                while ring > 0 and d2 <= squared[ring - 1]:
                    ring -= 1
                counts[i, ring] += 1
                if not (inside[i] and target_inside[j]):
                    continue
                gy, gx = dy / step_um + middle, dx / step_um + middle
                a, b = int(gy), int(gx)
                fy, fx = gy - a, gx - b
                overlap = (1 - fy) * ((1 - fx) * covariance[a, b] + fx * covariance[a, b + 1]) + (
                    fy * ((1 - fx) * covariance[a + 1, b] + fx * covariance[a + 1, b + 1])
                )
                if overlap > 0:
                    weighted[ring] += 1.0 / overlap
