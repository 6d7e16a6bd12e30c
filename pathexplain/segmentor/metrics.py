"""How well masks agree with the truth: Dice, IoU, AJI, panoptic quality, AUROC.

Pure functions over arrays. Empty cases are stated for each: undefined is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "PanopticQuality",
    "aggregated_jaccard",
    "dice",
    "iou",
    "object_dice",
    "panoptic_quality",
]


MATCH_IOU = 0.5


@dataclass(frozen=True)
class PanopticQuality:
    """Detection F1, mean IoU of matched objects, and their product."""

    f1: float
    matched_iou: float
    quality: float


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Dice coefficient, 2|A ∩ B| / (|A| + |B|); NaN when both are empty.

    Reference: Dice 1945, doi:10.2307/1932409.

    Parameters
    ----------
    found, truth : (…) bool

    Examples
    --------
    >>> dice(np.array([True, True]), np.array([True, False]))
    0.6666666666666666
    """
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else float("nan")


def iou(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union; NaN when both are empty.

    Examples
    --------
    >>> iou(np.array([True, True]), np.array([True, False]))
    0.5
    """
    union = int((found | truth).sum())
    return int((found & truth).sum()) / union if union else float("nan")


def _overlaps(
    found: NDArray[np.int32], truth: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(T, F) pixels shared by each true and found object, and the sizes (T,) and (F,)."""
    (true_ids, n_true), (found_ids, n_found) = _consecutive(truth), _consecutive(found)
    counts = np.bincount(true_ids * n_found + found_ids, minlength=n_true * n_found)
    table = counts.reshape(n_true, n_found)
    return table[1:, 1:], table[1:].sum(axis=1), table[:, 1:].sum(axis=0)


def _consecutive(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """(N,) labels renumbered without gaps, 0 kept for the background, and how many numbers."""
    flat = labels.ravel()
    is_used = np.bincount(flat, minlength=1) > 0
    is_used[0] = True
    return (np.cumsum(is_used) - 1)[flat], int(is_used.sum())


def aggregated_jaccard(found: NDArray[np.int32], truth: NDArray[np.int32]) -> float:
    """Compute the aggregated Jaccard index (Kumar 2017, doi:10.1109/TMI.2017.2677499).

    Every true object is joined with the found object of highest IoU; unused found objects count
    against the score.

    Parameters
    ----------
    found, truth : (H, W) int32
        Label images, 0 background.

    Returns
    -------
    float
        In [0, 1]; NaN when both are empty.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2]], np.int32)
    >>> aggregated_jaccard(truth, truth)
    1.0
    >>> aggregated_jaccard(np.array([[1, 1, 0, 0, 0]], np.int32), truth)
    0.5
    """
    shared, true_sizes, found_sizes = _overlaps(found, truth)
    if shared.size == 0:
        total = int(true_sizes.sum() + found_sizes.sum())
        return 0.0 if total else float("nan")
    unions = true_sizes[:, None] + found_sizes[None, :] - shared
    best = (shared / unions).argmax(axis=1)
    rows = np.arange(len(true_sizes))
    hit = shared[rows, best] > 0
    intersection = shared[rows, best][hit].sum()
    union = unions[rows, best][hit].sum() + true_sizes[~hit].sum()
    unused = np.setdiff1d(np.arange(len(found_sizes)), best[hit])
    return float(intersection / (union + found_sizes[unused].sum()))


def panoptic_quality(found: NDArray[np.int32], truth: NDArray[np.int32]) -> PanopticQuality:
    """Panoptic quality at IoU > 0.5 (Kirillov 2019, doi:10.1109/CVPR.2019.00963).

    Returns
    -------
    PanopticQuality
        All NaN when both images are empty; `matched_iou` NaN when nothing matches.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2]], np.int32)
    >>> panoptic_quality(np.array([[1, 1, 0, 0, 0]], np.int32), truth)
    PanopticQuality(f1=0.6666666666666666, matched_iou=1.0, quality=0.6666666666666666)
    """
    shared, true_sizes, found_sizes = _overlaps(found, truth)
    total = len(true_sizes) + len(found_sizes)
    if total == 0:
        return PanopticQuality(float("nan"), float("nan"), float("nan"))
    if shared.size == 0:
        return PanopticQuality(0.0, float("nan"), 0.0)
    ious = shared / (true_sizes[:, None] + found_sizes[None, :] - shared)
    matched = ious[ious > MATCH_IOU]
    f1 = 2 * len(matched) / total
    if len(matched) == 0:
        return PanopticQuality(0.0, float("nan"), 0.0)
    return PanopticQuality(f1, float(matched.mean()), f1 * float(matched.mean()))


def object_dice(found: NDArray[np.int32], truth: NDArray[np.int32]) -> float:
    """Object-level Dice of the GlaS challenge.

    Mean of two area-weighted averages: of each true object with the found object that overlaps it
    most, and the other way round (Sirinukunwattana 2017, doi:10.1016/j.media.2016.08.008).

    Returns
    -------
    float
        In [0, 1]; NaN when both images are empty.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2]], np.int32)
    >>> object_dice(np.array([[1, 1, 0, 0, 0]], np.int32), truth)
    0.75
    """
    shared, true_sizes, found_sizes = _overlaps(found, truth)
    if len(true_sizes) + len(found_sizes) == 0:
        return float("nan")
    if shared.size == 0:
        return 0.0
    scores = 2 * shared / (true_sizes[:, None] + found_sizes[None, :])
    by_truth = scores[np.arange(len(true_sizes)), shared.argmax(axis=1)]
    by_found = scores[shared.argmax(axis=0), np.arange(len(found_sizes))]
    return float(
        (by_truth @ (true_sizes / true_sizes.sum()) + by_found @ (found_sizes / found_sizes.sum()))
        / 2
    )
