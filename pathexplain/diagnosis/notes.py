"""What a reader must know before trusting the numbers: written from the data, not from hope.

Not for errors: an analysis that cannot be made raises instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathexplain.diagnosis.inputs import Inputs
    from pathexplain.diagnosis.result import ModelResult, UnivariateTest

__all__ = ["notes_for"]

FEW_PATIENTS = 30
SPREAD = 0.1


def notes_for(
    inputs: Inputs, models: Sequence[ModelResult], univariate: Sequence[UnivariateTest]
) -> tuple[str, ...]:
    """Return the cautions that apply to this analysis."""
    notes = [
        "One random split into folds; another seed gives other numbers within about the width of "
        "the intervals. Intervals resample patients with the fitted models held fixed, so they "
        "leave out the variation of fitting; the ranges of ranks hold it, by fitting anew.",
        "SHAP takes features as independent; among correlated features read the cluster, not the "
        "single feature. Importance is about these models, not about cause.",
    ]
    if inputs.is_repeated:
        notes.append(_rows_note(inputs))
    smallest = int(min(inputs.target.counts))
    if smallest < FEW_PATIENTS:
        notes.append(
            f"The smallest class has {smallest} patients; every estimate is rough, ranks most of "
            "all."
        )
    areas = {model.label: model.metric("auroc").interval.value for model in models}
    if len(areas) > 1 and max(areas.values()) - min(areas.values()) > SPREAD:
        best = max(areas, key=lambda label: areas[label])
        notes.append(
            f"The models differ by more than {SPREAD} in AUROC; {best} is best, and picking the "
            "best after the fact is optimistic."
        )
    lost = sum(item.n for item in inputs.target.lost)
    if lost:
        share = lost / (lost + inputs.target.n_patients)
        notes.append(f"{lost} patients ({share:.0%}) were left out; see the flow for the reasons.")
    missing = float(np.isnan(inputs.values).mean())
    if missing > 0:
        notes.append(
            f"{missing:.1%} of the feature values are missing; models take the training fold's "
            "median, and leave a feature out of a fold in which more than half is missing."
        )
    perfect = [test.feature for test in univariate if abs(test.effect.value) == 1.0]
    if perfect:
        notes.append(
            f"{len(perfect)} features separate two classes without error (first: {perfect[0]}); "
            "check that they were not made from the target."
        )
    return tuple(notes)


def _rows_note(inputs: Inputs) -> str:
    """Say how rows stand for patients, and what it means when a patient has several classes."""
    target = inputs.target
    note = (
        f"{target.n_rows} rows of {target.n_patients} patients: rows of a patient share its weight "
        "and stay together in folds, resamples and permutations."
    )
    n_both = sum(target.counts) - target.n_patients
    if n_both:
        note += (
            f" {n_both} times a patient has rows of a further class; tests of one value a patient "
            "take these as other patients, the mixed models do not."
        )
    return note
