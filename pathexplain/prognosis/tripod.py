"""The TRIPOD+AI checklist answered from a result; what only the authors know is marked for them.

Not for the wording of the guideline (`reporting_items`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.prognosis.reporting_items import TRIPOD_AI, ReportingItem, filled

if TYPE_CHECKING:
    from pathexplain.prognosis.result import SurvivalResult

__all__ = ["tripod_items"]

Answer = tuple[str, str]

# What no analysis can know, item by item.
_AUTHORS: dict[str, str] = {
    "1": "Name the model, its population and its outcome in the title.",
    "2": "Write the abstract by the list for abstracts.",
    "3a": "Describe the clinical setting.",
    "3b": "Name the target population, purpose and users.",
    "3c": "Describe known inequalities between groups.",
    "5b": "Give the dates of enrolment and follow-up.",
    "6b": "Give the rules of inclusion.",
    "6c": "Describe treatments.",
    "8b": "Say who assessed the outcome.",
    "8c": "Say whether it was assessed blind.",
    "9b": "Describe slides, staining and scanner, and when the tissue was taken.",
    "9c": "Say who judged predictors where judgment was needed.",
    "14": "Say what was done for fairness, for which groups.",
    "17": "Name the approval and the consent.",
    "18a": "Name the funding.",
    "18b": "Name conflicts of interest.",
    "18c": "Say where the protocol is, or that there is none.",
    "18d": "Give the registration, or say that there is none.",
    "18e": "Say where the data can be had.",
    "19": "Say how patients and public were involved.",
    "25": "Interpret the results, fairness included.",
    "27b": "Say what users must do or know.",
    "27c": "Say what should follow.",
}


def tripod_items(result: SurvivalResult) -> tuple[ReportingItem, ...]:
    """Answer each item as far as the analysis knows."""
    known = {**_data(result), **_analysis(result), **_results(result)}
    return tuple(
        filled(asked, *known.get(asked.number, ("", _AUTHORS.get(asked.number, ""))))
        for asked in TRIPOD_AI
    )


def _data(result: SurvivalResult) -> dict[str, Answer]:
    """Items 4 to 11: data, outcome, predictors."""
    cohort = result.cohort
    sites = [row for row in result.characteristics if row.name == result.site]
    centers = f"{len(sites)} levels of {result.site}." if sites else ""
    dropped = len(result.preflight.dropped)
    return {
        "4": ("A model is developed and validated internally.", "State the objectives."),
        "5a": (f"One table of {cohort.n_input} patients.", "Name the source of the data."),
        "6a": (centers, "Describe the setting and the places."),
        "7": (
            f"{result.preflight.n_features} features checked before any fit; {dropped} left out, "
            "each with its reason.",
            "",
        ),
        "8a": (
            f"{result.event} over {result.time}; horizons "
            f"{', '.join(f'{h:g}' for h in result.horizons)}.",
            "Define the outcome in clinical words.",
        ),
        "9a": (
            f"All {result.preflight.n_features} features of the table were candidates.",
            "Say why these prompts and features were measured.",
        ),
        "10": (
            f"{cohort.n} patients, {cohort.events} events, "
            f"{result.preflight.events_per_feature:.2g} events a candidate.",
            "Say how the size was arrived at.",
        ),
        "11": (
            "Patients without outcome or covariates were left out and counted; a missing feature "
            "was left out of its own test and set to the training median in models.",
            "",
        ),
    }


def _analysis(result: SurvivalResult) -> dict[str, Answer]:
    """Items 12 to 16: how it was analyzed."""
    validation = result.validation
    folds = "no cross-validation: " + result.validation_reason
    if validation is not None:
        folds = f"{validation.n_repeats} x {validation.n_splits}-fold cross-validation"
    clusters = f"Baseline hazards by {result.strata}. " if result.strata else ""
    if result.site_effects:
        clusters += f"Effects compared over {result.site}."
    return {
        "12a": (f"All patients for development; {folds}.", ""),
        "12b": ("Linear per standard deviation, on the log hazard.", ""),
        "12c": (result.methods.replace("\n\n", " "), ""),
        "12d": (clusters, "" if clusters else "Give the sites (--site), or say there is one."),
        "12e": (
            "Harrell's C within test folds with bootstrap intervals, the gain over the covariates "
            "alone, and what the section on prediction lists.",
            "",
        ),
        "12f": ("The model was not updated.", ""),
        "12g": (
            "Predictions are the linear score and Breslow's baseline hazard; `pathexplain "
            "validate` applies them unchanged.",
            "",
        ),
        "13": ("Survival times were analyzed as such; nothing was resampled for balance.", ""),
        "15": (
            "A linear score, survival at the horizons, and groups split at the median score of "
            "development."
            if result.model is not None
            else "No model is put out.",
            "",
        ),
        "16": ("One cohort: training and test folds come from the same patients.", ""),
        "18f": (
            f"pathexplain {result.versions.get('pathexplain', '')}, Apache-2.0.",
            "Say where your own scripts can be had.",
        ),
    }


def _results(result: SurvivalResult) -> dict[str, Answer]:
    """Items 20 to 27: results and limits."""
    warnings = [note.text for note in result.notes if note.level == "warning"]
    model = "The terms, coefficients, means, sds and baseline hazard stand in the JSON (`model`)."
    held_out = [one for one in result.held_out_sites if not one.reason]
    performance = (
        f"Cross-validated C-index {result.validation.c_index.value:.3f} "
        f"({result.validation.c_index.low:.3f} to {result.validation.c_index.high:.3f})."
        if result.validation is not None
        else ""
    )
    return {
        "20a": (
            f"{result.cohort.n_input} in the table, {result.cohort.n} analyzed, "
            f"{result.cohort.events} with the event; see the flow diagram.",
            "",
        ),
        "20b": (
            "See the table of patients." if result.characteristics else "",
            "" if result.characteristics else "Give clinical columns (--covariates).",
        ),
        "20c": ("There is one cohort.", ""),
        "21": (
            f"{result.cohort.n} patients and {result.cohort.events} events in every analysis, "
            "fewer where a feature is missing, as its row says.",
            "",
        ),
        "22": (model if result.model is not None else f"No model: {result.final_reason}.", ""),
        "23a": (performance, "Add key subgroups." if performance else result.validation_reason),
        "23b": (
            f"{len(held_out)} sites predicted by models of the others." if held_out else "",
            "" if held_out else "Not possible with this cohort: give several sites (--site).",
        ),
        "24": ("The model was not updated.", ""),
        "26": (" ".join(warnings), "Add limits that the analysis cannot see."),
        "27a": (
            "A missing feature is set to the development median; a patient without covariates is "
            "not scored; a cohort measured differently is refused.",
            "",
        ),
    }
