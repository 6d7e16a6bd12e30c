"""From a mask and an interior map to separate objects: marker-controlled watershed.

Not for regions across tiles: those are joined in `extraction`.
Reference: Meyer 1994, Topographic distance and watershed lines, doi:10.1016/0165-1684(94)90060-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SPLITTING", "Splitting", "drop_small", "smoothed_depth", "split_at_depth"]
__all__ += ["split_instances"]


@dataclass(frozen=True)
class Splitting:
    """How an interior map becomes markers; chosen on validation images.

    `smoothing_um` is a Gaussian sigma; an object is marked where the smoothed depth exceeds
    `marker_level`.
    """

    smoothing_um: float
    marker_level: float


NUCLEI, TISSUE = Splitting(0.5, 0.45), Splitting(2.0, 0.8)
SPLITTING = {"nuclei": NUCLEI, "cell": NUCLEI, "tissue": TISSUE}


def split_instances(
    mask: NDArray[np.bool_],
    interior: NDArray[np.float32] | None,
    *,
    mpp: float,
    splitting: Splitting = NUCLEI,
    min_area_um2: float = 0.0,
) -> NDArray[np.int32]:
    """Split a mask into objects, one marker for each core of the interior map.

    Parameters
    ----------
    mask : (H, W) bool
        Pixels of the category.
    interior : (H, W) float32 in [0, 1], or None
        Relative depth inside an object: 1 at its core, 0 at its edge. Without it the connected
        components (8-connected) are the objects.
    mpp : float
        µm per pixel, > 0.
    splitting : Splitting
        How markers are made of `interior`.
    min_area_um2 : float
        Smaller objects are dropped.

    Returns
    -------
    (H, W) int32
        0 is background, objects are 1..N in reading order. No pixel outside `mask` is labelled.

    Examples
    --------
    Two overlapping disks are one component, and two objects by their interior map:

    >>> yy, xx = np.mgrid[:30, :50]
    >>> depth = [1 - np.hypot(yy - 15, xx - x) / 11 for x in (15, 33)]
    >>> interior = np.maximum(0, np.maximum(*depth)).astype(np.float32)
    >>> int(split_instances(interior > 0, interior, mpp=0.5).max())
    2
    >>> int(split_instances(interior > 0, None, mpp=0.5).max())
    1
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    if interior is None:
        components = label(mask, connectivity=2).astype(np.int32)
        return drop_small(components, mpp=mpp, min_area_um2=min_area_um2)
    depth = smoothed_depth(interior, mpp=mpp, splitting=splitting)
    return split_at_depth(mask, depth, mpp=mpp, splitting=splitting, min_area_um2=min_area_um2)


def smoothed_depth(
    interior: NDArray[np.float32], *, mpp: float, splitting: Splitting = NUCLEI
) -> NDArray[np.float32]:
    """Interior map (H, W) as `split_at_depth` takes it, the same for all prompts that share it."""
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(interior, splitting.smoothing_um / mpp)
    return smooth


def split_at_depth(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    *,
    mpp: float,
    splitting: Splitting = NUCLEI,
    min_area_um2: float = 0.0,
) -> NDArray[np.int32]:
    """As `split_instances`, from an interior map that `smoothed_depth` has smoothed.

    Examples
    --------
    >>> depth = np.array([[0.9, 0.2, 0.8, 0.0]], np.float32)
    >>> split_at_depth(depth > 0, depth, mpp=0.5).tolist()
    [[1, 1, 2, 0]]
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    components = label(mask, connectivity=2).astype(np.int32)
    cores = mask & (depth > splitting.marker_level)
    markers = label(cores, connectivity=1).astype(np.int32)
    has_core = np.zeros(int(components.max()) + 1, bool)
    has_core[components[cores]] = True
    coreless = mask & ~has_core[components]
    markers[coreless] = components[coreless] + int(markers.max())
    objects = _flood(mask, markers, depth)
    return drop_small(objects, mpp=mpp, min_area_um2=min_area_um2)


def _flood(
    mask: NDArray[np.bool_], markers: NDArray[np.int32], depth: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Watershed of `mask` from its markers, deepest first.

    A 4-connected part with one marker becomes that marker's whatever the depth, and one with none
    stays background, so only parts with several are flooded, which takes a hundred times longer.
    """
    parts = label(mask, connectivity=1)
    n_parts = int(parts.max()) + 1
    marked = markers > 0
    where, which = parts[marked], markers[marked]
    lowest, highest = (
        np.full(n_parts, np.iinfo(np.int32).max, np.int32),
        np.zeros(n_parts, np.int32),
    )
    np.minimum.at(lowest, where, which)
    np.maximum.at(highest, where, which)
    is_shared = lowest < highest
    filled = np.where(is_shared, 0, highest).astype(np.int32)
    filled[0] = 0
    objects: NDArray[np.int32] = filled[parts]
    is_shared[0] = False
    shared = is_shared[parts]
    if shared.any():
        objects += watershed(-depth, markers=np.where(shared, markers, 0), mask=shared)
    return objects


def drop_small(labels: NDArray[np.int32], *, mpp: float, min_area_um2: float) -> NDArray[np.int32]:
    """Remove objects under `min_area_um2` and renumber the others 1..N, in order of their label.

    Examples
    --------
    >>> drop_small(np.array([[1, 0, 3, 3]], np.int32), mpp=1.0, min_area_um2=2.0)
    array([[0, 0, 1, 1]], dtype=int32)
    """
    counts = np.bincount(labels.ravel())
    keep = (counts > 0) & (counts * mpp**2 >= min_area_um2)
    keep[0] = False
    renumbered = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return renumbered[labels]
