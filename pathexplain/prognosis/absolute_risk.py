"""From relative hazards to survival at a time: Breslow's baseline, by stratum.

Not for discrimination. References: Breslow (1972), discussion of Cox, J. R. Stat. Soc. B 34,
216-217; Lin (2007) doi 10.1007/s10985-007-9048-y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.outcome import Outcome

__all__ = ["Baseline", "baselines", "cumulative_hazard", "survival_at"]

ONE_STRATUM = 0  # the code of everybody where there are no strata


@dataclass(frozen=True)
class Baseline:
    """Cumulative hazard at log relative hazard 0: `hazard` (k,) from `time` (k,) on."""

    time: NDArray[np.float64]
    hazard: NDArray[np.float64]

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cumulative hazard at `times` (t,); NaN beyond the last time observed."""
        padded = np.concatenate([np.zeros(1), self.hazard])
        values = padded[np.searchsorted(self.time, times, side="right")]
        last = self.time[-1] if self.time.size else 0.0
        return np.where(times > last, np.nan, values)


def cumulative_hazard(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    log_risk: NDArray[np.float64],
    *,
    entry: NDArray[np.float64] | None = None,
) -> Baseline:
    """Return Breslow's cumulative baseline hazard at every distinct follow-up time.

    Without a score it is the Nelson-Aalen estimate.

    Examples
    --------
    >>> time, event = np.array([1.0, 2, 3]), np.array([True, False, True])
    >>> cumulative_hazard(time, event, np.zeros(3)).hazard.round(3).tolist()
    [0.333, 0.333, 1.333]
    """
    weight = np.exp(log_risk)
    times, where = np.unique(time, return_inverse=True)
    leaving = np.bincount(where, weights=weight, minlength=times.size)
    at_risk = np.cumsum(leaving[::-1])[::-1]
    if entry is not None:
        order = np.argsort(entry)
        late = np.concatenate([np.zeros(1), np.cumsum(weight[order])])
        at_risk = at_risk - (late[-1] - late[np.searchsorted(entry[order], times, side="left")])
    deaths = np.bincount(where, weights=event, minlength=times.size)
    steps = np.divide(deaths, at_risk, out=np.zeros(times.size), where=deaths > 0)
    return Baseline(times, np.cumsum(steps))


def baselines(
    outcome: Outcome, strata: NDArray[np.int64] | None, log_risk: NDArray[np.float64]
) -> dict[int, Baseline]:
    """Return one baseline a stratum, by its code (0 where there are none)."""
    codes = np.full(outcome.n, ONE_STRATUM) if strata is None else strata
    found = {}
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        entry = None if outcome.entry is None else outcome.entry[rows]
        found[int(code)] = cumulative_hazard(
            outcome.time[rows], outcome.event[rows], log_risk[rows], entry=entry
        )
    return found


def survival_at(
    by_stratum: dict[int, Baseline],
    strata: NDArray[np.int64] | None,
    log_risk: NDArray[np.float64],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return predicted survival (n, t); NaN for a stratum without baseline or beyond its times.

    Examples
    --------
    >>> base = {0: Baseline(np.array([1.0, 2.0]), np.array([0.5, 1.0]))}
    >>> survival_at(base, None, np.zeros(1), np.array([0.5, 1.0, 3.0])).round(3).tolist()
    [[1.0, 0.607, nan]]
    """
    survival = np.full((log_risk.size, times.size), np.nan)
    codes = np.full(log_risk.size, ONE_STRATUM) if strata is None else strata
    for code, baseline in by_stratum.items():
        rows = np.flatnonzero(codes == code)
        survival[rows] = np.exp(-np.exp(log_risk[rows])[:, None] * baseline.at(times)[None, :])
    return survival
