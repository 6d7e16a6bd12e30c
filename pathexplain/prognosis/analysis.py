"""The survival analysis of a cohort, step by step, to one result.

Not for the arithmetic: each step has its own module.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError, FitError
from pathexplain.prognosis import notes as wording
from pathexplain.prognosis.final import fit_final
from pathexplain.prognosis.km import kaplan_meier_panel, median_split
from pathexplain.prognosis.model import default_max_final, develop
from pathexplain.prognosis.options import Options
from pathexplain.prognosis.permutation import max_t_p_values, negative_control
from pathexplain.prognosis.preflight import check_features, find_untestable, follows_time
from pathexplain.prognosis.result import (
    Dropped,
    FinalModel,
    ForestRow,
    KaplanMeier,
    Note,
    PValue,
    Screen,
    ScreenRow,
    SurvivalResult,
)
from pathexplain.prognosis.screening import screen_fits, screen_table
from pathexplain.prognosis.study import Study, build_study, summarize
from pathexplain.prognosis.validation import cross_validate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["survival"]

FOREST_ROWS = 20
MIN_PATIENTS = 10
HALF = 0.5


def survival(  # noqa: PLR0913  every choice of the analysis is visible here
    cohort: AnnData,
    *,
    time: str,
    event: str,
    covariates: Sequence[str] = (),
    strata: str | None = None,
    alpha: float = 0.05,
    max_final: int | None = None,
    seed: int = 0,
    n_bootstrap: int = 500,
    n_splits: int = 5,
    n_repeats: int = 5,
    n_permutations: int = 40,
    n_max_t: int = 1000,
) -> SurvivalResult:
    """Find features that carry survival, and say how far the finding can be trusted.

    Parameters
    ----------
    cohort : AnnData
        One row a patient, one column a feature (float64, NaN for undefined); clinical columns in
        ``obs``.
    time, event : str
        Columns with follow-up (> 0; the name may end in a unit, ``time_months``) and with 1 for
        an event seen, 0 for censored. Patients missing either are left out and counted.
    covariates : sequence of str
        Clinical columns that adjust every model; patients missing one are left out and counted.
    strata : str, optional
        Column whose levels have their own baseline hazard (site, for example).
    alpha : float
        False discovery rate of the screen, between 0 and 1.
    max_final : int, optional
        Most features in the final model; ten events a variable by default.
    seed : int
        Of folds, bootstrap and permutations; the same seed gives the same result.
    n_bootstrap : int
        Bootstrap samples of patients for the interval of the cross-validated C.
    n_splits, n_repeats : int
        Folds of the cross-validation, and how often it is dealt anew.
    n_permutations, n_max_t : int
        Permuted outcomes for the negative control, and for the family-wise p-values.

    Returns
    -------
    SurvivalResult
        Every number that a report prints, with notes on what limits them. `final` is None where
        no feature passes the screen.

    Raises
    ------
    CohortError
        If a column is missing, an outcome impossible, a patient there twice, or patients, events
        or testable features too few.

    Notes
    -----
    Features are tested continuously; a split at the median only draws the curves.

    References
    ----------
    Altman et al. (2012), REMARK, doi 10.1186/1741-7015-10-51.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(120, 4))
    >>> obs = pd.DataFrame({"time_months": 12 * rng.exponential(np.exp(-x[:, 0])), "event": 1})
    >>> obs.index = [f"P{i}" for i in range(120)]
    >>> cohort = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=["size", "b", "c", "d"]))
    >>> result = survival(cohort, time="time_months", event="event", n_bootstrap=50)
    >>> result.screen.rows[0].feature, result.screen.n_discoveries, result.final.terms[0].name
    ('size', 1, 'size')
    """
    study = build_study(cohort, time=time, event=event, covariates=covariates, strata=strata)
    limit = default_max_final(study.outcome.events, study.covariates.shape[1])
    options = Options(
        alpha=alpha,
        max_final=limit if max_final is None else max_final,
        seed=seed,
        n_bootstrap=n_bootstrap,
        n_splits=n_splits,
        n_repeats=n_repeats,
        n_permutations=n_permutations,
        n_max_t=n_max_t,
    )
    return _analyze(study, options, _Names(time, event, tuple(covariates), strata))


@dataclass(frozen=True)
class _Names:
    """The columns that the caller named."""

    time: str
    event: str
    covariates: tuple[str, ...]
    strata: str | None


def _analyze(study: Study, options: Options, names: _Names) -> SurvivalResult:
    """Run every step on a checked study and put the result together."""
    columns, dropped = _testable(study)
    summary, preflight = summarize(study), check_features(study, columns, dropped)
    screen = _screen(study, columns, options)
    control = negative_control(study, columns, options, observed=screen.n_discoveries)
    validation, risk, reason, _ = cross_validate(study, options)
    final, final_reason, final_notes = _final(study, screen, options)
    return SurvivalResult(
        **vars(names),
        headline=wording.headline(screen, validation),
        cohort=summary,
        validation=validation,
        validation_reason=reason,
        preflight=preflight,
        screen=screen,
        negative_control=control,
        final=final,
        final_reason=final_reason,
        kaplan_meier=_panels(study, screen, risk),
        forest=_forest(screen, final),
        notes=(
            *wording.validation_notes(validation, reason),
            *wording.cohort_notes(summary, preflight, follows_time(study, columns)),
            *wording.screen_notes(screen, control),
            *final_notes,
        ),
        methods=wording.methods_text(summary, screen, validation, max_final=options.max_final),
        options=asdict(options),
    )


def _testable(study: Study) -> tuple[NDArray[np.intp], tuple[Dropped, ...]]:
    """Return the columns worth testing; refuse a cohort in which nothing can be estimated."""
    if study.outcome.n < MIN_PATIENTS:
        message = (
            f"{study.outcome.n} patients have outcome and covariates; at least {MIN_PATIENTS} are "
            "needed"
        )
        raise CohortError(message)
    columns, dropped = find_untestable(study.features, study.names)
    if columns.size == 0:
        reasons = ", ".join(sorted({item.reason for item in dropped}))
        message = f"none of {len(study.names)} features can be tested ({reasons})"
        raise CohortError(message)
    return columns, dropped


def _screen(study: Study, columns: NDArray[np.intp], options: Options) -> Screen:
    """Test every feature alone, and all together by permutation."""
    p_max_t = max_t_p_values(study, columns, n_permutations=options.n_max_t, seed=options.seed)
    fits = screen_fits(study, columns)
    return screen_table(study, columns, fits, alpha=options.alpha, p_max_t=p_max_t)


def _final(
    study: Study, screen: Screen, options: Options
) -> tuple[FinalModel | None, str, list[Note]]:
    """Fit the final model where the screen found something, else say why there is none."""
    if screen.n_discoveries == 0:
        reason = (
            f"none of {screen.n_tests} features passes the screen at a false discovery rate of "
            f"{options.alpha:g}; a model of what came first would be a model of noise"
        )
        return None, reason, []
    model = develop(study, alpha=options.alpha, max_final=options.max_final)
    if model.columns.size == 0:
        return None, "the discoveries could not be fitted together with the covariates", []
    try:
        final, messages = fit_final(study, model, n_tests=screen.n_tests)
    except FitError as error:
        return None, str(error), []
    return final, "", wording.final_notes(final, messages, dropped_for_fit=model.dropped_for_fit)


def _panels(study: Study, screen: Screen, risk: NDArray[np.float64]) -> tuple[KaplanMeier, ...]:
    """Draw all patients, the out-of-fold score and the first feature, split at the median."""
    first = screen.rows[0]
    panels = [_everyone(study)]
    if np.isfinite(risk).any():
        panels.append(_split_by_score(study, risk))
    if first.status == "ok":
        panels.append(_split_by_feature(study, first))
    return tuple(panels)


def _everyone(study: Study) -> KaplanMeier:
    """Draw all patients in one curve."""
    return kaplan_meier_panel(
        study.outcome,
        np.zeros(study.outcome.n, dtype=np.int64),
        labels=("all patients",),
        title="All patients",
        caption="Kaplan-Meier estimate with 95 % log-log interval.",
    )


def _split_by_score(study: Study, risk: NDArray[np.float64]) -> KaplanMeier:
    """Draw the halves of the out-of-fold score."""
    return kaplan_meier_panel(
        study.outcome,
        np.where(np.isnan(risk), -1, risk > HALF).astype(np.int64),
        labels=("low risk", "high risk"),
        title="Out-of-fold risk score",
        caption=(
            "Each patient was scored by a model that had not seen the patient, and split at the "
            "median of the test fold. The split is a display; patients whose fold had no model "
            "are not drawn. The log-rank p is descriptive: scores share training patients."
        ),
    )


def _split_by_feature(study: Study, row: ScreenRow) -> KaplanMeier:
    """Draw the halves of one feature."""
    status = "passes" if row.is_discovery else "does not pass"
    return kaplan_meier_panel(
        study.outcome,
        median_split(study.features[:, study.names.index(row.feature)]),
        labels=("at or below median", "above median"),
        title=row.feature,
        caption=(
            "Split at the median, for display: the analysis is the continuous one. "
            f"{row.feature} comes first of {row.n_tests} and {status} the screen; the log-rank p "
            "is descriptive, since the same patients chose the feature."
        ),
    )


def _forest(screen: Screen, final: FinalModel | None) -> tuple[ForestRow, ...]:
    """Return the first rows of the screen, then the final model."""
    rows = [
        ForestRow(
            "screen",
            row.feature,
            row.hr_per_sd,
            PValue(row.p, "Wald", row.n, row.events, row.n_tests),
        )
        for row in screen.rows[:FOREST_ROWS]
        if row.status == "ok"
    ]
    if final is not None:
        rows.extend(ForestRow("final", term.name, term.hr, term.p) for term in final.terms)
    return tuple(rows)
