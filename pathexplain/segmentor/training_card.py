"""The model card of a training: figures on its own held-out images, as a user would get them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pathexplain.errors import PathExplainError

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.segmentor.training_config import TrainingConfig
    from pathexplain.segmentor.training_data import TrainingData

__all__ = ["describe_checkpoint"]

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
