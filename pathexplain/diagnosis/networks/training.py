"""Train attention networks on bags, fold by fold, and keep them as safetensors.

Nothing of a held-out slide is seen: features are standardized by the training slides alone, and
the number of epochs is fixed beforehand. Not for choosing folds: see `diagnosis.splits`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn import functional

from pathexplain.diagnosis.networks.attention import ObjectAttention
from pathexplain.errors import ConfigError
from pathexplain.serialization import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from pathexplain.diagnosis.networks.bags import Bag

__all__ = ["TrainingOptions", "load_network", "padded", "save_network", "train_network"]

LEAST_SCALE = 1e-3


@dataclass(frozen=True)
class TrainingOptions:
    """How the attention networks are trained.

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the training slides, and slides a step.
    learning_rate, weight_decay : float
        Of AdamW.
    hidden, gates : int
        Widths of the network.
    dropout : float
    max_tiles : int
        Tiles of a slide that a training step sees at most, drawn anew each time.
    n_networks : int
        Networks a fold, from different seeds; their logits are averaged.

    Raises
    ------
    ConfigError
        When a value is out of range.
    """

    epochs: int = 60
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    hidden: int = 64
    gates: int = 32
    dropout: float = 0.25
    max_tiles: int = 2000
    n_networks: int = 3

    def __post_init__(self) -> None:
        """Check once."""
        whole = (
            self.epochs,
            self.batch_size,
            self.hidden,
            self.gates,
            self.max_tiles,
            self.n_networks,
        )
        if min(whole) < 1 or not 0 <= self.dropout < 1 or not self.learning_rate > 0:
            message = f"training options out of range: {asdict(self)}"
            raise ConfigError(message)


def train_network(
    bags: Callable[[int], Bag],
    columns: Sequence[int],
    codes: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    n_classes: int,
    options: TrainingOptions,
    seed: int,
) -> ObjectAttention:
    """Train one network on some slides.

    Parameters
    ----------
    bags : callable
        Bag of a slide by its number.
    columns : sequence of int
        Which of a bag's objects the network sees.
    codes : (n,) int64
        Class of every slide.
    rows : (m,) int64
        Slides to train on.
    n_classes : int
    options : TrainingOptions
    seed : int

    Returns
    -------
    ObjectAttention
        In evaluation mode.
    """
    generator = np.random.default_rng(seed)
    width = int(bags(int(rows[0])).features.shape[-1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ObjectAttention(
            len(columns),
            width,
            n_classes,
            hidden=options.hidden,
            gates=options.gates,
            dropout=options.dropout,
        )
        _standardize(network, bags, rows)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        counts = np.bincount(codes[rows], minlength=n_classes).clip(min=1)
        weight = torch.tensor(len(rows) / (n_classes * counts), dtype=torch.float32)
        network.train()
        for _ in range(options.epochs):
            for batch in _batches(rows, options.batch_size, generator):
                features, known = padded(
                    [bags(int(row)) for row in batch],
                    columns,
                    max_tiles=options.max_tiles,
                    generator=generator,
                )
                logits = network(features, known).logits
                truth = torch.from_numpy(codes[batch])
                loss = functional.cross_entropy(logits, truth, weight=weight)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return network.eval()


def padded(
    bags: Sequence[Bag],
    columns: Sequence[int],
    *,
    max_tiles: int | None = None,
    generator: np.random.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Put bags of different sizes into one (B, J, T, d) tensor, with (B, J, T) bool of what is.

    With `max_tiles` and a `generator`, larger bags lend that many tiles at random.
    """
    chosen = []
    for bag in bags:
        n_tiles = len(bag.shares)
        if max_tiles is not None and generator is not None and n_tiles > max_tiles:
            picked = torch.from_numpy(np.sort(generator.choice(n_tiles, max_tiles, replace=False)))
        else:
            picked = torch.arange(n_tiles)
        chosen.append((bag.features[picked][:, columns], bag.known[picked][:, columns]))
    longest = max(len(features) for features, _ in chosen)
    width = chosen[0][0].shape[-1]
    features = torch.zeros(len(bags), len(columns), longest, width)
    known = torch.zeros(len(bags), len(columns), longest, dtype=torch.bool)
    for index, (values, is_known) in enumerate(chosen):
        features[index, :, : len(values)] = values.float().transpose(0, 1)
        known[index, :, : len(values)] = is_known.T
    return features, known


def _standardize(
    network: ObjectAttention, bags: Callable[[int], Bag], rows: NDArray[np.int64]
) -> None:
    """Center and scale features by the whole tiles of the training slides."""
    n, total, squares = 0, torch.zeros_like(network.center), torch.zeros_like(network.scale)
    for row in rows:
        whole = bags(int(row)).features[:, -1].float()
        n += len(whole)
        total += whole.sum(dim=0)
        squares += whole.square().sum(dim=0)
    mean = total / n
    network.center.copy_(mean)
    network.scale.copy_((squares / n - mean.square()).clamp_min(0).sqrt().clamp_min(LEAST_SCALE))


def _batches(
    rows: NDArray[np.int64], size: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Slides in random order, some at a time."""
    order = generator.permutation(rows)
    for start in range(0, len(order), size):
        yield order[start : start + size]


def save_network(path: Path, network: ObjectAttention, *, inputs: str) -> None:
    """Write a network's weights, whole or not at all."""
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary, metadata={"inputs": inputs})


def load_network(path: Path, *, inputs: str | None = None) -> ObjectAttention | None:
    """Read a network; None when there is none, or it was trained on other inputs."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            if inputs is not None and (stored.metadata() or {}).get("inputs") != inputs:
                return None
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError:
        return None
    n_objects, n_features, hidden = state["project"].shape
    network = ObjectAttention(
        n_objects,
        n_features,
        len(state["head.weight"]),
        hidden=hidden,
        gates=state["value"].shape[-1],
    )
    network.load_state_dict(state)
    return network.eval()
