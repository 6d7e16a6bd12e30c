"""Tissue area a second of an extraction with eight prompts and all families, and where time goes.

A field of dense phantom tissue at 0.5 µm (2048 × 2048 px, 1.05 mm²) through `compact`. The peer is
the network alone on the same tiles: what no extraction with it can beat; `share_of_network` is its
part of the wall time. Processor seconds are given beside wall seconds, because other load on the
machine disturbs them less: with two cores kept busy, `mm2_per_two_core_s` is the rate to expect.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

SIDE_PX = 2048
MPP = 0.5
OBJECTS = (
    "nucleus", "lymphocyte", "epithelial", "fibroblast", "gland", "tumor", "stroma", "necrosis",
)  # fmt: skip
N_CORES = 2


def run() -> dict[str, Any]:
    """Extract once to warm up on a small field, and once to measure."""
    from pathexplain.features import FAMILIES
    from pathexplain.phantom import tissue
    from pathexplain.prompts import Prompt, PromptSet
    from pathexplain.segmentor.backends import load_segmentor

    prompts = PromptSet(
        version=1,
        mpp=MPP,
        prompts=tuple(Prompt.from_text(name) for name in OBJECTS),
        features=tuple(FAMILIES),
    )
    model = load_segmentor("compact", device="cpu")
    _extract(tissue(seed=1, shape_px=(600, 600), mpp=MPP).image, prompts, model)
    image = tissue(seed=0, shape_px=(SIDE_PX, SIDE_PX), mpp=MPP).image
    started, cpu = time.perf_counter(), time.process_time()
    result, store_s = _extract(image, prompts, model)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    spent = result.seconds
    return {
        "tissue_mm2": result.tissue_area_mm2,
        "n_tiles": result.n_tiles,
        "n_objects": sum(item.objects.n for item in result.prompts),
        "families": list(prompts.features),
        "states": {item.prompt.name: item.state for item in result.prompts},
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "mm2_per_s": result.tissue_area_mm2 / wall_s,
        "mm2_per_two_core_s": result.tissue_area_mm2 * N_CORES / cpu_s,
        "peer": "the network alone on the same tiles",
        "peer_mm2_per_s": result.tissue_area_mm2 / spent["segment_wall"],
        "share_of_network": spent["segment_wall"] / wall_s,
        "spent_s": {**spent, "store": store_s},
    }


def _extract(image: Any, prompts: Any, model: Any) -> tuple[Any, float]:
    """Extract one field into a store; return the result, and what the store took."""
    from pathexplain.extraction.slide import Tiling, extract_slide
    from pathexplain.extraction.store import write_store
    from pathexplain.slides import ArraySlide

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        result = extract_slide(
            ArraySlide(image, mpp=MPP),
            prompts=prompts,
            segmentor=model,
            tiling=Tiling(),
            folder=place,
        )
        started = time.perf_counter()
        write_store(place / "store.zarr", result, attributes={})
        return result, time.perf_counter() - started
