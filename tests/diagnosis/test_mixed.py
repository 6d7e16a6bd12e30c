"""Mixed models against the t-test of patient means, their exact equal in balanced tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import kstest, ttest_ind

from pathexplain.diagnosis.inputs import Columns, read_inputs
from pathexplain.diagnosis.mixed import mixed_tests, normal_scores


def inputs_of(values, dx, who, **columns):
    obs = pd.DataFrame({"dx": dx, "who": who, **columns})
    obs.index = [f"r{i:03}" for i in range(len(values))]
    var = pd.DataFrame(index=[f"f{i}" for i in range(values.shape[1])])
    parts = {"groups": "who", **{name: name for name in columns if name == "site"}}
    order = ("G1", "G2", "G3") if "G3" in set(dx) else ()
    return read_inputs(
        AnnData(values, obs=obs, var=var), Columns("dx", order=order, **parts), n_splits=3
    )


def slides(n_patients, n_slides, *, within=0.5, p=1, seed=0):
    rng = np.random.default_rng(seed)
    own = np.repeat(rng.normal(size=(n_patients, p)), n_slides, axis=0)
    values = own + within * rng.normal(size=own.shape)
    return values, np.repeat([f"q{i:03}" for i in range(n_patients)], n_slides)


def test_balanced_slides_equal_the_t_test_of_patient_means():
    values, who = slides(24, 4)
    dx = np.where(np.char.replace(who, "q", "").astype(int) % 2, "yes", "no")
    (test,) = mixed_tests(inputs_of(values, dx, who))
    means = normal_scores(values[:, 0]).reshape(24, 4).mean(axis=1)
    yes, no = means[1::2], means[::2]
    exact = ttest_ind(yes, no)
    assert test.p_value == pytest.approx(exact.pvalue, rel=1e-3)
    assert test.effect.value == pytest.approx(yes.mean() - no.mean(), rel=1e-3)
    low, high = exact.confidence_interval()
    assert (test.effect.low, test.effect.high) == pytest.approx((low, high), rel=1e-3)
    assert (test.n, test.n_groups) == (96, 24)
    assert 0.5 < test.variance_share < 0.95


def test_slides_taken_as_independent_find_too_much_and_the_mixed_model_does_not():
    """Noise that patients share: 60 features, 20 patients of 6 slides."""
    values, who = slides(20, 6, within=0.4, p=60, seed=2)
    dx = np.where(np.char.replace(who, "q", "").astype(int) % 2, "yes", "no")
    mixed = np.array([test.p_value for test in mixed_tests(inputs_of(values, dx, who))])
    naive = ttest_ind(values[dx == "yes"], values[dx == "no"]).pvalue
    assert (naive < 0.05).mean() > 0.3
    assert (mixed < 0.05).mean() < 0.15
    assert kstest(mixed, "uniform").pvalue > 0.01


def test_a_site_that_shifts_a_feature_is_taken_out():
    rng = np.random.default_rng(5)
    site = np.repeat([f"s{i}" for i in range(10)], 12)
    share = np.repeat(np.linspace(0.2, 0.8, 10), 12)
    dx = np.where(rng.random(120) < share, "yes", "no")
    shift = 3 * np.repeat(np.linspace(0, 1, 10), 12)
    values = np.column_stack([shift, shift + (dx == "yes")]) + 0.7 * rng.normal(size=(120, 2))
    who = np.array([f"q{i}" for i in range(120)])
    inputs = inputs_of(values, dx, who, site=site)
    only_site, real = mixed_tests(inputs)
    naive = ttest_ind(values[dx == "yes", 0], values[dx == "no", 0]).pvalue
    assert naive < 0.01
    assert only_site.p_value > 0.05
    assert real.q_value < 0.01
    assert only_site.n_groups == 10


def test_ordered_classes_have_one_slope():
    values, who = slides(30, 2)
    dx = np.array(["G1", "G2", "G3"])[np.char.replace(who, "q", "").astype(int) % 3]
    values = values + np.array([{"G1": 0, "G2": 1, "G3": 2}[one] for one in dx])[:, None]
    (test,) = mixed_tests(inputs_of(values, dx, who))
    assert test.effect.low > 0
    assert test.p_value < 0.01


def test_what_cannot_be_fitted_says_why_and_is_not_counted():
    values, who = slides(12, 2, p=3)
    dx = np.where(np.char.replace(who, "q", "").astype(int) % 2, "yes", "no")
    values[:, 1] = 4.0
    values[6:, 2] = np.nan
    good, constant, few = mixed_tests(inputs_of(values, dx, who))
    assert (good.n_tests, good.reason) == (1, "")
    assert constant.reason == "constant"
    assert few.reason == "only 3 groups with known values"
    assert np.isnan(few.p_value)
    assert np.isnan(few.q_value)


def test_sites_that_do_not_differ_have_no_variance_and_no_warning():
    rng = np.random.default_rng(7)
    values = rng.normal(size=(60, 1))
    site = np.array([f"s{i % 6}" for i in range(60)])
    dx = np.where(rng.random(60) < 0.5, "yes", "no")
    who = np.array([f"q{i}" for i in range(60)])
    values -= np.array([values[site == one].mean() for one in site])[:, None]
    (test,) = mixed_tests(inputs_of(values, dx, who, site=site))
    assert test.variance_share == pytest.approx(0.0, abs=1e-3)
    exact = ttest_ind(*(normal_scores(values[:, 0])[dx == one] for one in ("yes", "no")))
    assert test.p_value == pytest.approx(exact.pvalue, rel=0.05)


def test_one_row_a_patient_and_no_site_needs_no_mixed_model():
    values, who = slides(20, 1)
    dx = np.where(np.arange(20) % 2, "yes", "no")
    assert mixed_tests(inputs_of(values, dx, who)) == ()
