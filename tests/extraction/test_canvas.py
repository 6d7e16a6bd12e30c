"""Objects and regions across tiles: each is counted once and measured whole, wherever seams lie."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label

from pathexplain.extraction.ownership import InstancePainter
from pathexplain.extraction.plane import SparsePlane
from pathexplain.extraction.region_painting import NumberedPainter, RegionPainter
from pathexplain.extraction.slide import Tiling
from pathexplain.slides import tile_grid


@pytest.fixture
def plane(tmp_path):
    """Make planes of zeros; small chunks and a cache of few, so that chunks come and go."""

    def make(shape):
        place = tmp_path / f"plane{len(list(tmp_path.iterdir()))}"
        return SparsePlane(place, shape=shape, dtype=np.int32, chunk_px=37, cache_bytes=40_000)

    return make


def final(painter, plane):
    """Label image once every tile is painted."""
    painter.finish()
    groups = painter.book.groups()
    height, width = plane.shape
    merged = groups.root[plane.read(0, 0, height, width)]
    area = np.bincount(merged.ravel(), minlength=len(groups.root))
    assert area[1:].tolist() == groups.area_px[1:].tolist()
    return merged


def window_of(truth, tile):
    return truth[tile.y0 : tile.y0 + tile.height, tile.x0 : tile.x0 + tile.width]


def paint(plane, truth, tiles, *, order=None, **options):
    """Paint a mask through tiles, each labelled on its own, as a segmentor would."""
    painter = InstancePainter(plane, tiles=tiles, **options)
    for index in order if order is not None else range(len(tiles)):
        objects = label(window_of(truth, tiles[index]), connectivity=2).astype(np.int32)
        painter.paint(tiles[index], objects)
    return painter, final(painter, plane)


def areas(labels):
    counts = np.bincount(labels.ravel())[1:]
    return sorted(counts[counts > 0])


def disks(seed, *, n=150, size=400, largest=11):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for _ in range(n):
        center_y, center_x, radius = (
            rng.uniform(0, size),
            rng.uniform(0, size),
            rng.uniform(2, largest),
        )
        mask |= (y - center_y) ** 2 + (x - center_x) ** 2 < radius**2
    return mask


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("core", "halo", "margin"), [(100, 40, 0), (64, 32, 8), (130, 24, 5)])
def test_every_object_is_counted_once_and_measured_whole(plane, seed, core, halo, margin):
    truth = disks(seed)
    tiles = tile_grid(truth.shape, core_px=core, halo_px=halo)
    order = np.random.default_rng(seed).permutation(len(tiles))
    _, merged = paint(plane(truth.shape), truth, tiles, order=order, margin_px=margin)
    np.testing.assert_array_equal(merged > 0, truth)
    assert areas(merged) == areas(label(truth, connectivity=2))


@pytest.mark.parametrize("seed", range(3))
def test_what_a_tile_may_measure_is_whole_and_never_painted_over(plane, seed):
    truth = disks(seed)
    expected = label(truth, connectivity=2)
    tiles = tile_grid(truth.shape, core_px=100, halo_px=40)
    labels = plane(truth.shape)
    painter = InstancePainter(labels, tiles=tiles, margin_px=8)
    seen = []
    for tile in tiles:
        objects = label(window_of(truth, tile), connectivity=2).astype(np.int32)
        owned = painter.paint(tile, objects)
        for number, painted in [] if owned is None else zip(owned.ids, owned.labels, strict=True):
            there = np.zeros(truth.shape, bool)
            window_of(there, tile)[owned.window == number] = True
            seen.append((painted, there))
    merged = final(painter, labels)
    is_single = painter.book.groups().is_single
    whole = [(painted, there) for painted, there in seen if is_single[painted]]
    assert len(whole) > 0.7 * expected.max()
    for painted, there in whole:
        (planted,) = np.unique(expected[there])
        np.testing.assert_array_equal(there, expected == planted)
        np.testing.assert_array_equal(there, merged == painted)


def test_object_larger_than_any_window_is_one_object(plane):
    y, x = np.mgrid[:500, :500]
    radius = np.hypot(y - 250, x - 250)
    truth = (radius < 220) & (radius > 180)
    tiles = tile_grid(truth.shape, core_px=100, halo_px=20)
    painter, merged = paint(plane(truth.shape), truth, tiles)
    assert painter.n_pieces > 4
    assert areas(merged) == [truth.sum()]


def test_large_neighbors_that_only_brush_at_a_seam_stay_two(plane):
    truth = np.zeros((100, 300), np.int32)
    truth[10:60, 10:150] = 1
    truth[55:95, 150:290] = 2
    tiles = tile_grid(truth.shape, core_px=150, halo_px=20)
    labels = plane(truth.shape)
    painter = InstancePainter(labels, tiles=tiles)
    for tile in tiles:
        painter.paint(tile, window_of(truth, tile).copy())
    assert areas(final(painter, labels)) == areas(truth)


def test_second_look_at_the_same_object_adds_nothing(plane):
    truth = np.zeros((40, 80), np.int32)
    truth[10:20, 35:45] = 1
    tiles = tile_grid((40, 80), core_px=40, halo_px=20)
    labels = plane((40, 80))
    painter = InstancePainter(labels, tiles=tiles)
    painter.paint(tiles[0], truth[:, :60].copy())
    shifted = np.roll(truth, 2, axis=1)
    painter.paint(tiles[1], shifted[:, 20:].copy())
    assert areas(final(painter, labels)) == [100]


def test_object_whose_owner_has_no_tissue_is_kept(plane):
    truth = np.zeros((40, 80), bool)
    truth[10:20, 36:48] = True
    tiles = tile_grid((40, 80), core_px=40, halo_px=20)
    _, merged = paint(plane(truth.shape), truth, tiles[:1])
    assert areas(merged) == [120]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("core", [33, 64, 130])
def test_regions_are_the_components_of_the_whole_slide(plane, seed, core):
    truth = disks(seed, n=300) | np.eye(400, dtype=bool)
    tiles = tile_grid(truth.shape, core_px=core, halo_px=10)
    labels = plane(truth.shape)
    painter = RegionPainter(labels)
    for index in np.random.default_rng(seed).permutation(len(tiles)):
        tile = tiles[index]
        owned = painter.paint(tile, window_of(truth, tile))
        if owned is not None:
            np.testing.assert_array_equal(owned.window > 0, window_of(truth, tile))
    merged = final(painter, labels)
    expected, n = ndimage.label(truth, np.ones((3, 3)))
    assert areas(merged) == areas(expected)
    pairs = np.unique(np.stack([merged[truth], expected[truth]]), axis=1)
    assert pairs.shape[1] == n


def test_numbers_of_the_slide_say_what_is_one_object(plane):
    truth = np.zeros((100, 120), np.int64)
    truth[5:20, 5:20], truth[60:80, 90:110] = 900, 900
    truth[40:60, 30:90] = 7
    truth[2:4, 70:74] = 8
    tiles = tile_grid(truth.shape, core_px=50, halo_px=6)
    labels = plane(truth.shape)
    painter = NumberedPainter(labels)
    owned = [painter.paint(tile, window_of(truth, tile)) for tile in tiles]
    merged = final(painter, labels)
    assert areas(merged) == areas(truth)
    is_single = painter.book.groups().is_single
    alone = {int(label) for item in owned if item is not None for label in item.labels}
    assert [label for label in alone if is_single[label]] == [merged[2, 70]]


def test_a_slide_of_one_window_has_one_tile():
    assert len(Tiling(core_px=100, halo_px=10).tiles((120, 60))) == 1
    assert len(Tiling(core_px=100, halo_px=10).tiles((121, 60))) == 2
