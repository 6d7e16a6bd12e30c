"""Accelerated failure times, cumulative incidence and early-late effects, against other sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.datasets import load_rossi
from scipy import stats

from pathexplain.prognosis.alternatives import aft_models, competing_events
from pathexplain.prognosis.execution import Execution
from pathexplain.prognosis.options import Options
from pathexplain.prognosis.outcome import Outcome
from pathexplain.prognosis.sites import leave_one_site_out, site_effects
from pathexplain.prognosis.study import Study
from pathexplain.prognosis.time_varying import period_effects

if TYPE_CHECKING:
    from collections.abc import Callable


def test_cumulative_incidence_by_hand(planted_study: Callable[..., Study]) -> None:
    # event 1 at t=1 and t=4, competing at t=2, censored at 3: by hand F1(4) = 1/4 + 2/4 * 1 = .75
    study = planted_study(n=60)
    outcome = Outcome(
        np.array([1.0, 2, 3, 4]),
        np.array([True, False, False, True]),
        "months",
        competing=np.array([False, True, False, False]),
    )
    small = study.take(np.arange(4))
    small = Study(**{**vars(small), "outcome": outcome})
    found = competing_events(
        small, np.zeros(4, int), labels=("all",), columns=np.empty(0, int), ticks=(0.0, 2.0)
    )
    assert found is not None
    (curve,) = found.incidence
    assert curve.event[-1] == pytest.approx(0.75)
    assert curve.competing[-1] == pytest.approx(0.25)
    assert curve.kaplan_meier[-1] == pytest.approx(1.0)
    assert curve.at_risk == (4, 3)
    assert "too few" in found.reason


def test_both_incidences_and_survival_add_up_to_one(planted_study: Callable[..., Study]) -> None:
    study = planted_study()
    groups = np.zeros(200, int)
    found = competing_events(
        study, groups, labels=("all",), columns=np.array([0]), ticks=(0.0, 20.0)
    )
    assert found is not None
    (curve,) = found.incidence
    either = study.outcome.event | study.outcome.competing
    alive = KaplanMeierFitter().fit(study.outcome.time, either)
    at = np.asarray(curve.time) + 1e-6
    total = np.add(curve.event, curve.competing)
    np.testing.assert_allclose(total, 1 - alive.predict(at).to_numpy(), atol=1e-6)
    assert (np.asarray(curve.kaplan_meier) >= np.asarray(curve.event) - 1e-6).all()
    (row,) = found.cause_specific
    assert row.event.low > 1.5  # planted: exp(0.8) = 2.2
    assert row.competing.low < 1 < row.competing.high  # nothing planted


def test_weibull_time_ratios_point_against_the_hazards_of_cox(
    planted_study: Callable[..., Study],
) -> None:
    # a Weibull time ratio is HR^(-1/shape), so its z is the Cox model's but for the baseline
    table = load_rossi()
    outcome = Outcome(table["week"].to_numpy(float), table["arrest"].to_numpy(bool), "weeks")
    study = planted_study(n=60)
    design = table[["fin", "prio"]].to_numpy(float)
    study = Study(
        **{**vars(study), "outcome": outcome, "covariate_names": ("fin", "prio"), "strata": None}
    )
    models = aft_models(study, design, ("fin", "prio"), n_tests=1)
    assert [model.distribution for model in models] == ["Weibull", "log-normal", "log-logistic"]
    assert sum(model.is_lowest_aic for model in models) == 1
    cox = CoxPHFitter().fit(table[["week", "arrest", "fin", "prio"]], "week", "arrest")
    for term in models[0].terms:
        hazard = cox.hazard_ratios_[term.name]
        assert (term.ratio.value < 1) == (hazard > 1)
        z = stats.norm.isf(term.p.value / 2)
        assert z == pytest.approx(abs(cox.summary.loc[term.name, "z"]), rel=0.05)


def test_a_reversed_effect_is_seen_early_and_late(planted_study: Callable[..., Study]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=600)
    # hazard exp(x) before 1, exp(-x) after it
    first = rng.exponential(np.exp(-x))
    time = np.where(first < 1, first, 1 + rng.exponential(np.exp(x)))
    base = planted_study(n=60)
    study = Study(
        **{
            **vars(base),
            "patients": np.arange(600).astype(str),
            "features": x[:, None],
            "names": ("x",),
            "outcome": Outcome(time, np.ones(600, bool), "months"),
            "covariates": np.empty((600, 0)),
            "covariate_names": (),
            "sites": None,
        }
    )
    (effect,) = period_effects(study, np.array([0]))
    assert effect.early.low > 1.5
    assert effect.late.high < 0.9
    assert effect.p_difference.value < 1e-6
    # closed form of the comparison: the early part is the Cox model censored at the boundary
    stopped = np.minimum(time, effect.boundary)
    frame = pd.DataFrame({"t": stopped, "e": time <= effect.boundary, "x": x / x.std(ddof=1)})
    cox = CoxPHFitter().fit(frame, "t", "e")
    assert effect.early.value == pytest.approx(cox.hazard_ratios_["x"], rel=1e-4)


def test_an_effect_of_the_site_is_gone_within_sites(planted_study: Callable[..., Study]) -> None:
    study = planted_study(n=300, log_hr=0.0, site_shift=2.0, site_log_hr=0.9)
    (effects,) = site_effects(study, np.array([1]))
    assert effects.hr_unstratified.low > 1.2
    assert effects.hr_stratified.low < 1 < effects.hr_stratified.high
    assert {at.site for at in effects.by_site} == {"A", "B", "C"}
    assert sum(at.n for at in effects.by_site) == 300
    assert effects.is_site_signature
    (true,) = site_effects(planted_study(n=300), np.array([0]))
    assert not true.is_site_signature
    assert 0.5 <= true.site_auc < 0.7 <= effects.site_auc
    assert true.hr_stratified.low > 1.5
    assert true.p_heterogeneity.value > 0.01


def test_each_site_is_predicted_by_the_others(planted_study: Callable[..., Study]) -> None:
    study = planted_study(n=300)
    few = study.outcome.event & (study.sites == "C")
    study.outcome.event[np.flatnonzero(few)[3:]] = False
    options = Options(
        alpha=0.05,
        max_final=3,
        seed=0,
        n_bootstrap=10,
        n_splits=2,
        n_repeats=1,
        n_permutations=1,
        n_max_t=1,
    )
    rows = leave_one_site_out(study, options, Execution())
    assert [row.site for row in rows] == ["A", "B", "C"]
    assert rows[2].reason == "3 events here; at least 5 needed"
    assert np.isnan(rows[2].c_index.value)
    for row in rows[:2]:
        assert row.n_features >= 1
        assert 0.55 < row.c_index.low < row.c_index.value < row.c_index.high
        assert row.c_index.value > row.clinical_c_index
