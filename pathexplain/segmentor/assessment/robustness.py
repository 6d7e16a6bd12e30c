"""Dice after what happens to images between laboratories, as a ratio to the clean figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.segmentor.assessment.intervals import ratio_score
from pathexplain.segmentor.assessment.measuring import answers, category_prompt, unit
from pathexplain.segmentor.assessment.perturbations import (
    blurred,
    jpeg,
    nearest,
    resampled,
    restained,
)
from pathexplain.segmentor.assessment.results import RobustnessScore
from pathexplain.segmentor.datasets.reading import IGNORE
from pathexplain.segmentor.metrics import dice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.datasets.reading import Field

__all__ = ["ALL", "PERTURBATIONS", "Trial", "measure_robustness", "summarise_robustness"]

ALL = "all sources"
Perturbation = Callable[["NDArray[np.uint8]", float], tuple["NDArray[np.uint8]", float]]

PERTURBATIONS: dict[str, Perturbation] = {
    "H −30 %": lambda image, mpp: (restained(image, hematoxylin=0.7), mpp),
    "H +30 %": lambda image, mpp: (restained(image, hematoxylin=1.3), mpp),
    "E −30 %": lambda image, mpp: (restained(image, eosin=0.7), mpp),
    "E +30 %": lambda image, mpp: (restained(image, eosin=1.3), mpp),
    "H and E −30 %": lambda image, mpp: (restained(image, hematoxylin=0.7, eosin=0.7), mpp),
    "H and E +30 %": lambda image, mpp: (restained(image, hematoxylin=1.3, eosin=1.3), mpp),
    "JPEG quality 50": lambda image, mpp: (jpeg(image, quality=50), mpp),
    "blur σ 1 px": lambda image, mpp: (blurred(image, sigma_px=1.0), mpp),
    "mpp stated 15 % too low": lambda image, mpp: (image, 0.85 * mpp),
    "mpp stated 15 % too high": lambda image, mpp: (image, 1.15 * mpp),
    "resampled to mpp −15 %": lambda image, mpp: (resampled(image, scale=1 / 0.85), 0.85 * mpp),
    "resampled to mpp +15 %": lambda image, mpp: (resampled(image, scale=1 / 1.15), 1.15 * mpp),
}
"""From an image and its mpp to those that the segmentor is given. The last two are told rightly."""


@dataclass(frozen=True)
class Trial:
    """Dice of one class in one image, clean and perturbed."""

    source: str
    perturbation: str
    unit: str
    clean: float
    perturbed: float


def measure_robustness(model: Segmentor, field: Field) -> tuple[Trial, ...]:
    """Dice of every class that the image holds, clean and after each of `PERTURBATIONS`.

    Classes without a pixel that is known not to be theirs are left out; so are centres.
    """
    names = [name for name, target in field.targets.items() if _is_measurable(target)]
    if not names or field.record.kind == "points":
        return ()
    targets = [field.targets[name] for name in names]
    clean = _dices(model, field, names, targets, lambda image, mpp: (image, mpp))
    trials = []
    for perturbation, change in PERTURBATIONS.items():
        changed = _dices(model, field, names, targets, change)
        trials += [
            Trial(field.record.source, perturbation, unit(field), before, after)
            for before, after in zip(clean, changed, strict=True)
        ]
    return tuple(trials)


def _is_measurable(target: NDArray[np.uint8]) -> bool:
    """Whether the class is there, and known not to be somewhere."""
    return bool((target == 1).any() and (target == 0).any())


def _dices(
    model: Segmentor,
    field: Field,
    names: Sequence[str],
    targets: Sequence[NDArray[np.uint8]],
    change: Perturbation,
) -> list[float]:
    """Dice of each class on the changed image, whose shape the targets follow."""
    image, mpp = change(field.image, field.mpp)
    prompts = [category_prompt(field, name) for name in names]
    replies = answers(model, image, prompts, mpp=mpp)
    found = []
    for reply, target in zip(replies, targets, strict=True):
        shape = (image.shape[0], image.shape[1])
        plane = target if target.shape == shape else nearest(target, shape)
        found.append(dice(reply.mask & (plane != IGNORE), plane == 1))
    return found


def summarise_robustness(trials: Sequence[Trial], *, seed: int = 0) -> tuple[RobustnessScore, ...]:
    """Ratio of mean perturbed to mean clean Dice, by source and over all, with intervals."""
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        for source in (trial.source, ALL):
            groups[source, trial.perturbation].append(trial)
    sources = sorted({trial.source for trial in trials})
    return tuple(
        _ratio(source, name, groups[source, name], seed)
        for source in [*sources, ALL]
        for name in PERTURBATIONS
        if groups[source, name]
    )


def _ratio(source: str, name: str, trials: Sequence[Trial], seed: int) -> RobustnessScore:
    """One ratio."""
    clean = np.array([trial.clean for trial in trials])
    perturbed = np.array([trial.perturbed for trial in trials])
    ratio = ratio_score(perturbed, clean, [trial.unit for trial in trials], seed=seed)
    return RobustnessScore(source, name, float(clean.mean()), float(perturbed.mean()), ratio)
