"""Measuring: ids, boxes, memory maps, empty images, minimum sizes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.errors import FeatureError
from pathexplain.features import FAMILIES, measure_objects
from pathexplain.features.measure import REGION_REASON
from pathexplain.features.objects import cores, view_objects
from pathexplain.features.registry import column_named, families_named


def squares():
    labels = np.zeros((60, 80), np.int32)
    labels[4:24, 4:24] = 9
    labels[30:50, 30:70] = 2
    labels[55, 75] = 40
    return labels, np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_rows_are_objects_in_order_of_id():
    labels, pixels = squares()
    objects = measure_objects(labels, pixels, mpp=0.5)
    assert objects.label.tolist() == [2, 9, 40]
    assert objects.values.shape == (3, len(objects.columns))
    assert objects.values.dtype == np.float64
    assert objects.centroid_um.tolist() == [[20, 25], [7, 7], [27.75, 37.75]]
    assert objects.columns[0] == "shape.area_um2"
    frame = objects.to_frame()
    assert frame.loc[9, "shape.area_um2"] == 100
    assert frame.columns[-3:].tolist() == ["centroid_y_um", "centroid_x_um", "touches_border"]


def test_small_objects_are_nan_and_counted():
    objects = measure_objects(*squares(), mpp=0.5)
    one_pixel = dict(zip(objects.columns, objects.values[2], strict=True))
    defined = {name for name, value in one_pixel.items() if np.isfinite(value)}
    carried = [name for name in objects.columns if not name.startswith("stain.dab_")]
    least = {name for name in carried if column_named(name).min_pixels == 1}
    assert defined == least
    for name in set(carried) - defined:
        least_pixels = column_named(name).min_pixels
        assert objects.undefined[name] == {f"fewer than {least_pixels} pixels": 1}
        assert objects.n_undefined[name] == 1


def test_instance_only_features_of_a_region_are_nan():
    objects = measure_objects(*squares(), mpp=0.5, kind="region")
    for name in objects.columns:
        if column_named(name).kind == "instances":
            assert np.isnan(objects.column(name)).all()
            assert objects.undefined[name] == {REGION_REASON: 3}
    assert objects.column("shape.area_um2").tolist() == [200, 100, 0.25]


@pytest.mark.parametrize("families", [["shape"], ["stain"], ["shape", "stain"]])
def test_an_empty_image_has_no_objects(families):
    pixels = np.zeros((20, 30, 3), np.uint8)
    objects = measure_objects(np.zeros((20, 30), np.int32), pixels, mpp=0.5, families=families)
    assert objects.n == 0
    assert objects.values.shape == (0, sum(len(FAMILIES[name].columns) for name in families))
    assert objects.centroid_um.shape == (0, 2)
    assert objects.undefined == {}


def test_memory_maps_and_other_layouts_give_the_same(tmp_path):
    labels, pixels = squares()
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "pixels.npy", pixels)
    plain = measure_objects(labels, pixels, mpp=0.5)
    variants = [
        [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("labels", "pixels")],
        [labels.astype(np.uint16), np.asfortranarray(pixels)],
        [np.asfortranarray(labels.astype(np.int64)), pixels],
    ]
    for other in variants:
        again = measure_objects(*other, mpp=0.5)
        np.testing.assert_array_equal(again.values, plain.values)


def test_inputs_are_left_as_they_were():
    labels, pixels = squares()
    copies = labels.copy(), pixels.copy()
    measure_objects(labels, pixels, mpp=0.5)
    assert labels.flags.writeable
    np.testing.assert_array_equal(labels, copies[0])
    np.testing.assert_array_equal(pixels, copies[1])


def test_huge_ids_are_kept():
    labels = np.zeros((20, 20), np.int32)
    labels[2:9, 2:9] = 2_000_000_000
    labels[12:15, 2:9] = 17
    view = view_objects(labels, mpp=1.0)
    assert view.label.tolist() == [17, 2_000_000_000]
    assert view.area_px.tolist() == [21, 49]
    full = np.full((4, 4), 2_000_000_000, np.int32)
    assert view_objects(full, mpp=1.0).label.tolist() == [2_000_000_000]


def test_many_objects_are_shared_over_threads_without_a_trace():
    labels = np.zeros((300, 300), np.int32)
    index = np.arange(900).reshape(30, 30) + 1
    labels.reshape(30, 10, 30, 10)[:, 1:8, :, 1:9] = index[:, None, :, None]
    objects = measure_objects(labels, mpp=1.0, families=["shape"])
    assert objects.n == 900
    np.testing.assert_allclose(objects.values, np.tile(objects.values[0], (900, 1)), rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"labels": np.zeros((4, 4))}, "float64"),
        ({"labels": np.zeros((4, 4), bool)}, "label a mask"),
        ({"labels": np.zeros((4, 4, 1), np.int32)}, r"\(4, 4, 1\)"),
        ({"labels": np.full((4, 4), -1, np.int32)}, "hold -1"),
        ({"labels": np.full((4, 4), 2**40)}, "must fit int32"),
        ({"pixels": np.zeros((4, 5, 3), np.uint8)}, r"needed is \(4, 4, 3\)"),
        ({"pixels": np.zeros((4, 4, 3))}, "float64"),
        ({"mpp": 0.0}, "mpp is 0.0"),
        ({"mpp": float("nan")}, "mpp is nan"),
        ({"families": ["shpe"]}, "did you mean 'shape'"),
        ({"families": ["quux"]}, "there are: shape, stain"),
        ({"kind": "objects"}, "'objects'"),
    ],
)
def test_wrong_input_is_refused(change, text):
    good = {
        "labels": np.zeros((4, 4), np.int32),
        "pixels": np.zeros((4, 4, 3), np.uint8),
        "mpp": 0.5,
    } | change
    with pytest.raises(FeatureError, match=text):
        measure_objects(good.pop("labels"), good.pop("pixels"), **good)


def test_unknown_columns_are_refused():
    objects = measure_objects(np.zeros((4, 4), np.int32), mpp=1.0, families=["shape"])
    with pytest.raises(FeatureError, match="was not measured"):
        objects.column("stain.eosin_mean")
    with pytest.raises(FeatureError, match="no feature"):
        column_named("shape.area")
    with pytest.raises(FeatureError, match="no feature"):
        column_named("hue.area")
    assert [family.name for family in families_named(["shape", "shape"])] == ["shape"]


def test_a_process_with_a_share_of_the_cores_takes_no_more_threads(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    assert cores() == 8
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    assert cores() == 3
    monkeypatch.setenv("NUMBA_NUM_THREADS", "99")
    assert cores() == 8
