"""Is the presence score right: ranking, calibration, and what is painted where nothing is.

Every figure is over (image, prompt) pairs, of three sorts: categories that the source annotates,
so that an absence was seen by whoever annotated; categories that cannot occur in the source; and
words that name nothing in a slide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from pathexplain.errors import ConfigError
from pathexplain.segmentor.assessment.intervals import Score, draw_units, limits, mean_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Calibration",
    "Pair",
    "PresenceScore",
    "ReliabilityBin",
    "Sort",
    "auroc",
    "calibrate",
    "calibration_error",
    "fit_calibration",
    "presence_logit",
    "reliability",
    "summarise_presence",
]

N_BINS = 15
LEAST_PROBABILITY = 1e-7
_NO_SCORE = Score(float("nan"), float("nan"), float("nan"), 0)
Sort = Literal["annotated", "impossible", "nonsense", "unseen nonsense"]


@dataclass(frozen=True)
class Pair:
    """One image and prompt: the presence score, whether it is there, whether the mask is empty."""

    presence: float
    is_there: bool
    is_empty: bool
    sort: Sort
    unit: str


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs with a presence from `low` up to `high`; the means are NaN where there are none."""

    low: float
    high: float
    n_pairs: int
    mean_presence: float
    share_there: float


@dataclass(frozen=True)
class Calibration:
    """Presence as it should be: expit(scale × logit + offset), with the pairs it was fitted to."""

    scale: float
    offset: float
    n_pairs: int
    error_before: float
    error_after: float


@dataclass(frozen=True)
class PresenceScore:
    """Figures over (image, prompt) pairs; `Score.n_images` counts pairs here.

    Attributes
    ----------
    auroc, calibration_error : Score
        Over all pairs.
    auroc_annotated, calibration_error_annotated : Score
        Over the categories that a source annotates alone: the hard pairs.
    empty_annotated, empty_impossible, empty_nonsense, empty_unseen_nonsense : Score
        Share of empty masks for categories that are annotated in the source but absent from the
        image, for categories that cannot occur in it, for nonsense that training used, and for
        nonsense that it did not.
    missed : Score
        Share of categories that are there and got an empty mask.
    reliability : tuple of ReliabilityBin
    calibration : Calibration or None
        Fitted on these pairs; None on test images, where nothing may be fitted.
    """

    auroc: Score
    calibration_error: Score
    auroc_annotated: Score
    calibration_error_annotated: Score
    empty_annotated: Score
    empty_impossible: Score
    empty_nonsense: Score
    empty_unseen_nonsense: Score
    missed: Score
    reliability: tuple[ReliabilityBin, ...]
    calibration: Calibration | None


def auroc(score: ArrayLike, truth: ArrayLike) -> float:
    """Area under the ROC curve, as the Mann–Whitney statistic; NaN when only one class is there.

    Examples
    --------
    >>> auroc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    0.75
    """
    is_true = np.asarray(truth, bool)
    n_true = int(is_true.sum())
    n_false = len(is_true) - n_true
    if n_true == 0 or n_false == 0:
        return float("nan")
    ranks = rankdata(np.asarray(score, float))
    return float((ranks[is_true].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false))


def reliability(
    presence: ArrayLike, truth: ArrayLike, *, n_bins: int = N_BINS
) -> tuple[ReliabilityBin, ...]:
    """Stated probability against observed share, in bins of equal width.

    Parameters
    ----------
    presence : (N,) float in [0, 1]
    truth : (N,) bool
    n_bins : int

    Raises
    ------
    ConfigError
        When a presence lies outside [0, 1].

    Examples
    --------
    >>> low, high = reliability([0.2, 0.4, 0.9], [False, True, True], n_bins=2)
    >>> low.n_pairs, low.share_there, high.share_there
    (2, 0.5, 1.0)
    """
    stated, is_true = np.asarray(presence, float), np.asarray(truth, bool)
    if len(stated) and not ((stated >= 0) & (stated <= 1)).all():
        message = f"presence must lie in [0, 1], got {stated.min():g} to {stated.max():g}"
        raise ConfigError(message)
    index = _bins(stated, n_bins)
    counts = np.bincount(index, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(index, stated, n_bins) / counts
        shares = np.bincount(index, is_true.astype(float), n_bins) / counts
    return tuple(
        ReliabilityBin(i / n_bins, (i + 1) / n_bins, int(counts[i]), float(m), float(s))
        for i, (m, s) in enumerate(zip(means, shares, strict=True))
    )


def calibration_error(presence: ArrayLike, truth: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Compute the expected calibration error of a stated probability.

    Mean over pairs of |stated − observed| in their bin of equal width (Guo 2017, On calibration of
    modern neural networks, arXiv 1706.04599, equation 3, for the probability of one class).

    Returns
    -------
    float
        In [0, 1]; NaN without pairs.

    Examples
    --------
    Ten pairs stated at 0.9, of which seven are there:

    >>> round(calibration_error([0.9] * 10, [True] * 7 + [False] * 3), 6)
    0.2
    """
    table = [row for row in reliability(presence, truth, n_bins=n_bins) if row.n_pairs]
    total = sum(row.n_pairs for row in table)
    if total == 0:
        return float("nan")
    gaps = (row.n_pairs * abs(row.mean_presence - row.share_there) for row in table)
    return float(sum(gaps) / total)


def presence_logit(presence: ArrayLike) -> NDArray[np.float64]:
    """Logit of a probability, kept finite: within ±16.1."""
    kept = np.clip(np.asarray(presence, float), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log(kept) - np.log1p(-kept), np.float64)


def calibrate(presence: ArrayLike, *, scale: float, offset: float) -> NDArray[np.float64]:
    """Return expit(scale × logit(presence) + offset): what `fit_calibration` fits.

    Examples
    --------
    >>> calibrate([0.5, 0.9], scale=1.0, offset=0.0).round(6).tolist()
    [0.5, 0.9]
    """
    return np.asarray(expit(scale * presence_logit(presence) + offset), np.float64)


def fit_calibration(presence: ArrayLike, truth: ArrayLike) -> Calibration:
    """Scale and shift the logit of presence so that it states what is observed.

    Two parameters by maximum likelihood, with the targets of Platt 1999 (Probabilistic outputs for
    support vector machines), which keep the scale finite where both classes separate; Guo 2017,
    arXiv 1706.04599, compares such fits for networks. Meant for validation pairs.

    Parameters
    ----------
    presence : (N,) float in [0, 1]
    truth : (N,) bool

    Raises
    ------
    ConfigError
        When all pairs are of one class.
    """
    stated, is_true = np.asarray(presence, float), np.asarray(truth, bool)
    n_true = int(is_true.sum())
    n_false = len(is_true) - n_true
    if n_true == 0 or n_false == 0:
        message = f"presence cannot be calibrated on {n_true} present and {n_false} absent pairs"
        raise ConfigError(message)
    logit = presence_logit(stated)
    target = np.where(is_true, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x[0] * logit + x[1]
        gap = (expit(z) - target) / len(z)
        return float(np.mean(np.logaddexp(0, z) - target * z)), np.array([gap @ logit, gap.sum()])

    scale, offset = minimize(loss, [1.0, 0.0], jac=True, bounds=[(1e-3, None), (None, None)]).x
    after = calibrate(stated, scale=scale, offset=offset)
    return Calibration(
        scale=float(scale),
        offset=float(offset),
        n_pairs=len(stated),
        error_before=calibration_error(stated, is_true),
        error_after=calibration_error(after, is_true),
    )


def summarise_presence(pairs: Sequence[Pair], *, may_fit: bool, seed: int = 0) -> PresenceScore:
    """All figures of presence, with intervals over units; see `PresenceScore`."""
    annotated = [pair for pair in pairs if pair.sort == "annotated"]
    is_mixed = len({pair.is_there for pair in pairs}) > 1
    score, truth = _columns(pairs)
    empty = {
        sort: _share_empty([p for p in pairs if p.sort == sort and not p.is_there], seed)
        for sort in ("annotated", "impossible", "nonsense", "unseen nonsense")
    }
    return PresenceScore(
        auroc=_auroc_score(pairs, seed),
        calibration_error=_error_score(pairs, seed),
        auroc_annotated=_auroc_score(annotated, seed),
        calibration_error_annotated=_error_score(annotated, seed),
        empty_annotated=empty["annotated"],
        empty_impossible=empty["impossible"],
        empty_nonsense=empty["nonsense"],
        empty_unseen_nonsense=empty["unseen nonsense"],
        missed=_share_empty([pair for pair in pairs if pair.is_there], seed),
        reliability=reliability(score, truth),
        calibration=fit_calibration(score, truth) if may_fit and is_mixed else None,
    )


def _columns(pairs: Sequence[Pair]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Presence and truth of pairs."""
    score = np.array([pair.presence for pair in pairs], float)
    return score, np.array([pair.is_there for pair in pairs], bool)


def _auroc_score(pairs: Sequence[Pair], seed: int) -> Score:
    """AUROC with its interval: the Mann–Whitney statistic, with every pair as often as drawn."""
    if not pairs:
        return _NO_SCORE
    score, truth = _columns(pairs)
    index, times = draw_units([pair.unit for pair in pairs], seed=seed)
    order = np.argsort(score, kind="stable")
    _, starts = np.unique(score[order], return_index=True)
    weights = times[:, index[order]].astype(float)
    positive = np.add.reduceat(weights * truth[order], starts, axis=1)
    negative = np.add.reduceat(weights * ~truth[order], starts, axis=1)
    won = (positive * (np.cumsum(negative, axis=1) - negative / 2)).sum(axis=1)
    possible = positive.sum(axis=1) * negative.sum(axis=1)
    drawn = won[possible > 0] / possible[possible > 0]
    low, high = limits(drawn, n_units=times.shape[1])
    return Score(auroc(score, truth), low, high, len(pairs), times.shape[1])


def _error_score(pairs: Sequence[Pair], seed: int) -> Score:
    """Calibration error with its interval: gaps of each bin, with every pair as often as drawn."""
    if not pairs:
        return _NO_SCORE
    score, truth = _columns(pairs)
    index, times = draw_units([pair.unit for pair in pairs], seed=seed)
    gaps = np.zeros((times.shape[1], N_BINS))
    np.add.at(gaps, (index, _bins(score, N_BINS)), score - truth)
    n_drawn = times @ np.bincount(index, minlength=times.shape[1])
    drawn = np.abs(times @ gaps).sum(axis=1) / n_drawn
    low, high = limits(drawn, n_units=times.shape[1])
    return Score(calibration_error(score, truth), low, high, len(pairs), times.shape[1])


def _bins(stated: NDArray[np.float64], n_bins: int) -> NDArray[np.intp]:
    """Bin of equal width of each probability; 1 belongs to the last."""
    return np.minimum((stated * n_bins).astype(np.intp), n_bins - 1)


def _share_empty(pairs: Sequence[Pair], seed: int) -> Score:
    """Share of empty masks."""
    return mean_score([float(p.is_empty) for p in pairs], [p.unit for p in pairs], seed=seed)
