"""Stain against scikit-image's unmixing and plain numpy, and its own rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats
from skimage.data import immunohistochemistry

from pathexplain.errors import FeatureError
from pathexplain.features import measure_objects
from pathexplain.slides import H_DAB, H_E_DAB, RUIFROK, unmix


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
            quantiles = {"min": 0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75}
            for name, q in (quantiles | {"p90": 0.9, "max": 1}).items():
                got = objects.column(f"stain.{stain}_{name}")[row]
                assert got == pytest.approx(np.quantile(inside, q), abs=0.00051), (label, name)
            spread = {
                "iqr": stats.iqr(inside),
                "mad": stats.median_abs_deviation(inside),
                "mean_median_difference": inside.mean() - np.median(inside),
            }
            for name, number in spread.items():
                got = objects.column(f"stain.{stain}_{name}")[row]
                assert got == pytest.approx(number, abs=0.0016), (label, name)
            integrated = objects.column(f"stain.{stain}_integrated")[row]
            assert integrated == pytest.approx(inside.sum() * 0.25)


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


def test_places_are_scipys():
    labels, pixels = blobs(seed=5)
    mpp = 0.5
    objects = measure_objects(labels, pixels, mpp=mpp, families=["stain"])
    density = unmix(pixels)[..., 0]
    compared = 0
    for row, label in enumerate(objects.label):
        mask = labels == label
        if mask.sum() < 60:
            continue
        got = {
            name.removeprefix("stain.hematoxylin_"): objects.values[row, k]
            for k, name in enumerate(objects.columns)
        }
        padded = np.pad(mask, 1)
        inner = ndimage.binary_erosion(padded)[1:-1, 1:-1]
        gy, gx = np.gradient(density)
        slope = np.hypot(gy, gx)[inner] / mpp
        assert got["gradient_mean"] == pytest.approx(slope.mean())
        assert got["gradient_sd"] == pytest.approx(slope.std())
        assert got["gradient_skewness"] == pytest.approx(stats.skew(slope))
        assert got["gradient_kurtosis"] == pytest.approx(stats.kurtosis(slope))
        edge = density[mask & ~inner]
        assert got["edge_mean"] == pytest.approx(edge.mean())
        assert got["edge_sd"] == pytest.approx(edge.std())
        mass = ndimage.center_of_mass(np.where(mask, np.maximum(density, 0), 0))
        moved = np.subtract(mass, np.argwhere(mask).mean(axis=0))
        assert got["mass_displacement_um"] == pytest.approx(np.hypot(*moved) * mpp, abs=1e-9)
        depth = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
        shell = np.minimum((4 * (depth - 0.5) / depth.max()).astype(int), 3)
        for k in range(4):
            inside = density[mask & (shell == k)]
            expected = inside.mean() - density[mask].mean() if inside.size >= 5 else np.nan
            assert got[f"radial_{k + 1}"] == pytest.approx(expected, nan_ok=True)
        compared += 1
    assert compared > 5


def test_ring_statistics_are_numpys():
    labels, pixels = blobs(seed=3)
    objects = measure_objects(labels, pixels, mpp=0.5, families=["stain"])
    density = unmix(pixels)[..., 1]
    for row, label in enumerate(objects.label):
        distance = ndimage.distance_transform_edt(labels != label) * 0.5
        ring = density[(labels == 0) & (distance <= 2.0 + 1e-9)]
        got = objects.column("stain.eosin_ring_sd")[row]
        if ring.size < 10:
            assert np.isnan(got)
            continue
        assert got == pytest.approx(ring.std())
        assert objects.column("stain.eosin_ring_skewness")[row] == pytest.approx(stats.skew(ring))
        for name, q in (("p10", 0.1), ("median", 0.5), ("p90", 0.9)):
            found = objects.column(f"stain.eosin_ring_{name}")[row]
            assert found == pytest.approx(np.quantile(ring, q), abs=0.00051)


def test_entropy_counts_cells_of_a_twentieth():
    labels, pixels = blobs(seed=6)
    objects = measure_objects(labels, pixels, mpp=0.5, families=["stain"])
    density = unmix(pixels)[..., 0]
    for row, label in enumerate(objects.label):
        inside = np.rint(density[labels == label] / 0.001).astype(int)
        if inside.size < 30:
            continue
        _, counts = np.unique(inside // 50, return_counts=True)
        share = counts / inside.size
        entropy = objects.column("stain.hematoxylin_entropy")[row]
        # a value on the edge of a bin may be rounded to either side
        assert entropy == pytest.approx(stats.entropy(share, base=2), abs=0.05)
        energy = objects.column("stain.hematoxylin_energy")[row]
        assert energy == pytest.approx((share**2).sum(), abs=0.02)


def test_a_stain_that_the_slide_lacks_is_nan_with_its_reason():
    labels, pixels = blobs()
    plain = measure_objects(labels, pixels, mpp=0.5, families=["stain"])
    assert np.isnan(plain.column("stain.dab_mean")).all()
    assert plain.undefined["stain.dab_ring_mean"] == {
        "the stain vectors (ruifrok) have no dab": plain.n
    }
    brown = measure_objects(labels, pixels, mpp=0.5, families=["stain"], stains=H_DAB)
    assert np.isnan(brown.column("stain.eosin_mean")).all()
    for row, label in enumerate(brown.label):
        expected = unmix(pixels, H_DAB)[labels == label]
        assert brown.column("stain.dab_mean")[row] == pytest.approx(expected[:, 1].mean())
        found = brown.column("stain.hematoxylin_mean")[row]
        assert found == pytest.approx(expected[:, 0].mean())
    both = measure_objects(labels, pixels, mpp=0.5, families=["stain"], stains=H_E_DAB)
    assert np.isfinite(both.column("stain.dab_mean")).all()
    assert np.isfinite(both.column("stain.eosin_mean")).all()


def test_brown_membranes_are_seen_by_dab():
    labels = np.zeros((60, 120), np.int32)
    labels[20:40, 20:40], labels[20:40, 80:100] = 1, 2
    amounts = np.zeros((60, 120, 3))
    amounts[labels > 0, 0] = 0.4
    amounts[16:44, 76:104, 1] = 0.5  # around and on the second object only
    light = 256 * 10 ** -(amounts @ np.array(H_DAB.matrix)) - 1
    pixels = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    objects = measure_objects(labels, pixels, mpp=0.5, families=["stain"], stains=H_DAB)
    assert objects.column("stain.dab_mean") == pytest.approx([0, 0.5], abs=0.02)
    assert objects.column("stain.dab_ring_mean") == pytest.approx([0, 0.5], abs=0.02)
    assert objects.column("stain.hematoxylin_mean") == pytest.approx([0.4, 0.4], abs=0.02)


def test_normalization_scales_densities():
    labels, pixels = blobs()
    doubled = replace(RUIFROK, scale=(2.0, 3.0, 1.0))
    plain = measure_objects(labels, pixels, mpp=0.5, families=["stain"])
    scaled = measure_objects(labels, pixels, mpp=0.5, families=["stain"], stains=doubled)
    for stain, factor in (("hematoxylin", 2), ("eosin", 3)):
        for name in ("mean", "sd", "ring_mean", "gradient_mean"):
            column = f"stain.{stain}_{name}"
            assert scaled.column(column) == pytest.approx(
                factor * plain.column(column), nan_ok=True
            )
