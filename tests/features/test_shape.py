"""Shape against closed forms, and against scikit-image where the definitions coincide."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label as label_components
from skimage.measure import perimeter_crofton, regionprops
from skimage.morphology import convex_hull_image

from pathexplain.features import measure_objects


def measure(mask, *, mpp=1.0, kind="instances"):
    labels = np.asarray(mask).astype(np.int32)
    return measure_objects(labels, mpp=mpp, families=["shape"], kind=kind)


def value(mask, name, *, mpp=1.0):
    return float(measure(mask, mpp=mpp).column(f"shape.{name}")[0])


def polar(radius, *, side=160, center=(80.3, 79.6)):
    """Rasterize r < radius(angle)."""
    y, x = np.mgrid[:side, :side].astype(float)
    dy, dx = y - center[0], x - center[1]
    return np.hypot(dy, dx) <= radius(np.arctan2(dy, dx))


def disk(r, **kwargs):
    return polar(lambda angle: r + 0 * angle, **kwargs)


def ellipse(a, b, tilt=0.4):
    y, x = np.mgrid[:160, :160] - 80.2
    u, v = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


@pytest.mark.parametrize("r", [7, 15, 40])
@pytest.mark.parametrize("mpp", [0.25, 1.0])
def test_disk(r, mpp):
    mask = disk(r)
    assert value(mask, "area_um2", mpp=mpp) == pytest.approx(np.pi * (r * mpp) ** 2, rel=0.03)
    assert value(mask, "perimeter_um", mpp=mpp) == pytest.approx(2 * np.pi * r * mpp, rel=0.03)
    assert value(mask, "circularity") == pytest.approx(1, abs=0.03)
    for name in ("major_axis_um", "minor_axis_um", "equivalent_diameter_um"):
        assert value(mask, name, mpp=mpp) == pytest.approx(2 * r * mpp, rel=0.02)
    for name in ("feret_max_um", "feret_min_um"):
        assert value(mask, name, mpp=mpp) == pytest.approx(2 * r * mpp, abs=1.01 * mpp)
    assert value(mask, "solidity") == 1
    assert value(mask, "convexity") == pytest.approx(1, abs=1e-12)
    assert value(mask, "hu_1") == pytest.approx(1 / (2 * np.pi), rel=0.01)
    assert value(mask, "n_holes") == 0
    assert value(mask, "concave_share") == pytest.approx(0, abs=0.02)
    assert value(mask, "curvature_abs_mean_per_um", mpp=mpp) == pytest.approx(
        1 / (r * mpp), rel=0.05
    )


def test_ellipse():
    mask = ellipse(50, 20)
    assert value(mask, "major_axis_um") == pytest.approx(100, rel=0.005)
    assert value(mask, "minor_axis_um") == pytest.approx(40, rel=0.005)
    assert value(mask, "aspect_ratio") == pytest.approx(2.5, rel=0.005)
    assert value(mask, "eccentricity") == pytest.approx(np.sqrt(1 - 0.16), abs=0.002)
    assert value(mask, "feret_max_um") == pytest.approx(100, abs=1.5)
    assert value(mask, "feret_min_um") == pytest.approx(40, abs=1.5)
    assert value(mask, "solidity") == 1
    # Hu 1 of an ellipse: (a / b + b / a) / (4 pi); Hu 2: ((a / b - b / a) / (4 pi))^2
    assert value(mask, "hu_1") == pytest.approx((2.5 + 0.4) / (4 * np.pi), rel=0.005)
    assert value(mask, "hu_2") == pytest.approx(((2.5 - 0.4) / (4 * np.pi)) ** 2, rel=0.01)
    assert value(mask, "hu_3") < 1e-6


@pytest.mark.parametrize("n", [8, 31])
def test_square_is_exact(n):
    mask = np.zeros((n + 4, n + 7), bool)
    mask[2 : 2 + n, 3 : 3 + n] = True
    assert value(mask, "area_um2", mpp=0.5) == n * n * 0.25
    assert value(mask, "major_axis_um") == pytest.approx(4 * np.sqrt(n * n / 12), rel=1e-12)
    assert value(mask, "minor_axis_um") == pytest.approx(4 * np.sqrt(n * n / 12), rel=1e-12)
    assert value(mask, "extent") == value(mask, "solidity") == value(mask, "convexity") == 1
    assert value(mask, "feret_min_um", mpp=2) == 2 * n
    assert value(mask, "feret_max_um") == pytest.approx(np.sqrt(2) * (n - 1) + 1)
    # eq. 19 of arXiv:2506.20988 with the boundary of a square by pixel count, 4 (n - 1)
    assert value(mask, "irregularity") == pytest.approx(1 - 4 * np.pi * n**2 / (4 * n - 4) ** 2)


def test_ring():
    mask = disk(30) & ~disk(20)
    hole = disk(20).sum()
    assert value(mask, "n_holes") == 1
    assert value(mask, "hole_share") == pytest.approx(hole / (hole + mask.sum()), rel=1e-12)
    assert value(mask, "perimeter_um") == pytest.approx(2 * np.pi * 50, rel=0.03)
    assert value(mask, "solidity") == pytest.approx(1 - 20**2 / 30**2, rel=0.01)
    assert value(mask, "convexity") == pytest.approx(30 / 50, rel=0.02)
    assert value(mask, "curvature_abs_mean_per_um") == pytest.approx(1 / 30, rel=0.05)


@pytest.mark.parametrize(("lobes", "amplitude"), [(3, 0.1), (3, 0.05)])
def test_fourier_of_a_lobed_disk(lobes, amplitude):
    # r = R (1 + a cos m t): by arc length, to first order in a,
    # c(1 + m) = a R / 2 (1 - 1 / m) and c(1 - m) = a R / 2 (1 + 1 / m)
    mask = polar(lambda angle: 60 * (1 + amplitude * np.cos(lobes * angle)))
    expected = amplitude / 2 * np.hypot(1 - 1 / lobes, 1 + 1 / lobes)
    assert value(mask, "fourier_low") == pytest.approx(expected, rel=0.08)
    assert value(mask, "fourier_high") < 0.2 * expected
    assert value(disk(60), "fourier_low") < 0.1 * expected


def test_fourier_high_sees_fine_lobes():
    mask = polar(lambda angle: 60 * (1 + 0.04 * np.cos(8 * angle)))
    expected = 0.04 / 2 * np.hypot(1 - 1 / 8, 1 + 1 / 8)
    assert value(mask, "fourier_high") == pytest.approx(expected, rel=0.15)
    assert value(mask, "fourier_low") < 0.2 * expected


def test_concave_share_sees_indentation():
    bean = disk(40) & ~disk(18, center=(80.3, 115))
    assert value(bean, "concave_share") > 0.1
    assert value(bean, "curvature_sd_per_um") > 3 * value(disk(40), "curvature_sd_per_um")


def random_objects(seed):
    """Blobs with ragged edges and holes, labeled by 8-connected component, some at the border."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(220, 230)), 4)
    return label_components(field > 0.02, connectivity=2).astype(np.int32)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agrees_with_scikit_image(seed):
    labels = random_objects(seed)
    objects = measure_objects(labels, mpp=1.0, families=["shape"])
    regions = [r for r in regionprops(labels) if r.area >= 30]
    assert len(regions) > 10
    rows = np.flatnonzero(np.isin(objects.label, [r.label for r in regions]))
    for name, attribute in {
        "area_um2": "area",
        "perimeter_um": "perimeter_crofton",
        "extent": "extent",
        "equivalent_diameter_um": "equivalent_diameter_area",
    }.items():
        theirs = [getattr(region, attribute) for region in regions]
        assert objects.column(f"shape.{name}")[rows] == pytest.approx(theirs, rel=1e-12)
    # theirs are moments of points, ours of pixel squares: 16 / 12 px^2 apart, exactly
    for name in ("major", "minor"):
        theirs = np.array([getattr(region, f"axis_{name}_length") for region in regions])
        ours = objects.column(f"shape.{name}_axis_um")[rows]
        assert ours**2 - 4 / 3 == pytest.approx(theirs**2, rel=1e-9)
    for k in range(7):
        theirs = np.array([region.moments_hu[k] for region in regions])
        theirs = np.abs(theirs) if k == 6 else theirs  # ours is the same for the mirror image
        ours = objects.column(f"shape.hu_{k + 1}")[rows]
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-16)
    filled = [region.area_filled for region in regions]
    assert objects.column("shape.filled_area_um2")[rows].tolist() == filled
    hulls = [convex_hull_image(r.image, offset_coordinates=False).sum() for r in regions]
    assert objects.column("shape.convex_area_um2")[rows].tolist() == hulls
    filled = np.array([region.area_filled for region in regions])
    shares = 1 - np.array([region.area for region in regions]) / filled
    assert objects.column("shape.hole_share")[rows] == pytest.approx(shares, abs=1e-12)
    holes = [1 - region.euler_number for region in regions]
    assert objects.column("shape.n_holes")[rows].tolist() == holes
    # theirs outlines a rasterized hull at level 0.5, ours is pixel centers + 1 px
    feret = [region.feret_diameter_max for region in regions]
    assert objects.column("shape.feret_max_um")[rows] == pytest.approx(feret, abs=0.8)
    assert objects.centroid_um[rows] == pytest.approx(
        np.array([region.centroid for region in regions]) + 0.5
    )


def test_feret_against_brute_force():
    mask = random_objects(4) == 7
    objects = measure(mask)
    points = np.argwhere(mask)
    angles = np.linspace(0, np.pi, 7200, endpoint=False)
    spread = points @ np.stack([np.sin(angles), np.cos(angles)])
    widths = np.ptp(spread, axis=0)
    assert objects.column("shape.feret_max_um")[0] == pytest.approx(widths.max() + 1, abs=1e-3)
    assert objects.column("shape.feret_min_um")[0] == pytest.approx(widths.min() + 1, abs=1e-2)


def test_crofton_also_at_the_image_border():
    mask = np.zeros((30, 30), bool)
    mask[:20, :17] = True
    assert value(mask, "perimeter_um") == pytest.approx(perimeter_crofton(mask, 4))
    assert measure(mask).touches_border.tolist() == [True]
    assert measure(np.pad(mask, 1)).touches_border.tolist() == [False]


@pytest.mark.parametrize("diagonal", [False, True])
def test_a_line_has_no_shape(diagonal):
    mask = np.zeros((70, 70), bool)
    if diagonal:
        np.fill_diagonal(mask[3:-3, 3:-3], val=True)
    else:
        mask[5, 3:67] = True
    objects = measure(mask)
    defined = {"area_um2", "filled_area_um2", "equivalent_diameter_um"}
    defined |= {"n_holes", "hole_share", "n_pieces"}
    for name in objects.columns:
        is_nan = np.isnan(objects.column(name)[0])
        assert is_nan == (name.removeprefix("shape.") not in defined), name
    assert "its pixel centers lie on one line" in objects.undefined["shape.solidity"]


def test_pieces_have_no_contour():
    mask = disk(20, center=(40, 40)) | disk(15, center=(110, 100))
    objects = measure(mask)
    assert np.isnan(objects.column("shape.fourier_low")[0])
    assert objects.column("shape.area_um2")[0] == mask.sum()
    touching = np.zeros((40, 40), bool)
    touching[2:12, 2:12] = touching[12:22, 12:22] = True  # joined by one corner
    assert np.isfinite(measure(touching).column("shape.fourier_low")[0])


def test_a_nested_object_is_background_to_its_host():
    labels = (disk(40) & ~disk(20)).astype(np.int32)
    labels[disk(10)] = 2
    objects = measure_objects(labels, mpp=1.0, families=["shape"])
    assert objects.column("shape.n_holes").tolist() == [1, 0]
    filled = ndimage.binary_fill_holes(labels == 1).sum()
    assert objects.column("shape.hole_share")[0] == pytest.approx(
        1 - (labels == 1).sum() / filled, rel=1e-12
    )
