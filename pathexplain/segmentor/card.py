"""The model card: what a checkpoint was trained on, under which terms, and how good it is.

Writes ``README.md`` beside the weights, with the figures as ``figures.json``. They come from
`evaluation`, computed now or earlier; nothing is computed here. Figures of the same weights on
other images stay in the card, so that validation and test stand in one. The tables stand in
`card_tables`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathexplain.errors import ConfigError
from pathexplain.segmentor.assessment.results import Evaluation, evaluation_from, read_evaluation
from pathexplain.segmentor.card_tables import (
    class_table,
    detection_table,
    presence_lines,
    robustness_table,
    tile_table,
    wording_table,
)
from pathexplain.serialization import to_jsonable, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    _Pair = tuple[Evaluation, Evaluation | None]

__all__ = ["FAILURES", "model_card", "write_card"]

FAILURES = "failures.jpg"
_FIGURES = "figures.json"
_ORDER = ("train", "validation", "test")
_LIMITS = (
    "Intervals are 95 % percentile bootstrap intervals. They draw patients where the source says "
    "who they are and images where it does not; where a class has one patient there is no "
    "interval, and where it has a few the interval is too narrow. Images of one hospital, scanner "
    "and staining day resemble each other more than those that you will bring, which no interval "
    "here shows. A mask counts as a user gets it: thresholded, and empty where the prompt is "
    "called absent."
)


def write_card(
    folder: str | Path,
    evaluation: Evaluation | str | Path,
    *,
    baseline: Evaluation | str | Path | None = None,
    pictures: str | Path | None = None,
) -> Path:
    """Write the model card and the figures into a checkpoint directory; return the card's path.

    Parameters
    ----------
    folder : path
        The checkpoint, with its ``config.json``.
    evaluation, baseline : Evaluation or path
        Of this checkpoint and of the baseline, on the same images; a path is that of the JSON that
        `pathexplain evaluate --out` wrote.
    pictures : path, optional
        Folder of contact sheets, whose ``failures.jpg`` is copied beside the card and shown.

    Raises
    ------
    ConfigError
        When the folder is no checkpoint, or a JSON is no evaluation.
    """
    place = Path(folder)
    if not (place / "config.json").is_file():
        message = f"{place}: no checkpoint folder, lacks config.json; a card needs one"
        raise ConfigError(message, path=str(place))
    config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    figures, beside = _figures(evaluation), None if baseline is None else _figures(baseline)
    if pictures is not None and (Path(pictures) / FAILURES).is_file():
        shutil.copyfile(Path(pictures) / FAILURES, place / FAILURES)
    both = _kept(place / _FIGURES, figures.weights_sha256) | {figures.split: (figures, beside)}
    both = {split: both[split] for split in sorted(both, key=_rank)}
    named = {
        split: {"evaluation": ours, "baseline": theirs} for split, (ours, theirs) in both.items()
    }
    write_json(place / _FIGURES, to_jsonable(named))
    shown = FAILURES if (place / FAILURES).is_file() else None
    text = model_card(config, tuple(both.values()), picture=shown)
    return write_text(place / "README.md", text)


def _kept(path: Path, weights_sha256: str | None) -> dict[str, _Pair]:
    """Figures of the same weights on other splits, with those of their baselines."""
    if not path.is_file():
        return {}
    pairs: dict[str, _Pair] = {}
    for split, pair in json.loads(path.read_text(encoding="utf-8")).items():
        try:
            ours, theirs = (
                None if pair[name] is None else evaluation_from(pair[name])
                for name in ("evaluation", "baseline")
            )
        except (TypeError, KeyError) as error:
            message = f"{path}: no figures of a model card ({split}): {error}; delete it"
            raise ConfigError(message, path=str(path)) from error
        if ours is not None and ours.weights_sha256 == weights_sha256:
            pairs[split] = ours, theirs
    return pairs


def _rank(split: str) -> tuple[int, str]:
    """Place of a split in the card."""
    return (_ORDER.index(split) if split in _ORDER else len(_ORDER)), split


def _figures(given: Evaluation | str | Path) -> Evaluation:
    """Figures, read where a path is given."""
    return given if isinstance(given, Evaluation) else read_evaluation(given)


def model_card(
    config: Mapping[str, Any], figures: Sequence[_Pair], *, picture: str | None = None
) -> str:
    """Markdown of a model card.

    Parameters
    ----------
    config : mapping
        Contents of ``config.json``, with its ``card``.
    figures : sequence of (Evaluation, Evaluation or None)
        Of this checkpoint and of the baseline, on the same images; one pair a split.
    picture : str, optional
        Relative link to the picture of failures in the last of them.
    """
    lines = _head(config)
    for evaluation, baseline in figures:
        split = f"{evaluation.n_images} {evaluation.split} images"
        lines += [f"## Figures on {split}", "", _LIMITS, "", *_tables(evaluation, baseline)]
    if picture is not None:
        about = "The worst image of each class; yellow is annotated, blue was found."
        lines += _section("Failures", [about, "", f"![The worst image of each class]({picture})"])
    return "\n".join(lines)


def _tables(evaluation: Evaluation, baseline: Evaluation | None) -> list[str]:
    """All that was measured on one split."""
    lines = _section("Masks, mean over images", class_table(evaluation, baseline))
    lines += _section("Centres, matched within 6 µm", detection_table(evaluation))
    lines += _section("Whole tiles, by the tissue seen most of", tile_table(evaluation))
    lines += _section("Presence", presence_lines(evaluation))
    lines += _section(
        "Robustness, Dice as a ratio to that of the unchanged image", robustness_table(evaluation)
    )
    lines += _section(
        "Wordings, Dice as a ratio to that of the canonical prompt", wording_table(evaluation)
    )
    if evaluation.skipped:
        names = "; ".join(f"{skipped.image} ({skipped.reason})" for skipped in evaluation.skipped)
        lines += _section("Images that could not be measured", [names])
    return lines


def _head(config: Mapping[str, Any]) -> list[str]:
    """Terms, training data and classes."""
    card = config["card"]
    return [
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
        *_notes(card),
        f"sha256 of `model.safetensors`: `{config.get('weights_sha256')}`",
        "",
        "Classes (canonical prompts): " + "; ".join(config["classes"]) + ".",
        "",
    ]


def _notes(card: Mapping[str, Any]) -> list[str]:
    """Say what must be known of each stage, in the order of the stages, a paragraph each."""
    lines = []
    for stage in (*card.get("history", ()), card):
        if stage.get("settings", {}).get("held_out") == "none":
            lines += [
                f"The validation images were learned from as well, for {stage['steps']} steps, "
                "with nothing left to choose: no figure on them says anything of these weights.",
                "",
            ]
        lines += [line for note in stage.get("notes", ()) for line in (note, "")]
    return lines


def _section(title: str, lines: list[str]) -> list[str]:
    """Lines under a heading, or nothing where there are none."""
    return [f"### {title}", "", *lines, ""] if lines else []


def _steps(card: Mapping[str, Any]) -> str:
    """Count the steps of this stage and of those before it."""
    earlier = sum(int(stage["steps"]) for stage in card.get("history", []))
    return f"{card['steps']} steps" + (f" after {earlier} of an earlier stage" if earlier else "")
