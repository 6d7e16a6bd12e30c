from __future__ import annotations

import numpy as np
import pytest
import shapely
from scipy import ndimage
from skimage.draw import polygon2mask

from pathexplain.extraction.outlines import trace_outlines


@pytest.mark.parametrize("seed", range(20))
def test_random_shapes_are_valid_and_have_exactly_their_pixels_area(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 40, 2)) < rng.uniform(0.2, 0.95)
    labels = ndimage.label(mask, np.ones((3, 3)))[0].astype(np.int32)
    outlines = trace_outlines(labels, mpp=0.5)
    assert list(outlines) == list(range(1, labels.max() + 1))
    for label, outline in outlines.items():
        assert outline.is_valid, shapely.is_valid_reason(outline)
        assert outline.area == (labels == label).sum() * 0.25


def test_outline_drawn_again_by_skimage_is_the_mask():
    y, x = np.mgrid[:60, :80]
    mask = ((y - 30) ** 2 / 400 + (x - 40) ** 2 / 900 < 1) & ((y - 30) ** 2 + (x - 40) ** 2 > 64)
    outline = trace_outlines(mask.astype(np.int32), mpp=1.0)[1]
    rings = [outline.exterior, *outline.interiors]
    # Pixel centers are at whole numbers in skimage and at halves here.
    drawn = [polygon2mask(mask.shape, np.array(ring.coords)[:, ::-1] - 0.5) for ring in rings]
    assert len(rings) == 2
    np.testing.assert_array_equal(drawn[0] & ~drawn[1], mask)


def test_parts_that_meet_at_a_corner_are_two_polygons():
    outline = trace_outlines(np.array([[1, 0], [0, 1]], np.int32), mpp=1.0)[1]
    assert outline.geom_type == "MultiPolygon"
    assert len(outline.geoms) == 2


def test_island_in_a_hole_keeps_the_hole_with_its_own_shell():
    labels = np.zeros((9, 9), np.int32)
    labels[0:7, 0:7] = 1
    labels[1:6, 1:6] = 0
    labels[2:5, 2:5] = 1
    labels[3, 3] = 0
    outline = trace_outlines(labels, mpp=1.0)[1]
    assert outline.is_valid
    assert sorted(part.area for part in outline.geoms) == [8, 24]


def test_missing_labels_and_empty_images_give_no_outline():
    assert trace_outlines(np.zeros((4, 4), np.int32), mpp=1.0) == {}
    assert list(trace_outlines(np.array([[0, 3]], np.int32), mpp=1.0)) == [3]
