"""What is known of every painted label of one prompt: its area, its box, and what it is part of.

Not for pixels: painters (`ownership`) and the measuring of joined objects (`joined`) keep these
books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Groups", "LabelBook"]


class Groups(NamedTuple):
    """Objects that painted labels make up; each array has one entry a label, index 0 unused.

    `root` is the smallest label of the object; `area_px`, `box` (y0, x0, y1, x1) and `is_single`
    are of the object and stand at its root.
    """

    root: NDArray[np.int32]
    area_px: NDArray[np.int64]
    box: NDArray[np.int64]
    is_single: NDArray[np.bool_]


class LabelBook:
    """Labels 1..n in the order they were painted.

    Examples
    --------
    >>> book = LabelBook()
    >>> book.add([4, 6], [(0, 0, 2, 2), (0, 2, 3, 4)])
    array([1, 2], dtype=int32)
    >>> book.join(2, 1)
    >>> groups = book.groups()
    >>> groups.root.tolist(), int(groups.area_px[1]), groups.box[1].tolist()
    ([0, 1, 1], 10, [0, 0, 3, 4])
    """

    def __init__(self) -> None:
        self.n = 0
        self._area = np.zeros(1024, np.int64)
        self._box = np.zeros((1024, 4), np.int64)
        self._parent: dict[int, int] = {}
        self._changed: set[int] = set()

    def add(self, area_px: object, box: object) -> NDArray[np.int32]:
        """Enter new labels with their areas `(k,)` and boxes `(k, 4)`; return the labels."""
        areas = np.asarray(area_px, np.int64)
        stop = self.n + 1 + len(areas)
        if stop > len(self._area):
            size = max(stop, 2 * len(self._area))
            self._area = np.concatenate([self._area, np.zeros(size - len(self._area), np.int64)])
            more = np.zeros((size - len(self._box), 4), np.int64)
            self._box = np.concatenate([self._box, more])
        self._area[self.n + 1 : stop] = areas
        self._box[self.n + 1 : stop] = np.asarray(box, np.int64).reshape(-1, 4)
        labels = np.arange(self.n + 1, stop, dtype=np.int32)
        self.n += len(areas)
        return labels

    def extend(self, label: int, area_px: int, box: NDArray[np.int64]) -> None:
        """Add pixels to a label; what was measured of it before no longer holds."""
        self._area[label] += area_px
        old = self._box[label]
        self._box[label, :2] = np.minimum(old[:2], box[:2])
        self._box[label, 2:] = np.maximum(old[2:], box[2:])
        self._changed.add(label)

    def join(self, one: int, other: int) -> None:
        """Make two labels parts of one object."""
        low, high = sorted((self._root(one), self._root(other)))
        if low != high:
            self._parent[high] = low

    def groups(self) -> Groups:
        """Objects, now that every tile is painted."""
        n = self.n + 1
        root = np.arange(n, dtype=np.int32)
        for label in self._parent:
            root[label] = self._root(label)
        area = np.zeros(n, np.int64)
        np.add.at(area, root, self._area[:n])
        box = self._box[:n].copy()
        members = np.flatnonzero(root != np.arange(n))
        np.minimum.at(box[:, :2], root[members], self._box[members, :2])
        np.maximum.at(box[:, 2:], root[members], self._box[members, 2:])
        is_single = np.ones(n, bool)
        is_single[0] = False
        is_single[members] = False
        is_single[root[members]] = False
        is_single[list(self._changed)] = False
        return Groups(root, area, box, is_single)

    def _root(self, label: int) -> int:
        """Find the representative of a label, shortening the path on the way."""
        root = label
        while root in self._parent:
            root = self._parent[root]
        while label != root:
            self._parent[label], label = root, self._parent[label]
        return root
