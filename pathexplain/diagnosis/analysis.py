"""`importance`: which features does a diagnosis rest on, asked of a table of patients.

Held-out performance comes first; a model no better than chance is not explained. Not for images:
this works on features that were measured before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.agreement import agree
from pathexplain.diagnosis.clusters import cluster_features
from pathexplain.diagnosis.compare import compare_with_covariates
from pathexplain.diagnosis.crossval import CrossValidated, cross_validate
from pathexplain.diagnosis.evaluate import (
    calibration_curves,
    resampling_weights,
    roc_curves,
    score_model,
)
from pathexplain.diagnosis.explain import explain_model
from pathexplain.diagnosis.inputs import Inputs, read_inputs
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.notes import notes_for
from pathexplain.diagnosis.null import permuted_nulls
from pathexplain.diagnosis.result import (
    FoldSummary,
    ImportanceResult,
    Importances,
    ModelResult,
    NullDistribution,
    Prediction,
    Settings,
)
from pathexplain.diagnosis.splits import Fold, check_folds, make_folds
from pathexplain.diagnosis.univariate import compare_classes
from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["importance"]

SIGNIFICANT = 0.05
CHANCE = 0.5


def importance(  # noqa: PLR0913 - keyword-only choices, each with a default
    cohort: AnnData,
    *,
    target: str,
    groups: str | None = None,
    covariates: Sequence[str] = (),
    seed: int = 0,
    n_splits: int = 5,
    n_permutations: int = 59,
    n_bootstrap: int = 1000,
    n_top: int = 10,
    models: Sequence[str] = tuple(MODELS),
) -> ImportanceResult:
    """Find which features a diagnosis rests on, held-out performance first.

    Each model is cross-validated by patient, with imputing, scaling and the search for
    hyperparameters inside the folds. It is explained only if the permuted-label p-value, adjusted
    for the number of models, is below 0.05 and the 95 % interval of its AUROC is above 0.5.

    Parameters
    ----------
    cohort : AnnData
        One row a patient; features in ``X`` (NaN where undefined), clinical columns in ``obs``.
        The order of the rows does not matter.
    target : name of the clinical column with the diagnosis, 2 to 10 classes
    groups : clinical column whose values stay in one fold (a site), or None
    covariates : clinical columns of the model that the features are compared with
    seed : of folds, models, permutations and resamples
    n_splits : outer folds
    n_permutations : most permutations of the labels; the smallest p-value is 1 / (1 + this)
    n_bootstrap : resamples of patients for intervals
    n_top : features with beeswarm and dose curve
    models : names out of ``elastic_net``, ``random_forest``, ``gradient_boosting``

    Raises
    ------
    CohortError
        When the target or another column cannot be used, with counts; when a patient has several
        rows; when a class is too small for the folds.
    ConfigError
        When a number or a model name makes no sense.

    Examples
    --------
    >>> import anndata, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 4))
    >>> obs = pd.DataFrame({"dx": np.where(x[:, 2] > 0, "malignant", "benign")})
    >>> obs.index = [f"P{i}" for i in range(60)]
    >>> var = pd.DataFrame(index=["a", "b", "c", "d"])
    >>> result = importance(anndata.AnnData(x, obs=obs, var=var), target="dx",
    ...                     models=["elastic_net"])
    >>> result.importances.models[0].features[0].feature
    'c'
    """
    settings = Settings(
        seed=seed,
        n_splits=n_splits,
        n_permutations=n_permutations,
        n_bootstrap=n_bootstrap,
        n_top=n_top,
        groups=groups,
        covariates=tuple(covariates),
        models=tuple(models),
    )
    _check(settings)
    inputs = read_inputs(
        cohort, target=target, groups=groups, covariates=covariates, n_splits=n_splits
    )
    folds = make_folds(inputs.codes, groups=inputs.groups, n_splits=n_splits, seed=seed)
    check_folds(folds, inputs.patients)
    weights = resampling_weights(inputs.codes, n_bootstrap=n_bootstrap, seed=seed)
    runs = [
        cross_validate(
            MODELS[name], inputs.values, inputs.codes, folds=folds, groups=inputs.groups, seed=seed
        )
        for name in models
    ]
    nulls = permuted_nulls(
        runs,
        inputs.values,
        inputs.codes,
        groups=inputs.groups,
        n_splits=n_splits,
        n_permutations=n_permutations,
        seed=seed,
    )
    scored = tuple(
        _score(run, null, inputs, folds, weights) for run, null in zip(runs, nulls, strict=True)
    )
    univariate = compare_classes(
        inputs.values, inputs.codes, features=inputs.features, units=inputs.units, seed=seed
    )
    clusters = cluster_features(inputs.values, inputs.features)
    explained = tuple(
        explain_model(run, inputs, clusters, weights, n_top=n_top, seed=seed)
        for run, model in zip(runs, scored, strict=True)
        if model.is_better_than_chance
    )
    return ImportanceResult(
        target=inputs.target,
        folds=_summarize_folds(folds, inputs),
        models=scored,
        comparison=compare_with_covariates(
            inputs, folds, weights, covariates=covariates, seed=seed
        ),
        clusters=clusters,
        importances=(
            Importances(explained, agree(explained, clusters, univariate)) if explained else None
        ),
        reason="" if explained else _refusal(scored),
        univariate=univariate,
        settings=settings,
        notes=notes_for(inputs, scored, univariate),
    )


def _check(settings: Settings) -> None:
    """Refuse settings that cannot give what they promise."""
    unknown = [name for name in settings.models if name not in MODELS]
    if unknown or not settings.models:
        message = f"unknown models {unknown}; choose out of {', '.join(MODELS)}"
        raise ConfigError(message)
    least = round(1 / SIGNIFICANT)
    if settings.n_permutations < least:
        message = (
            f"n_permutations is {settings.n_permutations}; with fewer than {least} no p-value can "
            f"be below {SIGNIFICANT}"
        )
        raise ConfigError(message)
    for name, value in (("n_bootstrap", settings.n_bootstrap), ("n_top", settings.n_top)):
        if value < 1:
            message = f"{name} is {value}; it must be at least 1"
            raise ConfigError(message)


def _score(
    run: CrossValidated,
    null: NullDistribution,
    inputs: Inputs,
    folds: Sequence[Fold],
    weights: NDArray[np.float64],
) -> ModelResult:
    """Put together what is known of one model's held-out performance, and judge it."""
    metrics = score_model(run, inputs.codes, weights)
    area = metrics[0].interval
    is_significant = null.p_adjusted < SIGNIFICANT
    found = f"AUROC {area.value:.2f} ({area.low:.2f} to {area.high:.2f})"
    chance = f"permuted labels p = {null.p_adjusted:.3f} (adjusted)"
    is_better = is_significant and area.above(CHANCE)
    word = "better than chance" if is_better else "not shown to be better than chance"
    return ModelResult(
        name=run.spec.name,
        label=run.spec.label,
        hyperparameters=tuple(dict(fitted.parameters) for fitted in run.fitted),
        metrics=metrics,
        roc=roc_curves(run, inputs.codes, inputs.target.classes),
        calibration=calibration_curves(run, inputs.codes, inputs.target.classes),
        predictions=_predictions(run, inputs, folds),
        null=null,
        is_better_than_chance=is_better,
        verdict=f"{word}: {found}, {chance}",
    )


def _predictions(
    run: CrossValidated, inputs: Inputs, folds: Sequence[Fold]
) -> tuple[Prediction, ...]:
    """List held-out predictions; the class called is the one most above its training share."""
    fold_of = np.empty(len(inputs.codes), dtype=np.int64)
    for i_fold, fold in enumerate(folds):
        fold_of[fold.test] = i_fold
    called = (run.probabilities / run.priors).argmax(axis=1)
    classes = inputs.target.classes
    return tuple(
        Prediction(
            patient=patient,
            fold=int(fold_of[i]),
            observed=classes[inputs.codes[i]],
            predicted=classes[called[i]],
            probabilities=tuple(run.probabilities[i].tolist()),
        )
        for i, patient in enumerate(inputs.patients)
    )


def _summarize_folds(folds: Sequence[Fold], inputs: Inputs) -> tuple[FoldSummary, ...]:
    """Count what each fold trains on and holds out."""
    n_classes = len(inputs.target.classes)
    groups = inputs.groups
    return tuple(
        FoldSummary(
            index=i,
            n_train=len(fold.train),
            n_test=len(fold.test),
            train_counts=tuple(np.bincount(inputs.codes[fold.train], minlength=n_classes).tolist()),
            test_counts=tuple(np.bincount(inputs.codes[fold.test], minlength=n_classes).tolist()),
            test_groups=() if groups is None else tuple(np.unique(groups[fold.test]).tolist()),
        )
        for i, fold in enumerate(folds)
    )


def _refusal(scored: Sequence[ModelResult]) -> str:
    """Say why nothing is explained."""
    listed = "; ".join(f"{model.label} {model.verdict}" for model in scored)
    return (
        "No importances: what a model rests on means nothing when it does not predict held-out "
        f"patients. {listed}."
    )
