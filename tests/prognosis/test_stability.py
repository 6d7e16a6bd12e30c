"""Stability selection and its bounds: closed forms, random laws, planted and null cohorts."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.selection_bounds import (
    largest_q,
    meinshausen_buhlmann_bound,
    r_concave_tail,
    shah_samworth_bound,
)
from pathexplain.prognosis.stability import artificial_feature_control, stability_selection


def planted(
    n: int = 240, m: int = 60, *, log_hr: float = 0.7, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks of five correlated features; the first of the first two blocks matter."""
    generator = np.random.default_rng(seed)
    x = 0.6 * np.repeat(generator.normal(size=(n, m // 5)), 5, axis=1)
    x = x + 0.8 * generator.normal(size=(n, m))
    failure = generator.exponential(np.exp(-log_hr * (x[:, 0] - x[:, 5])))
    censoring = generator.exponential(2.5, n)
    return x, np.minimum(failure, censoring), failure <= censoring


@pytest.mark.parametrize("threshold", [0.6, 0.75, 0.9])
def test_bounds_are_ordered_as_their_assumptions(threshold: float) -> None:
    # Shah and Samworth (2013), theorem 2: unimodal, between the two
    if threshold <= 0.75:
        unimodal = 1 / (2 * (2 * threshold - 1 - 1 / 100)) * 50**2 / 1000
    else:
        unimodal = 4 * (1 - threshold + 1 / 100) / (1 + 1 / 50) * 50**2 / 1000
    concave = shah_samworth_bound(50, 1000, threshold, n_pairs=50)
    assert concave < unimodal < meinshausen_buhlmann_bound(50, 1000, threshold)


@pytest.mark.parametrize(("r", "size", "threshold"), [(-0.5, 20, 0.2), (-0.25, 40, 0.6)])
def test_no_r_concave_law_has_a_heavier_tail(r: float, size: int, threshold: float) -> None:
    generator = np.random.default_rng(3)
    mean, points, best = 0.05, np.arange(size + 1), 0.0
    bound = r_concave_tail(mean, threshold, size, r)
    for _ in range(20_000):
        a, b = np.exp(generator.uniform(-6, 6, 2))
        convex = a + points * b + generator.exponential(0.01) * b * points**2
        law = convex ** (1 / r)
        law[points > generator.integers(1, size + 1)] = 0.0
        law /= law.sum()
        if law @ points / size <= mean:
            best = max(best, law[points >= threshold * size - 1e-9].sum())
    assert 0.5 * bound < best <= bound * (1 + 1e-6)


def test_largest_q_is_the_largest() -> None:
    q = largest_q(300, 0.75, max_false=0.5)
    assert shah_samworth_bound(q, 300, 0.75) <= 0.5 < shah_samworth_bound(q + 1, 300, 0.75)


def test_planted_features_are_selected_and_their_neighbors_are_not() -> None:
    x, time, event = planted()
    x[::9, 0] = np.nan
    x = np.column_stack([x, np.ones(len(x))])
    found = stability_selection(x, time, event, n_pairs=20, max_false=0.5)
    assert np.flatnonzero(found.selected).tolist() == [0, 5]
    assert found.frequency[-1] == 0
    assert found.n_samples == 40
    assert found.q_mean <= found.q
    assert found.bound_ss <= 0.5
    again = stability_selection(x, time, event, n_pairs=20, max_false=0.5)
    np.testing.assert_array_equal(found.frequency, again.frequency)


def test_a_covariate_without_penalty_takes_its_feature_s_place() -> None:
    x, time, event = planted()
    found = stability_selection(
        x, time, event, covariates=x[:, [0]] + 0.05, n_pairs=15, strata=np.arange(240) % 2
    )
    assert not found.selected[0]
    assert found.selected[5]


def test_false_selections_stay_below_the_bound_under_the_null() -> None:
    n_false = []
    for seed in range(15):
        x, time, event = planted(n=120, m=40, log_hr=0.0, seed=seed)
        found = stability_selection(x, time, event, n_pairs=10, max_false=0.5, seed=seed)
        n_false.append(found.selected.sum())
    assert np.mean(n_false) <= 0.5


def test_artificial_features_are_passed_by_planted_ones_alone() -> None:
    x, time, event = planted(m=30, log_hr=0.9)
    control = artificial_feature_control(x, time, event, n_pairs=10, n_draws=2)
    assert control.exceeds[[0, 5]].all()
    assert control.exceeds.sum() <= 4
    assert control.artificial_selected.mean() <= 1  # what the bound allows
    assert (control.frequency[[0, 5]] > control.artificial_highest.max()).all()


def test_few_events_and_wrong_thresholds_are_refused() -> None:
    x, time, event = planted(n=40)
    with pytest.raises(CohortError, match="9 events are too few"):
        stability_selection(x, time, np.arange(40) < 9)
    with pytest.raises(CohortError, match="needs 0 < q <= m"):
        stability_selection(x, time, event, threshold=0.5, q=3)
