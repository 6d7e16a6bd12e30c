"""Peak memory of an extraction against slide area, beside reading the whole slide and regionprops.

Slides are made on the fly: squares of 0.25 µm pixels whose middle is dense phantom tissue (1.6 %),
up to 100,000 × 100,000 px (625 mm², 10 of tissue), two with ten times as much tissue for their side
(`dense`: 4 and 16 mm²), one measured by all families (`spatial`), and the largest with eight
prompts, all families and the network (`network`, 2.5 mm² of tissue). The others segment by a color
threshold, which leaves the memory of a network out, and measure the families below for a counted
and a region prompt, store included. `peak_gb_after` is what the process had held at most after each
step. The peer reads the slide at the working resolution as one array, labels it and calls skimage's
regionprops_table, where that fits. Each runs in a process of its own; figures are its peak resident
memory, GB of 1e9 bytes, baseline (imports) included.

Memory grows until buffers are full: the largest window that one region is measured in, reached by
4 mm² of dense tissue. From there it is flat: `flat_in_tissue` is the peak of the larger dense slide
over that of the smaller. `range` is the largest of ours over the smallest, which is nearly empty.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.prompts import Prompt, PromptSet, as_prompts
from pathexplain.segmentor.segmentation import Segmentation
from pathexplain.slides.pyramid import Level, PyramidSlide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

SIDES = (10_000, 30_000, 100_000)
EXTRA_SIDE, DENSE_SIDES = 20_000, (20_000, 40_000)
PEER_SIDES = (10_000, 20_000)
SOURCE_MPP = 0.25
MPP = 0.5
PATTERN_PX = 2048
TISSUE_SHARE = {"ours": 0.016, "peer": 0.016, "spatial": 0.016, "dense": 0.16, "network": 0.004}
NETWORK_PROMPTS = (
    "nucleus",
    "lymphocyte",
    "epithelial nucleus",
    "fibroblast",
    "gland",
    "tumor",
    "stroma",
    "necrosis",
)
GLASS = 244
FAMILIES = ("shape", "stain")


def run() -> dict[str, Any]:
    """Peak memory, seconds and objects of every side, ours and the peer's."""
    ours = [_in_process("ours", side) for side in SIDES]
    peer = [_in_process("peer", side) for side in PEER_SIDES]
    dense = [_in_process("dense", side) for side in DENSE_SIDES]
    peaks = [item["peak_gb"] for item in ours]
    return {
        "peer": "whole array + skimage.measure.regionprops_table (10 properties)",
        "families": list(FAMILIES),
        "ours": ours,
        "dense": dense,
        "spatial": _in_process("spatial", EXTRA_SIDE),
        "network": _in_process("network", SIDES[-1]),
        "theirs": peer,
        "flat_in_tissue": dense[-1]["peak_gb"] / dense[0]["peak_gb"],
        "range": max(peaks) / min(peaks),
        "growth_of_peer": peer[-1]["peak_gb"] / peer[0]["peak_gb"],
    }


def _in_process(who: str, side: int) -> dict[str, Any]:
    """Run one of `MEASURES` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.slide_memory", who, str(side)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return result


def painted_slide(side: int, tissue_share: float) -> PyramidSlide:
    """Square slide of `side` px whose pixels are made when they are read."""
    from pathexplain.phantom import tissue

    pattern = tissue(seed=0, shape_px=(PATTERN_PX // 2, PATTERN_PX // 2), mpp=MPP).image
    pattern = np.repeat(np.repeat(pattern, 2, axis=0), 2, axis=1)
    inner = side * tissue_share**0.5 / 2
    levels = tuple(
        _level(np.ascontiguousarray(pattern[::factor, ::factor]), side, factor, inner)
        for factor in (1, 4, 16, 64)
    )
    source = {"reader": "painted", "vendor": "none", "mpp_source": "given"}
    return PyramidSlide(f"side{side}", SOURCE_MPP, levels, source)


def _level(pattern: NDArray[np.uint8], side: int, factor: int, inner: float) -> Level:
    """One resolution: the pattern over and over inside a square, glass around it."""
    shape = (side // factor, side // factor)

    def crop(y0: int, x0: int, height: int, width: int) -> NDArray[np.uint8]:
        rows, columns = np.arange(y0, y0 + height), np.arange(x0, x0 + width)
        out = pattern[rows % len(pattern)][:, columns % len(pattern)]
        near = [np.abs(at * factor - side / 2) < inner for at in (rows, columns)]
        out[~(near[0][:, None] & near[1])] = GLASS
        return out

    return Level(shape, (float(factor), float(factor)), crop)


class ThresholdSegmentor:
    """Dark pixels are nuclei, pink ones are stroma: fast, and the same wherever a tile lies."""

    name = "threshold"
    licence = "none"
    weights_sha256: str | None = None

    def describe(self, prompt: Prompt) -> tuple[str, str, float]:
        """Every prompt counts as known."""
        return "trained", prompt.name, 1.0

    def segment(
        self,
        image: NDArray[np.uint8],
        prompts: str | Prompt | Iterable[str | Prompt],
        *,
        mpp: float,
    ) -> Segmentation:
        """Threshold the red channel."""
        red = image[..., 0]
        planes = np.stack([red < 140, (red >= 140) & (red < GLASS - 4)]).astype(np.float32)
        return Segmentation(
            prompts=as_prompts(prompts),
            probabilities=planes,
            presence=np.ones(len(planes), np.float32),
            mpp=mpp,
            interiors=(None,) * len(planes),
            trained=("trained",) * len(planes),
        )


def _ours(side: int, who: str = "ours") -> dict[str, Any]:
    """Extract one slide into a store."""
    from pathexplain.extraction.slide import Tiling, extract_slide
    from pathexplain.extraction.store import write_store
    from pathexplain.features import FAMILIES as ALL
    from pathexplain.segmentor.backends import load_segmentor

    few = (
        Prompt(name="nucleus", text="nuclei", kind="instances", min_area_um2=8.0),
        Prompt(name="stroma", text="stroma", kind="region"),
    )
    is_network = who == "network"
    prompts = PromptSet(
        version=1,
        mpp=MPP,
        prompts=tuple(map(Prompt.from_text, NETWORK_PROMPTS)) if is_network else few,
        features=FAMILIES if who in {"ours", "dense"} else tuple(ALL),
    )
    segmentor = load_segmentor("compact", device="cpu") if is_network else ThresholdSegmentor()
    after: dict[str, float] = {"imports": _peak_gb()}

    def progress(slide_id: str, done_tiles: int, total_tiles: int) -> None:
        del slide_id
        if done_tiles in {1, total_tiles}:
            after["first tile" if done_tiles == 1 else "tiles"] = _peak_gb()

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        result = extract_slide(
            painted_slide(side, TISSUE_SHARE[who]),
            prompts=prompts,
            segmentor=segmentor,
            tiling=Tiling(),
            folder=place,
            progress=progress,
        )
        after["finish"] = _peak_gb()
        n_objects = sum(item.objects.n for item in result.prompts)
        write_store(place / "store.zarr", result, attributes={})
        return {
            "n_objects": n_objects,
            "tissue_mm2": result.tissue_area_mm2,
            "seconds_in": result.seconds,
            "peak_gb_after": {**after, "store": _peak_gb()},
        }


def _peer(side: int) -> dict[str, Any]:
    """Read the slide as one array and measure its nuclei."""
    from skimage.measure import label, regionprops_table

    n = round(side * SOURCE_MPP / MPP)
    image = painted_slide(side, TISSUE_SHARE["peer"]).read(0.0, 0.0, n, n, MPP)
    labels = label(image[..., 0] < 140, connectivity=2)
    properties: tuple[str, ...] = (
        "area",
        "perimeter_crofton",
        "axis_major_length",
        "axis_minor_length",
    )
    properties += ("eccentricity", "solidity", "extent", "centroid", "bbox", "mean_intensity")
    table = regionprops_table(labels, image, properties=properties)
    return {"n_objects": len(table["area"])}


def _peak_gb() -> float:
    """Most resident memory that this process has held so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


MEASURES: dict[str, Callable[[int], dict[str, Any]]] = {
    "ours": _ours,
    "dense": partial(_ours, who="dense"),
    "spatial": partial(_ours, who="spatial"),
    "network": partial(_ours, who="network"),
    "peer": _peer,
}


def main(who: str, side: int) -> None:
    """Print what one process found, and the most memory that it held."""
    started, cpu = time.perf_counter(), time.process_time()
    found = MEASURES[who](side)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    print(
        json.dumps(
            {"side_px": side, "peak_gb": _peak_gb(), "seconds": seconds, "cpu_s": cpu_s, **found}
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
