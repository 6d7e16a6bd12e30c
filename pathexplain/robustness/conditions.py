"""The conditions that slides are measured under: what changes from one laboratory to the next.

Only what a condition is; `perturbing` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pathexplain.errors import ConfigError
from pathexplain.vocabulary import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathexplain.prompts import Prompt, PromptSet

__all__ = ["PERTURBATIONS", "REFERENCE", "Condition", "make_conditions"]

REFERENCE = "reference"
PERTURBATIONS = ("threshold", "boundary", "stain", "mpp", "paraphrase")

THRESHOLD_STEP = 0.1
LEAST_THRESHOLD, MOST_THRESHOLD = 0.05, 0.95
STAIN_STEP = 0.2
MPP_STEP = 0.1
MOST_PARAPHRASES = 2


@dataclass(frozen=True)
class Condition:
    """One way to measure all slides.

    Parameters
    ----------
    name : str
        "reference", "threshold_low", "eroded", …; part of file names.
    perturbation : str
        One of `PERTURBATIONS`; empty for the reference.
    prompts : PromptSet
        As it is measured under this condition.
    boundary_px : int
        -1: masks lose a pixel all around, at the working resolution; 1: they gain one.
    hematoxylin, eosin : float
        Factors on the optical density of the stains.
    """

    name: str
    perturbation: str
    prompts: PromptSet
    boundary_px: int = 0
    hematoxylin: float = 1.0
    eosin: float = 1.0


def make_conditions(
    prompts: PromptSet, *, perturbations: Iterable[str] = PERTURBATIONS
) -> tuple[Condition, ...]:
    """List the conditions of a study, the reference first.

    Thresholds move by 0.1, boundaries by a pixel, each stain by 20 %, the working resolution by
    10 %. Paraphrases are the prompts' own, or else the first synonyms of the vocabulary; a prompt
    without any keeps its text, and without any at all there is no such condition. Their words are
    read as they are: a synonym that is looked up in the vocabulary would be the same prompt.

    Raises
    ------
    ConfigError
        A perturbation that does not exist.

    Examples
    --------
    >>> from pathexplain.prompts import PromptSet, as_prompts
    >>> prompts = PromptSet(1, mpp=0.5, prompts=as_prompts("bicycle"))
    >>> [condition.name for condition in make_conditions(prompts, perturbations=["boundary"])]
    ['reference', 'eroded', 'dilated']
    >>> [condition.name for condition in make_conditions(prompts, perturbations=["paraphrase"])]
    ['reference']
    """
    chosen = tuple(dict.fromkeys(perturbations))
    unknown = [name for name in chosen if name not in PERTURBATIONS]
    if unknown:
        message = f"no perturbation {unknown[0]!r}; there are: {', '.join(PERTURBATIONS)}"
        raise ConfigError(message)
    made = {
        "threshold": (
            Condition("threshold_low", "threshold", _thresholds(prompts, -THRESHOLD_STEP)),
            Condition("threshold_high", "threshold", _thresholds(prompts, THRESHOLD_STEP)),
        ),
        "boundary": (
            Condition("eroded", "boundary", prompts, boundary_px=-1),
            Condition("dilated", "boundary", prompts, boundary_px=1),
        ),
        "stain": (
            Condition("hematoxylin_low", "stain", prompts, hematoxylin=1 - STAIN_STEP),
            Condition("hematoxylin_high", "stain", prompts, hematoxylin=1 + STAIN_STEP),
            Condition("eosin_low", "stain", prompts, eosin=1 - STAIN_STEP),
            Condition("eosin_high", "stain", prompts, eosin=1 + STAIN_STEP),
        ),
        "mpp": (
            Condition("mpp_fine", "mpp", replace(prompts, mpp=prompts.mpp * (1 - MPP_STEP))),
            Condition("mpp_coarse", "mpp", replace(prompts, mpp=prompts.mpp * (1 + MPP_STEP))),
        ),
        "paraphrase": _paraphrased(prompts),
    }
    return (
        Condition(REFERENCE, "", prompts),
        *(condition for name in chosen for condition in made[name]),
    )


def _thresholds(prompts: PromptSet, step: float) -> PromptSet:
    """Move the threshold of every prompt, inside its range."""
    moved = tuple(
        replace(
            prompt,
            threshold=min(max(prompt.threshold + step, LEAST_THRESHOLD), MOST_THRESHOLD),
        )
        for prompt in prompts.prompts
    )
    return replace(prompts, prompts=moved)


def _paraphrased(prompts: PromptSet) -> tuple[Condition, ...]:
    """Conditions with the first, second, … other wording of every prompt that has one."""
    wordings = [_wordings(prompt) for prompt in prompts.prompts]
    found = []
    for index in range(min(MOST_PARAPHRASES, max(map(len, wordings)))):
        texts = [words[index] if index < len(words) else "" for words in wordings]
        changed = tuple(
            replace(prompt, text=text, object=None) if text else prompt
            for prompt, text in zip(prompts.prompts, texts, strict=True)
        )
        found.append(
            Condition(f"paraphrase_{index + 1}", "paraphrase", replace(prompts, prompts=changed))
        )
    return tuple(found)


def _wordings(prompt: Prompt) -> tuple[str, ...]:
    """Other wordings of a prompt: its own, or synonyms in its sentence."""
    if prompt.paraphrases:
        return prompt.paraphrases
    term = OBJECTS.get(prompt.object or "")
    if term is None or prompt.structure is None:
        return ()
    place = f" in {prompt.region} pathology" if prompt.region not in {None, "multiple"} else ""
    return tuple(f"{word}{place}" for word in term.synonyms)
