from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label

from pathexplain.extraction.ownership import InstancePainter
from pathexplain.extraction.slide import Tiling
from pathexplain.slides import tile_grid


def paint(truth, tiles, *, order=None):
    """Paint a mask through tiles, each labelled on its own, as a segmentor would."""
    painter = InstancePainter(np.zeros(truth.shape, np.int32), tiles=tiles)
    for index in order if order is not None else range(len(tiles)):
        tile = tiles[index]
        window = truth[tile.y0 : tile.y0 + tile.height, tile.x0 : tile.x0 + tile.width]
        painter.paint(tile, label(window, connectivity=2).astype(np.int32))
    merged = painter.merged_labels()[painter.canvas]
    return painter, merged


def areas(labels):
    return sorted(np.bincount(labels.ravel())[1:][np.bincount(labels.ravel())[1:] > 0])


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


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("core", "halo"), [(100, 40), (64, 32), (130, 24)])
def test_every_object_is_counted_once_and_measured_whole(seed, core, halo):
    truth = disks(seed)
    tiles = tile_grid(truth.shape, core_px=core, halo_px=halo)
    order = np.random.default_rng(seed).permutation(len(tiles))
    _, merged = paint(truth, tiles, order=order)
    np.testing.assert_array_equal(merged > 0, truth)
    expected = label(truth, connectivity=2)
    assert areas(merged) == areas(expected)


def test_object_larger_than_any_window_is_one_object():
    y, x = np.mgrid[:500, :500]
    radius = np.hypot(y - 250, x - 250)
    truth = (radius < 220) & (radius > 180)
    tiles = tile_grid(truth.shape, core_px=100, halo_px=20)
    painter, merged = paint(truth, tiles)
    assert painter.n_pieces > 4
    assert areas(merged) == [truth.sum()]


def test_large_neighbors_that_only_brush_at_a_seam_stay_two():
    truth = np.zeros((100, 300), np.int32)
    truth[10:60, 10:150] = 1
    truth[55:95, 150:290] = 2
    tiles = tile_grid(truth.shape, core_px=150, halo_px=20)
    painter = InstancePainter(np.zeros(truth.shape, np.int32), tiles=tiles)
    for tile in tiles:
        window = truth[tile.y0 : tile.y0 + tile.height, tile.x0 : tile.x0 + tile.width].copy()
        painter.paint(tile, window)
    merged = painter.merged_labels()[painter.canvas]
    assert areas(merged) == areas(truth)


def test_second_look_at_the_same_object_adds_nothing():
    truth = np.zeros((40, 80), np.int32)
    truth[10:20, 35:45] = 1
    tiles = tile_grid((40, 80), core_px=40, halo_px=20)
    painter = InstancePainter(np.zeros((40, 80), np.int32), tiles=tiles)
    painter.paint(tiles[0], truth[:, :60].copy())
    shifted = np.roll(truth, 2, axis=1)
    painter.paint(tiles[1], shifted[:, 20:].copy())
    assert areas(painter.canvas) == [100]


def test_object_whose_owner_has_no_tissue_is_kept():
    truth = np.zeros((40, 80), bool)
    truth[10:20, 36:48] = True
    tiles = tile_grid((40, 80), core_px=40, halo_px=20)
    _, merged = paint(truth, tiles[:1])
    assert areas(merged) == [120]


def test_a_slide_of_one_window_has_one_tile():
    assert len(Tiling(core_px=100, halo_px=10).tiles((120, 60))) == 1
    assert len(Tiling(core_px=100, halo_px=10).tiles((121, 60))) == 2


def test_region_components_of_a_memory_map_are_those_of_scipy(tmp_path):
    mask = disks(3) | np.eye(400, dtype=bool)
    source = np.memmap(tmp_path / "a.raw", np.uint8, "w+", shape=mask.shape)
    source[...] = mask
    target = np.memmap(tmp_path / "b.raw", np.int32, "w+", shape=mask.shape)
    ndimage.label(source, np.ones((3, 3), bool), output=target)
    assert areas(target) == areas(label(mask, connectivity=2))
