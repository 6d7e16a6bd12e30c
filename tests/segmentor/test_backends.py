"""What every segmentor must do, over the table of segmentors and a plug-in of another package."""

from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
from PIL import Image

from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.prompts import Prompt, as_prompts
from pathexplain.segmentor import SEGMENTORS, Segmentation, backends, load_segmentor
from pathexplain.segmentor.stain import StainSegmentor

PROMPTS = ("nuclei-level nucleus in breast pathology", "tumor", "background", "bicycle")


def make_plugin(name, device):
    """Stand-in for another package's factory."""
    segmentor = StainSegmentor()
    segmentor.name = f"{name} on {device}"
    return segmentor


@pytest.fixture
def image():
    """Dark disks on pink: two touch, one stands alone."""
    yy, xx = np.mgrid[:96, :128]
    pixels = np.full((96, 128, 3), (235, 190, 220), np.uint8)
    for y, x in ((40, 30), (40, 46), (60, 100)):
        pixels[np.hypot(yy - y, xx - x) < 9] = (90, 60, 140)
    return pixels


@pytest.fixture
def named(tmp_path, image, save_tiny):
    """What to call each segmentor, made ready where it needs files of its own."""

    def name_of(kind):
        if kind == "masks":
            rng = np.random.default_rng(0)
            for prompt in as_prompts(PROMPTS):
                labels = rng.integers(0, 3, image.shape[:2], np.uint8)
                Image.fromarray(labels).save(tmp_path / f"{prompt.name}.png")
            return f"masks:{tmp_path}"
        return kind if kind in {"compact", "stain"} else f"{kind}:{save_tiny(kind)}"

    return name_of


@pytest.mark.parametrize("kind", SEGMENTORS)
def test_contract(kind, image, named):
    segmentor = load_segmentor(named(kind), device="cpu")
    before = image.copy()
    result = segmentor.segment(image, PROMPTS, mpp=0.5)
    assert isinstance(result, Segmentation)
    assert result.probabilities.shape == (4, 96, 128)
    assert result.probabilities.dtype == np.float32
    assert result.masks.dtype == bool
    assert result.presence.shape == (4,)
    assert result.presence.dtype == np.float32
    assert all(state in {"trained", "near", "untrained"} for state in result.trained)
    assert isinstance(segmentor.licence, str)
    for index in range(4):
        labels = result.instances(index)
        assert labels.dtype == np.int32
        assert np.array_equal(labels > 0, result.masks[index])
    state, nearest, similarity = segmentor.describe(result.prompts[0])
    assert isinstance(nearest, str)
    assert -1 <= similarity <= 1.0 + 1e-6
    assert state == result.trained[0]
    np.testing.assert_array_equal(image, before)
    again = segmentor.segment(image, PROMPTS, mpp=0.5)
    np.testing.assert_array_equal(again.probabilities, result.probabilities)


def test_stain_counts_touching_nuclei_apart_and_calls_glass_empty(image):
    stain = load_segmentor("stain")
    assert stain.segment(image, "nucleus", mpp=0.5).instances(0).max() == 3
    glass = np.full((64, 64, 3), 244, np.uint8)
    result = stain.segment(glass, ["nucleus", "tumor", "background"], mpp=0.5)
    assert result.is_present.tolist() == [False, False, True]
    assert not result.masks[:2].any()
    assert result.masks[2].all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_stain_turns_with_the_image(image, turns):
    stain = load_segmentor("stain")
    upright = stain.segment(image, "nucleus", mpp=0.5).probabilities[0]
    turned = stain.segment(np.rot90(image, turns).copy(), "nucleus", mpp=0.5).probabilities[0]
    np.testing.assert_allclose(turned, np.rot90(upright, turns), atol=1e-5)


def test_small_objects_and_absent_prompts_are_left_out(image):
    stain = load_segmentor("stain")
    prompts = [
        Prompt.from_text("nucleus", name="all_sizes"),
        Prompt.from_text("nucleus", name="large", min_area_um2=1000.0),
    ]
    result = stain.segment(image, prompts, mpp=0.5)
    assert result.masks[0].any()
    assert not result.masks[1].any()
    assert result.instances(1).max() == 0


def test_a_plug_in_is_found_by_its_entry_point(monkeypatch):
    point = EntryPoint("echo", f"{__name__}:make_plugin", "pathexplain.segmentors")
    monkeypatch.setattr(EntryPoint, "load", lambda self: make_plugin)
    monkeypatch.setattr(backends, "entry_points", lambda group: EntryPoints([point]))
    assert load_segmentor("echo", device="cpu").name == "echo on cpu"
    with pytest.raises(ConfigError, match="not one of clipseg, compact, echo, masks, sam3, stain"):
        load_segmentor("other")


def test_parts_that_do_not_fit_are_refused(image):
    result = load_segmentor("stain").segment(image, "nucleus", mpp=0.5)
    with pytest.raises(SegmentationError, match="no prompt 1"):
        result.instances(1)
    with pytest.raises(SegmentationError, match="of 1 prompts"):
        Segmentation(result.prompts, result.probabilities[:0], *_rest(result))
    with pytest.raises(SegmentationError, match="float64"):
        Segmentation(result.prompts, result.probabilities.astype(float), *_rest(result))


def _rest(result):
    return result.presence, result.mpp, result.interiors, result.trained
