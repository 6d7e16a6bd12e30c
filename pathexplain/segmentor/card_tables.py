"""The tables of a model card, as lines of Markdown; a table without rows is no lines."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from pathexplain.segmentor.assessment.robustness import ALL, PERTURBATIONS
from pathexplain.segmentor.assessment.wordings import EVERY, LISTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pathexplain.segmentor.assessment.intervals import Score
    from pathexplain.segmentor.assessment.presence import PresenceScore
    from pathexplain.segmentor.assessment.results import (
        ClassScore,
        Evaluation,
        RobustnessScore,
        WordingScore,
    )

__all__ = [
    "class_table",
    "detection_table",
    "interval",
    "presence_lines",
    "robustness_table",
    "tile_table",
    "wording_table",
]

_FIGURES = {
    "dice": "Dice",
    "pooled_dice": "Dice, pooled pixels",
    "iou": "IoU",
    "aji": "AJI",
    "pq": "PQ",
    "f1": "object F1",
    "object_dice": "object Dice",
}
_DETECTION = {
    "detection_f1": "F1",
    "detection_precision": "precision",
    "detection_recall": "recall",
}
_WAYS = ("case", "plural", "grammar", "region", "synonym", LISTED, "free", EVERY)


def class_table(evaluation: Evaluation, baseline: Evaluation | None) -> list[str]:
    """One row a source and class with masks; the baseline's Dice beside."""
    theirs = {(s.source, s.object): s.dice for s in baseline.scores} if baseline else {}
    head = ["source", "class", "images", "drawn", *_FIGURES.values()]
    if baseline:
        head.append(f"Dice of `{baseline.segmentor}`")
    rows = []
    for score in evaluation.scores:
        if score.dice.n_images == 0:
            continue
        cells = [*_start(score, score.dice), *(interval(getattr(score, f)) for f in _FIGURES)]
        if baseline:
            cells.append(interval(theirs.get((score.source, score.object))))
        rows.append(cells)
    return _table(head, rows)


def detection_table(evaluation: Evaluation) -> list[str]:
    """One row a source and class with centres."""
    rows = [
        [*_start(s, s.detection_f1), *(interval(getattr(s, figure)) for figure in _DETECTION)]
        for s in evaluation.scores
        if s.detection_f1.n_images
    ]
    return _table(["source", "class", "images", "drawn", *_DETECTION.values()], rows)


def tile_table(evaluation: Evaluation) -> list[str]:
    """One row a source, then one a category of it."""
    rows = []
    for tile in evaluation.tiles:
        drawn = _drawn(tile.accuracy, tile.resampled)
        start = [tile.source, "all", str(tile.accuracy.n_images), drawn]
        rows.append([*start, interval(tile.accuracy), ""])
        rows += [
            [
                tile.source,
                r.object,
                str(r.recall.n_images),
                _drawn(r.recall, tile.resampled),
                interval(r.recall),
                interval(r.called_present),
            ]
            for r in tile.recalls
        ]
    return _table(["source", "class", "tiles", "drawn", "recognised", "called present"], rows)


def presence_lines(evaluation: Evaluation) -> list[str]:
    """Ranking, calibration and empty masks."""
    presence = evaluation.presence
    if presence is None:
        return []
    rows = [
        ["AUROC, all pairs", *_pairs(presence.auroc)],
        ["AUROC, categories that the source annotates", *_pairs(presence.auroc_annotated)],
        ["expected calibration error, all pairs", *_pairs(presence.calibration_error)],
        ["… categories that the source annotates", *_pairs(presence.calibration_error_annotated)],
        ["empty mask: annotated category, absent", *_pairs(presence.empty_annotated)],
        ["empty mask: category impossible there", *_pairs(presence.empty_impossible)],
        ["empty mask: nonsense of training", *_pairs(presence.empty_nonsense)],
        ["empty mask: nonsense never trained on", *_pairs(presence.empty_unseen_nonsense)],
        ["empty mask though it is there", *_pairs(presence.missed)],
    ]
    return [*_table(["over (image, prompt) pairs", "pairs", "value"], rows), "", *_bins(presence)]


def _bins(presence: PresenceScore) -> list[str]:
    """Stated against observed presence, bins with pairs alone."""
    rows = [
        [
            f"{b.low:.2f} – {b.high:.2f}",
            str(b.n_pairs),
            _number(b.mean_presence),
            _number(b.share_there),
        ]
        for b in presence.reliability
        if b.n_pairs
    ]
    return _table(["presence score", "pairs", "mean score", "share that is there"], rows)


def robustness_table(evaluation: Evaluation) -> list[str]:
    """One row a change: over all sources, and the source that it hurts most."""
    groups: dict[str, list[RobustnessScore]] = defaultdict(list)
    for score in evaluation.robustness:
        groups[score.perturbation].append(score)
    rows = []
    for name in PERTURBATIONS:
        overall = [s.ratio for s in groups[name] if s.source == ALL]
        single = [s for s in groups[name] if s.source != ALL and math.isfinite(s.ratio.mean)]
        if not overall or not single:
            continue
        worst = min(single, key=lambda s: s.ratio.mean)
        lowest = f"{_number(worst.ratio.mean)} ({worst.source})"
        rows.append([name, interval(overall[0]), lowest, str(overall[0].n_units)])
    head = ["change", "all sources", "lowest source", "patients or images drawn"]
    return _table(head, rows)


def wording_table(evaluation: Evaluation) -> list[str]:
    """One row a class, one column a way of wording; then the same straight to the network."""
    lines: list[str] = []
    for reading, about in (
        ("vocabulary", "As a user's prompts are read, through the vocabulary:"),
        ("raw", "The same words straight to the network, without the vocabulary:"),
    ):
        table = _wordings([w for w in evaluation.wordings if w.reading == reading])
        if table:
            lines += [*([""] if lines else []), about, "", *table]
    return lines


def _wordings(scores: Iterable[WordingScore]) -> list[str]:
    """One table of wordings."""
    by_class: dict[str, dict[str, Score]] = defaultdict(dict)
    for score in scores:
        by_class[score.object][score.way] = score.ratio
    names = sorted(by_class, key=lambda name: (name == EVERY, name))
    rows = [[name, *(_mean(by_class[name].get(way)) for way in _WAYS)] for name in names]
    return _table(["class", *_WAYS], rows)


def interval(score: Score | None) -> str:
    """Mean and interval, or a dash.

    Examples
    --------
    >>> from pathexplain.segmentor.assessment.intervals import Score
    >>> interval(Score(0.9, 0.85, 0.95, 12, 4)), interval(None)
    ('0.900 [0.850, 0.950]', '–')
    """
    if score is None or score.n_images == 0:
        return "–"
    if math.isnan(score.low):
        return _number(score.mean)
    return f"{_number(score.mean)} [{_number(score.low)}, {_number(score.high)}]"


def _start(score: ClassScore, figure: Score) -> list[str]:
    """Source, class, sample size and what was drawn."""
    drawn = _drawn(figure, score.resampled)
    return [score.source, score.object, str(figure.n_images), drawn]


def _drawn(figure: Score, what: str) -> str:
    """Say what the interval draws, and how many there are."""
    return f"{figure.n_units} {what if figure.n_units != 1 else what.removesuffix('s')}"


def _pairs(score: Score) -> tuple[str, str]:
    """Return number of pairs and the figure."""
    return str(score.n_images), interval(score)


def _mean(score: Score | None) -> str:
    """Mean alone, or a dash."""
    return "–" if score is None else _number(score.mean)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; none without rows."""
    if not rows:
        return []
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _number(value: float) -> str:
    """Three decimals, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.3f}"
