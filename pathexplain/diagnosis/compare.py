"""Whether the features add to what the clinic knows already.

Covariates alone, features alone and both, by the same kind of model on the same folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.crossval import cross_validate, ratio_scores
from pathexplain.diagnosis.evaluate import auroc, interval, score_model
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.result import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.splits import Fold

__all__ = ["compare_with_covariates"]

NOTE = (
    "Elastic-net logistic regression on the same folds; covariates are penalized like features, so "
    "with many features the joint model can be worse than the covariates alone. The gain is the "
    "difference of AUROC with the models held fixed and patients resampled in pairs."
)


def compare_with_covariates(
    inputs: Inputs,
    folds: Sequence[Fold],
    weights: NDArray[np.float64],
    *,
    covariates: Sequence[str],
    seed: int,
) -> Comparison | None:
    """Compare covariates, features and both; None without covariates."""
    if not covariates:
        return None
    runs = [
        cross_validate(
            MODELS["elastic_net"],
            values,
            inputs.codes,
            folds=folds,
            groups=inputs.groups,
            seed=seed,
        )
        for values in (
            inputs.clinical,
            inputs.values,
            np.hstack([inputs.clinical, inputs.values]),
        )
    ]
    clinical, features, combined = (score_model(run, inputs.codes, weights) for run in runs)
    resampled = [
        auroc(ratio_scores(run.probabilities, run.priors), inputs.codes, weights) for run in runs
    ]
    gain = combined[0].interval.value - clinical[0].interval.value
    return Comparison(
        covariates=inputs.clinical_names,
        clinical=clinical,
        features=features,
        combined=combined,
        gain=interval(gain, resampled[2] - resampled[0]),
        note=NOTE,
    )
