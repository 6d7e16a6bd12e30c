"""The three kinds of classifier, each a scikit-learn pipeline with its preprocessing inside.

Not for scoring or splitting. Everything that is fitted is fitted by ``fit``, hence inside a fold.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from pathexplain.diagnosis.questionwise import QuestionwiseClassifier
from pathexplain.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

    from pathexplain.diagnosis.outputs import Questions

__all__ = ["MODELS", "FoldPreparer", "ModelSpec"]


STEPS_PER_SD = 2**16
"""Fineness of prepared values: 1.5e-5 standard deviations."""
LEAST_SPREAD = 1e-9
"""Values that differ by less, relative to their size, differ by rounding alone."""


class FoldPreparer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """Leave out unusable features, fill gaps with the median, scale to mean 0 and sd 1.

    A feature is unusable when it is constant among the training patients (up to rounding, or a
    patient who differs would stand millions of standard deviations away) or missing in more than
    `max_missing` of them. Output is rounded to 2^-16 standard deviations: trees compare in float32,
    and a threshold halfway between two such values is exact there, so that every program which
    follows a tree takes the same branch.

    Examples
    --------
    >>> preparer = FoldPreparer().fit(np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]]))
    >>> preparer.kept_.tolist(), preparer.median_.tolist()
    ([True, False], [2.0])
    """

    def __init__(self, max_missing: float = 0.5) -> None:
        self.max_missing = max_missing

    def fit(self, values: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn medians, means and standard deviations from training patients.

        Raises
        ------
        FitError
            When no feature is usable.
        """
        table = np.asarray(values, dtype=np.float64)
        is_missing = np.isnan(table)
        lowest = np.fmin.reduce(table, axis=0)
        highest = np.fmax.reduce(table, axis=0)
        size = np.maximum(np.abs(highest), np.abs(lowest))
        varies = highest - lowest > LEAST_SPREAD * size
        self.kept_ = (is_missing.mean(axis=0) <= self.max_missing) & varies
        if not self.kept_.any():
            message = (
                f"no feature is usable in this fold: all {table.shape[1]} are constant or missing "
                f"in more than {self.max_missing:.0%} of its {table.shape[0]} training patients"
            )
            raise FitError(message)
        self.median_ = _medians(table)[self.kept_]
        filled = self._fill(table)
        self.mean_ = filled.mean(axis=0)
        self.scale_ = filled.std(axis=0)
        return self

    def transform(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the usable features, filled, scaled and rounded; (n, n_kept) float64."""
        scaled = self._fill(np.asarray(values, dtype=np.float64)) - self.mean_
        scaled /= self.scale_
        scaled *= STEPS_PER_SD
        np.rint(scaled, out=scaled)
        scaled /= STEPS_PER_SD
        return np.asarray(scaled.astype(np.float32), dtype=np.float64)

    def _fill(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the kept columns with gaps filled."""
        kept = table if self.kept_.all() else table[:, self.kept_]
        is_missing = np.isnan(kept)
        return np.where(is_missing, self.median_, kept) if is_missing.any() else kept


def _medians(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each column's known values, (p,), as `numpy.nanmedian` does, faster.

    NaN where a column has no known value.
    """
    ordered = np.sort(table.T, axis=1)  # NaN last
    n_known = np.maximum((~np.isnan(ordered)).sum(axis=1), 1)
    columns = np.arange(len(ordered))
    low, high = ordered[columns, (n_known - 1) // 2], ordered[columns, n_known // 2]
    return np.asarray((low + high) / 2)


@dataclass(frozen=True)
class ModelSpec:
    """A kind of classifier: how to build it, the grid to search, and what its margin is.

    `build(parameters, seed)` gives an unfitted classifier. `search` overrides parameters in the
    inner folds, and `light` where hundreds of fits are needed: under permuted labels and in the
    bootstraps of ranks. `grid` is a tuple of paths, each from the simplest model to the most
    flexible; the search leaves a path once its loss has risen twice in a row.
    """

    name: str
    label: str
    output: str
    method: str
    grid: tuple[tuple[Mapping[str, float], ...], ...]
    search: Mapping[str, float]
    light: Mapping[str, float]
    build: Callable[[Mapping[str, float], int], Any]
    is_multiclass: bool = True

    @property
    def points(self) -> tuple[Mapping[str, float], ...]:
        """All points of the grid, path by path."""
        return tuple(itertools.chain.from_iterable(self.grid))

    def pipeline(
        self, parameters: Mapping[str, float], *, questions: Questions, seed: int
    ) -> Pipeline:
        """Return the unfitted pipeline with its preprocessing."""
        model = self.classifier(parameters, questions=questions, seed=seed)
        return Pipeline([("prepare", FoldPreparer()), ("model", model)])

    def classifier(
        self, parameters: Mapping[str, float], *, questions: Questions, seed: int
    ) -> Any:
        """Return the unfitted classifier alone, for features that are prepared already."""
        model = self.build(parameters, seed)
        is_nominal = questions.kind == "nominal"
        if questions.kind == "ordinal" or (is_nominal and not self.is_multiclass):
            return QuestionwiseClassifier(model, questions)
        return model


def _elastic_net(parameters: Mapping[str, float], seed: int) -> LogisticRegression:
    """Logistic regression with L1 and L2 penalty (Zou 2005, 10.1111/j.1467-9868.2005.00503.x)."""
    return LogisticRegression(
        C=parameters["C"],
        l1_ratio=parameters["l1_ratio"],
        solver="saga",
        tol=parameters.get("tol", 1e-4),
        max_iter=50_000,
        random_state=seed,
    )


def _random_forest(parameters: Mapping[str, float], seed: int) -> RandomForestClassifier:
    """Random forest (Breiman 2001, 10.1023/A:1010933404324)."""
    return RandomForestClassifier(
        n_estimators=int(parameters["n_estimators"]),
        min_samples_leaf=int(parameters["min_samples_leaf"]),
        random_state=seed,
    )


def _boosting(parameters: Mapping[str, float], seed: int) -> GradientBoostingClassifier:
    """Stochastic gradient boosting of shallow trees (Friedman 2002, 10.1016/S0167-9473(01)00065-2).

    Each split chooses among a random root of the features, which costs a hundredth of trying all
    of a thousand and, by held-out log loss, predicts no worse.
    """
    return GradientBoostingClassifier(
        n_estimators=int(parameters["n_estimators"]),
        max_leaf_nodes=int(parameters["max_leaf_nodes"]),
        min_samples_leaf=5,
        max_features="sqrt",
        random_state=seed,
    )


def _paths(**axes: tuple[float, ...]) -> tuple[tuple[Mapping[str, float], ...], ...]:
    """Return one path a combination of all axes but the last, along the last.

    Examples
    --------
    >>> _paths(l1_ratio=(0.1, 0.9), C=(1.0,))
    (({'l1_ratio': 0.1, 'C': 1.0},), ({'l1_ratio': 0.9, 'C': 1.0},))
    """
    *outer, (along, values) = axes.items()
    names = [name for name, _ in outer]
    return tuple(
        tuple({**dict(zip(names, fixed, strict=True)), along: value} for value in values)
        for fixed in itertools.product(*(options for _, options in outer))
    )


MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="elastic_net",
            label="Elastic-net logistic regression",
            output="log-odds",
            method="exact SHAP of a linear model: coefficient x (value - training mean)",
            grid=_paths(l1_ratio=(0.1, 0.9), C=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
            search={"tol": 1e-2},
            light={"tol": 3e-2},
            build=_elastic_net,
        ),
        ModelSpec(
            name="random_forest",
            label="Random forest",
            output="probability",
            method="interventional TreeSHAP against training patients of the fold",
            grid=_paths(n_estimators=(200,), min_samples_leaf=(6, 2)),
            search={"n_estimators": 50},
            light={"n_estimators": 20},
            build=_random_forest,
        ),
        ModelSpec(
            name="gradient_boosting",
            label="Gradient boosting",
            output="log-odds",
            method="interventional TreeSHAP against training patients of the fold",
            grid=_paths(max_leaf_nodes=(4,), n_estimators=(25, 75)),
            search={},
            light={"n_estimators": 25},
            build=_boosting,
            is_multiclass=False,
        ),
    )
}
"""Classifiers by name; adding one is one entry here and its SHAP in `attribution`."""
