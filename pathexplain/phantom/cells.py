"""Paint nuclei of known outline into a canvas of hematoxylin density, one after the other.

Not for deciding where they go: see `field`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KINDS", "Canvas", "Nucleus", "paint"]

KINDS = ("epithelial", "lymphocyte", "fibroblast")
# Share of a nucleus that may lie under others before it is left out.
LARGEST_OVERLAP = 0.1


@dataclass(frozen=True)
class Nucleus:
    """Outline and look of one nucleus; positions and sizes in pixels, angles in radians.

    The outline is an ellipse of `area_px` and axis ratio `elongation`, times one plus harmonics of
    relative amplitude `irregularity`. `density` is hematoxylin, `vesicular` (0 to 1) how empty
    the inside is against the rim, `grain` how coarse the chromatin is.
    """

    kind: str
    y: float
    x: float
    area_px: float
    elongation: float
    angle: float
    irregularity: float
    density: float
    vesicular: float
    grain: float


@dataclass
class Canvas:
    """What nuclei are painted on: their labels, kinds and hematoxylin density.

    `chromatin` is a fixed texture; `nuclei` holds 1..N, and `kinds` the index in `KINDS` of each.
    """

    nuclei: NDArray[np.int32]
    density: NDArray[np.float32]
    cover: NDArray[np.float32]
    chromatin: NDArray[np.float32]
    kinds: list[int]


def paint(canvas: Canvas, nucleus: Nucleus, rng: np.random.Generator) -> bool:
    """Paint a nucleus unless too much of it would lie on others; whether it was painted.

    Examples
    --------
    >>> zeros = np.zeros((40, 40), dtype=np.float32)
    >>> canvas = Canvas(np.zeros((40, 40), np.int32), zeros.copy(), zeros.copy(), zeros, [])
    >>> cell = Nucleus("lymphocyte", 20, 20, 100, 1.0, 0.0, 0.0, 0.8, 0.2, 0.1)
    >>> paint(canvas, cell, np.random.default_rng(0)), paint(canvas, cell, np.random.default_rng(0))
    (True, False)
    >>> 90 < (canvas.nuclei == 1).sum() < 110
    np.True_
    """
    height, width = canvas.nuclei.shape
    long_axis = np.sqrt(nucleus.area_px / np.pi * nucleus.elongation)
    reach = int(long_axis * (1 + 3 * nucleus.irregularity)) + 3
    y0, y1 = max(int(nucleus.y) - reach, 0), min(int(nucleus.y) + reach + 1, height)
    x0, x1 = max(int(nucleus.x) - reach, 0), min(int(nucleus.x) + reach + 1, width)
    if y0 >= y1 or x0 >= x1:
        return False
    window = (slice(y0, y1), slice(x0, x1))
    depth, radial = _outline(nucleus, (y0, x0), (y1 - y0, x1 - x0), rng)
    inside = depth > 0
    labels = canvas.nuclei[window]
    free = inside & (labels == 0)
    if not free.any() or free.sum() < (1 - LARGEST_OVERLAP) * inside.sum():
        return False
    canvas.kinds.append(KINDS.index(nucleus.kind))
    labels[free] = len(canvas.kinds)
    cover = np.clip(depth + 0.5, 0, 1)
    rim = np.exp(-(((radial - 0.88) / 0.13) ** 2))
    body = 1 - nucleus.vesicular * (1 - rim) + nucleus.grain * canvas.chromatin[window]
    painted = nucleus.density * np.clip(body, 0.15, 1.6) * cover
    canvas.density[window] = np.maximum(canvas.density[window], painted)
    canvas.cover[window] = np.maximum(canvas.cover[window], cover)
    if nucleus.vesicular > 0.3:  # noqa: PLR2004 - open chromatin shows a nucleolus
        _nucleolus(canvas, nucleus, window, rng)
    return True


def _outline(
    nucleus: Nucleus, origin: tuple[int, int], shape: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Depth inside the outline in pixels (negative outside) and radius relative to it."""
    rows = np.arange(shape[0], dtype=np.float32)[:, None] + np.float32(origin[0] - nucleus.y)
    columns = np.arange(shape[1], dtype=np.float32)[None, :] + np.float32(origin[1] - nucleus.x)
    cos, sin = np.float32(np.cos(nucleus.angle)), np.float32(np.sin(nucleus.angle))
    minor = np.float32(np.sqrt(nucleus.area_px / np.pi / nucleus.elongation))
    u = (columns * cos + rows * sin) / np.float32(nucleus.elongation)
    v = rows * cos - columns * sin
    radius = np.hypot(u, v) + np.float32(1e-3)
    theta = np.arctan2(v, u)
    edge = np.full_like(radius, 1.0)
    for order in (2, 3, 4):
        amplitude = np.float32(nucleus.irregularity * rng.normal() / np.sqrt(order))
        edge += amplitude * np.cos(order * theta + np.float32(rng.uniform(0, 2 * np.pi)))
    edge *= minor
    relative = radius / edge
    return edge - radius, relative


def _nucleolus(
    canvas: Canvas, nucleus: Nucleus, window: tuple[slice, slice], rng: np.random.Generator
) -> None:
    """Add a dark spot near the center."""
    spread = 0.25 * np.sqrt(nucleus.area_px / np.pi)
    y, x = nucleus.y + rng.normal(0, spread), nucleus.x + rng.normal(0, spread)
    rows = np.arange(window[0].start, window[0].stop)[:, None] - y
    columns = np.arange(window[1].start, window[1].stop)[None, :] - x
    size = nucleus.area_px / 60
    canvas.density[window] += 0.45 * nucleus.density * np.exp(-(rows**2 + columns**2) / size)
