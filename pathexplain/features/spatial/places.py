"""Places on a slide: inside the mask of a prompt, or near the interface of one or two.

`within` in the prompts file names them; objects in a place get the same summaries as all objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, spatial

from pathexplain.features.spatial.boundary import covered
from pathexplain.features.spatial.coarse import (
    coarse_mask,
    coarse_tissue,
    near,
    region_area_mm2,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import SlideGeometry, SlideObjects
    from pathexplain.prompts import Within

__all__ = ["GAP_UM", "Place", "find_place", "interface_cells"]

GAP_UM = 10.0
"""Two masks with a gap up to this between them still have an interface."""
_UM2_PER_MM2 = 1e6


@dataclass(frozen=True, eq=False)
class Place:
    """Objects of a prompt that lie in a place.

    Attributes
    ----------
    prompt : str
    member : (n,) bool
        Which of its objects.
    area_mm2 : float
        Tissue of the place.
    state : str
        "present", or that of the prompt that makes the place where it is not there.
    reason : str
        Why the place is empty; empty text where it is not.
    """

    prompt: str
    member: NDArray[np.bool_]
    area_mm2: float
    state: str
    reason: str = ""


def find_place(
    within: Within, objects: Mapping[str, SlideObjects], geometry: SlideGeometry
) -> Place:
    """Find the objects of a prompt that lie where `within` says.

    An object lies where its centroid lies. A place without tissue has no objects and no density.
    """
    own = objects[within.prompt]
    makers = [objects[name] for name in within.makers]
    unknown = [item.name for item in (own, *makers) if item.state == "not assessed"]
    if unknown:
        return Place(own.name, np.zeros(own.n, bool), float("nan"), "not assessed", "not assessed")
    if within.inside is not None:
        return _inside(own, makers[0], geometry)
    return _at_interface(own, makers, float(within.margin_um or 0), geometry)


def _inside(own: SlideObjects, region: SlideObjects, geometry: SlideGeometry) -> Place:
    """Objects inside the mask of another prompt."""
    area_mm2 = region_area_mm2(region, geometry)
    member = covered(own.centroid_um, region, geometry)
    reason = "" if area_mm2 > 0 else f"no {region.name} in the tissue"
    return Place(own.name, member, area_mm2, "present", reason)


def _at_interface(
    own: SlideObjects, makers: list[SlideObjects], margin_um: float, geometry: SlideGeometry
) -> Place:
    """Objects up to a distance from the interface of one prompt, or of two."""
    cells = interface_cells(makers, geometry)
    step = geometry.coarse_mpp
    tissue = coarse_tissue(geometry)
    if not cells.any():
        names = " and ".join(item.name for item in makers)
        reason = f"{names} has no interface in the tissue"
        return Place(own.name, np.zeros(own.n, bool), 0.0, "present", reason)
    band = near(cells, reach=margin_um / step) & tissue
    area_mm2 = float(band.sum()) * step**2 / _UM2_PER_MM2
    tree = spatial.cKDTree((np.argwhere(cells) + 0.5) * step)
    distance = tree.query(own.centroid_um, distance_upper_bound=margin_um + step)[0]
    member = np.asarray(distance <= margin_um)
    return Place(own.name, member, area_mm2, "present")


def interface_cells(makers: list[SlideObjects], geometry: SlideGeometry) -> NDArray[np.bool_]:
    """Coarse cells of the first mask's edge that face tissue, or the second mask.

    Returns
    -------
    (h, w) bool
        Cells of the first prompt with a neighbor (of four) outside it: one that is tissue, or
        where two prompts make the interface, one that is within 10 µm of the second.
    """
    mask, tissue = coarse_mask(makers[0], geometry), coarse_tissue(geometry)
    beyond = tissue & ~mask
    if len(makers) > 1:
        second = coarse_mask(makers[1], geometry)
        beyond &= near(second, reach=GAP_UM / geometry.coarse_mpp)
    return np.asarray(mask & ndimage.binary_dilation(beyond))
