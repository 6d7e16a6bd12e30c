"""How presence is weighed: planted weights, too few pairs, and the same parts that a user gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from pathexplain.prompts import Prompt
from pathexplain.segmentor import phrasing
from pathexplain.segmentor.datasets.reading import IGNORE, Field, read_manifest
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.phrasing import NEVER_TRAINED, NONSENSE
from pathexplain.segmentor.presence_fitting import (
    MIN_PAIRS,
    PresencePairs,
    fit_presence,
    presence_pairs,
)
from pathexplain.vocabulary import OBJECTS, normalize_phrase

NUCLEI = ("nucleus", *OBJECTS["nucleus"].synonyms)
FREE_NUCLEI = {normalize_phrase(form.format(word)) for form in phrasing._FREE for word in NUCLEI}


def pairs(parts, is_there, is_hard=None):
    hard = np.ones(len(is_there), bool) if is_hard is None else is_hard
    return PresencePairs(parts, is_there, hard)


def test_planted_weights_are_found_whatever_the_share_of_easy_pairs():
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(6000, 2))
    is_there = rng.random(6000) < expit(1.5 * parts[:, 0] + 0.5 * parts[:, 1] - 1)
    for share in (0.5, 0.1):
        found = fit_presence(pairs(parts, is_there, rng.random(6000) < share))
        assert found.score == pytest.approx(1.5, abs=0.25)
        assert found.mask == pytest.approx(0.5, abs=0.25)
        assert found.offset == pytest.approx(-1, abs=0.25)


def test_evidence_against_what_is_there_has_no_weight():
    rng = np.random.default_rng(2)
    score = rng.normal(size=1000)
    parts = np.stack([score, -score], axis=1)
    found = fit_presence(pairs(parts, rng.random(1000) < expit(2 * score)))
    assert found.mask == 0.0


def test_too_few_pairs_weigh_nothing():
    is_there = np.arange(200) < MIN_PAIRS - 1
    assert fit_presence(pairs(np.zeros((200, 2)), is_there)) is None
    assert fit_presence(pairs(np.zeros((200, 2)), ~is_there)) is None


def test_parts_make_the_presence_that_a_user_gets(tiny_checkpoint):
    segmentor = NetworkSegmentor.load(str(tiny_checkpoint), device="cpu")
    segmentor.nuclei_mpp = 0.25
    image = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    prompts = [Prompt.from_text(words) for words in ("tumor", "nucleus", "bicycle")]
    parts = segmentor.presence_parts(image, prompts, mpp=0.5)
    presence = segmentor.segment(image, prompts, mpp=0.5).presence
    np.testing.assert_allclose(expit(parts[:, 0]), presence, atol=1e-5)


def test_pairs_are_hard_where_somebody_looked_or_the_nonsense_is_new(manifest):
    """Of centres, rings hide outlines; nonetheless a type without any is absent."""
    nucleus, epithelial, types = (np.zeros((64, 64), np.uint8) for _ in range(3))
    for plane in (nucleus, epithelial, types):
        plane[20:40, 20:40] = IGNORE
    nucleus[28:32, 28:32] = epithelial[28:32, 28:32] = 1
    types[28:32, 28:32] = 0
    uncertain = types.copy()
    uncertain[28:32, 28:32] = IGNORE
    targets = {
        "nucleus": nucleus, "epithelial": epithelial, "fibroblast": types, "lymphocyte": uncertain
    }  # fmt: skip
    image = np.zeros((64, 64, 3), np.uint8)
    field = Field(read_manifest(manifest)[0], image, targets, None, None, ("metastasis",), 0.5)
    asked: list[str] = []

    class Listener:
        def presence_parts(self, _, prompts, *, mpp):
            asked.extend(prompt.object or prompt.text for prompt in prompts)
            return np.zeros((len(prompts), 2))

    for seen, n_fields in ((None, 1), (np.ones((64, 64), bool), 2)):
        asked.clear()
        fields = {"own": [replace(field, seen=seen)] * n_fields}
        found = presence_pairs(Listener(), fields)
        assert len(found.parts) == len(asked)
        told = (found.is_there, found.is_hard)
        told = zip(*(flags.tolist() for flags in told), strict=True)
        pairs = dict(zip(asked, told, strict=True))
        assert pairs["nucleus"] == pairs["epithelial"] == (True, True)
        assert pairs.get("fibroblast") == ((False, True) if seen is not None else None)
        assert "lymphocyte" not in pairs
        assert pairs["metastasis"] == (False, False)
        new, known = ({w for w in words if w in pairs} for words in (NEVER_TRAINED, NONSENSE))
        assert len(new) == len(known) == 2 * n_fields
        assert {pairs[words] for words in new} == {(False, True)}
        free = [words for words in pairs if words in FREE_NUCLEI]
        assert {pairs[words] for words in free} == {(True, True)}
        assert {pairs[words] for words in known} == {(False, False)}
