"""Where the tissue is, at low resolution: what extraction looks at and what densities divide by.

Not a quality check and not a segmentation: glass, dirt and pen are left out, all tissue is in.
Thresholds are optical densities: a split of the histogram alone (Otsu 1979,
doi:10.1109/TSMC.1979.4310076, used between fixed limits) also splits bare glass, and fields without
any glass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pathexplain.errors import ConfigError
from pathexplain.slides.pyramid import working_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.slides.pyramid import Slide

__all__ = ["Tissue", "find_tissue"]

# Signal = mean optical density + its range over the channels. Clean and gray glass is below 0.05;
# pale stroma and the thin walls of fat are above 0.08 (measured on 14 public sources of fields).
SIGNAL_LIMITS = (0.05, 0.08)
# Small slides are looked at more finely, so that their longer side has this many pixels.
LEAST_SIDE_PX = 256
# Very large slides are looked at more coarsely, so that memory stays bounded.
MOST_PX = 2**22
SMOOTHING_UM = 6.0
STRIP_ROWS = 512
CLOSING_UM = 12.0
LARGEST_HOLE_MM2 = 0.05
SMALLEST_SPECK_MM2 = 0.02
# A speck in a small field may be a large part of it.
SMALLEST_SPECK_SHARE = 0.01
SMALLEST_PEN_MM2 = 0.05
# Mean optical density of the palest stroke, and of the red channel of a blue one.
PALE_INK = 0.15
DENSE_INK = 0.6
UM2_PER_MM2 = 1e6


@dataclass(frozen=True)
class Tissue:
    """Tissue of one slide.

    Attributes
    ----------
    mask : (h, w) bool
        True on tissue.
    thumbnail : (h, w, 3) uint8
        The pixels that the mask was found on, RGB.
    mpp : float
        um a pixel of both.
    """

    mask: NDArray[np.bool_]
    thumbnail: NDArray[np.uint8]
    mpp: float

    @property
    def area_mm2(self) -> float:
        """Area of the tissue, mm2."""
        return float(np.count_nonzero(self.mask)) * self.mpp**2 / UM2_PER_MM2

    def covers(self, y0_um: float, x0_um: float, y1_um: float, x1_um: float) -> float:
        """Share of a box that is tissue, 0 to 1; what lies outside the slide is not.

        Examples
        --------
        >>> mask = np.zeros((10, 10), dtype=bool)
        >>> mask[:, :5] = True
        >>> tissue = Tissue(mask, np.zeros((10, 10, 3), dtype=np.uint8), mpp=8.0)
        >>> tissue.covers(0, 20, 80, 60), tissue.covers(0, -40, 80, 40)
        (0.5, 0.5)
        """
        if not (y1_um > y0_um and x1_um > x0_um):
            message = f"box from ({y0_um}, {x0_um}) to ({y1_um}, {x1_um}) um is empty"
            raise ConfigError(message)
        rows = _overlap(y0_um / self.mpp, y1_um / self.mpp, self.mask.shape[0])
        columns = _overlap(x0_um / self.mpp, x1_um / self.mpp, self.mask.shape[1])
        covered = float(rows[1] @ self.mask[rows[0], columns[0]] @ columns[1])
        return min(covered * self.mpp**2 / ((y1_um - y0_um) * (x1_um - x0_um)), 1.0)

    def covered_share(self, labels: NDArray[np.int32], *, mpp: float) -> float:
        """Share of the tissue that lies under objects; NaN without tissue.

        Parameters
        ----------
        labels : (H, W) int32
            Of the whole slide, 0 is background.
        mpp : float
            um a pixel of `labels`, > 0.

        Examples
        --------
        An object over half of the tissue and over as much glass covers half of the tissue:

        >>> mask = np.zeros((4, 4), dtype=bool)
        >>> mask[:, :2] = True
        >>> tissue = Tissue(mask, np.zeros((4, 4, 3), dtype=np.uint8), mpp=8.0)
        >>> labels = np.zeros((8, 8), np.int32)
        >>> labels[:4] = 1
        >>> tissue.covered_share(labels, mpp=4.0)
        0.5
        """
        rows, columns = (
            np.minimum((np.arange(n) + 0.5) * mpp / self.mpp, limit - 1).astype(np.int64)
            for n, limit in zip(labels.shape, self.mask.shape, strict=True)
        )
        n_tissue = n_covered = 0
        for top in range(0, len(rows), STRIP_ROWS):
            inside = self.mask[rows[top : top + STRIP_ROWS, None], columns]
            n_tissue += int(inside.sum())
            n_covered += int((inside & (labels[top : top + STRIP_ROWS] > 0)).sum())
        return n_covered / n_tissue if n_tissue else float("nan")


def find_tissue(slide: Slide, *, mpp: float = 8.0) -> Tissue:
    """Find the tissue of a slide.

    A pixel is tissue where it is dense or colored enough; black and blue, green or red pen strokes
    and gray dirt are left out; gaps below 12 um and holes below 0.05 mm2 are filled; specks below
    0.02 mm2 (or 1 % of a small field) are dropped.

    Parameters
    ----------
    slide : Slide
        Stained tissue in bright field.
    mpp : float
        Resolution to look at, um a pixel, > 0. Slides below 256 px at it are looked at more finely,
        never more finely than they are; above 268 mm2 more coarsely, which bounds memory.

    Returns
    -------
    Tissue
        Empty on bare glass, (nearly) full on a field without glass.

    Raises
    ------
    SlideError
        If the pixels cannot be read.

    Examples
    --------
    >>> from pathexplain.slides import ArraySlide
    >>> pixels = np.full((800, 800, 3), 245, dtype=np.uint8)
    >>> pixels[200:600, 200:600] = (225, 170, 200)
    >>> round(find_tissue(ArraySlide(pixels, mpp=2.0)).area_mm2, 2)
    0.64
    """
    longest_um = max(slide.shape) * slide.mpp
    area_um2 = slide.shape[0] * slide.shape[1] * slide.mpp**2
    coarsest = max(mpp, (area_um2 / MOST_PX) ** 0.5)
    resolution = max(slide.mpp, min(coarsest, longest_um / LEAST_SIDE_PX))
    height, width = working_shape(slide, resolution)
    thumbnail = slide.read(0.0, 0.0, height, width, resolution)
    density = _smooth_density(thumbnail, resolution)
    signal = density.mean(axis=-1) + np.ptp(density, axis=-1)
    mask = signal > np.clip(_otsu(signal), *SIGNAL_LIMITS)
    mask &= ~_not_tissue(density, resolution)
    return Tissue(_tidy(mask, resolution), thumbnail, resolution)


def _smooth_density(rgb: NDArray[np.uint8], mpp: float) -> NDArray[np.float32]:
    """Optical density of the three channels after light smoothing, 0 on pure white."""
    density = np.empty(rgb.shape, np.float32)
    for channel in range(rgb.shape[-1]):  # one after the other, which holds a third at once
        light = rgb[..., channel].astype(np.float32)
        light = ndimage.gaussian_filter(light, SMOOTHING_UM / mpp)
        density[..., channel] = -np.log10((light + 1) / 256)
    return density


def _otsu(signal: NDArray[np.float32]) -> float:
    """Threshold that best splits the values in two (Otsu 1979)."""
    counts, edges = np.histogram(signal, bins=256, range=(0.0, 2.0))
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    moment = np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = moment / below - (moment[-1] - moment) / above
        between = below * above * gap**2
    return float(centers[np.argmax(np.nan_to_num(between))])


def _not_tissue(density: NDArray[np.float32], mpp: float) -> NDArray[np.bool_]:
    """Find large areas whose color no stain of tissue gives: pens, the edge of the cover slip."""
    red, green, blue = np.moveaxis(density, -1, 0)
    mean = density.mean(axis=-1)
    dark = mean > PALE_INK
    gray = np.ptp(density, axis=-1) < 0.12 * mean
    cold = (red > 1.6 * np.maximum(green, 0.02)) | ((red > 1.1 * green) & (red > DENSE_INK))
    leaf = green < 0.75 * np.minimum(red, blue)
    warm = (red < 0.1 * green) & (blue > 0.85 * green)
    suspect = ndimage.binary_opening(dark & (gray | cold | leaf | warm))
    marks = _without_small(suspect, SMALLEST_PEN_MM2, mpp)
    if not marks.any():
        return marks
    return _grown(marks, 2 * CLOSING_UM / mpp) & ~_is_stained(density)


def _is_stained(density: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell hematoxylin, eosin and their mixtures: green light is absorbed most, red less."""
    red, green, blue = np.moveaxis(density, -1, 0)
    stained = (green > PALE_INK) & (red < green) & (blue < 0.85 * green) & (red > 0.1 * green)
    return np.asarray(stained)


def _tidy(mask: NDArray[np.bool_], mpp: float) -> NDArray[np.bool_]:
    """Close gaps, fill small holes, drop small specks."""
    radius = max(1.0, CLOSING_UM / mpp)
    reach = int(np.ceil(radius)) + 1
    # Repeat the border, so that closing neither opens nor seals it.
    grown = _grown(np.pad(mask, reach, mode="edge"), radius)
    closed = ~_grown(~grown, radius)[reach:-reach, reach:-reach]
    filled = ~_without_small(~closed, LARGEST_HOLE_MM2, mpp, keep_border=True)
    field_mm2 = mask.size * mpp**2 / UM2_PER_MM2
    smallest = min(SMALLEST_SPECK_MM2, SMALLEST_SPECK_SHARE * field_mm2)
    return _without_small(filled, smallest, mpp)


def _without_small(
    mask: NDArray[np.bool_], area_mm2: float, mpp: float, *, keep_border: bool = False
) -> NDArray[np.bool_]:
    """Drop connected parts below an area; `keep_border` spares those that touch the edge."""
    labels, _ = ndimage.label(mask)
    keep = np.bincount(labels.ravel()) * mpp**2 / UM2_PER_MM2 >= area_mm2
    if keep_border:
        for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
            keep[edge] = True
    keep[0] = False
    return np.asarray(keep[labels])


def _grown(mask: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    """Dilate by a disk; by distances, so that the cost does not depend on the radius."""
    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask) <= radius_px)


def _overlap(start: float, stop: float, size: int) -> tuple[slice, NDArray[np.float64]]:
    """Pixels of an axis that an interval touches, and how much of each."""
    first = int(np.clip(np.floor(start), 0, size))
    last = int(np.clip(np.ceil(stop), first, size))
    edges = np.arange(first, last)
    weight = np.minimum(edges + 1, stop) - np.maximum(edges, start)
    return slice(first, last), weight.astype(np.float64)
