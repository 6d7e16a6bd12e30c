"""One slide from pixels to results: tissue, tiles, segmentation, masks, features, summary.

Not for files, resuming or other slides: `run` does that.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pathexplain.extraction.canvas import SlideCanvas
from pathexplain.extraction.quality import quality_record
from pathexplain.extraction.results import PromptResult, SlideResult, State
from pathexplain.extraction.roi import read_roi
from pathexplain.extraction.segmenting import Progress, Seen, segment_tiles
from pathexplain.features import FAMILIES, aggregate_slide
from pathexplain.features.registry import pixel_families
from pathexplain.features.slide_objects import SlideObjects, slide_geometry
from pathexplain.features.spatial import measure_spatial
from pathexplain.features.stain_columns import STAINS
from pathexplain.segmentor.backends import PerSlide
from pathexplain.slides import TileWindow, find_tissue, slide_stains, tile_grid, working_shape
from pathexplain.slides.stain_fitting import FIXED_STAINS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pathexplain.extraction.canvas import Layer
    from pathexplain.extraction.closing import Coverage
    from pathexplain.extraction.roi import RegionOfInterest
    from pathexplain.features.spatial import SpatialFeatures
    from pathexplain.prompts import Prompt, PromptSet
    from pathexplain.segmentor.backends import Segmentor, SlideSegmentor
    from pathexplain.slides import Slide, StainVectors, Tissue

__all__ = ["Progress", "Tiling", "extract_slide"]


_NOTHING = {
    True: "no tissue found, so no prompt was assessed",
    False: "no tissue found in the region of interest, so no prompt was assessed",
}


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
    field = _survey(slide, prompts, segmentor, tiling, roi)
    canvas = SlideCanvas(
        folder,
        shape=field.shape,
        mpp=prompts.mpp,
        prompts=prompts.prompts,
        families=prompts.features,
        stains=field.stains,
        tiles=field.active,
        numbered=() if field.bound is None else field.bound.numbered,
        roi=field.region,
    )
    seen = Seen(prompts.prompts, field.tissue, prompts.mpp)
    seconds = segment_tiles(
        slide, canvas, field.active, field.bound or segmentor, seen=seen, progress=progress
    )
    started = time.perf_counter()
    layers, coverage = canvas.finish(field.tissue, spatial=_needs_edges(prompts))
    found = tuple(
        _prompt_result(prompt, layer, seen, segmentor, index, is_assessed=bool(field.active))
        for index, (prompt, layer) in enumerate(zip(prompts.prompts, layers, strict=True))
    )
    results, spatial = _measured_together(field, prompts, found, layers)
    summary = _summary(field, prompts, results, coverage, spatial)
    result = _result(field, prompts, results, summary, coverage, seen)
    return replace(result, seconds={**seconds, "finish": time.perf_counter() - started})


@dataclass(frozen=True, eq=False)
class _Field:
    """What is looked at of a slide, and how.

    `tiles` are all of the grid, `with_tissue` those that hold any, `active` those to segment;
    `bound` is the segmentor where it is one of this slide.
    """

    slide: Slide
    tissue: Tissue
    region: RegionOfInterest | None
    shape: tuple[int, int]
    tiles: tuple[TileWindow, ...]
    with_tissue: tuple[TileWindow, ...]
    active: tuple[TileWindow, ...]
    bound: SlideSegmentor | None
    stains: StainVectors


def _survey(
    slide: Slide, prompts: PromptSet, segmentor: Segmentor, tiling: Tiling, roi: Path | None
) -> _Field:
    """Find the tissue, the tiles on it, and the stain vectors."""
    tissue = find_tissue(slide)
    region = None if roi is None else read_roi(roi, slide)
    tissue = tissue if region is None else region.within(tissue)
    shape = working_shape(slide, prompts.mpp)
    tiles = tiling.tiles(shape)
    with_tissue = tuple(tile for tile in tiles if _has_tissue(tissue, tile, prompts.mpp))
    # A segmentor that knows the slide is asked everywhere: its objects need not lie on tissue.
    bound = segmentor.for_slide(slide, prompts.prompts) if isinstance(segmentor, PerSlide) else None
    active = tiles if with_tissue and bound is not None else with_tissue
    stains = _stains(slide, tissue, prompts, is_seen=bool(active))
    return _Field(slide, tissue, region, shape, tiles, with_tissue, active, bound, stains)


def _has_tissue(tissue: Tissue, tile: TileWindow, mpp: float) -> bool:
    """Whether any tissue lies in the tile's core."""
    edges = (tile.core_y0, tile.core_x0, tile.core_y1, tile.core_x1)
    return tissue.covers(*(edge * mpp for edge in edges)) > 0


def _needs_edges(prompts: PromptSet) -> bool:
    """Whether any spatial feature is wanted."""
    families = pixel_families(prompts.features)
    return bool(prompts.within) or len(families) < len(prompts.features)


def _measured_together(
    field: _Field,
    prompts: PromptSet,
    found: tuple[PromptResult, ...],
    layers: tuple[Layer, ...],
) -> tuple[tuple[PromptResult, ...], SpatialFeatures]:
    """Add what can be measured when all objects of all prompts are known."""
    tissue = field.tissue
    spatial = measure_spatial(
        {
            item.prompt.name: _whole_slide(item, layer, prompts.mpp)
            for item, layer in zip(found, layers, strict=True)
        },
        slide_geometry(field.shape, mpp=prompts.mpp, tissue=tissue.mask, tissue_mpp=tissue.mpp),
        prompts,
    )
    return tuple(_with_spatial(item, spatial) for item in found), spatial


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


def _summary(
    field: _Field,
    prompts: PromptSet,
    results: tuple[PromptResult, ...],
    coverage: Coverage,
    spatial: SpatialFeatures,
) -> pd.DataFrame:
    """Rows of the slide."""
    summary = aggregate_slide(
        cast("Any", {item.prompt.name: item.objects for item in results}),
        states={item.prompt.name: item.state for item in results},
        tissue_area_mm2=float(field.tissue.area_mm2),
        families=prompts.features,
        kinds={prompt.name: prompt.kind for prompt in prompts.prompts},
        area_shares=_area_shares(prompts, coverage),
        spatial=spatial,
    )
    return _of_stains(summary, field.stains)


def _result(
    field: _Field,
    prompts: PromptSet,
    results: tuple[PromptResult, ...],
    summary: pd.DataFrame,
    coverage: Coverage,
    seen: Seen,
) -> SlideResult:
    """Put together what a slide yields."""
    slide, tissue = field.slide, field.tissue
    return SlideResult(
        slide_id=slide.slide_id,
        mpp=prompts.mpp,
        source_mpp=slide.mpp,
        source=dict(slide.source),
        thumbnail=tissue.thumbnail,
        thumbnail_mpp=tissue.mpp,
        tissue_area_mm2=float(tissue.area_mm2),
        prompts=results,
        summary=summary,
        stains=field.stains,
        n_tiles=len(field.tiles),
        n_tiles_tissue=len(field.with_tissue),
        reason="" if field.active else _NOTHING[field.region is None],
        quality=quality_record(
            slide,
            tissue,
            mpp=prompts.mpp,
            focus=seen.focus,
            names=prompts.names,
            objects=[item.objects for item in results],
            coverage=coverage,
        ),
    )


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
    seen: Seen,
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
