"""A locked model applied, unchanged, to a cohort that it has never seen.

Not for refitting anything: no median, no scale, no coefficient and no threshold is taken from the
new cohort. References: Royston and Altman (2013) doi 10.1186/1471-2288-13-33 (external validation
of a Cox model); Crowson et al. (2016) doi 10.1177/0962280213497434 (calibration).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain import provenance
from pathexplain.errors import CohortError
from pathexplain.prognosis.concordance import concordant_pairs
from pathexplain.prognosis.cox import fit_joint
from pathexplain.prognosis.external_notes import external_headline, external_notes
from pathexplain.prognosis.km import kaplan_meier_curve, kaplan_meier_panel
from pathexplain.prognosis.locking import Development, LockedModel, fitted_model, read_model
from pathexplain.prognosis.result import CohortSummary, KaplanMeier, Note, PValue, WithInterval
from pathexplain.prognosis.study import build_study, summarize

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

    from pathexplain.prognosis.locking import Score
    from pathexplain.prognosis.study import Study

__all__ = ["ExternalValidation", "TermUse", "validate"]

MPP_TOLERANCE = 0.01  # relative; a scanner's nominal and measured resolution differ by less
_UNKNOWN_WORDS = {"", "unknown"}


@dataclass(frozen=True)
class TermUse:
    """How one term of the model met the new patients.

    `n_imputed` patients lacked it and were given the development median; `n_outside` lie beyond
    the range of development; `mean` and `sd` are those of the new cohort.
    """

    name: str
    beta: float
    development_mean: float
    development_sd: float
    mean: float
    sd: float
    n_imputed: int
    n_outside: int


@dataclass(frozen=True)
class ExternalValidation:
    """A locked model in a new cohort; a report renders it and computes nothing.

    `c_index` is Harrell's with a bootstrap interval over patients; `hr_per_sd` is for one
    development sd of the score; `calibration_slope` is the coefficient of the score (1: right,
    below 1: predictions too extreme). `predicted` and `observed` are mean predicted risk and
    Kaplan-Meier risk at `horizon`, NaN with `absolute_reason` where they cannot be given.
    """

    model_path: str
    model_sha256: str
    time: str
    event: str
    headline: str
    cohort: CohortSummary
    development: Development
    horizon: float
    c_index: WithInterval
    clinical_c_index: WithInterval | None
    gain: WithInterval | None
    c_index_change: WithInterval
    hr_per_sd: WithInterval
    p_score: PValue
    hr_high_to_low: WithInterval
    threshold: float
    calibration_slope: WithInterval
    predicted: float
    observed: WithInterval
    observed_to_predicted: WithInterval
    absolute_reason: str
    score_sd_ratio: float
    terms: tuple[TermUse, ...]
    kaplan_meier: tuple[KaplanMeier, ...]
    notes: tuple[Note, ...]
    methods: str
    options: dict[str, object]
    versions: dict[str, str]


def validate(
    model: str | Path,
    cohort: AnnData,
    *,
    time: str | None = None,
    event: str | None = None,
    mpp: float | None = None,
    n_bootstrap: int = 500,
    seed: int = 0,
) -> ExternalValidation:
    """Apply a locked model to a new cohort and compare with development.

    Parameters
    ----------
    model : path
        File written by ``pathexplain survival --lock``.
    cohort : AnnData
        New patients: the same features, in the same units, measured at the same resolution.
    time, event : str, optional
        Outcome columns where they are named differently here.
    mpp : float, optional
        Micrometers per pixel that the new cohort was measured at, where the table does not say.
    n_bootstrap, seed : int
        Bootstrap samples of patients for the interval of C.

    Returns
    -------
    ExternalValidation

    Raises
    ------
    CohortError
        If the file was changed after it was locked, a feature is missing or has another unit or
        definition, the resolution differs, a covariate has an unknown level, or events are too
        few.

    Examples
    --------
    >>> validate("none.json", None)
    Traceback (most recent call last):
    pathexplain.errors.CohortError: none.json is no locked model: ...
    """
    locked, sha = read_model(model)
    study = build_study(
        cohort,
        time=time or locked.time,
        event=event or locked.event,
        covariates=tuple(locked.covariates),
        levels=locked.covariates,
    )
    _check_features(locked, study)
    _check_mpp(locked.mpp, mpp if mpp is not None else study.mpp)
    _check_unit(locked, study)
    options: dict[str, object] = {"n_bootstrap": n_bootstrap, "seed": seed, "mpp": mpp}
    return _judge(locked, study, (str(model), sha), (time, event), options)


def _judge(
    locked: LockedModel,
    study: Study,
    file: tuple[str, str],
    renamed: tuple[str | None, str | None],
    options: dict[str, object],
) -> ExternalValidation:
    """Score the patients and put all figures together."""
    risk = fitted_model(locked.model, study.names).risk(study)
    clinical = None
    if locked.clinical is not None:
        clinical = fitted_model(locked.clinical, study.names).risk(study)
    c_index, c_clinical, gain = _discrimination(study, risk, clinical, options)
    score, high = _score_effects(study, locked, risk)
    outcome = study.outcome
    predicted, observed, reason = _absolute(study, locked, risk)
    ratio = WithInterval(*(value / predicted for value in vars(observed).values()))
    development = locked.development.c_index
    change = WithInterval(*(value - development.value for value in vars(c_index).values()))
    terms, summary = _terms(study, locked.model), summarize(study)
    told = external_notes(
        summary, locked, c_index=c_index, gain=gain, calibration_slope=score[2], terms=terms
    )
    return ExternalValidation(
        model_path=file[0],
        model_sha256=file[1],
        time=renamed[0] or locked.time,
        event=renamed[1] or locked.event,
        headline=external_headline(c_index, gain, score[2], locked.development),
        cohort=summary,
        development=locked.development,
        horizon=locked.horizon,
        clinical_c_index=c_clinical,
        c_index_change=change,
        hr_per_sd=score[0],
        p_score=PValue(score[1], "Wald, one locked score", outcome.n, outcome.events, 1),
        hr_high_to_low=high,
        threshold=locked.model.threshold,
        predicted=predicted,
        observed=observed,
        observed_to_predicted=ratio,
        absolute_reason=reason,
        score_sd_ratio=float(risk.std(ddof=1) / locked.model.sd),
        kaplan_meier=(_panel(study, locked, risk),),
        notes=told,
        methods=_methods(locked, file[1], options),
        options=options,
        versions=dict(provenance.collect().versions),
        c_index=c_index,
        gain=gain,
        calibration_slope=score[2],
        terms=terms,
    )


def _check_features(locked: LockedModel, study: Study) -> None:
    """Refuse a cohort that lacks a feature or measured it otherwise; name all of them."""
    place = {name: k for k, name in enumerate(study.names)}
    faults = []
    for term in locked.model.terms:
        if not term.is_feature:
            continue
        if term.name not in place:
            faults.append(f"{term.name} is missing")
            continue
        found = {"unit": study.units, "definition": study.definitions}
        for what, values in found.items():
            here, there = values[place[term.name]], getattr(term, what)
            if here != there and not {here, there} & _UNKNOWN_WORDS:
                faults.append(f"{term.name} has the {what} {here!r}, the model {there!r}")
    if faults:
        message = (
            f"the features of the new cohort are not those of the model: {'; '.join(faults)}; "
            "measure the cohort with the same prompts and version"
        )
        raise CohortError(message)


def _check_mpp(locked: float | None, found: float | None) -> None:
    """Refuse another resolution, or an unstated one where the model has one."""
    if locked is None:
        return
    if found is None:
        message = (
            f"the model was developed at {locked:g} µm per pixel and the new cohort does not say; "
            "pass mpp (--mpp) if you know it"
        )
        raise CohortError(message)
    if abs(found / locked - 1) > MPP_TOLERANCE:
        message = (
            f"the new cohort was measured at {found:g} µm per pixel, the model at {locked:g}; "
            "features change with resolution: measure again at the model's"
        )
        raise CohortError(message)


def _check_unit(locked: LockedModel, study: Study) -> None:
    """Refuse follow-up in another unit of time: the horizon would mean something else."""
    units = {locked.time_unit, study.outcome.unit}
    if len(units) > 1 and "unknown" not in units:
        message = (
            f"follow-up is in {study.outcome.unit} here and in {locked.time_unit} in the model; "
            f"convert the column to {locked.time_unit}"
        )
        raise CohortError(message)


def _discrimination(
    study: Study,
    risk: NDArray[np.float64],
    clinical: NDArray[np.float64] | None,
    options: dict[str, object],
) -> tuple[WithInterval, WithInterval | None, WithInterval | None]:
    """Return C of the model, of the covariates alone and the gain, over the same resamples."""
    generator = np.random.default_rng(int(str(options["seed"])))
    outcome, scores = study.outcome, [risk] if clinical is None else [risk, clinical]
    table = np.empty((1 + int(str(options["n_bootstrap"])), len(scores)))
    for b in range(len(table)):
        drawn = np.arange(outcome.n) if b == 0 else generator.integers(0, outcome.n, outcome.n)
        weight = np.bincount(drawn, minlength=outcome.n).astype(np.float64)
        for k, score in enumerate(scores):
            concordant, comparable = concordant_pairs(
                outcome.time, outcome.event, score, weight=weight
            )
            table[b, k] = concordant / comparable if comparable else np.nan
    if clinical is None:
        return _percentiles(table[:, 0]), None, None
    return (
        _percentiles(table[:, 0]),
        _percentiles(table[:, 1]),
        _percentiles(table[:, 0] - table[:, 1]),
    )


def _percentiles(values: NDArray[np.float64]) -> WithInterval:
    """Return the first value with the percentile interval of the others."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return WithInterval(float(values[0]), float(low), float(high))


def _score_effects(
    study: Study, locked: LockedModel, risk: NDArray[np.float64]
) -> tuple[tuple[WithInterval, float, WithInterval], WithInterval]:
    """Return HR per development sd, its p and the calibration slope; and HR of high to low."""
    nan = float("nan")
    slope, se, p = nan, nan, nan
    if np.ptp(risk) > 0:
        fit = fit_joint(risk[:, None], study.risk)
        slope, se, p = float(fit.beta[0]), float(fit.se[0]), float(fit.p[0])
    per_sd = WithInterval.of_log(slope * locked.model.sd, se * locked.model.sd)
    interval = WithInterval(slope, slope - 1.959964 * se, slope + 1.959964 * se)
    high = (risk > locked.model.threshold).astype(np.float64)
    split = (nan, nan)
    if 0 < high.mean() < 1:
        fit = fit_joint(high[:, None], study.risk)
        split = (float(fit.beta[0]), float(fit.se[0]))
    return (per_sd, p, interval), WithInterval.of_log(*split)


def _absolute(
    study: Study, locked: LockedModel, risk: NDArray[np.float64]
) -> tuple[float, WithInterval, str]:
    """Return mean predicted and observed risk at the horizon, or why there is none."""
    nan = float("nan")
    unknown = WithInterval(nan, nan, nan)
    if not locked.model.baseline:
        return nan, unknown, "the model was developed within strata and has no common baseline"
    if locked.horizon > study.outcome.time.max():
        longest = float(study.outcome.time.max())
        return nan, unknown, f"follow-up ends at {longest:g}, before the horizon {locked.horizon:g}"
    model = fitted_model(locked.model, study.names)
    predicted = 1.0 - model.survival(study, np.array([locked.horizon]))[:, 0]
    curve = kaplan_meier_curve(study.outcome.time, study.outcome.event)
    at = int(np.searchsorted(curve.time, locked.horizon, side="right")) - 1
    observed = WithInterval(
        *(float(1.0 - part[at]) for part in (curve.survival, curve.high, curve.low))
    )
    return float(predicted.mean()), observed, ""


def _terms(study: Study, score: Score) -> tuple[TermUse, ...]:
    """Compare each term's values here with development."""
    rows = []
    for term in score.terms:
        if term.is_feature:
            values = study.features[:, study.names.index(term.name)]
        else:
            values = study.covariates[:, study.covariate_names.index(term.name)]
        known = values[~np.isnan(values)]
        rows.append(
            TermUse(
                name=term.name,
                beta=term.beta,
                development_mean=term.mean,
                development_sd=term.sd if term.is_feature else float("nan"),
                mean=float(known.mean()) if known.size else float("nan"),
                sd=float(known.std(ddof=1)) if known.size > 1 else float("nan"),
                n_imputed=int(values.size - known.size),
                n_outside=int(((known < term.lowest) | (known > term.highest)).sum()),
            )
        )
    return tuple(rows)


def _panel(study: Study, locked: LockedModel, risk: NDArray[np.float64]) -> KaplanMeier:
    """Draw the groups of the locked threshold."""
    return kaplan_meier_panel(
        study.outcome,
        (risk > locked.model.threshold).astype(np.int64),
        labels=("low risk", "high risk"),
        title="Groups of the locked threshold",
        caption=(
            "The threshold is the median score of development; nothing was chosen on these "
            "patients."
        ),
    )


def _methods(locked: LockedModel, sha: str, options: dict[str, object]) -> str:
    """Describe what was done, in the words of a methods section."""
    development = locked.development
    return (
        f"A Cox model locked at development (SHA-256 {sha[:16]}…, {development.n} patients, "
        f"{development.events} events) was applied unchanged: coefficients, imputation medians, "
        "scaling, threshold and baseline hazard are those of development. Discrimination is "
        "Harrell's C (95 % interval from "
        f"{options['n_bootstrap']} bootstrap samples of patients), calibration the slope of the "
        "score in a Cox model and the ratio of Kaplan-Meier to mean predicted risk at the horizon."
    )
