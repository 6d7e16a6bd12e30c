"""Held-out performance of one model put together, and whether it may be explained.

Not for computing scores: see `evaluate` and `null`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.evaluate import calibration_curves, roc_curves, score_model
from pathexplain.diagnosis.result import FoldSummary, ModelResult, Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.crossval import CrossValidated
    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.result import NullDistribution
    from pathexplain.diagnosis.splits import Fold

__all__ = ["CHANCE", "SIGNIFICANT", "judge", "refusal", "summarize_folds"]

SIGNIFICANT = 0.05
CHANCE = 0.5


def judge(
    run: CrossValidated,
    null: NullDistribution,
    inputs: Inputs,
    folds: Sequence[Fold],
    weights: NDArray[np.float64],
) -> ModelResult:
    """Put together what is known of one model's held-out performance, and judge it."""
    codes, base = inputs.codes, inputs.weights
    metrics = score_model(run, codes, base, weights, n=inputs.target.n_patients)
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
        roc=roc_curves(run, codes, base),
        calibration=calibration_curves(run, codes, base, inputs.patients),
        predictions=_predictions(run, inputs, folds),
        null=null,
        is_better_than_chance=is_better,
        verdict=f"{word}: {found}, {chance}",
    )


def summarize_folds(folds: Sequence[Fold], inputs: Inputs) -> tuple[FoldSummary, ...]:
    """Count what each fold trains on and holds out."""
    n_classes = len(inputs.target.classes)
    patients, sites = inputs.patients, inputs.sites
    return tuple(
        FoldSummary(
            index=i,
            n_train=len(np.unique(patients[fold.train])),
            n_test=len(np.unique(patients[fold.test])),
            train_counts=tuple(np.bincount(inputs.codes[fold.train], minlength=n_classes).tolist()),
            test_counts=tuple(np.bincount(inputs.codes[fold.test], minlength=n_classes).tolist()),
            test_sites=() if sites is None else tuple(np.unique(sites[fold.test]).tolist()),
        )
        for i, fold in enumerate(folds)
    )


def refusal(scored: Sequence[ModelResult]) -> str:
    """Say why nothing is explained."""
    listed = "; ".join(f"{model.label} {model.verdict}" for model in scored)
    return (
        "No importances: what a model rests on means nothing when it does not predict held-out "
        f"patients. {listed}."
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
            sample=sample,
            patient=str(inputs.patients[i]),
            fold=int(fold_of[i]),
            observed=classes[inputs.codes[i]],
            predicted=classes[called[i]],
            probabilities=tuple(run.probabilities[i].tolist()),
        )
        for i, sample in enumerate(inputs.samples)
    )
