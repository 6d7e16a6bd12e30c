"""What a reader of an external validation must be told, in words.

Not for refusing a cohort (`external`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.prognosis.result import Note

if TYPE_CHECKING:
    from pathexplain.prognosis.external import TermUse
    from pathexplain.prognosis.locking import Development, LockedModel
    from pathexplain.prognosis.result import CohortSummary, WithInterval

__all__ = ["external_headline", "external_notes"]

ENOUGH_EVENTS = 100  # Vergouwe et al. (2005) doi 10.1016/j.jclinepi.2004.06.017
CHANCE = 0.5
MANY_OUTSIDE = 0.05  # share of patients beyond the range of development (own choice)


def external_headline(
    c_index: WithInterval,
    gain: WithInterval | None,
    slope: WithInterval,
    development: Development,
) -> str:
    """Say in a sentence or two how the model did."""
    then = development.c_index
    text = f"C-index {_words(c_index)} in patients the model never saw"
    if then.value == then.value:
        text += f"; cross-validated at development {_words(then)}"
    text += f". Calibration slope {_words(slope)}."
    if gain is not None:
        text += f" Gain over the covariates alone {_words(gain)}."
    return text


def external_notes(
    cohort: CohortSummary,
    locked: LockedModel,
    *,
    c_index: WithInterval,
    gain: WithInterval | None,
    calibration_slope: WithInterval,
    terms: tuple[TermUse, ...],
) -> tuple[Note, ...]:
    """Tell of few events, of figures that show nothing, and of patients unlike development's."""
    notes = []
    if cohort.events < ENOUGH_EVENTS:
        text = (
            f"{cohort.events} events: fewer than the 100 at which a validation begins to tell "
            "whether a model holds."
        )
        notes.append(Note("warning", "few_events", text))
    if not c_index.low > CHANCE:
        text = f"C-index {_words(c_index)}: not shown to be better than chance here."
        notes.append(Note("warning", "not_better_than_chance", text))
    if gain is not None and not gain.low > 0:
        text = f"Gain over the covariates alone {_words(gain)}: no gain shown."
        notes.append(Note("warning", "no_gain_over_covariates", text))
    if not calibration_slope.low <= 1 <= calibration_slope.high:
        kind = "too extreme" if calibration_slope.value < 1 else "not extreme enough"
        text = f"Calibration slope {_words(calibration_slope)}: predictions are {kind}."
        notes.append(Note("warning", "miscalibrated", text))
    unlike = [
        f"{term.name} ({term.n_outside})"
        for term in terms
        if term.n_outside > MANY_OUTSIDE * cohort.n
    ]
    if unlike:
        text = f"Patients beyond the range of development, extrapolated: {', '.join(unlike)}."
        notes.append(Note("warning", "outside_range", text))
    imputed = [f"{term.name} ({term.n_imputed})" for term in terms if term.n_imputed]
    if imputed:
        text = f"Missing, set to the development median: {', '.join(imputed)}."
        notes.append(Note("info", "imputed", text))
    if locked.mpp is None:
        text = "The model's file does not say at which resolution its features were measured."
        notes.append(Note("warning", "mpp_unknown", text))
    return tuple(notes)


def _words(estimate: WithInterval) -> str:
    """Print an estimate with its interval."""
    value, low, high = estimate.value, estimate.low, estimate.high
    return f"{value:.3f} (95 % interval {low:.3f} to {high:.3f})"
