"""One image against its annotation: every prompt in one pass, every figure that is defined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prompts import Prompt
from pathexplain.segmentor.assessment.detection import centroids_um, detect, read_centres
from pathexplain.segmentor.assessment.presence import Pair, Sort
from pathexplain.segmentor.assessment.results import ImageScore
from pathexplain.segmentor.datasets.centres import annotated
from pathexplain.segmentor.datasets.reading import IGNORE, Field
from pathexplain.segmentor.metrics import (
    aggregated_jaccard,
    dice,
    iou,
    object_dice,
    panoptic_quality,
)
from pathexplain.segmentor.phrasing import NONSENSE
from pathexplain.vocabulary import canonical_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.segmentation import Segmentation

__all__ = [
    "UNSEEN_NONSENSE",
    "Answer",
    "Measured",
    "answers",
    "category_prompt",
    "measure",
    "true_objects",
    "unit",
]

MOST_VALUES = 60_000_000
_ALWAYS = ("bicycle", "fluorescent neuron")
UNSEEN_NONSENSE = (
    "parking meter", "chest radiograph with pneumonia", "violin concerto", "submarine periscope",
    "fluorescent astrocytes", "leaf stomata", "chess board", "zebrafish embryo", "coral reef",
    "karyotype of chromosomes", "coffee cup", "dental panoramic radiograph", "suspension bridge",
    "diatom shell", "basketball player", "retinal fundus photograph",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """Figures of all classes of one image, and its (image, prompt) pairs."""

    scores: tuple[ImageScore, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, eq=False)
class Answer:
    """What one prompt finds in one image.

    Attributes
    ----------
    presence : float in [0, 1]
    probability : (H, W) float32 in [0, 1]
    mask : (H, W) bool
        Thresholded, empty where called absent, without specks.
    objects : (H, W) int32 or None
        Separate objects, of a prompt for instances.
    """

    presence: float
    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    objects: NDArray[np.int32] | None


def category_prompt(field: Field, name: str) -> Prompt:
    """Make the canonical prompt of a category in the region of a field."""
    term = field.term(name)
    text = canonical_text(term.structure, name, field.record.region)
    return Prompt.from_text(text, kind=term.kind)


def unit(field: Field) -> str:
    """Name what must not be taken apart: the patient, or the image where none is known."""
    return f"{field.record.source}/{field.record.patient or field.record.image.name}"


def answers(
    model: Segmentor, image: NDArray[np.uint8], prompts: Sequence[Prompt], *, mpp: float
) -> Iterator[Answer]:
    """Yield what each prompt finds, in order, with as few passes as memory allows.

    Examples
    --------
    >>> from pathexplain.segmentor.backends import load_segmentor
    >>> image = np.full((32, 32, 3), 200, np.uint8)
    >>> prompts = [Prompt.from_text("gland"), Prompt.from_text("glands of the colon")]
    >>> [bool(a.mask.any()) for a in answers(load_segmentor("stain"), image, prompts, mpp=0.5)]
    [False, False]
    """
    unique = [replace(prompt, name=f"p{i}") for i, prompt in enumerate(prompts)]
    at_once = max(1, MOST_VALUES // (image.shape[0] * image.shape[1]))
    for start in range(0, len(unique), at_once):
        result = model.segment(image, unique[start : start + at_once], mpp=mpp)
        for index in range(len(result.prompts)):
            yield _answer(result, index)


def _answer(result: Segmentation, index: int) -> Answer:
    """Return what one prompt finds, as a user gets it; its objects are split once."""
    prompt, probability = result.prompts[index], result.probabilities[index]
    presence = float(result.presence[index])
    if prompt.kind == "instances" or prompt.min_area_um2 > 0:
        objects = result.instances(index)
        return Answer(presence, probability, objects > 0, objects)
    mask = (probability >= prompt.threshold) & result.is_present[index]
    return Answer(presence, probability, mask, None)


def measure(model: Segmentor, field: Field, *, index: int) -> Measured:
    """Measure all annotated classes of one image, and what nonsense finds in it.

    Parameters
    ----------
    model : Segmentor
    field : Field
        At the resolution that the segmentor is to be given.
    index : int
        Position of the image in the list; chooses the nonsense.

    Returns
    -------
    Measured
        Masks count as a user gets them: thresholded, and empty where called absent.
    """
    names = list(dict.fromkeys([*field.targets, *field.absent]))
    prompts = [category_prompt(field, name) for name in names]
    nonsense = _nonsense(index)
    prompts += [Prompt.from_text(words) for words, _ in nonsense]
    replies = answers(model, field.image, prompts, mpp=field.mpp)
    centres = read_centres(field.record, mpp=field.mpp) if field.record.kind == "points" else {}
    scores, pairs = [], []
    for name in names:
        reply = next(replies)
        score = _category(field, name, reply, centres, index=index)
        scores.append(score)
        if score.is_there is not None:
            sort: Sort = "annotated" if name in field.targets else "impossible"
            pairs.append(_pair(reply, field, sort=sort, is_there=score.is_there))
    for reply, (_, sort) in zip(replies, nonsense, strict=True):
        pairs.append(_pair(reply, field, sort=sort, is_there=False))
    return Measured(tuple(scores), tuple(pairs))


def _nonsense(index: int) -> list[tuple[str, Sort]]:
    """Words that name nothing in a slide, some always the same, others in turn."""
    known = dict.fromkeys([*_ALWAYS, NONSENSE[index % len(NONSENSE)]])
    fresh = [UNSEEN_NONSENSE[(2 * index + i) % len(UNSEEN_NONSENSE)] for i in range(2)]
    return [(w, "nonsense") for w in known] + [(w, "unseen nonsense") for w in fresh]


def _pair(answer: Answer, field: Field, *, sort: Sort, is_there: bool) -> Pair:
    """One (image, prompt) pair."""
    is_empty = not answer.mask.any()
    return Pair(answer.presence, is_there, is_empty, sort, unit(field))


def _category(
    field: Field,
    name: str,
    answer: Answer,
    centres: Mapping[str, NDArray[np.float64]],
    *,
    index: int,
) -> ImageScore:
    """Figures of one class in one image; `centres` are those of all classes, where known."""
    target = field.targets.get(name)
    values: dict[str, float] = {}
    is_there: bool | None = False
    if name in centres:
        values = _centre_values(answer, centres[name], centres["nucleus"], field.mpp)
        is_there = len(centres[name]) > 0
    elif target is not None:
        truth, known = target == 1, target != IGNORE
        is_there = True if truth.any() else False if known.all() else None
        if field.record.kind != "points":
            values = _mask_values(field, name, answer, truth, known)
    return ImageScore(
        index=index,
        image=field.record.image.name,
        source=field.record.source,
        object=name,
        unit=unit(field),
        has_patient=bool(field.record.patient),
        values=values,
        presence=answer.presence,
        is_there=is_there,
    )


def _mask_values(
    field: Field,
    name: str,
    answer: Answer,
    truth: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> dict[str, float]:
    """Pixel counts where something is known not to be the class; figures where it is there."""
    if not (known & ~truth).any():
        return {}  # only positives are annotated: any mask would look perfect
    found = answer.mask & known
    counts = {
        "overlap": float((found & truth).sum()),
        "found": float(found.sum()),
        "truth": float(truth.sum()),
    }
    if not truth.any():
        return counts
    figures = {"dice": dice(found, truth), "iou": iou(found, truth)}
    objects = true_objects(field, name)
    if answer.objects is not None and objects is not None:
        figures |= _object_values(*(np.where(known, o, 0) for o in (answer.objects, objects)))
    return counts | figures


def true_objects(field: Field, name: str) -> NDArray[np.int32] | None:
    """(H, W) annotated objects of a class, or None where the source does not separate them."""
    if name in field.objects:
        return field.objects[name]
    if field.instances is None or field.term(name).kind != "instances":
        return None
    target = field.targets[name]
    is_same = ((field.instances > 0) == (target == 1))[target != IGNORE].all()
    return field.instances if is_same else None


def _object_values(found: NDArray[np.int32], truth: NDArray[np.int32]) -> dict[str, float]:
    """Figures over objects."""
    panoptic = panoptic_quality(found, truth)
    return {
        "aji": aggregated_jaccard(found, truth),
        "pq": panoptic.quality,
        "f1": panoptic.f1,
        "object_dice": object_dice(found, truth),
    }


def _centre_values(
    answer: Answer, centres: NDArray[np.float64], every: NDArray[np.float64], mpp: float
) -> dict[str, float]:
    """Figures of found objects against centres, where somebody looked for `every` nucleus."""
    if len(centres) == 0 or answer.objects is None:
        return {}
    places = centroids_um(answer.objects, mpp=mpp)
    found = detect(places[annotated(places, every)], centres)
    return {
        "detection_f1": found.f1,
        "detection_precision": found.precision,
        "detection_recall": found.recall,
    }
