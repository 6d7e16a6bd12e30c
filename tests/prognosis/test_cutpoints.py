"""Cut-points: the log-rank test of lifelines, a published approximation, chance, planted cuts."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines.statistics import logrank_test
from scipy import stats

from pathexplain.errors import CohortError
from pathexplain.prognosis.cut_validation import cross_validated_cut
from pathexplain.prognosis.cutpoints import (
    assess_cut_point,
    lausen_schumacher_p,
    search_cut_point,
)


def null(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=n), generator.exponential(size=n), generator.random(n) < 0.7


def test_a_given_cut_is_the_log_rank_test() -> None:
    x, time, event = null(100, 0)
    test = assess_cut_point(x, time, event, 0.2)
    high = x > 0.2
    other = logrank_test(time[high], time[~high], event[high], event[~high])
    np.testing.assert_allclose(test.p, other.p_value, rtol=1e-8)
    assert (test.n_low, test.n_high) == ((~high).sum(), high.sum())
    assert (test.events_low, test.events_high) == (event[~high].sum(), event[high].sum())
    assert test.low < test.hr < test.high


def test_a_cut_beyond_which_nobody_fails_keeps_its_log_rank_p() -> None:
    time, x = np.arange(1.0, 41), np.repeat([0.0, 1.0], 20)
    event = time <= 15
    test = assess_cut_point(x, time, event, 0.5)
    other = logrank_test(time[x > 0], time[x == 0], event[x > 0], event[x == 0])
    assert test.status == "separated"
    assert np.isnan([test.hr, test.low, test.high]).all()
    np.testing.assert_allclose(test.p, other.p_value, rtol=1e-8)


def test_the_search_is_the_maximum_over_all_cuts() -> None:
    x, time, event = null(90, 1)
    found = search_cut_point(x, time, event, n_permutations=50)
    # standardized sums of log-rank scores, by their definition
    risk = np.array([((time >= t) & (time > 0)).sum() for t in time])
    hazard = np.array(
        [sum(1 / risk[j] for j in range(90) if event[j] and time[j] <= t) for t in time]
    )
    scores = event - hazard
    best = 0.0
    for cut in np.sort(x)[8:81]:
        low = x <= cut
        m = low.sum()
        spread = np.sqrt(m * (90 - m) / 90 * scores.var(ddof=1))
        best = max(best, abs(scores[low].sum()) / spread)
    np.testing.assert_allclose(found.statistic, best, rtol=1e-9)
    assert found.n_candidates == 73
    assert min(found.naive.n_low, found.naive.n_high) >= 9


@pytest.mark.parametrize("p", [0.001, 0.005, 0.01])
def test_the_correction_equals_the_published_approximation(p: float) -> None:
    # Altman, Lausen, Sauerbrei and Schumacher (1994): -1.63 p (1 + 2.35 log p) for 10 % to 90 %,
    # -3.13 p (1 + 1.65 log p) for 5 % to 95 %
    statistic = stats.norm.isf(p / 2)
    ten = lausen_schumacher_p(statistic, 0.1, 0.9)
    five = lausen_schumacher_p(statistic, 0.05, 0.95)
    np.testing.assert_allclose(ten, -1.63 * p * (1 + 2.35 * np.log(p)), rtol=0.05)
    np.testing.assert_allclose(five, -3.13 * p * (1 + 1.65 * np.log(p)), rtol=0.05)


def test_corrected_p_is_uniform_and_naive_p_is_not() -> None:
    naive, exact, asymptotic = [], [], []
    for seed in range(200):
        found = search_cut_point(*null(80, seed), n_permutations=99, seed=seed)
        naive.append(found.naive.p)
        exact.append(found.p_permutation)
        asymptotic.append(found.p_lausen_schumacher)
    assert stats.kstest(exact, "uniform").pvalue > 0.01
    assert stats.kstest(naive, "uniform").pvalue < 1e-10
    assert np.mean(np.array(naive) <= 0.05) > 0.25
    margin = 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(exact) <= 0.05) <= 0.05 + margin
    assert np.mean(np.array(asymptotic) <= 0.05) <= 0.05 + margin


def test_a_planted_cut_is_found_in_and_out_of_sample() -> None:
    generator = np.random.default_rng(3)
    x = generator.uniform(0, 10, 300)
    x[:10] = np.nan
    time, event = generator.exponential(np.where(x > 7, 0.3, 1.0)), np.ones(300, bool)
    strata = np.arange(300) % 2
    found = search_cut_point(x, time, event, strata=strata, n_permutations=199)
    assert abs(found.cut - 7) < 0.6
    assert found.p_permutation == 1 / 200
    split = cross_validated_cut(x, time, event, strata=strata, n_permutations=39)
    assert (split.above[:10] == -1).all()
    assert split.p_permutation == 1 / 40
    assert split.test.hr > 2
    assert np.abs(np.array(split.cuts) - 7).max() < 1


def test_cross_validation_is_honest_under_the_null() -> None:
    p = [
        cross_validated_cut(*null(60, s), n_permutations=19, seed=s).p_permutation
        for s in range(25)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 25)


def test_what_has_no_cut_is_refused() -> None:
    x, time, event = null(50, 0)
    with pytest.raises(CohortError, match="no cut leaves 10%"):
        search_cut_point(np.where(np.arange(50) < 2, 1.0, 0.0), time, event)
    with pytest.raises(CohortError, match="no event"):
        search_cut_point(x, time, np.zeros(50, bool))
    with pytest.raises(CohortError, match="min_share is 0"):
        search_cut_point(x, time, event, min_share=0)
    with pytest.raises(CohortError, match="0 of 50 patients are above"):
        assess_cut_point(x, time, event, 99.0)
