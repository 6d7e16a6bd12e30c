"""Scores against scikit-learn, weights against repeated rows, and the blind model at one half."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    roc_auc_score,
)

from pathexplain.diagnosis.crossval import CrossValidated
from pathexplain.diagnosis.draws import draw_counts, permute_labels
from pathexplain.diagnosis.evaluate import (
    auprc,
    auroc,
    balanced_accuracy,
    brier,
    calibration_curves,
    quadratic_kappa,
    roc_curves,
    score_model,
)
from pathexplain.diagnosis.models import MODELS
from pathexplain.diagnosis.outputs import questions_of


@pytest.fixture
def binary():
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 2, 60)
    p = np.clip(0.3 * codes + 0.7 * rng.random(60), 0.01, 0.99).round(1)
    return np.column_stack([1 - p, p]), codes


def resampling_weights(codes, *, n_bootstrap, seed):
    patients = np.arange(len(codes)).astype(str)
    return draw_counts(patients, codes.astype(str), n_draws=n_bootstrap, seed=seed)


def run_of(probabilities, codes):
    shares = np.bincount(codes) / len(codes)
    asked = questions_of(["no", "yes"], "binary")
    return CrossValidated(
        MODELS["elastic_net"], asked, (), probabilities, np.tile(shares, (len(codes), 1))
    )


def test_binary_scores_equal_scikit_learn(binary):
    p, codes = binary
    once = np.ones((1, len(codes)))
    assert auroc(p, codes, once)[0] == pytest.approx(roc_auc_score(codes, p[:, 1]))
    assert auprc(p, codes, once)[0] == pytest.approx(average_precision_score(codes, p[:, 1]))
    assert brier(p, codes, once)[0] == pytest.approx(brier_score_loss(codes, p[:, 1]))
    expected = balanced_accuracy_score(codes, p.argmax(axis=1))
    assert balanced_accuracy(p, codes, once)[0] == pytest.approx(expected)


def test_multiclass_auroc_equals_scikit_learn():
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 3, 90)
    p = rng.dirichlet(np.ones(3), 90) + np.eye(3)[codes] * 0.3
    p /= p.sum(axis=1, keepdims=True)
    expected = roc_auc_score(codes, p, multi_class="ovr", average="macro")
    assert auroc(p, codes, np.ones((1, 90)))[0] == pytest.approx(expected)


@pytest.mark.parametrize("score", [auroc, auprc, balanced_accuracy, brier])
def test_a_weight_of_two_is_a_patient_twice(score, binary):
    p, codes = binary
    rows = np.random.default_rng(0).integers(0, len(codes), len(codes))
    weights = np.bincount(rows, minlength=len(codes))[None, :].astype(float)
    again = score(p[rows], codes[rows], np.ones((1, len(rows))))[0]
    assert score(p, codes, weights)[0] == pytest.approx(again)


def test_blind_model_has_half_auroc_although_folds_differ():
    priors = np.repeat([[0.6, 0.4], [0.5, 0.5]], 10, axis=0)
    codes = np.array([0, 1] * 10)
    scores = questions_of(["no", "yes"], "nominal").scores(priors, priors)
    assert auroc(scores, codes, np.ones((1, 20)))[0] == 0.5


def test_resamples_keep_the_classes():
    codes = np.array([0] * 20 + [1] * 3)
    weights = resampling_weights(codes, n_bootstrap=50, seed=0)
    assert set(weights[:, codes == 1].sum(axis=1)) == {3.0}


def test_interval_contains_the_score_and_chance_is_stated(binary):
    p, codes = binary
    weights = resampling_weights(codes, n_bootstrap=200, seed=0)
    scored = score_model(run_of(p, codes), codes, np.ones(60), weights, n=60)
    metrics = {m.name: m for m in scored}
    for metric in metrics.values():
        assert metric.interval.low <= metric.interval.value <= metric.interval.high
    share = codes.mean()
    assert metrics["auprc"].chance == pytest.approx(share)
    assert metrics["brier"].chance == pytest.approx(share * (1 - share))


def test_bootstrap_interval_is_near_the_closed_form_error(binary):
    """Hanley and McNeil (1982) give the standard error of an AUROC in closed form."""
    rng = np.random.default_rng(9)
    codes = np.repeat([0, 1], 200)
    s = rng.normal(size=400) + codes
    scores = np.column_stack([-s, s])
    a = auroc(scores, codes, np.ones((1, 400)))[0]
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    se = np.sqrt((a * (1 - a) + 199 * (q1 - a**2) + 199 * (q2 - a**2)) / 200**2)
    resampled = auroc(scores, codes, resampling_weights(codes, n_bootstrap=1000, seed=0))
    assert resampled.std() == pytest.approx(se, rel=0.15)


def test_roc_curve_integrates_to_its_auroc(binary):
    p, codes = binary
    (curve,) = roc_curves(run_of(p, codes), codes, np.ones(60))
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert curve.class_name == "yes"
    assert area == pytest.approx(curve.auroc)


def test_calibration_bins_hold_every_patient_once(binary):
    p, codes = binary
    patients = np.arange(60).astype(str)
    (curve,) = calibration_curves(run_of(p, codes), codes, np.ones(60), patients)
    assert sum(point.n for point in curve.points) == len(codes)
    total = sum(point.n * point.observed.value for point in curve.points)
    assert total == pytest.approx(codes.sum())


def test_quadratic_kappa_equals_scikit_learn():
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 4, 80)
    scores = rng.random((80, 4)) + np.eye(4)[codes] * 0.5
    expected = cohen_kappa_score(codes, scores.argmax(axis=1), weights="quadratic")
    assert quadratic_kappa(scores, codes, np.ones((1, 80)))[0] == pytest.approx(expected)


def test_draws_take_patients_whole():
    patients = np.array(["a", "a", "b", "c", "c", "c"])
    strata = np.array(["0", "0", "0", "1", "1", "1"])
    counts = draw_counts(patients, strata, n_draws=40, seed=0)
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 3] == counts[:, 5]).all()
    assert (counts[:, 3] == 1).all()
    assert (counts[:, 0] + counts[:, 2] == 2).all()


def test_weights_of_rows_make_each_patient_count_once():
    """Two identical rows of half weight are one row."""
    rng = np.random.default_rng(2)
    codes = np.repeat([0, 1], 20)
    p = np.clip(0.3 * codes + 0.7 * rng.random(40), 0.01, 0.99)
    p = np.column_stack([1 - p, p])
    once = np.ones((1, 40))
    twice = np.repeat(np.arange(40), np.where(np.arange(40) % 3 == 0, 2, 1))
    halves = 1 / np.bincount(twice)[twice]
    for score in (auroc, auprc, brier):
        again = score(p[twice], codes[twice], halves[None])[0]
        assert score(p, codes, once)[0] == pytest.approx(again)


def test_dealt_labels_keep_patients_of_one_class_whole():
    patients = np.repeat([f"p{i}" for i in range(9)], [3, 1, 2] * 3)
    codes = (patients < "p4").astype(np.int64)
    dealt = permute_labels(codes, patients, np.random.default_rng(1))
    by_patient = [set(dealt[patients == name]) for name in np.unique(patients)]
    assert all(len(found) == 1 for found in by_patient)
    assert sum(1 in found for found in by_patient) == 4
    assert (dealt != codes).any()


def test_dealt_labels_keep_their_numbers_where_patients_have_both_classes():
    patients = np.repeat([f"p{i}" for i in range(10)], 3)
    codes = np.where(np.arange(30) < 15, 0, 1)
    codes[1] = 1
    dealt = permute_labels(codes, patients, np.random.default_rng(2))
    assert dealt.sum() == codes.sum()
    is_mixed = [len(set(dealt[patients == name])) == 2 for name in np.unique(patients)]
    assert sum(is_mixed) == 1
