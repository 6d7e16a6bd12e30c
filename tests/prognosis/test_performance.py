"""Censoring-weighted figures against scikit-survival, calibration and net benefit by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sksurv.metrics import (
    brier_score,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
    integrated_brier_score,
)
from sksurv.util import Surv

from pathexplain.prognosis.ipcw import (
    auc_pairs,
    brier_contributions,
    censoring_of,
    integrated,
    uno_pairs,
)
from pathexplain.prognosis.options import Options
from pathexplain.prognosis.performance import assess, calibration_groups, net_benefit
from pathexplain.prognosis.study import build_study
from pathexplain.prognosis.validation import cross_validate

if TYPE_CHECKING:
    from collections.abc import Callable

    import anndata


def outcome(seed: int, n: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n).round(1)  # ties
    time = np.ceil(rng.exponential(20 * np.exp(-0.7 * risk))).clip(1, 60)  # ties
    return time, rng.random(n) < 0.65, risk


@pytest.mark.parametrize("seed", range(3))
def test_weighted_figures_equal_scikit_survival(seed: int) -> None:
    time, event, risk = outcome(seed)
    train_time, train_event, _ = outcome(seed + 50, n=200)
    train_time[0], train_event[0] = 70.0, False
    train, test = Surv.from_arrays(train_event, train_time), Surv.from_arrays(event, time)
    censoring = censoring_of(train_time, train_event)
    uno = uno_pairs(censoring, time, event, risk, tau=40.0)
    assert uno.share == pytest.approx(concordance_index_ipcw(train, test, risk, tau=40.0)[0])
    times = np.array([5.0, 15.0, 30.0])
    theirs = cumulative_dynamic_auc(train, test, risk, times)[0]
    ours = [auc_pairs(censoring, time, event, risk, at=at).share for at in times]
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    survival = np.exp(-np.exp(risk)[:, None] * times / 30)
    parts = brier_contributions(censoring, time, event, survival, times)
    np.testing.assert_allclose(
        parts.mean(axis=0), brier_score(train, test, survival, times)[1], rtol=1e-10
    )
    total = float(integrated(parts.mean(axis=0), times))
    assert total == pytest.approx(integrated_brier_score(train, test, survival, times))


def test_counting_a_patient_twice_is_having_two() -> None:
    time, event, risk = outcome(4, n=40)
    censoring = censoring_of(time, event)
    counts = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40)).astype(float)
    rows = np.repeat(np.arange(40), counts.astype(int))
    above, below = uno_pairs(censoring, time, event, risk, tau=30.0).sums(counts[None, :])
    copied = uno_pairs(censoring, time[rows], event[rows], risk[rows], tau=30.0)
    assert above[0] / below[0] == pytest.approx(copied.share)


def test_net_benefit_by_hand() -> None:
    # no censoring: of 10 patients, 4 flagged, 3 of them with the event by 5
    time = np.array([1.0, 2, 3, 9, 9, 9, 4, 9, 9, 9])
    event = np.ones(10, bool)
    predicted = np.array([0.8] * 4 + [0.1] * 6)
    (value,) = net_benefit(time, event, predicted, 5.0, np.array([0.25]))
    assert value == pytest.approx(3 / 10 - 1 / 10 * 0.25 / 0.75)
    assert net_benefit(time, event, predicted, 5.0, np.array([0.9])) == 0.0


def test_calibration_groups_hold_everybody_and_the_truth() -> None:
    rng = np.random.default_rng(1)
    rate = np.exp(rng.normal(-3, 0.7, 4000))
    time = rng.exponential(1 / rate)
    groups = calibration_groups(time, np.ones(4000, bool), 1 - np.exp(-rate * 10), 10.0)
    assert sum(group.n for group in groups) == 4000
    for group in groups:
        assert group.observed.low - 0.02 < group.predicted < group.observed.high + 0.02


def test_predictions_of_a_planted_cohort(
    planted_cohort: Callable[..., anndata.AnnData],
) -> None:
    study = build_study(
        planted_cohort(n=250), time="time_months", event="event", covariates=("age",)
    )
    options = Options(
        alpha=0.05,
        max_final=2,
        seed=0,
        n_bootstrap=100,
        n_splits=4,
        n_repeats=2,
        n_permutations=1,
        n_max_t=1,
        horizons=(12.0, 36.0),
    )
    folds = cross_validate(study, options, horizons=options.horizons)[3]
    found = assess(study, folds, options)
    assert [(one.name, one.horizon) for one in found.metrics] == [
        ("uno_c", 36.0),
        ("auc", 12.0),
        ("auc", 36.0),
        ("brier", 12.0),
        ("brier", 36.0),
        ("ibs", 36.0),
    ]
    for one in found.metrics:
        assert one.clinical is not None
        assert one.gain is not None
        assert one.model.low < one.model.value < one.model.high
        sign = 1 if one.is_better_higher else -1
        assert sign * (one.model.value - one.nothing) > 0.02
        assert sign * one.gain.value > 0.01
    assert found.calibration is not None
    assert found.calibration.slope.low < 1 < found.calibration.slope.high
    assert found.decision is not None
    middle = len(found.decision.threshold) // 2
    assert found.decision.model[middle] > max(0.0, found.decision.everybody[middle])
