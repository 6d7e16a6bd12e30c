"""Nested cross-validation: hyperparameters from inner folds, predictions from held-out folds.

Not for scores: see `evaluate`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedKFold

from pathexplain.diagnosis.splits import Fold, make_folds
from pathexplain.diagnosis.target import INNER_SPLITS
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from pathexplain.diagnosis.models import ModelSpec

__all__ = ["CrossValidated", "FittedFold", "cross_validate", "log_loss", "ratio_scores"]

EPSILON = 1e-9


@dataclass(frozen=True)
class FittedFold:
    """A pipeline fitted on the training rows of one fold, with the hyperparameters it took."""

    fold: Fold
    pipeline: Pipeline
    parameters: Mapping[str, float]


@dataclass(frozen=True)
class CrossValidated:
    """Held-out predictions of one kind of model.

    Attributes
    ----------
    probabilities : (n, K) float64
        Of each class, by the model that did not see the patient.
    priors : (n, K) float64
        Class shares among the training patients of that model.
    """

    spec: ModelSpec
    fitted: tuple[FittedFold, ...]
    probabilities: NDArray[np.float64]
    priors: NDArray[np.float64]

    def most_chosen(self) -> Mapping[str, float]:
        """Return the hyperparameters that most folds took (the first in the grid on a tie)."""
        counts = Counter(tuple(sorted(f.parameters.items())) for f in self.fitted)
        return max(self.spec.grid, key=lambda p: counts[tuple(sorted(p.items()))])


def cross_validate(
    spec: ModelSpec,
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    *,
    folds: Sequence[Fold],
    groups: NDArray[np.str_] | None,
    seed: int,
    parameters: Mapping[str, float] | None = None,
) -> CrossValidated:
    """Fit in each fold's training rows and predict its held-out rows.

    With `parameters` the inner search is skipped.
    """
    n_classes = int(codes.max()) + 1
    probabilities = np.full((len(codes), n_classes), np.nan)
    priors = np.full((len(codes), n_classes), np.nan)
    fitted = []
    for fold in folds:
        x, y = values[fold.train], codes[fold.train]
        inner_groups = None if groups is None else groups[fold.train]
        chosen = parameters or _search(spec, x, y, groups=inner_groups, seed=seed)
        pipeline = spec.pipeline(chosen, seed=seed).fit(x, y)
        probabilities[fold.test] = pipeline.predict_proba(values[fold.test])
        priors[fold.test] = np.bincount(y, minlength=n_classes) / len(y)
        fitted.append(FittedFold(fold=fold, pipeline=pipeline, parameters=chosen))
    return CrossValidated(spec, tuple(fitted), probabilities, priors)


def log_loss(probabilities: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return minus the log of the probability given to each patient's own class, (n,) in nats.

    Probabilities are kept within [1e-9, 1].

    Examples
    --------
    >>> log_loss(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 1])).round(3).tolist()
    [0.693, 0.0]
    """
    own = np.take_along_axis(probabilities, codes[:, None], axis=1)[:, 0]
    return np.abs(np.log(np.clip(own, EPSILON, 1.0)))


def ratio_scores(
    probabilities: NDArray[np.float64], priors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each class's log-odds minus its log-odds in the training fold, (n, K).

    Within a fold this ranks as the probability does; across folds it takes out that folds differ
    in their share of a class, which pushes the AUROC of pooled predictions of a blind model below
    one half.

    Examples
    --------
    >>> ratio_scores(np.array([[0.7, 0.3]]), np.array([[0.7, 0.3]])).tolist()
    [[0.0, 0.0]]
    """
    p = np.clip(probabilities, EPSILON, 1 - EPSILON)
    q = np.clip(priors, EPSILON, 1 - EPSILON)
    return np.log(p / (1 - p)) - np.log(q / (1 - q))


def _search(
    spec: ModelSpec,
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    *,
    groups: NDArray[np.str_] | None,
    seed: int,
) -> Mapping[str, float]:
    """Return the grid point with the lowest mean held-out log loss over inner folds."""
    folds = _inner_folds(codes, groups=groups, seed=seed)
    losses = np.zeros(len(spec.grid))
    for i_grid, parameters in enumerate(spec.grid):
        for fold in folds:
            pipeline = spec.pipeline({**parameters, **spec.search}, seed=seed)
            pipeline.fit(values[fold.train], codes[fold.train])
            predicted = pipeline.predict_proba(values[fold.test])
            losses[i_grid] += log_loss(predicted, codes[fold.test]).sum()
    return spec.grid[int(losses.argmin())]


def _inner_folds(
    codes: NDArray[np.int64], *, groups: NDArray[np.str_] | None, seed: int
) -> tuple[Fold, ...]:
    """Return inner folds by group where the groups allow it, else by patient."""
    if groups is not None:
        try:
            folds = make_folds(codes, groups=groups, n_splits=INNER_SPLITS, seed=seed)
        except CohortError:
            folds = ()
        if folds:
            return folds
    inner = StratifiedKFold(INNER_SPLITS, shuffle=True, random_state=seed)
    return tuple(Fold(train, test) for train, test in inner.split(np.zeros((len(codes), 1)), codes))
