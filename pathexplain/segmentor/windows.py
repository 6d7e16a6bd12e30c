"""Where the tiles of an image lie for a network, and how they are blended.

For images in memory; slides are cut by `slides.grid`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["OVERLAP_PX", "STRIDE_PX", "TILE_PX", "hann_weights", "tile_spans", "tile_windows"]

TILE_PX, OVERLAP_PX, STRIDE_PX = 1024, 128, 32
GRID_PX = 4
HANN_FLOOR = 0.02


def tile_spans(length: int) -> list[tuple[int, int]]:
    """Start and end of tiles along one side: alike, at most `TILE_PX`, evenly spread.

    They overlap by `OVERLAP_PX` or a little more, and begin where pixels of the masks do, if
    `length` is a multiple of `STRIDE_PX`.

    Examples
    --------
    >>> tile_spans(896), tile_spans(2016)
    ([(0, 896)], [(0, 768), (624, 1392), (1248, 2016)])
    """
    if length <= TILE_PX:
        return [(0, length)]
    n_tiles = -(-(length - OVERLAP_PX) // (TILE_PX - OVERLAP_PX))
    side = -(-(length + (n_tiles - 1) * OVERLAP_PX) // n_tiles)
    side += -side % STRIDE_PX
    step = (length - side) / (n_tiles - 1) / GRID_PX
    starts = [round(i * step) * GRID_PX for i in range(n_tiles)]
    return [(start, start + side) for start in starts]


def tile_windows(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Windows that cover an image."""
    for top, bottom in tile_spans(height):
        for left, right in tile_spans(width):
            yield slice(top, bottom), slice(left, right)


def hann_weights(height: int, width: int) -> Tensor:
    """(H, W) weights of a tile in the blend: 1 in the middle, falling to a small floor.

    Examples
    --------
    >>> weights = hann_weights(64, 64)
    >>> bool(weights.max() > 0.99), bool(weights.min() > 0)
    (True, True)
    """
    rows, columns = (
        torch.hann_window(n, periodic=False).clamp_min(HANN_FLOOR) for n in (height, width)
    )
    return rows[:, None] * columns[None, :]
