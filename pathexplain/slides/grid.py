"""Cut a plane of pixels into tiles that own a core and look at a halo around it.

Not for reading pixels, and not for deciding which tiles hold tissue: see `tissue`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pathexplain.errors import ConfigError

__all__ = ["TileWindow", "tile_grid"]


@dataclass(frozen=True)
class TileWindow:
    """One tile: the window that is read, and the core inside it that the tile owns.

    `y0, x0, height, width` is the window with its halo, clipped to the plane; `core_*` are
    absolute pixels of the same plane, half-open. Cores of one grid cover the plane exactly once.
    """

    y0: int
    x0: int
    height: int
    width: int
    core_y0: int
    core_x0: int
    core_y1: int
    core_x1: int

    def owns(self, y: float, x: float) -> bool:
        """Whether the point `(y, x)`, in absolute pixels, lies in the core.

        Examples
        --------
        >>> tile_grid((100, 100), core_px=60, halo_px=8)[0].owns(59.5, 3.0)
        True
        """
        return self.core_y0 <= y < self.core_y1 and self.core_x0 <= x < self.core_x1


def tile_grid(shape_px: tuple[int, int], *, core_px: int, halo_px: int) -> tuple[TileWindow, ...]:
    """List the tiles of a plane, row by row.

    Parameters
    ----------
    shape_px : (H, W)
        Size of the plane at the working resolution, pixels, > 0.
    core_px : int
        Side of the square core of a tile, pixels, > 0. Cores at the lower and right edge are cut.
    halo_px : int
        Width of the margin read around the core, pixels, >= 0. It ends at the edge of the plane.

    Returns
    -------
    tuple of TileWindow
        ``ceil(H / core_px) * ceil(W / core_px)`` tiles.

    Raises
    ------
    ConfigError
        If a size is out of range.

    Examples
    --------
    >>> tiles = tile_grid((100, 250), core_px=100, halo_px=16)
    >>> len(tiles), tiles[1].x0, tiles[1].width, (tiles[1].core_x0, tiles[1].core_x1)
    (3, 84, 132, (100, 200))
    """
    height, width = (int(side) for side in shape_px)
    if min(height, width, core_px) < 1 or halo_px < 0:
        message = (
            f"tile grid: shape {(height, width)}, core_px {core_px}, halo_px {halo_px}; "
            "shape and core_px must be at least 1 and halo_px at least 0"
        )
        raise ConfigError(message)
    return tuple(
        _window(y, x, (height, width), core_px=core_px, halo_px=halo_px)
        for y in range(0, height, core_px)
        for x in range(0, width, core_px)
    )


def _window(y: int, x: int, shape_px: tuple[int, int], *, core_px: int, halo_px: int) -> TileWindow:
    """Build the tile whose core starts at `(y, x)`."""
    height, width = shape_px
    core_y1, core_x1 = min(y + core_px, height), min(x + core_px, width)
    y0, x0 = max(y - halo_px, 0), max(x - halo_px, 0)
    return TileWindow(
        y0=y0,
        x0=x0,
        height=min(core_y1 + halo_px, height) - y0,
        width=min(core_x1 + halo_px, width) - x0,
        core_y0=y,
        core_x0=x,
        core_y1=core_y1,
        core_x1=core_x1,
    )
