"""Tissue area a second of an extraction with eight prompts and all families, and where time goes.

A field of dense phantom tissue at 0.5 µm (2048 × 2048 px, 1.05 mm²) through `compact`. The peer is
the network alone on the same tiles: what no extraction with it can beat; `share_of_network` is its
part of the processor time. Wall time means little beside other work on the machine, so processor
seconds for each mm² are given by stage: with two cores kept busy, `mm2_per_two_core_s` is the rate
to expect, and `network_mm2_per_two_core_s` the bound that the network alone sets. A second, smaller
field separates what a slide costs from what each mm² costs.
"""

from __future__ import annotations

import functools
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIDE_PX, SMALL_PX = 2048, 1024
MPP = 0.5
OBJECTS = (
    "nucleus", "lymphocyte", "epithelial", "fibroblast", "gland", "tumor", "stroma", "necrosis",
)  # fmt: skip
N_CORES = 2
COUNTING = threading.Lock()


def run() -> dict[str, Any]:
    """Extract once to warm up, then a small field and the whole one."""
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
    image = tissue(seed=0, shape_px=(SIDE_PX, SIDE_PX), mpp=MPP).image
    _measure(image[:SMALL_PX, :SMALL_PX], prompts, model)
    small = _measure(image[:SMALL_PX, :SMALL_PX], prompts, model)
    large = _measure(image, prompts, model)
    more_mm2 = large["tissue_mm2"] - small["tissue_mm2"]
    area, stages = large["tissue_mm2"], large["cpu_s_by_stage"]
    return {
        **large,
        "families": list(prompts.features),
        "mm2_per_s": area / large["wall_s"],
        "cpu_s_per_mm2": {name: seconds / area for name, seconds in stages.items()},
        "mm2_per_two_core_s": area * N_CORES / large["cpu_s"],
        "peer": "the network alone on the same tiles",
        "network_mm2_per_two_core_s": area * N_CORES / stages["network"],
        "share_of_network": stages["network"] / large["cpu_s"],
        "cpu_s_of_each_further_mm2": (large["cpu_s"] - small["cpu_s"]) / more_mm2,
        "small": small,
    }


def _measure(image: Any, prompts: Any, model: Any) -> dict[str, Any]:
    """Extract one field into a store and say where processor time went."""
    stages: dict[str, float]
    with _stopwatch(model) as spent:
        started, cpu = time.perf_counter(), time.process_time()
        result = _extract(image, prompts, model)
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    stages = dict(spent)
    # What no stage's own thread took: threads that the network and compiled loops start.
    stages["other"] = cpu_s - sum(stages.values())
    return {
        "tissue_mm2": result.tissue_area_mm2,
        "n_tiles": result.n_tiles,
        "n_objects": sum(item.objects.n for item in result.prompts),
        "states": {item.prompt.name: item.state for item in result.prompts},
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "network_wall_s": result.seconds["segment_wall"],
        "cpu_s_by_stage": stages,
    }


def _extract(image: Any, prompts: Any, model: Any) -> Any:
    """Extract one field into a store."""
    from pathexplain.extraction import store
    from pathexplain.extraction.slide import Tiling, extract_slide
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
        store.write_store(place / "store.zarr", result, attributes={})
        return result


@contextmanager
def _stopwatch(model: Any) -> Iterator[dict[str, float]]:
    """Count the processor seconds of stages, each without those within it, while this is open."""
    from pathexplain.extraction import canvas, measuring, ownership, region_painting, slide, store
    from pathexplain.features import FAMILIES
    from pathexplain.segmentor.segmentation import Segmentation
    from pathexplain.slides import ArraySlide

    places = [
        (ArraySlide, "read", "read"),
        (model, "segment", "network"),
        (Segmentation, "instances", "splitting"),
        (Segmentation, "mask", "splitting"),
        (ownership.InstancePainter, "paint", "label joining"),
        (region_painting.RegionPainter, "paint", "label joining"),
        (canvas, "close_labels", "label joining"),
        (measuring, "outlines_of", "outlines"),
        (measuring.Measuring, "__call__", "measuring, else"),
        (canvas.SlideCanvas, "paint", "tiles, else"),
        (canvas.SlideCanvas, "finish", "joined objects, else"),
        (slide, "measure_spatial", "spatial"),
        (slide, "aggregate_slide", "summary"),
        (slide, "quality_record", "quality"),
        (store, "write_store", "store"),
    ]
    places += [(FAMILIES[name], "compute", name) for name in ("shape", "stain", "texture")]
    spent: dict[str, float] = defaultdict(float)
    within = threading.local()
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, stage in places:
        _put(owner, name, _timed(getattr(owner, name), stage, spent, within))
    try:
        yield spent
    finally:
        for owner, name, function in before:
            _put(owner, name, function)


def _put(owner: Any, name: str, function: Any) -> None:
    """Set an attribute, of a frozen dataclass too."""
    if is_dataclass(owner) and not isinstance(owner, type):
        object.__setattr__(owner, name, function)
    else:
        setattr(owner, name, function)


def _timed(
    function: Callable[..., Any], stage: str, spent: dict[str, float], within: threading.local
) -> Callable[..., Any]:
    """Wrap a function so that its own thread's time is counted for a stage."""

    @functools.wraps(function)
    def timed(*arguments: Any, **options: Any) -> Any:
        outer, within.inner = getattr(within, "inner", 0.0), 0.0
        begun = time.thread_time()
        try:
            return function(*arguments, **options)
        finally:
            took = time.thread_time() - begun
            with COUNTING:
                spent[stage] += took - within.inner
            within.inner = outer + took

    return timed
