"""The methods section of a paper, written from what was run.

Not for results. A sentence stands here only when its step was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathexplain.prognosis.result import SurvivalResult

__all__ = ["methods_text"]

_LIBRARIES = ("lifelines", "numpy", "scipy", "scikit-learn")


def methods_text(result: SurvivalResult) -> str:
    """Describe what was run, in the words of a methods section, with versions.

    Paragraphs are separated by an empty line.
    """
    parts = (
        _patients(result),
        _screening(result),
        _stability(result),
        _model(result),
        _validation(result),
        _checks(result),
        _software(result),
    )
    return "\n\n".join(part for part in parts if part)


def _patients(result: SurvivalResult) -> str:
    """Tell of patients, outcome, follow-up and what was left out."""
    cohort = result.cohort
    lost = sum(one.n for one in cohort.lost)
    text = (
        f"Of {cohort.n_input} patients in the table, {cohort.n} with {cohort.events} events "
        f"({result.event}) were analyzed"
    )
    text += f"; {lost} were left out for missing values." if lost else "."
    text += f" Time is {result.time}"
    if cohort.time_unit != "unknown":
        text += f", in {cohort.time_unit}"
    text += "; median follow-up is by reverse Kaplan-Meier (Schemper and Smith 1996)."
    if result.entry is not None:
        text += f" Patients were at risk from {result.entry} on (left truncation)."
    if result.competing is not None:
        text += (
            f" {cohort.n_competing} competing events were censored in Cox models, which are "
            "cause-specific; cumulative incidence is by Aalen and Johansen."
        )
    preflight = result.preflight
    text += (
        f" Of {preflight.n_features} candidate features, {preflight.n_tested} were tested; "
        "features that were constant, near-constant (one value in more than 95 %), missing in "
        "more than half of the patients or copies of another were left out without regard to "
        "outcome"
    )
    if result.robustness is not None:
        text += (
            f", and so were features whose intraclass correlation under perturbed segmentation "
            f"was below {result.robustness.min_icc:g}"
        )
    return text + "."


def _screening(result: SurvivalResult) -> str:
    """Describe the screen and its corrections."""
    screen = result.screen
    adjusted = f", adjusted for {', '.join(screen.adjusted_for)}" if screen.adjusted_for else ""
    strata = f", stratified by {result.strata}" if result.strata else ""
    return (
        f"Each of {screen.n_tests} features was tested alone as a continuous variable in a Cox "
        f"model ({screen.ties.capitalize()} ties{adjusted}{strata}; hazard ratio per standard "
        "deviation; Wald p) on the patients for whom it is known, with Benjamini-Hochberg and "
        "Holm correction over all of them, and step-down max-T p-values (Westfall and Young "
        f"1993) from {result.negative_control.n_max_t_permutations} permutations of the outcome. "
        f"The same screen was repeated on {result.negative_control.n_permutations} permuted "
        "outcomes as a negative control."
    )


def _stability(result: SurvivalResult) -> str:
    """Describe which features are reported."""
    stability = result.stability
    if stability is None or stability.reason:
        return ""
    text = (
        "Features were reported as biomarkers when their max-T p was at most "
        f"{result.screen.alpha:g} and stability selection chose them: among the first "
        f"{stability.q} features to enter an elastic-net Cox path in at least "
        f"{stability.threshold:g} of {stability.n_samples} half samples (complementary pairs; "
        f"expected false selections at most {stability.bound_ss:.2g}, Shah and Samworth 2013)."
    )
    if stability.artificial_highest:
        text += (
            f" {len(stability.artificial_highest)} draws of artificial features, permuted copies "
            "of the real ones, competed with them as a control."
        )
    return text


def _model(result: SurvivalResult) -> str:
    """Describe how the final model was chosen and fitted."""
    text = (
        f"Features with BH-adjusted p <= {result.screen.alpha:g} entered one Cox model without "
        f"penalty in order of p, at most {result.options['max_final']}, none with |r| > 0.8 to an "
        "earlier one; missing values were set to the median."
    )
    if result.final is None:
        return text + f" No final model was fitted: {result.final_reason}."
    return text + (
        " Proportional hazards were tested by scaled Schoenfeld residuals (Grambsch and Therneau "
        "1994) and hazard ratios were compared before and after the median event time."
    )


def _validation(result: SurvivalResult) -> str:
    """Describe the cross-validation."""
    validation = result.validation
    if validation is None:
        return f"The procedure was not cross-validated: {result.validation_reason}."
    return (
        f"Prediction was judged by {validation.n_repeats} times repeated "
        f"{validation.n_splits}-fold cross-validation with filtering, screening, selection, "
        "imputation, scaling and baseline hazard inside the training folds (Harrell's C over "
        f"pairs within a test fold; 95 % intervals from {validation.n_bootstrap} bootstrap samples "
        "of patients with the fitted models fixed)." + _performance(result)
    )


def _performance(result: SurvivalResult) -> str:
    """Name the further figures of prediction, and the correction for optimism."""
    text = ""
    if result.performance is not None and result.performance.metrics:
        horizons = ", ".join(f"{horizon:g}" for horizon in result.horizons)
        text += (
            f" Uno's C, time-dependent AUC and Brier score at {horizons} and the integrated Brier "
            "score are weighted by the censoring distribution of each training fold."
        )
    if result.performance is not None and result.performance.calibration is not None:
        text += (
            " Calibration and net benefit compare out-of-fold predicted risk with Kaplan-Meier "
            f"risk at {result.horizons[-1]:g}."
        )
    if result.optimism is not None:
        text += (
            f" The apparent C-index was corrected for optimism by {result.optimism.n_bootstrap} "
            "bootstrap samples in which everything was developed anew."
        )
    return text


def _checks(result: SurvivalResult) -> str:
    """Describe what was done beside: sites, accelerated failure times."""
    sentences = []
    if any(not one.reason for one in result.held_out_sites):
        sentences.append(
            f"Each level of {result.site} was predicted by a model developed on the others."
        )
    if result.site_effects:
        sentences.append(
            f"Hazard ratios at the levels of {result.site} were compared by Cochran's Q and I²."
        )
    if result.accelerated:
        names = ", ".join(model.distribution for model in result.accelerated)
        sentences.append(
            f"As hazards were not proportional, accelerated failure time models ({names}) were "
            "fitted to the same terms."
        )
    return " ".join(sentences)


def _software(result: SurvivalResult) -> str:
    """Name versions and seed."""
    versions = result.versions
    libraries = ", ".join(f"{name} {versions[name]}" for name in _LIBRARIES if name in versions)
    return (
        f"Analyses were made with pathexplain {versions.get('pathexplain', 'unknown')} "
        f"({libraries}; Python {versions.get('python', 'unknown')}), seed "
        f"{result.options['seed']}. P-values are two-sided."
    )
