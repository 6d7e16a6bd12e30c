"""Kaplan-Meier curves against lifelines and against a hand-made panel."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_rossi
from lifelines.statistics import logrank_test
from lifelines.utils import concordance_index as lifelines_concordance

from pathexplain.prognosis.concordance import concordance_index, concordant_pairs
from pathexplain.prognosis.km import (
    kaplan_meier_curve,
    kaplan_meier_panel,
    median_split,
    median_time,
)
from pathexplain.prognosis.outcome import Outcome


def random_outcome(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return np.ceil(generator.exponential(10, n)), generator.random(n) < 0.6


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_curve_and_interval_equal_lifelines(seed: int) -> None:
    time, event = random_outcome(seed)
    curve = kaplan_meier_curve(time, event)
    other = KaplanMeierFitter().fit(time, event)
    np.testing.assert_allclose(curve.survival, other.survival_function_.iloc[:, 0], rtol=1e-12)
    limits = other.confidence_interval_.to_numpy()
    inside = (curve.survival > 0) & (curve.survival < 1)
    np.testing.assert_allclose(curve.low[inside], limits[inside, 0], rtol=1e-9)
    np.testing.assert_allclose(curve.high[inside], limits[inside, 1], rtol=1e-9)
    assert median_time(curve).value == other.median_survival_time_


def test_median_that_is_not_reached_is_nan() -> None:
    rossi = load_rossi()
    curve = kaplan_meier_curve(rossi["week"].to_numpy(float), rossi["arrest"].to_numpy(bool))
    assert np.isnan(median_time(curve).value)


def test_panel_counts_patients_at_risk_and_tests_the_groups() -> None:
    time = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
    event = np.array([1, 0, 1, 1, 0, 1, 1, 0], dtype=bool)
    groups = np.array([0, 0, 0, 1, 1, 1, 1, -1])
    panel = kaplan_meier_panel(
        Outcome(time, event, "months"), groups, labels=("a", "b", "none"), title="t", caption="c"
    )
    assert panel.ticks == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
    assert [group.label for group in panel.groups] == ["a", "b"]
    assert panel.groups[0].at_risk == (3, 3, 2, 1, 0, 0, 0, 0, 0)
    assert panel.groups[0].censored_at == (2.0,)
    assert panel.p_log_rank is not None
    expected = logrank_test(time[:3], time[3:7], event[:3], event[3:7]).p_value
    np.testing.assert_allclose(panel.p_log_rank.value, expected, rtol=1e-9)
    assert (panel.p_log_rank.n, panel.p_log_rank.events) == (7, 5)


@pytest.mark.parametrize("longest", [0.013, 0.9, 1.0, 7.3, 125.0, 6000.0])
def test_ticks_are_few_and_inside(longest: float) -> None:
    time = np.linspace(longest / 10, longest, 10)
    panel = kaplan_meier_panel(
        Outcome(time, np.ones(10, dtype=bool), "days"),
        np.zeros(10, dtype=np.int64),
        labels=("all",),
        title="",
        caption="",
    )
    assert 4 <= len(panel.ticks) <= 9
    assert panel.ticks[0] == 0
    assert panel.ticks[-1] <= longest
    assert panel.p_log_rank is None


def test_median_split_keeps_missing_apart() -> None:
    assert median_split(np.array([1.0, 2, np.nan, 3, 4])).tolist() == [0, 0, -1, 1, 1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_concordance_equals_lifelines(seed: int) -> None:
    time, event = random_outcome(seed)
    risk = np.round(np.random.default_rng(seed + 9).normal(size=time.size), 1)
    expected = lifelines_concordance(time, -risk, event)
    np.testing.assert_allclose(concordance_index(time, event, risk), expected, rtol=1e-12)


def test_weights_count_patients_and_groups_keep_pairs_inside() -> None:
    time, event = random_outcome(4, n=40)
    risk = np.random.default_rng(1).normal(size=40)
    weight = np.random.default_rng(2).integers(0, 3, 40)
    rows = np.repeat(np.arange(40), weight)
    weighted = concordant_pairs(time, event, risk, weight=weight.astype(float))
    # repeated rows never compare with themselves: equal times, equal events
    repeated = concordant_pairs(time[rows], event[rows], risk[rows])
    np.testing.assert_allclose(weighted, repeated)
    group = np.arange(40) % 2
    halves = [
        concordant_pairs(time[group == k], event[group == k], risk[group == k]) for k in (0, 1)
    ]
    np.testing.assert_allclose(
        concordant_pairs(time, event, risk, group=group), np.sum(halves, axis=0)
    )


def test_no_pairs_is_nan() -> None:
    nothing = concordance_index(np.ones(3), np.zeros(3, dtype=bool), np.arange(3.0))
    assert np.isnan(nothing)


def test_delayed_entry_equals_lifelines() -> None:
    rng = np.random.default_rng(8)
    entry = rng.uniform(0, 4, 150).round(1)
    entry[:40] = 0.0
    time = (entry + rng.exponential(8, 150)).round(1) + 0.1
    event = rng.random(150) < 0.6
    curve = kaplan_meier_curve(time, event, entry=entry)
    fitter = KaplanMeierFitter().fit(time, event, entry=entry)
    theirs = fitter.survival_function_.iloc[:, 0]
    np.testing.assert_allclose(curve.survival[1:], theirs.loc[curve.time[1:]], rtol=1e-10)


def test_a_late_patient_is_compared_with_later_events_only() -> None:
    time, event = np.array([1.0, 3.0, 5.0]), np.array([True, True, False])
    entry = np.array([0.0, 0.0, 2.0])  # the third was not observed at the first event
    risk = np.array([3.0, 1.0, 2.0])
    # pairs: (1, 2) concordant, (2, 3) discordant; (1, 3) is no pair
    assert concordant_pairs(time, event, risk, entry=entry) == (1.0, 2.0)
    assert concordance_index(time, event, risk) == pytest.approx(2 / 3)
