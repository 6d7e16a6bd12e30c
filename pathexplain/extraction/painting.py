"""Compiled loops over the pixels of a tile's window, for painters. They let other threads run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["count_taken", "fill_free", "keep_painted"]


@numba.njit(nogil=True, cache=True)
def count_taken(
    objects: NDArray[np.int32], window: NDArray[np.int32], size: int
) -> NDArray[np.int64]:
    """Pixels of every object, 0..size - 1, on which something is painted."""
    taken = np.zeros(size, np.int64)
    for y in range(objects.shape[0]):
        for x in range(objects.shape[1]):
            if window[y, x] > 0:
                taken[objects[y, x]] += 1
    taken[0] = 0
    return taken


@numba.njit(nogil=True, cache=True)
def fill_free(
    objects: NDArray[np.int32], window: NDArray[np.int32], labels: NDArray[np.int32]
) -> None:
    """Write the labels of objects into the background of a window; label 0 writes nothing."""
    for y in range(objects.shape[0]):
        for x in range(objects.shape[1]):
            new = labels[objects[y, x]]
            if new > 0 and window[y, x] == 0:
                window[y, x] = new


@numba.njit(nogil=True, cache=True)
def keep_painted(
    objects: NDArray[np.int32],
    window: NDArray[np.int32],
    labels: NDArray[np.int32],
    left_out: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Objects as they were painted: pixels that another label has become number `len(labels)`.

    Objects without a label keep their number; those in `left_out` become background.
    """
    kept = np.zeros(objects.shape, np.int32)
    other = len(labels)
    for y in range(objects.shape[0]):
        for x in range(objects.shape[1]):
            number = objects[y, x]
            if number == 0 or left_out[number]:
                continue
            is_lost = labels[number] > 0 and window[y, x] != labels[number]
            kept[y, x] = other if is_lost else number
    return kept
