"""Training the segmentor: one loop, in the order data, model, optimiser, loop, save.

Runs on a CPU, one GPU, or many through ``accelerate launch``, unchanged. Each batch is a function
of (seed, step), so a run that was stopped resumes exactly. Not for the final figures
(`evaluation`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch.nn.attention import SDPBackend, sdpa_kernel

from pathexplain.errors import ConfigError, FitError
from pathexplain.segmentor.batches import drawn_batches
from pathexplain.segmentor.checkpoint import CONFIG, read_checkpoint
from pathexplain.segmentor.devices import choose_device, computes_in_bfloat16
from pathexplain.segmentor.interruption import interruptible
from pathexplain.segmentor.optimization import (
    freeze,
    make_optimizer,
    set_learning_rate,
    set_modes,
)
from pathexplain.segmentor.overlays import write_overlays
from pathexplain.segmentor.starting import everyday_words, start_model
from pathexplain.segmentor.training_card import describe_checkpoint
from pathexplain.segmentor.training_config import IMAGENET, TrainingConfig, read_training_config
from pathexplain.segmentor.training_data import TrainingData, read_training_data
from pathexplain.segmentor.training_pass import batch_losses, numbers
from pathexplain.segmentor.training_state import (
    STATE,
    Reached,
    append_metrics,
    fingerprint,
    is_complete,
    resume,
    save_checkpoint,
    save_state,
)
from pathexplain.segmentor.validation import mean_dice, validate

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pathexplain.segmentor.network import PathExplainModel
    from pathexplain.segmentor.sampling import Batch

__all__ = ["train"]

Progress = Callable[[int, int, dict[str, float]], None]
SEED_STRIDE = 1_000_003
_DISTILL_LOG = 100
_MOST_SKIPPED = 5
# Without cuDNN's: its gradients of queries were not finite every few dozen steps (bfloat16, torch
# 2.11, cuDNN 9, H100); the others took as long, without one such step in 28,900.
_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def train(config: str | Path | TrainingConfig, *, progress: Progress | None = None) -> Path:
    """Train a checkpoint from a configuration.

    Parameters
    ----------
    config : path or TrainingConfig
    progress : callable(step, steps, metrics), optional

    Returns
    -------
    Path
        The checkpoint directory: ``config.json``, ``model.safetensors``, ``tokenizer.json``,
        ``metrics.jsonl``, ``overlays``, the card ``README.md`` and, until the run is complete,
        ``state.pt`` to resume from. A complete one of the same training is returned as it is.

    Raises
    ------
    ConfigError
        When the configuration or the data are wrong, or the directory holds another training.
    KeyboardInterrupt
        When it was interrupted; the step at hand is finished and saved first.
    """
    settings = config if isinstance(config, TrainingConfig) else read_training_config(config)
    is_low = computes_in_bfloat16(choose_device("auto"))
    accelerator = Accelerator(mixed_precision="bf16" if is_low else "no")
    _check_processes(settings, accelerator.num_processes)
    data = read_training_data(settings)
    _check_patience(settings, data)
    identity = fingerprint(settings, data.sha256, processes=accelerator.num_processes)
    if is_complete(settings.out, identity):
        return settings.out
    accelerator.wait_for_everyone()  # nobody writes before all have looked
    run = _begin(settings, data, accelerator, identity)
    with (
        interruptible(n_processes=accelerator.num_processes) as is_interrupted,
        sdpa_kernel(_ATTENTION),
    ):
        _loop(run, progress, is_interrupted)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _blend(run)
        (settings.out / STATE).unlink(missing_ok=True)
        describe_checkpoint(settings, data)
    return settings.out


@dataclass
class _Run:
    """What the loop holds: everything that one training is made of, and how far it is."""

    settings: TrainingConfig
    data: TrainingData
    accelerator: Any
    identity: str
    model: PathExplainModel
    prepared: Any
    tokenizer: Tokenizer
    optimizer: Any
    reached: Reached
    n_skipped: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return bool(self.accelerator.is_main_process)

    def save_state(self) -> None:
        """Write what is needed to go on from here."""
        if self.is_main:
            save_state(
                self.settings, self.model, self.optimizer, self.reached, identity=self.identity
            )

    def save_checkpoint(self) -> None:
        """Write the checkpoint as the weights are now."""
        if self.is_main:
            save_checkpoint(
                self.settings,
                self.data,
                self.model,
                self.tokenizer,
                step=self.reached.step,
                identity=self.identity,
            )


def _begin(settings: TrainingConfig, data: TrainingData, accelerator: Any, identity: str) -> _Run:
    """Model and optimiser, new or as they were when a run was stopped; the main process first."""
    torch.manual_seed(settings.seed)
    with accelerator.main_process_first():
        is_new = not (settings.out / STATE).is_file()
        model, tokenizer = start_model(
            settings, data.classes(), taught=_log_teaching(settings) if is_new else None
        )
        _check_blend(settings, model)
        if settings.calibration_from is not None:
            other = read_checkpoint(Path(settings.calibration_from))[0].config
            model.config.presence_calibration = other.presence_calibration
            model.config.nucleus_offset = other.nucleus_offset
        freeze(model, settings)
        optimizer = make_optimizer(model, settings)
        reached = resume(settings, model, optimizer, identity=identity)
        run = _Run(
            settings, data, accelerator, identity, model, model, tokenizer, optimizer,
            reached or Reached(),
        )  # fmt: skip
        if reached is None:
            run.save_state()  # first: a checkpoint without a state counts as complete
        if not (settings.out / CONFIG).is_file():
            run.save_checkpoint()
    cast("Any", model).to(memory_format=torch.channels_last)
    run.prepared, run.optimizer = accelerator.prepare(model, optimizer)
    return run


def _loop(run: _Run, progress: Progress | None, is_interrupted: Callable[[], bool]) -> None:
    """Take every step that is left, and look, save and stop in between."""
    settings, last = run.settings, run.settings.last_step
    words = everyday_words(run.tokenizer, run.data.terms.values())
    seed = settings.seed + SEED_STRIDE * run.accelerator.process_index
    share = settings.batch_size // run.accelerator.num_processes
    if run.reached.step == 0 and settings.start != IMAGENET:
        metrics = _look(run)
        _write_down(run, metrics)
        if progress is not None and run.is_main:
            progress(0, last, metrics)
    steps = range(run.reached.step, last)
    for batch in drawn_batches(run.data, words, settings, steps=steps, seed=seed, batch_size=share):
        metrics = _step(run, batch)
        step = run.reached.step
        is_look = step % settings.validate_every == 0 or step == last
        if is_look:
            metrics |= _look(run)
        _write_down(run, metrics)
        is_over = is_interrupted()
        _save(run, is_look=is_look, is_interrupted=is_over)
        if progress is not None and run.is_main:
            progress(step, last, metrics)
        if is_over:
            raise KeyboardInterrupt
        if is_look and _is_enough(run):
            break


def _blend(run: _Run) -> None:
    """Keep the mean of the trained weights and those of the start, or of what else is named."""
    settings, share = run.settings, run.settings.blend
    if share == 1:
        return
    other = read_checkpoint(Path(settings.blend_with or settings.start))[0]
    if settings.blend_with is not None and settings.held_out == "none":
        run.model.config.presence_calibration = other.config.presence_calibration
        run.model.config.nucleus_offset = other.config.nucleus_offset
    before = other.state_dict()
    after = run.model.state_dict()
    mean = {
        name: torch.lerp(before[name].to(value), value, share)
        if name in before and value.is_floating_point()
        else value
        for name, value in after.items()
    }
    run.model.load_state_dict(mean)
    run.save_checkpoint()


def _write_down(run: _Run, metrics: dict[str, float]) -> None:
    """Add a line to the metrics."""
    if run.is_main:
        append_metrics(run.settings.out, {"step": run.reached.step, **metrics})


def _save(run: _Run, *, is_look: bool, is_interrupted: bool) -> None:
    """Save where it is time to, or where the training is about to stop."""
    settings, step = run.settings, run.reached.step
    is_due = step % settings.checkpoint_every == 0 or step == settings.last_step or is_interrupted
    if is_due and settings.patience is None:
        run.save_checkpoint()
    if is_due or (is_look and settings.patience is not None):
        run.save_state()


def _step(run: _Run, batch: Batch) -> dict[str, float]:
    """Forward, backward, and one step of the optimiser; return the losses."""
    started = time.perf_counter()
    settings, step = run.settings, run.reached.step
    torch.manual_seed(settings.seed + step)  # for encoders that drop paths
    set_learning_rate(run.optimizer, settings, step)
    run.prepared.train()
    set_modes(run.model, settings)
    losses = batch_losses(run.prepared, run.model, run.tokenizer, batch, run.accelerator.device)
    run.optimizer.zero_grad(set_to_none=True)
    run.accelerator.backward(losses.total)
    norm = run.accelerator.clip_grad_norm_(run.prepared.parameters(), 1.0)
    skipped = _skipped(run, is_finite=bool(torch.isfinite(norm)))
    if not skipped:
        run.optimizer.step()
    run.reached = replace(run.reached, step=step + 1)
    return numbers(losses) | skipped | {"seconds": time.perf_counter() - started}


def _skipped(run: _Run, *, is_finite: bool) -> dict[str, float]:
    """Say in the metrics that a step is left out, since one bad gradient would spoil all weights.

    Raises
    ------
    FitError
        When so many were left out in a row that nothing is learned any more.
    """
    run.n_skipped = 0 if is_finite else run.n_skipped + 1
    if run.n_skipped > _MOST_SKIPPED:
        message = (
            f"{run.settings.out}: the gradients of {run.n_skipped} steps in a row, the last of "
            f"them step {run.reached.step + 1}, are not finite; nothing is learned. Try a lower "
            f"learning_rate (it is {run.settings.learning_rate:g}); earlier steps are kept there"
        )
        raise FitError(message)
    return {} if is_finite else {"skipped": float(run.n_skipped)}


def _look(run: _Run) -> dict[str, float]:
    """Validate on the main process, keep the best checkpoint where asked, and draw overlays."""
    metrics: dict[str, float] = {}
    settings, step = run.settings, run.reached.step
    if run.is_main:
        metrics = validate(run.model, run.tokenizer, run.data.validation)
        every = settings.overlays_every
        if every is None:
            every = max(settings.validate_every, run.data.epoch_steps(settings))
        if every and (step % every < settings.validate_every or step == settings.last_step):
            shown = run.data.validation or run.data.train
            folder = settings.out / "overlays"
            write_overlays(folder, run.model, run.tokenizer, shown, step=step)
    (metrics,) = broadcast_object_list([metrics])
    score = mean_dice(metrics)
    if settings.patience is not None and score > run.reached.best:
        run.reached = replace(run.reached, best=score, best_step=step)
        run.save_checkpoint()
    return {**metrics, "dice_mean": score}


def _is_enough(run: _Run) -> bool:
    """Whether so many validations brought nothing better that the training stops."""
    settings, reached = run.settings, run.reached
    if settings.patience is None:
        return False
    return reached.step - reached.best_step >= settings.patience * settings.validate_every


def _check_processes(settings: TrainingConfig, n_processes: int) -> None:
    """Refuse a batch that cannot be shared evenly."""
    if settings.batch_size % n_processes:
        message = f"batch_size: {settings.batch_size} does not divide over {n_processes} processes"
        raise ConfigError(message)


def _check_patience(settings: TrainingConfig, data: TrainingData) -> None:
    """Refuse to stop by a validation that there is not."""
    if settings.patience is not None and not data.validation:
        message = (
            f"patience: {settings.data} has no validation images; mark some in the column split, "
            "or give more patients"
        )
        raise ConfigError(message, path=str(settings.data))


def _check_blend(settings: TrainingConfig, model: PathExplainModel) -> None:
    """Refuse, before hours are spent, weights of another shape to average with."""
    if settings.blend_with is None:
        return
    ours, other = model.state_dict(), read_checkpoint(Path(settings.blend_with))[0].state_dict()
    odd = [
        name for name, value in ours.items() if getattr(other.get(name), "shape", 0) != value.shape
    ]
    if odd:
        message = (
            f"blend_with: {settings.blend_with} is another network than that of start; "
            f"{len(odd)} of {len(ours)} tensors differ in shape, such as {odd[0]}"
        )
        raise ConfigError(message, path=settings.blend_with)


def _log_teaching(settings: TrainingConfig) -> Callable[[int, float], None]:
    """Write down the loss of teaching the text encoder now and then."""

    def taught(step: int, loss: float) -> None:
        """One step."""
        if step % _DISTILL_LOG == 0:
            append_metrics(settings.out, {"distill_step": step, "loss": loss})

    return taught
