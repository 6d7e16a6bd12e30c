"""Turn the truth of a phantom field into an H&E picture: two stains, a lens and a camera.

Colors are mixed in optical density. The stain vectors lie between those of Ruifrok and Johnston
2001 and of Macenko et al. 2009 (doi:10.1109/ISBI.2009.5193250).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from pathexplain.phantom.noise import fibers, smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.phantom.cells import Canvas

__all__ = ["Stain", "stained"]

HEMATOXYLIN = np.array([0.62, 0.70, 0.36])
EOSIN = np.array([0.17, 0.85, 0.50])
LIGHT = 243
CAMERA_NOISE = 1.6
BLUR_UM = 0.28


class Stain(NamedTuple):
    """Strength of both stains (1 is usual) and the tilt of their color to red or blue."""

    hematoxylin: float
    eosin: float
    hue: float


def stained(
    canvas: Canvas,
    stain: Stain,
    rng: np.random.Generator,
    depth_um: NDArray[np.float32],
    *,
    wall_um: float,
    mpp: float,
) -> NDArray[np.uint8]:
    """Paint stroma, epithelium and lumen around the nuclei of a canvas.

    `depth_um` is the depth below the outer edge of the glands, negative in the stroma; `wall_um`
    where their epithelium ends and the lumen begins. Returns `(H, W, 3)` uint8 RGB.
    """
    eosin, hematoxylin = _background(rng, depth_um, wall_um=wall_um, mpp=mpp)
    hematoxylin = hematoxylin * (1 - canvas.cover) + canvas.density
    eosin = eosin * (1 - 0.6 * canvas.cover)
    density = (stain.hematoxylin * hematoxylin)[..., None] * _tilted(HEMATOXYLIN, stain.hue)
    density += (stain.eosin * eosin)[..., None] * _tilted(EOSIN, stain.hue)
    blur = BLUR_UM / mpp
    density = ndimage.gaussian_filter(np.maximum(density, 0), (blur, blur, 0), truncate=3)
    light = LIGHT * np.exp(-np.float32(np.log(10)) * density)
    light += CAMERA_NOISE * rng.standard_normal(light.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(light), 0, 255), dtype=np.uint8)


def _background(
    rng: np.random.Generator, depth_um: NDArray[np.float32], *, wall_um: float, mpp: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Eosin and hematoxylin of everything but nuclei."""
    shape = depth_um.shape
    ragged = depth_um + 1.5 * smooth_field(shape, rng, grain_px=5 / mpp)
    epithelium = _step(ragged, 0.0, 1.0) * _step(wall_um - ragged, 0.0, 1.0)
    lumen = _step(ragged, wall_um, 1.0)
    stroma = np.float32(1) - np.clip(epithelium + lumen, 0, 1)
    cleft = _step(-depth_um, 0.0, 0.8) * _step(2.5 + depth_um, 0.0, 0.8)
    wide = smooth_field(shape, rng, grain_px=70 / mpp)
    patchy = smooth_field(shape, rng, grain_px=14 / mpp)
    fine = smooth_field(shape, rng, grain_px=max(1.6 / mpp, 1.5))
    strands = fibers(shape, rng, width_px=2.0 / mpp, angle=float(rng.uniform(0, np.pi)))
    gaps = _step(-strands - 0.5 * wide - 0.5 * patchy, 1.6, 0.5) * stroma
    apical = _step(ragged, 0.75 * wall_um, 0.25 * wall_um)
    eosin = stroma * (0.31 + 0.05 * wide + 0.02 * patchy + 0.055 * strands + 0.025 * fine)
    eosin += epithelium * (0.22 + 0.03 * wide + 0.04 * fine + 0.06 * apical)
    eosin += lumen * (0.02 + 0.012 * patchy + 0.008 * fine)
    hematoxylin = 0.045 * stroma + epithelium * (0.16 + 0.035 * fine - 0.05 * apical)
    light = (1 - 0.8 * gaps) * (1 - 0.4 * cleft)
    return np.maximum(eosin, 0) * light, hematoxylin * light


def _step(value: NDArray[np.floating], at: float, width: float) -> NDArray[np.float32]:
    """Rise smoothly from 0 to 1 around `at`."""
    ramp = np.clip((value - np.float32(at)) / np.float32(2 * width) + np.float32(0.5), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), dtype=np.float32)


def _tilted(vector: NDArray[np.float64], hue: float) -> NDArray[np.float32]:
    """Shift a stain vector between red and blue and bring it back to length 1."""
    moved = vector + np.array([-hue, 0.0, hue])
    return np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)
