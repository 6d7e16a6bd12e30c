"""The `clipseg` backend: CLIPSeg through transformers, a network of everyday pictures.

For comparison: it never saw pathology, sees an image at 352 × 352 px and runs once for each prompt.
Source: Lüddecke 2022, Image segmentation using text and image prompts, arXiv 2112.10003.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from pathexplain.prompts import Prompt, as_prompts
from pathexplain.segmentor.backends import check_image
from pathexplain.segmentor.devices import choose_device, precision
from pathexplain.segmentor.pretrained import Pretrained, find_checkpoint, read_pretrained
from pathexplain.segmentor.segmentation import Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["ClipSegSegmentor"]

HUB_NAME = "CIDAS/clipseg-rd64-refined"
SIDE_PX = 352
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PROMPTS_AT_ONCE = 4
SEEN = "none; trained on everyday pictures"


class ClipSegSegmentor:
    """CLIPSeg on a device.

    It has no score of presence: the highest probability in the image stands for it, so that a mask
    is empty where no pixel reaches one half. Touching objects are not told apart.

    Parameters
    ----------
    parts : Pretrained
        Around a `CLIPSegForImageSegmentation`.
    device : torch.device
    """

    name = "clipseg"

    def __init__(self, parts: Pretrained, *, device: torch.device) -> None:
        self.licence = parts.licence
        self.weights_sha256: str | None = parts.weights_sha256
        self._parts = parts
        self._device = device
        torch.nn.Module.to(parts.model, device)

    @classmethod
    def load(cls, name: str, *, device: str = "auto") -> ClipSegSegmentor:
        """Load ``clipseg``, ``clipseg:FOLDER`` or ``clipseg:HUB/NAME`` from this machine.

        Raises
        ------
        ConfigError
            When the weights are not on this machine, or the device is not there.
        SegmentationError
            When the weights are damaged or of another network.
        """
        from transformers import CLIPSegForImageSegmentation

        folder = find_checkpoint(name, default=HUB_NAME)
        parts = read_pretrained(
            folder,
            CLIPSegForImageSegmentation,
            model_types=("clipseg",),
            side_px=SIDE_PX,
            mean=MEAN,
            std=STD,
        )
        return cls(parts, device=choose_device(device))

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Return "untrained" for every prompt."""
        return "untrained", SEEN, 0.0

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: str | Prompt | Iterable[str | Prompt],
        *,
        mpp: float,
    ) -> Segmentation:
        """Segment the image as a whole; see `Segmentor.segment`."""
        check_image(image, mpp)
        parsed = as_prompts(prompts)
        maps = self._predict(image, [prompt.text for prompt in parsed])
        return Segmentation(
            prompts=parsed,
            probabilities=maps,
            presence=maps.max(axis=(1, 2)),
            mpp=mpp,
            interiors=(None,) * len(parsed),
            trained=("untrained",) * len(parsed),
        )

    @torch.inference_mode()
    def _predict(self, image: NDArray[np.uint8], texts: list[str]) -> NDArray[np.float32]:
        """(P, H, W) probabilities."""
        pixels = self._parts.pixels(image).to(self._device)
        result = np.empty((len(texts), *image.shape[:2]), np.float32)
        for first in range(0, len(texts), PROMPTS_AT_ONCE):
            some = texts[first : first + PROMPTS_AT_ONCE]
            words = {key: ids.to(self._device) for key, ids in self._parts.words(some).items()}
            with precision(self._device):
                output = self._parts.model(
                    pixel_values=pixels.expand(len(some), -1, -1, -1), **words
                )
            logits = output.logits.reshape(len(some), 1, *output.logits.shape[-2:]).float()
            full = functional.interpolate(logits, size=image.shape[:2], mode="bilinear")
            result[first : first + len(some)] = full[:, 0].sigmoid().cpu().numpy()
        return result
