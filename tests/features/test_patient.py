"""Each rule by which slides become a patient, against totals over both slides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pathexplain.errors import FeatureError
from pathexplain.features import FAMILIES, aggregate_patient
from pathexplain.features.patient import combination

TISSUE_MM2 = {"S1": 3.0, "S2": 9.0}


def combine(slides):
    found = aggregate_patient(
        slides, patient=dict.fromkeys(slides.index, "P"), tissue_area_mm2=TISSUE_MM2
    )
    return found.table.loc["P"]


def two(pairs):
    return combine(pd.DataFrame(pairs, index=["S1", "S2"]))


def weighted_columns():
    """Every slide number with a denominator of its own: subject, family, name, weight."""
    subject = {"context": "cell-tumor", "til": "cell"}
    return [
        (subject.get(family.name, "cell"), family.name, column.name, column.weight)
        for family in FAMILIES.values()
        for column in family.slide_columns
        if column.weight
    ]


def summed_columns():
    return [
        f"{'cell-tumor' if family.of_pairs else 'cell'}.{family.name}.{column.name}.total"
        for family in FAMILIES.values()
        for column in family.slide_columns
        if column.across == "sum"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "cell.shape.area_um2.median", "cell.stain.eosin_mean.sd", "cell.aggregate.area_share.total",
        "cell.neighborhood.ripley_l_25um.total", "cell.region.entropy.total",
        "cell-tumor.context.infiltration.total", "cell-tumor.context.distance_um.p10",
    ],
)  # fmt: skip
def test_a_mean_is_weighted_by_tissue(name):
    assert two({name: [2.0, 6.0]})[name] == (3 * 2 + 9 * 6) / 12
    assert two({name: [np.nan, 6.0]})[name] == 6
    assert np.isnan(two({name: [np.nan, np.nan]})[name])


@pytest.mark.parametrize(
    "name",
    ["cell.aggregate.n.total", "cell@tumor.aggregate.n.total",
     "cell@tumor.aggregate.window_mm2.total", *summed_columns()],
)  # fmt: skip
def test_counts_areas_and_lengths_are_summed(name):
    assert two({name: [2.5, 6.0]})[name] == 8.5
    assert two({name: [0.0, 0.0]})[name] == 0
    assert np.isnan(two({name: [np.nan, np.nan]})[name])


def test_a_density_in_the_tissue_is_all_objects_over_all_tissue():
    n, mm2 = np.array([30.0, 18.0]), np.array([3.0, 9.0])
    name = "cell.aggregate.density_per_mm2.total"
    assert two({name: n / mm2})[name] == pytest.approx(48 / 12)


@pytest.mark.parametrize("place", ["tumor", "tumor~100um", "tumor-stroma~50um"])
def test_a_place_has_its_own_denominators(place):
    n, everywhere, window = np.array([4.0, 9.0]), np.array([10.0, 90.0]), np.array([0.5, 0.25])
    subject = f"cell@{place}.aggregate"
    found = two(
        {
            f"{subject}.n.total": n,
            f"{subject}.density_per_mm2.total": n / window,
            f"{subject}.share.total": n / everywhere,
            f"{subject}.window_mm2.total": window,
            "cell.aggregate.n.total": everywhere,
            f"cell@{place}.shape.area_um2.mean": [10.0, 40.0],
        }
    )
    assert found[f"{subject}.density_per_mm2.total"] == pytest.approx(13 / 0.75)
    assert found[f"{subject}.share.total"] == pytest.approx(13 / 100)
    assert found[f"cell@{place}.shape.area_um2.mean"] == pytest.approx((5 + 10) / 0.75)


@pytest.mark.parametrize(("subject", "family", "name", "weight"), weighted_columns())
def test_a_number_with_a_denominator_is_total_over_total(subject, family, name, weight):
    of, per = np.array([7.0, 2.0]), np.array([0.2, 5.0])
    full, denominator = (f"{subject}.{family}.{key}.total" for key in (name, weight))
    found = two({full: of / per, denominator: per})
    assert found[full] == pytest.approx(9 / 5.2)
    assert found[denominator] == pytest.approx(5.2)
    # where there is none of it on a slide, the other slide alone counts
    found = two({full: [np.nan, 3.0], denominator: [0.0, 5.0]})
    assert found[full] == 3
    assert found[denominator] == 5


def test_the_weights_are_those_that_the_text_names():
    weighted = {f"{family}.{name}": weight for _, family, name, weight in weighted_columns()}
    assert weighted["til.stromal_percent"] == "stroma_mm2"
    assert weighted["til.intratumoral_per_mm2"] == "tumor_mm2"
    assert weighted["til.margin_per_mm2"] == "margin_mm2"
    assert weighted["region.boundary_per_mm"] == "area_mm2"
    densities = [name for name in weighted if name.startswith("context.")]
    assert len(densities) == 8
    assert all(weighted[name] == f"{name[8:-8]}_mm2" for name in densities)


@pytest.mark.parametrize(
    ("inside", "around", "phenotype"),
    [
        ([400.0, 0.0], [0.0, 0.0], 2),
        ([90.0, 10.0], [500.0, 900.0], 1),
        ([30.0, 0.0], [9.0, 1.0], 0),
    ],
)
def test_a_phenotype_is_that_of_the_patients_densities(inside, around, phenotype):
    slides = {
        "cell.til.intratumoral_per_mm2.total": inside,
        "cell.til.tumor_mm2.total": [2.0, 2.0],
        "cell.til.margin_per_mm2.total": around,
        "cell.til.margin_mm2.total": [1.0, 1.0],
        "cell.til.phenotype.total": [0.0, 0.0],
    }
    assert two(slides)["cell.til.phenotype.total"] == phenotype
    densities = "cell.til.intratumoral_per_mm2.total"
    assert np.isnan(two(slides | {densities: [np.nan] * 2})["cell.til.phenotype.total"])
    del slides[densities]
    assert np.isnan(two(slides)["cell.til.phenotype.total"])


def test_a_denominator_that_is_not_in_the_table_is_asked_for():
    with pytest.raises(FeatureError, match=r"cell\.til\.tumor_mm2\.total"):
        two({"cell.til.intratumoral_per_mm2.total": [1.0, 2.0]})


def test_a_name_outside_the_grammar_is_a_mean_by_tissue():
    assert combination("my own column") == combination("cell.shape.area_um2.mean")
    assert two({"x": [2.0, 6.0]})["x"] == 5
