"""Objects across tiles: which tile paints an object, and which pieces are one object.

Not for regions, whose pieces are joined by connected components over the whole slide (`canvas`).

An object that lies whole in the window of the tile whose core holds its centroid is painted whole
by that tile. A larger one is painted piece by piece, each tile its core, and the pieces that meet
along a seam become one object. Either way an object is counted once and measured whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pathexplain.slides import TileWindow

__all__ = ["InstancePainter", "NumberedPainter"]

# A piece belongs to what is already painted where that covers more than half of it.
MAJORITY = 0.5
# Two pieces are one object where they share half of the shorter one's contact with the seam,
# or more.
SEAM_SHARE = 0.5


class _Objects(NamedTuple):
    """Objects of one tile: boxes and centroids in slide pixels, index 0 is label 1."""

    box: NDArray[np.int64]
    centroid: NDArray[np.float64]


class NumberedPainter:
    """Paints objects whose numbers hold over the whole slide: each tile its core, nothing to join.

    Parameters
    ----------
    canvas : (H, W) int32
        Zeros to begin with; changed in place. May be a memory map.

    Examples
    --------
    >>> from pathexplain.slides import tile_grid
    >>> painter = NumberedPainter(np.zeros((2, 4), np.int32))
    >>> for tile in tile_grid((2, 4), core_px=2, halo_px=0):
    ...     painter.paint(tile, np.array([[70, 70], [0, 9]]))
    >>> painter.canvas.tolist()
    [[2, 2, 2, 2], [0, 1, 0, 1]]
    """

    def __init__(self, canvas: NDArray[np.int32]) -> None:
        self.canvas = canvas
        self._labels: dict[int, int] = {0: 0}

    def paint(self, tile: TileWindow, objects: NDArray[np.integer[Any]]) -> None:
        """Paint the core of `tile` from numbers `(height, width)`, 0 for background."""
        rows = slice(tile.core_y0 - tile.y0, tile.core_y1 - tile.y0)
        columns = slice(tile.core_x0 - tile.x0, tile.core_x1 - tile.x0)
        numbers, places = np.unique(objects[rows, columns], return_inverse=True)
        new = [self._labels.setdefault(n, len(self._labels)) for n in numbers.tolist()]
        self.canvas[tile.core_y0 : tile.core_y1, tile.core_x0 : tile.core_x1] = np.array(
            new, np.int32
        )[places].reshape(tile.core_y1 - tile.core_y0, -1)

    def merged_labels(self) -> NDArray[np.int32]:
        """Return the final label of every painted label: its own."""
        return np.arange(len(self._labels), dtype=np.int32)


class InstancePainter:
    """Paints the instances of one prompt, tile by tile, into one slide-wide label image.

    Parameters
    ----------
    canvas : (H, W) int32
        Zeros to begin with; changed in place. May be a memory map.
    tiles : sequence of TileWindow
        The tiles that will be painted; tiles without tissue are left out.

    Examples
    --------
    >>> from pathexplain.slides import tile_grid
    >>> tiles = tile_grid((40, 80), core_px=40, halo_px=10)
    >>> truth = np.zeros((40, 80), np.int32)
    >>> truth[10:20, 35:48] = 1
    >>> painter = InstancePainter(np.zeros((40, 80), np.int32), tiles=tiles)
    >>> for tile in tiles:
    ...     painter.paint(tile, truth[:, tile.x0 : tile.x0 + tile.width].copy())
    >>> int((painter.canvas > 0).sum()), painter.merged_labels()
    (130, array([0, 1], dtype=int32))
    """

    def __init__(self, canvas: NDArray[np.int32], *, tiles: Sequence[TileWindow]) -> None:
        self.canvas = canvas
        self._tiles = {(tile.core_y0, tile.core_x0): tile for tile in tiles}
        self._core_y0 = np.unique([tile.core_y0 for tile in tiles])
        self._core_x0 = np.unique([tile.core_x0 for tile in tiles])
        self._n_labels = 0
        self._pieces: set[int] = set()

    @property
    def n_pieces(self) -> int:
        """Pieces of objects that no single window held whole."""
        return len(self._pieces)

    def paint(self, tile: TileWindow, objects: NDArray[np.int32]) -> None:
        """Paint what `tile` owns of its own label image `(height, width) int32`, 1..N."""
        if not objects.any():
            return
        whole, piece = self._classify(tile, objects)
        top, left = tile.y0, tile.x0
        window = self.canvas[top : top + tile.height, left : left + tile.width]
        core = (
            slice(tile.core_y0 - top, tile.core_y1 - top),
            slice(tile.core_x0 - left, tile.core_x1 - left),
        )
        self._paint_pieces(objects[core], window[core], piece)
        self._paint_whole(objects, window, whole)

    def merged_labels(self) -> NDArray[np.int32]:
        """Return the final label of every painted label, `(n + 1,) int32`.

        Pieces of one object share one label.
        """
        parent = np.arange(self._n_labels + 1, dtype=np.int32)
        for one, other in self._seam_pairs():
            root, child = sorted((_root(parent, one), _root(parent, other)))
            parent[child] = root
        return np.array([_root(parent, label) for label in range(len(parent))], np.int32)

    def _classify(
        self, tile: TileWindow, objects: NDArray[np.int32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say for every label 0..N whether the tile paints it whole, or its piece in the core."""
        found = _measure(tile, objects)
        n_objects = len(found.box)
        whole = np.zeros(n_objects + 1, bool)
        piece = np.zeros(n_objects + 1, bool)
        for index in range(n_objects):
            box = found.box[index]
            if _is_cut(box, tile, self.canvas.shape):
                piece[index + 1] = True
                continue
            owner = self._tile_at(*found.centroid[index])
            if owner is None or owner == tile:
                whole[index + 1] = True
            elif _is_cut(box, owner, self.canvas.shape):
                piece[index + 1] = True
        return whole, piece

    def _tile_at(self, y: float, x: float) -> TileWindow | None:
        """Tile whose core holds the point; None where no tissue is, so no tile."""
        row = int(np.searchsorted(self._core_y0, y, side="right")) - 1
        column = int(np.searchsorted(self._core_x0, x, side="right")) - 1
        if row < 0 or column < 0:
            return None
        tile = self._tiles.get((int(self._core_y0[row]), int(self._core_x0[column])))
        return tile if tile is not None and tile.owns(y, x) else None

    def _paint_whole(
        self, objects: NDArray[np.int32], window: NDArray[np.int32], whole: NDArray[np.bool_]
    ) -> None:
        """Paint owned objects where nothing is painted; skip what a neighbor already painted."""
        area = np.bincount(objects.ravel(), minlength=len(whole))
        taken = np.bincount(objects[window > 0], minlength=len(whole))
        keep = whole & (taken <= MAJORITY * area)
        keep[0] = False
        self._fill(objects, window, self._new_labels(keep))

    def _paint_pieces(
        self, objects: NDArray[np.int32], window: NDArray[np.int32], piece: NDArray[np.bool_]
    ) -> None:
        """Paint the core's part of large objects, under the label that covers most of it."""
        area = np.bincount(objects.ravel(), minlength=len(piece))
        keep = piece & (area > 0)
        labels = np.zeros(len(piece), np.int32)
        for label in np.flatnonzero(keep):
            under = window[objects == label]
            painted, counts = np.unique(under[under > 0], return_counts=True)
            if counts.size and counts.max() > MAJORITY * under.size:
                labels[label] = painted[np.argmax(counts)]
                keep[label] = False
        new = self._new_labels(keep)
        self._pieces.update(new[new > 0].tolist())
        self._fill(objects, window, np.where(keep, new, labels))

    def _new_labels(self, keep: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Fresh slide-wide labels for the kept labels of a tile, 0 for the others."""
        labels = np.where(keep, self._n_labels + np.cumsum(keep), 0).astype(np.int32)
        self._n_labels += int(keep.sum())
        return labels

    @staticmethod
    def _fill(
        objects: NDArray[np.int32], window: NDArray[np.int32], labels: NDArray[np.int32]
    ) -> None:
        """Write `labels` of `objects` into the background of `window`."""
        new = labels[objects]
        free = (new > 0) & (window == 0)
        window[free] = new[free]

    def _seam_pairs(self) -> Iterable[tuple[int, int]]:
        """Pairs of labels that meet along a seam and are one object."""
        if not self._pieces:
            return
        height, width = self.canvas.shape
        for tile in self._tiles.values():
            rows, columns = slice(tile.core_y0, tile.core_y1), slice(tile.core_x0, tile.core_x1)
            if tile.core_y1 < height:
                below = self.canvas[tile.core_y1, columns]
                yield from self._joined(self.canvas[tile.core_y1 - 1, columns], below)
            if tile.core_x1 < width:
                beside = self.canvas[rows, tile.core_x1]
                yield from self._joined(self.canvas[rows, tile.core_x1 - 1], beside)

    def _joined(
        self, one: NDArray[np.int32], other: NDArray[np.int32]
    ) -> Iterable[tuple[int, int]]:
        """Pairs along one seam, given the pixels on its two sides."""
        touching = (one > 0) & (other > 0) & (one != other)
        pairs, contact = np.unique(
            np.stack([one[touching], other[touching]], axis=1), axis=0, return_counts=True
        )
        for (a, b), shared in zip(pairs.tolist(), contact.tolist(), strict=True):
            shorter = min(int((one == a).sum()), int((other == b).sum()))
            if (a in self._pieces or b in self._pieces) and shared >= SEAM_SHARE * shorter:
                yield a, b


def _measure(tile: TileWindow, objects: NDArray[np.int32]) -> _Objects:
    """Boxes (y0, x0, y1, x1) and pixel-center centroids of labels 1..N, in slide pixels."""
    windows = ndimage.find_objects(objects)
    offset = np.array([tile.y0, tile.x0, tile.y0, tile.x0])
    boxes = np.array(
        [
            (0, 0, 0, 0) if w is None else (w[0].start, w[1].start, w[0].stop, w[1].stop)
            for w in windows
        ]
    )
    y, x = np.nonzero(objects)
    owner = objects[y, x]
    area = np.maximum(np.bincount(owner, minlength=len(boxes) + 1), 1)[1:]
    center_y = np.bincount(owner, weights=y, minlength=len(boxes) + 1)[1:] / area
    center_x = np.bincount(owner, weights=x, minlength=len(boxes) + 1)[1:] / area
    centroid = np.stack([center_y + tile.y0 + 0.5, center_x + tile.x0 + 0.5], axis=1)
    return _Objects(boxes + offset, centroid)


def _is_cut(box: NDArray[np.int64], tile: TileWindow, shape: tuple[int, ...]) -> bool:
    """Whether the box reaches a side of the tile's window that is not a side of the slide."""
    y0, x0, y1, x1 = box
    bottom, right = tile.y0 + tile.height, tile.x0 + tile.width
    return bool(
        (y0 <= tile.y0 and tile.y0 > 0)
        or (x0 <= tile.x0 and tile.x0 > 0)
        or (y1 >= bottom and bottom < shape[0])
        or (x1 >= right and right < shape[1])
    )


def _root(parent: NDArray[np.int32], label: int) -> int:
    """Find the representative of a label, shortening the path on the way."""
    while parent[label] != label:
        parent[label] = parent[parent[label]]
        label = int(parent[label])
    return label
