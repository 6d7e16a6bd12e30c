"""The `stain` backend: colour deconvolution and thresholds, without weights.

The honest baseline: it knows haematoxylin from eosin from glass, and so can offer nuclei,
haematoxylin-rich tissue and background, whatever the exact words of the prompt.
Reference: Ruifrok 2001, Quantification of histochemical staining by color deconvolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu

from pathexplain.prompts import Prompt, as_prompts
from pathexplain.segmentor.backends import check_image
from pathexplain.segmentor.segmentation import PRESENCE_THRESHOLD, Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["StainSegmentor"]

NUCLEUS_SIGMA_UM = 0.5
TISSUE_SIGMA_UM = 10.0
GLASS_LEVEL = 220.0
MIN_HAEMATOXYLIN = 0.02
STEEPNESS = 12.0


class StainSegmentor:
    """Nuclei and haematoxylin-rich tissue by Otsu thresholds on deconvolved stain.

    Its probabilities are a soft threshold and are not calibrated; its presence score is 1 where
    enough stain is found for a threshold to exist, and 0 otherwise.

    Examples
    --------
    >>> image = np.full((64, 64, 3), (235, 190, 220), np.uint8)
    >>> image[20:40, 20:40] = (90, 60, 140)
    >>> result = StainSegmentor().segment(image, "nucleus", mpp=0.5)
    >>> int(result.instances(0).max()), bool(result.masks[0, 30, 30]), bool(result.masks[0, 5, 5])
    (1, True, False)
    """

    name = "stain"
    licence = "none (no weights)"
    weights_sha256: str | None = None

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Return "untrained" for every prompt: colour is all that this backend sees."""
        return "untrained", _target(prompt), 0.0

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: str | Prompt | Iterable[str | Prompt],
        *,
        mpp: float,
    ) -> Segmentation:
        """Segment by colour; see `Segmentor.segment`."""
        check_image(image, mpp)
        parsed = as_prompts(prompts)
        haematoxylin = rgb2hed(image)[..., 0].astype(np.float32)
        planes = {
            target: _plane(target, image, haematoxylin, mpp) for target in map(_target, parsed)
        }
        chosen = [planes[_target(prompt)] for prompt in parsed]
        return Segmentation(
            prompts=parsed,
            probabilities=np.stack([probability for probability, _ in chosen]),
            presence=np.array([presence for _, presence in chosen], np.float32),
            mpp=mpp,
            interiors=tuple(
                _depth(probability >= prompt.threshold, mpp) if prompt.kind == "instances" else None
                for prompt, (probability, _) in zip(parsed, chosen, strict=True)
            ),
            trained=("untrained",) * len(parsed),
        )


def _target(prompt: Prompt) -> str:
    """Which of the three things that colour can tell apart the prompt is closest to."""
    if prompt.object == "background":
        return "glass"
    return "tissue" if prompt.structure == "tissue" else "nuclei"


def _plane(
    target: str, image: NDArray[np.uint8], haematoxylin: NDArray[np.float32], mpp: float
) -> tuple[NDArray[np.float32], float]:
    """(H, W) soft mask of one target, and its presence."""
    if target == "glass":
        brightness = ndimage.gaussian_filter(image.min(axis=2).astype(np.float32), 1.0 / mpp)
        plane = 1 / (1 + np.exp(-(brightness - GLASS_LEVEL) / 5))
        return plane.astype(np.float32), float(plane.max() >= PRESENCE_THRESHOLD)
    sigma = (NUCLEUS_SIGMA_UM if target == "nuclei" else TISSUE_SIGMA_UM) / mpp
    smooth = ndimage.gaussian_filter(haematoxylin, sigma)
    spread = float(smooth.max() - smooth.min())
    if spread < MIN_HAEMATOXYLIN:
        return np.zeros(smooth.shape, np.float32), 0.0
    level = threshold_otsu(smooth)
    plane = 1 / (1 + np.exp(-STEEPNESS * (smooth - level) / spread))
    return plane.astype(np.float32), 1.0


def _depth(mask: NDArray[np.bool_], mpp: float) -> NDArray[np.float32]:
    """Squared distance to the edge, relative to the deepest point nearby: 1 at cores, 0 outside."""
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), NUCLEUS_SIGMA_UM / mpp)
    nearby = ndimage.maximum_filter(distance, size=max(3, round(8.0 / mpp)))
    return np.where(mask, (distance / np.maximum(nearby, 1e-6)) ** 2, 0).astype(np.float32)
