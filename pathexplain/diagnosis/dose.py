"""Dose curves: how the predicted probability changes as one feature rises, with its support.

Accumulated local effects (Apley 2020, 10.1111/rssb.12377): within each short interval of the
feature, only patients who lie there are moved, from its lower to its upper end, so that no
combination of features is made that no patient has. Not a causal effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.result import DoseCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.diagnosis.crossval import CrossValidated

__all__ = ["dose_curve"]

MOST_INTERVALS = 20
LEAST_PER_INTERVAL = 8
"""Fewer patients than this in an interval would make its slope a matter of chance."""


def dose_curve(  # noqa: PLR0913 - keyword-only, the words of one curve
    run: CrossValidated,
    values: NDArray[np.float64],
    *,
    i_feature: int,
    i_question: int,
    feature: str,
    unit: str,
    class_name: str,
    base: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> DoseCurve:
    """Accumulate the local effects of a feature on the probability of answering yes.

    Parameters
    ----------
    run : fitted folds; each row is moved through the model that did not see its patient
    values : (n, p) float64
    i_feature, i_question : which feature, which question
    base : (n,) float64, weight of each row
    weights : (B, n) float64, weights in resamples of patients, for the interval
    """
    column = values[:, i_feature]
    known = ~np.isnan(column)
    n_intervals = int(np.clip(known.sum() // LEAST_PER_INTERVAL, 2, MOST_INTERVALS))
    grid = np.unique(np.quantile(column[known], np.linspace(0, 1, n_intervals + 1)))
    inside = np.clip(np.searchsorted(grid, column[known], side="left"), 1, len(grid) - 1)
    interval = np.zeros(len(column), dtype=np.int64)
    interval[known] = inside
    effect = _local_effects(run, values, i_feature, i_question, grid, interval)
    in_interval = np.eye(len(grid))[interval] * known[:, None]
    level = float(base @ run.questions.probabilities(run.probabilities)[:, i_question] / base.sum())
    middle = _accumulate(effect, in_interval, base[None], level)[0]
    resampled = _accumulate(effect, in_interval, weights, level)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    return DoseCurve(
        feature=feature,
        unit=unit,
        class_name=class_name,
        grid=tuple(grid.tolist()),
        probability=tuple(middle.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        support=tuple(in_interval.sum(axis=0).astype(int).tolist()),
    )


def _local_effects(
    run: CrossValidated,
    values: NDArray[np.float64],
    i_feature: int,
    i_question: int,
    grid: NDArray[np.float64],
    interval: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return each row's change from the lower to the upper end of its interval, (n,)."""
    effect = np.zeros(len(values))
    for fitted in run.fitted:
        rows = fitted.fold.test[interval[fitted.fold.test] > 0]
        if rows.size == 0:
            continue
        ends = []
        for step in (1, 0):
            moved = values[rows].copy()
            moved[:, i_feature] = grid[interval[rows] - step]
            predicted = fitted.pipeline.predict_proba(moved)
            ends.append(run.questions.probabilities(predicted)[:, i_question])
        effect[rows] = ends[1] - ends[0]
    return effect


def _accumulate(
    effect: NDArray[np.float64],
    in_interval: NDArray[np.float64],
    weights: NDArray[np.float64],
    level: float,
) -> NDArray[np.float64]:
    """Sum the mean effects of the intervals from the left, (B, g), their mean set to `level`."""
    total = weights @ in_interval
    mean = np.divide(
        (weights * effect) @ in_interval, total, out=np.zeros_like(total), where=total > 0
    )
    curve = np.cumsum(mean, axis=1)
    # The curve over an interval is taken as the mean of its two ends (Apley 2020).
    halves = (curve[:, 1:] + curve[:, :-1]) / 2
    center = (halves * total[:, 1:]).sum(axis=1) / total[:, 1:].sum(axis=1)
    return np.asarray(curve - center[:, None] + level)
