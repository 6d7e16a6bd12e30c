"""The analysis as a whole: planted and null cohorts, what it refuses, and real recurrences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from pathexplain.errors import CohortError
from pathexplain.prognosis import SurvivalResult, survival
from pathexplain.prognosis.biomarkers import cut_points, known_cuts
from pathexplain.prognosis.final import fit_final
from pathexplain.prognosis.model import clinical_model, develop
from pathexplain.prognosis.options import Options
from pathexplain.prognosis.study import Study, build_study
from pathexplain.serialization import to_jsonable

if TYPE_CHECKING:
    from collections.abc import Callable

WPBC = Path(__file__).parents[3] / "shared/data/tables/wpbc.csv"
FAST = {
    "n_bootstrap": 60,
    "n_repeats": 2,
    "n_permutations": 10,
    "n_max_t": 200,
    "n_optimism": 3,
    "n_stability": 3,
}


def make_cohort(
    *, n: int = 200, m: int = 40, log_hr: float = 0.0, seed: int = 0
) -> anndata.AnnData:
    """Features of many units; `f00` carries `log_hr` per sd, age carries 0.5 per decade."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(n, m))
    age = generator.normal(60, 10, n)
    failure = generator.exponential(30 * np.exp(-log_hr * z[:, 0] - 0.05 * (age - 60)))
    censoring = generator.uniform(10, 90, n)
    obs = pd.DataFrame(
        {
            "time_months": np.minimum(failure, censoring),
            "event": (failure <= censoring).astype(int),
            "age": age,
            "grade": pd.Categorical(generator.choice(["G1", "G2", "G3"], n)),
            "site": generator.choice(["A", "B"], n),
        },
        index=[f"P{i:03d}" for i in range(n)],
    )
    var = pd.DataFrame(
        {"unit": "um2", "definition": "planted"}, index=[f"f{j:02d}" for j in range(m)]
    )
    return anndata.AnnData(100 + 20 * z, obs=obs, var=var)


def run(cohort: anndata.AnnData, **options: object) -> SurvivalResult:
    return survival(cohort, time="time_months", event="event", **{**FAST, **options})


def codes(result: SurvivalResult) -> set[str]:
    return {note.code for note in result.notes}


@pytest.fixture(scope="module")
def planted() -> SurvivalResult:
    return run(make_cohort(log_hr=0.8), covariates=("age", "grade"))


def test_planted_feature_is_first_and_in_the_final_model(planted: SurvivalResult) -> None:
    first = planted.screen.rows[0]
    assert first.feature == "f00"
    assert (first.unit, first.n_tests, first.n) == ("um2", 40, 200)
    assert abs(first.beta * 20 - 0.8) < 3 * first.se * 20  # coverage itself: test_cox
    assert first.p_max_t < 0.05
    assert planted.final is not None
    names = [term.name for term in planted.final.terms]
    assert names[:4] == ["age", "grade=G2", "grade=G3", "f00"]
    assert planted.final.terms[3].p.n_tests == 40
    assert planted.final.terms[0].p.n_tests == 1
    assert {(t.p.n, t.p.events) for t in planted.final.terms} == {(200, planted.cohort.events)}


def test_validation_comes_with_an_interval_and_the_gain_over_covariates(
    planted: SurvivalResult,
) -> None:
    validation = planted.validation
    assert validation is not None
    assert 0.65 < validation.c_index.low < validation.c_index.value < validation.c_index.high < 0.9
    assert validation.clinical_c_index is not None
    assert validation.gain is not None
    assert validation.gain.low > 0
    difference = validation.c_index.value - validation.clinical_c_index.value
    np.testing.assert_allclose(validation.gain.value, difference)
    assert validation.selection_frequency[0] == ("f00", 1.0)
    assert planted.headline.startswith("Cross-validated C-index")
    assert {"optimism", "interval_meaning"} <= codes(planted)


def test_result_is_json_and_holds_all_that_a_report_draws(planted: SurvivalResult) -> None:
    tree = json.loads(json.dumps(to_jsonable(planted), allow_nan=False))
    assert tree["screen"]["rows"][0]["feature"] == "f00"
    assert [panel["title"] for panel in tree["kaplan_meier"]] == [
        "All patients",
        "Out-of-fold risk score",
        "f00",
    ]
    for panel in tree["kaplan_meier"]:
        for group in panel["groups"]:
            assert len(group["at_risk"]) == len(panel["ticks"])
            assert len(group["time"]) == len(group["low"]) == len(group["survival"])
    assert {row["panel"] for row in tree["forest"]} == {"screen", "final"}
    assert "descriptive" in tree["kaplan_meier"][2]["p_log_rank"]["test"]


def test_same_seed_same_result(planted: SurvivalResult) -> None:
    again = run(make_cohort(log_hr=0.8), covariates=("age", "grade"))
    assert to_jsonable(again) == to_jsonable(planted)


def test_nothing_planted_nothing_reported() -> None:
    reported, c_indices = [], []
    for seed in range(8):
        result = run(make_cohort(n=120, seed=seed), n_permutations=3, n_bootstrap=20)
        reported.append(result.screen.n_discoveries > 0)
        if not reported[-1]:
            assert result.final is None
            assert "model of noise" in result.final_reason
            assert result.headline.count("None of the 40 features") == 1
        assert result.validation is not None
        c_indices.append(result.validation.c_index.value)
    assert sum(reported) <= 2  # 5 % each; three of eight would be a 1 in 170 accident
    assert abs(np.median(c_indices) - 0.5) < 0.02


def test_strata_reach_every_step() -> None:
    result = run(make_cohort(log_hr=0.8), strata="site")
    assert result.final is not None
    assert result.screen.rows[0].feature == "f00"
    study = build_study(make_cohort(log_hr=0.8), time="time_months", event="event", strata="site")
    frame = pd.DataFrame(
        {"t": study.outcome.time, "e": study.outcome.event, "s": study.strata}
        | {"x": study.features[:, 0] / study.features[:, 0].std(ddof=1)}
    )
    exact = {"precision": 1e-12, "r_precision": 1e-14}
    other = CoxPHFitter().fit(frame, "t", "e", strata=["s"], fit_options=exact)
    np.testing.assert_allclose(
        result.screen.rows[0].hr_per_sd.value, np.exp(other.params_["x"]), rtol=1e-6
    )


def test_final_model_by_lifelines_equals_the_own_core() -> None:
    cohort = make_cohort(log_hr=0.8)
    study = build_study(cohort, time="time_months", event="event", covariates=("age", "grade"))
    model = develop(study, alpha=0.05, max_final=3)
    final, messages = fit_final(study, model, n_tests=40)
    assert messages == ()
    beta = np.log([term.hr.value for term in final.terms])
    np.testing.assert_allclose(beta, model.beta, rtol=1e-5)


def test_missing_values_are_counted_and_imputed_by_the_median() -> None:
    cohort = make_cohort(log_hr=0.8)
    cohort.X[:30, 0] = np.nan
    cohort.obs.loc["P001", "age"] = np.nan
    cohort.obs.loc["P002", "time_months"] = np.nan
    result = run(cohort, covariates=("age",))
    assert [(item.reason, item.patients) for item in result.cohort.lost] == [
        ("time_months is missing", ("P002",)),
        ("age is missing", ("P001",)),
    ]
    assert (result.cohort.n_input, result.cohort.n) == (200, 198)
    assert result.screen.rows[0].n == 170
    assert result.final is not None
    assert result.final.terms[1].n_imputed == 28
    assert {"imputed", "missing_values", "patients_lost"} <= codes(result)


def test_training_medians_not_test_values_fill_the_holes() -> None:
    study = build_study(make_cohort(log_hr=0.8), time="time_months", event="event")
    model = develop(study.take(np.arange(100)), alpha=0.05, max_final=1)
    study.features[100:, 0] = np.nan
    held_out = study.take(np.arange(100, 200))
    expected = (model.medians - model.means) / model.sds * model.beta
    np.testing.assert_allclose(model.risk(held_out), np.repeat(expected, 100))


def test_few_patients_and_violated_assumptions_are_told() -> None:
    cohort = make_cohort(n=200, m=20)
    rng = np.random.default_rng(5)
    high = cohort.X[:, 0] > 100
    early = rng.random(200) < 0.5
    time = np.where(high == early, rng.uniform(1, 10, 200), rng.uniform(40, 50, 200))
    cohort.obs["time_months"] = np.where(high, rng.uniform(1, 20, 200), time)
    cohort.obs["event"] = 1
    result = run(cohort)
    assert result.final is not None
    assert "non_proportional_hazards" in codes(result)
    small = run(make_cohort(n=60, m=20))
    assert {"small_cohort", "few_events_per_feature"} <= codes(small)


def test_too_few_events_for_folds_leave_no_validation_but_a_reason() -> None:
    cohort = make_cohort(n=40, m=5)
    cohort.obs["event"] = [1] * 8 + [0] * 32
    result = run(cohort)
    assert result.validation is None
    assert "8 events are too few for 5 folds" in result.validation_reason
    assert "no_validation" in codes(result)


def test_clinical_columns_among_the_features_are_taken_out_of_them() -> None:
    cohort = make_cohort(m=5)
    table = np.column_stack([cohort.X, cohort.obs[["time_months", "event", "age"]]])
    names = [*cohort.var_names, "time_months", "event", "age"]
    flat = anndata.AnnData(
        table, obs=pd.DataFrame(index=cohort.obs_names), var=pd.DataFrame(index=names)
    )
    result = run(flat, covariates=("age",))
    assert result.preflight.n_features == 5


def test_risk_of_a_model_without_terms_is_zero() -> None:
    study = build_study(make_cohort(n=60, m=3), time="time_months", event="event")
    assert (clinical_model(study).risk(study) == 0).all()


def test_time_without_a_unit_is_told() -> None:
    cohort = make_cohort(n=80, m=4)
    cohort.obs["OS"] = cohort.obs["time_months"]
    result = survival(cohort, time="OS", event="event", **FAST)
    assert result.cohort.time_unit == "unknown"
    assert "time_unit_unknown" in codes(result)


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        ("missing column", {"covariates": ("weight",)}, "no column 'weight' .* time_months"),
        ("same column", {"covariates": ("event",)}, "two purposes: event"),
        ("bad alpha", {"alpha": 5}, "alpha is 5"),
        ("bad splits", {"n_splits": 1}, "n_splits is 1"),
        ("bad bootstrap", {"n_bootstrap": 0}, "n_bootstrap is 0"),
        ("twice", {}, "1 patients have more than one row: P000"),
        ("feature twice", {}, "feature names appear twice: f00"),
        ("constant covariate", {"covariates": ("age",)}, "covariates are constant: age"),
        ("infinite", {}, "1 features hold infinite values: f03"),
        ("flat", {}, r"none of 4 features can be tested \(constant\)"),
        ("zero time", {}, "column time_months: 1 of 50 times"),
        ("no events", {}, "column event: 0 events"),
        ("few patients", {}, "8 patients have outcome"),
        ("no features", {}, "50 patients and 0 features"),
    ],
)
def test_impossible_input_is_refused_by_name(
    change: str, options: dict[str, object], match: str
) -> None:
    cohort = broken(change)
    with pytest.raises(CohortError, match=match):
        run(cohort, **options)


def broken(change: str) -> anndata.AnnData:
    cohort = make_cohort(n=50, m=4)
    obs: dict[str, tuple[str, object]] = {
        "constant covariate": ("age", 60.0),
        "zero time": ("time_months", [0.0, *range(1, 50)]),
        "no events": ("event", 0),
        "few patients": ("event", 1),
    }
    if change in obs:
        column, value = obs[change]
        cohort.obs[column] = value
    elif change == "twice":
        cohort.obs.index = ["P000", "P000", *cohort.obs_names[2:]]
    elif change == "feature twice":
        cohort.var.index = ["f00", "f00", "f02", "f03"]
    elif change == "infinite":
        cohort.X[3, 3] = np.inf
    elif change == "flat":
        cohort.X[:] = 1.0
    sizes = {"few patients": np.s_[:8, :], "no features": np.s_[:, :0]}
    return cohort[sizes[change]].copy() if change in sizes else cohort


@pytest.mark.skipif(not WPBC.exists(), reason="shared data (wpbc.csv) is not on this machine")
def test_wisconsin_recurrences() -> None:
    table = pd.read_csv(WPBC, index_col="patient", dtype={"patient": str})
    obs = table[["time_months", "event", "tumor_size_cm", "positive_nodes"]]
    nuclei = table.drop(columns=obs.columns)
    cohort = anndata.AnnData(
        nuclei.to_numpy(float), obs=obs, var=pd.DataFrame(index=nuclei.columns)
    )
    result = run(cohort)
    assert (result.cohort.n, result.cohort.events) == (198, 47)
    rows = {row.feature: row for row in result.screen.rows}
    # 0.6849 by lifelines and scikit-survival; 0.6859 without pairs of equal times (stated: 0.686)
    assert abs(rows["radius_worst"].c_index - 0.6849) < 1e-4
    assert result.screen.rows[0].feature in {"perimeter_worst", "radius_worst", "area_worst"}
    assert result.validation is not None
    assert result.final is not None
    assert result.validation.c_index.value < result.final.apparent_c_index


def test_only_the_planted_feature_is_reported_and_its_searched_cut_is_corrected(
    planted: SurvivalResult,
) -> None:
    assert planted.reported == ("f00",)
    stability = planted.stability
    assert stability is not None
    first = stability.features[0]
    assert (first.feature, first.is_reported, first.beats_artificial) == ("f00", True, True)
    assert len(stability.features) == 40
    assert stability.bound_ss <= 0.5  # the rule whose error rates are counted
    assert max(stability.artificial_highest) < first.frequency
    cut = planted.cut_points[0]
    assert cut.feature == "f00"
    assert cut.searched.p < cut.p_maximal  # the search is paid for
    assert cut.searched.n_low + cut.searched.n_high == cut.n == 200
    assert cut.median.hr.low > 1
    assert cut.p_cross_validated < 0.05


def test_a_cut_fixed_beforehand_is_compared_at_just_that_value(
    planted_study: Callable[..., Study],
) -> None:
    study = planted_study(n=200)
    cut = float(np.quantile(study.features[:, 0], 0.6))
    options = Options(
        alpha=0.05, max_final=1, seed=0, n_bootstrap=1, n_splits=2, n_repeats=1, n_permutations=1,
        n_max_t=20, cuts=known_cuts(study, {study.names[0]: cut}),
    )  # fmt: skip
    (found,) = cut_points(study, np.empty(0, dtype=np.intp), options)
    assert found.prespecified is not None
    above = study.features[:, 0] > cut
    assert (found.prespecified.n_low, found.prespecified.n_high) == ((~above).sum(), above.sum())
    frame = pd.DataFrame({"t": study.outcome.time, "e": study.outcome.event, "high": above * 1.0})
    cox = CoxPHFitter().fit(frame, "t", "e")
    assert found.prespecified.hr.value == pytest.approx(cox.hazard_ratios_["high"], rel=1e-4)
    with pytest.raises(CohortError, match=r"no feature of the cohort; did you mean"):
        known_cuts(study, {study.names[0] + "x": 0.5})
    with pytest.raises(CohortError, match=r"no patient is on one side of the cut-point 9999"):
        known_cuts(study, {study.names[0]: 9999.0})
