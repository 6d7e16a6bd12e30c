"""Pixels with a physical scale: slides of every format, tissue masks and tile grids."""

from __future__ import annotations

from pathexplain.slides.grid import TileWindow, tile_grid
from pathexplain.slides.pyramid import ArraySlide, Slide, working_shape

__all__ = ["ArraySlide", "Slide", "TileWindow", "tile_grid", "working_shape"]
