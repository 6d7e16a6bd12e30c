"""What of the network moves in a training, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from pathexplain.segmentor.network import PathExplainModel
    from pathexplain.segmentor.training_config import TrainingConfig

__all__ = ["freeze", "make_optimizer", "set_learning_rate", "set_modes"]

WARMUP_STEPS, WARMUP_SHARE = 60, 0.1


def freeze(model: PathExplainModel, settings: TrainingConfig) -> None:
    """Leave the text encoder as it is, and the image encoder where asked."""
    model.text_encoder.requires_grad_(requires_grad=False)
    if settings.freeze == "encoder":
        model.encoder.requires_grad_(requires_grad=False)


def set_modes(model: PathExplainModel, settings: TrainingConfig) -> None:
    """Let everything learn but what stays as it is: text, and what the settings keep."""
    model.train()
    model.text_encoder.eval()
    if settings.freeze == "encoder":
        model.encoder.eval()
    if settings.statistics == "kept":
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()


def make_optimizer(model: PathExplainModel, settings: TrainingConfig) -> torch.optim.AdamW:
    """AdamW; the image encoder, which starts trained, moves more slowly."""
    encoder = [p for p in model.encoder.parameters() if p.requires_grad]
    known = {id(parameter) for parameter in encoder}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups: list[dict[str, Any]] = [
        {"params": encoder, "peak": settings.encoder_learning_rate},
        {"params": others, "peak": settings.learning_rate},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def set_learning_rate(optimizer: Any, settings: TrainingConfig, step: int) -> None:
    """Linear warm-up, then a cosine to 1 % of the peak."""
    share = min(step / settings.steps, 1.0)
    factor = 0.01 + 0.99 * (1 + np.cos(np.pi * share)) / 2
    warmup = max(1, min(WARMUP_STEPS, round(WARMUP_SHARE * settings.steps)))
    factor *= min(1.0, (step + 1) / warmup)
    for group in optimizer.param_groups:
        group["lr"] = float(group["peak"] * factor)
