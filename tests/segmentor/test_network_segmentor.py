"""A checkpoint as a user meets it: any size, any mpp, tiles that do not show."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pathexplain.errors import ConfigError
from pathexplain.prompts import Prompt
from pathexplain.segmentor import network_segmentor, windows
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.segmentor.checkpoint import read_checkpoint, write_checkpoint
from pathexplain.segmentor.network import EncodedText
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.planes import at_image
from pathexplain.segmentor.text import tokenize
from pathexplain.segmentor.windows import hann_weights, tile_spans


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


def test_windows_at_once_give_the_numbers_of_one_after_another(segmentor, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    given = []
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    images = np.random.default_rng(0).integers(0, 256, (6, 64, 80, 3), np.uint8)

    def look(image):
        return segmentor.segment(image, ["nucleus", "tumor"], mpp=0.5).probabilities

    with segmentor.lanes() as n, ThreadPoolExecutor(n) as pool:
        together = list(pool.map(look, images))
    assert n == 2
    assert given == [1, 2]
    np.testing.assert_array_equal(together, [look(image) for image in images])


def test_tiles_cover_every_pixel_with_overlap(monkeypatch):
    monkeypatch.setattr(windows, "TILE_PX", 64)
    monkeypatch.setattr(windows, "OVERLAP_PX", 16)
    for length in range(32, 2000, 32):
        spans = tile_spans(length)
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert len({end - start for start, end in spans}) == 1
        assert spans[0][1] <= 64
        assert all(end - start >= 16 for (start, _), (_, end) in pairwise(reversed(spans)))
        assert all(start % 4 == 0 for start, _ in spans)  # the coarsest masks are at stride 4


def test_blending_a_constant_gives_the_constant(segmentor, monkeypatch):
    def constant(tile, text):
        planes = torch.full(
            (text.sentence.shape[1] + 2, tile.shape[0] // 2, tile.shape[1] // 2), 0.7
        )
        return list(planes), torch.tensor([[2.0], [3.0]])

    monkeypatch.setattr(windows, "TILE_PX", 64)
    monkeypatch.setattr(windows, "OVERLAP_PX", 16)
    monkeypatch.setattr(segmentor, "_decode", constant)
    image = np.zeros((150, 130, 3), np.uint8)
    result = segmentor.segment(image, "tumor", mpp=0.5)
    np.testing.assert_allclose(result.probabilities, 1 / (1 + np.exp(-0.7)), atol=1e-6)
    seen = segmentor._calibration(torch.tensor([2.0]), torch.tensor([3.0]))
    assert float(result.presence[0]) == pytest.approx(float(seen[0]))


@pytest.fixture
def normalized(tmp_path, tiny_model, tokenizer):
    """A checkpoint with contrast, whose batch normalisations do something, like a trained one."""
    torch.manual_seed(2)
    model = deepcopy(tiny_model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    nn.init.normal_(model.mask_out.weight, std=0.5)
    nn.init.normal_(model.coarse_out.weight, std=0.5)
    nn.init.zeros_(model.mask_out.bias)
    return write_checkpoint(tmp_path / "normalized", model, tokenizer)


def test_nuclei_and_tissue_are_looked_at_each_at_its_own_resolution(normalized, monkeypatch):
    """Together as alone; nuclei as by a segmentor that looks at everything so closely."""
    segmentor = NetworkSegmentor.load(str(normalized), device="cpu")
    image = np.random.default_rng(5).integers(0, 256, (96, 80, 3), np.uint8)
    both = ["nucleus", "tumor", "lymphocyte"]
    far = segmentor.segment(image, both, mpp=0.5)
    monkeypatch.setattr(segmentor, "nuclei_mpp", 0.25)
    mixed = segmentor.segment(image, both, mpp=0.5)
    monkeypatch.setattr(segmentor, "mpp", 0.25)
    near = segmentor.segment(image, both, mpp=0.5)
    for index, whole in ((0, near), (1, far), (2, near)):
        np.testing.assert_allclose(
            mixed.probabilities[index], whole.probabilities[index], atol=1e-5
        )
        assert mixed.presence[index] == pytest.approx(whole.presence[index], abs=1e-5)
    np.testing.assert_allclose(mixed.interiors[2], near.interiors[2], atol=1e-5)
    assert mixed.interiors[0] is mixed.interiors[2]
    assert np.abs(near.probabilities - far.probabilities).max() > 1e-3


@torch.inference_mode()
def plain_maps(folder, image, phrases):
    """All planes, blended in float32 and brought to full size at once, nothing folded."""
    model, tokenizer = read_checkpoint(folder)
    text = model.encode_text(*tokenize(tokenizer, phrases, length=model.config.text_length))
    text = EncodedText(text.states[None], text.mask[None], text.sentence[None])
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % 32), (0, -width % 32), (0, 0)), mode="symmetric")
    pixels = torch.from_numpy(padded / 127.5 - 1).float().permute(2, 0, 1)[None]
    total, weight = torch.zeros(len(phrases), *padded.shape[:2]), torch.zeros(padded.shape[:2])
    for y, bottom in tile_spans(padded.shape[0]):
        for x, right in tile_spans(padded.shape[1]):
            _, output = model(pixels[..., y:bottom, x:right], text)
            share = hann_weights((bottom - y) // 2, (right - x) // 2).repeat_interleave(2, 0)
            share = share.repeat_interleave(2, 1)
            spread = functional.interpolate(output.masks.float(), scale_factor=2, mode="nearest")
            total[:, y:bottom, x:right] += spread[0] * share
            weight[y:bottom, x:right] += share
    logits = (total / weight)[None, :, ::2, ::2]
    full = functional.interpolate(logits, scale_factor=2, mode="bilinear")
    return full[0, :, :height, :width].sigmoid().numpy()


@pytest.fixture(params=[1024, 64], ids=["whole", "tiled"])
def fast_and_plain(request, normalized, monkeypatch):
    """Maps of one image from the segmentor, and the slow and simple way, at a precision."""
    monkeypatch.setattr(windows, "TILE_PX", request.param)
    monkeypatch.setattr(windows, "OVERLAP_PX", 16)
    image = np.random.default_rng(3).integers(0, 256, (90, 130, 3), np.uint8)
    phrases = ["bicycle", "red car", "tree"]

    def compute(*, is_bfloat16):
        precision = torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16)
        monkeypatch.setattr(network_segmentor, "precision", lambda _device: precision)
        segmentor = NetworkSegmentor.load(str(normalized), device="cpu")
        fast = segmentor.segment(image, phrases, mpp=segmentor.mpp).probabilities
        with precision:
            return fast, plain_maps(normalized, image, phrases)

    return compute


def test_fast_maps_are_the_plain_ones(fast_and_plain):
    fast, plain = fast_and_plain(is_bfloat16=False)
    assert np.ptp(plain) > 0.1
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    assert ((fast > 0.5) != (plain > 0.5)).mean() < 1e-4


@pytest.mark.parametrize("fast_and_plain", [1024], indirect=True)
def test_half_precision_costs_no_more_than_the_plain_way(fast_and_plain):
    _, truth = fast_and_plain(is_bfloat16=False)
    fast, plain = fast_and_plain(is_bfloat16=True)
    assert 0 < np.abs(fast - truth).mean() < 0.01
    assert np.abs(fast - truth).mean() < 2 * np.abs(plain - truth).mean()
    flipped, expected = (((maps > 0.5) != (truth > 0.5)).mean() for maps in (fast, plain))
    assert flipped < 2 * expected + 1e-3


def test_text_is_read_once_for_all_tiles(segmentor, monkeypatch):
    asked = []
    encode = segmentor._model.encode_text
    monkeypatch.setattr(
        segmentor._model,
        "encode_text",
        lambda ids, mask: asked.append(len(ids)) or encode(ids, mask),
    )
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    first = segmentor.segment(image, ["gland", "tree"], mpp=0.5).probabilities
    again = segmentor.segment(image, ["gland", "tree"], mpp=0.5).probabilities
    turned = segmentor.segment(image, ["tree", "gland"], mpp=0.5).probabilities
    read_for_maps = [count for count in asked if count == 2]
    assert len(read_for_maps) == 2
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(turned, first[::-1], atol=1e-3)


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


def test_a_large_variance_survives_a_checkpoint(tmp_path, tiny_model, tokenizer):
    """Float16 ends at 65,504; an infinite variance would silence its channel."""
    model = deepcopy(tiny_model)
    name = next(name for name in model.state_dict() if name.endswith("running_var"))
    model.state_dict()[name].fill_(1e6)
    again, _ = read_checkpoint(write_checkpoint(tmp_path / "large", model, tokenizer))
    assert (again.state_dict()[name] == 1e6).all()


@pytest.mark.parametrize("image", [(60, 47), (143, 111), (30, 20)])
def test_a_plane_reaches_the_image_where_it_belongs(image):
    """A ramp over what the network saw stays that ramp, at every size of the image."""
    seen, padded, stride = (60, 47), (64, 64), 2
    steepness = 4.0
    rows = (torch.arange(padded[0] // stride) + 0.5) * stride / seen[0]
    logits = torch.logit(rows.clamp(0.001, 0.999)) / steepness
    plane = logits[:, None].expand(-1, padded[1] // stride)
    found = at_image(plane, padded=padded, seen=seen, image=image)
    assert found.shape == image
    place = (np.arange(image[0]) + 0.5) / image[0]
    inner = (place > 0.1) & (place < 0.9)
    expected = 1 / (1 + np.exp(-np.log(place / (1 - place)) / steepness))
    np.testing.assert_allclose(found[inner, 5], expected[inner], atol=2e-3)


def test_a_region_that_an_object_was_never_seen_in_is_not_read(tmp_path, tiny_model, tokenizer):
    model = deepcopy(tiny_model)
    model.config.classes = {
        f"nuclei-level {name} in multiple pathology": {
            "object": name, "structure": "nuclei", "kind": "instances", "regions": regions,
        }
        for name, regions in (("nucleus", ["breast", "colon"]), ("lymphocyte", ["colon"]))
    }  # fmt: skip
    folder = write_checkpoint(tmp_path / "seen", model, tokenizer)
    segmentor = NetworkSegmentor.load(str(folder), device="cpu")
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)

    def look(name, region):
        return segmentor.segment(image, f"nuclei-level {name} in {region} pathology", mpp=0.5)

    unknown, general, breast = (
        look("nucleus", place) for place in ("kidney", "multiple", "breast")
    )
    np.testing.assert_array_equal(unknown.probabilities, general.probabilities)
    assert unknown.presence == general.presence
    assert np.abs(breast.probabilities - general.probabilities).max() > 0
    elsewhere, home = (look("lymphocyte", place) for place in ("kidney", "colon"))
    np.testing.assert_array_equal(elsewhere.probabilities, home.probabilities)


@pytest.mark.parametrize("state", ["near", "untrained"])
def test_free_words_are_looked_for_as_the_class_that_they_come_near_to(
    normalized, monkeypatch, state
):
    segmentor = NetworkSegmentor.load(str(normalized), device="cpu")
    monkeypatch.setattr(segmentor, "nuclei_mpp", 0.25)
    nearest = next(text for text in segmentor.classes if text.startswith("nuclei"))
    similarity = {"near": 0.8, "untrained": 0.3}[state]
    monkeypatch.setattr(segmentor, "_nearest", lambda _: (state, nearest, similarity))
    image = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    free = Prompt("free", "dark blobs")
    structure = "nuclei" if state == "near" else "tissue"
    ours, wanted = (
        segmentor.segment(image, prompt, mpp=0.5).probabilities
        for prompt in (free, replace(free, structure=structure))
    )
    np.testing.assert_array_equal(ours, wanted)
