"""Metrics against scikit-learn and hand-computed cases."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score

from pathexplain.segmentor.metrics import (
    aggregated_jaccard,
    dice,
    iou,
    object_dice,
    panoptic_quality,
)

MASKS = arrays(bool, (6, 7), elements=st.booleans())
LABELS = arrays(np.int32, (8, 9), elements=st.integers(0, 4))


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS)
def test_dice_is_f1_and_iou_is_jaccard(found, truth):
    if not (found | truth).any():
        assert math.isnan(dice(found, truth))
        assert math.isnan(iou(found, truth))
        return
    assert math.isclose(dice(found, truth), f1_score(truth.ravel(), found.ravel()))
    assert math.isclose(iou(found, truth), jaccard_score(truth.ravel(), found.ravel()))


@settings(max_examples=40, deadline=None)
@given(LABELS)
def test_perfect_is_one_whatever_the_numbers(truth):
    renamed = np.where(truth > 0, 7 - truth, 0).astype(np.int32)
    scores = [
        aggregated_jaccard(renamed, truth),
        panoptic_quality(renamed, truth).quality,
        object_dice(renamed, truth),
    ]
    if truth.any():
        np.testing.assert_allclose(scores, 1.0)
    else:
        assert all(map(math.isnan, scores))


def test_merging_two_objects_costs_what_the_definitions_say():
    truth = np.array([[1] * 4 + [2] * 4], np.int32)
    merged = np.ones((1, 8), np.int32)
    # both true objects take the merged one: intersections 4 + 4, unions 8 + 8
    assert aggregated_jaccard(merged, truth) == 0.5
    # IoU 0.5 is not above 0.5: nothing matches
    assert panoptic_quality(merged, truth).quality == 0.0
    # truth: 2·4/12 each; found: the same
    assert math.isclose(object_dice(merged, truth), 2 / 3)


def test_a_false_object_counts_against_all():
    truth = np.array([[1, 1, 0, 0, 0]], np.int32)
    found = np.array([[1, 1, 0, 2, 2]], np.int32)
    assert aggregated_jaccard(found, truth) == 0.5
    assert math.isclose(panoptic_quality(found, truth).f1, 2 / 3)
    assert object_dice(found, truth) == 0.75
    empty = np.zeros_like(truth)
    assert aggregated_jaccard(found, empty) == 0.0
    assert panoptic_quality(found, empty).quality == 0.0
