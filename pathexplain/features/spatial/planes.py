"""Label images read window by window: points in objects, shares inside, contact, components.

Every function reads a plane in blocks or strips of bounded size, whatever the slide's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pathexplain.features.slide_objects import LabelPlane

__all__ = ["Components", "Contacts", "components", "contacts", "labels_at", "windows"]

_CROFTON = np.pi / 8
_SLANT = 1 / np.sqrt(2)
BLOCK_PX = 2048
STRIP_PX = 2**23


@dataclass(frozen=True)
class Contacts:
    """How each object of one prompt lies to the mask of another, in pixels.

    `overlap_px` (n,) int64: pixels under the other mask; `contact_px` and `outline_px` (n,)
    float64: length of the outline with the other mask on its far side, and of all of it, by
    Crofton's formula in four directions. The edge of the image is no outline.
    """

    overlap_px: NDArray[np.int64]
    contact_px: NDArray[np.float64]
    outline_px: NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Parts of a mask, 8-connected.

    `area_px` (c,) int64; `centroid_px` (c, 2) float64, (y, x) of pixel centers; `boundary_px`,
    length between mask and background by Crofton's formula in four directions.
    """

    area_px: NDArray[np.int64]
    centroid_px: NDArray[np.float64]
    boundary_px: float


def windows(shape: tuple[int, ...], *, side: int = BLOCK_PX) -> Iterator[tuple[slice, slice]]:
    """Blocks that cover an image, row by row.

    Examples
    --------
    >>> len(list(windows((100, 250), side=100)))
    3
    """
    for y in range(0, shape[0], side):
        for x in range(0, shape[1], side):
            yield slice(y, min(y + side, shape[0])), slice(x, min(x + side, shape[1]))


def labels_at(plane: LabelPlane, points_px: NDArray[np.float64]) -> NDArray[np.int64]:
    """Label under each point.

    Parameters
    ----------
    plane : LabelPlane
    points_px : (n, 2) float64
        (y, x) from the top left corner, in pixels.

    Returns
    -------
    (n,) int64
        0 on background and outside the image.

    Examples
    --------
    >>> plane = np.array([[0, 7], [3, 0]])
    >>> labels_at(plane, np.array([[0.5, 1.5], [1.9, 0.0], [5.0, 0.0]])).tolist()
    [7, 3, 0]
    """
    place = np.floor(points_px).astype(np.int64)
    found = np.zeros(len(place), np.int64)
    known = np.flatnonzero(((place >= 0) & (place < plane.shape[:2])).all(axis=1))
    if isinstance(plane, np.ndarray):
        found[known] = plane[place[known, 0], place[known, 1]]
        return found
    n_columns = -(-plane.shape[1] // BLOCK_PX)
    block = place[known] // BLOCK_PX
    key = block[:, 0] * n_columns + block[:, 1]
    order = np.argsort(key, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        if len(part):
            rows, columns = place[known[part]].T
            low, left = int(rows.min()), int(columns.min())
            window = plane[low : int(rows.max()) + 1, left : int(columns.max()) + 1]
            found[known[part]] = np.asarray(window)[rows - low, columns - left]
    return found


def contacts(plane: LabelPlane, other: LabelPlane, label: NDArray[np.int64]) -> Contacts:
    """Measure overlap and contact of every object with the mask of another prompt.

    Parameters
    ----------
    plane, other : LabelPlane
        Of one shape.
    label : (n,) int64
        Ids in `plane`, ascending; other ids are left out.

    Examples
    --------
    >>> cells = np.array([[1, 1, 0, 2]])
    >>> found = contacts(cells, np.array([[0, 9, 9, 0]]), np.array([1, 2]))
    >>> found.overlap_px.tolist(), (found.contact_px / found.outline_px).tolist()
    ([1, 0], [1.0, 1.0])
    """
    index = np.full(int(label.max(initial=0)) + 1, -1, np.int64)
    index[label] = np.arange(len(label))
    counts = np.zeros((len(label), 5), np.int64)
    for rows, columns in windows(plane.shape):
        top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
        wide = slice(top, rows.stop + 1), slice(left, columns.stop + 1)
        here = np.ascontiguousarray(plane[wide], dtype=np.int64)
        if not here.any():
            continue
        beside = np.ascontiguousarray(np.asarray(other[wide]) > 0)
        core = (rows.start - top, rows.stop - top, columns.start - left, columns.stop - left)
        _contacts(here, beside, index, counts, *core)
    overlap, straight, straight_all, slanted, slanted_all = counts.T
    return Contacts(
        overlap,
        _CROFTON * (straight + slanted * _SLANT),
        _CROFTON * (straight_all + slanted_all * _SLANT),
    )


def components(plane: LabelPlane) -> Components:
    """Find the 8-connected parts of all that is not background, strip by strip.

    Examples
    --------
    >>> found = components(np.array([[1, 0, 0, 5], [0, 2, 0, 5]]))
    >>> found.area_px.tolist(), found.centroid_px.tolist()
    ([2, 2], [[0.5, 0.5], [0.5, 3.0]])
    """
    height, width = plane.shape[:2]
    rows = max(16, min(1024, STRIP_PX // max(width, 1)))
    parent = np.zeros(0, np.int64)
    sums = np.zeros((0, 3), np.float64)
    above = np.zeros((0, width), bool)
    before = np.full(width, -1, np.int64)
    n_parts, crossings = 0, np.zeros(2, np.int64)
    for top in range(0, height, rows):
        strip = np.ascontiguousarray(np.asarray(plane[top : top + rows, 0:width]) > 0)
        if not (strip.any() or above.any()):  # glass, most of many slides
            above = strip[-1:]
            continue
        n_runs = int(
            np.count_nonzero(strip[:, :1]) + np.count_nonzero(strip[:, 1:] > strip[:, :-1])
        )
        room = n_parts + n_runs - len(parent)
        if room > 0:
            parent = np.concatenate([parent, np.zeros(room, np.int64)])
            sums = np.concatenate([sums, np.zeros((room, 3))])
        crossings += _crossings(np.concatenate([above, strip]), is_first=top == 0)
        n_parts = _join_runs(strip, top, before, parent, sums, n_parts)
        above = strip[-1:]
    root = _roots(parent[:n_parts])
    parts, where = np.unique(root, return_inverse=True)
    total = np.stack([np.bincount(where, weights=sums[:n_parts, k], minlength=len(parts))
                      for k in range(3)], axis=1) if n_parts else np.zeros((0, 3))  # fmt: skip
    area = np.rint(total[:, 0]).astype(np.int64)
    boundary = _CROFTON * (float(crossings[0]) + float(crossings[1]) * _SLANT)
    return Components(area, total[:, 1:] / np.maximum(area, 1)[:, None], boundary)


def _crossings(strip: NDArray[np.bool_], *, is_first: bool) -> NDArray[np.int64]:
    """Count changes along rows and columns, and along both diagonals, each once."""
    rows = strip if is_first else strip[1:]
    straight = np.count_nonzero(rows[:, 1:] != rows[:, :-1])
    straight += np.count_nonzero(strip[1:] != strip[:-1])
    slanted = np.count_nonzero(strip[1:, 1:] != strip[:-1, :-1])
    slanted += np.count_nonzero(strip[1:, :-1] != strip[:-1, 1:])
    return np.array([straight, slanted], np.int64)


@numba.njit(nogil=True, cache=True)
def _contacts(
    here: Any, beside: Any, index: Any, counts: Any, y0: int, y1: int, x0: int, x1: int
) -> None:
    """Add the counts of the core of a window."""
    height, width = here.shape
    for y in range(y0, y1):
        for x in range(x0, x1):
            label = here[y, x]
            if label <= 0 or label >= index.size or index[label] < 0:
                continue
            i = index[label]
            if beside[y, x]:
                counts[i, 0] += 1
            for k in range(9):
                v, u = y + k // 3 - 1, x + k % 3 - 1
                if 0 <= v < height and 0 <= u < width and here[v, u] != label:
                    kind = 1 if v == y or u == x else 3
                    counts[i, kind + 1] += 1
                    if beside[v, u]:
                        counts[i, kind] += 1


@numba.njit(nogil=True, cache=True)
def _root(parent: Any, i: int) -> int:
    """Find the part that stands for `i`."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(nogil=True, cache=True)
def _roots(parent: Any) -> Any:
    """Find the part that stands for each."""
    found = np.empty(parent.size, np.int64)
    for i in range(parent.size):
        found[i] = _root(parent, i)
    return found


@numba.njit(nogil=True, cache=True)
def _above(before: Any, parent: Any, start: int, stop: int) -> int:
    """Join all parts of the row above that a run touches; return that part, or -1."""
    part = -1
    for u in range(max(start - 1, 0), min(stop + 1, before.size)):
        if before[u] >= 0:
            other = _root(parent, before[u])
            if part >= 0 and other != part:
                parent[max(part, other)] = min(part, other)
                other = min(part, other)
            part = other
    return part


@numba.njit(nogil=True, cache=True)
def _join_runs(strip: Any, top: int, before: Any, parent: Any, sums: Any, n_parts: int) -> int:
    """Give every run of a strip a part, joined with the runs above that it touches."""
    height, width = strip.shape
    current = np.empty(width, np.int64)
    for y in range(height):
        current[:] = -1
        x = 0
        while x < width:
            start = x
            while x < width and strip[y, x]:
                x += 1
            if x == start:
                x += 1
                continue
            part = _above(before, parent, start, x)
            if part < 0:
                part = n_parts
                parent[part] = part
                n_parts += 1
            n = x - start
            sums[part, 0] += n
            sums[part, 1] += n * (top + y)
            sums[part, 2] += n * (start + x - 1) * 0.5
            current[start:x] = part
        before[:] = current
    return n_parts
