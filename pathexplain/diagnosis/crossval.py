"""Nested cross-validation: hyperparameters from inner folds, predictions from held-out folds.

Not for scores: see `evaluate`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.outputs import EPSILON
from pathexplain.diagnosis.parallel import in_parallel
from pathexplain.diagnosis.splits import Fold, make_folds
from pathexplain.diagnosis.target import INNER_SPLITS
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from pathexplain.diagnosis.models import ModelSpec
    from pathexplain.diagnosis.outputs import Questions

__all__ = ["CrossValidated", "Data", "FittedFold", "cross_validate", "cross_validate_all"]
__all__ += ["fit_fold", "log_loss"]

PATIENCE = 2
"""A path of the grid is left after so many rises of the loss in a row."""


@dataclass(frozen=True)
class Data:
    """What a classifier is fitted on.

    Attributes
    ----------
    values : (n, p) float64
    codes : (n,) int64
        Class of each row.
    weights : (n,) float64 or None
        Weight of each row; None where all count the same.
    patients : (n,) str or None
        Whose each row is; None where each row is a patient.
    sites : (n,) str or None
        What folds keep whole; inner folds give it up where there are too few, patients never.
    """

    values: NDArray[np.float64]
    codes: NDArray[np.int64]
    questions: Questions
    weights: NDArray[np.float64] | None = None
    patients: NDArray[np.str_] | None = None
    sites: NDArray[np.str_] | None = None

    def rows(self, chosen: NDArray[np.int64]) -> Data:
        """Return some of the rows, a row as often as it is named."""
        return Data(
            self.values[chosen],
            self.codes[chosen],
            self.questions,
            weights=None if self.weights is None else self.weights[chosen],
            patients=None if self.patients is None else self.patients[chosen],
            sites=None if self.sites is None else self.sites[chosen],
        )

    def fit(self, pipeline: Pipeline) -> Pipeline:
        """Fit a pipeline on all rows, weights scaled to mean 1."""
        if self.weights is None:
            return pipeline.fit(self.values, self.codes)
        weights = self.weights / self.weights.mean()
        return pipeline.fit(self.values, self.codes, model__sample_weight=weights)


@dataclass(frozen=True)
class FittedFold:
    """A pipeline fitted on the training rows of one fold, with the hyperparameters it took.

    Attributes
    ----------
    probabilities : (n_test, K) float64
        Of the held-out rows.
    priors : (K,) float64
        Class shares among the training rows, by weight.
    """

    fold: Fold
    pipeline: Pipeline
    parameters: Mapping[str, float]
    probabilities: NDArray[np.float64]
    priors: NDArray[np.float64]


@dataclass(frozen=True)
class CrossValidated:
    """Held-out predictions of one kind of model.

    Attributes
    ----------
    probabilities : (n, K) float64
        Of each class, by the model that did not see the patient.
    priors : (n, K) float64
        Class shares among the training rows of that model.
    """

    spec: ModelSpec
    questions: Questions
    fitted: tuple[FittedFold, ...]
    probabilities: NDArray[np.float64]
    priors: NDArray[np.float64]

    @property
    def scores(self) -> NDArray[np.float64]:
        """What ranks rows for each question, (n, L)."""
        return self.questions.scores(self.probabilities, self.priors)

    def most_chosen(self) -> Mapping[str, float]:
        """Return the hyperparameters that most folds took (the first in the grid on a tie)."""
        counts = Counter(tuple(sorted(f.parameters.items())) for f in self.fitted)
        points = [point for path in self.spec.grid for point in path]
        return max(points, key=lambda p: counts[tuple(sorted(p.items()))])


def cross_validate(
    spec: ModelSpec,
    data: Data,
    *,
    folds: Sequence[Fold],
    seed: int,
    parameters: Mapping[str, float] | None = None,
) -> CrossValidated:
    """Fit in each fold's training rows and predict its held-out rows.

    With `parameters` the inner search is skipped.
    """
    fitted = [fit_fold(spec, data, fold, seed=seed, parameters=parameters) for fold in folds]
    return _assemble(spec, data, fitted)


def cross_validate_all(
    tasks: Sequence[tuple[ModelSpec, Data]],
    *,
    folds: Sequence[Fold],
    seed: int,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[CrossValidated]:
    """Cross-validate several models, their folds side by side in `jobs` processes."""
    calls = [(spec, data, fold, seed) for spec, data in tasks for fold in folds]
    fitted = in_parallel(_fit_call, calls, jobs=jobs, progress=progress)
    return [
        _assemble(spec, data, list(fitted[i * len(folds) : (i + 1) * len(folds)]))
        for i, (spec, data) in enumerate(tasks)
    ]


def fit_fold(
    spec: ModelSpec,
    data: Data,
    fold: Fold,
    *,
    seed: int,
    parameters: Mapping[str, float] | None = None,
) -> FittedFold:
    """Choose hyperparameters in inner folds, fit the training rows, predict the held-out ones."""
    train = data.rows(fold.train)
    chosen = parameters or _search(spec, train, seed=seed)
    pipeline = train.fit(spec.pipeline(chosen, questions=data.questions, seed=seed))
    weights = train.weights if train.weights is not None else np.ones(len(fold.train))
    shares = np.bincount(train.codes, weights, minlength=len(data.questions.table))
    return FittedFold(
        fold=fold,
        pipeline=pipeline,
        parameters=chosen,
        probabilities=pipeline.predict_proba(data.values[fold.test]),
        priors=shares / shares.sum(),
    )


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


def _fit_call(call: tuple[ModelSpec, Data, Fold, int]) -> FittedFold:
    """Fit one fold of one model, as one task of several."""
    spec, data, fold, seed = call
    return fit_fold(spec, data, fold, seed=seed)


def _assemble(spec: ModelSpec, data: Data, fitted: Sequence[FittedFold]) -> CrossValidated:
    """Put the folds' predictions into the order of the rows."""
    shape = (len(data.codes), len(data.questions.table))
    probabilities, priors = np.full(shape, np.nan), np.full(shape, np.nan)
    for one in fitted:
        probabilities[one.fold.test] = one.probabilities
        priors[one.fold.test] = one.priors
    return CrossValidated(spec, data.questions, tuple(fitted), probabilities, priors)


def _search(spec: ModelSpec, data: Data, *, seed: int) -> Mapping[str, float]:
    """Return the grid point with the lowest mean held-out log loss over inner folds."""
    if sum(map(len, spec.grid)) == 1:
        return spec.grid[0][0]
    folds = _inner_folds(data, seed=seed)
    losses = [
        (loss, parameters)
        for path in spec.grid
        for loss, parameters in _along(spec, path, data, folds, seed=seed)
    ]
    return min(losses, key=lambda one: one[0])[1]


def _along(
    spec: ModelSpec,
    path: Sequence[Mapping[str, float]],
    data: Data,
    folds: Sequence[Fold],
    *,
    seed: int,
) -> Iterable[tuple[float, Mapping[str, float]]]:
    """Yield the loss of each point of a path, until it has risen `PATIENCE` times in a row."""
    last, n_rises = np.inf, 0
    for parameters in path:
        loss = 0.0
        for fold in folds:
            pipeline = spec.pipeline(
                {**parameters, **spec.search}, questions=data.questions, seed=seed
            )
            data.rows(fold.train).fit(pipeline)
            losses = log_loss(pipeline.predict_proba(data.values[fold.test]), data.codes[fold.test])
            weights = 1.0 if data.weights is None else data.weights[fold.test]
            loss += float((losses * weights).sum())
        yield loss, parameters
        n_rises = n_rises + 1 if loss > last else 0
        last = loss
        if n_rises == PATIENCE:
            return


def _inner_folds(data: Data, *, seed: int) -> tuple[Fold, ...]:
    """Return inner folds of whole sites where there are enough, else of whole patients."""
    if data.sites is not None:
        try:
            return make_folds(data.codes, groups=data.sites, n_splits=INNER_SPLITS, seed=seed)
        except CohortError:
            pass
    return make_folds(data.codes, groups=data.patients, n_splits=INNER_SPLITS, seed=seed)
