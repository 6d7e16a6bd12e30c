"""Censoring-weighted discrimination and error: Uno's C, time-dependent AUC, Brier score.

Each is built from sums over pairs or patients, so that folds can be added up and patients
resampled without computing anything again. The censoring distribution comes from training
patients. Harrell's C lives in `concordance`.

References: Uno et al. (2011) doi 10.1002/sim.4154 (C); Uno et al. (2007)
doi 10.1198/016214507000000149 (AUC); Graf et al. (1999)
doi 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5 (Brier score).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Censoring",
    "Pairs",
    "auc_pairs",
    "brier_contributions",
    "censoring_of",
    "integrated",
    "uno_pairs",
]


@dataclass(frozen=True)
class Censoring:
    """Kaplan-Meier estimate of still being uncensored: `survival` (k,) from `time` (k,) on."""

    time: NDArray[np.float64]
    survival: NDArray[np.float64]

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability at `times`; NaN where it is 0 or beyond the training follow-up."""
        padded = np.concatenate([np.ones(1), self.survival])
        value = padded[np.searchsorted(self.time, times, side="right")]
        last = self.time[-1] if self.time.size else 0.0
        return np.where((value > 0) & ((times <= last) | (value == value.min())), value, np.nan)


@dataclass(frozen=True)
class Pairs:
    """Weighted pairs (n, n): `concordant` and `comparable`, row the earlier event."""

    concordant: NDArray[np.float64]
    comparable: NDArray[np.float64]

    def sums(self, counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both sums (b,) for patients counted `counts` (b, n) times."""
        first = ((counts @ self.concordant) * counts).sum(axis=1)
        second = ((counts @ self.comparable) * counts).sum(axis=1)
        return first, second

    @property
    def share(self) -> float:
        """Return the share of comparable pairs that is concordant; NaN without pairs."""
        total = float(self.comparable.sum())
        return float(self.concordant.sum()) / total if total > 0 else float("nan")


def censoring_of(time: NDArray[np.float64], event: NDArray[np.bool_]) -> Censoring:
    """Estimate the censoring distribution; at equal times events come before censorings.

    Examples
    --------
    >>> found = censoring_of(np.array([1.0, 2, 2, 3]), np.array([True, True, False, True]))
    >>> found.survival.tolist()
    [1.0, 0.5, 0.5]
    """
    times, where = np.unique(time, return_inverse=True)
    leaving = np.bincount(where, minlength=times.size)
    events = np.bincount(where, weights=event, minlength=times.size)
    at_risk = time.size - np.concatenate([[0], np.cumsum(leaving)[:-1]]) - events
    censored = leaving - events
    hazard = np.divide(censored, at_risk, out=np.zeros(times.size), where=censored > 0)
    return Censoring(times, np.cumprod(1.0 - hazard))


def uno_pairs(
    censoring: Censoring,
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    *,
    tau: float,
    group: NDArray[np.int64] | None = None,
) -> Pairs:
    """Return the pairs of Uno's C up to `tau`; only patients of one `group` are compared."""
    weight = np.where(event & (time < tau), 1.0 / censoring.at(time) ** 2, 0.0)
    outlives = time[None, :] > time[:, None]
    outlives |= (time[None, :] == time[:, None]) & ~event[None, :]  # censored after the event
    comparable = np.where(outlives, weight[:, None], 0.0)
    return _ranked(comparable, risk, group)


def auc_pairs(
    censoring: Censoring,
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    *,
    at: float,
    group: NDArray[np.int64] | None = None,
) -> Pairs:
    """Return pairs of a patient with the event by `at` and one still followed after it."""
    weight = np.where(event & (time <= at), 1.0 / censoring.at(time), 0.0)
    comparable = np.where(time[None, :] > at, weight[:, None], 0.0)
    return _ranked(comparable, risk, group)


def brier_contributions(
    censoring: Censoring,
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    survival: NDArray[np.float64],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return each patient's part (n, t) of the Brier score of `survival` (n, t) at `times` (t,).

    The mean over patients is the score.
    """
    had = (time[:, None] <= times[None, :]) & event[:, None]
    alive = time[:, None] > times[None, :]
    own = np.where(had, 1.0 / np.where(event, censoring.at(time), 1.0)[:, None], 0.0)
    later = np.where(alive, 1.0 / censoring.at(times)[None, :], 0.0)
    return np.asarray(own * survival**2 + later * (1.0 - survival) ** 2)


def integrated(values: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average `values` (..., t) over the time from the first to the last of `times`."""
    return np.asarray(np.trapezoid(values, times, axis=-1) / (times[-1] - times[0]))


def _ranked(
    comparable: NDArray[np.float64], risk: NDArray[np.float64], group: NDArray[np.int64] | None
) -> Pairs:
    """Weigh pairs by their order of risk; equal risks count half."""
    if group is not None:
        comparable = np.where(group[:, None] == group[None, :], comparable, 0.0)
    order = (risk[:, None] > risk[None, :]) + 0.5 * (risk[:, None] == risk[None, :])
    return Pairs(comparable * order, comparable)
