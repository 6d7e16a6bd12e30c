"""Masks from nuclear centres: where outlines are not known, near and far still are."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["IGNORE", "annotated", "disks", "surveyed", "without_rings"]

IGNORE = 255
"""Value of a target where nobody knows."""
POINT_RADIUS_UM = 2.5
POINT_IGNORE_UM = 6.0
ANNOTATED_MARGIN_UM = 15.0
_POINT_VALUES = {"epithelial": 1, "inflammatory": 2, "fibroblast": 3, "others": 4}


@lru_cache(maxsize=4)
def _points(path: Path) -> tuple[tuple[str, float, float, int], ...]:
    """Nuclear centres: image name, x and y in pixels, value of the type."""
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(
            (
                Path(row["image"]).name,
                float(row["x_px"]),
                float(row["y_px"]),
                _POINT_VALUES[row["type"]],
            )
            for row in csv.DictReader(file)
        )


def annotated(
    points_um: NDArray[np.floating[Any]], centres_um: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Whether points lie where somebody looked: in the box of all centres, and 15 µm around it.

    Some images are annotated in a part of them only. Beyond it, no centre does not mean no nucleus.

    Parameters
    ----------
    points_um, centres_um : (N, 2), (M, 2) float
        (y, x) in µm; the centres are those of all types.

    Returns
    -------
    (N,) bool
        All False where there is no centre.

    Examples
    --------
    >>> annotated(np.array([[14.0, 30.0], [40.0, 30.0]]), np.array([[0.0, 20.0], [5.0, 60.0]]))
    array([ True, False])
    """
    if len(centres_um) == 0:
        return np.zeros(len(points_um), bool)
    low = centres_um.min(axis=0) - ANNOTATED_MARGIN_UM
    high = centres_um.max(axis=0) + ANNOTATED_MARGIN_UM
    return np.asarray(((points_um >= low) & (points_um <= high)).all(axis=1), bool)


def disks(path: Path, image: str, shape: tuple[int, int], *, mpp: float) -> NDArray[np.int32]:
    """Small disks of the type's value around the centres of one image, in a ring of `IGNORE`.

    Parameters
    ----------
    path : Path
        CSV with the columns image, x_px, y_px, type.
    image : str
        Name of the image in it.
    shape : (H, W)
    mpp : float
        µm per pixel.

    Returns
    -------
    (H, W) int32
        Outlines are not known: certain near a centre, unknown around it, 0 far away, and unknown
        again where nobody looked (`annotated`); without any centre, all 0.
    """
    marks = _marks(path, image, shape)
    if not marks.any():
        return marks
    distance, (rows, columns) = ndimage.distance_transform_edt(marks == 0, return_indices=True)
    values = marks[rows, columns]
    values[distance * mpp > POINT_RADIUS_UM] = IGNORE
    centres_um = np.argwhere(marks > 0) * mpp
    far = np.argwhere(distance * mpp > POINT_IGNORE_UM)
    values[tuple(far.T)] = np.where(annotated(far * mpp, centres_um), 0, IGNORE)
    return np.asarray(values, np.int32)


def surveyed(path: Path, image: str, shape: tuple[int, int], *, mpp: float) -> NDArray[np.bool_]:
    """Where somebody looked for nuclei, (H, W) bool: see `annotated`; all of an image without any.

    Parameters
    ----------
    path, image, shape, mpp
        As of `disks`.
    """
    marks = _marks(path, image, shape)
    if not marks.any():
        return np.ones(shape, bool)
    places = np.argwhere(np.ones(shape, bool)) * mpp
    return annotated(places, np.argwhere(marks > 0) * mpp).reshape(shape)


def without_rings(
    target: NDArray[np.uint8], nucleus: NDArray[np.uint8], seen: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Target of a type in which rings around centres are known not to hold another centre.

    What is told of pixels in a ring is nothing; but that no nucleus of the type is there is known.

    Parameters
    ----------
    target, nucleus : (H, W) uint8
        Of the type and of all nuclei: 1, 0, or `IGNORE`.
    seen : (H, W) bool
        As `surveyed` gives it.

    Examples
    --------
    >>> target = np.array([[0, 255, 0, 255]], np.uint8)
    >>> nucleus = np.array([[1, 255, 0, 255]], np.uint8)
    >>> without_rings(target, nucleus, np.array([[True, True, True, False]])).tolist()
    [[0, 0, 0, 255]]
    """
    return np.where((nucleus == IGNORE) & seen, 0, target).astype(np.uint8)


def _marks(path: Path, image: str, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Value of the type at the pixel of each centre of one image, 0 elsewhere."""
    marks = np.zeros(shape, np.int32)
    for name, x, y, value in _points(path):
        if name == image:
            marks[min(int(y), shape[0] - 1), min(int(x), shape[1] - 1)] = value
    return marks
