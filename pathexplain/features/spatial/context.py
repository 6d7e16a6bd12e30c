"""The `context` family: how the objects of one prompt lie to those of another.

Per object: signed distance to the other's boundary, nearest of the other, share inside, contact,
mixing. Per slide: cross-L, pair correlation, nearest-neighbor G, Morisita-Horn, the infiltration
profile across the interface. The window is the tissue.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import spatial

from pathexplain.features.columns import Column, FeatureFamily
from pathexplain.features.spatial import graph as graphs
from pathexplain.features.spatial.coarse import (
    coarse_mask,
    coarse_tissue,
    depths,
    distance_blocks,
)
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
from pathexplain.features.spatial.planes import contacts, labels_at
from pathexplain.features.spatial.points import nearest, pair_sums
from pathexplain.features.spatial.radii import BANDS_UM, NEAREST_RADII_UM
from pathexplain.features.spatial.table import SpatialTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import SlideGeometry, SlideObjects
    from pathexplain.features.spatial.graph import Graph

__all__ = [
    "CONTEXT",
    "Other",
    "Profile",
    "context_columns",
    "covered",
    "measure_context",
    "measure_profile",
    "morisita_horn",
    "signed_distance",
]

MARGIN_UM = 100
_NEAR = 1e-6
_UM2_PER_MM2 = 1e6


@dataclass(frozen=True, eq=False)
class Other:
    """What the second prompt of relations is asked again and again."""

    objects: SlideObjects
    points: PointSet
    geometry: SlideGeometry

    @cached_property
    def boundary(self) -> spatial.cKDTree | None:
        """KD-tree of the boundary pixels, without those of what a region spares; None for none."""
        points = np.asarray(self.objects.boundary_um, np.float64)
        if self.objects.kind == "region":
            deep = depths(self.objects, self.geometry)
            points = points[labels_at(deep, points / self.geometry.coarse_mpp) == 0]
        if not len(points):
            return None
        return spatial.cKDTree(points, balanced_tree=False, compact_nodes=False)

    @cached_property
    def band_areas_mm2(self) -> NDArray[np.float64]:
        """Tissue (bands,) in each band of signed distance to the boundary, mm²."""
        return _band_areas(self.objects, self.geometry)


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


def covered(
    points_um: NDArray[np.float64], objects: SlideObjects, geometry: SlideGeometry
) -> NDArray[np.bool_]:
    """(n,) bool: whether each point lies in an object; by coarse cells where labels are gone.

    A point between pixels lies inside where all pixels that it touches do. Points in small holes
    of a region (up to 200 µm²) lie inside: masks with one class a pixel spare the nuclei.
    """
    plane, step_um = objects.labels, geometry.mpp
    if plane is None:
        plane, step_um = coarse_mask(objects, geometry), geometry.coarse_mpp
    places = points_um / step_um
    inside = labels_at(plane, places) > 0
    between = np.flatnonzero((np.abs(places - np.rint(places)) < _NEAR).any(axis=1))
    for y, x in ((-_NEAR, -_NEAR), (-_NEAR, _NEAR), (_NEAR, -_NEAR), (_NEAR, _NEAR)):
        inside[between] &= labels_at(plane, places[between] + (2 * y, 2 * x)) > 0
    if objects.kind == "region" and not inside.all():
        inside |= labels_at(depths(objects, geometry), points_um / geometry.coarse_mpp) > 0
    return inside


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


def signed_distance(points_um: NDArray[np.float64], other: Other) -> NDArray[np.float64] | None:
    """Signed distance (n,) of points to the boundary of the other, µm; None without a boundary."""
    if other.boundary is None:
        return None
    if not len(points_um):
        return np.zeros(0)
    inside = covered(points_um, other.objects, other.geometry)
    distance = nearest(other.boundary, points_um)[0]
    half = other.geometry.mpp / 2  # from the center of the boundary pixel to its far side
    signed = np.where(inside, -(distance + half), np.maximum(distance - half, 0.0))
    return np.asarray(signed, np.float64)


@dataclass(frozen=True)
class Profile:
    """Objects and tissue in each band of signed distance: `counts`, `areas_mm2` (bands,)."""

    counts: NDArray[np.int64]
    areas_mm2: NDArray[np.float64]

    @property
    def inside(self) -> tuple[int, float]:
        """Objects inside the other, and tissue there, mm²."""
        stop = BANDS_UM.index(0) + 1
        return int(self.counts[:stop].sum()), float(self.areas_mm2[:stop].sum())

    @property
    def margin(self) -> tuple[int, float]:
        """Objects up to 100 µm outside the other, and tissue there, mm²."""
        bands = slice(BANDS_UM.index(0) + 1, BANDS_UM.index(MARGIN_UM) + 1)
        return int(self.counts[bands].sum()), float(self.areas_mm2[bands].sum())


def measure_profile(
    points: PointSet, other: Other, signed_um: NDArray[np.float64] | None = None
) -> Profile:
    """Count objects, and tissue, in bands along the boundary of the other; areas are 0 without.

    `signed_um` (n,) saves finding the distances of the points again.
    """
    n_bands = len(BANDS_UM)
    if signed_um is None:
        signed_um = signed_distance(points.points_um, other)
    if signed_um is None:
        return Profile(np.zeros(n_bands, np.int64), np.zeros(n_bands))
    band = np.searchsorted(np.asarray(BANDS_UM, float), signed_um[points.inside], side="left")
    counts = np.bincount(band, minlength=n_bands + 1)[:n_bands]
    return Profile(counts, other.band_areas_mm2)


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


def _band_areas(other: SlideObjects, geometry: SlideGeometry) -> NDArray[np.float64]:
    """Tissue in each band, counted in coarse cells; all of the inside is in some band."""
    mask, tissue = coarse_mask(other, geometry), coarse_tissue(geometry)
    edges = np.asarray(BANDS_UM, float)
    step = geometry.coarse_mpp
    reach = int(np.ceil(np.abs(edges).max() / step)) + 1
    cells = np.zeros(len(edges) + 1, np.int64)
    for is_inside in (False, True):
        for block, distance in distance_blocks(mask ^ is_inside, reach=reach):
            chosen = (mask[block] == is_inside) & tissue[block]
            signed = (distance[chosen] - 0.5) * step * (-1 if is_inside else 1)
            band = np.searchsorted(edges, signed, side="left")
            cells += np.bincount(band, minlength=len(edges) + 1)
    return np.asarray(cells[:-1] * step**2 / _UM2_PER_MM2, np.float64)


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
