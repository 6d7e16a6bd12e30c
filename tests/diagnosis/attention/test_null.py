"""Attention networks under permuted labels, and a verdict that needs their p-value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pathexplain.diagnosis.attention import statistics
from pathexplain.diagnosis.attention.null import Deals, permuted_null
from pathexplain.diagnosis.checkpoint import Checkpoint
from pathexplain.diagnosis.networks.bags import Bag
from pathexplain.diagnosis.networks.predictions import HeldOut
from pathexplain.diagnosis.networks.training import TrainingOptions

N = 24
CODES = np.arange(N) % 2
TINY = TrainingOptions(epochs=3, n_networks=1, hidden=4, gates=2, learning_rate=5e-2)


def bag(code: int, seed: int) -> Bag:
    """Two tiles with one object and the whole; the first of three features carries the class."""
    features = np.random.default_rng(seed).normal(size=(2, 2, 3)).astype(np.float32)
    features[..., 0] += 3 * code
    return Bag(
        features=torch.from_numpy(features),
        shares=torch.ones(2, 1),
        origins=torch.zeros(2, 2, dtype=torch.int64),
        trained=("trained",),
    )


@pytest.fixture(scope="module")
def deals() -> Deals:
    names = tuple(f"s{i}" for i in range(N))
    return Deals(
        bags={name: bag(int(CODES[i]), i) for i, name in enumerate(names)},
        slides=names,
        codes=CODES,
        patients=np.array([f"p{i}" for i in range(N)]),
        columns=(0,),
        n_classes=2,
        n_splits=2,
        options=TINY,
        seed=0,
    )


def silent(_done: int, _total: int) -> None:
    """Tell nobody."""


def test_permuted_labels_are_not_learned_and_a_stop_changes_nothing(deals, tmp_path):
    def make(*, progress=silent):
        kept = Checkpoint(tmp_path, "k")
        return permuted_null(deals, 1.1, n_permutations=20, checkpoint=kept, progress=progress)

    def stop(done, _total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(progress=stop)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 3
    null = make()
    assert null.n_permutations == 20
    assert null.p_value == pytest.approx(1 / 21)
    assert 0.35 < np.mean(null.aurocs) < 0.65
    alone = permuted_null(
        deals, 1.1, n_permutations=5, checkpoint=Checkpoint(None, ""), progress=silent
    )
    assert null.aurocs[:5] == alone.aurocs


def test_a_hopeless_network_is_not_compared_to_the_end(deals):
    kept = Checkpoint(None, "")
    null = permuted_null(deals, 0.0, n_permutations=20, checkpoint=kept, progress=silent)
    assert null.n_permutations == 5
    assert null.p_value == 1.0
    assert permuted_null(deals, 0.5, n_permutations=0, checkpoint=kept, progress=silent) is None


def test_an_interval_above_one_half_is_not_enough(deals):
    kept = Checkpoint(None, "")
    null = permuted_null(deals, 0.0, n_permutations=20, checkpoint=kept, progress=silent)
    logits = np.column_stack([np.zeros(N), 4.0 * CODES - 2])
    made = HeldOut(logits, np.zeros((N, 1, 2)))
    weights = np.ones((10, N))
    assert statistics.judge("objects", "", made, CODES, weights).is_better_than_chance
    assert not statistics.judge("objects", "", made, CODES, weights, null).is_better_than_chance
    good = replace(null, p_value=1 / 21)
    assert statistics.judge("objects", "", made, CODES, weights, good).is_better_than_chance
