"""ICC(2,1): a published table, an independent implementation, and laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from pathexplain.robustness import icc_2_1

JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Shrout and Fleiss 1979, table 2: six targets, four judges."""


def by_anova(values):
    """Mean squares from a two-way analysis of variance that statsmodels fits."""
    n, k = values.shape
    frame = pd.DataFrame(
        {
            "y": values.ravel(),
            "subject": np.repeat(np.arange(n), k),
            "judge": np.tile(np.arange(k), n),
        }
    )
    table = anova_lm(smf.ols("y ~ C(subject) + C(judge)", frame).fit())
    msr, msc, mse = table["mean_sq"]
    return (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)


def test_the_published_table():
    found = icc_2_1(JUDGES)
    assert found.icc == pytest.approx(0.29, abs=0.005)
    assert (found.low, found.high) == pytest.approx((0.019, 0.761), abs=0.002)
    assert (found.n_subjects, found.n_conditions, found.reason) == (6, 4, "")


@pytest.mark.parametrize("seed", range(4))
def test_the_mean_squares_are_those_of_an_analysis_of_variance(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(4, 12)), int(rng.integers(2, 6))
    values = rng.normal(size=(n, 1)) * 2 + rng.normal(size=k) + rng.normal(size=(n, k)) + 50
    assert icc_2_1(values).icc == pytest.approx(by_anova(values))


def test_scale_and_origin_do_not_matter():
    found = icc_2_1(JUDGES)
    for changed in (JUDGES * 1e-7, JUDGES * 1e6 + 3e6, -JUDGES):
        other = icc_2_1(changed)
        assert (other.icc, other.low, other.high) == pytest.approx(
            (found.icc, found.low, found.high), rel=1e-6
        )


def test_perfect_agreement_constant_values_and_too_few():
    same = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    assert (icc_2_1(same).icc, icc_2_1(same).low) == (1.0, 1.0)
    nothing = icc_2_1(np.full((6, 3), 0.1))
    assert np.isnan(nothing.icc)
    assert nothing.reason == "all values are equal"
    assert icc_2_1(np.eye(2)).reason == "n = 2 complete, needs 3"
    assert icc_2_1(np.zeros((5, 1))).reason == "1 conditions"


def test_incomplete_subjects_are_left_out_and_counted():
    values = np.vstack([JUDGES, [[np.nan, 1, 2, 3]]])
    assert icc_2_1(values) == icc_2_1(JUDGES)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truth = 1 / (1 + 0.25 + 0.25)
    inside = 0
    for _ in range(400):
        values = rng.normal(size=(20, 1)) + 0.5 * rng.normal(size=(1, 6))
        found = icc_2_1(values + 0.5 * rng.normal(size=(20, 6)))
        inside += found.low <= truth <= found.high
    assert 0.9 <= inside / 400 <= 0.985
