"""One slide through a classifier under every condition: losses, logits, areas, overlaps.

Not for files or patients: see `analysis`; how a tile is changed: see `scene`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from pathexplain.diagnosis.perturbation.classifier import checked
from pathexplain.diagnosis.perturbation.conditions import ORIGINAL, Condition
from pathexplain.diagnosis.perturbation.controls import allocate
from pathexplain.diagnosis.perturbation.fills import REMOVE
from pathexplain.diagnosis.perturbation.outcomes import Outcome, SlideOutcome
from pathexplain.diagnosis.perturbation.scene import changed_tile, prepare_scene, touched
from pathexplain.diagnosis.perturbation.views import picture_prompts
from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.perturbation.classifier import Classifier
    from pathexplain.diagnosis.perturbation.outcomes import View
    from pathexplain.diagnosis.perturbation.scene import Scene
    from pathexplain.diagnosis.tiles import SlideTiles

__all__ = ["pass_slide"]

BATCH = 16
REMOVAL_SHARE = 0.05
"""Share of a tile's area that an object must cover for the tile to be one that holds it."""


def pass_slide(
    tiles: SlideTiles,
    classifier: Classifier,
    code: int,
    *,
    conditions: Sequence[Condition],
    blur_um: float = 8.0,
    control_region: str = "background",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[SlideOutcome, tuple[View | None, ...]]:
    """Run a classifier on one slide under every condition.

    Parameters
    ----------
    tiles : SlideTiles
    classifier : Classifier
    code : int
        Column of the true class.
    conditions : sequence of Condition
        The original among them.
    blur_um : float
        Sigma of the blur, um.
    control_region : {"background", "elsewhere"}
        Controls lie in tissue outside of all prompts, or outside of the prompt that they match.
    seed : int
        Of control regions and of noise, together with the slide's name.
    progress : callable, optional
        ``progress(done_conditions, all_conditions)``.

    Returns
    -------
    SlideOutcome
    tuple of View or None, one a prompt
        None where the slide holds none of it, or no fill changes pixels.
    """
    scene = prepare_scene(tiles, blur_um=blur_um, control_region=control_region, seed=seed)
    base = _encode_all(classifier, tiles)
    outcomes = {}
    for done, condition in enumerate(conditions, start=1):
        outcomes[condition.key] = _outcome(scene, classifier, base, condition, code)
        if progress is not None:
            progress(done, len(conditions))
    overlaps = sum(
        np.einsum("phw,qhw->pq", mask.astype(np.int64), mask.astype(np.int64), optimize=True)
        for mask in tiles.masks
    )
    totals = scene.areas.sum(axis=0)
    largest = np.where(totals > 0, scene.areas.argmax(axis=0), -1)
    outcome = SlideOutcome(
        outcomes=outcomes,
        n_tiles=len(tiles),
        tissue_px=int(sum(int(part.sum()) for part in tiles.tissue)),
        areas_px=tuple(totals.tolist()),
        overlaps_px=tuple(tuple(row) for row in np.asarray(overlaps).tolist()),
        largest_tile=tuple(largest.tolist()),
        trained=tiles.trained,
    )
    return outcome, picture_prompts(scene, conditions, largest)


def _encode_all(classifier: Classifier, tiles: SlideTiles) -> NDArray[Any]:
    """Encode the tiles as they are."""
    parts = [
        _encode(classifier, np.asarray(tiles.pixels[start : start + BATCH]), tiles.slide_id)
        for start in range(0, len(tiles), BATCH)
    ]
    return np.concatenate(parts)


def _encode(classifier: Classifier, tiles: NDArray[np.uint8], slide_id: str) -> NDArray[Any]:
    """Encode some tiles; refuse another number of rows."""
    made = classifier.encode(tiles)
    if len(made) != len(tiles):
        message = (
            f"slide {slide_id}: the classifier gave {len(made)} rows for {len(tiles)} tiles, must "
            "be one a tile; a model of whole slides has the unit 'slide'"
        )
        raise ConfigError(message, slide_id=slide_id)
    return made


def _outcome(
    scene: Scene, classifier: Classifier, base: NDArray[Any], condition: Condition, code: int
) -> Outcome:
    """Carry out one condition."""
    if condition == ORIGINAL:
        return _judge(scene, classifier, base, code)
    if scene.areas[:, list(condition.prompts)].sum() == 0:
        return Outcome(np.nan, np.nan, reason="the slide holds none of it")
    if condition.fill == REMOVE:
        return _removed(scene, classifier, base, condition, code)
    quota = None
    if condition.control is not None:
        (prompt,) = condition.prompts
        quota = allocate(scene.areas[:, prompt], scene.room[:, prompt])
        if quota is None:
            return Outcome(np.nan, np.nan, reason="no room for a control as large as the object")
    encodings = base.copy()
    rows = touched(scene, condition, quota)
    for start in range(0, len(rows), BATCH):
        members = rows[start : start + BATCH]
        changed = np.stack([changed_tile(scene, condition, i, quota) for i in members])
        encodings[members] = _encode(classifier, changed, scene.tiles.slide_id)
    return _judge(scene, classifier, encodings, code)


def _removed(
    scene: Scene, classifier: Classifier, base: NDArray[Any], condition: Condition, code: int
) -> Outcome:
    """Leave out the tiles that hold an object, or as many random others."""
    tile_px = scene.tiles.pixels.shape[1] ** 2
    union = np.array(
        [mask[list(condition.prompts)].any(axis=0).sum() for mask in scene.tiles.masks]
    )
    holds = union >= REMOVAL_SHARE * tile_px
    n_gone = int(holds.sum())
    if n_gone == 0:
        return Outcome(np.nan, np.nan, reason="no tile holds enough of it to be removed")
    if n_gone == len(base):
        return Outcome(np.nan, np.nan, reason="every tile holds it, so none would be left")
    gone = np.flatnonzero(holds)
    if condition.control is not None:
        others = np.flatnonzero(~holds)
        if len(others) <= n_gone:
            return Outcome(np.nan, np.nan, reason="too few other tiles for a control removal")
        rng = np.random.default_rng((scene.seed, *condition.prompts, condition.control))
        gone = rng.choice(others, n_gone, replace=False)
    return _judge(scene, classifier, np.delete(base, gone, axis=0), code)


def _judge(scene: Scene, classifier: Classifier, encodings: NDArray[Any], code: int) -> Outcome:
    """Loss, log-odds and probabilities from encodings."""
    n_rows = len(encodings) if classifier.unit == "tile" else 1
    logits = checked(
        np.asarray(classifier.logits(encodings), np.float64),
        n_rows=n_rows,
        slide_id=scene.tiles.slide_id,
    )
    logs = log_softmax(logits, axis=1)
    others = np.delete(logits, code, axis=1)
    return Outcome(
        loss=float(-logs[:, code].mean()),
        log_odds=float((logits[:, code] - logsumexp(others, axis=1)).mean()),
        probabilities=tuple(np.exp(logs).mean(axis=0).tolist()),
    )
