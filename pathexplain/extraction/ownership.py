"""Objects across tiles: which tile paints an object, and which pieces are one object.

An object that lies whole in the window of the tile whose core holds its centroid is painted whole
by that tile, and can be measured there. A larger one is painted piece by piece, each tile its core,
and the pieces that meet along a seam become one object. Either way an object is counted once and
measured whole. Regions, and objects that have numbers: see `region_painting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pathexplain.extraction.label_book import LabelBook
from pathexplain.extraction.painting import count_taken, fill_free, keep_painted
from pathexplain.features.objects import view_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.extraction.plane import SparsePlane
    from pathexplain.features.objects import ObjectView
    from pathexplain.slides import TileWindow

__all__ = ["InstancePainter", "Owned", "core_of"]

# A piece belongs to what is already painted where that covers more than half of it.
MAJORITY = 0.5
# Two pieces are one object where they share half of the shorter one's contact with the seam,
# or more.
SEAM_SHARE = 0.5


class Owned(NamedTuple):
    """What a tile may measure at once: a label image of its window, and whose labels those are.

    `ids` (m,) are numbers in `window` (h, w) int32, `labels` (m,) int32 the painted ones. Further
    numbers in the window are other objects.
    """

    window: NDArray[np.int32]
    ids: NDArray[np.int64]
    labels: NDArray[np.int32]


class InstancePainter:
    """Paints the instances of one prompt, tile by tile.

    Parameters
    ----------
    plane : SparsePlane
        Labels of the slide, zeros to begin with.
    tiles : sequence of TileWindow
        The tiles that will be painted; tiles without tissue are left out.
    least_px : float
        Objects of fewer pixels are painted but not handed out for measuring.
    margin_px : int
        An object closer than this to the end of a window counts as cut, so that what is measured
        around objects is there.
    """

    def __init__(
        self,
        plane: SparsePlane,
        *,
        tiles: Sequence[TileWindow],
        least_px: float = 0.0,
        margin_px: int = 0,
    ) -> None:
        self.book = LabelBook()
        self._plane = plane
        self._least_px = least_px
        self._margin_px = margin_px
        self._tiles = {(tile.core_y0, tile.core_x0): tile for tile in tiles}
        self._core_y0 = np.unique([tile.core_y0 for tile in tiles])
        self._core_x0 = np.unique([tile.core_x0 for tile in tiles])
        self._pieces: set[int] = set()
        self._with_pieces: list[TileWindow] = []

    @property
    def n_pieces(self) -> int:
        """Pieces of objects that no single window held whole."""
        return len(self._pieces)

    def paint(self, tile: TileWindow, objects: NDArray[np.int32]) -> Owned | None:
        """Paint what `tile` owns of its own label image `(height, width) int32`, 1..N."""
        view = view_objects(objects, mpp=1.0)
        if not view.n:
            return None
        whole, piece = self._classify(tile, view)
        y1, x1 = tile.y0 + tile.height, tile.x0 + tile.width
        window = self._plane.read(tile.y0, tile.x0, y1, x1)
        if piece.any():
            self._paint_pieces(tile, view, window, piece)
        labels = self._paint_whole(tile, view, window, whole)
        self._plane.write(tile.y0, tile.x0, window)
        return self._owned(tile, view, window, labels)

    def finish(self) -> None:
        """Join the pieces that meet along seams; every tile is painted."""
        height, width = self._plane.shape
        for tile in self._with_pieces:
            y0, x0, y1, x1 = tile.core_y0, tile.core_x0, tile.core_y1, tile.core_x1
            for seam in (y0, y1):
                if 0 < seam < height:
                    strip = self._plane.read(seam - 1, x0, seam + 1, x1)
                    self._join(strip[0], strip[1])
            for seam in (x0, x1):
                if 0 < seam < width:
                    strip = self._plane.read(y0, seam - 1, y1, seam + 1)
                    self._join(strip[:, 0], strip[:, 1])

    def _classify(
        self, tile: TileWindow, view: ObjectView
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say for every number whether the tile paints it whole, or its piece in the core."""
        box = view.box + np.array([tile.y0, tile.x0, tile.y0, tile.x0])
        center = view.centroid_px + np.array([tile.y0 + 0.5, tile.x0 + 0.5])
        is_cut = self._is_cut(box, tile)
        whole, piece = ~is_cut, is_cut.copy()
        owners = [self._tile_at(y, x) for y, x in center]
        for index, owner in enumerate(owners):
            if owner is None or owner == tile or is_cut[index]:
                continue
            whole[index] = False
            piece[index] = self._is_cut(box[index : index + 1], owner)[0]
        size = int(view.target[-1]) + 1
        flags = np.zeros((2, size), bool)
        flags[0, view.target], flags[1, view.target] = whole, piece
        return flags[0], flags[1]

    def _is_cut(self, box: NDArray[np.int64], tile: TileWindow) -> NDArray[np.bool_]:
        """Whether boxes reach a side of the tile's window that is not a side of the slide."""
        bottom, right = tile.y0 + tile.height, tile.x0 + tile.width
        margin = self._margin_px
        return np.asarray(
            ((box[:, 0] <= tile.y0 + margin) & (tile.y0 > 0))
            | ((box[:, 1] <= tile.x0 + margin) & (tile.x0 > 0))
            | ((box[:, 2] >= bottom - margin) & (bottom < self._plane.shape[0]))
            | ((box[:, 3] >= right - margin) & (right < self._plane.shape[1]))
        )

    def _tile_at(self, y: float, x: float) -> TileWindow | None:
        """Tile whose core holds the point; None where no tissue is, so no tile."""
        row = int(np.searchsorted(self._core_y0, y, side="right")) - 1
        column = int(np.searchsorted(self._core_x0, x, side="right")) - 1
        if row < 0 or column < 0:
            return None
        tile = self._tiles.get((int(self._core_y0[row]), int(self._core_x0[column])))
        return tile if tile is not None and tile.owns(y, x) else None

    def _paint_whole(
        self,
        tile: TileWindow,
        view: ObjectView,
        window: NDArray[np.int32],
        whole: NDArray[np.bool_],
    ) -> NDArray[np.int32]:
        """Paint owned objects where nothing is painted; skip what a neighbor already painted."""
        taken = count_taken(view.labels, window, len(whole))[view.target]
        keep = whole[view.target] & (taken <= MAJORITY * view.area_px)
        labels = np.zeros(len(whole), np.int32)
        offset = np.array([tile.y0, tile.x0, tile.y0, tile.x0])
        labels[view.target[keep]] = self.book.add(
            (view.area_px - taken)[keep], view.box[keep] + offset
        )
        fill_free(view.labels, window, labels)
        return labels

    def _paint_pieces(
        self,
        tile: TileWindow,
        view: ObjectView,
        window: NDArray[np.int32],
        piece: NDArray[np.bool_],
    ) -> None:
        """Paint the core's part of large objects, under the label that covers most of it."""
        core = core_of(tile)
        objects, under = view.labels[core], window[core]
        parts = view_objects(np.where(piece[objects], objects, 0), mpp=1.0)
        labels = np.zeros(len(piece), np.int32)
        offset = np.array([tile.core_y0, tile.core_x0, tile.core_y0, tile.core_x0])
        for number, area, box in zip(parts.label, parts.area_px, parts.box, strict=True):
            inside = (slice(box[0], box[2]), slice(box[1], box[3]))
            painted = under[inside][objects[inside] == number]
            found, counts = np.unique(painted[painted > 0], return_counts=True)
            n_free = int(area - counts.sum())
            if counts.size and counts.max() > MAJORITY * area:
                labels[number] = found[np.argmax(counts)]
                if n_free:
                    self.book.extend(int(labels[number]), n_free, box + offset)
            else:
                labels[number] = self.book.add([n_free], [box + offset])[0]
                self._pieces.add(int(labels[number]))
        fill_free(np.ascontiguousarray(objects), under, labels)
        if parts.n:
            self._with_pieces.append(tile)

    def _owned(
        self,
        tile: TileWindow,
        view: ObjectView,
        window: NDArray[np.int32],
        labels: NDArray[np.int32],
    ) -> Owned | None:
        """Label image for measuring: what the tile painted whole, and others around it."""
        box = view.box + np.array([tile.y0, tile.x0, tile.y0, tile.x0])
        small = np.zeros(len(labels), bool)
        small[view.target] = (view.area_px < self._least_px) & ~self._is_cut(box, tile)
        ids = np.flatnonzero((labels > 0) & ~small)
        if not ids.size:
            return None
        return Owned(keep_painted(view.labels, window, labels, small), ids, labels[ids])

    def _join(self, one: NDArray[np.int32], other: NDArray[np.int32]) -> None:
        """Join labels along one seam, given the pixels on its two sides."""
        touching = (one > 0) & (other > 0) & (one != other)
        pairs, contact = np.unique(
            np.stack([one[touching], other[touching]], axis=1), axis=0, return_counts=True
        )
        for (a, b), shared in zip(pairs.tolist(), contact.tolist(), strict=True):
            shorter = min(int((one == a).sum()), int((other == b).sum()))
            if (a in self._pieces or b in self._pieces) and shared >= SEAM_SHARE * shorter:
                self.book.join(a, b)


def core_of(tile: TileWindow) -> tuple[slice, slice]:
    """Slices of a tile's core in its window."""
    return (
        slice(tile.core_y0 - tile.y0, tile.core_y1 - tile.y0),
        slice(tile.core_x0 - tile.x0, tile.core_x1 - tile.x0),
    )
