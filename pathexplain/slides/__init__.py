"""Pixels with a physical scale: slides of every format, tissue masks, tile grids and stains."""

from __future__ import annotations

from pathexplain.slides.dicom import one_file_a_slide
from pathexplain.slides.grid import TileWindow, tile_grid
from pathexplain.slides.opening import SLIDE_SUFFIXES, is_slide, open_slide, slide_name
from pathexplain.slides.pyramid import ArraySlide, Slide, working_shape
from pathexplain.slides.stain_fitting import estimate_macenko, slide_stains
from pathexplain.slides.stains import H_DAB, H_E_DAB, RUIFROK, StainVectors, unmix
from pathexplain.slides.tissue import Tissue, find_tissue

__all__ = [
    "H_DAB",
    "H_E_DAB",
    "RUIFROK",
    "SLIDE_SUFFIXES",
    "ArraySlide",
    "Slide",
    "StainVectors",
    "TileWindow",
    "Tissue",
    "estimate_macenko",
    "find_tissue",
    "is_slide",
    "one_file_a_slide",
    "open_slide",
    "slide_name",
    "slide_stains",
    "tile_grid",
    "unmix",
    "working_shape",
]
