"""Univariate tests against scipy, statsmodels and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kruskal, mannwhitneyu
from statsmodels.stats.multitest import multipletests

from pathexplain.diagnosis.univariate import cliffs_delta, compare_classes


def run(values, codes):
    names = [f"f{i}" for i in range(values.shape[1])]
    return compare_classes(values, codes, features=names, units=[""] * len(names))


def test_two_classes_equal_scipy_and_statsmodels():
    rng = np.random.default_rng(2)
    codes = np.repeat([0, 1], [30, 25])
    values = rng.normal(size=(55, 6)) + codes[:, None] * np.linspace(0, 1, 6)
    tests = run(values, codes)
    p = [mannwhitneyu(values[codes == 1, i], values[codes == 0, i]).pvalue for i in range(6)]
    np.testing.assert_allclose([t.p_value for t in tests], p)
    np.testing.assert_allclose([t.q_value for t in tests], multipletests(p, method="fdr_bh")[1])
    np.testing.assert_allclose(
        [t.effect.value for t in tests], [2 * t.statistic / (30 * 25) - 1 for t in tests]
    )
    assert {t.n_tests for t in tests} == {6}


def test_three_classes_equal_scipy():
    rng = np.random.default_rng(3)
    codes = np.repeat([0, 1, 2], 12)
    values = rng.normal(size=(36, 2)) + codes[:, None] * np.array([1.0, 0.0])
    first, _ = run(values, codes)
    h, p = kruskal(*(values[codes == k, 0] for k in range(3)))
    assert first.p_value == pytest.approx(p)
    assert first.effect.value == pytest.approx(h / 35)
    assert first.effect.low < first.effect.value < first.effect.high


def test_gaps_constant_and_empty_features_are_said_and_not_counted():
    values = np.array([[1.0, 5.0, np.nan], [2.0, 5.0, np.nan], [3.0, 5.0, 1.0], [np.nan, 5.0, 2.0]])
    tests = run(np.vstack([values, values + 10 * np.array([1.0, 0.0, 1.0])]), np.repeat([0, 1], 4))
    assert [t.n for t in tests] == [6, 8, 4]
    assert [t.reason for t in tests] == ["", "constant", ""]
    assert np.isnan(tests[1].p_value)
    assert np.isnan(tests[1].q_value)
    assert tests[0].n_tests == 2
    (lonely,) = run(np.array([[1.0], [np.nan], [2.0], [3.0]]), np.array([0, 0, 1, 1]))
    assert lonely.reason == "only 1 known values in a class"


def test_delta_of_separated_groups_has_a_finite_bound():
    delta = cliffs_delta(np.arange(10.0), np.arange(10.0) + 100)
    assert (delta.value, delta.high) == (1.0, 1.0)
    assert delta.low == pytest.approx((10 - 1.95996**2) / (10 + 1.95996**2), abs=1e-4)
    mirrored = cliffs_delta(np.arange(10.0) + 100, np.arange(10.0))
    assert mirrored.high == -delta.low


def test_delta_interval_covers_the_truth():
    """Normal shift of 0.6 has P(X < Y) = Phi(0.6 / sqrt 2), so delta = 0.3286."""
    rng = np.random.default_rng(7)
    truth = 0.32863
    n_covered = 0
    for _ in range(400):
        delta = cliffs_delta(rng.normal(size=20), rng.normal(0.6, size=25))
        n_covered += delta.low <= truth <= delta.high
    assert 0.92 <= n_covered / 400 <= 0.985
