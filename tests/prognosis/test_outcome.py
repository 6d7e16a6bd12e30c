"""Outcome columns: what is kept, who is lost, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.outcome import Outcome, read_outcome, time_unit

PATIENTS = np.array([f"P{i}" for i in range(8)])


def read(
    time: list[object], event: list[object]
) -> tuple[Outcome, list[int], dict[str, list[int]]]:
    outcome, kept, lost = read_outcome(
        pd.Series(time, name="os_days"), pd.Series(event, name="dead"), patients=PATIENTS
    )
    return outcome, kept.tolist(), {reason: rows.tolist() for reason, rows in lost.items()}


def test_missing_outcomes_are_lost_once_with_a_reason() -> None:
    time = [1, 2, None, 4, 5, None, 7, 8]
    outcome, kept, lost = read(time, [1, 1, 1, None, 1, None, 1, 1])
    assert kept == [0, 1, 4, 6, 7]
    assert lost == {"os_days is missing": [2, 5], "dead is missing": [3]}
    assert outcome.unit == "days"


@pytest.mark.parametrize(
    "event",
    [
        [True] * 5 + [False] * 3,
        [1.0] * 5 + [0.0] * 3,
        ["1"] * 5 + ["0"] * 3,
        ["True"] * 5 + ["false"] * 3,
    ],
)
def test_events_are_read_however_written(event: list[object]) -> None:
    assert read(list(range(1, 9)), event)[0].event.tolist() == [True] * 5 + [False] * 3


def test_all_events_is_fine() -> None:
    assert read(list(range(1, 9)), [1] * 8)[0].events == 8


@pytest.mark.parametrize("bad", [0, -3, np.inf])
def test_impossible_times_are_named(bad: float) -> None:
    with pytest.raises(CohortError, match=r"os_days: 1 of 8 times .*P2") as caught:
        read([1, 2, bad, 4, 5, 6, 7, 8], [1] * 8)
    assert caught.value.patient == "P2"


def test_text_times_are_named() -> None:
    with pytest.raises(CohortError, match=r"os_days: not a number: P1 \(two\)"):
        read([1, "two", 3, 4, 5, 6, 7, 8], [1] * 8)


@pytest.mark.parametrize("bad", [2, -1, "yes", 0.5])
def test_events_that_are_not_0_or_1_are_named(bad: object) -> None:
    with pytest.raises(CohortError, match=r"column dead: an event is 1 .* not P7"):
        read(list(range(1, 9)), [1, 1, 1, 1, 1, 1, 0, bad])


@pytest.mark.parametrize("n_events", [0, 4])
def test_too_few_events_are_refused(n_events: int) -> None:
    with pytest.raises(CohortError, match=f"column dead: {n_events} events among 8 patients"):
        read(list(range(1, 9)), [1] * n_events + [0] * (8 - n_events))


def test_outcome_refuses_what_is_unusable() -> None:
    with pytest.raises(CohortError, match="alike"):
        Outcome(np.ones(2), np.ones(3, dtype=bool), "days")
    with pytest.raises(CohortError, match="finite and > 0"):
        Outcome(np.zeros(2), np.ones(2, dtype=bool), "days")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("time_months", "months"),
        ("OS.years", "years"),
        ("pfs_day", "days"),
        ("PFI.time", "unknown"),
    ],
)
def test_unit_is_read_from_the_name(name: str, unit: str) -> None:
    assert time_unit(name) == unit


def test_all_faulty_columns_and_patients_are_named_at_once() -> None:
    time = pd.Series([1, -2, 3, 4, 5, 6, 7, "x"], name="os_days")
    event = pd.Series([1, 1, 1, 1, 1, 7, 1, 1], name="dead")
    entry = pd.Series([0, 0, 5, 0, 0, 0, 0, 0], name="enrolled")
    with pytest.raises(CohortError) as caught:
        read_outcome(time, event, patients=PATIENTS, entry=entry)
    for part in (
        "column os_days: not a number: P7 (x)",
        "column os_days: 1 of 8 times are not a finite number > 0: P1 (-2.0)",
        "column dead: an event is 1 (seen) or 0 (censored), not P5 (7)",
        "column enrolled: entry must lie between 0 and the end of follow-up, not P2 (5.0)",
    ):
        assert part in str(caught.value)
    assert caught.value.patient == "P7"


def test_competing_events_by_code_and_by_column_agree() -> None:
    time = pd.Series([1, 2, 3, 4, 5, 6, 7, 8.0], name="t_days")
    coded = pd.Series([1, 1, 1, 1, 1, 2, 2, 0], name="status")
    by_code, _, _ = read_outcome(time, coded, patients=PATIENTS, competing=2)
    event, other = (coded == 1).astype(int), (coded == 2).astype(int).rename("other")
    by_column, _, _ = read_outcome(time, event, patients=PATIENTS, competing=other)
    for outcome in (by_code, by_column):
        assert outcome.events == 5
        assert outcome.competing is not None
        assert outcome.competing.tolist() == [False] * 5 + [True, True, False]
    with pytest.raises(CohortError, match=r"or 2 \(competing\), not P5 \(3\)"):
        read_outcome(time, coded.replace({2: 3}), patients=PATIENTS, competing=2)
    with pytest.raises(CohortError, match=r"columns status and other: 1 patients have both.*P0"):
        read_outcome(time, event, patients=PATIENTS, competing=other.where(other.index != 0, 1))


def test_missing_entry_and_competing_are_lost_with_their_reason() -> None:
    time = pd.Series(range(1, 9), name="t_days", dtype=float)
    event = pd.Series([1] * 8, name="dead")
    entry = pd.Series([None, *[0.0] * 7], name="enrolled")
    outcome, kept, lost = read_outcome(time, event, patients=PATIENTS, entry=entry)
    assert kept.tolist() == list(range(1, 8))
    assert {key: rows.tolist() for key, rows in lost.items()} == {"enrolled is missing": [0]}
    assert outcome.entry is not None
    assert outcome.take(np.array([2])).entry.tolist() == [0.0]
