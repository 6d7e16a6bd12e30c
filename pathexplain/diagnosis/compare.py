"""Whether the features add to what the clinic knows already.

Covariates alone, features alone and both, by the same kind of model on the same folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.evaluate import interval, mean_auroc, score_model
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.result import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.crossval import CrossValidated, Data
    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.models import ModelSpec

__all__ = ["COMPARED", "compare", "comparison_tasks"]

COMPARED = "elastic_net"
"""The kind of model that is compared."""

NOTE = (
    "Elastic-net logistic regression on the same folds; covariates are penalized like features, so "
    "with many features the joint model can be worse than the covariates alone. The gain is the "
    "difference of AUROC with the models held fixed and patients resampled in pairs."
)


def comparison_tasks(inputs: Inputs) -> list[tuple[ModelSpec, Data]]:
    """Return what is to be cross-validated: covariates, features, both; nothing without any."""
    if inputs.clinical.shape[1] == 0:
        return []
    both = np.hstack([inputs.clinical, inputs.values])
    spec = MODELS[COMPARED]
    return [(spec, inputs.data(inputs.clinical)), (spec, inputs.data()), (spec, inputs.data(both))]


def compare(
    runs: Sequence[CrossValidated], inputs: Inputs, weights: NDArray[np.float64]
) -> Comparison | None:
    """Compare the three runs of `comparison_tasks`; None without covariates."""
    if not runs:
        return None
    n = inputs.target.n_patients
    clinical, features, combined = (
        score_model(run, inputs.codes, inputs.weights, weights, n=n) for run in runs
    )
    answers = inputs.questions.answers(inputs.codes)
    resampled = [mean_auroc(run.scores, answers, weights) for run in runs]
    gain = combined[0].interval.value - clinical[0].interval.value
    return Comparison(
        covariates=inputs.clinical_names,
        clinical=clinical,
        features=features,
        combined=combined,
        gain=interval(gain, resampled[2] - resampled[0]),
        note=NOTE,
    )
