"""What a perturbation analysis returns: frozen dataclasses that hold every number a report shows.

Intervals are 95 % percentile intervals over patients, drawn whole with all their slides; NaN means
"undefined" and is written as ``null``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.diagnosis.result import Interval  # noqa: TC001 - fields of dataclasses

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ClassEffect",
    "Effect",
    "Exemplar",
    "LostSlide",
    "Overlap",
    "Performance",
    "PerturbationResult",
    "PerturbationSettings",
    "PromptPresence",
    "SetEffect",
    "ShapleyShare",
    "SlideRow",
]


@dataclass(frozen=True)
class Performance:
    """How good the classifier is on these slides as they are.

    `auroc` is of slides, the mean over classes against the rest for more than two; `chance_loss`
    is that of always guessing the classes' shares of the slides.
    """

    loss: Interval
    chance_loss: float
    accuracy: Interval
    auroc: Interval
    is_better_than_chance: bool
    verdict: str


@dataclass(frozen=True)
class PromptPresence:
    """A prompt on these slides; `area_share` is its mean share of the tissue, where it occurs."""

    name: str
    text: str
    trained: str
    n_slides: int
    n_patients: int
    area_share: Interval


@dataclass(frozen=True)
class ClassEffect:
    """Change of the loss on the slides of one true class."""

    class_name: str
    loss_change: Interval
    n_slides: int
    n_patients: int


@dataclass(frozen=True)
class Effect:
    """What taking away one prompt's pixels does to a classifier.

    Attributes
    ----------
    imp : Interval
        Mean loss with the prompt taken away over mean loss of the same slides as they are: the
        paper's importance, 1 where it does not matter.
    imp_median : float
        Median over slides of the ratio of their own losses.
    loss_change, log_odds_change : Interval
        Mean difference to the slide as it is: of the cross-entropy, nats, and of the log-odds of
        the true class.
    control_imp, control_loss_change : Interval
        The same of random regions as large as the prompt.
    excess : Interval
        Loss change of the prompt beyond that of its controls, over the slides that have both.
    p_value, p_adjusted : float
        Of an excess above 0, by flipping signs of patients; adjusted over `n_tests` by Holm 1979.
    n_undefined : mapping of str to int
        Slides without a value, by reason; "control: …" where only the control has none.
    """

    prompt: str
    fill: str
    imp: Interval
    imp_median: float
    loss_change: Interval
    log_odds_change: Interval
    control_imp: Interval
    control_loss_change: Interval
    excess: Interval
    p_value: float
    p_adjusted: float
    n_tests: int
    n_slides: int
    n_patients: int
    n_slides_control: int
    by_class: tuple[ClassEffect, ...]
    n_undefined: Mapping[str, int]
    verdict: str


@dataclass(frozen=True)
class Overlap:
    """`share[i][j]`: part of prompt i's area that lies in prompt j, over all slides."""

    prompts: tuple[str, ...]
    share: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class SetEffect:
    """Several prompts taken away together.

    `interaction` is given for pairs: the joint loss change less those of the two alone; negative
    where they carry the same information, or overlap.
    """

    prompts: tuple[str, ...]
    imp: Interval
    loss_change: Interval
    interaction: Interval | None
    n_slides: int


@dataclass(frozen=True)
class ShapleyShare:
    """A prompt's Shapley value in the loss change of all prompts taken away together, nats."""

    prompt: str
    value: Interval
    alone: float


@dataclass(frozen=True)
class SlideRow:
    """One slide: its label, what the classifier says, and its loss under each condition."""

    slide: str
    patient: str
    label: str
    n_tiles: int
    probabilities: tuple[float, ...]
    losses: Mapping[str, float]


@dataclass(frozen=True)
class LostSlide:
    """A slide that could not be used, and why."""

    slide: str
    reason: str


@dataclass(frozen=True)
class Exemplar:
    """A slide to look at: where taking the prompt away changes the loss most, middling, least."""

    prompt: str
    level: str
    slide: str
    patient: str
    label: str
    loss_change: float
    picture: str


@dataclass(frozen=True)
class PerturbationSettings:
    """The choices that make the result reproducible."""

    classifier: str
    unit: str
    segmentor: str
    fills: tuple[str, ...]
    main_fill: str
    blur_um: float
    n_controls: int
    control_region: str
    sets: str
    tile_px: int
    tile_mpp: float
    n_bootstrap: int
    n_flips: int
    seed: int


@dataclass(frozen=True)
class PerturbationResult:
    """Everything a perturbation report shows. `notes` must be read before trusting the numbers."""

    target: str
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    n_slides: int
    n_patients: int
    performance: Performance
    prompts: tuple[PromptPresence, ...]
    effects: tuple[Effect, ...]
    overlap: Overlap
    sets: tuple[SetEffect, ...]
    shapley: tuple[ShapleyShare, ...]
    slides: tuple[SlideRow, ...]
    exemplars: tuple[Exemplar, ...]
    lost: tuple[LostSlide, ...]
    settings: PerturbationSettings
    notes: tuple[str, ...]

    def effect(self, prompt: str, fill: str | None = None) -> Effect:
        """Return what taking away `prompt` does; KeyError if it was not asked.

        `fill` is the main one where not given.
        """
        wanted = (prompt, fill or self.settings.main_fill)
        return {(one.prompt, one.fill): one for one in self.effects}[wanted]
