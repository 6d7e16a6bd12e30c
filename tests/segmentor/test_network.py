"""Encode once, prompts do not see each other, unknown pixels teach nothing."""

import math

import numpy as np
import pytest
import torch

from pathexplain.errors import SegmentationError
from pathexplain.segmentor.checkpoint import read_checkpoint
from pathexplain.segmentor.encoder import EfficientNetLite, load_imagenet
from pathexplain.segmentor.losses import interior_loss, mask_loss, presence_loss
from pathexplain.segmentor.network import EncodedText
from pathexplain.segmentor.text import tokenize


def encode(model, tokenizer, phrases):
    text = model.encode_text(*tokenize(tokenizer, phrases, length=24))
    return EncodedText(text.states[None], text.mask[None], text.sentence[None])


@torch.inference_mode()
def test_a_prompt_gives_the_same_mask_whatever_else_is_asked(tiny_model, tokenizer):
    image = tiny_model.encode_image(torch.randn(1, 3, 64, 96))
    alone = tiny_model.decode(image, encode(tiny_model, tokenizer, ["tumor"]))
    others = ["gland in colon pathology", "tumor", "nucleus level nucleus"]
    together = tiny_model.decode(image, encode(tiny_model, tokenizer, others))
    assert alone.masks.shape == (1, 1, 32, 48)
    torch.testing.assert_close(together.masks[:, 1], alone.masks[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.presence[:, 1], alone.presence[:, 0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together.masks[:, 0], together.masks[:, 1])


@torch.inference_mode()
def test_the_mask_is_the_dot_product_of_pixel_and_mask_embeddings(tiny_model, tokenizer):
    image = tiny_model.encode_image(torch.randn(1, 3, 64, 64))
    text = encode(tiny_model, tokenizer, ["tumor"])
    doubled = type(image)(2 * image.pixels, image.tokens, image.interiors)
    once, twice = (tiny_model.decode(i, text).masks for i in (image, doubled))
    nothing = type(image)(0 * image.pixels, image.tokens, image.interiors)
    bias = tiny_model.decode(nothing, text).masks
    torch.testing.assert_close(twice - bias, 2 * (once - bias), atol=1e-5, rtol=1e-4)


def test_at_the_start_a_pixel_is_likely_background(tiny_model, tokenizer):
    with torch.inference_mode():
        image = tiny_model.encode_image(torch.randn(1, 3, 64, 64))
        masks = tiny_model.decode(image, encode(tiny_model, tokenizer, ["tumor"])).masks
    entropy, _ = mask_loss(masks, torch.zeros(1, 1, 32, 32, dtype=torch.uint8))
    assert abs(float(entropy) + math.log(0.9)) < 0.15


def test_unknown_pixels_and_pairs_have_no_gradient():
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    target = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    target[..., :2, :] = 1
    target[..., :, 2:] = 255
    sum(mask_loss(logits, target)).backward()
    assert (logits.grad[..., 2:] == 0).all()
    assert (logits.grad[..., :2] != 0).all()
    seen = torch.zeros(1, 2, requires_grad=True)
    presence_loss(seen, torch.tensor([[1.0, math.nan]])).backward()
    assert seen.grad[0, 0] != 0
    assert seen.grad[0, 1] == 0
    depth = torch.zeros(1, 2, 2, 2, requires_grad=True)
    interior_loss(depth, torch.full((1, 2, 2, 2), 255, dtype=torch.uint8)).backward()
    assert (depth.grad == 0).all()


def test_published_encoder_weights_have_a_place_each():
    encoder = EfficientNetLite()
    state = {}
    blocks = [block for stage in encoder.stages for block in stage]
    for index, block in enumerate(blocks):
        names = {"_depthwise_conv": block.depthwise[0], "_bn1": block.depthwise[1]}
        names |= {"_project_conv": block.project[0], "_bn2": block.project[1]}
        if not isinstance(block.expand, torch.nn.Identity):
            names |= {"_expand_conv": block.expand[0], "_bn0": block.expand[1]}
        for name, layer in names.items():
            for key, value in layer.state_dict().items():
                filled = torch.full_like(value, index + 1)
                state[f"_blocks.{index}.{name}.{key}"] = filled
    for key, value in encoder.stem[0].state_dict().items():
        state[f"_conv_stem.{key}"] = torch.zeros_like(value)
    for key, value in encoder.stem[1].state_dict().items():
        state[f"_bn0.{key}"] = torch.ones_like(value)
    state["_fc.weight"] = torch.zeros(2)
    load_imagenet(encoder, state)
    assert len(blocks) == 16
    assert all(
        (parameter == index + 1).all()
        for index, block in enumerate(blocks)
        for parameter in block.parameters()
    )


def test_a_checkpoint_comes_back_as_it_went(tiny_checkpoint, tiny_model):
    model, _ = read_checkpoint(tiny_checkpoint)
    for (name, ours), theirs in zip(
        model.state_dict().items(), tiny_model.state_dict().values(), strict=True
    ):
        rounded = theirs.half().float() if theirs.is_floating_point() else theirs
        assert torch.equal(ours, rounded), name
    assert model.config.classes == tiny_model.config.classes


def test_changed_or_missing_weights_are_refused(tiny_checkpoint):
    weights = tiny_checkpoint / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(SegmentationError, match="sha256"):
        read_checkpoint(tiny_checkpoint)
    weights.unlink()
    with pytest.raises(SegmentationError, match=r"lacks model\.safetensors"):
        read_checkpoint(tiny_checkpoint)


def test_tokens_are_padded_and_masked(tokenizer):
    ids, mask = tokenize(tokenizer, ["tumor", "tissue-level GLANDS"], length=24)
    assert ids.shape == mask.shape
    assert mask.sum(1).tolist() == [1, 3]
    assert np.all(ids.numpy()[~mask.numpy()] == 0)
