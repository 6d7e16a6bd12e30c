"""The reported multivariable Cox model and its checks, fitted by lifelines without penalty.

Not for choosing terms (`model`). Schoenfeld test: Grambsch and Therneau (1994)
doi 10.1093/biomet/81.3.515.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError
from lifelines.statistics import proportional_hazard_test
from scipy import stats

from pathexplain.errors import FitError
from pathexplain.prognosis.concordance import concordance_index
from pathexplain.prognosis.result import CoxTerm, FinalModel, PValue, WithInterval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.model import RiskModel
    from pathexplain.prognosis.study import Study

__all__ = ["fit_final"]

_Z = float(stats.norm.ppf(0.975))
_TIME, _EVENT, _STRATUM, _ENTRY = "__time__", "__event__", "__stratum__", "__entry__"


def fit_final(
    study: Study, model: RiskModel, *, n_tests: int
) -> tuple[FinalModel, tuple[str, ...]]:
    """Refit the terms of `model` on all patients and test proportional hazards.

    Parameters
    ----------
    study : Study
        All patients.
    model : RiskModel
        Says which features, and how they are imputed and scaled.
    n_tests : int
        Features that the selection tested; each p-value carries it.

    Returns
    -------
    final : FinalModel
        Hazard ratios per sd of a feature, per unit or level of a covariate.
    messages : tuple of str
        What lifelines warned of.

    Raises
    ------
    FitError
        If lifelines does not converge.
    """
    names = [*study.covariate_names, *(study.names[j] for j in model.columns)]
    keys = [f"x{k}" for k in range(len(names))]
    frame = pd.DataFrame(model.design(study), columns=keys)
    frame[_TIME], frame[_EVENT] = study.outcome.time, study.outcome.event.astype(np.int64)
    if study.outcome.entry is not None:
        frame[_ENTRY] = study.outcome.entry
    if study.strata is not None:
        frame[_STRATUM] = study.strata
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitter, p_schoenfeld = _fit(frame, has_strata=study.strata is not None)
        final = _assemble(study, model, fitter, p_schoenfeld, n_tests=n_tests)
    return final, _messages(caught)


def _fit(frame: pd.DataFrame, *, has_strata: bool) -> tuple[CoxPHFitter, NDArray[np.float64]]:
    """Run lifelines: the fit, and Schoenfeld p-values in the order of the terms."""
    fitter = CoxPHFitter(penalizer=0.0)
    strata = [_STRATUM] if has_strata else None
    entry = _ENTRY if _ENTRY in frame else None
    try:
        fitter.fit(frame, duration_col=_TIME, event_col=_EVENT, strata=strata, entry_col=entry)
        test = proportional_hazard_test(fitter, frame, time_transform="km")
    except ConvergenceError as error:
        first = str(error).strip().splitlines()[0]
        message = f"the final Cox model of {len(frame.columns) - 2} terms did not converge: {first}"
        raise FitError(message) from error
    by_name = dict(zip(test.name, np.atleast_1d(test.p_value), strict=True))
    return fitter, np.array([by_name[name] for name in fitter.params_.index])


def _assemble(
    study: Study,
    model: RiskModel,
    fitter: CoxPHFitter,
    p_schoenfeld: NDArray[np.float64],
    *,
    n_tests: int,
) -> FinalModel:
    """Copy what lifelines fitted into our own type."""
    outcome = study.outcome
    beta, se = fitter.params_.to_numpy(), fitter.standard_errors_.to_numpy()
    risk = np.asarray(model.design(study) @ beta)
    p_global = float(fitter.log_likelihood_ratio_test().p_value)
    return FinalModel(
        terms=tuple(
            _term(study, model, k, (beta[k], se[k], p_schoenfeld[k]), n_tests=n_tests)
            for k in range(beta.size)
        ),
        n=outcome.n,
        events=outcome.events,
        events_per_variable=outcome.events / beta.size,
        apparent_c_index=concordance_index(
            outcome.time, outcome.event, risk, group=study.strata, entry=outcome.entry
        ),
        loglik=float(fitter.log_likelihood_),
        aic=float(fitter.AIC_partial_),
        p_likelihood_ratio=_p(study, p_global, "likelihood ratio, after selection", n_tests),
        ties="efron",
    )


def _term(
    study: Study,
    model: RiskModel,
    k: int,
    estimates: tuple[float, float, float],
    *,
    n_tests: int,
) -> CoxTerm:
    """Return one line of the model: covariates first, then features."""
    q = len(study.covariate_names)
    beta, se, p_schoenfeld = estimates
    n_terms = q + model.columns.size
    wald = 2.0 * float(stats.norm.sf(abs(beta / se)))
    hr = WithInterval(*(float(np.exp(beta + side * _Z * se)) for side in (0, -1, 1)))
    if k < q:
        name, scale, missing, tests = study.covariate_names[k], "1 unit or level", 0, 1
    else:
        column = int(model.columns[k - q])
        name, scale, tests = study.names[column], "1 sd", n_tests
        missing = int(np.isnan(study.features[:, column]).sum())
    return CoxTerm(
        name=name,
        is_feature=k >= q,
        scale=scale,
        hr=hr,
        p=_p(study, wald, "Wald, after selection" if k >= q else "Wald", tests),
        p_proportional_hazards=_p(study, p_schoenfeld, "Schoenfeld", n_terms),
        n_imputed=missing,
    )


def _p(study: Study, value: float, test: str, n_tests: int) -> PValue:
    """Return a p-value with its patients, events and tests."""
    return PValue(float(value), test, study.outcome.n, study.outcome.events, n_tests)


def _messages(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Keep the first line of each distinct warning about the fit."""
    lines = [
        str(item.message).strip().splitlines()[0]
        for item in caught
        if not issubclass(item.category, DeprecationWarning | FutureWarning)
    ]
    return tuple(dict.fromkeys(lines))
