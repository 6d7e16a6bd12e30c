"""Random fields that phantom tissue is painted with: smooth, fibrous and grainy.

Not a model of tissue: only textures, each with mean 0 and standard deviation 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fibers", "smooth_field"]


def smooth_field(
    shape: tuple[int, int], rng: np.random.Generator, *, grain_px: float | tuple[float, float]
) -> NDArray[np.float32]:
    """Draw a smooth random field with structures of about `grain_px` pixels (y, x).

    Examples
    --------
    >>> field = smooth_field((64, 64), np.random.default_rng(0), grain_px=8)
    >>> field.shape, round(float(field.std()), 3)
    ((64, 64), 1.0)
    """
    grain = (grain_px, grain_px) if isinstance(grain_px, float | int) else grain_px
    rows, columns = (int(np.ceil(n / g)) + 3 for n, g in zip(shape, grain, strict=True))
    coarse = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
    box = (1.0, 1.0, 1.0 + shape[1] / grain[1], 1.0 + shape[0] / grain[0])
    fine = np.asarray(coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box))
    return np.asarray((fine - fine.mean()) / fine.std(), dtype=np.float32)


def fibers(
    shape: tuple[int, int], rng: np.random.Generator, *, width_px: float, angle: float
) -> NDArray[np.float32]:
    """Draw wavy strands of about `width_px` that run at `angle` (radians from the x axis).

    Examples
    --------
    >>> fibers((32, 48), np.random.default_rng(0), width_px=4, angle=0.5).shape
    (32, 48)
    """
    side = int(np.ceil(np.hypot(*shape))) + 8
    strands = smooth_field((side, side), rng, grain_px=(width_px, 14 * width_px))
    bend = 4 * width_px * smooth_field(shape, rng, grain_px=20 * width_px)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    y -= shape[0] / 2
    x -= shape[1] / 2
    along = x * np.cos(angle) - y * np.sin(angle) + side / 2
    across = x * np.sin(angle) + y * np.cos(angle) + side / 2 + bend
    sampled = ndimage.map_coordinates(strands, [across, along], order=1, mode="mirror")
    return np.asarray((sampled - sampled.mean()) / sampled.std(), dtype=np.float32)
