"""A tiny network with random weights, and a tiny data set in the manifest's format."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer

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
