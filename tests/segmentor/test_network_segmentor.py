"""A checkpoint as a user meets it: any size, any mpp, tiles that do not show."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pathexplain.errors import ConfigError
from pathexplain.segmentor import network_segmentor
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.segmentor.network_segmentor import NetworkSegmentor, hann_weights, tile_starts


@pytest.fixture
def segmentor(tiny_checkpoint) -> NetworkSegmentor:
    return NetworkSegmentor.load(str(tiny_checkpoint), device="cpu")


@pytest.mark.parametrize("shape", [(16, 16), (17, 40), (64, 64), (33, 200)])
@pytest.mark.parametrize("mpp", [0.2, 0.5, 1.3])
def test_any_size_and_mpp(segmentor, shape, mpp):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    result = segmentor.segment(image, ["nucleus", "tumor"], mpp=mpp)
    assert result.probabilities.shape == (2, *shape)
    assert result.probabilities.dtype == np.float32
    assert np.isfinite(result.probabilities).all()
    assert ((result.probabilities >= 0) & (result.probabilities <= 1)).all()
    assert result.masks.shape == (2, *shape)
    assert result.instances(0).shape == shape
    assert result.instances(0).dtype == np.int32


def test_the_image_is_left_alone_and_the_result_repeats(segmentor):
    image = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    before = image.copy()
    first = segmentor.segment(image, "nucleus", mpp=0.4)
    second = segmentor.segment(image, "nucleus", mpp=0.4)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_tiles_cover_every_pixel_with_overlap(monkeypatch):
    monkeypatch.setattr(network_segmentor, "TILE_PX", 64)
    monkeypatch.setattr(network_segmentor, "OVERLAP_PX", 16)
    for length in range(1, 400):
        starts = tile_starts(length)
        assert starts[0] == 0
        assert starts[-1] + 64 >= length
        assert all(b - a <= 48 for a, b in pairwise(starts))
        assert starts[-1] == max(0, length - 64)


def test_blending_a_constant_gives_the_constant(segmentor, monkeypatch):
    def constant(tile, text):
        n_planes = text.sentence.shape[1] + 2
        return torch.full((n_planes, *tile.shape[:2]), 0.7), torch.tensor([0.9])

    monkeypatch.setattr(network_segmentor, "TILE_PX", 64)
    monkeypatch.setattr(network_segmentor, "OVERLAP_PX", 16)
    monkeypatch.setattr(segmentor, "_predict_tile", constant)
    image = np.zeros((150, 130, 3), np.uint8)
    result = segmentor.segment(image, "tumor", mpp=0.5)
    np.testing.assert_allclose(result.probabilities, 0.7, atol=1e-6)
    assert float(result.presence[0]) == pytest.approx(0.9)


def test_hann_weights_are_symmetric():
    weights = hann_weights(10, 13)
    torch.testing.assert_close(weights, weights.flip(0).flip(1))


def test_prompts_outside_the_training_data_say_so(segmentor):
    result = segmentor.segment(np.zeros((32, 32, 3), np.uint8), ["nucleus", "bicycle"], mpp=0.5)
    assert result.trained[0] == "trained"
    assert result.trained[1] != "trained"


@pytest.mark.parametrize(
    ("image", "mpp", "message"),
    [
        (np.zeros((32, 32), np.uint8), 0.5, r"\(H, W, 3\) uint8"),
        (np.zeros((32, 32, 3), np.float32), 0.5, "float32"),
        (np.zeros((8, 32, 3), np.uint8), 0.5, "8 × 32"),
        (np.zeros((32, 32, 3), np.uint8), 0.0, "mpp"),
        (np.zeros((32, 32, 3), np.uint8), float("nan"), "mpp"),
    ],
)
@pytest.mark.parametrize("backend", ["stain", "network"])
def test_what_cannot_be_segmented_is_refused(segmentor, backend, image, mpp, message):
    model = load_segmentor("stain") if backend == "stain" else segmentor
    with pytest.raises(ConfigError, match=message):
        model.segment(image, "nucleus", mpp=mpp)


def test_unknown_names_and_devices_are_refused(tiny_checkpoint):
    with pytest.raises(ConfigError, match="no segmentor 'nope'"):
        load_segmentor("nope")
    with pytest.raises(ConfigError, match="device 'tpu'"):
        load_segmentor(tiny_checkpoint, device="tpu")
