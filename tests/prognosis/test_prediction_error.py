"""Uno, AUC over time, Brier, calibration, decision curve: scikit-survival and formulas."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.calibration import (
    brier_score,
    calibration_curve,
    calibration_slope,
    integrated_brier_score,
)
from pathexplain.prognosis.censoring import censoring_distribution
from pathexplain.prognosis.decision_curve import decision_curve
from pathexplain.prognosis.discrimination import mean_auc, time_dependent_auc, uno_c
from pathexplain.prognosis.km import kaplan_meier_curve


def simulated(n: int = 200, *, seed: int = 0, levels: float = 8) -> tuple[np.ndarray, ...]:
    """Rounded times (ties), events, and a score that carries the hazard."""
    generator = np.random.default_rng(seed)
    score = generator.normal(size=n).round(1)
    failure = generator.exponential(np.exp(-0.8 * score))
    censoring = generator.uniform(0.2, 3.5, n)
    time = np.ceil(levels * np.minimum(failure, censoring)) / levels
    return time, failure <= censoring, score


def outcome(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    return pytest.importorskip("sksurv.util").Surv.from_arrays(event, time)


@pytest.mark.parametrize("tau", [None, 1.5])
def test_uno_c_equals_scikit_survival(tau: float | None) -> None:
    metrics = pytest.importorskip("sksurv.metrics")
    time, event, score = simulated(levels=1e6)
    train = simulated(300, seed=1, levels=1e6)
    if tau is None:  # theirs refuses test times beyond the training follow-up
        train = (np.append(train[0], 5.0), np.append(train[1], False), np.append(train[2], 0))
    theirs = metrics.concordance_index_ipcw(
        outcome(*train[:2]), outcome(time, event), score, tau=tau
    )
    ours = uno_c(censoring_distribution(*train[:2]), time, event, score, tau=tau)
    np.testing.assert_allclose(ours, theirs[0], rtol=1e-6)


def test_auc_over_time_equals_scikit_survival() -> None:
    metrics = pytest.importorskip("sksurv.metrics")
    time, event, score = simulated(levels=1e6)
    train = simulated(300, seed=1, levels=1e6)
    times = np.array([0.3, 0.7, 1.2, 2.0])
    theirs, average = metrics.cumulative_dynamic_auc(
        outcome(*train[:2]), outcome(time, event), score, times
    )
    ours = time_dependent_auc(censoring_distribution(*train[:2]), time, event, score, times)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    curve = kaplan_meier_curve(time, event)
    survival = curve.survival[np.searchsorted(curve.time, times, side="right") - 1]
    np.testing.assert_allclose(mean_auc(ours, times, survival), average, rtol=1e-6)


def test_brier_score_equals_scikit_survival() -> None:
    metrics = pytest.importorskip("sksurv.metrics")
    time, event, score = simulated(levels=1e6)
    train = simulated(300, seed=1, levels=1e6)
    times = np.linspace(0.3, 2.0, 7)
    survival = np.exp(-np.outer(np.exp(0.8 * score), times))
    sets = (outcome(*train[:2]), outcome(time, event))
    theirs = metrics.brier_score(*sets, survival, times)[1]
    ours = brier_score(censoring_distribution(*train[:2]), time, event, survival, times)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    integrated = integrated_brier_score(ours, times)
    np.testing.assert_allclose(
        integrated, metrics.integrated_brier_score(*sets, survival, times), rtol=1e-6
    )


def test_weights_are_copies_of_patients() -> None:
    time, event, score = simulated(80)
    weight = np.random.default_rng(2).integers(0, 3, 80)
    rows = np.repeat(np.arange(80), weight)
    given = censoring_distribution(*simulated(300, seed=1)[:2])
    times = np.array([0.5, 1.0])
    survival = np.exp(-np.outer(np.exp(score), times))
    for measure, arguments in ((uno_c, ()), (time_dependent_auc, (times,))):
        weighted = measure(given, time, event, score, *arguments, weights=weight)
        copied = measure(given, time[rows], event[rows], score[rows], *arguments)
        np.testing.assert_allclose(weighted, copied)
    np.testing.assert_allclose(
        brier_score(given, time, event, survival, times, weights=weight),
        brier_score(given, time[rows], event[rows], survival[rows], times),
    )


def test_censoring_counts_events_first_at_equal_times() -> None:
    # of three at risk at time 1 one fails, then one of the other two is censored
    given = censoring_distribution(np.array([1.0, 1, 2]), np.array([True, False, True]))
    assert given.after(np.array([0.5, 1.0])).tolist() == [1.0, 0.5]
    assert given.before(np.array([1.0])).tolist() == [1.0]


def test_the_true_model_is_calibrated_and_an_overstated_one_is_not() -> None:
    time, event, score = simulated(4000, levels=1e6)
    slope, se = calibration_slope(time, event, 0.8 * score)
    assert abs(slope - 1) < 3 * se < 0.2
    np.testing.assert_allclose(calibration_slope(time, event, 1.6 * score)[0], slope / 2)
    risk = 1 - np.exp(-np.exp(0.8 * score))
    points = calibration_curve(time, event, risk, horizon=1.0, n_groups=5)
    assert sum(point.n for point in points) == 4000
    assert all(point.low - 0.02 < point.predicted < point.high + 0.02 for point in points)
    unreached = calibration_curve(time, event, risk, horizon=100.0)
    assert np.isnan([point.observed for point in unreached]).all()


def test_decision_curve_without_censoring_is_the_binary_formula() -> None:
    generator = np.random.default_rng(0)
    time, event = generator.exponential(size=300), np.ones(300, bool)
    risk = np.clip(0.5 * (time < 1) + 0.5 * generator.random(300), 0.01, 0.99)
    thresholds = np.array([0.1, 0.4, 0.7])
    curve = decision_curve(time, event, risk, horizon=1.0, thresholds=thresholds)
    for k, t in enumerate(thresholds):
        true = ((risk >= t) & (time <= 1)).mean()
        false = ((risk >= t) & (time > 1)).mean()
        np.testing.assert_allclose(curve.model[k], true - false * t / (1 - t))
        share = (time <= 1).mean()
        np.testing.assert_allclose(curve.all[k], share - (1 - share) * t / (1 - t))


def test_what_cannot_be_judged_is_refused() -> None:
    time, event, score = simulated(50)
    given = censoring_distribution(np.array([0.1, 0.2]), np.array([False, False]))
    with pytest.raises(CohortError, match="no training patient was still uncensored"):
        uno_c(given, time, event, score)
    with pytest.raises(CohortError, match="no training patient is still uncensored"):
        brier_score(given, time, event, np.full((50, 1), 0.5), np.array([1.0]))
    with pytest.raises(CohortError, match="not between 0 and 1"):
        brier_score(given, time, event, np.full((50, 1), 1.5), np.array([1.0]))
    with pytest.raises(CohortError, match="both excluded"):
        decision_curve(time, event, np.full(50, 0.5), horizon=1.0, thresholds=np.array([1.0]))
    assert np.isnan(uno_c(censoring_distribution(time, event), time, event, score, tau=0.0))
