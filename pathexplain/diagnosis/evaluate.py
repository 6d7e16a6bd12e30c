"""Held-out scores with bootstrap intervals over patients, ROC and calibration curves.

Every score takes row weights, so that one matrix of resampling counts gives all intervals and
paired differences. Not for the permuted-label null: see `null`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import roc_curve

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

    from pathexplain.diagnosis.crossval import CrossValidated
    from pathexplain.diagnosis.outputs import Questions

__all__ = [
    "auprc",
    "auroc",
    "balanced_accuracy",
    "brier",
    "calibration_curves",
    "interval",
    "mean_auroc",
    "pooled_auroc",
    "quadratic_kappa",
    "roc_curves",
    "score_model",
    "wilson",
]

Floats = NDArray[np.float64]
Z95 = float(norm.ppf(0.975))


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

    Given probabilities over shares, the class called is the one that exceeds its share most.
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


def quadratic_kappa(scores: Floats, codes: NDArray[np.int64], weights: Floats) -> Floats:
    """Agreement of called and true class beyond chance, off by two steps counting fourfold, (B,).

    1 is perfect, 0 what chance gives (Cohen 1968, 10.1037/h0026256). The class called is the one
    with the highest score. NaN where all patients are in one class.
    """
    n_classes = scores.shape[1]
    pairs = np.eye(n_classes**2)[codes * n_classes + scores.argmax(axis=1)]
    table = (weights @ pairs).reshape(-1, n_classes, n_classes)
    steps = np.subtract.outer(np.arange(n_classes), np.arange(n_classes)) ** 2.0
    total = table.sum(axis=(1, 2))
    by_chance = table.sum(axis=2)[:, :, None] * table.sum(axis=1)[:, None, :]
    expected = (by_chance * steps).sum(axis=(1, 2)) / total
    off = np.divide(
        (table * steps).sum(axis=(1, 2)),
        expected,
        out=np.full(len(total), np.nan),
        where=expected > 0,
    )
    return np.asarray(1 - off)


def mean_auroc(scores: Floats, answers: NDArray[np.bool_], weights: Floats) -> Floats:
    """Mean over questions of the AUROC of their score, (B,).

    Parameters
    ----------
    scores, answers : (n, L), one column a question
    weights : (B, n) float64
    """
    parts = [
        _auroc_of_class(mine, yes, weights) for mine, yes in zip(scores.T, answers.T, strict=True)
    ]
    return np.asarray(np.mean(parts, axis=0))


def pooled_auroc(run: CrossValidated, codes: NDArray[np.int64], weights: Floats) -> float:
    """Return the AUROC of all held-out predictions together; `weights` (n,) of the rows."""
    return float(mean_auroc(run.scores, run.questions.answers(codes), weights[None])[0])


def score_model(
    run: CrossValidated, codes: NDArray[np.int64], base: Floats, weights: Floats, *, n: int
) -> tuple[Metric, ...]:
    """Return all scores of a model's held-out predictions with their intervals.

    Parameters
    ----------
    codes : (n,) int64
    base : (n,) float64, weight of each row
    weights : (B, n) float64, weights in resamples of patients
    n : number of patients
    """
    answers = run.questions.answers(codes)
    shares = np.bincount(codes, base) / base.sum()
    yes = base @ answers / base.sum()
    metrics = []
    for name, label, score, chance in _scores(run.questions, yes, shares):
        values = [score(run, codes, answers, w) for w in (base[None], weights)]
        better = name != "brier"
        found = interval(float(values[0][0]), values[1])
        metrics.append(Metric(name, label, found, chance, better, n))
    return tuple(metrics)


def _scores(
    questions: Questions, yes: Floats, shares: Floats
) -> list[tuple[str, str, Callable[..., Floats], float]]:
    """List name, label, function and chance of every score that fits the target."""
    auprc_label = "AUPRC (average precision)"
    table: list[tuple[str, str, Callable[..., Floats], float]] = [
        ("auroc", "AUROC", lambda run, _, a, w: mean_auroc(run.scores, a, w), 0.5),
        ("auprc", auprc_label, lambda run, _, a, w: _auprc(run.scores, a, w), float(yes.mean())),
        (
            "balanced_accuracy",
            "Balanced accuracy",
            lambda run, codes, _, w: balanced_accuracy(_class_scores(run), codes, w),
            1 / len(shares),
        ),
        (
            "brier",
            "Brier score",
            lambda run, codes, _, w: brier(run.probabilities, codes, w),
            float(1 - (shares**2).sum()) / 2,
        ),
    ]
    if questions.kind == "ordinal":
        table.append(
            (
                "quadratic_kappa",
                "Quadratic weighted kappa",
                lambda run, codes, _, w: quadratic_kappa(_class_scores(run), codes, w),
                0.0,
            )
        )
    return table


def _class_scores(run: CrossValidated) -> Floats:
    """Return how far each class's probability exceeds its share in training, as a ratio, (n, K)."""
    return run.probabilities / run.priors


def roc_curves(run: CrossValidated, codes: NDArray[np.int64], base: Floats) -> tuple[RocCurve, ...]:
    """Return the ROC curve of each question."""
    scores, answers = run.scores, run.questions.answers(codes)
    curves = []
    for i, name in enumerate(run.questions.names):
        mine, yes = scores[:, i], answers[:, i]
        false_rate, true_rate, _ = roc_curve(yes, mine, sample_weight=base)
        area = float(_auroc_of_class(mine, yes, base[None])[0])
        curves.append(RocCurve(name, area, tuple(false_rate.tolist()), tuple(true_rate.tolist())))
    return tuple(curves)


def calibration_curves(
    run: CrossValidated, codes: NDArray[np.int64], base: Floats, patients: NDArray[np.str_]
) -> tuple[CalibrationCurve, ...]:
    """Return predicted against observed shares in 3 to 10 bins of at least about 10 patients."""
    predicted, answers = (
        run.questions.probabilities(run.probabilities),
        run.questions.answers(codes),
    )
    n_bins = int(np.clip(len(np.unique(patients)) // 10, 3, 10))
    return tuple(
        CalibrationCurve(
            name, _calibrate(predicted[:, i], answers[:, i], base, patients, n_bins=n_bins)
        )
        for i, name in enumerate(run.questions.names)
    )


def wilson(n_yes: float, n: int) -> Interval:
    """Return a share with its Wilson interval (Wilson 1927, 10.1080/01621459.1927.10502953).

    `n_yes` may be a fraction, where patients of several rows count in part.

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


def _mean_over_classes(
    score: Callable[[Floats, NDArray[np.bool_], Floats], Floats],
    scores: Floats,
    codes: NDArray[np.int64],
    weights: Floats,
) -> Floats:
    """Average a one-class score over the positive class alone for two classes, else over all."""
    shown = (1,) if scores.shape[1] == BINARY else range(scores.shape[1])
    parts = [score(scores[:, k], codes == k, weights) for k in shown]
    return np.asarray(np.mean(parts, axis=0))


def _auprc(scores: Floats, answers: NDArray[np.bool_], weights: Floats) -> Floats:
    """Mean over questions of the average precision, (B,)."""
    parts = [
        _auprc_of_class(mine, yes, weights) for mine, yes in zip(scores.T, answers.T, strict=True)
    ]
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
    predicted: Floats,
    yes: NDArray[np.bool_],
    base: Floats,
    patients: NDArray[np.str_],
    *,
    n_bins: int,
) -> tuple[CalibrationPoint, ...]:
    """Bin rows by predicted probability; equal predictions share a bin.

    Where patients have several rows, the interval counts patients, not rows.
    """
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bins = np.searchsorted(edges, predicted, side="right")
    points = []
    for b in np.unique(bins):
        inside = bins == b
        n, weight = len(np.unique(patients[inside])), base[inside] / base[inside].sum()
        share = float((weight * yes[inside]).sum())
        mean = float((weight * predicted[inside]).sum())
        points.append(CalibrationPoint(mean, wilson(share * n, n), n))
    return tuple(points)
