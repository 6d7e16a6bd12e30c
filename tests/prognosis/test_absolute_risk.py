"""Breslow's baseline against lifelines, with delayed entry against its Nelson-Aalen estimate."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines import CoxPHFitter, NelsonAalenFitter
from lifelines.datasets import load_rossi

from pathexplain.prognosis.absolute_risk import baselines, cumulative_hazard, survival_at
from pathexplain.prognosis.outcome import Outcome


def test_baseline_and_survival_equal_lifelines() -> None:
    table = load_rossi()
    fitter = CoxPHFitter().fit(table, "week", "arrest", strata=["race"])
    risk = fitter.predict_log_partial_hazard(table).loc[table.index].to_numpy()
    strata = table["race"].to_numpy(np.int64)
    outcome = Outcome(table["week"].to_numpy(float), table["arrest"].to_numpy(bool), "weeks")
    by_stratum = baselines(outcome, strata, risk)
    times = np.array([5.0, 20.0, 52.0])  # between observed times lifelines draws a line
    ours = survival_at(by_stratum, strata, risk, times)
    theirs = fitter.predict_survival_function(table, times=times).T.loc[table.index].to_numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_delayed_entry_equals_lifelines() -> None:
    rng = np.random.default_rng(3)
    entry = rng.uniform(0, 5, 200).round(1)
    time = (entry + rng.exponential(6, 200)).round(1) + 0.1
    event = rng.random(200) < 0.7
    ours = cumulative_hazard(time, event, np.zeros(200), entry=entry)
    fitter = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(time, event, entry=entry)
    theirs = fitter.cumulative_hazard_.iloc[:, 0]
    np.testing.assert_allclose(ours.hazard, theirs.loc[ours.time].to_numpy(), rtol=1e-10)


def test_no_prediction_beyond_follow_up_or_for_an_unknown_stratum() -> None:
    outcome = Outcome(np.array([1.0, 2.0]), np.array([True, True]), "months")
    base = baselines(outcome, np.zeros(2, np.int64), np.zeros(2))
    survival = survival_at(base, np.array([0, 1]), np.zeros(2), np.array([1.5, 2.5]))
    assert survival[0, 0] == pytest.approx(np.exp(-0.5))
    assert np.isnan(survival[0, 1])
    assert np.isnan(survival[1]).all()
