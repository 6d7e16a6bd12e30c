"""Nuclei by type in patients that no weights have seen: cross-validation over MoNuSAC.

Three folds of whole patients. In each, the weights `compact-open`, which were never shown a typed
nucleus, are trained on the patients of the other two and on centres of CRCHistoPhenotypes, and
asked for each type in the images of the third. Dice is that of the mask as a user gets it, over
the images that hold the type; pooled over all images, a type that is found where there is none
counts too. The peer is `stain`, on the same images.

Each fold is kept in `PATHEXPLAIN_FOLDER` (by default ``pathexplain-typed-nuclei`` among temporary
files): a run that was stopped goes on. `PATHEXPLAIN_STEPS` makes it shorter.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks._public_images import public_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathexplain.segmentor.assessment.results import ImageScore

N_FOLDS = 3
TYPES = ("epithelial", "lymphocyte", "macrophage", "neutrophil", "inflammatory")


def run() -> dict[str, Any]:
    """Train and measure each fold; return Dice by type over all images."""
    from pathexplain.segmentor.evaluation import evaluate
    from pathexplain.segmentor.training import train

    default = Path(tempfile.gettempdir()) / "pathexplain-typed-nuclei"
    place = Path(os.environ.get("PATHEXPLAIN_FOLDER", default))
    steps = int(os.environ.get("PATHEXPLAIN_STEPS", "500"))
    scores: dict[str, list[ImageScore]] = {"ours": [], "stain": []}
    for fold, manifest in enumerate(_folds(place)):
        weights = train(_settings(manifest, place / f"fold-{fold}", steps))
        for name, segmentor in (("ours", str(weights)), ("stain", "stain")):
            result = evaluate(segmentor, data=manifest, split="test", sources=["monusac"])
            scores[name] += result.images
    return {
        "steps": steps,
        "folds": N_FOLDS,
        "patients": len({score.unit for score in scores["ours"]}),
        "images": len({score.image for score in scores["ours"]}),
        "ours": _by_type(scores["ours"]),
        "peer": "stain",
        "stain": _by_type(scores["stain"]),
    }


def _folds(place: Path) -> Iterable[Path]:
    """Manifests in which a third of the patients is for testing."""
    rows, others = public_rows("monusac"), public_rows("crchisto", "tnbc")
    organs = [row["organ"] for row in rows]
    patients = [row["patient"] for row in rows]
    split = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=0)
    for fold, (_, held) in enumerate(split.split(rows, organs, patients)):
        out = set(held.tolist())
        marked = [row | {"split": "test"} if i in out else row for i, row in enumerate(rows)]
        yield write_rows([*marked, *others], place / f"fold-{fold}.csv")


def _settings(manifest: Path, out: Path, steps: int) -> Any:
    """Return how each fold is trained."""
    from pathexplain.segmentor.training_config import fine_tuning

    return fine_tuning(
        manifest,
        out,
        start="compact-open",
        steps=steps,
        learning_rate=8e-4,
        encoder_learning_rate=4e-4,
        statistics="kept",
        nuclei_mpp=0.33,
        wide_every=4,
        close_share=1.0,
        prompts_per_image=6,
        source_weights={"monusac": (5, 5), "crchisto": (1.5, 1.5), "tnbc": (1, 1)},
        validate_every=steps,
        overlays_every=0,
    )


def _by_type(scores: list[ImageScore]) -> dict[str, dict[str, float | None]]:
    """Mean Dice over images that hold a type, and Dice over all pixels, with counts."""
    grouped = defaultdict(list)
    for score in scores:
        grouped[score.object].append(score)
    return {name: _figures(grouped[name]) for name in TYPES if name in grouped}


def _figures(scores: list[ImageScore]) -> dict[str, float | None]:
    """Figures of one type."""
    there = [score.values["dice"] for score in scores if score.is_there]
    overlap, found, truth = (
        sum(score.values.get(name, 0.0) for score in scores)
        for name in ("overlap", "found", "truth")
    )
    absent = [score for score in scores if score.is_there is False]
    return {
        "images_with": len(there),
        "dice": float(np.mean(there)),
        "pooled_dice": 2 * overlap / (found + truth),
        "images_without": len(absent),
        "empty_there": float(np.mean([score.presence < 0.5 for score in absent]))
        if absent
        else None,
    }
