"""A slide's tiles as a condition leaves them: which change, and what they look like then.

Pixels alone; what a classifier says of them is asked in `passes`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.perturbation.controls import random_region, typical_radius_px
from pathexplain.diagnosis.perturbation.fills import composite, filled, look_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.diagnosis.perturbation.conditions import Condition
    from pathexplain.diagnosis.perturbation.fills import Look
    from pathexplain.diagnosis.tiles import SlideTiles

__all__ = ["Scene", "changed_tile", "prepare_scene", "touched"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A slide's tiles with what all conditions need of them: areas, room for controls, look."""

    tiles: SlideTiles
    look: Look
    blur_um: float
    control_region: str
    seed: int
    areas: NDArray[np.int64]  # (n, P)
    room: NDArray[np.int64]  # (n, P)
    radii: tuple[float, ...]


def prepare_scene(tiles: SlideTiles, *, blur_um: float, control_region: str, seed: int) -> Scene:
    """Measure areas, room for controls, sizes of pieces and the look of the slide."""
    n_prompts = tiles.masks.shape[1]
    areas = np.array([mask.sum(axis=(1, 2)) for mask in tiles.masks], dtype=np.int64)
    room = np.array(
        [
            [
                allowed_for_control(tiles, i, prompt, control_region).sum()
                for prompt in range(n_prompts)
            ]
            for i in range(len(tiles))
        ],
        dtype=np.int64,
    )
    radii = tuple(
        typical_radius_px(tiles.masks[int(areas[:, prompt].argmax()), prompt])
        for prompt in range(n_prompts)
    )
    digest = hashlib.sha256(f"{seed} {tiles.slide_id}".encode()).digest()
    return Scene(
        tiles=tiles,
        look=look_of(tiles.pixels, tiles.tissue),
        blur_um=blur_um,
        control_region=control_region,
        seed=int.from_bytes(digest[:4], "big"),
        areas=areas,
        room=room,
        radii=radii,
    )


def allowed_for_control(
    tiles: SlideTiles, index: int, prompt: int, control_region: str
) -> NDArray[np.bool_]:
    """Where in a tile a control of a prompt may lie."""
    masks = tiles.masks[index]
    taken = masks.any(axis=0) if control_region == "background" else masks[prompt]
    return np.asarray(tiles.tissue[index] & ~taken)


def touched(scene: Scene, condition: Condition, quota: NDArray[np.int64] | None) -> list[int]:
    """Tiles that a condition changes."""
    if quota is not None:
        return np.flatnonzero(quota).tolist()
    return np.flatnonzero(scene.areas[:, list(condition.prompts)].sum(axis=1)).tolist()


def changed_tile(
    scene: Scene, condition: Condition, index: int, quota: NDArray[np.int64] | None
) -> NDArray[np.uint8]:
    """One tile with its region filled."""
    tiles = scene.tiles
    if quota is None:
        mask = np.asarray(tiles.masks[index, list(condition.prompts)].any(axis=0))
    else:
        (prompt,) = condition.prompts
        allowed = allowed_for_control(tiles, index, prompt, scene.control_region)
        rng = np.random.default_rng((scene.seed, index, prompt, condition.control or 0))
        mask = random_region(allowed, int(quota[index]), rng, radius_px=scene.radii[prompt])
    tile = np.asarray(tiles.pixels[index])
    fill = filled(
        condition.fill,
        tile,
        scene.look,
        mpp=tiles.mpp,
        blur_um=scene.blur_um,
        seed=scene.seed + index,
    )
    return composite(tile, fill, mask)
