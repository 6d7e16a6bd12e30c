"""Objects of `compact` in tiles against the same field in one tile, and under a moved grid.

With a segmentor whose answer does not depend on the window, tiles change no object (the tests of
`extraction` hold them to that). A network sees its whole window, so its masks differ by a little
wherever the window ends: this says by how much. A field of phantom tissue (1280 × 1280 px at
0.5 µm) is extracted in one tile, in tiles, and in tiles moved by half a tile. An object is matched
where more than half of the larger of two is shared; of those, `within_1_percent` have areas that
differ by at most 1 %. A wider margin shows whether more of it would help.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE_PX = 1280
MPP = 0.5
CORE_PX, HALO_PX, WIDE_HALO_PX = 768, 128, 192
OBJECTS = ("nucleus", "gland", "tumor")
SAME, ONE_PERCENT = 0.5, 0.01


def run() -> dict[str, Any]:
    """Compare the ways of cutting the field, prompt by prompt."""
    from pathexplain.phantom import tissue
    from pathexplain.segmentor import windows
    from pathexplain.segmentor.backends import load_segmentor

    image = tissue(seed=0, shape_px=(SIDE_PX, SIDE_PX), mpp=MPP).image
    model = load_segmentor("compact", device="cpu")
    by = CORE_PX // 2
    moved = np.pad(image, ((by, 0), (by, 0), (0, 0)), mode="reflect")
    limit, windows.TILE_PX = windows.TILE_PX, 4 * SIDE_PX
    try:
        one = _extract(image, model, SIDE_PX, 0)
        wide = _extract(image, model, CORE_PX, WIDE_HALO_PX)
    finally:
        windows.TILE_PX = limit
    tiled = _extract(image, model, CORE_PX, HALO_PX)
    under_moved = _extract(moved, model, CORE_PX, HALO_PX)
    shifted = {name: labels[by:, by:] for name, labels in under_moved.items()}
    return {
        "peer": "the same field in one tile",
        "tiled": _compared(one, tiled),
        "tiled_with_wide_margin": _compared(one, wide),
        "grid_moved_by_half_a_tile": _compared(tiled, shifted),
    }


def _extract(image: Any, model: Any, core_px: int, halo_px: int) -> dict[str, NDArray[np.int32]]:
    """Extract a field; return the labels of each prompt."""
    from pathexplain.extraction.slide import Tiling, extract_slide
    from pathexplain.prompts import Prompt, PromptSet
    from pathexplain.slides import ArraySlide

    prompts = tuple(Prompt.from_text(name) for name in OBJECTS)
    with tempfile.TemporaryDirectory() as folder:
        result = extract_slide(
            ArraySlide(image, mpp=MPP),
            prompts=PromptSet(version=1, mpp=MPP, prompts=prompts, features=("shape",)),
            segmentor=model,
            tiling=Tiling(core_px=core_px, halo_px=halo_px),
            folder=Path(folder),
        )
        height, width = image.shape[:2]
        return {item.prompt.name: item.labels[:height, :width] for item in result.prompts}


def _compared(
    one: dict[str, NDArray[np.int32]], other: dict[str, NDArray[np.int32]]
) -> dict[str, dict[str, float]]:
    """Compare counts, areas and single objects of the second with those of the first."""
    return {name: _of_prompt(one[name], other[name]) for name in OBJECTS}


def _of_prompt(one: NDArray[np.int32], other: NDArray[np.int32]) -> dict[str, float]:
    """Compare two label images of one prompt."""
    area, other_area = np.bincount(one.ravel()), np.bincount(other.ravel())
    both = (one > 0) & (other > 0)
    pairs, shared = np.unique(np.stack([one[both], other[both]]), axis=1, return_counts=True)
    first, second = area[pairs[0]], other_area[pairs[1]]
    is_same = shared > SAME * np.maximum(first, second)
    is_near = np.abs(second / first - 1) <= ONE_PERCENT
    covered, other_covered = int((one > 0).sum()), int((other > 0).sum())
    n, other_n = (int(np.count_nonzero(each[1:])) for each in (area, other_area))
    return {
        "n": n,
        "other_n": other_n,
        "count_ratio": other_n / max(1, n),
        "area_ratio": other_covered / max(1, covered),
        "dice": 2 * int(both.sum()) / max(1, covered + other_covered),
        "matched": int(is_same.sum()),
        "within_1_percent": int((is_same & is_near).sum()),
    }
