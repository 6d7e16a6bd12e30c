"""One prompt towards another: a known interface, mixed patterns, lymphocytes in the stroma."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from skimage.measure import label as connected

from pathexplain.features.slide_objects import slide_geometry, slide_objects
from pathexplain.features.spatial import Window, immune_phenotype, planes
from pathexplain.features.spatial.boundary import Other, signed_distance
from pathexplain.features.spatial.context import measure_context, morisita_horn
from pathexplain.features.spatial.neighborhood import PointSet
from pathexplain.features.spatial.til import stromal_pixels

MPP = 0.5


class Reader:
    """A label image that can only be read in windows, as a store on disk is."""

    def __init__(self, plane):
        self._plane = plane
        self.shape = plane.shape

    def __getitem__(self, window):
        assert all(isinstance(part, slice) for part in window)
        return self._plane[window]


def square_window(side_um, step_um=4.0):
    return Window(np.ones((round(side_um / step_um),) * 2, bool), step_um)


@pytest.fixture
def interface():
    """Tumor left of x = 150 um, cells of 4 x 4 px on both sides."""
    shape = (400, 800)
    rng = np.random.default_rng(6)
    cells = np.zeros(shape, np.int32)
    for k in range(1, 301):
        y, x = rng.integers(0, 396), rng.integers(0, 796)
        if x < 300 and k % 4:
            continue
        if not cells[y : y + 4, x : x + 4].any():
            cells[y : y + 4, x : x + 4] = k
    tumor = np.zeros(shape, np.int32)
    tumor[:, :300] = 1
    return cells, tumor


def context(first, second, *, kinds=("instances", "region"), reader=None):
    geometry = slide_geometry(first.shape, mpp=MPP)
    one, two = (
        slide_objects(plane, mpp=MPP, name=name, kind=kind)
        for plane, name, kind in zip((first, second), ("one", "two"), kinds, strict=True)
    )
    if reader is not None:
        one, two = (
            type(item)(**{**vars(item), "labels": reader(item.labels)}) for item in (one, two)
        )
    window = Window(geometry.tissue, geometry.tissue_mpp)
    points = PointSet(one.centroid_um, window)
    other = Other(two, PointSet(two.centroid_um, window), geometry)
    return measure_context(one, points, other), one, other


def test_distances_and_profile_across_a_straight_interface(interface):
    cells, tumor = interface
    table, one, _ = context(cells, tumor)
    x = one.centroid_um[:, 1]
    # from the centers of boundary pixels, between which a centroid of even width lies
    np.testing.assert_allclose(table.objects["distance_um"], x - 150, atol=0.11)
    inside = [(cells[:, :300] == label).sum() / (cells == label).sum() for label in one.label]
    np.testing.assert_allclose(table.objects["share_inside"], inside)
    bands = {
        "profile_in_over100um": (-1e9, -100), "profile_in_50_100um": (-100, -50),
        "profile_in_0_50um": (-50, 0), "profile_out_0_50um": (0, 50),
        "profile_out_50_100um": (50, 100), "profile_out_100_200um": (100, 200),
    }  # fmt: skip
    for name, (low, high) in bands.items():
        signed = table.objects["distance_um"]
        count = int(((signed > low) & (signed <= high)).sum())
        width = min(high - low, 50) if low < -1000 else high - low
        expected = count / (width * 200 * 1e-6)
        assert table.numbers[f"{name}_per_mm2"].value == pytest.approx(expected, rel=0.09), name
        assert table.numbers[f"{name}_per_mm2"].n == count
    ratio = table.numbers["infiltration"].value
    assert 0.1 < ratio < 0.4  # three of four cells inside were left out


def test_contact_of_two_halves_is_the_length_of_their_interface(interface):
    _, tumor = interface
    table, _, _ = context(tumor, 1 - tumor, kinds=("region", "region"))
    assert table.numbers["interface_mm"].value == pytest.approx(0.2, rel=0.06)
    assert table.numbers["interface_share"].value == 1
    assert table.numbers["overlap_share"].value == 0
    y, x = np.mgrid[:400, :400]
    wedge = (x + y < 400).astype(np.int32)
    slanted, _, _ = context(wedge, 1 - wedge, kinds=("region", "region"))
    assert slanted.numbers["interface_mm"].value == pytest.approx(0.2 * np.sqrt(2), rel=0.06)


def test_signed_distance_is_the_distance_transform():
    rng = np.random.default_rng(8)
    blobs = ndimage.gaussian_filter(rng.normal(size=(200, 240)), 8) > 0.02
    tumor = connected(blobs, connectivity=2).astype(np.int32)
    objects = slide_objects(tumor, mpp=MPP, kind="region")
    geometry = slide_geometry(tumor.shape, mpp=MPP)
    window = Window(geometry.tissue, MPP)
    other = Other(objects, PointSet(objects.centroid_um, window), geometry)
    points = rng.integers(0, 200, (300, 2)) + 0.5
    found = signed_distance(points * MPP, other)
    y, x = np.floor(points).astype(int).T
    outside = ndimage.distance_transform_edt(~blobs)[y, x]
    inside = ndimage.distance_transform_edt(blobs)[y, x]
    expected = np.where(blobs[y, x], -(inside - 0.5), outside - 0.5) * MPP
    np.testing.assert_allclose(found, expected, atol=MPP)
    assert ((found < 0) == blobs[y, x]).all()


def test_planes_read_in_windows_give_the_same(interface, monkeypatch):
    cells, tumor = interface
    whole, _, _ = context(cells, tumor)
    monkeypatch.setattr(planes, "BLOCK_PX", 96)
    monkeypatch.setattr(planes.windows, "__kwdefaults__", {"side": 96})
    read, _, _ = context(cells, tumor, reader=Reader)
    for name, values in whole.objects.items():
        np.testing.assert_array_equal(read.objects[name], values)
    for name, number in whole.numbers.items():
        assert read.numbers[name].value == pytest.approx(number.value, nan_ok=True), name


@pytest.fixture(scope="module")
def cloud():
    return np.random.default_rng(4).uniform(0, 600, (400, 2))


def test_two_patterns_apart_alike_and_mixed(cloud):
    rng = np.random.default_rng(9)
    window = square_window(600)
    points = PointSet(cloud, window)
    assert morisita_horn(cloud, cloud, points) == pytest.approx(1)
    left, right = cloud[cloud[:, 1] < 300], cloud[cloud[:, 1] > 300]
    assert morisita_horn(left, right, points) == 0
    x, y = (np.histogram2d(*half.T, bins=6, range=[(0, 600)] * 2)[0] for half in (left, cloud))
    shares = x / x.sum(), y / y.sum()
    expected = 2 * (shares[0] * shares[1]).sum() / sum((share**2).sum() for share in shares)
    assert morisita_horn(left, cloud, points) == pytest.approx(expected)
    labels = np.zeros((1200, 1200), np.int32)
    labels[tuple((cloud / MPP).astype(int).T)] = np.arange(1, len(cloud) + 1)
    dealt = rng.random(len(cloud) + 1) < 0.4
    dealt[0] = False
    ours, theirs = np.where(dealt[labels], labels, 0), np.where(dealt[labels], 0, labels)
    table, one, other = context(ours, theirs, kinds=("instances", "instances"))
    assert table.numbers["edge_enrichment"].value == pytest.approx(1, abs=0.1)
    assert table.objects["neighbor_share"].mean() == pytest.approx(0.6, abs=0.05)
    near_by = cKDTree(other.points.points_um).query(one.centroid_um)[0]
    np.testing.assert_allclose(table.objects["nearest_um"], near_by)
    everything = np.concatenate([one.centroid_um, other.points.points_um])
    rank = np.argsort(cdist(one.centroid_um, everything), axis=1)[:, 1:11]
    expected = (rank >= one.n).mean(axis=1)
    np.testing.assert_allclose(table.objects["neighbor_share"], expected)
    assert table.numbers["cross_l_50um"].value == pytest.approx(0, abs=2)
    halves, _, _ = context(
        np.where(np.arange(1200)[None] < 600, labels, 0).astype(np.int32),
        np.where(np.arange(1200)[None] < 600, 0, labels).astype(np.int32),
        kinds=("instances", "instances"),
    )
    assert halves.numbers["edge_enrichment"].value < 0.3
    assert halves.numbers["cross_l_50um"].value < -20


def test_stromal_til_percentage_is_the_planted_one():
    """Two tumor islands 100 um apart, stroma between and around, more stroma far away."""
    shape = (400, 2400)
    tumor, stroma, immune = (np.zeros(shape, np.int32) for _ in range(3))
    tumor[:, :200] = tumor[:, 400:600] = 1
    stroma[:, 200:400] = 1
    stroma[:, 600:] = 1
    immune[100:200, 250:350] = 1  # in the stroma between the islands
    immune[100:200, 50:150] = 2  # in the tumor: no part of the score
    immune[100:200, 2000:2200] = 3  # far from the tumor: no part of the score
    stroma[immune > 0] = 0  # stroma masks spare what lies in them
    planes_of = {"immune": immune, "stroma": stroma, "tumor": tumor}
    made = {
        name: slide_objects(plane, mpp=MPP, name=name, kind="region")
        for name, plane in planes_of.items()
    }
    geometry = slide_geometry(shape, mpp=MPP)
    occupied, whole = stromal_pixels(made["immune"], made["stroma"], made["tumor"], geometry)
    assert occupied == 100 * 100
    assert whole == 400 * 200


def test_phenotypes_by_their_cut_offs():
    assert immune_phenotype(100, 0) == 2
    assert immune_phenotype(99.9, 300) == 1
    assert immune_phenotype(99.9, 299.9) == 0
    assert np.isnan(immune_phenotype(float("nan"), 500))
