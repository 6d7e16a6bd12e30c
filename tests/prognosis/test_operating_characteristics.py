"""Error rates of the discovery procedure on small simulated cohorts; `benchmarks` has the full."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.discovery import discover
from pathexplain.prognosis.operating_characteristics import (
    Design,
    draw_cohort,
    simulate_cut_points,
    simulate_discovery,
    simulate_sites,
)

NULL = Design(n=100, events=60, m=50)


def margin(share: float, n: int) -> float:
    """Three Monte-Carlo standard errors."""
    return 3 * float(np.sqrt(share * (1 - share) / n))


def test_cohorts_are_drawn_as_designed() -> None:
    design = Design(n=4000, events=2000, m=20, correlation=0.6, n_planted=2, hr=2.0)
    x, time, event = draw_cohort(design, np.random.default_rng(0))
    r = np.corrcoef(x.T)
    np.testing.assert_allclose(r[0, 1:10], 0.6, atol=0.05)
    np.testing.assert_allclose(r[0, 10:], 0.0, atol=0.06)
    assert event.sum() == 2000
    assert design.planted.tolist() == [0, 10]
    assert time.max() == time[event].max()


def test_null_cohorts_report_nothing_more_often_than_the_level() -> None:
    rates = simulate_discovery(NULL, n_cohorts=120, n_permutations=99, n_pairs=10)
    assert rates.family_wise_error_max_t <= 0.05 + margin(0.05, 120)
    assert rates.family_wise_error <= rates.family_wise_error_max_t
    assert rates.p_uniform > 0.01
    assert abs(rates.screen_share_below_level - 0.05) <= margin(0.05, 120)
    assert np.isnan(rates.power)


def test_a_planted_feature_is_reported_and_its_neighbors_are_not() -> None:
    design = Design(n=300, events=180, m=100, n_planted=1, hr=1.7)
    rates = simulate_discovery(design, n_cohorts=10, n_permutations=199, n_pairs=12)
    assert rates.power >= 0.8
    assert rates.false_discovery_rate <= 0.1
    assert rates.false_discovery_rate_max_t > 0.3  # what a marginal test alone would report


def test_cut_points_are_honest_after_correction_alone() -> None:
    errors = simulate_cut_points(70, n_cohorts=120, n_permutations=99)
    assert errors.permutation <= 0.05 + margin(0.05, 120)
    assert errors.p_uniform_permutation > 0.01
    assert errors.naive > 0.2
    assert errors.p_uniform_naive < 1e-6


def test_site_confounded_features_are_warned_about_and_go_with_strata() -> None:
    warnings = simulate_sites(
        Design(n=200, events=140, m=20), n_cohorts=5, n_permutations=99, n_pairs=8
    )
    assert warnings.reported > 0.5
    assert warnings.warned == 1
    assert warnings.reported_stratified <= 0.25
    assert warnings.warned_unconfounded <= 0.25


def test_nothing_to_select_skips_stability_and_impossible_designs_are_refused() -> None:
    x, time, event = draw_cohort(NULL, np.random.default_rng(3))
    found = discover(x, time, event, n_permutations=19, alpha=0.01)
    assert found.stability is None
    assert not found.reported.any()
    with pytest.raises(CohortError, match="blocks that fill m"):
        Design(m=15)
    with pytest.raises(CohortError, match="before all are censored"):
        draw_cohort(Design(n=100, events=99, m=10), np.random.default_rng(0))
