"""Measure what no single tile could: objects joined along seams, and regions.

Small ones are measured many at a time from one window; those larger than the largest window from
every s-th pixel, which leaves what depends on the resolution undefined.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.extraction.measuring import Measured, Window
from pathexplain.features.registry import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pathexplain.extraction.label_book import Groups
    from pathexplain.extraction.measuring import Measuring
    from pathexplain.extraction.plane import SparsePlane

__all__ = ["LARGEST_WINDOW_PX", "measure_joined"]

LARGEST_WINDOW_PX = 2**24
"""Pixels of the largest window that is held: about 64 MB of labels and 48 MB of RGB."""

BLOCK_PX = 1024
STRIP_PX = 2**22


def measure_joined(
    roots: NDArray[np.int32],
    groups: Groups,
    *,
    kept: NDArray[np.bool_],
    labels: SparsePlane,
    pixels: SparsePlane,
    measuring: Measuring,
    margin_px: int,
) -> Iterator[Measured]:
    """Measure objects from the planes of the slide.

    Parameters
    ----------
    roots : (m,) int32
        Roots of the objects to measure.
    groups : Groups
        What painted labels make up.
    kept : (n + 1,) bool
        Painted labels that belong to an object that is kept; the others are background.
    labels, pixels : SparsePlane
    measuring : Measuring
    margin_px : int
        How far around an object is looked at.

    Yields
    ------
    Measured
        Rows whose `label` is the object's root.
    """
    number_of = np.where(kept, 1, 0).astype(np.int32)
    members = np.argsort(groups.root, kind="stable")
    starts = np.searchsorted(groups.root[members], np.arange(len(groups.root) + 1))

    def members_of(root: int) -> NDArray[np.int64]:
        return members[starts[root] : starts[root + 1]]

    for chosen in _batches(roots, groups):
        own = [members_of(int(root)) for root in chosen]
        for index, labels_of in enumerate(own):
            number_of[labels_of] = index + 2
        box = _around(groups.box[chosen], margin_px, labels.shape)
        stride = _stride(box)
        window = _read(labels, pixels, box, number_of, stride)
        ids = np.arange(2, len(chosen) + 2)
        seen = ids[np.isin(ids, window.labels)] if stride > 1 else ids
        if len(seen):
            measured = measuring(window, seen, chosen[seen - 2])
            yield _exact(measured, groups, measuring, stride)
        else:
            yield _unseen(chosen, groups, measuring)
        for labels_of in own:
            number_of[labels_of] = 1


def _batches(roots: NDArray[np.int32], groups: Groups) -> Iterator[NDArray[np.int32]]:
    """Objects to measure together: small ones that begin in one block, larger ones alone."""
    box = groups.box[roots]
    is_small = (box[:, 2:] - box[:, :2]).max(axis=1, initial=0) <= BLOCK_PX
    block = box[:, :2] // BLOCK_PX
    order = np.lexsort((roots, block[:, 1], block[:, 0]))
    keys = [(*block[i], -1 if is_small[i] else int(roots[i])) for i in order]
    by_place = sorted(zip(keys, roots[order].tolist(), strict=True))
    for _, together in groupby(by_place, key=lambda item: item[0]):
        yield np.array([root for _, root in together], np.int32)


def _around(
    boxes: NDArray[np.int64], margin_px: int, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Box of several objects and their surroundings, inside the slide."""
    y0, x0 = np.maximum(boxes[:, :2].min(axis=0) - margin_px, 0)
    y1, x1 = np.minimum(boxes[:, 2:].max(axis=0) + margin_px, shape[:2])
    return int(y0), int(x0), int(y1), int(x1)


def _stride(box: tuple[int, int, int, int]) -> int:
    """Least power of two with which every s-th pixel of a box fits a window."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    if area <= LARGEST_WINDOW_PX:
        return 1
    return int(2 ** math.ceil(math.log2(area / LARGEST_WINDOW_PX) / 2))


def _read(
    labels: SparsePlane,
    pixels: SparsePlane,
    box: tuple[int, int, int, int],
    number_of: NDArray[np.int32],
    stride: int,
) -> Window:
    """Every s-th pixel of a box, strip by strip."""
    y0, x0, y1, x1 = box
    rows = stride * max(1, STRIP_PX // ((x1 - x0) * stride))
    numbers, colors = [], []
    for top in range(y0, y1, rows):
        part = (top, x0, min(top + rows, y1), x1)
        numbers.append(number_of[labels.read(*part)[::stride, ::stride]])
        colors.append(pixels.read(*part)[::stride, ::stride])
    return Window(np.concatenate(numbers), np.concatenate(colors), (y0, x0), stride)


def _exact(measured: Measured, groups: Groups, measuring: Measuring, stride: int) -> Measured:
    """Put in what is known of every pixel; drop what sampling makes something else."""
    measured.area_px[:] = groups.area_px[measured.label]
    if stride == 1:
        return measured
    first = 0
    for name in measuring.families:
        for index, column in enumerate(FAMILIES[name].columns, start=first):
            full_name = f"{name}.{column.name}"
            if full_name == "shape.area_um2":
                measured.values[:, index] = measured.area_px * measuring.mpp**2
            elif column.tolerance("resolution") is None and not _is_color(full_name):
                measured.values[:, index] = np.nan
        first += len(FAMILIES[name].columns)
    return measured


def _unseen(roots: NDArray[np.int32], groups: Groups, measuring: Measuring) -> Measured:
    """Row of an object so thin and long that no sampled pixel hit it: area, box, nothing else."""
    import shapely

    box = groups.box[roots]
    n_columns = sum(len(FAMILIES[name].columns) for name in measuring.families)
    corners = box[:, [1, 0, 3, 2]] * measuring.mpp
    blank = Measured(
        label=roots,
        area_px=groups.area_px[roots],
        centroid_um=(box[:, :2] + box[:, 2:]) / 2 * measuring.mpp,
        touches_border=(box[:, :2] == 0).any(axis=1) | (box[:, 2:] >= measuring.shape).any(axis=1),
        values=np.full((len(roots), n_columns), np.nan),
        outlines=np.asarray(shapely.to_wkb(shapely.box(*corners.T)), object),
    )
    return _exact(blank, groups, measuring, stride=2)


def _is_color(name: str) -> bool:
    """Whether a feature is a statistic of single pixels' colors, which a sample estimates."""
    places = ("_gradient_", "_edge_", "_radial_", "_mass_displacement_", "_integrated")
    return name.startswith("stain.") and not any(place in name for place in places)
