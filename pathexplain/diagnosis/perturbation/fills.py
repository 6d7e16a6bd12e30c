"""What an object's pixels are replaced by, so that a classifier can no longer see it.

Pure functions over tiles; every fill answers for whole tiles, and the caller takes the pixels
under the mask from it. No fill is neutral: compare several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FILLS", "REMOVE", "Look", "check_fills", "composite", "filled", "look_of"]

REMOVE = "remove"
"""The fill that takes tiles out of the bag instead of changing pixels."""

WHITE = 255.0
GRAIN_UM = 2.0


@dataclass(frozen=True, eq=False)
class Look:
    """Mean color and stain of a slide's tissue.

    Attributes
    ----------
    color : (3,) float64
        Mean RGB, 0 to 255.
    density : (3,) float64
        Mean optical density of red, green and blue, base 10.
    spread : (3, 3) float64
        Covariance of the optical densities between pixels.
    """

    color: NDArray[np.float64]
    density: NDArray[np.float64]
    spread: NDArray[np.float64]


def look_of(pixels: NDArray[np.uint8], tissue: NDArray[np.bool_]) -> Look:
    """Measure the look of tissue pixels; of all pixels where none is tissue.

    Parameters
    ----------
    pixels : (n, H, W, 3) uint8
    tissue : (n, H, W) bool

    Examples
    --------
    >>> look = look_of(np.full((1, 4, 4, 3), 100, np.uint8), np.ones((1, 4, 4), bool))
    >>> look.color.tolist(), bool(np.allclose(look.spread, 0))
    ([100.0, 100.0, 100.0], True)
    """
    n, colors, densities, products = 0, np.zeros(3), np.zeros(3), np.zeros((3, 3))
    use_all = not any(bool(part.any()) for part in tissue)
    for tile, part in zip(pixels, tissue, strict=True):
        values = tile[np.ones_like(part) if use_all else part].astype(np.float64)
        density = _density(values)
        n += len(values)
        colors += values.sum(axis=0)
        densities += density.sum(axis=0)
        products += density.T @ density
    mean = densities / n
    return Look(colors / n, mean, products / n - np.outer(mean, mean))


def filled(
    name: str, tile: NDArray[np.uint8], look: Look, *, mpp: float, blur_um: float, seed: int
) -> NDArray[np.uint8]:
    """Return a tile as it looks where an object was taken away.

    Parameters
    ----------
    name : {"blur", "mean", "noise"}
        Gaussian blur of sigma `blur_um`; the slide's mean tissue color; noise with the mean and
        the covariance of the slide's optical densities, so that stain and contrast stay and
        structure goes.
    tile : (H, W, 3) uint8
    look : Look
    mpp, blur_um : float
    seed : int
        Of the noise.

    Returns
    -------
    (H, W, 3) uint8

    Examples
    --------
    >>> tile = np.zeros((8, 8, 3), np.uint8)
    >>> look = Look(np.full(3, 200.0), np.full(3, 0.1), np.zeros((3, 3)))
    >>> int(filled("mean", tile, look, mpp=0.5, blur_um=8.0, seed=0).min())
    200
    """
    if name == "blur":
        return blurred(tile, sigma_px=blur_um / mpp)
    if name == "mean":
        return np.broadcast_to(np.rint(look.color).astype(np.uint8), tile.shape)
    return _noise(tile.shape[:2], look, np.random.default_rng(seed), grain_px=GRAIN_UM / mpp)


def blurred(tile: NDArray[np.uint8], *, sigma_px: float) -> NDArray[np.uint8]:
    """Blur each channel with a Gaussian; the tile's edge is mirrored."""
    smooth = ndimage.gaussian_filter(tile.astype(np.float32), (sigma_px, sigma_px, 0), truncate=3)
    return np.asarray(np.rint(np.clip(smooth, 0, WHITE)), dtype=np.uint8)


def composite(
    tile: NDArray[np.uint8], fill: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Take the fill under the mask and the tile elsewhere."""
    return np.where(mask[..., None], fill, tile)


def check_fills(names: tuple[str, ...]) -> None:
    """Refuse unknown and repeated fills.

    Raises
    ------
    ConfigError
        Naming them, and those that there are.
    """
    unknown = [name for name in names if name not in FILLS]
    if unknown or not names or len(set(names)) < len(names):
        message = f"fills {', '.join(names) or '(none)'}: give each once, of {', '.join(FILLS)}"
        raise ConfigError(message)


FILLS: dict[str, str] = {
    "blur": "Gaussian blur",
    "mean": "mean tissue color of the slide",
    "noise": "noise with the slide's stain",
    REMOVE: "tiles that hold the object are taken out of the bag",
}
"""Names of the fills, with what they do."""


def _density(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Optical density, base 10, of 0..255; a black pixel counts as 1."""
    return np.asarray(np.log10(WHITE / np.maximum(values, 1.0)))


def _noise(
    shape: tuple[int, ...], look: Look, rng: np.random.Generator, *, grain_px: float
) -> NDArray[np.uint8]:
    """Correlated noise in optical density, brought back to 8-bit color."""
    white = rng.standard_normal((*shape, 3))
    smooth = ndimage.gaussian_filter(white, (grain_px / 2, grain_px / 2, 0), mode="wrap")
    smooth /= np.maximum(smooth.std(axis=(0, 1)), 1e-12)
    values, vectors = np.linalg.eigh(look.spread)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    density = look.density + smooth @ root.T
    return np.asarray(np.rint(np.clip(WHITE * 10**-density, 0, WHITE)), dtype=np.uint8)
