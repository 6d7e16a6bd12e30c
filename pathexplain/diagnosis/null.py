"""What AUROC the models reach when the labels are permuted.

Not a test of single features: see `univariate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.crossval import CrossValidated, cross_validate
from pathexplain.diagnosis.evaluate import pooled_auroc
from pathexplain.diagnosis.result import NullDistribution
from pathexplain.diagnosis.splits import make_folds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ENOUGH_EXCEEDED", "permuted_nulls"]

ENOUGH_EXCEEDED = 10
"""Stop once every model was reached this often by chance (Besag 1991, 10.1093/biomet/78.2.301)."""


def permuted_nulls(
    runs: Sequence[CrossValidated],
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    *,
    groups: NDArray[np.str_] | None,
    n_splits: int,
    n_permutations: int,
    seed: int,
) -> tuple[NullDistribution, ...]:
    """Permute the labels, refit every model in every fold, and compare the AUROC.

    Folds are made anew for each permutation. To keep it cheap the hyperparameters are not searched
    again: each model takes those that most folds took on the real labels, with fewer trees. All
    models see the same permutations, so the highest of them gives p-values that hold for all
    models together (Westfall and Young 1993). p = (1 + number reached) / (1 + number made)
    (Phipson 2010, 10.2202/1544-6115.1585). Permuting stops early once no model can be better than
    chance.

    Returns
    -------
    One distribution a model, in the order of `runs`.
    """
    observed = np.array([pooled_auroc(run, codes) for run in runs])
    settings = [{**run.most_chosen(), **run.spec.light} for run in runs]
    rng = np.random.default_rng(seed)
    rows: list[list[float]] = []
    for _ in range(n_permutations):
        permuted = rng.permutation(codes)
        folds = make_folds(permuted, groups=groups, n_splits=n_splits, seed=seed)
        rows.append(
            [
                pooled_auroc(
                    cross_validate(
                        run.spec,
                        values,
                        permuted,
                        folds=folds,
                        groups=groups,
                        seed=seed,
                        parameters=chosen,
                    ),
                    permuted,
                )
                for run, chosen in zip(runs, settings, strict=True)
            ]
        )
        if (np.sum(np.array(rows) >= observed, axis=0) >= ENOUGH_EXCEEDED).all():
            break
    null = np.array(rows).reshape(len(rows), len(runs))
    return tuple(_describe(null, i, observed[i], settings[i]) for i in range(len(runs)))


def _describe(
    null: NDArray[np.float64], i_model: int, observed: float, chosen: dict[str, float]
) -> NullDistribution:
    """Sum up one model's null distribution."""
    n = len(null)
    settings = ", ".join(f"{name}={value:g}" for name, value in sorted(chosen.items()))
    return NullDistribution(
        n_permutations=n,
        aurocs=tuple(null[:, i_model].tolist()),
        p_value=float((1 + np.sum(null[:, i_model] >= observed)) / (1 + n)),
        p_adjusted=float((1 + np.sum(null.max(axis=1) >= observed)) / (1 + n)),
        description=(
            f"{n} permutations of the labels, refitted in all folds with fixed hyperparameters "
            f"({settings}); the observed model chose its own in inner folds"
        ),
    )
