"""The whole procedure from a training cohort to a risk score, in one function for every fold.

`validation` calls it on training folds and `analysis` on all patients, so what is validated is
what is reported. Not for reporting: `final` refits the chosen terms with lifelines.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.absolute_risk import Baseline, baselines, survival_at
from pathexplain.prognosis.cox import CoxFits, fit_joint
from pathexplain.prognosis.preflight import find_untestable, imputed
from pathexplain.prognosis.screening import adjust_bh, screen_fits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = [
    "EVENTS_PER_VARIABLE",
    "MAX_CORRELATION_IN_MODEL",
    "RiskModel",
    "clinical_model",
    "default_max_final",
    "develop",
    "select",
]

EVENTS_PER_VARIABLE = 10  # Peduzzi et al. (1995) doi 10.1016/0895-4356(95)00048-8
MAX_CORRELATION_IN_MODEL = 0.8  # a candidate closer to a chosen feature adds no second term
MAX_FEATURES = 10


@dataclass(frozen=True)
class RiskModel:
    """A fitted risk score: covariates (q,) and chosen features (k,) with training medians and sds.

    `columns` indexes the study's features; `beta` (q + k,) is per unit of a covariate and per
    training sd of a feature; without any term the score is 0 for everybody. `baseline` turns the
    score into survival, by stratum.
    """

    columns: NDArray[np.intp]
    medians: NDArray[np.float64]
    means: NDArray[np.float64]
    sds: NDArray[np.float64]
    beta: NDArray[np.float64]
    covariate_means: NDArray[np.float64]
    dropped_for_fit: int
    baseline: dict[int, Baseline] = field(default_factory=dict)

    def design(self, study: Study) -> NDArray[np.float64]:
        """Return the columns of the model (n, q + k) for any patients, imputed and scaled."""
        features = imputed(study.features[:, self.columns], self.medians)
        beside = study.covariates[:, : self.covariate_means.size] - self.covariate_means
        return np.column_stack([beside, (features - self.means) / self.sds])

    def risk(self, study: Study) -> NDArray[np.float64]:
        """Return the log relative hazard (n,) of any patients."""
        return np.asarray(self.design(study) @ self.beta)

    def survival(self, study: Study, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predicted survival (n, t) of any patients; NaN beyond the training follow-up."""
        return survival_at(self.baseline, study.strata, self.risk(study), times)


def default_max_final(events: int, n_covariates: int) -> int:
    """Return how many features the events allow beside the covariates: ten events each, 1 to 10.

    Examples
    --------
    >>> default_max_final(47, 0), default_max_final(47, 2), default_max_final(900, 0)
    (4, 2, 10)
    """
    return int(np.clip(events // EVENTS_PER_VARIABLE - n_covariates, 1, MAX_FEATURES))


def select(
    study: Study, columns: NDArray[np.intp], fits: CoxFits, *, alpha: float, max_final: int
) -> NDArray[np.intp]:
    """Choose discoveries by p, leaving out those with |r| > 0.8 to a feature chosen before."""
    passed = np.flatnonzero(adjust_bh(fits.p) <= alpha)
    ranked = columns[passed[np.lexsort((-np.abs(fits.z[passed]), fits.p[passed]))]]
    chosen: list[int] = []
    vectors: list[NDArray[np.float64]] = []
    for column in ranked:
        x = study.features[:, column]
        x = np.where(np.isnan(x), 0.0, x - np.nanmean(x))
        x = x / np.sqrt(x @ x)
        if all(abs(x @ other) <= MAX_CORRELATION_IN_MODEL for other in vectors):
            chosen.append(int(column))
            vectors.append(x)
        if len(chosen) == max_final:
            break
    return np.asarray(chosen, dtype=np.intp)


def develop(study: Study, *, alpha: float, max_final: int) -> RiskModel:
    """Preflight, screen, select, impute, scale and fit, on these patients alone."""
    columns, _ = find_untestable(study.features, study.names)
    fits = screen_fits(study, columns)
    return _fit(study, select(study, columns, fits, alpha=alpha, max_final=max_final))


def clinical_model(study: Study) -> RiskModel:
    """Fit the covariates alone."""
    return _fit(study, np.empty(0, dtype=np.intp))


def _fit(study: Study, chosen: NDArray[np.intp]) -> RiskModel:
    """Fit the chosen features beside the covariates; drop the last feature until a fit exists."""
    for size in range(chosen.size, -1, -1):
        model = _unfitted(study, chosen[:size], dropped=chosen.size - size)
        design = model.design(study)
        if design.shape[1] == 0:
            return _with_baseline(model, study)
        varies = np.ptp(design, axis=0) > 0  # a level may be absent from a training fold
        fit = fit_joint(design[:, varies], study.risk)
        if fit.status == "ok":
            beta = np.zeros(design.shape[1])
            beta[varies] = fit.beta
            return _with_baseline(replace(model, beta=beta), study)
    model = _unfitted(study, chosen[:0], dropped=chosen.size, n_covariates=0)
    return _with_baseline(model, study)


def _with_baseline(model: RiskModel, study: Study) -> RiskModel:
    """Add the baseline hazard of the patients that the model was fitted on."""
    return replace(model, baseline=baselines(study.outcome, study.strata, model.risk(study)))


def _unfitted(
    study: Study, chosen: NDArray[np.intp], *, dropped: int, n_covariates: int | None = None
) -> RiskModel:
    """Learn medians, means and sds; coefficients 0."""
    features = study.features[:, chosen]
    medians = np.nanmedian(features, axis=0) if chosen.size else np.empty(0)
    filled = imputed(features, medians)
    beside = study.covariates[:, :n_covariates].mean(axis=0)
    return RiskModel(
        columns=chosen,
        medians=medians,
        means=filled.mean(axis=0),
        sds=filled.std(axis=0, ddof=1),
        beta=np.zeros(beside.size + chosen.size),
        covariate_means=beside,
        dropped_for_fit=dropped,
    )
