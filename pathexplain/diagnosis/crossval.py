"""Nested cross-validation: hyperparameters from inner folds, predictions from held-out folds.

Not for scores: see `evaluate`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from pathexplain.diagnosis.checkpoint import Checkpoint
from pathexplain.diagnosis.models import FoldPreparer
from pathexplain.diagnosis.outputs import EPSILON
from pathexplain.diagnosis.parallel import stream
from pathexplain.diagnosis.splits import Fold, make_folds
from pathexplain.diagnosis.target import INNER_SPLITS
from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.models import ModelSpec
    from pathexplain.diagnosis.outputs import Questions

__all__ = ["CrossValidated", "Data", "FittedFold", "cross_validate", "cross_validate_all"]
__all__ += ["Prepared", "fit_fold", "log_loss", "prepare"]

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

    def fit(self, model: Any, prepared: NDArray[np.float64]) -> Any:
        """Fit a classifier on these rows, their features prepared; weights scaled to mean 1."""
        if self.weights is None:
            return model.fit(prepared, self.codes)
        return model.fit(prepared, self.codes, sample_weight=self.weights / self.weights.mean())


@dataclass(frozen=True)
class Prepared:
    """The rows of one fold, prepared by what its training rows say; the same for every model.

    Attributes
    ----------
    train : (n_train, p_kept) float64
    test : (n_test, p_kept) float64
    """

    preparer: FoldPreparer
    train: NDArray[np.float64]
    test: NDArray[np.float64]


def prepare(values: NDArray[np.float64], fold: Fold) -> Prepared:
    """Learn medians and scales from the training rows of a fold, apply them to all of its rows."""
    training = values[fold.train]
    preparer = FoldPreparer().fit(training)
    return Prepared(preparer, preparer.transform(training), preparer.transform(values[fold.test]))


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
        return max(self.spec.points, key=lambda p: counts[tuple(sorted(p.items()))])


def cross_validate(
    spec: ModelSpec,
    data: Data,
    *,
    folds: Sequence[Fold],
    seed: int,
    parameters: Mapping[str, float] | None = None,
    prepared: Sequence[Prepared] | None = None,
) -> CrossValidated:
    """Fit in each fold's training rows and predict its held-out rows.

    With `parameters` the inner search is skipped; `prepared`, of `prepare`, serves several models.
    """
    rows = prepared or [prepare(data.values, fold) for fold in folds]
    fitted = [
        fit_fold(spec, data, fold, seed=seed, parameters=parameters, prepared=mine)
        for fold, mine in zip(folds, rows, strict=True)
    ]
    return _assemble(spec, data, fitted)


def cross_validate_all(
    tasks: Sequence[tuple[ModelSpec, Data]],
    *,
    folds: Sequence[Fold],
    seed: int,
    jobs: int = 1,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[CrossValidated]:
    """Cross-validate several models, their folds side by side in `jobs` processes.

    The hyperparameters of a finished fold, which take most of its time to find, are kept in
    `checkpoint`; fitting with them again gives the same model.
    """
    kept = checkpoint or Checkpoint(None, "")
    pairs = [(spec, data, fold) for spec, data in tasks for fold in folds]
    calls = [
        _Call(spec, data, fold, seed, _known(spec, kept.load("fold", i)))
        for i, (spec, data, fold) in enumerate(pairs)
    ]
    fitted: list[FittedFold] = []
    for i, one in enumerate(stream(_fit_call, calls, jobs=jobs)):
        kept.keep("fold", i, np.array([calls[i].spec.points.index(one.parameters)]))
        fitted.append(one)
        if progress is not None:
            progress(len(fitted), len(calls))
    return [
        _assemble(spec, data, fitted[i * len(folds) : (i + 1) * len(folds)])
        for i, (spec, data) in enumerate(tasks)
    ]


def fit_fold(
    spec: ModelSpec,
    data: Data,
    fold: Fold,
    *,
    seed: int,
    parameters: Mapping[str, float] | None = None,
    prepared: Prepared | None = None,
) -> FittedFold:
    """Choose hyperparameters in inner folds, fit the training rows, predict the held-out ones."""
    train, rows = data.rows(fold.train), prepared or prepare(data.values, fold)
    chosen = parameters or _search(spec, train, seed=seed)
    model = train.fit(spec.classifier(chosen, questions=data.questions, seed=seed), rows.train)
    weights = train.weights if train.weights is not None else np.ones(len(fold.train))
    shares = np.bincount(train.codes, weights, minlength=len(data.questions.table))
    return FittedFold(
        fold=fold,
        pipeline=Pipeline([("prepare", rows.preparer), ("model", model)]),
        parameters=chosen,
        probabilities=model.predict_proba(rows.test),
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


@dataclass(frozen=True)
class _Call:
    """One fold of one model, as a task of its own; with `parameters` nothing is searched."""

    spec: ModelSpec
    data: Data
    fold: Fold
    seed: int
    parameters: Mapping[str, float] | None


def _known(spec: ModelSpec, piece: NDArray[np.float64] | None) -> Mapping[str, float] | None:
    """Return the hyperparameters that a kept piece names."""
    return None if piece is None else spec.points[int(piece[0])]


def _fit_call(call: _Call) -> FittedFold:
    """Fit one fold of one model."""
    return fit_fold(call.spec, call.data, call.fold, seed=call.seed, parameters=call.parameters)


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
    if len(spec.points) == 1:
        return spec.points[0]
    folds = [(fold, prepare(data.values, fold)) for fold in _inner_folds(data, seed=seed)]
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
    folds: Sequence[tuple[Fold, Prepared]],
    *,
    seed: int,
) -> Iterable[tuple[float, Mapping[str, float]]]:
    """Yield the loss of each point of a path, until it has risen `PATIENCE` times in a row."""
    last, n_rises = np.inf, 0
    for parameters in path:
        loss = 0.0
        for fold, rows in folds:
            model = spec.classifier(
                {**parameters, **spec.search}, questions=data.questions, seed=seed
            )
            data.rows(fold.train).fit(model, rows.train)
            losses = log_loss(model.predict_proba(rows.test), data.codes[fold.test])
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
