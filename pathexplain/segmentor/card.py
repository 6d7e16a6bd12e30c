"""The model card: what a checkpoint was trained on, under which terms, and how good it is.

Writes ``README.md`` beside the weights and the licence into ``config.json``. Figures come from
`evaluation`; nothing is computed here.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathexplain.serialization import to_jsonable, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pathexplain.segmentor.evaluation import ClassScore, Evaluation, Score

__all__ = ["model_card", "write_card"]

_FIGURES = ("dice", "iou", "aji", "pq", "f1", "object_dice")


def write_card(
    folder: str | Path, evaluation: Evaluation, *, baseline: Evaluation | None = None
) -> Path:
    """Write the model card and the figures into a checkpoint directory; return the card's path."""
    place = Path(folder)
    config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    figures = {"evaluation": evaluation, "baseline": baseline}
    write_json(place / "evaluation.json", to_jsonable(figures))
    return write_text(place / "README.md", model_card(config, evaluation, baseline=baseline))


def model_card(
    config: Mapping[str, Any], evaluation: Evaluation, *, baseline: Evaluation | None = None
) -> str:
    """Markdown of a model card.

    Parameters
    ----------
    config : mapping
        Contents of ``config.json``, with its ``card``.
    evaluation, baseline : Evaluation
        Of this checkpoint and of the baseline, on the same images.
    """
    card = config["card"]
    lines = [
        "# Text-prompted segmentor: model card",
        "",
        f"Licence of the weights: **{card['licence']}**. For research; not a medical device.",
        "",
        f"Trained for {_steps(card)} at {card['mpp']} µm/px, seed {card['seed']}, on the train "
        "rows of these sources (where no mpp is published, one was assumed):",
        "",
        "| source | licence |",
        "| --- | --- |",
        *(f"| {name} | {licence} |" for name, licence in sorted(card["sources"].items())),
        "",
        f"sha256 of `model.safetensors`: `{config.get('weights_sha256')}`",
        "",
        "Classes (canonical prompts): " + "; ".join(config["classes"]) + ".",
        "",
        f"## Figures on the {evaluation.split} images",
        "",
        "Mean over images [95 % bootstrap interval over images]; images of one patient are not "
        "independent, so the intervals are too narrow. A mask counts as a user gets it: "
        "thresholded, and empty where the prompt is called absent.",
        "",
        *_table(evaluation, baseline),
        "",
        f"Presence: AUROC {_number(evaluation.presence_auroc)} over "
        f"{evaluation.n_presence_pairs} (image, prompt) pairs; prompts for things that are in no "
        f"slide gave an empty mask in {_number(evaluation.nonsense_empty_share)} of "
        f"{evaluation.n_nonsense_pairs} images.",
        "",
    ]
    return "\n".join(lines)


def _steps(card: Mapping[str, Any]) -> str:
    """Count the steps of this stage and of those before it."""
    earlier = sum(int(stage["steps"]) for stage in card.get("history", []))
    return f"{card['steps']} steps" + (f" after {earlier} of an earlier stage" if earlier else "")


def _table(evaluation: Evaluation, baseline: Evaluation | None) -> list[str]:
    """One row a source and class; the baseline's Dice beside ours."""
    theirs = {(s.source, s.object): s.dice for s in baseline.scores} if baseline else {}
    head = ["source", "class", "n", *_FIGURES]
    if baseline:
        head.append(f"Dice of `{baseline.segmentor}`")
    rows = [" | ".join(["", *head, ""]).strip(), "| " + " | ".join("---" for _ in head) + " |"]
    for score in evaluation.scores:
        cells = [score.source, score.object, str(score.dice.n_images), *_cells(score)]
        if baseline:
            cells.append(_interval(theirs.get((score.source, score.object))))
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def _cells(score: ClassScore) -> list[str]:
    """Return the figures of one class."""
    return [_interval(getattr(score, figure)) for figure in _FIGURES]


def _interval(score: Score | None) -> str:
    """Mean and interval, or a dash."""
    if score is None or score.n_images == 0:
        return "–"
    if math.isnan(score.low):
        return _number(score.mean)
    return f"{_number(score.mean)} [{_number(score.low)}, {_number(score.high)}]"


def _number(value: float) -> str:
    """Three decimals, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.3f}"
