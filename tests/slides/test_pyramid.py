"""Windows lie where they should at every resolution; coordinates are painted in the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathexplain.errors import ConfigError, SlideError
from pathexplain.slides import ArraySlide, Slide, pyramid, working_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray


def painted(height: int, width: int, step: int = 1) -> NDArray[np.uint8]:
    """Red is y and green is x of the pixel center, in `step`s; both below 256."""
    y, x = np.mgrid[:height, :width] // step
    assert max(y.max(), x.max()) < 256
    return np.stack([y, x, np.full_like(y, 128)], axis=-1).astype(np.uint8)


def smooth(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return coarse.astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(
    ratio=st.floats(0.3, 6.0),
    y=st.floats(5.0, 60.0),
    x=st.floats(5.0, 60.0),
)
def test_position_is_exact_to_half_a_pixel(ratio: float, y: float, x: float) -> None:
    mpp = 0.5
    slide = ArraySlide(painted(250, 240), mpp=mpp)
    n = 12
    got = slide.read(y * mpp, x * mpp, n, n, mpp * ratio).astype(float)
    inside = np.arange(n)
    want_y = y + (inside + 0.5) * ratio - 0.5
    want_x = x + (inside + 0.5) * ratio - 0.5
    assert np.abs(got[..., 0] - want_y[:, None]).max() <= 0.75
    assert np.abs(got[..., 1] - want_x[None, :]).max() <= 0.75
    assert (got[..., 2] == 128).all()


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.7, 2.0, 4.3])
def test_a_window_equals_the_same_part_of_a_larger_one(ratio: float) -> None:
    slide = ArraySlide(smooth(300, 310, 3), mpp=0.25)
    mpp = 0.25 * ratio
    whole = slide.read(0.0, 0.0, 60, 60, mpp)
    part = slide.read(11 * mpp, 23 * mpp, 30, 20, mpp)
    assert np.abs(whole[11:41, 23:43].astype(int) - part).max() <= 1


def test_bounded_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    slide = ArraySlide(smooth(400, 300, 5), mpp=0.5)
    whole = slide.read(3.0, -9.0, 90, 80, 1.7)
    monkeypatch.setattr(pyramid, "MAX_SOURCE_PX", 60**2)
    assert np.abs(slide.read(3.0, -9.0, 90, 80, 1.7).astype(int) - whole).max() <= 1


def test_the_same_resolution_is_a_copy_and_outside_is_white() -> None:
    pixels = smooth(40, 50, 1)
    slide = ArraySlide(pixels, mpp=0.3)
    got = slide.read(-0.3 * 5, -0.3 * 7, 60, 70, 0.3)
    assert np.array_equal(got[5:45, 7:57], pixels)
    got[5:45, 7:57] = 255
    assert (got == 255).all()
    assert (slide.read(1e5, 1e5, 4, 4, 0.5) == 255).all()


def test_borders_do_not_bleed_white_into_the_tissue() -> None:
    slide = ArraySlide(np.full((101, 103, 3), 90, dtype=np.uint8), mpp=0.25)
    height, width = working_shape(slide, 0.6)
    assert (slide.read(0.0, 0.0, height, width, 0.6) == 90).all()


def test_downscaling_is_antialiased() -> None:
    stripes = np.zeros((200, 200, 3), dtype=np.uint8)
    stripes[::2] = 200
    got = ArraySlide(stripes, mpp=0.25).read(0.0, 0.0, 50, 50, 1.0)
    assert abs(float(got.mean()) - 100) < 2
    assert got.std() < 4


def test_array_slide_is_a_slide_and_refuses_other_arrays() -> None:
    assert isinstance(ArraySlide(painted(5, 5), mpp=1.0), Slide)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(SlideError, match="uint8"):
            ArraySlide(wrong, mpp=1.0)
    for mpp in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="mpp"):
            ArraySlide(painted(5, 5), mpp=mpp)
    with pytest.raises(ConfigError, match="empty"):
        ArraySlide(painted(5, 5), mpp=1.0).read(0, 0, 0, 4, 1.0)
