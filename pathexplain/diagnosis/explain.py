"""From SHAP values and permutations to what is reported of one model: ranks, direction, dose.

Not for deciding whether a model may be explained: see `analysis`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from pathexplain.diagnosis.attribution import Attribution, attribute
from pathexplain.diagnosis.clusters import membership
from pathexplain.diagnosis.dose import dose_curve
from pathexplain.diagnosis.evaluate import interval
from pathexplain.diagnosis.permutation import GroupedPermutation, permute_clusters
from pathexplain.diagnosis.result import (
    Beeswarm,
    Cluster,
    ClusterImportance,
    DoseCurve,
    FeatureImportance,
    ModelImportance,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathexplain.diagnosis.crossval import CrossValidated
    from pathexplain.diagnosis.inputs import Inputs

__all__ = ["direction_of", "explain_model"]

CLEAR_DIRECTION = 0.5
"""Least absolute Spearman between value and SHAP for a direction to be named."""

N_REPEATS = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Ranked:
    """Means over patients with intervals and rank ranges, for columns of per-patient values."""

    mean: Floats
    resampled: Floats
    share: Floats
    rank: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def explain_model(
    run: CrossValidated,
    inputs: Inputs,
    clusters: Sequence[Cluster],
    weights: Floats,
    *,
    n_top: int,
    seed: int,
) -> ModelImportance:
    """Explain one cross-validated model on its held-out patients.

    Parameters
    ----------
    run : the fitted folds
    inputs : the arrays it was fitted on
    clusters : of the features
    weights : (B, n) float64, resampling counts of patients
    n_top : features with beeswarm and dose curve
    seed : of background and permutations
    """
    shap = attribute(run, inputs.values, seed=seed)
    table = membership(clusters, inputs.features)
    permuted = permute_clusters(
        run, inputs.values, inputs.codes, table, n_repeats=N_REPEATS, seed=seed
    )
    ranked = _rank(shap.magnitude(), weights)
    used = np.flatnonzero(ranked.mean > 0)
    top = used[np.argsort(-ranked.mean[used], kind="stable")][:n_top]
    return ModelImportance(
        name=run.spec.name,
        label=run.spec.label,
        output=run.spec.output,
        method=run.spec.method,
        additivity_error=shap.additivity_error,
        features=_features(shap, ranked, inputs, clusters),
        clusters=_clusters(run, shap, permuted, clusters, table, weights, n_top=n_top),
        beeswarms=tuple(_beeswarm(shap, inputs, int(i)) for i in top),
        doses=tuple(_dose(run, shap, inputs, int(i)) for i in top),
    )


def direction_of(values: Floats, shap: Floats) -> tuple[str, float]:
    """Say which way larger values push, with Spearman's correlation of value and SHAP.

    Examples
    --------
    >>> direction_of(np.array([1.0, 2.0, np.nan, 3.0]), np.array([-0.2, 0.0, 0.1, 0.4]))[0]
    'higher'
    >>> direction_of(np.array([1.0, 2.0]), np.zeros(2))
    ('none', nan)
    """
    known = ~np.isnan(values)
    x, y = values[known], shap[known]
    if len(x) == 0 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return "none", float("nan")
    rho = float(spearmanr(x, y).statistic)
    if abs(rho) < CLEAR_DIRECTION:
        return "mixed", rho
    return ("higher" if rho > 0 else "lower"), rho


def _rank(magnitude: Floats, weights: Floats) -> _Ranked:
    """Average per-patient values over patients and over resampled patients, and rank the means."""
    mean = magnitude.mean(axis=0)
    resampled = weights @ magnitude / weights.sum(axis=1, keepdims=True)
    ranks = rankdata(-resampled, method="min", axis=1)
    total = mean.sum()
    return _Ranked(
        mean=mean,
        resampled=resampled,
        share=mean / total if total > 0 else np.zeros_like(mean),
        rank=rankdata(-mean, method="min").astype(np.int64),
        low=np.floor(np.quantile(ranks, 0.025, axis=0)).astype(np.int64),
        high=np.ceil(np.quantile(ranks, 0.975, axis=0)).astype(np.int64),
    )


def _features(
    shap: Attribution, ranked: _Ranked, inputs: Inputs, clusters: Sequence[Cluster]
) -> tuple[FeatureImportance, ...]:
    """Describe every feature, the most important first."""
    cluster_of = {name: cluster.name for cluster in clusters for name in cluster.features}
    described = []
    for i in np.argsort(-ranked.mean, kind="stable"):
        output = _output_of(shap, int(i))
        direction, rho = direction_of(inputs.values[:, i], shap.values[:, i, output])
        described.append(
            FeatureImportance(
                feature=inputs.features[i],
                cluster=cluster_of[inputs.features[i]],
                unit=inputs.units[i],
                definition=inputs.definitions[i],
                class_name=_class_of(shap, inputs, output),
                shap=interval(float(ranked.mean[i]), ranked.resampled[:, i]),
                share=float(ranked.share[i]),
                rank=int(ranked.rank[i]),
                rank_low=int(ranked.low[i]),
                rank_high=int(ranked.high[i]),
                direction=direction,
                direction_spearman=rho,
            )
        )
    return tuple(described)


def _clusters(
    run: CrossValidated,
    shap: Attribution,
    permuted: GroupedPermutation,
    clusters: Sequence[Cluster],
    table: NDArray[np.bool_],
    weights: Floats,
    *,
    n_top: int,
) -> tuple[ClusterImportance, ...]:
    """Describe every cluster, the most important by SHAP first."""
    magnitude = shap.magnitude(table)
    ranked = _rank(magnitude, weights)
    rise = permuted.log_loss_rise.mean(axis=0)
    resampled_rise = weights @ permuted.log_loss_rise / weights.sum(axis=1, keepdims=True)
    permutation_rank = rankdata(-rise, method="min").astype(np.int64)
    per_fold = np.array([magnitude[fitted.fold.test].mean(axis=0) for fitted in run.fitted])
    in_top = (rankdata(-per_fold, method="min", axis=1) <= n_top) & (per_fold > 0)
    return tuple(
        ClusterImportance(
            cluster=clusters[i].name,
            features=clusters[i].features,
            shap=interval(float(ranked.mean[i]), ranked.resampled[:, i]),
            share=float(ranked.share[i]),
            rank=int(ranked.rank[i]),
            rank_low=int(ranked.low[i]),
            rank_high=int(ranked.high[i]),
            folds_in_top=int(in_top[:, i].sum()),
            log_loss_rise=interval(float(rise[i]), resampled_rise[:, i]),
            auroc_drop=float(permuted.auroc_drop[i]),
            permutation_rank=int(permutation_rank[i]),
        )
        for i in np.argsort(-ranked.mean, kind="stable")
    )


def _output_of(shap: Attribution, i_feature: int) -> int:
    """Return the output (class) that the feature moves most; 0 for two classes."""
    return int(np.abs(shap.values[:, i_feature]).mean(axis=0).argmax())


def _class_of(shap: Attribution, inputs: Inputs, output: int) -> str:
    """Name the class that an output stands for: the positive one when there is one output."""
    return inputs.target.classes[-1 if shap.values.shape[2] == 1 else output]


def _beeswarm(shap: Attribution, inputs: Inputs, i_feature: int) -> Beeswarm:
    """Collect one feature's SHAP and raw values."""
    output = _output_of(shap, i_feature)
    return Beeswarm(
        feature=inputs.features[i_feature],
        unit=inputs.units[i_feature],
        class_name=_class_of(shap, inputs, output),
        patients=inputs.patients,
        values=tuple(inputs.values[:, i_feature].tolist()),
        shap=tuple(shap.values[:, i_feature, output].tolist()),
    )


def _dose(run: CrossValidated, shap: Attribution, inputs: Inputs, i_feature: int) -> DoseCurve:
    """Make one feature's dose curve for the class it moves most."""
    class_name = _class_of(shap, inputs, _output_of(shap, i_feature))
    return dose_curve(
        run,
        inputs.values,
        i_feature=i_feature,
        i_class=inputs.target.classes.index(class_name),
        feature=inputs.features[i_feature],
        unit=inputs.units[i_feature],
        class_name=class_name,
    )
