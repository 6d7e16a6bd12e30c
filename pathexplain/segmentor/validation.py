"""Figures while training: pixel Dice per class on held-out fields, and presence accuracy.

One pass over whole fields at the training resolution. The figures that are reported come from
`evaluation`, on images at their own resolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from pathexplain.segmentor.datasets.reading import IGNORE, Field
from pathexplain.segmentor.devices import precision
from pathexplain.segmentor.network import EncodedText, PathExplainModel
from pathexplain.segmentor.phrasing import NONSENSE
from pathexplain.segmentor.text import tokenize
from pathexplain.vocabulary import canonical_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

__all__ = ["MAX_SIDE", "THRESHOLD", "mean_dice", "predict", "validate"]

MAX_SIDE = 1024
THRESHOLD = 0.5


@torch.inference_mode()
def validate(
    model: PathExplainModel, tokenizer: Tokenizer, fields: Mapping[str, Sequence[Field]]
) -> dict[str, float]:
    """Return "dice/<source>/<class>" over pooled pixels, and "presence" accuracy.

    Returns
    -------
    dict of str to float
        NaN where a class has no positive pixel in the held-out fields.
    """
    model.eval()
    sums: dict[str, NDArray[np.float64]] = {}
    right: list[bool] = []
    for source, members in fields.items():
        for field in members:
            names = list(field.targets)
            probability, presence = predict(model, tokenizer, field, names)
            for index, name in enumerate(names):
                target = field.targets[name][:MAX_SIDE, :MAX_SIDE]
                known = target != IGNORE
                if not (target == 0).any() and not known.all():
                    continue  # only positives are annotated: any mask would look perfect
                found = (probability[index] >= THRESHOLD) & known
                truth = (target == 1) & known
                counts = np.array([(found & truth).sum(), found.sum(), truth.sum()], float)
                key = f"dice/{source}/{name}"
                sums[key] = sums.get(key, np.zeros(3)) + counts
                if truth.any() or known.all():
                    right.append(bool((presence[index] >= 0) == truth.any()))
            right.append(bool(presence[-1] < 0))
    dice = {
        key: float(2 * overlap / (found + truth)) if truth > 0 else float("nan")
        for key, (overlap, found, truth) in sums.items()
    }
    return dice | {"presence": float(np.mean(right)) if right else float("nan")}


def mean_dice(metrics: Mapping[str, float]) -> float:
    """Mean of the Dice coefficients of `validate`; NaN where none is defined.

    Examples
    --------
    >>> mean_dice({"dice/own/gland": 0.5, "dice/own/tumor": float("nan"), "presence": 1.0})
    0.5
    """
    values = [v for name, v in metrics.items() if name.startswith("dice/") and not np.isnan(v)]
    return float(np.mean(values)) if values else float("nan")


@torch.inference_mode()
def predict(
    model: PathExplainModel, tokenizer: Tokenizer, field: Field, names: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ask for categories, and for one thing that is in no slide, in the upper left of a field.

    Returns
    -------
    probabilities : (P, H, W) float32
        At most `MAX_SIDE` a side.
    presence : (P + 1,) float32
        Logits; the last is that of the nonsense.
    """
    device = next(model.parameters()).device
    image = field.image[:MAX_SIDE, :MAX_SIDE]
    height, width = image.shape[:2]
    pad = ((0, -height % 32), (0, -width % 32), (0, 0))
    pixels = np.moveaxis(np.pad(image, pad, mode="symmetric"), -1, 0)[None] / np.float32(127.5) - 1
    region = field.record.region
    prompts = [canonical_text(field.term(name).structure, name, region) for name in names]
    nonsense = NONSENSE[height % len(NONSENSE)]
    ids, mask = tokenize(tokenizer, [*prompts, nonsense], length=model.config.text_length)
    with precision(device):
        text = model.encode_text(ids.to(device), mask.to(device))
        batch = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
        encoded = model.encode_image(batch)
        output = model.decode(
            encoded, EncodedText(text.states[None], text.mask[None], text.sentence[None])
        )
    full = functional.interpolate(
        output.masks.float(), size=batch.shape[-2:], mode="bilinear", align_corners=False
    )
    logits = full[0, :-1, :height, :width]
    return logits.sigmoid().cpu().numpy(), output.presence[0].float().cpu().numpy()
