"""From held-out logits and activations to statements about patients.

Pure functions over arrays; nothing is read or trained here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

from pathexplain.diagnosis.attention.result import AttentionModel, ObjectContribution
from pathexplain.diagnosis.judging import CHANCE, SIGNIFICANT
from pathexplain.diagnosis.resampling import (
    auroc_resamples,
    interval_of,
    mean_interval,
    weighted_mean,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.networks.predictions import HeldOut
    from pathexplain.diagnosis.result import Interval, NullDistribution

__all__ = ["area", "contributions", "gain", "judge", "margins"]

BINARY = 2


def margins(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities: scores by which slides of different folds are ranked, (n, K)."""
    return np.asarray(log_softmax(logits, axis=1))


def judge(
    name: str,
    label: str,
    held_out: HeldOut,
    codes: NDArray[np.int64],
    weights: NDArray[np.float64],
    null: NullDistribution | None = None,
) -> AttentionModel:
    """Score one kind of network with intervals over patients.

    It is better than chance when the interval of its AUROC lies above 0.5 and, with a `null`, the
    permuted-label p-value is below 0.05.
    """
    logs = margins(held_out.logits)
    once = np.ones((1, len(codes)))
    found = interval_of(
        float(area(held_out.logits, codes, once)[0]), area(held_out.logits, codes, weights)
    )
    right = (held_out.logits.argmax(axis=1) == codes).astype(np.float64)
    classes = np.unique(codes)

    def balanced(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean recall over classes; NaN where one is not drawn."""
        recalls = [weighted_mean(np.where(codes == k, right, np.nan), rows) for k in classes]
        return np.asarray(np.mean(recalls, axis=0))

    shares = np.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    return AttentionModel(
        name=name,
        label=label,
        auroc=found,
        balanced_accuracy=interval_of(float(balanced(once)[0]), balanced(weights)),
        log_loss=mean_interval(-logs[np.arange(len(codes)), codes], weights),
        chance_loss=float(-(shares * np.log(shares)).sum()),
        null=null,
        is_better_than_chance=found.above(CHANCE) and (null is None or null.p_value < SIGNIFICANT),
    )


def area(
    logits: NDArray[np.float64], codes: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AUROC of held-out logits, (n, K), one a row of `weights`, (B, n)."""
    return auroc_resamples(_scores(logits), codes, weights)


def _scores(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of each class, (n, K)."""
    logs = margins(logits)
    rest = np.log(-np.expm1(np.minimum(logs, -1e-15)))
    return logs - rest


def gain(
    objects: HeldOut, plain: HeldOut, codes: NDArray[np.int64], weights: NDArray[np.float64]
) -> Interval:
    """AUROC of the object-aware network less that of the plain one, on the same resamples."""

    def difference(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """One difference a row of weights."""
        return area(objects.logits, codes, rows) - area(plain.logits, codes, rows)

    return interval_of(float(difference(np.ones((1, len(codes))))[0]), difference(weights))


def contributions(
    held_out: HeldOut,
    codes: NDArray[np.int64],
    patients: Sequence[str],
    weights: NDArray[np.float64],
    *,
    objects: Sequence[str],
    classes: Sequence[str],
) -> tuple[ObjectContribution, ...]:
    """Say what each object adds to each class; for two classes to the last one alone."""
    shown = range(1, BINARY) if len(classes) == BINARY else range(len(classes))
    return tuple(
        _contribution(
            held_out.activations[:, index, code],
            codes == code,
            patients,
            weights,
            names=(name, classes[code]),
        )
        for code in shown
        for index, name in enumerate(objects)
    )


def _contribution(
    values: NDArray[np.float64],
    is_own: NDArray[np.bool_],
    patients: Sequence[str],
    weights: NDArray[np.float64],
    *,
    names: tuple[str, str],
) -> ObjectContribution:
    """One object and one class."""
    own, rest = (np.where(rows, values, np.nan) for rows in (is_own, ~is_own))
    once = np.ones((1, len(values)))
    difference = weighted_mean(own, weights) - weighted_mean(rest, weights)
    value = float((weighted_mean(own, once) - weighted_mean(rest, once))[0])
    known = np.isfinite(values)
    scores = np.column_stack([-values[known], values[known]])
    codes = is_own[known].astype(np.int64)
    return ObjectContribution(
        object=names[0],
        class_name=names[1],
        contribution_own=mean_interval(own, weights),
        contribution_rest=mean_interval(rest, weights),
        difference=interval_of(value, difference),
        auroc=interval_of(
            float(auroc_resamples(scores, codes, once[:, known])[0]),
            auroc_resamples(scores, codes, weights[:, known]),
        ),
        n_slides=int(known.sum()),
        n_patients=len({p for p, k in zip(patients, known, strict=True) if k}),
    )
