"""Fit how presence is made of the network's score and the strength of its mask, after a training.

On validation images, at the resolutions that are used; see `presence`. Nonsense that training has
used is told apart far better than what users will come up with, so other nonsense counts, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from pathexplain.prompts import Prompt
from pathexplain.segmentor.datasets.centres import IGNORE, without_rings
from pathexplain.segmentor.phrasing import NEVER_TRAINED, NONSENSE, free_wording
from pathexplain.segmentor.presence import PresenceCalibration
from pathexplain.segmentor.sampling import MIN_POSITIVE_PX
from pathexplain.vocabulary import NUCLEUS, canonical_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.reading import Field
    from pathexplain.segmentor.network_segmentor import NetworkSegmentor

__all__ = ["PresencePairs", "fit_presence", "presence_pairs"]

SIDE_UM = 320.0
MIN_PAIRS = 20
N_NONSENSE = 2
_DIGITS = 4


@dataclass(frozen=True, eq=False)
class PresencePairs:
    """(image, prompt) pairs of which it is known whether the one is in the other.

    Attributes
    ----------
    parts : (N, 2) float64
        Logits that presence is made of.
    is_there : (N,) bool
    is_hard : (N,) bool
        Whether the image's source annotates the category, or the words are nonsense that no
        training has used.
    """

    parts: NDArray[np.float64]
    is_there: NDArray[np.bool_]
    is_hard: NDArray[np.bool_]


def fit_presence(pairs: PresencePairs) -> PresenceCalibration | None:
    """Logistic weights of score and mask evidence, neither below 0.

    By maximum likelihood with the targets of Platt 1999 (Probabilistic outputs for support vector
    machines). Hard pairs and all others count alike in total: the latter are many, and easy.

    Parameters
    ----------
    pairs : PresencePairs

    Returns
    -------
    PresenceCalibration or None
        None where fewer than `MIN_PAIRS` pairs are there, or fewer are not: too few to tell.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> score = rng.normal(size=4000)
    >>> is_there = rng.random(4000) < expit(2 * score - 1)
    >>> parts = np.stack([score, np.zeros(4000)], axis=1)
    >>> fitted = fit_presence(PresencePairs(parts, is_there, np.ones(4000, bool)))
    >>> round(fitted.score), round(fitted.offset), round(fitted.mask)
    (2, -1, 0)
    """
    is_there, is_hard = pairs.is_there, pairs.is_hard
    n_there = int(is_there.sum())
    n_absent = len(is_there) - n_there
    if min(n_there, n_absent) < MIN_PAIRS:
        return None
    target = np.where(is_there, (n_there + 1) / (n_there + 2), 1 / (n_absent + 2))
    weight = np.where(is_hard, 1 / max(1, is_hard.sum()), 1 / max(1, (~is_hard).sum()))
    weight /= weight.sum()
    design = np.column_stack([pairs.parts, np.ones(len(is_there))])

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = design @ x
        value = float(weight @ (np.logaddexp(0, z) - target * z))
        return value, design.T @ (weight * (expit(z) - target))

    bounds = [(0.0, None), (0.0, None), (None, None)]
    fitted = minimize(loss, [1.0, 0.0, 0.0], jac=True, bounds=bounds).x
    score, mask, offset = (round(float(value), _DIGITS) for value in fitted)
    return PresenceCalibration(score=score, mask=mask, offset=offset)


def presence_pairs(
    segmentor: NetworkSegmentor, fields: Mapping[str, Sequence[Field]]
) -> PresencePairs:
    """Ask each field for what is there, for what is not, and for nonsense.

    What a field annotates is asked for twice: in canonical words, and in free ones that are not
    looked up in the vocabulary.
    """
    rng = np.random.default_rng(0)
    parts, is_there, is_hard = [], [], []
    for index, field in enumerate(field for members in fields.values() for field in members):
        side = int(SIDE_UM / field.mpp)
        prompts = []
        for name, truth, annotated in _asked(field, side):
            prompts.append(_prompt(field, name))
            is_there.append(truth)
            is_hard.append(annotated)
            if annotated:
                prompts.append(_free_prompt(field, name, rng))
                is_there.append(truth)
                is_hard.append(True)
        for words, is_new in _nonsense(index):
            prompts.append(Prompt.from_text(words))
            is_there.append(False)
            is_hard.append(is_new)
        parts.append(segmentor.presence_parts(field.image[:side, :side], prompts, mpp=field.mpp))
    return PresencePairs(
        np.concatenate([np.empty((0, 2)), *parts]),
        np.array(is_there, bool),
        np.array(is_hard, bool),
    )


def _nonsense(index: int) -> Iterable[tuple[str, bool]]:
    """Words that name nothing in a slide, in turn, and whether no training has used them."""
    for words, is_new in ((NONSENSE, False), (NEVER_TRAINED, True)):
        for step in range(N_NONSENSE):
            yield words[(N_NONSENSE * index + step) % len(words)], is_new


def _asked(field: Field, side: int) -> Iterable[tuple[str, bool, bool]]:
    """Categories of which it is known whether they are in the upper left of a field."""
    for name, target in field.targets.items():
        plane = target
        if field.seen is not None:
            plane = without_rings(target, field.targets[NUCLEUS], field.seen)
        seen = plane[:side, :side]
        if (seen == 1).sum() >= MIN_POSITIVE_PX:
            yield name, True, True
        elif not (seen == IGNORE).any() and not (seen == 1).any():
            yield name, False, True
    for name in field.absent:
        if name not in field.targets:
            yield name, False, False


def _prompt(field: Field, name: str) -> Prompt:
    """Ask for a category of a field canonically."""
    return Prompt.from_text(canonical_text(field.term(name).structure, name, field.record.region))


def _free_prompt(field: Field, name: str, rng: np.random.Generator) -> Prompt:
    """Ask for a category of a field in words that are read as they stand."""
    return Prompt("free", free_wording(field.term(name), rng))
