"""The whole analysis on simulated cohorts: planted effects, pure noise, duplicates, leaks."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.linear_model import LogisticRegression

from pathexplain.diagnosis import crossval, importance
from pathexplain.diagnosis.attribution import attribute
from pathexplain.diagnosis.clusters import cluster_features, membership
from pathexplain.diagnosis.crossval import Data, cross_validate
from pathexplain.diagnosis.evaluate import pooled_auroc
from pathexplain.diagnosis.inputs import Columns, read_inputs
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.null import permuted_nulls
from pathexplain.diagnosis.outputs import questions_of
from pathexplain.diagnosis.permutation import permute_clusters
from pathexplain.diagnosis.splits import make_folds
from pathexplain.errors import CohortError, ConfigError
from pathexplain.robustness.reading import ICC_COLUMNS
from pathexplain.serialization import to_jsonable

LINEAR = {
    "models": ["elastic_net"],
    "n_splits": 3,
    "n_permutations": 20,
    "n_bootstrap": 200,
    "n_refits": 10,
}


def table(values, dx, **columns) -> AnnData:
    index = [f"P{i:03}" for i in range(len(values))]
    var = pd.DataFrame({"unit": "um2"}, index=[f"f{i:02}" for i in range(values.shape[1])])
    return AnnData(values, obs=pd.DataFrame({"dx": dx, **columns}, index=index), var=var)


def planted(n=80, p=12, seed=0, **columns) -> AnnData:
    """Features 3 (up) and 7 (down) decide; the rest is noise."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, p))
    score = 2.5 * values[:, 3] - 2.5 * values[:, 7] + rng.logistic(size=n)
    return table(values, np.where(score > 0, "malignant", "benign"), **columns)


@pytest.fixture(scope="module")
def full():
    return importance(
        planted(), target="dx", **{**LINEAR, "models": tuple(MODELS), "n_top": 4, "n_refits": 4}
    )


def test_planted_features_come_first_with_their_direction(full):
    assert full.target.positive == "malignant"
    assert len(full.importances.models) == 3
    for model in full.importances.models:
        first, second = model.features[:2]
        assert {first.feature, second.feature} == {"f03", "f07"}
        direction = {f.feature: f.direction for f in (first, second)}
        assert direction == {"f03": "higher", "f07": "lower"}
        assert {c.cluster for c in model.clusters[:2]} == {"f03", "f07"}
        assert {c.cluster for c in model.clusters if c.permutation_rank <= 2} == {"f03", "f07"}
        assert {c.folds_in_top for c in model.clusters[:2]} == {3}
        assert len(model.beeswarms) == len(model.doses) == 4
    assert {row.cluster for row in full.importances.agreement.rows[:2]} == {"f03", "f07"}
    hits = {t.feature for t in full.univariate if t.q_value < 0.05}
    assert hits >= {"f03", "f07"}


def test_dose_curves_follow_the_planted_sign(full):
    for model in full.importances.models:
        curves = {dose.feature: dose for dose in model.doses}
        assert curves["f03"].probability[-1] > curves["f03"].probability[0] + 0.2
        assert curves["f07"].probability[-1] < curves["f07"].probability[0] - 0.2


def test_result_is_whole_and_json_ready(full):
    written = json.loads(json.dumps(to_jsonable(full), allow_nan=False))
    assert set(written) == {field.name for field in fields(full)}
    assert [m["name"] for m in written["models"]] == list(MODELS)
    for model in full.models:
        assert len(model.predictions) == 80
        for p in model.predictions:
            assert sum(p.probabilities) == pytest.approx(1.0)
    assert full.model("elastic_net").metric("auroc").interval.value > 0.8
    assert sum(fold.n_test for fold in full.folds) == 80


@pytest.mark.parametrize(
    ("models", "n_cohorts"),
    [(["elastic_net"], 4), (["elastic_net", "gradient_boosting"], 1)],
    ids=["linear", "two"],
)
def test_pure_noise_is_hardly_ever_explained(models, n_cohorts):
    """At a level of 0.05 one in twenty may slip through; the benchmark counts 200 cohorts."""
    n_explained = 0
    for seed in range(100, 100 + n_cohorts):
        rng = np.random.default_rng(seed)
        noise = table(rng.normal(size=(40, 8)), rng.permutation(["a", "b"] * 20))
        result = importance(noise, target="dx", **{**LINEAR, "models": models})
        n_explained += result.importances is not None
        if result.importances is None:
            assert result.reason.startswith("No importances")
            assert "not shown to be better than chance" in result.models[0].verdict
    assert n_explained <= 1


def test_permuted_labels_are_compared_with_the_same_fit_on_the_real_ones():
    """A penalty that leaves no feature gives 0.5 on every deal, which no other fit may beat."""
    inputs = read_inputs(planted(), Columns("dx"), n_splits=3)
    folds = make_folds(inputs.codes, n_splits=3)
    none_left, good = (
        cross_validate(
            MODELS["elastic_net"],
            inputs.data(),
            folds=folds,
            seed=0,
            parameters={"l1_ratio": 0.9, "C": c},
        )
        for c in (0.003, 0.1)
    )
    mixed = replace(good, fitted=none_left.fitted)
    assert pooled_auroc(mixed, inputs.codes, inputs.weights) > 0.8
    (null,) = permuted_nulls([mixed], inputs, n_splits=3, n_permutations=20, seed=0)
    assert max(abs(np.array([null.observed, *null.aurocs]) - 0.5)) < 0.05
    assert null.p_value > 0.3
    (null,) = permuted_nulls([good], inputs, n_splits=3, n_permutations=20, seed=0)
    assert null.observed > 0.8
    assert null.p_value == pytest.approx(1 / 21)


def test_order_of_patients_does_not_matter():
    cohort = planted(p=9)
    order = np.random.default_rng(5).permutation(cohort.n_obs)
    first = importance(cohort, target="dx", **LINEAR)
    second = importance(cohort[order].copy(), target="dx", **LINEAR)
    assert to_jsonable(first) == to_jsonable(second)


def with_copies(cohort) -> AnnData:
    """Add four near copies of the informative feature 3."""
    noise = np.random.default_rng(1).normal(size=(80, 4))
    return table(np.hstack([cohort.X, cohort.X[:, [3] * 4] + 1e-3 * noise]), cohort.obs["dx"])


def test_cluster_of_a_duplicated_feature_keeps_its_importance():
    before = importance(planted(), target="dx", **LINEAR).importances.models[0]
    after = importance(with_copies(planted()), target="dx", **LINEAR).importances.models[0]
    alone = next(c for c in before.clusters if c.cluster == "f03")
    together = next(c for c in after.clusters if "f03" in c.features)
    assert set(together.features) == {"f03", "f12", "f13", "f14", "f15"}
    assert together.rank <= 2
    assert together.shap.value > 0.8 * alone.shap.value
    assert together.log_loss_rise.value > 0.8 * alone.log_loss_rise.value
    feature = next(f for f in after.features if f.feature == "f03")
    assert feature.shap.value < 0.6 * alone.shap.value


def test_cluster_of_a_duplicated_feature_keeps_its_importance_in_a_forest():
    codes = (planted().obs["dx"] == "malignant").to_numpy().astype(np.int64)
    folds = make_folds(codes)
    found = []
    for cohort in (planted(), with_copies(planted())):
        run = cross_validate(
            MODELS["random_forest"],
            Data(cohort.X, codes, questions_of(["no", "yes"], "binary")),
            folds=folds,
            seed=0,
            parameters={"n_estimators": 50, "min_samples_leaf": 2},
        )
        clusters = cluster_features(cohort.X, list(cohort.var_names))
        where = next(i for i, cluster in enumerate(clusters) if "f03" in cluster.features)
        members = membership(clusters, list(cohort.var_names))
        shap = attribute(run, cohort.X, seed=0)
        cost = permute_clusters(run, cohort.X, codes, members, n_repeats=3, seed=0)
        found.append(
            (shap.magnitude(members).mean(axis=0)[where], cost.log_loss_rise.mean(axis=0)[where])
        )
        single = shap.magnitude().mean(axis=0)[3]
    (shap_alone, rise_alone), (shap_together, rise_together) = found
    assert shap_together > 0.8 * shap_alone
    assert rise_together > 0.8 * rise_alone
    assert single < 0.6 * shap_alone


def test_selection_outside_the_folds_leaks_and_ours_does_not():
    """On noise, picking the ten best of 500 features with all patients invents an AUROC."""
    rng = np.random.default_rng(11)
    values, codes = rng.normal(size=(50, 500)), np.repeat([0, 1], 25)
    folds = make_folds(codes, n_splits=5)
    gap = np.abs(values[codes == 1].mean(axis=0) - values[codes == 0].mean(axis=0))
    chosen = values[:, np.argsort(-gap)[:10]]
    leaky = np.empty(50)
    for fold in folds:
        model = LogisticRegression().fit(chosen[fold.train], codes[fold.train])
        leaky[fold.test] = model.decision_function(chosen[fold.test])
    wins = leaky[codes == 1][:, None] > leaky[codes == 0]
    data = Data(values, codes, questions_of(["no", "yes"], "binary"))
    ours = cross_validate(MODELS["elastic_net"], data, folds=folds, seed=0)
    assert wins.mean() > 0.85
    assert pooled_auroc(ours, codes, np.ones(50)) < 0.65


def test_three_classes():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(90, 6))
    dx = np.array(["a", "b", "c"])[np.digitize(values[:, 2] * 2 + rng.normal(size=90), [-1, 1])]
    result = importance(table(values, dx), target="dx", **LINEAR)
    (model,) = result.importances.models
    assert model.features[0].feature == "f02"
    assert result.target.positive is None
    assert [curve.class_name for curve in result.models[0].roc] == ["a", "b", "c"]
    assert result.univariate[2].test == "Kruskal-Wallis"
    assert result.univariate[2].q_value < 0.05


def test_sites_stay_whole_and_covariates_are_compared():
    cohort = planted(site=[f"s{i % 8}" for i in range(80)], age=np.arange(80.0))
    result = importance(cohort, target="dx", site="site", covariates=["age"], **LINEAR)
    held_out = [set(fold.test_sites) for fold in result.folds]
    assert sum(len(sites) for sites in held_out) == len(set.union(*held_out)) == 8
    comparison = result.comparison
    assert comparison.covariates == ("age",)
    assert comparison.combined[0].interval.value > comparison.clinical[0].interval.value
    assert comparison.gain.low > 0
    assert comparison.features == result.models[0].metrics


def test_wide_table_with_gaps():
    rng = np.random.default_rng(8)
    cohort = planted(n=60, p=150)
    cohort.X[rng.random(cohort.X.shape) < 0.1] = np.nan
    cohort.X[:, 0] = np.nan
    cohort.X[:, 1] = 4.0
    result = importance(cohort, target="dx", **LINEAR)
    assert result.target.n_features == 150
    assert result.univariate[0].n_tests == 148
    assert any("feature values are missing" in note for note in result.notes)


def test_perfect_feature_is_pointed_out():
    cohort = planted()
    cohort.X[:, 5] = (cohort.obs["dx"] == "malignant") + 0.01 * cohort.X[:, 5]
    result = importance(cohort, target="dx", **LINEAR)
    assert any("first: f05" in note for note in result.notes)
    assert result.importances.models[0].features[0].feature == "f05"


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"target": "grade"}, CohortError, "target column 'grade' is not"),
        ({"groups": "who"}, CohortError, "groups column 'who' is not"),
        ({"site": "where"}, CohortError, "site column 'where' is not"),
        ({"order": ["benign", "bad"]}, ConfigError, "must name each of its classes once"),
        ({"n_refits": 0}, ConfigError, "n_refits is 0"),
        ({"jobs": 0}, ConfigError, "jobs is 0"),
        ({"covariates": ["age"]}, CohortError, "covariate column 'age' is not"),
        ({"n_splits": 60}, CohortError, "too few patients in a class for 60 folds"),
        ({"n_permutations": 10}, ConfigError, "with fewer than 20"),
        ({"models": ["svm"]}, ConfigError, r"unknown models \['svm'\]"),
        ({"n_top": 0}, ConfigError, "n_top is 0"),
    ],
)
def test_bad_requests_are_refused(options, error, match):
    with pytest.raises(error, match=match):
        importance(planted(), **{"target": "dx", **LINEAR, **options})


def of_slides(n=48, n_slides=3, seed=0, **columns) -> AnnData:
    """Several slides a patient: the patient carries the class, the slides vary around it."""
    rng = np.random.default_rng(seed)
    patients = planted(n=n, seed=seed)
    values = np.repeat(patients.X, n_slides, axis=0)
    values = values + 0.6 * rng.normal(size=values.shape)
    who = np.repeat([f"Q{i:02}" for i in range(n)], n_slides)
    return table(values, np.repeat(patients.obs["dx"].to_numpy(), n_slides), who=who, **columns)


def test_slides_of_a_patient_stay_together_and_count_once():
    result = importance(of_slides(n=60), target="dx", groups="who", **LINEAR)
    assert (result.target.n_patients, result.target.n_rows) == (60, 180)
    assert sum(result.target.counts) == 60
    assert {t.n for t in result.univariate} == {60}
    assert {m.n for m in result.models[0].metrics} == {60}
    by_fold = {}
    for one in result.models[0].predictions:
        by_fold.setdefault(one.patient, set()).add(one.fold)
    assert all(len(folds) == 1 for folds in by_fold.values())
    assert {f.feature for f in result.importances.models[0].features[:2]} == {"f03", "f07"}
    assert "60 patients" in result.mixed_model
    found = {t.feature for t in result.mixed if t.q_value < 0.05}
    assert "f03" in found


def test_slides_without_the_patient_are_refused():
    cohort = of_slides()
    cohort.obs["patient_id"] = cohort.obs["who"]
    with pytest.raises(CohortError, match=r"'Q00' has 3 rows .*--groups"):
        importance(cohort, target="dx", **LINEAR)


def test_folds_that_part_a_patient_are_refused():
    cohort = of_slides(split=["train", "train", "test"] * 48)
    with pytest.raises(CohortError, match="'Q00' trains and is held out in fold 1"):
        importance(cohort, target="dx", groups="who", folds="split", **LINEAR)


def test_patient_at_two_sites_is_refused():
    cohort = of_slides(site=["a", "a", "b"] * 48)
    with pytest.raises(CohortError, match="patient 'Q00' is at site 'a' and at site 'b'"):
        importance(cohort, target="dx", groups="who", site="site", **LINEAR)


def test_ordered_classes_are_asked_step_by_step():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(90, 6))
    step = np.digitize(values[:, 2] * 2 + rng.normal(size=90), [-1, 1])
    cohort = table(values, np.array(["low", "mid", "high"])[step])
    result = importance(cohort, target="dx", order=["low", "mid", "high"], **LINEAR)
    assert (result.target.kind, result.target.classes) == ("ordinal", ("low", "mid", "high"))
    assert [curve.class_name for curve in result.models[0].roc] == ["above low", "above mid"]
    (model,) = result.importances.models
    assert model.features[0].feature == "f02"
    assert model.features[0].direction == "higher"
    assert result.models[0].metric("quadratic_kappa").interval.low > 0.3
    assert result.univariate[2].effect_name == "Spearman's rho"
    for one in result.models[0].predictions:
        assert min(one.probabilities) >= 0
        assert sum(one.probabilities) == pytest.approx(1.0)


def test_the_number_of_processes_and_stops_change_nothing(tmp_path, monkeypatch):
    options = {**LINEAR, "n_refits": 6}
    cohort = planted(n=60, site=[f"s{i % 6}" for i in range(60)])
    alone = importance(cohort, target="dx", site="site", **options)

    def run(stop_at=None, **more):
        def stop(stage, done, _total):
            if (stage, done) == stop_at:
                raise KeyboardInterrupt

        return importance(
            cohort, target="dx", site="site", progress=stop, checkpoint=tmp_path, **options, **more
        )

    with pytest.raises(KeyboardInterrupt):
        run(stop_at=("nested cross-validation", 2))
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("fold-*.npy"))) == 2
    searched = []
    search = crossval._search
    monkeypatch.setattr(crossval, "_search", lambda *a, **k: searched.append(1) or search(*a, **k))
    with pytest.raises(KeyboardInterrupt):
        run(stop_at=("stability of ranks", 5))
    assert len(searched) == 1
    assert len(list(folder.glob("null-*.npy"))) == 1 + 20, "the real labels first"
    assert len(list(folder.glob("refit-*.npy"))) == 5
    again = run(jobs=2)
    assert to_jsonable(alone) == to_jsonable(again)
    assert not list(tmp_path.iterdir())


def test_features_that_are_not_robust_are_left_out_with_the_reason(tmp_path):
    rows = [f"f{i:02},all,{0.5 if i == 3 else 0.9}" for i in range(11)]
    full = [*ICC_COLUMNS]
    frame = pd.DataFrame(
        [row.split(",") for row in rows], columns=["feature", "perturbation", "icc"]
    )
    frame.reindex(columns=full).to_csv(tmp_path / "icc.csv", index=False)
    result = importance(planted(), target="dx", robustness=tmp_path, **LINEAR)
    low, unknown = sorted(result.target.dropped, key=lambda one: one.features)
    assert (low.features, unknown.features) == (("f03",), ("f11",))
    assert "below 0.75" in low.reason
    assert "not measured" in unknown.reason
    assert result.target.n_features == 10
    assert {t.feature for t in result.univariate}.isdisjoint({"f03", "f11"})
    with pytest.raises(CohortError, match="all 12 features are left out"):
        importance(planted(), target="dx", robustness=tmp_path, min_icc=0.99, **LINEAR)
