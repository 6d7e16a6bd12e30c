"""Family-wise p-values by permutation: how large the largest statistic is when nothing carries.

Patients keep their features and get another patient's outcome, entry and covariates, within strata.
Reference: Westfall and Young (1993), Resampling-based multiple testing, ISBN 978-0471557616,
algorithms 2.5 and 2.8 (single step and step-down max-T).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pathexplain.errors import CohortError, FitError
from pathexplain.prognosis.cox import fit_each, fit_joint
from pathexplain.prognosis.residuals import martingale_residuals
from pathexplain.prognosis.risk_sets import RiskOrder, risk_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["MaxT", "max_t", "permute_within"]

_CHUNK = 100  # permutations multiplied at once


@dataclass(frozen=True)
class MaxT:
    """Family-wise p-values of m features, the smallest possible being 1 / (n_permutations + 1).

    `single_step` (m,) compares each feature with the largest of all, `step_down` (m,) with the
    largest of those not above it: never larger, and as valid. `statistic` (m,) is what was
    permuted, 0 where a feature could not be tested.
    """

    single_step: NDArray[np.float64]
    step_down: NDArray[np.float64]
    statistic: NDArray[np.float64]
    n_permutations: int


def max_t(  # noqa: PLR0913  the outcome, its design, and the choices of the method
    features: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    entry: NDArray[np.float64] | None = None,
    strata: NDArray[np.int64] | None = None,
    covariates: NDArray[np.float64] | None = None,
    statistic: Literal["score", "wald"] = "score",
    n_permutations: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> MaxT:
    """Return p-values that bound the chance of any false positive among all features.

    Parameters
    ----------
    features : (n, m) float64
        NaN is missing: set to the feature's mean for ``"score"``, left out for ``"wald"``.
    time, event, entry, strata
        As in `risk_order`.
    covariates : (n, q) float64, optional
        Stand in every model. Features are made orthogonal to them first; the test is then
        approximate, since a permuted feature is not tied to the covariates as the true one is.
    statistic : {"score", "wald"}
        The score statistic over its permutation standard deviation, a matrix product for all
        permutations; or a Cox fit of every feature in every permutation.
    n_permutations : int
        At least 1.
    seed : int
        Same seed, same result.
    progress : callable, optional
        Called with permutations done and in all.

    Raises
    ------
    CohortError
        If there are no permutations or no events.
    FitError
        If the model of the covariates alone has no maximum.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(100, 5))
    >>> found = max_t(x, rng.exponential(np.exp(-x[:, 0])), np.ones(100, bool), n_permutations=99)
    >>> found.step_down[0], bool((found.step_down[1:] > 0.05).all())
    (np.float64(0.01), True)
    """
    if n_permutations < 1 or not event.any():
        message = f"{n_permutations} permutations, {int(event.sum())} events: both must be positive"
        raise CohortError(message)
    risk = risk_order(time, event, entry=entry, strata=strata)
    groups = np.zeros(time.size, np.int64) if strata is None else strata
    if statistic == "score":
        z, residuals = _score_parts(features, risk, groups, covariates)

        def drawn(orders: list[NDArray[np.intp]]) -> NDArray[np.float64]:
            return np.abs(z.T @ np.column_stack([residuals[order] for order in orders]))
    else:

        def drawn(orders: list[NDArray[np.intp]]) -> NDArray[np.float64]:
            fits = [fit_each(features[order], risk, covariates=covariates) for order in orders]
            return np.column_stack([np.nan_to_num(np.abs(fit.z)) for fit in fits])

    observed = drawn([np.arange(time.size)])[:, 0]
    generator = np.random.default_rng(seed)
    rank = np.argsort(-observed, kind="stable")
    single, step = np.ones(observed.size), np.ones(observed.size)
    for start in range(0, n_permutations, _CHUNK):
        width = min(_CHUNK, n_permutations - start)
        values = drawn([permute_within(groups, generator) for _ in range(width)])
        limit = observed[:, None] * (1 - 1e-12)
        single += (values.max(axis=0) >= limit).sum(axis=1)
        largest = np.maximum.accumulate(values[rank][::-1], axis=0)[::-1]
        step[rank] += (largest >= limit[rank]).sum(axis=1)
        if progress is not None:
            progress(start + width, n_permutations)
    step[rank] = np.maximum.accumulate(step[rank])
    untested = observed == 0
    single[untested] = step[untested] = n_permutations + 1
    total = n_permutations + 1
    return MaxT(single / total, step / total, observed, n_permutations)


def permute_within(groups: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.intp]:
    """Return a permutation of the rows (n,) that stays within groups (n,)."""
    order = np.arange(groups.size)
    for code in np.unique(groups):
        rows = np.flatnonzero(groups == code)
        order[rows] = generator.permutation(rows)
    return order


def _score_parts(
    features: NDArray[np.float64],
    risk: RiskOrder,
    groups: NDArray[np.int64],
    covariates: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features centered within strata, free of covariates, of length 1; and residuals."""
    known = np.isfinite(features)
    means = np.where(known, features, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    z = np.where(known, features, means)
    beside = np.zeros((groups.size, 0)) if covariates is None else covariates.copy()
    log_risk = np.zeros(groups.size)
    if beside.shape[1]:
        fit = fit_joint(beside, risk, ties="breslow")
        if fit.status != "ok":
            message = f"the Cox model of the covariates alone is {fit.status}; check them"
            raise FitError(message)
        log_risk = (beside - beside.mean(axis=0)) @ fit.beta
    for code in np.unique(groups):
        rows = groups == code
        z[rows] -= z[rows].mean(axis=0)
        beside[rows] -= beside[rows].mean(axis=0)
    if beside.shape[1]:
        z -= beside @ np.linalg.lstsq(beside, z, rcond=None)[0]
    length = np.sqrt((z**2).sum(axis=0))
    is_flat = length <= 1e-10 * np.sqrt(groups.size) * np.abs(means + np.finfo(float).tiny)
    z = np.where(is_flat, 0.0, z / np.where(length > 0, length, 1.0))
    return z, martingale_residuals(risk, log_risk)
