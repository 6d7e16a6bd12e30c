"""How good a slide and its masks are, as numbers for a table; nothing is left out because of them.

Focus: variance of the Laplacian (Pech-Pacheco 2000, doi:10.1109/ICPR.2000.903548) of the optical
density, tile by tile. Stains: Macenko 2009, doi:10.1109/ISBI.2009.5193250.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from pathexplain.errors import StainError
from pathexplain.slides import estimate_macenko
from pathexplain.slides.stain_fitting import sample_tissue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.extraction.closing import Coverage
    from pathexplain.extraction.spool import SpooledObjects
    from pathexplain.slides import Slide, Tissue

__all__ = ["flat", "focus_of", "merged_share", "quality_record"]

FOCUS_PX = 256
LARGE = 1.5
NOT_SOLID = 0.9
LEAST_OBJECTS = 20
CLIPPED = 255


def quality_record(
    slide: Slide,
    tissue: Tissue,
    *,
    mpp: float,
    focus: Sequence[float],
    names: Sequence[str],
    objects: Sequence[SpooledObjects],
    coverage: Coverage,
) -> dict[str, Any]:
    """Describe the quality of one slide.

    Parameters
    ----------
    slide, tissue
        The slide and where it was looked at.
    mpp : float
        Working resolution.
    focus : sequence of float
        `focus_of` every tile.
    names, objects
        The prompts and what was found of each.
    coverage : Coverage

    Returns
    -------
    dict
        `tissue_area_mm2`; `focus` and `focus_p10`, median and tenth percentile over tiles, OD²;
        `saturation`, mean HSV saturation of the tissue, and `clipped_share`, share of its pixels
        with a channel at 255, at low resolution; `stain_hematoxylin`, `stain_eosin` (optical
        density of R, G, B, unit vectors) and `stain_reason`, why there are none;
        `unclaimed_share`, share of the tissue under no prompt; `overlap`, for each pair of prompts
        the share of the first's area that is also the second's; `merged_share`, for each prompt
        (`merged_share` below). NaN where undefined.
    """
    on_tissue = tissue.thumbnail[tissue.mask]
    finite = np.asarray(focus, np.float64)[np.isfinite(np.asarray(focus, np.float64))]
    unclaimed = math.nan
    if coverage.tissue_px:
        unclaimed = 1.0 - coverage.claimed_px / coverage.tissue_px
    return {
        "tissue_area_mm2": tissue.area_mm2,
        "focus": float(np.median(finite)) if finite.size else math.nan,
        "focus_p10": float(np.quantile(finite, 0.1)) if finite.size else math.nan,
        "saturation": _saturation(on_tissue),
        "clipped_share": float((on_tissue == CLIPPED).any(axis=1).mean())
        if len(on_tissue)
        else math.nan,
        **_stains(slide, tissue, mpp),
        "unclaimed_share": unclaimed,
        "overlap": _overlap(names, coverage.shared_px),
        "merged_share": {
            name: merged_share(item) for name, item in zip(names, objects, strict=True)
        },
    }


def focus_of(pixels: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of the optical density in the middle of a tile.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        Only the middle 256 px are looked at.

    Returns
    -------
    float
        OD²; larger is sharper. It also grows with the tissue's own detail: compare like with like.

    Examples
    --------
    >>> sharp = np.random.default_rng(0).integers(100, 200, (64, 64, 3)).astype(np.uint8)
    >>> soft = ndimage.uniform_filter(sharp, (5, 5, 1))
    >>> focus_of(sharp) > 10 * focus_of(soft)
    True
    """
    height, width = pixels.shape[:2]
    top, left = max(0, (height - FOCUS_PX) // 2), max(0, (width - FOCUS_PX) // 2)
    middle = pixels[top : top + FOCUS_PX, left : left + FOCUS_PX]
    density = -np.log10((middle.mean(axis=2) + 1) / 256)
    return float(ndimage.laplace(density, mode="nearest").var())


def merged_share(objects: SpooledObjects) -> float:
    """Share of counted objects that look like several in one.

    An object counts as probably merged where it is larger than 1.5 times the median and fills less
    than 0.9 of its convex hull: two equal disks that touch fill 0.88.

    Returns
    -------
    float
        In [0, 1]; NaN for regions, for fewer than 20 objects and where shape was not measured.
    """
    needed = {"shape.area_um2", "shape.solidity"}
    if objects.kind != "instances" or not needed <= set(objects.columns):
        return math.nan
    if objects.n < LEAST_OBJECTS:
        return math.nan
    area, solidity = objects.column("shape.area_um2"), objects.column("shape.solidity")
    return float(((area > LARGE * np.median(area)) & (solidity < NOT_SOLID)).mean())


def flat(quality: Mapping[str, Any]) -> dict[str, Any]:
    """One row of `quality.csv`: nested entries under names with dots.

    Examples
    --------
    >>> flat({"focus": 0.1, "overlap": {"a": {"b": 0.5}}, "stain_eosin": [0.1, 0.9, 0.4]})
    {'focus': 0.1, 'overlap.a.b': 0.5, 'stain_eosin.r': 0.1, 'stain_eosin.g': 0.9,
     'stain_eosin.b': 0.4}
    """
    row: dict[str, Any] = {}
    for key, value in quality.items():
        inner = dict(zip("rgb", value, strict=True)) if isinstance(value, list | tuple) else value
        if isinstance(inner, dict):
            row |= {f"{key}.{name}": item for name, item in flat(inner).items()}
        else:
            row[key] = value
    return row


def _saturation(rgb: NDArray[np.uint8]) -> float:
    """Mean HSV saturation of pixels `(n, 3)`; NaN for none."""
    if not len(rgb):
        return math.nan
    most = rgb.max(axis=1).astype(np.float64)
    return float(((most - rgb.min(axis=1)) / np.maximum(most, 1)).mean())


def _stains(slide: Slide, tissue: Tissue, mpp: float) -> dict[str, Any]:
    """Stain vectors of the slide, or why there are none."""
    unknown = [math.nan] * 3
    try:
        vectors = estimate_macenko(sample_tissue(slide, tissue, mpp=mpp))
    except StainError as error:
        return {
            "stain_hematoxylin": unknown,
            "stain_eosin": unknown,
            "stain_reason": error.reason,
        }
    hematoxylin, eosin = np.asarray(vectors.matrix, np.float64)[:2].tolist()
    return {"stain_hematoxylin": hematoxylin, "stain_eosin": eosin, "stain_reason": ""}


def _overlap(names: Sequence[str], shared_px: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Share of the first prompt's pixels that are also the second's; NaN where it has none."""
    table: dict[str, dict[str, float]] = {}
    for i, one in enumerate(names):
        own = int(shared_px[i, i])
        table[one] = {
            other: float(shared_px[i, j] / own) if own else math.nan
            for j, other in enumerate(names)
            if j != i
        }
    return table
