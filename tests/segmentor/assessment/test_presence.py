"""Presence against scikit-learn, a table by hand, and planted miscalibration."""

import math

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pathexplain.errors import ConfigError
from pathexplain.segmentor.assessment.presence import (
    Pair,
    auroc,
    calibrate,
    calibration_error,
    fit_calibration,
    presence_logit,
    reliability,
    summarise_presence,
)


def test_auroc_is_scikit_learns_also_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(20):
        score, truth = rng.integers(0, 6, 40) / 5, rng.random(40) < 0.4
        assert auroc(score, truth) == pytest.approx(roc_auc_score(truth, score))
    assert math.isnan(auroc([0.1, 0.2], [True, True]))


def test_the_error_of_a_table_by_hand():
    # 20 pairs at 0.05 with 3 there, 10 at 0.55 with 4, 10 at 0.95 with 10
    presence = [0.05] * 20 + [0.55] * 10 + [0.95] * 10
    truth = [True] * 3 + [False] * 17 + [True] * 4 + [False] * 6 + [True] * 10
    expected = (20 * abs(0.05 - 0.15) + 10 * abs(0.55 - 0.4) + 10 * 0.05) / 40
    for n_bins in (10, 15):
        assert calibration_error(presence, truth, n_bins=n_bins) == pytest.approx(expected)
    rows = [row for row in reliability(presence, truth, n_bins=10) if row.n_pairs]
    assert [(row.n_pairs, row.share_there) for row in rows] == [(20, 0.15), (10, 0.4), (10, 1.0)]
    assert [row.mean_presence for row in rows] == pytest.approx([0.05, 0.55, 0.95])


def test_certainty_falls_into_the_last_bin_and_nonsense_is_refused():
    assert reliability([1.0], [True])[-1].n_pairs == 1
    assert calibration_error([1.0, 0.0], [True, False]) == 0
    assert math.isnan(calibration_error([], []))
    with pytest.raises(ConfigError, match=r"\[0, 1\], got 0.5 to 1.5"):
        reliability([0.5, 1.5], [True, False])


def test_a_planted_scale_and_offset_come_back():
    rng = np.random.default_rng(2)
    logit = rng.normal(0, 2, 30_000)
    truth = rng.random(30_000) < expit(0.5 * logit - 1.0)
    presence = expit(logit)
    fit = fit_calibration(presence, truth)
    assert fit.scale == pytest.approx(0.5, abs=0.02)
    assert fit.offset == pytest.approx(-1.0, abs=0.03)
    theirs = LogisticRegression(C=1e8).fit(logit[:, None], truth)
    assert fit.scale == pytest.approx(theirs.coef_[0, 0], abs=1e-3)
    assert fit.offset == pytest.approx(theirs.intercept_[0], abs=1e-3)
    after = calibrate(presence, scale=fit.scale, offset=fit.offset)
    assert fit.error_before == pytest.approx(calibration_error(presence, truth))
    assert fit.error_after == pytest.approx(calibration_error(after, truth))
    assert fit.error_after < 0.01
    assert fit.error_before > 0.1


def test_intervals_are_those_of_pairs_drawn_one_by_one():
    rng = np.random.default_rng(5)
    units = rng.integers(0, 12, 90)
    truth = rng.random(90) < 0.4
    score = np.round(expit(rng.normal(0, 1, 90) + truth), 1)
    pairs = [
        Pair(float(s), is_there=bool(t), is_empty=False, sort="annotated", unit=f"{u:02}")
        for s, t, u in zip(score, truth, units, strict=True)
    ]
    found = summarise_presence(pairs, may_fit=False)
    drawn = []
    for _ in range(600):
        rows = np.concatenate([np.flatnonzero(units == u) for u in rng.integers(0, 12, 12)])
        drawn.append((auroc(score[rows], truth[rows]), calibration_error(score[rows], truth[rows])))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    assert [found.auroc.low, found.auroc.high] == pytest.approx([low[0], high[0]], abs=0.025)
    error = found.calibration_error
    assert [error.low, error.high] == pytest.approx([low[1], high[1]], abs=0.025)


def test_separable_pairs_give_a_finite_fit():
    # Platt's targets: 3 of 4 and 1 of 4 at best
    fit = fit_calibration([0.1, 0.1, 0.9, 0.9], [False, False, True, True])
    assert calibrate([0.9], scale=fit.scale, offset=fit.offset)[0] == pytest.approx(0.75, abs=1e-4)
    assert np.isfinite(presence_logit([0.0, 1.0])).all()
    with pytest.raises(ConfigError, match="2 present and 0 absent"):
        fit_calibration([0.1, 0.2], [True, True])


def test_each_sort_of_pair_is_counted_by_itself():
    pairs = [
        Pair(0.9, is_there=True, is_empty=False, sort="annotated", unit="a"),
        Pair(0.4, is_there=True, is_empty=True, sort="annotated", unit="b"),
        Pair(0.6, is_there=False, is_empty=False, sort="annotated", unit="a"),
        Pair(0.1, is_there=False, is_empty=True, sort="annotated", unit="b"),
        Pair(0.1, is_there=False, is_empty=True, sort="impossible", unit="a"),
        Pair(0.7, is_there=False, is_empty=False, sort="nonsense", unit="a"),
        Pair(0.2, is_there=False, is_empty=True, sort="unseen nonsense", unit="b"),
    ]
    score = summarise_presence(pairs, may_fit=True)
    assert score.auroc.mean == pytest.approx(8 / 10)
    assert score.auroc_annotated.mean == pytest.approx(3 / 4)
    assert (score.auroc.n_images, score.auroc.n_units) == (7, 2)
    shares = (score.empty_annotated, score.empty_impossible, score.empty_nonsense)
    assert [share.mean for share in shares] == [0.5, 1.0, 0.0]
    assert score.empty_unseen_nonsense.mean == 1.0
    assert score.missed.mean == 0.5
    assert score.calibration is not None
    assert summarise_presence(pairs, may_fit=False).calibration is None
    assert summarise_presence(pairs[:2], may_fit=True).calibration is None
