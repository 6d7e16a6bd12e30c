"""Outcomes of slides on disk, so that an interrupted analysis goes on where it stopped.

Not for the final result: `report` writes that.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pathexplain.diagnosis.perturbation.outcomes import Outcome, SlideOutcome
from pathexplain.serialization import replacing, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from pathexplain.diagnosis.perturbation.outcomes import View

__all__ = ["load_outcome", "picture_name", "save_outcome", "save_view"]

QUALITY = 88


def load_outcome(folder: Path, slide_id: str, inputs: str) -> SlideOutcome | None:
    """Read a slide's outcome; None when there is none, or it was made from other inputs."""
    path = folder / "slides" / f"{slide_id}.json"
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if stored.get("inputs") != inputs:
        return None
    made = stored["outcome"]
    return SlideOutcome(
        outcomes={key: _outcome(value) for key, value in made["outcomes"].items()},
        n_tiles=made["n_tiles"],
        tissue_px=made["tissue_px"],
        areas_px=tuple(made["areas_px"]),
        overlaps_px=tuple(map(tuple, made["overlaps_px"])),
        largest_tile=tuple(made["largest_tile"]),
        trained=tuple(made["trained"]),
    )


def _outcome(value: dict[str, Any]) -> Outcome:
    """One outcome, whose undefined numbers were written as null."""
    loss, odds = (
        math.nan if value[name] is None else float(value[name]) for name in ("loss", "log_odds")
    )
    return Outcome(loss, odds, tuple(value["probabilities"]), value["reason"])


def save_outcome(folder: Path, slide_id: str, inputs: str, outcome: SlideOutcome) -> None:
    """Write a slide's outcome, whole or not at all."""
    write_json(folder / "slides" / f"{slide_id}.json", {"inputs": inputs, "outcome": outcome})


def picture_name(slide_id: str, prompt: str, part: str) -> str:
    """File of one picture below the folder, `part` of "tile", "mask", "filled" and "control"."""
    return f"pictures/{slide_id}/{prompt}-{part}.{'png' if part == 'mask' else 'jpg'}"


def save_view(folder: Path, slide_id: str, prompt: str, view: View) -> None:
    """Write the pictures of one prompt on one slide."""
    parts = {"tile": view.tile, "filled": view.filled, "control": view.control}
    for part, pixels in parts.items():
        if pixels is not None:
            with replacing(folder / picture_name(slide_id, prompt, part)) as path:
                Image.fromarray(pixels).save(path, format="JPEG", quality=QUALITY)
    with replacing(folder / picture_name(slide_id, prompt, "mask")) as path:
        Image.fromarray(view.mask.astype(np.uint8) * 255).save(path, format="PNG", optimize=True)
