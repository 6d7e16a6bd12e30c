"""Painters for which cores are enough: connected parts of a region, objects that have numbers.

Every tile paints its core; what touches across a seam, or has the same number, is one object. For
objects that a tile may own beyond its core see `ownership`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from pathexplain.extraction.label_book import LabelBook
from pathexplain.extraction.ownership import Owned, core_of
from pathexplain.features.objects import view_objects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pathexplain.extraction.plane import SparsePlane
    from pathexplain.slides import TileWindow

__all__ = ["NumberedPainter", "RegionPainter"]

EIGHT_CONNECTED = np.ones((3, 3), bool)


class RegionPainter:
    """Paints the connected parts of a region, tile by tile; parts that touch are one.

    Parameters
    ----------
    plane : SparsePlane
        Labels of the slide, zeros to begin with.
    """

    n_pieces = 0

    def __init__(self, plane: SparsePlane) -> None:
        self.book = LabelBook()
        self._plane = plane

    def paint(self, tile: TileWindow, mask: NDArray[np.bool_]) -> Owned | None:
        """Paint the core of `tile` from a mask `(height, width)` of its window."""
        core = core_of(tile)
        parts = np.zeros((tile.core_y1 - tile.core_y0, tile.core_x1 - tile.core_x0), np.int32)
        if not ndimage.label(mask[core], EIGHT_CONNECTED, output=parts):
            return None
        view = view_objects(parts, mpp=1.0)
        offset = np.array([tile.core_y0, tile.core_x0, tile.core_y0, tile.core_x0])
        box = view.box + offset
        labels = np.concatenate([[0], self.book.add(view.area_px, box)]).astype(np.int32)
        painted = labels[parts]
        self._plane.write(tile.core_y0, tile.core_x0, painted)
        self._join_around(tile, painted)
        whole = ~_reaches(box, tile, self._plane.shape)
        if not whole.any():
            return None
        window = mask.astype(np.int32) * (view.n + 1)
        inside = window[core]
        inside[...] = np.where(whole[parts - 1] | (parts == 0), parts, view.n + 1)
        return Owned(window, view.target[whole], labels[view.target[whole]])

    def finish(self) -> None:
        """Nothing is left to do: parts were joined when they were painted."""

    def _join_around(self, tile: TileWindow, painted: NDArray[np.int32]) -> None:
        """Join with what is painted on the four sides and corners of a core."""
        height, width = self._plane.shape
        y0, x0, y1, x1 = tile.core_y0, tile.core_x0, tile.core_y1, tile.core_x1
        for row, line in ((y0 - 1, painted[0]), (y1, painted[-1])):
            if 0 <= row < height and line.any():
                left, right = max(x0 - 1, 0), min(x1 + 1, width)
                beside = self._plane.read(row, left, row + 1, right)[0]
                self._join(np.pad(beside, (left - x0 + 1, x1 + 1 - right)), line)
        for column, line in ((x0 - 1, painted[:, 0]), (x1, painted[:, -1])):
            if 0 <= column < width and line.any():
                top, bottom = max(y0 - 1, 0), min(y1 + 1, height)
                beside = self._plane.read(top, column, bottom, column + 1)[:, 0]
                self._join(np.pad(beside, (top - y0 + 1, y1 + 1 - bottom)), line)

    def _join(self, beside: NDArray[np.int32], line: NDArray[np.int32]) -> None:
        """Join labels of a line with those of its three neighbors in a line one longer each way."""
        n = len(line)
        for shift in range(3):
            other = beside[shift : shift + n]
            touching = (line > 0) & (other > 0)
            pairs = np.unique(np.stack([line[touching], other[touching]], axis=1), axis=0)
            for a, b in pairs.tolist():
                self.book.join(a, b)


class NumberedPainter:
    """Paints objects whose numbers hold over the whole slide: each tile its core.

    Parameters
    ----------
    plane : SparsePlane
        Labels of the slide, zeros to begin with.
    """

    n_pieces = 0

    def __init__(self, plane: SparsePlane) -> None:
        self.book = LabelBook()
        self._plane = plane
        self._labels: dict[int, int] = {}

    def paint(self, tile: TileWindow, objects: NDArray[np.integer[Any]]) -> Owned | None:
        """Paint the core of `tile` from numbers `(height, width)`, 0 for background."""
        numbers, places = np.unique(objects, return_inverse=True)
        window = (places.reshape(objects.shape) + (numbers[0] != 0)).astype(np.int32)
        known = numbers[numbers != 0].tolist()
        view = view_objects(np.ascontiguousarray(window[core_of(tile)]), mpp=1.0)
        offset = np.array([tile.core_y0, tile.core_x0, tile.core_y0, tile.core_x0])
        box = view.box + offset
        labels = np.zeros(len(known) + 1, np.int32)
        for target, area, place in zip(view.target, view.area_px, box, strict=True):
            number = known[target - 1]
            if number in self._labels:
                self.book.extend(self._labels[number], int(area), place)
            else:
                self._labels[number] = int(self.book.add([area], [place])[0])
            labels[target] = self._labels[number]
        self._plane.write(tile.core_y0, tile.core_x0, labels[view.labels])
        ids = view.target[~_reaches(box, tile, self._plane.shape)]
        return Owned(window, ids, labels[ids]) if ids.size else None

    def finish(self) -> None:
        """Nothing is left to do: numbers say what is one object."""


def _reaches(box: NDArray[np.int64], tile: TileWindow, shape: Iterable[int]) -> NDArray[np.bool_]:
    """Whether boxes touch a side of the tile's core that is not a side of the slide."""
    height, width = shape
    return np.asarray(
        ((box[:, 0] == tile.core_y0) & (tile.core_y0 > 0))
        | ((box[:, 1] == tile.core_x0) & (tile.core_x0 > 0))
        | ((box[:, 2] == tile.core_y1) & (tile.core_y1 < height))
        | ((box[:, 3] == tile.core_x1) & (tile.core_x1 < width))
    )
