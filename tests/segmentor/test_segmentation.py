"""Probabilities that are computed when they are looked at are those that were given at once."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from pathexplain.errors import SegmentationError
from pathexplain.prompts import as_prompts
from pathexplain.segmentor.segmentation import Segmentation


class CountingPlanes:
    """Planes that remember which of them were asked for."""

    def __init__(self, array):
        self.array = array
        self.shape = array.shape
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return self.array[index]


@pytest.fixture
def array():
    return np.random.default_rng(0).random((3, 20, 30), np.float32)


def segmentation(probabilities):
    return Segmentation(
        prompts=as_prompts(["tumor", "stroma", "gland"]),
        probabilities=probabilities,
        presence=np.array([0.9, 0.1, 0.8], np.float32),
        mpp=2.0,
        interiors=(None, None, None),
        trained=("trained",) * 3,
    )


def test_masks_of_absent_prompts_need_no_plane(array):
    planes = CountingPlanes(array)
    result = segmentation(planes)
    assert planes.asked == []
    masks = result.masks
    assert set(planes.asked) == {0, 2}
    np.testing.assert_array_equal(masks, segmentation(array).masks)
    np.testing.assert_array_equal(result.instances(2), segmentation(array).instances(2))
    assert masks[0].any()
    assert not masks[1].any()


def test_probabilities_are_made_once(array):
    planes = CountingPlanes(array)
    result = segmentation(planes)
    first = result.probabilities
    np.testing.assert_array_equal(first, array)
    assert first.dtype == np.float32
    assert result.probabilities is first
    assert planes.asked == [0, 1, 2]
    np.testing.assert_array_equal(replace(result, mpp=1.0).probabilities, array)
    assert segmentation(array).probabilities is array


def test_a_segmentation_cannot_be_changed_or_be_made_of_parts_that_do_not_fit(array):
    with pytest.raises(FrozenInstanceError):
        segmentation(array).probabilities = array
    for wrong in (array[:2], CountingPlanes(array[:2]), array[0]):
        with pytest.raises(SegmentationError, match="of 3 prompts"):
            segmentation(wrong)
    with pytest.raises(SegmentationError, match="float64"):
        segmentation(array.astype(float))
    with pytest.raises(TypeError, match="probabilities"):
        Segmentation(prompts=())
    with pytest.raises(SegmentationError, match="of 3 prompts"):
        replace(segmentation(array), objects=(None,))


def test_known_objects_are_cut_by_the_threshold_and_numbered_again(array):
    probabilities = np.zeros_like(array)
    probabilities[2, 5:15, 5:25] = 0.9
    objects = np.zeros((20, 30), np.int64)
    objects[0:10, 0:20], objects[10:12, 20:24] = 2**40, 7  # 75 and 8 px of them in the mask
    known = replace(segmentation(probabilities), objects=(None, None, objects))
    found = known.instances(2)
    assert found.dtype == np.int32
    assert np.bincount(found.ravel())[1:].tolist() == [75]  # 32 µm² are a speck of a gland
    prompts = tuple(replace(prompt, min_area_um2=0.0) for prompt in known.prompts)
    every = replace(known, prompts=prompts).instances(2)
    assert np.bincount(every.ravel())[1:].tolist() == [8, 75]
    np.testing.assert_array_equal(every > 0, (objects > 0) & (probabilities[2] > 0.5))
