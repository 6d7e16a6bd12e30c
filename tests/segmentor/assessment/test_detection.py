"""Matched centres against planted shifts and against trying every assignment."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from pathexplain.errors import ConfigError
from pathexplain.segmentor.assessment.detection import centroids_um, detect, read_centres
from pathexplain.segmentor.datasets.reading import Record


def test_shifts_within_the_radius_match_and_beyond_do_not():
    true = np.array([[0.0, 0.0], [0.0, 40.0], [40.0, 0.0]])
    near = detect(true + np.array([3.0, 4.0]), true)
    assert (near.n_matched, near.precision, near.recall, near.f1) == (3, 1.0, 1.0, 1.0)
    assert detect(true + np.array([0.0, 6.5]), true).f1 == 0.0
    assert detect(true + np.array([0.0, 6.5]), true, radius_um=7.0).f1 == 1.0


def test_one_found_object_answers_one_centre():
    true = np.array([[0.0, 0.0], [0.0, 4.0]])
    found = detect(np.array([[0.0, 2.0]]), true)
    assert (found.precision, found.recall) == (1.0, 0.5)
    assert found.f1 == pytest.approx(2 / 3)


def test_as_many_match_as_can():
    rng = np.random.default_rng(0)
    for _ in range(60):
        found, true = rng.uniform(0, 15, (4, 2)), rng.uniform(0, 15, (4, 2))
        near = np.linalg.norm(found[:, None] - true[None], axis=2) <= 6
        best = max(
            sum(near[i, j] for i, j in enumerate(order))
            for order in itertools.permutations(range(4))
        )
        assert detect(found, true).n_matched == best


def test_nothing_found_and_nothing_there():
    some, none = np.zeros((2, 2)), np.empty((0, 2))
    missed = detect(none, some)
    assert (missed.recall, missed.f1) == (0.0, 0.0)
    assert math.isnan(missed.precision)
    assert math.isnan(detect(none, none).f1)


def test_centroids_are_in_um():
    labels = np.zeros((20, 20), np.int32)
    labels[2:6, 10:14] = 1
    labels[10:12, 0:4] = 2
    np.testing.assert_allclose(centroids_um(labels, mpp=0.5), [[2.0, 6.0], [5.5, 1.0]])
    assert centroids_um(np.zeros((4, 4), np.int32), mpp=0.5).shape == (0, 2)


def test_centres_are_read_by_type_and_all_are_nuclei(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "points.csv").write_text(
        "image,x_px,y_px,type\nimages/a.png,10,20,epithelial\nimages/a.png,30,40,others\n"
        "images/b.png,1,2,fibroblast\n"
    )
    record = Record("crchisto", tmp_path / "images/a.png", None, "points", 0.5, "colon", "", "", "")
    centres = read_centres(record, mpp=0.5)
    np.testing.assert_allclose(centres["epithelial"], [[10.0, 5.0]])
    np.testing.assert_allclose(centres["nucleus"], [[10.0, 5.0], [20.0, 15.0]])
    assert centres["fibroblast"].shape == (0, 2)
    assert "others" not in centres
    elsewhere = Record("crchisto", tmp_path / "a.png", None, "points", 0.5, "colon", "", "", "")
    with pytest.raises(ConfigError, match="no such table of centres"):
        read_centres(elsewhere, mpp=0.5)
