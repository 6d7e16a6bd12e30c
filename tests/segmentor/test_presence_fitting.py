"""How presence is weighed: planted weights, too few pairs, and the same parts that a user gets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from pathexplain.prompts import Prompt
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.presence_fitting import MIN_PAIRS, fit_presence


def test_planted_weights_are_found_whatever_the_share_of_easy_pairs():
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(6000, 2))
    is_there = rng.random(6000) < expit(1.5 * parts[:, 0] + 0.5 * parts[:, 1] - 1)
    for share in (0.5, 0.1):
        found = fit_presence(parts, is_there, rng.random(6000) < share)
        assert found.score == pytest.approx(1.5, abs=0.25)
        assert found.mask == pytest.approx(0.5, abs=0.25)
        assert found.offset == pytest.approx(-1, abs=0.25)


def test_evidence_against_what_is_there_has_no_weight():
    rng = np.random.default_rng(2)
    score = rng.normal(size=1000)
    parts = np.stack([score, -score], axis=1)
    found = fit_presence(parts, rng.random(1000) < expit(2 * score), np.ones(1000, bool))
    assert found.mask == 0.0


def test_too_few_pairs_weigh_nothing():
    is_there = np.arange(200) < MIN_PAIRS - 1
    assert fit_presence(np.zeros((200, 2)), is_there, np.ones(200, bool)) is None
    assert fit_presence(np.zeros((200, 2)), ~is_there, np.ones(200, bool)) is None


def test_parts_make_the_presence_that_a_user_gets(tiny_checkpoint):
    segmentor = NetworkSegmentor.load(str(tiny_checkpoint), device="cpu")
    segmentor.nuclei_mpp = 0.25
    image = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    prompts = [Prompt.from_text(words) for words in ("tumor", "nucleus", "bicycle")]
    parts = segmentor.presence_parts(image, prompts, mpp=0.5)
    presence = segmentor.segment(image, prompts, mpp=0.5).presence
    np.testing.assert_allclose(expit(parts[:, 0]), presence, atol=1e-5)
