"""Read time and event columns into a checked outcome; say who is lost and refuse what is wrong.

Not for features or covariates (`study`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pathexplain.errors import CohortError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MIN_EVENTS", "TIME_UNITS", "Outcome", "read_outcome", "require_events", "time_unit"]

MIN_EVENTS = 5  # below this no Cox model of one variable means anything (own choice)
TIME_UNITS = ("days", "weeks", "months", "years")
_WORDS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
_SHOWN = 5  # patients or values named in a message


@dataclass(frozen=True)
class Outcome:
    """Follow-up of n patients: `time` (n,) float64 > 0 in `unit`, `event` (n,) bool.

    `entry` (n,) float64 is where observation began (0 <= entry < time), None where at 0 for all;
    `competing` (n,) bool marks censorings that are another event, None where none was named.
    """

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    unit: str
    entry: NDArray[np.float64] | None = None
    competing: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse what no survival analysis can use."""
        if self.time.shape != self.event.shape or self.time.ndim != 1:
            message = f"time {self.time.shape} and event {self.event.shape} must be (n,) alike"
            raise CohortError(message)
        if not (np.isfinite(self.time) & (self.time > 0)).all():
            message = "every time must be finite and > 0; use read_outcome on raw columns"
            raise CohortError(message)
        if self.entry is not None and not (self.entry < self.time).all():
            message = "every entry must lie before its time; use read_outcome on raw columns"
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
        entry = None if self.entry is None else self.entry[rows]
        competing = None if self.competing is None else self.competing[rows]
        return Outcome(self.time[rows], self.event[rows], self.unit, entry, competing)


@dataclass
class _Faults:
    """What is wrong with the columns, gathered so that one message names all of it."""

    texts: list[str] = field(default_factory=list)
    patient: str | None = None

    def add(self, text: str, patient: object) -> None:
        """Note a fault and the first patient that shows it."""
        self.texts.append(text)
        self.patient = self.patient or str(patient)

    def refuse(self) -> None:
        """Raise what was gathered."""
        if self.texts:
            raise CohortError("; ".join(self.texts), patient=self.patient)


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
    time: pd.Series,
    event: pd.Series,
    *,
    patients: NDArray[np.str_],
    entry: pd.Series | None = None,
    competing: pd.Series | float | None = None,
) -> tuple[Outcome, NDArray[np.intp], dict[str, NDArray[np.intp]]]:
    """Check raw columns and keep the patients whose outcome is known.

    Parameters
    ----------
    time : (n,) Series
        Follow-up; its name gives the unit (``time_months``).
    event : (n,) Series
        1, True or "true" where the event was seen, 0, False or "false" where censored.
    patients : (n,) str
        Names for messages.
    entry : (n,) Series, optional
        When observation began, in the unit of `time` (delayed entry); 0 <= entry < time.
    competing : (n,) Series or number, optional
        Column with 1 where follow-up ended by a competing event; or the code that stands for it
        in `event`.

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
        If a time is not a number, is <= 0 or infinite, an event is not 0/1, an entry does not
        precede its time, one patient has both events, or fewer than `MIN_EVENTS` events remain.
        All faulty columns and their patients are named at once.

    Examples
    --------
    >>> time = pd.Series([3, 1, None, 4, 5, 6.0], name="time_months")
    >>> event = pd.Series([1, 1, 1, 1, 1, 1], name="event")
    >>> outcome, kept, lost = read_outcome(time, event, patients=np.array(list("abcdef")))
    >>> outcome.unit, kept.tolist(), {reason: rows.tolist() for reason, rows in lost.items()}
    ('months', [0, 1, 3, 4, 5], {'time_months is missing': [2]})
    """
    faults = _Faults()
    times = _numbers(time, patients, faults)
    code = competing if isinstance(competing, int | float) else None
    events = _events(event, patients, faults, competing=code)
    _check_times(times, str(time.name), patients, faults)
    columns = {str(time.name): times, str(event.name): events}
    if entry is not None:
        columns[str(entry.name)] = entries = _numbers(entry, patients, faults)
        _check_entries(entries, times, str(entry.name), patients, faults)
    others = events == code if code is not None else None
    if isinstance(competing, pd.Series):
        columns[str(competing.name)] = other = _events(competing, patients, faults)
        others = other == 1
        _check_one_event(others & (events == 1), (event, competing), patients, faults)
    faults.refuse()
    kept, losses = _complete(columns)
    outcome = Outcome(
        times[kept],
        events[kept] == 1,
        time_unit(str(time.name)),
        None if entry is None else entries[kept],
        None if others is None else others[kept],
    )
    require_events(outcome, str(event.name))
    return outcome, kept, losses


def require_events(outcome: Outcome, column: str) -> None:
    """Raise CohortError where fewer than `MIN_EVENTS` events remain."""
    if outcome.events < MIN_EVENTS:
        message = (
            f"column {column}: {outcome.events} events among {outcome.n} patients with a known "
            f"outcome; at least {MIN_EVENTS} are needed to fit anything"
        )
        raise CohortError(message)


def _complete(
    columns: dict[str, NDArray[np.float64]],
) -> tuple[NDArray[np.intp], dict[str, NDArray[np.intp]]]:
    """Return the rows that are known in every column, and the others by their first reason."""
    n = len(next(iter(columns.values())))
    known = np.ones(n, dtype=bool)
    losses = {}
    for name, values in columns.items():
        missing = known & np.isnan(values)
        if missing.any():
            losses[f"{name} is missing"] = np.flatnonzero(missing)
        known &= ~missing
    return np.flatnonzero(known), losses


def _check_times(
    times: NDArray[np.float64], name: str, patients: NDArray[np.str_], faults: _Faults
) -> None:
    """Note times that are not a finite number above 0."""
    with np.errstate(invalid="ignore"):
        wrong = (times <= 0) | np.isinf(times)
    if wrong.any():
        text = (
            f"column {name}: {wrong.sum()} of {times.size} times are not a finite number "
            f"> 0: {_named(patients, times, wrong)}; correct them or leave these patients out"
        )
        faults.add(text, patients[wrong][0])


def _check_entries(
    entries: NDArray[np.float64],
    times: NDArray[np.float64],
    name: str,
    patients: NDArray[np.str_],
    faults: _Faults,
) -> None:
    """Note entries below 0 or not before the end of follow-up."""
    with np.errstate(invalid="ignore"):
        wrong = (entries < 0) | ((entries >= times) & (times > 0))
    if wrong.any():
        text = (
            f"column {name}: entry must lie between 0 and the end of follow-up, not "
            f"{_named(patients, entries, wrong)}"
        )
        faults.add(text, patients[wrong][0])


def _check_one_event(
    both: NDArray[np.bool_],
    columns: tuple[pd.Series, pd.Series],
    patients: NDArray[np.str_],
    faults: _Faults,
) -> None:
    """Note patients with the event and the competing event at once."""
    if both.any():
        names = ", ".join(map(str, patients[both][:_SHOWN]))
        text = (
            f"columns {columns[0].name} and {columns[1].name}: {both.sum()} patients have both "
            f"events ({names}); follow-up ends at the first of them, so at most one is 1"
        )
        faults.add(text, patients[both][0])


def _numbers(column: pd.Series, patients: NDArray[np.str_], faults: _Faults) -> NDArray[np.float64]:
    """Read a column as float64, noting text that is no number."""
    numbers = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=np.float64)
    is_text = np.isnan(numbers) & column.notna().to_numpy()
    if is_text.any():
        text = f"column {column.name}: not a number: {_named(patients, column.to_numpy(), is_text)}"
        faults.add(text, patients[is_text][0])
    return numbers


def _events(
    column: pd.Series,
    patients: NDArray[np.str_],
    faults: _Faults,
    *,
    competing: float | None = None,
) -> NDArray[np.float64]:
    """Read 0/1, booleans or their names as 0.0, 1.0 and NaN; note all else but `competing`."""
    known = column.notna().to_numpy()
    events = np.full(len(column), np.nan)
    words = column[known].astype(str).str.strip().str.lower()
    codes = words.map(_WORDS)
    if competing is not None:
        is_other = pd.to_numeric(words, errors="coerce") == competing
        codes = codes.mask(is_other, competing)
    events[known] = codes.to_numpy(dtype=np.float64)
    wrong = known & np.isnan(events)
    if wrong.any():
        also = "" if competing is None else f" or {competing:g} (competing)"
        text = (
            f"column {column.name}: an event is 1 (seen) or 0 (censored){also}, not "
            f"{_named(patients, column.to_numpy(), wrong)}; recode the column"
        )
        faults.add(text, patients[wrong][0])
    return events


def _named(patients: NDArray[np.str_], values: object, rows: NDArray[np.bool_]) -> str:
    """List the first few patients with their values."""
    where = np.flatnonzero(rows)
    shown = [f"{patients[i]} ({np.asarray(values, dtype=object)[i]})" for i in where[:_SHOWN]]
    more = f" and {where.size - _SHOWN} more" if where.size > _SHOWN else ""
    return ", ".join(shown) + more
