"""The stains of one slide: vectors estimated on its tissue, and the scale that normalizes them.

An estimate that a pathologist would not believe is a `StainError`, never a number: too little
tissue, one stain alone, colors that are no hematoxylin or eosin.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import StainError
from pathexplain.prompts.stain_options import StainOptions
from pathexplain.slides.stains import (
    H_DAB,
    H_E_DAB,
    OPTICAL_DENSITY,
    RUIFROK,
    StainVectors,
    completed,
    unmix,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.slides.pyramid import Slide
    from pathexplain.slides.tissue import Tissue

__all__ = [
    "FIXED_STAINS",
    "REFERENCE_DENSITY",
    "estimate_macenko",
    "normalized",
    "sample_tissue",
    "slide_stains",
]

LEAST_DENSITY = 0.15
"""Macenko's beta: pixels with less optical density in any channel carry no color to speak of."""
ANGLE_PERCENTILE = 1.0
"""Macenko's alpha: extremes are taken at this percentile, so that single pixels do not count."""
LEAST_PIXELS = 2000
LEAST_ANGLE_DEG = 8.0
MOST_FROM_USUAL_DEG = (20.0, 30.0)
"""Hematoxylin and eosin; up to 15 and 29 were seen on 79 public H&E fields of 12 sources."""
MOST_NEGATIVE = -0.05

USUAL = np.array([[0.62, 0.70, 0.36], [0.17, 0.85, 0.50]])
"""Hematoxylin and eosin halfway between the vectors of Ruifrok 2001 and of Macenko 2009."""

REFERENCE_DENSITY = {"hematoxylin": 0.8, "eosin": 0.5, "dab": 0.8}
"""Density that the 99th percentile of each stain has after normalization: of strong H&E."""
_STRONG_PERCENTILE = 99.0

_N_WINDOWS = 48
_WINDOW_PX = 192
FIXED_STAINS = {"ruifrok": RUIFROK, "macenko": RUIFROK, "h-dab": H_DAB, "h-e-dab": H_E_DAB}
"""Vectors of each method before any pixel is seen; the stains that a slide is measured for."""


def slide_stains(
    slide: Slide, tissue: Tissue, *, mpp: float, options: StainOptions | None = None
) -> StainVectors:
    """Find the stain vectors that a slide is measured with.

    Parameters
    ----------
    slide : Slide
    tissue : Tissue
        Where to look.
    mpp : float
        Resolution to look at, um a pixel: the one that features are measured at.
    options : StainOptions, optional
        Default: fixed vectors of Ruifrok, no normalization; no pixel is then read.

    Returns
    -------
    StainVectors
        With a `flag` where the fallback was taken.

    Raises
    ------
    StainError
        The estimate failed and no fallback was asked for; or normalization was asked for and the
        slide has too little tissue for it.
    """
    chosen = options or StainOptions()
    fixed = FIXED_STAINS[chosen.method]
    if chosen.method != "macenko" and not chosen.normalize:
        return fixed
    pixels = sample_tissue(slide, tissue, mpp=mpp)
    try:
        found = estimate_macenko(pixels) if chosen.method == "macenko" else fixed
    except StainError as error:
        if not chosen.fallback:
            message = (
                f"slide {slide.slide_id}: {error}; look at the slide, or set `fallback: ruifrok` "
                "under `stain` in the prompts file"
            )
            raise StainError(message, reason=error.reason, slide_id=slide.slide_id) from error
        found = replace(fixed, flag=f"macenko failed: {error.reason}")
    if not chosen.normalize:
        return found
    try:
        return normalized(found, pixels)
    except StainError as error:
        message = f"slide {slide.slide_id}: {error}"
        raise StainError(message, reason=error.reason, slide_id=slide.slide_id) from error


def estimate_macenko(pixels: NDArray[np.uint8]) -> StainVectors:
    """Estimate hematoxylin and eosin from the colors of a slide.

    The colors span a plane in optical density space; the two stains are the directions in it at
    the 1st and 99th percentile of angle.

    Parameters
    ----------
    pixels : (..., 3) uint8
        RGB of tissue stained with hematoxylin and eosin; glass among it is left out.

    Returns
    -------
    StainVectors
        hematoxylin, eosin, residual; unit length.

    Raises
    ------
    StainError
        Fewer than 2,000 colored pixels; vectors less than 8 degrees apart (a single stain, or
        none); a vector with a negative part (light that is not absorbed); a vector more than 20
        (hematoxylin) or 30 degrees (eosin) from the usual one, or nearer to that of the other
        stain (other stains, pen).

    References
    ----------
    Macenko 2009, doi:10.1109/ISBI.2009.5193250.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> amounts = rng.gamma(2.0, 0.25, (5000, 2)) * (rng.random((5000, 1)) < [[0.7, 0.3]])
    >>> density = amounts @ np.array([[0.62, 0.70, 0.36], [0.15, 0.88, 0.45]]) + 0.02
    >>> pixels = np.clip(256 * 10**-density - 1, 0, 255).astype(np.uint8)
    >>> round(estimate_macenko(pixels).angle_deg) > 20
    True
    """
    density = _colored(pixels)
    _, vectors = np.linalg.eigh(np.cov(density, rowvar=False))
    plane = vectors[:, :0:-1]
    plane *= np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    along = density @ plane
    angle = np.arctan2(along[:, 1], along[:, 0])
    ends = np.percentile(angle, (ANGLE_PERCENTILE, 100 - ANGLE_PERCENTILE))
    first, second = (plane @ (np.cos(end), np.sin(end)) for end in ends)
    hematoxylin, eosin = (first, second) if first[0] > second[0] else (second, first)
    _refuse_unlikely(hematoxylin, eosin)
    rows = completed(np.maximum(hematoxylin, 0.0), np.maximum(eosin, 0.0))
    return StainVectors(("hematoxylin", "eosin", "residual"), rows, method="macenko")


def normalized(stains: StainVectors, pixels: NDArray[np.uint8]) -> StainVectors:
    """Scale densities so that each stain's 99th percentile over `pixels` is `REFERENCE_DENSITY`.

    Parameters
    ----------
    stains : StainVectors
    pixels : (..., 3) uint8
        RGB of tissue.

    Returns
    -------
    StainVectors
        With a `scale`. A residual, and DAB unmixed beside eosin, take the scale of hematoxylin.

    Raises
    ------
    StainError
        Fewer than 2,000 colored pixels, or a stain that the tissue hardly has.
    """
    _colored(pixels)
    density = unmix(pixels.reshape(-1, 3), replace(stains, scale=(1.0, 1.0, 1.0)))
    strong = np.percentile(density, _STRONG_PERCENTILE, axis=0)
    scale = []
    for name, level in zip(stains.names[:2], strong[:2], strict=True):
        if level < REFERENCE_DENSITY[name] / 10:
            reason = f"hardly any {name}: its 99th percentile is {level:.3f} OD"
            message = f"stains cannot be normalized: {reason}"
            raise StainError(message, reason=reason)
        scale.append(float(REFERENCE_DENSITY[name] / level))
    return replace(stains, scale=(scale[0], scale[1], scale[0]))


def sample_tissue(slide: Slide, tissue: Tissue, *, mpp: float) -> NDArray[np.uint8]:
    """Read pixels from up to 48 windows spread evenly over the tissue; the same ones every time.

    Returns
    -------
    (N, 3) uint8
        RGB of the pixels under the tissue mask; N may be 0.
    """
    resolution = max(mpp, slide.mpp)
    rows, columns = np.nonzero(tissue.mask)
    if not rows.size:
        return np.empty((0, 3), np.uint8)
    step = np.linspace(0, rows.size - 1, min(_N_WINDOWS, rows.size)).round().astype(int)
    side_um = _WINDOW_PX * resolution
    corners = {
        (
            max(0.0, (rows[k] + 0.5) * tissue.mpp - side_um / 2) // side_um,
            max(0.0, (columns[k] + 0.5) * tissue.mpp - side_um / 2) // side_um,
        )
        for k in step
    }
    found = [
        _tissue_pixels(slide, tissue, row * side_um, column * side_um, resolution)
        for row, column in sorted(corners)
    ]
    return np.concatenate(found)


def _tissue_pixels(
    slide: Slide, tissue: Tissue, y_um: float, x_um: float, mpp: float
) -> NDArray[np.uint8]:
    """Pixels of one window that lie on tissue."""
    window = slide.read(y_um, x_um, _WINDOW_PX, _WINDOW_PX, mpp)
    steps = (np.arange(_WINDOW_PX) + 0.5) * mpp
    rows, columns = (((corner + steps) / tissue.mpp).astype(int) for corner in (y_um, x_um))
    height, width = tissue.mask.shape
    inside = (rows < height)[:, None] & (columns < width)
    mask = tissue.mask[np.minimum(rows, height - 1)[:, None], np.minimum(columns, width - 1)]
    found: NDArray[np.uint8] = window[mask & inside]
    return found


def _colored(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, 3) optical density of the pixels that have some in every channel, or StainError."""
    density = OPTICAL_DENSITY[pixels.reshape(-1, 3)]
    kept: NDArray[np.float64] = density[(density >= LEAST_DENSITY).all(axis=1)]
    if len(kept) < LEAST_PIXELS:
        reason = (
            f"too little tissue: {len(kept)} of {len(density)} pixels have an optical density of "
            f"{LEAST_DENSITY} in every channel, needed are {LEAST_PIXELS}"
        )
        message = f"stain vectors cannot be estimated: {reason}"
        raise StainError(message, reason=reason)
    return kept


def _angle_deg(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Angle between two vectors, degrees."""
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _refuse_unlikely(hematoxylin: NDArray[np.float64], eosin: NDArray[np.float64]) -> None:
    """Raise a StainError for vectors that are not those of hematoxylin and eosin."""
    reason = ""
    apart = _angle_deg(hematoxylin, eosin)
    straight = [_angle_deg(hematoxylin, USUAL[0]), _angle_deg(eosin, USUAL[1])]
    crossed = [_angle_deg(hematoxylin, USUAL[1]), _angle_deg(eosin, USUAL[0])]
    if min(hematoxylin.min(), eosin.min()) < MOST_NEGATIVE:
        reason = f"a vector has a negative part: {np.round([hematoxylin, eosin], 2).tolist()}"
    elif apart < LEAST_ANGLE_DEG:
        reason = f"degenerate: the two vectors are {apart:.1f} degrees apart, a single stain"
    elif sum(crossed) < sum(straight):
        reason = "wrong order: what absorbs more red is nearer to eosin than to hematoxylin"
    elif (excess := np.array(straight) - MOST_FROM_USUAL_DEG).max() > 0:
        names = ("hematoxylin", "eosin")
        worst = int(np.argmax(excess))
        reason = f"the {names[worst]} vector is {straight[worst]:.0f} degrees from the usual one"
    if reason:
        message = f"stain vectors cannot be estimated: {reason}"
        raise StainError(message, reason=reason)
