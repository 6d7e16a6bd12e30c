"""Whether a finding holds at each site, and in patients of a site that the model never saw.

Whether a biomarker tells sites apart is computed by `site_predictability` and told here.
References: Cochran (1954) doi 10.2307/3001666 (Q); Higgins and Thompson (2002)
doi 10.1002/sim.1186 (I²).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from pathexplain.errors import CohortError
from pathexplain.prognosis.concordance import concordance_index
from pathexplain.prognosis.cox import fit_each
from pathexplain.prognosis.model import clinical_model, develop
from pathexplain.prognosis.result import PValue, WithInterval
from pathexplain.prognosis.site_predictability import site_predictability

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.execution import Execution
    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.study import Study

__all__ = ["HeldOutSite", "SiteEffects", "SiteHazardRatio", "leave_one_site_out", "site_effects"]

MIN_SITE_EVENTS = 5  # events below which a site gets no estimate of its own (own choice)


@dataclass(frozen=True)
class HeldOutSite:
    """A site scored by a model of all other sites; NaN with `reason` where it cannot be.

    `hr_per_sd` is for one sd of the score among the site's patients.
    """

    site: str
    n: int
    events: int
    n_features: int
    c_index: WithInterval
    clinical_c_index: float
    hr_per_sd: WithInterval
    reason: str


@dataclass(frozen=True)
class SiteHazardRatio:
    """One biomarker at one site, per sd of the whole cohort; NaN with `reason`."""

    site: str
    hr: WithInterval
    n: int
    events: int
    reason: str


@dataclass(frozen=True)
class SiteEffects:
    """One biomarker over the sites: pooled, within sites, at each, and how much they differ."""

    feature: str
    hr_unstratified: WithInterval
    hr_stratified: WithInterval
    by_site: tuple[SiteHazardRatio, ...]
    p_heterogeneity: PValue
    i_squared: float
    site_auc: float
    p_site: PValue
    is_site_signature: bool


def site_effects(study: Study, columns: NDArray[np.intp]) -> tuple[SiteEffects, ...]:
    """Compare each biomarker's hazard ratio over the sites of the study."""
    if study.sites is None:
        return ()
    sds = np.nanstd(study.features[:, columns], axis=0, ddof=1)
    codes = np.unique(study.sites, return_inverse=True)[1].astype(np.int64)
    pooled = _fits(study, columns, sds, strata=None)
    within = _fits(study, columns, sds, strata=codes)
    by_site = {
        str(site): _fits(study.take(np.flatnonzero(study.sites == site)), columns, sds, strata=None)
        for site in np.unique(study.sites)
    }
    effects = []
    signature = _signatures(study, columns)
    for k, column in enumerate(columns):
        rows = tuple(_at_site(site, fits[k]) for site, fits in by_site.items())
        usable = [fits[k] for fits in by_site.values() if not fits[k][4]]
        p, i_squared = _heterogeneity(usable)
        n, events = pooled[k][2], pooled[k][3]
        effects.append(
            SiteEffects(
                feature=study.names[column],
                hr_unstratified=WithInterval.of_log(*pooled[k][:2]),
                hr_stratified=WithInterval.of_log(*within[k][:2]),
                by_site=rows,
                p_heterogeneity=PValue(p, "Cochran's Q", n, events, len(columns)),
                i_squared=i_squared,
                site_auc=float(signature[0][k]),
                p_site=PValue(float(signature[1][k]), "Kruskal-Wallis", n, events, len(columns)),
                is_site_signature=bool(signature[2][k]),
            )
        )
    return tuple(effects)


def _signatures(
    study: Study, columns: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """How well each feature tells sites apart; NaN where too few sites have patients enough."""
    unknown = np.full(len(columns), np.nan)
    try:
        found = site_predictability(study.features[:, columns], np.asarray(study.sites, str))
    except CohortError:
        return unknown, unknown, np.zeros(len(columns), bool)
    return found.auc, found.p, found.warns


def leave_one_site_out(
    study: Study, options: Options, execution: Execution
) -> tuple[HeldOutSite, ...]:
    """Develop on all sites but one, score the one, for each site."""
    if study.sites is None:
        return ()
    names = np.unique(study.sites)
    if names.size < 2:  # noqa: PLR2004 - one site leaves nobody to develop on
        return ()
    pieces = [(study, str(site), options.alpha, options.max_final) for site in names]
    found = execution.run("sites", _held_out, pieces)
    return tuple(
        HeldOutSite(
            **{
                **one,
                "c_index": WithInterval(*one["c_index"]),
                "hr_per_sd": WithInterval(*one["hr_per_sd"]),
            }
        )
        for one in found
    )


def _held_out(study: Study, site: str, alpha: float, max_final: int) -> dict[str, Any]:
    """Score one site; plain values, so that the piece can be kept."""
    assert study.sites is not None
    test = study.take(np.flatnonzero(study.sites == site))
    train = study.take(np.flatnonzero(study.sites != site))
    nothing = [float("nan")] * 3
    row: dict[str, Any] = {
        "site": site,
        "n": test.outcome.n,
        "events": test.outcome.events,
        "n_features": 0,
        "c_index": nothing,
        "clinical_c_index": float("nan"),
        "hr_per_sd": nothing,
    }
    for part, events in (("here", test.outcome.events), ("elsewhere", train.outcome.events)):
        if events < MIN_SITE_EVENTS:
            return {**row, "reason": f"{events} events {part}; at least {MIN_SITE_EVENTS} needed"}
    model = develop(train, alpha=alpha, max_final=max_final)
    risk = model.risk(test)
    row["n_features"] = int(model.columns.size)
    if np.ptp(risk) == 0:
        return {**row, "reason": "no feature passed the screen at the other sites"}
    row["c_index"] = _c_with_interval(test, risk)
    row["hr_per_sd"] = list(vars(_score_hr(test, risk)).values())
    if study.covariates.shape[1]:
        clinical = clinical_model(train).risk(test)
        outcome = test.outcome
        row["clinical_c_index"] = concordance_index(outcome.time, outcome.event, clinical)
    return {**row, "reason": ""}


def _c_with_interval(
    study: Study, risk: NDArray[np.float64], n_bootstrap: int = 200
) -> list[float]:
    """Return C with the percentile interval over resampled patients."""
    outcome, generator = study.outcome, np.random.default_rng(0)
    values = []
    for _ in range(n_bootstrap):
        drawn = generator.integers(0, outcome.n, outcome.n)
        values.append(concordance_index(outcome.time[drawn], outcome.event[drawn], risk[drawn]))
    low, high = np.nanpercentile(values, [2.5, 97.5]) if np.isfinite(values).any() else [np.nan] * 2
    return [concordance_index(outcome.time, outcome.event, risk), float(low), float(high)]


def _score_hr(study: Study, risk: NDArray[np.float64]) -> WithInterval:
    """Return the hazard ratio for one sd of a score."""
    fits = fit_each((risk / risk.std(ddof=1))[:, None], study.risk)
    return WithInterval.of_log(float(fits.beta[0]), float(fits.se[0]))


def _fits(
    study: Study,
    columns: NDArray[np.intp],
    sds: NDArray[np.float64],
    *,
    strata: NDArray[np.int64] | None,
) -> list[tuple[float, float, int, int, str]]:
    """Return beta and se per cohort sd, n, events and the reason for none, one a feature."""
    if study.outcome.events < MIN_SITE_EVENTS:
        reason = f"{study.outcome.events} events"
        return [(np.nan, np.nan, study.outcome.n, study.outcome.events, reason)] * len(columns)
    order = replace(study, strata=strata).risk
    varies = np.ptp(study.covariates, axis=0) > 0
    beside = study.covariates[:, varies] if varies.any() else None
    fits = fit_each(study.features[:, columns] / sds, order, covariates=beside)
    return [
        (
            float(fits.beta[k]),
            float(fits.se[k]),
            int(fits.n[k]),
            int(fits.events[k]),
            "" if fits.status[k] == "ok" else fits.status[k],
        )
        for k in range(len(columns))
    ]


def _at_site(site: str, fit: tuple[float, float, int, int, str]) -> SiteHazardRatio:
    """Return one site's row."""
    beta, se, n, events, reason = fit
    return SiteHazardRatio(site, WithInterval.of_log(beta, se), n, events, reason)


def _heterogeneity(fits: list[tuple[float, float, int, int, str]]) -> tuple[float, float]:
    """Return Cochran's p and I² (0 to 1); NaN with fewer than two sites."""
    if len(fits) < 2:  # noqa: PLR2004 - one site cannot differ
        return float("nan"), float("nan")
    beta, weight = np.array([f[0] for f in fits]), np.array([f[1] for f in fits]) ** -2.0
    q = float((weight * (beta - (weight @ beta) / weight.sum()) ** 2).sum())
    df = len(fits) - 1
    return float(stats.chi2.sf(q, df)), max(0.0, (q - df) / q) if q > 0 else 0.0
