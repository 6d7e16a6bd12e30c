"""Permuted outcomes: p-values for the largest statistic of the family, and a negative control.

Patients keep their features and get another patient's outcome and covariates, within strata.
Reference: Westfall and Young (1993), ISBN 978-0471557616.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import FitError
from pathexplain.prognosis.execution import Execution, spawn_seed
from pathexplain.prognosis.max_t import max_t, permute_within
from pathexplain.prognosis.result import NegativeControl
from pathexplain.prognosis.screening import adjust_bh, screen_fits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.study import Study

__all__ = ["max_t_p_values", "negative_control"]

CONTROL = 1  # place of this step among the seeds


def max_t_p_values(
    study: Study, columns: NDArray[np.intp], *, n_permutations: int, seed: int
) -> NDArray[np.float64]:
    """Return step-down max-T p-values (m,), which control the family-wise error (`max_t`).

    NaN where the covariates alone have no fit: then no feature has one either.
    """
    try:
        found = max_t(
            study.features[:, columns],
            study.outcome.time,
            study.outcome.event,
            entry=study.outcome.entry,
            strata=study.strata,
            covariates=study.covariates if study.covariates.shape[1] else None,
            n_permutations=n_permutations,
            seed=seed,
        )
    except FitError:
        return np.full(columns.size, np.nan)
    return found.step_down


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
    groups = np.zeros(study.outcome.n, np.int64) if study.strata is None else study.strata
    order = permute_within(groups, np.random.default_rng(seed))
    p = screen_fits(replace(study, features=study.features[order]), columns).p
    return int((adjust_bh(p) <= alpha).sum()), float(np.nanmin(p, initial=1.0))
