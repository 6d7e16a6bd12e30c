"""The distribution of censoring, for weights by its inverse.

Not for survival itself (`km`). Reference: Graf et al. (1999)
doi 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Censoring", "censoring_distribution"]


@dataclass(frozen=True)
class Censoring:
    """Probability of still being uncensored: `uncensored` (k,) from `time` (k,) on, 1 before."""

    time: NDArray[np.float64]
    uncensored: NDArray[np.float64]

    def after(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P(censored later than `times`) (any shape); 0 once nobody is left."""
        return self._padded()[np.searchsorted(self.time, times, side="right")]

    def before(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P(censored at `times` or later)."""
        return self._padded()[np.searchsorted(self.time, times, side="left")]

    def _padded(self) -> NDArray[np.float64]:
        """Start the step function at 1."""
        return np.concatenate([np.ones(1), self.uncensored])


def censoring_distribution(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    weights: NDArray[np.float64] | None = None,
) -> Censoring:
    """Return the Kaplan-Meier estimate of censoring; an event at the same time comes first.

    Examples
    --------
    >>> estimate = censoring_distribution(np.array([1.0, 2, 3]), np.array([True, False, True]))
    >>> estimate.after(np.array([1.0, 2.0])).tolist(), estimate.before(np.array([2.0])).tolist()
    ([1.0, 0.5], [1.0])
    """
    weight = np.ones(time.size) if weights is None else weights
    times, where = np.unique(time, return_inverse=True)
    leaving = np.bincount(where, weights=weight, minlength=times.size)
    events = np.bincount(where, weights=weight * event, minlength=times.size)
    at_risk = np.cumsum(leaving[::-1])[::-1] - events
    censored = leaving - events
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(at_risk > 0, 1.0 - censored / at_risk, 1.0)
    return Censoring(times, np.cumprod(step, dtype=np.float64))
