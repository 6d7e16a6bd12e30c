"""Screen features one by one and correct for having tested the whole family.

Not for choosing what enters a model (`model`).
References: Benjamini and Hochberg (1995) doi 10.1111/j.2517-6161.1995.tb02031.x; Holm (1979)
Scand. J. Statist. 6, 65-70.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pathexplain.prognosis.concordance import concordance_index
from pathexplain.prognosis.cox import CoxFits, Ties, fit_each
from pathexplain.prognosis.result import Screen, ScreenRow, WithInterval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = ["adjust_bh", "adjust_holm", "screen_fits", "screen_table"]

_Z = float(stats.norm.ppf(0.975))


def adjust_bh(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Benjamini-Hochberg adjusted p-values; NaN counts as 1 in the family, stays NaN.

    Examples
    --------
    >>> adjust_bh(np.array([0.01, 0.02, 0.5, np.nan])).round(3).tolist()
    [0.04, 0.04, 0.667, nan]
    """
    order = np.argsort(p)  # NaN last
    ranked = np.nan_to_num(p[order], nan=1.0) * p.size / np.arange(1, p.size + 1)
    adjusted = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return _restored(adjusted, order, p)


def adjust_holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Holm adjusted p-values; NaN counts as 1 in the family, stays NaN.

    Examples
    --------
    >>> adjust_holm(np.array([0.01, 0.02, 0.5, np.nan])).round(3).tolist()
    [0.04, 0.06, 1.0, nan]
    """
    order = np.argsort(p)
    ranked = np.nan_to_num(p[order], nan=1.0) * (p.size - np.arange(p.size))
    adjusted = np.minimum(np.maximum.accumulate(ranked), 1.0)
    return _restored(adjusted, order, p)


def screen_fits(study: Study, columns: NDArray[np.intp], *, ties: Ties = "efron") -> CoxFits:
    """Fit one Cox model a feature of `columns`, beside the covariates, within strata."""
    beside = study.covariates if study.covariates.shape[1] else None
    return fit_each(study.features[:, columns], study.risk, covariates=beside, ties=ties)


def screen_table(
    study: Study,
    columns: NDArray[np.intp],
    fits: CoxFits,
    *,
    alpha: float,
    p_max_t: NDArray[np.float64],
    ties: Ties = "efron",
) -> Screen:
    """Turn fits into rows, smallest p first; a discovery has BH-adjusted p <= `alpha`."""
    p_bh, p_holm = adjust_bh(fits.p), adjust_holm(fits.p)
    rows = [
        _row(study, int(columns[k]), fits, k, (p_bh[k], p_holm[k], p_max_t[k]), alpha=alpha)
        for k in np.lexsort((-np.abs(fits.z), fits.p))
    ]
    return Screen(
        rows=tuple(rows),
        n_tests=len(rows),
        n_failed=sum(row.status != "ok" for row in rows),
        n_discoveries=sum(row.is_discovery for row in rows),
        alpha=alpha,
        ties=ties,
        adjusted_for=study.covariate_names,
    )


def _row(
    study: Study,
    column: int,
    fits: CoxFits,
    k: int,
    adjusted: tuple[float, float, float],
    *,
    alpha: float,
) -> ScreenRow:
    """Return one line of the table."""
    per_sd, se = fits.beta[k] * fits.sd[k], fits.se[k] * fits.sd[k]
    outcome = study.outcome
    risk = study.features[:, column] * np.sign(fits.beta[k])
    with np.errstate(over="ignore"):
        hr = WithInterval(*(float(np.exp(per_sd + side * _Z * se)) for side in (0, -1, 1)))
    return ScreenRow(
        feature=study.names[column],
        unit=study.units[column],
        definition=study.definitions[column],
        n=int(fits.n[k]),
        events=int(fits.events[k]),
        n_tests=len(fits.status),
        mean=float(fits.mean[k]),
        sd=float(fits.sd[k]),
        hr_per_sd=hr,
        beta=float(fits.beta[k]),
        se=float(fits.se[k]),
        z=float(fits.z[k]),
        p=float(fits.p[k]),
        p_lr=float(fits.p_lr[k]),
        p_bh=float(adjusted[0]),
        p_holm=float(adjusted[1]),
        p_max_t=float(adjusted[2]),
        c_index=concordance_index(
            outcome.time, outcome.event, risk, group=study.strata, entry=outcome.entry
        ),
        status=fits.status[k],
        is_discovery=bool(adjusted[0] <= alpha),
    )


def _restored(
    adjusted: NDArray[np.float64], order: NDArray[np.intp], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Put sorted values back in the caller's order, NaN where p was NaN."""
    out = np.empty_like(p)
    out[order] = adjusted
    out[np.isnan(p)] = np.nan
    return out
