"""The elastic-net Cox path against scikit-survival, Newton and the conditions of optimality."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_joint, partial_likelihood, risk_order
from pathexplain.prognosis.coxnet import coxnet_path


def simulated(n: int, m: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated standardized features of which five matter, tied times, events."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, m)) + 0.5 * generator.normal(size=(n, 1))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    failure = np.ceil(60 * generator.exponential(np.exp(-0.4 * x[:, :5].sum(axis=1))))
    censoring = np.ceil(generator.exponential(90, n))
    return x, np.minimum(failure, censoring), failure <= censoring


@pytest.mark.parametrize(("n", "m", "l1_ratio"), [(200, 20, 0.5), (200, 20, 1.0), (120, 300, 0.9)])
def test_the_path_equals_scikit_survival(n: int, m: int, l1_ratio: float) -> None:
    linear_model = pytest.importorskip("sksurv.linear_model")
    util = pytest.importorskip("sksurv.util")
    x, time, event = simulated(n, m)
    path = coxnet_path(
        x, risk_order(time, event), l1_ratio=l1_ratio, n_alphas=15, alpha_min_ratio=0.1
    )
    model = linear_model.CoxnetSurvivalAnalysis(
        l1_ratio=l1_ratio, n_alphas=15, alpha_min_ratio=0.1, tol=1e-14, max_iter=10**6
    )
    model.fit(x, util.Surv.from_arrays(event, time))
    np.testing.assert_allclose(path.alphas, model.alphas_, rtol=1e-9)
    np.testing.assert_allclose(path.beta, model.coef_.T, atol=1e-5)
    assert path.converged
    assert (path.beta[-1] != 0).sum() > 5


def test_without_penalty_it_is_the_joint_fit() -> None:
    x, time, event = simulated(150, 4)
    risk = risk_order(time, event, strata=np.arange(150) % 2, entry=time / 3)
    path = coxnet_path(x, risk, alphas=[1e-9])
    fit = fit_joint(x, risk, ties="breslow")
    np.testing.assert_allclose(path.beta[0], fit.beta, atol=1e-6)
    np.testing.assert_allclose(path.loglik[0], fit.loglik, rtol=1e-9)


@pytest.mark.parametrize("l1_ratio", [0.6, 1.0])
def test_every_solution_is_optimal_with_strata_entry_weights_and_free_covariates(
    l1_ratio: float,
) -> None:
    x, time, event = simulated(160, 60)
    generator = np.random.default_rng(4)
    weight = generator.integers(0, 3, time.size)
    factor = np.where(np.arange(60) < 2, 0.0, 1.0)
    risk = risk_order(
        time, event, strata=generator.integers(0, 3, 160), entry=0.4 * time, weights=weight
    )
    path = coxnet_path(x, risk, l1_ratio=l1_ratio, penalty_factor=factor, n_alphas=12)
    assert (path.beta[0] != 0).sum() == 2  # the first penalty holds all but the covariates
    for alpha, beta, loglik in zip(path.alphas, path.beta, path.loglik, strict=True):
        value, gradient, _ = partial_likelihood(x, risk, beta, ties="breslow")
        np.testing.assert_allclose(loglik, value, rtol=1e-9)
        slope = gradient / weight.sum() - alpha * factor * (1 - l1_ratio) * beta
        limit = alpha * factor * l1_ratio
        is_in = beta != 0
        np.testing.assert_allclose(slope[is_in], (limit * np.sign(beta))[is_in], atol=1e-5)
        assert (np.abs(slope[~is_in]) <= limit[~is_in] + 1e-6).all()


def test_the_path_ends_after_enough_features() -> None:
    x, time, event = simulated(120, 100)
    whole = coxnet_path(x, risk_order(time, event), n_alphas=40)
    path = coxnet_path(x, risk_order(time, event), n_alphas=40, max_features=8)
    sizes = (path.beta != 0).sum(axis=1)
    assert sizes[-1] > 8
    assert (sizes[:-1] <= 8).all()
    np.testing.assert_allclose(path.beta, whole.beta[: len(sizes)])


def test_what_has_no_path_is_refused() -> None:
    x, time, event = simulated(50, 3)
    risk = risk_order(time, event)
    with pytest.raises(CohortError, match="missing or infinite"):
        coxnet_path(np.where(x > 2, np.nan, x), risk)
    with pytest.raises(CohortError, match="l1_ratio is 0"):
        coxnet_path(x, risk, l1_ratio=0)
    with pytest.raises(CohortError, match="no event"):
        coxnet_path(x, risk_order(time, np.zeros(50)))
    with pytest.raises(CohortError, match="not one row to each of 50"):
        coxnet_path(x[:10], risk)
