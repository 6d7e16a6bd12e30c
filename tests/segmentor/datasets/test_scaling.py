"""Rescaled masks stay where they are and as large as they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from pathexplain.segmentor.datasets.scaling import rescale_image, rescale_labels, scaled_shape


def disk(center: tuple[float, float], radius: float, side: int = 256) -> np.ndarray:
    """A disk around a center in px from the top left corner of the picture."""
    yy, xx = np.mgrid[:side, :side] + 0.5
    return (np.hypot(yy - center[0], xx - center[1]) < radius).astype(np.int32)


def center_of(labels: np.ndarray) -> np.ndarray:
    """Center of mass from the top left corner, as a share of the side: free of resolution."""
    return (np.array(ndimage.center_of_mass(labels > 0)) + 0.5) / labels.shape


@settings(max_examples=25)
@given(
    center=st.tuples(st.floats(80, 176), st.floats(80, 176)),
    radius=st.floats(30, 70),
    side=st.integers(50, 420),
)
def test_center_and_area_survive(center: tuple[float, float], radius: float, side: int) -> None:
    before = disk(center, radius)
    after = rescale_labels(before, (side, side))
    shift_px = np.abs(center_of(after) - center_of(before)) * side
    assert shift_px.max() < 0.12
    share_before, share_after = before.mean(), after.mean()
    assert share_after == pytest.approx(share_before, rel=0.03)


def test_half_resolution_does_not_shift_as_pillows_nearest_does() -> None:
    rng = np.random.default_rng(0)
    ours, pillows = [], []
    for _ in range(30):
        before = disk(tuple(rng.uniform(100, 156, 2)), float(rng.uniform(20, 60)))
        there = center_of(before) * 256
        ours.append(center_of(rescale_labels(before, (128, 128))) * 256 - there)
        nearest = Image.fromarray(before).resize((128, 128), Image.Resampling.NEAREST)
        pillows.append(center_of(np.asarray(nearest)) * 256 - there)
    assert np.abs(np.mean(ours, axis=0)).max() < 0.03
    assert np.abs(np.mean(pillows, axis=0) + 0.5).max() < 0.05


@pytest.mark.parametrize("flip", [0, 1])
def test_mirrored_masks_give_mirrored_area(flip: int) -> None:
    before = disk((97.3, 140.2), 41.7)
    there = rescale_labels(before, (101, 101))
    back = np.flip(rescale_labels(np.flip(before, flip).copy(), (101, 101)), flip)
    assert (there != back).mean() < 0.002


def test_edges_that_halve_a_pixel_keep_the_area() -> None:
    before = np.zeros((80, 80), np.int32)
    before[11:51, 21:61] = 3
    after = rescale_labels(before, (40, 40))
    assert (after > 0).sum() * 4 == pytest.approx((before > 0).sum(), rel=0.01)


def test_whole_blocks_are_exact_at_integer_factors() -> None:
    small = np.random.default_rng(1).integers(0, 5, (20, 30)).astype(np.int32)
    for factor in (2, 3, 4, 5):
        large = np.kron(small, np.ones((factor, factor), np.int32))
        assert (rescale_labels(large, small.shape) == small).all()
        assert (rescale_labels(small, large.shape) == large).all()


def test_unknown_is_a_label_as_any_other_and_no_value_is_made_up() -> None:
    labels = np.random.default_rng(2).choice([-1, 0, 3, 9], (64, 64)).astype(np.int32)
    assert set(np.unique(rescale_labels(labels, (23, 31)))) <= {-1, 0, 3, 9}
    assert (rescale_labels(np.full((64, 64), -1, np.int32), (20, 20)) == -1).all()


def test_two_touching_objects_stay_two() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[10:50, 10:29], labels[10:50, 29:50] = 4, 8
    small = rescale_labels(labels, (30, 30))
    assert set(np.unique(small)) == {0, 4, 8}
    assert (small == 4).sum() == pytest.approx(40 * 19 / 4, abs=20)


def test_pictures_are_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    small = rescale_image(stripes, (16, 16))
    assert np.abs(small[4:-4, 4:-4].astype(int) - 100).max() <= 3
    assert rescale_image(stripes, (64, 64)) is stripes


def test_shape_at_a_resolution() -> None:
    assert scaled_shape((1000, 1000), mpp=0.25, target_mpp=0.5) == (500, 500)
    assert scaled_shape((3, 3), mpp=0.25, target_mpp=5.0) == (1, 1)
