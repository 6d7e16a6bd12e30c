"""Batches depend on their step alone, whoever draws them."""

import pytest
import torch

from pathexplain.segmentor.batches import drawn_batches
from pathexplain.segmentor.sampling import draw_batch
from pathexplain.segmentor.training_config import TrainingConfig
from pathexplain.segmentor.training_data import read_training_data


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_the_order_of_their_steps(manifest, workers):
    settings = TrainingConfig(
        version=1, data=manifest, out=manifest.parent / "out", crop_px=64, prompts_per_image=2,
        wide_every=3, workers=workers,
    )  # fmt: skip
    data = read_training_data(settings)
    drawn = drawn_batches(data, ["tree"], settings, steps=range(1, 5), seed=7, batch_size=4)
    shapes = []
    for step, batch in zip(range(1, 5), drawn, strict=True):
        is_wide = step == 2
        expected = draw_batch(
            data.train, ["tree"], seed=7, step=step, batch_size=1 if is_wide else 4,
            crop_px=128 if is_wide else 64, n_prompts=2, is_wide=is_wide, wide_mpp=settings.mpp,
        )  # fmt: skip
        assert torch.equal(batch.pixels, expected.pixels)
        assert torch.equal(batch.targets, expected.targets)
        assert batch.phrases == expected.phrases
        shapes.append(tuple(batch.pixels.shape))
    assert shapes == [(4, 3, 64, 64), (1, 3, 128, 128), (4, 3, 64, 64), (4, 3, 64, 64)]
