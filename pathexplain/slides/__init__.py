"""Pixels with a physical scale: slides of every format, tissue masks and tile grids."""

from __future__ import annotations

from pathexplain.slides.grid import TileWindow, tile_grid
from pathexplain.slides.opening import SLIDE_SUFFIXES, is_slide, open_slide, slide_name
from pathexplain.slides.pyramid import ArraySlide, Slide, working_shape
from pathexplain.slides.tissue import Tissue, find_tissue

__all__ = [
    "SLIDE_SUFFIXES",
    "ArraySlide",
    "Slide",
    "TileWindow",
    "Tissue",
    "find_tissue",
    "is_slide",
    "open_slide",
    "slide_name",
    "tile_grid",
    "working_shape",
]
