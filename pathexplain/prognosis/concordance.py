"""Harrell's concordance index over comparable pairs inside groups, with patient weights.

Not for time-dependent or censoring-weighted discrimination. Reference: Harrell et al. (1982)
doi 10.1001/jama.1982.03320430047030. Ties follow lifelines and R `survival`: equal risks count
half; at equal times an event comes before a censoring, and two events are not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.kernel import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["concordance_index", "concordant_pairs"]


@compiled
def _pairs_of(
    i: int,
    others: NDArray[np.intp],
    follow_up: tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]],
    risk: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[float, float]:
    """Weighted concordant and comparable pairs in which patient `i` fails first."""
    time, event, entry = follow_up
    concordant, comparable = 0.0, 0.0
    for j in others:
        if entry[j] >= time[i]:
            continue
        if time[j] > time[i] or (time[j] == time[i] and not event[j]):
            comparable += weight[j]
            if risk[i] > risk[j]:
                concordant += weight[j]
            elif risk[i] == risk[j]:
                concordant += 0.5 * weight[j]
    return weight[i] * concordant, weight[i] * comparable


@compiled
def _pairs(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    entry: NDArray[np.float64],
    risk: NDArray[np.float64],
    group: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> tuple[float, float]:
    """Weighted concordant and comparable pairs of all groups."""
    concordant, comparable = 0.0, 0.0
    for code in np.unique(group):
        rows = np.flatnonzero((group == code) & (weight > 0.0))
        for i in rows:
            if event[i]:
                more = _pairs_of(int(i), rows, (time, event, entry), risk, weight)
                concordant, comparable = concordant + more[0], comparable + more[1]
    return concordant, comparable


def concordant_pairs(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    *,
    group: NDArray[np.int64] | None = None,
    weight: NDArray[np.float64] | None = None,
    entry: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Return weighted numbers of concordant and of comparable pairs, all arrays (n,).

    Only patients of one `group` are compared; `weight` is how often a patient counts. With `entry`
    a patient is compared with events that came after it only.
    """
    starts = np.full(time.size, -np.inf) if entry is None else entry
    groups = np.zeros(time.size, np.int64) if group is None else group
    weights = np.ones(time.size) if weight is None else weight
    concordant, comparable = _pairs(time, event, starts, risk, groups, weights)
    return float(concordant), float(comparable)


def concordance_index(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    *,
    group: NDArray[np.int64] | None = None,
    entry: NDArray[np.float64] | None = None,
) -> float:
    """Return the share of comparable pairs in which the higher risk fails first; NaN without pairs.

    Rows with NaN risk are left out. 0.5 is chance, 1 perfect.

    Examples
    --------
    >>> concordance_index(np.array([1.0, 2, 3]), np.array([True] * 3), np.array([3.0, 2, 1]))
    1.0
    """
    known = np.isfinite(risk)
    groups = None if group is None else group[known]
    starts = None if entry is None else entry[known]
    concordant, comparable = concordant_pairs(
        time[known], event[known], risk[known], group=groups, entry=starts
    )
    return concordant / comparable if comparable > 0 else float("nan")
