"""What an object-aware attention analysis returns: frozen dataclasses with every number shown.

Predictions are of slides that the networks did not see; intervals are 95 % percentile intervals
over patients, drawn whole with all their slides; NaN means "undefined" and is written as ``null``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathexplain.diagnosis.result import (  # noqa: TC001 - fields of dataclasses
    Interval,
    NullDistribution,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AttentionFold",
    "AttentionModel",
    "AttentionResult",
    "AttentionSettings",
    "LostSlide",
    "ObjectContribution",
    "PaintedSlide",
    "SlidePrediction",
]


@dataclass(frozen=True)
class AttentionFold:
    """Slides and patients that train and are held out."""

    index: int
    n_train: int
    n_test: int
    test_counts: tuple[int, ...]
    test_patients: tuple[str, ...]


@dataclass(frozen=True)
class AttentionModel:
    """Held-out figures of one kind of network.

    Attributes
    ----------
    chance_loss : float
        Log loss of guessing the shares, nats.
    null : NullDistribution or None
        AUROC under permuted labels; of the object-aware network, where it was asked for.
    is_better_than_chance : bool
        The interval of the AUROC lies above 0.5 and the p-value of `null` is below 0.05.
    """

    name: str
    label: str
    auroc: Interval
    balanced_accuracy: Interval
    log_loss: Interval
    chance_loss: float
    null: NullDistribution | None
    is_better_than_chance: bool


@dataclass(frozen=True)
class ObjectContribution:
    """What one object adds to the log-odds of one class, on held-out slides.

    Attributes
    ----------
    contribution_own, contribution_rest : Interval
        Mean of the object-aware activation over slides of the class, and over the others.
    difference : Interval
        The former less the latter: how far the object pushes the class's slides apart from the
        others.
    auroc : Interval
        Of the slides that hold the object, by its activation alone.
    """

    object: str
    class_name: str
    contribution_own: Interval
    contribution_rest: Interval
    difference: Interval
    auroc: Interval
    n_slides: int
    n_patients: int


@dataclass(frozen=True)
class SlidePrediction:
    """One held-out slide: probabilities by both networks, and each object's activation.

    `activations` is for the last class of two, or for the true class of more; NaN where the slide
    does not hold the object.
    """

    slide: str
    patient: str
    label: str
    fold: int
    n_tiles: int
    probabilities: Mapping[str, tuple[float, ...]]
    activations: Mapping[str, float]


@dataclass(frozen=True)
class PaintedSlide:
    """A slide whose objects are painted by their activation for `class_name`, and why it is shown.

    Pictures are names below the output folder: the slide, and the activations by object and by
    tile.
    """

    slide: str
    patient: str
    label: str
    class_name: str
    probability: float
    why: str
    picture: str
    by_object: str
    by_tile: str
    limit: float


@dataclass(frozen=True)
class LostSlide:
    """A slide that could not be used, and why."""

    slide: str
    reason: str


@dataclass(frozen=True)
class AttentionSettings:
    """The choices that make the result reproducible."""

    segmentor: str
    encoder: str
    tile_px: int
    tile_mpp: float
    n_splits: int
    n_permutations: int
    n_networks: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    hidden: int
    n_bootstrap: int
    seed: int


@dataclass(frozen=True)
class AttentionResult:
    """Everything an attention report shows.

    `gain` is AUROC of the object-aware network less that of the plain one, from the same patients
    in each resample. `notes` must be read before trusting the numbers.
    """

    target: str
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    n_slides: int
    n_patients: int
    objects: tuple[str, ...]
    folds: tuple[AttentionFold, ...]
    models: tuple[AttentionModel, ...]
    gain: Interval
    contributions: tuple[ObjectContribution, ...]
    slides: tuple[SlidePrediction, ...]
    painted: tuple[PaintedSlide, ...]
    lost: tuple[LostSlide, ...]
    settings: AttentionSettings
    notes: tuple[str, ...]

    def model(self, name: str) -> AttentionModel:
        """Return the "objects" or the "plain" network's figures; KeyError for another name."""
        return {one.name: one for one in self.models}[name]
