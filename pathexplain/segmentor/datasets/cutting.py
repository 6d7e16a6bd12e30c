"""Which windows a large picture is cut into.

The rule is that of PathSeg (Chen et al. 2025, arXiv 2506.20988): a picture is cut only when a side
exceeds 1500 px; windows are 1024 px, k = ceil(D / 1024) along a side of D px, and overlap evenly by
(1024 k - D) / (k - 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LARGEST_UNCUT_PX", "WINDOW_PX", "Window", "windows"]

WINDOW_PX = 1024
LARGEST_UNCUT_PX = 1500


@dataclass(frozen=True)
class Window:
    """A window of a picture: its place in the grid, and its pixels."""

    row: int
    column: int
    y_px: slice
    x_px: slice


def windows(shape: tuple[int, int]) -> tuple[Window, ...]:
    """Windows of a picture of `shape` (H, W) px, row by row; one window when it is not large.

    Examples
    --------
    >>> len(windows((1500, 1500))), len(windows((1000, 2000)))
    (1, 2)
    >>> [(w.x_px.start, w.x_px.stop) for w in windows((1000, 2500))]
    [(0, 1024), (738, 1762), (1476, 2500)]
    """
    if max(shape) <= LARGEST_UNCUT_PX:
        return (Window(0, 0, slice(0, shape[0]), slice(0, shape[1])),)
    return tuple(
        Window(row, column, y_px, x_px)
        for row, y_px in enumerate(_along(shape[0]))
        for column, x_px in enumerate(_along(shape[1]))
    )


def _along(side_px: int) -> Iterator[slice]:
    """Windows along one side."""
    n_windows = math.ceil(side_px / WINDOW_PX)
    if n_windows == 1:
        yield slice(0, side_px)
        return
    for index in range(n_windows):
        start = round(index * (side_px - WINDOW_PX) / (n_windows - 1))
        yield slice(start, start + WINDOW_PX)
