"""Classifiers by name: what is read equals what was written, and nothing pickled is ever read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ResNetConfig, ResNetForImageClassification

from pathexplain.diagnosis.networks.classifiers import TorchClassifier, load_classifier
from pathexplain.errors import ConfigError, SegmentationError

if TYPE_CHECKING:
    from pathlib import Path

TILES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier of transformers with random weights."""
    torch.manual_seed(0)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
        id2label={0: "benign", 1: "malignant"}, label2id={"benign": 0, "malignant": 1},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("resnet")
    ResNetForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.4, 0.3], '
        '"image_std": [0.2, 0.3, 0.4]}',
        encoding="utf-8",
    )
    return folder


def test_a_directory_of_transformers_gives_the_models_own_logits(directory: Path) -> None:
    found = load_classifier(directory, device="cpu")
    assert (found.classes, found.unit) == (("benign", "malignant"), "tile")
    model = ResNetForImageClassification.from_pretrained(directory).eval()
    scaled = (TILES / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
    with torch.inference_mode():
        wanted = model(torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)).logits
    assert found.logits(found.encode(TILES)) == pytest.approx(wanted.numpy(), abs=1e-5)


def test_weights_that_are_missing_are_not_made_up(directory: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    state = load_file(directory / "model.safetensors")
    state = {name: tensor for name, tensor in state.items() if "classifier" not in name}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SegmentationError, match="never trained"):
        load_classifier(tmp_path)


def test_pickled_weights_in_a_directory_are_not_read(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((directory / "config.json").read_bytes())
    torch.save(load_file(directory / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(SegmentationError, match="cannot be read as an image classifier"):
        load_classifier(tmp_path)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pt2", "a/b.bin", "m.ckpt"])
def test_pickled_and_scripted_files_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="can run anything when it is read"):
        load_classifier(name)


ENTRY = """
import torch

def function():
    return lambda tiles: [[float(tile.mean()), 0.0] for tile in tiles]

def module():
    return torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2)
    )

def number():
    return 3
"""


@pytest.mark.parametrize("entry", ["function", "module"])
def test_an_entry_of_a_file_is_called(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(ENTRY, encoding="utf-8")
    found = load_classifier(f"{path}:{entry}", classes=("a", "b"), device="cpu")
    assert found.classes == ("a", "b")
    assert found.logits(found.encode(TILES)).shape == (3, 2)
    assert getattr(found, "fingerprint", None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine.py:number", "must return a callable"),
        ("mine.py:nothing", "has no function 'nothing'"),
        ("other.py:function", "no such Python file"),
        ("no_such_module_here:function", "no module"),
        ("nowhere", "give a directory of transformers"),
    ],
)
def test_what_is_no_classifier_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    (tmp_path / "mine.py").write_text(ENTRY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says):
        load_classifier(name)


def test_other_models_of_transformers_are_no_classifiers(directory: Path, tmp_path: Path) -> None:
    text = (directory / "config.json").read_text(encoding="utf-8")
    text = text.replace("ResNetForImageClassification", "ResNetModel")
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="holds ResNetModel, no classifier"):
        load_classifier(tmp_path)


def test_a_bag_goes_through_a_module_at_once() -> None:
    class Bag(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.stack([pixels.mean(), pixels.amax()])

    found = TorchClassifier(Bag(), unit="slide", device="cpu")
    logits = found.logits(found.encode(TILES))
    assert logits == pytest.approx(np.array([[TILES.mean() / 255, TILES.max() / 255]]), abs=1e-5)
