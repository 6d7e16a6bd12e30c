"""Pictures of each prompt for the eye: the tile with most of it, filled, and a control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.diagnosis.perturbation.conditions import Condition, main_fill
from pathexplain.diagnosis.perturbation.controls import allocate
from pathexplain.diagnosis.perturbation.fills import REMOVE
from pathexplain.diagnosis.perturbation.outcomes import View
from pathexplain.diagnosis.perturbation.scene import changed_tile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pathexplain.diagnosis.perturbation.scene import Scene

__all__ = ["picture_prompts"]


def picture_prompts(
    scene: Scene, conditions: Sequence[Condition], largest: NDArray[np.int64]
) -> tuple[View | None, ...]:
    """Picture each prompt in the tile that holds most of it, as the first pixel fill leaves it."""
    fill = main_fill(tuple(dict.fromkeys(item.fill for item in conditions if item.fill)))
    if fill == REMOVE:
        return (None,) * len(largest)
    return tuple(
        None if index < 0 else _view(scene, fill, prompt, int(index))
        for prompt, index in enumerate(largest)
    )


def _view(scene: Scene, fill: str, prompt: int, index: int) -> View:
    """Tile, mask, and the tile with the object and with its first control filled."""
    condition = Condition(fill, (prompt,))
    quota = allocate(scene.areas[:, prompt], scene.room[:, prompt])
    control = Condition(fill, (prompt,), control=0)
    return View(
        tile=np.array(scene.tiles.pixels[index]),
        mask=np.array(scene.tiles.masks[index, prompt]),
        filled=changed_tile(scene, condition, index, None),
        control=None if quota is None else changed_tile(scene, control, index, quota),
    )
