"""One slide from pixels to results: tissue, tiles, segmentation, masks, features, summary.

Not for files, resuming or other slides: `run` does that.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from pathexplain.extraction.canvas import SlideCanvas
from pathexplain.extraction.pipeline import run_tiles
from pathexplain.extraction.quality import focus_of, quality_record
from pathexplain.extraction.results import PromptResult, SlideResult, State
from pathexplain.extraction.roi import read_roi
from pathexplain.features import FAMILIES, aggregate_slide
from pathexplain.features.registry import pixel_families
from pathexplain.features.slide_objects import SlideObjects, slide_geometry
from pathexplain.features.spatial import measure_spatial
from pathexplain.features.stain_columns import STAINS
from pathexplain.segmentor.backends import PerSlide, SlideSegmentor
from pathexplain.slides import TileWindow, find_tissue, slide_stains, tile_grid, working_shape
from pathexplain.slides.stain_fitting import FIXED_STAINS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from pathexplain.extraction.canvas import Layer
    from pathexplain.extraction.closing import Coverage
    from pathexplain.features.spatial import SpatialFeatures
    from pathexplain.prompts import Prompt, PromptSet
    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import Slide, StainVectors, Tissue

__all__ = ["Progress", "Tiling", "extract_slide"]


_NOTHING = {
    True: "no tissue found, so no prompt was assessed",
    False: "no tissue found in the region of interest, so no prompt was assessed",
}


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


def extract_slide(
    slide: Slide,
    *,
    prompts: PromptSet,
    segmentor: Segmentor,
    tiling: Tiling,
    folder: Path,
    progress: Progress | None = None,
    roi: Path | None = None,
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
    roi : Path, optional
        GeoJSON with the regions to look at, in pixels at full resolution. Tissue outside them
        counts as glass.

    Returns
    -------
    SlideResult

    Raises
    ------
    PathExplainError
        When the slide cannot be read, segmented or measured.
    """
    tissue = find_tissue(slide)
    region = None if roi is None else read_roi(roi, slide)
    tissue = tissue if region is None else region.within(tissue)
    shape = working_shape(slide, prompts.mpp)
    tiles = tiling.tiles(shape)
    with_tissue = [tile for tile in tiles if _has_tissue(tissue, tile, prompts.mpp)]
    # A segmentor that knows the slide is asked everywhere: its objects need not lie on tissue.
    bound = segmentor.for_slide(slide, prompts.prompts) if isinstance(segmentor, PerSlide) else None
    active = list(tiles) if with_tissue and bound is not None else with_tissue
    stains = _stains(slide, tissue, prompts, is_seen=bool(active))
    canvas = SlideCanvas(
        folder,
        shape=shape,
        mpp=prompts.mpp,
        prompts=prompts.prompts,
        families=prompts.features,
        stains=stains,
        tiles=active,
        numbered=() if bound is None else bound.numbered,
        roi=region,
    )
    seen = _Seen(prompts.prompts)
    seconds = _paint_tiles(slide, canvas, active, bound or segmentor, seen, progress)
    started = time.perf_counter()
    layers, coverage = canvas.finish(tissue, spatial=_needs_edges(prompts))
    results = tuple(
        _prompt_result(prompt, layer, seen, segmentor, index, is_assessed=bool(active))
        for index, (prompt, layer) in enumerate(zip(prompts.prompts, layers, strict=True))
    )
    spatial = measure_spatial(
        {
            item.prompt.name: _whole_slide(item, layer, prompts.mpp)
            for item, layer in zip(results, layers, strict=True)
        },
        slide_geometry(shape, mpp=prompts.mpp, tissue=tissue.mask, tissue_mpp=tissue.mpp),
        prompts,
    )
    results = tuple(_with_spatial(item, spatial) for item in results)
    area_mm2 = float(tissue.area_mm2)
    summary = aggregate_slide(
        cast("Any", {item.prompt.name: item.objects for item in results}),
        states={item.prompt.name: item.state for item in results},
        tissue_area_mm2=area_mm2,
        families=prompts.features,
        kinds={prompt.name: prompt.kind for prompt in prompts.prompts},
        area_shares=_area_shares(prompts, coverage),
        spatial=spatial,
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
        summary=_of_stains(summary, stains),
        stains=stains,
        n_tiles=len(tiles),
        n_tiles_tissue=len(with_tissue),
        reason="" if active else _NOTHING[region is None],
        quality=quality_record(
            slide,
            tissue,
            mpp=prompts.mpp,
            focus=seen.focus,
            names=prompts.names,
            objects=[item.objects for item in results],
            coverage=coverage,
        ),
        seconds={**seconds, "finish": time.perf_counter() - started},
    )


def _needs_edges(prompts: PromptSet) -> bool:
    """Whether any spatial feature is wanted."""
    families = pixel_families(prompts.features)
    return bool(prompts.within) or len(families) < len(prompts.features)


def _whole_slide(item: PromptResult, layer: Layer, mpp: float) -> SlideObjects:
    """Return the objects of a prompt as spatial features need them."""
    closed, objects = layer.closed, layer.objects
    return SlideObjects(
        name=item.prompt.name,
        kind=item.prompt.kind,
        state=item.state,
        label=objects.label,
        centroid_um=objects.centroid_um,
        area_um2=objects.area_px.astype(np.float64) * mpp**2,
        touches_border=objects.touches_border,
        boundary_um=((closed.edge_px + 0.5) * mpp).astype(np.float32),
        boundary_label=closed.edge_label - 1,
        coverage=closed.covered,
        labels=closed.labels,
    )


def _with_spatial(item: PromptResult, spatial: SpatialFeatures) -> PromptResult:
    """Add what was found when all objects were known."""
    values = spatial.values[item.prompt.name]  # noqa: PD011  # an array, not a frame
    return replace(item, objects=item.objects.with_columns(spatial.columns, values))


def _has_tissue(tissue: Tissue, tile: TileWindow, mpp: float) -> bool:
    """Whether any tissue lies in the tile's core."""
    edges = (tile.core_y0, tile.core_x0, tile.core_y1, tile.core_x1)
    return tissue.covers(*(edge * mpp for edge in edges)) > 0


def _stains(slide: Slide, tissue: Tissue, prompts: PromptSet, *, is_seen: bool) -> StainVectors:
    """Stain vectors that the slide is measured with; fixed ones where nothing is measured."""
    needs = any(FAMILIES[name].needs_pixels for name in prompts.features)
    if not (is_seen and needs):
        return FIXED_STAINS[prompts.stain.method]
    return slide_stains(slide, tissue, mpp=prompts.mpp, options=prompts.stain)


def _of_stains(summary: pd.DataFrame, stains: StainVectors) -> pd.DataFrame:
    """Leave out the rows of stains that the slide is not measured for."""
    absent = tuple(f".stain.{name}_" for name in STAINS if name not in stains.names)
    kept = [not any(part in str(name) for part in absent) for name in summary.index]
    return summary[kept]


class _Seen:
    """Highest presence of each prompt over the tiles, whether any tile has it, focus of tiles."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self.presence = np.full(len(prompts), math.nan)
        self.is_present = np.zeros(len(prompts), bool)
        self.focus: list[float] = []

    def add(self, pixels: NDArray[np.uint8], segmentation: Segmentation) -> None:
        """Take over what one tile says."""
        self.focus.append(focus_of(pixels))
        self.presence = np.fmax(self.presence, segmentation.presence)
        self.is_present |= segmentation.is_present


def _paint_tiles(
    slide: Slide,
    canvas: SlideCanvas,
    tiles: Sequence[TileWindow],
    segmentor: Segmentor | SlideSegmentor,
    seen: _Seen,
    progress: Progress | None,
) -> dict[str, float]:
    """Segment and paint every tile; return where the time went."""
    # Objects cut by a window would be dropped too early: least areas apply to the whole slide.
    prompts: tuple[Prompt, ...] = tuple(replace(item, min_area_um2=0.0) for item in canvas.prompts)
    mpp = canvas.mpp

    def read(tile: TileWindow) -> NDArray[np.uint8]:
        return slide.read(tile.y0 * mpp, tile.x0 * mpp, tile.height, tile.width, mpp)

    def segment(tile: TileWindow, pixels: NDArray[np.uint8]) -> Segmentation:
        found = _segment(segmentor, pixels, prompts, tile, mpp)
        seen.add(pixels, found)
        return found

    def done(n_tiles: int) -> None:
        if progress is not None:
            progress(slide.slide_id, n_tiles, len(tiles))

    return run_tiles(tiles, read=read, segment=segment, take=canvas.paint, done=done)


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


def _area_shares(prompts: PromptSet, coverage: Coverage) -> dict[str, float]:
    """Share of the tissue that lies under each prompt; NaN without tissue."""
    tissue_px = coverage.tissue_px
    return {
        name: float(inside / tissue_px) if tissue_px else math.nan
        for name, inside in zip(prompts.names, coverage.inside_px, strict=True)
    }


def _prompt_result(
    prompt: Prompt,
    layer: Layer,
    seen: _Seen,
    segmentor: Segmentor,
    index: int,
    *,
    is_assessed: bool,
) -> PromptResult:
    """Say what became of one prompt."""
    trained, nearest, _ = segmentor.describe(prompt)
    state: State = "present" if seen.is_present[index] else "absent"
    return PromptResult(
        prompt=prompt,
        state=state if is_assessed else "not assessed",
        presence=float(seen.presence[index]),
        trained=trained,
        nearest=nearest,
        labels=layer.closed.labels,
        objects=layer.objects,
        n_pieces=layer.n_pieces,
    )
