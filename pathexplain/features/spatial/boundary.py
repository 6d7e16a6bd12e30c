"""The boundary of one prompt, as the objects of another see it: inside, distance, bands along it.

What `context`, `places` and `til` share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import spatial

from pathexplain.features.spatial.coarse import (
    coarse_mask,
    coarse_tissue,
    depths,
    distance_blocks,
)
from pathexplain.features.spatial.planes import labels_at
from pathexplain.features.spatial.points import nearest
from pathexplain.features.spatial.radii import BANDS_UM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import SlideGeometry, SlideObjects
    from pathexplain.features.spatial.neighborhood import PointSet

__all__ = ["Other", "Profile", "covered", "measure_profile", "signed_distance"]

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
