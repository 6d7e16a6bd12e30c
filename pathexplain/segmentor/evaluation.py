"""How good a segmentor is on annotated images: per source and class, with intervals over images.

Images are read at their own resolution, as a user would give them. Not used while training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import roc_auc_score

from pathexplain.prompts import Prompt
from pathexplain.segmentor.backends import Segmentor, load_segmentor
from pathexplain.segmentor.datasets.reading import IGNORE, Field, read_field, read_manifest
from pathexplain.segmentor.metrics import (
    aggregated_jaccard,
    dice,
    iou,
    object_dice,
    panoptic_quality,
)
from pathexplain.segmentor.phrasing import NONSENSE
from pathexplain.vocabulary import OBJECTS, canonical_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ClassScore", "Evaluation", "Score", "evaluate"]

N_BOOTSTRAP = 1000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Score:
    """A mean over images with its 95 % bootstrap interval; NaN where no image defines it."""

    mean: float
    low: float
    high: float
    n_images: int


@dataclass(frozen=True)
class ClassScore:
    """One class of one source: pixels, and objects where the source separates them."""

    source: str
    object: str
    dice: Score
    iou: Score
    aji: Score
    pq: Score
    f1: Score
    object_dice: Score


@dataclass(frozen=True)
class Evaluation:
    """All classes of all sources, presence over (image, prompt) pairs, and nonsense prompts."""

    segmentor: str
    weights_sha256: str | None
    split: str
    scores: tuple[ClassScore, ...]
    presence_auroc: float
    n_presence_pairs: int
    nonsense_empty_share: float
    n_nonsense_pairs: int


@dataclass(frozen=True)
class _Measured:
    """Figures of one image and class."""

    source: str
    object: str
    values: dict[str, float]
    presence: float
    is_there: bool | None


def evaluate(
    segmentor: str | Segmentor,
    *,
    data: str | Path,
    split: str = "test",
    sources: Sequence[str] | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a segmentor on one split of a manifest.

    Parameters
    ----------
    segmentor : str or Segmentor
    data : path
        Manifest CSV; see `datasets.reading`.
    split : {"test", "validation", "train"}
    sources : sequence of str, optional
        Default: all sources with masks.
    seed : int
        Of the bootstrap over images.

    Returns
    -------
    Evaluation
        Masks count as a user gets them: thresholded, and empty where called absent.
    """
    model = load_segmentor(segmentor, device=device) if isinstance(segmentor, str) else segmentor
    records = [
        record
        for record in read_manifest(Path(data), sources=sources)
        if record.split == split and record.kind in {"instances", "semantic", "classes"}
    ]
    measured: list[_Measured] = []
    nonsense: list[tuple[float, bool]] = []
    for index, record in enumerate(records):
        field = read_field(record, mpp=None)
        measured += _measure(model, field)
        result = model.segment(field.image, NONSENSE[index % len(NONSENSE)], mpp=field.mpp)
        nonsense.append((float(result.presence[0]), not result.masks.any()))
        if progress is not None:
            progress(index + 1, len(records))
    pairs = [(m.presence, m.is_there) for m in measured if m.is_there is not None]
    pairs += [(presence, False) for presence, _ in nonsense]
    return Evaluation(
        segmentor=model.name,
        weights_sha256=model.weights_sha256,
        split=split,
        scores=_summarise(measured, np.random.default_rng(seed)),
        presence_auroc=_auroc(pairs),
        n_presence_pairs=len(pairs),
        nonsense_empty_share=float(np.mean([empty for _, empty in nonsense]))
        if nonsense
        else float("nan"),
        n_nonsense_pairs=len(nonsense),
    )


def _measure(model: Segmentor, field: Field) -> list[_Measured]:
    """All annotated classes of one image."""
    region = field.record.region
    names = [*field.targets, *(name for name in field.absent if name not in field.targets)]
    prompts = [
        Prompt.from_text(
            canonical_text(OBJECTS[name].structure, name, region), kind=OBJECTS[name].kind
        )
        for name in names
    ]
    result = model.segment(field.image, prompts, mpp=field.mpp)
    masks = result.masks
    measured = []
    for index, name in enumerate(names):
        target = field.targets.get(name)
        values: dict[str, float] = {}
        is_there: bool | None = False
        if target is not None:
            known = target != IGNORE
            truth = target == 1
            if truth.any() and (known & ~truth).any():
                values = {
                    "dice": dice(masks[index] & known, truth),
                    "iou": iou(masks[index] & known, truth),
                }
            is_there = True if truth.any() else False if known.all() else None
            if (
                field.instances is not None
                and truth.any()
                and name in {"nucleus", "gland", "glomerulus"}
            ):
                values |= _object_values(result.instances(index), field.instances)
        presence = float(result.presence[index])
        measured.append(_Measured(field.record.source, name, values, presence, is_there))
    return measured


def _object_values(found: NDArray[np.int32], truth: NDArray[np.int32]) -> dict[str, float]:
    """Figures over objects."""
    panoptic = panoptic_quality(found, truth)
    return {
        "aji": aggregated_jaccard(found, truth),
        "pq": panoptic.quality,
        "f1": panoptic.f1,
        "object_dice": object_dice(found, truth),
    }


def _summarise(measured: Sequence[_Measured], rng: np.random.Generator) -> tuple[ClassScore, ...]:
    """Means over images with intervals, for each source and class that has positives."""
    groups: dict[tuple[str, str], list[dict[str, float]]] = {}
    for item in measured:
        if item.values:
            groups.setdefault((item.source, item.object), []).append(item.values)
    figures = ("dice", "iou", "aji", "pq", "f1", "object_dice")
    return tuple(
        ClassScore(
            source,
            name,
            **{f: _score([v.get(f, float("nan")) for v in rows], rng) for f in figures},
        )
        for (source, name), rows in sorted(groups.items())
    )


def _score(values: Sequence[float], rng: np.random.Generator) -> Score:
    """Mean and percentile bootstrap over images."""
    defined = np.array([value for value in values if np.isfinite(value)])
    if len(defined) == 0:
        return Score(float("nan"), float("nan"), float("nan"), 0)
    means = rng.choice(defined, size=(N_BOOTSTRAP, len(defined))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5]) if len(defined) > 1 else (np.nan, np.nan)
    return Score(float(defined.mean()), float(low), float(high), len(defined))


def _auroc(pairs: Sequence[tuple[float, bool]]) -> float:
    """Area under the ROC curve; NaN when only one class is there."""
    truth = [is_there for _, is_there in pairs]
    if all(truth) or not any(truth):
        return float("nan")
    return float(roc_auc_score(truth, [presence for presence, _ in pairs]))
