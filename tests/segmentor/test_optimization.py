"""What moves in a training: weights learn, and statistics stay where they are to be kept."""

import pytest
import torch
from torch import nn

from pathexplain.segmentor import training
from pathexplain.segmentor.checkpoint import read_checkpoint
from pathexplain.segmentor.optimization import set_modes
from pathexplain.segmentor.training_config import TrainingConfig


def configure(manifest, start, out: str, **changes) -> TrainingConfig:
    values = {"steps": 3, "batch_size": 2, "crop_px": 64, "prompts_per_image": 2, "wide_every": 0}
    return TrainingConfig(
        version=1, data=manifest, out=manifest.parent / out, start=str(start), **(values | changes)
    )


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.named_buffers() if "running" in name}


def test_kept_statistics_stay_while_all_other_weights_learn(manifest, tiny_checkpoint):
    begin = read_checkpoint(tiny_checkpoint)[0]
    ends = {
        kept: read_checkpoint(
            training.train(configure(manifest, tiny_checkpoint, kept, statistics=kept))
        )[0]
        for kept in ("kept", "batch")
    }
    before = statistics(begin)
    assert before
    for name, value in statistics(ends["kept"]).items():
        torch.testing.assert_close(value, before[name], rtol=1e-3, atol=1e-6)  # stored in half
    moved = [
        not torch.allclose(value, before[name], rtol=1e-3, atol=1e-6)
        for name, value in statistics(ends["batch"]).items()
    ]
    assert sum(moved) > 0.9 * len(moved)
    learnt = [
        not torch.equal(weight, begin.get_parameter(name))
        for name, weight in ends["kept"].named_parameters()
        if name.startswith("pixel_decoder") and weight.ndim == 4
    ]
    assert sum(learnt) > 0.7 * len(learnt)


@pytest.mark.parametrize(
    ("changes", "n_batch", "encoder_learns"),
    [({}, "all", True), ({"statistics": "kept"}, "none", True), ({"freeze": "encoder"}, "some", 0)],
)
def test_modes_are_those_of_the_settings(
    manifest, tiny_checkpoint, tiny_model, changes, n_batch, encoder_learns
):
    set_modes(tiny_model, configure(manifest, tiny_checkpoint, "out", **changes))
    norms = [one.training for one in tiny_model.modules() if isinstance(one, nn.BatchNorm2d)]
    assert {"all": all(norms), "none": not any(norms), "some": len(set(norms)) == 2}[n_batch]
    assert not tiny_model.text_encoder.training
    assert tiny_model.encoder.training == bool(encoder_learns)
    tiny_model.eval()
