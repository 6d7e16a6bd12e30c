"""Family-wise p-values: the algorithm by brute force, chance, planted features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pathexplain.errors import CohortError
from pathexplain.prognosis.cox import fit_each, fit_joint, partial_likelihood, risk_order
from pathexplain.prognosis.max_t import max_t, permute_within
from pathexplain.prognosis.residuals import martingale_residuals


def simulated(
    n: int = 80, m: int = 6, *, log_hr: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, m)) + 0.7 * generator.normal(size=(n, 1))
    time = np.ceil(20 * generator.exponential(np.exp(-log_hr * x[:, 0])))
    return x, time, generator.random(n) < 0.75


def test_step_down_equals_the_algorithm_written_out() -> None:
    # Westfall and Young (1993), algorithm 2.8: successive maxima over the statistics not above
    x, time, event = simulated(log_hr=0.5)
    found = max_t(x, time, event, statistic="wald", n_permutations=60, seed=5)
    risk, generator = risk_order(time, event), np.random.default_rng(5)
    observed = np.abs(fit_each(x, risk).z)
    order = np.argsort(-observed)
    exceeded = np.zeros((60, 6), bool)
    for b in range(60):
        z = np.abs(fit_each(x[permute_within(np.zeros(80, int), generator)], risk).z)
        for k, j in enumerate(order):
            exceeded[b, j] = max(z[i] for i in order[k:]) >= observed[j]
    raw = (1 + exceeded.sum(axis=0)) / 61
    expected = np.empty(6)
    expected[order] = np.maximum.accumulate(raw[order])
    np.testing.assert_allclose(found.step_down, expected)
    assert (found.step_down <= found.single_step).all()
    np.testing.assert_allclose(found.statistic, observed)


def test_score_and_wald_agree() -> None:
    x, time, event = simulated(n=150, log_hr=0.3)
    score = max_t(x, time, event, n_permutations=400)
    wald = max_t(x, time, event, n_permutations=400, statistic="wald")
    np.testing.assert_allclose(score.step_down, wald.step_down, atol=0.06)


@pytest.mark.parametrize(("q", "n_strata"), [(0, 1), (1, 2)])
def test_the_smallest_p_is_uniform_under_the_null(q: int, n_strata: int) -> None:
    smallest = []
    for seed in range(200):
        x, time, event = simulated(n=50, m=5, seed=seed)
        covariates = np.random.default_rng(seed).normal(size=(50, q)) if q else None
        found = max_t(
            x,
            time,
            event,
            covariates=covariates,
            strata=np.arange(50) % n_strata,
            entry=0.3 * time,
            n_permutations=99,
            seed=seed,
        )
        assert found.step_down.min() == found.single_step.min()
        smallest.append(found.step_down.min())
    assert stats.kstest(smallest, "uniform").pvalue > 0.01


def test_planted_features_are_found_and_flat_ones_never() -> None:
    x, time, event = simulated(n=200, log_hr=0.8)
    x[::7, 1] = np.nan
    x[:, 2] = 4.0
    found = max_t(x - x[:, [0]] * [0, 0.4, 0, 0.4, 0.4, 0.4], time, event, n_permutations=300)
    assert found.step_down[0] == 1 / 301
    assert found.step_down[2] == found.single_step[2] == 1


@pytest.mark.parametrize(("q", "n_strata"), [(0, 1), (2, 3)])
def test_martingale_residuals_give_the_score(q: int, n_strata: int) -> None:
    # U = x' M at the fitted covariates, exact for Breslow ties; also under left truncation
    x, time, event = simulated(n=120)
    strata = np.arange(120) % n_strata
    risk = risk_order(time, event, strata=strata, entry=0.5 * time)
    beta = fit_joint(x[:, 1 : 1 + q], risk, ties="breslow").beta if q else np.empty(0)
    residuals = martingale_residuals(risk, x[:, 1 : 1 + q] @ beta)
    design = np.column_stack([x[:, 1 : 1 + q], x[:, 0]])
    gradient = partial_likelihood(design, risk, np.append(beta, 0.0), ties="breslow")[1]
    np.testing.assert_allclose(x[:, 0] @ residuals, gradient[-1], atol=1e-8)
    for code in range(n_strata):
        np.testing.assert_allclose(residuals[strata == code].sum(), 0, atol=1e-9)


def test_no_permutations_and_no_events_are_refused() -> None:
    x, time, event = simulated()
    with pytest.raises(CohortError, match="0 permutations"):
        max_t(x, time, event, n_permutations=0)
    with pytest.raises(CohortError, match="0 events"):
        max_t(x, time, np.zeros(80, bool))
