"""Stain against scikit-image's unmixing and plain numpy, and its own rules."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats
from skimage.data import immunohistochemistry

from pathexplain.errors import FeatureError
from pathexplain.features import measure_objects
from pathexplain.slides import RUIFROK, unmix


def blobs(seed=0, side=120):
    """Tissue-like pixels and labels with touching and single objects."""
    rng = np.random.default_rng(seed)
    pixels = immunohistochemistry()[100 : 100 + side, 60 : 60 + side].copy()
    field = ndimage.gaussian_filter(rng.normal(size=(side, side)), 4)
    labels, _ = ndimage.label(field > 0.04)
    labels[:, side // 2 :] += (labels[:, side // 2 :] > 0) * 1000
    return labels.astype(np.int32), pixels


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
    gray = RUIFROK.unmixing.sum(axis=0)
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
