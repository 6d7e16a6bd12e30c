"""Fit how far masks of nuclei are moved out or in, after a training, on validation images.

Outlines of nuclei are drawn by many hands, so at a probability of a half masks can be too small or
too large everywhere. Only of nuclei as such: what a type of nucleus lacks in probability is mostly
doubt about the type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.segmentor.datasets.reading import IGNORE, Field
from pathexplain.segmentor.validation import MAX_SIDE, predict
from pathexplain.vocabulary import NUCLEUS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from pathexplain.segmentor.network import PathExplainModel

__all__ = ["OFFSETS", "best_offset", "fit_nucleus_offset"]

OFFSETS = np.arange(-1.0, 1.51, 0.25)
MIN_IMAGES, TOLERANCE = 10, 0.002
_OUTLINED = {"instances", "semantic"}


def fit_nucleus_offset(
    model: PathExplainModel, tokenizer: Tokenizer, fields: Mapping[str, Sequence[Field]]
) -> float | None:
    """Choose what is added to the mask logits of nuclei, by the Dice coefficient.

    Parameters
    ----------
    fields : mapping of source to its fields
        Held out. Centres without outlines and synthetic fields tell nothing of outlines.

    Returns
    -------
    float or None
        One of `OFFSETS`; None where fewer than `MIN_IMAGES` fields have outlined nuclei.
    """
    dice: dict[str, list[NDArray[np.float64]]] = {}
    model.eval()
    for source, members in fields.items():
        for field in filter(_is_outlined, members):
            (probability,), _ = predict(model, tokenizer, field, [NUCLEUS])
            truth = field.targets[NUCLEUS][:MAX_SIDE, :MAX_SIDE]
            dice.setdefault(source, []).append(_dice(probability, truth))
    if sum(map(len, dice.values())) < MIN_IMAGES:
        return None
    return best_offset([np.mean(rows, axis=0) for rows in dice.values()])


def best_offset(dice: Sequence[NDArray[np.float64]]) -> float:
    """Offset with the best mean over sources; of those as good, the one nearest to none.

    As good is what `TOLERANCE` cannot tell apart: the curve is flat, and its top is where chance
    has put it.

    Parameters
    ----------
    dice : sequence of (len(OFFSETS),) float64
        One a source.

    Examples
    --------
    >>> best_offset([np.array([0, 0, 0, 0, 0.7, 0.799, 0.8, 0.7, 0, 0, 0])])
    0.25
    """
    mean = np.mean(dice, axis=0)
    best = OFFSETS[mean >= mean.max() - TOLERANCE]
    return float(best[np.abs(best).argmin()])


def _is_outlined(field: Field) -> bool:
    """Whether outlines of nuclei, and not only their places, are known here."""
    if field.record.kind not in _OUTLINED or NUCLEUS not in field.targets:
        return False
    seen = field.targets[NUCLEUS][:MAX_SIDE, :MAX_SIDE]
    return bool((seen == 1).any() and (seen == 0).any())


def _dice(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Dice coefficient of the known pixels for each of `OFFSETS`."""
    known, is_there = truth != IGNORE, truth == 1
    thresholds = 1 / (1 + np.exp(OFFSETS))
    found = [(probability >= threshold) & known for threshold in thresholds]
    return np.array([2 * (mask & is_there).sum() / (mask.sum() + is_there.sum()) for mask in found])
