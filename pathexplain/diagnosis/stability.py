"""How ranks change when patients are drawn anew and the model is fitted anew.

Each bootstrap fits the model on patients drawn with replacement and explains those that were not
drawn. Not an interval of a model's importance: that holds the fitted models fixed (`explain`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata
from sklearn.pipeline import Pipeline

from pathexplain.diagnosis.attribution import attribute_rows, summed
from pathexplain.diagnosis.checkpoint import Checkpoint
from pathexplain.diagnosis.draws import draw_counts
from pathexplain.diagnosis.models import FoldPreparer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.crossval import CrossValidated, Data
    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.models import ModelSpec

__all__ = ["LIGHT_TREES", "Refits", "refit_bootstraps"]

MAX_BACKGROUND = 20
"""Drawn patients that left-out ones are compared with, for each of many fits."""

LIGHT_TREES = 25


@dataclass(frozen=True)
class Refits:
    """Mean absolute SHAP values in each bootstrap.

    Attributes
    ----------
    features : (B, p) float64
    clusters : (B, c) float64
        Of the members' summed SHAP values.
    """

    features: NDArray[np.float64]
    clusters: NDArray[np.float64]

    def rank_range(self, values: NDArray[np.float64]) -> tuple[NDArray[np.int64], ...]:
        """Return the 2.5th and 97.5th percentile of each column's rank, rounded outwards."""
        ranks = rankdata(-values, method="average", axis=1)
        low, high = np.quantile(ranks, [0.025, 0.975], axis=0)
        return np.floor(low).astype(np.int64), np.ceil(high).astype(np.int64)

    def leading_share(self, n_leading: int) -> NDArray[np.float64]:
        """Return in which share of the bootstraps each cluster is among the leading ones, (c,)."""
        ranks = rankdata(-self.clusters, method="min", axis=1)
        return np.asarray(((ranks <= n_leading) & (self.clusters > 0)).mean(axis=0))

    def correlations(self, reported: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Spearman between each bootstrap's clusters and the reported ones, (B,)."""
        ours = rankdata(reported)
        ours = ours - ours.mean()
        theirs = rankdata(self.clusters, axis=1)
        theirs = theirs - theirs.mean(axis=1, keepdims=True)
        norms = np.sqrt((ours**2).sum() * (theirs**2).sum(axis=1))
        found = np.full(len(theirs), np.nan)
        np.divide(theirs @ ours, norms, out=found, where=norms > 0)
        return found


@dataclass(frozen=True)
class _Draw:
    """One bootstrap, as a task of its own."""

    spec: ModelSpec
    parameters: Mapping[str, float]
    data: Data
    table: NDArray[np.bool_]
    counts: NDArray[np.float64]
    seed: int


def refit_bootstraps(
    runs: Sequence[CrossValidated],
    inputs: Inputs,
    table: NDArray[np.bool_],
    *,
    n_refits: int,
    seed: int,
    jobs: int = 1,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Refits]:
    """Fit each model on bootstraps of patients and explain the patients left out.

    The hyperparameters are those that most folds took, with fewer trees.

    Parameters
    ----------
    runs : models to look at
    table : (p, c) bool, members of each cluster
    n_refits : bootstraps a model

    Returns
    -------
    By name of the model.
    """
    draws = draw_counts(inputs.patients, inputs.strata, n_draws=n_refits, seed=seed)
    data = inputs.data()
    tasks = [
        _Draw(run.spec, _lighter(run), data, table, counts, seed + i)
        for run in runs
        for i, counts in enumerate(draws)
    ]
    kept, rows = checkpoint or Checkpoint(None, ""), []
    for row in kept.stream("refit", _magnitudes, tasks, jobs=jobs):
        rows.append(row)
        if progress is not None:
            progress(len(rows), len(tasks))
    found, n_features = np.array(rows).reshape(len(runs), n_refits, -1), len(table)
    return {
        run.spec.name: Refits(found[i, :, :n_features], found[i, :, n_features:])
        for i, run in enumerate(runs)
    }


def _lighter(run: CrossValidated) -> dict[str, float]:
    """Return the usual hyperparameters with a looser fit, as many fits need."""
    light = dict(run.spec.light)
    if "n_estimators" in light:
        light["n_estimators"] = min(run.most_chosen()["n_estimators"], LIGHT_TREES)
    return {**run.most_chosen(), **light}


def _magnitudes(draw: _Draw) -> NDArray[np.float64]:
    """Fit one bootstrap and return mean |SHAP| of features, then of clusters, (p + c,)."""
    drawn, left = np.flatnonzero(draw.counts), np.flatnonzero(draw.counts == 0)
    base = np.ones(len(draw.counts)) if draw.data.weights is None else draw.data.weights
    # A patient that was drawn twice is one row of twice the weight.
    times = draw.counts * base * (draw.counts.sum() / (draw.counts @ base))
    preparer = FoldPreparer().fit(draw.data.values[drawn])
    model = draw.spec.classifier(
        draw.parameters, questions=draw.data.questions, seed=draw.seed
    ).fit(
        preparer.transform(draw.data.values[drawn]),
        draw.data.codes[drawn],
        sample_weight=times[drawn],
    )
    explained, _ = attribute_rows(
        Pipeline([("prepare", preparer), ("model", model)]),
        draw.data.values[drawn],
        draw.data.values[left],
        seed=draw.seed,
        max_background=MAX_BACKGROUND,
    )
    weights = base[left]
    parts = (explained, summed(explained, draw.table))
    means = [weights @ np.abs(part).mean(axis=2) / weights.sum() for part in parts]
    return np.concatenate(means)
