"""Synthetic H&E fields whose nuclei, glands and lymphocytes are known exactly.

For demonstrations, tests and power analysis; never a stand-in for evidence from patients.
Colors are the business of `stain`, the look of a nucleus that of `cells`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pathexplain.errors import ConfigError
from pathexplain.phantom.cells import KINDS, Canvas, Nucleus, paint
from pathexplain.phantom.noise import smooth_field
from pathexplain.phantom.stain import Stain, stained

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PhantomTissue", "TissueParams", "tissue"]

UM2_PER_MM2 = 1e6


@dataclass(frozen=True)
class TissueParams:
    """What one field of phantom tissue looks like.

    Attributes
    ----------
    nuclear_area_um2 : float
        Median area of epithelial nuclei, um2.
    nuclear_area_cv : float
        Spread of their areas (log-normal), 0 to 1.
    irregularity : float
        Relative amplitude of the bumps of their outlines, 0 to 0.2.
    vesicular : float
        How open their chromatin is, 0 (dense) to 1 (only a rim).
    layers : float
        Rows of nuclei in the gland epithelium, 1 to 4.
    gland_radius_um : float
        Mean outer radius of a gland, um.
    glands_per_mm2, lymphocytes_per_mm2, fibroblasts_per_mm2 : float
        Wanted densities per mm2 of field; crowding may place somewhat fewer.
    hematoxylin, eosin : float
        Strength of each stain, 1 is usual.
    hue : float
        Tilt of both stain vectors, negative to blue and positive to red, about -0.1 to 0.1.

    Examples
    --------
    >>> TissueParams(lymphocytes_per_mm2=2000).nuclear_area_um2
    36.0
    """

    nuclear_area_um2: float = 36.0
    nuclear_area_cv: float = 0.18
    irregularity: float = 0.04
    vesicular: float = 0.35
    layers: float = 1.6
    gland_radius_um: float = 46.0
    glands_per_mm2: float = 75.0
    lymphocytes_per_mm2: float = 700.0
    fibroblasts_per_mm2: float = 900.0
    hematoxylin: float = 1.0
    eosin: float = 1.0
    hue: float = 0.0


@dataclass(frozen=True)
class PhantomTissue:
    """A synthetic field and its truth.

    Attributes
    ----------
    image : (H, W, 3) uint8
        RGB.
    nuclei : (H, W) int32
        All nuclei, 0 background, 1..N.
    nucleus_kind : tuple of str
        Kind of nucleus 1..N: epithelial, lymphocyte or fibroblast.
    glands, lymphocytes : (H, W) int32
        Glands with their lumen, and the lymphocytes alone, each numbered 1..N.
    mpp : float
        um a pixel.
    """

    image: NDArray[np.uint8]
    nuclei: NDArray[np.int32]
    nucleus_kind: tuple[str, ...]
    glands: NDArray[np.int32]
    lymphocytes: NDArray[np.int32]
    mpp: float

    def areas_um2(self, kind: str) -> NDArray[np.float64]:
        """Areas of the nuclei of one kind, um2, also of those cut by the border.

        Examples
        --------
        >>> field = tissue(seed=1, shape_px=(128, 128))
        >>> len(field.areas_um2("lymphocyte")) == field.lymphocytes.max()
        np.True_
        """
        counts = np.bincount(self.nuclei.ravel(), minlength=len(self.nucleus_kind) + 1)[1:]
        wanted = np.array([name == kind for name in self.nucleus_kind], dtype=bool)
        return np.asarray(counts[wanted] * self.mpp**2, dtype=np.float64)


def tissue(
    params: TissueParams | None = None,
    *,
    seed: int,
    shape_px: tuple[int, int] = (512, 512),
    mpp: float = 0.5,
) -> PhantomTissue:
    """Make one synthetic H&E field.

    Parameters
    ----------
    params : TissueParams, optional
        The look; the defaults are a benign glandular tissue.
    seed : int
        Same seed, same parameters and same size: the same field, bit for bit.
    shape_px : (H, W)
        Size, at least 32 pixels a side.
    mpp : float
        um a pixel, 0.2 to 2.

    Returns
    -------
    PhantomTissue
        Image and truth.

    Raises
    ------
    ConfigError
        If size or resolution is out of range.

    Examples
    --------
    >>> field = tissue(seed=0, shape_px=(160, 200))
    >>> field.image.shape, field.nuclei.dtype, len(field.nucleus_kind) == field.nuclei.max()
    ((160, 200, 3), dtype('int32'), np.True_)
    """
    if min(shape_px) < 32 or not 0.2 <= mpp <= 2:  # noqa: PLR2004 - as documented
        message = (
            f"phantom of {shape_px} px at {mpp} um; at least 32 px a side, 0.2 to 2 um a pixel"
        )
        raise ConfigError(message)
    look = TissueParams() if params is None else params
    rng = np.random.default_rng(seed)
    zeros = np.zeros(shape_px, dtype=np.float32)
    chromatin = smooth_field(shape_px, rng, grain_px=max(1.2 / mpp, 1.5))
    canvas = Canvas(zeros.astype(np.int32), zeros.copy(), zeros.copy(), chromatin, [])
    glands, depth_um = _glands(look, rng, shape_px, mpp)
    _place_epithelium(canvas, look, rng, depth_um, mpp)
    _place_lymphocytes(canvas, look, rng, depth_um, mpp)
    _place_fibroblasts(canvas, look, rng, depth_um, mpp)
    stain = Stain(look.hematoxylin, look.eosin, look.hue)
    image = stained(canvas, stain, rng, depth_um, wall_um=_wall_um(look), mpp=mpp)
    kinds = tuple(KINDS[index] for index in canvas.kinds)
    is_lymphocyte = np.array([False, *(kind == "lymphocyte" for kind in kinds)], dtype=bool)
    numbers = np.where(is_lymphocyte, np.cumsum(is_lymphocyte), 0).astype(np.int32)
    return PhantomTissue(image, canvas.nuclei, kinds, glands, numbers[canvas.nuclei], mpp)


def _glands(
    look: TissueParams, rng: np.random.Generator, shape: tuple[int, int], mpp: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Throw glands that keep apart; labels and depth below the gland's outer edge in um."""
    radius = look.gland_radius_um / mpp
    labels = np.zeros(shape, dtype=np.int32)
    depth = np.full(shape, -1e3, dtype=np.float32)
    margin = radius * 0.7
    height, width = shape[0] + 2 * margin, shape[1] + 2 * margin
    wanted = rng.poisson(look.glands_per_mm2 * height * width * mpp**2 / UM2_PER_MM2)
    placed: list[tuple[float, float, float]] = []
    for _ in range(wanted * 12):
        if len(placed) == wanted:
            break
        y, x = rng.uniform(-margin, height - margin), rng.uniform(-margin, width - margin)
        size = radius * rng.lognormal(0, 0.18)
        if any(np.hypot(y - b, x - a) < 1.08 * (size + c) for b, a, c in placed):
            continue
        placed.append((y, x, size))
        window = _window(shape, y, x, 1.7 * size)
        inside = _gland_depth(window, (y, x, size), rng) * np.float32(mpp)
        new = (inside > 0) & (labels[window] == 0)
        if new.any():
            labels[window][new] = labels.max() + 1
        np.maximum(depth[window], inside, out=depth[window])
    return labels, depth


def _window(shape: tuple[int, int], y: float, x: float, reach: float) -> tuple[slice, slice]:
    """Part of the field within `reach` of a point."""
    rows = slice(max(int(y - reach), 0), max(min(int(y + reach) + 1, shape[0]), 0))
    columns = slice(max(int(x - reach), 0), max(min(int(x + reach) + 1, shape[1]), 0))
    return rows, columns


def _gland_depth(
    window: tuple[slice, slice], circle: tuple[float, float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Depth inside one wavy gland, in pixels; negative outside."""
    y, x, size = circle
    rows = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - np.float32(y)
    columns = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None] - np.float32(x)
    stretch, angle = rng.uniform(1.0, 1.35), rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u = (columns * cos + rows * sin) / np.float32(stretch)
    v = (rows * cos - columns * sin) * np.float32(stretch)
    theta = np.arctan2(v, u)
    edge = np.full(theta.shape, size, dtype=np.float32)
    for order, amplitude in ((2, 0.06), (3, 0.06), (5, 0.03)):
        swing = size * amplitude * rng.normal()
        phase = np.float32(rng.uniform(0, 2 * np.pi))
        edge += np.float32(swing) * np.cos(np.float32(order) * theta + phase)
    return np.asarray(edge - np.hypot(u, v), dtype=np.float32)


def _wall_um(look: TissueParams) -> float:
    """Thickness of the gland epithelium: room for its rows of nuclei and the cytoplasm above."""
    return 9.0 + 1.6 * math.sqrt(look.nuclear_area_um2) * math.pow(look.layers, 0.7)


def _place_epithelium(
    canvas: Canvas,
    look: TissueParams,
    rng: np.random.Generator,
    depth_um: NDArray[np.float32],
    mpp: float,
) -> None:
    """Line the glands with nuclei near the base, their long axes across the wall."""
    wall = _wall_um(look)
    length = float(np.sqrt(look.nuclear_area_um2))
    zone = (depth_um > 0.55 * length) & (
        depth_um < min(wall - 6.0, 0.95 * length * look.layers + 2.0)
    )
    across_y, across_x = np.gradient(ndimage.uniform_filter(depth_um, 5))
    per_um2 = 0.62 / look.nuclear_area_um2
    for y, x in _scatter(zone, rng, count=4.0 * per_um2 * zone.sum() * mpp**2):
        area = look.nuclear_area_um2 * rng.lognormal(0, look.nuclear_area_cv)
        row, column = int(y), int(x)
        tilt = rng.normal(0, 0.15 + 2.5 * look.irregularity)
        cell = Nucleus(
            kind="epithelial",
            y=y,
            x=x,
            area_px=area / mpp**2,
            elongation=float(np.clip(rng.normal(1.55, 0.18), 1.05, 2.2)),
            angle=float(np.arctan2(across_y[row, column], across_x[row, column])) + tilt,
            irregularity=look.irregularity,
            density=0.72 * rng.lognormal(0, 0.14),
            vesicular=float(np.clip(rng.normal(look.vesicular, 0.1), 0, 0.8)),
            grain=0.15,
        )
        paint(canvas, cell, rng)


def _place_lymphocytes(
    canvas: Canvas,
    look: TissueParams,
    rng: np.random.Generator,
    depth_um: NDArray[np.float32],
    mpp: float,
) -> None:
    """Scatter small, round, dark nuclei in the stroma, denser in some places."""
    stroma = depth_um < -3.0 * mpp
    favor = np.exp(0.9 * smooth_field(depth_um.shape, rng, grain_px=60 / mpp)) * stroma
    wanted = rng.poisson(look.lymphocytes_per_mm2 * depth_um.size * mpp**2 / UM2_PER_MM2)
    painted = 0
    for y, x in _scatter(favor, rng, count=4 * wanted):
        if painted == wanted:
            break
        cell = Nucleus(
            kind="lymphocyte",
            y=y,
            x=x,
            area_px=27.0 * rng.lognormal(0, 0.1) / mpp**2,
            elongation=float(rng.uniform(1.0, 1.2)),
            angle=float(rng.uniform(0, np.pi)),
            irregularity=0.02,
            density=0.95 * rng.lognormal(0, 0.08),
            vesicular=0.12,
            grain=0.12,
        )
        painted += paint(canvas, cell, rng)


def _place_fibroblasts(
    canvas: Canvas,
    look: TissueParams,
    rng: np.random.Generator,
    depth_um: NDArray[np.float32],
    mpp: float,
) -> None:
    """Scatter thin, long nuclei in the stroma, roughly along the glands' surfaces."""
    stroma = depth_um < -4.0 * mpp
    count = look.fibroblasts_per_mm2 * stroma.sum() * mpp**2 / UM2_PER_MM2
    lean = float(rng.uniform(0, np.pi))
    for y, x in _scatter(stroma, rng, count=count):
        cell = Nucleus(
            kind="fibroblast",
            y=y,
            x=x,
            area_px=24.0 * rng.lognormal(0, 0.25) / mpp**2,
            elongation=float(rng.uniform(2.6, 4.5)),
            angle=lean + float(rng.normal(0, 0.35)),
            irregularity=0.03,
            density=0.75 * rng.lognormal(0, 0.15),
            vesicular=0.15,
            grain=0.1,
        )
        paint(canvas, cell, rng)


def _scatter(
    weight: NDArray[np.floating] | NDArray[np.bool_], rng: np.random.Generator, *, count: float
) -> NDArray[np.float64]:
    """Draw positions (n, 2) with probability proportional to `weight`."""
    total = np.cumsum(weight.ravel(), dtype=np.float64)
    if total[-1] <= 0 or count < 1:
        return np.empty((0, 2))
    picks = np.searchsorted(total, rng.uniform(0, total[-1], int(count)), side="right")
    rows, columns = np.unravel_index(picks, weight.shape)
    return np.stack([rows, columns], axis=1) + rng.uniform(-0.5, 0.5, (int(count), 2))
