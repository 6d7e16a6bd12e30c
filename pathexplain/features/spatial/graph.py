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

from pathexplain.features.objects import cores, over_chunks
from pathexplain.features.spatial.points import strips

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
_CHUNK = 4096
"""Points a thread takes at a time."""
_NO_LENGTH = 1e-6
"""Voronoi edges this much shorter than their Delaunay edge are none."""


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
    places, where, first = _places(points_um)
    if len(places) < _FEWEST:
        return None
    centered = places - places.mean(axis=0)
    try:
        found = spatial.Delaunay(centered)
    except spatial.QhullError:
        return None
    n = len(places)
    area, perimeter, reach = np.zeros(n), np.zeros(n), np.zeros(n)
    edges = np.empty((3 * len(found.simplices), 2), np.int64)
    center = np.empty((len(found.simplices), 2))
    n_edges = _measure_cells(
        centered, found.simplices, found.neighbors, center, edges, area, perimeter, reach
    )
    i, j = first[edges[:n_edges]].T
    key = np.sort(np.minimum(i, j) * len(points_um) + np.maximum(i, j))
    pairs = np.stack(np.divmod(key, len(points_um)), axis=1)
    step = points_um[pairs[:, 0]] - points_um[pairs[:, 1]]
    length = np.hypot(step[:, 0], step[:, 1])
    return Graph(len(points_um), pairs, length, area[where], perimeter[where], reach[where])


def _places(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Places in a fixed order, the place of each point, and the first point of each place.

    In the order of strips, qhull is a fifth faster.
    """
    order = np.lexsort((points[:, 0], points[:, 1], strips(points)))
    ordered = points[order]
    is_new = np.ones(len(points), bool)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    where = np.empty(len(points), np.int64)
    where[order] = np.cumsum(is_new) - 1
    # lexsort is stable: of points at one place, the first comes first.
    return ordered[is_new], where, order[is_new]


@numba.njit(nogil=True, cache=True)
def _circumcenter(a: Any, b: Any, c: Any) -> tuple[float, float]:
    """Center of the circle through three points."""
    by, bx, cy, cx = b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]
    b2, c2 = by * by + bx * bx, cy * cy + cx * cx
    twice = 2 * (by * cx - bx * cy)
    if twice == 0:
        twice = 1e-300
    return a[0] + (cx * b2 - bx * c2) / twice, a[1] + (by * c2 - cy * b2) / twice


@numba.njit(nogil=True, cache=True)
def _kite(a: Any, b: Any, c: Any) -> float:
    """Signed share of a triangle in the Voronoi cell of its corner a."""
    aby, abx, acy, acx = b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]
    bcy, bcx = c[0] - b[0], c[1] - b[1]
    twice = abs(aby * acx - abx * acy)
    if twice == 0:
        return 0.0
    cot_b = -(aby * bcy + abx * bcx) / twice
    cot_c = (acy * bcy + acx * bcx) / twice
    share: float = ((aby * aby + abx * abx) * cot_c + (acy * acy + acx * acx) * cot_b) / 8
    return share


@numba.njit(nogil=True, cache=True)
def _measure_cells(  # a kernel takes arrays, not objects
    points: Any,
    triangles: Any,
    beside: Any,
    center: Any,
    edges: Any,
    area: Any,
    perimeter: Any,
    reach: Any,
) -> int:
    """Fill the cells of all points, and `edges` with those across a Voronoi edge of some length.

    Returns the number of edges.
    """
    for t in range(triangles.shape[0]):
        a, b, c = points[triangles[t, 0]], points[triangles[t, 1]], points[triangles[t, 2]]
        center[t, 0], center[t, 1] = _circumcenter(a, b, c)
        radius = np.hypot(center[t, 0] - a[0], center[t, 1] - a[1])
        for k in range(3):
            i = triangles[t, k]
            j, m = triangles[t, (k + 1) % 3], triangles[t, (k + 2) % 3]
            area[i] += _kite(points[i], points[j], points[m])
            reach[i] = max(reach[i], radius)
    n_edges = 0
    for t in range(triangles.shape[0]):
        for k in range(3):
            i, j = triangles[t, (k + 1) % 3], triangles[t, (k + 2) % 3]
            other = beside[t, k]
            if other < 0:
                area[i] = area[j] = perimeter[i] = perimeter[j] = np.nan
                reach[i] = reach[j] = np.inf
            elif other > t:
                side = np.hypot(center[t, 0] - center[other, 0], center[t, 1] - center[other, 1])
                perimeter[i] += side
                perimeter[j] += side
                step = np.hypot(points[i, 0] - points[j, 0], points[i, 1] - points[j, 1])
                if side <= _NO_LENGTH * step:
                    continue
            else:
                continue
            edges[n_edges, 0], edges[n_edges, 1] = i, j
            n_edges += 1
    return n_edges


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
    neighbor = _sorted(adjacency)
    over_chunks(
        len(value),
        lambda a, b: _clustering(adjacency.indptr, neighbor, value, a, b),
        chunk=_CHUNK,
    )
    return value


def harmonic(adjacency: sparse.csr_array, *, n_hops: int = 3) -> NDArray[np.float64]:
    """Harmonic centrality (n,) within some hops: sum of 1 / hops over the points in reach."""
    value = np.zeros(adjacency.shape[0])
    # A chunk has marks for every point: few chunks.
    over_chunks(
        len(value),
        lambda a, b: _harmonic(adjacency.indptr, adjacency.indices, n_hops, value, a, b),
        chunk=max(_CHUNK, -(-len(value) // cores())),
    )
    return value


def coreness(adjacency: sparse.csr_array) -> NDArray[np.float64]:
    """Core number (n,): the largest k such that the point is in the k-core (Seidman 1983)."""
    return np.asarray(_coreness(adjacency.indptr, adjacency.indices), np.float64)


def _sorted(adjacency: sparse.csr_array) -> NDArray[np.int32]:
    """Column indices, ascending in each row."""
    adjacency.sort_indices()
    return np.asarray(adjacency.indices)


@numba.njit(nogil=True, cache=True)
def _clustering(start: Any, neighbor: Any, value: Any, begin: int, end: int) -> None:
    """Count closed triangles by merging sorted lists."""
    for i in range(begin, end):
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
def _harmonic(start: Any, neighbor: Any, n_hops: int, value: Any, begin: int, end: int) -> None:
    """Breadth-first search from points, a few hops far."""
    n = value.size
    seen = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    for i in range(begin, end):
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
