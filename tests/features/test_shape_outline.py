"""Depth, Zernike moments, Fourier waves, curvature and fractal dimension of the `shape` family."""

from __future__ import annotations

import mahotas
import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import polygon

from pathexplain.features import measure_objects
from pathexplain.features.interior_kernels import squared_depth
from pathexplain.features.zernike_kernels import ORDER, ZERNIKE


def values(mask, *, mpp=1.0):
    objects = measure_objects(np.asarray(mask).astype(np.int32), mpp=mpp, families=["shape"])
    return {
        name.removeprefix("shape."): float(value)
        for name, value in zip(objects.columns, objects.values[0], strict=True)
    }


def polar(radius, *, side=220, center=(110.3, 109.6)):
    y, x = np.mgrid[:side, :side].astype(float)
    dy, dx = y - center[0], x - center[1]
    return np.hypot(dy, dx) <= radius(np.arctan2(dy, dx))


def blobs(seed, side=120):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 4)
    return ndimage.label(field > 0.02)[0].astype(np.int32)


@pytest.mark.parametrize("seed", range(4))
def test_depth_is_scipys_distance_transform(seed):
    labels = blobs(seed)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = box
        ours = squared_depth(labels, label, rows.start, columns.start, rows.stop, columns.stop)
        theirs = ndimage.distance_transform_edt(np.pad(labels[box] == label, 1))[1:-1, 1:-1]
        np.testing.assert_array_equal(ours, np.rint(theirs**2))


def test_radii_of_a_disk_and_of_a_strip():
    # a disk of radius R: depth is R - r, so its mean is R / 3 and its median R (1 - sqrt 1/2)
    disk = values(polar(lambda angle: 60 + 0 * angle), mpp=0.5)
    assert disk["radius_max_um"] == pytest.approx(30, abs=0.5)
    assert disk["radius_mean_um"] == pytest.approx(10, rel=0.02)
    assert disk["radius_median_um"] == pytest.approx(30 * (1 - np.sqrt(0.5)), rel=0.03)
    strip = np.zeros((30, 400), bool)
    strip[5:25, 5:395] = True  # half width 10: depth is uniform on 0 to 10 but for the ends
    strip = values(strip)
    assert strip["radius_max_um"] == pytest.approx(10, abs=0.51)
    assert strip["radius_mean_um"] == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize("seed", [1, 2])
def test_zernike_moments_are_mahotas(seed):
    labels = blobs(seed)
    objects = measure_objects(labels, mpp=1.0, families=["shape"])
    pairs = [(n, m) for n in range(ORDER + 1) for m in range(n + 1) if (n - m) % 2 == 0]
    compared = 0
    for row, label in enumerate(objects.label):
        mask = labels == label
        if mask.sum() < 100:
            continue
        points = np.argwhere(mask)
        center = points.mean(axis=0)
        radius = np.hypot(*(points - center).T).max() + 0.5
        theirs = mahotas.features.zernike_moments(
            mask.astype(float), radius, degree=ORDER, cm=tuple(center)
        )
        theirs = dict(zip(pairs, theirs, strict=True))
        for n, m in ZERNIKE:
            ours = objects.column(f"shape.zernike_{n}_{m}")[row]
            assert ours == pytest.approx(theirs[n, m], abs=1e-6), (n, m)
        compared += 1
    assert compared >= 4


def test_zernike_sees_the_symmetry_of_a_lobed_disk():
    found = values(polar(lambda angle: 60 * (1 + 0.15 * np.cos(3 * angle))))
    threefold = {m: found[f"zernike_{n}_{m}"] for n, m in ZERNIKE if n == m}
    assert max(threefold, key=threefold.get) == 3
    assert threefold[3] > 5 * threefold[4]


def test_fourier_waves_are_separate():
    # r = R (1 + a cos m t), see test_shape: the wave m splits over k = m + 1 and k = m - 1
    for lobes in (3, 4, 5):
        found = values(polar(lambda angle, m=lobes: 80 * (1 + 0.06 * np.cos(m * angle))))
        waves = {k: found[f"fourier_{k}"] for k in range(2, 7)}
        expected = dict.fromkeys(waves, 0.0)
        expected |= {lobes - 1: 0.03 * (1 + 1 / lobes), lobes + 1: 0.03 * (1 - 1 / lobes)}
        for k, wave in waves.items():
            assert wave == pytest.approx(expected[k], abs=0.006), (lobes, k)


@pytest.mark.parametrize("lobes", [3, 5])
def test_a_disk_with_a_sinusoid_edge(lobes):
    # curvature of r = R (1 + a cos m t): extremes (1 + a + m^2 a) / (R (1 + a)^2) and with -a
    size, amplitude = 90, 0.08
    found = values(polar(lambda angle: size * (1 + amplitude * np.cos(lobes * angle))), mpp=0.5)
    tip = (1 + amplitude + lobes**2 * amplitude) / (size * (1 + amplitude) ** 2) / 0.5
    dent = (1 - amplitude - lobes**2 * amplitude) / (size * (1 - amplitude) ** 2) / 0.5
    tolerance = 0.1 if lobes == 3 else 0.3  # six harmonics hold waves up to m = 5 only in part
    assert found["curvature_max_per_um"] == pytest.approx(tip, rel=tolerance)
    assert found["curvature_min_per_um"] == pytest.approx(dent, abs=tolerance * tip)
    assert found["n_concavities"] == (lobes if dent < 0 else 0)


def test_a_star():
    angles = np.pi / 2 + np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2 == 0, 100, 45)
    rows, columns = polygon(110 - radii * np.sin(angles), 110 + radii * np.cos(angles))
    mask = np.zeros((220, 220), bool)
    mask[rows, columns] = True
    found = values(mask)
    area = 0.5 * np.sin(np.pi / 5) * 100 * 45 * 10  # ten triangles from the center
    side = np.sqrt(100**2 + 45**2 - 2 * 100 * 45 * np.cos(np.pi / 5))
    hull = 0.5 * np.sin(2 * np.pi / 5) * 100**2 * 5  # a regular pentagon
    assert found["area_um2"] == pytest.approx(area, rel=0.01)
    assert found["perimeter_um"] == pytest.approx(10 * side, rel=0.05)
    assert found["solidity"] == pytest.approx(area / hull, rel=0.02)
    assert found["n_concavities"] == 5
    assert found["radius_max_um"] < 45
    assert found["zernike_5_5"] > 3 * found["zernike_4_4"]


def test_bending_energy_of_a_disk():
    found = values(polar(lambda angle: 50 + 0 * angle), mpp=0.5)
    assert found["bending_energy_per_um2"] == pytest.approx(1 / 25**2, rel=0.05)


@pytest.mark.parametrize(("n", "m"), [(60, 60), (20, 90)])
def test_a_rectangle_is_rectangular_at_any_angle(n, m):
    y, x = np.mgrid[:220, :220] - 110.2
    for tilt in (0.0, 0.3, np.pi / 4):
        u, v = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
        mask = (abs(u) <= m / 2) & (abs(v) <= n / 2)
        assert values(mask)["rectangularity"] == pytest.approx(1, abs=0.06)
    assert values(polar(lambda angle: 60 + 0 * angle))["rectangularity"] == pytest.approx(
        np.pi / 4, rel=0.02
    )


def test_pieces_are_counted():
    labels = np.zeros((60, 60), np.int32)
    labels[2:12, 2:12] = labels[20:30, 2:12] = labels[30:40, 12:22] = 1
    labels[23:26, 5:8] = 0
    found = values(labels)
    assert (found["n_pieces"], found["n_holes"]) == (2, 1)  # a corner joins two of three squares


def koch(steps, size=640):
    """Rasterize the Koch snowflake."""
    points = np.exp(2j * np.pi * np.arange(3) / 3 + 0.1j)[::-1]
    for _ in range(steps):
        a, b = points, np.roll(points, -1)
        third = (b - a) / 3
        peak = a + third + third * np.exp(1j * np.pi / 3)
        points = np.stack([a, a + third, peak, a + 2 * third], axis=1).ravel()
    scaled = points * size * 0.4 + (1 + 1j) * size / 2
    rows, columns = polygon(scaled.imag, scaled.real, (size, size))
    mask = np.zeros((size, size), bool)
    mask[rows, columns] = True
    return mask


def test_fractal_dimension_of_smooth_and_of_koch():
    assert values(koch(0))["fractal_dimension"] == pytest.approx(1, abs=0.03)
    assert values(polar(lambda angle: 90 + 0 * angle))["fractal_dimension"] == pytest.approx(
        1, abs=0.03
    )
    # from the pixel upwards: the finest wiggles are lost to the grid
    assert values(koch(6))["fractal_dimension"] == pytest.approx(np.log(4) / np.log(3), abs=0.08)


def test_fractal_dimension_is_a_count_of_boxes():
    mask = blobs(7)
    mask = mask == np.argmax(np.bincount(mask.ravel())[1:]) + 1
    inside = np.pad(mask, 16)
    number = []
    for side in (1, 2, 4, 8):
        windows = np.lib.stride_tricks.sliding_window_view(inside, (side + 1, side + 1))
        n_inside = windows.sum(axis=(2, 3))
        mixed = (n_inside > 0) & (n_inside < (side + 1) ** 2)
        grids = [mixed[dy::side, dx::side].sum() for dy in range(side) for dx in range(side)]
        number.append(np.mean(grids))
    slope = np.polyfit(np.log([1, 2, 4, 8]), np.log(number), 1)[0]
    assert values(mask)["fractal_dimension"] == pytest.approx(-slope, rel=1e-9)


def test_a_box_too_large_is_undefined_with_its_reason():
    labels = np.zeros((4100, 4100), np.int32)
    labels[1, 1:4099] = labels[1:4099, 1] = labels[2, 1:5] = 1
    objects = measure_objects(labels, mpp=1.0, families=["shape"])
    assert np.isnan(objects.column("shape.radius_max_um")[0])
    assert any("2^24" in reason for reason in objects.undefined["shape.radius_max_um"])
    assert objects.column("shape.area_um2")[0] == 4098 + 4097 + 3
