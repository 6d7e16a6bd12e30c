"""Intervals against theory: whole patients, ratios, and what is undefined."""

import math

import numpy as np
import pytest
from scipy import stats

from pathexplain.segmentor.assessment.intervals import mean_score, ratio_score


def test_identical_images_of_a_patient_count_once():
    values = np.repeat(np.linspace(0.5, 0.9, 25), 10)
    patients = np.repeat([f"p{i}" for i in range(25)], 10).tolist()
    whole = mean_score(values, patients)
    naive = mean_score(values, [str(i) for i in range(250)])
    assert whole.mean == pytest.approx(0.7)
    assert naive.mean == pytest.approx(0.7)
    assert (whole.n_images, whole.n_units, naive.n_units) == (250, 25, 250)
    # ten copies carry the information of one: intervals are √10 times as wide
    ratio = (whole.high - whole.low) / (naive.high - naive.low)
    assert ratio == pytest.approx(math.sqrt(10), rel=0.12)


def test_the_interval_of_many_images_is_that_of_the_normal_theory():
    values = np.random.default_rng(1).normal(0.6, 0.1, 400)
    score = mean_score(values, [str(i) for i in range(400)])
    low, high = stats.norm.interval(0.95, values.mean(), values.std() / 20)
    assert score.low == pytest.approx(low, abs=0.002)
    assert score.high == pytest.approx(high, abs=0.002)


def test_a_ratio_is_of_sums_and_its_interval_that_of_resampled_sums():
    above, below = [1.0, 2.0, 9.0, math.nan], [2.0, 2.0, 10.0, 1.0]
    score = ratio_score(above, below, ["a", "b", "c", "d"])
    assert score.mean == pytest.approx(12 / 14)
    assert score.low == pytest.approx(1 / 2, abs=0.1)
    assert score.high == pytest.approx(1.0)
    assert (score.n_images, score.n_units) == (3, 3)


def test_what_is_undefined_is_nan():
    empty = mean_score([math.nan], ["a"])
    assert math.isnan(empty.mean)
    assert empty.n_images == 0
    alone = mean_score([0.4, 0.6], ["a", "a"])
    assert alone.mean == 0.5
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    assert math.isnan(ratio_score([0.0], [0.0], ["a"]).mean)


def test_the_seed_decides():
    values, units = np.arange(99.0) ** 2, [str(i) for i in range(99)]
    assert mean_score(values, units, seed=3) == mean_score(values, units, seed=3)
    assert mean_score(values, units, seed=3) != mean_score(values, units, seed=4)
