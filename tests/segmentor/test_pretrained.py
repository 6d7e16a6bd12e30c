"""CLIPSeg and SAM 3 at tiny random weights, offline: against their own forward pass."""

import json
import socket
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from pathexplain.errors import ConfigError, SegmentationError
from pathexplain.prompts import Prompt
from pathexplain.segmentor import clipseg, load_segmentor, sam3

GLAND = Prompt.from_text("glands", kind="instances", min_area_um2=0)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        message = "a connection was asked for"
        raise AssertionError(message)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for module in (clipseg, sam3):
        plain = torch.autocast("cpu", torch.bfloat16, enabled=False)
        monkeypatch.setattr(module, "precision", lambda _device, plain=plain: plain)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


@torch.inference_mode()
def test_clipseg_gives_the_networks_own_answer(save_tiny, image, monkeypatch):
    monkeypatch.setattr(clipseg, "PROMPTS_AT_ONCE", 2)
    folder = save_tiny("clipseg")
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"size": {"height": 64, "width": 64}, "image_mean": [0.5] * 3})
    )
    segmentor = load_segmentor(f"clipseg:{folder}", device="cpu")
    texts = ["tumor", "gland in colon", "nucleus"]
    found = segmentor.segment(image, texts, mpp=0.5)
    parts = segmentor._parts
    assert (parts.side_px, parts.mean, parts.std) == (64, (0.5, 0.5, 0.5), clipseg.STD)
    tokens = parts.tokenizer(texts, padding="max_length", max_length=16, return_tensors="pt")
    logits = parts.model(
        input_ids=tokens["input_ids"],
        attention_mask=tokens["attention_mask"],
        pixel_values=parts.pixels(image).repeat(3, 1, 1, 1),
    ).logits
    expected = functional.interpolate(logits[:, None], size=(96, 128), mode="bilinear")[:, 0]
    np.testing.assert_allclose(found.probabilities, expected.sigmoid().numpy(), atol=1e-6)
    np.testing.assert_allclose(found.presence, found.probabilities.max(axis=(1, 2)))
    assert np.ptp(expected.numpy(), axis=0).max() > 0


def test_pixels_are_scaled_by_the_networks_mean_and_deviation(save_tiny):
    parts = load_segmentor(f"clipseg:{save_tiny('clipseg')}", device="cpu")._parts
    gray = parts.pixels(np.full((20, 30, 3), 51, np.uint8))
    assert gray.shape == (1, 3, 352, 352)
    expected = (0.2 - np.array(clipseg.MEAN)) / clipseg.STD
    np.testing.assert_allclose(gray[0, :, 7, 9], expected, atol=1e-6)


@torch.inference_mode()
def test_sam3_encodes_once_and_gives_the_networks_own_answer(save_tiny, image, monkeypatch):
    segmentor = load_segmentor(f"sam3:{save_tiny('sam3')}", device="cpu")
    parts, encode = segmentor._parts, segmentor._model.get_vision_features
    assert parts.side_px == 112
    calls = []
    monkeypatch.setattr(
        segmentor._model, "get_vision_features", lambda pixels: calls.append(1) or encode(pixels)
    )
    prompts = [Prompt.from_text("tumor"), Prompt.from_text("mucus"), GLAND]
    found = segmentor.segment(image, prompts, mpp=0.5)
    assert calls == [1]
    tokens = parts.tokenizer("tumor", padding="max_length", max_length=16, return_tensors="pt")
    direct = parts.model(
        pixel_values=parts.pixels(image),
        input_ids=tokens["input_ids"],
        attention_mask=tokens["attention_mask"],
    )
    full = functional.interpolate(direct.semantic_seg, size=(96, 128), mode="bilinear")[0, 0]
    np.testing.assert_allclose(found.probabilities[0], full.sigmoid().numpy(), atol=1e-5)
    np.testing.assert_allclose(found.presence[0], direct.presence_logits.sigmoid(), atol=1e-5)
    assert found.objects[0] is None
    assert found.objects[2].shape == (96, 128)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_sam3_objects_are_those_that_score_and_do_not_overlap(save_tiny, image, threshold):
    segmentor = load_segmentor(f"sam3:{save_tiny('sam3')}", device="cpu")
    masks = torch.full((1, 3, 96, 128), -9.0)
    masks[0, 0, 10:40, 10:60] = 1.0  # probability 0.73
    masks[0, 1, 10:40, 40:90] = 3.0  # 0.95: the more probable where both are
    masks[0, 2, 60:90, 10:60] = 9.0  # does not score
    output = SimpleNamespace(
        pred_masks=masks,
        pred_logits=torch.tensor([[3.0, 3.0, -1.0]]),
        presence_logits=torch.tensor([[2.0]]),
    )
    segmentor._model = lambda **_: output
    prompt = Prompt.from_text("glands", threshold=threshold, min_area_um2=0)
    probabilities, presence, objects = segmentor._find(None, prompt, (96, 128))
    assert presence == pytest.approx(1 / (1 + np.exp(-2)))
    areas = [30 * 30, 30 * 50] if threshold == 0.5 else [0, 30 * 50]
    assert [(objects == 1).sum(), (objects == 2).sum()] == areas
    np.testing.assert_array_equal(objects > 0, probabilities >= threshold)
    output.presence_logits = torch.tensor([[-2.0]])
    probabilities, _, objects = segmentor._find(None, prompt, (96, 128))
    assert not probabilities.any()
    assert not objects.any()


@pytest.mark.parametrize("kind", ["clipseg", "sam3"])
def test_weights_that_are_not_here_are_asked_for_and_never_fetched(kind, tmp_path, save_tiny):
    for where in ("no-such-organisation/none", str(tmp_path / "nothing")):
        with pytest.raises(ConfigError, match=rf"{kind}: no weights of '{where}'.*hf download"):
            load_segmentor(f"{kind}:{where}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SegmentationError, match=f"model_type None, must be '{kind}'"):
        load_segmentor(f"{kind}:{tmp_path / 'empty'}")
    other = save_tiny("sam3" if kind == "clipseg" else "clipseg")
    with pytest.raises(SegmentationError, match=f"model_type '{other.name}', must be '{kind}'"):
        load_segmentor(f"{kind}:{other}")
    weights = save_tiny(kind) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(SegmentationError, match=rf"{kind}: cannot be read as \w+"):
        load_segmentor(f"{kind}:{weights.parent}")
    with pytest.raises(ConfigError, match="device 'tpu'"):
        load_segmentor(f"{kind}:{save_tiny(kind)}", device="tpu")


def test_the_licence_is_that_of_the_model_card(save_tiny):
    folder = save_tiny("clipseg")
    assert "as stated" in load_segmentor(f"clipseg:{folder}").licence
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\ntags:\n- vision\n---\nlicense: no\n"
    )
    segmentor = load_segmentor(f"clipseg:{folder}", device="cpu")
    assert segmentor.licence == "apache-2.0"
    assert len(segmentor.weights_sha256) == 64
    assert segmentor.describe(GLAND)[0] == "untrained"
