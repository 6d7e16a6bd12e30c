"""Tissue is found where it is: none on glass, all of a field without glass, no pen, no dust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathexplain.errors import ConfigError
from pathexplain.slides import ArraySlide, Tissue, find_tissue
from pathexplain.slides import tissue as tissue_module

if TYPE_CHECKING:
    from numpy.typing import NDArray

EOSIN = (225, 170, 200)
MPP = 4.0


def glass(height: int = 600, width: int = 700, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 2, (height, width, 3))
    return np.clip(243 + noise, 0, 255).astype(np.uint8)


def disk(
    pixels: NDArray[np.uint8], y: int, x: int, radius: int, color: object
) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    inside = np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)
    pixels[inside] = color
    return inside


def test_bare_glass_has_no_tissue() -> None:
    tissue = find_tissue(ArraySlide(glass(), mpp=MPP))
    assert not tissue.mask.any()
    assert tissue.area_mm2 == 0.0


@settings(deadline=None, max_examples=25)
@given(color=st.tuples(st.integers(150, 230), st.integers(100, 185), st.integers(160, 215)))
def test_a_field_without_glass_is_all_tissue(color: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(7)
    pixels = np.clip(np.array(color) + rng.normal(0, 12, (256, 256, 3)), 0, 255)
    tissue = find_tissue(ArraySlide(pixels.astype(np.uint8), mpp=0.5))
    assert tissue.mask.all()


def test_area_of_a_disk_is_the_disks() -> None:
    pixels = glass()
    disk(pixels, 300, 350, 200, EOSIN)
    tissue = find_tissue(ArraySlide(pixels, mpp=MPP))
    assert tissue.area_mm2 == pytest.approx(np.pi * (200 * MPP / 1000) ** 2, rel=0.03)
    assert tissue.mpp == 8.0
    assert tissue.thumbnail.shape == (*tissue.mask.shape, 3)


@pytest.mark.parametrize(
    "ink",
    [(30, 40, 160), (20, 130, 60), (25, 25, 25), (220, 25, 30)],
    ids=["blue", "green", "black", "red"],
)
def test_pen_marks_are_left_out(ink: tuple[int, int, int]) -> None:
    pixels = glass()
    body = disk(pixels, 300, 200, 150, EOSIN)
    disk(pixels, 300, 560, 90, ink)
    tissue = find_tissue(ArraySlide(pixels, mpp=8.0))
    assert tissue.mask[:, 460:].mean() < 0.01
    assert (tissue.mask & body).sum() > 0.99 * body.sum()


def test_small_holes_are_filled_large_ones_stay_and_dust_goes() -> None:
    pixels = glass(seed=2)
    disk(pixels, 300, 300, 250, EOSIN)
    disk(pixels, 200, 300, 8, 243)
    disk(pixels, 380, 300, 60, 243)
    disk(pixels, 40, 650, 6, EOSIN)
    mask = find_tissue(ArraySlide(pixels, mpp=8.0)).mask
    assert mask[200, 300]
    assert not mask[380, 300]
    assert not mask[30:50, 640:660].any()


def test_small_slides_are_looked_at_finely_and_never_finer_than_they_are() -> None:
    pixels = np.full((40, 30, 3), EOSIN, dtype=np.uint8)
    assert find_tissue(ArraySlide(pixels, mpp=0.5)).mpp == 0.5
    large = np.full((512, 512, 3), EOSIN, dtype=np.uint8)
    tissue = find_tissue(ArraySlide(large, mpp=0.5))
    assert (tissue.mpp, tissue.mask.shape) == (1.0, (256, 256))
    assert find_tissue(ArraySlide(pixels[:1, :1], mpp=0.5)).mask.shape == (1, 1)


def test_very_large_slides_are_looked_at_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = glass()
    body = disk(pixels, 300, 350, 200, EOSIN)
    monkeypatch.setattr(tissue_module, "MOST_PX", 300 * 350)
    tissue = find_tissue(ArraySlide(pixels, mpp=8.0))
    assert tissue.mask.size <= 300 * 350
    assert tissue.area_mm2 == pytest.approx(body.sum() * 64e-6, rel=0.03)


@given(y=st.floats(-40, 60), x=st.floats(-40, 60), height=st.floats(1, 90), width=st.floats(1, 90))
def test_covers_is_exact_on_a_half_plane(y: float, x: float, height: float, width: float) -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[:, :10] = True
    tissue = Tissue(mask, np.zeros((20, 30, 3), dtype=np.uint8), mpp=4.0)
    tall = max(0.0, min(y + height, 80.0) - max(y, 0.0))
    wide = max(0.0, min(x + width, 40.0) - max(x, 0.0))
    want = tall * wide / (height * width)
    assert tissue.covers(y, x, y + height, x + width) == pytest.approx(want, abs=1e-9)


def test_an_empty_box_is_refused() -> None:
    tissue = Tissue(np.ones((4, 4), dtype=bool), np.zeros((4, 4, 3), dtype=np.uint8), mpp=4.0)
    with pytest.raises(ConfigError, match="empty"):
        tissue.covers(0, 0, 0, 5)
