"""Polygons to pixels: against shapely's geometry, and back from our own outlines."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy import ndimage

from pathexplain.errors import SegmentationError
from pathexplain.extraction.outlines import trace_outlines
from pathexplain.segmentor.polygons import PolygonMask, fill_polygon

PATH = Path("S1.geojson")


def star(rng, n_points=40):
    """A ragged outline with a hole, partly outside a 60 x 80 field."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, n_points))
    radius = rng.uniform(12, 38, n_points)
    center = rng.uniform(15, 60, 2)
    ring = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return ring, center + 0.2 * (ring - center)


@pytest.mark.parametrize("seed", range(6))
def test_a_pixel_is_inside_when_shapely_finds_its_centre_inside(seed):
    outer, hole = star(np.random.default_rng(seed))
    filled = fill_polygon([outer, hole], height=60, width=80)
    y, x = np.mgrid[:60, :80] + 0.5
    expected = shapely.contains_xy(shapely.Polygon(outer, [hole]), x, y)
    assert expected.any()
    np.testing.assert_array_equal(filled, expected)


def test_our_own_outlines_give_the_labels_back():
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(90, 110)), 2.5)
    labels, n_labels = ndimage.label(noise > 0.05)
    mpp = 0.5
    outlines = trace_outlines(labels.astype(np.int32), mpp=mpp)
    objects = tuple(
        tuple(
            shapely.get_coordinates(ring)
            for part in shapely.get_parts(outline)
            for ring in (part.exterior, *part.interiors)
        )
        for outline in outlines.values()
    )
    assert n_labels > 5
    assert max(map(len, objects)) > 1
    mask = PolygonMask(objects, (45.0, 55.0), PATH)
    np.testing.assert_array_equal(mask.window(0.0, 0.0, 90, 110, mpp), labels)
    part = mask.window(10.0, 20.0, 30, 40, mpp)
    np.testing.assert_array_equal(part, labels[20:50, 40:80])


def test_smaller_polygons_lie_on_top_in_any_order():
    large = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)
    small = large * 0.2 + 4
    for objects in (((large,), (small,)), ((small,), (large,))):
        labels = PolygonMask(objects, (10.0, 10.0), PATH).window(0.0, 0.0, 10, 10, 1.0)
        assert sorted(np.bincount(labels.ravel())[1:].tolist()) == [4, 96]


def test_polygons_beside_the_slide_are_refused():
    ring = np.array([[0, 0], [400, 0], [400, 400]], float)
    with pytest.raises(SegmentationError, match=r"300\.0 µm beyond a slide of 100\.0 × 200\.0 µm"):
        PolygonMask(((ring,),), (100.0, 200.0), PATH)


def test_no_polygon_is_no_object():
    assert not PolygonMask((), (10.0, 10.0), PATH).window(0.0, 0.0, 4, 4, 1.0).any()
