"""Held-out scores with bootstrap intervals over patients, ROC and calibration curves.

Every score takes patient weights, so that one matrix of resampling counts gives all intervals and
paired differences. Not for the permuted-label null: see `null`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import roc_curve

from pathexplain.diagnosis.crossval import CrossValidated, ratio_scores
from pathexplain.diagnosis.result import (
    CalibrationCurve,
    CalibrationPoint,
    Interval,
    Metric,
    RocCurve,
)
from pathexplain.diagnosis.target import BINARY

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "auprc",
    "auroc",
    "balanced_accuracy",
    "brier",
    "calibration_curves",
    "interval",
    "pooled_auroc",
    "resampling_weights",
    "roc_curves",
    "score_model",
    "wilson",
]

Floats = NDArray[np.float64]
Z95 = float(norm.ppf(0.975))


def resampling_weights(codes: NDArray[np.int64], *, n_bootstrap: int, seed: int) -> Floats:
    """Count how often each patient is drawn, (n_bootstrap, n); drawn within classes.

    Drawing within classes keeps every class in every resample.

    Examples
    --------
    >>> resampling_weights(np.array([0, 0, 1]), n_bootstrap=2, seed=0).sum(axis=1).tolist()
    [3.0, 3.0]
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_bootstrap, len(codes)))
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        weights[:, rows] = rng.multinomial(
            len(rows), np.full(len(rows), 1 / len(rows)), size=n_bootstrap
        )
    return weights


def interval(value: float, resampled: Floats) -> Interval:
    """Return `value` with the 2.5th and 97.5th percentile of its resamples (NaN if undefined)."""
    if np.isnan(resampled).any():
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def auroc(scores: Floats, codes: NDArray[np.int64], weights: Floats) -> Floats:
    """Area under the ROC curve, (B,); mean over classes against the rest for more than two.

    The share of pairs in which the patient of the class has the higher score, ties counting half
    (Hanley 1982, 10.1148/radiology.143.1.7063747).

    Parameters
    ----------
    scores : (n, K) float64, one column a class
    codes : (n,) int64
    weights : (B, n) float64, how often each patient counts

    Examples
    --------
    >>> s = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    >>> auroc(s, np.array([0, 0, 1, 1]), np.ones((1, 4))).tolist()
    [0.875]
    """
    return _mean_over_classes(_auroc_of_class, scores, codes, weights)


def auprc(scores: Floats, codes: NDArray[np.int64], weights: Floats) -> Floats:
    """Average precision, (B,); mean over classes for more than two. Parameters as in `auroc`.

    The sum over thresholds of the rise of recall times precision; a blind model reaches the
    class's share of the patients.
    """
    return _mean_over_classes(_auprc_of_class, scores, codes, weights)


def balanced_accuracy(scores: Floats, codes: NDArray[np.int64], weights: Floats) -> Floats:
    """Mean over classes of the share of its patients whose own class has the highest score, (B,).

    With `ratio_scores` this calls the class whose probability exceeds its share most.
    """
    is_right = (scores.argmax(axis=1) == codes).astype(float)
    recalls = [
        (weights * is_right)[:, codes == k].sum(axis=1) / weights[:, codes == k].sum(axis=1)
        for k in range(scores.shape[1])
    ]
    return np.asarray(np.mean(recalls, axis=0))


def brier(probabilities: Floats, codes: NDArray[np.int64], weights: Floats) -> Floats:
    """Mean squared error of the probabilities, (B,); for K > 2 summed over classes, halved.

    For two classes this is the usual (p - y)^2 (Brier 1950).
    """
    truth = np.eye(probabilities.shape[1])[codes]
    errors = ((probabilities - truth) ** 2).sum(axis=1) / 2
    return np.asarray(weights @ errors / weights.sum(axis=1))


def pooled_auroc(run: CrossValidated, codes: NDArray[np.int64]) -> float:
    """Return the AUROC of all held-out predictions together."""
    scores = ratio_scores(run.probabilities, run.priors)
    return float(auroc(scores, codes, np.ones((1, len(codes))))[0])


def score_model(
    run: CrossValidated, codes: NDArray[np.int64], weights: Floats
) -> tuple[Metric, ...]:
    """Return all scores of a model's held-out predictions with their intervals."""
    scores = ratio_scores(run.probabilities, run.priors)
    shares = np.bincount(codes) / len(codes)
    is_binary = len(shares) == BINARY
    one_class = float(shares[1] if is_binary else shares.mean())
    table: list[tuple[str, str, Callable[..., Floats], Floats, float, bool]] = [
        ("auroc", "AUROC", auroc, scores, 0.5, True),
        ("auprc", "AUPRC (average precision)", auprc, scores, one_class, True),
        (
            "balanced_accuracy",
            "Balanced accuracy",
            balanced_accuracy,
            scores,
            1 / len(shares),
            True,
        ),
        ("brier", "Brier score", brier, run.probabilities, float(1 - (shares**2).sum()) / 2, False),
    ]
    once = np.ones((1, len(codes)))
    return tuple(
        Metric(
            name=name,
            label=label,
            interval=interval(float(f(x, codes, once)[0]), f(x, codes, weights)),
            chance=chance,
            is_higher_better=is_higher_better,
            n=len(codes),
        )
        for name, label, f, x, chance, is_higher_better in table
    )


def roc_curves(
    run: CrossValidated, codes: NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[RocCurve, ...]:
    """Return the ROC curve of the positive class, or of each class against the rest."""
    scores = ratio_scores(run.probabilities, run.priors)
    once = np.ones((1, len(codes)))
    curves = []
    for k in _shown(len(classes)):
        false_rate, true_rate, _ = roc_curve(codes == k, scores[:, k])
        area = float(_auroc_of_class(scores[:, k], codes == k, once)[0])
        curves.append(
            RocCurve(classes[k], area, tuple(false_rate.tolist()), tuple(true_rate.tolist()))
        )
    return tuple(curves)


def calibration_curves(
    run: CrossValidated, codes: NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[CalibrationCurve, ...]:
    """Return predicted against observed shares in 3 to 10 bins of at least about 10 patients."""
    n_bins = int(np.clip(len(codes) // 10, 3, 10))
    return tuple(
        CalibrationCurve(classes[k], _calibrate(run.probabilities[:, k], codes == k, n_bins))
        for k in _shown(len(classes))
    )


def wilson(n_yes: int, n: int) -> Interval:
    """Return a share with its Wilson interval (Wilson 1927, 10.1080/01621459.1927.10502953).

    Examples
    --------
    >>> share = wilson(5, 10)
    >>> round(share.low, 3), round(share.high, 3)
    (0.237, 0.763)
    """
    share = n_yes / n
    center = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)) / (1 + Z95**2 / n)
    return Interval(share, float(max(center - half, 0.0)), float(min(center + half, 1.0)))


def _shown(n_classes: int) -> tuple[int, ...]:
    """Return the positive class alone for two classes, else all."""
    return (1,) if n_classes == BINARY else tuple(range(n_classes))


def _mean_over_classes(
    score: Callable[[Floats, NDArray[np.bool_], Floats], Floats],
    scores: Floats,
    codes: NDArray[np.int64],
    weights: Floats,
) -> Floats:
    """Average a one-class score over the classes that are shown."""
    parts = [score(scores[:, k], codes == k, weights) for k in _shown(scores.shape[1])]
    return np.asarray(np.mean(parts, axis=0))


def _auroc_of_class(scores: Floats, is_class: NDArray[np.bool_], weights: Floats) -> Floats:
    """Area under the ROC curve of one class against the rest, (B,)."""
    mine, rest = scores[is_class][:, None], scores[~is_class][None, :]
    wins = (mine > rest) + 0.5 * (mine == rest)
    w_mine, w_rest = weights[:, is_class], weights[:, ~is_class]
    pairs = w_mine.sum(axis=1) * w_rest.sum(axis=1)
    return np.asarray(((w_mine @ wins) * w_rest).sum(axis=1) / pairs)


def _auprc_of_class(scores: Floats, is_class: NDArray[np.bool_], weights: Floats) -> Floats:
    """Average precision of one class against the rest, (B,)."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum((weights * is_class)[:, order], axis=1)[:, last]
    called = np.cumsum(weights[:, order], axis=1)[:, last]
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    recall = hits / hits[:, -1:]
    return np.asarray((np.diff(recall, axis=1, prepend=0.0) * precision).sum(axis=1))


def _calibrate(
    predicted: Floats, is_class: NDArray[np.bool_], n_bins: int
) -> tuple[CalibrationPoint, ...]:
    """Bin patients by predicted probability; equal predictions share a bin."""
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bins = np.searchsorted(edges, predicted, side="right")
    return tuple(
        CalibrationPoint(
            predicted=float(predicted[bins == b].mean()),
            observed=wilson(int(is_class[bins == b].sum()), int((bins == b).sum())),
            n=int((bins == b).sum()),
        )
        for b in np.unique(bins)
    )
