"""How much better a model looks on the patients that made it: the bootstrap's answer.

The whole procedure, selection included, is repeated in each bootstrap sample and judged on the
sample and on the original patients. Reference: Harrell, Lee and Mark (1996)
doi 10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.concordance import concordance_index
from pathexplain.prognosis.cox import fit_joint
from pathexplain.prognosis.execution import spawn_seed
from pathexplain.prognosis.model import develop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.execution import Execution
    from pathexplain.prognosis.options import Options
    from pathexplain.prognosis.study import Study

__all__ = ["Optimism", "correct_optimism"]

OPTIMISM = 3  # place of this step among the seeds


@dataclass(frozen=True)
class Optimism:
    """Apparent C-index, what the bootstrap takes off it, and what is left.

    `slope` is the mean calibration slope of the bootstrap models on the original patients: the
    factor by which the final model's coefficients should shrink. `n_failed` samples had no C.
    """

    n_bootstrap: int
    apparent: float
    optimism: float
    corrected: float
    slope: float
    n_without_features: int
    n_failed: int


def correct_optimism(study: Study, options: Options, execution: Execution) -> Optimism:
    """Develop in `options.n_optimism` bootstrap samples of patients and correct the C-index."""
    model = develop(study, alpha=options.alpha, max_final=options.max_final)
    apparent = _c(study, model.risk(study))
    pieces = [
        (study, options.alpha, options.max_final, spawn_seed(options.seed, OPTIMISM, k))
        for k in range(options.n_optimism)
    ]
    found = np.array(execution.run("optimism", _resampled, pieces), dtype=np.float64)
    known = np.isfinite(found[:, 0])
    optimism = float(found[known, 0].mean()) if known.any() else float("nan")
    slopes = found[np.isfinite(found[:, 1]), 1]
    return Optimism(
        n_bootstrap=options.n_optimism,
        apparent=apparent,
        optimism=optimism,
        corrected=apparent - optimism,
        slope=float(slopes.mean()) if slopes.size else float("nan"),
        n_without_features=int((found[:, 2] == 0).sum()),
        n_failed=int((~known).sum()),
    )


def _resampled(study: Study, alpha: float, max_final: int, seed: int) -> list[float]:
    """Return the optimism, the calibration slope and the number of features of one sample."""
    n = study.outcome.n
    drawn = np.random.default_rng(seed).integers(0, n, n)
    sample = study.take(drawn)
    nan = float("nan")
    if not sample.outcome.event.any():
        return [nan, nan, 0.0]
    model = develop(sample, alpha=alpha, max_final=max_final)
    risk = model.risk(study)
    slope = nan
    if np.ptp(risk) > 0:
        slope = float(fit_joint(risk[:, None], study.risk).beta[0])
    return [_c(sample, model.risk(sample)) - _c(study, risk), slope, float(model.columns.size)]


def _c(study: Study, risk: NDArray[np.float64]) -> float:
    """Return Harrell's C within strata."""
    outcome = study.outcome
    return concordance_index(
        outcome.time, outcome.event, risk, group=study.strata, entry=outcome.entry
    )
