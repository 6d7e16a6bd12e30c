"""Texture against mahotas, scikit-image and scipy, and its own rules."""

from __future__ import annotations

import mahotas
import numpy as np
import pytest
from scipy import ndimage
from skimage.data import immunohistochemistry
from skimage.feature import local_binary_pattern

from pathexplain.errors import FeatureError
from pathexplain.features import measure_objects
from pathexplain.features.haralick_kernels import HARALICK
from pathexplain.features.objects import view_objects
from pathexplain.features.texture import measure_texture
from pathexplain.features.texture_columns import LEVEL_WIDTH
from pathexplain.slides import unmix


def blobs(seed=0, side=120):
    rng = np.random.default_rng(seed)
    pixels = immunohistochemistry()[100 : 100 + side, 60 : 60 + side].copy()
    field = ndimage.gaussian_filter(rng.normal(size=(side, side)), 5)
    return ndimage.label(field > 0.02)[0].astype(np.int32), pixels


def measured(labels, pixels, mpp=0.5, **kwargs):
    return measure_objects(labels, pixels, mpp=mpp, families=["texture"], **kwargs)


def large(objects, labels):
    return [(row, labels == label) for row, label in enumerate(objects.label)
            if (labels == label).sum() >= 100]  # fmt: skip


@pytest.mark.parametrize(("mpp", "distance"), [(0.5, 1), (0.25, 2), (1.0, 1)])
def test_haralick_is_mahotas(mpp, distance):
    labels, pixels = blobs()
    objects = measured(labels, pixels, mpp)
    level = np.clip(np.floor(unmix(pixels)[..., 0] / LEVEL_WIDTH), 0, 15).astype(int)
    compared = 0
    for row, mask in large(objects, labels):
        box = ndimage.find_objects(mask.astype(int))[0]
        # theirs has no mask: level 0 is outside, so all levels are one higher
        image = np.where(mask, level + 1, 0)[box]
        theirs = mahotas.features.haralick(
            image,
            ignore_zeros=True,
            distance=distance,
            return_mean_ptp=True,
            use_x_minus_y_variance=True,
        )
        theirs[HARALICK.index("sum_average")] -= 2
        for k, name in enumerate(HARALICK):
            for summary, at in (("mean", k), ("range", 13 + k)):
                ours = objects.column(f"texture.haralick_{name}_{summary}")[row]
                assert ours == pytest.approx(theirs[at], rel=1e-9, abs=1e-6), (name, summary)
        compared += 1
    assert compared >= 4


@pytest.mark.parametrize(("mpp", "radius"), [(0.5, 1), (0.25, 2)])
def test_patterns_are_scikit_images(mpp, radius):
    labels, pixels = blobs(1)
    objects = measured(labels, pixels, mpp)
    whole = np.rint(unmix(pixels)[..., 0] * 1e8).astype(np.int64)  # theirs warns of floats
    patterns = local_binary_pattern(whole, 8, radius, method="uniform")
    square = np.ones((2 * radius + 1, 2 * radius + 1), bool)
    for row, mask in large(objects, labels):
        inner = ndimage.binary_erosion(mask, square)
        theirs = np.bincount(patterns[inner].astype(int), minlength=10) / inner.sum()
        ours = [objects.column(f"texture.lbp_{k}")[row] for k in range(10)]
        # densities that are equal up to rounding are ties to us, and a coin toss to them
        assert ours == pytest.approx(theirs, abs=3 / inner.sum())
        assert sum(ours) == pytest.approx(1)


def test_granularity_is_scipys_opening():
    labels, pixels = blobs(2)
    objects = measured(labels, pixels, 0.5)
    density = np.maximum(unmix(pixels)[..., 0], 0)
    for row, mask in large(objects, labels):
        for k, half in enumerate((1, 2, 3, 4)):
            side = 2 * half + 1
            eroded = ndimage.minimum_filter(
                np.where(mask, density, np.inf), side, mode="constant", cval=np.inf
            )
            opened = ndimage.maximum_filter(
                np.where(mask, eroded, -np.inf), side, mode="constant", cval=-np.inf
            )
            expected = 1 - opened[mask].sum() / density[mask].sum()
            ours = objects.column(f"texture.granularity_{k + 1}")[row]
            assert ours == pytest.approx(expected, abs=1e-5)


def painted(hematoxylin):
    vector = np.array([0.65, 0.70, 0.29])
    light = 256 * 10 ** -(hematoxylin[..., None] * vector) - 1
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def one(hematoxylin, mpp=0.5):
    labels = np.pad(np.ones(np.subtract(hematoxylin.shape, 4), np.int32), 2)
    objects = measured(labels, painted(hematoxylin), mpp)
    return {
        name.removeprefix("texture."): float(value)
        for name, value in zip(objects.columns, objects.values[0], strict=True)
    }


def test_a_checkerboard():
    board = 0.3 + 0.3 * (np.indices((44, 44)).sum(axis=0) % 2)
    found = one(board)
    # two levels four apart: neighbors along rows and columns differ, those on diagonals do not
    assert found["haralick_contrast_mean"] == pytest.approx(8, abs=2.6)
    assert found["haralick_contrast_range"] == pytest.approx(2 * found["haralick_contrast_mean"])
    assert found["haralick_correlation_mean"] == pytest.approx(0, abs=1e-9)
    assert found["haralick_correlation_range"] == pytest.approx(2, abs=1e-9)
    assert found["haralick_asm_mean"] == pytest.approx(0.5, abs=0.01)
    assert found["haralick_entropy_mean"] == pytest.approx(1, abs=0.01)
    assert found["granularity_1"] > 0.3


def test_clumps_are_seen_at_their_size():
    field = np.full((84, 84), 0.2)
    y, x = np.indices(field.shape) % 20
    field[(np.abs(y - 10) <= 2) & (np.abs(x - 10) <= 2)] = 0.8  # 5 px: 2.5 um wide
    found = one(field)
    steps = [found[f"granularity_{k}"] for k in range(1, 5)]
    assert steps[1] == pytest.approx(0, abs=0.01)  # a square of 5 px fits
    assert steps[2] > 0.1  # one of 7 px does not
    assert found["lbp_8"] > 0.5  # mostly flat


def test_stripes_have_a_direction():
    stripes = 0.3 + 0.2 * (np.arange(44) % 4 < 2)[None, :] * np.ones((44, 1))
    even = np.full((44, 44), 0.3)
    assert one(stripes)["haralick_contrast_range"] > 1.5
    assert one(even)["haralick_contrast_range"] == 0


def test_what_is_undefined_is_nan_with_a_reason():
    labels = np.zeros((60, 60), np.int32)
    labels[5:25, 5:25] = 1
    labels[30, 5:55] = labels[31, 5:25] = 2  # a thin line: no pair along columns, no neighborhood
    pixels = np.full((60, 60, 3), 120, np.uint8)
    objects = measured(labels, pixels)
    assert np.isnan(objects.column("texture.haralick_correlation_mean")).all()
    assert objects.column("texture.haralick_entropy_mean")[0] == 0
    assert objects.column("texture.lbp_8")[0] == 1
    assert np.isnan(objects.column("texture.lbp_8")[1])
    reasons = objects.undefined["texture.lbp_8"]
    assert any("fewer than 20 such pixels" in reason for reason in reasons)
    white = measured(labels, np.full((60, 60, 3), 255, np.uint8))
    assert np.isnan(white.column("texture.granularity_1")).all()


def test_texture_without_pixels_is_refused():
    with pytest.raises(FeatureError, match="need pixels"):
        measure_objects(np.ones((5, 5), np.int32), mpp=0.5, families=["texture"])
    with pytest.raises(FeatureError, match="needs pixels"):
        measure_texture(view_objects(np.ones((5, 5), np.int32), mpp=0.5))
