"""Stain vectors: what color each stain has, and how a color is split into stains.

Optical density is -log10((I + 1) / 256) for each channel; stains add up in it (Beer and Lambert).
Not for finding the vectors of a slide: see `stain_fitting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["H_DAB", "H_E_DAB", "OPTICAL_DENSITY", "RUIFROK", "StainVectors", "completed", "unmix"]

OPTICAL_DENSITY: NDArray[np.float64] = -np.log10((np.arange(256.0) + 1) / 256)
"""Optical density of each of the 256 levels of a channel; 0 for 255."""

_N_STAINS = 3
_LEAST_VOLUME = 1e-3
"""Determinant of unit vectors below which two of them are (nearly) one color."""

Row = tuple[float, float, float]


@dataclass(frozen=True)
class StainVectors:
    """Optical density of three stains in red, green and blue.

    Parameters
    ----------
    names : tuple of str
        Stains in the order of the rows; "residual" for what two stains leave unexplained.
    matrix : 3 x 3 tuple of float
        One row a stain, about unit length.
    method : str
        Where the vectors come from: "ruifrok", "h-dab", "h-e-dab" or "macenko".
    scale : tuple of float
        What densities are multiplied with; 1 without normalization.
    flag : str
        Why these vectors stand in for others; empty otherwise.

    Raises
    ------
    ConfigError
        A matrix of another shape, or with two rows of (nearly) one color.

    Examples
    --------
    >>> RUIFROK.names
    ('hematoxylin', 'eosin', 'residual')
    >>> RUIFROK.angle_deg > 30
    True
    """

    names: tuple[str, str, str]
    matrix: tuple[Row, Row, Row]
    method: str
    scale: Row = (1.0, 1.0, 1.0)
    flag: str = ""

    def __post_init__(self) -> None:
        """Refuse a matrix that cannot be inverted."""
        array = np.array(self.matrix, float)
        if array.shape != (_N_STAINS, _N_STAINS) or not np.isfinite(array).all():
            message = f"stain vectors are 3 x 3 finite numbers, not {self.matrix}"
            raise ConfigError(message)
        length = np.linalg.norm(array, axis=1, keepdims=True)
        if not (length > 0).all() or abs(np.linalg.det(array / length)) < _LEAST_VOLUME:
            message = (
                f"stain vectors {self.matrix} hold two of one color; they cannot be told apart"
            )
            raise ConfigError(message)

    @property
    def unmixing(self) -> NDArray[np.float64]:
        """(3, 3) float64: density of stain s is sum over channels of OD[c] * unmixing[c, s]."""
        inverse: NDArray[np.float64] = np.linalg.inv(np.array(self.matrix, float))
        return np.asarray(inverse * np.array(self.scale), np.float64)

    @property
    def angle_deg(self) -> float:
        """Angle between the first two stains, degrees; about 15 to 45 for hematoxylin and eosin."""
        first, second = np.array(self.matrix[:2], float)
        cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for provenance and zarr attributes."""
        return {
            "method": self.method,
            "names": list(self.names),
            "matrix": [list(row) for row in self.matrix],
            "scale": list(self.scale),
            "flag": self.flag,
        }


def completed(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[Row, Row, Row]:
    """Return two unit vectors and the one perpendicular to both, which takes up the residual."""
    third = np.cross(first, second)
    rows = (first, second, third / np.linalg.norm(third))
    return tuple(tuple(float(value) for value in row) for row in rows)  # type: ignore[return-value]  # three rows of three


def unmix(pixels: NDArray[np.uint8], stains: StainVectors | None = None) -> NDArray[np.float64]:
    """Split colors into densities of three stains.

    OD = -log10((I + 1) / 256) = C @ matrix, solved for C and scaled; not clipped at 0.

    Parameters
    ----------
    pixels : (..., 3) uint8
        RGB.
    stains : StainVectors, optional
        Default: `RUIFROK`.

    Returns
    -------
    (..., 3) float64
        Densities (OD) in the order of `stains.names`; slightly negative for colors outside the
        cone of the three stains.

    Raises
    ------
    ConfigError
        Pixels that are not uint8 RGB.

    References
    ----------
    Ruifrok 2001, Anal Quant Cytol Histol 23:291-299, PMID 11531144.

    Examples
    --------
    >>> white = np.full((1, 1, 3), 255, np.uint8)
    >>> bool(np.allclose(unmix(white), 0))
    True
    """
    if pixels.dtype != np.uint8 or pixels.shape[-1:] != (3,):
        message = f"pixels have shape {pixels.shape} and dtype {pixels.dtype}; needed is uint8 RGB"
        raise ConfigError(message)
    chosen = RUIFROK if stains is None else stains
    density: NDArray[np.float64] = OPTICAL_DENSITY[pixels] @ chosen.unmixing
    return density


_HEMATOXYLIN: Row = (0.65, 0.70, 0.29)
_EOSIN: Row = (0.07, 0.99, 0.11)
_DAB: Row = (0.27, 0.57, 0.78)


def _unit(row: Row) -> NDArray[np.float64]:
    """Bring a published vector to length 1."""
    vector = np.array(row)
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


H_E_DAB = StainVectors(
    ("hematoxylin", "eosin", "dab"), (_HEMATOXYLIN, _EOSIN, _DAB), method="h-e-dab"
)
"""Hematoxylin, eosin and DAB as published (Ruifrok 2001, PMID 11531144)."""

RUIFROK = StainVectors(
    ("hematoxylin", "eosin", "residual"), (_HEMATOXYLIN, _EOSIN, _DAB), method="ruifrok"
)
"""The same for a slide without DAB: brown is then pigment or dirt, and no stain."""

H_DAB = StainVectors(
    ("hematoxylin", "dab", "residual"),
    completed(_unit(_HEMATOXYLIN), _unit(_DAB)),
    method="h-dab",
)
"""Hematoxylin and DAB of the same source at unit length; the third row takes up the residual."""
