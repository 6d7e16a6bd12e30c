"""Stain vectors: unmixing against scikit-image, Macenko against planted vectors, and failures."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2hed, separate_stains
from skimage.color.colorconv import hdx_from_rgb
from skimage.data import immunohistochemistry

from pathexplain.errors import ConfigError, StainError
from pathexplain.prompts import StainOptions
from pathexplain.slides import (
    H_DAB,
    RUIFROK,
    ArraySlide,
    StainVectors,
    estimate_macenko,
    find_tissue,
    slide_stains,
    unmix,
)
from pathexplain.slides.stain_fitting import REFERENCE_DENSITY, normalized

HEMATOXYLIN = np.array([0.62, 0.70, 0.36])
EOSIN = np.array([0.20, 0.86, 0.47])


def painted(amounts, vectors, *, rng=None):
    """RGB of amounts (..., S) of stains with given vectors (S, 3)."""
    density = amounts @ np.asarray(vectors)
    light = 256 * 10**-density - 1
    if rng is not None:
        light = light + rng.normal(0, 1.0, light.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def tissue_pixels(seed=0, *, vectors=(HEMATOXYLIN, EOSIN), side=200, strength=1.0):
    """Nuclei and stroma: mostly one stain each, both nearly everywhere."""
    rng = np.random.default_rng(seed)
    nucleus = rng.random((side, side)) < 0.3
    dark, light = rng.gamma(9, 0.07, (side, side)), rng.gamma(3, 0.01, (side, side))
    first, second = np.where(nucleus, dark, light), np.where(nucleus, light, dark)
    return painted(strength * np.stack([first, second], -1), vectors, rng=rng)


def angle(first, second):
    cosine = np.dot(first, second) / np.linalg.norm(first) / np.linalg.norm(second)
    return np.degrees(np.arccos(min(cosine, 1)))


def test_unmix_is_rgb2hed_times_six():
    # theirs: ln(I / 255) / ln(1e-6) @ inv(V), clipped at 0; ours: -log10((I + 1) / 256) @ inv(V).
    # -log10 I = 6 ln I / ln 1e-6, so ours is 6 times theirs but for (I + 1) / 256 against I / 255.
    pixels = np.random.default_rng(0).integers(40, 256, (50, 50, 3), dtype=np.uint8)
    ours, theirs = unmix(pixels), 6 * rgb2hed(pixels)
    positive = theirs > 0
    assert positive.any(axis=(0, 1)).all()
    assert ours[positive] == pytest.approx(theirs[positive], abs=0.03)
    shifted = -np.log10(pixels / 255) @ RUIFROK.unmixing
    assert shifted[positive] == pytest.approx(theirs[positive], abs=1e-9)


def test_h_dab_is_scikit_images_on_their_own_picture():
    pixels = immunohistochemistry()[:120, :120]
    ours = -np.log10(np.maximum(pixels, 1) / 255) @ H_DAB.unmixing
    theirs = 6 * separate_stains(pixels, hdx_from_rgb)
    for stain in (0, 1):
        positive = theirs[..., stain] > 0.02
        assert positive.mean() > 0.3
        # their rows are ours but for the third digit and for unit length
        ratio = ours[..., stain][positive] / theirs[..., stain][positive]
        assert np.quantile(ratio, (0.1, 0.5, 0.9)) == pytest.approx(1, abs=0.04)


def test_unmix_returns_what_was_mixed():
    amounts = np.random.default_rng(1).uniform(0.1, 0.6, (200, 3))
    assert unmix(painted(amounts, RUIFROK.matrix)) == pytest.approx(amounts, abs=0.06)


def test_unmix_refuses_floats():
    with pytest.raises(ConfigError, match="float64"):
        unmix(np.zeros((3, 3, 3)))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("eosin", [EOSIN, np.array([0.10, 0.93, 0.30])])
def test_macenko_finds_planted_vectors(seed, eosin):
    stains = estimate_macenko(tissue_pixels(seed, vectors=(HEMATOXYLIN, eosin)))
    assert stains.names == ("hematoxylin", "eosin", "residual")
    assert angle(stains.matrix[0], HEMATOXYLIN) < 3
    assert angle(stains.matrix[1], eosin) < 3
    assert np.linalg.norm(stains.matrix, axis=1) == pytest.approx(1)
    assert np.dot(stains.matrix[2], stains.matrix[0]) == pytest.approx(0, abs=1e-9)


def test_macenko_recovers_amounts_better_than_fixed_vectors():
    rng = np.random.default_rng(5)
    amounts = np.stack([rng.gamma(2, 0.2, 20_000), rng.gamma(2, 0.2, 20_000)], -1)
    amounts[rng.random(20_000) < 0.3, 0] *= 0.05
    amounts[rng.random(20_000) < 0.3, 1] *= 0.05
    vectors = np.array([HEMATOXYLIN, EOSIN]) / np.linalg.norm([HEMATOXYLIN, EOSIN], axis=1)[:, None]
    pixels = painted(amounts, vectors)
    bright = pixels.min(axis=-1) > 20
    estimated = unmix(pixels, estimate_macenko(pixels))[bright, :2]
    fixed = unmix(pixels)[bright, :2]
    truth = amounts[bright]
    assert np.abs(estimated - truth).mean() < 0.03
    assert np.abs(fixed - truth).mean() > 2 * np.abs(estimated - truth).mean()


GLASS = np.full((200, 200, 3), 245, np.uint8)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (GLASS, "too little tissue: 0 of 40000"),
        (np.empty((0, 3), np.uint8), "too little tissue"),
        (tissue_pixels(vectors=(HEMATOXYLIN, HEMATOXYLIN)), "degenerate"),
        (tissue_pixels(vectors=([0.3, 0.6, 0.7], [0.2, 0.8, 0.5])), "hematoxylin vector is"),
        (tissue_pixels(vectors=([0.65, 0.6, 0.4], [0.55, 0.25, 0.8])), "wrong order|eosin vector"),
        (tissue_pixels(vectors=([0.35, 0.9, 0.2], [0.25, 0.6, 0.76])), "wrong order|vector is"),
    ],
)
def test_what_is_no_hematoxylin_and_eosin_is_refused(pixels, reason):
    with pytest.raises(StainError, match=reason) as caught:
        estimate_macenko(pixels)
    assert caught.value.reason in str(caught.value)


def test_normalization_brings_strong_and_weak_staining_together():
    strong, weak = (normalized(RUIFROK, tissue_pixels(2, strength=s)) for s in (1.0, 0.6))
    dark, pale = tissue_pixels(2, strength=1.0), tissue_pixels(2, strength=0.6)
    plain = unmix(dark)[..., 0].mean() / unmix(pale)[..., 0].mean()
    scaled = unmix(dark, strong)[..., 0].mean() / unmix(pale, weak)[..., 0].mean()
    assert plain > 1.5
    assert scaled == pytest.approx(1, abs=0.03)


def test_normalization_sets_the_99th_percentile():
    pixels = tissue_pixels(3)
    density = unmix(pixels, normalized(RUIFROK, pixels))
    for stain in (0, 1):
        level = np.percentile(density[..., stain], 99)
        assert level == pytest.approx(REFERENCE_DENSITY[RUIFROK.names[stain]])


def test_a_missing_stain_cannot_be_normalized():
    blue = painted(np.full((100, 100, 1), 0.6), [RUIFROK.matrix[0]])
    with pytest.raises(StainError, match="hardly any eosin"):
        normalized(RUIFROK, blue)


def slide_of(pixels, name="S1"):
    return ArraySlide(np.asarray(pixels), mpp=0.5, slide_id=name)


def test_a_slide_gets_the_vectors_that_were_asked_for():
    slide = slide_of(tissue_pixels(4, side=500))
    tissue = find_tissue(slide)
    assert slide_stains(slide, tissue, mpp=0.5) is RUIFROK
    assert slide_stains(slide, tissue, mpp=0.5, options=StainOptions("h-dab")) is H_DAB
    found = slide_stains(slide, tissue, mpp=0.5, options=StainOptions("macenko", normalize=True))
    assert found.method == "macenko"
    assert not found.flag
    assert angle(found.matrix[1], EOSIN) < 3
    assert found.scale[0] != 1
    again = slide_stains(slide, tissue, mpp=0.5, options=StainOptions("macenko", normalize=True))
    assert again == found


def test_a_failed_estimate_falls_back_only_when_told():
    slide = slide_of(tissue_pixels(vectors=(HEMATOXYLIN, HEMATOXYLIN), side=500))
    tissue = find_tissue(slide)
    with pytest.raises(StainError, match=r"slide S1: .*degenerate.*fallback: ruifrok") as caught:
        slide_stains(slide, tissue, mpp=0.5, options=StainOptions("macenko"))
    assert caught.value.slide_id == "S1"
    told = StainOptions("macenko", fallback="ruifrok")
    found = slide_stains(slide, tissue, mpp=0.5, options=told)
    assert found.matrix == RUIFROK.matrix
    assert found.flag.startswith("macenko failed: degenerate")


def test_vectors_that_cannot_be_inverted_are_refused():
    row = (0.6, 0.7, 0.3)
    with pytest.raises(ConfigError, match="two of one color"):
        StainVectors(("hematoxylin", "eosin", "dab"), (row, row, (0.0, 0.0, 1.0)), "macenko")
    with pytest.raises(ConfigError, match="finite"):
        StainVectors(
            ("hematoxylin", "eosin", "dab"), (row, (np.nan, 1, 0), (0.0, 0.0, 1.0)), "macenko"
        )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"method": "vahadane"}, "known: ruifrok, macenko, h-dab, h-e-dab"),
        ({"fallback": "none"}, "unknown fallback"),
        ({"method": "h-dab", "fallback": "ruifrok"}, "fixed vectors"),
    ],
)
def test_wrong_options_are_refused(arguments, text):
    with pytest.raises(ConfigError, match=text):
        StainOptions(**arguments)
