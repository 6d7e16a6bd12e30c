"""One prompt and many on one 1024 px tile, beside transformers' CLIPSeg and SAM 3 (cost only).

A tile of phantom tissue, on which some of the prompts are present, scanned at 20x (0.5 µm a pixel)
and, of ours, at 40x (0.25 µm) too: the network looks at a quarter of the pixels there. Ours has the
weights that ship and is timed down to the mask of every prompt; `probabilities` are all maps at
full size besides, which nobody needs for masks. Objects are not split: that costs by object and not
by prompt. Ours is asked for other prompts each time, so that reading their text is part of it.

The peers have their published architectures at random weights, which cost what trained ones cost,
and are timed to the logits at their own size: CLIPSeg sees the tile at 352 px once for each
prompt, SAM 3 sees it at 1008 px once and decodes each prompt. bfloat16 for all, where the processor
computes in it. Prompt counts take turns and figures are medians of seven, so that other load on the
machine hits all alike; of CLIPSeg the median of three; SAM 3 encodes the tile and decodes a prompt
once, and its prompts are counted from that. `gib` is how much the process grew by loading.
"""

from __future__ import annotations

import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from pathexplain.phantom import tissue
from pathexplain.prompts import Prompt
from pathexplain.segmentor.backends import Segmentor, load_segmentor
from pathexplain.segmentor.devices import computes_in_bfloat16, precision
from pathexplain.vocabulary import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

N_REPEATS = 7
COUNTS = (1, 8, 16)
MPP, FINE_MPP = 0.5, 0.25
THREADS = 2


def run() -> dict[str, Any]:
    """Seconds, and ratios: 16 prompts to one of ours, and each peer to ours at 8 and 16 prompts."""
    torch.set_num_threads(THREADS)
    tile = tissue(seed=0, shape_px=(1024, 1024), mpp=MPP).image
    before = _gib()
    segmentor = load_segmentor("compact", device="cpu")
    grown = _gib() - before
    masks, maps = _ours(segmentor, tile, mpp=MPP)
    finely = tissue(seed=0, shape_px=(1024, 1024), mpp=FINE_MPP).image
    fine, _ = _ours(segmentor, finely, mpp=FINE_MPP)
    result: dict[str, Any] = {
        "threads": THREADS,
        "prompts_present_of_16": _n_present(segmentor, tile),
        **{f"seconds_{count}_prompts": masks[count] for count in COUNTS},
        "ratio_16_to_1_prompts": masks[16] / masks[1],
        **{f"seconds_{count}_prompts_at_40x": fine[count] for count in COUNTS},
        "ratio_16_to_1_prompts_at_40x": fine[16] / fine[1],
        "ratio_16_to_1_prompts_probabilities": maps[16] / maps[1],
        "gib": grown,
    }
    for name, peer in (("clipseg", _clipseg), ("sam3", _sam3)):
        theirs = peer()
        for count in (8, 16):
            result[f"seconds_{name}_{count}_prompts"] = theirs[count]
            result[f"ratio_{name}_to_ours_{count}_prompts"] = theirs[count] / masks[count]
        result[f"parameters_{name}"] = theirs["parameters"]
        result[f"gib_{name}"] = theirs["gib"]
    return result


def _prompts(start: int, count: int) -> list[Prompt]:
    """Take some of 16 objects of the vocabulary, as regions: masks without objects."""
    names = list(OBJECTS)[: max(COUNTS)]
    turned = names[start:] + names[:start]
    return [Prompt.from_text(name, kind="region") for name in turned[:count]]


def _n_present(segmentor: Segmentor, tile: NDArray[np.uint8]) -> int:
    """How many of the prompts the segmentor finds on the tile."""
    return int(segmentor.segment(tile, _prompts(0, max(COUNTS)), mpp=MPP).is_present.sum())


def _ours(
    segmentor: Segmentor, tile: NDArray[np.uint8], *, mpp: float
) -> tuple[dict[int, float], dict[int, float]]:
    """Median seconds for each number of prompts, to masks and to all probabilities."""
    masks: dict[int, list[float]] = {count: [] for count in COUNTS}
    maps: dict[int, list[float]] = {count: [] for count in COUNTS}

    def ask(prompts: list[Prompt], name: str) -> object:
        return getattr(segmentor.segment(tile, prompts, mpp=mpp), name)

    for repeat in range(N_REPEATS + 1):
        for count in COUNTS:
            masks[count].append(_once(partial(ask, _prompts(repeat, count), "masks")))
            maps[count].append(_once(partial(ask, _prompts(repeat + 1, count), "probabilities")))
    return _medians(masks), _medians(maps)


def _medians(times: dict[int, list[float]]) -> dict[int, float]:
    """Medians without the first, which warms up."""
    return {count: median(each[1:]) for count, each in times.items()}


def _clipseg() -> dict[Any, float]:
    """CLIPSeg as published (ViT-B/16 and a decoder of width 64)."""
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    before = _gib()
    config = CLIPSegConfig(vision_config={"patch_size": 16})
    peer = CLIPSegForImageSegmentation(config).eval()
    grown = _gib() - before
    tokens = torch.randint(1, 1000, (max(COUNTS), 12))
    pixels = torch.randn(max(COUNTS), 3, 352, 352)

    @torch.inference_mode()
    def ask(count: int) -> object:
        with precision(torch.device("cpu")):
            return peer(input_ids=tokens[:count], pixel_values=pixels[:count])

    ask(1)
    times = {count: median(_once(partial(ask, count)) for _ in range(3)) for count in (8, 16)}
    return {**times, "parameters": _parameters(peer), "gib": grown}


def _sam3() -> dict[Any, float]:
    """SAM 3 as published (0.8 billion parameters), once each; in bfloat16 where that is faster."""
    from transformers import Sam3Config, Sam3Model

    before = _gib()
    dtype = torch.bfloat16 if computes_in_bfloat16(torch.device("cpu")) else torch.float32
    torch.set_default_dtype(dtype)
    try:
        peer: Any = Sam3Model(Sam3Config()).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    grown = _gib() - before
    pixels = torch.randn(1, 3, 1008, 1008, dtype=dtype)
    words = {"input_ids": torch.randint(1, 1000, (1, 32)), "attention_mask": torch.ones(1, 32)}
    with torch.inference_mode():
        vision: list[Any] = []
        image_s = _once(lambda: vision.append(peer.get_vision_features(pixels)))
        prompt_s = _once(lambda: peer(vision_embeds=vision[0], **words))
    times = {count: image_s + count * prompt_s for count in (8, 16)}
    return {**times, "parameters": _parameters(peer), "gib": grown}


def _once(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _parameters(network: torch.nn.Module) -> int:
    """Weights of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def _gib() -> float:
    """Memory that this process holds, GiB; NaN where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123  no file on disk
            held = next(line for line in status if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return float("nan")
    return int(held.split()[1]) / 2**20
