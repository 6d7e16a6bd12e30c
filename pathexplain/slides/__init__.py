"""Pixels with a physical scale: slides of every format, tissue masks and tile grids."""

from __future__ import annotations

from pathexplain.slides.grid import TileWindow, tile_grid
from pathexplain.slides.opening import SLIDE_SUFFIXES, is_slide, open_slide, slide_name
from pathexplain.slides.pyramid import ArraySlide, Slide, working_shape

__all__ = [
    "SLIDE_SUFFIXES",
    "ArraySlide",
    "Slide",
    "TileWindow",
    "is_slide",
    "open_slide",
    "slide_name",
    "tile_grid",
    "working_shape",
]
