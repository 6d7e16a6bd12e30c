"""The processor against the segmentor that ships, and to disk and back."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from pathexplain.errors import ConfigError
from pathexplain.segmentor.checkpoint import write_checkpoint
from pathexplain.segmentor.network import PathExplainModel
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.processing import PathExplainProcessor
from pathexplain.segmentor.text import tokenize

PHRASES = ["nuclei-level nucleus in multiple pathology", "tissue-level gland in colon pathology"]


@pytest.fixture
def processor(tiny_checkpoint):
    return PathExplainProcessor.from_pretrained(tiny_checkpoint)


def images(*shapes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


def test_pixels_are_in_the_range_and_of_the_size_that_the_network_wants(processor):
    (image,) = images((70, 40))
    pixels = processor(image, mpp=0.5)["pixels"]
    assert pixels.shape == (1, 3, 96, 64)
    assert pixels.dtype == torch.float32
    np.testing.assert_allclose(
        pixels[0, :, :70, :40], image.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6
    )
    np.testing.assert_array_equal(pixels[0, :, 70:, :40], pixels[0, :, 44:70, :40].flip(1))
    black_and_white = np.zeros((32, 32, 3), np.uint8)
    black_and_white[:, 16:] = 255
    extremes = processor(black_and_white, mpp=0.5)["pixels"]
    assert (float(extremes.min()), float(extremes.max())) == (-1.0, 1.0)


@pytest.mark.parametrize(("mpp", "side"), [(0.5, 64), (0.25, 32), (1.0, 128)])
def test_images_come_to_the_resolution_of_the_network_and_back(processor, mpp, side):
    inputs = processor(images((64, 64)), PHRASES, mpp=mpp)
    assert inputs["pixels"].shape == (1, 3, side, side)


@pytest.mark.parametrize("mpp", [0.2, 0.5, 1.3])
def test_results_are_those_of_the_segmentor(tiny_model, tokenizer, tmp_path, monkeypatch, mpp):
    lively = deepcopy(tiny_model)
    torch.manual_seed(1)
    for module in lively.modules():
        if isinstance(module, torch.nn.Conv2d):  # with contrast, which random weights lack
            torch.nn.init.kaiming_normal_(module.weight)
    tiny_checkpoint = write_checkpoint(tmp_path / "lively", lively, tokenizer)
    calibration = {"score": 0.5, "mask": 0.7, "offset": -1.0}
    config = json.loads((tiny_checkpoint / "config.json").read_text())
    config |= {"presence_calibration": calibration, "nucleus_offset": 0.5}
    (tiny_checkpoint / "config.json").write_text(json.dumps(config))
    processor = PathExplainProcessor.from_pretrained(tiny_checkpoint)
    segmentor = NetworkSegmentor.load(str(tiny_checkpoint), device="cpu")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    model = PathExplainModel.from_pretrained(tiny_checkpoint)
    several = images((41, 60), (41, 60))
    inputs = processor(several, PHRASES, mpp=mpp)
    with torch.inference_mode():
        text = model.encode_text(inputs["token_ids"], inputs["mask"]).shared(2)
        results = processor.post_process(*model(inputs["pixels"], text), inputs)
    for image, result in zip(several, results, strict=True):
        wanted = segmentor.segment(image, PHRASES, mpp=mpp)
        np.testing.assert_allclose(result.probabilities, wanted.probabilities, atol=1e-4)
        np.testing.assert_allclose(result.presence, wanted.presence, atol=1e-4)
        for ours, theirs in zip(result.interiors, wanted.interiors, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert np.ptp(result.interiors[0] - result.interiors[1]) > 0.1
        assert result.mpp == mpp
        assert [p.name for p in result.prompts] == [p.name for p in wanted.prompts]


def test_prompts_become_the_word_pieces_of_training(processor, tokenizer):
    inputs = processor(text=["Tissue-level GLANDS", "tumor"])
    ids, mask = tokenize(tokenizer, ["Tissue-level GLANDS", "tumor"], length=24)
    assert torch.equal(inputs["token_ids"], ids)
    assert torch.equal(inputs["mask"], mask)
    assert "pixels" not in inputs


def test_a_processor_comes_back_as_it_went(processor, tokenizer, tmp_path):
    fields = {"mpp": 0.25, "text_length": 3, "presence_calibration": {"mask": 0.5}}
    fields["nucleus_offset"] = 0.25
    processor = PathExplainProcessor(processor.tokenizer, **fields)
    processor.save_pretrained(tmp_path / "own")
    again = PathExplainProcessor.from_pretrained(tmp_path / "own")
    assert {key: getattr(again, key) for key in fields} == fields
    phrase = ["tissue-level malignant glands in colon"]
    ours, theirs = (p(text=phrase)["token_ids"] for p in (again, processor))
    assert torch.equal(ours, theirs)
    assert ours.shape == (1, 3)
    (tmp_path / "own" / "config.json").write_text(json.dumps({"mpp": 9.0}))
    assert PathExplainProcessor.from_pretrained(tmp_path / "own").mpp == 0.25
    assert again.tokenizer.get_vocab() == tokenizer.get_vocab()


def test_the_configuration_of_the_network_is_enough(tiny_checkpoint):
    config = json.loads((tiny_checkpoint / "config.json").read_text())
    (tiny_checkpoint / "config.json").write_text(json.dumps(config | {"mpp": 0.3}))
    assert PathExplainProcessor.from_pretrained(tiny_checkpoint).mpp == 0.3
    (tiny_checkpoint / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"lacks processor_config\.json or config\.json"):
        PathExplainProcessor.from_pretrained(tiny_checkpoint)
    (tiny_checkpoint / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"lacks tokenizer\.json"):
        PathExplainProcessor.from_pretrained(tiny_checkpoint)


def test_what_cannot_be_prepared_is_refused(processor, tmp_path):
    (image,) = images((64, 64))
    with pytest.raises(ConfigError, match="images, text or both"):
        processor()
    with pytest.raises(ConfigError, match="need their mpp"):
        processor(image)
    with pytest.raises(ConfigError, match="mpp"):
        processor(image, mpp=0.0)
    with pytest.raises(ConfigError, match="uint8"):
        processor(image.astype(float), mpp=0.5)
    with pytest.raises(TypeError, match="PreTrainedTokenizerBase"):
        PathExplainProcessor("tokenizer")
    assert isinstance(processor.tokenizer, PreTrainedTokenizerFast)
    with pytest.raises(ConfigError, match="no processor could be read"):
        PathExplainProcessor.from_pretrained(tmp_path / "nowhere", local_files_only=True)
