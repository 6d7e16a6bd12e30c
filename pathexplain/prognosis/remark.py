"""The REMARK checklist answered from a result; what only the authors know is marked for them.

Not for the wording of the guideline (`reporting_items`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.prognosis.reporting_items import REMARK, ReportingItem, filled

if TYPE_CHECKING:
    from pathexplain.prognosis.result import SurvivalResult, WithInterval

__all__ = ["remark_items"]

_NAMED = 8


def remark_items(result: SurvivalResult) -> tuple[ReportingItem, ...]:
    """Answer each of the 20 items as far as the analysis knows."""
    answers = {**_introduction(result), **_methods(result), **_results(result), **_discussion()}
    return tuple(filled(asked, *answers[asked.number]) for asked in REMARK)


Answer = tuple[str, str]


def _introduction(result: SurvivalResult) -> dict[str, Answer]:
    """Items 1 to 5: what was studied, in whom, from what."""
    screen = result.screen
    measured = sorted({row.feature.split(".")[0] for row in screen.rows if "." in row.feature})
    of = f" of {', '.join(measured[:_NAMED])}" if measured else ""
    patients = f"{result.cohort.n_input} patients came with a table"
    if result.characteristics:
        patients += "; their characteristics stand in the table of patients"
    mpp = result.options.get("mpp")
    resolution = f" at {mpp} µm per pixel" if mpp else ""
    assay = f"Image features{of}{resolution}; each feature's unit and definition stand in the JSON"
    if result.robustness is not None:
        assay += (
            f"; repeatability under perturbed segmentation: intraclass correlation at least "
            f"{result.robustness.min_icc:g} was asked for"
        )
    return {
        "1": (
            f"{screen.n_tests} image features were screened for association with {result.event}.",
            "State the aims, and which hypotheses were set before the data were seen.",
        ),
        "2": (f"{patients}.", "Name the source, the period and the rules of inclusion."),
        "3": ("", "Describe treatments and how they were chosen."),
        "4": ("", "Describe tissue, fixation, staining, scanner and storage."),
        "5": (
            f"{assay}.",
            "Add how slides were chosen and checked, and whether anyone knew the outcomes.",
        ),
    }


def _methods(result: SurvivalResult) -> dict[str, Answer]:
    """Items 6 to 11: design and statistics."""
    cohort, preflight = result.cohort, result.preflight
    follow_up = _words(cohort.median_follow_up)
    dropped = f"; {len(preflight.dropped)} were not tested, each with its reason"
    return {
        "6": (
            f"Median follow-up {follow_up} {_unit(result)} (reverse Kaplan-Meier), longest "
            f"{cohort.longest_time:g}.",
            "State how cases were chosen, prospectively or not, and the dates.",
        ),
        "7": (
            f"Endpoint: {result.event} over {result.time}"
            + (f"; competing: {result.competing_column}" if result.competing_column else "")
            + ".",
            "Define the endpoint and the start of time in clinical words.",
        ),
        "8": (
            f"{preflight.n_features} candidate features, all listed{dropped}. Covariates: "
            f"{', '.join(result.covariates) or 'none'}.",
            "",
        ),
        "9": (
            f"{cohort.events} events; {preflight.events_per_feature:.2g} for each tested feature.",
            "Say why this number of patients, and what hazard ratio it could show.",
        ),
        "10": (result.methods.replace("\n\n", " "), ""),
        "11": (
            "Features entered as continuous variables, scaled by their standard deviation. Splits "
            "at the median are displays. Cut-points, where shown, carry p-values corrected for "
            "the search.",
            "",
        ),
    }


def _results(result: SurvivalResult) -> dict[str, Answer]:
    """Items 12 to 18: data and results."""
    cohort, final = result.cohort, result.final
    lost = "; ".join(f"{one.n} {one.reason}" for one in cohort.lost) or "none left out"
    first = result.screen.rows[0]
    missing = sum(row.n < cohort.n for row in result.screen.rows)
    model = "No final model: " + result.final_reason
    if final is not None:
        terms = "; ".join(f"{t.name} {_words(t.hr)} per {t.scale}" for t in final.terms[:_NAMED])
        model = f"Hazard ratios of the final model: {terms}"
    has_standard = bool(result.covariates)
    associated = (
        "Spearman correlations with the covariates are in the table of associations."
        if result.associations
        else ""
    )
    beside = (
        f"Every feature was tested beside {', '.join(result.covariates)}, whatever its p."
        if has_standard
        else ""
    )
    name_standard = "Give the standard prognostic variables (--covariates)."
    return {
        "12": (
            f"{cohort.n_input} patients, {cohort.n} analyzed ({lost}), {cohort.events} events; see "
            "the flow diagram.",
            "Add whom you left out before the table was made.",
        ),
        "13": (
            f"Clinical variables: table of patients. Features: mean, sd and n each; {missing} have "
            "missing values.",
            "" if has_standard else name_standard,
        ),
        "14": (associated, "" if associated else name_standard),
        "15": (
            f"All {result.screen.n_tests} features with hazard ratio, interval and p; first: "
            f"{first.feature} {_words(first.hr_per_sd)} per sd.",
            "",
        ),
        "16": (f"{model}.", ""),
        "17": (beside, "" if beside else name_standard),
        "18": (_further(result), ""),
    }


def _further(result: SurvivalResult) -> str:
    """Item 18: what was checked."""
    done = ["proportional hazards", "early against late effects"] if result.final else []
    if result.validation is not None:
        done.insert(0, f"cross-validated C-index {_words(result.validation.c_index)}")
    done.append("permuted outcomes as negative control")
    if result.accelerated:
        done.append("accelerated failure times")
    if result.competing is not None:
        done.append("cause-specific hazards and cumulative incidence")
    if result.site_effects:
        done.append(f"effects by {result.site}")
    if result.robustness is not None:
        done.append("hazard ratios under perturbed segmentation")
    return f"Done: {', '.join(done)}."


def _discussion() -> dict[str, Answer]:
    """Items 19 and 20 are the authors'."""
    return {
        "19": ("", "Interpret against the hypotheses and other studies; the warnings name limits."),
        "20": ("", "Say what should follow; the locked model can be tested in another cohort."),
    }


def _words(estimate: WithInterval) -> str:
    """Print an estimate with its interval, three figures each."""
    low, high = (
        "not reached" if one != one else f"{one:.3g}"  # noqa: PLR0124 - NaN
        for one in (estimate.low, estimate.high)
    )
    if estimate.value != estimate.value:
        return "not reached"
    return f"{estimate.value:.3g} (95 % interval {low} to {high})"


def _unit(result: SurvivalResult) -> str:
    """Name the unit of time, "in the unit of COLUMN" where it is unknown."""
    unit = result.cohort.time_unit
    return unit if unit != "unknown" else f"in the unit of {result.time}"
