"""Read time and event columns into a checked outcome; say who is lost and refuse what is wrong.

Not for features or covariates (`study`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MIN_EVENTS", "TIME_UNITS", "Outcome", "read_outcome", "time_unit"]

MIN_EVENTS = 5  # below this no Cox model of one variable means anything (own choice)
TIME_UNITS = ("days", "weeks", "months", "years")
_WORDS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
_SHOWN = 5  # patients or values named in a message


@dataclass(frozen=True)
class Outcome:
    """Follow-up of n patients: `time` (n,) float64 > 0 in `unit`, `event` (n,) bool."""

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    unit: str

    def __post_init__(self) -> None:
        """Refuse what no survival analysis can use."""
        if self.time.shape != self.event.shape or self.time.ndim != 1:
            message = f"time {self.time.shape} and event {self.event.shape} must be (n,) alike"
            raise CohortError(message)
        if not (np.isfinite(self.time) & (self.time > 0)).all():
            message = "every time must be finite and > 0; use read_outcome on raw columns"
            raise CohortError(message)

    @property
    def n(self) -> int:
        """Patients."""
        return int(self.time.size)

    @property
    def events(self) -> int:
        """Patients with the event."""
        return int(self.event.sum())

    def take(self, rows: NDArray[np.intp]) -> Outcome:
        """Return the outcome of `rows`, in that order."""
        return Outcome(self.time[rows], self.event[rows], self.unit)


def time_unit(column: str) -> str:
    """Return the unit that a column name ends in, or ``"unknown"``.

    Examples
    --------
    >>> time_unit("time_months"), time_unit("OS.time")
    ('months', 'unknown')
    """
    ending = column.lower().replace(".", "_").rsplit("_", 1)[-1]
    plural = ending if ending.endswith("s") else ending + "s"
    return plural if plural in TIME_UNITS else "unknown"


def read_outcome(
    time: pd.Series, event: pd.Series, *, patients: NDArray[np.str_]
) -> tuple[Outcome, NDArray[np.intp], dict[str, NDArray[np.intp]]]:
    """Check two raw columns and keep the patients whose outcome is known.

    Parameters
    ----------
    time : (n,) Series
        Follow-up; its name gives the unit (``time_months``).
    event : (n,) Series
        1, True or "true" where the event was seen, 0, False or "false" where censored.
    patients : (n,) str
        Names for messages.

    Returns
    -------
    outcome : Outcome
        Of the kept patients.
    kept : (n_kept,) int
        Their rows.
    lost : dict of str to (k,) int
        Rows left out, by reason; each row under its first reason.

    Raises
    ------
    CohortError
        If a time is not a number, is <= 0 or infinite, an event is not 0/1, or fewer than
        `MIN_EVENTS` events remain.

    Examples
    --------
    >>> time = pd.Series([3, 1, None, 4, 5, 6.0], name="time_months")
    >>> event = pd.Series([1, 1, 1, 1, 1, 1], name="event")
    >>> outcome, kept, lost = read_outcome(time, event, patients=np.array(list("abcdef")))
    >>> outcome.unit, kept.tolist(), {reason: rows.tolist() for reason, rows in lost.items()}
    ('months', [0, 1, 3, 4, 5], {'time_months is missing': [2]})
    """
    times = _numbers(time, patients)
    events = _events(event, patients)
    with np.errstate(invalid="ignore"):
        impossible = (times <= 0) | np.isinf(times)
    if impossible.any():
        message = (
            f"column {time.name}: {impossible.sum()} of {times.size} times are not a finite number "
            f"> 0: {_named(patients, times, impossible)}; correct them or leave these patients out"
        )
        raise CohortError(message, patient=str(patients[impossible][0]))
    no_time, no_event = np.isnan(times), np.isnan(events)
    losses = {
        f"{time.name} is missing": np.flatnonzero(no_time),
        f"{event.name} is missing": np.flatnonzero(no_event & ~no_time),
    }
    kept = np.flatnonzero(~(no_time | no_event))
    outcome = Outcome(times[kept], events[kept] == 1, time_unit(str(time.name)))
    require_events(outcome, str(event.name))
    return outcome, kept, {reason: rows for reason, rows in losses.items() if rows.size}


def require_events(outcome: Outcome, column: str) -> None:
    """Raise CohortError where fewer than `MIN_EVENTS` events remain."""
    if outcome.events < MIN_EVENTS:
        message = (
            f"column {column}: {outcome.events} events among {outcome.n} patients with a known "
            f"outcome; at least {MIN_EVENTS} are needed to fit anything"
        )
        raise CohortError(message)


def _numbers(column: pd.Series, patients: NDArray[np.str_]) -> NDArray[np.float64]:
    """Read a column as float64, refusing text that is no number."""
    numbers = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=np.float64)
    is_text = np.isnan(numbers) & column.notna().to_numpy()
    if is_text.any():
        message = (
            f"column {column.name}: not a number: {_named(patients, column.to_numpy(), is_text)}"
        )
        raise CohortError(message, patient=str(patients[is_text][0]))
    return numbers


def _events(column: pd.Series, patients: NDArray[np.str_]) -> NDArray[np.float64]:
    """Read 0/1, booleans or their names as 0.0, 1.0 and NaN; refuse all else."""
    known = column.notna().to_numpy()
    events = np.full(len(column), np.nan)
    words = column[known].astype(str).str.strip().str.lower().map(_WORDS)
    events[known] = words.to_numpy(dtype=np.float64)
    wrong = known & np.isnan(events)
    if wrong.any():
        message = (
            f"column {column.name}: an event is 1 (seen) or 0 (censored), not "
            f"{_named(patients, column.to_numpy(), wrong)}; recode the column"
        )
        raise CohortError(message, patient=str(patients[wrong][0]))
    return events


def _named(patients: NDArray[np.str_], values: object, rows: NDArray[np.bool_]) -> str:
    """List the first few patients with their values."""
    where = np.flatnonzero(rows)
    shown = [f"{patients[i]} ({np.asarray(values, dtype=object)[i]})" for i in where[:_SHOWN]]
    more = f" and {where.size - _SHOWN} more" if where.size > _SHOWN else ""
    return ", ".join(shown) + more
