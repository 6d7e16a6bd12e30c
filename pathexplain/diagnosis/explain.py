"""From SHAP values and permutations to what is reported of one model: ranks, direction, dose.

Not for deciding whether a model may be explained: see `analysis`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from pathexplain.diagnosis.attribution import Attribution, attribute, attribute_rows
from pathexplain.diagnosis.clusters import membership
from pathexplain.diagnosis.dose import dose_curve
from pathexplain.diagnosis.evaluate import interval
from pathexplain.diagnosis.parallel import in_parallel
from pathexplain.diagnosis.permutation import GroupedPermutation, collect, permute_in_fold
from pathexplain.diagnosis.result import (
    Beeswarm,
    Cluster,
    ClusterImportance,
    DoseCurve,
    FeatureImportance,
    ModelImportance,
    Stability,
)
from pathexplain.diagnosis.stability import LIGHT_TREES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pathexplain.diagnosis.crossval import CrossValidated, FittedFold
    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.stability import Refits

__all__ = ["Evidence", "direction_of", "explain_model", "gather_evidence"]

CLEAR_DIRECTION = 0.5
"""Least absolute Spearman between value and SHAP for a direction to be named."""

N_REPEATS = 10
N_LEADING = 5
"""Clusters that count as leading in a fold or a bootstrap."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What was computed of one model: SHAP values and both kinds of permutation."""

    shap: Attribution
    plain: GroupedPermutation
    conditional: GroupedPermutation


@dataclass(frozen=True)
class _FoldTask:
    """One fold of one model, explained as a task of its own."""

    fitted: FittedFold
    values: Floats
    table: NDArray[np.bool_]
    seed: int


@dataclass(frozen=True)
class _FoldEvidence:
    """What one fold gives."""

    shap: tuple[Floats, float]
    plain: dict[int, Floats]
    conditional: dict[int, Floats]


def gather_evidence(
    runs: Sequence[CrossValidated],
    inputs: Inputs,
    clusters: Sequence[Cluster],
    *,
    seed: int,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Evidence]:
    """Explain the held-out rows of each model, folds side by side in `jobs` processes."""
    table = membership(clusters, inputs.features)
    tasks = [
        _FoldTask(fitted, inputs.values, table, seed + i)
        for run in runs
        for i, fitted in enumerate(run.fitted)
    ]
    parts = in_parallel(_explain_fold, tasks, jobs=jobs, progress=progress)
    found, start = [], 0
    for run in runs:
        mine = parts[start : start + len(run.fitted)]
        start += len(run.fitted)
        shap = attribute(run, inputs.values, seed=seed, parts=[one.shap for one in mine])
        plain, conditional = (
            collect(run, inputs.codes, moved, n_clusters=len(clusters), base=inputs.weights)
            for moved in ([one.plain for one in mine], [one.conditional for one in mine])
        )
        found.append(Evidence(shap, plain, conditional))
    return found


def _explain_fold(task: _FoldTask) -> _FoldEvidence:
    """SHAP values and permuted predictions of one fold's held-out rows."""
    fold, values = task.fitted.fold, task.values
    shap = attribute_rows(
        task.fitted.pipeline, values[fold.train], values[fold.test], seed=task.seed
    )
    plain, conditional = (
        permute_in_fold(
            task.fitted,
            values,
            task.table,
            n_repeats=N_REPEATS,
            seed=task.seed,
            is_conditional=is_conditional,
        )
        for is_conditional in (False, True)
    )
    return _FoldEvidence(shap, plain, conditional)


@dataclass(frozen=True)
class _Means:
    """Means over patients and over resampled patients, of columns of per-row values."""

    mean: Floats
    resampled: Floats

    @property
    def share(self) -> Floats:
        """Part of the sum over columns."""
        total = self.mean.sum()
        return self.mean / total if total > 0 else np.zeros_like(self.mean)

    @property
    def rank(self) -> NDArray[np.int64]:
        """1 is the largest; ties share the best rank."""
        return np.asarray(rankdata(-self.mean.round(12), method="min"), dtype=np.int64)


@dataclass(frozen=True)
class _Context:
    """What the description of one model needs besides its evidence."""

    run: CrossValidated
    inputs: Inputs
    clusters: Sequence[Cluster]
    weights: Floats
    refits: Refits

    def means(self, per_row: Floats) -> _Means:
        """Average over patients."""
        base = self.inputs.weights
        resampled = self.weights @ per_row / self.weights.sum(axis=1, keepdims=True)
        return _Means(base @ per_row / base.sum(), resampled)


def explain_model(
    run: CrossValidated,
    evidence: Evidence,
    inputs: Inputs,
    clusters: Sequence[Cluster],
    weights: Floats,
    refits: Refits,
    *,
    n_top: int,
) -> ModelImportance:
    """Describe what one cross-validated model rests on, from its held-out rows.

    Parameters
    ----------
    run : the fitted folds
    evidence : of `gather_evidence`
    inputs : the arrays it was fitted on
    clusters : of the features
    weights : (B, n) float64, row weights in resamples of patients
    refits : of `refit_bootstraps`
    n_top : features with beeswarm and dose curve
    """
    context = _Context(run, inputs, clusters, weights, refits)
    shap = evidence.shap
    features = context.means(shap.magnitude())
    used = np.flatnonzero(features.mean > 0)
    top = used[np.argsort(-features.mean[used], kind="stable")][:n_top]
    described, stability = _clusters(context, evidence)
    return ModelImportance(
        name=run.spec.name,
        label=run.spec.label,
        output=run.spec.output,
        method=run.spec.method,
        additivity_error=shap.additivity_error,
        features=_features(context, shap, features),
        clusters=described,
        beeswarms=tuple(_beeswarm(shap, inputs, int(i)) for i in top),
        doses=tuple(_dose(context, shap, int(i)) for i in top),
        stability=stability,
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


def _features(context: _Context, shap: Attribution, means: _Means) -> tuple[FeatureImportance, ...]:
    """Describe every feature, the most important first."""
    inputs = context.inputs
    cluster_of = {name: one.name for one in context.clusters for name in one.features}
    low, high = context.refits.rank_range(context.refits.features)
    described = []
    for i in np.argsort(-means.mean, kind="stable"):
        question = _question_of(shap, int(i))
        direction, rho = direction_of(inputs.values[:, i], shap.values[:, i, question])
        described.append(
            FeatureImportance(
                feature=inputs.features[i],
                cluster=cluster_of[inputs.features[i]],
                unit=inputs.units[i],
                definition=inputs.definitions[i],
                class_name=inputs.questions.names[question],
                shap=interval(float(means.mean[i]), means.resampled[:, i]),
                share=float(means.share[i]),
                rank=int(means.rank[i]),
                rank_low=int(low[i]),
                rank_high=int(high[i]),
                direction=direction,
                direction_spearman=rho,
            )
        )
    return tuple(described)


def _clusters(
    context: _Context, evidence: Evidence
) -> tuple[tuple[ClusterImportance, ...], Stability]:
    """Describe every cluster, the most important by SHAP first, and how stable their order is."""
    magnitude = evidence.shap.magnitude(membership(context.clusters, context.inputs.features))
    means = context.means(magnitude)
    plain = context.means(evidence.plain.log_loss_rise)
    given = context.means(evidence.conditional.log_loss_rise)
    refits = context.refits
    low, high = refits.rank_range(refits.clusters)
    leading = refits.leading_share(N_LEADING)
    per_fold = np.array([magnitude[one.fold.test].mean(axis=0) for one in context.run.fitted])
    in_top = (rankdata(-per_fold, method="min", axis=1) <= N_LEADING) & (per_fold > 0)
    described = tuple(
        ClusterImportance(
            cluster=context.clusters[i].name,
            features=context.clusters[i].features,
            shap=interval(float(means.mean[i]), means.resampled[:, i]),
            share=float(means.share[i]),
            rank=int(means.rank[i]),
            rank_low=int(low[i]),
            rank_high=int(high[i]),
            leading_share=float(leading[i]),
            folds_in_top=int(in_top[:, i].sum()),
            log_loss_rise=interval(float(plain.mean[i]), plain.resampled[:, i]),
            auroc_drop=float(evidence.plain.auroc_drop[i]),
            permutation_rank=int(plain.rank[i]),
            conditional_rise=interval(float(given.mean[i]), given.resampled[:, i]),
            conditional_drop=float(evidence.conditional.auroc_drop[i]),
            conditional_rank=int(given.rank[i]),
        )
        for i in np.argsort(-means.mean, kind="stable")
    )
    return described, _stability(refits, means.mean)


def _stability(refits: Refits, reported: Floats) -> Stability:
    """Sum up how well the refits repeat the reported order; NaN where none ranks anything."""
    found = refits.correlations(reported)
    known = found[~np.isnan(found)]
    whole = interval(float(known.mean()), known) if known.size else interval(np.nan, found)
    n = len(found)
    description = (
        f"{n} bootstraps of patients, each with a new, lighter fit at the usual hyperparameters "
        f"(at most {LIGHT_TREES} trees), explained on the patients that were not drawn"
    )
    return Stability(n, N_LEADING, whole, description)


def _question_of(shap: Attribution, i_feature: int) -> int:
    """Return the question whose answer the feature moves most; 0 for two classes."""
    return int(np.abs(shap.values[:, i_feature]).mean(axis=0).argmax())


def _beeswarm(shap: Attribution, inputs: Inputs, i_feature: int) -> Beeswarm:
    """Collect one feature's SHAP and raw values."""
    question = _question_of(shap, i_feature)
    return Beeswarm(
        feature=inputs.features[i_feature],
        unit=inputs.units[i_feature],
        class_name=inputs.questions.names[question],
        patients=inputs.samples,
        values=tuple(inputs.values[:, i_feature].tolist()),
        shap=tuple(shap.values[:, i_feature, question].tolist()),
    )


def _dose(context: _Context, shap: Attribution, i_feature: int) -> DoseCurve:
    """Make one feature's dose curve for the question it moves most."""
    inputs, question = context.inputs, _question_of(shap, i_feature)
    return dose_curve(
        context.run,
        inputs.values,
        i_feature=i_feature,
        i_question=question,
        feature=inputs.features[i_feature],
        unit=inputs.units[i_feature],
        class_name=inputs.questions.names[question],
        base=inputs.weights,
        weights=context.weights,
    )
