"""Splitting masks into objects, on shapes with a known answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.measure import label
from skimage.segmentation import watershed

from pathexplain.prompts import Prompt
from pathexplain.segmentor.instances import (
    Splitting,
    drop_small,
    split_at_depth,
    split_instances,
)
from pathexplain.segmentor.segmentation import Segmentation


def disks(centres, radius=9, shape=(64, 96)):
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    depth = [1 - np.hypot(yy - y, xx - x) / radius for y, x in centres]
    return np.maximum(0, np.max(depth, axis=0)).astype(np.float32)


def test_touching_disks_separate_at_their_waist():
    interior = disks([(30, 30), (30, 46)])
    labels = split_instances(interior > 0, interior, mpp=0.5)
    assert labels.max() == 2
    assert labels[30, 30] != labels[30, 46]
    assert abs(int((labels == 1).sum()) - int((labels == 2).sum())) < 0.1 * (labels == 1).sum()


def test_a_component_without_a_core_stays_one_object():
    mask = np.zeros((32, 32), bool)
    mask[4:8, 4:20] = True
    labels = split_instances(mask, np.zeros((32, 32), np.float32), mpp=0.5)
    assert labels.max() == 1
    assert np.array_equal(labels > 0, mask)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(10, 54), st.integers(10, 86)), min_size=1, max_size=6),
    st.sampled_from([0, 1, 2, 3]),
)
def test_every_mask_pixel_is_in_exactly_one_object_at_any_turn(centres, turns):
    interior = np.rot90(disks(centres), turns).copy()
    mask = interior > 0
    labels = split_instances(mask, interior, mpp=0.5)
    assert np.array_equal(labels > 0, mask)
    assert np.array_equal(np.unique(labels[labels > 0]), np.arange(1, labels.max() + 1))


@pytest.mark.parametrize(("min_area_um2", "left"), [(0.0, 2), (1.0, 2), (1.5, 1), (99.0, 0)])
def test_small_objects_go_by_their_area_in_um2(min_area_um2, left):
    labels = np.array([[1, 1, 1, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2]], np.int32)
    assert drop_small(labels, mpp=0.5, min_area_um2=min_area_um2).max() == left


def test_empty_mask_gives_no_object():
    labels = split_instances(np.zeros((5, 5), bool), None, mpp=1.0)
    assert labels.dtype == np.int32
    assert labels.max() == 0


def test_masks_hold_what_instances_keep():
    interior = disks([(30, 30)])
    interior[5:7, 5:7] = 0.9
    for prompt, left in (
        (Prompt.from_text("nucleus"), 1),
        (Prompt(name="n", text="n", kind="instances"), 2),
    ):
        result = Segmentation(
            prompts=(prompt,),
            probabilities=(interior[None] > 0).astype(np.float32),
            presence=np.ones(1, np.float32),
            mpp=0.5,
            interiors=(interior,),
            trained=("trained",),
        )
        assert result.instances(0).max() == left
        assert np.array_equal(result.masks[0], result.instances(0) > 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.8), st.floats(0.4, 0.9))
def test_objects_are_those_of_a_watershed_of_the_whole_mask(seed, share, level):
    rng = np.random.default_rng(seed)
    mask = rng.random((40, 50)) < share
    depth = gaussian_filter(rng.random((40, 50)), 1.0).astype(np.float32)
    depth /= depth.max()
    found = split_at_depth(mask, depth, mpp=0.5, splitting=Splitting(0.25, level))
    cores = label(mask & (depth > level), connectivity=1)
    whole = watershed(-depth, markers=cores, mask=mask)
    # Components without a core are one object each; all others are as scikit-image floods them.
    has_core = np.isin(label(mask, connectivity=2), label(mask, connectivity=2)[cores > 0])
    expected = drop_small(np.where(has_core, whole, 0).astype(np.int32), mpp=0.5, min_area_um2=0)
    assert np.array_equal(np.where(has_core, found, 0), expected)
