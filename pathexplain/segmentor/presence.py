"""Whether a category is in a tile at all: the network's own score and the strength of its mask.

Either alone misses what the other sees: the score knows the tile as a whole, the mask the one place
where something small is. Weights and offset are fitted on validation images, so that the result is
a probability (Platt 1999, Probabilistic outputs for support vector machines).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["EVIDENCE_PX", "PresenceCalibration", "mask_evidence"]

EVIDENCE_PX = 64


@dataclass(frozen=True)
class PresenceCalibration:
    """Weights of the score's logit and of the mask's evidence, and an offset.

    Examples
    --------
    The default takes the score as it is:

    >>> import torch
    >>> PresenceCalibration()(torch.tensor([0.0]), torch.tensor([9.0]))
    tensor([0.5000])
    """

    score: float = 1.0
    mask: float = 0.0
    offset: float = 0.0

    @classmethod
    def from_config(cls, fields: Mapping[str, float] | None) -> PresenceCalibration:
        """From the field `presence_calibration` of a checkpoint's configuration; None is none."""
        return cls(**{name: float(value) for name, value in (fields or {}).items()})

    def __call__(self, score: Tensor, evidence: Tensor) -> Tensor:
        """Probability in [0, 1] from logits of one shape."""
        probability: Tensor = (self.score * score + self.mask * evidence + self.offset).sigmoid()
        return probability


def mask_evidence(masks: Tensor) -> Tensor:
    """Mean of the `EVIDENCE_PX` largest logits of each mask: about the area of one nucleus.

    Parameters
    ----------
    masks : (..., H, W) float

    Returns
    -------
    (...) float32

    Examples
    --------
    >>> import torch
    >>> masks = torch.full((1, 32, 32), -5.0)
    >>> masks[0, :8, :8] = 3.0
    >>> mask_evidence(masks)
    tensor([3.])
    """
    flat = masks.flatten(-2).float()
    strongest: Tensor = flat.topk(min(EVIDENCE_PX, flat.shape[-1]), dim=-1).values
    return strongest.mean(dim=-1)
