"""What every segmentor must do, over the table of segmentors and a plug-in of another package."""

import json

import numpy as np
import pytest
from PIL import Image

from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.prompts import Prompt, as_prompts
from pathexplain.segmentor import SEGMENTORS, Segmentation, load_segmentor

PROMPTS = ("nuclei-level nucleus in breast pathology", "tumor", "background", "bicycle")


PLUGIN = """
import dataclasses

from pathexplain.segmentor import load_segmentor


class Toy:
    name, licence, weights_sha256 = "toy", "Apache-2.0", None

    def __init__(self, name, device):
        self.asked = name, device
        self._inner = load_segmentor("stain")

    def describe(self, prompt):
        return self._inner.describe(prompt)

    def segment(self, image, prompts, *, mpp):
        return self._inner.segment(image, prompts, mpp=mpp)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package of someone else's, as pip would have installed it."""
    site = tmp_path / "site"
    about = site / "toy_segmentor-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "toy_segmentor.py").write_text(PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-segmentor\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pathexplain.segmentors]\ntoy = toy_segmentor:Toy\n")
    monkeypatch.syspath_prepend(str(site))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the hub, and what puts a checkpoint into it."""
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))

    def put(name, folder):
        place = cache / ("models--" + name.replace("/", "--"))
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("a" * 40)
        (place / "snapshots").mkdir()
        folder.rename(place / "snapshots" / ("a" * 40))

    return put


@pytest.fixture
def image():
    """Dark disks on pink: two touch, one stands alone."""
    yy, xx = np.mgrid[:96, :128]
    pixels = np.full((96, 128, 3), (235, 190, 220), np.uint8)
    for y, x in ((40, 30), (40, 46), (60, 100)):
        pixels[np.hypot(yy - y, xx - x) < 9] = (90, 60, 140)
    return pixels


@pytest.fixture
def named(tmp_path, image, save_tiny, tiny_checkpoint, plugin, hub):
    """What to call each segmentor, made ready where it needs files of its own."""

    def name_of(kind):
        if kind == "masks":
            rng = np.random.default_rng(0)
            for prompt in as_prompts(PROMPTS):
                labels = rng.integers(0, 3, image.shape[:2], np.uint8)
                Image.fromarray(labels).save(tmp_path / f"{prompt.name}.png")
            return f"masks:{tmp_path}"
        if kind == "directory":
            return str(tiny_checkpoint)
        if kind == "hub id":
            hub("lab/model", tiny_checkpoint)
            return "lab/model"
        return (
            kind
            if kind in {"compact", "compact-open", "stain", "toy"}
            else f"{kind}:{save_tiny(kind)}"
        )

    return name_of


@pytest.mark.parametrize("kind", [*SEGMENTORS, "directory", "hub id", "toy"])
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
    assert isinstance(segmentor.name, str)
    assert segmentor.weights_sha256 is None or len(segmentor.weights_sha256) == 64
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


def test_a_plug_in_is_found_by_its_entry_point(plugin):
    assert load_segmentor("toy", device="cpu").asked == ("toy", "cpu")
    assert load_segmentor("toy:fast").asked == ("toy:fast", "auto")
    with pytest.raises(
        ConfigError, match="not one of clipseg, compact, compact-open, masks, sam3, stain, toy"
    ):
        load_segmentor("other")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lab/model", "lab/model"),
        ("compact:lab/model", "lab/model"),
        ("clipseg", "CIDAS/clipseg-rd64-refined"),
        ("clipseg:lab/model", "lab/model"),
        ("sam3", "facebook/sam3"),
    ],
)
def test_weights_that_are_not_here_are_not_fetched_but_it_is_said_how(hub, name, wanted):
    with pytest.raises(ConfigError, match=f"no weights of '{wanted}' on this machine") as caught:
        load_segmentor(name)
    assert f"`hf download {wanted}`" in str(caught.value)


def test_a_hub_id_is_the_same_checkpoint_wherever_it_lies(hub, tiny_checkpoint):
    there = load_segmentor(tiny_checkpoint)
    hub("lab/model", tiny_checkpoint)
    cached = load_segmentor("lab/model")
    assert cached.name == "lab/model"
    assert cached.weights_sha256 == there.weights_sha256
    assert cached.settings_sha256 == there.settings_sha256


def test_changed_settings_of_a_checkpoint_are_noticed_and_a_changed_card_is_not(tiny_checkpoint):
    before = load_segmentor(tiny_checkpoint).settings_sha256
    config = json.loads((tiny_checkpoint / "config.json").read_text())
    (tiny_checkpoint / "config.json").write_text(json.dumps(config | {"card": {"licence": "CC0"}}))
    assert load_segmentor(tiny_checkpoint).settings_sha256 == before
    (tiny_checkpoint / "config.json").write_text(json.dumps(config | {"mpp": config["mpp"] * 2}))
    assert load_segmentor(tiny_checkpoint).settings_sha256 != before


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
