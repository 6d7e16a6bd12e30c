"""Slides of colored squares on a pink ground, and a segmentor that finds squares by their color."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pathexplain.prompts import Prompt, PromptSet, as_prompts
from pathexplain.segmentor.segmentation import Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

GROUND = (225, 170, 205)
COLORS = {
    "red": (150, 20, 60),
    "blue": (40, 60, 160),
    "dark": (60, 20, 90),
    "pale": (190, 150, 220),
}
SIDE_PX = 16


class ColorSegmentor:
    """Finds each prompt by the colors that are given for its name; no probability in between."""

    name = "by color"
    licence = "none"
    weights_sha256: str | None = None

    def __init__(self, colors: Mapping[str, Sequence[tuple[int, int, int]]]) -> None:
        self.colors = colors

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        return "trained", prompt.text, 1.0

    def segment(
        self, image: NDArray[np.uint8], prompts: Iterable[str | Prompt], *, mpp: float
    ) -> Segmentation:
        parsed = as_prompts(prompts)
        planes = [
            np.any([(image == color).all(axis=-1) for color in self.colors[one.name]], axis=0)
            for one in parsed
        ]
        return Segmentation(
            prompts=parsed,
            probabilities=np.stack(planes).astype(np.float32),
            presence=np.array([plane.any() for plane in planes], np.float32),
            mpp=mpp,
            interiors=(None,) * len(parsed),
            trained=("trained",) * len(parsed),
        )


def prompt_set(*names: str) -> PromptSet:
    prompts = tuple(Prompt(name=name, text=f"{name} squares") for name in names)
    return PromptSet(1, mpp=1.0, prompts=prompts)


def slide(
    seed: int, squares: Mapping[str, int], *, shape: tuple[int, int] = (128, 128)
) -> NDArray[np.uint8]:
    """Draw squares of each color at random places of a grid, so that none touch."""
    rng = np.random.default_rng(seed)
    image = np.full((*shape, 3), GROUND, np.uint8)
    step = 2 * SIDE_PX
    places = [
        (y, x)
        for y in range(8, shape[0] - SIDE_PX, step)
        for x in range(8, shape[1] - SIDE_PX, step)
    ]
    order = rng.permutation(len(places)).tolist()
    for name, count in squares.items():
        for _ in range(count):
            y, x = places[order.pop()]
            image[y : y + SIDE_PX, x : x + SIDE_PX] = COLORS[name]
    return image


def write_slides(
    folder: Path,
    squares: Sequence[Mapping[str, int]],
    labels: Sequence[str],
    *,
    patients: Sequence[str] | None = None,
    shape: tuple[int, int] = (128, 128),
) -> pd.DataFrame:
    """Write one PNG a slide; return the table of labels."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, wanted in enumerate(squares):
        Image.fromarray(slide(index, wanted, shape=shape)).save(folder / f"s{index:02}.png")
    return pd.DataFrame(
        {
            "slide_id": [f"s{index:02}" for index in range(len(squares))],
            "patient_id": patients or [f"p{index:02}" for index in range(len(squares))],
            "dx": labels,
        }
    )


def red_share(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of each tile that is exactly red."""
    return (tiles == COLORS["red"]).all(axis=-1).mean(axis=(1, 2))


def red_only(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Logits of a classifier that sees red squares alone: "many" above 5 % of the tile."""
    z = 60 * (red_share(tiles) - 0.05)
    return np.column_stack([np.zeros_like(z), z])


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """Everything above, for tests of image classifiers."""
    return SimpleNamespace(
        colors=COLORS,
        side_px=SIDE_PX,
        segmentor=ColorSegmentor,
        prompt_set=prompt_set,
        slide=slide,
        write_slides=write_slides,
        red_only=red_only,
    )
