"""The survival analysis of a cohort, step by step, to one result.

Not for the arithmetic: each step has its own module.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain import __version__, provenance
from pathexplain.errors import CohortError, FitError
from pathexplain.prognosis import notes as wording
from pathexplain.prognosis.biomarkers import find_stable, known_cuts
from pathexplain.prognosis.closer_look import lock, look_closer
from pathexplain.prognosis.execution import Execution
from pathexplain.prognosis.final import fit_final
from pathexplain.prognosis.horizons import check_horizons, default_horizons
from pathexplain.prognosis.methods import methods_text
from pathexplain.prognosis.model import RiskModel, default_max_final, develop
from pathexplain.prognosis.optimism import correct_optimism
from pathexplain.prognosis.options import Options
from pathexplain.prognosis.panels import forest_rows, kaplan_meier_panels
from pathexplain.prognosis.performance import assess
from pathexplain.prognosis.permutation import max_t_p_values, negative_control
from pathexplain.prognosis.preflight import check_features, find_untestable, follows_time
from pathexplain.prognosis.remark import remark_items
from pathexplain.prognosis.result import (
    Dropped,
    FinalModel,
    Note,
    Screen,
    SurvivalResult,
)
from pathexplain.prognosis.robustness import (
    FeatureRobustness,
    Robustness,
    error_corrections,
    hazard_shifts,
    not_robust,
    read_repeatability,
)
from pathexplain.prognosis.screening import screen_fits, screen_table
from pathexplain.prognosis.study import Study, build_study, find_site, summarize
from pathexplain.prognosis.tripod import tripod_items
from pathexplain.prognosis.validation import cross_validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["survival"]

MIN_PATIENTS = 10
_NAMED = 5


def survival(  # noqa: PLR0913  every choice of the analysis is visible here
    cohort: AnnData,
    *,
    time: str,
    event: str,
    covariates: Sequence[str] = (),
    strata: str | None = None,
    entry: str | None = None,
    competing: str | None = None,
    site: str | None = None,
    horizons: Sequence[float] = (),
    robustness: str | Path | None = None,
    min_icc: float = 0.75,
    cuts: Mapping[str, float] | None = None,
    alpha: float = 0.05,
    max_final: int | None = None,
    seed: int = 0,
    n_bootstrap: int = 500,
    n_splits: int = 5,
    n_repeats: int = 5,
    n_permutations: int = 40,
    n_max_t: int = 1000,
    n_optimism: int = 100,
    n_stability: int = 50,
    jobs: int = 1,
    checkpoint: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
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
    entry : str, optional
        Column with the time at which observation began (delayed entry, left truncation).
    competing : str, optional
        Column with 1 where follow-up ended by a competing event, or the number that codes it in
        `event` ("2"). Cox models are then cause-specific, and cumulative incidence is shown.
    site : str, optional
        Column with the place that a patient's slides come from; `strata` or a column of that name
        ("site", "center", ...) is taken where it is not given.
    horizons : sequence of float
        Times, in the unit of `time`, at which predicted survival is judged; the last is the one of
        calibration and decision curve. Default: quartiles of the event times.
    robustness : path, optional
        Folder of ``pathexplain robustness``: features with an intraclass correlation below
        `min_icc` leave before the screen, and hazard ratios are compared over its conditions.
    min_icc : float
        Least intraclass correlation, 0 to 1.
    cuts : mapping of feature to float, optional
        Cut-points fixed before looking at this cohort, from a publication, say; each is compared
        beside the median and the searched cut. A patient is high above the cut.
    alpha : float
        False discovery rate of the screen, between 0 and 1.
    max_final : int, optional
        Most features in the final model; ten events a variable by default.
    seed : int
        Of folds, bootstrap and permutations; the same seed gives the same result.
    n_bootstrap : int
        Bootstrap samples of patients for the intervals of cross-validated figures.
    n_splits, n_repeats : int
        Folds of the cross-validation, and how often it is dealt anew.
    n_permutations, n_max_t : int
        Permuted outcomes for the negative control, and for the family-wise p-values.
    n_optimism, n_stability : int
        Bootstrap samples in which everything is developed anew, and pairs of half samples.
    jobs : int
        Processes for the long parts; any number gives the same result.
    checkpoint : path, optional
        Folder that keeps finished pieces of the long parts; an interrupted analysis of the same
        data and options goes on from there.
    progress : callable, optional
        Called with the name of the step, pieces done and pieces in all.

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
    McShane et al. (2005), REMARK, doi 10.1038/sj.bjc.6602678; Collins et al. (2024), TRIPOD+AI,
    doi 10.1136/bmj-2023-078378.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(120, 4))
    >>> obs = pd.DataFrame({"time_months": 12 * rng.exponential(np.exp(-x[:, 0])), "event": 1})
    >>> obs.index = [f"P{i}" for i in range(120)]
    >>> cohort = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=["size", "b", "c", "d"]))
    >>> few = {"n_bootstrap": 50, "n_optimism": 5}
    >>> result = survival(cohort, time="time_months", event="event", **few)
    >>> result.screen.rows[0].feature, result.screen.n_discoveries, result.final.terms[0].name
    ('size', 1, 'size')
    """
    place = find_site(cohort, site=site, strata=strata, used=(time, event, *covariates))
    study = build_study(
        cohort,
        time=time,
        event=event,
        covariates=covariates,
        strata=strata,
        entry=entry,
        competing=competing,
        site=place,
    )
    worst = {} if robustness is None else read_repeatability(robustness)
    limit = default_max_final(study.outcome.events, study.covariates.shape[1])
    asked = check_horizons(horizons, study.outcome, time)
    options = Options(
        alpha=alpha,
        max_final=limit if max_final is None else max_final,
        seed=seed,
        n_bootstrap=n_bootstrap,
        n_splits=n_splits,
        n_repeats=n_repeats,
        n_permutations=n_permutations,
        n_max_t=n_max_t,
        n_optimism=n_optimism,
        n_stability=n_stability,
        horizons=asked or default_horizons(study.outcome),
        min_icc=min_icc,
        cuts=known_cuts(study, cuts or {}),
    )
    execution = Execution(
        jobs=jobs, folder=_folder(checkpoint), key=_key(study, options), progress=progress
    )
    names = _Names(time, event, tuple(covariates), strata, entry, competing, place)
    return _analyze(study, options, names, execution, _Repeatability(robustness, worst))


@dataclass(frozen=True)
class _Names:
    """The columns that the caller named."""

    time: str
    event: str
    covariates: tuple[str, ...]
    strata: str | None
    entry: str | None
    competing_column: str | None
    site: str | None


@dataclass(frozen=True)
class _Repeatability:
    """The folder of `pathexplain robustness` and the worst perturbation of each feature."""

    folder: str | Path | None
    worst: dict[str, FeatureRobustness]


def _analyze(
    study: Study,
    options: Options,
    names: _Names,
    execution: Execution,
    repeatability: _Repeatability,
) -> SurvivalResult:
    """Run every step on a checked study and put the result together."""
    whole = len(study.names)
    study, unstable = _robust(study, repeatability, options.min_icc)
    columns, dropped = _testable(study, unstable)
    summary = summarize(study)
    preflight = replace(check_features(study, columns, dropped), n_features=whole)
    screen = _screen(study, columns, options)
    control = negative_control(
        study, columns, options, observed=screen.n_discoveries, execution=execution
    )
    validation, risk, reason, folds = cross_validate(
        study, options, execution, horizons=options.horizons
    )
    final, model, final_reason, final_notes = _final(study, screen, options)
    stable = find_stable(study, columns, screen, options, execution)
    closer = look_closer(study, model, final, options, execution)
    versions = dict(provenance.collect(seed=options.seed).versions)
    optimism = None if model is None else correct_optimism(study, options, execution)
    outcome = (names.time, names.event)
    locked = lock(study, model, validation, outcome, options, optimism, versions)
    result = SurvivalResult(
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
        kaplan_meier=kaplan_meier_panels(study, screen, risk),
        forest=forest_rows(screen, final),
        notes=(
            *wording.validation_notes(validation, reason),
            *wording.cohort_notes(summary, preflight, follows_time(study, columns)),
            *wording.screen_notes(screen, control),
            *final_notes,
        ),
        methods="",
        options=asdict(options),
        horizons=options.horizons,
        model=locked,
        versions=versions,
        performance=assess(study, folds, options),
        optimism=optimism,
        stability=stable,
        reported=tuple(one.feature for one in stable.features if one.is_reported),
        robustness=_robustness(study, model, repeatability, unstable, options),
        **closer,
    )
    return _described(result)


def _described(result: SurvivalResult) -> SurvivalResult:
    """Add what is written about the numbers: methods, and answers to the reporting guidelines."""
    result = replace(result, methods=methods_text(result))
    result = replace(result, notes=(*result.notes, *wording.closer_notes(result)))
    return replace(result, remark=remark_items(result), tripod=tripod_items(result))


def _robust(
    study: Study, repeatability: _Repeatability, min_icc: float
) -> tuple[Study, tuple[Dropped, ...]]:
    """Leave out features that another segmentation would measure differently."""
    if repeatability.folder is None:
        return study, ()
    dropped = not_robust(study.names, repeatability.worst, min_icc=min_icc)
    gone = {one.feature for one in dropped}
    kept = [j for j, name in enumerate(study.names) if name not in gone]
    return study.keep_features(np.asarray(kept, dtype=np.intp)), dropped


def _robustness(
    study: Study,
    model: RiskModel | None,
    repeatability: _Repeatability,
    unstable: tuple[Dropped, ...],
    options: Options,
) -> Robustness | None:
    """Return what the perturbations say of the selected features; None where none were given."""
    if repeatability.folder is None:
        return None
    columns = np.empty(0, dtype=np.intp) if model is None else model.columns
    return Robustness(
        min_icc=options.min_icc,
        n_below=len(unstable),
        features=tuple(repeatability.worst[study.names[j]] for j in columns),
        shifts=hazard_shifts(study, columns, repeatability.folder),
        corrections=error_corrections(study, columns, repeatability.worst, seed=options.seed),
    )


def _testable(
    study: Study, unstable: tuple[Dropped, ...]
) -> tuple[NDArray[np.intp], tuple[Dropped, ...]]:
    """Return the columns worth testing; refuse a cohort in which nothing can be estimated."""
    if study.outcome.n < MIN_PATIENTS:
        message = (
            f"{study.outcome.n} patients have outcome and covariates; at least {MIN_PATIENTS} are "
            "needed"
        )
        raise CohortError(message)
    columns, dropped = find_untestable(study.features, study.names)
    dropped = (*unstable, *dropped)
    if columns.size == 0:
        reasons = ", ".join(sorted({item.reason for item in dropped}))
        named = ", ".join(item.feature for item in dropped[:_NAMED])
        message = f"none of {len(dropped)} features can be tested ({reasons}): {named}"
        raise CohortError(message)
    return columns, dropped


def _screen(study: Study, columns: NDArray[np.intp], options: Options) -> Screen:
    """Test every feature alone, and all together by permutation."""
    p_max_t = max_t_p_values(study, columns, n_permutations=options.n_max_t, seed=options.seed)
    fits = screen_fits(study, columns)
    return screen_table(study, columns, fits, alpha=options.alpha, p_max_t=p_max_t)


def _final(
    study: Study, screen: Screen, options: Options
) -> tuple[FinalModel | None, RiskModel | None, str, list[Note]]:
    """Fit the final model where the screen found something, else say why there is none."""
    if screen.n_discoveries == 0:
        reason = (
            f"none of {screen.n_tests} features passes the screen at a false discovery rate of "
            f"{options.alpha:g}; a model of what came first would be a model of noise"
        )
        return None, None, reason, []
    model = develop(study, alpha=options.alpha, max_final=options.max_final)
    if model.columns.size == 0:
        return None, None, "the discoveries could not be fitted beside the covariates", []
    try:
        final, messages = fit_final(study, model, n_tests=screen.n_tests)
    except FitError as error:
        return None, None, str(error), []
    told = wording.final_notes(final, messages, dropped_for_fit=model.dropped_for_fit)
    return final, model, "", told


def _folder(checkpoint: str | Path | None) -> Path | None:
    """Return the folder of finished pieces."""
    return None if checkpoint is None else Path(checkpoint)


def _key(study: Study, options: Options) -> str:
    """Return a hash of data and options: pieces of another analysis must not be taken for ours."""
    outcome = study.outcome
    arrays: list[Any] = [study.features, study.covariates, outcome.time, outcome.event]
    arrays += [study.strata, study.sites, outcome.entry, outcome.competing]
    digest = hashlib.sha256(repr((asdict(options), study.names, __version__)).encode())
    for array in arrays:
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
