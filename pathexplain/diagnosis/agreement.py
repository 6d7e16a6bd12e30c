"""Do the methods agree? Ranks of clusters by model and method, side by side.

Methods that disagree are a finding, not an error: the table shows it and no vote hides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from pathexplain.diagnosis.result import (
    Agreement,
    AgreementRow,
    Cluster,
    ModelImportance,
    UnivariateTest,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["agree"]


def agree(
    models: Sequence[ModelImportance],
    clusters: Sequence[Cluster],
    univariate: Sequence[UnivariateTest],
) -> Agreement:
    """Rank clusters by SHAP and both permutations of each model, and by univariate effect.

    A cluster's univariate effect is the largest absolute effect among its members; undefined
    effects count as 0.
    """
    scores: dict[str, NDArray[np.float64]] = {}
    for model in models:
        found = {cluster.cluster: cluster for cluster in model.clusters}
        ordered = [found[cluster.name] for cluster in clusters]
        scores[f"{model.label}: SHAP"] = np.array([c.shap.value for c in ordered])
        scores[f"{model.label}: permutation"] = np.array([c.log_loss_rise.value for c in ordered])
        scores[f"{model.label}: conditional"] = np.array(
            [c.conditional_rise.value for c in ordered]
        )
    effects = {test.feature: abs(test.effect.value) for test in univariate}
    scores["Univariate effect"] = np.array(
        [np.nan_to_num([effects[name] for name in c.features]).max() for c in clusters]
    )
    ranks = np.column_stack([rankdata(-values.round(12)) for values in scores.values()])
    mean = ranks.mean(axis=1)
    return Agreement(
        methods=tuple(scores),
        rows=tuple(
            AgreementRow(clusters[i].name, tuple(ranks[i].tolist()), float(mean[i]))
            for i in np.argsort(mean, kind="stable")
        ),
        spearman=_correlate(ranks),
    )


def _correlate(ranks: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """Return Spearman between the columns, NaN where a method ranks all clusters the same."""
    centered = ranks - ranks.mean(axis=0)
    norms = np.sqrt((centered**2).sum(axis=0))
    product = np.outer(norms, norms)
    matrix = np.full(product.shape, np.nan)
    np.divide(centered.T @ centered, product, out=matrix, where=product > 0)
    return tuple(tuple(row) for row in np.clip(matrix, -1.0, 1.0).tolist())
