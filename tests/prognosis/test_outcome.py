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
