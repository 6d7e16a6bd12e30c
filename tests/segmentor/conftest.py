"""A tiny network with random weights, and a tiny data set in the manifest's format."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    PreTrainedTokenizerFast,
    Sam3Config,
    Sam3Model,
)

from pathexplain.segmentor.checkpoint import write_checkpoint
from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.network import PathExplainModel

WORDS = ("nucleus", "level", "tissue", "gland", "in", "pathology", "multiple", "tumor", "colon")


def tiny_tokenizer() -> Tokenizer:
    """WordPiece over a handful of words and all letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters), *WORDS]
    spec = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: index for index, piece in enumerate(pieces)},
        },
    }
    return Tokenizer.from_str(json.dumps(spec))


@pytest.fixture(scope="session")
def tiny_model() -> PathExplainModel:
    torch.manual_seed(0)
    config = PathExplainConfig(
        hidden_size=24,
        mask_size=8,
        n_queries=3,
        n_heads=2,
        pyramid_channels=(8, 8, 12, 12, 16),
        text_hidden_size=24,
        text_layers=1,
        text_heads=2,
        text_vocabulary=128,
        classes={
            "nuclei-level nucleus in multiple pathology": {
                "object": "nucleus",
                "structure": "nuclei",
                "sources": ["tnbc"],
            }
        },
    )
    return PathExplainModel(config).eval()


@pytest.fixture
def tiny_checkpoint(tmp_path: Path, tiny_model: PathExplainModel) -> Path:
    return write_checkpoint(tmp_path / "tiny", tiny_model, tiny_tokenizer())


@pytest.fixture
def tokenizer() -> Tokenizer:
    return tiny_tokenizer()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Eight images of dark disks on pink, of the source "tnbc", with instance masks."""
    rng = np.random.default_rng(0)
    rows = []
    yy, xx = np.mgrid[:160, :160]
    for index in range(8):
        image = np.full((160, 160, 3), (235, 180, 215), np.uint8)
        labels = np.zeros((160, 160), np.uint8)
        for label, (y, x) in enumerate(rng.integers(20, 140, (6, 2)), start=1):
            disk = (np.hypot(yy - y, xx - x) < 11) & (labels == 0)
            labels[disk] = label
            image[disk] = (85, 60, 140)
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        Image.fromarray(labels).save(tmp_path / f"{index}_mask.png")
        rows.append(
            {
                "source": "tnbc",
                "image": f"{index}.png",
                "mask": f"{index}_mask.png",
                "kind": "instances",
                "mpp": "0.25",
                "organ": "breast",
                "patient": f"p{index}",
                "split": "test" if index == 7 else "train",
                "label": "",
            }
        )
    path = tmp_path / "manifest.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def save_tiny(tmp_path: Path) -> Callable[[str], Path]:
    """Write CLIPSeg or SAM 3 with few random weights, as a folder of transformers."""

    def save(kind: str) -> Path:
        torch.manual_seed(0)
        folder = tmp_path / kind
        model = tiny_clipseg() if kind == "clipseg" else tiny_sam3()
        model.save_pretrained(folder)
        tokenizer = tiny_tokenizer()
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
        ).save_pretrained(folder)
        return folder

    return save


def tiny_text(**sizes: int) -> dict[str, int]:
    return {
        "vocab_size": 128,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 16,
        "max_position_embeddings": 16,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
        **sizes,
    }


def tiny_clipseg() -> CLIPSegForImageSegmentation:
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 352,
        "patch_size": 32,
    }
    config = CLIPSegConfig(
        text_config=tiny_text(),
        vision_config=vision,
        projection_dim=16,
        extract_layers=[0, 1],
        reduce_dim=8,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    return CLIPSegForImageSegmentation(config)


def tiny_sam3() -> Sam3Model:
    part = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "num_layers": 1}
    config = Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 112,
                "pretrain_image_size": 56,
                "window_size": 4,
                "global_attn_indexes": [1],
            },
            "fpn_hidden_size": 16,
        },
        text_config={"model_type": "clip_text_model", **tiny_text()},
        geometry_encoder_config=part,
        detr_encoder_config=part,
        detr_decoder_config={**part, "num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )
    return Sam3Model(config)
