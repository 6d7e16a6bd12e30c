"""One slide from pixels to results: tissue, tiles, segmentation, masks, features, summary.

Not for files, resuming or other slides: `run` does that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pathexplain.extraction.canvas import SlideCanvas
from pathexplain.extraction.results import PromptResult, SlideResult, State
from pathexplain.features import aggregate_slide, measure_objects
from pathexplain.segmentor.backends import PerSlide, SlideSegmentor
from pathexplain.slides import TileWindow, find_tissue, tile_grid, working_shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.prompts import Prompt, PromptSet
    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import Slide, Tissue

__all__ = ["Progress", "Tiling", "extract_slide"]


class Progress(Protocol):
    """Called after every tile, so that a caller can show how far a slide is."""

    def __call__(self, slide_id: str, done_tiles: int, total_tiles: int) -> None:
        """Say that `done_tiles` of `total_tiles` tiles with tissue are done."""
        ...


@dataclass(frozen=True)
class Tiling:
    """Size of tiles, in pixels at the working resolution.

    A slide that fits in one window (core and two halos) is segmented in one piece.
    """

    core_px: int = 768
    halo_px: int = 128

    def tiles(self, shape: tuple[int, int]) -> tuple[TileWindow, ...]:
        """Tiles of a plane of `shape`.

        Examples
        --------
        >>> len(Tiling().tiles((1024, 1024))), len(Tiling().tiles((1024, 1025)))
        (1, 4)
        """
        is_one_window = max(shape) <= self.core_px + 2 * self.halo_px
        core_px = max(shape) if is_one_window else self.core_px
        return tile_grid(shape, core_px=core_px, halo_px=self.halo_px)


@dataclass(frozen=True, eq=False)
class _Assessed:
    """What was segmented: the canvas, and presence and state of training of each prompt."""

    canvas: SlideCanvas
    presence: tuple[float, ...]
    is_present: tuple[bool, ...]


def extract_slide(
    slide: Slide,
    *,
    prompts: PromptSet,
    segmentor: Segmentor,
    tiling: Tiling,
    folder: Path,
    progress: Progress | None = None,
) -> SlideResult:
    """Segment and measure one slide.

    Parameters
    ----------
    slide : Slide
    prompts : PromptSet
    segmentor : Segmentor
    tiling : Tiling
    folder : Path
        Existing folder for planes on disk; the result refers to them, so it must outlive it.
    progress : callable, optional
        ``progress(slide_id, done_tiles, total_tiles)``.

    Returns
    -------
    SlideResult

    Raises
    ------
    PathExplainError
        When the slide cannot be read, segmented or measured.
    """
    tissue = find_tissue(slide)
    shape = working_shape(slide, prompts.mpp)
    tiles = tiling.tiles(shape)
    with_tissue = [tile for tile in tiles if _has_tissue(tissue, tile, prompts.mpp)]
    # A segmentor that knows the slide is asked everywhere: its objects need not lie on tissue.
    bound = segmentor.for_slide(slide, prompts.prompts) if isinstance(segmentor, PerSlide) else None
    active = list(tiles) if with_tissue and bound is not None else with_tissue
    canvas = SlideCanvas(
        folder,
        shape=shape,
        mpp=prompts.mpp,
        prompts=prompts.prompts,
        tiles=active,
        numbered=() if bound is None else bound.numbered,
    )
    for tile in set(tiles) - set(active):
        canvas.paint_glass(tile)
    presence, is_present = _segment_tiles(slide, canvas, active, bound or segmentor, progress)
    assessed = _Assessed(canvas, presence, is_present)
    results = tuple(
        _prompt_result(index, assessed, prompts, segmentor, is_assessed=bool(active))
        for index in range(len(prompts.prompts))
    )
    area_mm2 = float(tissue.area_mm2)
    summary = aggregate_slide(
        {item.prompt.name: item.objects for item in results},
        states={item.prompt.name: item.state for item in results},
        tissue_area_mm2=area_mm2,
        families=prompts.features,
        kinds={prompt.name: prompt.kind for prompt in prompts.prompts},
        area_shares={
            item.prompt.name: tissue.covered_share(item.labels, mpp=prompts.mpp) for item in results
        },
    )
    return SlideResult(
        slide_id=slide.slide_id,
        mpp=prompts.mpp,
        source_mpp=slide.mpp,
        source=dict(slide.source),
        thumbnail=tissue.thumbnail,
        thumbnail_mpp=tissue.mpp,
        tissue_area_mm2=area_mm2,
        prompts=results,
        summary=summary,
        n_tiles=len(tiles),
        n_tiles_tissue=len(with_tissue),
        reason="" if active else "no tissue found, so no prompt was assessed",
    )


def _has_tissue(tissue: Tissue, tile: TileWindow, mpp: float) -> bool:
    """Whether any tissue lies in the tile's core."""
    edges = (tile.core_y0, tile.core_x0, tile.core_y1, tile.core_x1)
    return tissue.covers(*(edge * mpp for edge in edges)) > 0


def _segment_tiles(
    slide: Slide,
    canvas: SlideCanvas,
    tiles: Sequence[TileWindow],
    segmentor: Segmentor | SlideSegmentor,
    progress: Progress | None,
) -> tuple[tuple[float, ...], tuple[bool, ...]]:
    """Paint every tile; return the highest presence of each prompt, and whether any tile has it."""
    # Objects cut by a window would be dropped too early: least areas apply to the whole slide.
    prompts: tuple[Prompt, ...] = tuple(replace(item, min_area_um2=0.0) for item in canvas.prompts)
    presence = np.full(len(prompts), math.nan)
    is_present = np.zeros(len(prompts), bool)
    mpp = canvas.mpp
    for done, tile in enumerate(tiles, start=1):
        pixels = slide.read(tile.y0 * mpp, tile.x0 * mpp, tile.height, tile.width, mpp)
        segmentation = _segment(segmentor, pixels, prompts, tile, mpp)
        canvas.paint(tile, pixels, segmentation)
        presence = np.fmax(presence, segmentation.presence)
        is_present |= segmentation.is_present
        if progress is not None:
            progress(slide.slide_id, done, len(tiles))
    return tuple(map(float, presence)), tuple(map(bool, is_present))


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


def _prompt_result(
    index: int,
    assessed: _Assessed,
    prompts: PromptSet,
    segmentor: Segmentor,
    *,
    is_assessed: bool,
) -> PromptResult:
    """Close one prompt's labels and measure its objects."""
    prompt = prompts.prompts[index]
    canvas = assessed.canvas
    labels, n_pieces = canvas.finish(index)
    objects = measure_objects(
        labels, canvas.pixels, mpp=canvas.mpp, families=prompts.features, kind=prompt.kind
    )
    trained, nearest, _ = segmentor.describe(prompt)
    state: State = "present" if assessed.is_present[index] else "absent"
    return PromptResult(
        prompt=prompt,
        state=state if is_assessed else "not assessed",
        presence=assessed.presence[index],
        trained=trained,
        nearest=nearest,
        labels=labels,
        objects=objects,
        n_pieces=n_pieces,
    )
