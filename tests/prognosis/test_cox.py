"""The Cox core against R's printed output, lifelines, scikit-survival, calculus and chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from scipy import optimize, stats

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_each, fit_joint, partial_likelihood, risk_order

EXACT = {"fit_options": {"precision": 1e-12, "r_precision": 1e-14}}


def simulated(
    *, n: int = 150, m: int = 4, levels: int = 12, seed: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, times rounded up to few levels (heavy ties) and events; the first one matters."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, m)) * np.arange(1, m + 1) + 5
    failure = generator.exponential(np.exp(-0.6 * (x[:, 0] - 5)))
    censoring = generator.exponential(1.5, n)
    time = np.ceil(np.minimum(np.minimum(failure, censoring), 2.9) * levels / 3)
    return x, time, failure <= censoring


def test_rossi_equals_the_output_that_r_prints() -> None:
    # coxph(Surv(week, arrest) ~ fin + age + race + wexp + mar + paro + prio), R survival,
    # printed in Fox and Weisberg, appendix "Cox Proportional-Hazards Regression" (2nd edition)
    rossi = load_rossi()
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    fit = fit_joint(rossi[names], risk_order(rossi["week"], rossi["arrest"]))
    printed = [-0.37942, -0.05744, 0.31390, -0.14980, -0.43370, -0.08487, 0.09150]
    errors = [0.19138, 0.02200, 0.30799, 0.21222, 0.38187, 0.19576, 0.02865]
    np.testing.assert_allclose(fit.beta, printed, atol=6e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), errors, atol=6e-6)


@pytest.mark.parametrize("source", ["rossi", "ties"])
def test_each_feature_equals_lifelines(source: str) -> None:
    if source == "rossi":
        rossi = load_rossi()
        time, event = rossi.pop("week").to_numpy(), rossi.pop("arrest").to_numpy()
        x = rossi.to_numpy(dtype=float)
    else:
        x, time, event = simulated()
    fits = fit_each(x, risk_order(time, event))
    for j in range(x.shape[1]):
        frame = pd.DataFrame({"time": time, "event": event, "x": x[:, j]})
        other = CoxPHFitter().fit(frame, "time", "event", **EXACT)
        np.testing.assert_allclose(fits.beta[j], other.params_["x"], rtol=1e-6)
        np.testing.assert_allclose(fits.se[j], other.standard_errors_["x"], rtol=1e-6)
        np.testing.assert_allclose(fits.loglik[j], other.log_likelihood_, rtol=1e-9)
        p_lr = other.log_likelihood_ratio_test().p_value
        np.testing.assert_allclose(fits.p_lr[j], p_lr, rtol=1e-6)
        np.testing.assert_allclose(fits.p[j], other.summary["p"]["x"], rtol=1e-5)  # p magnifies z


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("source", ["rossi", "ties"])
def test_both_tie_methods_equal_scikit_survival(source: str, ties: str) -> None:
    linear_model = pytest.importorskip("sksurv.linear_model")
    util = pytest.importorskip("sksurv.util")
    if source == "rossi":
        rossi = load_rossi()
        time, event = rossi.pop("week").to_numpy(float), rossi.pop("arrest").to_numpy(bool)
        x = rossi.to_numpy(dtype=float)
    else:
        x, time, event = simulated()
    outcome = util.Surv.from_arrays(event, time)
    risk = risk_order(time, event)
    fits = fit_each(x, risk, ties=ties)
    model = linear_model.CoxPHSurvivalAnalysis(ties=ties, tol=1e-12)
    for j in range(x.shape[1]):
        np.testing.assert_allclose(fits.beta[j], model.fit(x[:, [j]], outcome).coef_[0], rtol=1e-6)
    together = fit_joint(x, risk, ties=ties)
    np.testing.assert_allclose(together.beta, model.fit(x, outcome).coef_, rtol=1e-6)


def test_breslow_and_efron_differ_under_ties_and_agree_without() -> None:
    x, time, event = simulated()
    tied = [fit_each(x, risk_order(time, event), ties=ties).beta for ties in ("efron", "breslow")]
    assert np.abs(tied[0] - tied[1]).max() > 1e-3
    apart = time + np.linspace(0, 0.5, time.size)
    free = [fit_each(x, risk_order(apart, event), ties=ties).beta for ties in ("efron", "breslow")]
    np.testing.assert_allclose(free[0], free[1], rtol=1e-12)


def test_adjusted_and_stratified_fits_equal_lifelines() -> None:
    x, time, event = simulated(m=3)
    strata = np.arange(time.size) % 3
    fits = fit_each(x[:, :2], risk_order(time, event, strata=strata), covariates=x[:, 2:])
    for j in range(2):
        frame = pd.DataFrame({"t": time, "e": event, "x": x[:, j], "z": x[:, 2], "s": strata})
        other = CoxPHFitter().fit(frame, "t", "e", strata=["s"], **EXACT)
        null = CoxPHFitter().fit(frame.drop(columns="x"), "t", "e", strata=["s"], **EXACT)
        np.testing.assert_allclose(fits.beta[j], other.params_["x"], rtol=1e-6)
        np.testing.assert_allclose(fits.se[j], other.standard_errors_["x"], rtol=1e-6)
        gain = 2 * (other.log_likelihood_ - null.log_likelihood_)
        np.testing.assert_allclose(fits.p_lr[j], stats.chi2.sf(gain, 1), rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_gradient_and_information_are_the_derivatives(ties: str) -> None:
    x, time, event = simulated(m=3)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    risk = risk_order(time, event, strata=np.arange(time.size) % 2)
    beta = np.array([0.3, -0.2, 0.1])
    _, gradient, information = partial_likelihood(x, risk, beta, ties=ties)

    def value(at: np.ndarray) -> float:
        return partial_likelihood(x, risk, at, ties=ties)[0]

    numeric = optimize.approx_fprime(beta, value, 1e-6)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4)
    slopes = optimize.approx_fprime(
        beta, lambda at: partial_likelihood(x, risk, at, ties=ties)[1], 1e-6
    )
    np.testing.assert_allclose(information, -slopes, rtol=1e-4, atol=1e-3)


def test_single_column_path_equals_the_joint_one() -> None:
    x, time, event = simulated()
    risk = risk_order(time, event)
    fits = fit_each(x, risk)
    joint = [fit_joint(x[:, [j]], risk) for j in range(x.shape[1])]
    np.testing.assert_allclose(fits.beta, [fit.beta[0] for fit in joint], rtol=1e-9)
    np.testing.assert_allclose(fits.se**2, [fit.covariance[0, 0] for fit in joint], rtol=1e-6)


def test_missing_values_are_left_out_for_that_feature_only() -> None:
    x, time, event = simulated(m=2)
    holed = x.copy()
    holed[::5, 0] = np.nan
    fits = fit_each(holed, risk_order(time, event))
    kept = ~np.isnan(holed[:, 0])
    alone = fit_each(x[kept, :1], risk_order(time[kept], event[kept]))
    assert fits.n.tolist() == [kept.sum(), time.size]
    assert fits.events[0] == event[kept].sum()
    assert fits.beta[0] == alone.beta[0]


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1e6), (1e4, 1.0), (-3.0, 1e-7), (2.0, -40.0)])
def test_hazard_ratio_per_sd_ignores_the_unit(shift: float, scale: float) -> None:
    x, time, event = simulated(m=2)
    risk = risk_order(time, event)
    plain, moved = fit_each(x, risk), fit_each(shift + scale * x, risk)
    per_sd = np.sign(scale) * plain.beta * plain.sd
    np.testing.assert_allclose(moved.beta * moved.sd, per_sd, rtol=1e-6)
    np.testing.assert_allclose(moved.p, plain.p, rtol=1e-6)


def test_order_of_patients_and_threads_change_nothing() -> None:
    x, time, event = simulated(m=130)
    order = np.random.default_rng(0).permutation(time.size)
    first = fit_each(x, risk_order(time, event), threads=1)
    second = fit_each(x[order], risk_order(time[order], event[order]), threads=2)
    np.testing.assert_allclose(second.beta, first.beta, rtol=1e-9)


def test_what_cannot_be_estimated_is_nan_with_its_reason() -> None:
    x, time, event = simulated(m=1)
    generator = np.random.default_rng(0)
    separated = -time  # the first to fail always has the highest value at risk
    unknown_events = np.where(event, np.nan, generator.normal(size=time.size))
    features = np.column_stack([np.ones(time.size), separated, -separated, unknown_events])
    features = np.column_stack([features, np.full(time.size, np.nan), x])
    fits = fit_each(features, risk_order(time, event))
    expected = ("constant", "separated", "separated", "no events", "no events", "ok")
    assert fits.status == expected
    assert np.isnan(fits.beta[:5]).all()
    assert np.isnan(fits.p[:5]).all()
    assert np.isnan(fits.p_lr[:5]).all()
    assert np.isfinite(fits.beta[5])


def test_separation_beside_covariates_and_collinearity_are_named() -> None:
    x, time, event = simulated(m=2)
    features = np.column_stack([-time, 2 * x[:, 1] + 1, x[:, 0]])
    fits = fit_each(features, risk_order(time, event), covariates=x[:, [1]])
    assert fits.status == ("separated", "collinear", "ok")
    assert np.isnan(fits.beta[:2]).all()


def test_null_p_values_are_uniform() -> None:
    generator = np.random.default_rng(11)
    x = generator.normal(size=(300, 400))
    time, event = generator.exponential(size=300), generator.random(300) < 0.6
    fits = fit_each(x, risk_order(time, event))
    for p in (fits.p, fits.p_lr):
        assert stats.kstest(p, "uniform").pvalue > 0.01


def test_intervals_cover_the_truth() -> None:
    generator = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        x = generator.normal(size=(150, 1))
        failure, censoring = (
            generator.exponential(np.exp(-0.8 * x[:, 0])),
            generator.uniform(0.3, 3),
        )
        risk = risk_order(np.minimum(failure, censoring), failure <= censoring)
        fits = fit_each(x, risk, threads=1)
        covered.append(abs(fits.beta[0] - 0.8) < 1.96 * fits.se[0])
    assert abs(np.mean(covered) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 200)


def test_shapes_and_infinite_times_are_refused() -> None:
    with pytest.raises(CohortError, match="differ in shape"):
        risk_order([1.0, 2.0], [1])
    with pytest.raises(CohortError, match="1 times are not finite"):
        risk_order([1.0, np.nan], [1, 0])
