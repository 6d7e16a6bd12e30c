"""Masks of a slide: instance statistics, boundaries, texture of the pattern, distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist
from skimage.measure import label as connected
from skimage.measure import regionprops_table

from pathexplain.features.slide_objects import slide_geometry, slide_objects
from pathexplain.features.spatial import Window, planes
from pathexplain.features.spatial.coarse import closed, distance_blocks, near
from pathexplain.features.spatial.places import interface_cells
from pathexplain.features.spatial.region import lacunarity, largest_distance, measure_region

MPP = 0.5


@pytest.fixture
def blobs():
    field = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(300, 360)), 5)
    mask = field > np.quantile(field, 0.8)
    mask[5, 5] = mask[6, 6] = mask[7, 5] = True  # joined by corners alone, too small to count
    return mask


def test_the_papers_instance_statistics(blobs, monkeypatch):
    monkeypatch.setattr(planes, "STRIP_PX", 360 * 17)
    mpp = 0.25
    touching = connected(blobs, connectivity=2)
    split = np.where(blobs, 1 + np.arange(360)[None] // 7 + 100 * touching, 0).astype(np.int32)
    objects = slide_objects(split, mpp=mpp)
    geometry = slide_geometry(blobs.shape, mpp=mpp)
    numbers = measure_region(objects, geometry, Window(geometry.tissue, mpp)).numbers
    found = regionprops_table(touching, properties=("area", "centroid"))
    kept = found["area"] >= 36
    assert not kept.all()
    assert numbers["instance_count"].value == kept.sum()
    ratio = found["area"][kept].mean() / blobs.size
    assert numbers["instance_ratio"].value == pytest.approx(ratio)
    centers = np.c_[found["centroid-0"], found["centroid-1"]][kept] * mpp
    assert numbers["instance_dispersion_um"].value == pytest.approx(pdist(centers).max())
    largest = found["area"][kept].max() / found["area"][kept].sum()
    assert numbers["largest_share"].value == pytest.approx(largest)
    assert numbers["area_mm2"].value == pytest.approx(blobs.sum() * mpp**2 / 1e6)


def test_parts_are_those_of_scipy_where_whole_strips_are_empty(blobs, monkeypatch):
    monkeypatch.setattr(planes, "STRIP_PX", 360 * 17)
    far = np.pad(blobs, ((70, 0), (0, 0)))
    far[119:240] = False  # the last row above is that of a strip
    whole = planes.components(far)
    labels, n_parts = ndimage.label(far, np.ones((3, 3)))
    places = np.array(ndimage.center_of_mass(far, labels, range(1, n_parts + 1)))
    assert sorted(whole.area_px) == sorted(np.bincount(labels.ravel())[1:])
    np.testing.assert_allclose(np.sort(whole.centroid_px, axis=0), np.sort(places, axis=0))
    monkeypatch.setattr(planes, "STRIP_PX", far.size)
    assert planes.components(far).boundary_px == pytest.approx(whole.boundary_px)


def test_boundary_of_a_disk_is_its_circumference():
    y, x = np.mgrid[:400, :400]
    disk = (np.hypot(y - 200, x - 200) < 150).astype(np.int32)
    geometry = slide_geometry(disk.shape, mpp=MPP)
    numbers = measure_region(
        slide_objects(disk, mpp=MPP, kind="region"), geometry, Window(geometry.tissue, MPP)
    ).numbers
    assert numbers["boundary_mm"].value == pytest.approx(2 * np.pi * 75 / 1000, rel=0.01)
    assert numbers["boundary_per_mm"].value == pytest.approx(2 / 0.075, rel=0.01)
    assert numbers["spread_um"].value == pytest.approx(75 / np.sqrt(2), rel=0.01)
    assert numbers["instance_dispersion_um"].reason == "1 components, needs 2"


def test_lacunarity_is_that_of_all_boxes(blobs):
    tissue = np.ones(blobs.shape, bool)
    tissue[:, :40] = False
    coverage = np.where(blobs, 255, 0).astype(np.uint8)
    side = 9
    masses = [
        blobs[i : i + side, j : j + side].sum()
        for i in range(blobs.shape[0] - side + 1)
        for j in range(40, blobs.shape[1] - side + 1)
    ]
    expected = np.mean(np.square(masses, dtype=float)) / np.mean(masses) ** 2
    assert lacunarity(coverage, tissue, side=side) == pytest.approx(expected)
    assert np.isnan(lacunarity(coverage, tissue, side=400))


def test_entropy_is_one_where_all_is_covered_and_zero_in_one_square():
    full = np.ones((1984, 1984), np.int32)  # four squares of 62 coarse cells a side
    geometry = slide_geometry(full.shape, mpp=MPP)
    window = Window(np.ones((100, 100), bool), 10.0)
    everywhere = measure_region(slide_objects(full, mpp=MPP, kind="region"), geometry, window)
    assert everywhere.numbers["entropy"].value == pytest.approx(1, abs=0.01)
    assert everywhere.numbers["lacunarity_80um"].value == 1
    spot = np.zeros_like(full)
    spot[1100:1150, 1100:1150] = 1
    alone = measure_region(slide_objects(spot, mpp=MPP, kind="region"), geometry, window)
    assert alone.numbers["entropy"].value == 0


@pytest.mark.parametrize("n", [2, 3, 4, 50])
def test_largest_distance(n):
    points = np.random.default_rng(n).uniform(0, 100, (n, 2))
    assert largest_distance(points) == pytest.approx(pdist(points).max())
    assert largest_distance(np.c_[points[:, 0], points[:, 0]]) == pytest.approx(
        np.ptp(points[:, 0]) * np.sqrt(2)
    )


def test_coarse_distances_do_not_depend_on_blocks(blobs, monkeypatch):
    expected = ndimage.distance_transform_edt(~blobs)
    monkeypatch.setattr("pathexplain.features.spatial.coarse.BLOCK_CELLS", 64)
    found = np.full(blobs.shape, np.nan)
    for block, distance in distance_blocks(blobs, reach=12):
        found[block] = distance
    np.testing.assert_allclose(found, np.where(expected <= 12, expected, np.inf))
    np.testing.assert_array_equal(near(blobs, reach=5.5), expected <= 5.5)
    disk = np.hypot(*np.mgrid[-6:7, -6:7]) <= 6
    padded = np.pad(blobs, 12)
    grown = ndimage.binary_closing(padded, disk)[12:-12, 12:-12]
    inner = (slice(12, -12),) * 2
    np.testing.assert_array_equal(closed(blobs, reach=6)[inner], grown[inner])


def test_the_interface_of_two_masks_is_where_they_meet():
    shape = (160, 240)
    tumor, stroma = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    tumor[40:120, 40:120] = 1
    stroma[40:120, 128:] = 1  # to the right, behind a gap of 4 um
    objects = [slide_objects(plane, mpp=MPP, kind="region") for plane in (tumor, stroma)]
    geometry = slide_geometry(shape, mpp=MPP)
    both, alone = interface_cells(objects, geometry), interface_cells(objects[:1], geometry)
    assert np.argwhere(both)[:, 1].tolist() == [14] * int(both.sum())
    assert both.sum() == 10
    assert alone.sum() == 4 * 10 - 4
