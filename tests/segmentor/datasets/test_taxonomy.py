"""Labels of sources in our words: consistent with the vocabulary, and prompts that parse."""

from pathlib import Path

import pytest

from pathexplain.segmentor.datasets.catalog import CATALOG, REFUSED
from pathexplain.segmentor.datasets.readers import READERS
from pathexplain.segmentor.datasets.taxonomy import TAXONOMY, Category, region_of
from pathexplain.vocabulary import OBJECTS, REGIONS, canonical_text, parse_text

CATEGORIES = [(source, c) for source, found in TAXONOMY.items() for c in found]


@pytest.mark.parametrize(
    ("source", "category"), CATEGORIES, ids=[f"{s}-{c.structure}-{c.name}" for s, c in CATEGORIES]
)
def test_each_category_has_a_prompt_that_says_it(source: str, category: Category) -> None:
    parsed = parse_text(canonical_text(category.structure, category.name, "breast"))
    assert (parsed.structure, parsed.region) == (category.structure, "breast")
    # No word of ours means something else in the vocabulary.
    assert parsed.term is None or parsed.term.name == category.name
    if category.name in OBJECTS:
        assert parsed.term is not None
        assert category.structure in {"cell", parsed.term.structure}


@pytest.mark.parametrize("source", TAXONOMY)
def test_a_source_names_each_category_once_and_no_label_twice_in_one(source: str) -> None:
    found = TAXONOMY[source]
    assert len({(c.structure, c.name) for c in found}) == len(found)
    for category in found:
        words = (*category.labels, *category.unsure)
        assert len(set(words)) == len(words)
        assert words


def test_sources_readers_and_facts_agree() -> None:
    assert set(READERS) | {"folder"} == set(CATALOG)
    assert set(TAXONOMY) == set(CATALOG) - {"folder", "manifest"}
    assert not set(REFUSED) & set(CATALOG)
    for name, info in CATALOG.items():
        assert info.licence
        if name in TAXONOMY:
            assert info.link.startswith("https://")
            assert any(year in info.paper for year in map(str, range(2015, 2027)))


def test_regions_are_the_vocabularys() -> None:
    pannuke = "Adrenal_gland Bladder Breast Cervix Colon Esophagus HeadNeck Kidney Liver Lung"
    pannuke += " Ovarian Pancreatic Prostate Skin Stomach Testis Thyroid Uterus"
    assert {region_of(word) for word in pannuke.split()} <= set(REGIONS)
    assert region_of("ThyroidGland") == "thyroid"
    assert region_of("LymphNodes") == "lymph node"
    assert region_of("oesophagus") == "esophagus"
    assert region_of("Bile-duct") == "bile duct"
    assert region_of("stomach cardia") == "stomach"
    assert region_of("") == "multiple"


def test_the_page_tells_of_every_source() -> None:
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8")
    for name, info in CATALOG.items():
        (section,) = (part for part in page.split("\n### ") if part.startswith(f"`{name}`"))
        assert info.licence in section
        assert info.paper in section
        assert info.link in section
        assert all(category.name in section for category in TAXONOMY.get(name, ()))
    assert all(f"- `{name}`" in page for name in REFUSED)
