"""The commands that train: options, one call, and what is said while one waits.

Heavy imports stay inside the functions, so that `--help` needs none of them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Any, Literal

from pathexplain.cli.output import Bars, note, say

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["finetune", "train"]

INTERRUPTED = 130
_TIMED_STEPS = 6
_MINUTE = 60


def train(config: Path, /) -> int:
    """Train a segmentor; resumes where it stopped.

    On several GPUs: accelerate launch -m pathexplain train CONFIG.

    Parameters
    ----------
    config
        Training configuration (YAML).
    """
    return _run(config)


def finetune(  # noqa: PLR0913 - one parameter an option
    data: Path,
    /,
    *,
    out: Path,
    steps: int = 200,
    start: str = "compact",
    freeze: Literal["none", "encoder"] = "none",
    blend: float | None = None,
    patience: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> int:
    """Teach a segmentor your own categories from a table of images and masks; resumes.

    Parameters
    ----------
    data
        CSV with one row an image and category: the columns image, mask (PNG, TIFF or GeoJSON; empty
        where there is none of it), prompt and mpp (um per pixel).
    out
        Checkpoint folder to write, for extract --segmentor.
    steps
        Length of the training.
    start
        Weights that ship, by name, or a checkpoint folder.
    freeze
        "encoder" leaves the image encoder as it is: faster, and safer with few images.
    blend
        Share of the new weights in the mean of these and those of the start, up to 1 (the default):
        0.5 keeps more of what the start knew, for categories that it knows already.
    patience
        Stop after so many validations without a better Dice, and keep the best weights.
    batch_size
        Crops a step. Default: 8.
    seed
        Of all that is drawn.
    """
    from pathexplain.segmentor.training_config import fine_tuning

    options: dict[str, Any] = {
        "freeze": freeze,
        "blend": blend,
        "patience": patience,
        "batch_size": batch_size,
    }
    return _run(fine_tuning(data, out, start=start, steps=steps, seed=seed, **options))


def _run(config: Any) -> int:
    """Train, and say how it goes and where the result is."""
    from pathexplain.segmentor.training import train as run

    is_main = os.environ.get("RANK", "0") == "0"
    with Bars() as bars:
        watch = _Watch(bars)
        try:
            folder = run(config, progress=watch.step)
        except KeyboardInterrupt:
            if is_main:
                note(f"stopped after step {watch.last}; the same command goes on from there")
            return INTERRUPTED
    if is_main:
        watch.report()
        say(folder)
    return 0


class _Watch:
    """Says how long a training will take, and how good it is each time it looks."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._began = (0, 0.0)
        self._has_estimate = False
        self._figures: list[tuple[int, float]] = []
        self.last = 0

    def step(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Take note of a step, as a progress callback."""
        self._bars.step(step, steps, metrics)
        if self.last == 0:
            self._began = (step, time.perf_counter())
        self.last = step
        self._estimate(step, steps)
        dice = metrics.get("dice_mean")
        if dice is not None and dice == dice:  # noqa: PLR0124  NaN alone differs from itself
            self._figures.append((step, dice))
            note(f"step {step} of {steps}: mean Dice {dice:.3f} on the validation images")

    def _estimate(self, step: int, steps: int) -> None:
        """Say how long it will take, once a few steps are done."""
        first, began = self._began
        if self._has_estimate or step - first < _TIMED_STEPS:
            return
        self._has_estimate = True
        each = (time.perf_counter() - began) / (step - first)
        left = each * (steps - step)
        words = f"{left / _MINUTE:.0f} minutes" if left > 2 * _MINUTE else f"{left:.0f} seconds"
        note(f"about {words} to go: {steps - step} steps of {each:.2g} s, without validation")

    def report(self) -> None:
        """Say what the training brought."""
        if self.last == 0:
            note("complete already; nothing to do")
        if len(self._figures) > 1:
            (_, before), (_, after) = self._figures[0], max(self._figures, key=lambda f: f[1])
            last = self._figures[-1][1]
            note(f"mean Dice: {before:.3f} at first, {last:.3f} at last, {after:.3f} at best")
