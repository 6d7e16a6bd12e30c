"""Masks that spare the nuclei in them hold them all the same; lumens stay outside."""

from __future__ import annotations

import numpy as np
import pytest

from pathexplain.features.slide_objects import slide_geometry, slide_objects
from pathexplain.features.spatial import Window
from pathexplain.features.spatial.boundary import Other, measure_profile, signed_distance
from pathexplain.features.spatial.coarse import small_holes
from pathexplain.features.spatial.neighborhood import PointSet
from pathexplain.features.spatial.places import find_place
from pathexplain.prompts import Within

MPP = 0.5
SHAPE = (480, 480)
PLACES = [(100, 100), (100, 250), (180, 330), (250, 110), (330, 250), (340, 340), (300, 160)]
OUTSIDE = [(20, 240), (460, 40), (240, 460)]
LUMEN = (240, 240)


@pytest.fixture(scope="module")
def planes():
    """Nuclei of 7 um; a tumor with a lumen of 28 um and a nucleus in it; the tumor without nuclei.

    The nuclei of the tumor come first, then the one in the lumen, then those outside.
    """
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    tumor = ((y > 60) & (y < 420) & (x > 60) & (x < 400)).astype(np.int32)
    tumor[np.hypot(y - LUMEN[0], x - LUMEN[1]) < 28] = 0
    nuclei = np.zeros(SHAPE, np.int32)
    for k, (row, column) in enumerate([*PLACES, LUMEN, *OUTSIDE], start=1):
        nuclei[np.hypot(y - row, x - column) < 7] = k
    return nuclei, tumor, np.where(nuclei > 0, 0, tumor)


def of_place(nuclei, tumor, **within):
    geometry = slide_geometry(SHAPE, mpp=MPP)
    objects = {
        "cell": slide_objects(nuclei, mpp=MPP, name="cell"),
        "tumor": slide_objects(tumor, mpp=MPP, name="tumor", kind="region"),
    }
    window = Window(geometry.tissue, geometry.tissue_mpp)
    points, theirs = (PointSet(item.centroid_um, window) for item in objects.values())
    other = Other(objects["tumor"], theirs, geometry)
    profile = measure_profile(points, other)
    place = find_place(Within(prompt="cell", **within), objects, geometry)
    return place, signed_distance(points.points_um, other), profile


def test_nuclei_that_a_mask_spares_lie_in_it(planes):
    nuclei, tumor, spared = planes
    whole, distance, profile = of_place(nuclei, tumor, inside="tumor")
    place, signed, again = of_place(nuclei, spared, inside="tumor")
    inside = [True] * len(PLACES) + [False] * (1 + len(OUTSIDE))
    assert whole.member.tolist() == inside
    assert place.member.tolist() == inside
    assert place.area_mm2 == pytest.approx(whole.area_mm2, rel=1e-3)
    np.testing.assert_array_equal(signed, distance)
    assert (signed < 0).tolist() == inside
    np.testing.assert_array_equal(again.counts, profile.counts)
    np.testing.assert_array_equal(again.areas_mm2, profile.areas_mm2)


def test_the_interface_of_a_mask_is_not_around_what_it_spares(planes):
    nuclei, tumor, spared = planes
    near, _, _ = of_place(nuclei, tumor, interface=("tumor",), margin_um=15)
    place, _, _ = of_place(nuclei, spared, interface=("tumor",), margin_um=15)
    assert place.member.tolist() == near.member.tolist()
    assert place.area_mm2 == near.area_mm2
    assert 0 < near.member.sum() < len(PLACES)


def test_holes_are_found_alike_in_every_block(monkeypatch):
    rng = np.random.default_rng(4)
    mask = rng.random((90, 70)) < 0.75
    whole = small_holes(mask, largest=5)
    monkeypatch.setattr("pathexplain.features.spatial.coarse.BLOCK_CELLS", 16)
    np.testing.assert_array_equal(small_holes(mask, largest=5), whole)
    assert whole.any()
    assert not (whole & mask).any()
    assert not whole[0].any()
