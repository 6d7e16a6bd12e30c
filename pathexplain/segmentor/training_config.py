"""The training configuration: one YAML file, checked before anything is read.

Every key is used by `training`; unknown keys are refused. `fine_tuning` makes one without a file.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from pathexplain.errors import ConfigError
from pathexplain.vocabulary import NUCLEAR

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["IMAGENET", "TrainingConfig", "fine_tuning", "read_training_config"]

IMAGENET = "imagenet"
_LEAST_ROUNDS = 5
_SHAPE = "config.json"


class TrainingConfig(BaseModel):
    """What `pathexplain train` is told.

    Attributes
    ----------
    data : Path
        CSV of images and masks, relative to the configuration: a dataset's table, with one row an
        image and category (`datasets.table`), or a manifest, with one row an image
        (`datasets.reading`). ``manifest`` is another name for it.
    out : Path
        Checkpoint directory to write, relative to the configuration.
    sources : tuple of str
        Sources of the data to train on; empty for all.
    held_out : {"validation", "none"}
        Which images of the training rows only validate. With "none" all are learned from, for a
        last training in which nothing is left to choose: nothing validates it, it stays
        calibrated as `start` or `calibration_from`, and the card's figures are of images that it
        has seen.
    start : str
        "imagenet" (published image and sentence encoders, from the ``train`` extra), the name of
        weights that ship, such as "compact", or a checkpoint directory to fine-tune.
    text_from : str or None
        Where to take a short text encoder that is taught already, when starting from "imagenet":
        weights that ship, by name, or a checkpoint directory. None teaches one. It has seen no
        image, whatever its checkpoint was trained on.
    freeze : {"none", "encoder"}
        Leave the image encoder as it is: faster, and safer with few images.
    statistics : {"batch", "kept"}
        Which means and variances batch normalisation uses while it learns: those of the batch, or
        those that it starts with, which then stay. Kept ones are what the trained network will use,
        however few crops a batch has; a network that starts from "imagenet" needs those of batches.
    has_region_path : bool
        Whether the network has the coarse path of `network`, and standardised sentences; one that
        starts without gets both, without effect at first.
    source_weights : mapping of source to (float, float)
        Share of narrow and of wide crops, where it is not that of `datasets.sources`.
    steps, batch_size, crop_px, prompts_per_image : int
        `batch_size` is that of all processes together.
    workers : int
        Processes that draw batches, for a GPU that would wait for one; 0 draws the next batch in a
        thread. The batches, and so the weights, are the same.
    wide_every : int
        Every so many steps, crops are twice as wide and the batch is a quarter, of the sources
        whose objects need the view; 0 for never.
    close_share : float
        Share of wide crops of nuclei that show them at `nuclei_mpp` instead of `mpp`.
    pale_share : float
        Share of crops where nuclei are asked for even if nobody annotated them: there are none in
        what took up no stain, such as mucus, and the rest is unknown.
    stain_share : float
        Share of crops that are stained, more or less, as an image drawn from all sources is.
    free_share : float
        Share of prompts worded as people do who have read no manual, without a region; of what is
        not there, so many name what belongs elsewhere, such as "aorta in ultrasound".
    learning_rate, encoder_learning_rate, weight_decay : float
    mpp : float
        µm per pixel at which the network looks at tissue; where none is given, that of the
        checkpoint to start from. Another than that is learned: it takes as many steps as a stage.
    nuclei_mpp : float or None
        µm per pixel at which it looks for nuclei and cells. None is that of the checkpoint to start
        from, and `mpp` where there is none.
    blend : float
        Share of the trained weights in the mean of these and those of `start`, which is what is
        kept: less than 1 keeps more of what the start knew (Wortsman 2022, Robust fine-tuning of
        zero-shot models, arXiv 2109.01903). Needs a checkpoint to start from.
    blend_with : str or None
        Weights to take that mean with in place of those of `start`: a checkpoint directory that
        another training from the same start wrote (Wortsman 2022, Model soups, arXiv 2203.05482).
        Where nothing is held out, presence is calibrated as there.
    calibration_from : str or None
        Where nothing is held out, the checkpoint directory whose calibration is taken, of presence
        and of the masks of nuclei: of a training alike but for the images that it held out. None
        is that of `start`.
    stop_after : int or None
        Stop at this step of the schedule; a later stage starts from the checkpoint.
    patience : int or None
        Stop after so many validations without a better mean Dice, and keep the best checkpoint;
        None trains to the end and keeps the last.
    n_phantoms : int
        Synthetic fields added as a source of their own; see `datasets.phantoms`.
    distill_steps : int
        Steps of teaching the short text encoder first; unused when fine-tuning.
    validate_every, checkpoint_every : int
    overlays_every : int or None
        Steps between pictures of held-out images with truth and found outlines; 0 for none. None
        is once an epoch, at validations.
    seed : int
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Literal[1]
    data: Annotated[Path, Field(strict=False, validation_alias=AliasChoices("data", "manifest"))]
    out: Annotated[Path, Field(strict=False)]
    sources: Annotated[tuple[str, ...], Field(strict=False)] = ()
    held_out: Literal["validation", "none"] = "validation"
    start: str = IMAGENET
    text_from: str | None = None
    freeze: Literal["none", "encoder"] = "none"
    statistics: Literal["batch", "kept"] = "batch"
    has_region_path: bool = True
    source_weights: dict[str, Annotated[tuple[float, float], Field(strict=False)]] = {}
    steps: Annotated[int, Field(ge=1)] = 4000
    stop_after: Annotated[int, Field(ge=1)] | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    n_phantoms: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=1)] = 16
    workers: Annotated[int, Field(ge=0)] = 0
    crop_px: Annotated[int, Field(ge=64, multiple_of=32)] = 256
    prompts_per_image: Annotated[int, Field(ge=1)] = 4
    wide_every: Annotated[int, Field(ge=0)] = 2
    close_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    pale_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    stain_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    free_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    encoder_learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    distill_steps: Annotated[int, Field(ge=0)] = 1500
    validate_every: Annotated[int, Field(ge=1)] = 500
    checkpoint_every: Annotated[int, Field(ge=1)] = 250
    overlays_every: Annotated[int, Field(ge=0)] | None = None
    mpp: Annotated[float, Field(gt=0)] = 0.5
    nuclei_mpp: Annotated[float, Field(gt=0)] | None = None
    blend: Annotated[float, Field(gt=0, le=1)] = 1.0
    blend_with: str | None = None
    calibration_from: str | None = None
    seed: int = 0

    def mpp_for(self, structures: Iterable[str]) -> float:
        """µm per pixel at which to look at images where these structures are annotated."""
        if self.nuclei_mpp is None or NUCLEAR.isdisjoint(structures):
            return self.mpp
        return self.nuclei_mpp

    @property
    def last_step(self) -> int:
        """Step to end at."""
        return min(self.stop_after or self.steps, self.steps)


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
    if file.suffix.lower() == ".csv":
        message = f"{file} is a table, not a configuration; `pathexplain finetune` takes it"
        raise ConfigError(message, path=str(file))
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"{file}: not valid YAML: {error}"
        raise ConfigError(message, path=str(file)) from error
    config = _checked(raw, str(file))
    folder = file.resolve().parent
    return _as_started(
        config.model_copy(
            update={
                "data": folder / config.data,
                "out": folder / config.out,
                "start": _start(config.start, folder),
                "text_from": config.text_from and _start(config.text_from, folder),
                "blend_with": config.blend_with and _start(config.blend_with, folder),
                "calibration_from": config.calibration_from
                and _start(config.calibration_from, folder),
            }
        )
    )


def fine_tuning(
    data: str | Path, out: str | Path, *, start: str = "compact", steps: int = 200, **options: Any
) -> TrainingConfig:
    """Make the configuration of a fine-tuning: small steps from trained weights, checked often.

    Parameters
    ----------
    data : path
        Table of images and masks; the columns image, mask, prompt and mpp are enough.
    out : path
        Checkpoint directory to write.
    start : str
        Weights that ship, by name, or a checkpoint directory.
    steps : int
    **options
        Any other key of `TrainingConfig`; None leaves it at its default.

    Raises
    ------
    ConfigError
        All faults at once.

    Examples
    --------
    >>> config = fine_tuning("dataset.csv", "mine", steps=100)
    >>> config.validate_every, config.learning_rate
    (20, 0.0003)
    """
    often = max(1, steps // _LEAST_ROUNDS)
    defaults = {
        "version": 1,
        "data": data,
        "out": out,
        "start": start,
        "steps": steps,
        "batch_size": 8,
        "learning_rate": 3e-4,
        "encoder_learning_rate": 1e-4,
        "validate_every": often,
        "checkpoint_every": often,
    }
    given = {name: value for name, value in options.items() if value is not None}
    config = _checked(defaults | given, "fine-tuning")
    return _as_started(config.model_copy(update={"start": _start(config.start, Path())}))


def _checked(raw: object, where: str) -> TrainingConfig:
    """Return the configuration, or one error with all faults."""
    try:
        return TrainingConfig.model_validate(raw)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']} (got {fault['input']!r})"
            for fault in error.errors()
        ]
        message = f"{where}: " + "; ".join(faults)
        raise ConfigError(message, path=where) from error


def _as_started(config: TrainingConfig) -> TrainingConfig:
    """Look as closely as the checkpoint to start from does, where nothing else is said."""
    if config.blend < 1 and (config.start == IMAGENET or config.patience is not None):
        message = (
            f"blend: {config.blend:g} needs a checkpoint to start from, and no patience; "
            f"start is {config.start!r}, patience {config.patience}"
        )
        raise ConfigError(message)
    if config.blend_with is not None and config.blend == 1:
        message = f"blend_with: {config.blend_with!r} has no share; say blend, below 1"
        raise ConfigError(message)
    if config.calibration_from is not None and config.held_out != "none":
        message = (
            f"calibration_from: {config.calibration_from!r} is not used where images are held out, "
            "since these are what is calibrated on; leave it out, or say held_out: none"
        )
        raise ConfigError(message)
    if config.start == IMAGENET:
        return config
    shape = json.loads((Path(config.start) / _SHAPE).read_text(encoding="utf-8"))
    taken = {name: shape[name] for name in ("mpp", "nuclei_mpp") if name in shape}
    said = {name for name in taken if getattr(config, name) is not None} & config.model_fields_set
    return config.model_copy(update={k: v for k, v in taken.items() if k not in said})


def _start(start: str, folder: Path) -> str:
    """Resolve what to start from: "imagenet", or a checkpoint directory."""
    if start == IMAGENET:
        return start
    shipped = Path(str(files("pathexplain.segmentor") / "weights"))
    for place in (folder / start, shipped / start):
        if (place / _SHAPE).is_file():
            return str(place)
    names = sorted(place.name for place in shipped.iterdir() if (place / _SHAPE).is_file())
    message = (
        f"start: {start!r} is no checkpoint directory (it has no config.json); give one, "
        f"{IMAGENET!r}, or weights that ship: {', '.join(names)}"
    )
    raise ConfigError(message, path=start)
