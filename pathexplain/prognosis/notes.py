"""What a reader of the numbers must be told: warnings and explanations, in words.

Not for raising: impossible input is an error of `outcome` and `study`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pathexplain.prognosis.model import EVENTS_PER_VARIABLE
from pathexplain.prognosis.result import Note

if TYPE_CHECKING:
    from pathexplain.prognosis.result import (
        CohortSummary,
        FinalModel,
        NegativeControl,
        Preflight,
        Screen,
        SurvivalResult,
        Validation,
        WithInterval,
    )
    from pathexplain.prognosis.sites import SiteEffects

__all__ = [
    "closer_notes",
    "cohort_notes",
    "final_notes",
    "headline",
    "screen_notes",
    "validation_notes",
]

SMALL_COHORT = 100  # patients; own choice
SMALL_EVENTS = 50  # events; own choice
PH_LEVEL = 0.05
CHANCE = 0.5  # C-index of a random order
_NAMED = 5


def cohort_notes(
    cohort: CohortSummary, preflight: Preflight, suspects: tuple[str, ...]
) -> list[Note]:
    """Tell of small numbers, lost patients, unknown units and features that follow the outcome."""
    notes = []
    if cohort.n < SMALL_COHORT or cohort.events < SMALL_EVENTS:
        text = (
            f"{cohort.n} patients with {cohort.events} events: only large effects can be found, "
            "and every interval here is wide."
        )
        notes.append(_warning("small_cohort", text))
    if preflight.events_per_feature < EVENTS_PER_VARIABLE:
        text = (
            f"{cohort.events} events for {preflight.n_tested} candidate features "
            f"({preflight.events_per_feature:.2g} each): which correlated feature comes first is "
            "largely chance."
        )
        notes.append(_warning("few_events_per_feature", text))
    if cohort.lost:
        lost = "; ".join(f"{item.n}: {item.reason}" for item in cohort.lost)
        notes.append(_info("patients_lost", f"Patients left out: {lost}."))
    if cohort.time_unit == "unknown":
        text = "The time column's name ends in no unit (_days, _months, ...): times carry none."
        notes.append(_warning("time_unit_unknown", text))
    if suspects:
        text = f"Nearly a copy of the follow-up time, probably an outcome: {_few(suspects)}."
        notes.append(_warning("feature_follows_time", text))
    if preflight.n_correlated:
        text = f"{preflight.n_correlated} pairs of tested features have |r| > 0.95."
        notes.append(_info("correlated_features", text))
    return notes


def screen_notes(screen: Screen, control: NegativeControl) -> list[Note]:
    """Tell of failed fits, missing values and a negative control that finds things."""
    notes = []
    failed = [f"{row.feature} ({row.status})" for row in screen.rows if row.status != "ok"]
    if failed:
        text = f"{len(failed)} fits gave no estimate and count as p = 1: {_few(failed)}."
        notes.append(_warning("failed_fits", text))
    most = max((row.n for row in screen.rows), default=0)
    partial = [row.feature for row in screen.rows if row.n < most]
    if partial:
        text = (
            f"{len(partial)} features are missing in some patients and were screened on the "
            f"others: {_few(partial)}."
        )
        notes.append(_info("missing_values", text))
    expected = control.n_permutations * screen.alpha
    found = control.share_with_discovery * control.n_permutations
    if found > expected + 3 * max(expected * (1 - screen.alpha), 1.0) ** 0.5:
        text = (
            f"The screen reports discoveries in {found:.0f} of {control.n_permutations} permuted "
            "outcomes: its p-values cannot be trusted in this cohort."
        )
        notes.append(_warning("negative_control_failed", text))
    return notes


def final_notes(
    final: FinalModel, messages: tuple[str, ...], *, dropped_for_fit: int
) -> list[Note]:
    """Tell of optimism, few events, violated assumptions and what lifelines said."""
    text = (
        "The final model's hazard ratios, p-values and apparent C come from the patients that "
        "chose its features: they are optimistic. Believe the cross-validated figure."
    )
    notes = [_warning("optimism", text)]
    if final.events_per_variable < EVENTS_PER_VARIABLE:
        text = f"{final.events_per_variable:.1f} events a variable in the final model; below 10."
        notes.append(_warning("few_events_per_variable", text))
    violated = [
        f"{term.name} (p = {term.p_proportional_hazards.value:.2g})"
        for term in final.terms
        if term.p_proportional_hazards.value < PH_LEVEL
    ]
    if violated:
        text = (
            f"Hazards are not proportional for {_few(violated)}: the hazard ratio is an average "
            "over follow-up."
        )
        notes.append(_warning("non_proportional_hazards", text))
    imputed = [f"{term.name} ({term.n_imputed})" for term in final.terms if term.n_imputed]
    if imputed:
        text = f"Missing values stand at the median in the final model: {_few(imputed)}."
        notes.append(_info("imputed", text))
    if dropped_for_fit:
        text = f"{dropped_for_fit} discoveries left the final model because it could not be fitted."
        notes.append(_warning("terms_dropped", text))
    notes.extend(_warning("lifelines", message) for message in messages)
    return notes


def validation_notes(validation: Validation | None, reason: str) -> list[Note]:
    """Tell whether the cross-validated figure beats chance and the covariates."""
    if validation is None:
        return [_warning("no_validation", f"Not cross-validated: {reason}.")]
    notes = []
    if not validation.c_index.low > CHANCE:
        text = (
            f"Cross-validated C = {_interval(validation.c_index)}: not shown to be better than "
            "chance."
        )
        notes.append(_warning("not_better_than_chance", text))
    if validation.n_models_with_features < validation.n_models:
        text = (
            f"In {validation.n_models - validation.n_models_with_features} of "
            f"{validation.n_models} training folds no feature passed the screen: the selection "
            "hangs on few patients."
        )
        notes.append(_warning("selection_unstable", text))
    if validation.gain is not None and not validation.gain.low > 0:
        text = f"Gain in C over the covariates alone = {_interval(validation.gain)}: no gain shown."
        notes.append(_warning("no_gain_over_covariates", text))
    text = (
        "The interval of the cross-validated C resamples patients with the fitted models fixed; "
        "a new hospital adds uncertainty that it does not hold."
    )
    return [*notes, _info("interval_meaning", text)]


def headline(screen: Screen, validation: Validation | None) -> str:
    """Say in one sentence what was found, the cross-validated figure first."""
    if screen.n_discoveries == 0:
        found = (
            f"None of the {screen.n_tests} features tested is associated with survival at a false "
            f"discovery rate of {screen.alpha:g}."
        )
    else:
        found = (
            f"{screen.n_discoveries} of {screen.n_tests} features tested pass at a false discovery "
            f"rate of {screen.alpha:g}, {screen.rows[0].feature} first."
        )
    if validation is None:
        return found
    text = f"Cross-validated C-index of the whole procedure {_interval(validation.c_index)}"
    if validation.gain is not None:
        text += f", gain over the covariates alone {_interval(validation.gain)}"
    return f"{text}. {found}"


def closer_notes(result: SurvivalResult) -> list[Note]:
    """Tell of effects that change with time, differ between sites or vanish within them."""
    notes = []
    changing = [one.feature for one in result.periods if one.p_difference.value < PH_LEVEL]
    if changing:
        text = f"The effect differs between early and late follow-up: {_few(changing)}."
        notes.append(_warning("time_varying", text))
    differing = [one.feature for one in result.site_effects if one.p_heterogeneity.value < PH_LEVEL]
    if differing:
        text = f"The hazard ratio differs between the levels of {result.site}: {_few(differing)}."
        notes.append(_warning("site_heterogeneity", text))
    telling = [one.feature for one in result.site_effects if one.is_site_signature]
    if telling:
        text = (
            f"These features tell the levels of {result.site} apart (mean one-against-rest AUROC "
            "of at least 0.7), so they may stand for where a slide was made: "
            f"{_few(telling)}."
        )
        notes.append(_warning("site_signature", text))
    vanishing = [one.feature for one in result.site_effects if _vanishes(one)]
    if vanishing:
        text = (
            f"Compared within the levels of {result.site} only, the effect is no longer shown: "
            f"{_few(vanishing)}."
        )
        notes.append(_warning("explained_by_site", text))
    unstable = [name for name in result.selected if name not in result.reported]
    if unstable and result.stability is not None and not result.stability.reason:
        text = (
            "In the final model, but not reported as biomarkers, since max-T or stability "
            f"selection does not support them: {_few(unstable)}."
        )
        notes.append(_warning("not_reported", text))
    if result.cohort.events == result.cohort.n:
        text = (
            f"Every patient has the event: check that {result.event} is 1 for an event and 0 for "
            "an end of follow-up."
        )
        notes.append(_warning("no_censoring", text))
    if result.cohort.n_competing:
        text = (
            f"{result.cohort.n_competing} patients had a competing event: Cox models are "
            "cause-specific (competing events censored), and a hazard ratio says nothing of the "
            "share that will have the event; read the cumulative incidence."
        )
        notes.append(_info("competing_events", text))
    return notes


def _vanishes(effects: SiteEffects) -> bool:
    """Say whether an interval that excluded 1 includes it once patients are compared in a site."""
    pooled, within = effects.hr_unstratified, effects.hr_stratified
    return not (pooled.low <= 1 <= pooled.high) and within.low <= 1 <= within.high


def _warning(code: str, text: str) -> Note:
    """Return a note of level warning."""
    return Note("warning", code, text)


def _info(code: str, text: str) -> Note:
    """Return a note of level info."""
    level: Literal["info"] = "info"
    return Note(level, code, text)


def _few(names: list[str] | tuple[str, ...]) -> str:
    """Name the first few."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _interval(estimate: WithInterval) -> str:
    """Print an estimate with its interval."""
    value, low, high = estimate.value, estimate.low, estimate.high
    return f"{value:.3f} (95 % interval {low:.3f} to {high:.3f})"
