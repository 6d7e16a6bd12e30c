"""One slide through a classifier under every condition: losses, logits, areas, overlaps.

Not for files or patients: see `analysis`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from pathexplain.diagnosis.perturbation.classifier import checked
from pathexplain.diagnosis.perturbation.conditions import ORIGINAL, Condition, main_fill
from pathexplain.diagnosis.perturbation.controls import (
    allocate,
    random_region,
    typical_radius_px,
)
from pathexplain.diagnosis.perturbation.fills import REMOVE, composite, filled, look_of
from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.perturbation.classifier import Classifier
    from pathexplain.diagnosis.perturbation.fills import Look
    from pathexplain.diagnosis.tiles import SlideTiles

__all__ = ["CONTROL_REGIONS", "Outcome", "SlideOutcome", "View", "pass_slide"]

CONTROL_REGIONS = ("background", "elsewhere")
"""Controls lie in tissue outside of all prompts, or outside of the prompt that they match."""

BATCH = 16
REMOVAL_SHARE = 0.05
"""Share of a tile's area that an object must cover for the tile to be one that holds it."""


@dataclass(frozen=True)
class Outcome:
    """What the classifier says under one condition.

    Attributes
    ----------
    loss : float
        Cross-entropy of the true class, nats; mean over tiles where tiles are classified. NaN
        where the condition is impossible.
    log_odds : float
        Log-odds of the true class, mean over tiles where tiles are classified.
    probabilities : tuple of float
        Of each class, mean over tiles where tiles are classified; empty where impossible.
    reason : str
        Why the condition is impossible; empty where it is not.
    """

    loss: float
    log_odds: float
    probabilities: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class SlideOutcome:
    """One slide under all conditions.

    Attributes
    ----------
    outcomes : dict of str to Outcome
        By `Condition.key`.
    n_tiles : int
    tissue_px : int
        Pixels of tissue in the tiles.
    areas_px : tuple of int
        Pixels of each prompt.
    overlaps_px : tuple of tuple of int
        Pixels that two prompts share; the diagonal holds `areas_px`.
    largest_tile : tuple of int
        Tile with the most of each prompt; -1 where the slide has none of it.
    trained : tuple of str
    """

    outcomes: dict[str, Outcome]
    n_tiles: int
    tissue_px: int
    areas_px: tuple[int, ...]
    overlaps_px: tuple[tuple[int, ...], ...]
    largest_tile: tuple[int, ...]
    trained: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class View:
    """A prompt in one tile, for the eye.

    Attributes
    ----------
    tile, filled : (side, side, 3) uint8
    mask : (side, side) bool
    control : (side, side, 3) uint8 or None
        None where there is no room for a control.
    """

    tile: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    filled: NDArray[np.uint8]
    control: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class _Setting:
    """What all conditions of one slide share."""

    tiles: SlideTiles
    classifier: Classifier
    look: Look
    blur_um: float
    control_region: str
    seed: int
    areas: NDArray[np.int64]  # (n, P)
    room: NDArray[np.int64]  # (n, P)
    radii: tuple[float, ...]


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
    setting = _prepare(tiles, classifier, blur_um, control_region, seed)
    base = _encode_all(classifier, tiles)
    outcomes = {}
    for done, condition in enumerate(conditions, start=1):
        outcomes[condition.key] = _outcome(setting, base, condition, code)
        if progress is not None:
            progress(done, len(conditions))
    overlaps = sum(
        np.einsum("phw,qhw->pq", mask.astype(np.int64), mask.astype(np.int64), optimize=True)
        for mask in tiles.masks
    )
    totals = setting.areas.sum(axis=0)
    largest = np.where(totals > 0, setting.areas.argmax(axis=0), -1)
    outcome = SlideOutcome(
        outcomes=outcomes,
        n_tiles=len(tiles),
        tissue_px=int(sum(int(part.sum()) for part in tiles.tissue)),
        areas_px=tuple(totals.tolist()),
        overlaps_px=tuple(tuple(row) for row in np.asarray(overlaps).tolist()),
        largest_tile=tuple(largest.tolist()),
        trained=tiles.trained,
    )
    return outcome, _views(setting, conditions, largest)


def _prepare(
    tiles: SlideTiles, classifier: Classifier, blur_um: float, control_region: str, seed: int
) -> _Setting:
    """Measure areas, room for controls, sizes of pieces and the look of the slide."""
    n_prompts = tiles.masks.shape[1]
    areas = np.array([mask.sum(axis=(1, 2)) for mask in tiles.masks], dtype=np.int64)
    room = np.array(
        [
            [_allowed(tiles, i, prompt, control_region).sum() for prompt in range(n_prompts)]
            for i in range(len(tiles))
        ],
        dtype=np.int64,
    )
    radii = tuple(
        typical_radius_px(tiles.masks[int(areas[:, prompt].argmax()), prompt])
        for prompt in range(n_prompts)
    )
    digest = hashlib.sha256(f"{seed} {tiles.slide_id}".encode()).digest()
    return _Setting(
        tiles=tiles,
        classifier=classifier,
        look=look_of(tiles.pixels, tiles.tissue),
        blur_um=blur_um,
        control_region=control_region,
        seed=int.from_bytes(digest[:4], "big"),
        areas=areas,
        room=room,
        radii=radii,
    )


def _allowed(tiles: SlideTiles, index: int, prompt: int, control_region: str) -> NDArray[np.bool_]:
    """Where in a tile a control of a prompt may lie."""
    masks = tiles.masks[index]
    taken = masks.any(axis=0) if control_region == "background" else masks[prompt]
    return np.asarray(tiles.tissue[index] & ~taken)


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


def _outcome(setting: _Setting, base: NDArray[Any], condition: Condition, code: int) -> Outcome:
    """Carry out one condition."""
    if condition == ORIGINAL:
        return _judge(setting, base, code)
    if setting.areas[:, list(condition.prompts)].sum() == 0:
        return Outcome(np.nan, np.nan, reason="the slide holds none of it")
    if condition.fill == REMOVE:
        return _removed(setting, base, condition, code)
    quota = None
    if condition.control is not None:
        (prompt,) = condition.prompts
        quota = allocate(setting.areas[:, prompt], setting.room[:, prompt])
        if quota is None:
            return Outcome(np.nan, np.nan, reason="no room for a control as large as the object")
    encodings = base.copy()
    touched = _touched(setting, condition, quota)
    for start in range(0, len(touched), BATCH):
        members = touched[start : start + BATCH]
        changed = np.stack([_changed(setting, condition, i, quota) for i in members])
        encodings[members] = _encode(setting.classifier, changed, setting.tiles.slide_id)
    return _judge(setting, encodings, code)


def _touched(setting: _Setting, condition: Condition, quota: NDArray[np.int64] | None) -> list[int]:
    """Tiles that a condition changes."""
    if quota is not None:
        return np.flatnonzero(quota).tolist()
    return np.flatnonzero(setting.areas[:, list(condition.prompts)].sum(axis=1)).tolist()


def _changed(
    setting: _Setting, condition: Condition, index: int, quota: NDArray[np.int64] | None
) -> NDArray[np.uint8]:
    """One tile with its region filled."""
    tiles = setting.tiles
    if quota is None:
        mask = np.asarray(tiles.masks[index, list(condition.prompts)].any(axis=0))
    else:
        (prompt,) = condition.prompts
        allowed = _allowed(tiles, index, prompt, setting.control_region)
        rng = np.random.default_rng((setting.seed, index, prompt, condition.control or 0))
        mask = random_region(allowed, int(quota[index]), rng, radius_px=setting.radii[prompt])
    tile = np.asarray(tiles.pixels[index])
    fill = filled(
        condition.fill,
        tile,
        setting.look,
        mpp=tiles.mpp,
        blur_um=setting.blur_um,
        seed=setting.seed + index,
    )
    return composite(tile, fill, mask)


def _removed(setting: _Setting, base: NDArray[Any], condition: Condition, code: int) -> Outcome:
    """Leave out the tiles that hold an object, or as many random others."""
    tile_px = setting.tiles.pixels.shape[1] ** 2
    union = np.array(
        [mask[list(condition.prompts)].any(axis=0).sum() for mask in setting.tiles.masks]
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
        rng = np.random.default_rng((setting.seed, *condition.prompts, condition.control))
        gone = rng.choice(others, n_gone, replace=False)
    return _judge(setting, np.delete(base, gone, axis=0), code)


def _judge(setting: _Setting, encodings: NDArray[Any], code: int) -> Outcome:
    """Loss, log-odds and probabilities from encodings."""
    classifier = setting.classifier
    n_rows = len(encodings) if classifier.unit == "tile" else 1
    logits = checked(
        np.asarray(classifier.logits(encodings), np.float64),
        n_rows=n_rows,
        slide_id=setting.tiles.slide_id,
    )
    logs = log_softmax(logits, axis=1)
    others = np.delete(logits, code, axis=1)
    return Outcome(
        loss=float(-logs[:, code].mean()),
        log_odds=float((logits[:, code] - logsumexp(others, axis=1)).mean()),
        probabilities=tuple(np.exp(logs).mean(axis=0).tolist()),
    )


def _views(
    setting: _Setting, conditions: Sequence[Condition], largest: NDArray[np.int64]
) -> tuple[View | None, ...]:
    """Picture each prompt in the tile that holds most of it, as the first pixel fill leaves it."""
    fill = main_fill(tuple(dict.fromkeys(item.fill for item in conditions if item.fill)))
    if fill == REMOVE:
        return (None,) * len(largest)
    return tuple(
        None if index < 0 else _view(setting, fill, prompt, int(index))
        for prompt, index in enumerate(largest)
    )


def _view(setting: _Setting, fill: str, prompt: int, index: int) -> View:
    """Tile, mask, and the tile with the object and with its first control filled."""
    condition = Condition(fill, (prompt,))
    quota = allocate(setting.areas[:, prompt], setting.room[:, prompt])
    control = Condition(fill, (prompt,), control=0)
    return View(
        tile=np.array(setting.tiles.pixels[index]),
        mask=np.array(setting.tiles.masks[index, prompt]),
        filled=_changed(setting, condition, index, None),
        control=None if quota is None else _changed(setting, control, index, quota),
    )
