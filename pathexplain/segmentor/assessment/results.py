"""What an evaluation returns: frozen figures that go to JSON and come back."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathexplain.errors import ConfigError
from pathexplain.segmentor.assessment.intervals import Score
from pathexplain.segmentor.assessment.presence import PresenceScore  # noqa: TC001  read back by type

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FIGURES",
    "ClassScore",
    "Evaluation",
    "ImageScore",
    "RobustnessScore",
    "Skipped",
    "TileRecall",
    "TileScore",
    "WordingScore",
    "evaluation_from",
    "read_evaluation",
]

NAN = float("nan")
NO_SCORE = Score(NAN, NAN, NAN, 0)
FIGURES = (
    "dice",
    "iou",
    "aji",
    "pq",
    "f1",
    "object_dice",
    "detection_f1",
    "detection_precision",
    "detection_recall",
)
"""Figures of an image, whose mean over images a `ClassScore` holds."""


@dataclass(frozen=True)
class ClassScore:
    """One class of one source: pixels, objects where the source separates them, centres.

    Attributes
    ----------
    dice, iou : Score
        Mean over the images that hold the class.
    pooled_dice : Score
        Over all pixels together, of every image where the class is annotated, also where absent.
    aji, pq, f1, object_dice : Score
        Over objects, mean over images.
    detection_f1, detection_precision, detection_recall : Score
        Found objects against annotated centres.
    resampled : {"patients", "images"}
        What the intervals draw: patients where the source tells them.
    """

    source: str
    object: str
    dice: Score
    iou: Score
    aji: Score
    pq: Score
    f1: Score
    object_dice: Score
    pooled_dice: Score = NO_SCORE
    detection_f1: Score = NO_SCORE
    detection_precision: Score = NO_SCORE
    detection_recall: Score = NO_SCORE
    resampled: str = "images"


@dataclass(frozen=True)
class TileRecall:
    """Tiles of one category: the share that is recognised, and the share called present."""

    object: str
    recall: Score
    called_present: Score


@dataclass(frozen=True)
class TileScore:
    """Whole tiles of one source, each labelled as one tissue.

    Attributes
    ----------
    accuracy : Score
        Share of tiles whose own category has the highest mean probability of `candidates`.
    candidates : tuple of str
        Categories of the source's labels that the segmentor was taught; all where it was taught
        none.
    n_untaught : int
        Tiles left out, because their category is no candidate.
    """

    source: str
    accuracy: Score
    recalls: tuple[TileRecall, ...]
    candidates: tuple[str, ...]
    n_untaught: int
    resampled: str = "images"


@dataclass(frozen=True)
class RobustnessScore:
    """Dice after a change of the image, as a ratio to the clean figure of the same images."""

    source: str
    perturbation: str
    clean_dice: float
    perturbed_dice: float
    ratio: Score


@dataclass(frozen=True)
class WordingScore:
    """Dice of other wordings, as a ratio to that of the canonical prompt.

    `way` is how they differ ("case", "plural", …, "all but free" or "all"), `reading` whether they
    go through the vocabulary, as a user's do ("vocabulary"), or straight to the network ("raw").
    """

    object: str
    way: str
    reading: str
    ratio: Score
    n_wordings: int


@dataclass(frozen=True)
class ImageScore:
    """One class in one image.

    Attributes
    ----------
    index : int
        Position of the image in the list that was evaluated.
    unit : str
        Patient, or the image where no patient is known; with the source before it.
    values : dict of str to float
        Figures of `FIGURES` that are defined, and the pixel counts "overlap", "found", "truth".
    is_there : bool or None
        None where the annotation leaves it open.
    """

    index: int
    image: str
    source: str
    object: str
    unit: str
    has_patient: bool
    values: dict[str, float]
    presence: float
    is_there: bool | None


@dataclass(frozen=True)
class Skipped:
    """An image that could not be read or segmented, and why."""

    image: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """All classes of all sources, presence, tiles, and where asked for robustness and wordings.

    `images` holds what the figures are made of and is not written into JSON; `write_images` is for
    that.
    """

    segmentor: str
    weights_sha256: str | None
    split: str
    scores: tuple[ClassScore, ...]
    presence_auroc: float
    n_presence_pairs: int
    nonsense_empty_share: float
    n_nonsense_pairs: int
    presence: PresenceScore | None = None
    tiles: tuple[TileScore, ...] = ()
    robustness: tuple[RobustnessScore, ...] = ()
    wordings: tuple[WordingScore, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    n_images: int = 0
    sources: tuple[str, ...] = ()
    images: tuple[ImageScore, ...] = field(default=(), repr=False)


def read_evaluation(path: str | Path) -> Evaluation:
    """Read the JSON that `pathexplain evaluate` wrote; ``null`` comes back as NaN.

    Raises
    ------
    ConfigError
        When the file is missing, or holds something else.
    """
    place = Path(path)
    try:
        return evaluation_from(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"{place}: not an evaluation written by `pathexplain evaluate --out`: {error}"
        raise ConfigError(message, path=str(place)) from error


def evaluation_from(raw: Mapping[str, Any]) -> Evaluation:
    """Make an evaluation of what its JSON says; ``null`` becomes NaN.

    Raises
    ------
    TypeError or KeyError
        When it is something else.
    """
    evaluation: Evaluation = _build(Evaluation, raw)
    return evaluation


def _build(kind: Any, value: Any) -> Any:
    """Make a value of an annotated type from what JSON gave."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    if kind is float:
        return NAN if value is None else float(value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        shown = [f for f in dataclasses.fields(kind) if f.repr]
        kept = {f.name: _build(hints[f.name], value[f.name]) for f in shown if f.name in value}
        return typing.cast("Any", kind)(**kept)
    if typing.get_origin(kind) is tuple:
        (member, *_) = typing.get_args(kind)
        return tuple(_build(member, item) for item in value)
    return value
