"""One code path, two sizes: what must stay, what may be exchanged, what comes back from disk."""

import hashlib
import json

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForImageClassification

from pathexplain.errors import ConfigError
from pathexplain.segmentor.backbones import BackbonePyramid, transformers_config
from pathexplain.segmentor.checkpoint import read_checkpoint, write_checkpoint
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.losses import total_loss
from pathexplain.segmentor.network import EncodedText, PathExplainModel
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.sizes import new_base
from pathexplain.segmentor.text import tokenize

IMAGES = {
    "focalnet": {"embed_dim": 8, "hidden_sizes": [16, 32, 64, 64], "use_conv_embed": True},
    "swin": {"embed_dim": 8, "num_heads": [1, 2, 2, 2], "window_size": 4},
    "convnext": {"hidden_sizes": [8, 16, 24, 32]},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "layer_type": "basic"},
}
BERT = {"vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
BERT |= {"intermediate_size": 32}
DISTILBERT = {"vocab_size": 100, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
TEXTS = {"bert": BERT, "roberta": BERT, "electra": BERT, "distilbert": DISTILBERT}


def tiny_base(image="convnext", text="bert", **changes):
    sizes = {"hidden_size": 24, "mask_size": 8, "n_queries": 3, "n_heads": 2, "n_layers": 1}
    sizes |= {"pyramid_channels": (8, 8, 12, 16), "text_length": 10, "choice": "argmax"}
    images = {"model_type": image, "depths": [1, 1, 1, 1], **IMAGES[image]}
    encoders = {"image_backbone": images, "text_backbone": {"model_type": text, **TEXTS[text]}}
    torch.manual_seed(0)
    config = PathExplainConfig(**{**sizes, **encoders, "sentence": "last", **changes})
    return PathExplainModel(config)


def two_prompts(model, n_images):
    ids = torch.arange(4, 24).reshape(2, 10)
    mask = torch.arange(10) < torch.tensor([[10], [6]])
    return model.encode_text(ids, mask).shared(n_images)


def run(model, pixels):
    with torch.inference_mode():
        return model.eval()(pixels, two_prompts(model, len(pixels)))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, "e2fc31aa8be91bb5d7fb525dd416f58cf352842fd9b03ef671b7514f2f1b3006"),
        (
            {"has_region_path": False, "standardizes_text": False},
            "3734550bb0eb59245fd6cba1315a2cfcb1746ad55ae6cd790fedb8135b119b88",
        ),
    ],
)
def test_the_compact_network_keeps_its_names_shapes_and_defaults(flags, expected):
    """Stored checkpoints must load for good; what is added needs a switch."""
    with torch.device("meta"):
        model = PathExplainModel(PathExplainConfig(**flags))
    places = sorted((name, tuple(value.shape)) for name, value in model.state_dict().items())
    digest = hashlib.sha256(repr(places).encode()).hexdigest()
    assert digest == expected
    assert model.mask_stride == 2


@pytest.mark.parametrize("image", IMAGES)
def test_every_pyramid_gives_masks_at_stride_four_and_learns_everywhere(image):
    model = tiny_base(image)
    pixels = torch.randn(2, 3, 64, 96)
    encoded, output = model.train()(pixels, two_prompts(model, 2))
    assert output.masks.shape == (2, 2, 64 / model.mask_stride, 96 / model.mask_stride)
    assert encoded.interiors.shape == (2, 2, 16, 24)
    assert encoded.tokens.shape == (2, 4 * 6 + 2 * 3, 24)
    (output.masks.sum() + output.presence.sum() + encoded.interiors.sum()).backward()
    idle = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == [], "several processes could not train these"


@pytest.mark.parametrize("image", IMAGES)
def test_no_image_changes_what_another_gets(image):
    model, pixels = tiny_base(image), torch.randn(2, 3, 64, 64)
    together, alone = run(model, pixels)[1], run(model, pixels[1:])[1]
    torch.testing.assert_close(together.masks[1:], alone.masks, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.presence[1:], alone.presence, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("text", TEXTS)
def test_padding_of_text_changes_nothing(text):
    model = tiny_base(text=text).eval()
    ids = torch.tensor([[5, 6, 7, 0, 0, 0], [8, 9, 10, 11, 12, 13]])
    mask = ids > 0
    with torch.inference_mode():
        image = model.encode_image(torch.randn(1, 3, 64, 64))
        padded, short = model.encode_text(ids, mask), model.encode_text(ids[:1, :3], mask[:1, :3])
        torch.testing.assert_close(padded.sentence[:1], short.sentence, atol=1e-5, rtol=1e-4)
        both, one = (model.decode(image, text.shared(1)) for text in (padded, short))
    torch.testing.assert_close(both.masks[:, :1], one.masks, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both.presence[:, :1], one.presence, atol=1e-5, rtol=1e-4)


def test_prompts_do_not_see_each_other_in_any_order(tiny_model, tokenizer):
    phrases = ["tumor", "gland in colon pathology", "nucleus", "bicycle"]
    with torch.inference_mode():
        image = tiny_model.encode_image(torch.randn(1, 3, 64, 64))
        text = tiny_model.encode_text(*tokenize(tokenizer, phrases, length=24))
        together = tiny_model.decode(image, text.shared(1))
        order = torch.tensor([2, 0, 3, 1])
        parts = (text.states[order], text.mask[order], text.sentence[order])
        mixed = tiny_model.decode(image, EncodedText(*parts).shared(1))
        torch.testing.assert_close(mixed.masks, together.masks[:, order], atol=1e-5, rtol=1e-4)
        for index, phrase in enumerate(phrases):
            alone = tiny_model.encode_text(*tokenize(tokenizer, [phrase], length=24)).shared(1)
            masks = tiny_model.decode(image, alone).masks
            torch.testing.assert_close(masks[:, 0], together.masks[:, index], atol=1e-5, rtol=1e-4)


def test_the_soft_choice_cools_down_to_the_nearest_query():
    hard, soft = (tiny_base(choice=choice) for choice in ("argmax", "soft"))
    pixels = torch.randn(1, 3, 64, 64)
    wanted = run(hard, pixels)[1].masks
    distances = []
    for temperature in (1.0, 0.1, 1e-6):
        soft.config.choice_temperature = temperature
        distances.append(float((run(soft, pixels)[1].masks - wanted).abs().max()))
    assert distances[0] > distances[1] >= distances[2]
    assert distances[2] < 1e-5


def test_the_nearest_query_is_taken_whole_and_still_teaches_the_class_head():
    hard, soft = (tiny_base(choice=choice) for choice in ("argmax", "soft"))
    queries, sentence = torch.randn(1, 2, 3, 24), torch.randn(1, 2, 24)
    share = hard._choice(queries, sentence)
    assert sorted(share.unique().tolist()) == [0.0, 1.0]
    assert (share.sum(-1) == 1).all()
    weight = torch.randn(1, 2, 3)
    for model in (hard, soft):
        (model._choice(queries, sentence) * weight).sum().backward()
    torch.testing.assert_close(hard.class_head.weight.grad, soft.class_head.weight.grad)
    assert (hard.class_head.weight.grad != 0).any()


@pytest.mark.parametrize("image", ["focalnet", "swin"])
def test_a_model_comes_back_exactly_as_it_went(image, tmp_path):
    model, pixels = tiny_base(image), torch.randn(1, 3, 64, 64)
    model.save_pretrained(tmp_path)
    again = PathExplainModel.from_pretrained(tmp_path)
    assert again.config.to_diff_dict() == model.config.to_diff_dict() | {
        "architectures": ["PathExplainModel"],
        "dtype": "float32",
    }
    for (name, ours), theirs in zip(
        again.state_dict().items(), model.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    for ours, theirs in zip(run(again, pixels), run(model, pixels), strict=True):
        for key, value in ours.__dict__.items():
            torch.testing.assert_close(value, theirs.__dict__[key], atol=1e-6, rtol=1e-6)


def test_our_checkpoints_and_those_of_transformers_are_one_format(tiny_model, tokenizer, tmp_path):
    ours = write_checkpoint(tmp_path / "ours", tiny_model, tokenizer)
    model = PathExplainModel.from_pretrained(ours)
    assert model.dtype == torch.float32
    assert not model.training
    reference, _ = read_checkpoint(ours)
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), reference.state_dict().values(), strict=True)
    )
    reference.save_pretrained(tmp_path / "theirs")
    tokenizer.save(str(tmp_path / "theirs" / "tokenizer.json"))
    back, _ = read_checkpoint(tmp_path / "theirs")
    assert torch.equal(back.queries, reference.queries)
    half = PathExplainModel.from_pretrained(ours, dtype=torch.float16)
    assert half.dtype == torch.float16


def test_a_tiny_base_learns_one_image():
    model = tiny_base("convnext", mask_size=16).train()
    image = torch.rand(1, 3, 64, 64) * 0.2
    truth = torch.zeros(1, 2, 64, 64, dtype=torch.uint8)
    truth[0, 0, 8:40, 16:56] = 1
    image[0, :, 8:40, 16:56] -= 0.8
    kwargs = {"targets": truth, "seen": torch.tensor([[1.0, 0.0]])}
    kwargs["depth"] = torch.full((1, 2, 64, 64), 255, dtype=torch.uint8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(30):
        encoded, output = model(image, two_prompts(model, 1))
        losses = total_loss(output.masks, output.presence, encoded.interiors, **kwargs)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert float(losses.dice.detach()) < 0.15
    assert output.presence[0, 0] > 0 > output.presence[0, 1]


def test_the_paper_size_is_of_the_paper_size():
    with torch.device("meta"):
        model = PathExplainModel(PathExplainConfig.base())
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert 300 < millions < 450
    assert model.mask_stride == 4
    assert model.encoder.channels == (192, 384, 768, 1536)
    assert json.loads(model.config.to_json_string())["choice"] == "argmax"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"choice": "best"}, "choice is 'best', not one of soft, argmax"),
        ({"sentence": "first"}, "sentence is 'first'"),
        ({"choice_temperature": 0.0}, r"choice_temperature is 0\.0"),
        ({"image_backbone": "resnet50"}, "image_backbone is 'resnet50'"),
        ({"pyramid_channels": (8, 8, 8, 8)}, "4 levels where the image encoder has 5"),
        ({"image_backbone": {"model_type": "swin"}}, "5 levels where the image encoder has 4"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        PathExplainConfig(**fields)


def test_all_faults_of_a_configuration_are_said_at_once():
    with pytest.raises(ConfigError, match=r"choice is.*sentence is"):
        PathExplainConfig(choice="x", sentence="y")


def test_encoders_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="no model_type 'nothing'"):
        transformers_config({"model_type": "nothing"})
    with pytest.raises(ConfigError, match="no model_type None"):
        transformers_config({})
    with pytest.raises(ConfigError, match="'bert': not a pyramid"):
        BackbonePyramid(transformers_config({"model_type": "bert", **BERT}))
    flat = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 4}
    pyramid = BackbonePyramid(transformers_config({"model_type": "dinov2", **flat}))
    with pytest.raises(ConfigError, match=r"level 1 of \(64, 64\) px has the shape \(16, 16\)"):
        pyramid(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ConfigError, match=r"text_length is 600.*'bert' has 512 positions"):
        tiny_base(text_length=600)


def published_folders(tmp_path, image="swin"):
    """Tiny encoders as transformers saves them: a classifier in half precision, BERT, words."""
    images = transformers_config({"model_type": image, "depths": [1, 1, 1, 1], **IMAGES[image]})
    torch.manual_seed(7)
    classifier = AutoModelForImageClassification.from_config(images)
    classifier.half().save_pretrained(tmp_path / "image")
    text = AutoModel.from_config(transformers_config({"model_type": "bert", **BERT}))
    text.save_pretrained(tmp_path / "text")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "tumor", "in", "breast", "##s"]
    (tmp_path / "text" / "vocab.txt").write_text("\n".join(words))
    return tmp_path / "image", tmp_path / "text", classifier, text


@pytest.mark.parametrize("image", ["focalnet", "swin"])
def test_the_base_size_starts_from_published_encoders(image, tmp_path):
    image_folder, text_folder, classifier, text = published_folders(tmp_path, image)
    torch.manual_seed(8)
    model, tokenizer = new_base(text_folder=text_folder, image_folder=image_folder, mpp=0.4)
    assert tokenizer.encode("tumors in breast").ids == [2, 5, 8, 6, 7, 3]
    theirs = dict(classifier.base_model.named_parameters())
    ours = dict(getattr(model.encoder.backbone, image).named_parameters())
    assert len(ours) > 20
    for name, value in ours.items():
        assert torch.equal(value, theirs[name].float()), name
    ids = torch.tensor([tokenizer.encode("tumors in breast").ids])
    with torch.inference_mode():
        wanted = text.eval()(ids).last_hidden_state[:, -1]
        found = model.eval().encode_text(ids, ids > 0).sentence
    torch.testing.assert_close(found, wanted / wanted.norm(dim=-1, keepdim=True))
    assert model.dtype == torch.float32
    assert model.config.mpp == 0.4
    stored = model.config.to_json_string()
    assert str(tmp_path) not in stored
    assert "float16" not in stored


def test_folders_without_encoders_are_refused(tmp_path):
    _, text_folder, *_ = published_folders(tmp_path)
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        new_base(text_folder=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty: not an encoder"):
        new_base(text_folder=tmp_path / "empty")
    with pytest.raises(ConfigError, match="'bert': not a pyramid"):
        new_base(text_folder=text_folder, image_folder=text_folder)


@pytest.mark.parametrize("image", ["focalnet", "resnet"])
def test_a_checkpoint_of_the_base_kind_segments_images_of_any_size(image, tokenizer, tmp_path):
    folder = write_checkpoint(tmp_path / "base", tiny_base(image).eval(), tokenizer)
    segmentor = NetworkSegmentor.load(str(folder), device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (45, 130, 3), np.uint8)
    result = segmentor.segment(pixels, ["nucleus", "tumor"], mpp=0.4)
    assert result.probabilities.shape == (2, 45, 130)
    assert np.isfinite(np.asarray(result.probabilities)).all()
    assert result.instances(0).shape == (45, 130)
