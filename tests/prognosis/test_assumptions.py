"""Form of the model: splines, residuals over time, mean times and optimism against references."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time
from scipy.interpolate import CubicSpline

from pathexplain.prognosis.assumptions import effects_over_time, functional_forms
from pathexplain.prognosis.execution import Execution
from pathexplain.prognosis.model import develop
from pathexplain.prognosis.optimism import correct_optimism
from pathexplain.prognosis.options import Options
from pathexplain.prognosis.outcome import Outcome
from pathexplain.prognosis.rmst import mean_times, restricted_mean
from pathexplain.prognosis.splines import quantile_knots, restricted_cubic

if TYPE_CHECKING:
    from collections.abc import Callable

    from pathexplain.prognosis.study import Study

OPTIONS = Options(
    alpha=0.05,
    max_final=3,
    seed=0,
    n_bootstrap=10,
    n_splits=2,
    n_repeats=1,
    n_permutations=1,
    n_max_t=1,
    n_optimism=15,
)


def test_splines_are_natural_cubic_splines() -> None:
    rng = np.random.default_rng(0)
    knots = quantile_knots(rng.normal(size=200))
    inside = np.linspace(knots[0], knots[-1], 50)
    basis = np.column_stack([np.ones(50), restricted_cubic(inside, knots)])
    natural = CubicSpline(knots, rng.normal(size=knots.size), bc_type="natural")(inside)
    fitted = basis @ np.linalg.lstsq(basis, natural, rcond=None)[0]
    np.testing.assert_allclose(fitted, natural, atol=1e-10)
    beyond = restricted_cubic(np.array([10.0, 11.0, 12.0]), knots)
    np.testing.assert_allclose(np.diff(beyond, 2, axis=0), 0.0, atol=1e-8)  # straight


def test_residuals_over_time_equal_lifelines(planted_study: Callable[..., Study]) -> None:
    study = planted_study(n=150)
    model = develop(study, alpha=0.05, max_final=2)
    found = effects_over_time(study, model)
    frame = pd.DataFrame(model.design(study)).add_prefix("x")
    frame["t"], frame["e"] = study.outcome.time, study.outcome.event.astype(int)
    fitter = CoxPHFitter().fit(frame, "t", "e")
    theirs = fitter.compute_residuals(frame, "scaled_schoenfeld")
    theirs = theirs.loc[frame.loc[theirs.index, "t"].sort_values().index]
    column = f"x{study.covariates.shape[1]}"
    level = theirs[column].mean() - found[0].estimate  # lifelines may leave the estimate out
    np.testing.assert_allclose(found[0].residual, theirs[column] - level, atol=0.02)
    assert len(found[0].curve) == 40


def test_a_curve_is_told_from_a_line(planted_study: Callable[..., Study]) -> None:
    rng = np.random.default_rng(3)
    base = planted_study(n=500)
    x = base.features.copy()
    x[:, :2] = rng.normal(size=(500, 2))
    time = rng.exponential(np.exp(-(x[:, 0] ** 2)))  # both ends fail early
    outcome = Outcome(time, np.ones(500, bool), "months")
    study = replace(base, features=x, outcome=outcome)
    curved, flat = functional_forms(study, np.array([0, 1]))
    assert curved.p_nonlinear.value < 1e-6
    assert curved.p_nonlinear.n_tests == 2
    assert curved.log_hr[0] > 1 < curved.log_hr[-1]
    assert flat.p_nonlinear.value > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_restricted_mean_equals_lifelines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    time, event = np.ceil(rng.exponential(20, 80)), rng.random(80) < 0.6
    fitter = KaplanMeierFitter().fit(time, event)
    mean = restricted_mean_survival_time(fitter, t=15)
    ours, se = restricted_mean(time, event, 15.0)
    assert ours == pytest.approx(mean)
    errors = []  # lifelines has the variance of a time, not of their mean: resample instead
    for _ in range(400):
        rows = rng.integers(0, 80, 80)
        errors.append(restricted_mean(time[rows], event[rows], 15.0)[0])
    assert se == pytest.approx(np.nanstd(errors), rel=0.15)


def test_mean_times_of_both_halves(planted_study: Callable[..., Study]) -> None:
    study = planted_study(n=300)
    (effect,) = mean_times(study, np.array([0]), 24.0)
    assert effect.difference.high < 0  # more of the feature, less time
    assert effect.difference.value == pytest.approx(effect.above.value - effect.below.value)
    (beyond,) = mean_times(study, np.array([0]), 1e4)
    assert "not followed" in beyond.reason
    assert np.isnan(beyond.difference.value)


def test_optimism_brings_noise_back_to_chance(planted_study: Callable[..., Study]) -> None:
    study = replace(planted_study(n=120, m=40, log_hr=0.0, seed=5), covariate_names=())
    study = replace(study, covariates=np.empty((120, 0)))
    loose = replace(OPTIONS, alpha=0.9)  # a screen that lets noise through
    found = correct_optimism(study, loose, Execution())
    assert found.apparent > 0.62
    assert abs(found.corrected - 0.5) < 0.09
    assert found.slope < 0.8
    true = correct_optimism(planted_study(n=300), OPTIONS, Execution())
    assert 0 < true.optimism < 0.03
    assert true.corrected > 0.65
