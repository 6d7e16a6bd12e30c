"""One pass of a training batch through the network: phrases read once, losses as numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pathexplain.segmentor.losses import Losses, total_loss
from pathexplain.segmentor.network import EncodedText, PathExplainModel
from pathexplain.segmentor.text import tokenize

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pathexplain.segmentor.sampling import Batch

__all__ = ["batch_losses", "encode_phrases", "numbers"]


def batch_losses(
    prepared: Any,
    model: PathExplainModel,
    tokenizer: Tokenizer,
    batch: Batch,
    device: torch.device,
) -> Losses:
    """One forward pass of `prepared`, which is `model` as the accelerator wraps it."""
    text = encode_phrases(model, tokenizer, batch.phrases, device)
    pixels = batch.pixels.to(device).contiguous(memory_format=torch.channels_last)
    image, output = prepared(pixels, text)
    return total_loss(
        output.masks,
        output.presence,
        image.interiors,
        targets=batch.targets.to(device),
        seen=batch.presence.to(device),
        depth=batch.interior.to(device),
    )


def encode_phrases(
    model: PathExplainModel, tokenizer: Tokenizer, phrases: list[list[str]], device: torch.device
) -> EncodedText:
    """(B, K) phrases to (B, K, L, t); every distinct phrase is read once."""
    distinct = sorted({phrase for row in phrases for phrase in row})
    place = {phrase: index for index, phrase in enumerate(distinct)}
    ids, mask = tokenize(tokenizer, distinct, length=model.config.text_length)
    with torch.no_grad():
        encoded = model.encode_text(ids.to(device), mask.to(device))
    index: Tensor = torch.tensor([[place[phrase] for phrase in row] for row in phrases])
    index = index.to(device)
    return EncodedText(encoded.states[index], encoded.mask[index], encoded.sentence[index])


def numbers(losses: Losses) -> dict[str, float]:
    """Loss parts as numbers."""
    parts = {part.name: getattr(losses, part.name) for part in dataclasses.fields(losses)}
    return {name: float(value.detach()) for name, value in parts.items()}
