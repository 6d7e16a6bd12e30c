"""The training configuration: one YAML file, checked before anything is read.

Every key is used by `training`; unknown keys are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pathexplain.errors import ConfigError

__all__ = ["TrainingConfig", "read_training_config"]


class TrainingConfig(BaseModel):
    """What `pathexplain train` is told.

    Attributes
    ----------
    manifest : Path
        CSV of images and masks, relative to the configuration.
    out : Path
        Checkpoint directory to write, relative to the configuration.
    sources : tuple of str
        Sources of the manifest to train on; empty for all.
    start : str
        "imagenet" (published image and sentence encoders, from the ``train`` extra) or a checkpoint
        directory to fine-tune.
    steps, batch_size, crop_px, prompts_per_image : int
    wide_every : int
        Every so many steps, crops are twice as wide and the batch is a quarter, of the sources
        whose objects need the view.
    learning_rate, encoder_learning_rate, weight_decay : float
    stop_after : int or None
        Stop at this step of the schedule; a later stage starts from the checkpoint.
    n_phantoms : int
        Synthetic fields added as a source of their own; see `datasets.phantoms`.
    distill_steps : int
        Steps of teaching the short text encoder first; unused when fine-tuning.
    validate_every, checkpoint_every : int
    seed : int
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1]
    manifest: Annotated[Path, Field(strict=False)]
    out: Annotated[Path, Field(strict=False)]
    sources: Annotated[tuple[str, ...], Field(strict=False)] = ()
    start: str = "imagenet"
    steps: Annotated[int, Field(ge=1)] = 4000
    stop_after: Annotated[int, Field(ge=1)] | None = None
    n_phantoms: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=1)] = 16
    crop_px: Annotated[int, Field(ge=64, multiple_of=32)] = 256
    prompts_per_image: Annotated[int, Field(ge=1)] = 4
    wide_every: Annotated[int, Field(ge=1)] = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    encoder_learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    distill_steps: Annotated[int, Field(ge=0)] = 1500
    validate_every: Annotated[int, Field(ge=1)] = 500
    checkpoint_every: Annotated[int, Field(ge=1)] = 250
    mpp: Annotated[float, Field(gt=0)] = 0.5
    seed: int = 0


def read_training_config(path: str | Path) -> TrainingConfig:
    """Read and check a training configuration; its paths become absolute.

    Raises
    ------
    ConfigError
        All faults at once.
    """
    file = Path(path)
    if not file.is_file():
        message = f"{file}: no such training configuration"
        raise ConfigError(message, path=str(file))
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
        config = TrainingConfig.model_validate(raw)
    except yaml.YAMLError as error:
        message = f"{file}: not valid YAML: {error}"
        raise ConfigError(message, path=str(file)) from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']} (got {fault['input']!r})"
            for fault in error.errors()
        ]
        message = f"{file}: " + "; ".join(faults)
        raise ConfigError(message, path=str(file)) from error
    folder = file.resolve().parent
    paths: dict[str, object] = {"manifest": folder / config.manifest, "out": folder / config.out}
    if config.start != "imagenet":
        paths["start"] = str(folder / config.start)
    return config.model_copy(update=paths)
