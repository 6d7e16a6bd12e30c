"""The `context` family: how the objects of one prompt lie to those of another.

Per object: signed distance to the other's boundary, nearest of the other, share inside, contact,
mixing. Per slide: cross-L, pair correlation, nearest-neighbor G, Morisita-Horn, the infiltration
profile across the interface. The window is the tissue.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from scipy import spatial

from pathexplain.features.columns import Column, FeatureFamily
from pathexplain.features.spatial import graph as graphs
from pathexplain.features.spatial.boundary import measure_profile, signed_distance
from pathexplain.features.spatial.context_columns import (
    BAND_NAMES,
    CONTEXT_COLUMNS,
    MIXING_NEIGHBORS,
    OTHER_INSTANCES,
    QUADRAT_UM,
)
from pathexplain.features.spatial.neighborhood import (
    FEWEST,
    RING_EDGES_UM,
    PointSet,
    enter_densities,
    enter_pattern,
    k_of_sums,
)
from pathexplain.features.spatial.planes import contacts
from pathexplain.features.spatial.points import nearest, pair_sums
from pathexplain.features.spatial.radii import NEAREST_RADII_UM
from pathexplain.features.spatial.table import SpatialTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import SlideObjects
    from pathexplain.features.spatial.boundary import Other
    from pathexplain.features.spatial.graph import Graph

__all__ = ["CONTEXT", "context_columns", "measure_context", "morisita_horn"]


def context_columns(kind: str, other_kind: str) -> tuple[Column, ...]:
    """Columns that a relation has, by the kinds of its prompts.

    Examples
    --------
    >>> len(context_columns("instances", "instances")) > len(context_columns("instances", "region"))
    True
    """
    return tuple(
        column
        for column in CONTEXT_COLUMNS
        if (kind == "instances" or column.kind == "any")
        and (other_kind == "instances" or column.name not in OTHER_INSTANCES)
    )


def measure_context(objects: SlideObjects, points: PointSet, other: Other) -> SpatialTable:
    """Measure how the objects of a prompt lie to those of another.

    Parameters
    ----------
    objects : SlideObjects
        The first prompt of the relation.
    points : PointSet
        Its centroids.
    other : Other
        The second prompt.

    Returns
    -------
    SpatialTable
        Object columns and slide numbers; which ones depends on the kinds (`context_columns`).
    """
    table = SpatialTable(points.n)
    _overlap(table, objects, other)
    if objects.kind == "instances":
        _boundary(table, points, other)
        if other.objects.kind == "instances":
            _of_points(table, points, other)
    return table


def _of_points(table: SpatialTable, points: PointSet, other: Other) -> None:
    """Enter what centroids of both prompts tell."""
    both = np.concatenate([points.points_um, other.points.points_um])
    enough = min(points.n, other.points.n) >= FEWEST
    # qhull is one thread and releases the GIL: all that needs no graph is found meanwhile.
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(graphs.delaunay, both) if enough else None
        _nearest(table, points, other)
        _mixing(table, points, both)
        _patterns(table, points, other)
        graph = waiting.result() if waiting else None
    _edges(table, points.n, other.points.n, graph)


def _overlap(table: SpatialTable, objects: SlideObjects, other: Other) -> None:
    """Enter share inside and contact, of objects and of the slide."""
    plane, beside = objects.labels, other.objects.labels
    names = ("overlap_share", "interface_mm", "interface_share")
    if plane is None or beside is None:
        for name in names:
            table.number(name, np.nan, 0, "the label images were not kept")
        return
    mpp = other.geometry.mpp
    found = contacts(plane, beside, objects.label)
    pixels = objects.area_um2 / mpp**2
    length_um = mpp * found.contact_px
    table.objects["share_inside"] = found.overlap_px / pixels
    table.objects["contact_um"] = length_um
    table.objects["contact_share"] = _ratio(found.contact_px, found.outline_px)
    total, outline = float(pixels.sum()), float(found.outline_px.sum())
    share = found.overlap_px.sum() / total if total else np.nan
    bordering = found.contact_px.sum() / outline if outline else np.nan
    table.number("overlap_share", share, objects.n, "there is no object")
    table.number("interface_mm", length_um.sum() / 1000, objects.n)
    table.number("interface_share", bordering, objects.n, "there is no outline")


def _boundary(table: SpatialTable, points: PointSet, other: Other) -> None:
    """Enter the distance to the boundary of the other, and the profile across it."""
    signed = signed_distance(points.points_um, other)
    if signed is not None:
        table.objects["distance_um"] = signed
    _profile(table, points, other)


def _profile(table: SpatialTable, points: PointSet, other: Other) -> None:
    """Enter the density of objects in bands along the boundary of the other."""
    profile = measure_profile(points, other, table.objects.get("distance_um"))
    reason = "no tissue there, or the other has no boundary on the slide"
    bands = list(zip(profile.counts.tolist(), profile.areas_mm2.tolist(), strict=True))
    named = dict(zip(BAND_NAMES, bands, strict=True))
    named |= {"inside": profile.inside, "margin": profile.margin}
    density = {name: count / area if area else np.nan for name, (count, area) in named.items()}
    for name, (count, area) in named.items():
        table.number(f"{name}_per_mm2", density[name], count, reason)
        table.number(f"{name}_mm2", area, other.objects.n)
    inside, margin = density["inside"], density["margin"]
    value = inside / (inside + margin) if inside + margin > 0 else np.nan
    n = profile.inside[0] + profile.margin[0]
    table.number("infiltration", value, n, "no object inside or in the margin, or no area there")


def _nearest(table: SpatialTable, points: PointSet, other: Other) -> None:
    """Enter the nearest object of the other, and its distribution G."""
    there = other.points
    nearest_um = np.full(points.n, np.nan)
    if there.n and points.n:
        nearest_um = nearest(there.tree, points.points_um)[0]
        table.objects["nearest_um"] = nearest_um
    for radius in NEAREST_RADII_UM:
        deep = points.border_um >= radius
        count = int(deep.sum())
        defined = count >= FEWEST and there.n > 0
        value = float((nearest_um[deep] <= radius).mean()) if defined else np.nan
        reason = "there is no object of the other" if not there.n else f"n = {count}, needs 10"
        table.number(f"cross_g_{radius}um", value, count, reason)


def _mixing(table: SpatialTable, points: PointSet, both: NDArray[np.float64]) -> None:
    """Enter the share of the other among the nearest of both; `both` has the first's first."""
    n = points.n
    if len(both) > MIXING_NEIGHBORS and n:
        # Itself is among the nearest, first or (of several at one place) later: leave it out.
        tree = spatial.cKDTree(both)
        near = nearest(tree, points.points_um, k=MIXING_NEIGHBORS + 1)[1]
        own = near == np.arange(n)[:, None]
        own[~own.any(axis=1), -1] = True
        others = (near >= n) & ~own
        table.objects["neighbor_share"] = others.sum(axis=1) / MIXING_NEIGHBORS


def _edges(table: SpatialTable, n: int, m: int, graph: Graph | None) -> None:
    """Enter how many edges of the graph of both join the n of the first to the m of the other."""
    if graph is None:
        reason = f"n = {n} and {m}, needs {FEWEST} of each"
        table.number("edge_enrichment", np.nan, n + m, reason)
        return
    edges = graph.edges[graph.length_um <= graphs.LONGEST_EDGE_UM]
    unlike = int(((edges[:, 0] < n) != (edges[:, 1] < n)).sum())
    expected = len(edges) * 2 * n * m / ((n + m) * (n + m - 1))
    value = unlike / expected if expected else np.nan
    table.number("edge_enrichment", value, n + m, "no two neighbors within 100 um")


def _patterns(table: SpatialTable, points: PointSet, other: Other) -> None:
    """Enter densities of the other, cross-L, cross pair correlation and Morisita-Horn."""
    there = other.points
    sums = pair_sums(
        points.points_um,
        there.points_um,
        edges_um=RING_EDGES_UM,
        covariance=points.window.covariance(float(RING_EDGES_UM[-1])),
        inside=points.inside,
        others_inside=there.inside,
    )
    enter_densities(table, "density", sums, points)
    ours, theirs = points.points_um[points.inside], there.points_um[there.inside]
    n, m = len(ours), len(theirs)
    reason = f"n = {n} and {m} in the tissue, needs {FEWEST} of each"
    enough = min(n, m) >= FEWEST
    k_um2 = k_of_sums(sums, points.window, n_pairs=n * m if enough else 0)
    enter_pattern(table, k_um2, "cross", n, reason)
    value = morisita_horn(ours, theirs, points) if enough else np.nan
    table.number("morisita_horn", value, n, reason)


def morisita_horn(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], points: PointSet
) -> float:
    """Overlap of two patterns in squares, counted from the middle of the window."""
    cells = np.argwhere(points.window.mask)
    middle = (cells.min(axis=0) + cells.max(axis=0) + 1) / 2 * points.window.step_um
    squares = [
        np.floor((set_um - middle) / QUADRAT_UM).astype(np.int64) for set_um in (ours, theirs)
    ]
    low = np.minimum(*(found.min(axis=0) for found in squares))
    high = np.maximum(*(found.max(axis=0) for found in squares))
    rows, columns = high - low + 1
    x, y = (
        np.bincount((found - low) @ (columns, 1), minlength=rows * columns) / len(found)
        for found in squares
    )
    return float(2 * (x * y).sum() / ((x**2).sum() + (y**2).sum()))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part of a whole; NaN where the whole is 0."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan), np.float64)


CONTEXT = FeatureFamily("context", CONTEXT_COLUMNS, of_pairs=True)
