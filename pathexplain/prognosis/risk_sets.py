"""Who is at risk when: patients sorted once for any number of Cox fits.

Not for reading outcome columns (`outcome`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.kernel import SortedRows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RiskOrder", "risk_order"]


@dataclass(frozen=True)
class RiskOrder:
    """Patients sorted for the partial likelihood: by stratum, then by time descending.

    `order` (k,) int indexes the caller's n rows and leaves out those of weight 0; `time` (k,),
    `entry` (k,) and `sorted` follow it. `n` is the number of rows that the caller gave.
    """

    order: NDArray[np.intp]
    time: NDArray[np.float64]
    entry: NDArray[np.float64] | None
    sorted: SortedRows
    n: int

    @property
    def rows(self) -> NDArray[np.int64]:
        """Event 0/1, tie group and stratum (k, 3) of the sorted patients."""
        return self.sorted.rows

    @property
    def weight(self) -> NDArray[np.float64]:
        """Case weights (k,) of the sorted patients."""
        return self.sorted.weight

    @property
    def events(self) -> int:
        """Events among the sorted patients."""
        return int(self.sorted.rows[:, 0].sum())


def risk_order(
    time: ArrayLike,
    event: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> RiskOrder:
    """Sort patients once, for any number of fits.

    Parameters
    ----------
    time : (n,) float
        Follow-up, any unit, finite.
    event : (n,) bool or 0/1
        Whether the event was seen at `time`.
    strata : (n,) int, optional
        Patients are compared within a stratum only.
    entry : (n,) float, optional
        Left truncation: a patient is at risk after `entry` up to and including `time`.
    weights : (n,) float, optional
        Case weights >= 0; patients of weight 0 are left out. Standard errors take a weight for a
        number of patients.

    Raises
    ------
    CohortError
        If lengths differ, a time or an entry is not finite, an entry is not before its time, or a
        weight is negative or not finite.

    Examples
    --------
    >>> risk_order([3.0, 1.0, 2.0], [1, 1, 0]).order.tolist()
    [0, 2, 1]
    """
    times = np.asarray(time, dtype=np.float64)
    events = np.asarray(event).astype(np.int64)
    labels = np.zeros(times.size, np.int64) if strata is None else np.asarray(strata, np.int64)
    if times.ndim != 1 or not times.shape == events.shape == labels.shape:
        message = (
            f"time {times.shape}, event {events.shape} and strata {labels.shape} differ in shape; "
            "give one value a patient"
        )
        raise CohortError(message)
    _refuse(~np.isfinite(times), "times are not finite; drop those patients first")
    weight = _weights(weights, times.size)
    start = None if entry is None else _entries(entry, times)
    order = np.lexsort((-times, labels))
    order = order[weight[order] > 0]
    times, labels = times[order], labels[order]
    is_new = np.ones(times.size, dtype=np.int64)
    is_new[1:] = (np.diff(times) != 0) | (np.diff(labels) != 0)
    rows = np.column_stack([events[order], np.cumsum(is_new), labels])
    start = None if start is None else start[order]
    return RiskOrder(
        order=order,
        time=times,
        entry=start,
        sorted=SortedRows(
            np.ascontiguousarray(rows, dtype=np.int64),
            np.ascontiguousarray(weight[order]),
            *_leaving(times, labels, start),
        ),
        n=weight.size,
    )


def _weights(weights: ArrayLike | None, n: int) -> NDArray[np.float64]:
    """Check case weights."""
    if weights is None:
        return np.ones(n)
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != (n,):
        message = f"weights have shape {weight.shape}; give one to each of {n} patients"
        raise CohortError(message)
    _refuse(~(np.isfinite(weight) & (weight >= 0)), "case weights are negative or not finite")
    return weight


def _entries(entry: ArrayLike, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Check entry times."""
    start = np.asarray(entry, dtype=np.float64)
    if start.shape != times.shape:
        message = f"entry has shape {start.shape}; give one value to each of {times.size} patients"
        raise CohortError(message)
    _refuse(~np.isfinite(start), "entry times are not finite; without truncation give 0")
    _refuse(start >= times, "entry times are not before the end of follow-up; correct them")
    return start


def _refuse(wrong: NDArray[np.bool_], fault: str) -> None:
    """Raise where any row is wrong, naming the first rows."""
    if wrong.any():
        first = ", ".join(str(row) for row in np.flatnonzero(wrong)[:5])
        message = f"{wrong.sum()} {fault} (rows from 0: {first})"
        raise CohortError(message)


def _leaving(
    times: NDArray[np.float64], labels: NDArray[np.int64], entry: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return `leaving`, `place` and `gone` of `SortedRows`; empty without left truncation."""
    empty = np.empty(0, dtype=np.int64)
    if entry is None:
        return empty, empty, empty
    leaving = np.lexsort((-entry, labels))
    place = np.empty(entry.size, dtype=np.int64)
    place[leaving] = np.arange(entry.size)
    gone = np.empty(entry.size, dtype=np.int64)
    for code in np.unique(labels):
        block = np.flatnonzero(labels == code)
        ascending = np.sort(entry[block])
        still_out = block.size - np.searchsorted(ascending, times[block], side="left")
        gone[block] = block[0] + still_out
    return leaving.astype(np.int64), place, gone
