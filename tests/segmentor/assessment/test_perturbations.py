"""Changes of an image against the law of Beer and Lambert, and planted answers to them."""

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from pathexplain.segmentor.assessment.perturbations import (
    blurred,
    jpeg,
    nearest,
    resampled,
    restained,
)
from pathexplain.segmentor.assessment.robustness import (
    ALL,
    PERTURBATIONS,
    measure_robustness,
    summarise_robustness,
)

HEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])


def painted(hematoxylin: float, eosin: float) -> np.ndarray:
    stains = [v / np.linalg.norm(v) for v in (HEMATOXYLIN, EOSIN)]
    density = hematoxylin * stains[0] + eosin * stains[1]
    return np.tile(np.rint(256 * np.exp(-density) - 1).astype(np.uint8), (4, 5, 1))


@pytest.mark.parametrize("factors", [(1.3, 1.0), (0.7, 1.0), (1.0, 1.3), (1.0, 0.7), (0.7, 1.3)])
def test_each_stain_is_multiplied_by_itself(factors):
    changed = restained(painted(0.8, 0.5), hematoxylin=factors[0], eosin=factors[1])
    wanted = painted(0.8 * factors[0], 0.5 * factors[1])
    np.testing.assert_allclose(changed.astype(int), wanted.astype(int), atol=1)


def test_no_change_is_no_change_and_a_change_can_be_taken_back():
    image = immunohistochemistry()[:64, :64]
    np.testing.assert_array_equal(restained(image), image)
    there = restained(image, hematoxylin=1.2, eosin=1.2)
    back = restained(there, hematoxylin=1 / 1.2, eosin=1 / 1.2)
    assert np.abs(back.astype(int) - image).max() <= 2


def test_blur_keeps_the_mean_and_widens_by_its_variance():
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 250
    image[18:23, 18:23] = np.maximum(image[18:23, 18:23], 100)
    soft = blurred(image, sigma_px=1.0).astype(float)
    assert soft.sum() == pytest.approx(image.sum(), rel=0.02)
    offset = np.arange(41) - 20

    def variance(picture):
        profile = picture[..., 0].sum(axis=0).astype(float)
        return (profile * offset**2).sum() / profile.sum()

    assert variance(soft) - variance(image) == pytest.approx(1.0, abs=0.1)


def test_jpeg_changes_pixels_and_not_the_shape():
    image = immunohistochemistry()[:50, :70]
    compressed = jpeg(image, quality=50)
    assert compressed.shape == image.shape
    difference = np.abs(compressed.astype(int) - image).mean()
    assert 1 < difference < 12
    assert difference > np.abs(jpeg(image, quality=90).astype(int) - image).mean()


def test_resampling_and_nearest_planes_agree_in_shape_and_place():
    plane = np.zeros((40, 60), np.uint8)
    plane[10:30, 14:46] = 1
    image = np.repeat(plane[..., None] * np.uint8(200), 3, axis=2)
    small = resampled(image, scale=0.5)
    assert small.shape == (20, 30, 3)
    np.testing.assert_array_equal(nearest(plane, small.shape[:2]), small[..., 0] > 100)


def test_planted_losses_come_back_as_ratios(planted, make_field):
    truth = np.zeros((40, 40), bool)
    truth[:, 20:] = True

    def plan(prompt, image, mpp):
        shape = image.shape[:2]
        found = nearest(truth.astype(np.uint8), shape).astype(float)
        if mpp != 0.5:  # half of it is lost wherever the scale is not the usual one
            found[: shape[0] // 2] = 0
        return found, 0.9

    trials = measure_robustness(planted(plan), make_field({"tumor": truth}))
    assert len(trials) == len(PERTURBATIONS)
    scores = {s.perturbation: s for s in summarise_robustness(trials) if s.source == "ebhi"}
    for name, score in scores.items():
        wanted = 2 / 3 if "mpp" in name else 1.0  # Dice of a half: 2 · ½ / (½ + 1)
        assert score.ratio.mean == pytest.approx(wanted, abs=0.02), name
        assert score.clean_dice == 1.0
    overall = [s for s in summarise_robustness(trials) if s.source == ALL]
    assert [s.ratio.mean for s in overall] == [s.ratio.mean for s in scores.values()]


def test_images_without_the_class_or_without_anything_else_are_left_out(planted, make_field):
    model = planted(lambda prompt, image, mpp: (np.ones(image.shape[:2]), 0.9))
    for truth in (np.zeros((20, 20), bool), np.ones((20, 20), bool)):
        assert measure_robustness(model, make_field({"tumor": truth})) == ()
    assert model.n_passes == 0
