"""Preflight, corrections and permutation: against statsmodels, closed forms and chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pathexplain.prognosis.cox import risk_order
from pathexplain.prognosis.options import Options
from pathexplain.prognosis.outcome import Outcome
from pathexplain.prognosis.permutation import (
    max_t_p_values,
    negative_control,
)
from pathexplain.prognosis.preflight import correlated_pairs, find_untestable, follows_time
from pathexplain.prognosis.screening import adjust_bh, adjust_holm, screen_fits, screen_table
from pathexplain.prognosis.study import Study

OPTIONS = Options(
    alpha=0.05,
    max_final=5,
    seed=0,
    n_bootstrap=10,
    n_splits=2,
    n_repeats=1,
    n_permutations=10,
    n_max_t=200,
)


def make_study(
    *, n: int = 120, m: int = 8, log_hr: float = 0.0, q: int = 0, n_strata: int = 1, seed: int = 0
) -> Study:
    """Exponential survival; feature 0 has `log_hr` per sd; q covariates without effect."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, m))
    time = generator.exponential(np.exp(-log_hr * x[:, 0]))
    event = generator.random(n) < 0.7
    return Study(
        patients=np.array([f"P{i}" for i in range(n)]),
        features=x,
        names=tuple(f"f{j}" for j in range(m)),
        units=("",) * m,
        definitions=("",) * m,
        outcome=Outcome(time, event, "months"),
        covariates=generator.normal(size=(n, q)),
        covariate_names=tuple(f"c{j}" for j in range(q)),
        strata=np.arange(n) % n_strata if n_strata > 1 else None,
        n_input=n,
    )


def test_each_untestable_column_is_dropped_for_its_own_reason() -> None:
    generator = np.random.default_rng(0)
    good = generator.normal(size=100)
    rare = np.where(np.arange(100) < 4, good, 0.0)
    mostly = np.where(np.arange(100) < 51, np.nan, good)
    holed = np.where(np.arange(100) < 30, np.nan, good)
    rounded = np.where(np.arange(100) % 2, 0.75, np.nextafter(0.75, 1))
    columns = [good, np.full(100, 3.0), good, rare, mostly, np.full(100, np.nan), holed, holed]
    names = ("good", "flat", "copy", "rare", "mostly", "empty", "holed", "holed2", "rounded")
    columns.append(rounded)
    kept, dropped = find_untestable(np.column_stack(columns), names)
    assert [names[j] for j in kept] == ["good", "holed"]
    assert {item.feature: item.reason for item in dropped} == {
        "flat": "constant",
        "copy": "duplicate",
        "rare": "near-constant",
        "mostly": "mostly missing",
        "empty": "all missing",
        "holed2": "duplicate",
        "rounded": "constant",
    }
    assert dropped[1].detail == "the same values as good"


def test_correlated_pairs_equal_the_correlation_matrix() -> None:
    generator = np.random.default_rng(1)
    base = generator.normal(size=(80, 1))
    x = np.column_stack([base + 0.2 * generator.normal(size=(80, 4)), generator.normal(size=80)])
    pairs, total = correlated_pairs(x, tuple("abcde"), limit=0.9)
    r = np.corrcoef(x, rowvar=False)
    expected = (np.abs(r[np.triu_indices(5, 1)]) > 0.9).sum()
    assert total == len(pairs) == expected > 0
    for pair in pairs:
        i, j = "abcde".index(pair.first), "abcde".index(pair.second)
        np.testing.assert_allclose(pair.correlation, r[i, j])


def test_a_feature_that_copies_the_time_is_suspected() -> None:
    study = make_study()
    study.features[:, 3] = 30.4 * study.outcome.time
    assert follows_time(study, np.arange(8)) == ("f3",)


@pytest.mark.parametrize("seed", [0, 1])
def test_corrections_equal_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).random(50) ** 3
    np.testing.assert_allclose(adjust_bh(p), multipletests(p, method="fdr_bh")[1], rtol=1e-12)
    np.testing.assert_allclose(adjust_holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_failed_fits_stay_in_the_family() -> None:
    p = np.array([0.01, np.nan, np.nan, 0.02])
    filled = np.nan_to_num(p, nan=1.0)
    np.testing.assert_allclose(adjust_bh(p)[[0, 3]], adjust_bh(filled)[[0, 3]])
    np.testing.assert_allclose(adjust_holm(p)[0], 0.04)
    assert np.isnan(adjust_bh(p)[1:3]).all()


def test_table_is_sorted_and_counts_its_family() -> None:
    study = make_study(log_hr=0.9)
    study.features[:5, 2] = np.nan
    columns = np.arange(8)
    fits = screen_fits(study, columns)
    screen = screen_table(study, columns, fits, alpha=0.05, p_max_t=np.ones(8))
    assert screen.rows[0].feature == "f0"
    assert screen.rows[0].is_discovery
    assert [row.p for row in screen.rows] == sorted(row.p for row in screen.rows)
    assert {row.n_tests for row in screen.rows} == {8} == {screen.n_tests}
    assert {row.feature: row.n for row in screen.rows}["f2"] == 115
    row = screen.rows[0]
    assert row.hr_per_sd.low < row.hr_per_sd.value < row.hr_per_sd.high
    np.testing.assert_allclose(row.hr_per_sd.value, np.exp(row.beta * row.sd))


@pytest.mark.parametrize(("q", "n_strata"), [(0, 1), (1, 2)])
def test_max_t_p_is_uniform_under_the_null(q: int, n_strata: int) -> None:
    smallest = [
        max_t_p_values(
            make_study(n=60, q=q, n_strata=n_strata, seed=seed),
            np.arange(8),
            n_permutations=99,
            seed=seed,
        ).min()
        for seed in range(150)
    ]
    assert stats.kstest(smallest, "uniform").pvalue > 0.01
    assert np.mean(np.asarray(smallest) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


def test_max_t_finds_a_planted_feature_and_only_it() -> None:
    study = make_study(log_hr=0.8)
    study.features[::7, 1] = np.nan
    p = max_t_p_values(study, np.arange(8), n_permutations=500, seed=1)
    assert p[0] == 1 / 501
    assert (p[1:] > 0.05).all()


def test_negative_control_counts_false_discoveries() -> None:
    study = make_study(log_hr=0.9)
    control = negative_control(study, np.arange(8), OPTIONS, observed=1)
    assert len(control.discoveries) == control.n_permutations == 10
    assert control.share_with_discovery <= 0.3
    assert 0 < control.median_smallest_p < 1


def test_strata_keep_the_risk_sets_apart() -> None:
    risk = risk_order([1.0, 2.0, 1.0, 2.0], [1, 1, 1, 1], strata=[0, 0, 1, 1])
    assert risk.rows[:, 2].tolist() == [0, 0, 1, 1]
    assert len(set(risk.rows[:, 1].tolist())) == 4
