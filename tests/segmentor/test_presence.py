"""Presence: score and mask together, against closed forms."""

import math

import pytest
import torch

from pathexplain.segmentor.presence import EVIDENCE_PX, PresenceCalibration, mask_evidence


def test_presence_is_the_logistic_of_the_weighted_sum():
    calibration = PresenceCalibration(score=0.5, mask=2.0, offset=-1.0)
    found = calibration(torch.tensor([1.0, 0.0]), torch.tensor([0.25, -3.0]))
    expected = [1 / (1 + math.exp(-(0.5 * s + 2 * m - 1))) for s, m in ((1, 0.25), (0, -3))]
    assert found.tolist() == pytest.approx(expected)


def test_evidence_is_that_of_the_strongest_place_wherever_it_lies():
    side = math.isqrt(EVIDENCE_PX)
    masks = torch.full((2, 40, 40), -4.0)
    masks[0, :side, :side] = 1.5
    masks[1, 40 - side :, 40 - side :] = 1.5
    assert mask_evidence(masks).tolist() == pytest.approx([1.5, 1.5])
    half = masks.clone()
    half[0, : side // 2] = -4.0
    assert mask_evidence(half)[0] == pytest.approx((1.5 - 4.0) / 2)


def test_a_mask_smaller_than_the_evidence_is_its_own_mean():
    assert mask_evidence(torch.tensor([[[1.0, 3.0]]])).tolist() == [2.0]


def test_without_calibration_the_score_stands_alone():
    calibration = PresenceCalibration.from_config(None)
    assert calibration == PresenceCalibration(score=1.0, mask=0.0, offset=0.0)
    assert PresenceCalibration.from_config({"mask": 1}).mask == 1.0
