"""The `sam3` backend: SAM 3 through transformers, which finds all objects that a phrase names.

For comparison and for objects outside the vocabulary; 0.8 billion parameters, terms of its own.
Source: Carion 2025, SAM 3: segment anything with concepts, arXiv 2511.16719.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from torch import Tensor

__all__ = ["Sam3Segmentor"]

HUB_NAME = "facebook/sam3"
MODEL_TYPES = ("sam3", "sam3_video")
MEAN = STD = (0.5, 0.5, 0.5)
OBJECT_SCORE = 0.5
SEEN = "none; trained on everyday pictures"


class Sam3Segmentor:
    """SAM 3 on a device: the image is encoded once, every phrase decoded from that.

    Regions are its semantic map. Of counted prompts, the objects are those that score one half or
    more, a pixel belonging to the most probable; their probability is that of the mask.

    Parameters
    ----------
    parts : Pretrained
        Around a `Sam3Model`.
    device : torch.device
    """

    name = "sam3"

    def __init__(self, parts: Pretrained, *, device: torch.device) -> None:
        self.licence = parts.licence
        self.weights_sha256: str | None = parts.weights_sha256
        self._parts = parts
        self._model: Any = parts.model
        self._device = device
        torch.nn.Module.to(parts.model, device)

    @classmethod
    def load(cls, name: str, *, device: str = "auto") -> Sam3Segmentor:
        """Load ``sam3``, ``sam3:FOLDER`` or ``sam3:HUB/NAME`` from this machine.

        Raises
        ------
        ConfigError
            When the weights are not on this machine, or the device is not there.
        SegmentationError
            When the weights are damaged or of another network.
        """
        from transformers import Sam3Model

        folder = find_checkpoint(name, default=HUB_NAME)
        parts = read_pretrained(
            folder, Sam3Model, model_types=MODEL_TYPES, side_px=None, mean=MEAN, std=STD
        )
        return cls(parts, device=choose_device(device))

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Return "untrained" for every prompt."""
        return "untrained", SEEN, 0.0

    @torch.inference_mode()
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
        with precision(self._device):
            vision = self._model.get_vision_features(self._parts.pixels(image).to(self._device))
        found = [self._find(vision, prompt, image.shape[:2]) for prompt in parsed]
        return Segmentation(
            prompts=parsed,
            probabilities=np.stack([probabilities for probabilities, _, _ in found]),
            presence=np.array([presence for _, presence, _ in found], np.float32),
            mpp=mpp,
            interiors=(None,) * len(parsed),
            trained=("untrained",) * len(parsed),
            objects=tuple(objects for _, _, objects in found),
        )

    def _find(
        self, vision: Any, prompt: Prompt, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.float32], float, NDArray[np.int64] | None]:
        """(H, W) probabilities, presence, and (H, W) objects of a counted prompt."""
        words = {k: ids.to(self._device) for k, ids in self._parts.words([prompt.text]).items()}
        with precision(self._device):
            output = self._model(vision_embeds=vision, **words)
        presence = output.presence_logits.float().sigmoid().reshape(())
        if prompt.kind == "region":
            return _restore(output.semantic_seg[0], shape)[0], float(presence), None
        scores = output.pred_logits[0].float().sigmoid() * presence
        masks = output.pred_masks[0][scores >= OBJECT_SCORE]
        if not len(masks):
            return np.zeros(shape, np.float32), float(presence), np.zeros(shape, np.int64)
        planes = _restore(masks, shape)
        probabilities = planes.max(axis=0)
        objects = np.where(probabilities >= prompt.threshold, planes.argmax(axis=0) + 1, 0)
        return probabilities, float(presence), objects


def _restore(logits: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(N, h, w) logits to (N, H, W) probabilities."""
    full = functional.interpolate(logits[None].float(), size=shape, mode="bilinear")
    result: NDArray[np.float32] = full[0].sigmoid_().cpu().numpy()
    return result
