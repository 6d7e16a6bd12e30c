"""Aggregation: closed forms, absent against not assessed, minimum counts, area weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pathexplain.errors import FeatureError
from pathexplain.features import (
    FAMILIES,
    aggregate_patient,
    aggregate_slide,
    feature_names,
    measure_objects,
)

SHAPE = list(FAMILIES["shape"].names)


def frame(areas, **columns):
    table = pd.DataFrame({"shape.area_um2": np.asarray(areas, float)}).reindex(columns=SHAPE)
    return table.assign(**columns)


def one(areas, *, state="present", area_mm2=2.0, **columns):
    return aggregate_slide(
        {"gland": frame(areas, **columns)}, states={"gland": state}, tissue_area_mm2=area_mm2
    )


def test_statistics_are_numpys_and_scipys():
    areas = np.random.default_rng(0).gamma(2, 30, 50)
    table = one(areas)
    expected = {
        "mean": areas.mean(),
        "median": np.median(areas),
        "sd": areas.std(ddof=1),
        "iqr": stats.iqr(areas),
        "p10": np.quantile(areas, 0.1),
        "p90": np.quantile(areas, 0.9),
        "skewness": stats.skew(areas),
    }
    for name, number in expected.items():
        row = table.loc[f"gland.shape.area_um2.{name}"]
        assert row["value"] == pytest.approx(number)
        assert row["n"] == 50
        assert row["reason"] == ""
    totals = {"n": 50, "density_per_mm2": 25, "area_share": areas.sum() / 2e6}
    for name, number in totals.items():
        assert table.loc[f"gland.aggregate.{name}.total", "value"] == pytest.approx(number)


@pytest.mark.parametrize("n", range(1, 11))
def test_too_few_objects_is_nan_with_a_reason(n):
    table = one(np.arange(n) + 1.0)
    least = {"mean": 1, "median": 1, "sd": 3, "iqr": 4, "p10": 5, "p90": 5, "skewness": 10}
    for name, minimum in least.items():
        row = table.loc[f"gland.shape.area_um2.{name}"]
        assert np.isnan(row["value"]) == (n < minimum)
        assert row["reason"] == (f"n = {n}, needs {minimum}" if n < minimum else "")


def test_undefined_objects_do_not_count():
    table = one([1.0, np.nan, 3.0])
    assert table.loc["gland.shape.area_um2.mean", ["value", "n"]].tolist() == [2, 2]
    assert table.loc["gland.shape.solidity.mean", ["value", "n"]].isna().tolist() == [True, False]
    assert table.loc["gland.aggregate.n.total", "value"] == 3


def test_equal_values_have_no_skewness():
    row = one(np.full(20, 0.1)).loc["gland.shape.area_um2.skewness"]
    assert np.isnan(row["value"])
    assert row["reason"] == "all values are equal"


def test_absent_is_zero_and_not_assessed_is_nan():
    states = {"gland": "absent", "tumor": "not assessed"}
    table = aggregate_slide({}, states=states, tissue_area_mm2=1.0)
    totals = table.index.str.endswith(".total")
    gland = table.index.str.startswith("gland.")
    assert (table["value"][gland & totals] == 0).all()
    assert table["value"][gland & ~totals].isna().all()
    assert (table["reason"][gland & ~totals] == "absent").all()
    assert table["value"][~gland].isna().all()
    assert (table["reason"][~gland] == "not assessed").all()
    assert (table["n"] == 0).all()


def test_names_do_not_depend_on_the_state():
    absent = one([], state="absent").index
    assert absent.equals(one([1.0]).index)
    assert tuple(absent) == feature_names("gland", families=["shape"])
    assert absent.is_unique


def test_a_region_has_no_instance_only_names():
    labels = np.zeros((30, 30), np.int32)
    labels[:15] = 1
    objects = measure_objects(labels, mpp=1.0, families=["shape"], kind="region")
    table = aggregate_slide({"tumor": objects}, states={"tumor": "present"}, tissue_area_mm2=900e-6)
    assert "tumor.shape.solidity.mean" in table.index
    assert "tumor.shape.aspect_ratio.mean" not in table.index
    assert table.loc["tumor.aggregate.area_share.total", "value"] == pytest.approx(0.5)
    # a region may reach the image's edge: its parts keep their shape
    assert table.loc["tumor.shape.solidity.mean", "value"] == 1
    told = aggregate_slide(
        {"tumor": objects.to_frame()},
        states={"tumor": "present"},
        tissue_area_mm2=900e-6,
        kinds={"tumor": "region"},
    )
    pd.testing.assert_frame_equal(told, table)


def test_objects_cut_by_the_edge_count_but_have_no_shape():
    table = one([10.0, 20.0, 90.0], touches_border=[False, False, True])
    assert table.loc["gland.aggregate.n.total", "value"] == 3
    assert table.loc["gland.aggregate.area_share.total", "value"] == pytest.approx(60e-6)
    assert table.loc["gland.shape.area_um2.mean", ["value", "n"]].tolist() == [15, 2]


def test_without_areas_there_is_no_share():
    objects = measure_objects(
        np.ones((9, 9), np.int32), np.zeros((9, 9, 3), np.uint8), mpp=1.0, families=["stain"]
    )
    table = aggregate_slide({"a": objects}, states={"a": "present"}, tissue_area_mm2=1.0)
    assert np.isnan(table.loc["a.aggregate.area_share.total", "value"])
    assert table.loc["a.aggregate.area_share.total", "reason"] == "shape was not measured"
    assert not table.index.str.contains(".shape.", regex=False).any()


@pytest.mark.parametrize(
    ("given", "state", "area", "text"),
    [
        (frame([1.0]), "gone", 1.0, "none of present"),
        (frame([1.0]), "absent", 1.0, "1 objects were given"),
        (None, "present", 1.0, "no objects were given"),
        (frame([1.0]), "present", 0.0, "tissue area is 0.0"),
        (frame([1.0]), "present", float("nan"), "tissue area is nan"),
        (pd.DataFrame({"shape.area_um2": [1.0]}), "present", 1.0, "lack"),
    ],
)
def test_contradictions_are_refused(given, state, area, text):
    objects = {} if given is None else {"gland": given}
    with pytest.raises(FeatureError, match=text):
        aggregate_slide(objects, states={"gland": state}, tissue_area_mm2=area)


def test_a_slide_without_tissue_is_all_nan():
    table = aggregate_slide({}, states={"gland": "not assessed"}, tissue_area_mm2=0.0)
    assert table["value"].isna().all()


def patients(slides, n=None):
    table = pd.DataFrame(slides).T
    counts = None if n is None else pd.DataFrame(n).T
    return aggregate_patient(
        table,
        patient={"S1": "P1", "S2": "P1", "S3": "P2"},
        tissue_area_mm2={"S1": 3.0, "S2": 1.0, "S3": 2.0},
        n=counts,
    )


def test_patients_are_area_weighted():
    mean, count, density = (
        "a.shape.x.mean",
        "a.aggregate.n.total",
        "a.aggregate.density_per_mm2.total",
    )
    slides = {
        "S1": {mean: 2.0, count: 30.0, density: 10.0},
        "S2": {mean: 6.0, count: 50.0, density: 50.0},
        "S3": {mean: np.nan, count: 0.0, density: 0.0},
    }
    n = {"S1": {mean: 30, count: 30, density: 30}, "S2": {mean: 45, count: 50, density: 50}}
    n["S3"] = {mean: 0, count: 0, density: 0}
    result = patients(slides, n)
    assert result.table.index.tolist() == ["P1", "P2"]
    assert result.table.loc["P1", mean] == 3.0  # (3 * 2 + 1 * 6) / 4
    assert result.table.loc["P1", count] == 80
    assert result.table.loc["P1", density] == 20  # 80 objects on 4 mm2
    assert np.isnan(result.table.loc["P2", mean])
    assert result.table.loc["P2", [count, density]].tolist() == [0, 0]
    assert result.n.loc["P1"].tolist() == [75, 80, 80]
    assert result.n_slides.to_dict() == {"P1": 2, "P2": 1}
    assert result.tissue_area_mm2.to_dict() == {"P1": 4.0, "P2": 2.0}


def test_slides_without_a_value_carry_no_weight():
    name, count = "a.shape.x.mean", "a.aggregate.n.total"
    slides = {
        "S1": {name: np.nan, count: np.nan},
        "S2": {name: 6.0, count: 7.0},
        "S3": {name: np.nan, count: np.nan},
    }
    result = patients(slides)
    assert result.table.loc["P1"].tolist() == [6, 7]
    assert result.n.loc["P1"].tolist() == [1, 1]
    assert result.table.loc["P2"].isna().all()


def test_slides_without_patient_or_tissue_are_refused():
    table = pd.DataFrame({"x": [1.0]}, index=["S1"])
    with pytest.raises(FeatureError, match="has no patient"):
        aggregate_patient(table, patient={}, tissue_area_mm2={"S1": 1.0})
    for area in ({}, {"S1": 0.0}, {"S1": float("nan")}):
        with pytest.raises(FeatureError, match="it is the weight"):
            aggregate_patient(table, patient={"S1": "P"}, tissue_area_mm2=area)
    with pytest.raises(FeatureError, match="once each"):
        aggregate_patient(
            pd.concat([table, table]), patient={"S1": "P"}, tissue_area_mm2={"S1": 1.0}
        )


def test_a_slide_of_glass_alone_is_a_patient_without_values():
    table = pd.DataFrame({"a.shape.x.mean": [np.nan, 3.0]}, index=["S1", "S2"])
    result = aggregate_patient(
        table, patient={"S1": "P", "S2": "Q"}, tissue_area_mm2={"S1": 0.0, "S2": 1.0}
    )
    assert np.isnan(result.table.loc["P"].item())
    assert result.n.loc["P"].item() == 0


def test_series_serve_as_mappings():
    table = pd.DataFrame({"a.shape.x.mean": [1.0, 3.0]}, index=["S1", "S2"])
    result = aggregate_patient(
        table,
        patient=pd.Series({"S1": "P", "S2": "P"}),
        tissue_area_mm2=pd.Series({"S1": 1.0, "S2": 1.0}),
    )
    assert result.table.loc["P"].tolist() == [2.0]


def test_a_share_above_one_is_undefined_unless_it_was_measured_on_the_tissue():
    frame = pd.DataFrame({"shape.area_um2": [3e6]}).reindex(columns=FAMILIES["shape"].names)
    options = {"states": {"a": "present"}, "tissue_area_mm2": 2.0, "families": ["shape"]}
    alone = aggregate_slide({"a": frame}, **options)
    assert np.isnan(alone.loc["a.aggregate.area_share.total", "value"])
    assert "1.5 times the tissue" in alone.loc["a.aggregate.area_share.total", "reason"]
    measured = aggregate_slide({"a": frame}, area_shares={"a": 0.8}, **options)
    assert measured.loc["a.aggregate.area_share.total", "value"] == 0.8
    assert measured.loc["a.aggregate.n.total", "value"] == 1
