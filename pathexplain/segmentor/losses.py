"""The training losses, each seeing only what somebody annotated.

Mask: binary cross-entropy plus Dice with equal weights, as in the paper (Chen 2025,
arXiv 2506.20988). Added: presence, and the interior maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn import functional

from pathexplain.segmentor.datasets.reading import IGNORE

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Losses", "interior_loss", "mask_loss", "presence_loss", "total_loss"]

PRESENCE_WEIGHT = 0.3
INTERIOR_WEIGHT = 1.0
ABSENT_WEIGHT = 0.3
_SMOOTH = 1.0


@dataclass(frozen=True)
class Losses:
    """The parts of the loss, scalars, and their weighted sum."""

    cross_entropy: Tensor
    dice: Tensor
    presence: Tensor
    interior: Tensor

    @property
    def total(self) -> Tensor:
        """Weighted sum."""
        return (
            self.cross_entropy
            + self.dice
            + PRESENCE_WEIGHT * self.presence
            + INTERIOR_WEIGHT * self.interior
        )


def mask_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy over known pixels, and 1 - soft Dice over prompts that have positives.

    In the mean cross-entropy a prompt without positives weighs `ABSENT_WEIGHT`: there are many,
    and they are easy.

    Parameters
    ----------
    logits : (B, K, H, W) float
    targets : (B, K, H, W) uint8
        1, 0, or 255 where unknown.

    Examples
    --------
    >>> import torch
    >>> logits = torch.full((1, 1, 2, 2), 20.0)
    >>> entropy, dice = mask_loss(logits, torch.ones(1, 1, 2, 2, dtype=torch.uint8))
    >>> round(float(entropy), 4), round(float(dice), 4)
    (0.0, 0.0)
    """
    known = (targets != IGNORE).to(logits.dtype)
    truth = (targets == 1).to(logits.dtype)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    n_known = known.sum((2, 3)).clamp_min(1)
    per_prompt = (entropy * known).sum((2, 3)) / n_known
    probability = logits.sigmoid() * known
    overlap = 2 * (probability * truth).sum((2, 3)) + _SMOOTH
    dice = 1 - overlap / (probability.sum((2, 3)) + truth.sum((2, 3)) + _SMOOTH)
    has_positive = (truth.sum((2, 3)) > 0).to(logits.dtype)
    weight = ABSENT_WEIGHT + (1 - ABSENT_WEIGHT) * has_positive
    mean_entropy = (per_prompt * weight).sum() / weight.sum()
    return mean_entropy, (dice * has_positive).sum() / has_positive.sum().clamp_min(1)


def presence_loss(logits: Tensor, presence: Tensor) -> Tensor:
    """Cross-entropy over (image, prompt) pairs whose presence is known.

    Examples
    --------
    >>> import torch
    >>> float(presence_loss(torch.zeros(1, 2), torch.tensor([[1.0, float("nan")]]))) < 0.6932
    True
    """
    known = ~presence.isnan()
    truth = presence.nan_to_num(0.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (entropy * known).sum() / known.sum().clamp_min(1)


def interior_loss(logits: Tensor, interior: Tensor) -> Tensor:
    """Cross-entropy to relative depth (B, 2, H, W) uint8 in 0..254, objects weighted up."""
    known = interior != IGNORE
    depth = interior.to(logits.dtype) / 254
    entropy = functional.binary_cross_entropy_with_logits(
        logits, depth.clamp(0, 1), reduction="none"
    )
    weight = known * (1 + 2 * (depth > 0))
    return (entropy * weight).sum() / weight.sum().clamp_min(1)


def total_loss(
    masks: Tensor,
    presence: Tensor,
    interiors: Tensor,
    *,
    targets: Tensor,
    seen: Tensor,
    depth: Tensor,
) -> Losses:
    """All parts; maps at half resolution are brought to that of the targets."""
    size = targets.shape[-2:]
    logits = functional.interpolate(masks.float(), size=size, mode="bilinear", align_corners=False)
    inner = functional.interpolate(
        interiors.float(), size=size, mode="bilinear", align_corners=False
    )
    entropy, dice = mask_loss(logits, targets)
    return Losses(entropy, dice, presence_loss(presence.float(), seen), interior_loss(inner, depth))
