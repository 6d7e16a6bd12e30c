"""SHAP: additivity, closed forms, shap's own explainer; grouped permutation in closed form."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from pathexplain.diagnosis.attribution import attribute, attribute_rows, linear_shap
from pathexplain.diagnosis.conditional import outside_residuals
from pathexplain.diagnosis.crossval import Data, cross_validate
from pathexplain.diagnosis.dose import dose_curve
from pathexplain.diagnosis.margins import margin, probabilities_from, start_moving
from pathexplain.diagnosis.models import MODELS, FoldPreparer
from pathexplain.diagnosis.outputs import questions_of
from pathexplain.diagnosis.permutation import permute_clusters
from pathexplain.diagnosis.splits import make_folds
from pathexplain.errors import FitError

PARAMETERS = {
    "elastic_net": {"C": 0.3, "l1_ratio": 0.1},
    "random_forest": {"n_estimators": 30, "min_samples_leaf": 2},
    "gradient_boosting": {"n_estimators": 20, "max_leaf_nodes": 4},
}


def planted(n=90, p=8, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, p))
    score = 2 * values[:, 0] - values[:, 1] + rng.logistic(size=n) * 0.5
    codes = np.digitize(score, np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[:, -1] = 3.0
    return values, codes.astype(np.int64)


KINDS = ["binary", "nominal", "ordinal"]


def fit(name, values, codes, n_splits=3, kind="binary"):
    asked = questions_of([f"c{k}" for k in range(codes.max() + 1)], kind)
    folds = make_folds(codes, n_splits=n_splits, seed=0)
    data = Data(values, codes, asked)
    return cross_validate(MODELS[name], data, folds=folds, seed=0, parameters=PARAMETERS[name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(MODELS))
def test_shap_adds_up_to_the_margin_of_every_held_out_patient(name, kind):
    values, codes = planted(n_classes=2 if kind == "binary" else 3)
    run = fit(name, values, codes, kind=kind)
    shap = attribute(run, values, seed=0)
    for fitted in run.fitted:
        prepare, model = fitted.pipeline[0], fitted.pipeline[-1]
        train = prepare.transform(values[fitted.fold.train])
        output = margin(model, prepare.transform(values[fitted.fold.test]))
        base = margin(model, train).mean(axis=0)
        total = shap.values[fitted.fold.test].sum(axis=1)
        np.testing.assert_allclose(base + total, output, atol=1e-6)
    assert shap.additivity_error < 1e-6


@pytest.mark.parametrize("name", list(MODELS))
def test_constant_feature_has_no_attribution_and_signal_comes_first(name):
    values, codes = planted()
    magnitude = attribute(fit(name, values, codes), values, seed=0).magnitude().mean(axis=0)
    assert magnitude[-1] == 0.0
    assert magnitude.argmax() == 0


def test_linear_shap_is_coefficient_times_distance_from_the_mean():
    values, codes = planted()
    run = fit("elastic_net", values, codes)
    shap = attribute(run, values, seed=0)
    fitted = run.fitted[0]
    train, test = values[fitted.fold.train][:, :7], values[fitted.fold.test][:, :7]
    median = np.nanmedian(train, axis=0)
    full = np.where(np.isnan(train), median, train)
    slope = fitted.pipeline[-1].coef_[0] / full.std(axis=0)
    expected = slope * (np.where(np.isnan(test), median, test) - full.mean(axis=0))
    np.testing.assert_allclose(shap.values[fitted.fold.test][:, :7, 0], expected, atol=1e-5)


def test_linear_shap_equals_the_shap_library():
    values, codes = planted()
    run = fit("elastic_net", values, codes)
    prepare, model = run.fitted[0].pipeline[0], run.fitted[0].pipeline[-1]
    train = prepare.transform(values[run.fitted[0].fold.train])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning)
        import shap
    theirs = shap.LinearExplainer(model, shap.maskers.Independent(train, max_samples=len(train)))
    ours, base = linear_shap(model, train[:5], train)
    np.testing.assert_allclose(ours[:, :, 0], theirs.shap_values(train[:5]), atol=1e-9)
    assert base[0] == pytest.approx(float(theirs.expected_value))


def test_cluster_magnitude_sums_before_the_absolute_value():
    values, codes = planted()
    shap = attribute(fit("elastic_net", values, codes), values, seed=0)
    table = np.zeros((8, 1), dtype=bool)
    table[[0, 1]] = True
    expected = np.abs(shap.values[:, 0, 0] + shap.values[:, 1, 0])
    np.testing.assert_allclose(shap.magnitude(table)[:, 0], expected)


@pytest.mark.parametrize("name", list(MODELS))
def test_permutation_finds_what_the_model_uses_and_nothing_else(name):
    values, codes = planted()
    run = fit(name, values, codes)
    table = np.eye(8, dtype=bool)
    cost = permute_clusters(run, values, codes, table, n_repeats=5, seed=0)
    rise = cost.log_loss_rise.mean(axis=0)
    assert rise.argmax() == 0
    assert cost.auroc_drop.argmax() == 0
    assert rise[-1] == 0.0
    assert cost.auroc_drop[-1] == 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(MODELS))
def test_moved_margins_are_those_of_the_moved_rows(name, kind):
    """Only some terms are computed again; the model itself computes all."""
    values, codes = planted(n_classes=2 if kind == "binary" else 3)
    fitted = fit(name, values, codes, kind=kind).fitted[0]
    prepare, model = fitted.pipeline[0], fitted.pipeline[-1]
    rows = prepare.transform(values[fitted.fold.test])
    members = np.array([0, 3])
    changed = np.stack([rows[::-1, members], rows[:, members] + 1.0])
    changed = changed.astype(np.float32).astype(np.float64)
    after = start_moving(model, rows).after(changed, members)
    for new, found in zip(changed, after, strict=True):
        whole = rows.copy()
        whole[:, members] = new
        np.testing.assert_allclose(found, margin(model, whole), atol=1e-9)
        expected = model.predict_proba(whole)
        np.testing.assert_allclose(probabilities_from(model, found), expected, atol=1e-9)


def test_outside_residuals_are_those_of_least_squares():
    rng = np.random.default_rng(3)
    train = rng.normal(size=(20_000, 3)) @ rng.normal(size=(3, 3))
    (found,) = outside_residuals(train, train[:50], [np.array([0, 1])])
    design = np.column_stack([np.ones(len(train)), train[:, 2]])
    slope, *_ = np.linalg.lstsq(design, train[:, :2], rcond=None)
    np.testing.assert_allclose(found, train[:50, :2] - design[:50] @ slope, atol=0.02)


def test_outside_residuals_are_the_same_by_either_inverse():
    rng = np.random.default_rng(4)
    train = rng.normal(size=(40, 60)) @ (np.eye(60) + 0.3 * rng.normal(size=(60, 60)))
    clusters = [np.array([0, 7]), np.array([3])]
    narrow = outside_residuals(train, train[:5], clusters)
    from sklearn.covariance import ledoit_wolf

    precision = np.linalg.inv(ledoit_wolf(train)[0])
    centered = train[:5] - train.mean(axis=0)
    for members, found in zip(clusters, narrow, strict=True):
        block = np.linalg.inv(precision[np.ix_(members, members)])
        np.testing.assert_allclose(found, (centered @ precision)[:, members] @ block, atol=1e-8)


def test_conditional_importance_is_what_nothing_else_can_replace():
    """A copy of the deciding feature, outside its cluster, takes what was its own to tell."""
    values, codes = planted(n=200)
    values[:, 2] = values[:, 0] + 0.05 * np.random.default_rng(1).normal(size=200)
    table = np.eye(8, dtype=bool)
    run = fit("elastic_net", values, codes)
    plain, given = (
        permute_clusters(run, values, codes, table, n_repeats=5, seed=0, is_conditional=c)
        for c in (False, True)
    )
    together = plain.log_loss_rise.mean(axis=0)[[0, 2]].sum()
    assert together > 0.2
    assert given.log_loss_rise.mean(axis=0)[[0, 2]].sum() < 0.1 * together
    alone = [cost.log_loss_rise.mean(axis=0)[1] for cost in (plain, given)]
    assert alone[1] == pytest.approx(alone[0], rel=0.25)


def test_permuting_all_but_one_value_of_a_fold_matches_brute_force():
    values, codes = planted()
    run = fit("elastic_net", values, codes)
    table = np.array([[True], [True], *[[False]] * 6])
    cost = permute_clusters(run, values, codes, table, n_repeats=400, seed=0)
    fold = run.fitted[0].fold
    x, y = values[fold.test], codes[fold.test]
    losses = []
    for i in range(len(x)):
        moved = np.tile(x[i], (len(x), 1))
        moved[:, :2] = x[:, :2]
        p = run.fitted[0].pipeline.predict_proba(moved)[:, y[i]]
        losses.append(-np.log(p).mean())
    before = -np.log(run.probabilities[fold.test, y])
    expected = np.mean(np.array(losses) - before)
    assert cost.log_loss_rise[fold.test].mean() == pytest.approx(expected, rel=0.1)


def test_dose_curve_of_a_linear_probability_is_a_straight_line():
    """Accumulated effects of p = 0.5 + a x are a x, whatever correlates with x (Apley 2020)."""
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, size=(400, 2))
    values[:, 1] = values[:, 0] + 0.1 * rng.normal(size=400)
    codes = np.tile([0, 1], 200)
    run = fit("elastic_net", values, codes)
    for fitted in run.fitted:
        fitted.pipeline.predict_proba = lambda x: np.column_stack(
            [0.5 - x[:, 0] / 4, 0.5 + x[:, 0] / 4]
        )
    ones = np.ones(400)
    curve = dose_curve(
        run,
        values,
        i_feature=0,
        i_question=0,
        feature="a",
        unit="um",
        class_name="yes",
        base=ones,
        weights=ones[None],
    )
    slope = np.diff(curve.probability) / np.diff(curve.grid)
    np.testing.assert_allclose(slope, 0.25, atol=1e-9)
    assert sum(curve.support) == 400
    level = run.probabilities[:, 1].mean()
    halves = (np.array(curve.probability[1:]) + curve.probability[:-1]) / 2
    assert np.average(halves, weights=curve.support[1:]) == pytest.approx(level)


def test_preparer_learns_from_training_patients_only():
    train = np.array([[1.0, np.nan, 2.0], [3.0, np.nan, 2.0], [8.0, 1.0, 2.0]])
    prepare = FoldPreparer().fit(train)
    assert prepare.kept_.tolist() == [True, False, False]
    moved = prepare.transform(np.array([[np.nan, 9.0, 9.0]]))
    assert moved[0, 0] == pytest.approx((3 - 4) / np.std([1, 3, 8]), abs=2**-17)


def test_a_feature_that_varies_by_rounding_alone_is_constant():
    """Scaled by an sd of 1e-17, a held-out patient who differs would drown all other features."""
    flat = np.where(np.arange(9) % 2, 0.75, np.nextafter(0.75, 1))
    small = 1e-12 * np.arange(9.0)  # small, not constant
    prepare = FoldPreparer().fit(np.column_stack([flat, small]))
    assert prepare.kept_.tolist() == [False, True]


def test_fold_without_usable_feature_says_so():
    with pytest.raises(FitError, match="all 2 are constant or missing"):
        FoldPreparer().fit(np.array([[1.0, np.nan], [1.0, np.nan]]))


def test_a_threshold_between_neighbors_of_float32_is_followed_the_same_way_by_all():
    """Real nuclei: without rounding, shap takes another branch in one tree for some patients."""
    table = load_breast_cancer()
    sites = np.array([f"H{i % 7}" for i in range(len(table.target))])
    fold = make_folds(table.target, groups=sites, n_splits=5, seed=0)[1]
    data = Data(table.data, table.target.astype(np.int64), questions_of(["yes", "no"], "binary"))
    chosen = {"n_estimators": 100, "min_samples_leaf": 2}
    run = cross_validate(MODELS["random_forest"], data, folds=[fold], seed=0, parameters=chosen)
    part = attribute_rows(
        run.fitted[0].pipeline,
        table.data[fold.train],
        table.data[fold.test],
        seed=0,
        max_background=10,
    )
    assert part[1] < 1e-6
