"""Random regions as large as an object, elsewhere in the tissue: what filling alone does.

Whatever a fill does to a classifier by its mere area, a control of the same area does too; what an
object does beyond its control is the object's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["allocate", "random_region", "typical_radius_px"]


def allocate(need: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Share out control pixels over tiles: where the object is, and what does not fit elsewhere.

    Parameters
    ----------
    need, room : (n,) int64
        Pixels of the object, and pixels that a control may take, in each tile.

    Returns
    -------
    (n,) int64 or None
        Sums to ``need.sum()`` and stays within `room`; None where there is not enough room.

    Examples
    --------
    >>> allocate(np.array([5, 0]), np.array([3, 9])).tolist()
    [3, 2]
    >>> allocate(np.array([5]), np.array([3])) is None
    True
    """
    if need.sum() > room.sum():
        return None
    taken = np.minimum(need, room)
    missing = int(need.sum() - taken.sum())
    left = room - taken
    if missing:
        ends = np.cumsum(left) * (missing / left.sum())
        extra = np.diff(np.floor(ends + 1e-9).astype(np.int64), prepend=0)
        extra = np.minimum(extra, left)
        taken = taken + extra
        # Rounding may leave a few pixels: they go where there is room.
        for index in np.argsort(-(room - taken), kind="stable"):
            rest = int(need.sum() - taken.sum())
            taken[index] += min(rest, int(room[index] - taken[index]))
    return np.asarray(taken, dtype=np.int64)


def random_region(
    allowed: NDArray[np.bool_], n_px: int, rng: np.random.Generator, *, radius_px: float
) -> NDArray[np.bool_]:
    """Draw a region of exactly `n_px` allowed pixels, in patches of about a given radius.

    The allowed pixels where a smooth random field is highest.

    Parameters
    ----------
    allowed : (H, W) bool
        At least `n_px` of them True.
    n_px : int
    rng : Generator
    radius_px : float
        Scale of the patches, pixels, > 0.

    Returns
    -------
    (H, W) bool

    Examples
    --------
    >>> drawn = random_region(np.ones((32, 32), bool), 100, np.random.default_rng(0), radius_px=4)
    >>> int(drawn.sum())
    100
    """
    region = np.zeros(allowed.shape, bool)
    if n_px <= 0:
        return region
    field = ndimage.gaussian_filter(
        rng.standard_normal(allowed.shape), max(radius_px / 2, 0.5), mode="wrap", truncate=3
    )
    places = np.flatnonzero(allowed)
    highest = np.argpartition(-field.ravel()[places], n_px - 1)[:n_px]
    region.ravel()[places[highest]] = True
    return region


def typical_radius_px(mask: NDArray[np.bool_]) -> float:
    """Radius of the disk as large as the median connected piece of a mask; 1 where it is empty.

    Examples
    --------
    >>> mask = np.zeros((9, 9), bool)
    >>> mask[2:5, 2:5] = True
    >>> round(typical_radius_px(mask), 3)
    1.693
    """
    labels, n_pieces = ndimage.label(mask)
    if n_pieces == 0:
        return 1.0
    areas = np.bincount(labels.ravel())[1:]
    return float(np.sqrt(np.median(areas) / np.pi))
