"""Folds: no patient and no site on both sides, and refusals that name them."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.diagnosis.splits import Fold, check_folds, folds_named, make_folds
from pathexplain.errors import CohortError


def test_every_patient_is_held_out_once_and_classes_are_balanced():
    codes = np.array([0] * 30 + [1] * 15)
    folds = make_folds(codes, n_splits=5, seed=3)
    held_out = np.sort(np.concatenate([fold.test for fold in folds]))
    np.testing.assert_array_equal(held_out, np.arange(45))
    assert [int(codes[fold.test].sum()) for fold in folds] == [3] * 5


def test_sites_stay_whole():
    rng = np.random.default_rng(1)
    sites = rng.choice(list("abcdefgh"), 80)
    for fold in make_folds(rng.integers(0, 2, 80), groups=sites, n_splits=4):
        assert not set(sites[fold.train]) & set(sites[fold.test])


def test_patient_on_both_sides_is_refused():
    fold = Fold(np.array([0, 1]), np.array([2, 3]))
    with pytest.raises(CohortError, match="patient 'B' trains and is held out in fold 1"):
        check_folds([fold], ["A", "B", "B", "C"])


def test_patient_held_out_twice_is_refused():
    folds = [Fold(np.array([1]), np.array([0])), Fold(np.array([1]), np.array([0]))]
    with pytest.raises(CohortError, match="patient 'A' is held out in an earlier fold too"):
        check_folds(folds, ["A", "B"])


def test_too_few_groups_are_refused():
    with pytest.raises(CohortError, match="2 groups cannot fill 5 folds"):
        make_folds(np.array([0, 1] * 10), groups=np.array(["a", "b"] * 10), n_splits=5)


def test_site_that_holds_a_whole_class_is_refused():
    codes = np.array([0] * 20 + [1] * 10)
    sites = np.array(["a"] * 10 + ["b"] * 10 + ["c"] * 10)
    with pytest.raises(CohortError, match="leaves only 0 rows of a class"):
        make_folds(codes, groups=sites, n_splits=3)


def test_named_folds_are_taken_as_they_are():
    names = np.repeat(["test", "train"], [8, 12])
    first, second = folds_named(names, np.tile([0, 1], 10))
    np.testing.assert_array_equal(first.test, np.arange(8))
    np.testing.assert_array_equal(second.test, first.train)
    with pytest.raises(CohortError, match="all rows are in fold 'x'"):
        folds_named(np.full(20, "x"), np.tile([0, 1], 10))
