"""Counting neighbors of points within radii, in time linear in points: a grid of cells, compiled.

Not for nearest neighbors, for which scipy's KD-tree is used where they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from pathexplain.features.objects import over_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.features.spatial.window import SetCovariance

__all__ = ["PairSums", "pair_sums"]

_CHUNK = 4096
"""Points a thread takes at a time."""


@dataclass(frozen=True)
class PairSums:
    """Neighbors of points within rings of distance.

    Attributes
    ----------
    counts : (n, k) int64
        For each point of the first set, points of the second with distances in each ring.
    weighted : (k,) float64
        Sum over those pairs of 1 / |W ∩ (W + h)|, h the step from one point to the other, in
        1/um²: the translation correction of Ohser 1983.
    """

    counts: NDArray[np.int64]
    weighted: NDArray[np.float64]


def pair_sums(
    points: NDArray[np.float64],
    others: NDArray[np.float64] | None,
    *,
    edges_um: NDArray[np.float64],
    covariance: SetCovariance,
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

    Returns
    -------
    PairSums
    """
    targets = points if others is None else others
    n_rings = len(edges_um) - 1
    counts = np.zeros((len(points), n_rings), np.int64)
    # One row a chunk, so that the sum does not depend on which thread is done first.
    parts = np.zeros((-(-len(points) // _CHUNK), n_rings))
    if len(points) and len(targets):
        grid = _Grid.of(targets, low=np.minimum(points.min(0), targets.min(0)), cell=edges_um[-1])

        def count(start: int, stop: int) -> None:
            _count_rings(
                points, grid.points, grid.key, grid.order, grid.low, grid.cell, grid.width,
                edges_um[1:] ** 2, others is None, covariance.area_um2, covariance.step_um,
                counts, parts[start // _CHUNK], start, stop,
            )  # fmt: skip

        over_chunks(len(points), count, chunk=_CHUNK)
    return PairSums(counts, parts.sum(axis=0))


@dataclass(frozen=True)
class _Grid:
    """Points sorted by square cells of a given side: `key` is row * width + column + 1."""

    points: NDArray[np.float64]
    order: NDArray[np.int64]
    key: NDArray[np.int64]
    low: NDArray[np.float64]
    cell: float
    width: int

    @classmethod
    def of(cls, points: NDArray[np.float64], *, low: NDArray[np.float64], cell: float) -> _Grid:
        """Sort points into cells, counted from the corner `low`."""
        place = np.floor((points - low) / cell).astype(np.int64)
        width = int(place[:, 1].max()) + 4
        key = place[:, 0] * width + place[:, 1] + 1
        order = np.argsort(key, kind="stable")
        return cls(np.ascontiguousarray(points[order]), order, key[order], low, cell, width)


@numba.njit(nogil=True, cache=True)
def _count_rings(  # noqa: PLR0913, PLR0917  # a kernel takes arrays, not objects
    points: Any,
    targets: Any,
    key: Any,
    order: Any,
    low: Any,
    cell: float,
    width: int,
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
    limit = squared[squared.size - 1]
    for i in range(start, stop):
        y, x = points[i, 0], points[i, 1]
        row = int(np.floor((y - low[0]) / cell))
        column = min(int(np.floor((x - low[1]) / cell)), width - 3)
        for r in range(row - 1, row + 2):
            first = np.searchsorted(key, r * width + max(column, 0))
            last = np.searchsorted(key, r * width + column + 2, side="right")
            for j in range(first, last):
                dy, dx = targets[j, 0] - y, targets[j, 1] - x
                d2 = dy * dy + dx * dx
                if d2 > limit or (is_same and order[j] == i):
                    continue
                ring = 0
                while squared[ring] < d2:
                    ring += 1
                counts[i, ring] += 1
                gy, gx = dy / step_um + middle, dx / step_um + middle
                a, b = int(gy), int(gx)
                fy, fx = gy - a, gx - b
                overlap = (1 - fy) * ((1 - fx) * covariance[a, b] + fx * covariance[a, b + 1]) + (
                    fy * ((1 - fx) * covariance[a + 1, b] + fx * covariance[a + 1, b + 1])
                )
                if overlap > 0:
                    weighted[ring] += 1.0 / overlap
