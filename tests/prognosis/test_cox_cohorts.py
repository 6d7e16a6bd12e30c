"""The Cox core on known cohorts, with entry times and weights: libraries and the tests of R."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_gbsg2, load_lung, load_rossi
from scipy import optimize

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_each, fit_joint, partial_likelihood, risk_order

EXACT = {"fit_options": {"precision": 1e-12, "r_precision": 1e-14}}
COHORTS = ("rossi", "lung", "gbsg2", "veteran", "whas500", "ties")


@cache
def cohort(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Complete numeric features (n, m), times and events."""
    if name == "rossi":
        table = load_rossi().rename(columns={"week": "time", "arrest": "event"})
    elif name == "lung":
        table = load_lung().drop(columns="inst").dropna().rename(columns={"status": "event"})
    elif name == "gbsg2":
        table = load_gbsg2().rename(columns={"cens": "event"})
    elif name == "ties":
        generator = np.random.default_rng(5)
        x = generator.normal(size=(400, 4))
        time = np.ceil(6 * generator.exponential(np.exp(-0.5 * x[:, 0])))
        return x, np.minimum(time, 9), (time < 9) & (generator.random(400) < 0.8)
    else:
        datasets = pytest.importorskip("sksurv.datasets")
        load = {"veteran": "load_veterans_lung_cancer", "whas500": "load_whas500"}[name]
        table, outcome = getattr(datasets, load)()
        event, time = outcome.dtype.names
        table = table.assign(time=outcome[time], event=outcome[event])
    numbers = pd.get_dummies(table, drop_first=True).astype(float)
    time, event = numbers.pop("time").to_numpy(), numbers.pop("event").to_numpy() == 1
    return numbers.to_numpy(), time, event


@pytest.mark.parametrize("name", COHORTS)
def test_each_feature_equals_lifelines(name: str) -> None:
    x, time, event = cohort(name)
    fits = fit_each(x, risk_order(time, event))
    for j in range(x.shape[1]):
        frame = pd.DataFrame({"t": time, "e": event, "x": x[:, j]})
        other = CoxPHFitter().fit(frame, "t", "e", **EXACT)
        np.testing.assert_allclose(fits.beta[j], other.params_["x"], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(fits.se[j], other.standard_errors_["x"], rtol=1e-6)
        np.testing.assert_allclose(fits.loglik[j], other.log_likelihood_, rtol=1e-9)
        test = other.log_likelihood_ratio_test()
        np.testing.assert_allclose(fits.p_lr[j], test.p_value, rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("name", COHORTS)
def test_the_joint_model_equals_scikit_survival(name: str, ties: str) -> None:
    linear_model = pytest.importorskip("sksurv.linear_model")
    util = pytest.importorskip("sksurv.util")
    x, time, event = cohort(name)
    model = linear_model.CoxPHSurvivalAnalysis(ties=ties, tol=1e-13)
    # their climb starts from raw units; ours must not care
    scale = x.std(axis=0)
    theirs = model.fit(x / scale, util.Surv.from_arrays(event, time)).coef_ / scale
    fit = fit_joint(x, risk_order(time, event), ties=ties)
    assert fit.status == "ok"
    np.testing.assert_allclose(fit.beta * scale, theirs * scale, atol=1e-6)


def test_tests_of_the_lung_model_equal_what_r_prints() -> None:
    # summary(coxph(Surv(time, status) ~ sex, data = lung)), R survival, as printed by Kassambara,
    # "Cox Proportional-Hazards Model", sthda.com: LR 10.63, Wald 10.09, score 10.33
    lung = load_lung()
    fit = fit_joint(lung[["sex"]], risk_order(lung["time"], lung["status"]))
    np.testing.assert_allclose([fit.beta[0], fit.se[0]], [-0.5310, 0.1672], atol=6e-5)
    tests = [fit.likelihood_ratio, fit.wald, fit.score]
    np.testing.assert_allclose(tests, [10.63, 10.09, 10.33], atol=6e-3)
    np.testing.assert_allclose(fit.p[0], 0.00149, atol=6e-6)
    alone = fit_each(lung[["sex"]], risk_order(lung["time"], lung["status"]))
    np.testing.assert_allclose(alone.p_score, 0.00131, atol=6e-6)


def test_data_set_1_of_therneau_and_grambsch_by_hand() -> None:
    # R survival, tests/book1: Breslow's maximum is log((3 + sqrt(33)) / 2)
    risk = risk_order([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1])
    x = np.array([[1.0], [1], [1], [0], [0], [0]])
    fit = fit_joint(x, risk, ties="breslow")
    np.testing.assert_allclose(fit.beta[0], np.log(1.5 + np.sqrt(33) / 2), rtol=1e-9)
    r = np.exp(fit.beta[0])
    by_hand = 2 * fit.beta[0] - (np.log(3 * r + 3) + 2 * np.log(r + 3))
    np.testing.assert_allclose(fit.loglik, by_hand, rtol=1e-12)
    information = r / (r + 1) ** 2 + 6 * r / (r + 3) ** 2
    np.testing.assert_allclose(fit.covariance[0, 0], 1 / information, rtol=1e-9)


@pytest.mark.parametrize("copies", [1, 3])
def test_left_truncation_equals_data_set_2_of_therneau_and_grambsch(copies: int) -> None:
    # R survival, tests/book3, also "with strata": times moved so that mixed strata would show
    start = np.array([1, 2, 5, 2, 1, 7, 3, 4, 8, 8])
    stop = np.array([2, 3, 6, 7, 8, 9, 9, 9, 14, 17])
    event = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    x = np.array([1.0, 0, 0, 1, 0, 1, 1, 1, 0, 0])
    group = np.repeat(np.arange(copies), 10)
    risk = risk_order(
        np.tile(stop, copies) + group,
        np.tile(event, copies),
        entry=np.tile(start, copies) + group,
        strata=group,
    )
    fit = fit_joint(np.tile(x, copies)[:, None], risk, ties="breslow")
    alone = fit_each(np.tile(x, copies)[:, None], risk, ties="breslow")
    r = np.exp(-0.084526081)
    terms = [np.log(r + 1), np.log(r + 2), 3 * np.log(3 * r + 2), 2 * np.log(3 * r + 1)]
    loglik = copies * (4 * -0.084526081 - sum(terms))
    for beta, value in ((fit.beta[0], fit.loglik), (alone.beta[0], alone.loglik[0])):
        np.testing.assert_allclose(beta, -0.084526081, atol=1e-8)
        np.testing.assert_allclose(value, loglik, rtol=1e-9)


def test_case_weights_equal_the_weighted_test_of_r() -> None:
    # R survival, tests/book5: coef 0.8596, se 0.7131, LR 1.69, Wald 1.45, score 1.52
    weights = [1, 2, 3, 4, 3, 2, 1, 2, 1]
    time, event = [1, 1, 2, 2, 2, 2, 3, 4, 5], [1, 0, 1, 1, 1, 0, 0, 1, 0]
    x = np.array([[2.0], [0], [1], [1], [0], [1], [0], [1], [0]])
    fit = fit_joint(x, risk_order(time, event, weights=weights), ties="breslow")
    found = [fit.beta[0], fit.se[0], fit.likelihood_ratio, fit.wald, fit.score]
    np.testing.assert_allclose(found[:2], [0.8596, 0.7131], atol=6e-5)
    np.testing.assert_allclose(found[2:], [1.69, 1.45, 1.52], atol=6e-3)
    # under Breslow ties a weight is a number of copies
    rows = np.repeat(np.arange(9), weights)
    risk = risk_order(np.array(time)[rows], np.array(event)[rows])
    copied = fit_joint(x[rows], risk, ties="breslow")
    np.testing.assert_allclose([copied.beta[0], copied.loglik], [fit.beta[0], fit.loglik])


@pytest.mark.parametrize("q", [0, 2])
def test_entry_strata_weights_and_covariates_together_equal_lifelines(q: int) -> None:
    x, time, event = cohort("ties")
    generator = np.random.default_rng(8)
    entry = np.floor(time * generator.random(time.size))
    weight = generator.integers(1, 4, time.size)
    strata = generator.integers(0, 3, time.size)
    risk = risk_order(time, event, entry=entry, weights=weight, strata=strata)
    fits = fit_each(x[:, :2], risk, covariates=x[:, 2:] if q else None)
    for j in range(2):
        columns = [j, 2, 3] if q else [j]
        frame = pd.DataFrame(x[:, columns], columns=[f"x{k}" for k in columns])
        frame = frame.assign(t=time, e=event, s=strata, b=entry, w=weight)
        other = CoxPHFitter().fit(
            frame, "t", "e", strata="s", entry_col="b", weights_col="w", robust=False, **EXACT
        )
        np.testing.assert_allclose(fits.beta[j], other.params_[f"x{j}"], rtol=1e-6)
        np.testing.assert_allclose(fits.se[j], other.standard_errors_[f"x{j}"], rtol=1e-6)
        np.testing.assert_allclose(fits.loglik[j], other.log_likelihood_, rtol=1e-9)


def test_gradient_is_the_derivative_with_entry_and_weights() -> None:
    x, time, event = cohort("ties")
    generator = np.random.default_rng(1)
    risk = risk_order(time, event, entry=time / 3, weights=generator.random(time.size))
    beta = np.array([0.3, -0.2, 0.1, 0.0])
    gradient = partial_likelihood(x, risk, beta)[1]
    numeric = optimize.approx_fprime(beta, lambda at: partial_likelihood(x, risk, at)[0], 1e-6)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4)


def test_a_weight_of_zero_and_a_missing_value_leave_the_patient_out() -> None:
    x, time, event = cohort("ties")
    out = np.arange(time.size) % 3 == 0
    entry = time / 2
    kept = fit_each(x[~out], risk_order(time[~out], event[~out], entry=entry[~out]))
    weighted = fit_each(x, risk_order(time, event, entry=entry, weights=~out))
    holed = fit_each(np.where(out[:, None], np.nan, x), risk_order(time, event, entry=entry))
    for fits in (weighted, holed):
        np.testing.assert_allclose(fits.beta, kept.beta, rtol=1e-9)
        np.testing.assert_allclose(fits.p_score, kept.p_score, rtol=1e-6)
        assert fits.n.tolist() == kept.n.tolist()
        assert fits.events.tolist() == kept.events.tolist()


def test_score_test_of_one_group_is_the_log_rank_test() -> None:
    from lifelines.statistics import logrank_test

    generator = np.random.default_rng(0)
    time, event = generator.exponential(size=80), generator.random(80) < 0.7
    group = generator.random(80) < 0.5
    fits = fit_each(group[:, None].astype(float), risk_order(time, event))
    other = logrank_test(time[group], time[~group], event[group], event[~group])
    np.testing.assert_allclose(fits.p_score[0], other.p_value, rtol=1e-8)


def test_separation_is_named_also_under_left_truncation() -> None:
    time = np.array([2.0, 3, 4, 5, 6, 7])
    event = np.ones(6, dtype=bool)
    # 9 is highest of all but enters after the first two events, so it hides nothing
    x = np.array([[8.0], [7], [9], [6], [5], [4]])
    entry = np.array([0.0, 0, 3, 0, 0, 0])
    assert fit_each(x, risk_order(time, event)).status == ("ok",)
    fits = fit_each(x, risk_order(time, event, entry=entry))
    assert fits.status == ("separated",)
    assert np.isnan([fits.beta, fits.p, fits.p_lr, fits.p_score]).all()
    assert fit_joint(x, risk_order(time, event, entry=entry)).status != "ok"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"entry": [0.0, 2.0, 0.0]}, "1 entry times are not before the end of follow-up"),
        ({"entry": [0.0, np.nan, 0.0]}, "1 entry times are not finite"),
        ({"entry": [0.0]}, "entry has shape"),
        ({"weights": [1.0, -1.0, 1.0]}, "1 case weights are negative"),
        ({"weights": [1.0]}, "weights have shape"),
    ],
)
def test_impossible_entries_and_weights_are_refused(options: dict, said: str) -> None:
    with pytest.raises(CohortError, match=said):
        risk_order([1.0, 2.0, 3.0], [1, 1, 0], **options)


def test_wrong_rows_and_holes_in_joint_designs_are_refused() -> None:
    risk = risk_order([1.0, 2.0, 3.0], [1, 1, 0])
    with pytest.raises(CohortError, match="one row to each of 3"):
        fit_each(np.ones((2, 1)), risk)
    with pytest.raises(CohortError, match="1 missing or infinite"):
        fit_joint([[1.0], [np.nan], [2.0]], risk)
    with pytest.raises(CohortError, match="1 missing or infinite"):
        fit_each(np.ones((3, 1)), risk, covariates=[[1.0], [np.inf], [2.0]])
