"""Fixed wordings: fresh where they say so, and planted answers that come back as ratios."""

import numpy as np
import pytest

from pathexplain.segmentor.assessment.wordings import (
    EVERY,
    FREE,
    LISTED,
    PLURALS,
    measure_wordings,
    summarise_wordings,
    wordings,
)
from pathexplain.segmentor.phrasing import paraphrases
from pathexplain.vocabulary import OBJECTS, REGIONS, normalize_phrase, parse_text


def test_every_object_has_free_wordings_that_training_never_draws():
    assert set(FREE) == set(OBJECTS)
    for name, texts in FREE.items():
        known = {phrase for region in REGIONS for phrase in paraphrases(name, region)}
        assert known.isdisjoint({normalize_phrase(text) for text in texts})
        assert len(texts) == 2


def test_all_other_wordings_are_in_the_vocabulary():
    assert set(PLURALS) <= set(OBJECTS)
    for name in OBJECTS:
        for way, text in wordings(name, "breast"):
            if way != "free":
                term = parse_text(text).term
                assert term is not None, text
                assert term.name == name, text


def test_planted_losses_come_back(planted, make_field):
    truth = np.zeros((40, 40), bool)
    truth[:, 20:] = True

    def plan(prompt, image, mpp):
        found = truth.astype(float)
        if "muscularis" in prompt.text:  # one of two synonyms finds nothing
            found[:] = 0
        if prompt.structure is None and prompt.text.isupper():  # raw capitals find half
            found[:20] = 0
        return found, 0.9

    field = make_field({"smooth muscle": truth})
    scores = {
        (s.object, s.way, s.reading): s
        for s in summarise_wordings(measure_wordings(planted(plan, sha="x"), field))
    }
    n_texts = len(wordings("smooth muscle", "colon"))
    for object_name in ("smooth muscle", EVERY):
        assert scores[object_name, "synonym", "vocabulary"].ratio.mean == 0.5
        assert scores[object_name, "case", "vocabulary"].ratio.mean == 1
        case = scores[object_name, "case", "raw"].ratio.mean
        assert case == pytest.approx((2 / 3 + 1) / 2)
        assert scores[object_name, EVERY, "vocabulary"].n_wordings == n_texts
        assert scores[object_name, LISTED, "vocabulary"].n_wordings == n_texts - 2
        listed = scores[object_name, LISTED, "vocabulary"].ratio.mean
        assert listed == pytest.approx((n_texts - 3) / (n_texts - 2))


def test_a_backend_without_weights_reads_no_words(planted, make_field):
    truth = np.zeros((40, 40), bool)
    truth[:, 20:] = True
    model = planted(lambda prompt, image, mpp: (truth.astype(float), 0.9))
    trials = measure_wordings(model, make_field({"tumor": truth}))
    assert {trial.reading for trial in trials} == {"vocabulary"}
    assert measure_wordings(model, make_field({"tumor": np.zeros((40, 40))})) == ()
