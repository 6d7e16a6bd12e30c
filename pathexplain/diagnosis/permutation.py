"""Permuting a whole cluster of features among held-out rows, plainly or given all other features.

Permuting single correlated features hides what they share (Strobl 2008, 10.1186/1471-2105-9-307),
so the members of a cluster move together. Plain permutation asks what the model loses without the
cluster; conditional permutation moves only that part of the members which the features outside do
not tell, so it asks what nothing else can replace. Nothing is refitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.conditional import outside_residuals
from pathexplain.diagnosis.crossval import CrossValidated, FittedFold, log_loss
from pathexplain.diagnosis.evaluate import mean_auroc
from pathexplain.diagnosis.margins import probabilities_from, start_moving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["GroupedPermutation", "collect", "permute_clusters", "permute_in_fold"]


@dataclass(frozen=True)
class GroupedPermutation:
    """What permuting each cluster costs on held-out rows.

    Attributes
    ----------
    log_loss_rise : (n, c) float64
        Rise of each row's log loss, nats, mean over repeats; exactly 0 where no model of a fold
        looks at a member.
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
    is_conditional: bool = False,
) -> GroupedPermutation:
    """Permute each cluster's columns together within each fold's held-out rows.

    Parameters
    ----------
    run : fitted folds
    values : (n, p) float64
    codes : (n,) int64
    table : (p, c) bool, members of each cluster
    n_repeats : permutations a cluster
    seed : of the permutations
    is_conditional : permute only what the features outside the cluster do not tell
    """
    parts = [
        permute_in_fold(
            fitted,
            values,
            table,
            n_repeats=n_repeats,
            seed=seed + i,
            is_conditional=is_conditional,
        )
        for i, fitted in enumerate(run.fitted)
    ]
    base = np.ones(len(codes))
    return collect(run, codes, parts, n_clusters=table.shape[1], base=base)


def permute_in_fold(
    fitted: FittedFold,
    values: NDArray[np.float64],
    table: NDArray[np.bool_],
    *,
    n_repeats: int,
    seed: int,
    is_conditional: bool = False,
) -> dict[int, NDArray[np.float64]]:
    """Return probabilities with a cluster permuted, (n_repeats, n_test, K), by cluster.

    Clusters that the model does not look at are left out: nothing changes there.
    """
    prepare, model = fitted.pipeline[0], fitted.pipeline[-1]
    train = prepare.transform(values[fitted.fold.train])
    rows = prepare.transform(values[fitted.fold.test])
    rng = np.random.default_rng(seed)
    orders = np.argsort(rng.random((n_repeats, len(rows))), axis=1)
    moving = start_moving(model, rows)
    members = [np.flatnonzero(column) for column in table[prepare.kept_].T]
    used = [i for i, inside in enumerate(members) if moving.used[inside].any()]
    moved = [rows[:, members[i]] for i in used]
    if is_conditional:
        moved = outside_residuals(train, rows, [members[i] for i in used])
    shuffled = {}
    for i, part in zip(used, moved, strict=True):
        changed = (rows[:, members[i]] - part)[None] + part[orders]
        after = moving.after(changed, members[i])
        flat = probabilities_from(model, after.reshape(-1, after.shape[2]))
        shuffled[i] = flat.reshape(n_repeats, len(rows), -1)
    return shuffled


def collect(
    run: CrossValidated,
    codes: NDArray[np.int64],
    parts: Sequence[dict[int, NDArray[np.float64]]],
    *,
    n_clusters: int,
    base: NDArray[np.float64],
) -> GroupedPermutation:
    """Put the folds' permuted predictions together; `base` (n,) are the weights of the rows."""
    answers, n = run.questions.answers(codes), len(codes)
    before = log_loss(run.probabilities, codes)
    intact = float(mean_auroc(run.scores, answers, base[None])[0])
    rise, drop = np.zeros((n, n_clusters)), np.zeros(n_clusters)
    for i in sorted({i for part in parts for i in part}):
        n_repeats = next(len(part[i]) for part in parts if i in part)
        after = np.tile(run.probabilities, (n_repeats, 1, 1))
        for fitted, part in zip(run.fitted, parts, strict=True):
            if i in part:
                after[:, fitted.fold.test] = part[i]
        flat = after.reshape(n_repeats * n, -1)
        losses = log_loss(flat, np.tile(codes, n_repeats)).reshape(n_repeats, n)
        rise[:, i] = losses.mean(axis=0) - before
        scores = [run.questions.scores(one, run.priors) for one in after]
        drop[i] = intact - np.mean([mean_auroc(s, answers, base[None])[0] for s in scores])
    return GroupedPermutation(log_loss_rise=rise, auroc_drop=drop)
