"""Cost of further prompts on one 1024 px tile, beside transformers' CLIPSeg at random weights."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from pathexplain.segmentor.backends import load_segmentor
from pathexplain.vocabulary import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable

N_REPEATS = 5
N_PROMPTS = 16


def _seconds(work: Callable[[], object]) -> float:
    """Median wall time after one warm-up."""
    work()
    times = []
    for _ in range(N_REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def run() -> dict[str, Any]:
    """Ratios: 16 prompts to one, and CLIPSeg to ours, each for one image and 16 prompts."""
    image = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    names = list(OBJECTS)[:N_PROMPTS]
    model = load_segmentor("compact", device="cpu")
    one = _seconds(lambda: model.segment(image, names[:1], mpp=0.5))
    eight = _seconds(lambda: model.segment(image, names[:8], mpp=0.5))
    many = _seconds(lambda: model.segment(image, names, mpp=0.5))
    peer = CLIPSegForImageSegmentation(CLIPSegConfig()).eval()
    pixels = torch.randn(N_PROMPTS, 3, 352, 352)
    tokens = torch.randint(1, 1000, (N_PROMPTS, 12))
    with torch.inference_mode():
        theirs = _seconds(lambda: peer(input_ids=tokens, pixel_values=pixels))
    return {
        "seconds_1_prompt": one,
        "seconds_8_prompts": eight,
        "seconds_16_prompts": many,
        "seconds_clipseg_16_prompts_352px": theirs,
        "ratio_16_to_1_prompts": many / one,
        "ratio_clipseg_to_ours_16_prompts": theirs / many,
    }
