from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathexplain.vocabulary import (
    OBJECTS,
    REGIONS,
    STRUCTURES,
    canonical_text,
    closest_terms,
    normalize_phrase,
    parse_text,
)


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("region", ["breast", "colon"])
def test_canonical_texts_read_back_to_themselves(name: str, region: str) -> None:
    term = OBJECTS[name]
    parsed = parse_text(canonical_text(term.structure, name, region))
    assert parsed.term == term
    assert parsed.region == region
    assert parsed.structure == term.structure


def test_no_synonym_means_two_things() -> None:
    owner: dict[str, str] = {}
    for term in OBJECTS.values():
        for phrase in (term.name, *term.synonyms):
            word = normalize_phrase(phrase)
            assert owner.setdefault(word, term.name) == term.name, phrase


def test_every_synonym_finds_its_object() -> None:
    wrong = [
        (phrase, term.name)
        for term in OBJECTS.values()
        for phrase in term.synonyms
        if parse_text(phrase).term != term
    ]
    assert wrong == []


def test_every_region_and_synonym_is_found() -> None:
    wrong = [
        (word, region)
        for region, words in REGIONS.items()
        for word in (region, *words)
        if parse_text(f"nucleus in {word} pathology").region != region
    ]
    assert wrong == []


@given(st.text())
def test_normalizing_twice_is_normalizing_once(text: str) -> None:
    once = normalize_phrase(text)
    assert normalize_phrase(once) == once


def test_structures_are_the_grammar_of_the_prompts() -> None:
    assert {term.structure for term in OBJECTS.values()} <= set(STRUCTURES)


def test_a_typing_slip_is_answered_with_the_word_meant() -> None:
    assert "lymphocyte" in closest_terms("lymphocite")
