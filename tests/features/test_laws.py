"""The declared laws, as hypothesis tests generated from the registry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pathexplain.features import FAMILIES, measure_objects
from pathexplain.features.columns import LAWS

SETTINGS = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
LEAST_PIXELS = 30
"""Resolution laws hold from here, or from a column's own minimum where that is larger."""


@st.composite
def tissues(draw):
    """Labels of blobs (ragged, holed, touching, one pixel, in pieces) and odd-valued pixels."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    side = draw(st.integers(40, 70))
    field = ndimage.gaussian_filter(rng.normal(size=(side, side + 9)), draw(st.floats(1.5, 4)))
    labels, n = ndimage.label(field > np.quantile(field, draw(st.floats(0.5, 0.9))))
    if n > 3:
        labels[labels == 3] = 2  # an object in two pieces
    labels[0, 0] = n + 1
    smooth = ndimage.gaussian_filter(rng.normal(size=(*labels.shape, 3)), (2, 2, 0))
    pixels = np.clip(140 + 400 * smooth, 20, 254).astype(np.uint8) | 1
    return np.pad(labels, 5).astype(np.int32), np.pad(pixels, ((5, 5), (5, 5), (0, 0)), mode="edge")


def measured(labels, pixels, family, mpp=0.5):
    objects = measure_objects(labels, pixels, mpp=mpp, families=[family])
    return {int(label): row for label, row in zip(objects.label, objects.values, strict=True)}


def assert_law(family, law, before, after, *, of=lambda label: label):
    """Hold every column that declares the law to its tolerance, NaN included."""
    assert {of(label) for label in before} == set(after)
    for j, column in enumerate(FAMILIES[family].columns):
        declared = column.law(law)
        if declared is None:
            continue
        tolerance = declared.tolerance
        first = np.array([before[label][j] for label in before])
        second = np.array([after[of(label)][j] for label in before])
        np.testing.assert_allclose(
            second,
            first,
            rtol=tolerance,
            atol=max(1e-9, tolerance * 1e-2, declared.absolute),
            err_msg=column.name,
        )


def declares(law):
    return [
        family.name
        for family in FAMILIES.values()
        if family.compute is not None  # spatial families: tests/features/spatial
        and any(column.tolerance(law) is not None for column in family.columns)
    ]


@pytest.mark.parametrize("family", declares("rotation90"))
@SETTINGS
@given(tissue=tissues(), turns=st.integers(1, 3))
def test_rotation90(family, tissue, turns):
    labels, pixels = tissue
    after = measured(np.rot90(labels, turns), np.rot90(pixels, turns), family)
    assert_law(family, "rotation90", measured(labels, pixels, family), after)


@pytest.mark.parametrize("family", declares("flip"))
@SETTINGS
@given(tissue=tissues(), axis=st.integers(0, 1))
def test_flip(family, tissue, axis):
    labels, pixels = tissue
    after = measured(np.flip(labels, axis), np.flip(pixels, axis), family)
    assert_law(family, "flip", measured(labels, pixels, family), after)


@pytest.mark.parametrize("family", declares("translation"))
@SETTINGS
@given(tissue=tissues(), down=st.integers(0, 40), right=st.integers(0, 40))
def test_translation(family, tissue, down, right):
    labels, pixels = tissue
    moved = np.pad(labels, ((down, 0), (right, 0)))
    light = np.pad(pixels, ((down, 0), (right, 0), (0, 0)), mode="edge")
    assert_law(
        family, "translation", measured(labels, pixels, family), measured(moved, light, family)
    )


@pytest.mark.parametrize("family", declares("relabel"))
@SETTINGS
@given(tissue=tissues(), seed=st.integers(0, 1000), gap=st.sampled_from([1, 7, 100_000]))
def test_relabel(family, tissue, seed, gap):
    labels, pixels = tissue
    order = np.random.default_rng(seed).permutation(int(labels.max())) + 1
    names = np.concatenate([[0], order * gap]).astype(np.int32)
    after = measured(names[labels], pixels, family)
    before = measured(labels, pixels, family)
    assert_law(family, "relabel", before, after, of=lambda label: int(names[label]))


@pytest.mark.parametrize("family", declares("intensity_scale"))
@SETTINGS
@given(tissue=tissues())
def test_intensity_scale(family, tissue):
    labels, pixels = tissue
    half = ((pixels.astype(int) + 1) // 2 - 1).astype(np.uint8)  # I + 1 halves, exactly
    assert_law(
        family, "intensity_scale", measured(labels, pixels, family), measured(labels, half, family)
    )


def draw_smooth(form, mpp, *, side_um=80.0):
    """Rasterize a lobed ellipse, given in µm, at a resolution."""
    size, stretch, tilt, lobe, dy, dx = form
    steps = (np.arange(int(side_um / mpp)) + 0.5) * mpp - side_um / 2
    y, x = steps[:, None] - dy, steps[None, :] - dx
    u, v = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    angle = np.arctan2(v * stretch, u / stretch)
    radius = np.hypot(u / stretch, v * stretch)
    return (radius <= size * (1 + lobe * np.cos(3 * angle))).astype(np.int32)


FORMS = st.tuples(
    st.floats(2.5, 20),
    st.floats(1, 1.5),
    st.floats(0, np.pi),
    st.floats(0, 0.25),
    st.floats(-1, 1),
    st.floats(-1, 1),
)


@pytest.mark.parametrize("family", declares("resolution"))
@settings(SETTINGS, max_examples=60)
@given(form=FORMS)
def test_resolution(family, form):
    drawn = {mpp: draw_smooth(form, mpp) for mpp in (0.25, 0.5, 1.0)}
    values = {mpp: measured(labels, None, family, mpp)[1] for mpp, labels in drawn.items()}
    for fine, coarse in ((0.25, 0.5), (0.5, 1.0), (0.25, 1.0)):
        pixels = drawn[coarse].sum()
        for j, column in enumerate(FAMILIES[family].columns):
            law = column.law("resolution")
            if law is not None and pixels >= max(LEAST_PIXELS, column.min_pixels):
                allowed = law.tolerance * abs(values[fine][j]) + law.absolute
                moved = abs(values[coarse][j] - values[fine][j])
                assert moved <= allowed, (column.name, fine, coarse)


def test_every_shape_feature_states_how_far_it_moves_across_resolutions():
    assert all(column.law("resolution") for column in FAMILIES["shape"].columns)


def test_every_law_is_tested_and_every_column_has_laws():
    assert all(f"test_{law}" in globals() for law in LAWS)
    for family in (family for family in FAMILIES.values() if family.compute is not None):
        for column in family.columns:
            assert {"rotation90", "flip", "translation", "relabel"} <= {
                law.name for law in column.laws
            }, column.name
