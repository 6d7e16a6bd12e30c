"""The `neighborhood` family: where objects of one prompt lie among each other.

Per object: nearest neighbors, local density, the graph of Voronoi neighbors, the Voronoi cell. Per
slide: Ripley's L, pair correlation, nearest-neighbor G, order and disorder. The window is the
tissue. Not for how one prompt lies to another: that is `context`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import spatial
from scipy.sparse import csgraph

from pathexplain.features.columns import FeatureFamily
from pathexplain.features.spatial import graph as graphs
from pathexplain.features.spatial.neighborhood_columns import NEIGHBORHOOD_COLUMNS
from pathexplain.features.spatial.points import nearest, pair_sums
from pathexplain.features.spatial.radii import (
    DENSITY_RADII_UM,
    GUARD_UM,
    NEAREST_RADII_UM,
    NEIGHBORS,
    PAIR_RADII_UM,
    RING_HALF_UM,
    RIPLEY_RADII_UM,
)
from pathexplain.features.spatial.table import SpatialTable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from pathexplain.features.slide_objects import SlideObjects
    from pathexplain.features.spatial.graph import Graph
    from pathexplain.features.spatial.points import PairSums
    from pathexplain.features.spatial.window import Window

__all__ = ["NEIGHBORHOOD", "RING_EDGES_UM", "PointSet", "measure_neighborhood", "ripley_k"]

FEWEST = 10
"""A pattern of fewer objects has no spatial statistics."""
RING_EDGES_UM: NDArray[np.float64] = np.array(
    sorted(
        {0.0}
        | {float(r) for r in (*DENSITY_RADII_UM, *RIPLEY_RADII_UM)}
        | {float(r + side) for r in PAIR_RADII_UM for side in (-RING_HALF_UM, RING_HALF_UM)}
    )
)
"""Edges of the rings that pairs are counted in; every stated radius is one of them."""

_UM2_PER_MM2 = 1e6


@dataclass(frozen=True, eq=False)
class PointSet:
    """Centroids of one prompt in their window, with what several families ask of them.

    `points_um` (n, 2) float64 (y, x); `inside` (n,) bool: those in the window.
    """

    points_um: NDArray[np.float64]
    window: Window

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.points_um)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """(n,) bool: in the window."""
        return self.window.holds(self.points_um)

    @cached_property
    def border_um(self) -> NDArray[np.float64]:
        """(n,) float64: distance to the window's border."""
        return self.window.border_distance(self.points_um)

    @cached_property
    def tree(self) -> spatial.cKDTree:
        """KD-tree of the points."""
        return spatial.cKDTree(self.points_um)

    @cached_property
    def nearest_um(self) -> NDArray[np.float64]:
        """(n, k) float64: distance to the k-th nearest other point, for k in `NEIGHBORS`.

        NaN where there are fewer.
        """
        if self.n == 0:
            return np.empty((0, len(NEIGHBORS)))
        ranks = [k + 1 for k in NEIGHBORS]
        distance = nearest(self.tree, self.points_um, k=ranks)[0]
        return np.where(np.isfinite(distance), distance, np.nan)

    @cached_property
    def disk_shares(self) -> dict[int, NDArray[np.float64]]:
        """Share of the disk of each density radius that lies in the window."""
        return {
            radius: self.window.disk_share(self.points_um, radius, self.border_um)
            for radius in DENSITY_RADII_UM
        }


def measure_neighborhood(objects: SlideObjects, points: PointSet) -> SpatialTable:
    """Measure where the objects of a prompt lie among each other.

    Parameters
    ----------
    objects : SlideObjects
        Of an instances prompt.
    points : PointSet
        Their centroids.

    Returns
    -------
    SpatialTable
        Object columns and slide numbers of `NEIGHBORHOOD`.
    """
    table = SpatialTable(points.n)
    # qhull is one thread and releases the GIL: all that needs no graph is found meanwhile.
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(graphs.delaunay, points.points_um)
        _distances(table, points)
        graph = waiting.result()
    if graph is not None:
        _graph(table, graph, points)
        _order(table, graph, objects, points)
    return table


def _distances(table: SpatialTable, points: PointSet) -> None:
    """Enter what needs no graph: nearest neighbors, densities, the pattern."""
    covariance = points.window.covariance(float(RING_EDGES_UM[-1]))
    sums = pair_sums(
        points.points_um,
        None,
        edges_um=RING_EDGES_UM,
        covariance=covariance,
        inside=points.inside,
    )
    for j, k in enumerate(NEIGHBORS):
        table.objects[f"distance_{k}_um"] = points.nearest_um[:, j]
    enter_densities(table, "density", sums, points)
    _pattern(table, points, sums)


def enter_densities(table: SpatialTable, name: str, sums: PairSums, points: PointSet) -> None:
    """Enter the local density at each radius: counted pairs over the tissue in the disk."""
    within = np.cumsum(sums.counts, axis=1)
    for radius in DENSITY_RADII_UM:
        count = within[:, np.searchsorted(RING_EDGES_UM, radius) - 1]
        share = points.disk_shares[radius]
        area_mm2 = np.where(share > 0, share, np.nan) * np.pi * radius**2 / _UM2_PER_MM2
        table.objects[f"{name}_{radius}um_per_mm2"] = count / area_mm2


def ripley_k(
    points_um: NDArray[np.float64],
    window: Window,
    *,
    edges_um: NDArray[np.float64],
    others_um: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Ripley's K, or cross-K, at the edges after the first, with translation correction.

    Parameters
    ----------
    points_um, others_um : (n, 2), (m, 2) float64
        All inside the window. Without `others_um`, K of the points themselves.
    window : Window
    edges_um : (k + 1,) float64
        Ascending from 0.

    Returns
    -------
    (k,) float64
        µm². NaN with fewer than two points, or none in one of the sets.

    Notes
    -----
    K(r) = |W|² / (n (n - 1)) Σ 1(d ≤ r) / |W ∩ (W + h)|; for two sets, n m in place of n (n - 1).
    Ripley 1977, doi:10.1111/j.2517-6161.1977.tb01615.x; Ohser 1983.

    Examples
    --------
    >>> from pathexplain.features.spatial.window import Window
    >>> rng = np.random.default_rng(0)
    >>> points = rng.uniform(0, 1000, (3000, 2))
    >>> k = ripley_k(points, Window(np.ones((250, 250), bool), 4.0), edges_um=np.array([0.0, 50.0]))
    >>> bool(abs(np.sqrt(k[0] / np.pi) - 50) < 0.5)
    True
    """
    n, m = len(points_um), len(points_um) if others_um is None else len(others_um)
    covariance = window.covariance(float(edges_um[-1]))
    sums = pair_sums(points_um, others_um, edges_um=edges_um, covariance=covariance)
    return k_of_sums(sums, window, n_pairs=n * (n - 1) if others_um is None else n * m)


def k_of_sums(sums: PairSums, window: Window, *, n_pairs: int) -> NDArray[np.float64]:
    """Ripley's K (k,) in µm² from the weighted pairs in each ring; NaN where no pair can be."""
    if n_pairs == 0:
        return np.full(len(sums.weighted), np.nan)
    area_um2 = window.area_mm2 * _UM2_PER_MM2
    return np.asarray(np.cumsum(sums.weighted) * area_um2**2 / n_pairs, np.float64)


def enter_pattern(
    table: SpatialTable, k_um2: NDArray[np.float64], prefix: str, n: int, reason: str
) -> None:
    """Enter L and the pair correlation from K at `RING_EDGES_UM[1:]`."""
    at = dict(zip(RING_EDGES_UM.tolist(), [0.0, *k_um2.tolist()], strict=True))
    for r in RIPLEY_RADII_UM:
        value = float(np.sqrt(at[float(r)] / np.pi)) - r
        name = "ripley_l" if not prefix else f"{prefix}_l"
        table.number(f"{name}_{r}um", value, n, reason)
    for r in PAIR_RADII_UM:
        low, high = float(r - RING_HALF_UM), float(r + RING_HALF_UM)
        value = (at[high] - at[low]) / (np.pi * (high**2 - low**2))
        name = "pair_correlation" if not prefix else f"{prefix}_pair_correlation"
        table.number(f"{name}_{r}um", value, n, reason)


def _pattern(table: SpatialTable, points: PointSet, sums: PairSums) -> None:
    """Enter Ripley's L, pair correlation, G, and Clark and Evans' index."""
    n = int(points.inside.sum())
    k_um2 = k_of_sums(sums, points.window, n_pairs=n * (n - 1) if n >= FEWEST else 0)
    enter_pattern(table, k_um2, "", n, f"n = {n} in the tissue, needs {FEWEST}")
    nearest_um = points.nearest_um[:, 0]
    for radius in NEAREST_RADII_UM:
        deep = points.border_um >= radius
        count = int(deep.sum())
        value = float((nearest_um[deep] <= radius).mean()) if count >= FEWEST else np.nan
        table.number(f"nearest_g_{radius}um", value, count, f"n = {count}, needs {FEWEST}")
    deep = (points.border_um >= GUARD_UM) & np.isfinite(nearest_um)
    count = int(deep.sum())
    value = np.nan
    if count >= FEWEST:
        per_um2 = n / (points.window.area_mm2 * _UM2_PER_MM2)
        value = float(nearest_um[deep].mean() * 2 * np.sqrt(per_um2))
    table.number("clark_evans", value, count, f"n = {count}, needs {FEWEST}")


def _graph(table: SpatialTable, graph: Graph, points: PointSet) -> None:
    """Enter what each object has in the graph, and its Voronoi cell."""
    adjacency = graph.adjacency()
    degree = np.diff(adjacency.indptr).astype(float)
    table.objects["degree"] = degree
    _enter_edges(table, adjacency, degree)
    table.objects["clustering"] = graphs.clustering(adjacency)
    table.objects["coreness"] = graphs.coreness(adjacency)
    table.objects["harmonic_3hops"] = graphs.harmonic(adjacency)
    _, part = csgraph.connected_components(adjacency, directed=False)
    size = np.bincount(part)
    table.objects["aggregate_size"] = size[part].astype(float)
    per_mm2 = float((size > 1).sum()) / points.window.area_mm2
    table.number("aggregates_per_mm2", per_mm2, points.n)
    closed = points.inside & (graph.cell_reach_um <= points.border_um)
    area = np.where(closed, graph.cell_area_um2, np.nan)
    perimeter = np.where(closed, graph.cell_perimeter_um, np.nan)
    table.objects["voronoi_area_um2"] = area
    table.objects["voronoi_perimeter_um"] = perimeter
    table.objects["voronoi_circularity"] = 4 * np.pi * area / perimeter**2


def _enter_edges(
    table: SpatialTable, adjacency: sparse.csr_array, degree: NDArray[np.float64]
) -> None:
    """Enter mean, least, largest and unevenness of the lengths of each object's edges."""
    has = degree > 0
    start = adjacency.indptr[:-1][has]
    length = adjacency.data
    columns = {name: np.full(len(degree), np.nan) for name in ("mean", "min", "max", "square")}
    if len(start):
        columns["mean"][has] = np.add.reduceat(length, start) / degree[has]
        columns["square"][has] = np.add.reduceat(length**2, start) / degree[has]
        columns["min"][has] = np.minimum.reduceat(length, start)
        columns["max"][has] = np.maximum.reduceat(length, start)
    for name in ("mean", "min", "max"):
        table.objects[f"edge_{name}_um"] = columns[name]
    variance = np.maximum(columns["square"] - columns["mean"] ** 2, 0.0)
    table.objects["edge_cv"] = np.sqrt(variance) / columns["mean"]


def _order(table: SpatialTable, graph: Graph, objects: SlideObjects, points: PointSet) -> None:
    """Enter order and disorder, and Moran's I."""
    area = table.objects["voronoi_area_um2"]
    tree_um = graphs.spanning_tree_lengths(graph)
    edges_um = graph.length_um[graph.length_um <= graphs.LONGEST_EDGE_UM]
    _disorder(table, "voronoi_disorder", area[np.isfinite(area)])
    _disorder(table, "edge_disorder", edges_um)
    _disorder(table, "tree_disorder", tree_um)
    reason = f"n = {points.n}, needs {FEWEST}"
    mean = float(tree_um.mean()) if points.n >= FEWEST else np.nan
    table.number("tree_edge_mean_um", mean, points.n, reason)
    table.number("moran_area", *moran(graph, objects.area_um2))


def _disorder(table: SpatialTable, name: str, values: NDArray[np.float64]) -> None:
    """Enter 1 - 1 / (1 + sd / mean)."""
    n = len(values)
    value = np.nan
    if n >= FEWEST and values.mean() > 0:
        value = 1 - 1 / (1 + values.std() / values.mean())
    table.number(name, float(value), n, f"n = {n}, needs {FEWEST}")


def moran(graph: Graph, values: NDArray[np.float64]) -> tuple[float, int, str]:
    """Moran's I of values over the neighbor graph, with n and the reason where it is NaN.

    Notes
    -----
    I = n / m Σ z_i z_j / Σ z², over the m pairs of neighbors at most 100 µm apart.
    Moran 1950, doi:10.2307/2332142.
    """
    near = graph.length_um <= graphs.LONGEST_EDGE_UM
    i, j = graph.edges[near].T
    if graph.n < FEWEST:
        return float("nan"), graph.n, f"n = {graph.n}, needs {FEWEST}"
    if not len(i):
        return float("nan"), graph.n, "no two neighbors within 100 um"
    z = values - values.mean()
    total = float((z**2).sum())
    if total <= (1e-12 * float(np.abs(values).max())) ** 2 * graph.n:
        return float("nan"), graph.n, "all areas are equal"
    return graph.n / len(i) * float((z[i] * z[j]).sum()) / total, graph.n, ""


NEIGHBORHOOD = FeatureFamily("neighborhood", NEIGHBORHOOD_COLUMNS)
