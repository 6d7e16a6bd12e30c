"""The model card of a training: figures on its own held-out images, as a user would get them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from torch import nn

from pathexplain.errors import PathExplainError
from pathexplain.segmentor.checkpoint import CONFIG, read_checkpoint
from pathexplain.segmentor.devices import choose_device
from pathexplain.segmentor.mask_fitting import fit_nucleus_offset
from pathexplain.segmentor.network_segmentor import NetworkSegmentor
from pathexplain.segmentor.presence_fitting import fit_presence, presence_pairs
from pathexplain.serialization import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.segmentor.training_config import TrainingConfig
    from pathexplain.segmentor.training_data import TrainingData

__all__ = ["describe_checkpoint"]

# What the file `config.json` calls them.
_PRESENCE, _OFFSET = "presence_calibration", "nucleus_offset"
_LOG = logging.getLogger("pathexplain")


def describe_checkpoint(settings: TrainingConfig, data: TrainingData) -> Path | None:
    """Evaluate a finished checkpoint and write its card; None where it cannot be.

    On the validation images or, where there are none, on those that it was trained on, which the
    card then says. A card that cannot be written spoils no training: the reason is logged.
    """
    from pathexplain.segmentor.card import write_card
    from pathexplain.segmentor.evaluation import evaluate

    split = "validation" if data.validation else "train"
    try:
        _calibrate(settings.out, data)
        figures = evaluate(
            str(settings.out),
            data=settings.data,
            split=split,
            sources=settings.sources or None,
            seed=settings.seed,
        )
        return write_card(settings.out, figures)
    except PathExplainError as error:
        _LOG.warning("no model card for %s: %s", settings.out, error)
        return None


def _calibrate(folder: Path, data: TrainingData) -> None:
    """Fit what is fitted on the validation images, where these are enough."""
    found: dict[str, object] = {}
    presence = fit_presence(presence_pairs(NetworkSegmentor.load(str(folder)), data.validation))
    if presence is not None:
        found[_PRESENCE] = asdict(presence)
    model, tokenizer = read_checkpoint(folder)
    nn.Module.to(model, choose_device("auto"))
    offset = fit_nucleus_offset(model, tokenizer, data.validation)
    if offset is not None:
        found[_OFFSET] = offset
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    write_json(folder / CONFIG, config | found)
