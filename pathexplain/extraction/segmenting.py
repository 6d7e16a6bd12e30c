"""The tiles of a slide through the segmentor onto its canvas, and what they say of each prompt.

Not for what happens to a tile's masks: see `canvas`. The order of work is that of `pipeline`.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pathexplain.extraction.pipeline import run_tiles
from pathexplain.extraction.quality import FOCUS_PX, focus_of
from pathexplain.segmentor.backends import Parallel, SlideSegmentor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from pathexplain.extraction.canvas import SlideCanvas
    from pathexplain.prompts import Prompt
    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import Slide, TileWindow, Tissue

__all__ = ["Progress", "Seen", "segment_tiles"]

FOCUS_TISSUE = 0.5
"""Share of the square where focus is measured that must be tissue: glass is always out of focus."""


class Progress(Protocol):
    """Called after every tile, so that a caller can show how far a slide is."""

    def __call__(self, slide_id: str, done_tiles: int, total_tiles: int) -> None:
        """Say that `done_tiles` of `total_tiles` tiles with tissue are done."""
        ...


class Seen:
    """Highest presence of each prompt over the tiles, whether any tile has it, focus of tissue.

    Parameters
    ----------
    prompts : sequence of Prompt
    tissue : Tissue
    mpp : float
        Working resolution.
    """

    def __init__(self, prompts: Sequence[Prompt], tissue: Tissue, mpp: float) -> None:
        self.presence = np.full(len(prompts), math.nan)
        self.is_present = np.zeros(len(prompts), bool)
        self.focus: list[float] = []
        self._tissue, self._mpp = tissue, mpp

    def add(self, tile: TileWindow, pixels: NDArray[np.uint8], segmentation: Segmentation) -> None:
        """Take over what one tile says."""
        if self._shows_tissue(tile):
            self.focus.append(focus_of(pixels))
        self.presence = np.fmax(self.presence, segmentation.presence)
        self.is_present |= segmentation.is_present

    def _shows_tissue(self, tile: TileWindow) -> bool:
        """Whether most of the square where focus is measured is tissue."""
        height, width = min(tile.height, FOCUS_PX), min(tile.width, FOCUS_PX)
        top, left = tile.y0 + (tile.height - height) // 2, tile.x0 + (tile.width - width) // 2
        box = (top, left, top + height, left + width)
        return self._tissue.covers(*(edge * self._mpp for edge in box)) >= FOCUS_TISSUE


def segment_tiles(
    slide: Slide,
    canvas: SlideCanvas,
    tiles: Sequence[TileWindow],
    segmentor: Segmentor | SlideSegmentor,
    *,
    seen: Seen,
    progress: Progress | None,
) -> dict[str, float]:
    """Segment and paint every tile; return where the time went, as `run_tiles` does."""
    # Objects cut by a window would be dropped too early: least areas apply to the whole slide.
    prompts: tuple[Prompt, ...] = tuple(replace(item, min_area_um2=0.0) for item in canvas.prompts)
    mpp = canvas.mpp

    def read(tile: TileWindow) -> NDArray[np.uint8]:
        return slide.read(tile.y0 * mpp, tile.x0 * mpp, tile.height, tile.width, mpp)

    def segment(tile: TileWindow, pixels: NDArray[np.uint8]) -> Segmentation:
        return _segment(segmentor, pixels, prompts, tile, mpp)

    def take(tile: TileWindow, pixels: NDArray[np.uint8], found: Segmentation) -> None:
        seen.add(tile, pixels, found)
        canvas.paint(tile, pixels, found)

    def done(n_tiles: int) -> None:
        if progress is not None:
            progress(slide.slide_id, n_tiles, len(tiles))

    several: AbstractContextManager[int] = nullcontext(1)
    if isinstance(segmentor, Parallel):
        several = segmentor.lanes()
    with several as lanes:
        return run_tiles(tiles, read=read, segment=segment, take=take, done=done, lanes=lanes)


def _segment(
    segmentor: Segmentor | SlideSegmentor,
    pixels: NDArray[np.uint8],
    prompts: tuple[Prompt, ...],
    tile: TileWindow,
    mpp: float,
) -> Segmentation:
    """Segment one tile, saying where it is to a segmentor that is bound to the slide."""
    if isinstance(segmentor, SlideSegmentor):
        origin_um = (tile.y0 * mpp, tile.x0 * mpp)
        return segmentor.segment(pixels, prompts, mpp=mpp, origin_um=origin_um)
    return segmentor.segment(pixels, prompts, mpp=mpp)
