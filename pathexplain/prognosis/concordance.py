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
def _pairs(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    group: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> tuple[float, float]:
    """Weighted concordant and comparable pairs; rows sorted by group."""
    concordant, comparable = 0.0, 0.0
    start, n = 0, time.size
    while start < n:
        stop = start
        while stop < n and group[stop] == group[start]:
            stop += 1
        for i in range(start, stop):
            if not event[i] or weight[i] == 0.0:
                continue
            for j in range(start, stop):
                if time[j] > time[i] or (time[j] == time[i] and not event[j]):
                    pair = weight[i] * weight[j]
                    comparable += pair
                    if risk[i] > risk[j]:
                        concordant += pair
                    elif risk[i] == risk[j]:
                        concordant += 0.5 * pair
        start = stop
    return concordant, comparable


def concordant_pairs(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    *,
    group: NDArray[np.int64] | None = None,
    weight: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Return weighted numbers of concordant and of comparable pairs, all arrays (n,).

    Only patients of one `group` are compared; `weight` is how often a patient counts.
    """
    groups = np.zeros(time.size, np.int64) if group is None else group
    weights = np.ones(time.size) if weight is None else weight
    order = np.argsort(groups, kind="stable")
    concordant, comparable = _pairs(
        time[order], event[order], risk[order], groups[order], weights[order]
    )
    return float(concordant), float(comparable)


def concordance_index(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risk: NDArray[np.float64],
    *,
    group: NDArray[np.int64] | None = None,
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
    concordant, comparable = concordant_pairs(time[known], event[known], risk[known], group=groups)
    return concordant / comparable if comparable > 0 else float("nan")
