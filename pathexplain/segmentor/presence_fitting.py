"""Fit how presence is made of the network's score and the strength of its mask, after a training.

On validation images, at the resolutions that are used; see `presence`. Nonsense that training has
used is told apart far better than what users will come up with, so other nonsense counts, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from pathexplain.prompts import Prompt
from pathexplain.segmentor.datasets.centres import IGNORE, without_rings
from pathexplain.segmentor.phrasing import NEVER_TRAINED, NONSENSE
from pathexplain.segmentor.presence import PresenceCalibration
from pathexplain.segmentor.sampling import MIN_POSITIVE_PX
from pathexplain.vocabulary import NUCLEUS, canonical_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.segmentor.datasets.reading import Field
    from pathexplain.segmentor.network_segmentor import NetworkSegmentor

__all__ = ["fit_presence", "presence_pairs"]

SIDE_UM = 320.0
MIN_PAIRS = 20
N_NONSENSE = 2
_DIGITS = 4


def fit_presence(
    parts: NDArray[np.float64], is_there: NDArray[np.bool_], is_hard: NDArray[np.bool_]
) -> PresenceCalibration | None:
    """Logistic weights of score and mask evidence, neither below 0.

    By maximum likelihood with the targets of Platt 1999 (Probabilistic outputs for support vector
    machines). Hard pairs and all others count alike in total: the latter are many, and easy.

    Parameters
    ----------
    parts : (N, 2) float
    is_there : (N,) bool
    is_hard : (N,) bool
        Whether the image's source annotates the category, or the words are nonsense that no
        training has used.

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
    >>> fitted = fit_presence(parts, is_there, np.ones(4000, bool))
    >>> round(fitted.score), round(fitted.offset), round(fitted.mask)
    (2, -1, 0)
    """
    n_there = int(is_there.sum())
    n_absent = len(is_there) - n_there
    if min(n_there, n_absent) < MIN_PAIRS:
        return None
    target = np.where(is_there, (n_there + 1) / (n_there + 2), 1 / (n_absent + 2))
    weight = np.where(is_hard, 1 / max(1, is_hard.sum()), 1 / max(1, (~is_hard).sum()))
    weight /= weight.sum()
    design = np.column_stack([parts, np.ones(len(parts))])

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = design @ x
        value = float(weight @ (np.logaddexp(0, z) - target * z))
        return value, design.T @ (weight * (expit(z) - target))

    bounds = [(0.0, None), (0.0, None), (None, None)]
    score, mask, offset = minimize(loss, [1.0, 0.0, 0.0], jac=True, bounds=bounds).x
    return PresenceCalibration(
        score=round(float(score), _DIGITS),
        mask=round(float(mask), _DIGITS),
        offset=round(float(offset), _DIGITS),
    )


def presence_pairs(
    segmentor: NetworkSegmentor, fields: Mapping[str, Sequence[Field]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Ask each field for what is there, for what is not, and for nonsense.

    Returns
    -------
    parts : (N, 2) float64
    is_there, is_hard : (N,) bool
        As `fit_presence` takes them.
    """
    parts, is_there, is_hard = [], [], []
    for index, field in enumerate(field for members in fields.values() for field in members):
        side = int(SIDE_UM / field.mpp)
        prompts, truths, hard = [], [], []
        for name, truth, annotated in _asked(field, side):
            prompts.append(_prompt(field, name))
            truths.append(truth)
            hard.append(annotated)
        for words, is_new in _nonsense(index):
            prompts.append(Prompt.from_text(words))
            truths.append(False)
            hard.append(is_new)
        parts.append(segmentor.presence_parts(field.image[:side, :side], prompts, mpp=field.mpp))
        is_there += truths
        is_hard += hard
    if not parts:
        return np.empty((0, 2)), np.zeros(0, bool), np.zeros(0, bool)
    return np.concatenate(parts), np.array(is_there, bool), np.array(is_hard, bool)


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
