"""Stain against scikit-image's unmixing and plain numpy, and its own rules."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats
from skimage.color import rgb2hed
from skimage.data import immunohistochemistry

from pathexplain.errors import FeatureError
from pathexplain.features import measure_objects
from pathexplain.features.stain import STAIN_VECTORS, unmix


def blobs(seed=0, side=120):
    """Tissue-like pixels and labels with touching and single objects."""
    rng = np.random.default_rng(seed)
    pixels = immunohistochemistry()[100 : 100 + side, 60 : 60 + side].copy()
    field = ndimage.gaussian_filter(rng.normal(size=(side, side)), 4)
    labels, _ = ndimage.label(field > 0.04)
    labels[:, side // 2 :] += (labels[:, side // 2 :] > 0) * 1000
    return labels.astype(np.int32), pixels


def test_unmix_is_rgb2hed_times_six():
    # theirs: ln(I / 255) / ln(1e-6) @ inv(V), clipped at 0; ours: -log10((I + 1) / 256) @ inv(V).
    # -log10 I = 6 ln I / ln 1e-6, so ours is 6 times theirs but for (I + 1) / 256 against I / 255.
    pixels = np.random.default_rng(0).integers(40, 256, (50, 50, 3), dtype=np.uint8)
    ours, theirs = unmix(pixels), 6 * rgb2hed(pixels)
    positive = theirs > 0
    assert positive.any(axis=(0, 1)).all()
    assert ours[positive] == pytest.approx(theirs[positive], abs=0.03)
    shifted = -np.log10(pixels / 255) @ np.linalg.inv(STAIN_VECTORS)
    assert shifted[positive] == pytest.approx(theirs[positive], abs=1e-9)


def test_unmix_returns_what_was_mixed():
    amounts = np.random.default_rng(1).uniform(0.1, 0.6, (200, 3))
    light = 256 * 10 ** -(amounts @ STAIN_VECTORS) - 1
    recovered = unmix(np.rint(light).astype(np.uint8))
    assert recovered == pytest.approx(amounts, abs=0.06)


def test_statistics_are_numpys():
    labels, pixels = blobs()
    objects = measure_objects(labels, pixels, mpp=0.5, families=["stain"])
    density = unmix(pixels)
    for row, label in enumerate(objects.label):
        mask = labels == label
        if mask.sum() < 30:
            continue
        for channel, stain in enumerate(("hematoxylin", "eosin")):
            inside = density[..., channel][mask]
            expected = {
                "mean": inside.mean(),
                "sd": inside.std(),
                "skewness": stats.skew(inside),
                "kurtosis": stats.kurtosis(inside),
            }
            for name, number in expected.items():
                got = objects.column(f"stain.{stain}_{name}")[row]
                assert got == pytest.approx(number, rel=1e-7, abs=1e-9), (label, name)
            for name, q in (("p10", 0.1), ("median", 0.5), ("p90", 0.9)):
                got = objects.column(f"stain.{stain}_{name}")[row]
                assert got == pytest.approx(np.quantile(inside, q), abs=0.00051), (label, name)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 0.7])
def test_ring_is_a_distance_transform(mpp):
    labels, pixels = blobs(seed=3)
    objects = measure_objects(labels, pixels, mpp=mpp, families=["stain"])
    density = unmix(pixels)[..., 0]
    for row, label in enumerate(objects.label):
        distance = ndimage.distance_transform_edt(labels != label) * mpp
        ring = (labels == 0) & (distance <= 2.0 + 1e-9)
        got = objects.column("stain.hematoxylin_ring_mean")[row]
        if ring.sum() < 10:
            assert np.isnan(got)
        else:
            assert got == pytest.approx(density[ring].mean())
            contrast = objects.column("stain.hematoxylin_contrast")[row]
            assert contrast == pytest.approx(density[labels == label].mean() - density[ring].mean())


def test_gradient_of_a_ramp():
    # I + 1 falls by a constant factor along x, so OD rises by a constant step
    step = 0.02
    light = 256 * 10 ** (-step * np.arange(20, 70)) - 1
    pixels = np.repeat(np.tile(light, (40, 1))[..., None], 3, axis=2)
    labels = np.zeros((40, 50), np.int32)
    labels[5:35, 5:45] = 1
    objects = measure_objects(labels, np.rint(pixels).astype(np.uint8), mpp=0.5, families=["stain"])
    gray = np.linalg.inv(STAIN_VECTORS).sum(axis=0)
    for stain, factor in zip(("hematoxylin", "eosin"), gray, strict=False):
        got = objects.column(f"stain.{stain}_gradient_mean")[0]
        assert got == pytest.approx(abs(step * factor) / 0.5, rel=0.05)


def test_undefined_is_nan_with_a_reason():
    labels = np.zeros((40, 40), np.int32)
    labels[:] = 5  # no background at all: no ring
    labels[3:12, 3:12] = 2
    pixels = np.full((40, 40, 3), 120, np.uint8)
    objects = measure_objects(labels, pixels, mpp=0.5, families=["stain"])
    assert np.isnan(objects.column("stain.eosin_ring_mean")).all()
    assert np.isnan(objects.column("stain.eosin_contrast")).all()
    assert np.isnan(objects.column("stain.eosin_skewness")).all()
    assert objects.column("stain.eosin_sd").tolist() == [0, 0]
    assert objects.undefined["stain.eosin_skewness"] == {"the density does not vary": 2}
    assert objects.n_undefined["stain.eosin_contrast"] == 2


def test_stain_without_pixels_is_refused():
    with pytest.raises(FeatureError, match="need pixels"):
        measure_objects(np.zeros((5, 5), np.int32), mpp=0.5)


def test_unmix_refuses_floats():
    with pytest.raises(FeatureError, match="float64"):
        unmix(np.zeros((3, 3, 3)))
