"""Attention networks, pooled features and their training against formulas written out here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from pathexplain.diagnosis.networks.attention import ObjectAttention, activation
from pathexplain.diagnosis.networks.bags import Bag, load_bag, save_bag, tile_features
from pathexplain.diagnosis.networks.training import (
    TrainingOptions,
    load_network,
    padded,
    save_network,
    train_network,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_one_object_is_ilses_gated_attention() -> None:
    network = ObjectAttention(1, 5, 3, hidden=4, gates=2).eval()
    bag = torch.randn(7, 5)
    seen = network(bag[None, None], torch.ones(1, 1, 7, dtype=torch.bool))
    part = {name: value.detach().numpy() for name, value in network.named_parameters()}
    h = np.maximum(bag.numpy() @ part["project"][0] + part["project_bias"][0], 0)
    gate = 1 / (1 + np.exp(-(h @ part["gate"][0] + part["gate_bias"][0])))
    score = (np.tanh(h @ part["value"][0] + part["value_bias"][0]) * gate) @ part["score"][0]
    weight = np.exp(score[:, 0]) / np.exp(score[:, 0]).sum()
    logits = (weight @ h) @ part["head.weight"].T + part["head.bias"]
    assert seen.attention[0, 0].detach().numpy() == pytest.approx(weight, abs=1e-6)
    assert seen.logits[0].detach().numpy() == pytest.approx(logits, abs=1e-5)


def test_absent_objects_and_padding_change_nothing() -> None:
    network = ObjectAttention(3, 5, 2).eval()
    features = torch.randn(1, 3, 4, 5)
    known = torch.tensor([[[True, True, False, False], [False] * 4, [True] * 4]])
    seen = network(features, known)
    changed = torch.where(known[..., None], features, torch.full_like(features, 99.0))
    assert torch.allclose(network(changed, known).logits, seen.logits)
    assert seen.present.tolist() == [[True, False, True]]
    assert seen.pooled[0, 1].abs().max().item() == 0.0
    mean = (seen.pooled[0, 0] + seen.pooled[0, 2]) / 2
    assert torch.allclose(network.head(mean), seen.logits[0], atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_activations_sum_to_the_logits(n_classes: int) -> None:
    network = ObjectAttention(3, 5, n_classes).eval()
    known = torch.rand(6, 3, 4) > 0.4
    seen = network(torch.randn(6, 3, 4, 5), known)
    objects, instances = activation(seen, network.head)
    others = (seen.logits.sum(1, keepdim=True) - seen.logits) / (n_classes - 1)
    bias = network.head.bias
    contrast = bias - (bias.sum() - bias) / (n_classes - 1)
    is_there = known.any(dim=2).any(dim=1)
    total = objects.sum(dim=1) + contrast
    assert torch.allclose(total[is_there], (seen.logits - others)[is_there], atol=1e-5)
    assert torch.allclose(instances.sum(dim=2), objects, atol=1e-5)


class Means:
    """An encoder whose map is the mean color of 4 × 4 px."""

    name, fingerprint, sources = "means", "1", ()

    def maps(self, tiles: np.ndarray) -> torch.Tensor:
        pixels = torch.from_numpy(tiles.astype(np.float32)).permute(0, 3, 1, 2)
        return torch.nn.functional.avg_pool2d(pixels, 4)


def test_features_are_means_under_the_masks() -> None:
    rng = np.random.default_rng(1)
    tiles = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    masks = rng.random((2, 2, 16, 16)) < 0.3
    masks[1, 1] = False
    features, shares = tile_features(Means(), tiles, masks)
    assert shares.numpy() == pytest.approx(masks.mean(axis=(2, 3)))
    maps = tiles.reshape(2, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    weights = masks.reshape(2, 2, 4, 4, 4, 4).mean(axis=(3, 5))
    wanted = (weights[0, 0][..., None] * maps[0]).sum(axis=(0, 1)) / weights[0, 0].sum()
    assert features[0, 0].numpy() == pytest.approx(wanted, rel=1e-5)
    assert features[0, 2].numpy() == pytest.approx(tiles[0].mean(axis=(0, 1)), rel=1e-5)
    assert features[1, 1].numpy().tolist() == [0, 0, 0]


def bags(n: int, *, informative: int = 0) -> tuple[list[Bag], np.ndarray]:
    """Bags of three objects, of which one tells the class; the whole tile tells nothing."""
    rng = np.random.default_rng(2)
    codes = np.arange(n) % 2
    made = []
    for code in codes:
        features = rng.normal(size=(5, 4, 6))
        features[:, informative, 0] += 3 * (2 * code - 1)
        shares = np.full((5, 3), 0.2, np.float32)
        made.append(
            Bag(
                torch.tensor(features).half(),
                torch.tensor(shares),
                torch.zeros(5, 2, dtype=torch.int64),
                ("trained",),
            )
        )
    return made, codes


OPTIONS = TrainingOptions(
    epochs=60, n_networks=1, hidden=8, gates=4, batch_size=8, learning_rate=1e-2
)


def test_training_learns_and_never_sees_what_is_held_out() -> None:
    made, codes = bags(24)
    rows = np.arange(16)
    given = {"codes": codes, "rows": rows, "n_classes": 2, "options": OPTIONS, "seed": 3}

    def train(source: list[Bag]) -> ObjectAttention:
        return train_network(lambda row: source[row], (0, 1, 2), **given)  # type: ignore[arg-type]

    network = train(made)
    seen = network(*padded(made[16:], (0, 1, 2)))
    assert (seen.logits.argmax(1).numpy() == codes[16:]).all()
    objects, _ = activation(seen, network.head)
    push = objects[:, :, 1].detach().numpy() * (2 * codes[16:, None] - 1)
    assert push[:, 0].mean() > 5 * abs(push[:, 1:].mean(axis=0)).max()
    other = [*made[:16], *(replace(bag, features=bag.features * 50) for bag in made[16:])]
    again = train(other)
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_bags_and_networks_come_back_as_they_were(tmp_path: Path) -> None:
    made, _ = bags(1)
    save_bag(tmp_path / "bag.safetensors", made[0], inputs="a")
    back = load_bag(tmp_path / "bag.safetensors", inputs="a")
    assert back is not None
    assert torch.equal(back.features, made[0].features)
    assert back.trained == ("trained",)
    assert load_bag(tmp_path / "bag.safetensors", inputs="b") is None
    network = ObjectAttention(2, 6, 3, hidden=8, gates=4).eval()
    save_network(tmp_path / "n.safetensors", network, inputs="a")
    read = load_network(tmp_path / "n.safetensors", inputs="a")
    assert read is not None
    x, known = torch.randn(2, 2, 3, 6), torch.ones(2, 2, 3, dtype=torch.bool)
    assert torch.equal(read(x, known).logits, network(x, known).logits)
    assert load_network(tmp_path / "n.safetensors", inputs="b") is None
    (tmp_path / "n.safetensors").write_bytes(b"broken")
    assert load_network(tmp_path / "n.safetensors") is None
