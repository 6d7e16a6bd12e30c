"""The graph of neighboring objects: Delaunay edges, Voronoi cells, minimum spanning tree.

Neighbors are objects whose Voronoi cells share an edge of some length, so that points on one
circle, whose triangulation is a matter of choice, give one graph. All of it is linear in points
(but for the sort in Delaunay's algorithm), from the triangles that scipy (qhull) finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from scipy import sparse, spatial
from scipy.sparse import csgraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LONGEST_EDGE_UM",
    "Graph",
    "clustering",
    "coreness",
    "delaunay",
    "harmonic",
    "spanning_tree_lengths",
]

LONGEST_EDGE_UM = 100.0
"""Longer edges are dropped: they cross glass, lumens or fat and join no neighbors."""
_FEWEST = 3


@dataclass(frozen=True)
class Graph:
    """Neighbors among n points.

    Attributes
    ----------
    n : int
    edges : (m, 2) int64
        Pairs i < j of Voronoi neighbors, each once, of any length.
    length_um : (m,) float64
    cell_area_um2, cell_perimeter_um : (n,) float64
        Voronoi cell; NaN where it is open.
    cell_reach_um : (n,) float64
        Distance of the farthest corner of the cell; infinite where it is open.
    """

    n: int
    edges: NDArray[np.int64]
    length_um: NDArray[np.float64]
    cell_area_um2: NDArray[np.float64]
    cell_perimeter_um: NDArray[np.float64]
    cell_reach_um: NDArray[np.float64]

    def adjacency(self, *, longest_um: float = LONGEST_EDGE_UM) -> sparse.csr_array:
        """Symmetric (n, n) sparse matrix of edge lengths, up to a length."""
        keep = self.length_um <= longest_um
        i, j = self.edges[keep].T
        length = np.maximum(self.length_um[keep], 1e-9)
        shape = (self.n, self.n)
        return sparse.csr_array(
            (np.r_[length, length], (np.r_[i, j], np.r_[j, i])), shape=shape, dtype=np.float64
        )


def delaunay(points_um: NDArray[np.float64]) -> Graph | None:
    """Triangulate points and measure their Voronoi cells.

    Parameters
    ----------
    points_um : (n, 2) float64
        Points; those at the same place share one cell and are not each other's neighbors.

    Returns
    -------
    Graph or None
        None where fewer than three places, or all on a line, span no triangle.

    Notes
    -----
    Delaunay 1934; the cells' areas are sums of signed kites, (|AB|² cot C + |AC|² cot B) / 8 for
    corner A of a triangle ABC.

    Examples
    --------
    >>> y, x = np.mgrid[:4, :4] * 10.0
    >>> graph = delaunay(np.c_[y.ravel(), x.ravel()])
    >>> len(graph.edges), graph.cell_area_um2[5].round(6)
    (24, np.float64(100.0))
    """
    places, where = np.unique(points_um, axis=0, return_inverse=True)
    where = where.reshape(-1)
    if len(places) < _FEWEST:
        return None
    middle = places.mean(axis=0)
    try:
        found = spatial.Delaunay(places - middle)
    except spatial.QhullError:
        return None
    cells = _measure_cells(places - middle, found.simplices, found.neighbors)
    edges, area, perimeter, reach = cells
    first = np.full(len(places), -1, np.int64)
    first[where[::-1]] = np.arange(len(points_um))[::-1]
    pairs = np.sort(first[edges], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    step = points_um[pairs[:, 0]] - points_um[pairs[:, 1]]
    length = np.hypot(step[:, 0], step[:, 1])
    return Graph(len(points_um), pairs, length, area[where], perimeter[where], reach[where])


def _measure_cells(
    points: NDArray[np.float64], triangles: NDArray[np.int32], beside: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Edges (m, 2) with a Voronoi edge of some length; area, perimeter and reach of each cell."""
    corner = points[triangles]
    center = _circumcenters(corner)
    area, perimeter, reach = (np.zeros(len(points)) for _ in range(3))
    kites = _kites(corner)
    radius = np.hypot(*(center - corner[:, 0]).T)
    open_points = np.zeros(len(points), bool)
    pairs = []
    for k in range(3):
        a, b = triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        np.add.at(area, triangles[:, k], kites[:, k])
        np.maximum.at(reach, triangles[:, k], radius)
        outer = beside[:, k] < 0
        open_points[a[outer]] = open_points[b[outer]] = True
        once = ~outer & (beside[:, k] > np.arange(len(triangles)))
        gap = center[once] - center[beside[once, k]]
        side = np.hypot(gap[:, 0], gap[:, 1])
        np.add.at(perimeter, a[once], side)
        np.add.at(perimeter, b[once], side)
        long = np.hypot(*(points[a] - points[b]).T)
        real = side > 1e-6 * long[once]
        pairs.append(np.c_[a[once][real], b[once][real]])
        pairs.append(np.c_[a[outer], b[outer]])
    area[open_points] = perimeter[open_points] = np.nan
    reach[open_points] = np.inf
    return np.concatenate(pairs).astype(np.int64), area, perimeter, reach


def _circumcenters(corner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Center (t, 2) of the circle through each triangle's corners (t, 3, 2)."""
    a = corner[:, 0]
    b, c = corner[:, 1] - a, corner[:, 2] - a
    b2, c2 = (b**2).sum(axis=1), (c**2).sum(axis=1)
    twice = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    twice = np.where(twice == 0, np.finfo(float).tiny, twice)
    y = (c[:, 1] * b2 - b[:, 1] * c2) / twice
    x = (b[:, 0] * c2 - c[:, 0] * b2) / twice
    return np.asarray(np.c_[y, x] + a, np.float64)


def _kites(corner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed share (t, 3) of each triangle's corners in the Voronoi cells of its corners."""
    kites = np.empty(corner.shape[:2])
    for k in range(3):
        a, b, c = corner[:, k], corner[:, (k + 1) % 3], corner[:, (k + 2) % 3]
        twice = np.abs(_cross(b - a, c - a))
        twice = np.where(twice == 0, np.inf, twice)
        cot_b = ((a - b) * (c - b)).sum(axis=1) / twice
        cot_c = ((a - c) * (b - c)).sum(axis=1) / twice
        ab2, ac2 = ((a - b) ** 2).sum(axis=1), ((a - c) ** 2).sum(axis=1)
        kites[:, k] = (ab2 * cot_c + ac2 * cot_b) / 8
    return kites


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross products of rows."""
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], np.float64)


def spanning_tree_lengths(graph: Graph) -> NDArray[np.float64]:
    """Lengths (n - 1,) of the edges of the minimum spanning tree of the points.

    The tree of the Delaunay edges is that of all pairs (Preparata 1985,
    doi:10.1007/978-1-4612-1098-6). Where edges are of one length, several trees may be least; their
    lengths are the same.
    """
    whole = sparse.triu(graph.adjacency(longest_um=np.inf)).tocsr()
    return np.sort(np.asarray(csgraph.minimum_spanning_tree(whole).data, np.float64))


def clustering(adjacency: sparse.csr_array) -> NDArray[np.float64]:
    """Clustering coefficient (n,): share of pairs of neighbors that are neighbors (Watts 1998).

    NaN for points with fewer than two neighbors.
    """
    value = np.full(adjacency.shape[0], np.nan)
    _clustering(adjacency.indptr, _sorted(adjacency), value)
    return value


def harmonic(adjacency: sparse.csr_array, *, n_hops: int = 3) -> NDArray[np.float64]:
    """Harmonic centrality (n,) within some hops: sum of 1 / hops over the points in reach."""
    value = np.zeros(adjacency.shape[0])
    _harmonic(adjacency.indptr, adjacency.indices, n_hops, value)
    return value


def coreness(adjacency: sparse.csr_array) -> NDArray[np.float64]:
    """Core number (n,): the largest k such that the point is in the k-core (Seidman 1983)."""
    return np.asarray(_coreness(adjacency.indptr, adjacency.indices), np.float64)


def _sorted(adjacency: sparse.csr_array) -> NDArray[np.int32]:
    """Column indices, ascending in each row."""
    adjacency.sort_indices()
    return np.asarray(adjacency.indices)


@numba.njit(nogil=True, cache=True)
def _clustering(start: Any, neighbor: Any, value: Any) -> None:
    """Count closed triangles by merging sorted lists."""
    for i in range(value.size):
        first, last = start[i], start[i + 1]
        degree = last - first
        if degree < 2:  # noqa: PLR2004  # a pair
            continue
        closed = 0
        for a in range(first, last):
            j = neighbor[a]
            p, q = a + 1, start[j]
            while p < last and q < start[j + 1]:
                if neighbor[p] == neighbor[q]:
                    closed += 1
                    p += 1
                    q += 1
                elif neighbor[p] < neighbor[q]:
                    p += 1
                else:
                    q += 1
        value[i] = 2 * closed / (degree * (degree - 1))


@numba.njit(nogil=True, cache=True)
def _harmonic(start: Any, neighbor: Any, n_hops: int, value: Any) -> None:
    """Breadth-first search from every point, a few hops far."""
    n = value.size
    seen = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    for i in range(n):
        seen[i] = i
        queue[0] = i
        head, tail = 0, 1
        for hop in range(1, n_hops + 1):
            stop = tail
            while head < stop:
                j = queue[head]
                head += 1
                for a in range(start[j], start[j + 1]):
                    k = neighbor[a]
                    if seen[k] != i:
                        seen[k] = i
                        queue[tail] = k
                        tail += 1
            value[i] += (tail - stop) / hop


@numba.njit(nogil=True, cache=True)
def _coreness(start: Any, neighbor: Any) -> Any:
    """Take away points by ascending degree (Batagelj 2003, arXiv:cs/0310049)."""
    n = start.size - 1
    degree = np.empty(n, np.int64)
    most = 0
    for i in range(n):
        degree[i] = start[i + 1] - start[i]
        most = max(most, degree[i])
    bins = np.zeros(most + 2, np.int64)
    for i in range(n):
        bins[degree[i] + 1] += 1
    for d in range(most + 1):
        bins[d + 1] += bins[d]
    place = np.empty(n, np.int64)
    order = np.empty(n, np.int64)
    free = bins.copy()
    for i in range(n):
        place[i] = free[degree[i]]
        order[place[i]] = i
        free[degree[i]] += 1
    for p in range(n):
        i = order[p]
        for a in range(start[i], start[i + 1]):
            j = neighbor[a]
            if degree[j] > degree[i]:
                first = bins[degree[j]]
                other = order[first]
                order[first], order[place[j]] = j, other
                place[other], place[j] = place[j], first
                bins[degree[j]] += 1
                degree[j] -= 1
    return degree
