"""One fold of the cross-validation: develop on the others, predict the patients left out.

Not for judging predictions (`validation`, `performance`). Every number that a metric needs from
the training patients, its time grid included, is taken here from the training patients alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.prognosis.absolute_risk import baselines, survival_at
from pathexplain.prognosis.horizons import time_grid
from pathexplain.prognosis.model import clinical_model, develop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pathexplain.prognosis.study import Study

__all__ = ["Fold", "Predictions", "fit_fold"]


@dataclass(frozen=True)
class Predictions:
    """Predicted survival of t test patients by one model, on the grid (t, g) and at horizons."""

    grid: NDArray[np.float64]
    horizons: NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """One fold: rows `test` (t,), chosen `columns`, log relative hazards (t,), survival.

    `nothing` predicts the Kaplan-Meier-like survival of the training patients for everybody.
    `clinical` and `clinical_risk` are those of the covariates alone (zeros without any).
    """

    repeat: int
    test: NDArray[np.intp]
    columns: NDArray[np.intp]
    risk: NDArray[np.float64]
    clinical_risk: NDArray[np.float64]
    grid: NDArray[np.float64]
    model: Predictions
    clinical: Predictions
    nothing: Predictions

    @classmethod
    def read(cls, repeat: int, test: NDArray[np.intp], plain: Mapping[str, Any]) -> Fold:
        """Rebuild a fold from what `fit_fold` returned."""
        parts = {
            name: Predictions(*(np.asarray(part, dtype=np.float64) for part in plain[name]))
            for name in ("model", "clinical", "nothing")
        }
        return cls(
            repeat=repeat,
            test=test,
            columns=np.asarray(plain["columns"], dtype=np.intp),
            risk=np.asarray(plain["risk"], dtype=np.float64),
            clinical_risk=np.asarray(plain["clinical_risk"], dtype=np.float64),
            grid=np.asarray(plain["grid"], dtype=np.float64),
            **parts,
        )


def fit_fold(
    study: Study,
    is_test: NDArray[np.bool_],
    horizons: tuple[float, ...],
    alpha: float,
    max_final: int,
) -> dict[str, Any]:
    """Develop on the patients that are not in the test fold; plain values, so it can be kept."""
    train, test = study.take(np.flatnonzero(~is_test)), study.take(np.flatnonzero(is_test))
    times = np.asarray(horizons, dtype=np.float64)
    until = float(times.max()) if times.size else float(np.median(train.outcome.time))
    grid = time_grid(train.outcome, until=until)
    model, beside = develop(train, alpha=alpha, max_final=max_final), clinical_model(train)
    nobody = baselines(train.outcome, train.strata, np.zeros(train.outcome.n))
    nothing = [
        survival_at(nobody, test.strata, np.zeros(test.outcome.n), at) for at in (grid, times)
    ]
    return {
        "columns": model.columns.tolist(),
        "risk": model.risk(test).tolist(),
        "clinical_risk": beside.risk(test).tolist(),
        "grid": grid.tolist(),
        "model": [model.survival(test, at).tolist() for at in (grid, times)],
        "clinical": [beside.survival(test, at).tolist() for at in (grid, times)],
        "nothing": [one.tolist() for one in nothing],
    }
