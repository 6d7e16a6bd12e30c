"""Dose curves: partial dependence of a held-out prediction on one feature, with its support.

Not a causal effect: other features stay as they are, so correlated ones may form pairs that no
patient has (Friedman 2001, 10.1214/aos/1013203451).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.result import DoseCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.diagnosis.crossval import CrossValidated

__all__ = ["dose_curve"]

N_GRID = 20


def dose_curve(
    run: CrossValidated,
    values: NDArray[np.float64],
    *,
    i_feature: int,
    i_class: int,
    feature: str,
    unit: str,
    class_name: str,
) -> DoseCurve:
    """Set a feature to each of up to 20 percentiles (5th to 95th) and average the probability.

    Each fold's model predicts its own held-out patients; `low` and `high` are the lowest and the
    highest fold, moved so that each fold's mean equals the overall one (folds differ in level as
    they hold other patients; what matters is the shape).
    """
    column = values[:, i_feature]
    known = column[~np.isnan(column)]
    grid = np.unique(np.quantile(known, np.linspace(0.05, 0.95, N_GRID)))
    n_test = np.array([len(fitted.fold.test) for fitted in run.fitted])
    curves = np.empty((len(run.fitted), len(grid)))
    for i_fold, fitted in enumerate(run.fitted):
        stacked = np.tile(values[fitted.fold.test], (len(grid), 1, 1))
        stacked[:, :, i_feature] = grid[:, None]
        predicted = fitted.pipeline.predict_proba(stacked.reshape(-1, values.shape[1]))
        curves[i_fold] = predicted[:, i_class].reshape(len(grid), -1).mean(axis=1)
    mean = n_test @ curves / n_test.sum()
    level = curves - curves.mean(axis=1, keepdims=True) + mean.mean()
    nearest = np.abs(known[:, None] - grid).argmin(axis=1)
    return DoseCurve(
        feature=feature,
        unit=unit,
        class_name=class_name,
        grid=tuple(grid.tolist()),
        probability=tuple(mean.tolist()),
        low=tuple(np.clip(level.min(axis=0), 0.0, 1.0).tolist()),
        high=tuple(np.clip(level.max(axis=0), 0.0, 1.0).tolist()),
        support=tuple(np.bincount(nearest, minlength=len(grid)).tolist()),
    )
