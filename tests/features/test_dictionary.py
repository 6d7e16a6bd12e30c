"""The dictionary: complete, in step with what is measured, and the page in step with it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from pathexplain.errors import FeatureError
from pathexplain.features import (
    FAMILIES,
    Column,
    FeatureFamily,
    aggregate_slide,
    feature_dictionary,
    features_markdown,
    measure_objects,
)
from pathexplain.features.comparison import comparison_markdown

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_what_the_registry_says():
    assert PAGE.read_text(encoding="utf-8") == features_markdown(), (
        "docs/features.md is out of date: run `pathexplain features --markdown > docs/features.md`"
    )


def test_every_feature_is_described():
    table = feature_dictionary()
    assert table["name"].is_unique
    assert len(table) == sum(len(family.columns) for family in FAMILIES.values())
    text = table.drop(columns=["prompt", "statistic", "undefined", "peers"]).astype(str)
    assert (text != "").all(axis=None)


def test_every_source_can_be_found():
    found = re.compile(r"doi:10\.\d{4,9}/\S+|arXiv:\d{4}\.\d{5}|PMID \d+|ISBN \d+|\d+:\d+-\d+")
    for family in FAMILIES.values():
        for entry in family.columns:
            own = entry.source.startswith("pathexplain ")  # defined here, by nobody before
            assert own or found.search(entry.source), (entry.name, entry.source)


def test_the_comparison_names_every_feature_once_and_its_peers():
    lines = [line for line in comparison_markdown().splitlines() if line.startswith("| `")]
    names = [line.split("`")[1] for line in lines]
    assert len(set(names)) == len(names)
    stains = [name for name in FAMILIES["stain"].names if ".hematoxylin_" in name]
    others = [name for family in FAMILIES.values() for name in family.names]
    others = [name for name in others if not name.startswith("stain.")]
    assert set(names) == {*others, *(name.replace("hematoxylin", "{stain}") for name in stains)}
    extent = next(line for line in lines if "`shape.extent`" in line)
    assert extent.count("≈") == 0
    perimeter = next(line for line in lines if "`shape.perimeter_um`" in line)
    assert "≈ AreaShape_Perimeter" in perimeter


@pytest.mark.parametrize("kind", ["instances", "region"])
def test_names_are_those_of_the_aggregation(kind):
    labels = np.zeros((40, 40), np.int32)
    labels[5:30, 5:30] = 1
    pixels = np.zeros((40, 40, 3), np.uint8)
    objects = measure_objects(labels, pixels, mpp=0.5, kind=kind)
    table = aggregate_slide({"a": objects}, states={"a": "present"}, tissue_area_mm2=1.0)
    pixels = [name for name, family in FAMILIES.items() if family.compute is not None]
    dictionary = feature_dictionary({"a": kind}, families=pixels)
    assert dictionary["name"].tolist() == table.index.tolist()
    parts = dictionary[["prompt", "family", "feature", "statistic"]]
    assert parts.agg(".".join, axis=1).tolist() == table.index.tolist()


def test_plain_names_are_taken_as_instances():
    assert feature_dictionary(["a"]).equals(feature_dictionary({"a": "instances"}))


def test_values_lie_in_the_declared_range():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.repeat(rng.integers(0, 9, (12, 12)), 9, 0), 9, 1).astype(np.int32)
    pixels = rng.integers(0, 256, (*labels.shape, 3), dtype=np.uint8)
    objects = measure_objects(labels, pixels, mpp=0.5)
    measured = [family for family in FAMILIES.values() if family.compute is not None]
    columns = [column for family in measured for column in family.columns]
    for column, values in zip(columns, objects.values.T, strict=True):
        low, high = column.bounds
        assert (np.isnan(values) | ((values >= low) & (values <= high))).all(), column.name


def column(**changes):
    fields = {
        "name": "x",
        "unit": "1",
        "definition": "d",
        "formula": "f",
        "bounds": (0.0, math.inf),
        "high": "h",
        "low": "l",
        "source": "s",
    }
    return Column(**(fields | changes))


def test_a_column_that_nobody_could_use_is_refused():
    with pytest.raises(FeatureError, match="unit is empty"):
        column(unit="")
    with pytest.raises(FeatureError, match="letters, digits"):
        column(name="a.b")
    with pytest.raises(FeatureError, match="declared twice"):
        FeatureFamily("f", (column(), column()), lambda view: np.zeros((view.n, 2)))
