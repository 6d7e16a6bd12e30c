"""Measurement error and site signatures: planted truth, and what cannot be said."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_each, risk_order
from pathexplain.prognosis.measurement_error import regression_calibration, simex
from pathexplain.prognosis.site_predictability import site_predictability


def test_simex_and_regression_calibration_come_back_to_the_truth() -> None:
    naive, corrected, calibrated, oracle = [], [], [], []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        true = generator.normal(size=500)
        time = generator.exponential(np.exp(-0.5 * true))
        event = generator.random(500) < 0.5
        measured = np.where(np.arange(500) < 5, np.nan, true + 0.5 * generator.normal(size=500))
        found = simex(measured, time, event, icc=0.8, n_simulations=40, seed=seed)
        naive.append(found.naive.beta)
        oracle.append(fit_each(true[:, None], risk_order(time, event)).beta[0])
        corrected.append(found.corrected.beta)
        calibrated.append(regression_calibration(found.naive.beta, found.naive.se, 0.8).beta)
        assert found.corrected.se > found.naive.se
        assert list(found.beta) == sorted(found.beta, reverse=True)
    # a quadratic takes out most of the bias, not all (Cook and Stefanski 1994)
    bias = [np.mean(values) - np.mean(oracle) for values in (naive, corrected, calibrated)]
    assert bias[0] < -0.07
    assert abs(bias[1]) < 0.045
    assert abs(bias[2]) < 0.045


def test_simex_without_a_naive_fit_or_an_icc_gives_no_number() -> None:
    time = np.arange(1.0, 21)
    found = simex(-time, time, np.ones(20, bool), icc=0.9)
    assert found.status == "separated"
    assert np.isnan([found.naive.beta, found.corrected.beta]).all()
    with pytest.raises(CohortError, match="ICC of 0"):
        simex(time, time, np.ones(20, bool), icc=0)


def test_sites_are_told_by_a_shifted_feature_alone() -> None:
    generator = np.random.default_rng(0)
    site = generator.choice(["A", "B", "C", "rare"], 200, p=[0.4, 0.3, 0.29, 0.01])
    x = generator.normal(size=(200, 4))
    x[:, 0] += 1.5 * (site == "B")
    x[:, 3] = 1.0
    found = site_predictability(x, site)
    assert found.sites == ("A", "B", "C")
    assert found.warns.tolist() == [True, False, False, False]
    assert found.auc[0] > 0.7 > found.auc[1]
    assert np.isnan([found.auc[3], found.p[3]]).all()
    with pytest.raises(CohortError, match="1 sites have at least 5"):
        site_predictability(x, np.repeat("A", 200))
