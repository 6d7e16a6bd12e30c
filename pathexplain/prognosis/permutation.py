"""Permuted outcomes: p-values for the largest statistic of the family, and a negative control.

Patients keep their features and get another patient's outcome and covariates, within strata.
References: Westfall and Young (1993), ISBN 978-0471557616 (max-T); score statistic from
martingale residuals: Therneau, Grambsch and Fleming (1990) doi 10.1093/biomet/77.1.147.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.absolute_risk import baselines
from pathexplain.prognosis.cox import fit_joint
from pathexplain.prognosis.execution import Execution, spawn_seed
from pathexplain.prognosis.result import NegativeControl
from pathexplain.prognosis.screening import adjust_bh, screen_fits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.study import Study

__all__ = ["martingale_residuals", "max_t_p_values", "negative_control"]

CONTROL = 1  # place of this step among the seeds
_CHUNK = 100  # permutations multiplied at once


def martingale_residuals(study: Study) -> NDArray[np.float64]:
    """Return event minus expected events (n,) of the model with the covariates only.

    They sum to 0 within each stratum (Breslow's cumulative hazard).
    """
    log_risk = np.zeros(study.outcome.n)
    if study.covariates.shape[1]:
        fit = fit_joint(study.covariates, study.risk, ties="breslow")
        if fit.status == "ok":
            log_risk = (study.covariates - study.covariates.mean(axis=0)) @ fit.beta
    residuals = study.outcome.event.astype(np.float64)
    by_stratum = baselines(study.outcome, study.strata, log_risk)
    codes = np.zeros(study.outcome.n, np.int64) if study.strata is None else study.strata
    for code, baseline in by_stratum.items():
        rows = np.flatnonzero(codes == code)
        expected = baseline.at(study.outcome.time[rows])
        if study.outcome.entry is not None:
            expected = expected - baseline.at(study.outcome.entry[rows])
        residuals[rows] -= np.exp(log_risk[rows]) * expected
    return residuals


def max_t_p_values(
    study: Study, columns: NDArray[np.intp], *, n_permutations: int, seed: int
) -> NDArray[np.float64]:
    """Return single-step max-T p-values (m,), which control the family-wise error.

    The statistic is the score test's slope over its permutation standard deviation, so a thousand
    permutations cost one matrix product. Missing values stand at the mean. With covariates the
    features are made orthogonal to them first, and the test is approximate.
    """
    generator = np.random.default_rng(seed)
    residuals = martingale_residuals(study)
    z = _orthogonal(study, columns)
    observed = np.abs(z.T @ residuals)
    exceeded = np.ones(columns.size)
    for start in range(0, n_permutations, _CHUNK):
        width = min(_CHUNK, n_permutations - start)
        shuffled = np.empty((residuals.size, width))
        for k in range(width):
            shuffled[:, k] = residuals[_permutation(study, generator)]
        largest = np.abs(z.T @ shuffled).max(axis=0)
        exceeded += (largest[None, :] >= observed[:, None] * (1 - 1e-12)).sum(axis=1)
    return np.asarray(exceeded / (n_permutations + 1))


def negative_control(
    study: Study,
    columns: NDArray[np.intp],
    options: Options,
    *,
    observed: int,
    execution: Execution | None = None,
) -> NegativeControl:
    """Rerun the very screen on permuted outcomes and count what it would have reported.

    A sound screen reports something in about a share `alpha` of permutations, or less. `observed`
    is what it reported on the true outcomes.
    """
    pieces = [
        (study, columns, options.alpha, spawn_seed(options.seed, CONTROL, k))
        for k in range(options.n_permutations)
    ]
    found = (execution or Execution()).run("negative control", _permuted_screen, pieces)
    counts = [int(one[0]) for one in found]
    return NegativeControl(
        n_permutations=options.n_permutations,
        discoveries=tuple(counts),
        share_with_discovery=float(np.mean(np.asarray(counts) > 0)),
        observed_discoveries=observed,
        median_smallest_p=float(np.median([one[1] for one in found])),
        n_max_t_permutations=options.n_max_t,
    )


def _permuted_screen(
    study: Study, columns: NDArray[np.intp], alpha: float, seed: int
) -> tuple[int, float]:
    """Return discoveries and the smallest p of one permuted outcome."""
    order = _permutation(study, np.random.default_rng(seed))
    p = screen_fits(replace(study, features=study.features[order]), columns).p
    return int((adjust_bh(p) <= alpha).sum()), float(np.nanmin(p, initial=1.0))


def _blocks(study: Study) -> list[NDArray[np.intp]]:
    """Rows of each stratum."""
    if study.strata is None:
        return [np.arange(study.outcome.n)]
    return [np.flatnonzero(study.strata == code) for code in np.unique(study.strata)]


def _permutation(study: Study, generator: np.random.Generator) -> NDArray[np.intp]:
    """Return a permutation of the rows that stays within strata."""
    order = np.arange(study.outcome.n)
    for rows in _blocks(study):
        order[rows] = generator.permutation(rows)
    return order


def _orthogonal(study: Study, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Center features within strata, take out the covariates, scale to length 1 (0 if nothing)."""
    features = study.features[:, columns]
    z = np.where(np.isnan(features), np.nanmean(features, axis=0), features)
    beside = study.covariates.copy()
    for rows in _blocks(study):
        z[rows] -= z[rows].mean(axis=0)
        beside[rows] -= beside[rows].mean(axis=0)
    if beside.shape[1]:
        z -= beside @ np.linalg.lstsq(beside, z, rcond=None)[0]
    length = np.sqrt((z**2).sum(axis=0))
    z[:, length > 0] /= length[length > 0]
    z[:, length == 0] = 0.0
    return np.asarray(z)
