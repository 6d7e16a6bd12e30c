"""One prompt and many on one 1024 px tile, beside transformers' CLIPSeg and SAM 3 (cost only).

Ours has the weights that ship; the peers have their published architectures at random weights,
which cost what trained ones cost: CLIPSeg sees the tile at 352 px once for each prompt, SAM 3 sees
it at 1008 px once and decodes each prompt. bfloat16 wherever the processor computes in it, for
all. Ours is asked for other prompts each time, so that reading their text is part of the time.
Prompt counts take turns, and each figure is a median of seven, so that other load on the machine
hits all alike; of CLIPSeg the median of three. SAM 3 encodes the tile and decodes a prompt once
each, its prompts are counted from that. `gib` is how much the process grew by loading a network.
"""

from __future__ import annotations

import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pathexplain.segmentor.backends import Segmentor, load_segmentor
from pathexplain.segmentor.devices import precision
from pathexplain.vocabulary import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

N_REPEATS = 7
COUNTS = (1, 8, 16)
MPP = 0.5
THREADS = 2


def run() -> dict[str, Any]:
    """Seconds, and ratios: 16 prompts to one of ours, and each peer to ours at 8 and 16 prompts."""
    torch.set_num_threads(THREADS)
    tile = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    before = _gib()
    segmentor = load_segmentor("compact", device="cpu")
    grown = _gib() - before
    seconds = _ours(segmentor, tile)
    masks = _seconds_for_masks(segmentor, tile)
    result: dict[str, Any] = {
        "threads": THREADS,
        **{f"seconds_{count}_prompts": seconds[count] for count in COUNTS},
        "ratio_16_to_1_prompts": seconds[16] / seconds[1],
        "seconds_8_prompts_with_masks": masks,
        "gib": grown,
    }
    for name, peer in (("clipseg", _clipseg), ("sam3", _sam3)):
        theirs = peer()
        for count in (8, 16):
            result[f"seconds_{name}_{count}_prompts"] = theirs[count]
            result[f"ratio_{name}_to_ours_{count}_prompts"] = theirs[count] / seconds[count]
        result[f"parameters_{name}"] = theirs["parameters"]
        result[f"gib_{name}"] = theirs["gib"]
    return result


def _ours(segmentor: Segmentor, tile: NDArray[np.uint8]) -> dict[int, float]:
    """Median seconds for each number of prompts."""
    names = list(OBJECTS)[: max(COUNTS)]
    times: dict[int, list[float]] = {count: [] for count in COUNTS}
    for repeat in range(N_REPEATS + 1):
        turned = names[repeat:] + names[:repeat]
        for count in COUNTS:
            asked = partial(segmentor.segment, tile, turned[:count], mpp=MPP)
            times[count].append(_once(asked))
    return {count: median(each[1:]) for count, each in times.items()}


def _seconds_for_masks(segmentor: Segmentor, tile: NDArray[np.uint8]) -> float:
    """Median seconds for 8 prompts down to their masks, objects split."""
    names = list(OBJECTS)[:8]
    return median(
        _once(lambda: segmentor.segment(tile, names, mpp=MPP).masks) for _ in range(N_REPEATS)
    )


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
    """SAM 3 as published (0.8 billion parameters), once each; weights in bfloat16."""
    from transformers import Sam3Config, Sam3Model

    before = _gib()
    torch.set_default_dtype(torch.bfloat16)
    try:
        peer: Any = Sam3Model(Sam3Config()).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    grown = _gib() - before
    pixels = torch.randn(1, 3, 1008, 1008, dtype=torch.bfloat16)
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
