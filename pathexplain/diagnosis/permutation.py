"""Grouped permutation importance: permute a whole cluster of features among held-out patients.

Permuting single correlated features hides what they share (Strobl 2008, 10.1186/1471-2105-9-307),
so the members of a cluster move together. Nothing is refitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.crossval import CrossValidated, FittedFold, log_loss, ratio_scores
from pathexplain.diagnosis.evaluate import auroc

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GroupedPermutation", "permute_clusters"]

MAX_CELLS = 20_000_000
"""Cells of one stacked table of permuted patients (160 MB)."""


@dataclass(frozen=True)
class GroupedPermutation:
    """What permuting each cluster costs on held-out patients.

    Attributes
    ----------
    log_loss_rise : (n, c) float64
        Rise of each patient's log loss, nats, mean over repeats.
    auroc_drop : (c,) float64
        Drop of the pooled held-out AUROC, mean over repeats.
    """

    log_loss_rise: NDArray[np.float64]
    auroc_drop: NDArray[np.float64]


def permute_clusters(
    run: CrossValidated,
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    table: NDArray[np.bool_],
    *,
    n_repeats: int,
    seed: int,
) -> GroupedPermutation:
    """Permute each cluster's columns together within each fold's held-out patients.

    Parameters
    ----------
    run : fitted folds
    values : (n, p) float64
    codes : (n,) int64
    table : (p, c) bool, members of each cluster
    n_repeats : permutations a cluster
    seed : of the permutations
    """
    rng = np.random.default_rng(seed)
    n, n_clusters = len(codes), table.shape[1]
    shuffled = np.empty((n_clusters, n_repeats, *run.probabilities.shape))
    for fitted in run.fitted:
        test = fitted.fold.test
        orders = np.argsort(rng.random((n_repeats, len(test))), axis=1)
        shuffled[:, :, test] = _predict_permuted(fitted, values[test], table, orders)
    before = log_loss(run.probabilities, codes)
    own = np.broadcast_to(codes, (n_clusters, n_repeats, n)).reshape(-1)
    after = log_loss(shuffled.reshape(own.size, -1), own).reshape(n_clusters, n_repeats, n)
    once = np.ones((1, n))
    intact = auroc(ratio_scores(run.probabilities, run.priors), codes, once)[0]
    drops = [
        [intact - auroc(ratio_scores(p, run.priors), codes, once)[0] for p in repeats]
        for repeats in shuffled
    ]
    return GroupedPermutation(
        log_loss_rise=(after - before).mean(axis=1).T, auroc_drop=np.mean(drops, axis=1)
    )


def _predict_permuted(
    fitted: FittedFold,
    held_out: NDArray[np.float64],
    table: NDArray[np.bool_],
    orders: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return probabilities with each cluster permuted, (c, n_repeats, n_test, K)."""
    n_test, n_features = held_out.shape
    n_repeats, n_clusters = len(orders), table.shape[1]
    step = max(1, MAX_CELLS // (n_repeats * n_test * n_features))
    parts = []
    for start in range(0, n_clusters, step):
        chunk = table[:, start : start + step]
        stacked = np.tile(held_out, (chunk.shape[1], n_repeats, 1, 1))
        for i in range(chunk.shape[1]):
            members = np.flatnonzero(chunk[:, i])
            stacked[i][:, :, members] = held_out[orders][:, :, members]
        predicted = fitted.pipeline.predict_proba(stacked.reshape(-1, n_features))
        parts.append(predicted.reshape(chunk.shape[1], n_repeats, n_test, -1))
    return np.concatenate(parts)
