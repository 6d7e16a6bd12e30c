"""Outlines against scikit-image's own boundary and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data
from skimage.measure import label
from skimage.segmentation import find_boundaries

from pathexplain.report.overlay import OUTLINE_COLORS, outlines


def test_square_ring_has_the_closed_form_number_of_pixels() -> None:
    image = np.full((30, 30, 3), 200, np.uint8)
    square = np.zeros((30, 30), np.int32)
    square[5:15, 5:15] = 1
    for width in (1, 2, 3):
        drawn = outlines(image, square, colors=[(255, 0, 0)], width_px=width)
        n_red = int((drawn == (255, 0, 0)).all(axis=-1).sum())
        assert n_red == 10**2 - (10 - 2 * width) ** 2


def test_touching_objects_are_both_outlined_and_the_input_is_untouched() -> None:
    image = np.full((10, 10, 3), 200, np.uint8)
    pair = np.zeros((10, 10), np.int32)
    pair[2:8, 2:5], pair[2:8, 5:8] = 1, 2
    drawn = outlines(image, pair, colors=[(255, 0, 0)])
    assert (drawn[4, 4] == (255, 0, 0)).all()
    assert (drawn[4, 5] == (255, 0, 0)).all()
    assert (image == 200).all()


def test_real_image_changes_only_on_boundaries_inside_objects() -> None:
    image = np.asarray(data.immunohistochemistry())
    assert image.shape == (512, 512, 3)
    objects = label(image[..., 2] < 110)
    drawn = outlines(image, objects)
    changed = (drawn != image).any(axis=-1)
    boundary = find_boundaries(objects, mode="inner", connectivity=1)
    assert changed.sum() > 1000
    assert not (changed & ~boundary).any()
    assert (drawn[boundary] == OUTLINE_COLORS[0]).all()


def test_several_layers_take_their_own_colors() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    first, second = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    first[1:3, 1:3], second[5:7, 5:7] = True, True
    drawn = outlines(image, [first, second], colors=[(1, 2, 3), (4, 5, 6)])
    assert drawn[1, 1].tolist() == [1, 2, 3]
    assert drawn[5, 5].tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("shape", "dtype"), [((8, 8), np.uint8), ((8, 8, 4), np.uint8), ((8, 8, 3), np.float32)]
)
def test_wrong_images_are_refused(shape: tuple[int, ...], dtype: type) -> None:
    with pytest.raises(ValueError, match="uint8"):
        outlines(np.zeros(shape, dtype), np.zeros((8, 8), bool))


def test_wrong_layer_shape_and_width_are_refused() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"label image 0 is \(4, 4\)"):
        outlines(image, np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="width_px"):
        outlines(image, np.zeros((8, 8), bool), width_px=0)
